/* lists.h: the lists of one table of a tail by (id, chunk): one writer adds, any thread looks up without a lock.
 *
 * Open addressing. A slot's list is published by a release store after everything in it; a table that gets full is
 * replaced by a larger one and kept until the end, because readers may still walk it. */
#ifndef REVEILLE_WORKER_LISTS_H
#define REVEILLE_WORKER_LISTS_H

#include "tail.h"

rvw_lists_t *rvw_lists_new(void);
/* Frees tables and lists, not blocks. */
void rvw_lists_destroy(rvw_lists_t **lists);
rvw_list_t *rvw_lists_find(const rvw_lists_t *lists, uint32_t id, uint32_t chunk);
/* The writer's: finds or adds; *ret_new tells which. NULL without memory. */
rvw_list_t *rvw_lists_get(rvw_lists_t *lists, uint32_t id, uint32_t chunk, bool *ret_new);
/* List k in no order, or NULL past the last one; the writer's, or of a tail that grows no more. */
rvw_list_t *rvw_lists_next(const rvw_lists_t *lists, uint32_t *at);

#endif

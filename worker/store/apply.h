/* apply.h: one write on its way into the tail; shared by the files that apply the kinds of writes. Under the apply
 * lock. */
#ifndef REVEILLE_WORKER_APPLY_H
#define REVEILLE_WORKER_APPLY_H

#include "core.h"
#include "finder.h"
#include "input.h"

typedef struct {
    rvw_partition_t *p;
    rvw_tail_t *tail; /* the active one */
    const Reveille__V1__PartitionWrite *write;
    uint64_t lsn;
    bool known; /* a repetition: nothing changes */
    rv_arena_t *arena;
    rvw_result_t *result;
    size_t cap_errors;
    rv_error_t *err;
} rvw_apply_t;

rv_status_t rvw_apply_contacts(rvw_apply_t *apply, const Reveille__V1__EntityBatch *batch);
rv_status_t rvw_apply_companies(rvw_apply_t *apply, const Reveille__V1__CompanyBatch *batch);
rv_status_t rvw_apply_events(rvw_apply_t *apply, const Reveille__V1__EventBatch *batch);
rv_status_t rvw_apply_contact_delete(rvw_apply_t *apply, const Reveille__V1__StringColumn *keys);

/* Under maintenance, not under apply: removes stored events; nothing of them is in a tail. *ret_n: how many. The new
 * base is published together with the write's LSN. */
rv_status_t rvw_delete_events(rvw_partition_t *partition, const Reveille__V1__EventDelete *delete, uint64_t lsn,
                              rv_arena_t *arena, uint64_t *ret_n, rv_error_t *err);

/* The row of a key of the finder's table: found, or new when it may be created; RVW_NO_ROW otherwise. */
rv_status_t rvw_apply_row(rvw_apply_t *apply, rvw_finder_t *finder, rv_str_t key, uint64_t hash, bool create,
                          uint32_t *ret_row, bool *ret_created);
/* The row of a key that is not erased, as the writer sees it; RVW_NO_ROW when there is none. */
rv_status_t rvw_writer_find(const rvw_partition_t *partition, rvw_table_t table, rv_str_t key, uint32_t *ret_row,
                            rv_error_t *err);
/* Item `index` is refused: counted, and named while there is room. */
rv_status_t rvw_apply_refuse(rvw_apply_t *apply, uint32_t index, const rv_error_t *why);
/* The named ones in the order of the items. */
void rvw_apply_sort_refusals(rvw_apply_t *apply);
/* The copy in the tail of row i's string; the same string again is copied once. NULL p without memory. */
rv_str_t rvw_apply_keep(rvw_apply_t *apply, rvw_input_t *input, uint32_t i);

#endif

/* current.h: the value that a row has now, as the writer sees it: everything applied, the write under way included.
 * Under the apply lock. */
#ifndef REVEILLE_WORKER_CURRENT_H
#define REVEILLE_WORKER_CURRENT_H

#include "core.h"

/* A column of one chunk as it is now; kept while rows stay in the chunk. Starts with table and id alone. */
typedef struct {
    rvw_table_t table;
    uint32_t id, chunk;
    bool ready;
    rvw_list_t *active;
    const rvw_list_t *frozen;
} rvw_current_t;

/* Moves to the chunk of a row. */
void rvw_current_go(rvw_current_t *current, const rvw_partition_t *partition, uint32_t row);
/* The value of a row of that chunk, as one of `type` and `scale`; none when it cannot be that. Text lies in the
 * partition's memory, or in buf (RVW_TEXT_ROOM). DATA_LOSS of a stored column. */
rv_status_t rvw_current_value(const rvw_current_t *current, const rvw_partition_t *partition, uint32_t row,
                              rv_type_t type, unsigned scale, char *buf, rv_value_t *ret, rv_error_t *err);

#endif

/* sight.h: what one reader, the writer or a flush sees: a base, at most two tails above it, and where they end.
 *
 * Plain data, borrowed: whoever makes one holds the references. Tails stand in the order of their writes; the second
 * may be missing, and the first too in front of a single one. */
#ifndef REVEILLE_WORKER_SIGHT_H
#define REVEILLE_WORKER_SIGHT_H

#include "base.h"
#include "index.h"
#include "tail.h"

typedef struct {
    rvw_base_t *base;
    rvw_tail_t *tails[2]; /* NULL: none */
    uint64_t lsn;         /* later writes are not seen */
    uint32_t rows[2];     /* contacts, companies */
    uint32_t erased[2];   /* erasures seen of each tail */
    uint32_t chunk_rows;
} rvw_sight_t;

static inline uint32_t rvw_table_index(rvw_table_t table) {
    return table == RVW_COMPANIES;
}
/* Rows of a chunk. */
uint32_t rvw_sight_chunk_rows(const rvw_sight_t *sight, rvw_table_t table, uint32_t chunk);
/* Key of a row ("" when it was erased and is gone); buf as rvw_column_string. DATA_LOSS. */
rv_status_t rvw_sight_key(const rvw_sight_t *sight, rvw_table_t table, uint32_t row, char *buf, rv_str_t *ret,
                          rv_error_t *err);
/* A contact's row is erased. */
bool rvw_sight_erased(const rvw_sight_t *sight, uint32_t row);
/* The row of a key that is not erased; NONE when there is none. */
#define RVW_NO_ROW UINT32_MAX
rv_status_t rvw_sight_find(const rvw_sight_t *sight, rvw_index_t *index, rvw_table_t table, const char *key, size_t n,
                           uint32_t *ret_row, rv_error_t *err);
/* One stored column of a chunk that covers row `row` of it: NULL column when nothing is stored. */
rv_status_t rvw_sight_part(const rvw_sight_t *sight, rvw_table_t table, uint32_t id, uint32_t chunk, uint32_t row,
                           const rvw_column_t **ret_column, uint32_t *ret_first, rv_error_t *err);
/* The column of a chunk: in place when one piece holds all of it and no patch is seen, merged in the arena otherwise.
 * With `dead` (a bitmap of the chunk's rows) it is always merged, and those rows have no value. */
rv_status_t rvw_sight_column(const rvw_sight_t *sight, rvw_table_t table, uint32_t id, uint32_t chunk,
                             const uint8_t *dead, rv_arena_t *arena, rvw_column_t *ret, rv_error_t *err);

#endif

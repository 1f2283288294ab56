/* finder.h: rows of keys, as the writer sees them: everything applied, the write under way included.
 *
 * Good for one write, under apply (or under maintenance where nothing is applied). Keys that are looked up one after
 * the other cost a few cache misses each; warming a group first lets those misses overlap. */
#ifndef REVEILLE_WORKER_FINDER_H
#define REVEILLE_WORKER_FINDER_H

#include "core.h"
#include "input.h"

/* Stored keys: those of rows [first, first + column->n). */
typedef struct {
    const rvw_column_t *column;
    uint32_t first;
} rvw_stored_keys_t;

#define RVW_FINDER_CHUNKS 8u

typedef struct {
    const rvw_partition_t *p;
    rvw_table_t table;
    rvw_sight_t sight;
    rvw_stored_keys_t held[RVW_FINDER_CHUNKS]; /* read last, by number of the chunk */
} rvw_finder_t;

void rvw_finder_init(rvw_finder_t *finder, const rvw_partition_t *partition, rvw_table_t table);
/* Hashes all keys and fetches ahead what looking them up will read. */
void rvw_finder_warm(rvw_finder_t *finder, const rvw_strings_t *keys, uint64_t *ret_hashes);
/* The row of a key that is not erased; RVW_NO_ROW when there is none. DATA_LOSS. */
rv_status_t rvw_finder_find(rvw_finder_t *finder, rv_str_t key, uint64_t hash, uint32_t *ret_row, rv_error_t *err);

#endif

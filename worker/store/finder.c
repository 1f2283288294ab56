/* finder.c: see finder.h. A key is where its row came from: in a tail, as a pointer to its text, or in a stored column,
 * of which those of some chunks are kept at hand. One thread. */
#include "finder.h"

#include <string.h>

#include "reveille/hash.h"

#define GROUP 32u

void rvw_finder_init(rvw_finder_t *finder, const rvw_partition_t *partition, rvw_table_t table) {
    *finder = (rvw_finder_t){.p = partition, .table = table};
    rvw_writer_sight(partition, &finder->sight);
}

/* The key of a row that came with a tail, or NULL. */
static const rv_str_t *new_key(const rvw_finder_t *finder, uint32_t row) {
    uint32_t t = rvw_table_index(finder->table);
    for (int k = 1; k >= 0; k--) {
        const rvw_tail_t *tail = finder->sight.tails[k];
        if (tail && row >= tail->keys[t].first) {
            return rvw_new_key_place(&tail->keys[t], row - tail->keys[t].first);
        }
    }
    return NULL;
}

/* The stored keys that hold the row's. */
static rv_status_t hold(rvw_finder_t *finder, uint32_t row, const rvw_stored_keys_t **ret, rv_error_t *err) {
    uint32_t first, chunk = row / finder->sight.chunk_rows, at = row - chunk * finder->sight.chunk_rows;
    rvw_stored_keys_t *held = &finder->held[chunk % RVW_FINDER_CHUNKS];
    *ret = held;
    if (held->column && row >= held->first && row - held->first < held->column->n) {
        return RV_OK;
    }
    rv_status_t status = rvw_sight_part(&finder->sight, finder->table, RVW_KEYS, chunk, at, &held->column, &first, err);
    if (status) {
        held->column = NULL;
        return status;
    }
    if (!held->column || held->column->type != RV_STRING) {
        held->column = NULL;
        return rv_fail(err, RV_REASON_DAMAGED, "the key of row %u is missing", row);
    }
    held->first = row - at + first;
    return RV_OK;
}

static rv_status_t row_has(rvw_finder_t *finder, uint32_t row, rv_str_t key, bool *ret, rv_error_t *err) {
    const rv_str_t *fresh = new_key(finder, row);
    if (fresh) {
        *ret = fresh->n == key.n && memcmp(fresh->p, key.p, key.n) == 0;
        return RV_OK;
    }
    const rvw_stored_keys_t *keys;
    rv_status_t status = hold(finder, row, &keys, err);
    if (status) {
        return status;
    }
    uint32_t i = row - keys->first;
    *ret = rvw_column_present(keys->column, i) ? rvw_column_is(keys->column, i, key) : key.n == 0;
    return RV_OK;
}

rv_status_t rvw_finder_find(rvw_finder_t *finder, rv_str_t key, uint64_t hash, uint32_t *ret_row, rv_error_t *err) {
    const rvw_index_t *index = finder->p->index[rvw_table_index(finder->table)];
    uint64_t cursor = 0;
    uint32_t row;
    while (rvw_index_mine(index, hash, &cursor, &row)) {
        bool same;
        if (finder->table == RVW_CONTACTS && rvw_is_dead(finder->p, row)) {
            continue;
        }
        rv_status_t status = row_has(finder, row, key, &same, err);
        if (status) {
            return status;
        }
        if (same) {
            *ret_row = row;
            return RV_OK;
        }
    }
    *ret_row = RVW_NO_ROW;
    return RV_OK;
}

/* Fetches where the key of a candidate is; its text, when it is a pointer, in the next step. */
static void fetch_place(rvw_finder_t *finder, uint32_t row, const rv_str_t **ret_fresh) {
    const rvw_stored_keys_t *keys;
    *ret_fresh = new_key(finder, row);
    if (*ret_fresh) {
        __builtin_prefetch(*ret_fresh);
    } else if (hold(finder, row, &keys, NULL) == RV_OK) {
        const rvw_column_t *column = keys->column;
        const void *codes = column->encoding == RVW_PLAIN ? (const void *)column->offsets : column->codes;
        uint32_t width = column->encoding == RVW_PLAIN ? 4 : column->width;
        if (codes) {
            __builtin_prefetch((const char *)codes + (size_t)(row - keys->first) * width);
        }
        if (column->codes2) {
            __builtin_prefetch(column->codes2 + (row - keys->first));
        }
    }
}

void rvw_finder_warm(rvw_finder_t *finder, const rvw_strings_t *keys, uint64_t *ret_hashes) {
    const rvw_index_t *index = finder->p->index[rvw_table_index(finder->table)];
    for (uint32_t first = 0; first < keys->n; first += GROUP) {
        const rv_str_t *fresh[GROUP] = {NULL};
        uint32_t n = keys->n - first < GROUP ? keys->n - first : GROUP;
        for (uint32_t k = 0; k < n; k++) {
            rv_str_t key = rvw_strings_get(keys, first + k);
            ret_hashes[first + k] = rv_hash(key.p, key.n);
            rvw_index_prefetch(index, ret_hashes[first + k]);
        }
        for (uint32_t k = 0; k < n; k++) {
            uint64_t cursor = 0;
            uint32_t row;
            if (rvw_index_mine(index, ret_hashes[first + k], &cursor, &row)) {
                fetch_place(finder, row, &fresh[k]);
            }
        }
        for (uint32_t k = 0; k < n; k++) {
            if (fresh[k]) {
                __builtin_prefetch(fresh[k]->p);
            }
        }
    }
}

/* tables.c: see tables.h. Works under maintenance, on a base and a frozen tail that change no more. */
#include "tables.h"

#include <stdlib.h>
#include <string.h>

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t sort_unique(uint32_t *ids, uint32_t n) {
    uint32_t kept = 0;
    qsort(ids, n, sizeof *ids, by_number);
    for (uint32_t k = 0; k < n; k++) {
        if (kept == 0 || ids[kept - 1] != ids[k]) {
            ids[kept++] = ids[k];
        }
    }
    return kept;
}

rv_status_t rvw_table_ids(const rvw_sight_t *sight, rvw_table_t table, rv_arena_t *arena, uint32_t **ret,
                          uint32_t *ret_n, rv_error_t *err) {
    uint32_t n_entries, cap, n = 0;
    rvw_stored_t *const *entries = rvw_base_entries(sight->base, &n_entries);
    cap = n_entries;
    for (int t = 0; t < 2; t++) {
        uint32_t at = 0;
        while (sight->tails[t] && rvw_tail_next(sight->tails[t], table, &at)) {
            cap++;
        }
    }
    uint32_t *ids = rv_arena_alloc(arena, (cap + 1) * sizeof *ids);
    if (!ids) {
        return rv_fail_memory(err, "the columns of a table");
    }
    for (uint32_t k = 0; k < n_entries; k++) {
        const rvw_place_t *place = rvw_stored_place(entries[k]);
        if (place->table == table && place->id != RVW_KEYS && (n == 0 || ids[n - 1] != place->id)) {
            ids[n++] = place->id;
        }
    }
    for (int t = 0; t < 2; t++) {
        const rvw_list_t *list;
        uint32_t at = 0;
        while (sight->tails[t] && (list = rvw_tail_next(sight->tails[t], table, &at))) {
            ids[n++] = list->id;
        }
    }
    *ret = ids;
    *ret_n = sort_unique(ids, n);
    return RV_OK;
}

rv_status_t rvw_table_rewrite(rvw_change_t *change, const rvw_sight_t *sight, rvw_table_t table, uint32_t id,
                              uint32_t chunk, const uint8_t *dead, rv_error_t *err) {
    static const uint8_t nobody[65536 / 8];
    rv_arena_t arena;
    rvw_column_t column;
    uint32_t at, n = rvw_base_find(sight->base, table, id, chunk, &at);
    rv_arena_init(&arena, SIZE_MAX);
    const uint8_t *dead_here = dead ? dead + (size_t)chunk * sight->chunk_rows / 8 : nobody;
    uint8_t few = 0; /* chunks of fewer than 8 rows share a byte of the bitmap */
    if (dead && sight->chunk_rows < 8) {
        few = (uint8_t)(*dead_here >> ((uint64_t)chunk * sight->chunk_rows % 8));
        dead_here = &few;
    }
    rv_status_t status = rvw_sight_column(sight, table, id, chunk, dead_here, &arena, &column, err);
    if (status == RV_OK) {
        status = rvw_change_column(change, table, id, chunk, &column, err);
    }
    for (uint32_t k = 0; status == RV_OK && k < n; k++) {
        status = rvw_change_drop(change, rvw_stored_place(rvw_base_entries(sight->base, NULL)[at + k]), err);
    }
    rv_arena_done(&arena);
    return status;
}

/* All columns of a chunk that got rows. */
static rv_status_t write_chunk(rvw_change_t *change, const rvw_sight_t *sight, rvw_table_t table, uint32_t chunk,
                               const uint32_t *ids, uint32_t n, const uint8_t *dead, rv_error_t *err) {
    rv_status_t status = rvw_table_rewrite(change, sight, table, RVW_KEYS, chunk, dead, err);
    for (uint32_t k = 0; status == RV_OK && k < n; k++) {
        uint32_t first;
        if (rvw_base_find(sight->base, table, ids[k], chunk, &first) > 0 ||
            rvw_tail_find(sight->tails[0], table, ids[k], chunk)) {
            status = rvw_table_rewrite(change, sight, table, ids[k], chunk, dead, err);
        }
    }
    return status;
}

static rv_status_t write_grown(rvw_change_t *change, const rvw_sight_t *sight, rvw_table_t table, uint32_t first,
                               const uint8_t *dead, rv_error_t *err) {
    rv_arena_t arena;
    uint32_t *ids, n, rows = sight->rows[rvw_table_index(table)];
    rv_arena_init(&arena, SIZE_MAX);
    rv_status_t status = rvw_table_ids(sight, table, &arena, &ids, &n, err);
    for (uint32_t chunk = first; status == RV_OK && (uint64_t)chunk * sight->chunk_rows < rows; chunk++) {
        status = write_chunk(change, sight, table, chunk, ids, n, dead, err);
    }
    rv_arena_done(&arena);
    return status;
}

rv_status_t rvw_tables_write(rvw_change_t *change, const rvw_sight_t *sight, rvw_table_t table, const uint8_t *dead,
                             rv_error_t *err) {
    uint32_t t = rvw_table_index(table), first_row = sight->tails[0]->keys[t].first;
    uint32_t first_new = first_row / sight->chunk_rows;
    bool grew = sight->rows[t] > first_row;
    rv_status_t status = grew ? write_grown(change, sight, table, first_new, dead, err) : RV_OK;
    const rvw_list_t *list;
    for (uint32_t at = 0; status == RV_OK && (list = rvw_tail_next(sight->tails[0], table, &at));) {
        if (!grew || list->chunk < first_new) {
            status = rvw_table_rewrite(change, sight, table, list->id, list->chunk, dead, err);
        }
    }
    return status;
}

rv_status_t rvw_erased_write(rvw_change_t *change, const rvw_base_t *base, uint32_t chunk, const uint8_t *dead,
                             bool purged, rv_error_t *err) {
    uint32_t chunk_rows = rvw_base_state(base)->identity.chunk_rows, at;
    uint32_t n = rvw_base_find(base, RVW_ERASED, 0, chunk, &at);
    rvw_place_t place = {RVW_ERASED, 0, chunk, change->gen, 0};
    rvw_column_t column = {
        .type = RV_BOOL, .encoding = RVW_CONST, .n = chunk_rows, .base = 1, .unit = 1, .present = dead};
    const uint8_t *bytes;
    size_t size;
    rvw_workspace_clear(change->workspace);
    rv_status_t status = rvw_piece_write_column(change->workspace->builder, &place, &column, 0, purged,
                                                &change->workspace->scratch, &bytes, &size, err);
    if (status == RV_OK) {
        status = rvw_change_put(change, &place, bytes, size, err);
    }
    for (uint32_t k = 0; status == RV_OK && k < n; k++) {
        status = rvw_change_drop(change, rvw_stored_place(rvw_base_entries(base, NULL)[at + k]), err);
    }
    return status;
}

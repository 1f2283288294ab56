/* sight.c: keys and columns as a sight shows them: the base's piece with the patches of the tails on top.
 *
 * Patches are applied in their order, those of an LSN above the sight's are never reached. Merged columns take the
 * newest type that a visible patch has, because a schema may have been widened since the base was written. Failure:
 * DATA_LOSS of a piece, memory of the arena. */
#include "sight.h"

#include <string.h>

#include "reveille/hash.h"

uint32_t rvw_sight_chunk_rows(const rvw_sight_t *sight, rvw_table_t table, uint32_t chunk) {
    uint64_t first = (uint64_t)chunk * sight->chunk_rows, rows = sight->rows[rvw_table_index(table)];
    return first >= rows ? 0 : rows - first < sight->chunk_rows ? (uint32_t)(rows - first) : sight->chunk_rows;
}

rv_status_t rvw_sight_part(const rvw_sight_t *sight, rvw_table_t table, uint32_t id, uint32_t chunk, uint32_t row,
                           const rvw_column_t **ret_column, uint32_t *ret_first, rv_error_t *err) {
    uint32_t at, n = rvw_base_find(sight->base, table, id, chunk, &at);
    rvw_stored_t *const *entries = rvw_base_entries(sight->base, NULL);
    *ret_column = NULL;
    for (uint32_t k = 0; k < n; k++) {
        const rvw_piece_t *piece;
        rv_status_t status = rvw_stored_piece(entries[at + k], sight->chunk_rows, &piece, err);
        if (status) {
            return status;
        }
        if (row >= piece->first && row - piece->first < piece->column.n) {
            *ret_column = &piece->column;
            *ret_first = piece->first;
            break;
        }
    }
    return RV_OK;
}

rv_status_t rvw_sight_key(const rvw_sight_t *sight, rvw_table_t table, uint32_t row, char *buf, rv_str_t *ret,
                          rv_error_t *err) {
    uint32_t t = rvw_table_index(table);
    for (int k = 1; k >= 0; k--) {
        if (sight->tails[k] && row >= sight->tails[k]->keys[t].first) {
            *ret = rvw_new_key(&sight->tails[k]->keys[t], row - sight->tails[k]->keys[t].first);
            return RV_OK;
        }
    }
    const rvw_column_t *column;
    uint32_t first, at = row % sight->chunk_rows;
    rv_status_t status = rvw_sight_part(sight, table, RVW_KEYS, row / sight->chunk_rows, at, &column, &first, err);
    if (status) {
        return status;
    }
    if (!column || column->type != RV_STRING) {
        return rv_fail(err, RV_REASON_DAMAGED, "the key of row %u is missing", row);
    }
    *ret = rvw_column_present(column, at - first) ? rvw_column_string(column, at - first, buf) : (rv_str_t){"", 0};
    return RV_OK;
}

bool rvw_sight_erased(const rvw_sight_t *sight, uint32_t row) {
    const uint8_t *bits = rvw_base_erased(sight->base, row / sight->chunk_rows, NULL);
    uint32_t at = row % sight->chunk_rows;
    if (bits && (bits[at >> 3] >> (at & 7) & 1)) {
        return true;
    }
    for (int t = 0; t < 2; t++) {
        for (uint32_t k = 0; sight->tails[t] && k < sight->erased[t]; k++) {
            if (rvw_new_key(&sight->tails[t]->erased, k).n == row) {
                return true;
            }
        }
    }
    return false;
}

rv_status_t rvw_sight_find(const rvw_sight_t *sight, rvw_index_t *index, rvw_table_t table, const char *key, size_t n,
                           uint32_t *ret_row, rv_error_t *err) {
    uint64_t hash = rv_hash(key, n), cursor = 0;
    uint32_t row;
    while (rvw_index_next(index, hash, &cursor, &row)) {
        char buf[300];
        rv_str_t other;
        if (row >= sight->rows[rvw_table_index(table)]) {
            continue;
        }
        rv_status_t status = rvw_sight_key(sight, table, row, buf, &other, err);
        if (status) {
            return status;
        }
        if (other.n == n && memcmp(other.p, key, n) == 0 && (table == RVW_COMPANIES || !rvw_sight_erased(sight, row))) {
            *ret_row = row;
            return RV_OK;
        }
    }
    *ret_row = RVW_NO_ROW;
    return RV_OK;
}

/* The patches of one tail that are seen, and the shape of the newest. */
static const rvw_list_t *seen_patches(const rvw_sight_t *sight, int t, rvw_table_t table, uint32_t id, uint32_t chunk,
                                      rvw_shape_t *shape) {
    const rvw_tail_t *tail = sight->tails[t];
    const rvw_list_t *list = tail && id != RVW_KEYS ? rvw_tail_find(tail, table, id, chunk) : NULL;
    const rvw_block_t *block = list ? atomic_load_explicit(&list->first, memory_order_acquire) : NULL;
    bool any = false;
    while (block && rvw_block_visible(tail, block, sight->lsn) > 0) {
        *shape = block->cells[0].shape;
        any = true;
        block = atomic_load_explicit(&block->next, memory_order_acquire);
    }
    return any ? list : NULL;
}

static bool put_patches(const rvw_sight_t *sight, const rvw_tail_t *tail, const rvw_list_t *list, rvw_plain_t *plain) {
    const rvw_block_t *block = atomic_load_explicit(&list->first, memory_order_acquire);
    uint32_t n;
    while (block && (n = rvw_block_visible(tail, block, sight->lsn)) > 0) {
        const rvw_shape_t *shape = &block->cells[0].shape;
        for (uint32_t i = 0; i < n; i++) {
            rv_value_t value;
            rvw_cells_get(&block->cells[0], i, &value);
            if (!rvw_value_convert(&value, shape->type, shape->scale, plain->type, plain->scale)) {
                value.present = false;
            }
            if (!rvw_plain_set(plain, block->row[i], &value)) {
                return false;
            }
        }
        block = atomic_load_explicit(&block->next, memory_order_acquire);
    }
    return true;
}

/* Keys of the rows that came with the tails. */
static bool put_new_keys(const rvw_sight_t *sight, rvw_table_t table, uint32_t chunk, rvw_plain_t *plain) {
    uint32_t t = rvw_table_index(table), first = chunk * sight->chunk_rows;
    const rvw_tail_t *oldest = sight->tails[0] ? sight->tails[0] : sight->tails[1];
    for (uint32_t i = 0; oldest && i < plain->n; i++) {
        const rvw_tail_t *tail =
            sight->tails[1] && first + i >= sight->tails[1]->keys[t].first ? sight->tails[1] : oldest;
        if (first + i >= tail->keys[t].first) {
            rv_value_t value = {.present = true, .s = rvw_new_key(&tail->keys[t], first + i - tail->keys[t].first)};
            if (!rvw_plain_set(plain, i, &value)) {
                return false;
            }
        }
    }
    return true;
}

static rv_status_t put_base(const rvw_sight_t *sight, uint32_t at, uint32_t n, rvw_plain_t *plain, rv_error_t *err) {
    rvw_stored_t *const *entries = rvw_base_entries(sight->base, NULL);
    for (uint32_t k = 0; k < n; k++) {
        const rvw_piece_t *piece;
        rv_status_t status = rvw_stored_piece(entries[at + k], sight->chunk_rows, &piece, err);
        if (status) {
            return status;
        }
        for (uint32_t i = 0; i < piece->column.n && piece->first + i < plain->n; i++) {
            if (!rvw_plain_take(plain, piece->first + i, &piece->column, i)) {
                return rv_fail(err, RV_REASON_QUOTA, "a column does not fit the memory of the query");
            }
        }
    }
    return RV_OK;
}

/* Erased rows lose their value; text stays a string that can be read. */
static void clear_dead(rvw_plain_t *plain, const uint8_t *dead) {
    for (uint32_t i = 0; dead && i < plain->n; i++) {
        if (dead[i >> 3] >> (i & 7) & 1) {
            rvw_plain_clear(plain, i);
            if (rvw_kind(plain->type) == RVW_KIND_TEXT) {
                ((rv_str_t *)plain->values)[i] = (rv_str_t){"", 0};
            }
        }
    }
}

rv_status_t rvw_sight_column(const rvw_sight_t *sight, rvw_table_t table, uint32_t id, uint32_t chunk,
                             const uint8_t *dead, rv_arena_t *arena, rvw_column_t *ret, rv_error_t *err) {
    uint32_t rows = rvw_sight_chunk_rows(sight, table, chunk), at;
    uint32_t parts = rvw_base_find(sight->base, table, id, chunk, &at);
    const rvw_piece_t *piece = NULL;
    rvw_shape_t shape = {.id = id, .type = id == RVW_KEYS ? RV_STRING : (rv_type_t)0};
    if (parts > 0) {
        rv_status_t status = rvw_stored_piece(rvw_base_entries(sight->base, NULL)[at], sight->chunk_rows, &piece, err);
        if (status) {
            return status;
        }
        shape = (rvw_shape_t){.id = id, .type = piece->column.type, .scale = piece->column.scale};
    }
    const rvw_list_t *lists[2];
    lists[0] = seen_patches(sight, 0, table, id, chunk, &shape);
    lists[1] = seen_patches(sight, 1, table, id, chunk, &shape);
    bool untouched = !lists[0] && !lists[1] && !dead;
    if (untouched && parts == 1 && piece->first == 0 && piece->column.n == rows) {
        *ret = piece->column;
        return RV_OK;
    }
    if (untouched && parts == 0 && id != RVW_KEYS) {
        *ret = (rvw_column_t){.encoding = RVW_NONE, .n = rows, .unit = 1};
        return RV_OK;
    }
    rvw_plain_t plain;
    bool ok = rvw_plain_init(&plain, arena, shape.type, shape.scale, rows);
    rv_status_t status = ok ? put_base(sight, at, parts, &plain, err) : RV_OK;
    for (int t = 0; status == RV_OK && ok && t < 2; t++) {
        ok = !lists[t] || put_patches(sight, sight->tails[t], lists[t], &plain);
    }
    ok = ok && (status || id != RVW_KEYS || put_new_keys(sight, table, chunk, &plain));
    if (status || !ok) {
        return status ? status : rv_fail(err, RV_REASON_QUOTA, "a column does not fit the memory of the query");
    }
    clear_dead(&plain, dead);
    rvw_plain_column(&plain, ret);
    return RV_OK;
}

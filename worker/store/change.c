/* change.c: see change.h. Used by whoever holds the partition's maintenance lock. */
#include "change.h"

#include <stdlib.h>
#include <string.h>

#include "reveille/fault.h"
#include "reveille/limits.h"

#define TXN_BYTES ((size_t)16 * RV_PIECE_BYTES)
/* A column lies in one value up to here: readers then take it in place. */
#define COLUMN_BYTES ((size_t)16 * RV_PIECE_BYTES)

static rv_status_t pass_on(const rvw_change_t *change, rv_error_t *err) {
    if (change->txn.status && err) {
        *err = change->txn.error;
    }
    return change->txn.status;
}

rv_status_t rvw_change_begin(rvw_change_t *change, rvw_slabs_t *slabs, rvw_env_t *env, uint64_t gen, rv_error_t *err) {
    *change = (rvw_change_t){.slabs = slabs, .env = env, .gen = gen, .per_event = 16};
    change->workspace = slabs ? rvw_slabs_borrow(slabs) : rvw_workspace_new();
    if (!change->workspace) {
        return rv_fail_memory(err, "a change of a partition");
    }
    rvw_txn_begin(&change->txn, env);
    return pass_on(change, err);
}

rv_status_t rvw_change_put(rvw_change_t *change, const rvw_place_t *place, const uint8_t *bytes, size_t n,
                           rv_error_t *err) {
    uint8_t key[RVW_PLACE_BYTES];
    rvw_place_pack(place, key);
    rvw_txn_put(&change->txn, key, sizeof key, bytes, n);
    if (change->txn.status == RV_OK && change->txn.bytes > TXN_BYTES) {
        change->between = true;
        rvw_txn_commit(&change->txn);
        if (change->txn.status == RV_OK && RV_FAULT("flush-between")) {
            return rv_fail(err, RV_REASON_QUOTA, "fault point flush-between");
        }
        if (change->txn.status == RV_OK) {
            rvw_txn_begin(&change->txn, change->env);
        }
    }
    return pass_on(change, err);
}

rv_status_t rvw_change_drop(rvw_change_t *change, const rvw_place_t *place, rv_error_t *err) {
    if (change->n_drops == change->cap_drops) {
        uint32_t cap = change->cap_drops ? change->cap_drops * 2 : 64;
        rvw_place_t *grown = realloc(change->drops, cap * sizeof *grown);
        if (!grown) {
            return rv_fail_memory(err, "a change of a partition");
        }
        change->drops = grown;
        change->cap_drops = cap;
    }
    change->drops[change->n_drops++] = *place;
    return RV_OK;
}

/* A range of a flat column; ranges start at multiples of 8. */
static rvw_column_t range_of(const rvw_column_t *column, uint32_t first, uint32_t n) {
    rvw_column_t part = *column;
    size_t size = column->encoding == RVW_FOR || column->encoding == RVW_F64 ? 8 : 16;
    part.n = n;
    part.present = column->present ? column->present + first / 8 : NULL;
    part.codes = column->codes ? (const uint8_t *)column->codes + first * size : NULL;
    return part;
}

/* Tries to write the column in parts of `rows` rows; *ret_fits tells whether all stayed below the limit. Nothing is put
 * unless they do. */
static rv_status_t try_parts(rvw_change_t *change, const rvw_place_t *place, const rvw_column_t *column, uint32_t rows,
                             bool put, bool *ret_fits, rv_error_t *err) {
    rvw_place_t at = *place;
    *ret_fits = true;
    for (uint32_t first = 0; first < column->n && *ret_fits; first += rows, at.part++) {
        rvw_column_t part = range_of(column, first, column->n - first < rows ? column->n - first : rows);
        const uint8_t *bytes;
        size_t n;
        rvw_workspace_clear(change->workspace);
        rv_status_t status = rvw_piece_write_column(change->workspace->builder, &at, &part, first, 0,
                                                    &change->workspace->scratch, &bytes, &n, err);
        if (status) {
            return status;
        }
        *ret_fits = n <= COLUMN_BYTES || rows <= 8;
        if (put) {
            status = rvw_change_put(change, &at, bytes, n, err);
            if (status) {
                return status;
            }
        }
    }
    return RV_OK;
}

rv_status_t rvw_change_column(rvw_change_t *change, rvw_table_t table, uint32_t id, uint32_t chunk,
                              const rvw_column_t *column, rv_error_t *err) {
    rvw_place_t place = {(uint8_t)table, id, chunk, change->gen, 0};
    uint32_t rows = column->n < 8 ? 8 : (column->n + 7) / 8 * 8;
    const uint8_t *bytes;
    size_t n;
    if (column->n == 0) {
        return RV_OK;
    }
    rvw_workspace_clear(change->workspace);
    rv_status_t status = rvw_piece_write_column(change->workspace->builder, &place, column, 0, 0,
                                                &change->workspace->scratch, &bytes, &n, err);
    if (status || n <= COLUMN_BYTES || rows <= 8) {
        return status ? status : rvw_change_put(change, &place, bytes, n, err);
    }
    bool fits = false;
    while (status == RV_OK && !fits) {
        rows = rows / 16 * 8 < 8 ? 8 : rows / 16 * 8;
        status = try_parts(change, &place, column, rows, false, &fits, err);
    }
    return status ? status : try_parts(change, &place, column, rows, true, &fits, err);
}

rv_status_t rvw_change_commit(rvw_change_t *change, rvw_state_t *state, const rvw_writes_t *writes, uint64_t flushed,
                              rv_error_t *err) {
    for (uint32_t k = 0; k < change->n_drops; k++) {
        uint8_t key[RVW_PLACE_BYTES];
        rvw_place_pack(&change->drops[k], key);
        rvw_txn_delete(&change->txn, key, sizeof key);
    }
    if (writes) {
        rvw_writes_flush(writes, flushed, &change->txn);
    }
    state->gen = change->gen;
    rvw_state_write(&change->txn, state);
    if (RV_FAULT("flush-before-commit")) {
        return rv_fail(err, RV_REASON_QUOTA, "fault point flush-before-commit");
    }
    rvw_txn_commit(&change->txn);
    if (change->txn.status == RV_OK && RV_FAULT("flush-after-commit")) {
        return rv_fail(err, RV_REASON_OUTCOME_UNKNOWN, "fault point flush-after-commit");
    }
    return pass_on(change, err);
}

void rvw_change_done(rvw_change_t *change) {
    rvw_txn_abort(&change->txn);
    if (change->slabs) {
        rvw_slabs_return(change->slabs, &change->workspace);
    }
    rvw_workspace_destroy(&change->workspace);
    free(change->drops);
    change->drops = NULL;
}

/* base.c: the directory of a commit.
 *
 * One walk over all keys, which touches leaf pages only; pieces are mapped, not read. Entries are sorted as LMDB sorts
 * keys, so lists are found by binary search and shared with the previous base by merging. Failure: LMDB's, memory, or
 * DATA_LOSS for a key out of order.
 */
#include "base.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const uint8_t *bits;
    bool purged;
} erased_t;

struct rvw_base {
    atomic_uint refs;
    rvw_env_t *env;
    MDB_txn *txn;
    rvw_state_t state;
    rvw_stored_t **entries;
    uint32_t n, cap;
    int64_t *newest; /* writer thread: of the list that starts here; INT64_MIN: not yet known */
    uint64_t runs;
    erased_t *erased; /* by chunk */
    uint32_t n_chunks;
};

static rv_status_t add_entry(rvw_base_t *base, rvw_stored_t *stored, rv_error_t *err) {
    if (base->n == base->cap) {
        uint32_t cap = base->cap ? base->cap * 2 : 64;
        rvw_stored_t **grown = realloc(base->entries, cap * sizeof *grown);
        if (!grown) {
            return rv_fail_memory(err, "the directory of a partition");
        }
        base->entries = grown;
        base->cap = cap;
    }
    base->entries[base->n++] = stored;
    return RV_OK;
}

static int compare_place(const rvw_place_t *a, const rvw_place_t *b) {
    int order = rvw_place_compare_list(a, b);
    if (order == 0 && a->gen != b->gen) {
        return a->gen < b->gen ? -1 : 1;
    }
    return order || a->part == b->part ? order : a->part < b->part ? -1 : 1;
}

/* Shares or makes the entry of one value. */
static rv_status_t take_value(rvw_base_t *base, const rvw_base_t *previous, uint32_t *at, const rvw_place_t *place,
                              const MDB_val *v, rv_error_t *err) {
    while (previous && *at < previous->n && compare_place(rvw_stored_place(previous->entries[*at]), place) < 0) {
        (*at)++;
    }
    rvw_stored_t *stored;
    if (previous && *at < previous->n && rvw_stored_same(previous->entries[*at], place, v->mv_data, v->mv_size)) {
        stored = rvw_stored_ref(previous->entries[*at]);
    } else {
        stored = rvw_stored_new(place, v->mv_data, v->mv_size);
    }
    if (!stored) {
        return rv_fail_memory(err, "the directory of a partition");
    }
    rv_status_t status = add_entry(base, stored, err);
    if (status) {
        rvw_stored_unref(&stored);
    }
    return status;
}

static rv_status_t walk(rvw_base_t *base, const rvw_base_t *previous, MDB_cursor *cursor, rv_error_t *err) {
    MDB_val k, v;
    uint32_t at = 0;
    rv_status_t status = RV_OK;
    int code = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (!code && status == RV_OK) {
        rvw_place_t place;
        if (rvw_place_unpack(k.mv_data, k.mv_size, &place) && place.gen <= base->state.gen) {
            const rvw_place_t *last = base->n ? rvw_stored_place(base->entries[base->n - 1]) : NULL;
            if (last && compare_place(last, &place) >= 0) {
                return rv_fail(err, RV_REASON_DAMAGED, "the keys of a partition are out of order");
            }
            base->runs += place.table == RVW_EVENTS &&
                          (!last || rvw_place_compare_list(last, &place) != 0 || last->gen != place.gen);
            status = take_value(base, previous, &at, &place, &v, err);
        }
        code = status ? 0 : mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    if (status == RV_OK && code != MDB_NOTFOUND) {
        return rvw_env_fail(err, code, "read the keys of a partition");
    }
    return status;
}

static rv_status_t read_entries(rvw_base_t *base, const rvw_base_t *previous, rv_error_t *err) {
    MDB_cursor *cursor;
    int code = mdb_cursor_open(base->txn, rvw_env_dbi(base->env), &cursor);
    if (code) {
        return rvw_env_fail(err, code, "read the keys of a partition");
    }
    rv_status_t status = walk(base, previous, cursor, err);
    mdb_cursor_close(cursor);
    if (status) {
        return status;
    }
    base->newest = malloc((base->n ? base->n : 1) * sizeof *base->newest);
    if (!base->newest) {
        return rv_fail_memory(err, "the directory of a partition");
    }
    for (uint32_t i = 0; i < base->n; i++) {
        base->newest[i] = INT64_MIN;
    }
    return RV_OK;
}

/* A chunk of which every row is erased needs no bitmap of its own. */
static const uint8_t all_erased[65536 / 8] = {[0 ... 65536 / 8 - 1] = 0xff};

/* An erased row is a present value of a constant column as long as the chunk. */
static rv_status_t read_erased(rvw_base_t *base, rv_error_t *err) {
    uint32_t chunk_rows = base->state.identity.chunk_rows;
    base->n_chunks = (uint32_t)(((uint64_t)base->state.rows + chunk_rows - 1) / chunk_rows);
    base->erased = calloc(base->n_chunks ? base->n_chunks : 1, sizeof *base->erased);
    if (!base->erased) {
        return rv_fail_memory(err, "the erased rows of a partition");
    }
    for (uint32_t i = 0; i < base->n; i++) {
        const rvw_place_t *place = rvw_stored_place(base->entries[i]);
        const rvw_piece_t *piece;
        if (place->table != RVW_ERASED) {
            continue;
        }
        rv_status_t status = rvw_stored_piece(base->entries[i], chunk_rows, &piece, err);
        if (status) {
            return status;
        }
        if (place->chunk >= base->n_chunks || piece->column.n != chunk_rows) {
            return rv_fail(err, RV_REASON_DAMAGED, "the erased rows of chunk %u are damaged", place->chunk);
        }
        base->erased[place->chunk] =
            (erased_t){piece->column.present ? piece->column.present : all_erased, piece->mark != 0};
    }
    return RV_OK;
}

rv_status_t rvw_base_open(rvw_env_t *env, const rvw_base_t *previous, rvw_base_t **ret, rv_error_t *err) {
    rvw_base_t *base = calloc(1, sizeof *base);
    if (!base) {
        return rv_fail_memory(err, "the directory of a partition");
    }
    atomic_init(&base->refs, 1);
    base->env = rvw_env_ref(env);
    rv_status_t status = rvw_env_read(env, &base->txn, err);
    if (status == RV_OK) {
        status = rvw_state_read(base->txn, rvw_env_dbi(env), &base->state, err);
    }
    if (status == RV_OK) {
        status = read_entries(base, previous && previous->env == env ? previous : NULL, err);
    }
    if (status == RV_OK) {
        status = read_erased(base, err);
    }
    if (status) {
        rvw_base_unref(&base);
        return status;
    }
    *ret = base;
    return RV_OK;
}

rvw_base_t *rvw_base_ref(rvw_base_t *base) {
    atomic_fetch_add_explicit(&base->refs, 1, memory_order_relaxed);
    return base;
}

void rvw_base_unref(rvw_base_t **base) {
    rvw_base_t *gone = *base;
    *base = NULL;
    if (!gone || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < gone->n; i++) {
        rvw_stored_unref(&gone->entries[i]);
    }
    if (gone->txn) {
        mdb_txn_abort(gone->txn);
    }
    rvw_env_unref(&gone->env);
    free(gone->entries);
    free(gone->newest);
    free(gone->erased);
    free(gone);
}

const rvw_state_t *rvw_base_state(const rvw_base_t *base) {
    return &base->state;
}

MDB_txn *rvw_base_txn(const rvw_base_t *base) {
    return base->txn;
}

rvw_env_t *rvw_base_env(const rvw_base_t *base) {
    return base->env;
}

rvw_stored_t *const *rvw_base_entries(const rvw_base_t *base, uint32_t *ret_n) {
    if (ret_n) {
        *ret_n = base->n;
    }
    return base->entries;
}

/* The first entry whose list is not before the place's. */
static uint32_t lower_bound(const rvw_base_t *base, const rvw_place_t *place, uint32_t low) {
    uint32_t high = base->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rvw_place_compare_list(rvw_stored_place(base->entries[middle]), place) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t rvw_base_find(const rvw_base_t *base, rvw_table_t table, uint32_t id, uint32_t chunk, uint32_t *ret_first) {
    rvw_place_t place = {(uint8_t)table, id, chunk, 0, 0};
    uint32_t first = lower_bound(base, &place, 0), end = first;
    while (end < base->n && rvw_place_compare_list(rvw_stored_place(base->entries[end]), &place) == 0) {
        end++;
    }
    *ret_first = first;
    return end - first;
}

uint64_t rvw_base_runs(const rvw_base_t *base) {
    return base->runs;
}

const uint8_t *rvw_base_erased(const rvw_base_t *base, uint32_t chunk, bool *ret_purged) {
    if (chunk >= base->n_chunks) {
        return NULL;
    }
    if (ret_purged) {
        *ret_purged = base->erased[chunk].purged;
    }
    return base->erased[chunk].bits;
}

bool rvw_base_unpurged(const rvw_base_t *base) {
    for (uint32_t chunk = 0; chunk < base->n_chunks; chunk++) {
        if (base->erased[chunk].bits && !base->erased[chunk].purged) {
            return true;
        }
    }
    return false;
}

rv_status_t rvw_base_newest(rvw_base_t *base, uint32_t first, uint32_t n, int64_t *ret, rv_error_t *err) {
    if (base->newest[first] == INT64_MIN) {
        int64_t newest = INT64_MIN + 1;
        for (uint32_t i = first; i < first + n; i++) {
            const rvw_piece_t *piece;
            rv_status_t status = rvw_stored_piece(base->entries[i], base->state.identity.chunk_rows, &piece, err);
            if (status) {
                return status;
            }
            newest = piece->events.max_time > newest ? piece->events.max_time : newest;
        }
        base->newest[first] = newest;
    }
    *ret = base->newest[first];
    return RV_OK;
}

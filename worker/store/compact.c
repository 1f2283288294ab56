/* compact.c: a fresh file that holds what is alive and nothing else.
 *
 * After a flush every value is copied into a new environment beside the old one: as it is, or, in chunks where contacts
 * were erased since the last time, written anew without them (columns, events, and with them the dictionary entries
 * that only they used; dictionaries are local to a piece). LMDB's own copy would carry stale bytes of half-empty pages
 * along. The copy is synced and renamed over the old file; views keep the old one, which has no name any more. Killed
 * at any point, one of the two files is in place and whole. Writes go on meanwhile: they are in the tail. */
#include <stdio.h>
#include <string.h>

#include "core.h"
#include "runs.h"
#include "tables.h"

typedef struct {
    rvw_partition_t *p;
    rvw_sight_t sight; /* of the base alone */
    rvw_change_t change;
    rvw_state_t state;
    rv_error_t *err;
} copy_t;

/* The chunk holds data of erased rows. */
static const uint8_t *dirty_rows(const copy_t *copy, uint32_t chunk) {
    bool purged = true;
    const uint8_t *dead = rvw_base_erased(copy->sight.base, chunk, &purged);
    return purged ? NULL : dead;
}

/* As it is, once its checksum holds. */
static rv_status_t copy_value(copy_t *copy, rvw_stored_t *stored) {
    const rvw_piece_t *piece;
    size_t n;
    const uint8_t *bytes = rvw_stored_bytes(stored, &n);
    rv_status_t status = rvw_stored_piece(stored, copy->sight.chunk_rows, &piece, copy->err);
    return status ? status : rvw_change_put(&copy->change, rvw_stored_place(stored), bytes, n, copy->err);
}

static rv_status_t clean_events(copy_t *copy, uint32_t first, uint32_t n, const uint8_t *dead) {
    const rvw_place_t *place = rvw_stored_place(rvw_base_entries(copy->sight.base, NULL)[first]);
    rvw_events_t *sources;
    rv_arena_t arena;
    uint64_t before = 0, written = 0;
    rv_arena_init(&arena, SIZE_MAX);
    rv_status_t status = rvw_list_events(copy->sight.base, first, n, &arena, &sources, copy->err);
    if (status == RV_OK) {
        rvw_run_input_t input = {sources, n, dead, NULL};
        status =
            rvw_run_write(&copy->change, place->id, place->chunk, &input, copy->sight.chunk_rows, &written, copy->err);
    }
    for (uint32_t k = 0; status == RV_OK && k < n; k++) {
        before += sources[k].n;
    }
    copy->state.events = copy->state.events - before + written;
    rv_arena_done(&arena);
    return status;
}

static rv_status_t clean_column(copy_t *copy, const rvw_place_t *place, const uint8_t *dead) {
    rvw_column_t column;
    rv_arena_t arena;
    rv_arena_init(&arena, SIZE_MAX);
    rv_status_t status =
        rvw_sight_column(&copy->sight, RVW_CONTACTS, place->id, place->chunk, dead, &arena, &column, copy->err);
    if (status == RV_OK) {
        status = rvw_change_column(&copy->change, RVW_CONTACTS, place->id, place->chunk, &column, copy->err);
    }
    rv_arena_done(&arena);
    return status;
}

/* All pieces of one list. */
static rv_status_t copy_list(copy_t *copy, uint32_t first, uint32_t n) {
    rvw_stored_t *const *entries = rvw_base_entries(copy->sight.base, NULL);
    const rvw_place_t *place = rvw_stored_place(entries[first]);
    const uint8_t *dead = dirty_rows(copy, place->chunk);
    if (dead && place->table == RVW_EVENTS) {
        return clean_events(copy, first, n, dead);
    }
    if (dead && place->table == RVW_CONTACTS) {
        return clean_column(copy, place, dead);
    }
    if (place->table == RVW_ERASED) {
        return rvw_erased_write(&copy->change, copy->sight.base, place->chunk,
                                rvw_base_dead(copy->sight.base, place->chunk), true, copy->err);
    }
    rv_status_t status = RV_OK;
    for (uint32_t k = first; status == RV_OK && k < first + n; k++) {
        status = copy_value(copy, entries[k]);
    }
    return status;
}

static rv_status_t copy_lists(copy_t *copy) {
    uint32_t total;
    rvw_stored_t *const *entries = rvw_base_entries(copy->sight.base, &total);
    rv_status_t status = RV_OK;
    for (uint32_t k = 0; status == RV_OK && k < total;) {
        const rvw_place_t *place = rvw_stored_place(entries[k]);
        uint32_t first, n = rvw_base_find(copy->sight.base, place->table, place->id, place->chunk, &first);
        status = copy_list(copy, first, n);
        k = first + n;
    }
    return status;
}

/* Producers and identities, by a transaction of this thread: the base's belongs to the writer. */
static rv_status_t copy_writes(copy_t *copy) {
    rvw_env_t *env = rvw_base_env(copy->sight.base);
    MDB_txn *txn;
    rv_status_t status = rvw_env_read(env, &txn, copy->err);
    if (status) {
        return status;
    }
    status = rvw_writes_copy(txn, rvw_env_dbi(env), &copy->change.txn);
    mdb_txn_abort(txn);
    if (status && copy->err) {
        *copy->err = copy->change.txn.error;
    }
    return status;
}

/* The whole copy into DIR/compact, synced. */
static rv_status_t build_copy(rvw_partition_t *p, rv_error_t *err) {
    char dir[4096];
    rvw_env_t *env;
    copy_t copy = {.p = p, .state = *rvw_base_state(p->base), .err = err};
    copy.sight = (rvw_sight_t){.base = p->base, .rows = {copy.state.rows, copy.state.company_rows}};
    copy.sight.chunk_rows = p->identity.chunk_rows;
    snprintf(dir, sizeof dir, "%.4000s/compact", p->dir);
    rv_status_t status = rvw_env_open(dir, RVW_ENV_UNUSED, &env, err);
    if (status) {
        return status;
    }
    status = rvw_change_begin(&copy.change, p->slabs, env, copy.state.gen + 1, err);
    if (status == RV_OK) {
        status = copy_lists(&copy);
    }
    if (status == RV_OK) {
        status = copy_writes(&copy);
    }
    if (status == RV_OK) {
        /* Nothing is replaced in a new file. */
        copy.change.n_drops = 0;
        status = rvw_change_commit(&copy.change, &copy.state, NULL, 0, err);
    }
    if (status == RV_OK) {
        status = rvw_env_sync(env, err);
    }
    rvw_change_done(&copy.change);
    rvw_env_unref(&env);
    return status;
}

/* A copy that failed leaves the old file as it was, unless the rename may have been done. */
static rv_status_t swap(rvw_partition_t *p, rv_error_t *err) {
    rvw_env_t *env = NULL;
    rv_status_t status = rvw_copy_end(p->dir, err);
    if (status == RV_RESOURCE_EXHAUSTED) {
        return status;
    }
    if (status == RV_OK) {
        status = rvw_env_open(p->dir, RVW_ENV_EXISTING, &env, err);
    }
    if (status == RV_OK) {
        status = rvw_publish(p, env, false, 0, err);
    }
    rvw_env_unref(&env);
    if (status) {
        rv_error_t why = {.message = "the compact copy could not take its place"};
        rvw_partition_fail(p, err ? err : &why);
    }
    return status;
}

rv_status_t rvw_partition_compact(rvw_partition_t *p, rv_error_t *err) {
    rv_error_t inner = {0};
    pthread_mutex_lock(&p->maintenance);
    rv_status_t status = rvw_flush_all(p, &inner);
    if (status == RV_OK) {
        status = rvw_copy_begin(p->dir, &inner);
    }
    if (status == RV_OK) {
        status = build_copy(p, &inner);
        if (status == RV_DATA_LOSS) {
            rvw_partition_fail(p, &inner);
        }
        status = status ? status : swap(p, &inner);
        if (status) {
            rvw_copy_drop(p->dir, NULL);
        }
    }
    pthread_mutex_unlock(&p->maintenance);
    if (status && err) {
        *err = inner;
    }
    return status;
}

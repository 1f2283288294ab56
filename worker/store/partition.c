/* partition.c: a partition's life: made, opened, asked, closed.
 *
 * Made beside its place and renamed when synced, so that a half-made one is never found. Opened: the directory locked,
 * the file's pages inspected, the state read, leftovers of an interrupted change removed, the directory of pieces, the
 * key indexes and the producers built. What was in the log above flushed_lsn is the caller's to apply again. Errors
 * that leave doubt take it out of service: reads and writes then say why. */
#include "partition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"
#include "reveille/hash.h"
#include "reveille/limits.h"

#define PATH 4096

/* Writes the first state into a directory of its own. */
static rv_status_t make_env(const char *dir, const rvw_identity_t *identity, rv_error_t *err) {
    rvw_env_t *env;
    rvw_txn_t txn;
    rvw_state_t state = {.identity = *identity, .released = 1}; /* until a log takes it */
    rv_status_t status = rvw_env_open(dir, RVW_ENV_NEW, &env, err);
    if (status) {
        return status;
    }
    rvw_txn_begin(&txn, env);
    rvw_state_write(&txn, &state);
    rvw_txn_commit(&txn);
    rvw_env_unref(&env);
    if (txn.status && err) {
        *err = txn.error;
    }
    return txn.status ? txn.status : rvw_sync_path(dir, err);
}

/* Removes what a killed creation left. */
static void remove_made(const char *made) {
    char path[PATH + 16];
    snprintf(path, sizeof path, "%s/data.mdb", made);
    unlink(path);
    snprintf(path, sizeof path, "%s/lock.mdb", made);
    unlink(path);
    rmdir(made);
}

static void parent_of(const char *dir, char out[PATH]) {
    snprintf(out, PATH, "%s", dir);
    char *slash = strrchr(out, '/');
    if (!slash) {
        snprintf(out, PATH, ".");
    } else {
        *(slash == out ? slash + 1 : slash) = 0;
    }
}

rv_status_t rvw_partition_create(const char *dir, const rvw_identity_t *identity, rv_error_t *err) {
    char made[PATH], parent[PATH];
    if (!rvw_identity_valid(identity)) {
        return rv_fail(err, RV_REASON_REQUEST, "a partition of %u, with chunks of %u rows, cannot be made",
                       identity->partition_count, identity->chunk_rows);
    }
    if (snprintf(made, sizeof made, "%s.made", dir) >= PATH) {
        return rv_fail(err, RV_REASON_LIMIT, "the path of a partition is longer than 4,000 bytes");
    }
    parent_of(dir, parent);
    remove_made(made);
    if (mkdir(made, 0700) != 0) {
        return rv_fail(err, errno == ENOSPC ? RV_REASON_QUOTA : RV_REASON_FOREIGN, "cannot make %.300s: %s", made,
                       strerror(errno));
    }
    rv_status_t status = make_env(made, identity, err);
    if (status == RV_OK && rename(made, dir) != 0) {
        status = rv_fail(err, RV_REASON_FOREIGN, "cannot make %.300s, which must not exist or be empty: %s", dir,
                         strerror(errno));
    }
    if (status) {
        remove_made(made);
        return status;
    }
    return rvw_sync_path(parent, err);
}

rv_status_t rvw_partition_identity(const char *dir, rvw_identity_t *ret, rv_error_t *err) {
    rvw_env_t *env = NULL;
    rvw_state_t state;
    MDB_txn *txn;
    int lock;
    rv_status_t status = rvw_lock_dir(dir, &lock, err);
    if (status) {
        return status;
    }
    status = rvw_env_open(dir, RVW_ENV_EXISTING, &env, err);
    if (status == RV_OK) {
        status = rvw_env_read(env, &txn, err);
    }
    if (status == RV_OK) {
        status = rvw_state_read(txn, rvw_env_dbi(env), &state, err);
        mdb_txn_abort(txn);
    }
    rvw_env_unref(&env);
    close(lock);
    if (status == RV_OK) {
        *ret = state.identity;
    }
    return status;
}

/* Removes values of a generation that was never completed. */
static rv_status_t remove_leftovers(rvw_env_t *env, rv_error_t *err) {
    rvw_state_t state;
    rvw_txn_t txn;
    MDB_cursor *cursor = NULL;
    if (rvw_txn_begin(&txn, env)) {
        if (err) {
            *err = txn.error;
        }
        return txn.status;
    }
    rv_status_t status = rvw_state_read(txn.txn, rvw_env_dbi(env), &state, err);
    if (status) {
        rvw_txn_abort(&txn);
        return status;
    }
    if (rvw_txn_cursor(&txn, &cursor) == RV_OK) {
        MDB_val k, v;
        int code = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
        while (!code) {
            rvw_place_t place;
            if (rvw_place_unpack(k.mv_data, k.mv_size, &place) && place.gen > state.gen) {
                code = mdb_cursor_del(cursor, 0);
            }
            code = code ? code : mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
        rvw_txn_note(&txn, code, "remove leftovers");
        mdb_cursor_close(cursor);
    }
    rvw_txn_commit(&txn);
    if (txn.status && err) {
        *err = txn.error;
    }
    return txn.status;
}

bool rvw_mark_dead(rvw_partition_t *p, uint32_t row) {
    if (row / 8 >= p->dead_cap) {
        uint32_t cap = p->dead_cap ? p->dead_cap : 64;
        while (cap <= row / 8) {
            cap *= 2;
        }
        uint8_t *grown = realloc(p->dead, cap);
        if (!grown) {
            return false;
        }
        memset(grown + p->dead_cap, 0, cap - p->dead_cap);
        p->dead = grown;
        p->dead_cap = cap;
    }
    p->dead[row / 8] = (uint8_t)(p->dead[row / 8] | 1u << (row & 7));
    return true;
}

static rv_status_t index_chunk(rvw_partition_t *p, const rvw_sight_t *sight, rvw_table_t table, uint32_t chunk,
                               rv_error_t *err) {
    rv_arena_t arena;
    rvw_column_t keys;
    const uint8_t *dead = table == RVW_CONTACTS ? rvw_base_dead(p->base, chunk) : NULL;
    rv_arena_init(&arena, SIZE_MAX);
    rv_status_t status = rvw_sight_column(sight, table, RVW_KEYS, chunk, NULL, &arena, &keys, err);
    if (status == RV_OK && keys.type != RV_STRING) {
        status = rv_fail(err, RV_REASON_DAMAGED, "the keys of chunk %u are no strings", chunk);
    }
    for (uint32_t i = 0; status == RV_OK && i < keys.n; i++) {
        char buf[300];
        uint32_t row = chunk * sight->chunk_rows + i;
        bool ok = true;
        if (dead && (dead[i >> 3] >> (i & 7) & 1)) {
            ok = rvw_mark_dead(p, row);
        } else {
            rv_str_t key = rvw_column_string(&keys, i, buf);
            ok = rvw_index_add(p->index[rvw_table_index(table)], rv_hash(key.p, key.n), row);
        }
        status = ok ? RV_OK : rv_fail_memory(err, "the index of keys");
    }
    rv_arena_done(&arena);
    return status;
}

static rv_status_t build_index(rvw_partition_t *p, rvw_table_t table, rv_error_t *err) {
    rvw_sight_t sight;
    uint32_t t = rvw_table_index(table);
    rvw_writer_sight(p, &sight);
    p->index[t] = rvw_index_new();
    if (!p->index[t] || !rvw_index_reserve(p->index[t], sight.rows[t])) {
        return rv_fail_memory(err, "the index of keys");
    }
    for (uint32_t chunk = 0; (uint64_t)chunk * sight.chunk_rows < sight.rows[t]; chunk++) {
        rv_status_t status = index_chunk(p, &sight, table, chunk, err);
        if (status) {
            return status;
        }
    }
    return RV_OK;
}

static void note_bytes(rvw_partition_t *p, const rvw_env_t *env) {
    uint64_t used, map;
    rvw_env_bytes(env, &used, &map);
    atomic_store(&p->used_bytes, used);
    atomic_store(&p->map_bytes, map);
}

static rv_status_t open_data(rvw_partition_t *p, rv_error_t *err) {
    rvw_env_t *env = NULL;
    rv_status_t status = rvw_copy_drop(p->dir, err);
    if (status == RV_OK) {
        status = rvw_env_open(p->dir, RVW_ENV_EXISTING, &env, err);
    }
    if (status == RV_OK) {
        status = remove_leftovers(env, err);
        p->leftovers = status == RV_RESOURCE_EXHAUSTED; /* reading is possible: no state names them */
        status = p->leftovers ? RV_OK : status;
    }
    if (status == RV_OK) {
        status = rvw_base_open(env, NULL, &p->base, err);
    }
    if (status) {
        rvw_env_unref(&env);
        return status;
    }
    const rvw_state_t *state = rvw_base_state(p->base);
    note_bytes(p, env);
    rvw_env_unref(&env);
    p->identity = state->identity;
    p->lsn = state->flushed_lsn;
    p->rows[0] = state->rows;
    p->rows[1] = state->company_rows;
    p->active = rvw_tail_new(NULL, p->identity.chunk_rows, p->lsn, state->rows, state->company_rows);
    atomic_store(&p->contacts, state->rows - state->erased);
    atomic_store(&p->events, state->events);
    atomic_store(&p->applied_lsn, p->lsn);
    atomic_store(&p->flushed_lsn, p->lsn);
    return p->active ? RV_OK : rv_fail_memory(err, "the tail of a partition");
}

rv_status_t rvw_partition_open(const char *dir, rvw_partition_t **ret, rv_error_t *err) {
    rvw_partition_t *p = calloc(1, sizeof *p);
    if (!p) {
        return rv_fail_memory(err, "a partition");
    }
    p->dir_lock = -1;
    pthread_mutex_init(&p->maintenance, NULL);
    pthread_mutex_init(&p->apply, NULL);
    pthread_mutex_init(&p->seam, NULL);
    pthread_cond_init(&p->quiet, NULL);
    atomic_init(&p->problem, NULL);
    p->dir = strdup(dir);
    rv_status_t status = p->dir ? rvw_lock_dir(dir, &p->dir_lock, err) : rv_fail_memory(err, "a partition");
    if (status == RV_OK) {
        status = open_data(p, err);
    }
    if (status == RV_OK) {
        status = build_index(p, RVW_CONTACTS, err);
    }
    if (status == RV_OK) {
        status = build_index(p, RVW_COMPANIES, err);
    }
    if (status == RV_OK) {
        status = rvw_producers_load(&p->producers, rvw_base_txn(p->base), rvw_env_dbi(rvw_base_env(p->base)),
                                    rvw_base_state(p->base)->evicted, err);
    }
    if (status) {
        rvw_partition_close(&p);
        return status;
    }
    *ret = p;
    return RV_OK;
}

void rvw_partition_share(rvw_partition_t *p, rvw_slabs_t *slabs) {
    pthread_mutex_lock(&p->apply);
    p->slabs = slabs;
    if (!p->active->memory) {
        p->active->slabs = slabs;
    }
    pthread_mutex_unlock(&p->apply);
}

void rvw_partition_close(rvw_partition_t **partition) {
    rvw_partition_t *p = *partition;
    *partition = NULL;
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->seam);
    while (p->views) {
        pthread_cond_wait(&p->quiet, &p->seam);
    }
    pthread_mutex_unlock(&p->seam);
    rvw_tail_unref(&p->active);
    rvw_tail_unref(&p->frozen);
    rvw_base_unref(&p->base);
    rvw_index_destroy(&p->index[0]);
    rvw_index_destroy(&p->index[1]);
    rvw_producers_done(&p->producers);
    if (p->dir_lock >= 0) {
        close(p->dir_lock);
    }
    pthread_cond_destroy(&p->quiet);
    pthread_mutex_destroy(&p->seam);
    pthread_mutex_destroy(&p->apply);
    pthread_mutex_destroy(&p->maintenance);
    free(atomic_load(&p->problem));
    free(p->dead);
    free(p->dir);
    free(p);
}

const rvw_identity_t *rvw_partition_get_identity(const rvw_partition_t *partition) {
    return &partition->identity;
}

/* Writes the state anew with another epoch or mark of release; nothing else of it changes. */
static rv_status_t write_state(rvw_partition_t *p, const rvw_state_t *state, rv_error_t *err) {
    rvw_state_t next = *state;
    rvw_change_t change;
    rv_status_t status = rvw_change_next(p, &change, err);
    if (status == RV_OK) {
        status = rvw_change_commit(&change, &next, NULL, 0, err);
    }
    status = status ? rvw_change_failed(p, &change, status, err) : rvw_publish(p, rvw_base_env(p->base), false, 0, err);
    rvw_change_done(&change);
    return status;
}

rv_status_t rvw_partition_set_epoch(rvw_partition_t *p, uint64_t epoch, rv_error_t *err) {
    rv_status_t status = rvw_in_service(p, err);
    if (status) {
        return status;
    }
    pthread_mutex_lock(&p->maintenance);
    rvw_state_t state = *rvw_base_state(p->base);
    state.identity.epoch = epoch;
    status = write_state(p, &state, err);
    if (status == RV_OK) {
        p->identity.epoch = epoch;
    }
    pthread_mutex_unlock(&p->maintenance);
    return status;
}

rv_status_t rvw_partition_release(rvw_partition_t *p, bool released, rv_error_t *err) {
    rv_status_t status = rvw_in_service(p, err);
    if (status) {
        return status;
    }
    pthread_mutex_lock(&p->maintenance);
    rvw_state_t state = *rvw_base_state(p->base);
    state.released = released;
    status = write_state(p, &state, err);
    pthread_mutex_unlock(&p->maintenance);
    return status;
}

bool rvw_partition_released(const rvw_partition_t *partition) {
    pthread_mutex_t *seam = (pthread_mutex_t *)(uintptr_t)&partition->seam;
    pthread_mutex_lock(seam);
    bool released = rvw_base_state(partition->base)->released != 0;
    pthread_mutex_unlock(seam);
    return released;
}

uint64_t rvw_partition_lsn(const rvw_partition_t *partition) {
    return atomic_load(&partition->applied_lsn);
}

uint64_t rvw_partition_flushed_lsn(const rvw_partition_t *partition) {
    return atomic_load(&partition->flushed_lsn);
}

size_t rvw_partition_tail_bytes(const rvw_partition_t *partition) {
    pthread_mutex_t *seam = (pthread_mutex_t *)(uintptr_t)&partition->seam;
    pthread_mutex_lock(seam);
    size_t bytes = atomic_load(&partition->active->bytes);
    bytes += partition->frozen ? atomic_load(&partition->frozen->bytes) : 0;
    pthread_mutex_unlock(seam);
    return bytes;
}

const char *rvw_partition_problem(const rvw_partition_t *partition) {
    return atomic_load(&partition->problem);
}

void rvw_partition_fail(rvw_partition_t *partition, const rv_error_t *why) {
    char *text = strdup(why->message[0] ? why->message : "an error without a message"), *none = NULL;
    if (text && !atomic_compare_exchange_strong(&partition->problem, &none, text)) {
        free(text);
    }
}

rv_status_t rvw_in_service(const rvw_partition_t *partition, rv_error_t *err) {
    const char *problem = rvw_partition_problem(partition);
    return problem ? rv_fail(err, RV_REASON_DAMAGED, "partition %u is out of service: %s",
                             partition->identity.partition, problem)
                   : RV_OK;
}

void rvw_partition_counts(const rvw_partition_t *p, rvw_partition_counts_t *ret) {
    pthread_mutex_t *seam = (pthread_mutex_t *)(uintptr_t)&p->seam;
    char path[PATH + 16];
    struct stat st;
    pthread_mutex_lock(seam);
    ret->runs = rvw_base_runs(p->base);
    pthread_mutex_unlock(seam);
    ret->contacts = atomic_load(&p->contacts);
    ret->events = atomic_load(&p->events);
    snprintf(path, sizeof path, "%s/data.mdb", p->dir);
    ret->bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

bool rvw_partition_waits(const rvw_partition_t *p) {
    return atomic_load(&p->waits);
}

bool rvw_partition_wants_compact(const rvw_partition_t *p) {
    pthread_mutex_t *seam = (pthread_mutex_t *)(uintptr_t)&p->seam;
    pthread_mutex_lock(seam);
    bool wants = rvw_base_unpurged(p->base) || p->n_erased[0] > 0 || p->n_erased[1] > 0;
    pthread_mutex_unlock(seam);
    return wants;
}

void rvw_writer_sight(const rvw_partition_t *p, rvw_sight_t *ret) {
    *ret = (rvw_sight_t){.base = p->base, .tails = {p->frozen, p->active}, .lsn = UINT64_MAX};
    ret->chunk_rows = p->identity.chunk_rows;
    for (uint32_t t = 0; t < 2; t++) {
        ret->rows[t] = p->active->keys[t].first + p->active->keys[t].n;
        ret->erased[t] = ret->tails[t] ? ret->tails[t]->erased.n : 0;
    }
}

const uint8_t *rvw_base_dead(const rvw_base_t *base, uint32_t chunk) {
    return rvw_base_erased(base, chunk, NULL);
}

rv_status_t rvw_publish(rvw_partition_t *p, rvw_env_t *env, bool drop_frozen, uint64_t lsn, rv_error_t *err) {
    rvw_base_t *base, *old_base;
    rvw_tail_t *old_tail = NULL;
    rv_status_t status = rvw_base_open(env, p->base, &base, err);
    if (status) {
        rv_error_t why = {.message = "what was committed cannot be read"};
        rvw_partition_fail(p, err ? err : &why);
        return status;
    }
    pthread_mutex_lock(&p->apply);
    pthread_mutex_lock(&p->seam);
    old_base = p->base;
    p->base = base;
    if (drop_frozen) {
        old_tail = p->frozen;
        p->frozen = NULL;
        p->n_erased[0] = 0;
    }
    if (lsn) {
        p->lsn = lsn;
        atomic_store(&p->applied_lsn, lsn);
    }
    pthread_mutex_unlock(&p->seam);
    atomic_store(&p->events,
                 rvw_base_state(base)->events + p->active->n_events + (p->frozen ? p->frozen->n_events : 0));
    pthread_mutex_unlock(&p->apply);
    atomic_store(&p->flushed_lsn, rvw_base_state(base)->flushed_lsn);
    note_bytes(p, env);
    rvw_base_unref(&old_base);
    rvw_tail_unref(&old_tail);
    return RV_OK;
}

rv_status_t rvw_change_next(rvw_partition_t *p, rvw_change_t *change, rv_error_t *err) {
    *change = (rvw_change_t){0};
    rv_status_t status = p->leftovers ? remove_leftovers(rvw_base_env(p->base), err) : RV_OK;
    if (status) {
        return status;
    }
    p->leftovers = false;
    return rvw_change_begin(change, p->slabs, rvw_base_env(p->base), rvw_base_state(p->base)->gen + 1, err);
}

rv_status_t rvw_change_failed(rvw_partition_t *p, const rvw_change_t *change, rv_status_t status,
                              const rv_error_t *err) {
    rv_error_t why = {.message = "a change of the partition failed"};
    p->leftovers = p->leftovers || change->between;
    if (status != RV_RESOURCE_EXHAUSTED) {
        rvw_partition_fail(p, err ? err : &why);
    }
    return status;
}

/* wal.c: the worker's log.
 *
 * Key: kind and number, big endian. A group (numbered from 1) holds the records of one commit, or of a part of it
 * below RV_LOG_GROUP, whatever their partitions: so a commit writes pages side by side at the end of the tree, where
 * one key a partition would write as many pages as there are partitions. In front of the groups lie the notes: of each
 * partition how far it was trimmed and since which group it is here, and the mark; each is XXH3 of its bytes, seeded
 * with that of the key, then the bytes. A group goes with the last of its records. Which group has which record is
 * known in memory (chains.h), read at the start. One write transaction a commit: LMDB syncs data and then the meta
 * page, so a record is there whole or not at all. A failed commit other than for lack of space leaves the log closed to
 * writes, because only opening it anew tells what is in it. Threads: the writer appends and replays, the housekeeper
 * trims and compacts; a lock keeps them apart.
 */
#include "wal_state.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "place.h"
#include "reveille/fault.h"
#include "reveille/limits.h"

#define FULL 0.9
#define COPY_BYTES ((size_t)8 << 20)
#define MARK UINT64_MAX /* a note's number, where a partition's would be */

typedef struct {
    uint64_t trimmed, from;
} stay_t; /* the note of a partition: chains.h */

static rv_status_t open_env(rvw_wal_t *wal, bool create, rv_error_t *err) {
    rv_error_t inner = {0};
    rv_status_t status = rvw_env_open(wal->dir, RVW_ENV_EXISTING, &wal->env, &inner);
    if (status == RV_NOT_FOUND && create) {
        status = rvw_env_open(wal->dir, RVW_ENV_NEW, &wal->env, &inner);
        if (status == RV_OK) {
            status = rvw_sync_path(wal->dir, &inner);
        }
    }
    if (status && err) {
        *err = inner;
    }
    return status;
}

/* A note's bytes into *ret. */
static rv_status_t read_note(const MDB_val *k, const MDB_val *v, void *ret, size_t n, rv_error_t *err) {
    uint64_t sum;
    const uint8_t *bytes = (const uint8_t *)v->mv_data + sizeof sum;
    if (v->mv_size == sizeof sum + n) {
        memcpy(&sum, v->mv_data, sizeof sum);
        if (sum == XXH3_64bits_withSeed(bytes, n, rvw_wal_seed(k->mv_data))) {
            memcpy(ret, bytes, n);
            return RV_OK;
        }
    }
    return rv_fail(err, RV_REASON_DAMAGED, "the log's note %llu is damaged: its checksum does not hold",
                   (unsigned long long)rvw_get_be64((const uint8_t *)k->mv_data + 4));
}

static rv_status_t load_note(rvw_wal_t *wal, const MDB_val *k, const MDB_val *v, rv_error_t *err) {
    uint64_t number = rvw_get_be64((const uint8_t *)k->mv_data + 4);
    stay_t stay;
    if (number == MARK) {
        return read_note(k, v, &wal->mark, sizeof wal->mark, err);
    }
    rv_status_t status = read_note(k, v, &stay, sizeof stay, err);
    if (status == RV_OK && number >= RV_MAX_PARTITIONS) {
        return rv_fail(err, RV_REASON_DAMAGED, "the log has a note of partition %llu", (unsigned long long)number);
    }
    if (status == RV_OK) {
        rvw_chains_adopt(wal->chains, (uint32_t)number, stay.trimmed, stay.from);
    }
    return status;
}

static rv_status_t load_group(rvw_wal_t *wal, const MDB_val *k, const MDB_val *v, rv_error_t *err) {
    uint64_t number = rvw_get_be64((const uint8_t *)k->mv_data + 4);
    rvw_group_t group;
    rvw_record_t record;
    if (!rvw_group_open(v->mv_data, v->mv_size, rvw_wal_seed(k->mv_data), &group)) {
        return rv_fail(err, RV_REASON_DAMAGED, "the log's group %llu is damaged: its checksum does not hold",
                       (unsigned long long)number);
    }
    wal->next = number + 1;
    rv_status_t status = RV_OK;
    while (status == RV_OK && rvw_group_next(&group, &record)) {
        if (rvw_chains_needs(wal->chains, record.partition, record.lsn, number)) {
            status = rvw_chains_add(wal->chains, record.partition, record.lsn, number, err);
        }
    }
    return status;
}

/* Notes and groups, in this order, into memory. */
static rv_status_t load(rvw_wal_t *wal, rv_error_t *err) {
    rvw_reading_t reading;
    MDB_val k, v;
    wal->next = 1;
    wal->chains = rvw_chains_new();
    rv_status_t status = wal->chains ? rvw_reading_begin(wal->env, &reading, err) : rv_fail_memory(err, "the log");
    if (status) {
        return status;
    }
    int code = mdb_cursor_get(reading.cursor, &k, &v, MDB_FIRST);
    for (; !code && status == RV_OK; code = mdb_cursor_get(reading.cursor, &k, &v, MDB_NEXT)) {
        uint32_t kind = k.mv_size == RVW_WAL_KEY ? rvw_get_be32(k.mv_data) : 0;
        if (kind == RVW_NOTE) {
            status = load_note(wal, &k, &v, err);
        } else if (kind == RVW_GROUP) {
            status = load_group(wal, &k, &v, err);
        } else {
            status = rv_fail(err, RV_REASON_FOREIGN, "'%.300s' is not a log of this version of Reveille", wal->dir);
        }
    }
    rvw_reading_end(&reading);
    return status || code == MDB_NOTFOUND ? status : rvw_env_fail(err, code, "read the log");
}

rv_status_t rvw_wal_open(const char *dir, bool create, rvw_wal_t **ret, rv_error_t *err) {
    rvw_wal_t *wal = calloc(1, sizeof *wal);
    if (!wal) {
        return rv_fail_memory(err, "the log");
    }
    wal->lock = -1;
    pthread_mutex_init(&wal->lock_env, NULL);
    wal->dir = strdup(dir);
    rv_status_t status = wal->dir ? rvw_lock_dir(dir, &wal->lock, err) : rv_fail_memory(err, "the log");
    if (status == RV_OK) {
        status = rvw_copy_drop(dir, err);
    }
    if (status == RV_OK) {
        status = open_env(wal, create, err);
    }
    if (status == RV_OK) {
        status = load(wal, err);
    }
    if (status) {
        rvw_wal_close(&wal);
        return status;
    }
    *ret = wal;
    return RV_OK;
}

void rvw_wal_close(rvw_wal_t **wal) {
    rvw_wal_t *gone = *wal;
    *wal = NULL;
    if (gone) {
        rvw_env_unref(&gone->env);
        rvw_chains_destroy(&gone->chains);
        if (gone->lock >= 0) {
            close(gone->lock);
        }
        pthread_mutex_destroy(&gone->lock_env);
        free(gone->dir);
        free(gone);
    }
}

static rv_status_t writable(const rvw_wal_t *wal, rv_error_t *err) {
    return wal->closed
               ? rv_fail(err, RV_REASON_OUTCOME_UNKNOWN, "the log is closed since a commit whose outcome is not known")
               : RV_OK;
}

/* Ends a transaction and passes its error on; an unknown outcome closes the log. */
static rv_status_t finish(rvw_wal_t *wal, rvw_txn_t *txn, rv_error_t *err) {
    if (txn->status == RV_OK) {
        rvw_txn_commit(txn);
    }
    rvw_txn_abort(txn);
    if (txn->status == RV_UNAVAILABLE || txn->status == RV_DATA_LOSS) {
        wal->closed = true;
    }
    if (txn->status && err) {
        *err = txn->error;
    }
    return txn->status;
}

static void put_note(rvw_txn_t *txn, uint64_t number, const void *bytes, size_t n) {
    uint8_t key[RVW_WAL_KEY];
    rvw_wal_key(RVW_NOTE, number, key);
    uint64_t sum = XXH3_64bits_withSeed(bytes, n, rvw_wal_seed(key));
    uint8_t *value = rvw_txn_reserve(txn, key, sizeof key, sizeof sum + n);
    if (value) {
        memcpy(value, &sum, sizeof sum);
        memcpy(value + sizeof sum, bytes, n);
    }
}

static void put_group(rvw_txn_t *txn, uint64_t number, const rvw_record_t *records, size_t n) {
    uint8_t key[RVW_WAL_KEY];
    rvw_wal_key(RVW_GROUP, number, key);
    uint8_t *value = rvw_txn_reserve(txn, key, sizeof key, rvw_group_bytes(records, n));
    if (value) {
        rvw_group_pack(records, n, rvw_wal_seed(key), value);
    }
}

/* How many of the records make the next group. */
static size_t group_of(const rvw_record_t *records, size_t n) {
    size_t count = 0;
    for (size_t bytes = 0; count < n && (count == 0 || bytes + records[count].n <= RV_LOG_GROUP); count++) {
        bytes += records[count].n;
    }
    return count;
}

/* Puts the records and notes in memory where they are; the caller takes that back when it fails. */
static rv_status_t put_records(rvw_wal_t *wal, rvw_txn_t *txn, const rvw_record_t *records, size_t n, uint64_t *next,
                               rv_error_t *err) {
    for (size_t i = 0, count; i < n; i += count, ++*next) {
        count = group_of(records + i, n - i);
        put_group(txn, *next, records + i, count);
        for (size_t k = i; k < i + count; k++) {
            rv_status_t status = rvw_chains_add(wal->chains, records[k].partition, records[k].lsn, *next, err);
            if (status) {
                return status;
            }
        }
    }
    return RV_OK;
}

static rv_status_t append(rvw_wal_t *wal, const rvw_record_t *records, size_t n, rv_error_t *err) {
    rvw_txn_t txn;
    rv_status_t status = writable(wal, err);
    if (status) {
        return status;
    }
    if (rvw_env_fill(wal->env) > FULL) {
        return rv_fail(err, RV_REASON_QUOTA, "the log's map is full to 90 %%: writes are refused until it is flushed");
    }
    status = rvw_env_room(wal->env, rvw_group_bytes(records, n), err);
    if (status) {
        return status;
    }
    uint64_t next = wal->next;
    rvw_txn_begin(&txn, wal->env);
    status = put_records(wal, &txn, records, n, &next, err);
    if (status == RV_OK && RV_FAULT("wal-before-commit")) {
        status = rv_fail(err, RV_REASON_QUOTA, "fault point wal-before-commit");
    }
    if (status == RV_OK) {
        status = finish(wal, &txn, err);
    }
    rvw_txn_abort(&txn);
    if (status) {
        rvw_chains_undo(wal->chains, wal->next);
        return status;
    }
    wal->next = next;
    if (RV_FAULT("wal-after-commit")) {
        wal->closed = true;
        return rv_fail(err, RV_REASON_OUTCOME_UNKNOWN, "fault point wal-after-commit");
    }
    return RV_OK;
}

static rv_status_t delete_group(void *context, uint64_t number) {
    uint8_t key[RVW_WAL_KEY];
    rvw_wal_key(RVW_GROUP, number, key);
    return rvw_txn_delete(context, key, sizeof key);
}

static rv_status_t trim(rvw_wal_t *wal, uint32_t partition, uint64_t lsn, rv_error_t *err) {
    uint64_t last = rvw_chains_last(wal->chains, partition), trimmed = rvw_chains_trimmed(wal->chains, partition);
    stay_t stay = {.trimmed = lsn < last ? lsn : last, .from = rvw_chains_from(wal->chains, partition)};
    rvw_txn_t txn;
    rv_status_t status = writable(wal, err);
    if (status || stay.trimmed <= trimmed) {
        return status;
    }
    rvw_txn_begin(&txn, wal->env);
    rvw_chains_spent(wal->chains, partition, stay.trimmed, delete_group, &txn);
    put_note(&txn, partition, &stay, sizeof stay);
    status = finish(wal, &txn, err);
    if (status == RV_OK) {
        rvw_chains_drop(wal->chains, partition, stay.trimmed);
    }
    return status;
}

uint32_t rvw_wal_next(rvw_wal_t *wal, uint32_t partition) {
    pthread_mutex_lock(&wal->lock_env);
    uint32_t next = rvw_chains_next(wal->chains, partition);
    pthread_mutex_unlock(&wal->lock_env);
    return next;
}

rvw_wal_mark_t rvw_wal_get_mark(const rvw_wal_t *wal) {
    return wal->mark;
}

rv_status_t rvw_wal_set_mark(rvw_wal_t *wal, const rvw_wal_mark_t *mark, rv_error_t *err) {
    rvw_txn_t txn;
    pthread_mutex_lock(&wal->lock_env);
    rv_status_t status = writable(wal, err);
    if (status == RV_OK) {
        rvw_txn_begin(&txn, wal->env);
        put_note(&txn, MARK, mark, sizeof *mark);
        status = finish(wal, &txn, err);
    }
    if (status == RV_OK) {
        wal->mark = *mark;
    }
    pthread_mutex_unlock(&wal->lock_env);
    return status;
}

/* Ends a partition's stay and, unless `stay` is NULL, begins another. */
static rv_status_t change_stay(rvw_wal_t *wal, uint32_t partition, const stay_t *stay, rv_error_t *err) {
    uint8_t key[RVW_WAL_KEY];
    rvw_txn_t txn;
    rv_status_t status = writable(wal, err);
    if (status) {
        return status;
    }
    rvw_wal_key(RVW_NOTE, partition, key);
    rvw_txn_begin(&txn, wal->env);
    rvw_chains_spent(wal->chains, partition, UINT64_MAX, delete_group, &txn);
    if (stay) {
        put_note(&txn, partition, stay, sizeof *stay);
    } else {
        rvw_txn_delete(&txn, key, sizeof key);
    }
    status = finish(wal, &txn, err);
    if (status) {
        return status;
    }
    rvw_chains_drop(wal->chains, partition, UINT64_MAX);
    rvw_chains_release(wal->chains, partition);
    if (stay) {
        rvw_chains_adopt(wal->chains, partition, stay->trimmed, stay->from);
    }
    return RV_OK;
}

rv_status_t rvw_wal_adopt(rvw_wal_t *wal, uint32_t partition, uint64_t lsn, rv_error_t *err) {
    pthread_mutex_lock(&wal->lock_env);
    stay_t stay = {.trimmed = lsn, .from = wal->next};
    rv_status_t status = change_stay(wal, partition, &stay, err);
    pthread_mutex_unlock(&wal->lock_env);
    return status;
}

rv_status_t rvw_wal_release(rvw_wal_t *wal, uint32_t partition, rv_error_t *err) {
    pthread_mutex_lock(&wal->lock_env);
    rv_status_t status = change_stay(wal, partition, NULL, err);
    pthread_mutex_unlock(&wal->lock_env);
    return status;
}

/* What of a group is needed, into the new environment; a record that is damaged stays so. */
static rv_status_t copy_group(const rvw_wal_t *wal, const MDB_val *k, const MDB_val *v, rvw_txn_t *out) {
    uint64_t number = rvw_get_be64((const uint8_t *)k->mv_data + 4);
    rvw_group_t group;
    if (!rvw_group_open(v->mv_data, v->mv_size, rvw_wal_seed(k->mv_data), &group)) {
        return rvw_txn_note(out, MDB_CORRUPTED, "copy a group of the log");
    }
    rvw_record_t *records = calloc((size_t)group.count + 1, sizeof *records);
    if (!records) {
        return rvw_txn_note(out, ENOMEM, "copy a group of the log");
    }
    size_t n = 0;
    while (rvw_group_next(&group, &records[n])) {
        n += rvw_chains_needs(wal->chains, records[n].partition, records[n].lsn, number);
    }
    if (n) {
        put_group(out, number, records, n);
    }
    free(records);
    return out->status;
}

/* Notes and what is needed of the groups into the new environment, in slices. */
static rv_status_t copy_all(const rvw_wal_t *wal, MDB_cursor *cursor, rvw_env_t *to, rv_error_t *err) {
    rvw_txn_t out;
    MDB_val k, v;
    rvw_txn_begin(&out, to);
    int code = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (!code && out.status == RV_OK) {
        if (rvw_get_be32(k.mv_data) == RVW_NOTE) {
            rvw_txn_put(&out, k.mv_data, k.mv_size, v.mv_data, v.mv_size);
        } else {
            copy_group(wal, &k, &v, &out);
        }
        if (out.bytes > COPY_BYTES && rvw_txn_commit(&out) == RV_OK) {
            rvw_txn_begin(&out, to);
        }
        code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    rvw_txn_note(&out, code, "copy the log");
    rvw_txn_commit(&out);
    if (out.status && err) {
        *err = out.error;
    }
    return out.status;
}

static rv_status_t copy_env(rvw_wal_t *wal, rvw_env_t *to, rv_error_t *err) {
    rvw_reading_t reading;
    rv_status_t status = rvw_reading_begin(wal->env, &reading, err);
    if (status) {
        return status;
    }
    status = copy_all(wal, reading.cursor, to, err);
    rvw_reading_end(&reading);
    return status ? status : rvw_env_sync(to, err);
}

static rv_status_t compact(rvw_wal_t *wal, rv_error_t *err) {
    char path[4096];
    rvw_env_t *copy = NULL;
    rv_status_t status = writable(wal, err);
    if (status == RV_OK) {
        status = rvw_copy_begin(wal->dir, err);
    }
    if (status) {
        return status;
    }
    snprintf(path, sizeof path, "%.4000s/compact", wal->dir);
    status = rvw_env_open(path, RVW_ENV_UNUSED, &copy, err);
    if (status == RV_OK) {
        status = copy_env(wal, copy, err);
    }
    rvw_env_unref(&copy);
    if (status == RV_OK) {
        status = rvw_copy_end(wal->dir, err);
        /* Only a lack of space tells that the old file is still the one that the next start will find. */
        wal->closed = status != RV_OK && status != RV_RESOURCE_EXHAUSTED;
    }
    if (status) {
        rvw_copy_drop(wal->dir, NULL);
        return status;
    }
    rvw_env_t *old = wal->env;
    wal->env = NULL;
    status = open_env(wal, false, err);
    if (status) {
        wal->env = old;
        wal->closed = true;
        return status;
    }
    rvw_env_unref(&old);
    return RV_OK;
}

rv_status_t rvw_wal_append(rvw_wal_t *wal, const rvw_record_t *records, size_t n, rv_error_t *err) {
    pthread_mutex_lock(&wal->lock_env);
    rv_status_t status = append(wal, records, n, err);
    pthread_mutex_unlock(&wal->lock_env);
    return status;
}

rv_status_t rvw_wal_trim(rvw_wal_t *wal, uint32_t partition, uint64_t lsn, rv_error_t *err) {
    pthread_mutex_lock(&wal->lock_env);
    rv_status_t status = trim(wal, partition, lsn, err);
    pthread_mutex_unlock(&wal->lock_env);
    return status;
}

rv_status_t rvw_wal_compact(rvw_wal_t *wal, rv_error_t *err) {
    pthread_mutex_lock(&wal->lock_env);
    rv_status_t status = compact(wal, err);
    pthread_mutex_unlock(&wal->lock_env);
    return status;
}

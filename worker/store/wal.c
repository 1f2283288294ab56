/* wal.c: the worker's log.
 *
 * Key: partition and LSN, big endian, so a partition's records lie in order. Value: XXH3 of the bytes, seeded with that
 * of the key, then the bytes. One write transaction a group: LMDB syncs data and then the meta page, so a record is
 * there whole or not at all. A failed commit other than for lack of space leaves the log closed to writes, because only
 * opening it anew tells what is in it. Threads: the writer appends, the housekeeper trims and compacts; a lock keeps
 * them apart. Replay is for the start, before there are threads.
 */
#include "wal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "env.h"
#include "place.h"
#include "reveille/fault.h"
#include "reveille/hash.h"

#define KEY_BYTES 12u
#define FULL 0.9
#define COPY_BYTES ((size_t)8 << 20)

struct rvw_wal {
    pthread_mutex_t lock_env;
    char *dir;
    int lock;
    rvw_env_t *env;
    bool closed; /* to writes */
};

static void pack_key(uint32_t partition, uint64_t lsn, uint8_t key[KEY_BYTES]) {
    rvw_put_be32(key, partition);
    rvw_put_be64(key + 4, lsn);
}

static uint64_t checksum(const uint8_t key[KEY_BYTES], const void *bytes, size_t n) {
    return XXH3_64bits_withSeed(bytes, n, rv_hash(key, KEY_BYTES));
}

/* Opens the environment, new when there is none. */
static rv_status_t open_env(rvw_wal_t *wal, rv_error_t *err) {
    rv_error_t inner = {0};
    rv_status_t status = rvw_env_open(wal->dir, RVW_ENV_EXISTING, &wal->env, &inner);
    if (status == RV_NOT_FOUND) {
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

rv_status_t rvw_wal_open(const char *dir, rvw_wal_t **ret, rv_error_t *err) {
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
        status = open_env(wal, err);
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

static rv_status_t append(rvw_wal_t *wal, const rvw_record_t *records, size_t n, rv_error_t *err) {
    rvw_txn_t txn;
    rv_status_t status = writable(wal, err);
    if (status) {
        return status;
    }
    if (rvw_env_fill(wal->env) > FULL) {
        return rv_fail(err, RV_REASON_QUOTA, "the log's map is full to 90 %%: writes are refused until it is flushed");
    }
    rvw_txn_begin(&txn, wal->env);
    for (size_t i = 0; i < n; i++) {
        uint8_t key[KEY_BYTES];
        pack_key(records[i].partition, records[i].lsn, key);
        uint64_t sum = checksum(key, records[i].bytes, records[i].n);
        uint8_t *value = rvw_txn_reserve(&txn, key, sizeof key, sizeof sum + records[i].n);
        if (value) {
            memcpy(value, &sum, sizeof sum);
            memcpy(value + sizeof sum, records[i].bytes, records[i].n);
        }
    }
    if (RV_FAULT("wal-before-commit")) {
        rvw_txn_abort(&txn);
        return rv_fail(err, RV_REASON_QUOTA, "fault point wal-before-commit");
    }
    status = finish(wal, &txn, err);
    if (status == RV_OK && RV_FAULT("wal-after-commit")) {
        wal->closed = true;
        return rv_fail(err, RV_REASON_OUTCOME_UNKNOWN, "fault point wal-after-commit");
    }
    return status;
}

static rv_status_t trim(rvw_wal_t *wal, uint32_t partition, uint64_t lsn, rv_error_t *err) {
    uint8_t first[KEY_BYTES], last[KEY_BYTES];
    MDB_cursor *cursor = NULL;
    rvw_txn_t txn;
    rv_status_t status = writable(wal, err);
    if (status) {
        return status;
    }
    pack_key(partition, 0, first);
    pack_key(partition, lsn, last);
    rvw_txn_begin(&txn, wal->env);
    rvw_txn_cursor(&txn, &cursor);
    if (txn.status == RV_OK) {
        MDB_val k = {sizeof first, first}, v;
        int code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        while (!code && k.mv_size == KEY_BYTES && memcmp(k.mv_data, last, KEY_BYTES) <= 0) {
            code = mdb_cursor_del(cursor, 0);
            if (!code) {
                code = mdb_cursor_get(cursor, &k, &v, MDB_GET_CURRENT);
            }
            /* The cursor stands on the next record, or behind the last one of its page. */
            if (code == MDB_NOTFOUND || code == EINVAL) {
                k = (MDB_val){sizeof first, first};
                code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
            }
        }
        rvw_txn_note(&txn, code, "trim the log");
        mdb_cursor_close(cursor);
    }
    return finish(wal, &txn, err);
}

static rv_status_t damaged(uint32_t partition, uint64_t lsn, rv_error_t *err) {
    return rv_fail(err, RV_REASON_DAMAGED,
                   "the log's record %llu of partition %u is damaged: its checksum does not hold",
                   (unsigned long long)lsn, partition);
}

/* One record from its key and value. */
static rv_status_t read_record(const MDB_val *k, const MDB_val *v, rvw_record_t *ret, rv_error_t *err) {
    uint64_t sum;
    ret->partition = rvw_get_be32(k->mv_data);
    ret->lsn = rvw_get_be64((const uint8_t *)k->mv_data + 4);
    if (v->mv_size < sizeof sum) {
        return damaged(ret->partition, ret->lsn, err);
    }
    ret->bytes = (const uint8_t *)v->mv_data + sizeof sum;
    ret->n = v->mv_size - sizeof sum;
    memcpy(&sum, v->mv_data, sizeof sum);
    return sum == checksum(k->mv_data, ret->bytes, ret->n) ? RV_OK : damaged(ret->partition, ret->lsn, err);
}

rv_status_t rvw_wal_replay(rvw_wal_t *wal, uint32_t partition, uint64_t after, rvw_wal_each_t *each, void *context,
                           rv_error_t *err) {
    uint8_t key[KEY_BYTES];
    MDB_txn *txn;
    MDB_cursor *cursor;
    rv_status_t status = rvw_env_read(wal->env, &txn, err);
    if (status) {
        return status;
    }
    int code = mdb_cursor_open(txn, rvw_env_dbi(wal->env), &cursor);
    if (code) {
        mdb_txn_abort(txn);
        return rvw_env_fail(err, code, "read the log");
    }
    pack_key(partition, after == UINT64_MAX ? after : after + 1, key);
    MDB_val k = {sizeof key, key}, v;
    code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!code && status == RV_OK && k.mv_size == KEY_BYTES && rvw_get_be32(k.mv_data) == partition) {
        rvw_record_t record;
        status = read_record(&k, &v, &record, err);
        if (status == RV_OK && record.lsn > after) {
            status = each(context, &record, err);
        }
        code = status ? 0 : mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    if (status == RV_OK && code && code != MDB_NOTFOUND) {
        status = rvw_env_fail(err, code, "read the log");
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return status;
}

/* All records into the new environment, in slices. */
static rv_status_t copy_records(MDB_cursor *cursor, rvw_env_t *to, rv_error_t *err) {
    rvw_txn_t out;
    MDB_val k, v;
    rvw_txn_begin(&out, to);
    int code = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (!code && out.status == RV_OK) {
        rvw_txn_put(&out, k.mv_data, k.mv_size, v.mv_data, v.mv_size);
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
    MDB_txn *txn;
    MDB_cursor *cursor;
    rv_status_t status = rvw_env_read(wal->env, &txn, err);
    if (status) {
        return status;
    }
    int code = mdb_cursor_open(txn, rvw_env_dbi(wal->env), &cursor);
    if (code) {
        status = rvw_env_fail(err, code, "read the log");
    } else {
        status = copy_records(cursor, to, err);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
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
    status = open_env(wal, err);
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

/* wal.c: the worker's log.
 *
 * Key: partition and LSN, big endian, so a partition's records lie in order. Value: XXH3 of the bytes, seeded with that
 * of the key, then the bytes. Behind all partitions (NOTES) lie, in the same form, the LSN up to which each partition
 * was trimmed, and the mark. One write transaction a group: LMDB syncs data and then the meta page, so a record is
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
#define NOTES UINT32_MAX /* in the partition's place: what lies in the LSN's is a partition, or MARK */
#define MARK UINT64_MAX

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

static void put_value(rvw_txn_t *txn, uint32_t partition, uint64_t lsn, const void *bytes, size_t n) {
    uint8_t key[KEY_BYTES];
    pack_key(partition, lsn, key);
    uint64_t sum = checksum(key, bytes, n);
    uint8_t *value = rvw_txn_reserve(txn, key, sizeof key, sizeof sum + n);
    if (value) {
        memcpy(value, &sum, sizeof sum);
        memcpy(value + sizeof sum, bytes, n);
    }
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
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += records[i].n;
    }
    status = rvw_env_room(wal->env, bytes, err);
    if (status) {
        return status;
    }
    rvw_txn_begin(&txn, wal->env);
    for (size_t i = 0; i < n; i++) {
        put_value(&txn, records[i].partition, records[i].lsn, records[i].bytes, records[i].n);
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
    uint64_t trimmed = 0;
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
            trimmed = rvw_get_be64((const uint8_t *)k.mv_data + 4);
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
    if (trimmed) {
        put_value(&txn, NOTES, partition, &trimmed, sizeof trimmed);
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

/* A read transaction with a cursor; end_read closes both. */
typedef struct {
    MDB_txn *txn;
    MDB_cursor *cursor;
} reading_t;

static rv_status_t begin_read(rvw_wal_t *wal, reading_t *ret, rv_error_t *err) {
    rv_status_t status = rvw_env_read(wal->env, &ret->txn, err);
    int code = status ? 0 : mdb_cursor_open(ret->txn, rvw_env_dbi(wal->env), &ret->cursor);
    if (code) {
        mdb_txn_abort(ret->txn);
        return rvw_env_fail(err, code, "read the log");
    }
    return status;
}

static void end_read(reading_t *reading) {
    mdb_cursor_close(reading->cursor);
    mdb_txn_abort(reading->txn);
}

/* The first record or note at or behind a key; *ret_code is MDB_NOTFOUND behind the last one. */
static rv_status_t seek(reading_t *reading, uint32_t partition, uint64_t lsn, rvw_record_t *ret, int *ret_code,
                        rv_error_t *err) {
    uint8_t key[KEY_BYTES];
    pack_key(partition, lsn, key);
    MDB_val k = {sizeof key, key}, v;
    *ret_code = mdb_cursor_get(reading->cursor, &k, &v, MDB_SET_RANGE);
    if (*ret_code) {
        return *ret_code == MDB_NOTFOUND ? RV_OK : rvw_env_fail(err, *ret_code, "read the log");
    }
    return k.mv_size == KEY_BYTES ? read_record(&k, &v, ret, err)
                                  : rv_fail(err, RV_REASON_DAMAGED, "the log has a key of %zu bytes", k.mv_size);
}

/* A note of n bytes; zeros when there is none. */
static rv_status_t get_note(reading_t *reading, uint64_t what, void *ret, size_t n, rv_error_t *err) {
    rvw_record_t note;
    int code;
    memset(ret, 0, n);
    rv_status_t status = seek(reading, NOTES, what, &note, &code, err);
    if (status || code || note.lsn != what) {
        return status;
    }
    if (note.n != n) {
        return damaged(NOTES, what, err);
    }
    memcpy(ret, note.bytes, n);
    return RV_OK;
}

/* The last record of a partition or, without one, how far it was trimmed. */
static rv_status_t get_last(reading_t *reading, uint32_t partition, uint64_t *ret, rv_error_t *err) {
    uint8_t key[KEY_BYTES];
    MDB_val k = {sizeof key, key}, v;
    rv_status_t status = get_note(reading, partition, ret, sizeof *ret, err);
    if (status) {
        return status;
    }
    pack_key(partition + 1, 0, key);
    int code = mdb_cursor_get(reading->cursor, &k, &v, MDB_SET_RANGE);
    code = mdb_cursor_get(reading->cursor, &k, &v, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    if (code && code != MDB_NOTFOUND) {
        return rvw_env_fail(err, code, "read the log");
    }
    if (!code && k.mv_size == KEY_BYTES && rvw_get_be32(k.mv_data) == partition) {
        *ret = rvw_get_be64((const uint8_t *)k.mv_data + 4);
    }
    return RV_OK;
}

static rv_status_t apart(uint32_t partition, uint64_t after, uint64_t next, uint64_t last, rv_error_t *err) {
    if (after > last) {
        return rv_fail(
            err, RV_REASON_DAMAGED,
            "partition %u holds writes up to %llu, but the log knows of none above %llu: the log is older, or "
            "the partition was moved here without its own; put back both from the same time",
            partition, (unsigned long long)after, (unsigned long long)last);
    }
    return rv_fail(err, RV_REASON_DAMAGED,
                   "partition %u holds writes up to %llu, but write %llu is not in the log, which ends at %llu: the "
                   "partition is older than the log; put back both from the same time",
                   partition, (unsigned long long)after, (unsigned long long)next, (unsigned long long)last);
}

rv_status_t rvw_wal_replay(rvw_wal_t *wal, uint32_t partition, uint64_t after, rvw_wal_each_t *each, void *context,
                           rv_error_t *err) {
    uint64_t next = after + 1, last;
    rvw_record_t record;
    reading_t reading;
    int code;
    rv_status_t status = begin_read(wal, &reading, err);
    if (status) {
        return status;
    }
    status = get_last(&reading, partition, &last, err);
    if (status == RV_OK && after > last) {
        status = apart(partition, after, next, last, err);
    }
    for (; status == RV_OK && next <= last; next++) {
        status = seek(&reading, partition, next, &record, &code, err);
        if (status == RV_OK && (code || record.partition != partition || record.lsn != next)) {
            status = apart(partition, after, next, last, err);
        }
        status = status ? status : each(context, &record, err);
    }
    end_read(&reading);
    return status;
}

rv_status_t rvw_wal_next(rvw_wal_t *wal, uint32_t partition, uint32_t *ret, rv_error_t *err) {
    rvw_record_t found[2] = {{0}};
    int code[2] = {0};
    reading_t reading;
    rv_status_t status = begin_read(wal, &reading, err);
    if (status) {
        return status;
    }
    status = seek(&reading, partition, 0, &found[0], &code[0], err);
    if (status == RV_OK) {
        status = seek(&reading, NOTES, partition, &found[1], &code[1], err);
    }
    end_read(&reading);
    uint32_t by_record = code[0] ? NOTES : found[0].partition;
    uint32_t by_note = code[1] || found[1].lsn == MARK ? NOTES : (uint32_t)found[1].lsn;
    *ret = by_record < by_note ? by_record : by_note;
    return status;
}

rv_status_t rvw_wal_get_mark(rvw_wal_t *wal, rvw_wal_mark_t *ret, rv_error_t *err) {
    reading_t reading;
    rv_status_t status = begin_read(wal, &reading, err);
    if (status == RV_OK) {
        status = get_note(&reading, MARK, ret, sizeof *ret, err);
        end_read(&reading);
    }
    return status;
}

/* Writes a note, or with NULL removes it. */
static rv_status_t set_note(rvw_wal_t *wal, uint64_t what, const void *bytes, size_t n, rv_error_t *err) {
    uint8_t key[KEY_BYTES];
    rvw_txn_t txn;
    pthread_mutex_lock(&wal->lock_env);
    rv_status_t status = writable(wal, err);
    if (status == RV_OK) {
        rvw_txn_begin(&txn, wal->env);
        if (bytes) {
            put_value(&txn, NOTES, what, bytes, n);
        } else {
            pack_key(NOTES, what, key);
            rvw_txn_delete(&txn, key, sizeof key);
        }
        status = finish(wal, &txn, err);
    }
    pthread_mutex_unlock(&wal->lock_env);
    return status;
}

rv_status_t rvw_wal_set_mark(rvw_wal_t *wal, const rvw_wal_mark_t *mark, rv_error_t *err) {
    return set_note(wal, MARK, mark, sizeof *mark, err);
}

rv_status_t rvw_wal_adopt(rvw_wal_t *wal, uint32_t partition, uint64_t lsn, rv_error_t *err) {
    return set_note(wal, partition, &lsn, sizeof lsn, err);
}

rv_status_t rvw_wal_release(rvw_wal_t *wal, uint32_t partition, rv_error_t *err) {
    return set_note(wal, partition, NULL, 0, err);
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
    reading_t reading;
    rv_status_t status = begin_read(wal, &reading, err);
    if (status) {
        return status;
    }
    status = copy_records(reading.cursor, to, err);
    end_read(&reading);
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

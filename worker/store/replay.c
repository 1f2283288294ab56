/* replay.c: the records of one partition, from the log. What a replay needs is pinned at its start. */
#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "reveille/hash.h"
#include "wal_state.h"

void rvw_wal_key(rvw_wal_kind_t kind, uint64_t number, uint8_t key[RVW_WAL_KEY]) {
    rvw_put_be32(key, kind);
    rvw_put_be64(key + 4, number);
}

uint64_t rvw_wal_seed(const uint8_t *key) {
    return rv_hash(key, RVW_WAL_KEY);
}

rv_status_t rvw_reading_begin(rvw_env_t *env, rvw_reading_t *ret, rv_error_t *err) {
    rv_status_t status = rvw_env_read(env, &ret->txn, err);
    int code = status ? 0 : mdb_cursor_open(ret->txn, rvw_env_dbi(env), &ret->cursor);
    if (code) {
        mdb_txn_abort(ret->txn);
        return rvw_env_fail(err, code, "read the log");
    }
    return status;
}

void rvw_reading_end(rvw_reading_t *reading) {
    mdb_cursor_close(reading->cursor);
    mdb_txn_abort(reading->txn);
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

/* A replay: what it needs of the log is pinned at its start, so that others may trim and compact meanwhile. */
typedef struct {
    rvw_env_t *env;
    rvw_reading_t reading;
    uint64_t *groups; /* of the records after + 1 to last */
    uint64_t last;
    uint64_t number; /* of the open group; 0: none */
    rvw_group_t group;
} replay_t;

static rv_status_t begin_replay(rvw_wal_t *wal, uint32_t partition, uint64_t after, replay_t *ret, rv_error_t *err) {
    rv_status_t status = RV_OK;
    *ret = (replay_t){0};
    pthread_mutex_lock(&wal->lock_env);
    ret->last = rvw_chains_last(wal->chains, partition);
    size_t n = ret->last > after ? (size_t)(ret->last - after) : 0;
    if (after > ret->last || (n && after < rvw_chains_trimmed(wal->chains, partition))) {
        status = apart(partition, after, after + 1, ret->last, err);
    }
    if (status == RV_OK) {
        ret->groups = calloc(n + 1, sizeof *ret->groups);
        status = ret->groups ? rvw_reading_begin(wal->env, &ret->reading, err) : rv_fail_memory(err, "a replay");
    }
    if (status == RV_OK) {
        ret->env = rvw_env_ref(wal->env);
        for (size_t i = 0; i < n; i++) {
            ret->groups[i] = rvw_chains_group(wal->chains, partition, after + 1 + i);
        }
    } else {
        free(ret->groups);
    }
    pthread_mutex_unlock(&wal->lock_env);
    return status;
}

static void end_replay(replay_t *replay) {
    rvw_reading_end(&replay->reading);
    rvw_env_unref(&replay->env);
    free(replay->groups);
}

/* The record (partition, lsn) of a group. A partition's records lie in a group in their order. */
static rv_status_t find_record(replay_t *replay, uint64_t number, uint32_t partition, uint64_t lsn, rvw_record_t *ret,
                               rv_error_t *err) {
    uint8_t key[RVW_WAL_KEY];
    rvw_wal_key(RVW_GROUP, number, key);
    MDB_val k = {sizeof key, key}, v;
    if (replay->number != number) {
        int code = mdb_cursor_get(replay->reading.cursor, &k, &v, MDB_SET);
        if (code) {
            return rvw_env_fail(err, code, "read the log");
        }
        if (!rvw_group_open(v.mv_data, v.mv_size, rvw_wal_seed(key), &replay->group)) {
            return rv_fail(err, RV_REASON_DAMAGED, "the log's group %llu is damaged", (unsigned long long)number);
        }
        replay->number = number;
    }
    while (rvw_group_next(&replay->group, ret)) {
        if (ret->partition == partition && ret->lsn == lsn) {
            return rvw_record_sound(ret)
                       ? RV_OK
                       : rv_fail(err, RV_REASON_DAMAGED,
                                 "the log's record %llu of partition %u is damaged: its checksum does not hold",
                                 (unsigned long long)lsn, partition);
        }
    }
    return rv_fail(err, RV_REASON_BUG, "record %llu of partition %u is not in the log's group %llu",
                   (unsigned long long)lsn, partition, (unsigned long long)number);
}

rv_status_t rvw_wal_replay(rvw_wal_t *wal, uint32_t partition, uint64_t after, rvw_wal_each_t *each, void *context,
                           rv_error_t *err) {
    replay_t replay;
    rvw_record_t record;
    rv_status_t status = begin_replay(wal, partition, after, &replay, err);
    if (status) {
        return status;
    }
    for (uint64_t lsn = after + 1; status == RV_OK && lsn <= replay.last; lsn++) {
        uint64_t number = replay.groups[lsn - after - 1];
        status = number ? find_record(&replay, number, partition, lsn, &record, err)
                        : apart(partition, after, lsn, replay.last, err);
        status = status ? status : each(context, &record, err);
    }
    end_replay(&replay);
    return status;
}

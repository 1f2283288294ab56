/* state.c: the partition's record: 144 bytes under the key "s": a magic with the version of the format, the fields
 * little endian, a checksum. A record of another format is refused, not converted. Pure but for LMDB's get and put. */
#include "state.h"

#include <string.h>

#include "reveille/hash.h"
#include "reveille/limits.h"

static const char KEY[] = "s";
static const char MAGIC[8] = {'R', 'V', 'P', 'A', 'R', 'T', '0', '1'};

typedef struct {
    char magic[8];
    uint8_t cluster_id[16];
    uint32_t partition, partition_count, chunk_rows, rows;
    uint64_t epoch, flushed_lsn, gen, erased, events;
    uint32_t company_rows, zero;
    uint8_t evicted[16];
    uint64_t released, spare[3];
    uint64_t checksum;
} record_t;
_Static_assert(sizeof(record_t) == 144, "the record of a partition has 144 bytes");

bool rvw_identity_valid(const rvw_identity_t *identity) {
    return identity->chunk_rows >= 2 && identity->chunk_rows <= 65536 &&
           (identity->chunk_rows & (identity->chunk_rows - 1)) == 0 && identity->partition_count >= 1 &&
           identity->partition_count <= RV_MAX_PARTITIONS && identity->partition < identity->partition_count;
}

rv_status_t rvw_state_read(MDB_txn *txn, MDB_dbi dbi, rvw_state_t *ret, rv_error_t *err) {
    MDB_val k = {1, (void *)(uintptr_t)KEY}, v;
    record_t record;
    int code = mdb_get(txn, dbi, &k, &v);
    if (code && code != MDB_NOTFOUND) {
        return rvw_env_fail(err, code, "read the state of a partition");
    }
    if (code || v.mv_size != sizeof record || memcmp(v.mv_data, MAGIC, sizeof MAGIC) != 0) {
        return rv_fail(err, RV_REASON_FOREIGN, "this is not a partition of this format (%.8s)", MAGIC);
    }
    memcpy(&record, v.mv_data, sizeof record);
    *ret = (rvw_state_t){.flushed_lsn = record.flushed_lsn, .gen = record.gen, .rows = record.rows};
    memcpy(ret->identity.cluster_id, record.cluster_id, 16);
    ret->identity.partition = record.partition;
    ret->identity.partition_count = record.partition_count;
    ret->identity.chunk_rows = record.chunk_rows;
    ret->identity.epoch = record.epoch;
    ret->company_rows = record.company_rows;
    ret->erased = record.erased;
    ret->events = record.events;
    ret->released = record.released;
    memcpy(ret->evicted, record.evicted, 16);
    if (record.checksum != rv_hash(&record, offsetof(record_t, checksum)) || !rvw_identity_valid(&ret->identity)) {
        return rv_fail(err, RV_REASON_DAMAGED, "the state of a partition is damaged: its checksum does not hold");
    }
    return RV_OK;
}

rv_status_t rvw_state_write(rvw_txn_t *txn, const rvw_state_t *state) {
    record_t record = {.partition = state->identity.partition, .partition_count = state->identity.partition_count};
    memcpy(record.magic, MAGIC, sizeof MAGIC);
    memcpy(record.cluster_id, state->identity.cluster_id, 16);
    record.chunk_rows = state->identity.chunk_rows;
    record.epoch = state->identity.epoch;
    record.rows = state->rows;
    record.company_rows = state->company_rows;
    record.flushed_lsn = state->flushed_lsn;
    record.gen = state->gen;
    record.erased = state->erased;
    record.events = state->events;
    record.released = state->released;
    memcpy(record.evicted, state->evicted, 16);
    record.checksum = rv_hash(&record, offsetof(record_t, checksum));
    return rvw_txn_put(txn, KEY, 1, &record, sizeof record);
}

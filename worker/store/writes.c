/* writes.c: see writes.h.
 *
 * Keys: 'P', producer -> expired_below, last LSN, count, checksum; 'i', producer, sequence (big endian) -> content
 * hash, checksum. When a window is full, its least sequence is the lesser of the first one on disk that has not expired
 * and the least one in the tails. Errors are LMDB's, memory, or a record whose checksum does not hold.
 */
#include "writes.h"

#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "reveille/hash.h"
#include "reveille/limits.h"

#define PRODUCER_KEY 17u
#define WRITE_KEY 25u

typedef struct {
    uint64_t expired_below, last_lsn, count, checksum;
} producer_record_t;
typedef struct {
    uint64_t hash, checksum;
} write_record_t;

static void producer_key(const uint8_t id[16], uint8_t key[PRODUCER_KEY]) {
    key[0] = 'P';
    memcpy(key + 1, id, 16);
}

static void write_key(const uint8_t producer[16], uint64_t sequence, uint8_t key[WRITE_KEY]) {
    key[0] = 'i';
    memcpy(key + 1, producer, 16);
    rvw_put_be64(key + 17, sequence);
}

static uint64_t sign(const uint8_t *key, size_t n, const void *record, size_t record_n) {
    return rv_hash(key, n) * 31 + rv_hash(record, record_n);
}

void rvw_producers_done(rvw_producers_t *producers) {
    free(producers->items);
    free(producers->slots);
    *producers = (rvw_producers_t){0};
}

void rvw_writes_done(rvw_writes_t *writes) {
    free(writes->items);
    free(writes->slots);
    rvw_producers_done(&writes->after);
    *writes = (rvw_writes_t){0};
}

static bool grow_slots(uint32_t **slots, uint32_t *mask, uint32_t n) {
    uint32_t cap = 64;
    while (cap < 2 * n) {
        cap *= 2;
    }
    uint32_t *fresh = calloc(cap, sizeof *fresh);
    if (fresh) {
        free(*slots);
        *slots = fresh;
        *mask = cap - 1;
    }
    return fresh != NULL;
}

static uint32_t producer_slot(const rvw_producers_t *producers, const uint8_t id[16]) {
    uint32_t at = (uint32_t)rv_hash(id, 16) & producers->mask;
    while (producers->slots[at] && memcmp(producers->items[producers->slots[at] - 1].id, id, 16) != 0) {
        at = (at + 1) & producers->mask;
    }
    return at;
}

static rvw_producer_t *find_producer(const rvw_producers_t *producers, const uint8_t id[16]) {
    if (!producers->slots) {
        return NULL;
    }
    uint32_t k = producers->slots[producer_slot(producers, id)];
    return k && !producers->items[k - 1].dropped ? &producers->items[k - 1] : NULL;
}

static bool index_producers(rvw_producers_t *producers) {
    if (!grow_slots(&producers->slots, &producers->mask, producers->cap)) {
        return false;
    }
    for (uint32_t k = 0; k < producers->n; k++) {
        producers->slots[producer_slot(producers, producers->items[k].id)] = k + 1;
    }
    return true;
}

static rvw_producer_t *add_producer(rvw_producers_t *producers, const uint8_t id[16]) {
    if (producers->n == producers->cap) {
        uint32_t cap = producers->cap ? producers->cap * 2 : 16;
        rvw_producer_t *grown = realloc(producers->items, cap * sizeof *grown);
        if (!grown) {
            return NULL;
        }
        producers->items = grown;
        producers->cap = cap;
        if (!index_producers(producers)) {
            return NULL;
        }
    }
    rvw_producer_t *producer = &producers->items[producers->n];
    *producer = (rvw_producer_t){.expired_below = 0};
    memcpy(producer->id, id, 16);
    producers->slots[producer_slot(producers, id)] = ++producers->n;
    return producer;
}

/* The slot of a write in one tail; an empty one when it is not there. */
static uint32_t write_slot(const rvw_writes_t *writes, const uint8_t producer[16], uint64_t sequence) {
    uint32_t at = (uint32_t)(rv_hash(producer, 16) + sequence * 0x9E3779B97F4A7C15ull) & writes->mask;
    while (writes->slots[at]) {
        const rvw_write_t *write = &writes->items[writes->slots[at] - 1];
        if (write->sequence == sequence && memcmp(write->producer, producer, 16) == 0) {
            break;
        }
        at = (at + 1) & writes->mask;
    }
    return at;
}

static const rvw_write_t *find_write(const rvw_writes_t *writes, const uint8_t producer[16], uint64_t sequence) {
    if (!writes || !writes->slots) {
        return NULL;
    }
    uint32_t k = writes->slots[write_slot(writes, producer, sequence)];
    return k ? &writes->items[k - 1] : NULL;
}

static bool add_write(rvw_writes_t *writes, const rvw_write_t *write) {
    if (writes->n == writes->cap) {
        uint32_t cap = writes->cap ? writes->cap * 2 : 32;
        rvw_write_t *grown = realloc(writes->items, cap * sizeof *grown);
        if (!grown) {
            return false;
        }
        writes->items = grown;
        writes->cap = cap;
        if (!grow_slots(&writes->slots, &writes->mask, cap)) {
            return false;
        }
        for (uint32_t k = 0; k < writes->n; k++) {
            writes->slots[write_slot(writes, writes->items[k].producer, writes->items[k].sequence)] = k + 1;
        }
    }
    writes->items[writes->n] = *write;
    writes->slots[write_slot(writes, write->producer, write->sequence)] = writes->n + 1;
    writes->n++;
    return true;
}

/* The hash of a write on disk. */
static rv_status_t stored_hash(const rvw_memory_t *memory, const uint8_t producer[16], uint64_t sequence,
                               bool *ret_found, uint64_t *ret_hash, rv_error_t *err) {
    uint8_t key[WRITE_KEY];
    write_record_t record;
    write_key(producer, sequence, key);
    MDB_val k = {sizeof key, key}, v;
    int code = mdb_get(memory->txn, memory->dbi, &k, &v);
    *ret_found = code == 0;
    if (code) {
        return code == MDB_NOTFOUND ? RV_OK : rvw_env_fail(err, code, "look up the identity of a write");
    }
    if (v.mv_size == sizeof record) {
        memcpy(&record, v.mv_data, sizeof record);
        *ret_hash = record.hash;
        if (record.checksum == sign(key, sizeof key, &record, offsetof(write_record_t, checksum))) {
            return RV_OK;
        }
    }
    return rv_fail(err, RV_REASON_DAMAGED, "the identity of a write is damaged: its checksum does not hold");
}

rv_status_t rvw_memory_check(const rvw_memory_t *memory, const uint8_t producer[16], uint64_t sequence, uint64_t hash,
                             bool *ret_known, rv_error_t *err) {
    static const uint8_t none[16];
    const rvw_producer_t *known = find_producer(memory->producers, producer);
    if (!known && memcmp(memory->producers->evicted, none, 16) != 0 &&
        memcmp(producer, memory->producers->evicted, 16) <= 0) {
        return rv_fail(err, RV_REASON_EXPIRED,
                       "this producer is older than the last %u that are remembered: use a new one", RV_MAX_PRODUCERS);
    }
    *ret_known = false;
    if (!known) {
        return RV_OK;
    }
    if (sequence < known->expired_below) {
        return rv_fail(err, RV_REASON_EXPIRED, "sequence %llu is older than the last %u of its producer",
                       (unsigned long long)sequence, RV_PRODUCER_WINDOW);
    }
    const rvw_write_t *write = find_write(memory->active, producer, sequence);
    write = write ? write : find_write(memory->frozen, producer, sequence);
    uint64_t stored = write ? write->hash : 0;
    bool found = write != NULL;
    if (!found) {
        rv_status_t status = stored_hash(memory, producer, sequence, &found, &stored, err);
        if (status) {
            return status;
        }
    }
    if (found && stored != hash) {
        return rv_fail(err, RV_REASON_CONFLICT, "sequence %llu of this producer was another write",
                       (unsigned long long)sequence);
    }
    *ret_known = found;
    return RV_OK;
}

static void least_of(const rvw_writes_t *writes, const rvw_producer_t *producer, uint64_t *least) {
    for (uint32_t k = 0; writes && k < writes->n; k++) {
        const rvw_write_t *write = &writes->items[k];
        if (write->sequence >= producer->expired_below && write->sequence < *least &&
            memcmp(write->producer, producer->id, 16) == 0) {
            *least = write->sequence;
        }
    }
}

/* Forgets the least sequence of a producer whose window is full. */
static rv_status_t shrink(const rvw_memory_t *memory, rvw_producer_t *producer, rv_error_t *err) {
    uint64_t least = UINT64_MAX;
    uint8_t key[WRITE_KEY];
    MDB_cursor *cursor;
    write_key(producer->id, producer->expired_below, key);
    MDB_val k = {sizeof key, key}, v;
    int code = mdb_cursor_open(memory->txn, memory->dbi, &cursor);
    if (code == 0) {
        code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (code == 0 && k.mv_size == WRITE_KEY && memcmp(k.mv_data, key, PRODUCER_KEY) == 0) {
            least = rvw_get_be64((const uint8_t *)k.mv_data + PRODUCER_KEY);
        }
        mdb_cursor_close(cursor);
    }
    if (code && code != MDB_NOTFOUND) {
        return rvw_env_fail(err, code, "look up the identities of a producer");
    }
    least_of(memory->frozen, producer, &least);
    least_of(memory->active, producer, &least);
    producer->expired_below = least == UINT64_MAX ? least : least + 1;
    producer->count--;
    return RV_OK;
}

/* Drops the least recently written producer that is not newer than the fresh one: what is evicted shuts out all that
 * are older, and an id from the future would shut out everybody until its time has come. */
static void evict(rvw_producers_t *producers, const uint8_t fresh[16]) {
    rvw_producer_t *oldest = NULL;
    uint32_t live = 0;
    for (uint32_t k = 0; k < producers->n; k++) {
        rvw_producer_t *producer = &producers->items[k];
        live += !producer->dropped;
        bool newer = memcmp(producer->id, fresh, 16) > 0;
        if (!producer->dropped && !newer && (!oldest || producer->last_lsn < oldest->last_lsn)) {
            oldest = producer;
        }
    }
    if (live > RV_MAX_PRODUCERS && oldest) {
        oldest->dropped = true;
        if (memcmp(oldest->id, producers->evicted, 16) > 0) {
            memcpy(producers->evicted, oldest->id, 16);
        }
    }
}

rv_status_t rvw_memory_add(rvw_memory_t *memory, const uint8_t producer[16], uint64_t sequence, uint64_t hash,
                           uint64_t lsn, rv_error_t *err) {
    rvw_write_t write = {.sequence = sequence, .hash = hash};
    memcpy(write.producer, producer, 16);
    rvw_producer_t *known = find_producer(memory->producers, producer);
    bool fresh = !known;
    if (!known) {
        known = add_producer(memory->producers, producer);
    }
    if (!known || !add_write(memory->active, &write)) {
        return rv_fail_memory(err, "the identity of a write");
    }
    known->last_lsn = lsn;
    known->count++;
    if (known->count > RV_PRODUCER_WINDOW) {
        rv_status_t status = shrink(memory, known, err);
        if (status) {
            return status;
        }
    }
    if (fresh && memory->producers->n > RV_MAX_PRODUCERS) {
        evict(memory->producers, producer);
    }
    return RV_OK;
}

bool rvw_writes_freeze(rvw_writes_t *writes, rvw_producers_t *producers) {
    rvw_producers_t *after = &writes->after;
    rvw_producers_done(after);
    after->items = malloc((producers->n ? producers->n : 1) * sizeof *after->items);
    if (!after->items) {
        return false;
    }
    memcpy(after->evicted, producers->evicted, 16);
    uint32_t kept = 0;
    for (uint32_t k = 0; k < producers->n; k++) {
        after->items[k] = producers->items[k];
        producers->items[kept] = producers->items[k];
        kept += !producers->items[k].dropped;
    }
    after->n = producers->n;
    producers->n = kept;
    return producers->cap == 0 || index_producers(producers);
}

/* Removes a producer's stored sequences below a limit. */
static void forget(rvw_txn_t *txn, MDB_cursor *cursor, const rvw_producer_t *producer) {
    uint8_t key[WRITE_KEY];
    write_key(producer->id, 0, key);
    for (;;) {
        MDB_val k = {sizeof key, key}, v;
        int code = txn->status ? MDB_NOTFOUND : mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (code == 0 && (k.mv_size != WRITE_KEY || memcmp(k.mv_data, key, PRODUCER_KEY) != 0 ||
                          (!producer->dropped &&
                           rvw_get_be64((const uint8_t *)k.mv_data + PRODUCER_KEY) >= producer->expired_below))) {
            return;
        }
        if (code == 0) {
            code = mdb_cursor_del(cursor, 0);
        }
        if (code) {
            rvw_txn_note(txn, code, "forget the identities of a producer");
            return;
        }
    }
}

static void put_producer(rvw_txn_t *txn, const rvw_producer_t *producer) {
    uint8_t key[PRODUCER_KEY];
    producer_key(producer->id, key);
    if (producer->dropped) {
        rvw_txn_delete(txn, key, sizeof key);
        return;
    }
    producer_record_t record = {producer->expired_below, producer->last_lsn, producer->count, 0};
    record.checksum = sign(key, sizeof key, &record, offsetof(producer_record_t, checksum));
    rvw_txn_put(txn, key, sizeof key, &record, sizeof record);
}

rv_status_t rvw_writes_flush(const rvw_writes_t *writes, uint64_t flushed, rvw_txn_t *txn) {
    for (uint32_t k = 0; k < writes->n; k++) {
        uint8_t key[WRITE_KEY];
        write_key(writes->items[k].producer, writes->items[k].sequence, key);
        write_record_t record = {writes->items[k].hash, 0};
        record.checksum = sign(key, sizeof key, &record, offsetof(write_record_t, checksum));
        rvw_txn_put(txn, key, sizeof key, &record, sizeof record);
    }
    MDB_cursor *cursor;
    if (rvw_txn_cursor(txn, &cursor)) {
        return txn->status;
    }
    for (uint32_t k = 0; k < writes->after.n; k++) {
        const rvw_producer_t *producer = &writes->after.items[k];
        if (producer->last_lsn > flushed || producer->dropped) {
            put_producer(txn, producer);
            if (producer->dropped || producer->expired_below > 0) {
                forget(txn, cursor, producer);
            }
        }
    }
    mdb_cursor_close(cursor);
    return txn->status;
}

static rv_status_t load_producer(rvw_producers_t *producers, const MDB_val *k, const MDB_val *v, rv_error_t *err) {
    producer_record_t record;
    if (v->mv_size != sizeof record) {
        return rv_fail(err, RV_REASON_DAMAGED, "the record of a producer is damaged: it has another length");
    }
    memcpy(&record, v->mv_data, sizeof record);
    if (record.checksum != sign(k->mv_data, k->mv_size, &record, offsetof(producer_record_t, checksum))) {
        return rv_fail(err, RV_REASON_DAMAGED, "the record of a producer is damaged: its checksum does not hold");
    }
    rvw_producer_t *producer = add_producer(producers, (const uint8_t *)k->mv_data + 1);
    if (!producer) {
        return rv_fail_memory(err, "the producers of a partition");
    }
    producer->expired_below = record.expired_below;
    producer->last_lsn = record.last_lsn;
    producer->count = record.count;
    return RV_OK;
}

rv_status_t rvw_producers_load(rvw_producers_t *producers, MDB_txn *txn, MDB_dbi dbi, const uint8_t evicted[16],
                               rv_error_t *err) {
    uint8_t key[PRODUCER_KEY] = {'P'};
    MDB_cursor *cursor;
    memcpy(producers->evicted, evicted, 16);
    int code = mdb_cursor_open(txn, dbi, &cursor);
    if (code) {
        return rvw_env_fail(err, code, "read the producers of a partition");
    }
    MDB_val k = {sizeof key, key}, v;
    rv_status_t status = RV_OK;
    code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!code && status == RV_OK && k.mv_size == PRODUCER_KEY && *(const uint8_t *)k.mv_data == 'P') {
        status = load_producer(producers, &k, &v, err);
        code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (status == RV_OK && code && code != MDB_NOTFOUND) {
        return rvw_env_fail(err, code, "read the producers of a partition");
    }
    return status;
}

rv_status_t rvw_writes_copy(MDB_txn *from, MDB_dbi dbi, rvw_txn_t *to) {
    uint8_t key[1] = {'P'};
    MDB_cursor *cursor;
    int code = mdb_cursor_open(from, dbi, &cursor);
    if (code) {
        return rvw_txn_note(to, code, "read the producers of a partition");
    }
    MDB_val k = {sizeof key, key}, v;
    code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!code && to->status == RV_OK) {
        if (k.mv_size == PRODUCER_KEY || k.mv_size == WRITE_KEY) {
            rvw_txn_put(to, k.mv_data, k.mv_size, v.mv_data, v.mv_size);
        }
        code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rvw_txn_note(to, code, "copy the producers of a partition");
}

/* record.c: fixed little-endian fields and counted strings, a format number first. A reader takes exactly what a writer
 * makes, else the record is damaged. No state, no threads. */
#include "record.h"
#include "reveille/hash.h"
#include <string.h>

#define FORMAT 1u

typedef struct {
    const uint8_t *p;
    size_t n;
    bool ok;
} reader_t;

static bool put_number(rv_bytes_t *out, uint64_t value, size_t width) {
    uint8_t bytes[8];
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    return rv_bytes_add(out, bytes, width);
}

static uint64_t get_number(reader_t *reader, size_t width) {
    uint64_t value = 0;
    if (reader->n < width) {
        reader->ok = false;
        return 0;
    }
    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)reader->p[i] << (8 * i);
    reader->p += width;
    reader->n -= width;
    return value;
}

static bool put_bytes(rv_bytes_t *out, const void *p, size_t n) {
    return put_number(out, n, 2) && (n == 0 || rv_bytes_add(out, p, n));
}

/* Reads counted bytes into a buffer of `cap`; returns their number. */
static size_t get_bytes(reader_t *reader, void *buffer, size_t cap) {
    size_t n = (size_t)get_number(reader, 2);
    if (!reader->ok || n > cap || n > reader->n) {
        reader->ok = false;
        return 0;
    }
    memcpy(buffer, reader->p, n);
    reader->p += n;
    reader->n -= n;
    return n;
}

static reader_t begin(const uint8_t *p, size_t n) {
    reader_t reader = {p, n, true};
    if (get_number(&reader, 4) != FORMAT)
        reader.ok = false;
    return reader;
}

static bool done(const reader_t *reader) {
    return reader->ok && reader->n == 0;
}

static uint64_t checksum(const char *key, size_t key_n, const uint8_t *p, size_t n) {
    uint64_t both[2] = {rv_hash(key, key_n), rv_hash(p, n)};
    return rv_hash(both, sizeof both);
}

bool rvc_record_seal(const char *key, size_t key_n, const rv_bytes_t *bytes, rv_bytes_t *out) {
    return put_number(out, checksum(key, key_n, bytes->p, bytes->n), 8) && rv_bytes_add(out, bytes->p, bytes->n);
}

const uint8_t *rvc_record_open(const char *key, size_t key_n, const uint8_t *sealed, size_t n, size_t *ret_n) {
    reader_t reader = {sealed, n, true};
    uint64_t sum = get_number(&reader, 8);
    if (!reader.ok || sum != checksum(key, key_n, reader.p, reader.n))
        return NULL;
    *ret_n = reader.n;
    return reader.p;
}

bool rvc_record_put_identity(rv_bytes_t *out, const rvc_identity_t *identity) {
    return put_number(out, FORMAT, 4) && rv_bytes_add(out, identity->cluster_id, 16) &&
           put_number(out, identity->term, 8) && put_number(out, identity->partitions, 4) &&
           put_number(out, identity->chunk_rows, 4);
}

bool rvc_record_get_identity(const uint8_t *p, size_t n, rvc_identity_t *ret) {
    reader_t reader = begin(p, n);
    rvc_identity_t identity;
    if (reader.n < 16)
        return false;
    memcpy(identity.cluster_id, reader.p, 16);
    reader.p += 16;
    reader.n -= 16;
    identity.term = get_number(&reader, 8);
    identity.partitions = (uint32_t)get_number(&reader, 4);
    identity.chunk_rows = (uint32_t)get_number(&reader, 4);
    if (!done(&reader) || identity.partitions == 0 || identity.partitions > RV_MAX_PARTITIONS)
        return false;
    *ret = identity;
    return true;
}

bool rvc_record_put_map(rv_bytes_t *out, const rvc_placement_t *map, uint32_t count) {
    bool ok = put_number(out, FORMAT, 4) && put_number(out, count, 4);
    for (uint32_t p = 0; ok && p < count; p++)
        ok = put_number(out, map[p].epoch, 8) && put_number(out, map[p].created, 1) &&
             put_bytes(out, map[p].worker, strlen(map[p].worker));
    return ok;
}

bool rvc_record_get_map(const uint8_t *p, size_t n, rvc_placement_t *map, uint32_t count) {
    reader_t reader = begin(p, n);
    if (get_number(&reader, 4) != count)
        return false;
    for (uint32_t i = 0; reader.ok && i < count; i++) {
        map[i] = (rvc_placement_t){.epoch = get_number(&reader, 8), .created = get_number(&reader, 1) != 0};
        map[i].worker[get_bytes(&reader, map[i].worker, RVC_MAX_WORKER_NAME)] = 0;
    }
    return done(&reader);
}

bool rvc_record_put_import(rv_bytes_t *out, const rvc_import_record_t *record) {
    return put_number(out, FORMAT, 4) && put_number(out, record->id, 8) && put_number(out, (uint64_t)record->what, 1) &&
           put_number(out, (uint64_t)record->started_ms, 8) && put_number(out, record->offset, 8) &&
           put_number(out, record->finished, 1) && put_number(out, record->require_id, 1) &&
           put_bytes(out, record->name, strlen(record->name)) &&
           put_bytes(out, record->fingerprint, record->fingerprint_n);
}

bool rvc_record_get_import(const uint8_t *p, size_t n, rvc_import_record_t *ret) {
    reader_t reader = begin(p, n);
    rvc_import_record_t record = {.id = get_number(&reader, 8)};
    record.what = (rvc_import_kind_t)get_number(&reader, 1);
    record.started_ms = (int64_t)get_number(&reader, 8);
    record.offset = get_number(&reader, 8);
    record.finished = get_number(&reader, 1) != 0;
    record.require_id = get_number(&reader, 1) != 0;
    record.name[get_bytes(&reader, record.name, RV_MAX_NAME)] = 0;
    record.fingerprint_n = get_bytes(&reader, record.fingerprint, sizeof record.fingerprint);
    if (!done(&reader) || (record.what != RVC_IMPORT_CONTACTS && record.what != RVC_IMPORT_EVENTS))
        return false;
    *ret = record;
    return true;
}

bool rvc_record_put_keys(rv_bytes_t *out, const uint8_t *keys, const uint32_t *lengths, size_t n) {
    bool ok = put_number(out, FORMAT, 4);
    for (size_t i = 0; ok && i < n; i++) {
        ok = put_bytes(out, keys, lengths[i]);
        keys += lengths[i];
    }
    return ok;
}

bool rvc_record_count_keys(const uint8_t *p, size_t n, size_t *ret_keys, size_t *ret_bytes) {
    reader_t reader = begin(p, n);
    uint8_t key[RV_MAX_KEY];
    *ret_keys = *ret_bytes = 0;
    while (reader.ok && reader.n) {
        size_t length = get_bytes(&reader, key, sizeof key);
        reader.ok = reader.ok && length > 0;
        ++*ret_keys;
        *ret_bytes += length;
    }
    return done(&reader) && *ret_keys > 0;
}

void rvc_record_get_keys(const uint8_t *p, size_t n, uint8_t *keys, uint32_t *lengths) {
    reader_t reader = begin(p, n);
    while (reader.ok && reader.n) {
        *lengths = (uint32_t)get_bytes(&reader, keys, RV_MAX_KEY);
        keys += *lengths++;
    }
}

/* group.c: see group.h. Values lie in a map at any address: all reads are memcpy. */
#include "group.h"

#include <string.h>
#include <xxhash.h>

#include "reveille/hash.h"

#define HEADER 16u
#define ENTRY 24u

typedef struct {
    uint64_t sum;
    uint32_t count, zero;
} header_t;

typedef struct {
    uint32_t partition, n;
    uint64_t lsn, sum;
} entry_t;

_Static_assert(sizeof(header_t) == HEADER && sizeof(entry_t) == ENTRY, "no padding");

static uint64_t checksum(const rvw_record_t *record) {
    uint64_t place[2] = {record->partition, record->lsn};
    return XXH3_64bits_withSeed(record->bytes, record->n, rv_hash(place, sizeof place));
}

/* Of count and entries. */
static uint64_t directory_sum(const uint8_t *value, size_t count, uint64_t seed) {
    const size_t from = offsetof(header_t, count);
    return XXH3_64bits_withSeed(value + from, HEADER - from + count * ENTRY, seed);
}

size_t rvw_group_bytes(const rvw_record_t *records, size_t n) {
    size_t bytes = HEADER + n * ENTRY;
    for (size_t i = 0; i < n; i++) {
        bytes += records[i].n;
    }
    return bytes;
}

void rvw_group_pack(const rvw_record_t *records, size_t n, uint64_t seed, uint8_t *value) {
    header_t header = {.count = (uint32_t)n};
    uint8_t *at = value + HEADER + n * ENTRY;
    for (size_t i = 0; i < n; i++) {
        const rvw_record_t *record = &records[i];
        entry_t entry = {record->partition, (uint32_t)record->n, record->lsn,
                         record->sum ? record->sum : checksum(record)};
        memcpy(value + HEADER + i * ENTRY, &entry, sizeof entry);
        memcpy(at, record->bytes, record->n);
        at += record->n;
    }
    memcpy(value, &header, sizeof header);
    header.sum = directory_sum(value, n, seed);
    memcpy(value, &header, sizeof header);
}

bool rvw_group_open(const void *value, size_t n, uint64_t seed, rvw_group_t *ret) {
    header_t header;
    entry_t entry;
    if (n < sizeof header) {
        return false;
    }
    memcpy(&header, value, sizeof header);
    size_t bytes = HEADER + (size_t)header.count * ENTRY;
    if (bytes > n || directory_sum(value, header.count, seed) != header.sum) {
        return false;
    }
    *ret = (rvw_group_t){.value = value, .count = header.count, .at = bytes};
    for (size_t i = 0; i < header.count; i++) {
        memcpy(&entry, ret->value + HEADER + i * ENTRY, sizeof entry);
        bytes += entry.n;
    }
    return bytes == n;
}

bool rvw_group_next(rvw_group_t *group, rvw_record_t *ret) {
    entry_t entry;
    if (group->next == group->count) {
        return false;
    }
    memcpy(&entry, group->value + HEADER + (size_t)group->next * ENTRY, sizeof entry);
    *ret = (rvw_record_t){entry.partition, entry.lsn, group->value + group->at, entry.n, entry.sum};
    group->at += entry.n;
    group->next++;
    return true;
}

bool rvw_record_sound(const rvw_record_t *record) {
    return checksum(record) == record->sum;
}

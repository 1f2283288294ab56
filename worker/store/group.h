/* group.h: one value of the log: records of many partitions, written with one commit.
 *
 * Header of 16 bytes (XXH3 of the rest up to the bytes, seeded; number of records, 4 bytes of zeros), 24 bytes a record
 * (partition u32, length u32, LSN u64, XXH3 of the bytes seeded with that of partition and LSN), then the bytes of the
 * records; little endian. So a record that is damaged is told from its neighbours, and no record can lose its place.
 */
#ifndef REVEILLE_WORKER_GROUP_H
#define REVEILLE_WORKER_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the log holds of a write. */
typedef struct {
    uint32_t partition;
    uint64_t lsn;
    const uint8_t *bytes; /* packed PartitionWrite */
    size_t n;             /* below 4 GiB */
    uint64_t sum;         /* of a record that was read: its checksum, which need not hold; 0: to be computed */
} rvw_record_t;

/* Length of the value of n records. */
size_t rvw_group_bytes(const rvw_record_t *records, size_t n);
/* Writes them as one value of that length. */
void rvw_group_pack(const rvw_record_t *records, size_t n, uint64_t seed, uint8_t *value);

/* A value that is read, record by record. */
typedef struct {
    const uint8_t *value;
    uint32_t count, next;
    size_t at; /* the next record's bytes */
} rvw_group_t;

/* False when the header, a length or the checksum over both does not hold. */
bool rvw_group_open(const void *value, size_t n, uint64_t seed, rvw_group_t *ret);
/* False behind the last one. The bytes are not checked. */
bool rvw_group_next(rvw_group_t *group, rvw_record_t *ret);
/* Whether the checksum of a record that rvw_group_next returned holds. */
bool rvw_record_sound(const rvw_record_t *record);

#endif

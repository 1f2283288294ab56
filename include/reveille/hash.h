/* hash.h: one hash everywhere: XXH3, 64 bits, no seed. */
#ifndef REVEILLE_HASH_H
#define REVEILLE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* xxh3_64. */
uint64_t rv_hash(const void *bytes, size_t n);
/* Partition of a contact (or company) key: xxh3_64(key) mod count. */
uint32_t rv_partition_of(const void *key, size_t n, uint32_t count);
/* split(salt, n) of the filter language: xxh3_64(salt, 0x00, key) mod n. */
uint64_t rv_split(const void *salt, size_t salt_n, const void *key, size_t key_n, uint64_t n);

#endif

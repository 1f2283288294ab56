/* hash.c: the one hash, by the library. */
#include "reveille/hash.h"
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

uint64_t rv_hash(const void *bytes, size_t n) {
    return XXH3_64bits(n ? bytes : "", n);
}

uint32_t rv_partition_of(const void *key, size_t n, uint32_t count) {
    return (uint32_t)(rv_hash(key, n) % count);
}

uint64_t rv_split(const void *salt, size_t salt_n, const void *key, size_t key_n, uint64_t n) {
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    if (salt_n)
        XXH3_64bits_update(&state, salt, salt_n);
    XXH3_64bits_update(&state, "", 1);
    if (key_n)
        XXH3_64bits_update(&state, key, key_n);
    return XXH3_64bits_digest(&state) % n;
}

/* uuid.c: UUIDv7: 48 bits of milliseconds, version and variant, the rest random. */
#include "reveille/uuid.h"
#include "reveille/clock.h"
#include <assert.h>
#include <stdio.h>
#include <sys/random.h>

void rv_uuid7(uint8_t out[16]) {
    ssize_t got = getrandom(out, 16, 0);
    assert(got == 16); /* 16 bytes are never cut once the pool is seeded */
    (void)got;
    uint64_t ms = (uint64_t)rv_wall_ms();
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)(ms >> (40 - 8 * i));
    out[6] = (uint8_t)(0x70 | (out[6] & 0x0f));
    out[8] = (uint8_t)(0x80 | (out[8] & 0x3f));
}

int64_t rv_uuid7_ms(const uint8_t uuid[16]) {
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | uuid[i];
    return (int64_t)ms;
}

void rv_uuid_hex(const uint8_t uuid[16], char out[33]) {
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", uuid[i]);
}

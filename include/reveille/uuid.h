/* uuid.h: UUIDv7 (RFC 9562): producers and clusters. */
#ifndef REVEILLE_UUID_H
#define REVEILLE_UUID_H

#include <stdint.h>

/* Time-ordered, from the wall clock and getrandom(2). */
void rv_uuid7(uint8_t out[16]);
/* ms since 1970-01-01T00:00:00Z stored in it. */
int64_t rv_uuid7_ms(const uint8_t uuid[16]);
/* 32 hexadecimal digits and NUL. */
void rv_uuid_hex(const uint8_t uuid[16], char out[33]);

#endif

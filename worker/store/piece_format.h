/* piece_format.h: the bytes of a piece, shared by its writer and its reader. */
#ifndef REVEILLE_WORKER_PIECE_FORMAT_H
#define REVEILLE_WORKER_PIECE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "place.h"

#define RVW_PIECE_MAGIC 0x31505652u /* "RVP1" */

typedef struct {
    uint64_t checksum; /* XXH3 of everything behind it, seeded with XXH3 of the key */
    uint32_t magic;
    uint16_t table; /* as in the key */
    uint16_t n_slots;
    uint32_t n;     /* events or rows */
    uint32_t bytes; /* length of the piece */
    uint32_t first; /* events: least row; column: row of its first value */
    uint32_t last;  /* events: greatest row; column: its mark */
    int64_t min_time, max_time;
} rvw_piece_header_t;

typedef enum {
    RVW_ROLE_ROW = 1,
    RVW_ROLE_TIME = 2,
    RVW_ROLE_CHANNEL = 3,
    RVW_ROLE_SOURCE = 4,
    RVW_ROLE_ID = 5,
    RVW_ROLE_IMPORT = 6,
    RVW_ROLE_PROPERTY = 7,
    RVW_ROLE_ATTRIBUTE = 8
} rvw_role_t;

/* One column. Places of arrays count from the start of the piece; 0: there is none. */
typedef struct {
    uint32_t id; /* of a property or attribute */
    uint8_t role, type, encoding, width, width2, scale;
    uint16_t zero;
    uint32_t dict_n;
    int64_t base, unit, min, max;
    uint32_t present, codes, codes2, offsets, bytes, n_bytes;
} rvw_slot_t;

_Static_assert(sizeof(rvw_piece_header_t) == 48, "the header of a piece has 48 bytes");
_Static_assert(sizeof(rvw_slot_t) == 72, "a slot of a piece has 72 bytes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pieces are little endian");

#define RVW_PIECE_MAX_SLOTS 300u /* five fixed ones, all properties, and room */

uint64_t rvw_piece_checksum(const rvw_place_t *place, const uint8_t *bytes, size_t n);

#endif

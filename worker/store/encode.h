/* encode.h: one column into the piece under construction: chooses the encoding and writes its arrays. Private to
 * piece.h's writer. */
#ifndef REVEILLE_WORKER_ENCODE_H
#define REVEILLE_WORKER_ENCODE_H

#include "column.h"
#include "piece_format.h"
#include "reveille/arena.h"

/* Bytes of the piece under construction. */
typedef struct {
    uint8_t *p; /* 16-byte aligned */
    size_t n, cap;
} rvw_room_t;

/* Zeroed room for an array; *ret_place is where it starts. The pointer lives until the next call. NULL without memory
 * or past 2 GiB. */
void *rvw_room_take(rvw_room_t *room, size_t bytes, uint32_t *ret_place);

/* Least width of 0, 1, 2, 4, 8 bytes that holds `greatest`. */
uint8_t rvw_width(uint64_t greatest);
/* Writes codes of `width` bytes. */
bool rvw_encode_codes(rvw_room_t *room, const uint64_t *codes, uint32_t n, uint8_t width, uint32_t *ret_place);

/* Fills slot's encoding and arrays; the caller has set id, role, type and scale. Event times (role TIME) become FOR of
 * 4 or 8 bytes always. False without memory. */
bool rvw_encode(rvw_room_t *room, const rvw_column_t *column, rv_arena_t *scratch, rvw_slot_t *slot);
/* The same for strings. `strings` has n entries, those without `present` bit are ignored. */
bool rvw_encode_text(rvw_room_t *room, const rv_str_t *strings, const uint8_t *present, uint32_t n, rv_arena_t *scratch,
                     rvw_slot_t *slot);

#endif

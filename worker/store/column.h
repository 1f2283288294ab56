/* column.h: one column of values as it lies in a stored piece or in the tail: what the kernels read.
 *
 * Encodings. NONE: every value is missing. CONST: every present value is `base` (ints) . FOR: value = base + code *
 * unit, code unsigned, `width` bytes (1, 2, 4, 8). WIDE: 16-byte integers. F64: doubles. DICT: `width`-byte (1, 2, 4)
 * codes into a dictionary of strings sorted bytewise, each once (CONST with strings: DICT of one entry and width 0).
 * PLAIN: strings by offsets. NUMBERED: strings made of a prefix from a small dictionary and a decimal number without
 * leading zeros: codes of prefixes (`width2` 0 or 1) and FOR numbers. REF: strings by pointer and length (tail only).
 * Data are naturally aligned up to 16 bytes.
 */
#ifndef REVEILLE_WORKER_COLUMN_H
#define REVEILLE_WORKER_COLUMN_H

#include "reveille/num.h"
#include "reveille/text.h"
#include "reveille/valcodec.h"

typedef enum {
    RVW_NONE = 0,
    RVW_CONST = 1,
    RVW_FOR = 2,
    RVW_WIDE = 3,
    RVW_F64 = 4,
    RVW_DICT = 5,
    RVW_PLAIN = 6,
    RVW_NUMBERED = 7,
    RVW_REF = 8
} rvw_encoding_t;

typedef struct {
    rv_type_t type;
    uint8_t encoding;       /* rvw_encoding_t */
    uint8_t width;          /* bytes of a code; 0: all codes are 0 */
    uint8_t width2;         /* NUMBERED: bytes of a prefix code */
    uint8_t scale;          /* DECIMAL: decimal places, as written; the catalog may have been widened since */
    uint32_t n;             /* values */
    const uint8_t *present; /* bitmap, bit i of byte i / 8 lowest first; NULL: all present (none for NONE) */
    int64_t base, unit;     /* FOR, NUMBERED: value = base + code * unit; CONST: base */
    int64_t min, max;       /* ints: bounds of the present values (may be wide, never too narrow) */
    const void *codes;      /* FOR, DICT, NUMBERED codes; WIDE rv_i128_t; F64 double; REF rv_str_t */
    const uint8_t *codes2;  /* NUMBERED: prefix codes */
    uint32_t dict_n;
    const uint32_t *offsets; /* DICT and prefixes: dict_n + 1; PLAIN: n + 1 */
    const char *bytes;       /* what offsets point into */
} rvw_column_t;

static inline bool rvw_column_present(const rvw_column_t *c, uint32_t i) {
    return c->encoding != RVW_NONE && (!c->present || (c->present[i >> 3] >> (i & 7) & 1));
}
/* The code of row i of a FOR, DICT or NUMBERED column. */
static inline uint64_t rvw_column_code(const rvw_column_t *c, uint32_t i) {
    switch (c->width) {
    case 1:
        return ((const uint8_t *)c->codes)[i];
    case 2:
        return ((const uint16_t *)c->codes)[i];
    case 4:
        return ((const uint32_t *)c->codes)[i];
    case 8:
        return ((const uint64_t *)c->codes)[i];
    default:
        return 0;
    }
}
/* The integer of row i (INT, BOOL, TIME, DATE, DECIMAL coefficient in 64 bits) of a CONST or FOR column; only where
 * present. */
static inline int64_t rvw_column_int(const rvw_column_t *c, uint32_t i) {
    return c->encoding == RVW_CONST ? c->base
                                    : (int64_t)((uint64_t)c->base + rvw_column_code(c, i) * (uint64_t)c->unit);
}
/* The string of row i; only where present. NUMBERED strings are written to buf (at least 300 bytes). */
rv_str_t rvw_column_string(const rvw_column_t *c, uint32_t i, char *buf);
/* The string of row i is `s`; only where present. */
bool rvw_column_is(const rvw_column_t *c, uint32_t i, rv_str_t s);
/* Any value of row i. Strings as above. */
void rvw_column_value(const rvw_column_t *c, uint32_t i, char *buf, rv_value_t *ret);
/* Entry k of the dictionary. */
static inline rv_str_t rvw_column_entry(const rvw_column_t *c, uint32_t k) {
    return (rv_str_t){c->bytes + c->offsets[k], c->offsets[k + 1] - c->offsets[k]};
}

#endif

/* plain.h: a column under construction: one array of values by row, in the arena of whoever builds it.
 *
 * Shapes: INT-like values as int64_t, DECIMAL as int64_t until one does not fit and all become rv_i128_t, DOUBLE as
 * double, STRING and SET as borrowed rv_str_t. It turns into an rvw_column_t (FOR of 8 bytes, WIDE, F64, REF) that
 * borrows its arrays. One thread.
 */
#ifndef REVEILLE_WORKER_PLAIN_H
#define REVEILLE_WORKER_PLAIN_H

#include "column.h"
#include "reveille/arena.h"

typedef enum { RVW_KIND_INT, RVW_KIND_F64, RVW_KIND_TEXT } rvw_kind_t;
/* How values of a type are held. COMPANY is held as row numbers. */
rvw_kind_t rvw_kind(rv_type_t type);

typedef struct {
    rv_arena_t *arena;
    rv_type_t type;
    uint8_t scale;
    bool wide;
    uint32_t n;
    void *values;
    uint8_t *present;
    char *text; /* room for strings that must be copied */
    size_t text_left;
} rvw_plain_t;

/* n missing values. False without memory. */
bool rvw_plain_init(rvw_plain_t *plain, rv_arena_t *arena, rv_type_t type, unsigned scale, uint32_t n);
/* Value i, of the plain's type and scale; a string is borrowed. False without memory. */
bool rvw_plain_set(rvw_plain_t *plain, uint32_t i, const rv_value_t *value);
/* Value i becomes value j of `from`, converted; what cannot be converted is missing. Strings that `from` holds as bytes
 * are borrowed. */
bool rvw_plain_take(rvw_plain_t *plain, uint32_t i, const rvw_column_t *from, uint32_t j);
void rvw_plain_clear(rvw_plain_t *plain, uint32_t i);
/* Borrows the arrays. */
void rvw_plain_column(const rvw_plain_t *plain, rvw_column_t *ret);

/* A value of one type as the same value of another: INT to DECIMAL or DOUBLE, DECIMAL to another scale (exactly) or
 * DOUBLE. False when there is none. */
bool rvw_value_convert(rv_value_t *value, rv_type_t from, unsigned from_scale, rv_type_t to, unsigned to_scale);
/* The same value; both of one type. Doubles by value, NaN equals NaN. */
bool rvw_value_equal(rv_type_t type, const rv_value_t *a, const rv_value_t *b);

#endif

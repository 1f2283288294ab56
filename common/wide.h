/* wide.h: unsigned integers of 256 bits, as far as exact comparison and correctly rounded division need them. */
#ifndef RV_COMMON_WIDE_H
#define RV_COMMON_WIDE_H

#include "reveille/num.h"

/* Least word first. */
typedef struct {
    uint64_t word[4];
} rv_wide_t;

rv_wide_t rv_wide_from(rv_u128_t value);
rv_wide_t rv_wide_product(rv_u128_t a, rv_u128_t b);
/* Number of the highest bit that is set, from 1; 0 for zero. */
unsigned rv_wide_bits(const rv_wide_t *value);
/* -1, 0, 1: a * 2^a_exponent against b * 2^b_exponent. */
int rv_wide_compare(const rv_wide_t *a, int a_exponent, const rv_wide_t *b, int b_exponent);
/* a / b rounded once to the nearest double, ties to even. Both have at most 254 bits, b is not 0. */
double rv_wide_ratio(bool negative, const rv_wide_t *a, const rv_wide_t *b);
/* (top + f) * 2^exponent rounded once, where f is 0, or something between 0 and 1 when `sticky`. With `sticky`, two
 * bits of `top` at least must lie below the last place of the result. */
double rv_bits_to_double(bool negative, uint64_t top, bool sticky, int exponent);

/* |value| also for the least value. */
static inline rv_u128_t rv_magnitude(rv_i128_t value) {
    return value < 0 ? -(rv_u128_t)value : (rv_u128_t)value;
}

#endif

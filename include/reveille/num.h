/* num.h: exact numbers: 128-bit decimals, comparison across scales and with doubles, exact sums of doubles.
 *
 * A decimal is coefficient / 10^scale. Nothing here rounds unless it says so.
 */
#ifndef REVEILLE_NUM_H
#define REVEILLE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __int128 rv_i128_t;
typedef unsigned __int128 rv_u128_t;

/* 10^n for n 0 to 38. */
rv_i128_t rv_pow10(unsigned n);
/* Parses [-+]digits[.digits]; false on anything else, more than `max_scale` places (trailing zeros count) or overflow
 * of 128 bits. */
bool rv_decimal_parse(const char *text, size_t n, unsigned max_scale, rv_i128_t *ret_coefficient, unsigned *ret_scale);
/* Text with exactly `scale` places, for example "-0.50". Returns the length; out holds at least 48 bytes. */
size_t rv_decimal_format(rv_i128_t coefficient, unsigned scale, char *out);
/* -1, 0, 1: a / 10^as against b / 10^bs, exactly, for scales 0 to 36. */
int rv_decimal_compare(rv_i128_t a, unsigned as, rv_i128_t b, unsigned bs);
/* -1, 0, 1: the exact binary value of d (not NaN) against c / 10^scale. */
int rv_double_compare_decimal(double d, rv_i128_t c, unsigned scale);
/* c / 10^scale rounded once to the nearest double, ties to even. */
double rv_decimal_to_double(rv_i128_t c, unsigned scale);
/* (c / 10^scale) / (d / 10^dscale) rounded once; d is not 0. */
double rv_decimal_divide(rv_i128_t c, unsigned scale, rv_i128_t d, unsigned dscale);
/* Coefficient at a greater scale; false on overflow. */
bool rv_decimal_rescale(rv_i128_t c, unsigned from, unsigned to, rv_i128_t *ret);
/* Shortest text that reads back as the same double ("0.1", "1e+300", "-0" is "0"). Returns the length; out holds 32
 * bytes. */
size_t rv_double_format(double d, char *out);

/* Exact sum of finite doubles: order never matters. Infinities are counted apart. */
#define RV_EXACT_WORDS 68
typedef struct {
    int64_t
        word[RV_EXACT_WORDS]; /* signed digits of base 2^32, least first, unit 2^-1088; carries are settled lazily */
    uint32_t pending;         /* additions since the carries were last settled */
    uint32_t plus_inf, minus_inf;
} rv_exact_t;
void rv_exact_init(rv_exact_t *sum);
void rv_exact_add(rv_exact_t *sum, double value);
/* Adds units * 2^-32. */
void rv_exact_add_units(rv_exact_t *sum, rv_i128_t units);
void rv_exact_merge(rv_exact_t *into, const rv_exact_t *from);
/* The sum, rounded once to the nearest, ties to even; NaN only of opposed infinities. */
double rv_exact_value(const rv_exact_t *sum);
/* The sum divided by n (> 0), rounded once. */
double rv_exact_mean(const rv_exact_t *sum, uint64_t n);
/* Canonical bytes: equal sums give equal bytes. `out` holds RV_EXACT_PACKED bytes. */
#define RV_EXACT_PACKED (RV_EXACT_WORDS * 4 + 16)
size_t rv_exact_pack(const rv_exact_t *sum, uint8_t *out);
bool rv_exact_unpack(const uint8_t *bytes, size_t n, rv_exact_t *ret);

#endif

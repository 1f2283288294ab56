/* wide.c: 256-bit integers for the few places where 128 bits are not enough.
 *
 * A decimal coefficient has up to 127 bits and 10^36 has 120, so every product that an exact comparison or a division
 * of two decimals meets stays below 2^254. Division works bit by bit: it makes just the bits that a double needs and
 * one "sticky" bit for the rest, which is all that correct rounding asks for. Pure functions; nothing here fails.
 */
#include "wide.h"

#include <assert.h>
#include <math.h>

rv_wide_t rv_wide_from(rv_u128_t value) {
    return (rv_wide_t){{(uint64_t)value, (uint64_t)(value >> 64), 0, 0}};
}

rv_wide_t rv_wide_product(rv_u128_t a, rv_u128_t b) {
    uint64_t al = (uint64_t)a, ah = (uint64_t)(a >> 64), bl = (uint64_t)b, bh = (uint64_t)(b >> 64);
    rv_u128_t low = (rv_u128_t)al * bl, cross = (rv_u128_t)al * bh, other = (rv_u128_t)ah * bl;
    rv_u128_t high = (rv_u128_t)ah * bh;
    rv_u128_t middle = (low >> 64) + (uint64_t)cross + (uint64_t)other;
    high += (middle >> 64) + (cross >> 64) + (other >> 64);
    return (rv_wide_t){{(uint64_t)low, (uint64_t)middle, (uint64_t)high, (uint64_t)(high >> 64)}};
}

unsigned rv_wide_bits(const rv_wide_t *value) {
    for (unsigned i = 4; i-- > 0;)
        if (value->word[i] != 0)
            return 64 * i + 64 - (unsigned)__builtin_clzll(value->word[i]);
    return 0;
}

static void shift_left(rv_wide_t *value, unsigned bits) {
    unsigned words = bits / 64, rest = bits % 64;
    for (unsigned i = 4; i-- > 0;) {
        uint64_t word = i >= words ? value->word[i - words] << rest : 0;
        if (rest != 0 && i >= words + 1)
            word |= value->word[i - words - 1] >> (64 - rest);
        value->word[i] = word;
    }
}

static int compare(const rv_wide_t *a, const rv_wide_t *b) {
    for (unsigned i = 4; i-- > 0;)
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

/* a -= b where a >= b. */
static void subtract(rv_wide_t *a, const rv_wide_t *b) {
    unsigned borrow = 0;
    for (unsigned i = 0; i < 4; i++) {
        rv_u128_t part = (rv_u128_t)a->word[i] - b->word[i] - borrow;
        a->word[i] = (uint64_t)part;
        borrow = (unsigned)(part >> 64) & 1;
    }
}

int rv_wide_compare(const rv_wide_t *a, int a_exponent, const rv_wide_t *b, int b_exponent) {
    unsigned a_bits = rv_wide_bits(a), b_bits = rv_wide_bits(b);
    if (a_bits == 0 || b_bits == 0)
        return (a_bits != 0) - (b_bits != 0);
    int a_top = (int)a_bits + a_exponent, b_top = (int)b_bits + b_exponent;
    if (a_top != b_top)
        return a_top < b_top ? -1 : 1;
    rv_wide_t x = *a, y = *b;
    shift_left(&x, 256 - a_bits);
    shift_left(&y, 256 - b_bits);
    return compare(&x, &y);
}

double rv_bits_to_double(bool negative, uint64_t top, bool sticky, int exponent) {
    if (top == 0)
        return 0;
    int highest = exponent + 63 - __builtin_clzll(top);
    int last_place = highest - 52 < -1074 ? -1074 : highest - 52;
    int drop = last_place - exponent;
    assert(!sticky || drop >= 2);
    if (drop > 64)
        return 0;
    double result;
    if (drop <= 0) {
        result = ldexp((double)top, exponent);
    } else {
        uint64_t kept = drop == 64 ? 0 : top >> drop, rest = drop == 64 ? top : top & ((1ull << drop) - 1);
        uint64_t half = 1ull << (drop - 1);
        if (rest > half || (rest == half && (sticky || (kept & 1) != 0)))
            kept++;
        result = ldexp((double)kept, last_place);
    }
    return negative && result != 0 ? -result : result;
}

double rv_wide_ratio(bool negative, const rv_wide_t *a, const rv_wide_t *b) {
    unsigned a_bits = rv_wide_bits(a), b_bits = rv_wide_bits(b);
    assert(b_bits != 0 && a_bits <= 254 && b_bits <= 254);
    if (a_bits == 0)
        return 0;
    rv_wide_t rest = *a, divisor = *b;
    shift_left(&rest, 254 - a_bits);
    shift_left(&divisor, 254 - b_bits);
    uint64_t quotient = 0;
    for (unsigned i = 0; i < 64; i++) {
        quotient <<= 1;
        if (compare(&rest, &divisor) >= 0) {
            subtract(&rest, &divisor);
            quotient |= 1;
        }
        shift_left(&rest, 1);
    }
    return rv_bits_to_double(negative, quotient, rv_wide_bits(&rest) != 0, (int)a_bits - (int)b_bits - 63);
}

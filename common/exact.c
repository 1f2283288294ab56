/* exact.c: sums of doubles that do not depend on order.
 *
 * The sum is one fixed-point integer wide enough for every double and 2^63 additions of them: 68 digits of base 2^32
 * with the unit 2^-1088. A double touches at most three digits; digits are kept in 64 bits with signs, so that carries
 * wait and are settled once in 2^30 additions. Settled, all digits but the last are in [0, 2^32) and the last one has
 * the sign: a canonical form, which is what is packed. Reading rounds once: 64 leading bits and a sticky bit for the
 * rest. The smallest double is 2^-1074, so a quotient cut at 2^-1088 with a sticky bit still rounds correctly
 * everywhere. Infinities are counted beside the digits; a NaN counts as both. Not thread safe; nothing fails but
 * reading bytes.
 */
#include "reveille/num.h"
#include "wide.h"

#include <math.h>
#include <string.h>

#define LAST (RV_EXACT_WORDS - 1)
#define UNIT (-1088)
#define MAX_PENDING (1u << 30)
/* Digits of the magnitude: the last word may need two. */
#define DIGITS (RV_EXACT_WORDS + 1)
/* No honest sum has a greater last word: it would take 2^71 additions. */
#define MAX_LAST (1ll << 40)

void rv_exact_init(rv_exact_t *sum) {
    memset(sum, 0, sizeof *sum);
}

static void settle(rv_exact_t *sum) {
    int64_t carry = 0;
    for (size_t i = 0; i < LAST; i++) {
        int64_t value = sum->word[i] + carry;
        int64_t digit = value & 0xFFFFFFFFll;
        carry = (value - digit) / (1ll << 32);
        sum->word[i] = digit;
    }
    sum->word[LAST] += carry;
    sum->pending = 0;
}

static void count_up(uint32_t *counter, uint32_t by) {
    *counter = *counter > UINT32_MAX - by ? UINT32_MAX : *counter + by;
}

void rv_exact_add(rv_exact_t *sum, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    unsigned exponent = (unsigned)(bits >> 52) & 0x7FF;
    uint64_t mantissa = bits & ((1ull << 52) - 1);
    if (exponent == 0x7FF) {
        count_up(&sum->plus_inf, mantissa != 0 || value > 0);
        count_up(&sum->minus_inf, mantissa != 0 || value < 0);
        return;
    }
    if (exponent == 0)
        exponent = 1;
    else
        mantissa |= 1ull << 52;
    unsigned place = exponent - 1075 - (unsigned)UNIT, at = place / 32;
    rv_u128_t shifted = (rv_u128_t)mantissa << (place % 32);
    int64_t low = (int64_t)(shifted & 0xFFFFFFFFu), middle = (int64_t)((shifted >> 32) & 0xFFFFFFFFu);
    int64_t high = (int64_t)(shifted >> 64);
    if (bits >> 63 != 0) {
        low = -low;
        middle = -middle;
        high = -high;
    }
    if (sum->pending >= MAX_PENDING)
        settle(sum);
    sum->word[at] += low;
    sum->word[at + 1] += middle;
    sum->word[at + 2] += high;
    sum->pending++;
}

void rv_exact_add_units(rv_exact_t *sum, rv_i128_t units) {
    rv_u128_t rest = units < 0 ? -(rv_u128_t)units : (rv_u128_t)units;
    if (sum->pending >= MAX_PENDING)
        settle(sum);
    for (size_t at = (-32 - UNIT) / 32; rest; at++, rest >>= 32) {
        int64_t digit = (int64_t)(rest & 0xFFFFFFFFu);
        sum->word[at] += units < 0 ? -digit : digit;
    }
    sum->pending++;
}

void rv_exact_merge(rv_exact_t *into, const rv_exact_t *from) {
    rv_exact_t settled = *from;
    settle(&settled);
    if (into->pending >= MAX_PENDING)
        settle(into);
    for (size_t i = 0; i < RV_EXACT_WORDS; i++)
        into->word[i] += settled.word[i];
    into->pending++;
    count_up(&into->plus_inf, from->plus_inf);
    count_up(&into->minus_inf, from->minus_inf);
}

/* Digits of |sum|, least first; the sign. */
static bool magnitude(const rv_exact_t *sum, uint32_t digits[DIGITS]) {
    rv_exact_t settled = *sum;
    settle(&settled);
    bool negative = settled.word[LAST] < 0;
    if (negative) {
        for (size_t i = 0; i < RV_EXACT_WORDS; i++)
            settled.word[i] = -settled.word[i];
        settle(&settled);
    }
    for (size_t i = 0; i < LAST; i++)
        digits[i] = (uint32_t)settled.word[i];
    digits[LAST] = (uint32_t)((uint64_t)settled.word[LAST] & 0xFFFFFFFFu);
    digits[LAST + 1] = (uint32_t)((uint64_t)settled.word[LAST] >> 32);
    return negative;
}

/* The number that the digits are, and something below its last unit when `sticky`. */
static double round_digits(bool negative, const uint32_t digits[DIGITS], bool sticky) {
    int top = DIGITS - 1;
    while (top > 1 && digits[top] == 0)
        top--;
    uint64_t leading = (uint64_t)digits[top] << 32 | digits[top - 1];
    int lost = top - 1; /* digits below */
    unsigned taken = 0;
    if (lost > 0) { /* then digits[top] is not 0: at most 31 zeros lead */
        taken = (unsigned)__builtin_clz(digits[top]);
        uint64_t next = (uint64_t)digits[lost - 1] << taken;
        leading = leading << taken | next >> 32;
        sticky |= (uint32_t)next != 0;
    }
    for (int i = 0; i + 1 < lost; i++)
        sticky |= digits[i] != 0;
    return rv_bits_to_double(negative, leading, sticky, UNIT + 32 * lost - (int)taken);
}

static bool infinite(const rv_exact_t *sum, double *ret) {
    if (sum->plus_inf == 0 && sum->minus_inf == 0)
        return false;
    *ret = sum->plus_inf == 0 ? -INFINITY : sum->minus_inf == 0 ? INFINITY : NAN;
    return true;
}

double rv_exact_value(const rv_exact_t *sum) {
    double result;
    if (infinite(sum, &result))
        return result;
    uint32_t digits[DIGITS];
    bool negative = magnitude(sum, digits);
    return round_digits(negative, digits, false);
}

double rv_exact_mean(const rv_exact_t *sum, uint64_t n) {
    double result;
    if (infinite(sum, &result))
        return result;
    uint32_t digits[DIGITS];
    bool negative = magnitude(sum, digits);
    uint64_t rest = 0;
    for (size_t i = DIGITS; i-- > 0;) {
        rv_u128_t part = (rv_u128_t)rest << 32 | digits[i];
        digits[i] = (uint32_t)(part / n);
        rest = (uint64_t)(part % n);
    }
    return round_digits(negative, digits, rest != 0);
}

static void put32(uint8_t *out, uint32_t value) {
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* 67 digits, the last word as two, the two counters, and four bytes that are 0. */
size_t rv_exact_pack(const rv_exact_t *sum, uint8_t *out) {
    rv_exact_t settled = *sum;
    settle(&settled);
    uint8_t *at = out;
    for (size_t i = 0; i < LAST; i++, at += 4)
        put32(at, (uint32_t)settled.word[i]);
    put32(at, (uint32_t)((uint64_t)settled.word[LAST] & 0xFFFFFFFFu));
    put32(at + 4, (uint32_t)((uint64_t)settled.word[LAST] >> 32));
    put32(at + 8, settled.plus_inf);
    put32(at + 12, settled.minus_inf);
    put32(at + 16, 0);
    return RV_EXACT_PACKED;
}

bool rv_exact_unpack(const uint8_t *bytes, size_t n, rv_exact_t *ret) {
    if (n != RV_EXACT_PACKED)
        return false;
    const uint8_t *tail = bytes + LAST * 4;
    int64_t last = (int64_t)((uint64_t)get32(tail) | (uint64_t)get32(tail + 4) << 32);
    if (last >= MAX_LAST || last <= -MAX_LAST || get32(tail + 16) != 0)
        return false;
    for (size_t i = 0; i < LAST; i++)
        ret->word[i] = get32(bytes + 4 * i);
    ret->word[LAST] = last;
    ret->pending = 0;
    ret->plus_inf = get32(tail + 8);
    ret->minus_inf = get32(tail + 12);
    return true;
}

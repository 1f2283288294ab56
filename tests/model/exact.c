// exact.c - big whole numbers by the schoolbook, and the one rounding of a fraction to a double.
//
// Structure: magnitude functions (no sign) first, then signed operations, then the ratio and the sums. Nothing is
// clever: limbs of 32 bits, loops over the limbs in use, long division bit by bit for the at most 54 bits of a
// quotient.
#include "exact.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static void trim(rvm_big_t *r) {
    while (r->n > 0 && r->limb[r->n - 1] == 0) {
        r->n--;
    }
    if (r->n == 0) {
        r->sign = 0;
    }
}

static int bits_of(const rvm_big_t *a) {
    if (a->n == 0) {
        return 0;
    }
    return 32 * a->n - __builtin_clz(a->limb[a->n - 1]);
}

static int magnitude_cmp(const rvm_big_t *a, const rvm_big_t *b) {
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    for (int i = a->n - 1; i >= 0; i--) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i] ? -1 : 1;
        }
    }
    return 0;
}

static void magnitude_add(rvm_big_t *r, const rvm_big_t *a, const rvm_big_t *b) {
    uint64_t carry = 0;
    int n = a->n > b->n ? a->n : b->n;
    assert(n < RVM_LIMBS);
    for (int i = 0; i < n; i++) {
        carry += (uint64_t)(i < a->n ? a->limb[i] : 0) + (i < b->n ? b->limb[i] : 0);
        r->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    r->limb[n] = (uint32_t)carry;
    r->n = n + 1;
}

// |a| - |b|, with |a| >= |b|
static void magnitude_sub(rvm_big_t *r, const rvm_big_t *a, const rvm_big_t *b) {
    int64_t borrow = 0;
    int n = a->n;
    for (int i = 0; i < n; i++) {
        int64_t t = (int64_t)a->limb[i] - (i < b->n ? (int64_t)b->limb[i] : 0) - borrow;
        borrow = t < 0;
        r->limb[i] = (uint32_t)(t + (borrow << 32));
    }
    assert(borrow == 0);
    r->n = n;
}

void rvm_big_set(rvm_big_t *r, rvm_i128_t value) {
    __extension__ typedef unsigned __int128 u128_t;
    u128_t m = value < 0 ? -(u128_t)value : (u128_t)value;
    r->sign = value < 0 ? -1 : 1;
    for (r->n = 0; m != 0; m >>= 32) {
        r->limb[r->n++] = (uint32_t)m;
    }
    trim(r);
}

bool rvm_big_get(const rvm_big_t *a, rvm_i128_t *ret) {
    __extension__ typedef unsigned __int128 u128_t;
    if (bits_of(a) > 127) {
        return false;
    }
    u128_t m = 0;
    for (int i = a->n - 1; i >= 0; i--) {
        m = m << 32 | a->limb[i];
    }
    *ret = a->sign < 0 ? -(rvm_i128_t)m : (rvm_i128_t)m;
    return true;
}

void rvm_big_add(rvm_big_t *r, const rvm_big_t *a, const rvm_big_t *b) {
    if (a->sign == 0 || b->sign == 0) {
        const rvm_big_t *other = a->sign == 0 ? b : a;
        if (r != other) {
            memcpy(r, other, sizeof *r);
        }
        return;
    }
    int sign = a->sign;
    if (a->sign == b->sign) {
        magnitude_add(r, a, b);
    } else if (magnitude_cmp(a, b) >= 0) {
        magnitude_sub(r, a, b);
    } else {
        sign = b->sign;
        magnitude_sub(r, b, a);
    }
    r->sign = sign;
    trim(r);
}

void rvm_big_sub(rvm_big_t *r, const rvm_big_t *a, const rvm_big_t *b) {
    rvm_big_t minus = *b;
    minus.sign = -minus.sign;
    rvm_big_add(r, a, &minus);
}

void rvm_big_mul(rvm_big_t *r, const rvm_big_t *a, const rvm_big_t *b) {
    rvm_big_t t = {.sign = a->sign * b->sign, .n = a->n + b->n};
    assert(t.n <= RVM_LIMBS);
    for (int i = 0; i < a->n; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b->n; j++) {
            carry += (uint64_t)a->limb[i] * b->limb[j] + t.limb[i + j];
            t.limb[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        t.limb[i + b->n] = (uint32_t)carry;
    }
    trim(&t);
    *r = t;
}

void rvm_big_shift(rvm_big_t *r, const rvm_big_t *a, int bits) {
    rvm_big_t t = {.sign = a->sign, .n = a->n + bits / 32 + 1};
    assert(bits >= 0 && t.n <= RVM_LIMBS);
    for (int i = 0; i < a->n; i++) {
        uint64_t part = (uint64_t)a->limb[i] << (bits % 32);
        t.limb[i + bits / 32] |= (uint32_t)part;
        t.limb[i + bits / 32 + 1] = (uint32_t)(part >> 32);
    }
    trim(&t);
    *r = t;
}

int rvm_big_cmp(const rvm_big_t *a, const rvm_big_t *b) {
    if (a->sign != b->sign) {
        return a->sign < b->sign ? -1 : 1;
    }
    int c = magnitude_cmp(a, b);
    return a->sign < 0 ? -c : c;
}

void rvm_big_pow10(rvm_big_t *r, int exponent) {
    rvm_big_t ten;
    rvm_big_set(&ten, 10);
    rvm_big_set(r, 1);
    for (int i = 0; i < exponent; i++) {
        rvm_big_mul(r, r, &ten);
    }
}

// floor(p / q) of positive numbers when it is below 2^55; p becomes the remainder.
static uint64_t divide(rvm_big_t *p, const rvm_big_t *q) {
    uint64_t quotient = 0;
    for (int bit = 54; bit >= 0; bit--) {
        rvm_big_t part;
        if (bits_of(q) + bit > bits_of(p)) {
            continue;
        }
        rvm_big_shift(&part, q, bit);
        if (rvm_big_cmp(p, &part) >= 0) {
            rvm_big_sub(p, p, &part);
            quotient |= UINT64_C(1) << bit;
        }
    }
    assert(rvm_big_cmp(p, q) < 0);
    return quotient;
}

double rvm_big_ratio(const rvm_big_t *p, const rvm_big_t *q) {
    assert(q->sign > 0);
    if (p->sign == 0) {
        return 0.0;
    }
    rvm_big_t a = *p, b = *q;
    a.sign = 1;
    // |p / q| < 2^(bits of p - bits of q + 1), so in units of 2^unit the quotient has 53 or 54 bits, or less when
    // small.
    int unit = bits_of(&a) - bits_of(&b) - 53;
    for (int pass = 0;; pass++) {
        unit = unit < -1074 ? -1074 : unit;
        rvm_big_t x, y;
        rvm_big_shift(&x, &a, unit < 0 ? -unit : 0);
        rvm_big_shift(&y, &b, unit > 0 ? unit : 0);
        uint64_t m = divide(&x, &y);
        if (m >> 53 != 0) { // 54 bits: once more with the unit of the last place of 53
            assert(pass == 0);
            unit++;
            continue;
        }
        rvm_big_shift(&x, &x, 1);
        int half = rvm_big_cmp(&x, &y);
        m += half > 0 || (half == 0 && (m & 1) != 0);
        return p->sign * ldexp((double)m, unit);
    }
}

void rvm_big_fraction(const rvm_value_t *value, rvm_big_t *p, rvm_big_t *q) {
    rvm_big_set(q, 1);
    if (value->type == RVM_DECIMAL) {
        rvm_big_set(p, value->n);
        rvm_big_pow10(q, value->scale);
    } else if (value->type == RVM_DOUBLE) {
        int exponent;
        double m = frexp(value->d, &exponent);
        rvm_big_set(p, (int64_t)ldexp(m, 53));
        exponent -= 53;
        rvm_big_shift(p, p, exponent > 0 ? exponent : 0);
        rvm_big_shift(q, q, exponent < 0 ? -exponent : 0);
    } else {
        assert(value->type == RVM_INT || value->type == RVM_DURATION);
        rvm_big_set(p, value->i);
    }
}

void rvm_sum_start(rvm_sum_t *sum, rvm_type_t type, int scale) {
    *sum = (rvm_sum_t){.type = type, .scale = type == RVM_DECIMAL ? scale : 0};
}

void rvm_sum_add(rvm_sum_t *sum, const rvm_value_t *value) {
    if (value->type == RVM_MISSING) {
        return;
    }
    assert(value->type == sum->type);
    rvm_big_t units;
    if (value->type == RVM_DECIMAL) {
        assert(value->scale == sum->scale);
        rvm_big_set(&units, value->n);
    } else if (value->type == RVM_DOUBLE) {
        int exponent;
        double m = frexp(value->d, &exponent);
        int drop = exponent - 53 + 1074 < 0 ? -(exponent - 53 + 1074) : 0; // a subnormal number has fewer bits
        rvm_big_set(&units, (int64_t)ldexp(m, 53 - drop));
        rvm_big_shift(&units, &units, exponent - 53 + 1074 + drop);
    } else {
        rvm_big_set(&units, value->i);
    }
    rvm_big_add(&sum->total, &sum->total, &units);
    sum->count++;
}

static rvm_value_t finite_or_overflow(double d, bool *ret_overflow) {
    if (!isfinite(d)) {
        *ret_overflow = true;
        return rvm_missing();
    }
    return rvm_double(d);
}

rvm_value_t rvm_sum_total(const rvm_sum_t *sum, bool *ret_overflow) {
    rvm_i128_t n = 0;
    if (sum->type == RVM_DOUBLE) {
        rvm_big_t unit;
        rvm_big_set(&unit, 1);
        rvm_big_shift(&unit, &unit, 1074);
        return finite_or_overflow(rvm_big_ratio(&sum->total, &unit), ret_overflow);
    }
    if (!rvm_big_get(&sum->total, &n) || (sum->type == RVM_DURATION && (n > INT64_MAX || n < INT64_MIN))) {
        *ret_overflow = true;
        return rvm_missing();
    }
    return sum->type == RVM_DURATION ? rvm_duration((int64_t)n) : rvm_decimal(n, sum->scale);
}

// To the nearest millisecond, halves away from zero. A mean is never beyond what it is the mean of.
static rvm_value_t mean_duration(const rvm_sum_t *sum) {
    rvm_i128_t n = 0;
    bool fits = rvm_big_get(&sum->total, &n);
    assert(fits);
    rvm_i128_t magnitude = n < 0 ? -n : n, mean = magnitude / sum->count, rest = magnitude % sum->count;
    mean += 2 * rest >= sum->count;
    return rvm_duration((int64_t)(n < 0 ? -mean : mean));
}

rvm_value_t rvm_sum_average(const rvm_sum_t *sum, bool *ret_overflow) {
    if (sum->count == 0) {
        return rvm_missing();
    }
    if (sum->type == RVM_DURATION) {
        return mean_duration(sum);
    }
    rvm_big_t unit, count;
    rvm_big_set(&count, sum->count);
    rvm_big_pow10(&unit, sum->scale);
    rvm_big_shift(&unit, &unit, sum->type == RVM_DOUBLE ? 1074 : 0);
    rvm_big_mul(&unit, &unit, &count);
    return finite_or_overflow(rvm_big_ratio(&sum->total, &unit), ret_overflow);
}

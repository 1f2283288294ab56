/* num.c: decimals of 128 bits and their exact meeting with doubles.
 *
 * A decimal is a coefficient and a number of places. Comparison multiplies across, in 256 bits where 128 do not suffice
 * (wide.h), so a literal such as 300.005 is compared as written. The conversions to double round once: short numbers
 * take the processor's own division, which is correctly rounded when both sides are exact doubles; the others are
 * divided bit by bit. Formatting and reading doubles uses the C library and therefore the locale "C", which the daemons
 * and the command line never leave. Pure functions, safe from any thread.
 */
#include "reveille/num.h"

#include "wide.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_DOUBLE (1ll << 53) /* integers up to here are doubles */

static const uint64_t POWERS[20] = {1ull,
                                    10ull,
                                    100ull,
                                    1000ull,
                                    10000ull,
                                    100000ull,
                                    1000000ull,
                                    10000000ull,
                                    100000000ull,
                                    1000000000ull,
                                    10000000000ull,
                                    100000000000ull,
                                    1000000000000ull,
                                    10000000000000ull,
                                    100000000000000ull,
                                    1000000000000000ull,
                                    10000000000000000ull,
                                    100000000000000000ull,
                                    1000000000000000000ull,
                                    10000000000000000000ull};

rv_i128_t rv_pow10(unsigned n) {
    assert(n <= 38);
    return n < 20 ? (rv_i128_t)POWERS[n] : (rv_i128_t)POWERS[19] * (rv_i128_t)POWERS[n - 19];
}

bool rv_decimal_parse(const char *text, size_t n, unsigned max_scale, rv_i128_t *ret_coefficient, unsigned *ret_scale) {
    size_t i = 0;
    bool negative = n > 0 && text[0] == '-';
    if (n > 0 && (text[0] == '-' || text[0] == '+'))
        i++;
    rv_i128_t value = 0;
    size_t digits = 0, places = 0;
    bool point = false;
    for (; i < n; i++) {
        if (text[i] == '.' && !point && digits > 0) {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9')
            return false;
        int digit = text[i] - '0';
        /* downwards when negative, so that the least number can be read */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
        digits++;
        places += point;
    }
    if (digits == 0 || (point && places == 0) || places > max_scale)
        return false;
    *ret_coefficient = value;
    *ret_scale = (unsigned)places;
    return true;
}

size_t rv_decimal_format(rv_i128_t coefficient, unsigned scale, char *out) {
    assert(scale <= 38);
    char reversed[48];
    size_t n = 0, length = 0;
    rv_u128_t rest = rv_magnitude(coefficient);
    while (rest != 0 || n <= scale) {
        reversed[n++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    if (coefficient < 0)
        out[length++] = '-';
    while (n > 0) {
        out[length++] = reversed[--n];
        if (n == scale && n > 0)
            out[length++] = '.';
    }
    out[length] = '\0';
    return length;
}

int rv_decimal_compare(rv_i128_t a, unsigned as, rv_i128_t b, unsigned bs) {
    rv_i128_t scaled;
    /* What overflows when it is multiplied is beyond every number of 128 bits: its sign decides. */
    if (as < bs) {
        if (!rv_decimal_rescale(a, as, bs, &scaled))
            return a < 0 ? -1 : 1;
        a = scaled;
    } else if (as > bs) {
        if (!rv_decimal_rescale(b, bs, as, &scaled))
            return b < 0 ? 1 : -1;
        b = scaled;
    }
    return (a > b) - (a < b);
}

bool rv_decimal_rescale(rv_i128_t c, unsigned from, unsigned to, rv_i128_t *ret) {
    assert(from <= to);
    if (c == 0) {
        *ret = 0;
        return true;
    }
    rv_i128_t scaled;
    if (to - from > 38 || __builtin_mul_overflow(c, rv_pow10(to - from), &scaled))
        return false;
    *ret = scaled;
    return true;
}

int rv_double_compare_decimal(double d, rv_i128_t c, unsigned scale) {
    if (isinf(d) || isnan(d))
        return d < 0 ? -1 : 1;
    int sign = (d > 0) - (d < 0), c_sign = (c > 0) - (c < 0);
    if (sign != c_sign || sign == 0)
        return (sign > c_sign) - (sign < c_sign);
    int exponent;
    double fraction = frexp(fabs(d), &exponent); /* 0.5 <= fraction < 1 */
    uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
    rv_wide_t left = rv_wide_product(mantissa, (rv_u128_t)rv_pow10(scale)), right = rv_wide_from(rv_magnitude(c));
    int order = rv_wide_compare(&left, exponent - 53, &right, 0);
    return sign > 0 ? order : -order;
}

static bool is_exact_double(rv_i128_t value) {
    return value <= EXACT_DOUBLE && value >= -EXACT_DOUBLE;
}

double rv_decimal_to_double(rv_i128_t c, unsigned scale) {
    if (is_exact_double(c) && scale < 20)
        return (double)(int64_t)c / (double)POWERS[scale];
    rv_wide_t dividend = rv_wide_from(rv_magnitude(c)), divisor = rv_wide_from((rv_u128_t)rv_pow10(scale));
    return rv_wide_ratio(c < 0, &dividend, &divisor);
}

double rv_decimal_divide(rv_i128_t c, unsigned scale, rv_i128_t d, unsigned dscale) {
    assert(d != 0);
    /* Only the difference of the places matters, and cutting it keeps the numbers short. */
    unsigned common = scale < dscale ? scale : dscale;
    scale -= common;
    dscale -= common;
    rv_i128_t above, below;
    if (is_exact_double(c) && is_exact_double(d) && rv_decimal_rescale(c, 0, dscale, &above) &&
        is_exact_double(above) && rv_decimal_rescale(d, 0, scale, &below) && is_exact_double(below)) {
        double quotient = (double)(int64_t)above / (double)(int64_t)below;
        return quotient == 0 ? 0 : quotient; /* 0 / -3 is 0, not -0 */
    }
    rv_wide_t dividend = rv_wide_product(rv_magnitude(c), (rv_u128_t)rv_pow10(dscale));
    rv_wide_t divisor = rv_wide_product(rv_magnitude(d), (rv_u128_t)rv_pow10(scale));
    return rv_wide_ratio((c < 0) != (d < 0), &dividend, &divisor);
}

/* At a power of two the doubles above lie twice as far apart as those below, so the shortest text may be the one just
 * above the nearest: tries 16 digits with the last one raised. Powers that %g writes without an exponent never get
 * here: they have 16 digits or fewer. A 9 need not be raised: the carry would make a shorter text, which was tried
 * before. */
static bool format_raised(double d, char *out) {
    snprintf(out, 32, "%.15e", d);
    char *last = strchr(out, 'e') - 1;
    if (*last == '9')
        return false;
    (*last)++;
    return strtod(out, NULL) == d;
}

size_t rv_double_format(double d, char *out) {
    if (d == 0)
        d = 0; /* also -0 */
    /* A normal double that has a text of up to 15 digits has just that one, and %g drops its zeros. */
    int precision = fabs(d) < 0x1p-1022 ? 1 : 15;
    for (; precision < 17; precision++) {
        char text[64]; /* never more than 24 are used, which the compiler cannot know */
        int n = snprintf(text, sizeof text, "%.*g", precision, d);
        memcpy(out, text, n < 32 ? (size_t)n + 1 : 32);
        if (!isfinite(d) || strtod(out, NULL) == d)
            return strlen(out);
        int exponent;
        if (precision == 16 && fabs(frexp(d, &exponent)) == 0.5 && format_raised(d, out))
            return strlen(out);
    }
    snprintf(out, 32, "%.17g", d);
    return strlen(out);
}

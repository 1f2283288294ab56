/* column.c: single values of a column, whatever its encoding.
 *
 * Kernels read codes directly; this is the slow and general way, for keys, results and comparisons. Nothing is checked
 * here: a column that came from disk was checked when its piece was decoded. Thread safe, cannot fail.
 */
#include "column.h"

#include <string.h>

/* Writes a number in decimal; returns its length. */
static size_t put_number(uint64_t number, char *out) {
    char digits[20];
    size_t n = 0;
    do {
        digits[sizeof digits - ++n] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    memcpy(out, digits + sizeof digits - n, n);
    return n;
}

rv_str_t rvw_column_string(const rvw_column_t *c, uint32_t i, char *buf) {
    switch (c->encoding) {
    case RVW_DICT:
        return rvw_column_entry(c, (uint32_t)rvw_column_code(c, i));
    case RVW_PLAIN:
        return rvw_column_entry(c, i);
    case RVW_NUMBERED: {
        rv_str_t prefix = rvw_column_entry(c, c->width2 ? c->codes2[i] : 0);
        memcpy(buf, prefix.p, prefix.n);
        size_t n = put_number((uint64_t)rvw_column_int(c, i), buf + prefix.n);
        return (rv_str_t){buf, prefix.n + (uint32_t)n};
    }
    case RVW_REF:
        return ((const rv_str_t *)c->codes)[i];
    default:
        return (rv_str_t){"", 0};
    }
}

/* Digits that stand for the number as put_number writes it. */
static bool is_number(const char *p, uint32_t n, uint64_t number) {
    uint64_t value = 0;
    if (n == 0 || n > 18 || (n > 1 && p[0] == '0')) {
        char digits[20];
        return n > 18 && n == put_number(number, digits) && memcmp(p, digits, n) == 0;
    }
    for (uint32_t k = 0; k < n; k++) {
        unsigned digit = (unsigned)(unsigned char)p[k] - '0';
        if (digit > 9) {
            return false;
        }
        value = value * 10 + digit;
    }
    return value == number;
}

bool rvw_column_is(const rvw_column_t *c, uint32_t i, rv_str_t s) {
    if (c->encoding == RVW_NUMBERED) {
        rv_str_t prefix = rvw_column_entry(c, c->width2 ? c->codes2[i] : 0);
        return s.n > prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0 &&
               is_number(s.p + prefix.n, s.n - prefix.n, (uint64_t)rvw_column_int(c, i));
    }
    char unused[1]; /* only NUMBERED strings are written anywhere */
    rv_str_t other = rvw_column_string(c, i, unused);
    return other.n == s.n && memcmp(other.p, s.p, s.n) == 0;
}

void rvw_column_value(const rvw_column_t *c, uint32_t i, char *buf, rv_value_t *ret) {
    *ret = (rv_value_t){.present = rvw_column_present(c, i), .s = {"", 0}};
    if (!ret->present) {
        return;
    }
    switch (c->encoding) {
    case RVW_CONST:
    case RVW_FOR:
        ret->i = rvw_column_int(c, i);
        ret->wide = ret->i;
        break;
    case RVW_WIDE:
        ret->wide = ((const rv_i128_t *)c->codes)[i];
        break;
    case RVW_F64:
        ret->d = ((const double *)c->codes)[i];
        break;
    default:
        ret->s = rvw_column_string(c, i, buf);
    }
}

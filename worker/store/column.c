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

/* program_values.c: constants of a program from the wire.
 *
 * Purpose: a value is of the type that its place needs and well formed; the edges of a bucket rise, exactly, whatever
 * mixture of number types they are. Threads: none. Failure: false.
 */
#include "program_check.h"
#include <string.h>

typedef Reveille__V1__Value value_t;

bool rv_expr_value_is(const value_t *value, rv_type_t type, unsigned *ret_scale) {
    rv_i128_t coefficient;
    switch (value->kind_case) {
    case REVEILLE__V1__VALUE__KIND_STRING_VALUE: {
        size_t n = strlen(value->string_value);
        return type == RV_STRING && n <= RV_MAX_VALUE && rv_utf8_valid(value->string_value, n);
    }
    case REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE:
        return type == RV_DECIMAL && rv_decimal_parse(value->decimal_value, strlen(value->decimal_value),
                                                      RV_MAX_RESULT_SCALE, &coefficient, ret_scale);
    case REVEILLE__V1__VALUE__KIND_INT_VALUE:
        return type == RV_INT;
    case REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE:
        return type == RV_DOUBLE && isfinite(value->double_value);
    case REVEILLE__V1__VALUE__KIND_BOOL_VALUE:
        return type == RV_BOOL;
    case REVEILLE__V1__VALUE__KIND_TIME_MS:
        return type == RV_TIME;
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        return type == RV_DATE;
    case REVEILLE__V1__VALUE__KIND_DURATION_MS:
        return type == RV_DURATION;
    default:
        return false;
    }
}

/* An INT or DECIMAL value. */
static rv_i128_t exact(const value_t *value, unsigned *ret_scale) {
    rv_i128_t coefficient = value->int_value;
    *ret_scale = 0;
    if (value->kind_case == REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE &&
        !rv_decimal_parse(value->decimal_value, strlen(value->decimal_value), RV_MAX_RESULT_SCALE, &coefficient,
                          ret_scale))
        coefficient = 0; /* not reached: the value was found well formed */
    return coefficient;
}

static bool is_double(const value_t *value) {
    return value->kind_case == REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE;
}

static bool number_below(const value_t *x, const value_t *y) {
    unsigned xs, ys;
    if (is_double(x) && is_double(y))
        return x->double_value < y->double_value;
    if (is_double(x)) {
        rv_i128_t c = exact(y, &ys);
        return rv_double_compare_decimal(x->double_value, c, ys) < 0;
    }
    rv_i128_t a = exact(x, &xs);
    if (is_double(y))
        return rv_double_compare_decimal(y->double_value, a, xs) > 0;
    rv_i128_t c = exact(y, &ys);
    return rv_decimal_compare(a, xs, c, ys) < 0;
}

/* Both well formed and of one kind. */
static bool below(const value_t *x, const value_t *y) {
    switch (x->kind_case) {
    case REVEILLE__V1__VALUE__KIND_STRING_VALUE:
        return strcmp(x->string_value, y->string_value) < 0;
    case REVEILLE__V1__VALUE__KIND_TIME_MS:
    case REVEILLE__V1__VALUE__KIND_DURATION_MS:
        return x->int_value < y->int_value; /* the same place */
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        return x->date_days < y->date_days;
    default:
        return number_below(x, y);
    }
}

bool rv_expr_rises(value_t *const *values, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (!below(values[i - 1], values[i]))
            return false;
    return true;
}

// value.c - memory, values, their order, their arithmetic and how they are shown.
//
// Structure: arena; constructors; comparison (through exact fractions whenever two number types meet); arithmetic;
// calendar; text for failure messages.
#include "exact.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct rvm_block {
    struct rvm_block *next;
    max_align_t bytes[];
};

struct rvm_arena {
    struct rvm_block *blocks;
};

rvm_arena_t *rvm_arena_new(void) {
    rvm_arena_t *arena = calloc(1, sizeof *arena);
    assert(arena != NULL);
    return arena;
}

void rvm_arena_destroy(rvm_arena_t **arena) {
    if (*arena == NULL) {
        return;
    }
    for (struct rvm_block *b = (*arena)->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(*arena);
    *arena = NULL;
}

void *rvm_alloc(rvm_arena_t *arena, size_t size) {
    struct rvm_block *b = calloc(1, sizeof *b + (size == 0 ? 1 : size));
    if (b == NULL) {
        abort();
    }
    b->next = arena->blocks;
    arena->blocks = b;
    return b->bytes;
}

char *rvm_copy(rvm_arena_t *arena, const char *text, size_t length) {
    char *copy = rvm_alloc(arena, length + 1);
    if (length > 0) { // of nothing there may be no text
        memcpy(copy, text, length);
    }
    return copy;
}

char *rvm_format(rvm_arena_t *arena, const char *format, ...) {
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    assert(length >= 0);
    char *text = rvm_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(list);
    return text;
}

const char *rvm_status_name(rvm_status_t status) {
    static const char *const names[] = {"OK", "SYNTAX", "INVALID", "UNIMPLEMENTED", "OVERFLOW", "CONFLICT"};
    return names[status];
}

const char *rvm_type_name(rvm_type_t type) {
    static const char *const names[] = {"missing", "bool", "int",      "decimal", "double", "string",
                                        "time",    "date", "duration", "set",     "company"};
    return names[type];
}

rvm_value_t rvm_missing(void) {
    return (rvm_value_t){.type = RVM_MISSING};
}

rvm_value_t rvm_bool(bool b) {
    return (rvm_value_t){.type = RVM_BOOL, .b = b};
}

rvm_value_t rvm_int(int64_t i) {
    return (rvm_value_t){.type = RVM_INT, .i = i};
}

rvm_value_t rvm_decimal(rvm_i128_t n, int scale) {
    return (rvm_value_t){.type = RVM_DECIMAL, .n = n, .scale = scale};
}

rvm_value_t rvm_double(double d) {
    assert(isfinite(d));
    return (rvm_value_t){.type = RVM_DOUBLE, .d = d == 0.0 ? 0.0 : d};
}

rvm_value_t rvm_string(const char *s) {
    return (rvm_value_t){.type = RVM_STRING, .s = s};
}

rvm_value_t rvm_time(int64_t ms) {
    return (rvm_value_t){.type = RVM_TIME, .i = ms};
}

rvm_value_t rvm_date(int64_t days) {
    return (rvm_value_t){.type = RVM_DATE, .i = days};
}

rvm_value_t rvm_duration(int64_t ms) {
    return (rvm_value_t){.type = RVM_DURATION, .i = ms};
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

rvm_value_t rvm_set(rvm_arena_t *arena, const char *const *items, int n) {
    const char **sorted = rvm_alloc(arena, (size_t)n * sizeof *sorted);
    int kept = 0;
    for (int i = 0; i < n; i++) {
        sorted[i] = items[i];
    }
    qsort(sorted, (size_t)n, sizeof *sorted, by_bytes);
    for (int i = 0; i < n; i++) {
        if (kept == 0 || strcmp(sorted[kept - 1], sorted[i]) != 0) {
            sorted[kept++] = sorted[i];
        }
    }
    return (rvm_value_t){.type = RVM_SET, .items = sorted, .n_items = kept};
}

bool rvm_is_number(rvm_type_t type) {
    return type == RVM_INT || type == RVM_DECIMAL || type == RVM_DOUBLE;
}

int64_t rvm_instant(const rvm_value_t *a) {
    assert(a->type == RVM_TIME || a->type == RVM_DATE);
    return a->type == RVM_TIME ? a->i : a->i * 86400000;
}

static int order_of(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int compare_numbers(const rvm_value_t *a, const rvm_value_t *b) {
    if (a->type == RVM_INT && b->type == RVM_INT) {
        return order_of(a->i, b->i);
    }
    if (a->type == RVM_DOUBLE && b->type == RVM_DOUBLE) {
        return (a->d > b->d) - (a->d < b->d);
    }
    rvm_big_t pa, qa, pb, qb; // pa / qa against pb / qb
    rvm_big_fraction(a, &pa, &qa);
    rvm_big_fraction(b, &pb, &qb);
    rvm_big_mul(&pa, &pa, &qb);
    rvm_big_mul(&pb, &pb, &qa);
    return rvm_big_cmp(&pa, &pb);
}

static int compare_sets(const rvm_value_t *a, const rvm_value_t *b) {
    for (int i = 0; i < a->n_items && i < b->n_items; i++) {
        int c = strcmp(a->items[i], b->items[i]);
        if (c != 0) {
            return c < 0 ? -1 : 1;
        }
    }
    return order_of(a->n_items, b->n_items);
}

int rvm_compare(const rvm_value_t *a, const rvm_value_t *b) {
    if (rvm_is_number(a->type) && rvm_is_number(b->type)) {
        return compare_numbers(a, b);
    }
    if (a->type == RVM_TIME || b->type == RVM_TIME) {
        return order_of(rvm_instant(a), rvm_instant(b));
    }
    assert(a->type == b->type && a->type != RVM_MISSING);
    switch (a->type) {
    case RVM_BOOL:
        return order_of(a->b, b->b);
    case RVM_STRING:
        return order_of(strcmp(a->s, b->s), 0);
    case RVM_SET:
        return compare_sets(a, b);
    default: // DATE, DURATION
        return order_of(a->i, b->i);
    }
}

bool rvm_same(const rvm_value_t *a, const rvm_value_t *b) {
    if (a->type == RVM_MISSING || b->type == RVM_MISSING) {
        return a->type == b->type;
    }
    if (a->type != b->type && !(rvm_is_number(a->type) && rvm_is_number(b->type))) {
        return false;
    }
    return rvm_compare(a, b) == 0;
}

rvm_value_t rvm_to_double(const rvm_value_t *a) {
    rvm_big_t p, q;
    if (a->type == RVM_MISSING || a->type == RVM_DOUBLE) {
        return *a;
    }
    rvm_big_fraction(a, &p, &q);
    return rvm_double(rvm_big_ratio(&p, &q));
}

static rvm_value_t decimal_of(const rvm_big_t *units, int scale, bool *ret_overflow) {
    rvm_i128_t n;
    if (scale > 38 || !rvm_big_get(units, &n)) {
        *ret_overflow = true;
        return rvm_missing();
    }
    return rvm_decimal(n, scale);
}

static int scale_of(const rvm_value_t *a) {
    return a->type == RVM_DECIMAL ? a->scale : 0;
}

// The whole number n with a = n / 10^scale.
static void units_at(const rvm_value_t *a, int scale, rvm_big_t *r) {
    rvm_big_t factor;
    rvm_big_set(r, a->type == RVM_DECIMAL ? a->n : a->i);
    rvm_big_pow10(&factor, scale - scale_of(a));
    rvm_big_mul(r, r, &factor);
}

rvm_value_t rvm_rescale(const rvm_value_t *a, int scale, bool *ret_overflow) {
    rvm_big_t units;
    if (a->type == RVM_MISSING) {
        return *a;
    }
    units_at(a, scale, &units);
    return decimal_of(&units, scale, ret_overflow);
}

static rvm_value_t double_arith(char op, double a, double b, bool *ret_overflow) {
    double r = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b;
    if (!isfinite(r)) {
        *ret_overflow = true;
        return rvm_missing();
    }
    return rvm_double(r);
}

static rvm_value_t int_arith(char op, int64_t a, int64_t b, rvm_type_t type, bool *ret_overflow) {
    int64_t r = 0;
    bool bad = op == '+'   ? __builtin_add_overflow(a, b, &r)
               : op == '-' ? __builtin_sub_overflow(a, b, &r)
                           : __builtin_mul_overflow(a, b, &r);
    if (bad) {
        *ret_overflow = true;
        return rvm_missing();
    }
    return (rvm_value_t){.type = type, .i = r};
}

// Two values with exact fractions: their quotient, rounded once.
static rvm_value_t quotient(const rvm_value_t *a, const rvm_value_t *b, bool *ret_overflow) {
    rvm_big_t pa, qa, pb, qb;
    rvm_big_fraction(a, &pa, &qa);
    rvm_big_fraction(b, &pb, &qb);
    if (pb.sign == 0) {
        return rvm_missing();
    }
    if (a->type == RVM_DOUBLE || b->type == RVM_DOUBLE) {
        return double_arith('/', rvm_to_double(a).d, rvm_to_double(b).d, ret_overflow);
    }
    rvm_big_mul(&pa, &pa, &qb);
    rvm_big_mul(&qa, &qa, &pb);
    pa.sign *= qa.sign;
    qa.sign = 1;
    return rvm_double(rvm_big_ratio(&pa, &qa));
}

static rvm_value_t number_arith(char op, const rvm_value_t *a, const rvm_value_t *b, bool *ret_overflow) {
    if (op == '/') {
        return quotient(a, b, ret_overflow);
    }
    if (a->type == RVM_DOUBLE || b->type == RVM_DOUBLE) {
        return double_arith(op, rvm_to_double(a).d, rvm_to_double(b).d, ret_overflow);
    }
    if (a->type == RVM_INT && b->type == RVM_INT) {
        return int_arith(op, a->i, b->i, RVM_INT, ret_overflow);
    }
    rvm_big_t x, y;
    if (op == '*') {
        units_at(a, scale_of(a), &x);
        units_at(b, scale_of(b), &y);
        rvm_big_mul(&x, &x, &y);
        return decimal_of(&x, scale_of(a) + scale_of(b), ret_overflow);
    }
    int scale = scale_of(a) > scale_of(b) ? scale_of(a) : scale_of(b);
    units_at(a, scale, &x);
    units_at(b, scale, &y);
    if (op == '+') {
        rvm_big_add(&x, &x, &y);
    } else {
        rvm_big_sub(&x, &x, &y);
    }
    return decimal_of(&x, scale, ret_overflow);
}

rvm_value_t rvm_arith(char op, const rvm_value_t *a, const rvm_value_t *b, bool *ret_overflow) {
    if (a->type == RVM_MISSING || b->type == RVM_MISSING) {
        return rvm_missing();
    }
    if (rvm_is_number(a->type) && rvm_is_number(b->type)) {
        return number_arith(op, a, b, ret_overflow);
    }
    bool a_instant = a->type == RVM_TIME || a->type == RVM_DATE;
    bool b_instant = b->type == RVM_TIME || b->type == RVM_DATE;
    if (op == '/') { // duration / duration
        return quotient(a, b, ret_overflow);
    }
    int64_t x = a_instant ? rvm_instant(a) : a->i;
    int64_t y = b_instant ? rvm_instant(b) : b->i;
    return int_arith(op, x, y, a_instant != b_instant ? RVM_TIME : RVM_DURATION, ret_overflow);
}

rvm_value_t rvm_negate(const rvm_value_t *a, bool *ret_overflow) {
    switch (a->type) {
    case RVM_INT:
    case RVM_DURATION:
        return int_arith('-', 0, a->i, a->type, ret_overflow);
    case RVM_DECIMAL:
        return rvm_decimal(-a->n, a->scale); // |n| < 2^127 always
    case RVM_DOUBLE:
        return rvm_double(-a->d);
    default:
        return rvm_missing();
    }
}

// floor(n / 10^scale), or the nearest whole number, half upwards.
static rvm_i128_t floor_units(rvm_i128_t n, int scale, bool nearest) {
    rvm_i128_t unit = 1;
    for (int i = 0; i < scale; i++) {
        unit *= 10;
    }
    rvm_i128_t whole = n / unit, rest = n % unit;
    if (rest < 0) {
        whole -= 1;
        rest += unit;
    }
    return nearest && rest >= unit - rest ? whole + 1 : whole;
}

static rvm_value_t whole_units(rvm_i128_t n, bool *ret_overflow) {
    bool fits = n >= INT64_MIN && n <= INT64_MAX;
    *ret_overflow = *ret_overflow || !fits;
    return fits ? rvm_int((int64_t)n) : rvm_missing();
}

static rvm_value_t whole_double(double d, bool *ret_overflow) {
    bool fits = d >= -9223372036854775808.0 && d < 9223372036854775808.0;
    *ret_overflow = *ret_overflow || !fits;
    return fits ? rvm_int((int64_t)d) : rvm_missing();
}

rvm_value_t rvm_round(const rvm_value_t *a, bool *ret_overflow) {
    if (a->type == RVM_DECIMAL) { // half away from zero: round the magnitude half upwards
        rvm_i128_t n = floor_units(a->n < 0 ? -a->n : a->n, a->scale, true);
        return whole_units(a->n < 0 ? -n : n, ret_overflow);
    }
    return a->type == RVM_DOUBLE ? whole_double(round(a->d), ret_overflow) : *a;
}

rvm_value_t rvm_floor(const rvm_value_t *a, bool *ret_overflow) {
    if (a->type == RVM_DECIMAL) {
        return whole_units(floor_units(a->n, a->scale, false), ret_overflow);
    }
    return a->type == RVM_DOUBLE ? whole_double(floor(a->d), ret_overflow) : *a;
}

int64_t rvm_floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

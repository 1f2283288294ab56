/* arith.c: types of arithmetic, conversions between types, and arithmetic on constants.
 *
 * Purpose: the rules by which two types give a third, used when compiling and when checking a program from the wire.
 * Constants of exact types fold, so that bounds of windows are plain values; doubles and divisions are left to the one
 * place that evaluates them. Threads: none. Failure: a type mismatch, an integer that leaves its range (reason
 * OVERFLOW), too many decimal places.
 */
#include "builder.h"
#include "reveille/civil.h"

bool rv_expr_is_number(rv_type_t type) {
    return type == RV_INT || type == RV_DECIMAL || type == RV_DOUBLE;
}

const char *rv_expr_type_name(rv_type_t type) {
    switch (type) {
    case RV_STRING:
    case RV_COMPANY:
        return "a string";
    case RV_INT:
    case RV_DECIMAL:
    case RV_DOUBLE:
        return "a number";
    case RV_BOOL:
        return "true or false";
    case RV_TIME:
        return "a time";
    case RV_DATE:
        return "a date";
    case RV_SET:
        return "a set";
    case RV_DURATION:
        return "a duration";
    default:
        return "no value";
    }
}

static bool number_type(expr_op_t op, rv_type_t x, unsigned xs, rv_type_t y, unsigned ys, rv_type_t *ret_type,
                        unsigned *ret_scale) {
    if (op == EXPR_OP(DIV) || x == RV_DOUBLE || y == RV_DOUBLE) {
        *ret_type = RV_DOUBLE;
        return true;
    }
    if (x == RV_INT && y == RV_INT) {
        *ret_type = RV_INT;
        return true;
    }
    unsigned scale = op == EXPR_OP(MUL) ? xs + ys : xs > ys ? xs : ys;
    if (scale > RV_MAX_RESULT_SCALE)
        return false;
    *ret_type = RV_DECIMAL;
    *ret_scale = scale;
    return true;
}

bool rv_expr_arithmetic_type(expr_op_t op, rv_type_t x, unsigned xs, rv_type_t y, unsigned ys, rv_type_t *ret_type,
                             unsigned *ret_scale) {
    *ret_scale = 0;
    if (rv_expr_is_number(x) && rv_expr_is_number(y))
        return number_type(op, x, xs, y, ys, ret_type, ret_scale);
    bool additive = op == EXPR_OP(ADD) || op == EXPR_OP(SUB);
    if (additive && x == RV_TIME && y == RV_DURATION)
        *ret_type = RV_TIME;
    else if (additive && x == RV_DURATION && y == RV_DURATION)
        *ret_type = RV_DURATION;
    else if (op == EXPR_OP(SUB) && x == RV_TIME && y == RV_TIME)
        *ret_type = RV_DURATION;
    else if (op == EXPR_OP(MUL) && x == RV_DURATION && y == RV_INT)
        *ret_type = RV_DURATION;
    else if (op == EXPR_OP(DIV) && x == RV_DURATION && y == RV_DURATION)
        *ret_type = RV_DOUBLE;
    else
        return false;
    return true;
}

/* The constant as a coefficient at a scale; false when 128 bits do not hold it. */
static bool coefficient(const expr_constant_t *constant, unsigned scale, rv_i128_t *ret) {
    rv_i128_t own = constant->type == RV_DECIMAL ? constant->value.wide : constant->value.i;
    return rv_decimal_rescale(own, constant->type == RV_DECIMAL ? constant->scale : 0, scale, ret);
}

/* x op y of exact constants as a constant of the given type; false when it leaves its range. */
static bool fold(expr_op_t op, const expr_constant_t *x, const expr_constant_t *y, expr_constant_t *ret) {
    rv_i128_t a, b, result;
    bool wide = ret->type == RV_DECIMAL, product = op == EXPR_OP(MUL);
    if (!coefficient(x, product || !wide ? x->scale : ret->scale, &a) ||
        !coefficient(y, product || !wide ? y->scale : ret->scale, &b))
        return false;
    bool lost = op == EXPR_OP(ADD)   ? __builtin_add_overflow(a, b, &result)
                : op == EXPR_OP(SUB) ? __builtin_sub_overflow(a, b, &result)
                                     : __builtin_mul_overflow(a, b, &result);
    if (lost || (!wide && (result > INT64_MAX || result < INT64_MIN)))
        return false;
    ret->value = (rv_value_t){.present = true, .wide = wide ? result : 0, .i = wide ? 0 : (int64_t)result};
    return true;
}

static bool is_exact(const expr_constant_t *constant) {
    return constant && constant->type != RV_DOUBLE;
}

static uint32_t overflow(rv_builder_t *b, expr_place_t place) {
    rv_expr_fail(&b->report, RV_REASON_OVERFLOW, place, "the result of this arithmetic on constants leaves its range");
    return EXPR_NONE;
}

static uint32_t no_such_operation(rv_builder_t *b, expr_op_t op, rv_type_t x, rv_type_t y, expr_place_t place) {
    if (rv_expr_is_number(x) && rv_expr_is_number(y))
        return EXPR_FAIL(b, place, "the product would have more than %u decimal places", RV_MAX_RESULT_SCALE);
    const char *hint = "";
    if (op == EXPR_OP(MUL) && (x == RV_DURATION || y == RV_DURATION))
        hint = ": a duration can be multiplied by a whole number only";
    else if (op == EXPR_OP(DIV) && x == RV_DURATION)
        hint = ": a duration can be divided by a duration only";
    else if ((x == RV_TIME && rv_expr_is_number(y)) || (x == RV_DURATION && rv_expr_is_number(y)))
        hint = ": write a duration, for example 3 days";
    const char *verb = op == EXPR_OP(ADD)   ? "be added to"
                       : op == EXPR_OP(SUB) ? "be subtracted from"
                       : op == EXPR_OP(MUL) ? "be multiplied with"
                                            : "divide";
    return EXPR_FAIL(b, place, "%s cannot %s %s%s", rv_expr_type_name(y), verb, rv_expr_type_name(x), hint);
}

uint32_t rv_expr_arithmetic(rv_builder_t *b, expr_op_t op, uint32_t x, uint32_t y, expr_place_t place) {
    x = rv_expr_to_time(b, x, place);
    y = rv_expr_to_time(b, y, place);
    if (x == EXPR_NONE || y == EXPR_NONE)
        return EXPR_NONE;
    bool swap = (op == EXPR_OP(ADD) && rv_expr_type(b, x) == RV_DURATION && rv_expr_type(b, y) == RV_TIME) ||
                (op == EXPR_OP(MUL) && rv_expr_type(b, x) == RV_INT && rv_expr_type(b, y) == RV_DURATION);
    if (swap) {
        uint32_t first = x;
        x = y;
        y = first;
    }
    expr_constant_t result = {0};
    if (!rv_expr_arithmetic_type(op, rv_expr_type(b, x), rv_expr_scale(b, x), rv_expr_type(b, y), rv_expr_scale(b, y),
                                 &result.type, &result.scale))
        return no_such_operation(b, op, rv_expr_type(b, x), rv_expr_type(b, y), place);
    if (op == EXPR_OP(DIV) || !is_exact(b->constants[x]) || !is_exact(b->constants[y]))
        return rv_expr_op(b, op, result.type, result.scale, x, y, place);
    if (!fold(op, b->constants[x], b->constants[y], &result))
        return overflow(b, place);
    return rv_expr_constant(b, &result, place);
}

uint32_t rv_expr_negate(rv_builder_t *b, uint32_t x, expr_place_t place) {
    if (x == EXPR_NONE)
        return EXPR_NONE;
    rv_type_t type = rv_expr_type(b, x);
    if (!rv_expr_is_number(type) && type != RV_DURATION)
        return EXPR_FAIL(b, place, "'-' needs a number or a duration, not %s", rv_expr_type_name(type));
    const expr_constant_t *constant = b->constants[x];
    if (!constant)
        return rv_expr_op(b, EXPR_OP(NEG), type, rv_expr_scale(b, x), x, EXPR_NONE, place);
    expr_constant_t result = *constant;
    if (type == RV_DOUBLE)
        result.value.d = constant->value.d == 0 ? 0 : -constant->value.d;
    else if (type == RV_DECIMAL ? __builtin_sub_overflow((rv_i128_t)0, constant->value.wide, &result.value.wide)
                                : __builtin_sub_overflow((int64_t)0, constant->value.i, &result.value.i))
        return overflow(b, place);
    return rv_expr_constant(b, &result, place);
}

uint32_t rv_expr_to_time(rv_builder_t *b, uint32_t x, expr_place_t place) {
    if (x == EXPR_NONE || rv_expr_type(b, x) != RV_DATE)
        return x;
    if (b->constants[x])
        return rv_expr_integer(b, RV_TIME, b->constants[x]->value.i * RV_DAY_MS, place);
    return rv_expr_op(b, EXPR_OP(DATE_TO_TIME), RV_TIME, 0, x, EXPR_NONE, place);
}

static uint32_t to_decimal(rv_builder_t *b, uint32_t x, unsigned scale, expr_place_t place) {
    const expr_constant_t *constant = b->constants[x];
    if (rv_expr_type(b, x) == RV_DECIMAL && rv_expr_scale(b, x) == scale)
        return x;
    if (!constant)
        return rv_expr_op(b, EXPR_OP(TO_DECIMAL), RV_DECIMAL, scale, x, EXPR_NONE, place);
    expr_constant_t result = {.type = RV_DECIMAL, .scale = scale, .value = {.present = true}};
    if (!coefficient(constant, scale, &result.value.wide))
        return overflow(b, place);
    return rv_expr_constant(b, &result, place);
}

bool rv_expr_unify(rv_builder_t *b, uint32_t *x, size_t n, const char *what, expr_place_t place) {
    rv_type_t type = rv_expr_type(b, x[0]);
    unsigned scale = 0;
    for (size_t i = 0; i < n; i++) {
        rv_type_t other = rv_expr_type(b, x[i]);
        bool numbers = rv_expr_is_number(type) && rv_expr_is_number(other);
        bool times = (type == RV_TIME || type == RV_DATE) && (other == RV_TIME || other == RV_DATE);
        if (other != type && !numbers && !times) {
            rv_expr_fail(&b->report, RV_REASON_FILTER, place, "%s needs values of one kind, and these are %s and %s",
                         what, rv_expr_type_name(type), rv_expr_type_name(other));
            return false;
        }
        if (other == RV_DECIMAL && rv_expr_scale(b, x[i]) > scale)
            scale = rv_expr_scale(b, x[i]);
        if (other == RV_DOUBLE || other == RV_TIME || (other == RV_DECIMAL && type == RV_INT))
            type = other;
    }
    for (size_t i = 0; i < n; i++) {
        if (type == RV_TIME)
            x[i] = rv_expr_to_time(b, x[i], place);
        else if (type == RV_DECIMAL)
            x[i] = to_decimal(b, x[i], scale, place);
        else if (type == RV_DOUBLE && rv_expr_type(b, x[i]) != RV_DOUBLE)
            x[i] = rv_expr_op(b, EXPR_OP(TO_DOUBLE), RV_DOUBLE, 0, x[i], EXPR_NONE, place);
        if (x[i] == EXPR_NONE)
            return false;
    }
    return true;
}

uint32_t rv_expr_earlier(rv_builder_t *b, uint32_t x, uint32_t y, expr_place_t place) {
    const expr_constant_t *a = b->constants[x], *c = b->constants[y];
    if (x == y)
        return x;
    if (a && c)
        return a->value.i <= c->value.i ? x : y;
    return rv_expr_op(b, EXPR_OP(EARLIER), RV_TIME, 0, x < y ? x : y, x < y ? y : x, place);
}

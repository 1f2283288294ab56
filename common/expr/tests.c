/* tests.c: comparisons, between, in, tests of text, bucket: what holds values against each other.
 *
 * Purpose: kinds must agree, and a missing operand makes every test false, in its `not` form too. Dates meet times as
 * midnight. Threads: none. Failure: see builder.h.
 */
#include "builder.h"

/* What can be held against each other: numbers, dates and times, otherwise the type itself. */
static rv_type_t kind_of(rv_type_t type) {
    return rv_expr_is_number(type) ? RV_DOUBLE : type == RV_DATE ? RV_TIME : type;
}

static uint32_t mismatch(rv_builder_t *b, rv_type_t x, rv_type_t y, expr_place_t place) {
    const char *hint = "";
    if (kind_of(x) == RV_TIME && y == RV_STRING)
        hint = ": a date is written without quotes, as in 2026-01-31";
    else if (x == RV_DURATION && rv_expr_is_number(y))
        hint = ": write a duration, for example 3 days";
    else if (x == RV_STRING && rv_expr_is_number(y))
        hint = ": a string is written in 'quotes'";
    else if (rv_expr_is_number(x) && y == RV_STRING)
        hint = ": a number is written without quotes";
    else if (kind_of(x) == RV_TIME && y == RV_DURATION)
        hint = ": write for example 3 days ago";
    return EXPR_FAIL(b, place, "%s cannot be compared with %s%s", rv_expr_type_name(x), rv_expr_type_name(y), hint);
}

/* Both sides of a test, of one kind; false after a failure. */
static bool sides(rv_builder_t *b, uint32_t *x, uint32_t *y, expr_place_t place) {
    if (*x == EXPR_NONE || *y == EXPR_NONE)
        return false;
    rv_type_t a = rv_expr_type(b, *x), c = rv_expr_type(b, *y);
    if (a == RV_SET || c == RV_SET)
        return EXPR_FAIL(b, place, "a set cannot be compared: write ... is set") != EXPR_NONE;
    if (kind_of(a) != kind_of(c))
        return mismatch(b, a, c, place) != EXPR_NONE;
    if (a != c && kind_of(a) == RV_TIME) {
        *x = rv_expr_to_time(b, *x, place);
        *y = rv_expr_to_time(b, *y, place);
    }
    return *x != EXPR_NONE && *y != EXPR_NONE;
}

uint32_t rv_expr_compare(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t x = rv_expr_compile(b, scope, node->kids[0]), y = rv_expr_compile(b, scope, node->kids[1]);
    expr_op_t op = node->symbol == '='         ? EXPR_OP(EQ)
                   : node->symbol == SYMBOL_NE ? EXPR_OP(NE)
                   : node->symbol == '<'       ? EXPR_OP(LT)
                   : node->symbol == SYMBOL_LE ? EXPR_OP(LE)
                   : node->symbol == '>'       ? EXPR_OP(GT)
                                               : EXPR_OP(GE);
    if (!sides(b, &x, &y, node->place))
        return EXPR_NONE;
    if (rv_expr_type(b, x) == RV_BOOL && op != EXPR_OP(EQ) && op != EXPR_OP(NE))
        return EXPR_FAIL(b, node->place, "true and false have no order: compare them with = or != only");
    return rv_expr_op(b, op, RV_BOOL, 0, x, y, node->place);
}

/* `condition`, and that these values are present where they may be missing. */
static uint32_t and_set(rv_builder_t *b, uint32_t condition, const uint32_t *values, size_t n, expr_place_t place) {
    uint32_t args[4] = {condition};
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = EXPR_OP(AND);
    out.type = RV_BOOL;
    out.args = args;
    out.n_args = 1;
    for (size_t i = 0; i < n; i++)
        if (!b->constants[values[i]])
            args[out.n_args++] = rv_expr_op(b, EXPR_OP(IS_SET), RV_BOOL, 0, values[i], EXPR_NONE, place);
    return out.n_args == 1 ? condition : rv_expr_emit(b, &out, place);
}

uint32_t rv_expr_between(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t x = rv_expr_compile(b, scope, node->kids[0]);
    uint32_t ends[2] = {rv_expr_compile(b, scope, node->kids[1]), rv_expr_compile(b, scope, node->kids[2])};
    uint32_t low_x = x, high_x = x;
    if (!sides(b, &low_x, &ends[0], node->kids[1]->place) || !sides(b, &high_x, &ends[1], node->kids[2]->place))
        return EXPR_NONE;
    if (rv_expr_type(b, x) == RV_BOOL)
        return EXPR_FAIL(b, node->place, "true and false have no order: 'between' does not apply to them");
    bool negated = node->negated;
    uint32_t low = rv_expr_op(b, negated ? EXPR_OP(LT) : EXPR_OP(GE), RV_BOOL, 0, low_x, ends[0], node->place);
    uint32_t high = rv_expr_op(b, negated ? EXPR_OP(GT) : EXPR_OP(LE), RV_BOOL, 0, high_x, ends[1], node->place);
    if (low == EXPR_NONE || high == EXPR_NONE)
        return EXPR_NONE;
    uint32_t both = rv_expr_op(b, negated ? EXPR_OP(OR) : EXPR_OP(AND), RV_BOOL, 0, low, high, node->place);
    return negated && both != EXPR_NONE ? and_set(b, both, ends, 2, node->place) : both;
}

/* The constants of a list, which are of one kind: *ret_kind is that, or UNSPECIFIED for none; *ret_times: some of its
 * dates and times are times. */
static bool list_kind(rv_builder_t *b, const expr_constant_t *constants, size_t n, const expr_list_t *list,
                      rv_type_t *ret_kind, bool *ret_times) {
    rv_type_t kind = RV_DOUBLE;
    bool times = false;
    for (size_t i = 0; i < n; i++) {
        rv_type_t own = kind_of(constants[i].type);
        if (i > 0 && own != kind) {
            expr_place_t place = list->parameter.p ? list->place : list->items[i].place;
            return mismatch(b, constants[0].type, constants[i].type, place) != EXPR_NONE;
        }
        kind = own;
        times = times || constants[i].type == RV_TIME;
    }
    *ret_kind = n ? kind : REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_UNSPECIFIED;
    *ret_times = times;
    return true;
}

/* Constants of a list, written out or bound; false after a failure. */
static bool list_constants(rv_builder_t *b, const expr_list_t *list, const expr_constant_t **ret, size_t *ret_n,
                           expr_parameter_t **ret_parameter) {
    *ret_parameter = NULL;
    if (list->parameter.p) {
        expr_parameter_t *parameter = rv_expr_parameter(b, list->parameter, list->place);
        if (!parameter)
            return false;
        *ret = parameter->constants;
        *ret_n = parameter->n;
        *ret_parameter = parameter;
        return true;
    }
    expr_constant_t *constants = rv_expr_alloc(b, list->n, sizeof *constants);
    for (uint32_t i = 0; constants && i < list->n; i++) {
        constants[i] = *list->items[i].constant;
        if (constants[i].calendar) {
            rv_expr_constant(b, &constants[i], list->items[i].place); /* refuses it */
            return false;
        }
    }
    *ret = constants;
    *ret_n = list->n;
    return constants != NULL;
}

/* The same for a list that may be bound, whose kind is remembered. */
static bool kind_of_list(rv_builder_t *b, const expr_constant_t *constants, size_t n, const expr_list_t *list,
                         expr_parameter_t *parameter, rv_type_t *ret_kind, bool *ret_times) {
    if (!parameter)
        return list_kind(b, constants, n, list, ret_kind, ret_times);
    if (!parameter->of_one_kind)
        parameter->of_one_kind = list_kind(b, constants, n, list, &parameter->kind, &parameter->has_times);
    *ret_kind = parameter->kind;
    *ret_times = parameter->has_times;
    return parameter->of_one_kind;
}

/* Values of a list for args[0] = *x, both brought to one kind; false after a failure. */
static bool list_values(rv_builder_t *b, const expr_list_t *list, uint32_t *x, expr_values_t *ret,
                        const expr_constant_t **ret_constants) {
    size_t n = 0;
    rv_type_t kind = RV_STRING, type = rv_expr_type(b, *x);
    bool times = false;
    expr_parameter_t *parameter;
    if (type == RV_SET)
        return EXPR_FAIL(b, list->place, "a set cannot be compared: write ... is set") != EXPR_NONE;
    if (!list_constants(b, list, ret_constants, &n, &parameter) ||
        !kind_of_list(b, *ret_constants, n, list, parameter, &kind, &times))
        return false;
    if (n > 0 && kind != kind_of(type))
        return mismatch(b, type, (*ret_constants)[0].type, list->place) != EXPR_NONE;
    bool as_times = type == RV_TIME || times;
    if (kind_of(type) == RV_TIME && as_times && (*x = rv_expr_to_time(b, *x, list->place)) == EXPR_NONE)
        return false;
    expr_values_t *cached = !parameter ? NULL : as_times ? &parameter->times : &parameter->plain;
    if (cached && cached->values) {
        *ret = *cached;
        return true;
    }
    if (!rv_expr_values(b, *ret_constants, n, as_times, ret))
        return false;
    if (cached)
        *cached = *ret;
    return true;
}

uint32_t rv_expr_in(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t x = rv_expr_compile(b, scope, node->kids[0]);
    expr_values_t values;
    const expr_constant_t *constants;
    if (x == EXPR_NONE || !list_values(b, node->list, &x, &values, &constants))
        return EXPR_NONE;
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = EXPR_OP(IN);
    out.type = RV_BOOL;
    out.ref = node->negated ? 1 : 0;
    out.args = &x;
    out.n_args = 1;
    return rv_expr_emit_list(b, &out, &values, node->place);
}

/* -1, 0, 1 for constants of one kind, as their values compare; dates count as times. */
static int compare_constants(const expr_constant_t *x, const expr_constant_t *y) {
    if (x->type == RV_STRING)
        return rv_str_compare(x->value.s, y->value.s);
    if (x->type == RV_TIME || x->type == RV_DATE || x->type == RV_DURATION) {
        int64_t a = x->type == RV_DATE ? x->value.i * 86400000 : x->value.i;
        int64_t c = y->type == RV_DATE ? y->value.i * 86400000 : y->value.i;
        return (a > c) - (a < c);
    }
    rv_i128_t a = x->type == RV_DECIMAL ? x->value.wide : x->value.i;
    rv_i128_t c = y->type == RV_DECIMAL ? y->value.wide : y->value.i;
    return rv_decimal_compare(a, x->type == RV_DECIMAL ? x->scale : 0, c, y->type == RV_DECIMAL ? y->scale : 0);
}

uint32_t rv_expr_bucket(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t x = rv_expr_compile(b, scope, node->kids[0]);
    expr_values_t values;
    const expr_constant_t *constants;
    if (x == EXPR_NONE)
        return EXPR_NONE;
    if (rv_expr_type(b, x) == RV_BOOL)
        return EXPR_FAIL(b, node->kids[0]->place, "bucket needs a value that has an order, not true or false");
    if (!list_values(b, node->list, &x, &values, &constants))
        return EXPR_NONE;
    for (uint32_t i = 1; i < node->list->n; i++)
        if (compare_constants(&constants[i - 1], &constants[i]) >= 0)
            return EXPR_FAIL(b, node->list->items[i].place, "the edges of a bucket must rise");
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = EXPR_OP(BUCKET);
    out.type = RV_INT;
    out.args = &x;
    out.n_args = 1;
    return rv_expr_emit_list(b, &out, &values, node->place);
}

uint32_t rv_expr_text_test(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t x = rv_expr_compile(b, scope, node->kids[0]), y = rv_expr_compile(b, scope, node->kids[1]);
    if (x == EXPR_NONE || y == EXPR_NONE)
        return EXPR_NONE;
    if (rv_expr_type(b, x) != RV_STRING)
        return EXPR_FAIL(b, node->kids[0]->place, "this test is for strings, and this is %s",
                         rv_expr_type_name(rv_expr_type(b, x)));
    if (rv_expr_type(b, y) != RV_STRING)
        return EXPR_FAIL(b, node->kids[1]->place, "this test needs a string, and the parameter is %s",
                         rv_expr_type_name(rv_expr_type(b, y)));
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = node->word == WORD_CONTAINS ? EXPR_OP(CONTAINS)
             : node->word == WORD_STARTS ? EXPR_OP(STARTS_WITH)
             : node->word == WORD_ENDS   ? EXPR_OP(ENDS_WITH)
                                         : EXPR_OP(LIKE);
    out.type = RV_BOOL;
    out.ref = node->negated ? 1 : 0;
    out.args = &x;
    out.n_args = 1;
    out.literal = b->nodes[y]->literal;
    return rv_expr_emit(b, &out, node->place);
}

/* scalar.c: functions of plain values: names, arity, types.
 *
 * Purpose: a table of the functions and one rule for each kind of them. Threads: none. Failure: see builder.h.
 */
#include "builder.h"
#include <string.h>
#include <strings.h>

typedef uint32_t rule_t(rv_builder_t *b, expr_op_t op, uint32_t *args, size_t n, expr_place_t place);

static uint32_t wrong_type(rv_builder_t *b, const char *needs, uint32_t x, expr_place_t place) {
    return EXPR_FAIL(b, place, "this function needs %s, not %s", needs, rv_expr_type_name(rv_expr_type(b, x)));
}

static uint32_t of_string(rv_builder_t *b, expr_op_t op, uint32_t *args, size_t n, expr_place_t place) {
    (void)n;
    if (rv_expr_type(b, args[0]) != RV_STRING)
        return wrong_type(b, "a string", args[0], place);
    return rv_expr_op(b, op, op == EXPR_OP(LENGTH) ? RV_INT : RV_STRING, 0, args[0], EXPR_NONE, place);
}

static uint32_t of_number(rv_builder_t *b, expr_op_t op, uint32_t *args, size_t n, expr_place_t place) {
    (void)n;
    rv_type_t type = rv_expr_type(b, args[0]);
    bool same = op == EXPR_OP(ABS);
    if (!rv_expr_is_number(type) && !(same && type == RV_DURATION))
        return wrong_type(b, same ? "a number or a duration" : "a number", args[0], place);
    if (!same && type == RV_INT)
        return args[0];
    return rv_expr_op(b, op, same ? type : RV_INT, same ? rv_expr_scale(b, args[0]) : 0, args[0], EXPR_NONE, place);
}

static uint32_t of_day(rv_builder_t *b, expr_op_t op, uint32_t *args, size_t n, expr_place_t place) {
    (void)n;
    rv_type_t type = rv_expr_type(b, args[0]);
    if (type != RV_TIME && type != RV_DATE)
        return wrong_type(b, "a time or a date", args[0], place);
    return rv_expr_op(b, op, RV_INT, 0, args[0], EXPR_NONE, place);
}

static uint32_t of_any(rv_builder_t *b, expr_op_t op, uint32_t *args, size_t n, expr_place_t place) {
    for (size_t i = 0; i < n; i++)
        if (rv_expr_type(b, args[i]) == RV_SET)
            return wrong_type(b, "values that are no sets", args[i], place);
    if (!rv_expr_unify(b, args, n, "coalesce", place))
        return EXPR_NONE;
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = op;
    out.type = rv_expr_type(b, args[0]);
    out.scale = rv_expr_scale(b, args[0]);
    out.args = args;
    out.n_args = n;
    return n == 1 ? args[0] : rv_expr_emit(b, &out, place);
}

static const struct {
    const char *name;
    expr_op_t op;
    bool many; /* one argument or more; otherwise exactly one */
    rule_t *rule;
} FUNCTIONS[] = {
    {"lower", EXPR_OP(LOWER), false, of_string},   {"upper", EXPR_OP(UPPER), false, of_string},
    {"length", EXPR_OP(LENGTH), false, of_string}, {"abs", EXPR_OP(ABS), false, of_number},
    {"round", EXPR_OP(ROUND), false, of_number},   {"floor", EXPR_OP(FLOOR), false, of_number},
    {"day", EXPR_OP(DAY_OF_MONTH), false, of_day}, {"coalesce", EXPR_OP(COALESCE), true, of_any},
};
#define N_FUNCTIONS (sizeof FUNCTIONS / sizeof FUNCTIONS[0])

static uint32_t unknown_function(rv_builder_t *b, const expr_name_t *name) {
    static const char *const others[] = {"count", "exists",   "first",  "last",  "recency", "sum",   "min",   "max",
                                         "avg",   "distinct", "funnel", "score", "segment", "split", "bucket"};
    const char *candidates[N_FUNCTIONS + sizeof others / sizeof others[0]];
    size_t n = 0;
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        candidates[n++] = FUNCTIONS[i].name;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        candidates[n++] = others[i];
    return EXPR_FAIL(b, name->place, "unknown function '%s'%s", rv_expr_quote(name->text).text,
                     rv_expr_hint(name->text, candidates, n).text);
}

uint32_t rv_expr_scalar(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    const expr_name_t *name = &node->names[0];
    uint32_t *args = rv_expr_alloc(b, node->n, sizeof *args);
    for (uint32_t k = 0; args && k < node->n; k++)
        if ((args[k] = rv_expr_compile(b, scope, node->kids[k])) == EXPR_NONE)
            return EXPR_NONE;
    if (!args)
        return EXPR_NONE;
    if (node->later)
        return rv_expr_refuse_later(b, node->place, node->later);
    size_t i = 0;
    while (i < N_FUNCTIONS && (strlen(FUNCTIONS[i].name) != name->text.n ||
                               strncasecmp(FUNCTIONS[i].name, name->text.p, name->text.n) != 0))
        i++;
    if (i == N_FUNCTIONS)
        return unknown_function(b, name);
    if (!FUNCTIONS[i].many && node->n != 1)
        return EXPR_FAIL(b, node->place, "%s takes one argument, and here are %u", FUNCTIONS[i].name, node->n);
    return FUNCTIONS[i].rule(b, FUNCTIONS[i].op, args, node->n, node->place);
}

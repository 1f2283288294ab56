/* compile.c: a tree to nodes: logic, values, instants, the population.
 *
 * Purpose: the middle of the compiler; it knows the kinds of nodes and sends each to the file that knows more. It
 * recurses over trees whose height the parser bounds; segments add their own height, and EXPR_LEVELS bounds the sum.
 * Threads: none. Failure: see builder.h.
 */
#include "builder.h"

uint32_t rv_expr_truth(rv_builder_t *b, uint32_t node, expr_place_t place) {
    if (node == EXPR_NONE || rv_expr_is_condition(b->nodes[node]->op))
        return node;
    rv_type_t type = rv_expr_type(b, node);
    if (type == RV_BOOL)
        return rv_expr_op(b, EXPR_OP(TRUTH), RV_BOOL, 0, node, EXPR_NONE, place);
    return EXPR_FAIL(b, place, "a condition is needed here, and this is %s%s", rv_expr_type_name(type),
                     type == RV_SET ? ": write ... is set" : ": compare it with something, or write ... is set");
}

uint32_t rv_expr_condition(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    return rv_expr_truth(b, rv_expr_compile(b, scope, node), node->place);
}

static uint32_t compile_logic(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t *args = rv_expr_alloc(b, node->n, sizeof *args);
    for (uint32_t i = 0; args && i < node->n; i++)
        if ((args[i] = rv_expr_condition(b, scope, node->kids[i])) == EXPR_NONE)
            return EXPR_NONE;
    if (!args)
        return EXPR_NONE;
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = node->kind == NODE_OR ? EXPR_OP(OR) : EXPR_OP(AND);
    out.type = RV_BOOL;
    out.args = args;
    out.n_args = node->n;
    return rv_expr_emit(b, &out, node->place);
}

static uint32_t compile_is_set(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t value = rv_expr_compile(b, scope, node->kids[0]);
    if (value == EXPR_NONE)
        return EXPR_NONE;
    uint32_t set = rv_expr_op(b, EXPR_OP(IS_SET), RV_BOOL, 0, value, EXPR_NONE, node->place);
    if (set == EXPR_NONE || !node->negated)
        return set;
    return rv_expr_op(b, EXPR_OP(NOT), RV_BOOL, 0, set, EXPR_NONE, node->place);
}

static uint32_t compile_arithmetic(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t result = rv_expr_compile(b, scope, node->kids[0]);
    for (uint32_t i = 1; result != EXPR_NONE && i < node->n; i++) {
        uint32_t next = rv_expr_compile(b, scope, node->kids[i]);
        const expr_operator_t *sign = &node->operators[i - 1];
        expr_op_t op = sign->symbol == '+'   ? EXPR_OP(ADD)
                       : sign->symbol == '-' ? EXPR_OP(SUB)
                       : sign->symbol == '*' ? EXPR_OP(MUL)
                                             : EXPR_OP(DIV);
        result = next == EXPR_NONE ? EXPR_NONE : rv_expr_arithmetic(b, op, result, next, sign->place);
    }
    return result;
}

static uint32_t compile_ago(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t offset = rv_expr_constant(b, node->constant, node->place);
    if (offset == EXPR_NONE)
        return EXPR_NONE;
    return rv_expr_arithmetic(b, EXPR_OP(ADD), scope->now, offset, node->place);
}

static uint32_t compile_parameter(rv_builder_t *b, const expr_node_t *node) {
    const expr_constant_t *constant = rv_expr_bound(b, &node->names[0]);
    return constant ? rv_expr_constant(b, constant, node->place) : EXPR_NONE;
}

/* split(salt, n) */
static uint32_t compile_split(rv_builder_t *b, const expr_node_t *node) {
    const expr_constant_t *parts = node->kids[1]->constant;
    if (parts->type != RV_INT || parts->value.i < 1 || parts->value.i > UINT32_MAX)
        return EXPR_FAIL(b, node->kids[1]->place, "the number of parts of a split is a whole number from 1 to %u",
                         UINT32_MAX);
    uint32_t salt = rv_expr_constant(b, node->kids[0]->constant, node->place);
    if (salt == EXPR_NONE)
        return EXPR_NONE;
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = EXPR_OP(SPLIT);
    out.type = RV_INT;
    out.ref = (uint32_t)parts->value.i;
    out.literal = b->nodes[salt]->literal;
    return rv_expr_emit(b, &out, node->place);
}

/* What looks at events or at other contacts' texts, and therefore cannot stand inside `where`. */
static uint32_t compile_call(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    if (scope->event)
        return EXPR_FAIL(b, node->place,
                         "selections do not nest: inside 'where' the condition is on one event, so "
                         "count, exists, funnel, score, segment and the like cannot stand here");
    switch (node->kind) {
    case NODE_AGGREGATE:
        return rv_expr_aggregate(b, scope, node);
    case NODE_FUNNEL:
        return rv_expr_funnel(b, scope, node->funnel, node->place);
    case NODE_SCORE:
        return rv_expr_score(b, scope, node);
    default:
        return rv_expr_segment(b, scope, node);
    }
}

static uint32_t compile_value(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    switch (node->kind) {
    case NODE_ARITHMETIC:
        return compile_arithmetic(b, scope, node);
    case NODE_NEGATE:
        return rv_expr_negate(b, rv_expr_compile(b, scope, node->kids[0]), node->place);
    case NODE_AT:
        return rv_expr_at(b, scope, node);
    case NODE_LITERAL:
        return rv_expr_constant(b, node->constant, node->place);
    case NODE_NOW:
        return scope->now;
    case NODE_AGO:
        return compile_ago(b, scope, node);
    case NODE_PARAMETER:
        return compile_parameter(b, node);
    case NODE_PATH:
        return rv_expr_path(b, scope, node);
    case NODE_SPLIT:
        return compile_split(b, node);
    case NODE_BUCKET:
        return rv_expr_bucket(b, scope, node);
    case NODE_SCALAR:
        return rv_expr_scalar(b, scope, node);
    case NODE_LATER:
        return rv_expr_refuse_later(b, node->place, node->later);
    default:
        return compile_call(b, scope, node);
    }
}

static uint32_t compile_node(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    switch (node->kind) {
    case NODE_OR:
    case NODE_AND:
        return compile_logic(b, scope, node);
    case NODE_NOT: {
        uint32_t condition = rv_expr_condition(b, scope, node->kids[0]);
        return condition == EXPR_NONE ? EXPR_NONE
                                      : rv_expr_op(b, EXPR_OP(NOT), RV_BOOL, 0, condition, EXPR_NONE, node->place);
    }
    case NODE_COMPARE:
        return rv_expr_compare(b, scope, node);
    case NODE_IN:
        return rv_expr_in(b, scope, node);
    case NODE_BETWEEN:
        return rv_expr_between(b, scope, node);
    case NODE_TEXT:
        return rv_expr_text_test(b, scope, node);
    case NODE_IS_SET:
        return compile_is_set(b, scope, node);
    default:
        return compile_value(b, scope, node);
    }
}

uint32_t rv_expr_compile(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    if (b->report.status != RV_OK)
        return EXPR_NONE;
    if (b->levels >= EXPR_LEVELS)
        return EXPR_FAIL(b, node->place, "segments within segments are nested too deeply");
    if (++b->work > EXPR_WORK)
        return EXPR_FAIL(b, node->place, "the texts of the request, with their segments, have more than %u nodes",
                         EXPR_WORK);
    b->levels++;
    uint32_t number = compile_node(b, scope, node);
    b->levels--;
    return number;
}

uint32_t rv_expr_instant(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t number = rv_expr_compile(b, scope, node);
    if (number == EXPR_NONE)
        return EXPR_NONE;
    rv_type_t type = rv_expr_type(b, number);
    if (type == RV_TIME || type == RV_DATE)
        return rv_expr_to_time(b, number, node->place);
    return EXPR_FAIL(b, node->place, "an instant is a time or a date, and this is %s%s", rv_expr_type_name(type),
                     type == RV_DURATION ? ": write for example (now - 30 days)" : "");
}

uint32_t rv_expr_population(rv_builder_t *b, uint32_t instant) {
    const rv_attribute_t *created = rv_catalog_created(b->catalog);
    expr_place_t place = {1, 1};
    if (!created)
        return 0;
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = EXPR_OP(ATTRIBUTE);
    out.type = created->type;
    out.ref = created->id;
    uint32_t attribute = rv_expr_emit(b, &out, place), since = rv_expr_to_time(b, attribute, place);
    if (since == EXPR_NONE)
        return EXPR_NONE;
    uint32_t set = rv_expr_op(b, EXPR_OP(IS_SET), RV_BOOL, 0, attribute, EXPR_NONE, place);
    uint32_t known = rv_expr_op(b, EXPR_OP(LE), RV_BOOL, 0, since, instant, place);
    if (set == EXPR_NONE || known == EXPR_NONE)
        return EXPR_NONE;
    uint32_t unset = rv_expr_op(b, EXPR_OP(NOT), RV_BOOL, 0, set, EXPR_NONE, place);
    uint32_t in = unset == EXPR_NONE ? EXPR_NONE : rv_expr_op(b, EXPR_OP(OR), RV_BOOL, 0, unset, known, place);
    return in == EXPR_NONE ? EXPR_NONE : in + 1;
}

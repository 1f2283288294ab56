/* shift.c: expressions at another instant, and segments: texts of the catalog compiled where they are used.
 *
 * Purpose: `X at I` compiles X with T := I while events later than the outer T stay unseen. A boolean X is false
 * outside the population at I, and a missing I makes X missing, or false: where the nodes of X do not bring that about
 * by themselves, it is added. A segment is parsed once and compiled once for each instant, so that chains of segments
 * cannot multiply the work. Threads: none. Failure: see builder.h; errors inside a segment are reported in its own
 * text, field "segment NAME".
 */
#include "builder.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether every node up to `last` is missing wherever `instant` is, into strict[]. */
static void find_strict(const rv_builder_t *b, uint32_t last, uint32_t instant, bool *strict) {
    for (uint32_t i = 0; i <= last; i++) {
        const expr_out_t *node = b->nodes[i];
        expr_op_t op = node->op;
        size_t missing = 0;
        for (size_t k = 0; k < node->n_args; k++)
            missing += strict[node->args[k]];
        if (i == instant)
            strict[i] = true;
        else if (rv_expr_is_condition(op))
            strict[i] = false;
        else if (op == EXPR_OP(COALESCE))
            strict[i] = missing == node->n_args;
        else if (op == EXPR_OP(FUNNEL) || (op >= EXPR_OP(COUNT) && op <= EXPR_OP(DISTINCT))) {
            bool funnel = op == EXPR_OP(FUNNEL);
            const Reveille__V1__Bound *bounds[3] = {funnel ? b->funnels[node->ref]->lo : b->selections[node->ref]->lo,
                                                    funnel ? b->funnels[node->ref]->hi : b->selections[node->ref]->hi,
                                                    funnel ? b->funnels[node->ref]->until
                                                           : b->selections[node->ref]->until};
            strict[i] = false;
            for (size_t k = 0; k < 3; k++)
                strict[i] = strict[i] || (bounds[k] && strict[bounds[k]->node - 1]);
        } else
            strict[i] = missing > 0;
    }
}

/* 1, 0: the node is missing wherever the instant is, or not. -1: without memory. */
static int is_strict(rv_builder_t *b, uint32_t node, uint32_t instant) {
    bool *strict = calloc(RV_MAX_NODES, sizeof *strict);
    if (!strict) {
        rv_expr_fail_memory(&b->report);
        return -1;
    }
    find_strict(b, node, instant, strict);
    int result = strict[node];
    free(strict);
    return result;
}

/* The contact is in the population at the instant, which is present: 1 + condition; 0 when that is always so. */
static uint32_t inside_at(rv_builder_t *b, uint32_t instant, expr_place_t place) {
    uint32_t population = rv_expr_population(b, instant);
    if (population == EXPR_NONE || b->constants[instant])
        return population;
    uint32_t set = rv_expr_op(b, EXPR_OP(IS_SET), RV_BOOL, 0, instant, EXPR_NONE, place);
    if (set == EXPR_NONE || population == 0)
        return set == EXPR_NONE ? EXPR_NONE : set + 1;
    uint32_t both = rv_expr_op(b, EXPR_OP(AND), RV_BOOL, 0, set, population - 1, place);
    return both == EXPR_NONE ? EXPR_NONE : both + 1;
}

/* A boolean is false outside the population at the instant, and where that is missing. */
static uint32_t guard_boolean(rv_builder_t *b, uint32_t value, uint32_t instant, expr_place_t place) {
    uint32_t inside = inside_at(b, instant, place);
    if (inside == EXPR_NONE || inside == 0)
        return inside == 0 ? value : EXPR_NONE;
    if (rv_expr_is_condition(b->nodes[value]->op))
        return rv_expr_op(b, EXPR_OP(AND), RV_BOOL, 0, value, inside - 1, place);
    uint32_t outside = rv_expr_op(b, EXPR_OP(NOT), RV_BOOL, 0, inside - 1, EXPR_NONE, place);
    uint32_t no = rv_expr_integer(b, RV_BOOL, 0, place);
    if (outside == EXPR_NONE || no == EXPR_NONE)
        return EXPR_NONE;
    uint32_t first = rv_expr_op(b, EXPR_OP(WHEN), RV_BOOL, 0, no, outside, place);
    return first == EXPR_NONE ? EXPR_NONE : rv_expr_op(b, EXPR_OP(COALESCE), RV_BOOL, 0, first, value, place);
}

/* Any other value is missing where the instant is. */
static uint32_t guard_value(rv_builder_t *b, uint32_t value, uint32_t instant, expr_place_t place) {
    if (b->constants[instant])
        return value;
    int strict = is_strict(b, value, instant);
    if (strict != 0)
        return strict > 0 ? value : EXPR_NONE;
    uint32_t set = rv_expr_op(b, EXPR_OP(IS_SET), RV_BOOL, 0, instant, EXPR_NONE, place);
    if (set == EXPR_NONE)
        return EXPR_NONE;
    return rv_expr_op(b, EXPR_OP(WHEN), rv_expr_type(b, value), rv_expr_scale(b, value), value, set, place);
}

/* Made of constants alone: the same at every instant. */
static bool is_constant(const expr_node_t *node) {
    switch (node->kind) {
    case NODE_LITERAL:
    case NODE_PARAMETER:
        return true;
    case NODE_NOW:
    case NODE_AGO:
    case NODE_PATH:
    case NODE_AGGREGATE:
    case NODE_FUNNEL:
    case NODE_SCORE:
    case NODE_SEGMENT:
    case NODE_SPLIT:
    case NODE_LATER:
        return false;
    default:
        for (uint32_t i = 0; i < node->n; i++)
            if (!is_constant(node->kids[i]))
                return false;
        return true;
    }
}

uint32_t rv_expr_at(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    if (scope->event)
        return EXPR_FAIL(b, node->place, "'at' does not stand inside 'where': the condition is on one event as it is");
    if (is_constant(node->kids[0]))
        return EXPR_FAIL(b, node->place,
                         "'at' stands behind a constant and would change nothing: write (...) at ..., with "
                         "all that is to be evaluated at that instant in the brackets");
    uint32_t instant = rv_expr_instant(b, scope, node->kids[1]);
    if (instant == EXPR_NONE)
        return EXPR_NONE;
    expr_scope_t inside = *scope;
    inside.now = instant;
    inside.seen = rv_expr_earlier(b, instant, scope->seen, node->place);
    inside.past = true;
    if (inside.seen == EXPR_NONE)
        return EXPR_NONE;
    uint32_t value = rv_expr_compile(b, &inside, node->kids[0]);
    if (value == EXPR_NONE)
        return EXPR_NONE;
    return rv_expr_type(b, value) == RV_BOOL ? guard_boolean(b, value, instant, node->place)
                                             : guard_value(b, value, instant, node->place);
}

/* ---- segments ---- */

/* Number of the segment among those of the request, parsed; EXPR_NONE after a failure. */
static uint32_t load_segment(rv_builder_t *b, const Reveille__V1__Segment *segment) {
    for (uint32_t i = 0; i < b->n_segments; i++)
        if (b->segments[i].segment == segment)
            return i;
    size_t size = strlen(segment->name) + sizeof "segment ";
    char *field = rv_expr_alloc(b, size, 1);
    if (!field)
        return EXPR_NONE;
    snprintf(field, size, "segment %s", segment->name);
    expr_segment_t *loaded = &b->segments[b->n_segments];
    *loaded = (expr_segment_t){.segment = segment, .field = field};
    const char *outer = b->report.field;
    b->report.field = field;
    bool parsed = rv_expr_parse(&b->arena, &b->report, TEXT_FILTER, segment->filter, &loaded->tree);
    b->report.field = outer;
    return parsed ? b->n_segments++ : EXPR_NONE;
}

static uint32_t recall(const rv_builder_t *b, uint32_t segment, const expr_scope_t *scope) {
    for (uint32_t i = 0; i < b->n_memos; i++) {
        const expr_memo_t *memo = &b->memos[i];
        if (memo->segment == segment && memo->now == scope->now && memo->seen == scope->seen &&
            memo->past == scope->past)
            return memo->node;
    }
    return EXPR_NONE;
}

static void remember(rv_builder_t *b, uint32_t segment, const expr_scope_t *scope, uint32_t node) {
    if (b->n_memos == b->cap_memos) {
        uint32_t cap = b->cap_memos ? 2 * b->cap_memos : 16;
        expr_memo_t *memos = rv_expr_alloc(b, cap, sizeof *memos);
        if (!memos)
            return;
        if (b->n_memos)
            memcpy(memos, b->memos, b->n_memos * sizeof *memos);
        b->memos = memos;
        b->cap_memos = cap;
    }
    b->memos[b->n_memos++] = (expr_memo_t){segment, scope->now, scope->seen, scope->past, node};
}

/* Compiles a segment's own text; "" is everyone. */
static uint32_t compile_text(rv_builder_t *b, expr_segment_t *segment, const expr_scope_t *scope) {
    const char *outer = b->report.field;
    b->report.field = segment->field;
    segment->active = true;
    uint32_t node = segment->tree.root
                        ? rv_expr_condition(b, scope, segment->tree.root)
                        : rv_expr_truth(b, rv_expr_integer(b, RV_BOOL, 1, (expr_place_t){1, 1}), (expr_place_t){1, 1});
    segment->active = false;
    b->report.field = outer;
    return node;
}

uint32_t rv_expr_segment(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    const expr_node_t *kid = node->kids[0];
    const expr_constant_t *name = kid->kind == NODE_LITERAL ? kid->constant : rv_expr_bound(b, &kid->names[0]);
    if (!name)
        return EXPR_NONE;
    if (name->type != RV_STRING)
        return EXPR_FAIL(b, kid->place, "the name of a segment is a string, and the parameter is %s",
                         rv_expr_type_name(name->type));
    const Reveille__V1__Segment *segment = rv_expr_find_segment(b, name->value.s, kid->place);
    uint32_t number = segment ? load_segment(b, segment) : EXPR_NONE;
    if (number == EXPR_NONE)
        return EXPR_NONE;
    uint32_t known = recall(b, number, scope);
    if (known != EXPR_NONE)
        return known;
    if (b->segments[number].active)
        return EXPR_FAIL(b, kid->place, "the segment '%s' uses itself", rv_expr_quote(name->value.s).text);
    uint32_t result = compile_text(b, &b->segments[number], scope);
    if (result != EXPR_NONE)
        remember(b, number, scope, result);
    return result;
}

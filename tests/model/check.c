// check.c - the types of a syntax tree, bottom up.
//
// Structure: what goes with what (comparable, ordered, arithmetic); one function for each kind of node; whole texts.
// README.md, "Readings", lists the decisions on types.
#include "check.h"
#include "exact.h"

#include <string.h>
#include <strings.h>

#define SCALE_LIMIT 38

bool rvm_is_instant(rvm_type_t type) {
    return type == RVM_TIME || type == RVM_DATE;
}

bool rvm_is_ordered(rvm_type_t type) {
    return rvm_is_number(type) || rvm_is_instant(type) || type == RVM_STRING || type == RVM_DURATION;
}

bool rvm_comparable(rvm_type_t a, rvm_type_t b) {
    return (rvm_is_number(a) && rvm_is_number(b)) || (rvm_is_instant(a) && rvm_is_instant(b)) ||
           (a == b && a != RVM_SET && a != RVM_MISSING);
}

static bool mismatch(rvm_checker_t *k, const rvm_node_t *node, rvm_type_t a, rvm_type_t b) {
    rvm_fail(k->error, RVM_INVALID, node->line, node->column, "%s does not go with %s here", rvm_type_name(a),
             rvm_type_name(b));
    return false;
}

static bool check_kids(rvm_checker_t *k, rvm_node_t *node) {
    for (int i = 0; i < node->n; i++) {
        if (!rvm_check_node(k, node->kid[i])) {
            return false;
        }
    }
    return true;
}

bool rvm_check_bool(rvm_checker_t *k, rvm_node_t *node) {
    if (!rvm_check_node(k, node)) {
        return false;
    }
    return node->type == RVM_BOOL ||
           rvm_check_fail(k, node, RVM_INVALID, "not a condition:", rvm_type_name(node->type));
}

// ---- conditions ---------------------------------------------------------------------------------------------------

static bool check_logic(rvm_checker_t *k, rvm_node_t *node) {
    node->type = RVM_BOOL;
    for (int i = 0; i < node->n; i++) {
        if (!rvm_check_bool(k, node->kid[i])) {
            return false;
        }
    }
    return true;
}

// = and != on anything comparable; the other comparisons and `between` need an order.
static bool check_compare(rvm_checker_t *k, rvm_node_t *node) {
    bool equality = node->kind == RVM_NODE_COMPARE && (node->op == '=' || node->op == '!');
    node->type = RVM_BOOL;
    if (!check_kids(k, node)) {
        return false;
    }
    rvm_type_t left = node->kid[0]->type;
    for (int i = 1; i < node->n; i++) {
        if (!rvm_comparable(left, node->kid[i]->type) || !(equality || rvm_is_ordered(left))) {
            return mismatch(k, node, left, node->kid[i]->type);
        }
    }
    return true;
}

static bool check_in(rvm_checker_t *k, rvm_node_t *node) {
    rvm_node_t *list = node->kid[1];
    node->type = RVM_BOOL;
    if (!rvm_check_node(k, node->kid[0])) {
        return false;
    }
    rvm_type_t left = node->kid[0]->type;
    if (list->kind == RVM_NODE_PARAM) {
        if (!rvm_check_param(k, list)) {
            return false;
        }
        return list->param->n == 0 || rvm_comparable(left, list->type) || mismatch(k, node, left, list->type);
    }
    for (int i = 1; i < node->n; i++) {
        if (!rvm_check_node(k, node->kid[i])) {
            return false;
        }
        if (!rvm_comparable(left, node->kid[i]->type)) {
            return mismatch(k, node, left, node->kid[i]->type);
        }
    }
    return true;
}

static bool check_text(rvm_checker_t *k, rvm_node_t *node) {
    node->type = RVM_BOOL;
    if (!check_kids(k, node)) {
        return false;
    }
    bool ok = node->kid[0]->type == RVM_STRING && node->kid[1]->type == RVM_STRING;
    return ok || mismatch(k, node, node->kid[0]->type, node->kid[1]->type);
}

// ---- values -------------------------------------------------------------------------------------------------------

static bool check_literal(rvm_checker_t *k, rvm_node_t *node) {
    node->type = node->kind == RVM_NODE_OFFSET ? RVM_TIME : node->value.type;
    node->scale = node->value.scale;
    return !node->calendar || rvm_check_fail(k, node, RVM_UNIMPLEMENTED, "calendar", "duration");
}

// One value: a list is only for `in`.
static bool check_single(rvm_checker_t *k, rvm_node_t *node) {
    if (!rvm_check_param(k, node)) {
        return false;
    }
    if (node->param->list) {
        return rvm_check_fail(k, node, RVM_INVALID, "a list is not a value:", node->name);
    }
    node->value = node->param->values[0];
    return true;
}

static rvm_type_t number_type(rvm_node_t *node, char op, const rvm_node_t *a, const rvm_node_t *b) {
    if (op == '/' || a->type == RVM_DOUBLE || b->type == RVM_DOUBLE) {
        return RVM_DOUBLE;
    }
    if (a->type == RVM_INT && b->type == RVM_INT) {
        return RVM_INT;
    }
    int x = a->type == RVM_DECIMAL ? a->scale : 0, y = b->type == RVM_DECIMAL ? b->scale : 0;
    node->scale = op == '*' ? x + y : x > y ? x : y;
    return RVM_DECIMAL;
}

// RVM_MISSING when the operation makes no sense.
static rvm_type_t arith_type(rvm_node_t *node, char op, const rvm_node_t *a, const rvm_node_t *b) {
    bool plus = op == '+', minus = op == '-';
    bool a_long = a->type == RVM_DURATION, b_long = b->type == RVM_DURATION;
    bool a_instant = rvm_is_instant(a->type), b_instant = rvm_is_instant(b->type);
    if (rvm_is_number(a->type) && rvm_is_number(b->type)) {
        return number_type(node, op, a, b);
    }
    if ((a_instant && b_long && (plus || minus)) || (a_long && b_instant && plus)) {
        return RVM_TIME;
    }
    if ((a_instant && b_instant && minus) || (a_long && b_long && (plus || minus))) {
        return RVM_DURATION;
    }
    if (op == '*' && ((a_long && b->type == RVM_INT) || (a->type == RVM_INT && b_long))) {
        return RVM_DURATION;
    }
    return op == '/' && a_long && b_long ? RVM_DOUBLE : RVM_MISSING;
}

static bool check_arith(rvm_checker_t *k, rvm_node_t *node) {
    if (!check_kids(k, node)) {
        return false;
    }
    node->type = arith_type(node, node->op, node->kid[0], node->kid[1]);
    if (node->type == RVM_MISSING) {
        return mismatch(k, node, node->kid[0]->type, node->kid[1]->type);
    }
    return node->scale <= SCALE_LIMIT || rvm_check_fail(k, node, RVM_INVALID, "more than 38 decimals:", "product");
}

static bool check_negate(rvm_checker_t *k, rvm_node_t *node) {
    if (!check_kids(k, node)) {
        return false;
    }
    node->type = node->kid[0]->type;
    node->scale = node->kid[0]->scale;
    bool ok = rvm_is_number(node->type) || node->type == RVM_DURATION;
    return ok || rvm_check_fail(k, node, RVM_INVALID, "no minus for", rvm_type_name(node->type));
}

// Nothing below depends on the contact or on the instant.
static bool is_constant(const rvm_node_t *node) {
    if (node->kind == RVM_NODE_LITERAL || node->kind == RVM_NODE_PARAM) {
        return true;
    }
    bool constant = node->n > 0 &&
                    (node->kind <= RVM_NODE_NEGATE || node->kind == RVM_NODE_BUCKET || node->kind == RVM_NODE_SCALAR);
    for (int i = 0; i < node->n; i++) {
        constant = constant && is_constant(node->kid[i]);
    }
    return constant;
}

static bool check_at(rvm_checker_t *k, rvm_node_t *node) {
    rvm_node_t *value = node->kid[0], *instant = node->kid[1];
    if (k->in_where) {
        return rvm_check_fail(k, node, RVM_INVALID, "not inside where:", "at");
    }
    if (is_constant(value)) {
        return rvm_check_fail(k, node, RVM_INVALID, "a constant has no past, write (...)", "at");
    }
    if (!rvm_check_node(k, instant)) {
        return false;
    }
    if (!rvm_is_instant(instant->type)) {
        return rvm_check_fail(k, instant, RVM_INVALID, "not an instant:", rvm_type_name(instant->type));
    }
    k->in_at++;
    bool ok = rvm_check_node(k, value);
    k->in_at--;
    node->type = value->type;
    node->scale = value->scale;
    return ok;
}

static rvm_value_t edge_value(const rvm_node_t *edge) {
    bool overflow = false;
    return edge->kind == RVM_NODE_NEGATE ? rvm_negate(&edge->kid[0]->value, &overflow) : edge->value;
}

static bool check_bucket(rvm_checker_t *k, rvm_node_t *node) {
    if (!check_kids(k, node)) {
        return false;
    }
    node->type = RVM_INT;
    for (int i = 1; i < node->n; i++) {
        if (!rvm_comparable(node->kid[0]->type, node->kid[i]->type) || !rvm_is_ordered(node->kid[0]->type)) {
            return mismatch(k, node, node->kid[0]->type, node->kid[i]->type);
        }
        rvm_value_t edge = edge_value(node->kid[i]);
        rvm_value_t before = edge_value(node->kid[i > 1 ? i - 1 : i]);
        if (i > 1 && rvm_compare(&before, &edge) >= 0) {
            return rvm_check_fail(k, node, RVM_INVALID, "edges are not ascending:", "bucket");
        }
    }
    return true;
}

static bool check_coalesce(rvm_checker_t *k, rvm_node_t *node) {
    node->type = node->kid[0]->type;
    node->scale = node->kid[0]->scale;
    for (int i = 1; i < node->n; i++) {
        const rvm_node_t *kid = node->kid[i];
        if (!rvm_comparable(node->type, kid->type)) {
            return mismatch(k, node, node->type, kid->type);
        }
        if (node->type == kid->type && node->type != RVM_DECIMAL) {
            continue;
        }
        if (rvm_is_instant(node->type)) {
            node->type = RVM_TIME;
        } else if (node->type == RVM_DOUBLE || kid->type == RVM_DOUBLE) {
            node->type = RVM_DOUBLE;
        } else {
            int scale = node->type == RVM_DECIMAL ? node->scale : 0, other = kid->type == RVM_DECIMAL ? kid->scale : 0;
            node->type = RVM_DECIMAL;
            node->scale = scale > other ? scale : other;
        }
    }
    return node->type != RVM_SET || rvm_check_fail(k, node, RVM_INVALID, "not for a set:", "coalesce");
}

// Functions of one argument: what they take (N number, D duration, S string, I instant) and what they give.
static bool check_scalar(rvm_checker_t *k, rvm_node_t *node) {
    static const struct {
        const char *name, *takes;
        rvm_type_t gives; // MISSING: the type of the argument
    } functions[] = {{"lower", "S", RVM_STRING}, {"upper", "S", RVM_STRING}, {"length", "S", RVM_INT},
                     {"abs", "ND", RVM_MISSING}, {"round", "N", RVM_INT},    {"floor", "N", RVM_INT},
                     {"day", "I", RVM_INT}};
    static const char *const later[] = {"fold", "year", "month", "days_until_anniversary"};
    if (!check_kids(k, node)) {
        return false;
    }
    if (strcasecmp(node->name, "coalesce") == 0) {
        return check_coalesce(k, node);
    }
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        if (strcasecmp(node->name, later[i]) == 0) {
            return rvm_check_fail(k, node, RVM_UNIMPLEMENTED, "function", later[i]);
        }
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcasecmp(node->name, functions[i].name) != 0) {
            continue;
        }
        rvm_type_t type = node->kid[0]->type;
        char letter = rvm_is_number(type)    ? 'N'
                      : type == RVM_DURATION ? 'D'
                      : type == RVM_STRING   ? 'S'
                      : rvm_is_instant(type) ? 'I'
                                             : '?';
        if (node->n != 1 || strchr(functions[i].takes, letter) == NULL) {
            return rvm_check_fail(k, node, RVM_INVALID, "wrong arguments of", node->name);
        }
        node->type = functions[i].gives == RVM_MISSING ? type : functions[i].gives;
        node->scale = node->type == RVM_DECIMAL ? node->kid[0]->scale : 0;
        return true;
    }
    return rvm_check_fail(k, node, RVM_INVALID, "unknown function", node->name);
}

static bool check_split(rvm_checker_t *k, rvm_node_t *node) {
    node->type = RVM_INT;
    bool ok = node->value.type == RVM_INT && node->value.i > 0;
    return ok || rvm_check_fail(k, node, RVM_INVALID, "wrong number of parts:", "split");
}

bool rvm_check_node(rvm_checker_t *k, rvm_node_t *node) {
    switch (node->kind) {
    case RVM_NODE_OR:
    case RVM_NODE_AND:
    case RVM_NODE_NOT:
        return check_logic(k, node);
    case RVM_NODE_COMPARE:
    case RVM_NODE_BETWEEN:
        return check_compare(k, node);
    case RVM_NODE_IN:
        return check_in(k, node);
    case RVM_NODE_TEXT:
        return check_text(k, node);
    case RVM_NODE_IS_SET:
        node->type = RVM_BOOL;
        return check_kids(k, node);
    case RVM_NODE_ARITH:
        return check_arith(k, node);
    case RVM_NODE_NEGATE:
        return check_negate(k, node);
    case RVM_NODE_AT:
        return check_at(k, node);
    case RVM_NODE_LITERAL:
    case RVM_NODE_OFFSET:
        return check_literal(k, node);
    case RVM_NODE_NOW:
        node->type = RVM_TIME;
        return true;
    case RVM_NODE_PARAM:
        return check_single(k, node);
    case RVM_NODE_PATH:
        return rvm_check_path(k, node);
    case RVM_NODE_AGGREGATE:
        return rvm_check_aggregate(k, node);
    case RVM_NODE_FUNNEL:
        return rvm_check_funnel(k, node);
    case RVM_NODE_SCORE:
        return rvm_check_score(k, node);
    case RVM_NODE_SEGMENT:
        return rvm_check_segment(k, node);
    case RVM_NODE_SPLIT:
        return check_split(k, node);
    case RVM_NODE_BUCKET:
        return check_bucket(k, node);
    case RVM_NODE_SCALAR:
        return check_scalar(k, node);
    default:
        return rvm_check_fail(k, node, RVM_UNIMPLEMENTED, "not in this version:", node->name);
    }
}

// ---- texts --------------------------------------------------------------------------------------------------------

static bool check_measure(rvm_checker_t *k, rvm_measure_t *measure) {
    rvm_node_t *argument = measure->argument;
    if (argument == NULL) {
        return true;
    }
    if (!rvm_check_node(k, argument)) {
        return false;
    }
    bool ok = argument->type != RVM_SET;
    if (measure->function == RVM_AGG_SUM || measure->function == RVM_AGG_AVG) {
        ok = rvm_is_number(argument->type) || argument->type == RVM_DURATION;
    } else if (measure->function != RVM_AGG_DISTINCT) {
        ok = rvm_is_ordered(argument->type);
    }
    rvm_value_t one = rvm_int(1);
    if (measure->function == RVM_AGG_QUANTILE && rvm_compare(&measure->quantile, &one) > 0) {
        ok = false;
    }
    return ok ||
           rvm_check_fail(k, argument, RVM_INVALID, "wrong argument of a measure:", rvm_type_name(argument->type));
}

static bool check_ast(rvm_checker_t *k, rvm_text_kind_t kind, rvm_ast_t *ast) {
    for (int i = 0; i < ast->n; i++) {
        bool ok = kind == RVM_TEXT_COMPUTE  ? check_measure(k, &ast->measure[i])
                  : kind == RVM_TEXT_FILTER ? rvm_check_bool(k, ast->node[i])
                                            : rvm_check_node(k, ast->node[i]);
        if (!ok) {
            return false;
        }
        if (kind == RVM_TEXT_ORDER && ast->node[i]->type == RVM_SET) {
            return rvm_check_fail(k, ast->node[i], RVM_INVALID, "no order in", "set");
        }
    }
    return rvm_check_steps(k, &ast->steps) && rvm_check_window(k, &ast->window);
}

rvm_ast_t *rvm_prepare(rvm_arena_t *arena, const rvm_world_t *world, rvm_text_kind_t kind, const char *text,
                       rvm_error_t *error) {
    rvm_ast_t *ast = rvm_parse(arena, kind, text, error);
    rvm_checker_t k = {.arena = arena, .world = world, .error = error};
    return ast != NULL && check_ast(&k, kind, ast) ? ast : NULL;
}

rvm_status_t rvm_check_only(const rvm_world_t *world, rvm_text_kind_t kind, const char *text, rvm_error_t *error) {
    rvm_arena_t *arena = rvm_arena_new();
    rvm_prepare(arena, world, kind, text, error);
    rvm_arena_destroy(&arena);
    return error->status;
}

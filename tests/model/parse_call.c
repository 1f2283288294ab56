// parse_call.c - calls, selections, windows, steps; then the kinds of text that a request carries.
//
// Structure: selection and its parts; one function for each shape of call, found by its name in a table; texts.
#include "parse.h"

#include <string.h>
#include <strings.h>

// ---- selections ---------------------------------------------------------------------------------------------------

bool rvm_parse_types(rvm_parser_t *p, rvm_selection_t *selection) {
    if (rvm_accept_word(p, "any")) {
        selection->any = true;
        return true;
    }
    int room = 1;
    for (const rvm_token_t *t = p->at; t->kind != RVM_TOK_END; t++) {
        room += rvm_is_symbol(t, "|");
    }
    selection->names = rvm_alloc(p->arena, (size_t)room * sizeof(rvm_token_t *));
    do {
        if (!rvm_is_name(p->at)) {
            rvm_parse_fail(p, "an event type or group");
            return false;
        }
        selection->names[selection->n_names++] = p->at;
        p->at++;
    } while (rvm_accept_symbol(p, "|"));
    return true;
}

static bool parse_where(rvm_parser_t *p, rvm_node_t **ret) {
    if (!rvm_accept_word(p, "where")) {
        return true;
    }
    if (!rvm_enter(p)) {
        return false;
    }
    *ret = rvm_parse_or(p);
    p->depth--;
    return *ret != NULL;
}

static bool parse_follow(rvm_parser_t *p, rvm_selection_t *selection) {
    const rvm_token_t *next = p->at + (rvm_is_word(p->at, "not") ? 1 : 0);
    if (!rvm_is_word(next, "followed")) {
        return true;
    }
    rvm_selection_t other = {0};
    p->at = next + 1;
    selection->follow = true;
    if (!rvm_expect_word(p, "by") || !rvm_parse_types(p, &other) || !parse_where(p, &other.where)) {
        return false;
    }
    if (rvm_accept_word(p, "with")) {
        if (!rvm_expect_word(p, "same")) {
            return false;
        }
        if (!rvm_is_name(p->at)) {
            return rvm_parse_fail(p, "a property") != NULL;
        }
        p->at++;
    }
    return rvm_expect_word(p, "in") && rvm_parse_duration(p) != NULL;
}

bool rvm_parse_window(rvm_parser_t *p, rvm_window_t *window) {
    if (rvm_accept_word(p, "within")) {
        window->kind = RVM_WINDOW_WITHIN;
        if (p->at->kind == RVM_TOK_PARAM) {
            window->within = rvm_node_new(p, RVM_NODE_PARAM);
            window->within->name = p->at->text;
            p->at++;
        } else {
            window->within = rvm_parse_duration(p);
        }
        return window->within != NULL;
    }
    if (rvm_accept_word(p, "from")) {
        window->kind = RVM_WINDOW_RANGE;
        window->from = rvm_parse_instant(p);
        if (window->from == NULL) {
            return false;
        }
    }
    if (rvm_accept_word(p, "to")) {
        window->kind = RVM_WINDOW_RANGE;
        window->to = rvm_parse_instant(p);
        return window->to != NULL;
    }
    return true;
}

static rvm_selection_t *parse_selection(rvm_parser_t *p) {
    rvm_selection_t *selection = rvm_alloc(p->arena, sizeof *selection);
    bool ok = rvm_parse_types(p, selection) && parse_where(p, &selection->where) && parse_follow(p, selection) &&
              rvm_parse_window(p, &selection->window);
    return ok ? selection : NULL;
}

bool rvm_parse_steps(rvm_parser_t *p, rvm_steps_t *steps, int least) {
    int room = 1;
    for (const rvm_token_t *t = p->at; t->kind != RVM_TOK_END; t++) {
        room += rvm_is_word(t, "then");
    }
    steps->step = rvm_alloc(p->arena, (size_t)room * sizeof(rvm_selection_t *));
    do {
        rvm_selection_t *step = rvm_alloc(p->arena, sizeof *step);
        if (!rvm_parse_types(p, step) || !parse_where(p, &step->where)) {
            return false;
        }
        steps->step[steps->n++] = step;
    } while (rvm_accept_word(p, "then"));
    return steps->n >= least || rvm_parse_fail(p, "then") != NULL;
}

// ---- calls --------------------------------------------------------------------------------------------------------

static rvm_node_t *parse_aggregate(rvm_parser_t *p, rvm_node_t *node, rvm_aggregate_t function) {
    bool field = function >= RVM_AGG_SUM;
    if (function == RVM_AGG_FIRST || function == RVM_AGG_LAST) {
        field = rvm_is_word(p->at + 1, "of");
    }
    node->kind = RVM_NODE_AGGREGATE;
    node->aggregate = function;
    if (field) {
        if (!rvm_is_name(p->at)) {
            return rvm_parse_fail(p, "a property");
        }
        node->field = p->at;
        p->at++;
        if (!rvm_expect_word(p, "of")) {
            return NULL;
        }
    }
    node->selection = parse_selection(p);
    return node->selection == NULL ? NULL : node;
}

static rvm_node_t *parse_funnel(rvm_parser_t *p, rvm_node_t *node) {
    node->kind = RVM_NODE_FUNNEL;
    if (!rvm_parse_steps(p, &node->steps, 2) || !rvm_expect_word(p, "in")) {
        return NULL;
    }
    rvm_node_t *within = rvm_parse_duration(p);
    if (within == NULL) {
        return NULL;
    }
    rvm_node_push(p, node, within);
    return rvm_parse_window(p, &node->window) ? node : NULL;
}

static bool parse_name(rvm_parser_t *p, rvm_node_t *node) {
    if (!rvm_is_name(p->at)) {
        return rvm_parse_fail(p, "a name") != NULL;
    }
    node->name = p->at->text;
    p->at++;
    return true;
}

static rvm_node_t *parse_segment(rvm_parser_t *p, rvm_node_t *node) {
    node->kind = RVM_NODE_SEGMENT;
    if (p->at->kind == RVM_TOK_PARAM) {
        rvm_node_t *param = rvm_node_new(p, RVM_NODE_PARAM);
        param->name = p->at->text;
        rvm_node_push(p, node, param);
    } else if (p->at->kind == RVM_TOK_STRING) {
        node->name = p->at->text;
    } else {
        return rvm_parse_fail(p, "a string or a parameter");
    }
    p->at++;
    return node;
}

static rvm_node_t *parse_split(rvm_parser_t *p, rvm_node_t *node) {
    node->kind = RVM_NODE_SPLIT;
    if (p->at->kind != RVM_TOK_STRING) {
        return rvm_parse_fail(p, "a string");
    }
    node->name = p->at->text;
    p->at++;
    if (!rvm_expect_symbol(p, ",")) {
        return NULL;
    }
    if (p->at->kind != RVM_TOK_WHOLE) {
        return rvm_parse_fail(p, "a whole number");
    }
    node->value = p->at->value;
    p->at++;
    return node;
}

static rvm_node_t *parse_bucket(rvm_parser_t *p, rvm_node_t *node) {
    node->kind = RVM_NODE_BUCKET;
    rvm_node_t *kid = rvm_parse_sum(p);
    if (kid == NULL || !rvm_is_symbol(p->at, ",")) {
        return kid == NULL ? NULL : rvm_parse_fail(p, ",");
    }
    rvm_node_push(p, node, kid);
    while (rvm_accept_symbol(p, ",")) {
        kid = rvm_parse_item(p);
        if (kid == NULL) {
            return NULL;
        }
        rvm_node_push(p, node, kid);
    }
    return node;
}

// The calls that this version refuses: their arguments are only parsed.
static rvm_node_t *parse_later(rvm_parser_t *p, rvm_node_t *node, const char *function) {
    rvm_node_t dummy = {0};
    node->kind = RVM_NODE_LATER;
    node->name = function;
    if (strcmp(function, "stage") == 0) {
        return rvm_is_symbol(p->at, ")") || parse_name(p, &dummy) ? node : NULL;
    }
    if (!parse_name(p, &dummy)) {
        return NULL;
    }
    if (strcmp(function, "p_alive") == 0) {
        return node;
    }
    bool ok = strcmp(function, "peak") == 0 ? rvm_expect_word(p, "within") : rvm_expect_symbol(p, ",");
    return ok && rvm_parse_duration(p) != NULL ? node : NULL;
}

static rvm_node_t *parse_scalar(rvm_parser_t *p, rvm_node_t *node, const char *function) {
    node->kind = RVM_NODE_SCALAR;
    node->name = function;
    do {
        rvm_node_t *kid = rvm_parse_or(p);
        if (kid == NULL) {
            return NULL;
        }
        rvm_node_push(p, node, kid);
    } while (rvm_accept_symbol(p, ","));
    return node;
}

static rvm_node_t *parse_score(rvm_parser_t *p, rvm_node_t *node) {
    node->kind = RVM_NODE_SCORE;
    return parse_name(p, node) ? node : NULL;
}

static rvm_node_t *parse_arguments(rvm_parser_t *p, rvm_node_t *node, const rvm_token_t *function) {
    static const char *const aggregates[] = {"count", "exists", "first", "last", "recency", "cadence",
                                             "sum",   "min",    "max",   "avg",  "distinct"};
    static const struct {
        const char *name;
        rvm_node_t *(*parse)(rvm_parser_t *p, rvm_node_t *node);
    } calls[] = {{"funnel", parse_funnel},
                 {"score", parse_score},
                 {"segment", parse_segment},
                 {"split", parse_split},
                 {"bucket", parse_bucket}};
    static const char *const later[] = {"peak", "stage", "p_alive", "expected", "clv"};
    for (int i = 0; i < (int)(sizeof aggregates / sizeof aggregates[0]); i++) {
        if (rvm_is_word(function, aggregates[i])) {
            return parse_aggregate(p, node, (rvm_aggregate_t)i);
        }
    }
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (rvm_is_word(function, calls[i].name)) {
            return calls[i].parse(p, node);
        }
    }
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        if (rvm_is_word(function, later[i])) {
            return parse_later(p, node, later[i]);
        }
    }
    return parse_scalar(p, node, function->text);
}

rvm_node_t *rvm_parse_call(rvm_parser_t *p) {
    const rvm_token_t *function = p->at;
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_SCALAR);
    p->at += 2;
    if (!rvm_enter(p) || parse_arguments(p, node, function) == NULL || !rvm_expect_symbol(p, ")")) {
        return NULL;
    }
    p->depth--;
    return node;
}

// ---- texts --------------------------------------------------------------------------------------------------------

static bool parse_measure(rvm_parser_t *p, rvm_measure_t *measure) {
    static const struct {
        const char *name;
        rvm_aggregate_t function;
    } names[] = {{"sum", RVM_AGG_SUM}, {"avg", RVM_AGG_AVG},           {"min", RVM_AGG_MIN},
                 {"max", RVM_AGG_MAX}, {"distinct", RVM_AGG_DISTINCT}, {"quantile", RVM_AGG_QUANTILE}};
    if (rvm_accept_word(p, "count")) {
        measure->function = RVM_AGG_COUNT;
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!rvm_is_word(p->at, names[i].name)) {
            continue;
        }
        p->at++;
        measure->function = names[i].function;
        if (!rvm_expect_symbol(p, "(") || (measure->argument = rvm_parse_sum(p)) == NULL) {
            return false;
        }
        if (measure->function == RVM_AGG_QUANTILE) {
            bool comma = rvm_expect_symbol(p, ",");
            if (!comma || (p->at->kind != RVM_TOK_WHOLE && p->at->kind != RVM_TOK_FRACTION)) {
                return rvm_parse_fail(p, "a number from 0 to 1") != NULL;
            }
            measure->quantile = p->at->value;
            p->at++;
        }
        return rvm_expect_symbol(p, ")");
    }
    return rvm_parse_fail(p, "count, sum, avg, min, max, distinct or quantile") != NULL;
}

static bool parse_list(rvm_parser_t *p, rvm_text_kind_t kind, rvm_ast_t *ast) {
    int room = 1;
    for (const rvm_token_t *t = p->at; t->kind != RVM_TOK_END; t++) {
        room += rvm_is_symbol(t, ",");
    }
    ast->node = rvm_alloc(p->arena, (size_t)room * sizeof(rvm_node_t *));
    ast->descending = rvm_alloc(p->arena, (size_t)room * sizeof(bool));
    ast->measure = rvm_alloc(p->arena, (size_t)room * sizeof(rvm_measure_t));
    do {
        if (kind == RVM_TEXT_COMPUTE) {
            if (!parse_measure(p, &ast->measure[ast->n])) {
                return false;
            }
        } else if ((ast->node[ast->n] = rvm_parse_sum(p)) == NULL) {
            return false;
        }
        if (kind == RVM_TEXT_ORDER && !rvm_accept_word(p, "asc")) {
            ast->descending[ast->n] = rvm_accept_word(p, "desc");
        }
        ast->n++;
    } while (rvm_accept_symbol(p, ","));
    return true;
}

static bool parse_text(rvm_parser_t *p, rvm_text_kind_t kind, rvm_ast_t *ast) {
    switch (kind) {
    case RVM_TEXT_FILTER:
        ast->node = rvm_alloc(p->arena, sizeof(rvm_node_t *));
        if (p->at->kind == RVM_TOK_END) {
            return true;
        }
        ast->n = 1;
        return (ast->node[0] = rvm_parse_or(p)) != NULL;
    case RVM_TEXT_STEPS:
        return rvm_parse_steps(p, &ast->steps, 2);
    case RVM_TEXT_TYPES:
        ast->steps.n = 1;
        ast->steps.step = rvm_alloc(p->arena, sizeof(rvm_selection_t *));
        ast->steps.step[0] = rvm_alloc(p->arena, sizeof(rvm_selection_t));
        return rvm_parse_types(p, ast->steps.step[0]);
    case RVM_TEXT_WINDOW:
        return rvm_parse_window(p, &ast->window);
    default:
        return parse_list(p, kind, ast);
    }
}

rvm_ast_t *rvm_parse(rvm_arena_t *arena, rvm_text_kind_t kind, const char *text, rvm_error_t *error) {
    *error = (rvm_error_t){.status = RVM_OK};
    rvm_parser_t p = {.arena = arena, .at = rvm_lex(arena, text, error), .error = error};
    rvm_ast_t *ast = rvm_alloc(arena, sizeof *ast);
    if (p.at == NULL || !parse_text(&p, kind, ast)) {
        return NULL;
    }
    return p.at->kind == RVM_TOK_END ? ast : rvm_parse_fail(&p, "the end");
}

rvm_status_t rvm_parse_only(rvm_text_kind_t kind, const char *text, rvm_error_t *error) {
    rvm_arena_t *arena = rvm_arena_new();
    rvm_parse(arena, kind, text, error);
    rvm_arena_destroy(&arena);
    return error->status;
}

// parse.c - conditions, sums, literals, instants and whole texts, one function for each rule of the grammar.
//
// Structure: small look-ahead helpers; literals; primary .. or (upwards through the grammar); the kinds of text.
// It descends recursively under an explicit limit of 64 levels.
#include "parse.h"

#include <string.h>
#include <strings.h>

#define DEPTH_LIMIT 64

void *rvm_parse_fail(rvm_parser_t *p, const char *expected) {
    rvm_fail(p->error, RVM_SYNTAX, p->at->line, p->at->column, "expected %s before '%.40s'", expected, p->at->text);
    return NULL;
}

bool rvm_is_word(const rvm_token_t *token, const char *word) {
    return token->kind == RVM_TOK_NAME && strcasecmp(token->text, word) == 0;
}

bool rvm_is_symbol(const rvm_token_t *token, const char *symbol) {
    return token->kind == RVM_TOK_SYMBOL && strcmp(token->text, symbol) == 0;
}

bool rvm_is_name(const rvm_token_t *token) {
    return token->kind == RVM_TOK_QUOTED || (token->kind == RVM_TOK_NAME && !token->reserved);
}

bool rvm_accept_word(rvm_parser_t *p, const char *word) {
    bool yes = rvm_is_word(p->at, word);
    p->at += yes;
    return yes;
}

bool rvm_accept_symbol(rvm_parser_t *p, const char *symbol) {
    bool yes = rvm_is_symbol(p->at, symbol);
    p->at += yes;
    return yes;
}

bool rvm_expect_word(rvm_parser_t *p, const char *word) {
    return rvm_accept_word(p, word) || rvm_parse_fail(p, word) != NULL;
}

bool rvm_expect_symbol(rvm_parser_t *p, const char *symbol) {
    return rvm_accept_symbol(p, symbol) || rvm_parse_fail(p, symbol) != NULL;
}

bool rvm_enter(rvm_parser_t *p) {
    if (++p->depth > DEPTH_LIMIT) {
        rvm_fail(p->error, RVM_SYNTAX, p->at->line, p->at->column, "nested more than %d deep", DEPTH_LIMIT);
        return false;
    }
    return true;
}

rvm_node_t *rvm_node_new(rvm_parser_t *p, rvm_node_kind_t kind) {
    rvm_node_t *node = rvm_alloc(p->arena, sizeof *node);
    node->kind = kind;
    node->line = p->at->line;
    node->column = p->at->column;
    return node;
}

void rvm_node_push(rvm_parser_t *p, rvm_node_t *node, rvm_node_t *kid) {
    if ((node->n & (node->n - 1)) == 0) { // full at 0, 1, 2, 4, 8, ...
        rvm_node_t **more = rvm_alloc(p->arena, (size_t)(node->n == 0 ? 1 : 2 * node->n) * sizeof(rvm_node_t *));
        for (int i = 0; i < node->n; i++) {
            more[i] = node->kid[i];
        }
        node->kid = more;
    }
    node->kid[node->n++] = kid;
}

// ---- literals -----------------------------------------------------------------------------------------------------

// Milliseconds of a unit; 0: a calendar unit; -1: not a unit.
static int64_t unit_of(const rvm_token_t *token) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"second", 1000},    {"minute", 60000}, {"hour", 3600000}, {"day", 86400000},
                 {"week", 604800000}, {"month", 0},      {"quarter", 0},    {"year", 0}};
    size_t length = strlen(token->text);
    if (token->kind != RVM_TOK_NAME) {
        return -1;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t n = strlen(units[i].name);
        bool plural = length == n + 1 && (token->text[n] == 's' || token->text[n] == 'S');
        if ((length == n || plural) && strncasecmp(token->text, units[i].name, n) == 0) {
            return units[i].ms;
        }
    }
    return -1;
}

bool rvm_is_duration(const rvm_token_t *token) {
    return token->kind == RVM_TOK_WHOLE && unit_of(token + 1) >= 0;
}

rvm_node_t *rvm_parse_duration(rvm_parser_t *p) {
    if (p->at->kind == RVM_TOK_FRACTION && unit_of(p->at + 1) >= 0) {
        return rvm_parse_fail(p, "a duration in whole units (1.5 days: write 36 hours)");
    }
    if (!rvm_is_duration(p->at)) {
        return rvm_parse_fail(p, "a duration");
    }
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_LITERAL);
    int64_t unit = unit_of(p->at + 1), ms = 0;
    if (p->at->value.type != RVM_INT || __builtin_mul_overflow(p->at->value.i, unit, &ms)) {
        return rvm_parse_fail(p, "a shorter duration");
    }
    node->calendar = unit == 0;
    node->value = rvm_duration(ms);
    p->at += 2;
    return node;
}

rvm_node_t *rvm_parse_literal(rvm_parser_t *p) {
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_LITERAL);
    const rvm_token_t *token = p->at;
    switch (token->kind) {
    case RVM_TOK_WHOLE:
    case RVM_TOK_FRACTION:
        if (unit_of(token + 1) >= 0) {
            return rvm_parse_duration(p);
        }
        node->value = token->value;
        break;
    case RVM_TOK_DATE:
    case RVM_TOK_TIMESTAMP:
        node->value = token->value;
        break;
    case RVM_TOK_STRING:
        node->value = rvm_string(token->text);
        break;
    default:
        if (!rvm_is_word(token, "true") && !rvm_is_word(token, "false")) {
            return rvm_parse_fail(p, "a value");
        }
        node->value = rvm_bool(rvm_is_word(token, "true"));
    }
    p->at++;
    return node;
}

rvm_node_t *rvm_parse_item(rvm_parser_t *p) {
    if (!rvm_is_symbol(p->at, "-")) {
        return rvm_parse_literal(p);
    }
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_NEGATE);
    p->at++;
    rvm_node_t *literal = rvm_parse_literal(p);
    if (literal == NULL) {
        return NULL;
    }
    rvm_node_push(p, node, literal);
    return node;
}

static rvm_node_t *parse_param(rvm_parser_t *p) {
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_PARAM);
    node->name = p->at->text;
    p->at++;
    return node;
}

// Is a duration here the beginning of "3 days ago" or "3 days from now"?
static bool is_instant_duration(const rvm_token_t *at) {
    return rvm_is_duration(at) &&
           (rvm_is_word(at + 2, "ago") || (rvm_is_word(at + 2, "from") && rvm_is_word(at + 3, "now")));
}

static rvm_node_t *parse_offset(rvm_parser_t *p) {
    rvm_node_t *node = rvm_parse_duration(p);
    if (node != NULL) {
        bool ago = rvm_is_word(p->at, "ago");
        p->at += ago ? 1 : 2;
        node->kind = RVM_NODE_OFFSET;
        node->value.i = ago ? -node->value.i : node->value.i;
    }
    return node;
}

// ---- instants -----------------------------------------------------------------------------------------------------

static rvm_node_t *parse_point(rvm_parser_t *p) {
    rvm_node_t *node;
    if (rvm_is_word(p->at, "now")) {
        node = rvm_node_new(p, RVM_NODE_NOW);
        p->at++;
        return node;
    }
    if (is_instant_duration(p->at)) {
        return parse_offset(p);
    }
    if (p->at->kind == RVM_TOK_DATE || p->at->kind == RVM_TOK_TIMESTAMP) {
        return rvm_parse_literal(p);
    }
    if (p->at->kind == RVM_TOK_PARAM) {
        return parse_param(p);
    }
    if (!rvm_is_symbol(p->at, "(")) {
        return rvm_parse_fail(p, "an instant (now, 3 days ago, a date, a parameter, or an expression in parentheses)");
    }
    p->at++;
    if (!rvm_enter(p) || (node = rvm_parse_sum(p)) == NULL || !rvm_expect_symbol(p, ")")) {
        return NULL;
    }
    p->depth--;
    return node;
}

rvm_node_t *rvm_parse_instant(rvm_parser_t *p) {
    rvm_node_t *left = parse_point(p);
    while (left != NULL && (rvm_is_symbol(p->at, "+") || rvm_is_symbol(p->at, "-")) && rvm_is_duration(p->at + 1) &&
           !is_instant_duration(p->at + 1)) {
        rvm_node_t *node = rvm_node_new(p, RVM_NODE_ARITH);
        node->op = p->at->text[0];
        p->at++;
        rvm_node_push(p, node, left);
        rvm_node_push(p, node, rvm_parse_duration(p));
        left = node->kid[1] == NULL ? NULL : node;
    }
    return left;
}

// ---- primary .. or ------------------------------------------------------------------------------------------------

static rvm_node_t *parse_path(rvm_parser_t *p) {
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_PATH);
    node->name = p->at->text;
    p->at++;
    while (rvm_accept_symbol(p, ".")) {
        if (!rvm_is_name(p->at)) {
            return rvm_parse_fail(p, "a name");
        }
        node->member = node->member == NULL ? p->at->text : rvm_format(p->arena, "%s.%s", node->member, p->at->text);
        p->at++;
    }
    return node;
}

static rvm_node_t *parse_parens(rvm_parser_t *p) {
    p->at++;
    if (!rvm_enter(p)) {
        return NULL;
    }
    rvm_node_t *node = rvm_parse_or(p);
    if (node == NULL || !rvm_expect_symbol(p, ")")) {
        return NULL;
    }
    p->depth--;
    return node;
}

static rvm_node_t *parse_primary(rvm_parser_t *p) {
    if (rvm_is_symbol(p->at, "(")) {
        return parse_parens(p);
    }
    if (rvm_is_symbol(p->at, "-")) {
        rvm_node_t *node = rvm_node_new(p, RVM_NODE_NEGATE);
        p->at++;
        rvm_node_t *kid = rvm_enter(p) ? parse_primary(p) : NULL;
        p->depth--;
        rvm_node_push(p, node, kid);
        return kid == NULL ? NULL : node;
    }
    if (rvm_is_word(p->at, "now")) {
        return parse_point(p);
    }
    if (p->at->kind == RVM_TOK_PARAM) {
        return parse_param(p);
    }
    if (is_instant_duration(p->at)) {
        return parse_offset(p);
    }
    if (p->at->kind == RVM_TOK_NAME && !p->at->reserved && rvm_is_symbol(p->at + 1, "(")) {
        return rvm_parse_call(p);
    }
    return rvm_is_name(p->at) ? parse_path(p) : rvm_parse_literal(p);
}

static rvm_node_t *parse_shifted(rvm_parser_t *p) {
    rvm_node_t *left = parse_primary(p);
    while (left != NULL && rvm_is_word(p->at, "at")) {
        rvm_node_t *node = rvm_node_new(p, RVM_NODE_AT);
        p->at++;
        rvm_node_push(p, node, left);
        rvm_node_push(p, node, rvm_parse_instant(p));
        left = node->kid[1] == NULL ? NULL : node;
    }
    return left;
}

typedef rvm_node_t *rule_t(rvm_parser_t *p);

// operand { (a | b) operand }
static rvm_node_t *parse_chain(rvm_parser_t *p, rule_t *operand, const char *a, const char *b) {
    rvm_node_t *left = operand(p);
    while (left != NULL && (rvm_is_symbol(p->at, a) || rvm_is_symbol(p->at, b))) {
        rvm_node_t *node = rvm_node_new(p, RVM_NODE_ARITH);
        node->op = p->at->text[0];
        p->at++;
        rvm_node_push(p, node, left);
        rvm_node_push(p, node, operand(p));
        left = node->kid[1] == NULL ? NULL : node;
    }
    return left;
}

static rvm_node_t *parse_product(rvm_parser_t *p) {
    return parse_chain(p, parse_shifted, "*", "/");
}

rvm_node_t *rvm_parse_sum(rvm_parser_t *p) {
    return parse_chain(p, parse_product, "+", "-");
}

// "in" is an operator only before a list; before digits it belongs to "followed by" or "funnel".
static bool is_in(const rvm_token_t *at) {
    return rvm_is_word(at, "in") && at[1].kind != RVM_TOK_WHOLE && at[1].kind != RVM_TOK_FRACTION;
}

static rvm_node_t *parse_in(rvm_parser_t *p, rvm_node_t *left, bool negated) {
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_IN);
    p->at++;
    node->negated = negated;
    rvm_node_push(p, node, left);
    if (p->at->kind == RVM_TOK_PARAM) {
        rvm_node_push(p, node, parse_param(p));
        return node;
    }
    if (!rvm_expect_symbol(p, "(")) {
        return NULL;
    }
    do {
        rvm_node_t *item = rvm_parse_item(p);
        if (item == NULL) {
            return NULL;
        }
        rvm_node_push(p, node, item);
    } while (rvm_accept_symbol(p, ","));
    return rvm_expect_symbol(p, ")") ? node : NULL;
}

static rvm_node_t *parse_between(rvm_parser_t *p, rvm_node_t *left, bool negated) {
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_BETWEEN);
    p->at++;
    node->negated = negated;
    rvm_node_t *low = rvm_parse_sum(p);
    rvm_node_t *high = low != NULL && rvm_expect_word(p, "and") ? rvm_parse_sum(p) : NULL;
    rvm_node_push(p, node, left);
    rvm_node_push(p, node, low);
    rvm_node_push(p, node, high);
    return high == NULL ? NULL : node;
}

static bool is_text_operator(const rvm_token_t *at) {
    return rvm_is_word(at, "contains") || rvm_is_word(at, "like") || rvm_is_word(at, "matches") ||
           ((rvm_is_word(at, "starts") || rvm_is_word(at, "ends")) && rvm_is_word(at + 1, "with"));
}

static rvm_node_t *parse_text(rvm_parser_t *p, rvm_node_t *left, bool negated) {
    rvm_node_t *node = rvm_node_new(p, rvm_is_word(p->at, "matches") ? RVM_NODE_LATER : RVM_NODE_TEXT);
    node->name = p->at->text;
    node->op = (char)(p->at->text[0] | 32);
    node->negated = negated;
    p->at += node->op == 's' || node->op == 'e' ? 2 : 1;
    if (p->at->kind != RVM_TOK_STRING && p->at->kind != RVM_TOK_PARAM) {
        return rvm_parse_fail(p, "a string or a parameter");
    }
    rvm_node_push(p, node, left);
    rvm_node_push(p, node, p->at->kind == RVM_TOK_PARAM ? parse_param(p) : rvm_parse_literal(p));
    return node;
}

static rvm_node_t *parse_has(rvm_parser_t *p, rvm_node_t *left) {
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_LATER);
    node->name = "has";
    p->at++;
    if (rvm_is_word(p->at, "any") || rvm_is_word(p->at, "all") || rvm_is_word(p->at, "none")) {
        p->at++;
    }
    if (!rvm_is_symbol(p->at, "(") && p->at->kind != RVM_TOK_PARAM) {
        return rvm_parse_literal(p) == NULL ? NULL : node;
    }
    p->at--; // parse_in skips one token before the list
    return parse_in(p, left, false) == NULL ? NULL : node;
}

static rvm_node_t *parse_is(rvm_parser_t *p, rvm_node_t *left) {
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_IS_SET);
    p->at++;
    rvm_node_push(p, node, left);
    if (rvm_accept_word(p, "unset")) {
        node->negated = true;
        return node;
    }
    node->negated = rvm_accept_word(p, "not");
    return rvm_expect_word(p, "set") ? node : NULL;
}

static rvm_node_t *parse_compare(rvm_parser_t *p, rvm_node_t *left) {
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_COMPARE);
    const char *op = p->at->text;
    node->op = op[0] == '<' && op[1] == '=' ? 'l' : op[0] == '>' && op[1] == '=' ? 'g' : op[0];
    p->at++;
    rvm_node_push(p, node, left);
    rvm_node_push(p, node, rvm_parse_sum(p));
    return node->kid[1] == NULL ? NULL : node;
}

static rvm_node_t *parse_test(rvm_parser_t *p) {
    rvm_node_t *left = rvm_parse_sum(p);
    if (left == NULL) {
        return NULL;
    }
    if (p->at->kind == RVM_TOK_SYMBOL && strchr("=!<>", p->at->text[0]) != NULL) {
        return parse_compare(p, left);
    }
    const rvm_token_t *next = p->at + (rvm_is_word(p->at, "not") ? 1 : 0);
    bool negated = next != p->at;
    if (is_in(next) || rvm_is_word(next, "between") || is_text_operator(next)) {
        p->at = next;
        return is_in(next)                    ? parse_in(p, left, negated)
               : rvm_is_word(next, "between") ? parse_between(p, left, negated)
                                              : parse_text(p, left, negated);
    }
    if (rvm_is_word(p->at, "has")) {
        return parse_has(p, left);
    }
    return rvm_is_word(p->at, "is") ? parse_is(p, left) : left;
}

static rvm_node_t *parse_unary(rvm_parser_t *p) {
    if (!rvm_is_word(p->at, "not")) {
        return parse_test(p);
    }
    rvm_node_t *node = rvm_node_new(p, RVM_NODE_NOT);
    p->at++;
    rvm_node_t *kid = rvm_enter(p) ? parse_unary(p) : NULL;
    p->depth--;
    rvm_node_push(p, node, kid);
    return kid == NULL ? NULL : node;
}

static rvm_node_t *parse_words(rvm_parser_t *p, rule_t *operand, const char *word, rvm_node_kind_t kind) {
    rvm_node_t *first = operand(p);
    if (first == NULL || !rvm_is_word(p->at, word)) {
        return first;
    }
    rvm_node_t *node = rvm_node_new(p, kind);
    rvm_node_push(p, node, first);
    while (rvm_accept_word(p, word)) {
        rvm_node_t *kid = operand(p);
        if (kid == NULL) {
            return NULL;
        }
        rvm_node_push(p, node, kid);
    }
    return node;
}

static rvm_node_t *parse_and(rvm_parser_t *p) {
    return parse_words(p, parse_unary, "and", RVM_NODE_AND);
}

rvm_node_t *rvm_parse_or(rvm_parser_t *p) {
    return parse_words(p, parse_and, "or", RVM_NODE_OR);
}

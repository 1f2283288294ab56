/* parse.c: conditions, tests and sums, one function for each rule of the grammar, from the outside in.
 *
 * Purpose: precedence and the words between operands. A test takes `in`, `not` and `has` only when what follows them
 * makes a test, because the same words end a condition inside a selection (`... then c in 14 days`, `where b not
 * followed by c`). Threads: none. Failure: see parser.h.
 */
#include "parser.h"

static expr_node_t *parse_unary(expr_parser_t *p);

/* rule { word rule } as one node. */
static expr_node_t *parse_logic(expr_parser_t *p, expr_kind_t kind, expr_word_t word,
                                expr_node_t *(*rule)(expr_parser_t *)) {
    expr_node_t *first = rule(p), *node = NULL;
    while (first && rv_expr_accept(p, word)) {
        if (!node && !(node = rv_expr_node1(p, kind, first->place, first)))
            return NULL;
        if (!rv_expr_add_kid(p, node, rule(p)))
            return NULL;
    }
    return node ? node : first;
}

static expr_node_t *parse_and(expr_parser_t *p) {
    return parse_logic(p, NODE_AND, WORD_AND, parse_unary);
}

expr_node_t *rv_expr_parse_or(expr_parser_t *p) {
    return parse_logic(p, NODE_OR, WORD_OR, parse_and);
}

/* rule { (a | b) rule } as one node. */
static expr_node_t *parse_chain(expr_parser_t *p, char a, char b, expr_node_t *(*rule)(expr_parser_t *)) {
    expr_node_t *first = rule(p), *node = NULL;
    while (first && (rv_expr_is_symbol(p->at, a) || rv_expr_is_symbol(p->at, b))) {
        if (!node && !(node = rv_expr_node1(p, NODE_ARITHMETIC, first->place, first)))
            return NULL;
        expr_operator_t *operators = rv_expr_room(p, node->operators, node->n - 1, sizeof *operators);
        if (!operators)
            return NULL;
        node->operators = operators;
        operators[node->n - 1] = (expr_operator_t){p->at->symbol, p->at->place};
        p->at++;
        if (!rv_expr_add_kid(p, node, rule(p)))
            return NULL;
    }
    return node ? node : first;
}

static expr_node_t *parse_path(expr_parser_t *p) {
    expr_node_t *node = rv_expr_node(p, NODE_PATH, p->at->place);
    if (!node || !rv_expr_take_name(p, node, "a name"))
        return NULL;
    while (rv_expr_accept_symbol(p, '.'))
        if (!rv_expr_take_name(p, node, "a name after the '.'"))
            return NULL;
    return node;
}

static expr_node_t *parse_brackets(expr_parser_t *p) {
    p->at++;
    if (!rv_expr_enter(p))
        return NULL;
    expr_node_t *node = rv_expr_parse_or(p);
    if (!node || !rv_expr_expect_symbol(p, ')', "')'"))
        return NULL;
    p->depth--;
    return node;
}

static expr_node_t *parse_primary(expr_parser_t *p) {
    const expr_token_t *token = p->at;
    if (rv_expr_is_symbol(token, '('))
        return parse_brackets(p);
    if (rv_expr_accept_symbol(p, '-')) {
        if (!rv_expr_enter(p))
            return NULL;
        expr_node_t *node = rv_expr_node1(p, NODE_NEGATE, token->place, parse_primary(p));
        p->depth--;
        return node;
    }
    if (rv_expr_at_ago(token))
        return rv_expr_ago_node(p);
    if (rv_expr_at_literal(token))
        return rv_expr_literal_node(p);
    if (rv_expr_accept(p, WORD_NOW))
        return rv_expr_node(p, NODE_NOW, token->place);
    if (token->kind == TOKEN_PARAMETER)
        return rv_expr_parameter_node(p);
    if (!rv_expr_is_name(token))
        return rv_expr_no_name(p, "an expression");
    bool bare = token->start < token->end && p->text[token->start] != '`';
    return bare && rv_expr_is_symbol(&token[1], '(') ? rv_expr_parse_call(p) : parse_path(p);
}

/* primary { "at" instant } */
static expr_node_t *parse_shifted(expr_parser_t *p) {
    expr_node_t *node = parse_primary(p);
    uint32_t levels = 0;
    while (node && rv_expr_is(p->at, WORD_AT)) {
        expr_place_t place = p->at->place;
        if (!rv_expr_enter(p))
            return NULL;
        levels++;
        p->at++;
        expr_node_t *instant = rv_expr_parse_instant(p);
        node = rv_expr_node2(p, NODE_AT, place, node, instant);
    }
    p->depth -= levels;
    return node;
}

static expr_node_t *parse_product(expr_parser_t *p) {
    return parse_chain(p, '*', '/', parse_shifted);
}

expr_node_t *rv_expr_parse_sum(expr_parser_t *p) {
    return parse_chain(p, '+', '-', parse_product);
}

static bool is_text_word(const expr_token_t *token) {
    return token->kind == TOKEN_NAME &&
           (token->word == WORD_CONTAINS || token->word == WORD_STARTS || token->word == WORD_ENDS ||
            token->word == WORD_LIKE || token->word == WORD_MATCHES);
}

static bool is_in(const expr_token_t *token) {
    return rv_expr_is(token, WORD_IN) && (rv_expr_is_symbol(&token[1], '(') || token[1].kind == TOKEN_PARAMETER);
}

/* sum ("contains" | ...) ( string | parameter ), from the word on. */
static expr_node_t *parse_text_test(expr_parser_t *p, expr_node_t *left, bool negated) {
    const expr_token_t *token = p->at++;
    if ((token->word == WORD_STARTS || token->word == WORD_ENDS) &&
        !rv_expr_expect(p, WORD_WITH, token->word == WORD_STARTS ? "'with' after 'starts'" : "'with' after 'ends'"))
        return NULL;
    expr_node_t *right = NULL;
    if (p->at->kind == TOKEN_STRING)
        right = rv_expr_literal_node(p);
    else if (p->at->kind == TOKEN_PARAMETER)
        right = rv_expr_parameter_node(p);
    else
        return rv_expr_unexpected(p, "a 'string' or a $parameter");
    if (right && token->word == WORD_MATCHES)
        return rv_expr_later(p, token->place, "'matches'");
    expr_node_t *node = rv_expr_node2(p, NODE_TEXT, token->place, left, right);
    if (node) {
        node->word = token->word;
        node->negated = negated;
    }
    return node;
}

static expr_node_t *parse_between(expr_parser_t *p, expr_node_t *left, bool negated) {
    expr_place_t place = p->at->place;
    p->at++;
    expr_node_t *low = rv_expr_parse_sum(p);
    if (!low || !rv_expr_expect(p, WORD_AND, "'and' and the upper end of 'between'"))
        return NULL;
    expr_node_t *node = rv_expr_node2(p, NODE_BETWEEN, place, left, low);
    if (!node || !rv_expr_add_kid(p, node, rv_expr_parse_sum(p)))
        return NULL;
    node->negated = negated;
    return node;
}

static expr_node_t *parse_in(expr_parser_t *p, expr_node_t *left, bool negated) {
    expr_place_t place = p->at->place;
    p->at++;
    expr_node_t *node = rv_expr_node1(p, NODE_IN, place, left);
    if (!node || !(node->list = rv_expr_parse_list(p)))
        return NULL;
    node->negated = negated;
    return node;
}

/* "has" ["any" | "all" | "none"] ( literal | list ): parsed, not built yet. */
static expr_node_t *parse_has(expr_parser_t *p) {
    expr_node_t *node = rv_expr_later(p, p->at->place, "'has'");
    p->at++;
    if (!rv_expr_accept(p, WORD_ANY) && !rv_expr_accept(p, WORD_ALL))
        rv_expr_accept(p, WORD_NONE);
    bool list = rv_expr_is_symbol(p->at, '(') || p->at->kind == TOKEN_PARAMETER;
    return (list ? rv_expr_parse_list(p) != NULL : rv_expr_parse_literal(p) != NULL) ? node : NULL;
}

/* "is" ["not"] "set" | "is" "unset" */
static expr_node_t *parse_is(expr_parser_t *p, expr_node_t *left) {
    expr_place_t place = p->at->place;
    p->at++;
    bool negated = rv_expr_accept(p, WORD_NOT);
    if (!negated && rv_expr_accept(p, WORD_UNSET))
        negated = true;
    else if (!rv_expr_expect(p, WORD_SET, negated ? "'set' after 'is not'" : "'set', 'not set' or 'unset' after 'is'"))
        return NULL;
    expr_node_t *node = rv_expr_node1(p, NODE_IS_SET, place, left);
    if (node)
        node->negated = negated;
    return node;
}

static bool is_comparison(const expr_token_t *token) {
    return token->kind == TOKEN_SYMBOL &&
           (token->symbol == '=' || token->symbol == SYMBOL_NE || token->symbol == '<' || token->symbol == SYMBOL_LE ||
            token->symbol == '>' || token->symbol == SYMBOL_GE);
}

static expr_node_t *parse_test(expr_parser_t *p) {
    expr_node_t *left = rv_expr_parse_sum(p);
    if (!left)
        return NULL;
    const expr_token_t *token = p->at;
    if (is_comparison(token)) {
        p->at++;
        expr_node_t *node = rv_expr_node2(p, NODE_COMPARE, token->place, left, rv_expr_parse_sum(p));
        if (node)
            node->symbol = token->symbol;
        return node;
    }
    bool negated = rv_expr_is(token, WORD_NOT);
    const expr_token_t *word = negated ? &token[1] : token;
    bool in = is_in(word), between = rv_expr_is(word, WORD_BETWEEN);
    if (in || between || is_text_word(word)) {
        p->at = word;
        return in ? parse_in(p, left, negated)
                  : (between ? parse_between(p, left, negated) : parse_text_test(p, left, negated));
    }
    if (rv_expr_is(token, WORD_HAS))
        return parse_has(p);
    return rv_expr_is(token, WORD_IS) ? parse_is(p, left) : left;
}

/* "not" unary | test */
static expr_node_t *parse_unary(expr_parser_t *p) {
    const expr_token_t *first = p->at;
    while (rv_expr_accept(p, WORD_NOT))
        if (!rv_expr_enter(p))
            return NULL;
    uint32_t levels = (uint32_t)(p->at - first);
    expr_node_t *node = parse_test(p);
    p->depth -= levels;
    for (uint32_t i = levels; node && i > 0; i--)
        node = rv_expr_node1(p, NODE_NOT, first[i - 1].place, node);
    return node;
}

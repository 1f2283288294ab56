/* parser.h: the parser's state and the rules that its files share. Private to common/expr.
 *
 * A rule returns NULL (or false) after a failure, which the report holds. The parser descends recursively: every rule
 * that can come back to itself enters a level first, and RV_MAX_DEPTH levels are the limit.
 */
#ifndef REVEILLE_EXPR_PARSER_H
#define REVEILLE_EXPR_PARSER_H

#include "syntax.h"

typedef struct {
    rv_arena_t *arena;
    expr_report_t *report;
    const char *text;
    const expr_token_t *at; /* the next token; those behind TOKEN_END are never looked at */
    uint32_t depth, nodes;
    const char *feature; /* the first part met that is not built yet */
    expr_place_t feature_place;
    expr_name_t *segments; /* names in segment('...'), in order, with repeats */
    uint32_t n_segments;
} expr_parser_t;

/* Tokens. */
bool rv_expr_is(const expr_token_t *token, expr_word_t word);
bool rv_expr_is_symbol(const expr_token_t *token, char symbol);
/* A name: not a reserved word. */
bool rv_expr_is_name(const expr_token_t *token);
/* Ignoring case. */
bool rv_expr_same_word(rv_str_t text, const char *word);
bool rv_expr_accept(expr_parser_t *p, expr_word_t word);
bool rv_expr_accept_symbol(expr_parser_t *p, char symbol);
bool rv_expr_expect(expr_parser_t *p, expr_word_t word, const char *what);
bool rv_expr_expect_symbol(expr_parser_t *p, char symbol, const char *what);
/* Fails with "expected WHAT, found TOKEN"; returns NULL. */
void *rv_expr_unexpected(expr_parser_t *p, const char *what);
/* The same where a name is due: says how a reserved word can be one. */
void *rv_expr_no_name(expr_parser_t *p, const char *what);
/* One level deeper; false when that is one too many. */
bool rv_expr_enter(expr_parser_t *p);
/* Notes a part of the text that is not built yet. */
void rv_expr_feature(expr_parser_t *p, expr_place_t place, const char *what);

/* Nodes. */
expr_node_t *rv_expr_node(expr_parser_t *p, expr_kind_t kind, expr_place_t place);
/* A node for a part that is not built yet, noted. */
expr_node_t *rv_expr_later(expr_parser_t *p, expr_place_t place, const char *what);
/* A node with these kids; NULL when a kid is NULL. */
expr_node_t *rv_expr_node1(expr_parser_t *p, expr_kind_t kind, expr_place_t place, expr_node_t *kid);
expr_node_t *rv_expr_node2(expr_parser_t *p, expr_kind_t kind, expr_place_t place, expr_node_t *a, expr_node_t *b);
/* Room for one more element of an array that grows by doubling: the array, or NULL. */
void *rv_expr_room(expr_parser_t *p, void *array, uint32_t n, size_t size);
bool rv_expr_add_kid(expr_parser_t *p, expr_node_t *node, expr_node_t *kid);
/* The name at the cursor, as the node's next name. */
bool rv_expr_take_name(expr_parser_t *p, expr_node_t *node, const char *what);

/* parse.c */
expr_node_t *rv_expr_parse_or(expr_parser_t *p);
expr_node_t *rv_expr_parse_sum(expr_parser_t *p);
/* parse_literal.c */
bool rv_expr_at_duration(const expr_token_t *token);
const expr_constant_t *rv_expr_parse_duration(expr_parser_t *p, const char *what);
bool rv_expr_at_literal(const expr_token_t *token);
const expr_constant_t *rv_expr_parse_literal(expr_parser_t *p);
expr_node_t *rv_expr_literal_node(expr_parser_t *p);
expr_node_t *rv_expr_parameter_node(expr_parser_t *p);
/* A duration with `ago` or `from now` behind it. */
bool rv_expr_at_ago(const expr_token_t *token);
expr_node_t *rv_expr_ago_node(expr_parser_t *p);
expr_node_t *rv_expr_parse_instant(expr_parser_t *p);
/* item { "," item } up to the closing bracket, which is taken. */
bool rv_expr_parse_items(expr_parser_t *p, expr_list_t *list);
/* list: items in brackets, or a parameter. */
expr_list_t *rv_expr_parse_list(expr_parser_t *p);
/* parse_call.c */
expr_node_t *rv_expr_parse_call(expr_parser_t *p);
/* parse_select.c */
expr_selection_t *rv_expr_parse_selection(expr_parser_t *p);
bool rv_expr_parse_steps(expr_parser_t *p, expr_selection_t **ret, uint32_t *ret_n);
bool rv_expr_at_window(const expr_token_t *token);
bool rv_expr_parse_window(expr_parser_t *p, expr_window_t *window);

#endif

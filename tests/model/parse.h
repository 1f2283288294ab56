// parse.h - between parse.c (conditions, sums, literals, whole texts) and parse_call.c (calls, selections, windows).
#ifndef RVM_PARSE_H
#define RVM_PARSE_H

#include "ast.h"

typedef struct rvm_parser {
    rvm_arena_t *arena;
    const rvm_token_t *at; // the next token; the array ends with END
    rvm_error_t *error;
    int depth;
} rvm_parser_t;

// All of these return NULL (false) after a failure, which is in parser->error.
rvm_node_t *rvm_parse_or(rvm_parser_t *p);
rvm_node_t *rvm_parse_sum(rvm_parser_t *p);
rvm_node_t *rvm_parse_call(rvm_parser_t *p);
rvm_node_t *rvm_parse_instant(rvm_parser_t *p);
rvm_node_t *rvm_parse_duration(rvm_parser_t *p); // a literal; nothing after it is looked at
rvm_node_t *rvm_parse_item(rvm_parser_t *p);     // [-] literal
rvm_node_t *rvm_parse_literal(rvm_parser_t *p);
bool rvm_parse_steps(rvm_parser_t *p, rvm_steps_t *steps, int least);
bool rvm_parse_types(rvm_parser_t *p, rvm_selection_t *selection);
bool rvm_parse_window(rvm_parser_t *p, rvm_window_t *window); // may be absent

rvm_node_t *rvm_node_new(rvm_parser_t *p, rvm_node_kind_t kind);
void rvm_node_push(rvm_parser_t *p, rvm_node_t *node, rvm_node_t *kid);
void *rvm_parse_fail(rvm_parser_t *p, const char *expected); // returns NULL
bool rvm_is_word(const rvm_token_t *token, const char *word);
bool rvm_is_symbol(const rvm_token_t *token, const char *symbol);
bool rvm_is_name(const rvm_token_t *token);     // not reserved, or in backquotes
bool rvm_is_duration(const rvm_token_t *token); // digits and a unit
bool rvm_accept_word(rvm_parser_t *p, const char *word);
bool rvm_accept_symbol(rvm_parser_t *p, const char *symbol);
bool rvm_expect_word(rvm_parser_t *p, const char *word);
bool rvm_expect_symbol(rvm_parser_t *p, const char *symbol);
bool rvm_enter(rvm_parser_t *p); // one level deeper, at most 64

#endif

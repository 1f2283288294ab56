/* parser.c: the small parts that all rules of the parser use: looking at tokens, making nodes, counting levels.
 *
 * Purpose: see parser.h. Threads: none. Failure: too many nodes or levels, or memory; the report says which and where.
 */
#include "parser.h"
#include "reveille/limits.h"
#include <string.h>
#include <strings.h>

bool rv_expr_is(const expr_token_t *token, expr_word_t word) {
    return token->kind == TOKEN_NAME && token->word == word;
}

bool rv_expr_is_symbol(const expr_token_t *token, char symbol) {
    return token->kind == TOKEN_SYMBOL && token->symbol == symbol;
}

bool rv_expr_is_name(const expr_token_t *token) {
    return token->kind == TOKEN_NAME && !token->reserved;
}

bool rv_expr_same_word(rv_str_t text, const char *word) {
    return strlen(word) == text.n && strncasecmp(word, text.p, text.n) == 0;
}

bool rv_expr_accept(expr_parser_t *p, expr_word_t word) {
    bool yes = rv_expr_is(p->at, word);
    p->at += yes;
    return yes;
}

bool rv_expr_accept_symbol(expr_parser_t *p, char symbol) {
    bool yes = rv_expr_is_symbol(p->at, symbol);
    p->at += yes;
    return yes;
}

bool rv_expr_expect(expr_parser_t *p, expr_word_t word, const char *what) {
    return rv_expr_accept(p, word) || rv_expr_unexpected(p, what) != NULL;
}

bool rv_expr_expect_symbol(expr_parser_t *p, char symbol, const char *what) {
    return rv_expr_accept_symbol(p, symbol) || rv_expr_unexpected(p, what) != NULL;
}

static void *unexpected(expr_parser_t *p, const char *what, bool name) {
    const expr_token_t *token = p->at;
    rv_str_t shown = {p->text + token->start, token->end - token->start};
    const char *quote = token->kind == TOKEN_STRING ? "" : "'";
    if (token->kind == TOKEN_END)
        rv_expr_fail(p->report, RV_REASON_FILTER, token->place, "expected %s, found the end of the text", what);
    else
        rv_expr_fail(p->report, RV_REASON_FILTER, token->place, "expected %s, found %s%s%s%s", what, quote,
                     rv_expr_quote(shown).text, quote,
                     name && token->reserved ? ", a reserved word: as a name it stands in `backquotes`" : "");
    return NULL;
}

void *rv_expr_unexpected(expr_parser_t *p, const char *what) {
    return unexpected(p, what, false);
}

void *rv_expr_no_name(expr_parser_t *p, const char *what) {
    return unexpected(p, what, true);
}

bool rv_expr_enter(expr_parser_t *p) {
    if (++p->depth <= RV_MAX_DEPTH)
        return true;
    rv_expr_fail(p->report, RV_REASON_FILTER, p->at->place, "nested more than %u levels deep", RV_MAX_DEPTH);
    return false;
}

void rv_expr_feature(expr_parser_t *p, expr_place_t place, const char *what) {
    if (p->feature)
        return;
    p->feature = what;
    p->feature_place = place;
}

expr_node_t *rv_expr_node(expr_parser_t *p, expr_kind_t kind, expr_place_t place) {
    if (++p->nodes > RV_MAX_NODES) {
        rv_expr_fail(p->report, RV_REASON_FILTER, place, "the text has more than %u nodes (names, values, operations)",
                     RV_MAX_NODES);
        return NULL;
    }
    expr_node_t *node = rv_arena_zalloc(p->arena, 1, sizeof *node);
    if (!node) {
        rv_expr_fail_memory(p->report);
        return NULL;
    }
    node->kind = kind;
    node->place = place;
    return node;
}

expr_node_t *rv_expr_later(expr_parser_t *p, expr_place_t place, const char *what) {
    expr_node_t *node = rv_expr_node(p, NODE_LATER, place);
    if (node)
        node->later = what;
    rv_expr_feature(p, place, what);
    return node;
}

void *rv_expr_room(expr_parser_t *p, void *array, uint32_t n, size_t size) {
    if (n > 0 && (n & (n - 1)) != 0)
        return array; /* grown at 0, 1, 2, 4, 8: full only at a power of two */
    void *more = rv_arena_zalloc(p->arena, n ? 2 * (size_t)n : 1, size);
    if (!more)
        rv_expr_fail_memory(p->report);
    else if (n > 0)
        memcpy(more, array, n * size);
    return more;
}

bool rv_expr_add_kid(expr_parser_t *p, expr_node_t *node, expr_node_t *kid) {
    if (!node || !kid)
        return false;
    expr_node_t **kids = rv_expr_room(p, node->kids, node->n, sizeof(expr_node_t *));
    if (!kids)
        return false;
    node->kids = kids;
    node->kids[node->n++] = kid;
    return true;
}

expr_node_t *rv_expr_node1(expr_parser_t *p, expr_kind_t kind, expr_place_t place, expr_node_t *kid) {
    expr_node_t *node = kid ? rv_expr_node(p, kind, place) : NULL;
    return rv_expr_add_kid(p, node, kid) ? node : NULL;
}

expr_node_t *rv_expr_node2(expr_parser_t *p, expr_kind_t kind, expr_place_t place, expr_node_t *a, expr_node_t *b) {
    expr_node_t *node = a && b ? rv_expr_node(p, kind, place) : NULL;
    return rv_expr_add_kid(p, node, a) && rv_expr_add_kid(p, node, b) ? node : NULL;
}

bool rv_expr_take_name(expr_parser_t *p, expr_node_t *node, const char *what) {
    if (!rv_expr_is_name(p->at))
        return rv_expr_no_name(p, what) != NULL;
    expr_name_t *names = rv_expr_room(p, node->names, node->n_names, sizeof *names);
    if (!names)
        return false;
    node->names = names;
    names[node->n_names++] = (expr_name_t){p->at->place, p->at->text};
    p->at++;
    return true;
}

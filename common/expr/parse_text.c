/* parse_text.c: whole texts: filters, lists of expressions, measures, selections, steps, windows, durations.
 *
 * Purpose: what stands outside of expressions, and the end of every text. Threads: none. Failure: see parser.h.
 */
#include "parser.h"
#include "reveille/limits.h"
#include <stdlib.h>

static const expr_word_t MEASURES[] = {WORD_SUM, WORD_AVG, WORD_MIN, WORD_MAX, WORD_DISTINCT, WORD_QUANTILE};

static bool parse_quantile(expr_parser_t *p, expr_entry_t *entry) {
    static const char what[] = "a number from 0 to 1, as in quantile(age, 0.9)";
    if (!rv_expr_expect_symbol(p, ',', "',' and a number from 0 to 1"))
        return false;
    const expr_token_t *token = p->at;
    if ((token->kind != TOKEN_INTEGER && token->kind != TOKEN_DECIMAL) || rv_expr_at_duration(token))
        return rv_expr_unexpected(p, what) != NULL;
    rv_i128_t coefficient;
    unsigned scale;
    if (!rv_decimal_parse(token->text.p, token->text.n, RV_MAX_RESULT_SCALE, &coefficient, &scale) ||
        coefficient > rv_pow10(scale))
        return rv_expr_unexpected(p, what) != NULL;
    entry->quantile = rv_decimal_to_double(coefficient, scale);
    p->at++;
    return true;
}

/* A value of one contact where a measure over contacts is due. */
static bool refuse_bare(expr_parser_t *p, const expr_token_t *token) {
    rv_expr_fail(p->report, RV_REASON_FILTER, token->place,
                 "%s(...) is a value of one contact, and a measure is taken over contacts: write for example "
                 "sum(sum(value of ...)), avg(score(...)) or max(count(...))",
                 rv_expr_quote(token->text).text);
    return false;
}

/* measure = "count" | ("sum" | ...) "(" sum ")" | "quantile" "(" sum "," number ")" */
static bool parse_measure(expr_parser_t *p, expr_entry_t *entry) {
    const expr_token_t *token = p->at;
    bool call = token->kind == TOKEN_NAME && rv_expr_is_symbol(&token[1], '(');
    if (rv_expr_is(token, WORD_COUNT) && !call) {
        entry->measure = WORD_COUNT;
        p->at++;
        return true;
    }
    for (size_t i = 0; i < sizeof MEASURES / sizeof MEASURES[0]; i++)
        if (rv_expr_is(token, MEASURES[i]))
            entry->measure = token->word;
    if (!entry->measure)
        return call ? refuse_bare(p, token)
                    : rv_expr_unexpected(p, "a measure: count, or sum, avg, min, max, distinct or quantile of an "
                                            "expression in brackets") != NULL;
    p->at++;
    if (call && rv_expr_is_name(&token[2]) && rv_expr_is(&token[3], WORD_OF))
        return refuse_bare(p, token);
    if (!rv_expr_expect_symbol(p, '(', "'(' and an expression") || !(entry->node = rv_expr_parse_sum(p)))
        return false;
    if (entry->measure == WORD_QUANTILE && !parse_quantile(p, entry))
        return false;
    return rv_expr_expect_symbol(p, ')', "')'");
}

static bool parse_entry(expr_parser_t *p, expr_text_t kind, expr_entry_t *entry) {
    entry->start = p->at->start;
    entry->place = p->at->place;
    if (kind == TEXT_COMPUTE ? !parse_measure(p, entry) : !(entry->node = rv_expr_parse_sum(p)))
        return false;
    entry->end = p->at[-1].end;
    if (kind == TEXT_ORDER && !rv_expr_accept(p, WORD_ASC))
        entry->descending = rv_expr_accept(p, WORD_DESC);
    return true;
}

static bool parse_entries(expr_parser_t *p, expr_text_t kind, expr_tree_t *tree) {
    if (p->at->kind == TOKEN_END)
        return true;
    do {
        if (tree->n_entries == RV_MAX_FIELDS) {
            rv_expr_fail(p->report, RV_REASON_FILTER, p->at->place, "more than %u expressions", RV_MAX_FIELDS);
            return false;
        }
        expr_entry_t *entries = rv_expr_room(p, tree->entries, tree->n_entries, sizeof *entries);
        if (!entries || !parse_entry(p, kind, &entries[tree->n_entries]))
            return false;
        tree->entries = entries;
        tree->n_entries++;
    } while (rv_expr_accept_symbol(p, ','));
    return true;
}

static bool parse_kind(expr_parser_t *p, expr_text_t kind, expr_tree_t *tree) {
    switch (kind) {
    case TEXT_FILTER:
        return p->at->kind == TOKEN_END || (tree->root = rv_expr_parse_or(p)) != NULL;
    case TEXT_EXPRESSION:
        return (tree->root = rv_expr_parse_sum(p)) != NULL;
    case TEXT_FIELDS:
    case TEXT_ORDER:
    case TEXT_COMPUTE:
        return parse_entries(p, kind, tree);
    case TEXT_SELECTION:
        tree->n_steps = 1;
        return (tree->steps = rv_expr_parse_selection(p)) != NULL;
    case TEXT_STEPS:
        return rv_expr_parse_steps(p, &tree->steps, &tree->n_steps);
    case TEXT_WINDOW:
        return p->at->kind == TOKEN_END || rv_expr_parse_window(p, &tree->window);
    case TEXT_DURATION:
        tree->duration_place = p->at->place;
        return (tree->duration = rv_expr_parse_duration(p, "a duration, for example 30 days")) != NULL;
    }
    return false;
}

/* Nothing may follow what was parsed. */
static bool expect_end(expr_parser_t *p) {
    const expr_token_t *token = p->at;
    if (token->kind == TOKEN_END)
        return true;
    if (rv_expr_is(token, WORD_IN) && token[1].kind != TOKEN_END) {
        p->at++;
        return rv_expr_unexpected(p, "a list in brackets or a $parameter after 'in'") != NULL;
    }
    return rv_expr_unexpected(p, token->kind == TOKEN_SYMBOL
                                     ? "'and', 'or' or the end of the text"
                                     : "an operator, 'and', 'or' or the end of the text") != NULL;
}

bool rv_expr_parse(rv_arena_t *arena, expr_report_t *report, expr_text_t kind, const char *text, expr_tree_t *ret) {
    expr_token_t *tokens = rv_expr_lex(arena, text, report);
    if (!tokens)
        return false;
    expr_parser_t p = {.arena = arena, .report = report, .text = text, .at = tokens};
    expr_tree_t tree = {0};
    bool done = parse_kind(&p, kind, &tree) && expect_end(&p);
    free(tokens);
    tree.segments = p.segments;
    tree.n_segments = p.n_segments;
    tree.later = p.feature;
    tree.later_place = p.feature_place;
    if (done)
        *ret = tree;
    return done;
}

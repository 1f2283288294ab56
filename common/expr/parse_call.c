/* parse_call.c: functions: name "(" arguments ")".
 *
 * Purpose: one rule for each function whose arguments are not plain expressions, found in a table; any other name is a
 * scalar function, whose name, arity and types are checked later. Threads: none. Failure: see parser.h.
 */
#include "parser.h"

/* count, exists, recency, cadence: selection. */
static bool parse_counted(expr_parser_t *p, expr_node_t *node) {
    node->kind = NODE_AGGREGATE;
    if (node->word == WORD_CADENCE)
        rv_expr_feature(p, node->place, node->later = "cadence(...)");
    if (rv_expr_is_name(p->at) && rv_expr_is(&p->at[1], WORD_OF)) {
        p->at++;
        return rv_expr_unexpected(p, "the events alone: this function takes no property 'of' them") != NULL;
    }
    return (node->selection = rv_expr_parse_selection(p)) != NULL;
}

/* sum, min, max, avg, distinct: name "of" selection. */
static bool parse_of(expr_parser_t *p, expr_node_t *node) {
    node->kind = NODE_AGGREGATE;
    return rv_expr_take_name(p, node, "the name of a property") &&
           rv_expr_expect(p, WORD_OF, "'of' and the events, as in sum(value of purchase)") &&
           (node->selection = rv_expr_parse_selection(p)) != NULL;
}

/* first, last: either. */
static bool parse_first(expr_parser_t *p, expr_node_t *node) {
    bool of = rv_expr_is_name(p->at) && rv_expr_is(&p->at[1], WORD_OF);
    return of ? parse_of(p, node) : parse_counted(p, node);
}

/* "funnel" "(" step "then" step { "then" step } "in" duration [ window ] ")" */
static bool parse_funnel(expr_parser_t *p, expr_node_t *node) {
    node->kind = NODE_FUNNEL;
    expr_funnel_t *funnel = node->funnel = rv_arena_zalloc(p->arena, 1, sizeof *funnel);
    if (!funnel) {
        rv_expr_fail_memory(p->report);
        return false;
    }
    return rv_expr_parse_steps(p, &funnel->steps, &funnel->n_steps) &&
           rv_expr_expect(p, WORD_IN, "'then' and the next step, or 'in' and a duration") &&
           (funnel->within_place = p->at->place, funnel->within = rv_expr_parse_duration(p, "a duration after 'in'")) !=
               NULL &&
           (!rv_expr_at_window(p->at) || rv_expr_parse_window(p, &funnel->window));
}

static bool parse_score(expr_parser_t *p, expr_node_t *node) {
    node->kind = NODE_SCORE;
    return rv_expr_take_name(p, node, "the name of a score model");
}

/* "segment" "(" ( string | parameter ) ")" */
static bool parse_segment(expr_parser_t *p, expr_node_t *node) {
    node->kind = NODE_SEGMENT;
    if (p->at->kind == TOKEN_PARAMETER)
        return rv_expr_add_kid(p, node, rv_expr_parameter_node(p));
    if (p->at->kind == TOKEN_STRING) {
        expr_name_t *segments = rv_expr_room(p, p->segments, p->n_segments, sizeof *segments);
        if (!segments)
            return false;
        p->segments = segments;
        segments[p->n_segments++] = (expr_name_t){p->at->place, p->at->text};
        return rv_expr_add_kid(p, node, rv_expr_literal_node(p));
    }
    return rv_expr_unexpected(p, "the name of a segment in quotes, or a $parameter") != NULL;
}

/* "split" "(" string "," integer ")" */
static bool parse_split(expr_parser_t *p, expr_node_t *node) {
    node->kind = NODE_SPLIT;
    if (p->at->kind != TOKEN_STRING)
        return rv_expr_unexpected(p, "a 'string', the salt of the split") != NULL;
    if (!rv_expr_add_kid(p, node, rv_expr_literal_node(p)) || !rv_expr_expect_symbol(p, ',', "','"))
        return false;
    if (p->at->kind != TOKEN_INTEGER || rv_expr_at_duration(p->at))
        return rv_expr_unexpected(p, "the number of parts, a whole number") != NULL;
    return rv_expr_add_kid(p, node, rv_expr_literal_node(p));
}

/* "bucket" "(" sum "," item { "," item } ")": without an edge there is nothing to count. */
static bool parse_bucket(expr_parser_t *p, expr_node_t *node) {
    node->kind = NODE_BUCKET;
    if (!rv_expr_add_kid(p, node, rv_expr_parse_sum(p)))
        return false;
    expr_list_t *list = node->list = rv_arena_zalloc(p->arena, 1, sizeof *list);
    if (!list) {
        rv_expr_fail_memory(p->report);
        return false;
    }
    list->place = p->at->place;
    if (!rv_expr_expect_symbol(p, ',', "',' and the edges of the buckets") || !rv_expr_parse_items(p, list))
        return false;
    p->at--; /* the caller takes the bracket */
    return true;
}

/* or { "," or } */
static bool parse_scalar(expr_parser_t *p, expr_node_t *node) {
    node->kind = NODE_SCALAR;
    do {
        if (!rv_expr_add_kid(p, node, rv_expr_parse_or(p)))
            return false;
    } while (rv_expr_accept_symbol(p, ','));
    return true;
}

/* peak, stage, p_alive, expected, clv: parsed, not built yet. */
static bool parse_later(expr_parser_t *p, expr_node_t *node) {
    expr_word_t word = node->word;
    node->kind = NODE_LATER;
    node->later = word == WORD_PEAK       ? "peak(...)"
                  : word == WORD_STAGE    ? "stage(...)"
                  : word == WORD_P_ALIVE  ? "p_alive(...)"
                  : word == WORD_EXPECTED ? "expected(...)"
                                          : "clv(...)";
    rv_expr_feature(p, node->place, node->later);
    if (word == WORD_STAGE && rv_expr_is_symbol(p->at, ')'))
        return true;
    if (!rv_expr_take_name(p, node, "a name"))
        return false;
    if (word == WORD_PEAK)
        return rv_expr_expect(p, WORD_WITHIN, "'within' and a duration") && rv_expr_parse_duration(p, "a duration");
    if (word == WORD_EXPECTED || word == WORD_CLV)
        return rv_expr_expect_symbol(p, ',', "',' and a duration") && rv_expr_parse_duration(p, "a duration");
    return true;
}

static const struct {
    expr_word_t word;
    bool (*rule)(expr_parser_t *, expr_node_t *);
} CALLS[] = {
    {WORD_COUNT, parse_counted},   {WORD_EXISTS, parse_counted},  {WORD_RECENCY, parse_counted},
    {WORD_CADENCE, parse_counted}, {WORD_FIRST, parse_first},     {WORD_LAST, parse_first},
    {WORD_SUM, parse_of},          {WORD_MIN, parse_of},          {WORD_MAX, parse_of},
    {WORD_AVG, parse_of},          {WORD_DISTINCT, parse_of},     {WORD_FUNNEL, parse_funnel},
    {WORD_SCORE, parse_score},     {WORD_SEGMENT, parse_segment}, {WORD_SPLIT, parse_split},
    {WORD_BUCKET, parse_bucket},   {WORD_PEAK, parse_later},      {WORD_STAGE, parse_later},
    {WORD_P_ALIVE, parse_later},   {WORD_EXPECTED, parse_later},  {WORD_CLV, parse_later},
};

/* Scalar functions that are known and not built yet. */
static void note_feature(expr_parser_t *p, expr_node_t *node) {
    static const char *const later[] = {"fold", "year", "month", "days_until_anniversary"};
    static const char *const shown[] = {"fold(...)", "year(...)", "month(...)", "days_until_anniversary(...)"};
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (rv_expr_same_word(node->names[0].text, later[i]))
            rv_expr_feature(p, node->place, node->later = shown[i]);
}

expr_node_t *rv_expr_parse_call(expr_parser_t *p) {
    const expr_token_t *function = p->at;
    expr_node_t *node = rv_expr_node(p, NODE_SCALAR, function->place);
    if (!node)
        return NULL;
    bool (*rule)(expr_parser_t *, expr_node_t *) = parse_scalar;
    node->word = function->word;
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++)
        if (CALLS[i].word == function->word)
            rule = CALLS[i].rule;
    if (rule == parse_scalar) {
        if (!rv_expr_take_name(p, node, "a function"))
            return NULL;
        note_feature(p, node);
    } else
        p->at++;
    p->at++;
    if (!rv_expr_enter(p) || !rule(p, node) || !rv_expr_expect_symbol(p, ')', "')'"))
        return NULL;
    p->depth--;
    return node;
}

/* parse_select.c: the rules for sets of events: types, conditions on them, windows, steps.
 *
 * Purpose: selections, which parse the same inside a call and as a text of their own. `followed by` parses and is noted
 * as not built yet. Threads: none. Failure: see parser.h.
 */
#include "parser.h"
#include "reveille/limits.h"

/* types = name { "|" name } | "any" */
static bool parse_types(expr_parser_t *p, expr_selection_t *selection) {
    if (rv_expr_accept(p, WORD_ANY)) {
        selection->any = true;
        return !rv_expr_is_symbol(p->at, '|') || rv_expr_unexpected(p, "'any' alone: it is every type") != NULL;
    }
    do {
        if (!rv_expr_is_name(p->at) || rv_expr_is(p->at, WORD_ANY))
            return rv_expr_no_name(p, "an event type or group, or 'any'") != NULL;
        if (selection->n_types >= RV_MAX_TYPES) {
            rv_expr_fail(p->report, RV_REASON_FILTER, p->at->place, "more than %u event types in one selection",
                         RV_MAX_TYPES);
            return false;
        }
        expr_name_t *types = rv_expr_room(p, selection->types, selection->n_types, sizeof *types);
        if (!types)
            return false;
        selection->types = types;
        types[selection->n_types++] = (expr_name_t){p->at->place, p->at->text};
        p->at++;
    } while (rv_expr_accept_symbol(p, '|'));
    return true;
}

/* step = types [ "where" or ] */
static bool parse_step(expr_parser_t *p, expr_selection_t *step) {
    step->start = p->at->start;
    if (!parse_types(p, step))
        return false;
    if (rv_expr_accept(p, WORD_WHERE)) {
        if (!rv_expr_enter(p) || !(step->where = rv_expr_parse_or(p)))
            return false;
        p->depth--;
    }
    step->end = p->at[-1].end;
    return true;
}

/* [ "not" ] "followed" "by" types [ "where" or ] [ "with" "same" name ] "in" duration */
static bool parse_follow(expr_parser_t *p, expr_selection_t *selection) {
    bool not = rv_expr_is(p->at, WORD_NOT);
    if (!rv_expr_is(&p->at[not ? 1 : 0], WORD_FOLLOWED))
        return true;
    selection->later = not ? "'not followed by'" : "'followed by'";
    selection->later_place = p->at->place;
    rv_expr_feature(p, p->at->place, selection->later);
    p->at += not ? 2 : 1;
    expr_selection_t second = {0};
    if (!rv_expr_expect(p, WORD_BY, "'by' after 'followed'") || !parse_step(p, &second))
        return false;
    if (rv_expr_accept(p, WORD_WITH)) {
        if (!rv_expr_expect(p, WORD_SAME, "'same' after 'with'"))
            return false;
        if (!rv_expr_is_name(p->at))
            return rv_expr_no_name(p, "the name of a property after 'with same'") != NULL;
        p->at++;
    }
    return rv_expr_expect(p, WORD_IN, "'in' and a duration, which 'followed by' needs") &&
           rv_expr_parse_duration(p, "a duration after 'in'") != NULL;
}

bool rv_expr_at_window(const expr_token_t *token) {
    return rv_expr_is(token, WORD_WITHIN) || rv_expr_is(token, WORD_FROM) || rv_expr_is(token, WORD_TO);
}

static expr_node_t *parse_span(expr_parser_t *p) {
    if (p->at->kind == TOKEN_PARAMETER)
        return rv_expr_parameter_node(p);
    expr_place_t place = p->at->place;
    const expr_constant_t *duration = rv_expr_parse_duration(p, "a duration or a $parameter after 'within'");
    expr_node_t *node = duration ? rv_expr_node(p, NODE_LITERAL, place) : NULL;
    if (node)
        node->constant = duration;
    return node;
}

bool rv_expr_parse_window(expr_parser_t *p, expr_window_t *window) {
    if (rv_expr_accept(p, WORD_WITHIN))
        return (window->within = parse_span(p)) != NULL;
    if (rv_expr_accept(p, WORD_FROM)) {
        window->from = rv_expr_parse_instant(p);
        if (!window->from || !rv_expr_is(p->at, WORD_TO))
            return window->from != NULL;
    }
    return rv_expr_expect(p, WORD_TO, "a window: within, from or to") &&
           (window->to = rv_expr_parse_instant(p)) != NULL;
}

expr_selection_t *rv_expr_parse_selection(expr_parser_t *p) {
    expr_selection_t *selection = rv_arena_zalloc(p->arena, 1, sizeof *selection);
    if (!selection) {
        rv_expr_fail_memory(p->report);
        return NULL;
    }
    if (!parse_step(p, selection) || !parse_follow(p, selection))
        return NULL;
    return !rv_expr_at_window(p->at) || rv_expr_parse_window(p, &selection->window) ? selection : NULL;
}

bool rv_expr_parse_steps(expr_parser_t *p, expr_selection_t **ret, uint32_t *ret_n) {
    expr_selection_t *steps = NULL;
    uint32_t n = 0;
    do {
        if (n == RV_MAX_STEPS) {
            rv_expr_fail(p->report, RV_REASON_FILTER, p->at->place, "a funnel has at most %u steps", RV_MAX_STEPS);
            return false;
        }
        expr_selection_t *more = rv_expr_room(p, steps, n, sizeof *steps);
        if (!more || !parse_step(p, &more[n]))
            return false;
        steps = more;
        n++;
    } while (rv_expr_accept(p, WORD_THEN));
    if (n < 2)
        return rv_expr_unexpected(p, "'then' and the next step: a funnel has at least two") != NULL;
    *ret = steps;
    *ret_n = n;
    return true;
}

/* parse_literal.c: the rules for constants: literals, durations, lists, instants.
 *
 * Purpose: digits become exact numbers here and are never rounded: an INT when 64 bits hold it, otherwise a DECIMAL.
 * Durations are whole numbers of fixed units; units of the calendar parse and are refused as not built yet. Threads:
 * none. Failure: see parser.h.
 */
#include "parser.h"
#include "reveille/limits.h"
#include <inttypes.h>

#define MAX_DIGITS 38u /* every number of so many digits fits 128 bits */

static expr_constant_t *new_constant(expr_parser_t *p, rv_type_t type) {
    expr_constant_t *constant = rv_arena_zalloc(p->arena, 1, sizeof *constant);
    if (!constant) {
        rv_expr_fail_memory(p->report);
        return NULL;
    }
    constant->type = type;
    constant->value.present = true;
    return constant;
}

bool rv_expr_at_duration(const expr_token_t *token) {
    return token->kind == TOKEN_INTEGER && token[1].kind == TOKEN_NAME && rv_expr_unit(token[1].word) >= 0;
}

/* "1.5 days: write 36 hours": the greatest unit in which it is whole. */
static void *refuse_fraction(expr_parser_t *p) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"weeks", 604800000}, {"days", 86400000}, {"hours", 3600000}, {"minutes", 60000}, {"seconds", 1000}};
    const expr_token_t *token = p->at;
    int64_t ms = rv_expr_unit(token[1].word);
    rv_i128_t coefficient, whole;
    unsigned scale;
    bool read = rv_decimal_parse(token->text.p, token->text.n, 18, &coefficient, &scale) && ms > 0 &&
                !__builtin_mul_overflow(coefficient, (rv_i128_t)ms, &whole);
    for (size_t i = 0; read && i < sizeof units / sizeof units[0]; i++) {
        rv_i128_t unit = rv_pow10(scale) * units[i].ms;
        if (whole % unit != 0 || whole / unit > INT64_MAX)
            continue;
        rv_expr_fail(p->report, RV_REASON_FILTER, token->place, "%s %s: write %" PRId64 " %s",
                     rv_expr_quote(token->text).text, rv_expr_quote(token[1].text).text, (int64_t)(whole / unit),
                     units[i].name);
        return NULL;
    }
    rv_expr_fail(p->report, RV_REASON_FILTER, token->place, "%s %s: durations are whole units",
                 rv_expr_quote(token->text).text, rv_expr_quote(token[1].text).text);
    return NULL;
}

const expr_constant_t *rv_expr_parse_duration(expr_parser_t *p, const char *what) {
    const expr_token_t *token = p->at;
    if (token->kind == TOKEN_DECIMAL && token[1].kind == TOKEN_NAME && rv_expr_unit(token[1].word) >= 0)
        return refuse_fraction(p);
    if (!rv_expr_at_duration(token))
        return rv_expr_unexpected(p, what);
    int64_t unit = rv_expr_unit(token[1].word), ms = 0;
    rv_i128_t count;
    unsigned scale;
    if (unit == 0)
        rv_expr_feature(p, token->place, "a duration in months, quarters or years");
    if (!rv_decimal_parse(token->text.p, token->text.n, 0, &count, &scale) || count > INT64_MAX ||
        __builtin_mul_overflow((int64_t)count, unit, &ms)) {
        rv_expr_fail(p->report, RV_REASON_FILTER, token->place, "the duration is too long");
        return NULL;
    }
    expr_constant_t *constant = new_constant(p, RV_DURATION);
    if (!constant)
        return NULL;
    constant->value.i = ms;
    constant->calendar = unit == 0;
    p->at += 2;
    return constant;
}

static const expr_constant_t *parse_number(expr_parser_t *p) {
    const expr_token_t *token = p->at;
    expr_constant_t *constant = new_constant(p, RV_DECIMAL);
    if (!constant)
        return NULL;
    uint32_t digits = token->text.n - (token->kind == TOKEN_DECIMAL);
    if (digits > MAX_DIGITS ||
        !rv_decimal_parse(token->text.p, token->text.n, RV_MAX_RESULT_SCALE, &constant->value.wide, &constant->scale)) {
        rv_expr_fail(p->report, RV_REASON_FILTER, token->place,
                     "the number has too many digits: at most %u, of them %u behind the point", MAX_DIGITS,
                     RV_MAX_RESULT_SCALE);
        return NULL;
    }
    if (token->kind == TOKEN_INTEGER && constant->value.wide <= INT64_MAX) {
        constant->type = RV_INT;
        constant->value.i = (int64_t)constant->value.wide;
    }
    p->at++;
    return constant;
}

bool rv_expr_at_literal(const expr_token_t *token) {
    return (token->kind >= TOKEN_STRING && token->kind <= TOKEN_TIMESTAMP) || rv_expr_is(token, WORD_TRUE) ||
           rv_expr_is(token, WORD_FALSE);
}

const expr_constant_t *rv_expr_parse_literal(expr_parser_t *p) {
    const expr_token_t *token = p->at;
    if (!rv_expr_at_literal(token))
        return rv_expr_unexpected(p, "a value (a number, a 'string', true, false, a date or a duration)");
    bool unit = token[0].kind != TOKEN_END && token[1].kind == TOKEN_NAME && rv_expr_unit(token[1].word) >= 0;
    if ((token->kind == TOKEN_INTEGER || token->kind == TOKEN_DECIMAL))
        return unit ? rv_expr_parse_duration(p, "a duration") : parse_number(p);
    rv_type_t type = token->kind == TOKEN_STRING      ? RV_STRING
                     : token->kind == TOKEN_DATE      ? RV_DATE
                     : token->kind == TOKEN_TIMESTAMP ? RV_TIME
                                                      : RV_BOOL;
    expr_constant_t *constant = new_constant(p, type);
    if (!constant)
        return NULL;
    if (type == RV_STRING)
        constant->value.s = token->text;
    else
        constant->value.i = type == RV_BOOL ? token->word == WORD_TRUE : token->value;
    p->at++;
    return constant;
}

expr_node_t *rv_expr_literal_node(expr_parser_t *p) {
    expr_place_t place = p->at->place;
    const expr_constant_t *constant = rv_expr_parse_literal(p);
    expr_node_t *node = constant ? rv_expr_node(p, NODE_LITERAL, place) : NULL;
    if (node)
        node->constant = constant;
    return node;
}

expr_node_t *rv_expr_parameter_node(expr_parser_t *p) {
    expr_node_t *node = rv_expr_node(p, NODE_PARAMETER, p->at->place);
    expr_name_t *name = node ? rv_expr_room(p, NULL, 0, sizeof *name) : NULL;
    if (!name)
        return NULL;
    *name = (expr_name_t){p->at->place, p->at->text};
    node->names = name;
    node->n_names = 1;
    p->at++;
    return node;
}

bool rv_expr_at_ago(const expr_token_t *token) {
    return rv_expr_at_duration(token) &&
           (rv_expr_is(&token[2], WORD_AGO) || (rv_expr_is(&token[2], WORD_FROM) && rv_expr_is(&token[3], WORD_NOW)));
}

expr_node_t *rv_expr_ago_node(expr_parser_t *p) {
    expr_node_t *node = rv_expr_node(p, NODE_AGO, p->at->place);
    const expr_constant_t *duration = node ? rv_expr_parse_duration(p, "a duration") : NULL;
    expr_constant_t *offset = duration ? new_constant(p, RV_DURATION) : NULL;
    if (!offset)
        return NULL;
    bool ago = rv_expr_is(p->at, WORD_AGO);
    offset->calendar = duration->calendar;
    offset->value.i = ago ? -duration->value.i : duration->value.i;
    node->constant = offset;
    p->at += ago ? 1 : 2;
    return node;
}

static expr_node_t *parse_point(expr_parser_t *p) {
    const expr_token_t *token = p->at;
    if (rv_expr_accept(p, WORD_NOW))
        return rv_expr_node(p, NODE_NOW, token->place);
    if (rv_expr_at_ago(token))
        return rv_expr_ago_node(p);
    if (token->kind == TOKEN_DATE || token->kind == TOKEN_TIMESTAMP)
        return rv_expr_literal_node(p);
    if (token->kind == TOKEN_PARAMETER)
        return rv_expr_parameter_node(p);
    if (!rv_expr_accept_symbol(p, '('))
        return rv_expr_unexpected(p, "an instant (now, 3 days ago, a date, $parameter, or an expression in brackets)");
    if (!rv_expr_enter(p))
        return NULL;
    expr_node_t *node = rv_expr_parse_sum(p);
    if (!node || !rv_expr_expect_symbol(p, ')', "')'"))
        return NULL;
    p->depth--;
    return node;
}

expr_node_t *rv_expr_parse_instant(expr_parser_t *p) {
    expr_node_t *point = parse_point(p), *chain = NULL;
    while (point && (rv_expr_is_symbol(p->at, '+') || rv_expr_is_symbol(p->at, '-')) &&
           rv_expr_at_duration(&p->at[1]) && !rv_expr_at_ago(&p->at[1])) {
        if (!chain && !(chain = rv_expr_node1(p, NODE_ARITHMETIC, point->place, point)))
            return NULL;
        expr_operator_t *operators = rv_expr_room(p, chain->operators, chain->n - 1, sizeof *operators);
        if (!operators)
            return NULL;
        chain->operators = operators;
        operators[chain->n - 1] = (expr_operator_t){p->at->symbol, p->at->place};
        p->at++;
        if (!rv_expr_add_kid(p, chain, rv_expr_literal_node(p)))
            return NULL;
    }
    return chain ? chain : point;
}

/* [ "-" ] literal */
static bool parse_item(expr_parser_t *p, expr_item_t *item) {
    expr_place_t place = p->at->place;
    bool minus = rv_expr_accept_symbol(p, '-');
    const expr_constant_t *constant = rv_expr_parse_literal(p);
    if (!constant)
        return false;
    *item = (expr_item_t){place, constant};
    if (!minus)
        return true;
    expr_constant_t *negative = new_constant(p, constant->type);
    if (!negative)
        return false;
    *negative = *constant;
    if (constant->type == RV_INT || constant->type == RV_DURATION)
        negative->value.i = -constant->value.i;
    else if (constant->type == RV_DECIMAL)
        negative->value.wide = -constant->value.wide;
    else {
        rv_expr_fail(p->report, RV_REASON_FILTER, place, "'-' stands before a number or a duration only");
        return false;
    }
    item->constant = negative;
    return true;
}

bool rv_expr_parse_items(expr_parser_t *p, expr_list_t *list) {
    do {
        expr_item_t *items = rv_expr_room(p, list->items, list->n, sizeof *items);
        if (!items || !parse_item(p, &items[list->n]))
            return false;
        list->items = items;
        list->n++;
    } while (rv_expr_accept_symbol(p, ','));
    return rv_expr_expect_symbol(p, ')', "',' or ')'");
}

expr_list_t *rv_expr_parse_list(expr_parser_t *p) {
    expr_list_t *list = rv_arena_zalloc(p->arena, 1, sizeof *list);
    if (!list) {
        rv_expr_fail_memory(p->report);
        return NULL;
    }
    list->place = p->at->place;
    if (p->at->kind == TOKEN_PARAMETER) {
        list->parameter = p->at->text;
        p->at++;
        return list;
    }
    if (!rv_expr_expect_symbol(p, '(', "a list in brackets or a $parameter"))
        return NULL;
    return rv_expr_parse_items(p, list) ? list : NULL;
}

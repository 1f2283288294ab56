// gen_text.c - random well-typed expressions and conditions as text.
//
// Structure: one function for each type, which either takes a leaf (gen_select.c) or combines smaller ones. Every
// expression names how tightly it binds, so that parentheses are written only where the grammar needs them (and now and
// then without need). Thresholds are literals on or next to values that the left side really takes.
#include "gen_internal.h"

#include <string.h>

const char *rvm_gen_up_to(rvm_gen_t *g, rvm_text_t e, rvm_level_t level) {
    if (e.level > level || rvm_gen_chance(g, 4)) {
        return rvm_format(g->arena, "(%s)", e.text);
    }
    return e.text;
}

static rvm_text_t text_of(const char *text, rvm_level_t level) {
    return (rvm_text_t){.text = text, .level = level};
}

static rvm_text_t leaf_or(rvm_gen_t *g, rvm_type_t want, int depth, const char *in_where, const char *outside) {
    rvm_text_t e = rvm_gen_leaf(g, want, depth);
    if (e.text == NULL) {
        e.text = g->in_where ? in_where : outside;
    }
    e.level = LEVEL_PRIMARY;
    return e;
}

typedef rvm_text_t generate_t(rvm_gen_t *g, int depth);

// Chance is asked one question at a time throughout, never twice in the arguments of one call: compilers differ in
// their order, and a seed must mean the same case everywhere.

// e plus or minus a duration.
static rvm_text_t plus_length(rvm_gen_t *g, rvm_text_t e) {
    const char *left = rvm_gen_up_to(g, e, LEVEL_SUM);
    char sign = rvm_gen_chance(g, 50) ? '+' : '-';
    return text_of(rvm_format(g->arena, "%s %c %s", left, sign, rvm_gen_length(g)), LEVEL_SUM);
}

// X at I, X without attributes.
static rvm_text_t shifted(rvm_gen_t *g, generate_t *generate, int depth) {
    const char *instant = rvm_gen_point(g, depth - 1);
    g->in_at++;
    rvm_text_t e = generate(g, depth - 1);
    g->in_at--;
    const char *x = rvm_gen_up_to(g, e, LEVEL_SHIFTED);
    return text_of(rvm_format(g->arena, "%s %s %s", x, rvm_gen_word(g, "at"), instant), LEVEL_SHIFTED);
}

static bool wants_at(rvm_gen_t *g, int depth) {
    return depth > 0 && !g->in_where && g->in_at < 2 && rvm_gen_has(g, RVM_GEN_AT) && rvm_gen_chance(g, 12);
}

// A literal near a value of e, or near any value of the type.
static const char *threshold(rvm_gen_t *g, rvm_text_t e, rvm_type_t type) {
    rvm_value_t v = g->in_where || e.level == LEVEL_PRIMARY ? e.sample : rvm_gen_sample(g, e.text);
    const rvm_param_t *param = rvm_gen_param(g, type, false);
    if (param != NULL && rvm_gen_chance(g, 8)) {
        return rvm_format(g->arena, "$%s", param->name);
    }
    if (v.type == RVM_MISSING || v.type == RVM_SET) {
        rvm_field_t field = {"", type, 0};
        v = type == RVM_DURATION ? rvm_duration(RVM_GEN_DAY * rvm_gen_below(g, 30)) : rvm_gen_value(g, &field);
    }
    if (v.type == RVM_MISSING) {
        v = type == RVM_STRING ? rvm_string("DE") : type == RVM_TIME ? rvm_time(RVM_GEN_NOW) : rvm_int(1);
    }
    return rvm_gen_literal(g, &v);
}

// ---- numbers ------------------------------------------------------------------------------------------------------

static rvm_text_t two_numbers(rvm_gen_t *g, int depth) {
    static const char ops[] = "++--*/";
    char op = ops[rvm_gen_below(g, 6)];
    bool product = op == '*' || op == '/';
    rvm_text_t a = rvm_gen_number(g, product ? 0 : depth - 1); // shallow products keep within 38 decimals
    rvm_text_t b = rvm_gen_number(g, product ? 0 : depth - 1);
    rvm_level_t level = product ? LEVEL_PRODUCT : LEVEL_SUM;
    const char *right = rvm_gen_chance(g, 40) ? threshold(g, b, RVM_INT) : rvm_gen_up_to(g, b, level - 1);
    const char *left = rvm_gen_up_to(g, a, level);
    return text_of(rvm_format(g->arena, "%s %c %s", left, op, right), level);
}

static rvm_text_t bucket(rvm_gen_t *g, int depth) {
    bool duration = rvm_gen_chance(g, 30);
    rvm_text_t x = duration ? rvm_gen_duration(g, depth - 1) : rvm_gen_number(g, depth - 1);
    const char *text = rvm_format(g->arena, "bucket(%s", rvm_gen_up_to(g, x, LEVEL_SUM));
    int edge = rvm_gen_below(g, 10) - 5;
    for (int n = 1 + rvm_gen_below(g, 4); n > 0; n--) {
        edge += 1 + rvm_gen_below(g, 8);
        text = rvm_format(g->arena,
                          duration                ? "%s, %d days"
                          : rvm_gen_chance(g, 50) ? "%s, %d"
                                                  : "%s, %d.0",
                          text, edge);
    }
    return text_of(rvm_format(g->arena, "%s)", text), LEVEL_PRIMARY);
}

rvm_text_t rvm_gen_number(rvm_gen_t *g, int depth) {
    static const char *const functions[] = {"abs", "round", "floor"};
    const char *function;
    rvm_text_t e;
    if (depth <= 0 || rvm_gen_chance(g, 50)) {
        return leaf_or(g, RVM_INT, depth, "hour", "count(any)");
    }
    if (wants_at(g, depth)) {
        return shifted(g, rvm_gen_number, depth);
    }
    switch (rvm_gen_below(g, 9)) {
    case 0:
        e = rvm_gen_number(g, depth - 1);
        return text_of(rvm_format(g->arena, "- %s", rvm_gen_up_to(g, e, LEVEL_PRIMARY)), LEVEL_PRIMARY);
    case 1:
        e = rvm_gen_number(g, depth - 1);
        function = rvm_gen_word(g, functions[rvm_gen_below(g, 3)]);
        return text_of(rvm_format(g->arena, "%s(%s)", function, e.text), LEVEL_PRIMARY);
    case 2:
        return text_of(rvm_format(g->arena, "length(%s)", rvm_gen_string(g, depth - 1).text), LEVEL_PRIMARY);
    case 3:
        return text_of(rvm_format(g->arena, "day(%s)", rvm_gen_time(g, depth - 1).text), LEVEL_PRIMARY);
    case 4:
        e = rvm_gen_number(g, depth - 1);
        return text_of(rvm_format(g->arena, "coalesce(%s, %s)", e.text, rvm_gen_number(g, depth - 1).text),
                       LEVEL_PRIMARY);
    case 5:
        return bucket(g, depth);
    default:
        return two_numbers(g, depth);
    }
}

// ---- times, durations, strings ------------------------------------------------------------------------------------

rvm_text_t rvm_gen_time(rvm_gen_t *g, int depth) {
    rvm_text_t e;
    if (depth <= 0 || rvm_gen_chance(g, 60)) {
        return leaf_or(g, RVM_TIME, depth, "at", "last(any)");
    }
    if (wants_at(g, depth)) {
        return shifted(g, rvm_gen_time, depth);
    }
    switch (rvm_gen_below(g, 4)) {
    case 0:
        return text_of(rvm_gen_word(g, "now"), LEVEL_PRIMARY);
    case 1:
        return text_of(rvm_format(g->arena, "%s ago", rvm_gen_length(g)), LEVEL_PRIMARY);
    case 2:
        e = rvm_gen_time(g, depth - 1);
        return text_of(rvm_format(g->arena, "coalesce(%s, %s)", e.text, rvm_gen_time(g, depth - 1).text),
                       LEVEL_PRIMARY);
    default:
        e = rvm_gen_time(g, depth - 1);
        return plus_length(g, e);
    }
}

rvm_text_t rvm_gen_duration(rvm_gen_t *g, int depth) {
    if (!g->in_where && (depth <= 0 || rvm_gen_chance(g, 60))) {
        return leaf_or(g, RVM_DURATION, depth, NULL, "recency(any)");
    }
    if (wants_at(g, depth)) {
        return shifted(g, rvm_gen_duration, depth);
    }
    rvm_text_t a, b;
    switch (g->in_where ? 0 : rvm_gen_below(g, 4)) {
    case 0: // an instant minus an instant: in parentheses, so that no "-" runs into what stands before
        a = rvm_gen_time(g, depth - 1);
        b = rvm_gen_time(g, depth - 1);
        a.text = rvm_gen_up_to(g, a, LEVEL_PRIMARY);
        return text_of(rvm_format(g->arena, "%s - %s", a.text, rvm_gen_up_to(g, b, LEVEL_PRIMARY)), LEVEL_SUM);
    case 1:
        a = rvm_gen_duration(g, depth - 1);
        a.text = rvm_gen_up_to(g, a, LEVEL_SHIFTED);
        return text_of(rvm_format(g->arena, "%d * %s", rvm_gen_below(g, 5) - 1, a.text), LEVEL_PRODUCT);
    case 2:
        return text_of(rvm_format(g->arena, "abs(%s)", rvm_gen_duration(g, depth - 1).text), LEVEL_PRIMARY);
    default:
        a = rvm_gen_duration(g, depth - 1);
        return plus_length(g, a);
    }
}

rvm_text_t rvm_gen_string(rvm_gen_t *g, int depth) {
    rvm_text_t e;
    if (!g->in_where && g->in_at == 0 && rvm_gen_chance(g, 6)) { // the key
        e = text_of(rvm_gen_name(g, g->one->schema.contact_key), LEVEL_PRIMARY);
        e.sample = rvm_gen_sample(g, e.text);
        return e;
    }
    if (depth <= 0 || rvm_gen_chance(g, 70)) {
        return leaf_or(g, RVM_STRING, depth, "type", "last(type of any)");
    }
    if (wants_at(g, depth)) {
        return shifted(g, rvm_gen_string, depth);
    }
    if (rvm_gen_chance(g, 30)) {
        e = rvm_gen_string(g, depth - 1);
        return text_of(rvm_format(g->arena, "coalesce(%s, %s)", e.text,
                                  rvm_gen_chance(g, 50) ? "'DE'" : rvm_gen_string(g, depth - 1).text),
                       LEVEL_PRIMARY);
    }
    const char *function = rvm_gen_chance(g, 50) ? "lower" : "upper";
    return text_of(rvm_format(g->arena, "%s(%s)", function, rvm_gen_string(g, depth - 1).text), LEVEL_PRIMARY);
}

// ---- tests --------------------------------------------------------------------------------------------------------

static rvm_text_t of_type(rvm_gen_t *g, rvm_type_t type, int depth) {
    switch (type) {
    case RVM_INT:
        return rvm_gen_number(g, depth);
    case RVM_TIME:
        return rvm_gen_time(g, depth);
    case RVM_DURATION:
        return rvm_gen_duration(g, depth);
    default:
        return rvm_gen_string(g, depth);
    }
}

static const char *not_or_empty(rvm_gen_t *g) {
    return rvm_gen_chance(g, 30) ? rvm_gen_word(g, "not ") : "";
}

static const char *list_of(rvm_gen_t *g, rvm_text_t e, rvm_type_t type) {
    const rvm_param_t *param = rvm_gen_param(g, type, true);
    if (param != NULL && rvm_gen_chance(g, 20)) {
        return rvm_format(g->arena, "$%s", param->name);
    }
    const char *text = "(";
    for (int n = 1 + rvm_gen_below(g, 4), i = 0; i < n; i++) {
        const char *item = threshold(g, e, type);
        if (item[0] != '$') {
            text = rvm_format(g->arena, "%s%s%s", text, text[1] == 0 ? "" : ", ", item);
        }
        e.sample = rvm_missing(); // the rest at random
    }
    if (text[1] == 0) { // only parameters came up
        text = type == RVM_STRING ? "('DE'" : type == RVM_INT ? "(1" : type == RVM_TIME ? "(2024-05-20" : "(3 days";
    }
    return rvm_format(g->arena, "%s)", text);
}

static rvm_text_t text_test(rvm_gen_t *g, rvm_text_t e) {
    static const char *const ops[] = {"contains", "starts with", "ends with", "like"};
    static const char *const patterns[] = {"%", "_%", "D_", "%1", "t%", "%c%", "__", "a_b", "50%", "", "%e%", "DE"};
    const char *op = ops[rvm_gen_below(g, 4)], *pattern = patterns[rvm_gen_below(g, 12)];
    if (e.sample.type == RVM_STRING && rvm_gen_chance(g, 50)) {
        size_t n = strlen(e.sample.s), half = n / 2;
        pattern = op[0] == 'e' ? e.sample.s + half : rvm_copy(g->arena, e.sample.s, n - half);
        pattern = op[0] == 'l' ? rvm_format(g->arena, "%s%%", pattern) : pattern;
    }
    const char *left = rvm_gen_up_to(g, e, LEVEL_SUM), *negation = not_or_empty(g);
    op = rvm_gen_word(g, op);
    return text_of(rvm_format(g->arena, "%s %s%s %s", left, negation, op, rvm_gen_quote(g, pattern)), LEVEL_TEST);
}

// Usually a constant; now and then something that differs by contact and may be missing.
static const char *range_end(rvm_gen_t *g, rvm_text_t e, rvm_type_t type, int depth) {
    return rvm_gen_chance(g, 70) ? threshold(g, e, type) : rvm_gen_up_to(g, of_type(g, type, depth - 2), LEVEL_SUM);
}

static rvm_text_t comparison(rvm_gen_t *g, int depth) {
    static const char *const ops[] = {"=", "!=", "<", "<=", ">", ">=", ">=", "<"};
    static const rvm_type_t types[] = {RVM_INT,    RVM_INT,    RVM_INT,  RVM_INT,
                                       RVM_STRING, RVM_STRING, RVM_TIME, RVM_DURATION};
    rvm_type_t type = types[rvm_gen_below(g, 8)];
    rvm_text_t e = of_type(g, type, depth - 1);
    const char *left = rvm_gen_up_to(g, e, LEVEL_SUM), *right, *negation;
    if (type == RVM_STRING && rvm_gen_chance(g, 40)) {
        return text_test(g, e);
    }
    switch (rvm_gen_below(g, 8)) {
    case 0:
        negation = not_or_empty(g);
        right = list_of(g, e, type);
        return text_of(rvm_format(g->arena, "%s %s%s %s", left, negation, rvm_gen_word(g, "in"), right), LEVEL_TEST);
    case 1:
        negation = not_or_empty(g);
        right = range_end(g, e, type, depth);
        return text_of(
            rvm_format(g->arena, "%s %sbetween %s and %s", left, negation, right, range_end(g, e, type, depth)),
            LEVEL_TEST);
    case 2:
        right = rvm_gen_up_to(g, of_type(g, type, depth - 1), LEVEL_SUM);
        break;
    default:
        right = threshold(g, e, type);
    }
    return text_of(rvm_format(g->arena, "%s %s %s", left, ops[rvm_gen_below(g, 8)], right), LEVEL_TEST);
}

static rvm_text_t set_test(rvm_gen_t *g, int depth) {
    static const char *const forms[] = {"is set", "is not set", "is unset"};
    static const rvm_type_t types[] = {RVM_INT, RVM_STRING, RVM_TIME, RVM_SET, RVM_BOOL};
    rvm_type_t type = types[rvm_gen_below(g, g->in_where || g->in_at > 0 ? 3 : 5)];
    rvm_text_t e = type >= RVM_SET || type == RVM_BOOL ? (rvm_text_t){.text = NULL} : of_type(g, type, depth - 1);
    for (int i = 0; e.text == NULL && i < g->one->schema.n_attributes; i++) {
        if (g->one->schema.attributes[i].type == type) {
            e = text_of(rvm_gen_name(g, g->one->schema.attributes[i].name), LEVEL_PRIMARY);
        }
    }
    if (e.text == NULL) {
        e = of_type(g, RVM_STRING, depth - 1);
    }
    const char *left = rvm_gen_up_to(g, e, LEVEL_SUM);
    return text_of(rvm_format(g->arena, "%s %s", left, rvm_gen_word(g, forms[rvm_gen_below(g, 3)])), LEVEL_TEST);
}

// A threshold far enough from any sum of the rounded contributions that one unit of 2^-32 cannot matter.
static rvm_text_t score_test(rvm_gen_t *g) {
    rvm_text_t e = rvm_gen_score(g);
    rvm_value_t v = rvm_gen_sample(g, e.text);
    double near = v.type == RVM_DOUBLE ? v.d : 1.0;
    near += rvm_gen_chance(g, 50) ? 0.000371 : -0.000371;
    const char *left = rvm_gen_up_to(g, e, LEVEL_SUM);
    return text_of(rvm_format(g->arena, "%s %s %.6f", left, rvm_gen_chance(g, 50) ? ">" : "<=", near), LEVEL_TEST);
}

rvm_text_t rvm_gen_score(rvm_gen_t *g) {
    const rvm_schema_t *schema = &g->one->schema;
    const char *name = rvm_gen_name(g, schema->models[rvm_gen_below(g, schema->n_models)].name);
    const char *now = rvm_format(g->arena, "%s(%s)", rvm_gen_word(g, "score"), name);
    g->uses_score = true;
    if (!rvm_gen_has(g, RVM_GEN_AT) || rvm_gen_chance(g, 40)) {
        return text_of(now, LEVEL_PRIMARY);
    }
    const char *then = rvm_format(g->arena, "%s at %s", now, rvm_gen_point(g, 1));
    if (rvm_gen_chance(g, 50)) {
        return text_of(then, LEVEL_SHIFTED);
    }
    return text_of(rvm_format(g->arena, "%s - %s", now, then), LEVEL_SUM);
}

// ---- conditions ---------------------------------------------------------------------------------------------------

static rvm_text_t segment(rvm_gen_t *g) {
    for (int i = g->one->n_segments - 1; i >= 0; i--) {
        if ((g->in_at == 0 || g->safe[i]) && (i == 0 || rvm_gen_chance(g, 50))) {
            const char *text = rvm_format(g->arena, "segment(%s)", rvm_gen_quote(g, g->one->segments[i].name));
            if (g->safe[i] && rvm_gen_has(g, RVM_GEN_AT) && rvm_gen_chance(g, 30)) { // then and now
                const char *then = rvm_gen_point(g, 0);
                return text_of(rvm_format(g->arena, "%s != %s at %s", text, text, then), LEVEL_TEST);
            }
            return text_of(text, LEVEL_PRIMARY);
        }
    }
    return text_of("exists(any)", LEVEL_PRIMARY);
}

static rvm_text_t bool_leaf(rvm_gen_t *g, int depth) {
    rvm_text_t e = {.text = NULL};
    if (g->in_where || rvm_gen_chance(g, 30)) {
        e = rvm_gen_leaf(g, RVM_BOOL, depth);
    }
    if (e.text == NULL && !g->in_where) {
        const char *exists = rvm_gen_word(g, "exists");
        e.text = rvm_format(g->arena, "%s(%s)", exists, rvm_gen_selection(g, depth));
    }
    e.level = LEVEL_PRIMARY;
    if (e.text != NULL && rvm_gen_chance(g, 10)) {
        const char *op = rvm_gen_chance(g, 50) ? "=" : "!=";
        return text_of(rvm_format(g->arena, "%s %s %s", e.text, op, rvm_gen_chance(g, 50) ? "true" : "false"),
                       LEVEL_TEST);
    }
    return e.text != NULL ? e : comparison(g, depth);
}

static rvm_text_t logic(rvm_gen_t *g, int depth) {
    int dice = rvm_gen_below(g, 5);
    rvm_text_t a = rvm_gen_bool(g, depth - 1);
    if (dice == 0) {
        a.text = rvm_gen_up_to(g, a, LEVEL_NOT);
        return text_of(rvm_format(g->arena, "%s %s", rvm_gen_word(g, "not"), a.text), LEVEL_NOT);
    }
    rvm_level_t level = dice < 3 ? LEVEL_AND : LEVEL_OR;
    const char *left = rvm_gen_up_to(g, a, level);
    const char *right = rvm_gen_up_to(g, rvm_gen_bool(g, depth - 1), level);
    return text_of(rvm_format(g->arena, "%s %s %s", left, rvm_gen_word(g, level == LEVEL_AND ? "and" : "or"), right),
                   level);
}

rvm_text_t rvm_gen_bool(rvm_gen_t *g, int depth) {
    if (depth > 0 && rvm_gen_chance(g, 45)) {
        return logic(g, depth);
    }
    if (wants_at(g, depth)) {
        return shifted(g, rvm_gen_bool, depth);
    }
    int dice = rvm_gen_below(g, 100);
    if (dice < 30) {
        return bool_leaf(g, depth);
    }
    if (dice < 38) {
        return set_test(g, depth);
    }
    if (!g->in_where && dice < 43 && g->one->n_segments > 0 && rvm_gen_has(g, RVM_GEN_SEGMENT)) {
        return segment(g);
    }
    if (!g->in_where && g->in_at == 0 && !g->no_score && dice < 48 && g->one->schema.n_models > 0 &&
        rvm_gen_has(g, RVM_GEN_SCORE)) {
        return score_test(g);
    }
    return comparison(g, depth);
}

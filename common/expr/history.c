/* history.c: what looks at the events of a contact: selections with their windows, aggregates over them, funnels,
 * scores.
 *
 * Purpose: windows become bounds. The lower bound is T - D, exclusive, or the instant after `from`, inclusive. The
 * upper bound is the latest instant that is seen (T, or less inside `X at I`), inclusive, or the instant after `to`,
 * exclusive; then a second upper bound keeps to what is seen, unless both are constants and one of them decides. Equal
 * selections, funnels and models are made once. Threads: none. Failure: see builder.h.
 */
#include "builder.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef Reveille__V1__Selection selection_t;
typedef Reveille__V1__Bound bound_t;

/* A window as bounds; node EXPR_NONE: no bound. */
typedef struct {
    uint32_t node;
    bool inclusive;
} end_t;
typedef struct {
    end_t lo, hi, until;
} ends_t;

static const end_t OPEN = {EXPR_NONE, false};

static int64_t kept_since(const rv_builder_t *b) {
    const Reveille__V1__Schema *schema = rv_catalog_message(b->catalog)->schema;
    bool limited = schema && schema->kept_since_case == REVEILLE__V1__SCHEMA__KEPT_SINCE_KEPT_SINCE_MS;
    return limited ? schema->kept_since_ms : INT64_MIN;
}

/* Remembers whether events before `kept_since` could count; a bound that differs between contacts is taken to allow it.
 */
static void note_reach(rv_builder_t *b, end_t lo) {
    int64_t kept = kept_since(b);
    if (kept == INT64_MIN)
        return;
    const expr_constant_t *start = lo.node == EXPR_NONE ? NULL : b->constants[lo.node];
    if (!start || start->value.i < (lo.inclusive ? kept : kept - 1))
        b->before_kept = true;
}

/* The duration of `within`: a literal or a parameter. */
static uint32_t compile_span(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t span = rv_expr_compile(b, scope, node);
    if (span == EXPR_NONE || rv_expr_type(b, span) == RV_DURATION)
        return span;
    return EXPR_FAIL(b, node->place, "'within' needs a duration, for example 30 days, and the parameter is %s",
                     rv_expr_type_name(rv_expr_type(b, span)));
}

/* The upper end of a window that has one of its own. */
static void close_window(rv_builder_t *b, const expr_scope_t *scope, uint32_t to, ends_t *ends) {
    const expr_constant_t *end = b->constants[to], *seen = b->constants[scope->seen];
    ends->hi = (end_t){to, false};
    ends->until = (end_t){scope->seen, true};
    if (!end || !seen)
        return;
    if (end->value.i > seen->value.i)
        ends->hi = ends->until;
    ends->until = OPEN;
}

/* False after a failure. */
static bool compile_window(rv_builder_t *b, const expr_scope_t *scope, const expr_window_t *window, ends_t *ret) {
    ends_t ends = {OPEN, {scope->seen, true}, OPEN};
    if (window->within) {
        uint32_t span = compile_span(b, scope, window->within);
        uint32_t start = span == EXPR_NONE
                             ? EXPR_NONE
                             : rv_expr_arithmetic(b, EXPR_OP(SUB), scope->now, span, window->within->place);
        ends.lo = (end_t){start, false};
        if (start == EXPR_NONE)
            return false;
    }
    if (window->from) {
        ends.lo = (end_t){rv_expr_instant(b, scope, window->from), true};
        if (ends.lo.node == EXPR_NONE)
            return false;
    }
    if (window->to) {
        uint32_t to = rv_expr_instant(b, scope, window->to);
        if (to == EXPR_NONE)
            return false;
        close_window(b, scope, to, &ends);
    }
    note_reach(b, ends.lo);
    *ret = ends;
    return true;
}

bool rv_expr_check_window(rv_builder_t *b, const expr_scope_t *scope, const expr_window_t *window) {
    ends_t ends;
    return compile_window(b, scope, window, &ends);
}

/* The bound as a message; NULL for none and after a failure. */
static bound_t *make_bound(rv_builder_t *b, end_t end) {
    bound_t *bound = end.node == EXPR_NONE ? NULL : rv_expr_alloc(b, 1, sizeof *bound);
    if (!bound)
        return NULL;
    *bound = (bound_t)REVEILLE__V1__BOUND__INIT;
    bound->node = end.node + 1;
    bound->inclusive = end.inclusive;
    return bound;
}

/* 1 + the condition of a `where`, 0 without one; EXPR_NONE after a failure. */
static uint32_t compile_where(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *where) {
    if (!where)
        return 0;
    expr_scope_t inside = *scope;
    inside.event = true;
    uint32_t condition = rv_expr_condition(b, &inside, where);
    return condition == EXPR_NONE ? EXPR_NONE : condition + 1;
}

static bool same_bound(const bound_t *x, const bound_t *y) {
    return x && y ? x->node == y->node && x->inclusive == y->inclusive : x == y;
}

static bool same_types(const uint32_t *x, size_t xn, const uint32_t *y, size_t yn) {
    return xn == yn && (xn == 0 || memcmp(x, y, xn * sizeof *x) == 0);
}

static bool same_selection(const selection_t *x, const selection_t *y) {
    /* types last: they are many, and mostly alike where the windows differ */
    return x->where == y->where && same_bound(x->lo, y->lo) && same_bound(x->hi, y->hi) &&
           same_bound(x->until, y->until) && same_types(x->types, x->n_types, y->types, y->n_types);
}

static uint32_t add_selection(rv_builder_t *b, selection_t *selection, expr_place_t place) {
    if (b->report.status != RV_OK)
        return EXPR_NONE;
    for (uint32_t i = 0; i < b->n_selections; i++)
        if (same_selection(b->selections[i], selection))
            return i;
    if (b->n_selections == RV_MAX_NODES)
        return EXPR_FAIL(b, place, "the expressions of the request have more than %u different selections",
                         RV_MAX_NODES);
    selection_t **selections = rv_expr_grow(b, b->selections, b->n_selections, sizeof *selections);
    if (!selections)
        return EXPR_NONE;
    b->selections = selections;
    b->selections[b->n_selections] = selection;
    return b->n_selections++;
}

uint32_t rv_expr_selection(rv_builder_t *b, const expr_scope_t *scope, const expr_selection_t *tree) {
    ends_t ends;
    expr_place_t place = tree->n_types ? tree->types[0].place : (expr_place_t){1, 1};
    selection_t *selection = rv_expr_alloc(b, 1, sizeof *selection);
    if (!selection)
        return EXPR_NONE;
    *selection = (selection_t)REVEILLE__V1__SELECTION__INIT;
    if (!rv_expr_types(b, tree, &selection->types, &selection->n_types))
        return EXPR_NONE;
    selection->where = compile_where(b, scope, tree->where);
    if (selection->where == EXPR_NONE || !compile_window(b, scope, &tree->window, &ends))
        return EXPR_NONE;
    if (tree->later)
        return rv_expr_refuse_later(b, tree->later_place, tree->later);
    selection->lo = make_bound(b, ends.lo);
    selection->hi = make_bound(b, ends.hi);
    selection->until = make_bound(b, ends.until);
    return add_selection(b, selection, place);
}

/* ---- aggregates ---- */

static uint32_t emit_aggregate(rv_builder_t *b, expr_op_t op, rv_type_t type, unsigned scale, uint32_t selection,
                               uint32_t value, expr_place_t place) {
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = op;
    out.type = type;
    out.scale = type == RV_DECIMAL ? scale : 0;
    out.ref = selection;
    out.args = &value;
    out.n_args = value == EXPR_NONE ? 0 : 1;
    return rv_expr_emit(b, &out, place);
}

/* count, exists, first, last, recency. */
static uint32_t plain_aggregate(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node,
                                uint32_t selection) {
    expr_place_t place = node->place;
    switch (node->word) {
    case WORD_COUNT:
        return emit_aggregate(b, EXPR_OP(COUNT), RV_INT, 0, selection, EXPR_NONE, place);
    case WORD_EXISTS:
        return emit_aggregate(b, EXPR_OP(EXISTS), RV_BOOL, 0, selection, EXPR_NONE, place);
    case WORD_FIRST:
        return emit_aggregate(b, EXPR_OP(FIRST_TIME), RV_TIME, 0, selection, EXPR_NONE, place);
    default:
        break;
    }
    uint32_t last = emit_aggregate(b, EXPR_OP(LAST_TIME), RV_TIME, 0, selection, EXPR_NONE, place);
    if (node->word == WORD_LAST || last == EXPR_NONE)
        return last;
    return rv_expr_arithmetic(b, EXPR_OP(SUB), scope->now, last, place);
}

/* What an aggregate of a property takes, or NULL when it takes the type. */
static const char *refuse_type(expr_word_t word, rv_type_t type) {
    bool number = rv_expr_is_number(type);
    if (word == WORD_SUM || word == WORD_AVG)
        return number ? NULL : "numbers";
    if (word == WORD_MIN || word == WORD_MAX)
        return number || type == RV_STRING || type == RV_TIME || type == RV_DATE ? NULL : "values that have an order";
    return type == RV_SET && word == WORD_DISTINCT ? "single values" : NULL;
}

/* sum, min, max, avg, first, last, distinct of a property, whose node is `value`. */
static uint32_t value_aggregate(rv_builder_t *b, const expr_node_t *node, uint32_t value, uint32_t selection) {
    const expr_name_t *name = &node->names[0];
    rv_type_t type = rv_expr_type(b, value);
    const char *needs = refuse_type(node->word, type);
    if (needs)
        return EXPR_FAIL(b, name->place, "this function takes %s, and '%s' is %s", needs,
                         rv_expr_quote(name->text).text, rv_expr_type_name(type));
    bool integer = node->word == WORD_DISTINCT, real = node->word == WORD_AVG;
    bool wide = node->word == WORD_SUM && type == RV_INT; /* ints may add up to more than an int */
    expr_op_t op = node->word == WORD_SUM        ? EXPR_OP(SUM)
                   : node->word == WORD_MIN      ? EXPR_OP(MIN)
                   : node->word == WORD_MAX      ? EXPR_OP(MAX)
                   : node->word == WORD_AVG      ? EXPR_OP(AVG)
                   : node->word == WORD_DISTINCT ? EXPR_OP(DISTINCT)
                   : node->word == WORD_FIRST    ? EXPR_OP(FIRST)
                                                 : EXPR_OP(LAST);
    return emit_aggregate(b, op,
                          integer ? RV_INT
                          : real  ? RV_DOUBLE
                          : wide  ? RV_DECIMAL
                                  : type,
                          rv_expr_scale(b, value), selection, value, node->place);
}

uint32_t rv_expr_aggregate(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    uint32_t value = node->n_names ? rv_expr_property(b, &node->names[0]) : EXPR_NONE;
    if (node->n_names && value == EXPR_NONE)
        return EXPR_NONE;
    uint32_t selection = rv_expr_selection(b, scope, node->selection);
    if (selection == EXPR_NONE)
        return EXPR_NONE;
    if (node->later)
        return rv_expr_refuse_later(b, node->place, node->later);
    return node->n_names ? value_aggregate(b, node, value, selection) : plain_aggregate(b, scope, node, selection);
}

/* ---- funnels ---- */

static bool same_funnel(const Reveille__V1__Funnel *x, const Reveille__V1__Funnel *y) {
    if (x->n_steps != y->n_steps || x->within_ms != y->within_ms || !same_bound(x->lo, y->lo) ||
        !same_bound(x->hi, y->hi) || !same_bound(x->until, y->until))
        return false;
    for (size_t i = 0; i < x->n_steps; i++)
        if (x->steps[i]->where != y->steps[i]->where ||
            !same_types(x->steps[i]->types, x->steps[i]->n_types, y->steps[i]->types, y->steps[i]->n_types))
            return false;
    return true;
}

static bool compile_steps(rv_builder_t *b, const expr_scope_t *scope, const expr_funnel_t *tree,
                          Reveille__V1__Funnel *funnel) {
    Reveille__V1__Step *steps = rv_expr_alloc(b, tree->n_steps, sizeof *steps);
    funnel->steps = rv_expr_alloc(b, tree->n_steps, sizeof *funnel->steps);
    if (!steps || !funnel->steps)
        return false;
    for (uint32_t i = 0; i < tree->n_steps; i++) {
        steps[i] = (Reveille__V1__Step)REVEILLE__V1__STEP__INIT;
        if (!rv_expr_types(b, &tree->steps[i], &steps[i].types, &steps[i].n_types))
            return false;
        steps[i].where = compile_where(b, scope, tree->steps[i].where);
        if (steps[i].where == EXPR_NONE)
            return false;
        funnel->steps[funnel->n_steps++] = &steps[i];
    }
    return true;
}

uint32_t rv_expr_funnel(rv_builder_t *b, const expr_scope_t *scope, const expr_funnel_t *tree, expr_place_t place) {
    ends_t ends;
    Reveille__V1__Funnel *funnel = rv_expr_alloc(b, 1, sizeof *funnel);
    if (!funnel)
        return EXPR_NONE;
    *funnel = (Reveille__V1__Funnel)REVEILLE__V1__FUNNEL__INIT;
    if (!compile_steps(b, scope, tree, funnel) || rv_expr_constant(b, tree->within, tree->within_place) == EXPR_NONE ||
        !compile_window(b, scope, &tree->window, &ends))
        return EXPR_NONE;
    funnel->within_ms = tree->within->value.i;
    funnel->lo = make_bound(b, ends.lo);
    funnel->hi = make_bound(b, ends.hi);
    funnel->until = make_bound(b, (end_t){scope->seen, true}); /* the later steps keep to it */
    if (b->report.status != RV_OK)
        return EXPR_NONE;
    uint32_t number = 0;
    while (number < b->n_funnels && !same_funnel(b->funnels[number], funnel))
        number++;
    if (number == RV_MAX_NODES)
        return EXPR_FAIL(b, place, "the request has more than %u different funnels", RV_MAX_NODES);
    if (number == b->n_funnels) {
        Reveille__V1__Funnel **funnels = rv_expr_grow(b, b->funnels, b->n_funnels, sizeof *funnels);
        if (!funnels)
            return EXPR_NONE;
        b->funnels = funnels;
        b->funnels[b->n_funnels++] = funnel;
    }
    return emit_aggregate(b, EXPR_OP(FUNNEL), RV_INT, 0, number, EXPR_NONE, place);
}

/* ---- scores ---- */

static int by_type(const void *left, const void *right) {
    const Reveille__V1__ProgramPoints *x = *(Reveille__V1__ProgramPoints *const *)left;
    const Reveille__V1__ProgramPoints *y = *(Reveille__V1__ProgramPoints *const *)right;
    return (x->type > y->type) - (x->type < y->type);
}

static Reveille__V1__ProgramScore *make_score(rv_builder_t *b, const Reveille__V1__ScoreModel *model,
                                              const expr_name_t *name) {
    Reveille__V1__ProgramScore *score = rv_expr_alloc(b, 1, sizeof *score);
    Reveille__V1__ProgramPoints *points = rv_expr_alloc(b, model->n_events, sizeof *points);
    if (!score || !points)
        return NULL;
    *score = (Reveille__V1__ProgramScore)REVEILLE__V1__PROGRAM_SCORE__INIT;
    score->half_life_ms = model->half_life_ms;
    score->points = rv_expr_alloc(b, model->n_events, sizeof *score->points);
    if (!score->points)
        return NULL;
    for (size_t i = 0; i < model->n_events; i++) {
        const Reveille__V1__ScorePoints *event = model->events[i];
        const rv_event_type_t *type = rv_catalog_type(b->catalog, event->type, strlen(event->type));
        if (!type) {
            rv_str_t missing = {event->type, (uint32_t)strlen(event->type)};
            rv_expr_fail(&b->report, RV_REASON_FILTER, name->place,
                         "the score model '%s' gives points for the event type '%s', which the schema does not have",
                         rv_expr_quote(name->text).text, rv_expr_quote(missing).text);
            return NULL;
        }
        points[i] = (Reveille__V1__ProgramPoints)REVEILLE__V1__PROGRAM_POINTS__INIT;
        points[i].type = type->id;
        points[i].points = event->points;
        score->points[score->n_points++] = &points[i];
    }
    qsort(score->points, score->n_points, sizeof *score->points, by_type);
    return score;
}

uint32_t rv_expr_score(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    const expr_name_t *name = &node->names[0];
    const Reveille__V1__ScoreModel *model = rv_expr_find_score(b, name);
    if (!model)
        return EXPR_NONE;
    uint32_t number = 0, args[2] = {scope->now, scope->seen};
    while (number < b->n_scores && b->models[number] != model)
        number++;
    if (number == RV_MAX_NODES)
        return EXPR_FAIL(b, node->place, "the request has more than %u different score models", RV_MAX_NODES);
    if (number == b->n_scores) {
        Reveille__V1__ProgramScore *score = make_score(b, model, name);
        const Reveille__V1__ScoreModel **models = rv_expr_grow(b, b->models, b->n_scores, sizeof *models);
        Reveille__V1__ProgramScore **scores = rv_expr_grow(b, b->scores, b->n_scores, sizeof *scores);
        if (!score || !models || !scores)
            return EXPR_NONE;
        b->models = models;
        b->scores = scores;
        b->models[number] = model;
        b->scores[b->n_scores++] = score;
    }
    note_reach(b, OPEN);
    expr_out_t out = REVEILLE__V1__NODE__INIT;
    out.op = EXPR_OP(SCORE);
    out.type = RV_DOUBLE;
    out.ref = number;
    out.args = args;
    out.n_args = scope->now == scope->seen ? 1 : 2;
    return rv_expr_emit(b, &out, node->place);
}

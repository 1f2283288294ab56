// gen_query.c - parameters, saved segments and requests; a case put together; the model's answer to a request.
//
// Structure: parameters by type; segments, later ones using earlier ones; one function for each kind of request.
#include "gen_internal.h"

#include <string.h>

// ---- parameters and segments --------------------------------------------------------------------------------------

static rvm_param_t gen_param(rvm_gen_t *g, const char *name, rvm_type_t type, bool list) {
    rvm_field_t field = {name, type, 2};
    rvm_value_t *values = rvm_alloc(g->arena, 5 * sizeof *values);
    int n = list ? rvm_gen_below(g, 6) : 1;
    for (int i = 0; i < n; i++) {
        do {
            values[i] =
                type == RVM_DURATION ? rvm_duration(RVM_GEN_DAY * rvm_gen_below(g, 40)) : rvm_gen_value(g, &field);
        } while (values[i].type == RVM_MISSING);
    }
    return (rvm_param_t){.name = name, .list = list, .n = n, .values = values};
}

void rvm_gen_params(rvm_gen_t *g) {
    rvm_param_t *params = rvm_alloc(g->arena, 10 * sizeof *params);
    int n = 0;
    params[n++] = gen_param(g, "n", RVM_INT, false);
    params[n++] = gen_param(g, "amount", RVM_DECIMAL, false);
    params[n++] = gen_param(g, "who", RVM_STRING, false);
    params[n++] = gen_param(g, "since", RVM_TIME, false);
    params[n++] = gen_param(g, "day", RVM_DATE, false);
    params[n++] = gen_param(g, "span", RVM_DURATION, false);
    params[n++] = gen_param(g, "words", RVM_STRING, true);
    params[n++] = gen_param(g, "numbers", RVM_INT, true);
    params[n++] = gen_param(g, "amounts", RVM_DECIMAL, true);
    params[n++] = gen_param(g, "times", RVM_TIME, true);
    g->one->params = params;
    g->one->n_params = n;
}

void rvm_gen_segments(rvm_gen_t *g) {
    static const char *const names[] = {"vip", "sleepy", "it's both"};
    rvm_segment_t *segments = rvm_alloc(g->arena, 3 * sizeof *segments);
    g->one->segments = segments;
    g->no_score = true;
    for (int i = 0; i < 3; i++) {
        g->safe[i] = i == 0 || rvm_gen_chance(g, 50); // written as if under `at`
        g->in_at = g->safe[i] ? 1 : 0;
        segments[i] = (rvm_segment_t){names[i], rvm_gen_bool(g, 2).text};
        g->in_at = 0;
        g->one->n_segments = i + 1;
    }
    g->no_score = false;
}

// ---- requests -----------------------------------------------------------------------------------------------------

// Is it true for some contacts of the population, and not for all?
static bool is_telling(rvm_gen_t *g, const char *filter) {
    rvm_arena_t *arena = rvm_arena_new();
    rvm_world_t world = rvm_case_world(g->one, g->one->data, g->as_of);
    bool *in = rvm_alloc(arena, (size_t)g->one->data->n_contacts);
    rvm_error_t error;
    int yes = 0, everyone = 0;
    bool telling = rvm_filter(arena, &world, "", in, &everyone, &error) == RVM_OK &&
                   rvm_filter(arena, &world, filter, in, &yes, &error) == RVM_OK && yes > 0 && yes < everyone;
    rvm_arena_destroy(&arena);
    return telling;
}

// The first of three that tells contacts apart; the third one whatever it does.
static const char *gen_filter(rvm_gen_t *g) {
    bool uses_score = g->uses_score;
    const char *filter = "";
    if (rvm_gen_chance(g, 5)) {
        return filter;
    }
    for (int tries = 0; tries < 3; tries++) {
        g->uses_score = uses_score;
        filter = rvm_gen_bool(g, g->options.depth - rvm_gen_below(g, 2)).text;
        if (is_telling(g, filter)) {
            break;
        }
    }
    return filter;
}

// Any expression that has an order; a condition only in parentheses, because lists are of sums.
static const char *gen_item(rvm_gen_t *g, bool score) {
    switch (rvm_gen_below(g, score && g->one->schema.n_models > 0 && rvm_gen_has(g, RVM_GEN_SCORE) ? 7 : 6)) {
    case 0:
    case 1:
        return rvm_gen_up_to(g, rvm_gen_number(g, 2), LEVEL_SUM);
    case 2:
        return rvm_gen_up_to(g, rvm_gen_string(g, 2), LEVEL_SUM);
    case 3:
        return rvm_gen_up_to(g, rvm_gen_time(g, 2), LEVEL_SUM);
    case 4:
        return rvm_gen_up_to(g, rvm_gen_duration(g, 1), LEVEL_SUM);
    case 5:
        return rvm_gen_up_to(g, rvm_gen_bool(g, 1), LEVEL_SUM);
    default:
        return rvm_gen_up_to(g, rvm_gen_score(g), LEVEL_SUM);
    }
}

static const char *gen_list(rvm_gen_t *g, int most, bool score, bool order) {
    const char *text = "";
    int n = 1 + rvm_gen_below(g, most);
    for (int i = 0; i < n; i++) {
        const char *direction = !order ? "" : rvm_gen_chance(g, 50) ? " desc" : rvm_gen_chance(g, 20) ? " asc" : "";
        text = rvm_format(g->arena, "%s%s%s%s", text, i > 0 ? ", " : "", gen_item(g, score), direction);
    }
    return text;
}

static void gen_select(rvm_gen_t *g, rvm_query_t *query) {
    query->filter = gen_filter(g);
    query->fields = gen_list(g, 4, true, false);
    for (int i = 0; i < g->one->schema.n_attributes && rvm_gen_chance(g, 40); i++) {
        query->fields =
            rvm_format(g->arena, "%s, %s", query->fields, rvm_gen_name(g, g->one->schema.attributes[i].name));
    }
    query->order = rvm_gen_chance(g, 20) ? "" : gen_list(g, 2, true, true);
    query->limit = rvm_gen_chance(g, 50) ? -1 : rvm_gen_below(g, 12);
}

static const char *gen_measure(rvm_gen_t *g) {
    static const char *const quantiles[] = {"0", "0.25", "0.5", "0.9", "1", "0.3333", "1.0"};
    static const char *const ordered[] = {"min", "max", "distinct"};
    const char *number =
        rvm_gen_up_to(g, rvm_gen_chance(g, 80) ? rvm_gen_number(g, 1) : rvm_gen_duration(g, 1), LEVEL_SUM);
    switch (rvm_gen_below(g, 6)) {
    case 0:
        return "count";
    case 1:
        return rvm_format(g->arena, "sum(%s)", number);
    case 2:
        return rvm_format(g->arena, "avg(%s)", number);
    case 3:
        return rvm_format(g->arena, "quantile(%s, %s)", number, quantiles[rvm_gen_below(g, 7)]);
    case 4: {
        rvm_text_t e = rvm_gen_chance(g, 50) ? rvm_gen_time(g, 1) : rvm_gen_string(g, 1);
        bool words = !rvm_gen_has(g, RVM_GEN_TEXT_ORDER);
        const char *function = ordered[words ? 2 : rvm_gen_below(g, 3)];
        return rvm_format(g->arena, "%s(%s)", function, rvm_gen_up_to(g, e, LEVEL_SUM));
    }
    default:
        return rvm_format(g->arena, "%s(%s)", ordered[rvm_gen_below(g, 3)], number);
    }
}

static void gen_aggregate(rvm_gen_t *g, rvm_query_t *query) {
    query->filter = gen_filter(g);
    query->by = rvm_gen_chance(g, 20) ? "" : gen_list(g, 2, false, false);
    query->compute = gen_measure(g);
    for (int n = rvm_gen_below(g, 4); n > 0; n--) {
        query->compute = rvm_format(g->arena, "%s, %s", query->compute, gen_measure(g));
    }
    if (g->one->schema.n_models > 0 && rvm_gen_has(g, RVM_GEN_SCORE) && rvm_gen_chance(g, 20)) {
        const char *score = rvm_gen_up_to(g, rvm_gen_score(g), LEVEL_SUM);
        query->compute =
            rvm_format(g->arena, "%s, %s(%s)", query->compute, rvm_gen_chance(g, 50) ? "avg" : "max", score);
    }
}

static void gen_overlap(rvm_gen_t *g, rvm_query_t *query) {
    query->n_overlap = 2 + rvm_gen_below(g, 3);
    for (int i = 0; i < query->n_overlap; i++) {
        query->overlap[i] = gen_filter(g);
    }
}

static int64_t gen_span(rvm_gen_t *g) {
    static const int64_t spans[] = {3600000, 86400000, 604800000, 2592000000};
    int64_t span = spans[rvm_gen_below(g, 4)];
    return span * (1 + rvm_gen_below(g, 3));
}

static void gen_funnel(rvm_gen_t *g, rvm_query_t *query) {
    query->filter = gen_filter(g);
    query->steps = rvm_gen_steps(g, 1);
    query->within = gen_span(g);
    query->window = rvm_gen_window(g, 1);
}

static void gen_retention(rvm_gen_t *g, rvm_query_t *query) {
    query->filter = gen_filter(g);
    query->start = rvm_gen_up_to(g, rvm_gen_time(g, 1), LEVEL_SUM);
    query->types = rvm_gen_types(g);
    query->cohort = gen_span(g);
    query->period = gen_span(g);
    query->periods = 1 + rvm_gen_below(g, 6);
}

static int64_t gen_as_of(rvm_gen_t *g) {
    int dice = rvm_gen_below(g, 10);
    return dice < 6 ? RVM_GEN_NOW : dice < 7 ? RVM_GEN_NOW + rvm_gen_below(g, 3) - 1 : rvm_gen_instant(g);
}

void rvm_gen_queries(rvm_gen_t *g) {
    static void (*const others[])(rvm_gen_t * g, rvm_query_t * query) = {
        gen_select,    gen_select,  gen_select, gen_aggregate, gen_aggregate,
        gen_aggregate, gen_overlap, gen_funnel, gen_funnel,    gen_retention};
    static const rvm_query_kind_t kinds[] = {
        RVM_QUERY_SELECT,    RVM_QUERY_SELECT,  RVM_QUERY_SELECT, RVM_QUERY_AGGREGATE, RVM_QUERY_AGGREGATE,
        RVM_QUERY_AGGREGATE, RVM_QUERY_OVERLAP, RVM_QUERY_FUNNEL, RVM_QUERY_FUNNEL,    RVM_QUERY_RETENTION};
    int n = g->options.queries;
    g->one->queries = rvm_alloc(g->arena, (size_t)n * sizeof(rvm_query_t));
    g->one->n_queries = n;
    for (int i = 0; i < n; i++) {
        rvm_query_t *query = &g->one->queries[i];
        *query = (rvm_query_t){.filter = "", .fields = "", .order = "", .by = "", .window = "", .limit = -1};
        query->as_of = g->as_of = gen_as_of(g);
        g->uses_score = false;
        if (rvm_gen_chance(g, 50)) {
            query->kind = RVM_QUERY_COUNT;
            query->filter = gen_filter(g);
        } else {
            int k = rvm_gen_below(g, 10);
            query->kind = kinds[k];
            others[k](g, query);
        }
        query->uses_score = g->uses_score;
    }
}

// ---- a case -------------------------------------------------------------------------------------------------------

rvm_world_t rvm_case_world(const rvm_case_t *one, const rvm_data_t *data, int64_t as_of) {
    return (rvm_world_t){.data = data,
                         .segments = one->segments,
                         .n_segments = one->n_segments,
                         .params = one->params,
                         .n_params = one->n_params,
                         .as_of = as_of};
}

rvm_case_t *rvm_case_new(uint64_t seed, const rvm_gen_options_t *options) {
    static const rvm_gen_options_t middle = {
        .features = RVM_GEN_ALL, .contacts = 20, .events = 150, .queries = 6, .depth = 4};
    rvm_arena_t *arena = rvm_arena_new();
    rvm_case_t *one = rvm_alloc(arena, sizeof *one);
    rvm_gen_t g = {.one = one, .arena = arena, .state = seed, .as_of = RVM_GEN_NOW};
    g.options = options != NULL ? *options : middle;
    one->arena = arena;
    one->seed = seed;
    rvm_gen_schema(&g);
    rvm_gen_operations(&g);
    one->data = rvm_data_new(arena, &one->schema);
    for (int i = 0; i < one->n_ops; i++) {
        rvm_apply(one->data, &one->ops[i], NULL);
    }
    rvm_gen_params(&g);
    rvm_gen_segments(&g);
    rvm_gen_queries(&g);
    return one;
}

void rvm_case_destroy(rvm_case_t **one) {
    if (*one != NULL) {
        rvm_arena_t *arena = (*one)->arena; // which holds the case too
        *one = NULL;
        rvm_arena_destroy(&arena);
    }
}

rvm_status_t rvm_query_run(rvm_arena_t *arena, const rvm_world_t *world, const rvm_query_t *query, rvm_table_t *ret,
                           rvm_error_t *error) {
    switch (query->kind) {
    case RVM_QUERY_SELECT:
        return rvm_select(arena, world, query->filter, query->fields, query->order, query->limit, ret, error);
    case RVM_QUERY_AGGREGATE:
        return rvm_aggregate(arena, world, query->filter, query->by, query->compute, ret, error);
    case RVM_QUERY_OVERLAP:
        return rvm_overlap(arena, world, query->overlap, query->n_overlap, ret, error);
    case RVM_QUERY_FUNNEL:
        return rvm_funnel(arena, world, query->filter, query->steps, query->within, query->window, ret, error);
    case RVM_QUERY_RETENTION:
        return rvm_retention(arena, world, query->filter, query->start, query->cohort, query->types, query->period,
                             query->periods, ret, error);
    default:
        return rvm_aggregate(arena, world, query->filter, "", "count", ret, error);
    }
}

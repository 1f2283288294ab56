/* plan.c: one function a kind of read. Each collects its texts in one builder, so that they share T, parameters and
 * nodes, and fills the sink of the QueryRequest and the columns of the answer. A funnel is a grouping by the number of
 * steps reached; everything else has a sink of its own. No state, no threads; a failure leaves nothing behind. */
#include "plan.h"
#include "reveille/limits.h"
#include <stdlib.h>
#include <string.h>

#define PLAN_BUDGET (16u << 20)

int64_t rvc_as_of(const Reveille__V1__ReadOptions *options, int64_t wall_ms) {
    return options && options->as_of_case == REVEILLE__V1__READ_OPTIONS__AS_OF_AS_OF_MS ? options->as_of_ms : wall_ms;
}

rv_status_t rvc_need_schema(const rv_catalog_t *catalog, rv_error_t *err) {
    if (rv_catalog_schema_version(catalog) == 0)
        return rv_fail(err, RV_REASON_SCHEMA,
                       "no schema has been applied yet: apply one first (reveille schema apply FILE)");
    return RV_OK;
}

void rvc_plan_destroy(rvc_plan_t **plan) {
    if (!*plan)
        return;
    rv_builder_destroy(&(*plan)->builder);
    rv_catalog_unref(&(*plan)->catalog);
    rv_arena_done(&(*plan)->arena);
    free(*plan);
    *plan = NULL;
}

/* A plan with its filter; `filter` "" is everyone. */
static rv_status_t begin(const rvc_plan_context_t *context, rvc_plan_kind_t kind, const char *filter,
                         const Reveille__V1__ReadOptions *options, rvc_plan_t **ret, rv_error_t *err) {
    static const Reveille__V1__ReadOptions DEFAULTS = REVEILLE__V1__READ_OPTIONS__INIT;
    options = options ? options : &DEFAULTS;
    rv_status_t status = rvc_need_schema(context->catalog, err);
    if (status != RV_OK)
        return status;
    rvc_plan_t *plan = calloc(1, sizeof *plan);
    if (!plan)
        return rv_fail_memory(err, "a plan");
    rv_arena_init(&plan->arena, PLAN_BUDGET);
    plan->kind = kind;
    plan->catalog = rv_catalog_ref(context->catalog);
    plan->as_of_ms = rvc_as_of(options, context->wall_ms);
    plan->allow_partial = options->allow_partial;
    reveille__v1__query_request__init(&plan->query);
    plan->query.explain = options->explain;
    plan->query.schema_version = rv_catalog_schema_version(plan->catalog);
    status = rv_builder_new(plan->catalog, plan->as_of_ms, options, &plan->builder, err);
    if (status == RV_OK)
        status = rv_builder_filter(plan->builder, "filter", filter, &plan->query.filter, err);
    if (status != RV_OK) {
        rvc_plan_destroy(&plan);
        return status;
    }
    *ret = plan;
    return RV_OK;
}

/* The last step of every plan; takes the plan when `status` or the builder fails. */
static rv_status_t finish(const rvc_plan_context_t *context, rv_status_t status, rvc_plan_t *plan, rvc_plan_t **ret,
                          rv_error_t *err) {
    const Reveille__V1__Program *program = NULL;
    if (status == RV_OK)
        status = rv_builder_finish(plan->builder, &program, err);
    if (status != RV_OK) {
        rvc_plan_destroy(&plan);
        return status;
    }
    plan->query.program = (Reveille__V1__Program *)(uintptr_t)program;
    plan->before_kept = rv_builder_before_kept(plan->builder);
    if (plan->as_of_ms < context->wall_ms)
        plan->current_attributes = rv_builder_attributes(plan->builder, &plan->n_current_attributes);
    *ret = plan;
    return RV_OK;
}

static rv_status_t no_memory(rv_error_t *err) {
    return rv_fail(err, RV_REASON_QUOTA, "the request needs more than the %u bytes that a plan may take", PLAN_BUDGET);
}

static const char *copy(rvc_plan_t *plan, const char *text) {
    return rv_arena_strndup(&plan->arena, text, strlen(text));
}

rv_status_t rvc_plan_count(const rvc_plan_context_t *context, const Reveille__V1__CountRequest *request,
                           rvc_plan_t **ret, rv_error_t *err) {
    rvc_plan_t *plan;
    rv_status_t status = begin(context, RVC_PLAN_COUNT, request->filter, request->options, &plan, err);
    if (status != RV_OK)
        return status;
    Reveille__V1__CountQuery *sink = rv_arena_alloc(&plan->arena, sizeof *sink);
    if (sink) {
        reveille__v1__count_query__init(sink);
        plan->query.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_COUNT;
        plan->query.count = sink;
    }
    return finish(context, sink ? RV_OK : no_memory(err), plan, ret, err);
}

/* Fields, their outputs and node numbers. */
static rv_status_t take_fields(rvc_plan_t *plan, const rv_expression_t *fields, size_t n, uint32_t **ret_nodes,
                               rv_error_t *err) {
    uint32_t *nodes = rv_arena_zalloc(&plan->arena, n + 1, sizeof *nodes);
    if (!nodes)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        nodes[i] = fields[i].node;
        plan->outputs[plan->n_outputs++] = (rvc_output_t){fields[i].text, fields[i].type, fields[i].scale};
    }
    *ret_nodes = nodes;
    return RV_OK;
}

/* The contact's key as a text of the language: its name in backquotes. */
static const char *key_text(rvc_plan_t *plan, const char *name) {
    size_t n = strlen(name), used = 0;
    char *text = rv_arena_alloc(&plan->arena, 2 * n + 3);
    if (!text)
        return NULL;
    text[used++] = '`';
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '`')
            text[used++] = '`';
        text[used++] = name[i];
    }
    text[used++] = '`';
    text[used] = 0;
    return text;
}

static rv_status_t select_fields(rvc_plan_t *plan, const char *text, Reveille__V1__RowsQuery *sink, rv_error_t *err) {
    const char *key = rv_catalog_message(plan->catalog)->schema->contact_key;
    const char *fields_text = text;
    const rv_expression_t *fields;
    size_t n;
    bool bare = text[strspn(text, " \t\r\n")] == 0;
    if (bare && !(fields_text = key_text(plan, key)))
        return no_memory(err);
    rv_status_t status = rv_builder_fields(plan->builder, "fields", fields_text, &fields, &n, err);
    if (status != RV_OK)
        return status;
    plan->outputs = rv_arena_zalloc(&plan->arena, n + 1, sizeof *plan->outputs);
    if (!plan->outputs)
        return no_memory(err);
    status = take_fields(plan, fields, n, &sink->fields, err);
    sink->n_fields = n;
    if (bare)
        plan->outputs[0].name = key;
    return status;
}

static rv_status_t select_order(rvc_plan_t *plan, const char *text, Reveille__V1__RowsQuery *sink, rv_error_t *err) {
    const rv_expression_t *order;
    size_t n;
    rv_status_t status = rv_builder_order(plan->builder, text, &order, &n, err);
    if (status != RV_OK)
        return status;
    Reveille__V1__OrderKey *keys = rv_arena_zalloc(&plan->arena, n + 1, sizeof *keys);
    sink->order = rv_arena_zalloc(&plan->arena, n + 1, sizeof *sink->order);
    if (!keys || !sink->order)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        reveille__v1__order_key__init(&keys[i]);
        keys[i].node = order[i].node;
        keys[i].descending = order[i].descending;
        sink->order[i] = &keys[i];
    }
    sink->n_order = n;
    return RV_OK;
}

rv_status_t rvc_plan_select(const rvc_plan_context_t *context, const Reveille__V1__SelectRequest *request,
                            rvc_plan_t **ret, rv_error_t *err) {
    rvc_plan_t *plan;
    rv_status_t status = begin(context, RVC_PLAN_SELECT, request->filter, request->options, &plan, err);
    if (status != RV_OK)
        return status;
    Reveille__V1__RowsQuery *sink = rv_arena_alloc(&plan->arena, sizeof *sink);
    status = sink ? RV_OK : no_memory(err);
    if (status == RV_OK) {
        reveille__v1__rows_query__init(sink);
        plan->query.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_ROWS;
        plan->query.rows = sink;
        plan->limit = sink->limit = request->limit;
        status = select_fields(plan, request->fields, sink, err);
    }
    if (status == RV_OK)
        status = select_order(plan, request->order_by, sink, err);
    return finish(context, status, plan, ret, err);
}

/* Measures and their outputs. */
static rv_status_t take_measures(rvc_plan_t *plan, const Reveille__V1__Measure *measures, const char *const *texts,
                                 size_t n, Reveille__V1__GroupsQuery *sink, rv_error_t *err) {
    plan->measures = rv_arena_zalloc(&plan->arena, n + 1, sizeof *plan->measures);
    sink->measures = rv_arena_zalloc(&plan->arena, n + 1, sizeof *sink->measures);
    if (!plan->measures || !sink->measures)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        rvc_output_t *output = &plan->outputs[plan->n_outputs++];
        plan->measures[i] = (rv_measure_t){measures[i].kind, measures[i].quantile, measures[i].type, measures[i].scale};
        sink->measures[i] = (Reveille__V1__Measure *)(uintptr_t)&measures[i];
        output->name = texts[i];
        rv_agg_type(&plan->measures[i], &output->type, &output->scale);
    }
    plan->n_measures = sink->n_measures = n;
    return RV_OK;
}

static rv_status_t group(rvc_plan_t *plan, const char *by_text, const char *compute, Reveille__V1__GroupsQuery *sink,
                         rv_error_t *err) {
    const rv_expression_t *by = NULL;
    const Reveille__V1__Measure *measures;
    const char *const *texts;
    size_t n_by = 0, n;
    rv_status_t status = RV_OK;
    if (by_text[strspn(by_text, " \t\r\n")])
        status = rv_builder_fields(plan->builder, "by", by_text, &by, &n_by, err);
    if (status == RV_OK && n_by > RV_MAX_GROUP_KEYS)
        status = rv_fail(err, RV_REASON_LIMIT, "by: %zu expressions, at most %u are allowed", n_by, RV_MAX_GROUP_KEYS);
    if (status == RV_OK)
        status = rv_builder_compute(plan->builder, compute[strspn(compute, " \t\r\n")] ? compute : "count", &measures,
                                    &texts, &n, err);
    if (status != RV_OK)
        return status;
    plan->outputs = rv_arena_zalloc(&plan->arena, n_by + n + 1, sizeof *plan->outputs);
    if (!plan->outputs)
        return no_memory(err);
    status = take_fields(plan, by, n_by, &sink->by, err);
    plan->n_by = sink->n_by = n_by;
    return status == RV_OK ? take_measures(plan, measures, texts, n, sink, err) : status;
}

static Reveille__V1__GroupsQuery *groups_sink(rvc_plan_t *plan) {
    Reveille__V1__GroupsQuery *sink = rv_arena_alloc(&plan->arena, sizeof *sink);
    if (!sink)
        return NULL;
    reveille__v1__groups_query__init(sink);
    plan->query.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_GROUPS;
    plan->query.groups = sink;
    return sink;
}

rv_status_t rvc_plan_aggregate(const rvc_plan_context_t *context, const Reveille__V1__AggregateRequest *request,
                               rvc_plan_t **ret, rv_error_t *err) {
    rvc_plan_t *plan;
    rv_status_t status = begin(context, RVC_PLAN_AGGREGATE, request->filter, request->options, &plan, err);
    if (status != RV_OK)
        return status;
    Reveille__V1__GroupsQuery *sink = groups_sink(plan);
    status = sink ? group(plan, request->by, request->compute, sink, err) : no_memory(err);
    return finish(context, status, plan, ret, err);
}

/* Groups by the number of steps reached, counted. */
static rv_status_t funnel(rvc_plan_t *plan, const Reveille__V1__FunnelRequest *request, rv_error_t *err) {
    Reveille__V1__GroupsQuery *sink = groups_sink(plan);
    Reveille__V1__Measure *measure = rv_arena_alloc(&plan->arena, sizeof *measure);
    uint32_t *node = rv_arena_alloc(&plan->arena, sizeof *node);
    static const char *const TEXT[] = {"count"};
    const char *const *steps;
    plan->outputs = rv_arena_zalloc(&plan->arena, 2, sizeof *plan->outputs);
    if (!sink || !measure || !node || !plan->outputs)
        return no_memory(err);
    rv_status_t status = rv_builder_funnel(plan->builder, request->steps, request->within, request->window, node,
                                           &steps, &plan->n_names, err);
    if (status != RV_OK)
        return status;
    plan->names = (const char **)(uintptr_t)steps;
    plan->outputs[plan->n_outputs++] = (rvc_output_t){"steps", RV_INT, 0};
    plan->n_by = sink->n_by = 1;
    sink->by = node;
    reveille__v1__measure__init(measure);
    measure->kind = REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT;
    return take_measures(plan, measure, TEXT, 1, sink, err);
}

rv_status_t rvc_plan_funnel(const rvc_plan_context_t *context, const Reveille__V1__FunnelRequest *request,
                            rvc_plan_t **ret, rv_error_t *err) {
    rvc_plan_t *plan;
    rv_status_t status = begin(context, RVC_PLAN_FUNNEL, request->filter, request->options, &plan, err);
    if (status != RV_OK)
        return status;
    return finish(context, funnel(plan, request, err), plan, ret, err);
}

static rv_status_t retention(rvc_plan_t *plan, const Reveille__V1__RetentionRequest *request, rv_error_t *err) {
    if (request->periods < 1 || request->periods > RV_MAX_PERIODS) {
        rv_fail(err, RV_REASON_LIMIT, "periods: %u, where 1 to %u are allowed", request->periods, RV_MAX_PERIODS);
        if (err)
            memcpy(err->field, "periods", sizeof "periods");
        return RV_INVALID_ARGUMENT;
    }
    Reveille__V1__RetentionQuery *sink = rv_arena_alloc(&plan->arena, sizeof *sink);
    if (!sink)
        return no_memory(err);
    reveille__v1__retention_query__init(sink);
    plan->query.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_RETENTION;
    plan->query.retention = sink;
    plan->periods = sink->periods = request->periods;
    rv_status_t status = rv_builder_instant(plan->builder, "start", request->start, &sink->start, err);
    if (status == RV_OK)
        status = rv_builder_duration(plan->builder, "cohort", request->cohort, &sink->cohort_ms, err);
    if (status == RV_OK)
        status = rv_builder_selection(plan->builder, "event", request->event, &sink->selection, err);
    if (status == RV_OK)
        status = rv_builder_duration(plan->builder, "period", request->period, &sink->period_ms, err);
    plan->cohort_ms = sink->cohort_ms;
    return status;
}

rv_status_t rvc_plan_retention(const rvc_plan_context_t *context, const Reveille__V1__RetentionRequest *request,
                               rvc_plan_t **ret, rv_error_t *err) {
    rvc_plan_t *plan;
    rv_status_t status = begin(context, RVC_PLAN_RETENTION, request->filter, request->options, &plan, err);
    if (status != RV_OK)
        return status;
    return finish(context, retention(plan, request, err), plan, ret, err);
}

/* The place of a failure in an overlap is the name of the filter. */
static void name_field(rv_error_t *err, const char *name) {
    if (!err)
        return;
    strncpy(err->field, name, sizeof err->field - 1);
    err->field[sizeof err->field - 1] = 0;
}

static rv_status_t overlap(rvc_plan_t *plan, const Reveille__V1__OverlapRequest *request, rv_error_t *err) {
    size_t n = request->n_segments;
    if (n < 2 || n > RV_MAX_OVERLAP)
        return rv_fail(err, RV_REASON_LIMIT, "segments: %zu filters, where 2 to %u are allowed", n, RV_MAX_OVERLAP);
    Reveille__V1__OverlapQuery *sink = rv_arena_alloc(&plan->arena, sizeof *sink);
    uint32_t *conditions = rv_arena_zalloc(&plan->arena, n, sizeof *conditions);
    plan->names = rv_arena_zalloc(&plan->arena, n, sizeof *plan->names);
    if (!sink || !conditions || !plan->names)
        return no_memory(err);
    reveille__v1__overlap_query__init(sink);
    plan->query.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_OVERLAP;
    plan->query.overlap = sink;
    sink->conditions = conditions;
    sink->n_conditions = plan->n_names = n;
    for (size_t i = 0; i < n; i++) {
        plan->names[i] = copy(plan, request->segments[i]->name);
        if (!plan->names[i])
            return no_memory(err);
        for (size_t j = 0; j < i; j++)
            if (strcmp(plan->names[i], plan->names[j]) == 0) {
                rv_fail(err, RV_REASON_FIELD, "two filters have the name '%.200s'", plan->names[i]);
                name_field(err, plan->names[i]);
                return RV_INVALID_ARGUMENT;
            }
        rv_status_t status =
            rv_builder_condition(plan->builder, plan->names[i], request->segments[i]->filter, &conditions[i], err);
        if (status != RV_OK)
            return status;
    }
    return RV_OK;
}

rv_status_t rvc_plan_overlap(const rvc_plan_context_t *context, const Reveille__V1__OverlapRequest *request,
                             rvc_plan_t **ret, rv_error_t *err) {
    rvc_plan_t *plan;
    rv_status_t status = begin(context, RVC_PLAN_OVERLAP, "", request->options, &plan, err);
    if (status != RV_OK)
        return status;
    return finish(context, overlap(plan, request, err), plan, ret, err);
}

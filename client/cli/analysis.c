/* analysis.c: funnel, retention, overlap. */
#include "commands.h"
#include "read.h"
#include "reveille/limits.h"
#include "reveille/v1/segment.pb-c.h"
#include "reveille/wire.h"
#include "rows.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    rv_rows_t *rows;
    rv_coverage_t coverage;
} table_t;

static char *text_or_empty(const char *text) {
    return (char *)(uintptr_t)(text ? text : "");
}

static rv_status_t finish(rv_cli_t *cli, table_t *table, const rv_timing_t *timing, rv_status_t status) {
    if (status == RV_OK) {
        rv_rows_end(table->rows);
        rv_answer_end(cli, rv_rows_json(table->rows), &table->coverage, timing);
        rv_rows_close(table->rows);
    }
    rv_coverage_done(&table->coverage);
    rv_rows_destroy(&table->rows);
    return status;
}

static rv_status_t required(rv_cli_t *cli, const char *option, rv_error_t *err) {
    if (rv_args_text(cli->args, option))
        return RV_OK;
    return rv_usage(cli, err, "--%s is missing: reveille %s %s", option, rv_args_command(cli->args)->name,
                    rv_args_command(cli->args)->arguments);
}

static rv_status_t take_funnel(void *context, const ProtobufCMessage *message, rv_error_t *err) {
    static const rv_head_t HEADS[] = {{"step", RV_STRING, 0}, {"contacts", RV_INT, 0}};
    table_t *table = context;
    const Reveille__V1__FunnelResponse *reply = (const Reveille__V1__FunnelResponse *)message;
    rv_status_t status = rv_rows_heads(table->rows, HEADS, 2, err);
    for (size_t i = 0; status == RV_OK && i < reply->n_steps; i++)
        rv_rows_add(table->rows,
                    (rv_value_t[]){rv_value_text(reply->steps[i]->step), rv_value_uint(reply->steps[i]->contacts)});
    rv_coverage_keep(&table->coverage, reply->coverage);
    return status;
}

rv_status_t rv_run_funnel(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__FunnelRequest request = REVEILLE__V1__FUNNEL_REQUEST__INIT;
    Reveille__V1__ReadOptions options;
    rv_timing_t timing;
    rv_arena_t arena;
    if (required(cli, "steps", err) != RV_OK || required(cli, "in", err) != RV_OK)
        return RV_INVALID_ARGUMENT;
    table_t table = {.rows = rv_rows_new(cli->out, cli->format, "steps")};
    if (!table.rows)
        return rv_fail_memory(err, "an answer");
    rv_arena_init(&arena, RV_OPTIONS_BUDGET);
    request.filter = text_or_empty(rv_args_argument(cli->args, 0));
    request.steps = text_or_empty(rv_args_text(cli->args, "steps"));
    request.within = text_or_empty(rv_args_text(cli->args, "in"));
    request.window = text_or_empty(rv_args_text(cli->args, "window"));
    request.options = &options;
    rv_question_t question = {"reveille.v1.SegmentService/Funnel",        &request.base, &options,
                              &reveille__v1__funnel_response__descriptor, take_funnel,   &table};
    rv_status_t status = rv_read_options(cli, &arena, &options, err);
    if (status == RV_OK)
        status = rv_read(cli, &question, &timing, err);
    rv_arena_done(&arena);
    return finish(cli, &table, &timing, status);
}

static rv_status_t take_retention(void *context, const ProtobufCMessage *message, rv_error_t *err) {
    static const rv_head_t HEADS[] = {
        {"cohort", RV_TIME, 0}, {"period", RV_INT, 0}, {"contacts", RV_INT, 0}, {"cohort_size", RV_INT, 0}};
    table_t *table = context;
    const Reveille__V1__RetentionResponse *reply = (const Reveille__V1__RetentionResponse *)message;
    rv_status_t status = rv_rows_has_heads(table->rows) ? RV_OK : rv_rows_heads(table->rows, HEADS, 4, err);
    for (size_t i = 0; status == RV_OK && i < reply->n_rows; i++) {
        const Reveille__V1__RetentionRow *row = reply->rows[i];
        rv_rows_add(table->rows, (rv_value_t[]){rv_value_int(row->cohort_ms), rv_value_uint(row->period),
                                                rv_value_uint(row->contacts), rv_value_uint(row->cohort_size)});
    }
    rv_coverage_keep(&table->coverage, reply->coverage);
    return status;
}

rv_status_t rv_run_retention(rv_cli_t *cli, rv_error_t *err) {
    static const char *const REQUIRED[] = {"start", "cohort", "event", "period", "periods"};
    Reveille__V1__RetentionRequest request = REVEILLE__V1__RETENTION_REQUEST__INIT;
    Reveille__V1__ReadOptions options;
    rv_timing_t timing;
    rv_arena_t arena;
    for (size_t i = 0; i < sizeof REQUIRED / sizeof REQUIRED[0]; i++)
        if (required(cli, REQUIRED[i], err) != RV_OK)
            return RV_INVALID_ARGUMENT;
    table_t table = {.rows = rv_rows_new(cli->out, cli->format, "rows")};
    if (!table.rows)
        return rv_fail_memory(err, "an answer");
    rv_arena_init(&arena, RV_OPTIONS_BUDGET);
    request.filter = text_or_empty(rv_args_argument(cli->args, 0));
    request.start = text_or_empty(rv_args_text(cli->args, "start"));
    request.cohort = text_or_empty(rv_args_text(cli->args, "cohort"));
    request.event = text_or_empty(rv_args_text(cli->args, "event"));
    request.period = text_or_empty(rv_args_text(cli->args, "period"));
    request.periods = (uint32_t)rv_args_number(cli->args, "periods", 1);
    request.options = &options;
    rv_question_t question = {"reveille.v1.SegmentService/Retention",        &request.base,  &options,
                              &reveille__v1__retention_response__descriptor, take_retention, &table};
    rv_status_t status = rv_read_options(cli, &arena, &options, err);
    if (status == RV_OK)
        status = rv_read(cli, &question, &timing, err);
    rv_arena_done(&arena);
    return finish(cli, &table, &timing, status);
}

/* Sizes and pairs in one table: a size is a pair without its second half. */
static rv_status_t overlap_rows(table_t *table, const Reveille__V1__OverlapResponse *reply, rv_error_t *err) {
    static const rv_head_t HEADS[] = {{"a", RV_STRING, 0}, {"b", RV_STRING, 0}, {"count", RV_INT, 0}};
    rv_status_t status = rv_rows_heads(table->rows, HEADS, 3, err);
    for (size_t i = 0; status == RV_OK && i < reply->n_sizes; i++)
        rv_rows_add(
            table->rows,
            (rv_value_t[]){rv_value_text(reply->sizes[i]->segment), {0}, rv_value_uint(reply->sizes[i]->count)});
    for (size_t i = 0; status == RV_OK && i < reply->n_pairs; i++)
        rv_rows_add(table->rows, (rv_value_t[]){rv_value_text(reply->pairs[i]->a), rv_value_text(reply->pairs[i]->b),
                                                rv_value_uint(reply->pairs[i]->count)});
    return status;
}

/* In JSON the sizes are an array of their own before the rows, which are the pairs. */
static rv_status_t overlap_json(table_t *table, rv_json_t *json, const Reveille__V1__OverlapResponse *reply,
                                rv_error_t *err) {
    static const rv_head_t HEADS[] = {{"a", RV_STRING, 0}, {"b", RV_STRING, 0}, {"count", RV_INT, 0}};
    rv_json_name(json, "sizes");
    rv_json_open(json, '[');
    for (size_t i = 0; i < reply->n_sizes; i++) {
        rv_json_open(json, '{');
        rv_json_name(json, "segment");
        rv_json_text(json, reply->sizes[i]->segment);
        rv_json_name(json, "count");
        rv_json_uint(json, reply->sizes[i]->count);
        rv_json_close(json, '}');
    }
    rv_json_close(json, ']');
    rv_status_t status = rv_rows_heads(table->rows, HEADS, 3, err);
    for (size_t i = 0; status == RV_OK && i < reply->n_pairs; i++)
        rv_rows_add(table->rows, (rv_value_t[]){rv_value_text(reply->pairs[i]->a), rv_value_text(reply->pairs[i]->b),
                                                rv_value_uint(reply->pairs[i]->count)});
    return status;
}

static rv_status_t take_overlap(void *context, const ProtobufCMessage *message, rv_error_t *err) {
    table_t *table = context;
    const Reveille__V1__OverlapResponse *reply = (const Reveille__V1__OverlapResponse *)message;
    rv_json_t *json = rv_rows_json(table->rows);
    rv_coverage_keep(&table->coverage, reply->coverage);
    return json ? overlap_json(table, json, reply, err) : overlap_rows(table, reply, err);
}

/* NAME=FILTER of each --segment. */
static rv_status_t named_filters(rv_cli_t *cli, rv_arena_t *arena, Reveille__V1__OverlapRequest *request,
                                 rv_error_t *err) {
    const char *text;
    request->segments = rv_arena_alloc(arena, RV_MAX_OVERLAP * sizeof *request->segments);
    if (!request->segments)
        return rv_fail_memory(err, "filters");
    for (size_t i = 0; (text = rv_args_nth(cli->args, "segment", i)); i++) {
        const char *equals = strchr(text, '=');
        if (i == RV_MAX_OVERLAP)
            return rv_usage(cli, err, "at most %u segments overlap in one request", RV_MAX_OVERLAP);
        if (!equals || equals == text)
            return rv_usage(cli, err, "--segment takes NAME=FILTER, not '%s'", text);
        Reveille__V1__NamedFilter *filter = rv_arena_alloc(arena, sizeof *filter);
        if (!filter)
            return rv_fail_memory(err, "filters");
        reveille__v1__named_filter__init(filter);
        filter->name = rv_arena_strndup(arena, text, (size_t)(equals - text));
        filter->filter = (char *)(uintptr_t)(equals + 1);
        if (!filter->name)
            return rv_fail_memory(err, "filters");
        request->segments[request->n_segments++] = filter;
    }
    if (request->n_segments < 2)
        return rv_usage(cli, err, "overlap needs at least two --segment NAME=FILTER");
    return RV_OK;
}

rv_status_t rv_run_overlap(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__OverlapRequest request = REVEILLE__V1__OVERLAP_REQUEST__INIT;
    Reveille__V1__ReadOptions options;
    rv_timing_t timing;
    rv_arena_t arena;
    table_t table = {.rows = rv_rows_new(cli->out, cli->format, "pairs")};
    if (!table.rows)
        return rv_fail_memory(err, "an answer");
    rv_arena_init(&arena, RV_OPTIONS_BUDGET);
    request.options = &options;
    rv_question_t question = {"reveille.v1.SegmentService/Overlap",        &request.base, &options,
                              &reveille__v1__overlap_response__descriptor, take_overlap,  &table};
    rv_status_t status = named_filters(cli, &arena, &request, err);
    if (status == RV_OK)
        status = rv_read_options(cli, &arena, &options, err);
    if (status == RV_OK)
        status = rv_read(cli, &question, &timing, err);
    rv_arena_done(&arena);
    return finish(cli, &table, &timing, status);
}

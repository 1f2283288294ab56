/* questions.c: count, select, aggregate. Each makes one request and prints the messages of the answer as they come. */
#include "commands.h"
#include "read.h"
#include "reveille/v1/segment.pb-c.h"
#include "rows.h"
#include <string.h>

static const char *text_or_empty(const char *text) {
    return text ? text : "";
}

/* What an answer of rows is printed with. */
typedef struct {
    rv_rows_t *rows;
    rv_coverage_t coverage;
} table_t;

/* Asks, prints the rows, and what stands under them. */
static rv_status_t ask_table(rv_cli_t *cli, rv_question_t *question, rv_error_t *err) {
    table_t table = {.rows = rv_rows_new(cli->out, cli->format, "rows")};
    rv_timing_t timing;
    if (!table.rows)
        return rv_fail_memory(err, "an answer");
    question->context = &table;
    rv_status_t status = rv_read(cli, question, &timing, err);
    if (status == RV_OK) {
        rv_rows_end(table.rows);
        rv_answer_end(cli, rv_rows_json(table.rows), &table.coverage, &timing);
        rv_rows_close(table.rows);
    }
    rv_coverage_done(&table.coverage);
    rv_rows_destroy(&table.rows);
    return status;
}

static rv_status_t take_count(void *context, const ProtobufCMessage *message, rv_error_t *err) {
    Reveille__V1__CountResponse *kept = context;
    const Reveille__V1__CountResponse *reply = (const Reveille__V1__CountResponse *)message;
    rv_coverage_t coverage = {0};
    (void)err;
    rv_coverage_keep(&coverage, reply->coverage);
    kept->count = reply->count;
    kept->coverage = coverage.message;
    return RV_OK;
}

static void print_count(rv_cli_t *cli, uint64_t count, const rv_coverage_t *coverage, const rv_timing_t *timing) {
    rv_json_t json;
    bool document = cli->format == RV_FORMAT_JSON;
    rv_json_init(&json, cli->out);
    if (document || cli->format == RV_FORMAT_NDJSON) {
        rv_json_open(&json, '{');
        rv_json_name(&json, "count");
        rv_json_uint(&json, count);
    } else {
        rv_out_printf(cli->out, "%s%llu", cli->format == RV_FORMAT_CSV ? "count\n" : "", (unsigned long long)count);
    }
    rv_answer_end(cli, document ? &json : NULL, coverage, timing);
    if (json.depth)
        rv_json_close(&json, '}');
    rv_out_char(cli->out, '\n');
}

rv_status_t rv_run_count(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    Reveille__V1__CountResponse reply = REVEILLE__V1__COUNT_RESPONSE__INIT;
    Reveille__V1__ReadOptions options;
    rv_timing_t timing;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_OPTIONS_BUDGET);
    request.filter = (char *)(uintptr_t)text_or_empty(rv_args_argument(cli->args, 0));
    request.options = &options;
    rv_question_t question = {"reveille.v1.SegmentService/Count",        &request.base, &options,
                              &reveille__v1__count_response__descriptor, take_count,    &reply};
    rv_status_t status = rv_read_options(cli, &arena, &options, err);
    if (status == RV_OK)
        status = rv_read(cli, &question, &timing, err);
    rv_coverage_t coverage = {reply.coverage};
    if (status == RV_OK)
        print_count(cli, reply.count, &coverage, &timing);
    rv_coverage_done(&coverage);
    rv_arena_done(&arena);
    return status;
}

static rv_status_t take_select(void *context, const ProtobufCMessage *message, rv_error_t *err) {
    table_t *table = context;
    const Reveille__V1__SelectResponse *reply = (const Reveille__V1__SelectResponse *)message;
    rv_coverage_keep(&table->coverage, reply->coverage);
    return rv_rows_columns(table->rows, reply->columns, reply->n_columns, reply->rows, err);
}

rv_status_t rv_run_select(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__SelectRequest request = REVEILLE__V1__SELECT_REQUEST__INIT;
    Reveille__V1__ReadOptions options;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_OPTIONS_BUDGET);
    request.filter = (char *)(uintptr_t)text_or_empty(rv_args_argument(cli->args, 0));
    request.fields = (char *)(uintptr_t)text_or_empty(rv_args_text(cli->args, "fields"));
    request.order_by = (char *)(uintptr_t)text_or_empty(rv_args_text(cli->args, "order-by"));
    request.limit = rv_args_number(cli->args, "limit", 0);
    request.options = &options;
    rv_question_t question = {"reveille.v1.SegmentService/Select",        &request.base, &options,
                              &reveille__v1__select_response__descriptor, take_select,   NULL};
    rv_status_t status = rv_read_options(cli, &arena, &options, err);
    if (status == RV_OK)
        status = ask_table(cli, &question, err);
    rv_arena_done(&arena);
    return status;
}

static rv_status_t take_aggregate(void *context, const ProtobufCMessage *message, rv_error_t *err) {
    table_t *table = context;
    const Reveille__V1__AggregateResponse *reply = (const Reveille__V1__AggregateResponse *)message;
    rv_coverage_keep(&table->coverage, reply->coverage);
    return rv_rows_columns(table->rows, reply->columns, reply->n_columns, reply->rows, err);
}

rv_status_t rv_run_aggregate(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__AggregateRequest request = REVEILLE__V1__AGGREGATE_REQUEST__INIT;
    Reveille__V1__ReadOptions options;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_OPTIONS_BUDGET);
    request.filter = (char *)(uintptr_t)text_or_empty(rv_args_argument(cli->args, 0));
    request.by = (char *)(uintptr_t)text_or_empty(rv_args_text(cli->args, "by"));
    request.compute = (char *)(uintptr_t)text_or_empty(rv_args_text(cli->args, "compute"));
    request.options = &options;
    rv_question_t question = {"reveille.v1.SegmentService/Aggregate",        &request.base,  &options,
                              &reveille__v1__aggregate_response__descriptor, take_aggregate, NULL};
    rv_status_t status = rv_read_options(cli, &arena, &options, err);
    if (status == RV_OK)
        status = ask_table(cli, &question, err);
    rv_arena_done(&arena);
    return status;
}

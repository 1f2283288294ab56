/* read.c: one question, asked once or many times. With --repeat the replies of a run are kept as bytes until the run is
 * over, so that printing is no part of what is measured; without it they are printed as they come, so that answers of
 * any size pass through. One thread. */
#include "read.h"
#include "explanation.h"
#include "literal.h"
#include "reveille/civil.h"
#include "reveille/clock.h"
#include "reveille/limits.h"
#include "reveille/wire.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_utc(const char *zone) {
    static const char *const NAMES[] = {"", "UTC", "Etc/UTC", "Z", "GMT", "Etc/GMT"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(zone, NAMES[i]) == 0)
            return true;
    return false;
}

static rv_status_t take_parameters(rv_cli_t *cli, rv_arena_t *arena, Reveille__V1__ReadOptions *options,
                                   rv_error_t *err) {
    size_t n = 0;
    const char *text;
    while (rv_args_nth(cli->args, "param", n))
        n++;
    options->parameters = rv_arena_alloc(arena, (n + 1) * sizeof *options->parameters);
    if (!options->parameters)
        return rv_fail_memory(err, "parameters");
    for (size_t i = 0; (text = rv_args_nth(cli->args, "param", i)); i++) {
        rv_status_t status = rv_param_parse(text, arena, &options->parameters[i], err);
        if (status != RV_OK) {
            cli->usage = status == RV_INVALID_ARGUMENT;
            return status;
        }
        for (size_t k = 0; k < i; k++)
            if (strcmp(options->parameters[k]->name, options->parameters[i]->name) == 0)
                return rv_usage(cli, err, "--param %s is given twice", options->parameters[i]->name);
        options->n_parameters++;
    }
    return RV_OK;
}

rv_status_t rv_read_options(rv_cli_t *cli, rv_arena_t *arena, Reveille__V1__ReadOptions *options, rv_error_t *err) {
    const char *as_of = rv_args_text(cli->args, "as-of"), *zone = rv_args_text(cli->args, "tz");
    int64_t now = rv_wall_ms(), ms;
    reveille__v1__read_options__init(options);
    if (rv_args_flag(cli->args, "strict-history"))
        return rv_fail(err, RV_REASON_FEATURE, "--strict-history comes with a later version");
    if (zone && !is_utc(zone))
        return rv_fail(err, RV_REASON_FEATURE, "--tz %s: zones other than UTC come with a later version", zone);
    if (as_of && !rv_instant_parse(as_of, now, &ms))
        return rv_usage(cli, err, "--as-of takes an instant like 2026-11-01T00:00:00Z or 2026-11-01, not '%s'", as_of);
    if (as_of || rv_args_number(cli->args, "repeat", 1) > 1) {
        options->as_of_case = REVEILLE__V1__READ_OPTIONS__AS_OF_AS_OF_MS;
        options->as_of_ms = as_of ? ms : now;
    }
    options->allow_partial = rv_args_flag(cli->args, "allow-partial");
    options->explain = rv_args_flag(cli->args, "explain");
    return take_parameters(cli, arena, options, err);
}

typedef struct {
    uint8_t *p;
    size_t n;
} body_t;
typedef struct {
    body_t *at;
    size_t n, cap;
} bodies_t;

static void bodies_done(bodies_t *bodies) {
    for (size_t i = 0; i < bodies->n; i++)
        free(bodies->at[i].p);
    free(bodies->at);
    *bodies = (bodies_t){0};
}

static rv_status_t keep_body(bodies_t *bodies, uint8_t *p, size_t n, rv_error_t *err) {
    if (bodies->n == bodies->cap) {
        size_t cap = bodies->cap ? bodies->cap * 2 : 8;
        body_t *at = realloc(bodies->at, cap * sizeof *at);
        if (!at) {
            free(p);
            return rv_fail_memory(err, "an answer");
        }
        bodies->at = at;
        bodies->cap = cap;
    }
    bodies->at[bodies->n++] = (body_t){p, n};
    return RV_OK;
}

static rv_status_t take_body(const rv_question_t *question, rv_arena_t *arena, const uint8_t *p, size_t n, bool print,
                             rv_error_t *err) {
    ProtobufCMessage *message;
    rv_arena_reset(arena);
    rv_status_t status = rv_wire_unpack(question->reply, p, n, arena, &message, err);
    return status == RV_OK && print ? question->take(question->context, message, err) : status;
}

/* One run. `kept` NULL: the messages are handed on as they come. */
static rv_status_t ask_once(rv_cli_t *cli, const rv_question_t *question, rv_arena_t *arena, bodies_t *kept,
                            rv_error_t *err) {
    rv_client_t *client;
    rv_call_t *call = NULL;
    uint8_t *body = NULL;
    size_t n;
    rv_status_t status = rv_cli_client(cli, &client, err);
    if (status == RV_OK && rv_wire_pack(question->request, &body, &n) != RV_OK)
        status = rv_fail_memory(err, "a request");
    if (status == RV_OK)
        status =
            rv_call_open(client, question->method, body, n, rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), &call, err);
    free(body);
    for (bool more = true; status == RV_OK && more;) {
        uint8_t *reply;
        status = rv_call_receive(call, &reply, &n, &more, err);
        if (status != RV_OK)
            break;
        status = take_body(question, arena, reply, n, !kept, err);
        if (status == RV_OK && kept)
            status = keep_body(kept, reply, n, err);
        else
            free(reply);
    }
    rv_call_close(&call);
    return status;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void rv_timing_of(double *ms, size_t n, rv_timing_t *ret) {
    qsort(ms, n, sizeof *ms, compare_doubles);
    size_t rank = (size_t)ceil(0.99 * (double)n);
    *ret = (rv_timing_t){.runs = n,
                         .min_ms = ms[0],
                         .median_ms = n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2,
                         .p99_ms = ms[rank > 0 ? rank - 1 : 0],
                         .max_ms = ms[n - 1]};
}

static rv_status_t ask_often(rv_cli_t *cli, const rv_question_t *question, uint64_t runs, rv_arena_t *arena,
                             rv_timing_t *ret_timing, rv_error_t *err) {
    int64_t last = question->options->as_of_ms;
    bodies_t bodies = {0};
    rv_status_t status = RV_OK;
    double *ms = calloc(runs, sizeof *ms);
    if (!ms)
        return rv_fail_memory(err, "times");
    for (uint64_t i = 1; status == RV_OK && i <= runs; i++) {
        bodies_done(&bodies);
        question->options->as_of_ms = last - (int64_t)(runs - i) * 1000;
        int64_t start = rv_mono_ns();
        status = ask_once(cli, question, arena, &bodies, err);
        ms[i - 1] = (double)(rv_mono_ns() - start) / 1e6;
    }
    for (size_t i = 0; status == RV_OK && i < bodies.n; i++)
        status = take_body(question, arena, bodies.at[i].p, bodies.at[i].n, true, err);
    if (status == RV_OK)
        rv_timing_of(ms, runs, ret_timing);
    bodies_done(&bodies);
    free(ms);
    return status;
}

rv_status_t rv_read(rv_cli_t *cli, const rv_question_t *question, rv_timing_t *ret_timing, rv_error_t *err) {
    rv_arena_t arena;
    rv_client_t *client;
    uint64_t runs = rv_args_number(cli->args, "repeat", 0);
    *ret_timing = (rv_timing_t){0};
    rv_status_t status = rv_cli_client(cli, &client, err);
    if (status != RV_OK)
        return status;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    status =
        runs ? ask_often(cli, question, runs, &arena, ret_timing, err) : ask_once(cli, question, &arena, NULL, err);
    rv_arena_done(&arena);
    return status;
}

void rv_coverage_done(rv_coverage_t *coverage) {
    if (coverage->message)
        reveille__v1__coverage__free_unpacked(coverage->message, NULL);
    coverage->message = NULL;
}

/* A copy by packing and unpacking: the message has just been checked. */
void rv_coverage_keep(rv_coverage_t *coverage, const Reveille__V1__Coverage *message) {
    uint8_t *bytes;
    size_t n;
    if (!message || rv_wire_pack(&message->base, &bytes, &n) != RV_OK)
        return;
    rv_coverage_done(coverage);
    coverage->message = reveille__v1__coverage__unpack(NULL, n, bytes);
    free(bytes);
}

static void coverage_json(rv_json_t *json, const Reveille__V1__Coverage *coverage) {
    char text[32];
    rv_json_name(json, "coverage");
    rv_json_open(json, '{');
    rv_json_name(json, "partitions_expected");
    rv_json_uint(json, coverage->partitions_expected);
    rv_json_name(json, "partitions_answered");
    rv_json_uint(json, coverage->partitions_answered);
    rv_json_name(json, "as_of");
    rv_json_string(json, text, rv_time_format(coverage->as_of_ms, text));
    rv_json_name(json, "data_version");
    rv_json_open(json, '[');
    for (size_t i = 0; i < coverage->n_data_version; i++) {
        rv_json_open(json, '{');
        rv_json_name(json, "partition");
        rv_json_uint(json, coverage->data_version[i]->partition);
        rv_json_name(json, "lsn");
        rv_json_uint(json, coverage->data_version[i]->lsn);
        rv_json_close(json, '}');
    }
    rv_json_close(json, ']');
    if (coverage->n_missing) {
        rv_json_name(json, "missing");
        rv_json_open(json, '[');
        for (size_t i = 0; i < coverage->n_missing; i++)
            rv_json_uint(json, coverage->missing[i]);
        rv_json_close(json, ']');
    }
    if (coverage->n_current_attributes) {
        rv_json_name(json, "current_attributes");
        rv_json_open(json, '[');
        for (size_t i = 0; i < coverage->n_current_attributes; i++)
            rv_json_text(json, coverage->current_attributes[i]);
        rv_json_close(json, ']');
    }
    if (coverage->window_before_kept) {
        rv_json_name(json, "window_before_kept");
        rv_json_bool(json, true);
    }
    rv_json_close(json, '}');
}

/* Milliseconds with three decimals are enough, and do not pretend more. */
static void json_ms(rv_json_t *json, const char *name, double ms) {
    char text[64];
    int n = snprintf(text, sizeof text, "%.3f", ms);
    rv_json_name(json, name);
    rv_json_number(json, text, (size_t)n);
}

static void timing_json(rv_json_t *json, const rv_timing_t *timing) {
    rv_json_name(json, "timing");
    rv_json_open(json, '{');
    rv_json_name(json, "runs");
    rv_json_uint(json, timing->runs);
    json_ms(json, "min_ms", timing->min_ms);
    json_ms(json, "median_ms", timing->median_ms);
    json_ms(json, "p99_ms", timing->p99_ms);
    json_ms(json, "max_ms", timing->max_ms);
    rv_json_close(json, '}');
}

static void note_coverage(const rv_cli_t *cli, const Reveille__V1__Coverage *coverage) {
    rv_out_t *names = rv_out_new(-1);
    size_t n;
    if (coverage->n_missing && names) {
        for (size_t i = 0; i < coverage->n_missing; i++)
            rv_out_printf(names, "%s%u", i ? ", " : "", coverage->missing[i]);
        const char *text = rv_out_bytes(names, &n);
        rv_note(cli, "partial answer: %u of %u partitions; missing: %.*s", coverage->partitions_answered,
                coverage->partitions_expected, (int)n, text);
        rv_out_reset(names);
    }
    /* only where the past was asked for: with --repeat every run but the last lies seconds back */
    if (coverage->n_current_attributes && names && rv_args_text(cli->args, "as-of")) {
        for (size_t i = 0; i < coverage->n_current_attributes; i++)
            rv_out_printf(names, "%s%s", i ? ", " : "", coverage->current_attributes[i]);
        const char *text = rv_out_bytes(names, &n);
        rv_note(cli, "without history, read at their current values: %.*s", (int)n, text);
    }
    if (coverage->window_before_kept)
        rv_note(cli, "a window reaches before kept_since: older events may be missing");
    rv_out_destroy(&names);
}

void rv_answer_end(rv_cli_t *cli, rv_json_t *json, const rv_coverage_t *coverage, const rv_timing_t *timing) {
    if (json && coverage->message)
        coverage_json(json, coverage->message);
    if (json && timing->runs)
        timing_json(json, timing);
    if (json && coverage->message && coverage->message->explain)
        rv_explain_json(json, coverage->message->explain);
    if (!json && timing->runs)
        rv_note(cli, "%llu runs: min %.3f ms, median %.3f ms, p99 %.3f ms, max %.3f ms",
                (unsigned long long)timing->runs, timing->min_ms, timing->median_ms, timing->p99_ms, timing->max_ms);
    if (!json && coverage->message && coverage->message->explain)
        rv_explain_tables(STDERR_FILENO, coverage->message->explain);
    if (coverage->message && (!json || coverage->message->n_missing))
        note_coverage(cli, coverage->message);
    if (coverage->message && coverage->message->partitions_answered < coverage->message->partitions_expected)
        cli->exit = RV_EXIT_PARTIAL;
}

/* read.h: how a question is put: its options, repetition with timing, and what stands under every answer. */
#ifndef REVEILLE_CLI_READ_H
#define REVEILLE_CLI_READ_H

#include "cli.h"
#include "reveille/v1/read.pb-c.h"

typedef struct {
    uint64_t runs; /* 0: nothing was measured */
    double min_ms, median_ms, p99_ms, max_ms;
} rv_timing_t;

/* Takes one message of the answer, which lives until it returns. */
typedef rv_status_t (*rv_take_fn)(void *context, const ProtobufCMessage *message, rv_error_t *err);

/* A question. `options` is the one inside `request`. */
typedef struct {
    const char *method;
    const ProtobufCMessage *request;
    Reveille__V1__ReadOptions *options;
    const ProtobufCMessageDescriptor *reply;
    rv_take_fn take;
    void *context;
} rv_question_t;

/* The options of reads from the command line; `options` is initialised and lives in the arena. */
rv_status_t rv_read_options(rv_cli_t *cli, rv_arena_t *arena, Reveille__V1__ReadOptions *options, rv_error_t *err);
/* Asks once, or --repeat times, the i-th of N at T - (N - i) seconds, over one connection; the messages of the last run
 * are handed to `take`. A run is measured from the packing of the request to the unpacking of the last reply. */
rv_status_t rv_read(rv_cli_t *cli, const rv_question_t *question, rv_timing_t *ret_timing, rv_error_t *err);
/* Figures of `n` runs in ms; sorts them. p99 is the run of rank ceil(0.99 n). */
void rv_timing_of(double *ms, size_t n, rv_timing_t *ret);

/* Coverage kept beyond the message that it came in. */
typedef struct {
    Reveille__V1__Coverage *message; /* NULL: none came */
} rv_coverage_t;
void rv_coverage_keep(rv_coverage_t *coverage, const Reveille__V1__Coverage *message);
void rv_coverage_done(rv_coverage_t *coverage);
/* Members "coverage", "timing" and "explain" of an answer in JSON. In other formats: notes and tables on stderr. Sets
 * the exit status of a partial answer. */
void rv_answer_end(rv_cli_t *cli, rv_json_t *json, const rv_coverage_t *coverage, const rv_timing_t *timing);

#endif

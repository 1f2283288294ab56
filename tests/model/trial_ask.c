// trial_ask.c - one request, or all, put to both.
//
// Structure: how the two statuses compare; how a mismatch is shown; a request; the requests of a case; golden texts.
#include "compare.h"
#include "spoil.h"
#include "trial_internal.h"

#include <string.h>

// ---- one request --------------------------------------------------------------------------------------------------

typedef struct question {
    const rvm_query_t *query;
    rvm_world_t world;
    bool spoilt;
    rvm_status_t expected;
    rvm_error_t error;
    rvm_table_t table;
    rv_status_t got;
    rv_error_t err;
    rvm_table_t answer;
} question_t;

// What the engine's status would be called by the model; RVM_CONFLICT: nothing that a request may fail with.
static rvm_status_t class_of(rv_status_t status, const rv_error_t *err) {
    switch (status) {
    case RV_OK:
        return RVM_OK;
    case RV_UNIMPLEMENTED:
        return RVM_UNIMPLEMENTED;
    case RV_INVALID_ARGUMENT:
        return err->reason == RV_REASON_OVERFLOW ? RVM_OVERFLOW : RVM_INVALID;
    default:
        return RVM_CONFLICT;
    }
}

static const char *status_differs(rvm_trial_t *w, const question_t *q) {
    rvm_status_t got = class_of(q->got, &q->err);
    bool refused = q->expected == RVM_SYNTAX || q->expected == RVM_INVALID || q->expected == RVM_UNIMPLEMENTED;
    if (q->expected == RVM_OVERFLOW) {
        w->tally->overflows++;
        w->tally->answered += got == RVM_OK; // a double that is not finite, which the engine takes as a value
        return got == RVM_OVERFLOW || got == RVM_OK ? NULL : "the model overflows, the engine fails otherwise";
    }
    if (!refused) {
        return got == RVM_OK ? NULL : "the engine fails";
    }
    w->tally->refused++;
    if (got != RVM_INVALID && got != RVM_UNIMPLEMENTED) {
        return "the engine does not refuse";
    }
    bool same = q->error.line == (int)q->err.line && q->error.column == (int)q->err.column;
    if (same && (q->expected == RVM_UNIMPLEMENTED) != (got == RVM_UNIMPLEMENTED)) {
        return "the engine refuses for another reason";
    }
    w->tally->other_places += q->error.line > 0 && !same;
    return NULL;
}

static void report(rvm_trial_t *w, const question_t *q, const char *differs) {
    rvm_trial_headline(w, differs);
    rvm_schema_print(stdout, &w->one->schema);
    for (int i = 0; i < w->one->n_segments; i++) {
        printf("segment %s: %s\n", w->one->segments[i].name, w->one->segments[i].text);
    }
    rvm_query_print(stdout, q->query);
    printf("expected: %s %d:%d %s\n", rvm_status_name(q->expected), q->error.line, q->error.column,
           q->expected == RVM_OK ? "" : q->error.text);
    if (q->expected == RVM_OK) {
        rvm_table_print(stdout, &q->table);
    }
    printf("got: %s/%s %s %u:%u %s\n", rv_status_name(q->got), q->got == RV_OK ? "" : rv_reason_name(q->err.reason),
           q->err.field, q->err.line, q->err.column, q->err.message);
    if (q->got == RV_OK) {
        rvm_table_print(stdout, &q->answer);
    }
    fflush(stdout);
}

void rvm_trial_ask(rvm_trial_t *w, const rvm_views_t *views, const rvm_data_t *data, const rvm_query_t *asked,
                   bool spoilt) {
    rvm_arena_t *arena = rvm_arena_new();
    rvm_query_t own = *asked, *query = &own;
    own.limit = own.limit == 0 ? -1 : own.limit; // to the engine 0 is all
    question_t q = {.query = query, .world = rvm_case_world(w->one, data, query->as_of), .spoilt = spoilt};
    q.expected = rvm_query_run(arena, &q.world, query, &q.table, &q.error);
    q.got = rvm_engine_ask(w->engine, views, query, arena, &q.answer, &q.err);
    const char *differs = status_differs(w, &q);
    w->tally->spoilt += spoilt;
    if (differs == NULL && q.expected == RVM_OK && q.got == RV_OK) {
        differs = rvm_table_differs(arena, &q.table, &q.answer);
        w->tally->cases += differs == NULL;
    }
    if (differs != NULL) {
        report(w, &q, differs);
    }
    rvm_arena_destroy(&arena);
}

// All requests of the case over the views, `spoilt` times each with a text spoilt.
void rvm_trial_ask_all(rvm_trial_t *w, const rvm_views_t *views, const rvm_data_t *data, int spoilt) {
    for (int i = 0; i < w->one->n_queries && w->tally->mismatches < RVM_MAX_MISMATCHES; i++) {
        rvm_query_t query = w->one->queries[i];
        rv_error_t err = {0};
        if (rvm_engine_disturb(w->engine, &err) != RV_OK) {
            rvm_trial_error(w, "upkeep fails", &err);
        }
        rvm_trial_ask(w, views, data, &query, false);
        for (int k = 0; k < spoilt; k++) {
            rvm_query_t broken = rvm_query_spoil(w->one->arena, &w->dice, &query);
            rvm_trial_ask(w, views, data, &broken, true);
        }
    }
}

// A text of accept.txt or reject.txt as the request that it belongs to.
static rvm_query_t query_of(char letter, const char *text, int64_t as_of) {
    rvm_query_t query = {
        .filter = "", .fields = "", .order = "", .by = "", .compute = "count", .window = "", .limit = -1};
    query.as_of = as_of;
    query.within = 86400000;
    query.kind = letter == 'Y' || letter == 'O'   ? RVM_QUERY_SELECT
                 : letter == 'C'                  ? RVM_QUERY_AGGREGATE
                 : letter == 'S' || letter == 'W' ? RVM_QUERY_FUNNEL
                                                  : RVM_QUERY_COUNT;
    query.steps = letter == 'S' ? text : "any then any";
    query.fields = letter == 'Y' ? text : "";
    query.order = letter == 'O' ? text : "";
    query.compute = letter == 'C' ? text : "count";
    query.window = letter == 'W' ? text : "";
    query.filter = letter == 'F' ? text : "";
    return query;
}

// The golden texts: both refuse, for like reasons, or both answer. (A list of types alone is no request.)
void rvm_trial_ask_texts(rvm_trial_t *w, const rvm_views_t *views, const char *name) {
    char path[1024], line[8192];
    snprintf(path, sizeof path, "%s/%s", w->settings->texts, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        rvm_trial_headline(w, "the texts cannot be read");
        return;
    }
    while (fgets(line, sizeof line, file) != NULL && w->tally->mismatches < RVM_MAX_MISMATCHES) {
        line[strcspn(line, "\n")] = 0;
        const char *text = line[0] == 0 ? line : line + (line[1] == '\t' ? 2 : 1);
        if (text[0] != 0 && strchr("FYOCSW", line[0]) != NULL) { // a text that is left out means something else
            rvm_query_t query = query_of(line[0], text, w->one->queries[0].as_of);
            rvm_trial_ask(w, views, w->live, &query, true);
        }
    }
    fclose(file);
}

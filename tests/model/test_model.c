// test_model.c - random cases through the real engine and the model: every answer must be the same.
//
//   test_model [--cases N] [--seed S] [--only SEED] [--print] [--threads] [--processes P]
//
// A case is a schema, data and a request that both answer; what both refuse is counted apart. A seed gives a world: a
// schema, data in their order of arrival, a layout of the cluster, and some requests: as generated, over a view held
// since an earlier moment, and with a text spoilt. Structure: one world; its operations, whose outcomes are compared
// too; one request; a process for each part of the seeds. --only runs one seed, --print shows all of it, --threads has
// a second thread in every world that flushes, merges and compacts. Failure: a mismatch is printed with all that
// replays it; after five the process gives up.
#include "compare.h"
#include "engine.h"
#include "spoil.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_MISMATCHES = 5, MAX_PROCESSES = 64 };

typedef struct tally { // of one process, in shared memory
    uint64_t seed;     // at work
    bool finished;     // came to its end
    long cases, mismatches;
    long overflows, infinite, refused, spoilt, moved, other_places, worlds, threads;
} tally_t;

typedef struct settings {
    long cases;
    uint64_t seed;
    bool only, print, threads;
    int processes;
} settings_t;

typedef struct world {
    const rvm_case_t *one;
    rvm_engine_t *engine;
    rvm_layout_t layout;
    rvm_dice_t dice;
    rvm_data_t *live; // what the model has after the operations so far
    int moment;       // operations that the views at hand contain
    const settings_t *settings;
    tally_t *tally;
} world_t;

// ---- failure ------------------------------------------------------------------------------------------------------

static void headline(const world_t *w, const char *what) {
    printf("\nMISMATCH seed %llu: %s\n  after %d of %d operations; layout: %d workers, %d partitions, chunks of %u "
           "rows%s\n",
           (unsigned long long)w->one->seed, what, w->moment, w->one->n_ops, w->layout.workers, w->layout.partitions,
           w->layout.chunk_rows, w->layout.keeper ? ", a second thread" : "");
    w->tally->mismatches++;
}

static void report_error(const world_t *w, const char *what, const rv_error_t *err) {
    headline(w, what);
    printf("  engine: %s/%s: %s\n", rv_status_name(err->status), rv_reason_name(err->reason), err->message);
    fflush(stdout);
}

// ---- operations ---------------------------------------------------------------------------------------------------

typedef struct expectation {
    int contacts, events, repeats, conflicts;
} expectation_t;

static expectation_t count_data(const rvm_data_t *data) {
    expectation_t now = {data->n_contacts, 0, data->repeats, data->conflicts};
    for (int i = 0; i < data->n_contacts; i++) {
        now.events += data->contacts[i].n_events;
    }
    return now;
}

// What differs between the engine's outcome and the model's, or NULL.
static const char *outcome_differs(rvm_arena_t *arena, const rvm_op_t *op, const expectation_t *before,
                                   const expectation_t *after, const rvm_status_t *status, const rvm_outcome_t *got) {
    long created = after->contacts - before->contacts, repeats = after->repeats - before->repeats;
    long conflicts = after->conflicts - before->conflicts, applied = op->n - repeats - conflicts;
    if (op->kind == RVM_OP_EVENTS || op->kind == RVM_OP_CONTACTS) {
        if (got->created != (uint64_t)created || got->refused != (uint64_t)conflicts) {
            return rvm_format(arena, "expected %ld created, %ld refused; got %llu, %llu", created, conflicts,
                              (unsigned long long)got->created, (unsigned long long)got->refused);
        }
        for (int i = 0; i < op->n; i++) {
            if (got->bad[i] != (status[i] == RVM_CONFLICT)) {
                return rvm_format(arena, "item %d is %s", i, got->bad[i] ? "refused" : "not refused");
            }
        }
    }
    if (op->kind == RVM_OP_EVENTS && (got->applied != (uint64_t)applied || got->duplicates != (uint64_t)repeats)) {
        return rvm_format(arena, "expected %ld applied, %ld duplicates; got %llu, %llu", applied, repeats,
                          (unsigned long long)got->applied, (unsigned long long)got->duplicates);
    }
    bool removes =
        op->kind == RVM_OP_DELETE_EVENT || op->kind == RVM_OP_DELETE_SOURCE || op->kind == RVM_OP_UNDO_IMPORT;
    if (removes && got->applied != (uint64_t)(before->events - after->events)) {
        return rvm_format(arena, "expected %d events removed, got %llu", before->events - after->events,
                          (unsigned long long)got->applied);
    }
    if (op->kind == RVM_OP_ERASE && got->applied != (uint64_t)(before->contacts - after->contacts)) {
        return rvm_format(arena, "expected %d contacts erased, got %llu", before->contacts - after->contacts,
                          (unsigned long long)got->applied);
    }
    return NULL;
}

static bool apply(world_t *w, int number) {
    const rvm_op_t *op = &w->one->ops[number];
    rvm_arena_t *arena = rvm_arena_new();
    rvm_status_t *status = rvm_alloc(arena, (size_t)(op->n + 1) * sizeof *status);
    expectation_t before = count_data(w->live);
    rvm_outcome_t outcome = {0};
    rv_error_t err = {0};
    rvm_apply(w->live, op, status);
    expectation_t after = count_data(w->live);
    const char *differs = NULL;
    bool ok = rvm_engine_apply(w->engine, op, arena, &outcome, &err) == RV_OK;
    if (!ok) {
        report_error(w, "an operation fails", &err);
    } else if ((differs = outcome_differs(arena, op, &before, &after, status, &outcome)) != NULL) {
        headline(w, "the outcome of an operation differs");
        printf("  operation %d: %s\n", number, differs);
        ok = false;
    }
    rvm_arena_destroy(&arena);
    return ok;
}

// The data after the first n operations.
static rvm_data_t *data_after(const rvm_case_t *one, int n) {
    rvm_data_t *data = rvm_data_new(one->arena, &one->schema);
    for (int i = 0; i < n; i++) {
        rvm_apply(data, &one->ops[i], NULL);
    }
    return data;
}

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

static const char *status_differs(world_t *w, const question_t *q) {
    rvm_status_t got = class_of(q->got, &q->err);
    bool refused = q->expected == RVM_SYNTAX || q->expected == RVM_INVALID || q->expected == RVM_UNIMPLEMENTED;
    if (q->expected == RVM_OVERFLOW) {
        w->tally->overflows++;
        w->tally->infinite += got == RVM_OK; // a double that is not finite, which the engine takes as a value
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

static void report(world_t *w, const question_t *q, const char *differs) {
    headline(w, differs);
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

// The model's answer without limit, for rows that changed places.
static rvm_table_t without_limit(rvm_arena_t *arena, const question_t *q) {
    rvm_query_t all = *q->query;
    rvm_table_t table = q->table;
    rvm_error_t error;
    all.limit = -1;
    if (q->query->kind == RVM_QUERY_SELECT && q->query->uses_score) {
        rvm_query_run(arena, &q->world, &all, &table, &error);
    }
    return table;
}

static void ask(world_t *w, const rvm_views_t *views, const rvm_data_t *data, const rvm_query_t *asked, bool spoilt) {
    rvm_arena_t *arena = rvm_arena_new();
    rvm_query_t own = *asked, *query = &own;
    own.limit = own.limit == 0 ? -1 : own.limit; // to the engine 0 is all
    question_t q = {.query = query, .world = rvm_case_world(w->one, data, query->as_of), .spoilt = spoilt};
    q.expected = rvm_query_run(arena, &q.world, query, &q.table, &q.error);
    q.got = rvm_engine_ask(w->engine, views, query, arena, &q.answer, &q.err);
    const char *differs = status_differs(w, &q);
    w->tally->spoilt += spoilt;
    if (differs == NULL && q.expected == RVM_OK && q.got == RV_OK) {
        rvm_table_t full = without_limit(arena, &q);
        double slack = (double)(1 + count_data(data).events) / 4294967296.0;
        bool moved;
        differs = rvm_table_differs(arena, query, &q.table, &full, &q.answer, slack, &moved);
        w->tally->moved += moved;
        w->tally->cases += differs == NULL;
    }
    if (differs != NULL) {
        report(w, &q, differs);
    }
    rvm_arena_destroy(&arena);
}

// All requests of the case over the views, `spoilt` times each with a text spoilt.
static void ask_all(world_t *w, const rvm_views_t *views, const rvm_data_t *data, int spoilt) {
    for (int i = 0; i < w->one->n_queries && w->tally->mismatches < MAX_MISMATCHES; i++) {
        rvm_query_t query = w->one->queries[i];
        rv_error_t err = {0};
        if (rvm_engine_disturb(w->engine, &err) != RV_OK) {
            report_error(w, "upkeep fails", &err);
        }
        ask(w, views, data, &query, false);
        for (int k = 0; k < spoilt; k++) {
            rvm_query_t broken = rvm_query_spoil(w->one->arena, &w->dice, &query);
            ask(w, views, data, &broken, true);
        }
    }
}

// ---- one contact --------------------------------------------------------------------------------------------------

static rvm_table_t values_table(rvm_arena_t *arena, const rvm_field_t *fields, const rvm_value_t *values, int n) {
    rvm_table_t table = {.rows = 1, .columns = n, .cells = rvm_alloc(arena, (size_t)n * sizeof(rvm_value_t))};
    for (int i = 0; i < n; i++) {
        bool empty = fields[i].type == RVM_SET && values[i].type == RVM_MISSING;
        table.cells[i] = empty ? rvm_set(arena, NULL, 0) : values[i];
    }
    return table;
}

static rvm_table_t events_table(rvm_arena_t *arena, const rvm_schema_t *schema, const rvm_contact_t *contact,
                                int64_t until) {
    rvm_table_t table = {.columns = 5 + schema->n_properties};
    table.cells = rvm_alloc(arena, (size_t)contact->n_events * (size_t)table.columns * sizeof(rvm_value_t));
    for (int i = 0; i < contact->n_events && contact->events[i].at <= until; i++) {
        const rvm_event_t *event = &contact->events[i];
        rvm_value_t *cells = table.cells + (ptrdiff_t)table.rows++ * table.columns;
        cells[0] = rvm_time(event->at);
        cells[1] = rvm_int(event->type);
        cells[2] = event->channel != NULL ? rvm_string(event->channel) : rvm_missing();
        cells[3] = rvm_string(event->source);
        cells[4] = rvm_string(event->id);
        for (int p = 0; p < schema->n_properties; p++) {
            cells[5 + p] = event->properties[p];
        }
    }
    return table;
}

static const char *contact_differs(const world_t *w, const rvm_views_t *views, const rvm_contact_t *contact,
                                   int64_t until, rvm_arena_t *arena) {
    const rvm_schema_t *schema = &w->one->schema;
    static const rvm_query_t exact = {.kind = RVM_QUERY_COUNT};
    rvm_table_t attributes, events;
    rv_error_t err = {0};
    bool moved;
    if (rvm_engine_contact(w->engine, views, contact->key, until, arena, &attributes, &events, &err) != RV_OK) {
        return rvm_format(arena, "%s", err.message);
    }
    rvm_table_t expected = values_table(arena, schema->attributes, contact->values, schema->n_attributes);
    const char *differs = rvm_table_differs(arena, &exact, &expected, NULL, &attributes, 0, &moved);
    if (differs == NULL) {
        expected = events_table(arena, schema, contact, until);
        differs = rvm_table_differs(arena, &exact, &expected, NULL, &events, 0, &moved);
    }
    return differs;
}

static const char *company_differs(const world_t *w, const rvm_views_t *views, const rvm_company_t *company,
                                   rvm_arena_t *arena) {
    const rvm_schema_t *schema = &w->one->schema;
    static const rvm_query_t exact = {.kind = RVM_QUERY_COUNT};
    rvm_table_t got;
    rv_error_t err = {0};
    bool moved;
    rv_status_t status = rvm_engine_company(w->engine, views, company->key, arena, &got, &err);
    if (status != RV_OK) {
        return rvm_format(arena, "%s", err.message);
    }
    rvm_table_t expected =
        values_table(arena, schema->company_attributes, company->values, schema->n_company_attributes);
    return rvm_table_differs(arena, &exact, &expected, NULL, &got, 0, &moved);
}

// Every contact and company as point reads show them, and a contact that is not there.
static void check_points(world_t *w, const rvm_views_t *views, const rvm_data_t *data) {
    rvm_arena_t *arena = rvm_arena_new();
    const char *differs = NULL, *key = "";
    rvm_table_t none;
    rv_error_t err = {0};
    int64_t until = w->one->queries[0].as_of;
    for (int i = 0; i < data->n_contacts && differs == NULL; i++) {
        key = data->contacts[i].key;
        differs = contact_differs(w, views, &data->contacts[i], i % 2 == 0 ? INT64_MAX : until, arena);
    }
    for (int i = 0; i < data->n_companies && differs == NULL; i++) {
        key = data->companies[i].key;
        differs = company_differs(w, views, &data->companies[i], arena);
    }
    if (differs == NULL &&
        rvm_engine_contact(w->engine, views, "nobody", until, arena, &none, &none, &err) != RV_NOT_FOUND) {
        differs = "a contact that is not there is found";
    }
    if (differs != NULL) {
        headline(w, "a point read differs");
        printf("  '%s': %s\n", key, differs);
    }
    rvm_arena_destroy(&arena);
}

// ---- one world ----------------------------------------------------------------------------------------------------

static bool look(world_t *w, rvm_views_t *ret) {
    rv_error_t err = {0};
    bool ok = rvm_engine_look(w->engine, ret, &err) == RV_OK;
    if (!ok) {
        report_error(w, "no view can be taken", &err);
    }
    return ok;
}

static void run_world(world_t *w) {
    const rvm_case_t *one = w->one;
    int keep = rvm_dice_chance(&w->dice, 50) ? rvm_dice_below(&w->dice, one->n_ops) : -1; // hold a view from here on
    rvm_views_t early, now;
    bool ok = true, holds = false;
    rv_error_t err = {0};
    for (int i = 0; ok && i < one->n_ops; i++) {
        w->moment = i;
        if (w->settings->print) {
            printf("operation %d\n", i);
        }
        ok = apply(w, i);
        if (ok && rvm_engine_disturb(w->engine, &err) != RV_OK) {
            report_error(w, "upkeep fails", &err);
            ok = false;
        }
        if (ok && i == keep) {
            ok = holds = look(w, &early);
        }
    }
    w->moment = one->n_ops;
    if (ok && look(w, &now)) {
        check_points(w, &now, w->live);
        ask_all(w, &now, w->live, 1);
        rvm_engine_forget(w->engine, &now);
    }
    if (ok && holds) {
        w->moment = keep + 1;
        const rvm_data_t *then = data_after(one, keep + 1);
        check_points(w, &early, then);
        ask_all(w, &early, then, 0);
        w->moment = one->n_ops;
    }
    if (holds) {
        rvm_engine_forget(w->engine, &early);
    }
    if (ok && look(w, &now)) { // whatever was disturbed meanwhile
        ask(w, &now, w->live, &one->queries[0], false);
        rvm_engine_forget(w->engine, &now);
    }
}

static void run_seed(uint64_t seed, const settings_t *settings, const char *dir, tally_t *tally) {
    static const rvm_gen_options_t large = {
        .features = RVM_GEN_ALL, .contacts = 150, .events = 1500, .queries = 12, .depth = 4};
    bool is_large = seed % 50 == 0; // for full vectors, several pieces, many runs
    world_t w = {.one = rvm_case_new(seed, is_large ? &large : NULL),
                 .settings = settings,
                 .tally = tally,
                 .dice = {seed ^ 0xD1CE}};
    rv_error_t err = {0};
    w.layout = rvm_layout_random(&w.dice);
    w.layout.keeper = w.layout.keeper || settings->threads;
    w.layout.narrate = settings->print;
    w.live = rvm_data_new(w.one->arena, &w.one->schema);
    tally->seed = seed;
    if (settings->print) {
        rvm_case_print(stdout, w.one);
    }
    if (rvm_engine_new(w.one, &w.layout, seed, dir, &w.engine, &err) == RV_OK) {
        run_world(&w);
    } else {
        report_error(&w, "the cluster cannot be made", &err);
    }
    tally->worlds++;
    tally->threads += w.layout.keeper;
    rvm_engine_destroy(&w.engine);
    rvm_case_destroy((rvm_case_t **)(uintptr_t)&w.one);
}

// ---- processes ----------------------------------------------------------------------------------------------------

// A directory in memory where there is one.
static bool make_directory(char *path, size_t room) {
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(path, room, "%s/rv-model-XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(path) != NULL;
}

static int work(const settings_t *settings, int process, tally_t *tally) {
    char dir[200];
    long cases = settings->cases / settings->processes;
    if (!make_directory(dir, sizeof dir)) {
        perror("no directory for the data");
        return 1;
    }
    for (uint64_t k = (uint64_t)process; tally->cases < cases && tally->mismatches < MAX_MISMATCHES;
         k += (uint64_t)settings->processes) {
        run_seed(settings->seed + k, settings, dir, tally);
        if (settings->only) {
            break;
        }
    }
    rmdir(dir);
    tally->finished = true;
    return tally->mismatches == 0 ? 0 : 1;
}

static int run(const settings_t *settings) {
    tally_t *tallies =
        mmap(NULL, MAX_PROCESSES * sizeof *tallies, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[MAX_PROCESSES];
    tally_t all = {0};
    if (tallies == MAP_FAILED) {
        return 1;
    }
    for (int i = 0; i < settings->processes; i++) {
        pids[i] = settings->processes == 1 ? 0 : fork();
        if (pids[i] == 0) {
            int code = work(settings, i, &tallies[i]);
            fflush(stdout);
            if (settings->processes > 1) {
                exit(code); // and see to leaks, where that is built in
            }
        }
    }
    for (int i = 0; i < settings->processes; i++) {
        int status = 0;
        if (settings->processes > 1) {
            waitpid(pids[i], &status, 0);
        }
        if (!tallies[i].finished || !WIFEXITED(status) || WEXITSTATUS(status) > 1) {
            printf("\nMISMATCH seed %llu: the process ended (status %d)\n", (unsigned long long)tallies[i].seed,
                   status);
            all.mismatches++;
        }
        all.cases += tallies[i].cases;
        all.mismatches += tallies[i].mismatches;
        all.overflows += tallies[i].overflows;
        all.infinite += tallies[i].infinite;
        all.refused += tallies[i].refused;
        all.spoilt += tallies[i].spoilt;
        all.moved += tallies[i].moved;
        all.other_places += tallies[i].other_places;
        all.worlds += tallies[i].worlds;
        all.threads += tallies[i].threads;
    }
    munmap(tallies, MAX_PROCESSES * sizeof *tallies);
    printf("model: %ld worlds from seed %llu, %ld with a second thread; %ld rows of equal score moved\n"
           "       %ld texts spoilt; %ld requests refused, %ld of them at another place\n"
           "       %ld overflows, %ld of them of doubles\n",
           all.worlds, (unsigned long long)settings->seed, all.threads, all.moved, all.spoilt, all.refused,
           all.other_places, all.overflows, all.infinite);
    printf("%ld passed, %ld failed\n", all.cases, all.mismatches);
    return all.mismatches == 0 && all.cases > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    settings_t settings = {.cases = 10000, .seed = 1, .processes = 2};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--cases") == 0 && more) {
            settings.cases = strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            settings.seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0 && more) {
            settings.seed = strtoull(argv[++i], NULL, 10);
            settings.only = true;
            settings.processes = 1;
        } else if (strcmp(argv[i], "--processes") == 0 && more) {
            settings.processes = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--print") == 0) {
            settings.print = true;
        } else if (strcmp(argv[i], "--threads") == 0) {
            settings.threads = true;
        } else {
            fprintf(stderr, "unknown argument '%s'\n", argv[i]);
            return 2;
        }
    }
    if (settings.processes < 1 || settings.processes > MAX_PROCESSES) {
        fputs("--processes: 1 to 64\n", stderr);
        return 2;
    }
    return run(&settings);
}

// trial.c - see trial.h: the operations of a world, their outcomes, and when it is asked.
//
// Structure: how a mismatch is reported; what an operation does in the model against what the engine says of it; a
// world from its first operation to its last request.
#include "trial_internal.h"

#include <string.h>

// ---- failure ------------------------------------------------------------------------------------------------------

void rvm_trial_headline(const rvm_trial_t *w, const char *what) {
    printf("\nMISMATCH seed %llu: %s\n  after %d of %d operations; layout: %d workers, %d partitions, chunks of %u "
           "rows%s\n",
           (unsigned long long)w->one->seed, what, w->moment, w->one->n_ops, w->layout.workers, w->layout.partitions,
           w->layout.chunk_rows, w->layout.keeper ? ", a second thread" : "");
    w->tally->mismatches++;
}

void rvm_trial_error(const rvm_trial_t *w, const char *what, const rv_error_t *err) {
    rvm_trial_headline(w, what);
    printf("  engine: %s/%s: %s\n", rv_status_name(err->status), rv_reason_name(err->reason), err->message);
    fflush(stdout);
}

// ---- operations ---------------------------------------------------------------------------------------------------

typedef struct expectation {
    int contacts, events, repeats, conflicts;
} expectation_t;

int rvm_trial_events(const rvm_data_t *data) {
    int n = 0;
    for (int i = 0; i < data->n_contacts; i++) {
        n += data->contacts[i].n_events;
    }
    return n;
}

static expectation_t count_data(const rvm_data_t *data) {
    return (expectation_t){data->n_contacts, rvm_trial_events(data), data->repeats, data->conflicts};
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

static bool apply(rvm_trial_t *w, int number) {
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
        rvm_trial_error(w, "an operation fails", &err);
    } else if ((differs = outcome_differs(arena, op, &before, &after, status, &outcome)) != NULL) {
        rvm_trial_headline(w, "the outcome of an operation differs");
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

// ---- one world ----------------------------------------------------------------------------------------------------

static bool look(rvm_trial_t *w, rvm_views_t *ret) {
    rv_error_t err = {0};
    bool ok = rvm_engine_look(w->engine, ret, &err) == RV_OK;
    if (!ok) {
        rvm_trial_error(w, "no view can be taken", &err);
    }
    return ok;
}

static void run_world(rvm_trial_t *w) {
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
            rvm_trial_error(w, "upkeep fails", &err);
            ok = false;
        }
        if (ok && i == keep) {
            ok = holds = look(w, &early);
        }
    }
    w->moment = one->n_ops;
    if (ok && look(w, &now)) {
        rvm_trial_points(w, &now, w->live);
        rvm_trial_ask_all(w, &now, w->live, 1);
        if (w->settings->texts != NULL && one->seed == w->settings->seed) {
            rvm_trial_ask_texts(w, &now, "accept.txt");
            rvm_trial_ask_texts(w, &now, "reject.txt");
        }
        rvm_engine_forget(w->engine, &now);
    }
    if (ok && holds) {
        w->moment = keep + 1;
        const rvm_data_t *then = data_after(one, keep + 1);
        rvm_trial_points(w, &early, then);
        rvm_trial_ask_all(w, &early, then, 0);
        w->moment = one->n_ops;
    }
    if (holds) {
        rvm_engine_forget(w->engine, &early);
    }
    if (ok && look(w, &now)) { // whatever was disturbed meanwhile
        rvm_trial_ask(w, &now, w->live, &one->queries[0], false);
        rvm_engine_forget(w->engine, &now);
    }
}

void rvm_trial_run(uint64_t seed, const rvm_settings_t *settings, const char *dir, rvm_tally_t *tally) {
    static const rvm_gen_options_t large = {
        .features = RVM_GEN_ALL, .contacts = 150, .events = 1500, .queries = 12, .depth = 4};
    bool is_large = seed % 25 == 0; // for full vectors, several pieces, many runs
    rvm_trial_t w = {.one = rvm_case_new(seed, is_large ? &large : NULL),
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
        rvm_trial_error(&w, "the cluster cannot be made", &err);
    }
    tally->worlds++;
    tally->threads += w.layout.keeper;
    rvm_engine_destroy(&w.engine);
    rvm_case_destroy((rvm_case_t **)(uintptr_t)&w.one);
}

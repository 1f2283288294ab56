// self_random.c - generated worlds: every request evaluates, and identities hold whatever the data.
//
// Structure: one function for each identity over the condition of a count; a loop over seeds; a summary of how often
// filters were neither always true nor always false, and of how often a value overflowed.
#include "gen.h"
#include "self.h"

#include <string.h>

typedef struct tally {
    int failures, requests, overflows, conditions, telling;
} tally_t;

typedef struct subject {
    rvm_arena_t *arena;
    const rvm_case_t *one;
    rvm_world_t world;
    tally_t *tally;
} subject_t;

static void fail(subject_t *s, const char *what, const char *text, const char *detail) {
    fprintf(stderr, "seed %llu: %s: %s: %s\n", (unsigned long long)s->one->seed, what, text, detail);
    s->tally->failures++;
}

// -1 when the filter overflows; anything else that goes wrong is a failure.
static int members(subject_t *s, const char *filter, bool *in) {
    rvm_error_t error;
    int count = -1;
    rvm_status_t status = rvm_filter(s->arena, &s->world, filter, in, &count, &error);
    if (status != RVM_OK && status != RVM_OVERFLOW) {
        fail(s, "refused", filter, error.text);
    }
    return count;
}

static bool same_members(subject_t *s, const bool *a, const bool *b) {
    return memcmp(a, b, (size_t)s->world.data->n_contacts * sizeof *a) == 0;
}

static void check_pair(subject_t *s, const char *a, const char *b) {
    size_t n = (size_t)s->world.data->n_contacts;
    bool *in[4], *all = rvm_alloc(s->arena, n);
    const char *texts[] = {a, b, rvm_format(s->arena, "(%s) and (%s)", a, b),
                           rvm_format(s->arena, "(%s\n) or (%s)", a, b)};
    int count[4], everyone = members(s, "", all);
    for (int i = 0; i < 4; i++) {
        in[i] = rvm_alloc(s->arena, n);
        count[i] = members(s, texts[i], in[i]);
        if (count[i] < 0) {
            return;
        }
    }
    s->tally->conditions++;
    s->tally->telling += count[0] > 0 && count[0] < everyone;
    for (size_t i = 0; i < n; i++) {
        if (in[2][i] != (in[0][i] && in[1][i]) || in[3][i] != (in[0][i] || in[1][i]) || (in[0][i] && !all[i])) {
            fail(s, "and / or of", a, b);
            return;
        }
    }
}

static void check_negation(subject_t *s, const char *a) {
    bool *in = rvm_alloc(s->arena, (size_t)s->world.data->n_contacts),
         *again = rvm_alloc(s->arena, (size_t)s->world.data->n_contacts);
    int everyone = members(s, "", in), yes = members(s, a, again);
    int no = members(s, rvm_format(s->arena, "not (%s)", a), in);
    if (yes >= 0 && yes + no != everyone) {
        fail(s, "not", a, "and its opposite are not the population");
    }
    if (members(s, rvm_format(s->arena, "not not (%s)", a), in) >= 0 && !same_members(s, in, again)) {
        fail(s, "not not", a, "is not the same");
    }
    if (members(s, rvm_format(s->arena, "(%s) = true", a), in) >= 0 && !same_members(s, in, again)) {
        fail(s, "= true", a, "is not the same");
    }
    if (members(s, rvm_format(s->arena, "-- %s\n (%s) -- tail", "comment", a), in) >= 0 &&
        !same_members(s, in, again)) {
        fail(s, "comment", a, "is not the same");
    }
}

// `X at now` is X, when X may stand there at all.
static void check_at_now(subject_t *s, const char *a) {
    bool *in = rvm_alloc(s->arena, (size_t)s->world.data->n_contacts),
         *again = rvm_alloc(s->arena, (size_t)s->world.data->n_contacts);
    const char *text = rvm_format(s->arena, "(%s) at now", a);
    rvm_error_t error;
    if (rvm_check_only(&s->world, RVM_TEXT_FILTER, text, &error) != RVM_OK) {
        return;
    }
    if (members(s, a, in) >= 0 && members(s, text, again) >= 0 && !same_members(s, in, again)) {
        fail(s, "at now", a, "is not the same");
    }
}

// Counting by groups adds up to the count; a select without limit has one row for each member.
static void check_totals(subject_t *s, const char *a) {
    bool *in = rvm_alloc(s->arena, (size_t)s->world.data->n_contacts);
    int count = members(s, a, in);
    rvm_table_t table;
    rvm_error_t error;
    int64_t total = 0;
    if (count < 0) {
        return;
    }
    if (rvm_aggregate(s->arena, &s->world, a, "last(channel of any)", "count", &table, &error) == RVM_OK) {
        for (int r = 0; r < table.rows; r++) {
            total += rvm_cell(&table, r, 1)->i;
        }
    }
    if (total != count) {
        fail(s, "groups of", a, "do not add up");
    }
    if (rvm_select(s->arena, &s->world, a, "", "count(any) desc", -1, &table, &error) != RVM_OK ||
        table.rows != count) {
        fail(s, "select of", a, "has another size");
    }
}

// Without conflicts and deletes, the events in reverse order of arrival give the same count.
static void check_order(subject_t *s, const char *a, bool *in) {
    const rvm_case_t *one = s->one;
    rvm_data_t *data = rvm_data_new(s->arena, &one->schema);
    for (int i = 0; i < one->n_ops; i++) {
        if (one->ops[i].kind > RVM_OP_COMPACT || one->data->conflicts > 0) {
            return;
        }
        if (one->ops[i].kind != RVM_OP_EVENTS) {
            rvm_apply(data, &one->ops[i], NULL);
        }
    }
    for (int i = one->n_ops - 1; i >= 0; i--) {
        for (int k = one->ops[i].kind == RVM_OP_EVENTS ? one->ops[i].n - 1 : -1; k >= 0; k--) {
            rvm_append(data, &one->ops[i].events[k]);
        }
    }
    int count = members(s, a, in);
    s->world.data = data;
    if (data->n_contacts != one->data->n_contacts || members(s, a, in) != count) {
        fail(s, "reversed arrival", a, "changes the answer");
    }
    s->world.data = one->data;
}

static void check_query(subject_t *s, const rvm_query_t *query) {
    rvm_table_t table;
    rvm_error_t error;
    rvm_status_t status = rvm_query_run(s->arena, &s->world, query, &table, &error);
    s->tally->requests++;
    s->tally->overflows += status == RVM_OVERFLOW;
    if (status != RVM_OK && status != RVM_OVERFLOW) {
        fail(s, "request refused", "", error.text);
        rvm_query_print(stderr, query);
    }
}

static void check_case(uint64_t seed, tally_t *tally) {
    rvm_case_t *one = rvm_case_new(seed, NULL);
    const char *before = "exists(any)";
    for (int i = 0; i < one->n_queries; i++) {
        const rvm_query_t *query = &one->queries[i];
        subject_t s = {.arena = rvm_arena_new(), .one = one, .tally = tally};
        s.world = rvm_case_world(one, one->data, query->as_of);
        check_query(&s, query);
        if (query->kind == RVM_QUERY_COUNT && query->filter[0] != 0) {
            check_pair(&s, query->filter, before);
            check_negation(&s, query->filter);
            check_at_now(&s, query->filter);
            check_totals(&s, query->filter);
            check_order(&s, query->filter, rvm_alloc(s.arena, (size_t)one->data->n_contacts));
            before = query->filter;
        }
        rvm_arena_destroy(&s.arena);
    }
    rvm_case_destroy(&one);
}

int rvm_self_random(uint64_t first_seed, int seeds) {
    tally_t tally = {0};
    for (int i = 0; i < seeds; i++) {
        check_case(first_seed + (uint64_t)i, &tally);
    }
    printf("model: %d requests, %d overflowed; %d of %d conditions were neither always true nor always false\n",
           tally.requests, tally.overflows, tally.telling, tally.conditions);
    return tally.failures;
}

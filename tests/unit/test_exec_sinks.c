/* test_exec_sinks.c: counts, groups, overlaps, cohorts, pages, limits; fetch and history. */
#include "../../worker/exec/plan.h"
#include "exec_case.h"

#include "reveille/limits.h"

#define ROWS 300u
static fake_row_t rows[ROWS];
static fake_event_t events[ROWS * 3];
static char keys[ROWS][8];

/* Contact i: age i % 5 or missing, country by i % 3, one click i days ago, every third a purchase of i cents. */
static int begin(void **state) {
    static const char *const countries[] = {"DE", "FR", NULL};
    exec_taken = 0;
    exec_begin(*state ? 2 : 128);
    memset(rows, 0, sizeof rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%03u", (i * 7) % ROWS);
        rows[i].key = keys[i];
        rows[i].values[COUNTRY] = fake_text(countries[i % 3]);
        if (i % 5)
            rows[i].values[AGE] = an_int(i % 5);
        rows[i].values[SIGNED_UP] = i % 4 ? an_int(NOW - (int64_t)i * DAY) : (rv_value_t){0};
        fake_event_t *e = &events[view.n_events++];
        *e = (fake_event_t){.row = i,
                            .type = CLICK,
                            .time = NOW - (int64_t)i * DAY / 2,
                            .source = "",
                            .id = "e1",
                            .channel = i % 2 ? "web" : "email",
                            .piece = i,
                            .order = i * 31 % 64};
        if (i % 3)
            continue;
        e = &events[view.n_events++];
        *e = (fake_event_t){.row = i,
                            .type = PURCHASE,
                            .time = NOW - (int64_t)i,
                            .source = "s",
                            .id = "e2",
                            .channel = NULL,
                            .piece = i + 1,
                            .order = i};
        e->properties[VALUE] = a_decimal(i);
        e->properties[RATE] = a_double(0.1 * i);
    }
    view.rows = rows;
    view.n_rows = ROWS;
    view.events = events;
    return 0;
}

static int end(void **state) {
    (void)state;
    exec_end();
    return 0;
}

static void a_count_counts(void **state) {
    (void)state;
    exec_query_t q;
    Reveille__V1__CountQuery count = REVEILLE__V1__COUNT_QUERY__INIT;
    Reveille__V1__QueryResponse *response;
    rvw_job_t *job = NULL;
    rvw_partial_t *partial = NULL;
    rv_arena_t arena;
    bool last = false;
    rows[4].dead = true;
    exec_open(&q, "exists(click within 50 days) and country = 'FR'");
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_COUNT;
    q.request.count = &count;
    exec_compiled(&q);
    assert_int_equal(exec_run(&q.request, &job, &partial), RV_OK);
    rv_arena_init(&arena, 1u << 20);
    assert_int_equal(rvw_partial_next(job, partial, &arena, &response, &last, &exec_err), RV_OK);
    assert_true(last);
    assert_int_equal(response->count, 32); /* of 0..99 the 33 that are 1 mod 3, without 4 */
    rv_arena_done(&arena);
    exec_finish(&job, &partial);
    rv_builder_destroy(&q.builder);
}

typedef struct {
    const rv_expression_t *keys;
    const Reveille__V1__Measure *measures;
    size_t n_keys, n;
} groups_shape_t;

static char groups_text[1 << 16];
static size_t groups_at;

static void print_key(const groups_shape_t *shape, const ProtobufCBinaryData *key, size_t pos) {
    for (size_t k = 0; k < shape->n_keys; k++) {
        rv_value_t v;
        char *to = groups_text + groups_at;
        size_t room = sizeof groups_text - groups_at;
        assert_true(rv_value_decode(shape->keys[k].type, key->data, key->len, &pos, &v));
        groups_at += (size_t)(!v.present                         ? snprintf(to, room, "- ")
                              : shape->keys[k].type == RV_STRING ? snprintf(to, room, "%.*s ", (int)v.s.n, v.s.p)
                                                                 : snprintf(to, room, "%lld ", (long long)v.i));
    }
}

static void print_state(const groups_shape_t *shape, const ProtobufCBinaryData *state, size_t pos) {
    for (size_t m = 0; m < shape->n; m++) {
        const Reveille__V1__Measure *asked = &shape->measures[m];
        rv_measure_t measure = {asked->kind, asked->quantile, asked->type, asked->scale};
        _Alignas(16) char room[1024];
        rv_agg_t *agg = (rv_agg_t *)(void *)room;
        rv_value_t v;
        rv_type_t type;
        unsigned scale;
        assert_true(rv_agg_size(&measure) <= sizeof room);
        rv_agg_init(&measure, agg);
        assert_int_equal(rv_agg_combine(&measure, agg, state->data, state->len, &pos, &exec_err), RV_OK);
        assert_int_equal(rv_agg_finalize(&measure, agg, &v, &exec_err), RV_OK);
        rv_agg_type(&measure, &type, &scale);
        char number[64] = "-";
        if (v.present && type == RV_DOUBLE)
            number[rv_double_format(v.d, number)] = 0;
        else if (v.present)
            snprintf(number, sizeof number, "%lld", (long long)(type == RV_DECIMAL ? (int64_t)v.wide : v.i));
        groups_at += (size_t)snprintf(groups_text + groups_at, sizeof groups_text - groups_at, "%s%s", number,
                                      m + 1 < shape->n ? "," : ";");
        rv_agg_done(&measure, agg);
    }
}

static void print_pages(const groups_shape_t *shape, const rvw_job_t *job, rvw_partial_t *partial) {
    for (bool last = false; !last;) {
        Reveille__V1__QueryResponse *response;
        rv_arena_t arena;
        rv_arena_init(&arena, 16u << 20);
        assert_int_equal(rvw_partial_next(job, partial, &arena, &response, &last, &exec_err), RV_OK);
        const Reveille__V1__StringColumn *key = response->groups->keys, *state = response->groups->states;
        for (size_t g = 0, key_at = 0, state_at = 0; g < key->n_lengths; g++) {
            print_key(shape, &key->data, key_at);
            print_state(shape, &state->data, state_at);
            key_at += key->lengths[g];
            state_at += state->lengths[g];
        }
        rv_arena_done(&arena);
    }
}

/* Groups as "key key result,result;". */
static const char *groups_of(const char *filter, const char *by, const char *compute, rv_status_t wanted) {
    groups_shape_t shape;
    const char *const *texts;
    exec_query_t q;
    Reveille__V1__GroupsQuery groups = REVEILLE__V1__GROUPS_QUERY__INIT;
    Reveille__V1__Measure *list[16];
    exec_open(&q, filter);
    assert_int_equal(rv_builder_fields(q.builder, "by", by, &shape.keys, &shape.n_keys, &exec_err), RV_OK);
    if (rv_builder_compute(q.builder, compute, &shape.measures, &texts, &shape.n, &exec_err) != RV_OK)
        fail_msg("%s", exec_err.message);
    for (size_t i = 0; i < shape.n_keys; i++)
        q.fields[i] = shape.keys[i].node;
    for (size_t i = 0; i < shape.n; i++)
        list[i] = (Reveille__V1__Measure *)(uintptr_t)&shape.measures[i];
    groups.n_by = shape.n_keys;
    groups.by = q.fields;
    groups.n_measures = shape.n;
    groups.measures = list;
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_GROUPS;
    q.request.groups = &groups;
    exec_compiled(&q);
    rvw_job_t *job = NULL;
    rvw_partial_t *partial = NULL;
    rv_status_t status = exec_run(&q.request, &job, &partial);
    assert_int_equal(status, wanted);
    groups_at = 0;
    groups_text[0] = 0;
    if (status == RV_OK)
        print_pages(&shape, job, partial);
    exec_finish(&job, &partial);
    rv_builder_destroy(&q.builder);
    return groups_text;
}

static void rows_fall_into_groups(void **state) {
    (void)state;
    assert_string_equal(groups_of("", "country", "count", RV_OK), "DE 100;FR 100;- 100;");
    assert_string_equal(groups_of("age <= 2", "age, country", "count, sum(age)", RV_OK),
                        "1 DE 20,20;1 FR 20,20;1 - 20,20;2 DE 20,40;2 FR 20,40;2 - 20,40;");
    assert_string_equal(groups_of("", "lower(country), exists(purchase)", "count, min(age), distinct(age)", RV_OK),
                        "de 1 100,1,4;fr 0 100,1,4;- 0 100,1,4;");
    assert_string_equal(groups_of("exists(purchase)", "last(channel of click), bucket(count(any), 2)",
                                  "count, sum(sum(value of purchase)), avg(avg(rate of purchase))", RV_OK),
                        "email 1 50,7350,14.700000000000001;web 1 50,7500,15;");
    for (uint32_t i = 0; i < ROWS; i++)
        if (rows[i].values[AGE].present)
            rows[i].values[AGE].i = (rows[i].values[AGE].i - 2) * 1000; /* -1000, 0, 1000, 2000 */
    assert_string_equal(groups_of("", "age", "count", RV_OK), "-1000 60;0 60;1000 60;2000 60;- 60;");
    assert_string_equal(groups_of("exists(purchase where value > 999)", "country", "count", RV_OK), "");
}

/* The first rows in order by a number, ties by key, missing last; each the best of those that are left. */
static void first_rows_are_those_of_a_plain_search(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 16; k++) {
        bool descending = k % 2, real = k / 2 % 2;
        int shift = k / 4 == 0 ? 0 : k / 4 == 1 ? 20 : k / 4 == 2 ? -20 : 5;
        bool taken[ROWS] = {0};
        char wanted[512];
        size_t at = 0;
        int values[ROWS];
        for (uint32_t i = 0; i < ROWS; i++) {
            values[i] = (int)(i * 37 % 31) - 15 + shift;
            rows[i].values[AGE] = i % 4 ? an_int(values[i]) : (rv_value_t){0};
            rows[i].values[WEIGHT] = i % 4 ? a_double(values[i] / 4.0) : (rv_value_t){0};
        }
        for (uint32_t left = 17; left--;) {
            uint32_t best = ROWS;
            for (uint32_t i = 0; i < ROWS; i++) {
                if (taken[i] || i % 4 == 0)
                    continue;
                int ahead = best == ROWS ? 1 : descending ? values[i] - values[best] : values[best] - values[i];
                if (ahead > 0 || (ahead == 0 && strcmp(keys[i], keys[best]) < 0))
                    best = i;
            }
            taken[best] = true;
            at += (size_t)snprintf(wanted + at, sizeof wanted - at, "%s%s", keys[best], left ? ";" : "");
        }
        const char *order = real ? (descending ? "weight desc" : "weight") : (descending ? "age desc" : "age");
        assert_string_equal(exec_select("", "contact", order, 17, RV_OK), wanted);
    }
}

/* Keys of few and many different strings, in every encoding, as a key, below an operation and measured. */
static void groups_of_strings_are_those_of_plain_counting(void **state) {
    (void)state;
    static char codes[ROWS][8];
    for (uint32_t k = 0; k < 24; k++) {
        uint32_t different = k % 3 == 0 ? 1 : k % 3 == 1 ? 40 : 90, n[90] = {0}, sum[90] = {0}, missing[2] = {0};
        char wanted[4096];
        size_t at = 0;
        bool all = k % 2 == 0;
        view.variation = k / 3;
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t code = i * 7 % different, age = i % 5;
            snprintf(codes[i], sizeof codes[i], "c%02u", code);
            rows[i].values[CODE] = i % 11 ? fake_text(codes[i]) : (rv_value_t){0};
            if (!all && age != 3)
                continue;
            *(i % 11 ? &n[code] : &missing[0]) += 1;
            *(i % 11 ? &sum[code] : &missing[1]) += age;
        }
        for (uint32_t c = 0; c < different; c++)
            if (n[c])
                at += (size_t)snprintf(wanted + at, sizeof wanted - at, "c%02u %u,%u;", c, n[c], sum[c]);
        snprintf(wanted + at, sizeof wanted - at, "- %u,%u;", missing[0], missing[1]);
        assert_string_equal(groups_of(all ? "" : "age = 3", "code", "count, sum(age)", RV_OK), wanted);
        assert_string_equal(groups_of(all ? "" : "age = 3", "lower(code)", "count, sum(age)", RV_OK), wanted);
    }
    assert_string_equal(groups_of("age = 3", "country", "distinct(country)", RV_OK), "DE 1;FR 1;- 0;");
}

/* Sums of doubles that are whole units, that are not, that are missing, and of both in turn. */
static void sums_of_groups_are_those_of_their_rows(void **state) {
    (void)state;
    static const double scales[] = {1, 0x1p-32, 0.1, 0x1p30, 0x1p-40};
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        rv_exact_t sums[3];
        uint64_t n[3] = {0};
        char wanted[512];
        size_t at = 0;
        for (size_t k = 0; k < 3; k++)
            rv_exact_init(&sums[k]);
        for (uint32_t i = 0; i < view.n_events; i++) {
            if (events[i].type != PURCHASE)
                continue;
            uint32_t row = events[i].row, k = (row / 3) % 3;
            rows[row].values[COUNTRY] = fake_text((const char *const[]){"DE", "FR", "IT"}[k]);
            events[i].properties[RATE] = a_double(((int)row - 120) * (row % 2 ? scales[s] : 1));
            if (row % 7 == 0)
                events[i].properties[RATE] = (rv_value_t){0};
            else
                rv_exact_add(&sums[k], ((int)row - 120) * (row % 2 ? scales[s] : 1));
            n[k] += row % 7 != 0;
        }
        for (size_t k = 0; k < 3; k++) {
            char sum[32] = {0}, mean[32] = {0};
            rv_double_format(rv_exact_value(&sums[k]), sum);
            rv_double_format(rv_exact_mean(&sums[k], n[k]), mean);
            at += (size_t)snprintf(wanted + at, sizeof wanted - at, "%s %s,%s;",
                                   (const char *const[]){"DE", "FR", "IT"}[k], sum, mean);
        }
        assert_string_equal(
            groups_of("exists(purchase)", "country", "sum(last(rate of purchase)), avg(last(rate of purchase))", RV_OK),
            wanted);
    }
}

static void values_kept_in_groups_count_as_memory(void **state) {
    (void)state;
    static char codes[ROWS][8001];
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(codes[i], sizeof codes[i], "%07999u", i);
        rows[i].values[CODE] = fake_text(codes[i]);
    }
    exec_taken = RV_MAX_QUERY_MEMORY - (768u << 10); /* enough for the groups, too little for the codes */
    assert_string_equal(groups_of("age is set", "exists(purchase)", "count, sum(age)", RV_OK), "0 160,400;1 80,200;");
    static const char *const measures[] = {"distinct(code)", "quantile(code, 0.5)", "min(code)", "max(code)"};
    for (size_t i = 0; i < 4; i++) {
        groups_of("age is set", i < 2 ? "exists(purchase)" : "contact", measures[i], RV_RESOURCE_EXHAUSTED);
        assert_int_equal(exec_err.reason, RV_REASON_QUOTA);
        assert_non_null(strstr(exec_err.message, "in one worker"));
    }
}

static void an_overlap_counts_pairs(void **state) {
    (void)state;
    static const char *const conditions[] = {"country = 'DE'", "exists(purchase)", "age = 1",
                                             "age is unset and country = 'DE'"};
    static const uint64_t wanted[] = {100, 100, 20, 20, 100, 100, 20, 20, 20, 20, 60, 0, 20, 20, 0, 20};
    exec_query_t q;
    Reveille__V1__OverlapQuery overlap = REVEILLE__V1__OVERLAP_QUERY__INIT;
    Reveille__V1__QueryResponse *response;
    rvw_job_t *job = NULL;
    rvw_partial_t *partial = NULL;
    rv_arena_t arena;
    bool last;
    exec_open(&q, "");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rv_builder_condition(q.builder, "segment", conditions[i], &q.fields[i], &exec_err), RV_OK);
    overlap.n_conditions = 4;
    overlap.conditions = q.fields;
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_OVERLAP;
    q.request.overlap = &overlap;
    exec_compiled(&q);
    assert_int_equal(exec_run(&q.request, &job, &partial), RV_OK);
    rv_arena_init(&arena, 1u << 20);
    assert_int_equal(rvw_partial_next(job, partial, &arena, &response, &last, &exec_err), RV_OK);
    assert_int_equal(response->overlap->n_counts, 16);
    assert_memory_equal(response->overlap->counts, wanted, sizeof wanted);
    rv_arena_done(&arena);
    exec_finish(&job, &partial);
    rv_builder_destroy(&q.builder);
}

/* Cohorts of 100 days by sign-up, periods of `period` days. */
static void retention(int64_t period, uint32_t periods, const char *event, uint64_t *sizes, uint64_t *contacts,
                      int64_t *first, size_t *ret_n) {
    exec_query_t q;
    Reveille__V1__RetentionQuery r = REVEILLE__V1__RETENTION_QUERY__INIT;
    rvw_job_t *job = NULL;
    rvw_partial_t *partial = NULL;
    exec_open(&q, "country is set");
    assert_int_equal(rv_builder_instant(q.builder, "start", "signed_up", &r.start, &exec_err), RV_OK);
    assert_int_equal(rv_builder_selection(q.builder, "event", event, &r.selection, &exec_err), RV_OK);
    r.cohort_ms = 100 * DAY;
    r.period_ms = period * DAY;
    r.periods = periods;
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_RETENTION;
    q.request.retention = &r;
    exec_compiled(&q);
    assert_int_equal(exec_run(&q.request, &job, &partial), RV_OK);
    *ret_n = 0;
    for (bool last = false; !last;) {
        Reveille__V1__QueryResponse *response;
        rv_arena_t arena;
        rv_arena_init(&arena, 4u << 20);
        assert_int_equal(rvw_partial_next(job, partial, &arena, &response, &last, &exec_err), RV_OK);
        const Reveille__V1__RetentionPartial *p = response->retention;
        for (size_t i = 0; i < p->n_cohorts; i++) {
            if (!*ret_n)
                *first = p->cohorts[i];
            assert_int_equal(p->cohorts[i], *first + (int64_t)*ret_n);
            sizes[*ret_n] = p->sizes[i];
            memcpy(contacts + *ret_n * periods, p->contacts + i * periods, periods * 8);
            ++*ret_n;
        }
        rv_arena_done(&arena);
    }
    exec_finish(&job, &partial);
    rv_builder_destroy(&q.builder);
}

static void cohorts_come_back_by_period(void **state) {
    (void)state;
    uint64_t sizes[8], contacts[8 * 200], want_sizes[8] = {0}, want[8 * 200] = {0};
    int64_t first = 0;
    size_t n;
    retention(1, 200, "click", sizes, contacts, &first, &n);
    for (uint32_t i = 0; i < ROWS; i++) {
        if (i % 4 == 0 || i % 3 == 2)
            continue;
        int64_t start = NOW - (int64_t)i * DAY, cohort = start / (100 * DAY) - first;
        want_sizes[cohort]++;
        int64_t k = (NOW - (int64_t)i * DAY / 2 - start) / DAY;
        want[cohort * 200 + k]++;
    }
    assert_int_equal(n, 3);
    assert_memory_equal(sizes, want_sizes, n * 8);
    assert_memory_equal(contacts, want, n * 200 * 8);
}

static void starts_before_1970_are_floored(void **state) {
    (void)state;
    uint64_t sizes[8], contacts[8];
    int64_t first = 0;
    size_t n;
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i].values[SIGNED_UP] = (rv_value_t){0};
    rows[0].values[SIGNED_UP] = an_int(-1);
    rows[1].values[SIGNED_UP] = an_int(0);
    retention(100000, 1, "click", sizes, contacts, &first, &n);
    assert_int_equal(n, 2);
    assert_int_equal(first, -1);
    assert_int_equal(contacts[0] + contacts[1], 2);
}

/* Whole periods whose quotient by doubles comes out one too small. */
static void a_contact_comes_back_with_the_start_of_a_period(void **state) {
    (void)state;
    uint64_t sizes[16], contacts[16 * 20], total[20] = {0}, want[20] = {0};
    int64_t first;
    size_t n;
    for (uint32_t i = 0; i < ROWS; i++) {
        rows[i].values[SIGNED_UP] = an_int(NOW - (int64_t)i * DAY / 2 - i % 20 * 23 * DAY);
        want[i % 20] += i % 3 != 2;
    }
    retention(23, 20, "click", sizes, contacts, &first, &n);
    for (size_t i = 0; i < n * 20; i++)
        total[i % 20] += contacts[i];
    assert_memory_equal(total, want, sizeof want);
}

/* Starts a millisecond before and behind the event and the end of a period, where events lie at whole half days; pieces
 * in all widths of codes. */
static void a_start_within_a_unit_is_not_rounded(void **state) {
    (void)state;
    static const int64_t before[] = {1, -1, 23 * DAY + 1, 23 * DAY - 1}; /* the event comes so long after the start */
    for (unsigned k = 0; k < 4; k++) {
        uint64_t sizes[8], contacts[8 * 2], total[2] = {0}, want[2] = {0};
        int64_t first;
        size_t n;
        for (uint32_t i = 0; i < ROWS; i++) {
            rows[i].values[SIGNED_UP] = an_int(NOW - (int64_t)i * DAY / 2 - before[i % 4]);
            want[0] += i % 3 != 2 && (i % 4 == 0 || i % 4 == 3);
            want[1] += i % 3 != 2 && i % 4 == 2;
        }
        view.variation = k;
        retention(23, 2, "click", sizes, contacts, &first, &n);
        for (size_t i = 0; i < n * 2; i++)
            total[i % 2] += contacts[i];
        assert_memory_equal(total, want, sizeof want);
    }
}

/* A filter that leaves one row of a chunk: its events are looked for among all others. */
static void one_contact_alone_has_its_events(void **state) {
    (void)state;
    view.n_pieces = view.sorted = 1;
    for (uint32_t i = 0; i < ROWS; i++) {
        char filter[64], wanted[64];
        snprintf(filter, sizeof filter, "contact = '%.8s' and exists(any)", keys[i]);
        snprintf(wanted, sizeof wanted, "1,%s", i % 2 ? "web" : "email");
        assert_string_equal(exec_select(filter, "count(click), last(channel of click)", NULL, 0, RV_OK), wanted);
    }
}

static void a_limit_keeps_the_first_in_order(void **state) {
    (void)state;
    char all[1 << 16];
    for (unsigned k = 0; k < 4; k++) {
        static const char *const orders[] = {"age desc, country", "last(click)", "country desc", NULL};
        snprintf(all, sizeof all, "%s", exec_select("", "contact, age, country", orders[k], 0, RV_OK));
        for (uint64_t limit = 1; limit < 70; limit += 17) {
            const char *some = exec_select("", "contact, age, country", orders[k], limit, RV_OK);
            char *cut = all;
            for (uint64_t i = 0; i < limit; i++)
                cut = strchr(cut, ';') + 1;
            cut[-1] = 0;
            assert_string_equal(some, all);
            cut[-1] = ';';
        }
    }
}

static void a_stopped_job_is_cancelled(void **state) {
    (void)state;
    exec_query_t q;
    Reveille__V1__CountQuery count = REVEILLE__V1__COUNT_QUERY__INIT;
    rvw_job_t *job;
    rvw_partial_t *partial;
    rvw_scratch_t *scratch;
    exec_open(&q, "age > 3");
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_COUNT;
    q.request.count = &count;
    exec_compiled(&q);
    assert_int_equal(rvw_scratch_new(&scratch), RV_OK);
    assert_int_equal(rvw_job_new(&q.request, exec_catalog, scratch, &job, &exec_err), RV_OK);
    assert_int_equal(rvw_partial_new(job, &partial, &exec_err), RV_OK);
    rvw_job_stop(job);
    assert_int_equal(rvw_job_chunk(job, &view, 0, scratch, partial, &exec_err), RV_CANCELLED);
    rvw_scratch_destroy(&scratch);
    rvw_partial_destroy(&partial);
    rvw_job_destroy(&job);
    rv_builder_destroy(&q.builder);
}

/* One query has a bound, and so have all together; what one gave back the others may take. */
static void memory_of_queries_is_bounded(void **state) {
    (void)state;
    exec_query_t q;
    Reveille__V1__CountQuery count = REVEILLE__V1__COUNT_QUERY__INIT;
    rvw_job_t *jobs[RV_MAX_RESULT_MEMORY / RV_MAX_QUERY_MEMORY + 1];
    rvw_scratch_t *scratch;
    size_t last = sizeof jobs / sizeof jobs[0] - 1;
    assert_int_equal(rvw_scratch_new(&scratch), RV_OK);
    exec_open(&q, "age > 3");
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_COUNT;
    q.request.count = &count;
    exec_compiled(&q);
    for (size_t i = 0; i <= last; i++)
        assert_int_equal(rvw_job_new(&q.request, exec_catalog, scratch, &jobs[i], &exec_err), RV_OK);
    for (size_t i = 0; i < last; i++)
        assert_int_equal(rvw_job_charge(jobs[i], RV_MAX_QUERY_MEMORY, &exec_err), RV_OK);
    assert_int_equal(rvw_job_charge(jobs[0], 1, &exec_err), RV_RESOURCE_EXHAUSTED);
    assert_int_equal(exec_err.reason, RV_REASON_QUOTA);
    assert_int_equal(rvw_job_charge(jobs[last], 1, &exec_err), RV_RESOURCE_EXHAUSTED);
    assert_int_equal(exec_err.reason, RV_REASON_BUSY);
    assert_true(exec_err.retry_after_ms > 0);
    rvw_job_discharge(jobs[0], 1);
    assert_int_equal(rvw_job_charge(jobs[last], 1, &exec_err), RV_OK);
    assert_int_equal(rvw_job_charge(jobs[last], 1, &exec_err), RV_RESOURCE_EXHAUSTED);
    rvw_job_destroy(&jobs[0]); /* with what it holds */
    assert_int_equal(rvw_job_charge(jobs[last], RV_MAX_QUERY_MEMORY - 1, &exec_err), RV_OK);
    for (size_t i = 1; i <= last; i++)
        rvw_job_destroy(&jobs[i]);
    rv_builder_destroy(&q.builder);
    rvw_scratch_destroy(&scratch);
}

static void a_query_that_makes_no_sense_is_refused(void **state) {
    (void)state;
    exec_query_t q;
    Reveille__V1__OverlapQuery overlap = REVEILLE__V1__OVERLAP_QUERY__INIT;
    rvw_job_t *job = NULL;
    rvw_scratch_t *scratch;
    assert_int_equal(rvw_scratch_new(&scratch), RV_OK);
    exec_open(&q, "age > 3");
    exec_compiled(&q);
    assert_int_equal(rvw_job_new(&q.request, exec_catalog, scratch, &job, &exec_err), RV_INVALID_ARGUMENT);
    q.fields[0] = 9999;
    overlap.n_conditions = 1;
    overlap.conditions = q.fields;
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_OVERLAP;
    q.request.overlap = &overlap;
    assert_int_equal(rvw_job_new(&q.request, exec_catalog, scratch, &job, &exec_err), RV_INVALID_ARGUMENT);
    assert_int_equal(exec_err.reason, RV_REASON_REQUEST);
    assert_null(job);
    rvw_scratch_destroy(&scratch);
    rv_builder_destroy(&q.builder);
}

static void a_contact_is_fetched_with_what_it_has(void **state) {
    (void)state;
    Reveille__V1__FetchRequest request = REVEILLE__V1__FETCH_REQUEST__INIT;
    Reveille__V1__FetchResponse *response;
    rv_arena_t arena;
    fake_row_t company = {.key = "acme"};
    company.values[INDUSTRY] = fake_text("toys");
    view.companies = &company;
    view.n_companies = 1;
    rows[1].values[COMPANY] = an_int(0);
    rows[1].values[LTV] = a_decimal(-5);
    request.key = keys[1];
    rv_arena_init(&arena, 1u << 20);
    assert_int_equal(rvw_fetch(&view, exec_catalog, &request, &arena, &response, &exec_err), RV_OK);
    assert_int_equal(response->lsn, 7);
    assert_int_equal(response->n_attributes, 5); /* country, age, ltv, signed_up, company */
    char text[64];
    exec_value_text(response->attributes[0], 0, text, sizeof text);
    assert_string_equal(text, "FR");
    exec_value_text(response->attributes[2], 0, text, sizeof text);
    assert_string_equal(text, "-0.05");
    assert_int_equal(response->attributes[4]->id, COMPANY);
    exec_value_text(response->attributes[4], 0, text, sizeof text);
    assert_string_equal(text, "acme");
    request.company = 1;
    assert_int_equal(rvw_fetch(&view, exec_catalog, &request, &arena, &response, &exec_err), RV_NOT_FOUND);
    request.key = (char *)"acme";
    assert_int_equal(rvw_fetch(&view, exec_catalog, &request, &arena, &response, &exec_err), RV_OK);
    assert_int_equal(response->n_attributes, 1);
    rv_arena_done(&arena);
}

static void a_history_comes_in_order_and_pages(void **state) {
    (void)state;
    Reveille__V1__HistoryRequest request = REVEILLE__V1__HISTORY_REQUEST__INIT;
    Reveille__V1__HistoryResponse *response;
    rv_arena_t arena;
    uint64_t cursor = 0;
    bool last = false;
    size_t n = 0;
    int64_t before = 0;
    request.key = keys[3];
    request.until_ms = NOW;
    for (uint32_t i = 0; i < 20; i++) {
        fake_event_t *e = &events[i * 3 + 20];
        e->row = 3;
        e->time = NOW - i * 1000 + 5000; /* five of them are after T */
    }
    while (!last) {
        rv_arena_init(&arena, 4u << 20);
        assert_int_equal(rvw_history(&view, exec_catalog, &request, &arena, &cursor, NULL, &response, &last, &exec_err),
                         RV_OK);
        assert_string_equal(response->columns[0]->name, "at");
        assert_true(last || response->columns[0]->n_ints == RV_PAGE_ROWS);
        for (size_t i = 0; i < response->columns[0]->n_ints; i++, n++) {
            assert_true(response->columns[0]->ints[i] >= before && response->columns[0]->ints[i] <= NOW);
            before = response->columns[0]->ints[i];
        }
        rv_arena_done(&arena);
    }
    assert_int_equal(n, 17);
    assert_int_equal(cursor, 17);
    request.key = (char *)"nobody";
    rv_arena_init(&arena, 1u << 20);
    assert_int_equal(rvw_history(&view, exec_catalog, &request, &arena, &cursor, NULL, &response, &last, &exec_err),
                     RV_NOT_FOUND);
    rv_arena_done(&arena);
}

#define SINK_TEST(name)                                                                                                \
    {#name, name, begin, end, NULL}, {                                                                                 \
#name " in chunks of 2", name, begin, end, (void *)1                                                           \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        SINK_TEST(a_count_counts),
        SINK_TEST(rows_fall_into_groups),
        SINK_TEST(first_rows_are_those_of_a_plain_search),
        SINK_TEST(groups_of_strings_are_those_of_plain_counting),
        SINK_TEST(sums_of_groups_are_those_of_their_rows),
        SINK_TEST(an_overlap_counts_pairs),
        SINK_TEST(cohorts_come_back_by_period),
        SINK_TEST(starts_before_1970_are_floored),
        SINK_TEST(a_contact_comes_back_with_the_start_of_a_period),
        SINK_TEST(a_start_within_a_unit_is_not_rounded),
        SINK_TEST(one_contact_alone_has_its_events),
        SINK_TEST(values_kept_in_groups_count_as_memory),
        SINK_TEST(a_limit_keeps_the_first_in_order),
        SINK_TEST(a_stopped_job_is_cancelled),
        SINK_TEST(memory_of_queries_is_bounded),
        SINK_TEST(a_query_that_makes_no_sense_is_refused),
        SINK_TEST(a_contact_is_fetched_with_what_it_has),
        SINK_TEST(a_history_comes_in_order_and_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

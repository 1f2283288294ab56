/* test_exec_explain.c: what nodes of a plan count: contacts, events, bytes, runs that are read and skipped; and that
 * counting changes no answer. */
#include "../../worker/exec/plan.h"
#include "exec_case.h"

#include "reveille/limits.h"

#define ROWS 200u
#define OLD (NOW - 300 * DAY)
#define KIND(name) REVEILLE__V1__EXPLAIN_KIND__EXPLAIN_KIND_##name
static fake_row_t rows[ROWS];
static fake_event_t events[ROWS * 2];
static char keys[ROWS][8];

/* Contact i: country by i % 2, age i; an old click each, a new purchase of every fourth. One chunk has 64 rows. Events
 * of piece 0 and 1 are sorted, those of 2 are not. */
static int begin(void **state) {
    (void)state;
    exec_taken = 0;
    exec_begin(64);
    memset(rows, 0, sizeof rows);
    memset(events, 0, sizeof events);
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%03u", i);
        rows[i].key = keys[i];
        rows[i].values[COUNTRY] = fake_text(i % 2 ? "FR" : "DE");
        rows[i].values[AGE] = an_int(i);
        events[view.n_events++] = (fake_event_t){
            .row = i, .type = CLICK, .time = OLD + (int64_t)i, .source = "", .id = "c", .piece = i % 3, .order = i};
        if (i % 4)
            continue;
        fake_event_t *e = &events[view.n_events++];
        *e = (fake_event_t){
            .row = i, .type = PURCHASE, .time = NOW - (int64_t)i, .source = "", .id = "p", .piece = 0, .order = i};
        e->properties[VALUE] = a_decimal(i);
    }
    rows[5].dead = true;
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

/* What a count over all chunks counted. */
typedef struct {
    uint64_t count;
    uint32_t n, left_out;
    rv_counters_t nodes[RV_MAX_EXPLAIN_NODES];
    Reveille__V1__ExplainNode described[RV_MAX_EXPLAIN_NODES];
    rv_arena_t arena;
} counted_t;

static void run_count(const char *filter, bool explain, counted_t *ret) {
    exec_query_t q;
    Reveille__V1__CountQuery count = REVEILLE__V1__COUNT_QUERY__INIT;
    Reveille__V1__QueryResponse *response;
    rvw_job_t *job = NULL;
    rvw_partial_t *partial = NULL;
    rv_arena_t arena;
    bool last;
    memset(ret, 0, sizeof *ret);
    rv_arena_init(&ret->arena, 1u << 20);
    rv_arena_init(&arena, 1u << 20);
    exec_open(&q, filter);
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_COUNT;
    q.request.count = &count;
    q.request.explain = explain;
    exec_compiled(&q);
    assert_int_equal(rvw_scratch_new(&exec_scratch), RV_OK);
    assert_int_equal(rvw_job_new(&q.request, exec_catalog, exec_scratch, &job, &exec_err), RV_OK);
    assert_int_equal(rvw_partial_new(job, &partial, &exec_err), RV_OK);
    ret->n = rvw_job_counts(job);
    for (uint32_t c = 0; c * view.chunk_rows < view.n_rows; c++) {
        assert_int_equal(rvw_job_chunk(job, &view, c, exec_scratch, partial, &exec_err), RV_OK);
        rvw_partial_counted(partial, ret->nodes);
        rvw_partial_counted(partial, ret->nodes); /* nothing more since */
    }
    for (uint32_t i = 0; i < ret->n; i++)
        reveille__v1__explain_node__init(&ret->described[i]);
    assert_int_equal(rvw_job_describe(job, &ret->arena, ret->described, &ret->left_out, &exec_err), RV_OK);
    assert_int_equal(rvw_partial_seal(job, partial, &exec_err), RV_OK);
    assert_int_equal(rvw_partial_next(job, partial, &arena, &response, &last, &exec_err), RV_OK);
    ret->count = response->count;
    rv_arena_done(&arena);
    exec_finish(&job, &partial);
    rv_builder_destroy(&q.builder);
}

static const rv_counters_t *expect_node(const counted_t *c, uint32_t i, Reveille__V1__ExplainKind kind,
                                        const char *text) {
    assert_true(i < c->n);
    assert_int_equal(c->described[i].kind, kind);
    assert_string_equal(c->described[i].text, text);
    return &c->nodes[i];
}

static void expect_rows(const rv_counters_t *node, uint64_t in, uint64_t out) {
    assert_int_equal(node->rows_in, in);
    assert_int_equal(node->rows_out, out);
}

static void nodes_stand_in_the_order_of_the_plan(void **state) {
    (void)state;
    counted_t c;
    run_count("count(purchase) >= 1 and country = 'DE'", true, &c);
    assert_int_equal(c.n, 5);
    assert_int_equal(c.left_out, 0);
    expect_rows(expect_node(&c, 0, KIND(SCAN), "contacts"), ROWS, ROWS - 1);
    const rv_counters_t *country = expect_node(&c, 1, KIND(FILTER), "country = 'DE'");
    expect_rows(country, ROWS - 1, ROWS / 2);
    assert_true(country->bytes > 0);
    const rv_counters_t *walk = expect_node(&c, 2, KIND(EVENTS), "count(purchase)");
    expect_rows(walk, ROWS / 2, ROWS / 2);
    assert_int_equal(walk->events, ROWS / 4);
    assert_int_equal(walk->runs_read, 4);
    assert_true(walk->bytes >= walk->events * sizeof(uint16_t));
    expect_rows(expect_node(&c, 3, KIND(FILTER), "count(purchase) >= 1"), ROWS / 2, ROWS / 4);
    expect_rows(expect_node(&c, 4, KIND(RESULT), "count"), ROWS / 4, ROWS / 4);
    assert_int_equal(c.count, ROWS / 4);
    rv_arena_done(&c.arena);
}

static void a_window_skips_runs(void **state) {
    (void)state;
    counted_t all, none;
    run_count("exists(click)", true, &all);
    run_count("exists(click within 30 days)", true, &none);
    const rv_counters_t *some = expect_node(&all, 1, KIND(EVENTS), "exists(click)");
    const rv_counters_t *skipped = expect_node(&none, 1, KIND(EVENTS), "exists(click within 30 days)");
    assert_int_equal(some->events, ROWS);
    assert_int_equal(some->runs_skipped, 0);
    assert_true(some->runs_read >= 4);
    assert_int_equal(skipped->events, 0);
    assert_int_equal(skipped->bytes, 0);
    assert_int_equal(skipped->runs_read, 0);
    assert_int_equal(skipped->runs_skipped, some->runs_read);
    assert_int_equal(none.count, 0);
    rv_arena_done(&all.arena);
    rv_arena_done(&none.arena);
}

static void runs_of_contacts_that_are_out_are_skipped(void **state) {
    (void)state;
    counted_t c;
    run_count("country = 'XX' and exists(click)", true, &c);
    const rv_counters_t *walk = expect_node(&c, 2, KIND(EVENTS), "exists(click)");
    assert_int_equal(walk->runs_read, 0);
    assert_true(walk->runs_skipped >= 4);
    expect_rows(walk, 0, 0);
    rv_arena_done(&c.arena);
    run_count("age < 64 and exists(click)", true, &c); /* the first chunk only */
    const rv_counters_t *first = expect_node(&c, 2, KIND(EVENTS), "exists(click)");
    assert_true(first->runs_read > 0);
    assert_true(first->runs_skipped >= 3);
    assert_int_equal(first->events, 64);
    rv_arena_done(&c.arena);
}

static void scores_and_funnels_count_their_events(void **state) {
    (void)state;
    counted_t c;
    run_count("score(heat) > 0", true, &c);
    assert_int_equal(expect_node(&c, 1, KIND(EVENTS), "score(heat)")->events, ROWS + ROWS / 4);
    rv_arena_done(&c.arena);
    run_count("funnel(click then purchase in 400 days) >= 2", true, &c);
    /* Some contact has both steps: the events of the first are walked twice. */
    assert_int_equal(expect_node(&c, 1, KIND(EVENTS), "funnel(click then purchase in 400 days)")->events,
                     2 * ROWS + ROWS / 4);
    rv_arena_done(&c.arena);
}

static void counting_changes_nothing_and_is_left_alone(void **state) {
    (void)state;
    static const char *const FILTERS[] = {"",
                                          "country = 'DE' or age > 150",
                                          "count(click) >= 1 and not exists(purchase)",
                                          "sum(value of purchase) > 0.50",
                                          "last(channel of engaged) is set",
                                          "score(heat) > 1"};
    for (size_t i = 0; i < sizeof FILTERS / sizeof FILTERS[0]; i++) {
        counted_t with, without;
        run_count(FILTERS[i], true, &with);
        run_count(FILTERS[i], false, &without);
        assert_int_equal(with.count, without.count);
        assert_true(with.n >= 2);
        assert_int_equal(without.n, 0);
        uint64_t time = 0;
        for (uint32_t k = 0; k < with.n; k++)
            time += with.nodes[k].time_ns;
        assert_true(time > 0);
        rv_arena_done(&with.arena);
        rv_arena_done(&without.arena);
    }
}

static void too_many_nodes_share_one(void **state) {
    (void)state;
    char filter[8192];
    size_t at = 0;
    for (unsigned i = 0; i < 80; i++)
        at += (size_t)snprintf(filter + at, sizeof filter - at, "%sage != %u", i ? " and " : "", 1000 + i);
    counted_t c;
    run_count(filter, true, &c);
    assert_int_equal(c.n, RV_MAX_EXPLAIN_NODES);
    assert_int_equal(c.left_out, 82 - (RV_MAX_EXPLAIN_NODES - 1));
    expect_rows(expect_node(&c, RV_MAX_EXPLAIN_NODES - 2, KIND(OTHERS), ""), c.left_out * (ROWS - 1),
                c.left_out * (ROWS - 1));
    expect_rows(expect_node(&c, RV_MAX_EXPLAIN_NODES - 1, KIND(RESULT), "count"), ROWS - 1, ROWS - 1);
    expect_rows(expect_node(&c, RV_MAX_EXPLAIN_NODES - 3, KIND(FILTER), "age != 1060"), ROWS - 1, ROWS - 1);
    rv_arena_done(&c.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes_stand_in_the_order_of_the_plan, begin, end),
        cmocka_unit_test_setup_teardown(a_window_skips_runs, begin, end),
        cmocka_unit_test_setup_teardown(runs_of_contacts_that_are_out_are_skipped, begin, end),
        cmocka_unit_test_setup_teardown(scores_and_funnels_count_their_events, begin, end),
        cmocka_unit_test_setup_teardown(counting_changes_nothing_and_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(too_many_nodes_share_one, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

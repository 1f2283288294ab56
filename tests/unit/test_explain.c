/* test_explain.c: sums of counters, what is left out of a large explanation, messages that are not whole, and programs
 * as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec_case.h"
#include "reveille/limits.h"
#include "reveille/wire.h"

static rv_counters_t counters_of(uint64_t x) {
    rv_counters_t c = REVEILLE__V1__EXPLAIN_COUNTERS__INIT;
    c.time_ns = x;
    c.rows_in = 2 * x;
    c.rows_out = 3 * x;
    c.events = 4 * x;
    c.bytes = 5 * x;
    c.runs_read = 6 * x;
    c.runs_skipped = 7 * x;
    return c;
}

static void a_sum_has_the_contacts_of_both_ends(void **state) {
    (void)state;
    rv_counters_t a = counters_of(1), b = counters_of(10), c = counters_of(100), sum;
    rv_counters_t *nodes[] = {&a, &b, &c};
    rv_counters_sum(nodes, 3, &sum);
    assert_int_equal(sum.time_ns, 111);
    assert_int_equal(sum.rows_in, 2);
    assert_int_equal(sum.rows_out, 300);
    assert_int_equal(sum.events, 444);
    assert_int_equal(sum.bytes, 555);
    assert_int_equal(sum.runs_read, 666);
    assert_int_equal(sum.runs_skipped, 777);
    rv_counters_add(&a, &b);
    assert_int_equal(a.rows_in, 22);
    assert_int_equal(a.rows_out, 33);
}

/* An explanation of so many nodes, workers and partitions, in memory that free_large gives back. */
typedef struct {
    Reveille__V1__Explain explain;
    rv_arena_t arena;
} large_t;

static rv_counters_t *one(large_t *large, uint64_t x) {
    rv_counters_t *c = rv_arena_alloc(&large->arena, sizeof *c);
    assert_non_null(c);
    *c = counters_of(x);
    return c;
}

static rv_counters_t **cells(large_t *large, size_t n, uint64_t x) {
    rv_counters_t **list = rv_arena_zalloc(&large->arena, n, sizeof *list);
    assert_non_null(list);
    for (size_t i = 0; i < n; i++)
        list[i] = one(large, x);
    return list;
}

static void make_large(large_t *large, size_t n, size_t workers, size_t partitions, uint64_t x) {
    Reveille__V1__Explain *e = &large->explain;
    static char name[RV_MAX_NAME + 1], text[RV_MAX_EXPLAIN_TEXT + 1];
    memset(name, 'n', RV_MAX_NAME);
    memset(text, 't', RV_MAX_EXPLAIN_TEXT);
    reveille__v1__explain__init(e);
    rv_arena_init(&large->arena, 256u << 20);
    e->total = one(large, x);
    e->n_nodes = n;
    e->n_workers = workers;
    e->n_partitions = partitions;
    e->nodes = rv_arena_zalloc(&large->arena, n + 1, sizeof *e->nodes);
    e->workers = rv_arena_zalloc(&large->arena, workers + 1, sizeof *e->workers);
    e->partitions = rv_arena_zalloc(&large->arena, partitions + 1, sizeof *e->partitions);
    for (size_t i = 0; i < n; i++) {
        e->nodes[i] = rv_arena_alloc(&large->arena, sizeof **e->nodes);
        reveille__v1__explain_node__init(e->nodes[i]);
        e->nodes[i]->text = text;
        e->nodes[i]->total = one(large, x);
    }
    for (size_t i = 0; i < workers; i++) {
        e->workers[i] = rv_arena_alloc(&large->arena, sizeof **e->workers);
        reveille__v1__explain_worker__init(e->workers[i]);
        e->workers[i]->name = name;
        e->workers[i]->total = one(large, x);
        e->workers[i]->n_nodes = n;
        e->workers[i]->nodes = cells(large, n, x);
    }
    for (size_t i = 0; i < partitions; i++) {
        e->partitions[i] = rv_arena_alloc(&large->arena, sizeof **e->partitions);
        reveille__v1__explain_partition__init(e->partitions[i]);
        e->partitions[i]->partition = (uint32_t)i;
        e->partitions[i]->worker = workers ? (uint32_t)(i % workers) : 0;
        e->partitions[i]->total = one(large, x + i % 5);
        e->partitions[i]->n_nodes = n;
        e->partitions[i]->nodes = cells(large, n, x);
    }
}

static void the_fastest_are_left_out(void **state) {
    (void)state;
    large_t large;
    make_large(&large, RV_MAX_EXPLAIN_NODES, 70, 200, 1000);
    Reveille__V1__Explain *e = &large.explain;
    size_t most = RV_MAX_EXPLAIN_CELLS / RV_MAX_EXPLAIN_NODES;
    rv_explain_cut(e);
    assert_int_equal(e->workers_left_out, 70 - most);
    assert_int_equal(e->partitions_left_out, 200 - most);
    for (size_t i = 0; i < 70; i++)
        assert_int_equal(e->workers[i]->n_nodes, i < 70 - most ? 0 : RV_MAX_EXPLAIN_NODES);
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(e->partitions[i]->total->time_ns, 1004 - i / 40);
        assert_int_equal(e->partitions[i]->partition, i % 40 * 5 + (4 - i / 40));
        assert_int_equal(e->partitions[i]->n_nodes, i < most ? RV_MAX_EXPLAIN_NODES : 0);
    }
    rv_explain_cut(e); /* what was left out stays out, and is counted again */
    assert_int_equal(e->partitions_left_out, 200 - most);
    assert_true(rv_explain_whole(e));
    rv_arena_done(&large.arena);
    make_large(&large, 3, 2, 7, 1000);
    rv_explain_cut(&large.explain);
    assert_int_equal(large.explain.workers_left_out + large.explain.partitions_left_out, 0);
    rv_arena_done(&large.arena);
}

/* Numbers as large as they get: an hour of 256 threads, all contacts, a trillion events, terabytes. */
static void the_largest_fits_a_message(void **state) {
    (void)state;
    large_t large;
    make_large(&large, RV_MAX_EXPLAIN_NODES, RV_MAX_WORKERS, RV_MAX_PARTITIONS, (uint64_t)1 << 37);
    rv_explain_cut(&large.explain);
    size_t n = reveille__v1__explain__get_packed_size(&large.explain);
    assert_true(n + (32u << 10) <= RV_MAX_BODY);
    uint8_t *bytes;
    rv_error_t err;
    ProtobufCMessage *message;
    rv_arena_t arena;
    assert_int_equal(rv_wire_pack(&large.explain.base, &bytes, &n), RV_OK);
    rv_arena_init(&arena, RV_MAX_UNPACK);
    assert_int_equal(rv_wire_unpack(&reveille__v1__explain__descriptor, bytes, n, &arena, &message, &err), RV_OK);
    rv_arena_done(&arena);
    free(bytes);
    rv_arena_done(&large.arena);
}

static void what_lacks_something_is_not_whole(void **state) {
    (void)state;
    large_t large;
    make_large(&large, 3, 2, 4, 1);
    Reveille__V1__Explain *e = &large.explain;
    rv_counters_t *kept = e->total;
    assert_true(rv_explain_whole(e));
    e->total = NULL;
    assert_false(rv_explain_whole(e));
    e->total = kept;
    kept = e->nodes[2]->total;
    e->nodes[2]->total = NULL;
    assert_false(rv_explain_whole(e));
    e->nodes[2]->total = kept;
    e->partitions[1]->n_nodes = 2;
    assert_false(rv_explain_whole(e));
    e->partitions[1]->n_nodes = 0; /* left out */
    assert_true(rv_explain_whole(e));
    e->workers[1]->n_nodes = 1;
    assert_false(rv_explain_whole(e));
    e->workers[1]->n_nodes = 3;
    e->partitions[3]->worker = 2;
    assert_false(rv_explain_whole(e));
    e->partitions[3]->worker = 1;
    e->n_nodes = 0;
    assert_false(rv_explain_whole(e));
    rv_arena_done(&large.arena);
}

/* ---- programs as text ---- */

static void text_of(const char *filter, char *out, size_t room) {
    exec_query_t q;
    exec_open(&q, filter);
    exec_compiled(&q);
    rv_program_text_t text = {.p = out, .room = room};
    out[0] = 0;
    rv_text_node(&text, q.request.program, exec_catalog, q.request.filter - 1);
    assert_int_equal(strlen(out), text.n);
    assert_true(text.n < room);
    rv_builder_destroy(&q.builder);
}

static void reads(const char *filter, const char *wanted) {
    char text[1024];
    text_of(filter, text, sizeof text);
    if (strcmp(text, wanted) != 0)
        fail_msg("%s\n  is  %s\n  not %s", filter, text, wanted);
}

static void programs_read_like_what_they_were_made_of(void **state) {
    (void)state;
    static const char *const SAME[] = {
        "country = 'DE'",
        "country != 'it''s'",
        "age >= 18",
        "ltv < 12.50",
        "consents",
        "not consents",
        "company.industry = 'software' and company.employees >= 1000",
        "country = 'DE' or age > 3 and consents",
        "(country = 'DE' or age > 3) and consents",
        "not (country = 'DE' or age > 3)",
        "country in ('DE', 'FR')",
        "country not in ('DE', 'FR')",
        "code not starts with 'a'",
        "code like '%x%'",
        "signed_up is set",
        "age * 2 + 1 = (age + 3) * 2",
        "count(purchase within 30 days) >= 2",
        "exists(click|view within 12 hours)",
        "sum(value of purchase where topic = 'x' and qty > 1 within 365 days) >= 300",
        "last(topic of purchase) = 'a'",
        "exists(purchase where channel = 'web')",
        "score(heat) > 5",
        "funnel(click then purchase where qty > 2 in 14 days within 90 days) >= 2",
        "split('salt', 100) < 10",
        "lower(country) = 'de'",
        "signed_up < 2020-05-06T07:08:09.123Z",
        "birthday < 1990-01-02",
        "exists(purchase from 2020-01-01T00:00:00.000Z)",
        "exists(purchase from 2020-01-01T00:00:00.000Z to 2021-01-01T00:00:00.000Z)",
    };
    for (size_t i = 0; i < sizeof SAME / sizeof SAME[0]; i++)
        reads(SAME[i], SAME[i]);
    reads("exists(engaged within 1 week)", "exists(click|view within 7 days)");
    reads("age between 3 and 5", "age >= 3 and age <= 5");
    reads("age in (1,2,3,4,5,6,7,8,9)", "age in (1, 2, 3, 4, 5, 6, 7, 8, ...)");
}

static void a_text_without_room_ends_in_points(void **state) {
    (void)state;
    char text[64];
    text_of("country = 'abcdefghijklmnop'", text, 16);
    assert_string_equal(text, "country = 'a...");
    for (size_t room = 4; room < 40; room++) { /* whole characters only, and never more than the room */
        text_of("country in ('\xc3\xa4\xc3\xb6\xc3\xbc', '\xf0\x9f\x99\x82\xf0\x9f\x99\x82')", text, room);
        assert_true(rv_utf8_valid(text, strlen(text)));
        assert_true(strlen(text) < room);
    }
}

static int begin(void **state) {
    (void)state;
    exec_begin(64);
    return 0;
}

static int end(void **state) {
    (void)state;
    exec_end();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_has_the_contacts_of_both_ends),
        cmocka_unit_test(the_fastest_are_left_out),
        cmocka_unit_test(the_largest_fits_a_message),
        cmocka_unit_test(what_lacks_something_is_not_whole),
        cmocka_unit_test_setup_teardown(programs_read_like_what_they_were_made_of, begin, end),
        cmocka_unit_test_setup_teardown(a_text_without_room_ends_in_points, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

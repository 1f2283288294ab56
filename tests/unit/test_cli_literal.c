/* test_cli_literal.c: --param and --as-of, and the figures of --repeat. */
#include "literal.h"
#include "read.h"
#include "reveille/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static rv_arena_t arena;
static rv_error_t err;

static const Reveille__V1__Value *one(const char *text) {
    Reveille__V1__Parameter *parameter = NULL;
    if (rv_param_parse(text, &arena, &parameter, &err) != RV_OK)
        fail_msg("%s: %s", text, err.message);
    assert_false(parameter->is_list);
    assert_int_equal(parameter->n_values, 1);
    return parameter->values[0];
}

static void literals_have_their_types(void **state) {
    (void)state;
    assert_int_equal(one("x=5")->int_value, 5);
    assert_int_equal(one("x=-5")->int_value, -5);
    assert_int_equal(one("x= 5 ")->kind_case, REVEILLE__V1__VALUE__KIND_INT_VALUE);
    assert_string_equal(one("x=2.50")->decimal_value, "2.50");
    assert_string_equal(one("x=9223372036854775808")->decimal_value, "9223372036854775808");
    assert_string_equal(one("x='it''s'")->string_value, "it's");
    assert_string_equal(one("x=\"a\"")->string_value, "a");
    assert_string_equal(one("x=''")->string_value, "");
    assert_int_equal(one("x=true")->kind_case, REVEILLE__V1__VALUE__KIND_BOOL_VALUE);
    assert_true(one("x=TRUE")->bool_value);
    assert_false(one("x=false")->bool_value);
    assert_int_equal(one("x=1970-01-02")->date_days, 1);
    assert_true(one("x=1970-01-01T00:00:01Z")->time_ms == 1000);
    assert_true(one("x=+10000-01-01T00:00:00Z")->time_ms == 253402300800000ll);
    assert_true(one("x=30 days")->duration_ms == 30ll * 86400000);
    assert_string_equal(one("x=DE")->string_value, "DE");
    assert_string_equal(one("x=a=b")->string_value, "a=b");
    assert_string_equal(one("x=")->string_value, "");
}

static void lists_hold_literals(void **state) {
    Reveille__V1__Parameter *p;
    (void)state;
    assert_int_equal(rv_param_parse("x=('a', 'b,c' ,5)", &arena, &p, &err), RV_OK);
    assert_true(p->is_list);
    assert_int_equal(p->n_values, 3);
    assert_string_equal(p->values[1]->string_value, "b,c");
    assert_int_equal(p->values[2]->int_value, 5);
    assert_int_equal(rv_param_parse("x=()", &arena, &p, &err), RV_OK);
    assert_true(p->is_list && p->n_values == 0);
}

static void malformed_parameters_are_told(void **state) {
    Reveille__V1__Parameter *p = NULL;
    static const char *const WRONG[] = {"x",    "=5",       "1x=5",   "x y=5",  "x='a", "x='a'b'",
                                        "x=(1", "x=(1,,2)", "x=(1,)", "x=\xff", "x=("};
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        assert_int_equal(rv_param_parse(WRONG[i], &arena, &p, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(rv_param_parse("x=3 months", &arena, &p, &err), RV_UNIMPLEMENTED);
    assert_null(p);
}

static void instants_have_many_forms(void **state) {
    int64_t ms;
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } CASES[] = {{"2026-11-01T00:00:00Z", 1793491200000},
                 {"2026-11-01", 1793491200000},
                 {"2026-11-01T01:00:00+01:00", 1793491200000},
                 {"1793491200", 1793491200000},
                 {"1793491200000", 1793491200000},
                 {"now", 7000},
                 {"5 seconds ago", 2000}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_true(rv_instant_parse(CASES[i].text, 7000, &ms));
        assert_true(ms == CASES[i].ms);
    }
    static const char *const WRONG[] = {"", "soon", "2026-13-01", "2026-11", "-5", "5 months ago"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        assert_false(rv_instant_parse(WRONG[i], 7000, &ms));
}

static void figures_of_runs_are_ranks(void **state) {
    rv_timing_t timing;
    (void)state;
    rv_timing_of((double[]){3, 1, 2}, 3, &timing);
    assert_true(timing.min_ms == 1 && timing.median_ms == 2 && timing.max_ms == 3 && timing.p99_ms == 3 &&
                timing.runs == 3);
    rv_timing_of((double[]){4, 1}, 2, &timing);
    assert_true(timing.median_ms == 2.5);
    double many[200];
    for (int i = 0; i < 200; i++)
        many[i] = 200 - i;
    rv_timing_of(many, 200, &timing);
    assert_true(timing.p99_ms == 198 && timing.max_ms == 200);
}

static int start(void **state) {
    (void)state;
    rv_arena_init(&arena, 1u << 20);
    return 0;
}

static int done(void **state) {
    (void)state;
    rv_arena_done(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_have_their_types),     cmocka_unit_test(lists_hold_literals),
        cmocka_unit_test(malformed_parameters_are_told), cmocka_unit_test(instants_have_many_forms),
        cmocka_unit_test(figures_of_runs_are_ranks),
    };
    return cmocka_run_group_tests(tests, start, done);
}

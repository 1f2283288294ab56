/* agg: results are exact, combining does not depend on order, and bytes of others are not trusted. */
#include "reveille/agg.h"

#include "reveille/limits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT
#define SUM REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_SUM
#define AVG REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_AVG
#define MIN REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_MIN
#define MAX REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_MAX
#define DISTINCT REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_DISTINCT
#define QUANTILE REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_QUANTILE

static const rv_value_t MISSING = {0};

static rv_value_t whole(int64_t i) {
    return (rv_value_t){.present = true, .i = i};
}

static rv_value_t wide(rv_i128_t value) {
    return (rv_value_t){.present = true, .wide = value};
}

static rv_value_t real(double d) {
    return (rv_value_t){.present = true, .d = d};
}

static rv_value_t text(const char *s) {
    return (rv_value_t){.present = true, .s = {s, (uint32_t)strlen(s)}};
}

static rv_measure_t measure_of(int kind, rv_type_t type, unsigned scale) {
    return (rv_measure_t){.kind = (Reveille__V1__MeasureKind)kind, .type = type, .scale = scale, .quantile = 0.5};
}

static rv_agg_t *state_of(const rv_measure_t *measure, const rv_value_t *values, size_t n) {
    rv_agg_t *state = malloc(rv_agg_size(measure));
    assert_non_null(state);
    rv_agg_init(measure, state);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rv_agg_add(measure, state, &values[i], NULL), RV_OK);
    return state;
}

static void drop(const rv_measure_t *measure, rv_agg_t *state) {
    rv_agg_done(measure, state);
    free(state);
}

static void assert_result(const rv_measure_t *measure, const rv_agg_t *state, const rv_value_t *expected) {
    rv_value_t result;
    rv_error_t err = {0};
    assert_int_equal(rv_agg_finalize(measure, state, &result, &err), RV_OK);
    assert_int_equal(result.present, expected->present);
    assert_true(result.i == expected->i && result.wide == expected->wide && result.d == expected->d);
    assert_true(rv_str_equal(result.s, expected->s));
}

/* The same result from one state, from any two parts that are merged, and from any two that are packed and combined;
 * and the packed bytes are the same. */
static void check(const rv_measure_t *measure, const rv_value_t *values, size_t n, rv_value_t expected) {
    rv_agg_t *all = state_of(measure, values, n);
    assert_result(measure, all, &expected);
    rv_bytes_t whole_bytes = {0};
    assert_int_equal(rv_agg_pack(measure, all, &whole_bytes), RV_OK);
    for (size_t cut = 0; cut <= n; cut++) {
        rv_agg_t *left = state_of(measure, values + cut, n - cut), *right = state_of(measure, values, cut);
        rv_agg_t *fresh = state_of(measure, NULL, 0);
        rv_bytes_t packed = {0}, again = {0};
        size_t pos = 0;
        assert_int_equal(rv_agg_pack(measure, left, &packed), RV_OK);
        assert_int_equal(rv_agg_pack(measure, right, &packed), RV_OK);
        assert_int_equal(rv_agg_combine(measure, fresh, packed.p, packed.n, &pos, NULL), RV_OK);
        assert_int_equal(rv_agg_combine(measure, fresh, packed.p, packed.n, &pos, NULL), RV_OK);
        assert_int_equal(pos, packed.n);
        assert_result(measure, fresh, &expected);
        assert_int_equal(rv_agg_merge(measure, left, right, NULL), RV_OK);
        assert_result(measure, left, &expected);
        assert_int_equal(rv_agg_pack(measure, left, &again), RV_OK);
        assert_int_equal(again.n, whole_bytes.n);
        assert_memory_equal(again.p, whole_bytes.p, again.n);
        rv_bytes_done(&packed);
        rv_bytes_done(&again);
        drop(measure, left);
        drop(measure, right);
        drop(measure, fresh);
    }
    rv_bytes_done(&whole_bytes);
    drop(measure, all);
}

#define CHECK(measure, expected, ...)                                                                                  \
    check(measure, (const rv_value_t[]){__VA_ARGS__}, sizeof((const rv_value_t[]){__VA_ARGS__}) / sizeof(rv_value_t),  \
          expected)

static void counting_counts_rows(void **state) {
    (void)state;
    rv_measure_t measure = measure_of(COUNT, RV_INT, 0);
    CHECK(&measure, whole(3), whole(1), MISSING, whole(1));
    rv_agg_t *rows = state_of(&measure, NULL, 0);
    rv_agg_add_rows(&measure, rows, 1ull << 40);
    rv_value_t expected = whole(1ll << 40);
    assert_result(&measure, rows, &expected);
    drop(&measure, rows);
}

static void sums_are_exact(void **state) {
    (void)state;
    rv_measure_t ints = measure_of(SUM, RV_INT, 0), doubles = measure_of(SUM, RV_DOUBLE, 0);
    rv_measure_t decimals = measure_of(SUM, RV_DECIMAL, 2);
    CHECK(&ints, wide(2 * (rv_i128_t)INT64_MAX), whole(INT64_MAX), whole(INT64_MAX), MISSING);
    CHECK(&ints, wide(2 * (rv_i128_t)INT64_MIN), whole(INT64_MIN), whole(INT64_MIN), whole(0));
    CHECK(&doubles, real(1), real(1e308), real(1), real(-1e308), MISSING);
    rv_i128_t most = (rv_i128_t)(((rv_u128_t)1 << 127) - 1);
    CHECK(&decimals, wide(most), wide(most), wide(most), wide(-most), wide(0));
    CHECK(&decimals, wide(-most - 1), wide(-most - 1), wide(most), wide(-most));
    check(&ints, &MISSING, 0, wide(0));
    check(&decimals, &MISSING, 0, wide(0));
    check(&doubles, &MISSING, 0, real(0));
}

static void a_sum_of_many_values_is_added_at_once(void **state) {
    (void)state;
    const rv_type_t types[] = {RV_INT, RV_DECIMAL, RV_DOUBLE};
    for (size_t k = 0; k < 3; k++) {
        rv_measure_t measure = measure_of(AVG, types[k], 0);
        rv_agg_t *sum = state_of(&measure, NULL, 0);
        rv_agg_add_sum(&measure, sum, types[k] == RV_DOUBLE ? -9 * ((rv_i128_t)1 << 32) : -9, 4);
        rv_agg_add_sum(&measure, sum, 0, 2);
        rv_value_t expected = real(-1.5);
        assert_result(&measure, sum, &expected);
        drop(&measure, sum);
    }
}

static void assert_overflow(rv_measure_t measure, rv_value_t value) {
    rv_value_t values[2] = {value, value}, result = whole(42);
    rv_error_t err = {0};
    rv_agg_t *sum = state_of(&measure, values, 2);
    assert_int_equal(rv_agg_finalize(&measure, sum, &result, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(err.reason, RV_REASON_OVERFLOW);
    assert_int_equal(result.i, 42);
    drop(&measure, sum);
}

static void a_sum_beyond_its_type_fails_the_request(void **state) {
    (void)state;
    rv_i128_t most = (rv_i128_t)(((rv_u128_t)1 << 127) - 1);
    assert_overflow(measure_of(SUM, RV_DURATION, 0), whole(INT64_MAX));
    assert_overflow(measure_of(SUM, RV_DECIMAL, 2), wide(most));
    assert_overflow(measure_of(SUM, RV_DECIMAL, 2), wide(-most - 1));
}

static void means_are_rounded_once(void **state) {
    (void)state;
    rv_measure_t ints = measure_of(AVG, RV_INT, 0), doubles = measure_of(AVG, RV_DOUBLE, 0);
    rv_measure_t decimals = measure_of(AVG, RV_DECIMAL, 2), durations = measure_of(AVG, RV_DURATION, 0);
    CHECK(&ints, real(5.0 / 3), whole(1), whole(3), MISSING, whole(1));
    CHECK(&ints, real(0x1p63), whole(INT64_MAX), whole(INT64_MAX));
    CHECK(&ints, real(-7), whole(-7));
    CHECK(&decimals, real(0.10), wide(10), wide(10), wide(10));
    rv_i128_t most = (rv_i128_t)(((rv_u128_t)1 << 127) - 1);
    CHECK(&decimals, real(0x1p127 / 100), wide(most), wide(most), wide(most));
    CHECK(&doubles, real(1e308), real(1e308), real(1e308), real(1e308));
    CHECK(&durations, whole(3), whole(2), whole(3), MISSING);
    CHECK(&durations, whole(-3), whole(-2), whole(-3));
    CHECK(&durations, whole(1), whole(1), whole(1), whole(2));
    check(&ints, &MISSING, 0, MISSING);
    CHECK(&doubles, MISSING, MISSING, MISSING);
}

static void opposed_infinities_have_no_sum(void **state) {
    (void)state;
    rv_measure_t sum = measure_of(SUM, RV_DOUBLE, 0);
    CHECK(&sum, MISSING, real(INFINITY), real(-INFINITY));
    CHECK(&sum, real(INFINITY), real(INFINITY), real(-1));
}

static void extremes_are_of_the_type(void **state) {
    (void)state;
    rv_measure_t least = measure_of(MIN, RV_INT, 0), most = measure_of(MAX, RV_INT, 0);
    CHECK(&least, whole(-5), whole(3), MISSING, whole(-5), whole(0));
    CHECK(&most, whole(3), whole(3), MISSING, whole(-5), whole(0));
    least.type = most.type = RV_DECIMAL;
    CHECK(&least, wide(-((rv_i128_t)1 << 100)), wide(7), wide(-((rv_i128_t)1 << 100)));
    least.type = most.type = RV_DOUBLE;
    CHECK(&least, real(-1.5), real(2), real(-1.5));
    CHECK(&most, real(0), real(-0.0), real(0.0), real(-1));
    least.type = most.type = RV_STRING;
    CHECK(&least, text("a"), text("ab"), text("a"), text("b"));
    CHECK(&most, text("ab"), text("ab"), text("a"), MISSING);
    CHECK(&least, text(""), text("x"), text(""));
    check(&least, &MISSING, 0, MISSING);
    CHECK(&most, MISSING, MISSING);
}

static void distinct_counts_different_values(void **state) {
    (void)state;
    rv_measure_t measure = measure_of(DISTINCT, RV_STRING, 0);
    char large[3000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    CHECK(&measure, whole(4), text("a"), text("b"), MISSING, text("a"), text(large), text(""), text(large));
    measure.type = RV_DOUBLE;
    CHECK(&measure, whole(2), real(0.0), real(-0.0), real(0.1), real(0.1));
    check(&measure, &MISSING, 0, whole(0));
    measure.type = RV_INT;
    rv_value_t many[300];
    for (int i = 0; i < 300; i++)
        many[i] = whole(i * 37 % 100 - 50);
    check(&measure, many, 300, whole(100));
}

static void a_quantile_is_the_value_of_its_rank(void **state) {
    (void)state;
    rv_measure_t measure = measure_of(QUANTILE, RV_INT, 0);
    static const struct {
        double q;
        int64_t expected;
    } ranks[] = {{0, 1}, {0.1, 1}, {0.11, 2}, {0.3, 3}, {0.5, 5}, {0.7, 7}, {0.9, 9}, {0.91, 10}, {1, 10}};
    rv_value_t values[10];
    for (int i = 0; i < 10; i++)
        values[i] = whole((i * 7 + 3) % 10 + 1);
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        measure.quantile = ranks[i].q;
        check(&measure, values, 10, whole(ranks[i].expected));
    }
    measure.quantile = 0.5;
    CHECK(&measure, whole(1), whole(1), whole(9), whole(1), MISSING);
    check(&measure, &MISSING, 0, MISSING);
    measure.type = RV_STRING;
    CHECK(&measure, text("b"), text("c"), text("b"), text("a"), text("d"));
}

static void types_of_results(void **state) {
    (void)state;
    static const struct {
        int kind;
        rv_type_t type, result;
        unsigned scale;
    } cases[] = {
        {COUNT, RV_DECIMAL, RV_INT, 0},     {DISTINCT, RV_STRING, RV_INT, 0}, {SUM, RV_DECIMAL, RV_DECIMAL, 4},
        {AVG, RV_DECIMAL, RV_DOUBLE, 0},    {SUM, RV_INT, RV_DECIMAL, 0},     {SUM, RV_DURATION, RV_DURATION, 0},
        {AVG, RV_DURATION, RV_DURATION, 0}, {MIN, RV_TIME, RV_TIME, 0},       {QUANTILE, RV_DECIMAL, RV_DECIMAL, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_measure_t measure = measure_of(cases[i].kind, cases[i].type, 4);
        rv_type_t type;
        unsigned scale;
        rv_agg_type(&measure, &type, &scale);
        assert_int_equal(type, cases[i].result);
        assert_int_equal(scale, cases[i].scale);
    }
}

static void assert_refused(const rv_measure_t *measure, const uint8_t *bytes, size_t n) {
    rv_agg_t *fresh = state_of(measure, NULL, 0);
    uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees a read past the end */
    assert_non_null(exact);
    memcpy(exact + 1, bytes, n);
    size_t pos = 0;
    rv_error_t err = {0};
    assert_int_equal(rv_agg_combine(measure, fresh, exact + 1, n, &pos, &err), RV_DATA_LOSS);
    assert_int_equal(err.reason, RV_REASON_DAMAGED);
    assert_int_equal(pos, 0);
    free(exact);
    drop(measure, fresh);
}

static void cut_states_are_refused(void **state) {
    (void)state;
    static const int kinds[] = {COUNT, SUM, AVG, MIN, MAX, DISTINCT, QUANTILE};
    static const rv_type_t types[] = {RV_INT, RV_DECIMAL, RV_DOUBLE, RV_STRING};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t t = 0; t < 4; t++) {
            rv_measure_t measure = measure_of(kinds[k], types[t], 2);
            rv_value_t values[2] = {{true, 1, 1, 1, {"one", 3}}, {true, 2, 2, 2, {"two", 3}}};
            rv_agg_t *full = state_of(&measure, values, 2);
            rv_bytes_t packed = {0};
            assert_int_equal(rv_agg_pack(&measure, full, &packed), RV_OK);
            for (size_t n = 0; n < packed.n; n++)
                assert_refused(&measure, packed.p, n);
            rv_bytes_done(&packed);
            drop(&measure, full);
        }
}

static void states_that_no_worker_packs_are_refused(void **state) {
    (void)state;
    rv_measure_t distinct = measure_of(DISTINCT, RV_STRING, 0), quantile = measure_of(QUANTILE, RV_STRING, 0);
    static const uint8_t falling[] = "\2\0\0\0\0\0\0\0\1b\0\1a";
    static const uint8_t twice[] = "\2\0\0\0\0\0\0\0\1b\0\1b";
    static const uint8_t missing[] = "\1\0\0\0\0\0\0\0\xFF";
    static const uint8_t many[] = "\0\0\0\0\1\0\0\0\1a";
    static const uint8_t none[] = "\1\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\0";
    static const uint8_t full[] = "\2\0\0\0\0\0\0\0\1a\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1b\0\1\0\0\0\0\0\0";
    assert_refused(&distinct, falling, sizeof falling);
    assert_refused(&distinct, twice, sizeof twice);
    assert_refused(&distinct, missing, sizeof missing);
    assert_refused(&distinct, many, sizeof many);
    assert_refused(&quantile, none, sizeof none);
    assert_refused(&quantile, full, sizeof full);
}

static void too_many_different_values_are_refused(void **state) {
    (void)state;
    rv_measure_t measure = measure_of(DISTINCT, RV_INT, 0);
    rv_agg_t *full = state_of(&measure, NULL, 0);
    rv_error_t err = {0};
    for (int64_t i = 0; i < RV_MAX_GROUPS; i++) {
        rv_value_t value = whole(i);
        if (rv_agg_add(&measure, full, &value, &err) != RV_OK)
            fail_msg("refused at %lld", (long long)i);
    }
    rv_value_t known = whole(5), other = whole(-1), expected = whole(RV_MAX_GROUPS);
    assert_int_equal(rv_agg_add(&measure, full, &known, &err), RV_OK);
    assert_int_equal(rv_agg_add(&measure, full, &other, &err), RV_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, RV_REASON_QUOTA);
    assert_result(&measure, full, &expected);
    drop(&measure, full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting_counts_rows),
        cmocka_unit_test(sums_are_exact),
        cmocka_unit_test(a_sum_of_many_values_is_added_at_once),
        cmocka_unit_test(a_sum_beyond_its_type_fails_the_request),
        cmocka_unit_test(means_are_rounded_once),
        cmocka_unit_test(opposed_infinities_have_no_sum),
        cmocka_unit_test(extremes_are_of_the_type),
        cmocka_unit_test(distinct_counts_different_values),
        cmocka_unit_test(a_quantile_is_the_value_of_its_rank),
        cmocka_unit_test(types_of_results),
        cmocka_unit_test(cut_states_are_refused),
        cmocka_unit_test(states_that_no_worker_packs_are_refused),
        cmocka_unit_test(too_many_different_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

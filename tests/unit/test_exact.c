/* exact: a sum of doubles is rounded once, whatever the order. */
#include "reveille/num.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static rv_exact_t sum_of(const double *values, size_t n) {
    rv_exact_t sum;
    rv_exact_init(&sum);
    for (size_t i = 0; i < n; i++)
        rv_exact_add(&sum, values[i]);
    return sum;
}

#define SUM(...) sum_of((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void assert_value(rv_exact_t sum, double expected) {
    double value = rv_exact_value(&sum);
    assert_true(value == expected);
    assert_true(value != 0 || !signbit(value));
}

static void assert_mean(rv_exact_t sum, uint64_t n, double expected) {
    assert_true(rv_exact_mean(&sum, n) == expected);
}

/* A sequence of numbers that is the same everywhere. */
static uint64_t next(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed ^ *seed >> 29;
}

static double any_double(uint64_t *seed) {
    uint64_t bits = next(seed);
    if ((bits >> 52 & 0x7FF) == 0x7FF)
        bits &= ~(1ull << 62);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static void sums_are_rounded_once(void **state) {
    (void)state;
    assert_value(SUM(0), 0);
    assert_value(SUM(-0.0), 0);
    assert_value(SUM(1e308, 1, -1e308), 1);
    assert_value(SUM(0.1, 0.2, -0.3), 0x1p-55);
    assert_value(SUM(1, 0x1p-53), 1);                      /* a tie goes to even */
    assert_value(SUM(1, 0x1p-53, 0x1p-1074), 1 + 0x1p-52); /* and a grain decides it */
    assert_value(SUM(1 + 0x1p-52, 0x1p-53), 1 + 0x1p-51);
    assert_value(SUM(-1, -0x1p-53, -0x1p-1074), -1 - 0x1p-52);
    assert_value(SUM(0x1p-1074, 0x1p-1074), 0x1p-1073);
    assert_value(SUM(0x1p-1022, -0x1p-1074), 0x1p-1022 - 0x1p-1074);
    assert_value(SUM(DBL_MAX, DBL_MAX), INFINITY);
    assert_value(SUM(DBL_MAX, DBL_MAX, -DBL_MAX), DBL_MAX);
    assert_value(SUM(DBL_MAX, 0x1p969), DBL_MAX);
    assert_value(SUM(DBL_MAX, 0x1p970), INFINITY); /* half a last place: the tie goes up */
}

static void means_are_rounded_once(void **state) {
    (void)state;
    assert_mean(SUM(1, 1, 1), 3, 1);
    assert_mean(SUM(1), 3, 1.0 / 3);
    assert_mean(SUM(-2), 3, -2.0 / 3);
    assert_mean(SUM(DBL_MAX, DBL_MAX), 2, DBL_MAX);
    assert_mean(SUM(0x1p-1074), 2, 0); /* tie to even */
    assert_mean(SUM(3 * 0x1p-1074), 2, 0x1p-1073);
    assert_mean(SUM(0x1p-1073, 0x1p-1074), 4, 0x1p-1074);
    assert_mean(SUM(0x1p-1074), UINT64_MAX, 0);
    assert_mean(SUM(1), 1ull << 63, 0x1p-63);
    /* each quotient of two small integers is what the processor's division makes of it */
    for (uint64_t n = 1; n < 200; n++)
        for (int top = -50; top < 50; top += 7) {
            rv_exact_t sum = SUM((double)top);
            double expected = top == 0 ? 0 : (double)top / (double)n;
            assert_true(rv_exact_mean(&sum, n) == expected);
        }
}

static void infinities_are_kept_apart(void **state) {
    (void)state;
    assert_value(SUM(1, INFINITY, -5), INFINITY);
    assert_value(SUM(-INFINITY, DBL_MAX), -INFINITY);
    assert_mean(SUM(-INFINITY), 7, -INFINITY);
    rv_exact_t both = SUM(INFINITY, -INFINITY), nan = SUM(1, NAN);
    assert_true(isnan(rv_exact_value(&both)) && isnan(rv_exact_mean(&both, 2)) && isnan(rv_exact_value(&nan)));
}

static void order_and_grouping_never_matter(void **state) {
    (void)state;
    uint64_t seed = 7;
    for (unsigned round = 0; round < 200; round++) {
        double values[64];
        size_t n = 1 + next(&seed) % 64;
        for (size_t i = 0; i < n; i++)
            values[i] = round % 2 == 0 ? any_double(&seed) : (double)(int64_t)(next(&seed) >> 40) * 0.01;
        rv_exact_t forward = sum_of(values, n), parts[3];
        for (size_t i = 0; i < 3; i++)
            rv_exact_init(&parts[i]);
        for (size_t i = n; i-- > 0;)
            rv_exact_add(&parts[next(&seed) % 3], values[i]);
        rv_exact_merge(&parts[0], &parts[2]);
        rv_exact_merge(&parts[0], &parts[1]);
        uint8_t left[RV_EXACT_PACKED], right[RV_EXACT_PACKED];
        assert_int_equal(rv_exact_pack(&forward, left), RV_EXACT_PACKED);
        rv_exact_pack(&parts[0], right);
        assert_memory_equal(left, right, RV_EXACT_PACKED);
        /* taking everything away leaves nothing */
        for (size_t i = 0; i < n; i++)
            rv_exact_add(&forward, -values[i]);
        assert_value(forward, 0);
    }
}

static void integers_add_up_like_integers(void **state) {
    (void)state;
    uint64_t seed = 3;
    rv_exact_t sum;
    rv_exact_init(&sum);
    rv_i128_t expected = 0;
    for (unsigned i = 0; i < 100000; i++) {
        int64_t value = (int64_t)(next(&seed) >> 12) - (1ll << 51);
        rv_exact_add(&sum, (double)value);
        expected += value;
    }
    assert_true(rv_exact_value(&sum) == rv_decimal_to_double(expected, 0));
    assert_true(rv_exact_mean(&sum, 100000) == rv_decimal_divide(expected, 0, 100000, 0));
}

static void packed_sums_read_back(void **state) {
    (void)state;
    rv_exact_t sum = SUM(0.1, -1e300, 0x1p-1074), back;
    uint8_t packed[RV_EXACT_PACKED];
    rv_exact_pack(&sum, packed);
    assert_true(rv_exact_unpack(packed, sizeof packed, &back));
    assert_true(rv_exact_value(&back) == rv_exact_value(&sum));
    rv_exact_add(&back, 1e300);
    assert_value(back, 0.1);
}

static void bytes_that_are_no_sum_are_refused(void **state) {
    (void)state;
    rv_exact_t sum = SUM(1), back = {.pending = 99};
    uint8_t packed[RV_EXACT_PACKED];
    rv_exact_pack(&sum, packed);
    assert_false(rv_exact_unpack(packed, sizeof packed - 1, &back));
    packed[RV_EXACT_PACKED - 1] = 1;
    assert_false(rv_exact_unpack(packed, sizeof packed, &back));
    packed[RV_EXACT_PACKED - 1] = 0;
    packed[67 * 4 + 7] = 0x7F;
    assert_false(rv_exact_unpack(packed, sizeof packed, &back));
    assert_int_equal(back.pending, 99);
    memset(packed, 0xFF, 67 * 4 + 8);
    memset(packed + 67 * 4 + 8, 0, 12);
    assert_true(rv_exact_unpack(packed, sizeof packed, &back)); /* -1 of the smallest unit */
    assert_value(back, 0);
}

static void waiting_carries_are_settled_in_time(void **state) {
    (void)state;
    rv_exact_t sum;
    rv_exact_init(&sum);
    rv_exact_add(&sum, 0x1.fffffffffffffp31);
    sum.pending = 1u << 30;
    rv_exact_add(&sum, 0x1.fffffffffffffp31);
    assert_int_equal(sum.pending, 1);
    assert_value(sum, 0x1.fffffffffffffp32);
    sum.pending = 1u << 30;
    rv_exact_t copy = sum;
    rv_exact_merge(&sum, &copy);
    assert_int_equal(sum.pending, 1);
    assert_value(sum, 0x1.fffffffffffffp33);
}

static void units_add_up_like_doubles(void **state) {
    (void)state;
    uint64_t seed = 5;
    for (int k = 0; k < 300; k++) {
        rv_exact_t one_by_one, at_once;
        uint8_t packed[RV_EXACT_PACKED], expected[RV_EXACT_PACKED];
        rv_exact_init(&one_by_one);
        rv_exact_init(&at_once);
        rv_i128_t units = 0;
        for (int i = 0; i < k; i++) {
            int64_t u = (int64_t)next(&seed) >> (11 + next(&seed) % 50);
            units += u;
            rv_exact_add(&one_by_one, (double)u * 0x1p-32);
        }
        rv_exact_add_units(&at_once, units);
        rv_exact_pack(&one_by_one, expected);
        rv_exact_pack(&at_once, packed);
        assert_memory_equal(packed, expected, sizeof packed);
    }
    rv_exact_t sum = SUM(0x1p94);
    rv_exact_add_units(&sum, (rv_i128_t)((rv_u128_t)1 << 127)); /* the least: -2^95 */
    rv_exact_add_units(&sum, 1);
    rv_exact_add(&sum, 0x1p94);
    assert_value(sum, 0x1p-32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_rounded_once),
        cmocka_unit_test(means_are_rounded_once),
        cmocka_unit_test(infinities_are_kept_apart),
        cmocka_unit_test(order_and_grouping_never_matter),
        cmocka_unit_test(integers_add_up_like_integers),
        cmocka_unit_test(units_add_up_like_doubles),
        cmocka_unit_test(packed_sums_read_back),
        cmocka_unit_test(bytes_that_are_no_sum_are_refused),
        cmocka_unit_test(waiting_carries_are_settled_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* decay: whichever way a score's term is computed, it is the definition's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/decay.h"

#define DAY 86400000ull
#define EVENTS 300u

static const uint64_t HALF_LIVES[] = {1, 999, 60000, 30 * DAY, 37 * DAY + 11, 4000 * DAY, 100000 * DAY};
static const double POINTS[] = {0, 1, -30, 0.1, 25, -2.5, 63.999, 64, 1e6, -3e-9, 1e-12};

static uint64_t seed = 1;

static uint64_t draw(uint64_t below) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 11) % below;
}

static int64_t exact(uint64_t half_life, double points, uint64_t age) {
    int64_t units = 0;
    assert_true(rvw_decay_exact(half_life, points, age, &units));
    return units;
}

static void the_tables_agree_with_the_definition(void **state) {
    (void)state;
    for (size_t h = 0; h < sizeof HALF_LIVES / sizeof *HALF_LIVES; h++) {
        rvw_decay_t *decay = rvw_decay_new(HALF_LIVES[h], 1);
        assert_non_null(decay);
        for (size_t p = 0; p < sizeof POINTS / sizeof *POINTS; p++) {
            rvw_weight_t weight;
            rvw_weight_set(&weight, POINTS[p]);
            assert_false(weight.slow);
            for (unsigned i = 0; i < 2000; i++) {
                uint64_t most = HALF_LIVES[h] * 70 < (uint64_t)1 << RVW_DECAY_AGE_BITS
                                    ? HALF_LIVES[h] * 70
                                    : (uint64_t)1 << RVW_DECAY_AGE_BITS;
                uint64_t age = i < 100 ? i : draw(most);
                assert_int_equal(rvw_decay_table(decay, &weight, age), exact(HALF_LIVES[h], POINTS[p], age));
            }
        }
        free(decay);
    }
}

/* Events at `codes` of a unit, the youngest that counts at `last`. */
static void check_codes(uint64_t half_life, double points, uint64_t unit, uint32_t n) {
    uint32_t codes[EVENTS];
    uint16_t row[EVENTS];
    int64_t sum[4] = {0}, expected[4] = {0};
    uint64_t room[RVW_DECAY_ROOM];
    uint64_t most = 4000 * DAY / unit, since = most * unit + draw(unit);
    uint32_t last = (uint32_t)(draw(2) ? most : most / 2);
    rvw_decay_t *decay = rvw_decay_new(half_life, rvw_decay_unit(rvw_decay_unit_index((int64_t)unit)));
    rvw_weight_t weight;
    assert_non_null(decay);
    rvw_weight_set(&weight, points);
    for (uint32_t i = 0; i < n; i++) {
        codes[i] = i % 7 == 0 ? last : i % 7 == 1 ? last + 1 : (uint32_t)draw(most);
        row[i] = (uint16_t)draw(4);
        if (codes[i] <= last)
            expected[row[i]] += exact(half_life, points, since - codes[i] * unit);
    }
    rvw_decay_codes(decay, &weight, since, unit, last, codes, row, n, sum, room);
    assert_memory_equal(sum, expected, sizeof sum);
    free(decay);
}

static void the_kernel_agrees_with_the_definition(void **state) {
    (void)state;
    static const uint64_t units[] = {1000, 60000, 7000, DAY, 3 * DAY};
    for (size_t h = 0; h < sizeof HALF_LIVES / sizeof *HALF_LIVES; h++)
        for (size_t p = 0; p < sizeof POINTS / sizeof *POINTS; p++)
            for (size_t u = 0; u < sizeof units / sizeof *units; u++)
                check_codes(HALF_LIVES[h], POINTS[p], units[u], 1 + (uint32_t)draw(EVENTS));
}

static void points_beyond_the_tables_say_so(void **state) {
    (void)state;
    rvw_weight_t weight;
    int64_t units = 7;
    rvw_weight_set(&weight, 1e9);
    assert_true(weight.slow);
    assert_false(rvw_decay_exact(DAY, 1e10, 0, &units));
    assert_int_equal(units, 7);
}

static void terms_are_known_numbers(void **state) {
    (void)state;
    assert_int_equal(exact(30 * DAY, 5, 0), 5ll << 32);
    assert_int_equal(exact(30 * DAY, 5, 30 * DAY), 5ll << 31);
    assert_int_equal(exact(30 * DAY, -30, 60 * DAY), -30 * (1ll << 30));
    assert_int_equal(exact(1, 1, 33), 0); /* one half, ties to even */
    assert_int_equal(exact(1, 3, 33), 2);
    assert_int_equal(exact(1, 1, 5000), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_agree_with_the_definition),
        cmocka_unit_test(the_kernel_agrees_with_the_definition),
        cmocka_unit_test(points_beyond_the_tables_say_so),
        cmocka_unit_test(terms_are_known_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

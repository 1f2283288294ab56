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
#define EVENTS 1500u
#define ROWS 60u

static const uint64_t HALF_LIVES[] = {1, 999, 60000, 30 * DAY, 37 * DAY + 11, 4000 * DAY, 100000 * DAY};
static const double POINTS[] = {0, 1, -30, 0.1, 25, -2.5, 63.999, 64, 1e6, -3e-9, 1e-12, 1023.7, 1024};

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

typedef struct {
    uint64_t half_life, unit, most;
    double points;
    uint32_t n, codes[EVENTS];
    uint16_t row[EVENTS];
} events_t;

/* Events of the last 4000 days, in runs of rows or in any order; some at the instants and right behind them. */
static void draw_events(events_t *e, const rvw_decay_at_t *at, unsigned n_at) {
    bool sorted = draw(2);
    uint16_t row = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        uint32_t last = at[draw(n_at)].last;
        e->codes[i] = i % 7 == 0 ? last : i % 7 == 1 ? last + 1 : (uint32_t)draw(e->most);
        row = sorted ? (uint16_t)(row + (row + 1u < ROWS && draw(6) == 0)) : (uint16_t)draw(ROWS);
        e->row[i] = row;
    }
}

static rvw_decay_at_t draw_instant(const events_t *e, uint64_t since, int64_t *sum) {
    uint64_t last = since / e->unit;
    return (rvw_decay_at_t){.since = since, .last = (uint32_t)(draw(2) ? last : last / 2), .sum = sum};
}

static void expect(const events_t *e, const rvw_decay_at_t *at) {
    int64_t expected[ROWS] = {0};
    for (uint32_t i = 0; i < e->n; i++)
        if (e->codes[i] <= at->last)
            expected[e->row[i]] += exact(e->half_life, e->points, at->since - e->codes[i] * e->unit);
    assert_memory_equal(at->sum, expected, sizeof expected);
    memset(at->sum, 0, sizeof expected);
}

/* Every way over the same events, at one instant and at two. */
static void check_codes(events_t *e) {
    int64_t sums[2][ROWS] = {{0}};
    uint64_t room[RVW_DECAY_ROOM], since;
    rvw_decay_t *decay = rvw_decay_new(e->half_life, rvw_decay_unit(rvw_decay_unit_index((int64_t)e->unit)));
    rvw_weight_t weight;
    assert_non_null(decay);
    rvw_weight_set(&weight, e->points);
    e->most = 4000 * DAY / e->unit;
    since = e->most * e->unit + draw(e->unit);
    uint64_t distance = draw(3) ? draw(30 * DAY) : draw(3) ? 0 : draw(since);
    rvw_decay_at_t at[2] = {draw_instant(e, since, sums[0]), draw_instant(e, since - distance, sums[1])};
    draw_events(e, at, 2);
    for (unsigned k = 0; k < 2; k++) {
        rvw_decay_codes(decay, &weight, e->unit, &at[k], 1, e->codes, e->row, e->n, room);
        expect(e, &at[k]);
        if (rvw_decay_first(decay, &at[k], e->unit) <= at[k].last)
            rvw_decay_integers(decay, &weight, e->unit, &at[k], e->codes, e->row, e->n, room);
        else
            continue;
        expect(e, &at[k]);
    }
    rvw_decay_codes(decay, &weight, e->unit, at, 2, e->codes, e->row, e->n, room);
    expect(e, &at[0]);
    expect(e, &at[1]);
    free(decay);
}

static void the_kernels_agree_with_the_definition(void **state) {
    (void)state;
    static const uint64_t units[] = {1000, 60000, 7000, DAY, 3 * DAY};
    for (size_t h = 0; h < sizeof HALF_LIVES / sizeof *HALF_LIVES; h++)
        for (size_t p = 0; p < sizeof POINTS / sizeof *POINTS; p++)
            for (size_t u = 0; u < sizeof units / sizeof *units; u++)
                for (uint32_t n = 0; n < 24; n++) {
                    events_t e = {.half_life = HALF_LIVES[h], .points = POINTS[p], .unit = units[u]};
                    e.n = n < 20 ? n : 1 + (uint32_t)draw(EVENTS);
                    check_codes(&e);
                }
}

/* Terms of exactly one half, and those that no rounding of a double tells from it. */
static void terms_of_one_half_are_even(void **state) {
    (void)state;
    uint64_t room[RVW_DECAY_ROOM];
    int64_t sum[1] = {0};
    rvw_decay_t *decay = rvw_decay_new(DAY, DAY);
    rvw_weight_t weight;
    assert_non_null(decay);
    for (unsigned points = 1; points < 1024; points++) {
        uint32_t codes[9] = {67, 67, 67, 67, 67, 67, 67, 67, 67}; /* 33 half-lives before the instant */
        uint16_t row[9] = {0};
        rvw_decay_at_t at = {.since = 100 * DAY, .last = 100, .sum = sum};
        rvw_weight_set(&weight, points);
        rvw_decay_codes(decay, &weight, DAY, &at, 1, codes, row, 9, room);
        assert_int_equal(sum[0], 9 * (points / 2 + (points % 4 == 3)));
        sum[0] = 0;
    }
    free(decay);
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
        cmocka_unit_test(the_kernels_agree_with_the_definition),
        cmocka_unit_test(terms_of_one_half_are_even),
        cmocka_unit_test(points_beyond_the_tables_say_so),
        cmocka_unit_test(terms_are_known_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

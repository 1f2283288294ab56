/* Timers fire in order, once, when they are due, and can be moved and taken out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../coordinator/timer.h"

static int fired[64];
static size_t n_fired;

static void note(void *owner, int64_t now) {
    (void)now;
    fired[n_fired++] = (int)(intptr_t)owner;
}

static void timers_fire_in_order_when_due(void **state) {
    (void)state;
    rvc_timers_t *timers = rvc_timers_new();
    rvc_timer_t timer[8] = {0};
    const int64_t when[8] = {50, 10, 40, 20, 80, 30, 70, 60};
    n_fired = 0;
    for (int i = 0; i < 8; i++)
        assert_true(rvc_timer_set(timers, &timer[i], when[i], note, (void *)(intptr_t)when[i]));
    assert_int_equal(rvc_timers_next(timers), 10);
    rvc_timers_run(timers, 45);
    assert_int_equal(n_fired, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fired[i], 10 * (int)(i + 1));
    assert_int_equal(rvc_timers_now(timers), 45);
    rvc_timers_run(timers, 1000);
    assert_int_equal(n_fired, 8);
    assert_int_equal(rvc_timers_next(timers), INT64_MAX);
    rvc_timers_destroy(&timers);
    assert_null(timers);
}

static void a_timer_can_be_moved_and_cleared(void **state) {
    (void)state;
    rvc_timers_t *timers = rvc_timers_new();
    rvc_timer_t a = {0}, b = {0}, c = {0};
    n_fired = 0;
    rvc_timer_set(timers, &a, 10, note, (void *)1);
    rvc_timer_set(timers, &b, 20, note, (void *)2);
    rvc_timer_set(timers, &c, 30, note, (void *)3);
    rvc_timer_set(timers, &a, 40, note, (void *)1);
    rvc_timer_clear(timers, &b);
    rvc_timer_clear(timers, &b);
    rvc_timers_run(timers, 100);
    assert_int_equal(n_fired, 2);
    assert_int_equal(fired[0], 3);
    assert_int_equal(fired[1], 1);
    rvc_timers_destroy(&timers);
}

/* Any order of setting and clearing keeps the heap in order. */
static void many_timers_keep_their_order(void **state) {
    (void)state;
    rvc_timers_t *timers = rvc_timers_new();
    static rvc_timer_t timer[500];
    uint32_t seed = 7;
    for (int i = 0; i < 500; i++) {
        seed = seed * 1664525u + 1013904223u;
        rvc_timer_set(timers, &timer[i], (int64_t)(seed >> 20), note, NULL);
    }
    for (int i = 0; i < 500; i += 3)
        rvc_timer_clear(timers, &timer[i]);
    int64_t last = 0;
    while (rvc_timers_next(timers) != INT64_MAX) {
        int64_t next = rvc_timers_next(timers);
        assert_true(next >= last);
        last = next;
        n_fired = 0;
        rvc_timers_run(timers, next);
        assert_true(n_fired > 0);
    }
    rvc_timers_destroy(&timers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_when_due),
        cmocka_unit_test(a_timer_can_be_moved_and_cleared),
        cmocka_unit_test(many_timers_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

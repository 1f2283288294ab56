/* A flush that fails for lack of space leaves its frozen tail between base and active tail: reads, writes, repeats and
 * the next flush go on across it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store_world.h"

static void life_goes_on_between_a_frozen_and_an_active_tail(void **state) {
    (void)state;
#ifdef RV_FAULTS
    uint32_t failed = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        char dir[256];
        held_t *held = NULL;
        bool failing = false;
        world_make_dir(dir);
        world_t *world = world_new(dir, seed % 2 ? 4 : 1024, seed);
        world_avoid_deletes(world);
        for (uint32_t k = 1; k <= 90; k++) {
            world_step(world, 12);
            if (k % 3 == 0) {
                world_check(world);
            }
            if (k % 7 == 0) {
                bool flushed = world_try_flush(world), again = !flushed && failing && seed % 2 == 0;
                world_check(world);
                if (again) { /* the older tail may be in the file, the newer is not */
                    if (held) {
                        world_release(&held);
                    }
                    world_reopen(world, false);
                    world_check(world);
                }
                failing = !flushed && !again;
                failed += !flushed;
            }
            if (k % 20 == 0 && held) {
                world_check_held(world, held);
                world_release(&held);
            } else if (k % 20 == 10) {
                held = world_hold(world);
            }
        }
        if (held) {
            world_release(&held);
        }
        world_check(world);
        world_reopen(world, false);
        world_check(world);
        world_destroy(&world);
        world_remove_dir(dir);
    }
    assert_true(failed > 8);
#else
    skip();
#endif
}

int main(void) {
    /* In turn: a flush fails, then that of a second tail behind it; a flush fails twice. A point does not count the
     * hits that fire one before it. */
    static const int hits[] = {3, 5, 7, 8, 12, 14, 16, 17, 21, 23, 25, 26, 30, 32, 34, 35};
    char plan[512] = "";
    size_t n = 0;
    for (int k = 0; k < 16; k++) {
        n += (size_t)snprintf(plan + n, sizeof plan - n, "%sflush-begin:err:%d", k > 0 ? "," : "", hits[k] - k);
    }
    setenv("REV_FAULT", plan, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life_goes_on_between_a_frozen_and_an_active_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

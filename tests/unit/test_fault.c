/* test_fault.c: a plan of faults fires at the hit that it names, and one that is not understood ends the process. */
#include "reveille/fault.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef RV_FAULTS
/* What becomes of a process with this plan that hits point "a" three times: its exit status has a bit for each hit that
 * reported failure; a signal is 100 and its number. */
static int hits(const char *plan) {
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int failed = 0;
        assert_non_null(freopen("/dev/null", "w", stderr));
        signal(SIGABRT, SIG_DFL);
        setenv("REV_FAULT", plan, 1);
        for (int i = 0; i < 3; i++)
            failed |= RV_FAULT("a") << i;
        _exit(failed);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_fault_fires_at_the_hit_it_names(void **state) {
    (void)state;
    assert_int_equal(hits("a:err"), 1);
    assert_int_equal(hits("a:err:2"), 2);
    assert_int_equal(hits("b:err,a:err:3"), 4);
    assert_int_equal(hits("a:err:4"), 0);
    assert_int_equal(hits("a:kill:3"), 100 + SIGKILL);
    assert_int_equal(hits(""), 0);
}

static void a_plan_that_is_not_understood_ends_the_process(void **state) {
    (void)state;
    static const char *const wrong[] = {"a",        "a:er",    "a:err:x", "a:err:2x",
                                        "a:killed", "a:err:0", "b:err,a", "a:err:-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(hits(wrong[i]), 100 + SIGABRT);
}
#else
static void without_fault_points_nothing_fails(void **state) {
    (void)state;
    assert_false(RV_FAULT("a"));
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
#ifdef RV_FAULTS
        cmocka_unit_test(a_fault_fires_at_the_hit_it_names),
        cmocka_unit_test(a_plan_that_is_not_understood_ends_the_process),
#else
        cmocka_unit_test(without_fault_points_nothing_fails),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

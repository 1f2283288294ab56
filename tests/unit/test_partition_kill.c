/* Killed at every fault point of the store, some of them at several hits: what was acknowledged is there afterwards,
 * nothing else, nothing twice.
 *
 * The child is this program again with a fault armed: it writes, flushes, merges and compacts by a seed, and after each
 * acknowledged write notes its number in a file. The parent makes the same random choices without a store, up to that
 * number (or one more: a write may be durable before it is acknowledged), and compares. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base.h"
#include "store_world.h"

#define CHUNK_ROWS 8u
#define STEPS 60u

/* The child: argv DIR SEED. */
static int live(const char *dir, uint64_t seed) {
    char path[300];
    snprintf(path, sizeof path, "%s/acknowledged", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    world_t *world = world_new(dir, CHUNK_ROWS, seed);
    for (uint32_t k = 1; k <= STEPS; k++) {
        world_step(world, 12);
        if (pwrite(fd, &k, sizeof k, 0) != (ssize_t)sizeof k) {
            return 3;
        }
        if (k % 5 == 0) {
            world_flush(world);
        }
        if (k % 15 == 0) {
            world_merge(world, 2);
        }
        if (k % 20 == 0) {
            world_compact(world);
        }
    }
    world_destroy(&world);
    close(fd);
    return 0;
}

/* Runs the child; true when it was killed. */
static bool run_child(const char *dir, uint64_t seed, const char *fault) {
    char number[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("REV_FAULT", fault, 1);
        execl("/proc/self/exe", "test_partition_kill", dir, number, (char *)NULL);
        _exit(4);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static uint32_t acknowledged(const char *dir) {
    char path[300];
    uint32_t n = 0;
    snprintf(path, sizeof path, "%s/acknowledged", dir);
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        if (read(fd, &n, sizeof n) != (ssize_t)sizeof n) {
            n = 0;
        }
        close(fd);
    }
    return n;
}

/* LSN after the first n writes of a seed, by a life without a store. */
static void catch_up(world_t *world, uint32_t n) {
    for (uint32_t k = 0; k < n; k++) {
        world_pretend(world, 12);
    }
}

/* No value of a generation that was not completed is left. */
static void check_generations(const char *dir) {
    char path[300];
    rvw_env_t *env;
    rvw_base_t *base;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    rv_error_t err;
    snprintf(path, sizeof path, "%s/p", dir);
    assert_int_equal(rvw_env_open(path, RVW_ENV_EXISTING, &env, &err), RV_OK);
    assert_int_equal(rvw_base_open(env, NULL, &base, &err), RV_OK);
    assert_int_equal(rvw_env_read(env, &txn, &err), RV_OK);
    assert_int_equal(mdb_cursor_open(txn, rvw_env_dbi(env), &cursor), 0);
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        rvw_place_t place;
        assert_true(!rvw_place_unpack(k.mv_data, k.mv_size, &place) || place.gen <= rvw_base_state(base)->gen);
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    rvw_base_unref(&base);
    rvw_env_unref(&env);
}

static void survive(const char *fault, uint64_t seed) {
    char dir[256];
    world_make_dir(dir);
    bool killed = run_child(dir, seed, fault);
    uint32_t n = acknowledged(dir);
    world_t *world = world_new(dir, CHUNK_ROWS, seed);
    world_destroy(&world);
    check_generations(dir);
    world = world_new(dir, CHUNK_ROWS, seed);
    catch_up(world, n);
    /* The write under way when the kill came may have reached the log. */
    if (n < STEPS && world_pretended_lsn(world) < rvw_partition_lsn(world_partition(world))) {
        catch_up(world, 1);
    }
    print_message("%s, seed %llu: %s after %u writes\n", fault, (unsigned long long)seed, killed ? "killed" : "not hit",
                  n);
    assert_int_equal(world_pretended_lsn(world), rvw_partition_lsn(world_partition(world)));
    world_check(world);
    world_step(world, 12);
    world_flush(world);
    world_compact(world);
    world_reopen(world, true);
    world_check(world);
    world_destroy(&world);
    world_remove_dir(dir);
}

#ifdef RV_FAULTS
static const bool armed = true;
#else
static const bool armed = false; /* nothing would be hit */
#endif

static void nothing_acknowledged_is_lost_at_any_fault_point(void **state) {
    (void)state;
    if (!armed) {
        skip();
    }
    static const char *const faults[] = {
        "wal-before-commit:kill:7",    "wal-after-commit:kill:1",      "wal-after-commit:kill:33",
        "flush-before-commit:kill:1",  "flush-before-commit:kill:6",   "flush-after-commit:kill:2",
        "flush-after-commit:kill:9",   "compact-before-rename:kill:1", "compact-before-rename:kill:2",
        "flush-between:kill:1",        "flush-between:kill:5",         "compact-after-rename:kill:1",
        "compact-after-rename:kill:2",
    };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        survive(faults[k], 11 + k);
    }
}

int main(int argc, char **argv) {
    if (argc == 3) {
        return live(argv[1], strtoull(argv[2], NULL, 10));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_at_any_fault_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

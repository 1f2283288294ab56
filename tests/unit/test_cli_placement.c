/* test_cli_placement.c: where partitions go when the number of workers changes; the data directory and its file. */
#include "home.h"
#include "placement.h"
#include "process.h"
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/reveille-placement-XXXXXX";
static rv_error_t err;

/* No plan can move less: a worker keeps at most its share, and as many of the odd ones as there are. */
static size_t fewest_moves(const uint32_t *owner, size_t n, uint32_t workers) {
    size_t held[RV_MAX_WORKERS + 1] = {0}, total = 0, kept = 0, above = 0;
    for (size_t p = 0; p < n; p++)
        if (owner[p]) {
            total++;
            if (owner[p] <= workers)
                held[owner[p]]++;
        }
    for (uint32_t w = 1; w <= workers; w++) {
        kept += held[w] < total / workers ? held[w] : total / workers;
        above += held[w] > total / workers;
    }
    return total - kept - (above < total % workers ? above : total % workers);
}

static void check_plan(uint32_t *owner, size_t n, uint32_t workers) {
    rv_move_t moves[64];
    size_t fewest = fewest_moves(owner, n, workers), count = rv_placement_plan(owner, n, workers, moves), total = 0;
    assert_int_equal(count, fewest);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(owner[moves[i].partition], moves[i].from);
        assert_true(moves[i].to >= 1 && moves[i].to <= workers && moves[i].to != moves[i].from);
        owner[moves[i].partition] = moves[i].to;
    }
    size_t held[RV_MAX_WORKERS + 1] = {0};
    for (size_t p = 0; p < n; p++)
        if (owner[p]) {
            assert_true(owner[p] <= workers);
            held[owner[p]]++;
            total++;
        }
    for (uint32_t w = 1; w <= workers; w++)
        assert_true(held[w] >= total / workers && held[w] <= (total + workers - 1) / workers);
    assert_int_equal(rv_placement_plan(owner, n, workers, moves), 0);
}

static void plans_are_balanced_and_move_as_little_as_can_be(void **state) {
    uint32_t owner[64], seed = 7;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1664525u + 1013904223u;
        size_t n = 1 + (seed >> 8) % 64;
        uint32_t before = 1 + (seed >> 16) % 9, workers = 1 + (seed >> 24) % 9;
        for (size_t p = 0; p < n; p++) {
            seed = seed * 1664525u + 1013904223u;
            owner[p] = (seed >> 10) % (before + 1);
        }
        check_plan(owner, n, workers);
    }
}

/* A crash between any two moves: the rest is planned from what is found, and together no more is moved. */
static void an_interrupted_plan_is_finished(void **state) {
    (void)state;
    for (size_t done = 0; done <= 32; done++) {
        uint32_t owner[64];
        rv_move_t moves[64];
        for (uint32_t p = 0; p < 64; p++)
            owner[p] = 1 + p % 2;
        size_t count = rv_placement_plan(owner, 64, 5, moves);
        assert_int_equal(count, fewest_moves(owner, 64, 5));
        for (size_t i = 0; i < done && i < count; i++)
            owner[moves[i].partition] = moves[i].to;
        assert_int_equal(rv_placement_plan(owner, 64, 5, moves), done < count ? count - done : 0);
        check_plan(owner, 64, 5);
    }
}

static void path(char out[4096], const char *name) {
    snprintf(out, 4096, "%s/%s", root, name);
}

static void make(const char *name) {
    char text[4096];
    path(text, name);
    assert_int_equal(mkdir(text, 0700), 0);
}

static bool is_there(const char *name) {
    struct stat info;
    char text[4096];
    path(text, name);
    return stat(text, &info) == 0;
}

static void partitions_are_found_moved_and_left_workers_removed(void **state) {
    static rv_holdings_t found;
    char text[4096];
    (void)state;
    make("worker-1");
    make("worker-1/p0000");
    make("worker-1/p0001");
    make("worker-2");
    make("worker-2/p0002");
    make("worker-2/log");
    make("worker-x");
    assert_int_equal(rv_placement_scan(root, 3, &found, &err), RV_OK);
    assert_int_equal(found.partitions, 3);
    assert_int_equal(found.owner[2], 2);
    assert_int_equal(found.highest, 2);
    assert_int_equal(rv_placement_remove(root, 2, &err), RV_INTERNAL);
    assert_int_equal(rv_placement_move(root, &(rv_move_t){2, 2, 3}, &err), RV_OK);
    assert_true(is_there("worker-3/p0002"));
    assert_int_equal(rv_placement_remove(root, 2, &err), RV_OK);
    assert_false(is_there("worker-2"));
    assert_false(is_there("left-2"));
    make("left-2"); /* a removal that was killed in between */
    make("left-2/wal");
    make("left-2x");
    assert_int_equal(rv_placement_scan(root, 3, &found, &err), RV_OK);
    assert_int_equal(found.highest, 3);
    assert_int_equal(rv_placement_sweep(root, &err), RV_OK);
    assert_false(is_there("left-2"));
    assert_true(is_there("left-2x"));
    assert_int_equal(rv_placement_scan(root, 2, &found, &err), RV_FAILED_PRECONDITION);
    make("worker-3/p0000");
    assert_int_equal(rv_placement_scan(root, 3, &found, &err), RV_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "partition 0 lies in worker-"));
    assert_int_equal(rv_placement_move(root, &(rv_move_t){0, 1, 3}, &err), RV_FAILED_PRECONDITION);
    path(text, "worker-3/p0000");
    rmdir(text);
    assert_int_equal(rv_placement_move(root, &(rv_move_t){9, 1, 3}, &err), RV_FAILED_PRECONDITION);
}

static void the_file_of_a_home_is_read_as_it_was_written(void **state) {
    const rv_home_t home = {"tcp://127.0.0.1:7600", 2, 64, 65536};
    char data[4096];
    rv_home_t got;
    bool found = true;
    int lock, again;
    (void)state;
    path(data, "deep/er/data");
    assert_int_equal(rv_home_read(data, &got, &found, &err), RV_OK);
    assert_false(found);
    assert_int_equal(rv_home_lock(data, &lock, &err), RV_OK);
    assert_int_equal(rv_home_lock(data, &again, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(rv_home_read(data, &got, &found, &err), RV_OK);
    assert_false(found);
    assert_int_equal(rv_home_write(data, &home, &err), RV_OK);
    assert_int_equal(rv_home_read(data, &got, &found, &err), RV_OK);
    assert_true(found);
    assert_string_equal(got.endpoint, home.endpoint);
    assert_int_equal(got.workers, 2);
    assert_int_equal(got.partitions, 64);
    assert_int_equal(got.chunk_rows, 65536);
    close(lock);
}

static void put(const char *name, const char *content) {
    char text[4096];
    path(text, name);
    FILE *file = fopen(text, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void other_directories_are_refused(void **state) {
    static const char *const CONTENTS[] = {"", "reveille 2\nworkers=1\n", "reveille 1\n",
                                           "reveille 1\nendpoint=x\nworkers=0\npartitions=1\nchunk_rows=2\n",
                                           "reveille 1\nendpoint=x\nworkers=1\npartitions=1\nchunk_rows=2\nwhat=1\n"};
    char data[4096];
    rv_home_t got;
    bool found;
    (void)state;
    make("other");
    path(data, "other");
    put("other/photo.jpg", "x");
    assert_int_equal(rv_home_read(data, &got, &found, &err), RV_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "something else"));
    for (size_t i = 0; i < sizeof CONTENTS / sizeof CONTENTS[0]; i++) {
        put("other/reveille", CONTENTS[i]);
        assert_int_equal(rv_home_read(data, &got, &found, &err), RV_FAILED_PRECONDITION);
    }
    path(data, "other/photo.jpg");
    assert_int_equal(rv_home_read(data, &got, &found, &err), RV_FAILED_PRECONDITION);
}

static void only_this_machine_is_local(void **state) {
    static const char *const LOCAL[] = {"tcp://127.0.0.1:7600", "tcp://127.9.9.9:1", "tcp://localhost:7600",
                                        "tcp://[::1]:7600", "ipc:///tmp/x"};
    static const char *const OTHERS[] = {"tcp://0.0.0.0:7600",
                                         "tcp://*:7600",
                                         "tcp://127.evil.example:7600",
                                         "tcp://10.0.0.1:7600",
                                         "tcp://[::]:7600",
                                         "udp://127.0.0.1:1",
                                         "",
                                         "tcp://localhost.example:1"};
    (void)state;
    for (size_t i = 0; i < sizeof LOCAL / sizeof LOCAL[0]; i++)
        assert_true(rv_endpoint_is_local(LOCAL[i]));
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        assert_false(rv_endpoint_is_local(OTHERS[i]));
}

/* A child that holds member/lock and lives until we close our end of its pipe, or kill it. With `leaderless` its first
 * thread has ended and another one keeps it alive: what a killed process looks like that hangs in the kernel. */
typedef struct {
    pid_t pid;
    int end;
} keeper_t;

static void *keep(void *in) {
    char byte;
    (void)!read(*(int *)in, &byte, 1);
    _exit(0);
}

static void keep_lock(int in, int ready, bool leaderless) {
    char file[4096];
    pthread_t thread;
    path(file, "member/lock");
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) != 0 || dprintf(ready, "!") != 1)
        _exit(1);
    if (!leaderless)
        keep(&in);
    if (pthread_create(&thread, NULL, keep, &in) == 0)
        syscall(SYS_exit, 0); /* of this thread alone; its stack stays */
    _exit(1);
}

static keeper_t start_keeper(bool leaderless) {
    int in[2], ready[2];
    char byte;
    assert_int_equal(pipe(in) | pipe(ready), 0);
    keeper_t keeper = {.pid = fork(), .end = in[1]};
    if (keeper.pid == 0) {
        close(in[1]);
        keep_lock(in[0], ready[1], leaderless);
    }
    close(in[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return keeper;
}

static void end_keeper(keeper_t *keeper) {
    close(keeper->end);
    assert_int_equal(waitpid(keeper->pid, NULL, 0), keeper->pid);
}

static void put_number(pid_t pid) {
    char text[32];
    snprintf(text, sizeof text, "%ld\n", (long)pid);
    put("member/lock", text);
}

static void a_held_lock_names_its_process(void **state) {
    char dir[4096];
    rv_holder_t holder;
    (void)state;
    make("member");
    path(dir, "member");
    assert_false(rv_process_holder(dir).held);
    put_number(getpid());
    assert_false(rv_process_holder(dir).held);
    keeper_t keeper = start_keeper(false);
    put_number(keeper.pid);
    assert_int_equal(rv_process_settle(dir, &holder, &err), RV_OK);
    assert_true(holder.held && !holder.ending);
    assert_int_equal(holder.pid, keeper.pid);
    end_keeper(&keeper);
    assert_int_equal(rv_process_settle(dir, &holder, &err), RV_OK);
    assert_false(holder.held);
}

/* Numbers are used again: that of an earlier holder may be anybody's by now. */
static void a_number_of_a_process_without_the_file_is_not_believed(void **state) {
    char dir[4096];
    (void)state;
    path(dir, "member");
    keeper_t keeper = start_keeper(false);
    const pid_t others[] = {getpid(), getppid(), 1, 0, -1};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        put_number(others[i]);
        rv_holder_t holder = rv_process_holder(dir);
        assert_true(holder.held && !holder.ending);
        assert_int_equal(holder.pid, 0);
    }
    put("member/lock", "");
    assert_true(rv_process_holder(dir).held && rv_process_holder(dir).pid == 0);
    end_keeper(&keeper);
    assert_false(rv_process_holder(dir).held);
}

static void *release(void *context) {
    keeper_t *keeper = context;
    kill(keeper->pid, SIGKILL);
    return NULL;
}

static void a_process_that_ends_is_waited_for(void **state) {
    char dir[4096];
    rv_holder_t holder;
    pthread_t thread;
    (void)state;
    path(dir, "member");
    keeper_t keeper = start_keeper(true);
    put_number(keeper.pid);
    while (!(holder = rv_process_holder(dir)).ending) /* until its first thread is gone */
        ;
    assert_int_equal(holder.pid, keeper.pid);
    assert_int_equal(pthread_create(&thread, NULL, release, &keeper), 0);
    assert_int_equal(rv_process_settle(dir, &holder, &err), RV_OK);
    assert_false(holder.held);
    pthread_join(thread, NULL);
    end_keeper(&keeper);
}

static void programs_run_without_our_descriptors(void **state) {
    char log[4096], tail[200];
    (void)state;
    path(log, "log");
    put("log", "old line\n");
    /* descriptor 3 and beyond are closed, 0 is /dev/null */
    const char *const argv[] = {"/bin/sh", "-c", "ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; exit 3", NULL};
    int extra = open("/dev/null", O_RDONLY); /* inheritable */
    assert_int_equal(rv_process_run(argv, log, &err), RV_UNKNOWN);
    close(extra);
    assert_non_null(strstr(err.message, "/bin/sh failed"));
    rv_process_tail(log, 9, tail, sizeof tail);
    assert_string_equal(tail, "4\n/dev/null"); /* 0, 1, 2 and the folder that ls reads */
    rv_process_tail(log, 0, tail, 12);
    assert_string_equal(tail, "/dev/null");
}

static int remove_one(const char *name, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(name);
}

static int start(void **state) {
    (void)state;
    return mkdtemp(root) ? 0 : 1;
}

static int done(void **state) {
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_balanced_and_move_as_little_as_can_be),
        cmocka_unit_test(an_interrupted_plan_is_finished),
        cmocka_unit_test(partitions_are_found_moved_and_left_workers_removed),
        cmocka_unit_test(the_file_of_a_home_is_read_as_it_was_written),
        cmocka_unit_test(other_directories_are_refused),
        cmocka_unit_test(only_this_machine_is_local),
        cmocka_unit_test(a_held_lock_names_its_process),
        cmocka_unit_test(a_number_of_a_process_without_the_file_is_not_believed),
        cmocka_unit_test(a_process_that_ends_is_waited_for),
        cmocka_unit_test(programs_run_without_our_descriptors),
    };
    return cmocka_run_group_tests(tests, start, done);
}

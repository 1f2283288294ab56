/* process.c: posix_spawn of fresh binaries (never fork and go on: contexts of ZeroMQ and LMDB do not survive that), and
 * the lock that each daemon holds on its directory while it lives: a lock dies with its process, a pid file does not.
 * No state. */
#include "process.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

rv_status_t rv_process_beside(const char *name, char *out, size_t cap, rv_error_t *err) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE, "/proc/self/exe: %s", strerror(errno));
    self[n] = 0;
    char *slash = strrchr(self, '/');
    int length = snprintf(out, cap, "%.*s/%s", slash ? (int)(slash - self) : 1, slash ? self : ".", name);
    if (length < 0 || (size_t)length >= cap || access(out, X_OK) != 0)
        return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE, "%s is not beside this program: %s", name,
                          strerror(errno));
    return RV_OK;
}

/* Signals as they are by default and none blocked; a session of its own. */
static bool set_attributes(posix_spawnattr_t *attributes) {
    sigset_t all, none;
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    sigemptyset(&none);
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
    return posix_spawnattr_setsigdefault(attributes, &all) == 0 && posix_spawnattr_setsigmask(attributes, &none) == 0 &&
           posix_spawnattr_setflags(attributes, flags) == 0;
}

static bool set_files(posix_spawn_file_actions_t *files, const char *log) {
    return posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0) == 0 &&
           posix_spawn_file_actions_addopen(files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600) == 0 &&
           posix_spawn_file_actions_adddup2(files, 1, 2) == 0 &&
           posix_spawn_file_actions_addclosefrom_np(files, 3) == 0;
}

rv_status_t rv_process_start(const char *const *argv, const char *log, pid_t *ret, rv_error_t *err) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    pid_t pid;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    int problem = EINVAL;
    if (set_files(&files, log) && set_attributes(&attributes))
        problem = posix_spawn(&pid, argv[0], &files, &attributes, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (problem)
        return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE, "%s cannot be started with its log in %s: %s",
                          argv[0], log, strerror(problem));
    *ret = pid;
    return RV_OK;
}

static long size_of(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    long size = (long)lseek(fd, 0, SEEK_END);
    close(fd);
    return size < 0 ? 0 : size;
}

rv_status_t rv_process_run(const char *const *argv, const char *log, rv_error_t *err) {
    long start = size_of(log);
    pid_t pid;
    int result = 0;
    rv_status_t status = rv_process_start(argv, log, &pid, err);
    if (status != RV_OK)
        return status;
    while (waitpid(pid, &result, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(result) && WEXITSTATUS(result) == 0)
        return RV_OK;
    char tail[300];
    rv_process_tail(log, start, tail, sizeof tail);
    return rv_fail_as(err, RV_UNKNOWN, RV_REASON_NONE, "%s failed; %s ends: %s", argv[0], log, tail);
}

/* A number in a file, or -1. */
static pid_t number_in(const char *dir, const char *name) {
    char path[4096], text[32];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return -1;
    text[n] = 0;
    long number = strtol(text, NULL, 10);
    return number > 1 ? (pid_t)number : -1;
}

pid_t rv_process_holder(const char *dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    if (!held)
        return 0;
    pid_t pid = number_in(dir, "lock");
    return pid > 0 ? pid : number_in(dir, "pid");
}

void rv_process_tail(const char *path, long start, char *out, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    out[0] = 0;
    if (fd < 0)
        return;
    long end = (long)lseek(fd, 0, SEEK_END), from = end - (long)cap + 1;
    bool cut = from > start;
    from = from < start ? start : from;
    ssize_t n = end > from ? pread(fd, out, (size_t)(end - from), from) : 0;
    close(fd);
    if (n <= 0)
        return;
    out[n] = 0;
    char *line = cut ? strchr(out, '\n') : NULL;
    if (line && line[1])
        memmove(out, line + 1, strlen(line + 1) + 1);
    n = (ssize_t)strlen(out);
    while (n > 0 && out[n - 1] == '\n')
        out[--n] = 0;
}

void rv_process_pause(unsigned ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* process.c: posix_spawn of fresh binaries (never fork and go on: contexts of ZeroMQ and LMDB do not survive that), and
 * the lock that each daemon holds on its directory while it lives: a lock dies with its process, a pid file does not.
 *
 * The lock alone says whether there is a process; the number in the file says which, and is believed only of a process
 * that has the file open, for numbers are used again. A killed process keeps the lock until its last thread is gone,
 * which may take as long as a write to a slow disk: it is told by its threads in /proc. No state. */
#include "process.h"
#include "reveille/clock.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_MS 30000
#define EXITING 0x4ul /* PF_EXITING among the flags of /proc/PID/task/TID/stat */

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

/* The beginning of a file as text; false when it cannot be read. */
static bool text_of(const char *path, char *text, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, cap - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* The thread is dead, on its way out, or has a SIGKILL before it. */
static bool thread_ends(const char *task, const char *thread) {
    char path[4096], text[4096], state;
    unsigned long flags;
    unsigned long long pending;
    snprintf(path, sizeof path, "%s/%s/stat", task, thread);
    if (!text_of(path, text, sizeof text))
        return false; /* gone: only the others count */
    const char *behind_name = strrchr(text, ')');
    if (behind_name && sscanf(behind_name, ") %c %*d %*d %*d %*d %*d %lu", &state, &flags) == 2 &&
        (state == 'Z' || state == 'X' || flags & EXITING))
        return true;
    snprintf(path, sizeof path, "%s/%s/status", task, thread);
    if (!text_of(path, text, sizeof text))
        return false;
    for (const char *line = text; (line = strstr(line, "Pnd:")); line += 4) /* SigPnd and ShdPnd */
        if (sscanf(line, "Pnd: %llx", &pending) == 1 && pending >> (SIGKILL - 1) & 1)
            return true;
    return false;
}

/* The thread has the file open, as far as we may see. */
static bool has_open(const char *task, const char *thread, const struct stat *file) {
    char path[4096];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s/fd", task, thread);
    DIR *dir = opendir(path);
    bool open = false;
    for (struct dirent *entry; dir && !open && (entry = readdir(dir));)
        open = fstatat(dirfd(dir), entry->d_name, &info, 0) == 0 && info.st_dev == file->st_dev &&
               info.st_ino == file->st_ino;
    if (dir)
        closedir(dir);
    return open;
}

/* What the threads of a process say about it and a lock that somebody holds. */
static void ask_threads(pid_t pid, const struct stat *lock, rv_holder_t *holder) {
    char task[64];
    snprintf(task, sizeof task, "/proc/%ld/task", (long)pid);
    DIR *dir = opendir(task);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        if (has_open(task, entry->d_name, lock))
            holder->pid = pid;
        if (thread_ends(task, entry->d_name))
            holder->ending = true;
    }
    if (dir)
        closedir(dir);
    holder->ending = holder->ending && holder->pid;
}

rv_holder_t rv_process_holder(const char *dir) {
    rv_holder_t holder = {0};
    char path[4096], text[32];
    struct stat info;
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return holder;
    holder.held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    bool known = holder.held && fstat(fd, &info) == 0 && text_of(path, text, sizeof text);
    close(fd);
    long number = known ? strtol(text, NULL, 10) : 0;
    if (number > 1)
        ask_threads((pid_t)number, &info, &holder);
    return holder;
}

rv_status_t rv_process_settle(const char *dir, rv_holder_t *ret, rv_error_t *err) {
    int64_t end = rv_mono_ms() + SETTLE_MS;
    for (unsigned wait = 1;; wait = wait < 50 ? wait * 2 : 50) {
        *ret = rv_process_holder(dir);
        if (!ret->held || (ret->pid && !ret->ending))
            return RV_OK;
        if (rv_mono_ms() >= end)
            break;
        rv_process_pause(wait);
    }
    if (ret->pid)
        return rv_fail_as(err, RV_DEADLINE_EXCEEDED, RV_REASON_NONE,
                          "process %ld was killed but does not end, and still holds %s/lock", (long)ret->pid, dir);
    return rv_fail_as(err, RV_DEADLINE_EXCEEDED, RV_REASON_NONE, "%s/lock is held by a process that is not known", dir);
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

/* members.c: an array of members; member 0 is the coordinator. Our own children are watched with waitpid, others by the
 * lock that they hold. Nothing is killed without having been asked to stop first. One thread. */
#include "members.h"
#include "process.h"
#include "reveille/clock.h"
#include "reveille/limits.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS 30000

typedef struct {
    char name[32];
    pid_t child;  /* started here and not yet gone; 0: none */
    bool running; /* when we looked, not ours */
    long log_start;
} member_t;

struct rv_members {
    char *data;
    rv_home_t home;
    unsigned threads;
    member_t *at;
    size_t n;
};

static void path_of(const char *data, const char *member, const char *file, char out[4096]) {
    snprintf(out, 4096, "%s/%s%s%s", data, member, file[0] ? "/" : "", file);
}

rv_status_t rv_members_new(const char *data, const rv_home_t *home, unsigned threads, rv_members_t **ret,
                           rv_error_t *err) {
    rv_members_t *members = calloc(1, sizeof *members);
    if (members) {
        members->home = *home;
        members->threads = threads;
        members->n = home->workers + 1;
        members->data = strdup(data);
        members->at = calloc(members->n, sizeof *members->at);
    }
    if (!members || !members->data || !members->at) {
        rv_members_destroy(&members);
        return rv_fail_memory(err, "a cluster");
    }
    for (size_t i = 0; i < members->n; i++) {
        char dir[4096];
        if (i == 0)
            snprintf(members->at[i].name, sizeof members->at[i].name, "coordinator");
        else
            snprintf(members->at[i].name, sizeof members->at[i].name, "worker-%zu", i);
        path_of(data, members->at[i].name, "", dir);
        rv_holder_t holder;
        rv_status_t status = rv_process_settle(dir, &holder, err);
        if (status != RV_OK) {
            rv_members_destroy(&members);
            return status;
        }
        members->at[i].running = holder.held;
    }
    *ret = members;
    return RV_OK;
}

void rv_members_destroy(rv_members_t **members) {
    if (!*members)
        return;
    free((*members)->data);
    free((*members)->at);
    free(*members);
    *members = NULL;
}

size_t rv_members_running(const rv_members_t *members) {
    size_t n = 0;
    for (size_t i = 0; i < members->n; i++)
        n += members->at[i].running || members->at[i].child;
    return n;
}

bool rv_members_was_running(const rv_members_t *members, size_t i) {
    return i < members->n && members->at[i].running;
}

static rv_status_t start_coordinator(rv_members_t *members, const char *dir, const char *log, rv_error_t *err) {
    char program[4096], workers[16], partitions[16], chunk_rows[16];
    rv_status_t status = rv_process_beside("reveille-coordinator", program, sizeof program, err);
    if (status != RV_OK)
        return status;
    snprintf(workers, sizeof workers, "%u", members->home.workers);
    snprintf(partitions, sizeof partitions, "%u", members->home.partitions);
    snprintf(chunk_rows, sizeof chunk_rows, "%u", members->home.chunk_rows);
    const char *argv[] = {program,
                          "--data",
                          dir,
                          "--endpoint",
                          members->home.endpoint,
                          "--workers",
                          workers,
                          "--partitions",
                          partitions,
                          "--chunk-rows",
                          chunk_rows,
                          NULL};
    return rv_process_start(argv, log, &members->at[0].child, err);
}

static rv_status_t start_worker(rv_members_t *members, size_t i, const char *dir, const char *log, rv_error_t *err) {
    char program[4096], endpoints[4096], threads[16];
    rv_status_t status = rv_process_beside("reveille-worker", program, sizeof program, err);
    if (status != RV_OK)
        return status;
    path_of(members->data, "coordinator", "endpoints", endpoints);
    snprintf(threads, sizeof threads, "%u", members->threads);
    const char *argv[] = {program,
                          "--name",
                          members->at[i].name,
                          "--data",
                          dir,
                          "--coordinator-endpoints",
                          endpoints,
                          members->threads ? "--threads" : NULL,
                          threads,
                          NULL};
    return rv_process_start(argv, log, &members->at[i].child, err);
}

rv_status_t rv_members_start(rv_members_t *members, rv_error_t *err) {
    char dir[4096], log[4096];
    struct stat info;
    for (size_t i = 0; i < members->n; i++) {
        member_t *member = &members->at[i];
        path_of(members->data, member->name, "", dir);
        if (member->child)
            continue;
        rv_holder_t holder = rv_process_holder(dir);
        member->running = holder.held && !holder.ending;
        if (holder.held)
            continue;
        path_of(members->data, member->name, "log", log);
        if (mkdir(dir, 0700) != 0 && errno != EEXIST)
            return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE, "%s: %s", dir, strerror(errno));
        member->log_start = stat(log, &info) == 0 ? (long)info.st_size : 0;
        rv_status_t status =
            i == 0 ? start_coordinator(members, dir, log, err) : start_worker(members, i, dir, log, err);
        if (status != RV_OK)
            return status;
    }
    return RV_OK;
}

static rv_status_t ended(const rv_members_t *members, const member_t *member, int result, rv_error_t *err) {
    char log[4096], tail[300], how[64];
    path_of(members->data, member->name, "log", log);
    rv_process_tail(log, member->log_start, tail, sizeof tail);
    if (WIFSIGNALED(result))
        snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(result));
    else
        snprintf(how, sizeof how, "ended with status %d", WIFEXITED(result) ? WEXITSTATUS(result) : -1);
    return rv_fail_as(err, RV_UNKNOWN, RV_REASON_NONE, "%s %s; %.80s ends: %s", member->name, how, log, tail);
}

rv_status_t rv_members_check(rv_members_t *members, bool *ret_orderly, rv_error_t *err) {
    for (size_t i = 0; i < members->n; i++) {
        member_t *member = &members->at[i];
        char dir[4096];
        int result = 0;
        if (!member->child || waitpid(member->child, &result, WNOHANG) != member->child)
            continue;
        member->child = 0;
        path_of(members->data, member->name, "", dir);
        member->running = rv_process_holder(dir).held;
        if (member->running) /* another process took the directory first, from an `up` that was killed: it will do */
            continue;
        if (ret_orderly)
            *ret_orderly = WIFEXITED(result) && WEXITSTATUS(result) == 0;
        return ended(members, member, result, err);
    }
    return RV_OK;
}

rv_status_t rv_members_stop(rv_members_t *members, rv_error_t *err) {
    int64_t end = rv_mono_ms() + STOP_MS;
    const char *left = NULL;
    for (size_t i = 0; i < members->n; i++)
        if (members->at[i].child)
            kill(members->at[i].child, SIGTERM);
    for (unsigned wait = 1;; wait = wait < 50 ? wait * 2 : 50) {
        left = NULL;
        for (size_t i = 0; i < members->n; i++) {
            member_t *member = &members->at[i];
            if (member->child && waitpid(member->child, NULL, WNOHANG) == member->child)
                member->child = 0;
            if (member->child)
                left = member->name;
        }
        if (!left)
            return RV_OK;
        if (rv_mono_ms() >= end)
            break;
        rv_process_pause(wait);
    }
    return rv_fail_as(err, RV_DEADLINE_EXCEEDED, RV_REASON_NONE, "%s did not stop within 30 s", left);
}

/* Names of the member directories of a cluster: the coordinator and every worker-K there is. */
static size_t member_names(const char *data, char (*names)[32], size_t most) {
    size_t n = 0;
    snprintf(names[n++], 32, "coordinator");
    DIR *dir = opendir(data);
    for (struct dirent *entry; dir && n < most && (entry = readdir(dir));)
        if (strncmp(entry->d_name, "worker-", 7) == 0 && strlen(entry->d_name) < 32)
            snprintf(names[n++], 32, "%.31s", entry->d_name);
    if (dir)
        closedir(dir);
    return n;
}

/* The members that hold their lock; their names in `list`. */
static size_t still_running(const char *data, char (*names)[32], size_t n, int signal_number, char *list, size_t cap) {
    size_t running = 0, used = 0;
    list[0] = 0;
    for (size_t i = 0; i < n; i++) {
        char dir[4096];
        path_of(data, names[i], "", dir);
        rv_holder_t holder = rv_process_holder(dir);
        char number[24] = "not known";
        if (!holder.held)
            continue;
        running++;
        if (signal_number && holder.pid)
            kill(holder.pid, signal_number);
        if (holder.pid)
            snprintf(number, sizeof number, "%ld", (long)holder.pid);
        int more = snprintf(list + used, cap - used, "%s%s (process %s)", used ? ", " : "", names[i], number);
        used = more > 0 && used + (size_t)more < cap ? used + (size_t)more : used;
    }
    return running;
}

rv_status_t rv_members_down(const char *data, bool force, size_t *ret_stopped, rv_error_t *err) {
    static char names[RV_MAX_WORKERS + 2][32];
    char list[300];
    size_t n = member_names(data, names, RV_MAX_WORKERS + 2);
    size_t running = still_running(data, names, n, SIGTERM, list, sizeof list);
    *ret_stopped = running;
    int64_t end = rv_mono_ms() + STOP_MS;
    int signal_number = SIGTERM;
    for (unsigned wait = 1; running; wait = wait < 50 ? wait * 2 : 50) {
        rv_process_pause(wait);
        /* asked again each time: one that has just started may not have had its number in the lock yet */
        running = still_running(data, names, n, signal_number, list, sizeof list);
        if (running && rv_mono_ms() >= end) {
            if (!force)
                return rv_fail_as(err, RV_DEADLINE_EXCEEDED, RV_REASON_NONE,
                                  "still running after 30 s: %s; --force kills what does not stop", list);
            signal_number = SIGKILL;
            force = false;
            end = rv_mono_ms() + STOP_MS;
        }
    }
    return RV_OK;
}

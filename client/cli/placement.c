/* placement.c: a pure plan, and renames. A rename is atomic, so a crash leaves every partition in exactly one place,
 * and the next start plans anew from what it finds. Both parents are synced after each move. No state. */
#include "placement.h"
#include "reveille/fault.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many partitions each worker shall have: those that hold most now get the odd ones, so that they give least away.
 */
static void targets(const uint32_t *held, uint32_t workers, size_t total, uint32_t *ret) {
    size_t least = total / workers, odd = total % workers;
    for (uint32_t w = 1; w <= workers; w++)
        ret[w] = (uint32_t)least;
    for (; odd > 0; odd--) {
        uint32_t best = 0;
        for (uint32_t w = 1; w <= workers; w++)
            if (ret[w] == least && (best == 0 || held[w] > held[best]))
                best = w;
        ret[best]++;
    }
}

size_t rv_placement_plan(const uint32_t *owner, size_t n, uint32_t workers, rv_move_t *moves) {
    uint32_t held[RV_MAX_WORKERS + 1] = {0}, wanted[RV_MAX_WORKERS + 1] = {0};
    size_t total = 0, count = 0;
    for (size_t p = 0; p < n; p++)
        if (owner[p]) {
            total++;
            if (owner[p] <= workers)
                held[owner[p]]++;
        }
    targets(held, workers, total, wanted);
    uint32_t to = 1;
    for (size_t p = n; p-- > 0;) { /* the last partitions go first, so that the plan is the same whenever it is made */
        uint32_t from = owner[p];
        if (from == 0 || (from <= workers && held[from] <= wanted[from]))
            continue;
        while (held[to] >= wanted[to])
            to++;
        if (from <= workers)
            held[from]--;
        held[to]++;
        moves[count++] = (rv_move_t){(uint32_t)p, from, to};
    }
    return count;
}

/* The number in a name of the form PREFIX digits; false for other names. */
static bool numbered(const char *name, const char *prefix, unsigned long most, uint32_t *ret) {
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0 || !name[n] || strspn(name + n, "0123456789") != strlen(name + n) ||
        strlen(name + n) > 9)
        return false;
    unsigned long number = strtoul(name + n, NULL, 10);
    *ret = (uint32_t)number;
    return number <= most;
}

static rv_status_t no_access(const char *path, rv_error_t *err) {
    return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE, "%s: %s", path, strerror(errno));
}

static rv_status_t scan_worker(const char *data, uint32_t worker, uint32_t partitions, rv_holdings_t *holdings,
                               rv_error_t *err) {
    char path[4096];
    rv_status_t status = RV_OK;
    snprintf(path, sizeof path, "%s/worker-%u", data, worker);
    DIR *dir = opendir(path);
    if (!dir)
        return no_access(path, err);
    for (struct dirent *entry; status == RV_OK && (entry = readdir(dir));) {
        uint32_t p;
        if (!numbered(entry->d_name, "p", UINT32_MAX, &p))
            continue;
        if (p >= partitions)
            status = rv_fail(err, RV_REASON_FOREIGN, "%s/%s is not of this cluster, which has %u partitions", path,
                             entry->d_name, partitions);
        else if (holdings->owner[p])
            status =
                rv_fail(err, RV_REASON_FOREIGN, "partition %u lies in worker-%u and in worker-%u; one of them must go",
                        p, holdings->owner[p], worker);
        else {
            holdings->owner[p] = worker;
            holdings->partitions++;
        }
    }
    closedir(dir);
    return status;
}

rv_status_t rv_placement_scan(const char *data, uint32_t partitions, rv_holdings_t *ret, rv_error_t *err) {
    rv_holdings_t *holdings = calloc(1, sizeof *holdings);
    DIR *dir = opendir(data);
    rv_status_t status = !holdings ? rv_fail_memory(err, "placement") : dir ? RV_OK : no_access(data, err);
    for (struct dirent *entry; status == RV_OK && (entry = readdir(dir));) {
        uint32_t worker;
        if (!numbered(entry->d_name, "worker-", RV_MAX_WORKERS, &worker) || worker == 0)
            continue;
        holdings->worker[worker] = true;
        holdings->highest = worker > holdings->highest ? worker : holdings->highest;
        status = scan_worker(data, worker, partitions, holdings, err);
    }
    if (dir)
        closedir(dir);
    if (status == RV_OK)
        *ret = *holdings;
    free(holdings);
    return status;
}

static rv_status_t sync_directory(const char *path, rv_error_t *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return no_access(path, err);
    rv_status_t status = fsync(fd) == 0 ? RV_OK : no_access(path, err);
    close(fd);
    return status;
}

rv_status_t rv_placement_move(const char *data, const rv_move_t *move, rv_error_t *err) {
    char from[4096], to[4096], from_path[4128], to_path[4128];
    struct stat info;
    snprintf(from, sizeof from, "%s/worker-%u", data, move->from);
    snprintf(to, sizeof to, "%s/worker-%u", data, move->to);
    snprintf(from_path, sizeof from_path, "%s/p%04u", from, move->partition);
    snprintf(to_path, sizeof to_path, "%s/p%04u", to, move->partition);
    if (mkdir(to, 0700) != 0 && errno != EEXIST)
        return no_access(to, err);
    if (lstat(to_path, &info) == 0)
        return rv_fail(err, RV_REASON_FOREIGN, "%s is there already", to_path);
    if (rename(from_path, to_path) != 0)
        return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE, "%s cannot become %s: %s", from_path, to_path,
                          strerror(errno));
    rv_status_t status = sync_directory(to, err);
    return status == RV_OK ? sync_directory(from, err) : status;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

/* A directory that nobody is to find any more has this name instead of "worker-K". */
#define LEFT "left-"

static rv_status_t remove_tree(const char *path, rv_error_t *err) {
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT ? RV_OK : no_access(path, err);
}

/* The directory loses its name before its content, so that no start ever meets half of a worker. */
rv_status_t rv_placement_remove(const char *data, uint32_t worker, rv_error_t *err) {
    char path[4096], left[4096];
    rv_holdings_t *holdings = calloc(1, sizeof *holdings);
    rv_status_t status =
        holdings ? scan_worker(data, worker, UINT32_MAX, holdings, err) : rv_fail_memory(err, "placement");
    snprintf(path, sizeof path, "%s/worker-%u", data, worker);
    snprintf(left, sizeof left, "%s/" LEFT "%u", data, worker);
    if (status == RV_OK && holdings->partitions)
        status =
            rv_fail_as(err, RV_INTERNAL, RV_REASON_BUG, "%s still holds %zu partitions", path, holdings->partitions);
    free(holdings);
    if (status == RV_OK && rename(path, left) != 0)
        status = no_access(path, err);
    if (status == RV_OK)
        status = sync_directory(data, err);
    if (status != RV_OK || RV_FAULT("worker_left"))
        return status;
    return remove_tree(left, err);
}

rv_status_t rv_placement_sweep(const char *data, rv_error_t *err) {
    DIR *dir = opendir(data);
    rv_status_t status = dir ? RV_OK : no_access(data, err);
    for (struct dirent *entry; status == RV_OK && (entry = readdir(dir));) {
        char path[4096];
        uint32_t worker;
        if (!numbered(entry->d_name, LEFT, RV_MAX_WORKERS, &worker) ||
            (size_t)snprintf(path, sizeof path, "%s/%s", data, entry->d_name) >= sizeof path)
            continue;
        status = remove_tree(path, err);
    }
    if (dir)
        closedir(dir);
    return status;
}

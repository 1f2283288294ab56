/* up.c: up and down.
 *
 * `up` reads or writes the file of the home, places partitions anew when the number of workers has changed (flush every
 * worker, rename, remove what is left over; each step may be the last one before a crash, and the next `up` finishes
 * the work), starts what does not run, and waits until the cluster says that it is ready. With --detach it returns
 * then; otherwise it stays until a signal comes or a member ends, and stops all.
 */
#include "commands.h"
#include "members.h"
#include "placement.h"
#include "process.h"
#include "reveille/clock.h"
#include "reveille/limits.h"
#include "reveille/v1/cluster.pb-c.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_DATA "reveille-data"
#define READY_MS 60000
#define MAX_THREADS 256                        /* that a worker takes */
#define INCOMPLETE_MS (2 * RV_LEASE_MS + 1000) /* the coordinator waits for two leases */
#define QUIET_MS 30000

static const char *data_of(const rv_cli_t *cli) {
    const char *data = rv_args_text(cli->args, "data");
    return data ? data : DEFAULT_DATA;
}

/* What the options ask for on top of what is there. */
static rv_status_t wanted_home(rv_cli_t *cli, const rv_home_t *old, bool found, rv_home_t *ret, rv_error_t *err) {
    uint64_t partitions = rv_args_number(cli->args, "partitions", found ? old->partitions : 64);
    uint64_t chunk_rows = rv_args_number(cli->args, "chunk-rows", found ? old->chunk_rows : RV_CHUNK_ROWS);
    if (rv_args_number(cli->args, "replicas", 1) != 1)
        return rv_fail(err, RV_REASON_FEATURE, "more than one replica comes with a later version");
    if (chunk_rows & (chunk_rows - 1))
        return rv_usage(cli, err, "--chunk-rows is a power of two, not %llu", (unsigned long long)chunk_rows);
    if (found && partitions != old->partitions)
        return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE,
                          "the cluster has %u partitions; their number is fixed when it is created", old->partitions);
    if (found && chunk_rows != old->chunk_rows)
        return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE,
                          "the cluster has chunks of %u rows; that is fixed when it is created", old->chunk_rows);
    if (found && !cli->endpoint_given)
        cli->endpoint = old->endpoint;
    rv_home_t home = {.workers = (uint32_t)rv_args_number(cli->args, "workers", found ? old->workers : 2),
                      .partitions = (uint32_t)partitions,
                      .chunk_rows = (uint32_t)chunk_rows};
    if (snprintf(home.endpoint, sizeof home.endpoint, "%s", cli->endpoint) >= (int)sizeof home.endpoint ||
        strpbrk(cli->endpoint, "\n\r"))
        return rv_usage(cli, err, "the endpoint is too long");
    if (!rv_endpoint_is_local(home.endpoint))
        return rv_fail_as(
            err, RV_FAILED_PRECONDITION, RV_REASON_FEATURE,
            "%s is not on this machine alone: other addresses need CURVE keys, which come with a later version",
            home.endpoint);
    *ret = home;
    return RV_OK;
}

/* Everything in a worker's log goes into its partitions. */
static rv_status_t flush_worker(const char *data, uint32_t worker, rv_error_t *err) {
    char program[4096], dir[4096], log[4104];
    rv_status_t status = rv_process_beside("reveille-worker", program, sizeof program, err);
    if (status != RV_OK)
        return status;
    snprintf(dir, sizeof dir, "%s/worker-%u", data, worker);
    snprintf(log, sizeof log, "%s/log", dir);
    return rv_process_run((const char *const[]){program, "--data", dir, "--flush", NULL}, log, err);
}

static bool worker_holds_lock(const char *data, uint32_t number) {
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/worker-%u", data, number);
    return rv_process_holder(dir).held;
}

/* Whether a coordinator runs that goes on. */
static rv_status_t coordinator_runs(const char *data, bool *ret, rv_error_t *err) {
    char dir[4096];
    rv_holder_t holder;
    snprintf(dir, sizeof dir, "%s/coordinator", data);
    rv_status_t status = rv_process_settle(dir, &holder, err);
    *ret = status == RV_OK && holder.held;
    return status;
}

static bool a_worker_runs(const char *data, const rv_holdings_t *holdings) {
    for (uint32_t w = 1; w <= holdings->highest; w++)
        if (holdings->worker[w] && worker_holds_lock(data, w))
            return true;
    return false;
}

/* Nothing may run while directories move. A worker without a coordinator is what an `up` that was killed left flushing,
 * or a cluster on its way down: it is waited for. */
static rv_status_t wait_quiet(const char *data, const rv_holdings_t *holdings, rv_error_t *err) {
    int64_t end = rv_mono_ms() + QUIET_MS;
    bool runs;
    rv_status_t status = coordinator_runs(data, &runs, err);
    if (status != RV_OK)
        return status;
    for (unsigned wait = 1; runs || a_worker_runs(data, holdings); wait = wait < 50 ? wait * 2 : 50) {
        if (runs || rv_mono_ms() >= end)
            return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE,
                              "the number of workers changes only while the cluster is down: reveille down --data %s",
                              data);
        rv_process_pause(wait);
    }
    return RV_OK;
}

static rv_status_t move_all(rv_cli_t *cli, const char *data, const rv_home_t *home, const rv_holdings_t *holdings,
                            const rv_move_t *moves, size_t n, rv_error_t *err) {
    rv_status_t status = RV_OK;
    rv_note(cli, "places %zu partitions anew on %u workers", n, home->workers);
    for (uint32_t w = 1; status == RV_OK && w <= holdings->highest; w++)
        if (holdings->worker[w])
            status = flush_worker(data, w, err);
    for (size_t i = 0; status == RV_OK && i < n; i++)
        status = rv_placement_move(data, &moves[i], err);
    for (uint32_t w = home->workers + 1; status == RV_OK && w <= holdings->highest; w++)
        if (holdings->worker[w])
            status = rv_placement_remove(data, w, err);
    return status;
}

/* Brings the partitions to where the home wants them. */
static rv_status_t place(rv_cli_t *cli, const char *data, const rv_home_t *home, rv_error_t *err) {
    rv_holdings_t *holdings = malloc(sizeof *holdings);
    rv_move_t *moves = malloc(home->partitions * sizeof *moves);
    rv_status_t status = holdings && moves ? rv_placement_sweep(data, err) : rv_fail_memory(err, "placement");
    if (status == RV_OK)
        status = rv_placement_scan(data, home->partitions, holdings, err);
    if (status == RV_OK) {
        size_t n = rv_placement_plan(holdings->owner, home->partitions, home->workers, moves);
        bool needed = n > 0 || holdings->highest > home->workers;
        if (needed)
            status = wait_quiet(data, holdings, err);
        if (needed && status == RV_OK) /* first, so that an `up` without --workers finishes what this one may not */
            status = rv_home_write(data, home, err);
        if (needed && status == RV_OK)
            status = move_all(cli, data, home, holdings, moves, n, err);
    }
    free(holdings);
    free(moves);
    return status;
}

/* What an `up` waits for: every partition available, and every worker that it started registered since. */
typedef struct {
    const rv_members_t *members;
    uint32_t workers;
    uint64_t before[RV_MAX_WORKERS + 1]; /* incarnation of worker i that the coordinator knew when we came; 0: none */
} awaited_t;

static uint64_t incarnation_of(const Reveille__V1__StatusResponse *status, uint32_t worker, bool only_alive) {
    char name[32];
    snprintf(name, sizeof name, "worker-%u", worker);
    for (size_t i = 0; i < status->n_workers; i++)
        if (strcmp(status->workers[i]->name, name) == 0 && (!only_alive || status->workers[i]->alive))
            return status->workers[i]->incarnation;
    return 0;
}

/* Whoever listens at the endpoint answers: it must be the cluster of this directory. */
static rv_status_t check_ours(const rv_cli_t *cli, const Reveille__V1__StatusResponse *reply, rv_error_t *err) {
    char id[33];
    rv_home_cluster_id(data_of(cli), id);
    if (strcmp(id, reply->cluster_id) == 0)
        return RV_OK;
    return rv_fail(err, RV_REASON_FOREIGN,
                   "%s is taken: another cluster answers there (%.32s, %zu workers, %zu partitions); give --endpoint "
                   "another port",
                   cli->endpoint, reply->cluster_id, reply->n_workers, reply->n_partitions);
}

static rv_status_t ask_status(rv_cli_t *cli, rv_arena_t *arena, Reveille__V1__StatusResponse **ret, rv_error_t *err) {
    Reveille__V1__StatusRequest request = REVEILLE__V1__STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    rv_status_t status = rv_cli_call(cli, "reveille.v1.ClusterService/Status", &request.base,
                                     &reveille__v1__status_response__descriptor, 1000, arena, &message, err);
    *ret = (Reveille__V1__StatusResponse *)message;
    return status;
}

/* A coordinator that runs takes a moment to notice that a worker died: it may still call the cluster ready. */
static void note_before(rv_cli_t *cli, awaited_t *awaited) {
    Reveille__V1__StatusResponse *status;
    rv_arena_t arena;
    if (!rv_members_was_running(awaited->members, 0))
        return;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (ask_status(cli, &arena, &status, NULL) == RV_OK)
        for (uint32_t w = 1; w <= awaited->workers; w++)
            awaited->before[w] = incarnation_of(status, w, false);
    rv_arena_done(&arena);
}

/* How far the cluster has come. */
typedef enum {
    STARTING,
    INCOMPLETE, /* every worker has registered and opened what it can, but partitions are missing */
    READY
} progress_t;

/* Names the first partition that is missing and counts them; says whether some are still being opened. */
static progress_t describe_missing(const Reveille__V1__StatusResponse *reply, rv_error_t *err) {
    const Reveille__V1__PartitionStatus *first = NULL;
    progress_t progress = INCOMPLETE;
    size_t n = 0;
    for (size_t i = 0; i < reply->n_partitions; i++)
        if (!reply->partitions[i]->available) {
            first = first ? first : reply->partitions[i];
            progress = reply->partitions[i]->starting ? STARTING : progress;
            n++;
        }
    rv_fail(err, RV_REASON_NOT_READY, "%zu of %zu partitions are not available; partition %u: %.300s", n,
            reply->n_partitions, first ? first->partition : 0,
            first && first->problem[0] ? first->problem : "not placed yet");
    return progress;
}

static progress_t look(rv_cli_t *cli, const awaited_t *awaited, rv_error_t *err) {
    Reveille__V1__StatusResponse *reply;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = ask_status(cli, &arena, &reply, err);
    if (status == RV_OK)
        status = check_ours(cli, reply, err);
    for (uint32_t w = 1; status == RV_OK && w <= awaited->workers; w++) {
        uint64_t now = incarnation_of(reply, w, true);
        if (!rv_members_was_running(awaited->members, w) && (now == 0 || now == awaited->before[w]))
            status = rv_fail(err, RV_REASON_NOT_READY, "worker-%u has not registered", w);
    }
    progress_t progress = status != RV_OK ? STARTING : reply->ready ? READY : describe_missing(reply, err);
    rv_arena_done(&arena);
    return progress;
}

/* A member has ended: mostly the coordinator, because another cluster has its port. Then that is the reason to give. */
static rv_status_t blame_occupant(rv_cli_t *cli, rv_status_t status, rv_error_t *err) {
    Reveille__V1__StatusResponse *reply;
    rv_error_t taken;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (ask_status(cli, &arena, &reply, NULL) == RV_OK && check_ours(cli, reply, &taken) != RV_OK) {
        *err = taken;
        status = taken.status;
    }
    rv_arena_done(&arena);
    return status;
}

/* A pause that a signal ends. True: it is one to stop for. */
static bool pause_or_stop(const sigset_t *signals, unsigned ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    if (!signals) {
        rv_process_pause(ms);
        return false;
    }
    int got = sigtimedwait(signals, NULL, &time);
    return got == SIGINT || got == SIGTERM;
}

/* `signals` is NULL for an `up` that detaches. A cluster whose workers are all there but that lacks partitions for
 * longer than the coordinator waits for them goes on without: *ret_why says which, and is otherwise OK. */
static rv_status_t wait_ready(rv_cli_t *cli, rv_members_t *members, const awaited_t *awaited, const sigset_t *signals,
                              rv_error_t *ret_why, rv_error_t *err) {
    int64_t now = rv_mono_ms(), end = now + rv_cli_timeout(cli, READY_MS), incomplete_since = 0;
    for (unsigned wait = 2;; wait = wait < 50 ? wait + wait / 2 : 50) {
        rv_error_t why;
        rv_status_t status = rv_members_check(members, NULL, err);
        if (status == RV_OK)
            status = rv_members_start(members, err); /* what ran when we came may just have been on its way out */
        if (status != RV_OK)
            return blame_occupant(cli, status, err);
        progress_t progress = look(cli, awaited, &why);
        now = rv_mono_ms();
        incomplete_since = progress != INCOMPLETE ? 0 : incomplete_since ? incomplete_since : now;
        if (progress == READY)
            return RV_OK;
        if (incomplete_since && now - incomplete_since > INCOMPLETE_MS) {
            *ret_why = why;
            return RV_OK;
        }
        if (now >= end)
            return rv_fail_as(err, RV_DEADLINE_EXCEEDED, RV_REASON_NONE,
                              "the cluster is not ready: %.200s; the logs are in %s/*/log", why.message, data_of(cli));
        if (pause_or_stop(signals, wait))
            return rv_fail_as(err, RV_CANCELLED, RV_REASON_NONE, "stopped before the cluster was ready");
    }
}

/* Until a signal or the end of a member. */
static rv_status_t supervise(rv_cli_t *cli, rv_members_t *members, const sigset_t *signals, rv_error_t *err) {
    for (;;) {
        bool orderly = false;
        rv_status_t status = rv_members_check(members, &orderly, err);
        if (status != RV_OK) {
            if (!orderly)
                return status;
            rv_note(cli, "a member has been stopped; stopping the others");
            return RV_OK;
        }
        int got = sigwaitinfo(signals, NULL);
        if (got == SIGINT || got == SIGTERM) {
            rv_note(cli, "stopping");
            return RV_OK;
        }
    }
}

/* What `up` says once the cluster goes. A cluster without all of its data makes the exit status that of a partial
 * answer. */
static void announce(rv_cli_t *cli, const char *data, const rv_home_t *home, bool all, const rv_error_t *why) {
    if (why->status != RV_OK) {
        rv_note(cli, "goes on at %s without all of its data: %s", home->endpoint, why->message);
        cli->exit = RV_EXIT_PARTIAL;
        return;
    }
    rv_note(cli, "%s at %s: %u workers, %u partitions, data in %s", all ? "runs already" : "ready", home->endpoint,
            home->workers, home->partitions, data);
}

/* The workers share the machine's processors: more threads than these only get in each other's way. */
static unsigned query_threads(const rv_cli_t *cli, const rv_home_t *home) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN), each = processors / (long)home->workers;
    each = each < 1 ? 1 : each > MAX_THREADS ? MAX_THREADS : each;
    return (unsigned)rv_args_number(cli->args, "threads", (uint64_t)each);
}

static rv_status_t run_members(rv_cli_t *cli, const char *data, const rv_home_t *home, int *lock, rv_error_t *err) {
    rv_members_t *members = NULL;
    rv_error_t why = {0}, stopping;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    rv_status_t status = rv_members_new(data, home, query_threads(cli, home), &members, err);
    if (status != RV_OK)
        return status;
    bool detach = rv_args_flag(cli->args, "detach"), all = rv_members_running(members) == home->workers + 1;
    if (!detach)
        sigprocmask(SIG_BLOCK, &signals, NULL); /* held until we look; the members start with none blocked */
    awaited_t awaited = {.members = members, .workers = home->workers};
    note_before(cli, &awaited);
    status = wait_ready(cli, members, &awaited, detach ? NULL : &signals, &why, err);
    if (status == RV_OK) {
        announce(cli, data, home, all, &why);
        close(*lock);
        *lock = -1;
        if (!detach && !all)
            status = supervise(cli, members, &signals, err);
    }
    if ((!detach || status != RV_OK) && rv_members_stop(members, &stopping) != RV_OK && status == RV_OK) {
        *err = stopping;
        status = stopping.status;
    }
    rv_members_destroy(&members);
    return status;
}

rv_status_t rv_run_up(rv_cli_t *cli, rv_error_t *err) {
    const char *data = data_of(cli);
    rv_home_t old = {0}, home;
    bool found = false;
    int lock = -1;
    rv_status_t status = rv_home_read(data, &old, &found, err);
    if (status == RV_OK)
        status = wanted_home(cli, &old, found, &home, err);
    if (status == RV_OK)
        status = rv_home_lock(data, &lock, err);
    if (status == RV_OK && found && strcmp(old.endpoint, home.endpoint) != 0) {
        bool runs;
        status = coordinator_runs(data, &runs, err);
        if (runs)
            status = rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE,
                                "the cluster runs at %s; stop it to change that", old.endpoint);
    }
    if (status == RV_OK && found)
        status = place(cli, data, &home, err);
    if (status == RV_OK && (!found || memcmp(&old, &home, sizeof home) != 0))
        status = rv_home_write(data, &home, err);
    if (status == RV_OK)
        status = run_members(cli, data, &home, &lock, err);
    if (lock >= 0)
        close(lock);
    return status;
}

rv_status_t rv_run_down(rv_cli_t *cli, rv_error_t *err) {
    const char *data = data_of(cli);
    rv_home_t home;
    bool found;
    size_t stopped = 0;
    int lock = -1;
    rv_status_t status = rv_home_read(data, &home, &found, err);
    if (status == RV_OK && !found)
        status = rv_fail_as(err, RV_NOT_FOUND, RV_REASON_MISSING, "%s holds no cluster", data);
    if (status == RV_OK)
        status = rv_home_lock(data, &lock, err);
    if (status == RV_OK)
        status = rv_members_down(data, rv_args_flag(cli->args, "force"), &stopped, err);
    if (status == RV_OK && stopped)
        rv_note(cli, "stopped %zu processes", stopped);
    else if (status == RV_OK)
        rv_note(cli, "nothing runs in %s", data);
    if (lock >= 0)
        close(lock);
    return status;
}

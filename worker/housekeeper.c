/* housekeeper.c: one thread, woken by writes and calls, otherwise asleep without a timeout unless something is
 * unflushed.
 *
 * A partition is flushed when its tail is large (RV_TAIL_BYTES), when all tails together are (RV_TAIL_TOTAL: the
 * largest first), or when its oldest unflushed write is FLUSH_AGE_MS old; twice as old goes before large. After a flush
 * its runs are merged when there are too many and the log is trimmed. A partition that fails is out of service and
 * reported; the others go on. After a flush or compaction without room on the disk nothing of that kind is tried for
 * RETRY_MS, unless Maintain asks; a writer that has to wait for tails to shrink hears why instead. TRIM_MS after its
 * last work it gives the memory that the work took back to the system.
 */
#include "housekeeper.h"
#include "background.h"
#include "reveille/clock.h"
#include "reveille/heap.h"
#include "reveille/log.h"
#include "reveille/v1/worker.pb-c.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FLUSH_AGE_MS 30000
#define RETRY_MS 1000
#define TRIM_MS 1000         /* while writes come there is more work soon */
#define ERASE_AGE_MS 3600000 /* an erasure is physical after an hour at the latest, unless waited for */

typedef struct waiting {
    struct waiting *next;
    rvw_call_t *call;
} waiting_t;

struct rvw_housekeeper {
    rvw_holdings_t *holdings;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, room;
    bool stop;
    waiting_t *calls, **last_call;
    int64_t dirty_since[RV_MAX_PARTITIONS]; /* rv_mono_ms of the first unflushed write; 0: clean */
    int64_t erased_since[RV_MAX_PARTITIONS];
    size_t tails;       /* bytes of all tails at the last look */
    int64_t retry_at;   /* rv_mono_ms; nothing is flushed by itself before */
    rv_error_t no_room; /* the last flush's, when it was for a lack of room */
};

static size_t all_tails(rvw_holdings_t *holdings) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < rvw_holdings_bound(holdings); i++) {
        rvw_partition_t *partition = rvw_holdings_partition(holdings, i);
        bytes += partition ? rvw_partition_tail_bytes(partition) : 0;
    }
    return bytes;
}

/* The partition to flush next, or -1; *ret_wait is how long nothing needs to be done. Called with the lock. */
static int64_t next_flush(rvw_housekeeper_t *k, int64_t now, int64_t *ret_wait) {
    size_t largest = 0, total = 0;
    int64_t pick = -1, oldest = INT64_MAX, oldest_at = -1;
    for (uint32_t i = 0; i < rvw_holdings_bound(k->holdings); i++) {
        rvw_partition_t *partition = rvw_holdings_partition(k->holdings, i);
        if (!partition || rvw_partition_problem(partition) || !k->dirty_since[i])
            continue;
        size_t bytes = rvw_partition_tail_bytes(partition);
        total += bytes;
        if (bytes > largest) {
            largest = bytes;
            pick = i;
        }
        if (k->dirty_since[i] < oldest) {
            oldest = k->dirty_since[i];
            oldest_at = i;
        }
    }
    k->tails = total;
    if (now < k->retry_at) {
        *ret_wait = k->retry_at - now;
        return -1;
    }
    *ret_wait = oldest_at < 0 ? INT64_MAX : oldest + FLUSH_AGE_MS - now;
    bool late = *ret_wait <= -FLUSH_AGE_MS; /* large ones always came first: it holds back what the log may let go */
    if (!late && (largest >= RV_TAIL_BYTES || total >= RV_TAIL_TOTAL))
        return pick;
    return oldest_at >= 0 && *ret_wait <= 0 ? oldest_at : -1;
}

/* The partition whose erasures are due, or -1. Called with the lock. */
static int64_t next_erasure(rvw_housekeeper_t *k, int64_t now, int64_t *wait) {
    for (uint32_t i = 0; i < rvw_holdings_bound(k->holdings); i++) {
        rvw_partition_t *partition = rvw_holdings_partition(k->holdings, i);
        if (!partition || rvw_partition_problem(partition) || !rvw_partition_wants_compact(partition)) {
            k->erased_since[i] = 0;
            continue;
        }
        if (!k->erased_since[i])
            k->erased_since[i] = now;
        int64_t due = k->erased_since[i] + ERASE_AGE_MS - now;
        due = due > k->retry_at - now ? due : k->retry_at - now;
        if (due <= 0)
            return i;
        *wait = due < *wait ? due : *wait;
    }
    return -1;
}

/* Called without the lock. */
static void report_failure(rvw_housekeeper_t *k, rvw_partition_t *partition, uint32_t number, const char *what,
                           const rv_error_t *err) {
    rv_log(RV_LOG_ERROR, "partition-failed", "partition %u: %s: %s: %s", number, what, rv_status_name(err->status),
           err->message);
    if (!rvw_partition_problem(partition) && err->status != RV_RESOURCE_EXHAUSTED)
        rvw_partition_fail(partition, err);
    pthread_mutex_lock(&k->lock);
    k->retry_at = rv_mono_ms() + RETRY_MS;
    pthread_mutex_unlock(&k->lock);
}

/* Flushes one partition and lets the log go. Called without the lock. */
static rv_status_t flush_one(rvw_housekeeper_t *k, uint32_t number, rv_error_t *err) {
    rvw_partition_t *partition = rvw_holdings_partition(k->holdings, number);
    pthread_mutex_lock(&k->lock);
    k->dirty_since[number] = 0; /* writes from here on count anew */
    pthread_mutex_unlock(&k->lock);
    rv_status_t status = rvw_partition_flush(partition, err);
    if (status == RV_OK)
        status = rvw_partition_merge(partition, RV_MAX_RUNS, err);
    rv_error_t why;
    if (status == RV_OK && rvw_wal_trim(rvw_holdings_wal(k->holdings), number, rvw_partition_flushed_lsn(partition),
                                        &why) != RV_OK) /* the next flush tries again; the writer meets a failed log */
        rv_log(RV_LOG_WARN, "trim-failed", "partition %u: %s", number, why.message);
    pthread_mutex_lock(&k->lock);
    if (status != RV_OK && !k->dirty_since[number])
        k->dirty_since[number] = rv_mono_ms();
    k->tails = all_tails(k->holdings);
    k->no_room = status == RV_RESOURCE_EXHAUSTED ? *err : (rv_error_t){0};
    pthread_cond_broadcast(&k->room);
    pthread_mutex_unlock(&k->lock);
    if (status != RV_OK)
        report_failure(k, partition, number, "flush", err);
    return status;
}

/* *ret_before: bytes of the file with everything flushed, so that what was in memory does not count as growth. */
static rv_status_t compact_one(rvw_housekeeper_t *k, uint32_t number, uint64_t *ret_before, rv_error_t *err) {
    rvw_partition_t *partition = rvw_holdings_partition(k->holdings, number);
    rvw_partition_counts_t counts;
    rv_status_t status = flush_one(k, number, err);
    rvw_partition_counts(partition, &counts);
    *ret_before = counts.bytes;
    if (status == RV_OK)
        status = rvw_partition_merge(partition, 1, err);
    if (status == RV_OK)
        status = rvw_partition_compact(partition, err);
    if (status != RV_OK)
        report_failure(k, partition, number, "compact", err);
    return status;
}

static bool asked_for(const Reveille__V1__MaintainRequest *request, uint32_t number) {
    bool found = request->n_partitions == 0;
    for (size_t i = 0; i < request->n_partitions && !found; i++)
        found = request->partitions[i] == number;
    return found;
}

/* OK, or why a partition that was asked for is out of service. */
static rv_status_t check_service(rvw_housekeeper_t *k, uint32_t number, rv_error_t *err) {
    rvw_partition_t *partition = rvw_holdings_partition(k->holdings, number);
    const char *problem = partition ? rvw_partition_problem(partition) : rvw_holdings_problem(k->holdings, number);
    return problem ? rv_fail(err, RV_REASON_DAMAGED, "partition %u is out of service: %s", number, problem) : RV_OK;
}

/* Does what it can for every partition that was asked for; the first failure is the answer. */
static rv_status_t maintain_all(rvw_housekeeper_t *k, rvw_call_t *call, const Reveille__V1__MaintainRequest *request,
                                Reveille__V1__MaintainResponse *response, rv_error_t *err) {
    rv_status_t first = RV_OK;
    for (uint32_t i = 0; i < rvw_holdings_bound(k->holdings); i++) {
        rvw_partition_t *partition = rvw_holdings_partition(k->holdings, i);
        rvw_partition_counts_t counts;
        uint64_t before = 0;
        rv_error_t why;
        if (!asked_for(request, i))
            continue;
        if (rvw_call_stopped(call, &why) != RV_OK) {
            *err = why;
            return why.status;
        }
        rv_status_t status = check_service(k, i, &why);
        if (status == RV_OK && partition) {
            status = request->compact ? compact_one(k, i, &before, &why) : flush_one(k, i, &why);
            rvw_partition_counts(partition, &counts);
            response->bytes_before += request->compact ? before : counts.bytes;
            response->bytes_after += counts.bytes;
        }
        if (status != RV_OK && first == RV_OK) {
            first = status;
            *err = why;
        }
    }
    return first;
}

static rv_status_t maintain(rvw_housekeeper_t *k, rvw_call_t *call, Reveille__V1__MaintainResponse *response,
                            rv_error_t *err) {
    ProtobufCMessage *message;
    rv_status_t status = rvw_call_unpack(call, &reveille__v1__maintain_request__descriptor, &message, err);
    if (status != RV_OK)
        return status;
    const Reveille__V1__MaintainRequest *request = (const Reveille__V1__MaintainRequest *)message;
    status = maintain_all(k, call, request, response, err);
    if (status == RV_OK && request->compact)
        status = rvw_wal_compact(rvw_holdings_wal(k->holdings), err);
    if (status == RV_OK)
        status =
            rvw_holdings_report(k->holdings, request->n_partitions ? request->partitions : NULL, request->n_partitions,
                                rvw_call_arena(call), &response->partitions, &response->n_partitions, err);
    return status;
}

static void answer_maintain(rvw_housekeeper_t *k, rvw_call_t *call) {
    Reveille__V1__MaintainResponse response = REVEILLE__V1__MAINTAIN_RESPONSE__INIT;
    rv_error_t err = {0};
    maintain(k, call, &response, &err);
    rvw_call_reply(call, &response.base, false, &err);
    rvw_call_unref(&call);
}

static void sleep_for(rvw_housekeeper_t *k, int64_t ms) {
    if (ms > FLUSH_AGE_MS * 4) {
        pthread_cond_wait(&k->work, &k->lock);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ms = ms < 1 ? 1 : ms;
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&k->work, &k->lock, &until);
}

static void *run(void *context) {
    rvw_housekeeper_t *k = context;
    uint64_t before;
    rv_error_t err;
    rvw_run_in_background();
    int64_t trim_at = rv_mono_ms(); /* opening the directory took memory too; INT64_MAX: all has gone back */
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        int64_t wait, now = rv_mono_ms();
        int64_t flush = next_flush(k, now, &wait);
        int64_t erase = next_erasure(k, now, &wait);
        waiting_t *first = k->calls;
        if (first) {
            k->calls = first->next;
            if (!k->calls)
                k->last_call = &k->calls;
        } else if (flush < 0 && erase < 0 && now < trim_at) {
            sleep_for(k, wait < trim_at - now ? wait : trim_at - now);
            continue;
        }
        pthread_mutex_unlock(&k->lock);
        bool works = first || flush >= 0 || erase >= 0;
        if (!works) {
            rvw_slabs_trim(rvw_holdings_slabs(k->holdings));
            rv_heap_trim();
            trim_at = INT64_MAX;
        }
        if (flush >= 0)
            flush_one(k, (uint32_t)flush, &err);
        if (erase >= 0 && compact_one(k, (uint32_t)erase, &before, &err) == RV_OK &&
            rvw_wal_compact(rvw_holdings_wal(k->holdings), &err) != RV_OK)
            rv_log(RV_LOG_WARN, "compact-failed", "the log: %s", err.message);
        if (first)
            answer_maintain(k, first->call);
        free(first);
        trim_at = works ? rv_mono_ms() + TRIM_MS : trim_at;
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

rv_status_t rvw_housekeeper_new(rvw_holdings_t *holdings, rvw_housekeeper_t **ret, rv_error_t *err) {
    rvw_housekeeper_t *k = calloc(1, sizeof *k);
    if (!k)
        return rv_fail_memory(err, "the housekeeper");
    k->holdings = holdings;
    k->last_call = &k->calls;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->work, &clock);
    pthread_cond_init(&k->room, &clock);
    pthread_condattr_destroy(&clock);
    for (uint32_t i = 0; i < rvw_holdings_bound(holdings); i++) {
        rvw_partition_t *partition = rvw_holdings_partition(holdings, i);
        if (partition && rvw_partition_tail_bytes(partition)) /* what the log brought back */
            k->dirty_since[i] = rv_mono_ms();
    }
    int failed = pthread_create(&k->thread, NULL, run, k);
    if (failed) {
        free(k);
        return rv_fail(err, RV_REASON_BUG, "no thread: %s", strerror(failed));
    }
    *ret = k;
    return RV_OK;
}

void rvw_housekeeper_destroy(rvw_housekeeper_t **housekeeper) {
    rvw_housekeeper_t *k = *housekeeper;
    *housekeeper = NULL;
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_broadcast(&k->work);
    pthread_cond_broadcast(&k->room);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    for (waiting_t *waiting = k->calls; waiting;) {
        waiting_t *next = waiting->next;
        rvw_call_unref(&waiting->call);
        free(waiting);
        waiting = next;
    }
    pthread_cond_destroy(&k->work);
    pthread_cond_destroy(&k->room);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

void rvw_housekeeper_wrote(rvw_housekeeper_t *k, uint32_t partition) {
    rvw_partition_t *p = rvw_holdings_partition(k->holdings, partition);
    pthread_mutex_lock(&k->lock);
    bool first = !k->dirty_since[partition];
    if (first)
        k->dirty_since[partition] = rv_mono_ms();
    if (first || (p && rvw_partition_tail_bytes(p) >= RV_TAIL_BYTES))
        pthread_cond_signal(&k->work);
    pthread_mutex_unlock(&k->lock);
}

rv_status_t rvw_housekeeper_wait_for_room(rvw_housekeeper_t *k, rv_error_t *err) {
    const size_t most = 2 * (size_t)RV_TAIL_TOTAL;
    size_t tails = all_tails(k->holdings);
    pthread_mutex_lock(&k->lock);
    k->tails = tails;
    if (k->tails >= RV_TAIL_TOTAL)
        pthread_cond_signal(&k->work);
    while (k->tails > most && !k->stop && k->no_room.status == RV_OK)
        pthread_cond_wait(&k->room, &k->lock);
    rv_status_t status = k->tails > most ? k->no_room.status : RV_OK;
    if (status != RV_OK)
        *err = k->no_room;
    pthread_mutex_unlock(&k->lock);
    return status;
}

void rvw_housekeeper_maintain(rvw_housekeeper_t *k, rvw_call_t *call) {
    waiting_t *waiting = calloc(1, sizeof *waiting);
    if (!waiting) {
        rv_error_t err;
        rv_fail_memory(&err, "a call");
        rvw_call_reply(call, NULL, false, &err);
        rvw_call_unref(&call);
        return;
    }
    waiting->call = call;
    pthread_mutex_lock(&k->lock);
    *k->last_call = waiting;
    k->last_call = &waiting->next;
    pthread_cond_signal(&k->work);
    pthread_mutex_unlock(&k->lock);
}

rv_status_t rvw_holdings_flush(rvw_holdings_t *holdings, rv_error_t *err) {
    rv_status_t status = RV_OK;
    for (uint32_t i = 0; i < rvw_holdings_bound(holdings) && status == RV_OK; i++) {
        rvw_partition_t *partition = rvw_holdings_partition(holdings, i);
        if (rvw_holdings_problem(holdings, i))
            return rv_fail(err, RV_REASON_DAMAGED, "partition %u is out of service: %s", i,
                           rvw_holdings_problem(holdings, i));
        if (!partition)
            continue;
        status = rvw_partition_flush(partition, err);
        if (status == RV_OK)
            status = rvw_wal_trim(rvw_holdings_wal(holdings), i, rvw_partition_flushed_lsn(partition), err);
        if (status == RV_OK)
            status = rvw_partition_release(partition, true, err);
        if (status == RV_OK)
            status = rvw_wal_release(rvw_holdings_wal(holdings), i, err);
    }
    return status;
}

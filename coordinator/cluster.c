/* cluster.c: the map and its moves.
 *
 *   worker:    LOST ──register──▶ REGISTERED ──assigned──▶ SERVING
 *               ▲                   │    ▲                    │
 *               └─── lease lapses ──┴────┼── register again ──┘
 *
 *   partition: UNPLACED ──place, claim──▶ PENDING ──assigned──▶ AVAILABLE, or DAMAGED, or MISSING
 *              DOWN ──its worker registers──▶ PENDING           any but UNPLACED ──its worker is lost──▶ DOWN
 *
 * A worker says what it holds; the map says who should hold it. Truth about where a partition is: the directory it lies
 * in, so a claim of a live worker wins over an absent one, and never over a present one. Every change of owner takes a
 * new epoch. A partition that was created once is never created again: if nobody holds it, it is missing, and its data
 * are waited for. Invariant: AVAILABLE or PENDING only under a live worker.
 * No threads, no failure but those returned. */
#include "cluster.h"
#include "reveille/text.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rvc_cluster {
    uint8_t id[16];
    uint32_t n_partitions, n_workers;
    int64_t started;
    bool opened;
    rvc_partition_t *partitions;
    rvc_worker_t workers[RV_MAX_WORKERS];
};

#define U (1u << RVC_PARTITION_UNPLACED)
#define D (1u << RVC_PARTITION_DOWN)
#define P (1u << RVC_PARTITION_PENDING)
#define A (1u << RVC_PARTITION_AVAILABLE)
#define M (1u << RVC_PARTITION_MISSING)
#define X (1u << RVC_PARTITION_DAMAGED)
/* from -> states that may follow */
static const unsigned MOVES[] = {
    [RVC_PARTITION_UNPLACED] = U | P,
    [RVC_PARTITION_DOWN] = D | P,
    [RVC_PARTITION_PENDING] = P | A | M | X | D,
    [RVC_PARTITION_AVAILABLE] = A | P | X | D | M,
    [RVC_PARTITION_MISSING] = M | P | A | X | D,
    [RVC_PARTITION_DAMAGED] = X | P | A | M | D,
};
#undef U
#undef D
#undef P
#undef A
#undef M
#undef X

static void move(rvc_partition_t *partition, rvc_partition_state_t to) {
    assert(MOVES[partition->state] & (1u << to));
    partition->state = to;
    if (to != RVC_PARTITION_DAMAGED && to != RVC_PARTITION_MISSING)
        partition->problem[0] = 0;
}

static void note_problem(rvc_partition_t *partition, const char *text) {
    snprintf(partition->problem, sizeof partition->problem, "%s", text);
}

static bool alive(const rvc_cluster_t *cluster, uint32_t slot) {
    return slot != RVC_NOBODY && cluster->workers[slot].state != RVC_WORKER_LOST;
}

/* The slot of a name, made if there is room; RVC_NOBODY otherwise. */
static uint32_t slot_of(rvc_cluster_t *cluster, const char *name) {
    for (uint32_t i = 0; i < cluster->n_workers; i++)
        if (strcmp(cluster->workers[i].name, name) == 0)
            return i;
    if (cluster->n_workers == RV_MAX_WORKERS)
        return RVC_NOBODY;
    rvc_worker_t *worker = &cluster->workers[cluster->n_workers];
    snprintf(worker->name, sizeof worker->name, "%s", name);
    return cluster->n_workers++;
}

rvc_cluster_t *rvc_cluster_new(const uint8_t id[16], uint32_t partitions, const rvc_placement_t *map, int64_t now) {
    rvc_cluster_t *cluster = calloc(1, sizeof *cluster);
    if (!cluster)
        return NULL;
    cluster->partitions = calloc(partitions ? partitions : 1, sizeof *cluster->partitions);
    if (!cluster->partitions) {
        free(cluster);
        return NULL;
    }
    memcpy(cluster->id, id, 16);
    cluster->n_partitions = partitions;
    cluster->started = now;
    for (uint32_t p = 0; p < partitions; p++) {
        rvc_partition_t *partition = &cluster->partitions[p];
        partition->worker = map[p].worker[0] ? slot_of(cluster, map[p].worker) : RVC_NOBODY;
        partition->state = partition->worker == RVC_NOBODY ? RVC_PARTITION_UNPLACED : RVC_PARTITION_DOWN;
        partition->epoch = map[p].epoch;
        partition->created = map[p].created;
    }
    return cluster;
}

void rvc_cluster_destroy(rvc_cluster_t **cluster) {
    if (!*cluster)
        return;
    free((*cluster)->partitions);
    free(*cluster);
    *cluster = NULL;
}

void rvc_cluster_map(const rvc_cluster_t *cluster, rvc_placement_t *map) {
    for (uint32_t p = 0; p < cluster->n_partitions; p++) {
        const rvc_partition_t *partition = &cluster->partitions[p];
        map[p] = (rvc_placement_t){.epoch = partition->epoch, .created = partition->created};
        if (partition->worker != RVC_NOBODY)
            memcpy(map[p].worker, cluster->workers[partition->worker].name, sizeof map[p].worker);
    }
}

/* What a report says about a partition's data. */
static void take_report(rvc_partition_t *partition, const Reveille__V1__PartitionStatus *status) {
    if (status->lsn > partition->lsn)
        partition->lsn = status->lsn;
    partition->flushed_lsn = status->flushed_lsn;
    partition->contacts = status->contacts;
    partition->events = status->events;
    partition->runs = status->runs;
    partition->bytes = status->bytes;
}

/* A worker that registers says that it holds a partition. */
static void claim(rvc_cluster_t *cluster, uint32_t slot, uint32_t number, const Reveille__V1__PartitionReport *report,
                  rvc_registration_t *ret) {
    rvc_partition_t *partition = &cluster->partitions[number];
    bool taken = partition->worker != slot && alive(cluster, partition->worker);
    if (taken && (partition->held || !partition->created)) {
        if (!ret->conflicts++)
            ret->first_conflict = number;
        return;
    }
    if (partition->worker != slot || report->epoch > partition->epoch) {
        partition->epoch = (report->epoch > partition->epoch ? report->epoch : partition->epoch) + 1;
        ret->map_changed = true;
    }
    if (!partition->created)
        ret->map_changed = true;
    partition->worker = slot;
    partition->created = true;
    partition->held = true;
    take_report(partition, report->status);
    move(partition, RVC_PARTITION_PENDING);
}

static bool name_valid(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > RVC_MAX_WORKER_NAME)
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

/* A name stands for one data directory and one process at a time. A process that was killed and started again waits
 * for the end of the old lease: until then nobody knows that it is not the second one. */
static rv_status_t check_identity(const rvc_cluster_t *cluster, const Reveille__V1__RegisterWorkerRequest *request,
                                  uint32_t slot, rv_error_t *err) {
    const rvc_worker_t *worker = &cluster->workers[slot];
    if (alive(cluster, slot) && request->incarnation < worker->incarnation)
        return rv_fail(err, RV_REASON_FOREIGN, "another process is %s already, with a later start", request->name);
    uint32_t created = 0;
    for (uint32_t p = 0; p < cluster->n_partitions; p++)
        created += cluster->partitions[p].worker == slot && cluster->partitions[p].created;
    bool holds = created == 0;
    for (size_t i = 0; i < request->n_partitions && !holds; i++) {
        const Reveille__V1__PartitionStatus *status = request->partitions[i]->status;
        holds = status && status->partition < cluster->n_partitions &&
                cluster->partitions[status->partition].worker == slot;
    }
    if (!holds)
        return rv_fail(
            err, RV_REASON_FOREIGN,
            "%s holds %u partitions of this cluster, and there is none of them in the data directory that it "
            "comes with: start it with its own directory, or under another name",
            request->name, created);
    if (alive(cluster, slot) && request->incarnation != worker->incarnation)
        return rv_fail(err, RV_REASON_NOT_READY, "another process is %s already; its lease has not lapsed yet",
                       request->name);
    return RV_OK;
}

static rv_status_t check_registration(rvc_cluster_t *cluster, const Reveille__V1__RegisterWorkerRequest *request,
                                      uint32_t *ret_slot, rv_error_t *err) {
    if (!name_valid(request->name))
        return rv_fail(err, RV_REASON_FIELD,
                       "a worker's name is 1 to %u letters, digits, hyphens, underscores and dots",
                       RVC_MAX_WORKER_NAME);
    if (request->cluster_id.len &&
        (request->cluster_id.len != 16 || memcmp(request->cluster_id.data, cluster->id, 16) != 0))
        return rv_fail(err, RV_REASON_FOREIGN, "the data directory of %s belongs to another cluster", request->name);
    uint32_t slot = slot_of(cluster, request->name);
    if (slot == RVC_NOBODY)
        return rv_fail(err, RV_REASON_QUOTA, "a cluster has at most %u workers", RV_MAX_WORKERS);
    *ret_slot = slot;
    return check_identity(cluster, request, slot, err);
}

rv_status_t rvc_cluster_register(rvc_cluster_t *cluster, const Reveille__V1__RegisterWorkerRequest *request,
                                 int64_t now, rvc_registration_t *ret, rv_error_t *err) {
    rvc_registration_t result = {0};
    rv_status_t status = check_registration(cluster, request, &result.slot, err);
    if (status != RV_OK)
        return status;
    rvc_worker_t *worker = &cluster->workers[result.slot];
    worker->state = RVC_WORKER_REGISTERED;
    worker->incarnation = request->incarnation;
    worker->lease_until = now + RV_LEASE_MS;
    worker->respited = false;
    worker->catalog_version = 0;
    worker->refusal[0] = 0;
    for (uint32_t p = 0; p < cluster->n_partitions; p++)
        if (cluster->partitions[p].worker == result.slot) {
            cluster->partitions[p].held = false;
            move(&cluster->partitions[p], RVC_PARTITION_PENDING);
        }
    for (size_t i = 0; i < request->n_partitions; i++) {
        const Reveille__V1__PartitionReport *report = request->partitions[i];
        if (!report->status || report->status->partition >= cluster->n_partitions)
            result.unknown++;
        else
            claim(cluster, result.slot, report->status->partition, report, &result);
    }
    for (uint32_t p = 0; p < cluster->n_partitions; p++) {
        rvc_partition_t *partition = &cluster->partitions[p];
        if (partition->worker == result.slot && partition->created && !partition->held) {
            move(partition, RVC_PARTITION_MISSING);
            snprintf(partition->problem, sizeof partition->problem, "%s does not hold it", worker->name);
        }
    }
    *ret = result;
    return RV_OK;
}

/* A report of a partition by its own live worker: in or out of service. */
static bool settle(rvc_partition_t *partition, const Reveille__V1__PartitionStatus *status) {
    take_report(partition, status);
    if (!status->problem[0]) {
        move(partition, RVC_PARTITION_AVAILABLE);
        return true;
    }
    move(partition, RVC_PARTITION_DAMAGED);
    note_problem(partition, status->problem);
    return false;
}

bool rvc_cluster_ping(rvc_cluster_t *cluster, const Reveille__V1__PingRequest *request, int64_t now,
                      uint32_t *ret_damaged) {
    uint32_t slot = 0;
    while (slot < cluster->n_workers && strcmp(cluster->workers[slot].name, request->name) != 0)
        slot++;
    if (slot == cluster->n_workers || !alive(cluster, slot) ||
        cluster->workers[slot].incarnation != request->incarnation)
        return false;
    cluster->workers[slot].lease_until = now + RV_LEASE_MS;
    cluster->workers[slot].respited = false;
    uint32_t damaged = 0;
    for (size_t i = 0; i < request->n_partitions; i++) {
        const Reveille__V1__PartitionStatus *status = request->partitions[i]->status;
        if (!status || status->partition >= cluster->n_partitions)
            continue;
        rvc_partition_t *partition = &cluster->partitions[status->partition];
        bool serving = partition->state == RVC_PARTITION_AVAILABLE || partition->state == RVC_PARTITION_DAMAGED;
        if (partition->worker == slot && serving && !settle(partition, status))
            damaged++;
    }
    *ret_damaged = damaged;
    return true;
}

bool rvc_cluster_assigned(rvc_cluster_t *cluster, uint32_t slot, const Reveille__V1__AssignResponse *response,
                          uint64_t catalog_version) {
    bool changed = false;
    if (!alive(cluster, slot))
        return false;
    cluster->workers[slot].state = RVC_WORKER_SERVING;
    cluster->workers[slot].catalog_version = catalog_version;
    cluster->workers[slot].refusal[0] = 0;
    for (uint32_t p = 0; p < cluster->n_partitions; p++)
        if (cluster->partitions[p].worker == slot)
            cluster->partitions[p].held = false;
    for (size_t i = 0; i < response->n_partitions; i++) {
        const Reveille__V1__PartitionStatus *status = response->partitions[i]->status;
        if (!status || status->partition >= cluster->n_partitions)
            continue;
        rvc_partition_t *partition = &cluster->partitions[status->partition];
        if (partition->worker != slot)
            continue;
        partition->held = true;
        if (settle(partition, status) && !partition->created)
            partition->created = changed = true;
    }
    for (uint32_t p = 0; p < cluster->n_partitions; p++) {
        rvc_partition_t *partition = &cluster->partitions[p];
        if (partition->worker == slot && !partition->held) {
            move(partition, RVC_PARTITION_MISSING);
            snprintf(partition->problem, sizeof partition->problem, "%s does not hold it", cluster->workers[slot].name);
        }
    }
    return changed;
}

void rvc_cluster_refused(rvc_cluster_t *cluster, uint32_t slot, uint64_t catalog_version, const char *why) {
    rvc_worker_t *worker = &cluster->workers[slot];
    worker->refused_version = catalog_version;
    snprintf(worker->refusal, sizeof worker->refusal, "%s", why);
}

const char *rvc_cluster_pending(const rvc_worker_t *worker, char *text, size_t size) {
    if (worker->refusal[0])
        snprintf(text, size, "%s does not take its share: %s", worker->name, worker->refusal);
    else
        snprintf(text, size, "%s is starting", worker->name);
    return text;
}

uint32_t rvc_cluster_expire(rvc_cluster_t *cluster, int64_t now) {
    for (uint32_t slot = 0; slot < cluster->n_workers; slot++) {
        rvc_worker_t *worker = &cluster->workers[slot];
        if (!alive(cluster, slot) || worker->lease_until > now)
            continue;
        if (now - worker->lease_until > (int64_t)RV_PING_MS && !worker->respited) {
            worker->lease_until = now + 2 * (int64_t)RV_PING_MS;
            worker->respited = true;
            continue;
        }
        worker->state = RVC_WORKER_LOST;
        for (uint32_t p = 0; p < cluster->n_partitions; p++)
            if (cluster->partitions[p].worker == slot) {
                cluster->partitions[p].held = false;
                move(&cluster->partitions[p], RVC_PARTITION_DOWN);
            }
        return slot;
    }
    return RVC_NOBODY;
}

int64_t rvc_cluster_next_expiry(const rvc_cluster_t *cluster) {
    int64_t next = INT64_MAX;
    for (uint32_t slot = 0; slot < cluster->n_workers; slot++)
        if (alive(cluster, slot) && cluster->workers[slot].lease_until < next)
            next = cluster->workers[slot].lease_until;
    return next;
}

/* worker-2 before worker-10. */
static bool name_before(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    return n != m ? n < m : strcmp(a, b) < 0;
}

bool rvc_cluster_place(rvc_cluster_t *cluster, uint32_t wanted) {
    uint32_t order[RV_MAX_WORKERS], n = 0;
    for (uint32_t p = 0; p < cluster->n_partitions; p++)
        if (cluster->partitions[p].state != RVC_PARTITION_UNPLACED)
            return false;
    for (uint32_t slot = 0; slot < cluster->n_workers; slot++) {
        if (!alive(cluster, slot))
            continue;
        uint32_t i = n++;
        for (; i && name_before(cluster->workers[slot].name, cluster->workers[order[i - 1]].name); i--)
            order[i] = order[i - 1];
        order[i] = slot;
    }
    if (n == 0 || n < wanted)
        return false;
    for (uint32_t p = 0; p < cluster->n_partitions; p++) {
        cluster->partitions[p].worker = order[p % n];
        cluster->partitions[p].epoch = 1;
        move(&cluster->partitions[p], RVC_PARTITION_PENDING);
    }
    return true;
}

void rvc_cluster_acked(rvc_cluster_t *cluster, uint32_t partition, uint64_t lsn) {
    if (partition < cluster->n_partitions && lsn > cluster->partitions[partition].lsn)
        cluster->partitions[partition].lsn = lsn;
}

uint32_t rvc_cluster_partitions(const rvc_cluster_t *cluster) {
    return cluster->n_partitions;
}

const rvc_partition_t *rvc_cluster_partition(const rvc_cluster_t *cluster, uint32_t partition) {
    return &cluster->partitions[partition];
}

uint32_t rvc_cluster_workers(const rvc_cluster_t *cluster) {
    return cluster->n_workers;
}

const rvc_worker_t *rvc_cluster_worker(const rvc_cluster_t *cluster, uint32_t slot) {
    return &cluster->workers[slot];
}

bool rvc_cluster_ready(const rvc_cluster_t *cluster) {
    for (uint32_t p = 0; p < cluster->n_partitions; p++)
        if (cluster->partitions[p].state != RVC_PARTITION_AVAILABLE)
            return false;
    return true;
}

bool rvc_cluster_open(rvc_cluster_t *cluster, bool resuming, int64_t now) {
    if (cluster->opened)
        return true;
    bool placed = cluster->n_partitions && cluster->partitions[0].state != RVC_PARTITION_UNPLACED;
    bool known = true;
    for (uint32_t p = 0; p < cluster->n_partitions; p++)
        known = known && cluster->partitions[p].created;
    bool waited = placed && known && now - cluster->started > 2 * (int64_t)RV_LEASE_MS;
    cluster->opened = waited || (!resuming && rvc_cluster_ready(cluster));
    return cluster->opened;
}

static const char *reason_of(const rvc_cluster_t *cluster, const rvc_partition_t *partition, char *text, size_t size) {
    const char *name = partition->worker == RVC_NOBODY ? "" : cluster->workers[partition->worker].name;
    switch (partition->state) {
    case RVC_PARTITION_UNPLACED:
        return "no worker holds them yet";
    case RVC_PARTITION_DOWN:
        snprintf(text, size, "%s does not answer", name);
        return text;
    case RVC_PARTITION_PENDING:
        return rvc_cluster_pending(&cluster->workers[partition->worker], text, size);
    case RVC_PARTITION_MISSING:
        snprintf(text, size, "%s does not hold them", name);
        return text;
    case RVC_PARTITION_DAMAGED:
        snprintf(text, size, "%s: %s", name, partition->problem);
        return text;
    case RVC_PARTITION_AVAILABLE:
        break;
    }
    return "they did not answer";
}

rv_status_t rvc_cluster_missing(const rvc_cluster_t *cluster, const uint32_t *partitions, size_t n, const char *why,
                                rv_error_t *err) {
    char list[128] = "", text[256];
    size_t used = 0;
    size_t shown = n < 8 ? n : 8;
    for (size_t i = 0; i < shown; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%u", i ? ", " : "", partitions[i]);
    if (!why)
        why = n ? reason_of(cluster, &cluster->partitions[partitions[0]], text, sizeof text) : "";
    rv_fail(err, RV_REASON_INCOMPLETE, "partition%s %s%s (%zu of %u) %s not available: %.250s", n == 1 ? "" : "s", list,
            shown < n ? " .." : "", n, cluster->n_partitions, n == 1 ? "is" : "are", why);
    if (err)
        err->retry_after_ms = 500;
    return RV_UNAVAILABLE;
}

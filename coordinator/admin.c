/* admin.c: what the cluster is, and its housekeeping. Status and health are answered from what is known, always, also
 * while the cluster starts. Thread: the actor's. */
#include "admin.h"
#include "fanout.h"
#include "imports.h"
#include "maintain.h"
#include "reveille/uuid.h"
#include "reveille/v1/cluster.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RV_VERSION
#define RV_VERSION "0"
#endif
#define MAX_LISTED 1000u
#define COMPACT_MS RV_MAX_TIMEOUT_MS

static void fail_memory(rvc_call_t *call) {
    rv_error_t err;
    rv_fail_memory(&err, "an answer");
    rvc_call_fail(call, &err);
}

static bool ready(const rvc_core_t *core) {
    return rvc_cluster_ready(core->cluster) && !rvc_fanout_resuming(core->fanout);
}

/* Why a partition is not available. */
static const char *problem_of(const rvc_core_t *core, const rvc_partition_t *partition, char *text, size_t size) {
    const char *name =
        partition->worker == RVC_NOBODY ? "" : rvc_cluster_worker(core->cluster, partition->worker)->name;
    switch (partition->state) {
    case RVC_PARTITION_AVAILABLE:
        return "";
    case RVC_PARTITION_UNPLACED:
        return "no worker holds it yet";
    case RVC_PARTITION_DOWN:
        snprintf(text, size, "%s does not answer", name);
        return text;
    case RVC_PARTITION_PENDING:
        return rvc_cluster_pending(rvc_cluster_worker(core->cluster, partition->worker), text, size);
    case RVC_PARTITION_MISSING:
    case RVC_PARTITION_DAMAGED:
        return partition->problem;
    }
    return "";
}

/* Nothing is amiss, it only takes its time. */
static bool starting(const rvc_core_t *core, const rvc_partition_t *partition) {
    return partition->state == RVC_PARTITION_UNPLACED ||
           (partition->state == RVC_PARTITION_PENDING &&
            !rvc_cluster_worker(core->cluster, partition->worker)->refusal[0]);
}

static Reveille__V1__PartitionStatus *describe(const rvc_core_t *core, uint32_t number, rv_arena_t *arena) {
    const rvc_partition_t *partition = rvc_cluster_partition(core->cluster, number);
    Reveille__V1__PartitionStatus *status = rv_arena_alloc(arena, sizeof *status);
    char text[256];
    const char *problem = problem_of(core, partition, text, sizeof text);
    char *copy = rv_arena_strndup(arena, problem, strlen(problem));
    if (!status || !copy)
        return NULL;
    reveille__v1__partition_status__init(status);
    status->partition = number;
    if (partition->worker != RVC_NOBODY)
        status->worker = (char *)(uintptr_t)rvc_cluster_worker(core->cluster, partition->worker)->name;
    status->available = partition->state == RVC_PARTITION_AVAILABLE;
    status->starting = starting(core, partition);
    status->epoch = partition->epoch;
    status->lsn = partition->lsn;
    status->flushed_lsn = partition->flushed_lsn;
    status->contacts = partition->contacts;
    status->events = partition->events;
    status->runs = partition->runs;
    status->bytes = partition->bytes;
    status->problem = copy;
    return status;
}

static Reveille__V1__WorkerStatus *describe_worker(const rvc_core_t *core, uint32_t slot, rv_arena_t *arena) {
    const rvc_worker_t *worker = rvc_cluster_worker(core->cluster, slot);
    Reveille__V1__WorkerStatus *status = rv_arena_alloc(arena, sizeof *status);
    if (!status)
        return NULL;
    reveille__v1__worker_status__init(status);
    status->name = (char *)(uintptr_t)worker->name;
    status->alive = worker->state != RVC_WORKER_LOST;
    status->incarnation = worker->incarnation;
    for (uint32_t p = 0; p < rvc_cluster_partitions(core->cluster); p++)
        status->partitions += rvc_cluster_partition(core->cluster, p)->worker == slot;
    return status;
}

/* worker-2 before worker-10. */
static int by_name(const void *a, const void *b) {
    const char *x = (*(Reveille__V1__WorkerStatus *const *)a)->name,
               *y = (*(Reveille__V1__WorkerStatus *const *)b)->name;
    size_t n = strlen(x), m = strlen(y);
    return n != m ? (n < m ? -1 : 1) : strcmp(x, y);
}

void rvc_cluster_status(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    const rvc_core_t *core = context;
    rv_arena_t *arena = rvc_call_arena(call);
    const rvc_identity_t *identity = rvc_meta_identity(core->meta);
    uint32_t partitions = rvc_cluster_partitions(core->cluster), workers = rvc_cluster_workers(core->cluster);
    char id[33];
    (void)request;
    Reveille__V1__StatusResponse reply = REVEILLE__V1__STATUS_RESPONSE__INIT;
    reply.partitions = rv_arena_zalloc(arena, partitions + 1, sizeof *reply.partitions);
    reply.workers = rv_arena_zalloc(arena, workers + 1, sizeof *reply.workers);
    bool ok = reply.partitions && reply.workers;
    for (uint32_t p = 0; ok && p < partitions; p++)
        ok = (reply.partitions[reply.n_partitions++] = describe(core, p, arena)) != NULL;
    for (uint32_t slot = 0; ok && slot < workers; slot++) {
        Reveille__V1__WorkerStatus *worker = describe_worker(core, slot, arena);
        ok = worker != NULL;
        if (ok && (worker->alive || worker->partitions)) /* others are only names in an older map */
            reply.workers[reply.n_workers++] = worker;
    }
    if (!ok) {
        fail_memory(call);
        return;
    }
    qsort(reply.workers, reply.n_workers, sizeof *reply.workers, by_name);
    rv_uuid_hex(identity->cluster_id, id);
    reply.cluster_id = id;
    reply.ready = ready(core);
    reply.schema_version = rv_catalog_schema_version(core->catalog);
    reply.replicas = 1;
    reply.version = (char *)(uintptr_t)RV_VERSION;
    rvc_call_reply(call, &reply.base, false);
}

void rvc_health_check(void *context, rvc_call_t *call, const ProtobufCMessage *base) {
    const Reveille__V1__CheckRequest *request = (const Reveille__V1__CheckRequest *)base;
    const rvc_core_t *core = context;
    Reveille__V1__CheckResponse reply = REVEILLE__V1__CHECK_RESPONSE__INIT;
    if (request->service[0]) {
        rv_error_t err;
        rv_fail(&err, RV_REASON_MISSING, "there is no service '%.128s' with a health of its own: ask for \"\"",
                request->service);
        rvc_call_fail(call, &err);
        return;
    }
    reply.status = ready(core) ? REVEILLE__V1__CHECK_RESPONSE__SERVING_STATUS__SERVING_STATUS_SERVING
                               : REVEILLE__V1__CHECK_RESPONSE__SERVING_STATUS__SERVING_STATUS_NOT_SERVING;
    rvc_call_reply(call, &reply.base, false);
}

typedef struct {
    rvc_call_t *call;
    rvc_maintain_t *maintain;
} compact_t;

static void on_stop(void *job) {
    compact_t *compact = job;
    rvc_maintain_forget(&compact->maintain);
    free(compact);
}

static const rvc_job_ops_t JOB = {.stop = on_stop};

static void on_compacted(void *owner, const rvc_maintained_t *result) {
    compact_t *compact = owner;
    rvc_call_t *call = compact->call;
    free(compact);
    if (result->error.status != RV_OK) {
        rvc_call_fail(call, &result->error);
        return;
    }
    Reveille__V1__CompactResponse reply = REVEILLE__V1__COMPACT_RESPONSE__INIT;
    reply.bytes_before = result->bytes_before;
    reply.bytes_after = result->bytes_after;
    rvc_call_reply(call, &reply.base, false);
}

/* Nobody waits for the end of this one. */
static void on_unwatched(void *owner, const rvc_maintained_t *result) {
    (void)owner;
    (void)result;
}

static void begin_compact(rvc_core_t *core, rvc_call_t *call) {
    rv_error_t err;
    rvc_maintain_t *unwatched;
    Reveille__V1__CompactResponse reply = REVEILLE__V1__COMPACT_RESPONSE__INIT;
    int64_t deadline = rvc_timers_now(core->timers) + COMPACT_MS;
    if (rvc_maintain_start(core, NULL, 0, deadline, on_unwatched, NULL, &unwatched, &err) != RV_OK) {
        rvc_call_fail(call, &err);
        return;
    }
    for (uint32_t p = 0; p < rvc_cluster_partitions(core->cluster); p++)
        reply.bytes_before += rvc_cluster_partition(core->cluster, p)->bytes;
    rvc_call_reply(call, &reply.base, false);
}

void rvc_cluster_compact(void *context, rvc_call_t *call, const ProtobufCMessage *base) {
    const Reveille__V1__CompactRequest *request = (const Reveille__V1__CompactRequest *)base;
    rvc_core_t *core = context;
    rv_error_t err;
    if (!request->wait) {
        begin_compact(core, call);
        return;
    }
    compact_t *compact = calloc(1, sizeof *compact);
    if (!compact) {
        fail_memory(call);
        return;
    }
    compact->call = call;
    if (rvc_maintain_start(core, NULL, 0, rvc_call_deadline(call), on_compacted, compact, &compact->maintain, &err) !=
        RV_OK) {
        free(compact);
        rvc_call_fail(call, &err);
        return;
    }
    rvc_call_attach(call, &JOB, compact);
}

void rvc_cluster_imports(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    const rvc_core_t *core = context;
    rv_arena_t *arena = rvc_call_arena(call);
    size_t n;
    (void)request;
    const rvc_import_record_t *records = rvc_imports_list(core->imports, &n);
    size_t shown = n < MAX_LISTED ? n : MAX_LISTED;
    Reveille__V1__ListImportsResponse reply = REVEILLE__V1__LIST_IMPORTS_RESPONSE__INIT;
    Reveille__V1__ImportInfo *infos = rv_arena_zalloc(arena, shown + 1, sizeof *infos);
    Reveille__V1__ImportProgress *progress = rv_arena_zalloc(arena, shown + 1, sizeof *progress);
    reply.imports = rv_arena_zalloc(arena, shown + 1, sizeof *reply.imports);
    if (!infos || !progress || !reply.imports) {
        fail_memory(call);
        return;
    }
    for (size_t i = 0; i < shown; i++) {
        const rvc_import_record_t *record = &records[n - 1 - i];
        reveille__v1__import_info__init(&infos[i]);
        reveille__v1__import_progress__init(&progress[i]);
        progress[i].import_id = record->id;
        progress[i].acknowledged_offset = record->offset;
        infos[i].progress = &progress[i];
        infos[i].name = (char *)(uintptr_t)record->name;
        infos[i].what = (char *)(uintptr_t)(record->what == RVC_IMPORT_CONTACTS ? "contacts" : "events");
        infos[i].started_ms = record->started_ms;
        reply.imports[reply.n_imports++] = &infos[i];
    }
    rvc_call_reply(call, &reply.base, false);
}

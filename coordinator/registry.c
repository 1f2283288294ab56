/* registry.c: from a worker's first word to its share.
 *
 *   RegisterWorker ─▶ cluster.h decides ─▶ map stored, if it changed ─▶ Assign (share and catalog)
 *                                                    partitions available ◀─ confirmed ◀─┘
 *   Ping ─▶ lease renewed
 *   lease lapsed ─▶ worker lost: its tasks fail, its partitions are down
 *   catalog changed ─▶ Assign again
 *
 * At most one Assign is under way for each worker; what comes up meanwhile makes it due once more. An Assign that fails
 * or gets no answer is repeated. A new cluster assigns nothing before it has been placed. Thread: the actor's.
 * Failure: a map that cannot be stored holds all Assigns back and is tried again. */
#include "registry.h"
#include "reveille/hash.h"
#include "reveille/log.h"
#include "reveille/wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 1000
#define ASSIGN_MS 10000
#define BUDGET (8u << 20)

typedef struct {
    rvc_registry_t *registry;
    uint32_t slot;
    rvc_task_t *task;
    uint64_t sent_version;
    bool due;
    rvc_timer_t timer; /* repeats an Assign that failed or got no answer */
} share_t;

struct rvc_registry {
    rvc_core_t *core;
    rvc_port_t port;
    rvc_registry_changed_t *changed;
    void *context;
    share_t *shares[RV_MAX_WORKERS];
    bool map_dirty, was_ready;
    uint64_t refusal; /* hash of the last one in the log: workers try again and again */
    rvc_timer_t lease, store;
};

static void check_leases(void *owner, int64_t now);

rv_status_t rvc_registry_new(rvc_core_t *core, const rvc_port_t *port, rvc_registry_changed_t *changed, void *context,
                             rvc_registry_t **ret, rv_error_t *err) {
    rvc_registry_t *registry = calloc(1, sizeof *registry);
    if (!registry)
        return rv_fail_memory(err, "the registry");
    registry->core = core;
    registry->port = *port;
    registry->changed = changed;
    registry->context = context;
    *ret = registry;
    return RV_OK;
}

void rvc_registry_destroy(rvc_registry_t **registry) {
    if (!*registry)
        return;
    rvc_core_t *core = (*registry)->core;
    for (uint32_t i = 0; i < RV_MAX_WORKERS; i++) {
        share_t *share = (*registry)->shares[i];
        if (!share)
            continue;
        rvc_link_cancel(core->link, &share->task, false);
        rvc_timer_clear(core->timers, &share->timer);
        free(share);
    }
    rvc_timer_clear(core->timers, &(*registry)->lease);
    rvc_timer_clear(core->timers, &(*registry)->store);
    free(*registry);
    *registry = NULL;
}

bool rvc_registry_confirmed(const rvc_registry_t *registry, uint64_t catalog_version) {
    const rvc_cluster_t *cluster = registry->core->cluster;
    for (uint32_t slot = 0; slot < rvc_cluster_workers(cluster); slot++) {
        const rvc_worker_t *worker = rvc_cluster_worker(cluster, slot);
        if (worker->state == RVC_WORKER_SERVING && worker->catalog_version < catalog_version)
            return false;
    }
    return true;
}

const rvc_worker_t *rvc_registry_refused(const rvc_registry_t *registry, uint64_t catalog_version) {
    const rvc_cluster_t *cluster = registry->core->cluster;
    for (uint32_t slot = 0; slot < rvc_cluster_workers(cluster); slot++) {
        const rvc_worker_t *worker = rvc_cluster_worker(cluster, slot);
        if (worker->state == RVC_WORKER_SERVING && worker->refusal[0] && worker->refused_version >= catalog_version)
            return worker;
    }
    return NULL;
}

static void assign_due(rvc_registry_t *registry);

static void store_again(void *owner, int64_t now) {
    (void)now;
    assign_due(owner);
}

/* The map is on disk. */
static bool map_stored(rvc_registry_t *registry) {
    rvc_core_t *core = registry->core;
    rvc_placement_t map[RV_MAX_PARTITIONS];
    rv_error_t err;
    if (!registry->map_dirty)
        return true;
    rvc_cluster_map(core->cluster, map);
    if (rvc_meta_save_map(core->meta, map, &err) == RV_OK) {
        registry->map_dirty = false;
        return true;
    }
    rv_log(RV_LOG_ERROR, "map-not-stored", "%s", err.message);
    rvc_timer_set(core->timers, &registry->store, rvc_timers_now(core->timers) + AGAIN_MS, store_again, registry);
    return false;
}

static bool placed(const rvc_core_t *core) {
    return rvc_cluster_partition(core->cluster, 0)->state != RVC_PARTITION_UNPLACED;
}

static void send_share(share_t *share);

static void again(void *owner, int64_t now) {
    share_t *share = owner;
    (void)now;
    rvc_link_cancel(share->registry->core->link, &share->task, false);
    send_share(share);
}

static void report_ready(rvc_registry_t *registry) {
    bool ready = rvc_cluster_ready(registry->core->cluster);
    if (ready && !registry->was_ready)
        rv_log(RV_LOG_INFO, "cluster-ready", "all %u partitions are available",
               rvc_cluster_partitions(registry->core->cluster));
    registry->was_ready = ready;
}

static void on_assigned(void *owner, const uint8_t *body, size_t n, bool more) {
    share_t *share = owner;
    rvc_registry_t *registry = share->registry;
    rvc_core_t *core = registry->core;
    ProtobufCMessage *message = NULL;
    rv_arena_t arena;
    rv_error_t err;
    (void)more;
    share->task = NULL;
    rvc_timer_clear(core->timers, &share->timer);
    rv_arena_init(&arena, BUDGET);
    if (rv_wire_unpack(&reveille__v1__assign_response__descriptor, body, n, &arena, &message, &err) == RV_OK) {
        if (rvc_cluster_assigned(core->cluster, share->slot, (const Reveille__V1__AssignResponse *)message,
                                 share->sent_version))
            registry->map_dirty = true;
        map_stored(registry);
    } else {
        rv_log(RV_LOG_ERROR, "assign-answer", "%s: %s", rvc_cluster_worker(core->cluster, share->slot)->name,
               err.message);
        share->due = true;
    }
    rv_arena_done(&arena);
    report_ready(registry);
    if (share->due)
        send_share(share);
    registry->changed(registry->context);
}

static void on_failed(void *owner, const rv_error_t *err) {
    share_t *share = owner;
    rvc_core_t *core = share->registry->core;
    share->task = NULL;
    rv_log(RV_LOG_WARN, "assign-failed", "%s did not take its share: %s",
           rvc_cluster_worker(core->cluster, share->slot)->name, err->message);
    rvc_cluster_refused(core->cluster, share->slot, share->sent_version, err->message);
    rvc_timer_set(core->timers, &share->timer, rvc_timers_now(core->timers) + AGAIN_MS, again, share);
    share->registry->changed(share->registry->context);
}

static const rvc_task_ops_t TASK = {on_assigned, on_failed};

/* The partitions of a worker, without those that it has said it does not hold. */
static size_t list_share(const rvc_core_t *core, uint32_t slot, Reveille__V1__AssignedPartition *items,
                         Reveille__V1__AssignedPartition **list) {
    size_t n = 0;
    for (uint32_t p = 0; p < rvc_cluster_partitions(core->cluster); p++) {
        const rvc_partition_t *partition = rvc_cluster_partition(core->cluster, p);
        if (partition->worker != slot || partition->state == RVC_PARTITION_MISSING)
            continue;
        reveille__v1__assigned_partition__init(&items[n]);
        items[n].partition = p;
        items[n].epoch = partition->epoch;
        items[n].create = !partition->created;
        list[n] = &items[n];
        n++;
    }
    return n;
}

static void send_share(share_t *share) {
    rvc_core_t *core = share->registry->core;
    share->due = true;
    if (share->task || !placed(core) || rvc_cluster_worker(core->cluster, share->slot)->state == RVC_WORKER_LOST)
        return;
    if (!map_stored(share->registry))
        return;
    Reveille__V1__AssignedPartition items[RV_MAX_PARTITIONS], *list[RV_MAX_PARTITIONS];
    Reveille__V1__AssignRequest request = REVEILLE__V1__ASSIGN_REQUEST__INIT;
    const rvc_identity_t *identity = rvc_meta_identity(core->meta);
    rv_error_t err;
    request.cluster_id.data = (uint8_t *)(uintptr_t)identity->cluster_id;
    request.cluster_id.len = sizeof identity->cluster_id;
    request.term = identity->term;
    request.partition_count = identity->partitions;
    request.chunk_rows = identity->chunk_rows;
    request.n_partitions = list_share(core, share->slot, items, list);
    request.partitions = list;
    request.catalog = (Reveille__V1__Catalog *)(uintptr_t)rv_catalog_message(core->catalog);
    share->sent_version = rv_catalog_version(core->catalog);
    share->due = false;
    int64_t now = rvc_timers_now(core->timers);
    rvc_timer_set(core->timers, &share->timer, now + ASSIGN_MS, again, share);
    if (rvc_link_send(core->link, share->slot, "reveille.v1.WorkerService/Assign", &request.base, now + ASSIGN_MS,
                      &TASK, share, &share->task, &err) == RV_OK)
        return;
    rv_log(RV_LOG_ERROR, "assign-failed", "%s: %s", rvc_cluster_worker(core->cluster, share->slot)->name, err.message);
    rvc_timer_set(core->timers, &share->timer, now + AGAIN_MS, again, share);
}

static void assign_due(rvc_registry_t *registry) {
    for (uint32_t i = 0; i < RV_MAX_WORKERS; i++)
        if (registry->shares[i] && registry->shares[i]->due)
            send_share(registry->shares[i]);
}

static void all_are_due(rvc_registry_t *registry) {
    for (uint32_t i = 0; i < RV_MAX_WORKERS; i++)
        if (registry->shares[i])
            registry->shares[i]->due = true;
}

void rvc_registry_push(rvc_registry_t *registry) {
    all_are_due(registry);
    assign_due(registry);
}

static void set_lease_timer(rvc_registry_t *registry) {
    int64_t next = rvc_cluster_next_expiry(registry->core->cluster);
    if (next != INT64_MAX)
        rvc_timer_set(registry->core->timers, &registry->lease, next, check_leases, registry);
}

static void check_leases(void *owner, int64_t now) {
    rvc_registry_t *registry = owner;
    rvc_core_t *core = registry->core;
    uint32_t slot;
    bool any = false;
    while ((slot = rvc_cluster_expire(core->cluster, now)) != RVC_NOBODY) {
        any = true;
        rv_log(RV_LOG_WARN, "worker-lost", "%s does not answer: its partitions are not available",
               rvc_cluster_worker(core->cluster, slot)->name);
        registry->was_ready = false;
        rvc_link_down(core->link, slot);
        if (registry->shares[slot])
            rvc_timer_clear(core->timers, &registry->shares[slot]->timer);
    }
    set_lease_timer(registry);
    if (any)
        registry->changed(registry->context);
}

static share_t *share_of(rvc_registry_t *registry, uint32_t slot) {
    if (!registry->shares[slot]) {
        share_t *share = calloc(1, sizeof *share);
        if (share) {
            share->registry = registry;
            share->slot = slot;
        }
        registry->shares[slot] = share;
    }
    return registry->shares[slot];
}

static void log_registration(const rvc_core_t *core, const rvc_registration_t *registration) {
    const char *name = rvc_cluster_worker(core->cluster, registration->slot)->name;
    if (registration->conflicts) {
        const rvc_partition_t *partition = rvc_cluster_partition(core->cluster, registration->first_conflict);
        rv_log(RV_LOG_ERROR, "partition-conflict",
               "%s holds %u partitions, %u among them, that another live worker (%s) holds: refused", name,
               registration->conflicts, registration->first_conflict,
               rvc_cluster_worker(core->cluster, partition->worker)->name);
    }
    if (registration->unknown)
        rv_log(RV_LOG_ERROR, "partition-unknown", "%s holds %u partitions that this cluster does not have", name,
               registration->unknown);
    rv_log(RV_LOG_INFO, "worker-registered", "%s has registered", name);
}

static void log_refusal(rvc_registry_t *registry, const rv_error_t *err) {
    uint64_t hash = rv_hash(err->message, strlen(err->message));
    if (hash != registry->refusal)
        rv_log(RV_LOG_ERROR, "worker-refused", "a worker was refused: %s", err->message);
    registry->refusal = hash;
}

/* Takes a registration; the reply is in *ret. */
static rv_status_t take_registration(rvc_registry_t *registry, const Reveille__V1__RegisterWorkerRequest *request,
                                     Reveille__V1__RegisterWorkerResponse *ret, rv_error_t *err) {
    rvc_core_t *core = registry->core;
    rvc_registration_t registration;
    int64_t now = rvc_timers_now(core->timers);
    rv_status_t status = rvc_cluster_register(core->cluster, request, now, &registration, err);
    if (status != RV_OK) {
        log_refusal(registry, err);
        return status;
    }
    share_t *share = share_of(registry, registration.slot);
    if (!share)
        return rv_fail_memory(err, "a worker");
    status = rvc_link_up(core->link, registration.slot, request->name, request->routing_id.data,
                         request->routing_id.len, err);
    if (status != RV_OK)
        return status;
    log_registration(core, &registration);
    registry->refusal = 0;
    registry->map_dirty = registry->map_dirty || registration.map_changed;
    set_lease_timer(registry);
    const rvc_identity_t *identity = rvc_meta_identity(core->meta);
    ret->cluster_id.data = (uint8_t *)(uintptr_t)identity->cluster_id;
    ret->cluster_id.len = sizeof identity->cluster_id;
    ret->term = identity->term;
    if (rvc_cluster_place(core->cluster, core->workers_wanted)) {
        registry->map_dirty = true;
        rv_log(RV_LOG_INFO, "cluster-placed", "%u partitions are placed", rvc_cluster_partitions(core->cluster));
    }
    share->due = true;
    if (registry->map_dirty)
        all_are_due(registry); /* a claim may have taken something from another worker */
    return RV_OK;
}

static void take_ping(rvc_registry_t *registry, const Reveille__V1__PingRequest *request,
                      Reveille__V1__PingResponse *ret) {
    rvc_core_t *core = registry->core;
    uint32_t damaged = 0;
    ret->term = rvc_meta_identity(core->meta)->term;
    ret->must_register = !rvc_cluster_ping(core->cluster, request, rvc_timers_now(core->timers), &damaged);
    if (damaged)
        rv_log(RV_LOG_ERROR, "partition-damaged", "%s has %u partitions out of service", request->name, damaged);
}

static void reply(rvc_registry_t *registry, const rv_frames_t *frames, const Reveille__V1__RequestHeader *request,
                  const rv_error_t *err, const ProtobufCMessage *message) {
    Reveille__V1__ReplyHeader header = REVEILLE__V1__REPLY_HEADER__INIT;
    Reveille__V1__Status status;
    Reveille__V1__ErrorDetail detail, *details[1];
    rv_wire_status(err, &status, &detail, details);
    header.status = &status;
    header.seq = 1;
    if (request)
        header.request_id = request->request_id;
    rvc_message_t out = {.routing = frames->routing, .routing_n = frames->routing_n};
    uint8_t *header_bytes = NULL, *body = NULL;
    if (rv_wire_pack(&header.base, &header_bytes, &out.header_n) == RV_OK &&
        (!message || rv_wire_pack(message, &body, &out.body_n) == RV_OK)) {
        out.header = header_bytes;
        out.body = body;
        registry->port.send(registry->port.context, &out); /* lost: the worker pings again */
    }
    free(header_bytes);
    free(body);
}

static void call(rvc_registry_t *registry, const rv_frames_t *frames, const Reveille__V1__RequestHeader *header,
                 rv_arena_t *arena) {
    rv_error_t err = {.status = RV_OK};
    ProtobufCMessage *message = NULL;
    Reveille__V1__RegisterWorkerResponse registered = REVEILLE__V1__REGISTER_WORKER_RESPONSE__INIT;
    Reveille__V1__PingResponse pinged = REVEILLE__V1__PING_RESPONSE__INIT;
    bool registers = strcmp(header->method, "reveille.v1.RegistryService/RegisterWorker") == 0;
    if (!registers && strcmp(header->method, "reveille.v1.RegistryService/Ping") != 0) {
        rv_fail(&err, RV_REASON_METHOD, "unknown method '%.200s'", header->method);
        reply(registry, frames, header, &err, NULL);
        return;
    }
    const ProtobufCMessageDescriptor *type =
        registers ? &reveille__v1__register_worker_request__descriptor : &reveille__v1__ping_request__descriptor;
    rv_status_t status = rv_wire_unpack(type, frames->body, frames->body_n, arena, &message, &err);
    if (status == RV_OK && registers)
        status = take_registration(registry, (const Reveille__V1__RegisterWorkerRequest *)message, &registered, &err);
    else if (status == RV_OK)
        take_ping(registry, (const Reveille__V1__PingRequest *)message, &pinged);
    reply(registry, frames, header, status == RV_OK ? NULL : &err,
          status != RV_OK ? NULL : (registers ? &registered.base : &pinged.base));
    if (status == RV_OK && registers)
        assign_due(registry);
}

void rvc_registry_receive(rvc_registry_t *registry, const uint8_t *const *data, const size_t *size, size_t count) {
    rv_frames_t frames;
    ProtobufCMessage *message = NULL;
    rv_error_t err;
    rv_arena_t arena;
    rv_arena_init(&arena, BUDGET);
    if (rv_wire_split(data, size, count, true, &frames, &err) != RV_OK) {
        frames = (rv_frames_t){.routing = count ? data[0] : NULL, .routing_n = count ? size[0] : 0};
        if (frames.routing_n)
            reply(registry, &frames, NULL, &err, NULL);
    } else if (rv_wire_unpack(&reveille__v1__request_header__descriptor, frames.header, frames.header_n, &arena,
                              &message, &err) != RV_OK) {
        reply(registry, &frames, NULL, &err, NULL);
    } else {
        call(registry, &frames, (const Reveille__V1__RequestHeader *)message, &arena);
    }
    rv_arena_done(&arena);
}

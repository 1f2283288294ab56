/* node.c: makes one of each room and ties them together.
 *
 *   clients ═▶ gateway ─▶ calls ─▶ handlers (methods.c) ─▶ plan, query, write, catalog … ─▶ link ═▶ workers
 *   workers' control ═▶ registry ─▶ cluster, meta                    timers: every deadline of all of them
 *
 * Thread: whoever calls. Failure: opening fails as a whole; afterwards each room answers for itself. */
#include "node.h"
#include "catalog.h"
#include "core.h"
#include "fanout.h"
#include "gateway.h"
#include "imports.h"
#include "methods.h"
#include "registry.h"
#include "reveille/log.h"
#include "reveille/uuid.h"
#include <stdlib.h>
#include <string.h>

struct rvc_node {
    rvc_core_t core;
    rvc_gateway_t *gateway;
};

static rv_status_t gate(void *context, rv_error_t *err) {
    rvc_core_t *core = context;
    bool resuming = rvc_fanout_resuming(core->fanout);
    if (rvc_cluster_open(core->cluster, resuming, rvc_timers_now(core->timers)))
        return RV_OK;
    uint32_t n = rvc_cluster_partitions(core->cluster), available = 0;
    for (uint32_t p = 0; p < n; p++)
        available += rvc_cluster_partition(core->cluster, p)->state == RVC_PARTITION_AVAILABLE;
    rv_fail(err, RV_REASON_NOT_READY, "the cluster is starting: %u of %u partitions are available%s", available, n,
            resuming ? ", interrupted updates of companies are being completed" : "");
    if (err)
        err->retry_after_ms = 200;
    return RV_UNAVAILABLE;
}

static void on_changed(void *context) {
    rvc_core_t *core = context;
    rvc_definitions_confirmed(core->definitions);
    rvc_fanout_changed(core->fanout);
}

static rv_status_t open_cluster(rvc_core_t *core, const rvc_node_options_t *options, int64_t now, rv_error_t *err) {
    rv_status_t status = rvc_meta_open(options->data_dir, options->partitions, options->chunk_rows, &core->meta, err);
    if (status != RV_OK)
        return status;
    const rvc_identity_t *identity = rvc_meta_identity(core->meta);
    rvc_placement_t *map = calloc(identity->partitions, sizeof *map);
    status = map ? rvc_meta_load_map(core->meta, map, err) : rv_fail_memory(err, "the map");
    if (status == RV_OK && !(core->cluster = rvc_cluster_new(identity->cluster_id, identity->partitions, map, now)))
        status = rv_fail_memory(err, "the cluster");
    free(map);
    if (status != RV_OK)
        return status;
    char id[33];
    rv_uuid_hex(identity->cluster_id, id);
    rv_log(RV_LOG_INFO, "cluster-opened", "cluster %s, term %llu, %u partitions, chunks of %u rows", id,
           (unsigned long long)identity->term, identity->partitions, identity->chunk_rows);
    return RV_OK;
}

static rv_status_t open_rooms(rvc_node_t *node, const rvc_node_options_t *options, rv_error_t *err) {
    rvc_core_t *core = &node->core;
    core->link = rvc_link_new(core->timers, &options->data);
    core->calls = rvc_calls_new(core->timers, &options->clients);
    node->gateway = core->calls ? rvc_gateway_new(core->calls, rvc_methods, gate, core) : NULL;
    if (!core->link || !node->gateway)
        return rv_fail_memory(err, "the coordinator");
    rv_status_t status = rvc_registry_new(core, &options->control, on_changed, core, &core->registry, err);
    if (status == RV_OK)
        status = rvc_imports_new(core, &core->imports, err);
    if (status == RV_OK)
        status = rvc_fanout_new(core, &core->fanout, err);
    if (status == RV_OK)
        status = rvc_definitions_new(core, &core->definitions, err);
    return status;
}

rv_status_t rvc_node_new(const rvc_node_options_t *options, int64_t now, rvc_node_t **ret, rv_error_t *err) {
    rvc_node_t *node = calloc(1, sizeof *node);
    if (!node)
        return rv_fail_memory(err, "the coordinator");
    node->core.wall_ms = options->wall_ms;
    node->core.workers_wanted = options->workers;
    node->core.timers = rvc_timers_new();
    rv_status_t status = node->core.timers ? RV_OK : rv_fail_memory(err, "the coordinator");
    if (status == RV_OK) {
        rvc_timers_run(node->core.timers, now);
        status = open_cluster(&node->core, options, now, err);
    }
    if (status == RV_OK)
        status = open_rooms(node, options, err);
    if (status != RV_OK) {
        rvc_node_destroy(&node);
        return status;
    }
    *ret = node;
    return RV_OK;
}

void rvc_node_cluster_id(const rvc_node_t *node, char out[33]) {
    rv_uuid_hex(rvc_meta_identity(node->core.meta)->cluster_id, out);
}

void rvc_node_destroy(rvc_node_t **node) {
    if (!*node)
        return;
    rvc_core_t *core = &(*node)->core;
    rvc_gateway_destroy(&(*node)->gateway);
    rvc_calls_destroy(&core->calls); /* jobs let go of definitions, imports, notes and tasks */
    rvc_definitions_destroy(&core->definitions);
    rvc_fanout_destroy(&core->fanout);
    rvc_imports_destroy(&core->imports);
    rvc_registry_destroy(&core->registry);
    rvc_link_destroy(&core->link);
    rvc_cluster_destroy(&core->cluster);
    rvc_meta_close(&core->meta);
    rvc_timers_destroy(&core->timers);
    free(*node);
    *node = NULL;
}

void rvc_node_receive(rvc_node_t *node, rvc_from_t from, const uint8_t *const *data, const size_t *size, size_t count) {
    switch (from) {
    case RVC_FROM_CLIENT:
        rvc_gateway_receive(node->gateway, data, size, count);
        return;
    case RVC_FROM_WORKER_DATA:
        rvc_link_receive(node->core.link, data, size, count);
        return;
    case RVC_FROM_WORKER_CONTROL:
        rvc_registry_receive(node->core.registry, data, size, count);
        return;
    }
}

void rvc_node_lost(rvc_node_t *node, const uint8_t *routing, size_t n) {
    rvc_calls_lost(node->core.calls, routing, n);
}

void rvc_node_wake(rvc_node_t *node, int64_t now) {
    rvc_timers_run(node->core.timers, now);
}

int64_t rvc_node_next(const rvc_node_t *node) {
    return rvc_timers_next(node->core.timers);
}

void rvc_node_drain(rvc_node_t *node) {
    rvc_gateway_close(node->gateway);
    rvc_calls_drain(node->core.calls);
}

bool rvc_node_idle(const rvc_node_t *node) {
    return rvc_calls_stats(node->core.calls)->open == 0;
}

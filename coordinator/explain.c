/* explain.c: see explain.h. Messages of workers are copied into an arena, by packing and unpacking, and hang in one
 * message from then on. All partitions of a cluster with all nodes take less than half of the arena. Failure: no
 * memory. */
#include "explain.h"
#include "reveille/clock.h"
#include "reveille/limits.h"
#include "reveille/wire.h"
#include <stdlib.h>
#include <string.h>

struct rvc_explain {
    rv_arena_t arena;
    Reveille__V1__Explain message;
    int64_t sent; /* ns of the clock */
    Reveille__V1__ExplainWorker *workers[RV_MAX_WORKERS];
    Reveille__V1__ExplainPartition *partitions[RV_MAX_PARTITIONS];
};

rv_status_t rvc_explain_new(int64_t plan_ns, rvc_explain_t **ret, rv_error_t *err) {
    rvc_explain_t *explain = calloc(1, sizeof *explain);
    if (!explain)
        return rv_fail_memory(err, "an explanation");
    rv_arena_init(&explain->arena, RV_MAX_UNPACK);
    reveille__v1__explain__init(&explain->message);
    explain->message.plan_ns = (uint64_t)plan_ns;
    explain->message.workers = explain->workers;
    explain->message.partitions = explain->partitions;
    explain->sent = rv_mono_ns();
    *ret = explain;
    return RV_OK;
}

void rvc_explain_destroy(rvc_explain_t **explain) {
    if (*explain)
        rv_arena_done(&(*explain)->arena);
    free(*explain);
    *explain = NULL;
}

static rv_status_t wrong(const char *worker, rv_error_t *err) {
    return rv_fail(err, RV_REASON_BUG, "the explanation of worker %s does not fit the request", worker);
}

static rv_status_t copy(rvc_explain_t *explain, const Reveille__V1__Explain *message, Reveille__V1__Explain **ret,
                        rv_error_t *err) {
    uint8_t *bytes;
    size_t n;
    ProtobufCMessage *copied;
    if (rv_wire_pack(&message->base, &bytes, &n) != RV_OK)
        return rv_fail_memory(err, "an explanation");
    rv_status_t status = rv_wire_unpack(&reveille__v1__explain__descriptor, bytes, n, &explain->arena, &copied, err);
    free(bytes);
    if (status == RV_OK)
        *ret = (Reveille__V1__Explain *)copied;
    return status;
}

/* Nodes of the first worker are taken over, those of the others are added to them. */
static bool join_nodes(Reveille__V1__Explain *into, Reveille__V1__Explain *from) {
    if (!into->n_nodes) {
        into->n_nodes = from->n_nodes;
        into->nodes = from->nodes;
        into->total = from->total;
        into->nodes_left_out = from->nodes_left_out;
        return true;
    }
    if (into->n_nodes != from->n_nodes)
        return false;
    for (size_t i = 0; i < into->n_nodes; i++)
        rv_counters_add(into->nodes[i]->total, from->nodes[i]->total);
    rv_counters_add(into->total, from->total);
    return true;
}

rv_status_t rvc_explain_add(rvc_explain_t *explain, const char *worker, const Reveille__V1__Explain *message,
                            rv_error_t *err) {
    if (!explain)
        return RV_OK;
    Reveille__V1__Explain *into = &explain->message, *from;
    if (!message || !rv_explain_whole(message) || message->n_workers != 1 || into->n_workers == RV_MAX_WORKERS ||
        message->n_partitions > RV_MAX_PARTITIONS - into->n_partitions)
        return wrong(worker, err);
    rv_status_t status = copy(explain, message, &from, err);
    if (status != RV_OK)
        return status;
    if (!join_nodes(into, from))
        return wrong(worker, err);
    into->wait_ns = (uint64_t)(rv_mono_ns() - explain->sent);
    from->workers[0]->answer_ns = into->wait_ns;
    from->workers[0]->name = rv_arena_strndup(&explain->arena, worker, strlen(worker));
    if (!from->workers[0]->name)
        return rv_fail_memory(err, "an explanation");
    for (size_t i = 0; i < from->n_partitions; i++) {
        from->partitions[i]->worker = (uint32_t)into->n_workers;
        explain->partitions[into->n_partitions++] = from->partitions[i];
    }
    explain->workers[into->n_workers++] = from->workers[0];
    return RV_OK;
}

int64_t rvc_explain_now(const rvc_explain_t *explain) {
    return explain ? rv_mono_ns() : 0;
}

void rvc_explain_merged(rvc_explain_t *explain, int64_t start) {
    if (explain)
        explain->message.merge_ns += (uint64_t)(rv_mono_ns() - start);
}

Reveille__V1__Explain *rvc_explain_message(rvc_explain_t *explain) {
    if (!explain)
        return NULL;
    rv_explain_cut(&explain->message);
    return &explain->message;
}

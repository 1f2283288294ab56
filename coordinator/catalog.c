/* catalog.c: changes of the catalog, one after the other.
 *
 *   request ─▶ define.h: the next catalog ─▶ stored ─▶ current ─▶ pushed to workers ─▶ all live ones confirmed ─▶ reply
 *
 * The current catalog changes as soon as it is stored: whoever asks next sees it. Callers wait in a list until the
 * workers have it; a caller whose time runs out, or who hears that a worker refused it (no room on its disk), is not
 * told that it was undone, for it was not: the registry goes on trying. Thread: the actor's. Failure: what cannot be
 * stored does not change anything. */
#include "catalog.h"
#include "define.h"
#include "plan.h"
#include "registry.h"
#include "reveille/v1/schema.pb-c.h"
#include "reveille/v1/score.pb-c.h"
#include "reveille/v1/segment.pb-c.h"
#include "reveille/wire.h"
#include <stdlib.h>
#include <string.h>

#define BUDGET (64u << 20)
#define CATALOG_BYTES (RV_MAX_BODY - (64u << 10)) /* goes to workers, and to clients, in one message */

/* A caller that waits until all workers have its version. */
typedef struct waiter {
    rvc_definitions_t *definitions;
    struct waiter *next;
    rvc_call_t *call;
    uint64_t version;
    const ProtobufCMessage *reply; /* in the call's arena */
} waiter_t;

struct rvc_definitions {
    rvc_core_t *core;
    waiter_t *waiters;
};

rv_status_t rvc_definitions_new(rvc_core_t *core, rvc_definitions_t **ret, rv_error_t *err) {
    rvc_definitions_t *definitions = calloc(1, sizeof *definitions);
    Reveille__V1__Catalog *message = NULL;
    rv_arena_t arena;
    rv_arena_init(&arena, BUDGET);
    rv_status_t status =
        definitions ? rvc_meta_load_catalog(core->meta, &arena, &message, err) : rv_fail_memory(err, "the catalog");
    if (status == RV_OK && message)
        status = rv_catalog_new(message, &core->catalog, err);
    else if (status == RV_OK && !(core->catalog = rv_catalog_empty()))
        status = rv_fail_memory(err, "the catalog");
    rv_arena_done(&arena);
    if (status != RV_OK) {
        free(definitions);
        return status;
    }
    definitions->core = core;
    *ret = definitions;
    return RV_OK;
}

static void forget(rvc_definitions_t *definitions, waiter_t *waiter) {
    waiter_t **link = &definitions->waiters;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    free(waiter);
}

void rvc_definitions_destroy(rvc_definitions_t **definitions) {
    if (!*definitions)
        return;
    while ((*definitions)->waiters)
        forget(*definitions, (*definitions)->waiters);
    rv_catalog_unref(&(*definitions)->core->catalog);
    free(*definitions);
    *definitions = NULL;
}

static void on_stop(void *job) {
    waiter_t *waiter = job;
    forget(waiter->definitions, waiter);
}

static const rvc_job_ops_t JOB = {.stop = on_stop};

static void not_taken(rvc_call_t *call, const rvc_worker_t *worker) {
    rv_error_t err;
    rv_fail(&err, RV_REASON_NOT_READY, "the change is stored, but %s has not taken it over yet: %s", worker->name,
            worker->refusal);
    rvc_call_fail(call, &err);
}

void rvc_definitions_confirmed(rvc_definitions_t *definitions) {
    const rvc_registry_t *registry = definitions->core->registry;
    waiter_t *waiter = definitions->waiters;
    while (waiter) {
        bool confirmed = rvc_registry_confirmed(registry, waiter->version);
        const rvc_worker_t *refused = confirmed ? NULL : rvc_registry_refused(registry, waiter->version);
        if (!confirmed && !refused) {
            waiter = waiter->next;
            continue;
        }
        rvc_call_t *call = waiter->call;
        const ProtobufCMessage *reply = waiter->reply;
        forget(definitions, waiter);
        if (confirmed)
            rvc_call_reply(call, reply, false);
        else
            not_taken(call, refused);
        waiter = definitions->waiters;
    }
}

static rv_status_t install(rvc_core_t *core, const Reveille__V1__Catalog *message, rv_error_t *err) {
    rv_catalog_t *catalog = NULL;
    size_t n = protobuf_c_message_get_packed_size(&message->base);
    if (n > CATALOG_BYTES)
        return rv_fail(err, RV_REASON_QUOTA, "schema, segments and scores would take %zu bytes, at most %u are allowed",
                       n, CATALOG_BYTES);
    rv_status_t status = rv_catalog_new(message, &catalog, err);
    if (status == RV_OK)
        status = rvc_meta_save_catalog(core->meta, message, err);
    if (status != RV_OK) {
        if (catalog)
            rv_catalog_unref(&catalog);
        return status;
    }
    rv_catalog_unref(&core->catalog);
    core->catalog = catalog;
    return RV_OK;
}

/* Makes the catalog the current one and answers when the workers have it. `reply` and all that it points to lie in the
 * call's arena. */
static void change(rvc_core_t *core, rvc_call_t *call, const Reveille__V1__Catalog *message,
                   const ProtobufCMessage *reply) {
    rv_error_t err;
    rvc_definitions_t *definitions = core->definitions;
    waiter_t *waiter = calloc(1, sizeof *waiter);
    rv_status_t status = waiter ? install(core, message, &err) : rv_fail_memory(&err, "a change");
    if (status != RV_OK) {
        free(waiter);
        rvc_call_fail(call, &err);
        return;
    }
    *waiter = (waiter_t){definitions, definitions->waiters, call, message->version, reply};
    definitions->waiters = waiter;
    rvc_call_attach(call, &JOB, waiter);
    rvc_registry_push(core->registry);
    rvc_definitions_confirmed(definitions);
}

/* A copy of a message in the call's arena: the current catalog may go before the reply is sent. */
static void *keep(rvc_call_t *call, const ProtobufCMessage *message) {
    uint8_t *bytes = NULL;
    size_t n = 0;
    if (rv_wire_pack(message, &bytes, &n) != RV_OK)
        return NULL;
    void *copy = protobuf_c_message_unpack(message->descriptor, &rvc_call_arena(call)->protobuf, n, bytes);
    free(bytes);
    return copy;
}

static void fail_memory(rvc_call_t *call) {
    rv_error_t err;
    rv_fail_memory(&err, "an answer");
    rvc_call_fail(call, &err);
}

void rvc_schema_apply(void *context, rvc_call_t *call, const ProtobufCMessage *base) {
    const Reveille__V1__ApplyRequest *request = (const Reveille__V1__ApplyRequest *)base;
    rvc_core_t *core = context;
    Reveille__V1__Catalog *next;
    bool changed;
    rv_error_t err;
    rv_status_t status = request->schema ? RV_OK : rv_fail(&err, RV_REASON_FIELD, "the request has no schema");
    if (status == RV_OK)
        status = rvc_define_schema(core->catalog, request->schema, request->scores, request->n_scores, request->force,
                                   core->wall_ms(), rvc_call_arena(call), &next, &changed, &err);
    if (status != RV_OK) {
        rvc_call_fail(call, &err);
        return;
    }
    Reveille__V1__ApplyResponse *reply = rv_arena_alloc(rvc_call_arena(call), sizeof *reply);
    if (!reply || !next->schema) {
        fail_memory(call);
        return;
    }
    reveille__v1__apply_response__init(reply);
    reply->changed = changed;
    reply->schema = keep(call, &next->schema->base);
    if (!reply->schema)
        fail_memory(call);
    else if (changed)
        change(core, call, next, &reply->base);
    else
        rvc_call_reply(call, &reply->base, false);
}

void rvc_schema_get(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    rvc_core_t *core = context;
    (void)request;
    Reveille__V1__SchemaServiceGetResponse reply = REVEILLE__V1__SCHEMA_SERVICE_GET_RESPONSE__INIT;
    Reveille__V1__Schema none = REVEILLE__V1__SCHEMA__INIT;
    reply.schema = rv_catalog_message(core->catalog)->schema;
    reply.schema = reply.schema ? reply.schema : &none;
    rvc_call_reply(call, &reply.base, false);
}

void rvc_segment_save(void *context, rvc_call_t *call, const ProtobufCMessage *base) {
    const Reveille__V1__SaveRequest *request = (const Reveille__V1__SaveRequest *)base;
    rvc_core_t *core = context;
    Reveille__V1__Catalog *next;
    Reveille__V1__Segment *defined;
    bool changed;
    rv_error_t err;
    rv_status_t status = request->segment ? RV_OK : rv_fail(&err, RV_REASON_FIELD, "the request has no segment");
    if (status == RV_OK)
        status = rvc_need_schema(core->catalog, &err);
    if (status == RV_OK)
        status = rvc_define_segment(core->catalog, request->segment, core->wall_ms(), rvc_call_arena(call), &next,
                                    &defined, &changed, &err);
    if (status != RV_OK) {
        rvc_call_fail(call, &err);
        return;
    }
    Reveille__V1__SaveResponse *reply = rv_arena_alloc(rvc_call_arena(call), sizeof *reply);
    if (!reply) {
        fail_memory(call);
        return;
    }
    reveille__v1__save_response__init(reply);
    reply->segment = defined;
    if (changed)
        change(core, call, next, &reply->base);
    else
        rvc_call_reply(call, &reply->base, false);
}

void rvc_segment_get(void *context, rvc_call_t *call, const ProtobufCMessage *base) {
    const Reveille__V1__SegmentServiceGetRequest *request = (const Reveille__V1__SegmentServiceGetRequest *)base;
    rvc_core_t *core = context;
    rv_error_t err;
    const Reveille__V1__Segment *segment = rv_catalog_segment(core->catalog, request->name, strlen(request->name));
    if (!segment) {
        rvc_no_segment(core->catalog, request->name, &err);
        rvc_call_fail(call, &err);
        return;
    }
    Reveille__V1__SegmentServiceGetResponse reply = REVEILLE__V1__SEGMENT_SERVICE_GET_RESPONSE__INIT;
    reply.segment = (Reveille__V1__Segment *)(uintptr_t)segment;
    rvc_call_reply(call, &reply.base, false);
}

static int by_segment(const void *a, const void *b) {
    return strcmp((*(Reveille__V1__Segment *const *)a)->name, (*(Reveille__V1__Segment *const *)b)->name);
}

static int by_score(const void *a, const void *b) {
    return strcmp((*(Reveille__V1__ScoreModel *const *)a)->name, (*(Reveille__V1__ScoreModel *const *)b)->name);
}

void rvc_segment_list(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    rvc_core_t *core = context;
    (void)request;
    const Reveille__V1__Catalog *message = rv_catalog_message(core->catalog);
    Reveille__V1__SegmentServiceListResponse reply = REVEILLE__V1__SEGMENT_SERVICE_LIST_RESPONSE__INIT;
    reply.n_segments = message->n_segments;
    reply.segments = rv_arena_zalloc(rvc_call_arena(call), message->n_segments + 1, sizeof *reply.segments);
    if (!reply.segments) {
        fail_memory(call);
        return;
    }
    for (size_t i = 0; i < message->n_segments; i++)
        reply.segments[i] = message->segments[i];
    if (reply.n_segments)
        qsort(reply.segments, reply.n_segments, sizeof *reply.segments, by_segment);
    rvc_call_reply(call, &reply.base, false);
}

void rvc_segment_delete(void *context, rvc_call_t *call, const ProtobufCMessage *base) {
    const Reveille__V1__SegmentServiceDeleteRequest *request = (const Reveille__V1__SegmentServiceDeleteRequest *)base;
    rvc_core_t *core = context;
    Reveille__V1__Catalog *next;
    rv_error_t err;
    if (rvc_define_without_segment(core->catalog, request->name, rvc_call_arena(call), &next, &err) != RV_OK) {
        rvc_call_fail(call, &err);
        return;
    }
    Reveille__V1__SegmentServiceDeleteResponse *reply = rv_arena_alloc(rvc_call_arena(call), sizeof *reply);
    if (!reply) {
        fail_memory(call);
        return;
    }
    reveille__v1__segment_service_delete_response__init(reply);
    change(core, call, next, &reply->base);
}

void rvc_score_define(void *context, rvc_call_t *call, const ProtobufCMessage *base) {
    const Reveille__V1__DefineRequest *request = (const Reveille__V1__DefineRequest *)base;
    rvc_core_t *core = context;
    Reveille__V1__Catalog *next;
    Reveille__V1__ScoreModel *defined;
    bool changed;
    rv_error_t err;
    rv_status_t status = request->model ? RV_OK : rv_fail(&err, RV_REASON_FIELD, "the request has no model");
    if (status == RV_OK)
        status = rvc_define_score(core->catalog, request->model, rvc_call_arena(call), &next, &defined, &changed, &err);
    if (status != RV_OK) {
        rvc_call_fail(call, &err);
        return;
    }
    Reveille__V1__DefineResponse *reply = rv_arena_alloc(rvc_call_arena(call), sizeof *reply);
    if (!reply) {
        fail_memory(call);
        return;
    }
    reveille__v1__define_response__init(reply);
    reply->model = defined;
    if (changed)
        change(core, call, next, &reply->base);
    else
        rvc_call_reply(call, &reply->base, false);
}

void rvc_score_get(void *context, rvc_call_t *call, const ProtobufCMessage *base) {
    const Reveille__V1__ScoreServiceGetRequest *request = (const Reveille__V1__ScoreServiceGetRequest *)base;
    rvc_core_t *core = context;
    rv_error_t err;
    const Reveille__V1__ScoreModel *model = rv_catalog_score(core->catalog, request->name, strlen(request->name));
    if (!model) {
        rvc_no_score(core->catalog, request->name, &err);
        rvc_call_fail(call, &err);
        return;
    }
    Reveille__V1__ScoreServiceGetResponse reply = REVEILLE__V1__SCORE_SERVICE_GET_RESPONSE__INIT;
    reply.model = (Reveille__V1__ScoreModel *)(uintptr_t)model;
    rvc_call_reply(call, &reply.base, false);
}

void rvc_score_list(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    rvc_core_t *core = context;
    (void)request;
    const Reveille__V1__Catalog *message = rv_catalog_message(core->catalog);
    Reveille__V1__ScoreServiceListResponse reply = REVEILLE__V1__SCORE_SERVICE_LIST_RESPONSE__INIT;
    reply.n_models = message->n_scores;
    reply.models = rv_arena_zalloc(rvc_call_arena(call), message->n_scores + 1, sizeof *reply.models);
    if (!reply.models) {
        fail_memory(call);
        return;
    }
    for (size_t i = 0; i < message->n_scores; i++)
        reply.models[i] = message->scores[i];
    if (reply.n_models)
        qsort(reply.models, reply.n_models, sizeof *reply.models, by_score);
    rvc_call_reply(call, &reply.base, false);
}

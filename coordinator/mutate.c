/* mutate.c: unary writes.
 *
 *   request ─▶ check, split, send (compose.h) ─▶ results of all partitions ─▶ reply
 *                            a deletion with `wait`:      └─▶ housekeeping ─▶ reply
 *
 * The reply is OK as soon as one partition took its part: the result says what became of each. When none did the call
 * fails, so that it can be repeated as it is. A deletion by source or import concerns every partition and fails as a
 * whole when one of them fails: its repetition is harmless. Thread: the actor's. */
#include "mutate.h"
#include "compose.h"
#include "imports.h"
#include "maintain.h"
#include "plan.h"
#include "reveille/v1/contact.pb-c.h"
#include "reveille/v1/event.pb-c.h"
#include <stdlib.h>

typedef enum { CONTACT_UPSERT, CONTACT_DELETE, EVENT_APPEND, EVENT_DELETE } kind_t;

typedef struct {
    rvc_core_t *core;
    rvc_call_t *call;
    kind_t kind;
    bool whole; /* every partition must take it */
    bool wait;  /* CONTACT_DELETE: compact afterwards */
    rvc_write_t *write;
    rvc_maintain_t *maintain;
} mutation_t;

static void mutation_free(mutation_t *mutation) {
    rvc_maintain_forget(&mutation->maintain);
    rvc_write_destroy(&mutation->write);
    free(mutation);
}

static void on_stop(void *job) {
    mutation_free(job);
}

static const rvc_job_ops_t JOB = {.stop = on_stop};

static void fail(mutation_t *mutation, const rv_error_t *err) {
    rvc_call_t *call = mutation->call;
    rv_error_t copy = *err;
    mutation_free(mutation);
    rvc_call_fail(call, &copy);
}

static void reply(mutation_t *mutation) {
    union {
        Reveille__V1__ContactServiceUpsertResponse upsert;
        Reveille__V1__ContactServiceDeleteResponse erase;
        Reveille__V1__AppendResponse append;
        Reveille__V1__EventServiceDeleteResponse remove;
    } message;
    const ProtobufCMessage *base = NULL;
    Reveille__V1__WriteResult *result = rvc_write_result(mutation->write, true);
    if (!result) {
        rv_error_t err;
        rv_fail_memory(&err, "an answer");
        fail(mutation, &err);
        return;
    }
    switch (mutation->kind) {
    case CONTACT_UPSERT:
        reveille__v1__contact_service_upsert_response__init(&message.upsert);
        message.upsert.result = result;
        base = &message.upsert.base;
        break;
    case CONTACT_DELETE:
        reveille__v1__contact_service_delete_response__init(&message.erase);
        message.erase.result = result;
        base = &message.erase.base;
        break;
    case EVENT_APPEND:
        reveille__v1__append_response__init(&message.append);
        message.append.result = result;
        base = &message.append.base;
        break;
    case EVENT_DELETE:
        reveille__v1__event_service_delete_response__init(&message.remove);
        message.remove.result = result;
        base = &message.remove.base;
        break;
    }
    rvc_call_reply(mutation->call, base, false);
    mutation_free(mutation);
}

static void on_maintained(void *owner, const rvc_maintained_t *result) {
    mutation_t *mutation = owner;
    mutation->maintain = NULL;
    if (result->error.status != RV_OK)
        fail(mutation, &result->error);
    else
        reply(mutation);
}

/* The contacts are gone from every answer; now from every file. */
static void erase_physically(mutation_t *mutation) {
    uint32_t partitions[RV_MAX_PARTITIONS];
    size_t n = 0;
    rv_error_t err;
    for (uint32_t p = 0; p < rvc_cluster_partitions(mutation->core->cluster); p++)
        if (rvc_write_lsn(mutation->write, p))
            partitions[n++] = p;
    if (n == 0)
        reply(mutation);
    else if (rvc_maintain_start(mutation->core, partitions, n, rvc_call_deadline(mutation->call), on_maintained,
                                mutation, &mutation->maintain, &err) != RV_OK)
        fail(mutation, &err);
}

static void on_written(void *owner) {
    mutation_t *mutation = owner;
    rv_error_t err;
    bool some;
    rv_status_t status = rvc_write_outcome(mutation->write, &some, &err);
    if (status != RV_OK && (!some || mutation->whole))
        fail(mutation, &err);
    else if (status == RV_OK && mutation->wait)
        erase_physically(mutation);
    else
        reply(mutation);
}

/* A mutation with its write; NULL after the call was failed. */
static mutation_t *begin(rvc_core_t *core, rvc_call_t *call, kind_t kind, const Reveille__V1__WriteIdentity *identity) {
    rv_error_t err;
    mutation_t *mutation = calloc(1, sizeof *mutation);
    rv_status_t status = mutation ? rvc_identity_check(identity, &err) : rv_fail_memory(&err, "a write");
    if (status == RV_OK)
        status = rvc_need_schema(core->catalog, &err);
    if (status == RV_OK)
        status = rvc_write_new(core, &mutation->write, &err);
    if (status != RV_OK) {
        free(mutation);
        rvc_call_fail(call, &err);
        return NULL;
    }
    mutation->core = core;
    mutation->call = call;
    mutation->kind = kind;
    return mutation;
}

static rvc_origin_t origin_of(mutation_t *mutation, const Reveille__V1__WriteIdentity *identity) {
    return (rvc_origin_t){
        .identity = identity, .deadline = rvc_call_deadline(mutation->call), .done = on_written, .owner = mutation};
}

/* After composing: failed, done at once, or under way. */
static void go_on(mutation_t *mutation, rv_status_t status, const rv_error_t *err) {
    if (status != RV_OK) {
        fail(mutation, err);
        return;
    }
    rvc_call_attach(mutation->call, &JOB, mutation);
    if (rvc_write_is_done(mutation->write))
        on_written(mutation);
}

void rvc_contact_upsert(void *context, rvc_call_t *call, const ProtobufCMessage *message) {
    const Reveille__V1__ContactServiceUpsertRequest *request =
        (const Reveille__V1__ContactServiceUpsertRequest *)message;
    mutation_t *mutation = begin(context, call, CONTACT_UPSERT, request->identity);
    if (!mutation)
        return;
    rv_error_t err;
    rvc_origin_t origin = origin_of(mutation, request->identity);
    rv_status_t status = rvc_compose_contacts(context, mutation->write, request->batch, &origin, &err);
    go_on(mutation, status, &err);
}

void rvc_contact_delete(void *context, rvc_call_t *call, const ProtobufCMessage *message) {
    const Reveille__V1__ContactServiceDeleteRequest *request =
        (const Reveille__V1__ContactServiceDeleteRequest *)message;
    mutation_t *mutation = begin(context, call, CONTACT_DELETE, request->identity);
    if (!mutation)
        return;
    rv_error_t err;
    mutation->wait = request->wait;
    rvc_origin_t origin = origin_of(mutation, request->identity);
    rv_status_t status = rvc_compose_contact_delete(context, mutation->write, request->keys, &origin, &err);
    go_on(mutation, status, &err);
}

void rvc_event_append(void *context, rvc_call_t *call, const ProtobufCMessage *message) {
    const Reveille__V1__AppendRequest *request = (const Reveille__V1__AppendRequest *)message;
    mutation_t *mutation = begin(context, call, EVENT_APPEND, request->identity);
    if (!mutation)
        return;
    rv_error_t err;
    rvc_origin_t origin = origin_of(mutation, request->identity);
    origin.require_id = request->require_id;
    rv_status_t status = rvc_compose_events(context, mutation->write, request->batch, &origin, &err);
    go_on(mutation, status, &err);
}

void rvc_event_delete(void *context, rvc_call_t *call, const ProtobufCMessage *message) {
    const Reveille__V1__EventServiceDeleteRequest *request = (const Reveille__V1__EventServiceDeleteRequest *)message;
    rvc_core_t *core = context;
    mutation_t *mutation = begin(core, call, EVENT_DELETE, request->identity);
    if (!mutation)
        return;
    rv_error_t err;
    rv_status_t status = RV_OK;
    mutation->whole = request->selector_case != REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_BATCH;
    if (request->selector_case == REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_IMPORT_ID)
        status = rvc_imports_rewind(core->imports, request->import_id, &err);
    rvc_origin_t origin = origin_of(mutation, request->identity);
    if (status == RV_OK)
        status = rvc_compose_event_delete(core, mutation->write, request, &origin, &err);
    go_on(mutation, status, &err);
}

/* upload.c: a queue of traces in the order of their batches; answers come in that order. A batch without rows waits in
 * the queue like the others, so that rejects are told in the order of the file. One thread. Failure: the first one ends
 * the upload; what was acknowledged before stays. */
#include "upload.h"
#include "outcome.h"
#include "reveille/limits.h"
#include "reveille/uuid.h"
#include "reveille/v1/company.pb-c.h"
#include "reveille/v1/contact.pb-c.h"
#include "reveille/v1/event.pb-c.h"
#include "reveille/wire.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STALL_MS 300000u /* without any answer the import is given up */
#define QUEUE (RV_MAX_IMPORT_WINDOW * 2u)

struct rv_upload {
    rv_cli_t *cli;
    rv_upload_options_t options;
    rv_call_t *call; /* NULL for companies */
    rv_arena_t arena;
    uint64_t id, sequence;
    uint8_t producer[16];
    rv_trace_t *queue[QUEUE], *spare[QUEUE + 1];
    bool sent[QUEUE];
    size_t first, n, n_sent, n_spare;
};

static const char *method(rv_import_kind_t kind) {
    return kind == RV_IMPORT_EVENTS ? "reveille.v1.EventService/Import" : "reveille.v1.ContactService/Import";
}

static uint32_t stream_timeout(const rv_upload_t *upload) {
    return rv_cli_timeout(upload->cli, STALL_MS);
}

/* Takes one reply of the stream. */
static rv_status_t receive(rv_upload_t *upload, const Reveille__V1__ImportProgress **ret_progress,
                           const Reveille__V1__WriteResult **ret_result, bool *ret_more, rv_error_t *err) {
    bool events = upload->options.kind == RV_IMPORT_EVENTS;
    ProtobufCMessage *message;
    uint8_t *body;
    size_t n;
    rv_status_t status = rv_call_receive(upload->call, &body, &n, ret_more, err);
    if (status != RV_OK)
        return status;
    rv_arena_reset(&upload->arena);
    status = rv_wire_unpack(events ? &reveille__v1__event_service_import_response__descriptor
                                   : &reveille__v1__contact_service_import_response__descriptor,
                            body, n, &upload->arena, &message, err);
    free(body);
    if (status != RV_OK)
        return status;
    if (events) {
        *ret_progress = ((Reveille__V1__EventServiceImportResponse *)message)->progress;
        *ret_result = ((Reveille__V1__EventServiceImportResponse *)message)->result;
    } else {
        *ret_progress = ((Reveille__V1__ContactServiceImportResponse *)message)->progress;
        *ret_result = ((Reveille__V1__ContactServiceImportResponse *)message)->result;
    }
    return RV_OK;
}

static rv_status_t open_stream(rv_upload_t *upload, uint64_t *ret_offset, rv_error_t *err) {
    Reveille__V1__EventServiceImportRequest events = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    Reveille__V1__ContactServiceImportRequest contacts = REVEILLE__V1__CONTACT_SERVICE_IMPORT_REQUEST__INIT;
    Reveille__V1__ImportStart start = REVEILLE__V1__IMPORT_START__INIT;
    rv_client_t *client;
    uint8_t *body = NULL;
    size_t n;
    start.name = (char *)(uintptr_t)upload->options.name;
    start.fingerprint = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)upload->options.fingerprint};
    start.require_id = upload->options.require_id;
    events.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_START;
    events.start = &start;
    contacts.step_case = REVEILLE__V1__CONTACT_SERVICE_IMPORT_REQUEST__STEP_START;
    contacts.start = &start;
    rv_status_t status = rv_cli_client(upload->cli, &client, err);
    if (status == RV_OK &&
        rv_wire_pack(upload->options.kind == RV_IMPORT_EVENTS ? &events.base : &contacts.base, &body, &n) != RV_OK)
        status = rv_fail_memory(err, "a request");
    if (status == RV_OK)
        status =
            rv_call_open(client, method(upload->options.kind), body, n, stream_timeout(upload), &upload->call, err);
    free(body);
    const Reveille__V1__ImportProgress *progress = NULL;
    const Reveille__V1__WriteResult *result;
    bool more = true;
    if (status == RV_OK)
        status = receive(upload, &progress, &result, &more, err);
    if (status == RV_OK && !more)
        status = rv_fail_as(err, RV_INTERNAL, RV_REASON_BUG, "the import ended before it began");
    if (status == RV_OK && progress) {
        upload->id = progress->import_id;
        *ret_offset = progress->acknowledged_offset;
    }
    return status;
}

rv_status_t rv_upload_open(rv_cli_t *cli, const rv_upload_options_t *options, rv_upload_t **ret, uint64_t *ret_offset,
                           rv_error_t *err) {
    rv_upload_t *upload = calloc(1, sizeof *upload);
    if (!upload)
        return rv_fail_memory(err, "an import");
    upload->cli = cli;
    upload->options = *options;
    rv_arena_init(&upload->arena, RV_MAX_UNPACK);
    rv_uuid7(upload->producer);
    *ret_offset = 0;
    rv_status_t status = options->kind == RV_IMPORT_COMPANIES ? RV_OK : open_stream(upload, ret_offset, err);
    if (status == RV_OK)
        *ret = upload;
    else
        rv_upload_destroy(&upload);
    return status;
}

void rv_upload_destroy(rv_upload_t **upload) {
    rv_upload_t *u = *upload;
    if (!u)
        return;
    rv_call_close(&u->call);
    for (size_t i = 0; i < u->n; i++)
        rv_trace_destroy(&u->queue[(u->first + i) % QUEUE]);
    for (size_t i = 0; i < u->n_spare; i++)
        rv_trace_destroy(&u->spare[i]);
    rv_arena_done(&u->arena);
    free(u);
    *upload = NULL;
}

rv_trace_t *rv_upload_trace(rv_upload_t *upload) {
    return upload->n_spare ? upload->spare[--upload->n_spare] : rv_trace_new();
}

/* The oldest batch is answered: tells about it and keeps its trace for another one. */
static rv_status_t settle(rv_upload_t *upload, const Reveille__V1__WriteResult *result, rv_error_t *err) {
    rv_trace_t *trace = upload->queue[upload->first];
    upload->n_sent -= upload->sent[upload->first];
    upload->first = (upload->first + 1) % QUEUE;
    upload->n--;
    rv_status_t status = rv_write_result(result, err);
    if (status == RV_OK)
        status = upload->options.answered(upload->options.context, trace, result, err);
    rv_trace_clear(trace);
    upload->spare[upload->n_spare++] = trace;
    return status;
}

/* Passes on everything at the head that needs no waiting; with `wait`, waits for one answer first. */
static rv_status_t progress(rv_upload_t *upload, bool wait, rv_error_t *err) {
    rv_status_t status = RV_OK;
    while (status == RV_OK && upload->n) {
        const Reveille__V1__ImportProgress *offset;
        const Reveille__V1__WriteResult *result = NULL;
        bool more = true;
        if (upload->sent[upload->first]) {
            if (!wait && !rv_call_ready(upload->call))
                break;
            status = receive(upload, &offset, &result, &more, err);
            wait = false;
        }
        if (status == RV_OK && !more)
            status = rv_fail_as(err, RV_INTERNAL, RV_REASON_BUG, "the import ended before all was answered");
        if (status == RV_OK)
            status = settle(upload, result, err);
    }
    return status;
}

bool rv_upload_may_help(rv_status_t status, const rv_error_t *err) {
    return status != RV_OK && rv_status_retryable(status) && err->reason != RV_REASON_NONE;
}

void rv_upload_pause(rv_cli_t *cli, const char *what, unsigned attempt, const rv_error_t *err) {
    uint32_t ms = err->retry_after_ms ? err->retry_after_ms : 500u << attempt;
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    rv_note(cli, "%s: %s: %s; trying again", what, rv_status_name(err->status), err->message);
    nanosleep(&time, NULL);
}

/* One attempt at a write of companies. */
static rv_status_t upsert_once(rv_upload_t *upload, const ProtobufCMessage *request,
                               const Reveille__V1__WriteResult **ret, rv_error_t *err) {
    ProtobufCMessage *message;
    rv_arena_reset(&upload->arena);
    rv_status_t status = rv_cli_call(upload->cli, "reveille.v1.CompanyService/Upsert", request,
                                     &reveille__v1__company_service_upsert_response__descriptor,
                                     rv_cli_timeout(upload->cli, RV_DEFAULT_TIMEOUT_MS), &upload->arena, &message, err);
    if (status != RV_OK)
        return status;
    *ret = ((Reveille__V1__CompanyServiceUpsertResponse *)message)->result;
    return rv_write_result(*ret, err);
}

/* Companies: one write, one answer; what was done of it already is not done twice by a repetition, which has its
 * identity. */
static rv_status_t upsert_companies(rv_upload_t *upload, rv_batch_t *batch, rv_error_t *err) {
    Reveille__V1__CompanyServiceUpsertRequest request = REVEILLE__V1__COMPANY_SERVICE_UPSERT_REQUEST__INIT;
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    identity.producer = (ProtobufCBinaryData){sizeof upload->producer, upload->producer};
    identity.sequence = ++upload->sequence;
    request.identity = &identity;
    request.batch = rv_batch_entities(batch);
    if (!request.batch)
        return rv_fail_memory(err, "a batch");
    const Reveille__V1__WriteResult *result = NULL;
    rv_status_t status = upsert_once(upload, &request.base, &result, err);
    for (unsigned attempt = 0; attempt + 1 < RV_UPLOAD_ATTEMPTS && rv_upload_may_help(status, err); attempt++) {
        rv_upload_pause(upload->cli, upload->options.name, attempt, err);
        status = upsert_once(upload, &request.base, &result, err);
    }
    return status == RV_OK ? settle(upload, result, err) : status;
}

static rv_status_t send_batch(rv_upload_t *upload, rv_batch_t *batch, uint64_t offset, rv_error_t *err) {
    Reveille__V1__EventServiceImportRequest events = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    Reveille__V1__ContactServiceImportRequest contacts = REVEILLE__V1__CONTACT_SERVICE_IMPORT_REQUEST__INIT;
    bool of_events = upload->options.kind == RV_IMPORT_EVENTS;
    uint8_t *body;
    size_t n;
    events.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_BATCH;
    contacts.step_case = REVEILLE__V1__CONTACT_SERVICE_IMPORT_REQUEST__STEP_BATCH;
    events.offset = contacts.offset = offset;
    if (of_events)
        events.batch = rv_batch_events(batch);
    else
        contacts.batch = rv_batch_entities(batch);
    if ((!events.batch && !contacts.batch) ||
        rv_wire_pack(of_events ? &events.base : &contacts.base, &body, &n) != RV_OK)
        return rv_fail_memory(err, "a batch");
    rv_status_t status = rv_call_send(upload->call, body, n, err);
    free(body);
    return status;
}

rv_status_t rv_upload_send(rv_upload_t *upload, rv_batch_t *batch, rv_trace_t **trace, rv_error_t *err) {
    bool rows = rv_batch_rows(batch) > 0;
    rv_status_t status = progress(upload, false, err);
    while (status == RV_OK && (upload->n == QUEUE || (rows && upload->n_sent == RV_MAX_IMPORT_WINDOW)))
        status = progress(upload, true, err);
    if (status != RV_OK)
        return status;
    size_t last = (upload->first + upload->n++) % QUEUE;
    upload->queue[last] = *trace;
    upload->sent[last] = rows && upload->call;
    upload->n_sent += upload->sent[last];
    uint64_t offset = rv_trace_end(*trace);
    *trace = NULL;
    if (rows && upload->call)
        return send_batch(upload, batch, offset, err);
    return rows ? upsert_companies(upload, batch, err) : progress(upload, false, err);
}

rv_status_t rv_upload_finish(rv_upload_t *upload, rv_error_t *err) {
    rv_status_t status = RV_OK;
    while (status == RV_OK && upload->n)
        status = progress(upload, true, err);
    if (status != RV_OK || !upload->call)
        return status;
    status = rv_call_send(upload->call, NULL, 0, err);
    for (bool more = true; status == RV_OK && more;) {
        const Reveille__V1__ImportProgress *offset;
        const Reveille__V1__WriteResult *result;
        status = receive(upload, &offset, &result, &more, err);
    }
    return status;
}

uint64_t rv_upload_id(const rv_upload_t *upload) {
    return upload->id;
}

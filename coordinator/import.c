/* import.c: the streams of ContactService/Import and EventService/Import.
 *
 *   CALL start ─▶ number and acknowledged offset (more)
 *   DATA batch ─▶ a write, up to RV_MAX_IMPORT_WINDOW at once ─▶ replies in the order of the batches (more)
 *   END        ─▶ after the last batch: the last reply
 *
 * Each reply carries the offset before which everything is durable. Writes of one stream go to each worker in their
 * order, so that later rows win. A batch that did not reach all its partitions ends the stream: the client starts again
 * from the acknowledged offset. Each message renews the deadline. Thread: the actor's. */
#include "compose.h"
#include "imports.h"
#include "mutate.h"
#include "plan.h"
#include "reveille/heap.h"
#include "reveille/v1/contact.pb-c.h"
#include "reveille/v1/event.pb-c.h"
#include "reveille/wire.h"
#include <stdlib.h>

typedef struct stream stream_t;

/* A batch under way; the queue is in the order of the stream. */
typedef struct batch {
    stream_t *stream;
    struct batch *next;
    rvc_write_t *write;
    uint64_t offset;
} batch_t;

struct stream {
    rvc_core_t *core;
    rvc_call_t *call;
    rvc_import_record_t record;
    batch_t *first, *last;
    size_t open;
    uint64_t seq;
    bool ended, draining;
};

static void stream_free(stream_t *stream) {
    while (stream->first) {
        batch_t *batch = stream->first;
        stream->first = batch->next;
        rvc_write_destroy(&batch->write);
        free(batch);
    }
    rvc_imports_close(stream->core->imports, stream->record.id);
    free(stream);
    rv_heap_trim();
}

static void fail(stream_t *stream, const rv_error_t *err) {
    rvc_call_t *call = stream->call;
    rv_error_t copy = *err;
    stream_free(stream);
    rvc_call_fail(call, &copy);
}

static void on_stop(void *job) {
    stream_free(job);
}

/* One reply; `result` is NULL for the first and the last. False: the call, and with it the stream unless !more, is
 * gone. */
static bool reply(stream_t *stream, Reveille__V1__WriteResult *result, bool more) {
    Reveille__V1__ImportProgress progress = REVEILLE__V1__IMPORT_PROGRESS__INIT;
    progress.import_id = stream->record.id;
    progress.acknowledged_offset = stream->record.offset;
    if (stream->record.what == RVC_IMPORT_CONTACTS) {
        Reveille__V1__ContactServiceImportResponse message = REVEILLE__V1__CONTACT_SERVICE_IMPORT_RESPONSE__INIT;
        message.progress = &progress;
        message.result = result;
        return rvc_call_reply(stream->call, &message.base, more);
    }
    Reveille__V1__EventServiceImportResponse message = REVEILLE__V1__EVENT_SERVICE_IMPORT_RESPONSE__INIT;
    message.progress = &progress;
    message.result = result;
    return rvc_call_reply(stream->call, &message.base, more);
}

static void finish(stream_t *stream) {
    rvc_imports_finish(stream->core->imports, stream->record.id);
    reply(stream, NULL, false);
    stream_free(stream);
}

/* Answers the oldest batch. False: the stream is gone. */
static bool answer_first(stream_t *stream) {
    batch_t *batch = stream->first;
    rv_error_t err;
    bool some;
    rv_status_t status = rvc_write_outcome(batch->write, &some, &err);
    Reveille__V1__WriteResult *result = status == RV_OK ? rvc_write_result(batch->write, false) : NULL;
    if (status == RV_OK && !result)
        status = rv_fail_memory(&err, "an answer");
    if (status != RV_OK) {
        fail(stream, &err);
        return false;
    }
    stream->record.offset = batch->offset;
    rvc_imports_progress(stream->core->imports, stream->record.id, batch->offset);
    stream->first = batch->next;
    if (!stream->first)
        stream->last = NULL;
    stream->open--;
    bool there = reply(stream, result, true);
    rvc_write_destroy(&batch->write);
    free(batch);
    return there;
}

/* Answers what is done, in order. The stream may be gone afterwards. */
static void settle(stream_t *stream) {
    while (stream->first && rvc_write_is_done(stream->first->write))
        if (!answer_first(stream))
            return;
    if (stream->first)
        return;
    if (stream->ended) {
        finish(stream);
    } else if (stream->draining) {
        rv_error_t err;
        rv_fail(&err, RV_REASON_NOT_READY, "the coordinator is shutting down: start the import again");
        fail(stream, &err);
    }
}

static void on_written(void *owner) {
    settle(((batch_t *)owner)->stream);
}

static rv_status_t compose(stream_t *stream, batch_t *batch, const ProtobufCMessage *message, rv_error_t *err) {
    rvc_origin_t origin = {.import_id = stream->record.id,
                           .require_id = stream->record.require_id,
                           .deadline = rvc_call_deadline(stream->call),
                           .done = on_written,
                           .owner = batch};
    if (stream->record.what == RVC_IMPORT_CONTACTS) {
        const Reveille__V1__ContactServiceImportRequest *request =
            (const Reveille__V1__ContactServiceImportRequest *)message;
        if (request->step_case != REVEILLE__V1__CONTACT_SERVICE_IMPORT_REQUEST__STEP_BATCH)
            return rv_fail(err, RV_REASON_REQUEST, "a message of an import after the first is a batch");
        batch->offset = request->offset;
        return rvc_compose_contacts(stream->core, batch->write, request->batch, &origin, err);
    }
    const Reveille__V1__EventServiceImportRequest *request = (const Reveille__V1__EventServiceImportRequest *)message;
    if (request->step_case != REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_BATCH)
        return rv_fail(err, RV_REASON_REQUEST, "a message of an import after the first is a batch");
    batch->offset = request->offset;
    return rvc_compose_events(stream->core, batch->write, request->batch, &origin, err);
}

static rv_status_t check_data(stream_t *stream, uint64_t seq, rv_error_t *err) {
    if (stream->ended)
        return rv_fail(err, RV_REASON_REQUEST, "a message of an import came after its end");
    stream->seq++;
    if (seq && seq != stream->seq)
        return rv_fail(err, RV_REASON_REQUEST, "message %llu of an import came where %llu was expected",
                       (unsigned long long)seq, (unsigned long long)stream->seq);
    if (stream->open == RV_MAX_IMPORT_WINDOW) {
        rv_fail(err, RV_REASON_BUSY, "an import has more than %u unanswered batches", RV_MAX_IMPORT_WINDOW);
        return RV_RESOURCE_EXHAUSTED;
    }
    return RV_OK;
}

static rv_status_t take(stream_t *stream, const uint8_t *body, size_t n, rv_error_t *err) {
    const ProtobufCMessageDescriptor *type = stream->record.what == RVC_IMPORT_CONTACTS
                                                 ? &reveille__v1__contact_service_import_request__descriptor
                                                 : &reveille__v1__event_service_import_request__descriptor;
    ProtobufCMessage *message = NULL;
    batch_t *batch = calloc(1, sizeof *batch);
    rv_status_t status = batch ? rvc_write_new(stream->core, &batch->write, err) : rv_fail_memory(err, "a batch");
    if (status == RV_OK)
        status = rv_wire_unpack(type, body, n, rvc_write_scratch(batch->write), &message, err);
    if (status == RV_OK) {
        batch->stream = stream;
        status = compose(stream, batch, message, err);
    }
    if (status != RV_OK) {
        if (batch)
            rvc_write_destroy(&batch->write);
        free(batch);
        return status;
    }
    if (stream->last)
        stream->last->next = batch;
    else
        stream->first = batch;
    stream->last = batch;
    stream->open++;
    return RV_OK;
}

static void on_data(void *job, uint64_t seq, const uint8_t *body, size_t n) {
    stream_t *stream = job;
    rv_error_t err;
    rv_status_t status = check_data(stream, seq, &err);
    if (status == RV_OK)
        status = take(stream, body, n, &err);
    if (status != RV_OK)
        fail(stream, &err);
    else
        settle(stream);
}

static void on_end(void *job) {
    stream_t *stream = job;
    stream->ended = true;
    settle(stream);
}

static void on_drain(void *job) {
    stream_t *stream = job;
    stream->draining = true;
    settle(stream);
}

static const rvc_job_ops_t JOB = {.stop = on_stop, .data = on_data, .end = on_end, .drain = on_drain};

static void begin(rvc_core_t *core, rvc_call_t *call, rvc_import_kind_t what, const Reveille__V1__ImportStart *start) {
    rv_error_t err;
    stream_t *stream = calloc(1, sizeof *stream);
    rv_status_t status = stream ? rvc_need_schema(core->catalog, &err) : rv_fail_memory(&err, "an import");
    if (status == RV_OK && !start)
        status = rv_fail(&err, RV_REASON_REQUEST, "the first message of an import is its start");
    if (status == RV_OK)
        status = rvc_imports_open(core->imports, what, start, &stream->record, &err);
    if (status != RV_OK) {
        free(stream);
        rvc_call_fail(call, &err);
        return;
    }
    stream->core = core;
    stream->call = call;
    rvc_call_attach(call, &JOB, stream);
    reply(stream, NULL, true);
}

void rvc_contact_import(void *context, rvc_call_t *call, const ProtobufCMessage *message) {
    const Reveille__V1__ContactServiceImportRequest *request =
        (const Reveille__V1__ContactServiceImportRequest *)message;
    bool start = request->step_case == REVEILLE__V1__CONTACT_SERVICE_IMPORT_REQUEST__STEP_START;
    begin(context, call, RVC_IMPORT_CONTACTS, start ? request->start : NULL);
}

void rvc_event_import(void *context, rvc_call_t *call, const ProtobufCMessage *message) {
    const Reveille__V1__EventServiceImportRequest *request = (const Reveille__V1__EventServiceImportRequest *)message;
    bool start = request->step_case == REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_START;
    begin(context, call, RVC_IMPORT_EVENTS, start ? request->start : NULL);
}

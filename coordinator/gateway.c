/* gateway.c: the door for clients.
 *
 *   frames ─▶ split ─▶ header ─▶ CALL: limits, method, body ─▶ handler          each step answers what it refuses
 *                            └─▶ DATA, END, CREDIT, CANCEL ─▶ the open call     of no open call: late, counted, dropped
 *
 * Thread: the actor's. Failure: nothing that a client sends ends more than its own call. */
#include "gateway.h"
#include "reveille/limits.h"
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 4096u
#define HEADER_BUDGET (64u << 10)

struct rvc_gateway {
    rvc_calls_t *calls;
    const rvc_method_t *methods;
    rvc_gate_t *gate;
    void *context;
    rv_arena_t scratch;
    bool closed;
    rvc_gateway_stats_t stats;
};

rvc_gateway_t *rvc_gateway_new(rvc_calls_t *calls, const rvc_method_t *methods, rvc_gate_t *gate, void *context) {
    rvc_gateway_t *gateway = calloc(1, sizeof *gateway);
    if (!gateway)
        return NULL;
    gateway->calls = calls;
    gateway->methods = methods;
    gateway->gate = gate;
    gateway->context = context;
    rv_arena_init(&gateway->scratch, HEADER_BUDGET);
    return gateway;
}

void rvc_gateway_destroy(rvc_gateway_t **gateway) {
    if (!*gateway)
        return;
    rv_arena_done(&(*gateway)->scratch);
    free(*gateway);
    *gateway = NULL;
}

void rvc_gateway_close(rvc_gateway_t *gateway) {
    gateway->closed = true;
}

const rvc_gateway_stats_t *rvc_gateway_stats(const rvc_gateway_t *gateway) {
    return &gateway->stats;
}

static const rvc_method_t *find_method(const rvc_gateway_t *gateway, const char *name) {
    for (const rvc_method_t *method = gateway->methods; method->name; method++)
        if (strcmp(method->name, name) == 0)
            return method;
    return NULL;
}

/* Everything about a new call that can be refused before it exists. */
static rv_status_t admit(rvc_gateway_t *gateway, const Reveille__V1__RequestHeader *header, const rvc_method_t **ret,
                         rv_error_t *err) {
    const rvc_method_t *method = find_method(gateway, header->method);
    if (!method)
        return rv_fail(err, RV_REASON_METHOD, "unknown method '%.200s'", header->method);
    if (gateway->closed)
        return rv_fail(err, RV_REASON_NOT_READY, "the coordinator is shutting down");
    *ret = method;
    return method->flags & RVC_ALWAYS ? RV_OK : gateway->gate(gateway->context, err);
}

static void open_call(rvc_gateway_t *gateway, const rv_frames_t *frames, const Reveille__V1__RequestHeader *header) {
    const uint8_t *id = header->request_id.data;
    size_t id_n = header->request_id.len;
    rv_error_t err;
    const rvc_method_t *method = NULL;
    rvc_call_t *call = NULL;
    ProtobufCMessage *request = NULL;
    rv_status_t status = admit(gateway, header, &method, &err);
    if (status == RV_OK && rvc_calls_find(gateway->calls, frames->routing, frames->routing_n, id, id_n))
        status = rv_fail(&err, RV_REASON_REQUEST, "a call with this request id is open already");
    if (status == RV_OK)
        status = rvc_calls_open(gateway->calls, frames->routing, frames->routing_n, id, id_n, header->timeout_ms, &call,
                                &err);
    if (status != RV_OK) {
        rvc_calls_refuse(gateway->calls, frames->routing, frames->routing_n, id, id_n, &err);
        return;
    }
    if (method->streaming == RVC_SERVER_STREAM)
        rvc_call_set_stream(call);
    if (method->flags & RVC_QUERY)
        status = rvc_call_take_query(call, &err);
    if (status == RV_OK)
        status = rv_wire_unpack(method->request, frames->body, frames->body_n, rvc_call_arena(call), &request, &err);
    if (status != RV_OK) {
        rvc_call_fail(call, &err);
        return;
    }
    rvc_call_hold(call);
    method->start(gateway->context, call, request);
}

static void to_call(rvc_gateway_t *gateway, const rv_frames_t *frames, const Reveille__V1__RequestHeader *header) {
    rvc_call_t *call = rvc_calls_find(gateway->calls, frames->routing, frames->routing_n, header->request_id.data,
                                      header->request_id.len);
    if (!call) {
        gateway->stats.late++;
        return;
    }
    switch (header->kind) {
    case REVEILLE__V1__KIND__KIND_DATA:
        rvc_call_extend(call, header->timeout_ms);
        rvc_call_data(call, header->seq, frames->body, frames->body_n);
        return;
    case REVEILLE__V1__KIND__KIND_END:
        rvc_call_extend(call, header->timeout_ms);
        rvc_call_end(call);
        return;
    case REVEILLE__V1__KIND__KIND_CREDIT:
        rvc_call_credit(call, header->seq);
        return;
    default:
        rvc_call_cancel(call);
        return;
    }
}

/* A reply to something whose header cannot be trusted carries an empty request id. */
static void refuse(rvc_gateway_t *gateway, const uint8_t *routing, size_t routing_n, const rv_error_t *err) {
    gateway->stats.malformed++;
    if (routing_n && routing_n <= 255)
        rvc_calls_refuse(gateway->calls, routing, routing_n, (const uint8_t *)"", 0, err);
}

/* The header is good, the body too large: the refusal names the call, and ends it if it is open (a stream has lost a
 * message). */
static void refuse_oversized(rvc_gateway_t *gateway, const rv_frames_t *frames,
                             const Reveille__V1__RequestHeader *header, const rv_error_t *err) {
    const uint8_t *id = header->request_id.data;
    size_t id_n = header->request_id.len;
    gateway->stats.malformed++;
    rvc_call_t *call = rvc_calls_find(gateway->calls, frames->routing, frames->routing_n, id, id_n);
    if (call)
        rvc_call_abort(call, err);
    else if (frames->routing_n && frames->routing_n <= 255)
        rvc_calls_refuse(gateway->calls, frames->routing, frames->routing_n, id, id_n, err);
}

static rv_status_t read_header(rvc_gateway_t *gateway, const rv_frames_t *frames, Reveille__V1__RequestHeader **ret,
                               rv_error_t *err) {
    if (frames->header_n > MAX_HEADER)
        return rv_fail(err, RV_REASON_LIMIT, "a header of %zu bytes is larger than the %u allowed", frames->header_n,
                       MAX_HEADER);
    rv_arena_reset(&gateway->scratch);
    ProtobufCMessage *message;
    rv_status_t status = rv_wire_unpack(&reveille__v1__request_header__descriptor, frames->header, frames->header_n,
                                        &gateway->scratch, &message, err);
    if (status != RV_OK)
        return status;
    Reveille__V1__RequestHeader *header = (Reveille__V1__RequestHeader *)message;
    if (!header->request_id.len || header->request_id.len > RV_MAX_REQUEST_ID)
        return rv_fail(err, RV_REASON_REQUEST, "a request id has %zu bytes where 1 to %u are expected",
                       header->request_id.len, RV_MAX_REQUEST_ID);
    *ret = header;
    return RV_OK;
}

void rvc_gateway_receive(rvc_gateway_t *gateway, const uint8_t *const *data, const size_t *size, size_t count) {
    rv_frames_t frames;
    rv_error_t err;
    Reveille__V1__RequestHeader *header = NULL;
    rv_status_t status = rv_wire_split(data, size, count, true, &frames, &err);
    if (status != RV_OK && err.reason == RV_REASON_LIMIT && read_header(gateway, &frames, &header, NULL) == RV_OK) {
        refuse_oversized(gateway, &frames, header, &err);
        return;
    }
    if (status == RV_OK)
        status = read_header(gateway, &frames, &header, &err);
    if (status != RV_OK && count) {
        refuse(gateway, data[0], size[0], &err);
        return;
    }
    if (status != RV_OK || !frames.routing_n || frames.routing_n > 255)
        return;
    switch (header->kind) {
    case REVEILLE__V1__KIND__KIND_UNSPECIFIED:
    case REVEILLE__V1__KIND__KIND_CALL:
        open_call(gateway, &frames, header);
        return;
    case REVEILLE__V1__KIND__KIND_DATA:
    case REVEILLE__V1__KIND__KIND_END:
    case REVEILLE__V1__KIND__KIND_CANCEL:
    case REVEILLE__V1__KIND__KIND_CREDIT:
        to_call(gateway, &frames, header);
        return;
    default:
        rv_fail(&err, RV_REASON_REQUEST, "a header has the unknown kind %d", (int)header->kind);
        gateway->stats.malformed++;
        rvc_calls_refuse(gateway->calls, frames.routing, frames.routing_n, header->request_id.data,
                         header->request_id.len, &err);
        return;
    }
}

/* gateway.h: frames of clients become calls of methods.
 *
 * Everything that a client can get wrong is answered here with a reason: frames, tag, header, request id, size,
 * protobuf, unknown method, too much at once. What reaches a handler is a checked message of the method's type. Thread:
 * the actor's.
 */
#ifndef REVEILLE_COORDINATOR_GATEWAY_H
#define REVEILLE_COORDINATOR_GATEWAY_H

#include "call.h"
#include "reveille/wire.h"

typedef enum { RVC_UNARY, RVC_SERVER_STREAM, RVC_CLIENT_STREAM } rvc_streaming_t;

#define RVC_QUERY 1u  /* takes one of the RV_MAX_QUERIES places */
#define RVC_ALWAYS 2u /* answered also while the cluster starts */

/* A handler replies, fails, or attaches a job, before it returns. */
typedef void rvc_start_t(void *context, rvc_call_t *call, const ProtobufCMessage *request);

typedef struct {
    const char *name; /* "reveille.v1.SegmentService/Count" */
    const ProtobufCMessageDescriptor *request;
    rvc_streaming_t streaming;
    unsigned flags;
    rvc_start_t *start;
} rvc_method_t;

/* OK when requests may be taken now (methods with RVC_ALWAYS are not asked). */
typedef rv_status_t rvc_gate_t(void *context, rv_error_t *err);

typedef struct rvc_gateway rvc_gateway_t;
typedef struct {
    uint64_t malformed, late;
} rvc_gateway_stats_t;

/* Borrows the table of methods, whose last name is NULL, and the calls. */
rvc_gateway_t *rvc_gateway_new(rvc_calls_t *calls, const rvc_method_t *methods, rvc_gate_t *gate, void *context);
void rvc_gateway_destroy(rvc_gateway_t **gateway);
/* One message: all its frames, the routing id first. */
void rvc_gateway_receive(rvc_gateway_t *gateway, const uint8_t *const *data, const size_t *size, size_t count);
/* From now on new calls are refused. */
void rvc_gateway_close(rvc_gateway_t *gateway);
const rvc_gateway_stats_t *rvc_gateway_stats(const rvc_gateway_t *gateway);

#endif

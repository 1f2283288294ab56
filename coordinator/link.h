/* link.h: the workers' data plane: requests to workers and their replies.
 *
 * A worker is a slot number (that of cluster.h). Between up and down its routing id is known and requests may be sent;
 * what the socket does not take waits in the worker's mailbox. A task is one request: it ends with its last reply, with
 * a failure, or by cancel. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_LINK_H
#define REVEILLE_COORDINATOR_LINK_H

#include "port.h"
#include "reveille/status.h"
#include "timer.h"
#include <protobuf-c/protobuf-c.h>

typedef struct rvc_link rvc_link_t;
typedef struct rvc_task rvc_task_t;

/* Both are called at most once as the end of a task; after the last reply or the failure the task is gone. */
typedef struct {
    /* One reply, OK so far; `body` lives as long as the callback. */
    void (*reply)(void *owner, const uint8_t *body, size_t n, bool more);
    /* The worker refused it, or it cannot answer any more (UNAVAILABLE/OUTCOME_UNKNOWN: it may have begun). */
    void (*failed)(void *owner, const rv_error_t *err);
} rvc_task_ops_t;

typedef struct {
    uint64_t sent, late, malformed;
} rvc_link_stats_t;

rvc_link_t *rvc_link_new(rvc_timers_t *timers, const rvc_port_t *port);
/* The tasks that are left fail. */
void rvc_link_destroy(rvc_link_t **link);
const rvc_link_stats_t *rvc_link_stats(const rvc_link_t *link);

/* The worker in this slot is reached at `routing`. Tasks of an earlier time fail first. */
rv_status_t rvc_link_up(rvc_link_t *link, uint32_t slot, const char *name, const uint8_t *routing, size_t n,
                        rv_error_t *err);
/* The worker does not answer any more: its tasks fail. */
void rvc_link_down(rvc_link_t *link, uint32_t slot);

/* Sends a request whose body is `parts` one after the other (parts of one protobuf message may be packed apart).
 * UNAVAILABLE/INCOMPLETE when the worker is down, RESOURCE_EXHAUSTED/BUSY when too much waits for it,
 * INVALID_ARGUMENT/LIMIT for a body above RV_MAX_BODY. No callback comes before it returns. */
typedef struct {
    const uint8_t *p;
    size_t n;
} rvc_slice_t;
rv_status_t rvc_link_call(rvc_link_t *link, uint32_t slot, const char *method, const rvc_slice_t *parts, size_t n_parts,
                          int64_t deadline, const rvc_task_ops_t *ops, void *owner, rvc_task_t **ret, rv_error_t *err);
/* The same with a message. */
rv_status_t rvc_link_send(rvc_link_t *link, uint32_t slot, const char *method, const ProtobufCMessage *message,
                          int64_t deadline, const rvc_task_ops_t *ops, void *owner, rvc_task_t **ret, rv_error_t *err);
/* Grants further replies. */
void rvc_link_credit(rvc_link_t *link, rvc_task_t *task, uint64_t replies);
/* Forgets the task (*task may be NULL) and, with `tell`, has the worker stop. No callback follows. */
void rvc_link_cancel(rvc_link_t *link, rvc_task_t **task, bool tell);
/* One message: all its frames, the routing id first. */
void rvc_link_receive(rvc_link_t *link, const uint8_t *const *data, const size_t *size, size_t count);

#endif

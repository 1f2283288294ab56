/* call.h: one call from the coordinator, and the way back. A call is shared by the link (which feeds credit and
 * cancellation) and the thread that works on it; the last one to let go frees it. */
#ifndef REVEILLE_WORKER_CALL_H
#define REVEILLE_WORKER_CALL_H

#include "reveille/arena.h"
#include "reveille/limits.h"
#include "reveille/status.h"
#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <zmq.h>

typedef struct rvw_outbox rvw_outbox_t;
typedef struct rvw_call rvw_call_t;

/* Replies on their way to the link's socket; any thread may add. */
rv_status_t rvw_outbox_new(rvw_outbox_t **ret, rv_error_t *err);
void rvw_outbox_destroy(rvw_outbox_t **outbox);
/* Readable when there is something to send: for zmq_poll. */
int rvw_outbox_fd(const rvw_outbox_t *outbox);
/* Sends what is there over the socket; called by the socket's thread. False when the socket would block: call again
 * when it is writable. */
bool rvw_outbox_send(rvw_outbox_t *outbox, void *socket);

/* Takes over `body`. */
rvw_call_t *rvw_call_new(rvw_outbox_t *outbox, const uint8_t *request_id, size_t n, zmq_msg_t *body,
                         uint32_t timeout_ms);
rvw_call_t *rvw_call_ref(rvw_call_t *call);
void rvw_call_unref(rvw_call_t **call);
bool rvw_call_has_id(const rvw_call_t *call, const uint8_t *request_id, size_t n);

/* Unpacks the body into the call's arena, which lives as long as the call. */
rv_status_t rvw_call_unpack(rvw_call_t *call, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
                            rv_error_t *err);
size_t rvw_call_bytes(const rvw_call_t *call);
rv_arena_t *rvw_call_arena(rvw_call_t *call);

/* CANCELLED or DEADLINE_EXCEEDED once the call is to stop, else OK. Any thread. */
rv_status_t rvw_call_stopped(const rvw_call_t *call, rv_error_t *err);
void rvw_call_cancel(rvw_call_t *call);
int64_t rvw_call_deadline(const rvw_call_t *call); /* rv_mono_ms */
int64_t rvw_call_received(const rvw_call_t *call); /* likewise */

/* Credit of a stream of replies. take: one reply may be sent now. Grant returns true when the stream was waiting for
 * it. */
bool rvw_call_take_credit(rvw_call_t *call);
bool rvw_call_grant(rvw_call_t *call, uint64_t replies);

/* Queues a reply. `message` may be NULL (an empty body); err NULL is OK. After a reply without `more` the call is over
 * and later ones are dropped. */
void rvw_call_reply(rvw_call_t *call, const ProtobufCMessage *message, bool more, const rv_error_t *err);
bool rvw_call_over(const rvw_call_t *call);

#endif

/* call.h: the open calls of clients and the way back to them.
 *
 * A call lives from its CALL frame to its last reply. It ends in exactly one of two ways: the handler replies with more
 * = false or fails it (then the handler frees its own job), or the client, a deadline or a lost client ends it (then
 * `stop` of the job is called, which frees the job and must not touch the call any more). After either the pointer is
 * dead. Server streams have credit: RV_STREAM_WINDOW replies, more when the client grants them. Replies that a full
 * socket does not take wait in the client's mailbox; a client that lets too much pile up is cut off with all its calls.
 * A client that takes nothing for RV_MAX_STALL_MS loses the call that waits. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_CALL_H
#define REVEILLE_COORDINATOR_CALL_H

#include "port.h"
#include "reveille/arena.h"
#include "reveille/status.h"
#include "timer.h"

typedef struct rvc_calls rvc_calls_t;
typedef struct rvc_call rvc_call_t;

/* What a handler that does not answer at once leaves behind. `resume`, `data`, `end` and `drain` may be NULL. */
typedef struct {
    void (*stop)(void *job);                                              /* ended from outside: free the job */
    void (*resume)(void *job);                                            /* there may be credit again */
    void (*data)(void *job, uint64_t seq, const uint8_t *body, size_t n); /* a DATA frame */
    void (*end)(void *job);                                               /* the END frame */
    void (*drain)(void *job);                                             /* the coordinator is stopping */
} rvc_job_ops_t;

/* Counters for the log and tests. */
typedef struct {
    uint64_t opened, cancelled, expired, vanished, stalled, cut;
    size_t open, queries;
} rvc_calls_stats_t;

rvc_calls_t *rvc_calls_new(rvc_timers_t *timers, const rvc_port_t *port);
/* Stops all jobs, sends nothing. */
void rvc_calls_destroy(rvc_calls_t **calls);
const rvc_calls_stats_t *rvc_calls_stats(const rvc_calls_t *calls);

/* The call of that client with that request id, or NULL. */
rvc_call_t *rvc_calls_find(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n, const uint8_t *id,
                           size_t id_n);
/* Opens one; id 1 to RV_MAX_REQUEST_ID bytes, routing at most 255, not open yet. RESOURCE_EXHAUSTED/BUSY at
 * RV_MAX_CALLS, at RV_MAX_CLIENT_CALLS of the client, or when open requests hold too much memory. */
rv_status_t rvc_calls_open(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n, const uint8_t *id, size_t id_n,
                           uint32_t timeout_ms, rvc_call_t **ret, rv_error_t *err);
/* One error reply without a call. */
void rvc_calls_refuse(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n, const uint8_t *id, size_t id_n,
                      const rv_error_t *err);
/* The client's connection has ended: so have its calls. */
void rvc_calls_lost(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n);
/* Calls `drain` of every job that has one. */
void rvc_calls_drain(rvc_calls_t *calls);

/* For the gateway. */
void rvc_call_cancel(rvc_call_t *call);
/* Ends the call from outside with this error: its job is stopped. */
void rvc_call_abort(rvc_call_t *call, const rv_error_t *err);
void rvc_call_credit(rvc_call_t *call, uint64_t replies);
void rvc_call_data(rvc_call_t *call, uint64_t seq, const uint8_t *body, size_t n);
void rvc_call_end(rvc_call_t *call);
/* The call streams: its replies need credit. */
void rvc_call_set_stream(rvc_call_t *call);
/* Takes one of the RV_MAX_QUERIES places, and of the client's RV_MAX_CLIENT_QUERIES. RESOURCE_EXHAUSTED/BUSY. */
rv_status_t rvc_call_take_query(rvc_call_t *call, rv_error_t *err);
/* Counts what the request took in the call's arena. */
void rvc_call_hold(rvc_call_t *call);

/* For handlers. Memory that lives as long as the call. */
rv_arena_t *rvc_call_arena(rvc_call_t *call);
void rvc_call_attach(rvc_call_t *call, const rvc_job_ops_t *ops, void *job);
/* In ms of the monotonic clock. */
int64_t rvc_call_deadline(const rvc_call_t *call);
/* Moves the deadline: a client stream lives on with each message. */
void rvc_call_extend(rvc_call_t *call, uint32_t timeout_ms);
/* A reply with more = true would be sent now rather than wait. False: ask again in `resume`; the call is ended when
 * that takes longer than RV_MAX_STALL_MS. */
bool rvc_call_may_send(rvc_call_t *call);
/* Sends a reply. False: the call has ended (with more = false always, otherwise because the client is gone or the reply
 * could not be made), and with more = true the job has been stopped. */
bool rvc_call_reply(rvc_call_t *call, const ProtobufCMessage *message, bool more);
void rvc_call_fail(rvc_call_t *call, const rv_error_t *err);

#endif

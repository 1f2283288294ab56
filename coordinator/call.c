/* call.c: calls, clients, replies.
 *
 *   client (routing id) 1 ── n call (request id)
 *   mailbox of the client ◀─ replies that the socket does not take
 *
 * A client is known here only while it has calls or letters. Each call has two timers, its deadline and, while it waits
 * for the client, the end of its patience. Letters are tried again every RETRY_MS, because a ROUTER cannot say which of
 * its peers has room. Thread: the actor's.
 * Failure: a client that is gone (its connection has ended, or EHOSTUNREACH) loses its calls at once; one that does not
 * read is cut at MAILBOX_BYTES; both are counted. A job may end its call from inside any callback, so no callback is
 * followed by a use of the call. */
#include "call.h"
#include "mailbox.h"
#include "reveille/limits.h"
#include "reveille/log.h"
#include "reveille/wire.h"
#include "table.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 5
#define MAILBOX_BYTES (16u << 20)      /* letters of one client */
#define MAILBOXES_BYTES (256u << 20)   /* letters of all clients */
#define HELD_BYTES ((size_t)512 << 20) /* unpacked requests of open calls */
#define MAX_CREDIT (1u << 20)

typedef struct client {
    rvc_entry_t entry; /* first: the table gives entries */
    rvc_mailbox_t mailbox;
    rvc_call_t *calls;
    size_t open, queries;
    struct client *next_waiting;
    bool waiting; /* in the list of clients with letters */
    size_t routing_n;
    uint8_t routing[];
} client_t;

struct rvc_call {
    rvc_entry_t entry; /* first */
    rvc_calls_t *set;
    client_t *client;
    rvc_call_t *prev, *next; /* of the client */
    rvc_timer_t deadline, stall;
    rv_arena_t arena;
    size_t held;
    const rvc_job_ops_t *ops;
    void *job;
    uint64_t seq, credit;
    bool stream, query, wake;
    size_t id_n;
    uint8_t key[255 + RV_MAX_REQUEST_ID + 1]; /* length of routing, routing, id */
};

struct rvc_calls {
    rvc_timers_t *timers;
    rvc_port_t port;
    rvc_table_t clients, calls;
    client_t *waiting;
    size_t mail_bytes, held;
    rvc_timer_t retry;
    rvc_calls_stats_t stats;
};

rvc_calls_t *rvc_calls_new(rvc_timers_t *timers, const rvc_port_t *port) {
    rvc_calls_t *calls = calloc(1, sizeof *calls);
    if (calls) {
        calls->timers = timers;
        calls->port = *port;
    }
    return calls;
}

const rvc_calls_stats_t *rvc_calls_stats(const rvc_calls_t *calls) {
    return &calls->stats;
}

static size_t make_key(uint8_t *key, const uint8_t *routing, size_t routing_n, const uint8_t *id, size_t id_n) {
    key[0] = (uint8_t)routing_n;
    memcpy(key + 1, routing, routing_n);
    memcpy(key + 1 + routing_n, id, id_n);
    return 1 + routing_n + id_n;
}

static client_t *client_get(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n) {
    client_t *client = (client_t *)rvc_table_find(&calls->clients, routing, routing_n);
    if (client)
        return client;
    client = calloc(1, sizeof *client + routing_n);
    if (!client)
        return NULL;
    client->routing_n = routing_n;
    memcpy(client->routing, routing, routing_n);
    rvc_table_insert(&calls->clients, &client->entry, client->routing, routing_n);
    return client;
}

/* Forgets a client that has neither calls nor letters. */
static void client_settle(rvc_calls_t *calls, client_t *client) {
    if (client->calls || client->mailbox.first || client->waiting)
        return;
    rvc_table_remove(&calls->clients, &client->entry);
    free(client);
}

static void call_free(client_t *client, rvc_call_t *call) {
    rvc_calls_t *calls = call->set;
    if (call->prev)
        call->prev->next = call->next;
    else
        client->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    rvc_timer_clear(calls->timers, &call->deadline);
    rvc_timer_clear(calls->timers, &call->stall);
    rvc_table_remove(&calls->calls, &call->entry);
    calls->held -= call->held;
    calls->stats.open--;
    client->open--;
    if (call->query) {
        calls->stats.queries--;
        client->queries--;
    }
    rv_arena_done(&call->arena);
    free(call);
}

static void call_stop(rvc_call_t *call) {
    const rvc_job_ops_t *ops = call->ops;
    call->ops = NULL;
    if (ops)
        ops->stop(call->job);
}

/* Ends everything that a client has here. */
static void client_drop(rvc_calls_t *calls, client_t *client) {
    calls->mail_bytes -= client->mailbox.bytes;
    rvc_mailbox_clear(&client->mailbox);
    while (client->calls) {
        rvc_call_t *call = client->calls;
        call_stop(call);
        assert(!call->prev); /* the head of the list, which it leaves */
        call_free(client, call);
    }
}

void rvc_calls_destroy(rvc_calls_t **calls) {
    if (!*calls)
        return;
    rvc_timer_clear((*calls)->timers, &(*calls)->retry);
    rvc_entry_t *entry;
    while ((entry = rvc_table_any(&(*calls)->clients))) {
        client_t *client = (client_t *)entry;
        client_drop(*calls, client);
        client->waiting = false;
        client_settle(*calls, client);
    }
    free(*calls);
    *calls = NULL;
}

static void retry(void *owner, int64_t now);

static void wait_for_room(rvc_calls_t *calls, client_t *client) {
    if (!client->waiting) {
        client->waiting = true;
        client->next_waiting = calls->waiting;
        calls->waiting = client;
    }
    if (!calls->retry.place)
        rvc_timer_set(calls->timers, &calls->retry, rvc_timers_now(calls->timers) + RETRY_MS, retry, calls);
}

/* False: the client is gone or was cut off; its calls have been stopped and freed. */
static bool post(rvc_calls_t *calls, client_t *client, const rvc_message_t *message) {
    size_t before = client->mailbox.bytes;
    size_t limit = calls->mail_bytes < MAILBOXES_BYTES ? MAILBOX_BYTES : before;
    rvc_sent_t sent = rvc_mailbox_post(&client->mailbox, &calls->port, message, limit, false);
    calls->mail_bytes += client->mailbox.bytes - before;
    if (sent == RVC_SENT) {
        if (client->mailbox.first)
            wait_for_room(calls, client);
        return true;
    }
    if (sent == RVC_GONE) {
        calls->stats.vanished++;
    } else {
        calls->stats.cut++;
        rv_log(RV_LOG_WARN, "client-cut", "a client does not read its replies: %zu bytes wait; its calls are ended",
               before);
    }
    client_drop(calls, client);
    return false;
}

/* Gives the calls of a client whose letters are gone another chance. */
static void wake_calls(client_t *client) {
    for (rvc_call_t *call = client->calls; call; call = call->next)
        call->wake = true;
    for (rvc_call_t *call = client->calls; call;) {
        if (!call->wake) {
            call = call->next;
            continue;
        }
        call->wake = false;
        if (call->ops && call->ops->resume)
            call->ops->resume(call->job);
        call = client->calls; /* the callback may have ended any of them */
    }
}

static void retry(void *owner, int64_t now) {
    rvc_calls_t *calls = owner;
    client_t *list = calls->waiting;
    calls->waiting = NULL;
    while (list) {
        client_t *client = list;
        list = client->next_waiting;
        size_t before = client->mailbox.bytes;
        rvc_sent_t sent = rvc_mailbox_flush(&client->mailbox, &calls->port);
        calls->mail_bytes -= before - client->mailbox.bytes;
        client->waiting = false;
        if (sent == RVC_FULL) {
            wait_for_room(calls, client);
            continue;
        }
        client->waiting = true; /* holds the client while callbacks run */
        if (sent == RVC_GONE) {
            calls->stats.vanished++;
            client_drop(calls, client);
        } else {
            wake_calls(client);
        }
        client->waiting = false;
        if (client->mailbox.first)
            wait_for_room(calls, client);
        client_settle(calls, client);
    }
    if (calls->waiting && !calls->retry.place)
        rvc_timer_set(calls->timers, &calls->retry, now + RETRY_MS, retry, calls);
}

/* Packs the header of a reply; malloc'ed. */
static uint8_t *pack_header(const uint8_t *id, size_t id_n, uint64_t seq, const rv_error_t *err, bool more,
                            size_t *ret_n) {
    Reveille__V1__ReplyHeader header = REVEILLE__V1__REPLY_HEADER__INIT;
    Reveille__V1__Status status;
    Reveille__V1__ErrorDetail detail, *details[1];
    rv_wire_status(err, &status, &detail, details);
    header.request_id.data = (uint8_t *)(uintptr_t)id;
    header.request_id.len = id_n;
    header.seq = seq;
    header.status = &status;
    header.more = more;
    uint8_t *bytes = NULL;
    return rv_wire_pack(&header.base, &bytes, ret_n) == RV_OK ? bytes : NULL;
}

static bool send_reply(rvc_calls_t *calls, client_t *client, const uint8_t *id, size_t id_n, uint64_t seq,
                       const rv_error_t *err, const uint8_t *body, size_t body_n, bool more) {
    rvc_message_t message = {
        .routing = client->routing, .routing_n = client->routing_n, .body = body, .body_n = body_n};
    uint8_t *header = pack_header(id, id_n, seq, err, more, &message.header_n);
    if (!header)
        return true; /* no memory for one header: the client's own deadline ends it */
    message.header = header;
    bool there = post(calls, client, &message);
    free(header);
    return there;
}

void rvc_calls_refuse(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n, const uint8_t *id, size_t id_n,
                      const rv_error_t *err) {
    client_t *client = client_get(calls, routing, routing_n);
    if (!client)
        return;
    send_reply(calls, client, id, id_n, 1, err, NULL, 0, false);
    client_settle(calls, client);
}

rvc_call_t *rvc_calls_find(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n, const uint8_t *id,
                           size_t id_n) {
    uint8_t key[1 + 255 + RV_MAX_REQUEST_ID];
    if (routing_n > 255 || id_n > RV_MAX_REQUEST_ID)
        return NULL;
    return (rvc_call_t *)rvc_table_find(&calls->calls, key, make_key(key, routing, routing_n, id, id_n));
}

/* Ends a call from outside with an error. */
static void end_with(rvc_call_t *call, const rv_error_t *err) {
    rvc_calls_t *calls = call->set;
    client_t *client = call->client;
    call_stop(call);
    uint64_t seq = call->seq + 1;
    uint8_t id[RV_MAX_REQUEST_ID];
    size_t id_n = call->id_n;
    memcpy(id, call->key + 1 + client->routing_n, id_n);
    call_free(client, call);
    send_reply(calls, client, id, id_n, seq, err, NULL, 0, false);
    client_settle(calls, client);
}

static void deadline(void *owner, int64_t now) {
    rvc_call_t *call = owner;
    rv_error_t err;
    (void)now;
    call->set->stats.expired++;
    rv_fail_as(&err, RV_DEADLINE_EXCEEDED, RV_REASON_NONE, "the time of the call ran out before it was done");
    end_with(call, &err);
}

static void stalled(void *owner, int64_t now) {
    rvc_call_t *call = owner;
    rv_error_t err;
    (void)now;
    call->set->stats.stalled++;
    rv_fail(&err, RV_REASON_LOST_STREAM, "the client has taken no reply of the call for %u s", RV_MAX_STALL_MS / 1000);
    end_with(call, &err);
}

/* One call more, of this client and of all. */
static rv_status_t check_room(const rvc_calls_t *calls, const client_t *client, rv_error_t *err) {
    if (client->open >= RV_MAX_CLIENT_CALLS)
        rv_fail(err, RV_REASON_BUSY, "%zu calls of this connection are open", client->open);
    else if (calls->stats.open >= RV_MAX_CALLS || calls->held > HELD_BYTES)
        rv_fail(err, RV_REASON_BUSY, "the coordinator is busy: %zu calls are open", calls->stats.open);
    else
        return RV_OK;
    if (err)
        err->retry_after_ms = 100;
    return RV_RESOURCE_EXHAUSTED;
}

rv_status_t rvc_calls_open(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n, const uint8_t *id, size_t id_n,
                           uint32_t timeout_ms, rvc_call_t **ret, rv_error_t *err) {
    assert(routing_n <= 255 && id_n && id_n <= RV_MAX_REQUEST_ID);
    client_t *client = client_get(calls, routing, routing_n);
    rv_status_t status = client ? check_room(calls, client, err) : rv_fail_memory(err, "a client");
    rvc_call_t *call = status == RV_OK ? calloc(1, sizeof *call) : NULL;
    if (!call) {
        if (client)
            client_settle(calls, client);
        return status != RV_OK ? status : rv_fail_memory(err, "a call");
    }
    call->set = calls;
    call->client = client;
    call->id_n = id_n;
    call->credit = RV_STREAM_WINDOW;
    rv_arena_init(&call->arena, RV_MAX_UNPACK);
    rvc_table_insert(&calls->calls, &call->entry, call->key, make_key(call->key, routing, routing_n, id, id_n));
    call->next = client->calls;
    if (call->next)
        call->next->prev = call;
    client->calls = call;
    client->open++;
    calls->stats.open++;
    calls->stats.opened++;
    rvc_call_extend(call, timeout_ms);
    *ret = call;
    return RV_OK;
}

void rvc_calls_lost(rvc_calls_t *calls, const uint8_t *routing, size_t routing_n) {
    client_t *client = (client_t *)rvc_table_find(&calls->clients, routing, routing_n);
    if (!client)
        return;
    calls->stats.vanished++;
    client_drop(calls, client);
    client_settle(calls, client);
}

void rvc_calls_drain(rvc_calls_t *calls) {
    for (size_t slot = 0; slot < RVC_TABLE_SLOTS; slot++)
        for (rvc_entry_t *entry = calls->calls.slots[slot]; entry; entry = entry->next)
            ((rvc_call_t *)entry)->wake = true;
    for (size_t slot = 0; slot < RVC_TABLE_SLOTS; slot++)
        for (rvc_entry_t *entry = calls->calls.slots[slot]; entry;) {
            rvc_call_t *call = (rvc_call_t *)entry;
            entry = entry->next;
            if (!call->wake)
                continue;
            call->wake = false;
            if (call->ops && call->ops->drain)
                call->ops->drain(call->job);
            entry = calls->calls.slots[slot]; /* the callback may have ended any of them */
        }
}

void rvc_call_cancel(rvc_call_t *call) {
    rv_error_t err;
    call->set->stats.cancelled++;
    rv_fail_as(&err, RV_CANCELLED, RV_REASON_NONE, "the client cancelled the call");
    end_with(call, &err);
}

void rvc_call_abort(rvc_call_t *call, const rv_error_t *err) {
    end_with(call, err);
}

void rvc_call_credit(rvc_call_t *call, uint64_t replies) {
    call->credit = replies > MAX_CREDIT - call->credit ? MAX_CREDIT : call->credit + replies;
    if (call->ops && call->ops->resume)
        call->ops->resume(call->job);
}

void rvc_call_data(rvc_call_t *call, uint64_t seq, const uint8_t *body, size_t n) {
    if (call->ops && call->ops->data)
        call->ops->data(call->job, seq, body, n);
}

void rvc_call_end(rvc_call_t *call) {
    if (call->ops && call->ops->end)
        call->ops->end(call->job);
}

void rvc_call_set_stream(rvc_call_t *call) {
    call->stream = true;
}

rv_status_t rvc_call_take_query(rvc_call_t *call, rv_error_t *err) {
    const client_t *client = call->client;
    bool own = client->queries >= RV_MAX_CLIENT_QUERIES;
    if (!own && call->set->stats.queries < RV_MAX_QUERIES) {
        call->query = true;
        call->set->stats.queries++;
        call->client->queries++;
        return RV_OK;
    }
    if (own)
        rv_fail(err, RV_REASON_BUSY, "%zu queries of this connection are running", client->queries);
    else
        rv_fail(err, RV_REASON_BUSY, "the coordinator is busy: %zu queries are running", call->set->stats.queries);
    if (err)
        err->retry_after_ms = 50;
    return RV_RESOURCE_EXHAUSTED;
}

void rvc_call_hold(rvc_call_t *call) {
    call->set->held += call->arena.total - call->held;
    call->held = call->arena.total;
}

rv_arena_t *rvc_call_arena(rvc_call_t *call) {
    return &call->arena;
}

void rvc_call_attach(rvc_call_t *call, const rvc_job_ops_t *ops, void *job) {
    call->ops = ops;
    call->job = job;
}

int64_t rvc_call_deadline(const rvc_call_t *call) {
    return call->deadline.when;
}

void rvc_call_extend(rvc_call_t *call, uint32_t timeout_ms) {
    uint32_t ms = timeout_ms ? timeout_ms : RV_DEFAULT_TIMEOUT_MS;
    int64_t when = rvc_timers_now(call->set->timers) + (ms < RV_MAX_TIMEOUT_MS ? ms : RV_MAX_TIMEOUT_MS);
    rvc_timer_set(call->set->timers, &call->deadline, when, deadline, call);
    call->deadline.when = when; /* without memory for the timer the client's own deadline ends the call */
}

bool rvc_call_may_send(rvc_call_t *call) {
    bool may = !call->client->mailbox.first && (!call->stream || call->credit > 0);
    if (!may && !call->stall.place)
        rvc_timer_set(call->set->timers, &call->stall, rvc_timers_now(call->set->timers) + RV_MAX_STALL_MS, stalled,
                      call);
    return may;
}

static bool reply_bytes(rvc_call_t *call, const uint8_t *body, size_t n, bool more) {
    rvc_calls_t *calls = call->set;
    client_t *client = call->client;
    if (!more)
        call->ops = NULL; /* the handler frees its job itself */
    if (call->stream && call->credit)
        call->credit--;
    rvc_timer_clear(calls->timers, &call->stall);
    call->seq++;
    bool there =
        send_reply(calls, client, call->key + 1 + client->routing_n, call->id_n, call->seq, NULL, body, n, more);
    if (there && !more)
        call_free(client, call);
    if (!there || !more)
        client_settle(calls, client);
    return there && more;
}

bool rvc_call_reply(rvc_call_t *call, const ProtobufCMessage *message, bool more) {
    uint8_t *body = NULL;
    size_t n = 0;
    rv_error_t err;
    if (rv_wire_pack(message, &body, &n) != RV_OK)
        rv_fail_memory(&err, "a reply");
    else if (n > RV_MAX_BODY)
        rv_fail(&err, RV_REASON_QUOTA, "the answer has %zu bytes, more than the %u of one message", n, RV_MAX_BODY);
    else {
        bool goes_on = reply_bytes(call, body, n, more);
        free(body);
        return goes_on;
    }
    free(body);
    if (!more)
        call->ops = NULL;
    end_with(call, &err);
    return false;
}

void rvc_call_fail(rvc_call_t *call, const rv_error_t *err) {
    call->ops = NULL;
    end_with(call, err);
}

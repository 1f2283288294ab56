/* client.c: libreveille: calls over one ZeroMQ DEALER.
 *
 * A client owns a context, a DEALER and the DEALER's monitor. A call has a number, which travels as its request id, and
 * a queue of replies that have come but were not asked for yet; pump() moves everything that has arrived to the queues.
 * Replies to calls that are closed are dropped. Server streams are granted credit as their replies are consumed, so a
 * slow reader holds the server back, not the other way round.
 *
 * Threads: one caller at a time; ZeroMQ's own I/O thread behind the socket.
 * Failure: the monitor says when a connection is refused or lost. Then, and when the wait for a first connection grows
 * too long, open calls end with UNAVAILABLE and reason NONE; an UNAVAILABLE from the cluster itself always has a
 * reason.
 */
#include "reveille/client.h"
#include "reveille/clock.h"
#include "reveille/limits.h"
#include "reveille/wire.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define REFUSED_MS 1000 /* how long a refused connection is tried again */
#define SILENT_MS 5000  /* how long a connection may take that nobody refuses */
#define SLACK_MS 1000   /* the server's own DEADLINE_EXCEEDED should come before ours */
#define UNPACK_BUDGET (1u << 20)

typedef struct reply {
    struct reply *next;
    uint8_t *body;
    size_t n;
    bool more;
} reply_t;

struct rv_client {
    void *context, *socket, *monitor;
    int socket_fd, monitor_fd;
    char *endpoint;
    bool connected, refused;
    int64_t apart_since; /* when the wait for a connection began */
    uint64_t next_id;
    rv_call_t *calls;
};

struct rv_call {
    rv_client_t *client;
    rv_call_t *next;
    char *method;
    uint64_t id, sequence, consumed;
    uint32_t timeout_ms;
    int64_t opened, deadline;
    bool uploads, ended;
    reply_t *first, *last;
    rv_error_t failure; /* status OK: none */
};

static int set_option(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static bool configure(void *socket) {
    return !(set_option(socket, ZMQ_LINGER, 0) || set_option(socket, ZMQ_SNDHWM, RV_HWM) ||
             set_option(socket, ZMQ_RCVHWM, RV_HWM) || set_option(socket, ZMQ_IMMEDIATE, 1) ||
             set_option(socket, ZMQ_HANDSHAKE_IVL, 3000) || set_option(socket, ZMQ_RECONNECT_IVL, 100) ||
             set_option(socket, ZMQ_RECONNECT_IVL_MAX, 1000) || set_option(socket, ZMQ_TCP_KEEPALIVE, 1) ||
             set_option(socket, ZMQ_TCP_KEEPALIVE_IDLE, 10) || set_option(socket, ZMQ_TCP_KEEPALIVE_INTVL, 5) ||
             set_option(socket, ZMQ_TCP_KEEPALIVE_CNT, 3) ||
             zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &(int64_t){RV_MAX_MESSAGE}, sizeof(int64_t)));
}

static bool get_descriptor(void *socket, int *ret) {
    size_t n = sizeof *ret;
    return zmq_getsockopt(socket, ZMQ_FD, ret, &n) == 0;
}

/* The monitor's events come over a pair of sockets inside the process. */
static bool watch(rv_client_t *client) {
    char name[64];
    snprintf(name, sizeof name, "inproc://monitor-%p", (void *)client);
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED;
    client->monitor = zmq_socket(client->context, ZMQ_PAIR);
    return client->monitor && set_option(client->monitor, ZMQ_LINGER, 0) == 0 &&
           zmq_socket_monitor(client->socket, name, events) == 0 && zmq_connect(client->monitor, name) == 0 &&
           get_descriptor(client->socket, &client->socket_fd) && get_descriptor(client->monitor, &client->monitor_fd);
}

rv_status_t rv_client_new(const char *endpoint, rv_client_t **ret, rv_error_t *err) {
    rv_client_t *client = calloc(1, sizeof *client);
    if (!client || !(client->endpoint = strdup(endpoint)))
        goto memory;
    client->next_id = 1;
    client->apart_since = rv_mono_ms();
    client->context = zmq_ctx_new();
    client->socket = client->context ? zmq_socket(client->context, ZMQ_DEALER) : NULL;
    if (!client->socket || !configure(client->socket) || !watch(client))
        goto memory;
    if (zmq_connect(client->socket, endpoint) != 0) {
        rv_fail(err, RV_REASON_FIELD, "'%s' is not an endpoint (%s); write for example tcp://127.0.0.1:7600", endpoint,
                zmq_strerror(errno));
        rv_client_destroy(&client);
        return RV_INVALID_ARGUMENT;
    }
    *ret = client;
    return RV_OK;
memory:
    rv_client_destroy(&client);
    return rv_fail_memory(err, "a client");
}

void rv_client_destroy(rv_client_t **client) {
    rv_client_t *c = *client;
    if (!c)
        return;
    while (c->calls) {
        rv_call_t *call = c->calls;
        rv_call_close(&call);
    }
    if (c->monitor)
        zmq_close(c->monitor);
    if (c->socket)
        zmq_close(c->socket);
    if (c->context)
        zmq_ctx_term(c->context);
    free(c->endpoint);
    free(c);
    *client = NULL;
}

static void fail_calls(rv_client_t *client, const char *what) {
    for (rv_call_t *call = client->calls; call; call = call->next)
        if (!call->ended && call->failure.status == RV_OK)
            rv_fail_as(&call->failure, RV_UNAVAILABLE, RV_REASON_NONE, "%s %s", what, client->endpoint);
}

static rv_call_t *find_call(rv_client_t *client, const ProtobufCBinaryData *id) {
    uint64_t number;
    if (id->len != sizeof number)
        return NULL;
    memcpy(&number, id->data, sizeof number);
    for (rv_call_t *call = client->calls; call; call = call->next)
        if (call->id == number)
            return call;
    return NULL;
}

static void queue_reply(rv_call_t *call, const Reveille__V1__ReplyHeader *header, const rv_frames_t *frames) {
    if (call->ended || call->failure.status != RV_OK)
        return;
    if (rv_wire_error(header->status, &call->failure) != RV_OK) {
        call->ended = true;
        return;
    }
    reply_t *reply = calloc(1, sizeof *reply);
    uint8_t *body = malloc(frames->body_n ? frames->body_n : 1);
    if (!reply || !body) {
        free(reply);
        free(body);
        rv_fail_memory(&call->failure, "a reply");
        return;
    }
    memcpy(body, frames->body, frames->body_n);
    *reply = (reply_t){.body = body, .n = frames->body_n, .more = header->more};
    call->ended = !header->more;
    if (call->last)
        call->last->next = reply;
    else
        call->first = reply;
    call->last = reply;
}

/* A whole message has come: to its call, or nowhere. */
static void deliver(rv_client_t *client, const rv_frames_t *frames) {
    rv_arena_t arena;
    ProtobufCMessage *message;
    rv_arena_init(&arena, UNPACK_BUDGET);
    if (rv_wire_unpack(&reveille__v1__reply_header__descriptor, frames->header, frames->header_n, &arena, &message,
                       NULL) == RV_OK) {
        const Reveille__V1__ReplyHeader *header = (const Reveille__V1__ReplyHeader *)message;
        rv_call_t *call = find_call(client, &header->request_id);
        if (call)
            queue_reply(call, header, frames);
    }
    rv_arena_done(&arena);
}

/* Takes one message from the socket; false when there is none. */
static bool take_message(rv_client_t *client) {
    enum { MOST = 5 };
    zmq_msg_t parts[MOST];
    const uint8_t *data[MOST];
    size_t size[MOST], count = 0;
    bool more = true, any = false;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, client->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            break;
        }
        any = true;
        more = zmq_msg_more(&part);
        if (count < MOST) {
            parts[count] = part;
            data[count] = zmq_msg_data(&parts[count]);
            size[count] = zmq_msg_size(&parts[count]);
            count++;
        } else
            zmq_msg_close(&part);
    }
    rv_frames_t frames;
    rv_error_t err;
    if (any && rv_wire_split(data, size, count, false, &frames, &err) == RV_OK)
        deliver(client, &frames);
    else if (any)
        fail_calls(client, "not a Reveille coordinator, or one of another version, answers at");
    for (size_t i = 0; i < count; i++)
        zmq_msg_close(&parts[i]);
    return any;
}

/* Takes one event from the monitor; false when there is none. */
static bool take_event(rv_client_t *client) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    if (zmq_msg_recv(&part, client->monitor, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&part);
        return false;
    }
    uint16_t event = 0;
    if (zmq_msg_size(&part) >= sizeof event)
        memcpy(&event, zmq_msg_data(&part), sizeof event);
    if (zmq_msg_more(&part)) {
        zmq_msg_close(&part);
        zmq_msg_init(&part);
        zmq_msg_recv(&part, client->monitor, 0);
    }
    zmq_msg_close(&part);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        client->connected = true;
    } else if (event == ZMQ_EVENT_CONNECT_RETRIED) {
        client->refused = true;
    } else if (event == ZMQ_EVENT_DISCONNECTED && client->connected) {
        client->connected = client->refused = false;
        client->apart_since = rv_mono_ms();
        while (take_message(client))
            ; /* what arrived before the loss counts */
        fail_calls(client, "the connection was lost to");
    }
    return true;
}

/* When a call gives up waiting for a connection. */
static int64_t patience(const rv_call_t *call) {
    const rv_client_t *client = call->client;
    int64_t since = call->opened > client->apart_since ? call->opened : client->apart_since;
    int64_t end = since + (client->refused ? REFUSED_MS : SILENT_MS);
    return end < call->deadline ? end : call->deadline;
}

/* Takes what has come; false when there was nothing. */
static bool take_all(rv_client_t *client) {
    bool any = false;
    while (take_event(client))
        any = true;
    while (take_message(client))
        any = true;
    return any;
}

/* Something can be sent or taken. */
static bool can_go_on(rv_client_t *client) {
    int events = 0;
    size_t n = sizeof events;
    return zmq_getsockopt(client->socket, ZMQ_EVENTS, &events, &n) == 0 && events;
}

/* Sleeps until something comes. A descriptor tells only that something has come since its socket was last looked into:
 * both must have been found empty, and then left alone. */
static void wait_for_news(rv_client_t *client, int64_t ms) {
    struct pollfd fds[] = {{client->socket_fd, POLLIN, 0}, {client->monitor_fd, POLLIN, 0}};
    poll(fds, 2, ms <= 0 ? 0 : ms < INT_MAX ? (int)ms : INT_MAX);
}

/* Waits until something happens (or `out`: until a message can be sent) and takes what has come. */
static void pump(rv_call_t *call, bool out) {
    rv_client_t *client = call->client;
    int64_t end = client->connected ? call->deadline : patience(call), now = rv_mono_ms();
    if (!take_all(client)) {
        if (!out || !can_go_on(client))
            wait_for_news(client, end - now);
        take_all(client);
    }
    now = rv_mono_ms();
    if (call->failure.status != RV_OK || call->ended)
        return;
    if (!client->connected && now >= patience(call))
        rv_fail_as(&call->failure, RV_UNAVAILABLE, RV_REASON_NONE, "no coordinator answers at %s", client->endpoint);
    else if (now >= call->deadline)
        rv_fail_as(&call->failure, RV_DEADLINE_EXCEEDED, RV_REASON_NONE, "no answer from %s within %u ms",
                   client->endpoint, call->timeout_ms);
}

/* Sends the frames of one message, or nothing: false when the socket takes none now. */
static bool send_frames(void *socket, const uint8_t *header, size_t header_n, const uint8_t *body, size_t n) {
    if (zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return false;
    /* once the first part is taken the others are: a message is never split by the mark */
    return zmq_send(socket, RV_WIRE_TAG, 4, ZMQ_SNDMORE) >= 0 && zmq_send(socket, header, header_n, ZMQ_SNDMORE) >= 0 &&
           zmq_send(socket, body, n, 0) >= 0;
}

static rv_status_t send_kind(rv_call_t *call, Reveille__V1__Kind kind, uint64_t seq, const uint8_t *body, size_t n,
                             bool wait, rv_error_t *err) {
    Reveille__V1__RequestHeader header = REVEILLE__V1__REQUEST_HEADER__INIT;
    uint8_t packed[1024];
    if (n > RV_MAX_BODY)
        return rv_fail(err, RV_REASON_LIMIT, "a request of %zu bytes is larger than the %u that one may have", n,
                       RV_MAX_BODY);
    header.method = call->method;
    header.request_id = (ProtobufCBinaryData){sizeof call->id, (uint8_t *)&call->id};
    header.kind = kind;
    header.seq = seq;
    header.timeout_ms = call->timeout_ms;
    if (reveille__v1__request_header__get_packed_size(&header) > sizeof packed)
        return rv_fail(err, RV_REASON_REQUEST, "the name of a method is too long");
    size_t header_n = reveille__v1__request_header__pack(&header, packed);
    while (!send_frames(call->client->socket, packed, header_n, body ? body : packed, body ? n : 0)) {
        if (!wait)
            return RV_UNAVAILABLE;
        pump(call, true);
        if (call->failure.status != RV_OK) {
            if (err)
                *err = call->failure;
            return call->failure.status;
        }
    }
    return RV_OK;
}

rv_status_t rv_call_open(rv_client_t *client, const char *method, const uint8_t *body, size_t n, uint32_t timeout_ms,
                         rv_call_t **ret, rv_error_t *err) {
    static const uint8_t NOTHING[1];
    rv_call_t *call = calloc(1, sizeof *call);
    if (!call || !(call->method = strdup(method))) {
        free(call);
        return rv_fail_memory(err, "a call");
    }
    call->client = client;
    call->id = client->next_id++;
    call->timeout_ms = timeout_ms ? timeout_ms : RV_DEFAULT_TIMEOUT_MS;
    call->opened = rv_mono_ms();
    call->deadline = call->opened + call->timeout_ms + SLACK_MS;
    call->next = client->calls;
    client->calls = call;
    while (take_event(client))
        ; /* a connection that was lost meanwhile is no news for this call */
    call->failure.status = RV_OK;
    rv_status_t status = send_kind(call, REVEILLE__V1__KIND__KIND_CALL, 0, body ? body : NOTHING, n, true, err);
    if (status != RV_OK) {
        call->ended = true;
        rv_call_close(&call);
        return status;
    }
    *ret = call;
    return RV_OK;
}

/* Each message of a client stream, either way, gives the call its whole time again. */
static void renew(rv_call_t *call) {
    call->deadline = rv_mono_ms() + call->timeout_ms + SLACK_MS;
}

rv_status_t rv_call_send(rv_call_t *call, const uint8_t *body, size_t n, rv_error_t *err) {
    if (call->failure.status != RV_OK) {
        if (err)
            *err = call->failure;
        return call->failure.status;
    }
    call->uploads = true;
    renew(call);
    return send_kind(call, body ? REVEILLE__V1__KIND__KIND_DATA : REVEILLE__V1__KIND__KIND_END, ++call->sequence, body,
                     n, true, err);
}

bool rv_call_ready(rv_call_t *call) {
    take_all(call->client);
    return call->first || call->failure.status != RV_OK;
}

rv_status_t rv_call_receive(rv_call_t *call, uint8_t **ret_body, size_t *ret_n, bool *ret_more, rv_error_t *err) {
    while (!call->first && call->failure.status == RV_OK && !call->ended)
        pump(call, false);
    reply_t *reply = call->first;
    if (!reply) {
        if (call->failure.status == RV_OK)
            return rv_fail(err, RV_REASON_BUG, "the call has ended, there is no further reply");
        if (err)
            *err = call->failure;
        return call->failure.status;
    }
    if (call->uploads)
        renew(call);
    call->first = reply->next;
    if (!call->first)
        call->last = NULL;
    *ret_body = reply->body;
    *ret_n = reply->n;
    *ret_more = reply->more;
    /* half a window is granted at once: fewer messages, and the server never runs dry */
    if (reply->more && !call->uploads && ++call->consumed >= RV_STREAM_WINDOW / 2 &&
        send_kind(call, REVEILLE__V1__KIND__KIND_CREDIT, call->consumed, NULL, 0, false, NULL) == RV_OK)
        call->consumed = 0;
    free(reply);
    return RV_OK;
}

void rv_call_close(rv_call_t **call) {
    rv_call_t *c = *call;
    if (!c)
        return;
    if (!c->ended && c->client->connected)
        (void)send_kind(c, REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, 0, false, NULL);
    for (rv_call_t **at = &c->client->calls; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    while (c->first) {
        reply_t *next = c->first->next;
        free(c->first->body);
        free(c->first);
        c->first = next;
    }
    free(c->method);
    free(c);
    *call = NULL;
}

rv_status_t rv_client_call(rv_client_t *client, const char *method, const uint8_t *body, size_t n, uint32_t timeout_ms,
                           uint8_t **ret_body, size_t *ret_n, rv_error_t *err) {
    rv_call_t *call = NULL;
    rv_status_t status = rv_call_open(client, method, body, n, timeout_ms, &call, err);
    if (status != RV_OK)
        return status;
    uint8_t *reply = NULL;
    size_t reply_n = 0;
    bool more = false;
    status = rv_call_receive(call, &reply, &reply_n, &more, err);
    if (status == RV_OK && more) {
        free(reply);
        status =
            rv_fail_as(err, RV_INTERNAL, RV_REASON_BUG, "%s answers with a stream where one reply is expected", method);
    }
    rv_call_close(&call);
    if (status != RV_OK)
        return status;
    *ret_body = reply;
    *ret_n = reply_n;
    return RV_OK;
}

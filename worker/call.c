/* call.c: calls and the outbox.
 *
 * The outbox is a list under a mutex with an eventfd that the link polls. A reply is packed by the thread that made it
 * and sent without a further copy. Credit: a call starts with RV_WORKER_WINDOW replies; a stream that finds none is
 * marked as waiting, and the grant that frees it tells the link to wake it. Threads: everything here may be called by
 * any thread, except rvw_outbox_send.
 */
#include "call.h"
#include "reveille/clock.h"
#include "reveille/wire.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct reply {
    struct reply *next;
    uint8_t *header, *body;
    size_t header_n, body_n;
} reply_t;

struct rvw_outbox {
    pthread_mutex_t lock;
    reply_t *first, **last;
    int fd;
};

struct rvw_call {
    atomic_uint refs;
    rvw_outbox_t *outbox;
    uint8_t id[RV_MAX_REQUEST_ID];
    size_t id_n;
    zmq_msg_t body;
    rv_arena_t arena;
    int64_t received, deadline;
    atomic_bool cancelled, over;
    pthread_mutex_t lock; /* credit, waiting, seq */
    uint64_t credit, seq;
    bool waiting;
};

rv_status_t rvw_outbox_new(rvw_outbox_t **ret, rv_error_t *err) {
    rvw_outbox_t *outbox = calloc(1, sizeof *outbox);
    if (!outbox)
        return rv_fail_memory(err, "an outbox");
    outbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (outbox->fd < 0) {
        free(outbox);
        return rv_fail(err, RV_REASON_BUG, "no eventfd: %s", strerror(errno));
    }
    pthread_mutex_init(&outbox->lock, NULL);
    outbox->last = &outbox->first;
    *ret = outbox;
    return RV_OK;
}

static void free_reply(reply_t *reply) {
    free(reply->header);
    free(reply->body);
    free(reply);
}

void rvw_outbox_destroy(rvw_outbox_t **outbox) {
    if (!*outbox)
        return;
    for (reply_t *reply = (*outbox)->first; reply;) {
        reply_t *next = reply->next;
        free_reply(reply);
        reply = next;
    }
    close((*outbox)->fd);
    pthread_mutex_destroy(&(*outbox)->lock);
    free(*outbox);
    *outbox = NULL;
}

int rvw_outbox_fd(const rvw_outbox_t *outbox) {
    return outbox->fd;
}

static void outbox_add(rvw_outbox_t *outbox, reply_t *reply) {
    reply->next = NULL;
    pthread_mutex_lock(&outbox->lock);
    bool was_empty = !outbox->first;
    *outbox->last = reply;
    outbox->last = &reply->next;
    pthread_mutex_unlock(&outbox->lock);
    uint64_t one = 1;
    if (was_empty && write(outbox->fd, &one, sizeof one) != sizeof one)
        assert(errno == EAGAIN);
}

static void free_bytes(void *bytes, void *hint) {
    (void)hint;
    free(bytes);
}

/* Sends one frame that takes over the bytes. */
static bool send_bytes(void *socket, uint8_t **bytes, size_t n, int flags) {
    zmq_msg_t frame;
    if (zmq_msg_init_data(&frame, *bytes, n, free_bytes, NULL) != 0)
        return false;
    *bytes = NULL;
    if (zmq_msg_send(&frame, socket, flags) < 0) {
        zmq_msg_close(&frame);
        return false;
    }
    return true;
}

/* Only the first frame of a message can meet a full socket. */
static bool send_reply(void *socket, reply_t *reply) {
    if (zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno != EAGAIN;
    if (zmq_send(socket, RV_WIRE_TAG, 4, ZMQ_SNDMORE) == 4 &&
        send_bytes(socket, &reply->header, reply->header_n, ZMQ_SNDMORE))
        send_bytes(socket, &reply->body, reply->body_n, 0);
    return true;
}

bool rvw_outbox_send(rvw_outbox_t *outbox, void *socket) {
    uint64_t count;
    ssize_t got = read(outbox->fd, &count, sizeof count);
    (void)got; /* only resets the eventfd */
    for (;;) {
        pthread_mutex_lock(&outbox->lock);
        reply_t *reply = outbox->first;
        pthread_mutex_unlock(&outbox->lock);
        if (!reply)
            return true;
        if (!send_reply(socket, reply))
            return false;
        pthread_mutex_lock(&outbox->lock);
        outbox->first = reply->next;
        if (!outbox->first)
            outbox->last = &outbox->first;
        pthread_mutex_unlock(&outbox->lock);
        free_reply(reply);
    }
}

rvw_call_t *rvw_call_new(rvw_outbox_t *outbox, const uint8_t *request_id, size_t n, zmq_msg_t *body,
                         uint32_t timeout_ms) {
    rvw_call_t *call = n <= RV_MAX_REQUEST_ID ? calloc(1, sizeof *call) : NULL;
    if (!call)
        return NULL;
    atomic_init(&call->refs, 1);
    call->outbox = outbox;
    memcpy(call->id, request_id, n);
    call->id_n = n;
    zmq_msg_init(&call->body);
    zmq_msg_move(&call->body, body);
    rv_arena_init(&call->arena, RV_MAX_UNPACK);
    if (timeout_ms == 0)
        timeout_ms = RV_DEFAULT_TIMEOUT_MS;
    call->received = rv_mono_ms();
    call->deadline = call->received + (timeout_ms < RV_MAX_TIMEOUT_MS ? timeout_ms : RV_MAX_TIMEOUT_MS);
    pthread_mutex_init(&call->lock, NULL);
    call->credit = RV_WORKER_WINDOW;
    return call;
}

rvw_call_t *rvw_call_ref(rvw_call_t *call) {
    atomic_fetch_add(&call->refs, 1);
    return call;
}

void rvw_call_unref(rvw_call_t **call) {
    rvw_call_t *c = *call;
    *call = NULL;
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    zmq_msg_close(&c->body);
    rv_arena_done(&c->arena);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool rvw_call_has_id(const rvw_call_t *call, const uint8_t *request_id, size_t n) {
    return call->id_n == n && memcmp(call->id, request_id, n) == 0;
}

rv_status_t rvw_call_unpack(rvw_call_t *call, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
                            rv_error_t *err) {
    return rv_wire_unpack(type, zmq_msg_data(&call->body), zmq_msg_size(&call->body), &call->arena, ret, err);
}

size_t rvw_call_bytes(const rvw_call_t *call) {
    return zmq_msg_size(&call->body);
}

rv_arena_t *rvw_call_arena(rvw_call_t *call) {
    return &call->arena;
}

rv_status_t rvw_call_stopped(const rvw_call_t *call, rv_error_t *err) {
    if (atomic_load(&call->cancelled))
        return rv_fail_as(err, RV_CANCELLED, RV_REASON_NONE, "the call was cancelled");
    if (rv_mono_ms() >= call->deadline)
        return rv_fail_as(err, RV_DEADLINE_EXCEEDED, RV_REASON_NONE, "the time of the call ran out");
    return RV_OK;
}

void rvw_call_cancel(rvw_call_t *call) {
    atomic_store(&call->cancelled, true);
}

int64_t rvw_call_deadline(const rvw_call_t *call) {
    return call->deadline;
}

int64_t rvw_call_received(const rvw_call_t *call) {
    return call->received;
}

bool rvw_call_take_credit(rvw_call_t *call) {
    pthread_mutex_lock(&call->lock);
    bool taken = call->credit > 0;
    if (taken)
        call->credit--;
    else
        call->waiting = true;
    pthread_mutex_unlock(&call->lock);
    return taken;
}

bool rvw_call_grant(rvw_call_t *call, uint64_t replies) {
    pthread_mutex_lock(&call->lock);
    call->credit += replies < RV_MAX_CALLS ? replies : RV_MAX_CALLS;
    bool woken = call->waiting;
    call->waiting = false;
    pthread_mutex_unlock(&call->lock);
    return woken;
}

void rvw_call_reply(rvw_call_t *call, const ProtobufCMessage *message, bool more, const rv_error_t *err) {
    if (atomic_load(&call->over))
        return;
    if (!more && atomic_exchange(&call->over, true))
        return;
    Reveille__V1__ReplyHeader header = REVEILLE__V1__REPLY_HEADER__INIT;
    Reveille__V1__Status status;
    Reveille__V1__ErrorDetail detail, *details[1];
    rv_wire_status(err, &status, &detail, details);
    header.request_id = (ProtobufCBinaryData){call->id_n, call->id};
    header.status = &status;
    header.more = more;
    pthread_mutex_lock(&call->lock);
    header.seq = ++call->seq;
    pthread_mutex_unlock(&call->lock);
    reply_t *reply = calloc(1, sizeof *reply);
    bool made = reply && rv_wire_pack(&header.base, &reply->header, &reply->header_n) == RV_OK;
    if (made && message && (!err || err->status == RV_OK))
        made = rv_wire_pack(message, &reply->body, &reply->body_n) == RV_OK;
    else if (made)
        made = (reply->body = malloc(1)) != NULL;
    if (made)
        outbox_add(call->outbox, reply);
    else if (reply) /* the coordinator's deadline covers a reply that memory did not suffice for */
        free_reply(reply);
}

bool rvw_call_over(const rvw_call_t *call) {
    return atomic_load(&call->over);
}

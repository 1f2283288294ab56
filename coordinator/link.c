/* link.c: tasks by request id, workers by slot.
 *
 *   rvc_link_call ─▶ task (id) ─▶ mailbox of the worker ─▶ ROUTER ═▶ worker
 *   owner ◀─ reply, failed ◀─ task (id) ◀═══════════════════════════ replies; unknown ids are late: counted, dropped
 *
 * The socket is ROUTER with MANDATORY: a message is taken, or the peer is full or away, and then it waits here. A
 * worker that registered over its control socket may not be connected with its data socket yet: that is "away", and the
 * mailbox carries it over. Only the lease decides that a worker is lost (rvc_link_down), and then every task of it
 * fails. A reply must come from the routing id that the request went to. Thread: the actor's. */
#include "link.h"
#include "mailbox.h"
#include "reveille/limits.h"
#include "reveille/wire.h"
#include "table.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 5
#define HEADER_BUDGET (64u << 10)

struct rvc_task {
    rvc_entry_t entry; /* first */
    uint64_t id;
    uint32_t slot;
    const rvc_task_ops_t *ops;
    void *owner;
    rvc_task_t *prev, *next; /* of the worker */
};

typedef struct {
    bool up;
    char name[65];
    uint8_t routing[255];
    size_t routing_n;
    rvc_mailbox_t mailbox;
    rvc_task_t *tasks;
} peer_t;

struct rvc_link {
    rvc_timers_t *timers;
    rvc_port_t port;
    peer_t *peers[RV_MAX_WORKERS];
    uint32_t n_peers;
    rvc_table_t tasks;
    uint64_t next_id;
    size_t waiting; /* bytes in mailboxes */
    rvc_timer_t retry;
    rv_arena_t scratch;
    rvc_link_stats_t stats;
};

rvc_link_t *rvc_link_new(rvc_timers_t *timers, const rvc_port_t *port) {
    rvc_link_t *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->timers = timers;
    link->port = *port;
    rv_arena_init(&link->scratch, HEADER_BUDGET);
    return link;
}

static void task_free(rvc_link_t *link, peer_t *peer, rvc_task_t *task) {
    if (task->prev)
        task->prev->next = task->next;
    else
        peer->tasks = task->next;
    if (task->next)
        task->next->prev = task->prev;
    rvc_table_remove(&link->tasks, &task->entry);
    free(task);
}

static void clear_mail(rvc_link_t *link, peer_t *peer) {
    link->waiting -= peer->mailbox.bytes;
    rvc_mailbox_clear(&peer->mailbox);
}

void rvc_link_destroy(rvc_link_t **link) {
    if (!*link)
        return;
    for (uint32_t i = 0; i < (*link)->n_peers; i++)
        rvc_link_down(*link, i);
    for (uint32_t i = 0; i < (*link)->n_peers; i++)
        free((*link)->peers[i]);
    rvc_timer_clear((*link)->timers, &(*link)->retry);
    rv_arena_done(&(*link)->scratch);
    free(*link);
    *link = NULL;
}

const rvc_link_stats_t *rvc_link_stats(const rvc_link_t *link) {
    return &link->stats;
}

rv_status_t rvc_link_up(rvc_link_t *link, uint32_t slot, const char *name, const uint8_t *routing, size_t n,
                        rv_error_t *err) {
    if (slot >= RV_MAX_WORKERS || n == 0 || n > sizeof((peer_t *)0)->routing)
        return rv_fail(err, RV_REASON_FIELD, "a worker's routing id has %zu bytes where 1 to 255 are expected", n);
    if (!link->peers[slot]) {
        link->peers[slot] = calloc(1, sizeof(peer_t));
        if (!link->peers[slot])
            return rv_fail_memory(err, "a worker");
        if (slot >= link->n_peers)
            link->n_peers = slot + 1;
    }
    rvc_link_down(link, slot);
    peer_t *peer = link->peers[slot];
    peer->up = true;
    strncpy(peer->name, name, sizeof peer->name - 1);
    memcpy(peer->routing, routing, n);
    peer->routing_n = n;
    return RV_OK;
}

void rvc_link_down(rvc_link_t *link, uint32_t slot) {
    peer_t *peer = slot < link->n_peers ? link->peers[slot] : NULL;
    if (!peer)
        return;
    peer->up = false;
    clear_mail(link, peer);
    rv_error_t err;
    rv_fail(&err, RV_REASON_OUTCOME_UNKNOWN, "%s does not answer", peer->name);
    while (peer->tasks) {
        rvc_task_t *task = peer->tasks;
        const rvc_task_ops_t *ops = task->ops;
        void *owner = task->owner;
        assert(!task->prev); /* the head of the list, which it leaves */
        task_free(link, peer, task);
        ops->failed(owner, &err);
    }
}

static void retry(void *owner, int64_t now) {
    rvc_link_t *link = owner;
    for (uint32_t i = 0; i < link->n_peers; i++) {
        peer_t *peer = link->peers[i];
        if (!peer || !peer->mailbox.first)
            continue;
        size_t before = peer->mailbox.bytes;
        rvc_mailbox_flush(&peer->mailbox, &link->port);
        link->waiting -= before - peer->mailbox.bytes;
    }
    if (link->waiting)
        rvc_timer_set(link->timers, &link->retry, now + RETRY_MS, retry, link);
}

static rv_status_t post(rvc_link_t *link, peer_t *peer, const Reveille__V1__RequestHeader *header, const uint8_t *body,
                        size_t body_n, rv_error_t *err) {
    rvc_message_t message = {.routing = peer->routing, .routing_n = peer->routing_n, .body = body, .body_n = body_n};
    uint8_t *bytes = NULL;
    if (rv_wire_pack(&header->base, &bytes, &message.header_n) != RV_OK)
        return rv_fail_memory(err, "a header");
    message.header = bytes;
    size_t before = peer->mailbox.bytes;
    size_t limit = link->waiting < RV_MAX_WRITE_BYTES ? before + (RV_MAX_WRITE_BYTES - link->waiting) : before;
    rvc_sent_t sent = rvc_mailbox_post(&peer->mailbox, &link->port, &message, limit, true);
    free(bytes);
    link->waiting += peer->mailbox.bytes - before;
    if (sent != RVC_SENT) {
        rv_fail(err, RV_REASON_BUSY, "%s is busy: %zu bytes wait for it", peer->name, before);
        if (err)
            err->retry_after_ms = 200;
        return RV_RESOURCE_EXHAUSTED;
    }
    link->stats.sent++;
    if (link->waiting && !link->retry.place)
        rvc_timer_set(link->timers, &link->retry, rvc_timers_now(link->timers) + RETRY_MS, retry, link);
    return RV_OK;
}

static Reveille__V1__RequestHeader header_of(const rvc_task_t *task, Reveille__V1__Kind kind) {
    Reveille__V1__RequestHeader header = REVEILLE__V1__REQUEST_HEADER__INIT;
    header.request_id.data = (uint8_t *)(uintptr_t)&task->id;
    header.request_id.len = sizeof task->id;
    header.kind = kind;
    return header;
}

static rv_status_t send_task(rvc_link_t *link, peer_t *peer, rvc_task_t *task, const char *method, int64_t deadline,
                             const rvc_slice_t *parts, size_t n_parts, rv_error_t *err) {
    size_t n = 0;
    for (size_t i = 0; i < n_parts; i++)
        n += parts[i].n;
    if (n > RV_MAX_BODY)
        return rv_fail(err, RV_REASON_LIMIT,
                       "the request takes %zu bytes on its way to a worker, at most %u are allowed", n, RV_MAX_BODY);
    int64_t left = deadline - rvc_timers_now(link->timers);
    if (left <= 0)
        return rv_fail_as(err, RV_DEADLINE_EXCEEDED, RV_REASON_NONE,
                          "the time of the call ran out before it was sent on");
    Reveille__V1__RequestHeader header = header_of(task, REVEILLE__V1__KIND__KIND_CALL);
    header.method = (char *)(uintptr_t)method;
    header.timeout_ms = (uint32_t)(left < RV_MAX_TIMEOUT_MS ? left : RV_MAX_TIMEOUT_MS);
    const uint8_t *body = n_parts ? parts[0].p : NULL;
    uint8_t *joined = NULL;
    if (n_parts > 1) {
        body = joined = malloc(n ? n : 1);
        if (!joined)
            return rv_fail_memory(err, "a request");
        size_t used = 0;
        for (size_t i = 0; i < n_parts; i++) {
            memcpy(joined + used, parts[i].p, parts[i].n);
            used += parts[i].n;
        }
    }
    rv_status_t status = post(link, peer, &header, body, n, err);
    free(joined);
    return status;
}

rv_status_t rvc_link_call(rvc_link_t *link, uint32_t slot, const char *method, const rvc_slice_t *parts, size_t n_parts,
                          int64_t deadline, const rvc_task_ops_t *ops, void *owner, rvc_task_t **ret, rv_error_t *err) {
    peer_t *peer = slot < link->n_peers ? link->peers[slot] : NULL;
    if (!peer || !peer->up)
        return rv_fail(err, RV_REASON_INCOMPLETE, "%s does not answer", peer ? peer->name : "a worker");
    rvc_task_t *task = calloc(1, sizeof *task);
    if (!task)
        return rv_fail_memory(err, "a task");
    task->id = ++link->next_id;
    task->slot = slot;
    task->ops = ops;
    task->owner = owner;
    rv_status_t status = send_task(link, peer, task, method, deadline, parts, n_parts, err);
    if (status != RV_OK) {
        free(task);
        return status;
    }
    rvc_table_insert(&link->tasks, &task->entry, &task->id, sizeof task->id);
    task->next = peer->tasks;
    if (task->next)
        task->next->prev = task;
    peer->tasks = task;
    *ret = task;
    return RV_OK;
}

rv_status_t rvc_link_send(rvc_link_t *link, uint32_t slot, const char *method, const ProtobufCMessage *message,
                          int64_t deadline, const rvc_task_ops_t *ops, void *owner, rvc_task_t **ret, rv_error_t *err) {
    uint8_t *body = NULL;
    size_t n = 0;
    if (rv_wire_pack(message, &body, &n) != RV_OK)
        return rv_fail_memory(err, "a request");
    rvc_slice_t part = {body, n};
    rv_status_t status = rvc_link_call(link, slot, method, &part, 1, deadline, ops, owner, ret, err);
    free(body);
    return status;
}

void rvc_link_credit(rvc_link_t *link, rvc_task_t *task, uint64_t replies) {
    Reveille__V1__RequestHeader header = header_of(task, REVEILLE__V1__KIND__KIND_CREDIT);
    header.seq = replies;
    post(link, link->peers[task->slot], &header, NULL, 0, NULL);
}

void rvc_link_cancel(rvc_link_t *link, rvc_task_t **task, bool tell) {
    if (!*task)
        return;
    if (tell) {
        Reveille__V1__RequestHeader header = header_of(*task, REVEILLE__V1__KIND__KIND_CANCEL);
        post(link, link->peers[(*task)->slot], &header, NULL, 0, NULL);
    }
    task_free(link, link->peers[(*task)->slot], *task);
    *task = NULL;
}

static rvc_task_t *task_of(rvc_link_t *link, const rv_frames_t *frames, const Reveille__V1__ReplyHeader *header) {
    rvc_task_t *task = (rvc_task_t *)rvc_table_find(&link->tasks, header->request_id.data, header->request_id.len);
    if (!task)
        return NULL;
    const peer_t *peer = link->peers[task->slot];
    bool same = peer->routing_n == frames->routing_n && memcmp(peer->routing, frames->routing, peer->routing_n) == 0;
    return same ? task : NULL;
}

void rvc_link_receive(rvc_link_t *link, const uint8_t *const *data, const size_t *size, size_t count) {
    rv_frames_t frames;
    ProtobufCMessage *message;
    rv_arena_reset(&link->scratch);
    if (rv_wire_split(data, size, count, true, &frames, NULL) != RV_OK ||
        rv_wire_unpack(&reveille__v1__reply_header__descriptor, frames.header, frames.header_n, &link->scratch,
                       &message, NULL) != RV_OK) {
        link->stats.malformed++;
        return;
    }
    const Reveille__V1__ReplyHeader *header = (const Reveille__V1__ReplyHeader *)message;
    rvc_task_t *task = task_of(link, &frames, header);
    if (!task) {
        link->stats.late++;
        return;
    }
    rv_error_t err;
    rv_status_t status = rv_wire_error(header->status, &err);
    bool more = header->more && status == RV_OK;
    const rvc_task_ops_t *ops = task->ops;
    void *owner = task->owner;
    if (!more)
        task_free(link, link->peers[task->slot], task);
    if (status == RV_OK)
        ops->reply(owner, frames.body, frames.body_n, more);
    else
        ops->failed(owner, &err);
}

/* coordinator.c: three ROUTER sockets and one poll loop around a node.
 *
 *   clients ═▶ ROUTER ─┐
 *   data    ═▶ ROUTER ─┼─▶ poll ─▶ rvc_node_receive ─▶ … ─▶ send on one of the three, never waiting
 *   control ═▶ ROUTER ─┘     └─ sleeps until the node's next timer: an idle coordinator does not run
 *
 * The clients' socket is watched: a connection that ends ends the calls of its client, and what is on its way to a
 * client is counted in bytes (peers.h).
 *
 * Sleeping is poll() on the descriptors of the sockets, without zmq_poll's questions to all of them. A descriptor tells
 * only that something has come since the socket was last looked into (never before the first look), and a send looks
 * into it as well: so nobody sleeps before every socket is `quiet`, that is, its last receive has found nothing and
 * nothing was sent since.
 *
 * One thread owns sockets and state. Control comes first in every round, so that pings are heard under load. Of each
 * socket at most BURST messages are taken a round, and of each message at most MAX_FRAMES frames are kept: the rest of
 * it is read and thrown away. Failure: what cannot be bound or opened ends the daemon with one sentence; afterwards
 * errors of sockets concern one message. */
#include "coordinator.h"
#include "gate.h"
#include "node.h"
#include "peers.h"
#include "reveille/clock.h"
#include "reveille/limits.h"
#include "reveille/log.h"
#include "site.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define BURST 64u
#define MAX_FRAMES 8u
#define DRAIN_MS 5000
#define LINGER_MS 1000
#define MONITOR "inproc://clients-monitor"
#define COUNTED_BYTES 4096u /* smaller replies are bounded well enough by their number */

enum { CONTROL, DATA, CLIENTS, SOCKETS };
static const rvc_from_t FROM[SOCKETS] = {RVC_FROM_WORKER_CONTROL, RVC_FROM_WORKER_DATA, RVC_FROM_CLIENT};

typedef struct {
    void *zmq;
    int fd;
    bool quiet;
} socket_t;

typedef struct {
    void *context;
    socket_t sockets[SOCKETS];
    socket_t monitor; /* ends of the clients' connections */
    rvc_peers_t *peers;
    char endpoints[SOCKETS][256];
    rvc_node_t *node;
    bool received; /* a first message */
    bool blind;    /* the connections of messages are not told, and that was said */
} rvc_loop_t;

/* All but the body. */
static rvc_sent_t send_head(socket_t *to, const rvc_message_t *message) {
    void *socket = to->zmq;
    to->quiet = false;
    if (zmq_send(socket, message->routing, message->routing_n, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EHOSTUNREACH ? RVC_GONE : RVC_FULL;
    /* ROUTER took the routing id: the rest of this message cannot block any more */
    bool ok = zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
              zmq_send(socket, "RVL1", 4, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
              zmq_send(socket, message->header, message->header_n, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0;
    return ok ? RVC_SENT : RVC_GONE;
}

static rvc_sent_t send_message(void *context, const rvc_message_t *message) {
    socket_t *socket = context;
    rvc_sent_t sent = send_head(socket, message);
    if (sent != RVC_SENT)
        return sent;
    const uint8_t *body = message->body ? message->body : (const uint8_t *)"";
    return zmq_send(socket->zmq, body, message->body_n, ZMQ_DONTWAIT) >= 0 ? RVC_SENT : RVC_GONE;
}

/* A body in the hands of libzmq. */
typedef struct {
    rvc_flight_t *flight;
    size_t n;
    uint8_t bytes[];
} flying_t;

static void land(void *bytes, void *hint) {
    flying_t *flying = hint;
    (void)bytes;
    rvc_flight_land(flying->flight, flying->n);
    free(flying);
}

static rvc_sent_t send_flying(socket_t *socket, const rvc_message_t *message, flying_t *flying) {
    zmq_msg_t body;
    rvc_sent_t sent = send_head(socket, message);
    if (sent != RVC_SENT || zmq_msg_init_data(&body, flying->bytes, flying->n, land, flying) != 0) {
        land(NULL, flying);
        return sent != RVC_SENT ? sent : RVC_GONE;
    }
    if (zmq_msg_send(&body, socket->zmq, ZMQ_DONTWAIT) >= 0)
        return RVC_SENT;
    zmq_msg_close(&body);
    return RVC_GONE;
}

static rvc_sent_t send_to_client(void *context, const rvc_message_t *message) {
    rvc_loop_t *loop = context;
    rvc_flight_t *flight = NULL;
    if (message->body_n >= COUNTED_BYTES &&
        !rvc_peers_take(loop->peers, message->routing, message->routing_n, message->body_n, &flight))
        return RVC_FULL;
    if (!flight)
        return send_message(&loop->sockets[CLIENTS], message);
    flying_t *flying = malloc(sizeof *flying + message->body_n);
    if (!flying) {
        rvc_flight_land(flight, message->body_n);
        return RVC_FULL;
    }
    flying->flight = flight;
    flying->n = message->body_n;
    memcpy(flying->bytes, message->body, message->body_n);
    return send_flying(&loop->sockets[CLIENTS], message, flying);
}

/* A socket's descriptor; -1: it has none. */
static int descriptor(void *socket) {
    int fd = -1;
    size_t n = sizeof fd;
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &n) == 0 ? fd : -1;
}

static bool set_int(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* cluster.md 2 and 8b: the settings that measurements asked for. Never ZMQ_HEARTBEAT_*. */
static bool set_options(void *socket) {
    int64_t largest = RV_MAX_MESSAGE;
    return set_int(socket, ZMQ_ROUTER_MANDATORY, 1) && set_int(socket, ZMQ_ROUTER_HANDOVER, 1) &&
           set_int(socket, ZMQ_SNDHWM, RV_HWM_COORDINATOR) && set_int(socket, ZMQ_RCVHWM, RV_HWM_COORDINATOR) &&
           set_int(socket, ZMQ_HANDSHAKE_IVL, 3000) && set_int(socket, ZMQ_BACKLOG, 1024) &&
           set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_TCP_KEEPALIVE, 1) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 10) && set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 5) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0;
}

static rv_status_t bind_socket(rvc_loop_t *loop, int which, const char *endpoint, rv_error_t *err) {
    void *socket = zmq_socket(loop->context, ZMQ_ROUTER);
    if (!socket || !set_options(socket)) {
        if (socket)
            zmq_close(socket);
        return rv_fail_as(err, RV_INTERNAL, RV_REASON_NONE, "cannot make a socket: %s", zmq_strerror(errno));
    }
    loop->sockets[which].zmq = socket;
    size_t n = sizeof loop->endpoints[which];
    if (zmq_bind(socket, endpoint) != 0)
        return rv_fail_as(err, RV_UNAVAILABLE, RV_REASON_NONE, "cannot listen on %s: %s", endpoint,
                          zmq_strerror(errno));
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, loop->endpoints[which], &n) != 0)
        return rv_fail_as(err, RV_INTERNAL, RV_REASON_NONE, "cannot tell the endpoint of %s: %s", endpoint,
                          zmq_strerror(errno));
    if ((loop->sockets[which].fd = descriptor(socket)) < 0)
        return rv_fail_as(err, RV_INTERNAL, RV_REASON_NONE, "a socket has no descriptor: %s", zmq_strerror(errno));
    return RV_OK;
}

/* Ends of the clients' connections, to be read as messages. The queue has no limit: libzmq's threads would wait for it,
 * and it is bounded by the connections that were accepted. */
static rv_status_t watch_clients(rvc_loop_t *loop, rv_error_t *err) {
    loop->peers = rvc_peers_new();
    void *monitor = loop->monitor.zmq = zmq_socket(loop->context, ZMQ_PAIR);
    if (loop->peers && monitor && set_int(monitor, ZMQ_RCVHWM, 0) && set_int(monitor, ZMQ_LINGER, 0) &&
        zmq_socket_monitor(loop->sockets[CLIENTS].zmq, MONITOR, ZMQ_EVENT_DISCONNECTED) == 0 &&
        zmq_connect(monitor, MONITOR) == 0 && (loop->monitor.fd = descriptor(monitor)) >= 0)
        return RV_OK;
    return rv_fail_as(err, RV_INTERNAL, RV_REASON_NONE, "cannot watch the clients' socket: %s", zmq_strerror(errno));
}

static rv_status_t bind_all(rvc_loop_t *loop, const rvc_options_t *options, rv_error_t *err) {
    rvc_gate_open();
    loop->context = zmq_ctx_new();
    if (!loop->context || zmq_ctx_set(loop->context, ZMQ_IO_THREADS, 2) != 0)
        return rv_fail_as(err, RV_INTERNAL, RV_REASON_NONE, "cannot start ZeroMQ: %s", zmq_strerror(errno));
    rv_status_t status = bind_socket(loop, CLIENTS, options->endpoint, err);
    if (status == RV_OK)
        status = watch_clients(loop, err);
    if (status == RV_OK)
        status = bind_socket(loop, DATA, options->data_endpoint, err);
    if (status == RV_OK)
        status = bind_socket(loop, CONTROL, options->control_endpoint, err);
    return status;
}

/* A libzmq that reads by other calls than the gate's works, without the gate's bounds: that must be known. */
static void check_gate(rvc_loop_t *loop) {
    loop->received = true;
    if (!rvc_gate_stats().greeted)
        rv_log(RV_LOG_ERROR, "gate-bypassed",
               "this libzmq does not read through recv: messages without end are not cut");
}

/* Takes all that the monitor tells: number of the event and descriptor, then a frame with the endpoint. */
static void take_ends(rvc_loop_t *loop) {
    uint8_t event[6], routing[RVC_MAX_ROUTING];
    char endpoint[256];
    size_t n;
    while (zmq_recv(loop->monitor.zmq, event, sizeof event, ZMQ_DONTWAIT) == (int)sizeof event) {
        int32_t fd;
        memcpy(&fd, event + 2, sizeof fd);
        zmq_recv(loop->monitor.zmq, endpoint, sizeof endpoint, 0);
        if (rvc_peers_ended(loop->peers, fd, routing, &n))
            rvc_node_lost(loop->node, routing, n);
    }
}

/* A client's message: first the ends that came before it, because descriptors are used again. */
static void hear_client(rvc_loop_t *loop, const uint8_t *routing, size_t n, int fd) {
    take_ends(loop);
    if (fd < 0 && !loop->blind) {
        loop->blind = true;
        rv_log(RV_LOG_ERROR, "clients-unwatched",
               "this libzmq does not tell connections: a client's end is noticed late, bytes for it are not counted");
    }
    rvc_peers_heard(loop->peers, fd, routing, n);
}

/* Takes one message, or finds that there is none now. */
static void take_one(rvc_loop_t *loop, int which) {
    socket_t *socket = &loop->sockets[which];
    zmq_msg_t frames[MAX_FRAMES];
    const uint8_t *data[MAX_FRAMES + 1];
    size_t size[MAX_FRAMES + 1], count = 0;
    bool more = true, any = false;
    while (more) {
        zmq_msg_t surplus, *frame = count < MAX_FRAMES ? &frames[count] : &surplus;
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, socket->zmq, ZMQ_DONTWAIT) < 0) {
            socket->quiet = !any && errno == EAGAIN;
            zmq_msg_close(frame);
            break;
        }
        any = true;
        more = zmq_msg_more(frame);
        if (count < MAX_FRAMES) {
            data[count] = zmq_msg_data(frame);
            size[count] = zmq_msg_size(frame);
            count++;
        } else {
            zmq_msg_close(frame);
        }
    }
    if (any && !loop->received)
        check_gate(loop);
    if (count && which == CLIENTS) /* the first frame does not tell its connection (cluster.md 2.4) */
        hear_client(loop, data[0], size[0], zmq_msg_get(&frames[count - 1], ZMQ_SRCFD));
    if (any)
        rvc_node_receive(loop->node, FROM[which], data, size, count);
    for (size_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
}

/* How long poll may sleep; -1: until something comes. */
static int sleep_ms(const rvc_loop_t *loop, int64_t until) {
    for (int i = 0; i < SOCKETS; i++)
        if (!loop->sockets[i].quiet)
            return 0;
    int64_t next = rvc_node_next(loop->node);
    next = next < until ? next : until;
    if (next == INT64_MAX)
        return -1;
    int64_t left = next - rv_mono_ms();
    return left <= 0 ? 0 : left < INT_MAX ? (int)left : INT_MAX;
}

/* One round. *ret_stop: stop_fd is readable. `stop_fd` -1 is not looked at. */
static void turn(rvc_loop_t *loop, int stop_fd, int64_t until, bool *ret_stop) {
    struct pollfd fds[SOCKETS + 2];
    for (int i = 0; i < SOCKETS; i++)
        fds[i] = (struct pollfd){.fd = loop->sockets[i].fd, .events = POLLIN};
    fds[SOCKETS] = (struct pollfd){.fd = loop->monitor.fd, .events = POLLIN};
    fds[SOCKETS + 1] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
    bool any = poll(fds, SOCKETS + 2, sleep_ms(loop, until)) > 0;
    rvc_node_wake(loop->node, rv_mono_ms());
    *ret_stop = any && fds[SOCKETS + 1].revents;
    if (any && fds[SOCKETS].revents)
        take_ends(loop);
    for (int i = 0; i < SOCKETS; i++) {
        socket_t *socket = &loop->sockets[i];
        if (any && fds[i].revents)
            socket->quiet = false;
        for (unsigned k = 0; k < BURST && !socket->quiet; k++)
            take_one(loop, i);
    }
}

static void run(rvc_loop_t *loop, int stop_fd) {
    bool stop = false;
    take_ends(loop); /* from here on the monitor's descriptor tells what comes */
    while (!stop)
        turn(loop, stop_fd, INT64_MAX, &stop);
    rv_log(RV_LOG_INFO, "draining", "no new calls are taken");
    rvc_node_drain(loop->node);
    int64_t until = rv_mono_ms() + DRAIN_MS;
    while (!rvc_node_idle(loop->node) && rv_mono_ms() < until)
        turn(loop, -1, until, &stop);
    set_int(loop->sockets[CLIENTS].zmq, ZMQ_LINGER, LINGER_MS);
}

static void close_loop(rvc_loop_t *loop) {
    rvc_node_destroy(&loop->node);
    for (int i = 0; i < SOCKETS; i++)
        if (loop->sockets[i].zmq)
            zmq_close(loop->sockets[i].zmq);
    if (loop->monitor.zmq)
        zmq_close(loop->monitor.zmq);
    if (loop->context)
        zmq_ctx_term(loop->context);
    rvc_peers_destroy(&loop->peers);
}

static rv_status_t open_node(rvc_loop_t *loop, const rvc_options_t *options, rv_error_t *err) {
    rvc_node_options_t node = {.data_dir = options->data_dir,
                               .workers = options->workers,
                               .partitions = options->partitions,
                               .chunk_rows = options->chunk_rows,
                               .clients = {send_to_client, loop},
                               .data = {send_message, &loop->sockets[DATA]},
                               .control = {send_message, &loop->sockets[CONTROL]},
                               .wall_ms = rv_wall_ms};
    return rvc_node_new(&node, rv_mono_ms(), &loop->node, err);
}

rv_status_t rvc_coordinator_run(const rvc_options_t *options, rv_error_t *err) {
    rvc_loop_t loop = {0};
    char id[33];
    int lock = -1;
    rv_status_t status = rvc_site_lock(options->data_dir, &lock, err);
    if (status == RV_OK)
        status = bind_all(&loop, options, err);
    if (status == RV_OK)
        status = open_node(&loop, options, err);
    if (status == RV_OK) {
        rvc_node_cluster_id(loop.node, id);
        status = rvc_site_identify(options->data_dir, id, err);
    }
    if (status == RV_OK)
        status = rvc_site_publish(options->data_dir, loop.endpoints[CLIENTS], loop.endpoints[DATA],
                                  loop.endpoints[CONTROL], err);
    if (status == RV_OK) {
        rv_log(RV_LOG_INFO, "listening", "clients %s, data %s, control %s", loop.endpoints[CLIENTS],
               loop.endpoints[DATA], loop.endpoints[CONTROL]);
        run(&loop, options->stop_fd);
    }
    close_loop(&loop);
    rvc_site_unlock(&lock);
    return status;
}

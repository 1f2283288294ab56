/* link.c: see link.h. One zactor thread; everything here but new and destroy runs in it.
 *
 * It sleeps in poll() on the descriptors of its sockets, without zmq_poll's questions to all of them. A descriptor
 * tells only that something has come since the socket was last looked into (never before the first look), and a send
 * looks into it as well: so the link sleeps only when both sockets are `quiet`, that is, were found empty and not used
 * since.
 *
 * Calls stay in a list while they are open, so that CANCEL and CREDIT find them and lapsed deadlines are noticed; ended
 * ones are swept at every tick. Frames that are not well formed are dropped and counted: the coordinator's deadline
 * covers its call.
 */
#include "link.h"
#include "reveille/clock.h"
#include "reveille/hash.h"
#include "reveille/limits.h"
#include "reveille/log.h"
#include "reveille/uuid.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/wire.h"
#include <czmq.h>
#include <poll.h>
#include <stdatomic.h>

#define MAX_FRAMES 5
#define SERVICE "reveille.v1.WorkerService/"
#define REGISTER "reveille.v1.RegistryService/RegisterWorker"
#define PING "reveille.v1.RegistryService/Ping"
#define REGISTER_AGAIN_MS 100

typedef struct open_call {
    struct open_call *next;
    rvw_call_t *call;
    bool pooled;
} open_call_t;

typedef struct {
    zmq_msg_t frame[MAX_FRAMES];
    size_t n;
} message_t;

struct rvw_link {
    rvw_link_config_t config;
    zactor_t *actor;
    zsock_t *data, *control;
    bool data_quiet, control_quiet;
    char data_endpoint[256], control_endpoint[256];
    char routing_id[128];
    open_call_t *calls;
    bool registered, outbox_blocked;
    atomic_bool refused; /* for good */
    int64_t last_answer, next_send;
    uint64_t refusal; /* hash of the last one in the log */
    uint64_t asked, refused_frames;
    uint64_t reported[RV_MAX_PARTITIONS]; /* hash of the last report sent; 0: none */
};

/* ---- sockets ---- */

static zsock_t *connect_socket(const char *endpoint, const char *routing_id) {
    zsock_t *sock = zsock_new(ZMQ_DEALER);
    if (!sock)
        return NULL;
    void *raw = zsock_resolve(sock);
    int64_t max = RV_MAX_MESSAGE;
    zmq_setsockopt(raw, ZMQ_MAXMSGSIZE, &max, sizeof max);
    zsock_set_sndhwm(sock, RV_HWM);
    zsock_set_rcvhwm(sock, RV_HWM_COORDINATOR);
    zsock_set_linger(sock, 0);
    zsock_set_immediate(sock, 1);
    zsock_set_reconnect_ivl(sock, 50);
    zsock_set_reconnect_ivl_max(sock, 1000);
    zsock_set_tcp_keepalive(sock, 1);
    zsock_set_tcp_keepalive_idle(sock, 10);
    zsock_set_tcp_keepalive_intvl(sock, 5);
    zsock_set_tcp_keepalive_cnt(sock, 3);
    zsock_set_handshake_ivl(sock, 3000);
    if (routing_id)
        zsock_set_identity(sock, routing_id);
    if (zsock_connect(sock, "%s", endpoint) != 0)
        zsock_destroy(&sock);
    return sock;
}

static bool read_line(FILE *file, char *line, int size) {
    if (!fgets(line, size, file))
        return false;
    line[strcspn(line, "\r\n")] = 0;
    return line[0] != 0;
}

/* Connects when the endpoints are known and differ from those in use. */
static void follow_endpoints(rvw_link_t *link) {
    char client[256], data[256], control[256];
    FILE *file = fopen(link->config.endpoints_file, "re");
    bool known = file && read_line(file, client, sizeof client) && read_line(file, data, sizeof data) &&
                 read_line(file, control, sizeof control);
    if (file)
        fclose(file);
    if (!known || (strcmp(data, link->data_endpoint) == 0 && strcmp(control, link->control_endpoint) == 0))
        return;
    zsock_destroy(&link->data);
    zsock_destroy(&link->control);
    link->data = connect_socket(data, link->routing_id);
    link->control = connect_socket(control, NULL);
    link->data_quiet = link->control_quiet = false;
    if (!link->data || !link->control) {
        rv_log(RV_LOG_ERROR, "connect-failed", "cannot connect to '%s' and '%s': %s", data, control,
               zmq_strerror(errno));
        zsock_destroy(&link->data);
        zsock_destroy(&link->control);
        return;
    }
    snprintf(link->data_endpoint, sizeof link->data_endpoint, "%s", data);
    snprintf(link->control_endpoint, sizeof link->control_endpoint, "%s", control);
    rv_log(RV_LOG_INFO, "connecting", "data %s, control %s", data, control);
}

/* One message, at most MAX_FRAMES frames; more are read away. False when there is none: then the socket is quiet. */
static bool receive(zsock_t *sock, bool *quiet, message_t *message) {
    void *raw = zsock_resolve(sock);
    int more = 1;
    message->n = 0;
    if (*quiet)
        return false;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, raw, message->n ? 0 : ZMQ_DONTWAIT) < 0) {
            *quiet = message->n == 0 && errno == EAGAIN;
            zmq_msg_close(&frame);
            return message->n > 0;
        }
        more = zmq_msg_more(&frame);
        if (message->n < MAX_FRAMES)
            message->frame[message->n++] = frame;
        else
            zmq_msg_close(&frame);
    }
    return true;
}

static int events_of(zsock_t *sock) {
    int events = 0;
    size_t n = sizeof events;
    return zmq_getsockopt(zsock_resolve(sock), ZMQ_EVENTS, &events, &n) == 0 ? events : 0;
}

static void close_message(message_t *message) {
    for (size_t i = 0; i < message->n; i++)
        zmq_msg_close(&message->frame[i]);
}

static rv_status_t split(message_t *message, rv_frames_t *frames, rv_error_t *err) {
    const uint8_t *data[MAX_FRAMES];
    size_t size[MAX_FRAMES];
    for (size_t i = 0; i < message->n; i++) {
        data[i] = zmq_msg_data(&message->frame[i]);
        size[i] = zmq_msg_size(&message->frame[i]);
    }
    return rv_wire_split(data, size, message->n, false, frames, err);
}

/* ---- control: registering and pinging ---- */

static void ask(rvw_link_t *link, const char *method, const ProtobufCMessage *body) {
    Reveille__V1__RequestHeader header = REVEILLE__V1__REQUEST_HEADER__INIT;
    uint8_t id[8], *header_bytes = NULL, *body_bytes = NULL;
    size_t header_n, body_n;
    link->asked++;
    memcpy(id, &link->asked, sizeof id);
    header.method = (char *)(uintptr_t)method;
    header.request_id = (ProtobufCBinaryData){sizeof id, id};
    header.kind = REVEILLE__V1__KIND__KIND_CALL;
    header.timeout_ms = RV_LEASE_MS;
    void *raw = zsock_resolve(link->control);
    if (rv_wire_pack(&header.base, &header_bytes, &header_n) == RV_OK &&
        rv_wire_pack(body, &body_bytes, &body_n) == RV_OK && zmq_send(raw, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 0) {
        zmq_send(raw, RV_WIRE_TAG, 4, ZMQ_SNDMORE);
        zmq_send(raw, header_bytes, header_n, ZMQ_SNDMORE);
        zmq_send(raw, body_bytes, body_n, 0);
    }
    free(header_bytes);
    free(body_bytes);
}

static void send_register(rvw_link_t *link) {
    Reveille__V1__RegisterWorkerRequest request = REVEILLE__V1__REGISTER_WORKER_REQUEST__INIT;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    memset(link->reported, 0, sizeof link->reported);
    rv_catalog_t *catalog = rvw_holdings_catalog(link->config.holdings);
    const uint8_t *cluster = rvw_holdings_cluster(link->config.holdings);
    request.name = (char *)(uintptr_t)link->config.name;
    request.incarnation = rvw_holdings_incarnation(link->config.holdings);
    request.routing_id = (ProtobufCBinaryData){strlen(link->routing_id), (uint8_t *)link->routing_id};
    if (cluster)
        request.cluster_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)cluster};
    request.catalog_version = rv_catalog_version(catalog);
    if (rvw_holdings_report(link->config.holdings, NULL, 0, &arena, &request.partitions, &request.n_partitions, NULL) ==
        RV_OK)
        ask(link, REGISTER, &request.base);
    rv_catalog_unref(&catalog);
    rv_arena_done(&arena);
}

/* Keeps the reports that changed since they were last sent. */
static size_t only_changed(rvw_link_t *link, Reveille__V1__PartitionReport **reports, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const Reveille__V1__PartitionStatus *s = reports[i]->status;
        uint64_t facts[] = {reports[i]->epoch, s->lsn,  s->flushed_lsn, s->contacts,
                            s->events,         s->runs, s->bytes,       s->problem[0] != 0};
        uint64_t hash = rv_hash(facts, sizeof facts) | 1;
        if (link->reported[s->partition] == hash)
            continue;
        link->reported[s->partition] = hash;
        reports[kept++] = reports[i];
    }
    return kept;
}

static void send_ping(rvw_link_t *link) {
    Reveille__V1__PingRequest request = REVEILLE__V1__PING_REQUEST__INIT;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    request.name = (char *)(uintptr_t)link->config.name;
    request.incarnation = rvw_holdings_incarnation(link->config.holdings);
    if (rvw_holdings_report(link->config.holdings, NULL, 0, &arena, &request.partitions, &request.n_partitions, NULL) ==
        RV_OK) {
        request.n_partitions = only_changed(link, request.partitions, request.n_partitions);
        ask(link, PING, &request.base);
    }
    rv_arena_done(&arena);
}

static void take_answer(rvw_link_t *link, const rv_frames_t *frames, rv_arena_t *arena) {
    ProtobufCMessage *message;
    rv_error_t err = {0};
    uint64_t asked;
    if (rv_wire_unpack(&reveille__v1__reply_header__descriptor, frames->header, frames->header_n, arena, &message,
                       &err) != RV_OK)
        return;
    const Reveille__V1__ReplyHeader *header = (const Reveille__V1__ReplyHeader *)message;
    if (header->request_id.len != sizeof asked)
        return;
    memcpy(&asked, header->request_id.data, sizeof asked);
    if (asked != link->asked) /* an answer to an older question */
        return;
    if (rv_wire_error(header->status, &err) != RV_OK) {
        uint64_t hash = rv_hash(err.message, strlen(err.message));
        if (hash != link->refusal)
            rv_log(RV_LOG_WARN, "refused", "the coordinator refuses this worker: %s", err.message);
        link->refusal = hash;
        if (err.reason == RV_REASON_FOREIGN)
            atomic_store(&link->refused, true);
        link->registered = false;
        return;
    }
    link->last_answer = rv_mono_ms();
    if (!link->registered) {
        link->registered = true;
        link->refusal = 0;
        rv_log(RV_LOG_INFO, "registered", "as %s", link->routing_id);
        return;
    }
    if (rv_wire_unpack(&reveille__v1__ping_response__descriptor, frames->body, frames->body_n, arena, &message, &err) !=
        RV_OK)
        return;
    if (((const Reveille__V1__PingResponse *)message)->must_register) {
        link->registered = false;
        link->next_send = 0;
    }
}

static void read_control(rvw_link_t *link) {
    message_t message;
    while (receive(link->control, &link->control_quiet, &message)) {
        rv_frames_t frames;
        rv_arena_t arena;
        rv_arena_init(&arena, RV_MAX_UNPACK);
        if (split(&message, &frames, NULL) == RV_OK)
            take_answer(link, &frames, &arena);
        rv_arena_done(&arena);
        close_message(&message);
    }
}

static void speak(rvw_link_t *link, int64_t now) {
    if (link->registered && now - link->last_answer > (int64_t)RV_LEASE_MS) {
        rv_log(RV_LOG_WARN, "lease-lost", "the coordinator has not answered for %lld ms",
               (long long)(now - link->last_answer));
        link->registered = false;
    }
    if (now < link->next_send)
        return;
    link->next_send = now + (link->registered ? RV_PING_MS : REGISTER_AGAIN_MS);
    if (!link->registered)
        follow_endpoints(link);
    if (!link->control)
        return;
    link->control_quiet = false;
    if (link->registered)
        send_ping(link);
    else
        send_register(link);
}

/* ---- data: calls from the coordinator ---- */

static open_call_t *find_call(rvw_link_t *link, const ProtobufCBinaryData *id) {
    for (open_call_t *open = link->calls; open; open = open->next)
        if (rvw_call_has_id(open->call, id->data, id->len))
            return open;
    return NULL;
}

static void dispatch(rvw_link_t *link, const char *method, open_call_t *open) {
    rvw_call_t *call = rvw_call_ref(open->call);
    if (strcmp(method, "Write") == 0) {
        rvw_writer_add(link->config.writer, call, RVW_WRITE);
    } else if (strcmp(method, "Assign") == 0) {
        rvw_writer_add(link->config.writer, call, RVW_ASSIGN);
    } else if (strcmp(method, "Companies") == 0) {
        rvw_writer_add(link->config.writer, call, RVW_COMPANIES_READ);
    } else if (strcmp(method, "Maintain") == 0) {
        rvw_housekeeper_maintain(link->config.housekeeper, call);
    } else if (strcmp(method, "Query") == 0) {
        open->pooled = true;
        rvw_pool_add(link->config.pool, call, RVW_TASK_QUERY);
    } else if (strcmp(method, "Fetch") == 0) {
        open->pooled = true;
        rvw_pool_add(link->config.pool, call, RVW_TASK_FETCH);
    } else if (strcmp(method, "History") == 0) {
        open->pooled = true;
        rvw_pool_add(link->config.pool, call, RVW_TASK_HISTORY);
    } else {
        rv_error_t err;
        rv_fail(&err, RV_REASON_METHOD, "a worker has no method '%s'", method);
        rvw_call_reply(call, NULL, false, &err);
        rvw_call_unref(&call);
    }
}

static void open_call(rvw_link_t *link, const Reveille__V1__RequestHeader *header, zmq_msg_t *body) {
    size_t prefix = strlen(SERVICE);
    open_call_t *open = calloc(1, sizeof *open);
    if (open)
        open->call = rvw_call_new(link->config.outbox, header->request_id.data, header->request_id.len, body,
                                  header->timeout_ms);
    if (!open || !open->call) {
        free(open);
        link->refused_frames++;
        return;
    }
    open->next = link->calls;
    link->calls = open;
    dispatch(link, strncmp(header->method, SERVICE, prefix) == 0 ? header->method + prefix : header->method, open);
}

static void take_request(rvw_link_t *link, message_t *message, rv_arena_t *arena) {
    rv_frames_t frames;
    rv_error_t err;
    ProtobufCMessage *unpacked;
    if (split(message, &frames, &err) != RV_OK ||
        rv_wire_unpack(&reveille__v1__request_header__descriptor, frames.header, frames.header_n, arena, &unpacked,
                       &err) != RV_OK) {
        if (link->refused_frames++ == 0)
            rv_log(RV_LOG_WARN, "bad-frame", "%s", err.message);
        return;
    }
    const Reveille__V1__RequestHeader *header = (const Reveille__V1__RequestHeader *)unpacked;
    open_call_t *open = find_call(link, &header->request_id);
    switch (header->kind) {
    case REVEILLE__V1__KIND__KIND_UNSPECIFIED:
    case REVEILLE__V1__KIND__KIND_CALL:
        if (!open || rvw_call_over(open->call))
            open_call(link, header, &message->frame[3]);
        return;
    case REVEILLE__V1__KIND__KIND_CANCEL:
        if (!open)
            return;
        rvw_call_cancel(open->call);
        if (open->pooled)
            rvw_pool_wake(link->config.pool, open->call);
        return;
    case REVEILLE__V1__KIND__KIND_CREDIT:
        if (open && rvw_call_grant(open->call, header->seq) && open->pooled)
            rvw_pool_wake(link->config.pool, open->call);
        return;
    default:
        link->refused_frames++;
    }
}

static void read_data(rvw_link_t *link) {
    message_t message;
    /* a bounded number at once, so that pings go out in time */
    for (int i = 0; i < 64 && receive(link->data, &link->data_quiet, &message); i++) {
        rv_arena_t arena;
        rv_arena_init(&arena, RV_MAX_UNPACK);
        take_request(link, &message, &arena);
        rv_arena_done(&arena);
        close_message(&message);
    }
}

static void sweep_calls(rvw_link_t *link) {
    for (open_call_t **at = &link->calls; *at;) {
        open_call_t *open = *at;
        if (!rvw_call_over(open->call)) {
            if (open->pooled && rvw_call_stopped(open->call, NULL) != RV_OK)
                rvw_pool_wake(link->config.pool, open->call);
            at = &open->next;
            continue;
        }
        *at = open->next;
        rvw_call_unref(&open->call);
        free(open);
    }
}

/* Sends what the pool and the writer have answered. */
static void send_replies(rvw_link_t *link) {
    if (link->outbox_blocked) {
        int events = events_of(link->data);
        link->data_quiet = link->data_quiet && !(events & ZMQ_POLLIN);
        if (!(events & ZMQ_POLLOUT))
            return;
    }
    link->data_quiet = false;
    link->outbox_blocked = !rvw_outbox_send(link->config.outbox, zsock_resolve(link->data));
    sweep_calls(link); /* what was answered is let go at once: memory must not grow with the rate of calls */
}

/* ---- the actor ---- */

enum { PIPE, OUTBOX, DATA, CONTROL, SOURCES };

/* Sleeps until there is something to do. False: the end. */
static bool wait_for_work(rvw_link_t *link, zsock_t *pipe, struct pollfd *fds) {
    int64_t wait = link->next_send - rv_mono_ms();
    if (wait < 0 || (link->data && !(link->data_quiet && link->control_quiet)))
        wait = 0;
    fds[PIPE] = (struct pollfd){zsock_fd(pipe), POLLIN, 0};
    fds[OUTBOX] =
        (struct pollfd){link->data && !link->outbox_blocked ? rvw_outbox_fd(link->config.outbox) : -1, POLLIN, 0};
    fds[DATA] = (struct pollfd){link->data ? zsock_fd(link->data) : -1, POLLIN, 0};
    fds[CONTROL] = (struct pollfd){link->control ? zsock_fd(link->control) : -1, POLLIN, 0};
    if (poll(fds, SOURCES, (int)wait) < 0) {
        for (int i = 0; i < SOURCES; i++)
            fds[i].revents = 0;
        return errno == EINTR;
    }
    return !fds[PIPE].revents || !(events_of(pipe) & ZMQ_POLLIN); /* the only message is $TERM */
}

static void run(zsock_t *pipe, void *context) {
    rvw_link_t *link = context;
    struct pollfd fds[SOURCES];
    zsock_signal(pipe, 0);
    if (events_of(pipe) & ZMQ_POLLIN) /* $TERM already; if not, its descriptor tells of it */
        return;
    for (int64_t next_sweep = 0;;) {
        int64_t now = rv_mono_ms();
        speak(link, now);
        if (now >= next_sweep) {
            sweep_calls(link);
            next_sweep = now + RV_PING_MS;
        }
        if (!wait_for_work(link, pipe, fds))
            break;
        if (!link->data)
            continue;
        link->data_quiet = link->data_quiet && !fds[DATA].revents;
        link->control_quiet = link->control_quiet && !fds[CONTROL].revents;
        read_data(link);
        read_control(link);
        if (fds[OUTBOX].revents || link->outbox_blocked)
            send_replies(link);
    }
    zsock_destroy(&link->data);
    zsock_destroy(&link->control);
}

rv_status_t rvw_link_new(const rvw_link_config_t *config, rvw_link_t **ret, rv_error_t *err) {
    rvw_link_t *link = calloc(1, sizeof *link);
    if (!link)
        return rv_fail_memory(err, "the link");
    link->config = *config;
    uint8_t own[16];
    rv_uuid7(own); /* another process under this name, which will be refused, must not get what is sent to this one */
    snprintf(link->routing_id, sizeof link->routing_id, "%s/%llu/%02x%02x%02x%02x", config->name,
             (unsigned long long)rvw_holdings_incarnation(config->holdings), own[12], own[13], own[14], own[15]);
    link->actor = zactor_new(run, link);
    if (!link->actor) {
        free(link);
        return rv_fail(err, RV_REASON_BUG, "the link's actor does not start");
    }
    *ret = link;
    return RV_OK;
}

void rvw_link_destroy(rvw_link_t **ret) {
    rvw_link_t *link = *ret;
    *ret = NULL;
    if (!link)
        return;
    zactor_destroy(&link->actor);
    while (link->calls) {
        open_call_t *open = link->calls;
        link->calls = open->next;
        rvw_call_cancel(open->call);
        rvw_call_unref(&open->call);
        free(open);
    }
    free(link);
}

bool rvw_link_refused(const rvw_link_t *link) {
    return atomic_load(&link->refused);
}

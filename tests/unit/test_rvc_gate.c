/* A ROUTER behind the gate: raw peers that never end a message are cut, honest ones are not, however late the ROUTER
 * reads. Raw sockets are read with read, because recv is the gate's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "../../coordinator/gate.h"
#include "reveille/limits.h"

#define PART (256u << 10)
#define PATIENCE_MS 600000 /* only ends what hangs */

static void *context, *router;
static char endpoint[256];
static uint8_t part[9 + PART];

static int setup(void **state) {
    (void)state;
    size_t n = sizeof endpoint;
    int64_t largest = RV_MAX_MESSAGE;
    int linger = 0, mark = RV_HWM_COORDINATOR, patience = PATIENCE_MS;
    rvc_gate_open();
    context = zmq_ctx_new();
    router = zmq_socket(context, ZMQ_ROUTER);
    zmq_setsockopt(router, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(router, ZMQ_RCVHWM, &mark, sizeof mark);
    zmq_setsockopt(router, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    return zmq_bind(router, "tcp://127.0.0.1:*") || zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &n);
}

static int teardown(void **state) {
    (void)state;
    zmq_close(router);
    zmq_ctx_term(context);
    return 0;
}

static bool send_all(int fd, const void *data, size_t n) {
    for (size_t sent = 0; sent < n;) {
        ssize_t now = send(fd, (const uint8_t *)data + sent, n - sent, MSG_NOSIGNAL);
        if (now < 0)
            return false;
        sent += (size_t)now;
    }
    return true;
}

static void read_all(int fd, size_t n) {
    uint8_t byte;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(read(fd, &byte, 1), 1);
}

static int dial(void) {
    unsigned port = 0;
    assert_int_equal(sscanf(endpoint, "tcp://127.0.0.1:%u", &port), 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* A DEALER that has shaken hands. */
static int peer_open(void) {
    static const uint8_t GREETING[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    static const char READY[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    int fd = dial();
    uint8_t head[2];
    assert_true(send_all(fd, GREETING, sizeof GREETING));
    read_all(fd, 64);
    assert_true(send_all(fd, READY, sizeof READY - 1));
    assert_int_equal(read(fd, head, 1), 1);
    assert_int_equal(read(fd, head + 1, 1), 1);
    read_all(fd, head[1]);
    return fd;
}

/* The other side has closed, or does so in time. */
static bool is_cut(int fd) {
    uint8_t rest[4096];
    ssize_t n;
    while ((n = read(fd, rest, sizeof rest)) > 0)
        ;
    return n == 0 || errno != EAGAIN;
}

static size_t resident(void) {
    size_t pages = 0, ignored = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &ignored, &pages), 2);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Sends `data` again and again: the connection is cut before 256 MiB, and little memory was used. */
static void abuse(const void *data, size_t n, size_t most) {
    uint64_t before = rvc_gate_stats().cut;
    int fd = peer_open();
    size_t memory = resident(), peak = 0;
    for (size_t sent = 0; sent < (256u << 20) && send_all(fd, data, n); sent += n) {
        size_t now = resident();
        peak = now > memory + peak ? now - memory : peak;
    }
    assert_true(is_cut(fd));
    close(fd);
    assert_int_equal(rvc_gate_stats().cut, before + 1);
    assert_true(peak < most);
}

static void answers(void) {
    char text[8];
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    int linger = 0, patience = PATIENCE_MS;
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(zmq_connect(dealer, endpoint), 0);
    assert_int_equal(zmq_send(dealer, "ask", 3, 0), 3);
    zmq_msg_t id;
    zmq_msg_init(&id);
    assert_true(zmq_msg_recv(&id, router, 0) > 0);
    assert_int_equal(zmq_recv(router, text, sizeof text, 0), 3);
    assert_true(zmq_msg_send(&id, router, ZMQ_SNDMORE) > 0);
    assert_int_equal(zmq_send(router, "reply", 5, 0), 5);
    assert_int_equal(zmq_recv(dealer, text, sizeof text, 0), 5);
    zmq_close(dealer);
}

static void a_message_without_end_cuts_its_connection(void **state) {
    (void)state;
    uint64_t greeted = rvc_gate_stats().greeted;
    const uint8_t head[9] = {3, 0, 0, 0, 0, 0, PART >> 16, 0, 0};
    memcpy(part, head, sizeof head);
    abuse(part, sizeof part, 32u << 20);
    assert_int_equal(rvc_gate_stats().greeted, greeted + 1);
    answers();
}

/* An empty frame takes 2 bytes on the wire and 64 in memory. */
static void empty_frames_without_end_cut_their_connection(void **state) {
    (void)state;
    uint8_t frames[8192];
    for (size_t i = 0; i < sizeof frames; i++)
        frames[i] = i % 2 == 0;
    abuse(frames, sizeof frames, 32u << 20);
    answers();
}

static void a_peer_of_another_protocol_is_cut(void **state) {
    (void)state;
    int fd = dial();
    assert_true(send_all(fd, "GET / HTTP/1.1\r\n\r\n", 18));
    assert_true(is_cut(fd));
    close(fd);
    answers();
}

/* Descriptors come back with other peers behind them. */
static void a_descriptor_used_again_begins_anew(void **state) {
    (void)state;
    uint64_t before = rvc_gate_stats().cut;
    const uint8_t half[] = {1, 10, 'h', 'a', 'l', 'f'};
    for (unsigned i = 0; i < 50; i++) {
        int fd = peer_open();
        assert_true(send_all(fd, half, i % sizeof half));
        close(fd);
        answers();
    }
    assert_int_equal(rvc_gate_stats().cut, before);
}

/* Far more than one message may have, sent before the ROUTER takes the first; nothing is lost, nobody is cut. */
static void finished_messages_may_wait(void **state) {
    (void)state;
    enum { MESSAGES = 2000, BIG = 20 };
    uint64_t before = rvc_gate_stats().cut;
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    int linger = 0, mark = 0, patience = PATIENCE_MS;
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(dealer, ZMQ_SNDHWM, &mark, sizeof mark);
    zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(zmq_connect(dealer, endpoint), 0);
    uint8_t *body = calloc(1, RV_MAX_BODY);
    for (int i = 0; i < MESSAGES; i++) {
        size_t n = i < BIG ? RV_MAX_BODY : 100;
        assert_int_equal(zmq_send(dealer, "", 0, ZMQ_SNDMORE), 0);
        assert_int_equal(zmq_send(dealer, body, n, 0), n);
    }
    zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
    for (int i = 0; i < MESSAGES; i++) {
        uint8_t id[255], none[1];
        assert_true(zmq_recv(router, id, sizeof id, 0) > 0);
        assert_int_equal(zmq_recv(router, none, sizeof none, 0), 0);
        assert_int_equal(zmq_recv(router, body, RV_MAX_BODY, 0), i < BIG ? RV_MAX_BODY : 100);
    }
    free(body);
    zmq_close(dealer);
    assert_int_equal(rvc_gate_stats().cut, before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_without_end_cuts_its_connection),
        cmocka_unit_test(empty_frames_without_end_cut_their_connection),
        cmocka_unit_test(a_peer_of_another_protocol_is_cut),
        cmocka_unit_test(a_descriptor_used_again_begins_anew),
        cmocka_unit_test(finished_messages_may_wait),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

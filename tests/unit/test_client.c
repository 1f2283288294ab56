/* test_client.c: libreveille against a ROUTER in a thread that answers as a coordinator would, or worse. */
#include "reveille/client.h"
#include "reveille/limits.h"
#include "reveille/wire.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

/* The method says what the server does. */
typedef struct {
    void *context, *socket;
    char endpoint[64];
    pthread_t thread;
    unsigned kinds[6];
} server_t;

typedef struct {
    uint8_t routing[64], id[64];
    size_t routing_n, id_n;
    char method[64];
    Reveille__V1__Kind kind;
    uint64_t seq;
    uint8_t body[256];
    size_t n;
} received_t;

static size_t part(void *socket, void *buffer, size_t cap) {
    int n = zmq_recv(socket, buffer, cap, 0);
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap;
}

static bool receive(server_t *server, received_t *ret) {
    uint8_t delimiter[8], tag[8], header[512];
    ret->routing_n = part(server->socket, ret->routing, sizeof ret->routing);
    if (ret->routing_n == 0)
        return false;
    part(server->socket, delimiter, sizeof delimiter);
    part(server->socket, tag, sizeof tag);
    size_t header_n = part(server->socket, header, sizeof header);
    ret->n = part(server->socket, ret->body, sizeof ret->body);
    Reveille__V1__RequestHeader *message = reveille__v1__request_header__unpack(NULL, header_n, header);
    if (!message)
        return false;
    snprintf(ret->method, sizeof ret->method, "%s", message->method);
    ret->id_n = message->request_id.len;
    memcpy(ret->id, message->request_id.data, ret->id_n);
    ret->kind = message->kind;
    ret->seq = message->seq;
    reveille__v1__request_header__free_unpacked(message, NULL);
    return true;
}

static void answer(server_t *server, const received_t *to, uint64_t seq, bool more, Reveille__V1__Status *status,
                   const char *tag, const char *body) {
    Reveille__V1__ReplyHeader header = REVEILLE__V1__REPLY_HEADER__INIT;
    uint8_t packed[512];
    header.request_id = (ProtobufCBinaryData){to->id_n, (uint8_t *)(uintptr_t)to->id};
    header.seq = seq;
    header.more = more;
    header.status = status;
    size_t n = reveille__v1__reply_header__pack(&header, packed);
    zmq_send(server->socket, to->routing, to->routing_n, ZMQ_SNDMORE);
    zmq_send(server->socket, "", 0, ZMQ_SNDMORE);
    zmq_send(server->socket, tag, strlen(tag), ZMQ_SNDMORE);
    zmq_send(server->socket, packed, n, ZMQ_SNDMORE);
    zmq_send(server->socket, body, strlen(body), 0);
}

static void refuse(server_t *server, const received_t *to) {
    rv_error_t err;
    Reveille__V1__Status status;
    Reveille__V1__ErrorDetail detail, *details[1];
    rv_fail_at(&err, RV_REASON_FILTER, 1, 17, "unknown attribute 'contry', did you mean 'country'?");
    rv_wire_status(&err, &status, &detail, details);
    answer(server, to, 1, false, &status, "RVL1", "");
}

static void *serve(void *context) {
    server_t *server = context;
    received_t got;
    uint64_t streamed = 0, credit = RV_STREAM_WINDOW;
    received_t stream;
    while (receive(server, &got) && strcmp(got.method, "stop") != 0) {
        server->kinds[got.kind]++;
        if (got.kind == REVEILLE__V1__KIND__KIND_CANCEL)
            continue;
        if (got.kind == REVEILLE__V1__KIND__KIND_CREDIT)
            credit += got.seq;
        else if (strcmp(got.method, "echo") == 0) {
            got.body[got.n] = 0;
            answer(server, &got, 1, false, NULL, "RVL1", (char *)got.body);
        } else if (strcmp(got.method, "refuse") == 0)
            refuse(server, &got);
        else if (strcmp(got.method, "old") == 0)
            answer(server, &got, 1, false, NULL, "RVL0", "");
        else if (strcmp(got.method, "stranger") == 0) {
            got.id[0] ^= 0xff; /* a reply to a call that is not open is dropped */
            answer(server, &got, 1, false, NULL, "RVL1", "wrong");
            got.id[0] ^= 0xff;
            answer(server, &got, 1, false, NULL, "RVL1", "right");
        } else if (strcmp(got.method, "stream") == 0 && got.kind == REVEILLE__V1__KIND__KIND_CALL) {
            stream = got;
            streamed = 0;
            credit = RV_STREAM_WINDOW;
        } else if (strcmp(got.method, "upload") == 0)
            answer(server, &got, got.seq, got.kind != REVEILLE__V1__KIND__KIND_END, NULL, "RVL1",
                   got.kind == REVEILLE__V1__KIND__KIND_CALL  ? "start"
                   : got.kind == REVEILLE__V1__KIND__KIND_END ? "end"
                                                              : "data");
        /* a stream of 100 replies, as far as the credit goes */
        for (; credit > 0 && streamed < 100 && strcmp(got.method, "stream") == 0; credit--, streamed++) {
            char body[16];
            snprintf(body, sizeof body, "%d", (int)streamed);
            answer(server, &stream, streamed + 1, streamed < 99, NULL, "RVL1", body);
        }
    }
    return NULL;
}

static void start_server(server_t *server) {
    size_t n = sizeof server->endpoint;
    memset(server, 0, sizeof *server);
    server->context = zmq_ctx_new();
    server->socket = zmq_socket(server->context, ZMQ_ROUTER);
    zmq_setsockopt(server->socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    assert_int_equal(zmq_bind(server->socket, "tcp://127.0.0.1:*"), 0);
    zmq_getsockopt(server->socket, ZMQ_LAST_ENDPOINT, server->endpoint, &n);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static rv_status_t call(rv_client_t *client, const char *method, const char *body, uint32_t timeout, char out[64],
                        rv_error_t *err) {
    uint8_t *reply = NULL;
    size_t n;
    rv_status_t status = rv_client_call(client, method, (const uint8_t *)body, strlen(body), timeout, &reply, &n, err);
    if (status == RV_OK)
        snprintf(out, 64, "%.*s", (int)n, (const char *)reply);
    free(reply);
    return status;
}

static void stop_server(server_t *server, rv_client_t *client) {
    char out[64];
    rv_error_t err;
    call(client, "stop", "", 1, out, &err);
    pthread_join(server->thread, NULL);
    zmq_close(server->socket);
    zmq_ctx_term(server->context);
}

static void calls_are_answered_or_refused(void **state) {
    server_t server;
    rv_client_t *client = NULL;
    rv_error_t err;
    char out[64];
    (void)state;
    start_server(&server);
    assert_int_equal(rv_client_new(server.endpoint, &client, &err), RV_OK);
    assert_int_equal(call(client, "echo", "hello", 5000, out, &err), RV_OK);
    assert_string_equal(out, "hello");
    assert_int_equal(call(client, "echo", "", 5000, out, &err), RV_OK);
    assert_string_equal(out, "");
    assert_int_equal(call(client, "refuse", "", 5000, out, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(err.reason, RV_REASON_FILTER);
    assert_int_equal(err.line, 1);
    assert_int_equal(err.column, 17);
    assert_int_equal(call(client, "stranger", "", 5000, out, &err), RV_OK);
    assert_string_equal(out, "right");
    assert_int_equal(call(client, "old", "", 5000, out, &err), RV_UNAVAILABLE);
    assert_non_null(strstr(err.message, "another version"));
    assert_int_equal(call(client, "silent", "", 1, out, &err), RV_DEADLINE_EXCEEDED);
    assert_int_equal(err.reason, RV_REASON_NONE);
    stop_server(&server, client);
    rv_client_destroy(&client);
    assert_null(client);
}

static void large_requests_are_refused_before_they_are_sent(void **state) {
    rv_client_t *client = NULL;
    rv_error_t err;
    uint8_t *body = calloc(1, RV_MAX_BODY + 1), *reply = NULL;
    size_t n;
    (void)state;
    assert_int_equal(rv_client_new("tcp://127.0.0.1:1", &client, &err), RV_OK);
    assert_int_equal(rv_client_call(client, "echo", body, RV_MAX_BODY + 1, 1000, &reply, &n, &err),
                     RV_INVALID_ARGUMENT);
    assert_int_equal(err.reason, RV_REASON_LIMIT);
    assert_null(reply);
    rv_client_destroy(&client);
    free(body);
}

static void nobody_there_is_unavailable(void **state) {
    rv_client_t *client = NULL;
    rv_error_t err;
    char out[64];
    (void)state;
    assert_int_equal(rv_client_new("tcp://127.0.0.1:1", &client, &err), RV_OK);
    assert_int_equal(call(client, "echo", "", 100, out, &err), RV_UNAVAILABLE);
    assert_int_equal(err.reason, RV_REASON_NONE);
    assert_string_equal(err.message, "no coordinator answers at tcp://127.0.0.1:1");
    rv_client_destroy(&client);
    assert_int_equal(rv_client_new("nonsense", &client, &err), RV_INVALID_ARGUMENT);
    assert_null(client);
}

static void streams_come_whole_and_grant_credit(void **state) {
    server_t server;
    rv_client_t *client = NULL;
    rv_call_t *stream = NULL;
    rv_error_t err;
    char out[64];
    (void)state;
    start_server(&server);
    assert_int_equal(rv_client_new(server.endpoint, &client, &err), RV_OK);
    assert_int_equal(rv_call_open(client, "stream", NULL, 0, 5000, &stream, &err), RV_OK);
    bool more = true;
    for (int i = 0; i < 100; i++) {
        uint8_t *body;
        size_t n;
        assert_true(more);
        assert_int_equal(rv_call_receive(stream, &body, &n, &more, &err), RV_OK);
        snprintf(out, sizeof out, "%.*s", (int)n, (const char *)body);
        assert_int_equal(atoi(out), i);
        free(body);
        if (i == 50) { /* another call on the same client meanwhile */
            assert_int_equal(call(client, "echo", "x", 5000, out, &err), RV_OK);
            assert_string_equal(out, "x");
        }
    }
    assert_false(more);
    rv_call_close(&stream);
    assert_int_equal(rv_call_open(client, "stream", NULL, 0, 5000, &stream, &err), RV_OK);
    uint8_t *body;
    size_t n;
    assert_int_equal(rv_call_receive(stream, &body, &n, &more, &err), RV_OK);
    free(body);
    rv_call_close(&stream); /* long before its end */
    stop_server(&server, client);
    assert_int_equal(server.kinds[REVEILLE__V1__KIND__KIND_CANCEL], 1);
    assert_true(server.kinds[REVEILLE__V1__KIND__KIND_CREDIT] >= 20);
    rv_client_destroy(&client);
}

static void uploads_are_numbered_and_ended(void **state) {
    server_t server;
    rv_client_t *client = NULL;
    rv_call_t *upload = NULL;
    rv_error_t err;
    uint8_t *body;
    size_t n;
    bool more = true;
    (void)state;
    start_server(&server);
    assert_int_equal(rv_client_new(server.endpoint, &client, &err), RV_OK);
    assert_int_equal(rv_call_open(client, "upload", (const uint8_t *)"s", 1, 5000, &upload, &err), RV_OK);
    for (int i = 0; i < 16; i++)
        assert_int_equal(rv_call_send(upload, (const uint8_t *)"d", 1, &err), RV_OK);
    assert_int_equal(rv_call_send(upload, NULL, 0, &err), RV_OK);
    for (int i = 0; i < 18; i++) {
        assert_true(more);
        assert_int_equal(rv_call_receive(upload, &body, &n, &more, &err), RV_OK);
        assert_memory_equal(body, i == 0 ? "start" : i == 17 ? "end" : "data", n);
        free(body);
    }
    assert_false(more);
    assert_false(rv_call_ready(upload));
    rv_call_close(&upload);
    stop_server(&server, client);
    assert_int_equal(server.kinds[REVEILLE__V1__KIND__KIND_DATA], 16);
    assert_int_equal(server.kinds[REVEILLE__V1__KIND__KIND_CREDIT], 0);
    rv_client_destroy(&client);
}

static void a_lost_connection_ends_open_calls(void **state) {
    server_t server;
    rv_client_t *client = NULL;
    rv_call_t *open_call = NULL;
    rv_error_t err;
    uint8_t *body;
    size_t n;
    bool more;
    (void)state;
    start_server(&server);
    assert_int_equal(rv_client_new(server.endpoint, &client, &err), RV_OK);
    assert_int_equal(rv_call_open(client, "silent", NULL, 0, 60000, &open_call, &err), RV_OK);
    stop_server(&server, client);
    assert_int_equal(rv_call_receive(open_call, &body, &n, &more, &err), RV_UNAVAILABLE);
    assert_int_equal(err.reason, RV_REASON_NONE);
    assert_non_null(strstr(err.message, "connection was lost"));
    rv_call_close(&open_call);
    rv_client_destroy(&client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_answered_or_refused),
        cmocka_unit_test(large_requests_are_refused_before_they_are_sent),
        cmocka_unit_test(nobody_there_is_unavailable),
        cmocka_unit_test(streams_come_whole_and_grant_credit),
        cmocka_unit_test(uploads_are_numbered_and_ended),
        cmocka_unit_test(a_lost_connection_ends_open_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

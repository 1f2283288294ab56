/* The door for clients: what is wrong is answered with a reason, what streams has credit, what piles up is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/gateway.h"
#include "reveille/limits.h"
#include "reveille/v1/segment.pb-c.h"

static rvc_timers_t *timers;
static rvc_calls_t *calls;
static rvc_gateway_t *gateway;
static rvc_sent_t socket_says;
static bool ready;
static size_t n_replies;
static struct {
    rv_error_t err;
    uint64_t seq;
    bool more;
    size_t id_n, body_n;
    char id[80];
} last;

/* One open job at a time: what the handler saw. */
static struct {
    rvc_call_t *call;
    size_t stopped, resumed, data, ended;
} job;

static rvc_sent_t keep(void *context, const rvc_message_t *message) {
    rv_arena_t arena;
    ProtobufCMessage *header;
    (void)context;
    if (socket_says != RVC_SENT)
        return socket_says;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    assert_int_equal(rv_wire_unpack(&reveille__v1__reply_header__descriptor, message->header, message->header_n, &arena,
                                    &header, NULL),
                     RV_OK);
    const Reveille__V1__ReplyHeader *reply = (const Reveille__V1__ReplyHeader *)header;
    memset(&last, 0, sizeof last);
    rv_wire_error(reply->status, &last.err);
    last.seq = reply->seq;
    last.more = reply->more;
    last.id_n = reply->request_id.len;
    if (last.id_n)
        memcpy(last.id, reply->request_id.data, last.id_n);
    last.body_n = message->body_n;
    n_replies++;
    rv_arena_done(&arena);
    return RVC_SENT;
}

static void on_stop(void *owner) {
    (void)owner;
    job.stopped++;
    job.call = NULL;
}

static void on_resume(void *owner) {
    (void)owner;
    job.resumed++;
}

static void on_data(void *owner, uint64_t seq, const uint8_t *body, size_t n) {
    (void)owner;
    (void)body;
    (void)n;
    job.data += (size_t)seq;
}

static void on_end(void *owner) {
    (void)owner;
    job.ended++;
}

static const rvc_job_ops_t JOB = {.stop = on_stop, .resume = on_resume, .data = on_data, .end = on_end};

static void answer_at_once(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    Reveille__V1__CountResponse response = REVEILLE__V1__COUNT_RESPONSE__INIT;
    (void)context;
    response.count = strlen(((const Reveille__V1__CountRequest *)request)->filter);
    assert_false(rvc_call_reply(call, &response.base, false));
}

static void stay_open(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    (void)context;
    (void)request;
    job.call = call;
    rvc_call_attach(call, &JOB, &job);
}

static rv_status_t gate(void *context, rv_error_t *err) {
    (void)context;
    return ready ? RV_OK : rv_fail(err, RV_REASON_NOT_READY, "not yet");
}

static const rvc_method_t METHODS[] = {
    {"t.S/Now", &reveille__v1__count_request__descriptor, RVC_UNARY, 0, answer_at_once},
    {"t.S/Always", &reveille__v1__count_request__descriptor, RVC_UNARY, RVC_ALWAYS, answer_at_once},
    {"t.S/Open", &reveille__v1__count_request__descriptor, RVC_UNARY, 0, stay_open},
    {"t.S/Query", &reveille__v1__count_request__descriptor, RVC_UNARY, RVC_QUERY, stay_open},
    {"t.S/Stream", &reveille__v1__count_request__descriptor, RVC_SERVER_STREAM, 0, stay_open},
    {"t.S/Upload", &reveille__v1__count_request__descriptor, RVC_CLIENT_STREAM, 0, stay_open},
    {0},
};

static int begin(void **state) {
    (void)state;
    const rvc_port_t port = {keep, NULL};
    timers = rvc_timers_new();
    rvc_timers_run(timers, 1000);
    calls = rvc_calls_new(timers, &port);
    gateway = rvc_gateway_new(calls, METHODS, gate, NULL);
    socket_says = RVC_SENT;
    ready = true;
    n_replies = 0;
    memset(&job, 0, sizeof job);
    return 0;
}

static int end(void **state) {
    (void)state;
    rvc_gateway_destroy(&gateway);
    rvc_calls_destroy(&calls);
    rvc_timers_destroy(&timers);
    return 0;
}

static void frames(const uint8_t *const *data, const size_t *size, size_t count) {
    rvc_gateway_receive(gateway, data, size, count);
}

static void send_from(const char *client, const char *id, const char *method, Reveille__V1__Kind kind, uint64_t seq,
                      uint32_t timeout_ms, const uint8_t *body, size_t n) {
    Reveille__V1__RequestHeader header = REVEILLE__V1__REQUEST_HEADER__INIT;
    uint8_t *bytes;
    size_t header_n;
    header.method = (char *)(uintptr_t)method;
    header.request_id.data = (uint8_t *)(uintptr_t)id;
    header.request_id.len = strlen(id);
    header.kind = kind;
    header.seq = seq;
    header.timeout_ms = timeout_ms;
    assert_int_equal(rv_wire_pack(&header.base, &bytes, &header_n), RV_OK);
    const uint8_t *data[] = {(const uint8_t *)client, (const uint8_t *)"", (const uint8_t *)"RVL1", bytes, body};
    const size_t size[] = {strlen(client), 0, 4, header_n, n};
    frames(data, size, 5);
    free(bytes);
}

static void call(const char *id, const char *method) {
    send_from("c", id, method, REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0);
}

static void tell(const char *id, Reveille__V1__Kind kind, uint64_t seq) {
    send_from("c", id, "", kind, seq, 0, (const uint8_t *)"", 0);
}

static void expect_last(const char *id, rv_status_t status, rv_reason_t reason) {
    if (last.err.status != status || last.err.reason != reason)
        fail_msg("%s %s: %s", rv_status_name(last.err.status), rv_reason_name(last.err.reason), last.err.message);
    assert_int_equal(last.id_n, strlen(id));
    assert_memory_equal(last.id, id, last.id_n);
    assert_false(last.more);
}

static void malformed_frames_are_answered_with_a_reason(void **state) {
    (void)state;
    static uint8_t large[RV_MAX_BODY + 1];
    const uint8_t *c = (const uint8_t *)"c", *none = (const uint8_t *)"", *tag = (const uint8_t *)"RVL1";
    const uint8_t *header = (const uint8_t *)"\x12\x01i"; /* request_id "i", no method */
    const struct {
        const uint8_t *data[7];
        size_t size[7], count;
        rv_status_t status;
        rv_reason_t reason;
    } cases[] = {
        {{c}, {1}, 1, RV_INVALID_ARGUMENT, RV_REASON_REQUEST},
        {{c, none}, {1, 0}, 2, RV_INVALID_ARGUMENT, RV_REASON_REQUEST},
        {{c, none, tag, header}, {1, 0, 4, 3}, 4, RV_INVALID_ARGUMENT, RV_REASON_REQUEST},
        {{c, none, tag, header, none, none}, {1, 0, 4, 3, 0, 0}, 6, RV_INVALID_ARGUMENT, RV_REASON_REQUEST},
        {{c, c, tag, header, none}, {1, 1, 4, 3, 0}, 5, RV_INVALID_ARGUMENT, RV_REASON_REQUEST},
        {{c, none, (const uint8_t *)"XXXX", header, none}, {1, 0, 4, 3, 0}, 5, RV_INVALID_ARGUMENT, RV_REASON_REQUEST},
        {{c, none, (const uint8_t *)"RVL2", header, none},
         {1, 0, 4, 3, 0},
         5,
         RV_FAILED_PRECONDITION,
         RV_REASON_VERSION},
        {{c, none, tag, (const uint8_t *)"\x12\x7f", none}, {1, 0, 4, 2, 0}, 5, RV_INVALID_ARGUMENT, RV_REASON_REQUEST},
        {{c, none, tag, none, none}, {1, 0, 4, 0, 0}, 5, RV_INVALID_ARGUMENT, RV_REASON_REQUEST},
        {{c, none, tag, large, none}, {1, 0, 4, 5000, 0}, 5, RV_INVALID_ARGUMENT, RV_REASON_LIMIT},
        {{c, none, tag, header, large}, {1, 0, 4, 3, RV_MAX_BODY + 1}, 5, RV_INVALID_ARGUMENT, RV_REASON_LIMIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t before = n_replies;
        frames(cases[i].data, cases[i].size, cases[i].count);
        assert_int_equal(n_replies, before + 1);
        bool named = cases[i].count == 5 && cases[i].size[4] > 0; /* a good header, an oversized body */
        expect_last(named ? "i" : "", cases[i].status, cases[i].reason);
    }
    frames(NULL, NULL, 0); /* nobody to answer */
    assert_int_equal(rvc_calls_stats(calls)->open, 0);
    assert_int_equal(rvc_gateway_stats(gateway)->malformed, sizeof cases / sizeof *cases);
}

static void bad_requests_are_answered_with_their_id(void **state) {
    (void)state;
    char long_id[RV_MAX_REQUEST_ID + 2];
    call("1", "t.S/Nope");
    expect_last("1", RV_UNIMPLEMENTED, RV_REASON_METHOD);
    send_from("c", "2", "t.S/Now", REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"\x0a\x7f", 2);
    expect_last("2", RV_INVALID_ARGUMENT, RV_REASON_REQUEST);
    send_from("c", "3", "t.S/Now", (Reveille__V1__Kind)99, 0, 0, (const uint8_t *)"", 0);
    expect_last("3", RV_INVALID_ARGUMENT, RV_REASON_REQUEST);
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = 0;
    call(long_id, "t.S/Now");
    expect_last("", RV_INVALID_ARGUMENT, RV_REASON_REQUEST);
    ready = false;
    call("4", "t.S/Now");
    expect_last("4", RV_UNAVAILABLE, RV_REASON_NOT_READY);
    call("5", "t.S/Always");
    expect_last("5", RV_OK, RV_REASON_NONE);
    assert_int_equal(rvc_calls_stats(calls)->open, 0);
}

static void a_plain_call_is_answered_once(void **state) {
    (void)state;
    send_from("c", "1", "t.S/Now", REVEILLE__V1__KIND__KIND_UNSPECIFIED, 0, 0, (const uint8_t *)"\x0a\x03yes", 5);
    expect_last("1", RV_OK, RV_REASON_NONE);
    assert_int_equal(last.body_n, 2); /* count 3 */
    assert_int_equal(last.seq, 1);
    assert_int_equal(n_replies, 1);
    call("2", "t.S/Open");
    call("2", "t.S/Open"); /* still open */
    expect_last("2", RV_INVALID_ARGUMENT, RV_REASON_REQUEST);
    send_from("d", "2", "t.S/Now", REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0); /* another client's */
    expect_last("2", RV_OK, RV_REASON_NONE);
}

static void a_call_ends_by_cancel_and_by_its_deadline(void **state) {
    (void)state;
    call("1", "t.S/Open");
    tell("1", REVEILLE__V1__KIND__KIND_CANCEL, 0);
    expect_last("1", RV_CANCELLED, RV_REASON_NONE);
    assert_int_equal(job.stopped, 1);
    tell("1", REVEILLE__V1__KIND__KIND_CANCEL, 0); /* late: nothing happens */
    assert_int_equal(n_replies, 1);
    assert_int_equal(rvc_gateway_stats(gateway)->late, 1);
    send_from("c", "2", "t.S/Open", REVEILLE__V1__KIND__KIND_CALL, 0, 50, (const uint8_t *)"", 0);
    assert_int_equal(rvc_timers_next(timers), 1050);
    rvc_timers_run(timers, 1049);
    assert_int_equal(n_replies, 1);
    rvc_timers_run(timers, 1050);
    expect_last("2", RV_DEADLINE_EXCEEDED, RV_REASON_NONE);
    assert_int_equal(job.stopped, 2);
    call("3", "t.S/Open"); /* the default */
    assert_int_equal(rvc_timers_next(timers), 1050 + RV_DEFAULT_TIMEOUT_MS);
    tell("3", REVEILLE__V1__KIND__KIND_CANCEL, 0);
}

/* One call of the n-th of many clients. */
static void call_of(unsigned n, unsigned clients, const char *method) {
    char id[16], client[16];
    snprintf(id, sizeof id, "%u", n);
    snprintf(client, sizeof client, "c%u", n % clients);
    send_from(client, id, method, REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0);
}

static void queries_and_calls_have_limits(void **state) {
    (void)state;
    unsigned n = 0, clients = RV_MAX_QUERIES / RV_MAX_CLIENT_QUERIES * 2;
    while (n < RV_MAX_QUERIES)
        call_of(n++, clients, "t.S/Query");
    assert_int_equal(n_replies, 0);
    call("one", "t.S/Query");
    expect_last("one", RV_RESOURCE_EXHAUSTED, RV_REASON_BUSY);
    assert_non_null(strstr(last.err.message, "the coordinator is busy"));
    assert_true(last.err.retry_after_ms > 0);
    send_from("c7", "7", "", REVEILLE__V1__KIND__KIND_CANCEL, 0, 0, (const uint8_t *)"", 0);
    call("two", "t.S/Query");
    assert_int_equal(rvc_calls_stats(calls)->queries, RV_MAX_QUERIES);
    while (rvc_calls_stats(calls)->open < RV_MAX_CALLS)
        call_of(n++, clients, "t.S/Open");
    call("three", "t.S/Open");
    expect_last("three", RV_RESOURCE_EXHAUSTED, RV_REASON_BUSY);
}

/* One connection cannot take all places. */
static void each_client_has_limits(void **state) {
    (void)state;
    unsigned n = 0;
    while (n < RV_MAX_CLIENT_QUERIES)
        call_of(n++, 1, "t.S/Query");
    assert_int_equal(n_replies, 0);
    send_from("c0", "more", "t.S/Query", REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0);
    expect_last("more", RV_RESOURCE_EXHAUSTED, RV_REASON_BUSY);
    assert_non_null(strstr(last.err.message, "64 queries of this connection"));
    call("other", "t.S/Query");
    assert_int_equal(rvc_calls_stats(calls)->queries, RV_MAX_CLIENT_QUERIES + 1);
    while (n < RV_MAX_CLIENT_CALLS)
        call_of(n++, 1, "t.S/Open");
    assert_int_equal(n_replies, 1);
    send_from("c0", "more", "t.S/Open", REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0);
    expect_last("more", RV_RESOURCE_EXHAUSTED, RV_REASON_BUSY);
    send_from("c0", "3", "", REVEILLE__V1__KIND__KIND_CANCEL, 0, 0, (const uint8_t *)"", 0);
    send_from("c0", "more", "t.S/Query", REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0);
    assert_int_equal(rvc_calls_stats(calls)->open, RV_MAX_CLIENT_CALLS + 1);
}

static void a_stream_needs_credit(void **state) {
    (void)state;
    Reveille__V1__CountResponse page = REVEILLE__V1__COUNT_RESPONSE__INIT;
    call("s", "t.S/Stream");
    for (unsigned i = 0; i < RV_STREAM_WINDOW; i++) {
        assert_true(rvc_call_may_send(job.call));
        assert_true(rvc_call_reply(job.call, &page.base, true));
        assert_int_equal(last.seq, i + 1);
        assert_true(last.more);
    }
    assert_false(rvc_call_may_send(job.call));
    tell("s", REVEILLE__V1__KIND__KIND_CREDIT, 2);
    assert_int_equal(job.resumed, 1);
    assert_true(rvc_call_may_send(job.call));
    tell("s", REVEILLE__V1__KIND__KIND_CREDIT, UINT64_MAX); /* does not overflow */
    assert_true(rvc_call_may_send(job.call));
    assert_false(rvc_call_reply(job.call, &page.base, false));
    assert_false(last.more);
    assert_int_equal(job.stopped, 0);
    assert_int_equal(rvc_calls_stats(calls)->open, 0);
}

static void a_client_stream_gets_its_messages_and_lives_on_with_each(void **state) {
    (void)state;
    send_from("c", "u", "t.S/Upload", REVEILLE__V1__KIND__KIND_CALL, 0, 100, (const uint8_t *)"", 0);
    rvc_timers_run(timers, 1090);
    send_from("c", "u", "", REVEILLE__V1__KIND__KIND_DATA, 1, 100, (const uint8_t *)"", 0);
    rvc_timers_run(timers, 1180);
    send_from("c", "u", "", REVEILLE__V1__KIND__KIND_DATA, 2, 100, (const uint8_t *)"", 0);
    send_from("c", "u", "", REVEILLE__V1__KIND__KIND_END, 0, 100, (const uint8_t *)"", 0);
    assert_int_equal(job.data, 3);
    assert_int_equal(job.ended, 1);
    assert_int_equal(job.stopped, 0);
    rvc_timers_run(timers, 1281);
    expect_last("u", RV_DEADLINE_EXCEEDED, RV_REASON_NONE);
}

/* A stream that lost a message to the limit is over, on both sides. */
static void an_oversized_message_ends_its_stream(void **state) {
    (void)state;
    static uint8_t large[RV_MAX_BODY + 1];
    call("u", "t.S/Upload");
    send_from("c", "u", "", REVEILLE__V1__KIND__KIND_DATA, 1, 0, large, sizeof large);
    expect_last("u", RV_INVALID_ARGUMENT, RV_REASON_LIMIT);
    assert_int_equal(job.stopped, 1);
    assert_int_equal(rvc_calls_stats(calls)->open, 0);
}

static void a_full_socket_holds_replies_back_and_wakes_the_stream(void **state) {
    (void)state;
    Reveille__V1__CountResponse page = REVEILLE__V1__COUNT_RESPONSE__INIT;
    call("s", "t.S/Stream");
    socket_says = RVC_FULL;
    assert_true(rvc_call_reply(job.call, &page.base, true));
    assert_false(rvc_call_may_send(job.call));
    rvc_timers_run(timers, rvc_timers_next(timers));
    assert_int_equal(n_replies, 0);
    socket_says = RVC_SENT;
    rvc_timers_run(timers, rvc_timers_next(timers));
    assert_int_equal(n_replies, 1);
    assert_int_equal(job.resumed, 1);
    assert_true(rvc_call_may_send(job.call));
}

static void a_vanished_client_loses_all_its_calls(void **state) {
    (void)state;
    Reveille__V1__CountResponse page = REVEILLE__V1__COUNT_RESPONSE__INIT;
    call("1", "t.S/Open");
    call("2", "t.S/Open");
    call("s", "t.S/Stream");
    rvc_call_t *stream = job.call;
    socket_says = RVC_GONE;
    assert_false(rvc_call_reply(stream, &page.base, true));
    assert_int_equal(job.stopped, 3);
    assert_int_equal(rvc_calls_stats(calls)->open, 0);
    assert_int_equal(rvc_calls_stats(calls)->vanished, 1);
}

/* Nothing is sent, and yet its places are free at once; other clients keep theirs. */
static void a_connection_that_ends_takes_its_calls_with_it(void **state) {
    (void)state;
    Reveille__V1__CountResponse page = REVEILLE__V1__COUNT_RESPONSE__INIT;
    send_from("other", "1", "t.S/Open", REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0);
    send_from("gone", "1", "t.S/Query", REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0);
    send_from("gone", "2", "t.S/Stream", REVEILLE__V1__KIND__KIND_CALL, 0, 0, (const uint8_t *)"", 0);
    socket_says = RVC_FULL;
    assert_true(rvc_call_reply(job.call, &page.base, true));
    rvc_calls_lost(calls, (const uint8_t *)"nobody", 6);
    assert_int_equal(job.stopped, 0);
    rvc_calls_lost(calls, (const uint8_t *)"gone", 4);
    assert_int_equal(job.stopped, 2);
    assert_int_equal(rvc_calls_stats(calls)->open, 1);
    assert_int_equal(rvc_calls_stats(calls)->queries, 0);
    assert_int_equal(rvc_calls_stats(calls)->vanished, 1);
    rvc_timers_run(timers, rvc_timers_next(timers)); /* its letters are gone, too */
    assert_int_equal(n_replies, 0);
}

/* Every reply it takes renews its time; credit alone, or a full socket, does not. */
static void a_stream_that_nobody_reads_is_ended(void **state) {
    (void)state;
    Reveille__V1__CountResponse page = REVEILLE__V1__COUNT_RESPONSE__INIT;
    send_from("c", "s", "t.S/Stream", REVEILLE__V1__KIND__KIND_CALL, 0, 3600000, (const uint8_t *)"", 0);
    for (unsigned i = 0; i < RV_STREAM_WINDOW; i++)
        assert_true(rvc_call_reply(job.call, &page.base, true));
    assert_false(rvc_call_may_send(job.call));
    rvc_timers_run(timers, 1000 + RV_MAX_STALL_MS - 1);
    assert_false(rvc_call_may_send(job.call));
    tell("s", REVEILLE__V1__KIND__KIND_CREDIT, 1);
    assert_true(rvc_call_reply(job.call, &page.base, true));
    assert_false(rvc_call_may_send(job.call));
    rvc_timers_run(timers, 1000 + 2 * RV_MAX_STALL_MS - 2);
    assert_int_equal(job.stopped, 0);
    rvc_timers_run(timers, 1000 + 2 * RV_MAX_STALL_MS - 1);
    expect_last("s", RV_ABORTED, RV_REASON_LOST_STREAM);
    assert_int_equal(job.stopped, 1);
    assert_int_equal(rvc_calls_stats(calls)->stalled, 1);
    assert_int_equal(rvc_calls_stats(calls)->open, 0);
}

/* A client that asks and never reads is cut off before it takes much memory. */
static void a_client_that_does_not_read_is_cut(void **state) {
    (void)state;
    char id[16];
    socket_says = RVC_FULL;
    call("open", "t.S/Open");
    for (unsigned i = 0; i < 200000 && rvc_calls_stats(calls)->cut == 0; i++) {
        snprintf(id, sizeof id, "%u", i);
        call(id, "t.S/Nope");
    }
    assert_int_equal(rvc_calls_stats(calls)->cut, 1);
    assert_int_equal(job.stopped, 1);
}

static void an_answer_that_is_too_large_is_an_error(void **state) {
    (void)state;
    static char text[RV_MAX_BODY + 10];
    Reveille__V1__SegmentServiceGetResponse response = REVEILLE__V1__SEGMENT_SERVICE_GET_RESPONSE__INIT;
    Reveille__V1__Segment segment = REVEILLE__V1__SEGMENT__INIT;
    memset(text, 'x', sizeof text - 1);
    segment.filter = text;
    response.segment = &segment;
    call("1", "t.S/Open");
    assert_false(rvc_call_reply(job.call, &response.base, false));
    expect_last("1", RV_RESOURCE_EXHAUSTED, RV_REASON_QUOTA);
    assert_int_equal(job.stopped, 0);
}

static void a_closed_door_refuses_new_calls_only(void **state) {
    (void)state;
    call("1", "t.S/Open");
    rvc_gateway_close(gateway);
    call("2", "t.S/Open");
    expect_last("2", RV_UNAVAILABLE, RV_REASON_NOT_READY);
    tell("1", REVEILLE__V1__KIND__KIND_CANCEL, 0);
    expect_last("1", RV_CANCELLED, RV_REASON_NONE);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(malformed_frames_are_answered_with_a_reason),
        TEST(bad_requests_are_answered_with_their_id),
        TEST(a_plain_call_is_answered_once),
        TEST(a_call_ends_by_cancel_and_by_its_deadline),
        TEST(queries_and_calls_have_limits),
        TEST(each_client_has_limits),
        TEST(a_stream_needs_credit),
        TEST(a_client_stream_gets_its_messages_and_lives_on_with_each),
        TEST(an_oversized_message_ends_its_stream),
        TEST(a_full_socket_holds_replies_back_and_wakes_the_stream),
        TEST(a_vanished_client_loses_all_its_calls),
        TEST(a_connection_that_ends_takes_its_calls_with_it),
        TEST(a_stream_that_nobody_reads_is_ended),
        TEST(a_client_that_does_not_read_is_cut),
        TEST(an_answer_that_is_too_large_is_an_error),
        TEST(a_closed_door_refuses_new_calls_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

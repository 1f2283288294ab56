/* test_call.c: credit, cancellation and replies of a worker's call, over a real socket. */
#include "call.h"
#include "reveille/v1/envelope.pb-c.h"
#include "reveille/v1/worker.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    void *context, *here, *there;
    rvw_outbox_t *outbox;
    rvw_call_t *call;
} fixture_t;

static int setup(void **state) {
    static fixture_t f;
    zmq_msg_t body;
    f.context = zmq_ctx_new();
    f.here = zmq_socket(f.context, ZMQ_DEALER);
    f.there = zmq_socket(f.context, ZMQ_DEALER);
    zmq_bind(f.there, "inproc://call");
    zmq_connect(f.here, "inproc://call");
    zmq_msg_init(&body);
    assert_int_equal(rvw_outbox_new(&f.outbox, NULL), RV_OK);
    f.call = rvw_call_new(f.outbox, (const uint8_t *)"id", 2, &body, 0);
    assert_non_null(f.call);
    zmq_msg_close(&body);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    fixture_t *f = *state;
    rvw_call_unref(&f->call);
    rvw_outbox_destroy(&f->outbox);
    zmq_close(f->here);
    zmq_close(f->there);
    zmq_ctx_term(f->context);
    return 0;
}

/* Header of the next reply that arrives, or NULL. */
static Reveille__V1__ReplyHeader *next_reply(fixture_t *f) {
    char buffer[1024];
    int n = 0;
    for (int frame = 0; frame < 4; frame++) {
        int got = zmq_recv(f->there, buffer, sizeof buffer, ZMQ_DONTWAIT);
        if (got < 0)
            return NULL;
        if (frame == 2)
            n = got, memcpy(buffer + 512, buffer, (size_t)got);
    }
    return reveille__v1__reply_header__unpack(NULL, (size_t)n, (uint8_t *)buffer + 512);
}

static void credit_runs_out_and_comes_back(void **state) {
    fixture_t *f = *state;
    for (unsigned i = 0; i < RV_WORKER_WINDOW; i++)
        assert_true(rvw_call_take_credit(f->call));
    assert_false(rvw_call_take_credit(f->call));
    assert_true(rvw_call_grant(f->call, 1)); /* someone was waiting */
    assert_true(rvw_call_take_credit(f->call));
    assert_false(rvw_call_grant(f->call, 1));
}

static void nothing_follows_the_last_reply(void **state) {
    fixture_t *f = *state;
    Reveille__V1__FetchResponse body = REVEILLE__V1__FETCH_RESPONSE__INIT;
    rvw_call_reply(f->call, &body.base, true, NULL);
    rvw_call_reply(f->call, &body.base, false, NULL);
    rvw_call_reply(f->call, &body.base, false, NULL);
    rvw_call_reply(f->call, &body.base, true, NULL);
    assert_true(rvw_call_over(f->call));
    assert_true(rvw_outbox_send(f->outbox, f->here));
    for (int seq = 1; seq <= 2; seq++) {
        Reveille__V1__ReplyHeader *header = next_reply(f);
        assert_non_null(header);
        assert_int_equal(header->seq, seq);
        assert_int_equal(header->more, seq == 1);
        assert_memory_equal(header->request_id.data, "id", 2);
        reveille__v1__reply_header__free_unpacked(header, NULL);
    }
    assert_null(next_reply(f));
}

static void an_error_reply_names_the_reason(void **state) {
    fixture_t *f = *state;
    rv_error_t err = {0};
    rv_fail(&err, RV_REASON_NOT_LEADER, "partition 7 is not on this worker");
    rvw_call_reply(f->call, NULL, false, &err);
    assert_true(rvw_outbox_send(f->outbox, f->here));
    Reveille__V1__ReplyHeader *header = next_reply(f);
    assert_non_null(header);
    assert_int_equal(header->status->code, RV_UNAVAILABLE);
    assert_string_equal(header->status->details[0]->reason, "NOT_LEADER");
    reveille__v1__reply_header__free_unpacked(header, NULL);
}

static void a_cancelled_call_is_stopped(void **state) {
    fixture_t *f = *state;
    rv_error_t err;
    assert_int_equal(rvw_call_stopped(f->call, &err), RV_OK);
    rvw_call_cancel(f->call);
    assert_int_equal(rvw_call_stopped(f->call, &err), RV_CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(credit_runs_out_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_follows_the_last_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_reply_names_the_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_call_is_stopped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The frames of a peer are followed however its bytes are cut, and only a message without end is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/zmtp.h"
#include "reveille/limits.h"

enum { MORE = 1, LONG = 2, COMMAND = 4 };

typedef struct {
    uint8_t *data;
    size_t n, cap;
} bytes_t;

static void put(bytes_t *bytes, const void *data, size_t n) {
    if (bytes->n + n > bytes->cap) {
        bytes->cap = 2 * (bytes->n + n);
        bytes->data = realloc(bytes->data, bytes->cap);
        assert_non_null(bytes->data);
    }
    if (data)
        memcpy(bytes->data + bytes->n, data, n);
    else
        memset(bytes->data + bytes->n, 0xff, n); /* would be flags and sizes beyond measure */
    bytes->n += n;
}

static void put_greeting(bytes_t *bytes) {
    uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    put(bytes, greeting, sizeof greeting);
}

static void put_size(bytes_t *bytes, uint8_t flags, uint64_t size) {
    uint8_t head[9] = {flags};
    if (!(flags & LONG)) {
        head[1] = (uint8_t)size;
        put(bytes, head, 2);
        return;
    }
    for (unsigned i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)(size >> (56 - 8 * i));
    put(bytes, head, 9);
}

static void put_frame(bytes_t *bytes, unsigned flags, size_t size) {
    put_size(bytes, (uint8_t)(flags | (size > 255 ? LONG : 0u)), size);
    put(bytes, NULL, size);
}

static void put_message(bytes_t *bytes, size_t body) {
    put_frame(bytes, MORE, 0);
    put_frame(bytes, MORE, 4);
    put_frame(bytes, MORE, 40);
    put_frame(bytes, 0, body);
}

/* Feeds in pieces of at most `piece` bytes, of random sizes when it is 0. */
static rvc_zmtp_verdict_t feed_on(rvc_zmtp_t *zmtp, const bytes_t *bytes, size_t piece) {
    rvc_zmtp_verdict_t verdict = RVC_ZMTP_OK;
    for (size_t i = 0, n; i < bytes->n && verdict == RVC_ZMTP_OK; i += n) {
        n = piece ? piece : 1 + (size_t)rand() % 9000;
        n = n < bytes->n - i ? n : bytes->n - i;
        verdict = rvc_zmtp_feed(zmtp, bytes->data + i, n);
    }
    return verdict;
}

static rvc_zmtp_verdict_t feed(const bytes_t *bytes, size_t piece) {
    rvc_zmtp_t zmtp = {0};
    return feed_on(&zmtp, bytes, piece);
}

static void expect(bytes_t *bytes, rvc_zmtp_verdict_t verdict) {
    assert_int_equal(feed(bytes, SIZE_MAX), verdict);
    assert_int_equal(feed(bytes, 1), verdict);
    assert_int_equal(feed(bytes, 3), verdict);
    assert_int_equal(feed(bytes, 0), verdict);
    free(bytes->data);
    *bytes = (bytes_t){0};
}

static void finished_messages_pass_in_any_number_and_cut(void **state) {
    (void)state;
    bytes_t bytes = {0};
    put_greeting(&bytes);
    put_frame(&bytes, COMMAND, 200);
    for (size_t i = 0; i < 300; i++)
        put_message(&bytes, i * 255 % 70000); /* more than one message may have, in all */
    assert_true(bytes.n > 2 * RV_MAX_UNFINISHED);
    expect(&bytes, RVC_ZMTP_OK);
}

static void the_greeting_must_be_of_version_3(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
        rvc_zmtp_verdict_t verdict;
    } CASES[] = {{0, 0xfe, RVC_ZMTP_GREETING}, {0, 'G', RVC_ZMTP_GREETING}, {9, 0x7e, RVC_ZMTP_GREETING},
                 {10, 2, RVC_ZMTP_GREETING},   {10, 0, RVC_ZMTP_GREETING},  {10, 4, RVC_ZMTP_OK},
                 {5, 77, RVC_ZMTP_OK},         {20, 'X', RVC_ZMTP_OK}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        bytes_t bytes = {0};
        put_greeting(&bytes);
        bytes.data[CASES[i].at] = CASES[i].byte;
        expect(&bytes, CASES[i].verdict);
    }
    rvc_zmtp_t zmtp = {0};
    bytes_t bytes = {0};
    put_greeting(&bytes);
    assert_int_equal(rvc_zmtp_feed(&zmtp, bytes.data, 63), RVC_ZMTP_OK);
    assert_false(rvc_zmtp_greeted(&zmtp));
    assert_int_equal(rvc_zmtp_feed(&zmtp, bytes.data + 63, 1), RVC_ZMTP_OK);
    assert_true(rvc_zmtp_greeted(&zmtp));
    free(bytes.data);
}

/* The limit itself passes, one byte more does not, and it is known before that byte has come. */
static void one_message_has_a_largest_size(void **state) {
    (void)state;
    for (unsigned surplus = 0; surplus < 2; surplus++) {
        bytes_t bytes = {0};
        put_greeting(&bytes);
        for (unsigned i = 0; i < 2; i++) {
            put_frame(&bytes, MORE, RV_MAX_MESSAGE);
            put_frame(&bytes, MORE, RV_MAX_UNFINISHED - RV_MAX_MESSAGE - 100);
            if (i == 0)
                put_frame(&bytes, 0, 100);
            else
                put_size(&bytes, 0, 100 + surplus);
        }
        expect(&bytes, surplus ? RVC_ZMTP_BYTES : RVC_ZMTP_OK);
    }
}

static void a_size_beyond_measure_is_refused_as_it_is_claimed(void **state) {
    (void)state;
    static const uint64_t SIZES[] = {1u << 30, UINT64_MAX, 1ull << 63, RV_MAX_UNFINISHED + 1};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++)
        for (unsigned flags = LONG; flags <= (LONG | MORE | COMMAND); flags++) {
            bytes_t bytes = {0};
            put_greeting(&bytes);
            put_frame(&bytes, MORE, 10);
            put_size(&bytes, (uint8_t)(flags | LONG), SIZES[i]);
            expect(&bytes, RVC_ZMTP_BYTES);
        }
}

static void one_message_has_a_largest_number_of_frames(void **state) {
    (void)state;
    for (unsigned surplus = 0; surplus < 2; surplus++) {
        bytes_t bytes = {0};
        put_greeting(&bytes);
        for (unsigned m = 0; m < 5; m++) {
            for (unsigned i = 1; i < RV_MAX_FRAMES; i++)
                put_frame(&bytes, MORE, 0);
            put_frame(&bytes, 0, 0);
        }
        for (unsigned i = 0; i < RV_MAX_FRAMES + surplus; i++)
            put_frame(&bytes, MORE, 0);
        expect(&bytes, surplus ? RVC_ZMTP_FRAMES : RVC_ZMTP_OK);
    }
}

static void heartbeats_neither_count_nor_end_a_message(void **state) {
    (void)state;
    bytes_t bytes = {0};
    put_greeting(&bytes);
    put_frame(&bytes, MORE, 5);
    for (unsigned i = 0; i < 100000; i++)
        put_frame(&bytes, COMMAND, 60);
    put_frame(&bytes, 0, 5);
    expect(&bytes, RVC_ZMTP_OK);
    put_greeting(&bytes);
    for (unsigned i = 0; i <= RV_MAX_FRAMES; i++) {
        put_frame(&bytes, MORE, 5);
        put_frame(&bytes, COMMAND, 20);
    }
    expect(&bytes, RVC_ZMTP_FRAMES);
    put_greeting(&bytes);
    for (unsigned i = 0; i <= RV_MAX_FRAMES; i++)
        put_frame(&bytes, COMMAND | MORE, 5);
    expect(&bytes, RVC_ZMTP_FRAMES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finished_messages_pass_in_any_number_and_cut),
        cmocka_unit_test(the_greeting_must_be_of_version_3),
        cmocka_unit_test(one_message_has_a_largest_size),
        cmocka_unit_test(a_size_beyond_measure_is_refused_as_it_is_claimed),
        cmocka_unit_test(one_message_has_a_largest_number_of_frames),
        cmocka_unit_test(heartbeats_neither_count_nor_end_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_status.c: names, reasons and how errors are written. */
#include "reveille/status.h"
#include "reveille/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_reason_finds_itself_by_name(void **state) {
    (void)state;
#define X(symbol, status)                                                                                              \
    assert_string_equal(rv_reason_name(RV_REASON_##symbol), #symbol);                                                  \
    assert_int_equal(rv_reason_from_name(#symbol), RV_REASON_##symbol);                                                \
    assert_int_equal(rv_reason_status(RV_REASON_##symbol), RV_##status);
    RV_REASONS(X)
#undef X
    assert_int_equal(rv_reason_from_name("nonsense"), RV_REASON_NONE);
}

static void statuses_have_grpc_numbers(void **state) {
    (void)state;
    assert_int_equal(RV_INVALID_ARGUMENT, 3);
    assert_int_equal(RV_UNAUTHENTICATED, 16);
    assert_string_equal(rv_status_name(RV_DATA_LOSS), "DATA_LOSS");
    assert_true(rv_status_retryable(RV_UNAVAILABLE));
    assert_false(rv_status_retryable(RV_DATA_LOSS));
}

static void an_error_carries_its_place(void **state) {
    (void)state;
    rv_error_t err = {0};
    assert_int_equal(rv_fail_at(&err, RV_REASON_FILTER, 2, 17, "unknown attribute '%s'", "contry"),
                     RV_INVALID_ARGUMENT);
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 17);
    assert_string_equal(err.message, "unknown attribute 'contry'");
    assert_int_equal(rv_fail(NULL, RV_REASON_BUSY, "no matter"), RV_RESOURCE_EXHAUSTED);
}

static void a_long_message_is_cut_not_overrun(void **state) {
    (void)state;
    rv_error_t err;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    rv_fail(&err, RV_REASON_BUG, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void a_message_is_utf8_whatever_is_put_into_it(void **state) {
    (void)state;
    rv_error_t err;
    char text[600];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[sizeof text - 2] = 0;
    rv_fail(&err, RV_REASON_BUG, "%s", text); /* 511 bytes: the last é is cut */
    assert_true(rv_utf8_valid(err.message, strlen(err.message)));
    assert_string_equal(err.message + 508, "\xc3\xa9?");
    rv_fail(&err, RV_REASON_FIELD, "'%s' and '%.3s'", "a\xff\xc3(\xe2\x82\xac", "\xe2\x82\xac\xe2\x82\xac");
    assert_string_equal(err.message, "'a\?\?(\xe2\x82\xac' and '\xe2\x82\xac'");
    rv_fail(&err, RV_REASON_FIELD, "%.4s", "\xe2\x82\xac\xe2\x82\xac");
    assert_string_equal(err.message, "\xe2\x82\xac?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_finds_itself_by_name),
        cmocka_unit_test(statuses_have_grpc_numbers),
        cmocka_unit_test(an_error_carries_its_place),
        cmocka_unit_test(a_long_message_is_cut_not_overrun),
        cmocka_unit_test(a_message_is_utf8_whatever_is_put_into_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_wire.c: what the gate for bytes from outside lets through. */
#include "reveille/limits.h"
#include "reveille/v1/segment.pb-c.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rv_status_t unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n, size_t budget) {
    rv_arena_t arena;
    ProtobufCMessage *message;
    rv_error_t err;
    rv_arena_init(&arena, budget);
    rv_status_t status = rv_wire_unpack(type, bytes, n, &arena, &message, &err);
    rv_arena_done(&arena);
    return status;
}

static void a_message_comes_back(void **state) {
    (void)state;
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    uint8_t *bytes;
    size_t n;
    request.filter = (char *)(uintptr_t) "country = 'DE'";
    assert_int_equal(rv_wire_pack(&request.base, &bytes, &n), RV_OK);
    rv_arena_t arena;
    ProtobufCMessage *message;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    assert_int_equal(rv_wire_unpack(&reveille__v1__count_request__descriptor, bytes, n, &arena, &message, NULL), RV_OK);
    assert_string_equal(((Reveille__V1__CountRequest *)message)->filter, request.filter);
    rv_arena_done(&arena);
    free(bytes);
}

static void every_prefix_is_refused_or_whole(void **state) {
    (void)state;
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    uint8_t *bytes;
    size_t n;
    request.filter = (char *)(uintptr_t) "abc";
    request.options = &options;
    options.timezone = (char *)(uintptr_t) "UTC";
    assert_int_equal(rv_wire_pack(&request.base, &bytes, &n), RV_OK);
    size_t refused = 0;
    for (size_t cut = 0; cut < n; cut++)
        refused += unpack(&reveille__v1__count_request__descriptor, bytes, cut, RV_MAX_UNPACK) != RV_OK;
    assert_int_equal(refused, n - 2); /* all but nothing at all and the end of the first field */
    free(bytes);
}

static void strings_are_utf8_without_nul(void **state) {
    (void)state;
    assert_int_equal(unpack(&reveille__v1__count_request__descriptor,
                            "\x0a\x03"
                            "a\0b",
                            5, RV_MAX_UNPACK),
                     RV_INVALID_ARGUMENT);
    assert_int_equal(unpack(&reveille__v1__count_request__descriptor, "\x0a\x02\xff\xfe", 4, RV_MAX_UNPACK),
                     RV_INVALID_ARGUMENT);
}

static void groups_and_bad_keys_are_refused(void **state) {
    (void)state;
    assert_int_equal(unpack(&reveille__v1__count_request__descriptor, "\x0b", 1, RV_MAX_UNPACK), RV_INVALID_ARGUMENT);
    assert_int_equal(unpack(&reveille__v1__count_request__descriptor, "\x00\x00", 2, RV_MAX_UNPACK),
                     RV_INVALID_ARGUMENT);
    uint8_t endless[11];
    memset(endless, 0xff, sizeof endless);
    assert_int_equal(unpack(&reveille__v1__count_request__descriptor, endless, sizeof endless, RV_MAX_UNPACK),
                     RV_INVALID_ARGUMENT);
}

static void unknown_fields_are_ignored(void **state) {
    (void)state;
    assert_int_equal(unpack(&reveille__v1__count_request__descriptor, "\xf8\x07\x01", 3, RV_MAX_UNPACK), RV_OK);
}

/* A megabyte of empty sub-messages would become tens of megabytes. */
static void amplification_stops_at_the_budget(void **state) {
    (void)state;
    size_t n = 1u << 20;
    uint8_t *bytes = malloc(n);
    for (size_t i = 0; i < n; i += 2) {
        bytes[i] = 0x0a; /* field 1 of OverlapRequest: a NamedFilter */
        bytes[i + 1] = 0;
    }
    assert_int_equal(unpack(&reveille__v1__overlap_request__descriptor, bytes, n, 4u << 20), RV_RESOURCE_EXHAUSTED);
    free(bytes);
}

static rv_status_t split(const char *const *frames, const size_t *sizes, size_t count, bool routing, rv_error_t *err) {
    const uint8_t *data[8];
    rv_frames_t ret;
    for (size_t i = 0; i < count; i++)
        data[i] = (const uint8_t *)frames[i];
    return rv_wire_split(data, sizes, count, routing, &ret, err);
}

static void frames_are_counted_and_tagged(void **state) {
    (void)state;
    const char *good[] = {"", "RVL1", "h", "b"}, *other[] = {"", "RVL2", "h", "b"}, *bad[] = {"", "HTTP", "h", "b"};
    const size_t sizes[] = {0, 4, 1, 1}, full[] = {1, 4, 1, 1}, big[] = {0, 4, 1, RV_MAX_BODY + 1};
    rv_error_t err;
    assert_int_equal(split(good, sizes, 4, false, &err), RV_OK);
    assert_int_equal(split(good, sizes, 3, false, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(split(good, sizes, 0, true, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(split(good, full, 4, false, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(split(bad, sizes, 4, false, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(split(other, sizes, 4, false, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(err.reason, RV_REASON_VERSION);
    assert_int_equal(split(good, big, 4, false, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(err.reason, RV_REASON_LIMIT);
}

static void an_error_survives_the_wire(void **state) {
    (void)state;
    rv_error_t err = {0}, again = {0};
    Reveille__V1__Status status;
    Reveille__V1__ErrorDetail detail, *details[1];
    rv_fail_at(&err, RV_REASON_FILTER, 1, 17, "unknown attribute");
    strcpy(err.field, "filter");
    err.retry_after_ms = 7;
    rv_wire_status(&err, &status, &detail, details);
    assert_int_equal(rv_wire_error(&status, &again), RV_INVALID_ARGUMENT);
    assert_int_equal(again.reason, RV_REASON_FILTER);
    assert_int_equal(again.column, 17);
    assert_int_equal(again.retry_after_ms, 7);
    assert_string_equal(again.field, "filter");
    assert_string_equal(again.message, err.message);
    rv_wire_status(NULL, &status, &detail, details);
    assert_int_equal(rv_wire_error(&status, &again), RV_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back),          cmocka_unit_test(every_prefix_is_refused_or_whole),
        cmocka_unit_test(strings_are_utf8_without_nul),  cmocka_unit_test(groups_and_bad_keys_are_refused),
        cmocka_unit_test(unknown_fields_are_ignored),    cmocka_unit_test(amplification_stops_at_the_budget),
        cmocka_unit_test(frames_are_counted_and_tagged), cmocka_unit_test(an_error_survives_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

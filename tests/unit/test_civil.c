/* test_civil.c: times, dates, durations as text and back; ids with a time. */
#include "reveille/civil.h"
#include "reveille/clock.h"
#include "reveille/uuid.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static bool time_of(const char *text, bool naive, int64_t *ms) {
    return rv_time_parse(text, strlen(text), naive, ms);
}

static void days_agree_with_the_c_library(void **state) {
    (void)state;
    for (int64_t day = -800000; day < 800000; day += 37) {
        time_t seconds = (time_t)(day * 86400);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        int year;
        unsigned month, dom;
        rv_civil_date(day, &year, &month, &dom);
        assert_int_equal(year, tm.tm_year + 1900);
        assert_int_equal(month, tm.tm_mon + 1);
        assert_int_equal(dom, tm.tm_mday);
        assert_int_equal(rv_civil_days(year, month, dom), day);
    }
}

static void real_dates_only(void **state) {
    (void)state;
    int64_t days;
    assert_true(rv_date_parse("1970-01-01", 10, &days));
    assert_int_equal(days, 0);
    assert_true(rv_date_parse("2000-02-29", 10, &days));
    assert_false(rv_date_parse("1900-02-29", 10, &days));
    assert_false(rv_date_parse("2026-02-30", 10, &days));
    assert_false(rv_date_parse("2026-13-01", 10, &days));
    assert_false(rv_date_parse("2026-1-31", 9, &days));
    assert_true(rv_date_parse("0000-02-29", 10, &days));
    assert_int_equal(days, -719469);
    assert_true(rv_date_parse("+10000-01-01", 12, &days));
    assert_int_equal(days, 2932897);
    assert_true(rv_date_parse("-0001-12-31", 11, &days));
    assert_int_equal(days, -719529);
    static const char *const WRONG[] = {
        "+2026-01-01",       "+09999-01-01", "-0000-01-01", "10000-01-01",  "-001-01-01", "+292278995-01-01",
        "+1000000000-01-01", "+10000-1-01",  "+10000-01-0", "-10001-02-29", "+",          "-0001"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        if (rv_date_parse(WRONG[i], strlen(WRONG[i]), &days))
            fail_msg("takes %s", WRONG[i]);
}

static void times_are_rfc_3339(void **state) {
    (void)state;
    int64_t ms;
    assert_true(time_of("2026-11-01T00:00:00Z", false, &ms));
    assert_int_equal(ms, 1793491200000ll);
    assert_true(time_of("2026-11-01T02:00:00.5+02:00", false, &ms));
    assert_int_equal(ms, 1793491200500ll);
    assert_true(time_of("2026-10-31T18:30:00-0530", false, &ms));
    assert_int_equal(ms, 1793491200000ll);
    assert_true(time_of("1969-12-31T23:59:59.999Z", false, &ms));
    assert_int_equal(ms, -1);
    assert_true(time_of("2026-11-01 00:00", true, &ms));
    assert_int_equal(ms, 1793491200000ll);
    assert_true(time_of("2026-11-01T00:00:00.123000Z", false, &ms));
    assert_false(time_of("2026-11-01T00:00:00.1234Z", false, &ms));
    assert_false(time_of("2026-11-01T00:00:00", false, &ms));
    assert_false(time_of("2026-11-01", false, &ms));
    assert_true(time_of("2026-11-01", true, &ms));
    assert_false(time_of("2026-11-01T24:00:00Z", false, &ms));
    assert_false(time_of("2026-11-01T23:59:60Z", false, &ms));
    assert_false(time_of("2026-11-01T00:00:00.Z", false, &ms));
    assert_false(time_of("2026-11-01T00:00:00Zx", false, &ms));
}

static void times_read_back(void **state) {
    (void)state;
    char text[32];
    for (int64_t ms = -62135596800000ll; ms < 4291747199999ll; ms += 7777777777777ll / 31) {
        int64_t again;
        size_t n = rv_time_format(ms, text);
        assert_int_equal(n, 24);
        assert_true(rv_time_parse(text, n, false, &again));
        assert_int_equal(again, ms);
    }
    static const int64_t FAR[] = {-62167219200000ll, -62167219200001ll,         253402300799999ll,
                                  253402300800000ll, INT64_MAX - 2 * RV_DAY_MS, INT64_MIN + 2 * RV_DAY_MS};
    for (size_t i = 0; i < sizeof FAR / sizeof FAR[0]; i++) {
        int64_t again;
        size_t n = rv_time_format(FAR[i], text);
        assert_true(rv_time_parse(text, n, false, &again));
        assert_true(again == FAR[i]);
    }
    rv_time_format(253402300800000ll, text);
    assert_string_equal(text, "+10000-01-01T00:00:00.000Z");
    rv_time_format(-62167219200001ll, text);
    assert_string_equal(text, "-0001-12-31T23:59:59.999Z");
    rv_time_format(INT64_MAX, text);
    assert_string_equal(text, "+292278994-08-17T07:12:55.807Z");
    rv_time_format(INT64_MIN, text);
    assert_string_equal(text, "-292275055-05-16T16:47:04.192Z");
    assert_int_equal(rv_date_format(-1, text), 10);
    assert_string_equal(text, "1969-12-31");
}

static void durations_have_fixed_units(void **state) {
    (void)state;
    int64_t ms;
    char text[48];
    assert_true(rv_duration_parse("30 days", 7, &ms));
    assert_int_equal(ms, 30 * RV_DAY_MS);
    assert_true(rv_duration_parse(" 1 WEEK ", 8, &ms));
    assert_int_equal(ms, 7 * RV_DAY_MS);
    assert_false(rv_duration_parse("1 month", 7, &ms));
    assert_false(rv_duration_parse("days", 4, &ms));
    assert_false(rv_duration_parse("99999999999999999999 days", 25, &ms));
    assert_false(rv_duration_parse("99999999999999 weeks", 20, &ms));
    rv_duration_format(90 * RV_DAY_MS, text);
    assert_string_equal(text, "90 days");
    rv_duration_format(3600000, text);
    assert_string_equal(text, "1 hour");
    rv_duration_format(1500, text);
    assert_string_equal(text, "1500 ms");
}

static void uuids_carry_their_time(void **state) {
    (void)state;
    uint8_t a[16], b[16];
    char hex[33];
    int64_t before = rv_wall_ms();
    rv_uuid7(a);
    rv_uuid7(b);
    assert_true(rv_uuid7_ms(a) >= before && rv_uuid7_ms(a) <= rv_wall_ms());
    assert_memory_not_equal(a, b, 16);
    assert_int_equal(a[6] >> 4, 7);
    assert_int_equal(a[8] >> 6, 2);
    rv_uuid_hex(a, hex);
    assert_int_equal(strlen(hex), 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_agree_with_the_c_library),
        cmocka_unit_test(real_dates_only),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(times_read_back),
        cmocka_unit_test(durations_have_fixed_units),
        cmocka_unit_test(uuids_carry_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

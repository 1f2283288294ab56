/* test_cli_field.c: cells as typed values. */
#include "field.h"
#include "reveille/civil.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static rv_field_t field;

static bool parse(rv_type_t type, unsigned scale, const char *text, rv_value_t *ret) {
    return rv_field_parse(&field, type, scale, text, strlen(text), ret);
}

static void refuses(rv_type_t type, unsigned scale, const char *text, const char *reason) {
    rv_value_t value = {.i = 77};
    assert_false(parse(type, scale, text, &value));
    assert_non_null(strstr(field.reason, reason));
    assert_int_equal(value.i, 77);
}

static void whole_numbers_fill_64_bits(void **state) {
    static const struct {
        const char *text;
        int64_t value;
    } CASES[] = {{"0", 0},
                 {"-0", 0},
                 {"+7", 7},
                 {"007", 7},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN}};
    rv_value_t value;
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_true(parse(RV_INT, 0, CASES[i].text, &value));
        assert_true(value.i == CASES[i].value);
    }
    refuses(RV_INT, 0, "9223372036854775808", "not a whole number");
    refuses(RV_INT, 0, "-9223372036854775809", "not a whole number");
    refuses(RV_INT, 0, "1.0", "not a whole number");
    refuses(RV_INT, 0, "", "not a whole number");
    refuses(RV_INT, 0, "-", "not a whole number");
    refuses(RV_INT, 0, " 1", "not a whole number");
}

static void decimals_keep_their_scale_exactly(void **state) {
    static const struct {
        const char *text;
        long long value;
    } CASES[] = {{"12.34", 1234},
                 {"12.3", 1230},
                 {"12", 1200},
                 {"-0.05", -5},
                 {"+1.5", 150},
                 {"0", 0},
                 {"123456789012345.67", 12345678901234567}};
    rv_value_t value;
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_true(parse(RV_DECIMAL, 2, CASES[i].text, &value));
        assert_true(value.wide == CASES[i].value);
    }
    assert_true(parse(RV_DECIMAL, 2, "99999999999999999999999.99", &value));
    assert_true(value.wide == (rv_i128_t)999999999999999ll * 10000000000ll + 9999999999ll);
    refuses(RV_DECIMAL, 2, "1.234", "more than 2 decimal places");
    refuses(RV_DECIMAL, 2, "1.230", "more than 2 decimal places");
    refuses(RV_DECIMAL, 2, "1e3", "not a decimal number");
    refuses(RV_DECIMAL, 2, "1,5", "not a decimal number");
    refuses(RV_DECIMAL, 2, ".", "not a decimal number");
    refuses(RV_DECIMAL, 2, "", "not a decimal number");
}

static void numbers_with_a_point_are_doubles(void **state) {
    rv_value_t value;
    (void)state;
    assert_true(parse(RV_DOUBLE, 0, "-1.5e3", &value));
    assert_true(value.d == -1500.0);
    refuses(RV_DOUBLE, 0, "nan", "not a number");
    refuses(RV_DOUBLE, 0, "inf", "not a number");
    refuses(RV_DOUBLE, 0, "0x10", "not a number");
    refuses(RV_DOUBLE, 0, "1e999", "too large");
    refuses(RV_DOUBLE, 0, "", "not a number");
}

static void booleans_are_words_in_any_case(void **state) {
    rv_value_t value;
    (void)state;
    static const char *const TRUE_WORDS[] = {"1", "true", "TRUE", "yes", "Yes"}, *const FALSE_WORDS[] = {"0", "False",
                                                                                                         "no", "NO"};
    for (size_t i = 0; i < 5; i++)
        assert_true(parse(RV_BOOL, 0, TRUE_WORDS[i], &value) && value.i == 1);
    for (size_t i = 0; i < 4; i++)
        assert_true(parse(RV_BOOL, 0, FALSE_WORDS[i], &value) && value.i == 0);
    refuses(RV_BOOL, 0, "ja", "not 1 or 0");
    refuses(RV_BOOL, 0, "", "not 1 or 0");
}

static void times_are_rfc_3339_or_numbers(void **state) {
    static const struct {
        const char *text;
        int64_t ms;
    } CASES[] = {{"2026-01-02T03:04:05Z", 1767323045000},
                 {"2026-01-02T03:04:06Z", 1767323046000},
                 {"2026-01-02T03:04:05.250Z", 1767323045250},
                 {"2026-01-02T05:04:05+02:00", 1767323045000},
                 {"2026-01-02 03:04:05", 1767323045000},
                 {"2026-01-02", 1767312000000},
                 {"1767323045", 1767323045000},
                 {"1767323045250", 1767323045250},
                 {"99999999999", 99999999999000},
                 {"100000000000", 100000000000},
                 {"0", 0},
                 {"-1", -1000},
                 {"1583-01-01T00:00:00Z", -12212553600000}};
    rv_value_t value;
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (!parse(RV_TIME, 0, CASES[i].text, &value))
            fail_msg("%s: %s", CASES[i].text, field.reason);
        assert_true(value.i == CASES[i].ms);
    }
    refuses(RV_TIME, 0, "2026-02-30T00:00:00Z", "not a time");
    refuses(RV_TIME, 0, "2026-01-02T24:00:00Z", "not a time");
    refuses(RV_TIME, 0, "2026-1-2", "not a time");
    refuses(RV_TIME, 0, "yesterday", "not a time");
    refuses(RV_TIME, 0, "", "not a time");
}

/* What the fast path takes is what the common parser takes, with every byte in every place. */
static void times_with_one_byte_changed_are_read_as_by_the_common_parser(void **state) {
    static const char GOOD[] = "2024-02-29T23:59:58Z";
    (void)state;
    for (size_t at = 0; at < 20; at++)
        for (int byte = 1; byte < 256; byte++) {
            char text[21];
            int64_t got = 0, wanted = 0;
            memcpy(text, GOOD, sizeof text);
            text[at] = (char)byte;
            bool good = rv_time_parse(text, 20, true, &wanted);
            assert_int_equal(rv_field_time(&field, text, 20, &got), good);
            assert_true(!good || got == wanted);
        }
}

static void events_happen_from_1970_to_2105(void **state) {
    int64_t ms = 5;
    (void)state;
    static const char *const OUTSIDE[] = {"1583-01-01T00:00:00Z", "2300-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
                                          "2106-01-01T00:00:00Z", "-1"};
    for (size_t i = 0; i < 5; i++) {
        assert_false(rv_field_event_time(&field, OUTSIDE[i], strlen(OUTSIDE[i]), &ms));
        assert_non_null(strstr(field.reason, "1970 to 2105"));
    }
    assert_int_equal(ms, 5);
    assert_true(rv_field_event_time(&field, "2105-12-31T23:59:59.999Z", 24, &ms));
    assert_true(ms == 4291747199999);
}

static void sets_are_sorted_without_repeats(void **state) {
    rv_value_t value;
    (void)state;
    assert_true(parse(RV_SET, 0, "b;a;b;;c", &value));
    assert_int_equal(value.s.n, 5);
    assert_memory_equal(value.s.p,
                        "a\x1f"
                        "b\x1f"
                        "c",
                        5);
    assert_true(parse(RV_SET, 0, "", &value));
    assert_int_equal(value.s.n, 0);
    refuses(RV_SET, 0,
            "a\x1f"
            "b",
            "U+001F");
    char many[2 * 1025 + 1];
    for (size_t i = 0; i < 1025; i++)
        memcpy(many + 2 * i, "x;", 3);
    refuses(RV_SET, 0, many, "more than 1024");
}

static void dates_are_civil(void **state) {
    rv_value_t value;
    (void)state;
    assert_true(parse(RV_DATE, 0, "1970-01-02", &value));
    assert_int_equal(value.i, 1);
    refuses(RV_DATE, 0, "2026-02-29", "not a date");
    refuses(RV_DATE, 0, "2026-01-02T00:00:00Z", "not a date");
}

static int done(void **state) {
    (void)state;
    rv_field_done(&field);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_fill_64_bits),
        cmocka_unit_test(decimals_keep_their_scale_exactly),
        cmocka_unit_test(numbers_with_a_point_are_doubles),
        cmocka_unit_test(booleans_are_words_in_any_case),
        cmocka_unit_test(times_are_rfc_3339_or_numbers),
        cmocka_unit_test(events_happen_from_1970_to_2105),
        cmocka_unit_test(times_with_one_byte_changed_are_read_as_by_the_common_parser),
        cmocka_unit_test(sets_are_sorted_without_repeats),
        cmocka_unit_test(dates_are_civil),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}

/* Columns: single values of every encoding, and columns under construction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/column.h"
#include "store/plain.h"

static void a_constant_reads_as_its_base(void **state) {
    (void)state;
    const uint8_t present[] = {0x05};
    rvw_column_t c = {.type = RV_INT, .encoding = RVW_CONST, .n = 3, .present = present, .base = -7, .unit = 1};
    rv_value_t v;
    rvw_column_value(&c, 0, NULL, &v);
    assert_true(v.present);
    assert_int_equal(v.i, -7);
    rvw_column_value(&c, 1, NULL, &v);
    assert_false(v.present);
}

static void codes_of_every_width_count_units_from_the_base(void **state) {
    (void)state;
    const uint8_t one[] = {0, 255};
    const uint16_t two[] = {0, 65535};
    const uint32_t four[] = {0, 4000000000u};
    const uint64_t eight[] = {0, UINT64_MAX};
    rvw_column_t c = {.type = RV_TIME, .encoding = RVW_FOR, .width = 1, .n = 2, .base = 10, .unit = 1000, .codes = one};
    assert_int_equal(rvw_column_int(&c, 1), 255010);
    c.width = 2;
    c.codes = two;
    assert_int_equal(rvw_column_int(&c, 1), 65535010);
    c.width = 4;
    c.codes = four;
    assert_int_equal(rvw_column_int(&c, 1), 4000000000010ll);
    c = (rvw_column_t){
        .type = RV_INT, .encoding = RVW_FOR, .width = 8, .n = 2, .base = INT64_MIN, .unit = 1, .codes = eight};
    assert_int_equal(rvw_column_int(&c, 0), INT64_MIN);
    assert_int_equal(rvw_column_int(&c, 1), INT64_MAX);
    c.width = 0;
    assert_int_equal(rvw_column_int(&c, 1), INT64_MIN);
}

static void a_numbered_string_is_its_prefix_and_number(void **state) {
    (void)state;
    const uint8_t prefixes[] = {1, 0, 1};
    const uint16_t numbers[] = {0, 7, 65535};
    const uint32_t offsets[] = {0, 1, 4};
    rvw_column_t c = {
        .type = RV_STRING, .encoding = RVW_NUMBERED, .width = 2, .width2 = 1, .n = 3, .base = 5, .unit = 1};
    c.codes = numbers;
    c.codes2 = prefixes;
    c.dict_n = 2;
    c.offsets = offsets;
    c.bytes = "cc00";
    char buf[300];
    rv_str_t s = rvw_column_string(&c, 0, buf);
    assert_int_equal(s.n, 4);
    assert_memory_equal(s.p, "c005", 4);
    s = rvw_column_string(&c, 1, buf);
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "c12", 3);
    s = rvw_column_string(&c, 2, buf);
    assert_int_equal(s.n, 8);
    assert_memory_equal(s.p, "c0065540", 8);
    static const char *const others[] = {"",
                                         "c",
                                         "c12",
                                         "c1",
                                         "c123",
                                         "d12",
                                         "c012",
                                         "c00",
                                         "c005",
                                         "c0065540",
                                         "c1x",
                                         "c00065540",
                                         "c12000000000000000000",
                                         "c18446744073709551628"};
    for (uint32_t i = 0; i < 3; i++) {
        s = rvw_column_string(&c, i, buf);
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
            rv_str_t other = {others[k], (uint32_t)strlen(others[k])};
            assert_int_equal(rvw_column_is(&c, i, other), other.n == s.n && memcmp(other.p, s.p, s.n) == 0);
        }
    }
}

static void a_number_of_any_length_is_compared_as_it_is_written(void **state) {
    (void)state;
    static const uint64_t numbers[] = {0, 9, 10, 999999999999999999ull, 1000000000000000000ull, UINT64_MAX};
    const uint32_t offsets[] = {0, 1};
    rvw_column_t c = {.type = RV_STRING, .encoding = RVW_NUMBERED, .width = 8, .n = 6, .unit = 1};
    c.codes = numbers;
    c.dict_n = 1;
    c.offsets = offsets;
    c.bytes = "e";
    for (uint32_t i = 0; i < 6; i++) {
        for (uint32_t k = 0; k < 6; k++) {
            char text[32];
            rv_str_t s = {text, (uint32_t)snprintf(text, sizeof text, "e%llu", (unsigned long long)numbers[k])};
            assert_int_equal(rvw_column_is(&c, i, s), i == k);
        }
    }
}

static void other_strings_are_compared_by_their_bytes(void **state) {
    (void)state;
    const uint8_t codes[] = {1, 0};
    const uint32_t offsets[] = {0, 1, 3};
    rvw_column_t c = {.type = RV_STRING, .encoding = RVW_DICT, .width = 1, .n = 2, .dict_n = 2};
    c.codes = codes;
    c.offsets = offsets;
    c.bytes = "abc";
    assert_true(rvw_column_is(&c, 0, (rv_str_t){"bc", 2}));
    assert_false(rvw_column_is(&c, 0, (rv_str_t){"bd", 2}));
    assert_false(rvw_column_is(&c, 1, (rv_str_t){"bc", 2}));
    c.encoding = RVW_PLAIN;
    assert_true(rvw_column_is(&c, 0, (rv_str_t){"a", 1}));
    assert_true(rvw_column_is(&c, 1, (rv_str_t){"bc", 2}));
    assert_false(rvw_column_is(&c, 1, (rv_str_t){"", 0}));
}

static void a_decimal_becomes_wide_when_one_value_needs_it(void **state) {
    (void)state;
    rv_arena_t arena;
    rvw_plain_t plain;
    rvw_column_t c;
    rv_value_t v = {.present = true, .wide = -5}, big = {.present = true, .wide = rv_pow10(30)};
    rv_arena_init(&arena, 1 << 20);
    assert_true(rvw_plain_init(&plain, &arena, RV_DECIMAL, 2, 3));
    assert_true(rvw_plain_set(&plain, 0, &v));
    rvw_plain_column(&plain, &c);
    assert_int_equal(c.encoding, RVW_FOR);
    assert_int_equal(c.min, -5);
    assert_int_equal(c.max, -5);
    assert_true(rvw_plain_set(&plain, 2, &big));
    rvw_plain_column(&plain, &c);
    assert_int_equal(c.encoding, RVW_WIDE);
    assert_int_equal(c.scale, 2);
    rvw_column_value(&c, 0, NULL, &v);
    assert_true(v.wide == -5);
    rvw_column_value(&c, 1, NULL, &v);
    assert_false(v.present);
    rvw_column_value(&c, 2, NULL, &v);
    assert_true(v.wide == rv_pow10(30));
    rv_arena_done(&arena);
}

static void values_convert_as_a_schema_may_widen(void **state) {
    (void)state;
    rv_value_t v = {.present = true, .i = 12};
    assert_true(rvw_value_convert(&v, RV_INT, 0, RV_DECIMAL, 2));
    assert_true(v.wide == 1200);
    assert_true(rvw_value_convert(&v, RV_DECIMAL, 2, RV_DECIMAL, 4));
    assert_true(v.wide == 120000);
    assert_true(rvw_value_convert(&v, RV_DECIMAL, 4, RV_DECIMAL, 1));
    assert_true(v.wide == 120);
    assert_true(rvw_value_convert(&v, RV_DECIMAL, 1, RV_DOUBLE, 0));
    assert_true(v.d > 11.99 && v.d < 12.01);
    v = (rv_value_t){.present = true, .wide = 125};
    assert_false(rvw_value_convert(&v, RV_DECIMAL, 2, RV_DECIMAL, 1));
    v = (rv_value_t){.present = true, .s = {"1", 1}};
    assert_false(rvw_value_convert(&v, RV_STRING, 0, RV_INT, 0));
    v = (rv_value_t){.present = false};
    assert_true(rvw_value_convert(&v, RV_STRING, 0, RV_INT, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_reads_as_its_base),
        cmocka_unit_test(codes_of_every_width_count_units_from_the_base),
        cmocka_unit_test(a_numbered_string_is_its_prefix_and_number),
        cmocka_unit_test(a_number_of_any_length_is_compared_as_it_is_written),
        cmocka_unit_test(other_strings_are_compared_by_their_bytes),
        cmocka_unit_test(a_decimal_becomes_wide_when_one_value_needs_it),
        cmocka_unit_test(values_convert_as_a_schema_may_widen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

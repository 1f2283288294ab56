/* valcodec: the order of the bytes is the order of the values, and the values come back. */
#include "reveille/valcodec.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static rv_value_t whole(int64_t i) {
    return (rv_value_t){.present = true, .i = i};
}

static rv_value_t wide(rv_i128_t value) {
    return (rv_value_t){.present = true, .wide = value};
}

static rv_value_t real(double d) {
    return (rv_value_t){.present = true, .d = d};
}

static rv_value_t text(const char *s) {
    return (rv_value_t){.present = true, .s = {s, (uint32_t)strlen(s)}};
}

static int compare(rv_type_t type, rv_value_t a, rv_value_t b, bool descending) {
    rv_bytes_t left = {0}, right = {0};
    assert_true(rv_value_encode(type, &a, descending, &left));
    assert_true(rv_value_encode(type, &b, descending, &right));
    int order = memcmp(left.p, right.p, left.n < right.n ? left.n : right.n);
    if (order == 0)
        order = (left.n > right.n) - (left.n < right.n);
    rv_bytes_done(&left);
    rv_bytes_done(&right);
    return (order > 0) - (order < 0);
}

/* Values in strictly rising order keep it, and turn it when descending; missing is last in both. */
static void assert_rising(rv_type_t type, const rv_value_t *values, size_t n) {
    rv_value_t missing = {0};
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            int expected = (i > k) - (i < k);
            assert_int_equal(compare(type, values[i], values[k], false), expected);
            assert_int_equal(compare(type, values[i], values[k], true), -expected);
        }
        assert_int_equal(compare(type, values[i], missing, false), -1);
        assert_int_equal(compare(type, values[i], missing, true), -1);
    }
}

#define RISING(type, ...)                                                                                              \
    assert_rising(type, (const rv_value_t[]){__VA_ARGS__},                                                             \
                  sizeof((const rv_value_t[]){__VA_ARGS__}) / sizeof(rv_value_t))

static void bytes_sort_like_values(void **state) {
    (void)state;
    RISING(RV_INT, whole(INT64_MIN), whole(-256), whole(-1), whole(0), whole(1), whole(255), whole(INT64_MAX));
    RISING(RV_BOOL, whole(0), whole(1));
    RISING(RV_TIME, whole(0), whole(4291747199999));
    RISING(RV_DATE, whole(-719162), whole(20000));
    RISING(RV_DURATION, whole(-5), whole(86400000));
    rv_i128_t big = (rv_i128_t)1 << 100;
    RISING(RV_DECIMAL, wide(-big - big), wide(-big), wide(-1), wide(0), wide(1), wide((rv_i128_t)UINT64_MAX),
           wide((rv_i128_t)UINT64_MAX + 1), wide(big));
    RISING(RV_DOUBLE, real(-INFINITY), real(-DBL_MAX), real(-1.5), real(-0x1p-1074), real(0), real(0x1p-1074),
           real(0.1), real(1e300), real(INFINITY), real(NAN));
    RISING(RV_STRING, text(""), text("\x01"), text("a"), text("a\x01"), text("aa"), text("ab"), text("b"),
           text("\xC3\xA9"), text("\xF0\x9F\x98\x80"));
    RISING(RV_SET, text(""), text("a"),
           text("a\x1F"
                "b"),
           text("b"));
    RISING(RV_COMPANY, text("company1"), text("company10"));
}

static void both_zeros_are_one_value(void **state) {
    (void)state;
    assert_int_equal(compare(RV_DOUBLE, real(0.0), real(-0.0), false), 0);
    assert_int_equal(compare(RV_DOUBLE, real(NAN), real(-NAN), false), 0);
}

static void values_come_back(void **state) {
    (void)state;
    static const rv_type_t types[] = {RV_INT, RV_DECIMAL, RV_DOUBLE, RV_STRING, RV_STRING, RV_BOOL, RV_DOUBLE};
    rv_value_t values[] = {whole(-77), wide(-((rv_i128_t)5 << 90)), real(-1.25), text("h\xC3\xB6h"), text(""), whole(1),
                           {0}};
    size_t n = sizeof types / sizeof types[0], pos = 0;
    rv_bytes_t bytes = {0};
    for (size_t i = 0; i < n; i++)
        assert_true(rv_value_encode(types[i], &values[i], false, &bytes));
    for (size_t i = 0; i < n; i++) {
        rv_value_t back;
        assert_true(rv_value_decode(types[i], bytes.p, bytes.n, &pos, &back));
        assert_int_equal(back.present, values[i].present);
        assert_true(back.i == values[i].i && back.wide == values[i].wide && back.d == values[i].d);
        assert_true(rv_str_equal(back.s, values[i].s));
    }
    assert_int_equal(pos, bytes.n);
    rv_bytes_done(&bytes);
}

static void truncated_or_foreign_bytes_are_refused(void **state) {
    (void)state;
    static const rv_type_t types[] = {RV_INT, RV_DECIMAL, RV_DOUBLE, RV_STRING};
    rv_value_t value = {.present = true, .i = 1, .wide = 1, .d = 1, .s = {"abc", 3}};
    for (size_t i = 0; i < 4; i++) {
        rv_bytes_t bytes = {0};
        rv_value_t back = whole(42);
        size_t pos = 0;
        assert_true(rv_value_encode(types[i], &value, false, &bytes));
        for (size_t n = 0; n < bytes.n; n++)
            assert_false(rv_value_decode(types[i], bytes.p, n, &pos, &back));
        bytes.p[0] = 2;
        assert_false(rv_value_decode(types[i], bytes.p, bytes.n, &pos, &back));
        assert_int_equal(pos, 0);
        assert_int_equal(back.i, 42);
        rv_bytes_done(&bytes);
    }
    rv_bytes_t bytes = {0};
    rv_value_t back;
    size_t pos = 0;
    assert_true(rv_value_encode(RV_STRING, &value, true, &bytes));
    assert_false(rv_value_decode(RV_STRING, bytes.p, bytes.n, &pos, &back));
    rv_bytes_done(&bytes);
}

static void bytes_grow(void **state) {
    (void)state;
    rv_bytes_t bytes = {0};
    assert_true(rv_bytes_add(&bytes, NULL, 0));
    for (unsigned i = 0; i < 1000; i++)
        assert_true(rv_bytes_add(&bytes, &(uint8_t){(uint8_t)i}, 1));
    char block[5000];
    memset(block, 'x', sizeof block);
    assert_true(rv_bytes_add(&bytes, block, sizeof block));
    assert_int_equal(bytes.n, 6000);
    assert_int_equal(bytes.p[999], (uint8_t)999);
    assert_int_equal(bytes.p[5999], 'x');
    assert_false(rv_bytes_add(&bytes, block, SIZE_MAX - 100));
    assert_int_equal(bytes.n, 6000);
    rv_bytes_done(&bytes);
    assert_null(bytes.p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_sort_like_values),
        cmocka_unit_test(both_zeros_are_one_value),
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(truncated_or_foreign_bytes_are_refused),
        cmocka_unit_test(bytes_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

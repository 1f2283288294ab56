/* num: decimals are exact, and what is rounded is rounded once. The vectors were made with Python's fractions. */
#include "reveille/num.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rv_i128_t number(const char *text) {
    rv_i128_t value = 0;
    unsigned scale = 0;
    assert_true(rv_decimal_parse(text, strlen(text), 0, &value, &scale));
    return value;
}

static bool parse(const char *text, unsigned max_scale, rv_i128_t *value, unsigned *scale) {
    return rv_decimal_parse(text, strlen(text), max_scale, value, scale);
}

static void assert_format(const char *coefficient, unsigned scale, const char *expected) {
    char out[48];
    assert_int_equal(rv_decimal_format(number(coefficient), scale, out), strlen(expected));
    assert_string_equal(out, expected);
}

static void decimal_text_reads_back(void **state) {
    (void)state;
    rv_i128_t value;
    unsigned scale;
    assert_true(parse("-12.50", 2, &value, &scale));
    assert_true(value == -1250 && scale == 2);
    assert_true(parse("+007", 0, &value, &scale));
    assert_true(value == 7 && scale == 0);
    assert_true(parse("-0.0", 1, &value, &scale));
    assert_true(value == 0 && scale == 1);
    assert_format("-50", 2, "-0.50");
    assert_format("0", 0, "0");
    assert_format("0", 3, "0.000");
    assert_format("7", 36, "0.000000000000000000000000000000000007");
    assert_format("-170141183460469231731687303715884105728", 0, "-170141183460469231731687303715884105728");
    assert_format("170141183460469231731687303715884105727", 38, "1.70141183460469231731687303715884105727");
}

static void decimal_text_is_refused_untouched(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      ".",
                                      "5.",
                                      ".5",
                                      "1.2.3",
                                      "1e5",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.23",
                                      "--1",
                                      "1,0",
                                      "1-0",
                                      "1.-20",
                                      "170141183460469231731687303715884105728",
                                      "-170141183460469231731687303715884105729",
                                      "99999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rv_i128_t value = 42;
        unsigned scale = 7;
        assert_false(parse(bad[i], 1, &value, &scale));
        assert_true(value == 42 && scale == 7);
    }
}

static void powers_are_exact(void **state) {
    (void)state;
    rv_i128_t power = 1;
    for (unsigned n = 0; n <= 38; n++, power = n <= 38 ? power * 10 : power)
        assert_true(rv_pow10(n) == power);
}

static void decimals_compare_across_scales(void **state) {
    (void)state;
    assert_int_equal(rv_decimal_compare(30000, 2, 300005, 3), -1);
    assert_int_equal(rv_decimal_compare(30001, 2, 300005, 3), 1);
    assert_int_equal(rv_decimal_compare(-1, 0, -100, 2), 0);
    rv_i128_t most = number("170141183460469231731687303715884105727");
    assert_int_equal(rv_decimal_compare(most, 0, 1, 36), 1);
    assert_int_equal(rv_decimal_compare(1, 36, most, 0), -1);
    assert_int_equal(rv_decimal_compare(-most - 1, 0, -most, 36), -1);
    assert_int_equal(rv_decimal_compare(-most, 36, -most - 1, 0), 1);
    assert_int_equal(rv_decimal_compare(0, 0, 0, 36), 0);
}

static void a_double_compares_by_its_binary_value(void **state) {
    (void)state;
    assert_int_equal(rv_double_compare_decimal(0.1, 1, 1), 1);  /* 0.1 is a little more */
    assert_int_equal(rv_double_compare_decimal(0.3, 3, 1), -1); /* 0.3 a little less */
    assert_int_equal(rv_double_compare_decimal(0.5, 5, 1), 0);
    assert_int_equal(rv_double_compare_decimal(-0.1, -1, 1), -1);
    assert_int_equal(rv_double_compare_decimal(-0.0, 0, 36), 0);
    assert_int_equal(rv_double_compare_decimal(9007199254740992.0, number("9007199254740993"), 0), -1);
    assert_int_equal(rv_double_compare_decimal(0x1p-1074, 0, 0), 1);
    assert_int_equal(rv_double_compare_decimal(0x1p-1074, 1, 36), -1);
    assert_int_equal(rv_double_compare_decimal(-0x1p-1074, -1, 36), 1);
    assert_int_equal(rv_double_compare_decimal(DBL_MAX, number("170141183460469231731687303715884105727"), 0), 1);
    assert_int_equal(rv_double_compare_decimal(0x1p127, number("170141183460469231731687303715884105727"), 0), 1);
    assert_int_equal(rv_double_compare_decimal(-0x1p127, number("-170141183460469231731687303715884105728"), 0), 0);
    assert_int_equal(rv_double_compare_decimal(-1e300, number("-170141183460469231731687303715884105728"), 36), -1);
    assert_int_equal(rv_double_compare_decimal(INFINITY, number("170141183460469231731687303715884105727"), 0), 1);
    assert_int_equal(rv_double_compare_decimal(-INFINITY, number("-170141183460469231731687303715884105728"), 0), -1);
    assert_int_equal(rv_double_compare_decimal(1.0, -1, 0), 1);
}

static const struct {
    const char *coefficient;
    unsigned scale;
    double expected;
} CONVERSIONS[] = {
    {"1", 1, 0x1.999999999999ap-4},
    {"-5", 1, -0x1.0000000000000p-1},
    {"30000499", 5, 0x1.2c0147064eceap+8},
    {"170141183460469231731687303715884105727", 0, 0x1.0000000000000p+127},
    {"-170141183460469231731687303715884105728", 0, -0x1.0000000000000p+127},
    {"-170141183460469231731687303715884105728", 36, -0x1.54484932d2e72p+7},
    {"1", 36, 0x1.54484932d2e72p-120},
    {"9007199254740993", 0, 0x1.0000000000000p+53},
    {"90071992547409930", 1, 0x1.0000000000000p+53},
    {"18014398509481985", 0, 0x1.0000000000000p+54},
    {"18446744073709551617", 19, 0x1.d83c94fb6d2acp+0},
    {"12345678901234567890123456789", 20, 0x1.d6f34540ca458p+26},
    {"5", 0, 0x1.4000000000000p+2},
    {"100000000000000000000000000000000000000", 36, 0x1.9000000000000p+6},
    {"9007199254740991", 22, 0x1.e392010175ee5p-21},
    {"9007199254740993", 3, 0x1.0624dd2f1a9fcp+43},
    {"99999999999999999999999999999999999999", 19, 0x1.158e460913d00p+63},
    {"1138966282318235622446583695755126125", 29, 0x1.5b95bda578286p+23},
    {"780768414766090067245243222928869494", 12, 0x1.4aab14c63ad06p+79},
    {"632397807639513303255428549027686008", 11, 0x1.4ec9e2761c61dp+82},
    {"188478039003495803071160232948824467", 5, 0x1.7ca0dcc2cb2ebp+100},
    {"921737898704798259137778927664615775", 2, 0x1.c673adcca3c71p+112},
    {"1282383029206621117955245207318333131", 28, 0x1.e930b7baec20cp+26},
};

static void a_decimal_becomes_the_nearest_double(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CONVERSIONS / sizeof CONVERSIONS[0]; i++) {
        rv_i128_t c = number(CONVERSIONS[i].coefficient);
        double d = rv_decimal_to_double(c, CONVERSIONS[i].scale);
        assert_true(d == CONVERSIONS[i].expected);
        if (fabs(d) >= 0x1p127)
            continue;
        /* and the number lies between the neighbours of that double */
        double below = nextafter(d, -INFINITY), above = nextafter(d, INFINITY);
        assert_int_equal(rv_double_compare_decimal(below, c, CONVERSIONS[i].scale), -1);
        assert_int_equal(rv_double_compare_decimal(above, c, CONVERSIONS[i].scale), 1);
    }
}

static const struct {
    const char *dividend;
    unsigned scale;
    const char *divisor;
    unsigned divisor_scale;
    double expected;
} QUOTIENTS[] = {
    {"1", 0, "3", 0, 0x1.5555555555555p-2},
    {"10", 0, "4", 0, 0x1.4000000000000p+1},
    {"-1", 0, "3", 0, -0x1.5555555555555p-2},
    {"1", 2, "3", 4, 0x1.0aaaaaaaaaaabp+5},
    {"0", 0, "-3", 0, 0x0.0p+0},
    {"170141183460469231731687303715884105727", 36, "1", 0, 0x1.54484932d2e72p+7},
    {"1", 36, "170141183460469231731687303715884105727", 0, 0x1.54484932d2e72p-247},
    {"-170141183460469231731687303715884105728", 0, "3", 36, -0x1.00ca68a50c097p+245},
    {"9007199254740993", 0, "2", 0, 0x1.0000000000000p+52},
    {"9007199254740993", 2, "1", 0, 0x1.47ae147ae147cp+46},
    {"100000000000000000000", 10, "30000000000000000000", 11, 0x1.0aaaaaaaaaaabp+5},
    {"-7", 0, "-2", 0, 0x1.c000000000000p+1},
    {"55301922841835204611570627666776651670", 10, "-699719491634243930371614136486", 4, -0x1.3c233e7e5f9ecp+6},
    {"74825112778089545343433297074715540947", 15, "-616245236613870071598110773797", 20, -0x1.6161b1cdf46e8p+43},
    {"16616105058444162930537720776141219256", 33, "-577902226128570918384008442694", 0, -0x1.1cc01f3281965p-85},
    {"55704363073071539498965810368505858799", 17, "-1232098367371435134404752746162", 5, -0x1.7b41d1f17086fp-15},
    {"64482661877448973849662309102540489468", 14, "-81585352299193465116417615994", 36, -0x1.8f0900aed5563p+102},
    {"9170873521103339114082982961066242416", 18, "-75903938167433252023978593562", 0, -0x1.09b0cc42a5b2dp-33},
};

static void a_quotient_is_rounded_once(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof QUOTIENTS / sizeof QUOTIENTS[0]; i++) {
        double d = rv_decimal_divide(number(QUOTIENTS[i].dividend), QUOTIENTS[i].scale, number(QUOTIENTS[i].divisor),
                                     QUOTIENTS[i].divisor_scale);
        assert_true(d == QUOTIENTS[i].expected);
        assert_true(d != 0 || !signbit(d));
    }
}

static void rescaling_stops_at_128_bits(void **state) {
    (void)state;
    rv_i128_t value = 42;
    assert_true(rv_decimal_rescale(-5, 1, 3, &value));
    assert_true(value == -500);
    assert_false(rv_decimal_rescale(2, 0, 38, &value));
    assert_false(rv_decimal_rescale(1, 0, 200, &value));
    assert_true(value == -500);
    assert_true(rv_decimal_rescale(0, 0, 200, &value));
    assert_true(value == 0);
}

static void assert_double_text(double d, const char *expected) {
    char out[32];
    assert_int_equal(rv_double_format(d, out), strlen(expected));
    assert_string_equal(out, expected);
}

static void doubles_have_the_shortest_text(void **state) {
    (void)state;
    assert_double_text(0.1, "0.1");
    assert_double_text(-0.0, "0");
    assert_double_text(1e300, "1e+300");
    assert_double_text(100000, "100000");
    assert_double_text(1.0 / 3, "0.3333333333333333");
    assert_double_text(0.1 + 0.2, "0.30000000000000004");
    assert_double_text(0x1p-1074, "5e-324");
    assert_double_text(-DBL_MAX, "-1.7976931348623157e+308");
    assert_double_text(0x1p-44, "5.684341886080802e-14"); /* the nearest text of 16 digits does not read back */
    assert_double_text(7.6784476871456305e-239, "7.678447687145631e-239");
    assert_double_text(INFINITY, "inf");
}

static void texts_of_powers_of_two_read_back(void **state) {
    (void)state;
    for (int exponent = -1074; exponent < 1024; exponent++) {
        char out[32];
        double d = ldexp(exponent % 2 == 0 ? 1 : -1, exponent);
        rv_double_format(d, out);
        assert_true(strtod(out, NULL) == d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_text_reads_back),
        cmocka_unit_test(decimal_text_is_refused_untouched),
        cmocka_unit_test(powers_are_exact),
        cmocka_unit_test(decimals_compare_across_scales),
        cmocka_unit_test(a_double_compares_by_its_binary_value),
        cmocka_unit_test(a_decimal_becomes_the_nearest_double),
        cmocka_unit_test(a_quotient_is_rounded_once),
        cmocka_unit_test(rescaling_stops_at_128_bits),
        cmocka_unit_test(doubles_have_the_shortest_text),
        cmocka_unit_test(texts_of_powers_of_two_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

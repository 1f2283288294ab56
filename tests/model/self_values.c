// self_values.c - arithmetic, comparison, rounding and the calendar against values worked out by hand.
//
// Structure: tables of (operation, operands, result as text); a comparison table; a few loops over whole ranges.
#include "exact.h"
#include "self.h"

#include <float.h>
#include <math.h>
#include <string.h>

static int failed(const char *what, const char *got, const char *want) {
    fprintf(stderr, "%s: got %s, want %s\n", what, got, want);
    return 1;
}

static int check_arith(rvm_arena_t *arena) {
    const struct {
        char op;
        rvm_value_t a, b;
        const char *want; // "overflow", or the value shown
    } table[] = {
        {'+', rvm_int(2), rvm_int(3), "5"},
        {'+', rvm_int(INT64_MAX), rvm_int(1), "overflow"},
        {'-', rvm_int(INT64_MIN), rvm_int(1), "overflow"},
        {'*', rvm_int(INT64_MAX / 2), rvm_int(2), "9223372036854775806"},
        {'*', rvm_int(INT64_MAX / 2), rvm_int(3), "overflow"},
        {'/', rvm_int(7), rvm_int(2), "3.5"},
        {'/', rvm_int(7), rvm_int(0), "null"},
        {'/', rvm_int(-1), rvm_int(3), "-0.33333333333333331"},
        {'+', rvm_decimal(1050, 2), rvm_decimal(1, 3), "10.501"},
        {'-', rvm_decimal(5, 1), rvm_int(1), "-0.5"},
        {'*', rvm_decimal(150, 2), rvm_decimal(-2, 1), "-0.300"},
        {'/', rvm_decimal(1, 1), rvm_decimal(3, 1), "0.33333333333333331"},
        {'/', rvm_decimal(1, 0), rvm_decimal(0, 2), "null"},
        {'+', rvm_double(0.1), rvm_decimal(2, 1), "0.30000000000000004"},
        {'*', rvm_double(1e308), rvm_int(10), "overflow"},
        {'+', rvm_missing(), rvm_int(1), "null"},
        {'+', rvm_date(1), rvm_duration(1), "1970-01-02T00:00:00.001Z"},
        {'-', rvm_time(0), rvm_duration(1), "1969-12-31T23:59:59.999Z"},
        {'-', rvm_time(5), rvm_date(0), "5ms"},
        {'-', rvm_duration(5), rvm_duration(7), "-2ms"},
        {'*', rvm_duration(5), rvm_int(-3), "-15ms"},
        {'/', rvm_duration(5), rvm_duration(2), "2.5"},
        {'/', rvm_duration(5), rvm_duration(0), "null"},
        {'+', rvm_time(INT64_MAX), rvm_duration(1), "overflow"},
    };
    int failures = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool overflow = false;
        rvm_value_t v = rvm_arith(table[i].op, &table[i].a, &table[i].b, &overflow);
        const char *got = overflow ? "overflow" : rvm_show(arena, &v);
        if (strcmp(got, table[i].want) != 0) {
            failures += failed(rvm_format(arena, "arithmetic %zu (%c)", i, table[i].op), got, table[i].want);
        }
    }
    return failures;
}

static int check_compare(void) {
    const struct {
        rvm_value_t a, b;
        int want;
    } table[] = {
        {rvm_double(0.1), rvm_decimal(1, 1), 1},  // 0.1 in binary is a little more
        {rvm_double(0.3), rvm_decimal(3, 1), -1}, // and 0.3 a little less
        {rvm_double(0.5), rvm_decimal(50, 2), 0},
        {rvm_double(9007199254740993.0), rvm_int(9007199254740993), -1}, // 2^53 + 1 is no double
        {rvm_int(INT64_MAX), rvm_double(9223372036854775808.0), -1},
        {rvm_int(INT64_MAX), rvm_decimal((rvm_i128_t)INT64_MAX + 1, 0), -1},
        {rvm_decimal(30000, 2), rvm_decimal(300005, 3), -1},
        {rvm_decimal(-1, 2), rvm_int(0), -1},
        {rvm_double(-DBL_MAX), rvm_int(INT64_MIN), -1},
        {rvm_double(4.9e-324), rvm_int(0), 1},
        {rvm_double(4.9e-324), rvm_decimal(1, 38), -1},
        {rvm_double(-0.0), rvm_int(0), 0},
        {rvm_date(1), rvm_time(86400000), 0},
        {rvm_string("a"), rvm_string("B"), 1},
        {rvm_string("\xc3\xa9"), rvm_string("z"), 1}, // bytes, as unsigned
        {rvm_string(""), rvm_string("a"), -1},
    };
    int failures = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (rvm_compare(&table[i].a, &table[i].b) != table[i].want ||
            rvm_compare(&table[i].b, &table[i].a) != -table[i].want) {
            fprintf(stderr, "comparison %zu is wrong\n", i);
            failures++;
        }
    }
    return failures;
}

static double sum_of(const double *values, int n, bool average) {
    rvm_sum_t sum;
    bool overflow = false;
    rvm_sum_start(&sum, RVM_DOUBLE, 0);
    for (int i = 0; i < n; i++) {
        rvm_value_t v = rvm_double(values[i]);
        rvm_sum_add(&sum, &v);
    }
    rvm_value_t total = average ? rvm_sum_average(&sum, &overflow) : rvm_sum_total(&sum, &overflow);
    return overflow ? INFINITY : total.d;
}

static int check_sums(void) {
    const double cancels[] = {1e308, 1.0, 1e308, -1e308, -1e308, 0x1p-1074};
    const double tenths[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
    const double tiny[] = {0x1p-1074, 0x1p-1074, 0x1p-1074};
    const double huge[] = {DBL_MAX, DBL_MAX};
    int failures = 0;
    failures += sum_of(cancels, 6, false) != 1.0;
    failures += sum_of(tenths, 10, false) != 1.0; // ten times the double 0.1 is nearest to 1
    failures += sum_of(tiny, 3, false) != 0x3p-1074;
    failures += sum_of(tiny, 2, true) != 0x1p-1074;
    failures += !isinf(sum_of(huge, 2, false));
    failures += sum_of(huge, 2, true) != DBL_MAX;
    if (failures > 0) {
        fprintf(stderr, "%d sums of doubles are wrong\n", failures);
    }
    return failures;
}

// The ratio of two doubles' worth of whole numbers must be what the processor's division gives.
static int check_ratio(void) {
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        int64_t a = (int64_t)(state >> (11 + i % 40)) - (i % 3) * 1000,
                b = (int64_t)((state * 2654435761u) >> (12 + i % 37)) + 1;
        rvm_big_t p, q;
        rvm_big_set(&p, a);
        rvm_big_set(&q, b);
        if (rvm_big_ratio(&p, &q) != (double)a / (double)b) {
            fprintf(stderr, "%lld / %lld is not rounded to nearest\n", (long long)a, (long long)b);
            return 1;
        }
    }
    return 0;
}

// Odd whole numbers above 2^53 lie in the middle between two doubles.
static int check_ties(void) {
    for (int64_t n = (INT64_C(1) << 53) + 1; n < (INT64_C(1) << 53) + 2000; n += 2) {
        rvm_big_t p, q;
        rvm_big_set(&p, n);
        rvm_big_set(&q, 1);
        if (rvm_big_ratio(&p, &q) != (double)n) {
            fprintf(stderr, "%lld is not rounded to even\n", (long long)n);
            return 1;
        }
    }
    return 0;
}

static int check_rounding(rvm_arena_t *arena) {
    const struct {
        rvm_value_t a;
        const char *round, *floor;
    } table[] = {
        {rvm_decimal(250, 2), "3", "2"},    {rvm_decimal(-250, 2), "-3", "-3"}, {rvm_decimal(249, 2), "2", "2"},
        {rvm_decimal(-249, 2), "-2", "-3"}, {rvm_double(0.5), "1", "0"},        {rvm_double(-0.5), "-1", "-1"},
        {rvm_int(-7), "-7", "-7"},          {rvm_decimal(-1, 1), "0", "-1"},    {rvm_decimal(5, 0), "5", "5"}};
    int failures = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool overflow = false;
        rvm_value_t r = rvm_round(&table[i].a, &overflow), f = rvm_floor(&table[i].a, &overflow);
        if (overflow || strcmp(rvm_show(arena, &r), table[i].round) != 0 ||
            strcmp(rvm_show(arena, &f), table[i].floor) != 0) {
            failures += failed(rvm_format(arena, "rounding %zu", i), rvm_show(arena, &r), table[i].round);
        }
    }
    return failures;
}

static int check_calendar(void) {
    int failures = 0;
    for (int64_t days = -200000; days < 200000; days += 7) {
        int64_t year;
        int month, day;
        rvm_civil_from_days(days, &year, &month, &day);
        failures += rvm_days_from_civil(year, month, day) != days;
    }
    failures += rvm_days_from_civil(2000, 3, 1) != 11017;
    failures += rvm_days_from_civil(2024, 6, 1) != 19875;
    failures += rvm_days_from_civil(1969, 12, 31) != -1;
    if (failures > 0) {
        fprintf(stderr, "%d civil dates are wrong\n", failures);
    }
    return failures;
}

int rvm_self_values(void) {
    rvm_arena_t *arena = rvm_arena_new();
    int failures = check_arith(arena) + check_compare() + check_sums() + check_ratio() + check_ties() +
                   check_rounding(arena) + check_calendar();
    rvm_arena_destroy(&arena);
    return failures;
}

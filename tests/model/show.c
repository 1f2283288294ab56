// show.c - the calendar, and values as text for people: failure messages and printed cases.
//
// Structure: civil dates by counting whole years and months (slow and plain), then one function for each kind of text.
#include "exact.h"

#include <string.h>

static bool leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_length(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && leap(year));
}

int64_t rvm_days_from_civil(int64_t year, int month, int day) {
    int64_t days = 0;
    for (int64_t y = 1970; y < year; y++) {
        days += 365 + leap(y);
    }
    for (int64_t y = year; y < 1970; y++) {
        days -= 365 + leap(y);
    }
    for (int m = 1; m < month; m++) {
        days += month_length(year, m);
    }
    return days + day - 1;
}

void rvm_civil_from_days(int64_t days, int64_t *year, int *month, int *day) {
    int64_t era = rvm_floor_div(days, 146097); // 400 years are 146,097 days
    int64_t y = 1970 + 400 * era;
    int64_t rest = days - 146097 * era;
    while (rest >= 365 + leap(y)) {
        rest -= 365 + leap(y);
        y++;
    }
    int m = 1;
    while (rest >= month_length(y, m)) {
        rest -= month_length(y, m);
        m++;
    }
    *year = y;
    *month = m;
    *day = (int)rest + 1;
}

static const char *show_date(rvm_arena_t *arena, int64_t days) {
    int64_t year;
    int month, day;
    rvm_civil_from_days(days, &year, &month, &day);
    return rvm_format(arena, "%04lld-%02d-%02d", (long long)year, month, day);
}

static const char *show_time(rvm_arena_t *arena, int64_t ms) {
    int64_t days = rvm_floor_div(ms, 86400000);
    int rest = (int)(ms - days * 86400000);
    return rvm_format(arena, "%sT%02d:%02d:%02d.%03dZ", show_date(arena, days), rest / 3600000, rest / 60000 % 60,
                      rest / 1000 % 60, rest % 1000);
}

static const char *show_decimal(rvm_arena_t *arena, rvm_i128_t n, int scale) {
    char text[96];
    int at = (int)sizeof text, digits = 0;
    bool negative = n < 0;
    text[--at] = 0;
    while (n != 0 || digits <= scale) {
        if (digits == scale && scale > 0) {
            text[--at] = '.';
        }
        int digit = (int)(n % 10);
        text[--at] = (char)('0' + (digit < 0 ? -digit : digit));
        n /= 10;
        digits++;
    }
    if (negative) {
        text[--at] = '-';
    }
    return rvm_copy(arena, text + at, strlen(text + at));
}

static const char *show_set(rvm_arena_t *arena, const rvm_value_t *value) {
    const char *text = "{";
    for (int i = 0; i < value->n_items; i++) {
        text = rvm_format(arena, "%s%s%s", text, i > 0 ? ";" : "", value->items[i]);
    }
    return rvm_format(arena, "%s}", text);
}

const char *rvm_show(rvm_arena_t *arena, const rvm_value_t *value) {
    switch (value->type) {
    case RVM_BOOL:
        return value->b ? "true" : "false";
    case RVM_INT:
        return rvm_format(arena, "%lld", (long long)value->i);
    case RVM_DECIMAL:
        return show_decimal(arena, value->n, value->scale);
    case RVM_DOUBLE:
        return rvm_format(arena, "%.17g", value->d);
    case RVM_STRING:
        return rvm_format(arena, "\"%s\"", value->s);
    case RVM_TIME:
        return show_time(arena, value->i);
    case RVM_DATE:
        return show_date(arena, value->i);
    case RVM_DURATION:
        return rvm_format(arena, "%lldms", (long long)value->i);
    case RVM_SET:
        return show_set(arena, value);
    default:
        return "null";
    }
}

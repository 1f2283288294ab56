/* civil.c: the proleptic Gregorian calendar in integers (the usual era arithmetic: 400 years are 146,097 days). No
 * state. */
#include "reveille/civil.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LAST_DAY (INT64_MAX / RV_DAY_MS - 1) /* every instant of it and of its opposite fits, with an offset */

int64_t rv_civil_days(int year, unsigned month, unsigned day) {
    int64_t y = month <= 2 ? (int64_t)year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (int64_t)(month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

void rv_civil_date(int64_t days, int *year, unsigned *month, unsigned *day) {
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

/* `count` digits at text; false when one is not. */
static bool digits(const char *text, size_t count, unsigned *ret) {
    unsigned value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *ret = value;
    return true;
}

/* Length of a year: four digits, or a sign and up to nine digits for those that four do not reach (ISO 8601's expanded
 * years: +10000, -0001). 0: there is none. */
static size_t year_parse(const char *text, size_t n, int *ret) {
    size_t sign = n > 0 && (text[0] == '+' || text[0] == '-'), count = 0;
    unsigned year;
    while (sign + count < n && text[sign + count] >= '0' && text[sign + count] <= '9')
        count++;
    if (count < 4 || count > (sign ? 9 : 4) || !digits(text + sign, count, &year))
        return 0;
    if (sign && (text[0] == '-' ? year == 0 : year < 10000))
        return 0;
    *ret = text[0] == '-' ? -(int)year : (int)year;
    return sign + count;
}

/* Length of a date at the beginning of the text, or 0. */
static size_t date_parse(const char *text, size_t n, int64_t *ret_days) {
    static const unsigned char LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned month, day;
    int year;
    size_t at = year_parse(text, n, &year);
    if (at == 0 || n < at + 6 || text[at] != '-' || text[at + 3] != '-' || !digits(text + at + 1, 2, &month) ||
        !digits(text + at + 4, 2, &day) || month < 1 || month > 12 || day < 1)
        return 0;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > LENGTHS[month - 1] + (unsigned)(leap && month == 2))
        return 0;
    *ret_days = rv_civil_days(year, month, day);
    return *ret_days >= -LAST_DAY && *ret_days <= LAST_DAY ? at + 6 : 0;
}

bool rv_date_parse(const char *text, size_t n, int64_t *ret_days) {
    int64_t days;
    if (n < 10 || date_parse(text, n, &days) != n)
        return false;
    *ret_days = days;
    return true;
}

/* hh:mm[:ss[.f...]] at *pos. */
static bool clock_parse(const char *text, size_t n, size_t *pos, int64_t *ret_ms) {
    unsigned h, m, s = 0, ms = 0;
    size_t at = *pos;
    if (n - at < 5 || !digits(text + at, 2, &h) || text[at + 2] != ':' || !digits(text + at + 3, 2, &m))
        return false;
    at += 5;
    if (n - at >= 3 && text[at] == ':') {
        if (!digits(text + at + 1, 2, &s))
            return false;
        at += 3;
        if (at < n && text[at] == '.') {
            size_t places = 0;
            for (at++; at < n && text[at] >= '0' && text[at] <= '9'; at++, places++) {
                if (places < 3)
                    ms = ms * 10 + (unsigned)(text[at] - '0');
                else if (text[at] != '0')
                    return false;
            }
            if (places == 0)
                return false;
            for (; places < 3; places++)
                ms *= 10;
        }
    }
    if (h > 23 || m > 59 || s > 59)
        return false;
    *pos = at;
    *ret_ms = ((int64_t)h * 3600 + m * 60 + s) * 1000 + ms;
    return true;
}

/* Z, +hh:mm, +hhmm. */
static bool offset_parse(const char *text, size_t n, int64_t *ret_ms) {
    unsigned h, m;
    if (n == 1 && (text[0] == 'Z' || text[0] == 'z')) {
        *ret_ms = 0;
        return true;
    }
    if (n < 5 || n > 6 || (text[0] != '+' && text[0] != '-') || (n == 6 && text[3] != ':'))
        return false;
    if (!digits(text + 1, 2, &h) || !digits(text + n - 2, 2, &m) || h > 23 || m > 59)
        return false;
    int64_t ms = ((int64_t)h * 60 + m) * 60000;
    *ret_ms = text[0] == '-' ? -ms : ms;
    return true;
}

bool rv_time_parse(const char *text, size_t n, bool naive_utc, int64_t *ret_ms) {
    int64_t days, clock = 0, offset = 0;
    size_t date = date_parse(text, n, &days), pos = date + 1;
    if (date == 0)
        return false;
    if (n == date) {
        if (!naive_utc)
            return false;
        *ret_ms = days * RV_DAY_MS;
        return true;
    }
    if ((text[date] != 'T' && text[date] != 't' && text[date] != ' ') || !clock_parse(text, n, &pos, &clock))
        return false;
    if (pos == n) {
        if (!naive_utc)
            return false;
    } else if (!offset_parse(text + pos, n - pos, &offset))
        return false;
    *ret_ms = days * RV_DAY_MS + clock - offset; /* LAST_DAY leaves room for these */
    return true;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

size_t rv_date_format(int64_t days, char out[32]) {
    int year;
    unsigned month, day;
    if (days < -LAST_DAY - 2 || days > LAST_DAY + 2) /* no instant lies there */
        return (size_t)snprintf(out, 32, "%lld", (long long)days);
    rv_civil_date(days, &year, &month, &day);
    const char *sign = year < 0 ? "-" : year > 9999 ? "+" : "";
    return (size_t)snprintf(out, 32, "%s%04d-%02u-%02u", sign, year < 0 ? -year : year, month % 100, day % 100);
}

size_t rv_time_format(int64_t ms, char out[32]) {
    int64_t days = floor_div(ms, RV_DAY_MS), rest = ms % RV_DAY_MS;
    rest += rest < 0 ? RV_DAY_MS : 0; /* ms - days * RV_DAY_MS would leave 64 bits at the very end */
    unsigned s = (unsigned)(rest / 1000);
    char date[32];
    rv_date_format(days, date);
    return (size_t)snprintf(out, 32, "%.16sT%02u:%02u:%02u.%03uZ", date, s / 3600 % 100, s / 60 % 60, s % 60,
                            (unsigned)(rest % 1000));
}

static const struct {
    const char *name;
    int64_t ms;
} UNITS[] = {{"week", 7 * RV_DAY_MS}, {"day", RV_DAY_MS}, {"hour", 3600000}, {"minute", 60000}, {"second", 1000}};

bool rv_duration_parse(const char *text, size_t n, int64_t *ret_ms) {
    int64_t count = 0;
    size_t at = 0, start;
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    while (at < n && (text[at] == ' ' || text[at] == '\t'))
        at++;
    for (start = at; at < n && text[at] >= '0' && text[at] <= '9'; at++)
        if (__builtin_mul_overflow(count, 10, &count) || __builtin_add_overflow(count, text[at] - '0', &count))
            return false;
    if (at == start)
        return false;
    while (at < n && (text[at] == ' ' || text[at] == '\t'))
        at++;
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        size_t length = strlen(UNITS[i].name);
        bool plural = n - at == length + 1 && (text[n - 1] == 's' || text[n - 1] == 'S');
        if ((n - at == length || plural) && strncasecmp(text + at, UNITS[i].name, length) == 0)
            return !__builtin_mul_overflow(count, UNITS[i].ms, ret_ms);
    }
    return false;
}

size_t rv_duration_format(int64_t ms, char out[48]) {
    for (size_t i = 1; ms != 0 && i < sizeof UNITS / sizeof UNITS[0]; i++)
        if (ms % UNITS[i].ms == 0) {
            long long count = ms / UNITS[i].ms;
            return (size_t)snprintf(out, 48, "%lld %s%s", count, UNITS[i].name, count == 1 ? "" : "s");
        }
    return (size_t)snprintf(out, 48, "%lld ms", (long long)ms);
}

/* field.c: parsing of cells. The fast path is a timestamp in whole seconds and UTC, whose date is mostly that of the
 * row before, and short decimals; everything else goes through the common parsers. One rv_field_t a thread. */
#include "field.h"
#include "reveille/civil.h"
#include "reveille/limits.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void rv_field_done(rv_field_t *field) {
    free(field->set);
    field->set = NULL;
    field->set_cap = 0;
}

__attribute__((format(printf, 2, 3))) static bool fail(rv_field_t *field, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(field->reason, sizeof field->reason, format, args);
    va_end(args);
    return false;
}

/* As much of a cell as a reason shows. */
static int shown(size_t n) {
    return n < 40 ? (int)n : 40;
}

static bool integer(const char *text, size_t n, int64_t *ret) {
    size_t at = n > 1 && (text[0] == '-' || text[0] == '+');
    bool negative = at && text[0] == '-';
    int64_t value = 0;
    if (at == n)
        return false;
    for (; at < n; at++) {
        int digit = text[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value))
            return false;
    }
    /* counted downwards, so that the least integer fits */
    return negative ? (*ret = value, true) : !__builtin_sub_overflow(0, value, ret);
}

static unsigned pair(const char *p) {
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

/* Eight bytes are digits and colons as in 00:00:00. */
static bool clock_shape(const char *text) {
    static const char ZERO[8] = "00:00:00", ROOM[8] = "vv\x7fvv\x7fvv"; /* a digit has room for 9, 'v' + 9 == 0x7f */
    uint64_t bytes, zero, room;
    memcpy(&bytes, text, 8);
    memcpy(&zero, ZERO, 8);
    memcpy(&room, ROOM, 8);
    bytes ^= zero;
    return !((bytes | (bytes + room)) & 0x8080808080808080ull); /* a carry needs a byte that fails anyway */
}

/* YYYY-MM-DDThh:mm:ssZ; false sends the text to the full parser. */
static bool quick_time(rv_field_t *field, const char *text, size_t n, int64_t *ret_ms) {
    if (n != 20 || text[10] != 'T' || text[19] != 'Z' || !clock_shape(text + 11))
        return false;
    unsigned h = pair(text + 11), m = pair(text + 14), s = pair(text + 17);
    if (h > 23 || m > 59 || s > 59)
        return false;
    if (!field->day_known || memcmp(field->day, text, 10) != 0) {
        int64_t days;
        if (!rv_date_parse(text, 10, &days))
            return false;
        memcpy(field->day, text, 10);
        field->day_ms = days * RV_DAY_MS;
        field->day_known = true;
    }
    *ret_ms = field->day_ms + (int64_t)((h * 60 + m) * 60 + s) * 1000;
    return true;
}

bool rv_field_time(rv_field_t *field, const char *text, size_t n, int64_t *ret_ms) {
    int64_t number;
    if (quick_time(field, text, n, ret_ms) || (n >= 10 && rv_time_parse(text, n, true, ret_ms)))
        return true;
    if (!integer(text, n, &number))
        return fail(field, "'%.*s' is not a time like 2026-01-02T03:04:05Z", shown(n), text);
    if (number >= 100000000000ll || number <= -100000000000ll)
        *ret_ms = number;
    else
        *ret_ms = number * 1000;
    return true;
}

bool rv_field_event_time(rv_field_t *field, const char *text, size_t n, int64_t *ret_ms) {
    int64_t ms;
    if (!rv_field_time(field, text, n, &ms))
        return false;
    if (ms < RV_TIME_MIN || ms > RV_TIME_MAX)
        return fail(field, "the time '%.*s' is not from 1970 to 2105", shown(n), text);
    *ret_ms = ms;
    return true;
}

static bool decimal(rv_field_t *field, unsigned scale, const char *text, size_t n, rv_i128_t *ret) {
    rv_i128_t coefficient;
    unsigned places;
    if (n < 18) { /* digits, a point, digits: no check for overflow is needed */
        int64_t value = 0;
        size_t i = n > 0 && text[0] == '-', point = n, digits = 0;
        for (; i < n; i++) {
            if (text[i] == '.' && point == n && digits > 0) {
                point = i;
                continue;
            }
            if ((unsigned char)(text[i] - '0') > 9)
                break;
            value = value * 10 + (text[i] - '0');
            digits++;
        }
        size_t decimals = point < n ? n - point - 1 : 0;
        if (i == n && digits > 0 && decimals <= scale && (point == n || decimals > 0)) {
            value = text[0] == '-' ? -value : value;
            *ret = decimals == scale ? value : value * rv_pow10((unsigned)(scale - decimals));
            return true;
        }
    }
    if (!rv_decimal_parse(text, n, 38, &coefficient, &places))
        return fail(field, "'%.*s' is not a decimal number like 12.34", shown(n), text);
    if (places > scale)
        return fail(field, "'%.*s' has more than %u decimal places", shown(n), text, scale);
    if (!rv_decimal_rescale(coefficient, places, scale, ret))
        return fail(field, "'%.*s' is too large", shown(n), text);
    return true;
}

static bool real(rv_field_t *field, const char *text, size_t n, double *ret) {
    char copy[128], *end;
    bool shape = n > 0 && n < sizeof copy;
    for (size_t i = 0; shape && i < n; i++)
        shape = isdigit((unsigned char)text[i]) || strchr("+-.eE", text[i]);
    if (!shape)
        return fail(field, "'%.*s' is not a number", shown(n), text);
    memcpy(copy, text, n);
    copy[n] = 0;
    double value = strtod(copy, &end);
    if (*end)
        return fail(field, "'%.*s' is not a number", shown(n), text);
    if (!isfinite(value))
        return fail(field, "'%.*s' is too large", shown(n), text);
    *ret = value;
    return true;
}

static bool boolean(const char *text, size_t n, int64_t *ret) {
    static const char *const WORDS[] = {"0", "1", "false", "true", "no", "yes"};
    for (size_t i = 0; i < 6; i++)
        if (strlen(WORDS[i]) == n && strncasecmp(text, WORDS[i], n) == 0) {
            *ret = i & 1;
            return true;
        }
    return false;
}

static int compare(const void *a, const void *b) {
    return rv_str_compare(*(const rv_str_t *)a, *(const rv_str_t *)b);
}

bool rv_field_set(rv_field_t *field, rv_str_t *elements, size_t n, rv_value_t *ret) {
    size_t bytes = n, used = 0;
    if (n > RV_MAX_SET)
        return fail(field, "the set has %zu elements, more than %u", n, RV_MAX_SET);
    for (size_t i = 0; i < n; i++) {
        bytes += elements[i].n;
        if (elements[i].n && memchr(elements[i].p, 0x1f, elements[i].n))
            return fail(field, "an element of the set holds U+001F");
    }
    if (bytes > field->set_cap) {
        char *set = realloc(field->set, bytes);
        if (!set)
            return fail(field, "out of memory for a set");
        field->set = set;
        field->set_cap = bytes;
    }
    if (n)
        qsort(elements, n, sizeof *elements, compare);
    for (size_t i = 0; i < n; i++) {
        if (i && rv_str_equal(elements[i], elements[i - 1]))
            continue;
        if (used)
            field->set[used++] = '\x1f';
        memcpy(field->set + used, elements[i].p, elements[i].n);
        used += elements[i].n;
    }
    ret->s = (rv_str_t){used ? field->set : "", (uint32_t)used};
    return true;
}

/* Elements between semicolons; empty ones do not count. */
static bool set_cell(rv_field_t *field, const char *text, size_t n, rv_value_t *ret) {
    rv_str_t elements[RV_MAX_SET + 1];
    size_t count = 0, start = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && text[i] != ';')
            continue;
        if (i > start) {
            if (count > RV_MAX_SET)
                break;
            elements[count++] = (rv_str_t){text + start, (uint32_t)(i - start)};
        }
        start = i + 1;
    }
    return rv_field_set(field, elements, count, ret);
}

bool rv_field_parse(rv_field_t *field, rv_type_t type, unsigned scale, const char *text, size_t n, rv_value_t *ret) {
    rv_value_t value = {.present = true};
    bool good = true;
    if (n > RV_MAX_VALUE)
        return fail(field, "the value has %zu bytes, more than %u", n, RV_MAX_VALUE);
    switch (type) {
    case RV_INT:
        good = integer(text, n, &value.i) || fail(field, "'%.*s' is not a whole number of 64 bits", shown(n), text);
        break;
    case RV_DECIMAL:
        good = decimal(field, scale, text, n, &value.wide);
        break;
    case RV_DOUBLE:
        good = real(field, text, n, &value.d);
        break;
    case RV_BOOL:
        good =
            boolean(text, n, &value.i) || fail(field, "'%.*s' is not 1 or 0, true or false, yes or no", shown(n), text);
        break;
    case RV_TIME:
        good = rv_field_time(field, text, n, &value.i);
        break;
    case RV_DATE:
        good = rv_date_parse(text, n, &value.i) || fail(field, "'%.*s' is not a date like 2026-01-02", shown(n), text);
        break;
    case RV_SET:
        good = set_cell(field, text, n, &value);
        break;
    default:
        value.s = (rv_str_t){text, (uint32_t)n};
        if (type == RV_COMPANY && (n == 0 || n > RV_MAX_KEY))
            good = fail(field, "a company's key has 1 to %u bytes", RV_MAX_KEY);
    }
    if (good)
        *ret = value;
    return good;
}

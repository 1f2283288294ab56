/* literal.c: a small scanner for literals. Only quotes, brackets and what begins like a number can be malformed; all
 * other text is a string, so that --param name=Anna needs no quotes inside quotes. No state. */
#include "literal.h"
#include "reveille/civil.h"
#include "reveille/limits.h"
#include "reveille/num.h"
#include "reveille/text.h"
#include <ctype.h>
#include <string.h>

static const char *const CALENDAR[] = {"month", "quarter", "year"};

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(const char **p, size_t *n) {
    while (*n > 0 && blank(**p)) {
        (*p)++;
        (*n)--;
    }
    while (*n > 0 && blank((*p)[*n - 1]))
        (*n)--;
}

static bool word_is(const char *p, size_t n, const char *word) {
    return strlen(word) == n && strncasecmp(p, word, n) == 0;
}

/* Digits, blanks and a unit that has no fixed length. */
static bool calendar_duration(const char *p, size_t n) {
    size_t at = 0;
    while (at < n && isdigit((unsigned char)p[at]))
        at++;
    if (at == 0)
        return false;
    while (at < n && blank(p[at]))
        at++;
    if (n > at && (p[n - 1] == 's' || p[n - 1] == 'S'))
        n--;
    for (size_t i = 0; i < sizeof CALENDAR / sizeof CALENDAR[0]; i++)
        if (word_is(p + at, n - at, CALENDAR[i]))
            return true;
    return false;
}

static bool number(const char *p, size_t n, rv_arena_t *arena, Reveille__V1__Value *value) {
    rv_i128_t coefficient;
    unsigned scale;
    if (!rv_decimal_parse(p, n, RV_MAX_RESULT_SCALE, &coefficient, &scale))
        return false;
    if (scale == 0 && coefficient >= INT64_MIN && coefficient <= INT64_MAX) {
        value->kind_case = REVEILLE__V1__VALUE__KIND_INT_VALUE;
        value->int_value = (int64_t)coefficient;
        return true;
    }
    value->kind_case = REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE;
    value->decimal_value = rv_arena_strndup(arena, p, n);
    return value->decimal_value != NULL;
}

/* A string in quotes, its quote doubled inside; p[0] is the quote. */
static rv_status_t quoted(const char *p, size_t n, rv_arena_t *arena, Reveille__V1__Value *value, rv_error_t *err) {
    char *text = rv_arena_alloc(arena, n + 1);
    size_t used = 0, at = 1;
    if (!text)
        return rv_fail_memory(err, "a parameter");
    for (; at < n; at++) {
        if (p[at] == p[0] && !(at + 1 < n && p[at + 1] == p[0]))
            break;
        at += p[at] == p[0];
        text[used++] = p[at];
    }
    if (at + 1 != n)
        return rv_fail(err, RV_REASON_FIELD, "%.*s is not one string in quotes; a quote inside is doubled",
                       (int)(n < 60 ? n : 60), p);
    text[used] = 0;
    value->kind_case = REVEILLE__V1__VALUE__KIND_STRING_VALUE;
    value->string_value = text;
    return RV_OK;
}

static rv_status_t one_value(const char *p, size_t n, rv_arena_t *arena, Reveille__V1__Value **ret, rv_error_t *err) {
    Reveille__V1__Value *value = rv_arena_alloc(arena, sizeof *value);
    int64_t i;
    if (!value)
        return rv_fail_memory(err, "a parameter");
    reveille__v1__value__init(value);
    *ret = value;
    if (n > 0 && (p[0] == '\'' || p[0] == '"'))
        return quoted(p, n, arena, value, err);
    if (calendar_duration(p, n))
        return rv_fail(err, RV_REASON_FEATURE, "durations in months, quarters and years are not built yet: '%.*s'",
                       (int)n, p);
    if (word_is(p, n, "true") || word_is(p, n, "false")) {
        value->kind_case = REVEILLE__V1__VALUE__KIND_BOOL_VALUE;
        value->bool_value = n == 4;
    } else if (rv_date_parse(p, n, &i) && i >= INT32_MIN && i <= INT32_MAX) {
        value->kind_case = REVEILLE__V1__VALUE__KIND_DATE_DAYS;
        value->date_days = (int32_t)i;
    } else if (n > 10 && (p[10] == 'T' || p[0] == '+' || p[0] == '-') && rv_time_parse(p, n, false, &i)) {
        value->kind_case = REVEILLE__V1__VALUE__KIND_TIME_MS;
        value->time_ms = i;
    } else if (rv_duration_parse(p, n, &i)) {
        value->kind_case = REVEILLE__V1__VALUE__KIND_DURATION_MS;
        value->duration_ms = i;
    } else if (!number(p, n, arena, value)) {
        value->kind_case = REVEILLE__V1__VALUE__KIND_STRING_VALUE;
        value->string_value = rv_arena_strndup(arena, p, n);
        if (!value->string_value)
            return rv_fail_memory(err, "a parameter");
    }
    return RV_OK;
}

/* End of the list element that begins at p: its comma, or n. */
static size_t element_end(const char *p, size_t n) {
    char quote = 0;
    for (size_t i = 0; i < n; i++) {
        if (quote) {
            if (p[i] == quote)
                quote = 0; /* a doubled quote closes and opens again */
        } else if (p[i] == '\'' || p[i] == '"')
            quote = p[i];
        else if (p[i] == ',')
            return i;
    }
    return n;
}

static rv_status_t list(const char *p, size_t n, rv_arena_t *arena, Reveille__V1__Parameter *parameter,
                        rv_error_t *err) {
    size_t count = 1;
    trim(&p, &n);
    for (size_t i = 0; i < n; i++)
        count += p[i] == ',';
    parameter->is_list = true;
    if (n == 0)
        return RV_OK;
    if (count > RV_MAX_LIST)
        return rv_fail(err, RV_REASON_LIMIT, "a list may have %u elements", RV_MAX_LIST);
    parameter->values = rv_arena_alloc(arena, count * sizeof *parameter->values);
    if (!parameter->values)
        return rv_fail_memory(err, "a parameter");
    for (size_t at = 0; at <= n;) {
        size_t length = element_end(p + at, n - at);
        const char *item = p + at;
        at += length + 1;
        trim(&item, &length);
        if (length == 0)
            return rv_fail(err, RV_REASON_FIELD, "a list has an empty element; write ('a', 'b')");
        rv_status_t status = one_value(item, length, arena, &parameter->values[parameter->n_values], err);
        if (status != RV_OK)
            return status;
        parameter->n_values++;
    }
    return RV_OK;
}

static bool is_name(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isalpha((unsigned char)p[i]) && p[i] != '_' && (i == 0 || !isdigit((unsigned char)p[i])))
            return false;
    return n > 0 && n <= RV_MAX_NAME;
}

rv_status_t rv_param_parse(const char *text, rv_arena_t *arena, Reveille__V1__Parameter **ret, rv_error_t *err) {
    const char *equals = strchr(text, '=');
    if (!equals || !is_name(text, (size_t)(equals - text)))
        return rv_fail(err, RV_REASON_FIELD, "--param takes NAME=VALUE, not '%s'", text);
    const char *p = equals + 1;
    size_t n = strlen(p);
    if (!rv_utf8_valid(p, n))
        return rv_fail(err, RV_REASON_FIELD, "the value of --param %.*s is not UTF-8", (int)(equals - text), text);
    Reveille__V1__Parameter *parameter = rv_arena_alloc(arena, sizeof *parameter);
    if (!parameter)
        return rv_fail_memory(err, "a parameter");
    reveille__v1__parameter__init(parameter);
    parameter->name = rv_arena_strndup(arena, text, (size_t)(equals - text));
    parameter->values = rv_arena_alloc(arena, sizeof *parameter->values);
    if (!parameter->name || !parameter->values)
        return rv_fail_memory(err, "a parameter");
    trim(&p, &n);
    rv_status_t status;
    if (n > 0 && p[0] == '(') {
        if (p[n - 1] != ')')
            return rv_fail(err, RV_REASON_FIELD, "the list of --param %s does not end with ')'", parameter->name);
        status = list(p + 1, n - 2, arena, parameter, err);
    } else {
        status = one_value(p, n, arena, &parameter->values[0], err);
        parameter->n_values = 1;
    }
    if (status == RV_OK)
        *ret = parameter;
    return status;
}

bool rv_instant_parse(const char *text, int64_t now_ms, int64_t *ret_ms) {
    size_t n = strlen(text), digits = strspn(text, "0123456789");
    int64_t ms;
    trim(&text, &n);
    if (word_is(text, n, "now")) {
        *ret_ms = now_ms;
        return true;
    }
    if (n > 0 && digits == n && n <= 15) {
        int64_t value = 0;
        for (size_t i = 0; i < n; i++)
            value = value * 10 + (text[i] - '0');
        *ret_ms = value >= 100000000000ll ? value : value * 1000;
        return true;
    }
    if (n > 4 && word_is(text + n - 4, 4, " ago") && rv_duration_parse(text, n - 4, &ms)) {
        *ret_ms = now_ms - ms;
        return true;
    }
    return rv_time_parse(text, n, true, ret_ms);
}

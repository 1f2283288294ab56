/* status.c: names and texts of statuses and reasons, and how an error is written. No state. */
#include "reveille/status.h"
#include "reveille/text.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *rv_status_name(rv_status_t status) {
    switch (status) {
#define X(symbol, number, retry)                                                                                       \
    case RV_##symbol:                                                                                                  \
        return #symbol;
        RV_STATUSES(X)
#undef X
    }
    return "UNKNOWN";
}

static const char *const REASON_NAMES[] = {
#define X(symbol, status) #symbol,
    RV_REASONS(X)
#undef X
};
static const rv_status_t REASON_STATUSES[] = {
#define X(symbol, status) RV_##status,
    RV_REASONS(X)
#undef X
};
#define REASONS (sizeof REASON_NAMES / sizeof REASON_NAMES[0])

const char *rv_reason_name(rv_reason_t reason) {
    return (size_t)reason < REASONS ? REASON_NAMES[reason] : "NONE";
}

rv_reason_t rv_reason_from_name(const char *name) {
    for (size_t i = 0; i < REASONS; i++)
        if (strcmp(name, REASON_NAMES[i]) == 0)
            return (rv_reason_t)i;
    return RV_REASON_NONE;
}

bool rv_status_retryable(rv_status_t status) {
    switch (status) {
#define X(symbol, number, retry)                                                                                       \
    case RV_##symbol:                                                                                                  \
        return retry;
        RV_STATUSES(X)
#undef X
    }
    return false;
}

rv_status_t rv_reason_status(rv_reason_t reason) {
    return (size_t)reason < REASONS ? REASON_STATUSES[reason] : RV_UNKNOWN;
}

/* The functions behind the macros. */
#undef rv_fail
#undef rv_fail_as
#undef rv_fail_at
#undef rv_fail_memory

static rv_status_t write_error(rv_error_t *err, rv_status_t status, rv_reason_t reason, uint32_t line, uint32_t column,
                               const char *format, va_list args) {
    assert(status != RV_OK);
    if (!err)
        return status;
    err->status = status;
    err->reason = reason;
    err->line = line;
    err->column = column;
    err->retry_after_ms = 0;
    err->field[0] = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    rv_utf8_mend(err->message); /* a text that was cut, or bytes of a peer: on the wire it has to be UTF-8 */
    return status;
}

rv_status_t rv_fail(rv_error_t *err, rv_reason_t reason, const char *format, ...) {
    va_list args;
    va_start(args, format);
    rv_status_t status = write_error(err, rv_reason_status(reason), reason, 0, 0, format, args);
    va_end(args);
    return status;
}

rv_status_t rv_fail_as(rv_error_t *err, rv_status_t status, rv_reason_t reason, const char *format, ...) {
    va_list args;
    va_start(args, format);
    write_error(err, status, reason, 0, 0, format, args);
    va_end(args);
    return status;
}

rv_status_t rv_fail_at(rv_error_t *err, rv_reason_t reason, uint32_t line, uint32_t column, const char *format, ...) {
    va_list args;
    va_start(args, format);
    rv_status_t status = write_error(err, rv_reason_status(reason), reason, line, column, format, args);
    va_end(args);
    return status;
}

rv_status_t rv_fail_memory(rv_error_t *err, const char *what) {
    return rv_fail_as(err, RV_RESOURCE_EXHAUSTED, RV_REASON_QUOTA, "out of memory for %s", what);
}

/* status.h: one status enum, one error value.
 *
 * Every function that can fail returns rv_status_t and, where a sentence helps, fills an rv_error_t that the caller
 * passes (NULL is allowed). Foreign codes (LMDB, ZeroMQ, errno) are mapped where they are met. An error is written
 * where the fact is known and passed on unchanged.
 */
#ifndef REVEILLE_STATUS_H
#define REVEILLE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* symbol, canonical gRPC number, a retry of the same request may succeed */
#define RV_STATUSES(X)                                                                                                 \
    X(OK, 0, false)                                                                                                    \
    X(CANCELLED, 1, false)                                                                                             \
    X(UNKNOWN, 2, false)                                                                                               \
    X(INVALID_ARGUMENT, 3, false)                                                                                      \
    X(DEADLINE_EXCEEDED, 4, false)                                                                                     \
    X(NOT_FOUND, 5, false)                                                                                             \
    X(ALREADY_EXISTS, 6, false)                                                                                        \
    X(PERMISSION_DENIED, 7, false)                                                                                     \
    X(RESOURCE_EXHAUSTED, 8, true)                                                                                     \
    X(FAILED_PRECONDITION, 9, false)                                                                                   \
    X(ABORTED, 10, false)                                                                                              \
    X(OUT_OF_RANGE, 11, false)                                                                                         \
    X(UNIMPLEMENTED, 12, false)                                                                                        \
    X(INTERNAL, 13, false)                                                                                             \
    X(UNAVAILABLE, 14, true)                                                                                           \
    X(DATA_LOSS, 15, false)                                                                                            \
    X(UNAUTHENTICATED, 16, false)

typedef enum {
#define X(symbol, number, retry) RV_##symbol = (number),
    RV_STATUSES(X)
#undef X
} rv_status_t;

/* symbol, status that it goes with */
#define RV_REASONS(X)                                                                                                  \
    X(NONE, UNKNOWN)                                                                                                   \
    X(FILTER, INVALID_ARGUMENT)     /* the text of a filter or expression */                                           \
    X(FIELD, INVALID_ARGUMENT)      /* a field, column or value of the request */                                      \
    X(REQUEST, INVALID_ARGUMENT)    /* the frame, header or protobuf message */                                        \
    X(LIMIT, INVALID_ARGUMENT)      /* larger than a limit of limits.h allows, whatever the load */                    \
    X(OVERFLOW, INVALID_ARGUMENT)   /* integer arithmetic of the request left its range */                             \
    X(METHOD, UNIMPLEMENTED)        /* no such method */                                                               \
    X(FEATURE, UNIMPLEMENTED)       /* part of the language or API that is not built yet */                            \
    X(MISSING, NOT_FOUND)           /* no such contact, segment, score, import */                                      \
    X(INCOMPLETE, UNAVAILABLE)      /* partitions are missing: the message names them */                               \
    X(NOT_READY, UNAVAILABLE)       /* the cluster is starting */                                                      \
    X(NOT_LEADER, UNAVAILABLE)      /* wrong worker or old epoch: route again */                                       \
    X(OUTCOME_UNKNOWN, UNAVAILABLE) /* a write may have happened: repeat it with the same identity */                  \
    X(BUSY, RESOURCE_EXHAUSTED)     /* too much at once */                                                             \
    X(QUOTA, RESOURCE_EXHAUSTED)    /* memory, disk or result of one request */                                        \
    X(CONFLICT, ABORTED)            /* the same identity with other content */                                         \
    X(LOST_STREAM, ABORTED)         /* a stream lost its spill, or nobody reads it */                                  \
    X(EXPIRED, FAILED_PRECONDITION) /* a write identity older than the window */                                       \
    X(SCHEMA, FAILED_PRECONDITION)  /* the schema forbids it, or changed meanwhile */                                  \
    X(VERSION, FAILED_PRECONDITION) /* the peer speaks another major version */                                        \
    X(FOREIGN, FAILED_PRECONDITION) /* data of another cluster, or in use by another process */                        \
    X(DAMAGED, DATA_LOSS)           /* a checksum or bound of stored data does not hold */                             \
    X(BUG, INTERNAL)                /* a broken invariant */

typedef enum {
#define X(symbol, status) RV_REASON_##symbol,
    RV_REASONS(X)
#undef X
} rv_reason_t;

typedef struct {
    rv_status_t status;
    rv_reason_t reason;
    uint32_t line, column;   /* place in a text, from 1; 0: none */
    uint32_t retry_after_ms; /* 0: no advice */
    char field[64];          /* field, column or attribute at fault; "" */
    char message[512];       /* one sentence; UTF-8 */
} rv_error_t;

/* "INVALID_ARGUMENT"; never NULL. */
const char *rv_status_name(rv_status_t status);
/* "FILTER"; never NULL. */
const char *rv_reason_name(rv_reason_t reason);
/* The reason with that name, or RV_REASON_NONE. */
rv_reason_t rv_reason_from_name(const char *name);
/* A repetition of the same request may succeed. */
bool rv_status_retryable(rv_status_t status);
/* The status that a reason goes with. */
rv_status_t rv_reason_status(rv_reason_t reason);

/* Fills *err (if not NULL) with the reason, its status and the sentence; returns the status, so: return rv_fail(err,
 * ...). */
rv_status_t rv_fail(rv_error_t *err, rv_reason_t reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same with another status than the reason's own; RV_OK is no failure (an assertion). */
rv_status_t rv_fail_as(rv_error_t *err, rv_status_t status, rv_reason_t reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with a place in a text: line and column from 1. */
rv_status_t rv_fail_at(rv_error_t *err, rv_reason_t reason, uint32_t line, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Out of memory, with what it was for. */
rv_status_t rv_fail_memory(rv_error_t *err, const char *what);

/* What failed is never RV_OK: said here, because compilers and analyzers do not see it across files. */
static inline rv_status_t rv_never_ok(rv_status_t status) {
    if (status == RV_OK)
        __builtin_unreachable();
    return status;
}
#define rv_fail(...) rv_never_ok(rv_fail(__VA_ARGS__))
#define rv_fail_as(...) rv_never_ok(rv_fail_as(__VA_ARGS__))
#define rv_fail_at(...) rv_never_ok(rv_fail_at(__VA_ARGS__))
#define rv_fail_memory(...) rv_never_ok(rv_fail_memory(__VA_ARGS__))

#ifdef __cplusplus
}
#endif
#endif

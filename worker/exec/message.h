/* message.h: parts of answers in an arena. Private to exec/. */
#ifndef REVEILLE_WORKER_MESSAGE_H
#define REVEILLE_WORKER_MESSAGE_H

#include "reveille/arena.h"
#include "reveille/limits.h"
#include "reveille/status.h"
#include "reveille/valcodec.h"

/* Bytes that the content of one message may have: the rest of RV_MAX_BODY is for its frame. */
#define RVW_PAGE_BYTES (RV_MAX_BODY - (64u << 10))

/* Bytes that a value adds to a packed column, at most. */
size_t rvw_value_bytes(rv_type_t type, const rv_value_t *value);
/* A column of n values; strings are copied. NULL with err filled. */
Reveille__V1__Column *rvw_message_column(rv_arena_t *arena, uint32_t id, rv_type_t type, unsigned scale,
                                         const rv_value_t *values, size_t n, rv_error_t *err);
/* A column of n strings, copied. */
Reveille__V1__StringColumn *rvw_message_strings(rv_arena_t *arena, const rv_str_t *strings, size_t n, rv_error_t *err);

#endif

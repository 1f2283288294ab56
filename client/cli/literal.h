/* literal.h: values that stand on the command line: --param and --as-of. */
#ifndef REVEILLE_CLI_LITERAL_H
#define REVEILLE_CLI_LITERAL_H

#include "reveille/arena.h"
#include "reveille/status.h"
#include "reveille/v1/read.pb-c.h"

/* "NAME=VALUE" as a parameter. VALUE is a literal of the filter language (5, 2.50, 'x', 2026-01-01, a timestamp, 30
 * days, true) or a list of them in brackets; anything else is a string as it stands. INVALID_ARGUMENT with what would
 * be right. */
rv_status_t rv_param_parse(const char *text, rv_arena_t *arena, Reveille__V1__Parameter **ret, rv_error_t *err);
/* An instant: "now", RFC 3339 (without an offset: UTC), a date, a whole number of epoch seconds, or ms from
 * 100,000,000,000 on, "30 days ago". False when it is none. */
bool rv_instant_parse(const char *text, int64_t now_ms, int64_t *ret_ms);

#endif

/* field.h: text of a CSV cell as a typed value. */
#ifndef REVEILLE_CLI_FIELD_H
#define REVEILLE_CLI_FIELD_H

#include "reveille/valcodec.h"

/* What parsing needs beside the text; starts as {0}, free with rv_field_done. */
typedef struct {
    char day[10];   /* the last date seen, YYYY-MM-DD: neighbours share it */
    int64_t day_ms; /* its midnight */
    bool day_known;
    char reason[160]; /* of the last failure */
    char *set;        /* elements of a set, joined */
    size_t set_cap;
} rv_field_t;

void rv_field_done(rv_field_t *field);
/* Parses `n` bytes of valid UTF-8 as `type`. False: field->reason says why, without the column's name. Strings are
 * borrowed from the text, sets from `field` until the next set. */
bool rv_field_parse(rv_field_t *field, rv_type_t type, unsigned scale, const char *text, size_t n, rv_value_t *ret);
/* An instant: RFC 3339 (without an offset: UTC), a whole number of seconds, or of ms from 100,000,000,000 on. */
bool rv_field_time(rv_field_t *field, const char *text, size_t n, int64_t *ret_ms);
/* The instant of an event: as above and from 1970 to 2105. */
bool rv_field_event_time(rv_field_t *field, const char *text, size_t n, int64_t *ret_ms);
/* Elements (not yet sorted) as one set value: sorted, without repeats, joined by U+001F. */
bool rv_field_set(rv_field_t *field, rv_str_t *elements, size_t n, rv_value_t *ret);

#endif

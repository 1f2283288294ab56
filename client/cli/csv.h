/* csv.h: CSV of RFC 4180 as a stream: records as spans of a buffer, nothing allocated a record or field.
 *
 * A field is unquoted, or stands in double quotes whose inner quotes are doubled. Lines end with LF or CRLF; the last
 * one may lack its end; a byte order mark at the start and empty lines are skipped. A record that cannot be taken (a
 * stray quote, a NUL, bytes that are not UTF-8, more than 1 MiB) is handed out with the reason, is one physical line,
 * and the reading goes on with the next one.
 */
#ifndef REVEILLE_CLI_CSV_H
#define REVEILLE_CLI_CSV_H

#include "reveille/status.h"
#include "reveille/text.h"

#define RV_CSV_MAX_RECORD (1u << 20)
#define RV_CSV_MAX_FIELDS 4096u

typedef struct {
    const char *p;
    uint32_t n;
    bool quoted;
} rv_csv_field_t;

typedef struct {
    const rv_csv_field_t *fields; /* borrowed until the next record, like everything here */
    size_t n_fields;
    const char *raw; /* the record as it stands in the source, without the end of its line */
    size_t raw_n;
    uint64_t line;       /* of its first byte, from 1 */
    uint64_t end;        /* offset in the source after it and its end of line */
    const char *problem; /* NULL, or why it cannot be taken; then there are no fields */
} rv_csv_record_t;

/* Gives up to `n` bytes; 0 at the end; negative: errno negated. */
typedef long (*rv_csv_read_fn)(void *context, char *buffer, size_t n);

typedef struct rv_csv rv_csv_t;

/* `offset` and `line` are where the source stands: 0 and 1 at its beginning. NULL without memory. */
rv_csv_t *rv_csv_new(rv_csv_read_fn read, void *context, uint64_t offset, uint64_t line);
void rv_csv_destroy(rv_csv_t **csv);
/* The next record; *ret_more is false at the end of the source. */
rv_status_t rv_csv_next(rv_csv_t *csv, rv_csv_record_t *ret, bool *ret_more, rv_error_t *err);
/* The next physical line as it stands, as a record without fields (for one JSON object a line). */
rv_status_t rv_csv_line(rv_csv_t *csv, rv_csv_record_t *ret, bool *ret_more, rv_error_t *err);

#endif

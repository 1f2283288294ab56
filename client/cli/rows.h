/* rows.h: tables of answers in the four formats, as they come.
 *
 * json: one document {"rows": [{...}, ...], ...}; ndjson: an object a line; csv: a header and lines; table: aligned
 * columns, whose widths come from the first 1,000 rows, so that answers of any size pass through.
 */
#ifndef REVEILLE_CLI_ROWS_H
#define REVEILLE_CLI_ROWS_H

#include "cell.h"

typedef struct rv_rows rv_rows_t;

/* `member` names the array in JSON. The document is opened at once, so that members can be put before the array with
 * rv_rows_json. */
rv_rows_t *rv_rows_new(rv_out_t *out, rv_format_t format, const char *member);
void rv_rows_destroy(rv_rows_t **rows);
/* What the columns are; once, before the first row; the names are copied. */
rv_status_t rv_rows_heads(rv_rows_t *rows, const rv_head_t *heads, size_t n, rv_error_t *err);
bool rv_rows_has_heads(const rv_rows_t *rows);
/* One row: a value a column. */
void rv_rows_add(rv_rows_t *rows, const rv_value_t *values);
/* The columns of a message: the first one gives the heads. A message without columns and rows adds nothing. */
rv_status_t rv_rows_columns(rv_rows_t *rows, Reveille__V1__Column *const *columns, size_t n_columns, size_t n_rows,
                            rv_error_t *err);
/* The writer of the document in JSON, otherwise NULL. */
rv_json_t *rv_rows_json(rv_rows_t *rows);
/* After the last row: prints what was held back and, in JSON, ends the array. Members may follow; then rv_rows_close.
 */
void rv_rows_end(rv_rows_t *rows);
void rv_rows_close(rv_rows_t *rows);
uint64_t rv_rows_count(const rv_rows_t *rows);

/* A present string, number or bool as a value. */
rv_value_t rv_value_text(const char *text);
rv_value_t rv_value_int(int64_t value);
rv_value_t rv_value_uint(uint64_t value);

#endif

/* cell.h: single values of answers as text, and columns of answers as values. */
#ifndef REVEILLE_CLI_CELL_H
#define REVEILLE_CLI_CELL_H

#include "json.h"
#include "reveille/valcodec.h"

typedef enum { RV_FORMAT_TABLE, RV_FORMAT_JSON, RV_FORMAT_CSV, RV_FORMAT_NDJSON } rv_format_t;

/* What a column of an answer is. */
typedef struct {
    const char *name; /* borrowed */
    rv_type_t type;
    unsigned scale;
} rv_head_t;

/* One value as JSON: times RFC 3339, durations whole ms, decimals with their places, sets arrays, missing null. */
void rv_cell_json(rv_json_t *json, const rv_head_t *head, const rv_value_t *value);
/* One value for a CSV cell: missing is nothing, an empty string is "". */
void rv_cell_csv(rv_out_t *out, const rv_head_t *head, const rv_value_t *value);
/* One value for people: durations in units, control characters escaped, missing "-". */
void rv_cell_table(rv_out_t *out, const rv_head_t *head, const rv_value_t *value);
/* Text for a CSV cell, quoted when it must be. */
void rv_csv_text(rv_out_t *out, const char *text, size_t n);
/* Text for a terminal: control characters escaped. */
void rv_plain_text(rv_out_t *out, const char *text, size_t n);
/* Values of the type stand at the right in tables. */
bool rv_cell_is_number(rv_type_t type);

/* Reads a column of a message row by row, having checked that it has `rows` rows. */
typedef struct rv_column_reader rv_column_reader_t;
rv_status_t rv_column_reader_new(const Reveille__V1__Column *column, size_t rows, rv_column_reader_t **ret,
                                 rv_error_t *err);
void rv_column_reader_destroy(rv_column_reader_t **reader);
/* The value of a row; strings are borrowed from the column. */
void rv_column_value(const rv_column_reader_t *reader, size_t row, rv_value_t *ret);
/* Rows of a column, by the array that its type fills. */
size_t rv_column_rows(const Reveille__V1__Column *column);

#endif

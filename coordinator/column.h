/* column.h: columns of messages: checked reading, and writing row by row.
 *
 * A reader borrows the message; offsets lie in an arena. A writer owns its memory until it is done; the message it
 * gives borrows from it until the next reset.
 */
#ifndef REVEILLE_COORDINATOR_COLUMN_H
#define REVEILLE_COORDINATOR_COLUMN_H

#include "reveille/arena.h"
#include "reveille/status.h"
#include "reveille/valcodec.h"

/* Strings one after the other: string i is data[offsets[i] .. offsets[i + 1]). */
typedef struct {
    const char *data;
    const uint32_t *offsets;
    size_t n;
} rvc_strings_t;

/* NULL gives no strings. INVALID_ARGUMENT/FIELD when lengths and data do not agree; `what` names it. */
rv_status_t rvc_strings_open(const Reveille__V1__StringColumn *message, rv_arena_t *arena, const char *what,
                             rvc_strings_t *ret, rv_error_t *err);
static inline rv_str_t rvc_string(const rvc_strings_t *strings, size_t i) {
    return (rv_str_t){strings->data + strings->offsets[i], strings->offsets[i + 1] - strings->offsets[i]};
}

/* A column of `rows` rows; exactly one of ints, doubles, wide and strings is there. */
typedef struct {
    rv_type_t type;
    unsigned scale;
    size_t rows;
    const int64_t *ints;
    const double *doubles;
    const uint8_t *wide;
    rvc_strings_t strings;
    const uint32_t *codes;  /* NULL: string i is row i's */
    const uint8_t *present; /* NULL: all */
    const uint8_t *unset;   /* NULL: none */
} rvc_column_t;

/* Checks shape: lengths, codes in range, size of bit maps. INVALID_ARGUMENT/FIELD naming the column. */
rv_status_t rvc_column_open(const Reveille__V1__Column *message, size_t rows, rv_arena_t *arena, rvc_column_t *ret,
                            rv_error_t *err);
static inline bool rvc_bit(const uint8_t *bits, size_t i) {
    return bits[i / 8] >> (i % 8) & 1;
}
static inline bool rvc_column_has(const rvc_column_t *column, size_t row) {
    return !column->present || rvc_bit(column->present, row);
}
/* The string of a row of a string column. */
static inline rv_str_t rvc_column_text(const rvc_column_t *column, size_t row) {
    return rvc_string(&column->strings, column->codes ? column->codes[row] : row);
}
rv_i128_t rvc_column_decimal(const rvc_column_t *column, size_t row);
/* The value of a row; strings are borrowed from the message. */
void rvc_column_get(const rvc_column_t *column, size_t row, rv_value_t *ret);
/* The type keeps its values as strings. */
bool rvc_type_is_text(rv_type_t type);

typedef struct {
    rv_type_t type;
    unsigned scale;
    size_t rows;
    bool missing, is_wide;
    rv_bytes_t numbers; /* 8 bytes a row, DECIMAL 16 */
    rv_bytes_t lengths, text, present;
} rvc_writer_t;

void rvc_writer_init(rvc_writer_t *writer, rv_type_t type, unsigned scale);
void rvc_writer_done(rvc_writer_t *writer);
void rvc_writer_reset(rvc_writer_t *writer);
/* False without memory. */
bool rvc_writer_add(rvc_writer_t *writer, const rv_value_t *value);
/* Bytes on the wire so far, at most. */
size_t rvc_writer_bytes(const rvc_writer_t *writer);
/* The column; `name` and everything else is borrowed. No row may be added before the next reset. */
void rvc_writer_column(rvc_writer_t *writer, const char *name, Reveille__V1__Column *ret,
                       Reveille__V1__StringColumn *strings);

#endif

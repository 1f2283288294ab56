/* rows.c: see rows.h. Only tables hold rows back: their texts lie one after the other in a memory output, cells ended
 * by NUL (texts hold none: control characters are escaped). One thread. Failures to write are the output's to tell. */
#include "rows.h"
#include "bucket.h"
#include "reveille/text.h"
#include <stdlib.h>
#include <string.h>

#define SAMPLE 1000u /* rows that give a table's widths */

struct rv_rows {
    rv_out_t *out, *held;
    rv_format_t format;
    const char *member;
    rv_json_t json;
    rv_head_t *heads;
    rv_bucket_t **buckets; /* a column; NULL: no labels */
    size_t *widths;
    bool *again; /* a column: one before it has its name, so that an object gives it once */
    size_t n, held_rows;
    uint64_t count;
    bool array_open, widths_known;
};

rv_rows_t *rv_rows_new(rv_out_t *out, rv_format_t format, const char *member) {
    rv_rows_t *rows = calloc(1, sizeof *rows);
    if (!rows || !(rows->held = rv_out_new(-1))) {
        free(rows);
        return NULL;
    }
    rows->out = out;
    rows->format = format;
    rows->member = member;
    rv_json_init(&rows->json, out);
    if (format == RV_FORMAT_JSON)
        rv_json_open(&rows->json, '{');
    return rows;
}

void rv_rows_destroy(rv_rows_t **rows) {
    rv_rows_t *r = *rows;
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        free((void *)(uintptr_t)r->heads[i].name);
        free(r->buckets[i]);
    }
    free(r->heads);
    free(r->buckets);
    free(r->widths);
    free(r->again);
    rv_out_destroy(&r->held);
    free(r);
    *rows = NULL;
}

static void open_array(rv_rows_t *rows) {
    if (rows->array_open)
        return;
    rows->array_open = true;
    rv_json_name(&rows->json, rows->member);
    rv_json_open(&rows->json, '[');
}

static void csv_header(rv_rows_t *rows) {
    for (size_t i = 0; i < rows->n; i++) {
        if (i)
            rv_out_char(rows->out, ',');
        rv_csv_text(rows->out, rows->heads[i].name, strlen(rows->heads[i].name));
    }
    rv_out_char(rows->out, '\n');
}

rv_status_t rv_rows_heads(rv_rows_t *rows, const rv_head_t *heads, size_t n, rv_error_t *err) {
    rows->heads = calloc(n + 1, sizeof *rows->heads);
    rows->buckets = calloc(n + 1, sizeof *rows->buckets);
    rows->widths = calloc(n + 1, sizeof *rows->widths);
    rows->again = calloc(n + 1, sizeof *rows->again);
    if (!rows->heads || !rows->buckets || !rows->widths || !rows->again)
        return rv_fail_memory(err, "an answer");
    for (size_t i = 0; i < n; i++) {
        rv_bucket_t bucket;
        rows->heads[i] = heads[i];
        rows->heads[i].name = strdup(heads[i].name);
        rows->n = i + 1;
        if (!rows->heads[i].name)
            return rv_fail_memory(err, "an answer");
        for (size_t k = 0; k < i; k++)
            rows->again[i] = rows->again[i] || strcmp(rows->heads[k].name, rows->heads[i].name) == 0;
        if (rows->format == RV_FORMAT_TABLE && heads[i].type == RV_INT &&
            rv_bucket_parse(rows->heads[i].name, &bucket) && (rows->buckets[i] = malloc(sizeof bucket)))
            *rows->buckets[i] = bucket;
    }
    if (rows->format == RV_FORMAT_CSV)
        csv_header(rows);
    return RV_OK;
}

bool rv_rows_has_heads(const rv_rows_t *rows) {
    return rows->heads != NULL;
}

/* One cell of a table into the memory output, with the label of its bucket. */
static void table_cell(rv_rows_t *rows, size_t column, const rv_value_t *value) {
    char label[256];
    rv_cell_table(rows->held, &rows->heads[column], value);
    if (!rows->buckets[column] || !value->present)
        return;
    size_t n = rv_bucket_label(rows->buckets[column], value->i, label, sizeof label);
    if (n) {
        rv_out_text(rows->held, " (");
        rv_plain_text(rows->held, label, n);
        rv_out_char(rows->held, ')');
    }
}

static void aligned(rv_rows_t *rows, size_t column, const char *text, size_t n) {
    size_t shown = rv_utf8_length(text, n), width = rows->widths[column];
    size_t pad = width > shown ? width - shown : 0;
    bool right = rv_cell_is_number(rows->heads[column].type) && !rows->buckets[column];
    if (column)
        rv_out_text(rows->out, "  ");
    if (right)
        rv_out_fill(rows->out, ' ', pad);
    rv_out_write(rows->out, text, n);
    if (!right && column + 1 < rows->n)
        rv_out_fill(rows->out, ' ', pad);
}

static void header_line(rv_rows_t *rows) {
    rv_out_t *name = rv_out_new(-1);
    for (size_t c = 0; name && c < rows->n; c++) {
        size_t n;
        rv_out_reset(name);
        rv_plain_text(name, rows->heads[c].name, strlen(rows->heads[c].name));
        const char *text = rv_out_bytes(name, &n);
        size_t shown = rv_utf8_length(text, n);
        if (shown > rows->widths[c])
            rows->widths[c] = shown;
        aligned(rows, c, text, n);
    }
    rv_out_char(rows->out, '\n');
    rv_out_destroy(&name);
}

/* Prints the rows held back. */
static void print_held(rv_rows_t *rows) {
    size_t n, at = 0;
    const char *text = rv_out_bytes(rows->held, &n);
    for (size_t i = 0; !rows->widths_known && at < n; i++) {
        size_t length = strlen(text + at), shown = rv_utf8_length(text + at, length);
        if (shown > rows->widths[i % rows->n])
            rows->widths[i % rows->n] = shown;
        at += length + 1;
    }
    if (!rows->widths_known && rows->n)
        header_line(rows);
    rows->widths_known = true;
    at = 0;
    for (size_t i = 0; i < rows->held_rows; i++) {
        for (size_t c = 0; c < rows->n && at < n; c++) {
            size_t length = strlen(text + at);
            aligned(rows, c, text + at, length);
            at += length + 1;
        }
        rv_out_char(rows->out, '\n');
    }
    rv_out_reset(rows->held);
    rows->held_rows = 0;
}

static void add_object(rv_rows_t *rows, const rv_value_t *values) {
    rv_json_t line, *json = &rows->json;
    if (rows->format == RV_FORMAT_NDJSON) {
        rv_json_init(&line, rows->out);
        json = &line;
    } else
        open_array(rows);
    rv_json_open(json, '{');
    for (size_t c = 0; c < rows->n; c++) {
        if (rows->again[c])
            continue;
        rv_json_name(json, rows->heads[c].name);
        rv_cell_json(json, &rows->heads[c], &values[c]);
    }
    rv_json_close(json, '}');
    if (rows->format == RV_FORMAT_NDJSON)
        rv_out_char(rows->out, '\n');
}

void rv_rows_add(rv_rows_t *rows, const rv_value_t *values) {
    rows->count++;
    if (rows->format == RV_FORMAT_JSON || rows->format == RV_FORMAT_NDJSON) {
        add_object(rows, values);
        return;
    }
    for (size_t c = 0; c < rows->n; c++) {
        if (rows->format == RV_FORMAT_CSV) {
            if (c)
                rv_out_char(rows->out, ',');
            rv_cell_csv(rows->out, &rows->heads[c], &values[c]);
        } else {
            table_cell(rows, c, &values[c]);
            rv_out_char(rows->held, 0);
        }
    }
    if (rows->format == RV_FORMAT_CSV)
        rv_out_char(rows->out, '\n');
    else if (++rows->held_rows >= SAMPLE)
        print_held(rows);
}

static rv_status_t heads_of(rv_rows_t *rows, Reveille__V1__Column *const *columns, size_t n, rv_error_t *err) {
    rv_head_t *heads = calloc(n + 1, sizeof *heads);
    if (!heads)
        return rv_fail_memory(err, "an answer");
    for (size_t c = 0; c < n; c++)
        heads[c] = (rv_head_t){columns[c]->name, columns[c]->type, columns[c]->scale};
    rv_status_t status = rv_rows_heads(rows, heads, n, err);
    free(heads);
    return status;
}

rv_status_t rv_rows_columns(rv_rows_t *rows, Reveille__V1__Column *const *columns, size_t n_columns, size_t n_rows,
                            rv_error_t *err) {
    rv_status_t status = RV_OK;
    if (!rows->heads && n_columns)
        status = heads_of(rows, columns, n_columns, err);
    if (status != RV_OK || n_rows == 0)
        return status;
    if (n_columns != rows->n)
        return rv_fail_as(err, RV_INTERNAL, RV_REASON_BUG, "the answer has %zu columns first and %zu later", rows->n,
                          n_columns);
    rv_column_reader_t **readers = calloc(n_columns + 1, sizeof(rv_column_reader_t *));
    rv_value_t *values = calloc(n_columns + 1, sizeof *values);
    if (!readers || !values)
        status = rv_fail_memory(err, "an answer");
    for (size_t c = 0; status == RV_OK && c < n_columns; c++) {
        status = rv_column_reader_new(columns[c], n_rows, &readers[c], err);
        rows->heads[c].type = columns[c]->type;
        rows->heads[c].scale = columns[c]->scale;
    }
    for (size_t r = 0; status == RV_OK && r < n_rows; r++) {
        for (size_t c = 0; c < n_columns; c++)
            rv_column_value(readers[c], r, &values[c]);
        rv_rows_add(rows, values);
    }
    for (size_t c = 0; readers && c < n_columns; c++)
        rv_column_reader_destroy(&readers[c]);
    free(readers);
    free(values);
    return status;
}

rv_json_t *rv_rows_json(rv_rows_t *rows) {
    return rows->format == RV_FORMAT_JSON ? &rows->json : NULL;
}

void rv_rows_end(rv_rows_t *rows) {
    if (rows->format == RV_FORMAT_TABLE)
        print_held(rows);
    if (rows->format == RV_FORMAT_JSON) {
        open_array(rows);
        rv_json_close(&rows->json, ']');
    }
}

void rv_rows_close(rv_rows_t *rows) {
    if (rows->format != RV_FORMAT_JSON)
        return;
    rv_json_close(&rows->json, '}');
    rv_out_char(rows->out, '\n');
}

uint64_t rv_rows_count(const rv_rows_t *rows) {
    return rows->count;
}

rv_value_t rv_value_text(const char *text) {
    return (rv_value_t){.present = true, .s = {text, (uint32_t)strlen(text)}};
}

rv_value_t rv_value_int(int64_t value) {
    return (rv_value_t){.present = true, .i = value, .wide = value};
}

rv_value_t rv_value_uint(uint64_t value) {
    return rv_value_int((int64_t)value);
}

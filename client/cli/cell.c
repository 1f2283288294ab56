/* cell.c: values as text in the three styles, and columns read with every bound checked once, at the opening. No state.
 */
#include "cell.h"
#include "reveille/civil.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SET_SEPARATOR '\x1f'

bool rv_cell_is_number(rv_type_t type) {
    return type == RV_INT || type == RV_DECIMAL || type == RV_DOUBLE;
}

/* Text of a present value that is no string. */
static size_t scalar_text(const rv_head_t *head, const rv_value_t *value, char out[64]) {
    switch (head->type) {
    case RV_DOUBLE:
        if (isinf(value->d))
            return (size_t)snprintf(out, 64, "%sInfinity", value->d < 0 ? "-" : "");
        return rv_double_format(value->d, out);
    case RV_DECIMAL:
        return rv_decimal_format(value->wide, head->scale, out);
    case RV_BOOL:
        return (size_t)snprintf(out, 64, "%s", value->i ? "true" : "false");
    case RV_TIME:
        return rv_time_format(value->i, out);
    case RV_DATE:
        return rv_date_format(value->i, out);
    default:
        return (size_t)snprintf(out, 64, "%lld", (long long)value->i);
    }
}

static bool is_text(rv_type_t type) {
    return type == RV_STRING || type == RV_SET || type == RV_COMPANY;
}

/* The elements of a set one after the other; false at the end. */
static bool next_element(rv_str_t *rest, rv_str_t *ret) {
    if (!rest->p)
        return false;
    const char *end = rest->n ? memchr(rest->p, SET_SEPARATOR, rest->n) : NULL;
    if (!end) {
        *ret = *rest;
        *rest = (rv_str_t){0};
        return true;
    }
    *ret = (rv_str_t){rest->p, (uint32_t)(end - rest->p)};
    *rest = (rv_str_t){end + 1, rest->n - ret->n - 1};
    return true;
}

void rv_cell_json(rv_json_t *json, const rv_head_t *head, const rv_value_t *value) {
    char text[64];
    if (!value->present) {
        rv_json_null(json);
    } else if (head->type == RV_SET) {
        rv_str_t rest = value->s.n ? value->s : (rv_str_t){0}, element;
        rv_json_open(json, '[');
        while (next_element(&rest, &element))
            rv_json_string(json, element.p, element.n);
        rv_json_close(json, ']');
    } else if (is_text(head->type)) {
        rv_json_string(json, value->s.p, value->s.n);
    } else if (head->type == RV_DOUBLE) {
        rv_json_double(json, value->d);
    } else {
        size_t n = scalar_text(head, value, text);
        if (head->type == RV_TIME || head->type == RV_DATE)
            rv_json_string(json, text, n);
        else
            rv_json_number(json, text, n);
    }
}

void rv_csv_text(rv_out_t *out, const char *text, size_t n) {
    bool quote = n == 0 || text[0] == ' ' || text[n - 1] == ' ';
    for (size_t i = 0; i < n && !quote; i++)
        quote = text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quote) {
        rv_out_write(out, text, n);
        return;
    }
    rv_out_char(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            rv_out_char(out, '"');
        rv_out_char(out, text[i]);
    }
    rv_out_char(out, '"');
}

static void set_with_semicolons(rv_out_t *out, rv_str_t set) {
    for (uint32_t i = 0; i < set.n; i++)
        rv_out_char(out, set.p[i] == SET_SEPARATOR ? ';' : set.p[i]);
}

void rv_cell_csv(rv_out_t *out, const rv_head_t *head, const rv_value_t *value) {
    char text[64];
    if (!value->present)
        return;
    if (!is_text(head->type)) {
        rv_out_write(out, text, scalar_text(head, value, text));
        return;
    }
    rv_out_t *set = head->type == RV_SET ? rv_out_new(-1) : NULL;
    rv_str_t s = value->s;
    if (set) {
        size_t n;
        set_with_semicolons(set, s);
        s.p = rv_out_bytes(set, &n);
        s.n = (uint32_t)n;
    }
    rv_csv_text(out, s.p, s.n);
    rv_out_destroy(&set);
}

void rv_plain_text(rv_out_t *out, const char *text, size_t n) {
    size_t start = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool high_control = c == 0xc2 && i + 1 < n && (unsigned char)text[i + 1] < 0xa0;
        if (c >= 0x20 && c != 0x7f && !high_control)
            continue;
        rv_out_write(out, text + start, i - start);
        if (high_control)
            c = (unsigned char)text[++i];
        start = i + 1;
        if (c == '\n')
            rv_out_text(out, "\\n");
        else if (c == '\t')
            rv_out_text(out, "\\t");
        else
            rv_out_printf(out, "\\x%02x", c);
    }
    rv_out_write(out, text + start, n - start);
}

void rv_cell_table(rv_out_t *out, const rv_head_t *head, const rv_value_t *value) {
    char text[64];
    rv_str_t rest = value->s, element;
    if (!value->present) {
        rv_out_char(out, '-');
    } else if (head->type == RV_DURATION) {
        rv_out_write(out, text, rv_duration_format(value->i, text));
    } else if (head->type == RV_SET) {
        for (bool first = true; rest.n && next_element(&rest, &element); first = false) {
            if (!first)
                rv_out_char(out, ';');
            rv_plain_text(out, element.p, element.n);
        }
    } else if (is_text(head->type)) {
        rv_plain_text(out, value->s.p, value->s.n);
    } else {
        rv_out_write(out, text, scalar_text(head, value, text));
    }
}

struct rv_column_reader {
    const Reveille__V1__Column *column;
    size_t *starts; /* of each string */
};

size_t rv_column_rows(const Reveille__V1__Column *column) {
    if (column->type == RV_DOUBLE)
        return column->n_doubles;
    if (is_text(column->type))
        return column->n_codes ? column->n_codes : column->strings ? column->strings->n_lengths : 0;
    if (column->wide.len)
        return column->wide.len / 16;
    return column->n_ints;
}

static bool strings_fit(const Reveille__V1__Column *column) {
    const Reveille__V1__StringColumn *strings = column->strings;
    uint64_t sum = 0;
    size_t n = strings ? strings->n_lengths : 0;
    for (size_t i = 0; i < n; i++)
        sum += strings->lengths[i];
    for (size_t i = 0; i < column->n_codes; i++)
        if (column->codes[i] >= n && !(column->codes[i] == 0 && n == 0))
            return false;
    return sum == (strings ? strings->data.len : 0);
}

rv_status_t rv_column_reader_new(const Reveille__V1__Column *column, size_t rows, rv_column_reader_t **ret,
                                 rv_error_t *err) {
    bool fits = rv_column_rows(column) == rows && (!column->present.len || column->present.len >= (rows + 7) / 8) &&
                column->wide.len % 16 == 0 && column->scale <= 38 && (!is_text(column->type) || strings_fit(column));
    if (!fits)
        return rv_fail_as(err, RV_INTERNAL, RV_REASON_BUG,
                          "column '%s' of the answer does not have the %zu rows announced", column->name, rows);
    rv_column_reader_t *reader = calloc(1, sizeof *reader);
    size_t n = is_text(column->type) && column->strings ? column->strings->n_lengths : 0;
    if (!reader || !(reader->starts = malloc((n + 1) * sizeof *reader->starts))) {
        free(reader);
        return rv_fail_memory(err, "an answer");
    }
    reader->column = column;
    reader->starts[0] = 0;
    for (size_t i = 0; i < n; i++)
        reader->starts[i + 1] = reader->starts[i] + column->strings->lengths[i];
    *ret = reader;
    return RV_OK;
}

void rv_column_reader_destroy(rv_column_reader_t **reader) {
    if (!*reader)
        return;
    free((*reader)->starts);
    free(*reader);
    *reader = NULL;
}

void rv_column_value(const rv_column_reader_t *reader, size_t row, rv_value_t *ret) {
    const Reveille__V1__Column *column = reader->column;
    *ret = (rv_value_t){0};
    ret->present = !column->present.len || (column->present.data[row / 8] >> (row % 8) & 1);
    if (!ret->present)
        return;
    if (column->type == RV_DOUBLE) {
        ret->d = column->doubles[row];
    } else if (is_text(column->type)) {
        size_t string = column->n_codes ? column->codes[row] : row;
        ret->s.p = "";
        if (column->strings && string < column->strings->n_lengths) {
            ret->s.n = column->strings->lengths[string];
            if (ret->s.n)
                ret->s.p = (const char *)column->strings->data.data + reader->starts[string];
        }
    } else if (column->wide.len) {
        memcpy(&ret->wide, column->wide.data + row * 16, 16);
    } else {
        ret->i = column->ints[row];
        ret->wide = ret->i;
    }
}

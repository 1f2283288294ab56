/* convert.c: value by value. Strings are checked once per dictionary entry, the whole text at once where it is good,
 * which is the usual case; numbers in one loop. A row that was refused keeps its place: splitting leaves it out. No
 * threads; memory from the arena. */
#include "convert.h"
#include "reveille/limits.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GOOD, BAD_UTF8, BAD_LONG, BAD_EMPTY, BAD_SET };

const char *rvc_bad_reason(uint8_t bad) {
    switch (bad) {
    case BAD_UTF8:
        return "it is not UTF-8 or holds a NUL";
    case BAD_LONG:
        return "it is too long";
    case BAD_EMPTY:
        return "it is empty";
    case BAD_SET:
        return "it has more than 1,024 elements";
    default:
        return "it is good";
    }
}

static rv_status_t no_memory(rv_error_t *err) {
    return rv_fail(err, RV_REASON_QUOTA, "the batch needs more memory than one request may take");
}

static rv_status_t wrong_type(const rv_attribute_t *attribute, rv_error_t *err) {
    static const char *const NAMES[] = {"nothing", "string", "int", "double",  "decimal", "bool",
                                        "time",    "date",   "set", "company", "duration"};
    rv_fail(err, RV_REASON_FIELD, "column '%.200s' has another type than its attribute, which is %s", attribute->name,
            (unsigned)attribute->type < sizeof NAMES / sizeof *NAMES ? NAMES[attribute->type] : "unknown");
    if (err)
        snprintf(err->field, sizeof err->field, "%s", attribute->name);
    return RV_INVALID_ARGUMENT;
}

/* All strings at once: the whole text is UTF-8 without NUL, no string begins inside a character, none is too long. */
static bool all_good(const rvc_strings_t *strings, size_t least, size_t longest) {
    if (!rv_utf8_valid(strings->data, strings->offsets[strings->n]))
        return false;
    for (size_t i = 0; i < strings->n; i++) {
        uint32_t at = strings->offsets[i], n = strings->offsets[i + 1] - at;
        if (n < least || n > longest || (n && ((unsigned char)strings->data[at] & 0xC0) == 0x80))
            return false;
    }
    return true;
}

/* A byte a string, or NULL when all are good. */
static rv_status_t mark_bad(const rvc_strings_t *strings, size_t least, size_t longest, rv_arena_t *arena,
                            uint8_t **ret_bad, rv_error_t *err) {
    *ret_bad = NULL;
    if (all_good(strings, least, longest))
        return RV_OK;
    uint8_t *bad = rv_arena_zalloc(arena, strings->n + 1, 1);
    if (!bad)
        return no_memory(err);
    for (size_t i = 0; i < strings->n; i++) {
        rv_str_t text = rvc_string(strings, i);
        if (text.n < least)
            bad[i] = BAD_EMPTY;
        else if (text.n > longest)
            bad[i] = BAD_LONG;
        else if (!rv_utf8_valid(text.p, text.n))
            bad[i] = BAD_UTF8;
    }
    *ret_bad = bad;
    return RV_OK;
}

rv_status_t rvc_check_keys(const rvc_strings_t *keys, rv_arena_t *arena, const uint8_t **ret_bad, rv_error_t *err) {
    uint8_t *bad;
    rv_status_t status = mark_bad(keys, 1, RV_MAX_KEY, arena, &bad, err);
    if (status == RV_OK)
        *ret_bad = bad;
    return status;
}

static void refuse_marked(const rvc_column_t *column, const uint8_t *bad, const char *name, rvc_refusals_t *refusals) {
    for (size_t row = 0; bad && row < column->rows; row++) {
        if (!rvc_column_has(column, row))
            continue;
        uint8_t mark = bad[column->codes ? column->codes[row] : row];
        if (mark)
            rvc_refuse(refusals, row, name, "%.200s: the value cannot be taken: %s", name, rvc_bad_reason(mark));
    }
}

static int by_bytes(const void *a, const void *b) {
    return rv_str_compare(*(const rv_str_t *)a, *(const rv_str_t *)b);
}

/* Elements of a set in `elements` (room for RV_MAX_SET + 1): sorted, unique, without empty ones; their number, or
 * RV_MAX_SET + 1 for too many. */
static size_t set_elements(rv_str_t text, rv_str_t *elements) {
    size_t n = 0, kept = 0;
    for (uint32_t at = 0; at < text.n;) {
        const char *end = memchr(text.p + at, 0x1F, text.n - at);
        uint32_t length = end ? (uint32_t)(end - (text.p + at)) : text.n - at;
        if (length && n == RV_MAX_SET)
            return RV_MAX_SET + 1;
        if (length)
            elements[n++] = (rv_str_t){text.p + at, length};
        at += length + 1;
    }
    if (n)
        qsort(elements, n, sizeof *elements, by_bytes);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !rv_str_equal(elements[i], elements[kept - 1]))
            elements[kept++] = elements[i];
    return kept;
}

/* Writes all sets anew, in their one form. */
static rv_status_t normalise_sets(rvc_strings_t *strings, uint8_t **bad, rv_arena_t *arena, rv_error_t *err) {
    char *data = rv_arena_alloc(arena, strings->offsets[strings->n] + 1);
    uint32_t *offsets = rv_arena_alloc(arena, (strings->n + 1) * sizeof *offsets);
    rv_str_t *elements = rv_arena_alloc(arena, (RV_MAX_SET + 1) * sizeof *elements);
    if (!data || !offsets || !elements)
        return no_memory(err);
    uint32_t used = 0;
    for (size_t i = 0; i < strings->n; i++) {
        offsets[i] = used;
        if (*bad && (*bad)[i])
            continue;
        size_t n = set_elements(rvc_string(strings, i), elements);
        if (n > RV_MAX_SET) {
            if (!*bad && !(*bad = rv_arena_zalloc(arena, strings->n + 1, 1)))
                return no_memory(err);
            (*bad)[i] = BAD_SET;
            continue;
        }
        for (size_t j = 0; j < n; j++) {
            if (j)
                data[used++] = 0x1F;
            memcpy(data + used, elements[j].p, elements[j].n);
            used += elements[j].n;
        }
    }
    offsets[strings->n] = used;
    *strings = (rvc_strings_t){data, offsets, strings->n};
    return RV_OK;
}

static rv_status_t convert_text(const rv_attribute_t *attribute, rvc_column_t *column, rvc_refusals_t *refusals,
                                rv_arena_t *arena, rv_error_t *err) {
    if (column->type != attribute->type && column->type != RV_STRING)
        return wrong_type(attribute, err);
    bool company = attribute->type == RV_COMPANY;
    uint8_t *bad;
    bool rowwise = !column->codes; /* absent rows have "" here */
    rv_status_t status =
        mark_bad(&column->strings, company && !rowwise, company ? RV_MAX_KEY : RV_MAX_VALUE, arena, &bad, err);
    if (status == RV_OK && attribute->type == RV_SET)
        status = normalise_sets(&column->strings, &bad, arena, err);
    if (status != RV_OK)
        return status;
    refuse_marked(column, bad, attribute->name, refusals);
    for (size_t row = 0; company && rowwise && row < column->rows; row++)
        if (rvc_column_has(column, row) && rvc_column_text(column, row).n == 0)
            rvc_refuse(refusals, row, attribute->name, "%.200s: the value cannot be taken: it is empty",
                       attribute->name);
    column->type = attribute->type;
    return RV_OK;
}

/* To a decimal of the attribute's scale. */
static rv_status_t convert_decimal(const rv_attribute_t *attribute, rvc_column_t *column, rvc_refusals_t *refusals,
                                   rv_arena_t *arena, rv_error_t *err) {
    unsigned from = column->type == RV_INT ? 0 : column->scale, to = attribute->scale;
    bool wide = column->wide != NULL;
    column->type = RV_DECIMAL;
    column->scale = to;
    if (from == to)
        return RV_OK;
    rv_i128_t *values = rv_arena_zalloc(arena, column->rows + 1, sizeof *values);
    if (!values)
        return no_memory(err);
    rv_i128_t factor = from > to ? rv_pow10(from - to) : 1;
    for (size_t row = 0; row < column->rows; row++) {
        if (!rvc_column_has(column, row))
            continue;
        rv_i128_t value = rvc_column_decimal(column, row);
        if (from > to && value % factor != 0)
            rvc_refuse(refusals, row, attribute->name,
                       "%.200s: the value has more than the %u decimal places of its attribute", attribute->name, to);
        else if (from > to)
            values[row] = value / factor;
        else if (!rv_decimal_rescale(value, from, to, &values[row]))
            rvc_refuse(refusals, row, attribute->name, "%.200s: the value is too large", attribute->name);
        wide = wide || values[row] != (int64_t)values[row];
    }
    column->ints = NULL;
    column->wide = (const uint8_t *)values;
    if (wide)
        return RV_OK;
    int64_t *narrow = rv_arena_alloc(arena, (column->rows + 1) * sizeof *narrow);
    if (!narrow)
        return no_memory(err);
    for (size_t row = 0; row < column->rows; row++)
        narrow[row] = (int64_t)values[row];
    column->wide = NULL;
    column->ints = narrow;
    return RV_OK;
}

static rv_status_t convert_double(const rv_attribute_t *attribute, rvc_column_t *column, rvc_refusals_t *refusals,
                                  rv_arena_t *arena, rv_error_t *err) {
    if (column->type == RV_INT) {
        double *values = rv_arena_alloc(arena, (column->rows + 1) * sizeof *values);
        if (!values)
            return no_memory(err);
        for (size_t row = 0; row < column->rows; row++)
            values[row] = (double)column->ints[row];
        column->doubles = values;
        column->ints = NULL;
        column->type = RV_DOUBLE;
    }
    for (size_t row = 0; row < column->rows; row++)
        if (isnan(column->doubles[row]) && rvc_column_has(column, row))
            rvc_refuse(refusals, row, attribute->name, "%.200s: the value is not a number", attribute->name);
    return RV_OK;
}

/* Whole numbers within bounds. */
static void check_range(const rv_attribute_t *attribute, const rvc_column_t *column, rvc_refusals_t *refusals) {
    int64_t least = INT64_MIN, greatest = INT64_MAX;
    if (attribute->type == RV_BOOL) {
        least = 0;
        greatest = 1;
    } else if (attribute->type == RV_DATE) { /* years 1 to 9999 */
        least = -719162;
        greatest = 2932896;
    } else if (attribute->type == RV_TIME) {
        least = -719162ll * 86400000ll;
        greatest = 2932897ll * 86400000ll - 1;
    } else {
        return;
    }
    for (size_t row = 0; row < column->rows; row++)
        if ((column->ints[row] < least || column->ints[row] > greatest) && rvc_column_has(column, row))
            rvc_refuse(refusals, row, attribute->name, "%.200s: the value is out of range", attribute->name);
}

rv_status_t rvc_convert(const Reveille__V1__Column *message, const rv_attribute_t *attribute, size_t rows,
                        rvc_refusals_t *refusals, rv_arena_t *arena, rvc_column_t *ret, rv_error_t *err) {
    rvc_column_t column;
    rv_status_t status = rvc_column_open(message, rows, arena, &column, err);
    if (status != RV_OK)
        return status;
    bool whole = column.type == RV_INT;
    if (rvc_type_is_text(attribute->type) && rvc_type_is_text(column.type))
        status = convert_text(attribute, &column, refusals, arena, err);
    else if (attribute->type == RV_DECIMAL && (whole || column.type == RV_DECIMAL))
        status = convert_decimal(attribute, &column, refusals, arena, err);
    else if (attribute->type == RV_DOUBLE && (whole || column.type == RV_DOUBLE))
        status = convert_double(attribute, &column, refusals, arena, err);
    else if (attribute->type == column.type)
        check_range(attribute, &column, refusals);
    else
        status = wrong_type(attribute, err);
    if (status == RV_OK)
        *ret = column;
    return status;
}

rv_status_t rvc_convert_text(const Reveille__V1__Column *message, const char *name, size_t longest, size_t rows,
                             rvc_refusals_t *refusals, rv_arena_t *arena, rvc_column_t *ret, rv_error_t *err) {
    rvc_column_t column;
    uint8_t *bad;
    if (message->type != RV_STRING)
        return rv_fail(err, RV_REASON_FIELD, "column '%.200s' is not of type STRING", name);
    rv_status_t status = rvc_column_open(message, rows, arena, &column, err);
    if (status == RV_OK)
        status = mark_bad(&column.strings, 0, longest, arena, &bad, err);
    if (status != RV_OK)
        return status;
    refuse_marked(&column, bad, name, refusals);
    *ret = column;
    return RV_OK;
}

/* column.c: the one place that knows how a protobuf Column lies in memory. Everything read here came from a client or a
 * worker: all lengths are checked once at opening, then rows are read without checks. No threads. */
#include "column.h"
#include "reveille/limits.h"
#include <string.h>

rv_status_t rvc_strings_open(const Reveille__V1__StringColumn *message, rv_arena_t *arena, const char *what,
                             rvc_strings_t *ret, rv_error_t *err) {
    static const uint32_t NONE[1] = {0};
    if (!message || !message->n_lengths) {
        if (message && message->data.len)
            return rv_fail(err, RV_REASON_FIELD, "%.64s has bytes but no lengths", what);
        *ret = (rvc_strings_t){"", NONE, 0};
        return RV_OK;
    }
    uint32_t *offsets = rv_arena_alloc(arena, (message->n_lengths + 1) * sizeof *offsets);
    if (!offsets)
        return rv_fail(err, RV_REASON_QUOTA, "%.64s needs more memory than one request may take", what);
    uint64_t sum = 0;
    for (size_t i = 0; i < message->n_lengths; i++) {
        offsets[i] = (uint32_t)sum;
        sum += message->lengths[i];
        if (sum > message->data.len)
            break;
    }
    if (sum != message->data.len)
        return rv_fail(err, RV_REASON_FIELD, "the lengths of %.64s do not add up to its %zu bytes", what,
                       message->data.len);
    offsets[message->n_lengths] = (uint32_t)sum;
    *ret = (rvc_strings_t){message->data.data ? (const char *)message->data.data : "", offsets, message->n_lengths};
    return RV_OK;
}

bool rvc_type_is_text(rv_type_t type) {
    return type == RV_STRING || type == RV_SET || type == RV_COMPANY;
}

static rv_status_t fail_column(const Reveille__V1__Column *message, rv_error_t *err, const char *reason) {
    rv_fail(err, RV_REASON_FIELD, "column '%.200s': %s", message->name, reason);
    if (err) {
        strncpy(err->field, message->name, sizeof err->field - 1);
        err->field[sizeof err->field - 1] = 0;
    }
    return RV_INVALID_ARGUMENT;
}

static rv_status_t open_text(const Reveille__V1__Column *message, size_t rows, rv_arena_t *arena, rvc_column_t *column,
                             rv_error_t *err) {
    rv_status_t status = rvc_strings_open(message->strings, arena, message->name, &column->strings, err);
    if (status != RV_OK)
        return status;
    if (!message->n_codes)
        return column->strings.n == rows ? RV_OK
                                         : fail_column(message, err, "the number of strings is not that of rows");
    if (message->n_codes != rows)
        return fail_column(message, err, "the number of codes is not that of rows");
    uint32_t greatest = 0;
    for (size_t i = 0; i < rows; i++)
        greatest = message->codes[i] > greatest ? message->codes[i] : greatest;
    if (greatest >= column->strings.n)
        return fail_column(message, err, "a code points behind the strings");
    column->codes = message->codes;
    return RV_OK;
}

static rv_status_t open_numbers(const Reveille__V1__Column *message, size_t rows, rvc_column_t *column,
                                rv_error_t *err) {
    switch (message->type) {
    case RV_DECIMAL:
        if (message->scale > RV_MAX_RESULT_SCALE)
            return fail_column(message, err, "a scale is at most 36");
        if (message->wide.len) {
            if (message->wide.len / 16 != rows || message->wide.len % 16)
                return fail_column(message, err, "the bytes in `wide` are not 16 a row");
            column->wide = message->wide.data;
            return RV_OK;
        }
        break;
    case RV_INT:
    case RV_BOOL:
    case RV_TIME:
    case RV_DATE:
    case RV_DURATION:
        break;
    case RV_DOUBLE:
        if (message->n_doubles != rows)
            return fail_column(message, err, "the number of doubles is not that of rows");
        column->doubles = message->doubles;
        return RV_OK;
    default:
        return fail_column(message, err, "it has no type");
    }
    if (message->n_ints != rows)
        return fail_column(message, err, "the number of values is not that of rows");
    column->ints = message->ints;
    return RV_OK;
}

rv_status_t rvc_column_open(const Reveille__V1__Column *message, size_t rows, rv_arena_t *arena, rvc_column_t *ret,
                            rv_error_t *err) {
    rvc_column_t column = {.type = message->type, .scale = message->scale, .rows = rows};
    rv_status_t status = rvc_type_is_text(message->type) ? open_text(message, rows, arena, &column, err)
                                                         : open_numbers(message, rows, &column, err);
    if (status != RV_OK)
        return status;
    if ((message->present.len && message->present.len != (rows + 7) / 8) ||
        (message->unset.len && message->unset.len != (rows + 7) / 8))
        return fail_column(message, err, "a bit map is not one bit a row");
    column.present = message->present.len ? message->present.data : NULL;
    column.unset = message->unset.len ? message->unset.data : NULL;
    *ret = column;
    return RV_OK;
}

rv_i128_t rvc_column_decimal(const rvc_column_t *column, size_t row) {
    if (!column->wide)
        return column->ints[row];
    rv_i128_t value;
    memcpy(&value, column->wide + 16 * row, 16);
    return value;
}

void rvc_column_get(const rvc_column_t *column, size_t row, rv_value_t *ret) {
    *ret = (rv_value_t){.present = rvc_column_has(column, row)};
    if (!ret->present)
        return;
    if (rvc_type_is_text(column->type))
        ret->s = rvc_column_text(column, row);
    else if (column->type == RV_DECIMAL)
        ret->wide = rvc_column_decimal(column, row);
    else if (column->type == RV_DOUBLE)
        ret->d = column->doubles[row];
    else
        ret->i = column->ints[row];
}

void rvc_writer_init(rvc_writer_t *writer, rv_type_t type, unsigned scale) {
    *writer = (rvc_writer_t){.type = type, .scale = scale};
}

void rvc_writer_done(rvc_writer_t *writer) {
    rv_bytes_done(&writer->numbers);
    rv_bytes_done(&writer->lengths);
    rv_bytes_done(&writer->text);
    rv_bytes_done(&writer->present);
}

void rvc_writer_reset(rvc_writer_t *writer) {
    writer->rows = 0;
    writer->missing = writer->is_wide = false;
    writer->numbers.n = writer->lengths.n = writer->text.n = writer->present.n = 0;
}

static bool add_text(rvc_writer_t *writer, const rv_value_t *value) {
    uint32_t n = value->present ? value->s.n : 0;
    return rv_bytes_add(&writer->lengths, &n, sizeof n) && (n == 0 || rv_bytes_add(&writer->text, value->s.p, n));
}

bool rvc_writer_add(rvc_writer_t *writer, const rv_value_t *value) {
    static const uint8_t ZERO = 0;
    if (writer->rows % 8 == 0 && !rv_bytes_add(&writer->present, &ZERO, 1))
        return false;
    bool ok;
    if (rvc_type_is_text(writer->type)) {
        ok = add_text(writer, value);
    } else if (writer->type == RV_DECIMAL) {
        rv_i128_t wide = value->present ? value->wide : 0;
        writer->is_wide = writer->is_wide || wide != (int64_t)wide;
        ok = rv_bytes_add(&writer->numbers, &wide, sizeof wide);
    } else if (writer->type == RV_DOUBLE) {
        double d = value->present ? value->d : 0;
        ok = rv_bytes_add(&writer->numbers, &d, sizeof d);
    } else {
        int64_t i = value->present ? value->i : 0;
        ok = rv_bytes_add(&writer->numbers, &i, sizeof i);
    }
    if (!ok)
        return false;
    if (value->present)
        writer->present.p[writer->rows / 8] |= (uint8_t)(1u << (writer->rows % 8));
    else
        writer->missing = true;
    writer->rows++;
    return true;
}

size_t rvc_writer_bytes(const rvc_writer_t *writer) {
    return writer->numbers.n + writer->lengths.n + writer->text.n + writer->present.n + 64;
}

/* DECIMALs were gathered 16 bytes wide; when all fit in 64 bits they are moved together. */
static void narrow(rvc_writer_t *writer) {
    for (size_t i = 0; i < writer->rows; i++) {
        rv_i128_t wide;
        memcpy(&wide, writer->numbers.p + 16 * i, 16);
        int64_t value = (int64_t)wide;
        memcpy(writer->numbers.p + 8 * i, &value, 8);
    }
}

void rvc_writer_column(rvc_writer_t *writer, const char *name, Reveille__V1__Column *ret,
                       Reveille__V1__StringColumn *strings) {
    reveille__v1__column__init(ret);
    ret->name = (char *)(uintptr_t)name;
    ret->type = writer->type;
    ret->scale = writer->type == RV_DECIMAL ? writer->scale : 0;
    if (writer->missing) {
        ret->present.data = writer->present.p;
        ret->present.len = writer->present.n;
    }
    if (rvc_type_is_text(writer->type)) {
        reveille__v1__string_column__init(strings);
        strings->data.data = writer->text.p;
        strings->data.len = writer->text.n;
        strings->n_lengths = writer->rows;
        strings->lengths = (uint32_t *)(void *)writer->lengths.p;
        ret->strings = strings;
    } else if (writer->type == RV_DECIMAL && writer->is_wide) {
        ret->wide.data = writer->numbers.p;
        ret->wide.len = writer->numbers.n;
    } else if (writer->type == RV_DOUBLE) {
        ret->n_doubles = writer->rows;
        ret->doubles = (double *)(void *)writer->numbers.p;
    } else {
        if (writer->type == RV_DECIMAL)
            narrow(writer);
        ret->n_ints = writer->rows;
        ret->ints = (int64_t *)(void *)writer->numbers.p;
    }
}

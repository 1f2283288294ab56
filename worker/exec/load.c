/* load.c: brings the values of leaves into vectors: columns of pieces and chunks by their encoding, arrays of rows,
 * entries of dictionaries, attributes of companies by way of the contact's company.
 *
 * A dense batch whose array already has the right shape is not copied but pointed at. Doubles that are not numbers
 * count as missing. A column stored as INT whose attribute has since been widened to DECIMAL or DOUBLE is converted.
 * Failure: DATA_LOSS when a column cannot be of its attribute.
 */
#include <string.h>

#include "reveille/limits.h"
#include "task.h"

static rv_status_t wrong_column(const rvw_column_t *column, rv_error_t *err) {
    return rv_fail(err, RV_REASON_DAMAGED, "a stored column of encoding %u has not the type of its attribute",
                   column->encoding);
}

/* The present bits of the batch as bytes; NULL when every value is present. */
static const uint8_t *load_present(const rvw_column_t *column, const rvw_batch_t *batch, uint8_t *out) {
    if (column->encoding == RVW_NONE) {
        memset(out, 0, batch->n);
        return out;
    }
    const uint8_t *bits = column->present;
    if (!bits)
        return NULL;
    if (batch->idx)
        for (uint32_t i = 0; i < batch->n; i++)
            out[i] = bits[batch->idx[i] >> 3] >> (batch->idx[i] & 7) & 1;
    else
        for (uint32_t i = 0; i < batch->n; i++)
            out[i] = bits[(batch->first + i) >> 3] >> ((batch->first + i) & 7) & 1;
    return out;
}

#define FOR_CODES(type)                                                                                                \
    do {                                                                                                               \
        const type *codes = column->codes;                                                                             \
        if (batch->idx)                                                                                                \
            for (uint32_t i = 0; i < batch->n; i++)                                                                    \
                out[i] = (int64_t)(base + codes[batch->idx[i]] * unit);                                                \
        else                                                                                                           \
            for (uint32_t i = 0; i < batch->n; i++)                                                                    \
                out[i] = (int64_t)(base + codes[batch->first + i] * unit);                                             \
    } while (0)

/* Integers of a CONST or FOR column; others give 0. */
static void load_ints(const rvw_column_t *column, const rvw_batch_t *batch, int64_t *out) {
    uint64_t base = (uint64_t)column->base, unit = (uint64_t)column->unit;
    switch (column->encoding == RVW_FOR ? column->width : 0) {
    case 1:
        FOR_CODES(uint8_t);
        break;
    case 2:
        FOR_CODES(uint16_t);
        break;
    case 4:
        FOR_CODES(uint32_t);
        break;
    case 8:
        FOR_CODES(uint64_t);
        break;
    default:
        for (uint32_t i = 0; i < batch->n; i++)
            out[i] = column->encoding == RVW_NONE ? 0 : column->base;
    }
}

static uint32_t element(const rvw_batch_t *batch, uint32_t i) {
    return batch->idx ? batch->idx[i] : batch->first + i;
}

static rv_status_t load_strings(rvw_scratch_t *s, const rvw_column_t *column, const rvw_batch_t *batch,
                                const uint8_t *present, rv_str_t *out, bool *fleeting, rv_error_t *err) {
    *fleeting = column->encoding == RVW_NUMBERED;
    for (uint32_t i = 0; i < batch->n; i++) {
        out[i] = (rv_str_t){"", 0};
        if (present && !present[i])
            continue;
        if (column->encoding == RVW_DICT) {
            out[i] = rvw_column_entry(column, (uint32_t)rvw_column_code(column, element(batch, i)));
            continue;
        }
        char *room = NULL;
        if (*fleeting && !(room = rvw_space_bytes(s->text, RVW_TEXT_ROOM)))
            return rv_fail_memory(err, "strings of a batch");
        out[i] = rvw_column_string(column, element(batch, i), room);
    }
    return RV_OK;
}

/* Doubles, with what is not a number taken out of `present`. */
static const uint8_t *load_doubles(const rvw_column_t *column, const rvw_batch_t *batch, const uint8_t *present,
                                   uint8_t *room, double *out) {
    const double *d = column->codes;
    unsigned bad = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        out[i] = d[element(batch, i)];
        bad |= out[i] != out[i];
    }
    if (!bad)
        return present;
    for (uint32_t i = 0; i < batch->n; i++) {
        room[i] = (uint8_t)((!present || present[i]) && out[i] == out[i]);
        out[i] = out[i] == out[i] ? out[i] : 0;
    }
    return room;
}

/* A column of integers as decimals or doubles. */
static void widen(const rvw_node_t *as, uint32_t n, const int64_t *ints, void *data) {
    if (as->kind == RVW_KIND_DOUBLE) {
        for (uint32_t i = 0; i < n; i++)
            ((double *)data)[i] = (double)ints[i];
        return;
    }
    rv_i128_t factor = rv_pow10(as->scale);
    for (uint32_t i = 0; i < n; i++)
        ((rv_i128_t *)data)[i] = ints[i] * factor;
}

static rv_status_t load_numbers(rvw_scratch_t *s, uint32_t node, const rvw_node_t *as, const rvw_column_t *column,
                                const rvw_batch_t *batch, rv_error_t *err) {
    rvw_vec_t *vec = &s->vec[node];
    switch (column->encoding) {
    case RVW_NONE:
    case RVW_CONST:
    case RVW_FOR:
        if (as->kind == RVW_KIND_DOUBLE || (as->kind == RVW_KIND_WIDE && column->type == RV_INT)) {
            int64_t ints[RV_VECTOR];
            load_ints(column, batch, ints);
            widen(as, batch->n, ints, s->data[node]);
            return RV_OK;
        }
        if (as->kind == RVW_KIND_BOOL) {
            int64_t ints[RV_VECTOR];
            load_ints(column, batch, ints);
            for (uint32_t i = 0; i < batch->n; i++)
                ((uint8_t *)s->data[node])[i] = ints[i] != 0;
            return RV_OK;
        }
        vec->kind = RVW_KIND_INT;
        load_ints(column, batch, s->data[node]);
        return RV_OK;
    case RVW_WIDE:
        if (as->kind != RVW_KIND_WIDE)
            return wrong_column(column, err);
        for (uint32_t i = 0; i < batch->n; i++)
            ((rv_i128_t *)s->data[node])[i] = ((const rv_i128_t *)column->codes)[element(batch, i)];
        return RV_OK;
    case RVW_F64:
        if (as->kind != RVW_KIND_DOUBLE)
            return wrong_column(column, err);
        vec->present = load_doubles(column, batch, vec->present, s->present[node], s->data[node]);
        return RV_OK;
    default:
        return wrong_column(column, err);
    }
}

rv_status_t rvw_load_column(rvw_scratch_t *s, uint32_t node, const rvw_node_t *as, const rvw_column_t *column,
                            const rvw_batch_t *batch, rv_error_t *err) {
    rvw_vec_t *vec = &s->vec[node];
    *vec = (rvw_vec_t){.kind = as->kind, .data = s->data[node]};
    vec->present = load_present(column, batch, s->present[node]);
    if (as->kind != RVW_KIND_STRING)
        return load_numbers(s, node, as, column, batch, err);
    if (column->encoding == RVW_CONST || column->encoding == RVW_FOR || column->encoding == RVW_WIDE ||
        column->encoding == RVW_F64)
        return wrong_column(column, err);
    return load_strings(s, column, batch, vec->present, s->data[node], &vec->fleeting, err);
}

rv_status_t rvw_load_entries(rvw_scratch_t *s, uint32_t node, const rvw_column_t *column, uint32_t first, uint32_t n,
                             rv_error_t *err) {
    (void)err;
    rvw_vec_t *vec = &s->vec[node];
    *vec = (rvw_vec_t){.kind = RVW_KIND_STRING, .data = s->data[node]};
    for (uint32_t i = 0; i < n; i++) {
        bool entry = first + i < column->dict_n;
        ((rv_str_t *)s->data[node])[i] = entry ? rvw_column_entry(column, first + i) : (rv_str_t){"", 0};
        s->present[node][i] = entry;
    }
    if (first + n > column->dict_n)
        vec->present = s->present[node];
    return RV_OK;
}

/* Row of the chunk that element i is about. */
static uint32_t row_of_element(const rvw_batch_t *batch, const uint16_t *row_of, uint32_t i) {
    uint32_t at = element(batch, i);
    return row_of ? row_of[at] : at;
}

static const uint8_t *array_present(const rvw_array_t *array, const rvw_batch_t *batch, const uint16_t *row_of,
                                    uint8_t *out) {
    if (!array->present)
        return NULL;
    if (!batch->idx && !row_of)
        return array->present + batch->first;
    for (uint32_t i = 0; i < batch->n; i++)
        out[i] = array->present[row_of_element(batch, row_of, i)];
    return out;
}

#define GATHER(type)                                                                                                   \
    do {                                                                                                               \
        const type *from = array->data;                                                                                \
        if (!batch->idx && !row_of)                                                                                    \
            vec->data = from + batch->first;                                                                           \
        else                                                                                                           \
            for (uint32_t i = 0; i < batch->n; i++)                                                                    \
                ((type *)s->data[node])[i] = from[row_of_element(batch, row_of, i)];                                   \
    } while (0)

void rvw_load_array(rvw_scratch_t *s, uint32_t node, const rvw_array_t *array, const rvw_batch_t *batch,
                    const uint16_t *row_of) {
    rvw_vec_t *vec = &s->vec[node];
    *vec = (rvw_vec_t){.data = s->data[node]};
    vec->present = array_present(array, batch, row_of, s->present[node]);
    switch (array->kind) {
    case RVW_ARRAY_U8:
        vec->kind = RVW_KIND_BOOL;
        GATHER(uint8_t);
        break;
    case RVW_ARRAY_U32: {
        const uint32_t *from = array->data;
        vec->kind = RVW_KIND_INT;
        if (!batch->idx && !row_of)
            for (uint32_t i = 0; i < batch->n; i++)
                ((int64_t *)s->data[node])[i] = from[batch->first + i];
        else
            for (uint32_t i = 0; i < batch->n; i++)
                ((int64_t *)s->data[node])[i] = from[row_of_element(batch, row_of, i)];
        break;
    }
    case RVW_ARRAY_I128:
        vec->kind = RVW_KIND_WIDE;
        GATHER(rv_i128_t);
        break;
    case RVW_ARRAY_F64:
        vec->kind = RVW_KIND_DOUBLE;
        GATHER(double);
        break;
    case RVW_ARRAY_STR:
        vec->kind = RVW_KIND_STRING;
        GATHER(rv_str_t);
        break;
    case RVW_ARRAY_I64:
    case RVW_ARRAY_NONE:
        vec->kind = RVW_KIND_INT;
        GATHER(int64_t);
        break;
    }
}

/* One value of a company's column into element i; false when it is missing. */
static bool company_value(const rvw_node_t *as, const rvw_column_t *column, uint32_t row, rvw_scratch_t *s,
                          uint32_t node, uint32_t i, bool *fleeting) {
    if (!rvw_column_present(column, row))
        return false;
    rv_value_t value = {0};
    char *room = NULL;
    if (column->encoding == RVW_NUMBERED) {
        room = rvw_space_bytes(s->text, RVW_TEXT_ROOM);
        *fleeting = true;
        if (!room)
            return false;
    }
    rvw_column_value(column, row, room, &value);
    void *data = s->data[node];
    bool from_int = column->type == RV_INT;
    switch (as->kind) {
    case RVW_KIND_BOOL:
        ((uint8_t *)data)[i] = value.i != 0;
        break;
    case RVW_KIND_INT:
        ((int64_t *)data)[i] = value.i;
        break;
    case RVW_KIND_WIDE:
        ((rv_i128_t *)data)[i] = from_int ? value.i * rv_pow10(as->scale) : value.wide;
        break;
    case RVW_KIND_DOUBLE:
        ((double *)data)[i] = from_int ? (double)value.i : value.d;
        return ((double *)data)[i] == ((double *)data)[i];
    case RVW_KIND_STRING:
        ((rv_str_t *)data)[i] = value.s;
        break;
    }
    return true;
}

rv_status_t rvw_load_company(rvw_scratch_t *s, uint32_t node, const rvw_node_t *as, const rvw_bind_t *bind,
                             uint32_t chunk_rows, uint32_t company_rows, const rvw_batch_t *batch, rv_error_t *err) {
    int64_t rows[RV_VECTOR];
    uint8_t room[RV_VECTOR];
    if (bind->column->encoding != RVW_NONE && bind->column->encoding != RVW_CONST && bind->column->encoding != RVW_FOR)
        return wrong_column(bind->column, err);
    load_ints(bind->column, batch, rows);
    const uint8_t *known = load_present(bind->column, batch, room);
    rvw_vec_t *vec = &s->vec[node];
    *vec = (rvw_vec_t){.kind = as->kind, .data = s->data[node], .present = s->present[node]};
    memset(s->data[node], 0, batch->n * rvw_kind_size(as->kind));
    for (uint32_t i = 0; i < batch->n; i++) {
        bool has = (!known || known[i]) && rows[i] >= 0 && rows[i] < company_rows;
        uint32_t row = has ? (uint32_t)rows[i] : 0;
        s->present[node][i] =
            has && company_value(as, &bind->company[row / chunk_rows], row % chunk_rows, s, node, i, &vec->fleeting);
    }
    return RV_OK;
}

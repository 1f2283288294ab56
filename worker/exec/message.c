/* message.c: columns of values as messages. Values that are missing are 0 or "" with their present bit clear; when all
 * are present the bits are left out. Failure: no memory in the arena.
 */
#include "message.h"

#include <string.h>

static bool is_text(rv_type_t type) {
    return type == RV_STRING || type == RV_SET || type == RV_COMPANY;
}

size_t rvw_value_bytes(rv_type_t type, const rv_value_t *value) {
    if (is_text(type))
        return 5u + (value->present ? value->s.n : 0);
    return type == RV_DECIMAL ? 17 : 9;
}

Reveille__V1__StringColumn *rvw_message_strings(rv_arena_t *arena, const rv_str_t *strings, size_t n, rv_error_t *err) {
    Reveille__V1__StringColumn *column = rv_arena_alloc(arena, sizeof *column);
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += strings[i].n;
    uint8_t *data = rv_arena_alloc(arena, total + 1);
    uint32_t *lengths = rv_arena_alloc(arena, (n + 1) * sizeof *lengths);
    if (!column || !data || !lengths) {
        rv_fail_memory(err, "a message");
        return NULL;
    }
    reveille__v1__string_column__init(column);
    column->data.data = data;
    column->data.len = total;
    column->lengths = lengths;
    column->n_lengths = n;
    for (size_t i = 0; i < n; i++) {
        if (strings[i].n)
            memcpy(data, strings[i].p, strings[i].n);
        data += strings[i].n;
        lengths[i] = strings[i].n;
    }
    return column;
}

static bool fill_present(rv_arena_t *arena, Reveille__V1__Column *column, const rv_value_t *values, size_t n) {
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all &= values[i].present;
    if (all)
        return true;
    column->present.data = rv_arena_zalloc(arena, (n + 7) / 8, 1);
    column->present.len = (n + 7) / 8;
    for (size_t i = 0; column->present.data && i < n; i++)
        if (values[i].present)
            column->present.data[i >> 3] |= (uint8_t)(1u << (i & 7));
    return column->present.data != NULL;
}

static bool needs_wide(const rv_value_t *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (values[i].present && (values[i].wide > INT64_MAX || values[i].wide < INT64_MIN))
            return true;
    return false;
}

static bool fill_wide(rv_arena_t *arena, Reveille__V1__Column *column, const rv_value_t *values, size_t n) {
    column->wide.data = rv_arena_zalloc(arena, n + 1, 16);
    column->wide.len = n * 16;
    for (size_t i = 0; column->wide.data && i < n; i++)
        for (unsigned b = 0; values[i].present && b < 16; b++)
            column->wide.data[i * 16 + b] = (uint8_t)((rv_u128_t)values[i].wide >> (8 * b));
    return column->wide.data != NULL;
}

static bool fill_ints(rv_arena_t *arena, Reveille__V1__Column *column, rv_type_t type, const rv_value_t *values,
                      size_t n) {
    column->ints = rv_arena_zalloc(arena, n + 1, sizeof *column->ints);
    column->n_ints = n;
    for (size_t i = 0; column->ints && i < n; i++)
        if (values[i].present)
            column->ints[i] = type == RV_DECIMAL ? (int64_t)values[i].wide : values[i].i;
    return column->ints != NULL;
}

static bool fill_doubles(rv_arena_t *arena, Reveille__V1__Column *column, const rv_value_t *values, size_t n) {
    column->doubles = rv_arena_zalloc(arena, n + 1, sizeof *column->doubles);
    column->n_doubles = n;
    for (size_t i = 0; column->doubles && i < n; i++)
        if (values[i].present)
            column->doubles[i] = values[i].d;
    return column->doubles != NULL;
}

static bool fill_strings(rv_arena_t *arena, Reveille__V1__Column *column, const rv_value_t *values, size_t n,
                         rv_error_t *err) {
    rv_str_t *strings = rv_arena_alloc(arena, (n + 1) * sizeof *strings);
    for (size_t i = 0; strings && i < n; i++)
        strings[i] = values[i].present ? values[i].s : (rv_str_t){"", 0};
    if (strings)
        column->strings = rvw_message_strings(arena, strings, n, err);
    return column->strings != NULL;
}

Reveille__V1__Column *rvw_message_column(rv_arena_t *arena, uint32_t id, rv_type_t type, unsigned scale,
                                         const rv_value_t *values, size_t n, rv_error_t *err) {
    Reveille__V1__Column *column = rv_arena_alloc(arena, sizeof *column);
    bool filled = false;
    if (column) {
        reveille__v1__column__init(column);
        column->id = id;
        column->type = type;
        column->scale = type == RV_DECIMAL ? scale : 0;
        filled = fill_present(arena, column, values, n);
        if (filled && is_text(type))
            filled = fill_strings(arena, column, values, n, err);
        else if (filled && type == RV_DOUBLE)
            filled = fill_doubles(arena, column, values, n);
        else if (filled && type == RV_DECIMAL && needs_wide(values, n))
            filled = fill_wide(arena, column, values, n);
        else if (filled)
            filled = fill_ints(arena, column, type, values, n);
    }
    if (filled)
        return column;
    rv_fail_memory(err, "a message");
    return NULL;
}

/* split.c: a counting sort of rows, and gathers. Dictionaries travel with each share, cut down to the codes that it
 * uses; a stamp per code tells whether it was seen in this share, so that a share costs what its rows cost. No state
 * between batches, no threads. */
#include "split.h"
#include <string.h>

static rv_status_t no_memory(rv_error_t *err) {
    return rv_fail(err, RV_REASON_QUOTA, "the batch needs more memory than one request may take");
}

rv_status_t rvc_split(const uint32_t *partition_of, size_t rows, uint32_t partitions, rv_arena_t *arena,
                      rvc_share_t **ret, size_t *ret_n, rv_error_t *err) {
    uint32_t *start = rv_arena_zalloc(arena, (size_t)partitions + 1, sizeof *start);
    uint32_t *order = rv_arena_alloc(arena, (rows + 1) * sizeof *order);
    rvc_share_t *shares = rv_arena_zalloc(arena, (size_t)partitions + 1, sizeof *shares);
    if (!start || !order || !shares)
        return no_memory(err);
    for (size_t row = 0; row < rows; row++)
        if (partition_of[row] < partitions)
            start[partition_of[row] + 1]++;
    size_t n = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        if (start[p + 1])
            shares[n++] = (rvc_share_t){p, order + start[p], start[p + 1]};
        start[p + 1] += start[p];
    }
    for (size_t row = 0; row < rows; row++)
        if (partition_of[row] < partitions)
            order[start[partition_of[row]]++] = (uint32_t)row;
    *ret = shares;
    *ret_n = n;
    return RV_OK;
}

rv_status_t rvc_renumber_init(rvc_renumber_t *renumber, size_t codes, rv_arena_t *arena, rv_error_t *err) {
    *renumber = (rvc_renumber_t){.stamp = rv_arena_zalloc(arena, codes + 1, sizeof(uint32_t)),
                                 .code = rv_arena_alloc(arena, (codes + 1) * sizeof(uint32_t)),
                                 .n = codes};
    return renumber->stamp && renumber->code ? RV_OK : no_memory(err);
}

/* A string column of these strings, numbers picked[0..n). */
static Reveille__V1__StringColumn *copy_strings(const rvc_strings_t *strings, const uint32_t *picked, size_t n,
                                                rv_arena_t *arena) {
    Reveille__V1__StringColumn *column = rv_arena_alloc(arena, sizeof *column);
    uint32_t *lengths = rv_arena_alloc(arena, (n + 1) * sizeof *lengths);
    size_t bytes = 0;
    if (!column || !lengths)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = strings->offsets[picked[i] + 1] - strings->offsets[picked[i]];
        bytes += lengths[i];
    }
    uint8_t *data = rv_arena_alloc(arena, bytes + 1), *at = data;
    if (!data)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        rv_copy_short(at, strings->data + strings->offsets[picked[i]], lengths[i]);
        at += lengths[i];
    }
    reveille__v1__string_column__init(column);
    column->data.data = data;
    column->data.len = bytes;
    column->n_lengths = n;
    column->lengths = lengths;
    return column;
}

rv_status_t rvc_gather_strings(const rvc_strings_t *strings, const uint32_t *codes, rvc_renumber_t *renumber,
                               const uint32_t *rows, size_t n, rv_arena_t *arena, Reveille__V1__StringColumn **ret,
                               uint32_t **ret_codes, rv_error_t *err) {
    uint32_t *picked = rv_arena_alloc(arena, (n + 1) * sizeof *picked);
    uint32_t *made = rv_arena_alloc(arena, (n + 1) * sizeof *made);
    if (!picked || !made)
        return no_memory(err);
    renumber->now++;
    uint32_t n_picked = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t code = codes[rows[i]];
        if (renumber->stamp[code] != renumber->now) {
            renumber->stamp[code] = renumber->now;
            renumber->code[code] = n_picked;
            picked[n_picked++] = code;
        }
        made[i] = renumber->code[code];
    }
    Reveille__V1__StringColumn *column = copy_strings(strings, picked, n_picked, arena);
    if (!column)
        return no_memory(err);
    *ret = column;
    *ret_codes = made;
    return RV_OK;
}

rv_status_t rvc_gather_plain(const rvc_strings_t *strings, const uint32_t *codes, const uint32_t *rows, size_t n,
                             rv_arena_t *arena, Reveille__V1__StringColumn **ret, rv_error_t *err) {
    const uint32_t *picked = rows;
    if (codes) {
        uint32_t *mapped = rv_arena_alloc(arena, (n + 1) * sizeof *mapped);
        if (!mapped)
            return no_memory(err);
        for (size_t i = 0; i < n; i++)
            mapped[i] = codes[rows[i]];
        picked = mapped;
    }
    Reveille__V1__StringColumn *column = copy_strings(strings, picked, n, arena);
    if (!column)
        return no_memory(err);
    *ret = column;
    return RV_OK;
}

/* The bits of some rows; *ret_count of them are set. NULL without memory. */
static uint8_t *gather_bits(const uint8_t *bits, const uint32_t *rows, size_t n, rv_arena_t *arena, size_t *ret_count) {
    uint8_t *made = rv_arena_zalloc(arena, n / 8 + 1, 1);
    size_t count = 0;
    for (size_t i = 0; made && i < n; i++)
        if (rvc_bit(bits, rows[i])) {
            made[i / 8] |= (uint8_t)(1u << (i % 8));
            count++;
        }
    *ret_count = count;
    return made;
}

/* Absent rows must read as 0 or "": what they held in the batch does not travel. */
static rv_status_t gather_values(const rvc_column_t *column, const uint32_t *rows, size_t n, rv_arena_t *arena,
                                 Reveille__V1__Column *made, rv_error_t *err) {
    if (column->doubles) {
        double *values = rv_arena_alloc(arena, (n + 1) * sizeof *values);
        for (size_t i = 0; values && i < n; i++)
            values[i] = rvc_column_has(column, rows[i]) ? column->doubles[rows[i]] : 0;
        made->n_doubles = n;
        made->doubles = values;
        return values ? RV_OK : no_memory(err);
    }
    if (column->wide) {
        uint8_t *values = rv_arena_zalloc(arena, n + 1, 16);
        for (size_t i = 0; values && i < n; i++)
            if (rvc_column_has(column, rows[i]))
                memcpy(values + 16 * i, column->wide + 16 * (size_t)rows[i], 16);
        made->wide.len = 16 * n;
        made->wide.data = values;
        return values ? RV_OK : no_memory(err);
    }
    int64_t *values = rv_arena_alloc(arena, (n + 1) * sizeof *values);
    for (size_t i = 0; values && i < n; i++)
        values[i] = rvc_column_has(column, rows[i]) ? column->ints[rows[i]] : 0;
    made->n_ints = n;
    made->ints = values;
    return values ? RV_OK : no_memory(err);
}

static rv_status_t gather_text(const rvc_column_t *column, rvc_renumber_t *renumber, const uint32_t *rows, size_t n,
                               rv_arena_t *arena, Reveille__V1__Column *made, rv_error_t *err) {
    if (!column->codes)
        return rvc_gather_plain(&column->strings, NULL, rows, n, arena, &made->strings, err);
    made->n_codes = n;
    return rvc_gather_strings(&column->strings, column->codes, renumber, rows, n, arena, &made->strings, &made->codes,
                              err);
}

rv_status_t rvc_gather_column(const rvc_column_t *column, uint32_t id, rvc_renumber_t *renumber, const uint32_t *rows,
                              size_t n, rv_arena_t *arena, Reveille__V1__Column **ret, rv_error_t *err) {
    size_t n_present = n, n_unset = 0;
    uint8_t *present = NULL, *unset = NULL;
    if (column->present && !(present = gather_bits(column->present, rows, n, arena, &n_present)))
        return no_memory(err);
    if (column->unset && !(unset = gather_bits(column->unset, rows, n, arena, &n_unset)))
        return no_memory(err);
    if (n_present == 0 && n_unset == 0) {
        *ret = NULL;
        return RV_OK;
    }
    Reveille__V1__Column *made = rv_arena_alloc(arena, sizeof *made);
    if (!made)
        return no_memory(err);
    reveille__v1__column__init(made);
    made->id = id;
    made->type = column->type;
    made->scale = column->type == RV_DECIMAL ? column->scale : 0;
    if (n_present < n) {
        made->present.data = present;
        made->present.len = (n + 7) / 8;
    }
    if (n_unset) {
        made->unset.data = unset;
        made->unset.len = (n + 7) / 8;
    }
    rv_status_t status = rvc_type_is_text(column->type) ? gather_text(column, renumber, rows, n, arena, made, err)
                                                        : gather_values(column, rows, n, arena, made, err);
    if (status == RV_OK)
        *ret = made;
    return status;
}

/* input.c: see input.h. One thread; memory of the write's arena. */
#include "input.h"

#include <string.h>

bool rvw_strings_init(rvw_strings_t *strings, const Reveille__V1__StringColumn *column, rv_arena_t *arena) {
    size_t n = column ? column->n_lengths : 0;
    uint32_t *offsets = rv_arena_alloc(arena, (n + 1) * sizeof *offsets);
    if (!offsets) {
        return false;
    }
    offsets[0] = 0;
    for (size_t i = 0; i < n; i++) {
        offsets[i + 1] = offsets[i] + column->lengths[i];
    }
    *strings =
        (rvw_strings_t){column && column->data.data ? (const char *)column->data.data : "", offsets, (uint32_t)n};
    return true;
}

bool rvw_input_init(rvw_input_t *input, const Reveille__V1__Column *column, rv_arena_t *arena) {
    *input = (rvw_input_t){.column = column};
    if (!column || !column->strings) {
        return true;
    }
    if (!rvw_strings_init(&input->strings, column->strings, arena)) {
        return false;
    }
    if (column->n_codes > 0) {
        input->kept = rv_arena_zalloc(arena, input->strings.n + 1, sizeof *input->kept);
    }
    return column->n_codes == 0 || input->kept;
}

/* A missing set is the empty set: the latter is stored as the former. */
bool rvw_input_empty_set(const rvw_input_t *input, uint32_t i) {
    const Reveille__V1__Column *column = input->column;
    return column && column->type == RV_SET && rvw_input_given(column, i) &&
           rvw_strings_get(&input->strings, column->n_codes > 0 ? column->codes[i] : i).n == 0;
}

bool rvw_input_unset(const rvw_input_t *input, uint32_t i) {
    const Reveille__V1__Column *column = input->column;
    return column &&
           (rvw_input_empty_set(input, i) || (column->unset.len > 0 && (column->unset.data[i >> 3] >> (i & 7) & 1)));
}

void rvw_input_value(const rvw_input_t *input, uint32_t i, rv_value_t *ret) {
    const Reveille__V1__Column *column = input->column;
    *ret = (rv_value_t){.present = rvw_input_present(input, i), .s = {"", 0}};
    if (!ret->present) {
        return;
    }
    switch (column->type) {
    case RV_STRING:
    case RV_SET:
    case RV_COMPANY:
        ret->s = rvw_input_string(input, i);
        break;
    case RV_DOUBLE:
        ret->d = column->doubles[i];
        break;
    case RV_DECIMAL:
        if (column->wide.len > 0) {
            memcpy(&ret->wide, column->wide.data + (size_t)i * sizeof ret->wide, sizeof ret->wide);
        } else {
            ret->wide = column->ints[i];
        }
        break;
    default:
        ret->i = column->ints[i];
        ret->wide = ret->i;
    }
}

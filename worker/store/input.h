/* input.h: columns of a write as the protocol carries them, by index. The write has been checked (rvw_write_check);
 * nothing is checked here. */
#ifndef REVEILLE_WORKER_INPUT_H
#define REVEILLE_WORKER_INPUT_H

#include "reveille/arena.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/valcodec.h"

/* Strings one after the other; offsets are worked out once. */
typedef struct {
    const char *bytes;
    const uint32_t *offsets; /* n + 1 */
    uint32_t n;
} rvw_strings_t;

/* False without memory. */
bool rvw_strings_init(rvw_strings_t *strings, const Reveille__V1__StringColumn *column, rv_arena_t *arena);
static inline rv_str_t rvw_strings_get(const rvw_strings_t *strings, uint32_t i) {
    return (rv_str_t){strings->bytes + strings->offsets[i], strings->offsets[i + 1] - strings->offsets[i]};
}

typedef struct {
    const Reveille__V1__Column *column; /* NULL: absent in every row */
    rvw_strings_t strings;
    rv_str_t *kept; /* for each entry of `strings` its copy in the tail, p NULL: none yet */
    rv_str_t last, last_kept;
    const char *all; /* or a copy of all strings at once; NULL: none yet */
} rvw_input_t;

bool rvw_input_init(rvw_input_t *input, const Reveille__V1__Column *column, rv_arena_t *arena);
static inline bool rvw_input_given(const Reveille__V1__Column *column, uint32_t i) {
    return column && (column->present.len == 0 || (column->present.data[i >> 3] >> (i & 7) & 1));
}
/* The row gives the empty set, which counts as unset. */
bool rvw_input_empty_set(const rvw_input_t *input, uint32_t i);
static inline bool rvw_input_present(const rvw_input_t *input, uint32_t i) {
    return rvw_input_given(input->column, i) && (input->column->type != RV_SET || !rvw_input_empty_set(input, i));
}
bool rvw_input_unset(const rvw_input_t *input, uint32_t i);
/* The string of row i, "" where absent. */
static inline rv_str_t rvw_input_string(const rvw_input_t *input, uint32_t i) {
    if (!rvw_input_present(input, i)) {
        return (rv_str_t){"", 0};
    }
    return rvw_strings_get(&input->strings, input->column->n_codes > 0 ? input->column->codes[i] : i);
}
void rvw_input_value(const rvw_input_t *input, uint32_t i, rv_value_t *ret);

#endif

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
/* The empty set counts as unset. */
bool rvw_input_present(const rvw_input_t *input, uint32_t i);
bool rvw_input_unset(const rvw_input_t *input, uint32_t i);
/* The string of row i, "" where absent. */
rv_str_t rvw_input_string(const rvw_input_t *input, uint32_t i);
void rvw_input_value(const rvw_input_t *input, uint32_t i, rv_value_t *ret);

#endif

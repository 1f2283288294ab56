// compare.h - is a table of the engine the table of the model?
#ifndef RVM_COMPARE_H
#define RVM_COMPARE_H

#include "gen.h"

// Exactly equal: keys, cells, order. What differs first, as text, or NULL.
const char *rvm_table_differs(rvm_arena_t *arena, const rvm_table_t *expected, const rvm_table_t *got);

#endif

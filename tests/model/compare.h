// compare.h - is a table of the engine the table of the model?
#ifndef RVM_COMPARE_H
#define RVM_COMPARE_H

#include "gen.h"

// Exactly equal: keys, cells, order. Where the query uses a score, doubles may differ by `slack` units (times the value
// when that is greater than 1), and rows of a select may change places: `full` is then the model's answer without
// limit, in which every row is looked up. What differs first, as text, or NULL. *ret_moved: rows changed places.
const char *rvm_table_differs(rvm_arena_t *arena, const rvm_query_t *query, const rvm_table_t *expected,
                              const rvm_table_t *full, const rvm_table_t *got, double slack, bool *ret_moved);

#endif

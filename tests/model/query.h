// query.h - between query.c and group.c.
#ifndef RVM_QUERY_H
#define RVM_QUERY_H

#include "ast.h"

rvm_table_t rvm_table_new(rvm_arena_t *arena, int rows, int columns);
rvm_value_t rvm_value_at(rvm_arena_t *arena, const rvm_world_t *world, int contact, const rvm_node_t *node,
                         bool *overflow);
// Evaluates the nodes for every contact of the population, only to see whether one overflows: which contacts a filter
// leaves does not decide whether a request fails.
void rvm_see_overflow(rvm_arena_t *arena, const rvm_world_t *world, rvm_node_t *const *nodes, int n, bool *overflow);
rvm_status_t rvm_overflowed(rvm_error_t *error);
rvm_ast_t *rvm_prepare_list(rvm_arena_t *arena, const rvm_world_t *world, rvm_text_kind_t kind, const char *text,
                            rvm_error_t *error);
// The contacts of a filter, by index, in order of arrival.
rvm_status_t rvm_members(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, int **ret_members,
                         int *ret_count, rvm_error_t *error);
int rvm_compare_missing_last(const rvm_value_t *a, const rvm_value_t *b, bool descending);

#endif

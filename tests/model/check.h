// check.h - between check.c (nodes) and check_names.c (what a name, a selection or a segment stands for).
#ifndef RVM_CHECK_H
#define RVM_CHECK_H

#include "ast.h"

#define RVM_SEGMENT_DEPTH 32

typedef struct rvm_checker {
    rvm_arena_t *arena;
    const rvm_world_t *world;
    rvm_error_t *error;
    bool in_where;                           // names are of the event
    int in_at;                               // inside X of `X at I`: attributes are refused
    const char *segments[RVM_SEGMENT_DEPTH]; // being read, for cycles
    int n_segments;
} rvm_checker_t;

// Each sets node->type (and what else is "checked") or fails and returns false.
bool rvm_check_node(rvm_checker_t *k, rvm_node_t *node);
bool rvm_check_bool(rvm_checker_t *k, rvm_node_t *node); // the same, and it must be a condition
bool rvm_check_path(rvm_checker_t *k, rvm_node_t *node);
bool rvm_check_param(rvm_checker_t *k, rvm_node_t *node);
bool rvm_check_aggregate(rvm_checker_t *k, rvm_node_t *node);
bool rvm_check_funnel(rvm_checker_t *k, rvm_node_t *node);
bool rvm_check_score(rvm_checker_t *k, rvm_node_t *node);
bool rvm_check_segment(rvm_checker_t *k, rvm_node_t *node);
bool rvm_check_steps(rvm_checker_t *k, rvm_steps_t *steps);
bool rvm_check_window(rvm_checker_t *k, rvm_window_t *window);
bool rvm_check_fail(rvm_checker_t *k, const rvm_node_t *node, rvm_status_t status, const char *what, const char *name);
bool rvm_is_instant(rvm_type_t type); // time or date
bool rvm_is_ordered(rvm_type_t type); // < and > make sense
bool rvm_comparable(rvm_type_t a, rvm_type_t b);

#endif

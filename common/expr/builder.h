/* builder.h: the program under construction. Private to common/expr.
 *
 * Nodes are made by rv_expr_emit, which gives the number of an equal node when there is one, so that equal expressions,
 * selections, funnels and score models exist once, whatever text they came from. Constants fold as they are made. A
 * function that fails returns EXPR_NONE and has filled the report; EXPR_NONE as an operand gives EXPR_NONE, so a caller
 * may test the last result only.
 */
#ifndef REVEILLE_EXPR_BUILDER_H
#define REVEILLE_EXPR_BUILDER_H

#include "reveille/expr.h"
#include "reveille/limits.h"
#include "syntax.h"

#define EXPR_NONE UINT32_MAX
#define EXPR_OP(name) REVEILLE__V1__OP__OP_##name
typedef Reveille__V1__Op expr_op_t;
typedef Reveille__V1__Node expr_out_t;

/* Bytes that one request may take here: texts of 1 MiB in all need far less. */
#define EXPR_BUDGET (256u << 20)
/* Nodes of texts that one request may compile, segments counted each time: it bounds the time that nested segments can
 * take. */
#define EXPR_WORK (RV_MAX_OVERLAP * RV_MAX_NODES)
/* Levels that compiling may recurse: one text never needs so many, segments within segments may. */
#define EXPR_LEVELS (8u * RV_MAX_DEPTH)

enum { DOMAIN_CONST = 0, DOMAIN_ROW = 1, DOMAIN_EVENT = 2 };

/* Elements that the lists of one program may have in all. */
#define EXPR_ELEMENTS (4u * RV_MAX_LIST)

/* Values of a list, ready for a node. */
typedef struct {
    Reveille__V1__Value **values;
    size_t n;
    uint64_t hash;
} expr_values_t;

typedef struct {
    rv_str_t name;
    bool is_list;
    size_t n;
    expr_constant_t *constants;
    /* What IN makes of them the first time, since a text may use a long list again and again. */
    bool of_one_kind, has_times;
    rv_type_t kind;
    expr_values_t plain, times; /* as they are, dates as times; `values` is NULL until asked for */
} expr_parameter_t;

/* A segment that some text of the request uses. */
typedef struct {
    const Reveille__V1__Segment *segment;
    expr_tree_t tree;
    char *field; /* "segment NAME" */
    bool active; /* being compiled: using it again would be a cycle */
} expr_segment_t;

/* What a segment compiled to at an instant. */
typedef struct {
    uint32_t segment, now, seen;
    bool past;
    uint32_t node;
} expr_memo_t;

struct rv_builder {
    const rv_catalog_t *catalog;
    int64_t now_ms;
    rv_arena_t arena;
    expr_report_t report; /* of the text being compiled */
    const char *text;     /* it */
    uint32_t levels, work;

    expr_parameter_t *parameters;
    size_t n_parameters;

    /* These arrays grow (rv_expr_grow), up to RV_MAX_NODES: most programs are small, and a builder is made for each. */
    expr_out_t **nodes;
    const expr_constant_t **constants; /* of a literal; NULL */
    uint64_t *hashes;
    uint8_t *domains;
    uint32_t n_nodes;
    uint32_t *slots; /* 1 + node, by hash */
    uint32_t n_slots;
    size_t n_elements; /* of lists */

    Reveille__V1__Selection **selections;
    uint32_t n_selections;
    Reveille__V1__Funnel **funnels;
    uint32_t n_funnels;
    Reveille__V1__ProgramScore **scores;
    const Reveille__V1__ScoreModel **models;
    uint32_t n_scores;

    expr_segment_t *segments;
    uint32_t n_segments;
    expr_memo_t *memos;
    uint32_t n_memos, cap_memos;

    bool *attribute_read; /* by position in the catalog: contact attributes, then company attributes */
    const char **attributes;
    size_t n_attributes;

    bool before_kept;
    uint32_t now; /* the node of T */
    uint32_t population;
    Reveille__V1__Program program;
};

/* What an expression is compiled for. */
typedef struct {
    uint32_t now;  /* node of its T */
    uint32_t seen; /* node of the latest time at which an event is seen: the least of all T on the way in */
    bool event;    /* inside `where` */
    bool past;     /* inside `X at I` */
} expr_scope_t;

/* builder.c: memory and failure. */
void *rv_expr_alloc(rv_builder_t *b, size_t count, size_t size);
char *rv_expr_copy(rv_builder_t *b, const char *text, size_t n);
/* An array that only this function made, with room behind its n items for another; NULL after a failure. */
void *rv_expr_grow(rv_builder_t *b, void *array, uint32_t n, size_t size);
/* INVALID_ARGUMENT/FILTER at a place of the current text; returns EXPR_NONE. */
#define EXPR_FAIL(b, place, ...) (rv_expr_fail(&(b)->report, RV_REASON_FILTER, (place), __VA_ARGS__), EXPR_NONE)

/* UNIMPLEMENTED/FEATURE: "WHAT is not built yet"; returns EXPR_NONE. */
uint32_t rv_expr_refuse_later(rv_builder_t *b, expr_place_t place, const char *what);

/* emit.c: nodes. */
uint32_t rv_expr_emit(rv_builder_t *b, const expr_out_t *node, expr_place_t place);
/* The same for a node with a list. */
uint32_t rv_expr_emit_list(rv_builder_t *b, expr_out_t *node, const expr_values_t *values, expr_place_t place);
/* A node with up to two arguments (EXPR_NONE: not given) and no other content. */
uint32_t rv_expr_op(rv_builder_t *b, expr_op_t op, rv_type_t type, unsigned scale, uint32_t x, uint32_t y,
                    expr_place_t place);
uint32_t rv_expr_constant(rv_builder_t *b, const expr_constant_t *constant, expr_place_t place);
uint32_t rv_expr_integer(rv_builder_t *b, rv_type_t type, int64_t value, expr_place_t place);
/* Values of constants; dates as times when `times`. False after a failure. */
bool rv_expr_values(rv_builder_t *b, const expr_constant_t *constants, size_t n, bool times, expr_values_t *ret);
rv_type_t rv_expr_type(const rv_builder_t *b, uint32_t node);
unsigned rv_expr_scale(const rv_builder_t *b, uint32_t node);
/* Domain of a node made of an operation and arguments of these domains. */
uint8_t rv_expr_domain(expr_op_t op, uint8_t widest);
/* Its result is a BOOL that is never missing. */
bool rv_expr_is_condition(expr_op_t op);

/* arith.c: numbers, times and durations. */
bool rv_expr_is_number(rv_type_t type);
/* Type and scale of x op y; false when there is no such operation (op is ADD, SUB, MUL or DIV). */
bool rv_expr_arithmetic_type(expr_op_t op, rv_type_t x, unsigned xs, rv_type_t y, unsigned ys, rv_type_t *ret_type,
                             unsigned *ret_scale);
uint32_t rv_expr_arithmetic(rv_builder_t *b, expr_op_t op, uint32_t x, uint32_t y, expr_place_t place);
uint32_t rv_expr_negate(rv_builder_t *b, uint32_t x, expr_place_t place);
/* DATE to TIME; anything else unchanged. */
uint32_t rv_expr_to_time(rv_builder_t *b, uint32_t x, expr_place_t place);
/* Makes several values one type where they have one: numbers, dates and times. False after a failure. */
bool rv_expr_unify(rv_builder_t *b, uint32_t *x, size_t n, const char *what, expr_place_t place);
/* The earlier of two TIMEs. */
uint32_t rv_expr_earlier(rv_builder_t *b, uint32_t x, uint32_t y, expr_place_t place);
/* "a number", "a string" ... */
const char *rv_expr_type_name(rv_type_t type);

/* params.c */
rv_status_t rv_expr_bind(rv_builder_t *b, const Reveille__V1__ReadOptions *options, rv_error_t *err);
expr_parameter_t *rv_expr_parameter(rv_builder_t *b, rv_str_t name, expr_place_t place);
/* The value of a parameter that is no list. */
const expr_constant_t *rv_expr_bound(rv_builder_t *b, const expr_name_t *name);

/* names.c */
uint32_t rv_expr_path(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
/* Property or built-in field of the event. */
uint32_t rv_expr_property(rv_builder_t *b, const expr_name_t *name);
/* Numbers of the types that a selection names, rising. False after a failure. */
bool rv_expr_types(rv_builder_t *b, const expr_selection_t *selection, uint32_t **ret, size_t *ret_n);
const Reveille__V1__Segment *rv_expr_find_segment(rv_builder_t *b, rv_str_t name, expr_place_t place);
const Reveille__V1__ScoreModel *rv_expr_find_score(rv_builder_t *b, const expr_name_t *name);
/* ", did you mean 'x'?" for the nearest of the candidates, or "". */
typedef struct {
    char text[RV_MAX_NAME + 32];
} expr_hint_t;
expr_hint_t rv_expr_hint(rv_str_t name, const char *const *candidates, size_t n);

/* compile.c: conditions, tests, values. */
uint32_t rv_expr_compile(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
uint32_t rv_expr_condition(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
uint32_t rv_expr_truth(rv_builder_t *b, uint32_t node, expr_place_t place);
/* An expression that is a time or a date, as TIME. */
uint32_t rv_expr_instant(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
/* 1 + the condition that a contact is in the population at an instant; 0: every contact is; EXPR_NONE after a failure.
 */
uint32_t rv_expr_population(rv_builder_t *b, uint32_t instant);

/* tests.c */
uint32_t rv_expr_compare(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
uint32_t rv_expr_between(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
uint32_t rv_expr_in(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
uint32_t rv_expr_text_test(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
uint32_t rv_expr_bucket(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);

/* scalar.c */
uint32_t rv_expr_scalar(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);

/* history.c: what looks at events. */
uint32_t rv_expr_aggregate(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
uint32_t rv_expr_selection(rv_builder_t *b, const expr_scope_t *scope, const expr_selection_t *selection);
uint32_t rv_expr_funnel(rv_builder_t *b, const expr_scope_t *scope, const expr_funnel_t *funnel, expr_place_t place);
/* False, with a failure, when a window that rv_expr_funnel is about to compile is wrong. */
bool rv_expr_check_window(rv_builder_t *b, const expr_scope_t *scope, const expr_window_t *window);
uint32_t rv_expr_score(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);

/* shift.c: other instants and other texts. */
uint32_t rv_expr_at(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);
uint32_t rv_expr_segment(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node);

#endif

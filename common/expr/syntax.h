/* syntax.h: the tree that a text parses to. Private to common/expr.
 *
 * Everything lives in the arena given to rv_expr_parse; names and strings borrow the text or the arena. Chains of
 * operators are one node with many kids, so the height of a tree is bounded by RV_MAX_DEPTH times a small constant, and
 * walking it may recurse.
 */
#ifndef REVEILLE_EXPR_SYNTAX_H
#define REVEILLE_EXPR_SYNTAX_H

#include "lex.h"

/* A constant: a value with its type. */
typedef struct {
    rv_type_t type;
    unsigned scale; /* of a DECIMAL */
    bool calendar;  /* a duration in months, quarters or years: its value means nothing yet */
    rv_value_t value;
} expr_constant_t;

typedef struct {
    expr_place_t place;
    const expr_constant_t *constant;
} expr_item_t;

/* Items written out, or a parameter. */
typedef struct {
    expr_place_t place;
    expr_item_t *items;
    uint32_t n;
    rv_str_t parameter; /* p is NULL: items */
} expr_list_t;

typedef struct {
    expr_place_t place;
    rv_str_t text;
} expr_name_t;

typedef enum {
    NODE_OR,         /* kids */
    NODE_AND,        /* kids */
    NODE_NOT,        /* kids[0] */
    NODE_COMPARE,    /* kids[0] symbol kids[1] */
    NODE_IN,         /* kids[0], list, negated */
    NODE_BETWEEN,    /* kids[0] between kids[1] and kids[2], negated */
    NODE_TEXT,       /* kids[0] word kids[1]: contains, starts, ends, like; negated */
    NODE_IS_SET,     /* kids[0], negated */
    NODE_ARITHMETIC, /* kids and the operators between them, all of + - or all of * / */
    NODE_NEGATE,     /* - kids[0] */
    NODE_AT,         /* kids[0] at kids[1] */
    NODE_LITERAL,    /* constant */
    NODE_NOW,
    NODE_AGO,       /* now + constant, a duration */
    NODE_PARAMETER, /* name */
    NODE_PATH,      /* names */
    NODE_AGGREGATE, /* word(names[0] of selection), or word(selection) */
    NODE_FUNNEL,    /* funnel */
    NODE_SCORE,     /* names[0] */
    NODE_SEGMENT,   /* kids[0]: a string or a parameter */
    NODE_SPLIT,     /* kids[0] a string, kids[1] an integer */
    NODE_BUCKET,    /* kids[0], list */
    NODE_SCALAR,    /* names[0](kids) */
    NODE_LATER,     /* `later`, which is not built yet */
} expr_kind_t;

typedef struct expr_node expr_node_t;
typedef struct expr_selection expr_selection_t;
typedef struct expr_funnel expr_funnel_t;

typedef struct {
    char symbol;
    expr_place_t place;
} expr_operator_t;

struct expr_node {
    expr_kind_t kind;
    expr_place_t place;
    expr_word_t word;
    char symbol;
    bool negated;
    uint32_t n, n_names;
    expr_node_t **kids;
    expr_operator_t *operators; /* ARITHMETIC: operators[i] stands before kids[i + 1] */
    expr_name_t *names;
    const expr_constant_t *constant;
    expr_list_t *list;
    expr_selection_t *selection;
    expr_funnel_t *funnel;
    const char *later;
};

/* `within` D, or `from` and `to`; all NULL: no window. */
typedef struct {
    expr_node_t *within, *from, *to;
} expr_window_t;

struct expr_selection {
    bool any;
    expr_name_t *types;
    uint32_t n_types;
    expr_node_t *where; /* or NULL */
    const char *later;  /* a follow, which is not built yet, or NULL */
    expr_place_t later_place;
    expr_window_t window;
    uint32_t start, end; /* bytes of the text: of a step */
};

struct expr_funnel {
    expr_selection_t *steps;
    uint32_t n_steps;
    const expr_constant_t *within;
    expr_place_t within_place;
    expr_window_t window;
};

/* One expression of a list of them. */
typedef struct {
    expr_node_t *node;   /* NULL: the measure count */
    uint32_t start, end; /* bytes of the text */
    bool descending;     /* ORDER */
    expr_word_t measure; /* COMPUTE */
    double quantile;
    expr_place_t place;
} expr_entry_t;

typedef enum {
    TEXT_FILTER,
    TEXT_EXPRESSION,
    TEXT_FIELDS,
    TEXT_ORDER,
    TEXT_COMPUTE,
    TEXT_SELECTION,
    TEXT_STEPS,
    TEXT_WINDOW,
    TEXT_DURATION,
} expr_text_t;

typedef struct {
    expr_node_t *root;     /* FILTER (NULL: everyone), EXPRESSION */
    expr_entry_t *entries; /* FIELDS, ORDER, COMPUTE: none for a blank text */
    uint32_t n_entries;
    expr_selection_t *steps; /* SELECTION: one; STEPS */
    uint32_t n_steps;
    expr_window_t window;            /* WINDOW */
    const expr_constant_t *duration; /* DURATION */
    expr_place_t duration_place;
    expr_name_t *segments; /* named in segment('...'), in order, with repeats */
    uint32_t n_segments;
    const char *later; /* the first part of the text that is not built yet, or NULL */
    expr_place_t later_place;
} expr_tree_t;

/* Parses a whole text. False after a failure. Parts of the language that are not built yet parse; the compiler refuses
 * them where it meets them, so that an error of grammar anywhere in the text comes first. */
bool rv_expr_parse(rv_arena_t *arena, expr_report_t *report, expr_text_t kind, const char *text, expr_tree_t *ret);

#endif

// ast.h - tokens and the syntax tree, between the files lex.c, parse*.c, check.c and eval*.c of the model.
//
// A node keeps what the grammar says; check.c fills the fields marked "checked". Everything is in the caller's arena.
#ifndef RVM_AST_H
#define RVM_AST_H

#include "model.h"

typedef enum rvm_token_kind {
    RVM_TOK_END,
    RVM_TOK_NAME,   // a bare word: a keyword where the grammar expects one
    RVM_TOK_QUOTED, // a name in backquotes: never a keyword
    RVM_TOK_PARAM,
    RVM_TOK_STRING,
    RVM_TOK_WHOLE,    // digits
    RVM_TOK_FRACTION, // digits.digits
    RVM_TOK_DATE,
    RVM_TOK_TIMESTAMP,
    RVM_TOK_SYMBOL,
} rvm_token_kind_t;

typedef struct rvm_token {
    rvm_token_kind_t kind;
    const char *text;  // name, string contents, digits or symbol
    rvm_value_t value; // of a number, date or timestamp
    bool reserved;     // NAME only
    int line, column;
} rvm_token_t;

typedef enum rvm_node_kind {
    RVM_NODE_OR,
    RVM_NODE_AND,
    RVM_NODE_NOT,
    RVM_NODE_COMPARE, // op
    RVM_NODE_IN,      // kid[0] in literals kid[1..], or in the parameter kid[1]
    RVM_NODE_BETWEEN,
    RVM_NODE_TEXT, // op: contains, starts, ends, like, matches
    RVM_NODE_IS_SET,
    RVM_NODE_ARITH, // op: + - * /
    RVM_NODE_NEGATE,
    RVM_NODE_AT, // kid[0] at the instant kid[1]
    RVM_NODE_LITERAL,
    RVM_NODE_NOW,
    RVM_NODE_OFFSET, // now plus the duration `value`
    RVM_NODE_PARAM,
    RVM_NODE_PATH, // name, or name.member
    RVM_NODE_AGGREGATE,
    RVM_NODE_FUNNEL,
    RVM_NODE_SCORE,
    RVM_NODE_SEGMENT, // name, or the parameter kid[0]
    RVM_NODE_SPLIT,   // name is the salt, value the number
    RVM_NODE_BUCKET,  // kid[0], edges kid[1..]
    RVM_NODE_SCALAR,  // name
    RVM_NODE_LATER,   // grammatical, not in this version: name says what
} rvm_node_kind_t;

typedef enum rvm_aggregate {
    RVM_AGG_COUNT,
    RVM_AGG_EXISTS,
    RVM_AGG_FIRST,
    RVM_AGG_LAST,
    RVM_AGG_RECENCY,
    RVM_AGG_CADENCE,
    RVM_AGG_SUM,
    RVM_AGG_MIN,
    RVM_AGG_MAX,
    RVM_AGG_AVG,
    RVM_AGG_DISTINCT,
    RVM_AGG_QUANTILE, // over contacts only
} rvm_aggregate_t;

typedef enum rvm_reference {
    RVM_REF_ATTRIBUTE, // of the contact, by index
    RVM_REF_KEY,       // of the contact
    RVM_REF_COMPANY,   // attribute of the company, by index
    RVM_REF_COMPANY_KEY,
    RVM_REF_PROPERTY, // of the event, by index
    RVM_REF_EVENT,    // built-in field of the event, by rvm_event_field_t
} rvm_reference_t;

typedef enum rvm_event_field {
    RVM_FIELD_TYPE,
    RVM_FIELD_CHANNEL,
    RVM_FIELD_AT,
    RVM_FIELD_DAY,
    RVM_FIELD_WEEK,
    RVM_FIELD_MONTH, // not in this version
    RVM_FIELD_HOUR,
    RVM_FIELD_WEEKDAY,
    RVM_FIELD_SOURCE,
    RVM_FIELD_ID,
} rvm_event_field_t;

typedef struct rvm_node rvm_node_t;

typedef enum rvm_window_kind { RVM_WINDOW_NONE, RVM_WINDOW_WITHIN, RVM_WINDOW_RANGE } rvm_window_kind_t;

typedef struct rvm_window {
    rvm_window_kind_t kind;
    rvm_node_t *within;    // WITHIN: a duration literal or a parameter
    rvm_node_t *from, *to; // RANGE: either may be NULL, not both
} rvm_window_t;

typedef struct rvm_selection { // a step is a selection without window
    bool any;
    const rvm_token_t **names;
    int n_names;
    rvm_node_t *where;
    bool follow; // "followed by": parsed, then refused
    rvm_window_t window;
    uint64_t types; // checked
} rvm_selection_t;

typedef struct rvm_steps {
    rvm_selection_t **step;
    int n;
} rvm_steps_t;

struct rvm_node {
    rvm_node_kind_t kind;
    int line, column;
    char op; // COMPARE: = ! < l > g (l is <=, g is >=); TEXT: first letter; ARITH
    bool negated;
    bool calendar; // a duration of months, quarters or years
    rvm_node_t **kid;
    int n;
    const char *name, *member;
    rvm_value_t value;
    rvm_aggregate_t aggregate;
    const rvm_token_t *field; // of an aggregate "f of SEL", else NULL
    rvm_selection_t *selection;
    rvm_steps_t steps;   // FUNNEL
    rvm_window_t window; // FUNNEL
    // checked:
    rvm_type_t type;
    int scale;
    rvm_reference_t reference; // PATH, and the field of an AGGREGATE
    int index;                 // of the reference, score model
    const rvm_param_t *param;
};

typedef struct rvm_measure {
    rvm_aggregate_t function;
    rvm_node_t *argument; // NULL: count
    rvm_value_t quantile;
} rvm_measure_t;

typedef struct rvm_ast { // what one text gives
    rvm_node_t **node;   // FILTER: none or one; FIELDS and ORDER: n
    bool *descending;    // ORDER
    int n;
    rvm_measure_t *measure; // COMPUTE: n
    rvm_steps_t steps;      // STEPS: n steps; TYPES: one step
    rvm_window_t window;    // WINDOW
} rvm_ast_t;

// The tokens of a text, the last of which is END; NULL on failure.
rvm_token_t *rvm_lex(rvm_arena_t *arena, const char *text, rvm_error_t *error);
rvm_ast_t *rvm_parse(rvm_arena_t *arena, rvm_text_kind_t kind, const char *text, rvm_error_t *error);
// Parse, resolve names, check types. NULL on failure.
rvm_ast_t *rvm_prepare(rvm_arena_t *arena, const rvm_world_t *world, rvm_text_kind_t kind, const char *text,
                       rvm_error_t *error);
void rvm_fail(rvm_error_t *error, rvm_status_t status, int line, int column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

// ---- evaluation of one contact (eval.c, events.c) -----------------------------------------------------------------

typedef struct rvm_context {
    rvm_arena_t *arena;
    const rvm_world_t *world;
    const rvm_contact_t *contact;
    int64_t now;              // T, or the instant of the innermost `at`
    int64_t seen;             // no event later than this is seen: the least T on the way in
    const rvm_event_t *event; // inside `where`
    bool *overflow;
} rvm_context_t;

rvm_value_t rvm_eval(const rvm_context_t *c, const rvm_node_t *node);
bool rvm_true(const rvm_context_t *c, const rvm_node_t *node); // a missing boolean is false
bool rvm_in_population(const rvm_world_t *world, const rvm_contact_t *contact, int64_t instant);
rvm_value_t rvm_event_value(const rvm_event_t *event, const rvm_schema_t *schema, rvm_reference_t reference, int index);
bool rvm_selects(const rvm_context_t *c, const rvm_selection_t *selection, const rvm_event_t *event);
rvm_value_t rvm_eval_aggregate(const rvm_context_t *c, const rvm_node_t *node);
rvm_value_t rvm_eval_score(const rvm_context_t *c, const rvm_score_model_t *model);
rvm_value_t rvm_eval_funnel(const rvm_context_t *c, const rvm_steps_t *steps, int64_t within,
                            const rvm_window_t *window);

#endif

// gen_internal.h - between gen_data.c (schema, operations), gen_text.c (expressions) and gen_query.c (requests).
#ifndef RVM_GEN_INTERNAL_H
#define RVM_GEN_INTERNAL_H

#include "gen.h"

#define RVM_GEN_NOW INT64_C(1717200000000) // 2024-06-01T00:00:00Z: most instants are near it
#define RVM_GEN_DAY INT64_C(86400000)

typedef struct rvm_gen {
    rvm_case_t *one;
    rvm_arena_t *arena;
    uint64_t state;
    rvm_gen_options_t options;
    int64_t as_of;
    bool in_where;   // names are of the event
    int in_at;       // no attributes
    bool no_score;   // while segments are written
    bool uses_score; // set when a score was written
    bool safe[8];    // segment i names no attribute
} rvm_gen_t;

// ---- chance -------------------------------------------------------------------------------------------------------
uint64_t rvm_gen_bits(rvm_gen_t *g);
int rvm_gen_below(rvm_gen_t *g, int n); // 0 .. n - 1
bool rvm_gen_chance(rvm_gen_t *g, int percent);
bool rvm_gen_has(const rvm_gen_t *g, unsigned feature);

// ---- gen_data.c ---------------------------------------------------------------------------------------------------
void rvm_gen_schema(rvm_gen_t *g);
void rvm_gen_operations(rvm_gen_t *g);
rvm_value_t rvm_gen_value(rvm_gen_t *g,
                          const rvm_field_t *field); // from small pools, so that values meet; may be missing
int64_t rvm_gen_instant(rvm_gen_t *g);

// ---- gen_text.c: an expression as text, with how tightly it binds -------------------------------------------------
typedef enum rvm_level {
    LEVEL_PRIMARY,
    LEVEL_SHIFTED,
    LEVEL_PRODUCT,
    LEVEL_SUM,
    LEVEL_TEST,
    LEVEL_NOT,
    LEVEL_AND,
    LEVEL_OR
} rvm_level_t;

typedef struct rvm_text {
    const char *text;
    rvm_level_t level;
    rvm_value_t sample; // a value that it has for some contact or event; missing when none was found
} rvm_text_t;

rvm_text_t rvm_gen_bool(rvm_gen_t *g, int depth);
rvm_text_t rvm_gen_number(rvm_gen_t *g, int depth);
rvm_text_t rvm_gen_time(rvm_gen_t *g, int depth); // time or date
rvm_text_t rvm_gen_duration(rvm_gen_t *g, int depth);
rvm_text_t rvm_gen_string(rvm_gen_t *g, int depth);
rvm_text_t rvm_gen_score(rvm_gen_t *g);                                   // needs a score model
const char *rvm_gen_up_to(rvm_gen_t *g, rvm_text_t e, rvm_level_t level); // in parentheses when it binds less tightly

// ---- gen_select.c: what stands inside calls -----------------------------------------------------------------------
const char *rvm_gen_types(rvm_gen_t *g);
const char *rvm_gen_selection(rvm_gen_t *g, int depth);
const char *rvm_gen_steps(rvm_gen_t *g, int depth);
const char *rvm_gen_window(rvm_gen_t *g, int depth); // "" for none
const char *rvm_gen_point(rvm_gen_t *g, int depth);  // an instant, as after at, from, to
const char *rvm_gen_length(rvm_gen_t *g);            // a duration literal
rvm_text_t rvm_gen_leaf(rvm_gen_t *g, rvm_type_t type,
                        int depth); // a name or a call of the type; text NULL: there is none

// ---- gen_literal.c ------------------------------------------------------------------------------------------------
const char *rvm_gen_literal(rvm_gen_t *g, const rvm_value_t *value); // of the value, or close to it
const char *rvm_gen_quote(rvm_gen_t *g, const char *s);
const char *rvm_gen_name(rvm_gen_t *g, const char *name); // in backquotes when it must be, and sometimes without need
const char *rvm_gen_word(rvm_gen_t *g, const char *word); // in some case
rvm_value_t rvm_gen_sample(rvm_gen_t *g, const char *expression);
const rvm_param_t *rvm_gen_param(rvm_gen_t *g, rvm_type_t type, bool list); // NULL: there is none

// ---- gen_query.c --------------------------------------------------------------------------------------------------
void rvm_gen_params(rvm_gen_t *g);
void rvm_gen_segments(rvm_gen_t *g);
void rvm_gen_queries(rvm_gen_t *g);

#endif

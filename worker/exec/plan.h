/* plan.h: a job: the checked program prepared for running over chunks. Private to exec/. Immutable after rvw_job_new,
 * but for `stop`, `memory` and `large`.
 *
 * Words. An expression is a set of roots with the nodes below them in order. A pass is one walk over the events of some
 * types that fills values of aggregate nodes for all rows of a chunk. The level of a node is the number of passes that
 * must have run, one after the other, before it can be evaluated.
 */
#ifndef REVEILLE_WORKER_PLAN_H
#define REVEILLE_WORKER_PLAN_H

#include <stdatomic.h>

#include "decay.h"
#include "exec.h"
#include "reveille/agg.h"
#include "reveille/expr.h"
#include "reveille/num.h"

#define RVW_OP(name) REVEILLE__V1__OP__OP_##name
typedef Reveille__V1__Op rvw_op_t;
#define RVW_NO_NODE UINT32_MAX
#define RVW_TRY(call)                                                                                                  \
    do {                                                                                                               \
        rv_status_t try_ = (call);                                                                                     \
        if (try_ != RV_OK)                                                                                             \
            return try_;                                                                                               \
    } while (0)

/* How values of a vector lie in memory. A DECIMAL is WIDE, or INT where 64 bits are known to do. */
typedef enum { RVW_KIND_BOOL, RVW_KIND_INT, RVW_KIND_WIDE, RVW_KIND_DOUBLE, RVW_KIND_STRING } rvw_lane_t;
/* BOOL uint8_t 0 or 1; INT int64_t; WIDE rv_i128_t; DOUBLE double; STRING rv_str_t. */
size_t rvw_kind_size(rvw_lane_t kind);
rvw_lane_t rvw_kind_of(rv_type_t type);

enum { RVW_DOMAIN_CONST = 0, RVW_DOMAIN_ROW = 1, RVW_DOMAIN_EVENT = 2 };

/* An exact number. */
typedef struct {
    bool is_double;
    double d;
    rv_i128_t c;
    unsigned scale;
} rvw_number_t;
int rvw_number_compare(const rvw_number_t *a, const rvw_number_t *b);

/* A comparison with a constant as membership of a closed range: in the variable's own integers, or in doubles. */
typedef struct {
    bool use;
    uint8_t variable; /* which argument is not constant */
    bool negate;      /* present and outside */
    rv_i128_t lo, hi; /* empty when lo > hi */
    double dlo, dhi;
} rvw_range_t;

/* Constants of IN and BUCKET. Of the arrays one is filled, as the kind of args[0] says: WIDE for both kinds of DECIMAL.
 */
typedef struct {
    size_t n;
    int64_t *ints;         /* sorted; IN: equal values; BUCKET: least integers that reach the edge */
    rv_i128_t *wides;      /* likewise */
    rvw_number_t *numbers; /* sorted, for DOUBLE */
    rv_str_t *strings;     /* sorted */
    uint32_t *slots;       /* IN over long lists of strings: hash slots, 1 + index */
    size_t slot_mask;
} rvw_constants_t;

typedef struct {
    rvw_op_t op;
    rv_type_t type;
    rvw_lane_t kind;
    uint8_t domain;
    bool can_fail; /* may fail the request by itself */
    bool used;     /* something of the request needs it */
    uint16_t bits; /* |value| <= 2^bits, INT-like and DECIMAL */
    uint32_t scale, ref, level;
    uint32_t n_args;
    const uint32_t *args;
    const Reveille__V1__Node *message;
    rvw_range_t range;
    rvw_constants_t list;
    rv_str_t text;    /* constant string of text tests and SPLIT */
    uint32_t pass;    /* aggregate nodes: their pass */
    rv_value_t value; /* CONST nodes */
} rvw_node_t;

/* Nodes to evaluate for some roots, rising. ROW: without constants; aggregates are leaves. EVENT: constants left out,
 * ROW nodes are leaves. */
typedef struct {
    uint8_t domain;
    bool can_fail;
    uint32_t n, n_roots;
    uint32_t *nodes, *roots;
} rvw_expr_t;

typedef struct {
    uint32_t lo, hi, until; /* 1 + node; 0 none */
    bool lo_in, hi_in, until_in;
} rvw_bounds_t;

/* What a pass gathers about one EVENT node. */
typedef struct {
    uint32_t arg;
    rvw_expr_t expr;
    uint32_t sum, avg, min, max, distinct, first, last; /* aggregate nodes, or RVW_NO_NODE */
} rvw_gather_t;

typedef enum { RVW_PASS_SELECTION, RVW_PASS_FUNNEL, RVW_PASS_SCORE, RVW_PASS_RETENTION } rvw_pass_kind_t;

typedef struct {
    const uint32_t *types;
    size_t n_types;
    uint32_t where; /* 1 + node */
    rvw_expr_t expr;
} rvw_step_t;

typedef struct {
    uint32_t type;
    rvw_weight_t weight;
} rvw_points_t;

typedef struct {
    rvw_pass_kind_t kind;
    uint32_t level;
    bool can_fail; /* a node that it evaluates, or its result, may fail the request */
    rvw_bounds_t bounds;
    uint32_t n_inputs; /* ROW nodes that it needs for all rows, rising */
    uint32_t *inputs;
    rvw_expr_t input_expr; /* the nodes below them */
    uint32_t n_steps;      /* SELECTION and RETENTION: one */
    rvw_step_t *steps;
    /* SELECTION */
    uint32_t count, exists, first_time, last_time; /* aggregate nodes, or RVW_NO_NODE */
    uint32_t n_gathers;
    rvw_gather_t *gathers;
    rvw_expr_t values; /* the arguments that every event gives (not only the first or last) */
    /* FUNNEL */
    int64_t within_ms;
    /* FUNNEL, SCORE: the node. */
    uint32_t node;
    /* SCORE */
    uint32_t score; /* number of the model in the program */
    size_t n_points;
    rvw_points_t *points;
    uint32_t instant;
    uint32_t counted; /* node of the explanation */
} rvw_pass_t;

/* A root to evaluate for rows, and the passes before it (rising level). */
typedef struct {
    uint32_t root; /* or RVW_NO_NODE */
    rvw_expr_t expr;
    uint32_t n_passes;
    uint32_t *passes;
    uint64_t cost;
    uint32_t counted; /* node of the explanation */
} rvw_stage_t;

/* Conjuncts of a condition, cheapest first. */
typedef struct {
    uint32_t n;
    rvw_stage_t *stages;
} rvw_conjuncts_t;

typedef struct {
    uint32_t node;
    bool descending;
} rvw_order_t;

/* A node of an explanation: a pass, or a stage, or the whole task. */
typedef struct {
    Reveille__V1__ExplainKind kind;
    rvw_pass_t *pass;
    rvw_stage_t *stage;
} rvw_counted_t;

struct rvw_job {
    const Reveille__V1__QueryRequest *request;
    const Reveille__V1__Program *program;
    const rv_catalog_t *catalog;
    rv_arena_t arena;
    uint64_t serial; /* no two jobs of a process have the same */
    atomic_bool stop;
    atomic_size_t memory; /* bytes that partials hold */
    atomic_bool large;    /* they held much at some time */
    uint32_t n_nodes;
    rvw_node_t *nodes;
    uint32_t n_passes;
    rvw_pass_t *passes;
    _Atomic(rvw_decay_t *) *decays; /* RVW_DECAY_UNITS a score of the program, made when they are first needed */
    uint32_t n_slots;               /* event types that occur, each once */
    uint32_t *slot_types;
#define RVW_MARKS 3u
    uint8_t *marks[RVW_MARKS]; /* a byte a node, while planning */
    rvw_stage_t population;    /* root RVW_NO_NODE: everyone */
    rvw_stage_t must;          /* nodes and passes that may fail: for everyone of the population */
    rvw_conjuncts_t filter;
    rvw_stage_t sink; /* order, groups, start: what every row of the answer needs */
    /* ROWS */
    uint32_t n_order, n_fields;
    rvw_order_t *order;
    const uint32_t *fields;
    rvw_stage_t fields_stage; /* what rows that are kept need */
    /* GROUPS */
    size_t n_by, n_measures;
    const uint32_t *by;
    rv_measure_t *measures;
    size_t *measure_at; /* offset of each state in a group's states; [n_measures] is their size */
    /* OVERLAP */
    uint32_t n_overlap;
    rvw_conjuncts_t *overlap;
    /* RETENTION */
    uint32_t retention_pass;
    /* With `explain`: what is counted apart, in the order of the plan. */
    uint32_t n_counted;
    rvw_counted_t *counted;
};

/* The pieces of planning, in order. */
rv_status_t rvw_plan_nodes(rvw_job_t *job, rv_error_t *err); /* plan_nodes.c: kinds, bits, lists */
/* plan_values.c: values of CONST nodes, ranges */
rv_status_t rvw_plan_constants(rvw_job_t *job, rvw_scratch_t *scratch, rv_error_t *err);
rv_status_t rvw_plan_passes(rvw_job_t *job, rv_error_t *err); /* plan_pass.c: levels, passes */
rv_status_t rvw_plan_stages(rvw_job_t *job, rv_error_t *err); /* plan_stage.c: population, conditions, sink */

/* Lists of IN and BUCKET, and ranges of comparisons (plan_values.c). */
rv_status_t rvw_plan_list(rvw_job_t *job, rvw_node_t *node, rv_error_t *err);
bool rvw_number_of(rv_type_t type, unsigned scale, const rv_value_t *value, rvw_number_t *ret);
/* Greatest c with c / 10^scale <= number, saturated; *ret_exact: equal. */
rv_i128_t rvw_number_floor(const rvw_number_t *number, unsigned scale, bool *ret_exact);

/* The expression of some roots (1 + node each, 0 skipped) in a domain; plan_stage.c. */
rv_status_t rvw_plan_expr(rvw_job_t *job, uint8_t domain, const uint32_t *roots, size_t n, rvw_expr_t *ret,
                          rv_error_t *err);
/* A stage of some roots: their ROW expression and the passes before it. */
rv_status_t rvw_plan_stage(rvw_job_t *job, const uint32_t *roots, size_t n, rvw_stage_t *ret, rv_error_t *err);
rv_status_t rvw_plan_sink(rvw_job_t *job, rv_error_t *err); /* plan_sink.c */
/* Numbers stages and passes for counting, when the request has `explain`; explain.c. */
rv_status_t rvw_plan_explain(rvw_job_t *job, rv_error_t *err);

/* A node over the events of a row. */
static inline bool rvw_is_aggregate(rvw_op_t op) {
    return op >= RVW_OP(COUNT) && op <= RVW_OP(SCORE);
}
/* BOOL and never missing. */
static inline bool rvw_is_condition(rvw_op_t op) {
    return (op >= RVW_OP(TRUTH) && op <= RVW_OP(IS_SET)) || (op >= RVW_OP(EQ) && op <= RVW_OP(LIKE)) ||
           op == RVW_OP(EXISTS);
}
static inline bool rvw_job_stopped(const rvw_job_t *job) {
    return atomic_load_explicit(&job->stop, memory_order_relaxed);
}
/* Tables for a score of the program, by index of their unit; NULL without memory. */
const rvw_decay_t *rvw_job_decay(const rvw_job_t *job, uint32_t score, unsigned unit);
/* Counts memory of a partial: RESOURCE_EXHAUSTED/QUOTA past RV_MAX_QUERY_MEMORY, RESOURCE_EXHAUSTED/BUSY when all jobs
 * are past RV_MAX_RESULT_MEMORY. */
rv_status_t rvw_job_charge(const rvw_job_t *job, size_t bytes, rv_error_t *err);
void rvw_job_discharge(const rvw_job_t *job, size_t bytes);

#endif

// gen.h - random worlds and requests from a seed, for the comparison of the engine with the model.
//
// A case is a schema, operations in their order of arrival, saved segments, parameters, an instant and requests as
// text. The same seed and options give the same case, on every machine. Everything belongs to the case's arena.
#ifndef RVM_GEN_H
#define RVM_GEN_H

#include "model.h"

// What the texts and operations may contain beside the core; a bit that is off removes the feature, for an engine that
// does not have it yet.
enum {
    RVM_GEN_AT = 1 << 0,         // ... at ...
    RVM_GEN_SCORE = 1 << 1,      // score(...)
    RVM_GEN_FUNNEL = 1 << 2,     // funnel(...)
    RVM_GEN_SEGMENT = 1 << 3,    // segment('...')
    RVM_GEN_SPLIT = 1 << 4,      // split('...', n)
    RVM_GEN_PARAM = 1 << 5,      // $name
    RVM_GEN_INSTANTS = 1 << 6,   // windows whose bounds are instants of the contact
    RVM_GEN_TEXT_ORDER = 1 << 7, // min and max of strings
    RVM_GEN_DELETE = 1 << 8,     // operations ERASE, DELETE_EVENT, DELETE_SOURCE, UNDO_IMPORT
    RVM_GEN_ALL = (1 << 9) - 1,
};

typedef struct rvm_gen_options {
    unsigned features;
    int contacts, events, queries; // about so many, at most
    int depth;                     // of generated conditions
} rvm_gen_options_t;

typedef enum rvm_query_kind {
    RVM_QUERY_COUNT,
    RVM_QUERY_SELECT,
    RVM_QUERY_AGGREGATE,
    RVM_QUERY_OVERLAP,
    RVM_QUERY_FUNNEL,
    RVM_QUERY_RETENTION,
} rvm_query_kind_t;

typedef struct rvm_query {
    rvm_query_kind_t kind;
    int64_t as_of;
    const char *filter;         // all but OVERLAP
    const char *fields, *order; // SELECT; "" when absent
    int limit;                  // SELECT; -1: none
    const char *by, *compute;   // AGGREGATE; by "" when absent
    const char *overlap[4];     // OVERLAP
    int n_overlap;
    const char *steps, *window; // FUNNEL; window "" when absent
    int64_t within;             // FUNNEL, ms
    const char *start, *types;  // RETENTION
    int64_t cohort, period;     // RETENTION, ms
    int periods;                // RETENTION
    bool uses_score;            // a text names a score: compare doubles with a tolerance
} rvm_query_t;

typedef struct rvm_case {
    rvm_arena_t *arena;
    uint64_t seed;
    rvm_schema_t schema;
    rvm_op_t *ops;
    int n_ops;
    rvm_segment_t *segments;
    int n_segments;
    rvm_param_t *params;
    int n_params;
    rvm_query_t *queries;
    int n_queries;
    rvm_data_t *data; // all operations applied
} rvm_case_t;

rvm_case_t *rvm_case_new(uint64_t seed, const rvm_gen_options_t *options); // options NULL: RVM_GEN_ALL, middle sizes
void rvm_case_destroy(rvm_case_t **one);
rvm_world_t rvm_case_world(const rvm_case_t *one, const rvm_data_t *data, int64_t as_of);

// The answer of the model to a query: count gives a table of one cell. RVM_OVERFLOW is a legitimate answer.
rvm_status_t rvm_query_run(rvm_arena_t *arena, const rvm_world_t *world, const rvm_query_t *query, rvm_table_t *ret,
                           rvm_error_t *error);

void rvm_schema_print(FILE *out, const rvm_schema_t *schema); // as the YAML that `schema apply` takes
void rvm_query_print(FILE *out, const rvm_query_t *query);
void rvm_table_print(FILE *out, const rvm_table_t *table);
void rvm_case_print(FILE *out, const rvm_case_t *one); // everything, to replay a failure by hand

#endif

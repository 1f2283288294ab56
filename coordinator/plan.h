/* plan.h: the text of a read request becomes a compiled query for workers and the shape of the answer.
 *
 * A plan owns everything that it points to and borrows nothing of the request. Errors are those of expr.h, and
 * INVALID_ARGUMENT/FIELD or LIMIT for the numbers of the request. Pure: T and the clock come from the caller.
 */
#ifndef REVEILLE_COORDINATOR_PLAN_H
#define REVEILLE_COORDINATOR_PLAN_H

#include "reveille/agg.h"
#include "reveille/expr.h"
#include "reveille/v1/segment.pb-c.h"

typedef enum {
    RVC_PLAN_COUNT,
    RVC_PLAN_SELECT,
    RVC_PLAN_AGGREGATE,
    RVC_PLAN_FUNNEL,
    RVC_PLAN_RETENTION,
    RVC_PLAN_OVERLAP
} rvc_plan_kind_t;

/* A column of the answer. */
typedef struct {
    const char *name;
    rv_type_t type;
    unsigned scale;
} rvc_output_t;

typedef struct {
    rvc_plan_kind_t kind;
    rv_arena_t arena;
    rv_catalog_t *catalog;
    rv_builder_t *builder;
    Reveille__V1__QueryRequest query; /* without partitions and term */
    int64_t as_of_ms;
    bool allow_partial, before_kept;
    int64_t plan_ns; /* how long planning took; only measured with `query.explain` */
    const char *const *current_attributes;
    size_t n_current_attributes;
    uint64_t limit; /* of SELECT; 0: none */

    rvc_output_t *outputs; /* SELECT: fields; AGGREGATE: groups, then measures */
    size_t n_outputs, n_by;
    rv_measure_t *measures; /* AGGREGATE, FUNNEL */
    size_t n_measures;
    const char **names; /* FUNNEL: steps; OVERLAP: segments */
    size_t n_names;
    int64_t cohort_ms; /* RETENTION */
    uint32_t periods;
} rvc_plan_t;

/* What plans need to know: borrowed but for the catalog, which the plan keeps a reference of. */
typedef struct {
    rv_catalog_t *catalog;
    int64_t wall_ms;
} rvc_plan_context_t;

rv_status_t rvc_plan_count(const rvc_plan_context_t *context, const Reveille__V1__CountRequest *request,
                           rvc_plan_t **ret, rv_error_t *err);
rv_status_t rvc_plan_select(const rvc_plan_context_t *context, const Reveille__V1__SelectRequest *request,
                            rvc_plan_t **ret, rv_error_t *err);
rv_status_t rvc_plan_aggregate(const rvc_plan_context_t *context, const Reveille__V1__AggregateRequest *request,
                               rvc_plan_t **ret, rv_error_t *err);
rv_status_t rvc_plan_funnel(const rvc_plan_context_t *context, const Reveille__V1__FunnelRequest *request,
                            rvc_plan_t **ret, rv_error_t *err);
rv_status_t rvc_plan_retention(const rvc_plan_context_t *context, const Reveille__V1__RetentionRequest *request,
                               rvc_plan_t **ret, rv_error_t *err);
rv_status_t rvc_plan_overlap(const rvc_plan_context_t *context, const Reveille__V1__OverlapRequest *request,
                             rvc_plan_t **ret, rv_error_t *err);
void rvc_plan_destroy(rvc_plan_t **plan);

/* T of a read: as asked, or the clock. */
int64_t rvc_as_of(const Reveille__V1__ReadOptions *options, int64_t wall_ms);
/* FAILED_PRECONDITION/SCHEMA while no schema was ever applied. */
rv_status_t rvc_need_schema(const rv_catalog_t *catalog, rv_error_t *err);

#endif

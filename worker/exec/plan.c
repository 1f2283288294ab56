/* plan.c: makes and destroys jobs.
 *
 * Everything that a job needs is computed once in rvw_job_new, in its arena, and only read afterwards, by any number of
 * threads; the stop flag, the count of memory and tables made late are atomic. Failure: the request is refused with its
 * reason before any row is read.
 */
#include "plan.h"

#include <malloc.h>
#include <stdlib.h>

#include "reveille/limits.h"

#define PLAN_BUDGET ((size_t)64 << 20)

#define TRIM_BYTES ((size_t)64 << 20) /* a result that was larger goes back to the system */

static atomic_uint_fast64_t serials;
static atomic_size_t charged; /* of all jobs */

size_t rvw_kind_size(rvw_lane_t kind) {
    switch (kind) {
    case RVW_KIND_BOOL:
        return 1;
    case RVW_KIND_STRING:
        return sizeof(rv_str_t);
    case RVW_KIND_WIDE:
        return sizeof(rv_i128_t);
    case RVW_KIND_INT:
    case RVW_KIND_DOUBLE:
        break;
    }
    return 8;
}

rvw_lane_t rvw_kind_of(rv_type_t type) {
    switch (type) {
    case RV_STRING:
    case RV_SET:
    case RV_COMPANY:
        return RVW_KIND_STRING;
    case RV_DOUBLE:
        return RVW_KIND_DOUBLE;
    case RV_DECIMAL:
        return RVW_KIND_WIDE;
    case RV_BOOL:
        return RVW_KIND_BOOL;
    default:
        return RVW_KIND_INT;
    }
}

rv_status_t rvw_job_new(const Reveille__V1__QueryRequest *request, const rv_catalog_t *catalog, rvw_scratch_t *scratch,
                        rvw_job_t **ret, rv_error_t *err) {
    if (!request->program)
        return rv_fail(err, RV_REASON_REQUEST, "the query has no program");
    rv_status_t status = rv_program_check(request->program, catalog, err);
    if (status != RV_OK)
        return status;
    rvw_job_t *job = calloc(1, sizeof *job);
    if (!job)
        return rv_fail_memory(err, "a query");
    job->request = request;
    job->program = request->program;
    job->catalog = catalog;
    job->serial = atomic_fetch_add(&serials, 1) + 1;
    job->n_nodes = (uint32_t)request->program->n_nodes;
    rv_arena_init(&job->arena, PLAN_BUDGET);
    status = rvw_plan_nodes(job, err);
    if (status == RV_OK)
        status = rvw_plan_constants(job, scratch, err);
    if (status == RV_OK)
        status = rvw_plan_passes(job, err);
    if (status == RV_OK)
        status = rvw_plan_stages(job, err);
    if (status == RV_OK && request->explain)
        status = rvw_plan_explain(job, err);
    if (status != RV_OK) {
        rvw_job_destroy(&job);
        return status;
    }
    *ret = job;
    return RV_OK;
}

void rvw_job_destroy(rvw_job_t **job) {
    if (!job || !*job)
        return;
    for (size_t i = 0; (*job)->decays && i < (*job)->program->n_scores * RVW_DECAY_UNITS; i++)
        free(atomic_load(&(*job)->decays[i]));
    rv_arena_done(&(*job)->arena);
    rvw_job_discharge(*job, atomic_load(&(*job)->memory));
    bool large = atomic_load(&(*job)->large);
    free(*job);
    *job = NULL;
    if (large) /* malloc would keep the pieces of every thread for ever */
        malloc_trim(0);
}

const rvw_decay_t *rvw_job_decay(const rvw_job_t *job, uint32_t score, unsigned unit) {
    _Atomic(rvw_decay_t *) *place = &job->decays[(size_t)score * RVW_DECAY_UNITS + unit];
    rvw_decay_t *decay = atomic_load_explicit(place, memory_order_acquire);
    if (decay)
        return decay;
    rvw_decay_t *made = rvw_decay_new(job->program->scores[score]->half_life_ms, rvw_decay_unit(unit));
    if (made && !atomic_compare_exchange_strong(place, &decay, made)) {
        free(made); /* another thread was first */
        return decay;
    }
    return made;
}

void rvw_job_stop(rvw_job_t *job) {
    atomic_store_explicit(&job->stop, true, memory_order_relaxed);
}

/* Moves the count of one query and that of all. */
static void charge(const rvw_job_t *job, size_t bytes) {
    size_t now = atomic_fetch_add_explicit((atomic_size_t *)&job->memory, bytes, memory_order_relaxed) + bytes;
    atomic_fetch_add_explicit(&charged, bytes, memory_order_relaxed);
    if (now > TRIM_BYTES)
        atomic_store_explicit((atomic_bool *)&job->large, true, memory_order_relaxed);
}

void rvw_job_discharge(const rvw_job_t *job, size_t bytes) {
    atomic_fetch_sub_explicit((atomic_size_t *)&job->memory, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&charged, bytes, memory_order_relaxed);
}

rv_status_t rvw_job_charge(const rvw_job_t *job, size_t bytes, rv_error_t *err) {
    charge(job, bytes);
    bool alone = atomic_load_explicit(&job->memory, memory_order_relaxed) <= RV_MAX_QUERY_MEMORY;
    if (alone && atomic_load_explicit(&charged, memory_order_relaxed) <= RV_MAX_RESULT_MEMORY)
        return RV_OK;
    rvw_job_discharge(job, bytes);
    if (!alone)
        return rv_fail(err, RV_REASON_QUOTA,
                       "the result of the query needs more than %u MiB in one worker; narrow the filter or set a limit",
                       RV_MAX_QUERY_MEMORY >> 20);
    rv_fail(err, RV_REASON_BUSY, "the results of all queries need more than %u MiB in one worker",
            RV_MAX_RESULT_MEMORY >> 20);
    if (err)
        err->retry_after_ms = 500;
    return RV_RESOURCE_EXHAUSTED;
}

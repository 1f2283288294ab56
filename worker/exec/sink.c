/* sink.c: partials: what a thread has gathered for one job, whatever the sink.
 *
 * The sinks proper are in sink_*.c; here are life, dispatch and messages without content. Failure: QUOTA.
 */
#include "sink.h"

#include <stdlib.h>
#include <string.h>

#define SINK(name) REVEILLE__V1__QUERY_REQUEST__SINK_##name

rv_status_t rvw_partial_new(const rvw_job_t *job, rvw_partial_t **ret, rv_error_t *err) {
    rvw_partial_t *partial = calloc(1, sizeof *partial);
    if (!partial)
        return rv_fail_memory(err, "the result of a query");
    partial->job = job;
    if (job->n_overlap) {
        partial->overlap = calloc((size_t)job->n_overlap * job->n_overlap, sizeof *partial->overlap);
        if (!partial->overlap) {
            free(partial);
            return rv_fail_memory(err, "the result of a query");
        }
    }
    partial->meter = rvw_job_counts(job) ? calloc(1, sizeof *partial->meter) : NULL;
    if (rvw_job_counts(job) && !partial->meter) {
        rvw_partial_destroy(&partial);
        return rv_fail_memory(err, "the result of a query");
    }
    *ret = partial;
    return RV_OK;
}

void rvw_partial_destroy(rvw_partial_t **partial) {
    if (!partial || !*partial)
        return;
    rvw_partial_t *p = *partial;
    free(p->rows.rows);
    rvw_bytes_done(p->job, &p->rows.store);
    rv_bytes_done(&p->rows.scratch);
    rv_bytes_done(&p->rows.row);
    rvw_groups_done(p->job, &p->groups);
    free(p->cohorts.cohorts);
    free(p->cohorts.slots);
    rvw_bytes_done(p->job, &p->cohorts.store);
    free(p->overlap);
    free(p->meter);
    rvw_job_discharge(p->job, p->charged);
    free(p);
    *partial = NULL;
}

rv_status_t rvw_grow(rvw_partial_t *partial, void *ret_array, size_t n, size_t *cap, size_t size, rv_error_t *err) {
    if (n < *cap)
        return RV_OK;
    size_t bigger = *cap ? *cap * 2 : 64;
    void *array;
    RVW_TRY(rvw_job_charge(partial->job, (bigger - *cap) * size, err));
    memcpy(&array, ret_array, sizeof array);
    void *grown = realloc(array, bigger * size);
    if (!grown) {
        rvw_job_discharge(partial->job, (bigger - *cap) * size);
        return rv_fail_memory(err, "the result of a query");
    }
    partial->charged += (bigger - *cap) * size;
    *cap = bigger;
    memcpy(ret_array, &grown, sizeof grown);
    return RV_OK;
}

void rvw_vec_value(const rvw_vec_t *v, const rvw_node_t *node, uint32_t i, rv_value_t *ret) {
    *ret = (rv_value_t){.present = !v->present || v->present[i]};
    if (!ret->present)
        return;
    switch (v->kind) {
    case RVW_KIND_BOOL:
        ret->i = ((const uint8_t *)v->data)[i];
        break;
    case RVW_KIND_INT:
        ret->i = ((const int64_t *)v->data)[i];
        if (node->type == RV_DECIMAL)
            ret->wide = ret->i;
        break;
    case RVW_KIND_WIDE:
        ret->wide = ((const rv_i128_t *)v->data)[i];
        break;
    case RVW_KIND_DOUBLE:
        ret->d = ((const double *)v->data)[i];
        break;
    case RVW_KIND_STRING:
        ret->s = ((const rv_str_t *)v->data)[i];
        break;
    }
}

rv_status_t rvw_sink_encode(const rvw_vec_t *v, const rvw_node_t *node, uint32_t i, bool descending, rv_bytes_t *out,
                            rv_error_t *err) {
    rv_value_t value;
    rvw_vec_value(v, node, i, &value);
    return rv_value_encode(node->type, &value, descending, out) ? RV_OK : rv_fail_memory(err, "a result row");
}

rv_status_t rvw_sink_rows(rvw_chunk_t *t, rvw_partial_t *partial, const uint64_t *mask, uint64_t n, rv_error_t *err) {
    partial->count += n;
    switch (t->job->request->sink_case) {
    case SINK(ROWS):
        return rvw_rows_take(t, partial, mask, err);
    case SINK(GROUPS):
        return rvw_groups_take(t, partial, mask, err);
    case SINK(OVERLAP):
        return rvw_overlap_take(t, partial, mask, err);
    case SINK(RETENTION):
        return rvw_retention_take(t, partial, mask, err);
    default:
        return RV_OK;
    }
}

rv_status_t rvw_partial_merge(const rvw_job_t *job, rvw_partial_t *into, rvw_partial_t *from, rv_error_t *err) {
    into->count += from->count;
    from->count = 0;
    for (size_t i = 0; i < (size_t)job->n_overlap * job->n_overlap; i++) {
        into->overlap[i] += from->overlap[i];
        from->overlap[i] = 0;
    }
    switch (job->request->sink_case) {
    case SINK(ROWS):
        return rvw_rows_merge(job, into, from, err);
    case SINK(GROUPS):
        return rvw_groups_merge(job, into, from, err);
    case SINK(RETENTION):
        return rvw_retention_merge(job, into, from, err);
    default:
        return RV_OK;
    }
}

rv_status_t rvw_partial_seal(const rvw_job_t *job, rvw_partial_t *partial, rv_error_t *err) {
    if (partial->sealed)
        return rv_fail(err, RV_REASON_BUG, "a result is sealed twice");
    partial->sealed = true;
    if (job->request->sink_case == SINK(ROWS))
        rvw_rows_seal(partial);
    else if (job->request->sink_case == SINK(GROUPS))
        rvw_groups_seal(partial);
    else if (job->request->sink_case == SINK(RETENTION))
        rvw_retention_seal(partial);
    return RV_OK;
}

static rv_status_t overlap_message(const rvw_job_t *job, const rvw_partial_t *p, rv_arena_t *arena,
                                   Reveille__V1__QueryResponse *response, rv_error_t *err) {
    size_t n = (size_t)job->n_overlap * job->n_overlap;
    Reveille__V1__OverlapPartial *overlap = rv_arena_alloc(arena, sizeof *overlap);
    uint64_t *counts = rv_arena_alloc(arena, n * sizeof *counts);
    if (!overlap || !counts)
        return rv_fail_memory(err, "a message");
    memcpy(counts, p->overlap, n * sizeof *counts);
    reveille__v1__overlap_partial__init(overlap);
    overlap->n_counts = n;
    overlap->counts = counts;
    response->partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_OVERLAP;
    response->overlap = overlap;
    return RV_OK;
}

rv_status_t rvw_partial_next(const rvw_job_t *job, rvw_partial_t *partial, rv_arena_t *arena,
                             Reveille__V1__QueryResponse **ret, bool *ret_last, rv_error_t *err) {
    Reveille__V1__QueryResponse *response = rv_arena_alloc(arena, sizeof *response);
    bool last = true;
    if (!partial->sealed)
        return rv_fail(err, RV_REASON_BUG, "a result is read before it is sealed");
    if (!response)
        return rv_fail_memory(err, "a message");
    reveille__v1__query_response__init(response);
    if (!partial->next) /* the count goes with the first message only */
        response->count = partial->count;
    if (job->request->sink_case == SINK(ROWS))
        RVW_TRY(rvw_rows_next_page(job, partial, arena, response, &last, err));
    else if (job->request->sink_case == SINK(GROUPS))
        RVW_TRY(rvw_groups_next_page(job, partial, arena, response, &last, err));
    else if (job->request->sink_case == SINK(OVERLAP))
        RVW_TRY(overlap_message(job, partial, arena, response, err));
    else if (job->request->sink_case == SINK(RETENTION))
        RVW_TRY(rvw_retention_next_page(job, partial, arena, response, &last, err));
    *ret = response;
    *ret_last = last;
    return RV_OK;
}

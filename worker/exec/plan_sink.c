/* plan_sink.c: checks what a query wants to be made of its rows, and marks the nodes that it uses. The program itself
 * has been checked; here are the numbers and types around it. Failure: INVALID_ARGUMENT/REQUEST or LIMIT.
 */
#include "plan.h"
#include "reveille/limits.h"

static rv_status_t use(rvw_job_t *job, uint32_t node, const char *what, rv_error_t *err) {
    if (node >= job->n_nodes)
        return rv_fail(err, RV_REASON_REQUEST, "%s is node %u, but the program has %u", what, node, job->n_nodes);
    if (job->nodes[node].domain == RVW_DOMAIN_EVENT)
        return rv_fail(err, RV_REASON_REQUEST, "%s is node %u, which is about an event, not about a contact", what,
                       node);
    job->nodes[node].used = true;
    return RV_OK;
}

static rv_status_t use_condition(rvw_job_t *job, uint32_t node, const char *what, rv_error_t *err) {
    RVW_TRY(use(job, node, what, err));
    if (job->nodes[node].type != RV_BOOL)
        return rv_fail(err, RV_REASON_REQUEST, "%s is node %u, which is not a condition", what, node);
    return RV_OK;
}

static rv_status_t plan_rows(rvw_job_t *job, rv_error_t *err) {
    const Reveille__V1__RowsQuery *rows = job->request->rows;
    if (!rows)
        return rv_fail(err, RV_REASON_REQUEST, "the query for rows is empty");
    if (rows->n_fields > RV_MAX_FIELDS || rows->n_order > RV_MAX_FIELDS)
        return rv_fail(err, RV_REASON_LIMIT, "at most %u fields and as many orders", RV_MAX_FIELDS);
    job->n_fields = (uint32_t)rows->n_fields;
    job->fields = rows->fields;
    for (uint32_t i = 0; i < job->n_fields; i++)
        RVW_TRY(use(job, rows->fields[i], "a field", err));
    job->order = rv_arena_zalloc(&job->arena, rows->n_order + 1, sizeof *job->order);
    if (!job->order)
        return rv_fail_memory(err, "the order of a query");
    for (size_t i = 0; i < rows->n_order; i++) {
        RVW_TRY(use(job, rows->order[i]->node, "an order", err));
        job->order[job->n_order++] = (rvw_order_t){rows->order[i]->node, rows->order[i]->descending != 0};
    }
    return RV_OK;
}

static rv_status_t plan_measure(rvw_job_t *job, const Reveille__V1__Measure *m, rv_measure_t *ret, rv_error_t *err) {
    if (m->kind < REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT ||
        m->kind > REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_QUANTILE)
        return rv_fail(err, RV_REASON_REQUEST, "there is no measure %d", (int)m->kind);
    *ret = (rv_measure_t){.kind = m->kind, .quantile = m->quantile, .type = RV_INT};
    if (m->kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT)
        return RV_OK;
    RVW_TRY(use(job, m->node, "a measure", err));
    const rvw_node_t *node = &job->nodes[m->node];
    if (m->type != node->type || (node->type == RV_DECIMAL && m->scale != node->scale))
        return rv_fail(err, RV_REASON_REQUEST, "a measure has another type than its node %u", m->node);
    if (!(m->quantile >= 0 && m->quantile <= 1))
        return rv_fail(err, RV_REASON_REQUEST, "a quantile is not between 0 and 1");
    bool adds = m->kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_SUM ||
                m->kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_AVG;
    if (adds && node->type != RV_INT && node->type != RV_DECIMAL && node->type != RV_DOUBLE &&
        node->type != RV_DURATION)
        return rv_fail(err, RV_REASON_REQUEST, "a sum or mean of node %u, which is no number", m->node);
    ret->type = node->type;
    ret->scale = node->scale;
    return RV_OK;
}

static rv_status_t plan_groups(rvw_job_t *job, rv_error_t *err) {
    const Reveille__V1__GroupsQuery *groups = job->request->groups;
    if (!groups)
        return rv_fail(err, RV_REASON_REQUEST, "the query for groups is empty");
    if (groups->n_by > RV_MAX_GROUP_KEYS || groups->n_measures > RV_MAX_FIELDS)
        return rv_fail(err, RV_REASON_LIMIT, "at most %u expressions to group by and %u measures", RV_MAX_GROUP_KEYS,
                       RV_MAX_FIELDS);
    job->by = groups->by;
    job->n_by = groups->n_by;
    for (size_t i = 0; i < groups->n_by; i++)
        RVW_TRY(use(job, groups->by[i], "a group", err));
    job->measures = rv_arena_zalloc(&job->arena, groups->n_measures + 1, sizeof *job->measures);
    job->measure_at = rv_arena_zalloc(&job->arena, groups->n_measures + 1, sizeof *job->measure_at);
    if (!job->measures || !job->measure_at)
        return rv_fail_memory(err, "the measures of a query");
    job->n_measures = groups->n_measures;
    for (size_t i = 0; i < groups->n_measures; i++) {
        RVW_TRY(plan_measure(job, groups->measures[i], &job->measures[i], err));
        job->measure_at[i + 1] = job->measure_at[i] + (rv_agg_size(&job->measures[i]) + 15) / 16 * 16;
    }
    return RV_OK;
}

static rv_status_t plan_retention(rvw_job_t *job, rv_error_t *err) {
    const Reveille__V1__RetentionQuery *r = job->request->retention;
    if (!r)
        return rv_fail(err, RV_REASON_REQUEST, "the query for a retention is empty");
    RVW_TRY(use(job, r->start, "the start", err));
    if (job->nodes[r->start].type != RV_TIME)
        return rv_fail(err, RV_REASON_REQUEST, "the start is node %u, which is no time", r->start);
    if (r->cohort_ms <= 0 || r->period_ms <= 0)
        return rv_fail(err, RV_REASON_REQUEST, "cohorts and periods must be longer than 0");
    if (!r->periods || r->periods > RV_MAX_PERIODS)
        return rv_fail(err, RV_REASON_LIMIT, "%u periods, 1 to %u are allowed", r->periods, RV_MAX_PERIODS);
    return RV_OK;
}

static rv_status_t plan_overlap(rvw_job_t *job, rv_error_t *err) {
    const Reveille__V1__OverlapQuery *overlap = job->request->overlap;
    if (!overlap || !overlap->n_conditions || overlap->n_conditions > RV_MAX_OVERLAP)
        return rv_fail(err, RV_REASON_LIMIT, "an overlap has 1 to %u conditions", RV_MAX_OVERLAP);
    job->n_overlap = (uint32_t)overlap->n_conditions;
    for (uint32_t i = 0; i < job->n_overlap; i++)
        RVW_TRY(use_condition(job, overlap->conditions[i], "a condition", err));
    return RV_OK;
}

rv_status_t rvw_plan_sink(rvw_job_t *job, rv_error_t *err) {
    if (job->request->filter)
        RVW_TRY(use_condition(job, job->request->filter - 1, "the filter", err));
    if (job->program->population)
        RVW_TRY(use_condition(job, job->program->population - 1, "the population", err));
    switch (job->request->sink_case) {
    case REVEILLE__V1__QUERY_REQUEST__SINK_COUNT:
        return RV_OK;
    case REVEILLE__V1__QUERY_REQUEST__SINK_ROWS:
        return plan_rows(job, err);
    case REVEILLE__V1__QUERY_REQUEST__SINK_GROUPS:
        return plan_groups(job, err);
    case REVEILLE__V1__QUERY_REQUEST__SINK_OVERLAP:
        return plan_overlap(job, err);
    case REVEILLE__V1__QUERY_REQUEST__SINK_RETENTION:
        return plan_retention(job, err);
    default:
        return rv_fail(err, RV_REASON_REQUEST, "the query does not say what to make of its rows");
    }
}

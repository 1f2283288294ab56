/* plan_stage.c: in which order a task evaluates what.
 *
 * A stage is a set of roots over rows, the nodes below them, and the passes that must have run. The filter's conjuncts
 * are stages of their own, sorted by an estimate of their cost: attributes cost a unit a node, passes far more. What
 * may fail the request is one stage for the whole population, so that the order of conjuncts never decides whether a
 * request fails. Failure: no memory.
 */
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "reveille/limits.h"

#define COST_COMPANY 20u  /* by way of the company's row */
#define COST_TYPE 2000u   /* walking over the events of one type */
#define COST_WHERE 2000u  /* a condition on each of them */
#define COST_SORTED 8000u /* bringing them in order */

rv_status_t rvw_plan_expr(rvw_job_t *job, uint8_t domain, const uint32_t *roots, size_t n, rvw_expr_t *ret,
                          rv_error_t *err) {
    uint8_t *mark = job->marks[1];
    memset(mark, 0, job->n_nodes);
    *ret = (rvw_expr_t){.domain = domain};
    for (size_t i = 0; i < n; i++)
        if (roots[i])
            mark[roots[i] - 1] = 1;
    for (uint32_t i = job->n_nodes; i-- > 0;) {
        const rvw_node_t *node = &job->nodes[i];
        if (!mark[i] || node->domain == RVW_DOMAIN_CONST)
            continue;
        ret->n++;
        if (node->domain != domain || rvw_is_aggregate(node->op))
            continue;
        ret->can_fail |= node->can_fail;
        for (uint32_t k = 0; k < node->n_args; k++)
            mark[node->args[k]] = 1;
    }
    ret->nodes = rv_arena_alloc(&job->arena, (ret->n + 1u) * sizeof *ret->nodes);
    ret->roots = rv_arena_alloc(&job->arena, (n + 1u) * sizeof *ret->roots);
    if (!ret->nodes || !ret->roots)
        return rv_fail_memory(err, "an expression");
    for (size_t i = 0; i < n; i++)
        if (roots[i])
            ret->roots[ret->n_roots++] = roots[i] - 1;
    for (uint32_t i = 0, k = 0; i < job->n_nodes; i++)
        if (mark[i] && job->nodes[i].domain != RVW_DOMAIN_CONST)
            ret->nodes[k++] = i;
    return RV_OK;
}

static uint64_t pass_cost(const rvw_pass_t *pass) {
    uint64_t cost = pass->n_points * COST_TYPE;
    for (uint32_t i = 0; i < pass->n_steps; i++)
        cost += pass->steps[i].n_types * (COST_TYPE + (pass->steps[i].where ? COST_WHERE : 0)) +
                (pass->kind == RVW_PASS_FUNNEL ? COST_SORTED : 0);
    for (uint32_t i = 0; i < pass->n_gathers; i++)
        cost += COST_TYPE + (pass->gathers[i].distinct != RVW_NO_NODE ? COST_SORTED : 0);
    return cost;
}

/* Everything that a pass reads, marked. */
static void mark_pass(const rvw_pass_t *pass, uint8_t *mark) {
    for (uint32_t i = 0; i < pass->n_inputs; i++)
        mark[pass->inputs[i]] = 1;
}

/* Passes below the roots: marked level by level from the top; in_pass[p] set. Returns how many. */
static uint32_t find_passes(const rvw_job_t *job, uint8_t *mark, uint8_t *in_pass) {
    uint32_t top = 0, n = 0;
    for (uint32_t i = 0; i < job->n_nodes; i++)
        if (mark[i] && job->nodes[i].level > top)
            top = job->nodes[i].level;
    for (uint32_t p = 0; p < job->n_passes; p++)
        if (in_pass[p] && job->passes[p].level > top)
            top = job->passes[p].level;
    for (uint32_t level = top + 1; level-- > 0;) {
        for (uint32_t p = 0; level && p < job->n_passes; p++)
            if (in_pass[p] && job->passes[p].level == level)
                mark_pass(&job->passes[p], mark);
        for (uint32_t i = job->n_nodes; i-- > 0;) {
            const rvw_node_t *node = &job->nodes[i];
            if (!mark[i])
                continue;
            if (!rvw_is_aggregate(node->op)) {
                for (uint32_t k = 0; k < node->n_args; k++)
                    mark[node->args[k]] = 1;
            } else if (node->level == level && node->pass != RVW_NO_NODE && !in_pass[node->pass]) {
                in_pass[node->pass] = 1;
                mark_pass(&job->passes[node->pass], mark);
            }
        }
    }
    for (uint32_t p = 0; p < job->n_passes; p++)
        n += in_pass[p];
    return n;
}

/* Fills the stage's passes from in_pass, by level. */
static rv_status_t list_passes(rvw_job_t *job, const uint8_t *in_pass, uint32_t n, rvw_stage_t *ret, rv_error_t *err) {
    ret->passes = rv_arena_alloc(&job->arena, (n + 1u) * sizeof *ret->passes);
    if (!ret->passes)
        return rv_fail_memory(err, "a condition");
    for (uint32_t level = 1; ret->n_passes < n && level <= job->n_nodes + 1u; level++)
        for (uint32_t p = 0; p < job->n_passes; p++)
            if (in_pass[p] && job->passes[p].level == level) {
                ret->passes[ret->n_passes++] = p;
                ret->cost += pass_cost(&job->passes[p]);
            }
    return RV_OK;
}

/* roots: 1 + node, 0 skipped; more passes may be marked in marks[2] already (n_nodes + 1 >= n_passes bytes). */
static rv_status_t plan_stage(rvw_job_t *job, const uint32_t *roots, size_t n, rvw_stage_t *ret, rv_error_t *err) {
    uint8_t *in_pass = job->marks[2];
    *ret = (rvw_stage_t){.root = n && roots[0] ? roots[0] - 1 : RVW_NO_NODE};
    RVW_TRY(rvw_plan_expr(job, RVW_DOMAIN_ROW, roots, n, &ret->expr, err));
    for (uint32_t i = 0; i < ret->expr.n; i++)
        ret->cost += job->nodes[ret->expr.nodes[i]].op == RVW_OP(COMPANY_ATTRIBUTE) ? COST_COMPANY : 1;
    uint8_t *mark = job->marks[0];
    memset(mark, 0, job->n_nodes);
    for (size_t i = 0; i < n; i++)
        if (roots[i])
            mark[roots[i] - 1] = 1;
    uint32_t n_passes = find_passes(job, mark, in_pass);
    return list_passes(job, in_pass, n_passes, ret, err);
}

rv_status_t rvw_plan_stage(rvw_job_t *job, const uint32_t *roots, size_t n, rvw_stage_t *ret, rv_error_t *err) {
    memset(job->marks[2], 0, job->n_nodes + 1u);
    return plan_stage(job, roots, n, ret, err);
}

/* The stage of all that may fail. */
static rv_status_t plan_must(rvw_job_t *job, rv_error_t *err) {
    uint32_t *roots = rv_arena_alloc(&job->arena, (job->n_nodes + 1u) * sizeof *roots);
    if (!roots)
        return rv_fail_memory(err, "a query");
    size_t n = 0;
    for (uint32_t i = 0; i < job->n_nodes; i++)
        if (job->nodes[i].used && job->nodes[i].can_fail && job->nodes[i].domain == RVW_DOMAIN_ROW &&
            !rvw_is_aggregate(job->nodes[i].op))
            roots[n++] = i + 1;
    memset(job->marks[2], 0, job->n_nodes + 1u);
    for (uint32_t p = 0; p < job->n_passes; p++)
        job->marks[2][p] = job->passes[p].can_fail;
    return plan_stage(job, roots, n, &job->must, err);
}

static int compare_stages(const void *a, const void *b) {
    const rvw_stage_t *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return (x->root > y->root) - (x->root < y->root);
}

/* The conjuncts of a condition (1 + node; 0: none): its AND nodes taken apart. */
static rv_status_t plan_conjuncts(rvw_job_t *job, uint32_t condition, rvw_conjuncts_t *ret, rv_error_t *err) {
    if (!condition)
        return RV_OK;
    uint8_t *mark = rv_arena_zalloc(&job->arena, job->n_nodes + 1u, 1);
    if (!mark)
        return rv_fail_memory(err, "a filter");
    uint32_t n = 0;
    mark[condition - 1] = 1;
    for (uint32_t i = condition; i-- > 0;) {
        if (!mark[i])
            continue;
        if (job->nodes[i].op != RVW_OP(AND)) {
            n++;
            continue;
        }
        mark[i] = 0;
        for (uint32_t k = 0; k < job->nodes[i].n_args; k++)
            mark[job->nodes[i].args[k]] = 1;
    }
    ret->stages = rv_arena_zalloc(&job->arena, n, sizeof *ret->stages);
    if (!ret->stages)
        return rv_fail_memory(err, "a filter");
    for (uint32_t i = 0; i < condition; i++)
        if (mark[i]) {
            uint32_t root = i + 1;
            RVW_TRY(rvw_plan_stage(job, &root, 1, &ret->stages[ret->n++], err));
        }
    qsort(ret->stages, ret->n, sizeof *ret->stages, compare_stages);
    return RV_OK;
}

/* Stages of the sink. */
static rv_status_t plan_sink_stages(rvw_job_t *job, rv_error_t *err) {
    size_t n = 0;
    uint32_t *roots = rv_arena_alloc(&job->arena, (RV_MAX_FIELDS + RV_MAX_GROUP_KEYS + 2u) * sizeof *roots);
    if (!roots)
        return rv_fail_memory(err, "the results of a query");
    for (uint32_t i = 0; i < job->n_order; i++)
        roots[n++] = job->order[i].node + 1;
    for (size_t i = 0; i < job->n_by; i++)
        roots[n++] = job->by[i] + 1;
    for (size_t i = 0; i < job->n_measures; i++)
        roots[n++] = job->measures[i].kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT
                         ? 0
                         : job->request->groups->measures[i]->node + 1;
    RVW_TRY(rvw_plan_stage(job, roots, n, &job->sink, err));
    n = 0;
    for (uint32_t i = 0; i < job->n_fields; i++)
        roots[n++] = job->fields[i] + 1;
    RVW_TRY(rvw_plan_stage(job, roots, n, &job->fields_stage, err));
    job->overlap = rv_arena_zalloc(&job->arena, job->n_overlap + 1u, sizeof *job->overlap);
    if (!job->overlap)
        return rv_fail_memory(err, "the results of a query");
    for (uint32_t i = 0; i < job->n_overlap; i++)
        RVW_TRY(plan_conjuncts(job, job->request->overlap->conditions[i] + 1, &job->overlap[i], err));
    if (job->request->sink_case != REVEILLE__V1__QUERY_REQUEST__SINK_RETENTION)
        return RV_OK;
    memset(job->marks[2], 0, job->n_nodes + 1u);
    job->marks[2][job->retention_pass] = 1;
    uint32_t start = job->request->retention->start + 1;
    return plan_stage(job, &start, 1, &job->sink, err);
}

rv_status_t rvw_plan_stages(rvw_job_t *job, rv_error_t *err) {
    RVW_TRY(rvw_plan_stage(job, &job->program->population, 1, &job->population, err));
    RVW_TRY(plan_must(job, err));
    RVW_TRY(plan_conjuncts(job, job->request->filter, &job->filter, err));
    return plan_sink_stages(job, err);
}

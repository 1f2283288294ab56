/* plan_pass.c: which walks over events a query needs.
 *
 * Aggregates of one selection (same types, condition and bounds) share a pass, as long as they stand on the same level:
 * what a pass reads must be ready before it starts. Only nodes that the request uses count. Failure: no memory, or
 * references out of order.
 */
#include <string.h>

#include "plan.h"
#include "reveille/limits.h"

static rvw_bounds_t bounds_of(const Reveille__V1__Bound *lo, const Reveille__V1__Bound *hi,
                              const Reveille__V1__Bound *until) {
    rvw_bounds_t b = {0};
    if (lo) {
        b.lo = lo->node;
        b.lo_in = lo->inclusive != 0;
    }
    if (hi) {
        b.hi = hi->node;
        b.hi_in = hi->inclusive != 0;
    }
    if (until) {
        b.until = until->node;
        b.until_in = until->inclusive != 0;
    }
    return b;
}

static bool same_bounds(const rvw_bounds_t *a, const rvw_bounds_t *b) {
    return a->lo == b->lo && a->hi == b->hi && a->until == b->until && (!a->lo || a->lo_in == b->lo_in) &&
           (!a->hi || a->hi_in == b->hi_in) && (!a->until || a->until_in == b->until_in);
}

static void set_step(rvw_step_t *step, const uint32_t *types, size_t n_types, uint32_t where) {
    *step = (rvw_step_t){.types = types, .n_types = n_types, .where = where};
}

static rv_status_t selection_pass(rvw_job_t *job, uint32_t number, rvw_pass_t *pass, rv_error_t *err) {
    if (number >= job->program->n_selections)
        return rv_fail(err, RV_REASON_REQUEST, "the program has no selection %u", number);
    const Reveille__V1__Selection *s = job->program->selections[number];
    *pass = (rvw_pass_t){.kind = RVW_PASS_SELECTION,
                         .bounds = bounds_of(s->lo, s->hi, s->until),
                         .n_steps = 1,
                         .count = RVW_NO_NODE,
                         .exists = RVW_NO_NODE,
                         .first_time = RVW_NO_NODE,
                         .last_time = RVW_NO_NODE,
                         .node = RVW_NO_NODE,
                         .instant = RVW_NO_NODE};
    pass->steps = rv_arena_zalloc(&job->arena, 1, sizeof *pass->steps);
    if (!pass->steps)
        return rv_fail_memory(err, "a selection");
    set_step(pass->steps, s->types, s->n_types, s->where);
    return RV_OK;
}

static rv_status_t funnel_pass(rvw_job_t *job, uint32_t node, rvw_pass_t *pass, rv_error_t *err) {
    if (job->nodes[node].ref >= job->program->n_funnels)
        return rv_fail(err, RV_REASON_REQUEST, "the program has no funnel %u", job->nodes[node].ref);
    const Reveille__V1__Funnel *f = job->program->funnels[job->nodes[node].ref];
    if (f->n_steps < 1 || f->n_steps > RV_MAX_STEPS)
        return rv_fail(err, RV_REASON_REQUEST, "a funnel has %zu steps, at most %u are allowed", f->n_steps,
                       RV_MAX_STEPS);
    *pass = (rvw_pass_t){.kind = RVW_PASS_FUNNEL,
                         .bounds = bounds_of(f->lo, f->hi, f->until),
                         .node = node,
                         .within_ms = f->within_ms,
                         .n_steps = (uint32_t)f->n_steps,
                         .instant = RVW_NO_NODE};
    pass->steps = rv_arena_zalloc(&job->arena, f->n_steps, sizeof *pass->steps);
    if (!pass->steps)
        return rv_fail_memory(err, "a funnel");
    for (size_t i = 0; i < f->n_steps; i++)
        set_step(&pass->steps[i], f->steps[i]->types, f->steps[i]->n_types, f->steps[i]->where);
    return RV_OK;
}

static rv_status_t score_pass(rvw_job_t *job, uint32_t node, rvw_pass_t *pass, rv_error_t *err) {
    if (job->nodes[node].ref >= job->program->n_scores || !job->nodes[node].n_args)
        return rv_fail(err, RV_REASON_REQUEST, "the program has no score %u", job->nodes[node].ref);
    const Reveille__V1__ProgramScore *s = job->program->scores[job->nodes[node].ref];
    if (!s->half_life_ms)
        return rv_fail(err, RV_REASON_REQUEST, "a score has a half-life of 0");
    *pass = (rvw_pass_t){.kind = RVW_PASS_SCORE,
                         .node = node,
                         .n_points = s->n_points,
                         .instant = job->nodes[node].args[0],
                         .score = job->nodes[node].ref};
    if (job->nodes[node].n_args > 1)
        pass->bounds = (rvw_bounds_t){.until = job->nodes[node].args[1] + 1, .until_in = true};
    pass->points = rv_arena_zalloc(&job->arena, s->n_points + 1, sizeof *pass->points);
    if (!pass->points)
        return rv_fail_memory(err, "a score");
    for (size_t i = 0; i < s->n_points; i++) {
        pass->points[i].type = s->points[i]->type;
        rvw_weight_set(&pass->points[i].weight, s->points[i]->points);
    }
    return RV_OK;
}

/* The nodes that a pass needs for itself (not for its gathers), 1 + node, into out; returns how many. */
static size_t own_parts(const rvw_pass_t *pass, uint32_t out[RV_MAX_STEPS + 4]) {
    size_t n = 0;
    out[n++] = pass->bounds.lo;
    out[n++] = pass->bounds.hi;
    out[n++] = pass->bounds.until;
    out[n++] = pass->instant == RVW_NO_NODE ? 0 : pass->instant + 1;
    for (uint32_t i = 0; i < pass->n_steps; i++)
        out[n++] = pass->steps[i].where;
    return n;
}

static rv_status_t pass_of_node(rvw_job_t *job, uint32_t node, rvw_pass_t *pass, rv_error_t *err) {
    switch (job->nodes[node].op) {
    case RVW_OP(FUNNEL):
        return funnel_pass(job, node, pass, err);
    case RVW_OP(SCORE):
        return score_pass(job, node, pass, err);
    default:
        return selection_pass(job, job->nodes[node].ref, pass, err);
    }
}

/* Level of a node from those before it; for an aggregate also makes its (unshared) pass. */
static rv_status_t level_of(rvw_job_t *job, uint32_t i, rvw_pass_t *pass, rv_error_t *err) {
    rvw_node_t *node = &job->nodes[i];
    uint32_t level = 0;
    for (uint32_t k = 0; k < node->n_args; k++)
        if (job->nodes[node->args[k]].level > level)
            level = job->nodes[node->args[k]].level;
    node->level = level;
    if (!rvw_is_aggregate(node->op))
        return RV_OK;
    uint32_t parts[RV_MAX_STEPS + 4];
    RVW_TRY(pass_of_node(job, i, pass, err));
    size_t n = own_parts(pass, parts);
    for (size_t k = 0; k < n; k++) {
        if (!parts[k])
            continue;
        if (parts[k] - 1 >= i)
            return rv_fail(err, RV_REASON_REQUEST, "node %u of the program needs node %u, which is not before it", i,
                           parts[k] - 1);
        if (job->nodes[parts[k] - 1].level > level)
            level = job->nodes[parts[k] - 1].level;
    }
    node->level = pass->level = level + 1;
    return RV_OK;
}

static bool same_selection(const rvw_pass_t *a, const rvw_pass_t *b) {
    return a->kind == RVW_PASS_SELECTION && b->kind == RVW_PASS_SELECTION && a->level == b->level &&
           a->steps[0].where == b->steps[0].where && a->steps[0].n_types == b->steps[0].n_types &&
           (!a->steps[0].n_types ||
            memcmp(a->steps[0].types, b->steps[0].types, a->steps[0].n_types * sizeof *a->steps[0].types) == 0) &&
           same_bounds(&a->bounds, &b->bounds);
}

static rv_status_t gather_of(rvw_job_t *job, rvw_pass_t *pass, uint32_t arg, rvw_gather_t **ret, rv_error_t *err) {
    for (uint32_t i = 0; i < pass->n_gathers; i++)
        if (pass->gathers[i].arg == arg) {
            *ret = &pass->gathers[i];
            return RV_OK;
        }
    rvw_gather_t *grown = rv_arena_alloc(&job->arena, (pass->n_gathers + 1) * sizeof *grown);
    if (!grown)
        return rv_fail_memory(err, "a selection");
    if (pass->n_gathers)
        memcpy(grown, pass->gathers, pass->n_gathers * sizeof *grown);
    pass->gathers = grown;
    *ret = &grown[pass->n_gathers++];
    **ret = (rvw_gather_t){.arg = arg,
                           .sum = RVW_NO_NODE,
                           .avg = RVW_NO_NODE,
                           .min = RVW_NO_NODE,
                           .max = RVW_NO_NODE,
                           .distinct = RVW_NO_NODE,
                           .first = RVW_NO_NODE,
                           .last = RVW_NO_NODE};
    return RV_OK;
}

/* Where the pass notes a node; there may be one already (equal nodes that were not shared). */
static rv_status_t output_of(rvw_job_t *job, rvw_pass_t *pass, uint32_t i, uint32_t **ret, rv_error_t *err) {
    const rvw_node_t *node = &job->nodes[i];
    rvw_gather_t *gather = NULL;
    if (node->op >= RVW_OP(FIRST) && node->op <= RVW_OP(DISTINCT)) {
        if (!node->n_args)
            return rv_fail(err, RV_REASON_REQUEST, "node %u of the program has no argument", i);
        RVW_TRY(gather_of(job, pass, node->args[0], &gather, err));
    }
    switch (node->op) {
    case RVW_OP(COUNT):
        *ret = &pass->count;
        break;
    case RVW_OP(EXISTS):
        *ret = &pass->exists;
        break;
    case RVW_OP(FIRST_TIME):
        *ret = &pass->first_time;
        break;
    case RVW_OP(LAST_TIME):
        *ret = &pass->last_time;
        break;
    case RVW_OP(FIRST):
        *ret = &gather->first;
        break;
    case RVW_OP(LAST):
        *ret = &gather->last;
        break;
    case RVW_OP(SUM):
        *ret = &gather->sum;
        break;
    case RVW_OP(MIN):
        *ret = &gather->min;
        break;
    case RVW_OP(MAX):
        *ret = &gather->max;
        break;
    case RVW_OP(AVG):
        *ret = &gather->avg;
        break;
    case RVW_OP(DISTINCT):
        *ret = &gather->distinct;
        break;
    default:
        return rv_fail(err, RV_REASON_BUG, "node %u is no aggregate of a selection", i);
    }
    return RV_OK;
}

/* Puts an aggregate into a pass that has room for it, or into a new one. */
static rv_status_t place(rvw_job_t *job, uint32_t i, const rvw_pass_t *own, rv_error_t *err) {
    if (own->kind == RVW_PASS_SELECTION)
        for (uint32_t p = 0; p < job->n_passes; p++) {
            uint32_t *output = NULL;
            if (!same_selection(&job->passes[p], own))
                continue;
            RVW_TRY(output_of(job, &job->passes[p], i, &output, err));
            if (*output != RVW_NO_NODE)
                continue;
            *output = i;
            job->nodes[i].pass = p;
            return RV_OK;
        }
    uint32_t p = job->n_passes++;
    job->passes[p] = *own;
    job->nodes[i].pass = p;
    if (own->kind != RVW_PASS_SELECTION)
        return RV_OK;
    uint32_t *output = NULL;
    RVW_TRY(output_of(job, &job->passes[p], i, &output, err));
    *output = i;
    return RV_OK;
}

/* The arguments that every event of the selection gives. */
static rv_status_t plan_values(rvw_job_t *job, rvw_pass_t *pass, rv_error_t *err) {
    uint32_t *roots = rv_arena_alloc(&job->arena, (pass->n_gathers + 1u) * sizeof *roots), n = 0;
    if (!roots)
        return rv_fail_memory(err, "a selection");
    for (uint32_t i = 0; i < pass->n_gathers; i++) {
        const rvw_gather_t *g = &pass->gathers[i];
        if (g->sum != RVW_NO_NODE || g->avg != RVW_NO_NODE || g->min != RVW_NO_NODE || g->max != RVW_NO_NODE ||
            g->distinct != RVW_NO_NODE)
            roots[n++] = g->arg + 1;
    }
    return rvw_plan_expr(job, RVW_DOMAIN_EVENT, roots, n, &pass->values, err);
}

/* Event nodes and row inputs of a pass. */
static rv_status_t finish_pass(rvw_job_t *job, rvw_pass_t *pass, rv_error_t *err) {
    uint32_t parts[RV_MAX_STEPS + 4];
    size_t n = own_parts(pass, parts);
    uint8_t *wanted = job->marks[0];
    memset(wanted, 0, job->n_nodes);
    for (size_t i = 0; i < n; i++)
        if (parts[i] && job->nodes[parts[i] - 1].domain == RVW_DOMAIN_ROW)
            wanted[parts[i] - 1] = 1;
    for (uint32_t i = 0; i < pass->n_steps + pass->n_gathers; i++) {
        bool step = i < pass->n_steps;
        rvw_expr_t *expr = step ? &pass->steps[i].expr : &pass->gathers[i - pass->n_steps].expr;
        uint32_t root = step ? pass->steps[i].where : pass->gathers[i - pass->n_steps].arg + 1;
        RVW_TRY(rvw_plan_expr(job, RVW_DOMAIN_EVENT, &root, 1, expr, err));
        pass->can_fail |= expr->can_fail;
        for (uint32_t k = 0; k < expr->n; k++)
            if (job->nodes[expr->nodes[k]].domain == RVW_DOMAIN_ROW)
                wanted[expr->nodes[k]] = 1;
    }
    for (uint32_t i = 0; i < pass->n_gathers; i++) {
        const rvw_gather_t *g = &pass->gathers[i];
        pass->can_fail |= (g->sum != RVW_NO_NODE && job->nodes[g->sum].can_fail) ||
                          (g->avg != RVW_NO_NODE && job->nodes[g->avg].can_fail);
    }
    RVW_TRY(plan_values(job, pass, err));
    for (uint32_t i = 0; i < job->n_nodes; i++)
        pass->n_inputs += wanted[i];
    pass->inputs = rv_arena_alloc(&job->arena, (pass->n_inputs + 1u) * sizeof *pass->inputs);
    if (!pass->inputs)
        return rv_fail_memory(err, "a selection");
    for (uint32_t i = 0, k = 0; i < job->n_nodes; i++)
        if (wanted[i])
            pass->inputs[k++] = i + 1;
    RVW_TRY(rvw_plan_expr(job, RVW_DOMAIN_ROW, pass->inputs, pass->n_inputs, &pass->input_expr, err));
    for (uint32_t i = 0; i < pass->n_inputs; i++)
        pass->inputs[i]--;
    return RV_OK;
}

static rv_status_t add_slots(rvw_job_t *job, const uint32_t *types, size_t n, rv_error_t *err) {
    for (size_t i = 0; i < n; i++) {
        uint32_t s = 0;
        while (s < job->n_slots && job->slot_types[s] != types[i])
            s++;
        if (s < job->n_slots)
            continue;
        if (job->n_slots == RV_MAX_TYPES)
            return rv_fail(err, RV_REASON_REQUEST, "the program names more than %u event types", RV_MAX_TYPES);
        job->slot_types[job->n_slots++] = types[i];
    }
    return RV_OK;
}

static rv_status_t find_slots(rvw_job_t *job, rv_error_t *err) {
    job->slot_types = rv_arena_alloc(&job->arena, RV_MAX_TYPES * sizeof *job->slot_types);
    if (!job->slot_types)
        return rv_fail_memory(err, "event types");
    for (uint32_t p = 0; p < job->n_passes; p++) {
        for (uint32_t i = 0; i < job->passes[p].n_steps; i++)
            RVW_TRY(add_slots(job, job->passes[p].steps[i].types, job->passes[p].steps[i].n_types, err));
        for (size_t i = 0; i < job->passes[p].n_points; i++)
            RVW_TRY(add_slots(job, &job->passes[p].points[i].type, 1, err));
    }
    return RV_OK;
}

/* Marks the request's nodes, and everything below, in `used`. */
static void mark_used(const rvw_job_t *job, const rvw_pass_t *own, uint8_t *used) {
    for (uint32_t i = job->n_nodes; i-- > 0;) {
        if (!used[i])
            continue;
        const rvw_node_t *node = &job->nodes[i];
        for (uint32_t k = 0; k < node->n_args; k++)
            used[node->args[k]] = 1;
        if (!rvw_is_aggregate(node->op))
            continue;
        uint32_t parts[RV_MAX_STEPS + 4];
        size_t n = own_parts(&own[i], parts);
        for (size_t k = 0; k < n; k++)
            if (parts[k])
                used[parts[k] - 1] = 1;
    }
}

/* The pass of a retention: its selection, with the start of each row as an input. */
static rv_status_t retention_pass(rvw_job_t *job, rv_error_t *err) {
    const Reveille__V1__RetentionQuery *query = job->request->retention;
    rvw_pass_t pass;
    RVW_TRY(selection_pass(job, query->selection, &pass, err));
    pass.kind = RVW_PASS_RETENTION;
    pass.instant = query->start;
    uint32_t parts[RV_MAX_STEPS + 4];
    size_t n = own_parts(&pass, parts);
    for (size_t k = 0; k < n; k++)
        if (parts[k] && job->nodes[parts[k] - 1].level > pass.level)
            pass.level = job->nodes[parts[k] - 1].level;
    pass.level++;
    job->retention_pass = job->n_passes;
    job->passes[job->n_passes++] = pass;
    return RV_OK;
}

rv_status_t rvw_plan_passes(rvw_job_t *job, rv_error_t *err) {
    rvw_pass_t *own = rv_arena_zalloc(&job->arena, job->n_nodes + 1u, sizeof *own);
    uint8_t *used = rv_arena_zalloc(&job->arena, job->n_nodes + 1u, 1);
    for (unsigned i = 0; i < RVW_MARKS; i++) {
        job->marks[i] = rv_arena_zalloc(&job->arena, job->n_nodes + 1u, 1);
        if (!job->marks[i])
            return rv_fail_memory(err, "the selections of a query");
    }
    job->passes = rv_arena_zalloc(&job->arena, job->n_nodes + 1u, sizeof *job->passes);
    job->decays = rv_arena_zalloc(&job->arena, (job->program->n_scores + 1u) * RVW_DECAY_UNITS, sizeof *job->decays);
    if (!own || !used || !job->passes || !job->decays)
        return rv_fail_memory(err, "the selections of a query");
    for (uint32_t i = 0; i < job->n_nodes; i++)
        RVW_TRY(level_of(job, i, &own[i], err));
    RVW_TRY(rvw_plan_sink(job, err));
    for (uint32_t i = 0; i < job->n_nodes; i++)
        used[i] = job->nodes[i].used;
    bool retention = job->request->sink_case == REVEILLE__V1__QUERY_REQUEST__SINK_RETENTION;
    if (retention)
        RVW_TRY(retention_pass(job, err));
    if (retention) {
        uint32_t parts[RV_MAX_STEPS + 4];
        size_t n = own_parts(&job->passes[job->retention_pass], parts);
        for (size_t k = 0; k < n; k++)
            if (parts[k])
                used[parts[k] - 1] = 1;
    }
    mark_used(job, own, used);
    for (uint32_t i = 0; i < job->n_nodes; i++) {
        job->nodes[i].used = used[i];
        if (used[i] && rvw_is_aggregate(job->nodes[i].op))
            RVW_TRY(place(job, i, &own[i], err));
    }
    for (uint32_t p = 0; p < job->n_passes; p++)
        RVW_TRY(finish_pass(job, &job->passes[p], err));
    return find_slots(job, err);
}

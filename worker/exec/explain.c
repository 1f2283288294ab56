/* explain.c: the nodes of an explanation: which pieces of a plan are counted apart, what they do, and their texts.
 *
 * In the order in which a task comes to them: the scan, the population, what may fail, each conjunct with the passes
 * that it needs first, the result. A pass stands where it is first needed. Past RV_MAX_EXPLAIN_NODES the last but one
 * stands for all that have no place; the result is always the last. Failure: no memory.
 */
#include <stdio.h>
#include <string.h>

#include "pass.h"

#define KIND(name) REVEILLE__V1__EXPLAIN_KIND__EXPLAIN_KIND_##name
#define SINK(name) REVEILLE__V1__QUERY_REQUEST__SINK_##name

typedef struct {
    rvw_job_t *job;
    uint8_t *listed; /* by pass */
} list_t;

static void add(list_t *list, Reveille__V1__ExplainKind kind, rvw_pass_t *pass, rvw_stage_t *stage) {
    list->job->counted[list->job->n_counted++] = (rvw_counted_t){kind, pass, stage};
}

/* A stage behind its passes; `kind` UNSPECIFIED: the stage is part of the result. */
static void add_stage(list_t *list, Reveille__V1__ExplainKind kind, rvw_stage_t *stage) {
    for (uint32_t i = 0; i < stage->n_passes; i++) {
        if (list->listed[stage->passes[i]])
            continue;
        list->listed[stage->passes[i]] = 1;
        add(list, KIND(EVENTS), &list->job->passes[stage->passes[i]], NULL);
    }
    if (kind != KIND(UNSPECIFIED) && stage->expr.n_roots)
        add(list, kind, NULL, stage);
}

static void add_conjuncts(list_t *list, const rvw_conjuncts_t *conjuncts) {
    for (uint32_t i = 0; i < conjuncts->n; i++)
        add_stage(list, KIND(FILTER), &conjuncts->stages[i]);
}

/* Gives each its number; those that are too many share one. */
static void number(rvw_job_t *job) {
    uint32_t n = job->n_counted, most = RV_MAX_EXPLAIN_NODES;
    for (uint32_t i = 0; i < n; i++) {
        const rvw_counted_t *it = &job->counted[i];
        uint32_t at = n <= most || i < most - 2 ? i : i == n - 1 ? most - 1 : most - 2;
        if (it->pass)
            it->pass->counted = at;
        if (it->stage)
            it->stage->counted = at;
        job->sink.counted = at; /* in the end, that of the result */
    }
}

rv_status_t rvw_plan_explain(rvw_job_t *job, rv_error_t *err) {
    size_t most = (size_t)job->n_passes + job->filter.n + 4;
    for (uint32_t i = 0; i < job->n_overlap; i++)
        most += job->overlap[i].n;
    list_t list = {job, rv_arena_zalloc(&job->arena, job->n_passes + 1u, 1)};
    job->counted = rv_arena_zalloc(&job->arena, most, sizeof *job->counted);
    if (!list.listed || !job->counted)
        return rv_fail_memory(err, "an explanation");
    add(&list, KIND(SCAN), NULL, NULL);
    add_stage(&list, KIND(POPULATION), &job->population);
    add_stage(&list, KIND(CHECK), &job->must);
    add_conjuncts(&list, &job->filter);
    add_stage(&list, KIND(UNSPECIFIED), &job->sink);
    for (uint32_t i = 0; i < job->n_overlap; i++)
        add_conjuncts(&list, &job->overlap[i]);
    add_stage(&list, KIND(UNSPECIFIED), &job->fields_stage);
    add(&list, KIND(RESULT), NULL, NULL);
    number(job);
    return RV_OK;
}

uint32_t rvw_job_counts(const rvw_job_t *job) {
    return job->n_counted < RV_MAX_EXPLAIN_NODES ? job->n_counted : RV_MAX_EXPLAIN_NODES;
}

/* A list of nodes: ", " between them. */
static void add_node(rv_program_text_t *text, const rvw_job_t *job, uint32_t node) {
    if (node == RVW_NO_NODE)
        return;
    if (text->n && text->p[text->n - 1] != ' ')
        rv_text_add(text, ", ");
    rv_text_node(text, job->program, job->catalog, node);
}

/* What a pass is for: the aggregates that it fills. */
static void pass_text(rv_program_text_t *text, const rvw_job_t *job, const rvw_pass_t *pass) {
    if (pass->kind == RVW_PASS_RETENTION) {
        rv_text_selection(text, job->program, job->catalog, job->request->retention->selection);
        return;
    }
    if (pass->kind != RVW_PASS_SELECTION) {
        add_node(text, job, pass->node);
        return;
    }
    const uint32_t nodes[] = {pass->count, pass->exists, pass->first_time, pass->last_time};
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
        add_node(text, job, nodes[i]);
    for (uint32_t g = 0; g < pass->n_gathers; g++) {
        const rvw_gather_t *it = &pass->gathers[g];
        const uint32_t of[] = {it->sum, it->avg, it->min, it->max, it->distinct, it->first, it->last};
        for (size_t i = 0; i < sizeof of / sizeof of[0]; i++)
            add_node(text, job, of[i]);
    }
}

static void measure_text(rv_program_text_t *text, const rvw_job_t *job, const Reveille__V1__Measure *m) {
    static const char *const NAMES[] = {"?", "count", "sum", "avg", "min", "max", "distinct", "quantile"};
    char q[48];
    if (text->n && text->p[text->n - 1] != ' ')
        rv_text_add(text, ", ");
    rv_text_add(text, NAMES[m->kind < sizeof NAMES / sizeof NAMES[0] ? m->kind : 0]);
    if (m->kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT)
        return;
    rv_text_add(text, "(");
    rv_text_node(text, job->program, job->catalog, m->node);
    snprintf(q, sizeof q, ", %g", m->quantile);
    rv_text_add(text, m->kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_QUANTILE ? q : "");
    rv_text_add(text, ")");
}

static void rows_text(rv_program_text_t *text, const rvw_job_t *job) {
    char limit[48];
    rv_text_add(text, "rows of ");
    for (uint32_t i = 0; i < job->n_fields; i++)
        add_node(text, job, job->fields[i]);
    for (uint32_t i = 0; i < job->n_order; i++) {
        rv_text_add(text, i ? ", " : " by ");
        rv_text_node(text, job->program, job->catalog, job->order[i].node);
        rv_text_add(text, job->order[i].descending ? " desc" : "");
    }
    snprintf(limit, sizeof limit, ", at most %llu", (unsigned long long)job->request->rows->limit);
    rv_text_add(text, job->request->rows->limit ? limit : "");
}

static void result_text(rv_program_text_t *text, const rvw_job_t *job) {
    char size[64];
    switch (job->request->sink_case) {
    case SINK(ROWS):
        rows_text(text, job);
        break;
    case SINK(GROUPS):
        for (size_t i = 0; i < job->n_measures; i++)
            measure_text(text, job, job->request->groups->measures[i]);
        rv_text_add(text, job->n_by ? " by " : "");
        for (size_t i = 0; i < job->n_by; i++)
            add_node(text, job, job->by[i]);
        break;
    case SINK(OVERLAP):
        snprintf(size, sizeof size, "overlap of %u filters", job->n_overlap);
        rv_text_add(text, size);
        break;
    case SINK(RETENTION):
        rv_text_add(text, "cohorts by ");
        rv_text_node(text, job->program, job->catalog, job->request->retention->start);
        break;
    default:
        rv_text_add(text, "count");
    }
}

static void describe(rv_program_text_t *text, const rvw_job_t *job, const rvw_counted_t *it) {
    if (it->pass)
        pass_text(text, job, it->pass);
    for (uint32_t i = 0; it->stage && i < it->stage->expr.n_roots; i++)
        add_node(text, job, it->stage->expr.roots[i]);
    if (it->kind == KIND(SCAN))
        rv_text_add(text, "contacts");
    if (it->kind == KIND(RESULT))
        result_text(text, job);
}

rv_status_t rvw_job_describe(const rvw_job_t *job, rv_arena_t *arena, Reveille__V1__ExplainNode *nodes, uint32_t *ret,
                             rv_error_t *err) {
    uint32_t n = rvw_job_counts(job);
    *ret = job->n_counted > n ? job->n_counted - (n - 1) : 0;
    for (uint32_t i = 0; i < n; i++) {
        bool others = *ret && i == n - 2;
        const rvw_counted_t *it = &job->counted[i == n - 1 ? job->n_counted - 1 : i];
        rv_program_text_t text = {.p = rv_arena_alloc(arena, RV_MAX_EXPLAIN_TEXT + 1), .room = RV_MAX_EXPLAIN_TEXT + 1};
        if (!text.p)
            return rv_fail_memory(err, "an explanation");
        text.p[0] = 0;
        if (!others)
            describe(&text, job, it);
        nodes[i].kind = others ? KIND(OTHERS) : it->kind;
        nodes[i].text = text.p;
    }
    return RV_OK;
}

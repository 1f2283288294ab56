/* meter.c: counts what the nodes of a plan cost, in tasks of jobs with `explain`.
 *
 * One node is at work at a time, and the clock is read only when another takes over, so that the times of all nodes
 * add up to the time of the task. Counters are in the thread's partial. Failure: none; a task that fails leaves
 * counters that nobody reads.
 */
#include <string.h>

#include "pass.h"
#include "reveille/clock.h"
#include "sink.h"

uint32_t rvw_meter_turn(rvw_meter_t *meter, uint32_t node) {
    int64_t now = rv_mono_ns();
    uint32_t before = meter->at;
    meter->nodes[before].time_ns += (uint64_t)(now - meter->since);
    meter->at = node;
    meter->since = now;
    return before;
}

void rvw_meter_begin(rvw_chunk_t *t) {
    t->meter->at = 0;
    t->meter->since = rv_mono_ns();
}

/* Runs of a pass that had no row left to ask about. */
static uint64_t runs_of(const rvw_chunk_t *t, const rvw_pass_t *pass) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < pass->n_steps; i++)
        for (size_t k = 0; k < pass->steps[i].n_types; k++)
            n += rvw_view_events_max(t->view, pass->steps[i].types[k], t->chunk);
    for (size_t i = 0; i < pass->n_points; i++)
        n += rvw_view_events_max(t->view, pass->points[i].type, t->chunk);
    return n;
}

void rvw_meter_end(rvw_chunk_t *t) {
    for (uint32_t p = 0; p < t->job->n_passes; p++)
        if (!t->pass_done[p])
            t->meter->nodes[t->job->passes[p].counted].runs_skipped += runs_of(t, &t->job->passes[p]);
    rvw_meter_turn(t->meter, 0);
}

void rvw_meter_rows(rvw_chunk_t *t, uint64_t in, uint64_t out) {
    t->meter->nodes[t->meter->at].rows_in += in;
    t->meter->nodes[t->meter->at].rows_out += out;
}

void rvw_meter_pass(rvw_chunk_t *t, const rvw_pass_t *pass) {
    t->meter->pass = pass;
    rvw_meter_rows(t, t->n_mask, t->n_mask);
}

/* Bytes of n values of a column, dictionaries left out. */
static uint64_t column_bytes(const rvw_column_t *c, uint64_t n) {
    uint64_t bytes = c->present ? (n + 7) / 8 : 0;
    switch (c->encoding) {
    case RVW_FOR:
    case RVW_DICT:
        return bytes + n * c->width;
    case RVW_WIDE:
        return bytes + n * sizeof(rv_i128_t);
    case RVW_F64:
        return bytes + n * sizeof(double);
    case RVW_NUMBERED:
        return bytes + n * ((uint64_t)c->width + c->width2);
    case RVW_REF:
        return bytes + n * sizeof(rv_str_t);
    case RVW_PLAIN:
        return bytes + n * sizeof *c->offsets + (c->n ? n * (c->offsets[c->n] - c->offsets[0]) / c->n : 0);
    default:
        return bytes;
    }
}

static bool reads_row(rvw_op_t op) {
    return op == RVW_OP(KEY) || op == RVW_OP(ATTRIBUTE) || op == RVW_OP(COMPANY_ATTRIBUTE) || op == RVW_OP(SPLIT);
}

void rvw_meter_columns(rvw_chunk_t *t, const rvw_expr_t *expr) {
    uint64_t *bytes = &t->meter->nodes[t->meter->at].bytes;
    uint32_t per = rvw_view_chunk_rows(t->view), rows = rvw_view_company_rows(t->view);
    for (uint32_t i = 0; i < expr->n; i++) {
        const rvw_bind_t *bind = &t->scratch->bind[expr->nodes[i]];
        bool column = bind->from == RVW_FROM_COLUMN || bind->from == RVW_FROM_COMPANY || bind->from == RVW_FROM_SPLIT;
        if (!column || !reads_row(t->job->nodes[expr->nodes[i]].op))
            continue;
        *bytes += column_bytes(bind->column, t->n_rows);
        for (uint32_t c = 0; bind->from == RVW_FROM_COMPANY && (uint64_t)c * per < rows; c++)
            *bytes += column_bytes(&bind->company[c], bind->company[c].n);
    }
}

/* Bytes of the properties that an expression reads. */
static uint64_t property_bytes(const rvw_chunk_t *t, const rvw_events_t *events, uint64_t n, const rvw_expr_t *expr) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < expr->n; i++) {
        const rvw_node_t *node = &t->job->nodes[expr->nodes[i]];
        for (uint32_t p = 0; node->op == RVW_OP(PROPERTY) && p < events->n_properties; p++)
            if (events->property_ids[p] == node->ref)
                bytes += column_bytes(&events->properties[p], n);
    }
    return bytes;
}

void rvw_meter_piece(rvw_chunk_t *t, const rvw_events_t *events, uint64_t looked_at, const rvw_expr_t *where) {
    rv_counters_t *node = &t->meter->nodes[t->meter->at];
    if (!looked_at) {
        node->runs_skipped++;
        return;
    }
    node->runs_read++;
    node->events += looked_at;
    node->bytes += looked_at * sizeof *events->row + column_bytes(&events->time, looked_at);
    node->bytes += property_bytes(t, events, looked_at, &t->meter->pass->values);
    if (where)
        node->bytes += property_bytes(t, events, looked_at, where);
}

void rvw_partial_counted(rvw_partial_t *partial, rv_counters_t *counters) {
    for (uint32_t i = 0; partial->meter && i < rvw_job_counts(partial->job); i++)
        rv_counters_add(&counters[i], &partial->meter->nodes[i]);
    if (partial->meter)
        memset(partial->meter->nodes, 0, sizeof partial->meter->nodes);
}

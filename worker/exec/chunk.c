/* chunk.c: one task: from the rows of a chunk that are alive to what the sink has taken.
 *
 * Order: population; what can fail, for all of it; the filter's conjuncts, cheapest first, until no row is left; the
 * sink. Everything is in the thread's scratch and forgotten afterwards, but what the sink keeps in the partial.
 * Failure: the task's error is the query's.
 */
#include <string.h>

#include "kernels.h"
#include "reveille/limits.h"
#include "sink.h"

static rv_status_t begin(rvw_chunk_t *t, rv_error_t *err) {
    const rvw_job_t *job = t->job;
    uint32_t per = rvw_view_chunk_rows(t->view), rows = rvw_view_rows(t->view);
    uint64_t first = (uint64_t)t->chunk * per;
    t->n_rows = first >= rows ? 0 : rows - (uint32_t)first < per ? rows - (uint32_t)first : per;
    t->n_words = (t->n_rows + 63) / 64;
    size_t words = (per + 63u) / 64 + 1;
    t->population = rvw_take_zero(t, words, 8, err);
    t->arrays = rvw_take_zero(t, job->n_nodes + 1u, sizeof *t->arrays, err);
    t->pass_done = rvw_take_zero(t, job->n_passes + 1u, 1, err);
    t->events = rvw_take_zero(t, job->n_slots + 1u, sizeof *t->events, err);
    t->n_events = rvw_take_zero(t, job->n_slots + 1u, sizeof *t->n_events, err);
    t->columns = rvw_take_zero(t, job->n_nodes + 1u, sizeof *t->columns, err);
    t->companies = rvw_take_zero(t, job->n_nodes + 1u, sizeof *t->companies, err);
    if (!t->population || !t->arrays || !t->pass_done || !t->events || !t->n_events || !t->columns || !t->companies)
        return RVW_NO_SPACE;
    if (t->n_rows)
        rvw_view_alive(t->view, t->chunk, (uint8_t *)t->population);
    return RV_OK;
}

/* Evaluates what can fail for the whole population; the values are not used. */
static rv_status_t run_must(rvw_chunk_t *t, rv_error_t *err) {
    const rvw_stage_t *must = &t->job->must;
    uint32_t idx[RV_VECTOR], at = 0;
    rvw_batch_t batch;
    RVW_TRY(rvw_stage_passes(t, must, err));
    if (!must->expr.n)
        return RV_OK;
    RVW_TRY(rvw_bind(t, &must->expr, NULL, 0, t->n_rows, err));
    while (rvw_rows_next(t->population, t->n_rows, &at, idx, &batch))
        RVW_TRY(rvw_evaluate(t, &must->expr, NULL, &batch, err));
    return RV_OK;
}

/* The sink, as a node of its own. */
static rv_status_t take_rows(rvw_chunk_t *t, rvw_partial_t *partial, const uint64_t *mask, rv_error_t *err) {
    uint32_t before = rvw_counting(t, t->job->sink.counted);
    RVW_TRY(rvw_sink_rows(t, partial, mask, t->n_mask, err));
    if (t->meter)
        rvw_meter_rows(t, t->n_mask, t->n_mask);
    rvw_counting(t, before);
    return RV_OK;
}

static rv_status_t run(rvw_chunk_t *t, rvw_partial_t *partial, rv_error_t *err) {
    const rvw_job_t *job = t->job;
    t->mask = t->population;
    t->n_mask = t->n_rows;
    RVW_TRY(rvw_stage_filter(t, &job->population, t->population, err));
    t->n_mask = rvw_bitmap_count(t->population, t->n_words);
    uint32_t before = rvw_counting(t, job->must.counted);
    RVW_TRY(run_must(t, err));
    rvw_counting(t, before);
    uint64_t *mask = rvw_take(t, t->n_words + 1u, 8, err);
    if (!mask)
        return RVW_NO_SPACE;
    memcpy(mask, t->population, t->n_words * sizeof *mask);
    t->mask = mask;
    for (uint32_t i = 0; i < job->filter.n && t->n_mask; i++) {
        RVW_TRY(rvw_stage_filter(t, &job->filter.stages[i], mask, err));
        t->n_mask = rvw_bitmap_count(mask, t->n_words);
    }
    return t->n_mask ? take_rows(t, partial, mask, err) : RV_OK;
}

rv_status_t rvw_job_chunk(const rvw_job_t *job, const rvw_view_t *view, uint32_t chunk, rvw_scratch_t *scratch,
                          rvw_partial_t *partial, rv_error_t *err) {
    rvw_chunk_t t = {.job = job, .view = view, .scratch = scratch, .chunk = chunk, .meter = partial->meter};
    if (rvw_job_stopped(job))
        return rv_fail_as(err, RV_CANCELLED, RV_REASON_NONE, "the query was cancelled");
    if (t.meter)
        rvw_meter_begin(&t);
    RVW_TRY(rvw_scratch_prepare(scratch, job, err));
    RVW_TRY(begin(&t, err));
    if (t.meter)
        rvw_meter_rows(&t, t.n_rows, rvw_bitmap_count(t.population, t.n_words));
    if (t.n_rows)
        RVW_TRY(run(&t, partial, err));
    if (t.meter)
        rvw_meter_end(&t);
    return RV_OK;
}

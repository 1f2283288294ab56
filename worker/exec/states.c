/* states.c: what a selection gathers by row while its events go by.
 *
 * Counts, marks and times are plain arrays by row and go through the kernels. Sums of a property whose bounds prove
 * that 64 bits do go through a kernel too; every other value goes through the vectors (gather.c). Memory is the task's.
 * Failure: as evaluation.
 */
#include <string.h>

#include "pass.h"

static int64_t *times_of(rvw_chunk_t *t, int64_t start, rv_error_t *err) {
    int64_t *times = rvw_take(t, t->n_rows, sizeof *times, err);
    for (uint32_t r = 0; times && r < t->n_rows; r++)
        times[r] = start;
    return times;
}

static const rvw_column_t *column_of(const rvw_events_t *events, uint32_t property) {
    for (uint32_t i = 0; i < events->n_properties; i++)
        if (events->property_ids[i] == property)
            return &events->properties[i];
    return NULL;
}

static rv_u128_t magnitude(int64_t x) {
    return x < 0 ? (rv_u128_t)(-(rv_i128_t)x) : (rv_u128_t)x;
}

/* Whether the argument is a property whose values, and any sum of them, fit 64 bits, by the bounds of its columns. */
static void prove_direct(rvw_select_t *s, rvw_gathered_t *state, bool *ret_fits) {
    rv_u128_t sum = 0;
    *ret_fits = state->direct;
    for (uint32_t p = 0; *ret_fits && p < s->pieces->n; p++) {
        const rvw_column_t *c = column_of(s->pieces->pieces[p].events, state->arg->ref);
        if (!c || c->encoding == RVW_NONE)
            continue;
        if ((c->encoding != RVW_FOR && c->encoding != RVW_CONST) ||
            (c->type == RV_INT) != (state->arg->type == RV_INT)) {
            *ret_fits = false;
            break;
        }
        rv_u128_t lo = magnitude(c->encoding == RVW_CONST ? c->base : c->min);
        rv_u128_t hi = magnitude(c->encoding == RVW_CONST ? c->base : c->max);
        sum += (lo > hi ? lo : hi) * c->n;
    }
    state->narrow = *ret_fits && sum <= (rv_u128_t)INT64_MAX;
}

static rv_status_t init_sums(rvw_select_t *s, rvw_gathered_t *state, rv_error_t *err) {
    uint32_t rows = s->task->n_rows;
    bool avg = state->plan->avg != RVW_NO_NODE, any = avg || state->plan->sum != RVW_NO_NODE;
    if (any && state->arg->kind == RVW_KIND_DOUBLE)
        state->keeps_items = true;
    if (!any || state->arg->kind == RVW_KIND_DOUBLE)
        return RV_OK;
    if (avg && !(state->n = rvw_take_zero(s->task, rows, sizeof *state->n, err)))
        return RVW_NO_SPACE;
    if (state->narrow) {
        state->sum = rvw_take_zero(s->task, rows, sizeof *state->sum, err);
        return state->sum ? RV_OK : RVW_NO_SPACE;
    }
    state->wide = rvw_take_zero(s->task, rows, sizeof *state->wide, err);
    state->carry = rvw_take_zero(s->task, rows, sizeof *state->carry, err);
    return state->wide && state->carry ? RV_OK : RVW_NO_SPACE;
}

static rv_status_t init_state(rvw_select_t *s, uint32_t g, rv_error_t *err) {
    rvw_gathered_t *state = &s->states[g];
    const rvw_gather_t *plan = &s->pass->gathers[g];
    uint32_t rows = s->task->n_rows;
    bool fits;
    *state = (rvw_gathered_t){.plan = plan, .arg = &s->task->job->nodes[plan->arg], .number = g};
    state->kind = state->arg->kind;
    state->keeps_items = plan->distinct != RVW_NO_NODE;
    state->direct = state->arg->op == RVW_OP(PROPERTY) && (state->kind == RVW_KIND_INT || state->kind == RVW_KIND_WIDE);
    prove_direct(s, state, &fits);
    if (state->kind == RVW_KIND_WIDE && fits)
        state->kind = RVW_KIND_INT;
    if (!state->direct && state->arg->kind == RVW_KIND_INT && s->pieces->n_events < (uint64_t)1 << 32)
        state->narrow = state->arg->bits + 32u <= 62;
    RVW_TRY(init_sums(s, state, err));
    size_t size = rvw_kind_size(state->kind);
    if (plan->min != RVW_NO_NODE) {
        state->min = rvw_take_zero(s->task, rows, size, err);
        state->min_present = rvw_take_zero(s->task, rows, 1, err);
        if (!state->min || !state->min_present)
            return RVW_NO_SPACE;
    }
    if (plan->max != RVW_NO_NODE) {
        state->max = rvw_take_zero(s->task, rows, size, err);
        state->max_present = rvw_take_zero(s->task, rows, 1, err);
        if (!state->max || !state->max_present)
            return RVW_NO_SPACE;
    }
    return RV_OK;
}

static rv_status_t init_times(rvw_select_t *s, rv_error_t *err) {
    const rvw_pass_t *pass = s->pass;
    uint32_t rows = s->task->n_rows;
    bool last = false, first = false;
    for (uint32_t g = 0; g < pass->n_gathers; g++) {
        last |= pass->gathers[g].last != RVW_NO_NODE;
        first |= pass->gathers[g].first != RVW_NO_NODE;
    }
    if (last && !(s->last_ref = rvw_take(s->task, rows, sizeof *s->last_ref, err)))
        return RVW_NO_SPACE;
    if (first && !(s->first_ref = rvw_take(s->task, rows, sizeof *s->first_ref, err)))
        return RVW_NO_SPACE;
    if ((last || pass->last_time != RVW_NO_NODE) && !(s->last = times_of(s->task, INT64_MIN, err)))
        return RVW_NO_SPACE;
    if ((first || pass->first_time != RVW_NO_NODE) && !(s->first = times_of(s->task, INT64_MAX, err)))
        return RVW_NO_SPACE;
    return RV_OK;
}

rv_status_t rvw_states_init(rvw_select_t *s, rv_error_t *err) {
    const rvw_pass_t *pass = s->pass;
    uint32_t rows = s->task->n_rows;
    if (pass->kind == RVW_PASS_RETENTION)
        return rvw_periods_init(s, err);
    if (pass->count != RVW_NO_NODE && !(s->count = rvw_take_zero(s->task, rows, sizeof *s->count, err)))
        return RVW_NO_SPACE;
    if (pass->exists != RVW_NO_NODE && !(s->seen = rvw_take_zero(s->task, rows, 1, err)))
        return RVW_NO_SPACE;
    RVW_TRY(init_times(s, err));
    s->states = rvw_take_zero(s->task, pass->n_gathers + 1u, sizeof *s->states, err);
    if (!s->states)
        return RVW_NO_SPACE;
    s->n_states = pass->n_gathers;
    for (uint32_t g = 0; g < pass->n_gathers; g++)
        RVW_TRY(init_state(s, g, err));
    return RV_OK;
}

/* Whether event i of the block comes after (before) the kept event of equal time. */
static __attribute__((noinline)) bool wins_tie(const rvw_select_t *s, const rvw_hits_t *b, uint32_t i, uint64_t kept,
                                               bool latest) {
    const rvw_typed_events_t *pieces = s->pieces->pieces;
    int order = rvw_tie_compare(&pieces[b->piece], b->first + i, &pieces[kept >> 32], (uint32_t)kept);
    return latest ? order > 0 : order < 0;
}

/* Keeps event i of the block when it is the latest (earliest) of its row so far, by (time, source, id). Which of two
 * types is later nobody can foresee: so without a branch. */
static inline void keep_end(rvw_select_t *s, const rvw_hits_t *b, uint32_t i, int64_t time, bool latest) {
    uint32_t r = b->events->row[b->first + i];
    int64_t *best = latest ? s->last : s->first;
    uint64_t *ref = latest ? s->last_ref : s->first_ref;
    uint64_t better = latest ? time > best[r] : time < best[r];
    if (__builtin_expect(time == best[r] && ref, 0))
        better = wins_tie(s, b, i, ref[r], latest);
    best[r] = better ? time : best[r];
    if (ref)
        ref[r] ^= (ref[r] ^ ((uint64_t)b->piece << 32 | (b->first + i))) & -better;
}

static void keep_ends(rvw_select_t *s, const rvw_hits_t *b, const int64_t *times, bool latest) {
    for (uint32_t i = 0; i < b->n; i++)
        if (!b->mask || b->mask[i])
            keep_end(s, b, i, times[i], latest);
}

/* A block of a sorted piece that is taken whole: within a row's run only the last (first) event counts. */
static void keep_run_ends(rvw_select_t *s, const rvw_hits_t *b, bool latest) {
    uint32_t at[RV_VECTOR + 1];
    const rvw_column_t *c = &b->events->time;
    uint32_t n = rvw_kernel_run_ends(b->events->row + b->first, b->n, latest, at);
    if (c->encoding == RVW_FOR && c->width == 4) {
        const uint32_t *codes = (const uint32_t *)c->codes + b->first;
        for (uint32_t i = 0; i < n; i++)
            keep_end(s, b, at[i], (int64_t)((uint64_t)c->base + codes[at[i]] * (uint64_t)c->unit), latest);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        keep_end(s, b, at[i], rvw_column_int(c, b->first + at[i]), latest);
}

static void keep_times(rvw_select_t *s, const rvw_hits_t *b) {
    if (!b->mask && b->events->sorted) {
        if (s->last)
            keep_run_ends(s, b, true);
        if (s->first)
            keep_run_ends(s, b, false);
        return;
    }
    int64_t times[RV_VECTOR];
    const uint16_t *row = b->events->row + b->first;
    rvw_event_times(b->events, b->first, b->n, times);
    if (s->last && s->last_ref)
        keep_ends(s, b, times, true);
    else if (s->last)
        rvw_kernel_last(row, b->n, b->mask, times, s->last);
    if (s->first && s->first_ref)
        keep_ends(s, b, times, false);
    else if (s->first)
        rvw_kernel_first(row, b->n, b->mask, times, s->first);
}

/* The sum of a property by its kernel; false when the state is not of that sort. */
static bool kernel_sum(const rvw_gathered_t *state) {
    return state->direct && state->narrow && state->sum && !state->min && !state->max && !state->keeps_items;
}

static rv_status_t sum_block(rvw_select_t *s, rvw_gathered_t *state, const rvw_hits_t *b, rv_error_t *err) {
    const rvw_column_t *c = column_of(b->events, state->arg->ref);
    const uint16_t *row = b->events->row + b->first;
    if (!c || c->encoding == RVW_NONE)
        return RV_OK;
    rvw_batch_t batch = {.n = b->n, .first = b->first};
    RVW_TRY(rvw_load_column(s->task->scratch, state->plan->arg, state->arg, c, &batch, err));
    const rvw_vec_t *v = &s->task->scratch->vec[state->plan->arg];
    rvw_kernel_sum(row, b->n, b->mask, v->present, v->data, state->sum);
    if (!state->n)
        return RV_OK;
    if (!v->present || !b->mask) {
        rvw_kernel_count(row, b->n, v->present ? v->present : b->mask, state->n);
        return RV_OK;
    }
    for (uint32_t i = 0; i < b->n; i++)
        state->n[row[i]] += b->mask[i] & v->present[i];
    return RV_OK;
}

static bool takes_values(const rvw_gathered_t *state) {
    const rvw_gather_t *g = state->plan;
    return g->sum != RVW_NO_NODE || g->avg != RVW_NO_NODE || g->min != RVW_NO_NODE || g->max != RVW_NO_NODE ||
           g->distinct != RVW_NO_NODE;
}

/* All gathers of a block, in the second frame. */
static rv_status_t gather_block(rvw_select_t *s, const rvw_hits_t *b, rv_error_t *err) {
    uint32_t idx[RV_VECTOR], n = 0;
    bool evaluated = false;
    for (uint32_t g = 0; g < s->n_states; g++) {
        if (!takes_values(&s->states[g]))
            continue;
        if (kernel_sum(&s->states[g])) {
            RVW_TRY(sum_block(s, &s->states[g], b, err));
            continue;
        }
        if (evaluated)
            continue;
        evaluated = true;
        if (b->mask)
            n = rvw_kernel_pick(b->mask, b->first, b->n, idx);
        else
            for (n = 0; n < b->n; n++)
                idx[n] = b->first + n;
    }
    if (!n)
        return RV_OK;
    rvw_batch_t batch = {.n = n, .idx = idx};
    if (s->bound != b->piece + 1) {
        RVW_TRY(rvw_bind(s->task, &s->pass->values, b->events, b->type, b->events->n, err));
        s->bound = b->piece + 1;
    }
    RVW_TRY(rvw_evaluate(s->task, &s->pass->values, b->events, &batch, err));
    for (uint32_t g = 0; g < s->n_states; g++)
        if (takes_values(&s->states[g]) && !kernel_sum(&s->states[g]))
            RVW_TRY(rvw_gather_hits(s, &s->states[g], b->events, idx, n, err));
    return RV_OK;
}

rv_status_t rvw_states_block(rvw_select_t *s, const rvw_hits_t *b, rv_error_t *err) {
    const uint16_t *row = b->events->row + b->first;
    if (s->count)
        rvw_kernel_count(row, b->n, b->mask, s->count);
    if (s->seen)
        rvw_kernel_seen(row, b->n, b->mask, s->seen);
    if (s->last || s->first)
        keep_times(s, b);
    if (s->periods)
        rvw_periods_block(s, b);
    if (!s->pass->values.n_roots)
        return RV_OK;
    rvw_scratch_frame(s->task->scratch, 1);
    rv_status_t status = gather_block(s, b, err);
    rvw_scratch_frame(s->task->scratch, 0);
    return status;
}

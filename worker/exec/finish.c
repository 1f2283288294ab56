/* finish.c: states of a selection become arrays by row.
 *
 * A missing window makes count, sum and distinct missing; no event makes everything else missing but exists. A sum that
 * leaves its range fails the request for rows of the population only. Failure: OVERFLOW, QUOTA.
 */
#include <string.h>

#include "eval.h"
#include "pass.h"

#define EXACT_DOUBLE ((rv_i128_t)1 << 53)

static rv_status_t publish_time(rvw_select_t *s, uint32_t node, const int64_t *times, int64_t none, rv_error_t *err) {
    uint8_t *present = rvw_take(s->task, s->task->n_rows, 1, err);
    if (!present)
        return RVW_NO_SPACE;
    for (uint32_t r = 0; r < s->task->n_rows; r++)
        present[r] = times[r] != none;
    rvw_array_set(s->task, node, RVW_ARRAY_I64, times, present);
    return RV_OK;
}

/* The exact sum of a row; false when it does not fit 128 bits. */
static bool sum_of(const rvw_gathered_t *state, uint32_t r, rv_i128_t *ret) {
    *ret = state->sum ? (rv_i128_t)state->sum[r] : (rv_i128_t)state->wide[r];
    return state->sum || !state->carry[r];
}

static rv_status_t finish_sum(rvw_select_t *s, rvw_gathered_t *state, rv_error_t *err) {
    rvw_chunk_t *t = s->task;
    uint32_t node = state->plan->sum;
    if (state->sum) {
        rvw_array_set(t, node, RVW_ARRAY_I64, state->sum, s->window.present);
        return RV_OK;
    }
    for (uint32_t r = 0; r < t->n_rows; r++)
        if (state->carry[r] && rvw_bit(t->population, r))
            return rv_fail(err, RV_REASON_OVERFLOW, "a sum of the request leaves 128 bits for some contact");
    rvw_array_set(t, node, RVW_ARRAY_I128, state->wide, s->window.present);
    return RV_OK;
}

static double mean(rv_i128_t sum, unsigned scale, uint32_t n) {
    rv_i128_t divisor;
    if (sum <= EXACT_DOUBLE && sum >= -EXACT_DOUBLE && scale <= 15 &&
        !__builtin_mul_overflow(rv_pow10(scale), (rv_i128_t)n, &divisor) && divisor <= EXACT_DOUBLE)
        return (double)(int64_t)sum / (double)(int64_t)divisor;
    return rv_decimal_divide(sum, scale, n, 0);
}

static rv_status_t finish_avg(rvw_select_t *s, rvw_gathered_t *state, rv_error_t *err) {
    rvw_chunk_t *t = s->task;
    unsigned scale = state->arg->type == RV_DECIMAL ? state->arg->scale : 0;
    double *out = rvw_take(t, t->n_rows, sizeof *out, err);
    uint8_t *present = rvw_take(t, t->n_rows, 1, err);
    if (!out || !present)
        return RVW_NO_SPACE;
    for (uint32_t r = 0; r < t->n_rows; r++) {
        rv_i128_t sum;
        present[r] = state->n[r] != 0;
        out[r] = 0;
        if (!present[r])
            continue;
        if (!sum_of(state, r, &sum) && rvw_bit(t->population, r))
            return rv_fail(err, RV_REASON_OVERFLOW, "the sum of a mean leaves 128 bits for some contact");
        out[r] = mean(sum, scale, state->n[r]);
    }
    rvw_array_set(t, state->plan->avg, RVW_ARRAY_F64, out, present);
    return RV_OK;
}

static rvw_array_kind_t array_kind(rvw_lane_t kind) {
    static const rvw_array_kind_t kinds[] = {RVW_ARRAY_U8, RVW_ARRAY_I64, RVW_ARRAY_I128, RVW_ARRAY_F64, RVW_ARRAY_STR};
    return kinds[kind];
}

static rv_status_t finish_state(rvw_select_t *s, rvw_gathered_t *state, rv_error_t *err) {
    const rvw_gather_t *g = state->plan;
    if (g->sum != RVW_NO_NODE && state->arg->kind != RVW_KIND_DOUBLE)
        RVW_TRY(finish_sum(s, state, err));
    if (g->avg != RVW_NO_NODE && state->arg->kind != RVW_KIND_DOUBLE)
        RVW_TRY(finish_avg(s, state, err));
    if (g->min != RVW_NO_NODE)
        rvw_array_set(s->task, g->min, array_kind(state->kind), state->min, state->min_present);
    if (g->max != RVW_NO_NODE)
        rvw_array_set(s->task, g->max, array_kind(state->kind), state->max, state->max_present);
    return RV_OK;
}

rv_status_t rvw_states_finish(rvw_select_t *s, rv_error_t *err) {
    const rvw_pass_t *pass = s->pass;
    if (pass->kind == RVW_PASS_RETENTION) {
        s->task->periods = s->periods;
        return RV_OK;
    }
    if (s->count)
        rvw_array_set(s->task, pass->count, RVW_ARRAY_U32, s->count, s->window.present);
    if (s->seen)
        rvw_array_set(s->task, pass->exists, RVW_ARRAY_U8, s->seen, NULL);
    if (pass->last_time != RVW_NO_NODE)
        RVW_TRY(publish_time(s, pass->last_time, s->last, INT64_MIN, err));
    if (pass->first_time != RVW_NO_NODE)
        RVW_TRY(publish_time(s, pass->first_time, s->first, INT64_MAX, err));
    bool items = false;
    for (uint32_t g = 0; g < s->n_states; g++) {
        RVW_TRY(finish_state(s, &s->states[g], err));
        items |= s->states[g].keeps_items;
    }
    if (items)
        RVW_TRY(rvw_states_items(s, err));
    return rvw_states_ends(s, err);
}

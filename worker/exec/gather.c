/* gather.c: values of events into states by row: sums, least and greatest, values to be counted apart.
 *
 * A 128-bit sum wraps and counts its carries, so that whether it fits in the end does not depend on the order of the
 * events. Values for DISTINCT and doubles to be summed are kept as items (row, value, gather) and worked off when all
 * pieces are done. Failure: QUOTA.
 */
#include <string.h>

#include "eval.h"
#include "pass.h"

/* The integer of element i, whatever its width. */
static rv_i128_t integer(const rvw_vec_t *v, uint32_t i) {
    switch (v->kind) {
    case RVW_KIND_WIDE:
        return ((const rv_i128_t *)v->data)[i];
    case RVW_KIND_BOOL:
        return ((const uint8_t *)v->data)[i];
    default:
        return ((const int64_t *)v->data)[i];
    }
}

static void add_wide(rvw_gathered_t *state, uint32_t row, rv_i128_t x) {
    rv_i128_t before = (rv_i128_t)state->wide[row], sum;
    if (__builtin_add_overflow(before, x, &sum))
        state->carry[row] += x > 0 ? 1 : -1;
    state->wide[row] = (rv_u128_t)sum;
}

static void add_sums(rvw_gathered_t *state, const rvw_vec_t *v, const uint16_t *row, const uint32_t *idx, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (!rvw_has(v, i))
            continue;
        uint32_t r = row[idx[i]];
        if (state->sum)
            state->sum[r] += (int64_t)integer(v, i);
        else
            add_wide(state, r, integer(v, i));
        if (state->n)
            state->n[r]++;
    }
}

/* <0, 0, >0: element i of v against the value kept at p. */
static int against(const rvw_gathered_t *state, const rvw_vec_t *v, uint32_t i, const char *p) {
    switch (state->kind) {
    case RVW_KIND_STRING:
        return rv_str_compare(((const rv_str_t *)v->data)[i], *(const rv_str_t *)(const void *)p);
    case RVW_KIND_DOUBLE: {
        double x = ((const double *)v->data)[i], y = *(const double *)(const void *)p;
        return (x > y) - (x < y);
    }
    case RVW_KIND_WIDE: {
        rv_i128_t x = integer(v, i), y = *(const rv_i128_t *)(const void *)p;
        return (x > y) - (x < y);
    }
    case RVW_KIND_BOOL:
        return (int)((const uint8_t *)v->data)[i] - (int)*(const uint8_t *)p;
    default: {
        int64_t x = (int64_t)integer(v, i), y = *(const int64_t *)(const void *)p;
        return (x > y) - (x < y);
    }
    }
}

static rv_status_t put(rvw_select_t *s, const rvw_gathered_t *state, const rvw_vec_t *v, uint32_t i, char *p,
                       rv_error_t *err) {
    size_t size = rvw_kind_size(state->kind);
    if (state->kind == RVW_KIND_WIDE) {
        rv_i128_t x = integer(v, i);
        memcpy(p, &x, size);
        return RV_OK;
    }
    memcpy(p, (const char *)v->data + i * size, size);
    return v->fleeting ? rvw_keep(s->task, (rv_str_t *)(void *)p, err) : RV_OK;
}

static rv_status_t keep_extremes(rvw_select_t *s, const rvw_gathered_t *state, const rvw_vec_t *v, const uint16_t *row,
                                 const uint32_t *idx, uint32_t n, rv_error_t *err) {
    size_t size = rvw_kind_size(state->kind);
    for (uint32_t i = 0; i < n; i++) {
        if (!rvw_has(v, i))
            continue;
        uint32_t r = row[idx[i]];
        if (state->min && (!state->min_present[r] || against(state, v, i, state->min + r * size) < 0)) {
            RVW_TRY(put(s, state, v, i, state->min + r * size, err));
            state->min_present[r] = 1;
        }
        if (state->max && (!state->max_present[r] || against(state, v, i, state->max + r * size) > 0)) {
            RVW_TRY(put(s, state, v, i, state->max + r * size, err));
            state->max_present[r] = 1;
        }
    }
    return RV_OK;
}

/* A number that is equal for equal values. */
static rv_status_t identity(rvw_select_t *s, const rvw_node_t *arg, const rvw_vec_t *v, uint32_t i, int64_t *ret,
                            rv_error_t *err) {
    uint32_t number = 0;
    if (arg->kind == RVW_KIND_STRING) {
        rv_str_t string = ((const rv_str_t *)v->data)[i];
        RVW_TRY(rvw_intern(s, string.p, string.n, &number, err));
        *ret = number;
    } else if (arg->kind == RVW_KIND_WIDE) {
        rv_i128_t wide = integer(v, i);
        RVW_TRY(rvw_intern(s, &wide, sizeof wide, &number, err));
        *ret = number;
    } else if (arg->kind == RVW_KIND_DOUBLE) {
        double d = ((const double *)v->data)[i] + 0.0; /* -0 is 0 */
        memcpy(ret, &d, sizeof d);
    } else {
        *ret = (int64_t)integer(v, i);
    }
    return RV_OK;
}

static rv_status_t keep_items(rvw_select_t *s, const rvw_gathered_t *state, const rvw_vec_t *v, const uint16_t *row,
                              const uint32_t *idx, uint32_t n, rv_error_t *err) {
    bool distinct = state->plan->distinct != RVW_NO_NODE;
    bool doubles =
        state->kind == RVW_KIND_DOUBLE && (state->plan->sum != RVW_NO_NODE || state->plan->avg != RVW_NO_NODE);
    for (uint32_t i = 0; i < n; i++) {
        int64_t a = 0;
        if (!rvw_has(v, i))
            continue;
        if (distinct) {
            RVW_TRY(identity(s, state->arg, v, i, &a, err));
            RVW_TRY(rvw_items_add(s->task->scratch, row[idx[i]], a, state->number * 2, err));
        }
        if (doubles) {
            memcpy(&a, &((const double *)v->data)[i], sizeof a);
            RVW_TRY(rvw_items_add(s->task->scratch, row[idx[i]], a, state->number * 2 + 1, err));
        }
    }
    return RV_OK;
}

rv_status_t rvw_gather_hits(rvw_select_t *s, rvw_gathered_t *state, const rvw_events_t *events, const uint32_t *idx,
                            uint32_t n, rv_error_t *err) {
    const rvw_vec_t *v = &s->task->scratch->vec[state->plan->arg];
    if (state->sum || state->wide)
        add_sums(state, v, events->row, idx, n);
    if (state->min || state->max)
        RVW_TRY(keep_extremes(s, state, v, events->row, idx, n, err));
    if (state->keeps_items)
        RVW_TRY(keep_items(s, state, v, events->row, idx, n, err));
    return RV_OK;
}

/* window.c: windows of time, as constants or by row, and what they leave of a piece.
 *
 * Both ends are made inclusive, a strict one by moving it a millisecond. For a piece a constant window is turned into a
 * range of its time codes once, so that the loop compares codes: code >= ceil((lo - base) / unit), code <= floor((hi -
 * base) / unit). Failure: no space.
 */
#include <string.h>

#include "pass.h"

static int64_t add_one(int64_t x) {
    return x == INT64_MAX ? x : x + 1;
}
static int64_t less_one(int64_t x) {
    return x == INT64_MIN ? x : x - 1;
}

static int64_t raise_to(int64_t a, int64_t b) {
    return a > b ? a : b;
}
static int64_t lower_to(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Rows' own window, from the constant one. */
static rv_status_t by_row(rvw_chunk_t *t, rvw_window_t *w, rv_error_t *err) {
    if (w->row_lo)
        return RV_OK;
    w->row_lo = rvw_take(t, t->n_rows, sizeof *w->row_lo, err);
    w->row_hi = rvw_take(t, t->n_rows, sizeof *w->row_hi, err);
    w->present = rvw_take(t, t->n_rows, 1, err);
    if (!w->row_lo || !w->row_hi || !w->present)
        return RVW_NO_SPACE;
    memset(w->present, 1, t->n_rows);
    for (uint32_t r = 0; r < t->n_rows; r++) {
        w->row_lo[r] = w->lo;
        w->row_hi[r] = w->hi;
    }
    return RV_OK;
}

/* One end: 1 + node. */
static rv_status_t add_end(rvw_chunk_t *t, rvw_window_t *w, uint32_t node, bool inclusive, bool upper,
                           rv_error_t *err) {
    if (!node)
        return RV_OK;
    const rvw_node_t *n = &t->job->nodes[node - 1];
    if (n->domain == RVW_DOMAIN_CONST) {
        int64_t at = n->value.i;
        w->nothing |= !n->value.present;
        if (upper)
            w->hi = lower_to(w->hi, inclusive ? at : less_one(at));
        else
            w->lo = raise_to(w->lo, inclusive ? at : add_one(at));
        return RV_OK;
    }
    const rvw_array_t *array = &t->arrays[node - 1];
    if (array->kind != RVW_ARRAY_I64)
        return rv_fail(err, RV_REASON_BUG, "node %u of the program is no time", node - 1);
    RVW_TRY(by_row(t, w, err));
    const int64_t *at = array->data;
    for (uint32_t r = 0; r < t->n_rows; r++) {
        if (array->present && !array->present[r])
            w->present[r] = 0;
        else if (upper)
            w->row_hi[r] = lower_to(w->row_hi[r], inclusive ? at[r] : less_one(at[r]));
        else
            w->row_lo[r] = raise_to(w->row_lo[r], inclusive ? at[r] : add_one(at[r]));
    }
    return RV_OK;
}

static bool is_const(const rvw_chunk_t *t, uint32_t node) {
    return !node || t->job->nodes[node - 1].domain == RVW_DOMAIN_CONST;
}

rv_status_t rvw_window_prepare(rvw_chunk_t *t, const rvw_bounds_t *b, rvw_window_t *ret, rv_error_t *err) {
    rvw_window_t w = {.lo = INT64_MIN, .hi = INT64_MAX};
    for (unsigned rows = 0; rows < 2; rows++) { /* constants first: rows start from them */
        if (is_const(t, b->lo) != rows)
            RVW_TRY(add_end(t, &w, b->lo, b->lo_in, false, err));
        if (is_const(t, b->hi) != rows)
            RVW_TRY(add_end(t, &w, b->hi, b->hi_in, true, err));
        if (is_const(t, b->until) != rows)
            RVW_TRY(add_end(t, &w, b->until, b->until_in, true, err));
    }
    for (uint32_t r = 0; w.row_lo && r < t->n_rows; r++)
        if (!w.present[r]) {
            w.row_lo[r] = INT64_MAX;
            w.row_hi[r] = INT64_MIN;
        }
    if (w.nothing) {
        w.present = rvw_take_zero(t, t->n_rows, 1, err);
        if (!w.present)
            return RVW_NO_SPACE;
    }
    *ret = w;
    return RV_OK;
}

rvw_window_part_t rvw_window_part(const rvw_window_t *w, const rvw_events_t *e) {
    if (w->nothing || !e->n || e->max_time < w->lo || e->min_time > w->hi)
        return RVW_WINDOW_NONE;
    if (w->row_lo || e->min_time < w->lo || e->max_time > w->hi)
        return RVW_WINDOW_SOME;
    return RVW_WINDOW_ALL;
}

static rv_i128_t floor_div(rv_i128_t a, rv_i128_t b) {
    return a / b - (a % b < 0);
}

bool rvw_code_range(const rvw_column_t *c, rv_i128_t least, rv_i128_t most, uint64_t *lo, uint64_t *span) {
    rv_i128_t greatest = c->width == 8 ? (rv_i128_t)UINT64_MAX : ((rv_i128_t)1 << (8 * c->width)) - 1;
    if (least > most || least > INT64_MAX || most < INT64_MIN)
        return false;
    least = least < INT64_MIN ? INT64_MIN : least;
    most = most > INT64_MAX ? INT64_MAX : most;
    if (c->width == 8 && c->unit == 1) { /* the sum wraps: codes of the tail are the integers themselves */
        *lo = (uint64_t)least - (uint64_t)c->base;
        *span = (uint64_t)(most - least);
        return true;
    }
    rv_i128_t from = -floor_div((rv_i128_t)c->base - least, c->unit);
    rv_i128_t to = floor_div(most - c->base, c->unit);
    if (from < 0)
        from = 0;
    if (to > greatest)
        to = greatest;
    if (from > to)
        return false;
    *lo = (uint64_t)from;
    *span = (uint64_t)(to - from);
    return true;
}

void rvw_event_times(const rvw_events_t *e, uint32_t first, uint32_t n, int64_t *out) {
    const rvw_column_t *c = &e->time;
    uint64_t base = (uint64_t)c->base, unit = (uint64_t)c->unit;
    if (c->encoding == RVW_FOR && c->width == 4) {
        const uint32_t *codes = (const uint32_t *)c->codes + first;
        for (uint32_t i = 0; i < n; i++)
            out[i] = (int64_t)(base + codes[i] * unit);
        return;
    }
    if (c->encoding == RVW_FOR && c->width == 8) {
        const uint64_t *codes = (const uint64_t *)c->codes + first;
        for (uint32_t i = 0; i < n; i++)
            out[i] = (int64_t)(base + codes[i] * unit);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = rvw_column_int(c, first + i);
}

static void mask_rows(const rvw_window_t *w, const rvw_events_t *e, uint32_t first, uint32_t n, uint8_t *m) {
    int64_t times[RV_VECTOR];
    const uint16_t *row = e->row + first;
    rvw_event_times(e, first, n, times);
    for (uint32_t i = 0; i < n; i++)
        m[i] = (uint8_t)((times[i] >= w->row_lo[row[i]]) & (times[i] <= w->row_hi[row[i]]));
}

void rvw_window_mask(const rvw_window_t *w, const rvw_events_t *e, uint32_t first, uint32_t n, uint8_t *m) {
    uint64_t lo, span;
    if (w->row_lo) {
        mask_rows(w, e, first, n, m);
    } else if (e->time.encoding == RVW_FOR && e->time.width && e->time.unit > 0) {
        if (rvw_code_range(&e->time, w->lo, w->hi, &lo, &span))
            rvw_kernel_range(e->time.codes, e->time.width, first, n, lo, span, m);
        else
            memset(m, 0, n);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            int64_t at = rvw_column_int(&e->time, first + i);
            m[i] = (uint8_t)((at >= w->lo) & (at <= w->hi));
        }
    }
}

/* Few events are looked at one by one: most of the times are then not read at all. */
void rvw_window_narrow(const rvw_window_t *w, const rvw_events_t *e, uint32_t first, uint32_t n, uint8_t *m) {
    uint8_t inside[RV_VECTOR];
    uint32_t idx[RV_VECTOR], left = 0;
    for (uint32_t i = 0; i < n; i++)
        left += m[i];
    if (w->row_lo || left > n / 16) {
        rvw_window_mask(w, e, first, n, inside);
        for (uint32_t i = 0; i < n; i++)
            m[i] &= inside[i];
        return;
    }
    rvw_kernel_pick(m, 0, n, idx);
    for (uint32_t i = 0; i < left; i++) {
        int64_t at = rvw_column_int(&e->time, first + idx[i]);
        m[idx[i]] = (uint8_t)((at >= w->lo) & (at <= w->hi));
    }
}

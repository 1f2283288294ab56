/* funnel.c: the greatest number of steps done, by row.
 *
 * First the rows that have a first step are marked; of each later step only the events of rows that have all steps
 * before it are looked at, whatever their order. Most rows end there. Only of rows that have two steps the events are
 * kept as (row, time, step), those of the first step in a second walk. Within a row, in order of time, best[k] is the
 * latest start of a way that has done k + 1 steps: a later start only leaves more time, so nothing else need be
 * remembered. Events of equal time are taken together against the state before them, so that they never follow each
 * other. Failure: as evaluation, QUOTA.
 */
#include <stdlib.h>
#include <string.h>

#include "pass.h"

typedef struct {
    rvw_chunk_t *t;
    uint32_t step;
    uint8_t *steps; /* by row: how many of the steps so far it has events of, without a gap */
    bool any;       /* some row has two */
} collect_t;

static rv_status_t mark_first(void *context, const rvw_hits_t *b, rv_error_t *err) {
    (void)err;
    collect_t *c = context;
    rvw_kernel_seen(b->events->row + b->first, b->n, b->mask, c->steps);
    return RV_OK;
}

/* Keeps the events of rows that have the step before; those of the first step where the second was found. */
static rv_status_t collect(void *context, const rvw_hits_t *b, rv_error_t *err) {
    collect_t *c = context;
    uint32_t idx[RV_VECTOR], n = 0;
    const uint16_t *row = b->events->row + b->first;
    const uint8_t needed = (uint8_t)(c->step ? c->step : 2), reached = (uint8_t)(c->step + 1);
    for (uint32_t i = 0; i < b->n; i++) {
        idx[n] = i;
        n += (c->steps[row[i]] >= needed) & (b->mask ? b->mask[i] : 1);
    }
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = idx[k];
        if (c->steps[row[i]] < reached)
            c->steps[row[i]] = reached;
        RVW_TRY(rvw_items_add(c->t->scratch, row[i], rvw_column_int(&b->events->time, b->first + i), c->step, err));
    }
    c->any |= n && c->step;
    return RV_OK;
}

static int compare_times(const void *a, const void *b) {
    const rvw_item_t *x = a, *y = b;
    return (x->a > y->a) - (x->a < y->a);
}

static void sort_times(rvw_item_t *items, size_t n) {
    if (n > 32) {
        qsort(items, n, sizeof *items, compare_times);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        rvw_item_t item = items[i];
        size_t k = i;
        for (; k && item.a < items[k - 1].a; k--)
            items[k] = items[k - 1];
        items[k] = item;
    }
}

/* The starts by steps done, before and after a group of equal time. */
typedef struct {
    int64_t start[RV_MAX_STEPS];
    uint32_t done; /* steps of which bit k is set have a start */
} ways_t;

static void advance(const ways_t *before, ways_t *after, uint32_t step, int64_t time, int64_t within) {
    int64_t start = time, age;
    if (step) {
        if (!(before->done >> (step - 1) & 1))
            return;
        start = before->start[step - 1];
        if (__builtin_sub_overflow(time, start, &age) || age > within)
            return;
    }
    if (!(after->done >> step & 1) || start > after->start[step])
        after->start[step] = start;
    after->done |= 1u << step;
}

static uint32_t furthest(rvw_item_t *items, size_t n, uint32_t n_steps, int64_t within) {
    ways_t ways = {.done = 0};
    sort_times(items, n);
    for (size_t i = 0, end; i < n && !(ways.done >> (n_steps - 1)); i = end) {
        for (end = i + 1; end < n && items[end].a == items[i].a;)
            end++;
        if (end == i + 1) { /* it changes nothing that it looks at */
            advance(&ways, &ways, items[i].b, items[i].a, within);
            continue;
        }
        const ways_t before = ways;
        for (size_t k = i; k < end; k++)
            advance(&before, &ways, items[k].b, items[k].a, within);
    }
    return ways.done ? 32u - (uint32_t)__builtin_clz(ways.done) : 0;
}

static rv_status_t walk_step(rvw_chunk_t *t, const rvw_pass_t *pass, rvw_hits_fn_t *each, collect_t *c,
                             const rvw_window_t *window, rv_error_t *err) {
    const rvw_step_t *step = &pass->steps[c->step];
    rvw_pieces_t pieces;
    RVW_TRY(rvw_pieces_load(t, step->types, step->n_types, &pieces, err));
    for (uint32_t p = 0; p < pieces.n; p++)
        RVW_TRY(rvw_piece_walk(t, step, window, &pieces.pieces[p], p, each == mark_first, step->expr.can_fail, each, c,
                               err));
    return RV_OK;
}

/* Rows whose steps are in the items: what of them was done in order. */
static rv_status_t follow(rvw_chunk_t *t, const rvw_pass_t *pass, uint32_t *out, rv_error_t *err) {
    RVW_TRY(rvw_items_sort(t, err));
    const rvw_items_t *items = &t->scratch->items;
    for (uint32_t r = 0; r < t->n_rows; r++)
        if (items->at[r + 1] > items->at[r])
            out[r] =
                furthest(items->sorted + items->at[r], items->at[r + 1] - items->at[r], pass->n_steps, pass->within_ms);
    return RV_OK;
}

rv_status_t rvw_pass_funnel(rvw_chunk_t *t, const rvw_pass_t *pass, rv_error_t *err) {
    rvw_window_t first, later;
    rvw_bounds_t after = pass->bounds; /* what is before the window follows no start */
    after.hi = 0;
    collect_t c = {.t = t, .steps = rvw_take_zero(t, t->n_rows, 1, err)};
    uint32_t *out = rvw_take(t, t->n_rows, sizeof *out, err);
    if (!c.steps || !out)
        return RVW_NO_SPACE;
    t->scratch->items.n = 0;
    RVW_TRY(rvw_window_prepare(t, &pass->bounds, &first, err));
    RVW_TRY(rvw_window_prepare(t, &after, &later, err));
    RVW_TRY(walk_step(t, pass, mark_first, &c, &first, err));
    for (c.step = 1; c.step < pass->n_steps; c.step++)
        RVW_TRY(walk_step(t, pass, collect, &c, &later, err));
    for (uint32_t r = 0; r < t->n_rows; r++)
        out[r] = c.steps[r] != 0;
    c.step = 0;
    if (c.any) {
        RVW_TRY(walk_step(t, pass, collect, &c, &first, err));
        RVW_TRY(follow(t, pass, out, err));
    }
    rvw_array_set(t, pass->node, RVW_ARRAY_U32, out, first.present);
    return RV_OK;
}

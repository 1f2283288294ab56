/* walk.c: pieces of the types of a step, and the walk over the events of one piece that window and condition leave.
 *
 * The condition is bound to the piece first: it may turn out constant, or a table by the code of one column; otherwise
 * it is evaluated for the events that the window leaves, block by block. Strings of dictionaries are read in place.
 * Failure: as view and evaluation.
 */
#include <string.h>

#include "pass.h"
#include "probe.h"

rv_status_t rvw_task_events(rvw_chunk_t *t, uint32_t type, const rvw_events_t **ret, uint32_t *ret_n, rv_error_t *err) {
    uint32_t s = 0;
    while (s < t->job->n_slots && t->job->slot_types[s] != type)
        s++;
    if (s == t->job->n_slots)
        return rv_fail(err, RV_REASON_BUG, "event type %u is not planned for", type);
    if (!t->events[s]) {
        uint32_t n = rvw_view_events_max(t->view, type, t->chunk);
        rvw_events_t *events = rvw_take(t, n + 1u, sizeof *events, err);
        if (!events)
            return RVW_NO_SPACE;
        RVW_TRY(rvw_view_events(t->view, type, t->chunk, events, &n, err));
        for (uint32_t i = 0; i < n; i++) /* the bounds of a tail block may cover later events too */
            if (events[i].n && events[i].sorted && events[i].max_row >= t->n_rows)
                return rv_fail(err, RV_REASON_DAMAGED, "events of type %u are about row %u of a chunk of %u rows", type,
                               events[i].max_row, t->n_rows);
        t->events[s] = events;
        t->n_events[s] = n;
    }
    *ret = t->events[s];
    *ret_n = t->n_events[s];
    return RV_OK;
}

rv_status_t rvw_pieces_load(rvw_chunk_t *t, const uint32_t *types, size_t n_types, rvw_pieces_t *ret, rv_error_t *err) {
    const rvw_events_t *events;
    uint32_t n, total = 0;
    for (size_t i = 0; i < n_types; i++) {
        RVW_TRY(rvw_task_events(t, types[i], &events, &n, err));
        total += n;
    }
    *ret = (rvw_pieces_t){.pieces = rvw_take(t, total + 1u, sizeof *ret->pieces, err)};
    if (!ret->pieces)
        return RVW_NO_SPACE;
    for (size_t i = 0; i < n_types; i++) {
        RVW_TRY(rvw_task_events(t, types[i], &events, &n, err));
        for (uint32_t k = 0; k < n; k++) {
            ret->pieces[ret->n++] = (rvw_typed_events_t){&events[k], types[i]};
            ret->n_events += events[k].n;
        }
    }
    return RV_OK;
}

/* What is known of the condition in a piece. PROBE: a table by the code of a full column. */
typedef enum { WHERE_ALL, WHERE_NONE, WHERE_PROBE, WHERE_TABLE, WHERE_EVENTS } where_t;

typedef struct {
    rvw_chunk_t *t;
    const rvw_step_t *step;
    const rvw_window_t *window;
    const rvw_typed_events_t *piece;
    rvw_window_part_t part;
    where_t where;
    rvw_probe_t probe;
    bool population;
} walk_t;

static rv_status_t bind_where(walk_t *w, rv_error_t *err) {
    rvw_scratch_t *s = w->t->scratch;
    w->where = WHERE_ALL;
    if (!w->step->where)
        return RV_OK;
    uint32_t root = w->step->where - 1;
    RVW_TRY(rvw_bind(w->t, &w->step->expr, w->piece->events, w->piece->type, w->piece->events->n, err));
    bool constant = w->t->job->nodes[root].domain == RVW_DOMAIN_CONST || s->bind[root].from == RVW_FROM_CONSTANT;
    if (constant && !w->step->expr.can_fail)
        w->where = *(const uint8_t *)s->vec[root].data ? WHERE_ALL : WHERE_NONE;
    else
        w->where = s->bind[root].from == RVW_FROM_TABLE ? WHERE_TABLE : WHERE_EVENTS;
    if (w->where == WHERE_TABLE && !s->bind[root].column->present) {
        w->where = WHERE_PROBE;
        rvw_probe_by_table(s->bind[root].column, s->bind[root].table, &w->probe);
    }
    return RV_OK;
}

static void mask_population(const walk_t *w, uint32_t first, uint32_t n, uint8_t *m) {
    const uint16_t *row = w->piece->events->row + first;
    for (uint32_t i = 0; i < n; i++)
        m[i] &= rvw_bit(w->t->population, row[i]);
}

static void mask_table(const rvw_bind_t *bind, uint32_t first, uint32_t n, uint8_t *m) {
    const rvw_column_t *c = bind->column;
    uint8_t missing = bind->table[c->dict_n];
    for (uint32_t i = 0; i < n; i++)
        if (m[i])
            m[i] = rvw_column_present(c, first + i) ? bind->table[rvw_column_code(c, first + i)] : missing;
}

static rv_status_t mask_events(const walk_t *w, uint32_t first, uint32_t n, bool full, uint8_t *m, rv_error_t *err) {
    uint32_t idx[RV_VECTOR];
    rvw_batch_t batch = {.n = n, .first = first};
    uint32_t root = w->step->where - 1;
    if (!full)
        batch = (rvw_batch_t){.n = rvw_kernel_pick(m, first, n, idx), .idx = idx};
    if (!batch.n)
        return RV_OK;
    RVW_TRY(rvw_evaluate(w->t, &w->step->expr, w->piece->events, &batch, err));
    const uint8_t *out = w->t->scratch->vec[root].data;
    if (full)
        memcpy(m, out, n);
    else
        for (uint32_t i = 0; i < batch.n; i++)
            m[idx[i] - first] = out[i];
    return RV_OK;
}

/* The mask of a block. */
static rv_status_t mask_block(const walk_t *w, uint32_t first, uint32_t n, uint8_t *m, rv_error_t *err) {
    bool full = w->part == RVW_WINDOW_ALL && !w->population;
    if (w->where == WHERE_PROBE) {
        rvw_probe_block(&w->probe, first, n, m);
        if (w->part != RVW_WINDOW_ALL)
            rvw_window_narrow(w->window, w->piece->events, first, n, m);
        if (w->population)
            mask_population(w, first, n, m);
        return RV_OK;
    }
    if (w->part == RVW_WINDOW_ALL)
        memset(m, 1, n);
    else
        rvw_window_mask(w->window, w->piece->events, first, n, m);
    if (w->population)
        mask_population(w, first, n, m);
    if (w->where == WHERE_TABLE)
        mask_table(&w->t->scratch->bind[w->step->where - 1], first, n, m);
    else if (w->where == WHERE_EVENTS)
        RVW_TRY(mask_events(w, first, n, full, m, err));
    return RV_OK;
}

#define STEP 32u

/* First event from `at` on whose row is not below: from the guess on in steps that double, then by halves without a
 * branch, for where it is nobody can foresee. */
static uint32_t seek(const uint16_t *rows, uint32_t n, uint32_t at, uint32_t guess, uint32_t row) {
    uint32_t lo = guess < n ? guess : n - 1, left, step = STEP;
    lo = lo < at + STEP / 2 ? at : lo - STEP / 2;
    for (; lo > at && rows[lo] >= row; step *= 2)
        lo = lo < at + step ? at : lo - step;
    for (; lo + step < n && rows[lo + step - 1] < row; step *= 2)
        lo += step;
    left = lo + step < n ? step : n - lo;
    while (left) {
        uint32_t half = (left + 1) / 2;
        lo += rows[lo + half - 1] < row ? half : 0;
        left -= half;
    }
    return lo;
}

bool rvw_run_next(const rvw_chunk_t *t, const rvw_events_t *events, rvw_run_t *run) {
    const float density = (float)events->n / (float)(events->max_row - events->min_row + 1);
    uint32_t row = run->row < events->min_row ? events->min_row : run->row, at = run->at, from = row;
    while (row <= events->max_row && at < events->n) {
        uint64_t word = t->mask[row >> 6] >> (row & 63);
        if (!word) {
            row = (row | 63) + 1;
            continue;
        }
        row += (uint32_t)__builtin_ctzll(word);
        at = seek(events->row, events->n, at, at + (uint32_t)((float)(row - from) * density), row);
        from = row;
        uint32_t end = at;
        while (end < events->n && events->row[end] == row)
            end++;
        row++;
        if (end > at) {
            *run = (rvw_run_t){.row = row, .at = end, .first = at, .n = end - at};
            return true;
        }
    }
    return false;
}

/* Only the events of the rows that still matter. */
static rv_status_t walk_runs(const walk_t *w, uint32_t number, rvw_hits_fn_t *each, void *context, rv_error_t *err) {
    rvw_hits_t block = {.events = w->piece->events, .type = w->piece->type, .piece = number};
    bool masked = w->part != RVW_WINDOW_ALL || w->where != WHERE_ALL;
    uint8_t m[RV_VECTOR + 8];
    for (rvw_run_t run = {0}; rvw_run_next(w->t, block.events, &run);)
        for (uint32_t at = 0; at < run.n; at += RV_VECTOR) {
            block.first = run.first + at;
            block.n = run.n - at < RV_VECTOR ? run.n - at : RV_VECTOR;
            block.mask = masked ? m : NULL;
            if (masked)
                RVW_TRY(mask_block(w, block.first, block.n, m, err));
            RVW_TRY(each(context, &block, err));
        }
    return RV_OK;
}

static rv_status_t walk_blocks(const walk_t *w, uint32_t number, bool whole, rvw_hits_fn_t *each, void *context,
                               rv_error_t *err) {
    const rvw_events_t *events = w->piece->events;
    rvw_hits_t block = {.events = events, .type = w->piece->type, .piece = number, .n = events->n};
    bool masked = w->part != RVW_WINDOW_ALL || w->where != WHERE_ALL || w->population;
    if (whole && !masked)
        return each(context, &block, err);
    uint8_t m[RV_VECTOR + 8];
    for (uint32_t first = 0; first < events->n; first += RV_VECTOR) {
        block.first = first;
        block.n = events->n - first < RV_VECTOR ? events->n - first : RV_VECTOR;
        block.mask = masked ? m : NULL;
        if (masked)
            RVW_TRY(mask_block(w, first, block.n, m, err));
        RVW_TRY(each(context, &block, err));
    }
    return RV_OK;
}

static rv_status_t walk_piece(rvw_chunk_t *t, const rvw_step_t *step, const rvw_window_t *window,
                              const rvw_typed_events_t *piece, uint32_t number, bool whole, bool population,
                              rvw_hits_fn_t *each, void *context, rv_error_t *err) {
    walk_t w = {.t = t, .step = step, .window = window, .piece = piece, .population = population};
    w.part = rvw_window_part(window, piece->events);
    if (w.part == RVW_WINDOW_NONE)
        return RV_OK;
    if (rvw_job_stopped(t->job))
        return rv_fail_as(err, RV_CANCELLED, RV_REASON_NONE, "the query was cancelled");
    rvw_space_mark_t mark = rvw_space_mark(t->scratch->space);
    rv_status_t status = bind_where(&w, err);
    bool runs = piece->events->sorted && !population && rvw_mask_sparse(t, w.where == WHERE_EVENTS ? 128 : 32);
    if (status == RV_OK && w.where != WHERE_NONE && runs)
        status = walk_runs(&w, number, each, context, err);
    else if (status == RV_OK && w.where != WHERE_NONE)
        status = walk_blocks(&w, number, whole, each, context, err);
    rvw_space_release(t->scratch->space, mark);
    return status;
}

/* Blocks on their way, counted. */
typedef struct {
    rvw_hits_fn_t *each;
    void *context;
    uint64_t n_events;
} counted_t;

static rv_status_t count_block(void *context, const rvw_hits_t *block, rv_error_t *err) {
    counted_t *counted = context;
    counted->n_events += block->n;
    return counted->each(counted->context, block, err);
}

rv_status_t rvw_piece_walk(rvw_chunk_t *t, const rvw_step_t *step, const rvw_window_t *window,
                           const rvw_typed_events_t *piece, uint32_t number, bool whole, bool population,
                           rvw_hits_fn_t *each, void *context, rv_error_t *err) {
    if (!t->meter)
        return walk_piece(t, step, window, piece, number, whole, population, each, context, err);
    counted_t counted = {each, context, 0};
    RVW_TRY(walk_piece(t, step, window, piece, number, whole, population, count_block, &counted, err));
    rvw_meter_piece(t, piece->events, counted.n_events, step->where ? &step->expr : NULL);
    return RV_OK;
}

int rvw_tie_compare(const rvw_typed_events_t *a, uint32_t i, const rvw_typed_events_t *b, uint32_t k) {
    char x[RVW_TEXT_ROOM], y[RVW_TEXT_ROOM];
    if (a == b && a->events->sorted)
        return (i > k) - (i < k);
    int order =
        rv_str_compare(rvw_column_string(&a->events->source, i, x), rvw_column_string(&b->events->source, k, y));
    if (!order)
        order = rv_str_compare(rvw_column_string(&a->events->id, i, x), rvw_column_string(&b->events->id, k, y));
    if (!order)
        order = (a->type > b->type) - (a->type < b->type);
    return order;
}

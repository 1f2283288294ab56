/* score.c: scores by row: points of events, decayed by their age at an instant, added as integers of 2^-32 point.
 *
 * Events later than the instant do not count. Sums are 64 bits where the number of events proves that enough, otherwise
 * 128 bits and checked in the end, so that the order of events decides nothing. One score at two constant instants
 * ("score(x) - score(x) at 30 days ago") is one walk over the events. Failure: OVERFLOW.
 */
#include <math.h>
#include <string.h>

#include "pass.h"

#define SPARSE 32u
#define FEW 64u /* smaller pieces do not pay for the kernel's table */

typedef struct {
    rvw_chunk_t *t;
    const rvw_pass_t *pass;
    const int64_t *instants; /* by row; NULL: all at `instant` */
    const uint8_t *known;    /* rows whose instant is known; NULL: all */
    uint8_t *present;        /* rows that have a score */
    int64_t instant;
    rvw_window_t window; /* events that count, besides the instant */
    int64_t *sum;        /* or */
    rv_i128_t *wide;
    uint64_t half_life;
    const rvw_decay_t *decay; /* for any age */
    uint64_t *room;           /* of the kernel */
} score_t;

/* The greatest sum that the chunk's events can make, in units. */
static rv_status_t bound(score_t *s, double *ret, rv_error_t *err) {
    *ret = 0;
    for (size_t i = 0; i < s->pass->n_points; i++) {
        rvw_pieces_t pieces;
        RVW_TRY(rvw_pieces_load(s->t, &s->pass->points[i].type, 1, &pieces, err));
        *ret += (double)pieces.n_events * fabs(s->pass->points[i].weight.points) * 0x1p32;
    }
    return RV_OK;
}

/* One event the slow way. */
static rv_status_t add_event(const score_t *s, const rvw_weight_t *w, uint32_t row, int64_t time, rv_error_t *err) {
    int64_t at = s->instants ? s->instants[row] : s->instant, units;
    if (!s->present[row] || time > at || time > (s->window.row_hi ? s->window.row_hi[row] : s->window.hi))
        return RV_OK;
    uint64_t age = (uint64_t)at - (uint64_t)time;
    if (!w->slow && age < (uint64_t)1 << RVW_DECAY_AGE_BITS)
        units = rvw_decay_table(s->decay, w, age);
    else if (!rvw_decay_exact(s->half_life, w->points, age, &units))
        return rv_fail(err, RV_REASON_OVERFLOW, "a score's points are too large: %g", w->points);
    if (s->sum)
        s->sum[row] += units;
    else
        s->wide[row] += units;
    return RV_OK;
}

static rv_status_t add_slow(const score_t *s, const rvw_weight_t *w, const rvw_events_t *e, rv_error_t *err) {
    int64_t times[RV_VECTOR];
    if (e->sorted && rvw_mask_sparse(s->t, SPARSE)) {
        for (rvw_run_t run = {0}; rvw_run_next(s->t, e, &run);)
            for (uint32_t i = run.first; i < run.first + run.n; i++)
                RVW_TRY(add_event(s, w, e->row[i], rvw_column_int(&e->time, i), err));
        return RV_OK;
    }
    for (uint32_t first = 0; first < e->n; first += RV_VECTOR) {
        uint32_t n = e->n - first < RV_VECTOR ? e->n - first : RV_VECTOR;
        rvw_event_times(e, first, n, times);
        for (uint32_t i = 0; i < n; i++)
            RVW_TRY(add_event(s, w, e->row[first + i], times[i], err));
    }
    return RV_OK;
}

/* Which codes of time count; false when the kernel cannot take the piece. */
static bool codes_at(const score_t *s, const rvw_weight_t *w, const rvw_events_t *e, rvw_decay_at_t *ret) {
    int64_t end = s->window.hi < s->instant ? s->window.hi : s->instant, oldest;
    if ((e->sorted && rvw_mask_sparse(s->t, SPARSE)) || !s->sum || s->instants || s->window.row_hi || w->slow ||
        e->n < FEW || e->time.encoding != RVW_FOR || e->time.width != 4 || e->time.unit <= 0 || e->time.base > end ||
        e->time.base < 0 || __builtin_sub_overflow(s->instant, e->time.base, &oldest) ||
        oldest >= (int64_t)1 << RVW_DECAY_AGE_BITS)
        return false;
    int64_t last = (end - e->time.base) / e->time.unit;
    *ret = (rvw_decay_at_t){
        .since = (uint64_t)oldest, .last = last > UINT32_MAX ? UINT32_MAX : (uint32_t)last, .sum = s->sum};
    return true;
}

/* A piece for the scores s[0 .. n), which differ by their instants, the later first. */
static rv_status_t add_piece(score_t *s, unsigned n, const rvw_weight_t *w, const rvw_events_t *e, rv_error_t *err) {
    rvw_decay_at_t at[2];
    unsigned n_at = 0;
    for (unsigned k = 0; k < n; k++) {
        int64_t end = s[k].instants ? INT64_MAX : s[k].instant;
        if (!e->n || e->min_time > end)
            continue;
        if (codes_at(&s[k], w, e, &at[n_at])) {
            n_at++;
            continue;
        }
        if (!s[k].decay && !(s[k].decay = rvw_job_decay(s->t->job, s->pass->score, 0)))
            return rv_fail_memory(err, "the tables of a score");
        RVW_TRY(add_slow(&s[k], w, e, err));
    }
    if (!n_at)
        return RV_OK;
    const rvw_decay_t *decay = rvw_job_decay(s->t->job, s->pass->score, rvw_decay_unit_index(e->time.unit));
    if (!decay)
        return rv_fail_memory(err, "the tables of a score");
    rvw_decay_codes(decay, w, (uint64_t)e->time.unit, at, n_at, e->time.codes, e->row, e->n, s->room);
    return RV_OK;
}

static void count_piece(const score_t *s, const rvw_events_t *e) {
    bool some = e->n && (s->instants || e->min_time <= s->instant);
    uint64_t looked_at = some ? e->n : 0;
    if (some && e->sorted && rvw_mask_sparse(s->t, SPARSE)) {
        looked_at = 0;
        for (rvw_run_t run = {0}; rvw_run_next(s->t, e, &run);)
            looked_at += run.n;
    }
    rvw_meter_piece(s->t, e, looked_at, NULL);
}

static rv_status_t add_events(score_t *s, unsigned n, rv_error_t *err) {
    for (size_t i = 0; i < s->pass->n_points; i++) {
        rvw_pieces_t pieces;
        RVW_TRY(rvw_pieces_load(s->t, &s->pass->points[i].type, 1, &pieces, err));
        for (uint32_t p = 0; p < pieces.n; p++) {
            if (rvw_job_stopped(s->t->job))
                return rv_fail_as(err, RV_CANCELLED, RV_REASON_NONE, "the query was cancelled");
            RVW_TRY(add_piece(s, n, &s->pass->points[i].weight, pieces.pieces[p].events, err));
            if (s->t->meter)
                count_piece(s, pieces.pieces[p].events);
        }
    }
    return RV_OK;
}

static rv_status_t finish(const score_t *s, rv_error_t *err) {
    rvw_chunk_t *t = s->t;
    double *out = rvw_take(t, t->n_rows, sizeof *out, err);
    if (!out)
        return RVW_NO_SPACE;
    for (uint32_t r = 0; r < t->n_rows; r++) {
        if (s->sum) {
            out[r] = (double)s->sum[r] * 0x1p-32;
            continue;
        }
        bool fits = s->wide[r] <= INT64_MAX && s->wide[r] >= INT64_MIN;
        if (!fits && rvw_bit(t->population, r))
            return rv_fail(err, RV_REASON_OVERFLOW, "the score of some contact leaves 2^31 points");
        out[r] = fits ? (double)(int64_t)s->wide[r] * 0x1p-32 : 0;
    }
    rvw_array_set(t, s->pass->node, RVW_ARRAY_F64, out, s->present);
    return RV_OK;
}

/* Which rows have a score: those whose instant and end of the window are known. */
static rv_status_t find_present(score_t *s, bool nothing, rv_error_t *err) {
    rvw_chunk_t *t = s->t;
    s->present = rvw_take_zero(t, t->n_rows, 1, err);
    if (!s->present)
        return RVW_NO_SPACE;
    for (uint32_t r = 0; !nothing && r < t->n_rows; r++)
        s->present[r] = (!s->known || s->known[r]) && (!s->window.present || s->window.present[r]);
    return RV_OK;
}

/* `most`: the greatest sum, in units. */
static rv_status_t begin(rvw_chunk_t *t, const rvw_pass_t *pass, double most, score_t *s, bool *ret_nothing,
                         rv_error_t *err) {
    const rvw_node_t *node = &t->job->nodes[pass->instant];
    s->half_life = t->job->program->scores[pass->score]->half_life_ms;
    if (most < 0x1p62)
        s->sum = rvw_take_zero(t, t->n_rows, sizeof *s->sum, err);
    else
        s->wide = rvw_take_zero(t, t->n_rows, sizeof *s->wide, err);
    if (!s->sum && !s->wide)
        return RVW_NO_SPACE;
    bool constant = node->domain == RVW_DOMAIN_CONST;
    const rvw_array_t *array = &t->arrays[pass->instant];
    if (!constant && array->kind != RVW_ARRAY_I64)
        return rv_fail(err, RV_REASON_BUG, "node %u of the program is no time", pass->instant);
    s->instant = node->value.i;
    s->instants = constant ? NULL : array->data;
    s->known = constant ? NULL : array->present;
    RVW_TRY(rvw_window_prepare(t, &pass->bounds, &s->window, err));
    *ret_nothing = s->window.nothing || (constant && !node->value.present);
    return find_present(s, *ret_nothing, err);
}

/* A score at a constant instant of which all events count. */
static bool is_plain(const rvw_job_t *job, const rvw_pass_t *pass) {
    if (pass->kind != RVW_PASS_SCORE || pass->bounds.until)
        return false;
    const rvw_node_t *node = &job->nodes[pass->instant];
    return node->domain == RVW_DOMAIN_CONST && node->value.present;
}

const rvw_pass_t *rvw_score_twin(const rvw_chunk_t *t, const rvw_pass_t *pass, const uint32_t *others, uint32_t n) {
    for (uint32_t i = 0; i < n && is_plain(t->job, pass); i++) {
        const rvw_pass_t *other = &t->job->passes[others[i]];
        if (!t->pass_done[others[i]] && is_plain(t->job, other) && other->score == pass->score)
            return other;
    }
    return NULL;
}

rv_status_t rvw_pass_score(rvw_chunk_t *t, const rvw_pass_t *pass, const rvw_pass_t *twin, rv_error_t *err) {
    score_t s[2] = {{.t = t, .pass = pass}, {.t = t, .pass = twin}};
    unsigned n = twin ? 2 : 1;
    bool nothing = false;
    double most;
    RVW_TRY(bound(s, &most, err));
    uint64_t *room = rvw_take(t, RVW_DECAY_ROOM, sizeof *room, err);
    if (!room)
        return RVW_NO_SPACE;
    for (unsigned k = 0; k < n; k++) {
        s[k].room = room;
        RVW_TRY(begin(t, s[k].pass, most, &s[k], &nothing, err)); /* twins always have something */
    }
    if (twin && s[1].instant > s[0].instant) {
        score_t later = s[1];
        s[1] = s[0];
        s[0] = later;
    }
    if (!nothing)
        RVW_TRY(add_events(s, n, err));
    for (unsigned k = 0; k < n; k++)
        RVW_TRY(finish(&s[k], err));
    return RV_OK;
}

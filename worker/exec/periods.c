/* periods.c: the periods after its start in which each row had an event, as bitmaps.
 *
 * Times of stored pieces are whole units above a base. Where the period is whole units too, times and starts become
 * units since the least base: what is left of a unit cannot change a period. The kernel then works in 32 bits. Other
 * pieces (the tail, few days in few bytes) and longer spans go by milliseconds. Failure: no space.
 */
#include "pass.h"

#define MOST ((uint64_t)1 << 53)   /* ms: longer than any history, and exact as a double */
#define EXACT ((uint64_t)1 << 49)  /* ms of times and lengths: sums of a few are exact as doubles */
#define SPAN ((uint64_t)1 << 31)   /* units from the least base to the last event: below */
#define LENGTH ((uint64_t)1 << 30) /* units of all periods: at most */
#define NEVER ((uint32_t)1 << 31)  /* the offset of a row without a period */
#define BITS 32u                   /* periods of the kernel */

static uint64_t divisor_of(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool in_units(const rvw_events_t *e) {
    return e->n && e->time.encoding == RVW_FOR && e->time.width == 4 && e->time.unit > 0;
}

/* The greatest unit of which the times of all pieces in units are whole numbers, and their bounds; false: none. */
static bool find_units(rvw_select_t *s, int64_t *ret_last) {
    uint64_t unit = 0;
    bool any = false;
    for (uint32_t p = 0; p < s->pieces->n; p++) {
        const rvw_events_t *e = s->pieces->pieces[p].events;
        if (!in_units(e))
            continue;
        s->origin = any && s->origin < e->time.base ? s->origin : e->time.base;
        *ret_last = any && *ret_last > e->max_time ? *ret_last : e->max_time;
        any = true;
    }
    for (uint32_t p = 0; p < s->pieces->n; p++) {
        const rvw_events_t *e = s->pieces->pieces[p].events;
        if (in_units(e))
            unit = divisor_of(divisor_of((uint64_t)e->time.unit, unit), (uint64_t)e->time.base - (uint64_t)s->origin);
    }
    s->unit = (int64_t)unit;
    return any && s->origin >= -(int64_t)EXACT && *ret_last <= (int64_t)EXACT && *ret_last >= s->origin;
}

/* Units from the start of each row to the origin, rounded down and modulo 2^32; `last` is the time of the last event.
 * Rounding down is made of rounding down the opposite: -floor((start - origin + unit - 1) / unit). */
static void find_offsets(rvw_select_t *s, int64_t last) {
    const int64_t first = s->origin - (int64_t)s->length, from = first - (s->unit - 1);
    const uint32_t n = s->task->n_rows, shift = (uint32_t)(s->length / (uint64_t)s->unit);
    int64_t start[RV_VECTOR];
    for (uint32_t at = 0; at < n; at += RV_VECTOR) {
        uint32_t rows = n - at < RV_VECTOR ? n - at : RV_VECTOR, *offsets = s->offsets + at;
        const int64_t *starts = s->starts + at;
        for (uint32_t i = 0; i < rows; i++)
            start[i] = starts[i] < first ? first : starts[i] > last ? last : starts[i];
        rvw_kernel_quotients(start, rows, from, s->unit, offsets);
        for (uint32_t i = 0; i < rows; i++)
            offsets[i] = ((starts[i] >= first) & (starts[i] <= last)) ? shift - offsets[i] : NEVER;
    }
}

static rv_status_t init_units(rvw_select_t *s, rv_error_t *err) {
    const Reveille__V1__RetentionQuery *query = s->task->job->request->retention;
    int64_t last = 0;
    if (query->periods > BITS || s->length > EXACT || !find_units(s, &last) || query->period_ms % s->unit ||
        s->length / (uint64_t)s->unit > LENGTH || ((uint64_t)last - (uint64_t)s->origin) / (uint64_t)s->unit >= SPAN)
        return RV_OK;
    s->offsets = rvw_take(s->task, s->task->n_rows, sizeof *s->offsets, err);
    if (!s->offsets)
        return RVW_NO_SPACE;
    find_offsets(s, last);
    return RV_OK;
}

/* The starts by row; no event comes after one that is missing. */
rv_status_t rvw_periods_init(rvw_select_t *s, rv_error_t *err) {
    const Reveille__V1__RetentionQuery *query = s->task->job->request->retention;
    const rvw_node_t *node = &s->task->job->nodes[s->pass->instant];
    const rvw_array_t *start = &s->task->arrays[s->pass->instant];
    bool constant = node->domain == RVW_DOMAIN_CONST;
    s->words = (query->periods + 63) / 64;
    s->periods = rvw_take_zero(s->task, (size_t)s->task->n_rows * s->words, sizeof *s->periods, err);
    s->starts = rvw_take(s->task, s->task->n_rows, sizeof *s->starts, err);
    if (!s->periods || !s->starts)
        return RVW_NO_SPACE;
    if (__builtin_mul_overflow((uint64_t)query->period_ms, query->periods, &s->length) || s->length > MOST)
        s->length = MOST;
    for (uint32_t r = 0; r < s->task->n_rows; r++) {
        bool present = constant ? node->value.present : !start->present || start->present[r];
        s->starts[r] = !present ? INT64_MAX : constant ? node->value.i : ((const int64_t *)start->data)[r];
    }
    return init_units(s, err);
}

/* The period of each event of a block, and whether it counts. Whether an event counts nobody can foresee: so without a
 * branch. */
static void find_periods(const rvw_select_t *s, const rvw_hits_t *b, uint64_t *k, uint8_t *counts) {
    const uint64_t period = (uint64_t)s->task->job->request->retention->period_ms, length = s->length;
    const double inverse = 1.0 / (double)period;
    const uint16_t *row = b->events->row + b->first;
    const int64_t *starts = s->starts;
    int64_t times[RV_VECTOR];
    rvw_event_times(b->events, b->first, b->n, times);
    for (uint32_t i = 0; i < b->n; i++) {
        int64_t start = starts[row[i]];
        uint64_t since = (uint64_t)times[i] - (uint64_t)start;
        counts[i] = (uint8_t)((times[i] >= start) & (since < length));
        k[i] = rvw_quotient(since & -(uint64_t)counts[i], period, inverse);
    }
    for (uint32_t i = 0; b->mask && i < b->n; i++)
        counts[i] &= b->mask[i];
}

/* The same of a block in units, by the kernel. */
static void mark_units(rvw_select_t *s, const rvw_hits_t *b) {
    const Reveille__V1__RetentionQuery *query = s->task->job->request->retention;
    const rvw_column_t *c = &b->events->time;
    const uint16_t *row = b->events->row + b->first;
    uint32_t bits[RV_VECTOR];
    uint64_t *periods = s->periods;
    rvw_period_plan_t plan = {.base = (uint32_t)(((uint64_t)c->base - (uint64_t)s->origin) / (uint64_t)s->unit),
                              .factor = (uint32_t)(c->unit / s->unit),
                              .length = (uint32_t)(s->length / (uint64_t)s->unit),
                              .period = (uint32_t)(query->period_ms / s->unit)};
    rvw_kernel_periods(&plan, row, (const uint32_t *)c->codes + b->first, b->n, b->mask, s->offsets, bits);
    for (uint32_t i = 0; i < b->n; i++)
        periods[row[i]] |= bits[i];
}

void rvw_periods_block(rvw_select_t *s, const rvw_hits_t *b) {
    uint64_t k[RV_VECTOR], *periods = s->periods;
    uint8_t counts[RV_VECTOR];
    const uint16_t *row = b->events->row + b->first;
    const uint32_t words = s->words;
    if (s->offsets && in_units(b->events)) {
        mark_units(s, b);
        return;
    }
    find_periods(s, b, k, counts);
    for (uint32_t i = 0; i < b->n; i++)
        periods[(size_t)row[i] * words + k[i] / 64] |= (uint64_t)counts[i] << (k[i] & 63);
}

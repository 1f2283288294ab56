/* sink_retention.c: cohorts of contacts and how many came back in each period after their start.
 *
 * A contact's cohort is floor(start / length); the pass has marked its periods in a bitmap a row. The contacts of a
 * batch are counted by the distance of their cohort from the batch's first one while these are few; cohorts are found
 * by number in a hash table. Contacts without a start belong to none. Failure: QUOTA.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "message.h"
#include "sink.h"

#define EXACT ((int64_t)1 << 49) /* ms: sums of a few are exact as doubles */
#define COUNTERS 16384u          /* of a batch */

static uint32_t periods_of(const rvw_job_t *job) {
    return job->request->retention->periods;
}

static uint64_t mix(int64_t number) {
    uint64_t h = (uint64_t)number * 0x9E3779B97F4A7C15ull;
    return h ^ h >> 32;
}

static rv_status_t grow_slots(rvw_partial_t *p, rv_error_t *err) {
    rvw_cohorts_t *c = &p->cohorts;
    if (c->n * 2 < c->n_slots)
        return RV_OK;
    size_t n = c->n_slots ? c->n_slots * 2 : 256;
    RVW_TRY(rvw_job_charge(p->job, (n - c->n_slots) * sizeof *c->slots, err));
    p->charged += (n - c->n_slots) * sizeof *c->slots;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots)
        return rv_fail_memory(err, "cohorts");
    for (size_t i = 0; i < c->n; i++) {
        size_t at = (size_t)mix(c->cohorts[i].number) & (n - 1);
        while (slots[at])
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(c->slots);
    c->slots = slots;
    c->n_slots = n;
    return RV_OK;
}

static rv_status_t find(rvw_partial_t *p, int64_t number, rvw_cohort_t **ret, rv_error_t *err) {
    rvw_cohorts_t *c = &p->cohorts;
    RVW_TRY(grow_slots(p, err));
    size_t at = (size_t)mix(number) & (c->n_slots - 1);
    for (; c->slots[at]; at = (at + 1) & (c->n_slots - 1))
        if (c->cohorts[c->slots[at] - 1].number == number) {
            *ret = &c->cohorts[c->slots[at] - 1];
            return RV_OK;
        }
    RVW_TRY(rvw_grow(p, &c->cohorts, c->n, &c->cap, sizeof *c->cohorts, err));
    size_t bytes = periods_of(p->job) * sizeof(uint64_t);
    uint64_t *contacts = rvw_bytes_take(p->job, &c->store, bytes, err);
    if (!contacts)
        return RV_RESOURCE_EXHAUSTED;
    memset(contacts, 0, bytes);
    c->cohorts[c->n++] = (rvw_cohort_t){.number = number, .contacts = contacts};
    c->slots[at] = (uint32_t)c->n;
    *ret = &c->cohorts[c->n - 1];
    return RV_OK;
}

static int64_t cohort_of(const rvw_job_t *job, int64_t start) {
    int64_t length = job->request->retention->cohort_ms, q = start / length;
    return q - (q * length > start);
}

/* Contacts of a batch that have a start, and what they are counted in. */
typedef struct {
    uint32_t row[RV_VECTOR], cohort[RV_VECTOR]; /* cohort: above the first one */
    int64_t start[RV_VECTOR];
    uint32_t n, lanes;
    uint16_t *counts; /* by cohort and period, `lanes` a cohort: periods rounded up */
    uint32_t *sizes;  /* by cohort */
} cohorts_t;

static rv_status_t take_row(rvw_chunk_t *t, rvw_partial_t *p, uint32_t row, int64_t start, rv_error_t *err) {
    const Reveille__V1__RetentionQuery *query = t->job->request->retention;
    rvw_cohort_t *cohort;
    RVW_TRY(find(p, cohort_of(t->job, start), &cohort, err));
    cohort->size++;
    uint32_t words = (query->periods + 63) / 64;
    for (uint32_t w = 0; w < words; w++)
        for (uint64_t left = t->periods[(size_t)row * words + w]; left; left &= left - 1)
            cohort->contacts[w * 64 + (unsigned)__builtin_ctzll(left)]++;
    return RV_OK;
}

/* Numbers the cohorts of a batch from its first one on; false when there may be more of them than counters. */
static bool number_cohorts(const rvw_job_t *job, cohorts_t *c, int64_t *ret_first, uint32_t *ret_n) {
    int64_t length = job->request->retention->cohort_ms, lo = INT64_MAX, hi = INT64_MIN;
    for (uint32_t i = 0; i < c->n; i++) {
        lo = c->start[i] < lo ? c->start[i] : lo;
        hi = c->start[i] > hi ? c->start[i] : hi;
    }
    if (lo < -EXACT || hi > EXACT || length > EXACT)
        return false;
    *ret_first = cohort_of(job, lo);
    uint64_t n = (uint64_t)(cohort_of(job, hi) - *ret_first) + 1;
    if (n > COUNTERS / c->lanes)
        return false;
    rvw_kernel_quotients(c->start, c->n, *ret_first * length, length, c->cohort);
    *ret_n = (uint32_t)n;
    return true;
}

static rv_status_t take_batch(rvw_chunk_t *t, rvw_partial_t *p, cohorts_t *c, rv_error_t *err) {
    const uint32_t periods = periods_of(t->job);
    uint32_t n;
    int64_t first;
    if (!c->n)
        return RV_OK;
    if (!number_cohorts(t->job, c, &first, &n)) {
        for (uint32_t i = 0; i < c->n; i++)
            RVW_TRY(take_row(t, p, c->row[i], c->start[i], err));
        return RV_OK;
    }
    memset(c->counts, 0, (size_t)n * c->lanes * sizeof *c->counts);
    memset(c->sizes, 0, n * sizeof *c->sizes);
    for (uint32_t i = 0; i < c->n; i++)
        c->sizes[c->cohort[i]]++;
    rvw_kernel_add_bits(t->periods, (periods + 63) / 64, c->row, c->cohort, c->n, c->lanes, c->counts);
    for (uint32_t k = 0; k < n; k++) {
        rvw_cohort_t *cohort;
        if (!c->sizes[k])
            continue;
        RVW_TRY(find(p, first + k, &cohort, err));
        cohort->size += c->sizes[k];
        for (uint32_t i = 0; i < periods; i++)
            cohort->contacts[i] += c->counts[k * c->lanes + i];
    }
    return RV_OK;
}

static cohorts_t *cohorts_new(rvw_chunk_t *t, rv_error_t *err) {
    cohorts_t *c = rvw_take(t, 1, sizeof *c, err);
    if (!c)
        return NULL;
    c->lanes = (periods_of(t->job) + RVW_LANES - 1) / RVW_LANES * RVW_LANES;
    c->counts = rvw_take(t, COUNTERS, sizeof *c->counts, err);
    c->sizes = rvw_take(t, COUNTERS / RVW_LANES, sizeof *c->sizes, err);
    return c->counts && c->sizes ? c : NULL;
}

rv_status_t rvw_retention_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err) {
    uint32_t *idx = rvw_take(t, RV_VECTOR, sizeof *idx, err), at = 0;
    uint32_t start = t->job->request->retention->start;
    cohorts_t *c = cohorts_new(t, err);
    rvw_batch_t batch;
    if (!idx || !c)
        return RVW_NO_SPACE;
    RVW_TRY(rvw_stage_passes(t, &t->job->sink, err));
    RVW_TRY(rvw_bind(t, &t->job->sink.expr, NULL, 0, t->n_rows, err));
    while (rvw_rows_next(mask, t->n_rows, &at, idx, &batch)) {
        RVW_TRY(rvw_evaluate(t, &t->job->sink.expr, NULL, &batch, err));
        const rvw_vec_t *v = &t->scratch->vec[start];
        c->n = 0;
        for (uint32_t i = 0; i < batch.n; i++) {
            c->row[c->n] = batch.idx ? batch.idx[i] : batch.first + i;
            c->start[c->n] = ((const int64_t *)v->data)[i];
            c->n += !v->present || v->present[i];
        }
        RVW_TRY(take_batch(t, p, c, err));
    }
    return RV_OK;
}

rv_status_t rvw_retention_merge(const rvw_job_t *job, rvw_partial_t *into, rvw_partial_t *from, rv_error_t *err) {
    for (size_t i = 0; i < from->cohorts.n; i++) {
        rvw_cohort_t *cohort = &from->cohorts.cohorts[i], *found;
        RVW_TRY(find(into, cohort->number, &found, err));
        found->size += cohort->size;
        for (uint32_t k = 0; k < periods_of(job); k++)
            found->contacts[k] += cohort->contacts[k];
    }
    free(from->cohorts.cohorts);
    free(from->cohorts.slots);
    rvw_bytes_done(job, &from->cohorts.store);
    rvw_job_discharge(job, from->charged);
    from->charged = 0;
    from->cohorts = (rvw_cohorts_t){0};
    return RV_OK;
}

static int compare_cohorts(const void *a, const void *b) {
    const rvw_cohort_t *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

void rvw_retention_seal(rvw_partial_t *p) {
    if (p->cohorts.n)
        qsort(p->cohorts.cohorts, p->cohorts.n, sizeof *p->cohorts.cohorts, compare_cohorts);
}

rv_status_t rvw_retention_next_page(const rvw_job_t *job, rvw_partial_t *p, rv_arena_t *arena,
                                    Reveille__V1__QueryResponse *response, bool *ret_last, rv_error_t *err) {
    size_t periods = periods_of(job), left = p->cohorts.n - p->next;
    size_t most = RVW_PAGE_BYTES / ((periods + 2) * 8), n = left < RV_PAGE_ROWS ? left : RV_PAGE_ROWS;
    if (n > most)
        n = most;
    Reveille__V1__RetentionPartial *r = rv_arena_alloc(arena, sizeof *r);
    int64_t *cohorts = rv_arena_alloc(arena, (n + 1) * sizeof *cohorts);
    uint64_t *sizes = rv_arena_alloc(arena, (n + 1) * sizeof *sizes);
    uint64_t *contacts = rv_arena_alloc(arena, (n * periods + 1) * sizeof *contacts);
    if (!r || !cohorts || !sizes || !contacts)
        return rv_fail_memory(err, "a message");
    reveille__v1__retention_partial__init(r);
    for (size_t i = 0; i < n; i++) {
        const rvw_cohort_t *cohort = &p->cohorts.cohorts[p->next + i];
        cohorts[i] = cohort->number;
        sizes[i] = cohort->size;
        memcpy(contacts + i * periods, cohort->contacts, periods * sizeof *contacts);
    }
    r->cohorts = cohorts;
    r->sizes = sizes;
    r->contacts = contacts;
    r->n_cohorts = r->n_sizes = n;
    r->n_contacts = n * periods;
    response->partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_RETENTION;
    response->retention = r;
    p->next += n;
    *ret_last = p->next == p->cohorts.n;
    return RV_OK;
}

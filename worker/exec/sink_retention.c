/* sink_retention.c: cohorts of contacts and how many came back in each period after their start.
 *
 * A contact's cohort is floor(start / length); the pass has marked its periods in a bitmap a row. Cohorts are found by
 * number in a hash table. Contacts without a start belong to none. Failure: QUOTA.
 */
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "sink.h"

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

static rv_status_t take_row(rvw_chunk_t *t, rvw_partial_t *p, uint32_t row, int64_t start, rv_error_t *err) {
    const Reveille__V1__RetentionQuery *query = t->job->request->retention;
    rvw_cohort_t *cohort;
    int64_t q = start / query->cohort_ms;
    RVW_TRY(find(p, q - (q * query->cohort_ms > start), &cohort, err));
    cohort->size++;
    uint32_t words = (query->periods + 63) / 64;
    for (uint32_t w = 0; w < words; w++)
        for (uint64_t left = t->periods[(size_t)row * words + w]; left; left &= left - 1)
            cohort->contacts[w * 64 + (unsigned)__builtin_ctzll(left)]++;
    return RV_OK;
}

rv_status_t rvw_retention_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err) {
    uint32_t *idx = rvw_take(t, RV_VECTOR, sizeof *idx, err), at = 0;
    uint32_t start = t->job->request->retention->start;
    rvw_batch_t batch;
    if (!idx)
        return RVW_NO_SPACE;
    RVW_TRY(rvw_stage_passes(t, &t->job->sink, err));
    RVW_TRY(rvw_bind(t, &t->job->sink.expr, NULL, 0, t->n_rows, err));
    while (rvw_rows_next(mask, t->n_rows, &at, idx, &batch)) {
        RVW_TRY(rvw_evaluate(t, &t->job->sink.expr, NULL, &batch, err));
        const rvw_vec_t *v = &t->scratch->vec[start];
        for (uint32_t i = 0; i < batch.n; i++)
            if (!v->present || v->present[i])
                RVW_TRY(take_row(t, p, batch.idx ? batch.idx[i] : batch.first + i, ((const int64_t *)v->data)[i], err));
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

/* sink_groups.c: groups of rows with their measures.
 *
 * A group is its values as bytes (valcodec.h) and a row of aggregate states. Rows of a batch get numbers for their
 * combination of values; only a number that is new in the chunk is encoded and looked up. Counts, and sums while the
 * values are whole numbers of some unit, are gathered by number and added at the end of the chunk. What a state takes
 * beside its place is charged to the job as it grows. Failure: QUOTA, OVERFLOW.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "message.h"
#include "reveille/hash.h"
#include "sink.h"

static rv_agg_t *state_of(const rvw_job_t *job, const rvw_group_t *group, size_t m) {
    return (rv_agg_t *)(void *)(group->states + job->measure_at[m]);
}

static bool is_sum(const rv_measure_t *m) {
    return m->kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_SUM ||
           m->kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_AVG;
}

static bool is_count(const rv_measure_t *m) {
    return m->kind == REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT;
}

void rvw_groups_done(const rvw_job_t *job, rvw_groups_t *groups) {
    for (size_t i = 0; i < groups->n; i++)
        for (size_t m = 0; m < job->n_measures; m++)
            rv_agg_done(&job->measures[m], state_of(job, &groups->groups[i], m));
    free(groups->groups);
    free(groups->slots);
    rvw_bytes_done(job, &groups->store);
    rv_bytes_done(&groups->scratch);
    *groups = (rvw_groups_t){0};
}

static rv_status_t grow_slots(rvw_partial_t *p, rv_error_t *err) {
    rvw_groups_t *g = &p->groups;
    if (g->n * 2 < g->n_slots)
        return RV_OK;
    size_t n = g->n_slots ? g->n_slots * 2 : 1024;
    RVW_TRY(rvw_job_charge(p->job, (n - g->n_slots) * sizeof *g->slots, err));
    p->charged += (n - g->n_slots) * sizeof *g->slots;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots)
        return rv_fail_memory(err, "groups");
    for (size_t i = 0; i < g->n; i++) {
        size_t at = (size_t)g->groups[i].hash & (n - 1);
        while (slots[at])
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(g->slots);
    g->slots = slots;
    g->n_slots = n;
    return RV_OK;
}

static rv_status_t new_group(rvw_partial_t *p, const uint8_t *key, size_t n, uint64_t hash, rv_error_t *err) {
    rvw_groups_t *g = &p->groups;
    const rvw_job_t *job = p->job;
    if (g->n >= RV_MAX_GROUPS)
        return rv_fail(err, RV_REASON_QUOTA, "more than %u groups; group by something coarser", RV_MAX_GROUPS);
    RVW_TRY(rvw_grow(p, &g->groups, g->n, &g->cap, sizeof *g->groups, err));
    uint8_t *copy = rvw_bytes_take(job, &g->store, n + 1, err);
    char *states = rvw_bytes_take(job, &g->store, job->measure_at[job->n_measures] + 1, err);
    if (!copy || !states)
        return RV_RESOURCE_EXHAUSTED;
    if (n)
        memcpy(copy, key, n);
    rvw_group_t group = {.hash = hash, .key = copy, .key_n = (uint32_t)n, .states = states};
    for (size_t m = 0; m < job->n_measures; m++)
        rv_agg_init(&job->measures[m], state_of(job, &group, m));
    g->groups[g->n++] = group;
    return RV_OK;
}

rv_status_t rvw_groups_find(rvw_partial_t *p, const uint8_t *key, size_t n, rvw_group_t **ret, rv_error_t *err) {
    rvw_groups_t *g = &p->groups;
    RVW_TRY(grow_slots(p, err));
    uint64_t hash = rv_hash(key, n);
    size_t at = (size_t)hash & (g->n_slots - 1);
    for (; g->slots[at]; at = (at + 1) & (g->n_slots - 1)) {
        rvw_group_t *group = &g->groups[g->slots[at] - 1];
        if (group->hash == hash && group->key_n == n && (!n || memcmp(group->key, key, n) == 0)) {
            *ret = group;
            return RV_OK;
        }
    }
    RVW_TRY(new_group(p, key, n, hash, err));
    g->slots[at] = (uint32_t)g->n;
    *ret = &g->groups[g->n - 1];
    return RV_OK;
}

/* Groups of a chunk by number: group 1 + index, rows not yet counted. Neighbouring rows are often of one group: each
 * has its own of WAYS counters, or every count would wait for the one before. */
#define WAYS 4u
typedef struct {
    rv_i128_t sum; /* of ints and decimals, or of doubles in units of 2^-32: a chunk's rows cannot fill it */
    uint64_t n;
} total_t;
typedef struct {
    rvw_codes_t *codes;
    uint32_t *group;
    uint32_t *rows;    /* WAYS each */
    total_t *totals;   /* one a measure each */
    int64_t *integers; /* of a batch */
    uint32_t n, cap;
} numbers_t;

/* The group of row i of the batch, by its bytes. */
static rv_status_t find_row(rvw_chunk_t *t, rvw_partial_t *p, const rvw_codes_t *codes, const rvw_batch_t *batch,
                            uint32_t i, uint32_t *ret, rv_error_t *err) {
    rvw_group_t *group;
    p->groups.scratch.n = 0;
    for (size_t k = 0; k < t->job->n_by; k++)
        RVW_TRY(rvw_codes_encode(t, codes, k, batch, i, &p->groups.scratch, err));
    RVW_TRY(rvw_groups_find(p, p->groups.scratch.p, p->groups.scratch.n, &group, err));
    *ret = (uint32_t)(group - p->groups.groups) + 1;
    return RV_OK;
}

static rv_status_t grow_numbers(rvw_chunk_t *t, numbers_t *numbers, uint32_t n, rv_error_t *err) {
    if (numbers->group && n <= numbers->cap)
        return RV_OK;
    uint32_t cap = numbers->cap ? numbers->cap * 2 : 1024;
    while (cap < n)
        cap *= 2;
    uint32_t *group = rvw_take_zero(t, cap, sizeof *group, err);
    uint32_t *rows = rvw_take_zero(t, (size_t)cap * WAYS, sizeof *rows, err);
    size_t measures = t->job->n_measures;
    total_t *totals = rvw_take_zero(t, cap * measures, sizeof *totals, err);
    if (!group || !rows || !totals)
        return RVW_NO_SPACE;
    if (numbers->cap) {
        memcpy(group, numbers->group, numbers->cap * sizeof *group);
        memcpy(rows, numbers->rows, numbers->cap * WAYS * sizeof *rows);
        memcpy(totals, numbers->totals, numbers->cap * measures * sizeof *totals);
    }
    numbers->group = group;
    numbers->rows = rows;
    numbers->totals = totals;
    numbers->cap = cap;
    return RV_OK;
}

/* Groups of rows whose strings do not last, each by its bytes. */
static rv_status_t find_fleeting(rvw_chunk_t *t, rvw_partial_t *p, const rvw_codes_t *codes, const rvw_batch_t *batch,
                                 uint32_t *out, rv_error_t *err) {
    for (uint32_t i = 0; i < batch->n; i++) {
        RVW_TRY(find_row(t, p, codes, batch, i, &out[i], err));
        for (size_t m = 0; m < t->job->n_measures; m++)
            if (is_count(&t->job->measures[m]))
                rv_agg_add_rows(&t->job->measures[m], state_of(t->job, &p->groups.groups[out[i] - 1], m), 1);
    }
    return RV_OK;
}

/* The number of each row of the batch, with *ret_group the 1 + group of each number; NULL: they are groups already. */
static rv_status_t find_batch(rvw_chunk_t *t, rvw_partial_t *p, numbers_t *numbers, const rvw_batch_t *batch,
                              uint32_t *out, const uint32_t **ret_group, rv_error_t *err) {
    uint32_t n_codes, n = batch->n;
    *ret_group = NULL;
    if (!rvw_codes_last(t, numbers->codes))
        return find_fleeting(t, p, numbers->codes, batch, out, err);
    RVW_TRY(rvw_codes_of(t, numbers->codes, batch, out, &n_codes, err));
    RVW_TRY(grow_numbers(t, numbers, n_codes, err));
    for (uint32_t i = 0; n_codes > numbers->n && i < n; i++)
        if (!numbers->group[out[i]])
            RVW_TRY(find_row(t, p, numbers->codes, batch, i, &numbers->group[out[i]], err));
    numbers->n = n_codes;
    for (uint32_t i = 0; i < n; i++)
        numbers->rows[out[i] * WAYS + i % WAYS]++;
    *ret_group = numbers->group;
    return RV_OK;
}

/* Adds what was gathered by number. */
static void add_numbers(const rvw_job_t *job, rvw_partial_t *p, const numbers_t *numbers) {
    for (uint32_t code = 0; code < numbers->n; code++) {
        uint64_t rows = 0;
        for (uint32_t k = 0; k < WAYS; k++)
            rows += numbers->rows[code * WAYS + k];
        for (size_t m = 0; rows && m < job->n_measures; m++) {
            const total_t *total = &numbers->totals[code * job->n_measures + m];
            rv_agg_t *state = state_of(job, &p->groups.groups[numbers->group[code] - 1], m);
            if (is_count(&job->measures[m]))
                rv_agg_add_rows(&job->measures[m], state, rows);
            else if (total->n)
                rv_agg_add_sum(&job->measures[m], state, total->sum, total->n);
        }
    }
}

/* Charges what a state has grown by. */
static rv_status_t charge_growth(rvw_partial_t *p, size_t before, size_t after, rv_error_t *err) {
    if (after == before)
        return RV_OK;
    if (after > before) {
        RVW_TRY(rvw_job_charge(p->job, after - before, err));
        p->charged += after - before;
    } else {
        rvw_job_discharge(p->job, before - after);
        p->charged -= before - after;
    }
    return RV_OK;
}

/* The values of a batch as integers that rv_agg_add_sum takes; NULL when they are none. */
static const int64_t *integers_of(const rvw_vec_t *v, rv_type_t type, uint32_t n, int64_t *room) {
    if (v->kind == RVW_KIND_INT && type != RV_DOUBLE)
        return v->data;
    return v->kind == RVW_KIND_DOUBLE && type == RV_DOUBLE && rvw_kernel_units(v->data, n, room) ? room : NULL;
}

/* Adds the values of a sum by number; false when they are no integers, and nothing is added. */
static bool add_integers(const rvw_job_t *job, numbers_t *numbers, size_t m, const rvw_vec_t *v, uint32_t n,
                         const uint32_t *code) {
    const int64_t *x = integers_of(v, job->measures[m].type, n, numbers->integers);
    for (uint32_t i = 0; x && i < n; i++) {
        total_t *total = &numbers->totals[code[i] * job->n_measures + m];
        int64_t there = !v->present || v->present[i];
        total->sum += x[i] & -there;
        total->n += (uint64_t)there;
    }
    return x != NULL;
}

/* Adds the values of a measure row by row. */
static rv_status_t add_each(rvw_chunk_t *t, rvw_partial_t *p, size_t m, uint32_t n, const uint32_t *numbers,
                            const uint32_t *group, rv_error_t *err) {
    const rvw_job_t *job = t->job;
    const rv_measure_t *measure = &job->measures[m];
    uint32_t node = job->request->groups->measures[m]->node;
    bool grows = !is_sum(measure);
    rv_value_t value;
    for (uint32_t i = 0; i < n; i++) {
        rv_agg_t *state = state_of(job, &p->groups.groups[(group ? group[numbers[i]] : numbers[i]) - 1], m);
        size_t before = grows ? rv_agg_memory(measure, state) : 0;
        rvw_vec_value(&t->scratch->vec[node], &job->nodes[node], i, &value);
        RVW_TRY(rv_agg_add(measure, state, &value, err));
        if (grows)
            RVW_TRY(charge_growth(p, before, rv_agg_memory(measure, state), err));
    }
    return RV_OK;
}

static rv_status_t add_values(rvw_chunk_t *t, rvw_partial_t *p, numbers_t *numbers, uint32_t n, const uint32_t *out,
                              const uint32_t *group, rv_error_t *err) {
    const rvw_job_t *job = t->job;
    for (size_t m = 0; m < job->n_measures; m++) {
        if (is_count(&job->measures[m]))
            continue;
        const rvw_vec_t *v = &t->scratch->vec[job->request->groups->measures[m]->node];
        if (group && is_sum(&job->measures[m]) && add_integers(job, numbers, m, v, n, out))
            continue;
        RVW_TRY(add_each(t, p, m, n, out, group, err));
    }
    return RV_OK;
}

rv_status_t rvw_groups_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err) {
    const rvw_job_t *job = t->job;
    uint32_t *idx = rvw_take(t, RV_VECTOR, sizeof *idx, err), at = 0;
    uint32_t *out = rvw_take(t, RV_VECTOR, sizeof *out, err);
    const uint32_t *group;
    numbers_t numbers = {.codes = rvw_codes_new(t, err), .integers = rvw_take(t, RV_VECTOR, sizeof(int64_t), err)};
    rvw_batch_t batch;
    if (!idx || !out || !numbers.codes || !numbers.integers)
        return RVW_NO_SPACE;
    RVW_TRY(rvw_stage_passes(t, &job->sink, err));
    RVW_TRY(rvw_bind(t, &job->sink.expr, NULL, 0, t->n_rows, err));
    rvw_codes_bind(t, numbers.codes);
    while (rvw_rows_next(mask, t->n_rows, &at, idx, &batch)) {
        RVW_TRY(rvw_evaluate(t, &job->sink.expr, NULL, &batch, err));
        RVW_TRY(find_batch(t, p, &numbers, &batch, out, &group, err));
        RVW_TRY(add_values(t, p, &numbers, batch.n, out, group, err));
    }
    add_numbers(job, p, &numbers);
    return RV_OK;
}

rv_status_t rvw_groups_merge(const rvw_job_t *job, rvw_partial_t *into, rvw_partial_t *from, rv_error_t *err) {
    for (size_t i = 0; i < from->groups.n; i++) {
        const rvw_group_t *group = &from->groups.groups[i];
        rvw_group_t *found;
        RVW_TRY(rvw_groups_find(into, group->key, group->key_n, &found, err));
        for (size_t m = 0; m < job->n_measures; m++) {
            rv_agg_t *state = state_of(job, found, m);
            size_t before = rv_agg_memory(&job->measures[m], state);
            RVW_TRY(rv_agg_merge(&job->measures[m], state, state_of(job, group, m), err));
            RVW_TRY(charge_growth(into, before, rv_agg_memory(&job->measures[m], state), err));
        }
    }
    rvw_groups_done(job, &from->groups);
    rvw_job_discharge(job, from->charged);
    from->charged = 0;
    return RV_OK;
}

static int compare_groups(const void *a, const void *b) {
    const rvw_group_t *x = a, *y = b;
    int order = memcmp(x->key, y->key, x->key_n < y->key_n ? x->key_n : y->key_n);
    return order ? order : (x->key_n > y->key_n) - (x->key_n < y->key_n);
}

void rvw_groups_seal(rvw_partial_t *p) {
    if (p->groups.n)
        qsort(p->groups.groups, p->groups.n, sizeof *p->groups.groups, compare_groups);
}

/* Packs the states of a group behind `out`. */
static rv_status_t pack(const rvw_job_t *job, const rvw_group_t *group, rv_bytes_t *out, rv_error_t *err) {
    for (size_t m = 0; m < job->n_measures; m++)
        if (rv_agg_pack(&job->measures[m], state_of(job, group, m), out) != RV_OK)
            return rv_fail_memory(err, "a group");
    return RV_OK;
}

/* Packs groups from p->next on while they fit a message; ends[i] is where group i ends in the scratch. */
static rv_status_t pack_page(const rvw_job_t *job, rvw_partial_t *p, size_t *ends, size_t *ret_n, rv_error_t *err) {
    size_t n = 0, bytes = 0;
    rv_bytes_t *packed = &p->groups.scratch;
    packed->n = 0;
    while (p->next + n < p->groups.n && n < RV_PAGE_ROWS) {
        const rvw_group_t *group = &p->groups.groups[p->next + n];
        size_t before = packed->n;
        RVW_TRY(pack(job, group, packed, err));
        bytes += group->key_n + 8 + packed->n - before;
        if (bytes > RVW_PAGE_BYTES) {
            packed->n = before;
            break;
        }
        ends[n++] = packed->n;
    }
    *ret_n = n;
    if (!n && p->next < p->groups.n)
        return rv_fail(err, RV_REASON_QUOTA,
                       "the measures of one group are larger than a message of %u KiB; use fewer distinct or quantile",
                       RV_MAX_BODY >> 10);
    return RV_OK;
}

rv_status_t rvw_groups_next_page(const rvw_job_t *job, rvw_partial_t *p, rv_arena_t *arena,
                                 Reveille__V1__QueryResponse *response, bool *ret_last, rv_error_t *err) {
    size_t left = p->groups.n - p->next, n, at = 0;
    size_t most = left < RV_PAGE_ROWS ? left : RV_PAGE_ROWS;
    size_t *ends = rv_arena_alloc(arena, (most + 1) * sizeof *ends);
    rv_str_t *keys = rv_arena_alloc(arena, (most + 1) * sizeof *keys);
    rv_str_t *states = rv_arena_alloc(arena, (most + 1) * sizeof *states);
    Reveille__V1__GroupsPartial *groups = rv_arena_alloc(arena, sizeof *groups);
    if (!ends || !keys || !states || !groups)
        return rv_fail_memory(err, "a message");
    RVW_TRY(pack_page(job, p, ends, &n, err));
    for (size_t i = 0; i < n; i++) {
        const rvw_group_t *group = &p->groups.groups[p->next + i];
        keys[i] = (rv_str_t){(const char *)group->key, group->key_n};
        states[i] = (rv_str_t){(const char *)p->groups.scratch.p + at, (uint32_t)(ends[i] - at)};
        at = ends[i];
    }
    reveille__v1__groups_partial__init(groups);
    groups->keys = rvw_message_strings(arena, keys, n, err);
    groups->states = rvw_message_strings(arena, states, n, err);
    if (!groups->keys || !groups->states)
        return RV_RESOURCE_EXHAUSTED;
    response->partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_GROUPS;
    response->groups = groups;
    p->next += n;
    *ret_last = p->next == p->groups.n;
    return RV_OK;
}

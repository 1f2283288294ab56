/* tally.c: sums.
 *
 * A count is one number, an overlap one matrix. Cohorts of a retention are gathered as they come, one row (cohort,
 * size, a count a period) each; at the end they are sorted and rows of one cohort are added. Thread: the actor's.
 * Failure: more than RV_MAX_QUERY_MEMORY of cohorts. */
#include "tally.h"
#include "reveille/limits.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t cohort;
    uint64_t size;
    size_t at; /* of its counts */
} cohort_t;

struct rvc_tally {
    const rvc_plan_t *plan;
    uint64_t count;
    uint64_t *matrix; /* OVERLAP */
    cohort_t *cohorts;
    size_t n_cohorts, cap_cohorts;
    uint64_t *counts;
    size_t n_counts, cap_counts;
    bool sorted;
    size_t next_cohort;
    uint32_t next_period;
    rv_arena_t arena; /* of the message at hand */
};

rv_status_t rvc_tally_new(const rvc_plan_t *plan, rvc_tally_t **ret, rv_error_t *err) {
    rvc_tally_t *tally = calloc(1, sizeof *tally);
    if (!tally)
        return rv_fail_memory(err, "a result");
    tally->plan = plan;
    rv_arena_init(&tally->arena, 16u << 20);
    if (plan->kind == RVC_PLAN_OVERLAP) {
        tally->matrix = calloc(plan->n_names * plan->n_names, sizeof *tally->matrix);
        if (!tally->matrix) {
            rvc_tally_destroy(&tally);
            return rv_fail_memory(err, "a result");
        }
    }
    *ret = tally;
    return RV_OK;
}

void rvc_tally_destroy(rvc_tally_t **tally) {
    if (!*tally)
        return;
    free((*tally)->matrix);
    free((*tally)->cohorts);
    free((*tally)->counts);
    rv_arena_done(&(*tally)->arena);
    free(*tally);
    *tally = NULL;
}

/* The array with room for `more` elements of `size` bytes behind n; NULL without memory. */
static void *grow(void *array, size_t *cap, size_t n, size_t more, size_t size) {
    if (array && n + more <= *cap)
        return array;
    size_t wanted = *cap ? 2 * *cap : 256;
    wanted = wanted < n + more ? n + more : wanted;
    void *grown = realloc(array, wanted * size);
    if (grown)
        *cap = wanted;
    return grown;
}

static rv_status_t add_cohorts(rvc_tally_t *tally, const Reveille__V1__RetentionPartial *partial, rv_error_t *err) {
    size_t n = partial->n_cohorts, periods = tally->plan->periods;
    if (partial->n_sizes != n || partial->n_contacts != n * periods)
        return rv_fail(err, RV_REASON_BUG,
                       "a worker's retention has %zu sizes and %zu counts for %zu cohorts of %zu periods",
                       partial->n_sizes, partial->n_contacts, n, periods);
    size_t bytes =
        (tally->n_cohorts + n) * sizeof *tally->cohorts + (tally->n_counts + n * periods) * sizeof *tally->counts;
    if (bytes > RV_MAX_QUERY_MEMORY)
        return rv_fail(err, RV_REASON_QUOTA, "the cohorts take more than the %u bytes of one query: use longer cohorts",
                       RV_MAX_QUERY_MEMORY);
    cohort_t *cohorts = grow(tally->cohorts, &tally->cap_cohorts, tally->n_cohorts, n, sizeof *cohorts);
    tally->cohorts = cohorts ? cohorts : tally->cohorts;
    uint64_t *counts = grow(tally->counts, &tally->cap_counts, tally->n_counts, n * periods, sizeof *counts);
    tally->counts = counts ? counts : tally->counts;
    if (!cohorts || !counts)
        return rv_fail_memory(err, "cohorts");
    for (size_t i = 0; i < n; i++)
        tally->cohorts[tally->n_cohorts++] =
            (cohort_t){partial->cohorts[i], partial->sizes[i], tally->n_counts + i * periods};
    if (n)
        memcpy(tally->counts + tally->n_counts, partial->contacts, n * periods * sizeof *tally->counts);
    tally->n_counts += n * periods;
    return RV_OK;
}

static rv_status_t add_overlap(rvc_tally_t *tally, const Reveille__V1__OverlapPartial *partial, rv_error_t *err) {
    size_t n = tally->plan->n_names * tally->plan->n_names;
    if (partial->n_counts != n)
        return rv_fail(err, RV_REASON_BUG, "a worker's overlap has %zu counts where %zu are expected",
                       partial->n_counts, n);
    for (size_t i = 0; i < n; i++)
        tally->matrix[i] += partial->counts[i];
    return RV_OK;
}

rv_status_t rvc_tally_add(rvc_tally_t *tally, const Reveille__V1__QueryResponse *response, rv_error_t *err) {
    switch (response->partial_case) {
    case REVEILLE__V1__QUERY_RESPONSE__PARTIAL__NOT_SET:
        tally->count += response->count;
        return RV_OK;
    case REVEILLE__V1__QUERY_RESPONSE__PARTIAL_OVERLAP:
        if (tally->plan->kind == RVC_PLAN_OVERLAP)
            return add_overlap(tally, response->overlap, err);
        break;
    case REVEILLE__V1__QUERY_RESPONSE__PARTIAL_RETENTION:
        if (tally->plan->kind == RVC_PLAN_RETENTION)
            return add_cohorts(tally, response->retention, err);
        break;
    default:
        break;
    }
    return rv_fail(err, RV_REASON_BUG, "a worker's answer is of another kind than was asked for");
}

static int by_cohort(const void *a, const void *b) {
    int64_t x = ((const cohort_t *)a)->cohort, y = ((const cohort_t *)b)->cohort;
    return x < y ? -1 : x > y;
}

/* Sorts, then adds the rows of one cohort into its first. */
static void settle(rvc_tally_t *tally) {
    size_t kept = 0, periods = tally->plan->periods;
    if (tally->n_cohorts)
        qsort(tally->cohorts, tally->n_cohorts, sizeof *tally->cohorts, by_cohort);
    for (size_t i = 0; i < tally->n_cohorts; i++) {
        const cohort_t *from = &tally->cohorts[i];
        cohort_t *into = kept ? &tally->cohorts[kept - 1] : NULL;
        if (!into || into->cohort != from->cohort) {
            tally->cohorts[kept++] = *from;
            continue;
        }
        into->size += from->size;
        for (size_t k = 0; k < periods; k++)
            tally->counts[into->at + k] += tally->counts[from->at + k];
    }
    tally->n_cohorts = kept;
    tally->sorted = true;
}

static rv_status_t no_memory(rv_error_t *err) {
    return rv_fail_memory(err, "an answer");
}

static rv_status_t next_retention(rvc_tally_t *tally, Reveille__V1__Coverage *coverage, const ProtobufCMessage **ret,
                                  bool *ret_last, rv_error_t *err) {
    if (!tally->sorted)
        settle(tally);
    Reveille__V1__RetentionResponse *message = rv_arena_alloc(&tally->arena, sizeof *message);
    Reveille__V1__RetentionRow *rows = rv_arena_zalloc(&tally->arena, RV_PAGE_ROWS, sizeof *rows);
    Reveille__V1__RetentionRow **list = rv_arena_zalloc(&tally->arena, RV_PAGE_ROWS, sizeof *list);
    if (!message || !rows || !list)
        return no_memory(err);
    reveille__v1__retention_response__init(message);
    size_t n = 0;
    while (n < RV_PAGE_ROWS && tally->next_cohort < tally->n_cohorts) {
        const cohort_t *cohort = &tally->cohorts[tally->next_cohort];
        reveille__v1__retention_row__init(&rows[n]);
        rows[n].cohort_ms = (int64_t)((uint64_t)cohort->cohort * (uint64_t)tally->plan->cohort_ms);
        rows[n].period = tally->next_period;
        rows[n].contacts = tally->counts[cohort->at + tally->next_period];
        rows[n].cohort_size = cohort->size;
        list[n] = &rows[n];
        n++;
        if (++tally->next_period == tally->plan->periods) {
            tally->next_period = 0;
            tally->next_cohort++;
        }
    }
    message->n_rows = n;
    message->rows = list;
    *ret_last = tally->next_cohort == tally->n_cohorts;
    message->coverage = *ret_last ? coverage : NULL;
    *ret = &message->base;
    return RV_OK;
}

static rv_status_t make_overlap(rvc_tally_t *tally, Reveille__V1__Coverage *coverage, const ProtobufCMessage **ret,
                                rv_error_t *err) {
    size_t n = tally->plan->n_names, pairs = 0, n_pairs = n * (n - 1) / 2;
    Reveille__V1__OverlapResponse *message = rv_arena_alloc(&tally->arena, sizeof *message);
    Reveille__V1__OverlapSize *size = rv_arena_zalloc(&tally->arena, n, sizeof *size);
    Reveille__V1__OverlapPair *pair = rv_arena_zalloc(&tally->arena, n_pairs, sizeof *pair);
    Reveille__V1__OverlapSize **size_list = rv_arena_zalloc(&tally->arena, n, sizeof *size_list);
    Reveille__V1__OverlapPair **pair_list = rv_arena_zalloc(&tally->arena, n_pairs, sizeof *pair_list);
    if (!message || !size || !pair || !size_list || !pair_list)
        return no_memory(err);
    reveille__v1__overlap_response__init(message);
    for (size_t i = 0; i < n; i++) {
        reveille__v1__overlap_size__init(&size[i]);
        size[i].segment = (char *)(uintptr_t)tally->plan->names[i];
        size[i].count = tally->matrix[i * n + i];
        size_list[i] = &size[i];
        for (size_t j = i + 1; j < n; j++) {
            Reveille__V1__OverlapPair *it = &pair[pairs];
            reveille__v1__overlap_pair__init(it);
            it->a = (char *)(uintptr_t)tally->plan->names[i];
            it->b = (char *)(uintptr_t)tally->plan->names[j];
            it->count = tally->matrix[i * n + j];
            pair_list[pairs++] = it;
        }
    }
    message->n_sizes = n;
    message->sizes = size_list;
    message->n_pairs = pairs;
    message->pairs = pair_list;
    message->coverage = coverage;
    *ret = &message->base;
    return RV_OK;
}

rv_status_t rvc_tally_next(rvc_tally_t *tally, Reveille__V1__Coverage *coverage, const ProtobufCMessage **ret,
                           bool *ret_last, rv_error_t *err) {
    rv_arena_reset(&tally->arena);
    if (tally->plan->kind == RVC_PLAN_RETENTION)
        return next_retention(tally, coverage, ret, ret_last, err);
    *ret_last = true;
    if (tally->plan->kind == RVC_PLAN_OVERLAP)
        return make_overlap(tally, coverage, ret, err);
    Reveille__V1__CountResponse *message = rv_arena_alloc(&tally->arena, sizeof *message);
    if (!message)
        return no_memory(err);
    reveille__v1__count_response__init(message);
    message->count = tally->count;
    message->coverage = coverage;
    *ret = &message->base;
    return RV_OK;
}

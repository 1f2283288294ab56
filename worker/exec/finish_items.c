/* finish_items.c: DISTINCT and sums of doubles, from the items that were kept.
 *
 * Items are brought together by row, then ordered within the row by gather and value; equal neighbours count once,
 * doubles are added exactly and rounded once. Failure: QUOTA.
 */
#include <stdlib.h>
#include <string.h>

#include "pass.h"

static int compare_items(const void *a, const void *b) {
    const rvw_item_t *x = a, *y = b;
    if (x->b != y->b)
        return x->b < y->b ? -1 : 1;
    return (x->a > y->a) - (x->a < y->a);
}

static void sort_row(rvw_item_t *items, size_t n) {
    if (n > 24) {
        qsort(items, n, sizeof *items, compare_items);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        rvw_item_t item = items[i];
        size_t k = i;
        for (; k && compare_items(&item, &items[k - 1]) < 0; k--)
            items[k] = items[k - 1];
        items[k] = item;
    }
}

/* Results of one gather by row. */
typedef struct {
    uint32_t *distinct;
    double *sum, *avg;
    uint8_t *sum_present, *avg_present;
} results_t;

static rv_status_t take_results(rvw_select_t *s, results_t *results, rv_error_t *err) {
    rvw_chunk_t *t = s->task;
    uint32_t rows = t->n_rows;
    for (uint32_t g = 0; g < s->n_states; g++) {
        const rvw_gather_t *plan = s->states[g].plan;
        bool is_double = s->states[g].arg->kind == RVW_KIND_DOUBLE;
        results_t *r = &results[g];
        if (plan->distinct != RVW_NO_NODE) {
            if (!(r->distinct = rvw_take_zero(t, rows, sizeof *r->distinct, err)))
                return RVW_NO_SPACE;
            rvw_array_set(t, plan->distinct, RVW_ARRAY_U32, r->distinct, s->window.present);
        }
        if (is_double && plan->sum != RVW_NO_NODE) {
            r->sum = rvw_take_zero(t, rows, sizeof *r->sum, err);
            r->sum_present = rvw_take(t, rows, 1, err);
            if (!r->sum || !r->sum_present)
                return RVW_NO_SPACE;
            for (uint32_t k = 0; k < rows; k++)
                r->sum_present[k] = !s->window.present || s->window.present[k];
            rvw_array_set(t, plan->sum, RVW_ARRAY_F64, r->sum, r->sum_present);
        }
        if (is_double && plan->avg != RVW_NO_NODE) {
            r->avg = rvw_take_zero(t, rows, sizeof *r->avg, err);
            r->avg_present = rvw_take_zero(t, rows, 1, err);
            if (!r->avg || !r->avg_present)
                return RVW_NO_SPACE;
            rvw_array_set(t, plan->avg, RVW_ARRAY_F64, r->avg, r->avg_present);
        }
    }
    return RV_OK;
}

/* The doubles of one row and gather. */
static void add_doubles(results_t *r, uint32_t row, const rvw_item_t *items, size_t n) {
    rv_exact_t exact;
    rv_exact_init(&exact);
    for (size_t i = 0; i < n; i++) {
        double d;
        memcpy(&d, &items[i].a, sizeof d);
        rv_exact_add(&exact, d);
    }
    if (r->sum) {
        double sum = rv_exact_value(&exact);
        r->sum[row] = sum == sum ? sum : 0;
        r->sum_present[row] &= sum == sum;
    }
    if (r->avg) {
        double avg = rv_exact_mean(&exact, n);
        r->avg[row] = avg == avg ? avg : 0;
        r->avg_present[row] = avg == avg;
    }
}

static void finish_row(results_t *results, uint32_t row, rvw_item_t *items, size_t n) {
    sort_row(items, n);
    for (size_t i = 0, end; i < n; i = end) {
        results_t *r = &results[items[i].b / 2];
        for (end = i + 1; end < n && items[end].b == items[i].b;)
            end++;
        if (items[i].b & 1) {
            add_doubles(r, row, items + i, end - i);
            continue;
        }
        for (size_t k = i; k < end; k++)
            r->distinct[row] += k == i || items[k].a != items[k - 1].a;
    }
}

rv_status_t rvw_states_items(rvw_select_t *s, rv_error_t *err) {
    results_t *results = rvw_take_zero(s->task, s->n_states + 1u, sizeof *results, err);
    if (!results)
        return RVW_NO_SPACE;
    RVW_TRY(take_results(s, results, err));
    RVW_TRY(rvw_items_sort(s->task, err));
    rvw_items_t *items = &s->task->scratch->items;
    for (uint32_t r = 0; r < s->task->n_rows; r++)
        if (items->at[r + 1] > items->at[r])
            finish_row(results, r, items->sorted + items->at[r], items->at[r + 1] - items->at[r]);
    return RV_OK;
}

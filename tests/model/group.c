// group.c - requests that group contacts: aggregate and retention.
//
// Structure: every contact of the filter becomes a row of its `by` values; rows are sorted, equal rows are a group, and
// each measure is worked out over the contacts of a group. Retention does the same with cohorts and periods.
#include "exact.h"
#include "query.h"

#include <stdlib.h>
#include <string.h>

typedef struct row {
    rvm_value_t *by;
    int n_by;
    int contact;
    int arrival;
} row_t;

static int compare_groups(const row_t *a, const row_t *b) {
    for (int i = 0; i < a->n_by; i++) {
        int c = rvm_compare_missing_last(&a->by[i], &b->by[i], false);
        if (c != 0) {
            return c;
        }
    }
    return 0;
}

static int compare_rows(const void *x, const void *y) {
    const row_t *a = x, *b = y;
    int c = compare_groups(a, b);
    return c != 0 ? c : a->arrival - b->arrival;
}

static int compare_values(const void *a, const void *b) {
    return rvm_compare(a, b);
}

// ceil(q * n), at least 1: the least rank r from 1 on with q * n <= r.
static int nearest_rank(const rvm_value_t *q, int n) {
    for (int rank = 1; rank < n; rank++) {
        rvm_big_t left, unit, count, right;
        rvm_big_fraction(q, &left, &unit); // q = left / unit
        rvm_big_set(&count, n);
        rvm_big_set(&right, rank);
        rvm_big_mul(&left, &left, &count);
        rvm_big_mul(&right, &right, &unit);
        if (rvm_big_cmp(&left, &right) <= 0) {
            return rank;
        }
    }
    return n;
}

static int64_t different(const rvm_value_t *sorted, int n) {
    int64_t count = n > 0;
    for (int i = 1; i < n; i++) {
        count += rvm_compare(&sorted[i - 1], &sorted[i]) != 0;
    }
    return count;
}

// One measure over the values of a group; the missing ones are not among them.
static rvm_value_t reduce(const rvm_measure_t *measure, rvm_value_t *values, int n, bool *overflow) {
    rvm_sum_t sum;
    if (n > 0) {
        qsort(values, (size_t)n, sizeof *values, compare_values);
    }
    switch (measure->function) {
    case RVM_AGG_MIN:
        return n == 0 ? rvm_missing() : values[0];
    case RVM_AGG_MAX:
        return n == 0 ? rvm_missing() : values[n - 1];
    case RVM_AGG_DISTINCT:
        return rvm_int(different(values, n));
    case RVM_AGG_QUANTILE:
        return n == 0 ? rvm_missing() : values[nearest_rank(&measure->quantile, n) - 1];
    default:
        rvm_sum_start(&sum, measure->argument->type, measure->argument->scale);
        for (int i = 0; i < n; i++) {
            rvm_sum_add(&sum, &values[i]);
        }
        return measure->function == RVM_AGG_SUM ? rvm_sum_total(&sum, overflow) : rvm_sum_average(&sum, overflow);
    }
}

typedef struct request {
    rvm_arena_t *arena;
    const rvm_world_t *world;
    const rvm_ast_t *by, *compute;
    bool overflow;
} request_t;

static rvm_value_t measure_group(request_t *r, const rvm_measure_t *measure, const row_t *rows, int n) {
    if (measure->argument == NULL) {
        return rvm_int(n);
    }
    rvm_value_t *values = rvm_alloc(r->arena, (size_t)n * sizeof *values);
    int kept = 0;
    for (int i = 0; i < n; i++) {
        values[kept] = rvm_value_at(r->arena, r->world, rows[i].contact, measure->argument, &r->overflow);
        kept += values[kept].type != RVM_MISSING;
    }
    return reduce(measure, values, kept, &r->overflow);
}

static row_t *sorted_rows(request_t *r, const int *members, int n) {
    row_t *rows = rvm_alloc(r->arena, (size_t)n * sizeof *rows);
    for (int i = 0; i < n; i++) {
        rows[i] = (row_t){.by = rvm_alloc(r->arena, (size_t)r->by->n * sizeof(rvm_value_t)),
                          .n_by = r->by->n,
                          .contact = members[i],
                          .arrival = i};
        for (int k = 0; k < r->by->n; k++) {
            rows[i].by[k] = rvm_value_at(r->arena, r->world, members[i], r->by->node[k], &r->overflow);
        }
    }
    if (n > 0) {
        qsort(rows, (size_t)n, sizeof *rows, compare_rows);
    }
    return rows;
}

static void fill(request_t *r, const row_t *rows, int n, rvm_table_t *table) {
    int start = 0;
    table->rows = 0;
    while (start < n || (r->by->n == 0 && table->rows == 0)) {
        int end = start;
        while (end < n && compare_groups(&rows[start], &rows[end]) == 0) {
            end++;
        }
        rvm_value_t *cells = table->cells + (ptrdiff_t)table->rows * table->columns;
        for (int k = 0; k < r->by->n; k++) {
            cells[k] = rows[start].by[k];
        }
        for (int k = 0; k < r->compute->n; k++) {
            cells[r->by->n + k] = measure_group(r, &r->compute->measure[k], rows + start, end - start);
        }
        table->rows++;
        start = end;
    }
}

rvm_status_t rvm_aggregate(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *by,
                           const char *compute, rvm_table_t *ret, rvm_error_t *error) {
    int *members = NULL, n = 0;
    request_t r = {.arena = arena, .world = world};
    r.by = rvm_prepare_list(arena, world, RVM_TEXT_FIELDS, by, error);
    if (r.by == NULL) {
        return error->status;
    }
    r.compute = rvm_prepare(arena, world, RVM_TEXT_COMPUTE, compute, error);
    if (r.compute == NULL || rvm_members(arena, world, filter, &members, &n, error) != RVM_OK) {
        return error->status;
    }
    rvm_see_overflow(arena, world, r.by->node, r.by->n, &r.overflow);
    for (int i = 0; i < r.compute->n; i++) {
        rvm_see_overflow(arena, world, &r.compute->measure[i].argument, r.compute->measure[i].argument != NULL,
                         &r.overflow);
    }
    rvm_table_t table = rvm_table_new(arena, n + 1, r.by->n + r.compute->n);
    fill(&r, sorted_rows(&r, members, n), n, &table);
    if (r.overflow) {
        return rvm_overflowed(error);
    }
    *ret = table;
    return RVM_OK;
}

// ---- retention ----------------------------------------------------------------------------------------------------

typedef struct start {
    int64_t cohort, at;
    int contact;
} start_t;

static int compare_starts(const void *x, const void *y) {
    const start_t *a = x, *b = y;
    if (a->cohort != b->cohort) {
        return a->cohort < b->cohort ? -1 : 1;
    }
    return a->contact - b->contact;
}

// Has the contact an event of the types in [from, from + period), none later than T?
static bool active(const rvm_world_t *world, const start_t *start, uint64_t types, rvm_i128_t from, int64_t period) {
    const rvm_contact_t *contact = &world->data->contacts[start->contact];
    for (int i = 0; i < contact->n_events; i++) {
        const rvm_event_t *event = &contact->events[i];
        bool in_period = event->at >= from && event->at < from + period && event->at <= world->as_of;
        if (in_period && (types >> event->type & 1) != 0) {
            return true;
        }
    }
    return false;
}

static void fill_cohort(const rvm_world_t *world, const start_t *starts, int n, uint64_t types, int64_t period,
                        int periods, rvm_value_t *cells) {
    for (int k = 0; k < periods; k++) {
        int64_t contacts = 0;
        for (int i = 0; i < n; i++) {
            contacts += active(world, &starts[i], types, starts[i].at + (rvm_i128_t)k * period, period);
        }
        cells[4 * k] = rvm_time(starts[0].cohort);
        cells[4 * k + 1] = rvm_int(k);
        cells[4 * k + 2] = rvm_int(contacts);
        cells[4 * k + 3] = rvm_int(n);
    }
}

static rvm_status_t find_starts(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *text,
                                int64_t cohort, start_t **ret_starts, int *ret_n, rvm_error_t *error) {
    int *members = NULL, n = 0, kept = 0;
    bool overflow = false;
    rvm_ast_t *start = rvm_prepare(arena, world, RVM_TEXT_FIELDS, text, error);
    if (start == NULL) {
        return error->status;
    }
    if (start->n != 1 || (start->node[0]->type != RVM_TIME && start->node[0]->type != RVM_DATE)) {
        rvm_fail(error, RVM_INVALID, 1, 1, "the start is not a time");
        return error->status;
    }
    if (rvm_members(arena, world, filter, &members, &n, error) != RVM_OK) {
        return error->status;
    }
    rvm_see_overflow(arena, world, start->node, 1, &overflow);
    start_t *starts = rvm_alloc(arena, (size_t)n * sizeof *starts);
    for (int i = 0; i < n; i++) {
        rvm_value_t v = rvm_value_at(arena, world, members[i], start->node[0], &overflow);
        if (v.type != RVM_MISSING) {
            int64_t at = rvm_instant(&v);
            starts[kept++] = (start_t){.cohort = rvm_floor_div(at, cohort) * cohort, .at = at, .contact = members[i]};
        }
    }
    *ret_starts = starts;
    *ret_n = kept;
    return overflow ? rvm_overflowed(error) : RVM_OK;
}

rvm_status_t rvm_retention(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *start,
                           int64_t cohort, const char *types, int64_t period, int periods, rvm_table_t *ret,
                           rvm_error_t *error) {
    start_t *starts = NULL;
    int n = 0;
    rvm_ast_t *type_list = rvm_prepare(arena, world, RVM_TEXT_TYPES, types, error);
    if (type_list == NULL || find_starts(arena, world, filter, start, cohort, &starts, &n, error) != RVM_OK) {
        return error->status;
    }
    if (n > 0) {
        qsort(starts, (size_t)n, sizeof *starts, compare_starts);
    }
    rvm_table_t table = rvm_table_new(arena, n * periods, 4);
    table.rows = 0;
    for (int first = 0, end = 0; first < n; first = end) {
        while (end < n && starts[end].cohort == starts[first].cohort) {
            end++;
        }
        fill_cohort(world, starts + first, end - first, type_list->steps.step[0]->types, period, periods,
                    table.cells + (ptrdiff_t)4 * table.rows);
        table.rows += periods;
    }
    *ret = table;
    return RVM_OK;
}

/* store_model.c: writes applied to plain arrays, and the comparison with what a view shows. */
#include "store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *append(void **array, uint32_t *n, size_t size) {
    if ((*n & (*n + 1)) == 0) { /* grow at 0, 1, 3, 7 ... */
        *array = realloc(*array, ((size_t)*n * 2 + 2) * size);
        assert_non_null(*array);
    }
    char *p = (char *)*array + *n * size;
    memset(p, 0, size);
    ++*n;
    return p;
}

static int64_t find_row(const model_row_t *rows, uint32_t n, const char *key) {
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i].alive && strcmp(rows[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

static uint32_t row_of(model_row_t **rows, uint32_t *n, const char *key, bool *ret_new) {
    int64_t row = find_row(*rows, *n, key);
    *ret_new = row < 0;
    if (row < 0) {
        model_row_t *fresh = append((void **)rows, n, sizeof **rows);
        snprintf(fresh->key, sizeof fresh->key, "%s", key);
        fresh->alive = true;
        row = *n - 1;
    }
    return (uint32_t)row;
}

static bool same_value(const model_value_t *a, const model_value_t *b) {
    return a->present == b->present && (!a->present || (a->i == b->i && a->wide == b->wide && !(a->d < b->d) &&
                                                        !(a->d > b->d) && strcmp(a->s, b->s) == 0));
}

static void apply_rows(model_t *model, const step_t *step, uint64_t lsn, model_result_t *ret) {
    bool company = step->kind == STEP_COMPANIES;
    for (uint32_t i = 0; i < step->n; i++) {
        bool changed;
        uint32_t row = company ? row_of(&model->companies, &model->n_companies, step->rows[i].key, &changed)
                               : row_of(&model->contacts, &model->n_contacts, step->rows[i].key, &changed);
        model_row_t *target = company ? &model->companies[row] : &model->contacts[row];
        uint64_t version = step->versions ? step->rows[i].version : lsn;
        ret->contacts_created += changed && !company;
        if (company && version < target->version) {
            ret->applied += changed;
            ret->duplicates += !changed;
            continue;
        }
        target->version = version;
        for (uint32_t a = 0; a < (company ? MODEL_COMPANY_ATTRIBUTES : MODEL_ATTRIBUTES); a++) {
            model_value_t value = {.present = false};
            bool given = step->named[a] && step->rows[i].values[a].present;
            bool unset = step->named[a] && step->unset[i][a];
            if (given && model_type(company, a) == RV_SET && step->rows[i].values[a].s[0] == 0) {
                given = false; /* the empty set is a missing one */
                unset = true;
            }
            if (given) {
                value = step->rows[i].values[a];
            } else if (!step->replace && !unset) {
                continue;
            }
            if (given && model_type(company, a) == RV_COMPANY) {
                bool made;
                row_of(&model->companies, &model->n_companies, value.s, &made);
            }
            if (!same_value(&target->values[a], &value)) {
                target->values[a] = value;
                changed = true;
            }
        }
        ret->applied += changed;
        ret->duplicates += !changed;
    }
}

static int64_t find_event(const model_t *model, uint32_t row, const model_event_t *event) {
    for (uint32_t i = 0; i < model->n_events; i++) {
        const model_event_t *other = &model->events[i];
        if (other->row == row && other->type == event->type && other->time == event->time &&
            strcmp(other->source, event->source) == 0 && strcmp(other->id, event->id) == 0) {
            return i;
        }
    }
    return -1;
}

static bool same_content(const model_event_t *a, const model_event_t *b) {
    bool same = a->has_channel == b->has_channel && strcmp(a->channel, b->channel) == 0;
    for (uint32_t p = 0; p < MODEL_PROPERTIES; p++) {
        same = same && same_value(&a->properties[p], &b->properties[p]);
    }
    return same;
}

static void apply_events(model_t *model, const step_t *step, model_result_t *ret) {
    for (uint32_t i = 0; i < step->n; i++) {
        bool created;
        uint32_t row = row_of(&model->contacts, &model->n_contacts, step->events[i].contact, &created);
        int64_t twin = find_event(model, row, &step->events[i]);
        ret->contacts_created += created;
        if (twin >= 0) {
            bool same = same_content(&model->events[twin], &step->events[i]);
            ret->duplicates += same;
            ret->duplicates_without_id += same && step->events[i].id[0] == 0;
            ret->refused += !same;
            continue;
        }
        model_event_t *event = append((void **)&model->events, &model->n_events, sizeof *model->events);
        *event = step->events[i];
        event->row = row;
        event->import_id = step->import_id;
        ret->applied++;
    }
}

static void remove_event(model_t *model, uint32_t i) {
    memmove(&model->events[i], &model->events[i + 1], (model->n_events - i - 1) * sizeof *model->events);
    model->n_events--;
    /* append() grows by the number of elements: keep room for as many as there were. */
    model->events = realloc(model->events, ((size_t)model->n_events * 2 + 4) * sizeof *model->events);
    assert_non_null(model->events);
}

static void apply_delete(model_t *model, const step_t *step, model_result_t *ret) {
    for (uint32_t i = 0; i < step->n && step->kind == STEP_DELETE; i++) {
        int64_t row = find_row(model->contacts, model->n_contacts, step->events[i].contact);
        int64_t event = row < 0 ? -1 : find_event(model, (uint32_t)row, &step->events[i]);
        if (event >= 0) {
            remove_event(model, (uint32_t)event);
            ret->applied++;
        }
    }
    if (step->kind == STEP_DELETE) {
        ret->duplicates = step->n - ret->applied;
        return;
    }
    for (uint32_t i = 0; i < model->n_events;) {
        const model_event_t *event = &model->events[i];
        bool goes = step->kind == STEP_DELETE_SOURCE ? strcmp(event->source, step->source) == 0
                                                     : event->import_id == step->import_id;
        if (goes && model->contacts[event->row].alive) {
            remove_event(model, i);
            ret->applied++;
        } else {
            i++;
        }
    }
}

static void apply_erase(model_t *model, const step_t *step, model_result_t *ret) {
    for (uint32_t i = 0; i < step->n; i++) {
        int64_t row = find_row(model->contacts, model->n_contacts, step->rows[i].key);
        if (row < 0) {
            ret->duplicates++;
        } else {
            model->contacts[row].alive = false;
            ret->applied++;
        }
    }
}

void model_apply(model_t *model, const step_t *step, uint64_t lsn, model_result_t *ret) {
    *ret = (model_result_t){0};
    switch (step->kind) {
    case STEP_CONTACTS:
    case STEP_COMPANIES:
        apply_rows(model, step, lsn, ret);
        break;
    case STEP_EVENTS:
        apply_events(model, step, ret);
        break;
    case STEP_ERASE:
        apply_erase(model, step, ret);
        break;
    default:
        apply_delete(model, step, ret);
    }
}

static void *copy_of(const void *p, size_t bytes) {
    void *copy = malloc(bytes + 1);
    assert_non_null(copy);
    if (bytes) {
        memcpy(copy, p, bytes);
    }
    return copy;
}

void model_copy(const model_t *from, model_t *to) {
    *to = *from;
    to->contacts = copy_of(from->contacts, from->n_contacts * sizeof *from->contacts);
    to->companies = copy_of(from->companies, from->n_companies * sizeof *from->companies);
    to->events = copy_of(from->events, from->n_events * sizeof *from->events);
}

void model_done(model_t *model) {
    free(model->contacts);
    free(model->companies);
    free(model->events);
    *model = (model_t){0};
}

uint64_t model_contacts(const model_t *model) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < model->n_contacts; i++) {
        n += model->contacts[i].alive;
    }
    return n;
}

uint64_t model_events(const model_t *model) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < model->n_events; i++) {
        n += model->contacts[model->events[i].row].alive;
    }
    return n;
}

const char *model_erased_key(const model_t *model) {
    for (uint32_t i = 0; i < model->n_contacts; i++) {
        if (!model->contacts[i].alive && find_row(model->contacts, model->n_contacts, model->contacts[i].key) < 0) {
            return model->contacts[i].key;
        }
    }
    return NULL;
}

/* ---- comparison ---- */

static void compare_value(const model_t *model, rv_type_t type, const model_value_t *wanted, const rvw_column_t *column,
                          uint32_t i) {
    char buf[300];
    rv_value_t got;
    rvw_column_value(column, i, buf, &got);
    assert_int_equal(got.present, wanted->present);
    if (!got.present) {
        return;
    }
    assert_int_equal(column->type, type);
    switch (type) {
    case RV_STRING:
    case RV_SET:
        assert_int_equal(got.s.n, strlen(wanted->s));
        assert_memory_equal(got.s.p, wanted->s, got.s.n);
        break;
    case RV_COMPANY:
        assert_in_range(got.i, 0, model->n_companies - 1);
        assert_string_equal(model->companies[got.i].key, wanted->s);
        break;
    case RV_DOUBLE:
        assert_true(!(got.d < wanted->d) && !(got.d > wanted->d));
        break;
    case RV_DECIMAL:
        assert_int_equal(column->scale, 2);
        assert_true(got.wide == wanted->wide);
        break;
    default:
        assert_true(got.i == wanted->i);
    }
    if (column->encoding == RVW_FOR || column->encoding == RVW_CONST) {
        assert_true(got.i >= column->min && got.i <= column->max);
    }
}

static void compare_table(const model_t *model, const rvw_view_t *view, bool company, uint32_t chunk) {
    uint32_t chunk_rows = rvw_view_chunk_rows(view), first = chunk * chunk_rows;
    uint32_t rows = company ? model->n_companies : model->n_contacts;
    uint32_t n = rows - first < chunk_rows ? rows - first : chunk_rows;
    for (uint32_t a = 0; a <= (company ? MODEL_COMPANY_ATTRIBUTES : MODEL_ATTRIBUTES); a++) {
        rv_arena_t arena;
        rvw_column_t column;
        rv_error_t err = {0};
        rv_arena_init(&arena, SIZE_MAX);
        rv_status_t status = company ? rvw_view_company_attribute(view, a, chunk, &arena, &column, &err)
                                     : rvw_view_attribute(view, a, chunk, &arena, &column, &err);
        if (status) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(column.n, n);
        for (uint32_t i = 0; i < n; i++) {
            const model_row_t *row = company ? &model->companies[first + i] : &model->contacts[first + i];
            model_value_t key = {.present = true};
            snprintf(key.s, sizeof key.s, "%s", row->key);
            if (row->alive && a == 0) {
                compare_value(model, RV_STRING, &key, &column, i);
            } else if (row->alive) {
                compare_value(model, model_type(company, a - 1), &row->values[a - 1], &column, i);
            }
        }
        rv_arena_done(&arena);
    }
}

static const rvw_column_t *property_of(const rvw_events_t *events, uint32_t id) {
    for (uint32_t p = 0; p < events->n_properties; p++) {
        if (events->property_ids[p] == id) {
            return &events->properties[p];
        }
    }
    return NULL;
}

static void text_of(const rvw_column_t *column, uint32_t i, char *out, size_t cap) {
    char buf[300];
    assert_true(rvw_column_present(column, i));
    rv_str_t s = rvw_column_string(column, i, buf);
    assert_true(s.n < cap);
    memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

/* One event of the view is one of the model. */
static void compare_event(const model_t *model, const rvw_events_t *events, uint32_t i, uint32_t type, uint32_t row,
                          uint8_t *found) {
    static const rvw_column_t none = {.encoding = RVW_NONE};
    model_event_t event = {.type = type};
    assert_true(rvw_column_present(&events->time, i));
    event.time = rvw_column_int(&events->time, i);
    assert_in_range(event.time, events->min_time, events->max_time);
    assert_in_range(events->row[i], events->min_row, events->max_row);
    text_of(&events->source, i, event.source, sizeof event.source);
    text_of(&events->id, i, event.id, sizeof event.id);
    int64_t k = find_event(model, row, &event);
    assert_true(k >= 0);
    assert_int_equal(found[k], 0);
    found[k] = 1;
    const model_event_t *wanted = &model->events[k];
    model_value_t channel = {.present = wanted->has_channel};
    snprintf(channel.s, sizeof channel.s, "%s", wanted->channel);
    compare_value(model, RV_STRING, &channel, &events->channel, i);
    assert_int_equal(rvw_column_int(&events->import_id, i), wanted->import_id);
    for (uint32_t p = 0; p < MODEL_PROPERTIES; p++) {
        const rvw_column_t *column = property_of(events, p + 1);
        compare_value(model, model_property_type(p), &wanted->properties[p], column ? column : &none, i);
    }
}

static void check_sorted(const rvw_events_t *events) {
    for (uint32_t i = 1; i < events->n; i++) {
        char a[64], b[64];
        int64_t x = rvw_column_int(&events->time, i - 1), y = rvw_column_int(&events->time, i);
        assert_true(events->row[i - 1] <= events->row[i]);
        if (events->row[i - 1] == events->row[i]) {
            assert_true(x <= y);
        }
        if (events->row[i - 1] == events->row[i] && x == y) {
            text_of(&events->source, i - 1, a, sizeof a);
            text_of(&events->source, i, b, sizeof b);
            int order = strcmp(a, b);
            text_of(&events->id, i - 1, a, sizeof a);
            text_of(&events->id, i, b, sizeof b);
            assert_true(order < 0 || (order == 0 && strcmp(a, b) < 0));
        }
    }
}

static void compare_events(const model_t *model, const rvw_view_t *view, uint32_t type, uint32_t chunk,
                           uint8_t *found) {
    uint32_t max = rvw_view_events_max(view, type, chunk), n;
    rvw_events_t *events = calloc(max + 1, sizeof *events);
    rv_error_t err = {0};
    if (rvw_view_events(view, type, chunk, events, &n, &err) != RV_OK) {
        fail_msg("%s", err.message);
    }
    assert_true(n <= max);
    for (uint32_t k = 0; k < n; k++) {
        if (events[k].sorted) {
            check_sorted(&events[k]);
        }
        for (uint32_t i = 0; i < events[k].n; i++) {
            uint32_t row = chunk * rvw_view_chunk_rows(view) + events[k].row[i];
            assert_in_range(row, 0, model->n_contacts - 1);
            if (model->contacts[row].alive) {
                compare_event(model, &events[k], i, type, row, found);
            }
        }
    }
    free(events);
}

static void compare_alive(const model_t *model, const rvw_view_t *view, uint32_t chunk) {
    uint32_t chunk_rows = rvw_view_chunk_rows(view), alive = 0;
    uint8_t *bits = malloc((chunk_rows + 7) / 8);
    assert_non_null(bits);
    uint32_t n = rvw_view_alive(view, chunk, bits);
    for (uint32_t i = 0; i < chunk_rows; i++) {
        uint64_t row = (uint64_t)chunk * chunk_rows + i;
        bool wanted = row < model->n_contacts && model->contacts[row].alive;
        assert_int_equal(bits[i >> 3] >> (i & 7) & 1, wanted);
        alive += wanted;
    }
    assert_int_equal(n, alive);
    free(bits);
}

static void compare_keys(const model_t *model, const rvw_view_t *view) {
    for (uint32_t i = 0; i < model->n_contacts; i++) {
        uint32_t row = UINT32_MAX;
        const char *key = model->contacts[i].key;
        int64_t wanted = find_row(model->contacts, model->n_contacts, key);
        bool found = rvw_view_find(view, key, strlen(key), &row);
        assert_int_equal(found, wanted >= 0);
        assert_true(!found || row == (uint32_t)wanted);
    }
    for (uint32_t i = 0; i < model->n_companies; i++) {
        uint32_t row = UINT32_MAX;
        assert_true(rvw_view_find_company(view, model->companies[i].key, strlen(model->companies[i].key), &row));
        assert_int_equal(row, i);
    }
    uint32_t row;
    assert_false(rvw_view_find(view, "nobody", 6, &row));
}

void model_compare(const model_t *model, const rvw_view_t *view) {
    uint32_t chunk_rows = rvw_view_chunk_rows(view);
    assert_int_equal(rvw_view_rows(view), model->n_contacts);
    assert_int_equal(rvw_view_company_rows(view), model->n_companies);
    uint8_t *found = calloc(model->n_events + 1, 1);
    assert_non_null(found);
    for (uint32_t chunk = 0; (uint64_t)chunk * chunk_rows < model->n_contacts; chunk++) {
        compare_alive(model, view, chunk);
        compare_table(model, view, false, chunk);
        for (uint32_t type = 1; type <= MODEL_TYPES; type++) {
            compare_events(model, view, type, chunk, found);
        }
    }
    for (uint32_t chunk = 0; (uint64_t)chunk * chunk_rows < model->n_companies; chunk++) {
        compare_table(model, view, true, chunk);
    }
    for (uint32_t i = 0; i < model->n_events; i++) {
        assert_int_equal(found[i], model->contacts[model->events[i].row].alive);
    }
    free(found);
    compare_keys(model, view);
}

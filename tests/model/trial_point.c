// trial_point.c - point reads: every contact with its history, every company.
//
// Structure: tables of what the model has; one contact; one company; all of them.
#include "compare.h"
#include "trial_internal.h"

#include <string.h>

// ---- one contact --------------------------------------------------------------------------------------------------

static rvm_table_t values_table(rvm_arena_t *arena, const rvm_field_t *fields, const rvm_value_t *values, int n) {
    rvm_table_t table = {.rows = 1, .columns = n, .cells = rvm_alloc(arena, (size_t)n * sizeof(rvm_value_t))};
    for (int i = 0; i < n; i++) {
        bool empty = fields[i].type == RVM_SET && values[i].type == RVM_MISSING;
        table.cells[i] = empty ? rvm_set(arena, NULL, 0) : values[i];
    }
    return table;
}

static rvm_table_t events_table(rvm_arena_t *arena, const rvm_schema_t *schema, const rvm_contact_t *contact,
                                int64_t until) {
    rvm_table_t table = {.columns = 5 + schema->n_properties};
    table.cells = rvm_alloc(arena, (size_t)contact->n_events * (size_t)table.columns * sizeof(rvm_value_t));
    for (int i = 0; i < contact->n_events && contact->events[i].at <= until; i++) {
        const rvm_event_t *event = &contact->events[i];
        rvm_value_t *cells = table.cells + (ptrdiff_t)table.rows++ * table.columns;
        cells[0] = rvm_time(event->at);
        cells[1] = rvm_int(event->type);
        cells[2] = event->channel != NULL ? rvm_string(event->channel) : rvm_missing();
        cells[3] = rvm_string(event->source);
        cells[4] = rvm_string(event->id);
        for (int p = 0; p < schema->n_properties; p++) {
            cells[5 + p] = event->properties[p];
        }
    }
    return table;
}

static const char *contact_differs(const rvm_trial_t *w, const rvm_views_t *views, const rvm_contact_t *contact,
                                   int64_t until, rvm_arena_t *arena) {
    const rvm_schema_t *schema = &w->one->schema;
    rvm_table_t attributes, events;
    rv_error_t err = {0};
    if (rvm_engine_contact(w->engine, views, contact->key, until, arena, &attributes, &events, &err) != RV_OK) {
        return rvm_format(arena, "%s", err.message);
    }
    rvm_table_t expected = values_table(arena, schema->attributes, contact->values, schema->n_attributes);
    const char *differs = rvm_table_differs(arena, &expected, &attributes);
    if (differs == NULL) {
        expected = events_table(arena, schema, contact, until);
        differs = rvm_table_differs(arena, &expected, &events);
    }
    return differs;
}

static const char *company_differs(const rvm_trial_t *w, const rvm_views_t *views, const rvm_company_t *company,
                                   rvm_arena_t *arena) {
    const rvm_schema_t *schema = &w->one->schema;
    rvm_table_t got;
    rv_error_t err = {0};
    bool bare = true; // a company that contacts name and nobody wrote is not at its home
    for (int i = 0; i < schema->n_company_attributes; i++) {
        bare = bare && company->values[i].type == RVM_MISSING;
    }
    rv_status_t status = rvm_engine_company(w->engine, views, company->key, arena, &got, &err);
    if (status != RV_OK) {
        return bare && status == RV_NOT_FOUND ? NULL : rvm_format(arena, "%s", err.message);
    }
    rvm_table_t expected =
        values_table(arena, schema->company_attributes, company->values, schema->n_company_attributes);
    return rvm_table_differs(arena, &expected, &got);
}

// Every contact and company as point reads show them, and a contact that is not there.
void rvm_trial_points(rvm_trial_t *w, const rvm_views_t *views, const rvm_data_t *data) {
    rvm_arena_t *arena = rvm_arena_new();
    const char *differs = NULL, *key = "";
    rvm_table_t none;
    rv_error_t err = {0};
    int64_t until = w->one->queries[0].as_of;
    for (int i = 0; i < data->n_contacts && differs == NULL; i++) {
        key = data->contacts[i].key;
        differs = contact_differs(w, views, &data->contacts[i], i % 2 == 0 ? INT64_MAX : until, arena);
    }
    for (int i = 0; i < data->n_companies && differs == NULL; i++) {
        key = data->companies[i].key;
        differs = company_differs(w, views, &data->companies[i], arena);
    }
    if (differs == NULL &&
        rvm_engine_contact(w->engine, views, "nobody", until, arena, &none, &none, &err) != RV_NOT_FOUND) {
        differs = "a contact that is not there is found";
    }
    if (differs != NULL) {
        rvm_trial_headline(w, "a point read differs");
        printf("  '%s': %s\n", key, differs);
    }
    rvm_arena_destroy(&arena);
}

// data.c - the data of the model: what upserts, appends and deletes do to plain arrays.
//
// Structure: contacts and companies found by linear search; the events of a contact in one array, kept in order by
// insertion; one function for each kind of operation.
#include "model.h"

#include <assert.h>
#include <string.h>

rvm_data_t *rvm_data_new(rvm_arena_t *arena, const rvm_schema_t *schema) {
    rvm_data_t *data = rvm_alloc(arena, sizeof *data);
    data->arena = arena;
    data->schema = schema;
    return data;
}

// Room for one more of `size` bytes each; the old array stays in the arena.
static void *grown(rvm_arena_t *arena, void *array, int n, int *room, size_t size) {
    if (n < *room) {
        return array;
    }
    *room = *room == 0 ? 4 : 2 * *room;
    void *more = rvm_alloc(arena, (size_t)*room * size);
    if (n > 0) {
        memcpy(more, array, (size_t)n * size);
    }
    return more;
}

int rvm_find_contact(const rvm_data_t *data, const char *key) {
    for (int i = 0; i < data->n_contacts; i++) {
        if (strcmp(data->contacts[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

int rvm_find_company(const rvm_data_t *data, const char *key) {
    for (int i = 0; i < data->n_companies; i++) {
        if (strcmp(data->companies[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

static rvm_contact_t *known_contact(rvm_data_t *data, const char *key) {
    int i = rvm_find_contact(data, key);
    if (i >= 0) {
        return &data->contacts[i];
    }
    data->contacts = grown(data->arena, data->contacts, data->n_contacts, &data->contact_room, sizeof *data->contacts);
    rvm_contact_t *contact = &data->contacts[data->n_contacts++];
    size_t n = (size_t)data->schema->n_attributes;
    *contact = (rvm_contact_t){.key = key, .values = rvm_alloc(data->arena, n * sizeof(rvm_value_t))};
    return contact;
}

static rvm_company_t *known_company(rvm_data_t *data, const char *key) {
    int i = rvm_find_company(data, key);
    if (i >= 0) {
        return &data->companies[i];
    }
    data->companies =
        grown(data->arena, data->companies, data->n_companies, &data->company_room, sizeof *data->companies);
    rvm_company_t *company = &data->companies[data->n_companies++];
    size_t n = (size_t)data->schema->n_company_attributes;
    *company = (rvm_company_t){.key = key, .values = rvm_alloc(data->arena, n * sizeof(rvm_value_t))};
    return company;
}

void rvm_upsert_contact(rvm_data_t *data, const rvm_row_t *row) {
    rvm_contact_t *contact = known_contact(data, row->key);
    for (int i = 0; i < data->schema->n_attributes; i++) {
        if (row->given[i]) {
            contact->values[i] = row->values[i];
        }
    }
    int company = data->schema->company;
    if (company >= 0 && contact->values[company].type != RVM_MISSING) {
        known_company(data, contact->values[company].s); // an unknown one becomes an empty one
    }
}

void rvm_upsert_company(rvm_data_t *data, const rvm_row_t *row) {
    rvm_company_t *company = known_company(data, row->key);
    for (int i = 0; i < data->schema->n_company_attributes; i++) {
        if (row->given[i]) {
            company->values[i] = row->values[i];
        }
    }
}

// ---- events -------------------------------------------------------------------------------------------------------

// (time, source, id), then the place of the type in the schema; 0 is the same identity, for events of one contact.
static int event_order(const rvm_event_t *a, const rvm_event_t *b) {
    if (a->at != b->at) {
        return a->at < b->at ? -1 : 1;
    }
    int c = strcmp(a->source, b->source);
    c = c != 0 ? c : strcmp(a->id, b->id);
    return c != 0 ? c : a->type - b->type;
}

static bool same_content(const rvm_data_t *data, const rvm_event_t *a, const rvm_event_t *b) {
    if ((a->channel == NULL) != (b->channel == NULL)) {
        return false;
    }
    bool same = a->channel == NULL || strcmp(a->channel, b->channel) == 0;
    for (int i = 0; i < data->schema->n_properties; i++) {
        same = same && rvm_same(&a->properties[i], &b->properties[i]);
    }
    return same;
}

rvm_status_t rvm_append(rvm_data_t *data, const rvm_event_t *event) {
    data->bare_contacts += rvm_find_contact(data, event->contact) < 0;
    rvm_contact_t *contact = known_contact(data, event->contact);
    int place = 0, c = 1;
    while (place < contact->n_events && (c = event_order(event, &contact->events[place])) > 0) {
        place++;
    }
    if (place < contact->n_events && c == 0) {
        bool same = same_content(data, event, &contact->events[place]);
        data->repeats += same;
        data->conflicts += !same;
        return same ? RVM_OK : RVM_CONFLICT;
    }
    contact->events = grown(data->arena, contact->events, contact->n_events, &contact->room, sizeof *contact->events);
    for (int i = contact->n_events; i > place; i--) {
        contact->events[i] = contact->events[i - 1];
    }
    contact->events[place] = *event;
    contact->n_events++;
    return RVM_OK;
}

static bool doomed(const rvm_op_t *op, const rvm_contact_t *contact, const rvm_event_t *event) {
    switch (op->kind) {
    case RVM_OP_DELETE_EVENT:
        return strcmp(contact->key, op->events[0].contact) == 0 && event_order(event, &op->events[0]) == 0;
    case RVM_OP_DELETE_SOURCE:
        return strcmp(event->source, op->name) == 0;
    default: // undo of an import
        return event->import == op->import;
    }
}

static void delete_events(rvm_data_t *data, const rvm_op_t *op) {
    for (int i = 0; i < data->n_contacts; i++) {
        rvm_contact_t *contact = &data->contacts[i];
        int kept = 0;
        for (int k = 0; k < contact->n_events; k++) {
            if (!doomed(op, contact, &contact->events[k])) {
                contact->events[kept++] = contact->events[k];
            }
        }
        contact->n_events = kept;
    }
}

static void erase(rvm_data_t *data, const char *key) {
    int place = rvm_find_contact(data, key);
    if (place < 0) {
        return;
    }
    for (int i = place; i + 1 < data->n_contacts; i++) {
        data->contacts[i] = data->contacts[i + 1];
    }
    data->n_contacts--;
}

void rvm_apply(rvm_data_t *data, const rvm_op_t *op, rvm_status_t *ret_status) {
    for (int i = 0; i < op->n; i++) {
        rvm_status_t status = RVM_OK;
        if (op->kind == RVM_OP_CONTACTS) {
            rvm_upsert_contact(data, &op->rows[i]);
        } else if (op->kind == RVM_OP_COMPANIES) {
            rvm_upsert_company(data, &op->rows[i]);
        } else if (op->kind == RVM_OP_EVENTS) {
            status = rvm_append(data, &op->events[i]);
        }
        if (ret_status != NULL) {
            ret_status[i] = status;
        }
    }
    if (op->kind == RVM_OP_ERASE) {
        erase(data, op->name);
    } else if (op->kind == RVM_OP_DELETE_EVENT || op->kind == RVM_OP_DELETE_SOURCE || op->kind == RVM_OP_UNDO_IMPORT) {
        delete_events(data, op);
    }
}

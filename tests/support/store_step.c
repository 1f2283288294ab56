/* store_step.c: random writes and their messages. Small pools of keys, times and ids, so that repeats, conflicts and
 * late events are common. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_model.h"

uint64_t model_random(uint64_t *seed, uint64_t below) {
    uint64_t z = (*seed += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return (z ^ (z >> 31)) % below;
}

rv_type_t model_type(bool company, uint32_t attribute) {
    static const rv_type_t types[MODEL_ATTRIBUTES] = {RV_STRING,  RV_INT,    RV_DECIMAL, RV_SET,
                                                      RV_COMPANY, RV_DOUBLE, RV_TIME,    RV_BOOL};
    return company ? (attribute ? RV_INT : RV_STRING) : types[attribute];
}

rv_type_t model_property_type(uint32_t property) {
    return property ? RV_DECIMAL : RV_STRING;
}

static void random_value(rv_type_t type, uint64_t *seed, model_value_t *ret) {
    *ret = (model_value_t){.present = true};
    uint64_t r = model_random(seed, 20);
    switch (type) {
    case RV_STRING:
        if (r > 0) { /* 0: the empty string */
            snprintf(ret->s, sizeof ret->s, "country-%u", (unsigned)r);
        }
        break;
    case RV_SET:
        if (r > 0) { /* 0: the empty set */
            snprintf(ret->s, sizeof ret->s,
                     "a%u\x1f"
                     "b%u",
                     (unsigned)r, (unsigned)model_random(seed, 3));
        }
        break;
    case RV_COMPANY:
        snprintf(ret->s, sizeof ret->s, "co%u", (unsigned)model_random(seed, 12));
        break;
    case RV_DOUBLE:
        ret->d = (double)r / 4 - 2;
        break;
    case RV_DECIMAL:
        ret->wide = (rv_i128_t)r * 50 - 300;
        ret->wide = model_random(seed, 40) == 0 ? rv_pow10(25) : ret->wide;
        break;
    case RV_BOOL:
        ret->i = (int64_t)(r & 1);
        break;
    case RV_TIME:
        ret->i = 1500000000000ll + (int64_t)r * 86400000;
        break;
    default:
        ret->i = r == 1 ? INT64_MIN : r == 2 ? INT64_MAX : (int64_t)r - 5;
    }
}

static void random_key(uint64_t *seed, char out[32]) {
    uint64_t r = model_random(seed, 60);
    snprintf(out, 32, r < 45 ? "c%08u" : "person%u@mail.example", (unsigned)r);
}

static void random_rows(step_t *step, uint64_t *seed, bool company) {
    uint32_t attributes = company ? MODEL_COMPANY_ATTRIBUTES : MODEL_ATTRIBUTES;
    step->replace = model_random(seed, 8) == 0;
    step->coded = model_random(seed, 2) == 0;
    step->versions = company && model_random(seed, 2) == 0;
    for (uint32_t a = 0; a < attributes; a++) {
        step->named[a] = model_random(seed, 3) > 0;
    }
    for (uint32_t i = 0; i < step->n; i++) {
        if (company) {
            snprintf(step->rows[i].key, 32, "co%u", (unsigned)model_random(seed, 12));
        } else {
            random_key(seed, step->rows[i].key);
        }
        step->rows[i].version = model_random(seed, 30) + 1;
        for (uint32_t a = 0; a < attributes; a++) {
            uint64_t r = model_random(seed, 10);
            if (r < 6) {
                random_value(model_type(company, a), seed, &step->rows[i].values[a]);
            }
            step->unset[i][a] = r == 9;
        }
    }
}

static void random_event(const model_t *model, uint64_t *seed, model_event_t *event) {
    static const char *const sources[] = {"", "crm", "pos"}, *const channels[] = {"web", "email", ""};
    random_key(seed, event->contact);
    event->type = (uint32_t)model_random(seed, MODEL_TYPES) + 1;
    event->time = 1600000000000ll + (int64_t)model_random(seed, 300) * (model_random(seed, 4) ? 60000 : 1);
    event->time = model_random(seed, 60) == 0 ? 4291747199999ll : model_random(seed, 60) == 0 ? 0 : event->time;
    snprintf(event->source, sizeof event->source, "%s", sources[model_random(seed, 3)]);
    event->id[0] = 0;
    if (model_random(seed, 8) > 0) {
        snprintf(event->id, sizeof event->id, "e%u", (unsigned)model_random(seed, 300));
    }
    event->has_channel = model_random(seed, 5) > 0;
    snprintf(event->channel, sizeof event->channel, "%s", channels[model_random(seed, 3)]);
    for (uint32_t p = 0; p < MODEL_PROPERTIES; p++) {
        event->properties[p] = (model_value_t){.present = false};
        if (model_random(seed, 3) > 0) {
            random_value(model_property_type(p), seed, &event->properties[p]);
        }
    }
    if (model->n_events > 0 && model_random(seed, 6) == 0) {
        const model_event_t *old = &model->events[model_random(seed, model->n_events)];
        if (model->contacts[old->row].alive) {
            *event = *old;
            snprintf(event->contact, sizeof event->contact, "%s", model->contacts[old->row].key);
            if (model_random(seed, 3) == 0) {
                random_value(model_property_type(0), seed, &event->properties[0]);
            }
        }
    }
    if (!event->has_channel) {
        event->channel[0] = 0;
    }
}

static step_kind_t random_kind(uint64_t *seed) {
    uint64_t r = model_random(seed, 100);
    return r < 50   ? STEP_EVENTS
           : r < 80 ? STEP_CONTACTS
           : r < 88 ? STEP_COMPANIES
           : r < 93 ? STEP_ERASE
           : r < 97 ? STEP_DELETE
           : r < 99 ? STEP_DELETE_SOURCE
                    : STEP_DELETE_IMPORT;
}

step_t *step_new(const model_t *model, uint64_t *seed, uint32_t items) {
    step_t *step = calloc(1, sizeof *step);
    step->kind = random_kind(seed);
    step->n = (uint32_t)model_random(seed, items) + 1;
    step->import_id = model_random(seed, 6);
    step->coded = model_random(seed, 2) == 0;
    snprintf(step->source, sizeof step->source, "%s", model_random(seed, 2) ? "crm" : "nobody");
    step->rows = calloc(step->n, sizeof *step->rows);
    step->unset = calloc(step->n, sizeof *step->unset);
    step->events = calloc(step->n, sizeof *step->events);
    if (step->kind == STEP_ERASE) {
        step->n = step->n > 3 ? 3 : step->n;
    }
    for (uint32_t i = 0; i < step->n && step->kind == STEP_ERASE; i++) {
        random_key(seed, step->rows[i].key);
    }
    if (step->kind == STEP_CONTACTS || step->kind == STEP_COMPANIES) {
        random_rows(step, seed, step->kind == STEP_COMPANIES);
    }
    for (uint32_t i = 0; i < step->n && (step->kind == STEP_EVENTS || step->kind == STEP_DELETE); i++) {
        random_event(model, seed, &step->events[i]);
    }
    return step;
}

void step_destroy(step_t **step) {
    if (*step) {
        free((*step)->rows);
        free((*step)->unset);
        free((*step)->events);
        free(*step);
        *step = NULL;
    }
}

/* ---- messages ---- */

static Reveille__V1__StringColumn *strings(const char *first, size_t stride, uint32_t n, rv_arena_t *arena) {
    Reveille__V1__StringColumn *column = rv_arena_alloc(arena, sizeof *column);
    reveille__v1__string_column__init(column);
    column->lengths = rv_arena_zalloc(arena, n + 1, sizeof *column->lengths);
    column->n_lengths = n;
    for (uint32_t i = 0; i < n; i++) {
        column->lengths[i] = (uint32_t)strlen(first + i * stride);
        column->data.len += column->lengths[i];
    }
    column->data.data = rv_arena_alloc(arena, column->data.len + 1);
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(column->data.data + at, first + i * stride, column->lengths[i]);
        at += column->lengths[i];
    }
    return column;
}

static void set_bit(ProtobufCBinaryData *bits, uint32_t i, uint32_t n, rv_arena_t *arena) {
    if (!bits->data) {
        bits->len = (n + 7) / 8;
        bits->data = rv_arena_zalloc(arena, bits->len, 1);
    }
    bits->data[i >> 3] = (uint8_t)(bits->data[i >> 3] | 1u << (i & 7));
}

/* Values `stride` apart; with `coded` strings go through a dictionary that holds every value once. */
static Reveille__V1__Column *column_of(uint32_t id, rv_type_t type, const model_value_t *first, size_t stride,
                                       uint32_t n, bool coded, rv_arena_t *arena) {
    Reveille__V1__Column *column = rv_arena_alloc(arena, sizeof *column);
    reveille__v1__column__init(column);
    column->id = id;
    column->type = type;
    column->scale = type == RV_DECIMAL ? 2 : 0;
    char(*texts)[48] = rv_arena_zalloc(arena, n + 1, sizeof *texts);
    bool wide = false, gaps = false;
    column->ints = rv_arena_zalloc(arena, n + 1, sizeof *column->ints);
    column->doubles = rv_arena_zalloc(arena, n + 1, sizeof *column->doubles);
    column->wide.data = rv_arena_zalloc(arena, n + 1, 16);
    for (uint32_t i = 0; i < n; i++) {
        const model_value_t *value = (const model_value_t *)(const void *)((const char *)first + i * stride);
        gaps = gaps || !value->present;
        if (value->present) {
            set_bit(&column->present, i, n, arena);
            column->ints[i] = type == RV_DECIMAL ? (int64_t)value->wide : value->i;
            column->doubles[i] = value->d;
            memcpy(column->wide.data + (size_t)i * 16, &value->wide, 16);
            wide = wide || (rv_i128_t)(int64_t)value->wide != value->wide;
            memcpy(texts[i], value->s, sizeof texts[i]);
        }
    }
    if (!gaps) {
        column->present.len = 0;
    } else if (!column->present.data) {
        column->present.len = (n + 7) / 8;
        column->present.data = rv_arena_zalloc(arena, column->present.len, 1);
    }
    bool text = type == RV_STRING || type == RV_SET || type == RV_COMPANY;
    column->n_ints = text || type == RV_DOUBLE || wide ? 0 : n;
    column->n_doubles = type == RV_DOUBLE ? n : 0;
    column->wide.len = wide ? n * 16 : 0;
    if (text && !coded) {
        column->strings = strings(texts[0], sizeof texts[0], n, arena);
    } else if (text) {
        uint32_t distinct = 0;
        column->codes = rv_arena_zalloc(arena, n + 1, sizeof *column->codes);
        column->n_codes = n;
        char(*entries)[48] = rv_arena_zalloc(arena, n + 1, sizeof *entries);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t k = 0;
            while (k < distinct && strcmp(entries[k], texts[i]) != 0) {
                k++;
            }
            if (k == distinct) {
                memcpy(entries[distinct++], texts[i], sizeof texts[i]);
            }
            column->codes[i] = k;
        }
        column->strings = strings(entries[0], sizeof entries[0], distinct, arena);
    }
    return column;
}

static Reveille__V1__EntityBatch *entities(const step_t *step, bool company, rv_arena_t *arena) {
    Reveille__V1__EntityBatch *batch = rv_arena_alloc(arena, sizeof *batch);
    uint32_t attributes = company ? MODEL_COMPANY_ATTRIBUTES : MODEL_ATTRIBUTES;
    reveille__v1__entity_batch__init(batch);
    batch->keys = strings(step->rows[0].key, sizeof *step->rows, step->n, arena);
    batch->replace = step->replace;
    batch->attributes = rv_arena_zalloc(arena, attributes + 1, sizeof *batch->attributes);
    for (uint32_t a = 0; a < attributes; a++) {
        if (!step->named[a]) {
            continue;
        }
        Reveille__V1__Column *column = column_of(a + 1, model_type(company, a), &step->rows[0].values[a],
                                                 sizeof *step->rows, step->n, step->coded, arena);
        for (uint32_t i = 0; i < step->n; i++) {
            if (step->unset[i][a]) {
                set_bit(&column->unset, i, step->n, arena);
            }
        }
        batch->attributes[batch->n_attributes++] = column;
    }
    return batch;
}

static Reveille__V1__Column *label(const char *first, const step_t *step, bool channel, rv_arena_t *arena) {
    model_value_t *values = rv_arena_zalloc(arena, step->n + 1, sizeof *values);
    for (uint32_t i = 0; i < step->n; i++) {
        const char *text = first + i * sizeof *step->events;
        values[i].present = !channel || step->events[i].has_channel;
        snprintf(values[i].s, sizeof values[i].s, "%s", text);
    }
    return column_of(0, RV_STRING, values, sizeof *values, step->n, step->coded, arena);
}

static Reveille__V1__EventBatch *events(const step_t *step, rv_arena_t *arena) {
    Reveille__V1__EventBatch *batch = rv_arena_alloc(arena, sizeof *batch);
    uint32_t n = step->n;
    reveille__v1__event_batch__init(batch);
    batch->contact_keys = strings(step->events[0].contact, sizeof *step->events, n, arena);
    batch->contacts = rv_arena_zalloc(arena, n, sizeof *batch->contacts);
    batch->times_ms = rv_arena_zalloc(arena, n, sizeof *batch->times_ms);
    batch->types = rv_arena_zalloc(arena, n, sizeof *batch->types);
    batch->n_contacts = batch->n_times_ms = batch->n_types = n;
    for (uint32_t i = 0; i < n; i++) {
        batch->contacts[i] = i;
        batch->times_ms[i] = step->events[i].time;
        batch->types[i] = step->events[i].type;
    }
    batch->channel = label(step->events[0].channel, step, true, arena);
    batch->source = label(step->events[0].source, step, false, arena);
    batch->event_id = label(step->events[0].id, step, false, arena);
    batch->properties = rv_arena_zalloc(arena, MODEL_PROPERTIES, sizeof *batch->properties);
    batch->n_properties = MODEL_PROPERTIES;
    for (uint32_t p = 0; p < MODEL_PROPERTIES; p++) {
        batch->properties[p] = column_of(p + 1, model_property_type(p), &step->events[0].properties[p],
                                         sizeof *step->events, n, step->coded, arena);
    }
    return batch;
}

static void put_delete(const step_t *step, Reveille__V1__PartitionWrite *write, rv_arena_t *arena) {
    Reveille__V1__EventDelete *delete = rv_arena_alloc(arena, sizeof *delete);
    reveille__v1__event_delete__init(delete);
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE;
    write->event_delete = delete;
    if (step->kind == STEP_DELETE) {
        delete->selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH;
        delete->batch = events(step, arena);
    } else if (step->kind == STEP_DELETE_SOURCE) {
        delete->selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_SOURCE;
        delete->source = rv_arena_strndup(arena, step->source, strlen(step->source));
    } else {
        delete->selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_IMPORT_ID;
        delete->import_id = step->import_id;
    }
}

Reveille__V1__PartitionWrite *step_message(const step_t *step, uint64_t sequence, rv_arena_t *arena) {
    static uint8_t producer[16] = {1, 2, 3, 4};
    Reveille__V1__PartitionWrite *write = rv_arena_alloc(arena, sizeof *write);
    reveille__v1__partition_write__init(write);
    write->partition = 1;
    write->identity = rv_arena_alloc(arena, sizeof *write->identity);
    reveille__v1__write_identity__init(write->identity);
    write->identity->producer = (ProtobufCBinaryData){16, producer};
    write->identity->sequence = sequence;
    write->import_id = step->kind == STEP_EVENTS ? step->import_id : 0;
    if (step->kind == STEP_CONTACTS) {
        write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS;
        write->contacts = entities(step, false, arena);
    } else if (step->kind == STEP_COMPANIES) {
        write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES;
        write->companies = rv_arena_alloc(arena, sizeof *write->companies);
        reveille__v1__company_batch__init(write->companies);
        write->companies->batch = entities(step, true, arena);
        write->companies->versions = rv_arena_zalloc(arena, step->n, sizeof *write->companies->versions);
        write->companies->n_versions = step->versions ? step->n : 0;
        for (uint32_t i = 0; i < step->n; i++) {
            write->companies->versions[i] = step->rows[i].version;
        }
    } else if (step->kind == STEP_EVENTS) {
        write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
        write->events = events(step, arena);
    } else if (step->kind == STEP_ERASE) {
        write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACT_DELETE;
        write->contact_delete = strings(step->rows[0].key, sizeof *step->rows, step->n, arena);
    } else {
        put_delete(step, write, arena);
    }
    return write;
}

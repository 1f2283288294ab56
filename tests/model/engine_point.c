// engine_point.c - point reads: one contact with its attributes and events, one company.
//
// Structure: a fetch asked of the worker's code and packed and unpacked like any message; columns found by number; the
// pages of a history one after the other.
#include "engine_internal.h"

#include "exec/exec.h"
#include "query.h"
#include "reveille/hash.h"
#include "reveille/limits.h"
#include "reveille/wire.h"

#include <string.h>

static const Reveille__V1__Column *find_column(Reveille__V1__Column *const *columns, size_t n, uint32_t id,
                                               const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (columns[i]->id == id && (id != 0 || strcmp(columns[i]->name, name) == 0)) {
            return columns[i];
        }
    }
    return NULL;
}

static rvm_value_t value_in(Reveille__V1__Column *const *columns, size_t n, uint32_t id, const char *name, size_t row,
                            rvm_type_t type, rvm_arena_t *arena) {
    const Reveille__V1__Column *column = find_column(columns, n, id, name);
    if (column != NULL) {
        return rvm_column_value(column, row, arena);
    }
    return type == RVM_SET ? rvm_set(arena, NULL, 0) : rvm_missing();
}

// Brings a message from where it was made to where it is read.
static rv_status_t carry(const ProtobufCMessage *message, rvm_arena_t *memory, rv_arena_t *arena,
                         ProtobufCMessage **ret, rv_error_t *err) {
    uint8_t *bytes;
    size_t n;
    rvm_pack(message, memory, &bytes, &n);
    return rv_wire_unpack(message->descriptor, bytes, n, arena, ret, err);
}

static rv_status_t fetch(rvm_engine_t *engine, const rvw_view_t *view, const char *key, bool company,
                         rvm_arena_t *memory, rvm_table_t *ret, rv_error_t *err) {
    const rvm_schema_t *schema = &engine->one->schema;
    const rvm_field_t *fields = company ? schema->company_attributes : schema->attributes;
    int n = company ? schema->n_company_attributes : schema->n_attributes;
    Reveille__V1__FetchRequest request = REVEILLE__V1__FETCH_REQUEST__INIT;
    Reveille__V1__FetchResponse *made = NULL;
    ProtobufCMessage *message = NULL;
    rv_arena_t arena;
    request.key = (char *)(uintptr_t)key;
    request.company = company;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rvw_fetch(view, engine->catalog, &request, &arena, &made, err);
    if (status == RV_OK) {
        status = carry(&made->base, memory, &arena, &message, err);
    }
    if (status == RV_OK) {
        const Reveille__V1__FetchResponse *response = (const Reveille__V1__FetchResponse *)message;
        rvm_table_t table = rvm_table_new(memory, 1, n);
        for (int i = 0; i < n; i++) {
            size_t length = strlen(fields[i].name);
            const rv_attribute_t *attribute =
                company ? rv_catalog_company_attribute(engine->catalog, fields[i].name, length)
                        : rv_catalog_attribute(engine->catalog, fields[i].name, length);
            table.cells[i] =
                value_in(response->attributes, response->n_attributes, attribute->id, "", 0, fields[i].type, memory);
        }
        *ret = table;
    }
    rv_arena_done(&arena);
    return status;
}

// The type's place in the schema.
static rvm_value_t type_place(const rvm_engine_t *engine, const rvm_value_t *number) {
    const rv_event_type_t *type = rv_catalog_type_by_id(engine->catalog, (uint32_t)number->i);
    for (int t = 0; type != NULL && t < engine->one->schema.n_types; t++) {
        if (strcmp(engine->one->schema.types[t].name, type->name) == 0) {
            return rvm_int(t);
        }
    }
    return rvm_missing();
}

static void add_events(const rvm_engine_t *engine, const Reveille__V1__HistoryResponse *page, rvm_arena_t *memory,
                       rvm_table_t *table) {
    static const char *const names[] = {"at", "type", "channel", "source", "id"};
    const rvm_schema_t *schema = &engine->one->schema;
    const Reveille__V1__Column *at = find_column(page->columns, page->n_columns, 0, "at");
    size_t rows = at != NULL ? at->n_ints : 0;
    rvm_table_t more = rvm_table_new(memory, table->rows + (int)rows, 5 + schema->n_properties);
    size_t old = (size_t)table->rows * (size_t)more.columns;
    if (old > 0) {
        memcpy(more.cells, table->cells, old * sizeof *more.cells);
    }
    for (size_t r = 0; r < rows; r++) {
        rvm_value_t *cells = more.cells + old + r * (size_t)more.columns;
        for (int c = 0; c < 5; c++) {
            cells[c] = value_in(page->columns, page->n_columns, 0, names[c], r, RVM_MISSING, memory);
        }
        cells[1] = type_place(engine, &cells[1]);
        for (int p = 0; p < schema->n_properties; p++) {
            const char *name = schema->properties[p].name;
            uint32_t id = rv_catalog_property(engine->catalog, name, strlen(name))->id;
            cells[5 + p] = value_in(page->columns, page->n_columns, id, "", r, schema->properties[p].type, memory);
        }
    }
    *table = more;
}

static rv_status_t history(rvm_engine_t *engine, const rvw_view_t *view, const char *key, int64_t until,
                           rvm_arena_t *memory, rvm_table_t *ret, rv_error_t *err) {
    Reveille__V1__HistoryRequest request = REVEILLE__V1__HISTORY_REQUEST__INIT;
    rvm_table_t table = rvm_table_new(memory, 0, 5 + engine->one->schema.n_properties);
    uint64_t cursor = 0;
    bool last = false;
    rv_arena_t arena;
    rv_status_t status = RV_OK;
    request.key = (char *)(uintptr_t)key;
    request.until_ms = until;
    rv_arena_init(&arena, (size_t)64 << 20);
    while (status == RV_OK && !last) {
        Reveille__V1__HistoryResponse *made = NULL;
        ProtobufCMessage *message = NULL;
        rv_arena_reset(&arena);
        status = rvw_history(view, engine->catalog, &request, &arena, &cursor, NULL, &made, &last, err);
        if (status == RV_OK) {
            status = carry(&made->base, memory, &arena, &message, err);
        }
        if (status == RV_OK) {
            add_events(engine, (const Reveille__V1__HistoryResponse *)message, memory, &table);
        }
    }
    rv_arena_done(&arena);
    *ret = table;
    return status;
}

static const rvw_view_t *home_of(const rvm_engine_t *engine, const rvm_views_t *views, const char *key) {
    return views->view[rv_partition_of(key, strlen(key), (uint32_t)engine->layout.partitions)];
}

rv_status_t rvm_engine_contact(rvm_engine_t *engine, const rvm_views_t *views, const char *key, int64_t until,
                               rvm_arena_t *arena, rvm_table_t *ret_attributes, rvm_table_t *ret_events,
                               rv_error_t *err) {
    const rvw_view_t *view = home_of(engine, views, key);
    rv_status_t status = fetch(engine, view, key, false, arena, ret_attributes, err);
    return status == RV_OK ? history(engine, view, key, until, arena, ret_events, err) : status;
}

rv_status_t rvm_engine_company(rvm_engine_t *engine, const rvm_views_t *views, const char *key, rvm_arena_t *arena,
                               rvm_table_t *ret, rv_error_t *err) {
    return fetch(engine, home_of(engine, views, key), key, true, arena, ret, err);
}

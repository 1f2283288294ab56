// engine_batch.c - rows and events of an operation as the columnar batches that a client sends.
//
// Structure: a column from one value a row (absent, a value, or an explicit null); strings plain or through a
// dictionary, decimals narrow or wide, by chance; then the two kinds of batch.
#include "engine_internal.h"

#include <string.h>

// A value of row i: not given, given as null (both MISSING), or a value.
typedef struct cell {
    bool given;
    rvm_value_t value;
} cell_t;

static char *text(const char *s) {
    return (char *)(uintptr_t)s;
}

Reveille__V1__StringColumn *rvm_strings_make(const char *const *strings, int n, rvm_arena_t *arena) {
    Reveille__V1__StringColumn *made = rvm_alloc(arena, sizeof *made);
    reveille__v1__string_column__init(made);
    made->n_lengths = (size_t)n;
    made->lengths = rvm_alloc(arena, (size_t)(n + 1) * sizeof *made->lengths);
    for (int i = 0; i < n; i++) {
        made->lengths[i] = (uint32_t)strlen(strings[i]);
        made->data.len += made->lengths[i];
    }
    made->data.data = rvm_alloc(arena, made->data.len + 1);
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        memcpy(made->data.data + at, strings[i], made->lengths[i]);
        at += made->lengths[i];
    }
    return made;
}

// The strings, each once; codes[i] is the place of strings[i].
static int unique(const char *const *strings, int n, rvm_arena_t *arena, const char ***ret, uint32_t **ret_codes) {
    const char **kept = rvm_alloc(arena, (size_t)(n + 1) * sizeof *kept);
    uint32_t *codes = rvm_alloc(arena, (size_t)(n + 1) * sizeof *codes);
    int count = 0;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < count && strcmp(kept[k], strings[i]) != 0) {
            k++;
        }
        kept[k] = strings[i];
        count += k == count;
        codes[i] = (uint32_t)k;
    }
    *ret = kept;
    *ret_codes = codes;
    return count;
}

static const char *joined(const rvm_value_t *set, rvm_arena_t *arena) {
    const char *made = "";
    for (int i = 0; i < set->n_items; i++) {
        made = rvm_format(arena, "%s%s%s", made, i > 0 ? "\x1f" : "", set->items[i]);
    }
    return made;
}

static void fill_strings(rvm_engine_t *engine, const cell_t *cells, int n, Reveille__V1__Column *column,
                         rvm_arena_t *arena) {
    const char **strings = rvm_alloc(arena, (size_t)(n + 1) * sizeof *strings);
    for (int i = 0; i < n; i++) {
        const rvm_value_t *value = &cells[i].value;
        strings[i] = value->type == RVM_MISSING ? "" : value->type == RVM_SET ? joined(value, arena) : value->s;
    }
    if (n > 0 && rvm_dice_chance(&engine->dice, 50)) {
        n = unique(strings, n, arena, &strings, &column->codes);
    }
    column->strings = rvm_strings_make(strings, n, arena);
}

static void fill_numbers(rvm_engine_t *engine, const cell_t *cells, int n, Reveille__V1__Column *column,
                         rvm_arena_t *arena) {
    size_t rows = (size_t)n;
    if (column->type == RV_DOUBLE) {
        column->n_doubles = rows;
        column->doubles = rvm_alloc(arena, (rows + 1) * sizeof *column->doubles);
        for (size_t i = 0; i < rows; i++) {
            column->doubles[i] = cells[i].value.d;
        }
    } else if (column->type == RV_DECIMAL && rvm_dice_chance(&engine->dice, 30)) {
        column->wide.len = 16 * rows;
        column->wide.data = rvm_alloc(arena, 16 * rows + 16);
        for (size_t i = 0; i < rows; i++) {
            memcpy(column->wide.data + 16 * i, &cells[i].value.n, 16);
        }
    } else {
        column->n_ints = rows;
        column->ints = rvm_alloc(arena, (rows + 1) * sizeof *column->ints);
        for (size_t i = 0; i < rows; i++) {
            const rvm_value_t *value = &cells[i].value;
            column->ints[i] = value->type == RVM_DECIMAL ? (int64_t)value->n
                              : value->type == RVM_BOOL  ? value->b
                                                         : value->i;
        }
    }
}

static void set_bit(ProtobufCBinaryData *bits, int n, int i, rvm_arena_t *arena) {
    if (bits->data == NULL) {
        bits->len = (size_t)(n + 7) / 8;
        bits->data = rvm_alloc(arena, bits->len);
    }
    bits->data[i / 8] |= (uint8_t)(1u << (i % 8));
}

// NULL when no row gives anything.
static Reveille__V1__Column *column_make(rvm_engine_t *engine, const char *name, rvm_type_t type, int scale,
                                         const cell_t *cells, int n, rvm_arena_t *arena) {
    Reveille__V1__Column *column = rvm_alloc(arena, sizeof *column);
    int values = 0, nulls = 0;
    reveille__v1__column__init(column);
    column->name = text(name);
    column->type = rvm_wire_type(type);
    column->scale = type == RVM_DECIMAL ? (uint32_t)scale : 0;
    for (int i = 0; i < n; i++) {
        values += cells[i].value.type != RVM_MISSING;
        nulls += cells[i].given && cells[i].value.type == RVM_MISSING;
    }
    if (values + nulls == 0) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        bool there = cells[i].value.type != RVM_MISSING;
        if (there && values < n) {
            set_bit(&column->present, n, i, arena);
        }
        if (cells[i].given && !there) {
            set_bit(&column->unset, n, i, arena);
        }
    }
    if (values == 0) { // none has a value: an empty bitmap would say that all have
        column->present.len = (size_t)(n + 7) / 8;
        column->present.data = rvm_alloc(arena, column->present.len);
    }
    if (type == RVM_STRING || type == RVM_SET || type == RVM_COMPANY) {
        fill_strings(engine, cells, n, column, arena);
        column->n_codes = column->codes != NULL ? (size_t)n : 0;
    } else {
        fill_numbers(engine, cells, n, column, arena);
    }
    return column;
}

Reveille__V1__EntityBatch *rvm_entities_make(rvm_engine_t *engine, const rvm_op_t *op, rvm_arena_t *arena) {
    const rvm_schema_t *schema = &engine->one->schema;
    bool contacts = op->kind == RVM_OP_CONTACTS;
    const rvm_field_t *fields = contacts ? schema->attributes : schema->company_attributes;
    int n_fields = contacts ? schema->n_attributes : schema->n_company_attributes;
    Reveille__V1__EntityBatch *batch = rvm_alloc(arena, sizeof *batch);
    const char **keys = rvm_alloc(arena, (size_t)(op->n + 1) * sizeof *keys);
    cell_t *cells = rvm_alloc(arena, (size_t)(op->n + 1) * sizeof *cells);
    reveille__v1__entity_batch__init(batch);
    batch->attributes = rvm_alloc(arena, (size_t)(n_fields + 1) * sizeof(Reveille__V1__Column *));
    for (int i = 0; i < op->n; i++) {
        keys[i] = op->rows[i].key;
    }
    batch->keys = rvm_strings_make(keys, op->n, arena);
    for (int f = 0; f < n_fields; f++) {
        for (int i = 0; i < op->n; i++) {
            cells[i] = (cell_t){op->rows[i].given[f], op->rows[i].values[f]};
        }
        Reveille__V1__Column *column =
            column_make(engine, fields[f].name, fields[f].type, fields[f].scale, cells, op->n, arena);
        if (column != NULL) {
            batch->attributes[batch->n_attributes++] = column;
        }
    }
    return batch;
}

// Types and contacts, by name and key, each once.
static void name_events(const rvm_engine_t *engine, const rvm_event_t *events, int n, Reveille__V1__EventBatch *batch,
                        rvm_arena_t *arena) {
    const char **keys = rvm_alloc(arena, (size_t)(n + 1) * sizeof *keys);
    const char **types = rvm_alloc(arena, (size_t)(n + 1) * sizeof *types);
    batch->times_ms = rvm_alloc(arena, (size_t)(n + 1) * sizeof *batch->times_ms);
    for (int i = 0; i < n; i++) {
        keys[i] = events[i].contact;
        types[i] = engine->one->schema.types[events[i].type].name;
        batch->times_ms[i] = events[i].at;
    }
    int n_keys = unique(keys, n, arena, &keys, &batch->contacts);
    batch->n_type_names = (size_t)unique(types, n, arena, &types, &batch->types);
    batch->contact_keys = rvm_strings_make(keys, n_keys, arena);
    batch->type_names = (char **)(uintptr_t)types;
    batch->n_times_ms = batch->n_contacts = batch->n_types = (size_t)n;
}

Reveille__V1__EventBatch *rvm_events_make(rvm_engine_t *engine, const rvm_event_t *events, int n, rvm_arena_t *arena) {
    const rvm_schema_t *schema = &engine->one->schema;
    Reveille__V1__EventBatch *batch = rvm_alloc(arena, sizeof *batch);
    cell_t *cells = rvm_alloc(arena, (size_t)(n + 1) * sizeof *cells);
    bool spare = rvm_dice_chance(&engine->dice, 50); // leave out what is '' anyway
    reveille__v1__event_batch__init(batch);
    name_events(engine, events, n, batch, arena);
    for (int i = 0; i < n; i++) {
        cells[i].value = events[i].channel != NULL ? rvm_string(events[i].channel) : rvm_missing();
    }
    batch->channel = column_make(engine, "channel", RVM_STRING, 0, cells, n, arena);
    for (int i = 0; i < n; i++) {
        cells[i].value = spare && events[i].source[0] == 0 ? rvm_missing() : rvm_string(events[i].source);
    }
    batch->source = column_make(engine, "source", RVM_STRING, 0, cells, n, arena);
    for (int i = 0; i < n; i++) {
        cells[i].value = spare && events[i].id[0] == 0 ? rvm_missing() : rvm_string(events[i].id);
    }
    batch->event_id = column_make(engine, "id", RVM_STRING, 0, cells, n, arena);
    batch->properties = rvm_alloc(arena, (size_t)(schema->n_properties + 1) * sizeof(Reveille__V1__Column *));
    for (int p = 0; p < schema->n_properties; p++) {
        for (int i = 0; i < n; i++) {
            cells[i].value = events[i].properties[p];
        }
        Reveille__V1__Column *column = column_make(engine, schema->properties[p].name, schema->properties[p].type,
                                                   schema->properties[p].scale, cells, n, arena);
        if (column != NULL) {
            batch->properties[batch->n_properties++] = column;
        }
    }
    return batch;
}

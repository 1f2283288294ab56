/* gather.c: one growing array a column. Strings are numbered by a dictionary as long as that pays: a column whose
 * strings were mostly different in one batch is sent plain from the next one on. Keys of events' contacts always have
 * numbers, but where most rows have another contact than the one before only neighbours are compared. Names of types
 * are always looked up.
 *
 * The size of the message is bounded from above as rows come: a fixed part a row for each column that is used, and the
 * new strings. One thread. */
#include "gather.h"
#include "dictionary.h"
#include "reveille/limits.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    rv_type_t type;
    size_t width; /* bytes of a row at most, strings aside */
    bool text;
    size_t values, unsets; /* rows with a value, rows that lose theirs */
    uint8_t *present, *unset;
    int64_t *ints;
    double *doubles;
    rv_i128_t *wides; /* made when a coefficient first needs it */
    bool wide;
    bool plain;      /* a string a row, without numbers */
    bool neighbours; /* numbered, but equal strings only where they follow each other */
    uint32_t *codes;
    rv_dictionary_t *strings;
    Reveille__V1__Column message;
    Reveille__V1__StringColumn string_message;
} column_t;

struct rv_batch {
    const rv_targets_t *targets;
    column_t *columns; /* a target */
    size_t rows, bytes, row_bytes;
    Reveille__V1__Column **list;
    char **type_names;
    size_t n_type_names;
    Reveille__V1__EventBatch events;
    Reveille__V1__EntityBatch entities;
};

static bool is_text(rv_type_t type) {
    return type == RV_STRING || type == RV_SET || type == RV_COMPANY;
}

static bool make_column(column_t *column, const rv_target_t *target, bool plain) {
    size_t bits = (RV_BATCH_ROWS + 7) / 8;
    column->type = target->type;
    column->text = is_text(target->type);
    column->width = column->text ? 5 : 9;
    column->plain = plain;
    column->present = calloc(1, bits);
    column->unset = calloc(1, bits);
    if (column->text) {
        column->codes = malloc(RV_BATCH_ROWS * sizeof *column->codes);
        column->strings = rv_dictionary_new();
        return column->present && column->unset && column->codes && column->strings;
    }
    if (target->type == RV_DOUBLE)
        column->doubles = malloc(RV_BATCH_ROWS * sizeof *column->doubles);
    else
        column->ints = malloc(RV_BATCH_ROWS * sizeof *column->ints);
    return column->present && column->unset && (column->doubles || column->ints);
}

rv_batch_t *rv_batch_new(const rv_targets_t *targets) {
    rv_batch_t *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->targets = targets;
    batch->columns = calloc(targets->n, sizeof *batch->columns);
    batch->list = calloc(targets->n, sizeof(Reveille__V1__Column *));
    if (!batch->columns || !batch->list)
        goto memory;
    bool events = targets->kind == RV_IMPORT_EVENTS;
    for (size_t i = 0; i < targets->n; i++) {
        bool plain = events ? i == RV_TARGET_ID : i == RV_TARGET_KEY; /* what is different in every row */
        if (!make_column(&batch->columns[i], &targets->at[i], plain))
            goto memory;
    }
    return batch;
memory:
    rv_batch_destroy(&batch);
    return NULL;
}

void rv_batch_destroy(rv_batch_t **batch) {
    rv_batch_t *b = *batch;
    if (!b)
        return;
    for (size_t i = 0; b->columns && i < b->targets->n; i++) {
        column_t *column = &b->columns[i];
        free(column->present);
        free(column->unset);
        free(column->ints);
        free(column->doubles);
        free(column->wides);
        free(column->codes);
        rv_dictionary_destroy(&column->strings);
    }
    for (size_t i = 0; i < b->n_type_names; i++)
        free(b->type_names[i]);
    free(b->type_names);
    free(b->columns);
    free(b->list);
    free(b);
    *batch = NULL;
}

/* From now on strings of this column are not looked up. */
static void stop_looking(const rv_batch_t *batch, size_t target) {
    column_t *column = &batch->columns[target];
    bool events = batch->targets->kind == RV_IMPORT_EVENTS;
    if (events && target == RV_TARGET_KEY)
        column->neighbours = true;
    else if (!events || target != RV_TARGET_TYPE)
        column->plain = true;
}

void rv_batch_clear(rv_batch_t *batch) {
    size_t bits = (batch->rows + 7) / 8;
    for (size_t i = 0; i < batch->targets->n; i++) {
        column_t *column = &batch->columns[i];
        if (column->values)
            memset(column->present, 0, bits);
        if (column->unsets)
            memset(column->unset, 0, bits);
        if (column->strings) {
            size_t different = rv_dictionary_count(column->strings);
            if (column->values > 1000 && different > column->values / 2)
                stop_looking(batch, i);
            rv_dictionary_clear(column->strings);
        }
        column->values = column->unsets = 0;
        column->width = column->text ? 5 : 9;
        column->wide = false;
    }
    batch->rows = batch->bytes = batch->row_bytes = 0;
}

size_t rv_batch_rows(const rv_batch_t *batch) {
    return batch->rows;
}

static bool needs_width(const column_t *column, const rv_value_t *value) {
    return column->type == RV_DECIMAL && !column->wide && value->present && value->wide != (int64_t)value->wide;
}

/* What a cell adds to the message at most, its column's part of every row aside. */
static size_t cell_bytes(const rv_batch_t *batch, const column_t *column, const rv_cell_in_t *cell) {
    size_t bytes = column->text && cell->value.present ? cell->value.s.n + 4u : 0;
    if (!column->values && !column->unsets)
        bytes += column->width * (batch->rows + 1);
    return needs_width(column, &cell->value) ? bytes + 8 * (batch->rows + 1) : bytes;
}

/* The column's part of every row grows. */
static void widen_rows(rv_batch_t *batch, size_t bytes) {
    batch->bytes += bytes * batch->rows;
    batch->row_bytes += bytes;
}

/* From now on the column's coefficients have 128 bits. */
static bool widen(rv_batch_t *batch, column_t *column) {
    if (!column->wides && !(column->wides = malloc(RV_BATCH_ROWS * sizeof *column->wides)))
        return false;
    for (size_t i = 0; i < batch->rows; i++)
        column->wides[i] = column->ints[i];
    column->wide = true;
    column->width += 8;
    widen_rows(batch, 8);
    return true;
}

static bool add_string(rv_batch_t *batch, column_t *column, const rv_value_t *value) {
    rv_dictionary_t *strings = column->strings;
    bool added = true;
    uint32_t code = 0;
    if (column->plain) {
        batch->bytes += value->s.n;
        return rv_dictionary_append(strings, value->s.p, value->s.n);
    }
    if (column->neighbours) {
        added = !rv_dictionary_is_last(strings, value->s.p, value->s.n);
        if (added && !rv_dictionary_append(strings, value->s.p, value->s.n))
            return false;
        code = (uint32_t)rv_dictionary_count(strings) - 1;
    } else if (value->present) {
        code = rv_dictionary_number(strings, value->s.p, value->s.n, &added);
    }
    if (added && value->present)
        batch->bytes += value->s.n + 4;
    column->codes[batch->rows] = code;
    return code != UINT32_MAX;
}

static bool add_cell(rv_batch_t *batch, column_t *column, const rv_cell_in_t *cell) {
    const rv_value_t *value = &cell->value;
    size_t row = batch->rows;
    if (value->present || cell->unset) {
        uint8_t *bits = value->present ? column->present : column->unset;
        if (!column->values && !column->unsets)
            widen_rows(batch, column->width);
        bits[row / 8] |= (uint8_t)(1u << (row % 8));
        column->values += value->present;
        column->unsets += !value->present;
    }
    if (column->text)
        return add_string(batch, column, value);
    if (needs_width(column, value) && !widen(batch, column))
        return false;
    if (column->doubles)
        column->doubles[row] = value->present ? value->d : 0;
    else if (column->wide)
        column->wides[row] = value->present ? value->wide : 0;
    else
        column->ints[row] = !value->present ? 0 : column->type == RV_DECIMAL ? (int64_t)value->wide : value->i;
    return true;
}

rv_status_t rv_batch_add(rv_batch_t *batch, const rv_cell_in_t *cells, bool *ret_full, rv_error_t *err) {
    size_t n = batch->targets->n, most = batch->row_bytes;
    for (size_t i = 0; i < n; i++)
        if (cells[i].value.present || cells[i].unset)
            most += cell_bytes(batch, &batch->columns[i], &cells[i]);
    if (most > RV_BATCH_BYTES && batch->rows == 0)
        return rv_fail(err, RV_REASON_LIMIT, "the row needs %zu bytes, more than a request may have", most);
    *ret_full = batch->rows == RV_BATCH_ROWS || batch->bytes + most > RV_BATCH_BYTES;
    if (*ret_full)
        return RV_OK;
    for (size_t i = 0; i < n; i++)
        if (!add_cell(batch, &batch->columns[i], &cells[i]))
            return rv_fail_memory(err, "a batch");
    batch->bytes += batch->row_bytes;
    batch->rows++;
    return RV_OK;
}

static void string_column(const rv_dictionary_t *strings, Reveille__V1__StringColumn *ret) {
    reveille__v1__string_column__init(ret);
    size_t n;
    ret->data.data = (uint8_t *)(uintptr_t)rv_dictionary_data(strings, &n);
    ret->data.len = n;
    ret->n_lengths = rv_dictionary_count(strings);
    ret->lengths = (uint32_t *)(uintptr_t)rv_dictionary_lengths(strings);
}

/* The message of one column. */
static Reveille__V1__Column *column_message(rv_batch_t *batch, size_t target) {
    column_t *column = &batch->columns[target];
    Reveille__V1__Column *message = &column->message;
    size_t bits = (batch->rows + 7) / 8;
    reveille__v1__column__init(message);
    message->name = (char *)(uintptr_t)batch->targets->at[target].name;
    message->type = column->type;
    message->scale = column->type == RV_DECIMAL ? batch->targets->at[target].scale : 0;
    if (column->values < batch->rows)
        message->present = (ProtobufCBinaryData){bits, column->present};
    if (column->unsets)
        message->unset = (ProtobufCBinaryData){bits, column->unset};
    if (column->strings) {
        /* where every row only loses its value the codes still need a string to point to */
        if (!column->plain && rv_dictionary_count(column->strings) == 0 &&
            !rv_dictionary_append(column->strings, "", 0))
            return NULL;
        string_column(column->strings, &column->string_message);
        message->strings = &column->string_message;
        message->n_codes = column->plain ? 0 : batch->rows;
        message->codes = column->codes;
    } else if (column->doubles) {
        message->n_doubles = batch->rows;
        message->doubles = column->doubles;
    } else if (column->wide) {
        message->wide = (ProtobufCBinaryData){batch->rows * sizeof *column->wides, (uint8_t *)column->wides};
    } else {
        message->n_ints = batch->rows;
        message->ints = column->ints;
    }
    return message;
}

/* Messages of the columns from `first` on that hold anything. False without memory. */
static bool column_messages(rv_batch_t *batch, size_t first, size_t *ret_n) {
    size_t n = 0;
    for (size_t i = first; i < batch->targets->n; i++)
        if ((batch->columns[i].values || batch->columns[i].unsets) && !(batch->list[n++] = column_message(batch, i)))
            return false;
    *ret_n = n;
    return true;
}

/* Names of types as strings of their own: protobuf wants them terminated. */
static bool type_names(rv_batch_t *batch) {
    const rv_dictionary_t *types = batch->columns[RV_TARGET_TYPE].strings;
    size_t n = rv_dictionary_count(types);
    for (size_t i = 0; i < batch->n_type_names; i++)
        free(batch->type_names[i]);
    batch->n_type_names = 0;
    char **names = realloc(batch->type_names, (n + 1) * sizeof *names);
    if (!names)
        return false;
    batch->type_names = names;
    for (size_t i = 0; i < n; i++) {
        rv_str_t name = rv_dictionary_string(types, (uint32_t)i);
        if (!(names[i] = strndup(name.p, name.n)))
            return false;
        batch->n_type_names++;
    }
    return true;
}

Reveille__V1__EventBatch *rv_batch_events(rv_batch_t *batch) {
    Reveille__V1__EventBatch *events = &batch->events;
    column_t *columns = batch->columns;
    reveille__v1__event_batch__init(events);
    if (!type_names(batch))
        return NULL;
    string_column(columns[RV_TARGET_KEY].strings, &columns[RV_TARGET_KEY].string_message);
    events->contact_keys = &columns[RV_TARGET_KEY].string_message;
    events->n_contacts = events->n_times_ms = events->n_types = batch->rows;
    events->contacts = columns[RV_TARGET_KEY].codes;
    events->times_ms = columns[RV_TARGET_AT].ints;
    events->types = columns[RV_TARGET_TYPE].codes;
    events->type_names = batch->type_names;
    events->n_type_names = batch->n_type_names;
    events->channel = columns[RV_TARGET_CHANNEL].values ? column_message(batch, RV_TARGET_CHANNEL) : NULL;
    events->source = columns[RV_TARGET_SOURCE].values ? column_message(batch, RV_TARGET_SOURCE) : NULL;
    events->event_id = columns[RV_TARGET_ID].values ? column_message(batch, RV_TARGET_ID) : NULL;
    events->properties = batch->list;
    return column_messages(batch, RV_TARGET_PROPERTIES, &events->n_properties) ? events : NULL;
}

Reveille__V1__EntityBatch *rv_batch_entities(rv_batch_t *batch) {
    Reveille__V1__EntityBatch *entities = &batch->entities;
    column_t *key = &batch->columns[RV_TARGET_KEY];
    reveille__v1__entity_batch__init(entities);
    string_column(key->strings, &key->string_message);
    entities->keys = &key->string_message;
    entities->attributes = batch->list;
    return column_messages(batch, 1, &entities->n_attributes) ? entities : NULL;
}

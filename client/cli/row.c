/* row.c: records to cells. A row is parsed whole before anything of it reaches a batch, so that a reject leaves no half
 * behind. Values of JSON: strings and numbers are read as the cells of CSV that their text would be, whatever the type;
 * booleans for bool, lists of strings for sets. One thread. */
#include "row.h"
#include "dictionary.h"
#include "json_line.h"
#include "reveille/limits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rv_row {
    const rv_targets_t *targets;
    const rv_columns_t *columns;
    bool empty_unsets, require_id, check_types;
    rv_cell_in_t *cells;
    rv_field_t field;       /* state of parsing, sets included: a field a target, because a set is borrowed from it */
    rv_field_t *sets;       /* of targets that are sets */
    rv_dictionary_t *types; /* names that are declared */
    rv_json_line_t json;    /* the last JSON line: its strings are borrowed */
    char reason[512];
};

rv_row_t *rv_row_new(const rv_targets_t *targets, const rv_columns_t *columns, bool empty_unsets, bool require_id) {
    rv_row_t *row = calloc(1, sizeof *row);
    if (!row)
        return NULL;
    row->targets = targets;
    row->columns = columns;
    row->empty_unsets = empty_unsets;
    row->require_id = require_id;
    row->cells = calloc(targets->n, sizeof *row->cells);
    row->sets = calloc(targets->n, sizeof *row->sets);
    row->types = rv_dictionary_new();
    if (!row->cells || !row->sets || !row->types)
        rv_row_destroy(&row);
    return row;
}

void rv_row_destroy(rv_row_t **row) {
    rv_row_t *r = *row;
    if (!r)
        return;
    for (size_t i = 0; r->sets && i < r->targets->n; i++)
        rv_field_done(&r->sets[i]);
    rv_field_done(&r->field);
    rv_json_line_done(&r->json);
    rv_dictionary_destroy(&r->types);
    free(r->sets);
    free(r->cells);
    free(r);
    *row = NULL;
}

bool rv_row_types(rv_row_t *row, Reveille__V1__EventType *const *types, size_t n) {
    bool added;
    row->check_types = true;
    for (size_t i = 0; i < n; i++)
        if (rv_dictionary_number(row->types, types[i]->name, strlen(types[i]->name), &added) == UINT32_MAX)
            return false;
    return true;
}

const rv_cell_in_t *rv_row_cells(const rv_row_t *row) {
    return row->cells;
}

static const char *reason(rv_row_t *row, size_t target, const char *text) {
    snprintf(row->reason, sizeof row->reason, "%s: %s", row->targets->at[target].name, text);
    return row->reason;
}

static const char *key_reason(rv_row_t *row, size_t target, size_t n) {
    char text[96];
    if (n == 0)
        return reason(row, target, "it is missing");
    snprintf(text, sizeof text, "the key has %zu bytes, more than %u", n, RV_MAX_KEY);
    return reason(row, target, text);
}

static const char *type_reason(rv_row_t *row, rv_str_t type) {
    const char *names[RV_MAX_TYPES];
    char copies[RV_MAX_TYPES][RV_MAX_NAME + 1], text[400];
    size_t n = rv_dictionary_count(row->types);
    if (type.n == 0)
        return reason(row, RV_TARGET_TYPE, "it is missing");
    n = n < RV_MAX_TYPES ? n : RV_MAX_TYPES;
    for (size_t i = 0; i < n; i++) {
        rv_str_t name = rv_dictionary_string(row->types, (uint32_t)i);
        snprintf(copies[i], sizeof copies[i], "%.*s", (int)name.n, name.p);
        names[i] = copies[i];
    }
    const char *nearest = rv_nearest(type.p, type.n, names, n);
    snprintf(text, sizeof text, "'%.*s' is not declared%s%s%s", (int)(type.n < 60 ? type.n : 60), type.p,
             nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return reason(row, RV_TARGET_TYPE, text);
}

/* What holds for a whole row. */
static const char *check_row(rv_row_t *row) {
    const rv_cell_in_t *cells = row->cells;
    uint32_t key = cells[RV_TARGET_KEY].value.s.n;
    if (!cells[RV_TARGET_KEY].value.present || key == 0 || key > RV_MAX_KEY)
        return key_reason(row, RV_TARGET_KEY, key);
    if (row->targets->kind != RV_IMPORT_EVENTS)
        return NULL;
    if (!cells[RV_TARGET_AT].value.present)
        return reason(row, RV_TARGET_AT, "it is missing");
    rv_str_t type = cells[RV_TARGET_TYPE].value.s;
    if (!cells[RV_TARGET_TYPE].value.present || (row->check_types && !rv_dictionary_has(row->types, type.p, type.n)))
        return type_reason(row, type);
    for (size_t i = RV_TARGET_CHANNEL; i <= RV_TARGET_ID; i++)
        if (cells[i].value.present && cells[i].value.s.n > RV_MAX_EVENT_ID)
            return reason(row, i, "it is longer than 1,024 bytes");
    if (row->require_id && (!cells[RV_TARGET_ID].value.present || cells[RV_TARGET_ID].value.s.n == 0))
        return reason(row, RV_TARGET_ID, "it is missing (--require-id)");
    return NULL;
}

static const char *parse_text(rv_row_t *row, size_t target, const char *p, size_t n) {
    const rv_target_t *t = &row->targets->at[target];
    rv_value_t *value = &row->cells[target].value;
    if (row->targets->kind == RV_IMPORT_EVENTS && target == RV_TARGET_AT) {
        if (!rv_field_event_time(&row->field, p, n, &value->i))
            return reason(row, target, row->field.reason);
        value->present = true;
        return NULL;
    }
    if (t->type == RV_STRING && n <= RV_MAX_VALUE) {
        value->present = true;
        value->s = (rv_str_t){p, (uint32_t)n};
        return NULL;
    }
    rv_field_t *field = t->type == RV_SET ? &row->sets[target] : &row->field;
    return rv_field_parse(field, t->type, t->scale, p, n, value) ? NULL : reason(row, target, field->reason);
}

/* A value that is not present is read as the empty string at most. */
static void clear_cells(rv_row_t *row) {
    for (size_t i = 0; i < row->targets->n; i++) {
        rv_cell_in_t *cell = &row->cells[i];
        cell->unset = cell->value.present = false;
        cell->value.s = (rv_str_t){0};
    }
}

const char *rv_row_csv(rv_row_t *row, const rv_csv_record_t *record, const int *of, size_t n_columns) {
    if (record->problem)
        return record->problem;
    if (record->n_fields != n_columns) {
        snprintf(row->reason, sizeof row->reason, "%zu fields where the header has %zu", record->n_fields, n_columns);
        return row->reason;
    }
    clear_cells(row);
    bool entity = row->targets->kind != RV_IMPORT_EVENTS;
    for (size_t c = 0; c < n_columns; c++) {
        const rv_csv_field_t *field = &record->fields[c];
        if (of[c] < 0)
            continue;
        if (field->n == 0 && !field->quoted) {
            row->cells[of[c]].unset = entity && row->empty_unsets && of[c] != RV_TARGET_KEY;
            continue;
        }
        const char *why = parse_text(row, (size_t)of[c], field->p, field->n);
        if (why)
            return why;
    }
    return check_row(row);
}

/* A list of strings as a set. */
static const char *json_set(rv_row_t *row, size_t target, const json_t *value) {
    rv_str_t elements[RV_MAX_SET];
    size_t n = json_array_size(value);
    if (n > RV_MAX_SET)
        return reason(row, target, "a set is a list of at most 1,024 strings");
    for (size_t i = 0; i < n; i++) {
        json_t *element = json_array_get(value, i);
        size_t length = json_string_length(element);
        if (!json_is_string(element) || length == 0 || length > RV_MAX_VALUE)
            return reason(row, target, "the elements of a set are strings that are not empty");
        elements[i] = (rv_str_t){json_string_value(element), (uint32_t)length};
    }
    if (!rv_field_set(&row->sets[target], elements, n, &row->cells[target].value))
        return reason(row, target, row->sets[target].reason);
    row->cells[target].value.present = true;
    return NULL;
}

/* What a type takes, and what came instead. */
static const char *other_type(rv_row_t *row, size_t target, const json_t *value) {
    static const char *const WANTED[] = {[RV_STRING] = "a string",
                                         [RV_INT] = "a whole number",
                                         [RV_DOUBLE] = "a number",
                                         [RV_DECIMAL] = "a decimal number",
                                         [RV_BOOL] = "true or false",
                                         [RV_TIME] = "a time (a string like \"2026-01-02T03:04:05Z\" or a number)",
                                         [RV_SET] = "a list of strings",
                                         [RV_DATE] = "a date (a string like \"2026-01-02\")",
                                         [RV_COMPANY] = "a company's key, a string"};
    const char *got = json_is_number(value)    ? "a number"
                      : json_is_string(value)  ? "a string"
                      : json_is_boolean(value) ? "true or false"
                      : json_is_array(value)   ? "a list"
                                               : "an object";
    char text[160];
    snprintf(text, sizeof text, "%s is expected, not %s", WANTED[row->targets->at[target].type], got);
    return reason(row, target, text);
}

static const char *json_cell(rv_row_t *row, size_t target, const json_t *value) {
    rv_type_t type = row->targets->at[target].type;
    bool text = type == RV_STRING || type == RV_COMPANY;
    if (json_is_null(value)) {
        row->cells[target].unset = row->targets->kind != RV_IMPORT_EVENTS && target != RV_TARGET_KEY;
        return NULL;
    }
    if (type == RV_SET)
        return json_is_array(value) ? json_set(row, target, value) : other_type(row, target, value);
    if (json_is_string(value))
        return parse_text(row, target, json_string_value(value), json_string_length(value));
    if (json_is_boolean(value) && type == RV_BOOL)
        return parse_text(row, target, json_is_true(value) ? "1" : "0", 1);
    if (json_is_number(value) && !text && type != RV_DATE) {
        rv_str_t number = rv_json_line_number(&row->json, value);
        return parse_text(row, target, number.p, number.n);
    }
    return other_type(row, target, value);
}

const char *rv_row_json(rv_row_t *row, const char *text, size_t n) {
    json_t *object = rv_json_line_parse(&row->json, text, n);
    if (!object)
        return row->json.reason;
    clear_cells(row);
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        int target = rv_target_of(row->targets, row->columns, name, strlen(name));
        if (target == -1)
            continue;
        if (target < 0) {
            snprintf(row->reason, sizeof row->reason, "'%.100s' is not declared in the schema", name);
            return row->reason;
        }
        const char *why = json_cell(row, (size_t)target, value);
        if (why)
            return why;
    }
    return check_row(row);
}

/* target.c: names of columns to places in a row. Looked up once a file for CSV, once a member for NDJSON. No state. */
#include "target.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rv_target_t string_target(const char *name) {
    return (rv_target_t){name, RV_STRING, 0};
}

static void add_attributes(rv_targets_t *targets, Reveille__V1__Attribute *const *attributes, size_t n) {
    for (size_t i = 0; i < n; i++)
        targets->at[targets->n++] = (rv_target_t){attributes[i]->name, attributes[i]->type, attributes[i]->scale};
}

rv_status_t rv_targets_of(const Reveille__V1__Schema *schema, rv_import_kind_t kind, rv_arena_t *arena,
                          rv_targets_t *ret, rv_error_t *err) {
    size_t most =
        RV_TARGET_PROPERTIES + schema->n_contact_attributes + schema->n_company_attributes + schema->n_event_properties;
    rv_targets_t targets = {.kind = kind, .at = rv_arena_alloc(arena, most * sizeof *targets.at)};
    if (!targets.at)
        return rv_fail_memory(err, "columns");
    if (kind == RV_IMPORT_COMPANIES && !schema->company_key[0])
        return rv_fail(err, RV_REASON_SCHEMA, "the schema has no companies");
    if (kind == RV_IMPORT_EVENTS) {
        static const char *const NAMES[] = {"contact", "at", "type", "channel", "source"};
        for (size_t i = 0; i < 5; i++)
            targets.at[targets.n++] = string_target(NAMES[i]);
        targets.at[RV_TARGET_AT].type = RV_TIME;
        targets.at[targets.n++] = string_target(schema->event_id[0] ? schema->event_id : "id");
        add_attributes(&targets, schema->event_properties, schema->n_event_properties);
    } else if (kind == RV_IMPORT_CONTACTS) {
        targets.at[targets.n++] = string_target(schema->contact_key);
        add_attributes(&targets, schema->contact_attributes, schema->n_contact_attributes);
    } else {
        targets.at[targets.n++] = string_target(schema->company_key);
        add_attributes(&targets, schema->company_attributes, schema->n_company_attributes);
    }
    *ret = targets;
    return RV_OK;
}

static bool same(const char *text, const char *p, size_t n) {
    return strlen(text) == n && memcmp(text, p, n) == 0;
}

static int by_name(const rv_targets_t *targets, const char *p, size_t n) {
    for (size_t i = 0; i < targets->n; i++)
        if (same(targets->at[i].name, p, n))
            return (int)i;
    return -2;
}

int rv_target_of(const rv_targets_t *targets, const rv_columns_t *columns, const char *name, size_t n) {
    for (size_t i = 0; i < columns->n_maps; i++) {
        const char *equals = strchr(columns->maps[i], '=');
        if (equals && same(equals + 1, name, n))
            return by_name(targets, columns->maps[i], (size_t)(equals - columns->maps[i]));
    }
    for (size_t i = 0; i < columns->n_ignored; i++)
        if (same(columns->ignored[i], name, n))
            return -1;
    return by_name(targets, name, n);
}

/* "did you mean 'x'?" in `out`, or nothing. */
static const char *advice(const rv_targets_t *targets, const char *p, size_t n, char out[320]) {
    const char **names = calloc(targets->n + 1, sizeof *names);
    out[0] = 0;
    for (size_t i = 0; names && i < targets->n; i++)
        names[i] = targets->at[i].name;
    const char *nearest = names ? rv_nearest(p, n, names, targets->n) : NULL;
    if (nearest)
        snprintf(out, 320, ", did you mean '%s'?", nearest);
    free(names);
    return out;
}

rv_status_t rv_columns_check(const rv_targets_t *targets, const rv_columns_t *columns, rv_error_t *err) {
    char hint[320];
    for (size_t i = 0; i < columns->n_maps; i++) {
        const char *map = columns->maps[i], *equals = strchr(map, '=');
        if (!equals || equals == map || !equals[1])
            return rv_fail(err, RV_REASON_FIELD, "--map takes NAME=COLUMN, not '%s'", map);
        size_t n = (size_t)(equals - map);
        if (by_name(targets, map, n) < 0)
            return rv_fail(err, RV_REASON_FIELD, "--map %s: the schema has no '%.*s' here%s", map, (int)n, map,
                           advice(targets, map, n, hint));
        for (size_t k = 0; k < i; k++)
            if (strncmp(columns->maps[k], map, n + 1) == 0)
                return rv_fail(err, RV_REASON_FIELD, "--map gives '%.*s' twice", (int)n, map);
    }
    return RV_OK;
}

const char *rv_separator_hint(const char *header, size_t n) {
    if (memchr(header, ',', n))
        return "";
    if (memchr(header, ';', n))
        return " (the fields seem to be separated by semicolons: commas are expected)";
    return memchr(header, '\t', n) ? " (the fields seem to be separated by tabs: commas are expected)" : "";
}

static rv_status_t undeclared(const rv_targets_t *targets, const rv_csv_field_t *field, rv_error_t *err) {
    char hint[320];
    if (field->n > 8 && memcmp(field->p, "consent.", 8) == 0)
        return rv_fail(err, RV_REASON_FEATURE, "column '%.*s': consent comes with a later version; --ignore it",
                       (int)field->n, field->p);
    return rv_fail(err, RV_REASON_SCHEMA,
                   "column '%.*s' is not declared in the schema%s; declare it, --map it or --ignore it%s",
                   (int)(field->n < 100 ? field->n : 100), field->p, advice(targets, field->p, field->n, hint),
                   rv_separator_hint(field->p, field->n));
}

static rv_status_t check_required(const rv_targets_t *targets, const rv_csv_record_t *header, const int *found,
                                  rv_error_t *err) {
    size_t required = targets->kind == RV_IMPORT_EVENTS ? RV_TARGET_TYPE + 1 : 1;
    for (size_t t = 0; t < required; t++) {
        bool there = false;
        for (size_t c = 0; c < header->n_fields; c++)
            there = there || found[c] == (int)t;
        if (!there)
            return rv_fail(err, RV_REASON_SCHEMA, "there is no column '%s'; --map %s=COLUMN names the one that has it",
                           targets->at[t].name, targets->at[t].name);
    }
    return RV_OK;
}

bool rv_header_has(const rv_csv_record_t *header, const char *column) {
    for (size_t c = 0; c < header->n_fields; c++)
        if (same(column, header->fields[c].p, header->fields[c].n))
            return true;
    return false;
}

rv_status_t rv_header_targets(const rv_targets_t *targets, const rv_columns_t *columns, const rv_csv_record_t *header,
                              rv_arena_t *arena, int **ret, rv_error_t *err) {
    int *found = rv_arena_alloc(arena, (header->n_fields + 1) * sizeof *found);
    if (!found)
        return rv_fail_memory(err, "columns");
    for (size_t i = 0; i < columns->n_maps; i++) {
        const char *column = strchr(columns->maps[i], '=') + 1;
        if (!rv_header_has(header, column))
            return rv_fail(err, RV_REASON_FIELD, "--map %s: the file has no column '%s'", columns->maps[i], column);
    }
    for (size_t c = 0; c < header->n_fields; c++) {
        const rv_csv_field_t *field = &header->fields[c];
        found[c] = rv_target_of(targets, columns, field->p, field->n);
        if (found[c] == -2)
            return undeclared(targets, field, err);
        for (size_t k = 0; k < c; k++)
            if (found[c] >= 0 && found[k] == found[c])
                return rv_fail(err, RV_REASON_SCHEMA, "two columns give '%s': the %zu. and the %zu.",
                               targets->at[found[c]].name, k + 1, c + 1);
    }
    rv_status_t status = check_required(targets, header, found, err);
    if (status == RV_OK)
        *ret = found;
    return status;
}

/* entities.c: batches of contacts and companies (batch.h). One pass a column, one hash a key. No state, no threads. */
#include "batch.h"
#include "reveille/hash.h"
#include "reveille/limits.h"
#include <stdio.h>
#include <string.h>

static rv_status_t no_memory(rv_error_t *err) {
    return rv_fail(err, RV_REASON_QUOTA, "the batch needs more memory than one request may take");
}

rv_status_t rvc_keys_check(const rvc_strings_t *keys, uint32_t partitions, const char *field, rvc_refusals_t *refusals,
                           rv_arena_t *arena, uint32_t **ret_partition, rv_error_t *err) {
    const uint8_t *bad;
    rv_status_t status = rvc_check_keys(keys, arena, &bad, err);
    uint32_t *partition = rv_arena_alloc(arena, (keys->n + 1) * sizeof *partition);
    if (status != RV_OK || !partition)
        return status != RV_OK ? status : no_memory(err);
    for (size_t i = 0; i < keys->n; i++) {
        rv_str_t key = rvc_string(keys, i);
        partition[i] = rv_partition_of(key.p, key.n, partitions);
        if (!bad || !bad[i])
            continue;
        partition[i] = UINT32_MAX;
        rvc_refuse(refusals, i, field, "the key cannot be taken: %s", rvc_bad_reason(bad[i]));
    }
    *ret_partition = partition;
    return RV_OK;
}

static const rv_attribute_t *find(const rv_catalog_t *catalog, bool companies, const char *name) {
    return companies ? rv_catalog_company_attribute(catalog, name, strlen(name))
                     : rv_catalog_attribute(catalog, name, strlen(name));
}

static rv_status_t unknown(const rv_catalog_t *catalog, bool companies, const char *name, rv_arena_t *arena,
                           rv_error_t *err) {
    size_t n;
    const rv_attribute_t *all =
        companies ? rv_catalog_company_attributes(catalog, &n) : rv_catalog_attributes(catalog, &n);
    const char **names = rv_arena_zalloc(arena, n + 1, sizeof *names);
    for (size_t i = 0; names && i < n; i++)
        names[i] = all[i].name;
    const char *near = names ? rv_nearest(name, strlen(name), names, n) : NULL;
    rv_fail(err, RV_REASON_FIELD, "the schema has no %s attribute '%.128s'%s%.128s%s",
            companies ? "company" : "contact", name, near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
    if (err)
        snprintf(err->field, sizeof err->field, "%s", name);
    return RV_INVALID_ARGUMENT;
}

static rv_status_t check_fields(const rv_catalog_t *catalog, bool companies, const Reveille__V1__EntityBatch *message,
                                rvc_refusals_t *refusals, rv_arena_t *arena, rvc_entities_t *entities,
                                rv_error_t *err) {
    entities->fields = rv_arena_zalloc(arena, message->n_attributes + 1, sizeof *entities->fields);
    if (!entities->fields)
        return no_memory(err);
    for (size_t i = 0; i < message->n_attributes; i++) {
        const Reveille__V1__Column *column = message->attributes[i];
        rvc_field_t *field = &entities->fields[entities->n_fields];
        field->attribute = find(catalog, companies, column->name);
        if (!field->attribute)
            return unknown(catalog, companies, column->name, arena, err);
        for (size_t j = 0; j < entities->n_fields; j++)
            if (entities->fields[j].attribute == field->attribute)
                return rv_fail(err, RV_REASON_FIELD, "column '%.200s' is there twice", column->name);
        rv_status_t status =
            rvc_convert(column, field->attribute, entities->rows, refusals, arena, &field->column, err);
        if (status == RV_OK)
            status = rvc_renumber_init(&field->renumber, field->column.codes ? field->column.strings.n : 0, arena, err);
        if (status != RV_OK)
            return status;
        entities->n_fields++;
    }
    return RV_OK;
}

rv_status_t rvc_entities_check(const rv_catalog_t *catalog, uint32_t partitions, bool companies,
                               const Reveille__V1__EntityBatch *message, rvc_refusals_t *refusals, rv_arena_t *arena,
                               rvc_entities_t *ret, rv_error_t *err) {
    rvc_entities_t entities = {.replace = message->replace};
    rv_status_t status = rvc_strings_open(message->keys, arena, "keys", &entities.keys, err);
    if (status != RV_OK)
        return status;
    entities.rows = entities.keys.n;
    status = rvc_refusals_init(refusals, entities.rows, refusals->arena ? refusals->arena : arena, err);
    if (status == RV_OK)
        status = rvc_keys_check(&entities.keys, partitions, "keys", refusals, arena, &entities.partition, err);
    if (status == RV_OK)
        status = check_fields(catalog, companies, message, refusals, arena, &entities, err);
    if (status != RV_OK)
        return status;
    for (size_t row = 0; row < entities.rows; row++)
        if (refusals->bad[row])
            entities.partition[row] = UINT32_MAX;
    *ret = entities;
    return RV_OK;
}

rv_status_t rvc_entities_share(rvc_entities_t *entities, const uint32_t *rows, size_t n, rv_arena_t *arena,
                               Reveille__V1__EntityBatch **ret, rv_error_t *err) {
    Reveille__V1__EntityBatch *made = rv_arena_alloc(arena, sizeof *made);
    Reveille__V1__Column **columns = rv_arena_zalloc(arena, entities->n_fields + 1, sizeof *columns);
    if (!made || !columns)
        return no_memory(err);
    reveille__v1__entity_batch__init(made);
    made->replace = entities->replace;
    made->attributes = columns;
    rv_status_t status = rvc_gather_plain(&entities->keys, NULL, rows, n, arena, &made->keys, err);
    for (size_t i = 0; status == RV_OK && i < entities->n_fields; i++) {
        rvc_field_t *field = &entities->fields[i];
        Reveille__V1__Column *column = NULL;
        status =
            rvc_gather_column(&field->column, field->attribute->id, &field->renumber, rows, n, arena, &column, err);
        if (status == RV_OK && column)
            made->attributes[made->n_attributes++] = column;
    }
    if (status == RV_OK)
        *ret = made;
    return status;
}

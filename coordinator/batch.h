/* batch.h: batches from outside, checked against the catalog, and the parts of them that go to a partition, with
 * numbers instead of names.
 *
 * Structure that makes no sense, an unknown column or a column of the wrong type fails the whole batch; anything about
 * one row refuses that row. The checked batch borrows the message and the catalog. Thread: the actor's; memory from the
 * arena.
 */
#ifndef REVEILLE_COORDINATOR_BATCH_H
#define REVEILLE_COORDINATOR_BATCH_H

#include "convert.h"
#include "reveille/v1/worker.pb-c.h"
#include "split.h"

/* A column and its attribute. */
typedef struct {
    const rv_attribute_t *attribute;
    rvc_column_t column;
    rvc_renumber_t renumber;
} rvc_field_t;

typedef struct {
    size_t rows;
    bool replace;
    rvc_strings_t keys;
    rvc_field_t *fields;
    size_t n_fields;
    uint32_t *partition; /* of each row; UINT32_MAX: refused */
} rvc_entities_t;

/* Contacts, or companies. */
rv_status_t rvc_entities_check(const rv_catalog_t *catalog, uint32_t partitions, bool companies,
                               const Reveille__V1__EntityBatch *message, rvc_refusals_t *refusals, rv_arena_t *arena,
                               rvc_entities_t *ret, rv_error_t *err);
/* Some rows as a message for a worker. */
rv_status_t rvc_entities_share(rvc_entities_t *entities, const uint32_t *rows, size_t n, rv_arena_t *arena,
                               Reveille__V1__EntityBatch **ret, rv_error_t *err);

typedef struct {
    size_t rows;
    rvc_strings_t keys;
    rvc_renumber_t renumber_keys;
    const uint32_t *contacts;
    const int64_t *times;
    uint32_t *types; /* catalog numbers; 0 for a refused row */
    bool has_source, has_id;
    rvc_field_t channel, source, id; /* channel: filled in from the type */
    rvc_field_t *fields;
    size_t n_fields;
    uint32_t *partition; /* of each row; UINT32_MAX: refused */
} rvc_events_t;

typedef struct {
    const rv_catalog_t *catalog;
    uint32_t partitions;
    int64_t wall_ms;
    bool require_id;
    bool identity_only; /* for deletes: channel and properties are not read */
} rvc_events_rules_t;
rv_status_t rvc_events_check(const rvc_events_rules_t *rules, const Reveille__V1__EventBatch *message,
                             rvc_refusals_t *refusals, rv_arena_t *arena, rvc_events_t *ret, rv_error_t *err);
rv_status_t rvc_events_share(rvc_events_t *events, const uint32_t *rows, size_t n, rv_arena_t *arena,
                             Reveille__V1__EventBatch **ret, rv_error_t *err);

/* Keys to erase: the partition of each, UINT32_MAX for a bad one, which is refused. */
rv_status_t rvc_keys_check(const rvc_strings_t *keys, uint32_t partitions, const char *field, rvc_refusals_t *refusals,
                           rv_arena_t *arena, uint32_t **ret_partition, rv_error_t *err);

#endif

/* catalog.h: the catalog (schema, segments, score models) indexed for look-up by name and number. Immutable after
 * building, shared between threads by reference counting. Names do not ignore case. */
#ifndef REVEILLE_CATALOG_H
#define REVEILLE_CATALOG_H

#include "reveille/arena.h"
#include "reveille/status.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/valcodec.h"

typedef struct rv_catalog rv_catalog_t;

typedef struct {
    uint32_t id;
    const char *name;
    rv_type_t type;
    unsigned scale;
} rv_attribute_t;

typedef struct {
    uint32_t id;
    const char *name;
    const char *channel;        /* "" when none */
    const uint32_t *properties; /* ids allowed, rising; NULL: all */
    size_t n_properties;
} rv_event_type_t;

/* Builds from a message (copied). Checks everything that a stored catalog promises: DATA_LOSS/DAMAGED otherwise. */
rv_status_t rv_catalog_new(const Reveille__V1__Catalog *message, rv_catalog_t **ret, rv_error_t *err);
/* An empty catalog: version 0, no schema. */
rv_catalog_t *rv_catalog_empty(void);
rv_catalog_t *rv_catalog_ref(rv_catalog_t *catalog);
void rv_catalog_unref(rv_catalog_t **catalog);
/* The message it was built from; borrowed. */
const Reveille__V1__Catalog *rv_catalog_message(const rv_catalog_t *catalog);
uint64_t rv_catalog_version(const rv_catalog_t *catalog);
uint64_t rv_catalog_schema_version(const rv_catalog_t *catalog);

/* By name; NULL when there is none. */
const rv_attribute_t *rv_catalog_attribute(const rv_catalog_t *catalog, const char *name, size_t n);
const rv_attribute_t *rv_catalog_company_attribute(const rv_catalog_t *catalog, const char *name, size_t n);
const rv_attribute_t *rv_catalog_property(const rv_catalog_t *catalog, const char *name, size_t n);
const rv_event_type_t *rv_catalog_type(const rv_catalog_t *catalog, const char *name, size_t n);
/* Types of a group as rising places in rv_catalog_types; false when there is no such group. */
bool rv_catalog_group(const rv_catalog_t *catalog, const char *name, size_t n, const uint32_t **places, size_t *count);
const Reveille__V1__ScoreModel *rv_catalog_score(const rv_catalog_t *catalog, const char *name, size_t n);
const Reveille__V1__Segment *rv_catalog_segment(const rv_catalog_t *catalog, const char *name, size_t n);

/* By number; NULL when there is none. */
const rv_attribute_t *rv_catalog_attribute_by_id(const rv_catalog_t *catalog, uint32_t id);
const rv_attribute_t *rv_catalog_company_attribute_by_id(const rv_catalog_t *catalog, uint32_t id);
const rv_attribute_t *rv_catalog_property_by_id(const rv_catalog_t *catalog, uint32_t id);
const rv_event_type_t *rv_catalog_type_by_id(const rv_catalog_t *catalog, uint32_t id);

/* All of them, in catalog order. */
const rv_attribute_t *rv_catalog_attributes(const rv_catalog_t *catalog, size_t *count);
const rv_attribute_t *rv_catalog_company_attributes(const rv_catalog_t *catalog, size_t *count);
const rv_attribute_t *rv_catalog_properties(const rv_catalog_t *catalog, size_t *count);
const rv_event_type_t *rv_catalog_types(const rv_catalog_t *catalog, size_t *count);

/* The attribute of type company, or NULL; the attribute `created`, or NULL. */
const rv_attribute_t *rv_catalog_company_reference(const rv_catalog_t *catalog);
const rv_attribute_t *rv_catalog_created(const rv_catalog_t *catalog);

/* Checks a schema from outside and gives numbers: those of `old` (may be NULL) stay, new ones get new numbers; removed
 * numbers are never used again. Refuses what data-model.md and filter-language.md ("Words") refuse, with field names in
 * err->field. `ret` lives in the arena. `ret_changed`: differs from old. Removals without `force`, type changes that
 * lose: FAILED_PRECONDITION/SCHEMA. */
rv_status_t rv_schema_apply(const Reveille__V1__Schema *old, const Reveille__V1__Schema *wanted, bool force,
                            rv_arena_t *arena, Reveille__V1__Schema **ret, bool *ret_changed, rv_error_t *err);

#endif

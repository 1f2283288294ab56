/* schema.h: what a schema must hold to, shared by schema apply and the reading of a stored catalog. */
#ifndef RV_COMMON_SCHEMA_H
#define RV_COMMON_SCHEMA_H

#include "reveille/arena.h"
#include "reveille/status.h"
#include "reveille/v1/schema.pb-c.h"

/* Sound by itself: counts, names, types, scales, references. INVALID_ARGUMENT with the name in err->field. */
rv_status_t rv_schema_check(const Reveille__V1__Schema *schema, rv_arena_t *scratch, rv_error_t *err);
/* Names that the filter language keeps for itself, and what is not built yet. Only schemas from outside must pass. */
rv_status_t rv_schema_check_words(const Reveille__V1__Schema *schema, rv_error_t *err);
/* "decimal" and so on; "no type" for what is not a type. */
const char *rv_schema_type_name(Reveille__V1__ValueType type);
/* Puts a name into err->field (cut at a character when it is too long) and returns the status. */
rv_status_t rv_schema_at(rv_status_t status, rv_error_t *err, const char *name);

#endif

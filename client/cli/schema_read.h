/* schema_read.h: schemas and score models from YAML (docs: the data model). */
#ifndef REVEILLE_CLI_SCHEMA_READ_H
#define REVEILLE_CLI_SCHEMA_READ_H

#include "document.h"
#include "reveille/arena.h"
#include "reveille/v1/schema.pb-c.h"

/* A whole schema with its scores. Messages live in the arena. Unknown keys, wrong types and missing parts are errors
 * with their place. */
rv_status_t rv_schema_read(rv_yaml_t *yaml, rv_arena_t *arena, Reveille__V1__ApplyRequest *ret, rv_error_t *err);
/* Score models: a mapping of names, or one under `scores`. */
rv_status_t rv_scores_read(rv_yaml_t *yaml, rv_arena_t *arena, Reveille__V1__ScoreModel ***ret, size_t *ret_n,
                           rv_error_t *err);
/* "decimal" for a type; NULL when it has no name in a schema. */
const char *rv_type_name(Reveille__V1__ValueType type);

#endif

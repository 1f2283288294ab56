/* convert.h: columns of a batch from outside, brought to the types of the catalog, with every value checked.
 *
 * Allowed: the attribute's own type; INT for DECIMAL and DOUBLE; DECIMAL of another scale (a row that would lose digits
 * is refused); STRING for COMPANY and SET (and SET given as SET or STRING is sorted and made unique). Anything else
 * fails the whole request: INVALID_ARGUMENT/FIELD. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_CONVERT_H
#define REVEILLE_COORDINATOR_CONVERT_H

#include "column.h"
#include "refusal.h"
#include "reveille/catalog.h"

/* A column of the type of its attribute; rows that cannot be taken have been refused. */
rv_status_t rvc_convert(const Reveille__V1__Column *message, const rv_attribute_t *attribute, size_t rows,
                        rvc_refusals_t *refusals, rv_arena_t *arena, rvc_column_t *ret, rv_error_t *err);
/* A plain STRING column (channel, source, id) of strings of at most `longest` bytes. */
rv_status_t rvc_convert_text(const Reveille__V1__Column *message, const char *name, size_t longest, size_t rows,
                             rvc_refusals_t *refusals, rv_arena_t *arena, rvc_column_t *ret, rv_error_t *err);
/* Marks keys that may not be one: empty, longer than RV_MAX_KEY, not UTF-8, a NUL. *ret_bad is NULL when all are good,
 * else a byte a string: 0 good. */
rv_status_t rvc_check_keys(const rvc_strings_t *keys, rv_arena_t *arena, const uint8_t **ret_bad, rv_error_t *err);
/* Why a key, or a string, was marked. */
const char *rvc_bad_reason(uint8_t bad);

#endif

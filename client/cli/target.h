/* target.h: what a row of an import may carry, from the schema, and which column of a file brings which of it. */
#ifndef REVEILLE_CLI_TARGET_H
#define REVEILLE_CLI_TARGET_H

#include "csv.h"
#include "reveille/arena.h"
#include "reveille/v1/schema.pb-c.h"
#include "reveille/valcodec.h"

typedef enum { RV_IMPORT_CONTACTS, RV_IMPORT_COMPANIES, RV_IMPORT_EVENTS } rv_import_kind_t;

/* The places of an event's own fields among the targets; the key is the first target of contacts and companies. */
enum {
    RV_TARGET_KEY = 0,
    RV_TARGET_AT = 1,
    RV_TARGET_TYPE = 2,
    RV_TARGET_CHANNEL = 3,
    RV_TARGET_SOURCE = 4,
    RV_TARGET_ID = 5,
    RV_TARGET_PROPERTIES = 6
};

typedef struct {
    const char *name; /* in the schema; borrowed from it */
    rv_type_t type;
    unsigned scale;
} rv_target_t;

typedef struct {
    rv_import_kind_t kind;
    rv_target_t *at;
    size_t n;
} rv_targets_t;

/* Targets live in the arena and borrow names from the schema. */
rv_status_t rv_targets_of(const Reveille__V1__Schema *schema, rv_import_kind_t kind, rv_arena_t *arena,
                          rv_targets_t *ret, rv_error_t *err);

/* Options of an import that name columns. */
typedef struct {
    const char *const *maps; /* "NAME=COLUMN" */
    size_t n_maps;
    const char *const *ignored;
    size_t n_ignored;
} rv_columns_t;

/* Number of the target of a column or member, -1 for an ignored one, -2 for one that is not declared. */
int rv_target_of(const rv_targets_t *targets, const rv_columns_t *columns, const char *name, size_t n);
/* Every --map names a target; INVALID_ARGUMENT otherwise. */
rv_status_t rv_columns_check(const rv_targets_t *targets, const rv_columns_t *columns, rv_error_t *err);
bool rv_header_has(const rv_csv_record_t *header, const char *column);
/* What to say of a header that another separator than the comma seems to divide; "" otherwise. */
const char *rv_separator_hint(const char *header, size_t n);
/* The targets of a header's columns, in the arena. Undeclared columns, columns twice, and missing ones are errors that
 * name them. */
rv_status_t rv_header_targets(const rv_targets_t *targets, const rv_columns_t *columns, const rv_csv_record_t *header,
                              rv_arena_t *arena, int **ret, rv_error_t *err);

#endif

/* store_model.h: what a partition must hold, as plain arrays; random writes; and the comparison with a view. Used by
 * store_world. */
#ifndef REVEILLE_TESTS_STORE_MODEL_H
#define REVEILLE_TESTS_STORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "reveille/arena.h"
#include "reveille/v1/worker.pb-c.h"
#include "store/view.h"

#define MODEL_ATTRIBUTES 8u /* of contacts: country, age, ltv, interests, company, weight, seen, member */
#define MODEL_COMPANY_ATTRIBUTES 2u
#define MODEL_PROPERTIES 2u /* topic, value */
#define MODEL_TYPES 4u

typedef struct {
    bool present;
    int64_t i;
    rv_i128_t wide;
    double d;
    char s[48];
} model_value_t;

typedef struct {
    char key[32];
    bool alive;
    uint64_t version; /* of companies */
    model_value_t values[MODEL_ATTRIBUTES];
} model_row_t;

typedef struct {
    char contact[32]; /* of an item */
    uint32_t row;     /* of the model */
    uint32_t type;
    int64_t time;
    char source[16], id[24], channel[16];
    bool has_channel;
    model_value_t properties[MODEL_PROPERTIES];
    uint64_t import_id;
} model_event_t;

typedef struct {
    model_row_t *contacts, *companies;
    model_event_t *events;
    uint32_t n_contacts, n_companies, n_events;
} model_t;

typedef struct {
    uint64_t applied, duplicates, duplicates_without_id, contacts_created, refused;
} model_result_t;

/* A random write. */
typedef enum {
    STEP_CONTACTS,
    STEP_COMPANIES,
    STEP_EVENTS,
    STEP_DELETE,
    STEP_DELETE_SOURCE,
    STEP_DELETE_IMPORT,
    STEP_ERASE
} step_kind_t;
typedef struct {
    step_kind_t kind;
    uint32_t n;
    bool replace, coded, versions;
    uint64_t import_id;
    char source[16];
    model_row_t *rows;               /* contacts, companies, erasures */
    bool (*unset)[MODEL_ATTRIBUTES]; /* by row */
    bool named[MODEL_ATTRIBUTES];    /* columns that the batch has */
    model_event_t *events;
} step_t;

uint64_t model_random(uint64_t *seed, uint64_t below);
step_t *step_new(const model_t *model, uint64_t *seed, uint32_t items);
void step_destroy(step_t **step);
/* The step as a message, in the arena. */
Reveille__V1__PartitionWrite *step_message(const step_t *step, uint64_t sequence, rv_arena_t *arena);

void model_apply(model_t *model, const step_t *step, uint64_t lsn, model_result_t *ret);
void model_copy(const model_t *from, model_t *to);
void model_done(model_t *model);
uint64_t model_contacts(const model_t *model);
/* Events of contacts that are not erased. */
uint64_t model_events(const model_t *model);
const char *model_erased_key(const model_t *model);
/* All that the view shows is all that the model holds. */
void model_compare(const model_t *model, const rvw_view_t *view);

rv_type_t model_type(bool company, uint32_t attribute);
rv_type_t model_property_type(uint32_t property);

#endif

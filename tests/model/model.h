// model.h - the slow, obvious evaluator of the filter language: the contract of tests/model.
//
// Purpose: to be right by inspection, so that the engine can be compared with it. It shares nothing with the product:
// own lexer, parser, name and type check, exact arithmetic, and an evaluation that walks arrays one contact at a time.
// README.md lists the "Readings": what was decided where the language's specification is silent.
//
// Units: every time and duration is in milliseconds (UTC, since 1970-01-01), a date in days since 1970-01-01.
// Ownership: everything lives in an arena; nothing is freed one by one. Strings are UTF-8 and end with NUL.
// Threads: none; an arena and what lives in it belong to one thread.
// Failure: functions that read filter text return a status and fill rvm_error_t; running out of memory aborts.
#ifndef RVM_MODEL_H
#define RVM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

__extension__ typedef __int128 rvm_i128_t;

// ---- memory -------------------------------------------------------------------------------------------------------

typedef struct rvm_arena rvm_arena_t;

rvm_arena_t *rvm_arena_new(void);
void rvm_arena_destroy(rvm_arena_t **arena);
void *rvm_alloc(rvm_arena_t *arena, size_t size); // zeroed
char *rvm_copy(rvm_arena_t *arena, const char *text, size_t length);
char *rvm_format(rvm_arena_t *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ---- status -------------------------------------------------------------------------------------------------------

typedef enum rvm_status {
    RVM_OK,
    RVM_SYNTAX,        // the text does not follow the grammar (or passes one of its limits)
    RVM_INVALID,       // unknown name, type mismatch, wrong argument
    RVM_UNIMPLEMENTED, // grammatical, and refused by this version of the product
    RVM_OVERFLOW,      // a value left the range of its type: an error of the whole request
    RVM_CONFLICT,      // an event with a known identity and other properties; nothing was changed
} rvm_status_t;

typedef struct rvm_error {
    rvm_status_t status;
    int line, column; // from 1; 0 when the failure has no place
    char text[200];
} rvm_error_t;

const char *rvm_status_name(rvm_status_t status);

// ---- values -------------------------------------------------------------------------------------------------------

typedef enum rvm_type {
    RVM_MISSING,
    RVM_BOOL,
    RVM_INT,
    RVM_DECIMAL,
    RVM_DOUBLE,
    RVM_STRING,
    RVM_TIME,
    RVM_DATE,
    RVM_DURATION,
    RVM_SET,
    RVM_COMPANY, // only as the declared type of a contact attribute; its values are strings (the company's key)
} rvm_type_t;

typedef struct rvm_value {
    rvm_type_t type;
    bool b;                   // BOOL
    int64_t i;                // INT; TIME and DURATION in ms; DATE in days
    rvm_i128_t n;             // DECIMAL: the value is n / 10^scale
    int scale;                // DECIMAL
    double d;                 // DOUBLE: finite, never -0
    const char *s;            // STRING
    const char *const *items; // SET: sorted bytewise, no repetition
    int n_items;              // SET
} rvm_value_t;

rvm_value_t rvm_missing(void);
rvm_value_t rvm_bool(bool b);
rvm_value_t rvm_int(int64_t i);
rvm_value_t rvm_decimal(rvm_i128_t n, int scale);
rvm_value_t rvm_double(double d);
rvm_value_t rvm_string(const char *s);
rvm_value_t rvm_time(int64_t ms);
rvm_value_t rvm_date(int64_t days);
rvm_value_t rvm_duration(int64_t ms);
rvm_value_t rvm_set(rvm_arena_t *arena, const char *const *items, int n); // sorts and removes repetitions

// Order of two values that are comparable (both numbers; both dates or times; the same type otherwise) and not missing.
// Exact: a double counts with its binary value.
int rvm_compare(const rvm_value_t *a, const rvm_value_t *b);
// Equal, or both missing. Numbers of different types are equal when their exact values are.
bool rvm_same(const rvm_value_t *a, const rvm_value_t *b);
// "DE", 12, 1.50, 2026-01-01T00:00:00.000Z, 3000ms, {a;b}, null: for people and failure messages, not for parsing.
const char *rvm_show(rvm_arena_t *arena, const rvm_value_t *value);
const char *rvm_type_name(rvm_type_t type);
bool rvm_is_number(rvm_type_t type); // int, decimal, double

// ---- schema -------------------------------------------------------------------------------------------------------

typedef struct rvm_field {
    const char *name;
    rvm_type_t type; // of a contact: all but MISSING, DURATION; of a company and an event: without SET, COMPANY too
    int scale;       // DECIMAL
} rvm_field_t;

typedef struct rvm_event_type {
    const char *name;
    uint64_t properties; // bit p: property p may be given on an event of this type
} rvm_event_type_t;

typedef struct rvm_group {
    const char *name;
    uint64_t types; // bit t: type t belongs to it
} rvm_group_t;

typedef struct rvm_score_model {
    const char *name;
    int64_t half_life;    // ms, whole seconds, positive
    const double *points; // one for each event type
    uint64_t types;       // bit t: type t is named by the model
} rvm_score_model_t;

typedef struct rvm_schema {
    const char *contact_key, *company_key, *event_id; // names of the keys and of the id
    const rvm_field_t *attributes;
    int n_attributes;
    int created; // index of a TIME attribute, or -1
    int company; // index of the attribute of type COMPANY, or -1
    const rvm_field_t *company_attributes;
    int n_company_attributes;
    const rvm_field_t *properties;
    int n_properties;
    const rvm_event_type_t *types; // at most 64
    int n_types;
    const rvm_group_t *groups;
    int n_groups;
    const rvm_score_model_t *models;
    int n_models;
} rvm_schema_t;

// ---- data, and the operations that bring it -----------------------------------------------------------------------

typedef struct rvm_row { // of an upsert of contacts or companies
    const char *key;
    const bool *given;         // one for each attribute: absent fields stay as they are
    const rvm_value_t *values; // given and RVM_MISSING: an explicit null, which unsets
} rvm_row_t;

typedef struct rvm_event {
    const char *contact;           // key
    int type;                      // index into schema->types
    int64_t at;                    // ms
    const char *channel;           // NULL: none
    const char *source, *id;       // '' by default, never NULL
    const rvm_value_t *properties; // one for each property, RVM_MISSING when not given
    int64_t import;                // number of the import that brings it; not part of identity or content
} rvm_event_t;

typedef enum rvm_op_kind {
    RVM_OP_CONTACTS,      // rows[n]
    RVM_OP_COMPANIES,     // rows[n]
    RVM_OP_EVENTS,        // events[n]
    RVM_OP_FLUSH,         // no effect on any answer
    RVM_OP_COMPACT,       // no effect on any answer
    RVM_OP_ERASE,         // the contact `name` and all its events; the same key later is a new contact
    RVM_OP_DELETE_EVENT,  // the event with the identity of events[0]
    RVM_OP_DELETE_SOURCE, // every event of source `name`
    RVM_OP_UNDO_IMPORT,   // every event that import `import` owns
} rvm_op_kind_t;

typedef struct rvm_op {
    rvm_op_kind_t kind;
    int n;
    const rvm_row_t *rows;
    const rvm_event_t *events;
    const char *name;
    int64_t import;
} rvm_op_t;

typedef struct rvm_contact {
    const char *key;
    rvm_value_t *values; // one for each attribute
    rvm_event_t *events; // ordered by (time, source, id, type)
    int n_events, room;
} rvm_contact_t;

typedef struct rvm_company {
    const char *key;
    rvm_value_t *values;
} rvm_company_t;

typedef struct rvm_data {
    rvm_arena_t *arena;
    const rvm_schema_t *schema;
    rvm_contact_t *contacts; // in order of arrival
    int n_contacts, contact_room;
    rvm_company_t *companies;
    int n_companies, company_room;
    int repeats;       // events ignored because they were there already
    int conflicts;     // events refused
    int bare_contacts; // contacts that an event created
} rvm_data_t;

// Borrows arena and schema for its life; keeps pointers into what is applied.
rvm_data_t *rvm_data_new(rvm_arena_t *arena, const rvm_schema_t *schema);
rvm_status_t rvm_append(rvm_data_t *data, const rvm_event_t *event); // RVM_OK also for a repetition; RVM_CONFLICT
void rvm_upsert_contact(rvm_data_t *data, const rvm_row_t *row);
void rvm_upsert_company(rvm_data_t *data, const rvm_row_t *row);
// Applies one operation. ret_status, when not NULL, gets n entries (per row or event).
void rvm_apply(rvm_data_t *data, const rvm_op_t *op, rvm_status_t *ret_status);
int rvm_find_contact(const rvm_data_t *data, const char *key); // index or -1
int rvm_find_company(const rvm_data_t *data, const char *key); // index or -1

// ---- requests -----------------------------------------------------------------------------------------------------

typedef struct rvm_segment {
    const char *name, *text;
} rvm_segment_t;

typedef struct rvm_param {
    const char *name;
    bool list; // false: n is 1
    int n;
    const rvm_value_t *values; // all of one type, none missing; the type and scale of an empty list do not matter
} rvm_param_t;

typedef struct rvm_world { // what a request sees
    const rvm_data_t *data;
    const rvm_segment_t *segments;
    int n_segments;
    const rvm_param_t *params;
    int n_params;
    int64_t as_of; // T
} rvm_world_t;

typedef enum rvm_text_kind {
    RVM_TEXT_FILTER,
    RVM_TEXT_FIELDS,
    RVM_TEXT_ORDER,
    RVM_TEXT_COMPUTE,
    RVM_TEXT_STEPS,
    RVM_TEXT_TYPES,
    RVM_TEXT_WINDOW
} rvm_text_kind_t;

// A table of values: rows * columns, row after row. `keys` is set by rvm_select only (one contact key for each row).
typedef struct rvm_table {
    int rows, columns;
    rvm_value_t *cells;
    const char **keys;
} rvm_table_t;

const rvm_value_t *rvm_cell(const rvm_table_t *table, int row, int column);

// Grammar alone: is the text accepted? (No names, no types.)
rvm_status_t rvm_parse_only(rvm_text_kind_t kind, const char *text, rvm_error_t *error);
// Grammar, names and types, as a request would be checked before it runs.
rvm_status_t rvm_check_only(const rvm_world_t *world, rvm_text_kind_t kind, const char *text, rvm_error_t *error);

// All of these leave *ret untouched on failure; what they return lives in the arena of `arena`.
// ret_in gets one bool for each contact of world->data, in its order: false too when not in the population.
rvm_status_t rvm_filter(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, bool *ret_in, int *ret_count,
                        rvm_error_t *error);
// The values of `fields` for one contact (by index), whether or not it is in the population: one row.
rvm_status_t rvm_values(rvm_arena_t *arena, const rvm_world_t *world, const char *fields, int contact, rvm_table_t *ret,
                        rvm_error_t *error);
// fields NULL or "": no columns, only keys. order NULL or "": by key. limit < 0: none.
rvm_status_t rvm_select(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *fields,
                        const char *order, int limit, rvm_table_t *ret, rvm_error_t *error);
// Columns: the `by` expressions, then the measures. Rows are ordered by the former, missing last. by NULL or "": one
// row.
rvm_status_t rvm_aggregate(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *by,
                           const char *compute, rvm_table_t *ret, rvm_error_t *error);
// k * k counts: (a, b) is the number of contacts in both, (a, a) the size of a.
rvm_status_t rvm_overlap(rvm_arena_t *arena, const rvm_world_t *world, const char *const *filters, int k,
                         rvm_table_t *ret, rvm_error_t *error);
// steps x 1: contacts of the filter that did at least so many steps. window NULL or "": none.
rvm_status_t rvm_funnel(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *steps,
                        int64_t within, const char *window, rvm_table_t *ret, rvm_error_t *error);
// Rows (cohort as TIME, period, contacts, cohort_size), by cohort and period, for every cohort with a contact and every
// period from 0 to periods - 1.
rvm_status_t rvm_retention(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *start,
                           int64_t cohort, const char *types, int64_t period, int periods, rvm_table_t *ret,
                           rvm_error_t *error);

#endif

/* expr.h: the filter language: text in, program out. Stages: lex, parse (no unbounded recursion, linear), check (names,
 * types, places), compile (windows and `at` resolved into bounds, segments inlined, constants folded, equal nodes
 * shared).
 *
 * One builder collects all texts of one request, so that they share T, parameters and nodes. Not thread safe.
 * Every error is INVALID_ARGUMENT/FILTER (or UNIMPLEMENTED/FEATURE) with line and column in the text that it is about;
 * err->field names the part ("filter", "fields", "order_by", "by", "compute", "steps", "start", "event", "segment
 * NAME").
 */
#ifndef REVEILLE_EXPR_H
#define REVEILLE_EXPR_H

#include "reveille/catalog.h"
#include "reveille/v1/read.pb-c.h"
#include "reveille/v1/worker.pb-c.h"

typedef struct rv_builder rv_builder_t;

typedef struct {
    uint32_t node;
    rv_type_t type;
    unsigned scale;
    const char *text; /* trimmed source text of the expression; lives as long as the builder */
    bool descending;  /* order keys */
} rv_expression_t;

/* `now_ms` is T. Checks the zone (only UTC so far) and the parameters. */
rv_status_t rv_builder_new(const rv_catalog_t *catalog, int64_t now_ms, const Reveille__V1__ReadOptions *options,
                           rv_builder_t **ret, rv_error_t *err);
void rv_builder_destroy(rv_builder_t **builder);

/* A filter; "" is everyone: *ret_filter is 1 + node, or 0. */
rv_status_t rv_builder_filter(rv_builder_t *builder, const char *field, const char *text, uint32_t *ret_filter,
                              rv_error_t *err);
/* `fields`: expressions separated by commas. Arrays live as long as the builder. */
rv_status_t rv_builder_fields(rv_builder_t *builder, const char *field, const char *text, const rv_expression_t **ret,
                              size_t *ret_n, rv_error_t *err);
rv_status_t rv_builder_order(rv_builder_t *builder, const char *text, const rv_expression_t **ret, size_t *ret_n,
                             rv_error_t *err);
/* `compute`: texts[i] is the trimmed text of measure i. */
rv_status_t rv_builder_compute(rv_builder_t *builder, const char *text, const Reveille__V1__Measure **ret,
                               const char *const **ret_texts, size_t *ret_n, rv_error_t *err);
/* A condition for overlap: always a node. */
rv_status_t rv_builder_condition(rv_builder_t *builder, const char *field, const char *text, uint32_t *ret_node,
                                 rv_error_t *err);
/* An event selection text (`engaged where ... within ...`): number of the selection. */
rv_status_t rv_builder_selection(rv_builder_t *builder, const char *field, const char *text, uint32_t *ret_selection,
                                 rv_error_t *err);
/* Funnel steps, length and window: a node of OP_FUNNEL; step_texts[i] are trimmed. */
rv_status_t rv_builder_funnel(rv_builder_t *builder, const char *steps, const char *within, const char *window,
                              uint32_t *ret_node, const char *const **ret_step_texts, size_t *ret_n, rv_error_t *err);
/* A duration text of fixed units, greater than 0, in ms. */
rv_status_t rv_builder_duration(rv_builder_t *builder, const char *field, const char *text, int64_t *ret_ms,
                                rv_error_t *err);
/* A TIME node from an expression of type TIME or DATE. */
rv_status_t rv_builder_instant(rv_builder_t *builder, const char *field, const char *text, uint32_t *ret_node,
                               rv_error_t *err);

/* The finished program, with the population condition; lives as long as the builder. No text may be added afterwards.
 */
rv_status_t rv_builder_finish(rv_builder_t *builder, const Reveille__V1__Program **ret, rv_error_t *err);
/* Names of attributes without history that the program reads. */
const char *const *rv_builder_attributes(const rv_builder_t *builder, size_t *ret_n);
/* A window (or its absence) of the program reaches before the schema's kept_since. */
bool rv_builder_before_kept(const rv_builder_t *builder);
/* Names of the segments that a filter text uses, directly; for cycle checks when a segment is saved. */
rv_status_t rv_filter_segments(const rv_catalog_t *catalog, const char *text, rv_arena_t *arena,
                               const char *const **ret, size_t *ret_n, rv_error_t *err);

/* Checks a program from the wire: every number in range and earlier, every type and literal as the operation needs,
 * domains right (see program.proto). The worker runs nothing unchecked. INVALID_ARGUMENT/REQUEST. */
rv_status_t rv_program_check(const Reveille__V1__Program *program, const rv_catalog_t *catalog, rv_error_t *err);
/* Domain of each node (0 CONST, 1 ROW, 2 EVENT) into out[n_nodes]; the program has been checked. */
void rv_program_domains(const Reveille__V1__Program *program, uint8_t *out);

/* Programs as text, for people: the language's own words where it has some for what was compiled. A text being written:
 * what goes beyond its room is cut off and "..." stands in its place. */
typedef struct {
    char *p;
    size_t n, room; /* room holds the NUL too; at least 4 */
    bool cut;
} rv_program_text_t;
void rv_text_add(rv_program_text_t *text, const char *more);
/* A node of a program that has been checked. */
void rv_text_node(rv_program_text_t *text, const Reveille__V1__Program *program, const rv_catalog_t *catalog,
                  uint32_t node);
/* A selection of it, by number. */
void rv_text_selection(rv_program_text_t *text, const Reveille__V1__Program *program, const rv_catalog_t *catalog,
                       uint32_t selection);

#endif

/* define.h: new catalogs from old ones. Pure: nothing is stored, everything made lies in the arena.
 *
 * Each gives the message of the next version, or fails as the method that asks for it would. */
#ifndef REVEILLE_COORDINATOR_DEFINE_H
#define REVEILLE_COORDINATOR_DEFINE_H

#include "reveille/catalog.h"

/* *ret_changed false: the schema and all models are the current ones. Score models lose the points of types that are
 * removed by force. FAILED_PRECONDITION/SCHEMA names the segments and scores that a removal would break. */
rv_status_t rvc_define_schema(const rv_catalog_t *old, const Reveille__V1__Schema *schema,
                              Reveille__V1__ScoreModel *const *scores, size_t n_scores, bool force, int64_t wall_ms,
                              rv_arena_t *arena, Reveille__V1__Catalog **ret, bool *ret_changed, rv_error_t *err);
/* *ret_defined is the model as it stands in the new catalog. */
rv_status_t rvc_define_score(const rv_catalog_t *old, const Reveille__V1__ScoreModel *model, rv_arena_t *arena,
                             Reveille__V1__Catalog **ret, Reveille__V1__ScoreModel **ret_defined, bool *ret_changed,
                             rv_error_t *err);
/* Compiles the filter and refuses cycles. */
rv_status_t rvc_define_segment(const rv_catalog_t *old, const Reveille__V1__Segment *segment, int64_t wall_ms,
                               rv_arena_t *arena, Reveille__V1__Catalog **ret, Reveille__V1__Segment **ret_defined,
                               bool *ret_changed, rv_error_t *err);
/* FAILED_PRECONDITION/SCHEMA while other segments use it. */
rv_status_t rvc_define_without_segment(const rv_catalog_t *old, const char *name, rv_arena_t *arena,
                                       Reveille__V1__Catalog **ret, rv_error_t *err);
/* NOT_FOUND/MISSING with the nearest name. */
rv_status_t rvc_no_segment(const rv_catalog_t *catalog, const char *name, rv_error_t *err);
rv_status_t rvc_no_score(const rv_catalog_t *catalog, const char *name, rv_error_t *err);

#endif

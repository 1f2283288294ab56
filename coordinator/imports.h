/* imports.h: the imports of the cluster: their numbers, and how far each has come. In memory and in meta. Thread: the
 * actor's.
 *
 * An import is known by what it brings, its name and its fingerprint. The same again continues it where it was
 * acknowledged; one that was finished or undone starts from the beginning under its old number. The offset is stored at
 * most once a second: one that is lost only means repetition. When there are too many, the oldest finished one is
 * forgotten, then the oldest that no stream brings: it starts from the beginning under a new number, its events keep
 * the old one, and that can still be undone.
 */
#ifndef REVEILLE_COORDINATOR_IMPORTS_H
#define REVEILLE_COORDINATOR_IMPORTS_H

#include "core.h"

typedef struct rvc_imports rvc_imports_t;

/* Loads them. */
rv_status_t rvc_imports_new(rvc_core_t *core, rvc_imports_t **ret, rv_error_t *err);
/* Stores what is not stored yet. */
void rvc_imports_destroy(rvc_imports_t **imports);

/* A stream begins or continues one; its number is durable when this returns. `ret` is a copy. INVALID_ARGUMENT/FIELD
 * for a name or fingerprint that cannot be. */
rv_status_t rvc_imports_open(rvc_imports_t *imports, rvc_import_kind_t what, const Reveille__V1__ImportStart *start,
                             rvc_import_record_t *ret, rv_error_t *err);
/* The stream that opened it has ended, however. */
void rvc_imports_close(rvc_imports_t *imports, uint64_t id);
/* Everything before `offset` is durable; stored soon. */
void rvc_imports_progress(rvc_imports_t *imports, uint64_t id, uint64_t offset);
/* It came to its end; stored now. */
void rvc_imports_finish(rvc_imports_t *imports, uint64_t id);
/* What it brought is being removed: it counts as finished, and a repetition starts from the beginning. Stored now.
 * NOT_FOUND/MISSING for a number that never was; FAILED_PRECONDITION/REQUEST while a stream brings it: what that
 * acknowledges later would be taken for removed. */
rv_status_t rvc_imports_rewind(rvc_imports_t *imports, uint64_t id, rv_error_t *err);
/* By rising number; borrowed until the next change. */
const rvc_import_record_t *rvc_imports_list(const rvc_imports_t *imports, size_t *ret_n);

#endif

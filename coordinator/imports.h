/* imports.h: the imports of the cluster: their numbers, and how far each has come. In memory and in meta. Thread: the
 * actor's.
 *
 * An import is known by what it brings, its name and its fingerprint. The same again continues it where it was
 * acknowledged; one that was finished or undone starts from the beginning under its old number. The offset is stored at
 * most once a second: one that is lost only means repetition.
 */
#ifndef REVEILLE_COORDINATOR_IMPORTS_H
#define REVEILLE_COORDINATOR_IMPORTS_H

#include "core.h"

typedef struct rvc_imports rvc_imports_t;

/* Loads them. */
rv_status_t rvc_imports_new(rvc_core_t *core, rvc_imports_t **ret, rv_error_t *err);
/* Stores what is not stored yet. */
void rvc_imports_destroy(rvc_imports_t **imports);

/* Begins or continues one; its number is durable when this returns. `ret` is a copy. INVALID_ARGUMENT/FIELD for a name
 * or fingerprint that cannot be. */
rv_status_t rvc_imports_open(rvc_imports_t *imports, rvc_import_kind_t what, const Reveille__V1__ImportStart *start,
                             rvc_import_record_t *ret, rv_error_t *err);
/* Everything before `offset` is durable; stored soon. */
void rvc_imports_progress(rvc_imports_t *imports, uint64_t id, uint64_t offset);
/* It came to its end; stored now. */
void rvc_imports_finish(rvc_imports_t *imports, uint64_t id);
/* What it brought is being removed: a repetition starts from the beginning. Stored now. NOT_FOUND/MISSING. */
rv_status_t rvc_imports_rewind(rvc_imports_t *imports, uint64_t id, rv_error_t *err);
/* By rising number; borrowed until the next change. */
const rvc_import_record_t *rvc_imports_list(const rvc_imports_t *imports, size_t *ret_n);

#endif

/* inspect.h: the page structure of a data.mdb, checked before LMDB maps the file.
 *
 * LMDB trusts its own pages: a truncated file is a SIGBUS, a zeroed page an abort, a damaged free list overwrites live
 * data. This reads the tree and free pages with plain reads and believes nothing. Values are not looked at: they carry
 * checksums of their own.
 */
#ifndef REVEILLE_WORKER_INSPECT_H
#define REVEILLE_WORKER_INSPECT_H

#include "reveille/status.h"

/* NOT_FOUND/MISSING without a file; FAILED_PRECONDITION/FOREIGN when it is no LMDB 0.9 file; DATA_LOSS/DAMAGED when
 * pages are missing or make no sense. A file that ends inside pages that nothing refers to is extended by zeros to its
 * full length. */
rv_status_t rvw_inspect(const char *path, rv_error_t *err);

#endif

/* base.h: what one flush left: a read transaction, and a directory of all pieces in it, so that readers make no LMDB
 * call.
 *
 * Immutable once opened, shared by counted references between the partition and its views; the last one ends the
 * transaction. The transaction itself is used by the writer thread alone (identities of writes).
 */
#ifndef REVEILLE_WORKER_BASE_H
#define REVEILLE_WORKER_BASE_H

#include "env.h"
#include "state.h"
#include "stored.h"

typedef struct rvw_base rvw_base_t;

/* Reads the newest commit. What `previous` (may be NULL) has already of the same environment is shared. The maps of
 * erased rows are verified. */
rv_status_t rvw_base_open(rvw_env_t *env, const rvw_base_t *previous, rvw_base_t **ret, rv_error_t *err);
rvw_base_t *rvw_base_ref(rvw_base_t *base);
void rvw_base_unref(rvw_base_t **base);

const rvw_state_t *rvw_base_state(const rvw_base_t *base);
MDB_txn *rvw_base_txn(const rvw_base_t *base);
rvw_env_t *rvw_base_env(const rvw_base_t *base);
/* All pieces, in the order of their places. */
rvw_stored_t *const *rvw_base_entries(const rvw_base_t *base, uint32_t *ret_n);
/* Those of one (table, id, chunk): number, and place of the first among all. */
uint32_t rvw_base_find(const rvw_base_t *base, rvw_table_t table, uint32_t id, uint32_t chunk, uint32_t *ret_first);
/* Runs of all (type, chunk)s together. */
uint64_t rvw_base_runs(const rvw_base_t *base);
/* The erased rows of a chunk (a bitmap of chunk_rows bits), or NULL when there are none. *ret_purged: their data are
 * gone from disk. */
const uint8_t *rvw_base_erased(const rvw_base_t *base, uint32_t chunk, bool *ret_purged);
/* Some erased row's data may still be on disk. */
bool rvw_base_unpurged(const rvw_base_t *base);
/* For the writer thread: time of the newest event of the list whose first entry is `first`. */
rv_status_t rvw_base_newest(rvw_base_t *base, uint32_t first, uint32_t n, int64_t *ret, rv_error_t *err);

#endif

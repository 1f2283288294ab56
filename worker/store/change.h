/* change.h: one change of a partition's environment: all of it is in effect, or nothing.
 *
 * Values are put under a new generation. When a transaction grows past 16 MiB it is committed and the next one begun:
 * what it wrote is not in effect, because the state still names the older generation. The last transaction removes what
 * is replaced and writes the state. After a failure that follows such an intermediate commit the environment holds
 * leftovers, which the next change or the next open removes first.
 */
#ifndef REVEILLE_WORKER_CHANGE_H
#define REVEILLE_WORKER_CHANGE_H

#include "base.h"
#include "slabs.h"
#include "writes.h"

typedef struct {
    rvw_txn_t txn;
    rvw_env_t *env;
    uint64_t gen;
    bool between; /* an intermediate commit was made */
    rvw_place_t *drops;
    uint32_t n_drops, cap_drops;
    rvw_slabs_t *slabs; /* keep the workspace for the next change; may be NULL */
    rvw_workspace_t *workspace;
    double per_event; /* bytes of an event in the pieces so far */
} rvw_change_t;

/* `gen` is the new generation: that of the state and 1. */
rv_status_t rvw_change_begin(rvw_change_t *change, rvw_slabs_t *slabs, rvw_env_t *env, uint64_t gen, rv_error_t *err);
rv_status_t rvw_change_put(rvw_change_t *change, const rvw_place_t *place, const uint8_t *bytes, size_t n,
                           rv_error_t *err);
/* The value is replaced: it goes with the last transaction. */
rv_status_t rvw_change_drop(rvw_change_t *change, const rvw_place_t *place, rv_error_t *err);
/* Writes the column of a chunk in as many parts as its size needs. The column is flat (plain.h), and not in the
 * workspace's scratch, which is emptied. */
rv_status_t rvw_change_column(rvw_change_t *change, rvw_table_t table, uint32_t id, uint32_t chunk,
                              const rvw_column_t *column, rv_error_t *err);
/* The last transaction; `state` gets the generation. `writes` (may be NULL) are those of a frozen tail. */
rv_status_t rvw_change_commit(rvw_change_t *change, rvw_state_t *state, const rvw_writes_t *writes, uint64_t flushed,
                              rv_error_t *err);
/* Ends a change that was not committed, and frees its memory in any case. */
void rvw_change_done(rvw_change_t *change);

#endif

/* placement.h: which worker's directory each partition of a cluster on this machine lies in, and how that changes with
 * another number of workers. The truth is the directories themselves: DATA/worker-K/pNNNN. */
#ifndef REVEILLE_CLI_PLACEMENT_H
#define REVEILLE_CLI_PLACEMENT_H

#include "reveille/limits.h"
#include "reveille/status.h"

typedef struct {
    uint32_t partition, from, to; /* workers from 1 */
} rv_move_t;

/* Plans for workers 1 to `workers`: as few moves as can be, and in the end their numbers of partitions differ by at
 * most one. owner[p] is the worker of partition p, 0 for one that does not exist yet (it is not placed here). `moves`
 * holds n elements. Returns the number of moves. */
size_t rv_placement_plan(const uint32_t *owner, size_t n, uint32_t workers, rv_move_t *moves);

/* What lies in a data directory. */
typedef struct {
    uint32_t owner[RV_MAX_PARTITIONS]; /* 0: nowhere */
    bool worker[RV_MAX_WORKERS + 1];   /* the directory worker-K exists */
    uint32_t highest;                  /* greatest K of those; 0: none */
    size_t partitions;                 /* found */
} rv_holdings_t;
/* FAILED_PRECONDITION/FOREIGN when a partition lies in two places or has a number that the cluster does not have. */
rv_status_t rv_placement_scan(const char *data, uint32_t partitions, rv_holdings_t *ret, rv_error_t *err);
/* Moves one partition by renaming; durable when it returns. */
rv_status_t rv_placement_move(const char *data, const rv_move_t *move, rv_error_t *err);
/* Removes the directory of a worker that holds no partition any more; what a crash leaves of it is no worker's. */
rv_status_t rv_placement_remove(const char *data, uint32_t worker, rv_error_t *err);
/* Removes what removals that did not come to their end have left. */
rv_status_t rv_placement_sweep(const char *data, rv_error_t *err);

#endif

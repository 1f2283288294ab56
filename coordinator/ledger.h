/* ledger.h: which partitions a query expects, which answered at which LSN, which are missing, and the coverage that
 * follows from it. Pure. */
#ifndef REVEILLE_COORDINATOR_LEDGER_H
#define REVEILLE_COORDINATOR_LEDGER_H

#include "cluster.h"
#include "plan.h"

typedef enum { RVC_EXPECTED, RVC_ANSWERED, RVC_FAILED } rvc_entry_state_t;

typedef struct {
    uint32_t count; /* partitions of the cluster */
    struct {
        rvc_entry_state_t state;
        uint32_t slot; /* worker asked; RVC_NOBODY: none */
        uint32_t next; /* partition of the same worker; RVC_NOBODY: none */
        uint64_t lsn;
    } * entries;
    uint32_t n_slots;
    uint32_t *first;  /* partition of each worker, by slot; RVC_NOBODY: none */
    uint64_t surplus; /* answers nobody asked for: counted, not used */
} rvc_ledger_t;

/* Partition p is expected from the worker `slots[p]`; it has failed when that is RVC_NOBODY. */
rv_status_t rvc_ledger_new(const uint32_t *slots, uint32_t count, rvc_ledger_t *ledger, rv_error_t *err);
/* Every available partition is expected from its worker, every other one has failed. */
rv_status_t rvc_ledger_open(const rvc_cluster_t *cluster, rvc_ledger_t *ledger, rv_error_t *err);
void rvc_ledger_done(rvc_ledger_t *ledger);
/* Enters the last message of a worker: what it says of its partitions; those that it does not mention have failed.
 * Fills *err with the first reason why one failed (status OK when none did). */
void rvc_ledger_enter(rvc_ledger_t *ledger, uint32_t slot, const Reveille__V1__QueryResponse *response,
                      rv_error_t *err);
/* All that is still expected of a worker has failed. */
void rvc_ledger_lost(rvc_ledger_t *ledger, uint32_t slot);
/* Numbers of the failed partitions, into an array of `count`. */
size_t rvc_ledger_failed(const rvc_ledger_t *ledger, uint32_t *partitions);
size_t rvc_ledger_answered(const rvc_ledger_t *ledger);
/* The coverage, in the arena; NULL without memory. Borrows the plan. */
Reveille__V1__Coverage *rvc_ledger_coverage(const rvc_ledger_t *ledger, const rvc_plan_t *plan, rv_arena_t *arena);

#endif

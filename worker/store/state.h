/* state.h: what a partition's environment says about itself: one record, rewritten by every change in its last
 * transaction. */
#ifndef REVEILLE_WORKER_STATE_H
#define REVEILLE_WORKER_STATE_H

#include <lmdb.h>

#include "env.h"
#include "partition.h"

typedef struct {
    rvw_identity_t identity;
    uint64_t flushed_lsn; /* all writes up to it are in runs and columns */
    uint64_t gen;         /* last complete change; values above it are leftovers */
    uint32_t rows, company_rows;
    uint64_t erased;     /* contacts */
    uint64_t events;     /* in runs, those of erased contacts that are still there included */
    uint64_t released;   /* 1: flushed whole and let go by its worker's log, so that another's may take it */
    uint8_t evicted[16]; /* greatest producer that was forgotten; zeros: none */
} rvw_state_t;

/* FOREIGN when there is no record of ours, DATA_LOSS when its checksum or bounds do not hold. */
rv_status_t rvw_state_read(MDB_txn *txn, MDB_dbi dbi, rvw_state_t *ret, rv_error_t *err);
rv_status_t rvw_state_write(rvw_txn_t *txn, const rvw_state_t *state);
/* The same identity checks as the record's: powers of two, ranges. */
bool rvw_identity_valid(const rvw_identity_t *identity);

#endif

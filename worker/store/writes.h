/* writes.h: identities of writes: (producer, sequence) -> content hash.
 *
 * Producers are kept whole in memory (at most RV_MAX_PRODUCERS of 48 bytes). Of their sequences memory holds those of
 * the tail; older ones lie in the environment under 'i', producer, sequence. A producer remembers its
 * RV_PRODUCER_WINDOW greatest sequences: what is below `expired_below` is forgotten. Of too many producers the least
 * recently written goes (not one with a newer id than the one that came), and with it the right of every producer that
 * is not newer (UUIDv7 sort by time) to come back.
 * All of it is a function of the writes alone, never of flush points. Used by the writer thread; a frozen copy by the
 * flush.
 */
#ifndef REVEILLE_WORKER_WRITES_H
#define REVEILLE_WORKER_WRITES_H

#include "env.h"
#include "reveille/status.h"

typedef struct {
    uint8_t id[16];
    uint64_t expired_below;
    uint64_t last_lsn;
    uint64_t count; /* sequences remembered */
    bool dropped;   /* evicted; its sequences go with the next flush */
} rvw_producer_t;

/* All producers of a partition. */
typedef struct {
    rvw_producer_t *items;
    uint32_t n, cap;
    uint32_t *slots; /* 1 + number, by hash of the id */
    uint32_t mask;
    uint8_t evicted[16];
} rvw_producers_t;

/* The writes of one tail. */
typedef struct {
    uint8_t producer[16];
    uint64_t sequence, hash;
} rvw_write_t;
typedef struct {
    rvw_write_t *items;
    uint32_t n, cap;
    uint32_t *slots; /* 1 + number */
    uint32_t mask;
    rvw_producers_t after; /* set when the tail is frozen: the producers as they were then */
} rvw_writes_t;

void rvw_writes_done(rvw_writes_t *writes);
void rvw_producers_done(rvw_producers_t *producers);
rv_status_t rvw_producers_load(rvw_producers_t *producers, MDB_txn *txn, MDB_dbi dbi, const uint8_t evicted[16],
                               rv_error_t *err);

/* Where identities are looked up and kept. */
typedef struct {
    rvw_producers_t *producers;
    const rvw_writes_t *frozen; /* may be NULL */
    rvw_writes_t *active;
    MDB_txn *txn;
    MDB_dbi dbi;
} rvw_memory_t;

/* OK and *ret_known; ABORTED/CONFLICT for another hash, FAILED_PRECONDITION/EXPIRED. */
rv_status_t rvw_memory_check(const rvw_memory_t *memory, const uint8_t producer[16], uint64_t sequence, uint64_t hash,
                             bool *ret_known, rv_error_t *err);
/* Remembers a write that check did not know. */
rv_status_t rvw_memory_add(rvw_memory_t *memory, const uint8_t producer[16], uint64_t sequence, uint64_t hash,
                           uint64_t lsn, rv_error_t *err);

/* Copies the producers into the tail that is frozen and forgets those dropped from memory. False without memory. */
bool rvw_writes_freeze(rvw_writes_t *writes, rvw_producers_t *producers);
/* Writes what a frozen tail brought; `flushed` is the last LSN of the flush before it. */
rv_status_t rvw_writes_flush(const rvw_writes_t *writes, uint64_t flushed, rvw_txn_t *txn);
/* Copies all producers and identities of one environment into another. */
rv_status_t rvw_writes_copy(MDB_txn *from, MDB_dbi dbi, rvw_txn_t *to);

#endif

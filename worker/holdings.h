/* holdings.h: what a worker's data directory holds: its lock, its name's incarnation, the cluster it belongs to, a copy
 * of the catalog, the log and the partitions.
 *
 *   DIR/lock          flock of the running process, its pid inside
 *   DIR/worker        the card: start, mark of the log, cluster (files.h)
 *   DIR/catalog       last catalog from the coordinator, checksummed, replaced by rename
 *   DIR/wal/          the log (store/wal.h)
 *   DIR/pNNNN/        one folder a partition (store/partition.h)
 *
 * Threads: open and assign belong to one thread at a time (main, then the writer); look-ups to any thread. Partitions
 * are only ever added.
 */
#ifndef REVEILLE_WORKER_HOLDINGS_H
#define REVEILLE_WORKER_HOLDINGS_H

#include "reveille/catalog.h"
#include "store/partition.h"
#include "store/slabs.h"
#include "store/wal.h"

typedef struct rvw_holdings rvw_holdings_t;

/* Locks the directory (FAILED_PRECONDITION/FOREIGN when another process has it), opens what is there and replays the
 * log. A partition that cannot be opened, or does not go with the log, is kept as a problem, the rest goes on.
 * DATA_LOSS when card and log do not go together. */
rv_status_t rvw_holdings_open(const char *dir, rvw_holdings_t **ret, rv_error_t *err);
/* Closes without flushing: the log has everything. */
void rvw_holdings_close(rvw_holdings_t **holdings);

uint64_t rvw_holdings_incarnation(const rvw_holdings_t *holdings);
/* 16 bytes, or NULL for a directory that belongs to no cluster yet. */
const uint8_t *rvw_holdings_cluster(const rvw_holdings_t *holdings);
rvw_wal_t *rvw_holdings_wal(rvw_holdings_t *holdings);
/* The memory of all tails. */
rvw_slabs_t *rvw_holdings_slabs(rvw_holdings_t *holdings);
/* A reference of the current catalog. */
rv_catalog_t *rvw_holdings_catalog(rvw_holdings_t *holdings);

/* NULL when this worker has no such partition, or could not open it. */
rvw_partition_t *rvw_holdings_partition(rvw_holdings_t *holdings, uint32_t partition);
/* Why a partition could not be opened; NULL when it could, or there is none. */
const char *rvw_holdings_problem(const rvw_holdings_t *holdings, uint32_t partition);
/* Highest partition number that is held + 1. */
uint32_t rvw_holdings_bound(const rvw_holdings_t *holdings);
/* The partition in service under that epoch; UNAVAILABLE/NOT_LEADER, DATA_LOSS otherwise. */
rv_status_t rvw_holdings_serving(rvw_holdings_t *holdings, uint32_t partition, uint64_t epoch, rvw_partition_t **ret,
                                 rv_error_t *err);
/* Takes the coordinator's assignment: creates what is to be created, stores epochs and catalog. A lower term is
 * refused. */
rv_status_t rvw_holdings_assign(rvw_holdings_t *holdings, const Reveille__V1__AssignRequest *request, rv_error_t *err);
/* Before something is logged: the catalog is on disk. RESOURCE_EXHAUSTED while there is no room for it; assigned and
 * read it is without. The writer's thread. */
rv_status_t rvw_holdings_save_catalog(rvw_holdings_t *holdings, rv_error_t *err);
/* Applies what the log has above a partition that waits (store/partition.h); the writer's thread. RESOURCE_EXHAUSTED
 * while there is still no room. */
rv_status_t rvw_holdings_catch_up(rvw_holdings_t *holdings, uint32_t partition, rv_error_t *err);
/* Refuses a term lower than the last assignment's. */
rv_status_t rvw_holdings_check_term(rvw_holdings_t *holdings, uint64_t term, rv_error_t *err);

/* Reports of all partitions (or, with `only`, of those numbers) in the arena. */
rv_status_t rvw_holdings_report(rvw_holdings_t *holdings, const uint32_t *only, size_t n_only, rv_arena_t *arena,
                                Reveille__V1__PartitionReport ***ret, size_t *ret_n, rv_error_t *err);

/* Content hash and log record of a write: the hash covers what a repetition repeats (the body), not epoch, version or
 * time. *ret_record is malloc'ed. */
rv_status_t rvw_record_make(Reveille__V1__PartitionWrite *write, uint8_t **ret_record, size_t *ret_n,
                            uint64_t *ret_content_hash, rv_error_t *err);

#endif

/* partition.h: one partition: its files, tail, views, flushes and compaction.
 *
 * Files: DIR/data.mdb (runs, columns, state; one LMDB environment) and LMDB's lock. Threads: apply is called by the one
 * writer thread of the worker; flush and compact by the one housekeeping thread; views by any thread. Failure: an error
 * of LMDB other than a full map, or a checksum that does not hold, takes the partition out of service
 * (rvw_partition_problem) until it is opened again.
 */
#ifndef REVEILLE_WORKER_PARTITION_H
#define REVEILLE_WORKER_PARTITION_H

#include "reveille/catalog.h"
#include "reveille/status.h"
#include "slabs.h"
#include "view.h"

typedef struct {
    uint8_t cluster_id[16];
    uint32_t partition, partition_count, chunk_rows;
    uint64_t epoch;
} rvw_identity_t;

/* Makes a new partition in DIR, which must not exist or be empty; complete on disk when it returns (built beside,
 * synced, renamed). */
rv_status_t rvw_partition_create(const char *dir, const rvw_identity_t *identity, rv_error_t *err);
/* Reads only the identity. NOT_FOUND, DATA_LOSS, FAILED_PRECONDITION/FOREIGN (not a partition of ours, or open
 * elsewhere). */
rv_status_t rvw_partition_identity(const char *dir, rvw_identity_t *ret, rv_error_t *err);
/* Opens: checks size against the file's own meta page, identity and format. */
rv_status_t rvw_partition_open(const char *dir, rvw_partition_t **ret, rv_error_t *err);
/* Tails take their memory from these slabs, which live longer; without a call, from malloc. */
void rvw_partition_share(rvw_partition_t *partition, rvw_slabs_t *slabs);
/* Waits for views to be released, does not flush. */
void rvw_partition_close(rvw_partition_t **partition);

const rvw_identity_t *rvw_partition_get_identity(const rvw_partition_t *partition);
/* Writes the epoch. */
rv_status_t rvw_partition_set_epoch(rvw_partition_t *partition, uint64_t epoch, rv_error_t *err);
/* Notes that all of it is flushed and its worker's log lets it go, or (false) that a log has taken it again. */
rv_status_t rvw_partition_release(rvw_partition_t *partition, bool released, rv_error_t *err);
bool rvw_partition_released(const rvw_partition_t *partition);
uint64_t rvw_partition_lsn(const rvw_partition_t *partition);         /* last applied */
uint64_t rvw_partition_flushed_lsn(const rvw_partition_t *partition); /* last one in runs and columns */
size_t rvw_partition_tail_bytes(const rvw_partition_t *partition);
/* NULL while in service, else why not; lives as long as the partition. */
const char *rvw_partition_problem(const rvw_partition_t *partition);
/* Takes it out of service. */
void rvw_partition_fail(rvw_partition_t *partition, const rv_error_t *why);
/* Counts for status reports: contacts that are not erased, events, runs, bytes of the file. */
typedef struct {
    uint64_t contacts, events, runs, bytes;
} rvw_partition_counts_t;
void rvw_partition_counts(const rvw_partition_t *partition, rvw_partition_counts_t *ret);

/* Before a write is logged: what is known of its identity. *ret_known: it was applied already and has no effect (apply
 * would report its items as duplicates). ABORTED/CONFLICT, FAILED_PRECONDITION/EXPIRED. A write in the tail or flushed
 * counts, and one logged in the same group: the caller calls check and apply strictly in LSN order, one after the
 * other. */
rv_status_t rvw_partition_check(rvw_partition_t *partition, const Reveille__V1__PartitionWrite *write,
                                uint64_t content_hash, bool *ret_known, rv_error_t *err);

/* What a write did; errors live in the arena given to apply. */
typedef struct {
    uint64_t applied, duplicates, duplicates_without_id, contacts_created, refused;
    size_t n_errors; /* at most 1,000 */
    struct {
        uint32_t index;
        rv_error_t error;
    } * errors;
} rvw_result_t;

/* Applies a logged write to the tail and publishes it: visible to the next view. Deterministic: replaying the log gives
 * the same state. The write has been validated (rvw_write_check). With `known`, reports what a repetition finds and
 * changes nothing. An error takes the partition out of service, but for a deletion of events that has no room on the
 * disk: it is RESOURCE_EXHAUSTED, the partition is read as before it and waits, and nothing is applied until the same
 * write is, from the log. */
rv_status_t rvw_partition_apply(rvw_partition_t *partition, const rv_catalog_t *catalog,
                                const Reveille__V1__PartitionWrite *write, uint64_t lsn, uint64_t content_hash,
                                bool known, rv_arena_t *arena, rvw_result_t *ret, rv_error_t *err);

/* A company as the last applied write left it; for the writer's thread. *ret_version is 0 when no upsert ever named it
 * (a contact may have). Values of `attributes`, as of their types now; text is copied into the arena. */
rv_status_t rvw_partition_company(rvw_partition_t *partition, rv_str_t key, const rv_attribute_t *attributes, size_t n,
                                  rv_arena_t *arena, uint64_t *ret_version, rv_value_t *ret_values, rv_error_t *err);
bool rvw_partition_waits(const rvw_partition_t *partition);

/* Shape of a write from the wire or the log: equal lengths, numbers in range, types as in the catalog. INVALID_ARGUMENT
 * or DATA_LOSS is the caller's reading. */
rv_status_t rvw_write_check(const Reveille__V1__PartitionWrite *write, const rv_catalog_t *catalog, rv_error_t *err);

/* Writes the tail as runs and columns, in one transaction or, past 16 MiB, several of which the last switches
 * generation and flushed_lsn together. Reads and writes go on. Nothing to do is OK. */
rv_status_t rvw_partition_flush(rvw_partition_t *partition, rv_error_t *err);
/* Merges runs of the (type, chunk)s that have more than `max_runs` (1: everything into one run each), in slices,
 * without stopping reads or writes. */
rv_status_t rvw_partition_merge(rvw_partition_t *partition, uint32_t max_runs, rv_error_t *err);
/* Physical erasure and free space: removes rows of erased contacts everywhere, writes a compact copy, syncs, renames
 * and reopens it. Views taken before stay valid; new views wait for the swap. */
rv_status_t rvw_partition_compact(rvw_partition_t *partition, rv_error_t *err);
/* Something was erased since the last compact. */
bool rvw_partition_wants_compact(const rvw_partition_t *partition);

#endif

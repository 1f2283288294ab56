/* wal.h: the worker's log: one LMDB environment for all its partitions, group commit.
 *
 * The writer appends and replays, the housekeeper trims and compacts; both may call at any time. A record is what it
 * was given plus a checksum over partition, LSN and bytes. Beside the records the log keeps how far it was trimmed,
 * partition by partition, and a mark that its owner compares with its own: so a log or a partition that is older than
 * the other is told from one without writes. */
#ifndef REVEILLE_WORKER_WAL_H
#define REVEILLE_WORKER_WAL_H

#include "group.h"
#include "reveille/status.h"

typedef struct rvw_wal rvw_wal_t;

/* With `create` a log that is not there is made; without, its absence is NOT_FOUND. */
rv_status_t rvw_wal_open(const char *dir, bool create, rvw_wal_t **ret, rv_error_t *err);
void rvw_wal_close(rvw_wal_t **wal);
/* Appends all records, of partitions that the log knows and each behind its partition's last, in one transaction and
 * one sync. When it fails nothing is logged; UNAVAILABLE/OUTCOME_UNKNOWN
 * when that cannot be known (the environment is then closed to further writes). */
rv_status_t rvw_wal_append(rvw_wal_t *wal, const rvw_record_t *records, size_t n, rv_error_t *err);
/* Which log it is, and of which start: the owner keeps the same on its side. Zeros: a new log. */
typedef struct {
    uint64_t id, stamp;
} rvw_wal_mark_t;
rvw_wal_mark_t rvw_wal_get_mark(const rvw_wal_t *wal);
rv_status_t rvw_wal_set_mark(rvw_wal_t *wal, const rvw_wal_mark_t *mark, rv_error_t *err);
/* Lets go the records of a partition up to and including `lsn`, and notes how far that was. Their bytes go with the
 * last record that was written together with them, or with rvw_wal_compact. */
rv_status_t rvw_wal_trim(rvw_wal_t *wal, uint32_t partition, uint64_t lsn, rv_error_t *err);
/* A partition that comes with all of its writes up to `lsn` flushed, and one that goes so. Records that the log may
 * still have of it are nobody's from then on. */
rv_status_t rvw_wal_adopt(rvw_wal_t *wal, uint32_t partition, uint64_t lsn, rv_error_t *err);
rv_status_t rvw_wal_release(rvw_wal_t *wal, uint32_t partition, rv_error_t *err);
/* The lowest partition from `partition` on of which the log knows; UINT32_MAX: none. */
uint32_t rvw_wal_next(rvw_wal_t *wal, uint32_t partition);
/* Calls `each` for the records of a partition above `after`, in order; stops at the first error. DATA_LOSS for a record
 * whose checksum fails, and when the records do not lead from `after` without a gap to the last write: then the log or
 * what is flushed up to `after` is older than the other. */
typedef rv_status_t rvw_wal_each_t(void *context, const rvw_record_t *record, rv_error_t *err);
rv_status_t rvw_wal_replay(rvw_wal_t *wal, uint32_t partition, uint64_t after, rvw_wal_each_t *each, void *context,
                           rv_error_t *err);
/* Rewrites the log without free pages and without the records that were trimmed, so that no trace of them is left on
 * disk; part of a physical erasure. */
rv_status_t rvw_wal_compact(rvw_wal_t *wal, rv_error_t *err);

#endif

/* chains.h: what of the log is still needed, in memory: of each partition the group that holds each of its records, of
 * each group how many of its records are needed.
 *
 * A partition that is known has records trimmed + 1, trimmed + 2, ...; those of groups before `from` were another
 * stay's and are not its own. Groups are numbered from 1, ascending. Not safe for threads: the log's lock is around it.
 */
#ifndef REVEILLE_WORKER_CHAINS_H
#define REVEILLE_WORKER_CHAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reveille/status.h"

typedef struct rvw_chains rvw_chains_t;

rvw_chains_t *rvw_chains_new(void);
void rvw_chains_destroy(rvw_chains_t **chains);

/* The lowest known partition from `partition` on; UINT32_MAX: none. */
uint32_t rvw_chains_next(const rvw_chains_t *chains, uint32_t partition);
/* The partition is known from here on, has no records, and has none in groups before `from`. */
void rvw_chains_adopt(rvw_chains_t *chains, uint32_t partition, uint64_t trimmed, uint64_t from);
/* Its records must have been dropped. */
void rvw_chains_release(rvw_chains_t *chains, uint32_t partition);
uint64_t rvw_chains_trimmed(const rvw_chains_t *chains, uint32_t partition);
uint64_t rvw_chains_from(const rvw_chains_t *chains, uint32_t partition);
/* The last record, or how far it was trimmed; 0 for one that is not known. */
uint64_t rvw_chains_last(const rvw_chains_t *chains, uint32_t partition);
/* The group of a record; 0: the log does not have it. */
uint64_t rvw_chains_group(const rvw_chains_t *chains, uint32_t partition, uint64_t lsn);

/* Whether a record that lies in a group is needed. */
bool rvw_chains_needs(const rvw_chains_t *chains, uint32_t partition, uint64_t lsn, uint64_t group);
/* A record behind the partition's last, in the last group or a later one. FAILED_PRECONDITION/BUG for any other. */
rv_status_t rvw_chains_add(rvw_chains_t *chains, uint32_t partition, uint64_t lsn, uint64_t group, rv_error_t *err);
/* Takes back all records from `group` on. */
void rvw_chains_undo(rvw_chains_t *chains, uint64_t group);

/* Calls `each` for every group of which no record is needed once those of a partition up to `lsn` are dropped; stops
 * at the first error. */
typedef rv_status_t rvw_group_each_t(void *context, uint64_t group);
rv_status_t rvw_chains_spent(rvw_chains_t *chains, uint32_t partition, uint64_t lsn, rvw_group_each_t *each,
                             void *context);
/* Drops the records of a partition up to `lsn`. */
void rvw_chains_drop(rvw_chains_t *chains, uint32_t partition, uint64_t lsn);

#endif

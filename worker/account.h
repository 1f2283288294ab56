/* account.h: what a read with `explain` costs in this worker: its counters by partition and node, and the times of its
 * steps. Made and filled by whichever thread works on the query, one at a time. Every function takes NULL, the account
 * of a read that is not explained, and then does nothing. */
#ifndef REVEILLE_WORKER_ACCOUNT_H
#define REVEILLE_WORKER_ACCOUNT_H

#include "exec/exec.h"

typedef struct rvw_account rvw_account_t;

/* When the request has been unpacked; `queued_ms` it had to wait. */
rv_status_t rvw_account_new(int64_t queued_ms, unsigned threads, rvw_account_t **ret, rv_error_t *err);
void rvw_account_destroy(rvw_account_t **account);
/* Views of n partitions have been taken for a job (NULL: a lookup). */
rv_status_t rvw_account_opened(rvw_account_t *account, const rvw_job_t *job, size_t n, rv_error_t *err);
/* The last chunk is done; its results have been merged. */
void rvw_account_scanned(rvw_account_t *account);
void rvw_account_merged(rvw_account_t *account);
/* Counters of partition number i, one a node. */
rv_counters_t *rvw_account_of(rvw_account_t *account, size_t i);
/* The clock in ns, 0 for NULL; a lookup that began then is done, or a page of it. */
int64_t rvw_account_now(const rvw_account_t *account);
void rvw_account_looked_up(rvw_account_t *account, int64_t start);

/* The account as a message in the arena. numbers[i] is the partition of place i; answered[i] tells whether it is in the
 * answer. `lookup` says what a lookup was about. */
rv_status_t rvw_account_message(rvw_account_t *account, const rvw_job_t *job, const char *lookup,
                                const uint32_t *numbers, const bool *answered, rv_arena_t *arena,
                                Reveille__V1__Explain **ret, rv_error_t *err);

#endif

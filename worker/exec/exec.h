/* exec.h: runs a compiled query over chunks of views.
 *
 * A job is one query on this worker: the checked program and its sink. Work is done in tasks (view, chunk); any thread
 * may run any task with a scratch of its own; each thread folds into its own partial; partials are merged at the end.
 * Combining does not depend on order. Between chunks the job looks at its stop flag. Memory of a job is bounded by
 * RV_MAX_QUERY_MEMORY: RESOURCE_EXHAUSTED/QUOTA.
 */
#ifndef REVEILLE_WORKER_EXEC_H
#define REVEILLE_WORKER_EXEC_H

#include "../store/partition.h"
#include "../store/view.h"
#include "reveille/catalog.h"
#include "reveille/explain.h"
#include "reveille/status.h"
#include "reveille/v1/worker.pb-c.h"

typedef struct rvw_job rvw_job_t;         /* immutable after new, but for the stop flag */
typedef struct rvw_scratch rvw_scratch_t; /* a thread's work space, reused between tasks and jobs */
typedef struct rvw_partial rvw_partial_t; /* what a thread has gathered for one job */

/* Checks the request (rv_program_check and the sink's numbers and types) and prepares it. Borrows request and catalog,
 * and the calling thread's scratch until it returns. */
rv_status_t rvw_job_new(const Reveille__V1__QueryRequest *request, const rv_catalog_t *catalog, rvw_scratch_t *scratch,
                        rvw_job_t **ret, rv_error_t *err);
void rvw_job_destroy(rvw_job_t **job);
/* Makes running tasks return CANCELLED soon; from any thread. */
void rvw_job_stop(rvw_job_t *job);

rv_status_t rvw_scratch_new(rvw_scratch_t **ret);
void rvw_scratch_destroy(rvw_scratch_t **scratch);

rv_status_t rvw_partial_new(const rvw_job_t *job, rvw_partial_t **ret, rv_error_t *err);
void rvw_partial_destroy(rvw_partial_t **partial);

/* One task: the rows of one chunk of a view. */
rv_status_t rvw_job_chunk(const rvw_job_t *job, const rvw_view_t *view, uint32_t chunk, rvw_scratch_t *scratch,
                          rvw_partial_t *partial, rv_error_t *err);
/* Adds `from` to `into`; `from` is then empty. */
rv_status_t rvw_partial_merge(const rvw_job_t *job, rvw_partial_t *into, rvw_partial_t *from, rv_error_t *err);

/* Reads the finished partial as messages: sorts rows or groups, cuts to the limit. Then next() gives message after
 * message, each body below RV_MAX_BODY with at most RV_PAGE_ROWS rows, without `partitions`; *ret_last is true with the
 * last one (there is always at least one). The message lives in the arena, which the caller resets between calls. */
rv_status_t rvw_partial_seal(const rvw_job_t *job, rvw_partial_t *partial, rv_error_t *err);
rv_status_t rvw_partial_next(const rvw_job_t *job, rvw_partial_t *partial, rv_arena_t *arena,
                             Reveille__V1__QueryResponse **ret, bool *ret_last, rv_error_t *err);

/* Explanations. A job whose request has `explain` counts for each node of its plan, in the partials of its tasks. */
/* Nodes that it counts for; 0 without. */
uint32_t rvw_job_counts(const rvw_job_t *job);
/* Adds what the partial's tasks have counted since the last call to an array of so many, and begins anew. */
void rvw_partial_counted(rvw_partial_t *partial, rv_counters_t *counters);
/* Fills kind and text of nodes[i], all initialised; what does not fit the arena is RESOURCE_EXHAUSTED. Returns in *ret
 * how many nodes have no place of their own. */
rv_status_t rvw_job_describe(const rvw_job_t *job, rv_arena_t *arena, Reveille__V1__ExplainNode *nodes, uint32_t *ret,
                             rv_error_t *err);

/* Point reads for Fetch and History (messages in the arena). History pages: *cursor starts at 0 and is moved on;
 * *ret_last at the end; `counters` (NULL: none) are added to. */
rv_status_t rvw_fetch(const rvw_view_t *view, const rv_catalog_t *catalog, const Reveille__V1__FetchRequest *request,
                      rv_arena_t *arena, Reveille__V1__FetchResponse **ret, rv_error_t *err);
rv_status_t rvw_history(const rvw_view_t *view, const rv_catalog_t *catalog,
                        const Reveille__V1__HistoryRequest *request, rv_arena_t *arena, uint64_t *cursor,
                        rv_counters_t *counters, Reveille__V1__HistoryResponse **ret, bool *ret_last, rv_error_t *err);
/* The first of the companies asked for, as many as fit a message. For the writer's thread; homes[i] is the partition
 * of request->homes[i]. */
rv_status_t rvw_companies(rvw_partition_t *const *homes, const rv_catalog_t *catalog,
                          const Reveille__V1__CompaniesRequest *request, rv_arena_t *arena,
                          Reveille__V1__CompaniesResponse **ret, rv_error_t *err);

#endif

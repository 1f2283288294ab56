/* pool.h: the threads that run queries and point reads. The unit of work is (query, partition, chunk). */
#ifndef REVEILLE_WORKER_POOL_H
#define REVEILLE_WORKER_POOL_H

#include "call.h"
#include "holdings.h"

typedef struct rvw_pool rvw_pool_t;

rv_status_t rvw_pool_new(rvw_holdings_t *holdings, unsigned threads, rvw_pool_t **ret, rv_error_t *err);
void rvw_pool_destroy(rvw_pool_t **pool);

typedef enum { RVW_TASK_QUERY, RVW_TASK_FETCH, RVW_TASK_HISTORY } rvw_task_t;

/* Takes over a reference of a call. RESOURCE_EXHAUSTED/BUSY is answered when RV_MAX_QUERIES run or wait already. Any
 * thread. */
void rvw_pool_add(rvw_pool_t *pool, rvw_call_t *call, rvw_task_t task);
/* The call was cancelled or granted credit: look at it again. Any thread. */
void rvw_pool_wake(rvw_pool_t *pool, const rvw_call_t *call);

#endif

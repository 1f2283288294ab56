/* housekeeper.h: the thread that flushes tails, merges runs, compacts after erasures, and does what Maintain asks. */
#ifndef REVEILLE_WORKER_HOUSEKEEPER_H
#define REVEILLE_WORKER_HOUSEKEEPER_H

#include "call.h"
#include "holdings.h"

typedef struct rvw_housekeeper rvw_housekeeper_t;

rv_status_t rvw_housekeeper_new(rvw_holdings_t *holdings, rvw_housekeeper_t **ret, rv_error_t *err);
/* Finishes what it is doing and stops. */
void rvw_housekeeper_destroy(rvw_housekeeper_t **housekeeper);

/* A partition was written to: look at its tail. Any thread. */
void rvw_housekeeper_wrote(rvw_housekeeper_t *housekeeper, uint32_t partition);
/* Waits while the tails together hold more than twice RV_TAIL_TOTAL. For the writer. RESOURCE_EXHAUSTED when they
 * cannot be flushed for lack of room on the disk. */
rv_status_t rvw_housekeeper_wait_for_room(rvw_housekeeper_t *housekeeper, rv_error_t *err);
/* Takes over a reference of a Maintain call. */
void rvw_housekeeper_maintain(rvw_housekeeper_t *housekeeper, rvw_call_t *call);
/* Flushes everything, now, on the caller's thread, and lets every partition go: any worker may take it then. */
rv_status_t rvw_holdings_flush(rvw_holdings_t *holdings, rv_error_t *err);

#endif

/* link.h: the actor that owns the worker's two sockets.
 *
 *   data     DEALER, the worker serves: frames of WorkerService come in, go to writer, pool or housekeeper; replies
 * come from the outbox control  DEALER, the worker asks: RegisterWorker, then Ping every RV_PING_MS, which renews the
 * lease
 *
 * When the coordinator has not answered for RV_LEASE_MS the endpoints are read again (a coordinator that was started
 * again may have others) and the worker registers anew.
 */
#ifndef REVEILLE_WORKER_LINK_H
#define REVEILLE_WORKER_LINK_H

#include "holdings.h"
#include "housekeeper.h"
#include "pool.h"
#include "writer.h"

typedef struct rvw_link rvw_link_t;

typedef struct {
    const char *name;           /* of the worker, 1 to 64 bytes of letters, digits, '-', '_' and '.' */
    const char *endpoints_file; /* three lines: clients, data, control; as the coordinator writes it */
    rvw_holdings_t *holdings;
    rvw_housekeeper_t *housekeeper;
    rvw_writer_t *writer;
    rvw_pool_t *pool;
    rvw_outbox_t *outbox;
} rvw_link_config_t;

/* Starts the actor; the configuration's parts must outlive it. */
rv_status_t rvw_link_new(const rvw_link_config_t *config, rvw_link_t **ret, rv_error_t *err);
/* The coordinator has refused this worker for good: its data are of another cluster. Any thread. */
bool rvw_link_refused(const rvw_link_t *link);
/* Stops it; calls that have not been answered are dropped. */
void rvw_link_destroy(rvw_link_t **link);

#endif

/* writer.h: the thread that owns the log: checks writes, commits them in groups, applies them, answers. Also takes
 * assignments, so that a change of the catalog has its place in the order of writes, and reads companies for their
 * copies, so that what is read has all writes that were sent before. */
#ifndef REVEILLE_WORKER_WRITER_H
#define REVEILLE_WORKER_WRITER_H

#include "call.h"
#include "holdings.h"
#include "housekeeper.h"

typedef struct rvw_writer rvw_writer_t;

rv_status_t rvw_writer_new(rvw_holdings_t *holdings, rvw_housekeeper_t *housekeeper, rvw_writer_t **ret,
                           rv_error_t *err);
/* Finishes what is queued and stops. */
void rvw_writer_destroy(rvw_writer_t **writer);

typedef enum { RVW_WRITE, RVW_ASSIGN, RVW_COMPANIES_READ } rvw_order_t;
/* Takes over a reference of a Write, Assign or Companies call. RESOURCE_EXHAUSTED/BUSY is answered when
 * RV_MAX_WRITE_BYTES wait already. Any thread. */
void rvw_writer_add(rvw_writer_t *writer, rvw_call_t *call, rvw_order_t what);
/* The log cannot take anything any more: the worker is to end and be started again. Any thread. */
bool rvw_writer_failed(const rvw_writer_t *writer);

#endif

/* tally.h: partial results that add up in any order: counts, overlaps, retention.
 *
 * Thread: the actor's. Messages of workers are checked before anything is added: INTERNAL/BUG otherwise. */
#ifndef REVEILLE_COORDINATOR_TALLY_H
#define REVEILLE_COORDINATOR_TALLY_H

#include "plan.h"

typedef struct rvc_tally rvc_tally_t;

/* Of a COUNT, OVERLAP or RETENTION. Borrows the plan. */
rv_status_t rvc_tally_new(const rvc_plan_t *plan, rvc_tally_t **ret, rv_error_t *err);
void rvc_tally_destroy(rvc_tally_t **tally);
rv_status_t rvc_tally_add(rvc_tally_t *tally, const Reveille__V1__QueryResponse *response, rv_error_t *err);
/* The next message of the answer, borrowed until the next call; *ret_last with the last one, which carries `coverage`
 * (borrowed). Only after everything was added. */
rv_status_t rvc_tally_next(rvc_tally_t *tally, Reveille__V1__Coverage *coverage, const ProtobufCMessage **ret,
                           bool *ret_last, rv_error_t *err);

#endif

/* explain.h: the explanation of one read: what its workers counted, joined, and the coordinator's own times.
 *
 * Every function takes NULL, for a read that is not explained, and then does nothing and reads no clock. Thread: the
 * actor's.
 */
#ifndef REVEILLE_COORDINATOR_EXPLAIN_H
#define REVEILLE_COORDINATOR_EXPLAIN_H

#include "reveille/explain.h"
#include "reveille/status.h"

typedef struct rvc_explain rvc_explain_t;

/* The requests are about to be sent; planning took so many ns. */
rv_status_t rvc_explain_new(int64_t plan_ns, rvc_explain_t **ret, rv_error_t *err);
void rvc_explain_destroy(rvc_explain_t **explain);
/* What the last message of a worker says; it is copied. INTERNAL/BUG when it is not what the read asked for. */
rv_status_t rvc_explain_add(rvc_explain_t *explain, const char *worker, const Reveille__V1__Explain *message,
                            rv_error_t *err);
/* The clock in ns, 0 for NULL; merging that began then stops, or pauses. */
int64_t rvc_explain_now(const rvc_explain_t *explain);
void rvc_explain_merged(rvc_explain_t *explain, int64_t start);
/* When all workers have answered; borrowed until the end, NULL for NULL. */
Reveille__V1__Explain *rvc_explain_message(rvc_explain_t *explain);

#endif

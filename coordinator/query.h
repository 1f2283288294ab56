/* query.h: runs a plan: broadcast, ledger, merge, answer.
 *
 * Takes the plan and answers the call, now or later. Without allow_partial a partition that is missing is
 * UNAVAILABLE/INCOMPLETE, which names it; with it the coverage names it, and an answer without any partition is an
 * error all the same. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_QUERY_H
#define REVEILLE_COORDINATOR_QUERY_H

#include "core.h"
#include "plan.h"

void rvc_query_run(rvc_core_t *core, rvc_call_t *call, rvc_plan_t *plan);

#endif

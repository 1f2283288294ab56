/* answer.h: merged items become pages of the public answer: rows, groups with their measures, steps of a funnel.
 *
 * A page is closed at RV_PAGE_ROWS rows or before it reaches RV_MAX_BODY. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_ANSWER_H
#define REVEILLE_COORDINATOR_ANSWER_H

#include "merge.h"

typedef struct rvc_answer rvc_answer_t;

/* Borrows the plan. */
rv_status_t rvc_answer_new(const rvc_plan_t *plan, rvc_answer_t **ret, rv_error_t *err);
void rvc_answer_destroy(rvc_answer_t **answer);

typedef enum {
    RVC_ANSWER_WAIT, /* the merge waits for pages */
    RVC_ANSWER_FULL, /* the page is full */
    RVC_ANSWER_END   /* there is nothing more: this is the last page */
} rvc_answer_state_t;

/* Moves items from the merge into the page. RESOURCE_EXHAUSTED/QUOTA for a row that does not fit a message; errors of
 * agg.h. */
rv_status_t rvc_answer_fill(rvc_answer_t *answer, rvc_merge_t *merge, rvc_answer_state_t *ret, rv_error_t *err);
/* The page as a message (of the plan's kind), borrowed until the next fill or reset. `coverage` (NULL: not the last) is
 * borrowed. */
const ProtobufCMessage *rvc_answer_message(rvc_answer_t *answer, Reveille__V1__Coverage *coverage);
/* Begins the next page. */
void rvc_answer_reset(rvc_answer_t *answer);

#endif

/* merge.h: sorted streams of workers become one sorted stream: rows by sort key, groups by group key.
 *
 * A source is one worker's stream of pages. An item is ready when every source that has not ended has a page; only the
 * pages at hand are in memory, and a page that was used up is reported, so that its worker may send another. Equal keys
 * come one after the other. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_MERGE_H
#define REVEILLE_COORDINATOR_MERGE_H

#include "column.h"
#include "plan.h"

/* One message of a worker. */
typedef struct rvc_page rvc_page_t;
rv_status_t rvc_page_open(const uint8_t *body, size_t n, rvc_page_t **ret, rv_error_t *err);
void rvc_page_destroy(rvc_page_t **page);
/* Borrowed until the page goes. */
const Reveille__V1__QueryResponse *rvc_page_response(const rvc_page_t *page);

typedef struct rvc_merge rvc_merge_t;

/* Of a SELECT (rows with the plan's outputs as fields) or AGGREGATE, FUNNEL (groups). Borrows the plan. */
rv_status_t rvc_merge_new(const rvc_plan_t *plan, size_t sources, rvc_merge_t **ret, rv_error_t *err);
void rvc_merge_destroy(rvc_merge_t **merge);

/* Takes the page. INTERNAL/BUG when it is not what the plan asked for; RESOURCE_EXHAUSTED/QUOTA past
 * RV_MAX_QUERY_MEMORY. */
rv_status_t rvc_merge_push(rvc_merge_t *merge, size_t source, rvc_page_t **page, rv_error_t *err);
/* No more pages of this source. */
void rvc_merge_end(rvc_merge_t *merge, size_t source);
/* Forgets a source and its pages. False when items of it were given already. */
bool rvc_merge_drop(rvc_merge_t *merge, size_t source);
/* From now on pages are used up unread. */
void rvc_merge_discard(rvc_merge_t *merge);
/* A source of which pages were used up, and how many since it was last told; 0: there is none. */
uint32_t rvc_merge_used(rvc_merge_t *merge, size_t *ret_source);

typedef enum { RVC_MERGE_WAIT, RVC_MERGE_ITEM, RVC_MERGE_END } rvc_merge_state_t;
rvc_merge_state_t rvc_merge_state(const rvc_merge_t *merge);
/* Of the item at hand; borrowed until advance. */
rv_str_t rvc_merge_key(const rvc_merge_t *merge);
rv_str_t rvc_merge_states(const rvc_merge_t *merge);
void rvc_merge_field(const rvc_merge_t *merge, size_t field, rv_value_t *ret);
/* To the next item. INTERNAL/BUG when a source is not sorted. */
rv_status_t rvc_merge_advance(rvc_merge_t *merge, rv_error_t *err);

#endif

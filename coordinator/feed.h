/* feed.h: the companies of one worker's home partitions on their way to all partitions.
 *
 * Copies of the moment: what a home has when it is asked, which contains every write that was sent to it before. All or
 * nothing is known in the end, and a repetition does no harm. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_FEED_H
#define REVEILLE_COORDINATOR_FEED_H

#include "core.h"

typedef struct rvc_feed rvc_feed_t;

typedef struct {
    const uint8_t *p;
    uint32_t n, home;
} rvc_company_t;

/* Called once, never before rvc_feed_start returns; the feed is to be destroyed. NULL: every partition has them. */
typedef void rvc_feed_done_t(void *owner, const rv_error_t *err);

/* The homes of all companies are partitions of the worker in this slot. The list lives as long as the feed. */
rv_status_t rvc_feed_start(rvc_core_t *core, uint32_t slot, const rvc_company_t *companies, size_t n,
                           rvc_feed_done_t *done, void *owner, rvc_feed_t **ret, rv_error_t *err);
/* Forgets what is under way. */
void rvc_feed_destroy(rvc_feed_t **feed);

#endif

/* fanout.h: companies whose copies may differ from their homes, until they do not.
 *
 * A company is noted, durably, before it is written to its home; when that write is over, in whatever way, all that its
 * home has of it goes to every partition; then it is forgotten. What was noted survives the coordinator and the call
 * that noted it, and is repeated until every partition has it. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_FANOUT_H
#define REVEILLE_COORDINATOR_FANOUT_H

#include "batch.h"
#include "core.h"

typedef struct rvc_fanout rvc_fanout_t;
typedef struct rvc_note rvc_note_t;

/* Every partition has them, or (err not NULL) not yet: the fan-out goes on by itself. The note is gone for the caller.
 */
typedef void rvc_fanout_done_t(void *owner, const rv_error_t *err);

/* Loads what an earlier start left. */
rv_status_t rvc_fanout_new(rvc_core_t *core, rvc_fanout_t **ret, rv_error_t *err);
void rvc_fanout_destroy(rvc_fanout_t **fanout);
/* Partitions may have become available. */
void rvc_fanout_changed(rvc_fanout_t *fanout);
/* Something of an earlier start is left that has not been tried yet since. */
bool rvc_fanout_resuming(const rvc_fanout_t *fanout);

/* Notes the rows that have a partition, of which there must be one; durable when it returns. RESOURCE_EXHAUSTED/BUSY
 * when too much is noted already; UNAVAILABLE when it cannot be stored. */
rv_status_t rvc_fanout_note(rvc_fanout_t *fanout, const rvc_entities_t *companies, rvc_note_t **ret, rv_error_t *err);
/* The write to the homes is over. `done` is called once, perhaps before this returns. */
void rvc_fanout_go(rvc_fanout_t *fanout, rvc_note_t *note, rvc_fanout_done_t *done, void *owner);
/* Nobody waits for it (any more); before or after `go`. */
void rvc_fanout_leave(rvc_fanout_t *fanout, rvc_note_t *note);

#endif

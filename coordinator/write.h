/* write.h: runs one write: shares of a batch to their workers, results back, items numbered as in the request.
 *
 * Use: new; check the batch with its arenas and refusals; start with the shares; wait for `done` (or find it done
 * already); result; destroy. A partition that is not available, or whose worker is lost on the way, has a status of its
 * own; the others are done all the same. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_WRITE_H
#define REVEILLE_COORDINATOR_WRITE_H

#include "core.h"
#include "refusal.h"
#include "split.h"

typedef struct rvc_write rvc_write_t;

/* Fills the body of a PartitionWrite for some rows of a share, from memory of `arena`. */
typedef rv_status_t rvc_write_body_t(void *context, const rvc_share_t *share, rv_arena_t *arena,
                                     Reveille__V1__PartitionWrite *write, rv_error_t *err);

typedef struct {
    const rvc_share_t *shares; /* rows live in the write's arena */
    size_t n;
    const Reveille__V1__WriteIdentity *identity; /* NULL: none */
    uint64_t import_id;
    uint64_t schema_version; /* that gave the numbers; 0: the current one */
    rvc_write_body_t *body;
    void *context; /* of body; not used after start */
} rvc_write_spec_t;

rv_status_t rvc_write_new(rvc_core_t *core, rvc_write_t **ret, rv_error_t *err);
/* Forgets what is still under way: its outcome is not known then. */
void rvc_write_destroy(rvc_write_t **write);
/* Memory that lives as long as the write: shares, refusals. */
rv_arena_t *rvc_write_arena(rvc_write_t *write);
/* Memory for the batch and its checked form, freed by rvc_write_sent. */
rv_arena_t *rvc_write_scratch(rvc_write_t *write);
rvc_refusals_t *rvc_write_refusals(rvc_write_t *write);

/* Packs everything, then sends it. INVALID_ARGUMENT/FIELD: the identity's producer is later than now and
 * RV_PRODUCER_AHEAD_MS; INVALID_ARGUMENT/LIMIT: a share with an identity takes more than one message;
 * RESOURCE_EXHAUSTED/BUSY: too many writes are under way. Nothing has been sent when it fails. `done` is called once,
 * later, unless rvc_write_is_done says so already. */
typedef void rvc_write_done_t(void *owner);
rv_status_t rvc_write_start(rvc_write_t *write, const rvc_write_spec_t *spec, int64_t deadline, rvc_write_done_t *done,
                            void *owner, rv_error_t *err);
/* The batch is not needed any more. */
void rvc_write_sent(rvc_write_t *write);
bool rvc_write_is_done(const rvc_write_t *write);

/* When done. OK when nothing failed; otherwise the failure that weighs most (OUTCOME_UNKNOWN before the others).
 * `ret_some`: at least one share was taken, or there was none. */
rv_status_t rvc_write_outcome(const rvc_write_t *write, bool *ret_some, rv_error_t *err);
/* LSN of the write in a partition; 0 when it has none. */
uint64_t rvc_write_lsn(const rvc_write_t *write, uint32_t partition);
/* The result as a message, from the write's arena; `items` names the rows of each partition. NULL without memory. */
Reveille__V1__WriteResult *rvc_write_result(rvc_write_t *write, bool items);

#endif

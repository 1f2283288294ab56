/* compose.h: what each kind of write puts into a PartitionWrite: checking a batch and starting its write in one step.
 * Thread: the actor's. */
#ifndef REVEILLE_COORDINATOR_COMPOSE_H
#define REVEILLE_COORDINATOR_COMPOSE_H

#include "batch.h"
#include "reveille/v1/event.pb-c.h"
#include "write.h"

/* Who the write is from. */
typedef struct {
    const Reveille__V1__WriteIdentity *identity; /* NULL or empty producer: none */
    uint64_t import_id;
    bool require_id;
    int64_t deadline;
    rvc_write_done_t *done;
    void *owner;
} rvc_origin_t;

/* INVALID_ARGUMENT/FIELD unless it is empty or 16 bytes. */
rv_status_t rvc_identity_check(const Reveille__V1__WriteIdentity *identity, rv_error_t *err);

/* Each checks, splits and starts; the write is then under way or done. Messages are borrowed until they return. */
rv_status_t rvc_compose_contacts(rvc_core_t *core, rvc_write_t *write, const Reveille__V1__EntityBatch *batch,
                                 const rvc_origin_t *origin, rv_error_t *err);
rv_status_t rvc_compose_events(rvc_core_t *core, rvc_write_t *write, const Reveille__V1__EventBatch *batch,
                               const rvc_origin_t *origin, rv_error_t *err);
rv_status_t rvc_compose_contact_delete(rvc_core_t *core, rvc_write_t *write, const Reveille__V1__StringColumn *keys,
                                       const rvc_origin_t *origin, rv_error_t *err);
/* Events by identity go to their partitions, all others to every partition. */
rv_status_t rvc_compose_event_delete(rvc_core_t *core, rvc_write_t *write,
                                     const Reveille__V1__EventServiceDeleteRequest *request, const rvc_origin_t *origin,
                                     rv_error_t *err);

#endif

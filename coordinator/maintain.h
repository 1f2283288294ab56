/* maintain.h: housekeeping on many workers at once: flush and compact partitions, wait for all. Thread: the actor's. */
#ifndef REVEILLE_COORDINATOR_MAINTAIN_H
#define REVEILLE_COORDINATOR_MAINTAIN_H

#include "core.h"

typedef struct rvc_maintain rvc_maintain_t;

/* Totals when done; `error` of the first worker that failed (status OK: none did). */
typedef struct {
    uint64_t bytes_before, bytes_after;
    rv_error_t error;
} rvc_maintained_t;
typedef void rvc_maintain_done_t(void *owner, const rvc_maintained_t *result);

/* Asks the workers of these partitions, or of all when `n` is 0. `done` is called once, later, and the object is then
 * gone. UNAVAILABLE/INCOMPLETE when one of the partitions is not available; nothing has begun then. */
rv_status_t rvc_maintain_start(rvc_core_t *core, const uint32_t *partitions, size_t n, int64_t deadline,
                               rvc_maintain_done_t *done, void *owner, rvc_maintain_t **ret, rv_error_t *err);
/* Forgets it (*maintain may be NULL); the workers go on. */
void rvc_maintain_forget(rvc_maintain_t **maintain);

#endif

/* registry.h: the control plane: workers register and ping; they get their share and the catalog, and are given up when
 * their lease lapses.
 *
 * Whatever changes the map is stored before a worker hears of it. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_REGISTRY_H
#define REVEILLE_COORDINATOR_REGISTRY_H

#include "core.h"
#include "port.h"

typedef struct rvc_registry rvc_registry_t;
/* A worker has confirmed its share or was lost: who waits for that may look again. */
typedef void rvc_registry_changed_t(void *context);

/* `port`: replies to workers' control sockets. */
rv_status_t rvc_registry_new(rvc_core_t *core, const rvc_port_t *port, rvc_registry_changed_t *changed, void *context,
                             rvc_registry_t **ret, rv_error_t *err);
void rvc_registry_destroy(rvc_registry_t **registry);
/* One message of a worker's control socket: all its frames, the routing id first. */
void rvc_registry_receive(rvc_registry_t *registry, const uint8_t *const *data, const size_t *size, size_t count);
/* The catalog has changed: every live worker gets it. */
void rvc_registry_push(rvc_registry_t *registry);
/* Every live worker with a share has confirmed this version of the catalog. */
bool rvc_registry_confirmed(const rvc_registry_t *registry, uint64_t catalog_version);
/* A live worker that refused that version, or a later one, when it was sent last; NULL: none did. */
const rvc_worker_t *rvc_registry_refused(const rvc_registry_t *registry, uint64_t catalog_version);

#endif

/* node.h: a whole coordinator without its sockets: messages in, messages out, time from outside. The daemon puts ZeroMQ
 * around it (coordinator.h), tests put memory around it. Not thread safe. */
#ifndef REVEILLE_COORDINATOR_NODE_H
#define REVEILLE_COORDINATOR_NODE_H

#include "port.h"
#include "reveille/status.h"
#include <stdbool.h>

typedef struct rvc_node rvc_node_t;

typedef struct {
    const char *data_dir;
    uint32_t workers;    /* a new cluster is placed when so many have registered */
    uint32_t partitions; /* of a new cluster */
    uint32_t chunk_rows; /* of a new cluster */
    rvc_port_t clients, data, control;
    int64_t (*wall_ms)(void);
} rvc_node_options_t;

/* Opens or creates the data; `now` in ms of the monotonic clock. */
rv_status_t rvc_node_new(const rvc_node_options_t *options, int64_t now, rvc_node_t **ret, rv_error_t *err);
/* Ends all calls without replies and stores what is not stored yet. */
void rvc_node_destroy(rvc_node_t **node);
/* The identity of the cluster, hexadecimal. */
void rvc_node_cluster_id(const rvc_node_t *node, char out[33]);

typedef enum { RVC_FROM_CLIENT, RVC_FROM_WORKER_DATA, RVC_FROM_WORKER_CONTROL } rvc_from_t;
/* One message: all its frames, the routing id first. Call rvc_node_wake before, so that `now` is right. */
void rvc_node_receive(rvc_node_t *node, rvc_from_t from, const uint8_t *const *data, const size_t *size, size_t count);
/* The connection of the client with this routing id has ended. */
void rvc_node_lost(rvc_node_t *node, const uint8_t *routing, size_t n);
/* Time is `now`: fires what is due. */
void rvc_node_wake(rvc_node_t *node, int64_t now);
/* When it wants to be woken; INT64_MAX: only by a message. */
int64_t rvc_node_next(const rvc_node_t *node);
/* Takes no new calls, ends imports after their open batches. */
void rvc_node_drain(rvc_node_t *node);
/* No call is open. */
bool rvc_node_idle(const rvc_node_t *node);

#endif

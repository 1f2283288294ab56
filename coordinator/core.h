/* core.h: what the rooms of the coordinator share: one of each, made by node.h. Handlers get it as their context.
 * Thread: the actor's. */
#ifndef REVEILLE_COORDINATOR_CORE_H
#define REVEILLE_COORDINATOR_CORE_H

#include "call.h"
#include "cluster.h"
#include "link.h"
#include "meta.h"
#include "reveille/catalog.h"
#include "timer.h"

struct rvc_registry;
struct rvc_imports;
struct rvc_fanout;
struct rvc_definitions;

typedef struct {
    rvc_timers_t *timers;
    rvc_meta_t *meta;
    rvc_cluster_t *cluster;
    rvc_calls_t *calls;
    rvc_link_t *link;
    struct rvc_registry *registry;
    struct rvc_imports *imports;
    struct rvc_fanout *fanout;
    struct rvc_definitions *definitions;
    rv_catalog_t *catalog; /* current */
    int64_t (*wall_ms)(void);
    uint32_t workers_wanted; /* before a new cluster is placed */
    size_t write_bytes;      /* of writes sent and not answered */
} rvc_core_t;

#endif

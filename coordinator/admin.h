/* admin.h: the methods of ClusterService and HealthService. Each is an rvc_start_t; context is the core. Thread: the
 * actor's. */
#ifndef REVEILLE_COORDINATOR_ADMIN_H
#define REVEILLE_COORDINATOR_ADMIN_H

#include "core.h"

void rvc_cluster_status(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_cluster_compact(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_cluster_imports(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_health_check(void *context, rvc_call_t *call, const ProtobufCMessage *request);

#endif

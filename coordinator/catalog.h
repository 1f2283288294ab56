/* catalog.h: the definitions of the cluster: schema, segments, score models, and the methods that read and change them.
 *
 * A change makes a new catalog with the next version, stores it, makes it the current one, sends it to every worker,
 * and is answered when all live workers have confirmed it. A worker that is away gets it when it registers. Thread: the
 * actor's.
 */
#ifndef REVEILLE_COORDINATOR_CATALOG_H
#define REVEILLE_COORDINATOR_CATALOG_H

#include "core.h"

typedef struct rvc_definitions rvc_definitions_t;

/* Loads the stored catalog into core->catalog. */
rv_status_t rvc_definitions_new(rvc_core_t *core, rvc_definitions_t **ret, rv_error_t *err);
void rvc_definitions_destroy(rvc_definitions_t **definitions);
/* A worker has confirmed a catalog or was lost: answers who waited for it. */
void rvc_definitions_confirmed(rvc_definitions_t *definitions);

/* Each is an rvc_start_t: context is the core. */
void rvc_schema_apply(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_schema_get(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_segment_save(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_segment_get(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_segment_list(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_segment_delete(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_score_define(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_score_get(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_score_list(void *context, rvc_call_t *call, const ProtobufCMessage *request);

#endif

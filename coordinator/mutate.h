/* mutate.h: the handlers of writes: contacts, companies, events, and the streams of imports. Thread: the actor's. */
#ifndef REVEILLE_COORDINATOR_MUTATE_H
#define REVEILLE_COORDINATOR_MUTATE_H

#include "core.h"

/* Each is an rvc_start_t: context is the core. */
void rvc_contact_upsert(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_contact_delete(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_event_append(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_event_delete(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_company_upsert(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_contact_import(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_event_import(void *context, rvc_call_t *call, const ProtobufCMessage *request);

#endif

/* lookup.h: reads of one contact or company: Get and Timeline. Each is an rvc_start_t; context is the core. Thread: the
 * actor's. */
#ifndef REVEILLE_COORDINATOR_LOOKUP_H
#define REVEILLE_COORDINATOR_LOOKUP_H

#include "core.h"

void rvc_contact_get(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_company_get(void *context, rvc_call_t *call, const ProtobufCMessage *request);
void rvc_contact_timeline(void *context, rvc_call_t *call, const ProtobufCMessage *request);

#endif

// self_world.h - the small world of the hand-computed answers.
//
// T is 2024-06-01T00:00:00Z. D(n) is n days before T. Contacts a, b, c are in the population, d is created 1 ms too
// late, e came with an event. The tables in self_world.c are the data; the expected answers stand in self_cases.c and
// self_requests.c.
#ifndef RVM_SELF_WORLD_H
#define RVM_SELF_WORLD_H

#include "model.h"

#define T_MS INT64_C(1717200000000)
#define DAY_MS INT64_C(86400000)
#define D(n) (T_MS - (n)*DAY_MS)

rvm_world_t rvm_self_world(rvm_arena_t *arena);
const rvm_schema_t *rvm_self_schema(void);
// An event of the given type (by name) without properties.
rvm_event_t rvm_self_event(rvm_arena_t *arena, const char *contact, const char *type, int64_t at, const char *id);

#endif

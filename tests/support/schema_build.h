/* schema_build.h: schemas for tests, piece by piece. Everything lives in rvt_arena, which a test opens and closes. */
#ifndef RV_TESTS_SCHEMA_BUILD_H
#define RV_TESTS_SCHEMA_BUILD_H

#include "reveille/arena.h"
#include "reveille/v1/schema.pb-c.h"
#include "reveille/valcodec.h"

extern rv_arena_t rvt_arena;

/* Set-up and tear-down of a cmocka test. */
int rvt_open_arena(void **state);
int rvt_close_arena(void **state);
char *rvt_text(const char *text);

/* With the names of the keys, nothing else. */
Reveille__V1__Schema *rvt_schema(void);
/* Something of everything: a company, `created`, a group, a type with properties of its own. */
Reveille__V1__Schema *rvt_shop(void);

/* These append to the schema and return what was appended. */
Reveille__V1__Attribute *rvt_attribute(Reveille__V1__Schema *schema, const char *name, rv_type_t type, unsigned scale);
void rvt_company_attribute(Reveille__V1__Schema *schema, const char *name, rv_type_t type);
void rvt_property(Reveille__V1__Schema *schema, const char *name, rv_type_t type, unsigned scale);
Reveille__V1__EventType *rvt_type(Reveille__V1__Schema *schema, const char *name);
void rvt_allow(Reveille__V1__EventType *type, const char *property);
Reveille__V1__EventGroup *rvt_group(Reveille__V1__Schema *schema, const char *name);
void rvt_member(Reveille__V1__EventGroup *group, const char *type);

#endif

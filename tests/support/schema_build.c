/* schema_build.c: protobuf messages of schemas, grown one item at a time. Memory that is missing ends the test. */
#include "schema_build.h"

#include <stdlib.h>
#include <string.h>

typedef Reveille__V1__Schema schema_t;
typedef Reveille__V1__Attribute attribute_t;
typedef Reveille__V1__EventType type_t;
typedef Reveille__V1__EventGroup group_t;

rv_arena_t rvt_arena;

int rvt_open_arena(void **state) {
    (void)state;
    rv_arena_init(&rvt_arena, 64u << 20);
    return 0;
}

int rvt_close_arena(void **state) {
    (void)state;
    rv_arena_done(&rvt_arena);
    return 0;
}

static void *some(size_t size) {
    void *p = rv_arena_zalloc(&rvt_arena, 1, size);
    if (p == NULL)
        abort();
    return p;
}

char *rvt_text(const char *text) {
    return rv_arena_strndup(&rvt_arena, text, strlen(text));
}

/* A list of pointers with one more item. */
static void *appended(void *list, size_t n, void *item) {
    void **longer = rv_arena_zalloc(&rvt_arena, n + 1, sizeof *longer);
    if (longer == NULL)
        abort();
    if (n > 0)
        memcpy(longer, list, n * sizeof *longer);
    longer[n] = item;
    return longer;
}

schema_t *rvt_schema(void) {
    schema_t *schema = some(sizeof *schema);
    reveille__v1__schema__init(schema);
    schema->contact_key = rvt_text("contact");
    schema->event_id = rvt_text("event");
    return schema;
}

static attribute_t *new_attribute(const char *name, rv_type_t type, unsigned scale) {
    attribute_t *attribute = some(sizeof *attribute);
    reveille__v1__attribute__init(attribute);
    attribute->name = rvt_text(name);
    attribute->type = type;
    attribute->scale = scale;
    return attribute;
}

attribute_t *rvt_attribute(schema_t *schema, const char *name, rv_type_t type, unsigned scale) {
    attribute_t *attribute = new_attribute(name, type, scale);
    schema->contact_attributes = appended(schema->contact_attributes, schema->n_contact_attributes++, attribute);
    return attribute;
}

void rvt_company_attribute(schema_t *schema, const char *name, rv_type_t type) {
    schema->company_attributes =
        appended(schema->company_attributes, schema->n_company_attributes++, new_attribute(name, type, 0));
}

void rvt_property(schema_t *schema, const char *name, rv_type_t type, unsigned scale) {
    schema->event_properties =
        appended(schema->event_properties, schema->n_event_properties++, new_attribute(name, type, scale));
}

type_t *rvt_type(schema_t *schema, const char *name) {
    type_t *type = some(sizeof *type);
    reveille__v1__event_type__init(type);
    type->name = rvt_text(name);
    schema->event_types = appended(schema->event_types, schema->n_event_types++, type);
    return type;
}

void rvt_allow(type_t *type, const char *name) {
    type->properties = appended(type->properties, type->n_properties++, rvt_text(name));
}

group_t *rvt_group(schema_t *schema, const char *name) {
    group_t *group = some(sizeof *group);
    reveille__v1__event_group__init(group);
    group->name = rvt_text(name);
    schema->event_groups = appended(schema->event_groups, schema->n_event_groups++, group);
    return group;
}

void rvt_member(group_t *group, const char *name) {
    group->types = appended(group->types, group->n_types++, rvt_text(name));
}

/* Something of everything. */
schema_t *rvt_shop(void) {
    schema_t *schema = rvt_schema();
    schema->company_key = rvt_text("company");
    schema->contact_created = rvt_text("signed_up_at");
    rvt_attribute(schema, "country", RV_STRING, 0);
    rvt_attribute(schema, "signed_up_at", RV_TIME, 0);
    rvt_attribute(schema, "company", RV_COMPANY, 0);
    rvt_attribute(schema, "ltv", RV_DECIMAL, 2);
    rvt_attribute(schema, "age", RV_INT, 0);
    rvt_company_attribute(schema, "industry", RV_STRING);
    rvt_company_attribute(schema, "employees", RV_INT);
    rvt_property(schema, "topic", RV_STRING, 0);
    rvt_property(schema, "value", RV_DECIMAL, 2);
    rvt_type(schema, "email_click");
    type_t *purchase = rvt_type(schema, "purchase");
    purchase->channel = rvt_text("web");
    rvt_allow(purchase, "value");
    rvt_allow(purchase, "topic");
    rvt_allow(purchase, "value");
    rvt_type(schema, "page_view");
    group_t *engaged = rvt_group(schema, "engaged");
    rvt_member(engaged, "page_view");
    rvt_member(engaged, "email_click");
    rvt_member(engaged, "page_view");
    return schema;
}

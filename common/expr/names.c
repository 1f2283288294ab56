/* names.c: names of the text to numbers of the catalog.
 *
 * Purpose: attributes, properties, event fields, types, groups, segments and score models; an unknown name is reported
 * with the nearest known one, or with what it is elsewhere. Outside `where` a name is an attribute; inside, a property
 * or built-in field of the event. Threads: none. Failure: the report says which name and what would be right.
 */
#include "builder.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Candidates for a hint. */
typedef struct {
    const char **names;
    size_t n, cap;
} names_t;

static void add_name(names_t *names, const char *name) {
    if (name && *name && names->n < names->cap)
        names->names[names->n++] = name;
}

static names_t names_new(rv_builder_t *b, size_t cap) {
    names_t names = {.names = rv_expr_alloc(b, cap, sizeof *names.names)};
    names.cap = names.names ? cap : 0;
    return names;
}

expr_hint_t rv_expr_hint(rv_str_t name, const char *const *candidates, size_t n) {
    expr_hint_t hint = {""};
    const char *nearest = name.n <= RV_MAX_NAME ? rv_nearest(name.p, name.n, candidates, n) : NULL;
    if (nearest)
        snprintf(hint.text, sizeof hint.text, ", did you mean '%.*s'?", (int)RV_MAX_NAME, nearest);
    return hint;
}

static expr_hint_t hint_of(rv_str_t name, const names_t *names) {
    return rv_expr_hint(name, names->names, names->n);
}

static const Reveille__V1__Schema *schema_of(const rv_builder_t *b) {
    return rv_catalog_message(b->catalog)->schema;
}

static bool is_text(rv_str_t name, const char *text) {
    return text && strlen(text) == name.n && memcmp(text, name.p, name.n) == 0;
}

static const char *contact_key(const rv_builder_t *b) {
    const Reveille__V1__Schema *schema = schema_of(b);
    return schema && schema->contact_key && *schema->contact_key ? schema->contact_key : NULL;
}

static void add_attributes(names_t *names, const rv_attribute_t *attributes, size_t n) {
    for (size_t i = 0; i < n; i++)
        add_name(names, attributes[i].name);
}

/* ---- contact and company ---- */

/* Notes that an attribute without history is read; `prefix` is "" or "company.". */
static bool note_read(rv_builder_t *b, size_t position, const char *prefix, const char *name) {
    if (b->attribute_read[position])
        return true;
    size_t size = strlen(prefix) + strlen(name) + 1;
    char *text = rv_expr_alloc(b, size, 1);
    if (!text)
        return false;
    snprintf(text, size, "%s%s", prefix, name);
    b->attribute_read[position] = true;
    b->attributes[b->n_attributes++] = text;
    return true;
}

static uint32_t emit_attribute(rv_builder_t *b, const expr_scope_t *scope, expr_op_t op,
                               const rv_attribute_t *attribute, expr_place_t place) {
    size_t contacts, n;
    const rv_attribute_t *first = rv_catalog_attributes(b->catalog, &contacts);
    bool company = op == EXPR_OP(COMPANY_ATTRIBUTE);
    if (scope->past) {
        rv_str_t name = {attribute->name, (uint32_t)strlen(attribute->name)};
        return EXPR_FAIL(
            b, place,
            "the attribute '%s%s' keeps no history, so its value at another instant is not known: leave it "
            "out of what stands before 'at'",
            company ? "company." : "", rv_expr_quote(name).text);
    }
    const rv_attribute_t *base = company ? rv_catalog_company_attributes(b->catalog, &n) : first;
    size_t position = (size_t)(attribute - base) + (company ? contacts : 0);
    if (!note_read(b, position, company ? "company." : "", attribute->name))
        return EXPR_NONE;
    expr_out_t node = REVEILLE__V1__NODE__INIT;
    node.op = op;
    node.type = attribute->type == RV_COMPANY ? RV_STRING : attribute->type;
    node.scale = attribute->type == RV_DECIMAL ? attribute->scale : 0;
    node.ref = attribute->id;
    return rv_expr_emit(b, &node, place);
}

static uint32_t emit_key(rv_builder_t *b, expr_place_t place) {
    return rv_expr_op(b, EXPR_OP(KEY), RV_STRING, 0, EXPR_NONE, EXPR_NONE, place);
}

/* An attribute of the contact, its key, or `company`; EXPR_NONE without failure when there is no such name. */
static uint32_t contact_name(rv_builder_t *b, const expr_scope_t *scope, const expr_name_t *name) {
    const rv_attribute_t *attribute = rv_catalog_attribute(b->catalog, name->text.p, name->text.n);
    if (attribute)
        return emit_attribute(b, scope, EXPR_OP(ATTRIBUTE), attribute, name->place);
    if (is_text(name->text, contact_key(b)))
        return emit_key(b, name->place);
    attribute = is_text(name->text, "company") ? rv_catalog_company_reference(b->catalog) : NULL;
    return attribute ? emit_attribute(b, scope, EXPR_OP(ATTRIBUTE), attribute, name->place) : EXPR_NONE;
}

static uint32_t unknown_attribute(rv_builder_t *b, const expr_name_t *name) {
    const uint32_t *places;
    size_t n;
    const rv_attribute_t *attributes = rv_catalog_attributes(b->catalog, &n);
    names_t names = names_new(b, n + 2);
    add_attributes(&names, attributes, n);
    add_name(&names, contact_key(b));
    add_name(&names, rv_catalog_company_reference(b->catalog) ? "company" : NULL);
    if (rv_catalog_type(b->catalog, name->text.p, name->text.n) ||
        rv_catalog_group(b->catalog, name->text.p, name->text.n, &places, &n))
        return EXPR_FAIL(b, name->place,
                         "'%s' is an event type or group, not an attribute: write for example exists(%s)",
                         rv_expr_quote(name->text).text, rv_expr_quote(name->text).text);
    if (rv_catalog_property(b->catalog, name->text.p, name->text.n))
        return EXPR_FAIL(b, name->place,
                         "'%s' is a property of events, not an attribute: write for example last(%s of any)",
                         rv_expr_quote(name->text).text, rv_expr_quote(name->text).text);
    return EXPR_FAIL(b, name->place, "unknown attribute '%s'%s", rv_expr_quote(name->text).text,
                     hint_of(name->text, &names).text);
}

/* company.NAME */
static uint32_t company_name(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    const expr_name_t *name = &node->names[1];
    const rv_attribute_t *reference = rv_catalog_company_reference(b->catalog);
    if (!reference)
        return EXPR_FAIL(b, node->place, "the schema has no attribute of type company, so there is no company.%s",
                         rv_expr_quote(name->text).text);
    const rv_attribute_t *attribute = rv_catalog_company_attribute(b->catalog, name->text.p, name->text.n);
    if (attribute)
        return emit_attribute(b, scope, EXPR_OP(COMPANY_ATTRIBUTE), attribute, node->place);
    if (is_text(name->text, schema_of(b)->company_key))
        return emit_attribute(b, scope, EXPR_OP(ATTRIBUTE), reference, node->place);
    size_t n;
    const rv_attribute_t *attributes = rv_catalog_company_attributes(b->catalog, &n);
    names_t names = names_new(b, n + 1);
    add_attributes(&names, attributes, n);
    add_name(&names, schema_of(b)->company_key);
    return EXPR_FAIL(b, name->place, "unknown company attribute '%s'%s", rv_expr_quote(name->text).text,
                     hint_of(name->text, &names).text);
}

/* ---- events ---- */

static const struct {
    const char *name;
    Reveille__V1__EventField field;
    rv_type_t type;
    expr_op_t op; /* of the time; UNSPECIFIED: the field itself */
    rv_type_t result;
} FIELDS[] = {
    {"type", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_TYPE, RV_STRING, EXPR_OP(UNSPECIFIED), RV_STRING},
    {"channel", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_CHANNEL, RV_STRING, EXPR_OP(UNSPECIFIED), RV_STRING},
    {"at", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_AT, RV_TIME, EXPR_OP(UNSPECIFIED), RV_TIME},
    {"source", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_SOURCE, RV_STRING, EXPR_OP(UNSPECIFIED), RV_STRING},
    {"id", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_ID, RV_STRING, EXPR_OP(UNSPECIFIED), RV_STRING},
    {"day", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_AT, RV_TIME, EXPR_OP(DAY), RV_DATE},
    {"week", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_AT, RV_TIME, EXPR_OP(WEEK), RV_DATE},
    {"hour", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_AT, RV_TIME, EXPR_OP(HOUR), RV_INT},
    {"weekday", REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_AT, RV_TIME, EXPR_OP(WEEKDAY), RV_INT},
};
#define N_FIELDS (sizeof FIELDS / sizeof FIELDS[0])

static uint32_t emit_field(rv_builder_t *b, size_t i, expr_place_t place) {
    expr_out_t node = REVEILLE__V1__NODE__INIT;
    node.op = EXPR_OP(EVENT_FIELD);
    node.type = FIELDS[i].type;
    node.ref = (uint32_t)FIELDS[i].field;
    uint32_t field = rv_expr_emit(b, &node, place);
    if (FIELDS[i].op == EXPR_OP(UNSPECIFIED) || field == EXPR_NONE)
        return field;
    return rv_expr_op(b, FIELDS[i].op, FIELDS[i].result, 0, field, EXPR_NONE, place);
}

static uint32_t unknown_property(rv_builder_t *b, const expr_name_t *name) {
    size_t n;
    const rv_attribute_t *properties = rv_catalog_properties(b->catalog, &n);
    names_t names = names_new(b, n + N_FIELDS + 1);
    add_attributes(&names, properties, n);
    for (size_t i = 0; i < N_FIELDS; i++)
        add_name(&names, FIELDS[i].name);
    if (rv_catalog_attribute(b->catalog, name->text.p, name->text.n) || is_text(name->text, contact_key(b)))
        return EXPR_FAIL(b, name->place,
                         "'%s' is no property of events: in 'where' an attribute of the contact is written contact.%s",
                         rv_expr_quote(name->text).text, rv_expr_quote(name->text).text);
    return EXPR_FAIL(b, name->place, "unknown property '%s'%s", rv_expr_quote(name->text).text,
                     hint_of(name->text, &names).text);
}

uint32_t rv_expr_property(rv_builder_t *b, const expr_name_t *name) {
    const rv_attribute_t *property = rv_catalog_property(b->catalog, name->text.p, name->text.n);
    if (property) {
        expr_out_t node = REVEILLE__V1__NODE__INIT;
        node.op = EXPR_OP(PROPERTY);
        node.type = property->type == RV_COMPANY ? RV_STRING : property->type;
        node.scale = property->type == RV_DECIMAL ? property->scale : 0;
        node.ref = property->id;
        return rv_expr_emit(b, &node, name->place);
    }
    for (size_t i = 0; i < N_FIELDS; i++)
        if (is_text(name->text, FIELDS[i].name))
            return emit_field(b, i, name->place);
    if (is_text(name->text, "month")) {
        return rv_expr_refuse_later(b, name->place, "the month of an event");
    }
    return unknown_property(b, name);
}

static uint32_t unknown_path(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    return EXPR_FAIL(b, node->place, "unknown name '%s': a name with a '.' is contact.NAME, company.NAME%s",
                     rv_expr_quote(node->names[0].text).text, scope->event ? "" : " or consent.CHANNEL");
}

/* An attribute or key of the contact: a bare NAME, or contact.NAME. */
static uint32_t contact_path(rv_builder_t *b, const expr_scope_t *scope, const expr_name_t *name) {
    uint32_t number = contact_name(b, scope, name);
    return number != EXPR_NONE || b->report.status != RV_OK ? number : unknown_attribute(b, name);
}

uint32_t rv_expr_path(rv_builder_t *b, const expr_scope_t *scope, const expr_node_t *node) {
    const expr_name_t *name = &node->names[0];
    if (node->n_names > 1 && is_text(name->text, "consent")) {
        return rv_expr_refuse_later(b, node->place, "consent.CHANNEL");
    }
    if (node->n_names == 1 && scope->event)
        return rv_expr_property(b, name);
    if (node->n_names == 1)
        return contact_path(b, scope, name);
    if (node->n_names == 2 && is_text(name->text, "contact"))
        return contact_path(b, scope, &node->names[1]);
    if (node->n_names == 2 && is_text(name->text, "company"))
        return company_name(b, scope, node);
    return unknown_path(b, scope, node);
}

/* ---- types, segments, scores ---- */

static uint32_t unknown_type(rv_builder_t *b, const expr_name_t *name) {
    size_t n;
    const rv_event_type_t *types = rv_catalog_types(b->catalog, &n);
    const Reveille__V1__Schema *schema = schema_of(b);
    size_t groups = schema ? schema->n_event_groups : 0;
    names_t names = names_new(b, n + groups);
    for (size_t i = 0; i < n; i++)
        add_name(&names, types[i].name);
    for (size_t i = 0; i < groups; i++)
        add_name(&names, schema->event_groups[i]->name);
    return EXPR_FAIL(b, name->place, "unknown event type or group '%s'%s", rv_expr_quote(name->text).text,
                     hint_of(name->text, &names).text);
}

static int by_number(const void *left, const void *right) {
    uint32_t x, y;
    memcpy(&x, left, sizeof x);
    memcpy(&y, right, sizeof y);
    return (x > y) - (x < y);
}

/* Marks the types that a name stands for; false when there are none. */
static bool mark(const rv_builder_t *b, rv_str_t name, bool *marked) {
    size_t n;
    const uint32_t *group;
    const rv_event_type_t *types = rv_catalog_types(b->catalog, &n);
    const rv_event_type_t *type = rv_catalog_type(b->catalog, name.p, name.n);
    if (type) {
        marked[type - types] = true;
        return true;
    }
    if (!rv_catalog_group(b->catalog, name.p, name.n, &group, &n))
        return false;
    for (size_t i = 0; i < n; i++) /* a text may name large groups again and again: nothing is looked up here */
        marked[group[i]] = true;
    return true;
}

bool rv_expr_types(rv_builder_t *b, const expr_selection_t *selection, uint32_t **ret, size_t *ret_n) {
    size_t n, count = 0;
    const rv_event_type_t *types = rv_catalog_types(b->catalog, &n);
    bool *marked = rv_expr_alloc(b, n, sizeof *marked);
    uint32_t *ids = rv_expr_alloc(b, n, sizeof *ids);
    if (!marked || !ids)
        return false;
    for (uint32_t i = 0; i < selection->n_types; i++)
        if (!mark(b, selection->types[i].text, marked))
            return unknown_type(b, &selection->types[i]) != EXPR_NONE;
    for (size_t i = 0; i < n; i++)
        if (selection->any || marked[i])
            ids[count++] = types[i].id;
    qsort(ids, count, sizeof *ids, by_number);
    *ret = ids;
    *ret_n = count;
    return true;
}

const Reveille__V1__Segment *rv_expr_find_segment(rv_builder_t *b, rv_str_t name, expr_place_t place) {
    const Reveille__V1__Segment *segment = rv_catalog_segment(b->catalog, name.p, name.n);
    if (segment)
        return segment;
    const Reveille__V1__Catalog *message = rv_catalog_message(b->catalog);
    names_t names = names_new(b, message->n_segments);
    for (size_t i = 0; i < message->n_segments; i++)
        add_name(&names, message->segments[i]->name);
    rv_expr_fail(&b->report, RV_REASON_FILTER, place, "unknown segment '%s'%s", rv_expr_quote(name).text,
                 hint_of(name, &names).text);
    return NULL;
}

const Reveille__V1__ScoreModel *rv_expr_find_score(rv_builder_t *b, const expr_name_t *name) {
    const Reveille__V1__ScoreModel *model = rv_catalog_score(b->catalog, name->text.p, name->text.n);
    if (model)
        return model;
    const Reveille__V1__Catalog *message = rv_catalog_message(b->catalog);
    names_t names = names_new(b, message->n_scores);
    for (size_t i = 0; i < message->n_scores; i++)
        add_name(&names, message->scores[i]->name);
    rv_expr_fail(&b->report, RV_REASON_FILTER, name->place, "unknown score model '%s'%s",
                 rv_expr_quote(name->text).text, hint_of(name->text, &names).text);
    return NULL;
}

/* schema.c: is this a schema?
 *
 * Two checks. rv_schema_check asks what every schema must hold to, stored ones too: bounded counts, usable names, known
 * types, references that lead somewhere. rv_schema_check_words asks what only a schema from outside must hold to: words
 * of the filter language, and features that are not built. Nothing is kept; the indexes for duplicates and references
 * live in the caller's arena.
 */
#include "schema.h"

#include "names.h"
#include "reveille/limits.h"
#include "reveille/valcodec.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef Reveille__V1__Attribute attribute_t;

/* One list of attributes and what is particular about it. */
typedef struct {
    const char *what; /* "contact attribute" */
    attribute_t **list;
    size_t n, most;
    const char *key; /* the column beside them */
    bool company;    /* may have one of type company */
} section_t;

#define SECTIONS 3

static void sections_of(const Reveille__V1__Schema *schema, section_t sections[SECTIONS]) {
    sections[0] = (section_t){"contact attribute", schema->contact_attributes, schema->n_contact_attributes,
                              RV_MAX_ATTRIBUTES,   schema->contact_key,        true};
    sections[1] = (section_t){"company attribute", schema->company_attributes, schema->n_company_attributes,
                              RV_MAX_ATTRIBUTES,   schema->company_key,        false};
    sections[2] = (section_t){"event property",  schema->event_properties, schema->n_event_properties,
                              RV_MAX_PROPERTIES, schema->event_id,         false};
}

rv_status_t rv_schema_at(rv_status_t status, rv_error_t *err, const char *name) {
    if (err != NULL) {
        size_t n = rv_utf8_cut(name, strlen(name), sizeof err->field - 1);
        memcpy(err->field, name, n);
        err->field[n] = '\0';
    }
    return status;
}

const char *rv_schema_type_name(Reveille__V1__ValueType type) {
    static const char *const NAMES[] = {"no type", "string", "int",  "double", "decimal",
                                        "bool",    "time",   "date", "set",    "company"};
    return (size_t)type < sizeof NAMES / sizeof NAMES[0] ? NAMES[type] : NAMES[0];
}

static rv_status_t check_name(const char *what, size_t at, const char *name, rv_error_t *err) {
    size_t n = strlen(name);
    if (n == 0)
        return rv_fail(err, RV_REASON_FIELD, "%s %zu has no name", what, at + 1);
    if (n > RV_MAX_NAME)
        return rv_fail(err, RV_REASON_FIELD, "the name of %s %zu has %zu bytes; at most %u are allowed", what, at + 1,
                       n, RV_MAX_NAME);
    if (!rv_utf8_valid(name, n))
        return rv_fail(err, RV_REASON_FIELD, "the name of %s %zu is not valid UTF-8", what, at + 1);
    return RV_OK;
}

static rv_status_t check_count(const char *what, size_t n, size_t most, rv_error_t *err) {
    return n <= most ? RV_OK : rv_fail(err, RV_REASON_LIMIT, "%zu of %s; at most %zu are allowed", n, what, most);
}

static rv_status_t check_type(const section_t *section, const attribute_t *attribute, rv_error_t *err) {
    Reveille__V1__ValueType type = attribute->type;
    rv_status_t status = RV_OK;
    if (type < RV_STRING || type > RV_COMPANY)
        status = rv_fail(err, RV_REASON_FIELD,
                         "%s %s has no type that can be stored: write string, int, double, decimal, bool, time, date, "
                         "set or company",
                         section->what, attribute->name);
    else if (type == RV_COMPANY && !section->company)
        status = rv_fail(err, RV_REASON_FIELD, "%s %s is of type company; only a contact attribute may be",
                         section->what, attribute->name);
    else if (type != RV_DECIMAL && attribute->scale != 0)
        status = rv_fail(err, RV_REASON_FIELD, "%s %s has a scale, but its type is %s; only decimal has one",
                         section->what, attribute->name, rv_schema_type_name(type));
    else if (attribute->scale > RV_MAX_SCALE)
        status = rv_fail(err, RV_REASON_FIELD, "%s %s has scale %u; write 0 to %u", section->what, attribute->name,
                         attribute->scale, RV_MAX_SCALE);
    return status == RV_OK ? status : rv_schema_at(status, err, attribute->name);
}

static rv_status_t check_section(const section_t *section, rv_names_t *names, rv_arena_t *scratch, rv_error_t *err) {
    rv_status_t status = check_count(section->what, section->n, section->most, err);
    if (status != RV_OK)
        return status;
    if (!rv_names_init(names, section->n, scratch))
        return rv_fail_memory(err, "a schema");
    for (size_t i = 0; i < section->n; i++) {
        const attribute_t *attribute = section->list[i];
        if ((status = check_name(section->what, i, attribute->name, err)) != RV_OK ||
            (status = check_type(section, attribute, err)) != RV_OK)
            return status;
        if (strcmp(attribute->name, section->key) == 0)
            return rv_schema_at(
                rv_fail(err, RV_REASON_FIELD, "%s %s has the name of the key column", section->what, attribute->name),
                err, attribute->name);
        rv_names_set(names, i, attribute->name);
    }
    size_t twice = rv_names_sort(names);
    if (twice < section->n)
        return rv_schema_at(
            rv_fail(err, RV_REASON_FIELD, "%s %s is declared twice", section->what, section->list[twice]->name), err,
            section->list[twice]->name);
    return RV_OK;
}

static rv_status_t check_keys(const Reveille__V1__Schema *schema, rv_error_t *err) {
    const char *names[] = {schema->contact_key, schema->company_key, schema->event_id};
    static const char *const WHAT[] = {"the key of contacts", "the key of companies", "the id of events"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(names[i]);
        if (n > RV_MAX_NAME || (n > 0 && !rv_utf8_valid(names[i], n)))
            return rv_fail(err, RV_REASON_FIELD, "the name of %s must be valid UTF-8 of at most %u bytes", WHAT[i],
                           RV_MAX_NAME);
    }
    if (schema->contact_key[0] == '\0')
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD, "the schema does not name the key of contacts"), err,
                            "contact.key");
    if (schema->n_company_attributes > 0 && schema->company_key[0] == '\0')
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD,
                                    "the schema has attributes of companies, but does not name "
                                    "the key of companies"),
                            err, "company.key");
    return RV_OK;
}

/* The attribute `created`, and the one of type company. */
static rv_status_t check_contact_roles(const Reveille__V1__Schema *schema, const rv_names_t *names, rv_error_t *err) {
    const attribute_t *company = NULL;
    for (size_t i = 0; i < schema->n_contact_attributes; i++) {
        const attribute_t *attribute = schema->contact_attributes[i];
        if (attribute->type != RV_COMPANY)
            continue;
        if (company != NULL)
            return rv_schema_at(rv_fail(err, RV_REASON_FIELD,
                                        "contact attributes %s and %s are both of type company; "
                                        "only one may be",
                                        company->name, attribute->name),
                                err, attribute->name);
        company = attribute;
    }
    if (company != NULL && schema->company_key[0] == '\0')
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD,
                                    "contact attribute %s is of type company, but the schema "
                                    "does not name the key of companies",
                                    company->name),
                            err, company->name);
    const char *created = schema->contact_created;
    if (created[0] == '\0')
        return RV_OK;
    size_t at = rv_names_find(names, created, strlen(created));
    if (at == names->n)
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD, "contact.created does not name a contact attribute"), err,
                            "contact.created");
    Reveille__V1__ValueType type = schema->contact_attributes[at]->type;
    if (type != RV_TIME && type != RV_DATE)
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD,
                                    "contact.created names %s of type %s; it must be a time or a "
                                    "date",
                                    created, rv_schema_type_name(type)),
                            err, created);
    return RV_OK;
}

static rv_status_t check_event_type(const Reveille__V1__EventType *type, size_t at, const rv_names_t *properties,
                                    rv_error_t *err) {
    rv_status_t status = check_name("event type", at, type->name, err);
    if (status != RV_OK)
        return status;
    size_t n = strlen(type->channel);
    if (n > RV_MAX_NAME || (n > 0 && !rv_utf8_valid(type->channel, n)))
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD,
                                    "the channel of event type %s must be valid UTF-8 of at most "
                                    "%u bytes",
                                    type->name, RV_MAX_NAME),
                            err, type->name);
    status = check_count("properties of one event type", type->n_properties, RV_MAX_PROPERTIES, err);
    for (size_t i = 0; status == RV_OK && i < type->n_properties; i++)
        if (rv_names_find(properties, type->properties[i], strlen(type->properties[i])) == properties->n)
            status = rv_fail(err, RV_REASON_FIELD,
                             "property number %zu of event type %s is not among the event properties of the schema",
                             i + 1, type->name);
    return status == RV_OK ? status : rv_schema_at(status, err, type->name);
}

static rv_status_t check_group(const Reveille__V1__EventGroup *group, size_t at, const rv_names_t *types,
                               rv_error_t *err) {
    rv_status_t status = check_name("event group", at, group->name, err);
    if (status != RV_OK)
        return status;
    status = check_count("types of one event group", group->n_types, RV_MAX_TYPES, err);
    if (status == RV_OK && rv_names_find(types, group->name, strlen(group->name)) < types->n)
        status = rv_fail(err, RV_REASON_FIELD, "%s is the name of an event type and of an event group", group->name);
    for (size_t i = 0; status == RV_OK && i < group->n_types; i++)
        if (rv_names_find(types, group->types[i], strlen(group->types[i])) == types->n)
            status = rv_fail(err, RV_REASON_FIELD,
                             "member number %zu of event group %s is not among the event types of the schema", i + 1,
                             group->name);
    return status == RV_OK ? status : rv_schema_at(status, err, group->name);
}

static rv_status_t check_events(const Reveille__V1__Schema *schema, const rv_names_t *properties, rv_arena_t *scratch,
                                rv_error_t *err) {
    rv_names_t types, groups;
    rv_status_t status = check_count("event types", schema->n_event_types, RV_MAX_TYPES, err);
    if (status == RV_OK)
        status = check_count("event groups", schema->n_event_groups, RV_MAX_TYPES, err);
    if (status != RV_OK)
        return status;
    if (!rv_names_init(&types, schema->n_event_types, scratch) ||
        !rv_names_init(&groups, schema->n_event_groups, scratch))
        return rv_fail_memory(err, "a schema");
    for (size_t i = 0; i < schema->n_event_types; i++) {
        if ((status = check_event_type(schema->event_types[i], i, properties, err)) != RV_OK)
            return status;
        rv_names_set(&types, i, schema->event_types[i]->name);
    }
    size_t twice = rv_names_sort(&types);
    if (twice < types.n) {
        const char *name = schema->event_types[twice]->name;
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD, "event type %s is declared twice", name), err, name);
    }
    for (size_t i = 0; i < schema->n_event_groups; i++) {
        if ((status = check_group(schema->event_groups[i], i, &types, err)) != RV_OK)
            return status;
        rv_names_set(&groups, i, schema->event_groups[i]->name);
    }
    twice = rv_names_sort(&groups);
    if (twice < groups.n) {
        const char *name = schema->event_groups[twice]->name;
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD, "event group %s is declared twice", name), err, name);
    }
    return RV_OK;
}

rv_status_t rv_schema_check(const Reveille__V1__Schema *schema, rv_arena_t *scratch, rv_error_t *err) {
    section_t sections[SECTIONS];
    rv_names_t names[SECTIONS];
    sections_of(schema, sections);
    rv_status_t status = check_keys(schema, err);
    for (size_t i = 0; status == RV_OK && i < SECTIONS; i++)
        status = check_section(&sections[i], &names[i], scratch, err);
    if (status == RV_OK)
        status = check_contact_roles(schema, &names[0], err);
    if (status == RV_OK)
        status = check_events(schema, &names[2], scratch, err);
    if (status == RV_OK && schema->kept_since_case != REVEILLE__V1__SCHEMA__KEPT_SINCE__NOT_SET &&
        (schema->kept_since_ms < RV_TIME_MIN || schema->kept_since_ms > RV_TIME_MAX))
        status = rv_schema_at(rv_fail(err, RV_REASON_FIELD, "event.kept_since must lie between 1970 and 2105"), err,
                              "event.kept_since");
    return status;
}

static const char *const RESERVED[] = {"and",    "or",   "not",      "in",      "is",   "between", "contains",
                                       "starts", "ends", "like",     "matches", "has",  "where",   "within",
                                       "from",   "to",   "followed", "then",    "with", "of",      "now",
                                       "ago",    "true", "false",    "asc",     "desc"};
static const char *const BUILT_IN[] = {"type",  "channel", "at",      "day",    "week",
                                       "month", "hour",    "weekday", "source", "id"};

static bool is_reserved(const char *name) {
    for (size_t i = 0; i < sizeof RESERVED / sizeof RESERVED[0]; i++)
        if (strcasecmp(name, RESERVED[i]) == 0)
            return true;
    return false;
}

static bool is_built_in(const char *name) {
    for (size_t i = 0; i < sizeof BUILT_IN / sizeof BUILT_IN[0]; i++)
        if (strcmp(name, BUILT_IN[i]) == 0)
            return true;
    return false;
}

/* What no name of any kind may be; `contact`, `consent` and `company` lead paths of the language. */
static rv_status_t check_word(const char *what, const char *name, bool company, rv_error_t *err) {
    rv_status_t status = RV_OK;
    if (is_reserved(name))
        status = rv_fail(err, RV_REASON_FIELD, "%s %s: this word is reserved by the filter language; choose another",
                         what, name);
    else if (strcmp(name, "contact") == 0 || strcmp(name, "consent") == 0)
        status = rv_fail(err, RV_REASON_FIELD, "%s %s: this name has a meaning of its own in filters; choose another",
                         what, name);
    else if (strcmp(name, "company") == 0 && !company)
        status = rv_fail(err, RV_REASON_FIELD,
                         "%s company: only the contact attribute of type company may have this "
                         "name",
                         what);
    return status == RV_OK ? status : rv_schema_at(status, err, name);
}

static rv_status_t check_key_words(const Reveille__V1__Schema *schema, rv_error_t *err) {
    const char *names[] = {schema->contact_key, schema->company_key, schema->event_id};
    for (size_t i = 0; i < 3; i++)
        if (is_reserved(names[i]))
            return rv_schema_at(rv_fail(err, RV_REASON_FIELD,
                                        "key %s: this word is reserved by the filter language; "
                                        "choose another",
                                        names[i]),
                                err, names[i]);
    if (strcmp(schema->contact_key, "company") == 0 || strcmp(schema->contact_key, "consent") == 0)
        return rv_schema_at(rv_fail(err, RV_REASON_FIELD,
                                    "the key of contacts cannot have the name %s: it has a "
                                    "meaning of its own in filters",
                                    schema->contact_key),
                            err, schema->contact_key);
    static const char *const COLUMNS[] = {"contact", "at", "type", "channel", "source"};
    for (size_t i = 0; i < sizeof COLUMNS / sizeof COLUMNS[0]; i++)
        if (strcmp(schema->event_id, COLUMNS[i]) == 0)
            return rv_schema_at(rv_fail(err, RV_REASON_FIELD,
                                        "the id of events cannot have the name %s: another "
                                        "column of events has it",
                                        COLUMNS[i]),
                                err, COLUMNS[i]);
    return RV_OK;
}

static rv_status_t check_section_words(const section_t *section, bool properties, rv_error_t *err) {
    for (size_t i = 0; i < section->n; i++) {
        const attribute_t *attribute = section->list[i];
        rv_status_t status = check_word(section->what, attribute->name, attribute->type == RV_COMPANY, err);
        if (status == RV_OK && properties && is_built_in(attribute->name))
            status = rv_fail(err, RV_REASON_FIELD, "%s %s: every event has a field of this name; choose another",
                             section->what, attribute->name);
        if (status == RV_OK && attribute->history)
            status = rv_fail(err, RV_REASON_FEATURE,
                             "%s %s: attributes with history are not built yet; leave out "
                             "history: true",
                             section->what, attribute->name);
        if (status != RV_OK)
            return rv_schema_at(status, err, attribute->name);
    }
    return RV_OK;
}

static rv_status_t check_type_word(const char *what, const char *name, rv_error_t *err) {
    if (strcmp(name, "any") == 0)
        return rv_schema_at(
            rv_fail(err, RV_REASON_FIELD, "%s any: in filters this means every type; choose another", what), err, name);
    return check_word(what, name, false, err);
}

rv_status_t rv_schema_check_words(const Reveille__V1__Schema *schema, rv_error_t *err) {
    section_t sections[SECTIONS];
    sections_of(schema, sections);
    rv_status_t status = check_key_words(schema, err);
    for (size_t i = 0; status == RV_OK && i < SECTIONS; i++)
        status = check_section_words(&sections[i], i == 2, err);
    for (size_t i = 0; status == RV_OK && i < schema->n_event_types; i++)
        status = check_type_word("event type", schema->event_types[i]->name, err);
    for (size_t i = 0; status == RV_OK && i < schema->n_event_groups; i++)
        status = check_type_word("event group", schema->event_groups[i]->name, err);
    return status;
}

/* schema_write.c: see schema_write.h. No state. */
#include "schema_write.h"
#include "reveille/civil.h"
#include "reveille/num.h"
#include "reveille/valcodec.h"
#include "schema_read.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool plain(const char *text) {
    static const char *const WORDS[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    if (!isalpha((unsigned char)text[0]) && text[0] != '_')
        return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-' && *p != '.')
            return false;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (strcasecmp(text, WORDS[i]) == 0)
            return false;
    return true;
}

void rv_yaml_scalar(rv_out_t *out, const char *text) {
    if (plain(text)) {
        rv_out_text(out, text);
        return;
    }
    rv_json_t json; /* a JSON string is a double-quoted scalar of YAML */
    rv_json_init(&json, out);
    rv_json_text(&json, text);
}

static void attributes_yaml(rv_out_t *out, const char *indent, Reveille__V1__Attribute *const *attributes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *type = rv_type_name(attributes[i]->type);
        rv_out_text(out, indent);
        rv_yaml_scalar(out, attributes[i]->name);
        rv_out_printf(out, ": {type: %s", type ? type : "string");
        if (attributes[i]->type == RV_DECIMAL)
            rv_out_printf(out, ", scale: %u", attributes[i]->scale);
        rv_out_text(out, attributes[i]->history ? ", history: true}\n" : "}\n");
    }
}

static void names_yaml(rv_out_t *out, char *const *names, size_t n) {
    rv_out_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        rv_out_text(out, i ? ", " : "");
        rv_yaml_scalar(out, names[i]);
    }
    rv_out_char(out, ']');
}

static void types_yaml(rv_out_t *out, const Reveille__V1__Schema *schema) {
    rv_out_text(out, "  types:\n");
    for (size_t i = 0; i < schema->n_event_types; i++) {
        const Reveille__V1__EventType *type = schema->event_types[i];
        bool bare = !type->channel[0] && !type->n_properties;
        rv_out_text(out, bare ? "    - " : "    - {name: ");
        rv_yaml_scalar(out, type->name);
        if (type->channel[0]) {
            rv_out_text(out, ", channel: ");
            rv_yaml_scalar(out, type->channel);
        }
        if (type->n_properties) {
            rv_out_text(out, ", properties: ");
            names_yaml(out, type->properties, type->n_properties);
        }
        rv_out_text(out, bare ? "\n" : "}\n");
    }
}

static void key_line(rv_out_t *out, const char *key, const char *value) {
    rv_out_printf(out, "  %s: ", key);
    rv_yaml_scalar(out, value);
    rv_out_char(out, '\n');
}

static void event_yaml(rv_out_t *out, const Reveille__V1__Schema *schema) {
    char time[32];
    rv_out_text(out, "event:\n");
    if (schema->event_id[0])
        key_line(out, "id", schema->event_id);
    if (schema->n_event_properties)
        rv_out_text(out, "  properties:\n");
    attributes_yaml(out, "    ", schema->event_properties, schema->n_event_properties);
    if (schema->n_event_types)
        types_yaml(out, schema);
    if (schema->n_event_groups)
        rv_out_text(out, "  groups:\n");
    for (size_t i = 0; i < schema->n_event_groups; i++) {
        rv_out_text(out, "    ");
        rv_yaml_scalar(out, schema->event_groups[i]->name);
        rv_out_text(out, ": ");
        names_yaml(out, schema->event_groups[i]->types, schema->event_groups[i]->n_types);
        rv_out_char(out, '\n');
    }
    if (schema->kept_since_case == REVEILLE__V1__SCHEMA__KEPT_SINCE_KEPT_SINCE_MS) {
        rv_time_format(schema->kept_since_ms, time);
        rv_out_printf(out, "  kept_since: \"%s\"\n", time);
    }
}

void rv_schema_yaml(rv_out_t *out, const Reveille__V1__Schema *schema) {
    rv_out_text(out, "contact:\n");
    key_line(out, "key", schema->contact_key);
    if (schema->contact_created[0])
        key_line(out, "created", schema->contact_created);
    if (schema->n_contact_attributes)
        rv_out_text(out, "  attributes:\n");
    attributes_yaml(out, "    ", schema->contact_attributes, schema->n_contact_attributes);
    if (schema->company_key[0]) {
        rv_out_text(out, "company:\n");
        key_line(out, "key", schema->company_key);
        if (schema->n_company_attributes)
            rv_out_text(out, "  attributes:\n");
        attributes_yaml(out, "    ", schema->company_attributes, schema->n_company_attributes);
    }
    if (schema->event_id[0] || schema->n_event_types || schema->n_event_properties)
        event_yaml(out, schema);
}

void rv_scores_yaml(rv_out_t *out, Reveille__V1__ScoreModel *const *scores, size_t n) {
    char text[48];
    if (n)
        rv_out_text(out, "scores:\n");
    for (size_t i = 0; i < n; i++) {
        rv_out_text(out, "  ");
        rv_yaml_scalar(out, scores[i]->name);
        rv_duration_format((int64_t)scores[i]->half_life_ms, text);
        rv_out_printf(out, ":\n    half_life: %s\n    events: {", text);
        for (size_t k = 0; k < scores[i]->n_events; k++) {
            rv_out_text(out, k ? ", " : "");
            rv_yaml_scalar(out, scores[i]->events[k]->type);
            rv_out_text(out, ": ");
            rv_out_write(out, text, rv_double_format(scores[i]->events[k]->points, text));
        }
        rv_out_text(out, "}\n");
    }
}

static void attributes_json(rv_json_t *json, const char *name, Reveille__V1__Attribute *const *attributes, size_t n) {
    rv_json_name(json, name);
    rv_json_open(json, '{');
    for (size_t i = 0; i < n; i++) {
        const char *type = rv_type_name(attributes[i]->type);
        rv_json_name(json, attributes[i]->name);
        rv_json_open(json, '{');
        rv_json_name(json, "type");
        rv_json_text(json, type ? type : "");
        if (attributes[i]->type == RV_DECIMAL) {
            rv_json_name(json, "scale");
            rv_json_uint(json, attributes[i]->scale);
        }
        rv_json_close(json, '}');
    }
    rv_json_close(json, '}');
}

static void names_json(rv_json_t *json, const char *name, char *const *names, size_t n) {
    rv_json_name(json, name);
    rv_json_open(json, '[');
    for (size_t i = 0; i < n; i++)
        rv_json_text(json, names[i]);
    rv_json_close(json, ']');
}

static void text_json(rv_json_t *json, const char *name, const char *text) {
    rv_json_name(json, name);
    if (text[0])
        rv_json_text(json, text);
    else
        rv_json_null(json);
}

static void event_json(rv_json_t *json, const Reveille__V1__Schema *schema) {
    char time[32];
    rv_json_name(json, "event");
    rv_json_open(json, '{');
    text_json(json, "id", schema->event_id);
    attributes_json(json, "properties", schema->event_properties, schema->n_event_properties);
    rv_json_name(json, "types");
    rv_json_open(json, '[');
    for (size_t i = 0; i < schema->n_event_types; i++) {
        rv_json_open(json, '{');
        text_json(json, "name", schema->event_types[i]->name);
        text_json(json, "channel", schema->event_types[i]->channel);
        names_json(json, "properties", schema->event_types[i]->properties, schema->event_types[i]->n_properties);
        rv_json_close(json, '}');
    }
    rv_json_close(json, ']');
    rv_json_name(json, "groups");
    rv_json_open(json, '{');
    for (size_t i = 0; i < schema->n_event_groups; i++)
        names_json(json, schema->event_groups[i]->name, schema->event_groups[i]->types,
                   schema->event_groups[i]->n_types);
    rv_json_close(json, '}');
    bool kept = schema->kept_since_case == REVEILLE__V1__SCHEMA__KEPT_SINCE_KEPT_SINCE_MS;
    if (kept)
        rv_time_format(schema->kept_since_ms, time);
    text_json(json, "kept_since", kept ? time : "");
    rv_json_close(json, '}');
}

void rv_schema_json(rv_json_t *json, const Reveille__V1__Schema *schema) {
    rv_json_name(json, "version");
    rv_json_uint(json, schema->version);
    rv_json_name(json, "contact");
    rv_json_open(json, '{');
    text_json(json, "key", schema->contact_key);
    text_json(json, "created", schema->contact_created);
    attributes_json(json, "attributes", schema->contact_attributes, schema->n_contact_attributes);
    rv_json_close(json, '}');
    rv_json_name(json, "company");
    rv_json_open(json, '{');
    text_json(json, "key", schema->company_key);
    attributes_json(json, "attributes", schema->company_attributes, schema->n_company_attributes);
    rv_json_close(json, '}');
    event_json(json, schema);
}

void rv_scores_json(rv_json_t *json, Reveille__V1__ScoreModel *const *scores, size_t n) {
    char text[48];
    rv_json_name(json, "scores");
    rv_json_open(json, '{');
    for (size_t i = 0; i < n; i++) {
        rv_json_name(json, scores[i]->name);
        rv_json_open(json, '{');
        rv_json_name(json, "version");
        rv_json_uint(json, scores[i]->version);
        rv_json_name(json, "half_life");
        rv_json_string(json, text, rv_duration_format((int64_t)scores[i]->half_life_ms, text));
        rv_json_name(json, "events");
        rv_json_open(json, '{');
        for (size_t k = 0; k < scores[i]->n_events; k++) {
            rv_json_name(json, scores[i]->events[k]->type);
            rv_json_double(json, scores[i]->events[k]->points);
        }
        rv_json_close(json, '}');
        rv_json_close(json, '}');
    }
    rv_json_close(json, '}');
}

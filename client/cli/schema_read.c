/* schema_read.c: walks the document as the data model describes it. Depth is fixed by that description. Names are only
 * copied here; what names may be is the coordinator's to check. No state. */
#include "schema_read.h"
#include "reveille/civil.h"
#include "reveille/limits.h"
#include "reveille/valcodec.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    rv_type_t type;
} TYPES[] = {{"string", RV_STRING},   {"int", RV_INT},   {"double", RV_DOUBLE},
             {"decimal", RV_DECIMAL}, {"bool", RV_BOOL}, {"time", RV_TIME},
             {"date", RV_DATE},       {"set", RV_SET},   {"company", RV_COMPANY}};
#define TYPES_N (sizeof TYPES / sizeof TYPES[0])

const char *rv_type_name(Reveille__V1__ValueType type) {
    for (size_t i = 0; i < TYPES_N; i++)
        if (TYPES[i].type == type)
            return TYPES[i].name;
    return NULL;
}

typedef struct {
    rv_yaml_t *yaml;
    rv_arena_t *arena;
    rv_error_t *err;
} reader_t;

static rv_status_t text(const reader_t *r, const rv_node_t *node, const char *what, char **ret) {
    rv_str_t scalar;
    if (!rv_node_scalar(r->yaml, node, &scalar) || rv_node_null(r->yaml, node) || scalar.n == 0)
        return rv_node_fail(r->yaml, node, r->err, "%s must be a name", what);
    *ret = rv_arena_strndup(r->arena, scalar.p, scalar.n);
    return *ret ? RV_OK : rv_fail_memory(r->err, "a schema");
}

static rv_status_t flag(const reader_t *r, const rv_node_t *node, const char *what, bool *ret) {
    rv_str_t scalar;
    if (!rv_node_scalar(r->yaml, node, &scalar) ||
        ((scalar.n != 4 || memcmp(scalar.p, "true", 4) != 0) && (scalar.n != 5 || memcmp(scalar.p, "false", 5) != 0)))
        return rv_node_fail(r->yaml, node, r->err, "%s is true or false", what);
    *ret = scalar.n == 4;
    return RV_OK;
}

static rv_status_t attribute_type(const reader_t *r, const rv_node_t *node, Reveille__V1__ValueType *ret) {
    const char *names[TYPES_N];
    rv_str_t name;
    if (!rv_node_scalar(r->yaml, node, &name))
        return rv_node_fail(r->yaml, node, r->err,
                            "a type is string, int, double, decimal, bool, time, date, set or company");
    for (size_t i = 0; i < TYPES_N; i++) {
        names[i] = TYPES[i].name;
        if (rv_str_equal(name, (rv_str_t){names[i], (uint32_t)strlen(names[i])})) {
            *ret = TYPES[i].type;
            return RV_OK;
        }
    }
    const char *nearest = rv_nearest(name.p, name.n, names, TYPES_N);
    return rv_node_fail(r->yaml, node, r->err, "unknown type '%.*s', %s%s%s", (int)name.n, name.p,
                        nearest ? "did you mean '"
                                : "types are string, int, double, decimal, bool, time, date, set, company",
                        nearest ? nearest : "", nearest ? "'?" : "");
}

static rv_status_t attribute(const reader_t *r, rv_str_t name, const rv_node_t *key, const rv_node_t *node,
                             Reveille__V1__Attribute **ret) {
    static const char *const KEYS[] = {"type", "scale", "history", NULL};
    if (rv_node_get(r->yaml, node, "alias"))
        return rv_fail(r->err, RV_REASON_FEATURE, "'%.*s': renaming with an alias is not built yet", (int)name.n,
                       name.p);
    Reveille__V1__Attribute *a = rv_arena_alloc(r->arena, sizeof *a);
    rv_status_t status =
        a ? rv_node_keys(r->yaml, node, "an attribute", KEYS, r->err) : rv_fail_memory(r->err, "a schema");
    if (status != RV_OK)
        return status;
    reveille__v1__attribute__init(a);
    if (!rv_node_get(r->yaml, node, "type"))
        return rv_node_fail(r->yaml, key, r->err, "'%.*s' has no type", (int)name.n, name.p);
    status = attribute_type(r, rv_node_get(r->yaml, node, "type"), &a->type);
    const rv_node_t *scale = rv_node_get(r->yaml, node, "scale"), *history = rv_node_get(r->yaml, node, "history");
    rv_str_t digits;
    if (status == RV_OK && a->type == RV_DECIMAL)
        a->scale = 4;
    if (status == RV_OK && scale) {
        if (a->type != RV_DECIMAL)
            return rv_node_fail(r->yaml, scale, r->err, "only a decimal has a scale");
        if (!rv_node_scalar(r->yaml, scale, &digits) || digits.n < 1 || digits.n > 2 ||
            strspn(digits.p, "0123456789") < digits.n || strtoul(digits.p, NULL, 10) > RV_MAX_SCALE)
            return rv_node_fail(r->yaml, scale, r->err, "a scale is a whole number from 0 to %u", RV_MAX_SCALE);
        a->scale = (uint32_t)strtoul(digits.p, NULL, 10);
    }
    bool kept = false;
    if (status == RV_OK && history)
        status = flag(r, history, "history", &kept);
    a->history = kept;
    a->name = rv_arena_strndup(r->arena, name.p, name.n);
    *ret = a;
    return status == RV_OK && !a->name ? rv_fail_memory(r->err, "a schema") : status;
}

static rv_status_t attributes(const reader_t *r, const rv_node_t *node, const char *what,
                              Reveille__V1__Attribute ***ret, size_t *ret_n) {
    if (!node || rv_node_null(r->yaml, node))
        return RV_OK;
    if (!rv_node_is_map(node))
        return rv_node_fail(r->yaml, node, r->err, "%s must be a mapping of names to {type: ...}", what);
    size_t n = rv_node_count(node);
    *ret = rv_arena_alloc(r->arena, (n + 1) * sizeof **ret);
    rv_status_t status = *ret ? RV_OK : rv_fail_memory(r->err, "a schema");
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        rv_str_t name;
        const rv_node_t *key, *value;
        rv_node_pair(r->yaml, node, i, &name, &key, &value);
        status = attribute(r, name, key, value, &(*ret)[i]);
        *ret_n = i + 1;
    }
    return status;
}

static rv_status_t names(const reader_t *r, const rv_node_t *node, const char *what, char ***ret, size_t *ret_n) {
    if (!rv_node_is_list(node))
        return rv_node_fail(r->yaml, node, r->err, "%s must be a list of names", what);
    size_t n = rv_node_count(node);
    *ret = rv_arena_alloc(r->arena, (n + 1) * sizeof **ret);
    rv_status_t status = *ret ? RV_OK : rv_fail_memory(r->err, "a schema");
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        status = text(r, rv_node_element(r->yaml, node, i), what, &(*ret)[i]);
        *ret_n = i + 1;
    }
    return status;
}

static rv_status_t event_type(const reader_t *r, const rv_node_t *node, Reveille__V1__EventType **ret) {
    static const char *const KEYS[] = {"name", "channel", "properties", NULL};
    Reveille__V1__EventType *type = rv_arena_alloc(r->arena, sizeof *type);
    if (!type)
        return rv_fail_memory(r->err, "a schema");
    reveille__v1__event_type__init(type);
    *ret = type;
    if (!rv_node_is_map(node))
        return text(r, node, "a type", &type->name);
    rv_status_t status = rv_node_keys(r->yaml, node, "a type", KEYS, r->err);
    const rv_node_t *channel = rv_node_get(r->yaml, node, "channel"), *list = rv_node_get(r->yaml, node, "properties");
    const rv_node_t *name = rv_node_get(r->yaml, node, "name");
    if (status == RV_OK && !name)
        return rv_node_fail(r->yaml, node, r->err, "the type has no name");
    if (status == RV_OK)
        status = text(r, name, "name", &type->name);
    if (status == RV_OK && channel)
        status = text(r, channel, "channel", &type->channel);
    if (status == RV_OK && list)
        status = names(r, list, "properties", &type->properties, &type->n_properties);
    return status;
}

static rv_status_t groups(const reader_t *r, const rv_node_t *node, Reveille__V1__Schema *schema) {
    if (!rv_node_is_map(node))
        return rv_node_fail(r->yaml, node, r->err, "groups must be a mapping of names to lists of types");
    size_t n = rv_node_count(node);
    schema->event_groups = rv_arena_alloc(r->arena, (n + 1) * sizeof *schema->event_groups);
    rv_status_t status = schema->event_groups ? RV_OK : rv_fail_memory(r->err, "a schema");
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        Reveille__V1__EventGroup *group = rv_arena_alloc(r->arena, sizeof *group);
        rv_str_t name;
        const rv_node_t *key, *value;
        if (!group)
            return rv_fail_memory(r->err, "a schema");
        reveille__v1__event_group__init(group);
        rv_node_pair(r->yaml, node, i, &name, &key, &value);
        group->name = rv_arena_strndup(r->arena, name.p, name.n);
        status = group->name ? names(r, value, "a group", &group->types, &group->n_types)
                             : rv_fail_memory(r->err, "a schema");
        schema->event_groups[schema->n_event_groups++] = group;
    }
    return status;
}

static rv_status_t kept_since(const reader_t *r, const rv_node_t *node, Reveille__V1__Schema *schema) {
    rv_str_t scalar;
    int64_t ms;
    if (rv_node_null(r->yaml, node))
        return RV_OK;
    if (!rv_node_scalar(r->yaml, node, &scalar) || !rv_time_parse(scalar.p, scalar.n, true, &ms))
        return rv_node_fail(r->yaml, node, r->err, "kept_since is an instant like 2020-01-01T00:00:00Z, or null");
    schema->kept_since_case = REVEILLE__V1__SCHEMA__KEPT_SINCE_KEPT_SINCE_MS;
    schema->kept_since_ms = ms;
    return RV_OK;
}

static rv_status_t event_part(const reader_t *r, const rv_node_t *node, Reveille__V1__Schema *schema) {
    static const char *const KEYS[] = {"id", "properties", "types", "groups", "kept_since", NULL};
    rv_status_t status = rv_node_keys(r->yaml, node, "event", KEYS, r->err);
    if (status == RV_OK && rv_node_get(r->yaml, node, "id"))
        status = text(r, rv_node_get(r->yaml, node, "id"), "id", &schema->event_id);
    if (status == RV_OK)
        status = attributes(r, rv_node_get(r->yaml, node, "properties"), "properties", &schema->event_properties,
                            &schema->n_event_properties);
    const rv_node_t *types = rv_node_get(r->yaml, node, "types");
    if (status == RV_OK && types && !rv_node_is_list(types))
        return rv_node_fail(r->yaml, types, r->err, "types must be a list");
    size_t n = types ? rv_node_count(types) : 0;
    schema->event_types = rv_arena_alloc(r->arena, (n + 1) * sizeof *schema->event_types);
    if (!schema->event_types)
        return rv_fail_memory(r->err, "a schema");
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        status = event_type(r, rv_node_element(r->yaml, types, i), &schema->event_types[i]);
        schema->n_event_types = i + 1;
    }
    if (status == RV_OK && rv_node_get(r->yaml, node, "groups") &&
        !rv_node_null(r->yaml, rv_node_get(r->yaml, node, "groups")))
        status = groups(r, rv_node_get(r->yaml, node, "groups"), schema);
    if (status == RV_OK && rv_node_get(r->yaml, node, "kept_since"))
        status = kept_since(r, rv_node_get(r->yaml, node, "kept_since"), schema);
    return status;
}

static rv_status_t contact_part(const reader_t *r, const rv_node_t *node, Reveille__V1__Schema *schema) {
    static const char *const KEYS[] = {"key", "created", "attributes", NULL};
    rv_status_t status = rv_node_keys(r->yaml, node, "contact", KEYS, r->err);
    const rv_node_t *created = rv_node_get(r->yaml, node, "created");
    if (status == RV_OK && !rv_node_get(r->yaml, node, "key"))
        return rv_node_fail(r->yaml, node, r->err, "contact has no key");
    if (status == RV_OK)
        status = text(r, rv_node_get(r->yaml, node, "key"), "key", &schema->contact_key);
    if (status == RV_OK && created && !rv_node_null(r->yaml, created))
        status = text(r, created, "created", &schema->contact_created);
    if (status == RV_OK)
        status = attributes(r, rv_node_get(r->yaml, node, "attributes"), "attributes", &schema->contact_attributes,
                            &schema->n_contact_attributes);
    return status;
}

static rv_status_t company_part(const reader_t *r, const rv_node_t *node, Reveille__V1__Schema *schema) {
    static const char *const KEYS[] = {"key", "attributes", NULL};
    rv_status_t status = rv_node_keys(r->yaml, node, "company", KEYS, r->err);
    if (status == RV_OK && !rv_node_get(r->yaml, node, "key"))
        return rv_node_fail(r->yaml, node, r->err, "company has no key");
    if (status == RV_OK)
        status = text(r, rv_node_get(r->yaml, node, "key"), "key", &schema->company_key);
    if (status == RV_OK)
        status = attributes(r, rv_node_get(r->yaml, node, "attributes"), "attributes", &schema->company_attributes,
                            &schema->n_company_attributes);
    return status;
}

static rv_status_t points(const reader_t *r, const rv_node_t *node, double *ret) {
    rv_str_t scalar;
    char *end = NULL;
    char copy[64];
    if (rv_node_scalar(r->yaml, node, &scalar) && scalar.n > 0 && scalar.n < sizeof copy &&
        strspn(scalar.p, "+-.0123456789eE") >= scalar.n) {
        memcpy(copy, scalar.p, scalar.n);
        copy[scalar.n] = 0;
        errno = 0;
        *ret = strtod(copy, &end);
    }
    if (!end || *end || errno == ERANGE)
        return rv_node_fail(r->yaml, node, r->err, "points are a number");
    return RV_OK;
}

/* A duration of the filter language, or whole milliseconds, which is how shorter steps are written. */
static bool half_life(rv_str_t text, int64_t *ret) {
    char *end;
    if (text.n > 3 && memcmp(text.p + text.n - 3, " ms", 3) == 0 && text.p[0] >= '0' && text.p[0] <= '9') {
        errno = 0;
        *ret = strtoll(text.p, &end, 10);
        return end == text.p + text.n - 3 && errno == 0 && *ret > 0;
    }
    return rv_duration_parse(text.p, text.n, ret) && *ret > 0;
}

static rv_status_t score(const reader_t *r, rv_str_t name, const rv_node_t *key, const rv_node_t *node,
                         Reveille__V1__ScoreModel **ret) {
    static const char *const KEYS[] = {"half_life", "events", NULL};
    Reveille__V1__ScoreModel *model = rv_arena_alloc(r->arena, sizeof *model);
    rv_status_t status =
        model ? rv_node_keys(r->yaml, node, "a score", KEYS, r->err) : rv_fail_memory(r->err, "a score");
    if (status != RV_OK)
        return status;
    reveille__v1__score_model__init(model);
    model->name = rv_arena_strndup(r->arena, name.p, name.n);
    const rv_node_t *half = rv_node_get(r->yaml, node, "half_life"), *events = rv_node_get(r->yaml, node, "events");
    rv_str_t duration;
    int64_t ms;
    if (!rv_node_scalar(r->yaml, half, &duration) || !half_life(duration, &ms))
        return rv_node_fail(r->yaml, half ? half : key, r->err, "half_life is a duration like 30 days");
    if (!rv_node_is_map(events))
        return rv_node_fail(r->yaml, events ? events : key, r->err, "events must be a mapping of types to points");
    size_t n = rv_node_count(events);
    model->half_life_ms = (uint64_t)ms;
    model->events = rv_arena_alloc(r->arena, (n + 1) * sizeof *model->events);
    if (!model->name || !model->events)
        return rv_fail_memory(r->err, "a score");
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        Reveille__V1__ScorePoints *p = rv_arena_alloc(r->arena, sizeof *p);
        rv_str_t type;
        const rv_node_t *type_node, *value;
        if (!p)
            return rv_fail_memory(r->err, "a score");
        reveille__v1__score_points__init(p);
        rv_node_pair(r->yaml, events, i, &type, &type_node, &value);
        p->type = rv_arena_strndup(r->arena, type.p, type.n);
        status = p->type ? points(r, value, &p->points) : rv_fail_memory(r->err, "a score");
        model->events[model->n_events++] = p;
    }
    *ret = model;
    return status;
}

static rv_status_t scores(const reader_t *r, const rv_node_t *node, Reveille__V1__ScoreModel ***ret, size_t *ret_n) {
    if (!rv_node_is_map(node))
        return rv_node_fail(r->yaml, node, r->err,
                            "scores must be a mapping of names to {half_life: ..., events: {...}}");
    size_t n = rv_node_count(node);
    *ret = rv_arena_alloc(r->arena, (n + 1) * sizeof **ret);
    rv_status_t status = *ret ? RV_OK : rv_fail_memory(r->err, "a score");
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        rv_str_t name;
        const rv_node_t *key, *value;
        rv_node_pair(r->yaml, node, i, &name, &key, &value);
        status = score(r, name, key, value, &(*ret)[i]);
        *ret_n = i + 1;
    }
    return status;
}

rv_status_t rv_schema_read(rv_yaml_t *yaml, rv_arena_t *arena, Reveille__V1__ApplyRequest *ret, rv_error_t *err) {
    static const char *const KEYS[] = {"contact", "company", "event", "scores", NULL};
    reader_t r = {yaml, arena, err};
    const rv_node_t *root = rv_yaml_root(yaml);
    if (!root)
        return rv_node_fail(yaml, NULL, err, "the file is empty where a schema is expected");
    rv_status_t status = rv_node_keys(yaml, root, "a schema", KEYS, err);
    Reveille__V1__Schema *schema = rv_arena_alloc(arena, sizeof *schema);
    if (status != RV_OK || !schema)
        return schema ? status : rv_fail_memory(err, "a schema");
    reveille__v1__schema__init(schema);
    const rv_node_t *contact = rv_node_get(yaml, root, "contact"), *company = rv_node_get(yaml, root, "company");
    const rv_node_t *event = rv_node_get(yaml, root, "event"), *models = rv_node_get(yaml, root, "scores");
    if (!contact)
        return rv_node_fail(yaml, root, err, "a schema has a part `contact`");
    status = contact_part(&r, contact, schema);
    if (status == RV_OK && company)
        status = company_part(&r, company, schema);
    if (status == RV_OK && event)
        status = event_part(&r, event, schema);
    if (status == RV_OK && models && !rv_node_null(yaml, models))
        status = scores(&r, models, &ret->scores, &ret->n_scores);
    ret->schema = schema;
    return status;
}

rv_status_t rv_scores_read(rv_yaml_t *yaml, rv_arena_t *arena, Reveille__V1__ScoreModel ***ret, size_t *ret_n,
                           rv_error_t *err) {
    reader_t r = {yaml, arena, err};
    const rv_node_t *root = rv_yaml_root(yaml);
    if (!root)
        return rv_node_fail(yaml, NULL, err, "the file is empty where scores are expected");
    const rv_node_t *inner = rv_node_get(yaml, root, "scores");
    return scores(&r, inner ? inner : root, ret, ret_n);
}

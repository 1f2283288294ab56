// engine_catalog.c - schema, score models, segments and parameters of a case, as the messages that define them.
//
// Structure: one function for each list of the schema; the real rv_schema_apply gives the numbers.
#include "engine_internal.h"

#include <string.h>

static char *text(const char *s) {
    return (char *)(uintptr_t)s; // messages are not const; nobody writes to it
}

// An array of n pointers to messages that follow each other.
static void *pointers(rvm_arena_t *arena, void *first, size_t n, size_t size) {
    void **list = rvm_alloc(arena, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        list[i] = (char *)first + i * size;
    }
    return list;
}

rv_type_t rvm_wire_type(rvm_type_t type) {
    static const rv_type_t types[] = {
        [RVM_BOOL] = RV_BOOL,     [RVM_INT] = RV_INT,         [RVM_DECIMAL] = RV_DECIMAL, [RVM_DOUBLE] = RV_DOUBLE,
        [RVM_STRING] = RV_STRING, [RVM_TIME] = RV_TIME,       [RVM_DATE] = RV_DATE,       [RVM_DURATION] = RV_DURATION,
        [RVM_SET] = RV_SET,       [RVM_COMPANY] = RV_COMPANY,
    };
    return types[type];
}

static Reveille__V1__Attribute **attributes(rvm_arena_t *arena, const rvm_field_t *fields, int n) {
    Reveille__V1__Attribute *made = rvm_alloc(arena, (size_t)(n + 1) * sizeof *made);
    for (int i = 0; i < n; i++) {
        reveille__v1__attribute__init(&made[i]);
        made[i].name = text(fields[i].name);
        made[i].type = rvm_wire_type(fields[i].type);
        made[i].scale = fields[i].type == RVM_DECIMAL ? (uint32_t)fields[i].scale : 0;
    }
    return pointers(arena, made, (size_t)n, sizeof *made);
}

static void add_types(const rvm_schema_t *schema, rvm_arena_t *arena, Reveille__V1__Schema *message) {
    size_t n = (size_t)schema->n_types;
    Reveille__V1__EventType *types = rvm_alloc(arena, n * sizeof *types);
    for (size_t t = 0; t < n; t++) {
        reveille__v1__event_type__init(&types[t]);
        types[t].name = text(schema->types[t].name);
        types[t].properties = rvm_alloc(arena, (size_t)(schema->n_properties + 1) * sizeof(char *));
        for (int p = 0; p < schema->n_properties; p++) {
            if ((schema->types[t].properties >> p & 1) != 0) {
                types[t].properties[types[t].n_properties++] = text(schema->properties[p].name);
            }
        }
    }
    message->n_event_types = n;
    message->event_types = pointers(arena, types, n, sizeof *types);
    Reveille__V1__EventGroup *groups = rvm_alloc(arena, (size_t)(schema->n_groups + 1) * sizeof *groups);
    for (int i = 0; i < schema->n_groups; i++) {
        reveille__v1__event_group__init(&groups[i]);
        groups[i].name = text(schema->groups[i].name);
        groups[i].types = rvm_alloc(arena, n * sizeof(char *));
        for (size_t t = 0; t < n; t++) {
            if ((schema->groups[i].types >> t & 1) != 0) {
                groups[i].types[groups[i].n_types++] = text(schema->types[t].name);
            }
        }
    }
    message->n_event_groups = (size_t)schema->n_groups;
    message->event_groups = pointers(arena, groups, (size_t)schema->n_groups, sizeof *groups);
}

static Reveille__V1__Schema *wanted_schema(const rvm_schema_t *schema, rvm_arena_t *arena) {
    Reveille__V1__Schema *message = rvm_alloc(arena, sizeof *message);
    reveille__v1__schema__init(message);
    message->contact_key = text(schema->contact_key);
    message->company_key = text(schema->company_key);
    message->event_id = text(schema->event_id);
    if (schema->created >= 0) {
        message->contact_created = text(schema->attributes[schema->created].name);
    }
    message->n_contact_attributes = (size_t)schema->n_attributes;
    message->contact_attributes = attributes(arena, schema->attributes, schema->n_attributes);
    message->n_company_attributes = (size_t)schema->n_company_attributes;
    message->company_attributes = attributes(arena, schema->company_attributes, schema->n_company_attributes);
    message->n_event_properties = (size_t)schema->n_properties;
    message->event_properties = attributes(arena, schema->properties, schema->n_properties);
    add_types(schema, arena, message);
    return message;
}

static void add_models(const rvm_schema_t *schema, rvm_arena_t *arena, Reveille__V1__Catalog *catalog) {
    size_t n = (size_t)schema->n_models;
    Reveille__V1__ScoreModel *models = rvm_alloc(arena, (n + 1) * sizeof *models);
    for (size_t m = 0; m < n; m++) {
        const rvm_score_model_t *from = &schema->models[m];
        Reveille__V1__ScorePoints *points = rvm_alloc(arena, (size_t)schema->n_types * sizeof *points);
        reveille__v1__score_model__init(&models[m]);
        models[m].name = text(from->name);
        models[m].version = 1;
        models[m].half_life_ms = (uint64_t)from->half_life;
        for (int t = 0; t < schema->n_types; t++) {
            if ((from->types >> t & 1) != 0) {
                Reveille__V1__ScorePoints *point = &points[models[m].n_events++];
                reveille__v1__score_points__init(point);
                point->type = text(schema->types[t].name);
                point->points = from->points[t];
            }
        }
        models[m].events = pointers(arena, points, models[m].n_events, sizeof *points);
    }
    catalog->n_scores = n;
    catalog->scores = pointers(arena, models, n, sizeof *models);
}

static void add_segments(const rvm_case_t *one, rvm_arena_t *arena, Reveille__V1__Catalog *catalog) {
    size_t n = (size_t)one->n_segments;
    Reveille__V1__Segment *segments = rvm_alloc(arena, (n + 1) * sizeof *segments);
    for (size_t i = 0; i < n; i++) {
        reveille__v1__segment__init(&segments[i]);
        segments[i].name = text(one->segments[i].name);
        segments[i].filter = text(one->segments[i].text);
        segments[i].version = 1;
    }
    catalog->n_segments = n;
    catalog->segments = pointers(arena, segments, n, sizeof *segments);
}

rv_status_t rvm_catalog_make(const rvm_case_t *one, rvm_arena_t *arena, rv_catalog_t **ret, rv_error_t *err) {
    Reveille__V1__Catalog catalog = REVEILLE__V1__CATALOG__INIT;
    rv_arena_t numbered;
    bool changed;
    rv_arena_init(&numbered, (size_t)4 << 20);
    rv_status_t status =
        rv_schema_apply(NULL, wanted_schema(&one->schema, arena), false, &numbered, &catalog.schema, &changed, err);
    if (status == RV_OK) {
        catalog.version = 1;
        add_models(&one->schema, arena, &catalog);
        add_segments(one, arena, &catalog);
        status = rv_catalog_new(&catalog, ret, err);
    }
    rv_arena_done(&numbered);
    return status;
}

// ---- parameters ---------------------------------------------------------------------------------------------------

static const char *decimal_text(rvm_arena_t *arena, const rvm_value_t *value) {
    char digits[64];
    int n = 0;
    unsigned __int128 rest = value->n < 0 ? -(unsigned __int128)value->n : (unsigned __int128)value->n;
    do {
        digits[n++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
        if (n == value->scale) {
            digits[n++] = '.';
        }
    } while (rest > 0 || n <= value->scale + (value->scale > 0));
    char *reversed = rvm_alloc(arena, (size_t)n + 2);
    size_t at = 0;
    if (value->n < 0) {
        reversed[at++] = '-';
    }
    while (n > 0) {
        reversed[at++] = digits[--n];
    }
    return reversed;
}

static void set_value(const rvm_value_t *from, rvm_arena_t *arena, Reveille__V1__Value *to) {
    reveille__v1__value__init(to);
    switch (from->type) {
    case RVM_STRING:
        to->kind_case = REVEILLE__V1__VALUE__KIND_STRING_VALUE;
        to->string_value = text(from->s);
        break;
    case RVM_INT:
        to->kind_case = REVEILLE__V1__VALUE__KIND_INT_VALUE;
        to->int_value = from->i;
        break;
    case RVM_DOUBLE:
        to->kind_case = REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE;
        to->double_value = from->d;
        break;
    case RVM_DECIMAL:
        to->kind_case = REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE;
        to->decimal_value = text(decimal_text(arena, from));
        break;
    case RVM_BOOL:
        to->kind_case = REVEILLE__V1__VALUE__KIND_BOOL_VALUE;
        to->bool_value = from->b;
        break;
    case RVM_TIME:
        to->kind_case = REVEILLE__V1__VALUE__KIND_TIME_MS;
        to->time_ms = from->i;
        break;
    case RVM_DATE:
        to->kind_case = REVEILLE__V1__VALUE__KIND_DATE_DAYS;
        to->date_days = (int32_t)from->i;
        break;
    default:
        to->kind_case = REVEILLE__V1__VALUE__KIND_DURATION_MS;
        to->duration_ms = from->i;
        break;
    }
}

Reveille__V1__ReadOptions *rvm_options_make(const rvm_case_t *one, int64_t as_of, rvm_arena_t *arena) {
    Reveille__V1__ReadOptions *options = rvm_alloc(arena, sizeof *options);
    size_t n = (size_t)one->n_params;
    Reveille__V1__Parameter *params = rvm_alloc(arena, (n + 1) * sizeof *params);
    reveille__v1__read_options__init(options);
    options->as_of_case = REVEILLE__V1__READ_OPTIONS__AS_OF_AS_OF_MS;
    options->as_of_ms = as_of;
    for (size_t i = 0; i < n; i++) {
        const rvm_param_t *from = &one->params[i];
        size_t count = (size_t)from->n;
        Reveille__V1__Value *values = rvm_alloc(arena, (count + 1) * sizeof *values);
        reveille__v1__parameter__init(&params[i]);
        params[i].name = text(from->name);
        params[i].is_list = from->list;
        for (size_t k = 0; k < count; k++) {
            set_value(&from->values[k], arena, &values[k]);
        }
        params[i].n_values = count;
        params[i].values = pointers(arena, values, count, sizeof *values);
    }
    options->n_parameters = n;
    options->parameters = pointers(arena, params, n, sizeof *params);
    return options;
}

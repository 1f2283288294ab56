/* catalog.c: the catalog message, owned and indexed.
 *
 * The message is copied into an arena by way of its bytes; beside it stand plain rows for attributes, properties and
 * types, and sorted indexes by name and by number over them. Everything is built once, checked on the way, and never
 * changed: threads share it by counting references, and the last one frees the arena. The message comes from disk or
 * from another process, so what it promises is checked again; a broken promise is DATA_LOSS, reason DAMAGED.
 */
#include "reveille/catalog.h"

#include "names.h"
#include "reveille/limits.h"
#include "schema.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef Reveille__V1__Schema schema_t;

typedef struct {
    uint32_t id;
    uint32_t at;
} number_t;

/* By number and by name. */
typedef struct {
    number_t *numbers;
    size_t n;
    rv_names_t names;
} index_t;

typedef struct {
    rv_attribute_t *rows;
    index_t index;
} attributes_t;

typedef struct {
    uint32_t *places; /* among the types */
    size_t n;
} group_t;

struct rv_catalog {
    atomic_uint references;
    rv_arena_t arena;
    const Reveille__V1__Catalog *message;
    attributes_t contact, company, properties;
    rv_event_type_t *types;
    index_t type_index;
    group_t *groups;
    rv_names_t group_names, score_names, segment_names;
    const rv_attribute_t *reference, *created;
};

/* Of memory: the arena counts what is asked for, and an index over a message is smaller than this many times its bytes.
 */
#define BUDGET_FACTOR 64u
#define BUDGET_BASE (1u << 20)

static rv_status_t damaged(rv_error_t *err, const char *what) {
    return rv_fail(err, RV_REASON_DAMAGED, "the catalog is damaged: %s", what);
}

static int by_number(const void *left, const void *right) {
    const number_t *a = left, *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

static bool index_init(index_t *index, size_t n, rv_arena_t *arena) {
    index->numbers = rv_arena_zalloc(arena, n, sizeof *index->numbers);
    index->n = n;
    return index->numbers != NULL && rv_names_init(&index->names, n, arena);
}

static void index_set(index_t *index, size_t at, uint32_t id, const char *name) {
    index->numbers[at] = (number_t){id, (uint32_t)at};
    rv_names_set(&index->names, at, name);
}

/* False when a name or number occurs twice, or a number is 0 or not below `next` (0: not counted). */
static bool index_sort(index_t *index, uint32_t next) {
    if (index->n == 0)
        return true;
    qsort(index->numbers, index->n, sizeof *index->numbers, by_number);
    for (size_t i = 1; i < index->n; i++)
        if (index->numbers[i - 1].id == index->numbers[i].id)
            return false;
    return rv_names_sort(&index->names) == index->n && index->numbers[0].id != 0 &&
           (next == 0 || index->numbers[index->n - 1].id < next);
}

/* Place of a number, or n. */
static size_t find_number(const index_t *index, uint32_t id) {
    size_t low = 0, high = index->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->numbers[middle].id == id)
            return index->numbers[middle].at;
        if (index->numbers[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return index->n;
}

static rv_status_t build_attributes(attributes_t *table, Reveille__V1__Attribute *const *list, size_t n, uint32_t next,
                                    rv_arena_t *arena, rv_error_t *err) {
    table->rows = rv_arena_zalloc(arena, n, sizeof *table->rows);
    if (table->rows == NULL || !index_init(&table->index, n, arena))
        return rv_fail_memory(err, "a catalog");
    for (size_t i = 0; i < n; i++) {
        table->rows[i] = (rv_attribute_t){list[i]->id, list[i]->name, list[i]->type, list[i]->scale};
        index_set(&table->index, i, list[i]->id, list[i]->name);
    }
    return index_sort(&table->index, next) ? RV_OK : damaged(err, "an attribute has an impossible name or number");
}

static int by_value(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static size_t sort_numbers(uint32_t *numbers, size_t n) {
    size_t kept = 0;
    if (n > 1)
        qsort(numbers, n, sizeof *numbers, by_value);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || numbers[i] != numbers[kept - 1])
            numbers[kept++] = numbers[i];
    return kept;
}

static rv_status_t build_types(rv_catalog_t *catalog, const schema_t *schema, rv_error_t *err) {
    size_t n = schema->n_event_types;
    catalog->types = rv_arena_zalloc(&catalog->arena, n, sizeof *catalog->types);
    if (catalog->types == NULL || !index_init(&catalog->type_index, n, &catalog->arena))
        return rv_fail_memory(err, "a catalog");
    for (size_t i = 0; i < n; i++) {
        const Reveille__V1__EventType *type = schema->event_types[i];
        uint32_t *allowed = NULL;
        if (type->n_properties > 0 &&
            (allowed = rv_arena_zalloc(&catalog->arena, type->n_properties, sizeof *allowed)) == NULL)
            return rv_fail_memory(err, "a catalog");
        for (size_t k = 0; k < type->n_properties; k++) {
            const char *name = type->properties[k];
            const rv_attribute_t *property = rv_catalog_property(catalog, name, strlen(name));
            if (property == NULL)
                return damaged(err, "an event type allows an unknown property");
            allowed[k] = property->id;
        }
        catalog->types[i] =
            (rv_event_type_t){type->id, type->name, type->channel, allowed, sort_numbers(allowed, type->n_properties)};
        index_set(&catalog->type_index, i, type->id, type->name);
    }
    return index_sort(&catalog->type_index, schema->next_type_id)
               ? RV_OK
               : damaged(err, "an event type has an impossible name or number");
}

static rv_status_t build_groups(rv_catalog_t *catalog, const schema_t *schema, rv_error_t *err) {
    size_t n = schema->n_event_groups;
    catalog->groups = rv_arena_zalloc(&catalog->arena, n, sizeof *catalog->groups);
    if (catalog->groups == NULL || !rv_names_init(&catalog->group_names, n, &catalog->arena))
        return rv_fail_memory(err, "a catalog");
    for (size_t i = 0; i < n; i++) {
        const Reveille__V1__EventGroup *group = schema->event_groups[i];
        uint32_t *places = rv_arena_zalloc(&catalog->arena, group->n_types, sizeof *places);
        if (places == NULL)
            return rv_fail_memory(err, "a catalog");
        for (size_t k = 0; k < group->n_types; k++) {
            const rv_event_type_t *type = rv_catalog_type(catalog, group->types[k], strlen(group->types[k]));
            if (type == NULL)
                return damaged(err, "an event group has an unknown type");
            places[k] = (uint32_t)(type - catalog->types);
        }
        catalog->groups[i] = (group_t){places, sort_numbers(places, group->n_types)};
        rv_names_set(&catalog->group_names, i, group->name);
    }
    return rv_names_sort(&catalog->group_names) == n ? RV_OK : damaged(err, "two event groups have one name");
}

static rv_status_t build_schema(rv_catalog_t *catalog, const schema_t *schema, rv_error_t *err) {
    rv_error_t cause = {0};
    rv_status_t status = RV_OK;
    if (schema->version > 0 || schema->n_contact_attributes > 0 || schema->n_event_types > 0) {
        status = rv_schema_check(schema, &catalog->arena, &cause);
        if (status == RV_INVALID_ARGUMENT)
            return damaged(err, cause.message);
        if (status != RV_OK)
            return rv_fail_memory(err, "a catalog");
    }
    status = build_attributes(&catalog->contact, schema->contact_attributes, schema->n_contact_attributes,
                              schema->next_attribute_id, &catalog->arena, err);
    if (status == RV_OK)
        status = build_attributes(&catalog->company, schema->company_attributes, schema->n_company_attributes,
                                  schema->next_company_attribute_id, &catalog->arena, err);
    if (status == RV_OK)
        status = build_attributes(&catalog->properties, schema->event_properties, schema->n_event_properties,
                                  schema->next_property_id, &catalog->arena, err);
    if (status == RV_OK)
        status = build_types(catalog, schema, err);
    if (status == RV_OK)
        status = build_groups(catalog, schema, err);
    if (status != RV_OK)
        return status;
    for (size_t i = 0; i < catalog->contact.index.n; i++)
        if (catalog->contact.rows[i].type == RV_COMPANY)
            catalog->reference = &catalog->contact.rows[i];
    catalog->created = rv_catalog_attribute(catalog, schema->contact_created, strlen(schema->contact_created));
    return RV_OK;
}

static bool is_name(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n <= RV_MAX_NAME && rv_utf8_valid(name, n);
}

static rv_status_t build_definitions(rv_catalog_t *catalog, rv_error_t *err) {
    const Reveille__V1__Catalog *message = catalog->message;
    if (message->n_segments > RV_MAX_SEGMENTS || message->n_scores > RV_MAX_SEGMENTS)
        return damaged(err, "it has too many segments or scores");
    if (!rv_names_init(&catalog->segment_names, message->n_segments, &catalog->arena) ||
        !rv_names_init(&catalog->score_names, message->n_scores, &catalog->arena))
        return rv_fail_memory(err, "a catalog");
    for (size_t i = 0; i < message->n_segments; i++) {
        if (!is_name(message->segments[i]->name) || strlen(message->segments[i]->filter) > RV_MAX_TEXT)
            return damaged(err, "a segment has an impossible name or filter");
        rv_names_set(&catalog->segment_names, i, message->segments[i]->name);
    }
    for (size_t i = 0; i < message->n_scores; i++) {
        const Reveille__V1__ScoreModel *model = message->scores[i];
        if (!is_name(model->name) || model->half_life_ms == 0 || model->n_events > RV_MAX_TYPES)
            return damaged(err, "a score model has an impossible name, half-life or number of types");
        rv_names_set(&catalog->score_names, i, model->name);
    }
    if (rv_names_sort(&catalog->segment_names) < message->n_segments ||
        rv_names_sort(&catalog->score_names) < message->n_scores)
        return damaged(err, "two segments or score models have one name");
    return RV_OK;
}

static rv_status_t copy_message(rv_catalog_t *catalog, const Reveille__V1__Catalog *message, rv_error_t *err) {
    size_t n = reveille__v1__catalog__get_packed_size(message);
    rv_arena_init(&catalog->arena, BUDGET_BASE + (size_t)BUDGET_FACTOR * n);
    uint8_t *bytes = malloc(n > 0 ? n : 1);
    if (bytes == NULL)
        return rv_fail_memory(err, "a catalog");
    reveille__v1__catalog__pack(message, bytes);
    catalog->message = reveille__v1__catalog__unpack(&catalog->arena.protobuf, n, bytes);
    free(bytes);
    return catalog->message != NULL ? RV_OK : rv_fail_memory(err, "a catalog");
}

rv_status_t rv_catalog_new(const Reveille__V1__Catalog *message, rv_catalog_t **ret, rv_error_t *err) {
    rv_catalog_t *catalog = calloc(1, sizeof *catalog);
    if (catalog == NULL)
        return rv_fail_memory(err, "a catalog");
    atomic_init(&catalog->references, 1);
    rv_status_t status = copy_message(catalog, message, err);
    if (status == RV_OK && catalog->message->schema != NULL)
        status = build_schema(catalog, catalog->message->schema, err);
    if (status == RV_OK)
        status = build_definitions(catalog, err);
    if (status != RV_OK) {
        rv_catalog_unref(&catalog);
        return status;
    }
    *ret = catalog;
    return RV_OK;
}

rv_catalog_t *rv_catalog_empty(void) {
    Reveille__V1__Catalog message = REVEILLE__V1__CATALOG__INIT;
    rv_catalog_t *catalog = NULL;
    return rv_catalog_new(&message, &catalog, NULL) == RV_OK ? catalog : NULL;
}

rv_catalog_t *rv_catalog_ref(rv_catalog_t *catalog) {
    atomic_fetch_add_explicit(&catalog->references, 1, memory_order_relaxed);
    return catalog;
}

void rv_catalog_unref(rv_catalog_t **catalog) {
    rv_catalog_t *mine = *catalog;
    *catalog = NULL;
    if (mine == NULL || atomic_fetch_sub_explicit(&mine->references, 1, memory_order_acq_rel) != 1)
        return;
    rv_arena_done(&mine->arena);
    free(mine);
}

const Reveille__V1__Catalog *rv_catalog_message(const rv_catalog_t *catalog) {
    return catalog->message;
}

uint64_t rv_catalog_version(const rv_catalog_t *catalog) {
    return catalog->message->version;
}

uint64_t rv_catalog_schema_version(const rv_catalog_t *catalog) {
    return catalog->message->schema != NULL ? catalog->message->schema->version : 0;
}

static const rv_attribute_t *attribute_by_name(const attributes_t *table, const char *name, size_t n) {
    size_t at = rv_names_find(&table->index.names, name, n);
    return at < table->index.n ? &table->rows[at] : NULL;
}

static const rv_attribute_t *attribute_by_id(const attributes_t *table, uint32_t id) {
    size_t at = find_number(&table->index, id);
    return at < table->index.n ? &table->rows[at] : NULL;
}

static const rv_attribute_t *all(const attributes_t *table, size_t *count) {
    *count = table->index.n;
    return table->rows;
}

const rv_attribute_t *rv_catalog_attribute(const rv_catalog_t *catalog, const char *name, size_t n) {
    return attribute_by_name(&catalog->contact, name, n);
}

const rv_attribute_t *rv_catalog_company_attribute(const rv_catalog_t *catalog, const char *name, size_t n) {
    return attribute_by_name(&catalog->company, name, n);
}

const rv_attribute_t *rv_catalog_property(const rv_catalog_t *catalog, const char *name, size_t n) {
    return attribute_by_name(&catalog->properties, name, n);
}

const rv_event_type_t *rv_catalog_type(const rv_catalog_t *catalog, const char *name, size_t n) {
    size_t at = rv_names_find(&catalog->type_index.names, name, n);
    return at < catalog->type_index.n ? &catalog->types[at] : NULL;
}

bool rv_catalog_group(const rv_catalog_t *catalog, const char *name, size_t n, const uint32_t **places, size_t *count) {
    size_t at = rv_names_find(&catalog->group_names, name, n);
    if (at == catalog->group_names.n)
        return false;
    *places = catalog->groups[at].places;
    *count = catalog->groups[at].n;
    return true;
}

const Reveille__V1__ScoreModel *rv_catalog_score(const rv_catalog_t *catalog, const char *name, size_t n) {
    size_t at = rv_names_find(&catalog->score_names, name, n);
    return at < catalog->score_names.n ? catalog->message->scores[at] : NULL;
}

const Reveille__V1__Segment *rv_catalog_segment(const rv_catalog_t *catalog, const char *name, size_t n) {
    size_t at = rv_names_find(&catalog->segment_names, name, n);
    return at < catalog->segment_names.n ? catalog->message->segments[at] : NULL;
}

const rv_attribute_t *rv_catalog_attribute_by_id(const rv_catalog_t *catalog, uint32_t id) {
    return attribute_by_id(&catalog->contact, id);
}

const rv_attribute_t *rv_catalog_company_attribute_by_id(const rv_catalog_t *catalog, uint32_t id) {
    return attribute_by_id(&catalog->company, id);
}

const rv_attribute_t *rv_catalog_property_by_id(const rv_catalog_t *catalog, uint32_t id) {
    return attribute_by_id(&catalog->properties, id);
}

const rv_event_type_t *rv_catalog_type_by_id(const rv_catalog_t *catalog, uint32_t id) {
    size_t at = find_number(&catalog->type_index, id);
    return at < catalog->type_index.n ? &catalog->types[at] : NULL;
}

const rv_attribute_t *rv_catalog_attributes(const rv_catalog_t *catalog, size_t *count) {
    return all(&catalog->contact, count);
}

const rv_attribute_t *rv_catalog_company_attributes(const rv_catalog_t *catalog, size_t *count) {
    return all(&catalog->company, count);
}

const rv_attribute_t *rv_catalog_properties(const rv_catalog_t *catalog, size_t *count) {
    return all(&catalog->properties, count);
}

const rv_event_type_t *rv_catalog_types(const rv_catalog_t *catalog, size_t *count) {
    *count = catalog->type_index.n;
    return catalog->types;
}

const rv_attribute_t *rv_catalog_company_reference(const rv_catalog_t *catalog) {
    return catalog->reference;
}

const rv_attribute_t *rv_catalog_created(const rv_catalog_t *catalog) {
    return catalog->created;
}

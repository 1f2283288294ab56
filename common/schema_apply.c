/* schema_apply.c: from a schema that somebody wants to the next current one.
 *
 * The wanted schema is checked (schema.h), copied into the caller's arena, and given numbers: a name that the old
 * schema has keeps its number, a new one takes the next number of its kind, and those counters never go back, so that a
 * number in stored data can never come to mean something else. Then what the step takes away or changes is looked for.
 * Whether segments or scores break by it is not known here; the caller looks after that. Pure: arena in, schema out.
 */
#include "names.h"
#include "reveille/catalog.h"
#include "reveille/limits.h"
#include "schema.h"

#include <string.h>

typedef Reveille__V1__Schema schema_t;
typedef Reveille__V1__Attribute attribute_t;
typedef Reveille__V1__EventType type_t;

/* One kind of numbered things in the old and in the new schema. */
typedef struct {
    const char *what;
    size_t n_old, n_new;
    const void *old, *fresh; /* arrays of pointers to attribute_t or type_t */
    uint32_t *next;          /* counter of the new schema */
    bool attributes;         /* else event types */
} kind_t;

/* The i-th pointer of an array whose element type is known elsewhere. */
static void *item(const void *list, size_t i) {
    void *pointer;
    memcpy(&pointer, (const char *)list + i * sizeof pointer, sizeof pointer);
    return pointer;
}

static const char *name_of(const kind_t *kind, const void *thing) {
    return kind->attributes ? ((const attribute_t *)thing)->name : ((const type_t *)thing)->name;
}

static uint32_t *id_of(const kind_t *kind, void *thing) {
    return kind->attributes ? &((attribute_t *)thing)->id : &((type_t *)thing)->id;
}

/* A message copied by way of its bytes. */
static schema_t *copy_schema(const schema_t *schema, rv_arena_t *arena) {
    size_t n = reveille__v1__schema__get_packed_size(schema);
    uint8_t *bytes = rv_arena_alloc(arena, n);
    if (bytes == NULL)
        return NULL;
    reveille__v1__schema__pack(schema, bytes);
    return reveille__v1__schema__unpack(&arena->protobuf, n, bytes);
}

static bool same_bytes(const schema_t *a, const schema_t *b, rv_arena_t *arena, bool *ret_same) {
    size_t n = reveille__v1__schema__get_packed_size(a);
    *ret_same = n == reveille__v1__schema__get_packed_size(b);
    if (!*ret_same)
        return true;
    uint8_t *left = rv_arena_alloc(arena, n), *right = rv_arena_alloc(arena, n);
    if (left == NULL || right == NULL)
        return false;
    reveille__v1__schema__pack(a, left);
    reveille__v1__schema__pack(b, right);
    *ret_same = memcmp(left, right, n) == 0;
    return true;
}

static rv_status_t check_same_type(const char *what, const attribute_t *old, const attribute_t *fresh,
                                   rv_error_t *err) {
    if (old->type == fresh->type && old->scale == fresh->scale)
        return RV_OK;
    rv_status_t status;
    if (old->type == RV_INT && (fresh->type == RV_DECIMAL || fresh->type == RV_DOUBLE))
        status = rv_fail(err, RV_REASON_FEATURE,
                         "%s %s: widening int to %s is not built yet; keep int, or add another name with the new type",
                         what, fresh->name, rv_schema_type_name(fresh->type));
    else
        status = rv_fail(err, RV_REASON_SCHEMA,
                         "%s %s is %s with scale %u and cannot become %s with scale %u; add another name with the new "
                         "type, or remove this one by force first",
                         what, fresh->name, rv_schema_type_name(old->type), old->scale,
                         rv_schema_type_name(fresh->type), fresh->scale);
    return rv_schema_at(status, err, fresh->name);
}

/* Numbers for everything of one kind; refuses a changed type. */
static rv_status_t number(const kind_t *kind, rv_arena_t *arena, rv_error_t *err) {
    rv_names_t names;
    if (!rv_names_init(&names, kind->n_old, arena))
        return rv_fail_memory(err, "a schema");
    if (*kind->next == 0)
        *kind->next = 1; /* 0 is the key */
    for (size_t i = 0; i < kind->n_old; i++) {
        rv_names_set(&names, i, name_of(kind, item(kind->old, i)));
        uint32_t id = *id_of(kind, item(kind->old, i));
        if (id >= *kind->next)
            *kind->next = id == UINT32_MAX ? id : id + 1;
    }
    rv_names_sort(&names);
    for (size_t i = 0; i < kind->n_new; i++) {
        const char *name = name_of(kind, item(kind->fresh, i));
        size_t at = rv_names_find(&names, name, strlen(name));
        if (at >= kind->n_old) {
            if (*kind->next == UINT32_MAX)
                return rv_fail(err, RV_REASON_LIMIT, "no numbers are left for another %s", kind->what);
            *id_of(kind, item(kind->fresh, i)) = (*kind->next)++;
            continue;
        }
        *id_of(kind, item(kind->fresh, i)) = *id_of(kind, item(kind->old, at));
        rv_status_t status =
            kind->attributes ? check_same_type(kind->what, item(kind->old, at), item(kind->fresh, i), err) : RV_OK;
        if (status != RV_OK)
            return status;
    }
    return RV_OK;
}

static rv_status_t refuse_removal(const char *what, const char *name, rv_error_t *err) {
    return rv_schema_at(rv_fail(err, RV_REASON_SCHEMA,
                                "%s %s is missing from the new schema; removing it needs force (renaming is not built "
                                "yet)",
                                what, name),
                        err, name);
}

/* Numbers tell: what kept its name kept its number. */
static rv_status_t check_removals(const kind_t *kind, rv_arena_t *arena, rv_error_t *err) {
    rv_names_t names;
    if (!rv_names_init(&names, kind->n_new, arena))
        return rv_fail_memory(err, "a schema");
    for (size_t i = 0; i < kind->n_new; i++)
        rv_names_set(&names, i, name_of(kind, item(kind->fresh, i)));
    rv_names_sort(&names);
    for (size_t i = 0; i < kind->n_old; i++) {
        const char *name = name_of(kind, item(kind->old, i));
        if (rv_names_find(&names, name, strlen(name)) == names.n)
            return refuse_removal(kind->what, name, err);
    }
    return RV_OK;
}

static rv_status_t check_group_removals(const schema_t *old, const schema_t *fresh, rv_arena_t *arena,
                                        rv_error_t *err) {
    rv_names_t names;
    if (!rv_names_init(&names, fresh->n_event_groups, arena))
        return rv_fail_memory(err, "a schema");
    for (size_t i = 0; i < fresh->n_event_groups; i++)
        rv_names_set(&names, i, fresh->event_groups[i]->name);
    rv_names_sort(&names);
    for (size_t i = 0; i < old->n_event_groups; i++) {
        const char *name = old->event_groups[i]->name;
        if (rv_names_find(&names, name, strlen(name)) == names.n)
            return refuse_removal("event group", name, err);
    }
    return RV_OK;
}

/* A key's name may be given where there was none; it stands in files and filters, so it does not change. */
static rv_status_t check_key_names(const schema_t *old, const schema_t *fresh, rv_error_t *err) {
    const char *before[] = {old->contact_key, old->company_key, old->event_id};
    const char *after[] = {fresh->contact_key, fresh->company_key, fresh->event_id};
    static const char *const FIELDS[] = {"contact.key", "company.key", "event.id"};
    for (size_t i = 0; i < 3; i++)
        if (before[i][0] != '\0' && after[i][0] == '\0')
            return rv_schema_at(rv_fail(err, RV_REASON_SCHEMA,
                                        "%s is missing from the new schema; it is %s and cannot be removed%s",
                                        FIELDS[i], before[i], i == 1 ? ": the schema keeps its companies" : ""),
                                err, FIELDS[i]);
        else if (before[i][0] != '\0' && strcmp(before[i], after[i]) != 0)
            return rv_schema_at(rv_fail(err, RV_REASON_SCHEMA,
                                        "%s is %s and cannot become %s: the name of a key does not change", FIELDS[i],
                                        before[i], after[i]),
                                err, FIELDS[i]);
    return RV_OK;
}

static void forget_numbers(schema_t *schema) {
    schema->version = 0;
    schema->next_attribute_id = schema->next_company_attribute_id = 1;
    schema->next_property_id = schema->next_type_id = 1;
}

static void keep_counters(schema_t *schema, const schema_t *old) {
    schema->version = old->version;
    schema->next_attribute_id = old->next_attribute_id;
    schema->next_company_attribute_id = old->next_company_attribute_id;
    schema->next_property_id = old->next_property_id;
    schema->next_type_id = old->next_type_id;
}

#define KINDS 4

static void kinds_of(const schema_t *old, schema_t *fresh, kind_t kinds[KINDS]) {
    kinds[0] = (kind_t){"contact attribute",
                        old->n_contact_attributes,
                        fresh->n_contact_attributes,
                        old->contact_attributes,
                        fresh->contact_attributes,
                        &fresh->next_attribute_id,
                        true};
    kinds[1] = (kind_t){"company attribute",
                        old->n_company_attributes,
                        fresh->n_company_attributes,
                        old->company_attributes,
                        fresh->company_attributes,
                        &fresh->next_company_attribute_id,
                        true};
    kinds[2] = (kind_t){"event property",
                        old->n_event_properties,
                        fresh->n_event_properties,
                        old->event_properties,
                        fresh->event_properties,
                        &fresh->next_property_id,
                        true};
    kinds[3] = (kind_t){"event type",
                        old->n_event_types,
                        fresh->n_event_types,
                        old->event_types,
                        fresh->event_types,
                        &fresh->next_type_id,
                        false};
}

rv_status_t rv_schema_apply(const schema_t *old, const schema_t *wanted, bool force, rv_arena_t *arena, schema_t **ret,
                            bool *ret_changed, rv_error_t *err) {
    schema_t none = REVEILLE__V1__SCHEMA__INIT;
    bool first = old == NULL || old->version == 0;
    if (first)
        old = &none;
    rv_status_t status = rv_schema_check(wanted, arena, err);
    if (status == RV_OK)
        status = rv_schema_check_words(wanted, err);
    if (status == RV_OK)
        status = check_key_names(old, wanted, err);
    if (status != RV_OK)
        return status;
    schema_t *fresh = copy_schema(wanted, arena);
    if (fresh == NULL)
        return rv_fail_memory(err, "a schema");
    if (first)
        forget_numbers(fresh);
    else
        keep_counters(fresh, old);
    kind_t kinds[KINDS];
    kinds_of(old, fresh, kinds);
    for (size_t i = 0; i < KINDS; i++)
        if ((status = number(&kinds[i], arena, err)) != RV_OK)
            return status;
    for (size_t i = 0; i < KINDS && !force; i++)
        if ((status = check_removals(&kinds[i], arena, err)) != RV_OK)
            return status;
    if (!force && (status = check_group_removals(old, fresh, arena, err)) != RV_OK)
        return status;
    bool same;
    if (!same_bytes(old, fresh, arena, &same))
        return rv_fail_memory(err, "a schema");
    if (!same)
        fresh->version = old->version + 1;
    *ret = fresh;
    *ret_changed = !same;
    return RV_OK;
}

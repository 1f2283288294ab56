/* events.c: batches of events (batch.h).
 *
 *   names of types and properties ─▶ numbers, once a batch        keys ─▶ partitions, once a key
 *   rows ─▶ type known, time in range, key good, id where required, properties that the type may carry, size
 *
 * The channel is made here: the row's own, else that of its type. No state, no threads. */
#include "batch.h"
#include "reveille/civil.h"
#include "reveille/hash.h"
#include "reveille/limits.h"
#include <stdio.h>
#include <string.h>

static rv_status_t no_memory(rv_error_t *err) {
    return rv_fail(err, RV_REASON_QUOTA, "the batch needs more memory than one request may take");
}

static rv_status_t check_shape(const Reveille__V1__EventBatch *message, const rvc_strings_t *keys, rv_error_t *err) {
    size_t n = message->n_times_ms;
    if (message->n_contacts != n || message->n_types != n)
        return rv_fail(err, RV_REASON_FIELD, "a batch of events has %zu times, %zu contacts and %zu types", n,
                       message->n_contacts, message->n_types);
    for (size_t i = 0; i < n; i++)
        if (message->contacts[i] >= keys->n || message->types[i] >= message->n_type_names)
            return rv_fail(err, RV_REASON_FIELD, "event %zu names %s behind the end of its list", i,
                           message->contacts[i] >= keys->n ? "a contact" : "a type");
    return RV_OK;
}

/* The type of each name, NULL when there is none. */
static const rv_event_type_t **find_types(const rvc_events_rules_t *rules, const Reveille__V1__EventBatch *message,
                                          rv_arena_t *arena) {
    const rv_event_type_t **types = rv_arena_zalloc(arena, message->n_type_names + 1, sizeof *types);
    for (size_t i = 0; types && i < message->n_type_names; i++)
        types[i] = rv_catalog_type(rules->catalog, message->type_names[i], strlen(message->type_names[i]));
    return types;
}

static void refuse_type(const rvc_events_rules_t *rules, size_t row, const char *name, rvc_refusals_t *refusals,
                        rv_arena_t *arena) {
    if (refusals->bad[row])
        return;
    size_t n;
    const rv_event_type_t *all = rv_catalog_types(rules->catalog, &n);
    const char **names = refusals->n < RVC_MAX_REFUSALS ? rv_arena_zalloc(arena, n + 1, sizeof *names) : NULL;
    for (size_t i = 0; names && i < n; i++)
        names[i] = all[i].name;
    const char *near = names ? rv_nearest(name, strlen(name), names, n) : NULL;
    rvc_refuse(refusals, row, "type", "unknown event type '%.128s'%s%.128s%s", name, near ? ", did you mean '" : "",
               near ? near : "", near ? "'" : "");
}

static void refuse_time(size_t row, int64_t ms, rvc_refusals_t *refusals) {
    char text[32];
    rv_time_format(ms, text);
    if (ms < RV_TIME_MIN || ms > RV_TIME_MAX)
        rvc_refuse(refusals, row, "at", "the time %s is not between 1970 and 2105", text);
    else
        rvc_refuse(refusals, row, "at", "the time %s is more than %lld hours in the future", text,
                   RV_FUTURE_MS / 3600000);
}

/* Types, times and contacts of all rows. */
static rv_status_t check_rows(const rvc_events_rules_t *rules, const Reveille__V1__EventBatch *message,
                              const rv_event_type_t **types, rvc_refusals_t *refusals, rv_arena_t *arena,
                              rvc_events_t *events, rv_error_t *err) {
    const uint8_t *bad_keys;
    rv_status_t status = rvc_check_keys(&events->keys, arena, &bad_keys, err);
    uint32_t *key_partition = rv_arena_alloc(arena, (events->keys.n + 1) * sizeof *key_partition);
    events->types = rv_arena_alloc(arena, (events->rows + 1) * sizeof *events->types);
    events->partition = rv_arena_alloc(arena, (events->rows + 1) * sizeof *events->partition);
    if (status != RV_OK || !key_partition || !events->types || !events->partition)
        return status != RV_OK ? status : no_memory(err);
    for (size_t i = 0; i < events->keys.n; i++) {
        rv_str_t key = rvc_string(&events->keys, i);
        key_partition[i] = rv_partition_of(key.p, key.n, rules->partitions);
    }
    int64_t latest = rules->wall_ms + RV_FUTURE_MS;
    latest = latest < RV_TIME_MAX && !rules->identity_only ? latest : RV_TIME_MAX;
    for (size_t row = 0; row < events->rows; row++) {
        uint32_t contact = events->contacts[row];
        const rv_event_type_t *type = types[message->types[row]];
        if (bad_keys && bad_keys[contact])
            rvc_refuse(refusals, row, "contact", "the contact's key cannot be taken: %s",
                       rvc_bad_reason(bad_keys[contact]));
        if (!type)
            refuse_type(rules, row, message->type_names[message->types[row]], refusals, arena);
        if (events->times[row] < RV_TIME_MIN || events->times[row] > latest)
            refuse_time(row, events->times[row], refusals);
        events->types[row] = type ? type->id : 0;
        events->partition[row] = key_partition[contact];
    }
    return RV_OK;
}

/* Code of a string in a growing dictionary of channels. */
static uint32_t intern(rv_str_t *names, uint32_t *n, const char *name) {
    rv_str_t wanted = {name, (uint32_t)strlen(name)};
    for (uint32_t i = 0; i < *n; i++)
        if (rv_str_equal(names[i], wanted))
            return i;
    names[*n] = wanted;
    return (*n)++;
}

/* The strings names[0..n) as a dictionary. */
static rv_status_t make_dictionary(const rv_str_t *names, size_t n, rv_arena_t *arena, rvc_strings_t *ret,
                                   rv_error_t *err) {
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += names[i].n;
    char *data = rv_arena_alloc(arena, bytes + 1);
    uint32_t *offsets = rv_arena_zalloc(arena, n + 1, sizeof *offsets);
    if (!data || !offsets)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (names[i].n)
            memcpy(data + offsets[i], names[i].p, names[i].n);
        offsets[i + 1] = offsets[i] + names[i].n;
    }
    *ret = (rvc_strings_t){data, offsets, n};
    return RV_OK;
}

/* Channels of the types, where rows have none: codes behind those of the given column. */
static rv_status_t fill_channel(const Reveille__V1__EventBatch *message, const rv_event_type_t **types,
                                const rvc_column_t *given, rv_arena_t *arena, rvc_events_t *events, rv_error_t *err) {
    size_t n_given = given ? given->strings.n : 0, rows = events->rows;
    rv_str_t *names = rv_arena_alloc(arena, (n_given + message->n_type_names + 1) * sizeof *names);
    rv_str_t *defaults = rv_arena_alloc(arena, (message->n_type_names + 1) * sizeof *defaults);
    uint32_t *of_type = rv_arena_zalloc(arena, message->n_type_names + 1, sizeof *of_type);
    uint32_t *codes = rv_arena_alloc(arena, (rows + 1) * sizeof *codes);
    uint8_t *present = rv_arena_zalloc(arena, rows / 8 + 1, 1);
    if (!names || !defaults || !of_type || !codes || !present)
        return no_memory(err);
    uint32_t n_defaults = 0;
    for (size_t i = 0; i < message->n_type_names; i++)
        of_type[i] = types[i] && types[i]->channel[0] ? 1 + intern(defaults, &n_defaults, types[i]->channel) : 0;
    for (size_t i = 0; i < n_given; i++)
        names[i] = rvc_string(&given->strings, i);
    memcpy(names + n_given, defaults, n_defaults * sizeof *names);
    if (n_given + n_defaults == 0)
        names[n_defaults++] = (rv_str_t){"", 0};
    for (size_t row = 0; row < rows; row++) {
        uint32_t fallback = of_type[message->types[row]];
        bool own = given && rvc_column_has(given, row);
        codes[row] = own        ? (given->codes ? given->codes[row] : (uint32_t)row)
                     : fallback ? (uint32_t)n_given + fallback - 1
                                : 0;
        if (own || fallback)
            present[row / 8] |= (uint8_t)(1u << (row % 8));
    }
    rvc_column_t *channel = &events->channel.column;
    *channel = (rvc_column_t){.type = RV_STRING, .rows = rows, .codes = codes, .present = present};
    rv_status_t status = make_dictionary(names, n_given + n_defaults, arena, &channel->strings, err);
    return status == RV_OK ? rvc_renumber_init(&events->channel.renumber, channel->strings.n, arena, err) : status;
}

static rv_status_t check_channel(const Reveille__V1__EventBatch *message, const rv_event_type_t **types,
                                 rvc_refusals_t *refusals, rv_arena_t *arena, rvc_events_t *events, rv_error_t *err) {
    rvc_column_t given;
    if (!message->channel)
        return fill_channel(message, types, NULL, arena, events, err);
    rv_status_t status =
        rvc_convert_text(message->channel, "channel", RV_MAX_NAME, events->rows, refusals, arena, &given, err);
    return status == RV_OK ? fill_channel(message, types, &given, arena, events, err) : status;
}

static rv_status_t check_text(const Reveille__V1__Column *message, const char *name, size_t rows,
                              rvc_refusals_t *refusals, rv_arena_t *arena, rvc_field_t *field, bool *ret_there,
                              rv_error_t *err) {
    *ret_there = message != NULL;
    if (!message)
        return RV_OK;
    rv_status_t status = rvc_convert_text(message, name, RV_MAX_EVENT_ID, rows, refusals, arena, &field->column, err);
    return status == RV_OK
               ? rvc_renumber_init(&field->renumber, field->column.codes ? field->column.strings.n : 0, arena, err)
               : status;
}

static void check_required_id(const rvc_events_t *events, rvc_refusals_t *refusals) {
    for (size_t row = 0; row < events->rows; row++) {
        bool there =
            events->has_id && rvc_column_has(&events->id.column, row) && rvc_column_text(&events->id.column, row).n > 0;
        if (!there)
            rvc_refuse(refusals, row, "id", "the event has no id, and ids are required");
    }
}

static rv_status_t unknown_property(const rvc_events_rules_t *rules, const char *name, rv_arena_t *arena,
                                    rv_error_t *err) {
    size_t n;
    const rv_attribute_t *all = rv_catalog_properties(rules->catalog, &n);
    const char **names = rv_arena_zalloc(arena, n + 1, sizeof *names);
    for (size_t i = 0; names && i < n; i++)
        names[i] = all[i].name;
    const char *near = names ? rv_nearest(name, strlen(name), names, n) : NULL;
    rv_fail(err, RV_REASON_FIELD, "the schema has no event property '%.128s'%s%.128s%s", name,
            near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
    if (err)
        snprintf(err->field, sizeof err->field, "%s", name);
    return RV_INVALID_ARGUMENT;
}

static bool allows(const rv_event_type_t *type, uint32_t property) {
    if (!type || !type->properties)
        return true;
    for (size_t i = 0; i < type->n_properties; i++)
        if (type->properties[i] == property)
            return true;
    return false;
}

/* Rows whose type may not carry a property that they have. */
static rv_status_t check_allowed(const Reveille__V1__EventBatch *message, const rv_event_type_t **types,
                                 const rvc_field_t *field, rvc_refusals_t *refusals, rv_arena_t *arena,
                                 rv_error_t *err) {
    uint8_t *refused = rv_arena_zalloc(arena, message->n_type_names + 1, 1);
    bool any = false;
    if (!refused)
        return no_memory(err);
    for (size_t i = 0; i < message->n_type_names; i++)
        any |= refused[i] = !allows(types[i], field->attribute->id);
    for (size_t row = 0; any && row < field->column.rows; row++)
        if (refused[message->types[row]] && rvc_column_has(&field->column, row))
            rvc_refuse(refusals, row, field->attribute->name, "events of type '%.128s' have no property '%.128s'",
                       message->type_names[message->types[row]], field->attribute->name);
    return RV_OK;
}

static rv_status_t check_properties(const rvc_events_rules_t *rules, const Reveille__V1__EventBatch *message,
                                    const rv_event_type_t **types, rvc_refusals_t *refusals, rv_arena_t *arena,
                                    rvc_events_t *events, rv_error_t *err) {
    events->fields = rv_arena_zalloc(arena, message->n_properties + 1, sizeof *events->fields);
    if (!events->fields)
        return no_memory(err);
    for (size_t i = 0; i < message->n_properties; i++) {
        const Reveille__V1__Column *column = message->properties[i];
        rvc_field_t *field = &events->fields[events->n_fields];
        field->attribute = rv_catalog_property(rules->catalog, column->name, strlen(column->name));
        if (!field->attribute)
            return unknown_property(rules, column->name, arena, err);
        for (size_t j = 0; j < events->n_fields; j++)
            if (events->fields[j].attribute == field->attribute)
                return rv_fail(err, RV_REASON_FIELD, "column '%.200s' is there twice", column->name);
        rv_status_t status = rvc_convert(column, field->attribute, events->rows, refusals, arena, &field->column, err);
        if (status == RV_OK)
            status = rvc_renumber_init(&field->renumber, field->column.codes ? field->column.strings.n : 0, arena, err);
        if (status == RV_OK)
            status = check_allowed(message, types, field, refusals, arena, err);
        if (status != RV_OK)
            return status;
        events->n_fields++;
    }
    return RV_OK;
}

/* No event holds more than RV_MAX_VALUE bytes of strings in all. Most batches are too small for that to happen. */
static void check_size(const rvc_events_t *events, rvc_refusals_t *refusals) {
    size_t longest = 0;
    for (size_t i = 0; i < events->n_fields; i++)
        longest += rvc_type_is_text(events->fields[i].column.type)
                       ? events->fields[i].column.strings.offsets[events->fields[i].column.strings.n]
                       : 16;
    if (longest <= RV_MAX_VALUE)
        return;
    for (size_t row = 0; row < events->rows; row++) {
        size_t bytes = 0;
        for (size_t i = 0; i < events->n_fields; i++) {
            const rvc_column_t *column = &events->fields[i].column;
            if (rvc_column_has(column, row))
                bytes += rvc_type_is_text(column->type) ? rvc_column_text(column, row).n : 16;
        }
        if (bytes > RV_MAX_VALUE)
            rvc_refuse(refusals, row, "", "the event has %zu bytes, at most %u are allowed", bytes, RV_MAX_VALUE);
    }
}

rv_status_t rvc_events_check(const rvc_events_rules_t *rules, const Reveille__V1__EventBatch *message,
                             rvc_refusals_t *refusals, rv_arena_t *arena, rvc_events_t *ret, rv_error_t *err) {
    rvc_events_t events = {.rows = message->n_times_ms, .contacts = message->contacts, .times = message->times_ms};
    rv_status_t status = rvc_strings_open(message->contact_keys, arena, "contact_keys", &events.keys, err);
    if (status == RV_OK)
        status = check_shape(message, &events.keys, err);
    if (status == RV_OK)
        status = rvc_refusals_init(refusals, events.rows, refusals->arena ? refusals->arena : arena, err);
    if (status == RV_OK)
        status = rvc_renumber_init(&events.renumber_keys, events.keys.n, arena, err);
    if (status != RV_OK)
        return status;
    const rv_event_type_t **types = find_types(rules, message, arena);
    status = types ? check_rows(rules, message, types, refusals, arena, &events, err) : no_memory(err);
    if (status == RV_OK)
        status = check_text(message->source, "source", events.rows, refusals, arena, &events.source, &events.has_source,
                            err);
    if (status == RV_OK)
        status = check_text(message->event_id, "id", events.rows, refusals, arena, &events.id, &events.has_id, err);
    if (status == RV_OK && !rules->identity_only)
        status = check_channel(message, types, refusals, arena, &events, err);
    if (status == RV_OK && !rules->identity_only)
        status = check_properties(rules, message, types, refusals, arena, &events, err);
    if (status != RV_OK)
        return status;
    check_size(&events, refusals);
    if (rules->require_id)
        check_required_id(&events, refusals);
    for (size_t row = 0; refusals->total && row < events.rows; row++)
        if (refusals->bad[row])
            events.partition[row] = UINT32_MAX;
    *ret = events;
    return RV_OK;
}

/* Contacts, times and types of some rows. */
static rv_status_t share_rows(rvc_events_t *events, const uint32_t *rows, size_t n, rv_arena_t *arena,
                              Reveille__V1__EventBatch *made, rv_error_t *err) {
    made->times_ms = rv_arena_alloc(arena, (n + 1) * sizeof *made->times_ms);
    made->types = rv_arena_alloc(arena, (n + 1) * sizeof *made->types);
    if (!made->times_ms || !made->types)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        made->times_ms[i] = events->times[rows[i]];
        made->types[i] = events->types[rows[i]];
    }
    made->n_times_ms = made->n_types = made->n_contacts = n;
    return rvc_gather_strings(&events->keys, events->contacts, &events->renumber_keys, rows, n, arena,
                              &made->contact_keys, &made->contacts, err);
}

rv_status_t rvc_events_share(rvc_events_t *events, const uint32_t *rows, size_t n, rv_arena_t *arena,
                             Reveille__V1__EventBatch **ret, rv_error_t *err) {
    Reveille__V1__EventBatch *made = rv_arena_alloc(arena, sizeof *made);
    Reveille__V1__Column **columns = rv_arena_zalloc(arena, events->n_fields + 1, sizeof *columns);
    if (!made || !columns)
        return no_memory(err);
    reveille__v1__event_batch__init(made);
    made->properties = columns;
    rv_status_t status = share_rows(events, rows, n, arena, made, err);
    struct {
        rvc_field_t *field;
        Reveille__V1__Column **to;
    } texts[] = {{events->channel.column.rows ? &events->channel : NULL, &made->channel},
                 {events->has_source ? &events->source : NULL, &made->source},
                 {events->has_id ? &events->id : NULL, &made->event_id}};
    for (size_t i = 0; status == RV_OK && i < 3; i++)
        if (texts[i].field)
            status = rvc_gather_column(&texts[i].field->column, 0, &texts[i].field->renumber, rows, n, arena,
                                       texts[i].to, err);
    for (size_t i = 0; status == RV_OK && i < events->n_fields; i++) {
        rvc_field_t *field = &events->fields[i];
        Reveille__V1__Column *column = NULL;
        status =
            rvc_gather_column(&field->column, field->attribute->id, &field->renumber, rows, n, arena, &column, err);
        if (status == RV_OK && column)
            made->properties[made->n_properties++] = column;
    }
    if (status == RV_OK)
        *ret = made;
    return status;
}

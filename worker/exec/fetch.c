/* fetch.c: point reads: one contact or company with its attributes, one contact's events.
 *
 * A history is gathered and sorted anew for every page, since nothing is kept between calls; the cursor counts the
 * events sent. Events come in the order (time, source, id, number of the type). Failure: NOT_FOUND, those of the view,
 * no memory in the arena.
 */
#include <stdlib.h>
#include <string.h>

#include "exec.h"
#include "message.h"
#include "task.h"

/* The key of a company by its row. */
static rv_status_t company_key(const rvw_view_t *view, int64_t row, rv_arena_t *arena, rv_value_t *ret,
                               rv_error_t *err) {
    uint32_t per = rvw_view_chunk_rows(view);
    char room[RVW_TEXT_ROOM];
    rvw_column_t keys;
    *ret = (rv_value_t){0};
    if (row < 0 || row >= rvw_view_company_rows(view))
        return RV_OK;
    RVW_TRY(rvw_view_company_attribute(view, 0, (uint32_t)row / per, arena, &keys, err));
    rv_str_t key = rvw_column_string(&keys, (uint32_t)row % per, room);
    char *copy = rv_arena_strndup(arena, key.p, key.n);
    if (!copy)
        return rv_fail_memory(err, "a contact");
    *ret = (rv_value_t){.present = true, .s = {copy, key.n}};
    return RV_OK;
}

/* Value of row i of a column as the attribute has it; strings copied. */
static rv_status_t read_value(const rvw_column_t *column, uint32_t i, const rv_attribute_t *as, rv_arena_t *arena,
                              rv_value_t *ret, rv_error_t *err) {
    char room[RVW_TEXT_ROOM];
    *ret = (rv_value_t){0};
    if (i >= column->n || !rvw_column_present(column, i))
        return RV_OK;
    rvw_column_value(column, i, room, ret);
    ret->present = true;
    bool from_int = column->encoding == RVW_CONST || column->encoding == RVW_FOR;
    if (from_int && column->type == RV_INT && as->type == RV_DECIMAL)
        ret->wide = ret->i * rv_pow10(as->scale);
    else if (from_int && as->type == RV_DECIMAL)
        ret->wide = rvw_column_int(column, i);
    else if (from_int && as->type == RV_DOUBLE)
        ret->d = (double)rvw_column_int(column, i);
    if (rvw_kind_of(as->type) != RVW_KIND_STRING || from_int)
        return RV_OK;
    char *copy = rv_arena_strndup(arena, ret->s.p, ret->s.n);
    if (!copy)
        return rv_fail_memory(err, "a contact");
    ret->s.p = copy;
    return RV_OK;
}

static rv_status_t fetch_attribute(const rvw_view_t *view, const rv_attribute_t *as, bool company, uint32_t row,
                                   rv_arena_t *arena, Reveille__V1__FetchResponse *response, rv_error_t *err) {
    uint32_t per = rvw_view_chunk_rows(view);
    rvw_column_t column;
    rv_value_t value;
    rv_status_t status = company ? rvw_view_company_attribute(view, as->id, row / per, arena, &column, err)
                                 : rvw_view_attribute(view, as->id, row / per, arena, &column, err);
    if (status != RV_OK)
        return status;
    RVW_TRY(read_value(&column, row % per, as, arena, &value, err));
    if (value.present && as->type == RV_COMPANY)
        RVW_TRY(company_key(view, rvw_column_int(&column, row % per), arena, &value, err));
    if (!value.present)
        return RV_OK;
    Reveille__V1__Column *made = rvw_message_column(arena, as->id, as->type, as->scale, &value, 1, err);
    if (!made)
        return RV_RESOURCE_EXHAUSTED;
    response->attributes[response->n_attributes++] = made;
    return RV_OK;
}

rv_status_t rvw_fetch(const rvw_view_t *view, const rv_catalog_t *catalog, const Reveille__V1__FetchRequest *request,
                      rv_arena_t *arena, Reveille__V1__FetchResponse **ret, rv_error_t *err) {
    size_t n, key_n = strlen(request->key);
    bool company = request->company != 0;
    const rv_attribute_t *attributes =
        company ? rv_catalog_company_attributes(catalog, &n) : rv_catalog_attributes(catalog, &n);
    uint32_t row;
    bool found = company ? rvw_view_find_company(view, request->key, key_n, &row)
                         : rvw_view_find(view, request->key, key_n, &row);
    if (!found)
        return rv_fail(err, RV_REASON_MISSING, "there is no %s '%s'", company ? "company" : "contact", request->key);
    Reveille__V1__FetchResponse *response = rv_arena_alloc(arena, sizeof *response);
    if (!response)
        return rv_fail_memory(err, "a contact");
    reveille__v1__fetch_response__init(response);
    response->attributes = rv_arena_alloc(arena, (n + 1) * sizeof *response->attributes);
    if (!response->attributes)
        return rv_fail_memory(err, "a contact");
    response->lsn = rvw_view_lsn(view);
    for (size_t i = 0; i < n; i++)
        RVW_TRY(fetch_attribute(view, &attributes[i], company, row, arena, response, err));
    *ret = response;
    return RV_OK;
}

/* One event of a history. */
typedef struct {
    int64_t time;
    rv_str_t source, id;
    const rvw_events_t *events;
    uint32_t type, i;
} event_t;

typedef struct {
    event_t *events;
    size_t n, cap;
    uint64_t looked_at, read, skipped; /* events; pieces */
} history_t;

static int compare_events(const void *a, const void *b) {
    const event_t *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    int order = rv_str_compare(x->source, y->source);
    if (!order)
        order = rv_str_compare(x->id, y->id);
    return order ? order : (x->type > y->type) - (x->type < y->type);
}

static rv_status_t copy_string(const rvw_column_t *column, uint32_t i, rv_arena_t *arena, rv_str_t *ret,
                               rv_error_t *err) {
    char room[RVW_TEXT_ROOM];
    rv_str_t s = rvw_column_string(column, i, room);
    if (column->encoding == RVW_NUMBERED) {
        s.p = rv_arena_strndup(arena, s.p, s.n);
        if (!s.p)
            return rv_fail_memory(err, "a history");
    }
    *ret = s;
    return RV_OK;
}

static rv_status_t add_event(history_t *h, const rvw_events_t *events, uint32_t type, uint32_t i, rv_arena_t *arena,
                             rv_error_t *err) {
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 256;
        event_t *grown = rv_arena_alloc(arena, cap * sizeof *grown);
        if (!grown)
            return rv_fail_memory(err, "a history");
        if (h->n)
            memcpy(grown, h->events, h->n * sizeof *grown);
        h->events = grown;
        h->cap = cap;
    }
    event_t event = {.time = rvw_column_int(&events->time, i), .events = events, .type = type, .i = i};
    RVW_TRY(copy_string(&events->source, i, arena, &event.source, err));
    RVW_TRY(copy_string(&events->id, i, arena, &event.id, err));
    h->events[h->n++] = event;
    return RV_OK;
}

/* First event of a sorted piece whose row is not below. */
static uint32_t lower_bound(const rvw_events_t *events, uint16_t row) {
    uint32_t lo = 0, hi = events->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (events->row[mid] < row)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static rv_status_t gather_piece(history_t *h, const rvw_events_t *events, uint32_t type, uint16_t row, int64_t until,
                                rv_arena_t *arena, rv_error_t *err) {
    if (!events->n || row < events->min_row || row > events->max_row || events->min_time > until) {
        h->skipped++;
        return RV_OK;
    }
    h->read++;
    for (uint32_t i = events->sorted ? lower_bound(events, row) : 0; i < events->n; i++) {
        if (events->row[i] != row) {
            if (events->sorted)
                break;
            continue;
        }
        h->looked_at++;
        if (rvw_column_int(&events->time, i) <= until)
            RVW_TRY(add_event(h, events, type, i, arena, err));
    }
    return RV_OK;
}

static rv_status_t gather_history(const rvw_view_t *view, const rv_catalog_t *catalog, uint32_t row, int64_t until,
                                  rv_arena_t *arena, history_t *h, rv_error_t *err) {
    uint32_t per = rvw_view_chunk_rows(view), chunk = row / per;
    size_t n_types;
    const rv_event_type_t *types = rv_catalog_types(catalog, &n_types);
    for (size_t k = 0; k < n_types; k++) {
        uint32_t n = rvw_view_events_max(view, types[k].id, chunk);
        if (!n)
            continue;
        rvw_events_t *events = rv_arena_alloc(arena, n * sizeof *events);
        if (!events)
            return rv_fail_memory(err, "a history");
        RVW_TRY(rvw_view_events(view, types[k].id, chunk, events, &n, err));
        for (uint32_t i = 0; i < n; i++)
            RVW_TRY(gather_piece(h, &events[i], types[k].id, (uint16_t)(row % per), until, arena, err));
    }
    if (h->n)
        qsort(h->events, h->n, sizeof *h->events, compare_events);
    return RV_OK;
}

/* The value of a property, or of the channel (as NULL), of an event. */
static rv_status_t event_value(const event_t *e, const rv_attribute_t *as, rv_arena_t *arena, rv_value_t *ret,
                               rv_error_t *err) {
    static const rv_attribute_t channel = {.type = RV_STRING};
    *ret = (rv_value_t){0};
    if (!as)
        return read_value(&e->events->channel, e->i, &channel, arena, ret, err);
    for (uint32_t k = 0; k < e->events->n_properties; k++)
        if (e->events->property_ids[k] == as->id)
            return read_value(&e->events->properties[k], e->i, as, arena, ret, err);
    return RV_OK;
}

static rv_status_t add_column(Reveille__V1__HistoryResponse *response, const char *name, uint32_t id, rv_type_t type,
                              unsigned scale, const rv_value_t *values, size_t n, rv_arena_t *arena, rv_error_t *err) {
    Reveille__V1__Column *column = rvw_message_column(arena, id, type, scale, values, n, err);
    if (!column)
        return RV_RESOURCE_EXHAUSTED;
    column->name = rv_arena_strndup(arena, name, strlen(name));
    if (!column->name)
        return rv_fail_memory(err, "a history");
    response->columns[response->n_columns++] = column;
    return RV_OK;
}

/* The five columns that every event has. */
static rv_status_t add_fields(Reveille__V1__HistoryResponse *response, const event_t *events, size_t n,
                              rv_value_t *values, rv_arena_t *arena, rv_error_t *err) {
    for (size_t i = 0; i < n; i++)
        values[i] = (rv_value_t){.present = true, .i = events[i].time};
    RVW_TRY(add_column(response, "at", 0, RV_TIME, 0, values, n, arena, err));
    for (size_t i = 0; i < n; i++)
        values[i] = (rv_value_t){.present = true, .i = events[i].type};
    RVW_TRY(add_column(response, "type", 0, RV_INT, 0, values, n, arena, err));
    for (size_t i = 0; i < n; i++)
        RVW_TRY(event_value(&events[i], NULL, arena, &values[i], err));
    RVW_TRY(add_column(response, "channel", 0, RV_STRING, 0, values, n, arena, err));
    for (size_t i = 0; i < n; i++)
        values[i] = (rv_value_t){.present = true, .s = events[i].source};
    RVW_TRY(add_column(response, "source", 0, RV_STRING, 0, values, n, arena, err));
    for (size_t i = 0; i < n; i++)
        values[i] = (rv_value_t){.present = true, .s = events[i].id};
    return add_column(response, "id", 0, RV_STRING, 0, values, n, arena, err);
}

/* Bytes of one event in a message, at most. */
static rv_status_t event_bytes(const event_t *e, const rv_attribute_t *properties, size_t n, rv_arena_t *arena,
                               size_t *ret, rv_error_t *err) {
    rv_value_t value;
    RVW_TRY(event_value(e, NULL, arena, &value, err));
    *ret = 32 + e->source.n + e->id.n + rvw_value_bytes(RV_STRING, &value);
    for (size_t k = 0; k < n; k++) {
        RVW_TRY(event_value(e, &properties[k], arena, &value, err));
        *ret += rvw_value_bytes(properties[k].type, &value) + 1;
    }
    return RV_OK;
}

static rv_status_t history_page(const rv_catalog_t *catalog, const history_t *h, uint64_t from, rv_arena_t *arena,
                                Reveille__V1__HistoryResponse *response, size_t *ret_n, rv_error_t *err) {
    size_t n_properties, n = 0, bytes = 0, more;
    const rv_attribute_t *properties = rv_catalog_properties(catalog, &n_properties);
    const event_t *events = h->events + from;
    while (from + n < h->n && n < RV_PAGE_ROWS) {
        RVW_TRY(event_bytes(&events[n], properties, n_properties, arena, &more, err));
        if (n && bytes + more > RVW_PAGE_BYTES)
            break;
        bytes += more;
        n++;
    }
    rv_value_t *values = rv_arena_alloc(arena, (n + 1) * sizeof *values);
    response->columns = rv_arena_alloc(arena, (n_properties + 5) * sizeof *response->columns);
    if (!values || !response->columns)
        return rv_fail_memory(err, "a history");
    RVW_TRY(add_fields(response, events, n, values, arena, err));
    for (size_t k = 0; k < n_properties; k++) {
        bool any = false;
        for (size_t i = 0; i < n; i++) {
            RVW_TRY(event_value(&events[i], &properties[k], arena, &values[i], err));
            any |= values[i].present;
        }
        if (any)
            RVW_TRY(add_column(response, properties[k].name, properties[k].id, properties[k].type, properties[k].scale,
                               values, n, arena, err));
    }
    *ret_n = n;
    return RV_OK;
}

rv_status_t rvw_history(const rvw_view_t *view, const rv_catalog_t *catalog,
                        const Reveille__V1__HistoryRequest *request, rv_arena_t *arena, uint64_t *cursor,
                        rv_counters_t *counters, Reveille__V1__HistoryResponse **ret, bool *ret_last, rv_error_t *err) {
    uint32_t row;
    size_t n = 0;
    history_t h = {0};
    if (!rvw_view_find(view, request->key, strlen(request->key), &row))
        return rv_fail(err, RV_REASON_MISSING, "there is no contact '%s'", request->key);
    RVW_TRY(gather_history(view, catalog, row, request->until_ms, arena, &h, err));
    Reveille__V1__HistoryResponse *response = rv_arena_alloc(arena, sizeof *response);
    if (!response)
        return rv_fail_memory(err, "a history");
    reveille__v1__history_response__init(response);
    response->lsn = rvw_view_lsn(view);
    uint64_t from = *cursor < h.n ? *cursor : h.n;
    RVW_TRY(history_page(catalog, &h, from, arena, response, &n, err));
    *cursor = from + n;
    if (counters) {
        counters->events += h.looked_at;
        counters->runs_read += h.read;
        counters->runs_skipped += h.skipped;
    }
    *ret_last = *cursor >= h.n;
    *ret = response;
    return RV_OK;
}

/* apply_events.c: events into the tail.
 *
 * Two passes over the batch, without an allocation an event: first contacts become rows (each key once, new ones bare;
 * what the look-ups read is fetched ahead); then, list after list, each event looks for its twin. An event without one
 * waits, together with those that follow, to be appended to its (type, chunk) list; an event that may have a twin among
 * those that wait lets them go first. An equal twin is a duplicate, another one a conflict of this item.
 * Errors: memory, DATA_LOSS of a piece. */
#include <stdlib.h>
#include <string.h>

#include "append.h"
#include "twin.h"

#define LANES 16u

/* A (type, chunk) of the batch, and its events. */
typedef struct {
    rvw_lane_t list;
    uint32_t n, at; /* how many, and where the next one stands in the order */
} lane_t;

typedef struct {
    rvw_apply_t *apply;
    const Reveille__V1__EventBatch *message;
    uint32_t n;
    rvw_strings_t keys;
    rvw_finder_t finder;
    uint64_t *hashes;     /* of the keys */
    uint32_t *row_of_key; /* RVW_NO_ROW: not looked up, or not there */
    rvw_batch_columns_t columns;
    uint32_t *tags; /* of events that may have a twin; 0: not worked out */
    lane_t *lanes;
    uint32_t n_lanes, cap_lanes;
    uint32_t *slots, mask; /* 1 + number of the lane, by type and chunk */
    uint32_t *lane_of_event;
    uint32_t *order; /* events lane after lane */
    /* New events of one lane, and the newest of their times. */
    uint32_t *waiting, n_waiting;
    int64_t newest;
} batch_t;

static bool any_present(const Reveille__V1__Column *column, uint32_t n) {
    bool any = column->present.len == 0 && n > 0;
    for (size_t k = 0; !any && k < column->present.len; k++) {
        any = column->present.data[k] != 0;
    }
    return any;
}

static bool init_columns(rvw_batch_columns_t *columns, const Reveille__V1__EventBatch *message, rv_arena_t *arena) {
    uint32_t n = (uint32_t)message->n_contacts;
    columns->message = message;
    columns->rows = rv_arena_alloc(arena, (n + 1) * sizeof *columns->rows);
    columns->properties = rv_arena_alloc(arena, (message->n_properties + 1) * sizeof *columns->properties);
    bool ok = columns->rows && columns->properties && rvw_input_init(&columns->channel, message->channel, arena) &&
              rvw_input_init(&columns->source, message->source, arena) &&
              rvw_input_init(&columns->id, message->event_id, arena);
    for (size_t k = 0; ok && k < message->n_properties; k++) {
        if (any_present(message->properties[k], n)) {
            ok = rvw_input_init(&columns->properties[columns->n_properties++], message->properties[k], arena);
        }
    }
    return ok;
}

static bool init_lanes(batch_t *batch, rv_arena_t *arena) {
    uint32_t n = batch->n, cap = 4;
    while (cap < 2 * n) {
        cap *= 2;
    }
    batch->mask = cap - 1;
    batch->cap_lanes = n < LANES ? n : LANES;
    batch->slots = rv_arena_zalloc(arena, cap, sizeof *batch->slots);
    batch->lanes = rv_arena_alloc(arena, (batch->cap_lanes + 1) * sizeof *batch->lanes);
    batch->tags = rv_arena_zalloc(arena, n + 1, sizeof *batch->tags);
    batch->lane_of_event = rv_arena_alloc(arena, (n + 1) * sizeof *batch->lane_of_event);
    batch->order = rv_arena_alloc(arena, (n + 1) * sizeof *batch->order);
    batch->waiting = rv_arena_alloc(arena, (n + 1) * sizeof *batch->waiting);
    return batch->slots && batch->lanes && batch->tags && batch->lane_of_event && batch->order && batch->waiting;
}

static rv_status_t begin(batch_t *batch, rvw_apply_t *apply, const Reveille__V1__EventBatch *message) {
    rv_arena_t *arena = apply->arena;
    *batch = (batch_t){.apply = apply, .message = message, .n = (uint32_t)message->n_contacts};
    bool ok = rvw_strings_init(&batch->keys, message->contact_keys, arena) &&
              init_columns(&batch->columns, message, arena) && init_lanes(batch, arena);
    batch->row_of_key = ok ? rv_arena_alloc(arena, (batch->keys.n + 1) * sizeof *batch->row_of_key) : NULL;
    batch->hashes = ok ? rv_arena_alloc(arena, (batch->keys.n + 1) * sizeof *batch->hashes) : NULL;
    if (!batch->row_of_key || !batch->hashes) {
        return rv_fail_memory(apply->err, "a batch of events");
    }
    memset(batch->row_of_key, 0xff, batch->keys.n * sizeof *batch->row_of_key);
    rvw_finder_init(&batch->finder, apply->p, RVW_CONTACTS);
    rvw_finder_warm(&batch->finder, &batch->keys, batch->hashes);
    return RV_OK;
}

static void key_of(const batch_t *batch, const rvw_lane_t *lane, uint32_t i, rvw_event_key_t *ret) {
    *ret = (rvw_event_key_t){.type = lane->type, .chunk = lane->chunk, .row = batch->columns.rows[i]};
    ret->time = batch->message->times_ms[i];
    ret->source = rvw_input_string(&batch->columns.source, i);
    ret->id = rvw_input_string(&batch->columns.id, i);
    ret->tag = batch->tags[i];
}

/* A new lane; false without memory. */
static bool add_lane(batch_t *batch) {
    if (batch->n_lanes == batch->cap_lanes) {
        uint32_t cap = batch->cap_lanes * 2;
        lane_t *grown = rv_arena_alloc(batch->apply->arena, cap * sizeof *grown);
        if (!grown) {
            return false;
        }
        memcpy(grown, batch->lanes, batch->n_lanes * sizeof *grown);
        batch->lanes = grown;
        batch->cap_lanes = cap;
    }
    batch->lanes[batch->n_lanes++] = (lane_t){.n = 0};
    return true;
}

/* Number of the lane of a type and chunk. */
static rv_status_t lane_of(batch_t *batch, uint32_t type, uint32_t chunk, uint32_t *ret) {
    uint32_t at = (uint32_t)(((uint64_t)type << 32 | chunk) * 0x9E3779B97F4A7C15ull >> 32) & batch->mask;
    for (; batch->slots[at]; at = (at + 1) & batch->mask) {
        const rvw_lane_t *lane = &batch->lanes[batch->slots[at] - 1].list;
        if (lane->type == type && lane->chunk == chunk) {
            *ret = batch->slots[at] - 1;
            return RV_OK;
        }
    }
    if (!add_lane(batch)) {
        return rv_fail_memory(batch->apply->err, "a batch of events");
    }
    *ret = batch->n_lanes - 1;
    batch->slots[at] = batch->n_lanes;
    return rvw_lane_open(batch->apply->p, type, chunk, &batch->lanes[*ret].list, batch->apply->err);
}

/* Event i, which is of this row, takes its place in a lane. */
static rv_status_t take_lane(batch_t *batch, uint32_t row, uint32_t i) {
    const rvw_partition_t *p = batch->apply->p;
    uint32_t chunk = row / p->identity.chunk_rows;
    rv_status_t status = lane_of(batch, batch->message->types[i], chunk, &batch->lane_of_event[i]);
    if (status) {
        return status;
    }
    lane_t *lane = &batch->lanes[batch->lane_of_event[i]];
    batch->columns.rows[i] = (uint16_t)(row - chunk * p->identity.chunk_rows);
    lane->n++;
    if (rvw_twin_in_tails(&lane->list, batch->message->times_ms[i])) {
        rvw_event_key_t key;
        key_of(batch, &lane->list, i, &key);
        batch->tags[i] = rvw_event_tag(&key);
        rvw_twin_prefetch(p, batch->tags[i]);
    }
    return RV_OK;
}

/* First pass: rows. */
static rv_status_t find_rows(batch_t *batch) {
    for (uint32_t i = 0; i < batch->n; i++) {
        uint32_t key = batch->message->contacts[i];
        bool created;
        rv_status_t status = RV_OK;
        if (batch->row_of_key[key] == RVW_NO_ROW) {
            status = rvw_apply_row(batch->apply, &batch->finder, rvw_strings_get(&batch->keys, key), batch->hashes[key],
                                   !batch->apply->known, &batch->row_of_key[key], &created);
        }
        batch->lane_of_event[i] = UINT32_MAX;
        if (status == RV_OK && batch->row_of_key[key] == RVW_NO_ROW) {
            batch->apply->result->duplicates++; /* a repetition, whose contact was erased since */
        } else if (status == RV_OK) {
            status = take_lane(batch, batch->row_of_key[key], i);
        }
        if (status) {
            return status;
        }
    }
    return RV_OK;
}

/* Events of a list follow each other, in their order. */
static void order_by_lane(batch_t *batch) {
    uint32_t at = 0;
    for (uint32_t k = 0; k < batch->n_lanes; k++) {
        batch->lanes[k].at = at;
        at += batch->lanes[k].n;
    }
    for (uint32_t i = 0; i < batch->n; i++) {
        if (batch->lane_of_event[i] != UINT32_MAX) {
            batch->order[batch->lanes[batch->lane_of_event[i]].at++] = i;
        }
    }
}

/* The events that wait go into the tail. */
static rv_status_t append_waiting(batch_t *batch, rvw_lane_t *lane) {
    rvw_apply_t *apply = batch->apply;
    uint32_t n = batch->n_waiting;
    batch->n_waiting = 0;
    if (n > 0 && !lane->list) {
        lane->list = rvw_tail_list(apply->tail, RVW_EVENTS, lane->type, lane->chunk);
    }
    if (n > 0 && (!lane->list || !rvw_append_events(apply, &batch->columns, lane->list, batch->waiting, n))) {
        return rv_fail_memory(apply->err, "an event");
    }
    apply->result->applied += n;
    return RV_OK;
}

/* Event i is new: it waits with others of its source. */
static rv_status_t let_wait(batch_t *batch, rvw_lane_t *lane, uint32_t i) {
    const rvw_input_t *source = &batch->columns.source;
    int64_t time = batch->message->times_ms[i];
    rv_status_t status = RV_OK;
    if (batch->n_waiting > 0 && source->column &&
        !rv_str_equal(rvw_input_string(source, batch->waiting[0]), rvw_input_string(source, i))) {
        status = append_waiting(batch, lane);
    }
    batch->newest = batch->n_waiting == 0 || time > batch->newest ? time : batch->newest;
    batch->waiting[batch->n_waiting++] = i;
    return status;
}

/* An event that has a twin. */
static rv_status_t settle(batch_t *batch, const rvw_twin_t *twin, uint32_t i) {
    rvw_result_t *result = batch->apply->result;
    if (!rvw_twin_equal(twin, i, &batch->columns.channel, batch->columns.properties, batch->columns.n_properties)) {
        rv_error_t why = {0};
        rv_fail(
            &why, RV_REASON_CONFLICT,
            "an event with this contact, type, time, source and id exists with other properties or another channel: "
            "delete it first, or give the new one another id");
        return rvw_apply_refuse(batch->apply, i, &why);
    }
    result->duplicates++;
    result->duplicates_without_id += rvw_input_string(&batch->columns.id, i).n == 0;
    return RV_OK;
}

static rv_status_t apply_event(batch_t *batch, rvw_lane_t *lane, uint32_t i) {
    rvw_apply_t *apply = batch->apply;
    int64_t time = batch->message->times_ms[i];
    rvw_event_key_t key;
    rvw_twin_t twin = {0};
    rv_status_t status = RV_OK;
    if (batch->n_waiting > 0 && time <= batch->newest) {
        status = append_waiting(batch, lane);
    }
    if (status == RV_OK && (time <= lane->newest || rvw_twin_in_tails(lane, time))) {
        key_of(batch, lane, i, &key);
        status = rvw_twin_find(apply->p, lane, &key, &twin, apply->err);
    }
    if (status) {
        return status;
    }
    if (twin.block || twin.events) {
        return settle(batch, &twin, i);
    }
    if (apply->known) {
        apply->result->duplicates++;
        return RV_OK;
    }
    return let_wait(batch, lane, i);
}

/* Second pass: the events of each lane. */
static rv_status_t apply_lanes(batch_t *batch) {
    rv_status_t status = RV_OK;
    for (uint32_t k = 0, at = 0; k < batch->n_lanes && status == RV_OK; k++) {
        rvw_lane_t *lane = &batch->lanes[k].list;
        for (; status == RV_OK && at < batch->lanes[k].at; at++) {
            status = apply_event(batch, lane, batch->order[at]);
        }
        if (status == RV_OK) {
            status = append_waiting(batch, lane);
        }
    }
    return status;
}

rv_status_t rvw_apply_events(rvw_apply_t *apply, const Reveille__V1__EventBatch *message) {
    batch_t batch;
    rv_status_t status = begin(&batch, apply, message);
    if (status == RV_OK) {
        status = find_rows(&batch);
    }
    if (status == RV_OK) {
        order_by_lane(&batch);
        status = apply_lanes(&batch);
    }
    rvw_apply_sort_refusals(apply);
    atomic_fetch_add_explicit(&apply->p->events, apply->result->applied, memory_order_relaxed);
    return status;
}

/* apply_events.c: events into the tail.
 *
 * Two passes over the batch, without an allocation an event: first contacts become rows (each key once, new ones bare;
 * what the look-ups read is fetched ahead); then, list after list, each event looks for its twin and is appended to its
 * (type, chunk) list unless there is one. An equal twin is a duplicate, another one a conflict of this item.
 * Errors: memory, DATA_LOSS of a piece. */
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "twin.h"

#define LANES 64u

typedef struct {
    rvw_apply_t *apply;
    const Reveille__V1__EventBatch *message;
    uint32_t n;
    rvw_strings_t keys;
    rvw_finder_t finder;
    uint64_t *hashes;     /* of the keys */
    uint32_t *row_of_key; /* RVW_NO_ROW: not looked up, or not there */
    rvw_event_key_t *events;
    rvw_input_t channel, source, id;
    rvw_input_t *properties;
    uint32_t n_properties;
    rvw_lane_t lanes[LANES];
    uint8_t *lane_of_event;
    uint32_t *order; /* events lane after lane */
    uint32_t in_lane[LANES];
} batch_t;

static bool any_present(const Reveille__V1__Column *column, uint32_t n) {
    bool any = column->present.len == 0 && n > 0;
    for (size_t k = 0; !any && k < column->present.len; k++) {
        any = column->present.data[k] != 0;
    }
    return any;
}

static rv_status_t begin(batch_t *batch, rvw_apply_t *apply, const Reveille__V1__EventBatch *message) {
    rv_arena_t *arena = apply->arena;
    memset(batch, 0, sizeof *batch);
    batch->apply = apply;
    batch->message = message;
    batch->n = (uint32_t)message->n_contacts;
    batch->events = rv_arena_alloc(arena, (batch->n + 1) * sizeof *batch->events);
    batch->properties = rv_arena_alloc(arena, (message->n_properties + 1) * sizeof *batch->properties);
    batch->lane_of_event = rv_arena_zalloc(arena, batch->n + 1, sizeof *batch->lane_of_event);
    batch->order = rv_arena_alloc(arena, (batch->n + 1) * sizeof *batch->order);
    bool ok = batch->events && batch->properties && batch->lane_of_event && batch->order &&
              rvw_strings_init(&batch->keys, message->contact_keys, arena) &&
              rvw_input_init(&batch->channel, message->channel, arena) &&
              rvw_input_init(&batch->source, message->source, arena) &&
              rvw_input_init(&batch->id, message->event_id, arena);
    for (size_t k = 0; ok && k < message->n_properties; k++) {
        if (any_present(message->properties[k], batch->n)) {
            ok = rvw_input_init(&batch->properties[batch->n_properties++], message->properties[k], arena);
        }
    }
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

static void key_of(const batch_t *batch, uint32_t i, rvw_event_key_t *ret) {
    uint32_t row = batch->row_of_key[batch->message->contacts[i]], chunk_rows = batch->apply->p->identity.chunk_rows;
    *ret = (rvw_event_key_t){.type = batch->message->types[i], .chunk = row / chunk_rows};
    ret->row = (uint16_t)(row % chunk_rows);
    ret->time = batch->message->times_ms[i];
    ret->source = rvw_input_string(&batch->source, i);
    ret->id = rvw_input_string(&batch->id, i);
}

static rv_status_t lane_of(batch_t *batch, const rvw_event_key_t *key, rvw_lane_t **ret) {
    rvw_lane_t *lane = &batch->lanes[(key->type * 7 + key->chunk) % LANES];
    *ret = lane;
    if (lane->ready && lane->type == key->type && lane->chunk == key->chunk) {
        return RV_OK;
    }
    return rvw_lane_open(batch->apply->p, key->type, key->chunk, lane, batch->apply->err);
}

/* First pass: rows. */
static rv_status_t find_rows(batch_t *batch) {
    for (uint32_t i = 0; i < batch->n; i++) {
        uint32_t key = batch->message->contacts[i];
        rvw_lane_t *lane;
        bool created;
        rv_status_t status = RV_OK;
        if (batch->row_of_key[key] == RVW_NO_ROW) {
            status = rvw_apply_row(batch->apply, &batch->finder, rvw_strings_get(&batch->keys, key), batch->hashes[key],
                                   !batch->apply->known, &batch->row_of_key[key], &created);
        }
        if (status == RV_OK && batch->row_of_key[key] != RVW_NO_ROW) {
            key_of(batch, i, &batch->events[i]);
            status = lane_of(batch, &batch->events[i], &lane);
            batch->lane_of_event[i] = (uint8_t)(lane - batch->lanes);
            if (status == RV_OK) {
                rvw_twin_prefetch(batch->apply->p, lane, &batch->events[i]);
            }
        }
        if (status) {
            return status;
        }
        batch->in_lane[batch->lane_of_event[i]]++;
    }
    return RV_OK;
}

/* Events of a list follow each other, in their order: what appending reads and writes of a list stays at hand. */
static void order_by_lane(batch_t *batch) {
    uint32_t start[LANES], at = 0;
    for (uint32_t k = 0; k < LANES; k++) {
        start[k] = at;
        at += batch->in_lane[k];
    }
    for (uint32_t i = 0; i < batch->n; i++) {
        batch->order[start[batch->lane_of_event[i]]++] = i;
    }
}

/* The cell of the list that takes property k of event i; 0 without memory. A list may close its block for it. */
static uint32_t cell_of(batch_t *batch, rvw_lane_t *lane, uint32_t k, uint32_t i) {
    const Reveille__V1__Column *column = batch->properties[k].column;
    bool narrow = column->wide.len == 0;
    if (narrow && k < RVW_LANE_PROPERTIES && lane->cells[k]) {
        return lane->cells[k];
    }
    rvw_shape_t shape = {.id = column->id, .type = column->type, .scale = (uint8_t)column->scale};
    if (!narrow) {
        rv_value_t value;
        rvw_input_value(&batch->properties[k], i, &value);
        shape.wide = (rv_i128_t)(int64_t)value.wide != value.wide;
    }
    uint32_t cell = rvw_list_shape(lane->list, &shape);
    if (cell != UINT32_MAX && k < RVW_LANE_PROPERTIES) {
        lane->cells[k] = (uint16_t)cell;
    }
    return cell == UINT32_MAX ? 0 : cell;
}

/* The list has a column for every property that the event carries. */
static bool ensure_shapes(batch_t *batch, rvw_lane_t *lane, uint32_t i) {
    for (uint32_t k = 0; k < batch->n_properties; k++) {
        if (rvw_input_present(&batch->properties[k], i) && !cell_of(batch, lane, k, i)) {
            return false;
        }
    }
    return true;
}

/* The copy in the tail of a string of event i. Nearly all strings of a batch are needed, so they are copied at once. */
static rv_str_t keep(batch_t *batch, rvw_input_t *input, uint32_t i) {
    const rvw_strings_t *strings = &input->strings;
    rv_str_t s = rvw_input_string(input, i);
    if (s.n == 0) {
        return (rv_str_t){"", 0};
    }
    if (!input->all) {
        input->all = rvw_tail_text(batch->apply->tail, strings->bytes, strings->offsets[strings->n]);
    }
    return (rv_str_t){input->all ? input->all + (s.p - strings->bytes) : NULL, s.n};
}

static bool put_property(batch_t *batch, rvw_cells_t *cells, rvw_input_t *input, uint32_t at, uint32_t i) {
    if (rvw_kind(cells->shape.type) == RVW_KIND_TEXT) {
        rv_str_t s = keep(batch, input, i);
        rvw_cells_put_text(cells, at, s);
        return s.p != NULL;
    }
    rv_value_t value;
    rvw_input_value(input, i, &value);
    rvw_cells_put(cells, at, &value);
    return true;
}

static bool put_properties(batch_t *batch, rvw_lane_t *lane, rvw_block_t *block, uint32_t at, uint32_t i) {
    for (uint32_t c = RVW_CELL_PROPERTIES; c < block->n_cells; c++) {
        block->cells[c].present[at] = 0;
    }
    for (uint32_t k = 0; k < batch->n_properties; k++) {
        if (rvw_input_present(&batch->properties[k], i) &&
            !put_property(batch, &block->cells[cell_of(batch, lane, k, i)], &batch->properties[k], at, i)) {
            return false;
        }
    }
    for (uint32_t c = RVW_CELL_PROPERTIES; c < block->n_cells; c++) {
        if (!block->cells[c].present[at]) {
            rvw_cells_put_none(&block->cells[c], at);
        }
    }
    return true;
}

/* A block with room for the event, and a column for everything that it carries. NULL without memory. */
static rvw_block_t *room_for(batch_t *batch, rvw_lane_t *lane, rv_str_t source, uint32_t i) {
    rvw_apply_t *apply = batch->apply;
    if (!lane->list) {
        lane->list = rvw_tail_list(apply->tail, RVW_EVENTS, lane->type, lane->chunk);
    }
    if (!lane->list || !ensure_shapes(batch, lane, i)) {
        return NULL;
    }
    rvw_block_t *block = rvw_list_room(apply->tail, lane->list);
    if (block && !rvw_list_agree(lane->list, block, atomic_load_explicit(&block->n, memory_order_relaxed), source,
                                 (int64_t)apply->write->import_id)) {
        block = rvw_list_room(apply->tail, lane->list);
        if (block) {
            rvw_list_agree(lane->list, block, 0, source, (int64_t)apply->write->import_id);
        }
    }
    return block;
}

/* Fills the columns that every event has. */
static bool put_fixed(batch_t *batch, rvw_block_t *block, const rvw_event_key_t *key, rv_str_t source, uint32_t at,
                      uint32_t i) {
    rv_str_t id = keep(batch, &batch->id, i);
    rv_str_t channel = {"", 0};
    if (rvw_input_present(&batch->channel, i)) {
        channel = keep(batch, &batch->channel, i);
        rvw_cells_put_text(&block->cells[RVW_CELL_CHANNEL], at, channel);
    } else {
        rvw_cells_put_none(&block->cells[RVW_CELL_CHANNEL], at);
    }
    rvw_cells_put_int(&block->cells[RVW_CELL_TIME], at, key->time);
    rvw_cells_put_text(&block->cells[RVW_CELL_ID], at, id);
    if (block->cells[RVW_CELL_SOURCE].values) {
        rvw_cells_put_text(&block->cells[RVW_CELL_SOURCE], at, source);
    }
    if (block->cells[RVW_CELL_IMPORT].values) {
        rvw_cells_put_int(&block->cells[RVW_CELL_IMPORT], at, (int64_t)batch->apply->write->import_id);
    }
    return id.p && channel.p;
}

static bool append(batch_t *batch, rvw_lane_t *lane, const rvw_event_key_t *key, uint32_t i) {
    rvw_apply_t *apply = batch->apply;
    rv_str_t source = keep(batch, &batch->source, i);
    rvw_block_t *block = source.p ? room_for(batch, lane, source, i) : NULL;
    if (!block) {
        return false;
    }
    uint32_t at = atomic_load_explicit(&block->n, memory_order_relaxed);
    if (!put_fixed(batch, block, key, source, at, i) || !put_properties(batch, lane, block, at, i)) {
        return false;
    }
    rvw_block_publish(apply->tail, lane->list, block, apply->lsn, key->row);
    rvw_list_note_time(lane->list, block, at, key->time);
    apply->tail->n_events++;
    return true;
}

/* An event that has a twin. */
static rv_status_t settle(batch_t *batch, const rvw_twin_t *twin, const rvw_event_key_t *key, uint32_t i) {
    rvw_result_t *result = batch->apply->result;
    if (!rvw_twin_equal(twin, i, &batch->channel, batch->properties, batch->n_properties)) {
        rv_error_t why = {0};
        rv_fail(
            &why, RV_REASON_CONFLICT,
            "an event with this contact, type, time, source and id exists with other properties or another channel: "
            "delete it first, or give the new one another id");
        return rvw_apply_refuse(batch->apply, i, &why);
    }
    result->duplicates++;
    result->duplicates_without_id += key->id.n == 0;
    return RV_OK;
}

static rv_status_t apply_event(batch_t *batch, uint32_t i) {
    rvw_apply_t *apply = batch->apply;
    rvw_event_key_t *key = &batch->events[i];
    rvw_lane_t *lane;
    rvw_twin_t twin;
    if (batch->row_of_key[batch->message->contacts[i]] == RVW_NO_ROW) {
        apply->result->duplicates++; /* a repetition, whose contact was erased since */
        return RV_OK;
    }
    rv_status_t status = lane_of(batch, key, &lane);
    if (status == RV_OK) {
        status = rvw_twin_find(apply->p, lane, key, &twin, apply->err);
    }
    if (status) {
        return status;
    }
    if (twin.block || twin.events) {
        return settle(batch, &twin, key, i);
    }
    if (apply->known) {
        apply->result->duplicates++;
        return RV_OK;
    }
    if (!append(batch, lane, key, i)) {
        return rv_fail_memory(apply->err, "an event");
    }
    apply->result->applied++;
    return RV_OK;
}

rv_status_t rvw_apply_events(rvw_apply_t *apply, const Reveille__V1__EventBatch *message) {
    batch_t *batch = rv_arena_alloc(apply->arena, sizeof *batch);
    if (!batch) {
        return rv_fail_memory(apply->err, "a batch of events");
    }
    rv_status_t status = begin(batch, apply, message);
    if (status == RV_OK) {
        status = find_rows(batch);
    }
    if (status == RV_OK) {
        order_by_lane(batch);
    }
    for (uint32_t k = 0; status == RV_OK && k < batch->n; k++) {
        status = apply_event(batch, batch->order[k]);
    }
    rvw_apply_sort_refusals(apply);
    atomic_fetch_add_explicit(&apply->p->events, apply->result->applied, memory_order_relaxed);
    return status;
}

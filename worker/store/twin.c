/* twin.c: see twin.h. Errors: DATA_LOSS of a piece, memory. */
#include "twin.h"

#include <string.h>

#include "reveille/hash.h"

#define FEW 16u

uint32_t rvw_event_tag(const rvw_event_key_t *key) {
    uint64_t hash = rv_hash(key->id.p, key->id.n);
    if (key->source.n > 0) {
        hash += rv_hash(key->source.p, key->source.n) * 31;
    }
    hash = (hash ^ (uint64_t)key->time) * 0x9E3779B97F4A7C15ull;
    hash ^= (uint64_t)key->type << 48 ^ (uint64_t)key->chunk << 16 ^ key->row;
    hash *= 0xC2B2AE3D27D4EB4Full;
    return (uint32_t)(hash >> 32);
}

static void prefetch(const rvw_tail_t *tail, uint32_t tag) {
    if (tail && tail->seen.slots) {
        __builtin_prefetch(&tail->seen.slots[tag & tail->seen.mask]);
    }
}

/* An event of this time may have a twin in the list. */
static bool may_have(const rvw_list_t *list, int64_t time) {
    return list && list->since_block && time <= list->newest_time;
}

bool rvw_twin_in_tails(const rvw_lane_t *lane, int64_t time) {
    return may_have(lane->list, time) || may_have(lane->frozen, time);
}

void rvw_twin_prefetch(const rvw_partition_t *p, uint32_t tag) {
    prefetch(p->active, tag);
    prefetch(p->frozen, tag);
}

rv_status_t rvw_lane_open(rvw_partition_t *p, uint32_t type, uint32_t chunk, rvw_lane_t *ret, rv_error_t *err) {
    rvw_lane_t lane = {.type = type, .chunk = chunk, .newest = INT64_MIN};
    lane.list = rvw_tail_find(p->active, RVW_EVENTS, type, chunk);
    lane.frozen = p->frozen ? rvw_tail_find(p->frozen, RVW_EVENTS, type, chunk) : NULL;
    lane.n = rvw_base_find(p->base, RVW_EVENTS, type, chunk, &lane.first);
    if (lane.n > 0) {
        rv_status_t status = rvw_base_newest(p->base, lane.first, lane.n, &lane.newest, err);
        if (status) {
            return status;
        }
    }
    *ret = lane;
    return RV_OK;
}

static bool same(rv_str_t a, rv_str_t b) {
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static bool is_twin(const rvw_block_t *block, uint32_t i, const rvw_event_key_t *key) {
    return block->row[i] == key->row && ((const int64_t *)block->cells[RVW_CELL_TIME].values)[i] == key->time &&
           block->list->id == key->type && block->list->chunk == key->chunk &&
           same(rvw_cells_text(&block->cells[RVW_CELL_ID], i), key->id) &&
           same(rvw_cells_text(&block->cells[RVW_CELL_SOURCE], i), key->source);
}

/* Enters the list's events that are not yet in the tail's table of identities. */
static bool hash_list(rvw_tail_t *tail, rvw_list_t *list) {
    const rvw_block_t *block =
        list->hashed_in ? list->hashed_in : atomic_load_explicit(&list->first, memory_order_relaxed);
    if (list->hashed < list->n && !rvw_seen_reserve(tail, list->n - list->hashed)) {
        return false;
    }
    while (list->hashed < list->n) {
        uint32_t i = list->hashed - block->first;
        if (i == atomic_load_explicit(&block->n, memory_order_relaxed)) {
            block = atomic_load_explicit(&block->next, memory_order_relaxed);
            continue;
        }
        rvw_event_key_t key = {.type = list->id, .chunk = list->chunk, .row = block->row[i]};
        key.time = ((const int64_t *)block->cells[RVW_CELL_TIME].values)[i];
        key.source = rvw_cells_text(&block->cells[RVW_CELL_SOURCE], i);
        key.id = rvw_cells_text(&block->cells[RVW_CELL_ID], i);
        rvw_seen_add(tail, rvw_event_tag(&key), block, i);
        list->hashed++;
    }
    list->hashed_in = block;
    return true;
}

/* Among the few events of the newest time. */
static bool find_newest(const rvw_list_t *list, const rvw_event_key_t *key, rvw_twin_t *ret) {
    uint32_t at = list->since;
    for (const rvw_block_t *block = list->since_block; block;
         block = atomic_load_explicit(&block->next, memory_order_relaxed)) {
        uint32_t n = atomic_load_explicit(&block->n, memory_order_relaxed);
        for (; at < block->first + n; at++) {
            if (is_twin(block, at - block->first, key)) {
                *ret = (rvw_twin_t){.block = block, .i = at - block->first};
                return true;
            }
        }
    }
    return false;
}

/* Fills *ret when the twin is there. */
static rv_status_t find_in_tail(rvw_tail_t *tail, rvw_list_t *list, rvw_event_key_t *key, rvw_twin_t *ret,
                                rv_error_t *err) {
    if (!may_have(list, key->time)) {
        return RV_OK;
    }
    if (key->time == list->newest_time && list->n - list->since <= FEW) {
        find_newest(list, key, ret);
        return RV_OK;
    }
    if (!hash_list(tail, list)) {
        return rv_fail_memory(err, "the identities of events");
    }
    key->tag = key->tag ? key->tag : rvw_event_tag(key);
    const rvw_seen_t *seen = &tail->seen;
    for (uint32_t at = key->tag & seen->mask; seen->slots[at].block; at = (at + 1) & seen->mask) {
        if (seen->slots[at].tag == key->tag && is_twin(seen->slots[at].block, seen->slots[at].i, key)) {
            *ret = (rvw_twin_t){.block = seen->slots[at].block, .i = seen->slots[at].i};
            break;
        }
    }
    return RV_OK;
}

uint32_t rvw_events_lower_bound(const rvw_events_t *events, uint32_t row, int64_t time) {
    uint32_t low = 0, high = events->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (events->row[middle] < row || (events->row[middle] == row && rvw_column_int(&events->time, middle) < time)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t rvw_events_find(const rvw_events_t *events, const rvw_event_key_t *key) {
    if (key->row < events->min_row || key->row > events->max_row || key->time < events->min_time ||
        key->time > events->max_time) {
        return events->n;
    }
    for (uint32_t i = rvw_events_lower_bound(events, key->row, key->time);
         i < events->n && events->row[i] == key->row && rvw_column_int(&events->time, i) == key->time; i++) {
        char id[300], source[300];
        if (same(rvw_column_string(&events->id, i, id), key->id) &&
            same(rvw_column_string(&events->source, i, source), key->source)) {
            return i;
        }
    }
    return events->n;
}

rv_status_t rvw_twin_find(const rvw_partition_t *p, const rvw_lane_t *lane, rvw_event_key_t *key, rvw_twin_t *ret,
                          rv_error_t *err) {
    *ret = (rvw_twin_t){0};
    rv_status_t found = find_in_tail(p->active, lane->list, key, ret, err);
    if (found == RV_OK && !ret->block) {
        found = find_in_tail(p->frozen, lane->frozen, key, ret, err);
    }
    if (found || ret->block || key->time > lane->newest) {
        return found;
    }
    for (uint32_t k = 0; k < lane->n; k++) {
        const rvw_piece_t *piece;
        rv_status_t status =
            rvw_stored_piece(rvw_base_entries(p->base, NULL)[lane->first + k], p->identity.chunk_rows, &piece, err);
        if (status) {
            return status;
        }
        uint32_t i = rvw_events_find(&piece->events, key);
        if (i < piece->events.n) {
            *ret = (rvw_twin_t){.events = &piece->events, .i = i};
            return RV_OK;
        }
    }
    return RV_OK;
}

/* Property k of a twin, as it is stored. */
static uint32_t property(const rvw_twin_t *twin, uint32_t k, char *buf, rvw_shape_t *shape, rv_value_t *value) {
    if (twin->block) {
        const rvw_cells_t *cells = &twin->block->cells[RVW_CELL_PROPERTIES + k];
        *shape = cells->shape;
        rvw_cells_get(cells, twin->i, value);
        return cells->shape.id;
    }
    const rvw_column_t *column = &twin->events->properties[k];
    *shape = (rvw_shape_t){.id = twin->events->property_ids[k], .type = column->type, .scale = column->scale};
    rvw_column_value(column, twin->i, buf, value);
    return shape->id;
}

static bool same_value(const rvw_shape_t *shape, rv_value_t *stored, const Reveille__V1__Column *column,
                       rv_value_t *given) {
    rv_value_t as_given = *stored;
    if (rvw_value_convert(&as_given, shape->type, shape->scale, column->type, column->scale)) {
        return rvw_value_equal(column->type, &as_given, given);
    }
    return rvw_value_convert(given, column->type, column->scale, shape->type, shape->scale) &&
           rvw_value_equal(shape->type, stored, given);
}

static bool same_channel(const rvw_twin_t *twin, uint32_t item, const rvw_input_t *channel) {
    char buf[300];
    rv_value_t stored, given;
    rvw_input_value(channel, item, &given);
    if (twin->block) {
        rvw_cells_get(&twin->block->cells[RVW_CELL_CHANNEL], twin->i, &stored);
    } else {
        rvw_column_value(&twin->events->channel, twin->i, buf, &stored);
    }
    return rvw_value_equal(RV_STRING, &stored, &given);
}

bool rvw_twin_equal(const rvw_twin_t *twin, uint32_t item, const rvw_input_t *channel, const rvw_input_t *properties,
                    uint32_t n_properties) {
    uint32_t stored_n = twin->block ? twin->block->n_cells - RVW_CELL_PROPERTIES : twin->events->n_properties;
    uint32_t matched = 0, given_n = 0;
    if (!same_channel(twin, item, channel)) {
        return false;
    }
    for (uint32_t k = 0; k < n_properties; k++) {
        given_n += rvw_input_present(&properties[k], item);
    }
    for (uint32_t k = 0; k < stored_n; k++) {
        char buf[300];
        rvw_shape_t shape;
        rv_value_t stored, given = {.present = false};
        uint32_t id = property(twin, k, buf, &shape, &stored), g = 0;
        if (!stored.present) {
            continue;
        }
        while (g < n_properties && (properties[g].column->id != id || !rvw_input_present(&properties[g], item))) {
            g++;
        }
        if (g == n_properties) {
            return false;
        }
        rvw_input_value(&properties[g], item, &given);
        if (!same_value(&shape, &stored, properties[g].column, &given)) {
            return false;
        }
        matched++;
    }
    return matched == given_n;
}

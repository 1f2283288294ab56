/* piece_write.c: pieces from columns.
 *
 * The builder owns one buffer, which grows to the largest piece and is reused. Header and slots are laid out first,
 * arrays follow in the order in which queries want them; the checksum comes last. Failure is memory only; the caller
 * then drops what it builds.
 */
#include "piece.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "encode.h"
#include "plain.h"
#include "reveille/hash.h"

struct rvw_piece_builder {
    rvw_room_t room;
    rvw_slot_t slots[RVW_PIECE_MAX_SLOTS];
    uint32_t n_slots;
};

uint64_t rvw_piece_checksum(const rvw_place_t *place, const uint8_t *bytes, size_t n) {
    uint8_t key[RVW_PLACE_BYTES];
    rvw_place_pack(place, key);
    return XXH3_64bits_withSeed(bytes + sizeof(uint64_t), n - sizeof(uint64_t), rv_hash(key, sizeof key));
}

rvw_piece_builder_t *rvw_piece_builder_new(void) {
    return calloc(1, sizeof(rvw_piece_builder_t));
}

void rvw_piece_builder_destroy(rvw_piece_builder_t **builder) {
    if (*builder) {
        free((*builder)->room.p);
        free(*builder);
        *builder = NULL;
    }
}

/* Makes room for the header and up to `slots` slots. */
static bool begin(rvw_piece_builder_t *builder, uint32_t slots) {
    uint32_t at;
    builder->n_slots = 0;
    builder->room.n = 0;
    return rvw_room_take(&builder->room, sizeof(rvw_piece_header_t) + slots * sizeof(rvw_slot_t), &at) != NULL;
}

/* Adds a column; one without any value is left out. */
static bool add(rvw_piece_builder_t *builder, rvw_role_t role, uint32_t id, const rvw_column_t *column,
                rv_arena_t *scratch) {
    rvw_slot_t *slot = &builder->slots[builder->n_slots];
    *slot = (rvw_slot_t){.id = id, .role = (uint8_t)role, .type = (uint8_t)column->type, .scale = column->scale};
    slot->unit = 1;
    if (!rvw_encode(&builder->room, column, scratch, slot)) {
        return false;
    }
    if (slot->encoding != RVW_NONE || role != RVW_ROLE_PROPERTY) {
        builder->n_slots++;
    }
    return true;
}

static bool add_rows(rvw_piece_builder_t *builder, const uint16_t *rows, uint32_t n) {
    rvw_slot_t *slot = &builder->slots[builder->n_slots++];
    *slot = (rvw_slot_t){.role = RVW_ROLE_ROW, .type = RV_INT, .encoding = RVW_FOR, .width = 2, .unit = 1};
    slot->max = rows[n - 1];
    void *out = rvw_room_take(&builder->room, n * sizeof *rows, &slot->codes);
    if (out) {
        memcpy(out, rows, n * sizeof *rows);
    }
    return out != NULL;
}

/* Completes the header and signs the piece. */
static void seal(rvw_piece_builder_t *builder, const rvw_place_t *place, rvw_piece_header_t *header) {
    header->magic = RVW_PIECE_MAGIC;
    header->table = place->table;
    header->n_slots = (uint16_t)builder->n_slots;
    header->bytes = (uint32_t)builder->room.n;
    memcpy(builder->room.p + sizeof *header, builder->slots, builder->n_slots * sizeof *builder->slots);
    memcpy(builder->room.p, header, sizeof *header);
    header->checksum = rvw_piece_checksum(place, builder->room.p, builder->room.n);
    memcpy(builder->room.p, &header->checksum, sizeof header->checksum);
}

rv_status_t rvw_piece_write_events(rvw_piece_builder_t *builder, const rvw_place_t *place, const rvw_events_t *events,
                                   rv_arena_t *scratch, const uint8_t **ret_bytes, size_t *ret_n, rv_error_t *err) {
    if (events->n_properties + 6 > RVW_PIECE_MAX_SLOTS) {
        return rv_fail(err, RV_REASON_LIMIT, "an event piece cannot hold %u properties", events->n_properties);
    }
    bool ok = begin(builder, events->n_properties + 6) && add_rows(builder, events->row, events->n) &&
              add(builder, RVW_ROLE_TIME, 0, &events->time, scratch);
    for (uint32_t k = 0; ok && k < events->n_properties; k++) {
        ok = add(builder, RVW_ROLE_PROPERTY, events->property_ids[k], &events->properties[k], scratch);
    }
    ok = ok && add(builder, RVW_ROLE_CHANNEL, 0, &events->channel, scratch) &&
         add(builder, RVW_ROLE_SOURCE, 0, &events->source, scratch) &&
         add(builder, RVW_ROLE_ID, 0, &events->id, scratch) &&
         add(builder, RVW_ROLE_IMPORT, 0, &events->import_id, scratch);
    if (!ok) {
        return rv_fail_memory(err, "a piece of events");
    }
    rvw_piece_header_t header = {.n = events->n, .first = events->row[0], .last = events->row[events->n - 1]};
    header.min_time = builder->slots[1].min;
    header.max_time = builder->slots[1].max;
    seal(builder, place, &header);
    *ret_bytes = builder->room.p;
    *ret_n = builder->room.n;
    return RV_OK;
}

rv_status_t rvw_piece_write_column(rvw_piece_builder_t *builder, const rvw_place_t *place, const rvw_column_t *column,
                                   uint32_t first, uint32_t mark, rv_arena_t *scratch, const uint8_t **ret_bytes,
                                   size_t *ret_n, rv_error_t *err) {
    if (!begin(builder, 1) || !add(builder, RVW_ROLE_ATTRIBUTE, place->id, column, scratch)) {
        return rv_fail_memory(err, "a piece of a column");
    }
    rvw_piece_header_t header = {.n = column->n, .first = first, .last = mark};
    seal(builder, place, &header);
    *ret_bytes = builder->room.p;
    *ret_n = builder->room.n;
    return RV_OK;
}

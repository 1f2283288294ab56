/* piece_read.c: pieces from bytes that are not trusted.
 *
 * First the checksum, then every place, length, offset, code and order that a kernel relies on, so that afterwards
 * nobody checks anything. The result points into the bytes. Failure is DATA_LOSS with the place and the rule that does
 * not hold.
 */
#include "piece.h"

#include <stdlib.h>
#include <string.h>

#include "piece_format.h"
#include "plain.h"
#include "reveille/limits.h"

#define MAX_PREFIX 256u
#define MAX_NUMBER 1000000000000000000ll

typedef struct {
    const uint8_t *bytes;
    size_t n;
    const rvw_piece_header_t *header;
    const char *why; /* the rule that does not hold */
} reader_t;

static bool broken(reader_t *reader, const char *why) {
    reader->why = why;
    return false;
}

/* An array of `count` values of `size` bytes at `place`, or NULL. */
static const void *array(const reader_t *reader, uint32_t place, size_t count, size_t size) {
    size_t bytes = count * size;
    if (place < sizeof(rvw_piece_header_t) || place > reader->n || bytes > reader->n - place ||
        place % (size > 16 ? 16 : size) != 0) {
        return NULL;
    }
    return reader->bytes + place;
}

/* Least and greatest code of a column; one loop a width, which the compiler makes wide. */
#define BOUNDS(type)                                                                                                   \
    for (uint32_t i = 0; i < c->n; i++) {                                                                              \
        type code = ((const type *)c->codes)[i];                                                                       \
        low_##type = code < low_##type ? code : low_##type;                                                            \
        high_##type = code > high_##type ? code : high_##type;                                                         \
    }                                                                                                                  \
    *ret_min = low_##type;                                                                                             \
    *ret_max = high_##type

static void code_bounds(const rvw_column_t *c, uint64_t *ret_min, uint64_t *ret_max) {
    uint8_t low_uint8_t = UINT8_MAX, high_uint8_t = 0;
    uint16_t low_uint16_t = UINT16_MAX, high_uint16_t = 0;
    uint32_t low_uint32_t = UINT32_MAX, high_uint32_t = 0;
    uint64_t low_uint64_t = UINT64_MAX, high_uint64_t = 0;
    if (c->width == 1) {
        BOUNDS(uint8_t);
    } else if (c->width == 2) {
        BOUNDS(uint16_t);
    } else if (c->width == 4) {
        BOUNDS(uint32_t);
    } else if (c->width == 8) {
        BOUNDS(uint64_t);
    } else {
        *ret_min = *ret_max = 0;
    }
}

static bool read_codes(reader_t *reader, const rvw_slot_t *slot, rvw_column_t *c) {
    if (c->width != 0 && c->width != 1 && c->width != 2 && c->width != 4 && c->width != 8) {
        return broken(reader, "the width of a column is not 0, 1, 2, 4 or 8");
    }
    c->codes = c->width ? array(reader, slot->codes, c->n, c->width) : NULL;
    return !c->width || c->codes || broken(reader, "codes leave the piece");
}

static bool read_for(reader_t *reader, const rvw_slot_t *slot, rvw_column_t *c) {
    if (!read_codes(reader, slot, c)) {
        return false;
    }
    uint64_t least, greatest;
    code_bounds(c, &least, &greatest);
    if (c->unit < 1) {
        return broken(reader, "the unit of a column is not positive");
    }
    rv_u128_t span = (rv_u128_t)greatest * (rv_u128_t)c->unit;
    if (c->min > c->base || (rv_i128_t)c->base + (rv_i128_t)span > (rv_i128_t)c->max) {
        return broken(reader, "a value is outside the bounds of its column");
    }
    return true;
}

/* Offsets that rise within the bytes. */
static bool read_strings(reader_t *reader, const rvw_slot_t *slot, uint32_t n, rvw_column_t *c) {
    c->offsets = array(reader, slot->offsets, (size_t)n + 1, sizeof *c->offsets);
    c->bytes = array(reader, slot->bytes, slot->n_bytes, 1);
    if (!c->offsets || !c->bytes || c->offsets[0] != 0 || c->offsets[n] != slot->n_bytes) {
        return broken(reader, "strings leave the piece");
    }
    for (uint32_t k = 0; k < n; k++) {
        if (c->offsets[k] > c->offsets[k + 1]) {
            return broken(reader, "the offsets of strings fall");
        }
    }
    return true;
}

static bool read_dictionary(reader_t *reader, const rvw_slot_t *slot, rvw_column_t *c) {
    uint64_t least, greatest;
    if (c->width > 4 || slot->dict_n == 0 || slot->dict_n > c->n) {
        return broken(reader, "a dictionary has no or too many entries");
    }
    if (!read_codes(reader, slot, c) || !read_strings(reader, slot, slot->dict_n, c)) {
        return false;
    }
    c->dict_n = slot->dict_n;
    for (uint32_t k = 1; k < c->dict_n; k++) {
        if (rv_str_compare(rvw_column_entry(c, k - 1), rvw_column_entry(c, k)) >= 0) {
            return broken(reader, "a dictionary is not sorted");
        }
    }
    code_bounds(c, &least, &greatest);
    return greatest < c->dict_n || broken(reader, "a code is not in its dictionary");
}

static bool read_numbered(reader_t *reader, const rvw_slot_t *slot, rvw_column_t *c) {
    if (!read_for(reader, slot, c)) {
        return false;
    }
    if (c->base < 0 || c->max >= MAX_NUMBER || c->width2 > 1 || slot->dict_n == 0 || slot->dict_n > 256) {
        return broken(reader, "a numbered string is out of range");
    }
    if (!read_strings(reader, slot, slot->dict_n, c)) {
        return false;
    }
    c->dict_n = slot->dict_n;
    for (uint32_t k = 0; k < c->dict_n; k++) {
        if (rvw_column_entry(c, k).n > MAX_PREFIX) {
            return broken(reader, "a prefix is too long");
        }
    }
    c->codes2 = c->width2 ? array(reader, slot->codes2, c->n, 1) : NULL;
    for (uint32_t i = 0; c->codes2 && i < c->n; i++) {
        if (c->codes2[i] >= c->dict_n) {
            return broken(reader, "a code is not in its dictionary");
        }
    }
    return !c->width2 || c->codes2 || broken(reader, "codes leave the piece");
}

static bool read_values(reader_t *reader, const rvw_slot_t *slot, rvw_column_t *c) {
    rvw_kind_t kind = rvw_kind(c->type);
    switch (c->encoding) {
    case RVW_NONE:
        return true;
    case RVW_CONST:
        return (kind == RVW_KIND_INT && c->min <= c->base && c->base <= c->max) || broken(reader, "a constant");
    case RVW_FOR:
        return kind == RVW_KIND_INT ? read_for(reader, slot, c)
                                    : broken(reader, "integers in a column of another type");
    case RVW_WIDE:
        c->codes = array(reader, slot->codes, c->n, sizeof(rv_i128_t));
        return (c->type == RV_DECIMAL && c->codes) || broken(reader, "wide values leave the piece");
    case RVW_F64:
        c->codes = array(reader, slot->codes, c->n, sizeof(double));
        return (kind == RVW_KIND_F64 && c->codes) || broken(reader, "doubles leave the piece");
    case RVW_DICT:
        return kind == RVW_KIND_TEXT ? read_dictionary(reader, slot, c) : broken(reader, "a dictionary of no strings");
    case RVW_PLAIN:
        return kind == RVW_KIND_TEXT ? read_strings(reader, slot, c->n, c) : broken(reader, "strings of no strings");
    case RVW_NUMBERED:
        return kind == RVW_KIND_TEXT ? read_numbered(reader, slot, c) : broken(reader, "numbered values of no strings");
    default:
        return broken(reader, "an encoding is not known");
    }
}

static bool read_column(reader_t *reader, const rvw_slot_t *slot, rvw_column_t *c) {
    *c = (rvw_column_t){.type = (rv_type_t)slot->type, .encoding = slot->encoding, .width = slot->width};
    c->width2 = slot->width2;
    c->scale = slot->scale;
    c->n = reader->header->n;
    c->base = slot->base;
    c->unit = slot->unit;
    c->min = slot->min;
    c->max = slot->max;
    if (slot->type > RV_DURATION || slot->scale > RV_MAX_SCALE) {
        return broken(reader, "a type is not known");
    }
    if (slot->present) {
        c->present = array(reader, slot->present, ((size_t)c->n + 7) / 8, 1);
        if (!c->present) {
            return broken(reader, "a bitmap leaves the piece");
        }
    }
    return read_values(reader, slot, c);
}

static bool complete(const rvw_column_t *c, rv_type_t type) {
    return c->encoding != RVW_NONE && !c->present && c->type == type;
}

/* Rows below the chunk's size; sorted by row, then time. Times have 4 or 8 bytes. */
static bool check_order(reader_t *reader, const rvw_events_t *events, uint32_t chunk_rows) {
    const uint32_t *narrow = events->time.width == 4 ? events->time.codes : NULL;
    const uint64_t *wide = events->time.width == 8 ? events->time.codes : NULL;
    uint32_t bad = events->row[events->n - 1] >= chunk_rows || (!narrow && !wide);
    for (uint32_t i = 1; narrow && i < events->n; i++) {
        bad |= (events->row[i] < events->row[i - 1]) |
               ((events->row[i] == events->row[i - 1]) & (narrow[i] < narrow[i - 1]));
    }
    for (uint32_t i = 1; wide && i < events->n; i++) {
        bad |=
            (events->row[i] < events->row[i - 1]) | ((events->row[i] == events->row[i - 1]) & (wide[i] < wide[i - 1]));
    }
    if (bad) {
        return broken(reader, "events are not in the order of row and time");
    }
    return (events->row[0] == events->min_row && events->row[events->n - 1] == events->max_row) ||
           broken(reader, "rows are outside the bounds of their piece");
}

/* Puts one column where it belongs. */
static bool place_column(reader_t *reader, const rvw_slot_t *slot, rvw_events_t *events, uint32_t *ids,
                         rvw_column_t *properties) {
    rvw_column_t column;
    if (!read_column(reader, slot, &column)) {
        return false;
    }
    switch (slot->role) {
    case RVW_ROLE_ROW:
        events->row = column.encoding == RVW_FOR && column.width == 2 && column.base == 0 ? column.codes : NULL;
        return true;
    case RVW_ROLE_TIME:
        events->time = column;
        return true;
    case RVW_ROLE_CHANNEL:
        events->channel = column;
        return true;
    case RVW_ROLE_SOURCE:
        events->source = column;
        return true;
    case RVW_ROLE_ID:
        events->id = column;
        return true;
    case RVW_ROLE_IMPORT:
        events->import_id = column;
        return true;
    case RVW_ROLE_PROPERTY:
        ids[events->n_properties] = slot->id;
        properties[events->n_properties++] = column;
        return true;
    default:
        return broken(reader, "the role of a column is not known");
    }
}

static bool read_events(reader_t *reader, const rvw_slot_t *slots, uint32_t chunk_rows, rvw_events_t *events,
                        uint32_t *ids, rvw_column_t *properties) {
    const rvw_piece_header_t *header = reader->header;
    *events = (rvw_events_t){.n = header->n, .sorted = true, .min_time = header->min_time};
    events->max_time = header->max_time;
    events->min_row = (uint16_t)header->first;
    events->max_row = (uint16_t)header->last;
    for (uint32_t k = 0; k < header->n_slots; k++) {
        if (!place_column(reader, &slots[k], events, ids, properties)) {
            return false;
        }
    }
    events->property_ids = ids;
    events->properties = properties;
    if (!events->row || !complete(&events->time, RV_TIME) || events->time.encoding != RVW_FOR ||
        !complete(&events->source, RV_STRING) || !complete(&events->id, RV_STRING) ||
        !complete(&events->import_id, RV_INT) || events->channel.type != RV_STRING) {
        return broken(reader, "a column of an event piece is missing");
    }
    if (events->time.min < header->min_time || events->time.max > header->max_time) {
        return broken(reader, "a time is outside the bounds of its piece");
    }
    return check_order(reader, events, chunk_rows);
}

static bool check_header(reader_t *reader, const rvw_place_t *place) {
    const rvw_piece_header_t *header = reader->header;
    if (reader->n < sizeof *header || header->magic != RVW_PIECE_MAGIC || header->bytes != reader->n ||
        header->table != place->table) {
        return broken(reader, "it is not a piece of this place");
    }
    if (header->checksum != rvw_piece_checksum(place, reader->bytes, reader->n)) {
        return broken(reader, "its checksum does not hold");
    }
    if (header->n == 0 || header->n_slots == 0 || header->n_slots > RVW_PIECE_MAX_SLOTS ||
        sizeof *header + header->n_slots * sizeof(rvw_slot_t) > reader->n) {
        return broken(reader, "its header is out of range");
    }
    return true;
}

rv_status_t rvw_piece_read(const rvw_place_t *place, const uint8_t *bytes, size_t n, uint32_t chunk_rows,
                           rvw_piece_t **ret, rv_error_t *err) {
    reader_t reader = {bytes, n, (const rvw_piece_header_t *)(const void *)bytes, "its header is out of range"};
    bool ok = check_header(&reader, place);
    size_t slots_n = ok ? reader.header->n_slots : 0;
    rvw_piece_t *piece = calloc(1, sizeof *piece + slots_n * (sizeof(rvw_column_t) + sizeof(uint32_t)));
    if (!piece) {
        return rv_fail_memory(err, "a decoded piece");
    }
    const rvw_slot_t *slots = (const rvw_slot_t *)(const void *)(bytes + sizeof *reader.header);
    rvw_column_t *columns = (rvw_column_t *)(void *)(piece + 1);
    if (ok && place->table == RVW_EVENTS) {
        ok = read_events(&reader, slots, chunk_rows, &piece->events, (uint32_t *)(void *)(columns + slots_n), columns);
    } else if (ok) {
        piece->first = reader.header->first;
        piece->mark = reader.header->last;
        ok = read_column(&reader, slots, &piece->column) &&
             ((piece->first < chunk_rows && reader.header->n <= chunk_rows - piece->first) ||
              broken(&reader, "rows are outside the chunk"));
    }
    if (!ok) {
        char name[RVW_PLACE_NAME];
        free(piece);
        rvw_place_name(place, name);
        return rv_fail(err, RV_REASON_DAMAGED, "stored piece (%s) is damaged: %s", name, reader.why);
    }
    *ret = piece;
    return RV_OK;
}

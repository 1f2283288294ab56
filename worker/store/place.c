/* place.c: keys as bytes. Pure functions; nothing can fail but the reading of foreign bytes. */
#include "place.h"

#include <inttypes.h>
#include <stdio.h>

void rvw_put_be32(uint8_t *out, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

void rvw_put_be64(uint8_t *out, uint64_t value) {
    rvw_put_be32(out, (uint32_t)(value >> 32));
    rvw_put_be32(out + 4, (uint32_t)value);
}

uint32_t rvw_get_be32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

uint64_t rvw_get_be64(const uint8_t *bytes) {
    return (uint64_t)rvw_get_be32(bytes) << 32 | rvw_get_be32(bytes + 4);
}

void rvw_place_pack(const rvw_place_t *place, uint8_t out[RVW_PLACE_BYTES]) {
    out[0] = place->table;
    rvw_put_be32(out + 1, place->id);
    rvw_put_be32(out + 5, place->chunk);
    rvw_put_be64(out + 9, place->gen);
    rvw_put_be32(out + 17, place->part);
}

bool rvw_place_unpack(const uint8_t *bytes, size_t n, rvw_place_t *ret) {
    if (n != RVW_PLACE_BYTES || bytes[0] < RVW_EVENTS || bytes[0] > RVW_ERASED) {
        return false;
    }
    *ret = (rvw_place_t){bytes[0], rvw_get_be32(bytes + 1), rvw_get_be32(bytes + 5), rvw_get_be64(bytes + 9),
                         rvw_get_be32(bytes + 17)};
    return true;
}

void rvw_place_name(const rvw_place_t *place, char out[RVW_PLACE_NAME]) {
    static const char *const tables[] = {"?", "events of type", "contact attribute", "company attribute",
                                         "erased rows"};
    snprintf(out, RVW_PLACE_NAME, "%s %" PRIu32 ", chunk %" PRIu32 ", generation %" PRIu64 ", part %" PRIu32,
             tables[place->table <= RVW_ERASED ? place->table : 0], place->id, place->chunk, place->gen, place->part);
}

int rvw_place_compare_list(const rvw_place_t *a, const rvw_place_t *b) {
    if (a->table != b->table) {
        return a->table < b->table ? -1 : 1;
    }
    if (a->id != b->id) {
        return a->id < b->id ? -1 : 1;
    }
    return a->chunk == b->chunk ? 0 : a->chunk < b->chunk ? -1 : 1;
}

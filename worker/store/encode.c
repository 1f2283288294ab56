/* encode.c: numbers into pieces, and the choice by type.
 *
 * Integers become an offset from their least value in the fewest bytes; times are counted in the greatest unit that is
 * exact for all of them; equal values cost nothing. Every input encoding is first brought to a flat array. The only
 * failure is memory.
 */
#include "encode.h"

#include <stdlib.h>
#include <string.h>

#include "plain.h"

#define MAX_ROOM ((size_t)1 << 31)

void *rvw_room_take(rvw_room_t *room, size_t bytes, uint32_t *ret_place) {
    size_t start = (room->n + 15) / 16 * 16;
    if (bytes >= 1024) {
        start = (start + 16 + 63) / 64 * 64 - 16;
    }
    if (bytes > MAX_ROOM || start + bytes > MAX_ROOM) {
        return NULL;
    }
    if (start + bytes > room->cap) {
        size_t cap = room->cap ? room->cap : 4096;
        while (cap < start + bytes) {
            cap *= 2;
        }
        uint8_t *p = realloc(room->p, cap);
        if (!p) {
            return NULL;
        }
        room->p = p;
        room->cap = cap;
    }
    memset(room->p + room->n, 0, start + bytes - room->n);
    room->n = start + bytes;
    *ret_place = (uint32_t)start;
    return room->p + start;
}

uint8_t rvw_width(uint64_t greatest) {
    return greatest == 0 ? 0 : greatest <= UINT8_MAX ? 1 : greatest <= UINT16_MAX ? 2 : greatest <= UINT32_MAX ? 4 : 8;
}

bool rvw_encode_codes(rvw_room_t *room, const uint64_t *codes, uint32_t n, uint8_t width, uint32_t *ret_place) {
    if (width == 0) {
        return true;
    }
    void *out = rvw_room_take(room, (size_t)n * width, ret_place);
    if (!out) {
        return false;
    }
    for (uint32_t i = 0; i < n && width == 1; i++) {
        ((uint8_t *)out)[i] = (uint8_t)codes[i];
    }
    for (uint32_t i = 0; i < n && width == 2; i++) {
        ((uint16_t *)out)[i] = (uint16_t)codes[i];
    }
    for (uint32_t i = 0; i < n && width == 4; i++) {
        ((uint32_t *)out)[i] = (uint32_t)codes[i];
    }
    if (width == 8) {
        memcpy(out, codes, (size_t)n * 8);
    }
    return true;
}

static bool there(const rvw_column_t *column, uint32_t i) {
    return !column->present || (column->present[i >> 3] >> (i & 7) & 1);
}

/* The greatest unit of time that divides all differences. */
static int64_t time_unit(const uint64_t *offsets, uint32_t n) {
    static const int64_t units[] = {86400000, 3600000, 60000, 1000};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        uint64_t unit = (uint64_t)units[u];
        uint32_t i = 0;
        while (i < n && offsets[i] % unit == 0) {
            i++;
        }
        if (i == n) {
            return units[u];
        }
    }
    return 1;
}

/* Writes integers: offsets from `min`, 0 where there is no value. */
static bool put_ints(rvw_room_t *room, const int64_t *values, const rvw_column_t *column, rv_arena_t *scratch,
                     rvw_slot_t *slot) {
    bool event_time = slot->role == RVW_ROLE_TIME;
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t i = 0; i < column->n; i++) {
        if (there(column, i)) {
            min = values[i] < min ? values[i] : min;
            max = values[i] > max ? values[i] : max;
        }
    }
    slot->base = slot->min = min;
    slot->max = max;
    slot->unit = 1;
    if (min == max && !event_time) {
        slot->encoding = RVW_CONST;
        return true;
    }
    uint64_t *codes = rv_arena_alloc(scratch, (size_t)column->n * sizeof *codes);
    if (!codes) {
        return false;
    }
    for (uint32_t i = 0; i < column->n; i++) {
        codes[i] = there(column, i) ? (uint64_t)values[i] - (uint64_t)min : 0;
    }
    if (column->type == RV_TIME) {
        slot->unit = time_unit(codes, column->n);
        for (uint32_t i = 0; i < column->n && slot->unit > 1; i++) {
            codes[i] /= (uint64_t)slot->unit;
        }
    }
    slot->encoding = RVW_FOR;
    slot->width = rvw_width(((uint64_t)max - (uint64_t)min) / (uint64_t)slot->unit);
    if (event_time && slot->width < 4) {
        slot->width = 4;
    }
    return rvw_encode_codes(room, codes, column->n, slot->width, &slot->codes);
}

/* WIDE values that all fit 64 bits become plain integers. */
static bool narrow(const rvw_column_t *column, int64_t *out) {
    const rv_i128_t *wide = column->codes;
    for (uint32_t i = 0; i < column->n; i++) {
        if (there(column, i) && (rv_i128_t)(int64_t)wide[i] != wide[i]) {
            return false;
        }
        out[i] = (int64_t)wide[i];
    }
    return true;
}

static bool put_raw(rvw_room_t *room, const rvw_column_t *column, size_t size, rvw_encoding_t encoding,
                    rvw_slot_t *slot) {
    uint8_t *out = rvw_room_take(room, column->n * size, &slot->codes);
    if (!out) {
        return false;
    }
    for (uint32_t i = 0; i < column->n; i++) {
        if (there(column, i)) {
            memcpy(out + i * size, (const uint8_t *)column->codes + i * size, size);
        }
    }
    slot->encoding = (uint8_t)encoding;
    return true;
}

static bool put_numbers(rvw_room_t *room, const rvw_column_t *column, rv_arena_t *scratch, rvw_slot_t *slot) {
    if (column->encoding == RVW_F64) {
        return put_raw(room, column, sizeof(double), RVW_F64, slot);
    }
    if (column->encoding == RVW_FOR && column->width == 8 && column->base == 0 && column->unit == 1) {
        return put_ints(room, column->codes, column, scratch, slot);
    }
    int64_t *values = rv_arena_zalloc(scratch, column->n, sizeof *values);
    if (!values) {
        return false;
    }
    if (column->encoding == RVW_WIDE) {
        return narrow(column, values) ? put_ints(room, values, column, scratch, slot)
                                      : put_raw(room, column, sizeof(rv_i128_t), RVW_WIDE, slot);
    }
    for (uint32_t i = 0; i < column->n; i++) {
        values[i] = there(column, i) ? rvw_column_int(column, i) : 0;
    }
    return put_ints(room, values, column, scratch, slot);
}

static bool put_text(rvw_room_t *room, const rvw_column_t *column, rv_arena_t *scratch, rvw_slot_t *slot) {
    if (column->encoding == RVW_REF) {
        return rvw_encode_text(room, column->codes, column->present, column->n, scratch, slot);
    }
    rvw_plain_t plain;
    if (!rvw_plain_init(&plain, scratch, column->type, column->scale, column->n)) {
        return false;
    }
    for (uint32_t i = 0; i < column->n; i++) {
        if (!rvw_plain_take(&plain, i, column, i)) {
            return false;
        }
    }
    return rvw_encode_text(room, plain.values, column->present, column->n, scratch, slot);
}

/* 0: none, 1: some, 2: all. */
static int how_many(const rvw_column_t *column) {
    uint32_t k = 0;
    for (uint32_t i = 0; i < column->n && column->encoding != RVW_NONE; i++) {
        k += there(column, i);
    }
    return k == 0 ? 0 : k < column->n ? 1 : 2;
}

bool rvw_encode(rvw_room_t *room, const rvw_column_t *column, rv_arena_t *scratch, rvw_slot_t *slot) {
    int many = how_many(column);
    if (many == 0) {
        slot->encoding = RVW_NONE;
        return true;
    }
    if (many == 1) {
        uint8_t *present = rvw_room_take(room, (column->n + 7) / 8, &slot->present);
        if (!present) {
            return false;
        }
        memcpy(present, column->present, (column->n + 7) / 8);
        if (column->n & 7) {
            present[column->n / 8] = (uint8_t)(present[column->n / 8] & ((1u << (column->n & 7)) - 1));
        }
    }
    return rvw_kind(column->type) == RVW_KIND_TEXT ? put_text(room, column, scratch, slot)
                                                   : put_numbers(room, column, scratch, slot);
}

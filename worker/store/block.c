/* block.c: blocks of the tail and pieces of a list as events that kernels read.
 *
 * A block's arrays are used where they are; only what must be as long as the visible part is made anew: column headers,
 * and bitmaps from the bytes that tell which values are there (a bitmap under construction would share its last byte
 * between reader and writer). Bounds are read from the running ones and may cover later events too. Failure: memory,
 * DATA_LOSS of a piece. */
#include <string.h>

#include "core.h"

/* Eight bytes of 0 or 1 to eight bits. */
static uint8_t pack8(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return (uint8_t)(word * 0x0102040810204080ull >> 56);
}

static size_t bitmap_bytes(uint32_t n) {
    return n / 8 + 1;
}

static void bitmap(const uint8_t *present, uint32_t n, uint8_t *ret) {
    for (uint32_t k = 0; k < n / 8; k++) {
        ret[k] = pack8(present + 8 * k);
    }
    ret[n / 8] = 0;
    for (uint32_t i = n / 8 * 8; i < n; i++) {
        ret[i / 8] = (uint8_t)(ret[i / 8] | present[i] << (i & 7));
    }
}

/* Text is a dictionary of one entry, as it is in pieces. */
static void constant_column(const rvw_cells_t *cells, rvw_column_t *ret) {
    if (rvw_kind(ret->type) == RVW_KIND_TEXT) {
        ret->encoding = RVW_DICT;
        ret->dict_n = 1;
        ret->offsets = cells->offsets;
        ret->bytes = cells->text.p;
    } else {
        ret->encoding = RVW_CONST;
        ret->base = ret->min = ret->max = cells->number;
    }
}

static bool has_gaps(const rvw_cells_t *cells) {
    return cells->values && atomic_load_explicit(&cells->gaps, memory_order_relaxed);
}

static void cells_column(const rvw_cells_t *cells, uint32_t n, uint8_t **bits, rvw_column_t *ret) {
    *ret = (rvw_column_t){.type = cells->shape.type, .scale = cells->shape.scale, .n = n, .unit = 1};
    if (!cells->values) {
        constant_column(cells, ret);
        return;
    }
    if (has_gaps(cells)) {
        bitmap(cells->present, n, *bits);
        ret->present = *bits;
        *bits += bitmap_bytes(n);
    }
    ret->codes = cells->values;
    if (rvw_kind(ret->type) == RVW_KIND_TEXT) {
        ret->encoding = RVW_REF;
    } else if (ret->type == RV_DOUBLE) {
        ret->encoding = RVW_F64;
    } else if (cells->shape.wide) {
        ret->encoding = RVW_WIDE;
    } else {
        ret->encoding = RVW_FOR;
        ret->width = 8;
        ret->min = atomic_load_explicit(&cells->min, memory_order_relaxed);
        ret->max = atomic_load_explicit(&cells->max, memory_order_relaxed);
        if (ret->min > ret->max) {
            ret->encoding = RVW_NONE;
        }
    }
}

size_t rvw_block_memory(const rvw_block_t *block, uint32_t n) {
    uint32_t more = block->n_cells - RVW_CELL_PROPERTIES;
    return more * (sizeof(rvw_column_t) + sizeof(uint32_t)) + block->n_cells * bitmap_bytes(n);
}

void rvw_block_events(const rvw_block_t *block, uint32_t n, void *memory, rvw_events_t *ret) {
    uint32_t more = block->n_cells - RVW_CELL_PROPERTIES;
    rvw_column_t *properties = memory;
    uint32_t *ids = (uint32_t *)(void *)(properties + more);
    uint8_t *bits = (uint8_t *)(ids + more);
    *ret = (rvw_events_t){.n = n,
                          .row = block->row,
                          .min_row = (uint16_t)atomic_load_explicit(&block->min_row, memory_order_relaxed),
                          .max_row = (uint16_t)atomic_load_explicit(&block->max_row, memory_order_relaxed),
                          .n_properties = more,
                          .property_ids = ids,
                          .properties = properties};
    for (uint32_t k = 0; k < more; k++) {
        ids[k] = block->cells[RVW_CELL_PROPERTIES + k].shape.id;
        cells_column(&block->cells[RVW_CELL_PROPERTIES + k], n, &bits, &properties[k]);
    }
    cells_column(&block->cells[RVW_CELL_TIME], n, &bits, &ret->time);
    cells_column(&block->cells[RVW_CELL_SOURCE], n, &bits, &ret->source);
    cells_column(&block->cells[RVW_CELL_ID], n, &bits, &ret->id);
    cells_column(&block->cells[RVW_CELL_IMPORT], n, &bits, &ret->import_id);
    cells_column(&block->cells[RVW_CELL_CHANNEL], n, &bits, &ret->channel);
    ret->min_time = ret->time.min;
    ret->max_time = ret->time.max;
}

rv_status_t rvw_list_events(const rvw_base_t *base, uint32_t first, uint32_t n, rv_arena_t *arena, rvw_events_t **ret,
                            rv_error_t *err) {
    rvw_events_t *events = rv_arena_alloc(arena, (n + 1) * sizeof *events);
    if (!events) {
        return rv_fail_memory(err, "the pieces of a list");
    }
    for (uint32_t k = 0; k < n; k++) {
        const rvw_piece_t *piece;
        rv_status_t status = rvw_stored_piece(rvw_base_entries(base, NULL)[first + k],
                                              rvw_base_state(base)->identity.chunk_rows, &piece, err);
        if (status) {
            return status;
        }
        events[k] = piece->events;
    }
    *ret = events;
    return RV_OK;
}

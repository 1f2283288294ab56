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

static uint8_t *bitmap(const uint8_t *present, uint32_t n, rv_arena_t *arena) {
    uint8_t *bits = rv_arena_zalloc(arena, n / 8 + 1, 1);
    for (uint32_t k = 0; bits && k < n / 8; k++) {
        bits[k] = pack8(present + 8 * k);
    }
    for (uint32_t i = n / 8 * 8; bits && i < n; i++) {
        bits[i / 8] = (uint8_t)(bits[i / 8] | present[i] << (i & 7));
    }
    return bits;
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

static bool cells_column(const rvw_cells_t *cells, uint32_t n, rv_arena_t *arena, rvw_column_t *ret) {
    *ret = (rvw_column_t){.type = cells->shape.type, .scale = cells->shape.scale, .n = n, .unit = 1};
    if (!cells->values) {
        constant_column(cells, ret);
        return true;
    }
    if (atomic_load_explicit(&cells->gaps, memory_order_relaxed)) {
        ret->present = bitmap(cells->present, n, arena);
        if (!ret->present) {
            return false;
        }
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
    return true;
}

bool rvw_block_events(const rvw_tail_t *tail, const rvw_block_t *block, uint64_t lsn, rv_arena_t *arena,
                      rvw_events_t *ret) {
    uint32_t n = rvw_block_visible(tail, block, lsn), more = block->n_cells - RVW_CELL_PROPERTIES;
    *ret = (rvw_events_t){.n = n, .sorted = false, .row = block->row};
    if (n == 0) {
        return true;
    }
    rvw_column_t *properties = rv_arena_alloc(arena, (more + 1) * sizeof *properties);
    uint32_t *ids = rv_arena_alloc(arena, (more + 1) * sizeof *ids);
    if (!properties || !ids) {
        return false;
    }
    for (uint32_t k = 0; k < more; k++) {
        ids[k] = block->cells[RVW_CELL_PROPERTIES + k].shape.id;
        if (!cells_column(&block->cells[RVW_CELL_PROPERTIES + k], n, arena, &properties[k])) {
            return false;
        }
    }
    ret->min_row = (uint16_t)atomic_load_explicit(&block->min_row, memory_order_relaxed);
    ret->max_row = (uint16_t)atomic_load_explicit(&block->max_row, memory_order_relaxed);
    ret->n_properties = more;
    ret->property_ids = ids;
    ret->properties = properties;
    bool ok = cells_column(&block->cells[RVW_CELL_TIME], n, arena, &ret->time) &&
              cells_column(&block->cells[RVW_CELL_SOURCE], n, arena, &ret->source) &&
              cells_column(&block->cells[RVW_CELL_ID], n, arena, &ret->id) &&
              cells_column(&block->cells[RVW_CELL_IMPORT], n, arena, &ret->import_id) &&
              cells_column(&block->cells[RVW_CELL_CHANNEL], n, arena, &ret->channel);
    ret->min_time = ret->time.min;
    ret->max_time = ret->time.max;
    return ok;
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

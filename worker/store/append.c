/* append.c: see append.h.
 *
 * The events are cut where a block is full or closed. Of each piece one column after the other is filled, with one loop
 * for each usual kind; then all of its events are published at once. Nearly all strings of a batch are needed, so those
 * of a column are copied into the tail together. The only failure is memory. */
#include "append.h"

#include <string.h>

/* A run of entries of a block, from `at` on, and the events that they become. */
typedef struct {
    rvw_block_t *block;
    uint32_t at, n;
    const uint32_t *items;
} run_t;

/* The copy in the tail of all strings of the column. NULL without memory. */
static const char *keep(rvw_tail_t *tail, rvw_input_t *input) {
    if (!input->all) {
        input->all = rvw_tail_text(tail, input->strings.bytes, input->strings.offsets[input->strings.n]);
    }
    return input->all;
}

static bool any_present(const rvw_input_t *input, const uint32_t *items, uint32_t n) {
    for (uint32_t k = 0; k < n; k++) {
        if (rvw_input_present(input, items[k])) {
            return true;
        }
    }
    return false;
}

/* One of the values does not fit 64 bits. */
static bool any_wide(const rvw_input_t *input, const uint32_t *items, uint32_t n) {
    for (uint32_t k = 0; input->column->wide.len > 0 && k < n; k++) {
        rv_value_t value;
        rvw_input_value(input, items[k], &value);
        if (value.present && (rv_i128_t)(int64_t)value.wide != value.wide) {
            return true;
        }
    }
    return false;
}

/* The list has a column for every property that one of the events carries. */
static bool ensure_shapes(const rvw_batch_columns_t *columns, rvw_list_t *list, const uint32_t *items, uint32_t n) {
    for (uint32_t p = 0; p < columns->n_properties; p++) {
        const rvw_input_t *input = &columns->properties[p];
        const Reveille__V1__Column *column = input->column;
        rvw_shape_t shape = {.id = column->id, .type = column->type, .scale = (uint8_t)column->scale};
        if (any_present(input, items, n)) {
            shape.wide = any_wide(input, items, n);
            if (rvw_list_shape(list, &shape) == UINT32_MAX) {
                return false;
            }
        }
    }
    return true;
}

/* The column of an id, or NULL. */
static rvw_input_t *input_of(rvw_batch_columns_t *columns, uint32_t id) {
    for (uint32_t p = 0; p < columns->n_properties; p++) {
        if (columns->properties[p].column->id == id) {
            return &columns->properties[p];
        }
    }
    return NULL;
}

static const uint8_t *bits_of(const rvw_input_t *input) {
    return input->column->present.len > 0 ? input->column->present.data : NULL;
}

static bool bit(const uint8_t *bits, uint32_t i) {
    return !bits || (bits[i >> 3] >> (i & 7) & 1);
}

static bool put_text(rvw_tail_t *tail, const run_t *run, rvw_cells_t *cells, rvw_input_t *input) {
    const uint32_t *codes = input->column->n_codes > 0 ? input->column->codes : NULL, *offsets = input->strings.offsets;
    const uint8_t *bits = bits_of(input);
    bool empty = input->column->type != RV_SET, gaps = false; /* the empty set is none */
    const char *text = keep(tail, input);
    rv_str_t *out = (rv_str_t *)cells->values + run->at;
    uint8_t *present = cells->present ? cells->present + run->at : NULL;
    for (uint32_t k = 0; text && k < run->n; k++) {
        uint32_t i = run->items[k];
        rv_str_t s = {present ? NULL : "", 0};
        bool there = bit(bits, i);
        if (there) {
            uint32_t at = codes ? codes[i] : i;
            s = (rv_str_t){text + offsets[at], offsets[at + 1] - offsets[at]};
            there = empty || s.n > 0;
        }
        out[k] = s;
        if (present) {
            present[k] = there;
            gaps = gaps || !there;
        }
    }
    if (gaps) {
        atomic_store_explicit(&cells->gaps, true, memory_order_relaxed);
    }
    return text != NULL;
}

static void put_ints(const run_t *run, rvw_cells_t *cells, const int64_t *ints, const uint8_t *bits) {
    int64_t *out = (int64_t *)cells->values + run->at, min = INT64_MAX, max = INT64_MIN;
    uint8_t *present = cells->present ? cells->present + run->at : NULL;
    bool gaps = false;
    for (uint32_t k = 0; k < run->n; k++) {
        uint32_t i = run->items[k];
        bool there = bit(bits, i);
        out[k] = there ? ints[i] : 0;
        if (there) {
            min = ints[i] < min ? ints[i] : min;
            max = ints[i] > max ? ints[i] : max;
        }
        if (present) {
            present[k] = there;
        }
        gaps = gaps || !there;
    }
    rvw_cells_note(cells, min, max);
    if (gaps) {
        atomic_store_explicit(&cells->gaps, true, memory_order_relaxed);
    }
}

static bool put_column(rvw_tail_t *tail, const run_t *run, rvw_cells_t *cells, rvw_input_t *input) {
    if (!input || !input->column) {
        rvw_cells_put_none(cells, run->at, run->n);
    } else if (rvw_kind(cells->shape.type) == RVW_KIND_TEXT) {
        return put_text(tail, run, cells, input);
    } else if (input->column->n_ints > 0 && !cells->shape.wide) {
        put_ints(run, cells, input->column->ints, bits_of(input));
    } else {
        for (uint32_t k = 0; k < run->n; k++) {
            rv_value_t value;
            rvw_input_value(input, run->items[k], &value);
            rvw_cells_put(cells, run->at + k, &value);
        }
    }
    return true;
}

/* The columns that every event has. */
static bool put_fixed(rvw_tail_t *tail, rvw_batch_columns_t *columns, const run_t *run, rv_str_t source,
                      int64_t import_id) {
    rvw_cells_t *cells = run->block->cells;
    put_ints(run, &cells[RVW_CELL_TIME], columns->message->times_ms, NULL);
    for (uint32_t k = 0; cells[RVW_CELL_SOURCE].values && k < run->n; k++) {
        rvw_cells_put_text(&cells[RVW_CELL_SOURCE], run->at + k, source);
    }
    for (uint32_t k = 0; cells[RVW_CELL_IMPORT].values && k < run->n; k++) {
        rvw_cells_put_int(&cells[RVW_CELL_IMPORT], run->at + k, import_id);
    }
    for (uint32_t k = 0; !columns->id.column && k < run->n; k++) {
        rvw_cells_put_text(&cells[RVW_CELL_ID], run->at + k, (rv_str_t){"", 0});
    }
    return (!columns->id.column || put_text(tail, run, &cells[RVW_CELL_ID], &columns->id)) &&
           put_column(tail, run, &cells[RVW_CELL_CHANNEL], &columns->channel);
}

/* A block with room whose constant columns the events agree with. NULL without memory. */
static rvw_block_t *room_for(rvw_tail_t *tail, rvw_list_t *list, rv_str_t source, int64_t import_id) {
    rvw_block_t *block = rvw_list_room(tail, list);
    if (block &&
        !rvw_list_agree(list, block, atomic_load_explicit(&block->n, memory_order_relaxed), source, import_id)) {
        block = rvw_list_room(tail, list);
        if (block) {
            rvw_list_agree(list, block, 0, source, import_id);
        }
    }
    return block;
}

static void publish(rvw_apply_t *apply, const rvw_batch_columns_t *columns, rvw_list_t *list, const run_t *run) {
    for (uint32_t k = 0; k < run->n; k++) {
        run->block->row[run->at + k] = columns->rows[run->items[k]];
    }
    rvw_block_publish(apply->tail, list, run->block, apply->lsn, run->n);
    for (uint32_t k = 0; k < run->n; k++) {
        rvw_list_note_time(list, run->block, run->at + k, columns->message->times_ms[run->items[k]]);
    }
}

/* Fills and publishes as many of the events as the block takes. Returns how many; 0 without memory. */
static uint32_t append_run(rvw_apply_t *apply, rvw_batch_columns_t *columns, rvw_list_t *list, rv_str_t source,
                           const uint32_t *items, uint32_t n) {
    int64_t import_id = (int64_t)apply->write->import_id;
    run_t run = {.block = room_for(apply->tail, list, source, import_id), .items = items};
    if (!run.block) {
        return 0;
    }
    run.at = atomic_load_explicit(&run.block->n, memory_order_relaxed);
    run.n = n < run.block->cap - run.at ? n : run.block->cap - run.at;
    bool ok = put_fixed(apply->tail, columns, &run, source, import_id);
    for (uint32_t c = RVW_CELL_PROPERTIES; ok && c < run.block->n_cells; c++) {
        rvw_cells_t *cells = &run.block->cells[c];
        ok = put_column(apply->tail, &run, cells, input_of(columns, cells->shape.id));
    }
    if (ok) {
        publish(apply, columns, list, &run);
    }
    return ok ? run.n : 0;
}

bool rvw_append_events(rvw_apply_t *apply, rvw_batch_columns_t *columns, rvw_list_t *list, const uint32_t *items,
                       uint32_t n) {
    rv_str_t source = rvw_input_string(&columns->source, items[0]);
    if (source.n > 0) {
        const char *kept = keep(apply->tail, &columns->source);
        source.p = kept ? kept + (source.p - columns->source.strings.bytes) : NULL;
    }
    bool ok = source.p && ensure_shapes(columns, list, items, n);
    for (uint32_t done = 0, more; ok && done < n; done += more) {
        more = append_run(apply, columns, list, source, items + done, n - done);
        ok = more > 0;
    }
    apply->tail->n_events += n;
    return ok;
}

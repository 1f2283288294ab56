/* runs.c: see runs.h.
 *
 * Events are counted by row, placed by row (a stable distribution, no comparison), and sorted within each row by (time,
 * source, id); sources that were sorted already stay nearly so, and short rows are sorted by insertion. Rows are taken
 * in slices of about a million events to bound memory. Pieces are filled by trial: the bytes of an event so far tell
 * how many fit. Memory is the change's workspace. */
#include "runs.h"

#include <stdlib.h>
#include <string.h>

#include "plain.h"
#include "reveille/limits.h"

/* Events that are ordered at once: about a million. */
#define SLICE (RV_PIECE_BYTES)
#define INSERTION 24u
#define AHEAD 12u

typedef struct {
    uint32_t source, i;
} ref_t;

/* What the pieces of this run hold besides the fixed columns. */
typedef struct {
    uint32_t n;
    uint32_t *ids;
    rv_type_t *types;
    uint8_t *scales;
} properties_t;

typedef struct {
    rvw_change_t *change;
    const rvw_run_input_t *input;
    rvw_place_t place;
    properties_t properties;
    rv_arena_t arena; /* what lasts for the run */
    uint64_t written;
} run_t;

static bool is_dead(const rvw_run_input_t *input, uint32_t s, uint32_t i) {
    uint32_t row = input->sources[s].row[i];
    const uint8_t *events = input->dead_events ? input->dead_events[s] : NULL;
    return (input->dead_rows && (input->dead_rows[row >> 3] >> (row & 7) & 1)) ||
           (events && (events[i >> 3] >> (i & 7) & 1));
}

static int compare(const run_t *run, const ref_t *a, const ref_t *b) {
    const rvw_events_t *x = &run->input->sources[a->source], *y = &run->input->sources[b->source];
    int64_t tx = rvw_column_int(&x->time, a->i), ty = rvw_column_int(&y->time, b->i);
    if (tx != ty) {
        return tx < ty ? -1 : 1;
    }
    char bx[300], by[300];
    int order = rv_str_compare(rvw_column_string(&x->source, a->i, bx), rvw_column_string(&y->source, b->i, by));
    return order ? order : rv_str_compare(rvw_column_string(&x->id, a->i, bx), rvw_column_string(&y->id, b->i, by));
}

static int by_time(const void *a, const void *b, void *run) {
    return compare(run, a, b);
}

static void sort_row(run_t *run, ref_t *refs, uint32_t n) {
    if (n > INSERTION) {
        qsort_r(refs, n, sizeof *refs, by_time, run);
        return;
    }
    for (uint32_t k = 1; k < n; k++) {
        ref_t moving = refs[k];
        uint32_t at = k;
        while (at > 0 && compare(run, &refs[at - 1], &moving) > 0) {
            refs[at] = refs[at - 1];
            at--;
        }
        refs[at] = moving;
    }
}

/* Wider of two types that one property has had. */
static void join_type(properties_t *properties, uint32_t k, const rvw_column_t *column) {
    if (properties->types[k] == column->type) {
        properties->scales[k] = column->scale > properties->scales[k] ? column->scale : properties->scales[k];
    } else if (column->type == RV_DOUBLE || properties->types[k] == RV_INT) {
        properties->types[k] = column->type;
        properties->scales[k] = column->scale;
    }
}

static bool gather_properties(run_t *run) {
    properties_t *properties = &run->properties;
    uint32_t cap = 0;
    for (uint32_t s = 0; s < run->input->n_sources; s++) {
        cap += run->input->sources[s].n_properties;
    }
    properties->ids = rv_arena_zalloc(&run->arena, cap + 1, sizeof *properties->ids);
    properties->types = rv_arena_zalloc(&run->arena, cap + 1, sizeof *properties->types);
    properties->scales = rv_arena_zalloc(&run->arena, cap + 1, sizeof *properties->scales);
    if (!properties->ids || !properties->types || !properties->scales) {
        return false;
    }
    for (uint32_t s = 0; s < run->input->n_sources; s++) {
        const rvw_events_t *source = &run->input->sources[s];
        for (uint32_t p = 0; p < source->n_properties; p++) {
            uint32_t k = 0;
            while (k < properties->n && properties->ids[k] != source->property_ids[p]) {
                k++;
            }
            if (k < properties->n) {
                join_type(properties, k, &source->properties[p]);
            } else {
                properties->ids[properties->n] = source->property_ids[p];
                properties->types[properties->n] = source->properties[p].type;
                properties->scales[properties->n++] = source->properties[p].scale;
            }
        }
    }
    return true;
}

static const rvw_column_t *property_of(const rvw_events_t *source, uint32_t id) {
    for (uint32_t p = 0; p < source->n_properties; p++) {
        if (source->property_ids[p] == id) {
            return &source->properties[p];
        }
    }
    return NULL;
}

/* Fetches ahead the value of an event: those of a row lie all over its list. */
static void fetch(const rvw_column_t *column, uint32_t i) {
    if (column && column->codes) {
        size_t size = column->encoding == RVW_REF || column->encoding == RVW_WIDE ? 16
                      : column->encoding == RVW_F64                               ? 8
                                                                                  : column->width;
        __builtin_prefetch((const char *)column->codes + i * size);
    }
}

/* One column of n events in order; columns[s] is that of source s, or NULL where it has none. The usual cases are
 * copied here, one value after the other without a call; the rest is taken the slow way. */
static bool gather_values(rvw_plain_t *plain, const rvw_column_t *const *columns, const ref_t *refs, uint32_t n) {
    bool text = rvw_kind(plain->type) == RVW_KIND_TEXT;
    for (uint32_t k = 0; k < n; k++) {
        const rvw_column_t *column = columns[refs[k].source];
        uint32_t i = refs[k].i;
        if (k + AHEAD < n) {
            fetch(columns[refs[k + AHEAD].source], refs[k + AHEAD].i);
        }
        if (!column || !rvw_column_present(column, i)) {
            continue;
        }
        bool same = column->type == plain->type && column->scale == plain->scale && !plain->wide;
        if (same && text && column->encoding == RVW_REF) {
            ((rv_str_t *)plain->values)[k] = ((const rv_str_t *)column->codes)[i];
        } else if (same && text && column->encoding == RVW_DICT) {
            ((rv_str_t *)plain->values)[k] = rvw_column_entry(column, (uint32_t)rvw_column_code(column, i));
        } else if (same && (column->encoding == RVW_FOR || column->encoding == RVW_CONST)) {
            ((int64_t *)plain->values)[k] = rvw_column_int(column, i);
        } else if (!rvw_plain_take(plain, k, column, i)) {
            return false;
        } else {
            continue;
        }
        plain->present[k >> 3] = (uint8_t)(plain->present[k >> 3] | 1u << (k & 7));
    }
    return true;
}

static bool gather(rvw_change_t *change, rv_type_t type, unsigned scale, const rvw_column_t *const *columns,
                   const ref_t *refs, uint32_t n, rvw_column_t *ret) {
    rvw_plain_t plain;
    if (!rvw_plain_init(&plain, &change->workspace->scratch, type, scale, n) ||
        !gather_values(&plain, columns, refs, n)) {
        return false;
    }
    rvw_plain_column(&plain, ret);
    return true;
}

/* The fixed columns of all sources, one after the other. */
static bool gather_fixed(run_t *run, const ref_t *refs, uint32_t n, rvw_events_t *out) {
    uint32_t n_sources = run->input->n_sources;
    const rvw_column_t **columns = rv_arena_alloc(&run->change->workspace->scratch, (n_sources + 1) * sizeof *columns);
    if (!columns) {
        return false;
    }
    static const size_t places[] = {offsetof(rvw_events_t, time), offsetof(rvw_events_t, channel),
                                    offsetof(rvw_events_t, source), offsetof(rvw_events_t, id),
                                    offsetof(rvw_events_t, import_id)};
    static const rv_type_t types[] = {RV_TIME, RV_STRING, RV_STRING, RV_STRING, RV_INT};
    for (size_t c = 0; c < sizeof places / sizeof *places; c++) {
        for (uint32_t s = 0; s < n_sources; s++) {
            columns[s] = (const rvw_column_t *)(const void *)((const char *)&run->input->sources[s] + places[c]);
        }
        if (!gather(run->change, types[c], 0, columns, refs, n, (rvw_column_t *)(void *)((char *)out + places[c]))) {
            return false;
        }
    }
    return true;
}

static bool gather_rest(run_t *run, const ref_t *refs, uint32_t n, rvw_events_t *out) {
    rv_arena_t *scratch = &run->change->workspace->scratch;
    uint32_t n_sources = run->input->n_sources, n_properties = run->properties.n;
    const rvw_column_t **columns = rv_arena_alloc(scratch, (n_sources + 1) * sizeof *columns);
    rvw_column_t *properties = rv_arena_alloc(scratch, (n_properties + 1) * sizeof *properties);
    uint16_t *rows = rv_arena_alloc(scratch, n * sizeof *rows);
    if (!columns || !properties || !rows) {
        return false;
    }
    for (uint32_t k = 0; k < n; k++) {
        rows[k] = run->input->sources[refs[k].source].row[refs[k].i];
    }
    for (uint32_t p = 0; p < n_properties; p++) {
        for (uint32_t s = 0; s < n_sources; s++) {
            columns[s] = property_of(&run->input->sources[s], run->properties.ids[p]);
        }
        if (!gather(run->change, run->properties.types[p], run->properties.scales[p], columns, refs, n,
                    &properties[p])) {
            return false;
        }
    }
    out->row = rows;
    out->n = n;
    out->n_properties = n_properties;
    out->property_ids = run->properties.ids;
    out->properties = properties;
    return true;
}

/* Encodes n events into the builder; nothing is put yet. */
static rv_status_t encode(run_t *run, const ref_t *refs, uint32_t n, const uint8_t **ret_bytes, size_t *ret_n,
                          rv_error_t *err) {
    rvw_events_t events = {0};
    rvw_workspace_clear(run->change->workspace);
    if (!gather_fixed(run, refs, n, &events) || !gather_rest(run, refs, n, &events)) {
        return rv_fail_memory(err, "a piece of events");
    }
    return rvw_piece_write_events(run->change->workspace->builder, &run->place, &events,
                                  &run->change->workspace->scratch, ret_bytes, ret_n, err);
}

/* Cuts n events into pieces. */
static rv_status_t write_pieces(run_t *run, const ref_t *refs, uint32_t n, rv_error_t *err) {
    for (uint32_t at = 0; at < n;) {
        double guess = 0.97 * RV_PIECE_BYTES / run->change->per_event;
        uint32_t take = guess < 1 ? 1 : guess > n - at ? n - at : (uint32_t)guess;
        const uint8_t *bytes;
        size_t size;
        bool retried = false;
        for (;;) {
            rv_status_t status = encode(run, refs + at, take, &bytes, &size, err);
            if (status) {
                return status;
            }
            run->change->per_event = (double)size / take;
            uint32_t fit = (uint32_t)(0.95 * RV_PIECE_BYTES / run->change->per_event);
            if (size > RV_PIECE_BYTES && take > 1) {
                take = fit < 1 ? 1 : fit >= take ? take - 1 : fit;
            } else if (size < RV_PIECE_BYTES / 2 && take < n - at && !retried) {
                take = fit > n - at ? n - at : fit > take ? fit : take;
            } else {
                break;
            }
            retried = true;
        }
        rv_status_t status = rvw_change_put(run->change, &run->place, bytes, size, err);
        if (status) {
            return status;
        }
        run->place.part++;
        run->written += take;
        at += take;
    }
    return RV_OK;
}

/* Places the events of rows [first, end) in order; `at` has for each row of the chunk where its events start. */
static void place_rows(const run_t *run, ref_t *order, uint32_t first, uint32_t end, uint32_t *at) {
    for (uint32_t s = 0; s < run->input->n_sources; s++) {
        const rvw_events_t *source = &run->input->sources[s];
        for (uint32_t i = 0; i < source->n; i++) {
            uint32_t row = source->row[i];
            if (row >= first && row < end && !is_dead(run->input, s, i)) {
                order[at[row]++] = (ref_t){s, i};
            }
        }
    }
}

static rv_status_t write_slices(run_t *run, const uint32_t *count, uint32_t *at, uint32_t rows, rv_error_t *err) {
    for (uint32_t first = 0, end; first < rows; first = end) {
        uint32_t n = 0;
        end = first;
        while (end < rows && (n == 0 || n + count[end] <= SLICE)) {
            at[end] = n;
            n += count[end++];
        }
        if (n == 0) {
            continue;
        }
        ref_t *order = rvw_workspace_block(run->change->workspace, n * sizeof *order);
        if (!order) {
            return rv_fail_memory(err, "the order of events");
        }
        place_rows(run, order, first, end, at);
        for (uint32_t row = first; row < end; row++) {
            sort_row(run, order + at[row] - count[row], count[row]);
        }
        rv_status_t status = write_pieces(run, order, n, err);
        if (status) {
            return status;
        }
    }
    return RV_OK;
}

/* So many rows from the first on have all the events: a chunk that is not full has few. */
static uint32_t rows_of(const rvw_run_input_t *input, uint32_t chunk_rows) {
    uint32_t rows = 0;
    for (uint32_t s = 0; s < input->n_sources; s++) {
        uint32_t here = input->sources[s].n ? (uint32_t)input->sources[s].max_row + 1 : 0;
        rows = here > rows ? here : rows;
    }
    return rows < chunk_rows ? rows : chunk_rows;
}

rv_status_t rvw_run_write(rvw_change_t *change, uint32_t type, uint32_t chunk, const rvw_run_input_t *input,
                          uint32_t chunk_rows, uint64_t *ret_n, rv_error_t *err) {
    run_t run = {.change = change, .input = input, .place = {RVW_EVENTS, type, chunk, change->gen, 0}};
    uint32_t rows = rows_of(input, chunk_rows);
    rv_arena_init(&run.arena, SIZE_MAX);
    uint32_t *count = rv_arena_zalloc(&run.arena, rows, sizeof *count);
    uint32_t *at = rv_arena_zalloc(&run.arena, rows, sizeof *at);
    rv_status_t status = RV_OK;
    if (!count || !at || !gather_properties(&run)) {
        status = rv_fail_memory(err, "the order of events");
    }
    for (uint32_t s = 0; status == RV_OK && s < input->n_sources; s++) {
        for (uint32_t i = 0; i < input->sources[s].n; i++) {
            count[input->sources[s].row[i]] += !is_dead(input, s, i);
        }
    }
    if (status == RV_OK) {
        status = write_slices(&run, count, at, rows, err);
    }
    rv_arena_done(&run.arena);
    if (status == RV_OK) {
        *ret_n = run.written;
    }
    return status;
}

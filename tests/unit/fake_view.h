/* fake_view.h: an implementation of worker/store/view.h over plain arrays, for the tests of worker/exec. To be included
 * by one file of a test.
 *
 * Tables hold values as rv_value_t; columns are encoded anew for each look, in an encoding that the test chooses or
 * that a counter varies. Events of a (type, chunk) are cut into pieces; the last ones are unsorted, like the tail.
 * Everything lives until fake_done.
 */
#ifndef REVEILLE_TESTS_FAKE_VIEW_H
#define REVEILLE_TESTS_FAKE_VIEW_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"

#define FAKE_COLUMNS 16u

typedef struct {
    uint32_t row, type;
    int64_t time;
    const char *channel; /* NULL: missing */
    const char *source, *id;
    rv_value_t properties[FAKE_COLUMNS]; /* by id; 0 unused */
    uint64_t order;                      /* where it lies in its piece, when that is unsorted */
    uint32_t piece;
} fake_event_t;

typedef struct {
    const char *key;
    bool dead;
    rv_value_t values[FAKE_COLUMNS]; /* by attribute id; COMPANY: i is the company's row */
} fake_row_t;

struct rvw_view {
    uint32_t chunk_rows;
    uint32_t n_rows, n_companies, n_events;
    fake_row_t *rows, *companies;
    fake_event_t *events;
    rv_type_t attributes[FAKE_COLUMNS], company_attributes[FAKE_COLUMNS], properties[FAKE_COLUMNS];
    uint32_t n_pieces;  /* a (type, chunk) is cut into so many */
    uint32_t sorted;    /* so many of them are sorted */
    uint32_t variation; /* of encodings */
    void **kept;
    size_t n_kept, cap_kept;
};

static void *fake_take(rvw_view_t *view, size_t n) {
    if (view->n_kept == view->cap_kept) {
        view->cap_kept = view->cap_kept ? view->cap_kept * 2 : 64;
        view->kept = realloc(view->kept, view->cap_kept * sizeof *view->kept);
        assert(view->kept);
    }
    void *p = aligned_alloc(64, (n + 64) / 64 * 64);
    assert(p);
    memset(p, 0, (n + 64) / 64 * 64);
    return view->kept[view->n_kept++] = p;
}

static inline void fake_done(rvw_view_t *view) {
    for (size_t i = 0; i < view->n_kept; i++)
        free(view->kept[i]);
    free(view->kept);
    view->kept = NULL;
    view->n_kept = view->cap_kept = 0;
}

static bool fake_is_text(rv_type_t type) {
    return type == RV_STRING || type == RV_SET;
}

static void fake_codes(rvw_view_t *view, rvw_column_t *c, const uint64_t *codes, uint32_t n, uint64_t most,
                       unsigned least_width) {
    unsigned width = most < 256 ? 1 : most < 65536 ? 2 : most <= UINT32_MAX ? 4 : 8;
    if (width < least_width)
        width = least_width;
    char *p = fake_take(view, (size_t)n * width);
    for (uint32_t i = 0; i < n; i++)
        memcpy(p + (size_t)i * width, &codes[i], width); /* little endian */
    c->codes = p;
    c->width = (uint8_t)width;
}

static void fake_ints(rvw_view_t *view, rvw_column_t *c, const rv_value_t *values, uint32_t n, bool wide_kind) {
    uint64_t *codes = fake_take(view, n * sizeof *codes), unit = 0, most = 0;
    bool first = true;
    for (uint32_t i = 0; i < n; i++) {
        int64_t x = wide_kind ? (int64_t)values[i].wide : values[i].i;
        if (!values[i].present)
            continue;
        c->min = first || x < c->min ? x : c->min;
        c->max = first || x > c->max ? x : c->max;
        first = false;
    }
    for (uint32_t i = 0; i < n; i++) {
        int64_t x = wide_kind ? (int64_t)values[i].wide : values[i].i;
        uint64_t d = (uint64_t)x - (uint64_t)c->min;
        for (uint64_t a = d; values[i].present && a;) {
            uint64_t rest = unit % a;
            unit = a;
            a = rest;
        }
    }
    c->base = c->min;
    c->unit = unit ? (int64_t)unit : 1;
    if (unit > INT64_MAX)
        c->unit = 1;
    for (uint32_t i = 0; i < n; i++) {
        int64_t x = wide_kind ? (int64_t)values[i].wide : values[i].i;
        codes[i] = values[i].present ? ((uint64_t)x - (uint64_t)c->base) / (uint64_t)c->unit : 0;
        most = codes[i] > most ? codes[i] : most;
    }
    c->encoding = c->min == c->max && view->variation % 2 ? RVW_CONST : RVW_FOR;
    static const unsigned widths[] = {1, 4, 2, 8};
    fake_codes(view, c, codes, n, most, widths[view->variation % 4]);
}

static int fake_compare(const void *a, const void *b) {
    const rv_str_t *x = a, *y = b;
    return rv_str_compare(*x, *y);
}

static void fake_dict(rvw_view_t *view, rvw_column_t *c, const rv_str_t *strings, const rv_value_t *values,
                      uint32_t n) {
    rv_str_t *sorted = fake_take(view, (n + 1) * sizeof *sorted);
    uint64_t *codes = fake_take(view, n * sizeof *codes);
    uint32_t m = 0, k = 0, bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        if (values[i].present)
            sorted[m++] = strings[i];
    qsort(sorted, m, sizeof *sorted, fake_compare);
    for (uint32_t i = 0; i < m; i++)
        if (!k || !rv_str_equal(sorted[k - 1], sorted[i]))
            sorted[k++] = sorted[i];
    for (uint32_t i = 0; i < k; i++)
        bytes += sorted[i].n;
    uint32_t *offsets = fake_take(view, (k + 1) * sizeof *offsets);
    char *p = fake_take(view, bytes + 1);
    for (uint32_t i = 0; i < k; i++) {
        memcpy(p + offsets[i], sorted[i].p, sorted[i].n);
        offsets[i + 1] = offsets[i] + sorted[i].n;
    }
    for (uint32_t i = 0; i < n; i++)
        for (codes[i] = 0; values[i].present && !rv_str_equal(sorted[codes[i]], strings[i]);)
            codes[i]++;
    c->encoding = RVW_DICT;
    c->dict_n = k;
    c->offsets = offsets;
    c->bytes = p;
    fake_codes(view, c, codes, n, k, 1);
}

static void fake_strings(rvw_view_t *view, rvw_column_t *c, const rv_value_t *values, uint32_t n) {
    rv_str_t *strings = fake_take(view, (n + 1) * sizeof *strings);
    for (uint32_t i = 0; i < n; i++)
        strings[i] = values[i].present ? values[i].s : (rv_str_t){"", 0};
    if (view->variation % 3 == 1) {
        c->encoding = RVW_REF;
        c->codes = strings;
    } else if (view->variation % 3 == 2) {
        uint32_t *offsets = fake_take(view, (n + 1) * sizeof *offsets), at = 0;
        for (uint32_t i = 0; i < n; i++)
            offsets[i + 1] = at += strings[i].n;
        char *p = fake_take(view, at + 1);
        for (uint32_t i = 0; i < n; i++)
            memcpy(p + offsets[i], strings[i].p, strings[i].n);
        c->encoding = RVW_PLAIN;
        c->offsets = offsets;
        c->bytes = p;
    } else {
        fake_dict(view, c, strings, values, n);
    }
}

/* Encodes n values as a column. */
static void fake_column(rvw_view_t *view, rv_type_t type, const rv_value_t *values, uint32_t n, rvw_column_t *ret) {
    bool any = false, all = true, wide = false;
    *ret = (rvw_column_t){.type = type, .n = n};
    for (uint32_t i = 0; i < n; i++) {
        any |= values[i].present;
        all &= values[i].present;
        wide |= type == RV_DECIMAL && values[i].present && (values[i].wide > INT64_MAX || values[i].wide < INT64_MIN);
    }
    if (!all) {
        uint8_t *bits = fake_take(view, n / 8 + 1);
        for (uint32_t i = 0; i < n; i++)
            if (values[i].present)
                bits[i >> 3] |= (uint8_t)(1u << (i & 7));
        ret->present = bits;
    }
    if (!any) {
        ret->encoding = RVW_NONE;
        ret->present = NULL;
    } else if (fake_is_text(type)) {
        fake_strings(view, ret, values, n);
    } else if (type == RV_DOUBLE) {
        double *d = fake_take(view, n * sizeof *d);
        for (uint32_t i = 0; i < n; i++)
            d[i] = values[i].present ? values[i].d : 0;
        ret->encoding = RVW_F64;
        ret->codes = d;
    } else if (wide) {
        rv_i128_t *w = fake_take(view, n * sizeof *w);
        for (uint32_t i = 0; i < n; i++)
            w[i] = values[i].present ? values[i].wide : 0;
        ret->encoding = RVW_WIDE;
        ret->codes = w;
    } else {
        fake_ints(view, ret, values, n, type == RV_DECIMAL);
    }
    view->variation++;
}

static inline rv_value_t fake_text(const char *text) {
    return (rv_value_t){.present = text != NULL, .s = {text ? text : "", text ? (uint32_t)strlen(text) : 0}};
}

/* "e123" as NUMBERED when every id is a letter and a number without leading zeros. */
static bool fake_numbered(rvw_view_t *view, const fake_event_t **e, uint32_t n, rvw_column_t *c) {
    uint64_t *codes = fake_take(view, (n + 1) * sizeof *codes), most = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (e[i]->id[0] != 'e' || e[i]->id[1] < '1' || e[i]->id[1] > '9')
            return false;
        codes[i] = strtoull(e[i]->id + 1, NULL, 10);
        most = codes[i] > most ? codes[i] : most;
    }
    uint32_t *offsets = fake_take(view, 2 * sizeof *offsets);
    char *prefix = fake_take(view, 1);
    prefix[0] = 'e';
    offsets[1] = 1;
    *c = (rvw_column_t){.type = RV_STRING,
                        .n = n,
                        .encoding = RVW_NUMBERED,
                        .unit = 1,
                        .dict_n = 1,
                        .offsets = offsets,
                        .bytes = prefix};
    fake_codes(view, c, codes, n, most, 1);
    return true;
}

static int fake_event_order(const fake_event_t *x, const fake_event_t *y) {
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    int order = strcmp(x->source, y->source);
    return order ? order : strcmp(x->id, y->id);
}
static int fake_by_order(const void *a, const void *b) {
    const fake_event_t *x = *(fake_event_t *const *)a, *y = *(fake_event_t *const *)b;
    return fake_event_order(x, y);
}
static int fake_by_place(const void *a, const void *b) {
    const fake_event_t *x = *(fake_event_t *const *)a, *y = *(fake_event_t *const *)b;
    return (x->order > y->order) - (x->order < y->order);
}

static void fake_piece(rvw_view_t *view, const fake_event_t **e, uint32_t n, bool sorted, rvw_events_t *out) {
    rv_value_t *values = fake_take(view, (n + 1) * sizeof *values);
    uint16_t *row = fake_take(view, (n + 1) * sizeof *row);
    uint32_t *ids = fake_take(view, FAKE_COLUMNS * sizeof *ids);
    rvw_column_t *columns = fake_take(view, FAKE_COLUMNS * sizeof *columns);
    qsort(e, n, sizeof *e, sorted ? fake_by_order : fake_by_place);
    *out = (rvw_events_t){.n = n,
                          .sorted = sorted,
                          .row = row,
                          .min_row = UINT16_MAX,
                          .property_ids = ids,
                          .properties = columns,
                          .min_time = INT64_MAX,
                          .max_time = INT64_MIN};
    for (uint32_t i = 0; i < n; i++) {
        row[i] = (uint16_t)(e[i]->row % view->chunk_rows);
        out->min_row = row[i] < out->min_row ? row[i] : out->min_row;
        out->max_row = row[i] > out->max_row ? row[i] : out->max_row;
        out->min_time = e[i]->time < out->min_time ? e[i]->time : out->min_time;
        out->max_time = e[i]->time > out->max_time ? e[i]->time : out->max_time;
    }
#define FAKE_FILL(column, column_type, expression)                                                                     \
    for (uint32_t i = 0; i < n; i++)                                                                                   \
        values[i] = expression;                                                                                        \
    fake_column(view, column_type, values, n, column)
    FAKE_FILL(&out->time, RV_TIME, ((rv_value_t){.present = true, .i = e[i]->time}));
    FAKE_FILL(&out->channel, RV_STRING, fake_text(e[i]->channel));
    FAKE_FILL(&out->source, RV_STRING, fake_text(e[i]->source));
    if (!fake_numbered(view, e, n, &out->id)) {
        FAKE_FILL(&out->id, RV_STRING, fake_text(e[i]->id));
    }
    FAKE_FILL(&out->import_id, RV_INT, ((rv_value_t){.present = true}));
    for (uint32_t p = 1; p < FAKE_COLUMNS; p++) {
        bool any = false;
        for (uint32_t i = 0; i < n; i++)
            any |= e[i]->properties[p].present;
        if (!any)
            continue;
        ids[out->n_properties] = p;
        FAKE_FILL(&columns[out->n_properties++], view->properties[p], e[i]->properties[p]);
    }
#undef FAKE_FILL
}

uint32_t rvw_view_chunk_rows(const rvw_view_t *view) {
    return view->chunk_rows;
}
uint32_t rvw_view_rows(const rvw_view_t *view) {
    return view->n_rows;
}
uint32_t rvw_view_company_rows(const rvw_view_t *view) {
    return view->n_companies;
}
uint64_t rvw_view_lsn(const rvw_view_t *view) {
    (void)view;
    return 7;
}
uint32_t rvw_view_alive(const rvw_view_t *view, uint32_t chunk, uint8_t *out) {
    uint32_t n = 0;
    memset(out, 0, (view->chunk_rows + 7) / 8);
    for (uint32_t i = 0; i < view->chunk_rows && chunk * view->chunk_rows + i < view->n_rows; i++)
        if (!view->rows[chunk * view->chunk_rows + i].dead) {
            out[i >> 3] |= (uint8_t)(1u << (i & 7));
            n++;
        }
    return n;
}
uint32_t rvw_view_events_max(const rvw_view_t *view, uint32_t type, uint32_t chunk) {
    (void)type;
    (void)chunk;
    return view->n_pieces;
}
rv_status_t rvw_view_events(const rvw_view_t *view, uint32_t type, uint32_t chunk, rvw_events_t *out, uint32_t *ret_n,
                            rv_error_t *err) {
    (void)err;
    rvw_view_t *own = (rvw_view_t *)(uintptr_t)view;
    *ret_n = 0;
    for (uint32_t p = 0; p < view->n_pieces; p++) {
        const fake_event_t **e = fake_take(own, (view->n_events + 1) * sizeof *e);
        uint32_t n = 0;
        for (uint32_t i = 0; i < view->n_events; i++)
            if (view->events[i].type == type && view->events[i].row / view->chunk_rows == chunk &&
                view->events[i].piece % view->n_pieces == p)
                e[n++] = &view->events[i];
        if (n)
            fake_piece(own, e, n, p < view->sorted, &out[(*ret_n)++]);
    }
    return RV_OK;
}

static rv_status_t fake_table(const rvw_view_t *view, const fake_row_t *rows, uint32_t n_rows, const rv_type_t *types,
                              uint32_t attribute, uint32_t chunk, rvw_column_t *ret) {
    rvw_view_t *own = (rvw_view_t *)(uintptr_t)view;
    uint32_t first = chunk * view->chunk_rows;
    uint32_t n = n_rows - first < view->chunk_rows ? n_rows - first : view->chunk_rows;
    rv_value_t *values = fake_take(own, (n + 1) * sizeof *values);
    for (uint32_t i = 0; i < n; i++)
        values[i] = attribute ? rows[first + i].values[attribute] : fake_text(rows[first + i].key);
    fake_column(own, attribute ? types[attribute] : RV_STRING, values, n, ret);
    return RV_OK;
}
rv_status_t rvw_view_attribute(const rvw_view_t *view, uint32_t attribute, uint32_t chunk, rv_arena_t *arena,
                               rvw_column_t *ret, rv_error_t *err) {
    (void)arena;
    (void)err;
    return fake_table(view, view->rows, view->n_rows, view->attributes, attribute, chunk, ret);
}
rv_status_t rvw_view_company_attribute(const rvw_view_t *view, uint32_t attribute, uint32_t chunk, rv_arena_t *arena,
                                       rvw_column_t *ret, rv_error_t *err) {
    (void)arena;
    (void)err;
    return fake_table(view, view->companies, view->n_companies, view->company_attributes, attribute, chunk, ret);
}
static bool fake_find(const fake_row_t *rows, uint32_t n_rows, const char *key, size_t n, uint32_t *ret) {
    for (uint32_t i = 0; i < n_rows; i++)
        if (!rows[i].dead && strlen(rows[i].key) == n && memcmp(rows[i].key, key, n) == 0) {
            *ret = i;
            return true;
        }
    return false;
}
bool rvw_view_find(const rvw_view_t *view, const char *key, size_t n, uint32_t *ret_row) {
    return fake_find(view->rows, view->n_rows, key, n, ret_row);
}
bool rvw_view_find_company(const rvw_view_t *view, const char *key, size_t n, uint32_t *ret_row) {
    return fake_find(view->companies, view->n_companies, key, n, ret_row);
}

#endif

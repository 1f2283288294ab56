/* Batches of events with columns of every kind, random and with all or no values, are in the tail as they were given:
 * against a plain reading of the batch, value by value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/apply.h"
#include "store_world.h"

#define MOST 300u
#define COLUMNS 8u
#define TYPES 3u
#define CHUNK_ROWS 16u
#define CONTACTS 40u

/* A batch of events, with room for the greatest. */
typedef struct {
    Reveille__V1__PartitionWrite write;
    Reveille__V1__EventBatch batch;
    Reveille__V1__StringColumn keys, texts[COLUMNS + 3];
    Reveille__V1__Column columns[COLUMNS + 3], *properties[COLUMNS];
    char key_bytes[CONTACTS * 4];
    uint32_t key_lengths[CONTACTS], contacts[MOST], types[MOST];
    int64_t times[MOST];
    uint8_t present[COLUMNS + 3][MOST / 8 + 1], bytes[COLUMNS + 3][MOST * 16];
    uint32_t lengths[COLUMNS + 3][MOST], codes[COLUMNS + 3][MOST];
    int64_t ints[COLUMNS][MOST];
    double doubles[COLUMNS][MOST];
    rv_i128_t wide[COLUMNS][MOST];
} events_t;

typedef struct {
    char dir[256];
    rvw_partition_t *p;
    uint64_t random, lsn, number; /* number: of the next event */
} fixture_t;

static uint64_t below(fixture_t *f, uint64_t n) {
    f->random = f->random * 6364136223846793005ull + 1442695040888963407ull;
    return (f->random >> 33) % n;
}

static void begin(fixture_t *f, uint64_t seed) {
    char path[300];
    rv_error_t err = {0};
    rvw_identity_t identity = {.partition_count = 1, .chunk_rows = CHUNK_ROWS};
    *f = (fixture_t){.random = seed};
    world_make_dir(f->dir);
    snprintf(path, sizeof path, "%s/p", f->dir);
    assert_int_equal(rvw_partition_create(path, &identity, &err), RV_OK);
    assert_int_equal(rvw_partition_open(path, &f->p, &err), RV_OK);
}

static void end(fixture_t *f) {
    rvw_partition_close(&f->p);
    world_remove_dir(f->dir);
}

/* All, none or some of the n values. */
static void fill_present(fixture_t *f, events_t *e, uint32_t c, uint32_t n) {
    uint64_t how = below(f, 4);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bit = how == 0 ? 0 : (uint32_t)below(f, how == 1 ? 30 : 2) == 0;
        e->present[c][i >> 3] = (uint8_t)(e->present[c][i >> 3] | bit << (i & 7));
    }
    if (how < 3) {
        e->columns[c].present = (ProtobufCBinaryData){(n + 7) / 8, e->present[c]};
    }
}

static void fill_text(fixture_t *f, events_t *e, uint32_t c, uint32_t n, bool unique) {
    bool coded = !unique && below(f, 2) == 0;
    uint32_t strings = coded ? 1 + (uint32_t)below(f, 5) : n;
    size_t at = 0;
    for (uint32_t k = 0; k < strings; k++) {
        char text[16];
        int length = unique ? snprintf(text, sizeof text, "e%llu", (unsigned long long)f->number + k)
                            : snprintf(text, sizeof text, "%.*s", (int)below(f, 4), k % 2 ? "abc" : "xyz");
        memcpy(e->bytes[c] + at, text, (size_t)length);
        e->lengths[c][k] = (uint32_t)length;
        at += (size_t)length;
    }
    for (uint32_t i = 0; i < n; i++) {
        e->codes[c][i] = (uint32_t)below(f, strings);
    }
    e->texts[c].n_lengths = strings;
    e->texts[c].lengths = e->lengths[c];
    e->texts[c].data = (ProtobufCBinaryData){at, e->bytes[c]};
    e->columns[c].strings = &e->texts[c];
    e->columns[c].n_codes = coded ? n : 0;
    e->columns[c].codes = e->codes[c];
}

static void fill_numbers(fixture_t *f, events_t *e, uint32_t c, uint32_t n) {
    static const int64_t some[] = {0, -1, 1, INT64_MIN, INT64_MAX, 4711};
    Reveille__V1__Column *column = &e->columns[c];
    for (uint32_t i = 0; i < n; i++) {
        e->ints[c][i] = column->type == RV_BOOL ? (int64_t)below(f, 2) : some[below(f, 6)];
        e->doubles[c][i] = (double)some[below(f, 6)] / 8;
        e->wide[c][i] = (rv_i128_t)some[below(f, 6)] * (below(f, 20) == 0 ? 1000 : 1);
    }
    if (column->type == RV_DOUBLE) {
        column->n_doubles = n;
        column->doubles = e->doubles[c];
    } else if (column->type == RV_DECIMAL && below(f, 2) == 0) {
        column->wide = (ProtobufCBinaryData){n * sizeof(rv_i128_t), (uint8_t *)e->wide[c]};
    } else {
        column->n_ints = n;
        column->ints = e->ints[c];
    }
}

static void fill_column(fixture_t *f, events_t *e, uint32_t c, uint32_t n, rv_type_t type) {
    e->columns[c] = (Reveille__V1__Column)REVEILLE__V1__COLUMN__INIT;
    e->texts[c] = (Reveille__V1__StringColumn)REVEILLE__V1__STRING_COLUMN__INIT;
    e->columns[c].id = c + 1;
    e->columns[c].type = type;
    if (rvw_kind(type) == RVW_KIND_TEXT) {
        fill_text(f, e, c, n, c == COLUMNS + 2);
    } else {
        fill_numbers(f, e, c, n);
    }
    if (c != COLUMNS + 2) {
        fill_present(f, e, c, n);
    }
}

static void fill(fixture_t *f, events_t *e, uint32_t n) {
    static const rv_type_t types[COLUMNS] = {RV_STRING,  RV_SET,    RV_INT,  RV_DOUBLE,
                                             RV_DECIMAL, RV_STRING, RV_BOOL, RV_TIME};
    memset(e, 0, sizeof *e);
    reveille__v1__partition_write__init(&e->write);
    reveille__v1__event_batch__init(&e->batch);
    reveille__v1__string_column__init(&e->keys);
    for (uint32_t k = 0; k < CONTACTS; k++) {
        e->key_lengths[k] = (uint32_t)snprintf(e->key_bytes + 3 * k, 4, "c%02u", k);
    }
    e->keys.n_lengths = CONTACTS;
    e->keys.lengths = e->key_lengths;
    e->keys.data = (ProtobufCBinaryData){(size_t)CONTACTS * 3, (uint8_t *)e->key_bytes};
    for (uint32_t i = 0; i < n; i++) {
        e->contacts[i] = (uint32_t)below(f, CONTACTS);
        e->types[i] = 1 + (uint32_t)below(f, TYPES);
        e->times[i] = (int64_t)(f->number * 10 + below(f, 3) + i * 2);
    }
    for (uint32_t c = 0; c < COLUMNS; c++) {
        fill_column(f, e, c, n, c == 2 && below(f, 2) ? RV_DECIMAL : types[c]); /* one that becomes wider */
        e->properties[c] = &e->columns[c];
    }
    for (uint32_t c = COLUMNS; c < COLUMNS + 3; c++) {
        fill_column(f, e, c, n, RV_STRING);
    }
    e->batch.contact_keys = &e->keys;
    e->batch.n_contacts = e->batch.n_times_ms = e->batch.n_types = n;
    e->batch.contacts = e->contacts;
    e->batch.times_ms = e->times;
    e->batch.types = e->types;
    e->batch.channel = below(f, 4) ? &e->columns[COLUMNS] : NULL;
    e->batch.source = below(f, 2) ? &e->columns[COLUMNS + 1] : NULL;
    e->batch.event_id = &e->columns[COLUMNS + 2];
    e->batch.n_properties = below(f, COLUMNS + 1);
    e->batch.properties = e->properties;
    e->write.import_id = below(f, 3);
    e->write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    e->write.events = &e->batch;
}

/* Value i of a column, read plainly. */
static bool value_of(const Reveille__V1__Column *column, uint32_t i, rv_value_t *ret) {
    *ret = (rv_value_t){.present = column && (column->present.len == 0 || (column->present.data[i / 8] >> i % 8 & 1))};
    if (ret->present && rvw_kind(column->type) == RVW_KIND_TEXT) {
        const char *p = (const char *)column->strings->data.data;
        uint32_t s = column->n_codes ? column->codes[i] : i;
        for (uint32_t k = 0; k < s; k++) {
            p += column->strings->lengths[k];
        }
        ret->s = (rv_str_t){p, column->strings->lengths[s]};
        ret->present = column->type != RV_SET || ret->s.n > 0;
    } else if (ret->present && column->type == RV_DOUBLE) {
        ret->d = column->doubles[i];
    } else if (ret->present && column->wide.len) {
        memcpy(&ret->wide, column->wide.data + i * sizeof ret->wide, sizeof ret->wide);
    } else if (ret->present) {
        ret->i = column->ints[i];
        ret->wide = ret->i;
    }
    return ret->present;
}

static void check_text(const rvw_cells_t *cells, uint32_t at, const Reveille__V1__Column *column, uint32_t i) {
    rv_value_t value;
    rv_str_t s = rvw_cells_text(cells, at), given = {"", 0};
    if (value_of(column, i, &value)) {
        given = value.s;
    }
    assert_true(rv_str_equal(s, given));
}

static void check_value(const rvw_cells_t *cells, uint32_t at, const Reveille__V1__Column *column, uint32_t i) {
    rv_value_t stored, given;
    rvw_cells_get(cells, at, &stored);
    if (value_of(column, i, &given)) {
        assert_int_equal(cells->shape.type, column->type);
    } else {
        assert_true(atomic_load(&cells->gaps));
    }
    assert_true(rvw_value_equal(cells->shape.type, &stored, &given));
    if (stored.present && rvw_kind(cells->shape.type) == RVW_KIND_INT && !cells->shape.wide) {
        assert_true(stored.i >= atomic_load(&cells->min) && stored.i <= atomic_load(&cells->max));
    }
}

static bool has_cell(const rvw_block_t *block, uint32_t id) {
    uint32_t c = RVW_CELL_PROPERTIES;
    while (c < block->n_cells && block->cells[c].shape.id != id) {
        c++;
    }
    return c < block->n_cells;
}

/* Entry `at` of the block is event i. */
static void check_event(const fixture_t *f, const rvw_block_t *block, uint32_t at, const events_t *e, uint32_t i) {
    rv_str_t key = {e->key_bytes + (size_t)3 * e->contacts[i], 3};
    uint32_t row;
    assert_int_equal(rvw_writer_find(f->p, RVW_CONTACTS, key, &row, NULL), RV_OK);
    assert_int_equal(block->row[at], row % CHUNK_ROWS);
    assert_int_equal(block->list->chunk, row / CHUNK_ROWS);
    assert_int_equal(block->list->id, e->types[i]);
    assert_true(block->row[at] >= atomic_load(&block->min_row) && block->row[at] <= atomic_load(&block->max_row));
    assert_int_equal(block->lsn[at], f->lsn);
    assert_int_equal(((const int64_t *)block->cells[RVW_CELL_TIME].values)[at], e->times[i]);
    const rvw_cells_t *import = &block->cells[RVW_CELL_IMPORT];
    assert_int_equal(import->values ? ((const int64_t *)import->values)[at] : import->number, e->write.import_id);
    check_text(&block->cells[RVW_CELL_SOURCE], at, e->batch.source, i);
    check_text(&block->cells[RVW_CELL_ID], at, e->batch.event_id, i);
    check_value(&block->cells[RVW_CELL_CHANNEL], at, e->batch.channel, i);
    for (uint32_t c = RVW_CELL_PROPERTIES; c < block->n_cells; c++) {
        uint32_t id = block->cells[c].shape.id;
        check_value(&block->cells[c], at, id <= e->batch.n_properties ? e->properties[id - 1] : NULL, i);
    }
    for (uint32_t p = 0; p < e->batch.n_properties; p++) {
        rv_value_t value;
        assert_true(!value_of(e->properties[p], i, &value) || has_cell(block, e->properties[p]->id));
    }
}

/* The first `n` values of a column are those of the cells. */
static void check_column(const rvw_column_t *column, const rvw_cells_t *cells, uint32_t n) {
    assert_int_equal(column->type, cells->shape.type);
    assert_int_equal(column->n, n);
    if (!cells->values) {
        assert_int_equal(column->width, 0);
        return;
    }
    assert_ptr_equal(column->codes, cells->values);
    for (uint32_t k = 0; k < n; k++) {
        assert_int_equal(!column->present || (column->present[k / 8] >> k % 8 & 1),
                         !cells->present || cells->present[k]);
    }
}

/* A block that grows no more, and no other, is described whole. */
static void check_whole(const rvw_block_t *block) {
    const rvw_events_t *whole = block->whole;
    assert_int_equal(whole != NULL, block->next && block->n > 0);
    if (!whole) {
        return;
    }
    assert_int_equal(whole->n, block->n);
    assert_false(whole->sorted);
    assert_ptr_equal(whole->row, block->row);
    assert_int_equal(whole->min_row, block->min_row);
    assert_int_equal(whole->max_row, block->max_row);
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t k = 0; k < block->n; k++) {
        int64_t time = ((const int64_t *)block->cells[RVW_CELL_TIME].values)[k];
        min = time < min ? time : min;
        max = time > max ? time : max;
    }
    assert_int_equal(whole->min_time, min);
    assert_int_equal(whole->max_time, max);
    check_column(&whole->time, &block->cells[RVW_CELL_TIME], whole->n);
    check_column(&whole->source, &block->cells[RVW_CELL_SOURCE], whole->n);
    check_column(&whole->id, &block->cells[RVW_CELL_ID], whole->n);
    check_column(&whole->import_id, &block->cells[RVW_CELL_IMPORT], whole->n);
    check_column(&whole->channel, &block->cells[RVW_CELL_CHANNEL], whole->n);
    assert_int_equal(whole->n_properties, block->n_cells - RVW_CELL_PROPERTIES);
    for (uint32_t p = 0; p < whole->n_properties; p++) {
        assert_int_equal(whole->property_ids[p], block->cells[RVW_CELL_PROPERTIES + p].shape.id);
        check_column(&whole->properties[p], &block->cells[RVW_CELL_PROPERTIES + p], whole->n);
    }
}

/* Every event of the batch, which is the last write, is in the tail once. */
static void check(const fixture_t *f, const events_t *e, uint64_t first) {
    uint32_t n = (uint32_t)e->batch.n_contacts, found = 0;
    const rvw_list_t *list;
    for (uint32_t at = 0; (list = rvw_tail_next(f->p->active, RVW_EVENTS, &at));) {
        uint32_t entries = 0;
        for (const rvw_block_t *block = list->first; block; block = block->next) {
            assert_int_equal(block->first, entries);
            entries += block->n;
            check_whole(block);
            for (uint32_t k = 0; k < block->n; k++) {
                unsigned long long number = 0;
                rv_str_t id = rvw_cells_text(&block->cells[RVW_CELL_ID], k);
                for (uint32_t d = 1; d < id.n; d++) {
                    number = number * 10 + (unsigned)(id.p[d] - '0');
                }
                if (number >= first) {
                    check_event(f, block, k, e, (uint32_t)(number - first));
                    found++;
                }
            }
        }
        assert_int_equal(list->n, entries);
    }
    assert_int_equal(found, n);
}

static void batches_are_in_the_tail_as_they_were_given(void **state) {
    (void)state;
    static const uint32_t sizes[] = {0, 1, 2, 7, 64, 65, MOST};
    static events_t events;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        fixture_t f;
        begin(&f, seed);
        for (uint32_t round = 0; round < 14; round++) {
            uint32_t n = sizes[below(&f, sizeof sizes / sizeof *sizes)];
            rv_arena_t arena;
            rv_error_t err = {0};
            rvw_result_t result;
            fill(&f, &events, n);
            rv_arena_init(&arena, 1 << 22);
            f.lsn++;
            assert_int_equal(rvw_partition_apply(f.p, NULL, &events.write, f.lsn, f.lsn, false, &arena, &result, &err),
                             RV_OK);
            assert_int_equal(result.applied, n);
            assert_int_equal(result.duplicates + result.refused, 0);
            check(&f, &events, f.number);
            f.number += n;
            rv_arena_done(&arena);
        }
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_in_the_tail_as_they_were_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

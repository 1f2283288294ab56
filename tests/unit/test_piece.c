/* Pieces: every encoding there and back at tiny and odd sizes, the encodings that are chosen, and bytes that are not to
 * be trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reveille/hash.h"
#include "store/piece.h"
#include "store/piece_format.h"
#include "store/plain.h"

static uint64_t seed;
static uint32_t below(uint32_t n) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((seed >> 33) % n);
}

/* Bytes placed as LMDB places a value on overflow pages. */
static uint8_t *aligned_copy(const uint8_t *bytes, size_t n, void **ret_free) {
    uint8_t *p = aligned_alloc(64, (n + 16 + 63) / 64 * 64);
    assert_non_null(p);
    memcpy(p + 16, bytes, n);
    *ret_free = p;
    return p + 16;
}

static const rvw_place_t place = {RVW_CONTACTS, 5, 2, 9, 0};

/* Writes a column, reads it back, compares every value; returns the encoding. */
static int round_trip(const rvw_column_t *in, size_t *ret_bytes) {
    rv_arena_t scratch;
    rvw_piece_builder_t *builder = rvw_piece_builder_new();
    const uint8_t *bytes;
    size_t n;
    void *copy;
    rvw_piece_t *piece;
    rv_error_t err;
    rv_arena_init(&scratch, SIZE_MAX);
    assert_int_equal(rvw_piece_write_column(builder, &place, in, 3, 1, &scratch, &bytes, &n, &err), RV_OK);
    uint8_t *at = aligned_copy(bytes, n, &copy);
    if (rvw_piece_read(&place, at, n, 65536, &piece, &err) != RV_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(piece->first, 3);
    assert_int_equal(piece->mark, 1);
    assert_int_equal(piece->column.n, in->n);
    assert_int_equal(piece->column.scale, in->scale);
    for (uint32_t i = 0; i < in->n; i++) {
        char a[300], b[300];
        rv_value_t x, y;
        rvw_column_value(in, i, a, &x);
        rvw_column_value(&piece->column, i, b, &y);
        assert_true(rvw_value_equal(in->type, &x, &y));
        if (x.present && (piece->column.encoding == RVW_FOR || piece->column.encoding == RVW_CONST)) {
            assert_true(y.i >= piece->column.min && y.i <= piece->column.max);
        }
    }
    int encoding = piece->column.encoding;
    if (ret_bytes) {
        *ret_bytes = n;
    }
    free(piece);
    free(copy);
    rvw_piece_builder_destroy(&builder);
    rv_arena_done(&scratch);
    return encoding;
}

static const uint32_t sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000, 4097};
#define N_SIZES (sizeof sizes / sizeof *sizes)

static void integers_come_back_whatever_their_range(void **state) {
    (void)state;
    static const uint64_t ranges[] = {1, 2, 255, 256, 257, 65535, 65536, 65537, 4294967295u, 4294967296u, UINT64_MAX};
    rv_type_t types[] = {RV_INT, RV_TIME, RV_DATE, RV_BOOL, RV_COMPANY, RV_DECIMAL};
    for (size_t t = 0; t < 6; t++) {
        for (size_t r = 0; r < 11; r++) {
            for (size_t k = 0; k < N_SIZES; k++) {
                rv_arena_t arena;
                rvw_plain_t plain;
                rvw_column_t c;
                rv_arena_init(&arena, SIZE_MAX);
                assert_true(rvw_plain_init(&plain, &arena, types[t], types[t] == RV_DECIMAL ? 2 : 0, sizes[k]));
                uint32_t gaps = below(3);
                for (uint32_t i = 0; i < sizes[k]; i++) {
                    uint64_t code = ((uint64_t)below(UINT32_MAX) << 32 | below(UINT32_MAX)) % ranges[r];
                    rv_value_t v = {.present = gaps == 0 || (gaps == 1 && below(2)),
                                    .i = (int64_t)(code - ranges[r] / 2)};
                    v.wide = v.i;
                    assert_true(rvw_plain_set(&plain, i, &v));
                }
                rvw_plain_column(&plain, &c);
                round_trip(&c, NULL);
                rv_arena_done(&arena);
            }
        }
    }
}

static void wide_decimals_and_doubles_come_back(void **state) {
    (void)state;
    for (size_t k = 0; k < N_SIZES; k++) {
        rv_arena_t arena;
        rvw_plain_t wide, doubles;
        rvw_column_t c;
        rv_arena_init(&arena, SIZE_MAX);
        assert_true(rvw_plain_init(&wide, &arena, RV_DECIMAL, 18, sizes[k]));
        assert_true(rvw_plain_init(&doubles, &arena, RV_DOUBLE, 0, sizes[k]));
        for (uint32_t i = 0; i < sizes[k]; i++) {
            rv_value_t v = {.present = i == 0 || below(4) > 0, .d = (double)below(1000) / 7 - 50};
            v.wide = (below(2) ? rv_pow10(25) : 1) * (rv_i128_t)(below(1000) + 1) * (below(2) ? 1 : -1);
            v.wide = i == 0 ? rv_pow10(37) : v.wide;
            assert_true(rvw_plain_set(&wide, i, &v));
            assert_true(rvw_plain_set(&doubles, i, &v));
        }
        rvw_plain_column(&wide, &c);
        assert_int_equal(round_trip(&c, NULL), RVW_WIDE);
        rvw_plain_column(&doubles, &c);
        assert_int_equal(round_trip(&c, NULL), RVW_F64);
        rv_arena_done(&arena);
    }
}

/* A column of n strings made by `make`. */
static int text_column(uint32_t n, unsigned gaps, int (*make)(uint32_t i, char *out), size_t *ret_bytes) {
    rv_arena_t arena;
    rvw_plain_t plain;
    rvw_column_t c;
    rv_arena_init(&arena, SIZE_MAX);
    assert_true(rvw_plain_init(&plain, &arena, RV_STRING, 0, n));
    for (uint32_t i = 0; i < n; i++) {
        char text[2000];
        int length = make(i, text);
        rv_value_t v = {.present = gaps == 0 || below(gaps) > 0,
                        .s = {rv_arena_strndup(&arena, text, (size_t)length), 0}};
        v.s.n = (uint32_t)length;
        assert_true(rvw_plain_set(&plain, i, &v));
    }
    rvw_plain_column(&plain, &c);
    int encoding = round_trip(&c, ret_bytes);
    rv_arena_done(&arena);
    return encoding;
}

static int few(uint32_t i, char *out) {
    (void)i;
    return sprintf(out, "country-%u", below(40) + 1000);
}
static int one(uint32_t i, char *out) {
    (void)i;
    return sprintf(out, "email");
}
static int ids(uint32_t i, char *out) {
    return sprintf(out, "e%u", i * 37 + 5);
}
static int padded(uint32_t i, char *out) {
    return sprintf(out, "c%08u", i);
}
static int words(uint32_t i, char *out) {
    return sprintf(out, "user%u@mail%u.example", i, below(100000));
}
static int empty(uint32_t i, char *out) {
    (void)i;
    (void)out;
    return 0;
}
static int odd(uint32_t i, char *out) {
    static const char *const texts[] = {
        "",   "0",  "00",       "007", "a", "9", "999999999999999999", "1000000000000000000", "x18446744073709551615",
        "x0", "0x", "\xc3\xa9", "a0b1"};
    return sprintf(out, "%s", texts[(i + below(3)) % 13]);
}
static int long_prefix(uint32_t i, char *out) {
    memset(out, 'p', 300);
    return 300 + sprintf(out + 300, "%u", i);
}

static void strings_come_back_in_the_smallest_encoding(void **state) {
    (void)state;
    size_t bytes;
    for (size_t k = 0; k < N_SIZES; k++) {
        for (unsigned gaps = 0; gaps < 4; gaps += 3) {
            text_column(sizes[k], gaps, few, NULL);
            text_column(sizes[k], gaps, one, NULL);
            text_column(sizes[k], gaps, ids, NULL);
            text_column(sizes[k], gaps, padded, NULL);
            text_column(sizes[k], gaps, words, NULL);
            text_column(sizes[k], gaps, empty, NULL);
            text_column(sizes[k], gaps, odd, NULL);
            text_column(sizes[k], gaps, long_prefix, NULL);
        }
    }
    assert_int_equal(text_column(5000, 0, few, &bytes), RVW_DICT);
    assert_true(bytes < 5000 + 1000);
    assert_int_equal(text_column(5000, 0, one, &bytes), RVW_DICT);
    assert_true(bytes < 200);
    assert_int_equal(text_column(5000, 0, empty, &bytes), RVW_DICT);
    assert_int_equal(text_column(5000, 0, ids, &bytes), RVW_NUMBERED);
    assert_true(bytes < 4 * 5000 + 200);
    assert_int_equal(text_column(5000, 0, padded, &bytes), RVW_NUMBERED);
    assert_true(bytes < 3 * 5000 + 300);
    assert_int_equal(text_column(5000, 0, words, NULL), RVW_PLAIN);
    assert_int_equal(text_column(5000, 0, long_prefix, NULL), RVW_PLAIN);
}

static void a_column_without_values_costs_nothing(void **state) {
    (void)state;
    rv_arena_t arena;
    rvw_plain_t plain;
    rvw_column_t c;
    size_t bytes;
    rv_arena_init(&arena, SIZE_MAX);
    assert_true(rvw_plain_init(&plain, &arena, RV_SET, 0, 60000));
    rvw_plain_column(&plain, &c);
    assert_int_equal(round_trip(&c, &bytes), RVW_NONE);
    assert_true(bytes <= 128);
    rv_arena_done(&arena);
}

/* ---- events ---- */

typedef struct {
    rv_arena_t arena, scratch;
    rvw_piece_builder_t *builder;
    rvw_events_t events;
    rvw_plain_t time, channel, source, id, import_id, properties[2];
    rvw_column_t columns[2];
    uint32_t ids[2];
    uint16_t *rows;
} made_t;

static void put_text(made_t *made, rvw_plain_t *plain, uint32_t i, const char *text) {
    rv_value_t v = {.present = true, .s = {rv_arena_strndup(&made->arena, text, strlen(text)), (uint32_t)strlen(text)}};
    assert_true(rvw_plain_set(plain, i, &v));
}

/* n sorted events; values are a function of i. */
static void make_events(made_t *made, uint32_t n, uint32_t step) {
    memset(made, 0, sizeof *made);
    rv_arena_init(&made->arena, SIZE_MAX);
    rv_arena_init(&made->scratch, SIZE_MAX);
    made->builder = rvw_piece_builder_new();
    made->rows = rv_arena_alloc(&made->arena, n * 2);
    rvw_plain_init(&made->time, &made->arena, RV_TIME, 0, n);
    rvw_plain_init(&made->channel, &made->arena, RV_STRING, 0, n);
    rvw_plain_init(&made->source, &made->arena, RV_STRING, 0, n);
    rvw_plain_init(&made->id, &made->arena, RV_STRING, 0, n);
    rvw_plain_init(&made->import_id, &made->arena, RV_INT, 0, n);
    rvw_plain_init(&made->properties[0], &made->arena, RV_STRING, 0, n);
    rvw_plain_init(&made->properties[1], &made->arena, RV_DECIMAL, 2, n);
    for (uint32_t i = 0; i < n; i++) {
        char text[32];
        rv_value_t v = {.present = true, .i = 1700000000000ll + (int64_t)i * step};
        made->rows[i] = (uint16_t)(i / 20);
        rvw_plain_set(&made->time, i, &v);
        v.i = 7;
        rvw_plain_set(&made->import_id, i, &v);
        put_text(made, &made->channel, i, i % 2 ? "web" : "mobile");
        put_text(made, &made->source, i, "");
        sprintf(text, "e%u", (i * 7919u) % 1000000u);
        put_text(made, &made->id, i, text);
        sprintf(text, "topic%03u", i % 500);
        put_text(made, &made->properties[0], i, text);
        v = (rv_value_t){.present = i % 3 == 0, .wide = (rv_i128_t)i};
        rvw_plain_set(&made->properties[1], i, &v);
    }
    rvw_events_t *e = &made->events;
    *e = (rvw_events_t){.n = n, .row = made->rows, .n_properties = 2, .property_ids = made->ids};
    made->ids[0] = 3;
    made->ids[1] = 4;
    e->properties = made->columns;
    rvw_plain_column(&made->time, &e->time);
    rvw_plain_column(&made->channel, &e->channel);
    rvw_plain_column(&made->source, &e->source);
    rvw_plain_column(&made->id, &e->id);
    rvw_plain_column(&made->import_id, &e->import_id);
    rvw_plain_column(&made->properties[0], &made->columns[0]);
    rvw_plain_column(&made->properties[1], &made->columns[1]);
}

static void done_events(made_t *made) {
    rvw_piece_builder_destroy(&made->builder);
    rv_arena_done(&made->arena);
    rv_arena_done(&made->scratch);
}

static const rvw_place_t run_place = {RVW_EVENTS, 3, 0, 12, 1};

static uint8_t *write_events(made_t *made, size_t *ret_n, void **ret_free) {
    const uint8_t *bytes;
    rv_error_t err;
    assert_int_equal(
        rvw_piece_write_events(made->builder, &run_place, &made->events, &made->scratch, &bytes, ret_n, &err), RV_OK);
    return aligned_copy(bytes, *ret_n, ret_free);
}

static void compare_columns(const rvw_column_t *a, const rvw_column_t *b) {
    for (uint32_t i = 0; i < a->n; i++) {
        char x[300], y[300];
        rv_value_t v, w;
        rvw_column_value(a, i, x, &v);
        rvw_column_value(b, i, y, &w);
        assert_true(rvw_value_equal(a->type, &v, &w));
    }
}

static void events_come_back(void **state) {
    (void)state;
    static const uint32_t steps[] = {0, 1, 1000, 60000, 86400000};
    for (size_t k = 0; k < N_SIZES; k++) {
        for (size_t s = 0; s < 5; s++) {
            made_t made;
            size_t n;
            void *copy;
            rvw_piece_t *piece;
            rv_error_t err;
            make_events(&made, sizes[k], steps[s]);
            const uint8_t *bytes = write_events(&made, &n, &copy);
            if (rvw_piece_read(&run_place, bytes, n, 65536, &piece, &err) != RV_OK) {
                fail_msg("%s", err.message);
            }
            const rvw_events_t *e = &piece->events;
            assert_int_equal(e->n, sizes[k]);
            assert_true(e->sorted);
            assert_memory_equal(e->row, made.rows, sizes[k] * 2);
            assert_int_equal(e->min_row, 0);
            assert_int_equal(e->max_row, (sizes[k] - 1) / 20);
            assert_int_equal(e->min_time, 1700000000000ll);
            assert_int_equal(e->max_time, 1700000000000ll + (int64_t)(sizes[k] - 1) * steps[s]);
            assert_int_equal(e->time.encoding, RVW_FOR);
            assert_true(e->time.width == 4 || e->time.width == 8);
            if (steps[s] > 1 && sizes[k] > 1) {
                assert_int_equal(e->time.unit, steps[s]);
            }
            assert_int_equal(e->import_id.encoding, RVW_CONST);
            compare_columns(&made.events.time, &e->time);
            compare_columns(&made.events.channel, &e->channel);
            compare_columns(&made.events.source, &e->source);
            compare_columns(&made.events.id, &e->id);
            assert_int_equal(e->n_properties, 2);
            assert_int_equal(e->property_ids[0], 3);
            compare_columns(&made.columns[0], &e->properties[0]);
            compare_columns(&made.columns[1], &e->properties[1]);
            free(piece);
            free(copy);
            done_events(&made);
        }
    }
}

static void arrays_of_a_large_piece_lie_on_cache_lines(void **state) {
    (void)state;
    made_t made;
    size_t n;
    void *copy;
    rvw_piece_t *piece;
    rv_error_t err;
    make_events(&made, 4000, 1000);
    const uint8_t *bytes = write_events(&made, &n, &copy);
    assert_int_equal(rvw_piece_read(&run_place, bytes, n, 65536, &piece, &err), RV_OK);
    assert_int_equal((uintptr_t)piece->events.row % 64, 0);
    assert_int_equal((uintptr_t)piece->events.time.codes % 64, 0);
    assert_int_equal((uintptr_t)piece->events.properties[0].codes % 64, 0);
    free(piece);
    free(copy);
    done_events(&made);
}

static void every_flipped_bit_is_found(void **state) {
    (void)state;
    made_t made;
    size_t n;
    void *copy;
    make_events(&made, 30, 1000);
    uint8_t *bytes = write_events(&made, &n, &copy);
    for (size_t k = 0; k < n * 8; k++) {
        rvw_piece_t *piece;
        rv_error_t err = {0};
        bytes[k / 8] = (uint8_t)(bytes[k / 8] ^ 1u << (k & 7));
        assert_int_equal(rvw_piece_read(&run_place, bytes, n, 65536, &piece, &err), RV_DATA_LOSS);
        assert_non_null(strstr(err.message, "events of type 3, chunk 0"));
        bytes[k / 8] = (uint8_t)(bytes[k / 8] ^ 1u << (k & 7));
    }
    free(copy);
    done_events(&made);
}

static void a_piece_of_another_place_or_a_cut_one_is_refused(void **state) {
    (void)state;
    made_t made;
    size_t n;
    void *copy;
    rvw_piece_t *piece;
    rv_error_t err;
    rvw_place_t other = run_place;
    make_events(&made, 30, 1000);
    uint8_t *bytes = write_events(&made, &n, &copy);
    other.gen++;
    assert_int_equal(rvw_piece_read(&other, bytes, n, 65536, &piece, &err), RV_DATA_LOSS);
    for (size_t k = 0; k < n; k++) {
        assert_int_equal(rvw_piece_read(&run_place, bytes, k, 65536, &piece, &err), RV_DATA_LOSS);
    }
    assert_int_equal(rvw_piece_read(&run_place, bytes, n, 2, &piece, &err), RV_OK);
    free(piece);
    free(copy);
    made.rows[29] = 2;
    bytes = write_events(&made, &n, &copy);
    assert_int_equal(rvw_piece_read(&run_place, bytes, n, 2, &piece, &err), RV_DATA_LOSS);
    free(copy);
    done_events(&made);
}

/* Damage with a checksum that holds: bounds alone must keep the reader inside. */
static void damage_with_a_right_checksum_never_leaves_the_bytes(void **state) {
    (void)state;
    made_t made;
    size_t n;
    void *copy;
    make_events(&made, 50, 1000);
    uint8_t *whole = write_events(&made, &n, &copy);
    unsigned refused = 0;
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t *heap = aligned_alloc(16, (n + 15) / 16 * 16);
        rvw_piece_t *piece;
        rv_error_t err;
        memcpy(heap, whole, n);
        for (uint32_t k = 0; k <= below(3); k++) {
            heap[8 + below((uint32_t)(below(2) ? 600 : n) - 8)] = (uint8_t)below(256);
        }
        uint64_t sum = rvw_piece_checksum(&run_place, heap, n);
        memcpy(heap, &sum, sizeof sum);
        if (rvw_piece_read(&run_place, heap, n, 65536, &piece, &err) != RV_OK) {
            refused++;
        } else {
            for (uint32_t i = 0; i < piece->events.n; i++) {
                char buf[300];
                rv_value_t v;
                rvw_column_value(&piece->events.id, i, buf, &v);
                rvw_column_value(&piece->events.channel, i, buf, &v);
                for (uint32_t p = 0; p < piece->events.n_properties; p++) {
                    rvw_column_value(&piece->events.properties[p], i, buf, &v);
                }
            }
            free(piece);
        }
        free(heap);
    }
    assert_true(refused > 1000);
    free(copy);
    done_events(&made);
}

int main(void) {
    seed = 20240607;
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_come_back_whatever_their_range),
        cmocka_unit_test(wide_decimals_and_doubles_come_back),
        cmocka_unit_test(strings_come_back_in_the_smallest_encoding),
        cmocka_unit_test(a_column_without_values_costs_nothing),
        cmocka_unit_test(events_come_back),
        cmocka_unit_test(arrays_of_a_large_piece_lie_on_cache_lines),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(a_piece_of_another_place_or_a_cut_one_is_refused),
        cmocka_unit_test(damage_with_a_right_checksum_never_leaves_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

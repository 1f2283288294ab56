/* test_exec_probe.c: tests of codes against tests of values, element by element. */
#include "exec_case.h"

#include "exec/kernels.h"
#include "exec/pass.h"
#include "exec/probe.h"

#define N 1000u
static uint64_t random_state = 7;

static uint64_t draw(void) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return random_state ^ random_state >> 29;
}

/* A column of codes of a width, all below `limit`. */
static rvw_column_t coded(uint8_t encoding, uint8_t width, uint64_t limit, uint8_t *packed) {
    for (uint32_t i = 0; i < N; i++) {
        uint64_t code = limit ? draw() % limit : draw();
        memcpy(packed + (size_t)i * width, &code, width);
    }
    return (rvw_column_t){.encoding = encoding, .width = width, .n = N, .unit = 1, .codes = packed};
}

/* The words say what the bytes say, and nothing behind the last of them. */
static void check_words(const rvw_probe_t *probe, uint32_t first, uint32_t n, const uint8_t *m) {
    uint64_t words[(N + 63) / 64];
    memset(words, 0xa5, sizeof words);
    rvw_probe_words(probe, first, n, words);
    for (uint32_t i = 0; i < (n + 63) / 64 * 64; i++)
        assert_int_equal(words[i >> 6] >> (i & 63) & 1, i < n && m[i]);
}

static void check_table(const rvw_column_t *column, const uint8_t *table) {
    rvw_probe_t probe;
    uint8_t m[N];
    rvw_probe_by_table(column, table, &probe);
    uint32_t first = (uint32_t)(draw() % 9), n = N - first - (uint32_t)(draw() % 9);
    rvw_probe_block(&probe, first, n, m);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(m[i], table[rvw_column_code(column, first + i)]);
    check_words(&probe, first, n, m);
}

static void tables_of_few_and_of_many_runs(void **state) {
    (void)state;
    static uint8_t packed[N * 4], table[RVW_PROBE_ENTRIES + 100];
    static const uint32_t entries[] = {1, 2, 7, 200, RVW_PROBE_ENTRIES, RVW_PROBE_ENTRIES + 50};
    for (unsigned k = 0; k < 240; k++) {
        uint32_t n = entries[k % 6], runs = k / 6 % 8;
        uint8_t width = (uint8_t)(n <= 256 ? 1u << k % 3 : n <= 65536 ? 2u : 4u);
        rvw_column_t column = coded(RVW_DICT, width, n, packed);
        column.dict_n = n;
        memset(table, 0, sizeof table);
        for (uint32_t r = 0; r < runs; r++)
            for (uint64_t i = draw() % n, end = i + draw() % 4; i < n && i <= end; i++)
                table[i] = 1;
        if (runs == 7)
            memset(table, 1, n);
        check_table(&column, table);
    }
    rvw_column_t column = {.encoding = RVW_DICT, .dict_n = 1, .n = N};
    check_table(&column, (const uint8_t[]){1, 0});
    check_table(&column, (const uint8_t[]){0, 1});
}

static void check_range(const rvw_column_t *column, rv_i128_t least, rv_i128_t most) {
    rvw_probe_t probe;
    uint8_t m[N];
    rvw_probe_by_range(column, least, most, &probe);
    rvw_probe_block(&probe, 3, N - 3, m);
    for (uint32_t i = 3; i < N; i++) {
        int64_t x = rvw_column_int(column, i);
        assert_int_equal(m[i - 3], x >= least && x <= most);
    }
    check_words(&probe, 3, N - 3, m);
}

static void ranges_of_scaled_values(void **state) {
    (void)state;
    static uint8_t packed[N * 8];
    static const uint8_t widths[] = {1, 2, 4};
    static const int64_t units[] = {1, 7, 1000, 86400000}, bases[] = {0, -5, 1600000000000, INT64_MIN};
    for (unsigned k = 0; k < 480; k++) {
        rvw_column_t column = coded(RVW_FOR, widths[k % 3], 0, packed);
        column.unit = units[k / 3 % 4];
        column.base = bases[k / 12 % 4];
        int64_t a = rvw_column_int(&column, (uint32_t)(draw() % N)),
                b = rvw_column_int(&column, (uint32_t)(draw() % N));
        check_range(&column, (rv_i128_t)a + (k % 2), b);
        check_range(&column, b, (rv_i128_t)a - (k % 2));
        check_range(&column, INT64_MIN, a);
        check_range(&column, (rv_i128_t)INT64_MIN * 4, (rv_i128_t)INT64_MAX * 4);
        check_range(&column, (rv_i128_t)INT64_MAX + 1, (rv_i128_t)INT64_MAX * 4);
        check_range(&column, (rv_i128_t)INT64_MIN * 4, (rv_i128_t)INT64_MIN - 1);
    }
}

/* The tail keeps the integers themselves as codes: base 0, and negative ones wrap. */
static void ranges_of_whole_words(void **state) {
    (void)state;
    static uint8_t packed[N * 8];
    for (unsigned k = 0; k < 200; k++) {
        rvw_column_t column = coded(RVW_FOR, 8, 0, packed);
        column.base = k % 3 ? 0 : (int64_t)draw();
        if (k % 2)
            for (uint32_t i = 0; i < N; i++) {
                int64_t x = (int64_t)(draw() % 200) - 100;
                memcpy(packed + (size_t)i * 8, &x, 8);
            }
        int64_t a = rvw_column_int(&column, 5), b = rvw_column_int(&column, 6);
        check_range(&column, a < b ? a : b, a < b ? b : a);
        check_range(&column, INT64_MIN, a);
        check_range(&column, a, INT64_MAX);
        check_range(&column, INT64_MIN, INT64_MAX);
        check_range(&column, -1, 0);
        check_range(&column, 1, 0);
    }
}

static void constants_have_one_answer(void **state) {
    (void)state;
    rvw_column_t column = {.encoding = RVW_CONST, .base = -3, .unit = 1, .n = N};
    check_range(&column, -3, -3);
    check_range(&column, -2, 5);
    check_range(&column, INT64_MIN, INT64_MAX);
}

/* Few events are looked at one by one, many all at once: the same answer, at the very ends too. */
static void windows_narrow_a_mask(void **state) {
    (void)state;
    enum { MOST = RV_VECTOR < N ? RV_VECTOR : N };
    static uint8_t packed[N * 4];
    for (unsigned k = 0; k < 100; k++) {
        rvw_events_t events = {.n = N, .time = coded(RVW_FOR, 4, 50, packed)};
        events.time.base = 1600000000000;
        events.time.unit = 1000;
        uint64_t from = draw() % 50;
        rvw_window_t window = {.lo = events.time.base + (int64_t)from * 1000,
                               .hi = events.time.base + (int64_t)(from + draw() % 20) * 1000};
        uint8_t m[MOST], before[MOST];
        for (uint32_t i = 0; i < MOST; i++)
            before[i] = m[i] = draw() % (k % 2 ? 40 : 3) == 0;
        rvw_window_narrow(&window, &events, 0, MOST, m);
        for (uint32_t i = 0; i < MOST; i++) {
            int64_t at = rvw_column_int(&events.time, i);
            assert_int_equal(m[i], before[i] && at >= window.lo && at <= window.hi);
        }
    }
}

/* Few runs and many are compared in different ways. */
static void bytes_are_tested_into_bits(void **state) {
    (void)state;
    static const uint32_t sizes[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 640, N};
    uint8_t codes[N];
    for (unsigned k = 0; k < 770; k++) {
        uint32_t n = sizes[k % 11], runs = k / 11 % 7;
        uint64_t words[(N + 63) / 64] = {0}, from[6], span[6];
        for (uint32_t i = 0; i < N; i++)
            codes[i] = (uint8_t)draw();
        for (uint32_t r = 0; r < 6; r++) {
            from[r] = draw() % 256;
            span[r] = k % 3 ? draw() % 4 % (256 - from[r]) : 255 - from[r];
        }
        uint8_t *own = malloc(n + 1u); /* of this size, so that a read behind it is seen */
        assert_non_null(own);
        memcpy(own + 1, codes, n);
        rvw_kernel_range_bits(own + 1, n, from, span, runs, words);
        for (uint32_t i = 0; i < (n + 63) / 64 * 64; i++) {
            bool want = false;
            for (uint32_t r = 0; r < runs && i < n; r++)
                want |= codes[i] >= from[r] && codes[i] <= from[r] + span[r];
            assert_int_equal(words[i >> 6] >> (i & 63) & 1, want);
        }
        free(own);
    }
}

static void bits_are_counted(void **state) {
    (void)state;
    uint64_t words[67], want = 0;
    for (uint32_t i = 0; i < 67; i++) {
        words[i] = i % 5 ? draw() : i % 2 ? UINT64_MAX : 0;
        for (uint32_t b = 0; b < 64; b++)
            want += words[i] >> b & 1;
    }
    assert_int_equal(rvw_bitmap_count(words, 67), want);
    assert_int_equal(rvw_bitmap_count(words, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_few_and_of_many_runs), cmocka_unit_test(ranges_of_scaled_values),
        cmocka_unit_test(ranges_of_whole_words),          cmocka_unit_test(constants_have_one_answer),
        cmocka_unit_test(windows_narrow_a_mask),          cmocka_unit_test(bits_are_counted),
        cmocka_unit_test(bytes_are_tested_into_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

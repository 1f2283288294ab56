/* test_exec_kernels.c: the inner loops against plain ones, the decay against its definition, work space. */
#include "exec_case.h"

#include <math.h>

#include "exec/decay.h"
#include "exec/kernels.h"
#include "exec/kernels_wide.h"
#include "exec/space.h"
#include "reveille/limits.h"

#define N 3001u
static uint64_t random_state = 1;

static uint64_t draw(void) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return random_state ^ random_state >> 29;
}

static void ranges_of_codes_of_all_widths(void **state) {
    (void)state;
    static uint64_t codes[N];
    static uint8_t packed[N * 8], m[N];
    static const unsigned widths[] = {1, 2, 4, 8};
    for (unsigned k = 0; k < 40; k++) {
        unsigned width = widths[k % 4], bits = 8 * width;
        uint64_t most = width == 8 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
        for (uint32_t i = 0; i < N; i++) {
            codes[i] = draw() & most;
            memcpy(packed + (size_t)i * width, &codes[i], width);
        }
        uint64_t lo = k < 4 ? 0 : draw() & most, span = k < 4 ? most : (draw() & most) % (most - lo + (lo > 0));
        uint32_t first = (uint32_t)(draw() % 7), n = N - first - (uint32_t)(draw() % 7);
        rvw_kernel_range(packed, width, first, n, lo, span, m);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(m[i], codes[first + i] >= lo && codes[first + i] - lo <= span);
    }
}

static void tables_narrow_a_mask(void **state) {
    (void)state;
    static uint8_t codes8[N], table[600], m[N];
    static uint16_t codes16[N];
    static uint32_t codes32[N];
    for (uint32_t i = 0; i < 600; i++)
        table[i] = draw() & 1;
    for (unsigned k = 0; k < 3; k++) {
        static uint8_t before[N];
        for (uint32_t i = 0; i < N; i++) {
            codes32[i] = (uint32_t)(draw() % (k == 0 ? 256 : 600));
            codes16[i] = (uint16_t)codes32[i];
            codes8[i] = (uint8_t)codes32[i];
            before[i] = m[i] = draw() % 20 == 0;
        }
        const void *codes = k == 0 ? (void *)codes8 : k == 1 ? (void *)codes16 : (void *)codes32;
        rvw_kernel_table(codes, 1u << k, 5, N - 5, table, m);
        for (uint32_t i = 0; i < N - 5; i++)
            assert_int_equal(m[i], before[i] & table[codes32[i + 5]]);
    }
    rvw_kernel_table(NULL, 0, 0, N, (const uint8_t[]){1}, m);
    rvw_kernel_table(NULL, 0, 0, N, (const uint8_t[]){0}, m);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(m[i], 0);
}

static void scatters_go_where_the_mask_lets_them(void **state) {
    (void)state;
    static uint16_t row[N];
    static uint8_t m[N], present[N], seen[16], want_seen[16];
    static int64_t v[N], last[16], first[16], sum[16], want_last[16], want_first[16], want_sum[16];
    static uint32_t count[16], want_count[16], idx[N];
    for (unsigned k = 0; k < 6; k++) {
        uint32_t picked = 0;
        for (uint32_t r = 0; r < 16; r++) {
            count[r] = want_count[r] = 0;
            seen[r] = want_seen[r] = 0;
            sum[r] = want_sum[r] = 0;
            last[r] = want_last[r] = INT64_MIN;
            first[r] = want_first[r] = INT64_MAX;
        }
        for (uint32_t i = 0; i < N; i++) {
            row[i] = (uint16_t)(draw() % 13);
            m[i] = draw() % (k % 2 ? 40 : 2) == 0;
            present[i] = draw() % 3 != 0;
            v[i] = (int64_t)(draw() % 2000) - 1000;
            bool hit = k >= 4 || m[i], has = k < 2 || present[i];
            want_count[row[i]] += hit;
            want_seen[row[i]] |= hit;
            want_sum[row[i]] += hit && has ? v[i] : 0;
            if (hit && v[i] > want_last[row[i]])
                want_last[row[i]] = v[i];
            if (hit && v[i] < want_first[row[i]])
                want_first[row[i]] = v[i];
        }
        const uint8_t *mask = k >= 4 ? NULL : m, *has = k < 2 ? NULL : present;
        rvw_kernel_count(row, N, mask, count);
        rvw_kernel_seen(row, N, mask, seen);
        rvw_kernel_last(row, N, mask, v, last);
        rvw_kernel_first(row, N, mask, v, first);
        rvw_kernel_sum(row, N, mask, has, v, sum);
        assert_memory_equal(count, want_count, sizeof count);
        assert_memory_equal(seen, want_seen, sizeof seen);
        assert_memory_equal(last, want_last, sizeof last);
        assert_memory_equal(first, want_first, sizeof first);
        assert_memory_equal(sum, want_sum, sizeof sum);
        uint32_t n = rvw_kernel_pick(m, 100, N, idx);
        for (uint32_t i = 0; i < N; i++)
            if (m[i])
                assert_int_equal(idx[picked++], 100 + i);
        assert_int_equal(n, picked);
    }
}

static void periods_as_by_division(void **state) {
    (void)state;
    static uint32_t codes[N], bits[N], offset[16];
    static uint16_t row[N];
    static uint8_t m[N];
    for (unsigned k = 0; k < 40; k++) {
        uint32_t periods = 1 + (uint32_t)(draw() % 32);
        rvw_period_plan_t plan = {.base = (uint32_t)(draw() % 1000), .factor = 1 + (uint32_t)(draw() % 3)};
        plan.period = k % 4 ? 1 + (uint32_t)(draw() % 5000) : (1u << 30) / periods;
        plan.length = periods * plan.period;
        uint32_t n = k < 4 ? k : RV_VECTOR - (uint32_t)(k % 2 && RV_VECTOR > 2);
        bool edges = k % 5 == 0; /* events at the very first instants of periods */
        if (edges)
            plan.base = 0, plan.factor = 1;
        for (uint32_t r = 0; r < 16; r++) /* some starts are later than all events, one is missing */
            offset[r] = r ? (uint32_t)(draw() % (2 * (uint64_t)plan.period)) - plan.period : 1u << 31;
        if (edges)
            offset[1] = 0;
        for (uint32_t i = 0; i < n; i++) {
            codes[i] = (uint32_t)(draw() % (plan.length + plan.period)) / plan.factor;
            if (i % 3 == 0) /* at the very edge of a period */
                codes[i] = ((uint32_t)(draw() % (periods + 1)) * plan.period - (i % 2)) / plan.factor % (1u << 29);
            row[i] = (uint16_t)(draw() % 16);
            m[i] = draw() % 2;
            if (edges && i % 2) {
                row[i] = 1;
                codes[i] = (uint32_t)(draw() % periods) * plan.period;
            }
        }
        rvw_kernel_periods(&plan, row, codes, n, k % 3 ? m : NULL, offset, bits);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t since = plan.base + codes[i] * plan.factor + offset[row[i]];
            bool hit = since < plan.length && (k % 3 == 0 || m[i]);
            assert_int_equal(bits[i], hit ? 1u << since / plan.period : 0);
        }
    }
}

static void quotients_as_by_division(void **state) {
    (void)state;
    static int64_t x[N];
    static uint32_t q[N];
    for (unsigned k = 0; k < 60; k++) {
        int64_t d = (int64_t)(draw() % (k % 3 == 0 ? 40 : k % 3 == 1 ? 3000000 : (uint64_t)1 << 50)) + 1;
        int64_t from = (int64_t)(draw() % ((uint64_t)1 << 50)) - ((int64_t)1 << 49);
        uint64_t most = ((uint64_t)1 << 50) / (uint64_t)d < INT32_MAX ? ((uint64_t)1 << 50) : (uint64_t)d * INT32_MAX;
        uint32_t n = k < 5 ? k : N - k;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t above = i == 1 ? most - 1 : i == 2 ? 0 : draw() % most;
            if (i % 2) /* a multiple, or one less */
                above -= above % (uint64_t)d;
            if (i % 4 == 3 && above)
                above--;
            x[i] = from + (int64_t)above;
            assert_true(rvw_quotient(above, (uint64_t)d, 1.0 / (double)d) == above / (uint64_t)d);
        }
        rvw_kernel_quotients(x, n, from, d, q);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(q[i], (x[i] - from) / d);
    }
}

static void bits_are_added_where_they_belong(void **state) {
    (void)state;
    static uint64_t bitmaps[20 * 3];
    static uint32_t row[N], to[N];
    static uint16_t counts[5 * 192], want[5 * 192];
    for (uint32_t lanes = RVW_LANES; lanes <= 192; lanes += RVW_LANES) {
        uint32_t words = (lanes + 63) / 64;
        memset(counts, 0, sizeof counts);
        memset(want, 0, sizeof want);
        for (uint32_t i = 0; i < 20 * 3; i++)
            bitmaps[i] = i % 7 ? draw() : UINT64_MAX;
        for (uint32_t i = 0; i < N; i++) {
            row[i] = (uint32_t)(draw() % 20);
            to[i] = (uint32_t)(draw() % 5);
            for (uint32_t k = 0; k < lanes; k++)
                want[to[i] * lanes + k] =
                    (uint16_t)(want[to[i] * lanes + k] + (bitmaps[row[i] * words + k / 64] >> (k % 64) & 1));
        }
        rvw_kernel_add_bits(bitmaps, words, row, to, N, lanes, counts);
        assert_memory_equal(counts, want, sizeof counts);
    }
}

static void integers_by_vectors_as_one_by_one(void **state) {
    (void)state;
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    static int64_t x[N], y[N], out[N], edges[5];
    static uint8_t present[N];
    static uint32_t codes[N];
    for (unsigned k = 0; k < 40; k++) {
        uint32_t n = k < 4 ? k : N - k, n_edges = k % 6;
        bool over = false, subtract = k & 1, all = k % 4 >= 2;
        uint64_t bits = 0;
        for (uint32_t i = 0; i < 5; i++)
            edges[i] = draw() % 2 ? extremes[draw() % 7] : (int64_t)(draw() % 30);
        for (uint32_t i = 0; i < n; i++) {
            int64_t sum;
            x[i] = draw() % 5 ? (int64_t)(draw() % 30) : extremes[draw() % 7];
            y[i] = draw() % 5 ? (int64_t)(draw() % 30) : extremes[draw() % 7];
            bool wraps = subtract ? __builtin_sub_overflow(x[i], y[i], &sum) : __builtin_add_overflow(x[i], y[i], &sum);
            present[i] = k < 20 ? !wraps : draw() % 2;
            over |= wraps && (all || present[i]);
            bits |= all || present[i] ? (uint64_t)x[i] : 0;
        }
        assert_true(rvw_kernel_add(x, y, all ? NULL : present, n, subtract, out) == over);
        for (uint32_t i = 0; i < n; i++)
            assert_true((uint64_t)out[i] ==
                        (subtract ? (uint64_t)x[i] - (uint64_t)y[i] : (uint64_t)x[i] + (uint64_t)y[i]));
        rvw_kernel_buckets(x, n, edges, n_edges, out);
        for (uint32_t i = 0; i < n; i++) {
            int64_t want = 0;
            for (uint32_t e = 0; e < n_edges; e++)
                want += x[i] >= edges[e];
            assert_true(out[i] == want);
        }
        assert_true(rvw_kernel_small_codes(x, all ? NULL : present, n, codes) == bits);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(codes[i], all || present[i] ? (uint32_t)x[i] + 2 : 1);
    }
}

static void doubles_become_units_only_when_all_are_whole(void **state) {
    (void)state;
    static const double others[] = {0x1p-33,  0x1p19 + 0x1p-32, -0x1p20,     -0x1p19 - 0x1p-32, 0x1p31,   1e300, 0.1,
                                    INFINITY, -INFINITY,        0x1.0p-1074, 0x1p18 + 0x1p-33,  0x1p1000, NAN};
    static double d[N];
    static int64_t units[N];
    for (uint32_t n = 0; n < 200; n++) {
        for (uint32_t i = 0; i < n; i++) {
            int64_t u = (int64_t)(draw() >> 12) >> draw() % 52;
            d[i] = (double)(u > (int64_t)1 << 51 ? u - ((int64_t)1 << 52) : u) * 0x1p-32;
        }
        if (n > 2) {
            d[n - 1] = 0x1p19;
            d[n - 2] = -0x1p19;
            d[n - 3] = -0.0;
        }
        assert_true(rvw_kernel_units(d, n, units));
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(units[i], (int64_t)(d[i] * 0x1p32));
        for (size_t k = 0; n && k < sizeof others / sizeof *others; k++) {
            uint32_t i = (uint32_t)(draw() % n);
            double before = d[i];
            d[i] = others[k];
            assert_false(rvw_kernel_units(d, n, units));
            d[i] = before;
        }
    }
}

static void values_before_a_limit_as_one_by_one(void **state) {
    (void)state;
    static const int64_t limits[] = {INT64_MIN, INT64_MAX, 0, -1, 1, 3};
    static const double ends[] = {-INFINITY, INFINITY, 0, -1.5, 1, 0x1p-1074};
    static int64_t x[N];
    static double d[N];
    static uint8_t present[N], m[N];
    for (uint32_t k = 0; k < 24 * 200; k++) {
        uint32_t n = k / 24, at = k % 6;
        bool descending = k / 6 % 2, some = k / 12 % 2;
        for (uint32_t i = 0; i < n; i++) {
            x[i] = i % 3 ? (int64_t)(draw() % 9) - 4 : limits[draw() % 6];
            d[i] = i % 3 ? (double)(draw() % 9) / 2 - 2 : ends[draw() % 6];
            present[i] = draw() & 1;
        }
        rvw_kernel_before_ints(x, some ? present : NULL, n, limits[at], descending, m);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(m[i], (!some || present[i]) && (descending ? x[i] >= limits[at] : x[i] <= limits[at]));
        rvw_kernel_before_doubles(d, some ? present : NULL, n, ends[at], descending, m);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(m[i], (!some || present[i]) && (descending ? d[i] >= ends[at] : d[i] <= ends[at]));
    }
}

static void rows_of_a_bitmap_come_in_order_and_no_more_than_there_is_room(void **state) {
    (void)state;
    static uint64_t a[40], b[40];
    static const uint32_t rooms[] = {1, 2, 63, 64, 65, 100, 2600};
    for (unsigned k = 0; k < 60; k++) {
        uint32_t idx[2600], n_rows = k < 4 ? k : 2560 - (uint32_t)(draw() % 130), room = rooms[k % 7];
        uint64_t common = 0;
        for (uint32_t w = 0; w < 40; w++) {
            a[w] = k % 5 == 0 ? UINT64_MAX : k % 5 == 1 ? draw() & draw() & draw() & draw() : draw() % 3 ? 0 : draw();
            b[w] = draw();
        }
        uint32_t at = k % 3 ? 0 : n_rows / 3, row = at, n;
        while ((n = rvw_kernel_rows(a, n_rows, &at, idx, room)) > 0) {
            assert_true(n <= room);
            for (uint32_t i = 0; i < n; i++, row++) {
                while (!rvw_bit(a, row))
                    row++;
                assert_int_equal(idx[i], row);
            }
            assert_true(row <= at);
        }
        for (; row < n_rows; row++)
            assert_false(rvw_bit(a, row));
        for (uint32_t i = 0; i < n_rows / 64 * 64; i++)
            common += rvw_bit(a, i) && rvw_bit(b, i);
        assert_int_equal(rvw_bitmap_common(a, b, n_rows / 64), common);
    }
}

/* points * 2^(-age / half-life) * 2^32 by the shortest way. */
static int64_t plain(uint64_t half_life, double points, uint64_t age) {
    long double x = ldexpl(exp2l(-(long double)(age % half_life) / half_life), 32 - (int)(age / half_life));
    return llrintl((long double)points * x);
}

static void the_tables_of_a_decay_agree_with_its_definition(void **state) {
    (void)state;
    static const uint64_t half_lives[] = {1, 7, 1000, 86400000, 2592000000, 365ull * 86400000, 1ull << 40, 1ull << 60};
    static const double points[] = {25, -50, 1, 0.1, -0.003, 63.999, 64, 1e6, 3e7, 0, 0x1p-32, -0x1p-33, 1e-12};
    for (unsigned h = 0; h < 8; h++) {
        rvw_decay_t *d = rvw_decay_new(half_lives[h], 1);
        assert_non_null(d);
        for (unsigned p = 0; p < 13; p++) {
            rvw_weight_t w;
            rvw_weight_set(&w, points[p]);
            assert_false(w.slow);
            for (unsigned i = 0; i < 2000; i++) {
                uint64_t most = half_lives[h] < (1ull << 37) ? half_lives[h] * 70 : 1ull << 43;
                uint64_t age = i < 64 ? half_lives[h] * i : draw() % most;
                int64_t exact;
                if (age >= 1ull << 43)
                    continue;
                assert_true(rvw_decay_exact(half_lives[h], points[p], age, &exact));
                assert_int_equal(exact, plain(half_lives[h], points[p], age));
                assert_int_equal(rvw_decay_table(d, &w, age), exact);
            }
        }
        free(d);
    }
}

static void ties_of_a_decay_go_to_even(void **state) {
    (void)state;
    int64_t r;
    for (int k = 1; k < 8; k++) { /* k * 2^-33 point is k / 2 units */
        rvw_weight_t w;
        rvw_decay_t *d = rvw_decay_new(1000, 1);
        rvw_weight_set(&w, k * 0x1p-32);
        assert_true(rvw_decay_exact(1000, k * 0x1p-32, 1000, &r));
        assert_int_equal(r, k % 4 == 3 ? k / 2 + 1 : k / 2);
        assert_int_equal(rvw_decay_table(d, &w, 1000), r);
        free(d);
    }
    assert_false(rvw_decay_exact(1000, 1e30, 0, &r));
}

static void the_loop_of_a_decay_agrees_for_all_units(void **state) {
    (void)state;
    static const int64_t units[] = {1, 3, 1000, 1500, 60000, 86400000};
    static const uint64_t half_lives[] = {1000, 2592000000, 90ull * 86400000};
    static const double points[] = {25, -50, 0.7, 1000};
    static uint32_t codes[N];
    static uint16_t row[N];
    uint64_t room[RVW_DECAY_ROOM];
    for (unsigned k = 0; k < 6 * 3 * 4; k++) {
        int64_t unit = units[k % 6], base = 1700000000123ll, sum[8] = {0}, want[8] = {0};
        uint64_t half_life = half_lives[k / 6 % 3];
        double p = points[k / 18];
        rvw_weight_t w;
        rvw_weight_set(&w, p);
        uint32_t most = unit > 100000 ? 3000 : unit > 10000 ? 1u << 20 : 1u << 27;
        int64_t instant = base + (int64_t)most * unit / 2 + (int64_t)(draw() % 5000);
        for (uint32_t i = 0; i < N; i++) {
            codes[i] = (uint32_t)(draw() % most);
            row[i] = (uint16_t)(i % 8);
            int64_t age = instant - base - (int64_t)codes[i] * unit;
            if (age >= 0)
                want[i % 8] += plain(half_life, p, (uint64_t)age);
        }
        rvw_decay_t *d = rvw_decay_new(half_life, rvw_decay_unit(rvw_decay_unit_index(unit)));
        assert_non_null(d);
        rvw_decay_at_t at = {
            .since = (uint64_t)(instant - base), .last = (uint32_t)((instant - base) / unit), .sum = sum};
        rvw_decay_codes(d, &w, (uint64_t)unit, &at, 1, codes, row, N, room);
        assert_memory_equal(sum, want, sizeof sum);
        free(d);
    }
}

static void space_is_taken_released_and_bounded(void **state) {
    (void)state;
    rvw_space_t *space = rvw_space_new(4u << 20);
    assert_non_null(space);
    for (unsigned k = 0; k < 20; k++) {
        char *first = rvw_space_take(space, 100, 10);
        memset(first, 1, 1000);
        rvw_space_mark_t mark = rvw_space_mark(space);
        for (unsigned i = 1; i < 40; i++) {
            char *p = i % 3 ? rvw_space_take(space, i * 1000, 1) : rvw_space_bytes(space, i * 1000);
            assert_non_null(p);
            assert_true(i % 3 == 0 || ((uintptr_t)p & 63) == 0);
            memset(p, 2, i * 1000);
        }
        for (unsigned i = 0; i < 1000; i++)
            assert_int_equal(first[i], 1);
        rvw_space_release(space, mark);
        if (k % 5 == 0)
            rvw_space_reset(space, 0);
    }
    assert_null(rvw_space_take(space, 5u << 20, 1));
    assert_null(rvw_space_take(space, SIZE_MAX, 2));
    assert_non_null(rvw_space_zero(space, 0, 8));
    rvw_space_destroy(&space);
    assert_null(space);
}

/* Rows of all densities, the last word's too; what lies behind the last row is not read. */
static void rows_are_kept_by_the_answers_of_their_codes(void **state) {
    (void)state;
    static uint16_t narrow[N];
    static uint32_t wide[N];
    uint64_t rows[(N + 63) / 64], kept[(N + 63) / 64], answers[40];
    for (unsigned k = 0; k < 200; k++) {
        uint32_t n = k < 130 ? k : N - k % 3, words = (n + 63) / 64, base = k % 2 ? 0 : 100;
        for (uint32_t w = 0; w < 40; w++)
            answers[w] = draw();
        for (uint32_t i = 0; i < n; i++)
            narrow[i] = (uint16_t)(wide[i] = (uint32_t)(draw() % (40 * 64 - base)));
        for (uint32_t w = 0; w < words; w++) {
            rows[w] = k % 5 == 0 ? UINT64_MAX : k % 5 == 1 ? draw() & draw() & draw() : k % 5 == 2 ? 1 : draw();
            if (w == words - 1 && n % 64)
                rows[w] &= (1ull << n % 64) - 1;
        }
        memcpy(kept, rows, sizeof kept);
        rvw_kernel_keep(k % 4 < 2 ? (const void *)narrow : wide, k % 4 < 2 ? 2 : 4, base, answers, words, kept);
        for (uint32_t i = 0; i < words * 64; i++)
            assert_int_equal(rvw_bit(kept, i), rvw_bit(rows, i) && rvw_bit(answers, base + wide[i]));
    }
    rvw_kernel_keep(NULL, 2, 0, NULL, 0, NULL);
}

static void ends_of_runs_are_where_rows_change(void **state) {
    (void)state;
    static uint16_t row[N];
    static uint32_t at[N + 1];
    for (unsigned k = 0; k < 300; k++) {
        uint32_t n = 1 + (k < 140 ? k : N - 1 - k % 70), likely = 1 + k % 9, ends = 0, starts = 0;
        for (uint32_t i = 0; i < n; i++)
            row[i] = (uint16_t)(i ? row[i - 1] + (draw() % likely == 0) * (1 + draw() % 9) : draw() % 9);
        uint32_t n_ends = rvw_kernel_run_ends(row, n, true, at);
        for (uint32_t i = 0; i < n; i++)
            if (i + 1 == n || row[i] != row[i + 1])
                assert_int_equal(at[ends++], i);
        assert_int_equal(n_ends, ends);
        uint32_t n_starts = rvw_kernel_run_ends(row, n, false, at);
        for (uint32_t i = 0; i < n; i++)
            if (!i || row[i] != row[i - 1])
                assert_int_equal(at[starts++], i);
        assert_int_equal(n_starts, starts);
    }
}

/* Blocks of all lengths and densities; a byte behind each array is watched. */
static void hits_of_sorted_rows(void **state) {
    (void)state;
    static uint16_t row[N];
    static uint8_t m[N], seen[N + 1], want_seen[N + 1];
    static uint32_t count[N + 1], want_count[N + 1], idx[N + 1];
    for (unsigned k = 0; k < 400; k++) {
        uint32_t n = k < 140 ? k : N - k % 70, likely = 1 + k % 7, rare = 1 + (uint32_t)(draw() % (k % 3 ? 4 : 100));
        uint32_t hits = 0;
        memset(seen, 0, sizeof seen);
        memset(want_seen, 0, sizeof want_seen);
        memset(count, 0, sizeof count);
        memset(want_count, 0, sizeof want_count);
        for (uint32_t i = 0; i < n; i++) {
            row[i] = (uint16_t)(i ? row[i - 1] + (draw() % likely == 0) : 0);
            m[i] = draw() % rare == 0;
            bool hit = k % 5 == 0 || m[i];
            hits += m[i];
            want_seen[row[i]] |= hit;
            want_count[row[i]] += hit;
        }
        rvw_kernel_seen(row, n, k % 5 ? m : NULL, seen);
        rvw_kernel_count(row, n, k % 5 ? m : NULL, count);
        assert_memory_equal(seen, want_seen, sizeof seen);
        assert_memory_equal(count, want_count, sizeof count);
        idx[n] = 12345;
        assert_int_equal(rvw_kernel_pick(m, k, n, idx), hits);
        for (uint32_t i = 0, found = 0; i < n; i++)
            if (m[i])
                assert_int_equal(idx[found++], k + i);
        assert_int_equal(idx[n], 12345);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_of_codes_of_all_widths),
        cmocka_unit_test(ends_of_runs_are_where_rows_change),
        cmocka_unit_test(hits_of_sorted_rows),
        cmocka_unit_test(tables_narrow_a_mask),
        cmocka_unit_test(scatters_go_where_the_mask_lets_them),
        cmocka_unit_test(periods_as_by_division),
        cmocka_unit_test(quotients_as_by_division),
        cmocka_unit_test(bits_are_added_where_they_belong),
        cmocka_unit_test(integers_by_vectors_as_one_by_one),
        cmocka_unit_test(doubles_become_units_only_when_all_are_whole),
        cmocka_unit_test(values_before_a_limit_as_one_by_one),
        cmocka_unit_test(rows_are_kept_by_the_answers_of_their_codes),
        cmocka_unit_test(rows_of_a_bitmap_come_in_order_and_no_more_than_there_is_room),
        cmocka_unit_test(the_tables_of_a_decay_agree_with_its_definition),
        cmocka_unit_test(ties_of_a_decay_go_to_even),
        cmocka_unit_test(the_loop_of_a_decay_agrees_for_all_units),
        cmocka_unit_test(space_is_taken_released_and_bounded),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (rvw_wide) { /* once more as on other processors */
        rvw_wide = false;
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}

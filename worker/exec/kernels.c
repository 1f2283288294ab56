/* kernels.c: see kernels.h.
 *
 * Masks are made by vector comparisons and consumed 64 events at a time as bits: words of zeros are skipped, of a word
 * with few ones the events are listed first, so that only they are touched and nothing is guessed; a word with many is
 * walked through. No memory, no failure.
 */
#include "kernels.h"
#include "kernels_wide.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) &&               \
    !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

#define RANGE(type)                                                                                                    \
    CLONES static void range_##type(const type *codes, uint32_t n, type lo, type span, uint8_t *m) {                   \
        for (uint32_t i = 0; i < n; i++)                                                                               \
            m[i] = (type)(codes[i] - lo) <= span;                                                                      \
    }
RANGE(uint8_t)
RANGE(uint16_t)
RANGE(uint32_t)
RANGE(uint64_t)

void rvw_kernel_range(const void *codes, unsigned width, uint32_t first, uint32_t n, uint64_t lo, uint64_t span,
                      uint8_t *m) {
    if (rvw_wide) {
        rvw_wide_range((const uint8_t *)codes + (size_t)first * width, width, n, lo, span, m);
        return;
    }
    switch (width) {
    case 1:
        range_uint8_t((const uint8_t *)codes + first, n, (uint8_t)lo, (uint8_t)span, m);
        break;
    case 2:
        range_uint16_t((const uint16_t *)codes + first, n, (uint16_t)lo, (uint16_t)span, m);
        break;
    case 4:
        range_uint32_t((const uint32_t *)codes + first, n, (uint32_t)lo, (uint32_t)span, m);
        break;
    default:
        range_uint64_t((const uint64_t *)codes + first, n, lo, span, m);
    }
}

/* The bits of 64 codes. */
static uint64_t range_word(const uint8_t *codes, const uint64_t *from, const uint64_t *span, uint32_t runs) {
    uint8_t m[64] = {0};
    for (uint32_t k = 0; k < runs; k++) {
        uint8_t lo = (uint8_t)from[k], most = (uint8_t)span[k];
        for (uint32_t i = 0; i < 64; i++)
            m[i] |= (uint8_t)(codes[i] - lo) <= most;
    }
    return rvw_pack64(m);
}

#if defined(__x86_64__)
/* No compiler makes bits of comparisons by itself. */
__attribute__((target("avx2"))) static void range_words_avx2(const uint8_t *codes, uint32_t n, const uint64_t *from,
                                                             const uint64_t *span, uint32_t runs, uint64_t *words) {
    for (uint32_t w = 0; w < n; w++) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(codes + 64 * (size_t)w));
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(codes + 64 * (size_t)w + 32));
        __m256i in_a = _mm256_setzero_si256(), in_b = in_a;
        for (uint32_t k = 0; k < runs; k++) {
            __m256i lo = _mm256_set1_epi8((char)from[k]), most = _mm256_set1_epi8((char)span[k]);
            __m256i x = _mm256_sub_epi8(a, lo), y = _mm256_sub_epi8(b, lo);
            in_a = _mm256_or_si256(in_a, _mm256_cmpeq_epi8(_mm256_min_epu8(x, most), x));
            in_b = _mm256_or_si256(in_b, _mm256_cmpeq_epi8(_mm256_min_epu8(y, most), y));
        }
        words[w] = (uint32_t)_mm256_movemask_epi8(in_a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(in_b) << 32;
    }
}

#define AVX512 __attribute__((target("avx512bw")))
#define KNOWN_RUNS 4u

/* The same for a number of runs that the compiler knows, so that their ends stay in registers. */
AVX512 static inline __attribute__((always_inline)) void known_runs_avx512(const uint8_t *codes, uint32_t n,
                                                                           const uint64_t *from, const uint64_t *span,
                                                                           const uint32_t runs, uint64_t *words) {
    __m512i lo[KNOWN_RUNS], most[KNOWN_RUNS];
    for (uint32_t k = 0; k < runs; k++) {
        lo[k] = _mm512_set1_epi8((char)from[k]);
        most[k] = _mm512_set1_epi8((char)span[k]);
    }
    for (uint32_t w = 0; w < n; w++) {
        __m512i x = _mm512_loadu_si512(codes + 64 * (size_t)w);
        uint64_t in = 0;
        for (uint32_t k = 0; k < runs; k++)
            in |= _mm512_cmple_epu8_mask(_mm512_sub_epi8(x, lo[k]), most[k]);
        words[w] = in;
    }
}

AVX512 static void range_words_avx512(const uint8_t *codes, uint32_t n, const uint64_t *from, const uint64_t *span,
                                      uint32_t runs, uint64_t *words) {
    switch (runs) {
    case 1:
        known_runs_avx512(codes, n, from, span, 1, words);
        break;
    case 2:
        known_runs_avx512(codes, n, from, span, 2, words);
        break;
    case 3:
        known_runs_avx512(codes, n, from, span, 3, words);
        break;
    default:
        known_runs_avx512(codes, n, from, span, KNOWN_RUNS, words);
    }
}
#endif

static void range_words(const uint8_t *codes, uint32_t n, const uint64_t *from, const uint64_t *span, uint32_t runs,
                        uint64_t *words) {
#if defined(__x86_64__)
    if (runs && runs <= KNOWN_RUNS && __builtin_cpu_supports("avx512bw")) {
        range_words_avx512(codes, n, from, span, runs, words);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        range_words_avx2(codes, n, from, span, runs, words);
        return;
    }
#endif
    for (uint32_t w = 0; w < n; w++)
        words[w] = range_word(codes + 64 * (size_t)w, from, span, runs);
}

void rvw_kernel_range_bits(const uint8_t *codes, uint32_t n, const uint64_t *from, const uint64_t *span, uint32_t runs,
                           uint64_t *words) {
    uint8_t rest[64] = {0};
    range_words(codes, n / 64, from, span, runs, words);
    if (n % 64) {
        memcpy(rest, codes + (n & ~63u), n % 64);
        words[n / 64] = range_word(rest, from, span, runs) & ((1ull << n % 64) - 1);
    }
}

/* True when the next eight bytes are all 0. */
static inline bool none8(const uint8_t *m) {
    uint64_t x;
    memcpy(&x, m, 8);
    return !x;
}

#define TABLE(type)                                                                                                    \
    static void table_##type(const type *codes, uint32_t n, const uint8_t *table, uint8_t *m) {                        \
        uint32_t i = 0;                                                                                                \
        for (; i + 8 <= n; i += 8) {                                                                                   \
            if (none8(m + i))                                                                                          \
                continue;                                                                                              \
            for (uint32_t k = i; k < i + 8; k++)                                                                       \
                m[k] &= table[codes[k]];                                                                               \
        }                                                                                                              \
        for (; i < n; i++)                                                                                             \
            m[i] &= table[codes[i]];                                                                                   \
    }
TABLE(uint8_t)
TABLE(uint16_t)
TABLE(uint32_t)

void rvw_kernel_table(const void *codes, unsigned width, uint32_t first, uint32_t n, const uint8_t *table, uint8_t *m) {
    switch (width) {
    case 1:
        table_uint8_t((const uint8_t *)codes + first, n, table, m);
        break;
    case 2:
        table_uint16_t((const uint16_t *)codes + first, n, table, m);
        break;
    case 4:
        table_uint32_t((const uint32_t *)codes + first, n, table, m);
        break;
    default:
        if (!table[0])
            memset(m, 0, n);
    }
}

#define FEW 24u /* ones in a word that are listed */

/* Numbers of the ones of a word, plus `first`, into out, which has room for 64. Eight at once: how many there are is
 * hard to foresee. */
static inline __attribute__((always_inline)) uint32_t list_bits(uint64_t word, uint32_t first, uint32_t *out) {
    uint32_t n = (uint32_t)__builtin_popcountll(word);
    for (uint32_t i = 0; i < n; i += 8)
        for (uint32_t k = i; k < i + 8; k++) {
            out[k] = first + (uint32_t)__builtin_ctzll(word | 1ull << 63);
            word &= word - 1;
        }
    return n;
}

/* Runs each_all for every k in 0 .. n where m is 1; where many are, each_masked for all of them. */
#define SCATTER(each_all, each_masked)                                                                                 \
    do {                                                                                                               \
        uint32_t hits[64], i = 0;                                                                                      \
        for (uint32_t k = 0; !m && k < n; k++)                                                                         \
            (each_all);                                                                                                \
        for (; m && i + 64 <= n; i += 64) {                                                                            \
            uint64_t word = rvw_pack64(m + i);                                                                         \
            if (__builtin_popcountll(word) > (int)FEW) {                                                               \
                for (uint32_t k = i; k < i + 64; k++)                                                                  \
                    (each_masked);                                                                                     \
                continue;                                                                                              \
            }                                                                                                          \
            for (uint32_t h = 0, end = list_bits(word, i, hits); h < end; h++) {                                       \
                uint32_t k = hits[h];                                                                                  \
                (each_all);                                                                                            \
            }                                                                                                          \
        }                                                                                                              \
        for (uint32_t k = i; m && k < n; k++)                                                                          \
            (each_masked);                                                                                             \
    } while (0)

CLONES void rvw_kernel_count(const uint16_t *row, uint32_t n, const uint8_t *m, uint32_t *count) {
    if (rvw_wide) {
        rvw_wide_count(row, n, m, count);
        return;
    }
    SCATTER(count[row[k]]++, count[row[k]] += m[k]);
}

CLONES void rvw_kernel_seen(const uint16_t *row, uint32_t n, const uint8_t *m, uint8_t *seen) {
    if (rvw_wide) {
        rvw_wide_seen(row, n, m, seen);
        return;
    }
    SCATTER(seen[row[k]] = 1, seen[row[k]] |= m[k]);
}

static inline void put_last(int64_t *last, int64_t time) {
    *last = time > *last ? time : *last;
}
static inline void put_first(int64_t *first, int64_t time) {
    *first = time < *first ? time : *first;
}

CLONES void rvw_kernel_last(const uint16_t *row, uint32_t n, const uint8_t *m, const int64_t *time, int64_t *last) {
    SCATTER(put_last(&last[row[k]], time[k]), put_last(&last[row[k]], m[k] ? time[k] : INT64_MIN));
}

CLONES void rvw_kernel_first(const uint16_t *row, uint32_t n, const uint8_t *m, const int64_t *time, int64_t *first) {
    SCATTER(put_first(&first[row[k]], time[k]), put_first(&first[row[k]], m[k] ? time[k] : INT64_MAX));
}

CLONES void rvw_kernel_sum(const uint16_t *row, uint32_t n, const uint8_t *m, const uint8_t *present, const int64_t *v,
                           int64_t *sum) {
    if (present)
        SCATTER(sum[row[k]] += v[k] & -(int64_t)present[k], sum[row[k]] += v[k] & -(int64_t)(m[k] & present[k]));
    else
        SCATTER(sum[row[k]] += v[k], sum[row[k]] += v[k] & -(int64_t)m[k]);
}

/* The quotient is estimated in floats, of 24 bits: below 2^5 that is off by less than 1. */
CLONES static void period_bits(const rvw_period_plan_t *plan, uint32_t n, uint32_t *bits) {
    const uint32_t length = plan->length, period = plan->period;
    const float inverse = 1.0f / (float)period;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t counts = bits[i] < length, since = bits[i] & -counts;
        uint32_t q = (uint32_t)(int32_t)((float)(int32_t)since * inverse);
        q -= q * period > since;
        q += (q + 1) * period <= since;
        bits[i] = counts << (q & 31);
    }
}

static void units_since(const rvw_period_plan_t *plan, const uint16_t *row, const uint32_t *codes, uint32_t n,
                        const uint32_t *offset, uint32_t *since) {
    const uint32_t base = plan->base, factor = plan->factor;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++)
        since[i] = base + codes[i] * factor + offset[row[i]];
}

void rvw_kernel_periods(const rvw_period_plan_t *plan, const uint16_t *row, const uint32_t *codes, uint32_t n,
                        const uint8_t *m, const uint32_t *offset, uint32_t *bits) {
    units_since(plan, row, codes, n, offset, bits);
    period_bits(plan, n, bits);
    for (uint32_t i = 0; m && i < n; i++)
        bits[i] &= -(uint32_t)m[i];
}

/* The integer is put into the mantissa of a double, and every product that decides is exact. */
CLONES void rvw_kernel_quotients(const int64_t *x, uint32_t n, int64_t from, int64_t d, uint32_t *q) {
    const double divisor = (double)d, inverse = 1.0 / divisor;
    for (uint32_t i = 0; i < n; i++) {
        union {
            uint64_t bits;
            double d;
        } above = {.bits = ((uint64_t)x[i] - (uint64_t)from) | 0x4330000000000000u};
        double number = above.d - 0x1p52;
        int32_t estimate = (int32_t)(number * inverse);
        double product = (double)estimate * divisor;
        estimate -= product > number;
        estimate += product + divisor <= number;
        q[i] = (uint32_t)estimate;
    }
}

/* Sixteen counters; compilers do not find this by themselves. */
typedef uint16_t lanes_t __attribute__((vector_size(2 * RVW_LANES)));

CLONES void rvw_kernel_add_bits(const uint64_t *bitmaps, uint32_t words, const uint32_t *row, const uint32_t *to,
                                uint32_t n, uint32_t lanes, uint16_t *counts) {
    const lanes_t single = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                            1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t lane = 0; lane < lanes; lane += RVW_LANES) {
            uint16_t bits = (uint16_t)(bitmaps[(size_t)row[i] * words + lane / 64] >> (lane & 63));
            uint16_t *at = counts + (size_t)to[i] * lanes + lane;
            lanes_t sum;
            memcpy(&sum, at, sizeof sum);
            sum -= (lanes_t)((single & bits) != 0); /* true is -1 */
            memcpy(at, &sum, sizeof sum);
        }
}

CLONES uint64_t rvw_kernel_small_codes(const int64_t *x, const uint8_t *present, uint32_t n, uint32_t *out) {
    uint64_t all = 0;
    if (!present)
        for (uint32_t i = 0; i < n; i++) {
            all |= (uint64_t)x[i];
            out[i] = (uint32_t)x[i] + 2;
        }
    else
        for (uint32_t i = 0; i < n; i++) {
            all |= (uint64_t)x[i] & -(uint64_t)present[i];
            out[i] = (((uint32_t)x[i] + 1) & -(uint32_t)present[i]) + 1;
        }
    return all;
}

CLONES void rvw_kernel_buckets(const int64_t *x, uint32_t n, const int64_t *edges, uint32_t n_edges, int64_t *out) {
    uint32_t k = 0;
    memset(out, 0, n * sizeof *out);
    for (; k + 2 <= n_edges; k += 2) {
        const int64_t a = edges[k], b = edges[k + 1];
        for (uint32_t i = 0; i < n; i++)
            out[i] += (x[i] >= a) + (x[i] >= b);
    }
    for (uint32_t i = 0; k < n_edges && i < n; i++)
        out[i] += x[i] >= edges[k];
}

/* The sign of `over` is that of any overflow. */
CLONES bool rvw_kernel_add(const int64_t *x, const int64_t *y, const uint8_t *present, uint32_t n, bool subtract,
                           int64_t *out) {
    const uint64_t turn = -(uint64_t)subtract;
    uint64_t over = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t a = (uint64_t)x[i], b = (uint64_t)y[i] ^ turn, r = a + b - turn;
        over |= (a ^ r) & (b ^ r) & (present ? -(uint64_t)present[i] : UINT64_MAX);
        out[i] = (int64_t)r;
    }
    return over >> 63;
}

/* To add 1.5 * 2^52 rounds to an integer, which then is in the low bits. */
CLONES bool rvw_kernel_units(const double *d, uint32_t n, int64_t *units) {
    const double shift = 0x1.8p52;
    uint64_t base, bad = 0;
    memcpy(&base, &shift, sizeof base);
    for (uint32_t i = 0; i < n; i++) {
        double x = d[i] * 0x1p32, y = x + shift;
        uint64_t bits;
        memcpy(&bits, &y, sizeof bits);
        units[i] = (int64_t)(bits - base);
        bad |= (uint64_t)(y - shift != x) | (uint64_t)(x < -0x1p51) | (uint64_t)(x > 0x1p51);
    }
    return !bad;
}

#define BEFORE                                                                                                         \
    do {                                                                                                               \
        if (descending)                                                                                                \
            for (uint32_t i = 0; i < n; i++)                                                                           \
                m[i] = !(x[i] < limit);                                                                                \
        else                                                                                                           \
            for (uint32_t i = 0; i < n; i++)                                                                           \
                m[i] = !(x[i] > limit);                                                                                \
        for (uint32_t i = 0; present && i < n; i++)                                                                    \
            m[i] &= present[i];                                                                                        \
    } while (0)

CLONES void rvw_kernel_before_ints(const int64_t *x, const uint8_t *present, uint32_t n, int64_t limit, bool descending,
                                   uint8_t *m) {
    BEFORE;
}

CLONES void rvw_kernel_before_doubles(const double *x, const uint8_t *present, uint32_t n, double limit,
                                      bool descending, uint8_t *m) {
    BEFORE;
}

CLONES uint32_t rvw_kernel_pick(const uint8_t *m, uint32_t first, uint32_t n, uint32_t *idx) {
    if (rvw_wide)
        return rvw_wide_pick(m, first, n, idx);
    uint32_t found = 0, i = 0;
    for (; i + 64 <= n; i += 64)
        found += list_bits(rvw_pack64(m + i), first + i, idx + found);
    for (; i < n; i++) {
        idx[found] = first + i;
        found += m[i];
    }
    return found;
}

CLONES uint32_t rvw_kernel_rows(const uint64_t *bitmap, uint32_t n_rows, uint32_t *at, uint32_t *idx, uint32_t room) {
    uint32_t found = 0, row = *at;
    while (row < n_rows && found < room) {
        uint64_t word = bitmap[row >> 6] >> (row & 63);
        if (!word || (found + 64 <= room && (row | 63) < n_rows)) {
            if (word)
                found += list_bits(word, row, idx + found);
            row = (row | 63) + 1;
            continue;
        }
        row += (uint32_t)__builtin_ctzll(word);
        if (row < n_rows)
            idx[found++] = row;
        row++;
    }
    *at = row;
    return found;
}

/* Eight ones of a word at once, as in list_bits; where there are fewer the last of them is asked again. */
#define KEEP(type)                                                                                                     \
    CLONES static void keep_##type(const type *codes, uint32_t base, const uint64_t *answers, uint32_t n_words,        \
                                   uint64_t *rows) {                                                                   \
        for (uint32_t w = 0; w < n_words; w++) {                                                                       \
            uint64_t left = rows[w], kept = 0;                                                                         \
            uint64_t last = left ? 1ull << (63 - __builtin_clzll(left)) : 0;                                           \
            const type *code = codes + (size_t)w * 64;                                                                 \
            while (left)                                                                                               \
                for (uint32_t k = 0; k < 8; k++) {                                                                     \
                    uint32_t row = (uint32_t)__builtin_ctzll(left | last), at = base + code[row];                      \
                    kept |= (answers[at >> 6] >> (at & 63) & 1) << row;                                                \
                    left &= left - 1;                                                                                  \
                }                                                                                                      \
            rows[w] = kept;                                                                                            \
        }                                                                                                              \
    }
KEEP(uint16_t)
KEEP(uint32_t)

void rvw_kernel_keep(const void *codes, unsigned width, uint32_t base, const uint64_t *answers, uint32_t n_words,
                     uint64_t *rows) {
    if (width == 2)
        keep_uint16_t(codes, base, answers, n_words, rows);
    else
        keep_uint32_t(codes, base, answers, n_words, rows);
}

CLONES uint64_t rvw_bitmap_count(const uint64_t *bitmap, uint32_t n_words) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_words; i++)
        n += (unsigned)__builtin_popcountll(bitmap[i]);
    return n;
}

CLONES uint64_t rvw_bitmap_common(const uint64_t *a, const uint64_t *b, uint32_t n_words) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_words; i++)
        n += (unsigned)__builtin_popcountll(a[i] & b[i]);
    return n;
}

uint32_t rvw_kernel_run_ends(const uint16_t *row, uint32_t n, bool latest, uint32_t *at) {
    if (rvw_wide)
        return rvw_wide_run_ends(row, n, latest, at);
    uint32_t k = !latest;
    at[0] = 0;
    for (uint32_t i = 0; i + 1 < n; i++) {
        at[k] = i + !latest;
        k += row[i] != row[i + 1];
    }
    if (latest)
        at[k++] = n - 1;
    return k;
}

/* kernels.h: the loops over events that decide how fast a query is. Plain C for the compiler to vectorise; where gcc
 * can, each exists for AVX2 too and the right one is chosen when the program starts. Bits of comparisons are written
 * for AVX2 and AVX-512 by hand. Arrays are not checked: rows are below the array's length. */
#ifndef REVEILLE_WORKER_KERNELS_H
#define REVEILLE_WORKER_KERNELS_H

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "task.h"

/* 64 bytes 0 or 1 as bits. */
static inline uint64_t rvw_pack64(const uint8_t *bytes) {
    uint64_t word = 0;
#ifdef __SSE2__ /* no compiler finds this by itself */
    for (uint32_t k = 0; k < 4; k++) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 16 * k));
        word |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16(x, 7)) << (16 * k);
    }
#else
    for (uint32_t k = 0; k < 8; k++) {
        uint64_t x;
        memcpy(&x, bytes + 8 * k, 8);
        word |= (x * 0x0102040810204080ull >> 56) << (8 * k);
    }
#endif
    return word;
}

/* m[i] = lo <= codes[i] <= lo + span, for codes of `width` bytes. */
void rvw_kernel_range(const void *codes, unsigned width, uint32_t first, uint32_t n, uint64_t lo, uint64_t span,
                      uint8_t *m);
/* The same for codes of one byte into bits: from[k] <= codes[i] <= from[k] + span[k] for one of the runs at least; bits
 * behind the n-th are 0. */
void rvw_kernel_range_bits(const uint8_t *codes, uint32_t n, const uint64_t *from, const uint64_t *span, uint32_t runs,
                           uint64_t *words);
/* m[i] &= table[codes[i]]. */
void rvw_kernel_table(const void *codes, unsigned width, uint32_t first, uint32_t n, const uint8_t *table, uint8_t *m);
/* Where m (NULL: everywhere): count[row] += 1; seen[row] = 1. */
void rvw_kernel_count(const uint16_t *row, uint32_t n, const uint8_t *m, uint32_t *count);
void rvw_kernel_seen(const uint16_t *row, uint32_t n, const uint8_t *m, uint8_t *seen);
/* Where m: last[row] = max, first[row] = min. */
void rvw_kernel_last(const uint16_t *row, uint32_t n, const uint8_t *m, const int64_t *time, int64_t *last);
void rvw_kernel_first(const uint16_t *row, uint32_t n, const uint8_t *m, const int64_t *time, int64_t *first);
/* Where m and present (each NULL: everywhere): sum[row] += v. */
void rvw_kernel_sum(const uint16_t *row, uint32_t n, const uint8_t *m, const uint8_t *present, const int64_t *v,
                    int64_t *sum);
/* The quotient of x and d, estimated in doubles and corrected: a division by a variable costs more than most loops.
 * Given: inverse = 1 / d, x < 2^63, a quotient below 2^50, x + 2 * d < 2^64. */
static inline uint64_t rvw_quotient(uint64_t x, uint64_t d, double inverse) {
    uint64_t q = (uint64_t)(int64_t)((double)(int64_t)x * inverse);
    q -= q * d > x;
    return q + ((q + 1) * d <= x);
}

/* The period of each event as a bit: with since = base + codes[i] * factor + offset[row], modulo 2^32, bits[i] is
 * 1 << since / period where m (NULL: everywhere) and since < length; elsewhere 0. n is at most RV_VECTOR. Given: length
 * is at most 2^30 and at most 32 periods. */
typedef struct {
    uint32_t base, factor, length, period;
} rvw_period_plan_t;
void rvw_kernel_periods(const rvw_period_plan_t *plan, const uint16_t *row, const uint32_t *codes, uint32_t n,
                        const uint8_t *m, const uint32_t *offset, uint32_t *bits);
/* For each i and each bit k of the bitmap of row[i], of `words` words: counts[to[i] * lanes + k] += bit, for k below
 * lanes, a multiple of RVW_LANES that is no more than the bits. Given: n is below 2^16. */
#define RVW_LANES 16u
void rvw_kernel_add_bits(const uint64_t *bitmaps, uint32_t words, const uint32_t *row, const uint32_t *to, uint32_t n,
                         uint32_t lanes, uint16_t *counts);
/* q[i] = (x[i] - from) / d, d above 0. Given: 0 <= x[i] - from, that and d are below 2^51, quotients below 2^31. */
void rvw_kernel_quotients(const int64_t *x, uint32_t n, int64_t from, int64_t d, uint32_t *q);
/* out[i] = x[i] + 2 where present (NULL: everywhere), else 1; returns the bits of all x that are present. */
uint64_t rvw_kernel_small_codes(const int64_t *x, const uint8_t *present, uint32_t n, uint32_t *out);
/* out[i] = how many of the edges x[i] is not below. */
void rvw_kernel_buckets(const int64_t *x, uint32_t n, const int64_t *edges, uint32_t n_edges, int64_t *out);
/* out[i] = x[i] + y[i] modulo 2^64, or x[i] - y[i]; true when that overflowed where present (NULL: everywhere). */
bool rvw_kernel_add(const int64_t *x, const int64_t *y, const uint8_t *present, uint32_t n, bool subtract,
                    int64_t *out);
/* units[i] = d[i] * 2^32; false when one of these is no integer or beyond 2^51. */
bool rvw_kernel_units(const double *d, uint32_t n, int64_t *units);
/* m[i] = present[i] (NULL: 1) and x[i] is not above `limit`, or, descending, not below it. */
void rvw_kernel_before_ints(const int64_t *x, const uint8_t *present, uint32_t n, int64_t limit, bool descending,
                            uint8_t *m);
void rvw_kernel_before_doubles(const double *x, const uint8_t *present, uint32_t n, double limit, bool descending,
                               uint8_t *m);
/* Numbers of the bytes that are 1, plus `first`, into idx; returns how many. */
uint32_t rvw_kernel_pick(const uint8_t *m, uint32_t first, uint32_t n, uint32_t *idx);
/* Numbers of the bits set from *at on, below n_rows, into idx, at most `room`; moves *at on. */
uint32_t rvw_kernel_rows(const uint64_t *bitmap, uint32_t n_rows, uint32_t *at, uint32_t *idx, uint32_t room);
/* Keeps of the bits of `rows`, n_words of them, those whose answer is set: row r's is bit base + codes[r] of `answers`.
 * Codes have 2 or 4 bytes. */
void rvw_kernel_keep(const void *codes, unsigned width, uint32_t base, const uint64_t *answers, uint32_t n_words,
                     uint64_t *rows);
/* How many bits are set, in one or in both. */
uint64_t rvw_bitmap_count(const uint64_t *bitmap, uint32_t n_words);
uint64_t rvw_bitmap_common(const uint64_t *a, const uint64_t *b, uint32_t n_words);
/* Positions of the last (first) event of each run of equal rows into at, which has room for n + 1; returns how many. */
uint32_t rvw_kernel_run_ends(const uint16_t *row, uint32_t n, bool latest, uint32_t *at);

#endif

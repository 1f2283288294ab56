/* kernels.h: the loops over events that decide how fast a query is. Plain C for the compiler to vectorise; where gcc
 * can, each exists for AVX2 too and the right one is chosen when the program starts. Arrays are not checked: rows are
 * below the array's length. */
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
/* Numbers of the bytes that are 1, plus `first`, into idx; returns how many. */
uint32_t rvw_kernel_pick(const uint8_t *m, uint32_t first, uint32_t n, uint32_t *idx);
/* Numbers of the bits set from *at on, below n_rows, into idx, at most `room`; moves *at on. */
uint32_t rvw_kernel_rows(const uint64_t *bitmap, uint32_t n_rows, uint32_t *at, uint32_t *idx, uint32_t room);
/* How many bits are set, in one or in both. */
uint64_t rvw_bitmap_count(const uint64_t *bitmap, uint32_t n_words);
uint64_t rvw_bitmap_common(const uint64_t *a, const uint64_t *b, uint32_t n_words);
/* Positions of the last (first) event of each run of equal rows into at, which has room for n + 1; returns how many. */
uint32_t rvw_kernel_run_ends(const uint16_t *row, uint32_t n, bool latest, uint32_t *at);

#endif

/* kernels.h: the loops over events that decide how fast a query is. Plain C for the compiler to vectorise; where gcc
 * can, each exists for AVX2 too and the right one is chosen when the program starts. Arrays are not checked: rows are
 * below the array's length. */
#ifndef REVEILLE_WORKER_KERNELS_H
#define REVEILLE_WORKER_KERNELS_H

#include "task.h"

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
/* Positions of the last (first) event of each run of equal rows into at, which has room for n + 1; returns how many. */
uint32_t rvw_kernel_run_ends(const uint16_t *row, uint32_t n, bool latest, uint32_t *at);

#endif

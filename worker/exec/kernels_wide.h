/* kernels_wide.h: loops of kernels.h for processors with AVX-512 and its VBMI2, which lists the lanes of a mask in one
 * instruction. They do what their namesakes there say, and are called by them only. */
#ifndef REVEILLE_WORKER_KERNELS_WIDE_H
#define REVEILLE_WORKER_KERNELS_WIDE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether this processor has them; tests turn it off. */
extern bool rvw_wide;

void rvw_wide_range(const void *codes, unsigned width, uint32_t n, uint64_t lo, uint64_t span, uint8_t *m);
void rvw_wide_count(const uint16_t *row, uint32_t n, const uint8_t *m, uint32_t *count);
void rvw_wide_seen(const uint16_t *row, uint32_t n, const uint8_t *m, uint8_t *seen);
uint32_t rvw_wide_pick(const uint8_t *m, uint32_t first, uint32_t n, uint32_t *idx);
uint32_t rvw_wide_run_ends(const uint16_t *row, uint32_t n, bool latest, uint32_t *at);

#endif

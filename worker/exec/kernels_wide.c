/* kernels_wide.c: see kernels_wide.h.
 *
 * Hits are listed for a block first, then gone through one by one: how many there are decides no branch. A block fits
 * the first cache. No memory, no failure.
 */
#include "kernels_wide.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,bmi,bmi2,lzcnt,popcnt")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define LANES 32u /* rows in a register */
#define BLOCK 1024u
#define AHEAD 2048u /* bytes that the memory is asked for beforehand: by itself it does so within a page only */

bool rvw_wide;

__attribute__((constructor)) static void find_wide(void) {
    rvw_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
}

/* The lowest `n` of 32 lanes, all when there are more. */
INLINE __mmask32 lanes(uint32_t n) {
    return n < LANES ? (__mmask32)_bzhi_u32(UINT32_MAX, n) : UINT32_MAX;
}

/* Those of them where m (NULL: everywhere) is not 0. */
INLINE __mmask32 hits_of(const uint8_t *m, uint32_t i, __mmask32 in) {
    if (!m)
        return in;
    __m256i x = _mm256_maskz_loadu_epi8(in, m + i);
    return _mm256_test_epi8_mask(x, x);
}

/* Rows of the hits of a block of at most BLOCK events into `hits`, which has room for LANES more. */
INLINE uint32_t list_rows(const uint16_t *row, uint32_t n, const uint8_t *m, uint16_t *hits) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i += LANES) {
        __mmask32 in = lanes(n - i), hit = hits_of(m, i, in);
        __builtin_prefetch((const char *)(row + i) + AHEAD);
        _mm512_storeu_si512(hits + found, _mm512_maskz_compress_epi16(hit, _mm512_maskz_loadu_epi16(in, row + i)));
        found += (uint32_t)__builtin_popcount(hit);
    }
    return found;
}

TARGET void rvw_wide_seen(const uint16_t *row, uint32_t n, const uint8_t *m, uint8_t *seen) {
    uint16_t hits[BLOCK + LANES];
    for (uint32_t i = 0; i < n; i += BLOCK) {
        uint32_t found = list_rows(row + i, n - i < BLOCK ? n - i : BLOCK, m ? m + i : 0, hits);
        for (uint32_t k = 0; k < found; k++)
            seen[hits[k]] = 1;
    }
}

INLINE __m512i places(void) {
    return _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9,
                            8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/* Hits of a row stand together: one addition for all of them. */
TARGET void rvw_wide_count(const uint16_t *row, uint32_t n, const uint8_t *m, uint32_t *count) {
    uint16_t hits[BLOCK + LANES + 1], ends[BLOCK + LANES], at[BLOCK + LANES];
    for (uint32_t i = 0; i < n; i += BLOCK) {
        uint32_t found = list_rows(row + i, n - i < BLOCK ? n - i : BLOCK, m ? m + i : 0, hits), n_ends = 0;
        if (!found)
            continue;
        hits[found] = (uint16_t)~hits[found - 1];
        for (uint32_t k = 0; k < found; k += LANES) {
            __mmask32 in = lanes(found - k);
            __m512i here = _mm512_maskz_loadu_epi16(in, hits + k), next = _mm512_maskz_loadu_epi16(in, hits + k + 1);
            __mmask32 end = _mm512_mask_cmpneq_epu16_mask(in, here, next);
            __m512i place = _mm512_add_epi16(places(), _mm512_set1_epi16((short)(k + 1)));
            _mm512_storeu_si512(ends + n_ends, _mm512_maskz_compress_epi16(end, here));
            _mm512_storeu_si512(at + n_ends, _mm512_maskz_compress_epi16(end, place));
            n_ends += (uint32_t)__builtin_popcount(end);
        }
        for (uint32_t k = 0, before = 0; k < n_ends; before = at[k++])
            count[ends[k]] += at[k] - before;
    }
}

/* Numbers of the lanes of a mask, plus `first`; nothing is written behind the `room` that there is. */
INLINE uint32_t list_lanes(__mmask32 hit, uint32_t first, uint32_t *out, uint32_t room) {
    uint32_t n = (uint32_t)__builtin_popcount(hit);
    __m512i place = _mm512_maskz_compress_epi16(hit, places()), from = _mm512_set1_epi32((int)first);
    __m512i low = _mm512_add_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(place)), from);
    if (n > 16) {
        __m512i high = _mm512_add_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(place, 1)), from);
        _mm512_storeu_si512(out, low);
        _mm512_mask_storeu_epi32(out + 16, (__mmask16)lanes(n - 16), high);
    } else if (room >= 16) {
        _mm512_storeu_si512(out, low);
    } else {
        _mm512_mask_storeu_epi32(out, (__mmask16)lanes(n), low);
    }
    return n;
}

TARGET uint32_t rvw_wide_pick(const uint8_t *m, uint32_t first, uint32_t n, uint32_t *idx) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i += LANES)
        found += list_lanes(hits_of(m, i, lanes(n - i)), first + i, idx + found, n - found);
    return found;
}

TARGET uint32_t rvw_wide_run_ends(const uint16_t *row, uint32_t n, bool latest, uint32_t *at) {
    uint32_t found = 0;
    if (!latest)
        at[found++] = 0;
    for (uint32_t i = 0; i + 1 < n; i += LANES) {
        __mmask32 in = lanes(n - 1 - i);
        __m512i here = _mm512_maskz_loadu_epi16(in, row + i), next = _mm512_maskz_loadu_epi16(in, row + i + 1);
        found += list_lanes(_mm512_mask_cmpneq_epu16_mask(in, here, next), i + !latest, at + found, n + 1 - found);
    }
    if (latest)
        at[found++] = n - 1;
    return found;
}

/* 64 bytes of 0 or 1. */
INLINE void put(uint8_t *m, uint32_t i, uint32_t n, __mmask64 hit) {
    __m512i bytes = _mm512_maskz_set1_epi8(hit, 1);
    if (n - i >= 64)
        _mm512_storeu_si512(m + i, bytes);
    else
        _mm512_mask_storeu_epi8(m + i, _bzhi_u64(UINT64_MAX, n - i), bytes);
}

#define IN_RANGE(name, type, per, bits, least)                                                                         \
    INLINE __mmask64 name(const type *codes, uint32_t n, type lo, type span) {                                         \
        __mmask64 hit = 0;                                                                                             \
        for (uint32_t k = 0; k < 64; k += (per)) {                                                                     \
            __m512i x;                                                                                                 \
            __builtin_prefetch((const char *)(codes + k) + AHEAD);                                                     \
            if (n >= 64)                                                                                               \
                x = _mm512_loadu_si512(codes + k);                                                                     \
            else                                                                                                       \
                x = _mm512_maskz_loadu_epi##bits((__mmask##per)_bzhi_u64(UINT64_MAX, n > k ? n - k : 0), codes + k);   \
            x = _mm512_sub_epi##bits(x, _mm512_set1_epi##bits((least)lo));                                             \
            hit |= (__mmask64)_mm512_cmple_epu##bits##_mask(x, _mm512_set1_epi##bits((least)span)) << k;               \
        }                                                                                                              \
        return hit;                                                                                                    \
    }
IN_RANGE(in_range8, uint8_t, 64, 8, char)
IN_RANGE(in_range16, uint16_t, 32, 16, short)
IN_RANGE(in_range32, uint32_t, 16, 32, int)
IN_RANGE(in_range64, uint64_t, 8, 64, long long)

TARGET void rvw_wide_range(const void *codes, unsigned width, uint32_t n, uint64_t lo, uint64_t span, uint8_t *m) {
    switch (width) {
    case 1:
        for (uint32_t i = 0; i < n; i += 64)
            put(m, i, n, in_range8((const uint8_t *)codes + i, n - i, (uint8_t)lo, (uint8_t)span));
        break;
    case 2:
        for (uint32_t i = 0; i < n; i += 64)
            put(m, i, n, in_range16((const uint16_t *)codes + i, n - i, (uint16_t)lo, (uint16_t)span));
        break;
    case 4:
        for (uint32_t i = 0; i < n; i += 64)
            put(m, i, n, in_range32((const uint32_t *)codes + i, n - i, (uint32_t)lo, (uint32_t)span));
        break;
    default:
        for (uint32_t i = 0; i < n; i += 64)
            put(m, i, n, in_range64((const uint64_t *)codes + i, n - i, lo, span));
    }
}

#else

bool rvw_wide;

void rvw_wide_range(const void *codes, unsigned width, uint32_t n, uint64_t lo, uint64_t span, uint8_t *m) {
    (void)codes, (void)width, (void)n, (void)lo, (void)span, (void)m;
}
void rvw_wide_count(const uint16_t *row, uint32_t n, const uint8_t *m, uint32_t *count) {
    (void)row, (void)n, (void)m, (void)count;
}
void rvw_wide_seen(const uint16_t *row, uint32_t n, const uint8_t *m, uint8_t *seen) {
    (void)row, (void)n, (void)m, (void)seen;
}
uint32_t rvw_wide_pick(const uint8_t *m, uint32_t first, uint32_t n, uint32_t *idx) {
    (void)m, (void)first, (void)n, (void)idx;
    return 0;
}
uint32_t rvw_wide_run_ends(const uint16_t *row, uint32_t n, bool latest, uint32_t *at) {
    (void)row, (void)n, (void)latest, (void)at;
    return 0;
}

#endif

/* sink_overlap.c: sizes of conditions and of their pairs: a bitmap a condition, a count of bits a pair. Failure: as
 * evaluation. */
#include <string.h>

#include "kernels.h"
#include "sink.h"

rv_status_t rvw_overlap_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err) {
    uint32_t n = t->job->n_overlap;
    uint64_t *bitmaps = rvw_take(t, (size_t)n * t->n_words, sizeof *bitmaps, err);
    if (!bitmaps)
        return RVW_NO_SPACE;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *bitmap = bitmaps + (size_t)i * t->n_words;
        memcpy(bitmap, mask, t->n_words * sizeof *bitmap);
        for (uint32_t k = 0; k < t->job->overlap[i].n; k++)
            RVW_TRY(rvw_stage_filter(t, &t->job->overlap[i].stages[k], bitmap, err));
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = i; k < n; k++) {
            const uint64_t *a = bitmaps + (size_t)i * t->n_words, *b = bitmaps + (size_t)k * t->n_words;
            uint64_t both = rvw_bitmap_common(a, b, t->n_words);
            p->overlap[i * n + k] += both;
            if (k != i)
                p->overlap[k * n + i] += both;
        }
    return RV_OK;
}

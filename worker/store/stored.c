/* stored.c: see stored.h. Decoding races are settled by compare and exchange: a thread that comes second frees its
 * result. */
#include "stored.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* LMDB puts values above about half a page on overflow pages. */
#define SMALL 2048u
#define PHASE 16u

struct rvw_stored {
    atomic_uint refs;
    rvw_place_t place;
    const uint8_t *bytes;
    size_t n;
    void *heap;
    _Atomic(rvw_piece_t *) piece;
};

static bool is_small(const void *bytes, size_t n) {
    return n < SMALL || (uintptr_t)bytes % 16 != 0;
}

rvw_stored_t *rvw_stored_new(const rvw_place_t *place, const void *bytes, size_t n) {
    rvw_stored_t *stored = calloc(1, sizeof *stored);
    if (!stored) {
        return NULL;
    }
    atomic_init(&stored->refs, 1);
    atomic_init(&stored->piece, NULL);
    stored->place = *place;
    stored->bytes = bytes;
    stored->n = n;
    if (is_small(bytes, n)) {
        stored->heap = aligned_alloc(64, (n + PHASE + 63) / 64 * 64);
        if (!stored->heap) {
            free(stored);
            return NULL;
        }
        stored->bytes = (uint8_t *)stored->heap + PHASE;
        memcpy((uint8_t *)stored->heap + PHASE, bytes, n);
    }
    return stored;
}

rvw_stored_t *rvw_stored_ref(rvw_stored_t *stored) {
    atomic_fetch_add_explicit(&stored->refs, 1, memory_order_relaxed);
    return stored;
}

void rvw_stored_unref(rvw_stored_t **stored) {
    rvw_stored_t *gone = *stored;
    *stored = NULL;
    if (gone && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1) {
        free(atomic_load_explicit(&gone->piece, memory_order_acquire));
        free(gone->heap);
        free(gone);
    }
}

const rvw_place_t *rvw_stored_place(const rvw_stored_t *stored) {
    return &stored->place;
}

const uint8_t *rvw_stored_bytes(const rvw_stored_t *stored, size_t *ret_n) {
    *ret_n = stored->n;
    return stored->bytes;
}

bool rvw_stored_same(const rvw_stored_t *stored, const rvw_place_t *place, const void *bytes, size_t n) {
    return rvw_place_compare_list(&stored->place, place) == 0 && stored->place.gen == place->gen &&
           stored->place.part == place->part && stored->n == n &&
           (stored->heap ? is_small(bytes, n) : stored->bytes == bytes);
}

rv_status_t rvw_stored_piece(rvw_stored_t *stored, uint32_t chunk_rows, const rvw_piece_t **ret, rv_error_t *err) {
    rvw_piece_t *piece = atomic_load_explicit(&stored->piece, memory_order_acquire);
    if (!piece) {
        rv_status_t status = rvw_piece_read(&stored->place, stored->bytes, stored->n, chunk_rows, &piece, err);
        if (status) {
            return status;
        }
        rvw_piece_t *first = NULL;
        if (!atomic_compare_exchange_strong_explicit(&stored->piece, &first, piece, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            free(piece);
            piece = first;
        }
    }
    *ret = piece;
    return RV_OK;
}

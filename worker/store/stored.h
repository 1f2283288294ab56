/* stored.h: one stored value: its place, its bytes, and its decoded form, made on first use.
 *
 * Shared by counted references between the bases of one environment, so that what was verified once stays verified: a
 * key is written once, and its bytes on overflow pages never move. Small values lie in leaf pages, where alignment and
 * address are LMDB's business: they are copied. Any thread may decode; the first result wins.
 */
#ifndef REVEILLE_WORKER_STORED_H
#define REVEILLE_WORKER_STORED_H

#include "piece.h"
#include "place.h"

typedef struct rvw_stored rvw_stored_t;

/* NULL without memory. */
rvw_stored_t *rvw_stored_new(const rvw_place_t *place, const void *bytes, size_t n);
rvw_stored_t *rvw_stored_ref(rvw_stored_t *stored);
void rvw_stored_unref(rvw_stored_t **stored);
const rvw_place_t *rvw_stored_place(const rvw_stored_t *stored);
/* The bytes as they were written. */
const uint8_t *rvw_stored_bytes(const rvw_stored_t *stored, size_t *ret_n);
/* It may stand for these bytes in another base. */
bool rvw_stored_same(const rvw_stored_t *stored, const rvw_place_t *place, const void *bytes, size_t n);
/* Decodes and verifies on first use; the piece lives as long as a reference is held. DATA_LOSS. */
rv_status_t rvw_stored_piece(rvw_stored_t *stored, uint32_t chunk_rows, const rvw_piece_t **ret, rv_error_t *err);

#endif

/* piece.h: encoding of columns and event pieces: the value that stands under a place.
 *
 * A piece is self-contained: a header of 48 bytes, one slot of 72 bytes a column, then arrays, little endian. A value
 * of LMDB that lies on overflow pages starts 16 bytes into a page, and a copy on the heap is placed alike, so arrays of
 * 1,024 bytes and more are put where (16 + offset) is a multiple of 64, smaller ones at multiples of 16.
 *
 * Events: rows (u16), time, properties and channel first, then source, id and import, which few queries touch. Columns
 * without any value are left out. A column of a table: one slot; `first` of the header is its first row within the
 * chunk. Builder and reader are used by one thread each; a decoded piece is immutable.
 */
#ifndef REVEILLE_WORKER_PIECE_H
#define REVEILLE_WORKER_PIECE_H

#include "column.h"
#include "place.h"
#include "reveille/arena.h"
#include "reveille/status.h"
#include "view.h"

/* Writes pieces, one after the other, into a buffer of its own. */
typedef struct rvw_piece_builder rvw_piece_builder_t;
rvw_piece_builder_t *rvw_piece_builder_new(void);
void rvw_piece_builder_destroy(rvw_piece_builder_t **builder);

/* Encodes n sorted events. Columns are in any encoding, REF and FOR of 8 bytes among them; columns without values may
 * be NONE. `scratch` is used for work and is the caller's to reset. The bytes belong to the builder until its next
 * piece. */
rv_status_t rvw_piece_write_events(rvw_piece_builder_t *builder, const rvw_place_t *place, const rvw_events_t *events,
                                   rv_arena_t *scratch, const uint8_t **ret_bytes, size_t *ret_n, rv_error_t *err);
/* Encodes one column of a table from row `first` of its chunk on. `mark` is kept with it (0 or 1). */
rv_status_t rvw_piece_write_column(rvw_piece_builder_t *builder, const rvw_place_t *place, const rvw_column_t *column,
                                   uint32_t first, uint32_t mark, rv_arena_t *scratch, const uint8_t **ret_bytes,
                                   size_t *ret_n, rv_error_t *err);

/* A checked piece; points into the bytes it was read from. */
typedef struct {
    rvw_events_t events; /* of an event piece */
    rvw_column_t column; /* of a table's column, */
    uint32_t first;      /* its first row in the chunk, */
    uint32_t mark;       /* its mark */
} rvw_piece_t;

/* Checks checksum, bounds, orders and codes; `bytes` is 16-byte aligned. DATA_LOSS names the place. Free the piece with
 * free(). */
rv_status_t rvw_piece_read(const rvw_place_t *place, const uint8_t *bytes, size_t n, uint32_t chunk_rows,
                           rvw_piece_t **ret, rv_error_t *err);

#endif

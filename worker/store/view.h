/* view.h: an immutable snapshot of one partition, which queries read.
 *
 * A view is everything up to one LSN: the runs and columns of the last flush, read in place from the map, and the part
 * of the tail up to that LSN. It holds the LMDB read transaction that keeps the pages in place, so taking a view and
 * reading it make no LMDB call. Views are taken by any thread, read by several at once, and freed by the last one that
 * lets go; while a view is held nothing it points to moves or changes.
 *
 * Rows of contacts are dense from 0 in order of arrival; chunk c holds rows c * chunk_rows .. Erased rows stay as holes
 * (rvw_view_alive). Companies are a second table with rows of their own.
 */
#ifndef REVEILLE_WORKER_VIEW_H
#define REVEILLE_WORKER_VIEW_H

#include "column.h"
#include "reveille/arena.h"
#include "reveille/status.h"

typedef struct rvw_view rvw_view_t;
typedef struct rvw_partition rvw_partition_t;

/* Some events of one (type, chunk): a stored piece, or a block of the tail. */
typedef struct rvw_events {
    uint32_t n;
    bool sorted;         /* by (row, time, source, id): stored pieces are, tail blocks are not */
    const uint16_t *row; /* row within the chunk */
    uint16_t min_row, max_row;
    int64_t min_time, max_time; /* ms; bounds, never too narrow */
    rvw_column_t time;          /* TIME, FOR, every value present */
    rvw_column_t channel;       /* STRING */
    rvw_column_t source;        /* STRING, every value present */
    rvw_column_t id;            /* STRING, every value present */
    rvw_column_t import_id;     /* INT, every value present */
    uint32_t n_properties;
    const uint32_t *property_ids;
    const rvw_column_t *properties; /* a property that is not listed is missing in all */
} rvw_events_t;

/* The newest view: FAILED_PRECONDITION or DATA_LOSS when the partition is out of service. Never blocks for long. */
rv_status_t rvw_view_take(rvw_partition_t *partition, rvw_view_t **ret, rv_error_t *err);
void rvw_view_release(rvw_view_t **view);

uint32_t rvw_view_partition(const rvw_view_t *view);
uint64_t rvw_view_lsn(const rvw_view_t *view);        /* last write that it contains */
uint32_t rvw_view_chunk_rows(const rvw_view_t *view); /* a power of two, 2 to 65,536 */
uint32_t rvw_view_rows(const rvw_view_t *view);       /* contacts, holes included */
uint32_t rvw_view_company_rows(const rvw_view_t *view);

/* Bitmap of the chunk's rows that are not erased into out[chunk_rows / 8 rounded up]; returns how many. Bits past the
 * rows are 0. */
uint32_t rvw_view_alive(const rvw_view_t *view, uint32_t chunk, uint8_t *out);

/* How many pieces and blocks (type, chunk) has at most, and their contents. Checksums are verified on first use:
 * DATA_LOSS names the piece. */
uint32_t rvw_view_events_max(const rvw_view_t *view, uint32_t type, uint32_t chunk);
rv_status_t rvw_view_events(const rvw_view_t *view, uint32_t type, uint32_t chunk, rvw_events_t *out, uint32_t *ret_n,
                            rv_error_t *err);

/* The column of a contact attribute (id 0: the keys, STRING, all present) in one chunk: in place when nothing of it is
 * in the tail, otherwise merged into arrays in `arena`. ret->n is the number of the chunk's rows. An attribute that was
 * never written gives NONE. Attributes of type COMPANY give company row numbers, type COMPANY, FOR. Sets are
 * STRING-like with type SET. */
rv_status_t rvw_view_attribute(const rvw_view_t *view, uint32_t attribute, uint32_t chunk, rv_arena_t *arena,
                               rvw_column_t *ret, rv_error_t *err);
/* The same for companies (id 0: the keys). */
rv_status_t rvw_view_company_attribute(const rvw_view_t *view, uint32_t attribute, uint32_t chunk, rv_arena_t *arena,
                                       rvw_column_t *ret, rv_error_t *err);

/* Row of a contact's key that is not erased; false when there is none in this view. */
bool rvw_view_find(const rvw_view_t *view, const char *key, size_t n, uint32_t *ret_row);
bool rvw_view_find_company(const rvw_view_t *view, const char *key, size_t n, uint32_t *ret_row);

#endif

/* tail.h: the writes since the last flush, in memory: append-only, read without locks while it grows.
 *
 * Lists of events by (type, chunk), lists of patches by (attribute, chunk) for contacts and companies, keys of new
 * rows, erased rows. A list is a chain of blocks, each twice as large as the one before; a block has one array a column
 * ("cells"). The one writer fills entry n of all arrays and then publishes n + 1 by a release store. Every entry
 * carries the LSN of its write, as a distance from the tail's first; distances never fall, so what a reader of LSN W
 * sees of a block is found by binary search, and later entries do not disturb it. Nothing moves or is freed before the
 * last reference goes. A block whose columns do not suffice (a new property, a wider type, another value where there
 * was one for all) is closed and a new one begun.
 */
#ifndef REVEILLE_WORKER_TAIL_H
#define REVEILLE_WORKER_TAIL_H

#include <stdatomic.h>

#include "column.h"
#include "place.h"
#include "plain.h"
#include "slabs.h"
#include "writes.h"

/* What a column of a list holds. */
typedef struct {
    uint32_t id;
    rv_type_t type;
    uint8_t scale;
    bool wide;     /* DECIMAL as rv_i128_t */
    bool constant; /* one value for the whole block: source and import of events, while they do not change */
    bool full;     /* every entry has a value */
} rvw_shape_t;

typedef struct {
    rvw_shape_t shape;
    void *values;     /* int64_t, rv_i128_t, double or rv_str_t; NULL: constant */
    uint8_t *present; /* 1 or 0 each; NULL: constant or full */
    atomic_bool gaps; /* some are 0 */
    _Atomic int64_t min, max;
    /* Of a constant one; set before the first entry is published. */
    int64_t number;
    rv_str_t text;
    uint32_t offsets[2]; /* the text as a dictionary */
} rvw_cells_t;

typedef struct rvw_list rvw_list_t;
typedef struct rvw_block rvw_block_t;
struct rvw_block {
    const rvw_list_t *list;
    _Atomic(rvw_block_t *) next;
    atomic_uint n;
    uint32_t cap;
    uint32_t first; /* entries of the list before this block */
    uint32_t *lsn;  /* distance from the tail's first */
    uint16_t *row;
    atomic_uint min_row, max_row;
    uint32_t n_cells;
    rvw_cells_t *cells;
    _Atomic(const struct rvw_events *) whole; /* events, once the next block has begun: all of them, for readers */
};

/* Columns that every list of events starts with; its properties follow. */
enum { RVW_CELL_TIME, RVW_CELL_SOURCE, RVW_CELL_ID, RVW_CELL_IMPORT, RVW_CELL_CHANNEL, RVW_CELL_PROPERTIES };

struct rvw_list {
    uint32_t id, chunk;
    _Atomic(rvw_block_t *) first;
    /* The rest is the writer's. */
    rvw_block_t *last;
    rvw_shape_t *shapes;
    uint32_t n_shapes, cap_shapes;
    uint32_t n; /* entries */
    uint32_t n_newest;
    uint32_t *newest; /* patches: 1 + number of the newest entry of each row */
    /* Events: the newest time, and the first entry of that time. */
    int64_t newest_time;
    const rvw_block_t *since_block;
    uint32_t since;
    /* Events: so many of the first ones are in the table of identities; the block of the last of them. */
    uint32_t hashed;
    const rvw_block_t *hashed_in;
};

/* Events by identity; the writer's. A list's events enter it when one comes that is not newer than all of them, so
 * that what arrives in the order of time costs nothing here. An entry says where the event is and keeps half of its
 * hash. */
typedef struct {
    const rvw_block_t *block;
    uint32_t i, tag;
} rvw_place_in_tail_t;
typedef struct {
    rvw_place_in_tail_t *slots;
    uint32_t mask, n;
} rvw_seen_t;

/* Lists by (id, chunk); any thread may look up while the writer adds. */
typedef struct rvw_lists rvw_lists_t;

/* Keys of the rows that came with this tail, in their order. */
#define RVW_KEY_SEGMENTS 27u
typedef struct {
    uint32_t first, n; /* n is the writer's */
    rv_str_t *segments[RVW_KEY_SEGMENTS];
} rvw_new_keys_t;

#define RVW_TABLES 3u /* RVW_EVENTS, RVW_CONTACTS, RVW_COMPANIES less one */

typedef struct {
    atomic_uint refs;
    uint64_t after; /* last LSN before it */
    uint32_t chunk_rows;
    rvw_lists_t *lists[RVW_TABLES];
    rvw_new_keys_t keys[2]; /* contacts, companies */
    rvw_new_keys_t erased;  /* row numbers, kept in the length of empty strings; in the order of their writes */
    atomic_size_t bytes;
    /* The writer's, and the flush's once it is frozen. */
    rvw_slabs_t *slabs; /* NULL: memory is malloc's */
    char *text, *room;  /* what is left of the chunks for text and for the rest */
    size_t text_left, room_left;
    struct rvw_chunk *memory;
    rvw_seen_t seen;
    rvw_writes_t writes;
    uint64_t n_events;
    uint64_t lsn; /* last one in it, set when frozen */
} rvw_tail_t;

/* The slabs live longer; NULL: malloc. */
rvw_tail_t *rvw_tail_new(rvw_slabs_t *slabs, uint32_t chunk_rows, uint64_t after, uint32_t rows, uint32_t company_rows);
rvw_tail_t *rvw_tail_ref(rvw_tail_t *tail);
void rvw_tail_unref(rvw_tail_t **tail);

/* For the writer. Everything returns NULL or false without memory. */
rvw_list_t *rvw_tail_list(rvw_tail_t *tail, rvw_table_t table, uint32_t id, uint32_t chunk);
/* The list's column of this id and shape, as an index; begins a new block when the shape had to grow. UINT32_MAX
 * without memory. */
uint32_t rvw_list_shape(rvw_list_t *list, const rvw_shape_t *shape);
/* The block that takes the next entry: the last one, or a new one. */
rvw_block_t *rvw_list_grow(rvw_tail_t *tail, rvw_list_t *list);
static inline rvw_block_t *rvw_list_room(rvw_tail_t *tail, rvw_list_t *list) {
    rvw_block_t *last = list->last;
    return last && atomic_load_explicit(&last->n, memory_order_relaxed) < last->cap ? last : rvw_list_grow(tail, list);
}
/* Fills a cell of the entry under construction; strings must live as long as the tail. */
void rvw_cells_put(rvw_cells_t *cells, uint32_t i, const rv_value_t *value);
/* Some values that were put lie from min to max; none when min is greater. */
static inline void rvw_cells_note(rvw_cells_t *cells, int64_t min, int64_t max) {
    if (min < atomic_load_explicit(&cells->min, memory_order_relaxed)) {
        atomic_store_explicit(&cells->min, min, memory_order_relaxed);
    }
    if (max > atomic_load_explicit(&cells->max, memory_order_relaxed)) {
        atomic_store_explicit(&cells->max, max, memory_order_relaxed);
    }
}
static inline void rvw_cells_put_int(rvw_cells_t *cells, uint32_t i, int64_t value) {
    if (cells->present) {
        cells->present[i] = 1;
    }
    ((int64_t *)cells->values)[i] = value;
    rvw_cells_note(cells, value, value);
}
static inline void rvw_cells_put_text(rvw_cells_t *cells, uint32_t i, rv_str_t s) {
    if (cells->present) {
        cells->present[i] = 1;
    }
    ((rv_str_t *)cells->values)[i] = s;
}
/* The block can take entry `at` with these values of its constant columns; it takes the first whatever they are.
 * Otherwise those that differ are constant no more, and the list wants another block. */
bool rvw_list_agree(rvw_list_t *list, rvw_block_t *block, uint32_t at, rv_str_t source, int64_t import_id);
/* Entries i to i + n - 1 have no value. */
void rvw_cells_put_none(rvw_cells_t *cells, uint32_t i, uint32_t n);
/* Completes the next n entries, whose cells and rows are filled. */
void rvw_block_publish(rvw_tail_t *tail, rvw_list_t *list, rvw_block_t *block, uint64_t lsn, uint32_t n);
/* A copy of bytes, or of nothing, that lives as long as the tail. */
const char *rvw_tail_text(rvw_tail_t *tail, const char *p, size_t n);
bool rvw_tail_add_key(rvw_tail_t *tail, rvw_new_keys_t *keys, rv_str_t key);
/* The newest patch of a row, and the block and index where it is; false when there is none. */
bool rvw_list_newest(const rvw_list_t *list, uint32_t row, const rvw_block_t **ret_block, uint32_t *ret_i);
/* The entry that was just published is now the newest of its row. */
bool rvw_list_note(rvw_tail_t *tail, rvw_list_t *list, uint32_t row);
/* Event `i` of the block, the list's last one, has this time. */
static inline void rvw_list_note_time(rvw_list_t *list, const rvw_block_t *block, uint32_t i, int64_t time) {
    if (!list->since_block || time > list->newest_time) {
        list->newest_time = time;
        list->since_block = block;
        list->since = block->first + i;
    }
}
/* Makes room for `more` events in the table of identities. */
bool rvw_seen_reserve(rvw_tail_t *tail, uint32_t more);
void rvw_seen_add(rvw_tail_t *tail, uint32_t tag, const rvw_block_t *block, uint32_t i);

/* For readers. */
rvw_list_t *rvw_tail_find(const rvw_tail_t *tail, rvw_table_t table, uint32_t id, uint32_t chunk);
/* All lists of a table; only of a tail that grows no more, or by the writer. `at` starts at 0. */
rvw_list_t *rvw_tail_next(const rvw_tail_t *tail, rvw_table_t table, uint32_t *at);
/* Entries of a block with an LSN of at most `lsn`. */
uint32_t rvw_block_visible(const rvw_tail_t *tail, const rvw_block_t *block, uint64_t lsn);
rv_str_t rvw_new_key(const rvw_new_keys_t *keys, uint32_t k);
/* Where it is kept. */
const rv_str_t *rvw_new_key_place(const rvw_new_keys_t *keys, uint32_t k);
/* String i of a cell that is full or constant. */
static inline rv_str_t rvw_cells_text(const rvw_cells_t *cells, uint32_t i) {
    return cells->values ? ((const rv_str_t *)cells->values)[i] : cells->text;
}
/* Value i of a cell that is neither. */
void rvw_cells_get(const rvw_cells_t *cells, uint32_t i, rv_value_t *ret);

#endif

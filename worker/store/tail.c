/* tail.c: see tail.h.
 *
 * Memory is taken in chunks that are given back together with the tail by its last reference. Blocks start small and
 * double, so a list of n events wastes at most half of its last block. The writer alone writes; publication is the
 * release store of a block's count and of the link to the next block. The only failure is memory: the writer then takes
 * the partition out of service, because a write may be half applied.
 */
#include "tail.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "lists.h"
#include "reveille/limits.h"

#define CHUNK ((size_t)65536 - sizeof(struct rvw_chunk)) /* whole units of slabs */
#define MAX_BLOCK 8192u                                  /* some of them fill a region of slabs */
#define KEY_SEGMENT 64u

static size_t round_up(size_t n) {
    return (n + 15) / 16 * 16;
}

struct rvw_chunk {
    struct rvw_chunk *next;
    size_t n; /* with this head */
    max_align_t bytes[];
};

static void *take_chunk(rvw_tail_t *tail, size_t n) {
    n += sizeof(struct rvw_chunk);
    struct rvw_chunk *chunk = tail->slabs ? rvw_slabs_take(tail->slabs, n) : malloc(n);
    if (!chunk) {
        return NULL;
    }
    chunk->next = tail->memory;
    chunk->n = n;
    tail->memory = chunk;
    return chunk->bytes;
}

/* A chunk of its own, or a part of one that is shared. */
static void *take(rvw_tail_t *tail, size_t n) {
    n = round_up(n);
    if (n > CHUNK / 4) {
        return take_chunk(tail, n);
    }
    if (n > tail->room_left) {
        tail->room = take_chunk(tail, CHUNK);
        tail->room_left = tail->room ? CHUNK : 0;
    }
    if (n > tail->room_left) {
        return NULL;
    }
    void *p = tail->room;
    tail->room += n;
    tail->room_left -= n;
    return p;
}

static void account(rvw_tail_t *tail, size_t n) {
    atomic_fetch_add_explicit(&tail->bytes, n, memory_order_relaxed);
}

rvw_tail_t *rvw_tail_new(rvw_slabs_t *slabs, uint32_t chunk_rows, uint64_t after, uint32_t rows,
                         uint32_t company_rows) {
    rvw_tail_t *tail = calloc(1, sizeof *tail);
    if (!tail) {
        return NULL;
    }
    atomic_init(&tail->refs, 1);
    atomic_init(&tail->bytes, 0);
    tail->slabs = slabs;
    tail->chunk_rows = chunk_rows;
    tail->after = tail->lsn = after;
    tail->keys[0].first = rows;
    tail->keys[1].first = company_rows;
    for (uint32_t t = 0; t < RVW_TABLES; t++) {
        tail->lists[t] = rvw_lists_new();
        if (!tail->lists[t]) {
            rvw_tail_unref(&tail);
            return NULL;
        }
    }
    return tail;
}

rvw_tail_t *rvw_tail_ref(rvw_tail_t *tail) {
    atomic_fetch_add_explicit(&tail->refs, 1, memory_order_relaxed);
    return tail;
}

void rvw_tail_unref(rvw_tail_t **tail) {
    rvw_tail_t *gone = *tail;
    *tail = NULL;
    if (!gone || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t t = 0; t < RVW_TABLES; t++) {
        rvw_lists_destroy(&gone->lists[t]);
    }
    for (struct rvw_chunk *chunk = gone->memory; chunk;) {
        struct rvw_chunk *next = chunk->next;
        if (gone->slabs) {
            rvw_slabs_give(gone->slabs, chunk, chunk->n);
        } else {
            free(chunk);
        }
        chunk = next;
    }
    free(gone->seen.slots);
    rvw_writes_done(&gone->writes);
    free(gone);
}

const char *rvw_tail_text(rvw_tail_t *tail, const char *p, size_t n) {
    if (n > tail->text_left) {
        size_t room = n > CHUNK / 4 ? n : CHUNK;
        char *fresh = take_chunk(tail, room);
        if (!fresh) {
            return NULL;
        }
        if (room == n) {
            account(tail, n);
            return memcpy(fresh, p, n);
        }
        tail->text = fresh;
        tail->text_left = room;
    }
    if (n == 0) {
        return "";
    }
    char *copy = memcpy(tail->text, p, n);
    tail->text += n;
    tail->text_left -= n;
    account(tail, n);
    return copy;
}

rvw_list_t *rvw_tail_list(rvw_tail_t *tail, rvw_table_t table, uint32_t id, uint32_t chunk) {
    static const rvw_shape_t fixed[] = {{.type = RV_TIME, .full = true},
                                        {.type = RV_STRING, .constant = true, .full = true},
                                        {.type = RV_STRING, .full = true},
                                        {.type = RV_INT, .constant = true, .full = true},
                                        {.id = UINT32_MAX, .type = RV_STRING}};
    bool fresh;
    rvw_list_t *list = rvw_lists_get(tail->lists[table - RVW_EVENTS], id, chunk, &fresh);
    if (!list || !fresh || table != RVW_EVENTS) {
        return list;
    }
    list->shapes = malloc(sizeof fixed);
    if (!list->shapes) {
        return NULL;
    }
    memcpy(list->shapes, fixed, sizeof fixed);
    list->n_shapes = list->cap_shapes = RVW_CELL_PROPERTIES;
    return list;
}

rvw_list_t *rvw_tail_find(const rvw_tail_t *tail, rvw_table_t table, uint32_t id, uint32_t chunk) {
    return rvw_lists_find(tail->lists[table - RVW_EVENTS], id, chunk);
}

rvw_list_t *rvw_tail_next(const rvw_tail_t *tail, rvw_table_t table, uint32_t *at) {
    return rvw_lists_next(tail->lists[table - RVW_EVENTS], at);
}

uint32_t rvw_list_shape(rvw_list_t *list, const rvw_shape_t *shape) {
    uint32_t k = list->n_shapes > RVW_CELL_PROPERTIES ? RVW_CELL_PROPERTIES : 0;
    while (k < list->n_shapes && list->shapes[k].id != shape->id) {
        k++;
    }
    if (k < list->n_shapes && list->shapes[k].type == shape->type && list->shapes[k].scale == shape->scale &&
        (list->shapes[k].wide || !shape->wide)) {
        return k;
    }
    if (k == list->cap_shapes) {
        uint32_t cap = list->cap_shapes ? list->cap_shapes * 2 : 1;
        rvw_shape_t *grown = realloc(list->shapes, cap * sizeof *grown);
        if (!grown) {
            return UINT32_MAX;
        }
        list->shapes = grown;
        list->cap_shapes = cap;
    }
    list->n_shapes += k == list->n_shapes;
    list->shapes[k] = *shape;
    list->last = NULL;
    return k;
}

static size_t cell_size(const rvw_shape_t *shape) {
    return shape->constant                          ? 0
           : rvw_kind(shape->type) == RVW_KIND_TEXT ? sizeof(rv_str_t)
           : shape->wide                            ? sizeof(rv_i128_t)
                                                    : 8;
}

/* Lays out a block of `cap` entries in one piece of memory. */
static rvw_block_t *new_block(rvw_tail_t *tail, const rvw_list_t *list, uint32_t cap) {
    size_t head = round_up(sizeof(rvw_block_t)) + round_up(list->n_shapes * sizeof(rvw_cells_t));
    size_t bytes = head + round_up(cap * sizeof(uint32_t)) + round_up(cap * sizeof(uint16_t));
    for (uint32_t k = 0; k < list->n_shapes; k++) {
        bytes += round_up(cap * cell_size(&list->shapes[k])) + (list->shapes[k].full ? 0 : round_up(cap));
    }
    char *at = take(tail, bytes);
    if (!at) {
        return NULL;
    }
    account(tail, bytes);
    rvw_block_t *block = (rvw_block_t *)(void *)at;
    memset(at, 0, head);
    block->list = list;
    block->cells = (rvw_cells_t *)(void *)(at + round_up(sizeof *block));
    at += head;
    block->lsn = (uint32_t *)(void *)at;
    at += round_up(cap * sizeof(uint32_t));
    block->row = (uint16_t *)(void *)at;
    at += round_up(cap * sizeof(uint16_t));
    block->n_cells = list->n_shapes;
    for (uint32_t k = 0; k < list->n_shapes; k++) {
        rvw_cells_t *cells = &block->cells[k];
        cells->shape = list->shapes[k];
        cells->values = cells->shape.constant ? NULL : at;
        at += round_up(cap * cell_size(&cells->shape));
        cells->present = cells->shape.full ? NULL : (uint8_t *)at;
        at += cells->shape.full ? 0 : round_up(cap);
        atomic_init(&cells->gaps, false);
        atomic_init(&cells->min, INT64_MAX);
        atomic_init(&cells->max, INT64_MIN);
    }
    block->cap = cap;
    block->first = list->n;
    atomic_init(&block->next, NULL);
    atomic_init(&block->whole, NULL);
    atomic_init(&block->n, 0);
    atomic_init(&block->min_row, UINT16_MAX);
    atomic_init(&block->max_row, 0);
    return block;
}

/* The last block of the chain, which is closed when the list's `last` is NULL. */
static rvw_block_t *end_of(const rvw_list_t *list) {
    rvw_block_t *block = atomic_load_explicit(&list->first, memory_order_relaxed), *next;
    while (block && (next = atomic_load_explicit(&block->next, memory_order_relaxed))) {
        block = next;
    }
    return block;
}

/* A block that grows no more is described once for all readers. Without memory they do it themselves. */
static void describe(rvw_tail_t *tail, rvw_block_t *block) {
    uint32_t n = atomic_load_explicit(&block->n, memory_order_relaxed);
    if (n == 0 || block->n_cells < RVW_CELL_PROPERTIES) {
        return;
    }
    size_t head = round_up(sizeof(rvw_events_t)), bytes = head + rvw_block_memory(block, n);
    char *at = take(tail, bytes);
    if (!at) {
        return;
    }
    account(tail, bytes);
    rvw_events_t *whole = (rvw_events_t *)(void *)at;
    rvw_block_events(block, n, at + head, whole);
    atomic_store_explicit(&block->whole, whole, memory_order_release);
}

rvw_block_t *rvw_list_grow(rvw_tail_t *tail, rvw_list_t *list) {
    rvw_block_t *last = end_of(list);
    uint32_t cap = last ? last->cap * 2 : RV_TAIL_BLOCK;
    rvw_block_t *block = new_block(tail, list, cap < MAX_BLOCK ? cap : MAX_BLOCK);
    if (block && last) {
        describe(tail, last);
    }
    if (block) {
        atomic_store_explicit(last ? &last->next : &list->first, block, memory_order_release);
        list->last = block;
    }
    return block;
}

bool rvw_list_agree(rvw_list_t *list, rvw_block_t *block, uint32_t at, rv_str_t source, int64_t import_id) {
    rvw_cells_t *text = &block->cells[RVW_CELL_SOURCE], *number = &block->cells[RVW_CELL_IMPORT];
    if (at == 0) {
        text->text = source;
        text->offsets[1] = source.n;
        number->number = import_id;
        return true;
    }
    bool other_text = !text->values && !rv_str_equal(text->text, source);
    bool other_number = !number->values && number->number != import_id;
    if (!other_text && !other_number) {
        return true;
    }
    list->shapes[RVW_CELL_SOURCE].constant = list->shapes[RVW_CELL_SOURCE].constant && !other_text;
    list->shapes[RVW_CELL_IMPORT].constant = list->shapes[RVW_CELL_IMPORT].constant && !other_number;
    list->last = NULL;
    return false;
}

void rvw_cells_put_none(rvw_cells_t *cells, uint32_t i, uint32_t n) {
    size_t size = cell_size(&cells->shape);
    memset(cells->present + i, 0, n);
    memset((char *)cells->values + i * size, 0, n * size);
    atomic_store_explicit(&cells->gaps, true, memory_order_relaxed);
}

void rvw_cells_put(rvw_cells_t *cells, uint32_t i, const rv_value_t *value) {
    if (!value->present) {
        rvw_cells_put_none(cells, i, 1);
    } else if (rvw_kind(cells->shape.type) == RVW_KIND_TEXT) {
        rvw_cells_put_text(cells, i, value->s);
    } else if (cells->shape.type == RV_DOUBLE) {
        cells->present[i] = 1;
        ((double *)cells->values)[i] = value->d;
    } else if (cells->shape.wide) {
        cells->present[i] = 1;
        ((rv_i128_t *)cells->values)[i] = value->wide;
    } else {
        rvw_cells_put_int(cells, i, cells->shape.type == RV_DECIMAL ? (int64_t)value->wide : value->i);
    }
}

void rvw_cells_get(const rvw_cells_t *cells, uint32_t i, rv_value_t *ret) {
    *ret = (rv_value_t){.present = cells->present[i], .s = {"", 0}};
    if (!ret->present) {
        return;
    }
    if (rvw_kind(cells->shape.type) == RVW_KIND_TEXT) {
        ret->s = ((const rv_str_t *)cells->values)[i];
    } else if (cells->shape.type == RV_DOUBLE) {
        ret->d = ((const double *)cells->values)[i];
    } else if (cells->shape.wide) {
        ret->wide = ((const rv_i128_t *)cells->values)[i];
    } else {
        ret->i = ((const int64_t *)cells->values)[i];
        ret->wide = ret->i;
    }
}

void rvw_block_publish(rvw_tail_t *tail, rvw_list_t *list, rvw_block_t *block, uint64_t lsn, uint32_t n) {
    uint32_t first = atomic_load_explicit(&block->n, memory_order_relaxed);
    uint16_t min = UINT16_MAX, max = 0;
    for (uint32_t i = first; i < first + n; i++) {
        block->lsn[i] = (uint32_t)(lsn - tail->after);
        min = block->row[i] < min ? block->row[i] : min;
        max = block->row[i] > max ? block->row[i] : max;
    }
    if (min < atomic_load_explicit(&block->min_row, memory_order_relaxed)) {
        atomic_store_explicit(&block->min_row, min, memory_order_relaxed);
    }
    if (max > atomic_load_explicit(&block->max_row, memory_order_relaxed)) {
        atomic_store_explicit(&block->max_row, max, memory_order_relaxed);
    }
    list->n += n;
    atomic_store_explicit(&block->n, first + n, memory_order_release);
}

uint32_t rvw_block_visible(const rvw_tail_t *tail, const rvw_block_t *block, uint64_t lsn) {
    uint32_t n = atomic_load_explicit(&block->n, memory_order_acquire), low = 0;
    if (lsn <= tail->after || n == 0) {
        return 0;
    }
    uint64_t limit = lsn - tail->after;
    if (block->lsn[n - 1] <= limit) {
        return n;
    }
    while (low < n) {
        uint32_t middle = low + (n - low) / 2;
        if (block->lsn[middle] <= limit) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return low;
}

/* Segment s holds 64 << s keys. */
static uint32_t segment_of(uint32_t k, uint32_t *ret_at) {
    uint32_t s = 31u - (uint32_t)__builtin_clz(k / KEY_SEGMENT + 1);
    *ret_at = k - KEY_SEGMENT * ((1u << s) - 1);
    return s;
}

bool rvw_tail_add_key(rvw_tail_t *tail, rvw_new_keys_t *keys, rv_str_t key) {
    uint32_t at, s = segment_of(keys->n, &at);
    if (s >= RVW_KEY_SEGMENTS) {
        return false;
    }
    if (!keys->segments[s]) {
        keys->segments[s] = take(tail, ((size_t)KEY_SEGMENT << s) * sizeof(rv_str_t));
        if (!keys->segments[s]) {
            return false;
        }
    }
    keys->segments[s][at] = key;
    keys->n++;
    account(tail, sizeof(rv_str_t));
    return true;
}

const rv_str_t *rvw_new_key_place(const rvw_new_keys_t *keys, uint32_t k) {
    uint32_t at, s = segment_of(k, &at);
    return &keys->segments[s][at];
}

rv_str_t rvw_new_key(const rvw_new_keys_t *keys, uint32_t k) {
    return *rvw_new_key_place(keys, k);
}

bool rvw_list_newest(const rvw_list_t *list, uint32_t row, const rvw_block_t **ret_block, uint32_t *ret_i) {
    if (row >= list->n_newest || list->newest[row] == 0) {
        return false;
    }
    uint32_t k = list->newest[row] - 1;
    const rvw_block_t *block = atomic_load_explicit(&list->first, memory_order_relaxed);
    while (k >= block->first + atomic_load_explicit(&block->n, memory_order_relaxed)) {
        block = atomic_load_explicit(&block->next, memory_order_relaxed);
    }
    *ret_block = block;
    *ret_i = k - block->first;
    return true;
}

bool rvw_list_note(rvw_tail_t *tail, rvw_list_t *list, uint32_t row) {
    if (row >= list->n_newest) {
        uint32_t cap = list->n_newest ? list->n_newest : 16;
        while (cap <= row) {
            cap *= 2;
        }
        uint32_t *grown = realloc(list->newest, cap * sizeof *grown);
        if (!grown) {
            return false;
        }
        memset(grown + list->n_newest, 0, (cap - list->n_newest) * sizeof *grown);
        account(tail, (cap - list->n_newest) * sizeof *grown);
        list->newest = grown;
        list->n_newest = cap;
    }
    list->newest[row] = list->n;
    return true;
}

bool rvw_seen_reserve(rvw_tail_t *tail, uint32_t more) {
    rvw_seen_t *seen = &tail->seen;
    uint32_t cap = seen->slots ? seen->mask + 1 : 64;
    if (seen->slots && (uint64_t)4 * (seen->n + more) <= (uint64_t)3 * cap) {
        return true;
    }
    while ((uint64_t)3 * cap < (uint64_t)4 * (seen->n + more)) {
        cap *= 2;
    }
    rvw_place_in_tail_t *fresh = calloc(cap, sizeof *fresh);
    if (!fresh) {
        return false;
    }
    for (uint32_t k = 0; seen->slots && k <= seen->mask; k++) {
        if (seen->slots[k].block) {
            uint32_t at = seen->slots[k].tag & (cap - 1);
            while (fresh[at].block) {
                at = (at + 1) & (cap - 1);
            }
            fresh[at] = seen->slots[k];
        }
    }
    account(tail, (cap - (seen->slots ? seen->mask + 1 : 0)) * sizeof *fresh);
    free(seen->slots);
    seen->slots = fresh;
    seen->mask = cap - 1;
    return true;
}

void rvw_seen_add(rvw_tail_t *tail, uint32_t tag, const rvw_block_t *block, uint32_t i) {
    rvw_seen_t *seen = &tail->seen;
    uint32_t at = tag & seen->mask;
    while (seen->slots[at].block) {
        at = (at + 1) & seen->mask;
    }
    seen->slots[at] = (rvw_place_in_tail_t){block, i, tag};
    seen->n++;
}

/* view.c: views: references to a base and its tails, and the watermark.
 *
 * Taking one is a few counters under the seam lock. What a view must build (headers and bitmaps of tail blocks) is
 * built once for each list, under the view's own lock, in an arena that goes with the view. Views are released by any
 * thread; the last one out wakes a closing partition. Failure: out of service, memory, and DATA_LOSS of a piece, which
 * takes the partition out of service. */
#include "view.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"

#define BUCKETS 64u

/* What was made of one list of one tail. */
typedef struct made made_t;
struct made {
    made_t *next;
    const rvw_list_t *list;
    uint32_t n;
    const rvw_events_t **events;
};

struct rvw_view {
    rvw_partition_t *partition;
    rvw_sight_t sight;
    pthread_mutex_t lock; /* of what follows */
    rv_arena_t arena;
    made_t *made[BUCKETS];
};

rv_status_t rvw_view_take(rvw_partition_t *partition, rvw_view_t **ret, rv_error_t *err) {
    rv_status_t status = rvw_in_service(partition, err);
    if (status) {
        return status;
    }
    rvw_view_t *view = calloc(1, sizeof *view);
    if (!view) {
        return rv_fail_memory(err, "a view");
    }
    rvw_sight_t *sight = &view->sight;
    view->partition = partition;
    pthread_mutex_init(&view->lock, NULL);
    rv_arena_init(&view->arena, SIZE_MAX);
    pthread_mutex_lock(&partition->seam);
    partition->views++;
    sight->base = rvw_base_ref(partition->base);
    sight->tails[0] = partition->frozen ? rvw_tail_ref(partition->frozen) : NULL;
    sight->tails[1] = rvw_tail_ref(partition->active);
    sight->lsn = partition->lsn;
    memcpy(sight->rows, partition->rows, sizeof sight->rows);
    memcpy(sight->erased, partition->n_erased, sizeof sight->erased);
    pthread_mutex_unlock(&partition->seam);
    sight->chunk_rows = partition->identity.chunk_rows;
    *ret = view;
    return RV_OK;
}

void rvw_view_release(rvw_view_t **view) {
    rvw_view_t *gone = *view;
    *view = NULL;
    if (!gone) {
        return;
    }
    rvw_partition_t *partition = gone->partition;
    rvw_tail_unref(&gone->sight.tails[0]);
    rvw_tail_unref(&gone->sight.tails[1]);
    rvw_base_unref(&gone->sight.base);
    rv_arena_done(&gone->arena);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
    pthread_mutex_lock(&partition->seam);
    if (--partition->views == 0) {
        pthread_cond_broadcast(&partition->quiet);
    }
    pthread_mutex_unlock(&partition->seam);
}

uint32_t rvw_view_partition(const rvw_view_t *view) {
    return view->partition->identity.partition;
}

uint64_t rvw_view_lsn(const rvw_view_t *view) {
    return view->sight.lsn;
}

uint32_t rvw_view_chunk_rows(const rvw_view_t *view) {
    return view->sight.chunk_rows;
}

uint32_t rvw_view_rows(const rvw_view_t *view) {
    return view->sight.rows[0];
}

uint32_t rvw_view_company_rows(const rvw_view_t *view) {
    return view->sight.rows[1];
}

uint32_t rvw_view_alive(const rvw_view_t *view, uint32_t chunk, uint8_t *out) {
    const rvw_sight_t *sight = &view->sight;
    uint32_t rows = rvw_sight_chunk_rows(sight, RVW_CONTACTS, chunk), alive = 0;
    uint32_t bytes = (sight->chunk_rows + 7) / 8, used = (rows + 7) / 8;
    const uint8_t *dead = rvw_base_dead(sight->base, chunk);
    bool holes = dead != NULL;
    memset(out, 0, bytes);
    memset(out, 0xff, rows / 8);
    if (rows & 7) {
        out[rows / 8] = (uint8_t)((1u << (rows & 7)) - 1);
    }
    for (uint32_t k = 0; dead && k < used; k++) {
        out[k] = (uint8_t)(out[k] & ~dead[k]);
    }
    for (int t = 0; t < 2; t++) {
        for (uint32_t k = 0; sight->tails[t] && k < sight->erased[t]; k++) {
            uint32_t row = rvw_new_key(&sight->tails[t]->erased, k).n;
            if (row / sight->chunk_rows == chunk) {
                row %= sight->chunk_rows;
                out[row / 8] = (uint8_t)(out[row / 8] & ~(1u << (row & 7)));
                holes = true;
            }
        }
    }
    if (!holes) { /* the usual case: nothing to count */
        return rows;
    }
    for (uint32_t k = 0; k < used; k++) {
        alive += (uint32_t)__builtin_popcount(out[k]);
    }
    return alive;
}

/* A broken piece takes the partition out of service: nobody is to rely on it. */
static rv_status_t report(const rvw_view_t *view, rv_status_t status, const rv_error_t *inner, rv_error_t *err) {
    if (status == RV_DATA_LOSS) {
        rvw_partition_fail(view->partition, inner);
    }
    if (status && err) {
        *err = *inner;
    }
    return status;
}

static const rvw_list_t *tail_list(const rvw_view_t *view, int t, uint32_t type, uint32_t chunk) {
    const rvw_tail_t *tail = view->sight.tails[t];
    return tail ? rvw_tail_find(tail, RVW_EVENTS, type, chunk) : NULL;
}

/* All blocks of a list; the last ones may be past the view. */
static uint32_t count_blocks(const rvw_list_t *list) {
    const rvw_block_t *block = list ? atomic_load_explicit(&list->first, memory_order_acquire) : NULL;
    uint32_t n = 0;
    for (; block; block = atomic_load_explicit(&block->next, memory_order_acquire)) {
        n++;
    }
    return n;
}

uint32_t rvw_view_events_max(const rvw_view_t *view, uint32_t type, uint32_t chunk) {
    uint32_t first, n = rvw_base_find(view->sight.base, RVW_EVENTS, type, chunk, &first);
    return n + count_blocks(tail_list(view, 0, type, chunk)) + count_blocks(tail_list(view, 1, type, chunk));
}

/* The first n events of a block; NULL without memory. */
static const rvw_events_t *block_events(rvw_view_t *view, const rvw_block_t *block, uint32_t n) {
    const rvw_events_t *whole = atomic_load_explicit(&block->whole, memory_order_acquire);
    if (whole && whole->n == n) {
        return whole;
    }
    rvw_events_t *events = rv_arena_alloc(&view->arena, sizeof *events);
    void *memory = rv_arena_alloc(&view->arena, rvw_block_memory(block, n) + 1);
    if (!events || !memory) {
        return NULL;
    }
    rvw_block_events(block, n, memory, events);
    return events;
}

/* Makes the visible events of a list; under the view's lock. NULL without memory. */
static const made_t *make(rvw_view_t *view, int t, const rvw_list_t *list) {
    made_t **bucket = &view->made[((uintptr_t)list >> 4) % BUCKETS];
    for (made_t *made = *bucket; made; made = made->next) {
        if (made->list == list) {
            return made;
        }
    }
    made_t *made = rv_arena_zalloc(&view->arena, 1, sizeof *made);
    const rvw_events_t **events = rv_arena_alloc(&view->arena, (count_blocks(list) + 1) * sizeof(const rvw_events_t *));
    if (!made || !events) {
        return NULL;
    }
    const rvw_block_t *block = atomic_load_explicit(&list->first, memory_order_acquire);
    uint32_t n = 0, visible;
    while (block && (visible = rvw_block_visible(view->sight.tails[t], block, view->sight.lsn)) > 0) {
        events[n] = block_events(view, block, visible);
        if (!events[n++]) {
            return NULL;
        }
        block = atomic_load_explicit(&block->next, memory_order_acquire);
    }
    *made = (made_t){*bucket, list, n, events};
    *bucket = made;
    return made;
}

rv_status_t rvw_view_events(const rvw_view_t *view, uint32_t type, uint32_t chunk, rvw_events_t *out, uint32_t *ret_n,
                            rv_error_t *err) {
    uint32_t first, n = rvw_base_find(view->sight.base, RVW_EVENTS, type, chunk, &first);
    rv_error_t inner = {0};
    for (uint32_t k = 0; k < n; k++) {
        const rvw_piece_t *piece;
        rv_status_t status = rvw_stored_piece(rvw_base_entries(view->sight.base, NULL)[first + k],
                                              view->sight.chunk_rows, &piece, &inner);
        if (status) {
            return report(view, status, &inner, err);
        }
        out[k] = piece->events;
    }
    for (int t = 0; t < 2; t++) {
        const rvw_list_t *list = tail_list(view, t, type, chunk);
        if (!list) {
            continue;
        }
        rvw_view_t *own = (rvw_view_t *)(uintptr_t)view;
        pthread_mutex_lock(&own->lock);
        const made_t *made = make(own, t, list);
        pthread_mutex_unlock(&own->lock);
        if (!made) {
            return rv_fail_memory(err, "the events of a view");
        }
        for (uint32_t k = 0; k < made->n; k++) {
            out[n++] = *made->events[k];
        }
    }
    *ret_n = n;
    return RV_OK;
}

static rv_status_t column(const rvw_view_t *view, rvw_table_t table, uint32_t attribute, uint32_t chunk,
                          rv_arena_t *arena, rvw_column_t *ret, rv_error_t *err) {
    rv_error_t inner = {0};
    rvw_column_t found;
    rv_status_t status = rvw_sight_column(&view->sight, table, attribute, chunk, NULL, arena, &found, &inner);
    if (status) {
        return report(view, status, &inner, err);
    }
    if (attribute == RVW_KEYS) {
        found.present = NULL; /* keys of erased rows that are gone read as some string; nobody asks for them */
    }
    *ret = found;
    return RV_OK;
}

rv_status_t rvw_view_attribute(const rvw_view_t *view, uint32_t attribute, uint32_t chunk, rv_arena_t *arena,
                               rvw_column_t *ret, rv_error_t *err) {
    return column(view, RVW_CONTACTS, attribute, chunk, arena, ret, err);
}

rv_status_t rvw_view_company_attribute(const rvw_view_t *view, uint32_t attribute, uint32_t chunk, rv_arena_t *arena,
                                       rvw_column_t *ret, rv_error_t *err) {
    return column(view, RVW_COMPANIES, attribute, chunk, arena, ret, err);
}

static bool find(const rvw_view_t *view, rvw_table_t table, const char *key, size_t n, uint32_t *ret_row) {
    rv_error_t inner = {0};
    uint32_t row;
    rv_status_t status =
        rvw_sight_find(&view->sight, view->partition->index[rvw_table_index(table)], table, key, n, &row, &inner);
    if (report(view, status, &inner, NULL) || row == RVW_NO_ROW) {
        return false;
    }
    *ret_row = row;
    return true;
}

bool rvw_view_find(const rvw_view_t *view, const char *key, size_t n, uint32_t *ret_row) {
    return find(view, RVW_CONTACTS, key, n, ret_row);
}

bool rvw_view_find_company(const rvw_view_t *view, const char *key, size_t n, uint32_t *ret_row) {
    return find(view, RVW_COMPANIES, key, n, ret_row);
}

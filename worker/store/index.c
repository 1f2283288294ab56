/* index.c: see index.h. A slot is the upper 32 bits of the key's hash (the lower ones chose the partition) and 1 + row.
 *
 * A walk over candidates takes the mutex for each step. When the table was replaced between two steps the walk starts
 * anew: the cursor carries the table's number, and the caller may then see a candidate again, which is harmless. */
#include "index.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
    uint32_t tag, row; /* row 0: free */
} slot_t;

struct rvw_index {
    pthread_mutex_t lock;
    slot_t *slots;
    uint32_t mask, n;
    uint32_t table; /* number of this table, from 1 */
};

static bool resize(rvw_index_t *index, uint32_t cap) {
    slot_t *fresh = calloc(cap, sizeof *fresh);
    if (!fresh) {
        return false;
    }
    for (uint32_t k = 0; index->slots && k <= index->mask; k++) {
        if (index->slots[k].row) {
            uint32_t at = index->slots[k].tag & (cap - 1);
            while (fresh[at].row) {
                at = (at + 1) & (cap - 1);
            }
            fresh[at] = index->slots[k];
        }
    }
    free(index->slots);
    index->slots = fresh;
    index->mask = cap - 1;
    index->table++;
    return true;
}

rvw_index_t *rvw_index_new(void) {
    rvw_index_t *index = calloc(1, sizeof *index);
    if (!index) {
        return NULL;
    }
    pthread_mutex_init(&index->lock, NULL);
    if (!resize(index, 64)) {
        rvw_index_destroy(&index);
    }
    return index;
}

void rvw_index_destroy(rvw_index_t **index) {
    if (*index) {
        pthread_mutex_destroy(&(*index)->lock);
        free((*index)->slots);
        free(*index);
        *index = NULL;
    }
}

static bool make_room(rvw_index_t *index, uint32_t n) {
    uint64_t cap = (uint64_t)index->mask + 1;
    while (((uint64_t)index->n + n) * 4 > cap * 3) {
        cap *= 2;
    }
    return cap == (uint64_t)index->mask + 1 || (cap <= UINT32_MAX && resize(index, (uint32_t)cap));
}

bool rvw_index_reserve(rvw_index_t *index, uint32_t n) {
    pthread_mutex_lock(&index->lock);
    bool ok = make_room(index, n);
    pthread_mutex_unlock(&index->lock);
    return ok;
}

bool rvw_index_add(rvw_index_t *index, uint64_t hash, uint32_t row) {
    pthread_mutex_lock(&index->lock);
    bool ok = make_room(index, 1);
    if (ok) {
        uint32_t tag = (uint32_t)(hash >> 32), at = tag & index->mask;
        while (index->slots[at].row) {
            at = (at + 1) & index->mask;
        }
        index->slots[at] = (slot_t){tag, row + 1};
        index->n++;
    }
    pthread_mutex_unlock(&index->lock);
    return ok;
}

/* A step from *at on; leaves it behind the candidate. */
static bool step(const rvw_index_t *index, uint32_t tag, uint32_t *at, uint32_t *ret_row) {
    uint32_t k = *at & index->mask;
    while (index->slots[k].row && index->slots[k].tag != tag) {
        k = (k + 1) & index->mask;
    }
    *at = k + 1;
    *ret_row = index->slots[k].row - 1;
    return index->slots[k].row != 0;
}

bool rvw_index_next(rvw_index_t *index, uint64_t hash, uint64_t *cursor, uint32_t *ret_row) {
    uint32_t tag = (uint32_t)(hash >> 32), row;
    pthread_mutex_lock(&index->lock);
    uint32_t at = *cursor >> 32 == index->table ? (uint32_t)*cursor : tag;
    bool found = step(index, tag, &at, &row);
    if (found) {
        *ret_row = row;
        *cursor = (uint64_t)index->table << 32 | at;
    }
    pthread_mutex_unlock(&index->lock);
    return found;
}

bool rvw_index_mine(const rvw_index_t *index, uint64_t hash, uint64_t *cursor, uint32_t *ret_row) {
    uint32_t tag = (uint32_t)(hash >> 32), at = *cursor ? (uint32_t)*cursor : tag;
    bool found = step(index, tag, &at, ret_row);
    *cursor = (uint64_t)1 << 32 | at;
    return found;
}

void rvw_index_prefetch(const rvw_index_t *index, uint64_t hash) {
    __builtin_prefetch(&index->slots[(uint32_t)(hash >> 32) & index->mask]);
}

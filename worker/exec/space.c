/* space.c: see space.h.
 *
 * Blocks of growing size in an array; taking moves on in the current block, or to the first later block that is large
 * enough. Blocks in front of the current one may have room left at their end: it is not used again before a release.
 * Owned by one thread. Failure: NULL, nothing changed.
 */
#include "space.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define RVW_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RVW_POISON 1
#endif
#endif
#ifdef RVW_POISON
#include <sanitizer/asan_interface.h>
#define GAP 64u
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define GAP 0u
#endif

#define ALIGN 64u
#define FIRST_BLOCK ((size_t)1 << 18)
#define MAX_BLOCKS 64u

typedef struct {
    char *p;
    size_t cap;
} block_t;

struct rvw_space {
    block_t blocks[MAX_BLOCKS];
    uint32_t n_blocks, current;
    size_t used, held, budget;
};

rvw_space_t *rvw_space_new(size_t budget) {
    rvw_space_t *space = calloc(1, sizeof *space);
    if (space)
        space->budget = budget;
    return space;
}

void rvw_space_destroy(rvw_space_t **space) {
    if (!space || !*space)
        return;
    rvw_space_reset(*space, 0);
    free(*space);
    *space = NULL;
}

/* Makes the current block one with `n` bytes free behind an aligned start; false without memory. */
static int make_room(rvw_space_t *space, size_t n) {
    for (uint32_t i = space->n_blocks ? space->current + 1 : 0; i < space->n_blocks; i++)
        if (space->blocks[i].cap >= n) {
            block_t found = space->blocks[i];
            memmove(space->blocks + space->current + 2, space->blocks + space->current + 1,
                    (i - space->current - 1) * sizeof found);
            space->blocks[++space->current] = found;
            space->used = 0;
            return 1;
        }
    size_t cap = space->n_blocks ? space->blocks[space->n_blocks - 1].cap * 2 : FIRST_BLOCK;
    if (cap > (size_t)64 << 20)
        cap = (size_t)64 << 20;
    if (cap < n)
        cap = (n + ALIGN - 1) / ALIGN * ALIGN;
    if (space->n_blocks == MAX_BLOCKS || cap > space->budget - space->held)
        return 0;
    char *p = aligned_alloc(ALIGN, cap);
    if (!p)
        return 0;
    ASAN_POISON_MEMORY_REGION(p, cap);
    uint32_t at = space->n_blocks ? space->current + 1 : 0;
    memmove(space->blocks + at + 1, space->blocks + at, (space->n_blocks - at) * sizeof(block_t));
    space->blocks[at] = (block_t){p, cap};
    space->n_blocks++;
    space->current = at;
    space->used = 0;
    space->held += cap;
    return 1;
}

static char *take(rvw_space_t *space, size_t n, size_t align) {
    if (n > space->budget)
        return NULL;
    size_t need = n + GAP;
    size_t at = space->n_blocks ? (space->used + align - 1) / align * align : 0;
    if (!space->n_blocks || at > space->blocks[space->current].cap || space->blocks[space->current].cap - at < need) {
        if (!make_room(space, need))
            return NULL;
        at = 0;
    }
    char *p = space->blocks[space->current].p + at;
    space->used = at + need;
    ASAN_UNPOISON_MEMORY_REGION(p, n);
    return p;
}

void *rvw_space_take(rvw_space_t *space, size_t count, size_t size) {
    size_t n;
    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    return take(space, n, ALIGN);
}

void *rvw_space_zero(rvw_space_t *space, size_t count, size_t size) {
    void *p = rvw_space_take(space, count, size);
    if (p)
        memset(p, 0, count * size);
    return p;
}

char *rvw_space_bytes(rvw_space_t *space, size_t n) {
    return take(space, n, 1);
}

rvw_space_mark_t rvw_space_mark(const rvw_space_t *space) {
    return (rvw_space_mark_t){space->current, space->used};
}

void rvw_space_release(rvw_space_t *space, rvw_space_mark_t mark) {
    for (uint32_t i = mark.block; i < space->n_blocks && i <= space->current; i++) {
        size_t from = i == mark.block ? mark.used : 0;
        ASAN_POISON_MEMORY_REGION(space->blocks[i].p + from, space->blocks[i].cap - from);
    }
    space->current = mark.block;
    space->used = mark.used;
}

void rvw_space_reset(rvw_space_t *space, size_t keep) {
    rvw_space_release(space, (rvw_space_mark_t){0, 0});
    while (space->n_blocks && space->held > keep) {
        block_t *last = &space->blocks[--space->n_blocks];
        ASAN_UNPOISON_MEMORY_REGION(last->p, last->cap);
        space->held -= last->cap;
        free(last->p);
    }
}

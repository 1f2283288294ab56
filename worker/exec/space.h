/* space.h: work space of a thread: memory taken in a stack-like way and kept between tasks.
 *
 * A mark remembers how much is taken; release gives back everything taken after it. Blocks stay allocated, so that a
 * worker that runs like queries allocates nothing. Under AddressSanitizer what is not taken is poisoned. Not thread
 * safe.
 */
#ifndef REVEILLE_WORKER_SPACE_H
#define REVEILLE_WORKER_SPACE_H

#include <stddef.h>
#include <stdint.h>

typedef struct rvw_space rvw_space_t;
typedef struct {
    uint32_t block;
    size_t used;
} rvw_space_mark_t;

/* NULL without memory. At most `budget` bytes are held at once. */
rvw_space_t *rvw_space_new(size_t budget);
void rvw_space_destroy(rvw_space_t **space);
/* 64-byte aligned, not zeroed; NULL past the budget or without memory. Zero bytes give a valid pointer. */
void *rvw_space_take(rvw_space_t *space, size_t count, size_t size);
/* The same, zeroed. */
void *rvw_space_zero(rvw_space_t *space, size_t count, size_t size);
/* Bytes without alignment, for strings. */
char *rvw_space_bytes(rvw_space_t *space, size_t n);
rvw_space_mark_t rvw_space_mark(const rvw_space_t *space);
void rvw_space_release(rvw_space_t *space, rvw_space_mark_t mark);
/* Gives everything back and frees the blocks that hold more than `keep` bytes in sum. */
void rvw_space_reset(rvw_space_t *space, size_t keep);

#endif

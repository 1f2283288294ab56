/* heap.c: glibc's malloc, told not to learn.
 *
 * By default glibc raises its thresholds with every large block that is freed, up to 32 MiB (mmap) and 64 MiB (trim):
 * after the first flush every arena may keep that much for good, and LMDB's list of dirty pages (2 MiB a partition,
 * almost never touched) comes zeroed from the heap instead of untouched from the kernel. Fixed thresholds end that:
 * large blocks are mappings of their own, and an arena keeps at most TRIM_BYTES at its end. Less than that costs time:
 * the memory of a query would go back and forth with every query. */
#include "reveille/heap.h"
#include <malloc.h>

#define MMAP_BYTES (256 << 10) /* a block of this size is a mapping of its own */
#define TRIM_BYTES (1 << 20)   /* free bytes at the end of an arena from which on it shrinks */

void rv_heap_bound(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
#endif
}

void rv_heap_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

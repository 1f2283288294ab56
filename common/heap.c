/* heap.c: glibc's malloc, told not to learn.
 *
 * By default glibc raises its thresholds with every large block that is freed, up to 32 MiB (mmap) and 64 MiB (trim):
 * after the first flush every arena may keep that much for good, and LMDB's list of dirty pages (2 MiB a partition,
 * almost never touched) comes zeroed from the heap instead of untouched from the kernel. Fixed thresholds end that:
 * large blocks are mappings of their own, and an arena keeps little at its end. Too little costs time: the memory of a
 * query, or of a batch, would go back and forth with every one. */
#include "reveille/heap.h"
#include <malloc.h>

void rv_heap_bound(int block, int rest) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, block);
    mallopt(M_TRIM_THRESHOLD, rest);
#else
    (void)block;
    (void)rest;
#endif
}

void rv_heap_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* test_heap.c: what the thresholds of malloc do. A sanitizer has a malloc of its own: the tests are skipped then. */
#include "reveille/heap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define BLOCKS 32
#define BLOCK ((size_t)100 << 10) /* less than a mapping of its own */
#define PAGE ((uintptr_t)4096)

static int bounded(void **state) {
    (void)state;
    rv_heap_bound(256 << 10, 1 << 20);
    return 0;
}

static void a_large_block_that_was_freed_teaches_malloc_nothing(void **state) {
    (void)state;
    if (SANITIZED)
        skip();
    void *large = malloc((size_t)16 << 20);
    assert_non_null(large);
    free(large); /* by default blocks of up to 16 MiB would come from the heap from now on */
    size_t before = mallinfo2().hblks;
    void *block = malloc((size_t)1 << 20);
    assert_non_null(block);
    assert_int_equal(mallinfo2().hblks, before + 1);
    free(block);
    assert_int_equal(mallinfo2().hblks, before);
}

/* A page in the middle of a block. */
static uintptr_t middle(const unsigned char *block) {
    return ((uintptr_t)block + BLOCK / 2) & ~(PAGE - 1);
}

static bool resident(uintptr_t page) {
    unsigned char in_core = 0;
    assert_int_equal(mincore((void *)page, PAGE, &in_core), 0);
    return in_core & 1;
}

static void free_pages_between_used_blocks_are_given_back(void **state) {
    (void)state;
    if (SANITIZED)
        skip();
    unsigned char *blocks[BLOCKS];
    uintptr_t pages[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, BLOCK);
        pages[i] = middle(blocks[i]);
        assert_true(resident(pages[i]));
    }
    for (int i = 0; i < BLOCKS; i += 2)
        free(blocks[i]); /* the blocks between them keep the heap from shrinking */
    rv_heap_trim();
    for (int i = 0; i < BLOCKS; i += 2)
        assert_false(resident(pages[i]));
    for (int i = 1; i < BLOCKS; i += 2) {
        assert_true(resident(pages[i]));
        assert_int_equal(blocks[i][BLOCK - 1], 1);
        free(blocks[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_block_that_was_freed_teaches_malloc_nothing),
        cmocka_unit_test(free_pages_between_used_blocks_are_given_back),
    };
    return cmocka_run_group_tests(tests, bounded, NULL);
}

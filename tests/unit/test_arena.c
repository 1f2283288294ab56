/* test_arena.c: alignment, budget, reuse. */
#include "reveille/arena.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void pointers_are_aligned_and_apart(void **state) {
    (void)state;
    rv_arena_t arena;
    rv_arena_init(&arena, 1 << 20);
    unsigned char *before = NULL;
    for (size_t n = 0; n < 3000; n += 7) {
        unsigned char *p = rv_arena_alloc(&arena, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_ptr_not_equal(p, before);
        memset(p, 0xaa, n);
        before = p;
    }
    rv_arena_done(&arena);
}

static void the_budget_is_hard(void **state) {
    (void)state;
    rv_arena_t arena;
    rv_arena_init(&arena, 100);
    assert_non_null(rv_arena_alloc(&arena, 64));
    assert_null(rv_arena_alloc(&arena, 64));
    assert_non_null(rv_arena_alloc(&arena, 32));
    assert_null(rv_arena_alloc(&arena, 1));
    assert_null(rv_arena_alloc(&arena, SIZE_MAX));
    assert_null(rv_arena_zalloc(&arena, SIZE_MAX / 2, 3));
    rv_arena_done(&arena);
}

static void reset_gives_the_budget_back(void **state) {
    (void)state;
    rv_arena_t arena;
    rv_arena_init(&arena, 1 << 16);
    for (int round = 0; round < 100; round++) {
        assert_non_null(rv_arena_alloc(&arena, 60000));
        assert_null(rv_arena_alloc(&arena, 60000));
        rv_arena_reset(&arena);
    }
    rv_arena_done(&arena);
}

static void copies_end_with_a_nul(void **state) {
    (void)state;
    rv_arena_t arena;
    rv_arena_init(&arena, 1 << 16);
    assert_string_equal(rv_arena_strndup(&arena, "segment", 3), "seg");
    assert_string_equal(rv_arena_strndup(&arena, NULL, 0), "");
    uint64_t *zeros = rv_arena_zalloc(&arena, 100, sizeof *zeros);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeros[i], 0);
    rv_arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointers_are_aligned_and_apart),
        cmocka_unit_test(the_budget_is_hard),
        cmocka_unit_test(reset_gives_the_budget_back),
        cmocka_unit_test(copies_end_with_a_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

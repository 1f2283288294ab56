/* Memory of tails: what is taken does not overlap, what is given back is taken again, and what nobody uses goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/slabs.h"

#define REGION ((size_t)2 << 20)
#define UNIT ((size_t)16 << 10)
#define HELD 300u

typedef struct {
    unsigned char *p;
    size_t n;
    unsigned char fill;
} held_t;

static void fill(held_t *held, rvw_slabs_t *slabs, size_t n, unsigned char with) {
    *held = (held_t){rvw_slabs_take(slabs, n), n, with};
    assert_non_null(held->p);
    assert_int_equal((uintptr_t)held->p % 16, 0);
    memset(held->p, with, n);
}

static void give(held_t *held, rvw_slabs_t *slabs) {
    for (size_t i = 0; i < held->n; i++) {
        if (held->p[i] != held->fill) {
            fail_msg("byte %zu of %zu was overwritten", i, held->n);
        }
    }
    rvw_slabs_give(slabs, held->p, held->n);
    held->p = NULL;
}

static void pieces_of_all_sizes_do_not_overlap(void **state) {
    (void)state;
    static const size_t sizes[] = {0,        1,          UNIT - 1,   UNIT,   UNIT + 1,
                                   3 * UNIT, REGION / 2, REGION - 1, REGION, REGION + 1};
    rvw_slabs_t *slabs = rvw_slabs_new();
    held_t held[HELD] = {{0}};
    uint32_t random = 7;
    for (uint32_t step = 0; step < 3000; step++) {
        random = random * 1664525u + 1013904223u;
        held_t *at = &held[(random >> 8) % HELD];
        if (at->p) {
            give(at, slabs);
        } else if ((random >> 4) % 8 == 0) {
            fill(at, slabs, sizes[(random >> 20) % (sizeof sizes / sizeof *sizes)], (unsigned char)step);
        } else {
            fill(at, slabs, (random >> 20) % (6 * UNIT), (unsigned char)step);
        }
    }
    for (uint32_t k = 0; k < HELD; k++) {
        if (held[k].p) {
            give(&held[k], slabs);
        }
    }
    rvw_slabs_trim(slabs);
    assert_int_equal(rvw_slabs_bytes(slabs), 0);
    rvw_slabs_destroy(&slabs);
    assert_null(slabs);
}

static void a_region_is_used_to_its_end_and_again(void **state) {
    (void)state;
    rvw_slabs_t *slabs = rvw_slabs_new();
    void *units[REGION / UNIT];
    for (size_t k = 0; k < REGION / UNIT; k++) {
        units[k] = rvw_slabs_take(slabs, UNIT);
        assert_non_null(units[k]);
    }
    assert_int_equal(rvw_slabs_bytes(slabs), REGION);
    rvw_slabs_give(slabs, units[64], UNIT);
    rvw_slabs_give(slabs, units[63], UNIT);
    assert_ptr_equal(rvw_slabs_take(slabs, UNIT + 1), units[63]); /* across the words of the bitmap */
    assert_int_equal(rvw_slabs_bytes(slabs), REGION);
    void *more = rvw_slabs_take(slabs, 2 * UNIT);
    assert_int_equal(rvw_slabs_bytes(slabs), 2 * REGION);
    rvw_slabs_give(slabs, more, 2 * UNIT);
    rvw_slabs_trim(slabs);
    assert_int_equal(rvw_slabs_bytes(slabs), REGION);
    rvw_slabs_give(slabs, units[63], UNIT + 1);
    for (size_t k = 0; k < REGION / UNIT; k++) {
        if (k != 63 && k != 64) {
            rvw_slabs_give(slabs, units[k], UNIT);
        }
    }
    assert_int_equal(rvw_slabs_bytes(slabs), REGION);
    void *whole = rvw_slabs_take(slabs, REGION);
    assert_int_equal(rvw_slabs_bytes(slabs), REGION);
    rvw_slabs_give(slabs, whole, REGION);
    rvw_slabs_trim(slabs);
    assert_int_equal(rvw_slabs_bytes(slabs), 0);
    rvw_slabs_destroy(&slabs);
}

/* The next change takes over what the last one used; a large one is not kept, nor one after a trim. */
static void a_workspace_is_used_again(void **state) {
    (void)state;
    rvw_slabs_t *slabs = rvw_slabs_new();
    rvw_workspace_t *first = rvw_slabs_borrow(slabs), *second = rvw_slabs_borrow(slabs);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    rvw_workspace_t *kept = first;
    rvw_slabs_return(slabs, &first);
    rvw_slabs_return(slabs, &second); /* there is one already */
    assert_null(first);
    first = rvw_slabs_borrow(slabs);
    assert_ptr_equal(first, kept);
    for (size_t n = 100; n <= 1000000; n *= 10) {
        memset(rvw_workspace_block(first, n), 7, n);
        memset(rv_arena_alloc(&first->scratch, n), 7, n);
    }
    rvw_workspace_clear(first);
    assert_int_equal(first->scratch.total, 0);
    const void *place = rv_arena_alloc(&first->scratch, 1111100); /* all that was in it, in one piece */
    rvw_workspace_clear(first);
    assert_ptr_equal(rv_arena_alloc(&first->scratch, 1111100), place);
    assert_true(rvw_workspace_bytes(first) >= 2111100);
    rvw_slabs_return(slabs, &first);
    rvw_slabs_trim(slabs);
    first = rvw_slabs_borrow(slabs);
    assert_int_equal(rvw_workspace_bytes(first), 0);
    assert_non_null(rvw_workspace_block(first, (size_t)65 << 20));
    rvw_slabs_return(slabs, &first);
    first = rvw_slabs_borrow(slabs);
    assert_int_equal(rvw_workspace_bytes(first), 0);
    rvw_slabs_return(slabs, &first);
    rvw_slabs_destroy(&slabs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_all_sizes_do_not_overlap),
        cmocka_unit_test(a_region_is_used_to_its_end_and_again),
        cmocka_unit_test(a_workspace_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

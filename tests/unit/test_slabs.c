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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_all_sizes_do_not_overlap),
        cmocka_unit_test(a_region_is_used_to_its_end_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

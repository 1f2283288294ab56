/* A value of the log: what was packed comes back; a directory that does not hold is refused whole, a record alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/group.h"

#define MOST 40u
#define SEED 77u

typedef struct {
    rvw_record_t records[MOST];
    uint8_t *value;
    size_t n, size;
} packed_t;

/* n records of 0 to 63 bytes. */
static packed_t pack(size_t n) {
    packed_t packed = {.n = n};
    for (size_t i = 0; i < n; i++) {
        uint8_t *bytes = malloc(64);
        memset(bytes, (int)(i * 7 + 1), 64);
        packed.records[i] = (rvw_record_t){(uint32_t)(i % 5), i + 1, bytes, i * 29 % 64, 0};
    }
    packed.size = rvw_group_bytes(packed.records, n);
    packed.value = malloc(packed.size + 1);
    rvw_group_pack(packed.records, n, SEED, packed.value);
    packed.value[packed.size] = 0;
    return packed;
}

static void drop(packed_t *packed) {
    for (size_t i = 0; i < packed->n; i++) {
        free((void *)(uintptr_t)packed->records[i].bytes);
    }
    free(packed->value);
}

static void what_was_packed_comes_back(void **state) {
    (void)state;
    for (size_t n = 0; n <= MOST; n++) {
        packed_t packed = pack(n);
        rvw_group_t group;
        rvw_record_t record;
        assert_true(rvw_group_open(packed.value, packed.size, SEED, &group));
        for (size_t i = 0; i < n; i++) {
            assert_true(rvw_group_next(&group, &record));
            assert_int_equal(record.partition, packed.records[i].partition);
            assert_int_equal(record.lsn, packed.records[i].lsn);
            assert_int_equal(record.n, packed.records[i].n);
            assert_memory_equal(record.bytes, packed.records[i].bytes, record.n);
            assert_true(rvw_record_sound(&record));
        }
        assert_false(rvw_group_next(&group, &record));
        drop(&packed);
    }
}

static void another_length_or_seed_is_refused(void **state) {
    (void)state;
    packed_t packed = pack(9);
    rvw_group_t group;
    for (size_t n = 0; n <= packed.size + 1; n++) {
        assert_int_equal(rvw_group_open(packed.value, n, SEED, &group), n == packed.size);
    }
    assert_false(rvw_group_open(packed.value, packed.size, SEED + 1, &group));
    drop(&packed);
}

/* Every bit of the directory makes the whole unsound, every bit of a record that record. */
static void a_bit_is_noticed_where_it_is(void **state) {
    (void)state;
    packed_t packed = pack(6);
    const size_t directory = packed.size - (0 + 29 + 58 + 23 + 52 + 17);
    for (size_t bit = 0; bit < packed.size * 8; bit++) {
        rvw_group_t group;
        rvw_record_t record;
        packed.value[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool open = rvw_group_open(packed.value, packed.size, SEED, &group);
        assert_int_equal(open, bit / 8 >= directory);
        while (open && rvw_group_next(&group, &record)) {
            const uint8_t *at = packed.value + bit / 8;
            assert_int_equal(rvw_record_sound(&record), at < record.bytes || at >= record.bytes + record.n);
        }
        packed.value[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    drop(&packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(another_length_or_seed_is_refused),
        cmocka_unit_test(a_bit_is_noticed_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

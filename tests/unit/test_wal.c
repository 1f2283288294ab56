/* The log: what was appended comes back in order, exactly, until it is trimmed; damage is told from absence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/wal.h"
#include "store_world.h"

typedef struct {
    char dir[256];
    rvw_wal_t *wal;
} fixture_t;

static int open_log(void **state) {
    fixture_t *fixture = calloc(1, sizeof *fixture);
    rv_error_t err;
    world_make_dir(fixture->dir);
    assert_int_equal(rvw_wal_open(fixture->dir, true, &fixture->wal, &err), RV_OK);
    *state = fixture;
    return 0;
}

static int close_log(void **state) {
    fixture_t *fixture = *state;
    rvw_wal_close(&fixture->wal);
    world_remove_dir(fixture->dir);
    free(fixture);
    return 0;
}

/* The bytes of record (partition, lsn): length and content follow from both. */
static size_t fill(uint32_t partition, uint64_t lsn, uint8_t *out) {
    size_t n = (size_t)(lsn % 5) * 3000 + partition;
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(lsn * 31 + partition * 7 + i);
    }
    return n;
}

static void append(rvw_wal_t *wal, uint32_t partition, uint64_t first, uint64_t last) {
    rvw_record_t records[64];
    static uint8_t bytes[64][16384];
    rv_error_t err;
    size_t n = 0;
    if (rvw_wal_next(wal, partition) != partition) {
        assert_int_equal(rvw_wal_adopt(wal, partition, first - 1, &err), RV_OK);
    }
    for (uint64_t lsn = first; lsn <= last; lsn++, n++) {
        records[n] = (rvw_record_t){partition, lsn, bytes[n], fill(partition, lsn, bytes[n]), 0};
    }
    assert_int_equal(rvw_wal_append(wal, records, n, &err), RV_OK);
}

typedef struct {
    uint32_t partition;
    uint64_t next, stop_at;
} expect_t;

static rv_status_t each(void *context, const rvw_record_t *record, rv_error_t *err) {
    expect_t *expect = context;
    uint8_t bytes[16384];
    if (record->lsn == expect->stop_at) {
        return rv_fail(err, RV_REASON_BUSY, "enough");
    }
    assert_int_equal(record->partition, expect->partition);
    assert_int_equal(record->lsn, expect->next++);
    assert_int_equal(record->n, fill(record->partition, record->lsn, bytes));
    assert_memory_equal(record->bytes, bytes, record->n);
    return RV_OK;
}

static void expect_range(rvw_wal_t *wal, uint32_t partition, uint64_t after, uint64_t first, uint64_t end) {
    expect_t expect = {partition, first, UINT64_MAX};
    rv_error_t err = {0};
    if (rvw_wal_replay(wal, partition, after, each, &expect, &err) != RV_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(expect.next, end);
}

static void reopen(fixture_t *fixture) {
    rv_error_t err;
    rvw_wal_close(&fixture->wal);
    assert_int_equal(rvw_wal_open(fixture->dir, true, &fixture->wal, &err), RV_OK);
}

static void records_come_back_by_partition_in_order(void **state) {
    fixture_t *fixture = *state;
    append(fixture->wal, 3, 1, 10);
    append(fixture->wal, 1, 1, 9);
    append(fixture->wal, 2, 1, 1);
    append(fixture->wal, 3, 11, 40);
    for (int round = 0; round < 2; round++) {
        expect_range(fixture->wal, 1, 0, 1, 10);
        expect_range(fixture->wal, 1, 7, 8, 10);
        expect_range(fixture->wal, 2, 0, 1, 2);
        expect_range(fixture->wal, 3, 0, 1, 41);
        expect_range(fixture->wal, 3, 40, 41, 41);
        expect_range(fixture->wal, 0, 0, 0, 0);
        reopen(fixture);
    }
}

static void a_replay_stops_at_the_first_error(void **state) {
    fixture_t *fixture = *state;
    expect_t expect = {1, 1, 4};
    rv_error_t err;
    append(fixture->wal, 1, 1, 10);
    assert_int_equal(rvw_wal_replay(fixture->wal, 1, 0, each, &expect, &err), RV_RESOURCE_EXHAUSTED);
    assert_int_equal(expect.next, 4);
}

static void trimming_removes_up_to_an_lsn_of_one_partition(void **state) {
    fixture_t *fixture = *state;
    rv_error_t err;
    append(fixture->wal, 1, 1, 50);
    append(fixture->wal, 2, 1, 50);
    assert_int_equal(rvw_wal_trim(fixture->wal, 1, 0, &err), RV_OK);
    expect_range(fixture->wal, 1, 0, 1, 51);
    assert_int_equal(rvw_wal_trim(fixture->wal, 1, 30, &err), RV_OK);
    reopen(fixture);
    expect_range(fixture->wal, 1, 30, 31, 51);
    expect_range(fixture->wal, 2, 0, 1, 51);
    assert_int_equal(rvw_wal_trim(fixture->wal, 1, UINT64_MAX, &err), RV_OK);
    expect_range(fixture->wal, 1, 50, 51, 51);
    expect_range(fixture->wal, 2, 0, 1, 51);
    assert_int_equal(rvw_wal_trim(fixture->wal, 2, UINT64_MAX, &err), RV_OK);
    expect_range(fixture->wal, 2, 50, 51, 51);
    append(fixture->wal, 1, 51, 60);
    expect_range(fixture->wal, 1, 50, 51, 61);
}

static void expect_apart(rvw_wal_t *wal, uint32_t partition, uint64_t after, const char *what) {
    expect_t expect = {partition, after + 1, UINT64_MAX};
    rv_error_t err = {0};
    assert_int_equal(rvw_wal_replay(wal, partition, after, each, &expect, &err), RV_DATA_LOSS);
    if (!strstr(err.message, what)) {
        fail_msg("%s", err.message);
    }
}

/* Partition and log must be of the same time: neither may know more than the other lets it. */
static void an_older_log_or_partition_is_told(void **state) {
    fixture_t *fixture = *state;
    rv_error_t err;
    append(fixture->wal, 1, 1, 50);
    append(fixture->wal, 2, 3, 9);
    expect_apart(fixture->wal, 1, 51, "the log is older");
    expect_apart(fixture->wal, 3, 1, "the log is older");
    expect_apart(fixture->wal, 2, 1, "write 2 is not in the log");
    expect_range(fixture->wal, 2, 2, 3, 10);
    assert_int_equal(rvw_wal_trim(fixture->wal, 1, 30, &err), RV_OK);
    expect_apart(fixture->wal, 1, 29, "write 30 is not in the log");
    assert_int_equal(rvw_wal_trim(fixture->wal, 1, 50, &err), RV_OK);
    for (int round = 0; round < 3; round++) {
        expect_apart(fixture->wal, 1, 49, "write 50 is not in the log, which ends at 50");
        expect_apart(fixture->wal, 1, 0, "write 1 is not in the log");
        expect_apart(fixture->wal, 1, 51, "the log is older");
        expect_range(fixture->wal, 1, 50, 51, 51);
        if (round == 0) {
            assert_int_equal(rvw_wal_compact(fixture->wal, &err), RV_OK);
        } else {
            reopen(fixture);
        }
    }
    append(fixture->wal, 1, 51, 52);
    append(fixture->wal, 1, 54, 60);
    expect_apart(fixture->wal, 1, 50, "write 53 is not in the log");
}

static void partitions_come_and_go(void **state) {
    fixture_t *fixture = *state;
    rv_error_t err;
    assert_int_equal(rvw_wal_next(fixture->wal, 0), UINT32_MAX);
    assert_int_equal(rvw_wal_adopt(fixture->wal, 7, 20, &err), RV_OK);
    append(fixture->wal, 3, 1, 2);
    expect_range(fixture->wal, 7, 20, 21, 21);
    append(fixture->wal, 7, 21, 22);
    expect_range(fixture->wal, 7, 20, 21, 23);
    static const uint32_t first[] = {0, 3, 4, 7, 8}, found[] = {3, 3, 7, 7, UINT32_MAX};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rvw_wal_next(fixture->wal, first[i]), found[i]);
    }
    assert_int_equal(rvw_wal_trim(fixture->wal, 7, 22, &err), RV_OK);
    assert_int_equal(rvw_wal_next(fixture->wal, 4), 7);
    assert_int_equal(rvw_wal_release(fixture->wal, 7, &err), RV_OK);
    assert_int_equal(rvw_wal_next(fixture->wal, 4), UINT32_MAX);
}

static void the_mark_is_kept(void **state) {
    fixture_t *fixture = *state;
    rvw_wal_mark_t mark = {1, 1};
    rv_error_t err;
    mark = rvw_wal_get_mark(fixture->wal);
    assert_true(mark.id == 0 && mark.stamp == 0);
    mark = (rvw_wal_mark_t){77, 3};
    assert_int_equal(rvw_wal_set_mark(fixture->wal, &mark, &err), RV_OK);
    assert_int_equal(rvw_wal_compact(fixture->wal, &err), RV_OK);
    reopen(fixture);
    mark = (rvw_wal_mark_t){0, 0};
    mark = rvw_wal_get_mark(fixture->wal);
    assert_true(mark.id == 77 && mark.stamp == 3);
    assert_int_equal(rvw_wal_next(fixture->wal, 0), UINT32_MAX);
}

static void a_log_that_is_gone_is_not_made_anew(void **state) {
    fixture_t *fixture = *state;
    char path[300];
    rv_error_t err;
    append(fixture->wal, 1, 1, 4);
    rvw_wal_close(&fixture->wal);
    snprintf(path, sizeof path, "%s/data.mdb", fixture->dir);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rvw_wal_open(fixture->dir, false, &fixture->wal, &err), RV_NOT_FOUND);
    assert_int_equal(rvw_wal_open(fixture->dir, false, &fixture->wal, &err), RV_NOT_FOUND);
    assert_int_equal(rvw_wal_open(fixture->dir, true, &fixture->wal, &err), RV_OK);
}

static void a_compacted_log_holds_no_trace_of_trimmed_records(void **state) {
    fixture_t *fixture = *state;
    static const char secret[] = "anna@secret.example";
    rvw_record_t record = {1, 1, (const uint8_t *)secret, sizeof secret, 0};
    rv_error_t err;
    assert_int_equal(rvw_wal_append(fixture->wal, &record, 1, &err), RV_OK);
    append(fixture->wal, 2, 1, 20);
    assert_int_equal(rvw_wal_trim(fixture->wal, 1, 1, &err), RV_OK);
    assert_true(world_grep(fixture->dir, secret, sizeof secret));
    assert_int_equal(rvw_wal_compact(fixture->wal, &err), RV_OK);
    assert_false(world_grep(fixture->dir, secret, sizeof secret));
    expect_range(fixture->wal, 2, 0, 1, 21);
    append(fixture->wal, 2, 21, 30);
    reopen(fixture);
    expect_range(fixture->wal, 2, 0, 1, 31);
}

static void a_second_owner_is_refused(void **state) {
    fixture_t *fixture = *state;
    rvw_wal_t *second = NULL;
    rv_error_t err;
    assert_int_equal(rvw_wal_open(fixture->dir, true, &second, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(err.reason, RV_REASON_FOREIGN);
    assert_null(second);
    assert_int_equal(rvw_wal_open("/nowhere/at/all", true, &second, &err), RV_NOT_FOUND);
}

static void a_damaged_record_is_named(void **state) {
    fixture_t *fixture = *state;
    char path[300];
    expect_t expect = {1, 1, UINT64_MAX};
    rv_error_t err = {0};
    uint8_t bytes[16384];
    append(fixture->wal, 1, 1, 4);
    rvw_wal_close(&fixture->wal);
    snprintf(path, sizeof path, "%s/data.mdb", fixture->dir);
    FILE *f = fopen(path, "r+b");
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f), n = fill(1, 3, bytes);
    char *all = malloc(size);
    rewind(f);
    assert_int_equal(fread(all, 1, size, f), size);
    char *at = memmem(all, size, bytes, n);
    assert_non_null(at);
    fseek(f, at - all + 100, SEEK_SET);
    fputc(at[100] ^ 4, f);
    fclose(f);
    free(all);
    assert_int_equal(rvw_wal_open(fixture->dir, true, &fixture->wal, &err), RV_OK);
    assert_int_equal(rvw_wal_replay(fixture->wal, 1, 0, each, &expect, &err), RV_DATA_LOSS);
    assert_non_null(strstr(err.message, "record 3 of partition 1"));
    assert_int_equal(expect.next, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(records_come_back_by_partition_in_order),
        TEST(a_replay_stops_at_the_first_error),
        TEST(trimming_removes_up_to_an_lsn_of_one_partition),
        TEST(a_compacted_log_holds_no_trace_of_trimmed_records),
        TEST(a_second_owner_is_refused),
        TEST(a_damaged_record_is_named),
        TEST(an_older_log_or_partition_is_told),
        TEST(partitions_come_and_go),
        TEST(the_mark_is_kept),
        TEST(a_log_that_is_gone_is_not_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

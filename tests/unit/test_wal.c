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

#define SECRET "anna@secret.example"

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

static bool secret_on_disk(const fixture_t *fixture) {
    return world_grep(fixture->dir, SECRET, sizeof SECRET);
}

static void a_compacted_log_holds_no_trace_of_trimmed_records(void **state) {
    fixture_t *fixture = *state;
    uint8_t other[16384];
    rv_error_t err;
    append(fixture->wal, 1, 1, 1);
    append(fixture->wal, 2, 1, 20);
    /* With another partition's record between, which keeps the group. */
    rvw_record_t records[] = {{1, 2, (const uint8_t *)SECRET, sizeof SECRET, 0},
                              {2, 21, other, fill(2, 21, other), 0},
                              {1, 3, (const uint8_t *)SECRET, sizeof SECRET, 0}};
    assert_int_equal(rvw_wal_append(fixture->wal, records, 3, &err), RV_OK);
    assert_int_equal(rvw_wal_trim(fixture->wal, 1, 3, &err), RV_OK);
    assert_true(secret_on_disk(fixture));
    assert_int_equal(rvw_wal_compact(fixture->wal, &err), RV_OK);
    assert_false(secret_on_disk(fixture));
    for (int round = 0; round < 2; round++) {
        expect_range(fixture->wal, 2, 0, 1, 22);
        expect_range(fixture->wal, 1, 3, 4, 4);
        reopen(fixture);
    }
    append(fixture->wal, 2, 22, 30);
    append(fixture->wal, 1, 4, 6);
    reopen(fixture);
    expect_range(fixture->wal, 2, 0, 1, 31);
    expect_range(fixture->wal, 1, 3, 4, 7);
}

/* What a log would need if trimmed groups were kept, or if one value a record took a page. */
static uint64_t disk_bytes(const fixture_t *fixture) {
    char path[300];
    struct stat file;
    snprintf(path, sizeof path, "%s/data.mdb", fixture->dir);
    assert_int_equal(stat(path, &file), 0);
    return (uint64_t)file.st_size;
}

static void groups_go_with_the_last_of_their_records(void **state) {
    fixture_t *fixture = *state;
    rv_error_t err;
    uint64_t early = 0;
    for (uint64_t lsn = 1; lsn <= 2000; lsn++) {
        append(fixture->wal, 1, lsn, lsn);
        append(fixture->wal, 2, lsn, lsn);
        if (lsn % 10 == 0) {
            assert_int_equal(rvw_wal_trim(fixture->wal, 1 + (lsn / 10) % 2, lsn - 5, &err), RV_OK);
        }
        if (lsn == 200) {
            early = disk_bytes(fixture);
        }
    }
    assert_true(disk_bytes(fixture) <= 2 * early);
    expect_range(fixture->wal, 1, 1995, 1996, 2001);
    expect_range(fixture->wal, 2, 1985, 1986, 2001);
}

/* Records that the log still has of an earlier stay are nobody's. */
static void a_partition_that_comes_back_has_only_its_new_records(void **state) {
    fixture_t *fixture = *state;
    rv_error_t err;
    append(fixture->wal, 1, 1, 20);
    assert_int_equal(rvw_wal_adopt(fixture->wal, 2, 0, &err), RV_OK);
    uint8_t bytes[2][16384];
    rvw_record_t mixed[] = {{1, 21, bytes[0], fill(1, 21, bytes[0]), 0}, {2, 1, bytes[1], fill(2, 1, bytes[1]), 0}};
    assert_int_equal(rvw_wal_append(fixture->wal, mixed, 2, &err), RV_OK);
    assert_int_equal(rvw_wal_release(fixture->wal, 1, &err), RV_OK);
    expect_apart(fixture->wal, 1, 1, "the log is older");
    assert_int_equal(rvw_wal_adopt(fixture->wal, 1, 15, &err), RV_OK);
    for (int round = 0; round < 2; round++) {
        expect_range(fixture->wal, 1, 15, 16, 16);
        expect_range(fixture->wal, 2, 0, 1, 2);
        reopen(fixture);
    }
    append(fixture->wal, 1, 16, 18);
    assert_int_equal(rvw_wal_compact(fixture->wal, &err), RV_OK);
    reopen(fixture);
    expect_range(fixture->wal, 1, 15, 16, 19);
    expect_range(fixture->wal, 2, 0, 1, 2);
}

/* The first commit with records fails for lack of space: see main. */
static void a_failed_commit_leaves_nothing_behind(void **state) {
    fixture_t *fixture = *state;
    static uint8_t bytes[16384];
    rvw_record_t record = {1, 1, bytes, fill(1, 1, bytes), 0};
    rv_error_t err;
    assert_int_equal(rvw_wal_adopt(fixture->wal, 1, 0, &err), RV_OK);
#ifdef RV_FAULTS
    assert_int_equal(rvw_wal_append(fixture->wal, &record, 1, &err), RV_RESOURCE_EXHAUSTED);
    expect_range(fixture->wal, 1, 0, 1, 1);
#endif
    assert_int_equal(rvw_wal_append(fixture->wal, &record, 1, &err), RV_OK);
    append(fixture->wal, 1, 2, 9);
    reopen(fixture);
    expect_range(fixture->wal, 1, 0, 1, 10);
}

static void what_cannot_follow_is_refused(void **state) {
    fixture_t *fixture = *state;
    rv_error_t err;
    uint8_t bytes[4] = {1, 2, 3, 4};
    append(fixture->wal, 1, 1, 5);
    static const rvw_record_t wrong[] = {{1, 5, NULL, 4, 0}, {9, 1, NULL, 4, 0}, {1, 1u << 30, NULL, 4, 0}};
    for (int i = 0; i < 3; i++) {
        rvw_record_t records[] = {{1, 6, bytes, 4, 0}, wrong[i]};
        records[1].bytes = bytes;
        assert_int_equal(rvw_wal_append(fixture->wal, records, 2, &err), RV_INTERNAL);
        expect_range(fixture->wal, 1, 0, 1, 6);
    }
    append(fixture->wal, 1, 6, 8);
    reopen(fixture);
    expect_range(fixture->wal, 1, 0, 1, 9);
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

/* Flips a bit `ahead` bytes in front of the bytes of record (partition, lsn), the log being closed. */
static void flip(const fixture_t *fixture, uint32_t partition, uint64_t lsn, long ahead) {
    char path[300];
    uint8_t bytes[16384];
    snprintf(path, sizeof path, "%s/data.mdb", fixture->dir);
    FILE *f = fopen(path, "r+b");
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f), n = fill(partition, lsn, bytes);
    char *all = malloc(size);
    rewind(f);
    assert_int_equal(fread(all, 1, size, f), size);
    char *at = memmem(all, size, bytes, n);
    assert_non_null(at);
    at -= ahead;
    fseek(f, at - all, SEEK_SET);
    fputc(*at ^ 4, f);
    fclose(f);
    free(all);
}

static void a_damaged_record_is_named(void **state) {
    fixture_t *fixture = *state;
    rv_error_t err = {0};
    append(fixture->wal, 1, 1, 4);
    append(fixture->wal, 2, 1, 4);
    rvw_wal_close(&fixture->wal);
    flip(fixture, 1, 3, -100);
    assert_int_equal(rvw_wal_open(fixture->dir, true, &fixture->wal, &err), RV_OK);
    for (int round = 0; round < 2; round++) {
        expect_t expect = {1, 1, UINT64_MAX};
        assert_int_equal(rvw_wal_replay(fixture->wal, 1, 0, each, &expect, &err), RV_DATA_LOSS);
        assert_non_null(strstr(err.message, "record 3 of partition 1"));
        assert_int_equal(expect.next, 3);
        expect_range(fixture->wal, 2, 0, 1, 5);
        /* A copy does not make it look sound. */
        assert_int_equal(rvw_wal_compact(fixture->wal, &err), RV_OK);
    }
}

/* Whose records a group has must be certain: a partition would miss its last writes and nobody would know. */
static void a_damaged_group_is_refused(void **state) {
    fixture_t *fixture = *state;
    rv_error_t err = {0};
    append(fixture->wal, 1, 1, 1);
    rvw_wal_close(&fixture->wal);
    for (long ahead = 1; ahead <= 16 + 24; ahead += 3) {
        flip(fixture, 1, 1, ahead);
        assert_int_equal(rvw_wal_open(fixture->dir, true, &fixture->wal, &err), RV_DATA_LOSS);
        assert_non_null(strstr(err.message, "group 1 is damaged"));
        flip(fixture, 1, 1, ahead);
    }
    assert_int_equal(rvw_wal_open(fixture->dir, true, &fixture->wal, &err), RV_OK);
    expect_range(fixture->wal, 1, 0, 1, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)

int main(void) {
    setenv("REV_FAULT", "wal-before-commit:err:1", 1);
    const struct CMUnitTest tests[] = {
        TEST(a_failed_commit_leaves_nothing_behind),
        TEST(records_come_back_by_partition_in_order),
        TEST(a_replay_stops_at_the_first_error),
        TEST(trimming_removes_up_to_an_lsn_of_one_partition),
        TEST(a_compacted_log_holds_no_trace_of_trimmed_records),
        TEST(a_second_owner_is_refused),
        TEST(a_damaged_record_is_named),
        TEST(a_damaged_group_is_refused),
        TEST(groups_go_with_the_last_of_their_records),
        TEST(a_partition_that_comes_back_has_only_its_new_records),
        TEST(what_cannot_follow_is_refused),
        TEST(an_older_log_or_partition_is_told),
        TEST(partitions_come_and_go),
        TEST(the_mark_is_kept),
        TEST(a_log_that_is_gone_is_not_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

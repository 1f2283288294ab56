/* test_rvc_ledger.c: every partition is counted once, for the worker that was asked, and named when it failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../coordinator/ledger.h"

enum { N = 5, FIRST = 7, SECOND = 8 };

/* Partitions 0 to 2 are expected of the first worker, 3 of the second, 4 of nobody. */
static void fill(rvc_ledger_t *ledger) {
    static const uint32_t SLOTS[N] = {FIRST, FIRST, FIRST, SECOND, RVC_NOBODY};
    assert_int_equal(rvc_ledger_new(SLOTS, N, ledger, NULL), RV_OK);
}

/* A worker's last message: n partitions at LSN 100 + number, those of `broken` with an error. */
static void enter(rvc_ledger_t *ledger, uint32_t slot, const uint32_t *partitions, size_t n, uint32_t broken,
                  rv_error_t *err) {
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__QueryPartitionResult results[8], *list[8];
    Reveille__V1__Status damaged = REVEILLE__V1__STATUS__INIT;
    damaged.code = REVEILLE__V1__CODE__CODE_DATA_LOSS;
    for (size_t i = 0; i < n; i++) {
        reveille__v1__query_partition_result__init(&results[i]);
        results[i].partition = partitions[i];
        results[i].lsn = 100 + partitions[i];
        results[i].status = partitions[i] == broken ? &damaged : NULL;
        list[i] = &results[i];
    }
    response.partitions = list;
    response.n_partitions = n;
    rvc_ledger_enter(ledger, slot, &response, err);
}

static void a_partition_is_answered_once_by_the_worker_that_was_asked(void **state) {
    (void)state;
    rvc_ledger_t ledger;
    rv_error_t err;
    fill(&ledger);
    enter(&ledger, FIRST, (const uint32_t[]){0, 3, 4, 1, 2, 1, 99}, 7, N, &err);
    assert_int_equal(err.status, RV_OK);
    assert_int_equal(ledger.surplus, 4); /* 3 was asked of another, 4 of nobody, 1 was there before, 99 is none */
    assert_int_equal(rvc_ledger_answered(&ledger), 3);
    assert_int_equal(ledger.entries[3].state, RVC_EXPECTED);
    assert_int_equal(ledger.entries[4].state, RVC_FAILED);
    assert_int_equal(ledger.entries[2].lsn, 102);
    enter(&ledger, FIRST, (const uint32_t[]){0}, 1, 0, &err); /* what failed later does not take it back */
    assert_int_equal(ledger.entries[0].state, RVC_ANSWERED);
    rvc_ledger_done(&ledger);
}

static void what_is_left_out_or_broken_or_lost_has_failed(void **state) {
    (void)state;
    rvc_ledger_t ledger;
    rv_error_t err;
    uint32_t failed[N];
    fill(&ledger);
    enter(&ledger, FIRST, (const uint32_t[]){2, 0}, 2, 2, &err);
    assert_int_equal(err.status, RV_DATA_LOSS);
    rvc_ledger_lost(&ledger, SECOND);
    rvc_ledger_lost(&ledger, FIRST);
    assert_int_equal(rvc_ledger_failed(&ledger, failed), 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(failed[i], i + 1);
    enter(&ledger, SECOND, (const uint32_t[]){3}, 1, N, &err); /* too late */
    assert_int_equal(rvc_ledger_answered(&ledger), 1);
    rvc_ledger_done(&ledger);
    fill(&ledger);
    enter(&ledger, FIRST, (const uint32_t[]){0}, 1, N, &err);
    assert_int_equal(err.reason, RV_REASON_INCOMPLETE);
    assert_int_equal(rvc_ledger_failed(&ledger, failed), 3);
    rvc_ledger_done(&ledger);
}

static void the_coverage_names_versions_and_what_is_missing(void **state) {
    (void)state;
    rvc_ledger_t ledger;
    rvc_plan_t plan = {.as_of_ms = 12};
    rv_arena_t arena;
    rv_error_t err;
    rv_arena_init(&arena, 1u << 16);
    fill(&ledger);
    enter(&ledger, FIRST, (const uint32_t[]){1, 2}, 2, N, &err);
    enter(&ledger, SECOND, (const uint32_t[]){3}, 1, N, &err);
    const Reveille__V1__Coverage *coverage = rvc_ledger_coverage(&ledger, &plan, &arena);
    assert_non_null(coverage);
    assert_int_equal(coverage->partitions_expected, N);
    assert_int_equal(coverage->partitions_answered, 3);
    assert_int_equal(coverage->n_data_version, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(coverage->data_version[i]->partition, i + 1);
        assert_int_equal(coverage->data_version[i]->lsn, 101 + i);
    }
    assert_int_equal(coverage->n_missing, 2);
    assert_int_equal(coverage->missing[0], 0);
    assert_int_equal(coverage->missing[1], 4);
    assert_int_equal(coverage->as_of_ms, 12);
    rv_arena_done(&arena);
    rvc_ledger_done(&ledger);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_is_answered_once_by_the_worker_that_was_asked),
        cmocka_unit_test(what_is_left_out_or_broken_or_lost_has_failed),
        cmocka_unit_test(the_coverage_names_versions_and_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Identities of writes: known ones, other content, windows that are full, producers that are too many; the same before
 * and after a flush. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reveille/limits.h"
#include "store/writes.h"
#include "store_world.h"

typedef struct {
    char dir[256];
    rvw_env_t *env;
    MDB_txn *txn;
    rvw_producers_t producers;
    rvw_writes_t active;
    uint64_t lsn, flushed;
} fixture_t;

static void begin_read(fixture_t *f) {
    rv_error_t err;
    assert_int_equal(rvw_env_read(f->env, &f->txn, &err), RV_OK);
}

static int set_up(void **state) {
    fixture_t *f = calloc(1, sizeof *f);
    rv_error_t err;
    world_make_dir(f->dir);
    assert_int_equal(rvw_env_open(f->dir, RVW_ENV_UNUSED, &f->env, &err), RV_OK);
    begin_read(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture_t *f = *state;
    mdb_txn_abort(f->txn);
    rvw_env_unref(&f->env);
    rvw_producers_done(&f->producers);
    rvw_writes_done(&f->active);
    world_remove_dir(f->dir);
    free(f);
    return 0;
}

static rvw_memory_t memory_of(fixture_t *f) {
    return (rvw_memory_t){&f->producers, NULL, &f->active, f->txn, rvw_env_dbi(f->env)};
}

static void producer_of(uint32_t number, uint8_t out[16]) {
    memset(out, 0, 16);
    out[0] = 1;
    out[4] = (uint8_t)(number >> 16);
    out[5] = (uint8_t)(number >> 8);
    out[6] = (uint8_t)number;
}

/* OK with *ret_known false adds the write. */
static rv_status_t submit(fixture_t *f, uint32_t number, uint64_t sequence, uint64_t hash, bool *ret_known) {
    uint8_t producer[16];
    rv_error_t err;
    rvw_memory_t memory = memory_of(f);
    producer_of(number, producer);
    rv_status_t status = rvw_memory_check(&memory, producer, sequence, hash, ret_known, &err);
    if (status == RV_OK && !*ret_known) {
        status = rvw_memory_add(&memory, producer, sequence, hash, ++f->lsn, &err);
    }
    return status;
}

static void expect(fixture_t *f, uint32_t number, uint64_t sequence, uint64_t hash, rv_status_t status, bool known) {
    bool got = false;
    assert_int_equal(submit(f, number, sequence, hash, &got), status);
    if (status == RV_OK) {
        assert_int_equal(got, known);
    }
}

static void flush(fixture_t *f) {
    rvw_txn_t txn;
    assert_true(rvw_writes_freeze(&f->active, &f->producers));
    rvw_txn_begin(&txn, f->env);
    assert_int_equal(rvw_writes_flush(&f->active, f->flushed, &txn), RV_OK);
    assert_int_equal(rvw_txn_commit(&txn), RV_OK);
    f->flushed = f->lsn;
    rvw_writes_done(&f->active);
    mdb_txn_abort(f->txn);
    begin_read(f);
}

static void reload(fixture_t *f) {
    rv_error_t err;
    uint8_t evicted[16];
    memcpy(evicted, f->producers.evicted, 16);
    rvw_producers_done(&f->producers);
    assert_int_equal(rvw_producers_load(&f->producers, f->txn, rvw_env_dbi(f->env), evicted, &err), RV_OK);
}

static void a_write_is_known_and_another_content_is_a_conflict(void **state) {
    fixture_t *f = *state;
    expect(f, 1, 5, 100, RV_OK, false);
    for (int round = 0; round < 3; round++) {
        expect(f, 1, 5, 100, RV_OK, true);
        expect(f, 1, 5, 101, RV_ABORTED, false);
        expect(f, 2, 5, 101, RV_OK, round > 0);
        expect(f, 1, 0, 7, RV_OK, round > 0);
        flush(f);
        reload(f);
    }
}

static void the_latest_sequences_are_remembered_wherever_they_lie(void **state) {
    fixture_t *f = *state;
    for (uint64_t k = 1; k <= RV_PRODUCER_WINDOW; k++) {
        expect(f, 1, k * 3, k, RV_OK, false);
        if (k % 20000 == 0) {
            flush(f);
        }
    }
    expect(f, 1, 3, 1, RV_OK, true);
    expect(f, 1, 3 * RV_PRODUCER_WINDOW + 3, 9, RV_OK, false);
    expect(f, 1, 3, 1, RV_FAILED_PRECONDITION, false);
    expect(f, 1, 2, 1, RV_FAILED_PRECONDITION, false);
    expect(f, 1, 6, 2, RV_OK, true);
    flush(f);
    reload(f);
    expect(f, 1, 3, 1, RV_FAILED_PRECONDITION, false);
    expect(f, 1, 6, 2, RV_OK, true);
    /* A late one that is above the least is taken, and pushes the least out. */
    expect(f, 1, 7, 70, RV_OK, false);
    expect(f, 1, 6, 2, RV_FAILED_PRECONDITION, false);
    expect(f, 1, 7, 70, RV_OK, true);
    flush(f);
    uint8_t key[25] = {'i'};
    producer_of(1, key + 1);
    key[24] = 6;
    MDB_val k = {sizeof key, key}, v;
    assert_int_equal(mdb_get(f->txn, rvw_env_dbi(f->env), &k, &v), MDB_NOTFOUND);
    key[24] = 7;
    k = (MDB_val){sizeof key, key};
    assert_int_equal(mdb_get(f->txn, rvw_env_dbi(f->env), &k, &v), 0);
}

static void of_too_many_producers_the_least_recently_written_goes(void **state) {
    fixture_t *f = *state;
    for (uint32_t k = 1; k <= RV_MAX_PRODUCERS; k++) {
        expect(f, k + 10, 1, k, RV_OK, false);
    }
    expect(f, 11, 2, 1, RV_OK, false); /* the first one is written again: the second is now the oldest */
    flush(f);
    expect(f, RV_MAX_PRODUCERS + 11, 1, 1, RV_OK, false);
    for (int round = 0; round < 2; round++) {
        expect(f, 12, 1, 2, RV_FAILED_PRECONDITION, false); /* evicted */
        expect(f, 5, 1, 2, RV_FAILED_PRECONDITION, false);  /* older than one that was */
        expect(f, 11, 1, 1, RV_OK, true);                   /* older, but remembered */
        expect(f, 13, 1, 3, RV_OK, true);
        flush(f);
        reload(f);
    }
    expect(f, RV_MAX_PRODUCERS + 50, 1, 1, RV_OK, false); /* a new one is always taken */
}

/* An id of a far future stays, however long ago it was written, and new producers are taken all the same. */
static void a_producer_of_the_future_shuts_nobody_out(void **state) {
    fixture_t *f = *state;
    uint32_t future = 1000000;
    expect(f, future, 1, 1, RV_OK, false);
    for (uint32_t k = 1; k <= 2 * RV_MAX_PRODUCERS; k++) {
        expect(f, k, 1, k, RV_OK, false);
    }
    flush(f);
    reload(f);
    expect(f, future, 1, 1, RV_OK, true);
    expect(f, 2 * RV_MAX_PRODUCERS + 1, 1, 1, RV_OK, false);
    expect(f, RV_MAX_PRODUCERS, 1, 1, RV_FAILED_PRECONDITION, false);
    expect(f, 2 * RV_MAX_PRODUCERS, 1, 2 * RV_MAX_PRODUCERS, RV_OK, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_known_and_another_content_is_a_conflict),
        TEST(the_latest_sequences_are_remembered_wherever_they_lie),
        TEST(of_too_many_producers_the_least_recently_written_goes),
        TEST(a_producer_of_the_future_shuts_nobody_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

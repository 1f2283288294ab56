/* A worker's directory between two starts: what goes missing, comes back older or lies elsewhere is refused by name,
 * and what was let go properly is taken anywhere, wherever a kill came between. */
#include "files.h"
#include "holdings.h"
#include "housekeeper.h"
#include "reveille/hash.h"
#include "reveille/wire.h"
#include "store_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PARTITIONS = 2, CLICK = 1 };

static char root[256];

static void run(const char *format, ...) {
    char command[1200];
    va_list args;
    va_start(args, format);
    int n = snprintf(command, sizeof command, "cd %s && ", root);
    vsnprintf(command + n, sizeof command - (size_t)n, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

static int setup(void **state) {
    (void)state;
    world_make_dir(root);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_remove_dir(root);
    return 0;
}

static rvw_holdings_t *open_worker(const char *name) {
    char dir[300];
    rvw_holdings_t *h = NULL;
    rv_error_t err = {0};
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    if (rvw_holdings_open(dir, &h, &err) != RV_OK)
        fail_msg("%s", err.message);
    return h;
}

static void refused(const char *name, const char *why) {
    char dir[300];
    rvw_holdings_t *h = NULL;
    rv_error_t err = {0};
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    assert_int_equal(rvw_holdings_open(dir, &h, &err), RV_DATA_LOSS);
    if (!strstr(err.message, why))
        fail_msg("'%s' is not in: %s", why, err.message);
}

/* All partitions from `first` on. */
static void assign(rvw_holdings_t *h, uint32_t first) {
    Reveille__V1__EventType click = REVEILLE__V1__EVENT_TYPE__INIT, *types[] = {&click};
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__Catalog catalog = REVEILLE__V1__CATALOG__INIT;
    Reveille__V1__AssignRequest request = REVEILLE__V1__ASSIGN_REQUEST__INIT;
    Reveille__V1__AssignedPartition parts[PARTITIONS], *list[PARTITIONS];
    rv_error_t err = {0};
    click.id = CLICK;
    click.name = (char *)(uintptr_t) "click";
    schema.version = 1;
    schema.contact_key = (char *)(uintptr_t) "contact";
    schema.event_id = (char *)(uintptr_t) "event";
    schema.n_event_types = 1;
    schema.event_types = types;
    schema.next_attribute_id = schema.next_company_attribute_id = schema.next_property_id = 1;
    schema.next_type_id = 2;
    catalog.version = 1;
    catalog.schema = &schema;
    request.cluster_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t) "0123456789abcdef"};
    request.term = 1;
    request.partition_count = PARTITIONS;
    request.chunk_rows = 4;
    request.catalog = &catalog;
    for (uint32_t i = first; i < PARTITIONS; i++) {
        reveille__v1__assigned_partition__init(&parts[i]);
        parts[i].partition = i;
        parts[i].epoch = 1;
        parts[i].create = true;
        list[request.n_partitions++] = &parts[i];
    }
    request.partitions = list;
    if (rvw_holdings_assign(h, &request, &err) != RV_OK)
        fail_msg("%s", err.message);
}

/* Logs a write as the writer does, and applies it. */
static rv_status_t log_and_apply(rvw_holdings_t *h, Reveille__V1__PartitionWrite *write, uint32_t number, uint64_t lsn,
                                 rv_error_t *err) {
    rvw_partition_t *partition = rvw_holdings_partition(h, number);
    uint64_t hash;
    assert_non_null(partition);
    rv_catalog_t *catalog = rvw_holdings_catalog(h);
    rvw_result_t result;
    rv_arena_t arena;
    rvw_record_t record = {.partition = number, .lsn = lsn};
    uint8_t *bytes;
    rv_arena_init(&arena, SIZE_MAX);
    assert_int_equal(rvw_record_make(write, &bytes, &record.n, &hash, err), RV_OK);
    record.bytes = bytes;
    assert_int_equal(rvw_wal_append(rvw_holdings_wal(h), &record, 1, err), RV_OK);
    rv_status_t status = rvw_partition_apply(partition, catalog, write, lsn, hash, false, &arena, &result, err);
    free(bytes);
    rv_arena_done(&arena);
    rv_catalog_unref(&catalog);
    return status;
}

/* Logs a write with events of one contact, which is new, or that takes the one event of contact `gone` away. */
static rv_status_t write_events(rvw_holdings_t *h, uint32_t number, uint64_t lsn, uint32_t n, uint64_t gone,
                                rv_error_t *err) {
    enum { MOST = 1000, ID = 1000 };
    static uint8_t ids[MOST * ID];
    static uint32_t zeros[MOST], types[MOST], lengths[MOST];
    static int64_t times[MOST];
    static uint64_t random = 1;
    Reveille__V1__StringColumn keys = REVEILLE__V1__STRING_COLUMN__INIT, id = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column column = REVEILLE__V1__COLUMN__INIT;
    Reveille__V1__EventBatch batch = REVEILLE__V1__EVENT_BATCH__INIT;
    Reveille__V1__EventDelete taken = REVEILLE__V1__EVENT_DELETE__INIT;
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    char key[32];
    uint32_t length = (uint32_t)snprintf(key, sizeof key, "c%llu", (unsigned long long)(gone ? gone : lsn));
    for (uint32_t i = 0; i < n; i++) {
        types[i] = CLICK;
        times[i] = 1700000000000ll + i;
        lengths[i] = ID;
    }
    for (size_t i = 0; i < (size_t)n * ID; i++) { /* what cannot be packed */
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        ids[i] = (uint8_t)('a' + (random >> 40) % 26);
    }
    keys.data = (ProtobufCBinaryData){length, (uint8_t *)key};
    keys.n_lengths = 1;
    keys.lengths = &length;
    id.data = (ProtobufCBinaryData){(size_t)n * ID, ids};
    id.n_lengths = n;
    id.lengths = lengths;
    column.type = RV_STRING;
    column.strings = &id;
    batch.contact_keys = &keys;
    batch.n_contacts = batch.n_times_ms = batch.n_types = n;
    batch.contacts = zeros;
    batch.times_ms = times;
    batch.types = types;
    batch.event_id = n > 1 ? &column : NULL;
    identity.producer =
        (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t) "\x01\x8b\xcf\xe5\x68\x00\x70\x00\x80\x00zzzzzz"};
    identity.sequence = lsn;
    write.partition = number;
    write.epoch = 1;
    write.identity = &identity;
    write.schema_version = 1;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    write.events = &batch;
    if (gone) {
        taken.selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH;
        taken.batch = &batch;
        write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE;
        write.event_delete = &taken;
    }
    return log_and_apply(h, &write, number, lsn, err);
}

/* One contact with one event, logged and applied. */
static void put(rvw_holdings_t *h, uint32_t number) {
    rv_error_t err;
    uint64_t lsn = rvw_partition_lsn(rvw_holdings_partition(h, number)) + 1;
    assert_int_equal(write_events(h, number, lsn, 1, 0, &err), RV_OK);
}

static void flush(rvw_holdings_t *h, uint32_t number) {
    rvw_partition_t *partition = rvw_holdings_partition(h, number);
    rv_error_t err = {0};
    assert_int_equal(rvw_partition_flush(partition, &err), RV_OK);
    assert_int_equal(rvw_wal_trim(rvw_holdings_wal(h), number, rvw_partition_flushed_lsn(partition), &err), RV_OK);
}

/* worker-1 with partition 0 flushed up to 4 and at 6, partition 1 at 3 and never flushed; `early` is a copy made
 * between two starts, when they were at 2 and 1. */
static void fill(void) {
    rvw_holdings_t *h = open_worker("worker-1");
    assign(h, 0);
    put(h, 0);
    put(h, 0);
    put(h, 1);
    rvw_holdings_close(&h);
    run("cp -a worker-1 early");
    h = open_worker("worker-1");
    put(h, 0);
    put(h, 0);
    flush(h, 0);
    put(h, 0);
    put(h, 0);
    put(h, 1);
    put(h, 1);
    rvw_holdings_close(&h);
    run("cp -a worker-1 late");
}

static void expect(rvw_holdings_t *h, uint32_t number, uint64_t lsn) {
    rvw_partition_t *partition = rvw_holdings_partition(h, number);
    if (!partition)
        fail_msg("partition %u: %s", number, rvw_holdings_problem(h, number));
    rvw_partition_counts_t counts;
    rvw_partition_counts(partition, &counts);
    assert_int_equal(rvw_partition_lsn(partition), lsn);
    assert_int_equal(counts.events, lsn);
}

static void problem(const rvw_holdings_t *h, uint32_t number, const char *why) {
    const char *text = rvw_holdings_problem(h, number);
    if (!text || !strstr(text, why))
        fail_msg("'%s' is not in: %s", why, text ? text : "(no problem)");
}

#ifdef RV_FAULTS
static void in_service(rvw_holdings_t *h, uint64_t lsn, uint64_t events) {
    rvw_partition_t *partition = rvw_holdings_partition(h, 0);
    rvw_partition_counts_t counts;
    rvw_view_t *view;
    rv_error_t err;
    assert_null(rvw_partition_problem(partition));
    assert_int_equal(rvw_view_take(partition, &view, &err), RV_OK);
    assert_int_equal(rvw_view_lsn(view), lsn);
    rvw_view_release(&view);
    rvw_partition_counts(partition, &counts);
    assert_int_equal(counts.events, events);
}
#endif

/* The first two flushes fail, and later the second transaction of one. */
#define FAULTS "flush-begin:err:1,flush-begin:err:1,flush-between:err:1"

static void a_deletion_without_room_waits_and_is_carried_out_in_its_turn(void **state) {
    (void)state;
#ifdef RV_FAULTS
    rv_error_t err;
    rvw_holdings_t *h = open_worker("worker-1");
    assign(h, 0);
    put(h, 0);
    put(h, 0);
    assert_int_equal(write_events(h, 0, 3, 1, 1, &err), RV_RESOURCE_EXHAUSTED);
    in_service(h, 2, 2);
    assert_true(rvw_partition_waits(rvw_holdings_partition(h, 0)));
    assert_int_equal(write_events(h, 0, 4, 1, 0, &err), RV_RESOURCE_EXHAUSTED); /* of the same group */
    in_service(h, 2, 2);
    assert_int_equal(rvw_holdings_catch_up(h, 0, &err), RV_RESOURCE_EXHAUSTED);
    in_service(h, 2, 2);
    assert_int_equal(rvw_holdings_catch_up(h, 0, &err), RV_OK);
    in_service(h, 4, 2);
    assert_false(rvw_partition_waits(rvw_holdings_partition(h, 0)));
    put(h, 0);
    in_service(h, 5, 3);
    rvw_holdings_close(&h);
    h = open_worker("worker-1");
    in_service(h, 5, 3);
    rvw_holdings_close(&h);
#else
    skip();
#endif
}

static void a_flush_that_had_room_for_a_part_is_repeated(void **state) {
    (void)state;
#ifdef RV_FAULTS
    rv_error_t err;
    rvw_holdings_t *h = open_worker("worker-1");
    assign(h, 0);
    for (uint64_t lsn = 1; lsn <= 20; lsn++)
        assert_int_equal(write_events(h, 0, lsn, 1000, 0, &err), RV_OK);
    assert_int_equal(rvw_partition_flush(rvw_holdings_partition(h, 0), &err), RV_RESOURCE_EXHAUSTED);
    in_service(h, 20, 20000);
    assert_int_equal(write_events(h, 0, 21, 1, 0, &err), RV_OK);
    in_service(h, 21, 20001);
    flush(h, 0);
    in_service(h, 21, 20001);
    rvw_holdings_close(&h);
    h = open_worker("worker-1");
    in_service(h, 21, 20001);
    rvw_holdings_close(&h);
#else
    skip();
#endif
}

static void a_log_that_is_gone_or_older_or_another_s_is_refused(void **state) {
    (void)state;
    fill();
    run("rm worker-1/wal/data.mdb");
    refused("worker-1", "worker-1/wal/data.mdb' is missing");
    run("rm -r worker-1/wal");
    refused("worker-1", "worker-1/wal/data.mdb' is missing");
    refused("worker-1", "worker-1/wal/data.mdb' is missing");
    run("cp -a early/wal worker-1/wal");
    refused("worker-1", "one of them is an older copy");
    run("rm -r worker-1/wal && cp -a late/wal worker-1/wal");
    run("rm worker-1/worker");
    refused("worker-1", "worker-1/worker' is missing although there is a log");
    run("rm -r worker-1/wal");
    rvw_holdings_t *h = open_worker("worker-1");
    problem(h, 0, "p0000' is not in this worker's log");
    problem(h, 1, "p0001' is not in this worker's log");
    rvw_holdings_close(&h);
    run("rm -r worker-1 && cp -a late worker-1");
    h = open_worker("worker-2");
    rvw_holdings_close(&h);
    h = open_worker("worker-2");
    rvw_holdings_close(&h);
    run("rm -r worker-1/wal && cp -a worker-2/wal worker-1/wal");
    refused("worker-1", "is not the one that");
    run("rm -r worker-1 && cp -a late worker-1");
    h = open_worker("worker-1");
    expect(h, 0, 6);
    expect(h, 1, 3);
    rvw_holdings_close(&h);
}

static void a_partition_that_is_gone_or_older_is_named_and_the_other_serves(void **state) {
    (void)state;
    fill();
    run("rm -r worker-1/p0000 && cp -a early/p0000 worker-1/p0000");
    rvw_holdings_t *h = open_worker("worker-1");
    problem(h, 0, "the partition is older than the log");
    expect(h, 1, 3);
    rvw_holdings_close(&h);
    run("rm -r worker-1/p0000");
    h = open_worker("worker-1");
    problem(h, 0, "p0000' is missing");
    assign(h, 0);
    assert_null(rvw_holdings_partition(h, 0));
    expect(h, 1, 3);
    rvw_holdings_close(&h);
    run("mv worker-1/catalog catalog");
    h = open_worker("worker-1");
    problem(h, 1, "worker-1/catalog' is missing");
    rvw_holdings_close(&h);
    run("mv catalog worker-1/catalog");
    /* One whose every write is still in the log loses nothing by being older. */
    run("rm -r worker-1/p0001 && cp -a early/p0001 worker-1/p0001 && cp -a late/p0000 worker-1/p0000");
    h = open_worker("worker-1");
    expect(h, 0, 6);
    expect(h, 1, 3);
    rvw_holdings_close(&h);
}

static void a_partition_moved_by_hand_is_named_on_both_sides(void **state) {
    (void)state;
    fill();
    rvw_holdings_t *h = open_worker("worker-2");
    rvw_holdings_close(&h);
    run("mv worker-1/p0000 worker-1/p0001 worker-2");
    h = open_worker("worker-2");
    problem(h, 0, "p0000' is not in this worker's log");
    problem(h, 1, "p0001' is not in this worker's log");
    rvw_holdings_close(&h);
    h = open_worker("worker-1");
    problem(h, 0, "p0000' is missing");
    problem(h, 1, "p0001' is missing");
    rvw_holdings_close(&h);
    run("mv worker-2/p0000 worker-2/p0001 worker-1");
    h = open_worker("worker-1");
    expect(h, 0, 6);
    expect(h, 1, 3);
    rvw_holdings_close(&h);
}

/* Flushed with --flush, moved, written, moved back; and a kill between the steps of letting go. */
static void a_partition_that_was_let_go_is_taken_anywhere(void **state) {
    (void)state;
    rv_error_t err = {0};
    fill();
    rvw_holdings_t *h = open_worker("worker-1");
    assert_int_equal(rvw_holdings_flush(h, &err), RV_OK);
    rvw_holdings_close(&h);
    run("mkdir worker-2 && mv worker-1/p0001 worker-2");
    h = open_worker("worker-1");
    expect(h, 0, 6);
    assert_null(rvw_holdings_problem(h, 1));
    put(h, 0);
    flush(h, 0);
    assert_int_equal(rvw_partition_release(rvw_holdings_partition(h, 0), true, &err), RV_OK);
    rvw_holdings_close(&h); /* killed here: noted in the partition, still known to the log */
    h = open_worker("worker-1");
    expect(h, 0, 7);
    rvw_holdings_close(&h);
    h = open_worker("worker-2");
    expect(h, 1, 3);
    assert_null(rvw_holdings_problem(h, 0));
    assign(h, 1);
    put(h, 1);
    assert_int_equal(rvw_holdings_flush(h, &err), RV_OK);
    rvw_holdings_close(&h); /* killed here: let go, and not moved */
    h = open_worker("worker-2");
    put(h, 1);
    assert_int_equal(rvw_holdings_flush(h, &err), RV_OK);
    rvw_holdings_close(&h);
    run("mv worker-2/p0001 worker-1");
    h = open_worker("worker-1");
    expect(h, 0, 7);
    expect(h, 1, 5);
    rvw_holdings_close(&h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    setenv("REV_FAULT", FAULTS, 1);
    const struct CMUnitTest tests[] = {
        TEST(a_deletion_without_room_waits_and_is_carried_out_in_its_turn),
        TEST(a_flush_that_had_room_for_a_part_is_repeated),
        TEST(a_log_that_is_gone_or_older_or_another_s_is_refused),
        TEST(a_partition_that_is_gone_or_older_is_named_and_the_other_serves),
        TEST(a_partition_moved_by_hand_is_named_on_both_sides),
        TEST(a_partition_that_was_let_go_is_taken_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

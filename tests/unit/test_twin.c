/* Repeats of events are found whatever their times are: newer than all before, of the newest time, or late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store_world.h"

#define MANY 400u

typedef struct {
    char dir[256];
    rvw_partition_t *p;
    uint64_t lsn;
    uint32_t period; /* so many events of a write differ, the next ones repeat them; 0: all */
} fixture_t;

static void begin(fixture_t *f) {
    char path[300];
    rv_error_t err = {0};
    rvw_identity_t identity = {.partition_count = 1, .chunk_rows = 16};
    *f = (fixture_t){0};
    world_make_dir(f->dir);
    snprintf(path, sizeof path, "%s/p", f->dir);
    assert_int_equal(rvw_partition_create(path, &identity, &err), RV_OK);
    assert_int_equal(rvw_partition_open(path, &f->p, &err), RV_OK);
}

static void end(fixture_t *f) {
    rvw_partition_close(&f->p);
    world_remove_dir(f->dir);
}

/* Writes n events of one contact and type; event i has the time first + i * step, the id (char)('a' + i % 26) and so
 * many of them, and the value. */
static rvw_result_t put(fixture_t *f, uint32_t n, int64_t first, int64_t step, int64_t value) {
    static uint32_t contacts[MANY], types[MANY], lengths[MANY];
    static int64_t times[MANY], values[MANY];
    static uint8_t ids[MANY * MANY];
    uint32_t key_length = 1;
    size_t bytes = 0;
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    Reveille__V1__EventBatch batch = REVEILLE__V1__EVENT_BATCH__INIT;
    Reveille__V1__StringColumn keys = REVEILLE__V1__STRING_COLUMN__INIT, texts = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column id = REVEILLE__V1__COLUMN__INIT, property = REVEILLE__V1__COLUMN__INIT;
    Reveille__V1__Column *properties[] = {&property};
    for (uint32_t i = 0; i < n; i++) {
        types[i] = 1;
        uint32_t k = f->period ? i % f->period : i;
        times[i] = first + k * step;
        values[i] = value;
        lengths[i] = k / 26 + 1;
        memset(ids + bytes, (int)('a' + k % 26), lengths[i]);
        bytes += lengths[i];
    }
    keys.n_lengths = 1;
    keys.lengths = &key_length;
    keys.data = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "c"};
    texts.n_lengths = n;
    texts.lengths = lengths;
    texts.data = (ProtobufCBinaryData){bytes, ids};
    id.type = RV_STRING;
    id.strings = &texts;
    property.id = 7;
    property.type = RV_INT;
    property.n_ints = n;
    property.ints = values;
    batch.contact_keys = &keys;
    batch.n_contacts = batch.n_times_ms = batch.n_types = n;
    batch.contacts = contacts;
    batch.times_ms = times;
    batch.types = types;
    batch.event_id = &id;
    batch.properties = properties;
    batch.n_properties = 1;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    write.events = &batch;
    rv_arena_t arena;
    rv_error_t err = {0};
    rvw_result_t result;
    f->lsn++;
    rv_arena_init(&arena, 1 << 22);
    assert_int_equal(rvw_partition_apply(f->p, NULL, &write, f->lsn, f->lsn, false, &arena, &result, &err), RV_OK);
    rvw_result_t plain = result;
    plain.errors = NULL;
    rv_arena_done(&arena);
    return plain;
}

static void expect(rvw_result_t result, uint64_t applied, uint64_t duplicates, uint64_t refused) {
    assert_int_equal(result.applied, applied);
    assert_int_equal(result.duplicates, duplicates);
    assert_int_equal(result.refused, refused);
}

static void flush(fixture_t *f) {
    rv_error_t err = {0};
    assert_int_equal(rvw_partition_flush(f->p, &err), RV_OK);
}

/* The same questions to the tail and to the runs. */
static void ask_again(fixture_t *f, uint32_t n, int64_t first, int64_t step) {
    expect(put(f, n, first, step, 1), 0, n, 0);
    expect(put(f, n, first, step, 2), 0, 0, n);
    flush(f);
    expect(put(f, n, first, step, 1), 0, n, 0);
    expect(put(f, n, first, step, 2), 0, 0, n);
}

static void events_in_order_are_known_again(void **state) {
    (void)state;
    fixture_t f;
    begin(&f);
    expect(put(&f, MANY, 1000, 10, 1), MANY, 0, 0);
    ask_again(&f, MANY, 1000, 10);
    end(&f);
}

static void events_of_one_time_are_known_again_however_many(void **state) {
    (void)state;
    static const uint32_t numbers[] = {1, 2, 15, 16, 17, 18, 100, MANY};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        fixture_t f;
        begin(&f);
        expect(put(&f, 30, 1000, 10, 1), 30, 0, 0);
        expect(put(&f, numbers[k], 5000, 0, 1), numbers[k], 0, 0);
        if (numbers[k] < MANY) { /* one more of that time, which is new */
            rvw_result_t more = put(&f, numbers[k] + 1, 5000, 0, 1);
            expect(more, 1, numbers[k], 0);
        }
        expect(put(&f, 30, 1000, 10, 1), 0, 30, 0);
        ask_again(&f, numbers[k], 5000, 0);
        end(&f);
    }
}

static void late_events_are_new_once(void **state) {
    (void)state;
    fixture_t f;
    begin(&f);
    expect(put(&f, 100, 1000, 10, 1), 100, 0, 0);
    expect(put(&f, 100, 1005, 10, 1), 100, 0, 0);
    expect(put(&f, 100, 9000, 10, 1), 100, 0, 0); /* in order again, behind what has been entered */
    ask_again(&f, 100, 1005, 10);
    expect(put(&f, 100, 9000, 10, 1), 0, 100, 0);
    expect(put(&f, 100, 1, 3, 1), 100, 0, 0);
    expect(put(&f, 100, 9000, -1, 1), 99, 1, 0);
    ask_again(&f, 100, 9000, -1);
    end(&f);
}

static void repeats_within_one_write_are_known(void **state) {
    (void)state;
    static const uint32_t periods[] = {1, 2, 17, 100};
    for (size_t k = 0; k < sizeof periods / sizeof *periods; k++) {
        for (int64_t step = -5; step <= 5; step += 5) {
            fixture_t f;
            uint32_t n = periods[k];
            begin(&f);
            f.period = n;
            expect(put(&f, 3 * n, 5000, step, 1), n, 2 * n, 0);
            expect(put(&f, 2 * n, 5000, step, 2), 0, 0, 2 * n);
            expect(put(&f, 2 * n, 9000, step, 1), n, n, 0);
            end(&f);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_in_order_are_known_again),
        cmocka_unit_test(events_of_one_time_are_known_again_however_many),
        cmocka_unit_test(late_events_are_new_once),
        cmocka_unit_test(repeats_within_one_write_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

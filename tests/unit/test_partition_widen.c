/* test_partition_widen.c: runs that were written with different types of a property become one run with the widest, and
 * leave behind the events of contacts that are erased. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/view.h"
#include "store_world.h"

enum { TYPE = 1, PROPERTY = 5 };

static char dir[256];
static rvw_partition_t *partition;
static uint64_t lsn;

static int begin(void **state) {
    (void)state;
    char path[300];
    rv_error_t err = {0};
    rvw_identity_t identity = {.partition_count = 1, .chunk_rows = 64};
    world_make_dir(dir);
    snprintf(path, sizeof path, "%s/p", dir);
    lsn = 0;
    assert_int_equal(rvw_partition_create(path, &identity, &err), RV_OK);
    assert_int_equal(rvw_partition_open(path, &partition, &err), RV_OK);
    return 0;
}

static int end(void **state) {
    (void)state;
    rvw_partition_close(&partition);
    world_remove_dir(dir);
    return 0;
}

static void apply(const Reveille__V1__PartitionWrite *write) {
    rvw_result_t result;
    rv_arena_t arena;
    rv_error_t err = {0};
    rv_arena_init(&arena, SIZE_MAX);
    assert_int_equal(rvw_partition_apply(partition, NULL, write, ++lsn, 0, false, &arena, &result, &err), RV_OK);
    assert_int_equal(result.applied, 1);
    rv_arena_done(&arena);
}

static Reveille__V1__StringColumn text(const char *s, uint32_t *length) {
    Reveille__V1__StringColumn column = REVEILLE__V1__STRING_COLUMN__INIT;
    *length = (uint32_t)strlen(s);
    column.data = (ProtobufCBinaryData){*length, (uint8_t *)(uintptr_t)s};
    column.lengths = length;
    column.n_lengths = 1;
    return column;
}

/* One event of a contact at `time` with the property as a value of this type; flushed into a run of its own. */
static void write_event(const char *key, int64_t time, rv_type_t type, uint32_t scale, int64_t i, double d) {
    uint32_t lengths[3], contact = 0, event_type = TYPE;
    Reveille__V1__StringColumn keys = text(key, &lengths[0]), id = text("e1", &lengths[1]),
                               none = text("", &lengths[2]);
    Reveille__V1__Column ids = REVEILLE__V1__COLUMN__INIT, source = ids, channel = ids, value = ids;
    Reveille__V1__Column *properties[] = {&value};
    Reveille__V1__EventBatch batch = REVEILLE__V1__EVENT_BATCH__INIT;
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    rv_error_t err = {0};
    ids.type = source.type = channel.type = RV_STRING;
    ids.strings = &id;
    source.strings = channel.strings = &none;
    value.id = PROPERTY;
    value.type = type;
    value.scale = scale;
    value.n_ints = type != RV_DOUBLE;
    value.ints = &i;
    value.n_doubles = type == RV_DOUBLE;
    value.doubles = &d;
    batch.contact_keys = &keys;
    batch.n_contacts = batch.n_types = batch.n_times_ms = 1;
    batch.contacts = &contact;
    batch.types = &event_type;
    batch.times_ms = &time;
    batch.event_id = &ids;
    batch.source = &source;
    batch.channel = &channel;
    batch.n_properties = 1;
    batch.properties = properties;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    write.events = &batch;
    apply(&write);
    assert_int_equal(rvw_partition_flush(partition, &err), RV_OK);
}

/* The only run, in one piece or several: n events whose property has this type and these values, in order of contact
 * and time. Nothing is asserted while the view is held, or the partition could not close. */
static void check_run(rv_type_t type, uint32_t scale, const double *wanted, uint32_t n) {
    enum { MOST = 8 };
    rvw_view_t *view;
    rvw_events_t events[MOST];
    uint32_t pieces = 0, found = 0, same = 0;
    rv_error_t err = {0};
    rvw_partition_counts_t counts;
    assert_int_equal(rvw_view_take(partition, &view, &err), RV_OK);
    rv_status_t status =
        rvw_view_events_max(view, TYPE, 0) > MOST ? RV_INTERNAL : rvw_view_events(view, TYPE, 0, events, &pieces, &err);
    for (uint32_t p = 0; p < pieces; p++) {
        const rvw_column_t *column = events[p].n_properties == 1 ? events[p].properties : NULL;
        for (uint32_t i = 0; i < events[p].n; i++, found++) {
            char room[300];
            rv_value_t value = {0};
            if (column) {
                rvw_column_value(column, i, room, &value);
            }
            same += value.present && found < n && column->type == type && column->scale == scale &&
                    (type == RV_DOUBLE ? value.d : (double)(int64_t)value.wide) == wanted[found];
        }
    }
    rvw_view_release(&view);
    rvw_partition_counts(partition, &counts);
    assert_int_equal(status, RV_OK);
    assert_int_equal(counts.runs, 1);
    assert_int_equal(found, n);
    assert_int_equal(same, n);
}

static void a_run_has_the_widest_type_of_its_sources(void **state) {
    (void)state;
    rv_error_t err = {0};
    write_event("a", 1, RV_INT, 0, 7, 0);
    write_event("a", 2, RV_DECIMAL, 2, 125, 0);
    write_event("a", 3, RV_DECIMAL, 4, 1, 0);
    assert_int_equal(rvw_partition_merge(partition, 1, &err), RV_OK);
    check_run(RV_DECIMAL, 4, (const double[]){70000, 12500, 1}, 3);
    write_event("a", 4, RV_DOUBLE, 0, 0, 0.5);
    assert_int_equal(rvw_partition_merge(partition, 1, &err), RV_OK);
    check_run(RV_DOUBLE, 0, (const double[]){7, 1.25, 0.0001, 0.5}, 4);
}

static void merged_runs_leave_behind_what_is_erased(void **state) {
    (void)state;
    rv_error_t err = {0};
    rvw_partition_counts_t counts;
    uint32_t length;
    Reveille__V1__StringColumn keys = text("b", &length);
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    write_event("a", 1, RV_INT, 0, 1, 0);
    write_event("b", 2, RV_INT, 0, 2, 0);
    write_event("c", 3, RV_INT, 0, 3, 0);
    write_event("b", 4, RV_INT, 0, 4, 0);
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACT_DELETE;
    write.contact_delete = &keys;
    apply(&write);
    assert_int_equal(rvw_partition_flush(partition, &err), RV_OK);
    assert_int_equal(rvw_partition_merge(partition, 1, &err), RV_OK);
    rvw_partition_counts(partition, &counts);
    assert_int_equal(counts.events, 2);
    assert_int_equal(counts.contacts, 2);
    check_run(RV_INT, 0, (const double[]){1, 3}, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_has_the_widest_type_of_its_sources, begin, end),
        cmocka_unit_test_setup_teardown(merged_runs_leave_behind_what_is_erased, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

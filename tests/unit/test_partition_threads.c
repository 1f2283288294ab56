/* One writer, one housekeeper, two readers: each view is exactly the writes up to its LSN, while tails are frozen,
 * flushed, merged and compacted.
 *
 * Write number n appends four events whose `value` is n, to contacts that are chosen by n, and sets attribute 2 of
 * contact "k0" to n. So a view at LSN n shows 4 n events whose values sum to 4 (1 + ... + n), and n as that attribute.
 * Meant for ThreadSanitizer too. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store_world.h"

#ifndef WRITES
#define WRITES 2000u
#endif
#define EVENTS 4u
#define CONTACTS 7u

typedef struct {
    rvw_partition_t *partition;
    atomic_bool done;
    atomic_uint failures, views;
} stage_t;

static void complain(stage_t *stage, const char *what, const char *more) {
    if (atomic_fetch_add(&stage->failures, 1) == 0) {
        fprintf(stderr, "%s: %s\n", what, more);
    }
}

static bool apply(stage_t *stage, const Reveille__V1__PartitionWrite *write, uint64_t lsn) {
    rv_arena_t arena;
    rvw_result_t result;
    rv_error_t err = {0};
    rv_arena_init(&arena, 1 << 24);
    rv_status_t status = rvw_partition_apply(stage->partition, NULL, write, lsn, lsn, false, &arena, &result, &err);
    rv_arena_done(&arena);
    if (status != RV_OK || result.refused > 0 || result.duplicates > 0) {
        complain(stage, "apply", err.message);
    }
    return status == RV_OK;
}

/* Even LSNs: the events of write lsn / 2. Odd ones: the attribute. */
static bool write_events(stage_t *stage, uint64_t lsn, uint64_t n) {
    uint32_t contacts[EVENTS], types[EVENTS], lengths[CONTACTS], id_lengths[EVENTS];
    int64_t times[EVENTS], values[EVENTS];
    char keys[2 * CONTACTS + 1], ids[EVENTS * 8 + 1];
    for (uint32_t k = 0; k < CONTACTS; k++) {
        snprintf(keys + 2 * k, 3, "k%u", k);
        lengths[k] = 2;
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        contacts[i] = (uint32_t)((n + i) % CONTACTS);
        types[i] = 1;
        times[i] = 1600000000000ll + (int64_t)(n * 7919 % 100000) * 1000;
        values[i] = (int64_t)n;
        snprintf(ids + 8 * i, 9, "e%07u", (unsigned)(n * EVENTS + i));
        id_lengths[i] = 8;
    }
    Reveille__V1__StringColumn key_column = REVEILLE__V1__STRING_COLUMN__INIT, id_column = key_column;
    Reveille__V1__Column id = REVEILLE__V1__COLUMN__INIT, value = id, *properties[] = {&value};
    Reveille__V1__EventBatch batch = REVEILLE__V1__EVENT_BATCH__INIT;
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    key_column.data = (ProtobufCBinaryData){2 * CONTACTS, (uint8_t *)keys};
    key_column.lengths = lengths;
    key_column.n_lengths = CONTACTS;
    id_column.data = (ProtobufCBinaryData){8 * EVENTS, (uint8_t *)ids};
    id_column.lengths = id_lengths;
    id_column.n_lengths = EVENTS;
    id.type = RV_STRING;
    id.strings = &id_column;
    value.type = RV_INT;
    value.id = 1;
    value.ints = values;
    value.n_ints = EVENTS;
    batch.contact_keys = &key_column;
    batch.contacts = contacts;
    batch.times_ms = times;
    batch.types = types;
    batch.n_contacts = batch.n_times_ms = batch.n_types = EVENTS;
    batch.event_id = &id;
    batch.properties = properties;
    batch.n_properties = 1;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    write.events = &batch;
    return apply(stage, &write, lsn);
}

static bool write_attribute(stage_t *stage, uint64_t lsn, uint64_t n) {
    int64_t number = (int64_t)n;
    uint32_t length = 2;
    Reveille__V1__StringColumn keys = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column column = REVEILLE__V1__COLUMN__INIT, *columns[] = {&column};
    Reveille__V1__EntityBatch batch = REVEILLE__V1__ENTITY_BATCH__INIT;
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    keys.data = (ProtobufCBinaryData){2, (uint8_t *)"k0"};
    keys.lengths = &length;
    keys.n_lengths = 1;
    column.id = 2;
    column.type = RV_INT;
    column.ints = &number;
    column.n_ints = 1;
    batch.keys = &keys;
    batch.attributes = columns;
    batch.n_attributes = 1;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS;
    write.contacts = &batch;
    return apply(stage, &write, lsn);
}

static void *writer(void *context) {
    stage_t *stage = context;
    for (uint64_t n = 1; n <= WRITES; n++) {
        if (!write_attribute(stage, 2 * n - 1, n) || !write_events(stage, 2 * n, n)) {
            break;
        }
    }
    atomic_store(&stage->done, true);
    return NULL;
}

static void *housekeeper(void *context) {
    stage_t *stage = context;
    rv_error_t err = {0};
    for (uint32_t round = 0; !atomic_load(&stage->done); round++) {
        rv_status_t status = rvw_partition_flush(stage->partition, &err);
        if (status == RV_OK && round % 3 == 1) {
            status = rvw_partition_merge(stage->partition, 2, &err);
        }
        if (status == RV_OK && round % 7 == 3) {
            status = rvw_partition_compact(stage->partition, &err);
        }
        if (status != RV_OK) {
            complain(stage, "housekeeping", err.message);
            break;
        }
    }
    return NULL;
}

/* Events and sum of values of all chunks. */
static bool add_up(stage_t *stage, const rvw_view_t *view, uint64_t *ret_n, uint64_t *ret_sum) {
    uint32_t chunk_rows = rvw_view_chunk_rows(view);
    *ret_n = *ret_sum = 0;
    for (uint32_t chunk = 0; chunk * chunk_rows < rvw_view_rows(view); chunk++) {
        uint32_t n;
        rv_error_t err = {0};
        rvw_events_t *events = calloc(rvw_view_events_max(view, 1, chunk) + 1, sizeof *events);
        if (!events || rvw_view_events(view, 1, chunk, events, &n, &err) != RV_OK) {
            complain(stage, "events", err.message);
            free(events);
            return false;
        }
        for (uint32_t k = 0; k < n; k++) {
            for (uint32_t i = 0; i < events[k].n; i++) {
                *ret_sum += (uint64_t)rvw_column_int(&events[k].properties[0], i);
            }
            *ret_n += events[k].n;
        }
        free(events);
    }
    return true;
}

static void check_view(stage_t *stage, const rvw_view_t *view) {
    uint64_t lsn = rvw_view_lsn(view), n = lsn / 2, events, sum;
    char text[160];
    rv_arena_t arena;
    rvw_column_t column;
    rv_error_t err = {0};
    uint32_t row;
    if (!add_up(stage, view, &events, &sum)) {
        return;
    }
    if (events != EVENTS * n || sum != EVENTS * n * (n + 1) / 2) {
        snprintf(text, sizeof text, "LSN %llu shows %llu events with sum %llu", (unsigned long long)lsn,
                 (unsigned long long)events, (unsigned long long)sum);
        complain(stage, "view", text);
    }
    if (lsn == 0) {
        return;
    }
    rv_arena_init(&arena, 1 << 24);
    if (!rvw_view_find(view, "k0", 2, &row) || row != 0 ||
        rvw_view_attribute(view, 2, 0, &arena, &column, &err) != RV_OK || !rvw_column_present(&column, 0) ||
        (uint64_t)rvw_column_int(&column, 0) != (lsn + 1) / 2) {
        snprintf(text, sizeof text, "LSN %llu shows another attribute", (unsigned long long)lsn);
        complain(stage, "view", text);
    }
    rv_arena_done(&arena);
}

static void *reader(void *context) {
    stage_t *stage = context;
    uint64_t last = 0;
    for (bool again = true; again;) {
        rvw_view_t *view;
        rv_error_t err = {0};
        again = !atomic_load(&stage->done);
        if (rvw_view_take(stage->partition, &view, &err) != RV_OK) {
            complain(stage, "take", err.message);
            break;
        }
        if (rvw_view_lsn(view) < last) {
            complain(stage, "view", "the LSN went back");
        }
        last = rvw_view_lsn(view);
        check_view(stage, view);
        check_view(stage, view); /* the tail has grown meanwhile, the view has not */
        atomic_fetch_add(&stage->views, 1);
        rvw_view_release(&view);
    }
    return NULL;
}

static void a_view_is_exactly_the_writes_up_to_its_lsn(void **state) {
    (void)state;
    char dir[256], path[300];
    stage_t stage = {0};
    rv_error_t err = {0};
    pthread_t threads[4];
    void *(*const roles[4])(void *) = {writer, housekeeper, reader, reader};
    rvw_identity_t identity = {.partition_count = 1, .chunk_rows = 4};
    world_make_dir(dir);
    snprintf(path, sizeof path, "%s/p", dir);
    assert_int_equal(rvw_partition_create(path, &identity, &err), RV_OK);
    assert_int_equal(rvw_partition_open(path, &stage.partition, &err), RV_OK);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(pthread_create(&threads[k], NULL, roles[k], &stage), 0);
    }
    for (int k = 0; k < 4; k++) {
        pthread_join(threads[k], NULL);
    }
    assert_int_equal(atomic_load(&stage.failures), 0);
    assert_true(atomic_load(&stage.views) > 1);
    assert_int_equal(rvw_partition_lsn(stage.partition), 2 * WRITES);
    rvw_partition_close(&stage.partition);
    world_remove_dir(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_is_exactly_the_writes_up_to_its_lsn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

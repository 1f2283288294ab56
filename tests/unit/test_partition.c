/* Partitions: whatever order writes, flushes, merges, compactions and restarts come in, a view shows what plain arrays
 * say. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_world.h"

static uint64_t seed;

/* Random writes with random housekeeping between them; two views are held for a while. */
static void random_life(uint32_t chunk_rows, uint64_t life_seed, uint32_t steps) {
    char dir[256];
    held_t *held[2] = {NULL, NULL};
    world_make_dir(dir);
    world_t *world = world_new(dir, chunk_rows, life_seed);
    for (uint32_t k = 0; k < steps; k++) {
        uint32_t slot = (uint32_t)world_random(world, 2);
        world_step(world, 12);
        switch (world_random(world, 24)) {
        case 0:
        case 1:
            world_flush(world);
            break;
        case 2:
            world_merge(world, (uint32_t)world_random(world, 3));
            break;
        case 3:
            world_compact(world);
            break;
        case 4:
            for (int h = 0; h < 2; h++) {
                if (held[h]) {
                    world_check_held(world, held[h]);
                    world_release(&held[h]);
                }
            }
            world_reopen(world, world_random(world, 2) == 0);
            break;
        case 5:
        case 6:
            if (held[slot]) {
                world_check_held(world, held[slot]);
                world_release(&held[slot]);
            } else {
                held[slot] = world_hold(world);
            }
            break;
        case 7:
            world_check(world);
            break;
        default:
            break;
        }
    }
    world_check(world);
    for (int h = 0; h < 2; h++) {
        if (held[h]) {
            world_check_held(world, held[h]);
            world_release(&held[h]);
        }
    }
    world_destroy(&world);
    world_remove_dir(dir);
}

static void views_show_what_was_written_for_every_chunk_size(void **state) {
    (void)state;
    static const uint32_t sizes[] = {2, 4, 8, 16, 1024, 65536};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (uint64_t round = 0; round < 3; round++) {
            print_message("seed %llu, chunks of %u\n", (unsigned long long)(seed + round), sizes[k]);
            random_life(sizes[k], seed + round, 120);
        }
    }
}

static void an_erased_contact_leaves_no_trace_after_compaction(void **state) {
    (void)state;
    char dir[256], key[64];
    const char *erased = NULL;
    world_make_dir(dir);
    world_t *world = world_new(dir, 8, seed);
    for (uint32_t k = 0; k < 400 && !(k > 50 && erased); k++) {
        world_step(world, 12);
        if (k % 20 == 0) {
            world_flush(world);
        }
        erased = world_erased_key(world);
    }
    assert_non_null(erased);
    snprintf(key, sizeof key, "%s", erased);
    assert_true(world_grep(dir, key, strlen(key)));
    assert_true(rvw_partition_wants_compact(world_partition(world)));
    held_t *held = world_hold(world);
    world_compact(world);
    world_check_held(world, held);
    world_release(&held);
    world_check(world);
    world_reopen(world, true);
    /* Keys may be stored as prefix and number: the digits that no other key shares would show. */
    assert_false(world_grep(dir, key, strlen(key)));
    world_check(world);
    world_destroy(&world);
    world_remove_dir(dir);
}

static void a_second_opening_is_refused(void **state) {
    (void)state;
    char dir[256], path[300];
    rvw_partition_t *second;
    rvw_identity_t identity;
    rv_error_t err = {0};
    world_make_dir(dir);
    world_t *world = world_new(dir, 8, seed);
    snprintf(path, sizeof path, "%s/p", dir);
    assert_int_equal(rvw_partition_open(path, &second, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(err.reason, RV_REASON_FOREIGN);
    assert_int_equal(rvw_partition_identity(path, &identity, &err), RV_FAILED_PRECONDITION);
    identity = (rvw_identity_t){.partition_count = 1, .chunk_rows = 8};
    assert_int_equal(rvw_partition_create(path, &identity, &err), RV_FAILED_PRECONDITION);
    world_destroy(&world);
    assert_int_equal(rvw_partition_identity(path, &identity, &err), RV_OK);
    assert_int_equal(identity.partition, 1);
    assert_int_equal(identity.partition_count, 3);
    assert_int_equal(identity.chunk_rows, 8);
    snprintf(path, sizeof path, "%s/none", dir);
    assert_int_equal(rvw_partition_identity(path, &identity, &err), RV_NOT_FOUND);
    world_remove_dir(dir);
}

static void the_epoch_is_kept(void **state) {
    (void)state;
    char dir[256];
    rv_error_t err = {0};
    world_make_dir(dir);
    world_t *world = world_new(dir, 8, seed);
    world_step(world, 12);
    assert_int_equal(rvw_partition_set_epoch(world_partition(world), 42, &err), RV_OK);
    world_reopen(world, false);
    assert_int_equal(rvw_partition_get_identity(world_partition(world))->epoch, 42);
    world_check(world);
    world_destroy(&world);
    world_remove_dir(dir);
}

/* Contacts first .. first + 15 with a value of 60,000 bytes each. */
static void write_large(rvw_partition_t *p, uint32_t first, uint64_t lsn) {
    enum { ROWS = 16, BYTES = 60000 };
    uint32_t key_lengths[ROWS], lengths[ROWS];
    char *keys = calloc(ROWS, 8), *values = malloc((size_t)ROWS * BYTES);
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    Reveille__V1__EntityBatch batch = REVEILLE__V1__ENTITY_BATCH__INIT;
    Reveille__V1__StringColumn key_column = REVEILLE__V1__STRING_COLUMN__INIT, text = key_column;
    Reveille__V1__Column column = REVEILLE__V1__COLUMN__INIT, *columns[] = {&column};
    rvw_result_t result;
    rv_arena_t arena;
    rv_error_t err = {0};
    for (uint32_t i = 0; i < ROWS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%07u", first + i);
        memcpy(keys + 8 * i, key, 8);
        memset(values + (size_t)i * BYTES, 'a' + (int)(first + i) % 26, BYTES);
        memcpy(values + (size_t)i * BYTES, key, 8);
        key_lengths[i] = 8;
        lengths[i] = BYTES;
    }
    key_column.data = (ProtobufCBinaryData){ROWS * 8, (uint8_t *)keys};
    key_column.lengths = key_lengths;
    text.data = (ProtobufCBinaryData){(size_t)ROWS * BYTES, (uint8_t *)values};
    text.lengths = lengths;
    key_column.n_lengths = text.n_lengths = ROWS;
    column.id = 1;
    column.type = RV_STRING;
    column.strings = &text;
    batch.keys = &key_column;
    batch.attributes = columns;
    batch.n_attributes = 1;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS;
    write.contacts = &batch;
    rv_arena_init(&arena, SIZE_MAX);
    assert_int_equal(rvw_partition_apply(p, NULL, &write, lsn, 0, false, &arena, &result, &err), RV_OK);
    assert_int_equal(result.applied, ROWS);
    rv_arena_done(&arena);
    free(keys);
    free(values);
}

static void check_large(rvw_partition_t *p, uint32_t rows) {
    rvw_view_t *view;
    rvw_column_t column;
    rv_arena_t arena;
    rv_error_t err = {0};
    rv_arena_init(&arena, SIZE_MAX);
    assert_int_equal(rvw_view_take(p, &view, &err), RV_OK);
    assert_int_equal(rvw_view_attribute(view, 1, 0, &arena, &column, &err), RV_OK);
    assert_int_equal(column.n, rows);
    for (uint32_t i = 0; i < rows; i++) {
        char key[16], buf[300];
        uint32_t row;
        snprintf(key, sizeof key, "k%07u", i);
        assert_true(rvw_view_find(view, key, 8, &row));
        assert_int_equal(row, i);
        rv_str_t s = rvw_column_string(&column, i, buf);
        assert_int_equal(s.n, 60000);
        assert_memory_equal(s.p, key, 8);
        assert_int_equal(s.p[59999], 'a' + (int)i % 26);
    }
    rvw_view_release(&view);
    rv_arena_done(&arena);
}

static void a_column_too_large_for_one_value_lies_in_parts(void **state) {
    (void)state;
    char dir[256], path[300];
    rvw_partition_t *p;
    rv_error_t err = {0};
    rvw_identity_t identity = {.partition_count = 1, .chunk_rows = 65536};
    world_make_dir(dir);
    snprintf(path, sizeof path, "%s/p", dir);
    assert_int_equal(rvw_partition_create(path, &identity, &err), RV_OK);
    assert_int_equal(rvw_partition_open(path, &p, &err), RV_OK);
    for (uint32_t k = 0; k < 20; k++) {
        write_large(p, 16 * k, k + 1);
    }
    check_large(p, 320);
    assert_int_equal(rvw_partition_flush(p, &err), RV_OK);
    check_large(p, 320);
    write_large(p, 320, 21);
    assert_int_equal(rvw_partition_compact(p, &err), RV_OK);
    check_large(p, 336);
    rvw_partition_close(&p);
    assert_int_equal(rvw_partition_open(path, &p, &err), RV_OK);
    check_large(p, 336);
    rvw_partition_close(&p);
    world_remove_dir(dir);
}

/* A partition with flushed data, closed; its file's bytes. */
static char *closed_file(const char *dir, char path[300], size_t *ret_n) {
    world_t *world = world_new(dir, 16, seed);
    for (int k = 0; k < 60; k++) {
        world_step(world, 12);
    }
    world_flush(world);
    world_destroy(&world);
    snprintf(path, 300, "%s/p/data.mdb", dir);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *ret_n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*ret_n);
    assert_int_equal(fread(bytes, 1, *ret_n, f), *ret_n);
    fclose(f);
    return bytes;
}

static void put_file(const char *path, const char *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Opens and reads everything; whatever happens is a status. */
static rv_status_t read_all(const char *dir) {
    char path[300];
    rvw_partition_t *p;
    rvw_view_t *view = NULL;
    rv_error_t err = {0};
    snprintf(path, sizeof path, "%s/p", dir);
    rv_status_t status = rvw_partition_open(path, &p, &err);
    if (status) {
        return status;
    }
    status = rvw_view_take(p, &view, &err);
    for (uint32_t chunk = 0; status == RV_OK && chunk * 16 < rvw_view_rows(view); chunk++) {
        for (uint32_t type = 1; status == RV_OK && type < 6; type++) {
            uint32_t n;
            rvw_events_t *events = calloc(rvw_view_events_max(view, type, chunk) + 1, sizeof *events);
            status = rvw_view_events(view, type, chunk, events, &n, &err);
            free(events);
        }
        for (uint32_t a = 0; status == RV_OK && a < 9; a++) {
            rv_arena_t arena;
            rvw_column_t column;
            rv_arena_init(&arena, SIZE_MAX);
            status = rvw_view_attribute(view, a, chunk, &arena, &column, &err);
            rv_arena_done(&arena);
        }
    }
    rvw_view_release(&view);
    if (status == RV_DATA_LOSS) {
        assert_non_null(rvw_partition_problem(p));
        assert_int_equal(rvw_view_take(p, &view, &err), RV_DATA_LOSS);
    }
    rvw_partition_close(&p);
    return status;
}

static void a_cut_file_is_a_data_loss_and_no_crash(void **state) {
    (void)state;
    char dir[256], path[300];
    size_t n;
    world_make_dir(dir);
    char *bytes = closed_file(dir, path, &n);
    assert_int_equal(read_all(dir), RV_OK);
    static const size_t cuts[] = {0, 100, 4096, 8192, 12288};
    for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++) {
        put_file(path, bytes, cuts[k]);
        assert_int_equal(read_all(dir), RV_DATA_LOSS);
    }
    for (size_t at = n / 4096 / 3; at + 1 < n / 4096; at += 3) {
        put_file(path, bytes, at * 4096);
        rv_status_t status = read_all(dir);
        assert_true(status == RV_DATA_LOSS || status == RV_OK);
    }
    memset(bytes, 'x', n);
    put_file(path, bytes, n);
    assert_int_equal(read_all(dir), RV_FAILED_PRECONDITION);
    free(bytes);
    world_remove_dir(dir);
}

static void flipped_bits_and_zeroed_pages_never_crash(void **state) {
    (void)state;
    char dir[256], path[300];
    size_t n;
    uint32_t found = 0;
    uint64_t random = seed;
    world_make_dir(dir);
    char *bytes = closed_file(dir, path, &n);
    char *broken = malloc(n);
    for (uint32_t round = 0; round < 150; round++) {
        memcpy(broken, bytes, n);
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        if (round % 2) {
            memset(broken + (random >> 33) % (n / 4096) * 4096, 0, 4096);
        } else {
            broken[(random >> 20) % n] = (char)(broken[(random >> 20) % n] ^ 1 << ((random >> 60) & 7));
        }
        put_file(path, broken, n);
        found += read_all(dir) != RV_OK;
    }
    assert_true(found > 30);
    free(broken);
    free(bytes);
    world_remove_dir(dir);
}

/* Whatever bit of a meta page flips: the partition is refused, or it reads as before. LMDB alone would go on with the
 * transaction before the last. */
static void a_flipped_bit_of_a_meta_page_never_brings_an_older_state(void **state) {
    (void)state;
    enum { META_BYTES = 16 + 136 };
    char dir[256], path[300], place[300];
    size_t n;
    world_make_dir(dir);
    char *bytes = closed_file(dir, path, &n);
    rvw_partition_t *p;
    rv_error_t err;
    snprintf(place, sizeof place, "%s/p", dir);
    assert_int_equal(rvw_partition_open(place, &p, &err), RV_OK);
    uint64_t lsn = rvw_partition_flushed_lsn(p), events;
    rvw_partition_counts_t counts;
    rvw_partition_counts(p, &counts);
    events = counts.events;
    rvw_partition_close(&p);
    for (size_t bit = 0; bit < 2 * META_BYTES * 8; bit++) {
        size_t at = bit / 8 % META_BYTES + (bit / 8 < META_BYTES ? 0 : 4096);
        bytes[at] = (char)(bytes[at] ^ 1 << bit % 8);
        put_file(path, bytes, n);
        bytes[at] = (char)(bytes[at] ^ 1 << bit % 8);
        if (rvw_partition_open(place, &p, &err) != RV_OK) {
            continue;
        }
        rvw_partition_counts(p, &counts);
        assert_int_equal(rvw_partition_flushed_lsn(p), lsn);
        assert_int_equal(counts.events, events);
        rvw_partition_close(&p);
    }
    free(bytes);
    world_remove_dir(dir);
}

int main(void) {
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 10) : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_show_what_was_written_for_every_chunk_size),
        cmocka_unit_test(an_erased_contact_leaves_no_trace_after_compaction),
        cmocka_unit_test(a_second_opening_is_refused),
        cmocka_unit_test(the_epoch_is_kept),
        cmocka_unit_test(a_column_too_large_for_one_value_lies_in_parts),
        cmocka_unit_test(a_cut_file_is_a_data_loss_and_no_crash),
        cmocka_unit_test(flipped_bits_and_zeroed_pages_never_crash),
        cmocka_unit_test(a_flipped_bit_of_a_meta_page_never_brings_an_older_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

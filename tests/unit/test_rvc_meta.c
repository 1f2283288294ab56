/* What the coordinator must not forget survives, and what is damaged or foreign is refused with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../coordinator/meta.h"
#include "../../coordinator/record.h"

static char dir[64];

static int make_dir(void **state) {
    (void)state;
    strcpy(dir, "/tmp/rvc-meta-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static void path_of(const char *name, char path[128]) {
    snprintf(path, 128, "%s/%s", dir, name);
}

static int remove_dir(void **state) {
    (void)state;
    char path[128];
    path_of("data.mdb", path);
    unlink(path);
    path_of("lock.mdb", path);
    unlink(path);
    return rmdir(dir);
}

static rvc_meta_t *open_meta(void) {
    rvc_meta_t *meta = NULL;
    rv_error_t err = {0};
    rv_status_t status = rvc_meta_open(dir, 3, 16, &meta, &err);
    if (status != RV_OK)
        fail_msg("%s", err.message);
    return meta;
}

static void a_new_cluster_keeps_its_identity_and_the_term_rises(void **state) {
    (void)state;
    rvc_meta_t *meta = open_meta();
    rvc_identity_t first = *rvc_meta_identity(meta);
    assert_int_equal(first.term, 1);
    assert_int_equal(first.partitions, 3);
    rvc_meta_close(&meta);
    assert_int_equal(rvc_meta_open(dir, 7, 32, &meta, NULL), RV_OK);
    assert_int_equal(rvc_meta_identity(meta)->term, 2);
    assert_int_equal(rvc_meta_identity(meta)->partitions, 3);
    assert_int_equal(rvc_meta_identity(meta)->chunk_rows, 16);
    assert_memory_equal(rvc_meta_identity(meta)->cluster_id, first.cluster_id, 16);
    rvc_meta_close(&meta);
    rvc_meta_close(&meta);
}

static void the_map_is_kept(void **state) {
    (void)state;
    rvc_meta_t *meta = open_meta();
    rvc_placement_t map[3];
    assert_int_equal(rvc_meta_load_map(meta, map, NULL), RV_OK);
    assert_string_equal(map[2].worker, "");
    map[2] = (rvc_placement_t){.worker = "worker-9", .epoch = 12, .created = true};
    assert_int_equal(rvc_meta_save_map(meta, map, NULL), RV_OK);
    rvc_meta_close(&meta);
    meta = open_meta();
    memset(map, 1, sizeof map);
    assert_int_equal(rvc_meta_load_map(meta, map, NULL), RV_OK);
    assert_string_equal(map[0].worker, "");
    assert_string_equal(map[2].worker, "worker-9");
    assert_int_equal(map[2].epoch, 12);
    assert_true(map[2].created);
    rvc_meta_close(&meta);
}

static void the_catalog_is_kept(void **state) {
    (void)state;
    rvc_meta_t *meta = open_meta();
    rv_arena_t arena;
    Reveille__V1__Catalog *read = NULL;
    rv_arena_init(&arena, 1u << 20);
    assert_int_equal(rvc_meta_load_catalog(meta, &arena, &read, NULL), RV_OK);
    assert_null(read);
    Reveille__V1__Segment segment = REVEILLE__V1__SEGMENT__INIT, *list[] = {&segment};
    Reveille__V1__Catalog catalog = REVEILLE__V1__CATALOG__INIT;
    segment.name = "vip";
    segment.filter = "true";
    catalog.version = 5;
    catalog.n_segments = 1;
    catalog.segments = list;
    assert_int_equal(rvc_meta_save_catalog(meta, &catalog, NULL), RV_OK);
    assert_int_equal(rvc_meta_load_catalog(meta, &arena, &read, NULL), RV_OK);
    assert_int_equal(read->version, 5);
    assert_string_equal(read->segments[0]->name, "vip");
    rv_arena_done(&arena);
    rvc_meta_close(&meta);
}

static rv_status_t collect(void *context, const rvc_import_record_t *record, rv_error_t *err) {
    (void)err;
    rvc_import_record_t **at = context;
    *(*at)++ = *record;
    return RV_OK;
}

static void imports_are_kept_in_order_and_forgotten(void **state) {
    (void)state;
    rvc_meta_t *meta = open_meta();
    for (uint64_t id = 300; id > 0; id -= 100) {
        rvc_import_record_t record = {
            .id = id, .what = RVC_IMPORT_EVENTS, .offset = id * 10, .fingerprint_n = 2, .finished = true};
        strcpy(record.name, "events.csv");
        memcpy(record.fingerprint, "ab", 2);
        assert_int_equal(rvc_meta_save_import(meta, &record, NULL), RV_OK);
    }
    assert_int_equal(rvc_meta_drop_import(meta, 200, NULL), RV_OK);
    assert_int_equal(rvc_meta_drop_import(meta, 200, NULL), RV_OK);
    rvc_meta_close(&meta);
    meta = open_meta();
    rvc_import_record_t found[4], *at = found;
    assert_int_equal(rvc_meta_each_import(meta, collect, &at, NULL), RV_OK);
    assert_int_equal(at - found, 2);
    assert_int_equal(found[0].id, 100);
    assert_int_equal(found[1].id, 300);
    assert_int_equal(found[1].offset, 3000);
    assert_true(found[1].finished);
    assert_string_equal(found[1].name, "events.csv");
    rvc_meta_close(&meta);
}

static rv_status_t collect_fanout(void *context, uint64_t id, const uint8_t *p, size_t n, rv_error_t *err) {
    char **at = context;
    (void)err;
    *at += sprintf(*at, "%llu:%.*s ", (unsigned long long)id, (int)n, (const char *)p);
    return RV_OK;
}

static void keep_fanout(rvc_meta_t *meta, uint64_t id, const char *text, const uint64_t *over, size_t n_over) {
    rv_bytes_t bytes = {0};
    assert_true(rv_bytes_add(&bytes, text, strlen(text)));
    assert_int_equal(rvc_meta_save_fanout(meta, id, &bytes, over, n_over, NULL), RV_OK);
    rv_bytes_done(&bytes);
}

static void fan_outs_are_kept_in_order_and_forgotten_with_the_next(void **state) {
    (void)state;
    rvc_meta_t *meta = open_meta();
    rvc_import_record_t import = {.id = 2, .what = RVC_IMPORT_EVENTS, .name = "i"};
    keep_fanout(meta, 300, "c", NULL, 0);
    keep_fanout(meta, 2, "b", NULL, 0);
    assert_int_equal(rvc_meta_save_import(meta, &import, NULL), RV_OK);
    keep_fanout(meta, 301, "d", (const uint64_t[]){300, 77}, 2);
    rvc_meta_close(&meta);
    meta = open_meta();
    char found[64], *at = found;
    assert_int_equal(rvc_meta_each_fanout(meta, collect_fanout, &at, NULL), RV_OK);
    assert_string_equal(found, "2:b 301:d ");
    assert_int_equal(rvc_meta_save_fanout(meta, 0, NULL, (const uint64_t[]){2, 301}, 2, NULL), RV_OK);
    at = found;
    *at = 0;
    assert_int_equal(rvc_meta_each_fanout(meta, collect_fanout, &at, NULL), RV_OK);
    assert_string_equal(found, "");
    rvc_import_record_t imports[2], *last = imports;
    assert_int_equal(rvc_meta_each_import(meta, collect, &last, NULL), RV_OK);
    assert_int_equal(last - imports, 1);
    rvc_meta_close(&meta);
}

static void keys_of_a_fan_out_are_read_as_they_were_written(void **state) {
    (void)state;
    const uint32_t lengths[] = {1, 3, 2};
    rv_bytes_t bytes = {0}, empty = {0};
    size_t n, all;
    uint8_t keys[6];
    uint32_t read[3];
    assert_true(rvc_record_put_keys(&bytes, (const uint8_t *)"abbbcc", lengths, 3));
    assert_true(rvc_record_count_keys(bytes.p, bytes.n, &n, &all));
    assert_int_equal(n, 3);
    assert_int_equal(all, 6);
    rvc_record_get_keys(bytes.p, bytes.n, keys, read);
    assert_memory_equal(keys, "abbbcc", 6);
    assert_memory_equal(read, lengths, sizeof lengths);
    assert_false(rvc_record_count_keys(bytes.p, bytes.n - 1, &n, &all));
    assert_true(rvc_record_put_keys(&empty, NULL, NULL, 0));
    assert_false(rvc_record_count_keys(empty.p, empty.n, &n, &all));
    rv_bytes_done(&bytes);
    rv_bytes_done(&empty);
}

static void write_file(const char *name, const char *bytes, size_t n) {
    char path[128];
    path_of(name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void a_file_that_is_not_ours_is_refused(void **state) {
    (void)state;
    char junk[8192];
    rvc_meta_t *meta = NULL;
    rv_error_t err = {0};
    memset(junk, 'x', sizeof junk);
    write_file("data.mdb", junk, sizeof junk);
    assert_int_equal(rvc_meta_open(dir, 3, 16, &meta, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(err.reason, RV_REASON_FOREIGN);
    assert_null(meta);
}

static void a_file_that_was_cut_short_is_refused(void **state) {
    (void)state;
    char path[128];
    rvc_meta_t *meta = open_meta();
    rv_error_t err = {0};
    rvc_meta_close(&meta);
    path_of("data.mdb", path);
    assert_int_equal(truncate(path, 2 * 4096), 0);
    assert_int_equal(rvc_meta_open(dir, 3, 16, &meta, &err), RV_DATA_LOSS);
    assert_int_equal(err.reason, RV_REASON_DAMAGED);
}

/* A flipped byte in a record is found by its checksum, wherever it is. */
static void a_flipped_byte_is_found(void **state) {
    (void)state;
    rvc_import_record_t record = {.id = 1, .what = RVC_IMPORT_CONTACTS}, read;
    rv_bytes_t bytes = {0}, sealed = {0};
    size_t n;
    assert_true(rvc_record_put_import(&bytes, &record));
    assert_true(rvc_record_seal("import1", 7, &bytes, &sealed));
    const uint8_t *opened = rvc_record_open("import1", 7, sealed.p, sealed.n, &n);
    assert_true(opened && rvc_record_get_import(opened, n, &read));
    assert_null(rvc_record_open("import2", 7, sealed.p, sealed.n, &n));
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 0x10;
        assert_null(rvc_record_open("import1", 7, sealed.p, sealed.n, &n));
        sealed.p[i] ^= 0x10;
    }
    for (size_t i = 0; i < bytes.n; i++) /* readers never read past a short record */
        assert_false(rvc_record_get_import(bytes.p, i, &read));
    rv_bytes_done(&bytes);
    rv_bytes_done(&sealed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_cluster_keeps_its_identity_and_the_term_rises, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_map_is_kept, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_catalog_is_kept, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(imports_are_kept_in_order_and_forgotten, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(fan_outs_are_kept_in_order_and_forgotten_with_the_next, make_dir, remove_dir),
        cmocka_unit_test(keys_of_a_fan_out_are_read_as_they_were_written),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_ours_is_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_file_that_was_cut_short_is_refused, make_dir, remove_dir),
        cmocka_unit_test(a_flipped_byte_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

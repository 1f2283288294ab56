/* store_world.c: see store_world.h. The arrays are searched from end to end on purpose: nothing here is clever enough
 * to be wrong in the way that the store might be. */
#include "store_world.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "reveille/hash.h"
#include "store_model.h"

struct world {
    char dir[256];
    uint32_t chunk_rows;
    uint64_t seed;
    rvw_wal_t *wal;
    rvw_partition_t *partition;
    model_t model;
    uint64_t lsn, sequence;
    step_t *last; /* some earlier write, to be repeated */
    bool no_deletes;
};

struct held {
    rvw_view_t *view;
    model_t model;
};

void world_make_dir(char out[256]) {
    const char *base = getenv("TMPDIR");
    snprintf(out, 256, "%s/reveille-store-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(out));
}

void world_remove_dir(const char *dir) {
    DIR *d = opendir(dir);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        char path[1024];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            world_remove_dir(path);
        } else {
            unlink(path);
        }
    }
    if (d) {
        closedir(d);
    }
    rmdir(dir);
}

static void must(rv_status_t status, const rv_error_t *err) {
    if (status != RV_OK) {
        fail_msg("%s: %s", rv_status_name(status), err->message);
    }
}

uint64_t world_random(world_t *world, uint64_t below) {
    return model_random(&world->seed, below);
}

static rv_status_t replay(void *context, const rvw_record_t *record, rv_error_t *err) {
    world_t *world = context;
    rv_arena_t arena;
    rvw_result_t result;
    rv_arena_init(&arena, SIZE_MAX);
    Reveille__V1__PartitionWrite *write = reveille__v1__partition_write__unpack(NULL, record->n, record->bytes);
    assert_non_null(write);
    uint64_t hash = rv_hash(record->bytes, record->n);
    rv_status_t status =
        rvw_partition_apply(world->partition, NULL, write, record->lsn, hash, false, &arena, &result, err);
    reveille__v1__partition_write__free_unpacked(write, NULL);
    rv_arena_done(&arena);
    return status;
}

static void open_all(world_t *world) {
    char path[300];
    rv_error_t err = {0};
    snprintf(path, sizeof path, "%s/log", world->dir);
    if (mkdir(path, 0700) != 0) {
        assert_int_equal(errno, EEXIST);
    }
    must(rvw_wal_open(path, true, &world->wal, &err), &err);
    snprintf(path, sizeof path, "%s/p", world->dir);
    rvw_identity_t identity = {.partition = 1, .partition_count = 3, .chunk_rows = world->chunk_rows, .epoch = 1};
    if (access(path, F_OK) != 0) {
        must(rvw_partition_create(path, &identity, &err), &err);
    }
    must(rvw_partition_open(path, &world->partition, &err), &err);
    assert_int_equal(rvw_partition_get_identity(world->partition)->chunk_rows, world->chunk_rows);
    if (rvw_wal_next(world->wal, 1) != 1) {
        must(rvw_wal_adopt(world->wal, 1, rvw_partition_flushed_lsn(world->partition), &err), &err);
    }
    must(rvw_wal_replay(world->wal, 1, rvw_partition_flushed_lsn(world->partition), replay, world, &err), &err);
}

world_t *world_new(const char *dir, uint32_t chunk_rows, uint64_t seed) {
    world_t *world = calloc(1, sizeof *world);
    assert_non_null(world);
    snprintf(world->dir, sizeof world->dir, "%s", dir);
    world->chunk_rows = chunk_rows;
    world->seed = seed;
    world->sequence = 1;
    open_all(world);
    return world;
}

void world_destroy(world_t **world) {
    rvw_partition_close(&(*world)->partition);
    rvw_wal_close(&(*world)->wal);
    model_done(&(*world)->model);
    step_destroy(&(*world)->last);
    free(*world);
    *world = NULL;
}

static void compare_results(const rvw_result_t *got, const model_result_t *wanted) {
    assert_int_equal(got->applied, wanted->applied);
    assert_int_equal(got->duplicates, wanted->duplicates);
    assert_int_equal(got->duplicates_without_id, wanted->duplicates_without_id);
    assert_int_equal(got->contacts_created, wanted->contacts_created);
    assert_int_equal(got->refused, wanted->refused);
    assert_int_equal(got->n_errors, wanted->refused);
}

/* Packs a step under an identity of its own. */
static uint8_t *pack(world_t *world, const step_t *step, uint64_t sequence, size_t *ret_n) {
    rv_arena_t arena;
    rv_arena_init(&arena, SIZE_MAX);
    Reveille__V1__PartitionWrite *write = step_message(step, sequence, &arena);
    *ret_n = reveille__v1__partition_write__get_packed_size(write);
    uint8_t *bytes = malloc(*ret_n + 1);
    assert_non_null(bytes);
    reveille__v1__partition_write__pack(write, bytes);
    rv_arena_done(&arena);
    (void)world;
    return bytes;
}

/* Checks, logs and applies one packed write; *ret_known as the partition says. */
static void submit(world_t *world, const uint8_t *bytes, size_t n, bool *ret_known, rvw_result_t *ret) {
    rv_error_t err = {0};
    rv_arena_t arena;
    rv_arena_init(&arena, SIZE_MAX);
    Reveille__V1__PartitionWrite *write = reveille__v1__partition_write__unpack(NULL, n, bytes);
    assert_non_null(write);
    uint64_t hash = rv_hash(bytes, n);
    must(rvw_partition_check(world->partition, write, hash, ret_known, &err), &err);
    uint64_t lsn = rvw_partition_lsn(world->partition) + !*ret_known;
    if (!*ret_known) {
        rvw_record_t record = {1, lsn, bytes, n, 0};
        must(rvw_wal_append(world->wal, &record, 1, &err), &err);
    }
    must(rvw_partition_apply(world->partition, NULL, write, lsn, hash, *ret_known, &arena, ret, &err), &err);
    assert_int_equal(rvw_partition_lsn(world->partition), lsn);
    world->lsn = lsn;
    reveille__v1__partition_write__free_unpacked(write, NULL);
    rv_arena_done(&arena);
}

static void repeat(world_t *world) {
    size_t n;
    bool known;
    rvw_result_t result;
    uint8_t *bytes = pack(world, world->last, world->sequence - 1, &n);
    submit(world, bytes, n, &known, &result);
    assert_true(known);
    assert_int_equal(result.applied, 0);
    assert_int_equal(result.contacts_created, 0);
    free(bytes);
}

static void remember(world_t *world, step_t *step) {
    step_destroy(&world->last);
    world->last = step;
}

void world_step(world_t *world, uint32_t items) {
    size_t n;
    bool known;
    rvw_result_t result;
    model_result_t wanted;
    if (world->last && world_random(world, 10) == 0) {
        repeat(world);
        return;
    }
    step_t *step = step_new(&world->model, &world->seed, items);
    while (world->no_deletes &&
           (step->kind == STEP_DELETE || step->kind == STEP_DELETE_SOURCE || step->kind == STEP_DELETE_IMPORT)) {
        step_destroy(&step);
        step = step_new(&world->model, &world->seed, items);
    }
    uint8_t *bytes = pack(world, step, world->sequence++, &n);
    submit(world, bytes, n, &known, &result);
    assert_false(known);
    model_apply(&world->model, step, world->lsn, &wanted);
    compare_results(&result, &wanted);
    free(bytes);
    remember(world, step);
}

void world_pretend(world_t *world, uint32_t items) {
    model_result_t wanted;
    if (world->last && world_random(world, 10) == 0) {
        return;
    }
    step_t *step = step_new(&world->model, &world->seed, items);
    world->sequence++;
    model_apply(&world->model, step, ++world->lsn, &wanted);
    remember(world, step);
}

uint64_t world_pretended_lsn(const world_t *world) {
    return world->lsn;
}

void world_flush(world_t *world) {
    rv_error_t err = {0};
    must(rvw_partition_flush(world->partition, &err), &err);
    assert_int_equal(rvw_partition_flushed_lsn(world->partition), rvw_partition_lsn(world->partition));
}

bool world_try_flush(world_t *world) {
    rv_error_t err = {0};
    rv_status_t status = rvw_partition_flush(world->partition, &err);
    assert_true(status == RV_OK || status == RV_RESOURCE_EXHAUSTED);
    assert_null(rvw_partition_problem(world->partition));
    return status == RV_OK;
}

void world_avoid_deletes(world_t *world) {
    world->no_deletes = true;
}

void world_merge(world_t *world, uint32_t max_runs) {
    rv_error_t err = {0};
    must(rvw_partition_merge(world->partition, max_runs, &err), &err);
}

void world_compact(world_t *world) {
    rv_error_t err = {0};
    must(rvw_partition_compact(world->partition, &err), &err);
    assert_false(rvw_partition_wants_compact(world->partition));
    rvw_partition_counts_t counts;
    rvw_partition_counts(world->partition, &counts);
    assert_int_equal(counts.events, model_events(&world->model));
}

void world_reopen(world_t *world, bool trim) {
    rv_error_t err = {0};
    uint64_t lsn = rvw_partition_lsn(world->partition);
    if (trim) {
        must(rvw_wal_trim(world->wal, 1, rvw_partition_flushed_lsn(world->partition), &err), &err);
        must(rvw_wal_compact(world->wal, &err), &err);
    }
    rvw_partition_close(&world->partition);
    rvw_wal_close(&world->wal);
    open_all(world);
    assert_int_equal(rvw_partition_lsn(world->partition), lsn);
}

void world_check(world_t *world) {
    rvw_view_t *view;
    rvw_partition_counts_t counts;
    rv_error_t err = {0};
    must(rvw_view_take(world->partition, &view, &err), &err);
    model_compare(&world->model, view);
    rvw_partition_counts(world->partition, &counts);
    assert_int_equal(counts.contacts, model_contacts(&world->model));
    rvw_view_release(&view);
}

held_t *world_hold(world_t *world) {
    rv_error_t err = {0};
    held_t *held = calloc(1, sizeof *held);
    assert_non_null(held);
    must(rvw_view_take(world->partition, &held->view, &err), &err);
    model_copy(&world->model, &held->model);
    return held;
}

void world_check_held(world_t *world, held_t *held) {
    (void)world;
    model_compare(&held->model, held->view);
}

void world_release(held_t **held) {
    rvw_view_release(&(*held)->view);
    model_done(&(*held)->model);
    free(*held);
    *held = NULL;
}

rvw_partition_t *world_partition(world_t *world) {
    return world->partition;
}

const char *world_erased_key(world_t *world) {
    return model_erased_key(&world->model);
}

static bool file_has(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "rb");
    bool found = false;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        long size = ftell(f);
        char *all = malloc((size_t)size + 1);
        rewind(f);
        if (all && fread(all, 1, (size_t)size, f) == (size_t)size) {
            found = memmem(all, (size_t)size, bytes, n) != NULL;
        }
        free(all);
    }
    if (f) {
        fclose(f);
    }
    return found;
}

bool world_grep(const char *dir, const void *bytes, size_t n) {
    DIR *d = opendir(dir);
    struct dirent *entry;
    bool found = false;
    while (d && !found && (entry = readdir(d))) {
        char path[1024];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (lstat(path, &st) == 0) {
            found = S_ISDIR(st.st_mode) ? world_grep(path, bytes, n) : file_has(path, bytes, n);
        }
    }
    if (d) {
        closedir(d);
    }
    return found;
}

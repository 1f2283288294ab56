/* store_world.h: a partition and its log beside plain arrays that say what must be in them.
 *
 * Every step makes a random write, logs it, applies it to the partition and to the arrays, and compares what both say
 * it did. A check compares all that a view shows with the arrays. Held views keep a copy of the arrays as they were.
 * cmocka assertions fail the test. */
#ifndef REVEILLE_TESTS_STORE_WORLD_H
#define REVEILLE_TESTS_STORE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "store/partition.h"
#include "store/wal.h"

typedef struct world world_t;
typedef struct held held_t;

/* Directories for a test, removed by world_remove_dir. */
void world_make_dir(char out[256]);
void world_remove_dir(const char *dir);

/* A new partition in DIR/p with its log in DIR/log; or those that are there, replayed. */
world_t *world_new(const char *dir, uint32_t chunk_rows, uint64_t seed);
void world_destroy(world_t **world);

/* One random write of up to `items` items; repeats an earlier one now and then. */
void world_step(world_t *world, uint32_t items);
/* Only makes the write and adds it to the arrays, as if it had been applied: what a killed process did before. */
void world_pretend(world_t *world, uint32_t items);
/* LSN of the last write that the arrays hold. */
uint64_t world_pretended_lsn(const world_t *world);
void world_flush(world_t *world);
/* A flush that may fail for lack of space. */
bool world_try_flush(world_t *world);
/* From here on no step deletes events (which would have to flush). */
void world_avoid_deletes(world_t *world);
void world_merge(world_t *world, uint32_t max_runs);
void world_compact(world_t *world);
/* Closes, opens, replays the log; `trim` removes from the log what was flushed. */
void world_reopen(world_t *world, bool trim);

/* The newest view against the arrays. */
void world_check(world_t *world);
/* A view and a copy of the arrays. */
held_t *world_hold(world_t *world);
void world_check_held(world_t *world, held_t *held);
void world_release(held_t **held);

rvw_partition_t *world_partition(world_t *world);
uint64_t world_random(world_t *world, uint64_t below);
/* Key of some contact that was erased, or NULL. */
const char *world_erased_key(world_t *world);
/* The bytes occur in a file below the directory. */
bool world_grep(const char *dir, const void *bytes, size_t n);

#endif

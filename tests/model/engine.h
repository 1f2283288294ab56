// engine.h - the real engine in one process, driven like a cluster: what the model is compared with.
//
// A cluster is some workers, each the holdings of a directory (log, catalog, partitions), and the coordinator's own
// code for batches, plans, merging and answers. Messages are packed and unpacked wherever a socket would be. Chance
// (a seed) decides the layout, the order of chunks, pages and writes, and when to flush, merge, compact and open again.
//
// Threads: one that writes and reads; with layout.keeper a second one flushes, merges and compacts meanwhile.
// Failure: a status with its reason; running out of memory for test data aborts.
#ifndef RVM_ENGINE_H
#define RVM_ENGINE_H

#include "gen.h"
#include "plan.h"
#include "reveille/catalog.h"
#include "store/view.h"

// ---- chance -------------------------------------------------------------------------------------------------------

typedef struct rvm_dice {
    uint64_t state;
} rvm_dice_t;

uint64_t rvm_dice_bits(rvm_dice_t *dice);
int rvm_dice_below(rvm_dice_t *dice, int n); // 0 .. n - 1
bool rvm_dice_chance(rvm_dice_t *dice, int percent);

// ---- a cluster ----------------------------------------------------------------------------------------------------

enum { RVM_MAX_WORKERS = 3, RVM_MAX_PARTITIONS = 7 };

typedef struct rvm_layout {
    int workers, partitions;
    uint32_t chunk_rows;
    bool keeper;  // a second thread flushes, merges and compacts
    bool narrate; // prints what is disturbed
} rvm_layout_t;

rvm_layout_t rvm_layout_random(rvm_dice_t *dice);

typedef struct rvm_engine rvm_engine_t;

// Makes the cluster in directories below `dir`, which exists. Borrows the case.
rv_status_t rvm_engine_new(const rvm_case_t *one, const rvm_layout_t *layout, uint64_t seed, const char *dir,
                           rvm_engine_t **ret, rv_error_t *err);
void rvm_engine_destroy(rvm_engine_t **engine); // and its directories

// What an operation did, as the engine tells it.
typedef struct rvm_outcome {
    uint64_t applied, duplicates, created, refused;
    bool *bad; // one for each row or event: refused
} rvm_outcome_t;

// One operation; FLUSH and COMPACT too. What it returns lives in the arena.
rv_status_t rvm_engine_apply(rvm_engine_t *engine, const rvm_op_t *op, rvm_arena_t *arena, rvm_outcome_t *ret,
                             rv_error_t *err);
// What has no effect on any answer, at random: flush, merge, compact, open again, a write repeated.
rv_status_t rvm_engine_disturb(rvm_engine_t *engine, rv_error_t *err);

// A view of every partition.
typedef struct rvm_views {
    rvw_view_t *view[RVM_MAX_PARTITIONS];
} rvm_views_t;

rv_status_t rvm_engine_look(rvm_engine_t *engine, rvm_views_t *ret, rv_error_t *err);
void rvm_engine_forget(rvm_engine_t *engine, rvm_views_t *views);

// One contact: its attributes in one row, in the order of the schema; its events up to `until`, oldest first, with the
// columns at, number of the type from 0, channel, source, id and the properties. RV_NOT_FOUND: there is none.
rv_status_t rvm_engine_contact(rvm_engine_t *engine, const rvm_views_t *views, const char *key, int64_t until,
                               rvm_arena_t *arena, rvm_table_t *ret_attributes, rvm_table_t *ret_events,
                               rv_error_t *err);
// One company: its attributes in one row.
rv_status_t rvm_engine_company(rvm_engine_t *engine, const rvm_views_t *views, const char *key, rvm_arena_t *arena,
                               rvm_table_t *ret, rv_error_t *err);

// Answers a request over the views; the table lives in the arena.
rv_status_t rvm_engine_ask(rvm_engine_t *engine, const rvm_views_t *views, const rvm_query_t *query, rvm_arena_t *arena,
                           rvm_table_t *ret, rv_error_t *err);

#endif

// engine_internal.h - between the files of engine.h.
#ifndef RVM_ENGINE_INTERNAL_H
#define RVM_ENGINE_INTERNAL_H

#include "engine.h"
#include "holdings.h"

#include <pthread.h>

typedef struct rvm_write { // one PartitionWrite that was taken, to be repeated
    int partition;
    uint8_t *bytes;
    size_t n;
} rvm_write_t;

struct rvm_engine {
    const rvm_case_t *one;
    rvm_layout_t layout;
    rvm_dice_t dice;
    rvm_arena_t *arena;
    rv_catalog_t *catalog;
    rvw_holdings_t *worker[RVM_MAX_WORKERS];
    char dir[RVM_MAX_WORKERS][256];
    uint8_t producer[16];
    uint64_t sequence;
    rvm_write_t *writes; // in the arena
    int n_writes, write_room;
    int held; // views that were taken and not given back
    // the keeper
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, stop;
    int wanted; // actions to take
    rvm_dice_t keeper_dice;
    rv_error_t keeper_error; // its first failure
};

int rvm_worker_of(const rvm_engine_t *engine, int partition);
rvw_partition_t *rvm_partition(const rvm_engine_t *engine, int partition);

// ---- engine.c -----------------------------------------------------------------------------------------------------
// Flushes, and with `deep` merges and compacts, every partition.
rv_status_t rvm_engine_upkeep(rvm_engine_t *engine, bool deep, rv_error_t *err);

// ---- engine_write.c -----------------------------------------------------------------------------------------------
// Sends a write once more that was taken before, under its identity.
rv_status_t rvm_engine_repeat(rvm_engine_t *engine, rv_error_t *err);

// ---- engine_catalog.c: what the case defines, as messages ---------------------------------------------------------
rv_status_t rvm_catalog_make(const rvm_case_t *one, rvm_arena_t *arena, rv_catalog_t **ret, rv_error_t *err);
rv_type_t rvm_wire_type(rvm_type_t type);
Reveille__V1__ReadOptions *rvm_options_make(const rvm_case_t *one, int64_t as_of, rvm_arena_t *arena);

// ---- engine_batch.c: rows and events as the batches that a client sends -------------------------------------------
Reveille__V1__StringColumn *rvm_strings_make(const char *const *strings, int n, rvm_arena_t *arena);
Reveille__V1__EntityBatch *rvm_entities_make(rvm_engine_t *engine, const rvm_op_t *op, rvm_arena_t *arena);
Reveille__V1__EventBatch *rvm_events_make(rvm_engine_t *engine, const rvm_event_t *events, int n, rvm_arena_t *arena);

// ---- engine_answer.c: the coordinator's answers as tables ---------------------------------------------------------
typedef struct rvm_pages { // of one worker
    uint8_t **body;
    size_t *size;
    int n, room;
} rvm_pages_t;

// A value of a column, as a client reads it.
rvm_value_t rvm_column_value(const Reveille__V1__Column *column, size_t row, rvm_arena_t *arena);
// Packs a message into the arena.
void rvm_pack(const ProtobufCMessage *message, rvm_arena_t *arena, uint8_t **ret, size_t *ret_n);
// Merges the pages of the workers in a random order into the answer.
rv_status_t rvm_answer_make(rvm_dice_t *dice, const rvc_plan_t *plan, const rvm_pages_t *pages, int workers,
                            rvm_arena_t *arena, rvm_table_t *ret, rv_error_t *err);

#endif

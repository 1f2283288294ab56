// engine.c - a cluster in one process: its workers, what disturbs them, views.
//
// Structure: chance; workers from directories, assigned once; upkeep of one partition, by the main thread or by the
// keeper, which waits for a number of actions and takes them while the main thread goes on; opening again, which stops
// the keeper because it may use what is closed. Failure: the keeper's first error is reported by the next disturbance.
#include "engine_internal.h"

#include "store/partition.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTER_ID "model of reveille"

// ---- chance -------------------------------------------------------------------------------------------------------

uint64_t rvm_dice_bits(rvm_dice_t *dice) { // splitmix64
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int rvm_dice_below(rvm_dice_t *dice, int n) {
    return (int)(rvm_dice_bits(dice) % (uint64_t)n);
}

bool rvm_dice_chance(rvm_dice_t *dice, int percent) {
    return rvm_dice_below(dice, 100) < percent;
}

rvm_layout_t rvm_layout_random(rvm_dice_t *dice) {
    rvm_layout_t layout = {.workers = 1 + rvm_dice_below(dice, RVM_MAX_WORKERS)};
    int room = RVM_MAX_PARTITIONS;
    layout.partitions = 1 + rvm_dice_below(dice, rvm_dice_chance(dice, 60) ? 3 : room);
    if (layout.workers > layout.partitions) {
        layout.workers = layout.partitions;
    }
    int power = rvm_dice_chance(dice, 70) ? rvm_dice_below(dice, 4) : rvm_dice_below(dice, 16);
    layout.chunk_rows = 2u << power;
    layout.keeper = rvm_dice_chance(dice, 20);
    return layout;
}

// ---- workers ------------------------------------------------------------------------------------------------------

int rvm_worker_of(const rvm_engine_t *engine, int partition) {
    return partition % engine->layout.workers;
}

rvw_partition_t *rvm_partition(const rvm_engine_t *engine, int partition) {
    return rvw_holdings_partition(engine->worker[rvm_worker_of(engine, partition)], (uint32_t)partition);
}

static rv_status_t assign(rvm_engine_t *engine, int worker, rv_error_t *err) {
    Reveille__V1__AssignRequest request = REVEILLE__V1__ASSIGN_REQUEST__INIT;
    Reveille__V1__AssignedPartition items[RVM_MAX_PARTITIONS], *list[RVM_MAX_PARTITIONS];
    request.cluster_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)CLUSTER_ID};
    request.term = 1;
    request.partition_count = (uint32_t)engine->layout.partitions;
    request.chunk_rows = engine->layout.chunk_rows;
    request.partitions = list;
    request.catalog = (Reveille__V1__Catalog *)(uintptr_t)rv_catalog_message(engine->catalog);
    for (int p = 0; p < engine->layout.partitions; p++) {
        if (rvm_worker_of(engine, p) == worker) {
            Reveille__V1__AssignedPartition *item = &items[request.n_partitions];
            reveille__v1__assigned_partition__init(item);
            item->partition = (uint32_t)p;
            item->epoch = 1;
            item->create = true;
            list[request.n_partitions++] = item;
        }
    }
    return rvw_holdings_assign(engine->worker[worker], &request, err);
}

static rv_status_t open_workers(rvm_engine_t *engine, rv_error_t *err) {
    rv_status_t status = RV_OK;
    for (int w = 0; status == RV_OK && w < engine->layout.workers; w++) {
        status = rvw_holdings_open(engine->dir[w], &engine->worker[w], err);
    }
    return status;
}

// Every partition is there and in service.
static rv_status_t check_workers(const rvm_engine_t *engine, rv_error_t *err) {
    for (int p = 0; p < engine->layout.partitions; p++) {
        const rvw_holdings_t *worker = engine->worker[rvm_worker_of(engine, p)];
        const rvw_partition_t *partition = rvm_partition(engine, p);
        const char *problem =
            partition != NULL ? rvw_partition_problem(partition) : rvw_holdings_problem(worker, (uint32_t)p);
        if (partition == NULL || problem != NULL) {
            return rv_fail(err, RV_REASON_BUG, "partition %d: %s", p, problem != NULL ? problem : "is not there");
        }
    }
    return RV_OK;
}

static void narrate(const rvm_engine_t *engine, const char *what, int partition) {
    if (engine->layout.narrate) {
        printf("  %s %d\n", what, partition);
    }
}

// ---- upkeep -------------------------------------------------------------------------------------------------------

static rv_status_t trim(rvm_engine_t *engine, int partition, rv_error_t *err) {
    rvw_wal_t *wal = rvw_holdings_wal(engine->worker[rvm_worker_of(engine, partition)]);
    return rvw_wal_trim(wal, (uint32_t)partition, rvw_partition_flushed_lsn(rvm_partition(engine, partition)), err);
}

// One action of the thread that keeps house.
static rv_status_t keep(rvm_engine_t *engine, rvm_dice_t *dice, rv_error_t *err) {
    rvw_partition_t *partition = rvm_partition(engine, rvm_dice_below(dice, engine->layout.partitions));
    int action = rvm_dice_below(dice, 10);
    narrate(engine,
            action < 6   ? "flush"
            : action < 9 ? "merge"
                         : "compact",
            (int)rvw_partition_get_identity(partition)->partition);
    if (action < 6) {
        return rvw_partition_flush(partition, err);
    }
    return action < 9 ? rvw_partition_merge(partition, 1 + (uint32_t)rvm_dice_below(dice, 3), err)
                      : rvw_partition_compact(partition, err);
}

rv_status_t rvm_engine_upkeep(rvm_engine_t *engine, bool deep, rv_error_t *err) {
    rv_status_t status = RV_OK;
    narrate(engine, deep ? "flush, merge, compact, partitions" : "flush, partitions", engine->layout.partitions);
    for (int p = 0; status == RV_OK && !engine->running && p < engine->layout.partitions; p++) {
        rvw_partition_t *partition = rvm_partition(engine, p);
        status = rvw_partition_flush(partition, err);
        if (status == RV_OK && deep) {
            status = rvw_partition_merge(partition, 1, err);
        }
        if (status == RV_OK && deep) {
            status = rvw_partition_compact(partition, err);
        }
    }
    return status;
}

static void *keeper_main(void *context) {
    rvm_engine_t *engine = context;
    pthread_mutex_lock(&engine->lock);
    for (;;) {
        while (engine->wanted == 0 && !engine->stop) {
            pthread_cond_wait(&engine->wake, &engine->lock);
        }
        if (engine->stop) {
            break;
        }
        engine->wanted--;
        pthread_mutex_unlock(&engine->lock);
        rv_error_t err;
        rv_status_t status = keep(engine, &engine->keeper_dice, &err);
        pthread_mutex_lock(&engine->lock);
        if (status != RV_OK && engine->keeper_error.status == RV_OK) {
            engine->keeper_error = err;
        }
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

static rv_status_t start_keeper(rvm_engine_t *engine, rv_error_t *err) {
    engine->stop = false;
    engine->wanted = 0;
    if (engine->layout.keeper) {
        engine->running = pthread_create(&engine->thread, NULL, keeper_main, engine) == 0;
    }
    return engine->layout.keeper && !engine->running ? rv_fail(err, RV_REASON_BUG, "no thread") : RV_OK;
}

static void stop_keeper(rvm_engine_t *engine) {
    if (engine->running) {
        pthread_mutex_lock(&engine->lock);
        engine->stop = true;
        pthread_cond_signal(&engine->wake);
        pthread_mutex_unlock(&engine->lock);
        pthread_join(engine->thread, NULL);
        engine->running = false;
    }
}

static rv_status_t wake_keeper(rvm_engine_t *engine, int actions, rv_error_t *err) {
    pthread_mutex_lock(&engine->lock);
    rv_error_t failure = engine->keeper_error;
    engine->wanted += actions;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->lock);
    if (failure.status != RV_OK && err != NULL) {
        *err = failure;
    }
    return failure.status;
}

static void close_workers(rvm_engine_t *engine) {
    for (int w = 0; w < engine->layout.workers; w++) {
        rvw_holdings_close(&engine->worker[w]);
    }
}

// As after a crash: nothing is flushed, the log has everything.
static rv_status_t open_again(rvm_engine_t *engine, rv_error_t *err) {
    stop_keeper(engine);
    narrate(engine, "open again, workers", engine->layout.workers);
    close_workers(engine);
    rv_status_t status = open_workers(engine, err);
    if (status == RV_OK) {
        status = check_workers(engine, err);
    }
    return status == RV_OK ? start_keeper(engine, err) : status;
}

rv_status_t rvm_engine_disturb(rvm_engine_t *engine, rv_error_t *err) {
    rvm_dice_t *dice = &engine->dice;
    if (engine->running) {
        rv_status_t status = wake_keeper(engine, rvm_dice_below(dice, 4), err);
        if (status != RV_OK) {
            return status;
        }
    }
    int action = rvm_dice_below(dice, 100);
    if (action < 25) {
        return engine->running ? RV_OK : keep(engine, dice, err);
    }
    if (action < 35) {
        narrate(engine, "repeat, of writes", engine->n_writes);
        return rvm_engine_repeat(engine, err);
    }
    if (action < 45) {
        return trim(engine, rvm_dice_below(dice, engine->layout.partitions), err);
    }
    if (action < 47) {
        return rvw_wal_compact(rvw_holdings_wal(engine->worker[0]), err);
    }
    return action < 57 && engine->held == 0 ? open_again(engine, err) : RV_OK;
}

// ---- views --------------------------------------------------------------------------------------------------------

rv_status_t rvm_engine_look(rvm_engine_t *engine, rvm_views_t *ret, rv_error_t *err) {
    rvm_views_t views = {{NULL}};
    rv_status_t status = RV_OK;
    for (int p = 0; status == RV_OK && p < engine->layout.partitions; p++) {
        status = rvw_view_take(rvm_partition(engine, p), &views.view[p], err);
    }
    engine->held++;
    if (status != RV_OK) {
        rvm_engine_forget(engine, &views);
        return status;
    }
    *ret = views;
    return RV_OK;
}

void rvm_engine_forget(rvm_engine_t *engine, rvm_views_t *views) {
    for (int p = 0; p < engine->layout.partitions; p++) {
        if (views->view[p] != NULL) {
            rvw_view_release(&views->view[p]);
        }
    }
    engine->held--;
}

// ---- life ---------------------------------------------------------------------------------------------------------

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *walk) {
    (void)info;
    (void)flag;
    (void)walk;
    return remove(path);
}

rv_status_t rvm_engine_new(const rvm_case_t *one, const rvm_layout_t *layout, uint64_t seed, const char *dir,
                           rvm_engine_t **ret, rv_error_t *err) {
    rvm_engine_t *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return rv_fail_memory(err, "a cluster");
    }
    engine->one = one;
    engine->layout = *layout;
    engine->dice.state = seed;
    engine->keeper_dice.state = ~seed;
    engine->arena = rvm_arena_new();
    memcpy(engine->producer, &seed, sizeof seed);
    engine->producer[15] = 1;
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->wake, NULL);
    for (int w = 0; w < layout->workers; w++) {
        snprintf(engine->dir[w], sizeof engine->dir[w], "%s/worker-%d", dir, w + 1);
    }
    rv_status_t status = rvm_catalog_make(one, engine->arena, &engine->catalog, err);
    if (status == RV_OK) {
        status = open_workers(engine, err);
    }
    for (int w = 0; status == RV_OK && w < layout->workers; w++) {
        status = assign(engine, w, err);
    }
    if (status == RV_OK) {
        status = check_workers(engine, err);
    }
    if (status == RV_OK) {
        status = start_keeper(engine, err);
    }
    if (status != RV_OK) {
        rvm_engine_destroy(&engine);
        return status;
    }
    *ret = engine;
    return RV_OK;
}

void rvm_engine_destroy(rvm_engine_t **engine) {
    rvm_engine_t *gone = *engine;
    *engine = NULL;
    if (gone == NULL) {
        return;
    }
    stop_keeper(gone);
    close_workers(gone);
    for (int w = 0; w < gone->layout.workers; w++) {
        nftw(gone->dir[w], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    rv_catalog_unref(&gone->catalog);
    pthread_cond_destroy(&gone->wake);
    pthread_mutex_destroy(&gone->lock);
    rvm_arena_destroy(&gone->arena);
    free(gone);
}

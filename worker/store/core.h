/* core.h: the partition as the files that make it up share it: state, locks, and who may touch what.
 *
 *   writer thread          housekeeping thread            any thread
 *   apply ──▶ active tail  freeze ─▶ frozen tail ─▶ flush  view: base + frozen + active up to LSN
 *
 * Locks, in the order in which they are taken:
 *   maintenance  one flush, merge, compaction or deletion at a time; whoever holds it writes the environment
 *   apply        the writer during one write; the exchange of tails and bases
 *   seam         base, tails and watermarks, for a few instructions; never across I/O
 * The index has a lock of its own, inside all others. `base`, `frozen` and `active` are changed under apply and seam
 * together, so either suffices to read them.
 */
#ifndef REVEILLE_WORKER_CORE_H
#define REVEILLE_WORKER_CORE_H

#include <pthread.h>

#include "change.h"
#include "index.h"
#include "partition.h"
#include "sight.h"

struct rvw_partition {
    char *dir;
    int dir_lock;
    rvw_identity_t identity;
    pthread_mutex_t maintenance, apply, seam;
    pthread_cond_t quiet; /* with seam: the last view was released */
    uint32_t views;
    bool leftovers;    /* under maintenance: of a change that had no room */
    atomic_bool waits; /* a logged deletion had no room: nothing is applied until it is */
    rvw_base_t *base;
    rvw_tail_t *frozen, *active;
    rvw_slabs_t *slabs; /* of their memory, or NULL */
    /* What the newest view shows. */
    uint64_t lsn;
    uint32_t rows[2], n_erased[2];
    /* The writer's, under apply. */
    rvw_index_t *index[2];
    rvw_producers_t producers;
    uint8_t *dead; /* bitmap of erased contacts */
    uint32_t dead_cap;
    /* For reports, from any thread. */
    _Atomic(char *) problem;
    atomic_uint_fast64_t contacts, events, applied_lsn, flushed_lsn, used_bytes, map_bytes;
};

static inline bool rvw_is_dead(const rvw_partition_t *partition, uint32_t row) {
    return row / 8 < partition->dead_cap && (partition->dead[row / 8] >> (row & 7) & 1);
}
/* Marks a contact erased. False without memory. */
bool rvw_mark_dead(rvw_partition_t *partition, uint32_t row);

/* What the writer sees: everything applied, the write under way included. Under apply. */
void rvw_writer_sight(const rvw_partition_t *partition, rvw_sight_t *ret);

/* Under maintenance, without apply or seam. */
/* Freezes and flushes until nothing is left above what was applied when it was called. */
rv_status_t rvw_flush_all(rvw_partition_t *partition, rv_error_t *err);
/* Opens the newest commit as the base; with `drop_frozen` the frozen tail is in it, with `lsn` (not 0) a write became
 * visible by it. */
rv_status_t rvw_publish(rvw_partition_t *partition, rvw_env_t *env, bool drop_frozen, uint64_t lsn, rv_error_t *err);
/* Begins the next change, after removing what one without room left behind. */
rv_status_t rvw_change_next(rvw_partition_t *partition, rvw_change_t *change, rv_error_t *err);
/* Ends a change that failed: whatever is not a lack of room takes the partition out of service. Returns the status. */
rv_status_t rvw_change_failed(rvw_partition_t *partition, const rvw_change_t *change, rv_status_t status,
                              const rv_error_t *err);
/* OK, or why the partition is out of service. */
rv_status_t rvw_in_service(const rvw_partition_t *partition, rv_error_t *err);

/* Bitmap of a chunk's erased rows as the base knows them, or NULL. */
const uint8_t *rvw_base_dead(const rvw_base_t *base, uint32_t chunk);

/* Decodes all pieces of a list into *ret (in the arena). */
rv_status_t rvw_list_events(const rvw_base_t *base, uint32_t first, uint32_t n, rv_arena_t *arena, rvw_events_t **ret,
                            rv_error_t *err);
/* The first n entries of a block of events, n > 0, with arrays in `memory`, of rvw_block_memory() bytes and aligned for
 * anything, where the block's own do not serve. */
size_t rvw_block_memory(const rvw_block_t *block, uint32_t n);
void rvw_block_events(const rvw_block_t *block, uint32_t n, void *memory, rvw_events_t *ret);

#endif

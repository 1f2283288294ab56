/* flush.c: from the tail to runs and columns.
 *
 *   freeze (under apply: the writer is between two writes) ─▶ build and commit ─▶ publish
 *
 * Between freeze and publish views see the old base, the frozen tail and the new one. A flush that fails for lack of
 * space leaves the frozen tail where it is; the next one begins with it. Erased rows are left out of everything that is
 * written. The environment's state, flushed_lsn and the identities of writes change in the last transaction. */
#include <string.h>

#include "core.h"
#include "reveille/fault.h"
#include "runs.h"
#include "tables.h"

/* Exchanges the active tail for a new one; *ret_any: there was something to flush. */
static rv_status_t freeze(rvw_partition_t *p, bool *ret_any, rv_error_t *err) {
    rv_status_t status = RV_OK;
    pthread_mutex_lock(&p->apply);
    rvw_tail_t *old = p->active;
    *ret_any = p->lsn > rvw_base_state(p->base)->flushed_lsn;
    if (*ret_any) {
        rvw_tail_t *fresh = rvw_tail_new(p->slabs, p->identity.chunk_rows, p->lsn, p->rows[0], p->rows[1]);
        if (!fresh || !rvw_writes_freeze(&old->writes, &p->producers)) {
            rvw_tail_unref(&fresh);
            status = rv_fail_memory(err, "a new tail");
        } else {
            old->lsn = p->lsn;
            pthread_mutex_lock(&p->seam);
            p->frozen = old;
            p->active = fresh;
            p->n_erased[0] = p->n_erased[1];
            p->n_erased[1] = 0;
            pthread_mutex_unlock(&p->seam);
        }
    }
    pthread_mutex_unlock(&p->apply);
    return status;
}

static void sight_of_frozen(const rvw_partition_t *p, rvw_sight_t *ret) {
    *ret = (rvw_sight_t){.base = p->base, .tails = {p->frozen, NULL}, .lsn = p->frozen->lsn};
    ret->chunk_rows = p->identity.chunk_rows;
    ret->erased[0] = p->frozen->erased.n;
    for (uint32_t t = 0; t < 2; t++) {
        ret->rows[t] = p->frozen->keys[t].first + p->frozen->keys[t].n;
    }
}

/* Bitmap of all erased contacts, whole chunks and at least a byte; NULL without memory. */
static uint8_t *all_dead(const rvw_sight_t *sight, rv_arena_t *arena) {
    uint64_t chunks = ((uint64_t)sight->rows[0] + sight->chunk_rows - 1) / sight->chunk_rows;
    uint8_t *dead = rv_arena_zalloc(arena, (size_t)(chunks * sight->chunk_rows / 8 + 1), 1);
    for (uint32_t row = 0; dead && row < sight->rows[0]; row += sight->chunk_rows) {
        const uint8_t *bits = rvw_base_dead(sight->base, row / sight->chunk_rows);
        for (uint32_t i = 0; bits && i < sight->chunk_rows; i++) {
            uint32_t at = row + i, bit = (uint32_t)bits[i >> 3] >> (i & 7) & 1u;
            dead[at >> 3] = (uint8_t)(dead[at >> 3] | bit << (at & 7));
        }
    }
    for (uint32_t k = 0; dead && k < sight->erased[0]; k++) {
        uint32_t row = rvw_new_key(&sight->tails[0]->erased, k).n;
        dead[row >> 3] = (uint8_t)(dead[row >> 3] | 1u << (row & 7));
    }
    return dead;
}

/* The part of the bitmap that is one chunk's, as a bitmap of its own. */
static const uint8_t *dead_of_chunk(const uint8_t *dead, uint32_t chunk, uint32_t chunk_rows, uint8_t *few) {
    uint64_t first = (uint64_t)chunk * chunk_rows;
    if (chunk_rows >= 8) {
        return dead + first / 8;
    }
    *few = (uint8_t)((uint32_t)dead[first / 8] >> (first & 7) & ((1u << chunk_rows) - 1));
    return few;
}

/* One run of one list of the tail. */
static rv_status_t flush_list(rvw_change_t *change, const rvw_sight_t *sight, const rvw_list_t *list,
                              const uint8_t *dead, uint64_t *events, rv_error_t *err) {
    rv_arena_t arena;
    uint32_t n = 0;
    uint8_t few;
    uint64_t written = 0;
    rv_arena_init(&arena, SIZE_MAX);
    for (const rvw_block_t *block = list->first; block; block = block->next) {
        n++;
    }
    rvw_events_t *sources = rv_arena_alloc(&arena, (n + 1) * sizeof *sources);
    rv_status_t status = sources ? RV_OK : rv_fail_memory(err, "the events of a tail");
    n = 0;
    for (const rvw_block_t *block = list->first; status == RV_OK && block; block = block->next) {
        uint32_t visible = rvw_block_visible(sight->tails[0], block, sight->lsn);
        void *memory = rv_arena_alloc(&arena, rvw_block_memory(block, visible) + 1);
        if (!memory) {
            status = rv_fail_memory(err, "the events of a tail");
        } else if (visible > 0) {
            rvw_block_events(block, visible, memory, &sources[n++]);
        }
    }
    if (status == RV_OK && n > 0) {
        rvw_run_input_t input = {sources, n, dead_of_chunk(dead, list->chunk, sight->chunk_rows, &few), NULL};
        status = rvw_run_write(change, list->id, list->chunk, &input, sight->chunk_rows, &written, err);
    }
    *events += written;
    rv_arena_done(&arena);
    return status;
}

/* The maps of the chunks in which the tail erased something. */
static rv_status_t flush_erased(rvw_change_t *change, const rvw_sight_t *sight, const uint8_t *dead, rv_error_t *err) {
    uint32_t n = sight->erased[0];
    rv_status_t status = RV_OK;
    for (uint32_t chunk = 0; n > 0 && status == RV_OK && (uint64_t)chunk * sight->chunk_rows < sight->rows[0];
         chunk++) {
        uint8_t few;
        bool here = false;
        for (uint32_t k = 0; k < n && !here; k++) {
            here = rvw_new_key(&sight->tails[0]->erased, k).n / sight->chunk_rows == chunk;
        }
        if (here) {
            status = rvw_erased_write(change, sight->base, chunk, dead_of_chunk(dead, chunk, sight->chunk_rows, &few),
                                      false, err);
        }
    }
    return status;
}

static rv_status_t build(rvw_change_t *change, const rvw_sight_t *sight, rvw_state_t *state, rv_error_t *err) {
    rv_arena_t arena;
    rv_arena_init(&arena, SIZE_MAX);
    uint8_t *dead = all_dead(sight, &arena);
    rv_status_t status = dead ? RV_OK : rv_fail_memory(err, "the erased rows of a partition");
    const rvw_list_t *list;
    for (uint32_t at = 0; status == RV_OK && (list = rvw_tail_next(sight->tails[0], RVW_EVENTS, &at));) {
        status = flush_list(change, sight, list, dead, &state->events, err);
    }
    if (status == RV_OK) {
        status = rvw_tables_write(change, sight, RVW_CONTACTS, dead, err);
    }
    if (status == RV_OK) {
        status = rvw_tables_write(change, sight, RVW_COMPANIES, NULL, err);
    }
    if (status == RV_OK) {
        status = flush_erased(change, sight, dead, err);
    }
    rv_arena_done(&arena);
    return status;
}

static rv_status_t flush_frozen(rvw_partition_t *p, rv_error_t *err) {
    rvw_env_t *env = rvw_base_env(p->base);
    rvw_state_t state = *rvw_base_state(p->base);
    uint64_t flushed = state.flushed_lsn;
    rvw_change_t change;
    rvw_sight_t sight;
    sight_of_frozen(p, &sight);
    if (RV_FAULT("flush-begin")) {
        return rv_fail(err, RV_REASON_QUOTA, "fault point flush-begin");
    }
    rv_status_t status = rvw_change_next(p, &change, err);
    if (status == RV_OK) {
        status = build(&change, &sight, &state, err);
    }
    if (status == RV_OK) {
        state.flushed_lsn = p->frozen->lsn;
        state.rows = sight.rows[0];
        state.company_rows = sight.rows[1];
        state.erased += sight.erased[0];
        memcpy(state.evicted, p->frozen->writes.after.evicted, sizeof state.evicted);
        status = rvw_change_commit(&change, &state, &p->frozen->writes, flushed, err);
    }
    status = status ? rvw_change_failed(p, &change, status, err) : rvw_publish(p, env, true, 0, err);
    rvw_change_done(&change);
    return status;
}

rv_status_t rvw_flush_all(rvw_partition_t *p, rv_error_t *err) {
    bool any = true;
    rv_status_t status = rvw_in_service(p, err);
    if (status == RV_OK && p->frozen) {
        status = flush_frozen(p, err);
    }
    if (status == RV_OK) {
        status = freeze(p, &any, err);
        if (status) {
            rv_error_t why = {.message = "there is no memory to exchange the tail"};
            rvw_partition_fail(p, err ? err : &why);
        }
    }
    return status || !any ? status : flush_frozen(p, err);
}

rv_status_t rvw_partition_flush(rvw_partition_t *partition, rv_error_t *err) {
    pthread_mutex_lock(&partition->maintenance);
    rv_status_t status = rvw_flush_all(partition, err);
    pthread_mutex_unlock(&partition->maintenance);
    return status;
}

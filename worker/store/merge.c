/* merge.c: many runs of a (type, chunk) become one.
 *
 * List after list, in the order of places; what has gathered is committed and published every 8 MiB, so the work comes
 * in slices, and reads and writes go on between and during them. Events of erased contacts are left out on the way. */
#include "core.h"
#include "reveille/limits.h"
#include "runs.h"

#define SLICE_BYTES ((size_t)8 * RV_PIECE_BYTES)

static uint32_t count_runs(const rvw_base_t *base, uint32_t first, uint32_t n) {
    rvw_stored_t *const *entries = rvw_base_entries(base, NULL);
    uint32_t runs = 0;
    for (uint32_t k = first; k < first + n; k++) {
        runs += k == first || rvw_stored_place(entries[k])->gen != rvw_stored_place(entries[k - 1])->gen;
    }
    return runs;
}

/* The first list of events behind `after` that has too many runs. */
static bool next_list(const rvw_base_t *base, const rvw_place_t *after, uint32_t max_runs, uint32_t *ret_first,
                      uint32_t *ret_n) {
    uint32_t total, start;
    rvw_stored_t *const *entries = rvw_base_entries(base, &total);
    uint32_t behind = rvw_base_find(base, (rvw_table_t)after->table, after->id, after->chunk, &start);
    for (uint32_t k = start + behind; k < total;) {
        const rvw_place_t *place = rvw_stored_place(entries[k]);
        uint32_t first, n = rvw_base_find(base, place->table, place->id, place->chunk, &first);
        if (place->table == RVW_EVENTS && count_runs(base, first, n) > max_runs) {
            *ret_first = first;
            *ret_n = n;
            return true;
        }
        k = first + n;
    }
    return false;
}

static rv_status_t merge_list(rvw_partition_t *p, rvw_change_t *change, uint32_t first, uint32_t n, rvw_state_t *state,
                              rv_error_t *err) {
    rvw_stored_t *const *entries = rvw_base_entries(p->base, NULL);
    const rvw_place_t *place = rvw_stored_place(entries[first]);
    rvw_events_t *sources;
    rv_arena_t arena;
    uint64_t before = 0, written = 0;
    rv_arena_init(&arena, SIZE_MAX);
    rv_status_t status = rvw_list_events(p->base, first, n, &arena, &sources, err);
    if (status == RV_OK) {
        rvw_run_input_t input = {sources, n, rvw_base_dead(p->base, place->chunk), NULL};
        status = rvw_run_write(change, place->id, place->chunk, &input, p->identity.chunk_rows, &written, err);
    }
    for (uint32_t k = 0; status == RV_OK && k < n; k++) {
        before += sources[k].n;
        status = rvw_change_drop(change, rvw_stored_place(entries[first + k]), err);
    }
    state->events = state->events - before + written;
    rv_arena_done(&arena);
    return status;
}

/* One slice behind *after; *ret_more: it changed something. */
static rv_status_t merge_slice(rvw_partition_t *p, uint32_t max_runs, rvw_place_t *after, bool *ret_more,
                               rv_error_t *err) {
    uint32_t first, n;
    size_t bytes = 0;
    rvw_state_t state = *rvw_base_state(p->base);
    rvw_change_t change;
    *ret_more = next_list(p->base, after, max_runs, &first, &n);
    if (!*ret_more) {
        return RV_OK;
    }
    rv_status_t status = rvw_change_next(p, &change, err);
    do {
        *after = *rvw_stored_place(rvw_base_entries(p->base, NULL)[first]);
        if (status == RV_OK) {
            status = merge_list(p, &change, first, n, &state, err);
        }
        bytes = change.txn.bytes;
    } while (status == RV_OK && bytes < SLICE_BYTES && !change.between &&
             next_list(p->base, after, max_runs, &first, &n));
    if (status == RV_OK) {
        status = rvw_change_commit(&change, &state, NULL, 0, err);
    }
    status = status ? rvw_change_failed(p, &change, status, err) : rvw_publish(p, rvw_base_env(p->base), false, 0, err);
    rvw_change_done(&change);
    return status;
}

rv_status_t rvw_partition_merge(rvw_partition_t *p, uint32_t max_runs, rv_error_t *err) {
    rvw_place_t after = {0};
    bool more = true;
    rv_status_t status = RV_OK;
    while (status == RV_OK && more) {
        status = rvw_in_service(p, err);
        pthread_mutex_lock(&p->maintenance);
        if (status == RV_OK) {
            status = merge_slice(p, max_runs ? max_runs : 1, &after, &more, err);
        }
        pthread_mutex_unlock(&p->maintenance);
    }
    return status;
}

/* delete.c: events removed from the runs: by identity, by source, by import.
 *
 * Marks what goes in a bitmap a piece, then writes the pieces that lose something anew as one run of their list. Slow
 * and simple: deletions are rare. Nothing of it is in a tail, so replaying the log after a crash finds nothing left to
 * remove, or everything. */
#include <string.h>

#include "apply.h"
#include "runs.h"
#include "twin.h"

typedef struct {
    rvw_partition_t *p;
    rvw_stored_t *const *entries;
    uint32_t n;
    uint8_t **dead; /* by entry; NULL: nothing of it goes */
    uint64_t removed;
    rv_arena_t *arena;
    rv_error_t *err;
} marks_t;

static rv_status_t piece_of(const marks_t *marks, uint32_t k, const rvw_events_t **ret) {
    const rvw_piece_t *piece;
    rv_status_t status = rvw_stored_piece(marks->entries[k], marks->p->identity.chunk_rows, &piece, marks->err);
    if (status == RV_OK) {
        *ret = &piece->events;
    }
    return status;
}

static rv_status_t mark(marks_t *marks, uint32_t k, uint32_t i, uint32_t n) {
    if (!marks->dead[k]) {
        marks->dead[k] = rv_arena_zalloc(marks->arena, n / 8 + 1, 1);
        if (!marks->dead[k]) {
            return rv_fail_memory(marks->err, "a deletion of events");
        }
    }
    uint8_t bit = (uint8_t)(1u << (i & 7));
    marks->removed += !(marks->dead[k][i >> 3] & bit);
    marks->dead[k][i >> 3] |= bit;
    return RV_OK;
}

static rv_status_t mark_identity(marks_t *marks, const rvw_event_key_t *key) {
    uint32_t first, n = rvw_base_find(marks->p->base, RVW_EVENTS, key->type, key->chunk, &first);
    for (uint32_t k = first; k < first + n; k++) {
        const rvw_events_t *events;
        rv_status_t status = piece_of(marks, k, &events);
        if (status) {
            return status;
        }
        uint32_t i = rvw_events_find(events, key);
        if (i < events->n) {
            return mark(marks, k, i, events->n);
        }
    }
    return RV_OK;
}

static rv_status_t mark_batch(marks_t *marks, const Reveille__V1__EventBatch *batch) {
    rvw_strings_t keys;
    rvw_input_t source, id;
    if (!rvw_strings_init(&keys, batch->contact_keys, marks->arena) ||
        !rvw_input_init(&source, batch->source, marks->arena) || !rvw_input_init(&id, batch->event_id, marks->arena)) {
        return rv_fail_memory(marks->err, "a deletion of events");
    }
    for (uint32_t i = 0; i < batch->n_contacts; i++) {
        uint32_t row, chunk_rows = marks->p->identity.chunk_rows;
        rv_status_t status =
            rvw_writer_find(marks->p, RVW_CONTACTS, rvw_strings_get(&keys, batch->contacts[i]), &row, marks->err);
        if (status == RV_OK && row != RVW_NO_ROW) {
            rvw_event_key_t key = {
                .type = batch->types[i], .chunk = row / chunk_rows, .row = (uint16_t)(row % chunk_rows)};
            key.time = batch->times_ms[i];
            key.source = rvw_input_string(&source, i);
            key.id = rvw_input_string(&id, i);
            status = mark_identity(marks, &key);
        }
        if (status) {
            return status;
        }
    }
    return RV_OK;
}

/* All events of one source, or (source NULL) of one import. */
static rv_status_t mark_all(marks_t *marks, const char *source, uint64_t import_id) {
    size_t source_n = source ? strlen(source) : 0;
    for (uint32_t k = 0; k < marks->n; k++) {
        const rvw_events_t *events;
        const rvw_place_t *place = rvw_stored_place(marks->entries[k]);
        if (place->table != RVW_EVENTS) {
            continue;
        }
        /* Events of erased contacts are gone already, on disk or not: when they leave it must not show in the count. */
        const uint8_t *dead = rvw_base_dead(marks->p->base, place->chunk);
        rv_status_t status = piece_of(marks, k, &events);
        for (uint32_t i = 0; status == RV_OK && i < events->n; i++) {
            char buf[300];
            if (dead && (dead[events->row[i] >> 3] >> (events->row[i] & 7) & 1)) {
                continue;
            }
            bool goes = (uint64_t)(source ? 0 : rvw_column_int(&events->import_id, i)) == import_id;
            if (source) {
                rv_str_t s = rvw_column_string(&events->source, i, buf);
                goes = s.n == source_n && memcmp(s.p, source, source_n) == 0;
            }
            status = goes ? mark(marks, k, i, events->n) : RV_OK;
        }
        if (status) {
            return status;
        }
    }
    return RV_OK;
}

/* The pieces of one list that lose something, from entry *at on; moves *at behind the list. */
static rv_status_t rewrite_list(marks_t *marks, rvw_change_t *change, uint32_t *at, rvw_state_t *state) {
    const rvw_place_t *place = rvw_stored_place(marks->entries[*at]);
    uint32_t first, n = rvw_base_find(marks->p->base, place->table, place->id, place->chunk, &first), hit = 0;
    uint64_t before = 0, written = 0;
    rvw_events_t *sources = rv_arena_alloc(marks->arena, n * sizeof *sources);
    const uint8_t **dead = rv_arena_alloc(marks->arena, n * sizeof *dead);
    *at = first + n;
    if (!sources || !dead) {
        return rv_fail_memory(marks->err, "a deletion of events");
    }
    for (uint32_t k = first; k < first + n; k++) {
        if (marks->dead[k]) {
            const rvw_events_t *events;
            rv_status_t status = piece_of(marks, k, &events);
            status = status ? status : rvw_change_drop(change, rvw_stored_place(marks->entries[k]), marks->err);
            if (status) {
                return status;
            }
            before += events->n;
            sources[hit] = *events;
            dead[hit++] = marks->dead[k];
        }
    }
    if (hit == 0) {
        return RV_OK;
    }
    rvw_run_input_t input = {sources, hit, rvw_base_dead(marks->p->base, place->chunk), dead};
    rv_status_t status =
        rvw_run_write(change, place->id, place->chunk, &input, marks->p->identity.chunk_rows, &written, marks->err);
    state->events = state->events - before + written;
    return status;
}

static rv_status_t rewrite(marks_t *marks) {
    rvw_partition_t *p = marks->p;
    rvw_state_t state = *rvw_base_state(p->base);
    rvw_change_t change;
    rv_status_t status = rvw_change_next(p, &change, marks->err);
    for (uint32_t k = 0; status == RV_OK && k < marks->n;) {
        if (rvw_stored_place(marks->entries[k])->table == RVW_EVENTS) {
            status = rewrite_list(marks, &change, &k, &state);
        } else {
            k++;
        }
    }
    if (status == RV_OK) {
        status = rvw_change_commit(&change, &state, NULL, 0, marks->err);
    }
    if (status) {
        rvw_change_failed(p, &change, status, marks->err);
    }
    rvw_change_done(&change);
    return status;
}

rv_status_t rvw_delete_events(rvw_partition_t *p, const Reveille__V1__EventDelete *delete, uint64_t lsn,
                              rv_arena_t *arena, uint64_t *ret_n, rv_error_t *err) {
    marks_t marks = {.p = p, .arena = arena, .err = err};
    marks.entries = rvw_base_entries(p->base, &marks.n);
    marks.dead = rv_arena_zalloc(arena, marks.n + 1, sizeof *marks.dead);
    rv_status_t status = marks.dead ? RV_OK : rv_fail_memory(err, "a deletion of events");
    if (status == RV_OK && delete->selector_case == REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH) {
        status = mark_batch(&marks, delete->batch);
    } else if (status == RV_OK && delete->selector_case == REVEILLE__V1__EVENT_DELETE__SELECTOR_SOURCE) {
        status = mark_all(&marks, delete->source, 0);
    } else if (status == RV_OK && delete->selector_case == REVEILLE__V1__EVENT_DELETE__SELECTOR_IMPORT_ID) {
        status = mark_all(&marks, NULL, delete->import_id);
    }
    if (status == RV_OK && marks.removed > 0) {
        status = rewrite(&marks);
    }
    if (status == RV_OK) {
        status = rvw_publish(p, rvw_base_env(p->base), false, lsn, err);
    }
    if (status == RV_OK) {
        *ret_n = marks.removed;
    }
    return status;
}

/* finish_ends.c: values of the first and last event of each row.
 *
 * Rows point to their event (piece, number). A string that lies in a piece by codes of one byte is looked up by row
 * straight away. Rows whose event is elsewhere are brought together by piece, so that each piece is bound once and its
 * events are evaluated in batches. Failure: as evaluation.
 */
#include <string.h>

#include "eval.h"
#include "pass.h"

#define KNOWN 64u /* strings that are compared with those of later pieces */

/* Codes of a piece whose values are looked up: entries[codes[event & mask]]; codes NULL: they are not. */
typedef struct {
    const uint8_t *codes;
    uint32_t mask; /* 0: every event has the code 0 */
    const rv_str_t *entries;
} lookup_t;

typedef struct {
    uint32_t node; /* FIRST or LAST */
    const rvw_gather_t *gather;
    const int64_t *times;
    int64_t none;            /* the time of a row without event */
    const lookup_t *lookups; /* by piece */
    uint32_t *rest, n_rest;  /* rows whose event is still to be evaluated */
    const uint32_t *rows;    /* the same by piece */
    const uint32_t *at;      /* of piece p: rows[at[p]] .. rows[at[p + 1]] */
    const uint64_t *refs;
    char *data;
    uint8_t *present;
} ends_t;

/* The entries of the dictionary; equal ones of several pieces as one string, as far as few are `known`. */
static const rv_str_t *entries_of(rvw_select_t *s, const rvw_column_t *c, rv_str_t *known, uint32_t *n_known,
                                  rv_error_t *err) {
    rv_str_t *entries = rvw_take(s->task, c->dict_n + 1u, sizeof *entries, err);
    for (uint32_t i = 0; entries && i < c->dict_n; i++) {
        uint32_t k = 0;
        entries[i] = rvw_column_entry(c, i);
        while (k < *n_known && !rv_str_equal(known[k], entries[i]))
            k++;
        if (k < *n_known)
            entries[i] = known[k];
        else if (k < KNOWN)
            known[(*n_known)++] = entries[i];
    }
    return entries;
}

/* Finds the pieces whose values can be looked up. */
static rv_status_t find_lookups(rvw_select_t *s, ends_t *e, rv_error_t *err) {
    static const uint8_t zero = 0;
    uint32_t n_pieces = s->pieces->n, n_known = 0, arg = e->gather->arg;
    rv_str_t known[KNOWN];
    lookup_t *lookups = rvw_take_zero(s->task, n_pieces + 1u, sizeof *lookups, err);
    if (!lookups)
        return RVW_NO_SPACE;
    e->lookups = lookups;
    if (s->task->job->nodes[arg].kind != RVW_KIND_STRING || s->task->job->nodes[arg].domain == RVW_DOMAIN_CONST)
        return RV_OK;
    for (uint32_t p = 0; p < n_pieces; p++) {
        const rvw_typed_events_t *piece = &s->pieces->pieces[p];
        if (!piece->events->n)
            continue;
        RVW_TRY(rvw_bind(s->task, &e->gather->expr, piece->events, piece->type, piece->events->n, err));
        const rvw_bind_t *bind = &s->task->scratch->bind[arg];
        const rvw_column_t *c = bind->column;
        if (bind->from != RVW_FROM_COLUMN || c->encoding != RVW_DICT || c->width > 1 || c->present || !c->dict_n)
            continue;
        lookups[p].entries = entries_of(s, c, known, &n_known, err);
        lookups[p].codes = c->width ? c->codes : &zero;
        lookups[p].mask = c->width ? UINT32_MAX : 0;
        if (!lookups[p].entries)
            return RVW_NO_SPACE;
    }
    return RV_OK;
}

/* The values of all rows whose event's can be looked up; lists the others. */
static void look_up(const rvw_select_t *s, ends_t *e) {
    rv_str_t *data = (rv_str_t *)(void *)e->data;
    for (uint32_t r = 0; r < s->task->n_rows; r++) {
        if (e->times[r] == e->none)
            continue;
        const lookup_t *lookup = &e->lookups[e->refs[r] >> 32];
        if (!lookup->codes) {
            e->rest[e->n_rest++] = r;
            continue;
        }
        data[r] = lookup->entries[lookup->codes[(uint32_t)e->refs[r] & lookup->mask]];
        e->present[r] = 1;
    }
}

/* Sorts the rows that wait for their event by its piece. */
static rv_status_t by_piece(rvw_select_t *s, ends_t *e, rv_error_t *err) {
    uint32_t n_pieces = s->pieces->n;
    uint32_t *at = rvw_take_zero(s->task, n_pieces + 2u, sizeof *at, err);
    uint32_t *rows = rvw_take(s->task, e->n_rest + 1u, sizeof *rows, err);
    if (!at || !rows)
        return RVW_NO_SPACE;
    for (uint32_t i = 0; i < e->n_rest; i++)
        at[(e->refs[e->rest[i]] >> 32) + 2]++;
    for (uint32_t p = 0; p < n_pieces; p++)
        at[p + 2] += at[p + 1];
    for (uint32_t i = 0; i < e->n_rest; i++)
        rows[at[(e->refs[e->rest[i]] >> 32) + 1]++] = e->rest[i];
    e->rows = rows;
    e->at = at;
    return RV_OK;
}

static rv_status_t store(rvw_select_t *s, const ends_t *e, const uint32_t *rows, uint32_t n, rv_error_t *err) {
    const rvw_node_t *node = &s->task->job->nodes[e->node];
    const rvw_vec_t *v = &s->task->scratch->vec[e->gather->arg];
    size_t size = rvw_kind_size(node->kind);
    for (uint32_t i = 0; i < n; i++) {
        char *to = e->data + rows[i] * size;
        if (!rvw_has(v, i))
            continue;
        e->present[rows[i]] = 1;
        if (node->kind == RVW_KIND_WIDE) {
            rv_i128_t c = rvw_vec_number(v, node, i).c;
            memcpy(to, &c, size);
            continue;
        }
        memcpy(to, (const char *)v->data + i * size, size);
        if (v->fleeting)
            RVW_TRY(rvw_keep(s->task, (rv_str_t *)(void *)to, err));
    }
    return RV_OK;
}

static rv_status_t finish_piece(rvw_select_t *s, const ends_t *e, uint32_t p, rv_error_t *err) {
    const rvw_typed_events_t *piece = &s->pieces->pieces[p];
    uint32_t from = e->at[p], to = e->at[p + 1], idx[RV_VECTOR];
    RVW_TRY(rvw_bind(s->task, &e->gather->expr, piece->events, piece->type, to - from, err));
    for (uint32_t i = from; i < to; i += RV_VECTOR) {
        rvw_batch_t batch = {.n = to - i < RV_VECTOR ? to - i : RV_VECTOR, .idx = idx};
        for (uint32_t k = 0; k < batch.n; k++)
            idx[k] = (uint32_t)e->refs[e->rows[i + k]];
        RVW_TRY(rvw_evaluate(s->task, &e->gather->expr, piece->events, &batch, err));
        RVW_TRY(store(s, e, e->rows + i, batch.n, err));
    }
    return RV_OK;
}

/* What was not looked up. */
static rv_status_t finish_pieces(rvw_select_t *s, ends_t *e, rv_error_t *err) {
    RVW_TRY(by_piece(s, e, err));
    for (uint32_t p = 0; p < s->pieces->n; p++) {
        if (e->at[p] == e->at[p + 1])
            continue;
        rvw_space_mark_t mark = rvw_space_mark(s->task->scratch->space);
        rv_status_t status = finish_piece(s, e, p, err);
        rvw_space_release(s->task->scratch->space, mark);
        if (status != RV_OK)
            return status;
    }
    return RV_OK;
}

static rv_status_t finish_end(rvw_select_t *s, ends_t *e, rv_error_t *err) {
    static const rvw_array_kind_t kinds[] = {RVW_ARRAY_U8, RVW_ARRAY_I64, RVW_ARRAY_I128, RVW_ARRAY_F64, RVW_ARRAY_STR};
    rvw_lane_t kind = s->task->job->nodes[e->node].kind;
    e->data = rvw_take_zero(s->task, s->task->n_rows, rvw_kind_size(kind), err);
    e->present = rvw_take_zero(s->task, s->task->n_rows, 1, err);
    e->rest = rvw_take(s->task, s->task->n_rows + 1u, sizeof *e->rest, err);
    if (!e->data || !e->present || !e->rest)
        return RVW_NO_SPACE;
    RVW_TRY(find_lookups(s, e, err));
    look_up(s, e);
    RVW_TRY(finish_pieces(s, e, err));
    rvw_array_set(s->task, e->node, kinds[kind], e->data, e->present);
    return RV_OK;
}

/* All values of the last (first) events, whose times and places are given. */
static rv_status_t finish_ends(rvw_select_t *s, bool latest, const int64_t *times, const uint64_t *refs,
                               rv_error_t *err) {
    for (uint32_t g = 0; g < s->pass->n_gathers; g++) {
        const rvw_gather_t *gather = &s->pass->gathers[g];
        ends_t e = {.node = latest ? gather->last : gather->first,
                    .gather = gather,
                    .times = times,
                    .none = latest ? INT64_MIN : INT64_MAX,
                    .refs = refs};
        if (e.node != RVW_NO_NODE)
            RVW_TRY(finish_end(s, &e, err));
    }
    return RV_OK;
}

rv_status_t rvw_states_ends(rvw_select_t *s, rv_error_t *err) {
    if (s->last_ref)
        RVW_TRY(finish_ends(s, true, s->last, s->last_ref, err));
    if (s->first_ref)
        RVW_TRY(finish_ends(s, false, s->first, s->first_ref, err));
    return RV_OK;
}

/* finish_ends.c: values of the first and last event of each row.
 *
 * Rows point to their event (piece, number). They are brought together by piece, so that each piece is bound once and
 * its events are evaluated in batches. Failure: as evaluation.
 */
#include <string.h>

#include "eval.h"
#include "pass.h"

typedef struct {
    uint32_t node; /* FIRST or LAST */
    const rvw_gather_t *gather;
    const uint32_t *rows; /* rows that have an event, by piece */
    const uint32_t *at;   /* of piece p: rows[at[p]] .. rows[at[p + 1]] */
    const uint64_t *refs;
    char *data;
    uint8_t *present;
} ends_t;

/* Lists the rows that have an event, piece by piece. */
static rv_status_t by_piece(rvw_select_t *s, const int64_t *times, int64_t none, ends_t *e, rv_error_t *err) {
    uint32_t n_rows = s->task->n_rows, n_pieces = s->pieces->n;
    uint32_t *at = rvw_take_zero(s->task, n_pieces + 3u, sizeof *at, err);
    uint32_t *rows = rvw_take(s->task, n_rows + 1u, sizeof *rows, err);
    if (!at || !rows)
        return RVW_NO_SPACE;
    for (uint32_t r = 0; r < n_rows; r++) /* rows without an event go behind the last piece */
        at[(times[r] != none ? (uint32_t)(e->refs[r] >> 32) : n_pieces) + 2]++;
    for (uint32_t p = 0; p <= n_pieces; p++)
        at[p + 2] += at[p + 1];
    for (uint32_t r = 0; r < n_rows; r++)
        rows[at[(times[r] != none ? (uint32_t)(e->refs[r] >> 32) : n_pieces) + 1]++] = r;
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

static rv_status_t finish_end(rvw_select_t *s, const rvw_gather_t *gather, uint32_t node, const ends_t *listed,
                              rv_error_t *err) {
    static const rvw_array_kind_t kinds[] = {RVW_ARRAY_U8, RVW_ARRAY_I64, RVW_ARRAY_I128, RVW_ARRAY_F64, RVW_ARRAY_STR};
    ends_t e = *listed;
    e.node = node;
    e.gather = gather;
    rvw_lane_t kind = s->task->job->nodes[e.node].kind;
    e.data = rvw_take_zero(s->task, s->task->n_rows, rvw_kind_size(kind), err);
    e.present = rvw_take_zero(s->task, s->task->n_rows, 1, err);
    if (!e.data || !e.present)
        return RVW_NO_SPACE;
    for (uint32_t p = 0; p < s->pieces->n; p++) {
        if (e.at[p] == e.at[p + 1])
            continue;
        rvw_space_mark_t mark = rvw_space_mark(s->task->scratch->space);
        rv_status_t status = finish_piece(s, &e, p, err);
        rvw_space_release(s->task->scratch->space, mark);
        if (status != RV_OK)
            return status;
    }
    rvw_array_set(s->task, e.node, kinds[kind], e.data, e.present);
    return RV_OK;
}

/* All values of the last (first) events, whose times and places are given. */
static rv_status_t finish_ends(rvw_select_t *s, bool latest, const int64_t *times, const uint64_t *refs,
                               rv_error_t *err) {
    ends_t e = {.refs = refs};
    RVW_TRY(by_piece(s, times, latest ? INT64_MIN : INT64_MAX, &e, err));
    for (uint32_t g = 0; g < s->pass->n_gathers; g++) {
        const rvw_gather_t *gather = &s->pass->gathers[g];
        uint32_t node = latest ? gather->last : gather->first;
        if (node != RVW_NO_NODE)
            RVW_TRY(finish_end(s, gather, node, &e, err));
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

/* sink_rows.c: rows with their fields, in order.
 *
 * A row is two byte strings: its order with the contact's key behind, and its fields. With a limit the rows are a heap
 * whose top is the last in order; a row that comes is compared by the first 8 bytes of its order (prefix), so that
 * nearly all rows of a large chunk are turned away before anything is encoded. Fields are evaluated only for rows that
 * may stay. Failure: QUOTA, as evaluation.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "message.h"
#include "sink.h"

/* Eight bytes that never go against the order of two encoded values; equal for values that are near. */
static uint64_t prefix_of(const rvw_vec_t *v, uint32_t i, bool descending) {
    static const uint64_t sign = (uint64_t)1 << 63;
    uint64_t p = 0;
    if (v->present && !v->present[i])
        return UINT64_MAX;
    switch (v->kind) {
    case RVW_KIND_BOOL:
        p = ((const uint8_t *)v->data)[i];
        break;
    case RVW_KIND_INT:
        p = (uint64_t)((const int64_t *)v->data)[i] ^ sign;
        break;
    case RVW_KIND_WIDE: { /* a decimal may come either way: what needs more than 64 bits is at the ends */
        rv_i128_t c = ((const rv_i128_t *)v->data)[i];
        p = c > INT64_MAX ? UINT64_MAX : c < INT64_MIN ? 0 : (uint64_t)(int64_t)c ^ sign;
        break;
    }
    case RVW_KIND_DOUBLE: {
        double d = ((const double *)v->data)[i] + 0.0;
        memcpy(&p, &d, sizeof p);
        p = p & sign ? ~p : p | sign;
        break;
    }
    case RVW_KIND_STRING: {
        rv_str_t s = ((const rv_str_t *)v->data)[i];
        for (uint32_t k = 0; k < 8; k++)
            p = p << 8 | (k < s.n ? (uint8_t)s.p[k] : 0);
        break;
    }
    }
    return descending ? ~p : p;
}

/* Elements whose prefix is not above `worst` into `list`, and maybe others; returns how many. */
static uint32_t list_candidates(const rvw_vec_t *v, bool descending, uint64_t worst, uint32_t n, uint32_t *list) {
    static const uint64_t sign = (uint64_t)1 << 63;
    uint8_t m[RV_VECTOR];
    uint64_t p = descending ? ~worst : worst;
    if (worst != UINT64_MAX && v->kind == RVW_KIND_INT) {
        rvw_kernel_before_ints(v->data, v->present, n, (int64_t)(p ^ sign), descending, m);
        return rvw_kernel_pick(m, 0, n, list);
    }
    if (worst != UINT64_MAX && v->kind == RVW_KIND_DOUBLE) {
        double limit;
        p = p & sign ? p ^ sign : ~p;
        memcpy(&limit, &p, sizeof limit);
        rvw_kernel_before_doubles(v->data, v->present, n, limit, descending, m);
        return rvw_kernel_pick(m, 0, n, list);
    }
    for (uint32_t i = 0; i < n; i++)
        list[i] = i;
    return n;
}

static int compare_keys(uint64_t pa, const uint8_t *a, size_t an, uint64_t pb, const uint8_t *b, size_t bn) {
    if (pa != pb)
        return pa < pb ? -1 : 1;
    int order = memcmp(a, b, an < bn ? an : bn);
    return order ? order : (an > bn) - (an < bn);
}

static int compare_rows(const void *a, const void *b) {
    const rvw_row_t *x = a, *y = b;
    return compare_keys(x->prefix, x->bytes, x->key_n, y->prefix, y->bytes, y->key_n);
}

/* Moves the top down to its place. */
static void sift_down(rvw_row_t *rows, size_t n) {
    for (size_t i = 0, k; (k = 2 * i + 1) < n; i = k) {
        if (k + 1 < n && compare_rows(&rows[k + 1], &rows[k]) > 0)
            k++;
        if (compare_rows(&rows[k], &rows[i]) <= 0)
            return;
        rvw_row_t row = rows[i];
        rows[i] = rows[k];
        rows[k] = row;
    }
}

static void sift_up(rvw_row_t *rows, size_t i) {
    for (size_t up; i && compare_rows(&rows[i], &rows[up = (i - 1) / 2]) > 0; i = up) {
        rvw_row_t row = rows[i];
        rows[i] = rows[up];
        rows[up] = row;
    }
}

static uint64_t limit_of(const rvw_job_t *job) {
    return job->request->rows->limit ? job->request->rows->limit : UINT64_MAX;
}

static bool is_full(const rvw_job_t *job, const rvw_rows_t *rows) {
    return rows->n >= limit_of(job);
}

/* A place for a row that is before the last one of a full heap; its old bytes are reused when they suffice. */
static rv_status_t put_row(rvw_partial_t *p, uint64_t prefix, const uint8_t *bytes, size_t key_n, size_t n,
                           rv_error_t *err) {
    rvw_rows_t *rows = &p->rows;
    bool full = is_full(p->job, rows), heap = limit_of(p->job) != UINT64_MAX;
    if (full && compare_keys(prefix, bytes, key_n, rows->rows[0].prefix, rows->rows[0].bytes, rows->rows[0].key_n) >= 0)
        return RV_OK;
    if (!full)
        RVW_TRY(rvw_grow(p, &rows->rows, rows->n, &rows->cap, sizeof *rows->rows, err));
    rvw_row_t row = full ? rows->rows[0] : (rvw_row_t){0};
    if (!row.bytes || row.cap < n) {
        size_t cap = full ? n + n / 4 : n;
        row.bytes = rvw_bytes_take(p->job, &rows->store, cap, err);
        if (!row.bytes)
            return RV_RESOURCE_EXHAUSTED;
        row.cap = (uint32_t)cap;
    }
    memcpy(row.bytes, bytes, n);
    row.prefix = prefix;
    row.key_n = (uint32_t)key_n;
    row.n = (uint32_t)n;
    if (full) {
        rows->rows[0] = row;
        sift_down(rows->rows, rows->n);
    } else {
        rows->rows[rows->n++] = row;
        if (heap)
            sift_up(rows->rows, rows->n - 1);
    }
    return RV_OK;
}

/* Rows of a batch that may stay, with their order encoded. */
typedef struct {
    uint32_t n;
    uint32_t idx[RV_VECTOR];
    uint64_t prefix[RV_VECTOR];
    size_t at[RV_VECTOR + 1]; /* where the order begins in the bytes */
} picked_t;

static rv_status_t encode_order(rvw_chunk_t *t, const rvw_column_t *keys, uint32_t i, uint32_t row, rv_bytes_t *out,
                                rv_error_t *err) {
    const rvw_job_t *job = t->job;
    char room[RVW_TEXT_ROOM];
    for (uint32_t k = 0; k < job->n_order; k++) {
        uint32_t node = job->order[k].node;
        RVW_TRY(rvw_sink_encode(&t->scratch->vec[node], &job->nodes[node], i, job->order[k].descending, out, err));
    }
    rv_value_t key = {.present = true, .s = rvw_column_string(keys, row, room)};
    return rv_value_encode(RV_STRING, &key, false, out) ? RV_OK : rv_fail_memory(err, "a result row");
}

static rv_status_t pick(rvw_chunk_t *t, rvw_partial_t *p, const rvw_column_t *keys, const rvw_batch_t *batch,
                        picked_t *picked, rv_error_t *err) {
    const rvw_job_t *job = t->job;
    bool full = is_full(job, &p->rows);
    uint64_t worst = full ? p->rows.rows[0].prefix : UINT64_MAX;
    picked->n = 0;
    p->rows.scratch.n = 0;
    const rvw_vec_t *first = job->n_order ? &t->scratch->vec[job->order[0].node] : NULL;
    uint32_t list[RV_VECTOR];
    uint32_t n = first ? list_candidates(first, job->order[0].descending, worst, batch->n, list) : batch->n;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = first ? list[k] : k;
        uint64_t prefix = first ? prefix_of(first, i, job->order[0].descending) : 0;
        if (prefix > worst)
            continue;
        uint32_t row = batch->idx ? batch->idx[i] : batch->first + i;
        picked->at[picked->n] = p->rows.scratch.n;
        RVW_TRY(encode_order(t, keys, i, row, &p->rows.scratch, err));
        const uint8_t *key = p->rows.scratch.p + picked->at[picked->n];
        size_t key_n = p->rows.scratch.n - picked->at[picked->n];
        if (full && compare_keys(prefix, key, key_n, worst, p->rows.rows[0].bytes, p->rows.rows[0].key_n) >= 0) {
            p->rows.scratch.n = picked->at[picked->n];
            continue;
        }
        picked->idx[picked->n] = row;
        picked->prefix[picked->n++] = prefix;
    }
    picked->at[picked->n] = p->rows.scratch.n;
    return RV_OK;
}

/* Evaluates the fields of the picked rows in the second frame and puts the rows. */
static rv_status_t put_picked(rvw_chunk_t *t, rvw_partial_t *p, const picked_t *picked, rv_error_t *err) {
    const rvw_job_t *job = t->job;
    rvw_batch_t batch = {.n = picked->n, .idx = picked->idx};
    rv_bytes_t *bytes = &p->rows.row;
    RVW_TRY(rvw_evaluate(t, &job->fields_stage.expr, NULL, &batch, err));
    for (uint32_t i = 0; i < picked->n; i++) {
        const uint8_t *key = p->rows.scratch.p + picked->at[i];
        size_t key_n = picked->at[i + 1] - picked->at[i];
        if (is_full(job, &p->rows) && compare_keys(picked->prefix[i], key, key_n, p->rows.rows[0].prefix,
                                                   p->rows.rows[0].bytes, p->rows.rows[0].key_n) >= 0)
            continue;
        bytes->n = 0;
        if (!rv_bytes_add(bytes, key, key_n))
            return rv_fail_memory(err, "a result row");
        for (uint32_t f = 0; f < job->n_fields; f++)
            RVW_TRY(
                rvw_sink_encode(&t->scratch->vec[job->fields[f]], &job->nodes[job->fields[f]], i, false, bytes, err));
        if (bytes->n > UINT32_MAX / 2)
            return rv_fail(err, RV_REASON_QUOTA, "a row of the result is larger than 2 GiB");
        RVW_TRY(put_row(p, picked->prefix[i], bytes->p, key_n, bytes->n, err));
    }
    return RV_OK;
}

static rv_status_t bind_fields(rvw_chunk_t *t, rv_error_t *err) {
    rvw_scratch_frame(t->scratch, 1);
    rv_status_t status = rvw_bind(t, &t->job->fields_stage.expr, NULL, 0, t->n_rows / 16, err);
    rvw_scratch_frame(t->scratch, 0);
    return status;
}

rv_status_t rvw_rows_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err) {
    uint32_t *idx = rvw_take(t, RV_VECTOR, sizeof *idx, err), at = 0;
    picked_t *picked = rvw_take(t, 1, sizeof *picked, err);
    rvw_column_t keys;
    rvw_batch_t batch;
    if (!idx || !picked)
        return RVW_NO_SPACE;
    RVW_TRY(rvw_stage_passes(t, &t->job->sink, err));
    RVW_TRY(rvw_stage_passes(t, &t->job->fields_stage, err));
    RVW_TRY(rvw_view_attribute(t->view, 0, t->chunk, &t->scratch->columns, &keys, err));
    RVW_TRY(rvw_bind(t, &t->job->sink.expr, NULL, 0, t->n_rows, err));
    RVW_TRY(bind_fields(t, err));
    while (rvw_rows_next(mask, t->n_rows, &at, idx, &batch)) {
        RVW_TRY(rvw_evaluate(t, &t->job->sink.expr, NULL, &batch, err));
        RVW_TRY(pick(t, p, &keys, &batch, picked, err));
        if (!picked->n)
            continue;
        rvw_scratch_frame(t->scratch, 1);
        rv_status_t status = put_picked(t, p, picked, err);
        rvw_scratch_frame(t->scratch, 0);
        if (status != RV_OK)
            return status;
    }
    return RV_OK;
}

rv_status_t rvw_rows_merge(const rvw_job_t *job, rvw_partial_t *into, rvw_partial_t *from, rv_error_t *err) {
    (void)job;
    for (size_t i = 0; i < from->rows.n; i++) {
        const rvw_row_t *row = &from->rows.rows[i];
        RVW_TRY(put_row(into, row->prefix, row->bytes, row->key_n, row->n, err));
    }
    from->rows.n = 0;
    rvw_bytes_done(from->job, &from->rows.store);
    return RV_OK;
}

void rvw_rows_seal(rvw_partial_t *p) {
    if (p->rows.n)
        qsort(p->rows.rows, p->rows.n, sizeof *p->rows.rows, compare_rows);
}

/* Bytes of a row in a message, at most. */
static size_t message_bytes(const rvw_job_t *job, const rvw_row_t *row) {
    return row->n + 8u + (size_t)job->n_fields * 20;
}

static rv_status_t page_columns(const rvw_job_t *job, const rvw_partial_t *p, size_t from, size_t n, rv_arena_t *arena,
                                Reveille__V1__RowsPartial *rows, rv_error_t *err) {
    rv_value_t *values = rv_arena_alloc(arena, (n + 1) * sizeof *values);
    size_t *at = rv_arena_alloc(arena, (n + 1) * sizeof *at);
    rows->fields = rv_arena_alloc(arena, (job->n_fields + 1) * sizeof *rows->fields);
    if (!values || !at || !rows->fields)
        return rv_fail_memory(err, "a message");
    for (size_t i = 0; i < n; i++)
        at[i] = p->rows.rows[from + i].key_n;
    for (uint32_t f = 0; f < job->n_fields; f++) {
        const rvw_node_t *node = &job->nodes[job->fields[f]];
        for (size_t i = 0; i < n; i++) {
            const rvw_row_t *row = &p->rows.rows[from + i];
            if (!rv_value_decode(node->type, row->bytes, row->n, &at[i], &values[i]))
                return rv_fail(err, RV_REASON_BUG, "a result row cannot be read back");
        }
        rows->fields[f] = rvw_message_column(arena, f, node->type, node->scale, values, n, err);
        if (!rows->fields[f])
            return RV_RESOURCE_EXHAUSTED;
        rows->n_fields = f + 1;
    }
    return RV_OK;
}

rv_status_t rvw_rows_next_page(const rvw_job_t *job, rvw_partial_t *p, rv_arena_t *arena,
                               Reveille__V1__QueryResponse *response, bool *ret_last, rv_error_t *err) {
    size_t from = p->next, n = 0, bytes = 0;
    while (from + n < p->rows.n && n < RV_PAGE_ROWS) {
        bytes += message_bytes(job, &p->rows.rows[from + n]);
        if (bytes > RVW_PAGE_BYTES)
            break;
        n++;
    }
    if (!n && from < p->rows.n)
        return rv_fail(err, RV_REASON_QUOTA, "a row of the result is larger than a message of %u KiB",
                       RV_MAX_BODY >> 10);
    Reveille__V1__RowsPartial *rows = rv_arena_alloc(arena, sizeof *rows);
    rv_str_t *keys = rv_arena_alloc(arena, (n + 1) * sizeof *keys);
    if (!rows || !keys)
        return rv_fail_memory(err, "a message");
    reveille__v1__rows_partial__init(rows);
    for (size_t i = 0; i < n; i++)
        keys[i] = (rv_str_t){(const char *)p->rows.rows[from + i].bytes, p->rows.rows[from + i].key_n};
    rows->sort_keys = rvw_message_strings(arena, keys, n, err);
    if (!rows->sort_keys)
        return RV_RESOURCE_EXHAUSTED;
    RVW_TRY(page_columns(job, p, from, n, arena, rows, err));
    response->partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_ROWS;
    response->rows = rows;
    p->next = from + n;
    *ret_last = p->next == p->rows.n;
    return RV_OK;
}

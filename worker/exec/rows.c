/* rows.c: walks over the rows of a chunk: bitmaps into batches, conditions into bitmaps, passes before stages, inputs
 * of passes.
 *
 * A condition that cannot fail is evaluated for whole runs of rows where the bitmap is dense, wanted or not, because
 * that is faster than picking; one that can fail only ever sees rows of the bitmap it is given. Failure: as evaluation.
 */
#include <string.h>

#include "eval.h"
#include "kernels.h"

#define DENSE 4u /* evaluate all rows of a run when at least one in so many is wanted */

/* Rows from `at` on that are set without a gap, counted in whole words, at most RV_VECTOR; 0 when `at` is not at a
 * word. */
static uint32_t full_run(const uint64_t *bitmap, uint32_t n_rows, uint32_t at) {
    uint32_t n = 0;
    if (at & 63)
        return 0;
    while (n + 64 <= RV_VECTOR && at + n + 64 <= n_rows && bitmap[(at + n) >> 6] == UINT64_MAX)
        n += 64;
    return n;
}

bool rvw_rows_next(const uint64_t *bitmap, uint32_t n_rows, uint32_t *at, uint32_t *idx, rvw_batch_t *ret) {
    uint32_t run = full_run(bitmap, n_rows, *at);
    if (run >= 256) {
        *ret = (rvw_batch_t){.n = run, .first = *at};
        *at += run;
        return true;
    }
    uint32_t n = rvw_kernel_rows(bitmap, n_rows, at, idx, RV_VECTOR);
    *ret = (rvw_batch_t){.n = n, .idx = idx};
    return n > 0;
}

/* What twins cost is counted for the first. */
static rv_status_t run_pass(rvw_chunk_t *t, const rvw_pass_t *pass, const rvw_pass_t *twin, rv_error_t *err) {
    uint32_t before = rvw_counting(t, twin ? twin->counted : pass->counted);
    if (t->meter && twin)
        rvw_meter_rows(t, t->n_mask, t->n_mask);
    rvw_counting(t, pass->counted);
    if (t->meter)
        rvw_meter_pass(t, pass);
    RVW_TRY(rvw_fill_inputs(t, pass, err));
    RVW_TRY(rvw_pass_run(t, pass, twin, err));
    rvw_counting(t, before);
    return RV_OK;
}

rv_status_t rvw_stage_passes(rvw_chunk_t *t, const rvw_stage_t *stage, rv_error_t *err) {
    for (uint32_t i = 0; i < stage->n_passes; i++) {
        uint32_t p = stage->passes[i];
        if (t->pass_done[p])
            continue;
        if (rvw_job_stopped(t->job))
            return rv_fail_as(err, RV_CANCELLED, RV_REASON_NONE, "the query was cancelled");
        const rvw_pass_t *pass = &t->job->passes[p];
        const rvw_pass_t *twin = rvw_score_twin(t, pass, stage->passes + i + 1, stage->n_passes - i - 1);
        RVW_TRY(run_pass(t, pass, twin, err));
        t->pass_done[p] = 1;
        if (twin)
            t->pass_done[twin - t->job->passes] = 1;
    }
    return RV_OK;
}

/* Keeps of the bits first .. first + n those whose byte is 1. `first` is a multiple of 64. */
static void and_bytes(uint64_t *bitmap, uint32_t first, uint32_t n, const uint8_t *bytes) {
    uint32_t i = 0;
    for (; i + 64 <= n; i += 64)
        bitmap[(first + i) >> 6] &= rvw_pack64(bytes + i);
    for (; i < n; i++)
        if (!bytes[i])
            bitmap[(first + i) >> 6] &= ~(1ull << ((first + i) & 63));
}

static bool dense_enough(const uint64_t *bitmap, uint32_t first, uint32_t n) {
    return rvw_bitmap_count(bitmap + (first >> 6), (n + 63) >> 6) * DENSE >= n;
}

/* Rows first .. first + n of the bitmap one by one. */
static rv_status_t filter_picked(rvw_chunk_t *t, const rvw_stage_t *stage, uint32_t first, uint32_t end,
                                 uint64_t *bitmap, rv_error_t *err) {
    uint32_t idx[RV_VECTOR], at = first;
    rvw_batch_t batch;
    while (at < end && rvw_rows_next(bitmap, end, &at, idx, &batch)) {
        RVW_TRY(rvw_evaluate(t, &stage->expr, NULL, &batch, err));
        const uint8_t *out = t->scratch->vec[stage->root].data;
        for (uint32_t i = 0; i < batch.n; i++) {
            uint32_t row = batch.idx ? batch.idx[i] : batch.first + i;
            bitmap[row >> 6] &= ~((uint64_t)(out[i] ^ 1) << (row & 63));
        }
    }
    return RV_OK;
}

static rv_status_t filter_rows(rvw_chunk_t *t, const rvw_stage_t *stage, uint64_t *bitmap, rv_error_t *err) {
    if (stage->expr.can_fail || RV_VECTOR < 64)
        return filter_picked(t, stage, 0, t->n_rows, bitmap, err);
    for (uint32_t first = 0; first < t->n_rows; first += RV_VECTOR) {
        uint32_t n = t->n_rows - first < RV_VECTOR ? t->n_rows - first : RV_VECTOR;
        if (!dense_enough(bitmap, first, n)) {
            RVW_TRY(filter_picked(t, stage, first, first + n, bitmap, err));
            continue;
        }
        rvw_batch_t batch = {.n = n, .first = first};
        RVW_TRY(rvw_evaluate(t, &stage->expr, NULL, &batch, err));
        and_bytes(bitmap, first, n, t->scratch->vec[stage->root].data);
    }
    return RV_OK;
}

static rv_status_t filter(rvw_chunk_t *t, const rvw_stage_t *stage, uint64_t *bitmap, rv_error_t *err) {
    RVW_TRY(rvw_stage_passes(t, stage, err));
    RVW_TRY(rvw_bind(t, &stage->expr, NULL, 0, t->n_rows, err));
    const rvw_vec_t *vec = &t->scratch->vec[stage->root];
    bool constant = t->job->nodes[stage->root].domain == RVW_DOMAIN_CONST ||
                    t->scratch->bind[stage->root].from == RVW_FROM_CONSTANT;
    bool done = false;
    if (!constant && !stage->expr.can_fail)
        RVW_TRY(rvw_filter_direct(t, stage->root, bitmap, &done, err));
    if (done)
        return RV_OK;
    if (!constant)
        return filter_rows(t, stage, bitmap, err);
    if (!*(const uint8_t *)vec->data)
        memset(bitmap, 0, t->n_words * sizeof *bitmap);
    return RV_OK;
}

rv_status_t rvw_stage_filter(rvw_chunk_t *t, const rvw_stage_t *stage, uint64_t *bitmap, rv_error_t *err) {
    if (stage->root == RVW_NO_NODE)
        return RV_OK;
    if (!t->meter)
        return filter(t, stage, bitmap, err);
    uint32_t before = rvw_counting(t, stage->counted);
    uint64_t in = rvw_bitmap_count(bitmap, t->n_words);
    RVW_TRY(filter(t, stage, bitmap, err));
    rvw_meter_rows(t, in, rvw_bitmap_count(bitmap, t->n_words));
    rvw_counting(t, before);
    return RV_OK;
}

/* An input of a pass on its way into an array. */
typedef struct {
    uint32_t node;
    char *data;
    uint8_t *present;
} input_t;

static rvw_array_kind_t array_kind_of(rvw_lane_t kind) {
    static const rvw_array_kind_t kinds[] = {RVW_ARRAY_U8, RVW_ARRAY_I64, RVW_ARRAY_I128, RVW_ARRAY_F64, RVW_ARRAY_STR};
    return kinds[kind];
}

/* Copies the vector's elements to the rows of the batch. */
static rv_status_t store(rvw_chunk_t *t, uint32_t node, const rvw_batch_t *batch, char *data, uint8_t *present,
                         rv_error_t *err) {
    const rvw_vec_t *vec = &t->scratch->vec[node];
    rvw_lane_t kind = t->job->nodes[node].kind;
    size_t size = rvw_kind_size(kind);
    for (uint32_t i = 0; i < batch->n; i++) {
        uint32_t row = batch->idx ? batch->idx[i] : batch->first + i;
        present[row] = rvw_has(vec, i);
        if (!present[row])
            continue;
        if (kind == RVW_KIND_WIDE) {
            rv_i128_t c = rvw_vec_number(vec, &t->job->nodes[node], i).c;
            memcpy(data + row * size, &c, size);
            continue;
        }
        memcpy(data + row * size, (const char *)vec->data + i * size, size);
        if (vec->fleeting)
            RVW_TRY(rvw_keep(t, (rv_str_t *)(void *)(data + row * size), err));
    }
    return RV_OK;
}

/* Room for the inputs that have no array yet; returns how many there are in *ret_n. */
static rv_status_t take_inputs(rvw_chunk_t *t, const rvw_pass_t *pass, input_t *inputs, uint32_t *ret_n,
                               rv_error_t *err) {
    *ret_n = 0;
    for (uint32_t k = 0; k < pass->n_inputs; k++) {
        uint32_t node = pass->inputs[k];
        if (t->arrays[node].kind != RVW_ARRAY_NONE)
            continue;
        input_t *input = &inputs[(*ret_n)++];
        input->node = node;
        input->data = rvw_take_zero(t, t->n_rows, rvw_kind_size(t->job->nodes[node].kind), err);
        input->present = rvw_take_zero(t, t->n_rows, 1, err);
        if (!input->data || !input->present)
            return RVW_NO_SPACE;
    }
    return RV_OK;
}

/* Arrays for the inputs that have none yet; rows outside the population stay missing. */
rv_status_t rvw_fill_inputs(rvw_chunk_t *t, const rvw_pass_t *pass, rv_error_t *err) {
    uint32_t n = 0, idx[RV_VECTOR], at = 0;
    input_t *inputs = rvw_take(t, pass->n_inputs + 1u, sizeof *inputs, err);
    if (!inputs)
        return RVW_NO_SPACE;
    RVW_TRY(take_inputs(t, pass, inputs, &n, err));
    if (!n)
        return RV_OK;
    RVW_TRY(rvw_bind(t, &pass->input_expr, NULL, 0, t->n_rows, err));
    rvw_batch_t batch;
    while (rvw_rows_next(t->population, t->n_rows, &at, idx, &batch)) {
        RVW_TRY(rvw_evaluate(t, &pass->input_expr, NULL, &batch, err));
        for (uint32_t k = 0; k < n; k++)
            RVW_TRY(store(t, inputs[k].node, &batch, inputs[k].data, inputs[k].present, err));
    }
    for (uint32_t k = 0; k < n; k++)
        t->arrays[inputs[k].node] = (rvw_array_t){.kind = array_kind_of(t->job->nodes[inputs[k].node].kind),
                                                  .data = inputs[k].data,
                                                  .present = inputs[k].present};
    return RV_OK;
}

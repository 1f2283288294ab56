/* group_codes.c: small numbers for what rows are grouped by, so that most rows find their group without any bytes being
 * made.
 *
 * Each key has a table from values to codes, and each further key a table from pairs (code so far, code) to codes. A
 * string is known by its place, not by its bytes: the same bytes at two places give two numbers, which meet again when
 * their group is looked up. A key that is a column with a dictionary, and nothing else in the expression, needs neither
 * table nor strings: the column has the codes. Everything is the task's. Failure: QUOTA.
 */
#include <string.h>

#include "kernels.h"
#include "reveille/limits.h"
#include "sink.h"

typedef struct {
    uint64_t a, b;
    uint32_t code; /* 0: free */
} slot_t;

typedef struct {
    slot_t *slots;
    uint32_t n, cap;
} table_t;

#define SMALL 32u  /* codes below are those of a missing value (1) and of small numbers */
#define SQUARE 64u /* a power of two */
#define RECENT 64u

typedef struct {
    table_t table;
    uint32_t *square; /* 1 + number of a pair of small codes, 0 unknown */
    uint32_t *codes;  /* of a batch */
} pairs_t;

struct rvw_codes {
    table_t *values;             /* by key */
    pairs_t *pairs;              /* by key: (number so far, code) */
    uint32_t *column;            /* codes of one key over a batch */
    const rvw_column_t **stored; /* by key: the column that has its codes; NULL: the key is evaluated */
};

rvw_codes_t *rvw_codes_new(rvw_chunk_t *t, rv_error_t *err) {
    rvw_codes_t *codes = rvw_take_zero(t, 1, sizeof *codes, err);
    size_t n = t->job->n_by + 1;
    if (!codes)
        return NULL;
    codes->values = rvw_take_zero(t, n, sizeof *codes->values, err);
    codes->pairs = rvw_take_zero(t, n, sizeof *codes->pairs, err);
    codes->column = rvw_take(t, RV_VECTOR, sizeof *codes->column, err);
    codes->stored = rvw_take_zero(t, n, sizeof *codes->stored, err);
    for (size_t k = 0; codes->pairs && k < t->job->n_by; k++) {
        codes->pairs[k].square = rvw_take_zero(t, SQUARE * SQUARE, sizeof(uint32_t), err);
        codes->pairs[k].codes = rvw_take(t, RV_VECTOR, sizeof(uint32_t), err);
        if (!codes->pairs[k].square || !codes->pairs[k].codes)
            return NULL;
    }
    return codes->values && codes->pairs && codes->column && codes->stored ? codes : NULL;
}

/* Whether a measure or an operation of the sink's expression takes the node's values. */
static bool is_argument(const rvw_job_t *job, uint32_t node) {
    const rvw_expr_t *expr = &job->sink.expr;
    for (size_t m = 0; m < job->n_measures; m++)
        if (job->measures[m].kind != REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT &&
            job->request->groups->measures[m]->node == node)
            return true;
    for (uint32_t i = 0; i < expr->n; i++)
        for (uint32_t k = 0; k < job->nodes[expr->nodes[i]].n_args; k++)
            if (job->nodes[expr->nodes[i]].args[k] == node)
                return true;
    return false;
}

void rvw_codes_bind(rvw_chunk_t *t, rvw_codes_t *codes) {
    const rvw_job_t *job = t->job;
    for (size_t k = 0; k < job->n_by; k++) {
        const rvw_bind_t *bind = &t->scratch->bind[job->by[k]];
        if (bind->from == RVW_FROM_COLUMN && bind->column->encoding == RVW_DICT &&
            job->nodes[job->by[k]].kind == RVW_KIND_STRING && !is_argument(job, job->by[k]))
            codes->stored[k] = bind->column;
    }
    for (size_t k = 0; k < job->n_by; k++)
        if (codes->stored[k])
            t->scratch->bind[job->by[k]].from = RVW_FROM_NOTHING;
}

bool rvw_codes_last(const rvw_chunk_t *t, const rvw_codes_t *codes) {
    for (size_t k = 0; k < t->job->n_by; k++)
        if (!codes->stored[k] && t->scratch->vec[t->job->by[k]].fleeting)
            return false;
    return true;
}

rv_status_t rvw_codes_encode(const rvw_chunk_t *t, const rvw_codes_t *codes, size_t k, const rvw_batch_t *batch,
                             uint32_t i, rv_bytes_t *out, rv_error_t *err) {
    const rvw_node_t *node = &t->job->nodes[t->job->by[k]];
    const rvw_column_t *c = codes->stored[k];
    if (!c)
        return rvw_sink_encode(&t->scratch->vec[t->job->by[k]], node, i, false, out, err);
    uint32_t row = batch->idx ? batch->idx[i] : batch->first + i;
    rv_value_t value = {.present = rvw_column_present(c, row)};
    if (value.present)
        value.s = rvw_column_entry(c, (uint32_t)rvw_column_code(c, row));
    return rv_value_encode(node->type, &value, false, out) ? RV_OK : rv_fail_memory(err, "a group");
}

static uint32_t place_of(const table_t *table, uint64_t a, uint64_t b) {
    uint64_t h = (a ^ (b * 0x9E3779B97F4A7C15ull)) * 0xD6E8FEB86659FD93ull;
    return (uint32_t)(h >> 32) & (table->cap - 1);
}

static rv_status_t grow(rvw_chunk_t *t, table_t *table, rv_error_t *err) {
    table_t bigger = {.n = table->n, .cap = table->cap ? table->cap * 2 : 256};
    bigger.slots = rvw_take_zero(t, bigger.cap, sizeof *bigger.slots, err);
    if (!bigger.slots)
        return RVW_NO_SPACE;
    for (uint32_t i = 0; i < table->cap; i++) {
        const slot_t *old = &table->slots[i];
        if (!old->code)
            continue;
        uint32_t at = place_of(&bigger, old->a, old->b);
        while (bigger.slots[at].code)
            at = (at + 1) & (bigger.cap - 1);
        bigger.slots[at] = *old;
    }
    *table = bigger;
    return RV_OK;
}

/* The code of (a, b), from `first` on. */
static inline rv_status_t code_of(rvw_chunk_t *t, table_t *table, uint64_t a, uint64_t b, uint32_t first, uint32_t *ret,
                                  rv_error_t *err) {
    if (table->n * 2 >= table->cap)
        RVW_TRY(grow(t, table, err));
    uint32_t at = place_of(table, a, b);
    while (table->slots[at].code && (table->slots[at].a != a || table->slots[at].b != b))
        at = (at + 1) & (table->cap - 1);
    if (!table->slots[at].code)
        table->slots[at] = (slot_t){a, b, first + table->n++};
    *ret = table->slots[at].code;
    return RV_OK;
}

/* Element i as two words: equal words, equal values. */
static void words_of(const rvw_vec_t *v, uint32_t i, uint64_t *a, uint64_t *b) {
    *b = 0;
    switch (v->kind) {
    case RVW_KIND_BOOL:
        *a = ((const uint8_t *)v->data)[i];
        break;
    case RVW_KIND_INT:
        *a = (uint64_t)((const int64_t *)v->data)[i];
        *b = ((const int64_t *)v->data)[i] < 0 ? UINT64_MAX : 0;
        break;
    case RVW_KIND_WIDE:
        *a = (uint64_t)((const rv_i128_t *)v->data)[i];
        *b = (uint64_t)((rv_u128_t)((const rv_i128_t *)v->data)[i] >> 64);
        break;
    case RVW_KIND_DOUBLE: {
        double d = ((const double *)v->data)[i] + 0.0;
        memcpy(a, &d, sizeof d);
        break;
    }
    case RVW_KIND_STRING:
        *a = (uint64_t)(uintptr_t)((const rv_str_t *)v->data)[i].p;
        *b = ((const rv_str_t *)v->data)[i].n;
        break;
    }
}

/* Small numbers need no table: value v has the code v + 2. */
static bool small_codes(const rvw_vec_t *v, uint32_t n, uint32_t *out) {
    if (v->kind == RVW_KIND_BOOL) {
        const uint8_t *b = v->data;
        for (uint32_t i = 0; i < n; i++)
            out[i] = !v->present || v->present[i] ? b[i] + 2u : 1;
        return true;
    }
    return v->kind == RVW_KIND_INT && rvw_kernel_small_codes(v->data, v->present, n, out) < SMALL - 2;
}

/* Strings of a batch come from few places: each is looked for where the last one with the same low bits of its address
 * was. */
static rv_status_t string_codes(rvw_chunk_t *t, table_t *table, const rvw_vec_t *v, uint32_t n, uint32_t *out,
                                rv_error_t *err) {
    slot_t recent[RECENT] = {0};
    const rv_str_t *strings = v->data;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t there = v->present ? -(uint64_t)v->present[i] : UINT64_MAX; /* missing: no string is so long */
        uint64_t a = (uint64_t)(uintptr_t)strings[i].p & there, b = strings[i].n | ~there;
        slot_t *slot = &recent[(a ^ a >> 6) % RECENT];
        if (!slot->code || slot->a != a || slot->b != b) {
            *slot = (slot_t){.a = a, .b = b};
            RVW_TRY(code_of(t, table, a, b, SMALL, &slot->code, err));
        }
        out[i] = slot->code;
    }
    return RV_OK;
}

#define STORED(type)                                                                                                   \
    do {                                                                                                               \
        const type *codes = c->codes;                                                                                  \
        if (batch->idx)                                                                                                \
            for (uint32_t i = 0; i < batch->n; i++)                                                                    \
                out[i] = codes[batch->idx[i]] + 2u;                                                                    \
        else                                                                                                           \
            for (uint32_t i = 0; i < batch->n; i++)                                                                    \
                out[i] = codes[batch->first + i] + 2u;                                                                 \
    } while (0)

/* Entry e of a column's dictionary has the code e + 2. Which rows lack theirs nobody can foresee: so without a branch.
 */
static void stored_codes(const rvw_column_t *c, const rvw_batch_t *batch, uint32_t *out) {
    switch (c->width) {
    case 1:
        STORED(uint8_t);
        break;
    case 2:
        STORED(uint16_t);
        break;
    case 4:
        STORED(uint32_t);
        break;
    default:
        for (uint32_t i = 0; i < batch->n; i++)
            out[i] = 2;
    }
    for (uint32_t i = 0; c->present && i < batch->n; i++) {
        uint32_t row = batch->idx ? batch->idx[i] : batch->first + i;
        out[i] = ((out[i] - 1) & -(uint32_t)(c->present[row >> 3] >> (row & 7) & 1)) + 1;
    }
}

/* Codes of one key over a batch. Those of the table begin behind the small ones. */
static rv_status_t column_codes(rvw_chunk_t *t, table_t *table, const rvw_vec_t *v, uint32_t n, uint32_t *out,
                                rv_error_t *err) {
    uint64_t a = 0, b = 0;
    if (small_codes(v, n, out))
        return RV_OK;
    if (v->kind == RVW_KIND_STRING && !v->constant)
        return string_codes(t, table, v, n, out, err);
    for (uint32_t i = 0; i < (v->constant ? 1u : n); i++) {
        words_of(v, i, &a, &b);
        if (v->present && v->kind == RVW_KIND_WIDE && !v->present[i]) {
            out[i] = 1;
            continue;
        }
        if (v->present && v->kind != RVW_KIND_WIDE) { /* without a branch; no value has these words */
            a = v->present[i] ? a : 0;
            b = v->present[i] ? b : 2;
        }
        RVW_TRY(code_of(t, table, a, b, SMALL, &out[i], err));
    }
    for (uint32_t i = 1; v->constant && i < n; i++)
        out[i] = out[0];
    return RV_OK;
}

/* The number of a pair, by an array while both halves are small. */
static rv_status_t pair_of(rvw_chunk_t *t, pairs_t *pairs, uint32_t a, uint32_t b, uint32_t *ret, rv_error_t *err) {
    uint32_t *known = a < SQUARE && b < SQUARE ? &pairs->square[a * SQUARE + b] : NULL, code;
    if (!known || !*known) {
        RVW_TRY(code_of(t, &pairs->table, a, b, 1, &code, err));
        if (known)
            *known = code;
        *ret = code - 1;
        return RV_OK;
    }
    *ret = *known - 1;
    return RV_OK;
}

/* Numbers of the pairs of a batch: without a branch a row while all are small and known. */
static rv_status_t pairs_of(rvw_chunk_t *t, pairs_t *pairs, const uint32_t *column, uint32_t n, uint32_t *out,
                            rv_error_t *err) {
    uint32_t all = 0, unknown = 0;
    for (uint32_t i = 0; i < n; i++)
        all |= out[i] | column[i];
    uint32_t *codes = pairs->codes;
    for (uint32_t i = 0; all < SQUARE && i < n; i++) {
        codes[i] = pairs->square[out[i] * SQUARE + column[i]] - 1;
        unknown |= codes[i] + 1 == 0;
    }
    if (all < SQUARE && !unknown) {
        memcpy(out, codes, n * sizeof *out);
        return RV_OK;
    }
    for (uint32_t i = 0; i < n; i++)
        RVW_TRY(pair_of(t, pairs, out[i], column[i], &out[i], err));
    return RV_OK;
}

rv_status_t rvw_codes_of(rvw_chunk_t *t, rvw_codes_t *codes, const rvw_batch_t *batch, uint32_t *out, uint32_t *ret_n,
                         rv_error_t *err) {
    const rvw_job_t *job = t->job;
    uint32_t n = batch->n;
    memset(out, 0, n * sizeof *out);
    *ret_n = 1;
    for (size_t k = 0; k < job->n_by; k++) {
        const rvw_vec_t *v = &t->scratch->vec[job->by[k]];
        pairs_t *pairs = &codes->pairs[k];
        if (codes->stored[k])
            stored_codes(codes->stored[k], batch, codes->column);
        else
            RVW_TRY(column_codes(t, &codes->values[k], v, n, codes->column, err));
        RVW_TRY(pairs_of(t, pairs, codes->column, n, out, err));
        *ret_n = pairs->table.n;
    }
    return RV_OK;
}

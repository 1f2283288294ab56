/* direct.c: a condition on one column answered from its codes into bits, without vectors of values.
 *
 * Most conjuncts of a filter are tests of one attribute, of the contact or of its company, or of one number that a pass
 * has left by row, against constants. Bound, such a test is a table by dictionary code or a range of integers: either
 * is a range or a lookup of the codes as they lie, one pass of a kernel for a block of rows. A company's test is
 * answered for all companies of the partition first, unless fewer rows ask for it, and then gathered. What does not fit
 * this shape is left to the vectors. Failure: those of memory.
 */
#include <string.h>

#include "eval.h"
#include "kernels.h"
#include "probe.h"

/* Fewer than one row for so many companies: only those companies are asked. The tiny build comes by both ways. */
#define FEW (RV_VECTOR < 64 ? 1u : 128u)

/* A test of a column: by table, or membership of [lo, hi]. The answer is xored with `negate` where a value is present;
 * `flip` reverses all answers. */
typedef struct {
    const rvw_column_t *column;
    const uint8_t *table;
    rv_i128_t lo, hi;
    uint8_t negate, missing, flip;
    rvw_column_t array;     /* what `column` points at when the values are an array */
    const uint8_t *present; /* of the array: a byte a row; NULL: all */
} test_t;

/* Takes NOTs off the root. */
static uint32_t strip(const rvw_chunk_t *t, uint32_t node, uint8_t *flip) {
    for (*flip = 0; t->job->nodes[node].domain != RVW_DOMAIN_CONST && t->scratch->bind[node].from == RVW_FROM_OP &&
                    t->job->nodes[node].op == RVW_OP(NOT);
         *flip ^= 1)
        node = t->job->nodes[node].args[0];
    return node;
}

/* Whether the column's integers are those that a range of the leaf speaks about. */
static bool like_integers(const rvw_node_t *leaf, const rvw_column_t *c) {
    return (c->encoding == RVW_FOR || c->encoding == RVW_CONST) && c->unit > 0 && leaf->kind != RVW_KIND_DOUBLE &&
           leaf->kind != RVW_KIND_STRING && (c->type != RV_INT || leaf->type == RV_INT);
}

/* The leaf that the test `node` is about, RVW_NO_NODE when it is about more. */
static uint32_t leaf_of(const rvw_node_t *node) {
    if (node->range.use)
        return node->args[node->range.variable];
    return node->op == RVW_OP(TRUTH) || node->op == RVW_OP(IS_SET) || node->op == RVW_OP(IN) ||
                   (node->op >= RVW_OP(EQ) && node->op <= RVW_OP(GE))
               ? node->args[0]
               : RVW_NO_NODE;
}

/* The test of integers; false when the column does not fit it. */
static bool range_test(const rvw_node_t *node, const rvw_node_t *leaf, const rvw_column_t *column, test_t *ret) {
    ret->column = column;
    if (node->op == RVW_OP(IS_SET)) {
        ret->lo = INT64_MIN;
        ret->hi = INT64_MAX;
        return like_integers(leaf, column);
    }
    if (!like_integers(leaf, column))
        return false;
    if (node->op == RVW_OP(TRUTH)) {
        ret->negate = 1; /* other than 0 */
        return leaf->kind == RVW_KIND_BOOL;
    }
    ret->lo = node->range.lo;
    ret->hi = node->range.hi;
    ret->negate = node->range.negate;
    return node->range.use && leaf->kind != RVW_KIND_BOOL;
}

/* An array of integers by row as a column; false for arrays of anything else. */
static bool array_column(const rvw_chunk_t *t, uint32_t node, test_t *ret) {
    const rvw_array_t *array = &t->arrays[node];
    uint8_t width = array->kind == RVW_ARRAY_U8 ? 1 : array->kind == RVW_ARRAY_U32 ? 4 : 8;
    ret->array = (rvw_column_t){.type = t->job->nodes[node].type,
                                .encoding = RVW_FOR,
                                .width = width,
                                .n = t->n_rows,
                                .unit = 1,
                                .codes = array->data};
    ret->column = &ret->array;
    ret->present = array->present;
    return array->kind == RVW_ARRAY_U8 || array->kind == RVW_ARRAY_U32 || array->kind == RVW_ARRAY_I64;
}

static void prepare(const test_t *test, rvw_probe_t *probe) {
    if (test->table)
        rvw_probe_by_table(test->column, test->table, probe);
    else
        rvw_probe_by_range(test->column, test->lo, test->hi, probe);
}

/* The present bits of the column's word at row `first`, for n rows. */
static uint64_t column_word(const rvw_column_t *c, uint32_t first, uint32_t n) {
    uint64_t word = 0;
    if (!c->present)
        return UINT64_MAX;
    if (n >= 64) /* of a known size this is one load */
        memcpy(&word, c->present + (first >> 3), sizeof word);
    else
        memcpy(&word, c->present + (first >> 3), (n + 7) / 8);
    return word;
}

/* The same of an array that has a byte a row. */
static uint64_t array_word(const uint8_t *present, uint32_t first, uint32_t n) {
    uint8_t bytes[64] = {0};
    if (n >= 64)
        return rvw_pack64(present + first);
    memcpy(bytes, present + first, n);
    return rvw_pack64(bytes);
}

/* Keeps of a bitmap's rows first .. first + n those for which the test holds. */
static void filter_block(const test_t *test, const rvw_probe_t *p, uint32_t first, uint32_t n, uint64_t *bitmap) {
    uint64_t answers[RVW_PROBE_BLOCK / 64], negate = test->negate ? UINT64_MAX : 0,
                                            missing = test->missing ? UINT64_MAX : 0,
                                            flip = test->flip ? UINT64_MAX : 0;
    uint64_t *to = bitmap + (first >> 6);
    rvw_probe_words(p, first, n, answers);
    if (!test->present && !test->column->present) {
        for (uint32_t i = 0; i < (n + 63) >> 6; i++)
            to[i] &= answers[i] ^ negate ^ flip;
        return;
    }
    for (uint32_t i = 0; i < n; i += 64) {
        uint64_t present =
            test->present ? array_word(test->present, first + i, n - i) : column_word(test->column, first + i, n - i);
        uint64_t word = ((answers[i >> 6] ^ negate) & present) | (missing & ~present);
        to[i >> 6] &= word ^ flip;
    }
}

static bool none(const uint64_t *words, uint32_t n) {
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++)
        any |= words[i];
    return !any;
}

static void filter_rows(const test_t *test, const rvw_probe_t *probe, uint32_t n_rows, uint64_t *bitmap) {
    for (uint32_t first = 0; first < n_rows; first += RVW_PROBE_BLOCK) {
        uint32_t n = n_rows - first < RVW_PROBE_BLOCK ? n_rows - first : RVW_PROBE_BLOCK;
        if (!none(bitmap + (first >> 6), (n + 63) >> 6))
            filter_block(test, probe, first, n, bitmap);
    }
}

/* The test of one chunk of the companies, ready to be asked. */
typedef struct {
    test_t test;
    rvw_probe_t probe;
} asked_t;

/* The test of one of the company's columns; false when it does not fit. */
static rv_status_t company_test(rvw_chunk_t *t, const rvw_node_t *node, uint32_t leaf, const rvw_column_t *column,
                                test_t *ret, bool *ret_fits, rv_error_t *err) {
    ret->column = column;
    *ret_fits = true;
    if (column->encoding == RVW_NONE) /* all missing: any answer will do */
        return RV_OK;
    if (column->encoding != RVW_DICT || t->job->nodes[leaf].kind != RVW_KIND_STRING) {
        *ret_fits = range_test(node, &t->job->nodes[leaf], column, ret);
        return RV_OK;
    }
    uint8_t *table = rvw_take(t, column->dict_n + 1u, 1, err);
    if (!table)
        return RVW_NO_SPACE;
    *ret_fits = rvw_table_direct(t->job, node, leaf, column, table);
    ret->table = table;
    return RV_OK;
}

/* The tests by company chunk, in *ret; NULL when one of them does not fit. */
static rv_status_t ask_companies(rvw_chunk_t *t, const rvw_node_t *node, uint32_t leaf, asked_t **ret,
                                 rv_error_t *err) {
    uint32_t rows = rvw_view_company_rows(t->view), per = rvw_view_chunk_rows(t->view), n = (rows + per - 1) / per;
    const rvw_column_t *columns = t->scratch->bind[leaf].company;
    asked_t *asked = rvw_take_zero(t, n + 1u, sizeof *asked, err);
    *ret = NULL;
    if (!asked)
        return RVW_NO_SPACE;
    for (uint32_t c = 0; c < n; c++) {
        bool fits;
        uint32_t here = rows - c * per < per ? rows - c * per : per;
        RVW_TRY(company_test(t, node, leaf, &columns[c], &asked[c].test, &fits, err));
        if (!fits || (columns[c].encoding != RVW_NONE && columns[c].n < here))
            return RV_OK;
        if (columns[c].encoding != RVW_NONE)
            prepare(&asked[c].test, &asked[c].probe);
    }
    *ret = asked;
    return RV_OK;
}

/* Bits by company row, in whole words; the bit behind the last row is 0. */
static rv_status_t answer_companies(rvw_chunk_t *t, const asked_t *asked, uint64_t **ret, rv_error_t *err) {
    uint32_t rows = rvw_view_company_rows(t->view), per = rvw_view_chunk_rows(t->view);
    uint64_t *answers = rvw_take_zero(t, rows / 64 + 1u, sizeof *answers, err);
    if (!answers)
        return RVW_NO_SPACE;
    for (uint32_t c = 0; c * (uint64_t)per < rows; c++) {
        uint32_t n = rows - c * per < per ? rows - c * per : per;
        uint64_t *bits = answers + c * (per / 64);
        if (asked[c].test.column->encoding == RVW_NONE)
            continue;
        memset(bits, 0xff, (n + 63) / 64 * sizeof *bits);
        filter_rows(&asked[c].test, &asked[c].probe, n, bits);
        if (n & 63)
            bits[n >> 6] &= (1ull << (n & 63)) - 1;
    }
    *ret = answers;
    return RV_OK;
}

/* The answer for one company. */
static uint8_t company_answer(const asked_t *asked, uint32_t row) {
    const rvw_probe_t *p = &asked->probe;
    if (!rvw_column_present(asked->test.column, row))
        return 0;
    uint64_t code = rvw_column_code(asked->test.column, row);
    uint8_t in = p->table ? p->table[code] : p->same;
    for (uint32_t k = 0; k < p->runs; k++)
        in |= code - p->from[k] <= p->span[k];
    return in ^ asked->test.negate;
}

#define COMPANY_ROWS(type)                                                                                             \
    for (uint32_t i = 0; i < batch->n; i++) {                                                                          \
        uint32_t row = batch->idx ? batch->idx[i] : batch->first + i;                                                  \
        uint64_t company = base + ((const type *)c->codes)[row] * unit;                                                \
        bool present = !c->present || (c->present[row >> 3] >> (row & 7) & 1);                                         \
        out[i] = (present & (company < none)) ? (uint32_t)company : none;                                              \
    }

/* The company rows of some contacts; one without a company has row `none`. */
static void company_rows(const rvw_column_t *c, const rvw_batch_t *batch, uint32_t none, uint32_t *out) {
    uint64_t base = (uint64_t)c->base, unit = (uint64_t)c->unit;
    if (c->encoding == RVW_FOR && c->width == 2) {
        COMPANY_ROWS(uint16_t)
    } else if (c->encoding == RVW_FOR && c->width == 4) {
        COMPANY_ROWS(uint32_t)
    } else {
        for (uint32_t i = 0; i < batch->n; i++) {
            uint32_t row = batch->idx ? batch->idx[i] : batch->first + i;
            int64_t company = rvw_column_present(c, row) ? rvw_column_int(c, row) : -1;
            out[i] = company >= 0 && company < none ? (uint32_t)company : none;
        }
    }
}

/* Keeps the rows whose company's answer is 1; one without a company counts as 0. With `answers` every company has been
 * asked, otherwise those that are needed are asked now. Who passes nobody can foresee: so without a branch. */
static void gather_answers(const rvw_chunk_t *t, const rvw_column_t *companies, const asked_t *asked,
                           const uint64_t *answers, uint8_t flip, uint64_t *bitmap) {
    const uint32_t rows = rvw_view_company_rows(t->view), per = rvw_view_chunk_rows(t->view);
    const uint32_t shift = (uint32_t)__builtin_ctz(per); /* a division costs more than the rest */
    uint32_t idx[RV_VECTOR], company[RV_VECTOR], at = 0;
    rvw_batch_t batch;
    while (rvw_rows_next(bitmap, t->n_rows, &at, idx, &batch)) {
        company_rows(companies, &batch, rows, company);
        for (uint32_t i = 0; i < batch.n; i++) {
            uint32_t row = batch.idx ? batch.idx[i] : batch.first + i, c = company[i];
            uint64_t answer = answers ? answers[c >> 6] >> (c & 63) & 1
                                      : c < rows && company_answer(&asked[c >> shift], c & (per - 1));
            bitmap[row >> 6] &= ~((answer ^ flip ^ 1) << (row & 63));
        }
    }
}

/* The same where every company has been asked and the codes of the contacts' column are rows of companies, from its
 * base on. */
static rv_status_t keep_answers(rvw_chunk_t *t, const rvw_column_t *companies, const uint64_t *answers, uint8_t flip,
                                uint64_t *bitmap, rv_error_t *err) {
    uint64_t *kept = rvw_take(t, t->n_words, sizeof *kept, err);
    if (!kept)
        return RVW_NO_SPACE;
    for (uint32_t w = 0; w < t->n_words; w++)
        kept[w] = bitmap[w] & column_word(companies, w * 64, t->n_rows - w * 64);
    rvw_kernel_keep(companies->codes, companies->width, (uint32_t)companies->base, answers, t->n_words, kept);
    for (uint32_t w = 0; w < t->n_words; w++)
        bitmap[w] = flip ? bitmap[w] & ~kept[w] : kept[w];
    return RV_OK;
}

static bool codes_are_companies(const rvw_column_t *c, uint32_t rows) {
    return c->encoding == RVW_FOR && (c->width == 2 || c->width == 4) && c->unit == 1 && c->base >= 0 && c->max < rows;
}

static rv_status_t filter_by_company(rvw_chunk_t *t, uint32_t node, uint32_t leaf, uint8_t flip, uint64_t *bitmap,
                                     bool *ret_done, rv_error_t *err) {
    const rvw_column_t *companies = t->scratch->bind[leaf].column;
    uint32_t rows = rvw_view_company_rows(t->view), per = rvw_view_chunk_rows(t->view);
    bool whole_words = per % 64 == 0 || rows <= per;
    asked_t *asked;
    uint64_t *answers = NULL;
    if (companies->encoding != RVW_FOR && companies->encoding != RVW_CONST && companies->encoding != RVW_NONE)
        return RV_OK;
    RVW_TRY(ask_companies(t, &t->job->nodes[node], leaf, &asked, err));
    if (!asked)
        return RV_OK;
    *ret_done = true;
    if (whole_words && rows / FEW <= rvw_bitmap_count(bitmap, t->n_words))
        RVW_TRY(answer_companies(t, asked, &answers, err));
    if (answers && codes_are_companies(companies, rows))
        return keep_answers(t, companies, answers, flip, bitmap, err);
    gather_answers(t, companies, asked, answers, flip, bitmap);
    return RV_OK;
}

static bool is_constant(const rvw_chunk_t *t, uint32_t node) {
    return t->job->nodes[node].domain == RVW_DOMAIN_CONST || t->scratch->bind[node].from == RVW_FROM_CONSTANT;
}

/* One test, NOTs taken off. */
static rv_status_t filter_test(rvw_chunk_t *t, uint32_t node, uint8_t flip, uint64_t *bitmap, bool *ret_done,
                               rv_error_t *err) {
    const rvw_bind_t *bind = &t->scratch->bind[node];
    test_t test = {.flip = flip};
    if (bind->from == RVW_FROM_TABLE) {
        test.column = bind->column;
        test.table = bind->table;
        test.missing = bind->table[bind->column->dict_n];
    } else if (bind->from == RVW_FROM_ARRAY) { /* a condition computed before: other than 0 */
        if (!array_column(t, node, &test))
            return RV_OK;
        test.negate = 1;
        test.present = NULL;
    } else if (bind->from == RVW_FROM_OP) {
        uint32_t leaf = leaf_of(&t->job->nodes[node]);
        const rvw_bind_t *below = leaf == RVW_NO_NODE ? NULL : &t->scratch->bind[leaf];
        if (below && below->from == RVW_FROM_COMPANY)
            return filter_by_company(t, node, leaf, flip, bitmap, ret_done, err);
        if (!below || (below->from != RVW_FROM_COLUMN && below->from != RVW_FROM_ARRAY))
            return RV_OK;
        if (below->from == RVW_FROM_ARRAY && !array_column(t, leaf, &test))
            return RV_OK;
        const rvw_column_t *column = below->from == RVW_FROM_ARRAY ? &test.array : below->column;
        if (!range_test(&t->job->nodes[node], &t->job->nodes[leaf], column, &test))
            return RV_OK;
    } else {
        return RV_OK;
    }
    rvw_probe_t probe;
    prepare(&test, &probe);
    filter_rows(&test, &probe, t->n_rows, bitmap);
    *ret_done = true;
    return RV_OK;
}

/* OR of tests: each is asked about the rows that none before it took. */
static rv_status_t filter_any(rvw_chunk_t *t, const rvw_node_t *any, uint8_t flip, uint64_t *bitmap, bool *ret_done,
                              rv_error_t *err) {
    uint64_t *left = rvw_take(t, t->n_words, sizeof *left, err), *asked = rvw_take(t, t->n_words, sizeof *left, err);
    if (!left || !asked)
        return RVW_NO_SPACE;
    memcpy(left, bitmap, t->n_words * sizeof *left);
    for (uint32_t k = 0; k < any->n_args; k++) {
        uint8_t turned;
        bool done = false;
        uint32_t node = strip(t, any->args[k], &turned);
        if (is_constant(t, node)) { /* a true one would have decided the whole */
            done = *(const uint8_t *)t->scratch->vec[node].data == turned;
        } else {
            memcpy(asked, left, t->n_words * sizeof *left);
            RVW_TRY(filter_test(t, node, turned, asked, &done, err));
            for (uint32_t w = 0; done && w < t->n_words; w++)
                left[w] &= ~asked[w];
        }
        if (!done)
            return RV_OK;
    }
    for (uint32_t w = 0; w < t->n_words; w++)
        bitmap[w] = flip ? left[w] : bitmap[w] & ~left[w];
    *ret_done = true;
    return RV_OK;
}

rv_status_t rvw_filter_direct(rvw_chunk_t *t, uint32_t root, uint64_t *bitmap, bool *ret_done, rv_error_t *err) {
    uint8_t flip;
    uint32_t node = strip(t, root, &flip);
    *ret_done = false;
    if (is_constant(t, node))
        return RV_OK;
    if (t->scratch->bind[node].from == RVW_FROM_OP && t->job->nodes[node].op == RVW_OP(OR))
        return filter_any(t, &t->job->nodes[node], flip, bitmap, ret_done, err);
    return filter_test(t, node, flip, bitmap, ret_done, err);
}

/* eval_compare.c: comparisons, IN and BUCKET. All are false (BUCKET: missing) where an argument is missing.
 *
 * A comparison with a constant is a range (plan_values.c); two columns of like kind compare as they lie; all else
 * compares as exact numbers.
 */
#include "eval.h"

#include <string.h>

#include "kernels.h"
#include "reveille/hash.h"

static void mask_by(uint8_t *out, const uint8_t *present, uint32_t n) {
    if (present)
        for (uint32_t i = 0; i < n; i++)
            out[i] &= present[i];
}

static void range_ints(const int64_t *x, uint32_t n, int64_t lo, int64_t hi, uint8_t flip, uint8_t *out) {
    for (uint32_t i = 0; i < n; i++)
        out[i] = (uint8_t)((x[i] >= lo) & (x[i] <= hi)) ^ flip;
}

static rv_status_t compare_range(const rvw_operation_t *c) {
    const rvw_range_t *range = &c->node->range;
    const rvw_vec_t *v = range->variable ? c->b : c->a;
    uint8_t *out = c->data, flip = range->negate;
    if (v->kind == RVW_KIND_DOUBLE) {
        const double *x = v->data;
        for (uint32_t i = 0; i < c->n; i++)
            out[i] = (uint8_t)((x[i] >= range->dlo) & (x[i] <= range->dhi)) ^ flip;
    } else if (v->kind == RVW_KIND_WIDE) {
        const rv_i128_t *x = v->data;
        for (uint32_t i = 0; i < c->n; i++)
            out[i] = (uint8_t)((x[i] >= range->lo) & (x[i] <= range->hi)) ^ flip;
    } else if (range->lo > range->hi || range->lo > INT64_MAX || range->hi < INT64_MIN) {
        memset(out, flip, c->n);
    } else {
        range_ints(v->data, c->n, range->lo < INT64_MIN ? INT64_MIN : (int64_t)range->lo,
                   range->hi > INT64_MAX ? INT64_MAX : (int64_t)range->hi, flip, out);
    }
    mask_by(out, v->present, c->n);
    return RV_OK;
}

static uint8_t holds(rvw_op_t op, int order) {
    switch (op) {
    case RVW_OP(EQ):
        return order == 0;
    case RVW_OP(NE):
        return order != 0;
    case RVW_OP(LT):
        return order < 0;
    case RVW_OP(LE):
        return order <= 0;
    case RVW_OP(GT):
        return order > 0;
    default:
        return order >= 0;
    }
}

#define LOOP(type, test)                                                                                               \
    for (uint32_t i = 0; i < c->n; i++) {                                                                              \
        type x = ((const type *)c->a->data)[i], y = ((const type *)c->b->data)[i];                                     \
        out[i] = (uint8_t)(test);                                                                                      \
    }
#define BY_OP(type)                                                                                                    \
    switch (c->node->op) {                                                                                             \
    case RVW_OP(EQ):                                                                                                   \
        LOOP(type, x == y) break;                                                                                      \
    case RVW_OP(NE):                                                                                                   \
        LOOP(type, x != y) break;                                                                                      \
    case RVW_OP(LT):                                                                                                   \
        LOOP(type, x < y) break;                                                                                       \
    case RVW_OP(LE):                                                                                                   \
        LOOP(type, x <= y) break;                                                                                      \
    case RVW_OP(GT):                                                                                                   \
        LOOP(type, x > y) break;                                                                                       \
    default:                                                                                                           \
        LOOP(type, x >= y) break;                                                                                      \
    }

static void compare_strings(const rvw_operation_t *c) {
    const rv_str_t *x = c->a->data, *y = c->b->data;
    uint8_t *out = c->data;
    bool equality = c->node->op == RVW_OP(EQ) || c->node->op == RVW_OP(NE);
    uint8_t flip = c->node->op == RVW_OP(NE);
    for (uint32_t i = 0; i < c->n; i++)
        out[i] = equality ? (uint8_t)rv_str_equal(x[i], y[i]) ^ flip : holds(c->node->op, rv_str_compare(x[i], y[i]));
}

static void compare_numbers(const rvw_operation_t *c, const uint8_t *present) {
    uint8_t *out = c->data;
    for (uint32_t i = 0; i < c->n; i++) {
        out[i] = 0;
        if (present && !present[i])
            continue;
        rvw_number_t x = rvw_vec_number(c->a, c->an, i), y = rvw_vec_number(c->b, c->bn, i);
        out[i] = holds(c->node->op, rvw_number_compare(&x, &y));
    }
}

rv_status_t rvw_eval_compare(const rvw_operation_t *c) {
    if (c->node->range.use)
        return compare_range(c);
    const uint8_t *present = rvw_both_present(c);
    uint8_t *out = c->data;
    unsigned as = c->an->type == RV_DECIMAL ? c->an->scale : 0, bs = c->bn->type == RV_DECIMAL ? c->bn->scale : 0;
    if (c->a->kind == RVW_KIND_STRING)
        compare_strings(c);
    else if (c->a->kind != c->b->kind || (as != bs && c->a->kind != RVW_KIND_DOUBLE))
        compare_numbers(c, present);
    else if (c->a->kind == RVW_KIND_BOOL)
        BY_OP(uint8_t)
    else if (c->a->kind == RVW_KIND_INT)
        BY_OP(int64_t)
    else if (c->a->kind == RVW_KIND_WIDE)
        BY_OP(rv_i128_t)
    else
        BY_OP(double)
    mask_by(out, present, c->n);
    return RV_OK;
}

bool rvw_list_has(const rvw_constants_t *list, rv_str_t s) {
    if (list->slots) {
        size_t at = (size_t)rv_hash(s.p, s.n) & list->slot_mask;
        for (; list->slots[at]; at = (at + 1) & list->slot_mask)
            if (rv_str_equal(list->strings[list->slots[at] - 1], s))
                return true;
        return false;
    }
    for (size_t k = 0; k < list->n; k++)
        if (rv_str_equal(list->strings[k], s))
            return true;
    return false;
}

/* How many of the sorted list are <= x: the array is strictly named by its type. */
#define AT_MOST(name, type, array)                                                                                     \
    static size_t name(const rvw_constants_t *list, type x) {                                                          \
        size_t lo = 0, hi = list->n;                                                                                   \
        while (lo < hi) {                                                                                              \
            size_t mid = lo + (hi - lo) / 2;                                                                           \
            if (list->array[mid] <= x)                                                                                 \
                lo = mid + 1;                                                                                          \
            else                                                                                                       \
                hi = mid;                                                                                              \
        }                                                                                                              \
        return lo;                                                                                                     \
    }
AT_MOST(ints_at_most, int64_t, ints)
AT_MOST(wides_at_most, rv_i128_t, wides)

static size_t numbers_at_most(const rvw_constants_t *list, const rvw_number_t *x) {
    size_t lo = 0, hi = list->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rvw_number_compare(&list->numbers[mid], x) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static size_t strings_at_most(const rvw_constants_t *list, rv_str_t x) {
    size_t k = 0;
    while (k < list->n && rv_str_compare(list->strings[k], x) <= 0)
        k++;
    return k;
}

/* How many constants are <= element i; *ret_equal: the last of them is equal. */
static size_t at_most(const rvw_operation_t *c, uint32_t i, bool *ret_equal) {
    const rvw_constants_t *list = &c->node->list;
    size_t k;
    if (c->a->kind == RVW_KIND_DOUBLE) {
        rvw_number_t x = rvw_vec_number(c->a, c->an, i);
        k = numbers_at_most(list, &x);
        *ret_equal = k && rvw_number_compare(&list->numbers[k - 1], &x) == 0;
    } else if (c->an->kind == RVW_KIND_WIDE) {
        rv_i128_t x = c->a->kind == RVW_KIND_WIDE ? ((const rv_i128_t *)c->a->data)[i]
                                                  : (rv_i128_t)((const int64_t *)c->a->data)[i];
        k = wides_at_most(list, x);
        *ret_equal = k && list->wides[k - 1] == x;
    } else {
        int64_t x = c->a->kind == RVW_KIND_BOOL ? ((const uint8_t *)c->a->data)[i] : ((const int64_t *)c->a->data)[i];
        k = ints_at_most(list, x);
        *ret_equal = k && list->ints[k - 1] == x;
    }
    return k;
}

rv_status_t rvw_eval_in(const rvw_operation_t *c) {
    uint8_t *out = c->data, flip = c->node->ref == 1;
    const rvw_constants_t *list = &c->node->list;
    for (uint32_t i = 0; i < c->n; i++) {
        bool in = false;
        if (!rvw_has(c->a, i)) {
            out[i] = 0;
            continue;
        }
        if (c->a->kind == RVW_KIND_STRING)
            in = rvw_list_has(list, ((const rv_str_t *)c->a->data)[i]);
        else
            at_most(c, i, &in);
        out[i] = (uint8_t)in ^ flip;
    }
    return RV_OK;
}

#define FEW_EDGES 16u

/* Few edges over integers of 64 bits, whatever may become of them: an edge above all of these counts for none. */
static bool bucket_ints(const rvw_operation_t *c) {
    const rvw_constants_t *list = &c->node->list;
    int64_t edges[FEW_EDGES];
    uint32_t n = 0;
    if (c->a->kind != RVW_KIND_INT || (c->an->kind != RVW_KIND_INT && c->an->kind != RVW_KIND_WIDE) ||
        list->n > FEW_EDGES)
        return false;
    for (size_t k = 0; k < list->n; k++) {
        rv_i128_t edge = c->an->kind == RVW_KIND_WIDE ? list->wides[k] : (rv_i128_t)list->ints[k];
        if (edge <= INT64_MAX)
            edges[n++] = edge < INT64_MIN ? INT64_MIN : (int64_t)edge;
    }
    rvw_kernel_buckets(c->a->data, c->n, edges, n, c->data);
    return true;
}

rv_status_t rvw_eval_bucket(const rvw_operation_t *c) {
    int64_t *out = c->data;
    bool equal;
    c->out->present = c->a->present;
    if (bucket_ints(c))
        return RV_OK;
    for (uint32_t i = 0; i < c->n; i++) {
        out[i] = 0;
        if (!rvw_has(c->a, i))
            continue;
        out[i] =
            (int64_t)(c->a->kind == RVW_KIND_STRING ? strings_at_most(&c->node->list, ((const rv_str_t *)c->a->data)[i])
                                                    : at_most(c, i, &equal));
    }
    return RV_OK;
}

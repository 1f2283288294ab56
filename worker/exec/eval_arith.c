/* eval_arith.c: arithmetic. INT, TIME, DATE and DURATION in 64 bits, DECIMAL in 128, both checked; DOUBLE rounded once.
 *
 * A result that is not a number (infinity minus infinity) is missing, so that every value has a place in an order. Only
 * elements that are present can fail. Failure: INVALID_ARGUMENT/OVERFLOW.
 */
#include "eval.h"

#include <math.h>
#include <string.h>

#include "kernels.h"

#define EXACT_DOUBLE ((int64_t)1 << 53) /* integers up to here are exact as doubles */

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static unsigned scale_of(const rvw_node_t *node) {
    return node->type == RV_DECIMAL ? node->scale : 0;
}

/* c / 10^scale rounded once; a quotient of two exact doubles is. */
static double to_double(rv_i128_t c, unsigned scale) {
    if (scale < sizeof POWERS / sizeof *POWERS && c <= EXACT_DOUBLE && c >= -EXACT_DOUBLE)
        return (double)(int64_t)c / POWERS[scale];
    return rv_decimal_to_double(c, scale);
}

/* All elements as doubles. */
static void doubles_of(const rvw_vec_t *v, const rvw_node_t *node, uint32_t n, double *out) {
    unsigned scale = scale_of(node);
    if (v->kind == RVW_KIND_DOUBLE)
        memcpy(out, v->data, n * sizeof *out);
    else if (v->kind == RVW_KIND_WIDE)
        for (uint32_t i = 0; i < n; i++)
            out[i] = rvw_has(v, i) ? to_double(((const rv_i128_t *)v->data)[i], scale) : 0;
    else if (scale)
        for (uint32_t i = 0; i < n; i++)
            out[i] = rvw_has(v, i) ? to_double(((const int64_t *)v->data)[i], scale) : 0;
    else
        for (uint32_t i = 0; i < n; i++)
            out[i] = (double)((const int64_t *)v->data)[i];
}

/* All elements as coefficients at a scale that is not smaller than their own. */
static rv_status_t wides_of(const rvw_operation_t *c, const rvw_vec_t *v, const rvw_node_t *node, unsigned scale,
                            rv_i128_t *out) {
    unsigned own = scale_of(node);
    for (uint32_t i = 0; i < c->n; i++)
        out[i] = v->kind == RVW_KIND_WIDE ? ((const rv_i128_t *)v->data)[i] : (rv_i128_t)((const int64_t *)v->data)[i];
    if (own >= scale)
        return RV_OK;
    rv_i128_t factor = rv_pow10(scale - own);
    for (uint32_t i = 0; i < c->n; i++)
        if (__builtin_mul_overflow(out[i], factor, &out[i]) && rvw_has(v, i))
            return rvw_overflow(c->err, 128);
    return RV_OK;
}

/* Takes out of the result what is not a number. */
static void drop_nan(const rvw_operation_t *c, const uint8_t *present) {
    double *out = c->data;
    unsigned bad = 0;
    for (uint32_t i = 0; i < c->n; i++)
        bad |= out[i] != out[i];
    c->out->present = present;
    if (!bad)
        return;
    for (uint32_t i = 0; i < c->n; i++) {
        c->present[i] = (uint8_t)((!present || present[i]) && out[i] == out[i]);
        out[i] = out[i] == out[i] ? out[i] : 0;
    }
    c->out->present = c->present;
}

static void double_two(const rvw_operation_t *c) {
    double y[RV_VECTOR], *x = c->data;
    const uint8_t *present = rvw_both_present(c);
    doubles_of(c->b, c->bn, c->n, y);
    doubles_of(c->a, c->an, c->n, x);
    switch (c->node->op) {
    case RVW_OP(ADD):
        for (uint32_t i = 0; i < c->n; i++)
            x[i] += y[i];
        break;
    case RVW_OP(SUB):
        for (uint32_t i = 0; i < c->n; i++)
            x[i] -= y[i];
        break;
    default:
        for (uint32_t i = 0; i < c->n; i++)
            x[i] *= y[i];
    }
    drop_nan(c, present);
}

static rv_status_t int_two(const rvw_operation_t *c) {
    const int64_t *x = c->a->data, *y = c->b->data;
    int64_t *out = c->data;
    const uint8_t *present = rvw_both_present(c);
    c->out->present = present;
    if (c->node->op != RVW_OP(MUL))
        return rvw_kernel_add(x, y, present, c->n, c->node->op == RVW_OP(SUB), out) ? rvw_overflow(c->err, 64) : RV_OK;
    for (uint32_t i = 0; i < c->n; i++)
        if (__builtin_mul_overflow(x[i], y[i], &out[i]) && (!present || present[i]))
            return rvw_overflow(c->err, 64);
    return RV_OK;
}

static rv_status_t wide_two(const rvw_operation_t *c) {
    rv_i128_t y[RV_VECTOR], *x = c->data;
    bool mul = c->node->op == RVW_OP(MUL);
    RVW_TRY(wides_of(c, c->b, c->bn, mul ? 0 : c->node->scale, y));
    RVW_TRY(wides_of(c, c->a, c->an, mul ? 0 : c->node->scale, x));
    const uint8_t *present = rvw_both_present(c);
    c->out->present = present;
    for (uint32_t i = 0; i < c->n; i++) {
        bool over = mul                          ? __builtin_mul_overflow(x[i], y[i], &x[i])
                    : c->node->op == RVW_OP(ADD) ? __builtin_add_overflow(x[i], y[i], &x[i])
                                                 : __builtin_sub_overflow(x[i], y[i], &x[i]);
        if (over && (!present || present[i]))
            return rvw_overflow(c->err, 128);
    }
    return RV_OK;
}

/* Exact quotient rounded once; the divisor is not 0. */
static double quotient(rvw_number_t x, rvw_number_t y) {
    bool small = x.c <= EXACT_DOUBLE && x.c >= -EXACT_DOUBLE && y.c <= EXACT_DOUBLE && y.c >= -EXACT_DOUBLE;
    if (small && x.scale == y.scale)
        return (double)(int64_t)x.c / (double)(int64_t)y.c;
    return rv_decimal_divide(x.c, x.scale, y.c, y.scale);
}

static void divide(const rvw_operation_t *c) {
    double *out = c->data;
    bool exact = c->a->kind != RVW_KIND_DOUBLE && c->b->kind != RVW_KIND_DOUBLE;
    double x[RV_VECTOR], y[RV_VECTOR];
    if (!exact) {
        doubles_of(c->a, c->an, c->n, x);
        doubles_of(c->b, c->bn, c->n, y);
    }
    for (uint32_t i = 0; i < c->n; i++) {
        bool has = rvw_has(c->a, i) && rvw_has(c->b, i);
        out[i] = 0;
        if (has && exact) {
            rvw_number_t p = rvw_vec_number(c->a, c->an, i), q = rvw_vec_number(c->b, c->bn, i);
            has = q.c != 0;
            out[i] = has ? quotient(p, q) : 0;
        } else if (has) {
            has = y[i] != 0;
            out[i] = has ? x[i] / y[i] : 0;
        }
        c->present[i] = has;
    }
    drop_nan(c, c->present);
}

static rv_status_t sign_int(const rvw_operation_t *c) {
    const int64_t *x = c->a->data;
    int64_t *out = c->data;
    for (uint32_t i = 0; i < c->n; i++) {
        bool turn = c->node->op == RVW_OP(NEG) || x[i] < 0;
        if (turn && x[i] == INT64_MIN && rvw_has(c->a, i))
            return rvw_overflow(c->err, 64);
        out[i] = turn ? (int64_t)(0 - (uint64_t)x[i]) : x[i];
    }
    return RV_OK;
}

static rv_status_t sign_wide(const rvw_operation_t *c) {
    rv_i128_t *out = c->data;
    RVW_TRY(wides_of(c, c->a, c->an, c->node->scale, out));
    for (uint32_t i = 0; i < c->n; i++) {
        bool turn = c->node->op == RVW_OP(NEG) || out[i] < 0;
        if (turn && __builtin_sub_overflow((rv_i128_t)0, out[i], &out[i]) && rvw_has(c->a, i))
            return rvw_overflow(c->err, 128);
    }
    return RV_OK;
}

static rv_status_t sign(const rvw_operation_t *c) {
    c->out->present = c->a->present;
    if (c->node->kind == RVW_KIND_WIDE)
        return sign_wide(c);
    if (c->node->kind == RVW_KIND_INT)
        return sign_int(c);
    const double *x = c->a->data;
    double *out = c->data;
    for (uint32_t i = 0; i < c->n; i++)
        out[i] = c->node->op == RVW_OP(NEG) ? -x[i] : fabs(x[i]);
    return RV_OK;
}

/* c / 10^scale to an integer: the one below, or the nearest, halves away from zero. */
static rv_i128_t rounded(rv_i128_t c, unsigned scale, bool floor_it) {
    rv_i128_t factor = rv_pow10(scale), q = c / factor, rest = c % factor;
    if (floor_it)
        return q - (rest < 0);
    rv_i128_t half = rest < 0 ? -rest : rest;
    if (half >= factor - half)
        q += rest < 0 ? -1 : 1;
    return scale ? q : c;
}

static rv_status_t to_integer(const rvw_operation_t *c) {
    bool floor_it = c->node->op == RVW_OP(FLOOR);
    int64_t *out = c->data;
    c->out->present = c->a->present;
    for (uint32_t i = 0; i < c->n; i++) {
        out[i] = 0;
        if (!rvw_has(c->a, i))
            continue;
        rvw_number_t x = rvw_vec_number(c->a, c->an, i);
        if (x.is_double) {
            double r = floor_it ? floor(x.d) : round(x.d);
            if (!(r >= -0x1p63 && r < 0x1p63))
                return rvw_overflow(c->err, 64);
            out[i] = (int64_t)r;
            continue;
        }
        rv_i128_t r = rounded(x.c, x.scale, floor_it);
        if (r > INT64_MAX || r < INT64_MIN)
            return rvw_overflow(c->err, 64);
        out[i] = (int64_t)r;
    }
    return RV_OK;
}

static rv_status_t date_to_time(const rvw_operation_t *c) {
    const int64_t *x = c->a->data;
    int64_t *out = c->data;
    c->out->present = c->a->present;
    for (uint32_t i = 0; i < c->n; i++)
        if (__builtin_mul_overflow(x[i], (int64_t)86400000, &out[i]) && rvw_has(c->a, i))
            return rvw_overflow(c->err, 64);
    return RV_OK;
}

rv_status_t rvw_eval_arith(const rvw_operation_t *c) {
    switch (c->node->op) {
    case RVW_OP(NEG):
    case RVW_OP(ABS):
        return sign(c);
    case RVW_OP(ROUND):
    case RVW_OP(FLOOR):
        return to_integer(c);
    case RVW_OP(DIV):
        divide(c);
        return RV_OK;
    case RVW_OP(DATE_TO_TIME):
        return date_to_time(c);
    case RVW_OP(TO_DOUBLE):
        doubles_of(c->a, c->an, c->n, c->data);
        c->out->present = c->a->present;
        return RV_OK;
    case RVW_OP(TO_DECIMAL):
        c->out->present = c->a->present;
        return wides_of(c, c->a, c->an, c->node->scale, c->data);
    default:
        break;
    }
    if (c->node->kind == RVW_KIND_DOUBLE) {
        double_two(c);
        return RV_OK;
    }
    return c->node->kind == RVW_KIND_WIDE ? wide_two(c) : int_two(c);
}

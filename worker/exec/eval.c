/* eval.c: applies operations to vectors: dispatch, logic, and what takes any type.
 *
 * Conditions are bytes 0 or 1 and never missing. When all arguments are constant one element is computed and written
 * out. What can fail fails only for elements that are present. Failure: INVALID_ARGUMENT/OVERFLOW of arithmetic; no
 * memory.
 */
#include "eval.h"

#include <assert.h>
#include <string.h>

const uint8_t *rvw_both_present(const rvw_operation_t *c) {
    const uint8_t *p = c->a->present, *q = c->b->present;
    if (!p || !q)
        return p ? p : q;
    for (uint32_t i = 0; i < c->n; i++)
        c->present[i] = p[i] & q[i];
    return c->present;
}

rvw_number_t rvw_vec_number(const rvw_vec_t *v, const rvw_node_t *node, uint32_t i) {
    unsigned scale = node->type == RV_DECIMAL ? node->scale : 0;
    switch (v->kind) {
    case RVW_KIND_DOUBLE:
        return (rvw_number_t){.is_double = true, .d = ((const double *)v->data)[i]};
    case RVW_KIND_WIDE:
        return (rvw_number_t){.c = ((const rv_i128_t *)v->data)[i], .scale = scale};
    case RVW_KIND_BOOL:
        return (rvw_number_t){.c = ((const uint8_t *)v->data)[i]};
    default:
        return (rvw_number_t){.c = ((const int64_t *)v->data)[i], .scale = scale};
    }
}

rv_status_t rvw_overflow(rv_error_t *err, unsigned bits) {
    return rv_fail(err, RV_REASON_OVERFLOW,
                   "arithmetic of the request leaves %u bits for some contact; use smaller numbers or a double", bits);
}

/* TRUTH: present and true. */
static void truth(const rvw_operation_t *c) {
    const uint8_t *b = c->a->data;
    uint8_t *out = c->data;
    if (c->a->present)
        for (uint32_t i = 0; i < c->n; i++)
            out[i] = b[i] & c->a->present[i];
    else
        c->out->data = b;
}

static void is_set(const rvw_operation_t *c) {
    if (c->a->present)
        c->out->data = c->a->present;
    else
        memset(c->data, 1, c->n);
}

static void logic_not(const rvw_operation_t *c) {
    const uint8_t *b = c->a->data;
    uint8_t *out = c->data;
    for (uint32_t i = 0; i < c->n; i++)
        out[i] = b[i] ^ 1;
}

static void logic_many(const rvw_operation_t *c, bool all) {
    uint8_t *out = c->data;
    memcpy(out, c->a->data, c->n);
    for (uint32_t k = 1; k < c->node->n_args; k++) {
        const uint8_t *b = c->scratch->vec[c->node->args[k]].data;
        if (all)
            for (uint32_t i = 0; i < c->n; i++)
                out[i] &= b[i];
        else
            for (uint32_t i = 0; i < c->n; i++)
                out[i] |= b[i];
    }
}

/* Takes element i of `from` where nothing was taken yet. */
static rv_status_t coalesce_one(const rvw_operation_t *c, const rvw_vec_t *from, const rvw_node_t *node) {
    size_t size = rvw_kind_size(c->node->kind);
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->present[i] || !rvw_has(from, i))
            continue;
        c->present[i] = 1;
        if (c->node->type != RV_DECIMAL) {
            memcpy((char *)c->data + i * size, (const char *)from->data + i * size, size);
            continue;
        }
        rvw_number_t number = rvw_vec_number(from, node, i);
        if (!rv_decimal_rescale(number.c, number.scale, c->node->scale, &((rv_i128_t *)c->data)[i]))
            return rvw_overflow(c->err, 128);
    }
    return RV_OK;
}

static rv_status_t coalesce(const rvw_operation_t *c) {
    memset(c->present, 0, c->n);
    memset(c->data, 0, c->n * rvw_kind_size(c->node->kind));
    c->out->present = c->present;
    for (uint32_t k = 0; k < c->node->n_args; k++) {
        const rvw_vec_t *from = &c->scratch->vec[c->node->args[k]];
        RVW_TRY(coalesce_one(c, from, &c->job->nodes[c->node->args[k]]));
        c->out->fleeting |= from->fleeting;
    }
    return RV_OK;
}

/* WHEN: the value where the condition holds. */
static void when(const rvw_operation_t *c) {
    const uint8_t *holds = c->b->data;
    c->out->kind = c->a->kind;
    c->out->data = c->a->data;
    c->out->fleeting = c->a->fleeting;
    c->out->present = c->present;
    for (uint32_t i = 0; i < c->n; i++)
        c->present[i] = (uint8_t)(holds[i] & (c->a->present ? c->a->present[i] : 1));
}

static void earlier(const rvw_operation_t *c) {
    const int64_t *x = c->a->data, *y = c->b->data;
    c->out->present = rvw_both_present(c);
    for (uint32_t i = 0; i < c->n; i++)
        ((int64_t *)c->data)[i] = x[i] < y[i] ? x[i] : y[i];
}

static rv_status_t dispatch(const rvw_operation_t *c) {
    switch (c->node->op) {
    case RVW_OP(TRUTH):
        truth(c);
        return RV_OK;
    case RVW_OP(NOT):
        logic_not(c);
        return RV_OK;
    case RVW_OP(AND):
    case RVW_OP(OR):
        logic_many(c, c->node->op == RVW_OP(AND));
        return RV_OK;
    case RVW_OP(IS_SET):
        is_set(c);
        return RV_OK;
    case RVW_OP(IN):
        return rvw_eval_in(c);
    case RVW_OP(BUCKET):
        return rvw_eval_bucket(c);
    case RVW_OP(COALESCE):
        return coalesce(c);
    case RVW_OP(WHEN):
        when(c);
        return RV_OK;
    case RVW_OP(EARLIER):
        earlier(c);
        return RV_OK;
    case RVW_OP(ABS):
    case RVW_OP(ROUND):
    case RVW_OP(FLOOR):
        return rvw_eval_arith(c);
    default:
        break;
    }
    if (c->node->op >= RVW_OP(EQ) && c->node->op <= RVW_OP(GE))
        return rvw_eval_compare(c);
    if (c->node->op >= RVW_OP(ADD) && c->node->op <= RVW_OP(TO_DECIMAL))
        return rvw_eval_arith(c);
    if (c->node->op >= RVW_OP(DAY) && c->node->op <= RVW_OP(DAY_OF_MONTH))
        return rvw_eval_calendar(c);
    return rvw_eval_text(c);
}

/* Writes element 0 to all, so that the vector can stand for any number of elements. */
static void spread(rvw_scratch_t *s, uint32_t node) {
    rvw_vec_t *v = &s->vec[node];
    rv_value_t value = {.present = rvw_has(v, 0)};
    switch (v->kind) {
    case RVW_KIND_BOOL:
        value.i = *(const uint8_t *)v->data;
        break;
    case RVW_KIND_INT:
        value.i = *(const int64_t *)v->data;
        break;
    case RVW_KIND_WIDE:
        value.wide = *(const rv_i128_t *)v->data;
        break;
    case RVW_KIND_DOUBLE:
        value.d = *(const double *)v->data;
        break;
    case RVW_KIND_STRING:
        value.s = *(const rv_str_t *)v->data;
        break;
    }
    bool fleeting = v->fleeting;
    rvw_vec_broadcast(s, node, v->kind, &value);
    s->vec[node].fleeting = fleeting;
}

rv_status_t rvw_apply(const rvw_job_t *job, rvw_scratch_t *scratch, uint32_t number, uint32_t n, rv_error_t *err) {
    const rvw_node_t *node = &job->nodes[number];
    rvw_vec_t *out = &scratch->vec[number];
    assert(node->n_args > 0);
    uint32_t a = node->args[0], b = node->args[node->n_args > 1]; /* of one argument: both */
    bool constant = true;
    for (uint32_t k = 0; k < node->n_args && constant; k++)
        constant = scratch->vec[node->args[k]].constant;
    *out = (rvw_vec_t){.kind = node->kind, .data = scratch->data[number]};
    rvw_operation_t c = {.job = job,
                         .node = node,
                         .scratch = scratch,
                         .a = &scratch->vec[a],
                         .b = &scratch->vec[b],
                         .an = &job->nodes[a],
                         .bn = &job->nodes[b],
                         .n = constant && n ? 1 : n,
                         .out = out,
                         .data = scratch->data[number],
                         .present = scratch->present[number],
                         .err = err};
    RVW_TRY(dispatch(&c));
    if (constant && n)
        spread(scratch, number);
    return RV_OK;
}

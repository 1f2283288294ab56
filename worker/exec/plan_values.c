/* plan_values.c: constants of a program: values of CONST nodes, sorted lists of IN and BUCKET, and comparisons with a
 * constant turned into ranges of the variable's own integers, so that the loop over rows compares machine words and is
 * exact all the same.
 *
 * A constant c at the variable's scale lies at or between two neighbouring integers; floor and "is it exact" say
 * everything: x < c is x <= floor(c) - (exact ? 1 : 0), and so on. Failure: no memory.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reveille/hash.h"
#include "reveille/limits.h"
#include "task.h"

#define WIDE_MAX ((rv_i128_t)(((rv_u128_t)1 << 127) - 1))
#define WIDE_MIN (-WIDE_MAX - 1)
#define HASH_FROM 16u /* lists of strings from here on are hashed */

int rvw_number_compare(const rvw_number_t *a, const rvw_number_t *b) {
    if (a->is_double && b->is_double)
        return (a->d > b->d) - (a->d < b->d);
    if (a->is_double)
        return rv_double_compare_decimal(a->d, b->c, b->scale);
    if (b->is_double)
        return -rv_double_compare_decimal(b->d, a->c, a->scale);
    return rv_decimal_compare(a->c, a->scale, b->c, b->scale);
}

bool rvw_number_of(rv_type_t type, unsigned scale, const rv_value_t *value, rvw_number_t *ret) {
    if (!value->present)
        return false;
    if (type == RV_DOUBLE) {
        *ret = (rvw_number_t){.is_double = true, .d = value->d};
        return value->d == value->d;
    }
    bool decimal = type == RV_DECIMAL;
    *ret = (rvw_number_t){.c = decimal ? value->wide : (rv_i128_t)value->i, .scale = decimal ? scale : 0};
    return true;
}

rv_i128_t rvw_number_floor(const rvw_number_t *number, unsigned scale, bool *ret_exact) {
    rv_i128_t lo = WIDE_MIN, hi = WIDE_MAX;
    while (lo < hi) { /* greatest c with c / 10^scale <= number; 128 steps */
        rv_u128_t gap = (rv_u128_t)hi - (rv_u128_t)lo;
        rv_i128_t mid = (rv_i128_t)((rv_u128_t)lo + gap / 2 + gap % 2);
        rvw_number_t at = {.c = mid, .scale = scale};
        if (rvw_number_compare(&at, number) <= 0)
            lo = mid;
        else
            hi = mid - 1;
    }
    rvw_number_t found = {.c = lo, .scale = scale};
    *ret_exact = rvw_number_compare(&found, number) == 0;
    return lo;
}

static bool message_number(const Reveille__V1__Value *value, rvw_number_t *ret) {
    memset(ret, 0, sizeof *ret);
    switch (value->kind_case) {
    case REVEILLE__V1__VALUE__KIND_INT_VALUE:
        ret->c = value->int_value;
        return true;
    case REVEILLE__V1__VALUE__KIND_TIME_MS:
        ret->c = value->time_ms;
        return true;
    case REVEILLE__V1__VALUE__KIND_DURATION_MS:
        ret->c = value->duration_ms;
        return true;
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        ret->c = value->date_days;
        return true;
    case REVEILLE__V1__VALUE__KIND_BOOL_VALUE:
        ret->c = value->bool_value != 0;
        return true;
    case REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE:
        ret->is_double = true;
        ret->d = value->double_value;
        return ret->d == ret->d;
    case REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE:
        return rv_decimal_parse(value->decimal_value, strlen(value->decimal_value), RV_MAX_RESULT_SCALE, &ret->c,
                                &ret->scale);
    default:
        return false;
    }
}

static int compare_numbers(const void *a, const void *b) {
    return rvw_number_compare(a, b);
}
static int compare_ints(const void *a, const void *b) {
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}
static int compare_wides(const void *a, const void *b) {
    const rv_i128_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}
static int compare_strings(const void *a, const void *b) {
    const rv_str_t *x = a, *y = b;
    return rv_str_compare(*x, *y);
}

/* The numbers as integers at the argument's scale: for IN those that are exact, for BUCKET the least ones that reach
 * the edge. */
static void list_integers(const rvw_number_t *numbers, size_t n, bool bucket, unsigned scale, bool wide,
                          rvw_constants_t *list) {
    for (size_t i = 0; i < n; i++) {
        bool exact;
        rv_i128_t c = rvw_number_floor(&numbers[i], scale, &exact);
        if (!exact && (!bucket || c == WIDE_MAX))
            continue;
        bool below = !exact && c == WIDE_MIN;
        if (!exact && !below)
            c++;
        if (!wide && (c > INT64_MAX || (!bucket && c < INT64_MIN)))
            continue;
        if (wide)
            list->wides[list->n++] = c;
        else
            list->ints[list->n++] = c < INT64_MIN ? INT64_MIN : (int64_t)c;
    }
    if (wide)
        qsort(list->wides, list->n, sizeof *list->wides, compare_wides);
    else
        qsort(list->ints, list->n, sizeof *list->ints, compare_ints);
}

static rv_status_t list_strings(rvw_job_t *job, rvw_node_t *node, rv_error_t *err) {
    const Reveille__V1__Node *message = node->message;
    rvw_constants_t *list = &node->list;
    list->strings = rv_arena_alloc(&job->arena, (message->n_list + 1) * sizeof *list->strings);
    if (!list->strings)
        return rv_fail_memory(err, "a list of constants");
    for (size_t i = 0; i < message->n_list; i++) {
        const char *text = message->list[i]->kind_case == REVEILLE__V1__VALUE__KIND_STRING_VALUE
                               ? message->list[i]->string_value
                               : NULL;
        if (text)
            list->strings[list->n++] = (rv_str_t){text, (uint32_t)strlen(text)};
    }
    qsort(list->strings, list->n, sizeof *list->strings, compare_strings);
    if (list->n < HASH_FROM || node->op == RVW_OP(BUCKET))
        return RV_OK;
    size_t slots = 32;
    while (slots < list->n * 2)
        slots *= 2;
    list->slots = rv_arena_zalloc(&job->arena, slots, sizeof *list->slots);
    if (!list->slots)
        return rv_fail_memory(err, "a list of constants");
    list->slot_mask = slots - 1;
    for (size_t i = 0; i < list->n; i++) {
        size_t at = (size_t)rv_hash(list->strings[i].p, list->strings[i].n) & list->slot_mask;
        while (list->slots[at])
            at = (at + 1) & list->slot_mask;
        list->slots[at] = (uint32_t)i + 1;
    }
    return RV_OK;
}

rv_status_t rvw_plan_list(rvw_job_t *job, rvw_node_t *node, rv_error_t *err) {
    const Reveille__V1__Node *message = node->message;
    const rvw_node_t *arg = &job->nodes[node->args[0]];
    rvw_constants_t *list = &node->list;
    if (arg->kind == RVW_KIND_STRING)
        return list_strings(job, node, err);
    rvw_number_t *numbers = rv_arena_alloc(&job->arena, (message->n_list + 1) * sizeof *numbers);
    list->ints = rv_arena_alloc(&job->arena, (message->n_list + 1) * sizeof *list->ints);
    list->wides = rv_arena_alloc(&job->arena, (message->n_list + 1) * sizeof *list->wides);
    if (!numbers || !list->ints || !list->wides)
        return rv_fail_memory(err, "a list of constants");
    size_t n = 0;
    for (size_t i = 0; i < message->n_list; i++)
        if (message_number(message->list[i], &numbers[n]))
            n++;
    if (arg->kind == RVW_KIND_DOUBLE) {
        qsort(numbers, n, sizeof *numbers, compare_numbers);
        list->numbers = numbers;
        list->n = n;
        return RV_OK;
    }
    bool wide = arg->kind == RVW_KIND_WIDE;
    list_integers(numbers, n, node->op == RVW_OP(BUCKET), wide ? arg->scale : 0, wide, list);
    return RV_OK;
}

static rvw_op_t flipped(rvw_op_t op) {
    switch (op) {
    case RVW_OP(LT):
        return RVW_OP(GT);
    case RVW_OP(LE):
        return RVW_OP(GE);
    case RVW_OP(GT):
        return RVW_OP(LT);
    case RVW_OP(GE):
        return RVW_OP(LE);
    default:
        return op;
    }
}

static void integer_range(rvw_op_t op, const rvw_number_t *number, unsigned scale, rvw_range_t *range) {
    bool exact;
    rv_i128_t floor = rvw_number_floor(number, scale, &exact);
    rvw_number_t least = {.c = floor, .scale = scale};
    bool under = !exact && rvw_number_compare(&least, number) > 0; /* the constant is below every integer */
    rv_i128_t lo = WIDE_MIN, hi = WIDE_MAX;
    switch (op) {
    case RVW_OP(LT):
    case RVW_OP(LE):
        hi = floor;
        if (under || (exact && op == RVW_OP(LT) && floor == WIDE_MIN))
            lo = WIDE_MAX, hi = WIDE_MIN;
        else if (exact && op == RVW_OP(LT))
            hi--;
        break;
    case RVW_OP(GT):
    case RVW_OP(GE):
        lo = floor;
        if (!under && !(exact && op == RVW_OP(GE))) {
            if (floor == WIDE_MAX)
                lo = WIDE_MAX, hi = WIDE_MIN;
            else
                lo++;
        }
        break;
    default:
        lo = exact ? floor : WIDE_MAX;
        hi = exact ? floor : WIDE_MIN;
        range->negate = op == RVW_OP(NE);
    }
    range->lo = lo;
    range->hi = hi;
}

static void double_range(rvw_op_t op, const rvw_number_t *number, rvw_range_t *range) {
    double d = number->is_double ? number->d : rv_decimal_to_double(number->c, number->scale);
    int side = number->is_double ? 0 : rv_double_compare_decimal(d, number->c, number->scale);
    double at_most = side > 0 ? nextafter(d, -INFINITY) : d; /* greatest double <= constant */
    double at_least = side < 0 ? nextafter(d, INFINITY) : d;
    range->dlo = -INFINITY;
    range->dhi = INFINITY;
    bool empty = false;
    switch (op) {
    case RVW_OP(LT):
        empty = side == 0 && d == -INFINITY;
        range->dhi = side == 0 ? nextafter(d, -INFINITY) : at_most;
        break;
    case RVW_OP(LE):
        range->dhi = at_most;
        break;
    case RVW_OP(GT):
        empty = side == 0 && d == INFINITY;
        range->dlo = side == 0 ? nextafter(d, INFINITY) : at_least;
        break;
    case RVW_OP(GE):
        range->dlo = at_least;
        break;
    default:
        empty = side != 0;
        range->dlo = range->dhi = d;
        range->negate = op == RVW_OP(NE);
    }
    if (empty) {
        range->dlo = INFINITY;
        range->dhi = -INFINITY;
    }
}

/* A comparison of a number, time or duration with a present constant. */
static void plan_range(rvw_job_t *job, rvw_node_t *node) {
    if (node->op < RVW_OP(EQ) || node->op > RVW_OP(GE))
        return;
    uint8_t variable = job->nodes[node->args[0]].domain == RVW_DOMAIN_CONST ? 1 : 0;
    const rvw_node_t *x = &job->nodes[node->args[variable]], *c = &job->nodes[node->args[1 - variable]];
    rvw_number_t number;
    if (c->domain != RVW_DOMAIN_CONST || x->kind == RVW_KIND_BOOL || x->kind == RVW_KIND_STRING ||
        c->kind == RVW_KIND_BOOL || c->kind == RVW_KIND_STRING || !rvw_number_of(c->type, c->scale, &c->value, &number))
        return;
    rvw_op_t op = variable ? flipped(node->op) : node->op;
    node->range.use = true;
    node->range.variable = variable;
    if (x->kind == RVW_KIND_DOUBLE)
        double_range(op, &number, &node->range);
    else
        integer_range(op, &number, x->type == RV_DECIMAL ? x->scale : 0, &node->range);
}

/* Element 0 of a vector as a value that lives as long as the job. */
static rv_status_t take_value(rvw_job_t *job, rvw_node_t *node, const rvw_vec_t *vec, rv_error_t *err) {
    rv_value_t value = {.present = !vec->present || vec->present[0]};
    if (value.present)
        switch (vec->kind) {
        case RVW_KIND_BOOL:
            value.i = *(const uint8_t *)vec->data;
            break;
        case RVW_KIND_INT:
            value.i = *(const int64_t *)vec->data;
            value.wide = value.i;
            break;
        case RVW_KIND_WIDE:
            value.wide = *(const rv_i128_t *)vec->data;
            break;
        case RVW_KIND_DOUBLE:
            value.d = *(const double *)vec->data;
            break;
        case RVW_KIND_STRING: {
            rv_str_t s = *(const rv_str_t *)vec->data;
            char *copy = rv_arena_strndup(&job->arena, s.p, s.n);
            if (!copy)
                return rv_fail_memory(err, "a constant");
            value.s = (rv_str_t){copy, s.n};
            break;
        }
        }
    node->value = value;
    return RV_OK;
}

static rv_status_t fold_constants(rvw_job_t *job, rvw_scratch_t *scratch, rv_error_t *err) {
    RVW_TRY(rvw_scratch_prepare(scratch, job, err));
    for (uint32_t i = 0; i < job->n_nodes; i++) {
        rvw_node_t *node = &job->nodes[i];
        if (node->domain != RVW_DOMAIN_CONST || node->op == RVW_OP(LITERAL) || node->op == RVW_OP(NOW))
            continue;
        RVW_TRY(rvw_apply(job, scratch, i, 1, err));
        RVW_TRY(take_value(job, node, &scratch->vec[i], err));
        rvw_vec_broadcast(scratch, i, node->kind, &node->value);
    }
    return RV_OK;
}

rv_status_t rvw_plan_constants(rvw_job_t *job, rvw_scratch_t *scratch, rv_error_t *err) {
    bool any = false;
    for (uint32_t i = 0; i < job->n_nodes; i++)
        any |= job->nodes[i].domain == RVW_DOMAIN_CONST && job->nodes[i].op != RVW_OP(LITERAL) &&
               job->nodes[i].op != RVW_OP(NOW);
    if (any)
        RVW_TRY(fold_constants(job, scratch, err));
    for (uint32_t i = 0; i < job->n_nodes; i++)
        if (job->nodes[i].domain != RVW_DOMAIN_CONST)
            plan_range(job, &job->nodes[i]);
    return RV_OK;
}

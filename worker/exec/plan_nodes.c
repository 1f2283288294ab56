/* plan_nodes.c: the nodes of a program with what is known of them before any row is read: kind in memory, domain, how
 * large their integers can be and so whether they can fail. Failure: QUOTA when the plan needs too much memory, REQUEST
 * for a program out of order.
 */
#include "plan.h"

#include <string.h>

#include "reveille/limits.h"

#define SAFE_INT 62u      /* bits of an INT that cannot leave 64 bits */
#define SAFE_DECIMAL 126u /* bits of a DECIMAL that cannot leave 128 */
#define TIME_BITS 48u     /* years up to 9999 */
#define EVENT_TIME_BITS 42u
#define COUNT_BITS 33u

static uint16_t bits_of(rv_i128_t value) {
    rv_u128_t u = value < 0 ? -(rv_u128_t)value : (rv_u128_t)value;
    uint16_t bits = 0;
    while (u) {
        u >>= 1;
        bits++;
    }
    return bits;
}

static unsigned max2(unsigned a, unsigned b) {
    return a > b ? a : b;
}

/* Bits that multiplying by 10^places adds at most. */
static unsigned scale_bits(unsigned places) {
    return (places * 10 + 2) / 3;
}

static unsigned leaf_bits(rv_type_t type) {
    switch (type) {
    case RV_BOOL:
        return 1;
    case RV_TIME:
        return TIME_BITS;
    case RV_DATE:
        return 32;
    case RV_DECIMAL:
        return 127;
    default:
        return 63;
    }
}

/* Bits of argument i at the scale of the node. */
static unsigned arg_bits(const rvw_job_t *job, const rvw_node_t *node, uint32_t i) {
    const rvw_node_t *arg = &job->nodes[node->args[i]];
    unsigned bits = arg->bits;
    if (node->type == RV_DECIMAL && node->scale > arg->scale)
        bits += scale_bits(node->scale - arg->scale);
    return bits;
}

static unsigned rounded_bits(const rvw_node_t *arg) {
    if (arg->type == RV_DOUBLE)
        return 64;
    unsigned less = arg->scale * 33 / 10;
    return arg->bits > less ? arg->bits - less + 1 : 1;
}

static unsigned result_bits(const rvw_job_t *job, const rvw_node_t *node) {
    unsigned bits = 0;
    switch (node->op) {
    case RVW_OP(ATTRIBUTE):
    case RVW_OP(COMPANY_ATTRIBUTE):
    case RVW_OP(PROPERTY):
        return leaf_bits(node->type);
    case RVW_OP(NOW):
        return bits_of(job->program->now_ms);
    case RVW_OP(EVENT_FIELD):
    case RVW_OP(FIRST_TIME):
    case RVW_OP(LAST_TIME):
        return EVENT_TIME_BITS;
    case RVW_OP(ADD):
    case RVW_OP(SUB):
        return max2(arg_bits(job, node, 0), arg_bits(job, node, 1)) + 1;
    case RVW_OP(MUL):
        return (unsigned)job->nodes[node->args[0]].bits + job->nodes[node->args[1]].bits;
    case RVW_OP(NEG):
    case RVW_OP(ABS):
    case RVW_OP(TO_DECIMAL):
    case RVW_OP(WHEN):
    case RVW_OP(FIRST):
    case RVW_OP(LAST):
    case RVW_OP(MIN):
    case RVW_OP(MAX):
        return arg_bits(job, node, 0);
    case RVW_OP(EARLIER):
        return max2(arg_bits(job, node, 0), arg_bits(job, node, 1));
    case RVW_OP(DATE_TO_TIME):
        return arg_bits(job, node, 0) + 27;
    case RVW_OP(ROUND):
    case RVW_OP(FLOOR):
        return rounded_bits(&job->nodes[node->args[0]]);
    case RVW_OP(SUM):
    case RVW_OP(AVG):
        return job->nodes[node->args[0]].bits + COUNT_BITS;
    case RVW_OP(COALESCE):
        for (uint32_t i = 0; i < node->n_args; i++)
            bits = max2(bits, arg_bits(job, node, i));
        return bits;
    default:
        return COUNT_BITS;
    }
}

static bool op_can_fail(const rvw_job_t *job, const rvw_node_t *node, unsigned bits) {
    const rvw_node_t *arg = node->n_args ? &job->nodes[node->args[0]] : NULL;
    switch (node->op) {
    case RVW_OP(AVG):
        return arg && arg->type == RV_DECIMAL && bits > SAFE_DECIMAL;
    case RVW_OP(ADD):
    case RVW_OP(SUB):
    case RVW_OP(MUL):
    case RVW_OP(NEG):
    case RVW_OP(ABS):
    case RVW_OP(ROUND):
    case RVW_OP(FLOOR):
    case RVW_OP(DATE_TO_TIME):
    case RVW_OP(TO_DECIMAL):
    case RVW_OP(COALESCE):
    case RVW_OP(SUM):
        if (node->type == RV_DOUBLE || node->kind == RVW_KIND_STRING || node->kind == RVW_KIND_BOOL)
            return false;
        if (node->op == RVW_OP(COALESCE) && node->type != RV_DECIMAL)
            return false;
        return bits > (node->type == RV_DECIMAL ? SAFE_DECIMAL : SAFE_INT);
    default:
        return false;
    }
}

static void literal_value(const Reveille__V1__Value *value, rvw_node_t *node, rv_value_t *ret) {
    memset(ret, 0, sizeof *ret);
    if (!value)
        return;
    ret->present = true;
    switch (value->kind_case) {
    case REVEILLE__V1__VALUE__KIND_STRING_VALUE:
        ret->s = (rv_str_t){value->string_value, (uint32_t)strlen(value->string_value)};
        break;
    case REVEILLE__V1__VALUE__KIND_INT_VALUE:
    case REVEILLE__V1__VALUE__KIND_TIME_MS:
    case REVEILLE__V1__VALUE__KIND_DURATION_MS:
        ret->i = value->int_value;
        break;
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        ret->i = value->date_days;
        break;
    case REVEILLE__V1__VALUE__KIND_BOOL_VALUE:
        ret->i = value->bool_value != 0;
        break;
    case REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE:
        ret->d = value->double_value;
        ret->present = ret->d == ret->d;
        break;
    case REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE: {
        unsigned scale = 0;
        ret->present = rv_decimal_parse(value->decimal_value, strlen(value->decimal_value), RV_MAX_RESULT_SCALE,
                                        &ret->wide, &scale) &&
                       scale <= node->scale && rv_decimal_rescale(ret->wide, scale, node->scale, &ret->wide);
        break;
    }
    default:
        ret->present = false;
    }
}

static rv_status_t prepare_leaf(rvw_job_t *job, rvw_node_t *node, rv_error_t *err) {
    if (node->op == RVW_OP(NOW))
        node->value = (rv_value_t){.present = true, .i = job->program->now_ms};
    if (node->op != RVW_OP(LITERAL))
        return RV_OK;
    const Reveille__V1__Value *literal = node->message->literal;
    literal_value(literal, node, &node->value);
    if (literal && literal->kind_case == REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE && !node->value.present)
        return rv_fail(err, RV_REASON_REQUEST, "\"%.40s\" is not a decimal of %u places", literal->decimal_value,
                       node->scale);
    node->bits = bits_of(node->kind == RVW_KIND_WIDE ? node->value.wide : (rv_i128_t)node->value.i);
    return RV_OK;
}

static rv_status_t prepare(rvw_job_t *job, uint32_t i, uint8_t domain, rv_error_t *err) {
    rvw_node_t *node = &job->nodes[i];
    const Reveille__V1__Node *message = job->program->nodes[i];
    *node = (rvw_node_t){.op = message->op,
                         .type = message->type,
                         .kind = rvw_kind_of(message->type),
                         .domain = domain,
                         .scale = message->scale,
                         .ref = message->ref,
                         .n_args = (uint32_t)message->n_args,
                         .args = message->args,
                         .message = message,
                         .pass = RVW_NO_NODE};
    for (uint32_t k = 0; k < node->n_args; k++)
        if (node->args[k] >= i)
            return rv_fail(err, RV_REASON_REQUEST, "node %u of the program refers to node %u, which is not before it",
                           i, node->args[k]);
    unsigned bits = result_bits(job, node);
    node->can_fail = op_can_fail(job, node, bits);
    unsigned cap = node->type == RV_DECIMAL ? 127 : 63;
    node->bits = (uint16_t)(bits < cap ? bits : cap);
    if (message->literal && message->literal->kind_case == REVEILLE__V1__VALUE__KIND_STRING_VALUE)
        node->text = (rv_str_t){message->literal->string_value, (uint32_t)strlen(message->literal->string_value)};
    RVW_TRY(prepare_leaf(job, node, err));
    if (node->op == RVW_OP(IN) || node->op == RVW_OP(BUCKET))
        return rvw_plan_list(job, node, err);
    return RV_OK;
}

rv_status_t rvw_plan_nodes(rvw_job_t *job, rv_error_t *err) {
    uint8_t *domains = rv_arena_alloc(&job->arena, job->n_nodes + 1u);
    job->nodes = rv_arena_zalloc(&job->arena, job->n_nodes + 1u, sizeof *job->nodes);
    if (!domains || !job->nodes)
        return rv_fail_memory(err, "the nodes of a query");
    rv_program_domains(job->program, domains);
    for (uint32_t i = 0; i < job->n_nodes; i++)
        RVW_TRY(prepare(job, i, domains[i], err));
    return RV_OK;
}

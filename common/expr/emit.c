/* emit.c: nodes of the program, each made once.
 *
 * Purpose: a node with the same operation, arguments and constants as an earlier one is that one. Structures: an
 * open-addressing table that is never more than half full; beside every node its hash, its domain and, of a literal,
 * the constant. Threads: none. Failure: more than RV_MAX_NODES nodes, or memory.
 */
#include "builder.h"
#include "reveille/hash.h"
#include <string.h>

typedef Reveille__V1__Value value_t;

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ (hash >> 29);
}

static uint64_t bits_of(double d) {
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static uint64_t hash_value(const value_t *value) {
    uint64_t word = 0;
    switch (value->kind_case) {
    case REVEILLE__V1__VALUE__KIND_STRING_VALUE:
        word = rv_hash(value->string_value, strlen(value->string_value));
        break;
    case REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE:
        word = rv_hash(value->decimal_value, strlen(value->decimal_value));
        break;
    case REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE:
        word = bits_of(value->double_value);
        break;
    case REVEILLE__V1__VALUE__KIND_BOOL_VALUE:
        word = (uint64_t)value->bool_value;
        break;
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        word = (uint64_t)value->date_days;
        break;
    default:
        word = (uint64_t)value->int_value; /* the other kinds are 64-bit integers in the same place */
        break;
    }
    return mix((uint64_t)value->kind_case, word);
}

static bool same_value(const value_t *x, const value_t *y) {
    if (x == y || !x || !y || x->kind_case != y->kind_case)
        return x == y;
    switch (x->kind_case) {
    case REVEILLE__V1__VALUE__KIND_STRING_VALUE:
        return strcmp(x->string_value, y->string_value) == 0;
    case REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE:
        return strcmp(x->decimal_value, y->decimal_value) == 0;
    case REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE:
        return bits_of(x->double_value) == bits_of(y->double_value);
    case REVEILLE__V1__VALUE__KIND_BOOL_VALUE:
        return x->bool_value == y->bool_value;
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        return x->date_days == y->date_days;
    default:
        return x->int_value == y->int_value;
    }
}

static bool same_node(const expr_out_t *x, const expr_out_t *y) {
    if (x->op != y->op || x->type != y->type || x->scale != y->scale || x->ref != y->ref || x->n_args != y->n_args ||
        x->n_list != y->n_list || !same_value(x->literal, y->literal))
        return false;
    if (x->n_args && memcmp(x->args, y->args, x->n_args * sizeof *x->args) != 0)
        return false;
    for (size_t i = 0; x->list != y->list && i < x->n_list; i++)
        if (!same_value(x->list[i], y->list[i]))
            return false;
    return true;
}

static uint64_t hash_node(const expr_out_t *node, uint64_t list) {
    uint64_t hash = mix(mix((uint64_t)node->op, (uint64_t)node->type), node->scale);
    hash = mix(mix(hash, node->ref), node->n_args);
    for (size_t i = 0; i < node->n_args; i++)
        hash = mix(hash, node->args[i]);
    return mix(mix(hash, node->literal ? hash_value(node->literal) : 0), list);
}

rv_type_t rv_expr_type(const rv_builder_t *b, uint32_t node) {
    return b->nodes[node]->type;
}

unsigned rv_expr_scale(const rv_builder_t *b, uint32_t node) {
    return b->nodes[node]->scale;
}

bool rv_expr_is_condition(expr_op_t op) {
    return (op >= EXPR_OP(TRUTH) && op <= EXPR_OP(IS_SET)) || (op >= EXPR_OP(EQ) && op <= EXPR_OP(LIKE)) ||
           op == EXPR_OP(EXISTS);
}

uint8_t rv_expr_domain(expr_op_t op, uint8_t widest) {
    switch (op) {
    case EXPR_OP(PROPERTY):
    case EXPR_OP(EVENT_FIELD):
        return DOMAIN_EVENT;
    case EXPR_OP(KEY):
    case EXPR_OP(ATTRIBUTE):
    case EXPR_OP(COMPANY_ATTRIBUTE):
    case EXPR_OP(SPLIT):
        return DOMAIN_ROW;
    default:
        return op >= EXPR_OP(COUNT) ? DOMAIN_ROW : widest;
    }
}

static expr_out_t *copy_node(rv_builder_t *b, const expr_out_t *node) {
    expr_out_t *copy = rv_expr_alloc(b, 1, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *node;
    if (node->n_args) {
        copy->args = rv_expr_alloc(b, node->n_args, sizeof *copy->args);
        if (!copy->args)
            return NULL;
        memcpy(copy->args, node->args, node->n_args * sizeof *copy->args);
    }
    return copy;
}

/* Twice the slots, which stay at least half empty. */
static bool grow_slots(rv_builder_t *b) {
    uint32_t n = b->n_slots ? 2 * b->n_slots : 64;
    uint32_t *slots = rv_expr_alloc(b, n, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = 0; i < b->n_nodes; i++) {
        uint32_t slot = (uint32_t)b->hashes[i] & (n - 1);
        while (slots[slot])
            slot = (slot + 1) & (n - 1);
        slots[slot] = i + 1;
    }
    b->slots = slots;
    b->n_slots = n;
    return true;
}

/* Room for a node more; false after a failure. */
static bool make_room(rv_builder_t *b) {
    if (b->n_nodes == RV_MAX_NODES)
        return true; /* which is refused when it is new */
    expr_out_t **nodes = rv_expr_grow(b, b->nodes, b->n_nodes, sizeof *nodes);
    const expr_constant_t **constants = rv_expr_grow(b, b->constants, b->n_nodes, sizeof *constants);
    uint64_t *hashes = rv_expr_grow(b, b->hashes, b->n_nodes, sizeof *hashes);
    uint8_t *domains = rv_expr_grow(b, b->domains, b->n_nodes, sizeof *domains);
    if (!nodes || !constants || !hashes || !domains)
        return false;
    b->nodes = nodes;
    b->constants = constants;
    b->hashes = hashes;
    b->domains = domains;
    return 2 * b->n_nodes < b->n_slots || grow_slots(b);
}

static uint32_t emit_hashed(rv_builder_t *b, const expr_out_t *node, uint64_t list, expr_place_t place) {
    if (!make_room(b))
        return EXPR_NONE;
    uint64_t hash = hash_node(node, list);
    uint32_t slot = (uint32_t)hash & (b->n_slots - 1);
    for (; b->slots[slot]; slot = (slot + 1) & (b->n_slots - 1)) {
        uint32_t found = b->slots[slot] - 1;
        if (b->hashes[found] == hash && same_node(b->nodes[found], node))
            return found;
    }
    if (b->n_nodes == RV_MAX_NODES)
        return EXPR_FAIL(b, place, "the expressions of the request have more than %u different nodes in all",
                         RV_MAX_NODES);
    expr_out_t *copy = copy_node(b, node);
    if (!copy)
        return EXPR_NONE;
    uint8_t widest = DOMAIN_CONST;
    for (size_t i = 0; i < node->n_args; i++)
        widest = b->domains[node->args[i]] > widest ? b->domains[node->args[i]] : widest;
    uint32_t number = b->n_nodes++;
    b->nodes[number] = copy;
    b->hashes[number] = hash;
    b->domains[number] = rv_expr_domain(node->op, widest);
    b->slots[slot] = number + 1;
    return number;
}

uint32_t rv_expr_emit(rv_builder_t *b, const expr_out_t *node, expr_place_t place) {
    for (size_t i = 0; i < node->n_args; i++)
        if (node->args[i] == EXPR_NONE)
            return EXPR_NONE;
    return b->report.status == RV_OK ? emit_hashed(b, node, 0, place) : EXPR_NONE;
}

uint32_t rv_expr_emit_list(rv_builder_t *b, expr_out_t *node, const expr_values_t *values, expr_place_t place) {
    uint32_t before = b->n_nodes;
    node->list = values->values;
    node->n_list = values->n;
    uint32_t number = b->report.status == RV_OK ? emit_hashed(b, node, mix(values->hash, values->n), place) : EXPR_NONE;
    if (number != before || number == EXPR_NONE)
        return number; /* it was there */
    b->n_elements += values->n;
    if (b->n_elements > EXPR_ELEMENTS)
        return EXPR_FAIL(b, place, "the lists of the request have more than %u elements in all", EXPR_ELEMENTS);
    return number;
}

uint32_t rv_expr_op(rv_builder_t *b, expr_op_t op, rv_type_t type, unsigned scale, uint32_t x, uint32_t y,
                    expr_place_t place) {
    uint32_t args[2] = {x, y};
    expr_out_t node = REVEILLE__V1__NODE__INIT;
    node.op = op;
    node.type = type;
    node.scale = scale;
    node.args = args;
    node.n_args = x == EXPR_NONE ? 0 : y == EXPR_NONE ? 1 : 2;
    return rv_expr_emit(b, &node, place);
}

/* The constant as a value; false after a failure. */
static bool make_value(rv_builder_t *b, const expr_constant_t *constant, value_t *ret) {
    const rv_value_t *v = &constant->value;
    char text[48];
    value_t value = REVEILLE__V1__VALUE__INIT;
    switch (constant->type) {
    case RV_STRING:
        value.kind_case = REVEILLE__V1__VALUE__KIND_STRING_VALUE;
        value.string_value = rv_expr_copy(b, v->s.p, v->s.n);
        if (!value.string_value)
            return false;
        break;
    case RV_DECIMAL:
        value.kind_case = REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE;
        value.decimal_value = rv_expr_copy(b, text, rv_decimal_format(v->wide, constant->scale, text));
        if (!value.decimal_value)
            return false;
        break;
    case RV_DOUBLE:
        value.kind_case = REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE;
        value.double_value = v->d;
        break;
    case RV_BOOL:
        value.kind_case = REVEILLE__V1__VALUE__KIND_BOOL_VALUE;
        value.bool_value = v->i != 0;
        break;
    case RV_DATE:
        value.kind_case = REVEILLE__V1__VALUE__KIND_DATE_DAYS;
        value.date_days = (int32_t)v->i;
        break;
    default:
        value.kind_case = constant->type == RV_TIME       ? REVEILLE__V1__VALUE__KIND_TIME_MS
                          : constant->type == RV_DURATION ? REVEILLE__V1__VALUE__KIND_DURATION_MS
                                                          : REVEILLE__V1__VALUE__KIND_INT_VALUE;
        value.int_value = v->i;
        break;
    }
    *ret = value;
    return true;
}

uint32_t rv_expr_constant(rv_builder_t *b, const expr_constant_t *constant, expr_place_t place) {
    if (constant->calendar)
        return rv_expr_refuse_later(b, place, "a duration in months, quarters or years");
    value_t *value = rv_expr_alloc(b, 1, sizeof *value);
    if (!value || !make_value(b, constant, value))
        return EXPR_NONE;
    expr_out_t node = REVEILLE__V1__NODE__INIT;
    node.op = EXPR_OP(LITERAL);
    node.type = constant->type;
    node.scale = constant->type == RV_DECIMAL ? constant->scale : 0;
    node.literal = value;
    uint32_t number = rv_expr_emit(b, &node, place);
    if (number == EXPR_NONE || b->constants[number])
        return number;
    expr_constant_t *copy = rv_expr_alloc(b, 1, sizeof *copy);
    if (!copy)
        return EXPR_NONE;
    *copy = *constant;
    if (constant->type == RV_STRING)
        copy->value.s.p = value->string_value;
    b->constants[number] = copy;
    return number;
}

uint32_t rv_expr_integer(rv_builder_t *b, rv_type_t type, int64_t value, expr_place_t place) {
    expr_constant_t constant = {.type = type, .value = {.present = true, .i = value}};
    return rv_expr_constant(b, &constant, place);
}

bool rv_expr_values(rv_builder_t *b, const expr_constant_t *constants, size_t n, bool times, expr_values_t *ret) {
    value_t **pointers = rv_expr_alloc(b, n, sizeof *pointers);
    value_t *values = rv_expr_alloc(b, n, sizeof *values);
    uint64_t hash = 0;
    if (!pointers || !values)
        return false;
    for (size_t i = 0; i < n; i++) {
        expr_constant_t constant = constants[i];
        if (times && constant.type == RV_DATE) {
            constant.type = RV_TIME;
            constant.value.i *= 86400000;
        }
        if (!make_value(b, &constant, &values[i]))
            return false;
        pointers[i] = &values[i];
        hash = mix(hash, hash_value(&values[i]));
    }
    *ret = (expr_values_t){.values = pointers, .n = n, .hash = hash};
    return true;
}

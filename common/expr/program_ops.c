/* program_ops.c: what each operation of a program needs of its arguments, type, number and constants.
 *
 * Purpose: a table of the number of arguments, and one function for each group of operations. Threads: none.
 * Failure: a text in words; see program_check.h.
 */
#include "program_check.h"

#define ANY_ARGS RV_MAX_NODES

static const struct {
    expr_op_t op;
    uint32_t least, most;
} ARITY[] = {
    {EXPR_OP(LITERAL), 0, 0},
    {EXPR_OP(NOW), 0, 0},
    {EXPR_OP(KEY), 0, 0},
    {EXPR_OP(ATTRIBUTE), 0, 0},
    {EXPR_OP(COMPANY_ATTRIBUTE), 0, 0},
    {EXPR_OP(PROPERTY), 0, 0},
    {EXPR_OP(EVENT_FIELD), 0, 0},
    {EXPR_OP(TRUTH), 1, 1},
    {EXPR_OP(NOT), 1, 1},
    {EXPR_OP(AND), 2, ANY_ARGS},
    {EXPR_OP(OR), 2, ANY_ARGS},
    {EXPR_OP(IS_SET), 1, 1},
    {EXPR_OP(EQ), 2, 2},
    {EXPR_OP(NE), 2, 2},
    {EXPR_OP(LT), 2, 2},
    {EXPR_OP(LE), 2, 2},
    {EXPR_OP(GT), 2, 2},
    {EXPR_OP(GE), 2, 2},
    {EXPR_OP(IN), 1, 1},
    {EXPR_OP(CONTAINS), 1, 1},
    {EXPR_OP(STARTS_WITH), 1, 1},
    {EXPR_OP(ENDS_WITH), 1, 1},
    {EXPR_OP(LIKE), 1, 1},
    {EXPR_OP(ADD), 2, 2},
    {EXPR_OP(SUB), 2, 2},
    {EXPR_OP(MUL), 2, 2},
    {EXPR_OP(DIV), 2, 2},
    {EXPR_OP(NEG), 1, 1},
    {EXPR_OP(DATE_TO_TIME), 1, 1},
    {EXPR_OP(TO_DOUBLE), 1, 1},
    {EXPR_OP(TO_DECIMAL), 1, 1},
    {EXPR_OP(EARLIER), 2, 2},
    {EXPR_OP(WHEN), 2, 2},
    {EXPR_OP(LOWER), 1, 1},
    {EXPR_OP(UPPER), 1, 1},
    {EXPR_OP(LENGTH), 1, 1},
    {EXPR_OP(ABS), 1, 1},
    {EXPR_OP(ROUND), 1, 1},
    {EXPR_OP(FLOOR), 1, 1},
    {EXPR_OP(COALESCE), 1, ANY_ARGS},
    {EXPR_OP(BUCKET), 1, 1},
    {EXPR_OP(DAY), 1, 1},
    {EXPR_OP(WEEK), 1, 1},
    {EXPR_OP(HOUR), 1, 1},
    {EXPR_OP(WEEKDAY), 1, 1},
    {EXPR_OP(DAY_OF_MONTH), 1, 1},
    {EXPR_OP(SPLIT), 0, 0},
    {EXPR_OP(COUNT), 0, 0},
    {EXPR_OP(EXISTS), 0, 0},
    {EXPR_OP(FIRST_TIME), 0, 0},
    {EXPR_OP(LAST_TIME), 0, 0},
    {EXPR_OP(FIRST), 1, 1},
    {EXPR_OP(LAST), 1, 1},
    {EXPR_OP(SUM), 1, 1},
    {EXPR_OP(MIN), 1, 1},
    {EXPR_OP(MAX), 1, 1},
    {EXPR_OP(AVG), 1, 1},
    {EXPR_OP(DISTINCT), 1, 1},
    {EXPR_OP(FUNNEL), 0, 0},
    {EXPR_OP(SCORE), 1, 2},
};

static const char WRONG_TYPE[] = "has a type that its operation does not give";
static const char WRONG_ARGUMENT[] = "has an argument of a type that its operation does not take";
static const char WRONG_CONSTANT[] = "has a constant that its operation does not take";

/* Type of argument k of a node. */
static rv_type_t type_of(const expr_check_t *c, const expr_out_t *node, size_t k) {
    return c->program->nodes[node->args[k]]->type;
}

static unsigned scale_of(const expr_check_t *c, const expr_out_t *node, size_t k) {
    return c->program->nodes[node->args[k]]->scale;
}

static bool gives(const expr_out_t *node, rv_type_t type, unsigned scale) {
    return node->type == type && node->scale == scale;
}

static bool is_ordered(rv_type_t type) {
    return rv_expr_is_number(type) || type == RV_STRING || type == RV_TIME || type == RV_DATE || type == RV_DURATION;
}

static const char *check_literal(const expr_out_t *node) {
    const Reveille__V1__Value *value = node->literal;
    unsigned scale = 0;
    if (!is_ordered(node->type) && node->type != RV_BOOL)
        return WRONG_TYPE;
    if (!value || value->kind_case == REVEILLE__V1__VALUE__KIND__NOT_SET)
        return node->scale <= (node->type == RV_DECIMAL ? RV_MAX_RESULT_SCALE : 0) ? NULL : WRONG_TYPE;
    return rv_expr_value_is(value, node->type, &scale) && node->scale == scale ? NULL : WRONG_CONSTANT;
}

static const char *check_field(const expr_out_t *node) {
    if (node->ref < (uint32_t)REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_TYPE ||
        node->ref > (uint32_t)REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_ID)
        return "names no field of events";
    bool at = node->ref == (uint32_t)REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_AT;
    return gives(node, at ? RV_TIME : RV_STRING, 0) ? NULL : WRONG_TYPE;
}

static const char *check_leaf(const expr_check_t *c, const expr_out_t *node) {
    const rv_attribute_t *attribute = NULL;
    switch (node->op) {
    case EXPR_OP(LITERAL):
        return check_literal(node);
    case EXPR_OP(NOW):
        return gives(node, RV_TIME, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(KEY):
        return gives(node, RV_STRING, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(EVENT_FIELD):
        return check_field(node);
    case EXPR_OP(ATTRIBUTE):
        attribute = rv_catalog_attribute_by_id(c->catalog, node->ref);
        break;
    case EXPR_OP(COMPANY_ATTRIBUTE):
        attribute = rv_catalog_company_attribute_by_id(c->catalog, node->ref);
        break;
    default:
        attribute = rv_catalog_property_by_id(c->catalog, node->ref);
        break;
    }
    if (!attribute)
        return "names no attribute or property of the schema";
    rv_type_t type = attribute->type == RV_COMPANY ? RV_STRING : attribute->type;
    return gives(node, type, type == RV_DECIMAL ? attribute->scale : 0) ? NULL : WRONG_TYPE;
}

static const char *check_logic(const expr_check_t *c, const expr_out_t *node) {
    if (!gives(node, RV_BOOL, 0))
        return WRONG_TYPE;
    if (node->op == EXPR_OP(IS_SET))
        return NULL;
    if (node->op == EXPR_OP(TRUTH))
        return type_of(c, node, 0) == RV_BOOL ? NULL : WRONG_ARGUMENT;
    for (size_t k = 0; k < node->n_args; k++)
        if (!rv_expr_is_condition(c->program->nodes[node->args[k]]->op))
            return "has an argument that is no condition";
    return NULL;
}

static bool same_kind(rv_type_t x, rv_type_t y) {
    return x == y || (rv_expr_is_number(x) && rv_expr_is_number(y));
}

static const char *check_comparison(const expr_check_t *c, const expr_out_t *node) {
    rv_type_t x = type_of(c, node, 0), y = type_of(c, node, 1);
    bool equality = node->op == EXPR_OP(EQ) || node->op == EXPR_OP(NE);
    if (!gives(node, RV_BOOL, 0))
        return WRONG_TYPE;
    if (!same_kind(x, y) || (!is_ordered(x) && !(equality && x == RV_BOOL)))
        return WRONG_ARGUMENT;
    return NULL;
}

/* IN and BUCKET: constants of the kind of the argument. */
static const char *check_list(const expr_check_t *c, const expr_out_t *node) {
    rv_type_t type = type_of(c, node, 0);
    bool in = node->op == EXPR_OP(IN);
    unsigned scale;
    if (!gives(node, in ? RV_BOOL : RV_INT, 0))
        return WRONG_TYPE;
    if (!is_ordered(type) && !(in && type == RV_BOOL))
        return WRONG_ARGUMENT;
    if (in && node->ref > 1)
        return "has a number that its operation does not know";
    for (size_t i = 0; i < node->n_list; i++) {
        const Reveille__V1__Value *value = node->list[i];
        bool number = rv_expr_value_is(value, RV_INT, &scale) || rv_expr_value_is(value, RV_DECIMAL, &scale) ||
                      rv_expr_value_is(value, RV_DOUBLE, &scale);
        if (rv_expr_is_number(type) ? !number : !rv_expr_value_is(value, type, &scale))
            return WRONG_CONSTANT;
    }
    return in || rv_expr_rises(node->list, node->n_list) ? NULL : "has edges that do not rise";
}

static const char *check_text_test(const expr_check_t *c, const expr_out_t *node) {
    unsigned scale;
    if (!gives(node, RV_BOOL, 0) || node->ref > 1)
        return WRONG_TYPE;
    if (type_of(c, node, 0) != RV_STRING)
        return WRONG_ARGUMENT;
    return node->literal && rv_expr_value_is(node->literal, RV_STRING, &scale) ? NULL : WRONG_CONSTANT;
}

static const char *check_arithmetic(const expr_check_t *c, const expr_out_t *node) {
    rv_type_t x = type_of(c, node, 0), type;
    unsigned scale, xs = scale_of(c, node, 0);
    switch (node->op) {
    case EXPR_OP(NEG):
        if (!rv_expr_is_number(x) && x != RV_DURATION)
            return WRONG_ARGUMENT;
        return gives(node, x, xs) ? NULL : WRONG_TYPE;
    case EXPR_OP(DATE_TO_TIME):
        return x == RV_DATE && gives(node, RV_TIME, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(TO_DOUBLE):
        return rv_expr_is_number(x) && gives(node, RV_DOUBLE, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(TO_DECIMAL):
        if (x != RV_INT && x != RV_DECIMAL)
            return WRONG_ARGUMENT;
        return node->type == RV_DECIMAL && node->scale >= xs && node->scale <= RV_MAX_RESULT_SCALE ? NULL : WRONG_TYPE;
    case EXPR_OP(EARLIER):
        return x == RV_TIME && type_of(c, node, 1) == RV_TIME && gives(node, RV_TIME, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(WHEN):
        if (!rv_expr_is_condition(c->program->nodes[node->args[1]]->op) || x == RV_SET)
            return WRONG_ARGUMENT;
        return gives(node, x, xs) ? NULL : WRONG_TYPE;
    default:
        if (!rv_expr_arithmetic_type(node->op, x, xs, type_of(c, node, 1), scale_of(c, node, 1), &type, &scale))
            return WRONG_ARGUMENT;
        return gives(node, type, scale) ? NULL : WRONG_TYPE;
    }
}

static const char *check_number_function(const expr_out_t *node, rv_type_t x, unsigned xs) {
    bool same = node->op == EXPR_OP(ABS);
    if (same ? !rv_expr_is_number(x) && x != RV_DURATION : x != RV_DECIMAL && x != RV_DOUBLE)
        return WRONG_ARGUMENT;
    return (same ? gives(node, x, xs) : gives(node, RV_INT, 0)) ? NULL : WRONG_TYPE;
}

static const char *check_split(const expr_out_t *node) {
    unsigned scale;
    if (!gives(node, RV_INT, 0) || node->ref == 0)
        return WRONG_TYPE;
    return node->literal && rv_expr_value_is(node->literal, RV_STRING, &scale) ? NULL : WRONG_CONSTANT;
}

static const char *check_scalar(const expr_check_t *c, const expr_out_t *node) {
    rv_type_t x = node->n_args ? type_of(c, node, 0) : RV_STRING;
    unsigned xs = node->n_args ? scale_of(c, node, 0) : 0;
    switch (node->op) {
    case EXPR_OP(SPLIT):
        return check_split(node);
    case EXPR_OP(LOWER):
    case EXPR_OP(UPPER):
        return x == RV_STRING && gives(node, RV_STRING, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(LENGTH):
        return x == RV_STRING && gives(node, RV_INT, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(ABS):
    case EXPR_OP(ROUND):
    case EXPR_OP(FLOOR):
        return check_number_function(node, x, xs);
    case EXPR_OP(COALESCE):
        for (size_t k = 0; k < node->n_args; k++)
            if (type_of(c, node, k) != x || scale_of(c, node, k) != xs || x == RV_SET)
                return WRONG_ARGUMENT;
        return gives(node, x, xs) ? NULL : WRONG_TYPE;
    case EXPR_OP(DAY):
    case EXPR_OP(WEEK):
        return x == RV_TIME && gives(node, RV_DATE, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(DAY_OF_MONTH):
        return (x == RV_TIME || x == RV_DATE) && gives(node, RV_INT, 0) ? NULL : WRONG_TYPE;
    default: /* HOUR, WEEKDAY */
        return x == RV_TIME && gives(node, RV_INT, 0) ? NULL : WRONG_TYPE;
    }
}

static const char *check_score(const expr_check_t *c, const expr_out_t *node) {
    for (size_t k = 0; k < node->n_args; k++)
        if (type_of(c, node, k) != RV_TIME || c->domains[node->args[k]] == DOMAIN_EVENT)
            return WRONG_ARGUMENT;
    return gives(node, RV_DOUBLE, 0) ? NULL : WRONG_TYPE;
}

/* Over a value of the events. */
static const char *check_gathered(const expr_check_t *c, const expr_out_t *node) {
    rv_type_t x = type_of(c, node, 0);
    bool total = node->op == EXPR_OP(SUM) || node->op == EXPR_OP(AVG);
    bool extreme = node->op == EXPR_OP(MIN) || node->op == EXPR_OP(MAX);
    if (c->domains[node->args[0]] != DOMAIN_EVENT)
        return "has an argument that is no value of events";
    if ((total && !rv_expr_is_number(x)) || (extreme && !is_ordered(x)) ||
        (node->op == EXPR_OP(DISTINCT) && x == RV_SET))
        return WRONG_ARGUMENT;
    if (node->op == EXPR_OP(DISTINCT))
        return gives(node, RV_INT, 0) ? NULL : WRONG_TYPE;
    if (node->op == EXPR_OP(AVG))
        return gives(node, RV_DOUBLE, 0) ? NULL : WRONG_TYPE;
    if (node->op == EXPR_OP(SUM) && x == RV_INT)
        return gives(node, RV_DECIMAL, 0) ? NULL : WRONG_TYPE;
    return gives(node, x, scale_of(c, node, 0)) ? NULL : WRONG_TYPE;
}

static const char *check_history(const expr_check_t *c, const expr_out_t *node, size_t number) {
    const char *why = rv_expr_check_reference(c, number);
    if (why)
        return why;
    switch (node->op) {
    case EXPR_OP(COUNT):
    case EXPR_OP(FUNNEL):
        return gives(node, RV_INT, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(EXISTS):
        return gives(node, RV_BOOL, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(FIRST_TIME):
    case EXPR_OP(LAST_TIME):
        return gives(node, RV_TIME, 0) ? NULL : WRONG_TYPE;
    case EXPR_OP(SCORE):
        return check_score(c, node);
    default:
        return check_gathered(c, node);
    }
}

const char *rv_expr_check_node(const expr_check_t *c, size_t number) {
    const expr_out_t *node = c->program->nodes[number];
    size_t i = 0;
    while (i < sizeof ARITY / sizeof ARITY[0] && ARITY[i].op != node->op)
        i++;
    if (i == sizeof ARITY / sizeof ARITY[0])
        return "has an operation that is not known";
    if (node->n_args < ARITY[i].least || node->n_args > ARITY[i].most)
        return "has too few or too many arguments";
    if (node->n_list > 0 && node->op != EXPR_OP(IN) && node->op != EXPR_OP(BUCKET))
        return "has a list that its operation does not take";
    if (node->op <= EXPR_OP(EVENT_FIELD))
        return check_leaf(c, node);
    if (node->op <= EXPR_OP(IS_SET))
        return check_logic(c, node);
    if (node->op <= EXPR_OP(GE))
        return check_comparison(c, node);
    if (node->op == EXPR_OP(IN) || node->op == EXPR_OP(BUCKET))
        return check_list(c, node);
    if (node->op <= EXPR_OP(LIKE))
        return check_text_test(c, node);
    if (node->op <= EXPR_OP(WHEN))
        return check_arithmetic(c, node);
    return node->op < EXPR_OP(COUNT) ? check_scalar(c, node) : check_history(c, node, number);
}

/* params.c: the values bound to $names: checked once, when the builder is made.
 *
 * Purpose: what a request binds is as untrusted as its texts, so every value is checked here and becomes constants like
 * those of a text. Threads: none. Failure: INVALID_ARGUMENT/FIELD naming the parameter; an unknown name in a text is an
 * error of that text.
 */
#include "builder.h"
#include <math.h>
#include <string.h>

typedef Reveille__V1__Parameter message_t;

/* NULL, or what is wrong with the value. */
static const char *read_value(rv_builder_t *b, const Reveille__V1__Value *value, expr_constant_t *ret) {
    expr_constant_t c = {.value = {.present = true}};
    switch (value->kind_case) {
    case REVEILLE__V1__VALUE__KIND_STRING_VALUE: {
        size_t n = strlen(value->string_value);
        if (n > RV_MAX_VALUE || !rv_utf8_valid(value->string_value, n))
            return "is too long or not valid UTF-8";
        c.type = RV_STRING;
        c.value.s = (rv_str_t){rv_expr_copy(b, value->string_value, n), (uint32_t)n};
        if (!c.value.s.p)
            return "does not fit in memory";
        break;
    }
    case REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE:
        c.type = RV_DECIMAL;
        if (!rv_decimal_parse(value->decimal_value, strlen(value->decimal_value), RV_MAX_RESULT_SCALE, &c.value.wide,
                              &c.scale))
            return "is no decimal number of at most 38 digits, 36 of them behind the point";
        break;
    case REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE:
        c.type = RV_DOUBLE;
        if (!isfinite(value->double_value))
            return "is not finite";
        c.value.d = value->double_value == 0 ? 0 : value->double_value;
        break;
    case REVEILLE__V1__VALUE__KIND_INT_VALUE:
        c.type = RV_INT;
        c.value.i = value->int_value;
        break;
    case REVEILLE__V1__VALUE__KIND_BOOL_VALUE:
        c.type = RV_BOOL;
        c.value.i = value->bool_value != 0;
        break;
    case REVEILLE__V1__VALUE__KIND_TIME_MS:
        c.type = RV_TIME;
        c.value.i = value->time_ms;
        break;
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        c.type = RV_DATE;
        c.value.i = value->date_days;
        break;
    case REVEILLE__V1__VALUE__KIND_DURATION_MS:
        c.type = RV_DURATION;
        c.value.i = value->duration_ms;
        break;
    default:
        return "has no value";
    }
    *ret = c;
    return NULL;
}

static rv_status_t bind_one(rv_builder_t *b, const message_t *message, rv_error_t *err) {
    size_t name_n = strlen(message->name);
    if (name_n == 0 || name_n > RV_MAX_NAME || !rv_utf8_valid(message->name, name_n))
        return rv_fail(err, RV_REASON_FIELD, "a parameter has a name of 1 to %u bytes of UTF-8", RV_MAX_NAME);
    if (message->is_list ? message->n_values > RV_MAX_LIST : message->n_values != 1)
        return rv_fail(err, RV_REASON_FIELD, "parameter '%s' has %zu values: %s", message->name, message->n_values,
                       message->is_list ? "a list has at most 65,536" : "one that is no list has one");
    expr_parameter_t *parameter = &b->parameters[b->n_parameters];
    for (size_t i = 0; i < b->n_parameters; i++)
        if (b->parameters[i].name.n == name_n && memcmp(b->parameters[i].name.p, message->name, name_n) == 0)
            return rv_fail(err, RV_REASON_FIELD, "parameter '%s' is given twice", message->name);
    char *name = rv_expr_copy(b, message->name, name_n);
    expr_constant_t *constants = rv_expr_alloc(b, message->n_values, sizeof *constants);
    if (!name || !constants)
        return rv_fail_memory(err, "the parameters of a request");
    for (size_t i = 0; i < message->n_values; i++) {
        const char *wrong = read_value(b, message->values[i], &constants[i]);
        if (wrong)
            return rv_fail(err, RV_REASON_FIELD, "parameter '%s' %s", message->name, wrong);
    }
    *parameter = (expr_parameter_t){
        .name = {name, (uint32_t)name_n}, .is_list = message->is_list, .n = message->n_values, .constants = constants};
    b->n_parameters++;
    return RV_OK;
}

rv_status_t rv_expr_bind(rv_builder_t *b, const Reveille__V1__ReadOptions *options, rv_error_t *err) {
    if (options->n_parameters > RV_MAX_FIELDS)
        return rv_fail(err, RV_REASON_FIELD, "%zu parameters: at most %u", options->n_parameters, RV_MAX_FIELDS);
    b->parameters = rv_expr_alloc(b, options->n_parameters, sizeof *b->parameters);
    if (!b->parameters)
        return rv_fail_memory(err, "the parameters of a request");
    for (size_t i = 0; i < options->n_parameters; i++) {
        rv_status_t status = bind_one(b, options->parameters[i], err);
        if (status != RV_OK)
            return status;
    }
    return RV_OK;
}

expr_parameter_t *rv_expr_parameter(rv_builder_t *b, rv_str_t name, expr_place_t place) {
    const char *candidates[RV_MAX_FIELDS];
    for (size_t i = 0; i < b->n_parameters; i++) {
        if (rv_str_equal(b->parameters[i].name, name))
            return &b->parameters[i];
        candidates[i] = b->parameters[i].name.p;
    }
    rv_expr_fail(&b->report, RV_REASON_FILTER, place, "the parameter $%s has no value in the request%s",
                 rv_expr_quote(name).text, rv_expr_hint(name, candidates, b->n_parameters).text);
    return NULL;
}

const expr_constant_t *rv_expr_bound(rv_builder_t *b, const expr_name_t *name) {
    const expr_parameter_t *parameter = rv_expr_parameter(b, name->text, name->place);
    if (!parameter)
        return NULL;
    if (!parameter->is_list)
        return parameter->constants;
    rv_expr_fail(&b->report, RV_REASON_FILTER, name->place, "the parameter $%s is a list: it may stand after 'in' only",
                 rv_expr_quote(name->text).text);
    return NULL;
}

/* eval_text.c: text tests and functions, and parts of instants.
 *
 * New strings are made in the scratch's text space and live until the next batch. Failure: no memory.
 */
#include "eval.h"

#include <string.h>

#include "reveille/civil.h"

static bool contains(rv_str_t s, rv_str_t part) {
    return !part.n || (s.n >= part.n && memmem(s.p, s.n, part.p, part.n));
}

static bool text_test(rvw_op_t op, rv_str_t s, rv_str_t part) {
    switch (op) {
    case RVW_OP(CONTAINS):
        return contains(s, part);
    case RVW_OP(STARTS_WITH):
        return s.n >= part.n && (!part.n || memcmp(s.p, part.p, part.n) == 0);
    case RVW_OP(ENDS_WITH):
        return s.n >= part.n && (!part.n || memcmp(s.p + s.n - part.n, part.p, part.n) == 0);
    default:
        return rv_text_like(s, part);
    }
}

static void tests(const rvw_operation_t *c) {
    const rv_str_t *s = c->a->data;
    uint8_t *out = c->data, flip = c->node->ref == 1;
    rv_str_t part = c->node->text.p ? c->node->text : (rv_str_t){"", 0};
    for (uint32_t i = 0; i < c->n; i++)
        out[i] = rvw_has(c->a, i) ? (uint8_t)text_test(c->node->op, s[i], part) ^ flip : 0;
}

static rv_status_t change_case(const rvw_operation_t *c) {
    const rv_str_t *s = c->a->data;
    rv_str_t *out = c->data;
    c->out->present = c->a->present;
    c->out->fleeting = true;
    for (uint32_t i = 0; i < c->n; i++) {
        out[i] = (rv_str_t){"", 0};
        if (!rvw_has(c->a, i) || !s[i].n)
            continue;
        size_t cap = (size_t)s[i].n * 3;
        char *room = rvw_space_bytes(c->scratch->text, cap);
        if (!room)
            return rv_fail_memory(c->err, "strings of a batch");
        size_t n = c->node->op == RVW_OP(LOWER) ? rv_text_lower(s[i].p, s[i].n, room, cap)
                                                : rv_text_upper(s[i].p, s[i].n, room, cap);
        out[i] = (rv_str_t){room, (uint32_t)n};
    }
    return RV_OK;
}

rv_status_t rvw_eval_text(const rvw_operation_t *c) {
    switch (c->node->op) {
    case RVW_OP(CONTAINS):
    case RVW_OP(STARTS_WITH):
    case RVW_OP(ENDS_WITH):
    case RVW_OP(LIKE):
        tests(c);
        return RV_OK;
    case RVW_OP(LOWER):
    case RVW_OP(UPPER):
        return change_case(c);
    case RVW_OP(LENGTH): {
        const rv_str_t *s = c->a->data;
        c->out->present = c->a->present;
        for (uint32_t i = 0; i < c->n; i++)
            ((int64_t *)c->data)[i] = rvw_has(c->a, i) ? (int64_t)rv_utf8_length(s[i].p, s[i].n) : 0;
        return RV_OK;
    }
    default:
        return rv_fail_as(c->err, RV_UNIMPLEMENTED, RV_REASON_FEATURE, "operation %d of the program is not built yet",
                          (int)c->node->op);
    }
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* 1 Monday to 7; 1970-01-01 was a Thursday. */
static int64_t weekday(int64_t days) {
    int64_t shifted = days % 7 + 10; /* at least 4, no overflow at the ends */
    return shifted % 7 + 1;
}

static int64_t part(const rvw_operation_t *c, int64_t x) {
    int64_t days = c->an->type == RV_DATE ? x : floor_div(x, RV_DAY_MS);
    switch (c->node->op) {
    case RVW_OP(DAY):
        return days;
    case RVW_OP(WEEK):
        return days - (weekday(days) - 1);
    case RVW_OP(HOUR):
        return c->an->type == RV_DATE ? 0 : (x % RV_DAY_MS + RV_DAY_MS) % RV_DAY_MS / 3600000;
    case RVW_OP(WEEKDAY):
        return weekday(days);
    default: {
        int year;
        unsigned month, day;
        rv_civil_date(days, &year, &month, &day);
        return (int64_t)day;
    }
    }
}

rv_status_t rvw_eval_calendar(const rvw_operation_t *c) {
    const int64_t *x = c->a->data;
    int64_t *out = c->data;
    c->out->present = c->a->present;
    for (uint32_t i = 0; i < c->n; i++)
        out[i] = rvw_has(c->a, i) ? part(c, x[i]) : 0;
    return RV_OK;
}

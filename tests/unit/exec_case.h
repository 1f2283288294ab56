/* exec_case.h: a catalog, a fake view and one call that compiles texts, runs them over all chunks and gives the rows as
 * text. To be included once, by the tests of worker/exec. */
#ifndef REVEILLE_TESTS_EXEC_CASE_H
#define REVEILLE_TESTS_EXEC_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "exec/plan.h"
#include "fake_view.h"
#include "reveille/agg.h"
#include "reveille/catalog.h"
#include "reveille/expr.h"

enum { COUNTRY = 1, AGE, LTV, WEIGHT, CONSENT, SIGNED_UP, BIRTHDAY, COMPANY, CODE };
enum { INDUSTRY = 1, EMPLOYEES };
enum { TOPIC = 1, VALUE, QTY, RATE, FLAG, DUE };
enum { PURCHASE = 1, CLICK, VIEW };
#define DAY 86400000ll
#define NOW (20000 * DAY)

static rv_catalog_t *exec_catalog;
static rvw_view_t view;
static rv_error_t exec_err;

static Reveille__V1__Attribute *exec_attribute(uint32_t id, const char *name, rv_type_t type, uint32_t scale) {
    Reveille__V1__Attribute *a = fake_take(&view, sizeof *a);
    reveille__v1__attribute__init(a);
    a->id = id;
    a->name = (char *)(uintptr_t)name;
    a->type = type;
    a->scale = scale;
    return a;
}

static Reveille__V1__EventType *exec_type(uint32_t id, const char *name) {
    Reveille__V1__EventType *t = fake_take(&view, sizeof *t);
    reveille__v1__event_type__init(t);
    t->id = id;
    t->name = (char *)(uintptr_t)name;
    return t;
}

static inline void exec_begin(uint32_t chunk_rows) {
    static Reveille__V1__Attribute *contact[9], *company[2], *property[6];
    static Reveille__V1__EventType *types[3];
    static Reveille__V1__EventGroup group = REVEILLE__V1__EVENT_GROUP__INIT, *groups[] = {&group};
    static char *group_types[] = {(char *)"click", (char *)"view"};
    static Reveille__V1__ScorePoints points[3], *point[3];
    static Reveille__V1__ScoreModel model = REVEILLE__V1__SCORE_MODEL__INIT, *models[] = {&model};
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__Catalog message = REVEILLE__V1__CATALOG__INIT;
    memset(&view, 0, sizeof view);
    contact[0] = exec_attribute(COUNTRY, "country", RV_STRING, 0);
    contact[1] = exec_attribute(AGE, "age", RV_INT, 0);
    contact[2] = exec_attribute(LTV, "ltv", RV_DECIMAL, 2);
    contact[3] = exec_attribute(WEIGHT, "weight", RV_DOUBLE, 0);
    contact[4] = exec_attribute(CONSENT, "consents", RV_BOOL, 0);
    contact[5] = exec_attribute(SIGNED_UP, "signed_up", RV_TIME, 0);
    contact[6] = exec_attribute(BIRTHDAY, "birthday", RV_DATE, 0);
    contact[7] = exec_attribute(COMPANY, "company", RV_COMPANY, 0);
    contact[8] = exec_attribute(CODE, "code", RV_STRING, 0);
    company[0] = exec_attribute(INDUSTRY, "industry", RV_STRING, 0);
    company[1] = exec_attribute(EMPLOYEES, "employees", RV_INT, 0);
    property[0] = exec_attribute(TOPIC, "topic", RV_STRING, 0);
    property[1] = exec_attribute(VALUE, "value", RV_DECIMAL, 2);
    property[2] = exec_attribute(QTY, "qty", RV_INT, 0);
    property[3] = exec_attribute(RATE, "rate", RV_DOUBLE, 0);
    property[4] = exec_attribute(FLAG, "flag", RV_BOOL, 0);
    property[5] = exec_attribute(DUE, "due", RV_TIME, 0);
    types[0] = exec_type(PURCHASE, "purchase");
    types[1] = exec_type(CLICK, "click");
    types[2] = exec_type(VIEW, "view");
    static const struct {
        const char *type;
        double points;
    } given[] = {{"purchase", 25}, {"click", 5}, {"view", -2.5}};
    for (int i = 0; i < 3; i++) {
        reveille__v1__score_points__init(&points[i]);
        points[i].type = (char *)(uintptr_t)given[i].type;
        points[i].points = given[i].points;
        point[i] = &points[i];
    }
    for (uint32_t i = 0; i < 9; i++)
        view.attributes[i + 1] = contact[i]->type;
    for (uint32_t i = 0; i < 2; i++)
        view.company_attributes[i + 1] = company[i]->type;
    for (uint32_t i = 0; i < 6; i++)
        view.properties[i + 1] = property[i]->type;
    group.name = (char *)"engaged";
    group.n_types = 2;
    group.types = group_types;
    model.name = (char *)"heat";
    model.version = 1;
    model.half_life_ms = (uint64_t)(30 * DAY);
    model.n_events = 3;
    model.events = point;
    schema.version = 1;
    schema.contact_key = (char *)"contact";
    schema.company_key = (char *)"company";
    schema.event_id = (char *)"event";
    schema.n_contact_attributes = 9;
    schema.contact_attributes = contact;
    schema.n_company_attributes = 2;
    schema.company_attributes = company;
    schema.n_event_properties = 6;
    schema.event_properties = property;
    schema.n_event_types = 3;
    schema.event_types = types;
    schema.n_event_groups = 1;
    schema.event_groups = groups;
    message.version = 1;
    message.schema = &schema;
    message.n_scores = 1;
    message.scores = models;
    if (rv_catalog_new(&message, &exec_catalog, &exec_err) != RV_OK)
        fail_msg("the catalog of the test: %s", exec_err.message);
    view.chunk_rows = chunk_rows;
    view.n_pieces = 3;
    view.sorted = 2;
}

static inline void exec_end(void) {
    fake_done(&view);
    rv_catalog_unref(&exec_catalog);
}

static void exec_value_text(const Reveille__V1__Column *c, size_t i, char *out, size_t size) {
    size_t at = 0;
    if (c->present.len && !(c->present.data[i >> 3] >> (i & 7) & 1)) {
        snprintf(out, size, "-");
        return;
    }
    switch (c->type) {
    case RV_STRING:
    case RV_SET:
    case RV_COMPANY:
        for (size_t k = 0; k < i; k++)
            at += c->strings->lengths[k];
        snprintf(out, size, "%.*s", (int)c->strings->lengths[i], (const char *)c->strings->data.data + at);
        break;
    case RV_DOUBLE:
        out[rv_double_format(c->doubles[i], out)] = 0;
        break;
    case RV_BOOL:
        snprintf(out, size, "%s", c->ints[i] ? "true" : "false");
        break;
    case RV_DECIMAL: {
        rv_i128_t wide = 0;
        if (c->wide.len)
            memcpy(&wide, c->wide.data + 16 * i, 16);
        else
            wide = c->ints[i];
        out[rv_decimal_format(wide, c->scale, out)] = 0;
        break;
    }
    default:
        snprintf(out, size, "%lld", (long long)c->ints[i]);
    }
}

static rvw_scratch_t *exec_scratch;

/* Bytes that a job has taken before it runs. */
static size_t exec_taken;

/* Runs a request over all chunks, in two partials that are merged; the caller reads the pages. */
static inline rv_status_t exec_run(const Reveille__V1__QueryRequest *request, rvw_job_t **ret_job,
                                   rvw_partial_t **ret) {
    rvw_partial_t *other = NULL;
    *ret = NULL;
    if (!exec_scratch)
        assert_int_equal(rvw_scratch_new(&exec_scratch), RV_OK);
    rv_status_t status = rvw_job_new(request, exec_catalog, exec_scratch, ret_job, &exec_err);
    if (status != RV_OK)
        return status;
    assert_int_equal(rvw_job_charge(*ret_job, exec_taken, &exec_err), RV_OK);
    assert_int_equal(rvw_partial_new(*ret_job, ret, &exec_err), RV_OK);
    assert_int_equal(rvw_partial_new(*ret_job, &other, &exec_err), RV_OK);
    for (uint32_t c = 0; status == RV_OK && c * view.chunk_rows < view.n_rows; c++)
        status = rvw_job_chunk(*ret_job, &view, c, exec_scratch, c % 2 ? other : *ret, &exec_err);
    if (status == RV_OK)
        status = rvw_partial_merge(*ret_job, *ret, other, &exec_err);
    if (status == RV_OK)
        status = rvw_partial_seal(*ret_job, *ret, &exec_err);
    rvw_partial_destroy(&other);
    return status;
}

static inline void exec_finish(rvw_job_t **job, rvw_partial_t **partial) {
    rvw_partial_destroy(partial);
    rvw_job_destroy(job);
    rvw_scratch_destroy(&exec_scratch);
}

/* A builder and the request that it fills. */
typedef struct {
    rv_builder_t *builder;
    Reveille__V1__QueryRequest request;
    Reveille__V1__RowsQuery rows;
    Reveille__V1__OrderKey order[8], *orders[8];
    uint32_t fields[64];
    uint64_t limit;
} exec_query_t;

static inline void exec_open(exec_query_t *q, const char *filter) {
    memset(q, 0, sizeof *q);
    reveille__v1__query_request__init(&q->request);
    assert_int_equal(rv_builder_new(exec_catalog, NOW, NULL, &q->builder, &exec_err), RV_OK);
    if (rv_builder_filter(q->builder, "filter", filter, &q->request.filter, &exec_err) != RV_OK)
        fail_msg("%s\n  %u: %s", filter, exec_err.column, exec_err.message);
}

static inline void exec_compiled(exec_query_t *q) {
    const Reveille__V1__Program *program;
    if (rv_builder_finish(q->builder, &program, &exec_err) != RV_OK)
        fail_msg("%s", exec_err.message);
    q->request.program = (Reveille__V1__Program *)(uintptr_t)program;
}

/* Rows as "a,b;c,d" in their order; "order" may be NULL. Fails the test unless the status is `wanted`. */
static inline const char *exec_select(const char *filter, const char *fields, const char *order, uint64_t limit,
                                      rv_status_t wanted) {
    static char text[1 << 20];
    const rv_expression_t *found;
    size_t n, at = 0;
    exec_query_t q;
    exec_open(&q, filter);
    reveille__v1__rows_query__init(&q.rows);
    if (rv_builder_fields(q.builder, "fields", fields, &found, &n, &exec_err) != RV_OK)
        fail_msg("%s\n  %u: %s", fields, exec_err.column, exec_err.message);
    for (size_t i = 0; i < n; i++)
        q.fields[i] = found[i].node;
    q.rows.n_fields = n;
    q.rows.fields = q.fields;
    if (order && rv_builder_order(q.builder, order, &found, &n, &exec_err) != RV_OK)
        fail_msg("%s\n  %u: %s", order, exec_err.column, exec_err.message);
    for (size_t i = 0; order && i < n; i++) {
        reveille__v1__order_key__init(&q.order[i]);
        q.order[i].node = found[i].node;
        q.order[i].descending = found[i].descending;
        q.orders[i] = &q.order[i];
    }
    q.rows.n_order = order ? n : 0;
    q.rows.order = q.orders;
    q.rows.limit = limit;
    q.request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_ROWS;
    q.request.rows = &q.rows;
    exec_compiled(&q);
    rvw_job_t *job = NULL;
    rvw_partial_t *partial = NULL;
    rv_status_t status = exec_run(&q.request, &job, &partial);
    if (status != wanted)
        fail_msg("%s | %s: %s %s", filter, fields, rv_status_name(status), exec_err.message);
    text[0] = 0;
    for (bool last = status != RV_OK; !last;) {
        Reveille__V1__QueryResponse *response;
        rv_arena_t arena;
        rv_arena_init(&arena, 64u << 20);
        assert_int_equal(rvw_partial_next(job, partial, &arena, &response, &last, &exec_err), RV_OK);
        assert_true(reveille__v1__query_response__get_packed_size(response) < 1u << 20);
        for (size_t r = 0; r < response->rows->sort_keys->n_lengths; r++) {
            for (size_t f = 0; f < response->rows->n_fields; f++) {
                char one[4096];
                exec_value_text(response->rows->fields[f], r, one, sizeof one);
                at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", f ? "," : at ? ";" : "", one);
            }
        }
        rv_arena_done(&arena);
    }
    exec_finish(&job, &partial);
    rv_builder_destroy(&q.builder);
    return text;
}

/* The value of an expression for every contact, in order of keys. */
static inline void expect(const char *expression, const char *wanted) {
    const char *got = exec_select("", expression, NULL, 0, RV_OK);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s\n  is  %s\n  not %s", expression, got, wanted);
}

/* The keys of the contacts in a segment, in order. */
static inline void expect_in(const char *filter, const char *wanted) {
    const char *got = exec_select(filter, "contact", NULL, 0, RV_OK);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s\n  is  %s\n  not %s", filter, got, wanted);
}

/* The request fails with OVERFLOW. */
static inline void expect_overflow(const char *filter, const char *expression) {
    exec_select(filter, expression, NULL, 0, RV_INVALID_ARGUMENT);
    assert_int_equal(exec_err.reason, RV_REASON_OVERFLOW);
}

static inline rv_value_t an_int(int64_t i) {
    return (rv_value_t){.present = true, .i = i, .wide = i};
}
static inline rv_value_t a_decimal(rv_i128_t c) {
    return (rv_value_t){.present = true, .wide = c};
}
static inline rv_value_t a_double(double d) {
    return (rv_value_t){.present = true, .d = d};
}

#endif

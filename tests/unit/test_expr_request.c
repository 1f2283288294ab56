/* test_expr_request.c: errors of names and types with their places, parameters, the kinds of texts, what a request
 * learns beside its program. */
#include "expr_catalog.h"
#include "reveille/expr.h"
#include "reveille/limits.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef Reveille__V1__Value value_t;
typedef Reveille__V1__Parameter parameter_t;

static rv_catalog_t *catalog;
static rv_builder_t *builder;
static rv_error_t err;

static int open_builder(void **state) {
    (void)state;
    catalog = rvt_expr_catalog();
    return rv_builder_new(catalog, RVT_NOW, NULL, &builder, &err) == RV_OK ? 0 : -1;
}

static int close_builder(void **state) {
    (void)state;
    rv_builder_destroy(&builder);
    rv_catalog_unref(&catalog);
    return 0;
}

static void found(const char *text, const char *field, uint32_t line, uint32_t column, const char *part) {
    if (strcmp(err.field, field) != 0 || err.line != line || err.column != column || !strstr(err.message, part))
        fail_msg("%s\n  is wanted %u:%u [%s] ...%s...\n  and found %u:%u [%s] %s", text, line, column, field, part,
                 err.line, err.column, err.field, err.message);
}

static void refused(const char *text, uint32_t column, const char *part) {
    uint32_t filter = 77;
    assert_int_equal(rv_builder_filter(builder, "filter", text, &filter, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(filter, 77);
    assert_int_equal(err.reason, RV_REASON_FILTER);
    found(text, "filter", 1, column, part);
}

static void accepted(const char *text) {
    uint32_t filter;
    if (rv_builder_filter(builder, "filter", text, &filter, &err) != RV_OK)
        fail_msg("%s\n  gives %u:%u %s", text, err.line, err.column, err.message);
}

static void an_unknown_name_is_shown_with_the_nearest(void **state) {
    (void)state;
    refused("age > 3 and not contry = 'DE'", 17, "unknown attribute 'contry', did you mean 'country'?");
    refused("Country = 'DE'", 1, "unknown attribute 'Country', did you mean 'country'?");
    refused("zzz = 1", 1, "unknown attribute 'zzz'");
    refused("company.industri = 'x'", 9, "unknown company attribute 'industri', did you mean 'industry'?");
    refused("exists(purchse)", 8, "unknown event type or group 'purchse', did you mean 'purchase'?");
    refused("exists(nps|engagd)", 12, "did you mean 'engaged'?");
    refused("exists(nps where tpic = 'x')", 18, "unknown property 'tpic', did you mean 'topic'?");
    refused("sum(valu of nps) > 1", 5, "did you mean 'value'?");
    refused("score(engagment) > 1", 7, "unknown score model 'engagment', did you mean 'engagement'?");
    refused("segment('vipp')", 9, "unknown segment 'vipp', did you mean 'vip'?");
    refused("lowr(country) = 'x'", 1, "unknown function 'lowr', did you mean 'lower'?");
    refused("country = $contry", 11, "the parameter $contry has no value");
    refused("region.name = 'x'", 1, "company.NAME");
    refused("purchase", 1, "write for example exists(purchase)");
    refused("value > 3", 1, "'value' is a property of events");
    refused("exists(nps where age > 3)", 18, "contact.age");
    refused("contact.aeg > 3", 9, "did you mean 'age'?");
}

static void types_must_fit(void **state) {
    (void)state;
    refused("age = 'x'", 5, "a number cannot be compared with a string: a number is written without quotes");
    refused("country = 5", 9, "a string cannot be compared with a number");
    refused("signed_up_at > '2026-01-31'", 14, "without quotes");
    refused("recency(nps) > 5", 14, "write a duration");
    refused("signed_up_at < 3 days", 14, "3 days ago");
    refused("email_consent < true", 15, "no order");
    refused("email_consent between true and true", 15, "no order");
    refused("country", 1, "a condition is needed here, and this is a string");
    refused("not age", 5, "a condition is needed here");
    refused("interests = 'a'", 11, "a set cannot be compared");
    refused("interests in ('a')", 14, "a set cannot be compared");
    refused("age in (1, 'x')", 12, "a number cannot be compared with a string");
    refused("age in ('x')", 8, "a number cannot be compared with a string");
    refused("age between 1 and 'x'", 19, "a number cannot be compared with a string");
    refused("age contains 'x'", 1, "this test is for strings");
    refused("age + country > 1", 5, "a string cannot be added to a number");
    refused("now - 3 > now", 5, "write a duration");
    refused("now + now > now", 5, "a time cannot be added to a time");
    refused("recency(nps) * 1.5 > 1 day", 14, "a whole number only");
    refused("recency(nps) / 2 > 1 day", 14, "divided by a duration only");
    refused("-country = 'x'", 1, "'-' needs a number or a duration");
    refused("lower(age) = 'x'", 1, "this function needs a string, not a number");
    refused("round(country) = 1", 1, "this function needs a number");
    refused("day(age) = 1", 1, "a time or a date");
    refused("length(country, country) = 1", 1, "takes one argument, and here are 2");
    refused("coalesce(country, 5) = 'x'", 1, "a string and a number");
    refused("bucket(age, 1, 1) = 1", 16, "must rise");
    refused("bucket(age, 1.0, 1) = 1", 18, "must rise");
    refused("bucket(age, 1 day) = 1", 11, "cannot be compared");
    refused("bucket(email_consent, true) = 1", 8, "has an order");
    refused("sum(topic of nps) > 1", 5, "takes numbers");
    refused("max(flag of nps) = true", 5, "values that have an order");
    refused("split('x', 0) = 1", 12, "from 1 to");
    refused("count(nps from (age)) > 1", 17, "an instant is a time or a date, and this is a number");
    refused("count(nps) at (3 days) > 1", 16, "now - 30 days");
    refused("ltv * ltv * 0.123456789012345678901234567890123 > 1", 11, "36 decimal places");
}

static void places_in_segments_are_places_in_their_texts(void **state) {
    (void)state;
    uint32_t filter;
    assert_int_equal(rv_builder_filter(builder, "filter", "age > 1 and segment('broken')", &filter, &err),
                     RV_INVALID_ARGUMENT);
    found("broken", "segment broken", 2, 12, "unknown attribute 'contry'");
}

static void what_looks_at_events_does_not_nest(void **state) {
    (void)state;
    static const char *const inner[] = {"count(nps) > 1", "score(engagement) > 1", "segment('vip')",
                                        "funnel(nps then nps in 1 day) > 1", "last(value of nps) > 1"};
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        char text[128];
        uint32_t filter;
        snprintf(text, sizeof text, "exists(nps where %s)", inner[i]);
        assert_int_equal(rv_builder_filter(builder, "filter", text, &filter, &err), RV_INVALID_ARGUMENT);
        found(text, "filter", 1, 18, "selections do not nest");
    }
}

static void attributes_have_no_past(void **state) {
    (void)state;
    static const char *const texts[] = {
        "(age > 3) at 3 days ago", "(company.employees > 3) at 3 days ago", "segment('germans') at 3 days ago",
        "exists(nps where contact.age > 3) at 3 days ago", "count(nps from (birthday)) at 3 days ago > 1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint32_t filter;
        assert_int_equal(rv_builder_filter(builder, "filter", texts[i], &filter, &err), RV_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "keeps no history"));
    }
    accepted("(contact = 'c1' and exists(nps)) at 3 days ago");
    accepted("count(nps) at (birthday) > 1");
}

static void constants_that_overflow_fail_the_request(void **state) {
    (void)state;
    static const char *const texts[] = {"age > 9223372036854775807 + 1", "age > 9223372036854775807 * 2",
                                        "signed_up_at > 2026-01-01 + 15000000 * 10000 * 1000 weeks",
                                        "ltv > 99999999999999999999999999999999999999 * 10.0"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint32_t filter;
        assert_int_equal(rv_builder_filter(builder, "filter", texts[i], &filter, &err), RV_INVALID_ARGUMENT);
        assert_int_equal(err.reason, RV_REASON_OVERFLOW);
        assert_int_equal(err.line, 1);
    }
}

static void an_instant_needs_something_that_changes(void **state) {
    (void)state;
    refused("country = 'DE' at 3 days ago", 16, "write (...) at ...");
    refused("age > (1 + 2) at now", 15, "behind a constant");
    refused("lower('A') at now = 'a'", 12, "behind a constant");
    refused("exists(nps where (score > 3) at now)", 30, "not stand inside 'where'");
    accepted("now at 3 days ago < signed_up_at");
}

static void what_is_not_built_yet_says_so_where_it_stands(void **state) {
    (void)state;
    static const struct {
        const char *text, *field;
        uint32_t column;
    } cases[] = {
        {"age > 1 and exists(nps not followed by purchase with same topic in 4 hours within 7 days)", "filter", 24},
        {"exists(nps followed by purchase in 4 hours)", "filter", 12},
        {"recency(nps) > 3 * cadence(nps)", "filter", 20},
        {"peak(engagement within 3 days) > 3", "filter", 1},
        {"stage() = 'new'", "filter", 1},
        {"p_alive(m) > 0.5", "filter", 1},
        {"expected(m, 3 days) > 0.5", "filter", 1},
        {"clv(m, 3 days) > 0.5", "filter", 1},
        {"interests has any ('a', 'b')", "filter", 11},
        {"fold(country) = 'x'", "filter", 1},
        {"country matches '^D'", "filter", 9},
        {"days_until_anniversary(birthday) < 3", "filter", 1},
        {"year(birthday) = 2000", "filter", 1},
        {"month(birthday) = 2", "filter", 1},
        {"consent.email", "filter", 1},
        {"exists(nps where month = 2026-01-01)", "filter", 18},
        {"last(month of nps) = 2026-01-01", "filter", 6},
        {"exists(nps within 3 months)", "filter", 19},
        {"signed_up_at < 1 quarter ago", "filter", 16},
        {"recency(nps) in (1 day, 2 years)", "filter", 25},
        {"bucket(recency(nps), 1 day, 6 months) = 1", "filter", 29},
        {"funnel(nps then nps in 1 month) > 1", "filter", 24},
    };
    uint32_t filter;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(rv_builder_filter(builder, "filter", cases[i].text, &filter, &err), RV_UNIMPLEMENTED);
        assert_int_equal(err.reason, RV_REASON_FEATURE);
        found(cases[i].text, cases[i].field, 1, cases[i].column, "not built yet");
    }
    refused("cadence(nps) > 3 days and", 26, "expected an expression");
    accepted("month = 3 and source = 'a'");
}

/* ---- parameters ---- */

static value_t of_kind(Reveille__V1__Value__KindCase kind) {
    value_t value = REVEILLE__V1__VALUE__INIT;
    value.kind_case = kind;
    return value;
}

/* A builder with one parameter $p. */
static rv_status_t with_parameter(value_t *values, size_t n, bool list, rv_builder_t **ret) {
    value_t *pointers[8];
    parameter_t parameter = REVEILLE__V1__PARAMETER__INIT, *parameters[1] = {&parameter};
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    for (size_t i = 0; i < n; i++)
        pointers[i] = &values[i];
    parameter.name = (char *)(uintptr_t) "p";
    parameter.is_list = list;
    parameter.values = pointers;
    parameter.n_values = n;
    options.parameters = parameters;
    options.n_parameters = 1;
    return rv_builder_new(catalog, RVT_NOW, &options, ret, &err);
}

static rv_status_t filter_with(value_t *values, size_t n, bool list, const char *text) {
    rv_builder_t *own = NULL;
    uint32_t filter;
    assert_int_equal(with_parameter(values, n, list, &own), RV_OK);
    rv_status_t status = rv_builder_filter(own, "filter", text, &filter, &err);
    if (status == RV_OK) {
        const Reveille__V1__Program *program;
        assert_int_equal(rv_builder_finish(own, &program, &err), RV_OK);
        assert_int_equal(rv_program_check(program, catalog, &err), RV_OK);
    }
    rv_builder_destroy(&own);
    return status;
}

static void parameters_stand_where_their_type_may(void **state) {
    (void)state;
    value_t text = of_kind(REVEILLE__V1__VALUE__KIND_STRING_VALUE),
            span = of_kind(REVEILLE__V1__VALUE__KIND_DURATION_MS);
    value_t time = of_kind(REVEILLE__V1__VALUE__KIND_TIME_MS);
    text.string_value = (char *)(uintptr_t) "vip";
    span.duration_ms = 86400000;
    time.time_ms = RVT_NOW - 86400000;
    assert_int_equal(filter_with(&text, 1, false, "country = $p and country like $p and segment($p)"), RV_OK);
    assert_int_equal(filter_with(&text, 1, false, "country in $p"), RV_OK);
    assert_int_equal(filter_with(&text, 1, false, "age = $p"), RV_INVALID_ARGUMENT);
    assert_int_equal(filter_with(&text, 1, false, "exists(nps within $p)"), RV_INVALID_ARGUMENT);
    assert_int_equal(filter_with(&span, 1, false, "exists(nps within $p)"), RV_OK);
    assert_int_equal(filter_with(&span, 1, false, "country like $p"), RV_INVALID_ARGUMENT);
    assert_int_equal(filter_with(&time, 1, false, "exists(nps from $p to $p + 1 day) at $p"), RV_OK);
    assert_int_equal(filter_with(&time, 1, false, "birthday in $p"), RV_OK);
}

static void lists_stand_after_in_only(void **state) {
    (void)state;
    value_t values[3] = {of_kind(REVEILLE__V1__VALUE__KIND_INT_VALUE), of_kind(REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE),
                         of_kind(REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE)};
    values[0].int_value = 7;
    values[1].double_value = 0.1;
    values[2].decimal_value = (char *)(uintptr_t) "+1.50";
    assert_int_equal(filter_with(values, 3, true, "age in $p or ltv not in $p or weight in $p"), RV_OK);
    assert_int_equal(filter_with(values, 0, true, "country in $p"), RV_OK);
    assert_int_equal(filter_with(values, 3, true, "country in $p"), RV_INVALID_ARGUMENT);
    assert_int_equal(filter_with(values, 3, true, "age = $p"), RV_INVALID_ARGUMENT);
    found("list", "filter", 1, 7, "$p is a list");
    /* what is remembered of a list does not make it fit another type, nor one of its kinds hide another */
    assert_int_equal(filter_with(values, 3, true, "age in $p or country in $p"), RV_INVALID_ARGUMENT);
    found("list", "filter", 1, 25, "a string cannot be compared with a number");
    values[0] = of_kind(REVEILLE__V1__VALUE__KIND_DATE_DAYS);
    values[1] = of_kind(REVEILLE__V1__VALUE__KIND_TIME_MS);
    assert_int_equal(filter_with(values, 1, true, "birthday in $p or signed_up_at in $p or birthday in $p"), RV_OK);
    assert_int_equal(filter_with(values, 2, true, "birthday in $p or signed_up_at in $p or birthday in $p"), RV_OK);
    assert_int_equal(filter_with(values, 3, true, "signed_up_at in $p or age in $p"), RV_INVALID_ARGUMENT);
    found("list", "filter", 1, 17, "a date cannot be compared with a number");
}

static void parameters_are_checked_before_any_text(void **state) {
    (void)state;
    rv_builder_t *own = NULL;
    value_t bad[4] = {of_kind(REVEILLE__V1__VALUE__KIND__NOT_SET), of_kind(REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE),
                      of_kind(REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE),
                      of_kind(REVEILLE__V1__VALUE__KIND_STRING_VALUE)};
    bad[1].double_value = NAN;
    bad[2].decimal_value = (char *)(uintptr_t) "1.2.3";
    bad[3].string_value = (char *)(uintptr_t) "\xff";
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(with_parameter(&bad[i], 1, i % 2 == 0, &own), RV_INVALID_ARGUMENT);
        assert_int_equal(err.reason, RV_REASON_FIELD);
        assert_null(own);
    }
    assert_int_equal(with_parameter(bad, 2, false, &own), RV_INVALID_ARGUMENT);
}

static void only_utc_is_built(void **state) {
    (void)state;
    rv_builder_t *own = NULL;
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    options.timezone = (char *)(uintptr_t) "Europe/Berlin";
    assert_int_equal(rv_builder_new(catalog, RVT_NOW, &options, &own, &err), RV_UNIMPLEMENTED);
    assert_string_equal(err.field, "timezone");
    options.timezone = (char *)(uintptr_t) "UTC";
    assert_int_equal(rv_builder_new(catalog, RVT_NOW, &options, &own, &err), RV_OK);
    rv_builder_destroy(&own);
}

/* ---- kinds of texts ---- */

static void expressions_keep_their_trimmed_text(void **state) {
    (void)state;
    const rv_expression_t *fields;
    size_t n;
    assert_int_equal(
        rv_builder_fields(builder, "fields", "  contact ,\n last(channel of engaged)  -- x\n", &fields, &n, &err),
        RV_OK);
    assert_int_equal(n, 2);
    assert_string_equal(fields[0].text, "contact");
    assert_string_equal(fields[1].text, "last(channel of engaged)");
    assert_int_equal(rv_builder_order(builder, "score(engagement) desc, age asc, ltv", &fields, &n, &err), RV_OK);
    assert_int_equal(n, 3);
    assert_string_equal(fields[0].text, "score(engagement)");
    assert_true(fields[0].descending && !fields[1].descending && !fields[2].descending);
    assert_int_equal(rv_builder_order(builder, "interests", &fields, &n, &err), RV_INVALID_ARGUMENT);
    found("interests", "order_by", 1, 1, "a set has no order");
    assert_int_equal(rv_builder_fields(builder, "by", " ", &fields, &n, &err), RV_OK);
    assert_int_equal(n, 0);
    assert_int_equal(rv_builder_fields(builder, "by",
                                       "age,age,age,age,age,age,age,age,age,age,age,age,age,age,age,age,age", &fields,
                                       &n, &err),
                     RV_INVALID_ARGUMENT);
    found("by", "by", 1, 65, "more than 16");
}

static void measures_are_over_contacts(void **state) {
    (void)state;
    const Reveille__V1__Measure *measures;
    const char *const *texts;
    size_t n;
    assert_int_equal(rv_builder_compute(builder, "count , sum(sum(value of purchase)), quantile( age, 0.9 )", &measures,
                                        &texts, &n, &err),
                     RV_OK);
    assert_int_equal(n, 3);
    assert_string_equal(texts[0], "count");
    assert_string_equal(texts[2], "quantile( age, 0.9 )");
    assert_int_equal(measures[0].kind, REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT);
    assert_int_equal(measures[1].type, RV_DECIMAL);
    assert_int_equal(measures[1].scale, 2);
    assert_true(measures[2].quantile == 0.9);
    static const char *const bad[] = {"sum(value of purchase)", "last(nps)",           "sum(country)",
                                      "avg(email_consent)",     "distinct(interests)", "quantile(email_consent, 0.5)"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rv_builder_compute(builder, bad[i], &measures, &texts, &n, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(rv_builder_compute(builder, "sum(value of purchase)", &measures, &texts, &n, &err),
                     RV_INVALID_ARGUMENT);
    found("bare", "compute", 1, 1, "sum(sum(value of ...))");
}

static void parts_of_commands(void **state) {
    (void)state;
    uint32_t number = 0;
    int64_t ms;
    const char *const *steps;
    size_t n;
    assert_int_equal(rv_builder_selection(builder, "event", "engaged where value > 3", &number, &err), RV_OK);
    assert_int_equal(rv_builder_selection(builder, "event", "engagd", &number, &err), RV_INVALID_ARGUMENT);
    found("engagd", "event", 1, 1, "did you mean 'engaged'?");
    assert_int_equal(rv_builder_duration(builder, "period", "30 days", &ms, &err), RV_OK);
    assert_int_equal(ms, 30 * 86400000ll);
    assert_int_equal(rv_builder_duration(builder, "period", "0 days", &ms, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(rv_builder_duration(builder, "period", "1 month", &ms, &err), RV_UNIMPLEMENTED);
    assert_int_equal(rv_builder_instant(builder, "start", "birthday", &number, &err), RV_OK);
    assert_int_equal(rv_builder_instant(builder, "start", "age", &number, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(rv_builder_condition(builder, "segments", "", &number, &err), RV_OK);
    assert_int_equal(rv_builder_funnel(builder, " nps where value > 3 then  purchase ", "14 days", "within 365 days",
                                       &number, &steps, &n, &err),
                     RV_OK);
    assert_int_equal(n, 2);
    assert_string_equal(steps[0], "nps where value > 3");
    assert_string_equal(steps[1], "purchase");
    assert_int_equal(rv_builder_funnel(builder, "nps then nps", "14 days", "from (age)", &number, &steps, &n, &err),
                     RV_INVALID_ARGUMENT);
    found("window", "window", 1, 7, "an instant");
    assert_int_equal(rv_builder_funnel(builder, "nps then nps", "14", "", &number, &steps, &n, &err),
                     RV_INVALID_ARGUMENT);
    found("within", "within", 1, 1, "a duration");
}

/* ---- beside the program ---- */

static void attributes_that_are_read_are_named(void **state) {
    (void)state;
    size_t n;
    accepted("age > 3 and company.industry = 'x' and exists(nps where contact.country = 'DE') and age < 9 and contact "
             "= 'c'");
    const char *const *names = rv_builder_attributes(builder, &n);
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "age");
    assert_string_equal(names[1], "company.industry");
    assert_string_equal(names[2], "country");
}

static bool before_kept_since(int64_t since, const char *text) {
    rv_catalog_t *own = rvt_expr_catalog_with("", since);
    rv_builder_t *kept = NULL;
    uint32_t filter;
    assert_int_equal(rv_builder_new(own, RVT_NOW, NULL, &kept, &err), RV_OK);
    assert_int_equal(rv_builder_filter(kept, "filter", text, &filter, &err), RV_OK);
    bool result = rv_builder_before_kept(kept);
    rv_builder_destroy(&kept);
    rv_catalog_unref(&own);
    return result;
}

static bool before_kept(const char *text) {
    return before_kept_since(RVT_NOW - 100 * 86400000ll, text);
}

static void windows_before_complete_history_are_noticed(void **state) {
    (void)state;
    /* the first instant that counts is a millisecond after the start of `within`, and the start of `from` */
    assert_false(before_kept_since(RVT_NOW - 86400000ll + 1, "exists(nps within 1 day)"));
    assert_true(before_kept_since(RVT_NOW - 86400000ll + 2, "exists(nps within 1 day)"));
    assert_true(before_kept_since(RVT_NOW - 86400000ll + 1, "exists(nps from 1 day ago)"));
    assert_true(before_kept("exists(nps)"));
    assert_false(before_kept("exists(nps within 100 days)"));
    assert_true(before_kept("exists(nps within 101 days)"));
    assert_true(before_kept("exists(nps within 60 days) at 60 days ago"));
    assert_false(before_kept("exists(nps from 100 days ago)"));
    assert_true(before_kept("exists(nps from (birthday))"));
    assert_true(before_kept("score(engagement) > 3"));
    assert_false(before_kept("age > 3"));
}

static void segments_of_a_filter_are_listed(void **state) {
    (void)state;
    rv_arena_t arena;
    const char *const *names;
    size_t n;
    rv_arena_init(&arena, 1u << 20);
    assert_int_equal(
        rv_filter_segments(catalog, "segment('a') and not segment(\"b\") or segment('a')", &arena, &names, &n, &err),
        RV_OK);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_int_equal(rv_filter_segments(catalog, "segment('a') and stage() = 'new'", &arena, &names, &n, &err),
                     RV_UNIMPLEMENTED);
    assert_int_equal(rv_filter_segments(catalog, "segment('a'", &arena, &names, &n, &err), RV_INVALID_ARGUMENT);
    rv_arena_done(&arena);
}

/* A catalog whose segment "s7" is made of "s6" by the format, and so on down to "s0". */
static rv_catalog_t *chained(size_t n, const char *format) {
    rv_arena_t memory;
    rv_catalog_t *own = NULL;
    rv_arena_init(&memory, 16u << 20);
    Reveille__V1__Catalog message = *rv_catalog_message(catalog);
    message.n_segments = n;
    message.segments = rv_arena_zalloc(&memory, n, sizeof *message.segments);
    for (size_t i = 0; i < n; i++) {
        char text[256];
        Reveille__V1__Segment *segment = message.segments[i] = rv_arena_zalloc(&memory, 1, sizeof *segment);
        reveille__v1__segment__init(segment);
        snprintf(text, sizeof text, "s%zu", i);
        segment->name = rvt_string(&memory, text);
        snprintf(text, sizeof text, format, i - 1, i - 1, (size_t)1 << (i % 40));
        segment->filter = rvt_string(&memory, i ? text : "exists(nps)");
        segment->version = 1;
    }
    if (rv_catalog_new(&message, &own, &err) != RV_OK)
        fail_msg("%s", err.message);
    rv_arena_done(&memory);
    return own;
}

static rv_status_t filter_of(rv_catalog_t *own, const char *text) {
    rv_builder_t *chain = NULL;
    uint32_t filter;
    assert_int_equal(rv_builder_new(own, RVT_NOW, NULL, &chain, &err), RV_OK);
    rv_status_t status = rv_builder_filter(chain, "filter", text, &filter, &err);
    rv_builder_destroy(&chain);
    rv_catalog_unref(&own);
    return status;
}

static void segments_within_segments_have_a_limit(void **state) {
    (void)state;
    assert_int_equal(filter_of(chained(100, "not segment('s%zu')"), "segment('s99')"), RV_OK);
    assert_int_equal(filter_of(chained(1000, "not segment('s%zu')"), "segment('s999')"), RV_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "nested too deeply"));
    /* each instant is compiled once, however many ways lead to it */
    assert_int_equal(filter_of(chained(40, "segment('s%zu') or segment('s%zu')"), "segment('s39')"), RV_OK);
    assert_int_equal(filter_of(chained(40, "segment('s%zu') or segment('s%zu') at 1 day ago"), "segment('s39')"),
                     RV_OK);
    assert_int_equal(filter_of(chained(40, "segment('s%zu') or segment('s%zu') at %zu seconds ago"), "segment('s39')"),
                     RV_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "4096 different nodes"));
}

static void a_request_has_a_limit_of_nodes(void **state) {
    (void)state;
    char *text = malloc(RV_MAX_TEXT);
    uint32_t filter;
    size_t at = 0;
    rv_status_t status = RV_OK;
    for (uint32_t round = 0; status == RV_OK && round < 8; round++) {
        at = (size_t)sprintf(text, "age = -1");
        for (uint32_t i = 0; i < 1000; i++)
            at += (size_t)sprintf(text + at, " or age = %u", round * 1000 + i);
        status = rv_builder_filter(builder, "filter", text, &filter, &err);
    }
    free(text);
    assert_int_equal(status, RV_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "4096 different nodes"));
}

/* Arrays of the builder grow more than once, and what is in them is found again. */
static void what_was_made_before_the_arrays_grew_is_found_again(void **state) {
    (void)state;
    const Reveille__V1__Program *program = NULL;
    uint32_t first[100], filter;
    size_t nodes = 0;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            char text[64];
            snprintf(text, sizeof text, "age = %u and exists(nps within %u days)", 1000 + i, i + 1);
            assert_int_equal(rv_builder_filter(builder, "filter", text, &filter, &err), RV_OK);
            assert_true(round == 0 || filter == first[i]);
            first[i] = filter;
        }
        assert_int_equal(rv_builder_finish(builder, &program, &err), RV_OK);
        assert_true(round == 0 || program->n_nodes == nodes);
        nodes = program->n_nodes;
        assert_int_equal(program->n_selections, 100);
    }
    for (uint32_t i = 0; i < 100; i++)
        for (uint32_t k = 0; k < i; k++)
            assert_int_not_equal(first[i], first[k]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_builder, close_builder)
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_name_is_shown_with_the_nearest),
        TEST(types_must_fit),
        TEST(places_in_segments_are_places_in_their_texts),
        TEST(what_looks_at_events_does_not_nest),
        TEST(attributes_have_no_past),
        TEST(constants_that_overflow_fail_the_request),
        TEST(an_instant_needs_something_that_changes),
        TEST(what_is_not_built_yet_says_so_where_it_stands),
        TEST(parameters_stand_where_their_type_may),
        TEST(lists_stand_after_in_only),
        TEST(parameters_are_checked_before_any_text),
        TEST(only_utc_is_built),
        TEST(expressions_keep_their_trimmed_text),
        TEST(measures_are_over_contacts),
        TEST(parts_of_commands),
        TEST(attributes_that_are_read_are_named),
        TEST(windows_before_complete_history_are_noticed),
        TEST(segments_of_a_filter_are_listed),
        TEST(segments_within_segments_have_a_limit),
        TEST(a_request_has_a_limit_of_nodes),
        TEST(what_was_made_before_the_arrays_grew_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

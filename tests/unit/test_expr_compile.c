/* test_expr_compile.c: what texts become: nodes, windows, other instants, segments, shared parts. The shapes are shown
 * by support/program_show. */
#include "expr_catalog.h"
#include "program_show.h"
#include "reveille/expr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static const Reveille__V1__Program *finished(void) {
    const Reveille__V1__Program *program;
    assert_int_equal(rv_builder_finish(builder, &program, &err), RV_OK);
    if (rv_program_check(program, catalog, &err) != RV_OK)
        fail_msg("%s", err.message);
    return program;
}

static void shows(uint32_t node, const char *text, const char *wanted) {
    char *found = rvt_show(finished(), catalog, node);
    if (strcmp(found, wanted) != 0)
        fail_msg("%s\n  is wanted %s\n  and found %s", text, wanted, found);
    free(found);
}

static void filter(const char *text, const char *wanted) {
    uint32_t node = 0;
    if (rv_builder_filter(builder, "filter", text, &node, &err) != RV_OK)
        fail_msg("%s\n  gives %u:%u %s", text, err.line, err.column, err.message);
    assert_true(node > 0);
    shows(node - 1, text, wanted);
}

/* A value rather than a condition, of this type. */
static void value(const char *text, rv_type_t type, unsigned scale, const char *wanted) {
    const rv_expression_t *fields;
    size_t n;
    if (rv_builder_fields(builder, "fields", text, &fields, &n, &err) != RV_OK)
        fail_msg("%s\n  gives %u:%u %s", text, err.line, err.column, err.message);
    assert_int_equal(n, 1);
    assert_int_equal(fields[0].type, type);
    assert_int_equal(fields[0].scale, scale);
    shows(fields[0].node, text, wanted);
}

static void conditions_are_never_missing(void **state) {
    (void)state;
    filter("email_consent", "(TRUTH email_consent)");
    filter("not email_consent or exists(nps)", "(OR (NOT (TRUTH email_consent)) (EXISTS nps <= T))");
    filter("email_consent = true", "(EQ email_consent true)");
    filter("email_consent != exists(nps)", "(NE email_consent (EXISTS nps <= T))");
    filter("((age > 3))", "(GT age 3)");
    filter("true", "(TRUTH true)");
    filter("not not email_consent", "(NOT (NOT (TRUTH email_consent)))");
}

static void tests_take_one_kind(void **state) {
    (void)state;
    filter("country in ('DE', \"FR\") and country not in ('X')",
           "(AND (IN country ['DE', 'FR']) (IN country #1 ['X']))");
    filter("age in (1, 2.50, -3)", "(IN age [1, 2.50, -3])");
    filter("age between 1 and ltv", "(AND (GE age 1) (LE age ltv))");
    filter("age not between 1 and 2", "(OR (LT age 1) (GT age 2))");
    filter("age not between ltv and 2", "(AND (OR (LT age ltv) (GT age 2)) (IS_SET ltv))");
    filter("country starts with 'a' or country not ends with 'b'",
           "(OR (STARTS_WITH country 'a') (ENDS_WITH country #1 'b'))");
    filter("country like 'D%' and country contains 'E'", "(AND (LIKE country 'D%') (CONTAINS country 'E'))");
    filter("interests is set and age is unset and ltv is not set",
           "(AND (IS_SET interests) (NOT (IS_SET age)) (NOT (IS_SET ltv)))");
    filter("company = 'acme' and company.company = 'acme' and contact != 'c1'",
           "(AND (EQ company 'acme') (EQ company 'acme') (NE key 'c1'))");
}

static void dates_meet_times_at_midnight(void **state) {
    (void)state;
    filter("signed_up_at >= 2026-10-01", "(GE signed_up_at T-31d)");
    filter("birthday = 2000-01-01", "(EQ birthday day10957)");
    filter("birthday < signed_up_at", "(LT (DATE_TO_TIME birthday) signed_up_at)");
    filter("birthday < 3 days ago", "(LT (DATE_TO_TIME birthday) T-3d)");
    filter("birthday in (2026-10-31, 2026-10-31T12:00:00Z)", "(IN (DATE_TO_TIME birthday) [T-1d, T-43200000ms])");
    filter("signed_up_at in (2026-10-31)", "(IN signed_up_at [T-1d])");
    value("birthday + 3 days", RV_TIME, 0, "(ADD (DATE_TO_TIME birthday) 3d)");
    value("bucket(birthday, 2026-10-31)", RV_INT, 0, "(BUCKET birthday [day20757])");
    value("signed_up_at - birthday", RV_DURATION, 0, "(SUB signed_up_at (DATE_TO_TIME birthday))");
}

static void arithmetic_is_exact_and_folds(void **state) {
    (void)state;
    value("age + 1", RV_INT, 0, "(ADD age 1)");
    value("age + ltv * 1.555", RV_DECIMAL, 5, "(ADD age (MUL ltv 1.555))");
    value("age / 2", RV_DOUBLE, 0, "(DIV age 2)");
    value("weight - 1", RV_DOUBLE, 0, "(SUB weight 1)");
    value("2 * 3.50 + 1 - 0.001", RV_DECIMAL, 3, "7.999");
    value("- (2 + 3) * -4", RV_INT, 0, "20");
    value("9223372036854775808", RV_DECIMAL, 0, "9223372036854775808");
    value("-0.10", RV_DECIMAL, 2, "-0.10");
    value("3 * 3 days - 12 hours", RV_DURATION, 0, "734400000ms");
    value("now - 30 days", RV_TIME, 0, "T-30d");
    value("now - (now - 30 days)", RV_DURATION, 0, "30d");
    value("2 weeks from now", RV_TIME, 0, "T+14d");
    value("30 days + signed_up_at", RV_TIME, 0, "(ADD signed_up_at 30d)");
    value("2 * (now - signed_up_at)", RV_DURATION, 0, "(MUL (SUB T signed_up_at) 2)");
    value("recency(nps) / 1 day", RV_DOUBLE, 0, "(DIV (SUB T (LAST_TIME nps <= T)) 1d)");
    value("1 / 3", RV_DOUBLE, 0, "(DIV 1 3)");
}

static void functions_know_their_types(void **state) {
    (void)state;
    value("LOWER(country)", RV_STRING, 0, "(LOWER country)");
    value("length(upper(country))", RV_INT, 0, "(LENGTH (UPPER country))");
    value("abs(ltv)", RV_DECIMAL, 2, "(ABS ltv)");
    value("abs(recency(nps))", RV_DURATION, 0, "(ABS (SUB T (LAST_TIME nps <= T)))");
    value("round(ltv) + floor(weight) + round(age)", RV_INT, 0, "(ADD (ADD (ROUND ltv) (FLOOR weight)) age)");
    value("day(birthday)", RV_INT, 0, "(DAY_OF_MONTH birthday)");
    value("coalesce(age, ltv, 0)", RV_DECIMAL, 2, "(COALESCE (TO_DECIMAL age) ltv 0.00)");
    value("coalesce(age, weight)", RV_DOUBLE, 0, "(COALESCE (TO_DOUBLE age) weight)");
    value("coalesce(birthday, now)", RV_TIME, 0, "(COALESCE (DATE_TO_TIME birthday) T)");
    value("coalesce(email_consent, age > 3)", RV_BOOL, 0, "(COALESCE email_consent (GT age 3))");
    value("coalesce(country)", RV_STRING, 0, "country");
    value("bucket(recency(nps), 30 days, 90 days)", RV_INT, 0, "(BUCKET (SUB T (LAST_TIME nps <= T)) [30d, 90d])");
    value("split('salt', 100)", RV_INT, 0, "(SPLIT #100 'salt')");
    value("interests", RV_SET, 0, "interests");
}

static void aggregates_take_properties_and_fields_of_events(void **state) {
    (void)state;
    value("sum(value of purchase)", RV_DECIMAL, 2, "(SUM event.value purchase <= T)");
    value("avg(score of nps)", RV_DOUBLE, 0, "(AVG event.score nps <= T)");
    value("max(at of nps)", RV_TIME, 0, "(MAX event.at nps <= T)");
    value("last(channel of engaged)", RV_STRING, 0, "(LAST event.channel email_click|page_view|search|purchase <= T)");
    value("distinct(week of nps)", RV_INT, 0, "(DISTINCT (WEEK event.at) nps <= T)");
    value("first(weekday of nps)", RV_INT, 0, "(FIRST (WEEKDAY event.at) nps <= T)");
    value("first(flag of nps)", RV_BOOL, 0, "(FIRST event.flag nps <= T)");
    value("min(topic of nps)", RV_STRING, 0, "(MIN event.topic nps <= T)");
    value("first(nps)", RV_TIME, 0, "(FIRST_TIME nps <= T)");
    value("count(purchase|engaged|purchase)", RV_INT, 0, "(COUNT email_click|page_view|search|purchase <= T)");
    value("count(any where type = 'nps' and contact.age > score)", RV_INT, 0,
          "(COUNT email_sent|email_click|page_view|search|download|cart_add|purchase|bounce|nps where (AND (EQ "
          "event.type "
          "'nps') (GT age event.score)) <= T)");
    value("count(nps where company.employees > 3 and source = 's' and id != '')", RV_INT, 0,
          "(COUNT nps where (AND (GT company.employees 3) (EQ event.source 's') (NE event.id '')) <= T)");
}

static void windows_become_bounds(void **state) {
    (void)state;
    value("count(nps within 30 days)", RV_INT, 0, "(COUNT nps > T-30d <= T)");
    value("count(nps from 30 days ago)", RV_INT, 0, "(COUNT nps >= T-30d <= T)");
    value("count(nps from 2026-10-01 to 2026-10-31)", RV_INT, 0, "(COUNT nps >= T-31d < T-1d)");
    value("count(nps to 3 days ago + 1 day)", RV_INT, 0, "(COUNT nps < T-2d)");
    value("count(nps to 3 days from now)", RV_INT, 0, "(COUNT nps <= T)");
    value("count(nps to now)", RV_INT, 0, "(COUNT nps < T)");
    value("count(nps from (birthday) to (signed_up_at) + 1 week)", RV_INT, 0,
          "(COUNT nps >= (DATE_TO_TIME birthday) < (ADD signed_up_at 7d) until<= T)");
    value("funnel(nps then purchase in 3 days)", RV_INT, 0, "(FUNNEL nps then purchase in 3d <= T until<= T)");
    value("funnel(nps then purchase where value > 1 in 3 days from (birthday) to 1 day ago)", RV_INT, 0,
          "(FUNNEL nps then purchase where (GT event.value 1) in 3d >= (DATE_TO_TIME birthday) < T-1d until<= T)");
}

static void another_instant_moves_windows_and_sees_no_more(void **state) {
    (void)state;
    value("count(nps within 30 days) at 90 days ago", RV_INT, 0, "(COUNT nps > T-120d <= T-90d)");
    value("count(nps within 30 days) at 10 days from now", RV_INT, 0, "(COUNT nps > T-20d <= T)");
    value("count(nps to 1 day ago) at 2 days ago", RV_INT, 0, "(COUNT nps < T-3d)");
    value("count(nps to now) at (signed_up_at)", RV_INT, 0,
          "(COUNT nps < signed_up_at until<= (EARLIER T signed_up_at))");
    value("(count(nps) at 5 days from now) at 3 days ago", RV_INT, 0, "(COUNT nps <= T-3d)");
    value("count(nps) at 1 day ago at 3 days ago", RV_INT, 0, "(COUNT nps <= T-4d)");
    value("recency(nps) at 2026-10-31", RV_DURATION, 0, "(SUB T-1d (LAST_TIME nps <= T-1d))");
    value("now at 3 days ago", RV_TIME, 0, "T-3d");
    value("score(engagement) at 30 days ago", RV_DOUBLE, 0, "(SCORE T-30d model0)");
    value("score(engagement) at 30 days from now", RV_DOUBLE, 0, "(SCORE T+30d T model0)");
    value("score(engagement) at (signed_up_at)", RV_DOUBLE, 0, "(SCORE signed_up_at (EARLIER T signed_up_at) model0)");
    value("score(engagement)", RV_DOUBLE, 0, "(SCORE T model0)");
}

static void a_boolean_at_another_instant_needs_the_population(void **state) {
    (void)state;
    filter("exists(nps) at 3 days ago",
           "(AND (EXISTS nps <= T-3d) (OR (NOT (IS_SET signed_up_at)) (LE signed_up_at T-3d)))");
    filter(
        "(not exists(nps)) at (birthday)",
        "(AND (NOT (EXISTS nps <= (EARLIER T (DATE_TO_TIME birthday)))) (AND (IS_SET (DATE_TO_TIME birthday)) (OR (NOT "
        "(IS_SET signed_up_at)) (LE signed_up_at (DATE_TO_TIME birthday)))))");
    value(
        "last(flag of nps) at 3 days ago", RV_BOOL, 0,
        "(COALESCE (WHEN false (NOT (OR (NOT (IS_SET signed_up_at)) (LE signed_up_at T-3d)))) (LAST event.flag nps <= "
        "T-3d))");
}

static void a_missing_instant_makes_the_value_missing(void **state) {
    (void)state;
    value("(count(nps) + 1) at (signed_up_at)", RV_INT, 0, "(ADD (COUNT nps <= (EARLIER T signed_up_at)) 1)");
    value("coalesce(count(nps), 0) at (signed_up_at)", RV_INT, 0,
          "(WHEN (COALESCE (COUNT nps <= (EARLIER T signed_up_at)) 0) (IS_SET signed_up_at))");
    value("split('a', 10) at (signed_up_at)", RV_INT, 0, "(WHEN (SPLIT #10 'a') (IS_SET signed_up_at))");
    value("split('a', 10) at 3 days ago", RV_INT, 0, "(SPLIT #10 'a')");
}

static void segments_are_inlined_with_their_instant(void **state) {
    (void)state;
    filter("segment('vip')", "(GE (SUM event.value purchase > T-365d <= T) 300)");
    filter("segment('everyone') and segment('germans')", "(AND (TRUTH true) (EQ country 'DE'))");
    filter(
        "segment('asleep') at 10 days from now or segment('asleep') at 20 days from now",
        "(OR (AND (NOT (EXISTS email_click|page_view|search|purchase > T-170d <= T)) (OR (NOT (IS_SET signed_up_at)) "
        "(LE signed_up_at T+10d))) (AND (NOT (EXISTS email_click|page_view|search|purchase > T-160d <= T)) (OR (NOT "
        "(IS_SET signed_up_at)) (LE signed_up_at T+20d))))");
    filter("segment('asleep') at 10 days ago", "(AND (NOT (EXISTS email_click|page_view|search|purchase > T-190d <= "
                                               "T-10d)) (OR (NOT (IS_SET signed_up_at)) (LE "
                                               "signed_up_at T-10d)))");
}

static void equal_parts_exist_once(void **state) {
    (void)state;
    uint32_t one, two, three;
    assert_int_equal(rv_builder_filter(builder, "a", "segment('vip') and age > 3", &one, &err), RV_OK);
    assert_int_equal(rv_builder_filter(builder, "b",
                                       "sum(value of purchase within 52 weeks + 1 day) >= 300 and age > 3", &two, &err),
                     RV_INVALID_ARGUMENT);
    size_t before = finished()->n_nodes;
    assert_int_equal(rv_builder_filter(builder, "b", "segment('vip') and age > 3 -- the same", &two, &err), RV_OK);
    assert_int_equal(one, two);
    assert_int_equal(finished()->n_nodes, before);
    assert_int_equal(
        rv_builder_filter(builder, "c",
                          "sum(value of purchase from (365 days ago)) > 1 or funnel(nps then purchase in 1 day) "
                          "= 2 or funnel(nps then purchase in 24 hours) = 2 or score(engagement) > 3",
                          &three, &err),
        RV_OK);
    assert_int_equal(finished()->n_selections, 2);
    assert_int_equal(finished()->n_funnels, 1);
    assert_int_equal(finished()->n_scores, 1);
    assert_int_equal(finished()->scores[0]->n_points, 2);
    assert_true(finished()->scores[0]->points[0]->type < finished()->scores[0]->points[1]->type);
}

static void the_population_is_those_who_were_there(void **state) {
    (void)state;
    const Reveille__V1__Program *program = finished();
    assert_true(program->population > 0);
    shows(program->population - 1, "population", "(OR (NOT (IS_SET signed_up_at)) (LE signed_up_at T))");
    assert_int_equal(program->now_ms, RVT_NOW);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_builder, close_builder)
    const struct CMUnitTest tests[] = {
        TEST(conditions_are_never_missing),
        TEST(tests_take_one_kind),
        TEST(dates_meet_times_at_midnight),
        TEST(arithmetic_is_exact_and_folds),
        TEST(functions_know_their_types),
        TEST(aggregates_take_properties_and_fields_of_events),
        TEST(windows_become_bounds),
        TEST(another_instant_moves_windows_and_sees_no_more),
        TEST(a_boolean_at_another_instant_needs_the_population),
        TEST(a_missing_instant_makes_the_value_missing),
        TEST(segments_are_inlined_with_their_instant),
        TEST(equal_parts_exist_once),
        TEST(the_population_is_those_who_were_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Requests become queries: the shape of the answer, what the coverage says, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/define.h"
#include "../../coordinator/ledger.h"
#include "../../coordinator/plan.h"
#include "reveille/limits.h"

#define NOW 1780000000000ll

static rv_arena_t arena;
static rvc_plan_context_t context;
static rv_error_t err;

static int begin(void **state) {
    (void)state;
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__Attribute country = REVEILLE__V1__ATTRIBUTE__INIT, age = country, value = country;
    Reveille__V1__Attribute *attributes[] = {&country, &age}, *properties[] = {&value};
    Reveille__V1__EventType purchase = REVEILLE__V1__EVENT_TYPE__INIT, click = purchase, *types[] = {&purchase, &click};
    Reveille__V1__Catalog *next;
    rv_catalog_t *empty = rv_catalog_empty();
    bool changed;
    rv_arena_init(&arena, 16u << 20);
    schema.contact_key = "the key";
    schema.event_id = "event";
    country.name = "country";
    country.type = RV_STRING;
    age.name = "age";
    age.type = RV_INT;
    value.name = "value";
    value.type = RV_DECIMAL;
    value.scale = 2;
    purchase.name = "purchase";
    click.name = "click";
    schema.n_contact_attributes = 2;
    schema.contact_attributes = attributes;
    schema.n_event_properties = 1;
    schema.event_properties = properties;
    schema.n_event_types = 2;
    schema.event_types = types;
    schema.kept_since_case = REVEILLE__V1__SCHEMA__KEPT_SINCE_KEPT_SINCE_MS;
    schema.kept_since_ms = NOW - 100ll * 86400000;
    if (rvc_define_schema(empty, &schema, NULL, 0, false, NOW, &arena, &next, &changed, &err) != RV_OK ||
        rv_catalog_new(next, &context.catalog, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_true(changed);
    rv_catalog_unref(&empty);
    context.wall_ms = NOW;
    memset(&err, 0, sizeof err);
    return 0;
}

static int end(void **state) {
    (void)state;
    rv_catalog_unref(&context.catalog);
    rv_arena_done(&arena);
    return 0;
}

static void a_count_has_a_filter_and_an_instant(void **state) {
    (void)state;
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    rvc_plan_t *plan = NULL;
    request.filter = "country = 'DE' and exists(purchase within 90 days)";
    assert_int_equal(rvc_plan_count(&context, &request, &plan, &err), RV_OK);
    assert_int_equal(plan->as_of_ms, NOW);
    assert_int_equal(plan->n_current_attributes, 0);
    assert_false(plan->before_kept);
    assert_true(plan->query.filter > 0);
    assert_int_equal(plan->query.schema_version, 1);
    rvc_plan_destroy(&plan);
    options.as_of_case = REVEILLE__V1__READ_OPTIONS__AS_OF_AS_OF_MS;
    options.as_of_ms = NOW - 20ll * 86400000;
    options.allow_partial = true;
    request.options = &options;
    assert_int_equal(rvc_plan_count(&context, &request, &plan, &err), RV_OK);
    assert_int_equal(plan->query.program->now_ms, options.as_of_ms);
    assert_int_equal(plan->n_current_attributes, 1);
    assert_string_equal(plan->current_attributes[0], "country");
    assert_true(plan->before_kept);
    assert_true(plan->allow_partial);
    rvc_plan_destroy(&plan);
}

static void a_select_without_fields_gives_the_key_by_its_name(void **state) {
    (void)state;
    Reveille__V1__SelectRequest request = REVEILLE__V1__SELECT_REQUEST__INIT;
    rvc_plan_t *plan = NULL;
    request.limit = 7;
    if (rvc_plan_select(&context, &request, &plan, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(plan->n_outputs, 1);
    assert_string_equal(plan->outputs[0].name, "the key");
    assert_int_equal(plan->query.rows->limit, 7);
    assert_int_equal(plan->query.filter, 0);
    rvc_plan_destroy(&plan);
    request.fields = "age, sum(value of purchase)";
    request.order_by = "age desc, country";
    assert_int_equal(rvc_plan_select(&context, &request, &plan, &err), RV_OK);
    assert_int_equal(plan->n_outputs, 2);
    assert_string_equal(plan->outputs[1].name, "sum(value of purchase)");
    assert_int_equal(plan->outputs[1].type, RV_DECIMAL);
    assert_int_equal(plan->outputs[1].scale, 2);
    assert_int_equal(plan->query.rows->n_order, 2);
    assert_true(plan->query.rows->order[0]->descending);
    assert_false(plan->query.rows->order[1]->descending);
    rvc_plan_destroy(&plan);
}

static void an_aggregate_has_groups_then_measures(void **state) {
    (void)state;
    Reveille__V1__AggregateRequest request = REVEILLE__V1__AGGREGATE_REQUEST__INIT;
    rvc_plan_t *plan = NULL;
    assert_int_equal(rvc_plan_aggregate(&context, &request, &plan, &err), RV_OK);
    assert_int_equal(plan->n_by, 0);
    assert_int_equal(plan->n_outputs, 1);
    assert_string_equal(plan->outputs[0].name, "count");
    rvc_plan_destroy(&plan);
    request.by = "country, bucket(age, 18, 30)";
    request.compute = "count, avg(age), sum(sum(value of purchase))";
    assert_int_equal(rvc_plan_aggregate(&context, &request, &plan, &err), RV_OK);
    assert_int_equal(plan->n_by, 2);
    assert_int_equal(plan->n_outputs, 5);
    assert_int_equal(plan->n_measures, 3);
    assert_int_equal(plan->outputs[1].type, RV_INT);
    assert_int_equal(plan->outputs[3].type, RV_DOUBLE);
    assert_int_equal(plan->outputs[4].type, RV_DECIMAL);
    rvc_plan_destroy(&plan);
}

static void the_other_reads_are_planned(void **state) {
    (void)state;
    Reveille__V1__FunnelRequest funnel = REVEILLE__V1__FUNNEL_REQUEST__INIT;
    Reveille__V1__RetentionRequest retention = REVEILLE__V1__RETENTION_REQUEST__INIT;
    Reveille__V1__OverlapRequest overlap = REVEILLE__V1__OVERLAP_REQUEST__INIT;
    Reveille__V1__NamedFilter a = REVEILLE__V1__NAMED_FILTER__INIT, b = a, *filters[] = {&a, &b};
    rvc_plan_t *plan = NULL;
    funnel.steps = "click then purchase where value > 5";
    funnel.within = "14 days";
    if (rvc_plan_funnel(&context, &funnel, &plan, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(plan->n_names, 2);
    assert_string_equal(plan->names[1], "purchase where value > 5");
    assert_int_equal(plan->query.groups->n_by, 1);
    rvc_plan_destroy(&plan);
    retention.start = "first(click)";
    retention.cohort = "30 days";
    retention.event = "purchase";
    retention.period = "7 days";
    retention.periods = 4;
    if (rvc_plan_retention(&context, &retention, &plan, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(plan->cohort_ms, 30ll * 86400000);
    assert_int_equal(plan->query.retention->period_ms, 7ll * 86400000);
    rvc_plan_destroy(&plan);
    retention.periods = RV_MAX_PERIODS + 1;
    assert_int_equal(rvc_plan_retention(&context, &retention, &plan, &err), RV_INVALID_ARGUMENT);
    assert_string_equal(err.field, "periods");
    a.name = "a";
    a.filter = "country = 'DE'";
    b.name = "b";
    b.filter = "age > 5";
    overlap.n_segments = 2;
    overlap.segments = filters;
    assert_int_equal(rvc_plan_overlap(&context, &overlap, &plan, &err), RV_OK);
    assert_int_equal(plan->query.overlap->n_conditions, 2);
    rvc_plan_destroy(&plan);
    b.name = "a";
    assert_int_equal(rvc_plan_overlap(&context, &overlap, &plan, &err), RV_INVALID_ARGUMENT);
    overlap.n_segments = 1;
    assert_int_equal(rvc_plan_overlap(&context, &overlap, &plan, &err), RV_INVALID_ARGUMENT);
}

static void what_is_wrong_is_refused_with_its_place(void **state) {
    (void)state;
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    rvc_plan_t *plan = NULL;
    request.filter = "age > 5 and contry = 'DE'";
    assert_int_equal(rvc_plan_count(&context, &request, &plan, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(err.reason, RV_REASON_FILTER);
    assert_int_equal(err.line, 1);
    assert_int_equal(err.column, 13);
    assert_null(plan);
    rv_catalog_t *empty = rv_catalog_empty();
    rvc_plan_context_t none = {empty, NOW};
    request.filter = "";
    assert_int_equal(rvc_plan_count(&none, &request, &plan, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(err.reason, RV_REASON_SCHEMA);
    rv_catalog_unref(&empty);
}

static void score_models_are_checked_and_versioned(void **state) {
    (void)state;
    Reveille__V1__ScorePoints points = REVEILLE__V1__SCORE_POINTS__INIT, *list[] = {&points};
    Reveille__V1__ScoreModel model = REVEILLE__V1__SCORE_MODEL__INIT, *defined;
    Reveille__V1__Catalog *next;
    bool changed;
    model.name = "engagement";
    model.half_life_ms = 1000;
    model.n_events = 1;
    model.events = list;
    points.type = "clck";
    points.points = 5;
    assert_int_equal(rvc_define_score(context.catalog, &model, &arena, &next, &defined, &changed, &err),
                     RV_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "did you mean 'click'"));
    points.type = "click";
    assert_int_equal(rvc_define_score(context.catalog, &model, &arena, &next, &defined, &changed, &err), RV_OK);
    assert_true(changed);
    assert_int_equal(defined->version, 1);
    rv_catalog_t *second = NULL;
    assert_int_equal(rv_catalog_new(next, &second, &err), RV_OK);
    assert_int_equal(rvc_define_score(second, &model, &arena, &next, &defined, &changed, &err), RV_OK);
    assert_false(changed);
    points.points = 6;
    assert_int_equal(rvc_define_score(second, &model, &arena, &next, &defined, &changed, &err), RV_OK);
    assert_true(changed);
    assert_int_equal(defined->version, 2);
    model.half_life_ms = 0;
    assert_int_equal(rvc_define_score(second, &model, &arena, &next, &defined, &changed, &err), RV_INVALID_ARGUMENT);
    rv_catalog_unref(&second);
}

/* Removing what segments use needs force, and the refusal says what would break. */
static void a_removal_names_what_it_breaks(void **state) {
    (void)state;
    Reveille__V1__Segment segment = REVEILLE__V1__SEGMENT__INIT, *defined;
    Reveille__V1__Catalog *next;
    bool changed;
    segment.name = "buyers";
    segment.filter = "exists(click)";
    assert_int_equal(rvc_define_segment(context.catalog, &segment, NOW, &arena, &next, &defined, &changed, &err),
                     RV_OK);
    rv_catalog_t *with = NULL;
    assert_int_equal(rv_catalog_new(next, &with, &err), RV_OK);
    Reveille__V1__Schema smaller = *rv_catalog_message(with)->schema;
    smaller.n_event_types = 1;
    assert_int_equal(rvc_define_schema(with, &smaller, NULL, 0, false, NOW, &arena, &next, &changed, &err),
                     RV_FAILED_PRECONDITION);
    assert_int_equal(err.reason, RV_REASON_SCHEMA);
    assert_non_null(strstr(err.message, "segment 'buyers'"));
    assert_int_equal(rvc_define_schema(with, &smaller, NULL, 0, true, NOW, &arena, &next, &changed, &err), RV_OK);
    assert_true(changed);
    rv_catalog_unref(&with);
}

static void a_ledger_counts_each_partition_once(void **state) {
    (void)state;
    static const uint8_t ID[16];
    rvc_placement_t map[3] = {
        {.worker = "w", .created = true}, {.worker = "w", .created = true}, {.worker = "v", .created = true}};
    rvc_cluster_t *cluster = rvc_cluster_new(ID, 3, map, 0);
    rvc_ledger_t ledger;
    uint32_t failed[3];
    assert_int_equal(rvc_ledger_open(cluster, &ledger, NULL), RV_OK);
    assert_int_equal(rvc_ledger_failed(&ledger, failed), 3); /* nobody is alive */
    rvc_ledger_done(&ledger);
    assert_int_equal(rvc_ledger_new((const uint32_t[]){0, 0, 1}, 3, &ledger, NULL), RV_OK);
    Reveille__V1__Status ok = REVEILLE__V1__STATUS__INIT, bad = ok;
    Reveille__V1__QueryPartitionResult results[4], *list[] = {&results[0], &results[1], &results[2], &results[3]};
    const uint32_t numbers[] = {0, 2, 0, 9};
    for (int i = 0; i < 4; i++) {
        reveille__v1__query_partition_result__init(&results[i]);
        results[i].partition = numbers[i];
        results[i].status = &ok;
        results[i].lsn = 7;
    }
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    response.n_partitions = 4;
    response.partitions = list;
    rvc_ledger_enter(&ledger, 0, &response, &err);
    assert_int_equal(err.reason, RV_REASON_INCOMPLETE); /* partition 1 was left out */
    assert_int_equal(ledger.surplus, 3);                /* another worker's, a repetition, one that does not exist */
    assert_int_equal(rvc_ledger_answered(&ledger), 1);
    bad.code = REVEILLE__V1__CODE__CODE_DATA_LOSS;
    bad.message = "a checksum";
    results[1].status = &bad;
    response.n_partitions = 2;
    rvc_ledger_enter(&ledger, 1, &response, &err);
    assert_int_equal(err.status, RV_DATA_LOSS);
    rvc_plan_t plan = {.as_of_ms = 5, .before_kept = true};
    Reveille__V1__Coverage *coverage = rvc_ledger_coverage(&ledger, &plan, &arena);
    assert_int_equal(coverage->partitions_expected, 3);
    assert_int_equal(coverage->partitions_answered, 1);
    assert_int_equal(coverage->n_missing, 2);
    assert_int_equal(coverage->data_version[0]->lsn, 7);
    assert_true(coverage->window_before_kept);
    rvc_ledger_done(&ledger);
    rvc_cluster_destroy(&cluster);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_count_has_a_filter_and_an_instant),     TEST(a_select_without_fields_gives_the_key_by_its_name),
        TEST(an_aggregate_has_groups_then_measures),   TEST(the_other_reads_are_planned),
        TEST(what_is_wrong_is_refused_with_its_place), TEST(score_models_are_checked_and_versioned),
        TEST(a_removal_names_what_it_breaks),          TEST(a_ledger_counts_each_partition_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

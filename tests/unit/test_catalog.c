/* catalog: names and numbers find what the schema declares. */
#include "reveille/catalog.h"

#include "schema_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef Reveille__V1__Schema schema_t;

/* The shop with its numbers. */
static schema_t *numbered_shop(void) {
    schema_t *schema = NULL;
    bool changed;
    rv_error_t err = {0};
    if (rv_schema_apply(NULL, rvt_shop(), false, &rvt_arena, &schema, &changed, &err) != RV_OK)
        fail_msg("%s", err.message);
    return schema;
}

static rv_catalog_t *catalog_of(schema_t *schema) {
    Reveille__V1__Catalog message = REVEILLE__V1__CATALOG__INIT;
    message.version = 9;
    message.schema = schema;
    rv_catalog_t *catalog = NULL;
    rv_error_t err = {0};
    if (rv_catalog_new(&message, &catalog, &err) != RV_OK)
        fail_msg("%s", err.message);
    return catalog;
}

static void everything_is_found_by_name_and_number(void **state) {
    (void)state;
    rv_catalog_t *catalog = catalog_of(numbered_shop());
    assert_int_equal(rv_catalog_version(catalog), 9);
    assert_int_equal(rv_catalog_schema_version(catalog), 1);
    assert_int_equal(rv_catalog_message(catalog)->schema->n_event_types, 3);
    const rv_attribute_t *ltv = rv_catalog_attribute(catalog, "ltv and more", 3);
    assert_non_null(ltv);
    assert_string_equal(ltv->name, "ltv");
    assert_int_equal(ltv->id, 4);
    assert_int_equal(ltv->type, RV_DECIMAL);
    assert_int_equal(ltv->scale, 2);
    assert_ptr_equal(rv_catalog_attribute_by_id(catalog, 4), ltv);
    assert_null(rv_catalog_attribute(catalog, "LTV", 3));
    assert_null(rv_catalog_attribute(catalog, "lt", 2));
    assert_null(rv_catalog_attribute(catalog, "", 0));
    assert_null(rv_catalog_attribute_by_id(catalog, 0));
    assert_null(rv_catalog_attribute_by_id(catalog, 6));
    assert_ptr_equal(rv_catalog_company_attribute(catalog, "employees", 9),
                     rv_catalog_company_attribute_by_id(catalog, 2));
    assert_ptr_equal(rv_catalog_property(catalog, "value", 5), rv_catalog_property_by_id(catalog, 2));
    assert_ptr_equal(rv_catalog_type(catalog, "page_view", 9), rv_catalog_type_by_id(catalog, 3));
    assert_string_equal(rv_catalog_company_reference(catalog)->name, "company");
    assert_string_equal(rv_catalog_created(catalog)->name, "signed_up_at");
    size_t n;
    assert_string_equal(rv_catalog_attributes(catalog, &n)[4].name, "age");
    assert_int_equal(n, 5);
    assert_string_equal(rv_catalog_company_attributes(catalog, &n)[0].name, "industry");
    assert_int_equal(n, 2);
    assert_string_equal(rv_catalog_properties(catalog, &n)[1].name, "value");
    assert_int_equal(n, 2);
    assert_string_equal(rv_catalog_types(catalog, &n)[1].name, "purchase");
    assert_int_equal(n, 3);
    rv_catalog_unref(&catalog);
    assert_null(catalog);
}

static void types_and_groups_list_numbers_in_order(void **state) {
    (void)state;
    rv_catalog_t *catalog = catalog_of(numbered_shop());
    const rv_event_type_t *purchase = rv_catalog_type(catalog, "purchase", 8);
    assert_string_equal(purchase->channel, "web");
    assert_int_equal(purchase->n_properties, 2);
    assert_int_equal(purchase->properties[0], 1);
    assert_int_equal(purchase->properties[1], 2);
    const rv_event_type_t *view = rv_catalog_type(catalog, "page_view", 9);
    assert_string_equal(view->channel, "");
    assert_null(view->properties);
    const uint32_t *places;
    size_t n, count;
    const rv_event_type_t *types = rv_catalog_types(catalog, &count);
    assert_true(rv_catalog_group(catalog, "engaged", 7, &places, &n));
    assert_int_equal(n, 2);
    assert_int_equal(types[places[0]].id, 1);
    assert_int_equal(types[places[1]].id, 3);
    assert_false(rv_catalog_group(catalog, "purchase", 8, &places, &n));
    rv_catalog_unref(&catalog);
}

static void segments_and_scores_are_found(void **state) {
    (void)state;
    Reveille__V1__Segment vip = REVEILLE__V1__SEGMENT__INIT, *segments[] = {&vip, &vip};
    Reveille__V1__ScoreModel fit = REVEILLE__V1__SCORE_MODEL__INIT, *scores[] = {&fit};
    Reveille__V1__Catalog message = REVEILLE__V1__CATALOG__INIT;
    vip.name = rvt_text("vip");
    vip.filter = rvt_text("ltv > 5");
    fit.name = rvt_text("fit");
    fit.half_life_ms = 1;
    message.segments = segments;
    message.scores = scores;
    message.n_segments = message.n_scores = 1;
    rv_catalog_t *catalog = NULL;
    assert_int_equal(rv_catalog_new(&message, &catalog, NULL), RV_OK);
    vip.filter[0] = 'x'; /* it has a copy of its own */
    assert_string_equal(rv_catalog_segment(catalog, "vip", 3)->filter, "ltv > 5");
    assert_int_equal(rv_catalog_score(catalog, "fit", 3)->half_life_ms, 1);
    assert_null(rv_catalog_segment(catalog, "fit", 3));
    assert_null(rv_catalog_score(catalog, "vip", 3));
    rv_catalog_unref(&catalog);
    rv_error_t err = {0};
    message.n_segments = 2;
    assert_int_equal(rv_catalog_new(&message, &catalog, &err), RV_DATA_LOSS);
    assert_int_equal(err.reason, RV_REASON_DAMAGED);
    message.n_segments = 1;
    fit.half_life_ms = 0;
    assert_int_equal(rv_catalog_new(&message, &catalog, &err), RV_DATA_LOSS);
    assert_null(catalog);
}

static void an_empty_catalog_knows_nothing(void **state) {
    (void)state;
    rv_catalog_t *catalog = rv_catalog_empty(), *other;
    assert_non_null(catalog);
    other = rv_catalog_ref(catalog);
    rv_catalog_unref(&catalog);
    size_t n = 7;
    rv_catalog_types(other, &n);
    assert_int_equal(n, 0);
    assert_int_equal(rv_catalog_version(other), 0);
    assert_int_equal(rv_catalog_schema_version(other), 0);
    assert_null(rv_catalog_attribute(other, "x", 1));
    assert_null(rv_catalog_type_by_id(other, 1));
    assert_null(rv_catalog_segment(other, "x", 1));
    assert_null(rv_catalog_created(other));
    assert_null(rv_catalog_company_reference(other));
    const uint32_t *types;
    assert_false(rv_catalog_group(other, "x", 1, &types, &n));
    rv_catalog_unref(&other);
    rv_catalog_unref(&other);
}

static void assert_damaged(schema_t *schema) {
    Reveille__V1__Catalog message = REVEILLE__V1__CATALOG__INIT;
    rv_catalog_t *catalog = NULL;
    rv_error_t err = {0};
    message.schema = schema;
    assert_int_equal(rv_catalog_new(&message, &catalog, &err), RV_DATA_LOSS);
    assert_int_equal(err.reason, RV_REASON_DAMAGED);
    assert_null(catalog);
}

static void a_damaged_catalog_is_refused(void **state) {
    (void)state;
    schema_t *schema = numbered_shop();
    schema->contact_attributes[0]->id = 2;
    assert_damaged(schema);
    schema->contact_attributes[0]->id = 0;
    assert_damaged(schema);
    schema->contact_attributes[0]->id = 6;
    assert_damaged(schema);
    schema->contact_attributes[0]->id = 1;
    schema->event_types[2]->id = 1;
    assert_damaged(schema);
    schema->event_types[2]->id = 3;
    schema->event_types[2]->name = rvt_text("purchase");
    assert_damaged(schema);
    schema->event_types[2]->name = rvt_text("page_view");
    schema->contact_created = rvt_text("birth");
    assert_damaged(schema);
    schema->contact_created = rvt_text("");
    schema->contact_attributes[0]->type = (rv_type_t)77;
    assert_damaged(schema);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rvt_open_arena, rvt_close_arena)
    const struct CMUnitTest tests[] = {
        TEST(everything_is_found_by_name_and_number), TEST(types_and_groups_list_numbers_in_order),
        TEST(segments_and_scores_are_found),          TEST(an_empty_catalog_knows_nothing),
        TEST(a_damaged_catalog_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

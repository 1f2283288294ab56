/* schema apply: gives numbers once and refuses what would hurt. */
#include "reveille/catalog.h"

#include "reveille/limits.h"
#include "schema_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef Reveille__V1__Schema schema_t;
typedef Reveille__V1__EventType type_t;

static schema_t *applied(const schema_t *old, const schema_t *wanted, bool force) {
    schema_t *next = NULL;
    bool changed = false;
    rv_error_t err = {0};
    if (rv_schema_apply(old, wanted, force, &rvt_arena, &next, &changed, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_true(changed);
    assert_int_equal(next->version, old == NULL ? 1 : old->version + 1);
    return next;
}

static void assert_refused_over(const schema_t *old, const schema_t *wanted, bool force, rv_reason_t reason,
                                const char *field) {
    schema_t *next = NULL;
    bool changed = true;
    rv_error_t err = {0};
    assert_int_equal(rv_schema_apply(old, wanted, force, &rvt_arena, &next, &changed, &err), rv_reason_status(reason));
    assert_int_equal(err.reason, reason);
    assert_string_equal(err.field, field);
    assert_true(err.message[0] != '\0' && next == NULL && changed);
}

static void assert_refused(const schema_t *wanted, const char *field) {
    assert_refused_over(NULL, wanted, true, RV_REASON_FIELD, field);
}

static void a_new_schema_gets_numbers_from_one(void **state) {
    (void)state;
    schema_t *wanted = rvt_shop();
    wanted->version = 77;
    wanted->next_type_id = 50;
    wanted->contact_attributes[0]->id = 12;
    schema_t *schema = applied(NULL, wanted, false);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(schema->contact_attributes[i]->id, i + 1);
    assert_int_equal(schema->company_attributes[1]->id, 2);
    assert_int_equal(schema->event_properties[1]->id, 2);
    assert_int_equal(schema->event_types[2]->id, 3);
    assert_int_equal(schema->next_attribute_id, 6);
    assert_int_equal(schema->next_company_attribute_id, 3);
    assert_int_equal(schema->next_property_id, 3);
    assert_int_equal(schema->next_type_id, 4);
}

static void the_same_schema_again_changes_nothing(void **state) {
    (void)state;
    schema_t *schema = applied(NULL, rvt_shop(), false), *again = NULL;
    bool changed = true;
    assert_int_equal(rv_schema_apply(schema, rvt_shop(), false, &rvt_arena, &again, &changed, NULL), RV_OK);
    assert_false(changed);
    assert_int_equal(again->version, 1);
    assert_int_equal(again->contact_attributes[4]->id, 5);
    /* nor does what SchemaService.Get gave */
    assert_int_equal(rv_schema_apply(schema, again, false, &rvt_arena, &again, &changed, NULL), RV_OK);
    assert_false(changed);
}

static void what_keeps_its_name_keeps_its_number(void **state) {
    (void)state;
    schema_t *schema = applied(NULL, rvt_shop(), false), *wanted = rvt_schema();
    wanted->company_key = rvt_text("company");
    rvt_attribute(wanted, "new", RV_SET, 0);
    for (size_t i = 5; i-- > 0;)
        rvt_attribute(wanted, schema->contact_attributes[i]->name, schema->contact_attributes[i]->type,
                      schema->contact_attributes[i]->scale);
    rvt_company_attribute(wanted, "employees", RV_INT);
    rvt_company_attribute(wanted, "industry", RV_STRING);
    rvt_property(wanted, "value", RV_DECIMAL, 2);
    rvt_property(wanted, "topic", RV_STRING, 0);
    rvt_type(wanted, "page_view")->channel = rvt_text("app");
    rvt_type(wanted, "purchase");
    rvt_type(wanted, "email_click");
    rvt_type(wanted, "search");
    rvt_member(rvt_group(wanted, "engaged"), "search");
    wanted->kept_since_case = REVEILLE__V1__SCHEMA__KEPT_SINCE_KEPT_SINCE_MS;
    wanted->kept_since_ms = 1000;
    schema = applied(schema, wanted, false);
    assert_int_equal(schema->contact_attributes[0]->id, 6);
    assert_int_equal(schema->contact_attributes[1]->id, 5);
    assert_int_equal(schema->contact_attributes[5]->id, 1);
    assert_int_equal(schema->event_types[0]->id, 3);
    assert_int_equal(schema->event_types[3]->id, 4);
    assert_int_equal(schema->event_properties[0]->id, 2);
    assert_int_equal(schema->kept_since_ms, 1000);
}

static void removing_needs_force_and_numbers_do_not_come_back(void **state) {
    (void)state;
    schema_t *first = applied(NULL, rvt_shop(), false), *less = rvt_shop();
    less->n_contact_attributes--;
    assert_refused_over(first, less, false, RV_REASON_SCHEMA, "age");
    schema_t *second = applied(first, less, true);
    schema_t *third = applied(second, rvt_shop(), false);
    assert_string_equal(third->contact_attributes[4]->name, "age");
    assert_int_equal(third->contact_attributes[4]->id, 6);
    less = rvt_shop();
    less->n_event_groups = 0;
    assert_refused_over(first, less, false, RV_REASON_SCHEMA, "engaged");
    less->n_event_types--;
    assert_refused_over(first, less, false, RV_REASON_SCHEMA, "page_view");
    less = rvt_shop();
    less->n_company_attributes--;
    assert_refused_over(first, less, false, RV_REASON_SCHEMA, "employees");
    less = rvt_shop();
    less->event_types[1]->n_properties = 0;
    less->n_event_properties--;
    assert_refused_over(first, less, false, RV_REASON_SCHEMA, "value");
    applied(first, less, true);
}

static void types_do_not_change_under_data(void **state) {
    (void)state;
    schema_t *old = applied(NULL, rvt_shop(), false), *wanted = rvt_shop();
    wanted->contact_attributes[4]->type = RV_DOUBLE;
    assert_refused_over(old, wanted, true, RV_REASON_FEATURE, "age");
    wanted->contact_attributes[4]->type = RV_DECIMAL;
    assert_refused_over(old, wanted, true, RV_REASON_FEATURE, "age");
    wanted->contact_attributes[4]->type = RV_STRING;
    assert_refused_over(old, wanted, true, RV_REASON_SCHEMA, "age");
    wanted = rvt_shop();
    wanted->event_properties[1]->scale = 3;
    assert_refused_over(old, wanted, true, RV_REASON_SCHEMA, "value");
}

static void names_of_keys_stay(void **state) {
    (void)state;
    schema_t *old = applied(NULL, rvt_shop(), false), *wanted = rvt_shop();
    wanted->contact_key = rvt_text("customer");
    assert_refused_over(old, wanted, true, RV_REASON_SCHEMA, "contact.key");
    wanted = rvt_shop();
    wanted->company_key = rvt_text("firm");
    assert_refused_over(old, wanted, true, RV_REASON_SCHEMA, "company.key");
    wanted = rvt_shop();
    wanted->event_id = rvt_text("id");
    assert_refused_over(old, wanted, true, RV_REASON_SCHEMA, "event.id");
    /* one that there was not may come */
    schema_t *bare = rvt_schema();
    applied(applied(NULL, bare, false), rvt_shop(), false);
}

static void words_of_the_language_are_no_names(void **state) {
    (void)state;
    static const char *const words[] = {"and",    "OR",   "not",   "In",       "is",   "between", "contains",
                                        "starts", "ends", "like",  "matches",  "has",  "where",   "within",
                                        "from",   "to",   "then",  "followed", "with", "of",      "now",
                                        "ago",    "true", "FALSE", "asc",      "desc", "contact", "consent"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        schema_t *wanted = rvt_schema();
        rvt_attribute(wanted, words[i], RV_STRING, 0);
        if (strcmp(words[i], "contact") == 0)
            wanted->contact_key = rvt_text("person");
        assert_refused(wanted, words[i]);
        wanted = rvt_schema();
        rvt_property(wanted, words[i], RV_STRING, 0);
        assert_refused(wanted, words[i]);
        wanted = rvt_schema();
        rvt_type(wanted, words[i]);
        assert_refused(wanted, words[i]);
        wanted = rvt_schema();
        rvt_group(wanted, words[i]);
        assert_refused(wanted, words[i]);
        wanted = rvt_schema();
        wanted->company_key = rvt_text("firm");
        rvt_company_attribute(wanted, words[i], RV_STRING);
        assert_refused(wanted, words[i]);
    }
    schema_t *wanted = rvt_schema();
    wanted->contact_key = rvt_text("Where");
    assert_refused(wanted, "Where");
    wanted->contact_key = rvt_text("company");
    assert_refused(wanted, "company");
    wanted = rvt_schema();
    wanted->event_id = rvt_text("at");
    assert_refused(wanted, "at");
}

static void built_in_fields_are_no_properties_but_attributes(void **state) {
    (void)state;
    static const char *const fields[] = {"type",  "channel", "at",      "day",    "week",
                                         "month", "hour",    "weekday", "source", "id"};
    schema_t *contacts = rvt_schema();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        schema_t *wanted = rvt_schema();
        rvt_property(wanted, fields[i], RV_STRING, 0);
        assert_refused(wanted, fields[i]);
        rvt_attribute(contacts, fields[i], RV_STRING, 0);
    }
    rvt_attribute(contacts, "count", RV_INT, 0); /* a keyword only before "(" */
    applied(NULL, contacts, false);
}

static void any_is_no_type(void **state) {
    (void)state;
    schema_t *wanted = rvt_schema();
    rvt_type(wanted, "any");
    assert_refused(wanted, "any");
    wanted = rvt_schema();
    rvt_group(wanted, "any");
    assert_refused(wanted, "any");
}

static void company_is_the_reference_and_only_one(void **state) {
    (void)state;
    schema_t *wanted = rvt_shop();
    wanted->contact_attributes[2]->type = RV_STRING;
    assert_refused(wanted, "company");
    wanted = rvt_shop();
    rvt_attribute(wanted, "employer", RV_COMPANY, 0);
    assert_refused(wanted, "employer");
    wanted = rvt_shop();
    wanted->contact_attributes[2]->name = rvt_text("employer");
    applied(NULL, wanted, false);
    rvt_property(wanted, "seller", RV_COMPANY, 0);
    assert_refused(wanted, "seller");
    wanted = rvt_schema();
    rvt_attribute(wanted, "employer", RV_COMPANY, 0);
    assert_refused(wanted, "employer");
    wanted = rvt_schema();
    rvt_company_attribute(wanted, "industry", RV_STRING);
    assert_refused(wanted, "company.key");
}

static void names_are_checked(void **state) {
    (void)state;
    char longest[RV_MAX_NAME + 2];
    memset(longest, 'x', sizeof longest);
    longest[RV_MAX_NAME + 1] = '\0';
    static const char *const none[] = {"", "\xFF", "a\xC3"};
    for (size_t i = 0; i < 4; i++) {
        const char *name = i < 3 ? none[i] : longest;
        schema_t *wanted = rvt_schema();
        rvt_attribute(wanted, name, RV_STRING, 0);
        assert_refused(wanted, "");
        wanted = rvt_schema();
        rvt_type(wanted, name);
        assert_refused(wanted, "");
        wanted = rvt_schema();
        rvt_group(wanted, name);
        assert_refused(wanted, "");
    }
    longest[RV_MAX_NAME] = '\0';
    schema_t *wanted = rvt_schema();
    rvt_attribute(wanted, longest, RV_STRING, 0);
    rvt_attribute(wanted,
                  "Stra\xC3\x9F"
                  "e und Hausnummer",
                  RV_STRING, 0);
    rvt_attribute(wanted, "country", RV_STRING, 0);
    rvt_attribute(wanted, "Country", RV_STRING, 0);
    applied(NULL, wanted, false);
    wanted->contact_key = rvt_text("");
    assert_refused(wanted, "contact.key");
}

static void a_long_name_is_cut_at_a_character(void **state) {
    (void)state;
    char name[80] = "";
    for (size_t i = 0; i < 35; i++)
        strcat(name, "\xC3\xA9");
    schema_t *wanted = rvt_schema();
    rvt_attribute(wanted, name, RV_DURATION, 0);
    name[62] = '\0';
    assert_refused(wanted, name);
}

static void names_occur_once(void **state) {
    (void)state;
    schema_t *wanted = rvt_shop();
    rvt_attribute(wanted, "country", RV_INT, 0);
    assert_refused(wanted, "country");
    wanted = rvt_shop();
    rvt_company_attribute(wanted, "industry", RV_INT);
    assert_refused(wanted, "industry");
    wanted = rvt_shop();
    rvt_property(wanted, "topic", RV_STRING, 0);
    assert_refused(wanted, "topic");
    wanted = rvt_shop();
    rvt_type(wanted, "purchase");
    assert_refused(wanted, "purchase");
    wanted = rvt_shop();
    rvt_group(wanted, "engaged");
    assert_refused(wanted, "engaged");
    wanted = rvt_shop();
    rvt_group(wanted, "purchase");
    assert_refused(wanted, "purchase");
    wanted = rvt_shop();
    wanted->contact_key = rvt_text("country");
    assert_refused(wanted, "country");
    wanted = rvt_shop();
    wanted->event_id = rvt_text("topic");
    assert_refused(wanted, "topic");
}

static void types_and_scales_are_checked(void **state) {
    (void)state;
    static const int none[] = {0, 10, 99, -1};
    for (size_t i = 0; i < 4; i++) {
        schema_t *wanted = rvt_schema();
        rvt_attribute(wanted, "x", (rv_type_t)none[i], 0);
        assert_refused(wanted, "x");
    }
    schema_t *wanted = rvt_schema();
    rvt_attribute(wanted, "x", RV_DECIMAL, RV_MAX_SCALE);
    applied(NULL, wanted, false);
    rvt_attribute(wanted, "y", RV_DECIMAL, RV_MAX_SCALE + 1);
    assert_refused(wanted, "y");
    wanted = rvt_schema();
    rvt_property(wanted, "x", RV_INT, 2);
    assert_refused(wanted, "x");
}

static void history_is_not_built(void **state) {
    (void)state;
    schema_t *wanted = rvt_shop();
    wanted->contact_attributes[3]->history = true;
    assert_refused_over(NULL, wanted, false, RV_REASON_FEATURE, "ltv");
}

static void references_lead_somewhere(void **state) {
    (void)state;
    schema_t *wanted = rvt_shop();
    wanted->contact_created = rvt_text("signup");
    assert_refused(wanted, "contact.created");
    wanted->contact_created = rvt_text("country");
    assert_refused(wanted, "country");
    wanted = rvt_shop();
    rvt_allow(wanted->event_types[0], "colour");
    assert_refused(wanted, "email_click");
    wanted = rvt_shop();
    rvt_member(wanted->event_groups[0], "engaged");
    assert_refused(wanted, "engaged");
    wanted = rvt_shop();
    wanted->kept_since_case = REVEILLE__V1__SCHEMA__KEPT_SINCE_KEPT_SINCE_MS;
    wanted->kept_since_ms = -1;
    assert_refused(wanted, "event.kept_since");
    wanted->kept_since_ms = RV_TIME_MAX;
    applied(NULL, wanted, false);
}

static void fill(schema_t *wanted, void (*add)(schema_t *, const char *), size_t n) {
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "x%zu", i);
        add(wanted, name);
    }
}

static void one_attribute(schema_t *wanted, const char *name) {
    rvt_attribute(wanted, name, RV_INT, 0);
}

static void one_property(schema_t *wanted, const char *name) {
    rvt_property(wanted, name, RV_INT, 0);
}

static void one_type(schema_t *wanted, const char *name) {
    rvt_type(wanted, name);
}

static void one_group(schema_t *wanted, const char *name) {
    rvt_group(wanted, name);
}

static void limits_hold(void **state) {
    (void)state;
    static const struct {
        void (*add)(schema_t *, const char *);
        size_t most;
    } limits[] = {{one_attribute, RV_MAX_ATTRIBUTES},
                  {one_property, RV_MAX_PROPERTIES},
                  {one_type, RV_MAX_TYPES},
                  {one_group, RV_MAX_TYPES}};
    for (size_t i = 0; i < 4; i++) {
        schema_t *wanted = rvt_schema();
        fill(wanted, limits[i].add, limits[i].most);
        applied(NULL, wanted, false);
        limits[i].add(wanted, "more");
        assert_refused_over(NULL, wanted, false, RV_REASON_LIMIT, "");
        rv_arena_reset(&rvt_arena);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rvt_open_arena, rvt_close_arena)
    const struct CMUnitTest tests[] = {
        TEST(a_new_schema_gets_numbers_from_one),
        TEST(the_same_schema_again_changes_nothing),
        TEST(what_keeps_its_name_keeps_its_number),
        TEST(removing_needs_force_and_numbers_do_not_come_back),
        TEST(types_do_not_change_under_data),
        TEST(names_of_keys_stay),
        TEST(words_of_the_language_are_no_names),
        TEST(built_in_fields_are_no_properties_but_attributes),
        TEST(any_is_no_type),
        TEST(company_is_the_reference_and_only_one),
        TEST(names_are_checked),
        TEST(a_long_name_is_cut_at_a_character),
        TEST(names_occur_once),
        TEST(types_and_scales_are_checked),
        TEST(history_is_not_built),
        TEST(references_lead_somewhere),
        TEST(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

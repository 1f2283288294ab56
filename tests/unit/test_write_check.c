/* The shape of a write: each rule of rvw_write_check, broken once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reveille/limits.h"
#include "store/partition.h"

/* Two contacts or events, all in order; a test breaks one thing. */
typedef struct {
    rv_catalog_t *catalog;
    Reveille__V1__PartitionWrite write;
    Reveille__V1__WriteIdentity identity;
    Reveille__V1__EntityBatch entities;
    Reveille__V1__CompanyBatch companies;
    Reveille__V1__EventBatch events;
    Reveille__V1__EventDelete delete;
    Reveille__V1__StringColumn keys, words;
    Reveille__V1__Column text, number, decimal, flag, set, company, topic;
    Reveille__V1__Column *attributes[6], *properties[1];
    uint32_t key_lengths[2], word_lengths[2], contacts[2], types[2], codes[2];
    int64_t ints[2], flags[2], times[2];
    uint64_t versions[2];
    uint8_t bits[2], producer[16], wide[32];
    char key_bytes[8], word_bytes[8];
} fixture_t;

static Reveille__V1__Attribute *attribute(uint32_t id, char *name, rv_type_t type, uint32_t scale) {
    static Reveille__V1__Attribute pool[16];
    static size_t n;
    Reveille__V1__Attribute *a = &pool[n++ % 16];
    reveille__v1__attribute__init(a);
    a->id = id;
    a->name = name;
    a->type = type;
    a->scale = scale;
    return a;
}

static rv_catalog_t *make_catalog(void) {
    Reveille__V1__Catalog catalog = REVEILLE__V1__CATALOG__INIT;
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__EventType type = REVEILLE__V1__EVENT_TYPE__INIT, *types[] = {&type};
    Reveille__V1__Attribute *contact[] = {
        attribute(1, "country", RV_STRING, 0), attribute(2, "age", RV_INT, 0),
        attribute(3, "ltv", RV_DECIMAL, 2),    attribute(4, "member", RV_BOOL, 0),
        attribute(5, "interests", RV_SET, 0),  attribute(6, "company", RV_COMPANY, 0)};
    Reveille__V1__Attribute *company[] = {attribute(1, "industry", RV_STRING, 0)};
    Reveille__V1__Attribute *properties[] = {attribute(1, "topic", RV_STRING, 0)};
    rv_catalog_t *ret = NULL;
    rv_error_t err = {0};
    type.id = 1;
    type.name = "click";
    schema.version = 3;
    schema.contact_key = "contact";
    schema.company_key = "company";
    schema.event_id = "event";
    schema.contact_attributes = contact;
    schema.n_contact_attributes = 6;
    schema.company_attributes = company;
    schema.n_company_attributes = 1;
    schema.event_properties = properties;
    schema.n_event_properties = 1;
    schema.event_types = types;
    schema.n_event_types = 1;
    catalog.version = 3;
    catalog.schema = &schema;
    if (rv_catalog_new(&catalog, &ret, &err) != RV_OK) {
        fail_msg("%s", err.message);
    }
    return ret;
}

static void text_column(fixture_t *f, Reveille__V1__Column *c, uint32_t id, rv_type_t type) {
    reveille__v1__column__init(c);
    c->id = id;
    c->type = type;
    c->strings = &f->words;
}

static void int_column(Reveille__V1__Column *c, uint32_t id, rv_type_t type, int64_t *ints) {
    reveille__v1__column__init(c);
    c->id = id;
    c->type = type;
    c->ints = ints;
    c->n_ints = 2;
}

static void fill(fixture_t *f) {
    memcpy(f->key_bytes, "annabob", 7);
    memcpy(f->word_bytes, "axb", 3);
    f->key_lengths[0] = 4;
    f->key_lengths[1] = 3;
    f->word_lengths[0] = 1;
    f->word_lengths[1] = 2;
    f->types[0] = f->types[1] = 1;
    f->contacts[1] = 1;
    f->times[1] = RV_TIME_MAX;
    f->flags[1] = 1;
    reveille__v1__partition_write__init(&f->write);
    reveille__v1__write_identity__init(&f->identity);
    reveille__v1__entity_batch__init(&f->entities);
    reveille__v1__company_batch__init(&f->companies);
    reveille__v1__event_batch__init(&f->events);
    reveille__v1__event_delete__init(&f->delete);
    reveille__v1__string_column__init(&f->keys);
    f->words = f->keys;
    f->keys.data = (ProtobufCBinaryData){7, (uint8_t *)f->key_bytes};
    f->keys.lengths = f->key_lengths;
    f->words.data = (ProtobufCBinaryData){3, (uint8_t *)f->word_bytes};
    f->words.lengths = f->word_lengths;
    f->keys.n_lengths = f->words.n_lengths = 2;
    text_column(f, &f->text, 1, RV_STRING);
    int_column(&f->number, 2, RV_INT, f->ints);
    int_column(&f->decimal, 3, RV_DECIMAL, f->ints);
    f->decimal.scale = 2;
    int_column(&f->flag, 4, RV_BOOL, f->flags);
    text_column(f, &f->set, 5, RV_SET);
    text_column(f, &f->company, 6, RV_COMPANY);
    text_column(f, &f->topic, 1, RV_STRING);
    Reveille__V1__Column *attributes[] = {&f->text, &f->number, &f->decimal, &f->flag, &f->set, &f->company};
    memcpy(f->attributes, attributes, sizeof attributes);
    f->properties[0] = &f->topic;
}

static int set_up(void **state) {
    fixture_t *f = calloc(1, sizeof *f);
    f->catalog = make_catalog();
    fill(f);
    f->entities.keys = &f->keys;
    f->entities.attributes = f->attributes;
    f->entities.n_attributes = 6;
    f->events.contact_keys = &f->keys;
    f->events.contacts = f->contacts;
    f->events.times_ms = f->times;
    f->events.types = f->types;
    f->events.n_contacts = f->events.n_times_ms = f->events.n_types = 2;
    f->events.properties = f->properties;
    f->events.n_properties = 1;
    f->write.schema_version = 3;
    f->write.identity = &f->identity;
    f->write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS;
    f->write.contacts = &f->entities;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture_t *f = *state;
    rv_catalog_unref(&f->catalog);
    free(f);
    return 0;
}

static void events(fixture_t *f) {
    f->write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    f->write.events = &f->events;
}

static void good(fixture_t *f) {
    rv_error_t err = {0};
    if (rvw_write_check(&f->write, f->catalog, &err) != RV_OK) {
        fail_msg("%s", err.message);
    }
}

static void bad(fixture_t *f, const char *field) {
    rv_error_t err = {0};
    assert_int_equal(rvw_write_check(&f->write, f->catalog, &err), RV_INVALID_ARGUMENT);
    assert_int_equal(err.reason, RV_REASON_FIELD);
    assert_string_equal(err.field, field);
}

static void what_is_in_order_passes(void **state) {
    fixture_t *f = *state;
    good(f);
    f->identity.producer = (ProtobufCBinaryData){16, f->producer};
    good(f);
    events(f);
    good(f);
    f->write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACT_DELETE;
    f->write.contact_delete = &f->keys;
    good(f);
    f->write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE;
    f->write.event_delete = &f->delete;
    f->delete.selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH;
    f->delete.batch = &f->events;
    good(f);
    f->companies.batch = &f->entities;
    f->entities.n_attributes = 1;
    f->companies.versions = f->versions;
    f->companies.n_versions = 2;
    f->write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES;
    f->write.companies = &f->companies;
    good(f);
    f->companies.n_versions = 1;
    bad(f, "versions");
}

static void a_body_and_identity_are_needed(void **state) {
    fixture_t *f = *state;
    f->identity.producer = (ProtobufCBinaryData){15, f->producer};
    bad(f, "producer");
    f->identity.producer.len = 0;
    f->write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY__NOT_SET;
    bad(f, "body");
    f->write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE;
    f->write.event_delete = &f->delete;
    bad(f, "selector");
}

static void keys_have_1_to_256_bytes_of_text(void **state) {
    fixture_t *f = *state;
    f->key_lengths[0] = 0;
    bad(f, "keys");
    f->key_lengths[0] = 5;
    bad(f, "keys");
    f->key_lengths[0] = 3;
    bad(f, "keys");
    f->key_lengths[0] = UINT32_MAX;
    bad(f, "keys");
    f->key_lengths[0] = 4;
    f->key_bytes[2] = 0;
    bad(f, "keys");
    f->key_bytes[2] = (char)0xff;
    bad(f, "keys");
    f->entities.keys = NULL;
    bad(f, "keys");
}

static void columns_are_as_long_as_the_table(void **state) {
    fixture_t *f = *state;
    f->number.n_ints = 1;
    bad(f, "age");
    f->number.n_ints = 2;
    f->words.n_lengths = 1;
    f->words.data.len = 1;
    bad(f, "country");
    f->words.n_lengths = 2;
    f->words.data.len = 3;
    f->text.present = (ProtobufCBinaryData){2, f->bits};
    bad(f, "country");
    f->text.present.len = 1;
    good(f);
    f->text.unset = (ProtobufCBinaryData){2, f->bits};
    bad(f, "country");
    f->text.unset.len = 1;
    good(f);
    f->text.strings = NULL;
    bad(f, "country");
}

static void codes_point_into_their_dictionary(void **state) {
    fixture_t *f = *state;
    f->text.codes = f->codes;
    f->text.n_codes = 2;
    good(f);
    f->codes[1] = 2;
    bad(f, "country");
    f->bits[0] = 1;
    f->text.present = (ProtobufCBinaryData){1, f->bits};
    good(f);
    f->text.n_codes = 1;
    bad(f, "country");
}

static void values_are_of_their_type(void **state) {
    fixture_t *f = *state;
    f->flags[0] = 2;
    bad(f, "member");
    f->flags[0] = 0;
    f->decimal.wide = (ProtobufCBinaryData){32, f->wide};
    bad(f, "ltv");
    f->decimal.n_ints = 0;
    good(f);
    f->decimal.wide.len = 16;
    bad(f, "ltv");
    f->decimal.wide.len = 32;
    f->decimal.scale = 3;
    bad(f, "ltv");
    f->decimal.scale = 2;
    f->number.type = RV_TIME;
    bad(f, "age");
    f->number.type = RV_INT;
    f->word_lengths[0] = 0;
    f->word_lengths[1] = 3;
    bad(f, "company");
    f->entities.n_attributes = 5;
    good(f);
    memcpy(f->word_bytes,
           "b\x1f"
           "a",
           3);
    bad(f, "interests");
    memcpy(f->word_bytes,
           "a\x1f"
           "a",
           3);
    bad(f, "interests");
    memcpy(f->word_bytes,
           "a\x1f"
           "b",
           3);
    good(f);
}

static void names_are_in_the_schema_unless_the_write_is_older(void **state) {
    fixture_t *f = *state;
    f->number.id = 77;
    bad(f, "a column");
    f->write.schema_version = 2;
    good(f);
    f->number.id = 1;
    bad(f, "country");
    f->number.id = 0;
    bad(f, "a column");
    f->write.schema_version = 3;
    f->number.id = 2;
    events(f);
    f->types[0] = 9;
    bad(f, "type");
    f->write.schema_version = 2;
    good(f);
}

static void events_are_a_table(void **state) {
    fixture_t *f = *state;
    events(f);
    f->times[0] = -1;
    bad(f, "at");
    f->times[0] = RV_TIME_MAX + 1;
    bad(f, "at");
    f->times[0] = 0;
    f->contacts[0] = 2;
    bad(f, "contacts");
    f->contacts[0] = 0;
    f->events.n_types = 1;
    bad(f, "events");
    f->events.n_types = 2;
    f->topic.unset = (ProtobufCBinaryData){1, f->bits};
    bad(f, "topic");
    f->topic.unset.len = 0;
    f->events.source = &f->number;
    bad(f, "source");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_in_order_passes),
        TEST(a_body_and_identity_are_needed),
        TEST(keys_have_1_to_256_bytes_of_text),
        TEST(columns_are_as_long_as_the_table),
        TEST(codes_point_into_their_dictionary),
        TEST(values_are_of_their_type),
        TEST(names_are_in_the_schema_unless_the_write_is_older),
        TEST(events_are_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

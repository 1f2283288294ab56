/* Batches from outside: what is refused, what is brought to the catalog's types, and what each partition gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/batch.h"
#include "reveille/hash.h"
#include "reveille/limits.h"

#define NOW 1780000000000ll
#define PARTITIONS 5u

static rv_arena_t arena;
static rv_catalog_t *catalog;
static rvc_refusals_t refusals;
static rv_error_t err;

static Reveille__V1__Attribute *attribute(const char *name, rv_type_t type, uint32_t scale) {
    Reveille__V1__Attribute *made = rv_arena_alloc(&arena, sizeof *made);
    reveille__v1__attribute__init(made);
    made->name = (char *)(uintptr_t)name;
    made->type = type;
    made->scale = scale;
    return made;
}

static int begin(void **state) {
    (void)state;
    rv_arena_init(&arena, 64u << 20);
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT, *made;
    Reveille__V1__EventType purchase = REVEILLE__V1__EVENT_TYPE__INIT, click = purchase, *types[] = {&purchase, &click};
    char *allowed[] = {"value"};
    bool changed;
    schema.contact_key = "contact";
    schema.contact_attributes = (Reveille__V1__Attribute *[]){
        attribute("name", RV_STRING, 0), attribute("age", RV_INT, 0),     attribute("ltv", RV_DECIMAL, 2),
        attribute("rate", RV_DOUBLE, 0), attribute("tags", RV_SET, 0),    attribute("company", RV_COMPANY, 0),
        attribute("born", RV_DATE, 0),   attribute("active", RV_BOOL, 0),
    };
    schema.n_contact_attributes = 8;
    schema.company_key = "company_key";
    schema.event_id = "event";
    schema.event_properties =
        (Reveille__V1__Attribute *[]){attribute("topic", RV_STRING, 0), attribute("value", RV_DECIMAL, 2)};
    schema.n_event_properties = 2;
    purchase.name = "purchase";
    purchase.channel = "web";
    purchase.n_properties = 1;
    purchase.properties = allowed;
    click.name = "click";
    schema.event_types = types;
    schema.n_event_types = 2;
    if (rv_schema_apply(NULL, &schema, false, &arena, &made, &changed, &err) != RV_OK)
        fail_msg("%s", err.message);
    Reveille__V1__Catalog message = REVEILLE__V1__CATALOG__INIT;
    message.version = 1;
    message.schema = made;
    if (rv_catalog_new(&message, &catalog, &err) != RV_OK)
        fail_msg("%s", err.message);
    memset(&refusals, 0, sizeof refusals);
    memset(&err, 0, sizeof err);
    return 0;
}

static int end(void **state) {
    (void)state;
    rv_catalog_unref(&catalog);
    rv_arena_done(&arena);
    return 0;
}

static Reveille__V1__StringColumn *strings(const char *const *texts, size_t n) {
    Reveille__V1__StringColumn *column = rv_arena_alloc(&arena, sizeof *column);
    reveille__v1__string_column__init(column);
    column->n_lengths = n;
    column->lengths = rv_arena_zalloc(&arena, n + 1, sizeof *column->lengths);
    for (size_t i = 0; i < n; i++) {
        column->lengths[i] = (uint32_t)strlen(texts[i]);
        column->data.len += column->lengths[i];
    }
    column->data.data = rv_arena_alloc(&arena, column->data.len + 1);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(column->data.data + at, texts[i], column->lengths[i]);
        at += column->lengths[i];
    }
    return column;
}

static Reveille__V1__Column *column(const char *name, rv_type_t type) {
    Reveille__V1__Column *made = rv_arena_alloc(&arena, sizeof *made);
    reveille__v1__column__init(made);
    made->name = (char *)(uintptr_t)name;
    made->type = type;
    return made;
}

static Reveille__V1__Column *text_column(const char *name, rv_type_t type, const char *const *texts, size_t n) {
    Reveille__V1__Column *made = column(name, type);
    made->strings = strings(texts, n);
    return made;
}

static Reveille__V1__Column *int_column(const char *name, rv_type_t type, const int64_t *values, size_t n) {
    Reveille__V1__Column *made = column(name, type);
    made->n_ints = n;
    made->ints = (int64_t *)(uintptr_t)values;
    return made;
}

static rvc_column_t convert(const char *name, const Reveille__V1__Column *message, size_t rows) {
    rvc_column_t out;
    memset(&refusals, 0, sizeof refusals);
    assert_int_equal(rvc_refusals_init(&refusals, rows, &arena, NULL), RV_OK);
    if (rvc_convert(message, rv_catalog_attribute(catalog, name, strlen(name)), rows, &refusals, &arena, &out, &err) !=
        RV_OK)
        fail_msg("%s", err.message);
    return out;
}

static void decimals_are_rescaled_exactly_or_refused(void **state) {
    (void)state;
    const int64_t values[] = {12345, 12340, -500, 7};
    Reveille__V1__Column *message = int_column("ltv", RV_DECIMAL, values, 4);
    message->scale = 3;
    rvc_column_t out = convert("ltv", message, 4);
    assert_int_equal(refusals.total, 2);
    assert_int_equal(refusals.items[0]->index, 0);
    assert_int_equal(refusals.items[1]->index, 3);
    assert_int_equal(out.scale, 2);
    assert_true(rvc_column_decimal(&out, 1) == 1234);
    assert_true(rvc_column_decimal(&out, 2) == -50);
    const int64_t whole[] = {3, INT64_MAX};
    out = convert("ltv", int_column("ltv", RV_INT, whole, 2), 2);
    assert_int_equal(refusals.total, 0);
    assert_true(rvc_column_decimal(&out, 0) == 300);
    assert_true(rvc_column_decimal(&out, 1) == (rv_i128_t)INT64_MAX * 100);
    assert_non_null(out.wide);
}

static void sets_get_one_form(void **state) {
    (void)state;
    static char large[2 * (RV_MAX_SET + 2)];
    for (size_t i = 0; i + 1 < sizeof large; i++)
        large[i] = i % 2 ? 0x1F : (char)('a' + i / 2 % 26);
    const char *const texts[] = {"b\037a\037b", "", "x", "\037y\037"};
    rvc_column_t out = convert("tags", text_column("tags", RV_STRING, texts, 4), 4);
    assert_int_equal(out.type, RV_SET);
    const char *const want[] = {"a\037b", "", "x", "y"};
    for (size_t i = 0; i < 4; i++) {
        rv_str_t got = rvc_column_text(&out, i);
        assert_int_equal(got.n, strlen(want[i]));
        assert_memory_equal(got.p, want[i], got.n);
    }
    const char *const many[] = {large};
    convert("tags", text_column("tags", RV_SET, many, 1), 1);
    assert_int_equal(refusals.total, 1);
}

static void bad_text_is_refused_row_by_row(void **state) {
    (void)state;
    static char longer[RV_MAX_VALUE + 2];
    memset(longer, 'x', sizeof longer - 1);
    /* "é" cut in two: the whole text is UTF-8, its strings are not */
    const char *const texts[] = {"good", "\xc3", "\xa9", "\xff", longer, ""};
    convert("name", text_column("name", RV_STRING, texts, 6), 6);
    assert_int_equal(refusals.total, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(refusals.items[i]->index, i + 1);
    const char *const companies[] = {"acme", ""};
    Reveille__V1__Column *message = text_column("company", RV_STRING, companies, 2);
    rvc_column_t out = convert("company", message, 2);
    assert_int_equal(out.type, RV_COMPANY);
    assert_int_equal(refusals.total, 1);
    message->present.data = (uint8_t *)"\x01"; /* the empty one is absent */
    message->present.len = 1;
    convert("company", message, 2);
    assert_int_equal(refusals.total, 0);
}

static void numbers_out_of_range_are_refused(void **state) {
    (void)state;
    const int64_t bools[] = {0, 1, 2, -1}, dates[] = {-719162, 2932896, -719163, 2932897};
    double nan = 0.0;
    convert("active", int_column("active", RV_BOOL, bools, 4), 4);
    assert_int_equal(refusals.total, 2);
    convert("born", int_column("born", RV_DATE, dates, 4), 4);
    assert_int_equal(refusals.total, 2);
    nan = nan / nan;
    double doubles[] = {1.5, nan};
    Reveille__V1__Column *message = column("rate", RV_DOUBLE);
    message->n_doubles = 2;
    message->doubles = doubles;
    convert("rate", message, 2);
    assert_int_equal(refusals.total, 1);
    const int64_t whole[] = {7};
    rvc_column_t out = convert("rate", int_column("rate", RV_INT, whole, 1), 1);
    assert_true(out.doubles[0] == 7.0);
}

static void wrong_types_and_shapes_fail_the_request(void **state) {
    (void)state;
    const int64_t values[] = {1, 2};
    const char *const texts[] = {"a", "b"};
    Reveille__V1__Column *cases[8];
    const char *attributes[] = {"age", "name", "active", "born", "age", "age", "name", "age"};
    cases[0] = text_column("age", RV_STRING, texts, 2);
    cases[1] = int_column("name", RV_INT, values, 2);
    cases[2] = int_column("active", RV_INT, values, 2);
    cases[3] = int_column("born", RV_TIME, values, 2);
    cases[4] = int_column("age", RV_INT, values, 1); /* too short */
    cases[5] = int_column("age", RV_INT, values, 2);
    cases[5]->present.data = (uint8_t *)"\x03\x00";
    cases[5]->present.len = 2;
    cases[6] = text_column("name", RV_STRING, texts, 2);
    cases[6]->n_codes = 2;
    cases[6]->codes = (uint32_t[]){0, 2}; /* behind the dictionary */
    cases[7] = column("age", (rv_type_t)77);
    for (size_t i = 0; i < 8; i++) {
        rvc_column_t out;
        const rv_attribute_t *to = rv_catalog_attribute(catalog, attributes[i], strlen(attributes[i]));
        rvc_refusals_init(&refusals, 2, &arena, NULL);
        assert_int_equal(rvc_convert(cases[i], to, 2, &refusals, &arena, &out, &err), RV_INVALID_ARGUMENT);
        assert_int_equal(err.reason, RV_REASON_FIELD);
    }
    cases[6]->strings->data.len--; /* lengths do not add up */
    rvc_column_t out;
    assert_int_equal(rvc_column_open(cases[6], 2, &arena, &out, &err), RV_INVALID_ARGUMENT);
}

static void an_unknown_column_fails_the_batch_with_the_nearest_name(void **state) {
    (void)state;
    const char *const keys[] = {"k"};
    const int64_t values[] = {1};
    Reveille__V1__EntityBatch batch = REVEILLE__V1__ENTITY_BATCH__INIT;
    rvc_entities_t entities;
    batch.keys = strings(keys, 1);
    batch.n_attributes = 1;
    batch.attributes = (Reveille__V1__Column *[]){int_column("agee", RV_INT, values, 1)};
    assert_int_equal(rvc_entities_check(catalog, PARTITIONS, false, &batch, &refusals, &arena, &entities, &err),
                     RV_INVALID_ARGUMENT);
    assert_string_equal(err.field, "agee");
    assert_non_null(strstr(err.message, "did you mean 'age'"));
    batch.n_attributes = 2;
    batch.attributes =
        (Reveille__V1__Column *[]){int_column("age", RV_INT, values, 1), int_column("age", RV_INT, values, 1)};
    assert_int_equal(rvc_entities_check(catalog, PARTITIONS, false, &batch, &refusals, &arena, &entities, &err),
                     RV_INVALID_ARGUMENT);
}

/* Every row that is not refused arrives in the partition of its key, with its values. */
static void contacts_are_split_by_their_keys(void **state) {
    (void)state;
    enum { N = 50 };
    static char room[N][16];
    const char *keys[N], *names[N];
    int64_t ages[N];
    uint8_t present[N / 8 + 1] = {0}, unset[N / 8 + 1] = {0};
    for (int i = 0; i < N; i++) {
        snprintf(room[i], sizeof room[i], "k%d", i);
        keys[i] = room[i];
        names[i] = i % 2 ? "odd" : "even";
        ages[i] = i;
        if (i % 3)
            present[i / 8] |= (uint8_t)(1u << i % 8);
        else if (i % 2)
            unset[i / 8] |= (uint8_t)(1u << i % 8);
    }
    keys[7] = "";
    Reveille__V1__EntityBatch batch = REVEILLE__V1__ENTITY_BATCH__INIT;
    rvc_entities_t entities;
    rvc_share_t *shares;
    size_t n_shares, seen = 0;
    batch.keys = strings(keys, N);
    batch.replace = true;
    Reveille__V1__Column *age = int_column("age", RV_INT, ages, N);
    age->present.data = present;
    age->unset.data = unset;
    age->present.len = age->unset.len = (N + 7) / 8;
    const char *const dictionary[] = {"even", "unused", "odd"};
    Reveille__V1__Column *name = text_column("name", RV_STRING, dictionary, 3);
    name->n_codes = N;
    name->codes = rv_arena_alloc(&arena, N * sizeof(uint32_t));
    for (uint32_t i = 0; i < N; i++)
        name->codes[i] = i % 2 ? 2 : 0;
    batch.n_attributes = 2;
    batch.attributes = (Reveille__V1__Column *[]){age, name};
    assert_int_equal(rvc_entities_check(catalog, PARTITIONS, false, &batch, &refusals, &arena, &entities, &err), RV_OK);
    assert_int_equal(refusals.total, 1);
    assert_int_equal(rvc_split(entities.partition, entities.rows, PARTITIONS, &arena, &shares, &n_shares, NULL), RV_OK);
    for (size_t s = 0; s < n_shares; s++) {
        Reveille__V1__EntityBatch *share;
        assert_int_equal(rvc_entities_share(&entities, shares[s].rows, shares[s].n, &arena, &share, NULL), RV_OK);
        assert_true(share->replace);
        rvc_strings_t got;
        rvc_column_t got_age, got_name;
        rvc_strings_open(share->keys, &arena, "keys", &got, NULL);
        assert_int_equal(share->n_attributes, 2);
        assert_int_equal(share->attributes[0]->id, rv_catalog_attribute(catalog, "age", 3)->id);
        assert_int_equal(rvc_column_open(share->attributes[0], shares[s].n, &arena, &got_age, NULL), RV_OK);
        assert_int_equal(rvc_column_open(share->attributes[1], shares[s].n, &arena, &got_name, NULL), RV_OK);
        assert_true(got_name.strings.n <= 2);
        for (size_t i = 0; i < shares[s].n; i++) {
            uint32_t row = shares[s].rows[i];
            rv_str_t key = rvc_string(&got, i), text = rvc_column_text(&got_name, i);
            assert_int_equal(rv_partition_of(key.p, key.n, PARTITIONS), shares[s].partition);
            assert_memory_equal(key.p, keys[row], key.n);
            assert_int_equal(rvc_column_has(&got_age, i), row % 3 != 0);
            assert_int_equal(got_age.ints[i], row % 3 ? row : 0);
            assert_int_equal(got_age.unset && rvc_bit(got_age.unset, i), row % 3 == 0 && row % 2);
            assert_int_equal(text.n, row % 2 ? 3 : 4);
            assert_memory_equal(text.p, names[row], text.n);
            seen++;
        }
    }
    assert_int_equal(seen, N - 1);
}

/* ---- events ---- */

static Reveille__V1__EventBatch event_batch(size_t n, const uint32_t *contacts, const uint32_t *types,
                                            const int64_t *times) {
    static const char *const KEYS[] = {"ann", "bob", ""};
    static char *names[] = {"purchase", "click", "clik"};
    Reveille__V1__EventBatch batch = REVEILLE__V1__EVENT_BATCH__INIT;
    batch.contact_keys = strings(KEYS, 3);
    batch.n_contacts = batch.n_types = batch.n_times_ms = n;
    batch.contacts = (uint32_t *)(uintptr_t)contacts;
    batch.types = (uint32_t *)(uintptr_t)types;
    batch.times_ms = (int64_t *)(uintptr_t)times;
    batch.n_type_names = 3;
    batch.type_names = names;
    return batch;
}

static rv_status_t check(const Reveille__V1__EventBatch *batch, bool require_id, rvc_events_t *events) {
    rvc_events_rules_t rules = {.catalog = catalog, .partitions = PARTITIONS, .wall_ms = NOW, .require_id = require_id};
    memset(&refusals, 0, sizeof refusals);
    return rvc_events_check(&rules, batch, &refusals, &arena, events, &err);
}

static void events_are_refused_for_what_is_wrong_with_them(void **state) {
    (void)state;
    const uint32_t contacts[] = {0, 1, 2, 0, 0, 0, 0}, types[] = {0, 1, 1, 2, 1, 1, 0};
    const int64_t times[] = {0, RV_TIME_MIN, 5, 5, NOW + RV_FUTURE_MS, NOW + RV_FUTURE_MS + 1, -1};
    Reveille__V1__EventBatch batch = event_batch(7, contacts, types, times);
    rvc_events_t events;
    assert_int_equal(check(&batch, false, &events), RV_OK);
    assert_int_equal(refusals.total, 4);
    const uint32_t want[] = {2, 3, 5, 6};
    const char *fields[] = {"contact", "type", "at", "at"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(refusals.items[i]->index, want[i]);
        assert_string_equal(refusals.items[i]->status->details[0]->field, fields[i]);
        assert_int_equal(events.partition[want[i]], UINT32_MAX);
    }
    assert_non_null(strstr(refusals.items[1]->status->message, "did you mean 'click'"));
    assert_int_equal(check(&batch, true, &events), RV_OK); /* no ids at all */
    assert_int_equal(refusals.total, 7);
}

static void properties_that_a_type_may_not_carry_refuse_the_row(void **state) {
    (void)state;
    const uint32_t contacts[] = {0, 1, 0}, types[] = {0, 1, 0};
    const int64_t times[] = {1, 2, 3};
    const char *const topics[] = {"t", "t", ""};
    Reveille__V1__EventBatch batch = event_batch(3, contacts, types, times);
    Reveille__V1__Column *topic = text_column("topic", RV_STRING, topics, 3);
    rvc_events_t events;
    topic->present.data = (uint8_t *)"\x03";
    topic->present.len = 1;
    batch.n_properties = 1;
    batch.properties = &topic;
    assert_int_equal(check(&batch, false, &events), RV_OK);
    assert_int_equal(refusals.total, 1); /* purchase carries only value; the third row has no topic */
    assert_int_equal(refusals.items[0]->index, 0);
    topic->name = "topics";
    assert_int_equal(check(&batch, false, &events), RV_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "did you mean 'topic'"));
}

static void a_missing_channel_is_that_of_the_type(void **state) {
    (void)state;
    const uint32_t contacts[] = {0, 0, 0, 0}, types[] = {0, 1, 0, 1}, rows[] = {0, 1, 2, 3};
    const int64_t times[] = {1, 2, 3, 4};
    const char *const given[] = {"", "", "store", "mail"};
    for (int own = 0; own < 2; own++) {
        Reveille__V1__EventBatch batch = event_batch(4, contacts, types, times), *share;
        rvc_events_t events;
        rvc_column_t got;
        if (own) {
            batch.channel = text_column("channel", RV_STRING, given, 4);
            batch.channel->present.data = (uint8_t *)"\x0c";
            batch.channel->present.len = 1;
        }
        assert_int_equal(check(&batch, false, &events), RV_OK);
        assert_int_equal(rvc_events_share(&events, rows, 4, &arena, &share, NULL), RV_OK);
        assert_int_equal(rvc_column_open(share->channel, 4, &arena, &got, NULL), RV_OK);
        const char *want[2][4] = {{"web", NULL, "web", NULL}, {"web", NULL, "store", "mail"}};
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(rvc_column_has(&got, i), want[own][i] != NULL);
            rv_str_t text = rvc_column_text(&got, i);
            if (want[own][i])
                assert_memory_equal(text.p, want[own][i], strlen(want[own][i]));
        }
        assert_int_equal(share->types[0], rv_catalog_type(catalog, "purchase", 8)->id);
        assert_int_equal(share->n_type_names, 0);
        assert_int_equal(share->contact_keys->n_lengths, 1);
    }
}

static void batches_of_events_that_make_no_sense_fail(void **state) {
    (void)state;
    const uint32_t contacts[] = {0, 3}, types[] = {0, 0}, bad_types[] = {0, 3}, good[] = {0, 1};
    const int64_t times[] = {1, 2};
    rvc_events_t events;
    Reveille__V1__EventBatch batch = event_batch(2, contacts, types, times);
    assert_int_equal(check(&batch, false, &events), RV_INVALID_ARGUMENT);
    batch = event_batch(2, good, bad_types, times);
    assert_int_equal(check(&batch, false, &events), RV_INVALID_ARGUMENT);
    batch = event_batch(2, good, types, times);
    batch.n_times_ms = 1;
    assert_int_equal(check(&batch, false, &events), RV_INVALID_ARGUMENT);
    batch = event_batch(2, good, types, times);
    batch.source = int_column("source", RV_INT, times, 2);
    assert_int_equal(check(&batch, false, &events), RV_INVALID_ARGUMENT);
    batch = event_batch(0, good, types, times);
    assert_int_equal(check(&batch, false, &events), RV_OK);
    assert_int_equal(events.rows, 0);
}

static void an_event_has_a_greatest_size(void **state) {
    (void)state;
    static char large[RV_MAX_VALUE];
    static char id[RV_MAX_EVENT_ID + 2];
    const uint32_t contacts[] = {0, 1}, types[] = {1, 1};
    const int64_t times[] = {1, 2}, values[] = {5, 5};
    memset(large, 'x', sizeof large - 1);
    memset(id, 'i', sizeof id - 1);
    const char *const topics[] = {large, "small"}, *const ids[] = {"short", id};
    Reveille__V1__EventBatch batch = event_batch(2, contacts, types, times);
    rvc_events_t events;
    batch.n_properties = 2;
    batch.properties =
        (Reveille__V1__Column *[]){text_column("topic", RV_STRING, topics, 2), int_column("value", RV_INT, values, 2)};
    batch.event_id = text_column("id", RV_STRING, ids, 2);
    assert_int_equal(check(&batch, false, &events), RV_OK);
    assert_int_equal(refusals.total, 2);
    rvc_refusals_sort(&refusals);
    assert_non_null(strstr(refusals.items[0]->status->message, "at most 65536"));
    assert_string_equal(refusals.items[1]->status->details[0]->field, "id");
}

static void many_refusals_are_counted_and_a_thousand_named(void **state) {
    (void)state;
    enum { N = 3000 };
    uint32_t *zeros = rv_arena_zalloc(&arena, N, sizeof *zeros);
    int64_t *times = rv_arena_alloc(&arena, N * sizeof *times);
    for (int i = 0; i < N; i++)
        times[i] = -1 - i;
    Reveille__V1__EventBatch batch = event_batch(N, zeros, zeros, times);
    rvc_events_t events;
    rvc_share_t *shares;
    size_t n;
    assert_int_equal(check(&batch, false, &events), RV_OK);
    assert_int_equal(refusals.total, N);
    assert_int_equal(refusals.n, RVC_MAX_REFUSALS);
    assert_int_equal(rvc_split(events.partition, N, PARTITIONS, &arena, &shares, &n, NULL), RV_OK);
    assert_int_equal(n, 0);
}

/* A writer gives back what a reader reads, also when a decimal needs more than 64 bits. */
static void columns_survive_a_round(void **state) {
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        rvc_writer_t writer;
        Reveille__V1__Column message;
        Reveille__V1__StringColumn texts;
        rvc_column_t column_read;
        rvc_writer_init(&writer, RV_DECIMAL, 4);
        for (int i = 0; i < 20; i++) {
            rv_value_t value = {.present = i % 4 != 1, .wide = (rv_i128_t)i * (wide ? ((rv_i128_t)1 << 70) : 1)};
            assert_true(rvc_writer_add(&writer, &value));
        }
        rvc_writer_column(&writer, "x", &message, &texts);
        assert_int_equal(message.wide.len != 0, wide);
        assert_int_equal(rvc_column_open(&message, 20, &arena, &column_read, NULL), RV_OK);
        for (int i = 0; i < 20; i++) {
            rv_value_t value;
            rvc_column_get(&column_read, (size_t)i, &value);
            assert_int_equal(value.present, i % 4 != 1);
            if (value.present)
                assert_true(value.wide == (rv_i128_t)i * (wide ? ((rv_i128_t)1 << 70) : 1));
        }
        rvc_writer_done(&writer);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(decimals_are_rescaled_exactly_or_refused),
        TEST(sets_get_one_form),
        TEST(bad_text_is_refused_row_by_row),
        TEST(numbers_out_of_range_are_refused),
        TEST(wrong_types_and_shapes_fail_the_request),
        TEST(an_unknown_column_fails_the_batch_with_the_nearest_name),
        TEST(contacts_are_split_by_their_keys),
        TEST(events_are_refused_for_what_is_wrong_with_them),
        TEST(properties_that_a_type_may_not_carry_refuse_the_row),
        TEST(a_missing_channel_is_that_of_the_type),
        TEST(batches_of_events_that_make_no_sense_fail),
        TEST(an_event_has_a_greatest_size),
        TEST(many_refusals_are_counted_and_a_thousand_named),
        TEST(columns_survive_a_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

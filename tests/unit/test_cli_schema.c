/* test_cli_schema.c: schemas and scores from YAML and back, and guessed from files. */
#include "document.h"
#include "infer.h"
#include "reveille/valcodec.h"
#include "schema_read.h"
#include "schema_write.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rv_arena_t arena;
static rv_error_t err;
static Reveille__V1__ApplyRequest request;

static rv_status_t read_schema(const char *text) {
    rv_yaml_t *yaml = NULL;
    reveille__v1__apply_request__init(&request);
    rv_status_t status = rv_yaml_new("s.yaml", text, strlen(text), &yaml, &err);
    if (status == RV_OK)
        status = rv_schema_read(yaml, &arena, &request, &err);
    rv_yaml_destroy(&yaml);
    return status;
}

static const char WHOLE[] = "contact:\n"
                            "  key: contact\n"
                            "  created: signed_up_at\n"
                            "  attributes:\n"
                            "    signed_up_at: {type: time}\n"
                            "    ltv: {type: decimal, scale: 2}\n"
                            "    rate: {type: decimal}\n"
                            "    interests: {type: set}\n"
                            "    \"null\": {type: string}\n"
                            "company:\n"
                            "  key: company\n"
                            "  attributes:\n"
                            "    employees: {type: int}\n"
                            "event:\n"
                            "  id: event\n"
                            "  properties:\n"
                            "    value: {type: decimal, scale: 2}\n"
                            "  types:\n"
                            "    - email_click\n"
                            "    - {name: purchase, channel: web, properties: [value]}\n"
                            "  groups:\n"
                            "    engaged: [email_click, purchase]\n"
                            "  kept_since: 2020-01-01T00:00:00Z\n"
                            "scores:\n"
                            "  engagement:\n"
                            "    half_life: 30 days\n"
                            "    events: {email_click: 5, purchase: -2.5}\n"
                            "  quick: {half_life: 1500 ms, events: {email_click: 1}}\n";

static void a_whole_schema_is_read(void **state) {
    (void)state;
    if (read_schema(WHOLE) != RV_OK)
        fail_msg("%s", err.message);
    const Reveille__V1__Schema *schema = request.schema;
    assert_string_equal(schema->contact_key, "contact");
    assert_string_equal(schema->contact_created, "signed_up_at");
    assert_int_equal(schema->n_contact_attributes, 5);
    assert_int_equal(schema->contact_attributes[1]->type, RV_DECIMAL);
    assert_int_equal(schema->contact_attributes[1]->scale, 2);
    assert_int_equal(schema->contact_attributes[2]->scale, 4);
    assert_string_equal(schema->contact_attributes[4]->name, "null");
    assert_string_equal(schema->company_key, "company");
    assert_int_equal(schema->n_event_types, 2);
    assert_string_equal(schema->event_types[1]->name, "purchase");
    assert_string_equal(schema->event_types[1]->channel, "web");
    assert_string_equal(schema->event_types[1]->properties[0], "value");
    assert_int_equal(schema->event_groups[0]->n_types, 2);
    assert_true(schema->kept_since_ms == 1577836800000);
    assert_int_equal(request.n_scores, 2);
    assert_int_equal(request.scores[1]->half_life_ms, 1500);
    assert_true(request.scores[0]->half_life_ms == 30ull * 86400000);
    assert_true(request.scores[0]->events[1]->points == -2.5);
}

static char *write_schema(void) {
    rv_out_t *out = rv_out_new(-1);
    size_t n;
    rv_schema_yaml(out, request.schema);
    rv_scores_yaml(out, request.scores, request.n_scores);
    rv_out_char(out, 0);
    char *text = strdup(rv_out_bytes(out, &n));
    rv_out_destroy(&out);
    return text;
}

static void what_is_written_reads_as_the_same_schema(void **state) {
    (void)state;
    assert_int_equal(read_schema(WHOLE), RV_OK);
    char *first = write_schema();
    if (read_schema(first) != RV_OK)
        fail_msg("%s\n%s", err.message, first);
    char *second = write_schema();
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "\"null\": {type: string}"));
    free(first);
    free(second);
}

static void mistakes_are_told_with_their_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } CASES[] = {
        {"contact: {key: c}\nevnt: {}\n", "s.yaml:2:1: a schema has no 'evnt', did you mean 'event'?"},
        {"contact: {key: c, attributes: {a: {type: strng}}}", "did you mean 'string'?"},
        {"contact: {key: c, attributes: {a: {}}}", "'a' has no type"},
        {"contact: {key: c, attributes: {a: {type: int, scale: 2}}}", "only a decimal has a scale"},
        {"contact: {key: c, attributes: {a: {type: decimal, scale: 19}}}", "0 to 18"},
        {"contact: {key: c, attributes: {a: {type: int, histroy: true}}}", "did you mean 'history'?"},
        {"contact: {key: c, attributes: {a: {type: int, history: maybe}}}", "true or false"},
        {"contact: {key: c, attributes: {a: {type: int}, a: {type: int}}}", "'a' stands here twice"},
        {"contact: {}", "contact has no key"},
        {"event: {id: e}", "a part `contact`"},
        {"contact: {key: c}\nscores: {s: {half_life: 30, events: {a: 1}}}", "s.yaml:2:25: half_life is a duration"},
        {"contact: {key: c}\nscores: {s: {half_life: 1 day, events: {a: x}}}", "points are a number"},
        {"contact: {key: c}\nscores: {s: {half_life: 1 month, events: {}}}", "half_life is a duration"},
        {"contact: {key: c}\nevent: {kept_since: then}", "kept_since"},
        {"contact: {key: c}\nevent: {types: a}", "types must be a list"},
        {"contact: [", "not valid YAML"},
        {"contact: {? [a] : b}", "a key must be a name"},
        {"", "empty"},
        {"- a", "must be a mapping"}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(read_schema(CASES[i].text), RV_INVALID_ARGUMENT);
        if (!strstr(err.message, CASES[i].part))
            fail_msg("'%s' does not say '%s'", err.message, CASES[i].part);
    }
}

static void scores_stand_alone_or_under_their_name(void **state) {
    static const char *const TEXTS[] = {"scores: {a: {half_life: 1 day, events: {x: 1}}}",
                                        "a: {half_life: 1 day, events: {x: 1}}"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        Reveille__V1__ScoreModel **models;
        rv_yaml_t *yaml;
        size_t n = 0;
        assert_int_equal(rv_yaml_new("s", TEXTS[i], strlen(TEXTS[i]), &yaml, &err), RV_OK);
        assert_int_equal(rv_scores_read(yaml, &arena, &models, &n, &err), RV_OK);
        assert_int_equal(n, 1);
        assert_string_equal(models[0]->name, "a");
        rv_yaml_destroy(&yaml);
    }
}

typedef struct {
    const char *text;
    size_t at;
} memory_t;

static long give(void *context, char *buffer, size_t n) {
    memory_t *memory = context;
    size_t left = strlen(memory->text) - memory->at, part = left < n ? left : n;
    memcpy(buffer, memory->text + memory->at, part);
    memory->at += part;
    return (long)part;
}

static char *guess(const char *csv) {
    memory_t memory = {csv, 0};
    rv_out_t *out = rv_out_new(-1);
    size_t n;
    if (rv_infer(give, &memory, "f.csv", out, &err) != RV_OK)
        fail_msg("%s", err.message);
    rv_out_char(out, 0);
    char *text = strdup(rv_out_bytes(out, &n));
    rv_out_destroy(&out);
    return text;
}

static void contacts_are_guessed(void **state) {
    (void)state;
    char *text = guess("contact,age,ltv,zip,signed_up_at,born,consent,tags,company,empty\n"
                       "c1,30,1.50,01234,2026-01-01T00:00:00Z,1990-01-01,1,a;b,co1,\n"
                       "c2,,2,99999,2026-01-02T00:00:00Z,,0,c;d,co2,\n");
    static const char *const LINES[] = {
        "key: contact",        "created: signed_up_at",      "age: {type: int}",      "ltv: {type: decimal, scale: 2}",
        "zip: {type: string}", "signed_up_at: {type: time}", "born: {type: date}",    "consent: {type: bool}",
        "tags: {type: set}",   "company: {type: company}",   "empty: {type: string}", "company:\n  key: company"};
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        if (!strstr(text, LINES[i]))
            fail_msg("no '%s' in\n%s", LINES[i], text);
    assert_int_equal(read_schema(text), RV_OK);
    free(text);
}

static void events_are_guessed(void **state) {
    (void)state;
    char *text = guess("event,contact,at,type,channel,topic,value\n"
                       "e1,c1,2026-01-01T00:00:00Z,purchase,web,t1,9.99\n"
                       "e2,c1,2026-01-01T00:00:00Z,open,email,,\n");
    static const char *const LINES[] = {"id: event", "topic: {type: string}", "value: {type: decimal, scale: 2}",
                                        "- purchase", "- open"};
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        if (!strstr(text, LINES[i]))
            fail_msg("no '%s' in\n%s", LINES[i], text);
    assert_null(strstr(text, "channel:"));
    assert_int_equal(read_schema(text), RV_OK);
    free(text);
}

static int start(void **state) {
    (void)state;
    rv_arena_init(&arena, 8u << 20);
    return 0;
}

static int done(void **state) {
    (void)state;
    rv_arena_done(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_schema_is_read),
        cmocka_unit_test(what_is_written_reads_as_the_same_schema),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(scores_stand_alone_or_under_their_name),
        cmocka_unit_test(contacts_are_guessed),
        cmocka_unit_test(events_are_guessed),
    };
    return cmocka_run_group_tests(tests, start, done);
}

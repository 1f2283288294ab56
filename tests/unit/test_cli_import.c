/* test_cli_import.c: from records of a file to a batch, and to the file of rejects. */
#include "document.h"
#include "gather.h"
#include "reveille/limits.h"
#include "row.h"
#include "schema_read.h"
#include "trace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char SCHEMA[] =
    "contact: {key: contact, attributes: {age: {type: int}, country: {type: string}, tags: {type: set},\n"
    "  ltv: {type: decimal, scale: 2}, ok: {type: bool}, born: {type: date}, w: {type: double}}}\n"
    "company: {key: company, attributes: {industry: {type: string}}}\n"
    "event: {id: event, properties: {topic: {type: string}, value: {type: decimal, scale: 2}}, types: [purchase, "
    "open]}\n";

static rv_arena_t arena;
static rv_error_t err;
static Reveille__V1__ApplyRequest request;
static rv_targets_t contacts, events;
static const rv_columns_t NO_COLUMNS;

static int start(void **state) {
    rv_yaml_t *yaml;
    (void)state;
    rv_arena_init(&arena, 8u << 20);
    reveille__v1__apply_request__init(&request);
    if (rv_yaml_new("s", SCHEMA, sizeof SCHEMA - 1, &yaml, &err) != RV_OK)
        return 1;
    rv_status_t status = rv_schema_read(yaml, &arena, &request, &err);
    rv_yaml_destroy(&yaml);
    return status != RV_OK || rv_targets_of(request.schema, RV_IMPORT_CONTACTS, &arena, &contacts, &err) != RV_OK ||
           rv_targets_of(request.schema, RV_IMPORT_EVENTS, &arena, &events, &err) != RV_OK;
}

static int done(void **state) {
    (void)state;
    rv_arena_done(&arena);
    return 0;
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

static rv_status_t header(const rv_targets_t *targets, const rv_columns_t *columns, const char *text, int **ret) {
    memory_t memory = {text, 0};
    rv_csv_t *csv = rv_csv_new(give, &memory, 0, 1);
    rv_csv_record_t record;
    bool more;
    assert_int_equal(rv_csv_next(csv, &record, &more, &err), RV_OK);
    rv_status_t status = rv_header_targets(targets, columns, &record, &arena, ret, &err);
    rv_csv_destroy(&csv);
    return status;
}

static void refuses(const rv_targets_t *targets, const rv_columns_t *columns, const char *text, const char *part) {
    int *of = NULL;
    if (header(targets, columns, text, &of) == RV_OK)
        fail_msg("accepts %s", text);
    if (!strstr(err.message, part))
        fail_msg("'%s' does not say '%s'", err.message, part);
    assert_null(of);
}

static void columns_must_be_declared_mapped_or_ignored(void **state) {
    static const char *const MAPS[] = {"contact=CustomerNo"}, *const IGNORED[] = {"Fax"};
    const rv_columns_t columns = {MAPS, 1, IGNORED, 1};
    int *of;
    (void)state;
    assert_int_equal(header(&contacts, &columns, "Fax,age,CustomerNo\n", &of), RV_OK);
    assert_int_equal(of[0], -1);
    assert_int_equal(of[1], 1);
    assert_int_equal(of[2], RV_TARGET_KEY);
    refuses(&contacts, &NO_COLUMNS, "contact,countri\n", "did you mean 'country'?");
    refuses(&contacts, &NO_COLUMNS, "age\n", "no column 'contact'");
    refuses(&contacts, &NO_COLUMNS, "contact,age,age\n", "two columns give 'age'");
    refuses(&contacts, &NO_COLUMNS, "contact,consent.email\n", "consent comes with a later version");
    refuses(&contacts, &columns, "contact,age\n", "no column 'CustomerNo'");
    refuses(&events, &NO_COLUMNS, "contact,at\n", "no column 'type'");
    assert_int_equal(header(&events, &NO_COLUMNS, "event,contact,at,type,channel,source,topic,value\n", &of), RV_OK);
    refuses(&contacts, &NO_COLUMNS, "contact,COUNTRY\n", "did you mean 'country'?");
    refuses(&contacts, &NO_COLUMNS, "contact;age\n", "separated by semicolons");
    refuses(&contacts, &NO_COLUMNS, "contact\tage\n", "separated by tabs");
    static const char *const NOPE[] = {"age=nope"};
    refuses(&contacts, &(rv_columns_t){NOPE, 1, NULL, 0}, "contact,Alter\n", "--map age=nope: the file has no column");
    static const char *const BAD[] = {"agee=X", "age", "=x", "age="};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rv_columns_check(&contacts, &(rv_columns_t){&BAD[i], 1, NULL, 0}, &err), RV_INVALID_ARGUMENT);
}

/* Feeds a text into a batch and a trace; reasons of rejects are written into `reasons`, one a line. */
static void feed(const rv_targets_t *targets, const char *text, bool empty_unsets, rv_batch_t *batch, rv_trace_t *trace,
                 char *reasons) {
    memory_t memory = {text, 0};
    rv_csv_t *csv = rv_csv_new(give, &memory, 0, 1);
    rv_row_t *row = rv_row_new(targets, &NO_COLUMNS, empty_unsets, false);
    rv_csv_record_t record;
    bool more, full;
    int *of;
    assert_true(targets->kind != RV_IMPORT_EVENTS ||
                rv_row_types(row, request.schema->event_types, request.schema->n_event_types));
    assert_int_equal(rv_csv_next(csv, &record, &more, &err), RV_OK);
    size_t n = record.n_fields;
    assert_int_equal(rv_header_targets(targets, &NO_COLUMNS, &record, &arena, &of, &err), RV_OK);
    while (rv_csv_next(csv, &record, &more, &err) == RV_OK && more) {
        const char *why = rv_row_csv(row, &record, of, n);
        if (why)
            reasons += sprintf(reasons, "%u %s\n", (unsigned)record.line, why);
        else {
            assert_int_equal(rv_batch_add(batch, rv_row_cells(row), &full, &err), RV_OK);
            assert_false(full);
        }
        if (trace)
            assert_true(rv_trace_add(trace, &record, why));
    }
    rv_row_destroy(&row);
    rv_csv_destroy(&csv);
}

static const Reveille__V1__Column *column(Reveille__V1__Column *const *columns, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(columns[i]->name, name) == 0)
            return columns[i];
    return NULL;
}

static void events_become_columns_with_dictionaries(void **state) {
    rv_batch_t *batch = rv_batch_new(&events);
    char reasons[1000] = "";
    (void)state;
    feed(&events,
         "event,contact,at,type,channel,topic,value\ne1,c1,1970-01-01T00:00:01Z,open,email,t1,\n"
         "e2,c2,2,purchase,web,t1,1.50\n",
         false, batch, NULL, reasons);
    assert_string_equal(reasons, "");
#ifndef RV_TINY
    feed(&events, "event,contact,at,type,channel,topic,value\n\"\",c1,3,purchase,,,2\n", false, batch, NULL, reasons);
#endif
    const Reveille__V1__EventBatch *message = rv_batch_events(batch);
    assert_int_equal(message->contact_keys->n_lengths, 2);
    assert_memory_equal(message->contact_keys->data.data, "c1c2", 4);
    assert_int_equal(message->contacts[1], 1);
    assert_true(message->times_ms[0] == 1000 && message->times_ms[1] == 2000);
    assert_string_equal(message->type_names[message->types[1]], "purchase");
    assert_null(message->source);
    assert_int_equal(message->event_id->n_codes, 0);
    assert_memory_equal(message->event_id->strings->data.data, "e1e2", 4);
    const Reveille__V1__Column *topic = column(message->properties, message->n_properties, "topic");
    assert_int_equal(topic->strings->n_lengths, 1);
    const Reveille__V1__Column *value = column(message->properties, message->n_properties, "value");
    assert_true(value->ints[1] == 150);
    assert_int_equal(value->scale, 2);
    assert_int_equal(value->present.data[0] & 3, 2);
    assert_int_equal(message->channel->n_codes, message->n_contacts);
#ifndef RV_TINY
    assert_int_equal(message->n_contacts, 3);
    assert_int_equal(message->contacts[2], 0);
    assert_int_equal(message->event_id->strings->n_lengths, 3);
#endif
    rv_batch_destroy(&batch);
}

static void rows_are_rejected_whole_with_their_reason(void **state) {
    rv_batch_t *batch = rv_batch_new(&events);
    char reasons[4000] = "";
    (void)state;
    feed(&events,
         "event,contact,at,type,value\n,,1,open,\n,c1,,open,\n,c1,1,,\n,c1,1,opne,\n,c1,1583-01-01T00:00:00Z,open,\n"
         ",c1,2300-01-01T00:00:00Z,open,\n,c1,1,open,1.234\n,c1,1,open\n,c1,1,open,1,2\nx\"y,c1,1,open,\n",
         false, batch, NULL, reasons);
    assert_string_equal(reasons, "2 contact: it is missing\n"
                                 "3 at: it is missing\n"
                                 "4 type: it is missing\n"
                                 "5 type: 'opne' is not declared, did you mean 'open'?\n"
                                 "6 at: the time '1583-01-01T00:00:00Z' is not from 1970 to 2105\n"
                                 "7 at: the time '2300-01-01T00:00:00Z' is not from 1970 to 2105\n"
                                 "8 value: '1.234' has more than 2 decimal places\n"
                                 "9 4 fields where the header has 5\n"
                                 "10 6 fields where the header has 5\n"
                                 "11 a quote stands inside a field that does not begin with one\n");
    assert_int_equal(rv_batch_rows(batch), 0);
    rv_batch_destroy(&batch);
}

static void empty_cells_stay_or_unset_and_quotes_are_empty_strings(void **state) {
    static const char TEXT[] = "contact,age,country,tags\n00001,,\"\",\nc2,5,,a;b\n";
    char reasons[100] = "";
    (void)state;
    for (int unsets = 0; unsets < 2; unsets++) {
        rv_batch_t *batch = rv_batch_new(&contacts);
        feed(&contacts, TEXT, unsets == 1, batch, NULL, reasons);
        assert_string_equal(reasons, "");
        const Reveille__V1__EntityBatch *message = rv_batch_entities(batch);
        assert_memory_equal(message->keys->data.data, "00001c2", 7);
        const Reveille__V1__Column *age = column(message->attributes, message->n_attributes, "age");
        const Reveille__V1__Column *country = column(message->attributes, message->n_attributes, "country");
        assert_int_equal(age->present.data[0], 2);
        assert_int_equal(age->unset.len ? age->unset.data[0] : 0, unsets ? 1 : 0);
        assert_int_equal(country->present.data[0], 1);
        assert_int_equal(country->strings->lengths[country->codes[0]], 0);
        assert_int_equal(country->unset.len ? country->unset.data[0] : 0, unsets ? 2 : 0);
        assert_null(column(message->attributes, message->n_attributes, "ok"));
        rv_batch_destroy(&batch);
    }
}

static void a_column_that_only_unsets_is_well_formed(void **state) {
    rv_batch_t *batch = rv_batch_new(&contacts);
    char reasons[100] = "";
    (void)state;
    feed(&contacts, "contact,country\na,\nb,\n", true, batch, NULL, reasons);
    const Reveille__V1__EntityBatch *message = rv_batch_entities(batch);
    const Reveille__V1__Column *country = column(message->attributes, message->n_attributes, "country");
    assert_int_equal(country->unset.data[0], 3);
    assert_int_equal(country->present.len, 1);
    assert_int_equal(country->present.data[0], 0);
    assert_int_equal(country->n_codes, 2);
    assert_int_equal(country->strings->n_lengths, 1);
    rv_batch_destroy(&batch);
}

static void wide_coefficients_widen_their_column(void **state) {
    rv_batch_t *batch = rv_batch_new(&contacts);
    char reasons[100] = "";
    rv_i128_t coefficient;
    (void)state;
    feed(&contacts, "contact,ltv\na,-1\nb,99999999999999999999\n", false, batch, NULL, reasons);
    const Reveille__V1__EntityBatch *message = rv_batch_entities(batch);
    const Reveille__V1__Column *ltv = column(message->attributes, message->n_attributes, "ltv");
    assert_int_equal(ltv->n_ints, 0);
    assert_int_equal(ltv->wide.len, 32);
    memcpy(&coefficient, ltv->wide.data, 16);
    assert_true(coefficient == -100);
    memcpy(&coefficient, ltv->wide.data + 16, 16);
    assert_true(coefficient == ((rv_i128_t)9999999999ll * 10000000000ll + 9999999999ll) * 100);
    rv_batch_destroy(&batch);
}

static void a_full_batch_says_so_and_stays_below_a_request(void **state) {
    rv_batch_t *batch = rv_batch_new(&contacts);
    rv_row_t *row = rv_row_new(&contacts, &NO_COLUMNS, false, false);
    rv_cell_in_t *cells = calloc(contacts.n, sizeof *cells);
    static char text[60000];
    bool full = false;
    size_t rows = 0;
    char key[32];
    (void)state;
    memset(text, 'x', sizeof text);
    while (!full && rows < 100) {
        cells[0].value = (rv_value_t){.present = true, .s = {key, (uint32_t)sprintf(key, "k%zu", rows)}};
        text[0] = (char)('a' + rows % 26);
        cells[2].value = (rv_value_t){.present = true, .s = {text, sizeof text}};
        assert_int_equal(rv_batch_add(batch, cells, &full, &err), RV_OK);
        rows += !full;
    }
    assert_true(full);
    assert_int_equal(rv_batch_rows(batch), rows);
    assert_true(reveille__v1__entity_batch__get_packed_size(rv_batch_entities(batch)) < RV_MAX_BODY);
    rv_batch_clear(batch);
    assert_int_equal(rv_batch_add(batch, cells, &full, &err), RV_OK);
    assert_false(full);
    free(cells);
    rv_row_destroy(&row);
    rv_batch_destroy(&batch);
}

/* Rows of these keys; the numbers of their contacts. */
static void add_events(rv_batch_t *batch, const char *format, size_t rows, size_t apart) {
    rv_cell_in_t *cells = calloc(events.n, sizeof *cells);
    char key[32];
    bool full;
    for (size_t i = 0; i < rows; i++) {
        cells[RV_TARGET_KEY].value =
            (rv_value_t){.present = true, .s = {key, (uint32_t)sprintf(key, format, i / apart)}};
        cells[RV_TARGET_AT].value = (rv_value_t){.present = true, .i = 1767323045000};
        cells[RV_TARGET_TYPE].value = (rv_value_t){.present = true, .s = {"open", 4}};
        assert_int_equal(rv_batch_add(batch, cells, &full, &err), RV_OK);
        assert_false(full);
    }
    free(cells);
}

static void contacts_that_mostly_differ_share_numbers_only_as_neighbours(void **state) {
    rv_batch_t *batch = rv_batch_new(&events);
    (void)state;
    size_t rows = RV_BATCH_ROWS < 2000 ? RV_BATCH_ROWS : 2000;
    add_events(batch, "k%zu", rows, 1);
    rv_batch_clear(batch);
    add_events(batch, "k%zu", 2, 2);
    assert_int_equal(rv_batch_events(batch)->contact_keys->n_lengths, 1);
    if (rows == 2000) {
        add_events(batch, "other%zu", 1, 1);
        add_events(batch, "k%zu", 2, 1);
        const Reveille__V1__EventBatch *message = rv_batch_events(batch);
        const uint32_t WANTED[] = {0, 0, 1, 2, 3};
        assert_int_equal(message->n_contacts, 5);
        assert_memory_equal(message->contacts, WANTED, sizeof WANTED);
        assert_memory_equal(message->contact_keys->data.data, "k0other0k0k1", 12);
    }
    rv_batch_destroy(&batch);
}

static void json_lines_follow_the_types(void **state) {
    static const struct {
        const char *text, *why;
    } CASES[] = {{"{\"contact\":\"a\",\"age\":5,\"country\":\"DE\",\"tags\":[\"b\",\"a\"],\"ltv\":1.5,\"ok\":true,"
                  "\"born\":\"1990-01-01\",\"w\":2}",
                  NULL},
                 {"{\"contact\":\"a\",\"ltv\":\"99999999999999999999.99\"}", NULL},
                 {"{\"contact\":\"a\",\"age\":null}", NULL},
                 {"{\"age\":5}", "contact: it is missing"},
                 {"{\"contact\":5}", "contact: a string is expected, not a number"},
                 {"{\"contact\":\"a\",\"age\":\"5\"}", NULL},
                 {"{\"contact\":\"a\",\"age\":\" 5\"}", "not a whole number"},
                 {"{\"contact\":\"a\",\"age\":true}", "age: a whole number is expected, not true or false"},
                 {"{\"contact\":\"a\",\"age\":1.5}", "not a whole number"},
                 {"{\"contact\":\"a\",\"ok\":1}", NULL},
                 {"{\"contact\":\"a\",\"ok\":\"Yes\"}", NULL},
                 {"{\"contact\":\"a\",\"ok\":2}", "not 1 or 0"},
                 {"{\"contact\":\"a\",\"born\":5}", "born: a date"},
                 {"{\"contact\":\"a\",\"tags\":\"b\"}", "tags: a list of strings is expected, not a string"},
                 {"{\"contact\":\"a\",\"tags\":[1]}", "strings"},
                 {"{\"contact\":\"a\",\"ltv\":{\"n\":1}}", "ltv: a decimal number is expected, not an object"},
                 {"{\"contact\":\"a\",\"ltv\":1.234}", "more than 2 decimal places"},
                 {"{\"contact\":\"a\",\"ltv\":12345678901234.567}", "more than 2 decimal places"},
                 {"{\"contact\":\"a\",\"agee\":1}", "'agee' is not declared"},
                 {"{\"contact\":\"a\",\"contact\":\"b\"}", "not one JSON object: a member is given twice"},
                 {"{\"contact\":\"a\\u0000\"}", "not one JSON object: a string holds U+0000"},
                 {"{\"contact\":\"a\"", "not one JSON object: it ends too early"},
                 {"[1]", "not one JSON object: another value"},
                 {"{\"contact\":\"a\"} x", "not one JSON object: something follows the object"}};
    rv_row_t *row = rv_row_new(&contacts, &NO_COLUMNS, false, false);
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *why = rv_row_json(row, CASES[i].text, strlen(CASES[i].text));
        if (!why != !CASES[i].why || (why && !strstr(why, CASES[i].why)))
            fail_msg("%s: %s", CASES[i].text, why ? why : "taken");
    }
    assert_null(rv_row_json(row, CASES[0].text, strlen(CASES[0].text)));
    const rv_cell_in_t *cells = rv_row_cells(row);
    assert_int_equal(cells[1].value.i, 5);
    assert_memory_equal(cells[3].value.s.p,
                        "a\x1f"
                        "b",
                        3);
    assert_true(cells[4].value.wide == 150);
    assert_int_equal(cells[5].value.i, 1);
    assert_null(rv_row_json(row, CASES[2].text, strlen(CASES[2].text)));
    assert_true(rv_row_cells(row)[1].unset);
    rv_row_destroy(&row);
}

/* Numbers are what is written, not what a double makes of it. */
static void json_numbers_are_exact(void **state) {
    static const struct {
        const char *name, *number, *why;
    } CASES[] = {{"ltv", "1.00000000000000000001", "more than 2 decimal places"},
                 {"ltv", "1e-400", "not a decimal number"},
                 {"ltv", "1e2", "not a decimal number"},
                 {"ltv", "12345678901234.56", NULL},
                 {"ltv", "-99999999999999999999999999.99", NULL},
                 {"age", "0.99999999999999999999", "not a whole number"},
                 {"age", "1.0", "not a whole number"},
                 {"age", "1e2", "not a whole number"},
                 {"age", "9223372036854775808", "not a whole number of 64 bits"},
                 {"age", "-9223372036854775808", NULL},
                 {"w", "123456789012345678901234567890", NULL},
                 {"w", "1e400", "too large"},
                 {"w", "-2.5E-3", NULL},
                 {"w", "01", "'01' is not a number of JSON"},
                 {"w", "--1", "'--1' is not a number of JSON"},
                 {"w", "+1", "'+1' is not a number of JSON"},
                 {"w", "1.", "'1.' is not a number of JSON"},
                 {"w", ".5", "'.5' is not a number of JSON"},
                 {"w", "1e", "'1e' is not a number of JSON"},
                 {"w", "1-2", "'1-2' is not a number of JSON"},
                 {"w", "-", "'-' is not a number of JSON"},
                 {"w", "1 2", "not one JSON object: it is wrong at byte"},
                 {"w", "1true", "not one JSON object: it is wrong at byte"},
                 {"w", "NaN", "not one JSON object: it is wrong at byte"}};
    rv_row_t *row = rv_row_new(&contacts, &NO_COLUMNS, false, false);
    char text[200];
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        /* among numbers in strings, and in a name that is written with an escape */
        bool age = strcmp(CASES[i].name, "age") == 0;
        snprintf(text, sizeof text, "{\"contact\":\"7\\\"8\",\"%s\":3,\"%s\" : %s}", age ? "w" : "\\u0061ge",
                 age ? "\\u0061ge" : CASES[i].name, CASES[i].number);
        const char *why = rv_row_json(row, text, strlen(text));
        if (!why != !CASES[i].why || (why && !strstr(why, CASES[i].why)))
            fail_msg("%s: %s", text, why ? why : "taken");
    }
    static const char LINE[] = "{\"w\":2.50,\"age\":-7,\"ltv\":12345678901234.56,\"contact\":\"1\"}";
    assert_null(rv_row_json(row, LINE, strlen(LINE)));
    const rv_cell_in_t *cells = rv_row_cells(row);
    assert_int_equal(cells[1].value.i, -7);
    assert_true(cells[4].value.wide == 1234567890123456ll);
    assert_true(cells[7].value.d == 2.5);
    rv_row_destroy(&row);
}

static void rejects_are_written_in_the_order_of_the_file(void **state) {
    char path[] = "/tmp/reveille-rejects-XXXXXX", reasons[400] = "", text[1000];
    rv_batch_t *batch = rv_batch_new(&events);
    rv_trace_t *trace = rv_trace_new();
    rv_rejects_t *rejects;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "old\n", 4) == 4);
    close(fd);
    feed(&events, "contact,at,type\na,1,open\nb,x,open\nc,3,open\n", false, batch, trace, reasons);
    assert_int_equal(rv_trace_items(trace), 2);
    assert_true(rv_trace_refuse(trace, 0, "the cluster says no"));
    assert_true(rv_trace_refuse(trace, 99, "not ours"));
    assert_int_equal(rv_rejects_new(path, &rejects, &err), RV_OK);
    assert_int_equal(rv_rejects_begin(rejects, false, &err), RV_OK);
    assert_int_equal(rv_rejects_take(rejects, "f.csv", trace, &err), RV_OK);
    assert_int_equal(rv_rejects_count(rejects), 2);
    assert_string_equal(rv_rejects_first(rejects), "f.csv:2: the cluster says no");
    rv_rejects_destroy(&rejects);
    FILE *file = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    assert_string_equal(text, "file,line,reason,row\nf.csv,2,the cluster says no,\"a,1,open\"\n"
                              "f.csv,3,at: 'x' is not a time like 2026-01-02T03:04:05Z,\"b,x,open\"\n");
    unlink(path);
    rv_trace_destroy(&trace);
    rv_batch_destroy(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_must_be_declared_mapped_or_ignored),
        cmocka_unit_test(events_become_columns_with_dictionaries),
        cmocka_unit_test(rows_are_rejected_whole_with_their_reason),
        cmocka_unit_test(empty_cells_stay_or_unset_and_quotes_are_empty_strings),
        cmocka_unit_test(a_column_that_only_unsets_is_well_formed),
        cmocka_unit_test(wide_coefficients_widen_their_column),
        cmocka_unit_test(a_full_batch_says_so_and_stays_below_a_request),
        cmocka_unit_test(contacts_that_mostly_differ_share_numbers_only_as_neighbours),
        cmocka_unit_test(json_lines_follow_the_types),
        cmocka_unit_test(json_numbers_are_exact),
        cmocka_unit_test(rejects_are_written_in_the_order_of_the_file),
    };
    return cmocka_run_group_tests(tests, start, done);
}

/* test_cli_rows.c: values and tables of answers in the four formats. */
#include "bucket.h"
#include "rows.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static rv_out_t *out;
static char text[65536];

static const char *written(void) {
    size_t n;
    const char *p = rv_out_bytes(out, &n);
    memcpy(text, p, n);
    text[n] = 0;
    rv_out_reset(out);
    return text;
}

static rv_value_t str(const char *s) {
    return rv_value_text(s);
}

static void one_json(rv_type_t type, unsigned scale, rv_value_t value, const char *wanted) {
    rv_json_t json;
    rv_json_init(&json, out);
    rv_cell_json(&json, &(rv_head_t){"x", type, scale}, &value);
    assert_string_equal(written(), wanted);
}

static void json_values_follow_the_types(void **state) {
    (void)state;
    one_json(RV_INT, 0, rv_value_int(-5), "-5");
    one_json(RV_BOOL, 0, rv_value_int(1), "true");
    one_json(RV_DECIMAL, 2, rv_value_int(1250), "12.50");
    one_json(RV_DECIMAL, 2, rv_value_int(-5), "-0.05");
    one_json(RV_DOUBLE, 0, (rv_value_t){.present = true, .d = 0.1}, "0.1");
    one_json(RV_DOUBLE, 0, (rv_value_t){.present = true, .d = INFINITY}, "\"Infinity\"");
    one_json(RV_DOUBLE, 0, (rv_value_t){.present = true, .d = -INFINITY}, "\"-Infinity\"");
    one_json(RV_TIME, 0, rv_value_int(1793491200000), "\"2026-11-01T00:00:00.000Z\"");
    one_json(RV_DATE, 0, rv_value_int(1), "\"1970-01-02\"");
    one_json(RV_DURATION, 0, rv_value_int(86400000), "86400000");
    one_json(RV_STRING, 0, str("a\"b\\c\n\x01\xc3\xa4"), "\"a\\\"b\\\\c\\n\\u0001\xc3\xa4\"");
    one_json(RV_SET, 0,
             str("a\x1f"
                 "b"),
             "[\"a\",\"b\"]");
    one_json(RV_SET, 0, str(""), "[]");
    one_json(RV_COMPANY, 0, str("co1"), "\"co1\"");
    one_json(RV_STRING, 0, (rv_value_t){0}, "null");
}

static void csv_quotes_what_must_be_quoted(void **state) {
    (void)state;
    static const struct {
        rv_type_t type;
        const char *value, *wanted;
    } CASES[] = {{RV_STRING, "a", "a"},
                 {RV_STRING, "", "\"\""},
                 {RV_STRING, "a,b", "\"a,b\""},
                 {RV_STRING, "a\"b", "\"a\"\"b\""},
                 {RV_STRING, "a\nb", "\"a\nb\""},
                 {RV_SET,
                  "a\x1f"
                  "b",
                  "a;b"},
                 {RV_STRING, " a", "\" a\""}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        rv_value_t value = str(CASES[i].value);
        rv_cell_csv(out, &(rv_head_t){"x", CASES[i].type, 0}, &value);
        assert_string_equal(written(), CASES[i].wanted);
    }
    rv_cell_csv(out, &(rv_head_t){"x", RV_STRING, 0}, &(rv_value_t){0});
    assert_string_equal(written(), "");
    rv_cell_csv(out, &(rv_head_t){"x", RV_DOUBLE, 0}, &(rv_value_t){.present = true, .d = -INFINITY});
    assert_string_equal(written(), "-Infinity");
}

static const rv_head_t HEADS[] = {{"key", RV_STRING, 0}, {"bucket(x, 30 days, 90 days)", RV_INT, 0}, {"n", RV_INT, 0}};

static void print(rv_format_t format, bool any) {
    rv_rows_t *rows = rv_rows_new(out, format, "rows");
    assert_int_equal(rv_rows_heads(rows, HEADS, 3, NULL), RV_OK);
    if (any) {
        rv_rows_add(rows, (rv_value_t[]){str("a"), rv_value_int(1), rv_value_int(5)});
        rv_rows_add(rows, (rv_value_t[]){str("b\xc3\xa4\x1b[31m"), {0}, rv_value_int(1000)});
    }
    rv_rows_end(rows);
    rv_rows_close(rows);
    rv_rows_destroy(&rows);
}

static void an_object_has_each_name_once(void **state) {
    static const rv_head_t TWICE[] = {{"n", RV_INT, 0}, {"m", RV_INT, 0}, {"n", RV_INT, 0}};
    static const rv_format_t FORMATS[] = {RV_FORMAT_NDJSON, RV_FORMAT_CSV};
    static const char *const WANTED[] = {"{\"n\":1,\"m\":2}\n", "n,m,n\n1,2,1\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rv_rows_t *rows = rv_rows_new(out, FORMATS[i], "rows");
        assert_int_equal(rv_rows_heads(rows, TWICE, 3, NULL), RV_OK);
        rv_rows_add(rows, (rv_value_t[]){rv_value_int(1), rv_value_int(2), rv_value_int(1)});
        rv_rows_end(rows);
        rv_rows_destroy(&rows);
        assert_string_equal(written(), WANTED[i]);
    }
}

static void the_formats_print_the_same_rows(void **state) {
    (void)state;
    print(RV_FORMAT_JSON, true);
    assert_string_equal(written(),
                        "{\"rows\":[{\"key\":\"a\",\"bucket(x, 30 days, 90 days)\":1,\"n\":5},"
                        "{\"key\":\"b\xc3\xa4\\u001b[31m\",\"bucket(x, 30 days, 90 days)\":null,\"n\":1000}]}\n");
    print(RV_FORMAT_NDJSON, true);
    assert_string_equal(written(),
                        "{\"key\":\"a\",\"bucket(x, 30 days, 90 days)\":1,\"n\":5}\n"
                        "{\"key\":\"b\xc3\xa4\\u001b[31m\",\"bucket(x, 30 days, 90 days)\":null,\"n\":1000}\n");
    print(RV_FORMAT_CSV, true);
    assert_string_equal(written(), "key,\"bucket(x, 30 days, 90 days)\",n\na,1,5\nb\xc3\xa4\x1b[31m,,1000\n");
    print(RV_FORMAT_TABLE, true);
    assert_string_equal(written(), "key         bucket(x, 30 days, 90 days)     n\n"
                                   "a           1 (30 days .. 90 days)          5\n"
                                   "b\xc3\xa4\\x1b[31m  -                            1000\n");
}

static void no_rows_are_still_an_answer(void **state) {
    (void)state;
    print(RV_FORMAT_JSON, false);
    assert_string_equal(written(), "{\"rows\":[]}\n");
    print(RV_FORMAT_NDJSON, false);
    assert_string_equal(written(), "");
    print(RV_FORMAT_CSV, false);
    assert_string_equal(written(), "key,\"bucket(x, 30 days, 90 days)\",n\n");
}

static void long_tables_pass_through(void **state) {
    (void)state;
    rv_rows_t *rows = rv_rows_new(out, RV_FORMAT_TABLE, "rows");
    assert_int_equal(rv_rows_heads(rows, &HEADS[2], 1, NULL), RV_OK);
    for (int i = 0; i < 2500; i++)
        rv_rows_add(rows, (rv_value_t[]){rv_value_int(i)});
    rv_rows_end(rows);
    rv_rows_destroy(&rows);
    const char *p = written();
    size_t lines = 0;
    for (; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 2501);
}

static void buckets_are_understood_when_their_edges_are_literals(void **state) {
    static const struct {
        const char *text;
        int64_t number;
        const char *label;
    } CASES[] = {{"bucket(recency(purchase), 30 days, 90 days)", 0, "< 30 days"},
                 {"bucket(recency(purchase), 30 days, 90 days)", 1, "30 days .. 90 days"},
                 {"bucket(recency(purchase), 30 days, 90 days)", 2, ">= 90 days"},
                 {"BUCKET ( sum(value of purchase where topic = 'a,)' ), 49.995 )", 1, ">= 49.995"},
                 {"bucket(x, 1)", 2, ""},
                 {"bucket(x, 1)", -1, ""}};
    static const char *const OTHERS[] = {"bucket(x)", "bucket(x, y)", "bucket(x, 1) + 1", "buckets(x, 1)",
                                         "x",         "bucket(x, 1",  "bucket(, 1)",      ""};
    rv_bucket_t bucket;
    char label[100];
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_true(rv_bucket_parse(CASES[i].text, &bucket));
        label[rv_bucket_label(&bucket, CASES[i].number, label, sizeof label)] = 0;
        assert_string_equal(label, CASES[i].label);
    }
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        assert_false(rv_bucket_parse(OTHERS[i], &bucket));
}

static void columns_of_messages_are_checked_before_they_are_read(void **state) {
    Reveille__V1__Column column = REVEILLE__V1__COLUMN__INIT;
    Reveille__V1__StringColumn strings = REVEILLE__V1__STRING_COLUMN__INIT;
    uint32_t lengths[] = {1, 2}, codes[] = {1, 0, 1};
    uint8_t present[] = {5};
    rv_column_reader_t *reader = NULL;
    rv_value_t value;
    rv_error_t err;
    (void)state;
    strings.data = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "abb"};
    strings.n_lengths = 2;
    strings.lengths = lengths;
    column.name = (char *)(uintptr_t) "c";
    column.type = RV_STRING;
    column.strings = &strings;
    column.n_codes = 3;
    column.codes = codes;
    column.present = (ProtobufCBinaryData){1, present};
    assert_int_equal(rv_column_reader_new(&column, 3, &reader, &err), RV_OK);
    rv_column_value(reader, 0, &value);
    assert_true(value.present && value.s.n == 2 && memcmp(value.s.p, "bb", 2) == 0);
    rv_column_value(reader, 1, &value);
    assert_false(value.present);
    rv_column_reader_destroy(&reader);
    assert_int_equal(rv_column_reader_new(&column, 4, &reader, &err), RV_INTERNAL);
    codes[0] = 2;
    assert_int_equal(rv_column_reader_new(&column, 3, &reader, &err), RV_INTERNAL);
    codes[0] = 0;
    lengths[0] = 4000000000u;
    assert_int_equal(rv_column_reader_new(&column, 3, &reader, &err), RV_INTERNAL);
    assert_null(reader);
}

static void a_closed_pipe_is_an_error_at_the_flush(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    rv_out_t *closed = rv_out_new(fileno(full));
    rv_error_t err;
    rv_out_text(closed, "x");
    assert_int_equal(rv_out_flush(closed, &err), RV_UNKNOWN);
    assert_non_null(strstr(err.message, "cannot be written"));
    rv_out_destroy(&closed);
    fclose(full);
}

static int start(void **state) {
    (void)state;
    out = rv_out_new(-1);
    return 0;
}

static int done(void **state) {
    (void)state;
    rv_out_destroy(&out);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_values_follow_the_types),
        cmocka_unit_test(csv_quotes_what_must_be_quoted),
        cmocka_unit_test(an_object_has_each_name_once),
        cmocka_unit_test(the_formats_print_the_same_rows),
        cmocka_unit_test(no_rows_are_still_an_answer),
        cmocka_unit_test(long_tables_pass_through),
        cmocka_unit_test(buckets_are_understood_when_their_edges_are_literals),
        cmocka_unit_test(columns_of_messages_are_checked_before_they_are_read),
        cmocka_unit_test(a_closed_pipe_is_an_error_at_the_flush),
    };
    return cmocka_run_group_tests(tests, start, done);
}

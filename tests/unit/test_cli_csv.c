/* test_cli_csv.c: the CSV reader. Each text is read whole, and again one byte at a time. */
#include "csv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    const char *text;
    size_t n, at, step;
} memory_t;

static long give(void *context, char *buffer, size_t n) {
    memory_t *memory = context;
    size_t left = memory->n - memory->at, part = left < memory->step ? left : memory->step;
    part = part < n ? part : n;
    memcpy(buffer, memory->text + memory->at, part);
    memory->at += part;
    return (long)part;
}

/* Everything in the text as one string: fields in <> or, quoted, in [], records ended by |; a problem as !LINE. */
static char *read_all(const char *text, size_t n, size_t step) {
    memory_t memory = {text, n, 0, step};
    rv_csv_t *csv = rv_csv_new(give, &memory, 0, 1);
    char *out = calloc(1, 4 * n + 64), *p = out;
    rv_csv_record_t record;
    bool more = true;
    uint64_t end = 0;
    while (rv_csv_next(csv, &record, &more, NULL) == RV_OK && more) {
        assert_true(record.end > end);
        end = record.end;
        if (record.problem)
            p += sprintf(p, "!%u", (unsigned)record.line);
        for (size_t i = 0; i < record.n_fields; i++) {
            *p++ = record.fields[i].quoted ? '[' : '<';
            memcpy(p, record.fields[i].p, record.fields[i].n);
            p += record.fields[i].n;
            *p++ = record.fields[i].quoted ? ']' : '>';
        }
        *p++ = '|';
    }
    *p = 0;
    rv_csv_destroy(&csv);
    assert_null(csv);
    return out;
}

static void expect(const char *text, size_t n, const char *wanted) {
    for (size_t step = 1; step <= 4096; step *= 8) {
        char *got = read_all(text, n, step);
        assert_string_equal(got, wanted);
        free(got);
    }
}
#define EXPECT_BROKEN(text, n) expect(text, n, "!1|")
#define EXPECT(text, wanted) expect(text, sizeof(text) - 1, wanted)

static void plain_records_are_split_at_commas_and_line_ends(void **state) {
    (void)state;
    EXPECT("a,b,c\n1,2,3\n", "<a><b><c>|<1><2><3>|");
    EXPECT("a,b\r\n1,2\r\n", "<a><b>|<1><2>|");
    EXPECT("a,,\n,,c\n", "<a><><>|<><><c>|");
    EXPECT("a,b", "<a><b>|");
    EXPECT("a,b\n1,", "<a><b>|<1><>|");
    EXPECT("", "");
}

static void empty_lines_and_a_byte_order_mark_are_skipped(void **state) {
    (void)state;
    EXPECT("\xef\xbb\xbf"
           "a,b\n\n\r\n1,2\n\n",
           "<a><b>|<1><2>|");
    EXPECT("\n\n\n", "");
    EXPECT("\xef\xbb\xbf", "");
}

static void quoted_fields_hold_commas_quotes_and_line_ends(void **state) {
    (void)state;
    EXPECT("\"a,b\",\"c\"\"d\",\"\"\n", "[a,b][c\"d][]|");
    EXPECT("\"line\nend\",x\nnext,y\n", "[line\nend]<x>|<next><y>|");
    EXPECT("\"line\r\nend\"\r\n", "[line\r\nend]|");
    EXPECT("\"\"\"\"\"\"", "[\"\"]|");
    EXPECT("a,\"b\"", "<a>[b]|");
    EXPECT("\"a\"\"\",\"\"\"b\"", "[a\"][\"b]|");
}

static void broken_quotes_reject_one_line_and_no_more(void **state) {
    (void)state;
    EXPECT("a\n\"b\"c\nd\n", "<a>|!2|<d>|");
    EXPECT("a\nb\"c\nd\n", "<a>|!2|<d>|");
    EXPECT("a\n\"never closed\nd\ne\n", "<a>|!2|<d>|<e>|");
    EXPECT("a\n\"x\ny\"z\nd\n", "<a>|!2|!3|<d>|");
    EXPECT("a\n\"", "<a>|!2|");
}

static void nul_bad_utf8_and_bare_returns_are_rejected_with_their_line(void **state) {
    (void)state;
    EXPECT("a\nb\0c\nd\n", "<a>|!2|<d>|");
    EXPECT("a\n\"b\0c\"\nd\n", "<a>|!2|<d>|");
    EXPECT("a\nb\xff\nd\n", "<a>|!2|<d>|");
    EXPECT("a\n\xc3\xa4\n\xc3\nd\n", "<a>|<\xc3\xa4>|!3|<d>|");
    EXPECT("a\nb\rc\nd\n", "<a>|!2|<d>|");
    EXPECT("a\r\nb\r", "<a>|!2|");
}

static void lines_are_counted_through_embedded_line_ends(void **state) {
    (void)state;
    EXPECT("h\n\"1\n2\n3\"\nx\"\n", "<h>|[1\n2\n3]|!5|");
}

static void a_record_beyond_one_mebibyte_is_rejected_and_skipped(void **state) {
    (void)state;
    size_t n = (3u << 20) + 8;
    char *text = malloc(n);
    memset(text, 'x', n);
    memcpy(text, "a\n", 2);
    memcpy(text + n - 3, "\nb\n", 3);
    char *got = read_all(text, n, 65536);
    assert_string_equal(got, "<a>|!2|<b>|");
    free(got);
    text[2] = '"';
    got = read_all(text, n, 1u << 20);
    assert_string_equal(got, "<a>|!2|<b>|");
    free(got);
    free(text);
}

static void too_many_fields_are_rejected(void **state) {
    (void)state;
    char *text = malloc(RV_CSV_MAX_FIELDS + 3);
    memset(text, ',', RV_CSV_MAX_FIELDS + 1);
    memcpy(text + RV_CSV_MAX_FIELDS, "\nb", 3);
    char *got = read_all(text, RV_CSV_MAX_FIELDS + 2, 4096);
    assert_string_equal(got, "!1|<b>|");
    free(got);
    free(text);
}

static void the_raw_record_and_its_end_are_those_of_the_source(void **state) {
    (void)state;
    static const char TEXT[] = "\xef\xbb\xbfh,i\r\n\"a\"\"b\",c\r\nlast";
    memory_t memory = {TEXT, sizeof TEXT - 1, 0, 3};
    rv_csv_t *csv = rv_csv_new(give, &memory, 0, 1);
    rv_csv_record_t record;
    bool more;
    assert_int_equal(rv_csv_next(csv, &record, &more, NULL), RV_OK);
    assert_int_equal(record.end, 8);
    assert_int_equal(rv_csv_next(csv, &record, &more, NULL), RV_OK);
    assert_int_equal(record.raw_n, 8);
    assert_memory_equal(record.raw, "\"a\"\"b\",c", 8);
    assert_int_equal(record.end, 18);
    assert_int_equal(record.line, 2);
    assert_int_equal(rv_csv_next(csv, &record, &more, NULL), RV_OK);
    assert_true(more);
    assert_int_equal(record.end, sizeof TEXT - 1);
    assert_int_equal(rv_csv_next(csv, &record, &more, NULL), RV_OK);
    assert_false(more);
    rv_csv_destroy(&csv);
}

static long fail_to_read(void *context, char *buffer, size_t n) {
    (void)context;
    (void)buffer;
    (void)n;
    return -5;
}

static void a_failing_source_is_an_error_not_an_end(void **state) {
    (void)state;
    rv_csv_t *csv = rv_csv_new(fail_to_read, NULL, 0, 1);
    rv_csv_record_t record;
    rv_error_t err;
    bool more;
    assert_int_equal(rv_csv_next(csv, &record, &more, &err), RV_UNKNOWN);
    assert_non_null(strstr(err.message, "cannot be read"));
    rv_csv_destroy(&csv);
}

static void lines_are_handed_out_as_they_stand(void **state) {
    (void)state;
    static const char TEXT[] = "{\"a\":1}\r\n\n{\"b\":\"\\\"\"}\n\xff\n{}";
    memory_t memory = {TEXT, sizeof TEXT - 1, 0, 2};
    rv_csv_t *csv = rv_csv_new(give, &memory, 0, 1);
    static const char *const WANTED[] = {"{\"a\":1}", "{\"b\":\"\\\"\"}", "\xff", "{}"};
    static const unsigned LINES[] = {1, 3, 4, 5};
    rv_csv_record_t record;
    bool more;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rv_csv_line(csv, &record, &more, NULL), RV_OK);
        assert_true(more);
        assert_int_equal(record.raw_n, strlen(WANTED[i]));
        assert_memory_equal(record.raw, WANTED[i], record.raw_n);
        assert_int_equal(record.line, LINES[i]);
        assert_int_equal(record.problem != NULL, i == 2);
    }
    assert_int_equal(rv_csv_line(csv, &record, &more, NULL), RV_OK);
    assert_false(more);
    rv_csv_destroy(&csv);
}

/* Fields of random lengths, ASCII or not, whose ends come to lie everywhere in a block. */
static void fields_of_all_lengths_are_found_in_all_places(void **state) {
    static char text[200000], wanted[400000];
    size_t n = 0, out = 0;
    (void)state;
    srand(7);
    for (int record = 0; record < 400; record++) {
        for (int field = 0; field < 5; field++) {
            bool quoted = rand() % 4 == 0, last = field == 4;
            int length = field == 0 ? 1 + rand() % 130 : rand() % 70;
            text[n] = '"';
            n += quoted;
            wanted[out++] = quoted ? '[' : '<';
            for (int i = 0; i < length; i++) {
                const char *letter = rand() % 50 == 0 ? "\xc3\xa9" : quoted && rand() % 9 == 0 ? "," : "x";
                n += (size_t)sprintf(text + n, "%s", letter);
                out += (size_t)sprintf(wanted + out, "%s", letter);
            }
            text[n] = '"';
            n += quoted;
            wanted[out++] = quoted ? ']' : '>';
            text[n++] = last ? '\n' : ',';
        }
        wanted[out++] = '|';
    }
    expect(text, n, wanted);
}

static void a_bad_byte_is_seen_in_every_place_of_a_block(void **state) {
    char text[200];
    (void)state;
    for (size_t at = 0; at < 150; at++) {
        memset(text, 'x', sizeof text);
        text[at] = (char)0xff;
        text[150] = '\n';
        EXPECT_BROKEN(text, 151);
        text[at] = 0;
        EXPECT_BROKEN(text, 151);
    }
}

/* The quote of the first line is not closed: the scan goes on to the end, the reading with the next line. */
static void the_scan_of_a_broken_record_leaves_nothing_behind(void **state) {
    char text[400], wanted[1000];
    (void)state;
    for (size_t length = 1; length < 150; length++) {
        size_t n = (size_t)sprintf(text, "\"%0*d\n", (int)length, 0);
        char *p = wanted + sprintf(wanted, "!1|");
        for (unsigned line = 0; line < 40; line++) {
            n += (size_t)sprintf(text + n, "%u,x\n", line);
            p += sprintf(p, "<%u><x>|", line);
        }
        expect(text, n, wanted);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_records_are_split_at_commas_and_line_ends),
        cmocka_unit_test(empty_lines_and_a_byte_order_mark_are_skipped),
        cmocka_unit_test(quoted_fields_hold_commas_quotes_and_line_ends),
        cmocka_unit_test(broken_quotes_reject_one_line_and_no_more),
        cmocka_unit_test(nul_bad_utf8_and_bare_returns_are_rejected_with_their_line),
        cmocka_unit_test(lines_are_counted_through_embedded_line_ends),
        cmocka_unit_test(a_record_beyond_one_mebibyte_is_rejected_and_skipped),
        cmocka_unit_test(too_many_fields_are_rejected),
        cmocka_unit_test(the_raw_record_and_its_end_are_those_of_the_source),
        cmocka_unit_test(a_failing_source_is_an_error_not_an_end),
        cmocka_unit_test(lines_are_handed_out_as_they_stand),
        cmocka_unit_test(fields_of_all_lengths_are_found_in_all_places),
        cmocka_unit_test(a_bad_byte_is_seen_in_every_place_of_a_block),
        cmocka_unit_test(the_scan_of_a_broken_record_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

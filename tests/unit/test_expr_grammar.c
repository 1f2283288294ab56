/* test_expr_grammar.c: what follows the grammar and what does not, with the place of the first error; tokens; limits of
 * size and depth. */
#include "../../common/expr/syntax.h"
#include "reveille/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static rv_error_t err;
static expr_place_t later; /* of the first part that is not built yet; line 0: none */

static rv_status_t parse(expr_text_t kind, const char *text) {
    rv_arena_t arena;
    expr_tree_t tree;
    err = (rv_error_t){0};
    expr_report_t report = {.err = &err, .field = "filter"};
    rv_arena_init(&arena, 64u << 20);
    bool done = rv_expr_parse(&arena, &report, kind, text, &tree);
    assert_int_equal(done, report.status == RV_OK);
    later = done && tree.later ? tree.later_place : (expr_place_t){0, 0};
    rv_arena_done(&arena);
    return report.status;
}

static expr_text_t kind_of(char letter) {
    static const char letters[] = "FEYOCTSWD";
    const char *at = strchr(letters, letter);
    assert_non_null(at);
    return (expr_text_t)(at - letters);
}

static void every_golden_text_gets_its_verdict(void **state) {
    (void)state;
    char path[4096], line[4096], verdict[64];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof path, "%.*s/../golden/filter-grammar.txt", (int)(slash ? slash - __FILE__ : 1),
             slash ? __FILE__ : ".");
    FILE *file = fopen(path, "r");
    size_t count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#')
            continue;
        char *wanted = strchr(line, '\t') + 1, *text = strchr(wanted, '\t') + 1;
        text[-1] = 0;
        rv_status_t status = parse(kind_of(line[0]), text);
        if (status == RV_OK && later.line == 0)
            snprintf(verdict, sizeof verdict, "yes");
        else if (status == RV_OK)
            snprintf(verdict, sizeof verdict, "later %u:%u", later.line, later.column);
        else
            snprintf(verdict, sizeof verdict, "no %u:%u", err.line, err.column);
        if (strcmp(verdict, wanted) != 0)
            fail_msg("%s\n  is wanted %s and found %s: %s", text, wanted, verdict, err.message);
        count++;
    }
    fclose(file);
    assert_true(count > 250);
}

static void refused(const char *text, uint32_t line, uint32_t column, const char *part) {
    assert_int_equal(parse(TEXT_FILTER, text), RV_INVALID_ARGUMENT);
    assert_int_equal(err.reason, RV_REASON_FILTER);
    if (err.line != line || err.column != column || !strstr(err.message, part))
        fail_msg("%s\n  gives %u:%u %s", text, err.line, err.column, err.message);
    assert_string_equal(err.field, "filter");
}

static void errors_say_what_would_be_right(void **state) {
    (void)state;
    refused("a = 2026-1-31", 1, 5, "2026-1-31: write 2026-01-31");
    refused("recency(x) < 1.5 days", 1, 14, "1.5 days: write 36 hours");
    refused("recency(x) < 0.5 weeks", 1, 14, "write 84 hours");
    refused("recency(x) < 1.0001 seconds", 1, 14, "durations are whole units");
    refused("a = 2026-02-30", 1, 5, "there is no date '2026-02-30'");
    refused("a <> 1", 1, 3, "write !=");
    refused("a == 1", 1, 3, "write =");
    refused("a in 5", 1, 6, "a list in brackets");
    refused("like = 1", 1, 1, "`backquotes`");
    refused("x from now", 1, 3, "'and', 'or' or the end");
    refused("count(value of purchase)", 1, 13, "takes no property");
    refused("sum(purchase)", 1, 13, "sum(value of purchase)");
    refused("exists(x from last(y))", 1, 15, "an expression in brackets");
}

static void columns_count_characters_and_lines_count_newlines(void **state) {
    (void)state;
    refused("a = 'äöü' and ! b", 1, 15, "'!'");
    refused("a = 1 -- ä\n  and ü = 3", 2, 7, "'ü'");
    refused("a = 'x\ny' and\r\n\t!", 3, 2, "'!'");
    refused("a = 1 and\n\n", 3, 1, "the end of the text");
    refused("a = \x01", 1, 5, "control character");
}

static void text_must_be_utf8(void **state) {
    (void)state;
    refused("a = 'ä\xff'", 1, 7, "UTF-8");
    refused("a = 1\n\xc3", 2, 1, "UTF-8");
    refused("a = '\xed\xa0\x80'", 1, 6, "UTF-8");
}

static void messages_stay_valid_utf8_when_they_cut(void **state) {
    (void)state;
    char text[1024] = "a = 1 '";
    for (size_t i = 7; i + 3 < 900; i += 3)
        memcpy(text + i, "€", 4);
    strcat(text, "'");
    assert_int_equal(parse(TEXT_FILTER, text), RV_INVALID_ARGUMENT);
    assert_true(rv_utf8_valid(err.message, strlen(err.message)));
    assert_non_null(strstr(err.message, "..."));
}

/* n times `part`, then `end`; to be freed. */
static char *repeated(const char *begin, const char *part, size_t n, const char *end) {
    size_t at = strlen(begin), length = strlen(part);
    char *text = malloc(at + n * length + strlen(end) + 1);
    assert_non_null(text);
    memcpy(text, begin, at);
    for (size_t i = 0; i < n; i++, at += length)
        memcpy(text + at, part, length);
    strcpy(text + at, end);
    return text;
}

static rv_status_t parse_repeated(const char *begin, const char *part, size_t n, const char *end) {
    char *text = repeated(begin, part, n, end);
    clock_t start = clock();
    rv_status_t status = parse(TEXT_FILTER, text);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 5.0);
    free(text);
    return status;
}

static void nesting_has_a_limit(void **state) {
    (void)state;
    char *text = repeated("", "(", 64, "a");
    char *closed = repeated(text, ")", 64, "");
    assert_int_equal(parse(TEXT_FILTER, closed), RV_OK);
    free(text);
    free(closed);
    assert_int_equal(parse_repeated("", "not ", 64, "a"), RV_OK);
    assert_int_equal(parse_repeated("", "not ", 65, "a"), RV_INVALID_ARGUMENT);
    assert_int_equal(parse_repeated("", "- ", 65, "a"), RV_INVALID_ARGUMENT);
    assert_int_equal(parse_repeated("a", " at now", 64, ""), RV_OK);
    assert_int_equal(parse_repeated("a", " at now", 65, ""), RV_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "more than 64 levels"));
}

static void long_texts_give_a_clear_error_or_work(void **state) {
    (void)state;
    static const char *const parts[] = {"(",        "not ", "- ", "-", "lower(", "coalesce(a,", "exists(x where ",
                                        "((a) and "};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_int_equal(parse_repeated("", parts[i], 60000 / strlen(parts[i]), ""), RV_INVALID_ARGUMENT);
        assert_int_equal(err.reason, RV_REASON_FILTER);
        assert_int_equal(err.line, 1);
    }
    assert_int_equal(parse_repeated("a", " and a", 10000, ""), RV_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "more than 4096 nodes"));
    assert_int_equal(parse_repeated("a", " and a", 4000, ""), RV_OK);
    assert_int_equal(parse_repeated("a", " + a", 4000, " > 3"), RV_OK);
    assert_int_equal(parse_repeated("a in (1", ", 1", 20000, ")"), RV_OK);
    assert_int_equal(parse_repeated("a = '", "''", 30000, "'"), RV_OK);
    assert_int_equal(parse_repeated("a ", "-- x\n", 13000, ""), RV_OK);
    assert_int_equal(parse_repeated("count(any from now", " + 1 day", 4000, ")"), RV_OK);
    assert_int_equal(parse_repeated("count(a", "|a", 2000, ")"), RV_INVALID_ARGUMENT);
    assert_int_equal(parse_repeated("", " ", RV_MAX_TEXT, ""), RV_OK);
    assert_int_equal(parse_repeated("", " ", RV_MAX_TEXT + 1, ""), RV_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "65537 bytes"));
}

static void what_is_not_built_yet_parses_and_is_noted(void **state) {
    (void)state;
    assert_int_equal(parse(TEXT_FILTER, "a > 1 and cadence(x) > 3 days and fold(b) = 'x'"), RV_OK);
    assert_int_equal(later.column, 11);
    assert_int_equal(parse(TEXT_FILTER, "cadence(x) > 3 days and"), RV_INVALID_ARGUMENT);
    assert_int_equal(parse(TEXT_FILTER, "exists(a\n not followed by b in 3 days)"), RV_OK);
    assert_int_equal(later.line, 2);
    assert_int_equal(later.column, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_text_gets_its_verdict),
        cmocka_unit_test(errors_say_what_would_be_right),
        cmocka_unit_test(columns_count_characters_and_lines_count_newlines),
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(messages_stay_valid_utf8_when_they_cut),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(long_texts_give_a_clear_error_or_work),
        cmocka_unit_test(what_is_not_built_yet_parses_and_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_cli_options.c: what a command line means, and how wrong ones are told. The real table of commands is used. */
#include "commands.h"
#include "help.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static rv_args_t *args;
static rv_error_t err;

static rv_status_t parse(const char *const *argv) {
    int argc = 0;
    while (argv[argc])
        argc++;
    rv_args_destroy(&args);
    return rv_args_parse(argc, argv, RV_COMMANDS, RV_COMMANDS_N, &args, &err);
}
#define PARSE(...) parse((const char *const[]){"reveille", __VA_ARGS__, NULL})

static void refuses(rv_status_t status, const char *part) {
    assert_int_equal(status, RV_INVALID_ARGUMENT);
    if (!strstr(err.message, part))
        fail_msg("'%s' does not say '%s'", err.message, part);
}

static void options_stand_before_or_after_the_verb(void **state) {
    (void)state;
    assert_int_equal(PARSE("--endpoint", "tcp://x", "count", "a = 1", "--format=json", "--as-of", "2026-11-01"), RV_OK);
    assert_string_equal(rv_args_command(args)->name, "count");
    assert_string_equal(rv_args_text(args, "endpoint"), "tcp://x");
    assert_string_equal(rv_args_text(args, "format"), "json");
    assert_string_equal(rv_args_text(args, "as-of"), "2026-11-01");
    assert_int_equal(rv_args_count(args), 1);
    assert_string_equal(rv_args_argument(args, 0), "a = 1");
    assert_null(rv_args_argument(args, 1));
    assert_int_equal(PARSE("--as-of", "1", "count"), RV_OK);
}

static void verbs_may_have_two_words(void **state) {
    (void)state;
    assert_int_equal(PARSE("segment", "--format", "csv", "save", "x", "country = 'DE'"), RV_OK);
    assert_string_equal(rv_args_command(args)->name, "segment save");
    assert_string_equal(rv_args_argument(args, 1), "country = 'DE'");
}

static void options_may_repeat_where_that_means_something(void **state) {
    (void)state;
    assert_int_equal(PARSE("overlap", "--segment", "a=1", "--segment=b=2"), RV_OK);
    assert_string_equal(rv_args_nth(args, "segment", 0), "a=1");
    assert_string_equal(rv_args_nth(args, "segment", 1), "b=2");
    assert_null(rv_args_nth(args, "segment", 2));
    refuses(PARSE("select", "--limit", "1", "--limit", "2"), "given twice");
}

static void minus_is_an_argument_and_two_end_the_options(void **state) {
    (void)state;
    assert_int_equal(PARSE("import", "events", "-", "--rejects", "-"), RV_OK);
    assert_string_equal(rv_args_argument(args, 0), "-");
    assert_int_equal(PARSE("count", "--", "--weird"), RV_OK);
    assert_string_equal(rv_args_argument(args, 0), "--weird");
    assert_int_equal(PARSE("count", "-- a comment"), RV_OK);
    assert_int_equal(PARSE("count", "-1 < 2"), RV_OK);
}

static void unknown_words_name_the_nearest(void **state) {
    (void)state;
    refuses(PARSE("cuont"), "did you mean 'count'?");
    refuses(PARSE("contact", "gte", "k"), "did you mean 'contact get'?");
    refuses(PARSE("count", "--asof", "1"), "did you mean '--as-of'?");
    refuses(PARSE("select", "--filds", "a"), "did you mean '--fields'?");
    refuses(PARSE("qqqqqq"), "reveille --help");
    refuses(PARSE("count", "--qqqqqqqqq"), "--help lists");
}

static void wrong_usage_says_what_is_right(void **state) {
    (void)state;
    refuses(PARSE("count", "--as-of"), "needs a value");
    refuses(PARSE("select", "--limit", "many"), "whole number");
    refuses(PARSE("select", "--limit", "-1"), "whole number");
    refuses(PARSE("select", "--limit", "18446744073709551616"), "whole number");
    refuses(PARSE("up", "--workers", "0"), "from 1");
    refuses(PARSE("up", "--detach=yes"), "takes no value");
    refuses(PARSE("count", "a", "b"), "one too many");
    refuses(PARSE("contact", "get"), "missing");
    refuses(PARSE("segment"), "second word");
    refuses(PARSE("--format", "json"), "no command");
    refuses(PARSE("--as-of", "1", "up"), "does not take --as-of");
    refuses(PARSE("up", "--as-of", "1"), "unknown option");
}

static void later_verbs_are_known_whatever_follows(void **state) {
    (void)state;
    assert_int_equal(PARSE("watch", "x", "--whatever"), RV_OK);
    assert_null(rv_args_command(args)->run);
    assert_int_equal(PARSE("dormancy", "report", "--by", "x"), RV_OK);
    assert_null(rv_args_command(args)->run);
}

static void help_needs_no_arguments(void **state) {
    (void)state;
    assert_int_equal(PARSE("--help"), RV_OK);
    assert_true(rv_args_help(args));
    assert_int_equal(PARSE("contact", "get", "--help"), RV_OK);
    assert_true(rv_args_help(args));
    assert_int_equal(PARSE("help", "count"), RV_OK);
    assert_string_equal(rv_args_command(args)->name, "count");
    assert_int_equal(PARSE("segment", "-h"), RV_OK);
    assert_string_equal(rv_args_group(args), "segment");
    assert_int_equal(PARSE("--version"), RV_OK);
    assert_true(rv_args_version(args));
}

static void every_command_has_help_with_examples(void **state) {
    (void)state;
    for (size_t i = 0; i < RV_COMMANDS_N; i++) {
        if (!RV_COMMANDS[i].run)
            continue;
        rv_out_t *out = rv_out_new(-1);
        rv_help(out, RV_COMMANDS, RV_COMMANDS_N, &RV_COMMANDS[i], NULL);
        rv_out_char(out, 0);
        size_t n;
        const char *text = rv_out_bytes(out, &n);
        assert_non_null(strstr(text, RV_COMMANDS[i].summary));
        assert_non_null(strstr(text, "Examples:"));
        assert_non_null(strstr(text, "--endpoint"));
        assert_int_equal(strstr(text, "--repeat") != NULL, RV_COMMANDS[i].reads);
        rv_out_destroy(&out);
    }
}

static void timeouts_are_seconds_or_have_a_unit(void **state) {
    uint32_t ms = 1;
    (void)state;
    assert_true(rv_timeout_parse("5", &ms) && ms == 5000);
    assert_true(rv_timeout_parse("5s", &ms) && ms == 5000);
    assert_true(rv_timeout_parse("500 ms", &ms) && ms == 500);
    assert_true(rv_timeout_parse("2 minutes", &ms) && ms == 120000);
    static const char *const WRONG[] = {"", "0", "-1", "x", "5 parsecs", "2 hours", "99999999999"};
    for (size_t i = 0; i < 7; i++)
        assert_false(rv_timeout_parse(WRONG[i], &ms));
    assert_int_equal(ms, 120000);
}

static int done(void **state) {
    (void)state;
    rv_args_destroy(&args);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_or_after_the_verb),
        cmocka_unit_test(verbs_may_have_two_words),
        cmocka_unit_test(options_may_repeat_where_that_means_something),
        cmocka_unit_test(minus_is_an_argument_and_two_end_the_options),
        cmocka_unit_test(unknown_words_name_the_nearest),
        cmocka_unit_test(wrong_usage_says_what_is_right),
        cmocka_unit_test(later_verbs_are_known_whatever_follows),
        cmocka_unit_test(help_needs_no_arguments),
        cmocka_unit_test(every_command_has_help_with_examples),
        cmocka_unit_test(timeouts_are_seconds_or_have_a_unit),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}

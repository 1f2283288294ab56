/* Strings are numbered in the order of their first coming, whatever their lengths are. */
#include "dictionary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void strings_of_all_lengths_are_told_apart(void **state) {
    (void)state;
    rv_dictionary_t *d = rv_dictionary_new();
    char text[40];
    bool added;
    assert_non_null(d);
    for (int round = 0; round < 2; round++) {
        uint32_t number = 0;
        for (size_t n = 0; n <= sizeof text; n++)
            for (size_t odd = 0; odd <= n; odd++) { /* one byte differs, or (odd == n) none */
                memset(text, 'x', sizeof text);
                if (odd < n)
                    text[odd] = 'y';
                assert_int_equal(rv_dictionary_has(d, text, n), round == 1);
                assert_int_equal(rv_dictionary_number(d, text, n, &added), number++);
                assert_int_equal(added, round == 0);
                rv_str_t s = rv_dictionary_string(d, number - 1);
                assert_int_equal(s.n, n);
                assert_memory_equal(s.p, text, n);
            }
        assert_int_equal(rv_dictionary_count(d), number);
    }
    rv_dictionary_clear(d);
    assert_false(rv_dictionary_has(d, "x", 1));
    assert_int_equal(rv_dictionary_number(d, "x", 1, &added), 0);
    rv_dictionary_destroy(&d);
}

static void many_strings_keep_their_numbers(void **state) {
    (void)state;
    rv_dictionary_t *d = rv_dictionary_new();
    bool added;
    assert_non_null(d);
    for (uint32_t i = 0; i < 40000; i++) {
        char text[24];
        size_t n = (size_t)snprintf(text, sizeof text, "c%08u", i % 20000);
        assert_int_equal(rv_dictionary_number(d, text, n, &added), i % 20000);
        assert_int_equal(added, i < 20000);
    }
    rv_dictionary_destroy(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_of_all_lengths_are_told_apart),
        cmocka_unit_test(many_strings_keep_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

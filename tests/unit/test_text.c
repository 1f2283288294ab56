/* test_text.c: UTF-8, case, like, nearest names, the hash. */
#include "reveille/hash.h"
#include "reveille/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static rv_str_t str(const char *text) {
    return (rv_str_t){text, (uint32_t)strlen(text)};
}

static bool valid(const char *text) {
    return rv_utf8_valid(text, strlen(text));
}

static void utf8_is_checked(void **state) {
    (void)state;
    assert_true(valid(""));
    assert_true(valid("plain ascii that is longer than eight bytes"));
    assert_true(valid("Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80"));
    assert_false(rv_utf8_valid("a\0b", 3));
    assert_false(rv_utf8_valid("longer than eight\0bytes", 23));
    assert_false(valid("\xc0\x80"));         /* overlong */
    assert_false(valid("\xed\xa0\x80"));     /* surrogate */
    assert_false(valid("\xf4\x90\x80\x80")); /* beyond U+10FFFF */
    assert_false(valid("\xe2\x82"));         /* cut short */
    assert_false(valid("1234567\x80"));      /* stray continuation at the end of a word */
    assert_false(valid("\x80"
                       "1234567"));
    assert_int_equal(rv_utf8_length("Z\xc3\xbcrich", 7), 6);
}

/* Every one- and two-byte string against the definition. */
static void short_strings_follow_the_table(void **state) {
    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            char text[2] = {(char)a, (char)b};
            bool both_ascii = a > 0 && a < 128 && b > 0 && b < 128;
            bool pair = a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
            assert_int_equal(rv_utf8_valid(text, 2), both_ascii || pair);
        }
}

static void case_is_mapped(void **state) {
    (void)state;
    char out[64];
    size_t n = rv_text_lower("Z\xc3\x9cRICH", 7, out, sizeof out);
    assert_int_equal(n, 7);
    assert_memory_equal(out, "z\xc3\xbcrich", 7);
    n = rv_text_upper("abc1", 4, out, sizeof out);
    assert_memory_equal(out, "ABC1", n);
}

static void like_matches_the_whole_value(void **state) {
    (void)state;
    static const struct {
        const char *value, *pattern;
        bool match;
    } CASES[] = {
        {"", "", true},
        {"", "%", true},
        {"a", "", false},
        {"abc", "a%", true},
        {"abc", "%c", true},
        {"abc", "%b%", true},
        {"abc", "a_c", true},
        {"abc", "a_", false},
        {"abc", "___", true},
        {"abc", "____", false},
        {"aab", "%ab", true},
        {"\xc3\xbc", "_", true},
        {"a\xc3\xbcz", "a_z", true},
        {"aaaa", "%a%a%a%a%", true},
        {"aaa", "%a%a%a%a%", false},
        {"x%y", "x%y", true},
        {"mississippi", "m%iss%p_", true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(rv_text_like(str(CASES[i].value), str(CASES[i].pattern)), CASES[i].match);
}

static void the_nearest_name_is_found(void **state) {
    (void)state;
    const char *const names[] = {"country", "company", "lifecycle_stage", "age"};
    assert_string_equal(rv_nearest("contry", 6, names, 4), "country");
    assert_string_equal(rv_nearest("conutry", 7, names, 4), "country");
    assert_string_equal(rv_nearest("lifecyle_stage", 14, names, 4), "lifecycle_stage");
    assert_string_equal(rv_nearest("COUNTRY", 7, names, 4), "country");
    assert_null(rv_nearest("revenue", 7, names, 4));
    assert_null(rv_nearest("x", 1, names, 0));
}

static void strings_compare_bytewise(void **state) {
    (void)state;
    assert_true(rv_str_compare(str("a"), str("ab")) < 0);
    assert_true(rv_str_compare(str("b"), str("ab")) > 0);
    assert_true(rv_str_compare(str("\xc3\xbc"), str("z")) > 0);
    assert_true(rv_str_equal(str(""), (rv_str_t){NULL, 0}));
}

/* Placement and splits never move: these values are for ever. */
static void hashes_are_the_published_ones(void **state) {
    (void)state;
    assert_int_equal(rv_hash("", 0), 0x2d06800538d394c2ull);
    assert_int_equal(rv_partition_of("", 0, 64), 0x2d06800538d394c2ull % 64);
    char joined[] = "spring\0c1";
    assert_int_equal(rv_split("spring", 6, "c1", 2, 1000), rv_hash(joined, 9) % 1000);
}

static void short_copies_touch_nothing_else(void **state) {
    char from[64], to[64];
    (void)state;
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (char)('A' + i);
    for (size_t n = 0; n <= 40; n++) {
        memset(to, '.', sizeof to);
        rv_copy_short(to + 8, from + 3, n);
        assert_memory_equal(to, "........", 8);
        assert_memory_equal(to + 8, from + 3, n);
        assert_memory_equal(to + 8 + n, "........", 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(short_copies_touch_nothing_else),
        cmocka_unit_test(short_strings_follow_the_table),
        cmocka_unit_test(case_is_mapped),
        cmocka_unit_test(like_matches_the_whole_value),
        cmocka_unit_test(the_nearest_name_is_found),
        cmocka_unit_test(strings_compare_bytewise),
        cmocka_unit_test(hashes_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

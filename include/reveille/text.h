/* text.h: bytes as text: UTF-8, case, nearest names. */
#ifndef REVEILLE_TEXT_H
#define REVEILLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed string, not terminated. */
typedef struct {
    const char *p;
    uint32_t n;
} rv_str_t;

/* memcpy for strings that are mostly short: up to 16 bytes are two words that may overlap. */
static inline void rv_copy_short(void *to, const void *from, size_t n) {
    if (n > 16 || n < 4) {
        if (n)
            memcpy(to, from, n);
        return;
    }
    if (n >= 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, (const char *)from + n - 8, 8);
        memcpy(to, &first, 8);
        memcpy((char *)to + n - 8, &last, 8);
    } else {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, (const char *)from + n - 4, 4);
        memcpy(to, &first, 4);
        memcpy((char *)to + n - 4, &last, 4);
    }
}

/* UTF-8 (no surrogates, no overlong forms, at most U+10FFFF) without NUL. */
bool rv_utf8_valid(const char *text, size_t n);
/* The greatest length up to `most` at which n bytes of UTF-8 may be cut. */
size_t rv_utf8_cut(const char *text, size_t n, size_t most);
/* Writes '?' over every byte of a terminated text that belongs to no valid sequence. */
void rv_utf8_mend(char *text);
/* Code points of valid UTF-8. */
size_t rv_utf8_length(const char *text, size_t n);
/* Bytewise, then by length: <0, 0, >0. */
int rv_str_compare(rv_str_t a, rv_str_t b);
bool rv_str_equal(rv_str_t a, rv_str_t b);
/* Lower (or upper) case into out (capacity cap >= 3 * n is always enough); returns the length. Simple case mapping per
 * code point. */
size_t rv_text_lower(const char *text, size_t n, char *out, size_t cap);
size_t rv_text_upper(const char *text, size_t n, char *out, size_t cap);
/* like: % any run, _ one code point, whole value; linear in time * pattern. */
bool rv_text_like(rv_str_t value, rv_str_t pattern);
/* The candidate nearest to `name` (another case, or edit distance at most a third of its length, at least 1 allowed),
 * or NULL. */
const char *rv_nearest(const char *name, size_t n, const char *const *candidates, size_t count);

#endif

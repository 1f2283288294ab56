/* text.c: UTF-8 by hand where it is on the hot path (validity, length), utf8proc for case. No state. */
#include "reveille/text.h"
#include <string.h>
#include <utf8proc.h>

/* Length of the valid sequence at p (at most n bytes), or 0. */
static size_t sequence(const unsigned char *p, size_t n) {
    unsigned char c = p[0];
    if (c < 0x80)
        return c != 0;
    size_t more;
    unsigned lo = 0x80, hi = 0xbf;
    if (c >= 0xc2 && c <= 0xdf)
        more = 1;
    else if (c >= 0xe0 && c <= 0xef) {
        more = 2;
        lo = c == 0xe0 ? 0xa0 : lo;
        hi = c == 0xed ? 0x9f : hi;
    } else if (c >= 0xf0 && c <= 0xf4) {
        more = 3;
        lo = c == 0xf0 ? 0x90 : lo;
        hi = c == 0xf4 ? 0x8f : hi;
    } else
        return 0;
    if (n <= more || p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i <= more; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return more + 1;
}

bool rv_utf8_valid(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    while (p < end) {
        if (end - p >= 8) { /* eight ASCII bytes without NUL at once */
            uint64_t word;
            memcpy(&word, p, 8);
            if (!((word | (word - 0x0101010101010101ull)) & 0x8080808080808080ull)) {
                p += 8;
                continue;
            }
        }
        size_t length = sequence(p, (size_t)(end - p));
        if (!length)
            return false;
        p += length;
    }
    return true;
}

size_t rv_utf8_cut(const char *text, size_t n, size_t most) {
    if (n <= most)
        return n;
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

void rv_utf8_mend(char *text) {
    size_t n = strlen(text), length;
    for (size_t at = 0; at < n; at += length ? length : 1) {
        length = sequence((const unsigned char *)text + at, n - at);
        if (!length)
            text[at] = '?';
    }
}

size_t rv_utf8_length(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

int rv_str_compare(rv_str_t a, rv_str_t b) {
    uint32_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool rv_str_equal(rv_str_t a, rv_str_t b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static size_t map_case(const char *text, size_t n, char *out, size_t cap, utf8proc_int32_t (*map)(utf8proc_int32_t)) {
    size_t used = 0, at = 0;
    while (at < n) {
        utf8proc_int32_t point;
        utf8proc_ssize_t length =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(n - at), &point);
        if (length <= 0) { /* not UTF-8: copied as it is */
            if (used < cap)
                out[used++] = text[at];
            at++;
            continue;
        }
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t got = utf8proc_encode_char(map(point), bytes);
        if (used + (size_t)got > cap)
            break;
        memcpy(out + used, bytes, (size_t)got);
        used += (size_t)got;
        at += (size_t)length;
    }
    return used;
}

size_t rv_text_lower(const char *text, size_t n, char *out, size_t cap) {
    return map_case(text, n, out, cap, utf8proc_tolower);
}

size_t rv_text_upper(const char *text, size_t n, char *out, size_t cap) {
    return map_case(text, n, out, cap, utf8proc_toupper);
}

/* Bytes of the code point at text[at]; 1 for stray bytes. */
static uint32_t point_bytes(rv_str_t text, uint32_t at) {
    uint32_t n = 1;
    while (at + n < text.n && ((unsigned char)text.p[at + n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* The classic two-pointer match: on a mismatch only the last % is given one more character. */
bool rv_text_like(rv_str_t value, rv_str_t pattern) {
    uint32_t v = 0, p = 0, star = UINT32_MAX, star_v = 0;
    while (v < value.n) {
        if (p < pattern.n && pattern.p[p] == '%') {
            star = p++;
            star_v = v;
        } else if (p < pattern.n && pattern.p[p] == '_') {
            v += point_bytes(value, v);
            p++;
        } else if (p < pattern.n && pattern.p[p] == value.p[v]) {
            v++;
            p++;
        } else if (star != UINT32_MAX) {
            star_v += point_bytes(value, star_v);
            v = star_v;
            p = star + 1;
        } else
            return false;
    }
    while (p < pattern.n && pattern.p[p] == '%')
        p++;
    return p == pattern.n;
}

/* Edit distance with transposition of neighbours, given up beyond `most`. */
static size_t distance(const char *a, size_t an, const char *b, size_t bn, size_t most) {
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    if (an > LONGEST || bn > LONGEST || (an > bn ? an - bn : bn - an) > most)
        return most + 1;
    for (size_t j = 0; j <= bn; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= an; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= bn; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < best)
                best = earlier[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[an % 3][bn];
}

const char *rv_nearest(const char *name, size_t n, const char *const *candidates, size_t count) {
    size_t most = n / 3 > 1 ? n / 3 : 1;
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) /* case alone is the nearest there is, however long the name */
        if (strlen(candidates[i]) == n && strncasecmp(candidates[i], name, n) == 0)
            return candidates[i];
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(name, n, candidates[i], strlen(candidates[i]), most);
        if (d <= most) {
            best = candidates[i];
            if (d == 0)
                break;
            most = d - 1;
        }
    }
    return best;
}

/* bucket.c: splits the text of a bucket at its outermost commas. Edges that are no plain literals give no labels. No
 * state. */
#include "bucket.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Numbers, times and durations are made of these; a name followed by a bracket is not. */
static bool literal_edge(const char *p, size_t n) {
    if (n == 0 || !(isdigit((unsigned char)p[0]) || (p[0] == '-' && n > 1)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)p[i]) && !strchr(" .-:+", p[i]))
            return false;
    return true;
}

static bool add_part(rv_bucket_t *bucket, size_t *parts, const char *p, size_t n) {
    while (n > 0 && blank(*p)) {
        p++;
        n--;
    }
    while (n > 0 && blank(p[n - 1]))
        n--;
    if ((*parts)++ == 0)
        return n > 0; /* the expression itself */
    if (bucket->n == RV_BUCKET_EDGES || !literal_edge(p, n))
        return false;
    bucket->edge[bucket->n] = p;
    bucket->length[bucket->n++] = n;
    return true;
}

bool rv_bucket_parse(const char *text, rv_bucket_t *ret) {
    rv_bucket_t bucket = {0};
    size_t n = strlen(text), at = 6, depth = 0, start, parts = 0;
    char quote = 0;
    if (n < 8 || strncasecmp(text, "bucket", 6) != 0)
        return false;
    while (blank(text[at]))
        at++;
    if (text[at] != '(')
        return false;
    for (start = ++at; at < n; at++) {
        char c = text[at];
        if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '"' || c == '`') {
            quote = c;
        } else if (c == '(') {
            depth++;
        } else if (c == ',' && depth == 0) {
            if (!add_part(&bucket, &parts, text + start, at - start))
                return false;
            start = at + 1;
        } else if (c == ')' && depth-- == 0) {
            break;
        }
    }
    if (at != n - 1 || !add_part(&bucket, &parts, text + start, at - start) || bucket.n == 0)
        return false; /* more follows the bracket: an expression around a bucket */
    *ret = bucket;
    return true;
}

size_t rv_bucket_label(const rv_bucket_t *bucket, int64_t number, char *out, size_t cap) {
    if (number < 0 || (uint64_t)number > bucket->n || bucket->n == 0)
        return 0;
    size_t k = (size_t)number;
    int n;
    if (k == 0)
        n = snprintf(out, cap, "< %.*s", (int)bucket->length[0], bucket->edge[0]);
    else if (k == bucket->n)
        n = snprintf(out, cap, ">= %.*s", (int)bucket->length[k - 1], bucket->edge[k - 1]);
    else
        n = snprintf(out, cap, "%.*s .. %.*s", (int)bucket->length[k - 1], bucket->edge[k - 1], (int)bucket->length[k],
                     bucket->edge[k]);
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

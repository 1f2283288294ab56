/* valcodec.c: typed values as bytes whose order is the order of the values.
 *
 * Numbers are written big endian with the sign flipped, doubles in the usual order-preserving form, strings with a
 * final 00. Every reader takes bytes from another process: it checks the tag and stays within the given length. No
 * state; the only failure besides bad bytes is memory.
 */
#include "reveille/valcodec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAG_PRESENT 0x01
#define TAG_MISSING 0xFF
#define SIGN (1ull << 63)

bool rv_bytes_add(rv_bytes_t *bytes, const void *p, size_t n) {
    if (n > bytes->cap - bytes->n) {
        size_t cap = bytes->cap < 32 ? 64 : bytes->cap;
        while (cap - bytes->n < n) {
            if (cap > SIZE_MAX / 2)
                return false;
            cap *= 2;
        }
        uint8_t *grown = realloc(bytes->p, cap);
        if (grown == NULL)
            return false;
        bytes->p = grown;
        bytes->cap = cap;
    }
    if (n > 0)
        memcpy(bytes->p + bytes->n, p, n);
    bytes->n += n;
    return true;
}

void rv_bytes_done(rv_bytes_t *bytes) {
    free(bytes->p);
    *bytes = (rv_bytes_t){0};
}

static void put64(uint8_t *out, uint64_t value) {
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get64(const uint8_t *bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static uint64_t ordered_bits(double d) {
    uint64_t bits;
    if (d == 0)
        d = 0; /* also -0 */
    if (isnan(d))
        d = (double)NAN; /* one NaN, above everything */
    memcpy(&bits, &d, sizeof bits);
    return (bits & SIGN) != 0 ? ~bits : bits | SIGN;
}

static double double_of(uint64_t ordered) {
    uint64_t bits = (ordered & SIGN) != 0 ? ordered & ~SIGN : ~ordered;
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static bool is_text(rv_type_t type) {
    return type == RV_STRING || type == RV_SET || type == RV_COMPANY;
}

bool rv_value_encode(rv_type_t type, const rv_value_t *value, bool descending, rv_bytes_t *out) {
    uint8_t fixed[17] = {value->present ? TAG_PRESENT : TAG_MISSING};
    size_t start = out->n, n = 1;
    if (value->present && type == RV_DECIMAL) {
        put64(fixed + 1, (uint64_t)((rv_u128_t)value->wide >> 64) ^ SIGN);
        put64(fixed + 9, (uint64_t)value->wide);
        n = 17;
    } else if (value->present && !is_text(type)) {
        put64(fixed + 1, type == RV_DOUBLE ? ordered_bits(value->d) : (uint64_t)value->i ^ SIGN);
        n = 9;
    }
    if (!rv_bytes_add(out, fixed, n))
        return false;
    if (value->present && is_text(type) && (!rv_bytes_add(out, value->s.p, value->s.n) || !rv_bytes_add(out, "", 1))) {
        out->n = start;
        return false;
    }
    if (descending)
        for (size_t i = start + 1; i < out->n; i++)
            out->p[i] = (uint8_t)~out->p[i];
    return true;
}

bool rv_value_decode(rv_type_t type, const uint8_t *bytes, size_t n, size_t *pos, rv_value_t *ret) {
    rv_value_t value = {0};
    size_t at = *pos;
    if (at >= n || (bytes[at] != TAG_PRESENT && bytes[at] != TAG_MISSING))
        return false;
    value.present = bytes[at++] == TAG_PRESENT;
    if (value.present && is_text(type)) {
        const uint8_t *end = memchr(bytes + at, 0, n - at);
        if (end == NULL || (size_t)(end - (bytes + at)) > UINT32_MAX)
            return false;
        value.s = (rv_str_t){(const char *)bytes + at, (uint32_t)(end - (bytes + at))};
        at += value.s.n + 1u;
    } else if (value.present) {
        size_t width = type == RV_DECIMAL ? 16 : 8;
        if (n - at < width)
            return false;
        uint64_t first = get64(bytes + at);
        if (type == RV_DECIMAL)
            value.wide = (rv_i128_t)((rv_u128_t)(first ^ SIGN) << 64 | get64(bytes + at + 8));
        else if (type == RV_DOUBLE)
            value.d = double_of(first);
        else
            value.i = (int64_t)(first ^ SIGN);
        at += width;
    }
    *pos = at;
    *ret = value;
    return true;
}

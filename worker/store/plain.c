/* plain.c: columns under construction.
 *
 * Values are written by index, so that a column can be gathered in any order. The only failure is memory (of the
 * arena): the caller gives up what it builds. Conversions follow the widenings that a schema may make on live data.
 */
#include "plain.h"

#include <math.h>
#include <string.h>

#define TEXT_ROOM 65536u
/* Longest string that rvw_column_string writes. */
#define NUMBERED_ROOM 300u

rvw_kind_t rvw_kind(rv_type_t type) {
    switch (type) {
    case RV_STRING:
    case RV_SET:
        return RVW_KIND_TEXT;
    case RV_DOUBLE:
        return RVW_KIND_F64;
    default:
        return RVW_KIND_INT;
    }
}

static size_t value_size(const rvw_plain_t *plain) {
    return rvw_kind(plain->type) == RVW_KIND_TEXT ? sizeof(rv_str_t) : plain->wide ? sizeof(rv_i128_t) : 8;
}

bool rvw_plain_init(rvw_plain_t *plain, rv_arena_t *arena, rv_type_t type, unsigned scale, uint32_t n) {
    *plain = (rvw_plain_t){.arena = arena, .type = type, .scale = (uint8_t)scale, .n = n};
    plain->values = rv_arena_zalloc(arena, n ? n : 1, value_size(plain));
    plain->present = rv_arena_zalloc(arena, n / 8 + 1, 1);
    return plain->values && plain->present;
}

static bool widen(rvw_plain_t *plain) {
    rv_i128_t *wide = rv_arena_zalloc(plain->arena, plain->n, sizeof *wide);
    if (!wide) {
        return false;
    }
    for (uint32_t i = 0; i < plain->n; i++) {
        wide[i] = ((const int64_t *)plain->values)[i];
    }
    plain->values = wide;
    plain->wide = true;
    return true;
}

void rvw_plain_clear(rvw_plain_t *plain, uint32_t i) {
    plain->present[i >> 3] = (uint8_t)(plain->present[i >> 3] & ~(1u << (i & 7)));
    memset((char *)plain->values + i * value_size(plain), 0, value_size(plain));
}

static void mark(rvw_plain_t *plain, uint32_t i) {
    plain->present[i >> 3] = (uint8_t)(plain->present[i >> 3] | 1u << (i & 7));
}

bool rvw_plain_set(rvw_plain_t *plain, uint32_t i, const rv_value_t *value) {
    if (!value->present) {
        rvw_plain_clear(plain, i);
        return true;
    }
    if (plain->type == RV_DECIMAL) {
        if (!plain->wide && (rv_i128_t)(int64_t)value->wide != value->wide && !widen(plain)) {
            return false;
        }
        if (plain->wide) {
            ((rv_i128_t *)plain->values)[i] = value->wide;
        } else {
            ((int64_t *)plain->values)[i] = (int64_t)value->wide;
        }
    } else if (rvw_kind(plain->type) == RVW_KIND_TEXT) {
        ((rv_str_t *)plain->values)[i] = value->s;
    } else if (plain->type == RV_DOUBLE) {
        ((double *)plain->values)[i] = value->d;
    } else {
        ((int64_t *)plain->values)[i] = value->i;
    }
    mark(plain, i);
    return true;
}

/* Bytes that live as long as the arena. */
static const char *keep_text(rvw_plain_t *plain, rv_str_t s) {
    if (plain->text_left < s.n) {
        size_t room = s.n > TEXT_ROOM ? s.n : TEXT_ROOM;
        plain->text = rv_arena_alloc(plain->arena, room);
        plain->text_left = plain->text ? room : 0;
        if (!plain->text) {
            return NULL;
        }
    }
    char *p = plain->text;
    memcpy(p, s.p, s.n);
    plain->text += s.n;
    plain->text_left -= s.n;
    return p;
}

static bool take_text(rvw_plain_t *plain, uint32_t i, const rvw_column_t *from, uint32_t j) {
    char buf[NUMBERED_ROOM];
    rv_str_t s = rvw_column_string(from, j, buf);
    if (from->encoding == RVW_NUMBERED) {
        s.p = keep_text(plain, s);
        if (!s.p) {
            return false;
        }
    }
    ((rv_str_t *)plain->values)[i] = s;
    mark(plain, i);
    return true;
}

bool rvw_plain_take(rvw_plain_t *plain, uint32_t i, const rvw_column_t *from, uint32_t j) {
    if (!rvw_column_present(from, j)) {
        rvw_plain_clear(plain, i);
        return true;
    }
    if (rvw_kind(plain->type) == RVW_KIND_TEXT) {
        if (plain->type != from->type) {
            rvw_plain_clear(plain, i);
            return true;
        }
        return take_text(plain, i, from, j);
    }
    if (from->type == plain->type && from->scale == plain->scale && !plain->wide &&
        (from->encoding == RVW_FOR || from->encoding == RVW_CONST)) {
        ((int64_t *)plain->values)[i] = rvw_column_int(from, j);
        mark(plain, i);
        return true;
    }
    char buf[NUMBERED_ROOM];
    rv_value_t value;
    rvw_column_value(from, j, buf, &value);
    if (!rvw_value_convert(&value, from->type, from->scale, plain->type, plain->scale)) {
        value.present = false;
    }
    return rvw_plain_set(plain, i, &value);
}

static void bounds(const rvw_plain_t *plain, int64_t *ret_min, int64_t *ret_max) {
    int64_t min = INT64_MAX, max = INT64_MIN;
    const int64_t *v = plain->values;
    for (uint32_t i = 0; i < plain->n; i++) {
        if (plain->present[i >> 3] >> (i & 7) & 1) {
            min = v[i] < min ? v[i] : min;
            max = v[i] > max ? v[i] : max;
        }
    }
    *ret_min = min > max ? 0 : min;
    *ret_max = min > max ? 0 : max;
}

/* All, some or none of the values are there. */
static uint32_t count_present(const rvw_plain_t *plain) {
    uint32_t k = 0;
    for (uint32_t i = 0; i < (plain->n + 7) / 8; i++) {
        k += (uint32_t)__builtin_popcount(plain->present[i]);
    }
    return k;
}

void rvw_plain_column(const rvw_plain_t *plain, rvw_column_t *ret) {
    uint32_t there = count_present(plain);
    *ret = (rvw_column_t){.type = plain->type, .scale = plain->scale, .n = plain->n, .unit = 1};
    if (there == 0) {
        ret->encoding = RVW_NONE;
        return;
    }
    ret->present = there == plain->n ? NULL : plain->present;
    ret->codes = plain->values;
    if (rvw_kind(plain->type) == RVW_KIND_TEXT) {
        ret->encoding = RVW_REF;
    } else if (plain->type == RV_DOUBLE) {
        ret->encoding = RVW_F64;
    } else if (plain->wide) {
        ret->encoding = RVW_WIDE;
    } else {
        ret->encoding = RVW_FOR;
        ret->width = 8;
        bounds(plain, &ret->min, &ret->max);
    }
}

bool rvw_value_convert(rv_value_t *value, rv_type_t from, unsigned from_scale, rv_type_t to, unsigned to_scale) {
    if (!value->present || (from == to && from_scale == to_scale)) {
        return true;
    }
    if (to == RV_DECIMAL && (from == RV_INT || from == RV_DECIMAL)) {
        rv_i128_t coefficient = from == RV_INT ? value->i : value->wide;
        unsigned scale = from == RV_INT ? 0 : from_scale;
        if (to_scale >= scale) {
            return rv_decimal_rescale(coefficient, scale, to_scale, &value->wide);
        }
        rv_i128_t divisor = rv_pow10(scale - to_scale);
        if (coefficient % divisor != 0) {
            return false;
        }
        value->wide = coefficient / divisor;
        return true;
    }
    if (to == RV_DOUBLE && from == RV_INT) {
        value->d = (double)value->i;
        return true;
    }
    if (to == RV_DOUBLE && from == RV_DECIMAL) {
        value->d = rv_decimal_to_double(value->wide, from_scale);
        return true;
    }
    return from == to;
}

bool rvw_value_equal(rv_type_t type, const rv_value_t *a, const rv_value_t *b) {
    if (a->present != b->present) {
        return false;
    }
    if (!a->present) {
        return true;
    }
    switch (type) {
    case RV_STRING:
    case RV_SET:
        return rv_str_equal(a->s, b->s);
    case RV_DOUBLE:
        return !(a->d < b->d) && !(a->d > b->d) && isnan(a->d) == isnan(b->d);
    case RV_DECIMAL:
        return a->wide == b->wide;
    default:
        return a->i == b->i;
    }
}

/* agg.c: aggregate states.
 *
 * Sums of integers and decimals are kept in 192 bits, which no number of additions fills, and sums of doubles in an
 * rv_exact_t: so no order of rows, chunks or workers changes a result or decides whether one overflows. min and max
 * keep the encoded form of the value (valcodec.h), whose bytewise order is the order of values. distinct and quantile
 * keep a tally of encoded values. Packed states come from other processes: rv_agg_combine checks each length, tag and
 * order before it uses them. A state that failed half way in a combine may still be freed, nothing else. Not thread
 * safe; every thread has states of its own.
 */
#include "reveille/agg.h"

#include "reveille/limits.h"
#include "tally.h"
#include "wide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT
#define SUM REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_SUM
#define AVG REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_AVG
#define MIN REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_MIN
#define MAX REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_MAX
#define DISTINCT REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_DISTINCT
#define QUANTILE REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_QUANTILE

/* Two's complement in three words, least first. */
typedef struct {
    uint64_t word[3];
} sum_t;

/* Only the first rv_agg_size bytes of it exist. */
struct rv_agg {
    uint64_t n; /* rows, or present values */
    union {
        sum_t sum;
        rv_exact_t exact;
        struct {
            uint8_t *bytes; /* encoded value, NULL before the first */
            size_t n;
        } best;
        rv_tally_t *tally; /* NULL before the first value */
    };
};

#define UP_TO(member) (offsetof(struct rv_agg, member) + sizeof(((struct rv_agg *)0)->member))

size_t rv_agg_size(const rv_measure_t *measure) {
    switch (measure->kind) {
    case SUM:
    case AVG:
        return measure->type == RV_DOUBLE ? UP_TO(exact) : UP_TO(sum);
    case MIN:
    case MAX:
        return UP_TO(best);
    case DISTINCT:
    case QUANTILE:
        return UP_TO(tally);
    default:
        return UP_TO(n);
    }
}

void rv_agg_init(const rv_measure_t *measure, rv_agg_t *state) {
    memset(state, 0, rv_agg_size(measure));
}

void rv_agg_done(const rv_measure_t *measure, rv_agg_t *state) {
    if (measure->kind == MIN || measure->kind == MAX)
        free(state->best.bytes);
    if (measure->kind == DISTINCT || measure->kind == QUANTILE)
        rv_tally_destroy(&state->tally);
    rv_agg_init(measure, state);
}

size_t rv_agg_memory(const rv_measure_t *measure, const rv_agg_t *state) {
    switch (measure->kind) {
    case MIN:
    case MAX:
        return state->best.bytes != NULL ? state->best.n : 0;
    case DISTINCT:
    case QUANTILE:
        return state->tally != NULL ? rv_tally_memory(state->tally) : 0;
    default:
        return 0;
    }
}

static bool is_sum(const rv_measure_t *measure) {
    return measure->kind == SUM || measure->kind == AVG;
}

static bool is_extreme(const rv_measure_t *measure) {
    return measure->kind == MIN || measure->kind == MAX;
}

static void sum_add(sum_t *sum, const uint64_t other[3]) {
    rv_u128_t carry = 0;
    for (size_t i = 0; i < 3; i++) {
        carry += (rv_u128_t)sum->word[i] + other[i];
        sum->word[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

static void sum_add_value(sum_t *sum, rv_i128_t value) {
    const uint64_t words[3] = {(uint64_t)value, (uint64_t)((rv_u128_t)value >> 64), value < 0 ? UINT64_MAX : 0};
    sum_add(sum, words);
}

/* |sum|; the sign. */
static bool sum_magnitude(const sum_t *sum, rv_wide_t *ret) {
    bool negative = sum->word[2] >> 63 != 0;
    *ret = (rv_wide_t){{0}};
    rv_u128_t carry = negative;
    for (size_t i = 0; i < 3; i++) {
        carry += negative ? ~sum->word[i] : sum->word[i];
        ret->word[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return negative;
}

static bool sum_narrow(const sum_t *sum, rv_i128_t *ret) {
    rv_u128_t low = (rv_u128_t)sum->word[1] << 64 | sum->word[0];
    *ret = (rv_i128_t)low;
    return sum->word[2] == (*ret < 0 ? UINT64_MAX : 0);
}

/* Takes the encoded value when it is better than what is held. */
static rv_status_t offer(const rv_measure_t *measure, rv_agg_t *state, const uint8_t *bytes, size_t n,
                         rv_error_t *err) {
    if (state->best.bytes != NULL) {
        int order = memcmp(bytes, state->best.bytes, n < state->best.n ? n : state->best.n);
        if (order == 0)
            order = (n > state->best.n) - (n < state->best.n);
        if (measure->kind == MIN ? order >= 0 : order <= 0)
            return RV_OK;
    }
    if (state->best.bytes == NULL || n > state->best.n) {
        uint8_t *room = realloc(state->best.bytes, n);
        if (room == NULL)
            return rv_fail_memory(err, "the best value of a group");
        state->best.bytes = room;
    }
    memcpy(state->best.bytes, bytes, n);
    state->best.n = n;
    return RV_OK;
}

static rv_status_t tally_add(rv_agg_t *state, const uint8_t *bytes, size_t n, uint64_t count, rv_error_t *err) {
    if (state->tally == NULL && (state->tally = rv_tally_new()) == NULL)
        return rv_fail_memory(err, "different values of a group");
    return rv_tally_add(state->tally, bytes, n, count, err);
}

static size_t tally_size(const rv_agg_t *state) {
    return state->tally != NULL ? rv_tally_size(state->tally) : 0;
}

static rv_status_t add_encoded(const rv_measure_t *measure, rv_agg_t *state, const rv_value_t *value, rv_error_t *err) {
    uint8_t room[256];
    rv_bytes_t bytes = {0};
    bool text = measure->type == RV_STRING || measure->type == RV_SET || measure->type == RV_COMPANY;
    bool borrowed = !text || value->s.n + 2u <= sizeof room; /* fits, so it is never grown */
    if (borrowed)
        bytes = (rv_bytes_t){room, 0, sizeof room};
    if (!rv_value_encode(measure->type, value, false, &bytes))
        return rv_fail_memory(err, "a value of a group");
    rv_status_t status =
        is_extreme(measure) ? offer(measure, state, bytes.p, bytes.n, err) : tally_add(state, bytes.p, bytes.n, 1, err);
    if (!borrowed)
        rv_bytes_done(&bytes);
    return status;
}

rv_status_t rv_agg_add(const rv_measure_t *measure, rv_agg_t *state, const rv_value_t *value, rv_error_t *err) {
    if (measure->kind != COUNT && !value->present)
        return RV_OK;
    rv_status_t status = RV_OK;
    if (is_sum(measure) && measure->type == RV_DOUBLE)
        rv_exact_add(&state->exact, value->d);
    else if (is_sum(measure))
        sum_add_value(&state->sum, measure->type == RV_DECIMAL ? value->wide : value->i);
    else if (measure->kind != COUNT)
        status = add_encoded(measure, state, value, err);
    if (status == RV_OK)
        state->n++;
    return status;
}

void rv_agg_add_sum(const rv_measure_t *measure, rv_agg_t *state, rv_i128_t sum, uint64_t n) {
    if (measure->type == RV_DOUBLE)
        rv_exact_add_units(&state->exact, sum);
    else
        sum_add_value(&state->sum, sum);
    state->n += n;
}

void rv_agg_add_rows(const rv_measure_t *measure, rv_agg_t *state, uint64_t rows) {
    if (measure->kind == COUNT)
        state->n += rows;
}

static bool put64(rv_bytes_t *out, uint64_t value) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    return rv_bytes_add(out, bytes, 8);
}

static uint64_t get64(const uint8_t *bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static bool pack_sum(const rv_measure_t *measure, const rv_agg_t *state, rv_bytes_t *out) {
    if (!put64(out, state->n))
        return false;
    if (measure->type == RV_DOUBLE) {
        uint8_t packed[RV_EXACT_PACKED];
        return rv_bytes_add(out, packed, rv_exact_pack(&state->exact, packed));
    }
    const uint64_t *words = state->sum.word;
    return put64(out, words[0]) && put64(out, words[1]) && put64(out, words[2]);
}

/* The number of values, then each in rising order, with its count for a quantile. */
static bool pack_tally(const rv_measure_t *measure, const rv_agg_t *state, rv_bytes_t *out) {
    size_t n = tally_size(state);
    bool fits = put64(out, n);
    if (n == 0 || !fits)
        return fits;
    const rv_tally_entry_t **sorted = rv_tally_sorted(state->tally);
    fits = sorted != NULL;
    for (size_t i = 0; fits && i < n; i++)
        fits = rv_bytes_add(out, rv_tally_bytes(state->tally, sorted[i]), sorted[i]->n) &&
               (measure->kind == DISTINCT || put64(out, sorted[i]->count));
    free(sorted);
    return fits;
}

rv_status_t rv_agg_pack(const rv_measure_t *measure, const rv_agg_t *state, rv_bytes_t *out) {
    size_t start = out->n;
    bool fits;
    if (is_sum(measure))
        fits = pack_sum(measure, state, out);
    else if (is_extreme(measure) && state->best.bytes != NULL)
        fits = rv_bytes_add(out, state->best.bytes, state->best.n);
    else if (is_extreme(measure))
        fits = rv_value_encode(measure->type, &(rv_value_t){0}, false, out);
    else if (measure->kind == COUNT)
        fits = put64(out, state->n);
    else
        fits = pack_tally(measure, state, out);
    if (fits)
        return RV_OK;
    out->n = start;
    return rv_fail_memory(NULL, "a packed group");
}

static rv_status_t damaged(rv_error_t *err) {
    return rv_fail(err, RV_REASON_DAMAGED, "a partial result of a worker is not a state of its measure");
}

static bool take64(const uint8_t *bytes, size_t n, size_t *pos, uint64_t *ret) {
    if (n - *pos < 8)
        return false;
    *ret = get64(bytes + *pos);
    *pos += 8;
    return true;
}

static bool combine_sum(const rv_measure_t *measure, rv_agg_t *state, const uint8_t *bytes, size_t n, size_t *pos) {
    uint64_t rows, words[3];
    if (!take64(bytes, n, pos, &rows))
        return false;
    if (measure->type == RV_DOUBLE) {
        rv_exact_t other;
        if (n - *pos < RV_EXACT_PACKED || !rv_exact_unpack(bytes + *pos, RV_EXACT_PACKED, &other))
            return false;
        *pos += RV_EXACT_PACKED;
        rv_exact_merge(&state->exact, &other);
    } else {
        for (size_t i = 0; i < 3; i++)
            if (!take64(bytes, n, pos, &words[i]))
                return false;
        sum_add(&state->sum, words);
    }
    state->n += rows;
    return true;
}

static rv_status_t combine_extreme(const rv_measure_t *measure, rv_agg_t *state, const uint8_t *bytes, size_t n,
                                   size_t *pos, rv_error_t *err) {
    size_t start = *pos;
    rv_value_t value;
    if (!rv_value_decode(measure->type, bytes, n, pos, &value))
        return damaged(err);
    return value.present ? offer(measure, state, bytes + start, *pos - start, err) : RV_OK;
}

static rv_status_t combine_tally(const rv_measure_t *measure, rv_agg_t *state, const uint8_t *bytes, size_t n,
                                 size_t *pos, rv_error_t *err) {
    uint64_t entries;
    if (!take64(bytes, n, pos, &entries) || entries > RV_MAX_GROUPS)
        return damaged(err);
    const uint8_t *before = NULL;
    size_t before_n = 0;
    for (uint64_t i = 0; i < entries; i++) {
        size_t start = *pos;
        uint64_t count = 1;
        rv_value_t value;
        if (!rv_value_decode(measure->type, bytes, n, pos, &value) || !value.present)
            return damaged(err);
        size_t length = *pos - start;
        /* Encoded values never are prefixes of each other, so equal beginnings mean equal values. */
        if (before != NULL && memcmp(before, bytes + start, before_n < length ? before_n : length) >= 0)
            return damaged(err);
        if (measure->kind == QUANTILE &&
            (!take64(bytes, n, pos, &count) || count == 0 || __builtin_add_overflow(state->n, count, &state->n)))
            return damaged(err);
        rv_status_t status = tally_add(state, bytes + start, length, count, err);
        if (status != RV_OK)
            return status;
        before = bytes + start;
        before_n = length;
    }
    return RV_OK;
}

rv_status_t rv_agg_combine(const rv_measure_t *measure, rv_agg_t *state, const uint8_t *bytes, size_t n, size_t *pos,
                           rv_error_t *err) {
    if (*pos > n)
        return damaged(err);
    size_t at = *pos;
    rv_status_t status = RV_OK;
    uint64_t rows;
    if (is_sum(measure))
        status = combine_sum(measure, state, bytes, n, &at) ? RV_OK : damaged(err);
    else if (is_extreme(measure))
        status = combine_extreme(measure, state, bytes, n, &at, err);
    else if (measure->kind != COUNT)
        status = combine_tally(measure, state, bytes, n, &at, err);
    else if (take64(bytes, n, &at, &rows))
        state->n += rows;
    else
        status = damaged(err);
    if (status == RV_OK)
        *pos = at;
    return status;
}

rv_status_t rv_agg_merge(const rv_measure_t *measure, rv_agg_t *into, const rv_agg_t *from, rv_error_t *err) {
    rv_status_t status = RV_OK;
    if (is_sum(measure) && measure->type == RV_DOUBLE)
        rv_exact_merge(&into->exact, &from->exact);
    else if (is_sum(measure))
        sum_add(&into->sum, from->sum.word);
    else if (is_extreme(measure) && from->best.bytes != NULL)
        status = offer(measure, into, from->best.bytes, from->best.n, err);
    else if (measure->kind == DISTINCT || measure->kind == QUANTILE)
        for (size_t i = 0; status == RV_OK && i < tally_size(from); i++) {
            const rv_tally_entry_t *entry = rv_tally_entry(from->tally, i);
            status = tally_add(into, rv_tally_bytes(from->tally, entry), entry->n, entry->count, err);
        }
    into->n += from->n;
    return status;
}

void rv_agg_type(const rv_measure_t *measure, rv_type_t *ret_type, unsigned *ret_scale) {
    rv_type_t type = measure->type;
    if (measure->kind == COUNT || measure->kind == DISTINCT)
        type = RV_INT;
    else if (measure->kind == AVG && type != RV_DURATION)
        type = RV_DOUBLE;
    else if (measure->kind == SUM && type == RV_INT)
        type = RV_DECIMAL; /* of scale 0: exact, whatever the ints add up to */
    *ret_type = type;
    *ret_scale = measure->type == RV_DECIMAL && type == RV_DECIMAL ? measure->scale : 0;
}

static rv_status_t overflow(rv_error_t *err, const char *what) {
    return rv_fail(err, RV_REASON_OVERFLOW, "a %s leaves the range of its type", what);
}

/* What is not a number (of opposed infinities) is missing. */
static void finalize_double(double d, rv_value_t *ret) {
    *ret = (rv_value_t){.present = !isnan(d), .d = isnan(d) ? 0 : d};
}

static rv_status_t finalize_sum(const rv_measure_t *measure, const rv_agg_t *state, rv_value_t *ret, rv_error_t *err) {
    if (measure->type == RV_DOUBLE) {
        finalize_double(rv_exact_value(&state->exact), ret);
        return RV_OK;
    }
    rv_i128_t sum;
    if (!sum_narrow(&state->sum, &sum))
        return overflow(err, "sum");
    if (measure->type != RV_DURATION) {
        *ret = (rv_value_t){.present = true, .wide = sum};
        return RV_OK;
    }
    if (sum < INT64_MIN || sum > INT64_MAX)
        return overflow(err, "sum");
    *ret = (rv_value_t){.present = true, .i = (int64_t)sum};
    return RV_OK;
}

/* To the nearest millisecond, halves away from zero as everywhere in the language. */
static rv_status_t finalize_mean_duration(const rv_agg_t *state, rv_value_t *ret, rv_error_t *err) {
    rv_i128_t sum;
    if (!sum_narrow(&state->sum, &sum))
        return overflow(err, "mean");
    rv_u128_t total = rv_magnitude(sum), mean = total / state->n, rest = total % state->n;
    mean += rest >= state->n - rest;
    if (mean > INT64_MAX)
        return overflow(err, "mean");
    *ret = (rv_value_t){.present = true, .i = sum < 0 ? -(int64_t)mean : (int64_t)mean};
    return RV_OK;
}

static rv_status_t finalize_mean(const rv_measure_t *measure, const rv_agg_t *state, rv_value_t *ret, rv_error_t *err) {
    if (state->n == 0) {
        *ret = (rv_value_t){0};
        return RV_OK;
    }
    if (measure->type == RV_DURATION)
        return finalize_mean_duration(state, ret, err);
    if (measure->type == RV_DOUBLE) {
        finalize_double(rv_exact_mean(&state->exact, state->n), ret);
        return RV_OK;
    }
    rv_wide_t total, divisor;
    bool negative = sum_magnitude(&state->sum, &total);
    divisor = rv_wide_product(state->n, (rv_u128_t)rv_pow10(measure->type == RV_DECIMAL ? measure->scale : 0));
    finalize_double(rv_wide_ratio(negative, &total, &divisor), ret);
    return RV_OK;
}

/* ceil(q n), at least 1, where q is the decimal of up to 15 places that was written: 0.1 of 10 values is the first. */
static uint64_t quantile_rank(double q, uint64_t n) {
    const rv_u128_t one = 1000000000000000u;
    rv_u128_t scaled = q > 0 ? q < 1 ? (rv_u128_t)llround(q * 1e15) : one : 0;
    uint64_t rank = (uint64_t)((scaled * n + one - 1) / one);
    return rank > 0 ? rank : 1;
}

static rv_status_t finalize_quantile(const rv_measure_t *measure, const rv_agg_t *state, rv_value_t *ret,
                                     rv_error_t *err) {
    *ret = (rv_value_t){0};
    size_t n = tally_size(state), at = 0;
    if (n == 0)
        return RV_OK;
    const rv_tally_entry_t **sorted = rv_tally_sorted(state->tally);
    if (sorted == NULL)
        return rv_fail_memory(err, "a quantile");
    uint64_t rank = quantile_rank(measure->quantile, state->n);
    while (at + 1 < n && sorted[at]->count < rank)
        rank -= sorted[at++]->count;
    size_t pos = 0;
    bool decoded = rv_value_decode(measure->type, rv_tally_bytes(state->tally, sorted[at]), sorted[at]->n, &pos, ret);
    free(sorted);
    return decoded ? RV_OK : rv_fail(err, RV_REASON_BUG, "a counted value cannot be read back");
}

rv_status_t rv_agg_finalize(const rv_measure_t *measure, const rv_agg_t *state, rv_value_t *ret, rv_error_t *err) {
    size_t pos = 0;
    switch (measure->kind) {
    case SUM:
        return finalize_sum(measure, state, ret, err);
    case AVG:
        return finalize_mean(measure, state, ret, err);
    case QUANTILE:
        return finalize_quantile(measure, state, ret, err);
    case MIN:
    case MAX:
        if (state->best.bytes == NULL || !rv_value_decode(measure->type, state->best.bytes, state->best.n, &pos, ret))
            *ret = (rv_value_t){0};
        return RV_OK;
    case DISTINCT:
        *ret = (rv_value_t){.present = true, .i = (int64_t)tally_size(state)};
        return RV_OK;
    default:
        *ret = (rv_value_t){.present = true, .i = (int64_t)state->n};
        return RV_OK;
    }
}

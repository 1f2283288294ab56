/* decay.c: see decay.h.
 *
 * The definition is evaluated in long double, 64 bits of mantissa: age = q half-lives and a rest, 2^-q is exact. The
 * kernel multiplies integers: table entries of 64 bits and the weight give the result with `guard` more bits and an
 * error of a few units of the last; where these bits are too near to one half the definition decides. So both always
 * agree, whatever the unit and the split of the tables. For a run of events the weight is multiplied into the table of
 * the high part first, so that an event takes two multiplications. Failure: only of memory.
 */
#include "decay_vector.h"

#include <math.h>
#include <stdlib.h>

#define MIN_GUARD 5u
#define USUAL_GUARD 24u /* for points below 64: the loop then has constants where it needs registers most */
#define USUAL_BITS 10u
/* The product is off by fewer units of its last bit: table entries by 5, each product rounds down by 1, the weight by
 * 2, and what is below the weight's 62 bits counts a quarter. */
#define ERROR 16u

/* Half-lives after which nothing is left of points that the tables take (below 2^25): 2^(25 + 32 - 64) is below one
 * half. */
#define HALF_LIVES 64u

static const uint64_t UNITS[RVW_DECAY_UNITS] = {1, 1000, 60000, 86400000};

unsigned rvw_decay_unit_index(int64_t unit) {
    unsigned i = RVW_DECAY_UNITS - 1;
    while (i && (uint64_t)unit % UNITS[i])
        i--;
    return i;
}

uint64_t rvw_decay_unit(unsigned index) {
    return UNITS[index];
}

bool rvw_decay_exact(uint64_t half_life, double points, uint64_t age, int64_t *ret) {
    uint64_t q = age / half_life, rest = age % half_life;
    if (q > 2000) {
        *ret = 0;
        return true;
    }
    long double v = (long double)points * exp2l(-((long double)rest / (long double)half_life));
    v = ldexpl(v, 32 - (int)q);
    if (!(v < 0x1p62L && v > -0x1p62L))
        return false;
    *ret = llrintl(v);
    return true;
}

void rvw_weight_set(rvw_weight_t *w, double points) {
    int exponent = 0;
    double fraction = frexp(fabs(points), &exponent); /* fraction in [1/2, 1) */
    int guard = 62 - 32 - exponent;                   /* weight below 2^62 */
    if (guard > (int)USUAL_GUARD)
        guard = (int)USUAL_GUARD;
    *w = (rvw_weight_t){.points = points, .negative = points < 0};
    if (points == 0) {
        w->guard = MIN_GUARD;
        return;
    }
    if (!isfinite(points) || guard < (int)MIN_GUARD) {
        w->slow = true;
        return;
    }
    w->guard = (unsigned)guard;
    w->weight = (uint64_t)ldexp(fraction, exponent + 32 + guard);
}

/* 2^(-age / half-life) in units of 2^-64, the greatest number for 1. */
static uint64_t entry(uint64_t half_life, uint64_t age) {
    uint64_t q = age / half_life, rest = age % half_life;
    if (q >= 64)
        return 0;
    long double v = ldexpl(exp2l(-((long double)rest / (long double)half_life)), 64 - (int)q);
    return v >= 0x1p64L ? UINT64_MAX : (uint64_t)v;
}

static uint64_t high_product(uint64_t a, uint64_t b) {
    return (uint64_t)((unsigned __int128)a * b >> 64);
}

/* table[i] = 2^(-i * step / half-life), from exact entries at multiples of 64 and below 64. */
static void fill(uint64_t half_life, uint64_t step, uint64_t *table, size_t n) {
    uint64_t low[64];
    for (size_t i = 0; i < 64 && i < n; i++)
        low[i] = entry(half_life, i * step);
    for (size_t i = 0; i < n; i += 64) {
        uint64_t high = entry(half_life, i * step);
        for (size_t k = 0; k < 64 && i + k < n; k++)
            table[i + k] = k ? high_product(high, low[k]) : high;
    }
}

rvw_decay_t *rvw_decay_new(uint64_t half_life, uint64_t unit) {
    uint64_t most = ((uint64_t)1 << RVW_DECAY_AGE_BITS) / unit;
    uint64_t cut = half_life > most * unit / HALF_LIVES ? most : half_life * HALF_LIVES / unit + 1;
    unsigned bits = USUAL_BITS;
    while ((cut >> (2 * bits)) + 2 > RVW_DECAY_ROOM)
        bits++;
    size_t n_high = (size_t)(cut >> (2 * bits)) + 2, n = (size_t)1 << bits;
    rvw_decay_t *d = malloc(sizeof *d + (n_high + 2 * n) * sizeof(uint64_t));
    if (!d)
        return NULL;
    uint64_t *high = (uint64_t *)(d + 1), *mid = high + n_high, *low = mid + n;
    fill(half_life, unit << (2 * bits), high, n_high);
    fill(half_life, unit << bits, mid, n);
    fill(half_life, unit, low, n);
    *d = (rvw_decay_t){.half_life = half_life,
                       .unit = unit,
                       .cut = cut,
                       .bits = bits,
                       .n_high = n_high,
                       .high = high,
                       .mid = mid,
                       .low = low};
    for (unsigned i = 0; i < 16; i++)
        d->sixteenths[i] = exp2l((long double)i / 16);
    return d;
}

/* The guard bits of z are so near to one half that the rounding is in doubt. */
static inline bool in_doubt(uint64_t z, uint64_t half) {
    return ((z - half + ERROR) & (2 * half - 1)) <= 2 * ERROR;
}

static int64_t decide(const rvw_decay_t *d, const rvw_weight_t *w, uint64_t age) {
    int64_t r = 0;
    rvw_decay_exact(d->half_life, w->points, age, &r); /* below 2^25 points it cannot fail */
    return r;
}

int64_t rvw_decay_table(const rvw_decay_t *d, const rvw_weight_t *w, uint64_t age) {
    uint64_t a = age < d->cut ? age : d->cut, mask = ((uint64_t)1 << d->bits) - 1, half = (uint64_t)1 << (w->guard - 1);
    uint64_t e = high_product(d->high[a >> (2 * d->bits)], d->mid[a >> d->bits & mask]);
    uint64_t z = high_product(high_product(e, d->low[a & mask]), w->weight);
    if (in_doubt(z, half))
        return decide(d, w, age);
    int64_t r = (int64_t)((z + half) >> w->guard);
    return w->negative ? -r : r;
}

/* What the loop needs besides the events. */
typedef struct {
    const rvw_decay_t *d;
    const rvw_weight_t *w;
    const uint64_t *weighted; /* the high table times the weight */
    uint64_t from, factor, rest;
    uint32_t first, span; /* codes first .. first + span count */
} loop_t;

/* The loop itself. What is constant where it is called makes a loop of its own. */
static inline __attribute__((always_inline)) void add_codes(const loop_t *loop, uint64_t factor, unsigned bits,
                                                            unsigned guard, int64_t sign, const uint32_t *codes,
                                                            const uint16_t *row, uint32_t n, int64_t *sum) {
    const uint64_t *weighted = loop->weighted, *mid = loop->d->mid, from = loop->from;
    const uint64_t mask = ((uint64_t)1 << bits) - 1, half = (uint64_t)1 << (guard - 1);
    const uint32_t first = loop->first, span = loop->span;
    for (uint32_t i = 0; i < n; i++) {
        if (__builtin_expect(codes[i] - first > span, 0))
            continue;
        uint64_t age = from - codes[i] * factor;
        uint64_t z = high_product(weighted[age >> (2 * bits)], mid[age >> bits & mask]);
        z = high_product(z, mid[(age & mask) + mask + 1]); /* the low table follows the middle one */
        int64_t r = sign * (int64_t)((z + half) >> guard);
        if (__builtin_expect(in_doubt(z, half), 0))
            r = decide(loop->d, loop->w, age * loop->d->unit + loop->rest);
        sum[row[i]] += r;
    }
}

static void run_loop(const loop_t *loop, const uint32_t *codes, const uint16_t *row, uint32_t n, int64_t *sum) {
    const rvw_weight_t *w = loop->w;
    bool usual = loop->factor == 1 && loop->d->bits == USUAL_BITS && w->guard == USUAL_GUARD;
    if (usual && w->negative)
        add_codes(loop, 1, USUAL_BITS, USUAL_GUARD, -1, codes, row, n, sum);
    else if (usual)
        add_codes(loop, 1, USUAL_BITS, USUAL_GUARD, 1, codes, row, n, sum);
    else
        add_codes(loop, loop->factor, loop->d->bits, w->guard, w->negative ? -1 : 1, codes, row, n, sum);
}

uint64_t rvw_decay_first(const rvw_decay_t *d, const rvw_decay_at_t *at, uint64_t unit) {
    uint64_t oldest = d->cut * d->unit;
    return at->since > oldest ? (at->since - oldest + unit - 1) / unit : 0;
}

void rvw_decay_integers(const rvw_decay_t *d, const rvw_weight_t *w, uint64_t unit, const rvw_decay_at_t *at,
                        const uint32_t *codes, const uint16_t *row, uint32_t n, uint64_t *room) {
    uint64_t weight = w->weight;
    uint32_t first = (uint32_t)rvw_decay_first(d, at, unit);
    loop_t loop = {.d = d,
                   .w = w,
                   .weighted = room,
                   .from = at->since / d->unit,
                   .factor = unit / d->unit,
                   .rest = at->since % d->unit,
                   .first = first,
                   .span = at->last - first};
    if (loop.rest)
        weight = (uint64_t)((long double)weight * exp2l(-((long double)loop.rest / (long double)d->half_life)));
    for (size_t i = 0; i < d->n_high; i++)
        room[i] = high_product(d->high[i], weight);
    run_loop(&loop, codes, row, n, at->sum);
}

void rvw_decay_codes(const rvw_decay_t *d, const rvw_weight_t *w, uint64_t unit, const rvw_decay_at_t *at,
                     unsigned n_at, const uint32_t *codes, const uint16_t *row, uint32_t n, uint64_t *room) {
    bool counts[2] = {rvw_decay_first(d, &at[0], unit) <= at[0].last,
                      n_at > 1 && rvw_decay_first(d, &at[1], unit) <= at[1].last};
    if (counts[0] && counts[1] && rvw_decay_vector_takes(d, w, at, 2)) {
        rvw_decay_vector(d, w, unit, at, 2, codes, row, n);
        return;
    }
    for (unsigned k = 0; k < n_at; k++)
        if (counts[k] && rvw_decay_vector_takes(d, w, &at[k], 1))
            rvw_decay_vector(d, w, unit, &at[k], 1, codes, row, n);
        else if (counts[k])
            rvw_decay_integers(d, w, unit, &at[k], codes, row, n, room);
}

/* decay.c: see decay.h.
 *
 * The definition is evaluated in long double, 64 bits of mantissa: age = q half-lives and a rest, 2^-q is exact. The kernel multiplies integers: three
 * table entries of 64 bits and the weight give the result with `guard` more bits and an error of a few units of the last; where these bits are too near
 * to one half the definition decides. So both always agree, whatever the split of the tables. No memory, no failure.
 */
#include "decay.h"

#include <math.h>

#define MIN_GUARD 5u
#define MAX_GUARD 60u

/* Half-lives after which nothing is left of points that the tables take (below 2^25): 2^(25 + 32 - 64) is below one half. */
#define HALF_LIVES 64u

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
    *w = (rvw_weight_t){.points = points, .negative = points < 0};
    if (points == 0) {
        w->guard = MIN_GUARD;
        return;
    }
    if (!isfinite(points) || guard < (int)MIN_GUARD || guard > (int)MAX_GUARD) {
        w->slow = true;
        return;
    }
    w->guard = (unsigned)guard;
    w->weight = (uint64_t)ldexp(fraction, 62);
}

size_t rvw_decay_shape(uint64_t half_life, rvw_decay_t *ret) {
    uint64_t most = (uint64_t)1 << RVW_DECAY_AGE_BITS;
    uint64_t cut = half_life > most / HALF_LIVES ? most : half_life * HALF_LIVES;
    unsigned bits = 1;
    while ((cut >> (3 * bits)) != 0)
        bits++;
    *ret = (rvw_decay_t){.half_life = half_life, .cut = cut, .bits = bits};
    return (size_t)(cut >> (2 * bits)) + 2 + ((size_t)2 << bits);
}

/* 2^(-age / half-life) in units of 2^-64, the greatest number for 1. */
static uint64_t unit_of(uint64_t half_life, uint64_t age) {
    uint64_t q = age / half_life, rest = age % half_life;
    if (q >= 64)
        return 0;
    long double v = ldexpl(exp2l(-((long double)rest / (long double)half_life)), 64 - (int)q);
    return v >= 0x1p64L ? UINT64_MAX : (uint64_t)v;
}

/* table[i] = 2^(-i * step / half-life), from exact entries at multiples of 64 and below 64. */
static void fill(uint64_t half_life, uint64_t step, uint64_t *table, size_t n) {
    uint64_t low[64];
    for (size_t i = 0; i < 64; i++)
        low[i] = unit_of(half_life, i * step);
    for (size_t i = 0; i < n; i += 64) {
        uint64_t high = unit_of(half_life, i * step);
        for (size_t k = 0; k < 64 && i + k < n; k++)
            table[i + k] = k ? (uint64_t)((unsigned __int128)high * low[k] >> 64) : high;
    }
}

void rvw_decay_fill(rvw_decay_t *d, uint64_t *room) {
    size_t n_high = (size_t)(d->cut >> (2 * d->bits)) + 2, n = (size_t)1 << d->bits;
    d->high = room;
    d->mid = room + n_high;
    d->low = d->mid + n;
    fill(d->half_life, (uint64_t)1 << (2 * d->bits), d->high, n_high);
    fill(d->half_life, (uint64_t)1 << d->bits, d->mid, n);
    fill(d->half_life, 1, d->low, n);
}

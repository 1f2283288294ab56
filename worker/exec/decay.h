/* decay.h: points * 2^(-age / half-life) in units of 2^-32 point, rounded to the nearest integer, ties to even.
 *
 * The result depends on the three numbers only. */
#ifndef REVEILLE_WORKER_DECAY_H
#define REVEILLE_WORKER_DECAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RVW_DECAY_AGE_BITS 43u /* the tables take ages below 2^43 ms, 278 years */

/* Tables for one half-life: 2^(-age / half-life) as the product of three entries, in units of 2^-64. */
typedef struct {
    uint64_t half_life;
    uint64_t cut;           /* from this age on the decay is 0, or, for very long half-lives, the tables end */
    unsigned bits;          /* of an age that each of the lower tables takes */
    uint64_t *high, *mid, *low;
} rvw_decay_t;

/* Entries that the three tables need in sum, and the shape (without tables). */
size_t rvw_decay_shape(uint64_t half_life, rvw_decay_t *ret);
/* Fills the tables from `room`. */
void rvw_decay_fill(rvw_decay_t *decay, uint64_t *room);

/* Points as the kernel wants them. */
typedef struct {
    double points;
    uint64_t weight; /* |points| * 2^(32 + guard) */
    unsigned guard;
    bool negative;
    bool slow; /* too large or too small for the tables */
} rvw_weight_t;
void rvw_weight_set(rvw_weight_t *weight, double points);

/* The definition. False when the result leaves 62 bits. */
bool rvw_decay_exact(uint64_t half_life, double points, uint64_t age, int64_t *ret);

#define RVW_DECAY_ERROR 8u /* the kernel's product is off by at most so many units */

/* The same by the tables, falling back where the rounding is in doubt. weight->slow is false. */
static inline int64_t rvw_decay_table(const rvw_decay_t *d, const rvw_weight_t *w, uint64_t age) {
    uint64_t a = age < d->cut ? age : d->cut, mask = ((uint64_t)1 << d->bits) - 1;
    uint64_t e = (uint64_t)((unsigned __int128)d->high[a >> (2 * d->bits)] * d->mid[a >> d->bits & mask] >> 64);
    e = (uint64_t)((unsigned __int128)e * d->low[a & mask] >> 64);
    uint64_t z = (uint64_t)((unsigned __int128)e * w->weight >> 64), half = (uint64_t)1 << (w->guard - 1);
    int64_t r = (int64_t)((z + half) >> w->guard);
    if (__builtin_expect(((z - half + RVW_DECAY_ERROR) & (2 * half - 1)) <= 2 * RVW_DECAY_ERROR, 0)) {
        if (!rvw_decay_exact(d->half_life, w->points, age, &r))
            return 0;
        return r;
    }
    return w->negative ? -r : r;
}

#endif

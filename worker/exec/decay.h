/* decay.h: points * 2^(-age / half-life) in units of 2^-32 point, rounded to the nearest integer, ties to even.
 *
 * The result depends on the three numbers only, not on the tables that it is computed with. */
#ifndef REVEILLE_WORKER_DECAY_H
#define REVEILLE_WORKER_DECAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RVW_DECAY_AGE_BITS 43u /* the tables take ages below 2^43 ms, 278 years */

/* Tables for one half-life and ages that are multiples of a unit: 2^(-age / half-life) is the product of three entries,
 * in units of 2^-64. */
typedef struct {
    uint64_t half_life, unit; /* ms */
    uint64_t cut;             /* units: from here on the decay is 0, or, for very long half-lives, the tables end */
    unsigned bits;            /* of an age in units that each of the lower tables takes */
    size_t n_high;
    const uint64_t *high, *mid, *low; /* low follows mid */
    long double sixteenths[16];       /* 2^(i / 16) */
} rvw_decay_t;

/* NULL without memory; free() it. */
rvw_decay_t *rvw_decay_new(uint64_t half_life, uint64_t unit);
/* Units for which tables are made: the index of the greatest that divides `unit` (> 0), and each of them. */
#define RVW_DECAY_UNITS 4u
unsigned rvw_decay_unit_index(int64_t unit);
uint64_t rvw_decay_unit(unsigned index);

/* Points as the kernel wants them. */
typedef struct {
    double points;
    uint64_t weight; /* |points| * 2^(32 + guard), below 2^62 */
    unsigned guard;
    bool negative;
    bool slow; /* too large for the tables */
} rvw_weight_t;
void rvw_weight_set(rvw_weight_t *weight, double points);

/* The definition. False when the result leaves 62 bits. */
bool rvw_decay_exact(uint64_t half_life, double points, uint64_t age, int64_t *ret);
/* The same by tables of unit 1; weight->slow is false, age below 2^43. */
int64_t rvw_decay_table(const rvw_decay_t *decay, const rvw_weight_t *weight, uint64_t age);

/* An instant at which events are worth something. */
typedef struct {
    uint64_t since; /* from the base of the codes, ms */
    uint32_t last;  /* the last code that counts: none is younger than 0, all are below 2^43 ms */
    int64_t *sum;
} rvw_decay_at_t;

/* at->sum[row[i]] += the decayed points of an event of age since - codes[i] * unit, for those of n events whose code
 * counts, at one instant or at two, the later first. The decay's unit divides `unit`. `room` holds RVW_DECAY_ROOM
 * numbers. */
#define RVW_DECAY_ROOM 4096u
void rvw_decay_codes(const rvw_decay_t *decay, const rvw_weight_t *weight, uint64_t unit, const rvw_decay_at_t *at,
                     unsigned n_at, const uint32_t *codes, const uint16_t *row, uint32_t n, uint64_t *room);
/* The same by integers, at one instant of which some codes count; for any processor. */
void rvw_decay_integers(const rvw_decay_t *decay, const rvw_weight_t *weight, uint64_t unit, const rvw_decay_at_t *at,
                        const uint32_t *codes, const uint16_t *row, uint32_t n, uint64_t *room);
/* The first code that counts: older ones come to nothing. */
uint64_t rvw_decay_first(const rvw_decay_t *decay, const rvw_decay_at_t *at, uint64_t unit);

#endif

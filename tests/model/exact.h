// exact.h - whole numbers of up to 5,120 bits, fractions of them, and their one rounding to a double.
//
// Purpose: comparison, division and sums that are exact by construction. A number of any type is a fraction of two
// whole numbers; a double is m * 2^e. The greatest need is a sum of doubles in units of 2^-1074: some 2,200 bits.
#ifndef RVM_EXACT_H
#define RVM_EXACT_H

#include "model.h"

#define RVM_LIMBS 160

typedef struct rvm_big {
    int sign;                 // -1, 0, 1; 0 exactly when n is 0
    int n;                    // limbs in use, the last one is not 0
    uint32_t limb[RVM_LIMBS]; // least significant first
} rvm_big_t;

void rvm_big_set(rvm_big_t *r, rvm_i128_t value);
bool rvm_big_get(const rvm_big_t *a, rvm_i128_t *ret); // false: does not fit
void rvm_big_pow10(rvm_big_t *r, int exponent);
void rvm_big_add(rvm_big_t *r, const rvm_big_t *a, const rvm_big_t *b); // r may be a or b, here and below
void rvm_big_sub(rvm_big_t *r, const rvm_big_t *a, const rvm_big_t *b);
void rvm_big_mul(rvm_big_t *r, const rvm_big_t *a, const rvm_big_t *b);
void rvm_big_shift(rvm_big_t *r, const rvm_big_t *a, int bits); // a * 2^bits, bits >= 0
int rvm_big_cmp(const rvm_big_t *a, const rvm_big_t *b);

// The double nearest to p / q (q > 0), ties to even; infinite when it is too great.
double rvm_big_ratio(const rvm_big_t *p, const rvm_big_t *q);
// The exact value of an INT, DECIMAL, DOUBLE or DURATION (ms) as p / q, q > 0.
void rvm_big_fraction(const rvm_value_t *value, rvm_big_t *p, rvm_big_t *q);

// A sum of numbers or durations: order cannot matter, because nothing is rounded before the end.
typedef struct rvm_sum {
    rvm_type_t type; // INT, DECIMAL, DOUBLE, DURATION: of the summands
    int scale;
    int64_t count;
    rvm_big_t total; // in units of 10^-scale, 2^-1074 or 1 ms
} rvm_sum_t;

void rvm_sum_start(rvm_sum_t *sum, rvm_type_t type, int scale);
void rvm_sum_add(rvm_sum_t *sum, const rvm_value_t *value); // a missing value is skipped
rvm_value_t rvm_sum_total(const rvm_sum_t *sum, bool *ret_overflow);
rvm_value_t rvm_sum_average(const rvm_sum_t *sum, bool *ret_overflow); // missing when nothing was added

// a op b, op one of + - * /; missing in, missing out. ret_overflow is set, never cleared.
rvm_value_t rvm_arith(char op, const rvm_value_t *a, const rvm_value_t *b, bool *ret_overflow);
rvm_value_t rvm_negate(const rvm_value_t *a, bool *ret_overflow);
rvm_value_t rvm_to_double(const rvm_value_t *a);                              // a number: the nearest double
rvm_value_t rvm_rescale(const rvm_value_t *a, int scale, bool *ret_overflow); // INT or DECIMAL to a scale not smaller
rvm_value_t rvm_round(const rvm_value_t *a, bool *ret_overflow);              // to an int, half away from zero
rvm_value_t rvm_floor(const rvm_value_t *a, bool *ret_overflow);              // to an int
int64_t rvm_instant(const rvm_value_t *a);                                    // TIME, or DATE as its midnight
int64_t rvm_floor_div(int64_t a, int64_t b);

// Civil calendar (proleptic Gregorian, UTC).
int64_t rvm_days_from_civil(int64_t year, int month, int day);
void rvm_civil_from_days(int64_t days, int64_t *year, int *month, int *day);

#endif

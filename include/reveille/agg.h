/* agg.h: aggregate states over values: init, add (sink), pack, combine, finalize. Combining does not depend on order.
 *
 * count; sum and avg (exact: INT and DECIMAL and DURATION as 128-bit integers, DOUBLE as rv_exact_t); min, max;
 * distinct and quantile (a map value -> count, packed sorted). Results: count, distinct INT; sum of the value's type
 * (of INT: DECIMAL of scale 0, which holds them all; a DURATION or DECIMAL that leaves its range fails the request with
 * OVERFLOW); avg DOUBLE (of a DURATION: DURATION, nearest ms); min, max, quantile of the value's type. Over no value:
 * sum 0, distinct 0, others missing.
 */
#ifndef REVEILLE_AGG_H
#define REVEILLE_AGG_H

#include "reveille/status.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/valcodec.h"

typedef struct {
    Reveille__V1__MeasureKind kind;
    double quantile;
    rv_type_t type; /* of the value */
    unsigned scale; /* of the value */
} rv_measure_t;

typedef struct rv_agg rv_agg_t; /* one state */

/* Bytes of one state in a caller's array; 8-byte aligned. A state is initialised in place; min, max, distinct and
 * quantile own heap memory: call rv_agg_done for every state. */
size_t rv_agg_size(const rv_measure_t *measure);
void rv_agg_init(const rv_measure_t *measure, rv_agg_t *state);
void rv_agg_done(const rv_measure_t *measure, rv_agg_t *state);
/* Bytes of heap memory that a state owns: 0 for count, sum and avg. */
size_t rv_agg_memory(const rv_measure_t *measure, const rv_agg_t *state);
/* Adds one row's value (ignored by count). */
rv_status_t rv_agg_add(const rv_measure_t *measure, rv_agg_t *state, const rv_value_t *value, rv_error_t *err);
/* Adds `rows` rows at once to count. */
void rv_agg_add_rows(const rv_measure_t *measure, rv_agg_t *state, uint64_t rows);
/* Adds n present values at once to a sum or avg: `sum` is what they add up to, of DOUBLE in units of 2^-32. */
void rv_agg_add_sum(const rv_measure_t *measure, rv_agg_t *state, rv_i128_t sum, uint64_t n);
/* Appends the packed state; equal states of equal content give equal bytes. */
rv_status_t rv_agg_pack(const rv_measure_t *measure, const rv_agg_t *state, rv_bytes_t *out);
/* Combines a packed state at *pos into `state` and moves *pos. DATA_LOSS when the bytes are not a state. */
rv_status_t rv_agg_combine(const rv_measure_t *measure, rv_agg_t *state, const uint8_t *bytes, size_t n, size_t *pos,
                           rv_error_t *err);
/* Combines two states in memory. */
rv_status_t rv_agg_merge(const rv_measure_t *measure, rv_agg_t *into, const rv_agg_t *from, rv_error_t *err);
/* The result; strings are borrowed from the state. */
rv_status_t rv_agg_finalize(const rv_measure_t *measure, const rv_agg_t *state, rv_value_t *ret, rv_error_t *err);
/* Type and scale of the result. */
void rv_agg_type(const rv_measure_t *measure, rv_type_t *ret_type, unsigned *ret_scale);

#endif

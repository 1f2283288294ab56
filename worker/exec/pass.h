/* pass.h: one walk over the events of some types. Private to exec/.
 *
 * A pass takes the pieces of its types one after the other, block by block: the window and the condition make a mask of
 * the block's events, and the states take what the mask leaves. When all pieces are done the states become arrays by
 * row.
 */
#ifndef REVEILLE_WORKER_PASS_H
#define REVEILLE_WORKER_PASS_H

#include "kernels.h"
#include "reveille/limits.h"
#include "task.h"

/* A window of time, ends inclusive. */
typedef struct {
    bool nothing;             /* a constant end is missing: missing for every row */
    int64_t lo, hi;           /* the constant part */
    int64_t *row_lo, *row_hi; /* NULL, or by row, with the constant part; empty where missing */
    uint8_t *present;         /* by row, 0 where an end is missing; NULL: present everywhere */
} rvw_window_t;

rv_status_t rvw_window_prepare(rvw_chunk_t *t, const rvw_bounds_t *bounds, rvw_window_t *ret, rv_error_t *err);
/* What a window leaves of a piece. */
typedef enum { RVW_WINDOW_NONE, RVW_WINDOW_ALL, RVW_WINDOW_SOME } rvw_window_part_t;
rvw_window_part_t rvw_window_part(const rvw_window_t *window, const rvw_events_t *events);
/* The mask of a block of a piece of which the window leaves some. */
void rvw_window_mask(const rvw_window_t *window, const rvw_events_t *events, uint32_t first, uint32_t n, uint8_t *m);
/* Takes out of the mask what the window does not leave. */
void rvw_window_narrow(const rvw_window_t *window, const rvw_events_t *events, uint32_t first, uint32_t n, uint8_t *m);
/* [least, most] as a range of the codes of a FOR column with a width and a unit above 0; false when it is empty. */
bool rvw_code_range(const rvw_column_t *column, rv_i128_t least, rv_i128_t most, uint64_t *lo, uint64_t *span);
/* Times of a block. */
void rvw_event_times(const rvw_events_t *events, uint32_t first, uint32_t n, int64_t *out);

/* A block of a piece, at most RV_VECTOR events (any number when mask is NULL). */
typedef struct {
    const rvw_events_t *events;
    uint32_t type, piece; /* number of the piece within the pass */
    uint32_t first, n;
    const uint8_t *mask; /* NULL: all of them */
} rvw_hits_t;

/* Pieces of a step's types, loaded. */
typedef struct {
    rvw_typed_events_t *pieces;
    uint32_t n;
    uint64_t n_events;
} rvw_pieces_t;
rv_status_t rvw_pieces_load(rvw_chunk_t *t, const uint32_t *types, size_t n_types, rvw_pieces_t *ret, rv_error_t *err);

/* Walks over the events of a piece that the window and the step's condition leave. The condition is bound here.
 * `whole`: blocks without a mask may be as long as the piece. With `population` only events of its rows are shown to
 * the condition and handed on. */
typedef rv_status_t rvw_hits_fn_t(void *context, const rvw_hits_t *block, rv_error_t *err);
rv_status_t rvw_piece_walk(rvw_chunk_t *t, const rvw_step_t *step, const rvw_window_t *window,
                           const rvw_typed_events_t *piece, uint32_t number, bool whole, bool population,
                           rvw_hits_fn_t *each, void *context, rv_error_t *err);

/* Order of two events of one row with equal times: by source, id and type. */
int rvw_tie_compare(const rvw_typed_events_t *a, uint32_t i, const rvw_typed_events_t *b, uint32_t k);

/* States of a gather: what is known of args[0] by row. */
typedef struct {
    const rvw_gather_t *plan;
    const rvw_node_t *arg;
    uint32_t number;  /* of the gather in its pass */
    bool direct;      /* the argument is a property read as it lies */
    bool narrow;      /* integers of 64 bits, and so is any sum of them */
    bool keeps_items; /* DISTINCT and sums of doubles */
    uint32_t *n;      /* values, for AVG */
    int64_t *sum;     /* narrow */
    rv_u128_t *wide;  /* otherwise: the sum modulo 2^128 */
    int32_t *carry;   /* how often it left 128 bits, up less down */
    char *min, *max;  /* values by row, of kind `kind` */
    uint8_t *min_present, *max_present;
    rvw_lane_t kind;
} rvw_gathered_t;

/* States of a selection. */
typedef struct {
    rvw_chunk_t *task;
    const rvw_pass_t *pass;
    const rvw_pieces_t *pieces;
    rvw_window_t window;
    uint32_t *count;
    uint8_t *seen;
    int64_t *last, *first;          /* times; INT64_MIN, INT64_MAX where none */
    uint64_t *last_ref, *first_ref; /* piece << 32 | event, when values of those events are wanted */
    uint32_t n_states;
    rvw_gathered_t *states;
    uint64_t *periods; /* RETENTION: bitmap of `words` words a row */
    uint32_t words;
    int64_t *starts; /* by row; INT64_MAX where missing */
    uint64_t length; /* of all periods, ms */
    /* The same in whole units since `origin`, for the kernel; NULL: not in use. */
    uint32_t *offsets;
    int64_t origin, unit;
    struct rvw_intern *intern;
    uint32_t bound; /* 1 + piece that the values are bound to */
} rvw_select_t;

rv_status_t rvw_states_init(rvw_select_t *s, rv_error_t *err);                           /* states.c */
rv_status_t rvw_states_block(rvw_select_t *s, const rvw_hits_t *block, rv_error_t *err); /* states.c */
rv_status_t rvw_periods_init(rvw_select_t *s, rv_error_t *err);                          /* periods.c */
void rvw_periods_block(rvw_select_t *s, const rvw_hits_t *block);                        /* periods.c */
/* One gather over hits: numbers of events of a piece, whose argument has been evaluated into the vector of the gather's
 * arg. */
rv_status_t rvw_gather_hits(rvw_select_t *s, rvw_gathered_t *state, const rvw_events_t *events, const uint32_t *idx,
                            uint32_t n, rv_error_t *err);        /* gather.c */
rv_status_t rvw_states_finish(rvw_select_t *s, rv_error_t *err); /* finish.c */
rv_status_t rvw_states_items(rvw_select_t *s, rv_error_t *err);  /* finish_items.c */
rv_status_t rvw_states_ends(rvw_select_t *s, rv_error_t *err);   /* finish_ends.c */
rv_status_t rvw_intern(rvw_select_t *s, const void *bytes, uint32_t n, uint32_t *ret, rv_error_t *err); /* intern.c */

/* Declares the array of a node. */
static inline void rvw_array_set(rvw_chunk_t *t, uint32_t node, rvw_array_kind_t kind, const void *data,
                                 const uint8_t *present) {
    t->arrays[node] = (rvw_array_t){.kind = kind, .data = data, .present = present};
}

#endif

/* task.h: one task at work: a chunk of a view, with the thread's scratch. Private to exec/.
 *
 * Values of ROW nodes are either vectors (of a batch of rows) or arrays (of all rows of the chunk: aggregates and what
 * passes need). A batch names its elements: rows of the chunk, events of a piece or entries of a dictionary.
 */
#ifndef REVEILLE_WORKER_TASK_H
#define REVEILLE_WORKER_TASK_H

#include "plan.h"
#include "reveille/limits.h"
#include "space.h"

/* Values of a node for the elements of a batch. Buffers always hold RV_VECTOR elements; a constant is written to all of
 * them. */
typedef struct {
    rvw_lane_t kind;
    bool constant;          /* every element is like element 0 */
    bool fleeting;          /* strings live only until the next batch */
    const uint8_t *present; /* a byte each, 1 or 0; NULL: all are */
    const void *data;
} rvw_vec_t;

#define RVW_TEXT_ROOM 304u /* bytes that rvw_column_string may write */

/* Values of a node for all rows of the chunk. */
typedef enum {
    RVW_ARRAY_NONE,
    RVW_ARRAY_U8,
    RVW_ARRAY_U32,
    RVW_ARRAY_I64,
    RVW_ARRAY_I128,
    RVW_ARRAY_F64,
    RVW_ARRAY_STR
} rvw_array_kind_t;
typedef struct {
    rvw_array_kind_t kind; /* NONE: not computed yet */
    const void *data;
    const uint8_t *present; /* a byte a row; NULL: all */
} rvw_array_t;

/* first .. first + n, or, when idx is set, idx[0 .. n). */
typedef struct {
    uint32_t n, first;
    const uint32_t *idx;
} rvw_batch_t;

/* Where the vector of a node comes from, for one piece or chunk. */
typedef enum {
    RVW_FROM_OP,       /* its operation */
    RVW_FROM_NOTHING,  /* not needed */
    RVW_FROM_CONSTANT, /* the vector is filled already */
    RVW_FROM_COLUMN,
    RVW_FROM_ARRAY,
    RVW_FROM_COMPANY, /* column: company rows; attribute of them */
    RVW_FROM_SPLIT,   /* column: the keys */
    RVW_FROM_TABLE    /* BOOL by code of a DICT column */
} rvw_from_t;
typedef struct {
    rvw_from_t from;
    const rvw_column_t *column;
    const uint8_t *table;        /* [dict_n + 1]; the last is for missing */
    const rvw_column_t *company; /* columns by company chunk */
    uint32_t leaf;               /* the only leaf below, RVW_NO_NODE none, MANY more */
} rvw_bind_t;
#define RVW_MANY (UINT32_MAX - 1)

/* Something about an event that is gathered by row. */
typedef struct {
    int64_t a;
    uint32_t b;
    uint32_t row;
} rvw_item_t;
typedef struct {
    rvw_item_t *items, *sorted;
    size_t n, cap;
    uint32_t *at; /* after sorting: items of row r are sorted[at[r]] .. sorted[at[r + 1]] */
} rvw_items_t;

/* Vectors of all nodes with their sources. There are two: one for rows and for conditions on events, one for what is
 * taken from the events, since these take turns block by block. */
typedef struct {
    rvw_vec_t *vec; /* by node */
    void **data;    /* buffers of the vectors, by node */
    uint8_t **present;
    rvw_bind_t *bind;
} rvw_frame_t;
#define RVW_FRAMES 2u

struct rvw_scratch {
    rvw_space_t *space; /* arrays of a job, then of a task */
    rvw_space_t *text;  /* strings of a batch */
    rvw_space_t *keep;  /* strings of a task */
    rv_arena_t columns; /* columns merged by the view */
    bool arena_ready;
    uint64_t serial; /* job that the vectors are prepared for */
    rvw_space_mark_t job_mark;
    rvw_frame_t frames[RVW_FRAMES];
    rvw_vec_t *vec; /* of the frame in use */
    void **data;
    uint8_t **present;
    rvw_bind_t *bind;
    uint8_t *mark; /* by node, within one function */
    rvw_items_t items;
    size_t held; /* bytes of items */
};

typedef struct {
    const rvw_events_t *events;
    uint32_t type;
} rvw_typed_events_t;

/* Counters of an explanation. One node is at work at a time; the clock is read when another one takes over. */
typedef struct {
    rv_counters_t nodes[RV_MAX_EXPLAIN_NODES];
    uint32_t at;            /* the node at work */
    int64_t since;          /* ns of the clock */
    const rvw_pass_t *pass; /* the latest */
} rvw_meter_t;

typedef struct {
    const rvw_job_t *job;
    const rvw_view_t *view;
    rvw_scratch_t *scratch;
    uint32_t chunk, n_rows, n_words;
    uint64_t *population; /* bitmap of rows */
    const uint64_t *mask; /* rows that still matter: what comes later only asks for these */
    uint64_t n_mask;
    rvw_array_t *arrays;   /* by node */
    uint8_t *pass_done;    /* by pass */
    rvw_events_t **events; /* by slot of a type; NULL: not loaded */
    uint32_t *n_events;
    rvw_column_t **columns;    /* by node: leaf columns, NULL: not loaded */
    rvw_column_t **companies;  /* by node: columns of company chunks */
    rvw_column_t *company_row; /* the contacts' companies */
    uint64_t *periods;         /* retention: bitmap of periods a row */
    rvw_meter_t *meter;        /* NULL: nothing is counted */
} rvw_chunk_t;

/* Space of the task; NULL with RESOURCE_EXHAUSTED/QUOTA in err: return RVW_NO_SPACE then. */
#define RVW_NO_SPACE RV_RESOURCE_EXHAUSTED
void *rvw_take(rvw_chunk_t *t, size_t count, size_t size, rv_error_t *err);
void *rvw_take_zero(rvw_chunk_t *t, size_t count, size_t size, rv_error_t *err);
/* A copy of a string that lives as long as the task. */
rv_status_t rvw_keep(rvw_chunk_t *t, rv_str_t *string, rv_error_t *err);

/* scratch.c */
rv_status_t rvw_scratch_prepare(rvw_scratch_t *scratch, const rvw_job_t *job, rv_error_t *err);
/* Makes frame k the one in use. */
void rvw_scratch_frame(rvw_scratch_t *scratch, unsigned k);
/* Writes one value to all elements of a node's vector. */
void rvw_vec_broadcast(rvw_scratch_t *scratch, uint32_t node, rvw_lane_t kind, const rv_value_t *value);
rv_status_t rvw_items_add(rvw_scratch_t *scratch, uint32_t row, int64_t a, uint32_t b, rv_error_t *err);
/* Sorts the items by row, stably. */
rv_status_t rvw_items_sort(rvw_chunk_t *t, rv_error_t *err);

/* load.c: leaves into vectors. */
rv_status_t rvw_load_column(rvw_scratch_t *scratch, uint32_t node, const rvw_node_t *as, const rvw_column_t *column,
                            const rvw_batch_t *batch, rv_error_t *err);
void rvw_load_array(rvw_scratch_t *scratch, uint32_t node, const rvw_array_t *array, const rvw_batch_t *batch,
                    const uint16_t *row_of);
rv_status_t rvw_load_entries(rvw_scratch_t *scratch, uint32_t node, const rvw_column_t *column, uint32_t first,
                             uint32_t n, rv_error_t *err);
rv_status_t rvw_load_company(rvw_scratch_t *scratch, uint32_t node, const rvw_node_t *as, const rvw_bind_t *bind,
                             uint32_t chunk_rows, uint32_t company_rows, const rvw_batch_t *batch, rv_error_t *err);

/* eval.c: operations. */
/* Applies the operation of a node to the vectors of its arguments, for n elements. */
/* Fills bytes[0 .. dict_n], the last for a missing value, with a BOOL node over one DICT column; false when it is no
 * plain test of it. */
bool rvw_table_direct(const rvw_job_t *job, const rvw_node_t *node, uint32_t leaf, const rvw_column_t *column,
                      uint8_t *bytes);
rv_status_t rvw_apply(const rvw_job_t *job, rvw_scratch_t *scratch, uint32_t node, uint32_t n, rv_error_t *err);

/* bind.c: says where the nodes of an expression come from, for the chunk's rows (events NULL) or a piece. */
rv_status_t rvw_bind(rvw_chunk_t *t, const rvw_expr_t *expr, const rvw_events_t *events, uint32_t type,
                     uint32_t n_elements, rv_error_t *err);
/* Evaluates a bound expression for a batch. Strings live until the next call. */
rv_status_t rvw_evaluate(rvw_chunk_t *t, const rvw_expr_t *expr, const rvw_events_t *events, const rvw_batch_t *batch,
                         rv_error_t *err);

/* rows.c: walks over rows. */
/* The next rows of a bitmap from *at on, at most RV_VECTOR; idx holds as many. False at the end. */
bool rvw_rows_next(const uint64_t *bitmap, uint32_t n_rows, uint32_t *at, uint32_t *idx, rvw_batch_t *ret);
/* Runs the passes of a stage that have not run. */
rv_status_t rvw_stage_passes(rvw_chunk_t *t, const rvw_stage_t *stage, rv_error_t *err);
/* Clears the bits of rows where the stage's root is not true. */
rv_status_t rvw_stage_filter(rvw_chunk_t *t, const rvw_stage_t *stage, uint64_t *bitmap, rv_error_t *err);
/* direct.c: the same for a bound test of one column that cannot fail; *ret_done false: it is none, nothing changed. */
rv_status_t rvw_filter_direct(rvw_chunk_t *t, uint32_t root, uint64_t *bitmap, bool *ret_done, rv_error_t *err);
/* Fills arrays of the inputs of a pass. */
rv_status_t rvw_fill_inputs(rvw_chunk_t *t, const rvw_pass_t *pass, rv_error_t *err);

/* meter.c: none of it is called where nothing is counted. */
uint32_t rvw_meter_turn(rvw_meter_t *meter, uint32_t node);
/* The node goes to work; gives the one before, which is to come back. */
static inline uint32_t rvw_counting(const rvw_chunk_t *t, uint32_t node) {
    return t->meter ? rvw_meter_turn(t->meter, node) : 0;
}
/* Begins a task with its first node; ends it, with the runs that nobody looked for. */
void rvw_meter_begin(rvw_chunk_t *t);
void rvw_meter_end(rvw_chunk_t *t);
/* Contacts that came into the node at work, and those that are left. */
void rvw_meter_rows(rvw_chunk_t *t, uint64_t in, uint64_t out);
/* The node at work is this pass. */
void rvw_meter_pass(rvw_chunk_t *t, const rvw_pass_t *pass);
/* The columns of contacts and companies that an expression has just been bound to. */
void rvw_meter_columns(rvw_chunk_t *t, const rvw_expr_t *expr);
/* So many events of a piece were looked at by the pass, with a condition (NULL: none); 0: the piece was skipped. */
void rvw_meter_piece(rvw_chunk_t *t, const rvw_events_t *events, uint64_t looked_at, const rvw_expr_t *where);

static inline bool rvw_bit(const uint64_t *bitmap, uint32_t i) {
    return bitmap[i >> 6] >> (i & 63) & 1;
}

/* The pieces of a type in this chunk. */
rv_status_t rvw_task_events(rvw_chunk_t *t, uint32_t type, const rvw_events_t **ret, uint32_t *ret_n, rv_error_t *err);

/* So few rows are wanted that a sorted piece is better searched for them than walked through: at most one in `one_in`.
 */
static inline bool rvw_mask_sparse(const rvw_chunk_t *t, uint32_t one_in) {
    return t->n_mask * one_in <= t->n_rows;
}
/* Runs of events of the rows of the mask in a sorted piece: start with {0}; false at the end. */
typedef struct {
    uint32_t row, at, first, n;
} rvw_run_t;
bool rvw_run_next(const rvw_chunk_t *t, const rvw_events_t *events, rvw_run_t *run);

/* pass.c and its kind. A twin is run together with the pass. */
rv_status_t rvw_pass_run(rvw_chunk_t *t, const rvw_pass_t *pass, const rvw_pass_t *twin, rv_error_t *err);
rv_status_t rvw_pass_funnel(rvw_chunk_t *t, const rvw_pass_t *pass, rv_error_t *err);
rv_status_t rvw_pass_score(rvw_chunk_t *t, const rvw_pass_t *pass, const rvw_pass_t *twin, rv_error_t *err);
/* The same score at another constant instant among n passes that come next and are not done; NULL: none. */
const rvw_pass_t *rvw_score_twin(const rvw_chunk_t *t, const rvw_pass_t *pass, const uint32_t *others, uint32_t n);

#endif

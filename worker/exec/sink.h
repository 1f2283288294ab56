/* sink.h: what becomes of the rows that are left: each sink takes rows of a task into the partial, merges, seals and
 * writes messages. Private to exec/. A partial is used by one thread at a time. Its memory is counted against the job.
 */
#ifndef REVEILLE_WORKER_SINK_H
#define REVEILLE_WORKER_SINK_H

#include "task.h"

/* Bytes that stay: blocks that are only freed together. */
typedef struct {
    struct rvw_bytes_block *head;
    size_t used, held;
} rvw_bytes_t;
/* 16-byte aligned; NULL with err filled. */
void *rvw_bytes_take(const rvw_job_t *job, rvw_bytes_t *store, size_t n, rv_error_t *err);
void rvw_bytes_adopt(rvw_bytes_t *into, rvw_bytes_t *from);
void rvw_bytes_done(const rvw_job_t *job, rvw_bytes_t *store);

/* A row of the answer: its order as bytes, then its fields as bytes. */
typedef struct {
    uint64_t prefix; /* never out of order with the key */
    uint8_t *bytes;
    uint32_t key_n, n, cap;
} rvw_row_t;
typedef struct {
    rvw_row_t *rows; /* with a limit: a heap, the last in order on top */
    size_t n, cap;
    rvw_bytes_t store;
    rv_bytes_t scratch, row; /* orders of a batch, a row */
} rvw_rows_t;

typedef struct {
    uint64_t hash;
    const uint8_t *key;
    uint32_t key_n;
    char *states;
} rvw_group_t;
typedef struct {
    rvw_group_t *groups;
    size_t n, cap;
    uint32_t *slots; /* 1 + group */
    size_t n_slots;
    rvw_bytes_t store;
    rv_bytes_t scratch;
} rvw_groups_t;

typedef struct {
    int64_t number;
    uint64_t size;
    uint64_t *contacts; /* by period */
} rvw_cohort_t;
typedef struct {
    rvw_cohort_t *cohorts;
    size_t n, cap;
    uint32_t *slots;
    size_t n_slots;
    rvw_bytes_t store;
} rvw_cohorts_t;

struct rvw_partial {
    const rvw_job_t *job;
    uint64_t count;
    rvw_rows_t rows;
    rvw_groups_t groups;
    rvw_cohorts_t cohorts;
    uint64_t *overlap; /* n * n */
    size_t charged;    /* arrays that grew by realloc */
    size_t next;       /* after sealing: the first that has not been sent */
    bool sealed;
    rvw_meter_t *meter; /* of the tasks since they were asked for; NULL: nothing is counted */
};

/* Rows of the mask into the partial, whatever its sink. */
rv_status_t rvw_sink_rows(rvw_chunk_t *t, rvw_partial_t *partial, const uint64_t *mask, uint64_t n, rv_error_t *err);

/* Doubles an array of the partial when n has reached cap. */
rv_status_t rvw_grow(rvw_partial_t *partial, void *ret_array, size_t n, size_t *cap, size_t size, rv_error_t *err);
/* Element i of a node's vector as a value (strings borrowed). */
void rvw_vec_value(const rvw_vec_t *v, const rvw_node_t *node, uint32_t i, rv_value_t *ret);
/* Appends element i of a node's vector. */
rv_status_t rvw_sink_encode(const rvw_vec_t *v, const rvw_node_t *node, uint32_t i, bool descending, rv_bytes_t *out,
                            rv_error_t *err);

rv_status_t rvw_rows_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err);
rv_status_t rvw_rows_merge(const rvw_job_t *job, rvw_partial_t *into, rvw_partial_t *from, rv_error_t *err);
void rvw_rows_seal(rvw_partial_t *p);
rv_status_t rvw_rows_next_page(const rvw_job_t *job, rvw_partial_t *p, rv_arena_t *arena,
                               Reveille__V1__QueryResponse *response, bool *ret_last, rv_error_t *err);

rv_status_t rvw_groups_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err);
rv_status_t rvw_groups_merge(const rvw_job_t *job, rvw_partial_t *into, rvw_partial_t *from, rv_error_t *err);
void rvw_groups_seal(rvw_partial_t *p);
rv_status_t rvw_groups_next_page(const rvw_job_t *job, rvw_partial_t *p, rv_arena_t *arena,
                                 Reveille__V1__QueryResponse *response, bool *ret_last, rv_error_t *err);
void rvw_groups_done(const rvw_job_t *job, rvw_groups_t *groups);
/* The group with a key, made when there is none. */
rv_status_t rvw_groups_find(rvw_partial_t *p, const uint8_t *key, size_t n, rvw_group_t **ret, rv_error_t *err);

/* Numbers for the combinations of the values that a chunk's rows are grouped by, from 0 in order of appearance
 * (group_codes.c). */
typedef struct rvw_codes rvw_codes_t;
rvw_codes_t *rvw_codes_new(rvw_chunk_t *t, rv_error_t *err);
/* Once the sink's expression is bound: keys whose codes are stored are not evaluated any more. */
void rvw_codes_bind(rvw_chunk_t *t, rvw_codes_t *codes);
/* Whether the strings of the batch's keys last longer than the batch. */
bool rvw_codes_last(const rvw_chunk_t *t, const rvw_codes_t *codes);
/* Writes the number of each row of the batch that has been evaluated; *ret_n is how many numbers there are so far. Only
 * for strings that last. */
rv_status_t rvw_codes_of(rvw_chunk_t *t, rvw_codes_t *codes, const rvw_batch_t *batch, uint32_t *out, uint32_t *ret_n,
                         rv_error_t *err);
/* Appends key k of element i of the batch. */
rv_status_t rvw_codes_encode(const rvw_chunk_t *t, const rvw_codes_t *codes, size_t k, const rvw_batch_t *batch,
                             uint32_t i, rv_bytes_t *out, rv_error_t *err);

rv_status_t rvw_overlap_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err);

rv_status_t rvw_retention_take(rvw_chunk_t *t, rvw_partial_t *p, const uint64_t *mask, rv_error_t *err);
rv_status_t rvw_retention_merge(const rvw_job_t *job, rvw_partial_t *into, rvw_partial_t *from, rv_error_t *err);
void rvw_retention_seal(rvw_partial_t *p);
rv_status_t rvw_retention_next_page(const rvw_job_t *job, rvw_partial_t *p, rv_arena_t *arena,
                                    Reveille__V1__QueryResponse *response, bool *ret_last, rv_error_t *err);

#endif

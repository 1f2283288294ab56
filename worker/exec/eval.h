/* eval.h: one operation applied to vectors. Private to exec/. Inputs hold n elements; the output is c->out with its
 * buffers. */
#ifndef REVEILLE_WORKER_EVAL_H
#define REVEILLE_WORKER_EVAL_H

#include "reveille/limits.h"
#include "task.h"

typedef struct {
    const rvw_job_t *job;
    const rvw_node_t *node;
    rvw_scratch_t *scratch;
    uint32_t n;
    const rvw_vec_t *a, *b; /* the first two arguments, or NULL */
    const rvw_node_t *an, *bn;
    rvw_vec_t *out;
    void *data; /* buffers of the output */
    uint8_t *present;
    rv_error_t *err;
} rvw_operation_t;

rv_status_t rvw_eval_compare(const rvw_operation_t *c);  /* EQ to GE */
rv_status_t rvw_eval_in(const rvw_operation_t *c);       /* IN */
rv_status_t rvw_eval_bucket(const rvw_operation_t *c);   /* BUCKET */
rv_status_t rvw_eval_text(const rvw_operation_t *c);     /* CONTAINS to LIKE, LOWER, UPPER, LENGTH */
rv_status_t rvw_eval_arith(const rvw_operation_t *c);    /* ADD to TO_DECIMAL, ABS, ROUND, FLOOR */
rv_status_t rvw_eval_calendar(const rvw_operation_t *c); /* DAY to DAY_OF_MONTH */

/* Element i is present. */
static inline bool rvw_has(const rvw_vec_t *v, uint32_t i) {
    return !v->present || v->present[i];
}
/* Present in both, as bytes in c->present or borrowed; NULL: all. */
const uint8_t *rvw_both_present(const rvw_operation_t *c);
/* The number of element i of a vector of a node. */
rvw_number_t rvw_vec_number(const rvw_vec_t *v, const rvw_node_t *node, uint32_t i);
rv_status_t rvw_overflow(rv_error_t *err, unsigned bits);
/* The string is one of the list. */
bool rvw_list_has(const rvw_constants_t *list, rv_str_t s);

#endif

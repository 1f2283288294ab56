/* explain.c: see explain.h. What is left out is of the fastest: of workers the first that answered, of partitions those
 * of least time and then of greatest number, so that what a worker leaves out is not among the slowest of all either.
 */
#include "reveille/explain.h"
#include "reveille/limits.h"
#include <stdlib.h>

void rv_counters_add(rv_counters_t *into, const rv_counters_t *from) {
    into->time_ns += from->time_ns;
    into->rows_in += from->rows_in;
    into->rows_out += from->rows_out;
    into->events += from->events;
    into->bytes += from->bytes;
    into->runs_read += from->runs_read;
    into->runs_skipped += from->runs_skipped;
}

void rv_counters_sum(rv_counters_t *const *nodes, size_t n, rv_counters_t *ret) {
    reveille__v1__explain_counters__init(ret);
    for (size_t i = 0; i < n; i++)
        rv_counters_add(ret, nodes[i]);
    ret->rows_in = nodes[0]->rows_in;
    ret->rows_out = nodes[n - 1]->rows_out;
}

static int slower(const void *a, const void *b) {
    const Reveille__V1__ExplainPartition *x = *(Reveille__V1__ExplainPartition *const *)a,
                                         *y = *(Reveille__V1__ExplainPartition *const *)b;
    if (x->total->time_ns != y->total->time_ns)
        return x->total->time_ns > y->total->time_ns ? -1 : 1;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

void rv_explain_cut(Reveille__V1__Explain *e) {
    size_t most = e->n_nodes ? RV_MAX_EXPLAIN_CELLS / e->n_nodes : 0;
    if (e->n_partitions)
        qsort(e->partitions, e->n_partitions, sizeof *e->partitions, slower);
    e->workers_left_out = e->partitions_left_out = 0;
    for (size_t i = 0; i < e->n_workers; i++) {
        if (i + most < e->n_workers)
            e->workers[i]->n_nodes = 0;
        e->workers_left_out += e->workers[i]->n_nodes == 0;
    }
    for (size_t i = 0; i < e->n_partitions; i++) {
        if (i >= most)
            e->partitions[i]->n_nodes = 0;
        e->partitions_left_out += e->partitions[i]->n_nodes == 0;
    }
}

bool rv_explain_whole(const Reveille__V1__Explain *e) {
    bool whole = e->n_nodes && e->n_nodes <= RV_MAX_EXPLAIN_NODES && e->total;
    for (size_t i = 0; i < e->n_nodes; i++)
        whole = whole && e->nodes[i]->total;
    for (size_t i = 0; i < e->n_workers; i++)
        whole = whole && e->workers[i]->total && (!e->workers[i]->n_nodes || e->workers[i]->n_nodes == e->n_nodes);
    for (size_t i = 0; i < e->n_partitions; i++)
        whole = whole && e->partitions[i]->total && e->partitions[i]->worker < e->n_workers &&
                (!e->partitions[i]->n_nodes || e->partitions[i]->n_nodes == e->n_nodes);
    return whole;
}

/* explain.h: counters of an explanation, and how much of one fits an answer. Pure. */
#ifndef REVEILLE_EXPLAIN_H
#define REVEILLE_EXPLAIN_H

#include "reveille/v1/explain.pb-c.h"
#include <stdbool.h>
#include <stddef.h>

typedef Reveille__V1__ExplainCounters rv_counters_t;

/* Adds what was counted elsewhere for the same node. */
void rv_counters_add(rv_counters_t *into, const rv_counters_t *from);
/* Of the n nodes of a plan, 1 or more: contacts go in at the first and come out of the last. */
void rv_counters_sum(rv_counters_t *const *nodes, size_t n, rv_counters_t *ret);

/* Puts the slowest partitions first, leaves out the counters of nodes that are too many, and says how many. */
void rv_explain_cut(Reveille__V1__Explain *explain);
/* Every message that must be there is, and the numbers of nodes and workers agree. */
bool rv_explain_whole(const Reveille__V1__Explain *explain);

#endif

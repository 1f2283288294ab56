/* probe.h: a test of the values of one column by their codes: a table by code, or membership of a range. Private to
 * exec/. It knows nothing of missing values: their answers are without meaning. */
#ifndef REVEILLE_WORKER_PROBE_H
#define REVEILLE_WORKER_PROBE_H

#include "task.h"

#define RVW_PROBE_BLOCK 1024u   /* elements at once: whole words of a bitmap */
#define RVW_PROBE_RUNS 4u       /* runs of equal answers in a table that are tested as ranges */
#define RVW_PROBE_ENTRIES 4096u /* of a table that is looked through for runs */

typedef struct {
    const rvw_column_t *column;
    const uint8_t *table; /* NULL: not used */
    uint32_t runs;        /* ranges of codes; without any the answer is `same` */
    uint8_t same;
    uint64_t from[RVW_PROBE_RUNS], span[RVW_PROBE_RUNS];
} rvw_probe_t;

/* bytes[code] says whether a value passes: a DICT column. The table must outlive the probe. */
void rvw_probe_by_table(const rvw_column_t *column, const uint8_t *table, rvw_probe_t *ret);
/* least <= value <= most: a CONST or FOR column with a unit above 0. */
void rvw_probe_by_range(const rvw_column_t *column, rv_i128_t least, rv_i128_t most, rvw_probe_t *ret);
/* m[i] = the answer for element first + i, n at most RVW_PROBE_BLOCK. */
void rvw_probe_block(const rvw_probe_t *probe, uint32_t first, uint32_t n, uint8_t *m);
/* The same as bits, those behind the n-th 0. */
void rvw_probe_words(const rvw_probe_t *probe, uint32_t first, uint32_t n, uint64_t *words);

#endif

/* gather.h: rows of an import gathered column by column into one message of at most 1 MiB. */
#ifndef REVEILLE_CLI_GATHER_H
#define REVEILLE_CLI_GATHER_H

#include "reveille/v1/write.pb-c.h"
#include "target.h"

#ifdef RV_TINY
#define RV_BATCH_ROWS 2u
#else
#define RV_BATCH_ROWS 30000u
#endif
#define RV_BATCH_BYTES 1000000u /* of the body's 1 MiB; the rest is for names and frames */

/* One cell of a row. */
typedef struct {
    rv_value_t value; /* not present: left as it is */
    bool unset;       /* loses its value */
} rv_cell_in_t;

typedef struct rv_batch rv_batch_t;

/* `targets` must outlive the batch. NULL without memory. */
rv_batch_t *rv_batch_new(const rv_targets_t *targets);
void rv_batch_destroy(rv_batch_t **batch);
void rv_batch_clear(rv_batch_t *batch);
size_t rv_batch_rows(const rv_batch_t *batch);
/* Adds a row: a cell a target. *ret_full: it does not fit behind the rows that are there, and nothing was added. A row
 * that does not fit even alone is INVALID_ARGUMENT/LIMIT. */
rv_status_t rv_batch_add(rv_batch_t *batch, const rv_cell_in_t *cells, bool *ret_full, rv_error_t *err);
/* The batch as a message; borrowed until the next change. Columns without any value are left out. NULL without memory.
 */
Reveille__V1__EventBatch *rv_batch_events(rv_batch_t *batch);
Reveille__V1__EntityBatch *rv_batch_entities(rv_batch_t *batch);

#endif

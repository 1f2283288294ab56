/* runs.h: writes one run: the events of one (type, chunk) from any mix of pieces and tail blocks, sorted, without those
 * that are dead.
 *
 * The one primitive of flush, merge, deletion and compaction. */
#ifndef REVEILLE_WORKER_RUNS_H
#define REVEILLE_WORKER_RUNS_H

#include "change.h"

typedef struct {
    const rvw_events_t *sources;
    uint32_t n_sources;
    const uint8_t *dead_rows;          /* bitmap of the chunk's rows; NULL: none */
    const uint8_t *const *dead_events; /* a bitmap a source, each NULL for none; NULL: none at all */
} rvw_run_input_t;

/* Puts the pieces under the change's generation; *ret_n is the number of events written. */
rv_status_t rvw_run_write(rvw_change_t *change, uint32_t type, uint32_t chunk, const rvw_run_input_t *input,
                          uint32_t chunk_rows, uint64_t *ret_n, rv_error_t *err);

#endif

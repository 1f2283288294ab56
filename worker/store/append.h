/* append.h: new events of one list into the tail, column after column. The writer's, under apply. */
#ifndef REVEILLE_WORKER_APPEND_H
#define REVEILLE_WORKER_APPEND_H

#include "apply.h"

/* The columns of a batch of events. */
typedef struct {
    const Reveille__V1__EventBatch *message;
    rvw_input_t channel, source, id;
    rvw_input_t *properties;
    uint32_t n_properties;
    uint16_t *rows; /* of each event within its chunk */
} rvw_batch_columns_t;

/* Appends the events `items` (indices into the batch), which have one source, to the list. False without memory. */
bool rvw_append_events(rvw_apply_t *apply, rvw_batch_columns_t *columns, rvw_list_t *list, const uint32_t *items,
                       uint32_t n);

#endif

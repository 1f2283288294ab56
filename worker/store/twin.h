/* twin.h: is an event of this identity there already, and is it the same? Looks into the tails' tables of identities
 * and, for a time not after the newest stored one, into the runs. The writer's, under apply. */
#ifndef REVEILLE_WORKER_TWIN_H
#define REVEILLE_WORKER_TWIN_H

#include "core.h"
#include "input.h"

typedef struct {
    uint32_t type, chunk;
    uint16_t row; /* within the chunk */
    int64_t time;
    rv_str_t source, id;
    uint32_t tag; /* 0: not worked out */
} rvw_event_key_t;

/* Where a twin is: in a block of a tail, or in a piece. Neither: there is none. */
typedef struct {
    const rvw_block_t *block;
    const rvw_events_t *events;
    uint32_t i;
} rvw_twin_t;

/* A (type, chunk) of the batch at hand, looked up once. */
typedef struct {
    uint32_t type, chunk;
    rvw_list_t *list;   /* of the active tail; NULL: not made yet */
    rvw_list_t *frozen; /* of the frozen one, or NULL */
    uint32_t first, n;  /* of the base */
    int64_t newest;
} rvw_lane_t;

uint32_t rvw_event_tag(const rvw_event_key_t *key);
/* Looks a lane up. */
rv_status_t rvw_lane_open(rvw_partition_t *partition, uint32_t type, uint32_t chunk, rvw_lane_t *ret, rv_error_t *err);
/* An event of this time may have a twin in the tails; otherwise it is newer than all there. */
bool rvw_twin_in_tails(const rvw_lane_t *lane, int64_t time);
/* Fetches ahead what the search in the tails will read. */
void rvw_twin_prefetch(const rvw_partition_t *partition, uint32_t tag);
rv_status_t rvw_twin_find(const rvw_partition_t *partition, const rvw_lane_t *lane, rvw_event_key_t *key,
                          rvw_twin_t *ret, rv_error_t *err);
/* Where (row, time) or what follows it starts in sorted events. */
uint32_t rvw_events_lower_bound(const rvw_events_t *events, uint32_t row, int64_t time);
/* The twin in sorted events, or events->n. */
uint32_t rvw_events_find(const rvw_events_t *events, const rvw_event_key_t *key);

/* The twin has the same channel and properties as event `item` of the batch. */
bool rvw_twin_equal(const rvw_twin_t *twin, uint32_t item, const rvw_input_t *channel, const rvw_input_t *properties,
                    uint32_t n_properties);

#endif

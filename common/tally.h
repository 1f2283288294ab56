/* tally.h: a map from byte strings to counts, for distinct values and quantiles. */
#ifndef RV_COMMON_TALLY_H
#define RV_COMMON_TALLY_H

#include "reveille/status.h"
#include "reveille/valcodec.h"

typedef struct rv_tally rv_tally_t;

/* One entry: n bytes at `start` of the tally's bytes. */
typedef struct {
    uint64_t hash, count, start;
    uint32_t n;
} rv_tally_entry_t;

/* NULL without memory. */
rv_tally_t *rv_tally_new(void);
void rv_tally_destroy(rv_tally_t **tally);
/* Adds `count` to a byte string. RESOURCE_EXHAUSTED/QUOTA beyond RV_MAX_GROUPS strings or without memory. */
rv_status_t rv_tally_add(rv_tally_t *tally, const uint8_t *bytes, size_t n, uint64_t count, rv_error_t *err);
/* Bytes of memory that it holds. */
size_t rv_tally_memory(const rv_tally_t *tally);
/* Number of different strings. */
size_t rv_tally_size(const rv_tally_t *tally);
/* The i-th string in order of first arrival; borrowed until the next addition. */
const rv_tally_entry_t *rv_tally_entry(const rv_tally_t *tally, size_t i);
const uint8_t *rv_tally_bytes(const rv_tally_t *tally, const rv_tally_entry_t *entry);
/* All entries in bytewise order, to be freed by the caller; NULL without memory. The tally must not be empty. */
const rv_tally_entry_t **rv_tally_sorted(const rv_tally_t *tally);

#endif

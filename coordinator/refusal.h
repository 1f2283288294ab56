/* refusal.h: items of a batch that are refused one by one, with the reason of the first 1,000 of them. Thread: the
 * actor's. */
#ifndef REVEILLE_COORDINATOR_REFUSAL_H
#define REVEILLE_COORDINATOR_REFUSAL_H

#include "reveille/arena.h"
#include "reveille/status.h"
#include "reveille/v1/write.pb-c.h"

#define RVC_MAX_REFUSALS 1000u

typedef struct {
    rv_arena_t *arena;
    uint8_t *bad; /* one byte an item */
    uint64_t total;
    size_t n;
    Reveille__V1__ItemError *items[RVC_MAX_REFUSALS];
} rvc_refusals_t;

/* Room for `items` items; memory comes from the arena, which lives as long. */
rv_status_t rvc_refusals_init(rvc_refusals_t *refusals, size_t items, rv_arena_t *arena, rv_error_t *err);
/* Refuses an item, unless it was refused before. INVALID_ARGUMENT/FIELD. */
void rvc_refuse(rvc_refusals_t *refusals, size_t item, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Adds what a worker refused; does not look at `bad`. */
void rvc_refusals_add(rvc_refusals_t *refusals, size_t item, const rv_error_t *why);
/* Puts them in the order of their items. */
void rvc_refusals_sort(rvc_refusals_t *refusals);

#endif

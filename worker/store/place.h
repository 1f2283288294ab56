/* place.h: the key under which a value lies in a partition's environment.
 *
 * Keys sort by table, id, chunk, generation, part, bytewise. A generation is the number of the change that wrote the
 * value: a key is written once and never again, so a value that was seen under a key stays what it is. Values of a
 * generation above the state's are leftovers of a change that did not finish. Other keys of the environment start with
 * a byte above every table (state.h, producers.h).
 */
#ifndef REVEILLE_WORKER_PLACE_H
#define REVEILLE_WORKER_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    RVW_EVENTS = 1,    /* id: type; a generation is a run */
    RVW_CONTACTS = 2,  /* id: attribute, 0: keys; parts are ranges of rows */
    RVW_COMPANIES = 3, /* the same for companies; RVW_VERSION: their versions */
    RVW_ERASED = 4     /* id 0: rows of erased contacts */
} rvw_table_t;

#define RVW_KEYS 0u
#define RVW_VERSION UINT32_MAX /* number of the column of company versions: no attribute has it */

typedef struct {
    uint8_t table;
    uint32_t id, chunk;
    uint64_t gen;
    uint32_t part;
} rvw_place_t;

#define RVW_PLACE_BYTES 21u

void rvw_place_pack(const rvw_place_t *place, uint8_t out[RVW_PLACE_BYTES]);
/* False when it is not the key of a table's value. */
bool rvw_place_unpack(const uint8_t *bytes, size_t n, rvw_place_t *ret);
/* For messages: "events of type 3, chunk 0, run 7, part 1". */
#define RVW_PLACE_NAME 112u
void rvw_place_name(const rvw_place_t *place, char out[RVW_PLACE_NAME]);
/* Order of table, id and chunk only. */
int rvw_place_compare_list(const rvw_place_t *a, const rvw_place_t *b);

void rvw_put_be32(uint8_t *out, uint32_t value);
void rvw_put_be64(uint8_t *out, uint64_t value);
uint32_t rvw_get_be32(const uint8_t *bytes);
uint64_t rvw_get_be64(const uint8_t *bytes);

#endif

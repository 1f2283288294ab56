/* index.h: key -> rows, in memory: open addressing of (hash, row), built at open from the key columns.
 *
 * A key may have several rows: all but one of them erased. The index gives candidates; whoever asks compares the keys
 * and knows which rows are alive. Entries are never removed while the partition is open, so that older views find what
 * they hold. One writer adds; any thread looks up. A mutex guards both, for some ten nanoseconds; the writer, who alone
 * changes the table, looks up without it.
 */
#ifndef REVEILLE_WORKER_INDEX_H
#define REVEILLE_WORKER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rvw_index rvw_index_t;

rvw_index_t *rvw_index_new(void);
void rvw_index_destroy(rvw_index_t **index);
/* False without memory. */
bool rvw_index_add(rvw_index_t *index, uint64_t hash, uint32_t row);
/* Room for n more, so that building does not rehash. */
bool rvw_index_reserve(rvw_index_t *index, uint32_t n);
/* Candidates one after the other: *cursor starts at 0. False when there are no more. Adding meanwhile may show a
 * candidate twice. */
bool rvw_index_next(rvw_index_t *index, uint64_t hash, uint64_t *cursor, uint32_t *ret_row);
/* The same for the writer, without the lock; the cursor does not outlive an addition. */
bool rvw_index_mine(const rvw_index_t *index, uint64_t hash, uint64_t *cursor, uint32_t *ret_row);
/* Fetches what a look-up of this hash will read first. */
void rvw_index_prefetch(const rvw_index_t *index, uint64_t hash);

#endif

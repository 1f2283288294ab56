/* sink_bytes.c: memory that a partial keeps until it is destroyed, in blocks that can change hands.
 *
 * Blocks form a list; taking moves on in the newest. They grow up to BLOCK, so that few groups take little. All of it
 * is counted against the job. Failure: QUOTA.
 */
#include <stdlib.h>
#include <string.h>

#include "sink.h"

#define FIRST_BLOCK ((size_t)4 << 10)
#define BLOCK ((size_t)256 << 10)

struct rvw_bytes_block {
    struct rvw_bytes_block *next;
    size_t cap;
    _Alignas(16) char bytes[];
};

void *rvw_bytes_take(const rvw_job_t *job, rvw_bytes_t *store, size_t n, rv_error_t *err) {
    n = (n + 15) / 16 * 16;
    if (!store->head || store->head->cap - store->used < n) {
        size_t cap = store->held < FIRST_BLOCK ? FIRST_BLOCK : store->held < BLOCK ? store->held : BLOCK;
        cap = cap < n ? n : cap;
        if (rvw_job_charge(job, cap, err) != RV_OK)
            return NULL;
        struct rvw_bytes_block *block = aligned_alloc(16, sizeof *block + (cap + 15) / 16 * 16);
        if (!block) {
            rvw_job_discharge(job, cap);
            rv_fail_memory(err, "the result of a query");
            return NULL;
        }
        block->next = store->head;
        block->cap = cap;
        store->head = block;
        store->used = 0;
        store->held += cap;
    }
    void *p = store->head->bytes + store->used;
    store->used += n;
    return p;
}

void rvw_bytes_adopt(rvw_bytes_t *into, rvw_bytes_t *from) {
    if (!from->head)
        return;
    struct rvw_bytes_block *last = from->head;
    while (last->next)
        last = last->next;
    if (into->head) { /* behind the block that is being filled */
        last->next = into->head->next;
        into->head->next = from->head;
    } else {
        into->head = from->head;
        into->used = from->used;
    }
    into->held += from->held;
    *from = (rvw_bytes_t){0};
}

void rvw_bytes_done(const rvw_job_t *job, rvw_bytes_t *store) {
    while (store->head) {
        struct rvw_bytes_block *next = store->head->next;
        free(store->head);
        store->head = next;
    }
    rvw_job_discharge(job, store->held);
    *store = (rvw_bytes_t){0};
}

/* intern.c: numbers for byte strings, for counting different ones: equal strings get equal numbers within one pass.
 *
 * Open addressing over (hash, string, number); the table and the bytes live in the task's keep space, a grown table
 * leaves its predecessor there. Failure: QUOTA.
 */
#include <string.h>

#include "pass.h"
#include "reveille/hash.h"

typedef struct {
    const char *p; /* NULL: free */
    uint32_t n, number;
    uint64_t hash;
} entry_t;

struct rvw_intern {
    entry_t *entries;
    uint32_t n, cap;
};

static rv_status_t no_space(rv_error_t *err) {
    return rv_fail(err, RV_REASON_QUOTA, "counting different values of one chunk needs too much work space");
}

static void insert(struct rvw_intern *table, const entry_t *entry) {
    uint32_t at = (uint32_t)entry->hash & (table->cap - 1);
    while (table->entries[at].p)
        at = (at + 1) & (table->cap - 1);
    table->entries[at] = *entry;
}

static rv_status_t grow(rvw_select_t *s, struct rvw_intern *table, rv_error_t *err) {
    struct rvw_intern bigger = {.n = table->n, .cap = table->cap ? table->cap * 2 : 1024};
    bigger.entries = rvw_space_zero(s->task->scratch->keep, bigger.cap, sizeof *bigger.entries);
    if (!bigger.entries)
        return no_space(err);
    for (uint32_t i = 0; i < table->cap; i++)
        if (table->entries[i].p)
            insert(&bigger, &table->entries[i]);
    *table = bigger;
    return RV_OK;
}

rv_status_t rvw_intern(rvw_select_t *s, const void *bytes, uint32_t n, uint32_t *ret, rv_error_t *err) {
    if (!s->intern) {
        s->intern = rvw_space_zero(s->task->scratch->keep, 1, sizeof *s->intern);
        if (!s->intern)
            return no_space(err);
    }
    struct rvw_intern *table = s->intern;
    if (table->n * 2 >= table->cap)
        RVW_TRY(grow(s, table, err));
    uint64_t hash = rv_hash(bytes, n);
    uint32_t at = (uint32_t)hash & (table->cap - 1);
    for (; table->entries[at].p; at = (at + 1) & (table->cap - 1)) {
        const entry_t *e = &table->entries[at];
        if (e->hash == hash && e->n == n && (!n || memcmp(e->p, bytes, n) == 0)) {
            *ret = e->number;
            return RV_OK;
        }
    }
    char *p = rvw_space_bytes(s->task->scratch->keep, n + 1u);
    if (!p)
        return no_space(err);
    if (n)
        memcpy(p, bytes, n);
    table->entries[at] = (entry_t){p, n, table->n, hash};
    *ret = table->n++;
    return RV_OK;
}

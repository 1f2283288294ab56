/* tally.c: byte strings and how often each came.
 *
 * An open-addressed table of numbers points into an array of entries, and entries point into one growing block of
 * bytes: three allocations whatever the number of strings, and order of arrival for free. The table is kept at most
 * half full. Not thread safe. Bounded by RV_MAX_GROUPS strings.
 */
#include "tally.h"

#include "reveille/hash.h"
#include "reveille/limits.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 16u

struct rv_tally {
    rv_bytes_t bytes;
    rv_tally_entry_t *entries;
    size_t n, cap;
    uint32_t *slots; /* 1 + number of an entry; 0: free */
    size_t n_slots;  /* a power of two, or 0 */
};

rv_tally_t *rv_tally_new(void) {
    return calloc(1, sizeof(rv_tally_t));
}

void rv_tally_destroy(rv_tally_t **tally) {
    rv_tally_t *mine = *tally;
    *tally = NULL;
    if (mine == NULL)
        return;
    rv_bytes_done(&mine->bytes);
    free(mine->entries);
    free(mine->slots);
    free(mine);
}

static bool grow_slots(rv_tally_t *tally) {
    size_t n = tally->n_slots == 0 ? FIRST_SLOTS : tally->n_slots * 2;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < tally->n; i++) {
        size_t at = (size_t)tally->entries[i].hash & (n - 1);
        while (slots[at] != 0)
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(tally->slots);
    tally->slots = slots;
    tally->n_slots = n;
    return true;
}

static bool grow_entries(rv_tally_t *tally) {
    size_t cap = tally->cap == 0 ? FIRST_SLOTS / 2 : tally->cap * 2;
    rv_tally_entry_t *entries = realloc(tally->entries, cap * sizeof *entries);
    if (entries == NULL)
        return false;
    tally->entries = entries;
    tally->cap = cap;
    return true;
}

/* The slot of a string: its own, or the free one where it belongs. */
static size_t find_slot(const rv_tally_t *tally, uint64_t hash, const uint8_t *bytes, size_t n) {
    size_t at = (size_t)hash & (tally->n_slots - 1);
    for (; tally->slots[at] != 0; at = (at + 1) & (tally->n_slots - 1)) {
        const rv_tally_entry_t *entry = &tally->entries[tally->slots[at] - 1];
        if (entry->hash == hash && entry->n == n && memcmp(tally->bytes.p + entry->start, bytes, n) == 0)
            break;
    }
    return at;
}

rv_status_t rv_tally_add(rv_tally_t *tally, const uint8_t *bytes, size_t n, uint64_t count, rv_error_t *err) {
    if (n > UINT32_MAX)
        return rv_fail(err, RV_REASON_QUOTA, "a value of %zu bytes is too long to be counted", n);
    if (2 * (tally->n + 1) > tally->n_slots && !grow_slots(tally))
        return rv_fail_memory(err, "different values of a group");
    uint64_t hash = rv_hash(bytes, n);
    size_t at = find_slot(tally, hash, bytes, n);
    if (tally->slots[at] != 0) {
        tally->entries[tally->slots[at] - 1].count += count;
        return RV_OK;
    }
    if (tally->n >= RV_MAX_GROUPS)
        return rv_fail(err, RV_REASON_QUOTA,
                       "a group has more than %u different values; ask for distinct or quantile over fewer contacts",
                       RV_MAX_GROUPS);
    size_t start = tally->bytes.n;
    if ((tally->n == tally->cap && !grow_entries(tally)) || !rv_bytes_add(&tally->bytes, bytes, n))
        return rv_fail_memory(err, "different values of a group");
    tally->entries[tally->n++] = (rv_tally_entry_t){hash, count, start, (uint32_t)n};
    tally->slots[at] = (uint32_t)tally->n;
    return RV_OK;
}

size_t rv_tally_memory(const rv_tally_t *tally) {
    return sizeof *tally + tally->bytes.cap + tally->cap * sizeof *tally->entries +
           tally->n_slots * sizeof *tally->slots;
}

size_t rv_tally_size(const rv_tally_t *tally) {
    return tally->n;
}

const rv_tally_entry_t *rv_tally_entry(const rv_tally_t *tally, size_t i) {
    return &tally->entries[i];
}

const uint8_t *rv_tally_bytes(const rv_tally_t *tally, const rv_tally_entry_t *entry) {
    return tally->bytes.p + entry->start;
}

static int by_bytes(const void *left, const void *right, void *bytes) {
    const rv_tally_entry_t *a = *(const rv_tally_entry_t *const *)left, *b = *(const rv_tally_entry_t *const *)right;
    const uint8_t *base = bytes;
    int order = memcmp(base + a->start, base + b->start, a->n < b->n ? a->n : b->n);
    return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

const rv_tally_entry_t **rv_tally_sorted(const rv_tally_t *tally) {
    const rv_tally_entry_t **sorted = malloc(tally->n * sizeof(*sorted));
    if (sorted == NULL)
        return NULL;
    for (size_t i = 0; i < tally->n; i++)
        sorted[i] = &tally->entries[i];
    qsort_r(sorted, tally->n, sizeof(*sorted), by_bytes, tally->bytes.p);
    return sorted;
}

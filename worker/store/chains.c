/* chains.c: see chains.h. A partition's records are an array of group numbers, one an LSN, 0 for one that is missing;
 * groups are an array in their order. Both drop what is behind their head when that is half of them. */
#include "chains.h"

#include <stdlib.h>
#include <string.h>

#include "reveille/limits.h"

#define GAP 65536u /* LSNs that may be missing at once: no log has such a hole */

typedef struct {
    bool known;
    uint64_t trimmed, from;
    uint64_t *groups; /* of LSN trimmed + 1 at `head` */
    size_t head, end, cap;
} chain_t;

typedef struct {
    uint64_t number;
    uint64_t needed; /* records */
} group_t;

struct rvw_chains {
    chain_t chain[RV_MAX_PARTITIONS];
    group_t *groups;
    size_t n, cap, spent; /* spent: those without a record that is needed */
};

rvw_chains_t *rvw_chains_new(void) {
    return calloc(1, sizeof(rvw_chains_t));
}

void rvw_chains_destroy(rvw_chains_t **chains) {
    rvw_chains_t *gone = *chains;
    *chains = NULL;
    if (!gone) {
        return;
    }
    for (size_t i = 0; i < RV_MAX_PARTITIONS; i++) {
        free(gone->chain[i].groups);
    }
    free(gone->groups);
    free(gone);
}

/* NULL when the partition is not known. */
static const chain_t *chain_of(const rvw_chains_t *chains, uint32_t partition) {
    return partition < RV_MAX_PARTITIONS && chains->chain[partition].known ? &chains->chain[partition] : NULL;
}

uint32_t rvw_chains_next(const rvw_chains_t *chains, uint32_t partition) {
    while (partition < RV_MAX_PARTITIONS && !chains->chain[partition].known) {
        partition++;
    }
    return partition < RV_MAX_PARTITIONS ? partition : UINT32_MAX;
}

void rvw_chains_adopt(rvw_chains_t *chains, uint32_t partition, uint64_t trimmed, uint64_t from) {
    chain_t *chain = &chains->chain[partition];
    chain->known = true;
    chain->trimmed = trimmed;
    chain->from = from;
    chain->head = chain->end = 0;
}

void rvw_chains_release(rvw_chains_t *chains, uint32_t partition) {
    chain_t *chain = &chains->chain[partition];
    free(chain->groups);
    *chain = (chain_t){0};
}

uint64_t rvw_chains_trimmed(const rvw_chains_t *chains, uint32_t partition) {
    const chain_t *chain = chain_of(chains, partition);
    return chain ? chain->trimmed : 0;
}

uint64_t rvw_chains_from(const rvw_chains_t *chains, uint32_t partition) {
    const chain_t *chain = chain_of(chains, partition);
    return chain ? chain->from : 0;
}

uint64_t rvw_chains_last(const rvw_chains_t *chains, uint32_t partition) {
    const chain_t *chain = chain_of(chains, partition);
    return chain ? chain->trimmed + (chain->end - chain->head) : 0;
}

uint64_t rvw_chains_group(const rvw_chains_t *chains, uint32_t partition, uint64_t lsn) {
    const chain_t *chain = chain_of(chains, partition);
    bool there = chain && lsn > chain->trimmed && lsn - chain->trimmed <= chain->end - chain->head;
    return there ? chain->groups[chain->head + (size_t)(lsn - chain->trimmed - 1)] : 0;
}

bool rvw_chains_needs(const rvw_chains_t *chains, uint32_t partition, uint64_t lsn, uint64_t group) {
    const chain_t *chain = chain_of(chains, partition);
    return chain && group >= chain->from && lsn > chain->trimmed;
}

/* The group with that number, which is there. */
static group_t *find_group(const rvw_chains_t *chains, uint64_t number) {
    size_t lo = 0, hi = chains->n;
    while (hi - lo > 1) {
        size_t middle = lo + (hi - lo) / 2;
        *(chains->groups[middle].number <= number ? &lo : &hi) = middle;
    }
    return &chains->groups[lo];
}

/* Room for `more` LSNs. */
static bool reserve_chain(chain_t *chain, size_t more) {
    if (chain->end + more <= chain->cap) {
        return true;
    }
    size_t cap = 2 * (chain->end - chain->head + more) + 16;
    uint64_t *groups = malloc(cap * sizeof *groups);
    if (!groups) {
        return false;
    }
    if (chain->groups) {
        memcpy(groups, chain->groups + chain->head, (chain->end - chain->head) * sizeof *groups);
    }
    free(chain->groups);
    chain->groups = groups;
    chain->end -= chain->head;
    chain->head = 0;
    chain->cap = cap;
    return true;
}

/* The group is the last one afterwards. */
static bool open_group(rvw_chains_t *chains, uint64_t number) {
    if (chains->n && chains->groups[chains->n - 1].number == number) {
        return true;
    }
    if (chains->n == chains->cap) {
        size_t cap = 2 * chains->cap + 16;
        group_t *groups = realloc(chains->groups, cap * sizeof *groups);
        if (!groups) {
            return false;
        }
        chains->groups = groups;
        chains->cap = cap;
    }
    chains->groups[chains->n++] = (group_t){.number = number};
    return true;
}

rv_status_t rvw_chains_add(rvw_chains_t *chains, uint32_t partition, uint64_t lsn, uint64_t group, rv_error_t *err) {
    uint64_t last = rvw_chains_last(chains, partition);
    chain_t *chain = chain_of(chains, partition) ? &chains->chain[partition] : NULL;
    if (!chain || lsn <= last || lsn - last > GAP || (chains->n && group < chains->groups[chains->n - 1].number)) {
        return rv_fail(err, RV_REASON_BUG, "record %llu of partition %u cannot follow %llu in the log",
                       (unsigned long long)lsn, partition, (unsigned long long)last);
    }
    if (!reserve_chain(chain, (size_t)(lsn - last)) || !open_group(chains, group)) {
        return rv_fail_memory(err, "the log");
    }
    for (uint64_t missing = last + 1; missing < lsn; missing++) {
        chain->groups[chain->end++] = 0;
    }
    chain->groups[chain->end++] = group;
    chains->groups[chains->n - 1].needed++;
    return RV_OK;
}

void rvw_chains_undo(rvw_chains_t *chains, uint64_t group) {
    for (size_t i = 0; i < RV_MAX_PARTITIONS; i++) {
        chain_t *chain = &chains->chain[i];
        /* A chain ends with a record that is there: missing ones are in front of one that is taken back. */
        while (chain->end > chain->head && (!chain->groups[chain->end - 1] || chain->groups[chain->end - 1] >= group)) {
            chain->end--;
        }
    }
    while (chains->n && chains->groups[chains->n - 1].number >= group) {
        chains->n--;
    }
}

/* How many LSNs of a chain are up to `lsn`. */
static size_t up_to(const chain_t *chain, uint64_t lsn) {
    size_t n = chain->end - chain->head;
    uint64_t most = lsn > chain->trimmed ? lsn - chain->trimmed : 0;
    return most < n ? (size_t)most : n;
}

rv_status_t rvw_chains_spent(rvw_chains_t *chains, uint32_t partition, uint64_t lsn, rvw_group_each_t *each,
                             void *context) {
    const chain_t *chain = chain_of(chains, partition);
    size_t n = chain ? up_to(chain, lsn) : 0;
    rv_status_t status = RV_OK;
    for (size_t i = 0; i < n; i++) {
        uint64_t number = chain->groups[chain->head + i];
        if (number && --find_group(chains, number)->needed == 0 && status == RV_OK) {
            status = each(context, number);
        }
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t number = chain->groups[chain->head + i];
        if (number) {
            find_group(chains, number)->needed++;
        }
    }
    return status;
}

static void remove_spent(rvw_chains_t *chains) {
    size_t n = 0;
    for (size_t i = 0; i < chains->n; i++) {
        if (chains->groups[i].needed) {
            chains->groups[n++] = chains->groups[i];
        }
    }
    chains->n = n;
    chains->spent = 0;
}

void rvw_chains_drop(rvw_chains_t *chains, uint32_t partition, uint64_t lsn) {
    if (!chain_of(chains, partition)) {
        return;
    }
    chain_t *chain = &chains->chain[partition];
    size_t n = up_to(chain, lsn);
    for (size_t i = 0; i < n; i++) {
        uint64_t number = chain->groups[chain->head + i];
        chains->spent += number && --find_group(chains, number)->needed == 0;
    }
    chain->head += n;
    chain->trimmed += n;
    if (chain->head == chain->end) {
        free(chain->groups);
        chain->groups = NULL;
        chain->head = chain->end = chain->cap = 0;
    }
    if (2 * chains->spent > chains->n) {
        remove_spent(chains);
    }
}

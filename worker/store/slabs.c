/* slabs.c: see slabs.h. A region is a bitmap of its 128 units of 16 KiB and a pointer to them; what is taken is a run
 * of units, the first one that fits. Regions lie in an array sorted by address, in which the owner of a pointer is
 * found. */
#include "slabs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define REGION ((size_t)2 << 20)
#define UNIT ((size_t)16 << 10)
#define SPARE ((size_t)64 << 20) /* the most that is kept of a workspace */
#define UNITS ((uint32_t)(REGION / UNIT))

typedef struct {
    char *p;
    unsigned __int128 used; /* a bit a unit */
} region_t;

struct rvw_slabs {
    pthread_mutex_t lock;
    region_t *regions;
    size_t n, cap;
    size_t full; /* none of so many first regions has a free unit */
    rvw_workspace_t *spare;
};

rvw_slabs_t *rvw_slabs_new(void) {
    rvw_slabs_t *slabs = calloc(1, sizeof *slabs);
    if (slabs) {
        pthread_mutex_init(&slabs->lock, NULL);
    }
    return slabs;
}

void rvw_slabs_destroy(rvw_slabs_t **slabs) {
    rvw_slabs_t *gone = *slabs;
    *slabs = NULL;
    if (gone) {
        for (size_t r = 0; r < gone->n; r++) {
            free(gone->regions[r].p);
        }
        free(gone->regions);
        rvw_workspace_destroy(&gone->spare);
        pthread_mutex_destroy(&gone->lock);
        free(gone);
    }
}

static uint32_t units_of(size_t n) {
    return n == 0 ? 1 : (uint32_t)((n + UNIT - 1) / UNIT);
}

static unsigned __int128 run_of(uint32_t first, uint32_t units) {
    unsigned __int128 all = ~(unsigned __int128)0;
    return (units == UNITS ? all : ~(all << units)) << first;
}

/* The first free run of the region, or UNITS. */
static uint32_t find_run(const region_t *region, uint32_t units) {
    unsigned __int128 start = ~region->used; /* bits at which a run of so many units can start */
    for (uint32_t have = 1; have < units && start;) {
        uint32_t step = units - have < have ? units - have : have;
        start &= start >> step;
        have += step;
    }
    uint64_t low = (uint64_t)start, high = (uint64_t)(start >> 64);
    return low ? (uint32_t)__builtin_ctzll(low) : high ? 64 + (uint32_t)__builtin_ctzll(high) : UNITS;
}

/* Index of the last region that starts at or before p, or n when none does. */
static size_t region_at(const rvw_slabs_t *slabs, const char *p) {
    size_t low = 0, high = slabs->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)slabs->regions[middle].p <= (uintptr_t)p) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low ? low - 1 : slabs->n;
}

/* Adds a region and returns its index, or n without memory. */
static size_t add_region(rvw_slabs_t *slabs) {
    if (slabs->n == slabs->cap) {
        size_t cap = slabs->cap ? slabs->cap * 2 : 16;
        region_t *grown = realloc(slabs->regions, cap * sizeof *grown);
        if (!grown) {
            return slabs->n;
        }
        slabs->regions = grown;
        slabs->cap = cap;
    }
    char *p = aligned_alloc(REGION, REGION);
    if (!p) {
        return slabs->n;
    }
#ifdef MADV_HUGEPAGE
    (void)madvise(p, REGION, MADV_HUGEPAGE); /* a hint */
#endif
    size_t before = region_at(slabs, p), at = before == slabs->n ? 0 : before + 1;
    memmove(slabs->regions + at + 1, slabs->regions + at, (slabs->n - at) * sizeof *slabs->regions);
    slabs->regions[at] = (region_t){p, 0};
    slabs->n++;
    slabs->full = at < slabs->full ? at : slabs->full;
    return at;
}

static void *take(rvw_slabs_t *slabs, uint32_t units) {
    size_t r = slabs->full;
    uint32_t first = UNITS;
    bool full = true; /* all regions up to here */
    for (; r < slabs->n && (first = find_run(&slabs->regions[r], units)) == UNITS; r++) {
        full = full && slabs->regions[r].used == run_of(0, UNITS);
        slabs->full += full;
    }
    if (first == UNITS) {
        size_t before = slabs->n;
        r = add_region(slabs);
        if (slabs->n == before) {
            return NULL;
        }
        first = 0;
    }
    slabs->regions[r].used |= run_of(first, units);
    return slabs->regions[r].p + first * UNIT;
}

void *rvw_slabs_take(rvw_slabs_t *slabs, size_t n) {
    if (n > REGION) {
        return malloc(n);
    }
    pthread_mutex_lock(&slabs->lock);
    void *p = take(slabs, units_of(n));
    pthread_mutex_unlock(&slabs->lock);
    return p;
}

void rvw_slabs_give(rvw_slabs_t *slabs, void *p, size_t n) {
    if (n > REGION) {
        free(p);
        return;
    }
    pthread_mutex_lock(&slabs->lock);
    size_t r = region_at(slabs, p);
    region_t *region = &slabs->regions[r];
    region->used &= ~run_of((uint32_t)((size_t)((char *)p - region->p) / UNIT), units_of(n));
    slabs->full = r < slabs->full ? r : slabs->full;
    pthread_mutex_unlock(&slabs->lock);
}

rvw_workspace_t *rvw_slabs_borrow(rvw_slabs_t *slabs) {
    pthread_mutex_lock(&slabs->lock);
    rvw_workspace_t *spare = slabs->spare;
    slabs->spare = NULL;
    pthread_mutex_unlock(&slabs->lock);
    return spare ? spare : rvw_workspace_new();
}

void rvw_slabs_return(rvw_slabs_t *slabs, rvw_workspace_t **workspace) {
    rvw_workspace_t *gone = *workspace;
    *workspace = NULL;
    pthread_mutex_lock(&slabs->lock);
    if (gone && !slabs->spare && rvw_workspace_bytes(gone) <= SPARE) {
        slabs->spare = gone;
        gone = NULL;
    }
    pthread_mutex_unlock(&slabs->lock);
    rvw_workspace_destroy(&gone);
}

void rvw_slabs_trim(rvw_slabs_t *slabs) {
    size_t kept = 0;
    pthread_mutex_lock(&slabs->lock);
    rvw_workspace_destroy(&slabs->spare);
    for (size_t r = 0; r < slabs->n; r++) {
        if (slabs->regions[r].used) {
            slabs->regions[kept++] = slabs->regions[r];
        } else {
            free(slabs->regions[r].p);
        }
    }
    slabs->n = kept;
    slabs->full = 0;
    pthread_mutex_unlock(&slabs->lock);
}

size_t rvw_slabs_bytes(rvw_slabs_t *slabs) {
    pthread_mutex_lock(&slabs->lock);
    size_t bytes = slabs->n * REGION;
    pthread_mutex_unlock(&slabs->lock);
    return bytes;
}

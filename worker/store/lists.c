/* lists.c: see lists.h. Failure is memory only. */
#include "lists.h"

#include <stdlib.h>

typedef struct table table_t;
struct table {
    table_t *older;
    uint32_t mask, n;
    _Atomic(rvw_list_t *) slots[];
};

struct rvw_lists {
    _Atomic(table_t *) table;
};

static table_t *new_table(uint32_t cap) {
    table_t *table = calloc(1, sizeof *table + cap * sizeof table->slots[0]);
    if (table) {
        table->mask = cap - 1;
    }
    return table;
}

rvw_lists_t *rvw_lists_new(void) {
    rvw_lists_t *lists = calloc(1, sizeof *lists);
    table_t *table = lists ? new_table(16) : NULL;
    if (!table) {
        free(lists);
        return NULL;
    }
    atomic_init(&lists->table, table);
    return lists;
}

static uint32_t start(const table_t *table, uint32_t id, uint32_t chunk) {
    uint64_t hash = ((uint64_t)id << 32 | chunk) * 0x9E3779B97F4A7C15ull;
    return (uint32_t)(hash >> 32) & table->mask;
}

/* The slot of a list, or the empty one where it would be. */
static uint32_t probe(const table_t *table, uint32_t id, uint32_t chunk, rvw_list_t **ret) {
    uint32_t at = start(table, id, chunk);
    while ((*ret = atomic_load_explicit(&table->slots[at], memory_order_acquire)) &&
           ((*ret)->id != id || (*ret)->chunk != chunk)) {
        at = (at + 1) & table->mask;
    }
    return at;
}

rvw_list_t *rvw_lists_find(const rvw_lists_t *lists, uint32_t id, uint32_t chunk) {
    rvw_list_t *list;
    probe(atomic_load_explicit(&lists->table, memory_order_acquire), id, chunk, &list);
    return list;
}

static table_t *grow(rvw_lists_t *lists, table_t *old) {
    table_t *table = new_table((old->mask + 1) * 2);
    if (!table) {
        return NULL;
    }
    for (uint32_t k = 0; k <= old->mask; k++) {
        rvw_list_t *list = atomic_load_explicit(&old->slots[k], memory_order_relaxed), *none;
        if (list) {
            uint32_t at = probe(table, list->id, list->chunk, &none);
            atomic_store_explicit(&table->slots[at], list, memory_order_relaxed);
        }
    }
    table->n = old->n;
    table->older = old;
    atomic_store_explicit(&lists->table, table, memory_order_release);
    return table;
}

rvw_list_t *rvw_lists_get(rvw_lists_t *lists, uint32_t id, uint32_t chunk, bool *ret_new) {
    table_t *table = atomic_load_explicit(&lists->table, memory_order_relaxed);
    rvw_list_t *list;
    uint32_t at = probe(table, id, chunk, &list);
    *ret_new = !list;
    if (list) {
        return list;
    }
    if (table->n * 2 > table->mask) {
        table = grow(lists, table);
        if (!table) {
            return NULL;
        }
        at = probe(table, id, chunk, &list);
    }
    list = calloc(1, sizeof *list);
    if (!list) {
        return NULL;
    }
    list->id = id;
    list->chunk = chunk;
    atomic_init(&list->first, NULL);
    table->n++;
    atomic_store_explicit(&table->slots[at], list, memory_order_release);
    return list;
}

rvw_list_t *rvw_lists_next(const rvw_lists_t *lists, uint32_t *at) {
    const table_t *table = atomic_load_explicit(&lists->table, memory_order_relaxed);
    while (*at <= table->mask) {
        rvw_list_t *list = atomic_load_explicit(&table->slots[(*at)++], memory_order_relaxed);
        if (list) {
            return list;
        }
    }
    return NULL;
}

void rvw_lists_destroy(rvw_lists_t **lists) {
    rvw_lists_t *gone = *lists;
    *lists = NULL;
    if (!gone) {
        return;
    }
    rvw_list_t *list;
    for (uint32_t at = 0; (list = rvw_lists_next(gone, &at));) {
        free(list->shapes);
        free(list->newest);
        free(list);
    }
    table_t *table = atomic_load_explicit(&gone->table, memory_order_relaxed);
    while (table) {
        table_t *older = table->older;
        free(table);
        table = older;
    }
    free(gone);
}

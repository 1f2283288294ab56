/* table.c: chains in a fixed number of slots, which is about the greatest number of calls: no growth, no rehashing, no
 * failure. */
#include "table.h"
#include "reveille/hash.h"
#include <string.h>

static size_t slot_of(const void *key, size_t n) {
    return (size_t)(rv_hash(key, n) % RVC_TABLE_SLOTS);
}

rvc_entry_t *rvc_table_find(const rvc_table_t *table, const void *key, size_t n) {
    rvc_entry_t *entry = table->slots[slot_of(key, n)];
    while (entry && (entry->key_n != n || (n && memcmp(entry->key, key, n) != 0)))
        entry = entry->next;
    return entry;
}

void rvc_table_insert(rvc_table_t *table, rvc_entry_t *entry, const void *key, size_t n) {
    rvc_entry_t **slot = &table->slots[slot_of(key, n)];
    *entry = (rvc_entry_t){.next = *slot, .key = key, .key_n = n};
    *slot = entry;
    table->n++;
}

void rvc_table_remove(rvc_table_t *table, rvc_entry_t *entry) {
    rvc_entry_t **link = &table->slots[slot_of(entry->key, entry->key_n)];
    while (*link && *link != entry)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = entry->next;
    table->n--;
}

rvc_entry_t *rvc_table_any(const rvc_table_t *table) {
    for (size_t i = 0; table->n && i < RVC_TABLE_SLOTS; i++)
        if (table->slots[i])
            return table->slots[i];
    return NULL;
}

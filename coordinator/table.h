/* table.h: a chained hash table of entries that live inside their owners, by bytes. Thread: the actor's only. */
#ifndef REVEILLE_COORDINATOR_TABLE_H
#define REVEILLE_COORDINATOR_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define RVC_TABLE_SLOTS 4096u

typedef struct rvc_entry {
    struct rvc_entry *next;
    const void *key; /* lives as long as the entry is in the table */
    size_t key_n;
} rvc_entry_t;

typedef struct {
    rvc_entry_t *slots[RVC_TABLE_SLOTS];
    size_t n;
} rvc_table_t;

/* NULL when there is none. */
rvc_entry_t *rvc_table_find(const rvc_table_t *table, const void *key, size_t n);
/* The key must not be there. */
void rvc_table_insert(rvc_table_t *table, rvc_entry_t *entry, const void *key, size_t n);
/* Does nothing when the entry is not there. */
void rvc_table_remove(rvc_table_t *table, rvc_entry_t *entry);
/* Any entry, or NULL: for taking a table apart. */
rvc_entry_t *rvc_table_any(const rvc_table_t *table);

#endif

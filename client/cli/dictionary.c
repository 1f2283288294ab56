/* dictionary.c: a table of open addressing over numbers of strings; grows at half full. Hashes are kept, so that
 * growing reads no string. The table is made at the first look-up, so that a plain column of strings costs none. One
 * thread. */
#include "dictionary.h"
#include "reveille/hash.h"
#include <stdlib.h>
#include <string.h>

struct rv_dictionary {
    char *data;
    size_t used, cap;
    uint32_t *starts, *lengths, *hashes;
    size_t n, n_cap;
    uint32_t *table; /* number + 1; 0 is free */
    size_t slots;
};

rv_dictionary_t *rv_dictionary_new(void) {
    return calloc(1, sizeof(rv_dictionary_t));
}

void rv_dictionary_destroy(rv_dictionary_t **dictionary) {
    rv_dictionary_t *d = *dictionary;
    if (!d)
        return;
    free(d->data);
    free(d->starts);
    free(d->lengths);
    free(d->hashes);
    free(d->table);
    free(d);
    *dictionary = NULL;
}

void rv_dictionary_clear(rv_dictionary_t *d) {
    d->used = d->n = 0;
    if (d->table)
        memset(d->table, 0, d->slots * sizeof *d->table);
}

static bool grow_array(uint32_t **array, size_t cap) {
    uint32_t *p = realloc(*array, cap * sizeof *p);
    if (p)
        *array = p;
    return p != NULL;
}

static bool make_room(rv_dictionary_t *d, size_t n) {
    if (d->n == d->n_cap) {
        size_t cap = d->n_cap ? d->n_cap * 2 : 64;
        if (!grow_array(&d->starts, cap) || !grow_array(&d->lengths, cap) || !grow_array(&d->hashes, cap))
            return false;
        d->n_cap = cap;
    }
    if (d->cap - d->used < n || !d->data) {
        size_t cap = d->cap ? d->cap * 2 : 1024;
        while (cap - d->used < n)
            cap *= 2;
        char *data = realloc(d->data, cap);
        if (!data)
            return false;
        d->data = data;
        d->cap = cap;
    }
    return true;
}

static bool append(rv_dictionary_t *d, const char *p, size_t n, uint32_t hash) {
    if (!make_room(d, n))
        return false;
    if (n)
        memcpy(d->data + d->used, p, n);
    d->starts[d->n] = (uint32_t)d->used;
    d->lengths[d->n] = (uint32_t)n;
    d->hashes[d->n++] = hash;
    d->used += n;
    return true;
}

bool rv_dictionary_append(rv_dictionary_t *d, const char *p, size_t n) {
    return append(d, p, n, 0);
}

static bool grow_table(rv_dictionary_t *d) {
    size_t slots = d->slots ? d->slots * 2 : 128;
    uint32_t *table = calloc(slots, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < d->n; i++) {
        size_t at = d->hashes[i] & (slots - 1);
        while (table[at])
            at = (at + 1) & (slots - 1);
        table[at] = (uint32_t)i + 1;
    }
    free(d->table);
    d->table = table;
    d->slots = slots;
    return true;
}

uint32_t rv_dictionary_number(rv_dictionary_t *d, const char *p, size_t n, bool *ret_added) {
    uint32_t hash = (uint32_t)rv_hash(p, n);
    if (d->n * 2 >= d->slots && !grow_table(d))
        return UINT32_MAX;
    size_t at = hash & (d->slots - 1);
    *ret_added = false;
    for (; d->table[at]; at = (at + 1) & (d->slots - 1)) {
        uint32_t number = d->table[at] - 1;
        if (d->hashes[number] == hash && d->lengths[number] == n &&
            (n == 0 || memcmp(d->data + d->starts[number], p, n) == 0))
            return number;
    }
    if (!append(d, p, n, hash))
        return UINT32_MAX;
    d->table[at] = (uint32_t)d->n;
    *ret_added = true;
    return (uint32_t)d->n - 1;
}

size_t rv_dictionary_count(const rv_dictionary_t *d) {
    return d->n;
}

const char *rv_dictionary_data(const rv_dictionary_t *d, size_t *ret_n) {
    *ret_n = d->used;
    return d->data;
}

const uint32_t *rv_dictionary_lengths(const rv_dictionary_t *d) {
    return d->lengths;
}

rv_str_t rv_dictionary_string(const rv_dictionary_t *d, uint32_t number) {
    return (rv_str_t){d->data + d->starts[number], d->lengths[number]};
}

/* dictionary.c: a table of open addressing over numbers of strings; grows at half full. Hashes are kept in it, so that
 * neither growing nor passing another string's slot reads a string. The table is made at the first look-up, so that a
 * plain column of strings costs none. Most strings are short: they are hashed and compared as two words. One thread. */
#include "dictionary.h"
#include "reveille/hash.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint32_t hash, number; /* number + 1; 0 is free */
} slot_t;

struct rv_dictionary {
    char *data;
    size_t used, cap;
    uint32_t *starts, *lengths;
    size_t n, n_cap;
    slot_t *table;
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
        if (!grow_array(&d->starts, cap) || !grow_array(&d->lengths, cap))
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

bool rv_dictionary_append(rv_dictionary_t *d, const char *p, size_t n) {
    if (!make_room(d, n))
        return false;
    if (n)
        memcpy(d->data + d->used, p, n);
    d->starts[d->n] = (uint32_t)d->used;
    d->lengths[d->n++] = (uint32_t)n;
    d->used += n;
    return true;
}

static bool grow_table(rv_dictionary_t *d) {
    size_t slots = d->slots ? d->slots * 2 : 128;
    slot_t *table = calloc(slots, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < d->slots; i++) {
        size_t at = d->table[i].hash & (slots - 1);
        while (d->table[i].number && table[at].number)
            at = (at + 1) & (slots - 1);
        if (d->table[i].number)
            table[at] = d->table[i];
    }
    free(d->table);
    d->table = table;
    d->slots = slots;
    return true;
}

/* The first and the last eight bytes of 8 to 16, the first and the last four of 4 to 7, or what there is. */
static void words_of(const char *p, size_t n, uint64_t words[2]) {
    uint32_t first, last;
    words[0] = words[1] = 0;
    if (n >= 8) {
        memcpy(&words[0], p, 8);
        memcpy(&words[1], p + n - 8, 8);
    } else if (n >= 4) {
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        words[0] = first;
        words[1] = last;
    } else
        for (size_t i = 0; i < n; i++)
            words[0] = words[0] << 8 | (unsigned char)p[i];
}

static uint32_t hash_of(const char *p, size_t n) {
    uint64_t words[2];
    if (n > 16)
        return (uint32_t)rv_hash(p, n);
    words_of(p, n, words);
    uint64_t hash = (words[0] ^ n) * 0x9E3779B97F4A7C15ull;
    hash = ((hash ^ hash >> 32) + words[1]) * 0xC2B2AE3D27D4EB4Full;
    return (uint32_t)(hash >> 32);
}

/* Of the same length n. */
static bool same(const char *p, const char *q, size_t n) {
    uint64_t x[2], y[2];
    if (n > 16)
        return memcmp(p, q, n) == 0;
    words_of(p, n, x);
    words_of(q, n, y);
    return x[0] == y[0] && x[1] == y[1];
}

/* The string's slot, or the free one where it would be. */
static slot_t *probe(const rv_dictionary_t *d, uint32_t hash, const char *p, size_t n) {
    size_t at = hash & (d->slots - 1);
    for (; d->table[at].number; at = (at + 1) & (d->slots - 1)) {
        uint32_t number = d->table[at].number - 1;
        if (d->table[at].hash == hash && d->lengths[number] == n && same(d->data + d->starts[number], p, n))
            break;
    }
    return &d->table[at];
}

bool rv_dictionary_has(const rv_dictionary_t *d, const char *p, size_t n) {
    return d->table && probe(d, hash_of(p, n), p, n)->number;
}

uint32_t rv_dictionary_number(rv_dictionary_t *d, const char *p, size_t n, bool *ret_added) {
    uint32_t hash = hash_of(p, n);
    if (d->n * 2 >= d->slots && !grow_table(d))
        return UINT32_MAX;
    slot_t *slot = probe(d, hash, p, n);
    *ret_added = false;
    if (slot->number)
        return slot->number - 1;
    if (!rv_dictionary_append(d, p, n))
        return UINT32_MAX;
    *slot = (slot_t){hash, (uint32_t)d->n};
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

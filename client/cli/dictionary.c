/* dictionary.c: a table of open addressing over numbers of strings; grows at half full. Most strings are short: they
 * are hashed and compared as two words, which are kept in the table, so that a look-up reads one slot and no string.
 * The table is made at the first look-up, so that a plain column of strings costs none. One thread. */
#include "dictionary.h"
#include "reveille/hash.h"
#include <stdlib.h>
#include <string.h>

/* What tells a string from others: its length and, up to 16 bytes, its words; a longer one has its hash there. */
typedef struct {
    uint64_t words[2];
    uint32_t n;
} print_t;

typedef struct {
    print_t print;
    uint32_t number; /* number + 1; 0 is free */
} slot_t;

struct rv_dictionary {
    char *data;
    size_t used, cap;
    uint32_t *starts, *lengths;
    size_t n, n_cap;
    slot_t *table;
    size_t slots;
    bool filled; /* the table holds something */
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
    if (d->filled)
        memset(d->table, 0, d->slots * sizeof *d->table);
    d->filled = false;
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
    rv_copy_short(d->data + d->used, p, n);
    d->starts[d->n] = (uint32_t)d->used;
    d->lengths[d->n++] = (uint32_t)n;
    d->used += n;
    return true;
}

/* The first and the last eight bytes of 8 to 16, the first and the last four of 4 to 7, or what there is. */
static print_t print_of(const char *p, size_t n) {
    print_t print = {.n = (uint32_t)n};
    uint32_t first, last;
    if (n > 16) {
        print.words[0] = rv_hash(p, n);
    } else if (n >= 8) {
        memcpy(&print.words[0], p, 8);
        memcpy(&print.words[1], p + n - 8, 8);
    } else if (n >= 4) {
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        print.words[0] = first;
        print.words[1] = last;
    } else
        for (size_t i = 0; i < n; i++)
            print.words[0] = print.words[0] << 8 | (unsigned char)p[i];
    return print;
}

/* Where the string's slot would be. */
static size_t place_of(const rv_dictionary_t *d, const print_t *print) {
    uint64_t hash = (print->words[0] ^ print->n) * 0x9E3779B97F4A7C15ull;
    hash = ((hash ^ hash >> 32) + print->words[1]) * 0xC2B2AE3D27D4EB4Full;
    return (size_t)(hash >> 32) & (d->slots - 1);
}

static bool grow_table(rv_dictionary_t *d) {
    size_t slots = d->slots ? d->slots * 2 : 128;
    slot_t *old = d->table, *table = calloc(slots, sizeof *table);
    size_t n_old = d->slots;
    if (!table)
        return false;
    d->table = table;
    d->slots = slots;
    for (size_t i = 0; i < n_old; i++) {
        size_t at = place_of(d, &old[i].print);
        while (old[i].number && table[at].number)
            at = (at + 1) & (slots - 1);
        if (old[i].number)
            table[at] = old[i];
    }
    free(old);
    return true;
}

/* The string's slot, or the free one where it would be. */
static slot_t *probe(const rv_dictionary_t *d, const print_t *print, const char *p) {
    size_t at = place_of(d, print);
    for (;; at = (at + 1) & (d->slots - 1)) {
        slot_t *slot = &d->table[at];
        if (!slot->number)
            return slot;
        if (slot->print.n == print->n && slot->print.words[0] == print->words[0] &&
            slot->print.words[1] == print->words[1] &&
            (print->n <= 16 || memcmp(d->data + d->starts[slot->number - 1], p, print->n) == 0))
            return slot;
    }
}

bool rv_dictionary_has(const rv_dictionary_t *d, const char *p, size_t n) {
    print_t print = print_of(p, n);
    return d->table && probe(d, &print, p)->number;
}

uint32_t rv_dictionary_number(rv_dictionary_t *d, const char *p, size_t n, bool *ret_added) {
    if (d->n * 2 >= d->slots && !grow_table(d))
        return UINT32_MAX;
    print_t print = print_of(p, n);
    slot_t *slot = probe(d, &print, p);
    *ret_added = false;
    if (slot->number)
        return slot->number - 1;
    if (!rv_dictionary_append(d, p, n))
        return UINT32_MAX;
    *slot = (slot_t){print, (uint32_t)d->n};
    d->filled = true;
    *ret_added = true;
    return (uint32_t)d->n - 1;
}

bool rv_dictionary_is_last(const rv_dictionary_t *d, const char *p, size_t n) {
    return d->n && d->lengths[d->n - 1] == n && d->data[d->used - 1] == p[n - 1] &&
           memcmp(d->data + d->used - n, p, n) == 0;
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

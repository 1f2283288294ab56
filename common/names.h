/* names.h: a sorted index from names to places in an array. Names are borrowed, the index lives in an arena. */
#ifndef RV_COMMON_NAMES_H
#define RV_COMMON_NAMES_H

#include "reveille/arena.h"
#include "reveille/text.h"

typedef struct {
    rv_str_t name;
    uint32_t at;
} rv_name_t;

typedef struct {
    rv_name_t *names;
    size_t n;
} rv_names_t;

/* Room for n names; false without memory. */
bool rv_names_init(rv_names_t *names, size_t n, rv_arena_t *arena);
/* Fills place `at`; every place is filled once before rv_names_sort. */
void rv_names_set(rv_names_t *names, size_t at, const char *name);
/* Makes the index usable; returns a place whose name occurs twice (the later of the two), or n. */
size_t rv_names_sort(rv_names_t *names);
/* The place of a name, or n when there is none. */
size_t rv_names_find(const rv_names_t *names, const char *name, size_t length);

#endif

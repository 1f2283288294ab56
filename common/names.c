/* names.c: names sorted bytewise and found by bisection. A catalog has at most some thousand of them, and is looked at
 * per request or column, so nothing faster is needed. Read-only after sorting, then safe from any thread. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

bool rv_names_init(rv_names_t *names, size_t n, rv_arena_t *arena) {
    rv_name_t *room = rv_arena_zalloc(arena, n, sizeof *room);
    if (room == NULL)
        return false;
    *names = (rv_names_t){room, n};
    return true;
}

void rv_names_set(rv_names_t *names, size_t at, const char *name) {
    names->names[at] = (rv_name_t){{name, (uint32_t)strlen(name)}, (uint32_t)at};
}

static int by_name(const void *left, const void *right) {
    const rv_name_t *a = left, *b = right;
    int order = rv_str_compare(a->name, b->name);
    return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

size_t rv_names_sort(rv_names_t *names) {
    if (names->n > 1)
        qsort(names->names, names->n, sizeof *names->names, by_name);
    for (size_t i = 1; i < names->n; i++)
        if (rv_str_equal(names->names[i - 1].name, names->names[i].name))
            return names->names[i].at;
    return names->n;
}

size_t rv_names_find(const rv_names_t *names, const char *name, size_t length) {
    if (length > UINT32_MAX)
        return names->n;
    rv_str_t wanted = {name, (uint32_t)length};
    size_t low = 0, high = names->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = rv_str_compare(names->names[middle].name, wanted);
        if (order == 0)
            return names->names[middle].at;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return names->n;
}

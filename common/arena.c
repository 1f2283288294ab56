/* arena.c: chunks in a list, a bump pointer in the newest. The budget counts what was asked for, rounded up to 16
 * bytes. */
#include "reveille/arena.h"
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 16384u

struct rv_arena_chunk {
    rv_arena_chunk_t *next;
    size_t cap;
    _Alignas(16) unsigned char data[];
};

static void *protobuf_alloc(void *arena, size_t bytes) {
    return rv_arena_alloc(arena, bytes);
}

static void protobuf_free(void *arena, void *p) {
    (void)arena;
    (void)p;
}

void rv_arena_init(rv_arena_t *arena, size_t budget) {
    *arena = (rv_arena_t){.protobuf = {protobuf_alloc, protobuf_free, arena}, .budget = budget};
}

void rv_arena_done(rv_arena_t *arena) {
    while (arena->head) {
        rv_arena_chunk_t *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
    arena->used_in_head = arena->total = 0;
}

void rv_arena_reset(rv_arena_t *arena) {
    while (arena->head && arena->head->next) {
        rv_arena_chunk_t *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
    arena->used_in_head = arena->total = 0;
}

void *rv_arena_alloc(rv_arena_t *arena, size_t bytes) {
    if (bytes > SIZE_MAX - 15)
        return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes == 0)
        bytes = 16; /* a pointer of its own even for nothing */
    if (bytes > arena->budget - arena->total)
        return NULL;
    if (!arena->head || arena->head->cap - arena->used_in_head < bytes) {
        /* grow with what is held, so that a large arena has few chunks */
        size_t cap = arena->total / 4 > CHUNK_BYTES ? arena->total / 4 : CHUNK_BYTES;
        cap = cap > (4u << 20) ? (4u << 20) : cap;
        cap = bytes > cap ? bytes : cap;
        rv_arena_chunk_t *chunk = malloc(sizeof *chunk + cap);
        if (!chunk)
            return NULL;
        chunk->next = arena->head;
        chunk->cap = cap;
        arena->head = chunk;
        arena->used_in_head = 0;
    }
    void *p = arena->head->data + arena->used_in_head;
    arena->used_in_head += bytes;
    arena->total += bytes;
    return p;
}

void *rv_arena_zalloc(rv_arena_t *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *p = rv_arena_alloc(arena, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

char *rv_arena_strndup(rv_arena_t *arena, const char *text, size_t n) {
    char *copy = rv_arena_alloc(arena, n + 1);
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, text, n);
    copy[n] = 0;
    return copy;
}

/* arena.h: bump allocation with a hard budget, also as protobuf-c's allocator. Not thread safe. */
#ifndef REVEILLE_ARENA_H
#define REVEILLE_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rv_arena_chunk rv_arena_chunk_t;
typedef struct {
    ProtobufCAllocator protobuf; /* hand &arena.protobuf to protobuf-c: unpack into the arena, never free */
    rv_arena_chunk_t *head;
    size_t used_in_head, total, budget;
} rv_arena_t;

/* An arena must not be moved after init. */
void rv_arena_init(rv_arena_t *arena, size_t budget);
/* Frees everything; the arena may be initialised again. */
void rv_arena_done(rv_arena_t *arena);
/* Forgets everything but keeps one chunk of memory for reuse. */
void rv_arena_reset(rv_arena_t *arena);
/* 16-byte aligned, not zeroed; NULL past the budget or without memory. */
void *rv_arena_alloc(rv_arena_t *arena, size_t bytes);
/* Zeroed array. */
void *rv_arena_zalloc(rv_arena_t *arena, size_t count, size_t size);
/* Copy of n bytes with a NUL behind them. */
char *rv_arena_strndup(rv_arena_t *arena, const char *text, size_t n);

#endif

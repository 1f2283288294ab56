/* heap.h: bounds on the freed memory that a daemon's malloc keeps.
 *
 * Thread: any. No failure: without glibc nothing is changed. */
#ifndef REVEILLE_HEAP_H
#define REVEILLE_HEAP_H

/* Sets the bounds: once, at the start of main. A block of `block` bytes or more is a mapping of its own; an arena keeps
 * at most `rest` free bytes at its end. */
void rv_heap_bound(int block, int rest);
/* Gives the free pages of all arenas back to the system: after work that took much, before a sleep. */
void rv_heap_trim(void);

#endif

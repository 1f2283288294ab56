/* heap.h: bounds on the freed memory that a daemon's malloc keeps.
 *
 * Thread: any. No failure: without glibc nothing is changed. */
#ifndef REVEILLE_HEAP_H
#define REVEILLE_HEAP_H

/* Sets the bounds: once, at the start of main. */
void rv_heap_bound(void);
/* Gives the free pages of all arenas back to the system: after work that took much, before a sleep. */
void rv_heap_trim(void);

#endif

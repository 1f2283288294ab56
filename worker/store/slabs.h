/* slabs.h: memory of tails and changes, used again and again.
 *
 * A tail of some MiB is filled and freed every second or so while events come in. Pages fresh from the system cost more
 * than what is written to them, and small pages cost a look-up in the page tables for nearly every append; so tails
 * share regions of 2 MiB, in large pages where the system has them, and what one gives back the next one takes. Any
 * thread. Memory that is longer than a region is malloc's. */
#ifndef REVEILLE_WORKER_SLABS_H
#define REVEILLE_WORKER_SLABS_H

#include "workspace.h"

typedef struct rvw_slabs rvw_slabs_t;

/* NULL without memory. */
rvw_slabs_t *rvw_slabs_new(void);
/* Everything must have been given back. */
void rvw_slabs_destroy(rvw_slabs_t **slabs);
/* At least n bytes, not zeroed, for 16-byte types; NULL without memory. */
void *rvw_slabs_take(rvw_slabs_t *slabs, size_t n);
/* Gives back what was taken as n bytes. */
void rvw_slabs_give(rvw_slabs_t *slabs, void *p, size_t n);
/* The workspace that was returned last, or a new one. NULL without memory. */
rvw_workspace_t *rvw_slabs_borrow(rvw_slabs_t *slabs);
/* Keeps the workspace for the next borrower, unless there is one already or this one has grown large. */
void rvw_slabs_return(rvw_slabs_t *slabs, rvw_workspace_t **workspace);
/* Frees the regions that nobody uses, and the workspace. */
void rvw_slabs_trim(rvw_slabs_t *slabs);
/* Bytes of all regions. */
size_t rvw_slabs_bytes(rvw_slabs_t *slabs);

#endif

/* workspace.h: the memory in which a change of a partition works.
 *
 * A flush of some MiB takes as much again to order, gather and encode, for a moment. Pages fresh from the system cost
 * more than what is written to them, so the next change takes the memory over. One thread at a time; everything fails
 * for lack of memory only. */
#ifndef REVEILLE_WORKER_WORKSPACE_H
#define REVEILLE_WORKER_WORKSPACE_H

#include "piece.h"

typedef struct {
    rv_arena_t scratch; /* of one piece or column */
    size_t room;        /* bytes that one use of the scratch took at most */
    rvw_piece_builder_t *builder;
    void *block;
    size_t block_n;
} rvw_workspace_t;

/* NULL without memory. */
rvw_workspace_t *rvw_workspace_new(void);
void rvw_workspace_destroy(rvw_workspace_t **workspace);
/* Empties the scratch, which keeps room in one piece for as much as was ever in it. */
void rvw_workspace_clear(rvw_workspace_t *workspace);
/* At least n bytes, not zeroed, which are the caller's until the next call; NULL without memory. */
void *rvw_workspace_block(rvw_workspace_t *workspace, size_t n);
/* Bytes that it keeps for its next user. */
size_t rvw_workspace_bytes(const rvw_workspace_t *workspace);

#endif

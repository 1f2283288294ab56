/* workspace.c: see workspace.h. */
#include "workspace.h"

#include <stdlib.h>

#define SCRATCH ((size_t)4 << 30)

rvw_workspace_t *rvw_workspace_new(void) {
    rvw_workspace_t *workspace = calloc(1, sizeof *workspace);
    if (!workspace) {
        return NULL;
    }
    rv_arena_init(&workspace->scratch, SCRATCH);
    workspace->builder = rvw_piece_builder_new();
    if (!workspace->builder) {
        rvw_workspace_destroy(&workspace);
    }
    return workspace;
}

void rvw_workspace_destroy(rvw_workspace_t **workspace) {
    rvw_workspace_t *gone = *workspace;
    *workspace = NULL;
    if (gone) {
        rv_arena_done(&gone->scratch);
        rvw_piece_builder_destroy(&gone->builder);
        free(gone->block);
        free(gone);
    }
}

void rvw_workspace_clear(rvw_workspace_t *workspace) {
    size_t used = workspace->scratch.total;
    if (used > workspace->room) {
        workspace->room = used + used / 4;
        rv_arena_done(&workspace->scratch);
        (void)rv_arena_alloc(&workspace->scratch, workspace->room); /* without memory the next user hears it */
    }
    rv_arena_reset(&workspace->scratch);
}

void *rvw_workspace_block(rvw_workspace_t *workspace, size_t n) {
    if (n > workspace->block_n) {
        free(workspace->block);
        workspace->block = malloc(n + n / 4);
        workspace->block_n = workspace->block ? n + n / 4 : 0;
    }
    return workspace->block;
}

size_t rvw_workspace_bytes(const rvw_workspace_t *workspace) {
    return workspace->room + workspace->block_n;
}

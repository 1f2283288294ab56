/* pass.c: runs a pass for one chunk: brings window, pieces, walk and states together. Failure: that of its parts.
 */
#include "pass.h"

static rv_status_t each_block(void *context, const rvw_hits_t *block, rv_error_t *err) {
    return rvw_states_block(context, block, err);
}

static rv_status_t pass_select(rvw_chunk_t *t, const rvw_pass_t *pass, rv_error_t *err) {
    rvw_pieces_t pieces;
    rvw_select_t s = {.task = t, .pass = pass, .pieces = &pieces};
    const rvw_step_t *step = &pass->steps[0];
    t->scratch->items.n = 0;
    RVW_TRY(rvw_window_prepare(t, &pass->bounds, &s.window, err));
    RVW_TRY(rvw_pieces_load(t, step->types, step->n_types, &pieces, err));
    RVW_TRY(rvw_states_init(&s, err));
    bool whole = !s.last && !s.first && !s.n_states && !s.periods;
    bool population = step->expr.can_fail || pass->values.can_fail;
    for (uint32_t p = 0; p < pieces.n; p++)
        RVW_TRY(rvw_piece_walk(t, step, &s.window, &pieces.pieces[p], p, whole, population, each_block, &s, err));
    return rvw_states_finish(&s, err);
}

rv_status_t rvw_pass_run(rvw_chunk_t *t, const rvw_pass_t *pass, const rvw_pass_t *twin, rv_error_t *err) {
    switch (pass->kind) {
    case RVW_PASS_FUNNEL:
        return rvw_pass_funnel(t, pass, err);
    case RVW_PASS_SCORE:
        return rvw_pass_score(t, pass, twin, err);
    default:
        return pass_select(t, pass, err);
    }
}

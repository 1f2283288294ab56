/* program_check.c: a program from the wire is checked before anything runs it.
 *
 * Purpose: whoever evaluates a program relies on what program.proto promises: numbers in range and earlier, types that
 * fit, literals of their type, domains that make sense. One pass over the nodes in order, then selections, funnels and
 * scores; a node that refers to a selection must come after all that the selection refers to. Structures: the domain of
 * every node so far. Threads: none. Failure: the first promise that does not hold: INVALID_ARGUMENT/REQUEST naming the
 * node.
 */
#include "program_check.h"
#include <stdlib.h>

static rv_status_t refuse(rv_error_t *err, const char *what, size_t number, const char *why) {
    return rv_fail(err, RV_REASON_REQUEST, "the program is not valid: %s %zu %s", what, number, why);
}

/* NULL, or what is wrong: a bound names a TIME node below `limit` that is no EVENT node. */
static const char *check_bound(const expr_check_t *c, const Reveille__V1__Bound *bound, size_t limit, bool needed) {
    if (!bound || bound->node == 0)
        return needed ? "has no upper bound" : NULL;
    size_t node = bound->node - 1u;
    if (node >= limit)
        return "has a bound that is not an earlier node";
    if (c->program->nodes[node]->type != RV_TIME || c->domains[node] == DOMAIN_EVENT)
        return "has a bound that is no time of a contact";
    return NULL;
}

static const char *check_where(const expr_check_t *c, uint32_t where, size_t limit) {
    if (where == 0)
        return NULL;
    if (where - 1u >= limit)
        return "has a condition that is not an earlier node";
    return rv_expr_is_condition(c->program->nodes[where - 1u]->op) ? NULL : "has a condition that is none";
}

static const char *check_types(const expr_check_t *c, const uint32_t *types, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((i > 0 && types[i] <= types[i - 1]) || !rv_catalog_type_by_id(c->catalog, types[i]))
            return "names event types that are unknown or do not rise";
    return NULL;
}

/* Each gives NULL, or what is wrong; nodes referred to are below `limit`. */
static const char *check_selection(const expr_check_t *c, const Reveille__V1__Selection *selection, size_t limit) {
    const char *why = check_where(c, selection->where, limit);
    why = why ? why : check_bound(c, selection->lo, limit, false);
    why = why ? why : check_bound(c, selection->hi, limit, true);
    return why ? why : check_bound(c, selection->until, limit, false);
}

static const char *check_funnel(const expr_check_t *c, const Reveille__V1__Funnel *funnel, size_t limit) {
    if (funnel->n_steps < 2 || funnel->n_steps > RV_MAX_STEPS || funnel->within_ms < 0)
        return "has too few or too many steps or a negative length";
    const char *why = check_bound(c, funnel->lo, limit, false);
    why = why ? why : check_bound(c, funnel->hi, limit, true);
    why = why ? why : check_bound(c, funnel->until, limit, true);
    for (size_t i = 0; !why && i < funnel->n_steps; i++)
        why = check_where(c, funnel->steps[i]->where, limit);
    return why;
}

const char *rv_expr_check_reference(const expr_check_t *c, size_t number) {
    const expr_out_t *node = c->program->nodes[number];
    const Reveille__V1__Program *program = c->program;
    if (node->op == EXPR_OP(FUNNEL))
        return node->ref < program->n_funnels ? check_funnel(c, program->funnels[node->ref], number)
                                              : "names no funnel of the program";
    if (node->op == EXPR_OP(SCORE))
        return node->ref < program->n_scores ? NULL : "names no score of the program";
    return node->ref < program->n_selections ? check_selection(c, program->selections[node->ref], number)
                                             : "names no selection of the program";
}

static const char *check_score(const expr_check_t *c, const Reveille__V1__ProgramScore *score) {
    if (score->half_life_ms == 0)
        return "has no half-life";
    for (size_t i = 0; i < score->n_points; i++) {
        const Reveille__V1__ProgramPoints *points = score->points[i];
        if ((i > 0 && points->type <= score->points[i - 1]->type) || !rv_catalog_type_by_id(c->catalog, points->type))
            return "names event types that are unknown or do not rise";
        if (!isfinite(points->points))
            return "has points that are not finite";
    }
    return NULL;
}

static rv_status_t check_nodes(expr_check_t *c, rv_error_t *err) {
    size_t elements = 0;
    for (size_t i = 0; i < c->program->n_nodes; i++) {
        const expr_out_t *node = c->program->nodes[i];
        uint8_t widest = DOMAIN_CONST;
        for (size_t k = 0; k < node->n_args; k++) {
            if (node->args[k] >= i)
                return refuse(err, "node", i, "has an argument that is not an earlier node");
            widest = c->domains[node->args[k]] > widest ? c->domains[node->args[k]] : widest;
        }
        c->domains[i] = rv_expr_domain(node->op, widest);
        elements += node->n_list;
        if (elements > EXPR_ELEMENTS)
            return refuse(err, "node", i, "has more elements in lists than are allowed");
        const char *why = rv_expr_check_node(c, i);
        if (why)
            return refuse(err, "node", i, why);
    }
    return RV_OK;
}

static rv_status_t check_parts(const expr_check_t *c, rv_error_t *err) {
    const Reveille__V1__Program *program = c->program;
    for (size_t i = 0; i < program->n_selections; i++) {
        const char *why = check_types(c, program->selections[i]->types, program->selections[i]->n_types);
        why = why ? why : check_selection(c, program->selections[i], program->n_nodes);
        if (why)
            return refuse(err, "selection", i, why);
    }
    for (size_t i = 0; i < program->n_funnels; i++) {
        const Reveille__V1__Funnel *funnel = program->funnels[i];
        const char *why = check_funnel(c, funnel, program->n_nodes);
        for (size_t k = 0; !why && k < funnel->n_steps; k++)
            why = check_types(c, funnel->steps[k]->types, funnel->steps[k]->n_types);
        if (why)
            return refuse(err, "funnel", i, why);
    }
    for (size_t i = 0; i < program->n_scores; i++) {
        const char *why = check_score(c, program->scores[i]);
        if (why)
            return refuse(err, "score", i, why);
    }
    return RV_OK;
}

rv_status_t rv_program_check(const Reveille__V1__Program *program, const rv_catalog_t *catalog, rv_error_t *err) {
    if (program->n_nodes > RV_MAX_NODES || program->n_selections > RV_MAX_NODES || program->n_funnels > RV_MAX_NODES ||
        program->n_scores > RV_MAX_NODES)
        return rv_fail(err, RV_REASON_REQUEST, "the program is not valid: more than %u nodes or parts", RV_MAX_NODES);
    expr_check_t c = {.program = program, .catalog = catalog};
    c.domains = calloc(RV_MAX_NODES, sizeof *c.domains);
    if (!c.domains)
        return rv_fail_memory(err, "checking a program");
    rv_status_t status = check_nodes(&c, err);
    if (status == RV_OK)
        status = check_parts(&c, err);
    uint32_t population = program->population;
    if (status == RV_OK && population > 0 &&
        (population > program->n_nodes || !rv_expr_is_condition(program->nodes[population - 1]->op) ||
         c.domains[population - 1] == DOMAIN_EVENT))
        status = rv_fail(err, RV_REASON_REQUEST, "the program is not valid: its population is no condition");
    free(c.domains);
    return status;
}

void rv_program_domains(const Reveille__V1__Program *program, uint8_t *out) {
    for (size_t i = 0; i < program->n_nodes; i++) {
        const expr_out_t *node = program->nodes[i];
        uint8_t widest = DOMAIN_CONST;
        for (size_t k = 0; k < node->n_args; k++)
            widest = out[node->args[k]] > widest ? out[node->args[k]] : widest;
        out[i] = rv_expr_domain(node->op, widest);
    }
}

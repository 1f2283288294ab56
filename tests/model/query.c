// query.c - whole requests: filter, values, select, overlap, funnel. (Aggregate and retention are in group.c.)
//
// Structure: a request prepares its texts, finds the contacts of its filter, and walks them in their order of arrival.
// An overflow in any of these evaluations fails the request.
#include "query.h"

#include <stdlib.h>
#include <string.h>

const rvm_value_t *rvm_cell(const rvm_table_t *table, int row, int column) {
    return &table->cells[row * table->columns + column];
}

rvm_table_t rvm_table_new(rvm_arena_t *arena, int rows, int columns) {
    rvm_table_t table = {.rows = rows, .columns = columns};
    table.cells = rvm_alloc(arena, (size_t)rows * (size_t)columns * sizeof(rvm_value_t));
    return table;
}

rvm_value_t rvm_value_at(rvm_arena_t *arena, const rvm_world_t *world, int contact, const rvm_node_t *node,
                         bool *overflow) {
    rvm_context_t c = {.arena = arena,
                       .world = world,
                       .contact = &world->data->contacts[contact],
                       .now = world->as_of,
                       .seen = world->as_of,
                       .overflow = overflow};
    return rvm_eval(&c, node);
}

void rvm_see_overflow(rvm_arena_t *arena, const rvm_world_t *world, rvm_node_t *const *nodes, int n, bool *overflow) {
    for (int i = 0; i < world->data->n_contacts; i++) {
        bool in = rvm_in_population(world, &world->data->contacts[i], world->as_of);
        for (int k = 0; in && k < n; k++) {
            rvm_value_at(arena, world, i, nodes[k], overflow);
        }
    }
}

rvm_status_t rvm_overflowed(rvm_error_t *error) {
    rvm_fail(error, RVM_OVERFLOW, 0, 0, "a value left the range of its type");
    return error->status;
}

static const char *or_empty(const char *text) {
    return text == NULL ? "" : text;
}

// Texts that may be left out altogether: no list at all is a list of nothing.
rvm_ast_t *rvm_prepare_list(rvm_arena_t *arena, const rvm_world_t *world, rvm_text_kind_t kind, const char *text,
                            rvm_error_t *error) {
    if (or_empty(text)[0] == 0) {
        *error = (rvm_error_t){.status = RVM_OK};
        return rvm_alloc(arena, sizeof(rvm_ast_t));
    }
    return rvm_prepare(arena, world, kind, text, error);
}

rvm_status_t rvm_filter(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, bool *ret_in, int *ret_count,
                        rvm_error_t *error) {
    rvm_ast_t *ast = rvm_prepare(arena, world, RVM_TEXT_FILTER, or_empty(filter), error);
    bool overflow = false;
    int n = world->data->n_contacts, count = 0;
    if (ast == NULL) {
        return error->status;
    }
    bool *in = rvm_alloc(arena, (size_t)n * sizeof *in);
    for (int i = 0; i < n; i++) {
        in[i] = rvm_in_population(world, &world->data->contacts[i], world->as_of);
        if (in[i] && ast->n == 1) {
            rvm_value_t v = rvm_value_at(arena, world, i, ast->node[0], &overflow);
            in[i] = v.type == RVM_BOOL && v.b;
        }
        count += in[i];
    }
    if (overflow) {
        return rvm_overflowed(error);
    }
    memcpy(ret_in, in, (size_t)n * sizeof *in);
    *ret_count = count;
    return RVM_OK;
}

rvm_status_t rvm_members(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, int **ret_members,
                         int *ret_count, rvm_error_t *error) {
    int n = world->data->n_contacts, count = 0;
    bool *in = rvm_alloc(arena, (size_t)n * sizeof *in);
    int *members = rvm_alloc(arena, (size_t)n * sizeof *members);
    rvm_status_t status = rvm_filter(arena, world, filter, in, &count, error);
    if (status != RVM_OK) {
        return status;
    }
    count = 0;
    for (int i = 0; i < n; i++) {
        if (in[i]) {
            members[count++] = i;
        }
    }
    *ret_members = members;
    *ret_count = count;
    return RVM_OK;
}

rvm_status_t rvm_values(rvm_arena_t *arena, const rvm_world_t *world, const char *fields, int contact, rvm_table_t *ret,
                        rvm_error_t *error) {
    rvm_ast_t *ast = rvm_prepare_list(arena, world, RVM_TEXT_FIELDS, fields, error);
    bool overflow = false;
    if (ast == NULL) {
        return error->status;
    }
    rvm_table_t table = rvm_table_new(arena, 1, ast->n);
    for (int i = 0; i < ast->n; i++) {
        table.cells[i] = rvm_value_at(arena, world, contact, ast->node[i], &overflow);
    }
    if (overflow) {
        return rvm_overflowed(error);
    }
    *ret = table;
    return RVM_OK;
}

// ---- select -------------------------------------------------------------------------------------------------------

typedef struct ranked {
    const char *key;
    const rvm_value_t *by; // one for each order expression
    const bool *descending;
    int n_by;
    int contact;
} ranked_t;

static bool is_missing(const rvm_value_t *a) {
    return a->type == RVM_MISSING || (a->type == RVM_SET && a->n_items == 0); // an empty set is a missing one
}

// Missing last in both directions.
int rvm_compare_missing_last(const rvm_value_t *a, const rvm_value_t *b, bool descending) {
    if (is_missing(a) || is_missing(b)) {
        return is_missing(a) - is_missing(b);
    }
    int c = rvm_compare(a, b);
    return descending ? -c : c;
}

static int compare_ranked(const void *x, const void *y) {
    const ranked_t *a = x, *b = y;
    for (int i = 0; i < a->n_by; i++) {
        int c = rvm_compare_missing_last(&a->by[i], &b->by[i], a->descending[i]);
        if (c != 0) {
            return c;
        }
    }
    return strcmp(a->key, b->key);
}

static ranked_t *rank(rvm_arena_t *arena, const rvm_world_t *world, const int *members, int n, const rvm_ast_t *order,
                      bool *overflow) {
    ranked_t *ranked = rvm_alloc(arena, (size_t)n * sizeof *ranked);
    for (int i = 0; i < n; i++) {
        rvm_value_t *by = rvm_alloc(arena, (size_t)order->n * sizeof *by);
        for (int k = 0; k < order->n; k++) {
            by[k] = rvm_value_at(arena, world, members[i], order->node[k], overflow);
        }
        ranked[i] = (ranked_t){.key = world->data->contacts[members[i]].key,
                               .by = by,
                               .descending = order->descending,
                               .n_by = order->n,
                               .contact = members[i]};
    }
    if (n > 0) {
        qsort(ranked, (size_t)n, sizeof *ranked, compare_ranked);
    }
    return ranked;
}

rvm_status_t rvm_select(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *fields,
                        const char *order, int limit, rvm_table_t *ret, rvm_error_t *error) {
    int *members = NULL, n = 0;
    bool overflow = false;
    rvm_ast_t *field_list = rvm_prepare_list(arena, world, RVM_TEXT_FIELDS, fields, error);
    if (field_list == NULL) {
        return error->status;
    }
    rvm_ast_t *order_list = rvm_prepare_list(arena, world, RVM_TEXT_ORDER, order, error);
    if (order_list == NULL || rvm_members(arena, world, filter, &members, &n, error) != RVM_OK) {
        return error->status;
    }
    rvm_see_overflow(arena, world, field_list->node, field_list->n, &overflow);
    rvm_see_overflow(arena, world, order_list->node, order_list->n, &overflow);
    ranked_t *ranked = rank(arena, world, members, n, order_list, &overflow);
    rvm_table_t table = rvm_table_new(arena, limit >= 0 && limit < n ? limit : n, field_list->n);
    table.keys = rvm_alloc(arena, (size_t)table.rows * sizeof *table.keys);
    for (int i = 0; i < table.rows; i++) {
        table.keys[i] = ranked[i].key;
        for (int k = 0; k < table.columns; k++) {
            table.cells[i * table.columns + k] =
                rvm_value_at(arena, world, ranked[i].contact, field_list->node[k], &overflow);
        }
    }
    if (overflow) {
        return rvm_overflowed(error);
    }
    *ret = table;
    return RVM_OK;
}

// ---- overlap and funnel -------------------------------------------------------------------------------------------

rvm_status_t rvm_overlap(rvm_arena_t *arena, const rvm_world_t *world, const char *const *filters, int k,
                         rvm_table_t *ret, rvm_error_t *error) {
    int n = world->data->n_contacts, count;
    bool *in = rvm_alloc(arena, (size_t)n * (size_t)k * sizeof *in);
    for (int a = 0; a < k; a++) {
        if (rvm_filter(arena, world, filters[a], in + (ptrdiff_t)a * n, &count, error) != RVM_OK) {
            return error->status;
        }
    }
    rvm_table_t table = rvm_table_new(arena, k, k);
    for (int a = 0; a < k; a++) {
        for (int b = 0; b < k; b++) {
            int64_t both = 0;
            for (int i = 0; i < n; i++) {
                both += in[a * n + i] && in[b * n + i];
            }
            table.cells[a * k + b] = rvm_int(both);
        }
    }
    *ret = table;
    return RVM_OK;
}

static rvm_value_t steps_done(rvm_arena_t *arena, const rvm_world_t *world, int contact, const rvm_ast_t *steps,
                              int64_t within, const rvm_ast_t *when, bool *overflow) {
    rvm_context_t c = {.arena = arena,
                       .world = world,
                       .contact = &world->data->contacts[contact],
                       .now = world->as_of,
                       .seen = world->as_of,
                       .overflow = overflow};
    return rvm_eval_funnel(&c, &steps->steps, within, &when->window);
}

rvm_status_t rvm_funnel(rvm_arena_t *arena, const rvm_world_t *world, const char *filter, const char *steps,
                        int64_t within, const char *window, rvm_table_t *ret, rvm_error_t *error) {
    int *members = NULL, n = 0;
    bool overflow = false;
    rvm_ast_t *step_list = rvm_prepare(arena, world, RVM_TEXT_STEPS, steps, error);
    if (step_list == NULL) {
        return error->status;
    }
    rvm_ast_t *when = rvm_prepare_list(arena, world, RVM_TEXT_WINDOW, window, error);
    if (when == NULL || rvm_members(arena, world, filter, &members, &n, error) != RVM_OK) {
        return error->status;
    }
    rvm_table_t table = rvm_table_new(arena, step_list->steps.n, 1);
    for (int k = 0; k < table.rows; k++) {
        table.cells[k] = rvm_int(0);
    }
    for (int i = 0, next = 0; i < world->data->n_contacts; i++) {
        if (rvm_in_population(world, &world->data->contacts[i], world->as_of)) {
            rvm_value_t done = steps_done(arena, world, i, step_list, within, when, &overflow);
            bool member = next < n && members[next] == i;
            for (int k = 0; member && done.type == RVM_INT && k < done.i; k++) {
                table.cells[k].i++;
            }
            next += member;
        }
    }
    if (overflow) {
        return rvm_overflowed(error);
    }
    *ret = table;
    return RVM_OK;
}

// compare.c - see compare.h.
//
// Structure: one cell; rows place by place; rows by key. Nothing here knows the engine.
#include "compare.h"

#include <math.h>
#include <string.h>

static bool close_enough(double a, double b, double slack) {
    double most = fmax(1, fmax(fabs(a), fabs(b)));
    return fabs(a - b) <= slack * most;
}

static bool cell_agrees(const rvm_value_t *a, const rvm_value_t *b, double slack) {
    if (rvm_same(a, b)) {
        return true;
    }
    return slack > 0 && a->type == RVM_DOUBLE && b->type == RVM_DOUBLE && close_enough(a->d, b->d, slack);
}

static const char *cells_differ(rvm_arena_t *arena, const rvm_table_t *expected, int at, const rvm_table_t *got,
                                int row, double slack) {
    for (int c = 0; c < expected->columns; c++) {
        const rvm_value_t *a = rvm_cell(expected, at, c), *b = rvm_cell(got, row, c);
        if (!cell_agrees(a, b, slack)) {
            return rvm_format(arena, "row %d column %d: expected %s (%s), got %s (%s)", row, c, rvm_show(arena, a),
                              rvm_type_name(a->type), rvm_show(arena, b), rvm_type_name(b->type));
        }
    }
    return NULL;
}

static int find_key(const rvm_table_t *table, const char *key) {
    for (int r = 0; r < table->rows; r++) {
        if (strcmp(table->keys[r], key) == 0) {
            return r;
        }
    }
    return -1;
}

// Every row of `got` is a row of `full`, each once; the order is not looked at.
static const char *rows_by_key(rvm_arena_t *arena, const rvm_table_t *full, const rvm_table_t *got, double slack) {
    for (int r = 0; r < got->rows; r++) {
        int at = find_key(full, got->keys[r]);
        if (at < 0 || find_key(got, got->keys[r]) != r) {
            return rvm_format(arena, "row %d: '%s' is not expected", r, got->keys[r]);
        }
        const char *differs = cells_differ(arena, full, at, got, r, slack);
        if (differs != NULL) {
            return differs;
        }
    }
    return NULL;
}

static bool is_in_order(const rvm_table_t *expected, const rvm_table_t *got) {
    for (int r = 0; expected->keys != NULL && r < expected->rows; r++) {
        if (strcmp(expected->keys[r], got->keys[r]) != 0) {
            return false;
        }
    }
    return true;
}

const char *rvm_table_differs(rvm_arena_t *arena, const rvm_query_t *query, const rvm_table_t *expected,
                              const rvm_table_t *full, const rvm_table_t *got, double slack, bool *ret_moved) {
    slack = query->uses_score ? slack : 0;
    *ret_moved = false;
    if (expected->rows != got->rows || expected->columns != got->columns) {
        return rvm_format(arena, "expected %d rows of %d, got %d of %d", expected->rows, expected->columns, got->rows,
                          got->columns);
    }
    if (!is_in_order(expected, got)) {
        *ret_moved = true;
        return query->uses_score ? rows_by_key(arena, full, got, slack) : "the keys or their order differ";
    }
    for (int r = 0; r < expected->rows; r++) {
        const char *differs = cells_differ(arena, expected, r, got, r, slack);
        if (differs != NULL) {
            return differs;
        }
    }
    return NULL;
}

// compare.c - see compare.h.
//
// Structure: the cells of a row; the keys; all rows. Nothing here knows the engine.
#include "compare.h"

#include <string.h>

static const char *cells_differ(rvm_arena_t *arena, const rvm_table_t *expected, const rvm_table_t *got, int row) {
    for (int c = 0; c < expected->columns; c++) {
        const rvm_value_t *a = rvm_cell(expected, row, c), *b = rvm_cell(got, row, c);
        if (!rvm_same(a, b)) {
            return rvm_format(arena, "row %d column %d: expected %s (%s), got %s (%s)", row, c, rvm_show(arena, a),
                              rvm_type_name(a->type), rvm_show(arena, b), rvm_type_name(b->type));
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

const char *rvm_table_differs(rvm_arena_t *arena, const rvm_table_t *expected, const rvm_table_t *got) {
    if (expected->rows != got->rows || expected->columns != got->columns) {
        return rvm_format(arena, "expected %d rows of %d, got %d of %d", expected->rows, expected->columns, got->rows,
                          got->columns);
    }
    if (!is_in_order(expected, got)) {
        return "the keys or their order differ";
    }
    for (int r = 0; r < expected->rows; r++) {
        const char *differs = cells_differ(arena, expected, got, r);
        if (differs != NULL) {
            return differs;
        }
    }
    return NULL;
}

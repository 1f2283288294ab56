/* table.c: tests of a dictionary column answered by binary search instead of entry by entry.
 *
 * A dictionary is sorted bytewise, so equality is one search, an order test a prefix or suffix of the codes, and IN a
 * search a constant.
 */
#include <string.h>

#include "eval.h"

/* First entry that is >= s. */
static uint32_t lower_bound(const rvw_column_t *column, rv_str_t s) {
    uint32_t lo = 0, hi = column->dict_n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (rv_str_compare(rvw_column_entry(column, mid), s) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool is_entry(const rvw_column_t *column, uint32_t k, rv_str_t s) {
    return k < column->dict_n && rv_str_equal(rvw_column_entry(column, k), s);
}

/* Sets bytes[from .. to) to 1 and the others to 0. */
static void set_run(uint8_t *bytes, uint32_t n, uint32_t from, uint32_t to) {
    memset(bytes, 0, n);
    if (to > from)
        memset(bytes + from, 1, to - from);
}

static void compare_table(rvw_op_t op, bool swapped, const rvw_column_t *column, rv_str_t s, uint8_t *bytes) {
    uint32_t n = column->dict_n, at = lower_bound(column, s), after = at + is_entry(column, at, s);
    if (swapped)
        op = op == RVW_OP(LT)   ? RVW_OP(GT)
             : op == RVW_OP(LE) ? RVW_OP(GE)
             : op == RVW_OP(GT) ? RVW_OP(LT)
             : op == RVW_OP(GE) ? RVW_OP(LE)
                                : op;
    switch (op) {
    case RVW_OP(EQ):
        set_run(bytes, n, at, after);
        break;
    case RVW_OP(NE):
        memset(bytes, 1, n);
        if (after > at)
            bytes[at] = 0;
        break;
    case RVW_OP(LT):
        set_run(bytes, n, 0, at);
        break;
    case RVW_OP(LE):
        set_run(bytes, n, 0, after);
        break;
    case RVW_OP(GT):
        set_run(bytes, n, after, n);
        break;
    default:
        set_run(bytes, n, at, n);
    }
}

static void in_table(const rvw_node_t *node, const rvw_column_t *column, uint8_t *bytes) {
    uint8_t flip = node->ref == 1;
    const rvw_constants_t *list = &node->list;
    if (list->n > column->dict_n / 4) {
        for (uint32_t k = 0; k < column->dict_n; k++)
            bytes[k] = (uint8_t)rvw_list_has(list, rvw_column_entry(column, k)) ^ flip;
        return;
    }
    memset(bytes, flip, column->dict_n);
    for (size_t i = 0; i < list->n; i++) {
        uint32_t k = lower_bound(column, list->strings[i]);
        if (is_entry(column, k, list->strings[i]))
            bytes[k] = !flip;
    }
}

bool rvw_table_direct(const rvw_job_t *job, const rvw_node_t *node, uint32_t leaf, const rvw_column_t *column,
                      uint8_t *bytes) {
    bytes[column->dict_n] = 0;
    if (node->op == RVW_OP(IN) && node->args[0] == leaf) {
        in_table(node, column, bytes);
        return true;
    }
    if (node->op < RVW_OP(EQ) || node->op > RVW_OP(GE))
        return false;
    bool swapped = node->args[1] == leaf;
    const rvw_node_t *other = &job->nodes[node->args[swapped ? 0 : 1]];
    if (node->args[swapped] != leaf || other->domain != RVW_DOMAIN_CONST || !other->value.present)
        return false;
    compare_table(node->op, swapped, column, other->value.s, bytes);
    return true;
}

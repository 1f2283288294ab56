/* probe.c: see probe.h.
 *
 * Comparing codes with a range takes a vector instruction for many of them, looking them up takes a load for each: so a
 * table whose ones lie in few runs is tested as ranges. Dictionaries are sorted, which makes one run of any comparison
 * and of any prefix. No memory, no failure.
 */
#include "probe.h"

#include <string.h>

#include "kernels.h"
#include "pass.h"

/* The runs of 1 in the table; false when there are too many. */
static bool find_runs(const uint8_t *table, uint32_t n, rvw_probe_t *p) {
    for (uint32_t i = 0; i < n; i++) {
        if (!table[i])
            continue;
        if (p->runs == RVW_PROBE_RUNS)
            return false;
        p->from[p->runs] = i;
        while (i + 1 < n && table[i + 1])
            i++;
        p->span[p->runs] = i - p->from[p->runs];
        p->runs++;
    }
    return true;
}

void rvw_probe_by_table(const rvw_column_t *column, const uint8_t *table, rvw_probe_t *ret) {
    *ret = (rvw_probe_t){.column = column};
    if (!column->width)
        ret->same = column->dict_n > 0 && table[0];
    else if (column->dict_n > RVW_PROBE_ENTRIES || !find_runs(table, column->dict_n, ret))
        ret->table = table;
}

void rvw_probe_by_range(const rvw_column_t *column, rv_i128_t least, rv_i128_t most, rvw_probe_t *ret) {
    *ret = (rvw_probe_t){.column = column};
    if (column->encoding == RVW_CONST || !column->width)
        ret->same = column->base >= least && column->base <= most;
    else
        ret->runs = rvw_code_range(column, least, most, &ret->from[0], &ret->span[0]);
}

void rvw_probe_block(const rvw_probe_t *p, uint32_t first, uint32_t n, uint8_t *m) {
    const rvw_column_t *c = p->column;
    uint8_t more[RVW_PROBE_BLOCK];
    if (p->table) {
        memset(m, 1, n);
        rvw_kernel_table(c->codes, c->width, first, n, p->table, m);
        return;
    }
    if (!p->runs) {
        memset(m, p->same, n);
        return;
    }
    rvw_kernel_range(c->codes, c->width, first, n, p->from[0], p->span[0], m);
    for (uint32_t k = 1; k < p->runs; k++) {
        rvw_kernel_range(c->codes, c->width, first, n, p->from[k], p->span[k], more);
        for (uint32_t i = 0; i < n; i++)
            m[i] |= more[i];
    }
}

void rvw_probe_words(const rvw_probe_t *p, uint32_t first, uint32_t n, uint64_t *words) {
    uint8_t m[RVW_PROBE_BLOCK];
    if (!p->table && p->runs && p->column->width == 1) {
        rvw_kernel_range_bits((const uint8_t *)p->column->codes + first, n, p->from, p->span, p->runs, words);
        return;
    }
    rvw_probe_block(p, first, n, m);
    if (n & 63)
        memset(m + n, 0, 64 - (n & 63));
    for (uint32_t i = 0; i < n; i += 64)
        words[i >> 6] = rvw_pack64(m + i);
}

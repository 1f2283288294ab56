/* current.c: the newest patch of the active tail, of the frozen one, or the base. No state, one thread at a time. */
#include "current.h"

static bool same_kind(rv_type_t a, rv_type_t b) {
    return rvw_kind(a) == rvw_kind(b) || a == RV_INT || a == RV_DECIMAL;
}

void rvw_current_go(rvw_current_t *current, const rvw_partition_t *p, uint32_t row) {
    uint32_t chunk = row / p->identity.chunk_rows;
    if (current->ready && current->chunk == chunk) {
        return;
    }
    current->chunk = chunk;
    current->ready = true;
    current->active = rvw_tail_find(p->active, current->table, current->id, chunk);
    current->frozen = p->frozen ? rvw_tail_find(p->frozen, current->table, current->id, chunk) : NULL;
}

rv_status_t rvw_current_value(const rvw_current_t *current, const rvw_partition_t *p, uint32_t row, rv_type_t type,
                              unsigned scale, char *buf, rv_value_t *ret, rv_error_t *err) {
    const rvw_sight_t sight = {.base = p->base, .chunk_rows = p->identity.chunk_rows};
    uint32_t at = row % sight.chunk_rows, i, first;
    const rvw_block_t *block = NULL;
    rv_type_t has = type;
    unsigned has_scale = scale;
    *ret = (rv_value_t){.present = false, .s = {"", 0}};
    if ((current->active && rvw_list_newest(current->active, at, &block, &i)) ||
        (current->frozen && rvw_list_newest(current->frozen, at, &block, &i))) {
        rvw_cells_get(&block->cells[0], i, ret);
        has = block->cells[0].shape.type;
        has_scale = block->cells[0].shape.scale;
    } else {
        const rvw_column_t *column;
        rv_status_t status =
            rvw_sight_part(&sight, current->table, current->id, current->chunk, at, &column, &first, err);
        if (status) {
            return status;
        }
        if (column) {
            rvw_column_value(column, at - first, buf, ret);
            has = column->type;
            has_scale = column->scale;
        }
    }
    if (!same_kind(has, type) || !rvw_value_convert(ret, has, has_scale, type, scale)) {
        ret->present = false;
    }
    return RV_OK;
}

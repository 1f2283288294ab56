/* apply_entities.c: contacts and companies into the tail.
 *
 * Rows first (found or created), then column by column a patch for every value that differs from the one that the row
 * has now: the newest patch of the active tail, of the frozen one, or the base's. So a repeated import leaves no trace,
 * and a row counts as applied when it is new or something in it changed. Within a batch later rows win, because each
 * column is walked in the order of rows. Errors: memory, DATA_LOSS of a base column. */
#include <string.h>

#include "apply.h"
#include "current.h"
#include "reveille/hash.h"
#include "tables.h"

typedef struct {
    rvw_apply_t *apply;
    rvw_table_t table;
    bool replace;
    rvw_strings_t keys;
    rvw_finder_t finder, *companies;
    uint32_t *rows;   /* RVW_NO_ROW: the item is left out */
    uint8_t *changed; /* by item */
} batch_t;

/* Appends a patch; `value` lives in the tail. */
static rv_status_t patch(const batch_t *batch, rvw_current_t *place, uint32_t row, rv_type_t type, unsigned scale,
                         const rv_value_t *value) {
    rvw_apply_t *apply = batch->apply;
    uint32_t at = row % apply->p->identity.chunk_rows;
    if (!place->active) {
        place->active = rvw_tail_list(apply->tail, batch->table, place->id, place->chunk);
    }
    bool wide = type == RV_DECIMAL && value->present && (rv_i128_t)(int64_t)value->wide != value->wide;
    rvw_shape_t shape = {.id = place->id, .type = type, .scale = (uint8_t)scale, .wide = wide};
    if (!place->active || rvw_list_shape(place->active, &shape) == UINT32_MAX) {
        return rv_fail_memory(apply->err, "a patch of a column");
    }
    rvw_block_t *block = rvw_list_room(apply->tail, place->active);
    if (!block) {
        return rv_fail_memory(apply->err, "a patch of a column");
    }
    uint32_t i = atomic_load_explicit(&block->n, memory_order_relaxed);
    rvw_cells_put(&block->cells[0], i, value);
    block->row[i] = (uint16_t)at;
    rvw_block_publish(apply->tail, place->active, block, apply->lsn, 1);
    return rvw_list_note(apply->tail, place->active, at) ? RV_OK : rv_fail_memory(apply->err, "a patch of a column");
}

/* Gives a row a value unless it has it. */
static rv_status_t set_value(const batch_t *batch, rvw_current_t *place, uint32_t item, rv_type_t type, unsigned scale,
                             rv_value_t *value, rvw_input_t *input) {
    char buf[300];
    rv_value_t now;
    uint32_t row = batch->rows[item];
    const rvw_partition_t *p = batch->apply->p;
    rvw_current_go(place, p, row);
    rv_status_t status = rvw_current_value(place, p, row, type, scale, buf, &now, batch->apply->err);
    if (status || rvw_value_equal(type, &now, value)) {
        return status;
    }
    if (value->present && rvw_kind(type) == RVW_KIND_TEXT) {
        value->s = rvw_apply_keep(batch->apply, input, item);
        if (!value->s.p) {
            return rv_fail_memory(batch->apply->err, "a value");
        }
    }
    batch->changed[item] = 1;
    return patch(batch, place, row, type, scale, value);
}

/* A company's key becomes its row, which is made when it is not there. */
static rv_status_t company_row(const batch_t *batch, rv_value_t *value) {
    uint32_t row;
    bool created;
    rv_status_t status =
        rvw_apply_row(batch->apply, batch->companies, value->s, rv_hash(value->s.p, value->s.n), true, &row, &created);
    value->i = row;
    return status;
}

static rv_status_t apply_column(const batch_t *batch, const Reveille__V1__Column *column) {
    rvw_current_t place = {.table = batch->table, .id = column->id};
    rvw_input_t input;
    if (!rvw_input_init(&input, column, batch->apply->arena)) {
        return rv_fail_memory(batch->apply->err, "a column of a write");
    }
    rv_status_t status = RV_OK;
    for (uint32_t i = 0; status == RV_OK && i < batch->keys.n; i++) {
        rv_value_t value;
        rvw_input_value(&input, i, &value);
        if (batch->rows[i] == RVW_NO_ROW || (!value.present && !batch->replace && !rvw_input_unset(&input, i))) {
            continue;
        }
        if (value.present && column->type == RV_COMPANY) {
            status = company_row(batch, &value);
        }
        if (status == RV_OK) {
            status = set_value(batch, &place, i, column->type, column->scale, &value, &input);
        }
    }
    return status;
}

/* The type that a column has now. */
static rv_status_t type_now(const batch_t *batch, uint32_t id, rv_type_t *ret_type, unsigned *ret_scale) {
    rvw_partition_t *p = batch->apply->p;
    rvw_tail_t *tails[] = {p->frozen, p->active};
    uint32_t n;
    rvw_stored_t *const *entries = rvw_base_entries(p->base, &n);
    for (uint32_t k = 0; k < n; k++) {
        const rvw_place_t *place = rvw_stored_place(entries[k]);
        const rvw_piece_t *piece;
        if (place->table == batch->table && place->id == id) {
            rv_status_t status = rvw_stored_piece(entries[k], p->identity.chunk_rows, &piece, batch->apply->err);
            if (status) {
                return status;
            }
            *ret_type = piece->column.type;
            *ret_scale = piece->column.scale;
            break;
        }
    }
    for (int t = 0; t < 2; t++) {
        const rvw_list_t *list;
        for (uint32_t at = 0; tails[t] && (list = rvw_tail_next(tails[t], batch->table, &at));) {
            if (list->id == id && list->n_shapes > 0) {
                *ret_type = list->shapes[0].type;
                *ret_scale = list->shapes[0].scale;
            }
        }
    }
    return RV_OK;
}

/* `replace`: attributes that are not named lose their value. */
static rv_status_t clear_others(const batch_t *batch, const Reveille__V1__EntityBatch *message) {
    rvw_sight_t sight;
    uint32_t *ids, n;
    rvw_writer_sight(batch->apply->p, &sight);
    rv_status_t status = rvw_table_ids(&sight, batch->table, batch->apply->arena, &ids, &n, batch->apply->err);
    for (uint32_t k = 0; status == RV_OK && k < n; k++) {
        bool named = ids[k] == RVW_VERSION;
        for (size_t a = 0; a < message->n_attributes; a++) {
            named = named || message->attributes[a]->id == ids[k];
        }
        rvw_current_t place = {.table = batch->table, .id = ids[k]};
        rv_type_t type = RV_INT;
        unsigned scale = 0;
        status = named ? RV_OK : type_now(batch, ids[k], &type, &scale);
        for (uint32_t i = 0; !named && status == RV_OK && i < batch->keys.n; i++) {
            rv_value_t none = {.present = false};
            if (batch->rows[i] != RVW_NO_ROW) {
                status = set_value(batch, &place, i, type, scale, &none, NULL);
            }
        }
    }
    return status;
}

static rv_status_t find_rows(batch_t *batch) {
    uint64_t *hashes = rv_arena_alloc(batch->apply->arena, (batch->keys.n + 1) * sizeof *hashes);
    batch->companies = rv_arena_alloc(batch->apply->arena, sizeof *batch->companies);
    if (!hashes || !batch->companies) {
        return rv_fail_memory(batch->apply->err, "the rows of a write");
    }
    rvw_finder_init(batch->companies, batch->apply->p, RVW_COMPANIES);
    rvw_finder_init(&batch->finder, batch->apply->p, batch->table);
    rvw_finder_warm(&batch->finder, &batch->keys, hashes);
    for (uint32_t i = 0; i < batch->keys.n; i++) {
        bool created;
        rv_status_t status = rvw_apply_row(batch->apply, &batch->finder, rvw_strings_get(&batch->keys, i), hashes[i],
                                           true, &batch->rows[i], &created);
        if (status) {
            return status;
        }
        batch->changed[i] = created;
    }
    return RV_OK;
}

static rv_status_t apply_columns(const batch_t *batch, const Reveille__V1__EntityBatch *message) {
    rv_status_t status = RV_OK;
    for (size_t a = 0; status == RV_OK && a < message->n_attributes; a++) {
        status = apply_column(batch, message->attributes[a]);
    }
    if (status == RV_OK && batch->replace) {
        status = clear_others(batch, message);
    }
    for (uint32_t i = 0; status == RV_OK && i < batch->keys.n; i++) {
        batch->apply->result->applied += batch->changed[i];
        batch->apply->result->duplicates += !batch->changed[i];
    }
    return status;
}

/* *ret_more: there is something to do. */
static rv_status_t begin(batch_t *batch, rvw_apply_t *apply, rvw_table_t table,
                         const Reveille__V1__EntityBatch *message, bool *ret_more) {
    *batch = (batch_t){.apply = apply, .table = table, .replace = message->replace};
    if (!rvw_strings_init(&batch->keys, message->keys, apply->arena)) {
        return rv_fail_memory(apply->err, "the keys of a write");
    }
    *ret_more = !apply->known;
    if (apply->known) {
        apply->result->duplicates += batch->keys.n;
        return RV_OK;
    }
    batch->rows = rv_arena_alloc(apply->arena, (batch->keys.n + 1) * sizeof *batch->rows);
    batch->changed = rv_arena_zalloc(apply->arena, batch->keys.n + 1, 1);
    if (!batch->rows || !batch->changed) {
        return rv_fail_memory(apply->err, "the rows of a write");
    }
    return find_rows(batch);
}

rv_status_t rvw_apply_contacts(rvw_apply_t *apply, const Reveille__V1__EntityBatch *message) {
    batch_t batch;
    bool more = false;
    rv_status_t status = begin(&batch, apply, RVW_CONTACTS, message, &more);
    return status || !more ? status : apply_columns(&batch, message);
}

/* Leaves out what is older than the stored version, and notes the new one. */
static rv_status_t take_versions(batch_t *batch, const Reveille__V1__CompanyBatch *message) {
    rvw_current_t place = {.table = batch->table, .id = RVW_VERSION};
    for (uint32_t i = 0; i < batch->keys.n; i++) {
        char buf[300];
        rv_value_t now, version = {.present = true};
        uint64_t number = message->n_versions > 0 ? message->versions[i] : batch->apply->lsn;
        version.i = (int64_t)number;
        rvw_current_go(&place, batch->apply->p, batch->rows[i]);
        rv_status_t status =
            rvw_current_value(&place, batch->apply->p, batch->rows[i], RV_INT, 0, buf, &now, batch->apply->err);
        if (status == RV_OK && now.present && number < (uint64_t)now.i) {
            batch->rows[i] = RVW_NO_ROW;
        } else if (status == RV_OK && (!now.present || now.i != version.i)) {
            status = patch(batch, &place, batch->rows[i], RV_INT, 0, &version);
        }
        if (status) {
            return status;
        }
    }
    return RV_OK;
}

rv_status_t rvw_apply_companies(rvw_apply_t *apply, const Reveille__V1__CompanyBatch *message) {
    batch_t batch;
    bool more = false;
    rv_status_t status = begin(&batch, apply, RVW_COMPANIES, message->batch, &more);
    if (status || !more) {
        return status;
    }
    status = take_versions(&batch, message);
    return status ? status : apply_columns(&batch, message->batch);
}

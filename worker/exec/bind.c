/* bind.c: before an expression is evaluated over a chunk's rows or a piece's events, says for each of its nodes where
 * its values come from.
 *
 * Much is decided here once instead of for every element: a property that the piece lacks is missing everywhere; the
 * type of a piece is a constant, and so is what follows from it; a comparison that the column's bounds decide; a test
 * that reads one dictionary column only becomes a table by code. None of this is done where a node can fail: it would
 * save a failure. Failure: those of the view and of memory.
 */
#include <string.h>

#include "eval.h"
#include "reveille/hash.h"

#define SMALL_DICT 64u /* always worth a table */

static const rvw_column_t *property(const rvw_events_t *events, uint32_t id) {
    for (uint32_t i = 0; i < events->n_properties; i++)
        if (events->property_ids[i] == id)
            return &events->properties[i];
    return NULL;
}

static void constant(rvw_chunk_t *t, uint32_t node, const rv_value_t *value) {
    rvw_vec_broadcast(t->scratch, node, t->job->nodes[node].kind, value);
    t->scratch->bind[node].from = RVW_FROM_CONSTANT;
}

/* A column as the source of a leaf; constants are written out at once. */
static void from_column(rvw_chunk_t *t, uint32_t node, const rvw_column_t *column) {
    rvw_bind_t *bind = &t->scratch->bind[node];
    const rvw_node_t *n = &t->job->nodes[node];
    rv_value_t value = {0};
    *bind = (rvw_bind_t){.from = RVW_FROM_COLUMN, .column = column, .leaf = RVW_MANY};
    if (!column || column->encoding == RVW_NONE) {
        constant(t, node, &value);
        bind->leaf = RVW_NO_NODE;
    } else if (column->encoding == RVW_DICT && n->kind == RVW_KIND_STRING) {
        bind->leaf = node;
    }
}

static rv_status_t event_leaf(rvw_chunk_t *t, uint32_t node, const rvw_events_t *events, uint32_t type) {
    const rvw_node_t *n = &t->job->nodes[node];
    if (n->op == RVW_OP(PROPERTY)) {
        from_column(t, node, property(events, n->ref));
        return RV_OK;
    }
    switch (n->ref) {
    case REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_TYPE: {
        const rv_event_type_t *found = rv_catalog_type_by_id(t->job->catalog, type);
        const char *name = found ? found->name : "";
        rv_value_t value = {.present = found != NULL, .s = {name, (uint32_t)strlen(name)}};
        t->scratch->bind[node].leaf = RVW_NO_NODE;
        constant(t, node, &value);
        break;
    }
    case REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_CHANNEL:
        from_column(t, node, &events->channel);
        break;
    case REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_AT:
        from_column(t, node, &events->time);
        break;
    case REVEILLE__V1__EVENT_FIELD__EVENT_FIELD_SOURCE:
        from_column(t, node, &events->source);
        break;
    default:
        from_column(t, node, &events->id);
    }
    return RV_OK;
}

/* The column of a contact attribute (0: the keys), fetched once a task. */
static rv_status_t attribute_column(rvw_chunk_t *t, uint32_t attribute, rvw_column_t **slot, rv_error_t *err) {
    if (*slot)
        return RV_OK;
    rvw_column_t *column = rvw_take_zero(t, 1, sizeof *column, err);
    if (!column)
        return RVW_NO_SPACE;
    RVW_TRY(rvw_view_attribute(t->view, attribute, t->chunk, &t->scratch->columns, column, err));
    if (column->encoding != RVW_NONE && column->n < t->n_rows)
        return rv_fail(err, RV_REASON_DAMAGED, "a column of attribute %u has %u rows where the chunk has %u", attribute,
                       column->n, t->n_rows);
    *slot = column;
    return RV_OK;
}

static rv_status_t company_columns(rvw_chunk_t *t, uint32_t attribute, rvw_column_t **slot, rv_error_t *err) {
    if (*slot)
        return RV_OK;
    uint32_t rows = rvw_view_company_rows(t->view), per = rvw_view_chunk_rows(t->view), n = (rows + per - 1) / per;
    rvw_column_t *columns = rvw_take_zero(t, n + 1u, sizeof *columns, err);
    if (!columns)
        return RVW_NO_SPACE;
    for (uint32_t c = 0; c < n; c++)
        RVW_TRY(rvw_view_company_attribute(t->view, attribute, c, &t->scratch->columns, &columns[c], err));
    *slot = columns;
    return RV_OK;
}

static rv_status_t company_leaf(rvw_chunk_t *t, uint32_t node, uint32_t reference, uint32_t attribute,
                                rv_error_t *err) {
    RVW_TRY(attribute_column(t, reference, &t->company_row, err));
    RVW_TRY(company_columns(t, attribute, &t->companies[node], err));
    t->scratch->bind[node] = (rvw_bind_t){
        .from = RVW_FROM_COMPANY, .column = t->company_row, .company = t->companies[node], .leaf = RVW_MANY};
    return RV_OK;
}

static rv_status_t row_leaf(rvw_chunk_t *t, uint32_t node, rv_error_t *err) {
    const rvw_node_t *n = &t->job->nodes[node];
    const rv_attribute_t *reference = rv_catalog_company_reference(t->job->catalog);
    if (n->op == RVW_OP(COMPANY_ATTRIBUTE)) {
        if (reference)
            return company_leaf(t, node, reference->id, n->ref, err);
        from_column(t, node, NULL);
        return RV_OK;
    }
    if (n->op == RVW_OP(ATTRIBUTE) && n->type == RV_COMPANY)
        return company_leaf(t, node, n->ref, 0, err);
    if (n->op == RVW_OP(ATTRIBUTE) && reference && reference->id == n->ref)
        return company_leaf(t, node, n->ref, 0, err);
    RVW_TRY(attribute_column(t, n->op == RVW_OP(ATTRIBUTE) ? n->ref : 0, &t->columns[node], err));
    from_column(t, node, t->columns[node]);
    return RV_OK;
}

static bool is_constant(const rvw_chunk_t *t, uint32_t node) {
    return t->job->nodes[node].domain == RVW_DOMAIN_CONST || t->scratch->bind[node].from == RVW_FROM_CONSTANT;
}

static void constant_bool(rvw_chunk_t *t, uint32_t node, bool value) {
    constant(t, node, &(rv_value_t){.present = true, .i = value});
}

/* A comparison with a constant that the bounds of the column decide for every element. */
static bool bounds_decide(rvw_chunk_t *t, uint32_t node) {
    const rvw_node_t *n = &t->job->nodes[node];
    if (!n->range.use)
        return false;
    const rvw_bind_t *bind = &t->scratch->bind[n->args[n->range.variable]];
    const rvw_column_t *c = bind->column;
    if (bind->from != RVW_FROM_COLUMN || (c->encoding != RVW_FOR && c->encoding != RVW_CONST) ||
        t->job->nodes[n->args[n->range.variable]].kind == RVW_KIND_DOUBLE || c->type == RV_BOOL)
        return false;
    if (c->type == RV_INT && t->job->nodes[n->args[n->range.variable]].type != RV_INT)
        return false;
    int64_t min = c->encoding == RVW_CONST ? c->base : c->min, max = c->encoding == RVW_CONST ? c->base : c->max;
    bool outside = n->range.lo > n->range.hi || min > n->range.hi || max < n->range.lo;
    bool inside = min >= n->range.lo && max <= n->range.hi;
    if ((outside && !n->range.negate) || (inside && n->range.negate))
        constant_bool(t, node, false);
    else if (((inside && !n->range.negate) || (outside && n->range.negate)) && !c->present)
        constant_bool(t, node, true);
    else
        return false;
    return true;
}

/* AND with a false, OR with a true; IS_SET of a full column. */
static bool logic_decides(rvw_chunk_t *t, uint32_t node) {
    const rvw_node_t *n = &t->job->nodes[node];
    if (n->op == RVW_OP(IS_SET)) {
        const rvw_bind_t *bind = &t->scratch->bind[n->args[0]];
        if (bind->from != RVW_FROM_COLUMN || bind->column->present || bind->column->encoding == RVW_F64)
            return false;
        constant_bool(t, node, true);
        return true;
    }
    if (n->op != RVW_OP(AND) && n->op != RVW_OP(OR))
        return false;
    bool decisive = n->op == RVW_OP(OR);
    for (uint32_t k = 0; k < n->n_args; k++)
        if (is_constant(t, n->args[k]) && *(const uint8_t *)t->scratch->vec[n->args[k]].data == decisive) {
            constant_bool(t, node, decisive);
            return true;
        }
    return false;
}

/* Computes an operation on constants once; a string it makes must outlive the next batch. */
static rv_status_t fold_op(rvw_chunk_t *t, uint32_t node, rv_error_t *err) {
    rvw_vec_t *vec = &t->scratch->vec[node];
    RVW_TRY(rvw_apply(t->job, t->scratch, node, 1, err));
    if (vec->kind != RVW_KIND_STRING || !vec->fleeting)
        return RV_OK;
    rv_value_t value = {.present = rvw_has(vec, 0), .s = *(const rv_str_t *)vec->data};
    RVW_TRY(rvw_keep(t, &value.s, err));
    rvw_vec_broadcast(t->scratch, node, RVW_KIND_STRING, &value);
    return RV_OK;
}

/* An operation: constant if its arguments are, else computed; notes the one leaf below it. */
static rv_status_t bind_op(rvw_chunk_t *t, uint32_t node, bool fold, rv_error_t *err) {
    const rvw_node_t *n = &t->job->nodes[node];
    rvw_bind_t *bind = &t->scratch->bind[node];
    bool all = n->n_args > 0;
    uint32_t leaf = RVW_NO_NODE;
    for (uint32_t k = 0; k < n->n_args; k++) {
        all &= is_constant(t, n->args[k]);
        uint32_t below = is_constant(t, n->args[k]) ? RVW_NO_NODE : t->scratch->bind[n->args[k]].leaf;
        if (below != RVW_NO_NODE)
            leaf = leaf == RVW_NO_NODE || leaf == below ? below : RVW_MANY;
    }
    *bind = (rvw_bind_t){.from = RVW_FROM_OP, .leaf = n->n_args ? leaf : RVW_MANY};
    if (!fold)
        return RV_OK;
    if (all) {
        RVW_TRY(fold_op(t, node, err));
        bind->from = RVW_FROM_CONSTANT;
    } else if (bounds_decide(t, node) || logic_decides(t, node)) {
        bind->leaf = RVW_NO_NODE;
    }
    return RV_OK;
}

static rv_status_t bind_node(rvw_chunk_t *t, const rvw_expr_t *expr, uint32_t node, const rvw_events_t *events,
                             uint32_t type, rv_error_t *err) {
    const rvw_node_t *n = &t->job->nodes[node];
    if (n->domain == RVW_DOMAIN_ROW && (t->arrays[node].kind != RVW_ARRAY_NONE)) {
        t->scratch->bind[node] = (rvw_bind_t){.from = RVW_FROM_ARRAY, .leaf = RVW_MANY};
        return RV_OK;
    }
    if (n->domain != expr->domain || rvw_is_aggregate(n->op))
        return rv_fail(err, RV_REASON_BUG, "node %u of the program is used before it is computed", node);
    if (n->op == RVW_OP(PROPERTY) || n->op == RVW_OP(EVENT_FIELD))
        return event_leaf(t, node, events, type);
    if (n->op == RVW_OP(SPLIT)) {
        RVW_TRY(attribute_column(t, 0, &t->columns[node], err));
        t->scratch->bind[node] = (rvw_bind_t){.from = RVW_FROM_SPLIT, .column = t->columns[node], .leaf = RVW_MANY};
        return RV_OK;
    }
    if (n->op == RVW_OP(KEY) || n->op == RVW_OP(ATTRIBUTE) || n->op == RVW_OP(COMPANY_ATTRIBUTE))
        return row_leaf(t, node, err);
    return bind_op(t, node, !expr->can_fail, err);
}

/* Evaluates the node over the entries of the dictionary of its only leaf. */
static rv_status_t fill_table(rvw_chunk_t *t, const rvw_expr_t *expr, uint32_t node, uint32_t leaf, uint8_t *bytes,
                              rv_error_t *err) {
    const rvw_column_t *column = t->scratch->bind[leaf].column;
    if (rvw_table_direct(t->job, &t->job->nodes[node], leaf, column, bytes))
        return RV_OK;
    uint8_t *below = t->scratch->mark;
    memset(below, 0, t->job->n_nodes);
    below[node] = 1;
    for (uint32_t i = expr->n; i-- > 0;) {
        const rvw_node_t *n = &t->job->nodes[expr->nodes[i]];
        bool computed = below[expr->nodes[i]] && t->scratch->bind[expr->nodes[i]].from == RVW_FROM_OP;
        for (uint32_t k = 0; computed && k < n->n_args; k++) /* what is below a constant has no values */
            below[n->args[k]] = 1;
    }
    rvw_space_mark_t text = rvw_space_mark(t->scratch->text);
    for (uint32_t first = 0; first <= column->dict_n; first += RV_VECTOR) {
        uint32_t n = column->dict_n + 1 - first < RV_VECTOR ? column->dict_n + 1 - first : RV_VECTOR;
        RVW_TRY(rvw_load_entries(t->scratch, leaf, column, first, n, err));
        for (uint32_t i = 0; i < expr->n && expr->nodes[i] <= node; i++)
            if (below[expr->nodes[i]] && t->scratch->bind[expr->nodes[i]].from == RVW_FROM_OP)
                RVW_TRY(rvw_apply(t->job, t->scratch, expr->nodes[i], n, err));
        memcpy(bytes + first, t->scratch->vec[node].data, n);
        rvw_space_release(t->scratch->text, text);
    }
    return RV_OK;
}

/* Makes the node a table when that pays. */
static rv_status_t tabulate(rvw_chunk_t *t, const rvw_expr_t *expr, uint32_t node, uint32_t n_elements, bool *ret_done,
                            rv_error_t *err) {
    rvw_bind_t *bind = &t->scratch->bind[node];
    *ret_done = false;
    if (bind->from != RVW_FROM_OP || bind->leaf == RVW_NO_NODE || bind->leaf == RVW_MANY ||
        !rvw_is_condition(t->job->nodes[node].op))
        return RV_OK;
    const rvw_column_t *column = t->scratch->bind[bind->leaf].column;
    if (column->dict_n > SMALL_DICT && column->dict_n > n_elements / 2)
        return RV_OK;
    uint8_t *bytes = rvw_take(t, column->dict_n + 1u, 1, err);
    if (!bytes)
        return RVW_NO_SPACE;
    RVW_TRY(fill_table(t, expr, node, bind->leaf, bytes, err));
    bind->from = RVW_FROM_TABLE;
    bind->table = bytes;
    bind->column = column;
    *ret_done = true;
    return RV_OK;
}

rv_status_t rvw_bind(rvw_chunk_t *t, const rvw_expr_t *expr, const rvw_events_t *events, uint32_t type,
                     uint32_t n_elements, rv_error_t *err) {
    for (uint32_t i = 0; i < expr->n; i++)
        RVW_TRY(bind_node(t, expr, expr->nodes[i], events, type, err));
    if (t->meter && !events)
        rvw_meter_columns(t, expr);
    if (expr->can_fail)
        return RV_OK;
    uint8_t *needed = rvw_take_zero(t, t->job->n_nodes + 1u, 1, err);
    if (!needed)
        return RVW_NO_SPACE;
    for (uint32_t i = 0; i < expr->n_roots; i++)
        needed[expr->roots[i]] = 1;
    for (uint32_t i = expr->n; i-- > 0;) {
        uint32_t node = expr->nodes[i];
        rvw_bind_t *bind = &t->scratch->bind[node];
        bool table = false;
        if (!needed[node] && bind->from != RVW_FROM_CONSTANT) {
            bind->from = RVW_FROM_NOTHING;
            continue;
        }
        if (bind->from != RVW_FROM_OP)
            continue;
        RVW_TRY(tabulate(t, expr, node, n_elements, &table, err));
        for (uint32_t k = 0; !table && k < t->job->nodes[node].n_args; k++)
            needed[t->job->nodes[node].args[k]] = 1;
    }
    return RV_OK;
}

#define LOOK_UP(type)                                                                                                  \
    do {                                                                                                               \
        const type *codes = c->codes;                                                                                  \
        if (batch->idx)                                                                                                \
            for (uint32_t i = 0; i < batch->n; i++)                                                                    \
                out[i] = bind->table[codes[batch->idx[i]]];                                                            \
        else                                                                                                           \
            for (uint32_t i = 0; i < batch->n; i++)                                                                    \
                out[i] = bind->table[codes[batch->first + i]];                                                         \
    } while (0)

/* A BOOL vector from a table. */
static void look_up(rvw_scratch_t *s, uint32_t node, const rvw_batch_t *batch) {
    const rvw_bind_t *bind = &s->bind[node];
    const rvw_column_t *c = bind->column;
    uint8_t *out = s->data[node], missing = bind->table[c->dict_n];
    s->vec[node] = (rvw_vec_t){.kind = RVW_KIND_BOOL, .data = out};
    switch (c->width) {
    case 1:
        LOOK_UP(uint8_t);
        break;
    case 2:
        LOOK_UP(uint16_t);
        break;
    case 4:
        LOOK_UP(uint32_t);
        break;
    default:
        memset(out, bind->table[0], batch->n);
    }
    for (uint32_t i = 0; c->present && i < batch->n; i++)
        if (!rvw_column_present(c, batch->idx ? batch->idx[i] : batch->first + i))
            out[i] = missing;
}

/* SPLIT: by the contact's key. */
static void split(rvw_chunk_t *t, uint32_t node, const rvw_column_t *keys, const rvw_batch_t *batch) {
    const rvw_node_t *n = &t->job->nodes[node];
    rvw_scratch_t *s = t->scratch;
    char room[RVW_TEXT_ROOM];
    s->vec[node] = (rvw_vec_t){.kind = RVW_KIND_INT, .data = s->data[node]};
    for (uint32_t i = 0; i < batch->n; i++) {
        rv_str_t key = rvw_column_string(keys, batch->idx ? batch->idx[i] : batch->first + i, room);
        ((int64_t *)s->data[node])[i] = (int64_t)rv_split(n->text.p, n->text.n, key.p, key.n, n->ref);
    }
}

rv_status_t rvw_evaluate(rvw_chunk_t *t, const rvw_expr_t *expr, const rvw_events_t *events, const rvw_batch_t *batch,
                         rv_error_t *err) {
    rvw_scratch_t *s = t->scratch;
    const uint16_t *row_of = events ? events->row : NULL;
    rvw_space_release(s->text, (rvw_space_mark_t){0, 0});
    for (uint32_t i = 0; i < expr->n; i++) {
        uint32_t node = expr->nodes[i];
        const rvw_bind_t *bind = &s->bind[node];
        switch (bind->from) {
        case RVW_FROM_OP:
            RVW_TRY(rvw_apply(t->job, s, node, batch->n, err));
            break;
        case RVW_FROM_COLUMN:
            RVW_TRY(rvw_load_column(s, node, &t->job->nodes[node], bind->column, batch, err));
            break;
        case RVW_FROM_ARRAY:
            rvw_load_array(s, node, &t->arrays[node], batch, row_of);
            break;
        case RVW_FROM_COMPANY:
            RVW_TRY(rvw_load_company(s, node, &t->job->nodes[node], bind, rvw_view_chunk_rows(t->view),
                                     rvw_view_company_rows(t->view), batch, err));
            break;
        case RVW_FROM_TABLE:
            look_up(s, node, batch);
            break;
        case RVW_FROM_SPLIT:
            split(t, node, bind->column, batch);
            break;
        case RVW_FROM_NOTHING:
        case RVW_FROM_CONSTANT:
            break;
        }
    }
    return RV_OK;
}

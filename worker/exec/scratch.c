/* scratch.c: a thread's work space.
 *
 * For each job the vectors of its nodes are laid out once, constants are written out, and a mark remembers how far that
 * goes; each task starts from that mark. Constants are folded here too, before the job's layout is known. Memory stays
 * for the next task; when another job comes, what exceeds a few MiB is given back. Failure: QUOTA past the budget.
 */
#include <stdlib.h>
#include <string.h>

#include "reveille/limits.h"
#include "task.h"

#define SPACE_BUDGET ((size_t)RV_MAX_QUERY_MEMORY / 2)
#define TEXT_BUDGET ((size_t)RV_MAX_QUERY_MEMORY / 4)
#define KEEP_BYTES ((size_t)32 << 20)
#define KEEP_TEXT ((size_t)4 << 20)

rv_status_t rvw_scratch_new(rvw_scratch_t **ret) {
    rvw_scratch_t *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return RV_RESOURCE_EXHAUSTED;
    scratch->space = rvw_space_new(SPACE_BUDGET);
    scratch->text = rvw_space_new(TEXT_BUDGET);
    scratch->keep = rvw_space_new(TEXT_BUDGET);
    rv_arena_init(&scratch->columns, SPACE_BUDGET);
    scratch->arena_ready = true;
    if (!scratch->space || !scratch->text || !scratch->keep) {
        rvw_scratch_destroy(&scratch);
        return RV_RESOURCE_EXHAUSTED;
    }
    *ret = scratch;
    return RV_OK;
}

void rvw_scratch_destroy(rvw_scratch_t **scratch) {
    if (!scratch || !*scratch)
        return;
    rvw_scratch_t *s = *scratch;
    rvw_space_destroy(&s->space);
    rvw_space_destroy(&s->text);
    rvw_space_destroy(&s->keep);
    if (s->arena_ready)
        rv_arena_done(&s->columns);
    free(s->items.items);
    free(s->items.sorted);
    free(s);
    *scratch = NULL;
}

static rv_status_t no_space(rv_error_t *err) {
    return rv_fail(err, RV_REASON_QUOTA, "one chunk of the query needs more work space than %zu MiB",
                   SPACE_BUDGET >> 20);
}

#define FILL(type, x)                                                                                                  \
    do {                                                                                                               \
        type *to = data;                                                                                               \
        const type one = (x);                                                                                          \
        for (uint32_t i = 0; i < RV_VECTOR; i++)                                                                       \
            to[i] = one;                                                                                               \
    } while (0)

static void fill(rvw_lane_t kind, const rv_value_t *value, void *data) {
    switch (kind) {
    case RVW_KIND_BOOL:
        memset(data, value->i != 0, RV_VECTOR);
        break;
    case RVW_KIND_INT:
        FILL(int64_t, value->i);
        break;
    case RVW_KIND_WIDE:
        FILL(rv_i128_t, value->wide);
        break;
    case RVW_KIND_DOUBLE:
        FILL(double, value->d);
        break;
    case RVW_KIND_STRING:
        FILL(rv_str_t, value->s);
        break;
    }
}

void rvw_vec_broadcast(rvw_scratch_t *scratch, uint32_t node, rvw_lane_t kind, const rv_value_t *value) {
    static const rv_value_t nothing = {.s = {"", 0}};
    fill(kind, value->present ? value : &nothing, scratch->data[node]);
    if (!value->present)
        memset(scratch->present[node], 0, RV_VECTOR);
    scratch->vec[node] = (rvw_vec_t){.kind = kind,
                                     .constant = true,
                                     .data = scratch->data[node],
                                     .present = value->present ? NULL : scratch->present[node]};
}

void rvw_scratch_frame(rvw_scratch_t *s, unsigned k) {
    s->vec = s->frames[k].vec;
    s->data = s->frames[k].data;
    s->present = s->frames[k].present;
    s->bind = s->frames[k].bind;
}

/* Lays out the vectors of the nodes of a job in a frame. */
static rv_status_t lay_out(rvw_scratch_t *s, const rvw_job_t *job, unsigned k, rv_error_t *err) {
    size_t n = job->n_nodes + 1u;
    rvw_frame_t *frame = &s->frames[k];
    frame->vec = rvw_space_zero(s->space, n, sizeof *frame->vec);
    frame->data = rvw_space_zero(s->space, n, sizeof *frame->data);
    frame->present = rvw_space_zero(s->space, n, sizeof *frame->present);
    frame->bind = rvw_space_zero(s->space, n, sizeof *frame->bind);
    if (!frame->vec || !frame->data || !frame->present || !frame->bind)
        return no_space(err);
    rvw_scratch_frame(s, k);
    for (uint32_t i = 0; i < job->n_nodes; i++) {
        const rvw_node_t *node = &job->nodes[i];
        if (!node->used && job->passes) /* while constants are folded nothing is marked yet */
            continue;
        s->data[i] = rvw_space_take(s->space, RV_VECTOR, rvw_kind_size(node->kind));
        s->present[i] = rvw_space_take(s->space, RV_VECTOR, 1);
        if (!s->data[i] || !s->present[i])
            return no_space(err);
        if (node->domain == RVW_DOMAIN_CONST)
            rvw_vec_broadcast(s, i, node->kind, &node->value);
    }
    return RV_OK;
}

rv_status_t rvw_scratch_prepare(rvw_scratch_t *s, const rvw_job_t *job, rv_error_t *err) {
    rv_arena_reset(&s->columns);
    rvw_space_reset(s->text, KEEP_TEXT);
    rvw_space_reset(s->keep, KEEP_TEXT);
    if (s->serial == job->serial && job->passes) {
        rvw_space_release(s->space, s->job_mark);
        rvw_scratch_frame(s, 0);
        return RV_OK;
    }
    rvw_space_reset(s->space, KEEP_BYTES);
    if (s->held > KEEP_BYTES) {
        free(s->items.items);
        free(s->items.sorted);
        s->items = (rvw_items_t){0};
        s->held = 0;
    }
    s->serial = 0;
    s->mark = rvw_space_zero(s->space, job->n_nodes + 1u, 1);
    if (!s->mark)
        return no_space(err);
    for (unsigned k = RVW_FRAMES; k-- > 0;)
        RVW_TRY(lay_out(s, job, k, err));
    s->job_mark = rvw_space_mark(s->space);
    s->serial = job->passes ? job->serial : 0; /* what constants are folded in has no marks and no constants yet */
    return RV_OK;
}

void *rvw_take(rvw_chunk_t *t, size_t count, size_t size, rv_error_t *err) {
    void *p = rvw_space_take(t->scratch->space, count, size);
    if (!p)
        no_space(err);
    return p;
}

void *rvw_take_zero(rvw_chunk_t *t, size_t count, size_t size, rv_error_t *err) {
    void *p = rvw_space_zero(t->scratch->space, count, size);
    if (!p)
        no_space(err);
    return p;
}

rv_status_t rvw_keep(rvw_chunk_t *t, rv_str_t *string, rv_error_t *err) {
    char *p = rvw_space_bytes(t->scratch->keep, string->n);
    if (!p)
        return no_space(err);
    if (string->n)
        memcpy(p, string->p, string->n);
    string->p = p;
    return RV_OK;
}

/* Doubles the room for items. */
static rv_status_t grow_items(rvw_scratch_t *s, rv_error_t *err) {
    rvw_items_t *items = &s->items;
    size_t cap = items->cap ? items->cap * 2 : 4096;
    if (cap * sizeof(rvw_item_t) * 2 > SPACE_BUDGET)
        return no_space(err);
    rvw_item_t *grown = realloc(items->items, cap * sizeof *grown);
    if (!grown)
        return rv_fail_memory(err, "events of a chunk");
    items->items = grown;
    free(items->sorted);
    items->sorted = NULL;
    items->cap = cap;
    s->held = cap * sizeof *grown * 2;
    return RV_OK;
}

rv_status_t rvw_items_add(rvw_scratch_t *s, uint32_t row, int64_t a, uint32_t b, rv_error_t *err) {
    if (s->items.n == s->items.cap)
        RVW_TRY(grow_items(s, err));
    s->items.items[s->items.n++] = (rvw_item_t){a, b, row};
    return RV_OK;
}

rv_status_t rvw_items_sort(rvw_chunk_t *t, rv_error_t *err) {
    rvw_items_t *items = &t->scratch->items;
    uint32_t *at = rvw_take_zero(t, t->n_rows + 1u, sizeof *at, err);
    if (!at)
        return RVW_NO_SPACE;
    if (!items->sorted && items->cap) {
        items->sorted = malloc(items->cap * sizeof *items->sorted);
        if (!items->sorted)
            return rv_fail_memory(err, "events of a chunk");
    }
    for (size_t i = 0; i < items->n; i++)
        at[items->items[i].row]++;
    uint32_t sum = 0;
    for (uint32_t r = 0; r <= t->n_rows; r++) {
        uint32_t n = at[r];
        at[r] = sum;
        sum += n;
    }
    for (size_t i = 0; i < items->n; i++)
        items->sorted[at[items->items[i].row]++] = items->items[i];
    for (uint32_t r = t->n_rows; r > 0; r--)
        at[r] = at[r - 1];
    at[0] = 0;
    items->at = at;
    return RV_OK;
}

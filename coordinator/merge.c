/* merge.c: k sorted streams, a binary heap of their heads.
 *
 *   source 0: page ▸ page ▸ …        heap of sources by the key at their head
 *   source 1: page                   waiting: sources that are neither ended nor have a page
 *   source 2: (ended)
 *
 * Pages are checked when they come (numbers of keys, fields, types), so that rows are read without checks. Memory is
 * that of the pages at hand: the credit of each stream bounds their number, RV_MAX_QUERY_MEMORY their bytes. Thread:
 * the actor's. Failure: a page that is wrong fails the query. */
#include "merge.h"
#include "reveille/limits.h"
#include "reveille/wire.h"
#include <stdlib.h>
#include <string.h>

#define PAGE_BUDGET (64u << 20)

struct rvc_page {
    rv_arena_t arena;
    const Reveille__V1__QueryResponse *response;
    rvc_page_t *next;
    rvc_strings_t keys, states;
    rvc_column_t *fields;
    size_t row;
};

typedef struct {
    rvc_page_t *first, *last;
    bool ended, given;
    uint32_t used;
} source_t;

struct rvc_merge {
    const rvc_plan_t *plan;
    source_t *sources;
    size_t n_sources, waiting;
    size_t *heap, n_heap;
    size_t *used, n_used; /* sources with pages used up that were not told */
    size_t bytes;
    bool discard;
};

rv_status_t rvc_page_open(const uint8_t *body, size_t n, rvc_page_t **ret, rv_error_t *err) {
    rvc_page_t *page = calloc(1, sizeof *page);
    if (!page)
        return rv_fail_memory(err, "a page");
    rv_arena_init(&page->arena, PAGE_BUDGET);
    ProtobufCMessage *message = NULL;
    rv_status_t status =
        rv_wire_unpack(&reveille__v1__query_response__descriptor, body, n, &page->arena, &message, err);
    if (status != RV_OK) {
        rvc_page_destroy(&page);
        return status;
    }
    page->response = (const Reveille__V1__QueryResponse *)message;
    *ret = page;
    return RV_OK;
}

void rvc_page_destroy(rvc_page_t **page) {
    if (!*page)
        return;
    rv_arena_done(&(*page)->arena);
    free(*page);
    *page = NULL;
}

const Reveille__V1__QueryResponse *rvc_page_response(const rvc_page_t *page) {
    return page->response;
}

rv_status_t rvc_merge_new(const rvc_plan_t *plan, size_t sources, rvc_merge_t **ret, rv_error_t *err) {
    rvc_merge_t *merge = calloc(1, sizeof *merge);
    if (merge) {
        merge->plan = plan;
        merge->n_sources = merge->waiting = sources;
        merge->sources = calloc(sources + 1, sizeof *merge->sources);
        merge->heap = calloc(sources + 1, sizeof *merge->heap);
        merge->used = calloc(sources + 1, sizeof *merge->used);
    }
    if (!merge || !merge->sources || !merge->heap || !merge->used) {
        rvc_merge_destroy(&merge);
        return rv_fail_memory(err, "a merge");
    }
    *ret = merge;
    return RV_OK;
}

static void count_used(rvc_merge_t *merge, source_t *source) {
    if (source->used++ == 0)
        merge->used[merge->n_used++] = (size_t)(source - merge->sources);
}

/* Frees the first page of a source. */
static void use_up(rvc_merge_t *merge, source_t *source) {
    rvc_page_t *page = source->first;
    source->first = page->next;
    if (!source->first)
        source->last = NULL;
    merge->bytes -= page->arena.total;
    count_used(merge, source);
    rvc_page_destroy(&page);
}

void rvc_merge_destroy(rvc_merge_t **merge) {
    if (!*merge)
        return;
    for (size_t i = 0; (*merge)->sources && i < (*merge)->n_sources; i++)
        while ((*merge)->sources[i].first)
            use_up(*merge, &(*merge)->sources[i]);
    free((*merge)->sources);
    free((*merge)->heap);
    free((*merge)->used);
    free(*merge);
    *merge = NULL;
}

static rv_str_t head_key(const rvc_merge_t *merge, size_t source) {
    const rvc_page_t *page = merge->sources[source].first;
    return rvc_string(&page->keys, page->row);
}

/* Sources of equal keys in their own order. */
static bool before(const rvc_merge_t *merge, size_t a, size_t b) {
    int order = rv_str_compare(head_key(merge, a), head_key(merge, b));
    return order != 0 ? order < 0 : a < b;
}

static void sift_down(rvc_merge_t *merge, size_t i) {
    size_t source = merge->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= merge->n_heap)
            break;
        if (child + 1 < merge->n_heap && before(merge, merge->heap[child + 1], merge->heap[child]))
            child++;
        if (!before(merge, merge->heap[child], source))
            break;
        merge->heap[i] = merge->heap[child];
        i = child;
    }
    merge->heap[i] = source;
}

static void heap_add(rvc_merge_t *merge, size_t source) {
    size_t i = merge->n_heap++;
    while (i && before(merge, source, merge->heap[(i - 1) / 2])) {
        merge->heap[i] = merge->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    merge->heap[i] = source;
}

static rv_status_t open_rows(const rvc_plan_t *plan, rvc_page_t *page, rv_error_t *err) {
    const Reveille__V1__RowsPartial *rows = page->response->rows;
    rv_status_t status = rvc_strings_open(rows->sort_keys, &page->arena, "sort_keys", &page->keys, err);
    if (status != RV_OK)
        return status;
    if (page->keys.n && rows->n_fields != plan->n_outputs)
        return rv_fail(err, RV_REASON_BUG, "%zu fields where %zu were asked for", rows->n_fields, plan->n_outputs);
    page->fields = rv_arena_zalloc(&page->arena, plan->n_outputs + 1, sizeof *page->fields);
    if (!page->fields)
        return rv_fail_memory(err, "a page");
    for (size_t i = 0; page->keys.n && i < plan->n_outputs; i++) {
        const rvc_output_t *output = &plan->outputs[i];
        status = rvc_column_open(rows->fields[i], page->keys.n, &page->arena, &page->fields[i], err);
        if (status != RV_OK)
            return status;
        if (page->fields[i].type != output->type ||
            (output->type == RV_DECIMAL && page->fields[i].scale != output->scale))
            return rv_fail(err, RV_REASON_BUG, "field %zu is not of the type that was asked for", i);
    }
    return RV_OK;
}

static rv_status_t open_groups(rvc_page_t *page, rv_error_t *err) {
    const Reveille__V1__GroupsPartial *groups = page->response->groups;
    rv_status_t status = rvc_strings_open(groups->keys, &page->arena, "keys", &page->keys, err);
    if (status == RV_OK)
        status = rvc_strings_open(groups->states, &page->arena, "states", &page->states, err);
    if (status == RV_OK && page->states.n != page->keys.n)
        status = rv_fail(err, RV_REASON_BUG, "%zu states for %zu groups", page->states.n, page->keys.n);
    return status;
}

static rv_status_t open_page(const rvc_merge_t *merge, rvc_page_t *page, rv_error_t *err) {
    bool rows = merge->plan->kind == RVC_PLAN_SELECT;
    switch (page->response->partial_case) {
    case REVEILLE__V1__QUERY_RESPONSE__PARTIAL__NOT_SET:
        return RV_OK; /* nothing but the ledger */
    case REVEILLE__V1__QUERY_RESPONSE__PARTIAL_ROWS:
        return rows ? open_rows(merge->plan, page, err)
                    : rv_fail(err, RV_REASON_BUG, "rows where groups were asked for");
    case REVEILLE__V1__QUERY_RESPONSE__PARTIAL_GROUPS:
        return rows ? rv_fail(err, RV_REASON_BUG, "groups where rows were asked for") : open_groups(page, err);
    default:
        return rv_fail(err, RV_REASON_BUG, "a result of another kind than was asked for");
    }
}

rv_status_t rvc_merge_push(rvc_merge_t *merge, size_t source_number, rvc_page_t **page, rv_error_t *err) {
    source_t *source = &merge->sources[source_number];
    rv_error_t inner;
    if (open_page(merge, *page, &inner) != RV_OK)
        return rv_fail(err, RV_REASON_BUG, "a worker's answer cannot be used: %.400s", inner.message);
    if (source->ended || merge->discard || (*page)->keys.n == 0) {
        count_used(merge, source);
        rvc_page_destroy(page);
        return RV_OK;
    }
    if (merge->bytes + (*page)->arena.total > RV_MAX_QUERY_MEMORY)
        return rv_fail(err, RV_REASON_QUOTA, "merging takes more than the %u bytes of one query", RV_MAX_QUERY_MEMORY);
    merge->bytes += (*page)->arena.total;
    bool first = !source->first;
    if (source->last)
        source->last->next = *page;
    else
        source->first = *page;
    source->last = *page;
    *page = NULL;
    if (first) {
        merge->waiting--;
        heap_add(merge, source_number);
    }
    return RV_OK;
}

void rvc_merge_end(rvc_merge_t *merge, size_t source_number) {
    source_t *source = &merge->sources[source_number];
    if (source->ended)
        return;
    source->ended = true;
    if (!source->first)
        merge->waiting--;
}

static void heap_remove(rvc_merge_t *merge, size_t source) {
    size_t n = 0;
    for (size_t i = 0; i < merge->n_heap; i++)
        if (merge->heap[i] != source)
            merge->heap[n++] = merge->heap[i];
    merge->n_heap = n;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(merge, i);
}

bool rvc_merge_drop(rvc_merge_t *merge, size_t source_number) {
    source_t *source = &merge->sources[source_number];
    bool clean = !source->given;
    rvc_merge_end(merge, source_number);
    if (source->first)
        heap_remove(merge, source_number);
    while (source->first)
        use_up(merge, source);
    return clean;
}

void rvc_merge_discard(rvc_merge_t *merge) {
    merge->discard = true;
    for (size_t i = 0; i < merge->n_sources; i++) {
        source_t *source = &merge->sources[i];
        if (source->first && !source->ended)
            merge->waiting++;
        while (source->first)
            use_up(merge, source);
    }
    merge->n_heap = 0;
}

uint32_t rvc_merge_used(rvc_merge_t *merge, size_t *ret_source) {
    if (merge->n_used == 0)
        return 0;
    *ret_source = merge->used[--merge->n_used];
    source_t *source = &merge->sources[*ret_source];
    uint32_t used = source->used;
    source->used = 0;
    return used;
}

rvc_merge_state_t rvc_merge_state(const rvc_merge_t *merge) {
    if (merge->waiting)
        return RVC_MERGE_WAIT;
    return merge->n_heap ? RVC_MERGE_ITEM : RVC_MERGE_END;
}

rv_str_t rvc_merge_key(const rvc_merge_t *merge) {
    return head_key(merge, merge->heap[0]);
}

rv_str_t rvc_merge_states(const rvc_merge_t *merge) {
    const rvc_page_t *page = merge->sources[merge->heap[0]].first;
    return rvc_string(&page->states, page->row);
}

void rvc_merge_field(const rvc_merge_t *merge, size_t field, rv_value_t *ret) {
    const rvc_page_t *page = merge->sources[merge->heap[0]].first;
    rvc_column_get(&page->fields[field], page->row, ret);
}

/* The head of a source went past its page. */
static rv_status_t next_page(rvc_merge_t *merge, size_t number, rv_error_t *err) {
    source_t *source = &merge->sources[number];
    rvc_page_t *next = source->first->next;
    bool sorted = true;
    if (next)
        sorted =
            rv_str_compare(rvc_string(&source->first->keys, source->first->row - 1), rvc_string(&next->keys, 0)) <= 0;
    use_up(merge, source);
    if (!sorted)
        return rv_fail(err, RV_REASON_BUG, "a worker's answer is not sorted");
    if (source->first) {
        sift_down(merge, 0);
        return RV_OK;
    }
    if (!source->ended)
        merge->waiting++;
    merge->heap[0] = merge->heap[--merge->n_heap];
    if (merge->n_heap)
        sift_down(merge, 0);
    return RV_OK;
}

rv_status_t rvc_merge_advance(rvc_merge_t *merge, rv_error_t *err) {
    size_t number = merge->heap[0];
    source_t *source = &merge->sources[number];
    rvc_page_t *page = source->first;
    source->given = true;
    if (++page->row == page->keys.n)
        return next_page(merge, number, err);
    if (rv_str_compare(rvc_string(&page->keys, page->row - 1), rvc_string(&page->keys, page->row)) > 0)
        return rv_fail(err, RV_REASON_BUG, "a worker's answer is not sorted");
    sift_down(merge, 0);
    return RV_OK;
}

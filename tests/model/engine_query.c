// engine_query.c - a request through the engine: text, plan, query, workers, merge, answer.
//
// Structure: the request as the message that a client sends; the plan, by the coordinator's code; on each worker the
// chunks of its views in a random order over one to three partials, which are merged in a random order; pages.
#include "engine_internal.h"

#include "exec/exec.h"
#include "reveille/limits.h"
#include "reveille/wire.h"

#include <stdlib.h>
#include <string.h>

void rvm_pack(const ProtobufCMessage *message, rvm_arena_t *arena, uint8_t **ret, size_t *ret_n) {
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = rvm_alloc(arena, n + 1);
    *ret_n = protobuf_c_message_pack(message, bytes);
    *ret = bytes;
}

// ---- the plan -----------------------------------------------------------------------------------------------------

typedef struct request { // any of them
    union {
        ProtobufCMessage base;
        Reveille__V1__CountRequest count;
        Reveille__V1__SelectRequest select;
        Reveille__V1__AggregateRequest aggregate;
        Reveille__V1__FunnelRequest funnel;
        Reveille__V1__RetentionRequest retention;
        Reveille__V1__OverlapRequest overlap;
    };
} request_t;

static char *text(const char *s) {
    return (char *)(uintptr_t)s;
}

static char *hours(rvm_arena_t *arena, int64_t ms) {
    return text(ms % 3600000 == 0 ? rvm_format(arena, "%lld hours", (long long)(ms / 3600000))
                                  : rvm_format(arena, "%lld seconds", (long long)(ms / 1000)));
}

// The fields asked for and, behind them, the key: after a line's end, because a comment may end the text.
static char *fields_and_key(const rvm_engine_t *engine, const rvm_query_t *query, rvm_arena_t *arena) {
    const char *key = engine->one->schema.contact_key;
    return text(query->fields[0] == 0 ? rvm_format(arena, "`%s`", key)
                                      : rvm_format(arena, "%s\n, `%s`", query->fields, key));
}

static void make_overlap(const rvm_query_t *query, rvm_arena_t *arena, Reveille__V1__OverlapRequest *request) {
    Reveille__V1__NamedFilter *filters = rvm_alloc(arena, 4 * sizeof *filters);
    request->segments = rvm_alloc(arena, 4 * sizeof *request->segments);
    request->n_segments = (size_t)query->n_overlap;
    for (int i = 0; i < query->n_overlap; i++) {
        reveille__v1__named_filter__init(&filters[i]);
        filters[i].name = text(rvm_format(arena, "filter %d", i));
        filters[i].filter = text(query->overlap[i]);
        request->segments[i] = &filters[i];
    }
}

static request_t *make_request(const rvm_engine_t *engine, const rvm_query_t *query, rvm_arena_t *arena) {
    Reveille__V1__ReadOptions *options = rvm_options_make(engine->one, query->as_of, arena);
    request_t *request = rvm_alloc(arena, sizeof *request);
    switch (query->kind) {
    case RVM_QUERY_SELECT:
        reveille__v1__select_request__init(&request->select);
        request->select.filter = text(query->filter);
        request->select.fields = fields_and_key(engine, query, arena);
        request->select.order_by = text(query->order);
        request->select.limit = query->limit < 0 ? 0 : (uint64_t)query->limit;
        request->select.options = options;
        break;
    case RVM_QUERY_AGGREGATE:
        reveille__v1__aggregate_request__init(&request->aggregate);
        request->aggregate.filter = text(query->filter);
        request->aggregate.by = text(query->by);
        request->aggregate.compute = text(query->compute);
        request->aggregate.options = options;
        break;
    case RVM_QUERY_OVERLAP:
        reveille__v1__overlap_request__init(&request->overlap);
        make_overlap(query, arena, &request->overlap);
        request->overlap.options = options;
        break;
    case RVM_QUERY_FUNNEL:
        reveille__v1__funnel_request__init(&request->funnel);
        request->funnel.filter = text(query->filter);
        request->funnel.steps = text(query->steps);
        request->funnel.within = hours(arena, query->within);
        request->funnel.window = text(query->window);
        request->funnel.options = options;
        break;
    case RVM_QUERY_RETENTION:
        reveille__v1__retention_request__init(&request->retention);
        request->retention.filter = text(query->filter);
        request->retention.start = text(query->start);
        request->retention.event = text(query->types);
        request->retention.cohort = hours(arena, query->cohort);
        request->retention.period = hours(arena, query->period);
        request->retention.periods = (uint32_t)query->periods;
        request->retention.options = options;
        break;
    default:
        reveille__v1__count_request__init(&request->count);
        request->count.filter = text(query->filter);
        request->count.options = options;
        break;
    }
    return request;
}

static rv_status_t make_plan(const rvm_engine_t *engine, const rvm_query_t *query, rvm_arena_t *memory,
                             rvc_plan_t **ret, rv_error_t *err) {
    const rvc_plan_context_t context = {.catalog = engine->catalog, .wall_ms = query->as_of};
    const request_t *request = make_request(engine, query, memory);
    rv_arena_t arena; // the plan borrows nothing of the request
    ProtobufCMessage *message = NULL;
    uint8_t *bytes;
    size_t n;
    rvm_pack(&request->base, memory, &bytes, &n);
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_wire_unpack(request->base.descriptor, bytes, n, &arena, &message, err);
    if (status == RV_OK) {
        switch (query->kind) {
        case RVM_QUERY_SELECT:
            status = rvc_plan_select(&context, (const Reveille__V1__SelectRequest *)message, ret, err);
            break;
        case RVM_QUERY_AGGREGATE:
            status = rvc_plan_aggregate(&context, (const Reveille__V1__AggregateRequest *)message, ret, err);
            break;
        case RVM_QUERY_OVERLAP:
            status = rvc_plan_overlap(&context, (const Reveille__V1__OverlapRequest *)message, ret, err);
            break;
        case RVM_QUERY_FUNNEL:
            status = rvc_plan_funnel(&context, (const Reveille__V1__FunnelRequest *)message, ret, err);
            break;
        case RVM_QUERY_RETENTION:
            status = rvc_plan_retention(&context, (const Reveille__V1__RetentionRequest *)message, ret, err);
            break;
        default:
            status = rvc_plan_count(&context, (const Reveille__V1__CountRequest *)message, ret, err);
            break;
        }
    }
    rv_arena_done(&arena);
    return status;
}

// ---- a worker -----------------------------------------------------------------------------------------------------

enum { MAX_PARTIALS = 3 };

typedef struct chunk {
    const rvw_view_t *view;
    uint32_t chunk;
} chunk_t;

// All chunks of the worker's views, in a random order.
static int list_chunks(rvm_engine_t *engine, const rvm_views_t *views, int worker, rvm_arena_t *arena, chunk_t **ret) {
    int n = 0, room = 0;
    chunk_t *chunks = NULL;
    for (int pass = 0; pass < 2; pass++) {
        for (int p = worker; p < engine->layout.partitions; p += engine->layout.workers) {
            uint32_t rows = rvw_view_rows(views->view[p]), size = rvw_view_chunk_rows(views->view[p]);
            for (uint32_t c = 0; (uint64_t)c * size < rows; c++) {
                if (pass == 0) {
                    room++;
                    continue;
                }
                int place = rvm_dice_below(&engine->dice, n + 1);
                chunks[n++] = chunks[place];
                chunks[place] = (chunk_t){views->view[p], c};
            }
        }
        if (pass == 0) {
            chunks = rvm_alloc(arena, (size_t)(room + 1) * sizeof *chunks);
        }
    }
    *ret = chunks;
    return n;
}

static void add_page(rvm_pages_t *pages, const ProtobufCMessage *message, rvm_arena_t *arena) {
    if (pages->n == pages->room) {
        rvm_pages_t more = {.n = pages->n, .room = pages->room == 0 ? 8 : 2 * pages->room};
        more.body = rvm_alloc(arena, (size_t)more.room * sizeof *more.body);
        more.size = rvm_alloc(arena, (size_t)more.room * sizeof *more.size);
        for (int i = 0; i < pages->n; i++) {
            more.body[i] = pages->body[i];
            more.size[i] = pages->size[i];
        }
        *pages = more;
    }
    rvm_pack(message, arena, &pages->body[pages->n], &pages->size[pages->n]);
    pages->n++;
}

static rv_status_t read_pages(const rvw_job_t *job, rvw_partial_t *partial, rvm_arena_t *memory, rvm_pages_t *ret,
                              rv_error_t *err) {
    rv_arena_t arena;
    bool last = false;
    rv_arena_init(&arena, (size_t)64 << 20);
    rv_status_t status = rvw_partial_seal(job, partial, err);
    while (status == RV_OK && !last) {
        Reveille__V1__QueryResponse *page = NULL;
        rv_arena_reset(&arena);
        status = rvw_partial_next(job, partial, &arena, &page, &last, err);
        if (status == RV_OK) {
            add_page(ret, &page->base, memory);
        }
    }
    rv_arena_done(&arena);
    return status;
}

// Runs the chunks over some partials and merges these in a random order into the first that comes.
static rv_status_t run_job(rvm_engine_t *engine, const rvw_job_t *job, rvw_scratch_t *scratch, const chunk_t *chunks,
                           int n, rvm_arena_t *memory, rvm_pages_t *ret, rv_error_t *err) {
    rvw_partial_t *partials[MAX_PARTIALS] = {NULL};
    int n_partials = 1 + rvm_dice_below(&engine->dice, MAX_PARTIALS);
    rv_status_t status = RV_OK;
    for (int i = 0; status == RV_OK && i < n_partials; i++) {
        status = rvw_partial_new(job, &partials[i], err);
    }
    for (int i = 0; status == RV_OK && i < n; i++) {
        rvw_partial_t *into = partials[rvm_dice_below(&engine->dice, n_partials)];
        status = rvw_job_chunk(job, chunks[i].view, chunks[i].chunk, scratch, into, err);
    }
    while (status == RV_OK && n_partials > 1) {
        int from = rvm_dice_below(&engine->dice, n_partials);
        rvw_partial_t *moved = partials[from];
        partials[from] = partials[--n_partials];
        partials[n_partials] = moved;
        status = rvw_partial_merge(job, partials[rvm_dice_below(&engine->dice, n_partials)], moved, err);
        rvw_partial_destroy(&partials[n_partials]);
    }
    if (status == RV_OK) {
        status = read_pages(job, partials[0], memory, ret, err);
    }
    for (int i = 0; i < MAX_PARTIALS; i++) {
        rvw_partial_destroy(&partials[i]);
    }
    return status;
}

static rv_status_t run_worker(rvm_engine_t *engine, const rvm_views_t *views, int worker, const uint8_t *bytes,
                              size_t n, rvm_arena_t *memory, rvm_pages_t *ret, rv_error_t *err) {
    rv_arena_t arena;
    ProtobufCMessage *message = NULL;
    rvw_job_t *job = NULL;
    rvw_scratch_t *scratch = NULL;
    chunk_t *chunks;
    int n_chunks = list_chunks(engine, views, worker, memory, &chunks);
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_wire_unpack(&reveille__v1__query_request__descriptor, bytes, n, &arena, &message, err);
    if (status == RV_OK) {
        status = rvw_scratch_new(&scratch);
    }
    if (status == RV_OK) {
        status = rvw_job_new((const Reveille__V1__QueryRequest *)message, engine->catalog, scratch, &job, err);
    }
    if (status == RV_OK) {
        status = run_job(engine, job, scratch, chunks, n_chunks, memory, ret, err);
    }
    rvw_job_destroy(&job);
    rvw_scratch_destroy(&scratch);
    rv_arena_done(&arena);
    return status;
}

rv_status_t rvm_engine_ask(rvm_engine_t *engine, const rvm_views_t *views, const rvm_query_t *query,
                           rvm_arena_t *memory, rvm_table_t *ret, rv_error_t *err) {
    rvc_plan_t *plan = NULL;
    rvm_pages_t pages[RVM_MAX_WORKERS] = {{0}};
    uint8_t *bytes = NULL;
    size_t n = 0;
    rv_status_t status = make_plan(engine, query, memory, &plan, err);
    if (status == RV_OK) {
        rvm_pack(&plan->query.base, memory, &bytes, &n);
    }
    for (int w = 0; status == RV_OK && w < engine->layout.workers; w++) {
        status = run_worker(engine, views, w, bytes, n, memory, &pages[w], err);
    }
    if (status == RV_OK) {
        status = rvm_answer_make(&engine->dice, plan, pages, engine->layout.workers, memory, ret, err);
    }
    rvc_plan_destroy(&plan);
    return status;
}

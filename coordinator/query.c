/* query.c: one running read.
 *
 *   plan ─▶ packed once ─▶ one request a worker ═▶ sources ┬▶ merge ─▶ answer ─▶ pages ─▶ call
 *                          (+ its partitions)              └▶ tally ─▶ messages ────────▶ call
 *
 * Merged are select, aggregate and funnel; added up are count, overlap and retention. Workers have credit for
 * RV_WORKER_WINDOW pages and get one more for each page used up; a full page waits until the client has credit. When
 * all sources have ended, the last message goes out with the coverage. The call and its sources may end the query at
 * any callback; after fail() or finish() the query is gone. A select that has reached its limit reads the rest of its
 * streams unread, because the versions of the data come last. Thread: the actor's.
 * Failure: see query.h; a worker that is lost after items of it were given cannot be taken back, so the answer ends
 * with an error even with allow_partial. */
#include "query.h"
#include "answer.h"
#include "explain.h"
#include "ledger.h"
#include "merge.h"
#include "reveille/wire.h"
#include "tally.h"
#include <stdlib.h>
#include <string.h>

typedef struct query query_t;

typedef struct {
    query_t *query;
    rvc_task_t *task; /* NULL: it has ended */
    uint32_t slot;
    bool added; /* something of it is in the tally */
} source_t;

struct query {
    rvc_core_t *core;
    rvc_call_t *call;
    rvc_plan_t *plan;
    rvc_ledger_t ledger;
    rvc_merge_t *merge;
    rvc_answer_t *answer;
    rvc_tally_t *tally;
    source_t *sources;
    size_t n_sources, open;
    rv_arena_t arena;       /* coverage */
    bool full, end;         /* the page at hand; the merge is done */
    rvc_explain_t *explain; /* NULL: nothing is explained */
};

static void query_free(query_t *query) {
    for (size_t i = 0; i < query->n_sources; i++)
        rvc_link_cancel(query->core->link, &query->sources[i].task, true);
    rvc_merge_destroy(&query->merge);
    rvc_answer_destroy(&query->answer);
    rvc_tally_destroy(&query->tally);
    rvc_explain_destroy(&query->explain);
    rvc_ledger_done(&query->ledger);
    rvc_plan_destroy(&query->plan);
    rv_arena_done(&query->arena);
    free(query->sources);
    free(query);
}

static void fail(query_t *query, const rv_error_t *err) {
    rvc_call_t *call = query->call;
    rv_error_t copy = *err; /* it may point into the query */
    query_free(query);
    rvc_call_fail(call, &copy);
}

/* Fails because of the partitions that the ledger lacks. */
static void fail_incomplete(query_t *query, const char *why) {
    rv_error_t err;
    uint32_t failed[RV_MAX_PARTITIONS];
    size_t n = rvc_ledger_failed(&query->ledger, failed);
    rvc_cluster_missing(query->core->cluster, failed, n, why, &err);
    fail(query, &err);
}

static void grant(query_t *query) {
    uint32_t used;
    size_t i;
    while (query->merge && (used = rvc_merge_used(query->merge, &i)))
        if (query->sources[i].task)
            rvc_link_credit(query->core->link, query->sources[i].task, used);
}

static Reveille__V1__Coverage *coverage(query_t *query) {
    rv_arena_reset(&query->arena);
    Reveille__V1__Coverage *cover = rvc_ledger_coverage(&query->ledger, query->plan, &query->arena);
    if (cover)
        cover->explain = rvc_explain_message(query->explain);
    return cover;
}

/* The last reply. */
static void finish(query_t *query, const ProtobufCMessage *message) {
    rvc_call_reply(query->call, message, false);
    query_free(query);
}

/* All partials are in: send what the credit allows. */
static void send_tally(query_t *query) {
    rv_error_t err;
    const ProtobufCMessage *message;
    bool last = false;
    Reveille__V1__Coverage *cover = coverage(query);
    while (rvc_call_may_send(query->call)) {
        int64_t start = rvc_explain_now(query->explain);
        rv_status_t status =
            cover ? rvc_tally_next(query->tally, cover, &message, &last, &err) : rv_fail_memory(&err, "an answer");
        rvc_explain_merged(query->explain, start);
        if (status != RV_OK) {
            fail(query, &err);
            return;
        }
        if (last) {
            finish(query, message);
            return;
        }
        if (!rvc_call_reply(query->call, message, true))
            return;
    }
}

static void send_last_page(query_t *query) {
    rv_error_t err;
    Reveille__V1__Coverage *cover = coverage(query);
    if (cover) {
        finish(query, rvc_answer_message(query->answer, cover));
        return;
    }
    rv_fail_memory(&err, "an answer");
    fail(query, &err);
}

/* Fills the page at hand. An explanation has the last message to itself. False: the query has ended. */
static bool fill(query_t *query) {
    rvc_answer_state_t state;
    rv_error_t err;
    int64_t start = rvc_explain_now(query->explain);
    rv_status_t status = rvc_answer_fill(query->answer, query->merge, &state, &err);
    rvc_explain_merged(query->explain, start);
    if (status != RV_OK) {
        fail(query, &err);
        return false;
    }
    query->end = state == RVC_ANSWER_END;
    query->full = state == RVC_ANSWER_FULL || (query->end && query->explain && query->plan->kind != RVC_PLAN_FUNNEL);
    if (query->end && query->open)
        rvc_merge_discard(query->merge);
    return true;
}

/* Moves the query on as far as pages, credit and memory of the client allow. It may be gone afterwards. */
static void pump(query_t *query) {
    if (query->tally) {
        if (query->open == 0)
            send_tally(query);
        return;
    }
    for (;;) {
        if (!query->full && !query->end && !fill(query))
            return;
        grant(query);
        if (query->full && rvc_call_may_send(query->call)) {
            if (!rvc_call_reply(query->call, rvc_answer_message(query->answer, NULL), true))
                return;
            rvc_answer_reset(query->answer);
            query->full = false;
            continue;
        }
        if (query->end && query->open == 0 && rvc_call_may_send(query->call))
            send_last_page(query);
        return;
    }
}

/* Some partitions of a source are not in the answer. False: the query has ended. */
static bool allow_missing(query_t *query, const rv_error_t *why) {
    if (!query->plan->allow_partial) {
        fail_incomplete(query, why->message);
        return false;
    }
    if (query->open == 0 && rvc_ledger_answered(&query->ledger) == 0) {
        fail_incomplete(query, why->message);
        return false;
    }
    return true;
}

static bool is_absence(const rv_error_t *err) {
    switch (err->status) {
    case RV_UNAVAILABLE:
    case RV_DATA_LOSS:
    case RV_NOT_FOUND:
        return true;
    default:
        return false;
    }
}

/* Enters the ledger lines of a last message. False: the query has ended. */
static bool enter(query_t *query, source_t *source, const Reveille__V1__QueryResponse *response) {
    rv_error_t why;
    source->task = NULL;
    query->open--;
    rvc_ledger_enter(&query->ledger, source->slot, response, &why);
    if (why.status == RV_OK)
        return true;
    if (is_absence(&why))
        return allow_missing(query, &why);
    fail(query, &why);
    return false;
}

static rv_status_t take_page(query_t *query, source_t *source, rvc_page_t **page, bool last, rv_error_t *err) {
    size_t number = (size_t)(source - query->sources);
    rv_status_t status;
    if (query->tally) {
        source->added = true;
        status = rvc_tally_add(query->tally, rvc_page_response(*page), err);
        if (status == RV_OK && !last)
            rvc_link_credit(query->core->link, source->task, 1);
        return status;
    }
    status = rvc_merge_push(query->merge, number, page, err);
    if (status == RV_OK && last)
        rvc_merge_end(query->merge, number);
    return status;
}

static void on_reply(void *owner, const uint8_t *body, size_t n, bool more) {
    source_t *source = owner;
    query_t *query = source->query;
    rvc_page_t *page = NULL;
    rv_error_t err;
    if (!more)
        source->task = NULL;
    if (rvc_page_open(body, n, &page, &err) != RV_OK) {
        rv_error_t bug;
        rv_fail(&bug, RV_REASON_BUG, "a worker's answer cannot be read: %.400s", err.message);
        fail(query, &bug);
        return;
    }
    if (!more && !enter(query, source, rvc_page_response(page))) {
        rvc_page_destroy(&page);
        return;
    }
    rv_status_t status = RV_OK;
    if (!more)
        status = rvc_explain_add(query->explain, rvc_cluster_worker(query->core->cluster, source->slot)->name,
                                 rvc_page_response(page)->explain, &err);
    int64_t start = rvc_explain_now(query->explain);
    if (status == RV_OK)
        status = take_page(query, source, &page, !more, &err);
    rvc_explain_merged(query->explain, start);
    rvc_page_destroy(&page);
    if (status != RV_OK)
        fail(query, &err);
    else
        pump(query);
}

static void on_failed(void *owner, const rv_error_t *err) {
    source_t *source = owner;
    query_t *query = source->query;
    source->task = NULL;
    query->open--;
    if (err->reason == RV_REASON_SCHEMA) {
        rv_error_t later;
        rv_fail(&later, RV_REASON_NOT_READY, "a change of the schema is on its way to the workers: try again");
        later.retry_after_ms = 50;
        fail(query, &later);
        return;
    }
    if (!is_absence(err)) {
        fail(query, err);
        return;
    }
    rvc_ledger_lost(&query->ledger, source->slot);
    if (!allow_missing(query, err))
        return;
    bool clean = query->merge ? rvc_merge_drop(query->merge, (size_t)(source - query->sources)) : !source->added;
    if (!clean)
        fail_incomplete(query, err->message);
    else
        pump(query);
}

static const rvc_task_ops_t TASK = {on_reply, on_failed};

static void on_stop(void *job) {
    query_free(job);
}

static void on_resume(void *job) {
    pump(job);
}

static const rvc_job_ops_t JOB = {.stop = on_stop, .resume = on_resume};

/* A source for each worker that is asked. */
static rv_status_t make_sources(query_t *query, rv_error_t *err) {
    const rvc_ledger_t *ledger = &query->ledger;
    query->sources = calloc(ledger->n_slots + 1, sizeof *query->sources);
    if (!query->sources)
        return rv_fail_memory(err, "a query");
    for (uint32_t slot = 0; slot < ledger->n_slots; slot++)
        if (ledger->first[slot] != RVC_NOBODY)
            query->sources[query->n_sources++] = (source_t){.query = query, .slot = slot};
    return RV_OK;
}

static rv_status_t make_stages(query_t *query, rv_error_t *err) {
    rv_status_t status = make_sources(query, err);
    if (status != RV_OK)
        return status;
    switch (query->plan->kind) {
    case RVC_PLAN_COUNT:
    case RVC_PLAN_OVERLAP:
    case RVC_PLAN_RETENTION:
        return rvc_tally_new(query->plan, &query->tally, err);
    default:
        status = rvc_merge_new(query->plan, query->n_sources, &query->merge, err);
        return status == RV_OK ? rvc_answer_new(query->plan, &query->answer, err) : status;
    }
}

/* The partitions of one worker as the beginning of a QueryRequest: protobuf joins what is packed apart. */
static rv_status_t pack_partitions(const query_t *query, uint32_t slot, uint8_t **ret, size_t *ret_n) {
    Reveille__V1__QueryRequest message = REVEILLE__V1__QUERY_REQUEST__INIT;
    Reveille__V1__QueryPartition items[RV_MAX_PARTITIONS], *list[RV_MAX_PARTITIONS];
    for (uint32_t p = query->ledger.first[slot]; p != RVC_NOBODY; p = query->ledger.entries[p].next) {
        const rvc_partition_t *partition = rvc_cluster_partition(query->core->cluster, p);
        Reveille__V1__QueryPartition *item = &items[message.n_partitions];
        reveille__v1__query_partition__init(item);
        item->partition = p;
        item->epoch = partition->epoch;
        item->min_lsn = partition->lsn;
        list[message.n_partitions++] = item;
    }
    message.partitions = list;
    return rv_wire_pack(&message.base, ret, ret_n);
}

static rv_status_t ask(query_t *query, source_t *source, const rvc_slice_t *common, rv_error_t *err) {
    rvc_slice_t parts[2] = {{0}, *common};
    uint8_t *partitions = NULL;
    size_t n = 0;
    if (pack_partitions(query, source->slot, &partitions, &n) != RV_OK)
        return rv_fail_memory(err, "a request");
    parts[0] = (rvc_slice_t){partitions, n};
    rv_status_t status = rvc_link_call(query->core->link, source->slot, "reveille.v1.WorkerService/Query", parts, 2,
                                       rvc_call_deadline(query->call), &TASK, source, &source->task, err);
    free(partitions);
    return status;
}

/* Sends to all sources. False: the query has ended. */
static bool broadcast(query_t *query) {
    rv_error_t err;
    uint8_t *body = NULL;
    size_t n = 0;
    query->plan->query.term = rvc_meta_identity(query->core->meta)->term;
    rv_status_t status = rv_wire_pack(&query->plan->query.base, &body, &n);
    rvc_slice_t common = {body, n};
    if (status != RV_OK)
        rv_fail_memory(&err, "a request");
    query->open = query->n_sources;
    for (size_t i = 0; status == RV_OK && i < query->n_sources; i++) {
        source_t *source = &query->sources[i];
        status = ask(query, source, &common, &err);
        if (status != RV_UNAVAILABLE)
            continue;
        status = RV_OK; /* its worker went away: as if it had failed later */
        query->open--;
        rvc_ledger_lost(&query->ledger, source->slot);
        if (query->merge)
            rvc_merge_drop(query->merge, i);
        if (!allow_missing(query, &err)) {
            free(body);
            return false;
        }
    }
    free(body);
    if (status != RV_OK)
        fail(query, &err);
    return status == RV_OK;
}

void rvc_query_run(rvc_core_t *core, rvc_call_t *call, rvc_plan_t *plan) {
    rv_error_t err;
    query_t *query = calloc(1, sizeof *query);
    if (!query) {
        rvc_plan_destroy(&plan);
        rv_fail_memory(&err, "a query");
        rvc_call_fail(call, &err);
        return;
    }
    query->core = core;
    query->call = call;
    query->plan = plan;
    rv_arena_init(&query->arena, 1u << 20);
    if (rvc_ledger_open(core->cluster, &query->ledger, &err) != RV_OK) {
        fail(query, &err);
        return;
    }
    uint32_t failed[RV_MAX_PARTITIONS];
    size_t n_failed = rvc_ledger_failed(&query->ledger, failed);
    if (n_failed && (!plan->allow_partial || n_failed == query->ledger.count)) {
        fail_incomplete(query, NULL);
        return;
    }
    if (make_stages(query, &err) != RV_OK) {
        fail(query, &err);
        return;
    }
    if (plan->query.explain && rvc_explain_new(plan->plan_ns, &query->explain, &err) != RV_OK) {
        fail(query, &err);
        return;
    }
    rvc_call_attach(call, &JOB, query);
    if (broadcast(query))
        pump(query);
}

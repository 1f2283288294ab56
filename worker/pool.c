/* pool.c: queries as state machines, driven by whichever thread is free.
 *
 *   OPEN ──▶ SCAN ──▶ SEND ⇄ PARKED ──▶ DONE
 *
 *   OPEN    one thread unpacks the request, takes views and lays out the chunks
 *   SCAN    every thread takes the next chunk; each folds into a partial of its own; the last one to finish merges
 *   SEND    one thread sends pages while there is credit
 *   PARKED  waits for credit; nobody works on it
 *   DONE    removed from the list, freed
 *
 * Invariant: `busy` threads work on a query; only with busy 0 does its state change to one that a single thread owns.
 * Runnable queries stand in a ring and get a chunk each in turn, so that a long query does not hold up a short one. An
 * error or a stop ends SCAN early: its remaining chunks are not handed out. All states are guarded by the pool's lock;
 * the work itself is done without it.
 */
#include "pool.h"
#include "account.h"
#include "exec/exec.h"
#include "reveille/clock.h"
#include "reveille/log.h"
#include "reveille/wire.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef enum { OPEN, SCAN, SEND, PARKED, DONE } state_t;

typedef struct {
    rvw_view_t *view; /* NULL: the partition is missing from the answer, and `err` says why */
    uint32_t partition, chunks;
    rv_error_t err;
} source_t;

typedef struct query {
    struct query *next;
    rvw_call_t *call;
    rvw_task_t task;
    state_t state;
    bool waking; /* credit came while SEND was at work */
    unsigned busy;
    rv_error_t err;
    rv_catalog_t *catalog;
    const ProtobufCMessage *request;
    rvw_job_t *job;
    source_t *sources;
    size_t n_sources, next_source;
    uint32_t next_chunk;
    rvw_partial_t **partials; /* one a thread, made when the thread first works on the query */
    uint64_t cursor;          /* of a history */
    rvw_account_t *account;   /* NULL: nothing is explained */
    bool read_out;            /* all of the result has been sent: an account comes last */
} query_t;

typedef struct {
    rvw_pool_t *pool;
    unsigned number;
    pthread_t thread;
    rvw_scratch_t *scratch;
    rv_arena_t arena; /* of one page */
} thread_t;

struct rvw_pool {
    rvw_holdings_t *holdings;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool stop;
    query_t *queries; /* ring order: the front is asked first and goes to the back when it was given work */
    size_t n_queries;
    unsigned n_threads;
    thread_t *threads;
};

/* ---- a query's steps, without the lock ---- */

static void open_sources(rvw_pool_t *pool, query_t *q, Reveille__V1__QueryPartition **wanted, size_t n) {
    q->sources = calloc(n + 1, sizeof *q->sources);
    if (!q->sources) {
        rv_fail_memory(&q->err, "a query");
        return;
    }
    q->n_sources = n;
    for (size_t i = 0; i < n; i++) {
        source_t *source = &q->sources[i];
        rvw_partition_t *partition;
        source->partition = wanted[i]->partition;
        if (rvw_holdings_serving(pool->holdings, wanted[i]->partition, wanted[i]->epoch, &partition, &source->err) !=
                RV_OK ||
            rvw_view_take(partition, &source->view, &source->err) != RV_OK)
            continue;
        if (rvw_view_lsn(source->view) < wanted[i]->min_lsn) {
            rv_fail(&source->err, RV_REASON_NOT_LEADER, "partition %u is at write %llu, %llu is asked for",
                    source->partition, (unsigned long long)rvw_view_lsn(source->view),
                    (unsigned long long)wanted[i]->min_lsn);
            rvw_view_release(&source->view);
            continue;
        }
        uint32_t rows = rvw_view_chunk_rows(source->view);
        source->chunks = (rvw_view_rows(source->view) + rows - 1) / rows;
    }
}

static const ProtobufCMessageDescriptor *task_descriptor(rvw_task_t task) {
    switch (task) {
    case RVW_TASK_FETCH:
        return &reveille__v1__fetch_request__descriptor;
    case RVW_TASK_HISTORY:
        return &reveille__v1__history_request__descriptor;
    case RVW_TASK_QUERY:
        break;
    }
    return &reveille__v1__query_request__descriptor;
}

/* Begins the account of a read that is to be explained. */
static bool open_account(const rvw_pool_t *pool, query_t *q, bool explain) {
    return !explain ||
           rvw_account_new(rv_mono_ms() - rvw_call_received(q->call), pool->n_threads, &q->account, &q->err) == RV_OK;
}

static void open_lookup(rvw_pool_t *pool, query_t *q) {
    const Reveille__V1__FetchRequest *fetch = (const Reveille__V1__FetchRequest *)q->request;
    const Reveille__V1__HistoryRequest *history = (const Reveille__V1__HistoryRequest *)q->request;
    bool fetches = q->task == RVW_TASK_FETCH;
    Reveille__V1__QueryPartition *where = fetches ? fetch->partition : history->partition;
    if (!where) {
        rv_fail(&q->err, RV_REASON_REQUEST, "no partition is named");
        return;
    }
    if (!open_account(pool, q, fetches ? fetch->explain : history->explain))
        return;
    open_sources(pool, q, &where, 1);
    if (q->err.status == RV_OK)
        q->err = q->sources[0].err;
    if (q->err.status == RV_OK)
        rvw_account_opened(q->account, NULL, 1, &q->err);
}

static void open_query(rvw_pool_t *pool, query_t *q, thread_t *t) {
    ProtobufCMessage *message;
    if (rvw_call_stopped(q->call, &q->err) != RV_OK ||
        rvw_call_unpack(q->call, task_descriptor(q->task), &message, &q->err) != RV_OK)
        return;
    q->request = message;
    q->catalog = rvw_holdings_catalog(pool->holdings);
    if (q->task == RVW_TASK_FETCH || q->task == RVW_TASK_HISTORY) {
        open_lookup(pool, q);
        return;
    }
    const Reveille__V1__QueryRequest *request = (const Reveille__V1__QueryRequest *)message;
    if (rvw_holdings_check_term(pool->holdings, request->term, &q->err) != RV_OK)
        return;
    if (request->schema_version > rv_catalog_schema_version(q->catalog)) {
        rv_fail(&q->err, RV_REASON_SCHEMA, "the query was made for schema version %llu, this worker has %llu",
                (unsigned long long)request->schema_version, (unsigned long long)rv_catalog_schema_version(q->catalog));
        return;
    }
    q->partials = calloc(pool->n_threads, sizeof(rvw_partial_t *));
    if (!q->partials) {
        rv_fail_memory(&q->err, "a query");
        return;
    }
    if (!open_account(pool, q, request->explain) ||
        rvw_job_new(request, q->catalog, t->scratch, &q->job, &q->err) != RV_OK)
        return;
    open_sources(pool, q, request->partitions, request->n_partitions);
    if (q->err.status == RV_OK)
        rvw_account_opened(q->account, q->job, q->n_sources, &q->err);
}

static void scan_chunk(query_t *q, thread_t *t, const source_t *source, uint32_t chunk, rv_error_t *err) {
    if (rvw_call_stopped(q->call, err) != RV_OK)
        return;
    if (!q->partials[t->number] && rvw_partial_new(q->job, &q->partials[t->number], err) != RV_OK)
        return;
    rvw_job_chunk(q->job, source->view, chunk, t->scratch, q->partials[t->number], err);
}

/* All chunks are done: one partial out of all. */
static void gather(query_t *q, rvw_pool_t *pool) {
    rvw_partial_t *all = NULL;
    for (unsigned i = 0; i < pool->n_threads && q->err.status == RV_OK; i++) {
        if (!q->partials[i])
            continue;
        if (!all)
            all = q->partials[i];
        else
            rvw_partial_merge(q->job, all, q->partials[i], &q->err);
    }
    for (unsigned i = 0; i < pool->n_threads; i++) {
        if (q->partials[i] != all)
            rvw_partial_destroy(&q->partials[i]);
        q->partials[i] = NULL;
    }
    q->partials[0] = all;
    if (q->err.status == RV_OK && !all)
        rvw_partial_new(q->job, &q->partials[0], &q->err);
    if (q->err.status == RV_OK)
        rvw_partial_seal(q->job, q->partials[0], &q->err);
}

/* Storage of one partition's state on the wire. */
typedef struct {
    Reveille__V1__QueryPartitionResult result;
    Reveille__V1__Status status;
    Reveille__V1__ErrorDetail detail, *details[1];
} wire_result_t;

static bool add_results(const query_t *q, rv_arena_t *arena, Reveille__V1__QueryResponse *response) {
    response->partitions = rv_arena_zalloc(arena, q->n_sources + 1, sizeof *response->partitions);
    wire_result_t *results = rv_arena_zalloc(arena, q->n_sources + 1, sizeof *results);
    if (!response->partitions || !results)
        return false;
    for (size_t i = 0; i < q->n_sources; i++) {
        const source_t *source = &q->sources[i];
        reveille__v1__query_partition_result__init(&results[i].result);
        rv_wire_status(&source->err, &results[i].status, &results[i].detail, results[i].details);
        results[i].result.status = &results[i].status;
        results[i].result.partition = source->partition;
        results[i].result.lsn = source->view ? rvw_view_lsn(source->view) : 0;
        response->partitions[i] = &results[i].result;
    }
    response->n_partitions = q->n_sources;
    return true;
}

static rv_status_t explain(query_t *q, rv_arena_t *arena, Reveille__V1__Explain **ret) {
    uint32_t *numbers = rv_arena_zalloc(arena, q->n_sources + 1, sizeof *numbers);
    bool *answered = rv_arena_zalloc(arena, q->n_sources + 1, sizeof *answered);
    if (!numbers || !answered)
        return rv_fail_memory(&q->err, "an explanation");
    for (size_t i = 0; i < q->n_sources; i++) {
        numbers[i] = q->sources[i].partition;
        answered[i] = q->sources[i].view != NULL;
    }
    const char *lookup = q->task == RVW_TASK_FETCH ? "attributes of one key" : "events of one contact";
    return rvw_account_message(q->account, q->job, lookup, numbers, answered, arena, ret, &q->err);
}

/* The next message of a query: pages of its result, then the account. */
static rv_status_t next_result(query_t *q, rv_arena_t *arena, Reveille__V1__QueryResponse **ret, bool *ret_last) {
    rv_status_t status = RV_OK;
    if (!q->read_out) {
        status = rvw_partial_next(q->job, q->partials[0], arena, ret, &q->read_out, &q->err);
        *ret_last = q->read_out && !q->account;
    } else {
        *ret = rv_arena_alloc(arena, sizeof **ret);
        if (!*ret)
            return rv_fail_memory(&q->err, "a result");
        reveille__v1__query_response__init(*ret);
        status = explain(q, arena, &(*ret)->explain);
        *ret_last = true;
    }
    if (status == RV_OK && *ret_last && !add_results(q, arena, *ret))
        return rv_fail_memory(&q->err, "a result");
    return status;
}

static void send_contact(query_t *q, thread_t *t) {
    Reveille__V1__FetchResponse *response = NULL;
    int64_t start = rvw_account_now(q->account);
    if (rvw_fetch(q->sources[0].view, q->catalog, (const Reveille__V1__FetchRequest *)q->request, &t->arena, &response,
                  &q->err) != RV_OK)
        return;
    rvw_account_looked_up(q->account, start);
    if (explain(q, &t->arena, &response->explain) == RV_OK)
        rvw_call_reply(q->call, &response->base, false, NULL);
}

/* True with the last page. */
static bool send_history(query_t *q, thread_t *t) {
    Reveille__V1__HistoryResponse *response = NULL;
    bool last = true;
    int64_t start = rvw_account_now(q->account);
    if (rvw_history(q->sources[0].view, q->catalog, (const Reveille__V1__HistoryRequest *)q->request, &t->arena,
                    &q->cursor, rvw_account_of(q->account, 0), &response, &last, &q->err) != RV_OK)
        return true;
    rvw_account_looked_up(q->account, start);
    if (!last || explain(q, &t->arena, &response->explain) == RV_OK)
        rvw_call_reply(q->call, &response->base, !last, NULL);
    return last;
}

/* One page. True with the last one, or on an error. */
static bool send_page(query_t *q, thread_t *t) {
    rv_arena_reset(&t->arena);
    bool last = true;
    if (q->task == RVW_TASK_FETCH) {
        send_contact(q, t);
    } else if (q->task == RVW_TASK_HISTORY) {
        last = send_history(q, t);
    } else {
        Reveille__V1__QueryResponse *response = NULL;
        if (next_result(q, &t->arena, &response, &last) == RV_OK)
            rvw_call_reply(q->call, &response->base, !last, NULL);
    }
    return last || q->err.status != RV_OK;
}

/* Sends while there is credit. True when the query is done, false when it is to be parked. */
static bool send_pages(query_t *q, thread_t *t) {
    while (q->err.status == RV_OK && rvw_call_stopped(q->call, &q->err) == RV_OK) {
        if (!rvw_call_take_credit(q->call))
            return false;
        if (send_page(q, t))
            break;
    }
    if (q->err.status != RV_OK)
        rvw_call_reply(q->call, NULL, false, &q->err);
    return true;
}

static void free_query(query_t *q, const rvw_pool_t *pool) {
    for (unsigned i = 0; q->partials && i < pool->n_threads; i++)
        rvw_partial_destroy(&q->partials[i]);
    free(q->partials);
    rvw_job_destroy(&q->job);
    rvw_account_destroy(&q->account);
    for (size_t i = 0; i < q->n_sources; i++)
        rvw_view_release(&q->sources[i].view);
    free(q->sources);
    rv_catalog_unref(&q->catalog);
    rvw_call_unref(&q->call);
    free(q);
}

/* ---- the ring, with the lock ---- */

static void unlink_query(rvw_pool_t *pool, query_t *q) {
    for (query_t **at = &pool->queries; *at; at = &(*at)->next)
        if (*at == q) {
            *at = q->next;
            break;
        }
}

static void link_last(rvw_pool_t *pool, query_t *q) {
    query_t **at = &pool->queries;
    while (*at)
        at = &(*at)->next;
    q->next = NULL;
    *at = q;
}

/* The next chunk of a scanning query; false when all are handed out. */
static bool next_chunk(query_t *q, const source_t **ret_source, uint32_t *ret_chunk) {
    if (q->err.status != RV_OK)
        return false;
    while (q->next_source < q->n_sources) {
        const source_t *source = &q->sources[q->next_source];
        if (q->next_chunk < source->chunks) {
            *ret_source = source;
            *ret_chunk = q->next_chunk++;
            return true;
        }
        q->next_source++;
        q->next_chunk = 0;
    }
    return false;
}

/* Something can be done for it by one more thread. */
static bool runnable(const query_t *q) {
    if (q->state == OPEN || q->state == SEND)
        return q->busy == 0;
    return q->state == SCAN && q->err.status == RV_OK && q->next_source < q->n_sources;
}

static query_t *pick(rvw_pool_t *pool) {
    for (query_t *q = pool->queries; q; q = q->next)
        if (runnable(q))
            return q;
    return NULL;
}

/* ---- threads ---- */

static void step_open(rvw_pool_t *pool, query_t *q, thread_t *t) {
    pthread_mutex_unlock(&pool->lock);
    open_query(pool, q, t);
    pthread_mutex_lock(&pool->lock);
    q->state = q->task == RVW_TASK_QUERY && q->err.status == RV_OK ? SCAN : SEND;
}

static void finish_scan(rvw_pool_t *pool, query_t *q) {
    pthread_mutex_unlock(&pool->lock);
    rvw_account_scanned(q->account);
    gather(q, pool);
    rvw_account_merged(q->account);
    pthread_mutex_lock(&pool->lock);
    q->state = SEND;
}

static void step_scan(rvw_pool_t *pool, query_t *q, thread_t *t) {
    const source_t *source;
    uint32_t chunk;
    while (next_chunk(q, &source, &chunk)) {
        rv_error_t err = {0};
        pthread_mutex_unlock(&pool->lock);
        scan_chunk(q, t, source, chunk, &err);
        pthread_mutex_lock(&pool->lock);
        if (q->account && q->partials[t->number])
            rvw_partial_counted(q->partials[t->number], rvw_account_of(q->account, (size_t)(source - q->sources)));
        if (err.status != RV_OK && q->err.status == RV_OK)
            q->err = err;
        if (pool->queries != q || q->next) /* others wait: give them a turn */
            break;
    }
    bool handed_out = q->err.status != RV_OK || q->next_source >= q->n_sources;
    if (q->state == SCAN && handed_out && q->busy == 1)
        finish_scan(pool, q);
}

static void step_send(rvw_pool_t *pool, query_t *q, thread_t *t) {
    q->waking = false;
    pthread_mutex_unlock(&pool->lock);
    bool done = send_pages(q, t);
    pthread_mutex_lock(&pool->lock);
    q->state = done ? DONE : q->waking ? SEND : PARKED;
}

static void work_on(rvw_pool_t *pool, query_t *q, thread_t *t) {
    unlink_query(pool, q);
    link_last(pool, q);
    q->busy++;
    if (q->state == OPEN)
        step_open(pool, q, t);
    if (q->state == SCAN) {
        if (pool->n_threads > 1 && runnable(q))
            pthread_cond_broadcast(&pool->work);
        step_scan(pool, q, t);
    }
    if (q->state == SEND && q->busy == 1)
        step_send(pool, q, t);
    q->busy--;
    if (q->state == DONE && q->busy == 0) {
        unlink_query(pool, q);
        pool->n_queries--;
        pthread_mutex_unlock(&pool->lock);
        free_query(q, pool);
        pthread_mutex_lock(&pool->lock);
    }
}

static void *run(void *context) {
    thread_t *t = context;
    rvw_pool_t *pool = t->pool;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        query_t *q = pick(pool);
        if (q)
            work_on(pool, q, t);
        else
            pthread_cond_wait(&pool->work, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

rv_status_t rvw_pool_new(rvw_holdings_t *holdings, unsigned threads, rvw_pool_t **ret, rv_error_t *err) {
    rvw_pool_t *pool = calloc(1, sizeof *pool);
    if (!pool || !(pool->threads = calloc(threads, sizeof *pool->threads))) {
        free(pool);
        return rv_fail_memory(err, "the pool");
    }
    pool->holdings = holdings;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    rv_status_t status = RV_OK;
    for (unsigned i = 0; i < threads && status == RV_OK; i++) {
        thread_t *t = &pool->threads[i];
        t->pool = pool;
        t->number = i;
        rv_arena_init(&t->arena, RV_MAX_UNPACK);
        if ((status = rvw_scratch_new(&t->scratch)) != RV_OK)
            rv_fail_memory(err, "a thread of the pool");
        else if (pthread_create(&t->thread, NULL, run, t) != 0) {
            rvw_scratch_destroy(&t->scratch);
            status = rv_fail(err, RV_REASON_BUG, "no thread for the pool");
        } else {
            pthread_mutex_lock(&pool->lock);
            pool->n_threads = i + 1;
            pthread_mutex_unlock(&pool->lock);
        }
    }
    if (status != RV_OK)
        rvw_pool_destroy(&pool);
    else
        *ret = pool;
    return status;
}

void rvw_pool_destroy(rvw_pool_t **ret) {
    rvw_pool_t *pool = *ret;
    *ret = NULL;
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++) {
        pthread_join(pool->threads[i].thread, NULL);
        rvw_scratch_destroy(&pool->threads[i].scratch);
        rv_arena_done(&pool->threads[i].arena);
    }
    for (query_t *q = pool->queries; q;) {
        query_t *next = q->next;
        free_query(q, pool);
        q = next;
    }
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

void rvw_pool_add(rvw_pool_t *pool, rvw_call_t *call, rvw_task_t task) {
    rv_error_t err;
    rv_status_t status = RV_OK;
    query_t *q = calloc(1, sizeof *q);
    pthread_mutex_lock(&pool->lock);
    if (!q)
        status = rv_fail_memory(&err, "a query");
    else if (pool->n_queries >= RV_MAX_QUERIES) {
        status = rv_fail(&err, RV_REASON_BUSY, "%zu queries run already", pool->n_queries);
        err.retry_after_ms = 50;
    } else {
        q->call = call;
        q->task = task;
        pool->n_queries++;
        link_last(pool, q);
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    if (status == RV_OK)
        return;
    free(q);
    rvw_call_reply(call, NULL, false, &err);
    rvw_call_unref(&call);
}

void rvw_pool_wake(rvw_pool_t *pool, const rvw_call_t *call) {
    pthread_mutex_lock(&pool->lock);
    for (query_t *q = pool->queries; q; q = q->next)
        if (q->call == call) {
            if (q->state != OPEN && q->job && rvw_call_stopped(call, NULL) != RV_OK)
                rvw_job_stop(q->job);
            if (q->state == PARKED)
                q->state = SEND;
            else
                q->waking = true;
            pthread_cond_signal(&pool->work);
        }
    pthread_mutex_unlock(&pool->lock);
}

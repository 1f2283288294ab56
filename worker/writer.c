/* writer.c: group commit.
 *
 *   queue ─▶ form a group ─▶ check each part ─▶ one log transaction ─▶ apply, partition by partition ─▶ answer
 *         └▶ Assign, Companies: alone, between groups
 *
 * A group is what waits, at most RV_GROUP_COMMIT calls, and ends before a call whose write identity is in it already,
 * so that a repetition meets the applied original. A part that fails its check is answered and leaves the group; the
 * rest goes on. When the outcome of a commit is not known, every call of the group hears OUTCOME_UNKNOWN and the worker
 * ends: only a start that reads the log knows. Companies are read here, because the answer must contain every write
 * that was sent before, whatever became of it.
 */
#include "writer.h"
#include "background.h"
#include "exec/exec.h"
#include "reveille/log.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/wire.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct item {
    struct item *next;
    rvw_call_t *call;
    rvw_order_t what;
} item_t;

/* One PartitionWrite of a call of the group. */
typedef struct part {
    struct part *next; /* of the same partition in the group */
    rv_arena_t *arena; /* the call's */
    Reveille__V1__PartitionWrite *write;
    Reveille__V1__PartitionWriteResult *result;
    rvw_partition_t *partition;
    rv_error_t err;
    bool known;
    uint64_t content_hash, lsn;
    uint8_t *record;
    size_t record_n;
    rvw_result_t outcome;
} part_t;

/* One Write call of the group. */
typedef struct {
    rvw_call_t *call;
    const Reveille__V1__WriteRequest *request;
    rv_error_t err;
    part_t *parts; /* in the call's arena, one a write */
} member_t;

/* The parts of the group that are one partition's, in their order. */
typedef struct {
    part_t *first, *last;
    uint64_t logged; /* LSN of the last record; 0: none */
} queue_t;

struct rvw_writer {
    rvw_holdings_t *holdings;
    rvw_housekeeper_t *housekeeper;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool stop;
    item_t *first, **last;
    size_t waiting_bytes;
    atomic_bool failed;
    member_t group[RV_GROUP_COMMIT];
    queue_t queues[RV_MAX_PARTITIONS];
    queue_t *used[RV_MAX_PARTITIONS];
};

/* ---- forming a group ---- */

static bool same_identity(const Reveille__V1__WriteRequest *a, const Reveille__V1__WriteRequest *b) {
    const Reveille__V1__WriteIdentity *x = a->n_writes ? a->writes[0]->identity : NULL;
    const Reveille__V1__WriteIdentity *y = b->n_writes ? b->writes[0]->identity : NULL;
    return x && y && x->producer.len && x->sequence == y->sequence && x->producer.len == y->producer.len &&
           memcmp(x->producer.data, y->producer.data, x->producer.len) == 0;
}

static item_t *pop(rvw_writer_t *w) {
    item_t *item = w->first;
    w->first = item->next;
    if (!w->first)
        w->last = &w->first;
    w->waiting_bytes -= rvw_call_bytes(item->call);
    return item;
}

/* Moves a call into the group; false when it repeats an identity of the group. */
static bool join_group(rvw_writer_t *w, size_t n, item_t *item) {
    member_t *member = &w->group[n];
    ProtobufCMessage *message = NULL;
    *member = (member_t){.call = item->call};
    if (rvw_call_unpack(item->call, &reveille__v1__write_request__descriptor, &message, &member->err) != RV_OK)
        return true;
    member->request = (const Reveille__V1__WriteRequest *)message;
    for (size_t i = 0; i < n; i++)
        if (w->group[i].request && same_identity(w->group[i].request, member->request))
            return false;
    return true;
}

/* The next call to write, or NULL when there is none or something else comes first. */
static item_t *take_write(rvw_writer_t *w) {
    pthread_mutex_lock(&w->lock);
    item_t *item = w->first && w->first->what == RVW_WRITE ? pop(w) : NULL;
    pthread_mutex_unlock(&w->lock);
    return item;
}

static void put_back(rvw_writer_t *w, item_t *item) {
    pthread_mutex_lock(&w->lock);
    item->next = w->first;
    w->first = item;
    if (!item->next)
        w->last = &item->next;
    w->waiting_bytes += rvw_call_bytes(item->call);
    pthread_mutex_unlock(&w->lock);
}

/* Waits for work. Returns the number of calls in the group, or 0 with *ret_other set, or 0 to stop. */
static size_t form_group(rvw_writer_t *w, item_t **ret_other) {
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stop)
        pthread_cond_wait(&w->work, &w->lock);
    *ret_other = w->first && w->first->what != RVW_WRITE ? pop(w) : NULL;
    pthread_mutex_unlock(&w->lock);
    size_t n = 0;
    for (item_t *item; !*ret_other && n < RV_GROUP_COMMIT && (item = take_write(w));) {
        if (!join_group(w, n, item)) {
            put_back(w, item);
            break;
        }
        free(item);
        n++;
    }
    return n;
}

/* ---- checking and logging ---- */

static rv_status_t prepare_part(rvw_writer_t *w, const rv_catalog_t *catalog, part_t *part) {
    Reveille__V1__PartitionWrite *write = part->write;
    rv_error_t *err = &part->err;
    rv_status_t status = rvw_holdings_serving(w->holdings, write->partition, write->epoch, &part->partition, err);
    if (status == RV_OK && rvw_partition_waits(part->partition))
        status = rvw_holdings_catch_up(w->holdings, write->partition, err);
    if (status == RV_OK && write->schema_version > rv_catalog_schema_version(catalog))
        status =
            rv_fail(err, RV_REASON_SCHEMA, "the write was made for schema version %llu, this worker has %llu",
                    (unsigned long long)write->schema_version, (unsigned long long)rv_catalog_schema_version(catalog));
    if (status == RV_OK)
        status = rvw_write_check(write, catalog, err);
    if (status == RV_OK)
        status = rvw_record_make(write, &part->record, &part->record_n, &part->content_hash, err);
    if (status == RV_OK)
        status = rvw_partition_check(part->partition, write, part->content_hash, &part->known, err);
    if (status != RV_OK || part->known)
        return status;
    uint64_t *logged = &w->queues[write->partition].logged;
    part->lsn = *logged = (*logged ? *logged : rvw_partition_lsn(part->partition)) + 1;
    return RV_OK;
}

static void prepare_member(rvw_writer_t *w, const rv_catalog_t *catalog, member_t *member) {
    rv_arena_t *arena = rvw_call_arena(member->call);
    if (!member->request || rvw_holdings_check_term(w->holdings, member->request->term, &member->err) != RV_OK ||
        rvw_call_stopped(member->call, &member->err) != RV_OK)
        return;
    size_t n = member->request->n_writes;
    member->parts = rv_arena_zalloc(arena, n + 1, sizeof *member->parts);
    if (!member->parts) {
        rv_fail_memory(&member->err, "a write");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        member->parts[i].write = member->request->writes[i];
        prepare_part(w, catalog, &member->parts[i]);
    }
}

/* Logs all records of the group; on failure every part that had one fails with it. */
static void log_group(rvw_writer_t *w, size_t n) {
    size_t count = 0, cap = 0;
    for (size_t i = 0; i < n; i++)
        cap += w->group[i].parts ? w->group[i].request->n_writes : 0;
    rvw_record_t *records = calloc(cap + 1, sizeof *records);
    rv_error_t err = {0};
    for (size_t i = 0; records && i < n; i++)
        for (size_t k = 0; w->group[i].parts && k < w->group[i].request->n_writes; k++) {
            const part_t *part = &w->group[i].parts[k];
            if (part->lsn)
                records[count++] = (rvw_record_t){part->write->partition, part->lsn, part->record, part->record_n, 0};
        }
    rv_status_t status = records ? RV_OK : rv_fail_memory(&err, "a group of writes");
    if (status == RV_OK && count)
        status = rvw_wal_append(rvw_holdings_wal(w->holdings), records, count, &err);
    free(records);
    if (status == RV_OK)
        return;
    rv_log(RV_LOG_ERROR, "log-failed", "%s: %s", rv_status_name(err.status), err.message);
    if (err.reason == RV_REASON_OUTCOME_UNKNOWN)
        atomic_store(&w->failed, true);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; w->group[i].parts && k < w->group[i].request->n_writes; k++)
            if (w->group[i].parts[k].lsn)
                w->group[i].parts[k].err = err;
}

/* ---- applying and answering ---- */

static void apply_part(rvw_writer_t *w, const rv_catalog_t *catalog, part_t *part) {
    if (part->err.status != RV_OK)
        return;
    uint64_t lsn = part->known ? rvw_partition_lsn(part->partition) : part->lsn;
    rv_status_t status = rvw_partition_apply(part->partition, catalog, part->write, lsn, part->content_hash,
                                             part->known, part->arena, &part->outcome, &part->err);
    if (status != RV_OK) {
        rv_log(RV_LOG_ERROR, "apply-failed", "partition %u: %s", part->write->partition, part->err.message);
        rv_error_t why = part->err;
        bool waits = rvw_partition_waits(part->partition);
        if (!waits)
            rvw_partition_fail(part->partition, &why);
        rv_fail(&part->err, RV_REASON_OUTCOME_UNKNOWN, "partition %u %s: %s", part->write->partition,
                waits ? "has logged the write and carries it out when there is room"
                      : "went out of service while it applied the write",
                why.message);
        return;
    }
    part->lsn = lsn;
    if (!part->known)
        rvw_housekeeper_wrote(w->housekeeper, part->write->partition);
}

/* Applies the group, one partition's parts after the other's: what their look-ups and lists touch then stays in the
 * cache. Those of one partition keep their order. */
static void apply_group(rvw_writer_t *w, const rv_catalog_t *catalog, size_t n) {
    uint32_t used = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; w->group[i].parts && k < w->group[i].request->n_writes; k++) {
            part_t *part = &w->group[i].parts[k];
            queue_t *queue = &w->queues[part->write->partition % RV_MAX_PARTITIONS];
            part->arena = rvw_call_arena(w->group[i].call);
            if (!queue->first)
                w->used[used++] = queue;
            *(queue->first ? &queue->last->next : &queue->first) = part;
            queue->last = part;
        }
    for (uint32_t u = 0; u < used; u++) {
        for (part_t *part = w->used[u]->first; part; part = part->next)
            apply_part(w, catalog, part);
        *w->used[u] = (queue_t){0};
    }
}

/* Storage of one status message on the wire. */
typedef struct {
    Reveille__V1__Status status;
    Reveille__V1__ErrorDetail detail, *details[1];
} wire_status_t;

static Reveille__V1__Status *status_message(const rv_error_t *err, rv_arena_t *arena) {
    wire_status_t *wire = rv_arena_alloc(arena, sizeof *wire);
    if (!wire)
        return NULL;
    rv_wire_status(err, &wire->status, &wire->detail, wire->details);
    return &wire->status;
}

static bool fill_errors(const part_t *part, rv_arena_t *arena, Reveille__V1__PartitionWriteResult *result) {
    size_t n = part->outcome.n_errors;
    result->errors = rv_arena_zalloc(arena, n + 1, sizeof *result->errors);
    for (size_t i = 0; result->errors && i < n; i++) {
        Reveille__V1__ItemError *item = rv_arena_alloc(arena, sizeof *item);
        if (!item)
            return false;
        reveille__v1__item_error__init(item);
        item->index = part->outcome.errors[i].index;
        item->status = status_message(&part->outcome.errors[i].error, arena);
        result->errors[result->n_errors++] = item;
    }
    return result->errors != NULL;
}

static Reveille__V1__PartitionWriteResult *result_message(const part_t *part, rv_arena_t *arena) {
    Reveille__V1__PartitionWriteResult *result = rv_arena_alloc(arena, sizeof *result);
    if (!result)
        return NULL;
    reveille__v1__partition_write_result__init(result);
    result->partition = part->write->partition;
    result->status = status_message(&part->err, arena);
    if (part->err.status != RV_OK)
        return result;
    result->lsn = part->lsn;
    result->applied = part->outcome.applied;
    result->duplicates = part->outcome.duplicates;
    result->duplicates_without_id = part->outcome.duplicates_without_id;
    result->contacts_created = part->outcome.contacts_created;
    result->refused = part->outcome.refused;
    return fill_errors(part, arena, result) ? result : NULL;
}

static void answer_member(member_t *member) {
    Reveille__V1__WriteResponse response = REVEILLE__V1__WRITE_RESPONSE__INIT;
    rv_arena_t *arena = rvw_call_arena(member->call);
    size_t n = member->parts ? member->request->n_writes : 0;
    if (member->err.status == RV_OK) {
        response.results = rv_arena_zalloc(arena, n + 1, sizeof *response.results);
        for (size_t i = 0; response.results && i < n; i++) {
            Reveille__V1__PartitionWriteResult *result = result_message(&member->parts[i], arena);
            if (!result)
                break;
            response.results[response.n_results++] = result;
        }
        if (response.n_results < n) /* durable, but there is no memory to say so */
            rv_fail(&member->err, RV_REASON_OUTCOME_UNKNOWN, "no memory for the result of the write");
    }
    rvw_call_reply(member->call, &response.base, false, &member->err);
    for (size_t i = 0; i < n; i++)
        free(member->parts[i].record);
    rvw_call_unref(&member->call);
}

static void write_group(rvw_writer_t *w, size_t n) {
    rv_catalog_t *catalog = rvw_holdings_catalog(w->holdings);
    rv_error_t no_room = {0};
    if (rvw_holdings_save_catalog(w->holdings, &no_room) == RV_OK)
        rvw_housekeeper_wait_for_room(w->housekeeper, &no_room);
    for (size_t i = 0; i < n; i++) {
        if (no_room.status != RV_OK && w->group[i].err.status == RV_OK)
            w->group[i].err = no_room;
        else
            prepare_member(w, catalog, &w->group[i]);
    }
    log_group(w, n);
    apply_group(w, catalog, n);
    for (size_t i = 0; i < n; i++)
        answer_member(&w->group[i]);
    rv_catalog_unref(&catalog);
}

static void answer_assign(rvw_writer_t *w, rvw_call_t *call) {
    Reveille__V1__AssignResponse response = REVEILLE__V1__ASSIGN_RESPONSE__INIT;
    ProtobufCMessage *message;
    rv_error_t err = {0};
    rv_status_t status = rvw_call_unpack(call, &reveille__v1__assign_request__descriptor, &message, &err);
    if (status == RV_OK)
        status = rvw_holdings_assign(w->holdings, (const Reveille__V1__AssignRequest *)message, &err);
    if (status == RV_OK)
        status = rvw_holdings_report(w->holdings, NULL, 0, rvw_call_arena(call), &response.partitions,
                                     &response.n_partitions, &err);
    if (status != RV_OK)
        rv_log(RV_LOG_WARN, "assign-refused", "%s: %s", rv_status_name(status), err.message);
    rvw_call_reply(call, &response.base, false, &err);
    rvw_call_unref(&call);
}

static rv_status_t open_homes(rvw_writer_t *w, const Reveille__V1__CompaniesRequest *request, rv_arena_t *arena,
                              rvw_partition_t ***ret, rv_error_t *err) {
    rv_status_t status = rvw_holdings_check_term(w->holdings, request->term, err);
    rvw_partition_t **homes = rv_arena_alloc(arena, (request->n_homes + 1) * sizeof *homes);
    if (status == RV_OK && !homes)
        status = rv_fail_memory(err, "companies");
    if (status == RV_OK && rvw_writer_failed(w))
        status = rv_fail(err, RV_REASON_OUTCOME_UNKNOWN, "what became of earlier writes is not known");
    for (size_t i = 0; status == RV_OK && i < request->n_homes; i++)
        status =
            rvw_holdings_serving(w->holdings, request->homes[i]->partition, request->homes[i]->epoch, &homes[i], err);
    *ret = homes;
    return status;
}

static void answer_companies(rvw_writer_t *w, rvw_call_t *call) {
    Reveille__V1__CompaniesResponse *response = NULL;
    ProtobufCMessage *message;
    rvw_partition_t **homes;
    rv_error_t err = {0};
    rv_catalog_t *catalog = rvw_holdings_catalog(w->holdings);
    rv_arena_t *arena = rvw_call_arena(call);
    rv_status_t status = rvw_call_stopped(call, &err);
    if (status == RV_OK)
        status = rvw_call_unpack(call, &reveille__v1__companies_request__descriptor, &message, &err);
    if (status == RV_OK)
        status = open_homes(w, (const Reveille__V1__CompaniesRequest *)message, arena, &homes, &err);
    if (status == RV_OK)
        status = rvw_companies(homes, catalog, (const Reveille__V1__CompaniesRequest *)message, arena, &response, &err);
    rvw_call_reply(call, response ? &response->base : NULL, false, &err);
    rvw_call_unref(&call);
    rv_catalog_unref(&catalog);
}

static void answer_other(rvw_writer_t *w, item_t *item) {
    if (item->what == RVW_ASSIGN)
        answer_assign(w, item->call);
    else
        answer_companies(w, item->call);
    free(item);
}

static void *run(void *context) {
    rvw_writer_t *w = context;
    rvw_run_in_background();
    for (;;) {
        item_t *other;
        size_t n = form_group(w, &other);
        if (other)
            answer_other(w, other);
        else if (n)
            write_group(w, n);
        else
            return NULL;
    }
}

rv_status_t rvw_writer_new(rvw_holdings_t *holdings, rvw_housekeeper_t *housekeeper, rvw_writer_t **ret,
                           rv_error_t *err) {
    rvw_writer_t *w = calloc(1, sizeof *w);
    if (!w)
        return rv_fail_memory(err, "the writer");
    w->holdings = holdings;
    w->housekeeper = housekeeper;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    int failed = pthread_create(&w->thread, NULL, run, w);
    if (failed) {
        free(w);
        return rv_fail(err, RV_REASON_BUG, "no thread: %s", strerror(failed));
    }
    *ret = w;
    return RV_OK;
}

void rvw_writer_destroy(rvw_writer_t **writer) {
    rvw_writer_t *w = *writer;
    *writer = NULL;
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void rvw_writer_add(rvw_writer_t *w, rvw_call_t *call, rvw_order_t what) {
    rv_error_t err;
    rv_status_t status = RV_OK;
    item_t *item = calloc(1, sizeof *item);
    pthread_mutex_lock(&w->lock);
    if (!item)
        status = rv_fail_memory(&err, "a write");
    else if (what != RVW_ASSIGN && w->waiting_bytes + rvw_call_bytes(call) > RV_MAX_WRITE_BYTES) {
        status = rv_fail(&err, RV_REASON_BUSY, "%zu bytes of writes wait already", w->waiting_bytes);
        err.retry_after_ms = 100;
    } else {
        *item = (item_t){.call = call, .what = what};
        *w->last = item;
        w->last = &item->next;
        w->waiting_bytes += rvw_call_bytes(call);
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    if (status == RV_OK)
        return;
    free(item);
    rvw_call_reply(call, NULL, false, &err);
    rvw_call_unref(&call);
}

bool rvw_writer_failed(const rvw_writer_t *writer) {
    return atomic_load(&writer->failed);
}

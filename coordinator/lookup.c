/* lookup.c: one partition, one worker, one task. The worker's numbers of attributes, properties and types become names
 * on the way through; pages of a timeline pass one by one, and the worker gets credit when the client gave some.
 *
 *   Get:      Fetch ─▶ reply
 *   Timeline: History ═▶ page ─▶ (waits for credit) ─▶ reply (more) … last page with the coverage ─▶ reply
 *
 * Thread: the actor's. Failure: UNAVAILABLE/INCOMPLETE when the partition is not available or its worker is lost;
 * NOT_FOUND from the worker. */
#include "lookup.h"
#include "explain.h"
#include "plan.h"
#include "reveille/hash.h"
#include "reveille/text.h"
#include "reveille/v1/company.pb-c.h"
#include "reveille/v1/contact.pb-c.h"
#include "reveille/wire.h"
#include <stdlib.h>
#include <string.h>

typedef enum { CONTACT, COMPANY, TIMELINE } kind_t;

typedef struct page {
    struct page *next;
    rv_arena_t arena;
    Reveille__V1__HistoryResponse *message;
    bool last;
} page_t;

typedef struct {
    rvc_core_t *core;
    rvc_call_t *call;
    kind_t kind;
    rv_catalog_t *catalog;
    const char *key;          /* of the request, which lives as long as the call */
    uint32_t partition, slot; /* its number; the worker that was asked */
    int64_t as_of_ms;
    rvc_task_t *task;
    page_t *first, *last;   /* TIMELINE: pages that wait for credit */
    rvc_explain_t *explain; /* NULL: nothing is explained */
} lookup_t;

static void page_free(page_t *page) {
    rv_arena_done(&page->arena);
    free(page);
}

static void lookup_free(lookup_t *lookup) {
    rvc_link_cancel(lookup->core->link, &lookup->task, true);
    while (lookup->first) {
        page_t *page = lookup->first;
        lookup->first = page->next;
        page_free(page);
    }
    rvc_explain_destroy(&lookup->explain);
    rv_catalog_unref(&lookup->catalog);
    free(lookup);
}

static void fail(lookup_t *lookup, const rv_error_t *err) {
    rvc_call_t *call = lookup->call;
    rv_error_t copy = *err;
    lookup_free(lookup);
    rvc_call_fail(call, &copy);
}

static void on_stop(void *job) {
    lookup_free(job);
}

static void on_failed(void *owner, const rv_error_t *err) {
    lookup_t *lookup = owner;
    rv_error_t own = *err;
    lookup->task = NULL;
    if (err->reason == RV_REASON_OUTCOME_UNKNOWN)
        rvc_cluster_missing(lookup->core->cluster, &lookup->partition, 1, err->message, &own);
    fail(lookup, &own);
}

static rv_status_t bug(const rv_error_t *why, rv_error_t *err) {
    return rv_fail(err, RV_REASON_BUG, "a worker's answer cannot be used: %.400s", why->message);
}

/* What the answer rests on: one partition. */
typedef struct {
    Reveille__V1__Coverage coverage;
    Reveille__V1__PartitionVersion version, *list[1];
} coverage_t;

static Reveille__V1__Coverage *cover(const lookup_t *lookup, uint64_t lsn, coverage_t *room) {
    reveille__v1__coverage__init(&room->coverage);
    reveille__v1__partition_version__init(&room->version);
    room->version.partition = lookup->partition;
    room->version.lsn = lsn;
    room->list[0] = &room->version;
    room->coverage.partitions_expected = room->coverage.partitions_answered = 1;
    room->coverage.as_of_ms = lookup->as_of_ms;
    room->coverage.n_data_version = 1;
    room->coverage.data_version = room->list;
    room->coverage.explain = rvc_explain_message(lookup->explain);
    return &room->coverage;
}

/* Gives columns the names of their attributes; those of attributes that are gone are left out. */
static void name_attributes(const lookup_t *lookup, Reveille__V1__FetchResponse *response) {
    size_t kept = 0;
    for (size_t i = 0; i < response->n_attributes; i++) {
        Reveille__V1__Column *column = response->attributes[i];
        const rv_attribute_t *attribute = lookup->kind == COMPANY
                                              ? rv_catalog_company_attribute_by_id(lookup->catalog, column->id)
                                              : rv_catalog_attribute_by_id(lookup->catalog, column->id);
        if (!attribute)
            continue;
        column->name = (char *)(uintptr_t)attribute->name;
        column->id = 0;
        response->attributes[kept++] = column;
    }
    response->n_attributes = kept;
}

/* What the worker that was asked says about its part. */
static rv_status_t add_explain(lookup_t *lookup, const Reveille__V1__Explain *message, rv_error_t *err) {
    return rvc_explain_add(lookup->explain, rvc_cluster_worker(lookup->core->cluster, lookup->slot)->name, message,
                           err);
}

static void reply_fetched(lookup_t *lookup, Reveille__V1__FetchResponse *response) {
    coverage_t room;
    name_attributes(lookup, response);
    if (lookup->kind == COMPANY) {
        Reveille__V1__CompanyServiceGetResponse message = REVEILLE__V1__COMPANY_SERVICE_GET_RESPONSE__INIT;
        message.key = (char *)(uintptr_t)lookup->key;
        message.attributes = response->attributes;
        message.n_attributes = response->n_attributes;
        message.coverage = cover(lookup, response->lsn, &room);
        rvc_call_reply(lookup->call, &message.base, false);
    } else {
        Reveille__V1__ContactServiceGetResponse message = REVEILLE__V1__CONTACT_SERVICE_GET_RESPONSE__INIT;
        message.key = (char *)(uintptr_t)lookup->key;
        message.attributes = response->attributes;
        message.n_attributes = response->n_attributes;
        message.coverage = cover(lookup, response->lsn, &room);
        rvc_call_reply(lookup->call, &message.base, false);
    }
}

static void on_fetched(void *owner, const uint8_t *body, size_t n, bool more) {
    lookup_t *lookup = owner;
    ProtobufCMessage *message = NULL;
    rv_arena_t arena;
    rv_error_t why, err;
    (void)more;
    lookup->task = NULL;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (rv_wire_unpack(&reveille__v1__fetch_response__descriptor, body, n, &arena, &message, &why) != RV_OK ||
        add_explain(lookup, ((Reveille__V1__FetchResponse *)message)->explain, &why) != RV_OK) {
        bug(&why, &err);
        fail(lookup, &err);
    } else {
        reply_fetched(lookup, (Reveille__V1__FetchResponse *)message);
        lookup_free(lookup);
    }
    rv_arena_done(&arena);
}

/* Numbers of types become codes into their names. */
static rv_status_t name_types(const lookup_t *lookup, Reveille__V1__Column *column, rv_arena_t *arena,
                              rv_error_t *err) {
    size_t n;
    const rv_event_type_t *types = rv_catalog_types(lookup->catalog, &n);
    rv_bytes_t text = {0};
    Reveille__V1__StringColumn *strings = rv_arena_alloc(arena, sizeof *strings);
    uint32_t *lengths = rv_arena_zalloc(arena, n + 1, sizeof *lengths);
    uint32_t *codes = rv_arena_zalloc(arena, column->n_ints + 1, sizeof *codes);
    bool ok = strings && lengths && codes;
    for (size_t i = 0; ok && i < n; i++) {
        lengths[i] = (uint32_t)strlen(types[i].name);
        ok = rv_bytes_add(&text, types[i].name, lengths[i]);
    }
    char *data = ok ? rv_arena_strndup(arena, (const char *)text.p, text.n) : NULL;
    rv_bytes_done(&text);
    if (!data)
        return rv_fail_memory(err, "a timeline");
    for (size_t row = 0; row < column->n_ints; row++) {
        const rv_event_type_t *type = rv_catalog_type_by_id(lookup->catalog, (uint32_t)column->ints[row]);
        if (!type)
            return rv_fail(err, RV_REASON_BUG, "an event is of type number %lld, which the catalog does not have",
                           (long long)column->ints[row]);
        codes[row] = (uint32_t)(type - types);
    }
    reveille__v1__string_column__init(strings);
    strings->data.data = (uint8_t *)data;
    for (size_t i = 0; i < n; i++)
        strings->data.len += lengths[i];
    strings->n_lengths = n;
    strings->lengths = lengths;
    column->type = RV_STRING;
    column->strings = strings;
    column->n_codes = column->n_ints;
    column->codes = codes;
    column->n_ints = 0;
    column->ints = NULL;
    return RV_OK;
}

static rv_status_t name_columns(const lookup_t *lookup, page_t *page, rv_error_t *err) {
    Reveille__V1__HistoryResponse *message = page->message;
    size_t kept = 0;
    for (size_t i = 0; i < message->n_columns; i++) {
        Reveille__V1__Column *column = message->columns[i];
        if (column->id == 0) {
            rv_status_t status = RV_OK;
            if (strcmp(column->name, "type") == 0 && column->type == RV_INT)
                status = name_types(lookup, column, &page->arena, err);
            else if (strcmp(column->name, "id") == 0)
                column->name = rv_catalog_message(lookup->catalog)->schema->event_id;
            if (status != RV_OK)
                return status;
        } else {
            const rv_attribute_t *property = rv_catalog_property_by_id(lookup->catalog, column->id);
            if (!property)
                continue;
            column->name = (char *)(uintptr_t)property->name;
            column->id = 0;
        }
        message->columns[kept++] = column;
    }
    message->n_columns = kept;
    return RV_OK;
}

/* Sends the pages that the credit allows. The lookup may be gone afterwards. */
static void pump(lookup_t *lookup) {
    while (lookup->first && rvc_call_may_send(lookup->call)) {
        page_t *page = lookup->first;
        Reveille__V1__TimelineResponse message = REVEILLE__V1__TIMELINE_RESPONSE__INIT;
        coverage_t room;
        message.columns = page->message->columns;
        message.n_columns = page->message->n_columns;
        if (page->last)
            message.coverage = cover(lookup, page->message->lsn, &room);
        bool there = rvc_call_reply(lookup->call, &message.base, !page->last);
        if (!there) {
            if (page->last)
                lookup_free(lookup);
            return;
        }
        lookup->first = page->next;
        if (!lookup->first)
            lookup->last = NULL;
        page_free(page);
        if (lookup->task)
            rvc_link_credit(lookup->core->link, lookup->task, 1);
    }
}

static void on_history(void *owner, const uint8_t *body, size_t n, bool more) {
    lookup_t *lookup = owner;
    ProtobufCMessage *message = NULL;
    rv_error_t why, err;
    if (!more)
        lookup->task = NULL;
    page_t *page = calloc(1, sizeof *page);
    rv_status_t status = page ? RV_OK : rv_fail_memory(&why, "a page");
    if (page)
        rv_arena_init(&page->arena, RV_MAX_UNPACK);
    if (status == RV_OK)
        status = rv_wire_unpack(&reveille__v1__history_response__descriptor, body, n, &page->arena, &message, &why);
    if (status == RV_OK) {
        page->message = (Reveille__V1__HistoryResponse *)message;
        page->last = !more;
        status = name_columns(lookup, page, &why);
    }
    if (status == RV_OK && !more)
        status = add_explain(lookup, page->message->explain, &why);
    if (status != RV_OK) {
        if (page)
            page_free(page);
        bug(&why, &err);
        fail(lookup, &err);
        return;
    }
    if (lookup->last)
        lookup->last->next = page;
    else
        lookup->first = page;
    lookup->last = page;
    pump(lookup);
}

static void on_resume(void *job) {
    pump(job);
}

static const rvc_task_ops_t FETCH = {on_fetched, on_failed};
static const rvc_task_ops_t HISTORY = {on_history, on_failed};
static const rvc_job_ops_t JOB = {.stop = on_stop, .resume = on_resume};

static rv_status_t check_key(const char *key, rv_error_t *err) {
    size_t n = strlen(key);
    if (n == 0 || n > RV_MAX_KEY) {
        rv_fail(err, RV_REASON_FIELD, "a key has 1 to %u bytes, this one has %zu", RV_MAX_KEY, n);
        if (err)
            memcpy(err->field, "key", sizeof "key");
        return RV_INVALID_ARGUMENT;
    }
    return RV_OK;
}

static rv_status_t send(lookup_t *lookup, rv_error_t *err) {
    rvc_core_t *core = lookup->core;
    const rvc_partition_t *partition = rvc_cluster_partition(core->cluster, lookup->partition);
    if (partition->state != RVC_PARTITION_AVAILABLE)
        return rvc_cluster_missing(core->cluster, &lookup->partition, 1, NULL, err);
    lookup->slot = partition->worker;
    Reveille__V1__QueryPartition where = REVEILLE__V1__QUERY_PARTITION__INIT;
    where.partition = lookup->partition;
    where.epoch = partition->epoch;
    where.min_lsn = partition->lsn;
    int64_t deadline = rvc_call_deadline(lookup->call);
    if (lookup->kind == TIMELINE) {
        Reveille__V1__HistoryRequest request = REVEILLE__V1__HISTORY_REQUEST__INIT;
        request.partition = &where;
        request.key = (char *)(uintptr_t)lookup->key;
        request.until_ms = lookup->as_of_ms;
        request.explain = lookup->explain != NULL;
        return rvc_link_send(core->link, partition->worker, "reveille.v1.WorkerService/History", &request.base,
                             deadline, &HISTORY, lookup, &lookup->task, err);
    }
    Reveille__V1__FetchRequest request = REVEILLE__V1__FETCH_REQUEST__INIT;
    request.partition = &where;
    request.key = (char *)(uintptr_t)lookup->key;
    request.company = lookup->kind == COMPANY;
    request.explain = lookup->explain != NULL;
    return rvc_link_send(core->link, partition->worker, "reveille.v1.WorkerService/Fetch", &request.base, deadline,
                         &FETCH, lookup, &lookup->task, err);
}

static void begin(rvc_core_t *core, rvc_call_t *call, kind_t kind, const char *key,
                  const Reveille__V1__ReadOptions *options, bool explain) {
    rv_error_t err;
    lookup_t *lookup = calloc(1, sizeof *lookup);
    rv_status_t status = lookup ? rvc_need_schema(core->catalog, &err) : rv_fail_memory(&err, "a read");
    if (status == RV_OK)
        status = check_key(key, &err);
    if (status != RV_OK) {
        free(lookup);
        rvc_call_fail(call, &err);
        return;
    }
    lookup->core = core;
    lookup->call = call;
    lookup->kind = kind;
    lookup->catalog = rv_catalog_ref(core->catalog);
    lookup->key = key;
    lookup->partition = rv_partition_of(key, strlen(key), rvc_cluster_partitions(core->cluster));
    lookup->as_of_ms = rvc_as_of(options, core->wall_ms());
    status = explain ? rvc_explain_new(0, &lookup->explain, &err) : RV_OK;
    if (status == RV_OK)
        status = send(lookup, &err);
    if (status != RV_OK)
        fail(lookup, &err);
    else
        rvc_call_attach(call, &JOB, lookup);
}

void rvc_contact_get(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    const Reveille__V1__ContactServiceGetRequest *get = (const Reveille__V1__ContactServiceGetRequest *)request;
    begin(context, call, CONTACT, get->key, NULL, get->explain);
}

void rvc_company_get(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    const Reveille__V1__CompanyServiceGetRequest *get = (const Reveille__V1__CompanyServiceGetRequest *)request;
    begin(context, call, COMPANY, get->key, NULL, get->explain);
}

void rvc_contact_timeline(void *context, rvc_call_t *call, const ProtobufCMessage *request) {
    const Reveille__V1__TimelineRequest *timeline = (const Reveille__V1__TimelineRequest *)request;
    begin(context, call, TIMELINE, timeline->key, timeline->options, timeline->options && timeline->options->explain);
}

/* feed.c: page after page.
 *
 *   ASK:   keys from `at` on ═▶ the homes' worker ─▶ a page of whole companies with their versions
 *   WRITE: the page to every partition, a slice of partitions at a time ─▶ ASK, until no key is left
 *
 * The home gets its own companies back: that changes nothing there, and so every partition gets the same bytes. Slices
 * keep P copies of a page from being in memory at once. A partition takes a company under a version not below its own,
 * whole, so that it does not matter which feeds came before or were left unfinished. Thread: the actor's. Failure: the
 * first one ends the feed; so does a step that takes longer than STEP_MS. */
#include "feed.h"
#include "reveille/fault.h"
#include "reveille/wire.h"
#include "write.h"
#include <stdlib.h>
#include <string.h>

#define SLICE_BYTES (8u << 20)
#define ASK_BYTES (256u << 10) /* of keys in one request, about */
#define STEP_MS RV_DEFAULT_TIMEOUT_MS

struct rvc_feed {
    rvc_core_t *core;
    uint32_t slot;
    const rvc_company_t *companies;
    size_t n, at;          /* those before `at` are everywhere */
    uint32_t skip;         /* and so are so many attributes of that one, */
    uint64_t skip_version; /* as this version of the schema orders them */
    rvc_task_t *task;
    rv_arena_t arena; /* of the page */
    const Reveille__V1__CompaniesResponse *page;
    size_t page_bytes;
    uint32_t next; /* first partition of the next slice */
    rvc_write_t *write;
    rvc_timer_t timer;
    rvc_feed_done_t *done;
    void *owner;
};

void rvc_feed_destroy(rvc_feed_t **feed) {
    rvc_feed_t *it = *feed;
    if (!it)
        return;
    rvc_link_cancel(it->core->link, &it->task, false);
    rvc_write_destroy(&it->write);
    rvc_timer_clear(it->core->timers, &it->timer);
    rv_arena_done(&it->arena);
    free(it);
    *feed = NULL;
}

static void on_late(void *owner, int64_t now) {
    rvc_feed_t *feed = owner;
    rv_error_t err;
    (void)now;
    rv_fail(&err, RV_REASON_OUTCOME_UNKNOWN, "%s has not answered for %u ms",
            rvc_cluster_worker(feed->core->cluster, feed->slot)->name, STEP_MS);
    feed->done(feed->owner, &err);
}

static int64_t begin_step(rvc_feed_t *feed) {
    int64_t end = rvc_timers_now(feed->core->timers) + STEP_MS;
    rvc_timer_set(feed->core->timers, &feed->timer, end, on_late, feed);
    return end;
}

static rv_status_t page_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                             Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    const rvc_feed_t *feed = context;
    (void)share;
    (void)arena;
    (void)err;
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES;
    write->companies = feed->page->batch;
    return RV_OK;
}

static void go_on(void *owner);

/* The page to the next slice of partitions. */
static rv_status_t send_slice(rvc_feed_t *feed, rv_error_t *err) {
    uint32_t partitions = rvc_cluster_partitions(feed->core->cluster);
    size_t at_once = SLICE_BYTES / (feed->page_bytes + 1) + 1;
    rv_status_t status = rvc_write_new(feed->core, &feed->write, err);
    if (status != RV_OK)
        return status;
    rv_arena_t *arena = rvc_write_arena(feed->write);
    rvc_share_t *shares = rv_arena_zalloc(arena, at_once, sizeof *shares);
    if (!shares)
        return rv_fail_memory(err, "a write");
    rvc_write_spec_t spec = {
        .shares = shares, .schema_version = feed->page->schema_version, .body = page_body, .context = feed};
    while (feed->next < partitions && spec.n < at_once)
        shares[spec.n++].partition = feed->next++;
    status = rvc_refusals_init(rvc_write_refusals(feed->write), 0, arena, err);
    return status == RV_OK ? rvc_write_start(feed->write, &spec, begin_step(feed), go_on, feed, err) : status;
}

/* The page is everywhere. */
static void page_done(rvc_feed_t *feed) {
    feed->at += feed->page->done;
    feed->skip = feed->page->skip;
    feed->skip_version = feed->page->schema_version;
    feed->page = NULL;
    rv_arena_reset(&feed->arena);
}

static bool page_fits(const rvc_feed_t *feed, const Reveille__V1__CompaniesResponse *page) {
    const Reveille__V1__CompanyBatch *batch = page->batch;
    return page->done <= feed->n - feed->at && (page->done > 0 || page->skip > feed->skip) && batch && batch->batch &&
           batch->batch->keys && batch->n_versions == batch->batch->keys->n_lengths;
}

/* A company in pieces is begun again when the schema changed between them. */
static bool order_changed(const rvc_feed_t *feed, const Reveille__V1__CompaniesResponse *page) {
    return feed->skip && page->schema_version != feed->skip_version;
}

static void take_page(rvc_feed_t *feed, const Reveille__V1__CompaniesResponse *page, size_t bytes) {
    feed->page = page;
    feed->page_bytes = bytes;
    feed->next = page->batch->n_versions ? 0 : rvc_cluster_partitions(feed->core->cluster);
}

static void on_page(void *owner, const uint8_t *body, size_t n, bool more) {
    rvc_feed_t *feed = owner;
    ProtobufCMessage *message = NULL;
    rv_error_t err;
    (void)more;
    feed->task = NULL;
    rv_status_t status =
        rv_wire_unpack(&reveille__v1__companies_response__descriptor, body, n, &feed->arena, &message, &err);
    const Reveille__V1__CompaniesResponse *page = (const Reveille__V1__CompaniesResponse *)message;
    if (status == RV_OK && order_changed(feed, page))
        feed->skip = 0;
    else if (status == RV_OK && page_fits(feed, page))
        take_page(feed, page, n);
    else if (status == RV_OK)
        status = rv_fail(&err, RV_REASON_BUG, "a worker's answer with companies does not fit the question");
    if (status == RV_OK)
        go_on(feed);
    else
        feed->done(feed->owner, &err);
}

static void on_failed(void *owner, const rv_error_t *err) {
    rvc_feed_t *feed = owner;
    feed->task = NULL;
    feed->done(feed->owner, err);
}

static const rvc_task_ops_t TASK = {on_page, on_failed};

typedef struct {
    Reveille__V1__CompaniesRequest request;
    Reveille__V1__StringColumn keys;
    uint32_t number[RV_MAX_PARTITIONS]; /* 1 + of a partition among the homes */
    Reveille__V1__HomePartition homes[RV_MAX_PARTITIONS], *list[RV_MAX_PARTITIONS];
} question_t;

static void add_key(const rvc_feed_t *feed, question_t *question, const rvc_company_t *company) {
    uint32_t *number = &question->number[company->home];
    if (!*number) {
        Reveille__V1__HomePartition *home = &question->homes[question->request.n_homes];
        reveille__v1__home_partition__init(home);
        home->partition = company->home;
        home->epoch = rvc_cluster_partition(feed->core->cluster, company->home)->epoch;
        question->list[question->request.n_homes] = home;
        *number = (uint32_t)++question->request.n_homes;
    }
    memcpy(question->keys.data.data + question->keys.data.len, company->p, company->n);
    question->keys.data.len += company->n;
    question->keys.lengths[question->keys.n_lengths++] = company->n;
    question->request.home_of[question->request.n_home_of++] = *number - 1;
}

/* As many keys as fit. */
static rv_status_t make_question(const rvc_feed_t *feed, rv_arena_t *arena, const Reveille__V1__CompaniesRequest **ret,
                                 rv_error_t *err) {
    question_t *question = rv_arena_zalloc(arena, 1, sizeof *question);
    size_t n = 0, bytes = 0;
    while (feed->at + n < feed->n && bytes < ASK_BYTES) {
        bytes += feed->companies[feed->at + n].n + 2 * sizeof(uint32_t);
        n++;
    }
    if (!question)
        return rv_fail_memory(err, "a request");
    reveille__v1__companies_request__init(&question->request);
    reveille__v1__string_column__init(&question->keys);
    question->keys.data.data = rv_arena_alloc(arena, bytes + 1);
    question->keys.lengths = rv_arena_alloc(arena, (n + 1) * sizeof(uint32_t));
    question->request.home_of = rv_arena_alloc(arena, (n + 1) * sizeof(uint32_t));
    if (!question->keys.data.data || !question->keys.lengths || !question->request.home_of)
        return rv_fail_memory(err, "a request");
    question->request.homes = question->list;
    question->request.keys = &question->keys;
    question->request.skip = feed->skip;
    question->request.term = rvc_meta_identity(feed->core->meta)->term;
    for (size_t i = 0; i < n; i++)
        add_key(feed, question, &feed->companies[feed->at + i]);
    *ret = &question->request;
    return RV_OK;
}

static rv_status_t ask(rvc_feed_t *feed, rv_error_t *err) {
    const Reveille__V1__CompaniesRequest *request = NULL;
    rv_status_t status = make_question(feed, &feed->arena, &request, err);
    if (status == RV_OK)
        status = rvc_link_send(feed->core->link, feed->slot, "reveille.v1.WorkerService/Companies", &request->base,
                               begin_step(feed), &TASK, feed, &feed->task, err);
    rv_arena_reset(&feed->arena);
    return status;
}

/* The next step, until one is under way. Ends the feed with the last or with a failure. */
static void go_on(void *owner) {
    rvc_feed_t *feed = owner;
    rv_error_t err;
    rv_status_t status = RV_OK;
    while (status == RV_OK && !feed->task && !(feed->write && !rvc_write_is_done(feed->write))) {
        bool some;
        if (feed->write) {
            status = rvc_write_outcome(feed->write, &some, &err);
            rvc_write_destroy(&feed->write);
            if (status == RV_OK && RV_FAULT("fanout-slice"))
                status = rv_fail(&err, RV_REASON_OUTCOME_UNKNOWN, "fault point fanout-slice");
        } else if (feed->page && feed->next < rvc_cluster_partitions(feed->core->cluster)) {
            status = send_slice(feed, &err);
        } else if (feed->page) {
            page_done(feed);
        } else if (feed->at < feed->n) {
            status = ask(feed, &err);
        } else {
            feed->done(feed->owner, NULL);
            return;
        }
    }
    if (status != RV_OK)
        feed->done(feed->owner, &err);
}

rv_status_t rvc_feed_start(rvc_core_t *core, uint32_t slot, const rvc_company_t *companies, size_t n,
                           rvc_feed_done_t *done, void *owner, rvc_feed_t **ret, rv_error_t *err) {
    rvc_feed_t *feed = calloc(1, sizeof *feed);
    if (!feed)
        return rv_fail_memory(err, "a fan-out");
    *feed = (rvc_feed_t){.core = core, .slot = slot, .companies = companies, .n = n, .done = done, .owner = owner};
    rv_arena_init(&feed->arena, RV_MAX_UNPACK);
    rv_status_t status = ask(feed, err);
    if (status == RV_OK)
        *ret = feed;
    else
        rvc_feed_destroy(&feed);
    return status;
}

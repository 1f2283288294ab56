/* A whole coordinator in memory: clients and workers are lists of messages, time is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../coordinator/node.h"
#include "reveille/limits.h"
#include "reveille/v1/company.pb-c.h"
#include "reveille/v1/contact.pb-c.h"
#include "reveille/v1/event.pb-c.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/valcodec.h"
#include "reveille/wire.h"

#define PARTITIONS 4u

/* A message that left the coordinator. */
typedef struct letter {
    struct letter *next;
    char routing[64];
    rv_arena_t arena;
    Reveille__V1__RequestHeader *request; /* to a worker's data socket */
    Reveille__V1__ReplyHeader *reply;     /* to a client or a control socket */
    uint8_t body[RV_MAX_BODY];
    size_t body_n;
} letter_t;

enum { CLIENTS, DATA, CONTROL };
static struct { letter_t *first; } boxes[3];
static rvc_sent_t answer_of[3]; /* what the sockets say */
static rvc_node_t *node;
static char dir[64];
static int64_t now, wall = 1780000000000ll;
static uint64_t lsn; /* of the fake workers */

static int64_t wall_ms(void) {
    return wall;
}

static rvc_sent_t keep(void *context, const rvc_message_t *message) {
    int which = (int)(intptr_t)context;
    if (answer_of[which] != RVC_SENT)
        return answer_of[which];
    letter_t *letter = calloc(1, sizeof *letter), **link = &boxes[which].first;
    ProtobufCMessage *header;
    memcpy(letter->routing, message->routing, message->routing_n);
    rv_arena_init(&letter->arena, RV_MAX_UNPACK);
    assert_int_equal(rv_wire_unpack(which == DATA ? &reveille__v1__request_header__descriptor
                                                  : &reveille__v1__reply_header__descriptor,
                                    message->header, message->header_n, &letter->arena, &header, NULL),
                     RV_OK);
    if (which == DATA)
        letter->request = (Reveille__V1__RequestHeader *)header;
    else
        letter->reply = (Reveille__V1__ReplyHeader *)header;
    assert_true(message->body_n <= RV_MAX_BODY);
    if (message->body_n)
        memcpy(letter->body, message->body, message->body_n);
    letter->body_n = message->body_n;
    while (*link)
        link = &(*link)->next;
    *link = letter;
    return RVC_SENT;
}

static letter_t *take(int which) {
    letter_t *letter = boxes[which].first;
    if (letter)
        boxes[which].first = letter->next;
    return letter;
}

static void done(letter_t *letter) {
    rv_arena_done(&letter->arena);
    free(letter);
}

static void throw_away(int which) {
    letter_t *letter;
    while ((letter = take(which)))
        done(letter);
}

static void *open_body(letter_t *letter, const ProtobufCMessageDescriptor *type) {
    ProtobufCMessage *message = NULL;
    rv_error_t err;
    if (rv_wire_unpack(type, letter->body, letter->body_n, &letter->arena, &message, &err) != RV_OK)
        fail_msg("%s", err.message);
    return message;
}

/* Frames into the coordinator. */
static void deliver(rvc_from_t from, const char *routing, const ProtobufCMessage *header, const uint8_t *body,
                    size_t n) {
    uint8_t *bytes;
    size_t header_n;
    assert_int_equal(rv_wire_pack(header, &bytes, &header_n), RV_OK);
    const uint8_t *data[] = {(const uint8_t *)routing, (const uint8_t *)"", (const uint8_t *)"RVL1", bytes, body};
    const size_t size[] = {strlen(routing), 0, 4, header_n, n};
    rvc_node_wake(node, now);
    rvc_node_receive(node, from, data, size, 5);
    free(bytes);
}

static void send_kind(rvc_from_t from, const char *routing, const char *id, Reveille__V1__Kind kind, uint64_t seq,
                      const char *method, const ProtobufCMessage *message) {
    Reveille__V1__RequestHeader header = REVEILLE__V1__REQUEST_HEADER__INIT;
    uint8_t *body = NULL;
    size_t n = 0;
    header.method = (char *)(uintptr_t)(method ? method : "");
    header.request_id.data = (uint8_t *)(uintptr_t)id;
    header.request_id.len = strlen(id);
    header.kind = kind;
    header.seq = seq;
    if (message)
        assert_int_equal(rv_wire_pack(message, &body, &n), RV_OK);
    deliver(from, routing, &header.base, body ? body : (const uint8_t *)"", n);
    free(body);
}

static void call(const char *id, const char *method, const ProtobufCMessage *message) {
    char name[80];
    snprintf(name, sizeof name, "reveille.v1.%s", method);
    send_kind(RVC_FROM_CLIENT, "client", id, REVEILLE__V1__KIND__KIND_CALL, 0, name, message);
}

/* A worker's reply to a task. */
static void answer(const letter_t *task, const ProtobufCMessage *message, const rv_error_t *err, bool more) {
    Reveille__V1__ReplyHeader header = REVEILLE__V1__REPLY_HEADER__INIT;
    Reveille__V1__Status status;
    Reveille__V1__ErrorDetail detail, *details[1];
    uint8_t *body = NULL;
    size_t n = 0;
    rv_wire_status(err, &status, &detail, details);
    header.request_id = task->request->request_id;
    header.status = &status;
    header.more = more;
    if (message)
        assert_int_equal(rv_wire_pack(message, &body, &n), RV_OK);
    deliver(RVC_FROM_WORKER_DATA, task->routing, &header.base, body ? body : (const uint8_t *)"", n);
    free(body);
}

static letter_t *expect(int which) {
    letter_t *letter = take(which);
    if (!letter)
        fail_msg("a message was expected in box %d", which);
    return letter;
}

static letter_t *expect_task(const char *method) {
    letter_t *letter = expect(DATA);
    assert_int_equal(letter->request->kind, REVEILLE__V1__KIND__KIND_CALL);
    assert_string_equal(strrchr(letter->request->method, '/') + 1, method);
    return letter;
}

/* The reply of a call that failed. */
static void expect_error(const char *id, rv_status_t status, rv_reason_t reason, const char *text) {
    letter_t *letter = expect(CLIENTS);
    rv_error_t err = {0};
    assert_memory_equal(letter->reply->request_id.data, id, strlen(id));
    assert_false(letter->reply->more);
    rv_wire_error(letter->reply->status, &err);
    if (err.status != status || err.reason != reason || (text && !strstr(err.message, text)))
        fail_msg("%s %s: %s", rv_status_name(err.status), rv_reason_name(err.reason), err.message);
    assert_int_equal(letter->body_n, 0);
    done(letter);
}

static letter_t *expect_reply(const char *id, bool more) {
    letter_t *letter = expect(CLIENTS);
    assert_memory_equal(letter->reply->request_id.data, id, strlen(id));
    if (letter->reply->status && letter->reply->status->code)
        fail_msg("%s", letter->reply->status->message);
    assert_int_equal(letter->reply->more, more);
    return letter;
}

/* ---- workers ---- */

static void register_worker(const char *name, uint64_t incarnation, const int *held) {
    Reveille__V1__RegisterWorkerRequest request = REVEILLE__V1__REGISTER_WORKER_REQUEST__INIT;
    Reveille__V1__PartitionReport reports[PARTITIONS], *list[PARTITIONS];
    Reveille__V1__PartitionStatus statuses[PARTITIONS];
    request.name = (char *)(uintptr_t)name;
    request.incarnation = incarnation;
    request.routing_id.data = (uint8_t *)(uintptr_t)name;
    request.routing_id.len = strlen(name);
    for (size_t i = 0; held && held[i] >= 0; i++) {
        reveille__v1__partition_report__init(&reports[i]);
        reveille__v1__partition_status__init(&statuses[i]);
        statuses[i].partition = (uint32_t)held[i];
        reports[i].status = &statuses[i];
        reports[i].epoch = 1;
        list[request.n_partitions++] = &reports[i];
    }
    request.partitions = list;
    send_kind(RVC_FROM_WORKER_CONTROL, name, "r", REVEILLE__V1__KIND__KIND_CALL, 0,
              "reveille.v1.RegistryService/RegisterWorker", &request.base);
}

static bool ping(const char *name, uint64_t incarnation) {
    Reveille__V1__PingRequest request = REVEILLE__V1__PING_REQUEST__INIT;
    request.name = (char *)(uintptr_t)name;
    request.incarnation = incarnation;
    throw_away(CONTROL);
    send_kind(RVC_FROM_WORKER_CONTROL, name, "p", REVEILLE__V1__KIND__KIND_CALL, 0, "reveille.v1.RegistryService/Ping",
              &request.base);
    letter_t *letter = expect(CONTROL);
    Reveille__V1__PingResponse *response = open_body(letter, &reveille__v1__ping_response__descriptor);
    bool ok = !response->must_register;
    done(letter);
    return ok;
}

/* Confirms everything in an Assign. */
static void confirm(letter_t *task) {
    Reveille__V1__AssignRequest *request = open_body(task, &reveille__v1__assign_request__descriptor);
    Reveille__V1__AssignResponse response = REVEILLE__V1__ASSIGN_RESPONSE__INIT;
    Reveille__V1__PartitionReport reports[PARTITIONS], *list[PARTITIONS];
    Reveille__V1__PartitionStatus statuses[PARTITIONS];
    for (size_t i = 0; i < request->n_partitions; i++) {
        reveille__v1__partition_report__init(&reports[i]);
        reveille__v1__partition_status__init(&statuses[i]);
        statuses[i].partition = request->partitions[i]->partition;
        reports[i].status = &statuses[i];
        list[i] = &reports[i];
    }
    response.n_partitions = request->n_partitions;
    response.partitions = list;
    answer(task, &response.base, NULL, false);
    done(task);
}

/* Confirms all Assigns that are under way. */
static void confirm_all(void) {
    letter_t *task;
    while ((task = take(DATA))) {
        if (task->request->kind == REVEILLE__V1__KIND__KIND_CALL)
            assert_string_equal(task->request->method, "reveille.v1.WorkerService/Assign");
        confirm(task);
    }
}

/* Takes a Write as a worker that accepts everything. */
static void accept_write(letter_t *task) {
    Reveille__V1__WriteRequest *request = open_body(task, &reveille__v1__write_request__descriptor);
    Reveille__V1__WriteResponse response = REVEILLE__V1__WRITE_RESPONSE__INIT;
    Reveille__V1__PartitionWriteResult results[PARTITIONS], *list[PARTITIONS];
    Reveille__V1__Status ok = REVEILLE__V1__STATUS__INIT;
    assert_true(request->n_writes <= PARTITIONS);
    for (size_t i = 0; i < request->n_writes; i++) {
        const Reveille__V1__PartitionWrite *write = request->writes[i];
        reveille__v1__partition_write_result__init(&results[i]);
        results[i].partition = write->partition;
        results[i].status = &ok;
        results[i].lsn = ++lsn;
        if (write->body_case == REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS)
            results[i].applied = write->events->n_times_ms;
        else if (write->body_case == REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS)
            results[i].applied = write->contacts->keys->n_lengths;
        else if (write->body_case == REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES)
            results[i].applied = write->companies->batch->keys->n_lengths;
        list[i] = &results[i];
    }
    response.n_results = request->n_writes;
    response.results = list;
    answer(task, &response.base, NULL, false);
    done(task);
}

/* Answers a Query of counts: ten rows a partition. */
static void answer_count(letter_t *task) {
    Reveille__V1__QueryRequest *request = open_body(task, &reveille__v1__query_request__descriptor);
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__QueryPartitionResult results[PARTITIONS], *list[PARTITIONS];
    Reveille__V1__Status ok = REVEILLE__V1__STATUS__INIT;
    assert_int_equal(request->sink_case, REVEILLE__V1__QUERY_REQUEST__SINK_COUNT);
    for (size_t i = 0; i < request->n_partitions; i++) {
        reveille__v1__query_partition_result__init(&results[i]);
        results[i].partition = request->partitions[i]->partition;
        results[i].status = &ok;
        results[i].lsn = 5;
        list[i] = &results[i];
        response.count += 10;
    }
    response.n_partitions = request->n_partitions;
    response.partitions = list;
    answer(task, &response.base, NULL, false);
    done(task);
}

/* ---- the cluster of each test ---- */

static void start(void) {
    rv_error_t err;
    rvc_node_options_t options = {.data_dir = dir,
                                  .workers = 2,
                                  .partitions = PARTITIONS,
                                  .chunk_rows = 16,
                                  .clients = {keep, (void *)CLIENTS},
                                  .data = {keep, (void *)DATA},
                                  .control = {keep, (void *)CONTROL},
                                  .wall_ms = wall_ms};
    if (rvc_node_new(&options, now, &node, &err) != RV_OK)
        fail_msg("%s", err.message);
}

static void apply_schema(void) {
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__Attribute country = REVEILLE__V1__ATTRIBUTE__INIT, name = country, value = country;
    Reveille__V1__Attribute *attributes[] = {&country}, *company[] = {&name}, *properties[] = {&value};
    Reveille__V1__EventType purchase = REVEILLE__V1__EVENT_TYPE__INIT, click = purchase, *types[] = {&purchase, &click};
    Reveille__V1__ApplyRequest request = REVEILLE__V1__APPLY_REQUEST__INIT;
    schema.contact_key = "contact";
    schema.company_key = "company_key";
    schema.event_id = "event";
    country.name = "country";
    country.type = RV_STRING;
    name.name = "industry";
    name.type = RV_STRING;
    value.name = "value";
    value.type = RV_DECIMAL;
    value.scale = 2;
    purchase.name = "purchase";
    purchase.channel = "web";
    click.name = "click";
    schema.n_contact_attributes = schema.n_company_attributes = schema.n_event_properties = 1;
    schema.contact_attributes = attributes;
    schema.company_attributes = company;
    schema.event_properties = properties;
    schema.n_event_types = 2;
    schema.event_types = types;
    request.schema = &schema;
    call("schema", "SchemaService/Apply", &request.base);
    assert_null(boxes[CLIENTS].first); /* not before the workers have it */
    confirm_all();
    letter_t *letter = expect_reply("schema", false);
    Reveille__V1__ApplyResponse *response = open_body(letter, &reveille__v1__apply_response__descriptor);
    assert_true(response->changed);
    assert_int_equal(response->schema->version, 1);
    done(letter);
}

static int begin(void **state) {
    (void)state;
    strcpy(dir, "/tmp/rvc-node-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    now = 1000;
    lsn = 0;
    for (int i = 0; i < 3; i++)
        answer_of[i] = RVC_SENT;
    start();
    register_worker("worker-1", 1, NULL);
    assert_null(boxes[DATA].first);
    register_worker("worker-2", 1, NULL);
    confirm_all();
    throw_away(CONTROL);
    apply_schema();
    return 0;
}

static int end(void **state) {
    (void)state;
    char path[128];
    rvc_node_destroy(&node);
    for (int i = 0; i < 3; i++)
        throw_away(i);
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/lock.mdb", dir);
    unlink(path);
    return rmdir(dir);
}

/* ---- reads ---- */

static void ask_count(const char *id, bool allow_partial) {
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    options.allow_partial = allow_partial;
    request.filter = "country = 'DE'";
    request.options = &options;
    call(id, "SegmentService/Count", &request.base);
}

static void a_count_adds_up_what_all_workers_say(void **state) {
    (void)state;
    ask_count("q1", false);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_count(second);
    assert_null(boxes[CLIENTS].first);
    answer_count(first);
    letter_t *letter = expect_reply("q1", false);
    Reveille__V1__CountResponse *response = open_body(letter, &reveille__v1__count_response__descriptor);
    assert_int_equal(response->count, 40);
    assert_int_equal(response->coverage->partitions_expected, PARTITIONS);
    assert_int_equal(response->coverage->partitions_answered, PARTITIONS);
    assert_int_equal(response->coverage->as_of_ms, wall);
    assert_int_equal(response->coverage->n_data_version, PARTITIONS);
    assert_int_equal(response->coverage->data_version[3]->lsn, 5);
    done(letter);
    assert_true(rvc_node_idle(node));
}

static void a_late_reply_is_dropped(void **state) {
    (void)state;
    ask_count("q1", false);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_count(first);
    send_kind(RVC_FROM_CLIENT, "client", "q1", REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, NULL);
    expect_error("q1", RV_CANCELLED, RV_REASON_NONE, NULL);
    letter_t *cancel = expect(DATA);
    assert_int_equal(cancel->request->kind, REVEILLE__V1__KIND__KIND_CANCEL);
    done(cancel);
    answer_count(second);
    assert_null(boxes[CLIENTS].first);
    assert_true(rvc_node_idle(node));
}

static void a_deadline_ends_the_work_everywhere(void **state) {
    (void)state;
    ask_count("q1", false);
    throw_away(DATA);
    now += RV_DEFAULT_TIMEOUT_MS / 2;
    ping("worker-1", 1);
    ping("worker-2", 1);
    now += RV_DEFAULT_TIMEOUT_MS;
    /* leases would lapse too: only the deadline is looked at here, and the reply is whichever comes first */
    rvc_node_wake(node, now);
    letter_t *letter = expect(CLIENTS);
    assert_int_not_equal(letter->reply->status->code, 0);
    done(letter);
    assert_true(rvc_node_idle(node));
}

static void a_lost_worker_names_its_partitions(void **state) {
    (void)state;
    ask_count("q1", false);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    bool first_is_one = first->routing[7] == '1';
    answer_count(first);
    now += RV_LEASE_MS - 100;
    assert_true(ping(first_is_one ? "worker-1" : "worker-2", 1));
    now += 200;
    rvc_node_wake(node, now);
    expect_error("q1", RV_UNAVAILABLE, RV_REASON_INCOMPLETE, "(2 of 4) are not available: worker-");
    done(second);
    /* later reads fail at once, or are partial when that is allowed */
    ask_count("q2", false);
    expect_error("q2", RV_UNAVAILABLE, RV_REASON_INCOMPLETE, "does not answer");
    ask_count("q3", true);
    answer_count(expect_task("Query"));
    letter_t *letter = expect_reply("q3", false);
    Reveille__V1__CountResponse *response = open_body(letter, &reveille__v1__count_response__descriptor);
    assert_int_equal(response->count, 20);
    assert_int_equal(response->coverage->partitions_answered, 2);
    assert_int_equal(response->coverage->n_missing, 2);
    done(letter);
}

static void a_worker_that_comes_back_serves_again(void **state) {
    (void)state;
    now += RV_LEASE_MS + 1;
    rvc_node_wake(node, now);
    assert_false(ping("worker-1", 1));
    const int EVEN[] = {0, 2, -1}, ODD[] = {1, 3, -1};
    register_worker("worker-1", 2, EVEN);
    register_worker("worker-2", 2, ODD);
    confirm_all();
    ask_count("q1", false);
    answer_count(expect_task("Query"));
    answer_count(expect_task("Query"));
    done(expect_reply("q1", false));
}

static void an_error_of_the_query_itself_is_passed_on(void **state) {
    (void)state;
    rv_error_t err;
    rv_fail(&err, RV_REASON_OVERFLOW, "a sum left 64 bits");
    ask_count("q1", true);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer(first, NULL, &err, false);
    expect_error("q1", RV_INVALID_ARGUMENT, RV_REASON_OVERFLOW, "64 bits");
    done(first);
    done(second);
}

/* Rows with keys from..from+n-1 of one source, and the field itself. */
static void answer_rows(letter_t *task, const char *keys, bool more) {
    size_t n = strlen(keys);
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__RowsPartial rows = REVEILLE__V1__ROWS_PARTIAL__INIT;
    Reveille__V1__StringColumn strings = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column field = REVEILLE__V1__COLUMN__INIT, *fields[] = {&field};
    Reveille__V1__QueryPartitionResult results[PARTITIONS], *list[PARTITIONS];
    Reveille__V1__Status ok = REVEILLE__V1__STATUS__INIT;
    uint32_t ones[64];
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    strings.data.data = (uint8_t *)(uintptr_t)keys;
    strings.data.len = n;
    strings.n_lengths = n;
    strings.lengths = ones;
    field.type = RV_STRING;
    field.strings = &strings;
    rows.sort_keys = &strings;
    rows.n_fields = 1;
    rows.fields = fields;
    response.partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_ROWS;
    response.rows = &rows;
    if (!more) {
        const Reveille__V1__QueryRequest *request = open_body(task, &reveille__v1__query_request__descriptor);
        for (size_t i = 0; i < request->n_partitions; i++) {
            reveille__v1__query_partition_result__init(&results[i]);
            results[i].partition = request->partitions[i]->partition;
            results[i].status = &ok;
            list[i] = &results[i];
        }
        response.n_partitions = request->n_partitions;
        response.partitions = list;
    }
    answer(task, &response.base, NULL, more);
}

static void a_select_merges_streams_in_order_and_grants_credit(void **state) {
    (void)state;
    Reveille__V1__SelectRequest request = REVEILLE__V1__SELECT_REQUEST__INIT;
    call("s", "SegmentService/Select", &request.base);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_rows(first, "acf", true);
    assert_null(boxes[DATA].first); /* nothing is used up before the other has spoken */
    answer_rows(second, "bde", true);
    letter_t *credit = expect(DATA);
    assert_int_equal(credit->request->kind, REVEILLE__V1__KIND__KIND_CREDIT);
    assert_int_equal(credit->request->seq, 1);
    done(credit);
    answer_rows(second, "gh", false);
    throw_away(DATA);
    answer_rows(first, "i", false);
    char got[32] = "";
    size_t n = 0;
    for (bool more = true; more;) {
        letter_t *letter = expect(CLIENTS);
        Reveille__V1__SelectResponse *response = open_body(letter, &reveille__v1__select_response__descriptor);
        more = letter->reply->more;
        assert_string_equal(response->columns[0]->name, "contact");
        assert_int_equal(response->columns[0]->strings->n_lengths, response->rows);
        memcpy(got + n, response->columns[0]->strings->data.data, response->rows);
        n += response->rows;
        assert_int_equal(response->coverage != NULL, !more);
        done(letter);
    }
    assert_string_equal(got, "abcdefghi");
    done(first);
    done(second);
    assert_true(rvc_node_idle(node));
}

static void a_limit_ends_a_select_with_whole_coverage(void **state) {
    (void)state;
    Reveille__V1__SelectRequest request = REVEILLE__V1__SELECT_REQUEST__INIT;
    request.limit = 2;
    call("s", "SegmentService/Select", &request.base);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_rows(first, "ab", true);
    answer_rows(second, "cd", false);
    uint32_t rows = 0;
    letter_t *letter;
    while ((letter = take(CLIENTS))) { /* a tiny page may be full already */
        rows += ((Reveille__V1__SelectResponse *)open_body(letter, &reveille__v1__select_response__descriptor))->rows;
        assert_true(letter->reply->more);
        done(letter);
    }
    throw_away(DATA);
    answer_rows(first, "xy", false); /* read unread, for the versions of its partitions */
    letter = expect_reply("s", false);
    Reveille__V1__SelectResponse *response = open_body(letter, &reveille__v1__select_response__descriptor);
    assert_int_equal(rows + response->rows, 2);
    assert_int_equal(response->coverage->partitions_answered, PARTITIONS);
    done(letter);
    done(first);
    done(second);
}

/* ---- writes ---- */

static Reveille__V1__StringColumn *strings_of(const char *const *texts, size_t n, Reveille__V1__StringColumn *column,
                                              uint32_t *lengths, char *data) {
    reveille__v1__string_column__init(column);
    column->data.data = (uint8_t *)data;
    column->lengths = lengths;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = (uint32_t)strlen(texts[i]);
        memcpy(data + column->data.len, texts[i], lengths[i]);
        column->data.len += lengths[i];
    }
    column->n_lengths = n;
    return column;
}

static Reveille__V1__EventBatch *events(size_t n, Reveille__V1__EventBatch *batch) {
    static const char *const KEYS[] = {"ann", "bob", "cat", "dan", "eve", "fay"};
    static Reveille__V1__StringColumn keys;
    static uint32_t lengths[6], contacts[64], types[64];
    static int64_t times[64];
    static char data[64];
    static char *names[] = {"purchase", "nonsense"};
    reveille__v1__event_batch__init(batch);
    batch->contact_keys = strings_of(KEYS, 6, &keys, lengths, data);
    for (size_t i = 0; i < n; i++) {
        contacts[i] = (uint32_t)(i % 6);
        types[i] = 0;
        times[i] = 1700000000000ll + (int64_t)i;
    }
    batch->n_contacts = batch->n_times_ms = batch->n_types = n;
    batch->contacts = contacts;
    batch->times_ms = times;
    batch->types = types;
    batch->n_type_names = 2;
    batch->type_names = names;
    return batch;
}

/* Lets all writes through; returns how many PartitionWrites there were. */
static size_t accept_all(void) {
    letter_t *task;
    size_t n = 0;
    while ((task = take(DATA))) {
        n += ((Reveille__V1__WriteRequest *)open_body(task, &reveille__v1__write_request__descriptor))->n_writes;
        accept_write(task);
    }
    return n;
}

static void an_append_refuses_rows_and_takes_the_others(void **state) {
    (void)state;
    Reveille__V1__EventBatch batch;
    Reveille__V1__AppendRequest request = REVEILLE__V1__APPEND_REQUEST__INIT;
    request.batch = events(12, &batch);
    batch.types[3] = 1;                          /* unknown type */
    batch.times_ms[5] = -1;                      /* before 1970 */
    batch.times_ms[7] = wall + RV_FUTURE_MS + 1; /* too far in the future */
    call("a", "EventService/Append", &request.base);
    accept_all();
    letter_t *letter = expect_reply("a", false);
    Reveille__V1__WriteResult *result =
        ((Reveille__V1__AppendResponse *)open_body(letter, &reveille__v1__append_response__descriptor))->result;
    assert_int_equal(result->applied, 9);
    assert_int_equal(result->refused, 3);
    assert_int_equal(result->n_errors, 3);
    assert_int_equal(result->errors[0]->index, 3);
    assert_non_null(strstr(result->errors[0]->status->message, "unknown event type 'nonsense'"));
    assert_int_equal(result->errors[1]->index, 5);
    assert_int_equal(result->errors[2]->index, 7);
    size_t items = 0;
    for (size_t i = 0; i < result->n_partitions; i++) {
        assert_int_equal(result->partitions[i]->status->code, 0);
        items += result->partitions[i]->n_items;
        for (size_t k = 0; k < result->partitions[i]->n_items; k++)
            assert_true(result->partitions[i]->items[k] < 12);
    }
    assert_int_equal(items, 9);
    done(letter);
}

static void a_lost_worker_makes_its_part_of_a_write_unknown(void **state) {
    (void)state;
    Reveille__V1__EventBatch batch;
    Reveille__V1__AppendRequest request = REVEILLE__V1__APPEND_REQUEST__INIT;
    request.batch = events(60, &batch);
    call("a", "EventService/Append", &request.base);
    letter_t *first = expect_task("Write"), *second = expect_task("Write");
    now += RV_LEASE_MS - 100;
    assert_true(ping("worker-1", 1));
    bool first_is_one = first->routing[7] == '1';
    accept_write(first_is_one ? first : second);
    now += 200;
    rvc_node_wake(node, now);
    letter_t *letter = expect_reply("a", false);
    Reveille__V1__WriteResult *result =
        ((Reveille__V1__AppendResponse *)open_body(letter, &reveille__v1__append_response__descriptor))->result;
    size_t failed = 0;
    for (size_t i = 0; i < result->n_partitions; i++)
        failed += result->partitions[i]->status->code == REVEILLE__V1__CODE__CODE_UNAVAILABLE;
    assert_true(failed > 0 && failed < result->n_partitions);
    done(letter);
    done(first_is_one ? second : first);
}

static void companies_go_home_first_and_then_everywhere(void **state) {
    (void)state;
    static const char *const KEYS[] = {"acme", "globex", "initech"};
    Reveille__V1__StringColumn keys;
    Reveille__V1__EntityBatch batch = REVEILLE__V1__ENTITY_BATCH__INIT;
    Reveille__V1__CompanyServiceUpsertRequest request = REVEILLE__V1__COMPANY_SERVICE_UPSERT_REQUEST__INIT;
    uint32_t lengths[3];
    char data[32];
    batch.keys = strings_of(KEYS, 3, &keys, lengths, data);
    request.batch = &batch;
    call("c", "CompanyService/Upsert", &request.base);
    accept_all();
    /* the second round was sent by the replies to the first: accept_all took it too */
    letter_t *letter = expect_reply("c", false);
    Reveille__V1__WriteResult *result = ((Reveille__V1__CompanyServiceUpsertResponse *)open_body(
                                             letter, &reveille__v1__company_service_upsert_response__descriptor))
                                            ->result;
    assert_int_equal(result->applied, 3);
    done(letter);
    assert_true(lsn >= PARTITIONS);
}

static void an_import_answers_in_order_and_continues(void **state) {
    (void)state;
    Reveille__V1__ImportStart import = REVEILLE__V1__IMPORT_START__INIT;
    Reveille__V1__EventServiceImportRequest request = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    Reveille__V1__EventBatch batch;
    import.name = "events.csv";
    request.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_START;
    request.start = &import;
    call("i", "EventService/Import", &request.base);
    letter_t *letter = expect_reply("i", true);
    Reveille__V1__EventServiceImportResponse *response =
        open_body(letter, &reveille__v1__event_service_import_response__descriptor);
    assert_int_equal(response->progress->import_id, 1);
    assert_int_equal(response->progress->acknowledged_offset, 0);
    done(letter);
    letter_t *tasks[16];
    size_t n = 0;
    Reveille__V1__EventServiceImportRequest data = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    data.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_BATCH;
    for (uint64_t seq = 1; seq <= 2; seq++) {
        data.batch = events(30, &batch);
        data.offset = seq * 100;
        send_kind(RVC_FROM_CLIENT, "client", "i", REVEILLE__V1__KIND__KIND_DATA, seq, NULL, &data.base);
    }
    while ((tasks[n] = take(DATA)))
        n++;
    for (size_t i = n;
         i-- > 0;) { /* workers answer the last one first: nothing is acknowledged before the first is done */
        if (i == 0)
            assert_null(boxes[CLIENTS].first);
        accept_write(tasks[i]);
    }
    for (uint64_t seq = 1; seq <= 2; seq++) {
        letter = expect_reply("i", true);
        response = open_body(letter, &reveille__v1__event_service_import_response__descriptor);
        assert_int_equal(response->progress->acknowledged_offset, seq * 100);
        assert_int_equal(response->result->applied, 30);
        done(letter);
    }
    /* the client goes away, the coordinator starts again, the import continues */
    send_kind(RVC_FROM_CLIENT, "client", "i", REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, NULL);
    expect_error("i", RV_CANCELLED, RV_REASON_NONE, NULL);
    rvc_node_destroy(&node);
    start();
    const int EVEN[] = {0, 2, -1}, ODD[] = {1, 3, -1};
    register_worker("worker-1", 2, EVEN);
    register_worker("worker-2", 2, ODD);
    confirm_all();
    call("j", "EventService/Import", &request.base);
    letter = expect_reply("j", true);
    response = open_body(letter, &reveille__v1__event_service_import_response__descriptor);
    assert_int_equal(response->progress->import_id, 1);
    assert_int_equal(response->progress->acknowledged_offset, 200);
    done(letter);
    send_kind(RVC_FROM_CLIENT, "client", "j", REVEILLE__V1__KIND__KIND_END, 0, NULL, NULL);
    done(expect_reply("j", false));
    /* one that was finished starts from the beginning */
    call("k", "EventService/Import", &request.base);
    letter = expect_reply("k", true);
    response = open_body(letter, &reveille__v1__event_service_import_response__descriptor);
    assert_int_equal(response->progress->import_id, 1);
    assert_int_equal(response->progress->acknowledged_offset, 0);
    done(letter);
}

static void an_import_with_a_gap_is_ended(void **state) {
    (void)state;
    Reveille__V1__ImportStart import = REVEILLE__V1__IMPORT_START__INIT;
    Reveille__V1__EventServiceImportRequest request = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    Reveille__V1__EventBatch batch;
    import.name = "gap";
    request.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_START;
    request.start = &import;
    call("i", "EventService/Import", &request.base);
    done(expect_reply("i", true));
    request.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_BATCH;
    request.batch = events(1, &batch);
    send_kind(RVC_FROM_CLIENT, "client", "i", REVEILLE__V1__KIND__KIND_DATA, 2, NULL, &request.base);
    expect_error("i", RV_INVALID_ARGUMENT, RV_REASON_REQUEST, "message 2 of an import");
}

/* ---- definitions ---- */

static void save_segment(const char *id, const char *name, const char *filter) {
    Reveille__V1__Segment segment = REVEILLE__V1__SEGMENT__INIT;
    Reveille__V1__SaveRequest request = REVEILLE__V1__SAVE_REQUEST__INIT;
    segment.name = (char *)(uintptr_t)name;
    segment.filter = (char *)(uintptr_t)filter;
    request.segment = &segment;
    call(id, "SegmentService/Save", &request.base);
}

static void segments_are_saved_used_and_kept_from_cycles(void **state) {
    (void)state;
    save_segment("1", "german", "country = 'DE'");
    confirm_all();
    done(expect_reply("1", false));
    save_segment("2", "both", "segment('german') and exists(purchase)");
    confirm_all();
    done(expect_reply("2", false));
    save_segment("3", "german", "segment('both')");
    expect_error("3", RV_INVALID_ARGUMENT, RV_REASON_FILTER, "would contain itself");
    save_segment("4", "wrong", "contry = 'DE'");
    expect_error("4", RV_INVALID_ARGUMENT, RV_REASON_FILTER, "country");
    Reveille__V1__SegmentServiceDeleteRequest remove = REVEILLE__V1__SEGMENT_SERVICE_DELETE_REQUEST__INIT;
    remove.name = "german";
    call("5", "SegmentService/Delete", &remove.base);
    expect_error("5", RV_FAILED_PRECONDITION, RV_REASON_SCHEMA, "is used by segment 'both'");
    remove.name = "germen";
    call("6", "SegmentService/Delete", &remove.base);
    expect_error("6", RV_NOT_FOUND, RV_REASON_MISSING, "did you mean 'german'");
    save_segment("7", "both", "segment('german') and exists(purchase)"); /* the same again changes nothing */
    letter_t *letter = expect_reply("7", false);
    assert_int_equal(
        ((Reveille__V1__SaveResponse *)open_body(letter, &reveille__v1__save_response__descriptor))->segment->version,
        1);
    done(letter);
    assert_null(boxes[DATA].first);
}

/* ---- the door ---- */

static void a_cluster_that_is_starting_says_so(void **state) {
    (void)state;
    rvc_node_destroy(&node);
    start();
    ask_count("q", false);
    expect_error("q", RV_UNAVAILABLE, RV_REASON_NOT_READY, "0 of 4 partitions");
    Reveille__V1__StatusRequest request = REVEILLE__V1__STATUS_REQUEST__INIT;
    call("s", "ClusterService/Status", &request.base);
    letter_t *letter = expect_reply("s", false);
    Reveille__V1__StatusResponse *status = open_body(letter, &reveille__v1__status_response__descriptor);
    assert_false(status->ready);
    assert_int_equal(status->n_partitions, PARTITIONS);
    assert_string_equal(status->partitions[1]->worker, "worker-2");
    assert_string_equal(status->partitions[1]->problem, "worker-2 does not answer");
    assert_int_equal(status->schema_version, 1);
    done(letter);
    now += 2 * RV_LEASE_MS + 1;
    ask_count("q", false);
    expect_error("q", RV_UNAVAILABLE, RV_REASON_INCOMPLETE, "does not answer");
}

static void a_stopping_coordinator_takes_nothing_new(void **state) {
    (void)state;
    ask_count("q1", false);
    rvc_node_drain(node);
    ask_count("q2", false);
    expect_error("q2", RV_UNAVAILABLE, RV_REASON_NOT_READY, "shutting down");
    assert_false(rvc_node_idle(node));
    answer_count(expect_task("Query"));
    answer_count(expect_task("Query"));
    done(expect_reply("q1", false));
    assert_true(rvc_node_idle(node));
}

/* A worker whose data socket is not connected yet gets its requests as soon as it is. */
static void a_request_waits_for_a_worker_that_is_not_connected_yet(void **state) {
    (void)state;
    answer_of[DATA] = RVC_GONE;
    ask_count("q1", false);
    assert_null(boxes[DATA].first);
    assert_true(rvc_node_next(node) <= now + 10);
    answer_of[DATA] = RVC_SENT;
    now += 10;
    rvc_node_wake(node, now);
    answer_count(expect_task("Query"));
    answer_count(expect_task("Query"));
    done(expect_reply("q1", false));
}

static void a_client_that_is_gone_loses_its_calls(void **state) {
    (void)state;
    ask_count("q1", false);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_of[CLIENTS] = RVC_GONE;
    answer_count(first);
    answer_count(second);
    assert_true(rvc_node_idle(node));
}

static void an_idle_coordinator_sleeps_until_a_lease(void **state) {
    (void)state;
    assert_true(rvc_node_next(node) >= now + RV_LEASE_MS - 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_count_adds_up_what_all_workers_say),
        TEST(a_late_reply_is_dropped),
        TEST(a_deadline_ends_the_work_everywhere),
        TEST(a_lost_worker_names_its_partitions),
        TEST(a_worker_that_comes_back_serves_again),
        TEST(an_error_of_the_query_itself_is_passed_on),
        TEST(a_select_merges_streams_in_order_and_grants_credit),
        TEST(a_limit_ends_a_select_with_whole_coverage),
        TEST(an_append_refuses_rows_and_takes_the_others),
        TEST(a_lost_worker_makes_its_part_of_a_write_unknown),
        TEST(companies_go_home_first_and_then_everywhere),
        TEST(an_import_answers_in_order_and_continues),
        TEST(an_import_with_a_gap_is_ended),
        TEST(segments_are_saved_used_and_kept_from_cycles),
        TEST(a_cluster_that_is_starting_says_so),
        TEST(a_stopping_coordinator_takes_nothing_new),
        TEST(a_request_waits_for_a_worker_that_is_not_connected_yet),
        TEST(a_client_that_is_gone_loses_its_calls),
        TEST(an_idle_coordinator_sleeps_until_a_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

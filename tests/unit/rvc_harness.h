/* rvc_harness.h: a whole coordinator in memory for tests: clients and workers are lists of messages, time is a number.
 * Included by one test program each. */
#ifndef REVEILLE_TESTS_RVC_HARNESS_H
#define REVEILLE_TESTS_RVC_HARNESS_H
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

#ifndef PARTITIONS
#define PARTITIONS 4u
#define WORKERS 2u
#endif

/* A message that left the coordinator. */
typedef struct letter {
    struct letter *next;
    char routing[64];
    rv_arena_t arena;
    Reveille__V1__RequestHeader *request; /* to a worker's data socket */
    Reveille__V1__ReplyHeader *reply;     /* to a client or a control socket */
    size_t body_n;
    uint8_t body[];
} letter_t;

enum { CLIENTS, DATA, CONTROL };
static struct { letter_t *first; } boxes[3];
static rvc_sent_t answer_of[3]; /* what the sockets say */
static rvc_node_t *node;
static char dir[64];
static int64_t now, wall = 1780000000000ll;
static uint64_t lsn; /* of the fake workers */

static inline int64_t wall_ms(void) {
    return wall;
}

static inline rvc_sent_t keep(void *context, const rvc_message_t *message) {
    int which = (int)(intptr_t)context;
    if (answer_of[which] != RVC_SENT)
        return answer_of[which];
    assert_true(message->body_n <= RV_MAX_BODY);
    letter_t *letter = calloc(1, sizeof *letter + message->body_n);
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
    if (message->body_n)
        memcpy(letter->body, message->body, message->body_n);
    letter->body_n = message->body_n;
    letter_t **link = &boxes[which].first;
    while (*link)
        link = &(*link)->next;
    *link = letter;
    return RVC_SENT;
}

static inline letter_t *take(int which) {
    letter_t *letter = boxes[which].first;
    if (letter)
        boxes[which].first = letter->next;
    return letter;
}

static inline void done(letter_t *letter) {
    rv_arena_done(&letter->arena);
    free(letter);
}

static inline void throw_away(int which) {
    letter_t *letter;
    while ((letter = take(which)))
        done(letter);
}

static inline void *open_body(letter_t *letter, const ProtobufCMessageDescriptor *type) {
    ProtobufCMessage *message = NULL;
    rv_error_t err;
    if (rv_wire_unpack(type, letter->body, letter->body_n, &letter->arena, &message, &err) != RV_OK)
        fail_msg("%s", err.message);
    return message;
}

/* Frames into the coordinator. */
static inline void deliver(rvc_from_t from, const char *routing, const ProtobufCMessage *header, const uint8_t *body,
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

static inline void send_kind(rvc_from_t from, const char *routing, const char *id, Reveille__V1__Kind kind,
                             uint64_t seq, const char *method, const ProtobufCMessage *message) {
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

static inline void call(const char *id, const char *method, const ProtobufCMessage *message) {
    char name[80];
    snprintf(name, sizeof name, "reveille.v1.%s", method);
    send_kind(RVC_FROM_CLIENT, "client", id, REVEILLE__V1__KIND__KIND_CALL, 0, name, message);
}

/* A worker's reply to a task. */
static inline void answer(const letter_t *task, const ProtobufCMessage *message, const rv_error_t *err, bool more) {
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

static inline letter_t *expect(int which) {
    letter_t *letter = take(which);
    if (!letter)
        fail_msg("a message was expected in box %d", which);
    return letter;
}

static inline letter_t *expect_task(const char *method) {
    letter_t *letter = expect(DATA);
    assert_int_equal(letter->request->kind, REVEILLE__V1__KIND__KIND_CALL);
    assert_string_equal(strrchr(letter->request->method, '/') + 1, method);
    return letter;
}

/* The reply of a call that failed. */
static inline void expect_error(const char *id, rv_status_t status, rv_reason_t reason, const char *text) {
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

static inline letter_t *expect_reply(const char *id, bool more) {
    letter_t *letter = expect(CLIENTS);
    assert_memory_equal(letter->reply->request_id.data, id, strlen(id));
    if (letter->reply->status && letter->reply->status->code)
        fail_msg("%s", letter->reply->status->message);
    assert_int_equal(letter->reply->more, more);
    return letter;
}

/* ---- workers ---- */

static inline void register_worker(const char *name, uint64_t incarnation, const int *held) {
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

static inline bool ping(const char *name, uint64_t incarnation) {
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
static inline void confirm(letter_t *task) {
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
static inline void confirm_all(void) {
    letter_t *task;
    while ((task = take(DATA))) {
        if (task->request->kind == REVEILLE__V1__KIND__KIND_CALL)
            assert_string_equal(task->request->method, "reveille.v1.WorkerService/Assign");
        confirm(task);
    }
}

/* Takes a Write as a worker that accepts everything. */
static inline void accept_write(letter_t *task) {
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
static inline void answer_count(letter_t *task) {
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

static inline void start(void) {
    rv_error_t err;
    rvc_node_options_t options = {.data_dir = dir,
                                  .workers = WORKERS,
                                  .partitions = PARTITIONS,
                                  .chunk_rows = 16,
                                  .clients = {keep, (void *)CLIENTS},
                                  .data = {keep, (void *)DATA},
                                  .control = {keep, (void *)CONTROL},
                                  .wall_ms = wall_ms};
    if (rvc_node_new(&options, now, &node, &err) != RV_OK)
        fail_msg("%s", err.message);
}

static inline void apply_schema(void) {
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__Attribute country = REVEILLE__V1__ATTRIBUTE__INIT, name = country, value = country, size = country;
    Reveille__V1__Attribute *attributes[] = {&country}, *company[] = {&name, &size}, *properties[] = {&value};
    Reveille__V1__EventType purchase = REVEILLE__V1__EVENT_TYPE__INIT, click = purchase, *types[] = {&purchase, &click};
    Reveille__V1__ApplyRequest request = REVEILLE__V1__APPLY_REQUEST__INIT;
    schema.contact_key = "contact";
    schema.company_key = "company_key";
    schema.event_id = "event";
    country.name = "country";
    country.type = RV_STRING;
    name.name = "industry";
    name.type = RV_STRING;
    size.name = "employees";
    size.type = RV_INT;
    value.name = "value";
    value.type = RV_DECIMAL;
    value.scale = 2;
    purchase.name = "purchase";
    purchase.channel = "web";
    click.name = "click";
    schema.n_contact_attributes = schema.n_event_properties = 1;
    schema.n_company_attributes = 2;
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

static inline int begin(void **state) {
    (void)state;
    /* memory when there is some: a disk may take a second for a hundred commits */
    snprintf(dir, sizeof dir, "%s/rvc-node-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    now = 1000;
    lsn = 0;
    for (int i = 0; i < 3; i++)
        answer_of[i] = RVC_SENT;
    start();
    for (unsigned i = 1; i <= WORKERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "worker-%u", i);
        assert_null(boxes[DATA].first);
        register_worker(name, 1, NULL);
    }
    confirm_all();
    throw_away(CONTROL);
    apply_schema();
    return 0;
}

static inline int end(void **state) {
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

#endif

/* query_fan_out: what a count query costs the coordinator by the number of its workers, without sockets and data.
 *
 *   query_fan_out DIRECTORY [WORKERS...]
 *
 * A whole coordinator in memory (coordinator/node.h): the ports keep what is sent, made-up workers answer. Timed is the
 * CPU of what the coordinator does, the message of the client until the last task has left, and all replies; not timed
 * are the workers' answers, which are packed before. Prints the least and the median of a hundred queries. DIRECTORY is
 * made and has to be new. Any failure ends the program with a message and status 1. */
#include "node.h"
#include "reveille/limits.h"
#include "reveille/log.h"
#include "reveille/v1/segment.pb-c.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PARTITIONS RV_MAX_PARTITIONS
#define QUERIES 100

/* A task that left for a worker. */
typedef struct {
    char routing[64];
    uint8_t *header, *body;
    size_t header_n, body_n;
} task_t;

static task_t tasks[RV_MAX_WORKERS];
static size_t n_tasks, n_replies;
static rvc_node_t *node;
static int64_t now = 1000;

_Noreturn static void die(const char *what) {
    fprintf(stderr, "query_fan_out: %s\n", what);
    exit(1);
}

static int64_t wall_ms(void) {
    return 1780000000000ll;
}

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static uint8_t *copy(const uint8_t *bytes, size_t n) {
    uint8_t *kept = malloc(n + 1);
    if (!kept)
        die("no memory");
    if (n)
        memcpy(kept, bytes, n);
    return kept;
}

static rvc_sent_t keep_task(void *context, const rvc_message_t *message) {
    (void)context;
    if (n_tasks == RV_MAX_WORKERS)
        die("more than one message to a worker");
    task_t *task = &tasks[n_tasks++];
    *task = (task_t){.header = copy(message->header, message->header_n),
                     .header_n = message->header_n,
                     .body = copy(message->body, message->body_n),
                     .body_n = message->body_n};
    memcpy(task->routing, message->routing, message->routing_n);
    return RVC_SENT;
}

static rvc_sent_t count_reply(void *context, const rvc_message_t *message) {
    (void)context;
    (void)message;
    n_replies++;
    return RVC_SENT;
}

static void deliver(rvc_from_t from, const char *routing, const uint8_t *header, size_t header_n, const uint8_t *body,
                    size_t n) {
    const uint8_t *data[] = {(const uint8_t *)routing, (const uint8_t *)"", (const uint8_t *)RV_WIRE_TAG, header, body};
    const size_t size[] = {strlen(routing), 0, 4, header_n, n};
    rvc_node_wake(node, now);
    rvc_node_receive(node, from, data, size, 5);
}

static void request(rvc_from_t from, const char *routing, const char *method, const ProtobufCMessage *message) {
    Reveille__V1__RequestHeader header = REVEILLE__V1__REQUEST_HEADER__INIT;
    uint8_t *header_bytes, *body;
    size_t header_n, n;
    header.method = (char *)(uintptr_t)method;
    header.request_id = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "q"};
    header.kind = REVEILLE__V1__KIND__KIND_CALL;
    if (rv_wire_pack(&header.base, &header_bytes, &header_n) != RV_OK || rv_wire_pack(message, &body, &n) != RV_OK)
        die("no memory");
    deliver(from, routing, header_bytes, header_n, body, n);
    free(header_bytes);
    free(body);
}

typedef union {
    Reveille__V1__AssignResponse assign;
    Reveille__V1__QueryResponse query;
} response_t;

/* Every partition of an Assign is there, in every partition of a Query are ten contacts. */
static const ProtobufCMessage *respond(const task_t *task, const char *method, rv_arena_t *arena) {
    static response_t response;
    ProtobufCMessage *message = NULL;
    bool assign = strstr(method, "/Assign") != NULL;
    rv_status_t status =
        rv_wire_unpack(assign ? &reveille__v1__assign_request__descriptor : &reveille__v1__query_request__descriptor,
                       task->body, task->body_n, arena, &message, NULL);
    if (status != RV_OK)
        die("a task cannot be read");
    if (assign) {
        const Reveille__V1__AssignRequest *asked = (const Reveille__V1__AssignRequest *)message;
        reveille__v1__assign_response__init(&response.assign);
        response.assign.n_partitions = asked->n_partitions;
        response.assign.partitions = rv_arena_zalloc(arena, asked->n_partitions + 1, sizeof(void *));
        for (size_t i = 0; i < asked->n_partitions; i++) {
            Reveille__V1__PartitionReport *report = rv_arena_zalloc(arena, 1, sizeof *report);
            reveille__v1__partition_report__init(report);
            report->status = rv_arena_zalloc(arena, 1, sizeof *report->status);
            reveille__v1__partition_status__init(report->status);
            report->status->partition = asked->partitions[i]->partition;
            response.assign.partitions[i] = report;
        }
        return &response.assign.base;
    }
    const Reveille__V1__QueryRequest *asked = (const Reveille__V1__QueryRequest *)message;
    reveille__v1__query_response__init(&response.query);
    response.query.n_partitions = asked->n_partitions;
    response.query.partitions = rv_arena_zalloc(arena, asked->n_partitions + 1, sizeof(void *));
    for (size_t i = 0; i < asked->n_partitions; i++) {
        Reveille__V1__QueryPartitionResult *result = rv_arena_zalloc(arena, 1, sizeof *result);
        reveille__v1__query_partition_result__init(result);
        result->partition = asked->partitions[i]->partition;
        result->lsn = 1000;
        response.query.partitions[i] = result;
        response.query.count += 10;
    }
    return &response.query.base;
}

/* Makes the task the reply to it. */
static void turn_around(task_t *task) {
    rv_arena_t arena;
    ProtobufCMessage *message;
    Reveille__V1__ReplyHeader reply = REVEILLE__V1__REPLY_HEADER__INIT;
    task_t answer = *task;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (rv_wire_unpack(&reveille__v1__request_header__descriptor, task->header, task->header_n, &arena, &message,
                       NULL) != RV_OK)
        die("a header cannot be read");
    const Reveille__V1__RequestHeader *header = (const Reveille__V1__RequestHeader *)message;
    reply.request_id = header->request_id;
    if (rv_wire_pack(&reply.base, &answer.header, &answer.header_n) != RV_OK ||
        rv_wire_pack(respond(task, header->method, &arena), &answer.body, &answer.body_n) != RV_OK)
        die("no memory");
    rv_arena_done(&arena);
    free(task->header);
    free(task->body);
    *task = answer;
}

/* Answers all tasks; returns the coordinator's time. */
static double answer_all(void) {
    static task_t answers[RV_MAX_WORKERS];
    size_t n = n_tasks;
    for (size_t i = 0; i < n; i++)
        turn_around(&tasks[i]);
    memcpy(answers, tasks, n * sizeof *answers);
    n_tasks = 0;
    double begin = cpu_ms();
    for (size_t i = 0; i < n; i++)
        deliver(RVC_FROM_WORKER_DATA, answers[i].routing, answers[i].header, answers[i].header_n, answers[i].body,
                answers[i].body_n);
    double took = cpu_ms() - begin;
    for (size_t i = 0; i < n; i++) {
        free(answers[i].header);
        free(answers[i].body);
    }
    return took;
}

static void open_cluster(const char *dir, unsigned workers) {
    rv_error_t err;
    rvc_node_options_t options = {.data_dir = dir,
                                  .workers = workers,
                                  .partitions = PARTITIONS,
                                  .chunk_rows = 16,
                                  .clients = {count_reply, NULL},
                                  .data = {keep_task, NULL},
                                  .control = {count_reply, NULL},
                                  .wall_ms = wall_ms};
    if (rvc_node_new(&options, now, &node, &err) != RV_OK)
        die(err.message);
    for (unsigned i = 0; i < workers; i++) {
        Reveille__V1__RegisterWorkerRequest registration = REVEILLE__V1__REGISTER_WORKER_REQUEST__INIT;
        char name[32];
        snprintf(name, sizeof name, "worker-%u", i);
        registration.name = name;
        registration.incarnation = 1;
        registration.routing_id = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
        request(RVC_FROM_WORKER_CONTROL, name, "reveille.v1.RegistryService/RegisterWorker", &registration.base);
    }
    answer_all();
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__Attribute country = REVEILLE__V1__ATTRIBUTE__INIT, *attributes[] = {&country};
    Reveille__V1__ApplyRequest apply = REVEILLE__V1__APPLY_REQUEST__INIT;
    schema.contact_key = "contact";
    country.name = "country";
    country.type = REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_STRING;
    schema.n_contact_attributes = 1;
    schema.contact_attributes = attributes;
    apply.schema = &schema;
    request(RVC_FROM_CLIENT, "client", "reveille.v1.SchemaService/Apply", &apply.base);
    answer_all();
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void measure(const char *dir, unsigned workers) {
    Reveille__V1__CountRequest count = REVEILLE__V1__COUNT_REQUEST__INIT;
    double ms[QUERIES];
    char path[4096];
    snprintf(path, sizeof path, "%s/%u", dir, workers);
    if (mkdir(path, 0700) != 0)
        die("DIRECTORY cannot be written");
    open_cluster(path, workers);
    count.filter = "country in ('DE', 'FR', 'GB')";
    for (int i = 0; i < QUERIES; i++) {
        n_replies = 0;
        double begin = cpu_ms();
        request(RVC_FROM_CLIENT, "client", "reveille.v1.SegmentService/Count", &count.base);
        ms[i] = cpu_ms() - begin;
        if (n_tasks != workers || n_replies)
            die("a query is not one message to each worker");
        ms[i] += answer_all();
        if (n_tasks || n_replies != 1 || !rvc_node_idle(node))
            die("an answer is not one message to the client");
    }
    qsort(ms, QUERIES, sizeof *ms, by_size);
    printf("%4u workers, %u partitions: least %.3f ms, median %.3f ms of CPU a count, %.2f us a worker\n", workers,
           PARTITIONS, ms[0], ms[QUERIES / 2], ms[QUERIES / 2] * 1e3 / workers);
    rvc_node_destroy(&node);
}

int main(int argc, char **argv) {
    rv_log_level(RV_LOG_WARN);
    static const unsigned USUAL[] = {10, 100, 1000};
    if (argc < 2 || mkdir(argv[1], 0700) != 0)
        die("query_fan_out DIRECTORY [WORKERS...], where DIRECTORY does not exist yet");
    for (int i = 2; i < argc; i++) {
        unsigned long workers = strtoul(argv[i], NULL, 10);
        if (workers < 1 || workers > RV_MAX_WORKERS)
            die("there are 1 to 1024 workers");
        measure(argv[1], (unsigned)workers);
    }
    for (size_t i = 0; argc == 2 && i < sizeof USUAL / sizeof USUAL[0]; i++)
        measure(argv[1], USUAL[i]);
    return 0;
}

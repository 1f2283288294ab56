// append - how many events a second a cluster takes durably, beside what the disk can do.
//
//     append ENDPOINT CONTACTS [--clients 8] [--batch 100] [--seconds 10] [--rate EVENTS_PER_SECOND] [--verify EVERY]
//            [--bare DIR]
//
// Each client is a thread with a connection of its own: it sends a batch of new events of random contacts (keys and
// shapes of workload_gen's, times of today), waits for the answer, and sends the next; with --rate when its time has
// come, and at once when it is late. With --verify, after every so many answers the client asks for the timeline of a
// contact of the batch, which must have the event. With --bare, commits of a bare LMDB (one put of 100 bytes, synced)
// are counted in DIR for two seconds before and two after. Prints one line of JSON. Failure: one sentence and exit
// status 1.
#include "reveille/client.h"
#include "reveille/v1/contact.pb-c.h"
#include "reveille/v1/event.pb-c.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 64, MAX_BATCH = 1000, KEY = 9, ID = 24, NAME = 10, TOPIC = 8, TYPES = 8, TIMEOUT_MS = 30000 };

typedef struct options {
    const char *endpoint, *bare;
    uint32_t contacts;
    int clients, batch, verify;
    double seconds, rate;
} options_t;

typedef struct client {
    const options_t *options;
    int number;
    pthread_t thread;
    uint64_t random, sequence, events, batches, verified;
    uint8_t producer[16];
    char name[NAME + 1];  // its ids begin so
    double begin, behind; // behind: of the last batch, with --rate
    float *latencies;     // ms, one a batch
    size_t room;
    bool failed;
    // the batch under construction
    char keys[MAX_BATCH * KEY + 1], ids[MAX_BATCH * ID + 1], topics[MAX_BATCH * TOPIC + 1];
    uint32_t key_lengths[MAX_BATCH], id_lengths[MAX_BATCH], topic_lengths[MAX_BATCH], contacts[MAX_BATCH],
        types[MAX_BATCH];
    int64_t times[MAX_BATCH], values[MAX_BATCH];
    uint8_t present[MAX_BATCH / 8 + 1], body[MAX_BATCH * 128];
} client_t;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_until(double moment) {
    struct timespec t = {.tv_sec = (time_t)moment};
    t.tv_nsec = (long)((moment - (double)t.tv_sec) * 1e9);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static uint32_t below(client_t *client, uint32_t n) { // xorshift64*
    uint64_t x = client->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    client->random = x;
    return (uint32_t)(((x * 0x2545F4914F6CDD1Du) >> 32) * n >> 32);
}

// ---- a batch ------------------------------------------------------------------------------------------------------

static char *TYPE_NAMES[TYPES] = {"email_sent", "email_open", "email_click", "page_view",
                                  "search",     "cart_add",   "purchase",    "store_visit"};
enum { PURCHASE = 6 };

// The last n digits of a number.
static void digits(char *to, size_t n, uint64_t value) {
    for (; n > 0; value /= 10) {
        to[--n] = (char)('0' + value % 10);
    }
}

static void fill(client_t *client) {
    size_t n = (size_t)client->options->batch;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    memset(client->present, 0, sizeof client->present);
    for (size_t i = 0; i < n; i++) {
        client->keys[i * KEY] = 'c';
        digits(client->keys + i * KEY + 1, KEY - 1, below(client, client->options->contacts));
        memcpy(client->ids + i * ID, client->name, NAME);
        digits(client->ids + i * ID + NAME, ID - NAME, client->sequence * MAX_BATCH + i);
        memcpy(client->topics + i * TOPIC, "topic", TOPIC - 3);
        digits(client->topics + (i + 1) * TOPIC - 3, 3, below(client, 200));
        client->key_lengths[i] = KEY;
        client->id_lengths[i] = ID;
        client->topic_lengths[i] = TOPIC;
        client->contacts[i] = (uint32_t)i;
        client->types[i] = below(client, TYPES);
        client->times[i] = ms;
        client->values[i] = client->types[i] == PURCHASE ? 100 + below(client, 20000) : 0;
        client->present[i / 8] |= (uint8_t)((client->types[i] == PURCHASE) << i % 8);
    }
}

static Reveille__V1__StringColumn strings(char *data, uint32_t *lengths, size_t n) {
    Reveille__V1__StringColumn column = REVEILLE__V1__STRING_COLUMN__INIT;
    column.data = (ProtobufCBinaryData){.len = n == 0 ? 0 : n * lengths[0], .data = (uint8_t *)data};
    column.n_lengths = n;
    column.lengths = lengths;
    return column;
}

// Packs the batch as a request into client->body and returns its size.
static size_t pack(client_t *client) {
    size_t n = (size_t)client->options->batch;
    Reveille__V1__AppendRequest request = REVEILLE__V1__APPEND_REQUEST__INIT;
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    Reveille__V1__EventBatch batch = REVEILLE__V1__EVENT_BATCH__INIT;
    Reveille__V1__Column id = REVEILLE__V1__COLUMN__INIT, topic = id, value = id, *properties[] = {&topic, &value};
    Reveille__V1__StringColumn keys = strings(client->keys, client->key_lengths, n),
                               ids = strings(client->ids, client->id_lengths, n),
                               topics = strings(client->topics, client->topic_lengths, n);
    identity.producer = (ProtobufCBinaryData){.len = 16, .data = client->producer};
    identity.sequence = client->sequence;
    id.type = topic.type = REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_STRING;
    id.strings = &ids;
    topic.name = (char *)"topic";
    topic.strings = &topics;
    value.name = (char *)"value";
    value.type = REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_DECIMAL;
    value.scale = 2;
    value.n_ints = n;
    value.ints = client->values;
    value.present = (ProtobufCBinaryData){.len = (n + 7) / 8, .data = client->present};
    batch.contact_keys = &keys;
    batch.n_contacts = batch.n_times_ms = batch.n_types = n;
    batch.contacts = client->contacts;
    batch.times_ms = client->times;
    batch.types = client->types;
    batch.n_type_names = TYPES;
    batch.type_names = TYPE_NAMES;
    batch.event_id = &id;
    batch.n_properties = 2;
    batch.properties = properties;
    request.identity = &identity;
    request.batch = &batch;
    return reveille__v1__append_request__pack(&request, client->body);
}

// ---- a client -----------------------------------------------------------------------------------------------------

static bool fail(client_t *client, const char *what) {
    fprintf(stderr, "append: client %d: %s\n", client->number, what);
    client->failed = true;
    return false;
}

static bool send_batch(client_t *client, rv_client_t *connection) {
    uint8_t *reply = NULL;
    size_t n = 0;
    rv_error_t err;
    if (rv_client_call(connection, "reveille.v1.EventService/Append", client->body, pack(client), TIMEOUT_MS, &reply,
                       &n, &err) != RV_OK) {
        return fail(client, err.message);
    }
    Reveille__V1__AppendResponse *response = reveille__v1__append_response__unpack(NULL, n, reply);
    free(reply);
    uint64_t applied = response != NULL ? response->result->applied : 0;
    reveille__v1__append_response__free_unpacked(response, NULL);
    client->events += applied;
    client->batches++;
    return applied == (uint64_t)client->options->batch || fail(client, "not all events of a batch were taken");
}

// The event of the last batch that is at `place` is in its contact's timeline.
static bool verify(client_t *client, rv_client_t *connection, size_t place) {
    Reveille__V1__TimelineRequest request = REVEILLE__V1__TIMELINE_REQUEST__INIT;
    char key[KEY + 1] = {0};
    uint8_t body[64], *reply = NULL;
    rv_call_t *call = NULL;
    rv_error_t err;
    bool more = true, found = false;
    size_t n = 0;
    memcpy(key, client->keys + place * KEY, KEY);
    request.key = key;
    rv_status_t status = rv_call_open(connection, "reveille.v1.ContactService/Timeline", body,
                                      reveille__v1__timeline_request__pack(&request, body), TIMEOUT_MS, &call, &err);
    while (status == RV_OK && more) {
        status = rv_call_receive(call, &reply, &n, &more, &err);
        if (status == RV_OK) {
            found |= memmem(reply, n, client->ids + place * ID, ID) != NULL;
            free(reply);
        }
    }
    rv_call_close(&call);
    client->verified++;
    return status != RV_OK ? fail(client, err.message)
                           : found || fail(client, "an acknowledged event is not in its contact's timeline");
}

static bool note(client_t *client, double ms) {
    if (client->batches > client->room) {
        size_t room = client->room == 0 ? 4096 : 2 * client->room;
        float *more = realloc(client->latencies, room * sizeof *more);
        if (more == NULL) {
            return fail(client, "out of memory");
        }
        client->latencies = more;
        client->room = room;
    }
    client->latencies[client->batches - 1] = (float)ms;
    return true;
}

static void *live(void *context) {
    client_t *client = context;
    const options_t *options = client->options;
    rv_client_t *connection = NULL;
    rv_error_t err;
    if (rv_client_new(options->endpoint, &connection, &err) != RV_OK) {
        fail(client, err.message);
        return NULL;
    }
    double step = options->rate > 0 ? options->batch * options->clients / options->rate : 0, end;
    double due = client->begin + step * client->number / options->clients;
    for (end = client->begin + options->seconds; !client->failed && now() < end && due < end; due += step) {
        client->sequence++;
        fill(client);
        if (step > 0) {
            wait_until(due);
        }
        double sent = now();
        if (!send_batch(client, connection) || !note(client, 1e3 * (now() - sent))) {
            break;
        }
        client->behind = step > 0 ? now() - due : 0;
        if (options->verify > 0 && client->sequence % (uint64_t)options->verify == 0) {
            verify(client, connection, below(client, (uint32_t)options->batch));
        }
    }
    rv_client_destroy(&connection);
    return NULL;
}

// ---- the disk -----------------------------------------------------------------------------------------------------

// Commits a second of one put each; negative: it does not work there.
static double bare_commits(const char *dir) {
    MDB_env *env = NULL;
    MDB_dbi dbi;
    uint64_t n = 0;
    char path[4096], value[100] = {0};
    double begin = now(), passed = 0;
    snprintf(path, sizeof path, "%s/append-bare.mdb", dir);
    int code = mdb_env_create(&env);
    code = code != 0 ? code : mdb_env_set_mapsize(env, (size_t)1 << 30);
    code = code != 0 ? code : mdb_env_open(env, path, MDB_NOSUBDIR, 0644);
    for (; code == 0 && passed < 2; passed = now() - begin) {
        MDB_txn *txn = NULL;
        MDB_val key = {sizeof n, &n}, data = {sizeof value, value};
        n++;
        code = mdb_txn_begin(env, NULL, 0, &txn);
        code = code != 0 ? code : mdb_dbi_open(txn, NULL, 0, &dbi);
        code = code != 0 ? code : mdb_put(txn, dbi, &key, &data, 0);
        code = code != 0 ? code : mdb_txn_commit(txn);
    }
    mdb_env_close(env);
    unlink(path);
    strncat(path, "-lock", sizeof path - strlen(path) - 1);
    unlink(path);
    if (code != 0) {
        fprintf(stderr, "append: LMDB in %s: %s\n", dir, mdb_strerror(code));
    }
    return code != 0 ? -1 : (double)n / passed;
}

// ---- all of it ----------------------------------------------------------------------------------------------------

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// Prints the figures; `commits` is 0 when none were counted.
static bool report(client_t *clients, const options_t *options, double passed, double commits) {
    uint64_t events = 0, batches = 0, verified = 0;
    double behind = 0;
    bool failed = false;
    for (int i = 0; i < options->clients; i++) {
        events += clients[i].events;
        batches += clients[i].batches;
        verified += clients[i].verified;
        behind = clients[i].behind > behind ? clients[i].behind : behind;
        failed |= clients[i].failed;
    }
    float *all = malloc((batches + 1) * sizeof *all);
    size_t n = 0;
    for (int i = 0; all != NULL && i < options->clients; i++) {
        for (size_t k = 0; k < clients[i].batches && k < clients[i].room; k++) {
            all[n++] = clients[i].latencies[k];
        }
    }
    if (n == 0) {
        free(all);
        return false;
    }
    qsort(all, n, sizeof *all, by_size);
    printf(
        "{\"events\": %llu, \"seconds\": %.2f, \"events_per_second\": %.0f, \"verified\": %llu, \"median_ms\": %.2f, "
        "\"p99_ms\": %.2f, \"behind_ms\": %.1f",
        (unsigned long long)events, passed, (double)events / passed, (unsigned long long)verified, (double)all[n / 2],
        (double)all[n - 1 - n / 100], 1e3 * behind);
    if (commits > 0) {
        double asked = 400 * commits < 1e5 ? 400 * commits : 1e5;
        printf(", \"bare_commits_per_second\": %.0f, \"asked\": %.0f", commits, asked);
    }
    printf("}\n");
    free(all);
    return !failed;
}

static bool read_options(int argc, char **argv, options_t *ret) {
    *ret = (options_t){.clients = 8, .batch = 100, .seconds = 10};
    if (argc < 3 || argc % 2 == 0) {
        return false;
    }
    ret->endpoint = argv[1];
    ret->contacts = (uint32_t)strtoul(argv[2], NULL, 10);
    for (int i = 3; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--clients") == 0) {
            ret->clients = atoi(value);
        } else if (strcmp(name, "--batch") == 0) {
            ret->batch = atoi(value);
        } else if (strcmp(name, "--seconds") == 0) {
            ret->seconds = atof(value);
        } else if (strcmp(name, "--rate") == 0) {
            ret->rate = atof(value);
        } else if (strcmp(name, "--verify") == 0) {
            ret->verify = atoi(value);
        } else if (strcmp(name, "--bare") == 0) {
            ret->bare = value;
        } else {
            return false;
        }
    }
    return ret->contacts > 0 && ret->clients > 0 && ret->clients <= MAX_CLIENTS && ret->batch > 0 &&
           ret->batch <= MAX_BATCH;
}

// A UUIDv7 and a seed.
static bool introduce(client_t *client) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    if (getrandom(client->producer, sizeof client->producer, 0) != (ssize_t)sizeof client->producer ||
        getrandom(&client->random, sizeof client->random, 0) != (ssize_t)sizeof client->random) {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        client->producer[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    client->producer[6] = (uint8_t)(0x70 | (client->producer[6] & 0x0F));
    client->producer[8] = (uint8_t)(0x80 | (client->producer[8] & 0x3F));
    client->random |= 1; // never zero
    snprintf(client->name, sizeof client->name, "%08x%02x", (unsigned)(client->random >> 32),
             (unsigned)client->number & 255);
    return true;
}

// Returns the seconds that it took; negative: not all clients could start.
static double run(client_t *clients, const options_t *options) {
    double begin = now();
    int started = 0;
    for (bool good = true; good && started < options->clients;) {
        client_t *client = &clients[started];
        client->options = options;
        client->number = started;
        client->begin = begin;
        good = introduce(client) && pthread_create(&client->thread, NULL, live, client) == 0;
        started += good;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    return started == options->clients ? now() - begin : -1;
}

int main(int argc, char **argv) {
    options_t options;
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr,
                "usage: append ENDPOINT CONTACTS [--clients N] [--batch N] [--seconds S] [--rate EVENTS_PER_SECOND] "
                "[--verify EVERY] [--bare DIR]\n");
        return 2;
    }
    client_t *clients = calloc((size_t)options.clients, sizeof *clients);
    if (clients == NULL) {
        return 1;
    }
    double before = options.bare != NULL ? bare_commits(options.bare) : 0;
    double passed = run(clients, &options);
    double after = options.bare != NULL ? bare_commits(options.bare) : 0;
    bool good = passed > 0 && before >= 0 && after >= 0 && report(clients, &options, passed, (before + after) / 2);
    for (int i = 0; i < options.clients; i++) {
        free(clients[i].latencies);
    }
    free(clients);
    return good ? 0 : 1;
}

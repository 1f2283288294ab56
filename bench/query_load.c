/* query_load: one count query from many clients at once, against a running cluster.
 *
 *   query_load --endpoint tcp://127.0.0.1:7600 --clients 16 --seconds 10 --filter "country = 'DE'" [--pids 12,13,14]
 *
 * First one client alone (for its median), then all of them, each a thread with a connection of its own that asks again
 * as soon as it is answered. Every answer must be the same number. Prints the median of the single client, queries a
 * second, quantiles of the time of a query, and what --pids hold in memory before, halfway and after. Any failure ends
 * the program with a message and status 1. */
#include "reveille/client.h"
#include "reveille/v1/segment.pb-c.h"
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT "reveille.v1.SegmentService/Count"
#define ALONE 500u /* queries of the single client */
#define MOST_CLIENTS 1024u
#define MOST_PIDS 64u

typedef struct {
    const char *endpoint, *filter;
    unsigned long clients, queries; /* of one client; 0: by time */
    double seconds;
    unsigned long pids[MOST_PIDS];
    size_t n_pids;
} options_t;

typedef struct {
    const options_t *options;
    uint8_t *request;
    size_t request_n;
    _Atomic uint64_t *expected; /* the answer; UINT64_MAX: not known yet */
    unsigned long queries;
    double until;
    pthread_t thread;
    float *ms; /* of each query */
    size_t n, cap;
} load_t;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what) {
    fprintf(stderr, "query_load: %s\n", what);
    exit(1);
}

static void note(load_t *load, double seconds) {
    if (load->n == load->cap) {
        load->cap = load->cap ? 2 * load->cap : 4096;
        load->ms = realloc(load->ms, load->cap * sizeof *load->ms);
        if (!load->ms)
            die("no memory");
    }
    load->ms[load->n++] = (float)(seconds * 1e3);
}

static void ask(load_t *load, rv_client_t *client) {
    uint8_t *reply;
    size_t n;
    rv_error_t err;
    if (rv_client_call(client, COUNT, load->request, load->request_n, 0, &reply, &n, &err) != RV_OK)
        die(err.message);
    Reveille__V1__CountResponse *response = reveille__v1__count_response__unpack(NULL, n, reply);
    if (!response)
        die("an answer cannot be read");
    uint64_t unknown = UINT64_MAX;
    if (!atomic_compare_exchange_strong(load->expected, &unknown, response->count) && unknown != response->count)
        die("two answers to the same question differ");
    reveille__v1__count_response__free_unpacked(response, NULL);
    free(reply);
}

static void *run(void *context) {
    load_t *load = context;
    rv_client_t *client;
    rv_error_t err;
    if (rv_client_new(load->options->endpoint, &client, &err) != RV_OK)
        die(err.message);
    ask(load, client); /* connects */
    double begin = now_s();
    while (load->queries ? load->n < load->queries : begin < load->until) {
        ask(load, client);
        double end = now_s();
        note(load, end - begin);
        begin = end;
    }
    rv_client_destroy(&client);
    return NULL;
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static double quantile(const float *sorted, size_t n, double q) {
    return n ? (double)sorted[(size_t)(q * (double)(n - 1))] : 0;
}

static void print_memory(const options_t *options, const char *when) {
    for (size_t i = 0; i < options->n_pids; i++) {
        char path[64], line[256];
        unsigned long kib = 0;
        snprintf(path, sizeof path, "/proc/%lu/status", options->pids[i]);
        FILE *file = fopen(path, "re");
        if (!file)
            die("a process of --pids does not exist");
        while (fgets(line, sizeof line, file) && sscanf(line, "VmRSS: %lu", &kib) != 1)
            ;
        fclose(file);
        printf("memory %-9s process %lu: %.1f MiB\n", when, options->pids[i], (double)kib / 1024);
    }
}

/* Runs clients at once; their times, sorted. */
static float *run_clients(const load_t *model, unsigned long clients, double seconds, size_t *ret_n, double *ret_took) {
    load_t *loads = calloc(clients, sizeof *loads);
    double begin = now_s();
    size_t n = 0;
    if (!loads)
        die("no memory");
    for (unsigned long i = 0; i < clients; i++) {
        loads[i] = *model;
        loads[i].until = begin + seconds;
        if (pthread_create(&loads[i].thread, NULL, run, &loads[i]) != 0)
            die("no thread");
    }
    for (unsigned long i = 0; i < clients; i++) {
        pthread_join(loads[i].thread, NULL);
        n += loads[i].n;
    }
    *ret_took = now_s() - begin;
    float *all = malloc((n + 1) * sizeof *all);
    if (!all)
        die("no memory");
    n = 0;
    for (unsigned long i = 0; i < clients; i++) {
        if (loads[i].n)
            memcpy(all + n, loads[i].ms, loads[i].n * sizeof *all);
        n += loads[i].n;
        free(loads[i].ms);
    }
    qsort(all, n, sizeof *all, by_size);
    free(loads);
    *ret_n = n;
    return all;
}

static void measure(const options_t *options) {
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    _Atomic uint64_t expected = UINT64_MAX;
    load_t model = {.options = options, .expected = &expected, .queries = ALONE};
    request.filter = (char *)(uintptr_t)options->filter;
    model.request_n = reveille__v1__count_request__get_packed_size(&request);
    model.request = malloc(model.request_n + 1);
    if (!model.request)
        die("no memory");
    reveille__v1__count_request__pack(&request, model.request);
    size_t n;
    double took;
    float *times = run_clients(&model, 1, 0, &n, &took);
    double alone = quantile(times, n, 0.5);
    free(times);
    printf("1 client: median %.3f ms, %.0f queries/s\n", alone, (double)n / took);
    print_memory(options, "before");
    model.queries = options->queries / 2;
    for (int half = 0; half < 2; half++) {
        times = run_clients(&model, options->clients, options->seconds / 2, &n, &took);
        double p99 = quantile(times, n, 0.99);
        printf("%lu clients: %.0f queries/s, p50 %.3f ms, p99 %.3f ms (%.1f times the single median), max %.3f ms\n",
               options->clients, (double)n / took, quantile(times, n, 0.5), p99, p99 / alone, quantile(times, n, 1));
        free(times);
        print_memory(options, half ? "after" : "halfway");
    }
    free(model.request);
}

static void parse_pids(options_t *options, const char *text) {
    for (char *end; *text; text = *end == ',' ? end + 1 : end) {
        unsigned long pid = strtoul(text, &end, 10);
        if (end == text || options->n_pids == MOST_PIDS)
            die("--pids takes up to 64 numbers with commas between them");
        options->pids[options->n_pids++] = pid;
    }
}

int main(int argc, char **argv) {
    static const struct option LONG[] = {{"endpoint", required_argument, NULL, 'e'},
                                         {"clients", required_argument, NULL, 'c'},
                                         {"seconds", required_argument, NULL, 's'},
                                         {"queries", required_argument, NULL, 'q'},
                                         {"filter", required_argument, NULL, 'f'},
                                         {"pids", required_argument, NULL, 'p'},
                                         {NULL, 0, NULL, 0}};
    options_t options = {.endpoint = "tcp://127.0.0.1:7600", .filter = "", .clients = 16, .seconds = 10};
    for (int c; (c = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
        if (c == 'e')
            options.endpoint = optarg;
        else if (c == 'c')
            options.clients = strtoul(optarg, NULL, 10);
        else if (c == 's')
            options.seconds = strtod(optarg, NULL);
        else if (c == 'q')
            options.queries = strtoul(optarg, NULL, 10);
        else if (c == 'f')
            options.filter = optarg;
        else if (c == 'p')
            parse_pids(&options, optarg);
        else
            die("[--endpoint E] [--clients N] [--seconds S | --queries N (of each client)] [--filter F] [--pids N,N]");
    }
    if (options.clients < 1 || options.clients > MOST_CLIENTS || optind < argc || options.queries == 1)
        die("--clients is 1 to 1024, --queries 2 or more, and there are no further arguments");
    measure(&options);
    return 0;
}

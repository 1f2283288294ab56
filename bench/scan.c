/* What a plain scan of memory reaches: sums 64-bit words of a buffer, one thread a processor, best of several rounds.
 *   scan [MIB a thread, default 256] [threads, default the processors]
 * Prints bytes a second of all threads together. bounds.mjs holds the workload's queries against it. */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define MOST 256

typedef struct {
    pthread_t thread;
    pthread_barrier_t *start;
    uint64_t *words;
    size_t n;
    uint64_t sum;
    double seconds[ROUNDS];
} scan_t;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void *run(void *context) {
    scan_t *scan = context;
    for (size_t i = 0; i < scan->n; i++) {
        scan->words[i] = i;
    }
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(scan->start);
        double start = now();
        uint64_t sum = 0;
        for (size_t i = 0; i < scan->n; i++) {
            sum += scan->words[i];
        }
        scan->sum += sum;
        scan->seconds[round] = now() - start;
    }
    return NULL;
}

int main(int argc, char **argv) {
    long mib = argc > 1 ? atol(argv[1]) : 256, threads = argc > 2 ? atol(argv[2]) : sysconf(_SC_NPROCESSORS_ONLN);
    if (mib < 1 || threads < 1 || threads > MOST) {
        fprintf(stderr, "usage: scan [MIB] [THREADS, 1 to %d]\n", MOST);
        return 2;
    }
    static scan_t scans[MOST];
    pthread_barrier_t start;
    size_t n = (size_t)mib * 1024 * 1024 / sizeof(uint64_t);
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (long i = 0; i < threads; i++) {
        scans[i] = (scan_t){.start = &start, .words = malloc(n * sizeof(uint64_t)), .n = n};
        if (!scans[i].words || pthread_create(&scans[i].thread, NULL, run, &scans[i]) != 0) {
            fprintf(stderr, "scan: no memory or no thread\n");
            return 1;
        }
    }
    uint64_t sum = 0;
    for (long i = 0; i < threads; i++) {
        pthread_join(scans[i].thread, NULL);
        sum += scans[i].sum;
        free(scans[i].words);
    }
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double slowest = 0;
        for (long i = 0; i < threads; i++) {
            slowest = scans[i].seconds[round] > slowest ? scans[i].seconds[round] : slowest;
        }
        double rate = (double)threads * (double)n * sizeof(uint64_t) / slowest;
        best = rate > best ? rate : best;
    }
    printf("{\"threads\": %ld, \"bytes\": %zu, \"bytes_per_second\": %.0f, \"sum\": %" PRIu64 "}\n", threads,
           (size_t)threads * n * sizeof(uint64_t), best, sum);
    return 0;
}

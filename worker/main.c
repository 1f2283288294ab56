/* main.c: reveille-worker: options, start, signals, stop.
 *
 * SIGTERM and SIGINT end the worker in order: the link stops taking calls, the writer finishes what is queued, nothing
 * is flushed (the log has everything). Exit status: 0 stopped in order, 1 could not start or lost its log, 2 wrong
 * usage.
 */
#include "link.h"
#include "reveille/heap.h"
#include "reveille/log.h"
#include <czmq.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_BLOCK (3 << 19) /* bytes: rv_heap_bound; the body of a write, up to a MiB, comes from the heap */
#define HEAP_REST (4 << 20)

typedef struct {
    const char *name, *data, *endpoints;
    unsigned threads;
    bool flush;
} options_t;

static const char USAGE[] =
    "reveille-worker --name NAME --data DIR --coordinator-endpoints FILE [--threads N]\n"
    "reveille-worker --data DIR --flush\n"
    "\n"
    "Holds partitions of a cluster and answers the coordinator. `reveille up` starts it.\n"
    "\n"
    "  --name NAME                    name in the cluster, for example worker-1\n"
    "  --data DIR                     directory of its data, made when it does not exist\n"
    "  --coordinator-endpoints FILE   file with the coordinator's endpoints, one a line: clients, data, control\n"
    "  --threads N                    threads that run queries, 1 to 256 (default: one a processor)\n"
    "  --flush                        write everything from the log into the partitions, empty the log, and end\n"
    "  --help, --version\n";

static int parse(int argc, char **argv, options_t *options) {
    static const struct option LONG[] = {{"name", required_argument, NULL, 'n'},
                                         {"data", required_argument, NULL, 'd'},
                                         {"coordinator-endpoints", required_argument, NULL, 'e'},
                                         {"threads", required_argument, NULL, 't'},
                                         {"flush", no_argument, NULL, 'f'},
                                         {"help", no_argument, NULL, 'h'},
                                         {"version", no_argument, NULL, 'v'},
                                         {NULL, 0, NULL, 0}};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    long threads = processors > 0 ? processors : 1;
    for (int c; (c = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
        switch (c) {
        case 'n':
            options->name = optarg;
            break;
        case 'd':
            options->data = optarg;
            break;
        case 'e':
            options->endpoints = optarg;
            break;
        case 't':
            threads = strtol(optarg, NULL, 10);
            break;
        case 'f':
            options->flush = true;
            break;
        case 'h':
            fputs(USAGE, stdout);
            return 0;
        case 'v':
            puts("reveille-worker " RV_VERSION);
            return 0;
        default:
            fputs(USAGE, stderr);
            return 2;
        }
    }
    if (optind < argc || !options->data || threads < 1 || threads > 256 ||
        (!options->flush && (!options->name || !options->endpoints || strlen(options->name) > 64))) {
        fputs(USAGE, stderr);
        return 2;
    }
    options->threads = (unsigned)threads;
    return -1;
}

static int fail(const rv_error_t *err) {
    rv_log(RV_LOG_ERROR, "start-failed", "%s: %s", rv_status_name(err->status), err->message);
    return 1;
}

/* Waits for a signal, for the writer to lose its log, or for the coordinator's final refusal. */
static int wait_for_end(const rvw_writer_t *writer, const rvw_link_t *link, const sigset_t *signals) {
    for (;;) {
        int got = sigtimedwait(signals, NULL, &(struct timespec){.tv_nsec = 250000000});
        if (got > 0) {
            rv_log(RV_LOG_INFO, "stopping", "on signal %d", got);
            return 0;
        }
        if (rvw_writer_failed(writer)) {
            rv_log(RV_LOG_ERROR, "stopping", "the log failed: start the worker again, it reads what is on disk");
            return 1;
        }
        if (rvw_link_refused(link)) {
            rv_log(RV_LOG_ERROR, "stopping", "the coordinator has refused this worker for good");
            return 1;
        }
    }
}

static int serve(const options_t *options, rvw_holdings_t *holdings, const sigset_t *signals, rv_error_t *err) {
    rvw_link_config_t config = {.name = options->name, .endpoints_file = options->endpoints, .holdings = holdings};
    rvw_link_t *link = NULL;
    int exit_status = 1;
    if (rvw_outbox_new(&config.outbox, err) == RV_OK &&
        rvw_housekeeper_new(holdings, &config.housekeeper, err) == RV_OK &&
        rvw_writer_new(holdings, config.housekeeper, &config.writer, err) == RV_OK &&
        rvw_pool_new(holdings, options->threads, &config.pool, err) == RV_OK &&
        rvw_link_new(&config, &link, err) == RV_OK) {
        rv_log(RV_LOG_INFO, "started", "%s, start %llu, %u threads", options->name,
               (unsigned long long)rvw_holdings_incarnation(holdings), options->threads);
        exit_status = wait_for_end(config.writer, link, signals);
    } else {
        fail(err);
    }
    rvw_link_destroy(&link);
    rvw_pool_destroy(&config.pool);
    rvw_writer_destroy(&config.writer);
    rvw_housekeeper_destroy(&config.housekeeper);
    rvw_outbox_destroy(&config.outbox);
    return exit_status;
}

int main(int argc, char **argv) {
    options_t options = {0};
    rv_error_t err = {0};
    rvw_holdings_t *holdings = NULL;
    int parsed = parse(argc, argv, &options);
    if (parsed >= 0)
        return parsed;
    rv_heap_bound(HEAP_BLOCK, HEAP_REST);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* every thread inherits it; main waits for them */
    signal(SIGPIPE, SIG_IGN);
    zsys_init();
    zsys_handler_set(NULL);
    if (rvw_holdings_open(options.data, &holdings, &err) != RV_OK)
        return fail(&err);
    int exit_status = 0;
    if (options.flush)
        exit_status = rvw_holdings_flush(holdings, &err) == RV_OK ? 0 : fail(&err);
    else
        exit_status = serve(&options, holdings, &signals, &err);
    rvw_holdings_close(&holdings);
    zsys_shutdown();
    return exit_status;
}

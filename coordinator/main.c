/* main.c: reveille-coordinator: settings in, signals as a descriptor, run, exit status.
 *
 * SIGTERM and SIGINT are blocked and read from a signalfd, so that they arrive in the poll loop like everything else:
 * they drain. SIGPIPE is ignored. Exit status: 0 stopped as asked, 1 failed (one line says why), 2 wrong usage. */
#include "coordinator.h"
#include "reveille/heap.h"
#include "settings.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#ifndef RV_VERSION
#define RV_VERSION "0"
#endif

/* Batches of an import take and give back blocks of a few MiB all the time: they come from the heap, which is trimmed
 * when the import ends. */
#define HEAP_BLOCK (8 << 20)
#define HEAP_REST (16 << 20)

/* Blocks the signals that stop the daemon, before any thread exists, and gives them as a descriptor; -1 on failure. */
static int stop_signals(void) {
    sigset_t set;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int main(int argc, char **argv) {
    rvc_settings_t settings;
    rv_error_t err = {0};
    if (rvc_settings_parse(argc, argv, &settings, &err) != RV_OK) {
        fprintf(stderr, "reveille-coordinator: %s\n", err.message);
        return 2;
    }
    if (settings.help) {
        rvc_settings_usage(argv[0]);
        return 0;
    }
    if (settings.version) {
        puts("reveille-coordinator " RV_VERSION);
        return 0;
    }
    rv_heap_bound(HEAP_BLOCK, HEAP_REST);
    rv_log_level(settings.log_level);
    int stop_fd = stop_signals();
    if (stop_fd < 0) {
        perror("reveille-coordinator: signals");
        return 1;
    }
    rvc_options_t options = {.data_dir = settings.data_dir,
                             .endpoint = settings.endpoint,
                             .data_endpoint = settings.data_endpoint,
                             .control_endpoint = settings.control_endpoint,
                             .workers = settings.workers,
                             .partitions = settings.partitions,
                             .chunk_rows = settings.chunk_rows,
                             .stop_fd = stop_fd};
    rv_status_t status = rvc_coordinator_run(&options, &err);
    close(stop_fd);
    if (status == RV_OK) {
        rv_log(RV_LOG_INFO, "stopped", "stopped as asked");
        return 0;
    }
    rv_log(RV_LOG_ERROR, "failed", "%s: %s", rv_status_name(status), err.message);
    return 1;
}

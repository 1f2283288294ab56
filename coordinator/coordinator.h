/* coordinator.h: the coordinator as an actor with sockets: binds, runs until it is told to stop, drains. */
#ifndef REVEILLE_COORDINATOR_COORDINATOR_H
#define REVEILLE_COORDINATOR_COORDINATOR_H

#include "reveille/status.h"

typedef struct {
    const char *data_dir;
    const char *endpoint, *data_endpoint, *control_endpoint;
    uint32_t workers, partitions, chunk_rows;
    int stop_fd; /* readable: stop (a signalfd, an eventfd, a pipe) */
} rvc_options_t;

/* Runs in the calling thread until stop_fd is readable: then takes no new calls, gives open ones up to 5 s, and returns
 * OK. FAILED_PRECONDITION/FOREIGN when another process uses the directory; other errors are those of opening. Writes
 * DATA/endpoints when it is bound. */
rv_status_t rvc_coordinator_run(const rvc_options_t *options, rv_error_t *err);

#endif

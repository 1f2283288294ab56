/* home.h: the data directory of a cluster on this machine and the file DATA/reveille that says what it is. */
#ifndef REVEILLE_CLI_HOME_H
#define REVEILLE_CLI_HOME_H

#include "reveille/status.h"

typedef struct {
    char endpoint[256];
    uint32_t workers, partitions, chunk_rows;
} rv_home_t;

/* Reads the file of an existing cluster. *ret_found is false for a directory that does not exist or is empty; one that
 * holds something else, or a file that is no such file, is FAILED_PRECONDITION/FOREIGN. */
rv_status_t rv_home_read(const char *data, rv_home_t *ret, bool *ret_found, rv_error_t *err);
/* Makes the directory if need be and writes the file, whole or not at all. */
rv_status_t rv_home_write(const char *data, const rv_home_t *home, rv_error_t *err);
/* Takes the lock that keeps two `up` or `down` from working on the directory at once; the descriptor holds it. */
rv_status_t rv_home_lock(const char *data, int *ret_fd, rv_error_t *err);
/* The identity of the cluster, hexadecimal, as its coordinator wrote it; "" before it has. */
void rv_home_cluster_id(const char *data, char out[33]);
/* The endpoint is of this machine alone (127.x, ::1, localhost, ipc). */
bool rv_endpoint_is_local(const char *endpoint);

#endif

/* process.h: daemons of a cluster on this machine: starting them, and whether they run. */
#ifndef REVEILLE_CLI_PROCESS_H
#define REVEILLE_CLI_PROCESS_H

#include "reveille/status.h"
#include <sys/types.h>

/* Path of another executable beside this one. */
rv_status_t rv_process_beside(const char *name, char *out, size_t cap, rv_error_t *err);
/* Starts a program in a session of its own with no descriptor of ours: stdin is /dev/null, stdout and stderr are
 * appended to `log`. */
rv_status_t rv_process_start(const char *const *argv, const char *log, pid_t *ret, rv_error_t *err);
/* Runs a program the same way to its end. UNKNOWN when it fails, with the end of its log. */
rv_status_t rv_process_run(const char *const *argv, const char *log, rv_error_t *err);

/* Who holds DIR/lock. */
typedef struct {
    bool held;   /* by somebody */
    bool ending; /* who was killed or exits: the lock will be free in a moment */
    pid_t pid;   /* of that process, which has the file open; 0: not known */
} rv_holder_t;

/* Looks once. A number in the file of a process that does not have it open is of an earlier holder. */
rv_holder_t rv_process_holder(const char *dir);
/* Looks until nobody holds the lock or a process does that goes on. DEADLINE_EXCEEDED when neither is so after 30 s. */
rv_status_t rv_process_settle(const char *dir, rv_holder_t *ret, rv_error_t *err);
/* The last lines of a file from `start` on, at most `cap` bytes with the NUL; "" when there is nothing. */
void rv_process_tail(const char *path, long start, char *out, size_t cap);
/* Waits a moment. */
void rv_process_pause(unsigned ms);

#endif

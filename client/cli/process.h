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
/* The process that holds DIR/lock; 0 when nobody does, -1 when somebody does whose number is not known. */
pid_t rv_process_holder(const char *dir);
/* The last lines of a file from `start` on, at most `cap` bytes with the NUL; "" when there is nothing. */
void rv_process_tail(const char *path, long start, char *out, size_t cap);
/* Waits a moment. */
void rv_process_pause(unsigned ms);

#endif

/* members.h: the daemons of a cluster on this machine: one coordinator and its workers, started and stopped together.
 */
#ifndef REVEILLE_CLI_MEMBERS_H
#define REVEILLE_CLI_MEMBERS_H

#include "home.h"
#include <signal.h>

typedef struct rv_members rv_members_t;

/* The members that the home describes; `threads` 0 leaves that to the workers. Looks which of them run already, and
 * waits for those that were killed and are not gone yet: DEADLINE_EXCEEDED names one that does not end within 30 s. */
rv_status_t rv_members_new(const char *data, const rv_home_t *home, unsigned threads, rv_members_t **ret,
                           rv_error_t *err);
void rv_members_destroy(rv_members_t **members);
/* Members that run, ours or not. */
size_t rv_members_running(const rv_members_t *members);
/* Member i (0 is the coordinator) ran already when we came, and went on when rv_members_start last looked. */
bool rv_members_was_running(const rv_members_t *members, size_t i);
/* Starts those that do not run (any more), the coordinator first. One that is ending is left for the next time. */
rv_status_t rv_members_start(rv_members_t *members, rv_error_t *err);
/* OK while all that were started here live (or another process has their place); otherwise what ended, with the last
 * lines of its log. `ret_orderly` (may be NULL): it ended with status 0. */
rv_status_t rv_members_check(rv_members_t *members, bool *ret_orderly, rv_error_t *err);
/* Stops those that were started here: SIGTERM, coordinator first, and waits up to 30 s. DEADLINE_EXCEEDED names what
 * still runs. */
rv_status_t rv_members_stop(rv_members_t *members, rv_error_t *err);

/* Stops whatever runs in a data directory; `force` kills what does not stop in time. *ret_stopped counts. */
rv_status_t rv_members_down(const char *data, bool force, size_t *ret_stopped, rv_error_t *err);

#endif

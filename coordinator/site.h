/* site.h: the coordinator's directory beside its data: one process at a time, and where it listens. */
#ifndef REVEILLE_COORDINATOR_SITE_H
#define REVEILLE_COORDINATOR_SITE_H

#include "reveille/status.h"

/* Makes the directory if it is missing, takes DATA/lock and writes DATA/pid. FAILED_PRECONDITION/FOREIGN: "in use by
 * process N". */
rv_status_t rvc_site_lock(const char *dir, int *ret_lock, rv_error_t *err);
/* Gives the lock back (-1: none). */
void rvc_site_unlock(int *lock);
/* Writes DATA/cluster: one line, the identity of the cluster, by which `reveille up` knows who answers. */
rv_status_t rvc_site_identify(const char *dir, const char *cluster_id, rv_error_t *err);
/* Writes DATA/endpoints: three lines, clients, data, control; written beside, synced and renamed. */
rv_status_t rvc_site_publish(const char *dir, const char *clients, const char *data, const char *control,
                             rv_error_t *err);

#endif

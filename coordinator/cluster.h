/* cluster.h: who holds what: workers, partitions, epochs. Pure state and decisions: no socket, no disk, no clock.
 *
 * Every function is a function of (state, event, now). Those that change the map (owner, epoch or created of a
 * partition) say so; the caller stores the map before anyone acts on it. Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_CLUSTER_H
#define REVEILLE_COORDINATOR_CLUSTER_H

#include "reveille/limits.h"
#include "reveille/status.h"
#include "reveille/v1/worker.pb-c.h"

#define RVC_NOBODY UINT32_MAX
#define RVC_MAX_WORKER_NAME 64u

/* A worker: see cluster.c for the drawing. */
typedef enum {
    RVC_WORKER_LOST,       /* known by name only: not seen yet, or its lease has lapsed */
    RVC_WORKER_REGISTERED, /* alive, its share not confirmed */
    RVC_WORKER_SERVING     /* alive, its share confirmed */
} rvc_worker_state_t;

typedef enum {
    RVC_PARTITION_UNPLACED,  /* no worker was ever chosen */
    RVC_PARTITION_DOWN,      /* its worker does not answer */
    RVC_PARTITION_PENDING,   /* its worker is alive and has not confirmed it yet */
    RVC_PARTITION_AVAILABLE, /* can be read and written */
    RVC_PARTITION_MISSING,   /* its worker is alive and does not hold it */
    RVC_PARTITION_DAMAGED    /* its worker took it out of service */
} rvc_partition_state_t;

typedef struct {
    char name[RVC_MAX_WORKER_NAME + 1];
    rvc_worker_state_t state;
    uint64_t incarnation;
    int64_t lease_until;
    bool respited;            /* since its last sign of life: see rvc_cluster_expire */
    uint64_t catalog_version; /* confirmed */
    uint64_t refused_version; /* of the catalog of the share that it did not take, while `refusal` says why */
    char refusal[256];        /* "": it took the last one */
} rvc_worker_t;

typedef struct {
    rvc_partition_state_t state;
    uint32_t worker; /* slot, or RVC_NOBODY */
    uint64_t epoch;
    bool created; /* confirmed at least once: never created anew */
    bool held;    /* in the last report of its live worker */
    uint64_t lsn; /* last write known: reported or acknowledged */
    uint64_t flushed_lsn, contacts, events, runs, bytes;
    char problem[160]; /* of DAMAGED and MISSING */
} rvc_partition_t;

/* A row of the stored map. */
typedef struct {
    uint64_t epoch;
    bool created;
    char worker[RVC_MAX_WORKER_NAME + 1]; /* "": unplaced */
} rvc_placement_t;

typedef struct rvc_cluster rvc_cluster_t;

/* `map` has one row a partition. */
rvc_cluster_t *rvc_cluster_new(const uint8_t id[16], uint32_t partitions, const rvc_placement_t *map, int64_t now);
void rvc_cluster_destroy(rvc_cluster_t **cluster);
void rvc_cluster_map(const rvc_cluster_t *cluster, rvc_placement_t *map);

/* What a registration led to. */
typedef struct {
    uint32_t slot;
    bool map_changed;
    uint32_t conflicts;      /* partitions refused because another live worker holds them */
    uint32_t first_conflict; /* one of them */
    uint32_t unknown;        /* reports of partitions that this cluster does not have */
} rvc_registration_t;
/* FAILED_PRECONDITION/FOREIGN: data of another cluster, an older start of a worker that is alive, or a directory
 * without any of the partitions that the worker holds. UNAVAILABLE/NOT_READY: the lease of another start of it lives.
 * INVALID_ARGUMENT/FIELD: bad name. RESOURCE_EXHAUSTED/QUOTA: too many workers. Otherwise the worker is REGISTERED and
 * its partitions wait for rvc_cluster_assigned. */
rv_status_t rvc_cluster_register(rvc_cluster_t *cluster, const Reveille__V1__RegisterWorkerRequest *request,
                                 int64_t now, rvc_registration_t *ret, rv_error_t *err);
/* A sign of life. False: it must register again. `ret_damaged`: partitions that it took out of service. */
bool rvc_cluster_ping(rvc_cluster_t *cluster, const Reveille__V1__PingRequest *request, int64_t now,
                      uint32_t *ret_damaged);
/* The worker did not take its share. */
void rvc_cluster_refused(rvc_cluster_t *cluster, uint32_t slot, uint64_t catalog_version, const char *why);
/* Why a partition of a live worker is not served yet. */
const char *rvc_cluster_pending(const rvc_worker_t *worker, char *text, size_t size);
/* A worker confirmed its share. Returns whether the map changed (partitions created). */
bool rvc_cluster_assigned(rvc_cluster_t *cluster, uint32_t slot, const Reveille__V1__AssignResponse *response,
                          uint64_t catalog_version);
/* Marks one worker whose lease has lapsed as lost and returns its slot; RVC_NOBODY: none. When we ourselves come late
 * to the lapse (the machine stood still, or we were busy), its sign of life may be waiting unread: it gets two more
 * pings of time, once. */
uint32_t rvc_cluster_expire(rvc_cluster_t *cluster, int64_t now);
/* The next lapse of a lease; INT64_MAX without live workers. */
int64_t rvc_cluster_next_expiry(const rvc_cluster_t *cluster);
/* A cluster without any placement and with at least `wanted` live workers places all partitions round-robin by worker
 * name. True: the map changed. */
bool rvc_cluster_place(rvc_cluster_t *cluster, uint32_t wanted);
/* An acknowledged write. */
void rvc_cluster_acked(rvc_cluster_t *cluster, uint32_t partition, uint64_t lsn);

uint32_t rvc_cluster_partitions(const rvc_cluster_t *cluster);
const rvc_partition_t *rvc_cluster_partition(const rvc_cluster_t *cluster, uint32_t partition);
uint32_t rvc_cluster_workers(const rvc_cluster_t *cluster);
const rvc_worker_t *rvc_cluster_worker(const rvc_cluster_t *cluster, uint32_t slot);
bool rvc_cluster_ready(const rvc_cluster_t *cluster);
/* Requests are taken: all partitions are available and nothing is `resuming`, or that was so once since the start, or
 * two leases have passed since the start of a cluster that was placed. */
bool rvc_cluster_open(rvc_cluster_t *cluster, bool resuming, int64_t now);
/* Fills *err with UNAVAILABLE/INCOMPLETE: "partitions 1, 3, 5 .. (12 of 64) are not available: worker-2 does not
 * answer". `why`: NULL to take it from the state of the first one. */
rv_status_t rvc_cluster_missing(const rvc_cluster_t *cluster, const uint32_t *partitions, size_t n, const char *why,
                                rv_error_t *err);

#endif

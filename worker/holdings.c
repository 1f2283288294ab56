/* holdings.c: see holdings.h.
 *
 * Log, card and partitions must be of the same time: an older one of them is a lower answer that nobody would mark. So
 * card and log carry the same id and stamp (counted up at every start, first in the log), a log is made only when
 * there is no card, and replay tells a log and a partition that do not meet. A partition changes workers only released:
 * flushed whole, so noted in its state, and forgotten by the log, in this order.
 *
 * A log record is the content hash (8 bytes, little endian) followed by the packed PartitionWrite, whose body comes
 * first: protobuf reads concatenated messages as one, so the body is packed and hashed once and the rest is appended.
 */
#include "holdings.h"
#include "files.h"
#include "reveille/hash.h"
#include "reveille/limits.h"
#include "reveille/log.h"
#include "reveille/wire.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct rvw_holdings {
    char dir[3500];
    int lock_fd;
    rvw_card_t card;
    _Atomic uint64_t term;
    rvw_wal_t *wal;
    rvw_slabs_t *slabs;   /* of all tails */
    pthread_mutex_t lock; /* catalog */
    rv_catalog_t *catalog;
    bool catalog_unsaved; /* the disk had no room for it: nothing that needs it may be logged */
    _Atomic(rvw_partition_t *) partitions[RV_MAX_PARTITIONS];
    _Atomic uint64_t epochs[RV_MAX_PARTITIONS]; /* as stored in the partitions */
    char *problems[RV_MAX_PARTITIONS]; /* of partitions that could not be opened; written before any other thread starts
                                        */
    _Atomic uint32_t bound;
};

/* ---- opening ---- */

static rv_status_t take_lock(rvw_holdings_t *h, rv_error_t *err) {
    char path[4096], pid[32];
    snprintf(path, sizeof path, "%s/lock", h->dir);
    h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (h->lock_fd < 0)
        return rv_fail(err, RV_REASON_FOREIGN, "cannot open '%s': %s", path, strerror(errno));
    if (flock(h->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(h->lock_fd, pid, sizeof pid - 1);
        pid[n > 0 ? n : 0] = 0;
        pid[strcspn(pid, "\n")] = 0;
        return rv_fail(err, RV_REASON_FOREIGN, "'%s' is in use by process %s; stop it or take another directory",
                       h->dir, pid[0] ? pid : "(unknown)");
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    /* In this order: the room that the last pid had is kept, should the disk be full. */
    if (pwrite(h->lock_fd, pid, (size_t)n, 0) != n || ftruncate(h->lock_fd, n) != 0)
        return rv_fail(err, errno == ENOSPC ? RV_REASON_QUOTA : RV_REASON_BUG, "cannot write '%s': %s", path,
                       strerror(errno));
    return RV_OK;
}

static rv_status_t catalog_from(const uint8_t *bytes, size_t n, rv_catalog_t **ret, rv_error_t *err) {
    rv_arena_t arena;
    ProtobufCMessage *message;
    rv_arena_init(&arena, (size_t)1 << 30);
    rv_status_t status = rv_wire_unpack(&reveille__v1__catalog__descriptor, bytes, n, &arena, &message, err);
    if (status == RV_OK)
        status = rv_catalog_new((const Reveille__V1__Catalog *)message, ret, err);
    rv_arena_done(&arena);
    return status;
}

static rv_status_t read_catalog(rvw_holdings_t *h, rv_error_t *err) {
    uint8_t *bytes = NULL;
    size_t n;
    rv_status_t status = rvw_file_read(h->dir, "catalog", &bytes, &n, err);
    if (status == RV_OK)
        status = catalog_from(bytes, n, &h->catalog, err);
    else if (status == RV_NOT_FOUND)
        status = (h->catalog = rv_catalog_empty()) ? RV_OK : rv_fail_memory(err, "a catalog");
    free(bytes);
    return status;
}

typedef struct {
    rvw_holdings_t *holdings;
    rvw_partition_t *partition;
    bool no_room; /* a flush had none: no further one is tried */
} replay_t;

static rv_status_t replay_record(void *context, const rvw_record_t *record, rv_error_t *err) {
    replay_t *replay = context;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    ProtobufCMessage *message = NULL;
    uint64_t content_hash = 0;
    rvw_result_t result;
    rv_status_t status = RV_OK;
    if (record->n < sizeof content_hash)
        status = rv_fail(err, RV_REASON_DAMAGED, "log record %llu of partition %u is cut short",
                         (unsigned long long)record->lsn, record->partition);
    else
        memcpy(&content_hash, record->bytes, sizeof content_hash);
    if (status == RV_OK)
        status = rv_wire_unpack(&reveille__v1__partition_write__descriptor, record->bytes + sizeof content_hash,
                                record->n - sizeof content_hash, &arena, &message, err);
    const Reveille__V1__PartitionWrite *write = (const Reveille__V1__PartitionWrite *)message;
    if (status == RV_OK && rv_catalog_version(replay->holdings->catalog) == 0) /* it came before any write */
        status = rv_fail(err, RV_REASON_DAMAGED,
                         "'%s/catalog' is missing, without which the log cannot be read: put it back from a copy",
                         replay->holdings->dir);
    if (status == RV_OK)
        status = rvw_write_check(write, replay->holdings->catalog, err);
    if (status == RV_OK)
        status = rvw_partition_apply(replay->partition, replay->holdings->catalog, write, record->lsn, content_hash,
                                     false, &arena, &result, err);
    rv_arena_done(&arena);
    /* bound the memory of a long log */
    if (status == RV_OK && !replay->no_room && rvw_partition_tail_bytes(replay->partition) > RV_TAIL_BYTES) {
        rv_status_t flushed = rvw_partition_flush(replay->partition, err);
        replay->no_room = flushed == RV_RESOURCE_EXHAUSTED;
        status = replay->no_room ? RV_OK : flushed;
    }
    return status;
}

static void set_problem(rvw_holdings_t *h, uint32_t number, const rv_error_t *why) {
    rv_log(RV_LOG_ERROR, "partition-lost", "partition %u: %s: %s", number, rv_status_name(why->status), why->message);
    h->problems[number] = strdup(why->message);
    if (number >= atomic_load(&h->bound))
        atomic_store(&h->bound, number + 1);
}

static void add_partition(rvw_holdings_t *h, uint32_t number, rvw_partition_t *partition) {
    atomic_store(&h->epochs[number], rvw_partition_get_identity(partition)->epoch);
    atomic_store(&h->partitions[number], partition);
    if (number >= atomic_load(&h->bound))
        atomic_store(&h->bound, number + 1);
}

/* A released partition, which a new one is too, joins the log. A kill between the steps of a release or of this leaves
 * one that is released and known, which is as good. */
static rv_status_t take_over(rvw_holdings_t *h, rvw_partition_t *partition, rv_error_t *err) {
    uint32_t number = rvw_partition_get_identity(partition)->partition;
    bool released = rvw_partition_released(partition), known = rvw_wal_next(h->wal, number) == number;
    if (!known && !released)
        return rv_fail(err, RV_REASON_DAMAGED,
                       "'%s/p%04u' is not in this worker's log, and its last writes may be in another: put it back "
                       "where it was; `reveille up` is what moves partitions",
                       h->dir, number);
    rv_status_t status = known ? RV_OK : rvw_wal_adopt(h->wal, number, rvw_partition_flushed_lsn(partition), err);
    if (status != RV_OK || !released)
        return status;
    status = rvw_partition_release(partition, false, err);
    /* Without room the note of the release stays for the next start. */
    return status == RV_RESOURCE_EXHAUSTED ? RV_OK : status;
}

static rv_status_t open_one(rvw_holdings_t *h, uint32_t number, rv_error_t *err) {
    char path[4096];
    rvw_partition_t *partition = NULL;
    snprintf(path, sizeof path, "%s/p%04u", h->dir, number);
    rv_status_t status = rvw_partition_open(path, &partition, err);
    if (status != RV_OK)
        return status;
    rvw_partition_share(partition, h->slabs);
    const rvw_identity_t *identity = rvw_partition_get_identity(partition);
    if (identity->partition != number)
        status = rv_fail(err, RV_REASON_FOREIGN, "'%s' holds partition %u", path, identity->partition);
    else if (h->card.has_cluster && memcmp(identity->cluster_id, h->card.cluster_id, 16) != 0)
        status = rv_fail(err, RV_REASON_FOREIGN, "'%s' belongs to another cluster", path);
    replay_t replay = {.holdings = h, .partition = partition};
    if (status == RV_OK)
        status = take_over(h, partition, err);
    if (status == RV_OK)
        status = rvw_wal_replay(h->wal, number, rvw_partition_flushed_lsn(partition), replay_record, &replay, err);
    if (status != RV_OK) {
        rvw_partition_close(&partition);
        return status;
    }
    if (!h->card.has_cluster) {
        memcpy(h->card.cluster_id, identity->cluster_id, 16);
        h->card.has_cluster = 1;
        h->card.partition_count = identity->partition_count;
        h->card.chunk_rows = identity->chunk_rows;
    }
    add_partition(h, number, partition);
    return RV_OK;
}

/* The number in a folder's name pNNNN. */
static bool folder_number(const char *name, uint32_t *ret) {
    uint32_t number = 0;
    if (strlen(name) != 5 || name[0] != 'p')
        return false;
    for (const char *p = name + 1; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        number = number * 10 + (uint32_t)(*p - '0');
    }
    *ret = number;
    return number < RV_MAX_PARTITIONS;
}

/* What lies in the folders pNNNN. */
static rv_status_t open_folders(rvw_holdings_t *h, rv_error_t *err) {
    DIR *dir = opendir(h->dir);
    if (!dir)
        return rv_fail(err, RV_REASON_FOREIGN, "cannot read '%s': %s", h->dir, strerror(errno));
    for (struct dirent *entry; (entry = readdir(dir));) {
        uint32_t number;
        if (!folder_number(entry->d_name, &number))
            continue;
        rv_error_t why;
        if (open_one(h, number, &why) != RV_OK)
            set_problem(h, number, &why);
    }
    closedir(dir);
    return RV_OK;
}

/* What the log knows of must be there: an empty partition in its place would be a lower answer. */
static void name_missing(rvw_holdings_t *h) {
    uint32_t number = 0;
    for (; (number = rvw_wal_next(h->wal, number)) < RV_MAX_PARTITIONS; number++) {
        if (h->problems[number] || rvw_holdings_partition(h, number))
            continue;
        rv_error_t why;
        rv_fail(&why, RV_REASON_DAMAGED,
                "'%s/p%04u' is missing, but the worker's log knows of it: put it back where it was", h->dir, number);
        set_problem(h, number, &why);
    }
}

static rv_status_t open_all(rvw_holdings_t *h, rv_error_t *err) {
    rv_status_t status = open_folders(h, err);
    if (status == RV_OK)
        name_missing(h);
    return status;
}

/* ---- card and log ---- */

/* The first start: there is nothing yet but, after a kill, a log in which nothing is, and partitions that were let go
 * elsewhere. */
static rv_status_t first_log(rvw_holdings_t *h, const char *wal, rv_error_t *err) {
    rvw_wal_mark_t mark = {.stamp = 1};
    rv_status_t status = RV_OK;
    if (mkdir(wal, 0700) != 0 && errno != EEXIST)
        status = rv_fail(err, errno == ENOSPC ? RV_REASON_QUOTA : RV_REASON_FOREIGN, "cannot make '%s': %s", wal,
                         strerror(errno));
    if (status == RV_OK)
        status = rvw_wal_open(wal, true, &h->wal, err);
    if (status == RV_OK && rvw_wal_next(h->wal, 0) != UINT32_MAX)
        status =
            rv_fail(err, RV_REASON_DAMAGED,
                    "'%s/worker' is missing although there is a log: put it back from a copy of the same time", h->dir);
    while (status == RV_OK && mark.id == 0)
        if (getrandom(&mark.id, sizeof mark.id, 0) != (ssize_t)sizeof mark.id)
            status = rv_fail(err, RV_REASON_BUG, "no random number: %s", strerror(errno));
    if (status == RV_OK)
        status = rvw_wal_set_mark(h->wal, &mark, err);
    h->card.log = mark.id;
    h->card.stamp = mark.stamp;
    return status;
}

static rv_status_t known_log(rvw_holdings_t *h, const char *wal, rv_error_t *err) {
    rv_error_t why;
    rv_status_t status = rvw_wal_open(wal, false, &h->wal, &why);
    if (status == RV_NOT_FOUND)
        return rv_fail(
            err, RV_REASON_DAMAGED,
            "the log '%s/data.mdb' is missing, and with it writes that were acknowledged: put it back from a "
            "copy of the same time as the partitions",
            wal);
    if (status != RV_OK) {
        *err = why;
        return status;
    }
    rvw_wal_mark_t mark = rvw_wal_get_mark(h->wal);
    if (mark.id != h->card.log)
        return rv_fail(err, RV_REASON_DAMAGED, "the log '%s' is not the one that '%s/worker' belongs to: put back both",
                       wal, h->dir);
    if (mark.stamp != h->card.stamp && mark.stamp != h->card.stamp + 1)
        return rv_fail(err, RV_REASON_DAMAGED,
                       "the log '%s' is of start %llu, '%s/worker' of start %llu: one of them is an older copy, and "
                       "writes that were acknowledged may be missing; put back both from the same time",
                       wal, (unsigned long long)mark.stamp, h->dir, (unsigned long long)h->card.stamp);
    mark.stamp = h->card.stamp + 1;
    status = rvw_wal_set_mark(h->wal, &mark, err);
    if (status == RV_OK)
        h->card.stamp = mark.stamp;
    /* On a full disk the stamps stay where they are: reading is possible. */
    return status == RV_RESOURCE_EXHAUSTED ? RV_OK : status;
}

/* Opens card and log and counts the start. */
static rv_status_t open_log(rvw_holdings_t *h, rv_error_t *err) {
    char wal[4096];
    snprintf(wal, sizeof wal, "%s/wal", h->dir);
    rv_error_t why;
    rv_status_t status = rvw_card_read(h->dir, &h->card, &why);
    if (status == RV_NOT_FOUND)
        status = first_log(h, wal, err);
    else if (status == RV_OK)
        status = known_log(h, wal, err);
    else
        *err = why;
    if (status != RV_OK)
        return status;
    h->card.incarnation++;
    return rvw_card_write(h->dir, &h->card, err);
}

rv_status_t rvw_holdings_open(const char *dir, rvw_holdings_t **ret, rv_error_t *err) {
    rvw_holdings_t *h = calloc(1, sizeof *h);
    if (!h)
        return rv_fail_memory(err, "a worker's holdings");
    h->lock_fd = -1;
    pthread_mutex_init(&h->lock, NULL);
    h->slabs = rvw_slabs_new();
    rv_status_t status = h->slabs ? RV_OK : rv_fail_memory(err, "a worker's holdings");
    if (status == RV_OK && (size_t)snprintf(h->dir, sizeof h->dir, "%s", dir) >= sizeof h->dir)
        status = rv_fail(err, RV_REASON_FIELD, "the path of the data directory is too long");
    else if (status == RV_OK && mkdir(dir, 0700) != 0 && errno != EEXIST)
        status = rv_fail(err, RV_REASON_FOREIGN, "cannot make '%s': %s", dir, strerror(errno));
    if (status == RV_OK)
        status = take_lock(h, err);
    if (status == RV_OK)
        status = open_log(h, err);
    if (status == RV_OK)
        status = read_catalog(h, err);
    if (status == RV_OK)
        status = open_all(h, err);
    if (status != RV_OK) {
        rvw_holdings_close(&h);
        return status;
    }
    *ret = h;
    return RV_OK;
}

void rvw_holdings_close(rvw_holdings_t **holdings) {
    rvw_holdings_t *h = *holdings;
    *holdings = NULL;
    if (!h)
        return;
    for (uint32_t i = 0; i < RV_MAX_PARTITIONS; i++) {
        rvw_partition_t *partition = atomic_load(&h->partitions[i]);
        rvw_partition_close(&partition);
        free(h->problems[i]);
    }
    rvw_slabs_destroy(&h->slabs);
    rvw_wal_close(&h->wal);
    rv_catalog_unref(&h->catalog);
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

rv_status_t rvw_holdings_catch_up(rvw_holdings_t *h, uint32_t number, rv_error_t *err) {
    replay_t replay = {.holdings = h, .partition = rvw_holdings_partition(h, number)};
    return rvw_wal_replay(h->wal, number, rvw_partition_lsn(replay.partition), replay_record, &replay, err);
}

/* ---- look-ups ---- */

uint64_t rvw_holdings_incarnation(const rvw_holdings_t *holdings) {
    return holdings->card.incarnation;
}

const uint8_t *rvw_holdings_cluster(const rvw_holdings_t *holdings) {
    return holdings->card.has_cluster ? holdings->card.cluster_id : NULL;
}

rvw_wal_t *rvw_holdings_wal(rvw_holdings_t *holdings) {
    return holdings->wal;
}

rvw_slabs_t *rvw_holdings_slabs(rvw_holdings_t *holdings) {
    return holdings->slabs;
}

rv_catalog_t *rvw_holdings_catalog(rvw_holdings_t *holdings) {
    pthread_mutex_lock(&holdings->lock);
    rv_catalog_t *catalog = rv_catalog_ref(holdings->catalog);
    pthread_mutex_unlock(&holdings->lock);
    return catalog;
}

rvw_partition_t *rvw_holdings_partition(rvw_holdings_t *holdings, uint32_t partition) {
    return partition < RV_MAX_PARTITIONS ? atomic_load(&holdings->partitions[partition]) : NULL;
}

const char *rvw_holdings_problem(const rvw_holdings_t *holdings, uint32_t partition) {
    return partition < RV_MAX_PARTITIONS ? holdings->problems[partition] : NULL;
}

uint32_t rvw_holdings_bound(const rvw_holdings_t *holdings) {
    return atomic_load(&((rvw_holdings_t *)(uintptr_t)holdings)->bound);
}

rv_status_t rvw_holdings_serving(rvw_holdings_t *holdings, uint32_t partition, uint64_t epoch, rvw_partition_t **ret,
                                 rv_error_t *err) {
    rvw_partition_t *p = rvw_holdings_partition(holdings, partition);
    if (!p && partition < RV_MAX_PARTITIONS && holdings->problems[partition])
        return rv_fail(err, RV_REASON_DAMAGED, "partition %u is out of service: %s", partition,
                       holdings->problems[partition]);
    if (!p)
        return rv_fail(err, RV_REASON_NOT_LEADER, "partition %u is not on this worker", partition);
    if (rvw_partition_problem(p))
        return rv_fail(err, RV_REASON_DAMAGED, "partition %u is out of service: %s", partition,
                       rvw_partition_problem(p));
    uint64_t stored = atomic_load(&holdings->epochs[partition]);
    if (stored != epoch)
        return rv_fail(err, RV_REASON_NOT_LEADER, "partition %u is at epoch %llu, the request at %llu", partition,
                       (unsigned long long)stored, (unsigned long long)epoch);
    *ret = p;
    return RV_OK;
}

rv_status_t rvw_holdings_check_term(rvw_holdings_t *holdings, uint64_t term, rv_error_t *err) {
    uint64_t known = atomic_load(&holdings->term);
    if (term < known)
        return rv_fail(err, RV_REASON_NOT_LEADER, "the coordinator's term %llu is older than %llu",
                       (unsigned long long)term, (unsigned long long)known);
    return RV_OK;
}

/* ---- assignment ---- */

static rv_status_t create_one(rvw_holdings_t *h, const Reveille__V1__AssignRequest *request,
                              const Reveille__V1__AssignedPartition *wanted, rv_error_t *err) {
    rvw_identity_t identity = {.partition = wanted->partition,
                               .partition_count = request->partition_count,
                               .chunk_rows = request->chunk_rows,
                               .epoch = wanted->epoch};
    char path[4096];
    memcpy(identity.cluster_id, request->cluster_id.data, 16);
    snprintf(path, sizeof path, "%s/p%04u", h->dir, wanted->partition);
    rv_status_t status = rvw_partition_create(path, &identity, err);
    return status == RV_OK ? open_one(h, wanted->partition, err) : status;
}

static rv_status_t take_partition(rvw_holdings_t *h, const Reveille__V1__AssignRequest *request,
                                  const Reveille__V1__AssignedPartition *wanted, rv_error_t *err) {
    if (wanted->partition >= request->partition_count || wanted->partition >= RV_MAX_PARTITIONS)
        return rv_fail(err, RV_REASON_REQUEST, "partition %u of %u is assigned", wanted->partition,
                       request->partition_count);
    rvw_partition_t *partition = rvw_holdings_partition(h, wanted->partition);
    if (!partition && h->problems[wanted->partition])
        return RV_OK; /* reported as a problem */
    if (!partition && wanted->create)
        return create_one(h, request, wanted, err);
    if (!partition)
        return rv_fail(err, RV_REASON_NOT_LEADER, "partition %u is not on this worker", wanted->partition);
    uint64_t stored = atomic_load(&h->epochs[wanted->partition]);
    if (stored > wanted->epoch)
        return rv_fail(err, RV_REASON_NOT_LEADER, "partition %u is at epoch %llu, assigned under %llu",
                       wanted->partition, (unsigned long long)stored, (unsigned long long)wanted->epoch);
    if (stored == wanted->epoch)
        return RV_OK;
    rv_status_t status = rvw_partition_set_epoch(partition, wanted->epoch, err);
    if (status == RV_OK)
        atomic_store(&h->epochs[wanted->partition], wanted->epoch);
    return status;
}

rv_status_t rvw_holdings_save_catalog(rvw_holdings_t *h, rv_error_t *err) {
    uint8_t *bytes = NULL;
    size_t n;
    if (!h->catalog_unsaved)
        return RV_OK;
    rv_status_t status = rv_wire_pack(&rv_catalog_message(h->catalog)->base, &bytes, &n) == RV_OK
                             ? rvw_file_write(h->dir, "catalog", bytes, n, err)
                             : rv_fail_memory(err, "a catalog");
    free(bytes);
    h->catalog_unsaved = status != RV_OK;
    return status;
}

static rv_status_t take_catalog(rvw_holdings_t *h, const Reveille__V1__Catalog *message, rv_error_t *err) {
    if (!message || message->version == rv_catalog_version(h->catalog))
        return RV_OK;
    if (message->version < rv_catalog_version(h->catalog))
        return rv_fail(
            err, RV_REASON_NOT_LEADER,
            "the coordinator's catalog is of version %llu, the worker's of %llu: the coordinator's data are an "
            "older copy",
            (unsigned long long)message->version, (unsigned long long)rv_catalog_version(h->catalog));
    rv_catalog_t *catalog = NULL;
    rv_status_t status = rv_catalog_new(message, &catalog, err);
    if (status == RV_OK) {
        pthread_mutex_lock(&h->lock);
        rv_catalog_t *old = h->catalog;
        h->catalog = catalog;
        catalog = old;
        pthread_mutex_unlock(&h->lock);
    }
    rv_catalog_unref(&catalog);
    h->catalog_unsaved = status == RV_OK;
    rv_error_t why = {0};
    if (status == RV_OK && rvw_holdings_save_catalog(h, &why) == RV_RESOURCE_EXHAUSTED)
        rv_log(RV_LOG_WARN, "catalog-not-saved", "reading goes on, writes wait for room: %s", why.message);
    else if (status == RV_OK && why.status != RV_OK) {
        *err = why;
        status = why.status;
    }
    return status;
}

rv_status_t rvw_holdings_assign(rvw_holdings_t *h, const Reveille__V1__AssignRequest *request, rv_error_t *err) {
    uint32_t rows = request->chunk_rows;
    rv_status_t status = rvw_holdings_check_term(h, request->term, err);
    if (status != RV_OK)
        return status;
    if (request->cluster_id.len != 16 || request->partition_count == 0 ||
        request->partition_count > RV_MAX_PARTITIONS || rows < 2 || rows > 65536 || (rows & (rows - 1)))
        return rv_fail(err, RV_REASON_REQUEST, "an assignment of %u partitions of chunks of %u rows is not valid",
                       request->partition_count, rows);
    if (h->card.has_cluster && memcmp(h->card.cluster_id, request->cluster_id.data, 16) != 0)
        return rv_fail(err, RV_REASON_FOREIGN, "'%s' holds data of another cluster", h->dir);
    if (!h->card.has_cluster || h->card.partition_count != request->partition_count) {
        memcpy(h->card.cluster_id, request->cluster_id.data, 16);
        h->card.has_cluster = 1;
        h->card.partition_count = request->partition_count;
        h->card.chunk_rows = rows;
        status = rvw_card_write(h->dir, &h->card, err);
    }
    atomic_store(&h->term, request->term);
    if (status == RV_OK)
        status = take_catalog(h, request->catalog, err);
    for (size_t i = 0; status == RV_OK && i < request->n_partitions; i++)
        status = take_partition(h, request, request->partitions[i], err);
    return status;
}

/* ---- reports ---- */

static bool wanted_number(const uint32_t *only, size_t n, uint32_t number) {
    bool found = !only;
    for (size_t i = 0; i < n && !found; i++)
        found = only[i] == number;
    return found;
}

static void fill_report(rvw_holdings_t *h, uint32_t number, Reveille__V1__PartitionReport *report,
                        Reveille__V1__PartitionStatus *status) {
    rvw_partition_t *partition = rvw_holdings_partition(h, number);
    reveille__v1__partition_report__init(report);
    reveille__v1__partition_status__init(status);
    report->status = status;
    status->partition = number;
    const char *problem = partition ? rvw_partition_problem(partition) : h->problems[number];
    status->problem = (char *)(uintptr_t)(problem ? problem : "");
    if (!partition)
        return;
    rvw_partition_counts_t counts;
    rvw_partition_counts(partition, &counts);
    report->epoch = status->epoch = atomic_load(&h->epochs[number]);
    status->lsn = rvw_partition_lsn(partition);
    status->flushed_lsn = rvw_partition_flushed_lsn(partition);
    status->contacts = counts.contacts;
    status->events = counts.events;
    status->runs = counts.runs;
    status->bytes = counts.bytes;
}

rv_status_t rvw_holdings_report(rvw_holdings_t *h, const uint32_t *only, size_t n_only, rv_arena_t *arena,
                                Reveille__V1__PartitionReport ***ret, size_t *ret_n, rv_error_t *err) {
    uint32_t bound = rvw_holdings_bound(h);
    Reveille__V1__PartitionReport **list = rv_arena_zalloc(arena, bound + 1, sizeof *list);
    size_t n = 0;
    for (uint32_t number = 0; list && number < bound; number++) {
        if ((!rvw_holdings_partition(h, number) && !h->problems[number]) || !wanted_number(only, n_only, number))
            continue;
        Reveille__V1__PartitionReport *report = rv_arena_alloc(arena, sizeof *report);
        Reveille__V1__PartitionStatus *status = rv_arena_alloc(arena, sizeof *status);
        if (!report || !status)
            return rv_fail_memory(err, "a report");
        fill_report(h, number, report, status);
        list[n++] = report;
    }
    if (!list)
        return rv_fail_memory(err, "a report");
    *ret = list;
    *ret_n = n;
    return RV_OK;
}

/* ---- log records ---- */

rv_status_t rvw_record_make(Reveille__V1__PartitionWrite *write, uint8_t **ret_record, size_t *ret_n,
                            uint64_t *ret_content_hash, rv_error_t *err) {
    Reveille__V1__PartitionWrite body = REVEILLE__V1__PARTITION_WRITE__INIT, rest = *write;
    body.body_case = write->body_case;
    body.contacts = write->contacts; /* one pointer of the union stands for all */
    rest.body_case = REVEILLE__V1__PARTITION_WRITE__BODY__NOT_SET;
    rest.contacts = NULL;
    size_t body_n = protobuf_c_message_get_packed_size(&body.base);
    size_t n = sizeof *ret_content_hash + body_n + protobuf_c_message_get_packed_size(&rest.base);
    uint8_t *record = malloc(n);
    if (!record)
        return rv_fail_memory(err, "a log record");
    uint8_t *packed = record + sizeof *ret_content_hash;
    protobuf_c_message_pack(&body.base, packed);
    protobuf_c_message_pack(&rest.base, packed + body_n);
    uint64_t hash = rv_hash(packed, body_n);
    memcpy(record, &hash, sizeof hash);
    *ret_record = record;
    *ret_n = n;
    *ret_content_hash = hash;
    return RV_OK;
}

/* meta.h: what the coordinator must not forget: who the cluster is, its term, the map, the catalog, the imports, and
 * which companies may not be the same everywhere.
 *
 * One LMDB environment in the data directory, fully synced; each record carries a checksum over its key and bytes.
 * Thread: the actor's.
 */
#ifndef REVEILLE_COORDINATOR_META_H
#define REVEILLE_COORDINATOR_META_H

#include "cluster.h"
#include "reveille/arena.h"
#include "reveille/valcodec.h"

typedef struct rvc_meta rvc_meta_t;

typedef struct {
    uint8_t cluster_id[16];
    uint64_t term; /* of this start */
    uint32_t partitions, chunk_rows;
} rvc_identity_t;

typedef enum { RVC_IMPORT_CONTACTS = 1, RVC_IMPORT_EVENTS = 2 } rvc_import_kind_t;

typedef struct {
    uint64_t id;
    rvc_import_kind_t what;
    int64_t started_ms;
    uint64_t offset; /* everything before it is durable */
    bool finished;   /* its end was seen */
    bool require_id;
    char name[RV_MAX_NAME + 1];
    uint8_t fingerprint[64];
    size_t fingerprint_n;
} rvc_import_record_t;

/* Opens DIR, or makes a new cluster in it with this number of partitions and rows of a chunk (an existing one keeps its
 * own). The term has risen and is on disk. FAILED_PRECONDITION/FOREIGN: not a coordinator's data. DATA_LOSS/DAMAGED:
 * cut short, a checksum does not hold, or records are missing. */
rv_status_t rvc_meta_open(const char *dir, uint32_t partitions, uint32_t chunk_rows, rvc_meta_t **ret, rv_error_t *err);
void rvc_meta_close(rvc_meta_t **meta);
const rvc_identity_t *rvc_meta_identity(const rvc_meta_t *meta);

/* The map: one row a partition. */
rv_status_t rvc_meta_load_map(const rvc_meta_t *meta, rvc_placement_t *map, rv_error_t *err);
rv_status_t rvc_meta_save_map(rvc_meta_t *meta, const rvc_placement_t *map, rv_error_t *err);
/* The catalog, in the arena; NULL when none was saved. */
rv_status_t rvc_meta_load_catalog(const rvc_meta_t *meta, rv_arena_t *arena, Reveille__V1__Catalog **ret,
                                  rv_error_t *err);
rv_status_t rvc_meta_save_catalog(rvc_meta_t *meta, const Reveille__V1__Catalog *catalog, rv_error_t *err);
/* Imports by rising id; stops at the first failure of `each`. */
typedef rv_status_t rvc_meta_import_t(void *context, const rvc_import_record_t *record, rv_error_t *err);
rv_status_t rvc_meta_each_import(const rvc_meta_t *meta, rvc_meta_import_t *each, void *context, rv_error_t *err);
rv_status_t rvc_meta_save_import(rvc_meta_t *meta, const rvc_import_record_t *record, rv_error_t *err);
/* Forgets one. */
rv_status_t rvc_meta_drop_import(rvc_meta_t *meta, uint64_t id, rv_error_t *err);
/* Fan-outs by rising id, as bytes of their owner; stops at the first failure of `visit`. */
typedef rv_status_t rvc_meta_fanout_t(void *context, uint64_t id, const uint8_t *p, size_t n, rv_error_t *err);
rv_status_t rvc_meta_each_fanout(const rvc_meta_t *meta, rvc_meta_fanout_t *visit, void *context, rv_error_t *err);
/* Forgets those in `over` and, unless `bytes` is NULL, keeps one more: one transaction. */
rv_status_t rvc_meta_save_fanout(rvc_meta_t *meta, uint64_t id, const rv_bytes_t *bytes, const uint64_t *over,
                                 size_t n_over, rv_error_t *err);

#endif

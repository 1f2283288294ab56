/* meta.c: the coordinator's own environment.
 *
 *   "identity"       cluster id, term, partitions, rows of a chunk
 *   "map"            one row a partition: worker, epoch, created
 *   "catalog"        packed Catalog
 *   "import" + id    one import (id big endian, so that they come in order)
 *   "fanout" + id    keys of companies whose copies may differ from their homes, likewise
 *
 * A new cluster is one transaction that writes identity and map: an environment without any record is new, one that has
 * records but no identity is not ours. Each start raises the term and syncs it before anything is sent. Nothing is ever
 * written without MDB's full sync. Thread: the actor's. Failure: a commit that failed is reported and changes nothing;
 * the caller keeps its old state. */
#include "meta.h"
#include "record.h"
#include "reveille/uuid.h"
#include "reveille/wire.h"
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAP_BYTES ((size_t)256 << 20)
/* Names of numbered records: so long a prefix and a number. */
#define IMPORT "import"
#define FANOUT "fanout"
#define PREFIX 6u
#define NUMBERED (PREFIX + 8u)

struct rvc_meta {
    MDB_env *env;
    MDB_dbi dbi;
    rvc_identity_t identity;
};

static rv_status_t lmdb_error(int rc, const char *what, rv_error_t *err) {
    switch (rc) {
    case MDB_MAP_FULL:
    case ENOSPC:
        return rv_fail(err, RV_REASON_QUOTA, "cannot %s the coordinator's data: the disk or the map is full", what);
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return rv_fail(err, RV_REASON_FOREIGN, "cannot %s the coordinator's data: data.mdb is not an LMDB file of ours",
                       what);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
        return rv_fail(err, RV_REASON_DAMAGED, "cannot %s the coordinator's data: %s", what, mdb_strerror(rc));
    case EIO: /* LMDB's word for a write cut short, too */
        return rv_fail_as(err, RV_UNAVAILABLE, RV_REASON_NONE,
                          "cannot %s the coordinator's data: input/output error, or no room on its disk", what);
    default:
        return rv_fail_as(err, RV_UNAVAILABLE, RV_REASON_NONE, "cannot %s the coordinator's data: %s", what,
                          mdb_strerror(rc));
    }
}

/* A file shorter than its own meta page says would be a SIGBUS later. */
static rv_status_t check_length(MDB_env *env, const char *dir, rv_error_t *err) {
    MDB_envinfo info;
    MDB_stat stat_db;
    struct stat file;
    int fd, rc;
    if ((rc = mdb_env_info(env, &info)) || (rc = mdb_env_stat(env, &stat_db)) || (rc = mdb_env_get_fd(env, &fd)))
        return lmdb_error(rc, "check", err);
    if (fstat(fd, &file) != 0)
        return lmdb_error(errno, "check", err);
    uint64_t least = ((uint64_t)info.me_last_pgno + 1) * stat_db.ms_psize;
    if (info.me_last_txnid > 0 && (uint64_t)file.st_size < least)
        return rv_fail(err, RV_REASON_DAMAGED,
                       "%s/data.mdb has been cut short: %llu bytes where at least %llu are expected", dir,
                       (unsigned long long)file.st_size, (unsigned long long)least);
    return RV_OK;
}

static rv_status_t get(MDB_txn *txn, MDB_dbi dbi, const char *name, size_t name_n, const uint8_t **ret, size_t *ret_n,
                       rv_error_t *err) {
    MDB_val key = {name_n, (void *)(uintptr_t)name}, value;
    int rc = mdb_get(txn, dbi, &key, &value);
    if (rc == MDB_NOTFOUND)
        return rv_fail(err, RV_REASON_DAMAGED, "the coordinator's data lack the record '%.8s'", name);
    if (rc)
        return lmdb_error(rc, "read", err);
    const uint8_t *bytes = rvc_record_open(name, name_n, value.mv_data, value.mv_size, ret_n);
    if (!bytes)
        return rv_fail(err, RV_REASON_DAMAGED, "a checksum of the coordinator's record '%.8s' does not hold", name);
    *ret = bytes;
    return RV_OK;
}

static rv_status_t put(MDB_txn *txn, MDB_dbi dbi, const char *name, size_t name_n, const rv_bytes_t *bytes,
                       rv_error_t *err) {
    rv_bytes_t sealed = {0};
    rv_status_t status = RV_OK;
    if (!rvc_record_seal(name, name_n, bytes, &sealed)) {
        status = rv_fail_memory(err, "a record");
    } else {
        MDB_val key = {name_n, (void *)(uintptr_t)name}, value = {sealed.n, sealed.p};
        int rc = mdb_put(txn, dbi, &key, &value, 0);
        if (rc)
            status = lmdb_error(rc, "write", err);
    }
    rv_bytes_done(&sealed);
    return status;
}

/* Writes one record in a transaction of its own. `ok` false: the bytes could not be made. */
static rv_status_t save(rvc_meta_t *meta, const char *name, size_t name_n, bool ok, rv_bytes_t *bytes,
                        rv_error_t *err) {
    MDB_txn *txn = NULL;
    rv_status_t status = ok ? RV_OK : rv_fail_memory(err, "a record");
    int rc = 0;
    if (status == RV_OK && (rc = mdb_txn_begin(meta->env, NULL, 0, &txn)))
        status = lmdb_error(rc, "write", err);
    if (status == RV_OK)
        status = put(txn, meta->dbi, name, name_n, bytes, err);
    if (status == RV_OK) {
        if ((rc = mdb_txn_commit(txn)))
            status = lmdb_error(rc, "write", err);
    } else if (txn) {
        mdb_txn_abort(txn);
    }
    rv_bytes_done(bytes);
    return status;
}

/* Reads one record into `bytes`. */
static rv_status_t load(const rvc_meta_t *meta, const char *name, rv_bytes_t *bytes, bool *ret_found, rv_error_t *err) {
    MDB_txn *txn;
    int rc = mdb_txn_begin(meta->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return lmdb_error(rc, "read", err);
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, value;
    const uint8_t *p;
    size_t n;
    rv_status_t status = RV_OK;
    *ret_found = mdb_get(txn, meta->dbi, &key, &value) == 0;
    if (*ret_found)
        status = get(txn, meta->dbi, name, strlen(name), &p, &n, err);
    if (*ret_found && status == RV_OK && !rv_bytes_add(bytes, p, n))
        status = rv_fail_memory(err, "a record");
    mdb_txn_abort(txn);
    return status;
}

static rv_status_t put_identity(MDB_txn *txn, MDB_dbi dbi, const rvc_identity_t *identity, rv_error_t *err) {
    rv_bytes_t bytes = {0};
    rv_status_t status = rvc_record_put_identity(&bytes, identity) ? put(txn, dbi, "identity", 8, &bytes, err)
                                                                   : rv_fail_memory(err, "a record");
    rv_bytes_done(&bytes);
    return status;
}

/* The first records of a new cluster. */
static rv_status_t create(rvc_meta_t *meta, MDB_txn *txn, uint32_t partitions, uint32_t chunk_rows, rv_error_t *err) {
    rv_uuid7(meta->identity.cluster_id);
    meta->identity.term = 1;
    meta->identity.partitions = partitions;
    meta->identity.chunk_rows = chunk_rows;
    rvc_placement_t *map = calloc(partitions, sizeof *map);
    rv_bytes_t bytes = {0};
    rv_status_t status = map && rvc_record_put_map(&bytes, map, partitions) ? put(txn, meta->dbi, "map", 3, &bytes, err)
                                                                            : rv_fail_memory(err, "a map");
    rv_bytes_done(&bytes);
    free(map);
    return status == RV_OK ? put_identity(txn, meta->dbi, &meta->identity, err) : status;
}

/* Reads or makes the identity and raises the term, in one transaction. */
static rv_status_t begin_term(rvc_meta_t *meta, uint32_t partitions, uint32_t chunk_rows, rv_error_t *err) {
    MDB_txn *txn;
    MDB_stat stat_db;
    int rc = mdb_txn_begin(meta->env, NULL, 0, &txn);
    if (rc)
        return lmdb_error(rc, "open", err);
    rv_status_t status = RV_OK;
    if ((rc = mdb_dbi_open(txn, NULL, 0, &meta->dbi)) || (rc = mdb_stat(txn, meta->dbi, &stat_db))) {
        status = lmdb_error(rc, "open", err);
    } else if (stat_db.ms_entries == 0) {
        status = create(meta, txn, partitions, chunk_rows, err);
    } else {
        const uint8_t *p;
        size_t n;
        status = get(txn, meta->dbi, "identity", 8, &p, &n, err);
        if (status == RV_OK && !rvc_record_get_identity(p, n, &meta->identity))
            status = rv_fail(err, RV_REASON_DAMAGED, "the coordinator's identity is not of a format known here");
        meta->identity.term++;
        if (status == RV_OK)
            status = put_identity(txn, meta->dbi, &meta->identity, err);
    }
    if (status != RV_OK)
        mdb_txn_abort(txn);
    else if ((rc = mdb_txn_commit(txn)))
        status = lmdb_error(rc, "open", err);
    return status;
}

rv_status_t rvc_meta_open(const char *dir, uint32_t partitions, uint32_t chunk_rows, rvc_meta_t **ret,
                          rv_error_t *err) {
    rvc_meta_t *meta = calloc(1, sizeof *meta);
    if (!meta)
        return rv_fail_memory(err, "the coordinator's data");
    rv_status_t status = RV_OK;
    int rc;
    if ((rc = mdb_env_create(&meta->env)) || (rc = mdb_env_set_mapsize(meta->env, MAP_BYTES)) ||
        (rc = mdb_env_open(meta->env, dir, MDB_NOTLS, 0600)))
        status = lmdb_error(rc, "open", err);
    if (status == RV_OK)
        status = check_length(meta->env, dir, err);
    if (status == RV_OK)
        status = begin_term(meta, partitions, chunk_rows, err);
    if (status != RV_OK) {
        rvc_meta_close(&meta);
        return status;
    }
    *ret = meta;
    return RV_OK;
}

void rvc_meta_close(rvc_meta_t **meta) {
    if (!*meta)
        return;
    if ((*meta)->env)
        mdb_env_close((*meta)->env);
    free(*meta);
    *meta = NULL;
}

const rvc_identity_t *rvc_meta_identity(const rvc_meta_t *meta) {
    return &meta->identity;
}

rv_status_t rvc_meta_load_map(const rvc_meta_t *meta, rvc_placement_t *map, rv_error_t *err) {
    rv_bytes_t bytes = {0};
    bool found = false;
    rv_status_t status = load(meta, "map", &bytes, &found, err);
    if (status == RV_OK && (!found || !rvc_record_get_map(bytes.p, bytes.n, map, meta->identity.partitions)))
        status = rv_fail(err, RV_REASON_DAMAGED, "the coordinator's map is missing or not of a format known here");
    rv_bytes_done(&bytes);
    return status;
}

rv_status_t rvc_meta_save_map(rvc_meta_t *meta, const rvc_placement_t *map, rv_error_t *err) {
    rv_bytes_t bytes = {0};
    bool ok = rvc_record_put_map(&bytes, map, meta->identity.partitions);
    return save(meta, "map", 3, ok, &bytes, err);
}

rv_status_t rvc_meta_load_catalog(const rvc_meta_t *meta, rv_arena_t *arena, Reveille__V1__Catalog **ret,
                                  rv_error_t *err) {
    rv_bytes_t bytes = {0};
    bool found = false;
    ProtobufCMessage *message = NULL;
    rv_status_t status = load(meta, "catalog", &bytes, &found, err);
    if (status == RV_OK && found)
        status = rv_wire_unpack(&reveille__v1__catalog__descriptor, bytes.p, bytes.n, arena, &message, err);
    rv_bytes_done(&bytes);
    if (status == RV_OK)
        *ret = (Reveille__V1__Catalog *)message;
    return status;
}

rv_status_t rvc_meta_save_catalog(rvc_meta_t *meta, const Reveille__V1__Catalog *catalog, rv_error_t *err) {
    rv_bytes_t bytes = {0};
    uint8_t *packed = NULL;
    size_t n = 0;
    bool ok = rv_wire_pack(&catalog->base, &packed, &n) == RV_OK && rv_bytes_add(&bytes, packed, n);
    free(packed);
    return save(meta, "catalog", 7, ok, &bytes, err);
}

static void numbered_key(const char *prefix, uint64_t id, char key[NUMBERED]) {
    memcpy(key, prefix, PREFIX);
    for (size_t i = 0; i < 8; i++)
        key[PREFIX + i] = (char)(id >> (8 * (7 - i)));
}

static uint64_t number_of(const MDB_val *key) {
    uint64_t id = 0;
    for (size_t i = 0; i < 8; i++)
        id = id << 8 | ((const uint8_t *)key->mv_data)[PREFIX + i];
    return id;
}

typedef rv_status_t visit_t(void *context, uint64_t id, const uint8_t *p, size_t n, rv_error_t *err);

static rv_status_t open_and_visit(const MDB_val *key, const MDB_val *value, visit_t *visit, void *context,
                                  rv_error_t *err) {
    size_t n;
    const uint8_t *p = rvc_record_open(key->mv_data, key->mv_size, value->mv_data, value->mv_size, &n);
    if (!p)
        return rv_fail(err, RV_REASON_DAMAGED, "a checksum of the coordinator's record '%.6s' %llu does not hold",
                       (const char *)key->mv_data, (unsigned long long)number_of(key));
    return visit(context, number_of(key), p, n, err);
}

/* The numbered records of one prefix, by rising number. */
static rv_status_t each(const rvc_meta_t *meta, const char *prefix, visit_t *visit, void *context, rv_error_t *err) {
    MDB_txn *txn;
    MDB_cursor *cursor;
    int rc = mdb_txn_begin(meta->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return lmdb_error(rc, "read", err);
    if ((rc = mdb_cursor_open(txn, meta->dbi, &cursor))) {
        mdb_txn_abort(txn);
        return lmdb_error(rc, "read", err);
    }
    rv_status_t status = RV_OK;
    MDB_val key = {PREFIX, (void *)(uintptr_t)prefix}, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && status == RV_OK && key.mv_size == NUMBERED && memcmp(key.mv_data, prefix, PREFIX) == 0) {
        status = open_and_visit(&key, &value, visit, context, err);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (rc && rc != MDB_NOTFOUND && status == RV_OK)
        status = lmdb_error(rc, "read", err);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return status;
}

/* Forgets numbered records; what is not there is forgotten already. */
static rv_status_t drop(MDB_txn *txn, MDB_dbi dbi, const char *prefix, const uint64_t *ids, size_t n, rv_error_t *err) {
    for (size_t i = 0; i < n; i++) {
        char name[NUMBERED];
        numbered_key(prefix, ids[i], name);
        MDB_val key = {sizeof name, name};
        int rc = mdb_del(txn, dbi, &key, NULL);
        if (rc && rc != MDB_NOTFOUND)
            return lmdb_error(rc, "write", err);
    }
    return RV_OK;
}

typedef struct {
    rvc_meta_import_t *each;
    void *context;
} imports_t;

static rv_status_t visit_import(void *context, uint64_t id, const uint8_t *p, size_t n, rv_error_t *err) {
    const imports_t *imports = context;
    rvc_import_record_t record;
    if (!rvc_record_get_import(p, n, &record) || record.id != id)
        return rv_fail(err, RV_REASON_DAMAGED, "a record of an import is damaged");
    return imports->each(imports->context, &record, err);
}

rv_status_t rvc_meta_each_import(const rvc_meta_t *meta, rvc_meta_import_t *visit, void *context, rv_error_t *err) {
    imports_t imports = {visit, context};
    return each(meta, IMPORT, visit_import, &imports, err);
}

rv_status_t rvc_meta_save_import(rvc_meta_t *meta, const rvc_import_record_t *record, rv_error_t *err) {
    char key[NUMBERED];
    rv_bytes_t bytes = {0};
    numbered_key(IMPORT, record->id, key);
    bool ok = rvc_record_put_import(&bytes, record);
    return save(meta, key, sizeof key, ok, &bytes, err);
}

/* Forgets numbered records and, with `bytes`, writes one, all in one transaction. */
static rv_status_t replace(rvc_meta_t *meta, const char *prefix, const uint64_t *over, size_t n_over, uint64_t id,
                           const rv_bytes_t *bytes, rv_error_t *err) {
    char key[NUMBERED];
    MDB_txn *txn;
    int rc = mdb_txn_begin(meta->env, NULL, 0, &txn);
    if (rc)
        return lmdb_error(rc, "write", err);
    numbered_key(prefix, id, key);
    rv_status_t status = drop(txn, meta->dbi, prefix, over, n_over, err);
    if (status == RV_OK && bytes)
        status = put(txn, meta->dbi, key, sizeof key, bytes, err);
    if (status != RV_OK)
        mdb_txn_abort(txn);
    else if ((rc = mdb_txn_commit(txn)))
        status = lmdb_error(rc, "write", err);
    return status;
}

rv_status_t rvc_meta_drop_import(rvc_meta_t *meta, uint64_t id, rv_error_t *err) {
    return replace(meta, IMPORT, &id, 1, 0, NULL, err);
}

rv_status_t rvc_meta_each_fanout(const rvc_meta_t *meta, rvc_meta_fanout_t *visit, void *context, rv_error_t *err) {
    return each(meta, FANOUT, visit, context, err);
}

rv_status_t rvc_meta_save_fanout(rvc_meta_t *meta, uint64_t id, const rv_bytes_t *bytes, const uint64_t *over,
                                 size_t n_over, rv_error_t *err) {
    return replace(meta, FANOUT, over, n_over, id, bytes, err);
}

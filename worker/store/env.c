/* env.c: LMDB behind one door.
 *
 * An environment is shared by counted references: the partition holds one, every base (a read transaction) another.
 * Write transactions are made by one thread at a time, which the owner sees to. After an error other than a full map or
 * disk nobody writes to the environment again: the owner takes it out of service.
 */
#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "inspect.h"
#include "reveille/limits.h"

#define MAX_READERS 512u
#define LOCK_BYTES (MAX_READERS * 64 + 4096) /* a cache line a reader, and what is before them */

struct rvw_env {
    MDB_env *mdb;
    MDB_dbi dbi;
    atomic_uint refs;
};

rv_status_t rvw_env_fail(rv_error_t *err, int code, const char *what) {
    rv_reason_t reason = RV_REASON_DAMAGED;
    switch (code) {
    case ENOMEM:
        return rv_fail_memory(err, what);
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        reason = RV_REASON_QUOTA;
        break;
    case MDB_READERS_FULL:
    case MDB_TXN_FULL:
        reason = RV_REASON_BUSY;
        break;
    case MDB_VERSION_MISMATCH:
    case MDB_INVALID:
    case EACCES:
    case EPERM:
    case EROFS:
        reason = RV_REASON_FOREIGN;
        break;
    case EMFILE:
    case ENFILE:
        reason = RV_REASON_BUSY;
        break;
    default:
        break;
    }
    return rv_fail(err, reason, "cannot %s: %s", what, mdb_strerror(code));
}

/* LMDB maps its lock file with holes: on a full disk the first touch of one would be a SIGBUS. So all of it is
 * allocated before. A greater file only means more readers. */
static int allocate_lock(const char *dir) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/lock.mdb", dir) >= (int)sizeof path) {
        return ENAMETOOLONG;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int code = posix_fallocate(fd, 0, LOCK_BYTES);
    close(fd);
    return code;
}

static int open_dbi(rvw_env_t *env) {
    MDB_txn *txn;
    int code = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (code) {
        return code;
    }
    code = mdb_dbi_open(txn, NULL, 0, &env->dbi);
    if (code) {
        mdb_txn_abort(txn);
        return code;
    }
    return mdb_txn_commit(txn);
}

rv_status_t rvw_env_open(const char *dir, rvw_env_mode_t mode, rvw_env_t **ret, rv_error_t *err) {
    char path[4096];
    int dead;
    if (snprintf(path, sizeof path, "%s/data.mdb", dir) >= (int)sizeof path) {
        return rv_fail(err, RV_REASON_LIMIT, "the path of a data directory is longer than 4,000 bytes");
    }
    if (mode == RVW_ENV_EXISTING) {
        rv_status_t status = rvw_inspect(path, err);
        if (status) {
            return status;
        }
    }
    rvw_env_t *env = calloc(1, sizeof *env);
    if (!env) {
        return rv_fail_memory(err, "an environment");
    }
    atomic_init(&env->refs, 1);
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (mode == RVW_ENV_UNUSED ? MDB_NOSYNC : 0u);
    int code = allocate_lock(dir);
    if (!code) {
        code = mdb_env_create(&env->mdb);
    }
    if (!code) {
        code = mdb_env_set_mapsize(env->mdb, RV_MAP_SIZE);
    }
    if (!code) {
        code = mdb_env_set_maxreaders(env->mdb, MAX_READERS);
    }
    if (!code) {
        code = mdb_env_open(env->mdb, dir, flags, 0600);
    }
    if (!code) {
        code = mdb_reader_check(env->mdb, &dead);
    }
    if (!code) {
        code = open_dbi(env);
    }
    if (code) {
        rvw_env_unref(&env);
        snprintf(path, sizeof path, "open the environment %.3000s", dir);
        return rvw_env_fail(err, code, path);
    }
    *ret = env;
    return RV_OK;
}

rvw_env_t *rvw_env_ref(rvw_env_t *env) {
    atomic_fetch_add_explicit(&env->refs, 1, memory_order_relaxed);
    return env;
}

void rvw_env_unref(rvw_env_t **env) {
    rvw_env_t *gone = *env;
    *env = NULL;
    if (gone && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1) {
        if (gone->mdb) {
            mdb_env_close(gone->mdb);
        }
        free(gone);
    }
}

void rvw_env_bytes(const rvw_env_t *env, uint64_t *ret_used, uint64_t *ret_map) {
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(env->mdb, &info);
    mdb_env_stat(env->mdb, &stat);
    *ret_used = (info.me_last_pgno + 1) * stat.ms_psize;
    *ret_map = info.me_mapsize;
}

rv_status_t rvw_env_room(const rvw_env_t *env, uint64_t bytes, rv_error_t *err) {
    struct statvfs disk;
    const char *dir;
    if (mdb_env_get_path(env->mdb, &dir) || statvfs(dir, &disk) != 0) {
        return RV_OK;
    }
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    return room >= bytes + RV_DISK_RESERVE
               ? RV_OK
               : rv_fail(err, RV_REASON_QUOTA, "the disk of %.300s is full: %llu KiB are left, %u KiB stay free", dir,
                         (unsigned long long)room / 1024, RV_DISK_RESERVE / 1024);
}

double rvw_env_fill(const rvw_env_t *env) {
    uint64_t used, map;
    rvw_env_bytes(env, &used, &map);
    return (double)used / (double)map;
}

rv_status_t rvw_env_sync(rvw_env_t *env, rv_error_t *err) {
    int code = mdb_env_sync(env->mdb, 1);
    return code ? rvw_env_fail(err, code, "sync an environment") : RV_OK;
}

rv_status_t rvw_env_read(rvw_env_t *env, MDB_txn **ret, rv_error_t *err) {
    int code = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, ret);
    return code ? rvw_env_fail(err, code, "begin to read an environment") : RV_OK;
}

MDB_dbi rvw_env_dbi(const rvw_env_t *env) {
    return env->dbi;
}

rv_status_t rvw_txn_note(rvw_txn_t *txn, int code, const char *what) {
    if (code && code != MDB_NOTFOUND && txn->status == RV_OK) {
        txn->status = rvw_env_fail(&txn->error, code, what);
    }
    return txn->status;
}

rv_status_t rvw_txn_begin(rvw_txn_t *txn, rvw_env_t *env) {
    *txn = (rvw_txn_t){.env = env};
    return rvw_txn_note(txn, mdb_txn_begin(env->mdb, NULL, 0, &txn->txn), "begin a transaction");
}

rv_status_t rvw_txn_put(rvw_txn_t *txn, const void *key, size_t key_n, const void *value, size_t value_n) {
    if (txn->status) {
        return txn->status;
    }
    MDB_val k = {key_n, (void *)(uintptr_t)key}, v = {value_n, (void *)(uintptr_t)value};
    txn->bytes += key_n + value_n;
    return rvw_txn_note(txn, mdb_put(txn->txn, txn->env->dbi, &k, &v, 0), "write a value");
}

void *rvw_txn_reserve(rvw_txn_t *txn, const void *key, size_t key_n, size_t value_n) {
    if (txn->status) {
        return NULL;
    }
    MDB_val k = {key_n, (void *)(uintptr_t)key}, v = {value_n, NULL};
    txn->bytes += key_n + value_n;
    return rvw_txn_note(txn, mdb_put(txn->txn, txn->env->dbi, &k, &v, MDB_RESERVE), "write a value") ? NULL : v.mv_data;
}

rv_status_t rvw_txn_delete(rvw_txn_t *txn, const void *key, size_t key_n) {
    if (txn->status) {
        return txn->status;
    }
    MDB_val k = {key_n, (void *)(uintptr_t)key};
    return rvw_txn_note(txn, mdb_del(txn->txn, txn->env->dbi, &k, NULL), "remove a value");
}

rv_status_t rvw_txn_cursor(rvw_txn_t *txn, MDB_cursor **ret) {
    if (txn->status) {
        return txn->status;
    }
    return rvw_txn_note(txn, mdb_cursor_open(txn->txn, txn->env->dbi, ret), "open a cursor");
}

/* The meta page still names an older transaction, and LMDB has not failed on it. */
static bool not_done(const rvw_env_t *env, size_t id) {
    MDB_envinfo info;
    MDB_txn *txn;
    if (mdb_env_info(env->mdb, &info) || info.me_last_txnid >= id || mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn)) {
        return false;
    }
    mdb_txn_abort(txn);
    return true;
}

rv_status_t rvw_txn_commit(rvw_txn_t *txn) {
    if (txn->status) {
        rvw_txn_abort(txn);
        return txn->status;
    }
    size_t id = mdb_txn_id(txn->txn);
    int code = mdb_txn_commit(txn->txn);
    txn->txn = NULL;
    if (!code) {
        return RV_OK;
    }
    if (not_done(txn->env, id)) {
        const char *dir = "";
        char what[400];
        mdb_env_get_path(txn->env->mdb, &dir);
        snprintf(what, sizeof what, "commit to %.300s", dir);
        if (code == MDB_MAP_FULL || code == ENOSPC || code == EDQUOT || code == ENOMEM) {
            return rvw_txn_note(txn, code, what);
        }
        /* LMDB calls a write that was cut short for lack of space an input/output error. */
        if (code == EIO && rvw_env_room(txn->env, txn->bytes, &txn->error) != RV_OK) {
            return txn->status = txn->error.status;
        }
    }
    return txn->status = rv_fail(&txn->error, RV_REASON_OUTCOME_UNKNOWN, "cannot tell whether a commit was done: %s",
                                 mdb_strerror(code));
}

void rvw_txn_abort(rvw_txn_t *txn) {
    if (txn->txn) {
        mdb_txn_abort(txn->txn);
        txn->txn = NULL;
    }
}

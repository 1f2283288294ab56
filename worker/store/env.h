/* env.h: one LMDB environment, and a transaction that remembers its first error.
 *
 * Flags: NOTLS and NORDAHEAD, synchronous commits, map of RV_MAP_SIZE, never WRITEMAP, NOSYNC (but for a file that
 * nobody uses yet) or DUPSORT. Counted references: the last reader of an old file closes it. LMDB's codes are mapped
 * here and nowhere else: full map or disk is RESOURCE_EXHAUSTED/QUOTA, damage is DATA_LOSS/DAMAGED, a commit whose
 * outcome is not known is UNAVAILABLE/OUTCOME_UNKNOWN.
 */
#ifndef REVEILLE_WORKER_ENV_H
#define REVEILLE_WORKER_ENV_H

#include <lmdb.h>

#include "reveille/status.h"

typedef struct rvw_env rvw_env_t;

typedef enum {
    RVW_ENV_EXISTING, /* DIR/data.mdb is there: inspected first */
    RVW_ENV_NEW,      /* it is not, or is to be overwritten */
    RVW_ENV_UNUSED    /* new, without sync until rvw_env_sync: for a copy that is renamed when complete */
} rvw_env_mode_t;

/* Opens DIR/data.mdb. NOT_FOUND, FOREIGN, DAMAGED as rvw_inspect. */
rv_status_t rvw_env_open(const char *dir, rvw_env_mode_t mode, rvw_env_t **ret, rv_error_t *err);
rvw_env_t *rvw_env_ref(rvw_env_t *env);
/* The last one closes it; no transaction may be open then. */
void rvw_env_unref(rvw_env_t **env);
/* RESOURCE_EXHAUSTED/QUOTA when the disk would have less than RV_DISK_RESERVE left after so many bytes. */
rv_status_t rvw_env_room(const rvw_env_t *env, uint64_t bytes, rv_error_t *err);
/* Share of the map that is in use, free pages included, 0 to 1. */
double rvw_env_fill(const rvw_env_t *env);
/* Bytes of the map, and those in use. */
void rvw_env_bytes(const rvw_env_t *env, uint64_t *ret_used, uint64_t *ret_map);
rv_status_t rvw_env_sync(rvw_env_t *env, rv_error_t *err);
/* A read transaction, which the caller aborts. */
rv_status_t rvw_env_read(rvw_env_t *env, MDB_txn **ret, rv_error_t *err);
MDB_dbi rvw_env_dbi(const rvw_env_t *env);
/* Maps a code of LMDB; `what` completes "cannot ...". */
rv_status_t rvw_env_fail(rv_error_t *err, int code, const char *what);

/* A write transaction. After an error all calls do nothing and return it. */
typedef struct {
    rvw_env_t *env;
    MDB_txn *txn;
    size_t bytes; /* put so far */
    rv_status_t status;
    rv_error_t error;
} rvw_txn_t;
rv_status_t rvw_txn_begin(rvw_txn_t *txn, rvw_env_t *env);
rv_status_t rvw_txn_put(rvw_txn_t *txn, const void *key, size_t key_n, const void *value, size_t value_n);
/* Room of value_n bytes, to be filled before the next call; NULL after an error. */
void *rvw_txn_reserve(rvw_txn_t *txn, const void *key, size_t key_n, size_t value_n);
/* One that does not exist is fine. */
rv_status_t rvw_txn_delete(rvw_txn_t *txn, const void *key, size_t key_n);
rv_status_t rvw_txn_cursor(rvw_txn_t *txn, MDB_cursor **ret);
/* Notes a code of a cursor call; MDB_NOTFOUND is none. */
rv_status_t rvw_txn_note(rvw_txn_t *txn, int code, const char *what);
/* UNAVAILABLE/OUTCOME_UNKNOWN only when it may have been done or the disk gave an error of its own: a lack of space
 * before the meta page is RESOURCE_EXHAUSTED/QUOTA, whatever LMDB calls it, and the environment goes on. */
rv_status_t rvw_txn_commit(rvw_txn_t *txn);
void rvw_txn_abort(rvw_txn_t *txn);

/* fsync of a directory or file by name. */
rv_status_t rvw_sync_path(const char *path, rv_error_t *err);
/* Locks a directory for this one owner, in this process or any other, until *ret_fd is closed.
 * FAILED_PRECONDITION/FOREIGN when it has one. */
rv_status_t rvw_lock_dir(const char *dir, int *ret_fd, rv_error_t *err);
/* An empty directory DIR/compact for a copy under construction; whatever an interrupted one left there is removed. */
rv_status_t rvw_copy_begin(const char *dir, rv_error_t *err);
/* DIR/compact/data.mdb, complete and closed, takes the place of DIR/data.mdb, which may be open. Then DIR can be opened
 * anew. */
rv_status_t rvw_copy_end(const char *dir, rv_error_t *err);
/* Removes DIR/compact and what it holds. */
rv_status_t rvw_copy_drop(const char *dir, rv_error_t *err);

#endif

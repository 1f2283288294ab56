/* wal_state.h: what the files of the log share: wal.c, replay.c. */
#ifndef REVEILLE_WORKER_WAL_STATE_H
#define REVEILLE_WORKER_WAL_STATE_H

#include <pthread.h>

#include "chains.h"
#include "env.h"
#include "wal.h"

#define RVW_WAL_KEY 12u /* bytes */

typedef enum { RVW_NOTE = 0x80000000u, RVW_GROUP = 0x80000001u } rvw_wal_kind_t; /* the key's first 4 bytes */

struct rvw_wal {
    pthread_mutex_t lock_env;
    char *dir;
    int lock;
    rvw_env_t *env;
    rvw_chains_t *chains;
    rvw_wal_mark_t mark;
    uint64_t next; /* group */
    bool closed;   /* to writes */
};

void rvw_wal_key(rvw_wal_kind_t kind, uint64_t number, uint8_t key[RVW_WAL_KEY]);
/* Of a key: what the checksums of its value are seeded with. */
uint64_t rvw_wal_seed(const uint8_t *key);

/* A read transaction with a cursor; rvw_reading_end closes both. */
typedef struct {
    MDB_txn *txn;
    MDB_cursor *cursor;
} rvw_reading_t;
rv_status_t rvw_reading_begin(rvw_env_t *env, rvw_reading_t *ret, rv_error_t *err);
void rvw_reading_end(rvw_reading_t *reading);

#endif

/* files.h: the small files of a worker's directory: the card, in place, and others, each whole or absent.
 *
 * The card (DIR/worker) says which cluster, which log and which start this is. It is written at every start, so it
 * needs no room on the disk: two slots of fixed size, written in turn, each with a checksum over number and content.
 */
#ifndef REVEILLE_WORKER_FILES_H
#define REVEILLE_WORKER_FILES_H

#include "reveille/status.h"

typedef struct {
    uint64_t number;      /* of the writing of the card; 0: there is none yet */
    uint64_t incarnation; /* starts of this worker */
    uint64_t log, stamp;  /* the mark of its log, see store/wal.h */
    uint32_t has_cluster, partition_count, chunk_rows, reserved;
    uint8_t cluster_id[16];
} rvw_card_t;

/* NOT_FOUND without a card; DATA_LOSS when neither slot is sound. A slot that is not may have held the last writing:
 * number, incarnation and stamp then count one further. */
rv_status_t rvw_card_read(const char *dir, rvw_card_t *ret, rv_error_t *err);
/* Durable when it returns; the number counts on. */
rv_status_t rvw_card_write(const char *dir, rvw_card_t *card, rv_error_t *err);

/* Content with its checksum behind, written beside, synced, renamed, the directory synced. QUOTA without room. */
rv_status_t rvw_file_write(const char *dir, const char *name, const void *bytes, size_t n, rv_error_t *err);
/* NOT_FOUND when there is none; DATA_LOSS when it is damaged. *ret is malloc'ed. */
rv_status_t rvw_file_read(const char *dir, const char *name, uint8_t **ret, size_t *ret_n, rv_error_t *err);

#endif

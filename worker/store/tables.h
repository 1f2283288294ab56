/* tables.h: contacts and companies as chunked columns: what a flush writes of them. */
#ifndef REVEILLE_WORKER_TABLES_H
#define REVEILLE_WORKER_TABLES_H

#include "change.h"
#include "sight.h"

/* Writes every column of a table that the sight's frozen tail (tails[0]) touches. In a chunk with new rows that is all
 * of its columns, so that each is as long as the chunk. `dead` is the bitmap of all erased contacts (NULL for
 * companies): they have no values. */
rv_status_t rvw_tables_write(rvw_change_t *change, const rvw_sight_t *sight, rvw_table_t table, const uint8_t *dead,
                             rv_error_t *err);
/* The ids of all columns that a table has, rising, each once; RVW_KEYS is left out. */
rv_status_t rvw_table_ids(const rvw_sight_t *sight, rvw_table_t table, rv_arena_t *arena, uint32_t **ret,
                          uint32_t *ret_n, rv_error_t *err);
/* Writes the map of a chunk's erased rows. */
rv_status_t rvw_erased_write(rvw_change_t *change, const rvw_base_t *base, uint32_t chunk, const uint8_t *dead,
                             bool purged, rv_error_t *err);
/* Writes one column of one chunk anew and drops its old pieces. */
rv_status_t rvw_table_rewrite(rvw_change_t *change, const rvw_sight_t *sight, rvw_table_t table, uint32_t id,
                              uint32_t chunk, const uint8_t *dead, rv_error_t *err);

#endif

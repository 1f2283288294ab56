/* split.h: rows of a batch by partition, and the columns of some of its rows. Pure; memory from the arena. */
#ifndef REVEILLE_COORDINATOR_SPLIT_H
#define REVEILLE_COORDINATOR_SPLIT_H

#include "column.h"

/* Some rows of a batch that go to one partition, rising. */
typedef struct {
    uint32_t partition;
    const uint32_t *rows;
    size_t n;
} rvc_share_t;

/* Partitions that have rows, rising, their rows in the order of the batch. partition_of[row] is UINT32_MAX for a row
 * that goes nowhere. */
rv_status_t rvc_split(const uint32_t *partition_of, size_t rows, uint32_t partitions, rv_arena_t *arena,
                      rvc_share_t **ret, size_t *ret_n, rv_error_t *err);

/* Renumbers codes of a dictionary, share after share, without clearing anything between them. */
typedef struct {
    uint32_t *stamp, *code, now;
    size_t n;
} rvc_renumber_t;
rv_status_t rvc_renumber_init(rvc_renumber_t *renumber, size_t codes, rv_arena_t *arena, rv_error_t *err);

/* The strings that `codes[rows[i]]` point to, each once, in order of first use, and the new codes. */
rv_status_t rvc_gather_strings(const rvc_strings_t *strings, const uint32_t *codes, rvc_renumber_t *renumber,
                               const uint32_t *rows, size_t n, rv_arena_t *arena, Reveille__V1__StringColumn **ret,
                               uint32_t **ret_codes, rv_error_t *err);
/* The strings of rows, one a row (`codes` NULL: string i is row i's). */
rv_status_t rvc_gather_plain(const rvc_strings_t *strings, const uint32_t *codes, const uint32_t *rows, size_t n,
                             rv_arena_t *arena, Reveille__V1__StringColumn **ret, rv_error_t *err);
/* The column of those rows under a catalog number; *ret is NULL when none of them has a value or loses one. `renumber`:
 * of the column's dictionary (not used without codes). */
rv_status_t rvc_gather_column(const rvc_column_t *column, uint32_t id, rvc_renumber_t *renumber, const uint32_t *rows,
                              size_t n, rv_arena_t *arena, Reveille__V1__Column **ret, rv_error_t *err);

#endif

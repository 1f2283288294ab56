/* source.h: a file or stdin to import from: its identity, and going on in the middle. */
#ifndef REVEILLE_CLI_SOURCE_H
#define REVEILLE_CLI_SOURCE_H

#include "reveille/status.h"

typedef struct rv_source rv_source_t;

/* "-" is stdin. `options` are bytes that belong to the identity of the import: the same file read another way is
 * another import. */
rv_status_t rv_source_open(const char *path, const void *options, size_t n, rv_source_t **ret, rv_error_t *err);
void rv_source_close(rv_source_t **source);
/* As rv_csv_read_fn. */
long rv_source_read(void *context, char *buffer, size_t n);
/* 16 bytes: of a file, by its size, time of change, first and last 64 KiB and the options; of stdin and pipes, random.
 */
const uint8_t *rv_source_fingerprint(const rv_source_t *source);
/* It is a file: its bytes can be read again. */
bool rv_source_resumable(const rv_source_t *source);
/* Bytes; 0 when not known. */
uint64_t rv_source_size(const rv_source_t *source);
/* Goes to an offset that is the beginning of a line; *ret_line is its number from 1. */
rv_status_t rv_source_seek(rv_source_t *source, uint64_t offset, uint64_t *ret_line, rv_error_t *err);

#endif

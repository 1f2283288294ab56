/* out.h: where data go: a file descriptor behind a buffer, or memory. Failures are remembered and told at the flush, so
 * that nobody between has to look. Not thread safe. */
#ifndef REVEILLE_CLI_OUT_H
#define REVEILLE_CLI_OUT_H

#include "reveille/status.h"
#include <stddef.h>

typedef struct rv_out rv_out_t;

/* `fd` -1 keeps everything in memory. The descriptor stays the caller's. NULL without memory. */
rv_out_t *rv_out_new(int fd);
void rv_out_destroy(rv_out_t **out);
void rv_out_write(rv_out_t *out, const void *bytes, size_t n);
void rv_out_text(rv_out_t *out, const char *text);
void rv_out_char(rv_out_t *out, char c);
void rv_out_printf(rv_out_t *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same character `n` times. */
void rv_out_fill(rv_out_t *out, char c, size_t n);
/* What a memory output holds; borrowed until the next write. */
const char *rv_out_bytes(const rv_out_t *out, size_t *ret_n);
void rv_out_reset(rv_out_t *out);
/* Hands everything to the descriptor. Says the first failure since the last flush: a closed pipe, a full disk, no
 * memory. */
rv_status_t rv_out_flush(rv_out_t *out, rv_error_t *err);

#endif

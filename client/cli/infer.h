/* infer.h: a schema guessed from a file. */
#ifndef REVEILLE_CLI_INFER_H
#define REVEILLE_CLI_INFER_H

#include "csv.h"
#include "out.h"

/* Reads the whole CSV (events when it has columns `at` and `type`, otherwise contacts) and writes YAML with a comment a
 * doubtful guess. */
rv_status_t rv_infer(rv_csv_read_fn read, void *context, const char *name, rv_out_t *out, rv_error_t *err);

#endif

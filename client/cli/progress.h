/* progress.h: how far a long work has come, on stderr: a line that is rewritten on a terminal, a line every few seconds
 * elsewhere. */
#ifndef REVEILLE_CLI_PROGRESS_H
#define REVEILLE_CLI_PROGRESS_H

#include <stdint.h>

typedef struct rv_progress rv_progress_t;

rv_progress_t *rv_progress_new(void);
void rv_progress_destroy(rv_progress_t **progress);
/* Another file begins; `size` 0: not known. The name is borrowed. */
void rv_progress_file(rv_progress_t *progress, const char *name, uint64_t size);
/* The file is done up to `offset`; `rows` counts from the beginning of everything. */
void rv_progress_at(rv_progress_t *progress, uint64_t offset, uint64_t rows);
/* Takes the line off a terminal. */
void rv_progress_end(rv_progress_t *progress);

#endif

/* trace.h: where the rows of a batch stood in their file, until the cluster has answered for them; and the file of
 * rejects. */
#ifndef REVEILLE_CLI_TRACE_H
#define REVEILLE_CLI_TRACE_H

#include "csv.h"

typedef struct rv_trace rv_trace_t;

rv_trace_t *rv_trace_new(void);
void rv_trace_destroy(rv_trace_t **trace);
void rv_trace_clear(rv_trace_t *trace);
/* Notes a record; `why` NULL: it went into the batch as the next item. False without memory. */
bool rv_trace_add(rv_trace_t *trace, const rv_csv_record_t *record, const char *why);
/* The cluster refused item `item`. Items that the batch does not have are ignored. */
bool rv_trace_refuse(rv_trace_t *trace, size_t item, const char *why);
size_t rv_trace_records(const rv_trace_t *trace);
size_t rv_trace_items(const rv_trace_t *trace);
/* Bytes that it holds. */
size_t rv_trace_bytes(const rv_trace_t *trace);
/* Offset in the source after its last record. */
uint64_t rv_trace_end(const rv_trace_t *trace);

/* Where rejects go. */
typedef struct rv_rejects rv_rejects_t;
/* `path` may be NULL: rejects are counted, and the first ones told on stderr. Opens the file for writing, without
 * changing it yet. */
rv_status_t rv_rejects_new(const char *path, rv_rejects_t **ret, rv_error_t *err);
void rv_rejects_destroy(rv_rejects_t **rejects);
/* Before the first row: the file is emptied and gets its header, unless the import goes on where it stopped. */
rv_status_t rv_rejects_begin(rv_rejects_t *rejects, bool resumes, rv_error_t *err);
/* Writes the records of a trace that were refused, in their order. */
rv_status_t rv_rejects_take(rv_rejects_t *rejects, const char *file, const rv_trace_t *trace, rv_error_t *err);
uint64_t rv_rejects_count(const rv_rejects_t *rejects);
/* "FILE:LINE: reason" of the first one; NULL when there is none. */
const char *rv_rejects_first(const rv_rejects_t *rejects);

#endif

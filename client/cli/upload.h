/* upload.h: batches on their way: an import stream with several unanswered batches, or (companies) one write after the
 * other. */
#ifndef REVEILLE_CLI_UPLOAD_H
#define REVEILLE_CLI_UPLOAD_H

#include "cli.h"
#include "gather.h"
#include "trace.h"

typedef struct rv_upload rv_upload_t;

/* A batch has been answered; `result` is NULL for one that had no rows to send. The trace may be changed, and is taken
 * back afterwards. */
typedef rv_status_t (*rv_answered_fn)(void *context, rv_trace_t *trace, const Reveille__V1__WriteResult *result,
                                      rv_error_t *err);

typedef struct {
    rv_import_kind_t kind;
    const char *name;
    const uint8_t *fingerprint; /* 16 bytes */
    bool require_id;
    rv_answered_fn answered;
    void *context;
} rv_upload_options_t;

#define RV_UPLOAD_ATTEMPTS 5u /* at the same place without any progress */
/* The cluster, not the connection, could not do it now: it is worth another attempt. */
bool rv_upload_may_help(rv_status_t status, const rv_error_t *err);
/* Says that there will be another attempt, and waits for its time. */
void rv_upload_pause(rv_cli_t *cli, const char *what, unsigned attempt, const rv_error_t *err);

/* Opens the import. *ret_offset: everything before it in the source is there already. */
rv_status_t rv_upload_open(rv_cli_t *cli, const rv_upload_options_t *options, rv_upload_t **ret, uint64_t *ret_offset,
                           rv_error_t *err);
void rv_upload_destroy(rv_upload_t **upload);
/* An empty trace to note the next batch in. NULL without memory. */
rv_trace_t *rv_upload_trace(rv_upload_t *upload);
/* Sends the batch (which may have no rows) with its trace, which it takes; waits for room in the window and passes on
 * what was answered. */
rv_status_t rv_upload_send(rv_upload_t *upload, rv_batch_t *batch, rv_trace_t **trace, rv_error_t *err);
/* Waits for all answers and ends the stream. */
rv_status_t rv_upload_finish(rv_upload_t *upload, rv_error_t *err);
/* Number of the import; 0 for companies. */
uint64_t rv_upload_id(const rv_upload_t *upload);

#endif

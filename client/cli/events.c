/* events.c: events delete and import undo. A file of identities is read like an import of events: contact, type, at,
 * source, id; a row that cannot be taken is a reject with its line, and does not stop the others. */
#include "catalog_client.h"
#include "commands.h"
#include "outcome.h"
#include "reveille/limits.h"
#include "reveille/uuid.h"
#include "reveille/v1/event.pb-c.h"
#include "row.h"
#include "source.h"
#include "trace.h"
#include <stdlib.h>
#include <string.h>

#define DELETE_TIMEOUT_MS RV_MAX_TIMEOUT_MS
#define TRACE_BYTES (8u << 20) /* rows of one batch, taken or not */

typedef struct {
    rv_cli_t *cli;
    uint8_t producer[16];
    uint64_t sequence, removed, unknown, unnamed;
    /* of a file */
    const char *path;
    rv_targets_t targets;
    int *of; /* target of each column */
    size_t n_columns;
    rv_csv_t *csv;
    rv_row_t *row;
    rv_batch_t *batch;
    rv_trace_t *trace;
    rv_rejects_t *rejects;
} delete_t;

/* Rows that the cluster did not take are rejects of the file. */
static rv_status_t take_result(delete_t *deletion, const Reveille__V1__WriteResult *result, rv_error_t *err) {
    rv_status_t status = rv_write_result(result, err);
    for (size_t i = 0; result && deletion->trace && i < result->n_errors; i++) {
        const Reveille__V1__ItemError *error = result->errors[i];
        const char *why = error->status && error->status->message[0] ? error->status->message : "refused";
        if (!rv_trace_refuse(deletion->trace, error->index, why))
            return rv_fail_memory(err, "rejects");
    }
    if (result) {
        deletion->removed += result->applied;
        deletion->unknown += result->duplicates;
        deletion->unnamed += result->refused > result->n_errors ? result->refused - result->n_errors : 0;
    }
    return status;
}

/* Sends one request; everything but the identity is filled. */
static rv_status_t send_delete(delete_t *deletion, Reveille__V1__EventServiceDeleteRequest *request, rv_error_t *err) {
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    ProtobufCMessage *message;
    rv_arena_t arena;
    identity.producer = (ProtobufCBinaryData){sizeof deletion->producer, deletion->producer};
    identity.sequence = ++deletion->sequence;
    request->identity = &identity;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_cli_call(deletion->cli, "reveille.v1.EventService/Delete", &request->base,
                                     &reveille__v1__event_service_delete_response__descriptor,
                                     rv_cli_timeout(deletion->cli, DELETE_TIMEOUT_MS), &arena, &message, err);
    if (status == RV_OK)
        status = take_result(deletion, ((Reveille__V1__EventServiceDeleteResponse *)message)->result, err);
    rv_arena_done(&arena);
    return status;
}

/* What is in the batch goes out; its rejects are told. */
static rv_status_t send_batch(delete_t *deletion, rv_error_t *err) {
    Reveille__V1__EventServiceDeleteRequest request = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__INIT;
    rv_status_t status = RV_OK;
    if (rv_batch_rows(deletion->batch) > 0) {
        request.selector_case = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_BATCH;
        request.batch = rv_batch_events(deletion->batch);
        status = request.batch ? send_delete(deletion, &request, err) : rv_fail_memory(err, "a batch");
    }
    if (status == RV_OK)
        status = rv_rejects_take(deletion->rejects, deletion->path, deletion->trace, err);
    rv_batch_clear(deletion->batch);
    rv_trace_clear(deletion->trace);
    return status;
}

/* One record: into the batch, or among the rejects. */
static rv_status_t take_record(delete_t *deletion, const rv_csv_record_t *record, rv_error_t *err) {
    const char *why = rv_row_csv(deletion->row, record, deletion->of, deletion->n_columns);
    rv_status_t status = RV_OK;
    rv_error_t large;
    bool full = false;
    if (!why && (status = rv_batch_add(deletion->batch, rv_row_cells(deletion->row), &full, &large)) == RV_OK && full) {
        if ((status = send_batch(deletion, err)) != RV_OK)
            return status;
        status = rv_batch_add(deletion->batch, rv_row_cells(deletion->row), &full, &large);
    }
    if (status == RV_INVALID_ARGUMENT)
        why = large.message;
    else if (status != RV_OK) {
        *err = large;
        return status;
    }
    if (!rv_trace_add(deletion->trace, record, why))
        return rv_fail_memory(err, "a batch");
    return rv_trace_bytes(deletion->trace) > TRACE_BYTES ? send_batch(deletion, err) : RV_OK;
}

static rv_status_t delete_rows(delete_t *deletion, rv_error_t *err) {
    rv_csv_record_t record;
    rv_status_t status;
    for (bool more = true;;) {
        status = rv_csv_next(deletion->csv, &record, &more, err);
        if (status == RV_OK && more)
            status = take_record(deletion, &record, err);
        if (status != RV_OK || !more)
            break;
    }
    return status == RV_OK ? send_batch(deletion, err) : status;
}

static rv_status_t open_rows(delete_t *deletion, rv_source_t *source, const Reveille__V1__Schema *schema,
                             rv_arena_t *arena, rv_error_t *err) {
    static const rv_columns_t columns;
    rv_csv_record_t header;
    bool more = false;
    deletion->csv = rv_csv_new(rv_source_read, source, 0, 1);
    deletion->row = rv_row_new(&deletion->targets, &columns, false, false);
    deletion->batch = rv_batch_new(&deletion->targets);
    deletion->trace = rv_trace_new();
    if (!deletion->csv || !deletion->row || !deletion->batch || !deletion->trace ||
        !rv_row_types(deletion->row, schema->event_types, schema->n_event_types))
        return rv_fail_memory(err, "a file");
    rv_status_t status = rv_rejects_new(NULL, &deletion->rejects, err);
    if (status == RV_OK)
        status = rv_csv_next(deletion->csv, &header, &more, err);
    if (status == RV_OK && (!more || header.problem))
        status = rv_fail(err, RV_REASON_FIELD, "%s: %s", deletion->path, more ? header.problem : "it is empty");
    if (status != RV_OK)
        return status;
    deletion->n_columns = header.n_fields;
    return rv_header_targets(&deletion->targets, &columns, &header, arena, &deletion->of, err);
}

static rv_status_t delete_file(delete_t *deletion, rv_arena_t *arena, rv_error_t *err) {
    const Reveille__V1__Schema *schema;
    rv_source_t *source = NULL;
    rv_status_t status = rv_fetch_schema(deletion->cli, arena, &schema, err);
    if (status == RV_OK)
        status = rv_targets_of(schema, RV_IMPORT_EVENTS, arena, &deletion->targets, err);
    if (status == RV_OK)
        status = rv_source_open(deletion->path, NULL, 0, &source, err);
    if (status != RV_OK)
        return status;
    status = open_rows(deletion, source, schema, arena, err);
    if (status == RV_OK)
        status = delete_rows(deletion, err);
    uint64_t rejected = (deletion->rejects ? rv_rejects_count(deletion->rejects) : 0) + deletion->unnamed;
    if (rejected) {
        rv_note(deletion->cli, "%llu rows of %s were not taken", (unsigned long long)rejected, deletion->path);
        deletion->cli->exit = RV_EXIT_FAILED;
    }
    if (status != RV_OK && deletion->removed)
        rv_note(deletion->cli, "%llu events were removed before that", (unsigned long long)deletion->removed);
    rv_rejects_destroy(&deletion->rejects);
    rv_trace_destroy(&deletion->trace);
    rv_batch_destroy(&deletion->batch);
    rv_row_destroy(&deletion->row);
    rv_csv_destroy(&deletion->csv);
    rv_source_close(&source);
    return status;
}

static void tell(const delete_t *deletion) {
    rv_note(deletion->cli, "%llu events removed, %llu were not there", (unsigned long long)deletion->removed,
            (unsigned long long)deletion->unknown);
}

rv_status_t rv_run_events_delete(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__EventServiceDeleteRequest request = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__INIT;
    const char *source = rv_args_text(cli->args, "source"), *import = rv_args_text(cli->args, "import");
    const char *path = rv_args_text(cli->args, "file");
    delete_t deletion = {.cli = cli};
    rv_status_t status;
    rv_arena_t arena;
    if ((source != NULL) + (import != NULL) + (path != NULL) != 1)
        return rv_usage(cli, err, "say what to remove: one of --source S, --import N, --file FILE.csv");
    rv_uuid7(deletion.producer);
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (path) {
        deletion.path = path;
        status = delete_file(&deletion, &arena, err);
    } else {
        request.selector_case = source ? REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_SOURCE
                                       : REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_IMPORT_ID;
        if (source)
            request.source = (char *)(uintptr_t)source;
        else
            request.import_id = rv_args_number(cli->args, "import", 0);
        status = send_delete(&deletion, &request, err);
    }
    if (status == RV_OK)
        tell(&deletion);
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_import_undo(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__EventServiceDeleteRequest request = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__INIT;
    const char *text = rv_args_argument(cli->args, 0);
    delete_t deletion = {.cli = cli};
    char *end;
    unsigned long long id = strtoull(text, &end, 10);
    if (*end || end == text || text[0] == '-' || id == 0)
        return rv_usage(cli, err, "an import is named by its number, not '%s'; `reveille import list` shows them",
                        text);
    rv_uuid7(deletion.producer);
    request.selector_case = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_IMPORT_ID;
    request.import_id = id;
    rv_status_t status = send_delete(&deletion, &request, err);
    if (status == RV_OK)
        tell(&deletion);
    return status;
}

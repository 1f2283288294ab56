/* events.c: events delete and import undo. A file of identities is read like an import of events: contact, type, at,
 * source, id. */
#include "catalog_client.h"
#include "commands.h"
#include "outcome.h"
#include "reveille/limits.h"
#include "reveille/uuid.h"
#include "reveille/v1/event.pb-c.h"
#include "row.h"
#include "source.h"
#include <stdlib.h>
#include <string.h>

#define DELETE_TIMEOUT_MS RV_MAX_TIMEOUT_MS

typedef struct {
    rv_cli_t *cli;
    uint8_t producer[16];
    uint64_t sequence, removed, unknown;
} delete_t;

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
    if (status == RV_OK) {
        const Reveille__V1__WriteResult *result = ((Reveille__V1__EventServiceDeleteResponse *)message)->result;
        status = rv_write_result(result, err);
        deletion->removed += result ? result->applied : 0;
        deletion->unknown += result ? result->duplicates : 0;
    }
    rv_arena_done(&arena);
    return status;
}

static rv_status_t send_batch(delete_t *deletion, rv_batch_t *batch, rv_error_t *err) {
    Reveille__V1__EventServiceDeleteRequest request = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__INIT;
    if (rv_batch_rows(batch) == 0)
        return RV_OK;
    request.selector_case = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_BATCH;
    request.batch = rv_batch_events(batch);
    rv_status_t status = request.batch ? send_delete(deletion, &request, err) : rv_fail_memory(err, "a batch");
    rv_batch_clear(batch);
    return status;
}

/* Reads the file to its end. A wrong row stops it: what is to be removed must be certain. */
static rv_status_t delete_rows(delete_t *deletion, rv_csv_t *csv, const char *path, rv_row_t *row, rv_batch_t *batch,
                               const int *of, size_t n_columns, rv_error_t *err) {
    rv_csv_record_t record;
    rv_status_t status;
    for (bool more = true;;) {
        status = rv_csv_next(csv, &record, &more, err);
        if (status != RV_OK || !more)
            break;
        const char *why = rv_row_csv(row, &record, of, n_columns);
        if (why)
            return rv_fail(err, RV_REASON_FIELD, "%s:%llu: %s; %llu events before it are removed", path,
                           (unsigned long long)record.line, why, (unsigned long long)deletion->removed);
        bool full;
        status = rv_batch_add(batch, rv_row_cells(row), &full, err);
        if (status == RV_OK && full) {
            status = send_batch(deletion, batch, err);
            if (status == RV_OK)
                status = rv_batch_add(batch, rv_row_cells(row), &full, err);
        }
        if (status != RV_OK)
            return status;
    }
    return status == RV_OK ? send_batch(deletion, batch, err) : status;
}

static rv_status_t delete_file(delete_t *deletion, const char *path, rv_arena_t *arena, rv_error_t *err) {
    const Reveille__V1__Schema *schema;
    const rv_columns_t columns = {0};
    rv_targets_t targets = {0};
    rv_source_t *source = NULL;
    rv_csv_record_t header;
    rv_csv_t *csv = NULL;
    bool more = false;
    int *of = NULL;
    rv_status_t status = rv_fetch_schema(deletion->cli, arena, &schema, err);
    if (status == RV_OK)
        status = rv_targets_of(schema, RV_IMPORT_EVENTS, arena, &targets, err);
    if (status == RV_OK)
        status = rv_source_open(path, NULL, 0, &source, err);
    if (status != RV_OK)
        return status;
    csv = rv_csv_new(rv_source_read, source, 0, 1);
    rv_row_t *row = rv_row_new(&targets, &columns, false, false);
    rv_batch_t *batch = rv_batch_new(&targets);
    status = csv && row && batch ? rv_csv_next(csv, &header, &more, err) : rv_fail_memory(err, "a file");
    if (status == RV_OK && (!more || header.problem))
        status = rv_fail(err, RV_REASON_FIELD, "%s: %s", path, more ? header.problem : "it is empty");
    size_t n_columns = status == RV_OK ? header.n_fields : 0;
    if (status == RV_OK)
        status = rv_header_targets(&targets, &columns, &header, arena, &of, err);
    if (status == RV_OK)
        status = delete_rows(deletion, csv, path, row, batch, of, n_columns, err);
    rv_batch_destroy(&batch);
    rv_row_destroy(&row);
    rv_csv_destroy(&csv);
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
        status = delete_file(&deletion, path, &arena, err);
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

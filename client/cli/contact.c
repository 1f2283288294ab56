/* contact.c: contact get, timeline, delete. */
#include "catalog_client.h"
#include "commands.h"
#include "outcome.h"
#include "read.h"
#include "reveille/limits.h"
#include "reveille/uuid.h"
#include "reveille/v1/contact.pb-c.h"
#include "rows.h"
#include <stdlib.h>
#include <string.h>

#define ERASE_TIMEOUT_MS 600000u

static void get_json(rv_cli_t *cli, const Reveille__V1__ContactServiceGetResponse *reply, const rv_value_t *values,
                     const rv_coverage_t *coverage) {
    rv_json_t json;
    rv_timing_t none = {0};
    rv_json_init(&json, cli->out);
    rv_json_open(&json, '{');
    rv_json_name(&json, "contact");
    rv_json_text(&json, reply->key);
    rv_json_name(&json, "attributes");
    rv_json_open(&json, '{');
    for (size_t i = 0; i < reply->n_attributes; i++) {
        const Reveille__V1__Column *column = reply->attributes[i];
        rv_json_name(&json, column->name);
        rv_cell_json(&json, &(rv_head_t){column->name, column->type, column->scale}, &values[i]);
    }
    rv_json_close(&json, '}');
    rv_answer_end(cli, cli->format == RV_FORMAT_JSON ? &json : NULL, coverage, &none);
    rv_json_close(&json, '}');
    rv_out_char(cli->out, '\n');
}

/* As rows of name and value, whatever the types. The key has the name that the schema gives it. */
static rv_status_t get_rows(rv_cli_t *cli, const Reveille__V1__ContactServiceGetResponse *reply, const char *key_name,
                            const rv_value_t *values, rv_error_t *err) {
    static const rv_head_t HEADS[] = {{"attribute", RV_STRING, 0}, {"value", RV_STRING, 0}};
    rv_rows_t *rows = rv_rows_new(cli->out, cli->format, "attributes");
    rv_out_t *text = rv_out_new(-1);
    rv_status_t status = rows && text ? rv_rows_heads(rows, HEADS, 2, err) : rv_fail_memory(err, "an answer");
    if (status == RV_OK)
        rv_rows_add(rows, (rv_value_t[]){rv_value_text(key_name), rv_value_text(reply->key)});
    for (size_t i = 0; status == RV_OK && i < reply->n_attributes; i++) {
        const Reveille__V1__Column *column = reply->attributes[i];
        rv_value_t value = values[i];
        if (column->type != RV_STRING && column->type != RV_COMPANY && value.present) {
            size_t n;
            rv_out_reset(text);
            rv_cell_table(text, &(rv_head_t){column->name, column->type, column->scale}, &values[i]);
            value.s.p = rv_out_bytes(text, &n);
            value.s.n = (uint32_t)n;
        }
        rv_rows_add(rows, (rv_value_t[]){rv_value_text(column->name), value});
    }
    if (status == RV_OK)
        rv_rows_end(rows);
    rv_out_destroy(&text);
    rv_rows_destroy(&rows);
    return status;
}

static rv_status_t print_contact(rv_cli_t *cli, const Reveille__V1__ContactServiceGetResponse *reply,
                                 const char *key_name, rv_error_t *err) {
    size_t n = reply->n_attributes;
    rv_status_t status = RV_OK;
    rv_column_reader_t **readers = calloc(n + 1, sizeof(rv_column_reader_t *));
    rv_value_t *values = calloc(n + 1, sizeof *values);
    if (!readers || !values)
        status = rv_fail_memory(err, "an answer");
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        status = rv_column_reader_new(reply->attributes[i], 1, &readers[i], err);
        if (status == RV_OK)
            rv_column_value(readers[i], 0, &values[i]);
    }
    if (status == RV_OK && (cli->format == RV_FORMAT_JSON || cli->format == RV_FORMAT_NDJSON)) {
        rv_coverage_t coverage = {reply->coverage};
        get_json(cli, reply, values, &coverage);
    } else if (status == RV_OK) {
        rv_coverage_t coverage = {reply->coverage};
        status = get_rows(cli, reply, key_name, values, err);
        if (status == RV_OK)
            rv_answer_end(cli, NULL, &coverage, &(rv_timing_t){0});
    }
    for (size_t i = 0; readers && i < n; i++)
        rv_column_reader_destroy(&readers[i]);
    free(readers);
    free(values);
    return status;
}

rv_status_t rv_run_contact_get(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__ContactServiceGetRequest request = REVEILLE__V1__CONTACT_SERVICE_GET_REQUEST__INIT;
    const Reveille__V1__Schema *schema;
    ProtobufCMessage *reply;
    rv_arena_t arena;
    request.key = (char *)(uintptr_t)rv_args_argument(cli->args, 0);
    request.explain = rv_args_flag(cli->args, "explain");
    rv_arena_init(&arena, 2 * RV_MAX_UNPACK);
    rv_status_t status = rv_cli_call(cli, "reveille.v1.ContactService/Get", &request.base,
                                     &reveille__v1__contact_service_get_response__descriptor,
                                     rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), &arena, &reply, err);
    if (status == RV_OK)
        status = rv_fetch_schema(cli, &arena, &schema, err);
    if (status == RV_OK)
        status = print_contact(cli, (const Reveille__V1__ContactServiceGetResponse *)reply, schema->contact_key, err);
    rv_arena_done(&arena);
    return status;
}

typedef struct {
    rv_rows_t *rows;
    rv_coverage_t coverage;
} timeline_t;

static rv_status_t take_timeline(void *context, const ProtobufCMessage *message, rv_error_t *err) {
    timeline_t *timeline = context;
    const Reveille__V1__TimelineResponse *reply = (const Reveille__V1__TimelineResponse *)message;
    rv_coverage_keep(&timeline->coverage, reply->coverage);
    size_t n = reply->n_columns ? rv_column_rows(reply->columns[0]) : 0;
    return rv_rows_columns(timeline->rows, reply->columns, reply->n_columns, n, err);
}

rv_status_t rv_run_contact_timeline(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__TimelineRequest request = REVEILLE__V1__TIMELINE_REQUEST__INIT;
    Reveille__V1__ReadOptions options;
    rv_timing_t timing;
    rv_arena_t arena;
    timeline_t timeline = {.rows = rv_rows_new(cli->out, cli->format, "events")};
    if (!timeline.rows)
        return rv_fail_memory(err, "an answer");
    rv_arena_init(&arena, RV_OPTIONS_BUDGET);
    request.key = (char *)(uintptr_t)rv_args_argument(cli->args, 0);
    request.options = &options;
    if (rv_rows_json(timeline.rows)) {
        rv_json_name(rv_rows_json(timeline.rows), "contact");
        rv_json_text(rv_rows_json(timeline.rows), request.key);
    }
    rv_question_t question = {"reveille.v1.ContactService/Timeline",        &request.base, &options,
                              &reveille__v1__timeline_response__descriptor, take_timeline, &timeline};
    rv_status_t status = rv_read_options(cli, &arena, &options, err);
    if (status == RV_OK)
        status = rv_read(cli, &question, &timing, err);
    if (status == RV_OK) {
        rv_rows_end(timeline.rows);
        rv_answer_end(cli, rv_rows_json(timeline.rows), &timeline.coverage, &timing);
        rv_rows_close(timeline.rows);
    }
    rv_coverage_done(&timeline.coverage);
    rv_rows_destroy(&timeline.rows);
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_contact_delete(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__ContactServiceDeleteRequest request = REVEILLE__V1__CONTACT_SERVICE_DELETE_REQUEST__INIT;
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    Reveille__V1__StringColumn keys = REVEILLE__V1__STRING_COLUMN__INIT;
    ProtobufCMessage *reply;
    rv_arena_t arena;
    uint8_t producer[16];
    size_t n = rv_args_count(cli->args), bytes = 0;
    rv_uuid7(producer);
    identity.producer = (ProtobufCBinaryData){sizeof producer, producer};
    identity.sequence = 1;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(rv_args_argument(cli->args, i));
    rv_arena_init(&arena, RV_MAX_UNPACK);
    keys.data = (ProtobufCBinaryData){0, rv_arena_alloc(&arena, bytes + 1)};
    keys.lengths = rv_arena_alloc(&arena, (n + 1) * sizeof *keys.lengths);
    if (!keys.data.data || !keys.lengths) {
        rv_arena_done(&arena);
        return rv_fail_memory(err, "keys");
    }
    for (size_t i = 0; i < n; i++) {
        const char *key = rv_args_argument(cli->args, i);
        keys.lengths[keys.n_lengths] = (uint32_t)strlen(key);
        memcpy(keys.data.data + keys.data.len, key, keys.lengths[keys.n_lengths]);
        keys.data.len += keys.lengths[keys.n_lengths++];
    }
    request.identity = &identity;
    request.keys = &keys;
    request.wait = rv_args_flag(cli->args, "wait");
    rv_status_t status = rv_cli_call(cli, "reveille.v1.ContactService/Delete", &request.base,
                                     &reveille__v1__contact_service_delete_response__descriptor,
                                     rv_cli_timeout(cli, ERASE_TIMEOUT_MS), &arena, &reply, err);
    if (status == RV_OK)
        status = rv_write_result(((const Reveille__V1__ContactServiceDeleteResponse *)reply)->result, err);
    if (status == RV_OK) {
        const Reveille__V1__WriteResult *result = ((const Reveille__V1__ContactServiceDeleteResponse *)reply)->result;
        rv_note(cli, "%llu erased, %llu not known", (unsigned long long)(result ? result->applied : 0),
                (unsigned long long)(result ? result->duplicates : 0));
    }
    rv_arena_done(&arena);
    return status;
}

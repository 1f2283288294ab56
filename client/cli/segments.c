/* segments.c: segment save, list, show, delete. */
#include "commands.h"
#include "reveille/limits.h"
#include "reveille/v1/segment.pb-c.h"
#include "rows.h"

static const rv_head_t HEADS[] = {{"name", RV_STRING, 0}, {"version", RV_INT, 0}, {"filter", RV_STRING, 0}};

static void add_segment(rv_rows_t *rows, const Reveille__V1__Segment *segment) {
    rv_rows_add(rows, (rv_value_t[]){rv_value_text(segment->name), rv_value_uint(segment->version),
                                     rv_value_text(segment->filter)});
}

rv_status_t rv_run_segment_save(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__SaveRequest request = REVEILLE__V1__SAVE_REQUEST__INIT;
    Reveille__V1__Segment segment = REVEILLE__V1__SEGMENT__INIT;
    ProtobufCMessage *reply;
    rv_arena_t arena;
    segment.name = (char *)(uintptr_t)rv_args_argument(cli->args, 0);
    segment.filter = (char *)(uintptr_t)rv_args_argument(cli->args, 1);
    request.segment = &segment;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status =
        rv_cli_call(cli, "reveille.v1.SegmentService/Save", &request.base, &reveille__v1__save_response__descriptor,
                    rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), &arena, &reply, err);
    if (status == RV_OK) {
        const Reveille__V1__Segment *saved = ((const Reveille__V1__SaveResponse *)reply)->segment;
        rv_note(cli, "'%s' is saved, version %llu", segment.name, (unsigned long long)(saved ? saved->version : 0));
    }
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_segment_list(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__SegmentServiceListRequest request = REVEILLE__V1__SEGMENT_SERVICE_LIST_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_cli_call(cli, "reveille.v1.SegmentService/List", &request.base,
                                     &reveille__v1__segment_service_list_response__descriptor,
                                     rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), &arena, &message, err);
    rv_rows_t *rows = status == RV_OK ? rv_rows_new(cli->out, cli->format, "segments") : NULL;
    if (status == RV_OK)
        status = rows ? rv_rows_heads(rows, HEADS, 3, err) : rv_fail_memory(err, "an answer");
    if (status == RV_OK) {
        const Reveille__V1__SegmentServiceListResponse *reply =
            (const Reveille__V1__SegmentServiceListResponse *)message;
        for (size_t i = 0; i < reply->n_segments; i++)
            add_segment(rows, reply->segments[i]);
        rv_rows_end(rows);
        rv_rows_close(rows);
    }
    rv_rows_destroy(&rows);
    rv_arena_done(&arena);
    return status;
}

/* In table format the filter alone, so that it can be given to another command. */
static void print_segment(rv_cli_t *cli, const Reveille__V1__Segment *segment) {
    rv_json_t json;
    if (cli->format == RV_FORMAT_TABLE || cli->format == RV_FORMAT_CSV) {
        rv_out_printf(cli->out, "%s\n", segment->filter);
        return;
    }
    rv_json_init(&json, cli->out);
    rv_json_open(&json, '{');
    rv_json_name(&json, "name");
    rv_json_text(&json, segment->name);
    rv_json_name(&json, "version");
    rv_json_uint(&json, segment->version);
    rv_json_name(&json, "filter");
    rv_json_text(&json, segment->filter);
    rv_json_close(&json, '}');
    rv_out_char(cli->out, '\n');
}

rv_status_t rv_run_segment_show(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__SegmentServiceGetRequest request = REVEILLE__V1__SEGMENT_SERVICE_GET_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_arena_t arena;
    request.name = (char *)(uintptr_t)rv_args_argument(cli->args, 0);
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_cli_call(cli, "reveille.v1.SegmentService/Get", &request.base,
                                     &reveille__v1__segment_service_get_response__descriptor,
                                     rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), &arena, &message, err);
    if (status == RV_OK && ((const Reveille__V1__SegmentServiceGetResponse *)message)->segment)
        print_segment(cli, ((const Reveille__V1__SegmentServiceGetResponse *)message)->segment);
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_segment_delete(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__SegmentServiceDeleteRequest request = REVEILLE__V1__SEGMENT_SERVICE_DELETE_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_arena_t arena;
    request.name = (char *)(uintptr_t)rv_args_argument(cli->args, 0);
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_cli_call(cli, "reveille.v1.SegmentService/Delete", &request.base,
                                     &reveille__v1__segment_service_delete_response__descriptor,
                                     rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), &arena, &message, err);
    rv_arena_done(&arena);
    return status;
}

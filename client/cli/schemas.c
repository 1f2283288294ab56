/* schemas.c: schema apply and show, score define and list. */
#include "catalog_client.h"
#include "commands.h"
#include "reveille/civil.h"
#include "reveille/limits.h"
#include "rows.h"
#include "schema_read.h"
#include "schema_write.h"

rv_status_t rv_fetch_schema(rv_cli_t *cli, rv_arena_t *arena, const Reveille__V1__Schema **ret, rv_error_t *err) {
    Reveille__V1__SchemaServiceGetRequest request = REVEILLE__V1__SCHEMA_SERVICE_GET_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_status_t status = rv_cli_call(cli, "reveille.v1.SchemaService/Get", &request.base,
                                     &reveille__v1__schema_service_get_response__descriptor,
                                     rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), arena, &message, err);
    if (status != RV_OK)
        return status;
    const Reveille__V1__Schema *schema = ((const Reveille__V1__SchemaServiceGetResponse *)message)->schema;
    if (!schema || schema->version == 0)
        return rv_fail(err, RV_REASON_SCHEMA,
                       "the cluster has no schema yet; give it one with `reveille schema apply FILE.yaml`");
    *ret = schema;
    return RV_OK;
}

rv_status_t rv_fetch_scores(rv_cli_t *cli, rv_arena_t *arena, const Reveille__V1__ScoreServiceListResponse **ret,
                            rv_error_t *err) {
    Reveille__V1__ScoreServiceListRequest request = REVEILLE__V1__SCORE_SERVICE_LIST_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_status_t status = rv_cli_call(cli, "reveille.v1.ScoreService/List", &request.base,
                                     &reveille__v1__score_service_list_response__descriptor,
                                     rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), arena, &message, err);
    if (status == RV_OK)
        *ret = (const Reveille__V1__ScoreServiceListResponse *)message;
    return status;
}

rv_status_t rv_run_schema_apply(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__ApplyRequest request = REVEILLE__V1__APPLY_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_yaml_t *yaml = NULL;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_yaml_file(rv_args_argument(cli->args, 0), &yaml, err);
    if (status == RV_OK)
        status = rv_schema_read(yaml, &arena, &request, err);
    request.force = rv_args_flag(cli->args, "force");
    if (status == RV_OK)
        status = rv_cli_call(cli, "reveille.v1.SchemaService/Apply", &request.base,
                             &reveille__v1__apply_response__descriptor, rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS),
                             &arena, &message, err);
    if (status == RV_OK) {
        const Reveille__V1__ApplyResponse *reply = (const Reveille__V1__ApplyResponse *)message;
        unsigned long long version = reply->schema ? reply->schema->version : 0;
        if (reply->changed)
            rv_note(cli, "the schema is now version %llu", version);
        else
            rv_note(cli, "nothing to change: the schema is version %llu already", version);
    }
    rv_yaml_destroy(&yaml);
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_schema_show(rv_cli_t *cli, rv_error_t *err) {
    const Reveille__V1__Schema *schema = NULL;
    const Reveille__V1__ScoreServiceListResponse *scores = NULL;
    rv_arena_t arena;
    rv_arena_init(&arena, 2 * RV_MAX_UNPACK);
    rv_status_t status = rv_fetch_schema(cli, &arena, &schema, err);
    if (status == RV_OK)
        status = rv_fetch_scores(cli, &arena, &scores, err);
    if (status == RV_OK && (cli->format == RV_FORMAT_JSON || cli->format == RV_FORMAT_NDJSON)) {
        rv_json_t json;
        rv_json_init(&json, cli->out);
        rv_json_open(&json, '{');
        rv_schema_json(&json, schema);
        rv_scores_json(&json, scores->models, scores->n_models);
        rv_json_close(&json, '}');
        rv_out_char(cli->out, '\n');
    } else if (status == RV_OK) {
        rv_out_printf(cli->out, "# version %llu\n", (unsigned long long)schema->version);
        rv_schema_yaml(cli->out, schema);
        rv_scores_yaml(cli->out, scores->models, scores->n_models);
    }
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_score_define(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__ScoreModel **models = NULL;
    ProtobufCMessage *message;
    rv_yaml_t *yaml = NULL;
    rv_arena_t arena;
    size_t n = 0;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_yaml_file(rv_args_argument(cli->args, 0), &yaml, err);
    if (status == RV_OK)
        status = rv_scores_read(yaml, &arena, &models, &n, err);
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        Reveille__V1__DefineRequest request = REVEILLE__V1__DEFINE_REQUEST__INIT;
        request.model = models[i];
        status = rv_cli_call(cli, "reveille.v1.ScoreService/Define", &request.base,
                             &reveille__v1__define_response__descriptor, rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS),
                             &arena, &message, err);
        if (status == RV_OK) {
            const Reveille__V1__ScoreModel *model = ((const Reveille__V1__DefineResponse *)message)->model;
            rv_note(cli, "'%s' is defined, version %llu", models[i]->name,
                    (unsigned long long)(model ? model->version : 0));
        }
    }
    rv_yaml_destroy(&yaml);
    rv_arena_done(&arena);
    return status;
}

/* A row a model and type of event. */
static rv_status_t score_rows(rv_cli_t *cli, const Reveille__V1__ScoreServiceListResponse *scores, rv_error_t *err) {
    static const rv_head_t HEADS[] = {{"score", RV_STRING, 0},
                                      {"version", RV_INT, 0},
                                      {"half_life", RV_DURATION, 0},
                                      {"type", RV_STRING, 0},
                                      {"points", RV_DOUBLE, 0}};
    rv_rows_t *rows = rv_rows_new(cli->out, cli->format, "scores");
    rv_status_t status = rows ? rv_rows_heads(rows, HEADS, 5, err) : rv_fail_memory(err, "an answer");
    for (size_t i = 0; status == RV_OK && i < scores->n_models; i++)
        for (size_t k = 0; k < scores->models[i]->n_events; k++) {
            const Reveille__V1__ScoreModel *model = scores->models[i];
            rv_value_t points = {.present = true, .d = model->events[k]->points};
            rv_rows_add(rows, (rv_value_t[]){rv_value_text(model->name), rv_value_uint(model->version),
                                             rv_value_uint(model->half_life_ms), rv_value_text(model->events[k]->type),
                                             points});
        }
    if (status == RV_OK)
        rv_rows_end(rows);
    rv_rows_destroy(&rows);
    return status;
}

rv_status_t rv_run_score_list(rv_cli_t *cli, rv_error_t *err) {
    const Reveille__V1__ScoreServiceListResponse *scores = NULL;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_fetch_scores(cli, &arena, &scores, err);
    if (status == RV_OK && cli->format == RV_FORMAT_JSON) {
        rv_json_t json;
        rv_json_init(&json, cli->out);
        rv_json_open(&json, '{');
        rv_scores_json(&json, scores->models, scores->n_models);
        rv_json_close(&json, '}');
        rv_out_char(cli->out, '\n');
    } else if (status == RV_OK)
        status = score_rows(cli, scores, err);
    rv_arena_done(&arena);
    return status;
}

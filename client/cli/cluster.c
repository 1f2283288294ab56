/* cluster.c: cluster status, cluster compact, import list. */
#include "commands.h"
#include "reveille/limits.h"
#include "reveille/v1/cluster.pb-c.h"
#include "rows.h"
#include <string.h>

#define COMPACT_TIMEOUT_MS RV_MAX_TIMEOUT_MS

static const rv_head_t PARTITION_HEADS[] = {
    {"partition", RV_INT, 0}, {"worker", RV_STRING, 0},   {"available", RV_BOOL, 0}, {"epoch", RV_INT, 0},
    {"lsn", RV_INT, 0},       {"flushed_lsn", RV_INT, 0}, {"contacts", RV_INT, 0},   {"events", RV_INT, 0},
    {"runs", RV_INT, 0},      {"bytes", RV_INT, 0},       {"problem", RV_STRING, 0}};
#define PARTITION_HEADS_N (sizeof PARTITION_HEADS / sizeof PARTITION_HEADS[0])

static void add_partition(rv_rows_t *rows, const Reveille__V1__PartitionStatus *p) {
    rv_rows_add(rows, (rv_value_t[]){rv_value_uint(p->partition), rv_value_text(p->worker), rv_value_int(p->available),
                                     rv_value_uint(p->epoch), rv_value_uint(p->lsn), rv_value_uint(p->flushed_lsn),
                                     rv_value_uint(p->contacts), rv_value_uint(p->events), rv_value_uint(p->runs),
                                     rv_value_uint(p->bytes), rv_value_text(p->problem)});
}

/* The whole state as one document. */
static void status_members(rv_json_t *json, const Reveille__V1__StatusResponse *reply) {
    rv_json_name(json, "cluster_id");
    rv_json_text(json, reply->cluster_id);
    rv_json_name(json, "ready");
    rv_json_bool(json, reply->ready);
    rv_json_name(json, "version");
    rv_json_text(json, reply->version);
    rv_json_name(json, "schema_version");
    rv_json_uint(json, reply->schema_version);
    rv_json_name(json, "replicas");
    rv_json_uint(json, reply->replicas);
    rv_json_name(json, "workers");
    rv_json_open(json, '[');
    for (size_t i = 0; i < reply->n_workers; i++) {
        rv_json_open(json, '{');
        rv_json_name(json, "name");
        rv_json_text(json, reply->workers[i]->name);
        rv_json_name(json, "alive");
        rv_json_bool(json, reply->workers[i]->alive);
        rv_json_name(json, "incarnation");
        rv_json_uint(json, reply->workers[i]->incarnation);
        rv_json_name(json, "partitions");
        rv_json_uint(json, reply->workers[i]->partitions);
        rv_json_close(json, '}');
    }
    rv_json_close(json, ']');
}

static rv_status_t partition_rows(rv_cli_t *cli, const Reveille__V1__StatusResponse *reply, rv_error_t *err) {
    rv_rows_t *rows = rv_rows_new(cli->out, cli->format, "partitions");
    if (!rows)
        return rv_fail_memory(err, "an answer");
    if (rv_rows_json(rows))
        status_members(rv_rows_json(rows), reply);
    rv_status_t status = rv_rows_heads(rows, PARTITION_HEADS, PARTITION_HEADS_N, err);
    for (size_t i = 0; status == RV_OK && i < reply->n_partitions; i++)
        add_partition(rows, reply->partitions[i]);
    rv_rows_end(rows);
    rv_rows_close(rows);
    rv_rows_destroy(&rows);
    return status;
}

/* What one worker holds, added up. */
static rv_status_t worker_table(rv_cli_t *cli, const Reveille__V1__StatusResponse *reply, rv_error_t *err) {
    static const rv_head_t HEADS[] = {{"worker", RV_STRING, 0}, {"alive", RV_BOOL, 0}, {"partitions", RV_INT, 0},
                                      {"contacts", RV_INT, 0},  {"events", RV_INT, 0}, {"bytes", RV_INT, 0}};
    rv_rows_t *rows = rv_rows_new(cli->out, RV_FORMAT_TABLE, "workers");
    rv_status_t status = rows ? rv_rows_heads(rows, HEADS, 6, err) : rv_fail_memory(err, "an answer");
    for (size_t i = 0; status == RV_OK && i < reply->n_workers; i++) {
        const Reveille__V1__WorkerStatus *worker = reply->workers[i];
        uint64_t contacts = 0, events = 0, bytes = 0;
        for (size_t k = 0; k < reply->n_partitions; k++)
            if (strcmp(reply->partitions[k]->worker, worker->name) == 0) {
                contacts += reply->partitions[k]->contacts;
                events += reply->partitions[k]->events;
                bytes += reply->partitions[k]->bytes;
            }
        rv_rows_add(rows, (rv_value_t[]){rv_value_text(worker->name), rv_value_int(worker->alive),
                                         rv_value_uint(worker->partitions), rv_value_uint(contacts),
                                         rv_value_uint(events), rv_value_uint(bytes)});
    }
    if (status == RV_OK)
        rv_rows_end(rows);
    rv_rows_destroy(&rows);
    return status;
}

/* For people: a line about the cluster, its workers, and only the partitions that have a problem. */
static rv_status_t status_table(rv_cli_t *cli, const Reveille__V1__StatusResponse *reply, rv_error_t *err) {
    size_t available = 0;
    for (size_t i = 0; i < reply->n_partitions; i++)
        available += reply->partitions[i]->available ? 1 : 0;
    rv_out_printf(cli->out, "cluster %s: %s, %zu of %zu partitions available, schema version %llu, replicas %u\n\n",
                  reply->cluster_id, reply->ready ? "ready" : "not ready", available, reply->n_partitions,
                  (unsigned long long)reply->schema_version, reply->replicas);
    rv_status_t status = worker_table(cli, reply, err);
    for (size_t i = 0; i < reply->n_partitions; i++)
        if (!reply->partitions[i]->available)
            rv_out_printf(cli->out, "partition %u of %s is not available%s%s\n", reply->partitions[i]->partition,
                          reply->partitions[i]->worker[0] ? reply->partitions[i]->worker : "no worker",
                          reply->partitions[i]->problem[0] ? ": " : "", reply->partitions[i]->problem);
    return status;
}

rv_status_t rv_run_cluster_status(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__StatusRequest request = REVEILLE__V1__STATUS_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status =
        rv_cli_call(cli, "reveille.v1.ClusterService/Status", &request.base, &reveille__v1__status_response__descriptor,
                    rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), &arena, &message, err);
    if (status == RV_OK) {
        const Reveille__V1__StatusResponse *reply = (const Reveille__V1__StatusResponse *)message;
        status = cli->format == RV_FORMAT_TABLE ? status_table(cli, reply, err) : partition_rows(cli, reply, err);
    }
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_cluster_compact(rv_cli_t *cli, rv_error_t *err) {
    Reveille__V1__CompactRequest request = REVEILLE__V1__COMPACT_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    request.wait = rv_args_flag(cli->args, "wait");
    rv_status_t status = rv_cli_call(cli, "reveille.v1.ClusterService/Compact", &request.base,
                                     &reveille__v1__compact_response__descriptor,
                                     rv_cli_timeout(cli, COMPACT_TIMEOUT_MS), &arena, &message, err);
    if (status == RV_OK) {
        const Reveille__V1__CompactResponse *reply = (const Reveille__V1__CompactResponse *)message;
        if (request.wait)
            rv_note(cli, "%llu bytes before, %llu after", (unsigned long long)reply->bytes_before,
                    (unsigned long long)reply->bytes_after);
        else
            rv_note(cli, "begun; %llu bytes now", (unsigned long long)reply->bytes_before);
    }
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_import_list(rv_cli_t *cli, rv_error_t *err) {
    static const rv_head_t HEADS[] = {{"import", RV_INT, 0},
                                      {"what", RV_STRING, 0},
                                      {"name", RV_STRING, 0},
                                      {"started", RV_TIME, 0},
                                      {"acknowledged", RV_INT, 0}};
    Reveille__V1__ListImportsRequest request = REVEILLE__V1__LIST_IMPORTS_REQUEST__INIT;
    ProtobufCMessage *message;
    rv_arena_t arena;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_cli_call(cli, "reveille.v1.ClusterService/ListImports", &request.base,
                                     &reveille__v1__list_imports_response__descriptor,
                                     rv_cli_timeout(cli, RV_DEFAULT_TIMEOUT_MS), &arena, &message, err);
    rv_rows_t *rows = status == RV_OK ? rv_rows_new(cli->out, cli->format, "imports") : NULL;
    if (status == RV_OK)
        status = rows ? rv_rows_heads(rows, HEADS, 5, err) : rv_fail_memory(err, "an answer");
    if (status == RV_OK) {
        const Reveille__V1__ListImportsResponse *reply = (const Reveille__V1__ListImportsResponse *)message;
        for (size_t i = 0; i < reply->n_imports; i++) {
            const Reveille__V1__ImportInfo *import = reply->imports[i];
            rv_rows_add(rows,
                        (rv_value_t[]){rv_value_uint(import->progress ? import->progress->import_id : 0),
                                       rv_value_text(import->what), rv_value_text(import->name),
                                       rv_value_int(import->started_ms),
                                       rv_value_uint(import->progress ? import->progress->acknowledged_offset : 0)});
        }
        rv_rows_end(rows);
        rv_rows_close(rows);
    }
    rv_rows_destroy(&rows);
    rv_arena_done(&arena);
    return status;
}

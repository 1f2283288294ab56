/* import.c: import contacts, companies, events: reads records, makes rows, fills batches and sends them.
 *
 * A file is identified by its fingerprint; the cluster says how far it has come, and the reading goes on there. When a
 * part of the cluster is away for a moment the import of a file is opened again, a few times, before it fails.
 * Everything before the acknowledged offset is durable, whatever happens afterwards. One thread.
 */
#include "catalog_client.h"
#include "commands.h"
#include "progress.h"
#include "reveille/clock.h"
#include "reveille/limits.h"
#include "row.h"
#include "source.h"
#include "upload.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_BYTES (8u << 20) /* raw rows of one batch */
#define TRACE_RECORDS 100000u
#define KEPT_BYTES (32 << 20)

/* The whole command. */
typedef struct {
    rv_cli_t *cli;
    rv_import_kind_t kind;
    rv_targets_t targets;
    rv_columns_t columns;
    rv_row_t *row;
    rv_batch_t *batch;
    rv_rejects_t *rejects;
    rv_progress_t *progress;
    rv_out_t *identity; /* options that belong to the identity of an import */
    bool began;
    uint64_t rows, applied, duplicates, without_id, created, unnamed, last_id;
} import_t;

/* One file. */
typedef struct {
    import_t *import;
    const char *path, *shown;
    rv_source_t *source;
    rv_csv_t *csv;
    rv_upload_t *upload;
    rv_trace_t *trace;
    rv_arena_t arena;
    int *of; /* target of each column; NULL for NDJSON */
    size_t n_columns;
    bool ndjson, advanced;
} file_t;

static rv_status_t answered(void *context, rv_trace_t *trace, const Reveille__V1__WriteResult *result,
                            rv_error_t *err) {
    file_t *file = context;
    import_t *import = file->import;
    char why[600];
    for (size_t i = 0; result && i < result->n_errors; i++) {
        const Reveille__V1__ItemError *error = result->errors[i];
        const char *message = error->status ? error->status->message : "";
        snprintf(why, sizeof why, "%s", message[0] ? message : "refused");
        if (!rv_trace_refuse(trace, error->index, why))
            return rv_fail_memory(err, "rejects");
    }
    import->rows += rv_trace_records(trace);
    if (result) {
        import->applied += result->applied;
        import->duplicates += result->duplicates;
        import->without_id += result->duplicates_without_id;
        import->created += result->contacts_created;
        import->unnamed += result->refused > result->n_errors ? result->refused - result->n_errors : 0;
    }
    file->advanced = true;
    rv_progress_at(import->progress, rv_trace_end(trace), import->rows);
    return rv_rejects_take(import->rejects, file->shown, trace, err);
}

/* What is in the batch goes out. */
static rv_status_t flush(file_t *file, rv_error_t *err) {
    import_t *import = file->import;
    if (rv_trace_records(file->trace) == 0)
        return RV_OK;
    rv_status_t status = rv_upload_send(file->upload, import->batch, &file->trace, err);
    rv_batch_clear(import->batch);
    if (status == RV_OK && !(file->trace = rv_upload_trace(file->upload)))
        status = rv_fail_memory(err, "a batch");
    return status;
}

/* One record: into the batch, or among the rejects. */
static rv_status_t take_record(file_t *file, const rv_csv_record_t *record, rv_error_t *err) {
    import_t *import = file->import;
    const char *why = record->problem;
    if (!why)
        why = file->ndjson ? rv_row_json(import->row, record->raw, record->raw_n)
                           : rv_row_csv(import->row, record, file->of, file->n_columns);
    rv_error_t large;
    bool full = false;
    rv_status_t status = RV_OK;
    if (!why && (status = rv_batch_add(import->batch, rv_row_cells(import->row), &full, &large)) == RV_OK && full) {
        status = flush(file, err);
        if (status != RV_OK)
            return status;
        status = rv_batch_add(import->batch, rv_row_cells(import->row), &full, &large);
    }
    if (status == RV_INVALID_ARGUMENT)
        why = large.message;
    else if (status != RV_OK) {
        *err = large;
        return status;
    }
    if (!rv_trace_add(file->trace, record, why))
        return rv_fail_memory(err, "a batch");
    if (rv_trace_bytes(file->trace) > TRACE_BYTES || rv_trace_records(file->trace) >= TRACE_RECORDS)
        return flush(file, err);
    return RV_OK;
}

/* Most probably a mistake, but with several files not each of them needs to have the column. */
static void note_ignored(const file_t *file, const rv_csv_record_t *header) {
    const rv_columns_t *columns = &file->import->columns;
    for (size_t i = 0; i < columns->n_ignored; i++)
        if (!rv_header_has(header, columns->ignored[i]))
            rv_note(file->import->cli, "%s has no column '%s' to ignore", file->shown, columns->ignored[i]);
}

static rv_status_t read_header(file_t *file, rv_error_t *err) {
    rv_csv_record_t header;
    bool more;
    rv_status_t status = rv_csv_next(file->csv, &header, &more, err);
    if (status != RV_OK)
        return status;
    if (!more)
        return rv_fail(err, RV_REASON_FIELD, "%s is empty: a CSV file begins with the names of its columns",
                       file->shown);
    if (header.problem)
        return rv_fail(err, RV_REASON_FIELD, "%s:%llu: %s%s", file->shown, (unsigned long long)header.line,
                       header.problem, rv_separator_hint(header.raw, header.raw_n));
    file->n_columns = header.n_fields;
    status = rv_header_targets(&file->import->targets, &file->import->columns, &header, &file->arena, &file->of, err);
    if (status != RV_OK && err) {
        char text[sizeof err->message];
        snprintf(text, sizeof text, "%s: %.400s", file->shown, err->message);
        memcpy(err->message, text, sizeof text);
    }
    if (status == RV_OK)
        note_ignored(file, &header);
    return status;
}

/* Goes on where the cluster says that the import stands. */
static rv_status_t go_on(file_t *file, uint64_t offset, rv_error_t *err) {
    uint64_t line = 1;
    rv_status_t status = rv_source_seek(file->source, offset, &line, err);
    if (status != RV_OK)
        return status;
    rv_csv_destroy(&file->csv);
    file->csv = rv_csv_new(rv_source_read, file->source, offset, line);
    if (!file->csv)
        return rv_fail_memory(err, "a file");
    rv_note(file->import->cli, "%s: goes on at byte %llu, line %llu, where import %llu stands", file->shown,
            (unsigned long long)offset, (unsigned long long)line, (unsigned long long)rv_upload_id(file->upload));
    return RV_OK;
}

static rv_status_t send_all(file_t *file, rv_error_t *err) {
    rv_csv_record_t record;
    rv_status_t status = RV_OK;
    file->trace = rv_upload_trace(file->upload);
    if (!file->trace)
        return rv_fail_memory(err, "a batch");
    for (bool more = true; status == RV_OK;) {
        status =
            file->ndjson ? rv_csv_line(file->csv, &record, &more, err) : rv_csv_next(file->csv, &record, &more, err);
        if (status != RV_OK || !more)
            break;
        status = take_record(file, &record, err);
    }
    if (status == RV_OK)
        status = flush(file, err);
    return status == RV_OK ? rv_upload_finish(file->upload, err) : status;
}

static void close_file(file_t *file) {
    rv_trace_destroy(&file->trace);
    rv_upload_destroy(&file->upload);
    rv_csv_destroy(&file->csv);
    rv_source_close(&file->source);
    rv_arena_done(&file->arena);
    rv_batch_clear(file->import->batch);
}

static rv_status_t open_file(file_t *file, rv_error_t *err) {
    import_t *import = file->import;
    size_t n;
    const char *identity = rv_out_bytes(import->identity, &n);
    rv_status_t status = rv_source_open(file->path, identity, n, &file->source, err);
    if (status != RV_OK)
        return status;
    file->csv = rv_csv_new(rv_source_read, file->source, 0, 1);
    if (!file->csv)
        return rv_fail_memory(err, "a file");
    return file->ndjson ? RV_OK : read_header(file, err);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* One opening of a file: as far as it goes. */
static rv_status_t import_once(file_t *file, rv_error_t *err) {
    import_t *import = file->import;
    uint64_t offset = 0;
    rv_arena_init(&file->arena, 1u << 20);
    rv_status_t status = open_file(file, err);
    const char *name = rv_args_text(import->cli->args, "name");
    if (status == RV_OK) {
        rv_upload_options_t options = {import->kind,
                                       name ? name : base_name(file->shown),
                                       rv_source_fingerprint(file->source),
                                       rv_args_flag(import->cli->args, "require-id"),
                                       answered,
                                       file};
        status = rv_upload_open(import->cli, &options, &file->upload, &offset, err);
    }
    if (status == RV_OK && !import->began)
        status = rv_rejects_begin(import->rejects, offset > 0, err);
    import->began = import->began || status == RV_OK;
    if (status == RV_OK) {
        import->last_id = rv_upload_id(file->upload);
        rv_progress_file(import->progress, file->shown, rv_source_size(file->source));
    }
    if (status == RV_OK && offset > 0)
        status = go_on(file, offset, err);
    if (status == RV_OK)
        status = send_all(file, err);
    return status;
}

/* One file, opened again while that helps (companies have no stream to open: upload.c repeats their writes). */
static rv_status_t import_file(import_t *import, const char *path, rv_error_t *err) {
    rv_status_t status = RV_OK;
    const char *kind = rv_args_text(import->cli->args, "input");
    size_t n = strlen(path);
    file_t file = {.import = import, .path = path, .shown = strcmp(path, "-") == 0 ? "stdin" : path};
    file.ndjson =
        kind ? strcmp(kind, "ndjson") == 0
             : (n > 7 && strcmp(path + n - 7, ".ndjson") == 0) || (n > 6 && strcmp(path + n - 6, ".jsonl") == 0);
    for (unsigned attempt = 0; attempt < RV_UPLOAD_ATTEMPTS; attempt++) {
        file.advanced = false;
        status = import_once(&file, err);
        bool again = rv_upload_may_help(status, err) && file.source && rv_source_resumable(file.source) &&
                     import->kind != RV_IMPORT_COMPANIES;
        if (file.advanced)
            attempt = 0;
        close_file(&file);
        if (!again)
            break;
        if (attempt + 1 < RV_UPLOAD_ATTEMPTS)
            rv_upload_pause(import->cli, file.shown, attempt, err);
    }
    return status;
}

/* Values of an option that may be given several times. */
static const char **option_list(const rv_cli_t *cli, const char *option, rv_arena_t *arena, size_t *ret_n) {
    size_t n = 0;
    while (rv_args_nth(cli->args, option, n))
        n++;
    const char **list = rv_arena_alloc(arena, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++)
        list[i] = rv_args_nth(cli->args, option, i);
    *ret_n = n;
    return list;
}

static rv_status_t check_options(import_t *import, rv_arena_t *arena, rv_error_t *err) {
    rv_cli_t *cli = import->cli;
    const char *zone = rv_args_text(cli->args, "tz"), *input = rv_args_text(cli->args, "input");
    if (zone && strcmp(zone, "UTC") != 0 && strcmp(zone, "Etc/UTC") != 0 && strcmp(zone, "Z") != 0)
        return rv_fail(err, RV_REASON_FEATURE, "--tz %s: zones other than UTC come with a later version", zone);
    if (input && strcmp(input, "csv") != 0 && strcmp(input, "ndjson") != 0)
        return rv_usage(cli, err, "--input is csv or ndjson, not '%s'", input);
    if (rv_args_text(cli->args, "rejects") && strcmp(rv_args_text(cli->args, "rejects"), "-") == 0)
        return rv_usage(cli, err, "--rejects takes a file; for standard output write --rejects /dev/stdout");
    import->columns.maps = option_list(cli, "map", arena, &import->columns.n_maps);
    import->columns.ignored = option_list(cli, "ignore", arena, &import->columns.n_ignored);
    import->identity = rv_out_new(-1);
    if (!import->columns.maps || !import->columns.ignored || !import->identity)
        return rv_fail_memory(err, "columns");
    rv_out_printf(import->identity, "%d %d %d %s", import->kind, rv_args_flag(cli->args, "empty-unsets"),
                  rv_args_flag(cli->args, "require-id"), input ? input : "");
    for (size_t i = 0; i < import->columns.n_maps; i++)
        rv_out_printf(import->identity, "\n+%s", import->columns.maps[i]);
    for (size_t i = 0; i < import->columns.n_ignored; i++)
        rv_out_printf(import->identity, "\n-%s", import->columns.ignored[i]);
    return RV_OK;
}

static rv_status_t prepare(import_t *import, rv_arena_t *arena, rv_error_t *err) {
    rv_cli_t *cli = import->cli;
    const Reveille__V1__Schema *schema;
    rv_status_t status = check_options(import, arena, err);
    if (status == RV_OK)
        status = rv_rejects_new(rv_args_text(cli->args, "rejects"), &import->rejects, err);
    if (status == RV_OK)
        status = rv_fetch_schema(cli, arena, &schema, err);
    if (status == RV_OK)
        status = rv_targets_of(schema, import->kind, arena, &import->targets, err);
    if (status == RV_OK)
        status = rv_columns_check(&import->targets, &import->columns, err);
    if (status != RV_OK)
        return status;
    import->row = rv_row_new(&import->targets, &import->columns, rv_args_flag(cli->args, "empty-unsets"),
                             rv_args_flag(cli->args, "require-id"));
    import->batch = rv_batch_new(&import->targets);
    import->progress = rv_progress_new();
    if (!import->row || !import->batch || !import->progress)
        return rv_fail_memory(err, "an import");
    if (import->kind == RV_IMPORT_EVENTS && !rv_row_types(import->row, schema->event_types, schema->n_event_types))
        return rv_fail_memory(err, "an import");
    return RV_OK;
}

static void summary_json(const import_t *import, uint64_t rejected, double seconds) {
    rv_json_t json;
    rv_json_init(&json, import->cli->out);
    rv_json_open(&json, '{');
    const struct {
        const char *name;
        uint64_t value;
    } MEMBERS[] = {{"import", import->last_id},
                   {"rows", import->rows},
                   {"applied", import->applied},
                   {"duplicates", import->duplicates},
                   {"duplicates_without_id", import->without_id},
                   {"contacts_created", import->created},
                   {"rejected", rejected}};
    for (size_t i = 0; i < sizeof MEMBERS / sizeof MEMBERS[0]; i++) {
        rv_json_name(&json, MEMBERS[i].name);
        rv_json_uint(&json, MEMBERS[i].value);
    }
    rv_json_name(&json, "seconds");
    rv_json_double(&json, seconds);
    rv_json_close(&json, '}');
    rv_out_char(import->cli->out, '\n');
}

/* What it all came to. Rejects without a file for them are a failure. */
static void summary(const import_t *import, double seconds) {
    uint64_t rejected = rv_rejects_count(import->rejects) + import->unnamed;
    if (import->cli->format == RV_FORMAT_JSON || import->cli->format == RV_FORMAT_NDJSON)
        summary_json(import, rejected, seconds);
    char id[64] = "";
    if (import->last_id)
        snprintf(id, sizeof id, "import %llu: ", (unsigned long long)import->last_id);
    rv_note(import->cli,
            "%s%llu rows read, %llu applied, %llu duplicates, %llu duplicates without id, %llu contacts created, "
            "%llu rejected; %.1f s, %.0f rows/s",
            id, (unsigned long long)import->rows, (unsigned long long)import->applied,
            (unsigned long long)import->duplicates, (unsigned long long)import->without_id,
            (unsigned long long)import->created, (unsigned long long)rejected, seconds,
            seconds > 0 ? (double)import->rows / seconds : 0.0);
    if (rv_rejects_first(import->rejects) && rv_args_text(import->cli->args, "rejects"))
        rv_note(import->cli, "the first reject: %s", rv_rejects_first(import->rejects));
    if (import->unnamed)
        rv_note(import->cli, "%llu of the rejected rows are not named by the cluster",
                (unsigned long long)import->unnamed);
    if (rejected && !rv_args_text(import->cli->args, "rejects"))
        import->cli->exit = RV_EXIT_FAILED;
}

/* Each batch takes and frees a few MiB: memory that goes back to the system in between costs more than it is worth. */
static void keep_memory(void) {
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

static rv_status_t run_import(rv_cli_t *cli, rv_import_kind_t kind, rv_error_t *err) {
    import_t import = {.cli = cli, .kind = kind};
    rv_error_t none;
    rv_arena_t arena;
    rv_arena_init(&arena, 2 * RV_MAX_UNPACK);
    err = err ? err : &none;
    keep_memory();
    int64_t start = rv_mono_ns();
    rv_status_t status = prepare(&import, &arena, err);
    for (size_t i = 0; status == RV_OK && i < rv_args_count(cli->args); i++)
        status = import_file(&import, rv_args_argument(cli->args, i), err);
    if (import.progress)
        rv_progress_end(import.progress);
    if (import.rows || status == RV_OK)
        summary(&import, (double)(rv_mono_ns() - start) / 1e9);
    if (status != RV_OK && import.last_id)
        rv_note(cli, "the same command again goes on where import %llu stopped", (unsigned long long)import.last_id);
    rv_progress_destroy(&import.progress);
    rv_rejects_destroy(&import.rejects);
    rv_batch_destroy(&import.batch);
    rv_row_destroy(&import.row);
    rv_out_destroy(&import.identity);
    rv_arena_done(&arena);
    return status;
}

rv_status_t rv_run_import_contacts(rv_cli_t *cli, rv_error_t *err) {
    return run_import(cli, RV_IMPORT_CONTACTS, err);
}

rv_status_t rv_run_import_companies(rv_cli_t *cli, rv_error_t *err) {
    return run_import(cli, RV_IMPORT_COMPANIES, err);
}

rv_status_t rv_run_import_events(rv_cli_t *cli, rv_error_t *err) {
    return run_import(cli, RV_IMPORT_EVENTS, err);
}

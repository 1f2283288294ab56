/* cli.c: from argv to the exit status. The commands are in commands.c and behind it. One thread; SIGPIPE is ignored, so
 * that a closed pipe is an error like any other. */
#include "cli.h"
#include "commands.h"
#include "help.h"
#include "reveille/civil.h"
#include "reveille/limits.h"
#include "reveille/wire.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_ENDPOINT "tcp://127.0.0.1:7600"

static const char *verb(const rv_cli_t *cli) {
    const rv_command_t *command = cli->args ? rv_args_command(cli->args) : NULL;
    return command ? command->name : NULL;
}

#undef rv_usage /* the function behind the macro */
rv_status_t rv_usage(rv_cli_t *cli, rv_error_t *err, const char *format, ...) {
    char text[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli->usage = true;
    return rv_fail(err, RV_REASON_REQUEST, "%s", text);
}

void rv_note(const rv_cli_t *cli, const char *format, ...) {
    const char *name = verb(cli);
    va_list args;
    va_start(args, format);
    fprintf(stderr, "reveille: %s%s", name ? name : "", name ? ": " : "");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void rv_error_text(const rv_error_t *err, char out[768]) {
    char place[96] = "";
    if (err->line && err->field[0] && strcmp(err->field, "filter") != 0)
        snprintf(place, sizeof place, "%s %u:%u: ", err->field, err->line, err->column);
    else if (err->line)
        snprintf(place, sizeof place, "%u:%u: ", err->line, err->column);
    snprintf(out, 768, "%s%s", place, err->message);
}

rv_status_t rv_cli_client(rv_cli_t *cli, rv_client_t **ret, rv_error_t *err) {
    if (!cli->client) {
        rv_status_t status = rv_client_new(cli->endpoint, &cli->client, err);
        cli->usage = cli->usage || status == RV_INVALID_ARGUMENT; /* no endpoint at all */
        if (status != RV_OK)
            return status;
    }
    *ret = cli->client;
    return RV_OK;
}

uint32_t rv_cli_timeout(const rv_cli_t *cli, uint32_t otherwise_ms) {
    return cli->timeout_ms ? cli->timeout_ms : otherwise_ms;
}

rv_status_t rv_cli_call(rv_cli_t *cli, const char *method, const ProtobufCMessage *request,
                        const ProtobufCMessageDescriptor *reply_type, uint32_t timeout_ms, rv_arena_t *arena,
                        ProtobufCMessage **ret_reply, rv_error_t *err) {
    rv_client_t *client;
    uint8_t *body = NULL, *reply = NULL;
    size_t n, reply_n;
    rv_status_t status = rv_cli_client(cli, &client, err);
    if (status != RV_OK)
        return status;
    if (rv_wire_pack(request, &body, &n) != RV_OK)
        return rv_fail_memory(err, "a request");
    status = rv_client_call(client, method, body, n, timeout_ms, &reply, &reply_n, err);
    if (status == RV_OK)
        status = rv_wire_unpack(reply_type, reply, reply_n, arena, ret_reply, err);
    free(body);
    free(reply);
    return status;
}

bool rv_timeout_parse(const char *text, uint32_t *ret_ms) {
    char *end;
    int64_t ms = 0;
    unsigned long long count = strtoull(text, &end, 10);
    if (end == text || text[0] == '-' || count > RV_MAX_TIMEOUT_MS)
        return false;
    end += strspn(end, " ");
    if (*end == 0 || strcmp(end, "s") == 0)
        ms = (int64_t)count * 1000;
    else if (strcmp(end, "ms") == 0)
        ms = (int64_t)count;
    else if (!rv_duration_parse(text, strlen(text), &ms))
        return false;
    if (ms < 1 || ms > (int64_t)RV_MAX_TIMEOUT_MS)
        return false;
    *ret_ms = (uint32_t)ms;
    return true;
}

/* The options that every command has. */
static rv_status_t take_globals(rv_cli_t *cli, rv_error_t *err) {
    static const char *const FORMATS[] = {"table", "json", "csv", "ndjson"};
    const char *endpoint = rv_args_text(cli->args, "endpoint"), *environment = getenv("REVEILLE_ENDPOINT");
    const char *timeout = rv_args_text(cli->args, "timeout"), *format = rv_args_text(cli->args, "format");
    if (!endpoint && environment && environment[0])
        endpoint = environment;
    cli->endpoint_given = endpoint != NULL;
    cli->endpoint = endpoint ? endpoint : DEFAULT_ENDPOINT;
    if (timeout && !rv_timeout_parse(timeout, &cli->timeout_ms))
        return rv_usage(
            cli, err, "--timeout takes seconds or a time up to an hour, for example 5 or '500 ms', not '%s'", timeout);
    for (size_t i = 0; format && i < 4; i++)
        if (strcmp(format, FORMATS[i]) == 0) {
            cli->format = (rv_format_t)i;
            return RV_OK;
        }
    return format ? rv_usage(cli, err, "--format is table, json, csv or ndjson, not '%s'", format) : RV_OK;
}

static int fail(const rv_cli_t *cli, const rv_error_t *err) {
    char text[768];
    rv_error_text(err, text);
    const char *name = verb(cli);
    fprintf(stderr, "reveille: %s%s%s%s%s\n", name ? name : "", name ? ": " : "",
            cli->usage ? "" : rv_status_name(err->status), cli->usage ? "" : ": ", text);
    if (cli->usage)
        return RV_EXIT_USAGE;
    return err->status == RV_UNAVAILABLE && err->reason == RV_REASON_NONE ? RV_EXIT_UNREACHABLE : RV_EXIT_FAILED;
}

static rv_status_t run(rv_cli_t *cli, rv_error_t *err) {
    const rv_command_t *command = rv_args_command(cli->args);
    if (rv_args_version(cli->args)) {
        rv_out_text(cli->out, "reveille " RV_VERSION "\n");
        return RV_OK;
    }
    if (rv_args_help(cli->args)) {
        rv_help(cli->out, RV_COMMANDS, RV_COMMANDS_N, command, rv_args_group(cli->args));
        return RV_OK;
    }
    if (!command->run)
        return rv_fail(err, RV_REASON_FEATURE, "'%s' comes with a later version", command->name);
    rv_status_t status = take_globals(cli, err);
    if (status == RV_OK)
        status = rv_args_check_texts(cli->args, err);
    return status == RV_OK ? command->run(cli, err) : status;
}

int rv_cli_main(int argc, const char *const *argv) {
    rv_cli_t cli = {.out = rv_out_new(STDOUT_FILENO)};
    rv_args_t *args = NULL;
    rv_error_t err = {0}, unwritten = {0};
    signal(SIGPIPE, SIG_IGN);
    rv_status_t status =
        cli.out ? rv_args_parse(argc, argv, RV_COMMANDS, RV_COMMANDS_N, &args, &err) : rv_fail_memory(&err, "output");
    cli.args = args;
    if (status == RV_OK)
        status = run(&cli, &err);
    else
        cli.usage = status == RV_INVALID_ARGUMENT;
    if (cli.out && status != RV_OK)
        rv_out_reset(cli.out); /* half a document serves nobody */
    if (cli.out && rv_out_flush(cli.out, &unwritten) != RV_OK && status == RV_OK) {
        status = unwritten.status;
        err = unwritten;
    }
    int code = status == RV_OK ? cli.exit : fail(&cli, &err);
    rv_client_destroy(&cli.client);
    rv_args_destroy(&args);
    rv_out_destroy(&cli.out);
    return code;
}

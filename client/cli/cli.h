/* cli.h: one run of the command line: what was asked, the connection, the output, and how errors become an exit status.
 *
 * Exit status: 0 done, 1 the request failed, 2 wrong usage, 3 the answer is partial, 4 the cluster cannot be reached.
 */
#ifndef REVEILLE_CLI_CLI_H
#define REVEILLE_CLI_CLI_H

#include "cell.h"
#include "options.h"
#include "reveille/arena.h"
#include "reveille/client.h"
#include <protobuf-c/protobuf-c.h>

enum { RV_EXIT_DONE = 0, RV_EXIT_FAILED = 1, RV_EXIT_USAGE = 2, RV_EXIT_PARTIAL = 3, RV_EXIT_UNREACHABLE = 4 };

typedef struct rv_cli {
    const rv_args_t *args;
    rv_out_t *out; /* stdout */
    const char *endpoint;
    bool endpoint_given; /* by option or environment */
    uint32_t timeout_ms; /* 0: not given */
    rv_format_t format;
    rv_client_t *client; /* made by the first call */
    int exit;            /* of a run that returns OK */
    bool usage;          /* the failure is one of usage */
} rv_cli_t;

/* Everything from argv to the exit status. */
int rv_cli_main(int argc, const char *const *argv);

/* A failure of usage: exit status 2. */
rv_status_t rv_usage(rv_cli_t *cli, rv_error_t *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define rv_usage(...) rv_never_ok(rv_usage(__VA_ARGS__))
/* A line on stderr: "reveille: verb: ...". */
void rv_note(const rv_cli_t *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The connection; it is made when first asked for. */
rv_status_t rv_cli_client(rv_cli_t *cli, rv_client_t **ret, rv_error_t *err);
/* --timeout, or what suits the command. */
uint32_t rv_cli_timeout(const rv_cli_t *cli, uint32_t otherwise_ms);
/* A duration of --timeout: seconds, or a number with a unit from ms to weeks. */
bool rv_timeout_parse(const char *text, uint32_t *ret_ms);
/* One call: packs the request, unpacks the reply into the arena. */
rv_status_t rv_cli_call(rv_cli_t *cli, const char *method, const ProtobufCMessage *request,
                        const ProtobufCMessageDescriptor *reply_type, uint32_t timeout_ms, rv_arena_t *arena,
                        ProtobufCMessage **ret_reply, rv_error_t *err);
/* "LINE:COLUMN: sentence", with the field when it is not the filter. */
void rv_error_text(const rv_error_t *err, char out[768]);

#endif

/* options.h: the command line as tables: commands, their options, and what a call of the program gave for them. */
#ifndef REVEILLE_CLI_OPTIONS_H
#define REVEILLE_CLI_OPTIONS_H

#include "reveille/status.h"

typedef enum { RV_OPT_FLAG, RV_OPT_TEXT, RV_OPT_NUMBER } rv_opt_kind_t;

typedef struct {
    const char *name; /* without the hyphens */
    rv_opt_kind_t kind;
    bool many;         /* may be given more than once */
    const char *value; /* what its value is called in the help; NULL for flags */
    const char *doc;
    uint64_t min, max; /* of a number */
} rv_option_t;

struct rv_cli;
typedef struct {
    const char *name;      /* one or two words: "count", "segment save" */
    const char *arguments; /* as in the help: "NAME FILTER" */
    const char *summary;
    const char *examples; /* lines */
    const rv_option_t *options;
    size_t n_options;
    bool reads;                                              /* takes the options of reads too */
    size_t least, most;                                      /* arguments */
    rv_status_t (*run)(struct rv_cli *cli, rv_error_t *err); /* NULL: comes with a later version */
} rv_command_t;

/* What every command takes, and what every read takes. */
extern const rv_option_t RV_GLOBAL_OPTIONS[];
extern const size_t RV_GLOBAL_OPTIONS_N;
extern const rv_option_t RV_READ_OPTIONS[];
extern const size_t RV_READ_OPTIONS_N;

typedef struct rv_args rv_args_t;

/* Parses argv[1..]. On INVALID_ARGUMENT (wrong usage) *ret may hold what was understood so far, so that a message can
 * name the command. An unknown command or option names the nearest known one. argv is borrowed. */
rv_status_t rv_args_parse(int argc, const char *const *argv, const rv_command_t *commands, size_t n, rv_args_t **ret,
                          rv_error_t *err);
void rv_args_destroy(rv_args_t **args);
/* The command; NULL when none was named (then help was asked for, or the parse failed). */
const rv_command_t *rv_args_command(const rv_args_t *args);
/* The first word of a command of two words, or NULL. */
const char *rv_args_group(const rv_args_t *args);
/* --help or `help` was given; --version was given. */
bool rv_args_help(const rv_args_t *args);
bool rv_args_version(const rv_args_t *args);
/* Arguments after the verb. */
size_t rv_args_count(const rv_args_t *args);
const char *rv_args_argument(const rv_args_t *args, size_t i);
/* Values of options: the last one given, or NULL / false / the default. */
const char *rv_args_text(const rv_args_t *args, const char *option);
bool rv_args_flag(const rv_args_t *args, const char *option);
uint64_t rv_args_number(const rv_args_t *args, const char *option, uint64_t otherwise);
/* The i-th value of an option that may be given several times, or NULL after the last. */
const char *rv_args_nth(const rv_args_t *args, const char *option, size_t i);
/* What becomes text of a request must be UTF-8; INVALID_ARGUMENT says where it is not. Paths need not be. */
rv_status_t rv_args_check_texts(const rv_args_t *args, rv_error_t *err);

#endif

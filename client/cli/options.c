/* options.c: one pass over argv. Words that are no options are first the verb (one or two words), then arguments.
 * Before the verb is known only global options and those of reads are; whether the command takes what was given is
 * settled at the end.
 * `--name value` and `--name=value` are the same; `--` ends the options; `-` alone is an argument. */
#include "options.h"
#include "reveille/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const rv_option_t RV_GLOBAL_OPTIONS[] = {
    {"endpoint", RV_OPT_TEXT, false, "URL", "where the coordinator listens (REVEILLE_ENDPOINT; tcp://127.0.0.1:7600)",
     0, 0},
    {"timeout", RV_OPT_TEXT, false, "TIME", "give up after so long: seconds, or for example '500 ms', '2 minutes'", 0,
     0},
    {"format", RV_OPT_TEXT, false, "FORMAT", "table, json, csv or ndjson (table)", 0, 0},
    {"help", RV_OPT_FLAG, false, NULL, "this help", 0, 0},
    {"version", RV_OPT_FLAG, false, NULL, "version of the program", 0, 0},
};
const size_t RV_GLOBAL_OPTIONS_N = sizeof RV_GLOBAL_OPTIONS / sizeof RV_GLOBAL_OPTIONS[0];

const rv_option_t RV_READ_OPTIONS[] = {
    {"as-of", RV_OPT_TEXT, false, "T", "instant of the question: 2026-11-01T00:00:00Z, 2026-11-01, epoch seconds (now)",
     0, 0},
    {"tz", RV_OPT_TEXT, false, "ZONE", "zone of dates; only UTC so far", 0, 0},
    {"param", RV_OPT_TEXT, true, "NAME=VALUE", "value of $NAME: 5, 2.50, 'x', ('a','b'), 2026-01-01, '30 days', true",
     0, 0},
    {"repeat", RV_OPT_NUMBER, false, "N", "run N times over one connection and report the times", 1, 1000000},
    {"allow-partial", RV_OPT_FLAG, false, NULL, "take an answer that lacks partitions (exit status 3)", 0, 0},
    {"explain", RV_OPT_FLAG, false, NULL, "how the answer was made: tables on stderr, or a member of the JSON document",
     0, 0},
    {"strict-history", RV_OPT_FLAG, false, NULL, "not built yet", 0, 0},
};
const size_t RV_READ_OPTIONS_N = sizeof RV_READ_OPTIONS / sizeof RV_READ_OPTIONS[0];

typedef struct {
    const char *name; /* as in the table */
    const char *value;
    rv_opt_kind_t kind;
} given_t;

struct rv_args {
    const rv_command_t *command;
    const char *group; /* the first word of a command of two */
    given_t *given;
    size_t n_given;
    const char **arguments;
    size_t n_arguments;
    bool help;
};

typedef struct {
    const rv_command_t *commands;
    size_t n;
    int argc;
    const char *const *argv;
    int at;
    rv_args_t *args;
} parse_t;

void rv_args_destroy(rv_args_t **args) {
    if (!*args)
        return;
    free((*args)->given);
    free((*args)->arguments);
    free(*args);
    *args = NULL;
}

static const rv_option_t *in_table(const rv_option_t *options, size_t n, const char *name, size_t length) {
    for (size_t i = 0; i < n; i++)
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
            return &options[i];
    return NULL;
}

/* Before the verb is known every read's options are taken. */
static const rv_option_t *find_option(const rv_command_t *command, const char *name, size_t length) {
    const rv_option_t *found = command ? in_table(command->options, command->n_options, name, length) : NULL;
    if (!found)
        found = in_table(RV_GLOBAL_OPTIONS, RV_GLOBAL_OPTIONS_N, name, length);
    if (!found && (!command || command->reads))
        found = in_table(RV_READ_OPTIONS, RV_READ_OPTIONS_N, name, length);
    return found;
}

static rv_status_t unknown_option(const rv_command_t *command, const char *name, size_t length, rv_error_t *err) {
    const char *names[64] = {NULL};
    size_t n = 0;
    for (size_t i = 0; command && i < command->n_options && n < 64; i++)
        names[n++] = command->options[i].name;
    for (size_t i = 0; i < RV_GLOBAL_OPTIONS_N && n < 64; i++)
        names[n++] = RV_GLOBAL_OPTIONS[i].name;
    for (size_t i = 0; (!command || command->reads) && i < RV_READ_OPTIONS_N && n < 64; i++)
        names[n++] = RV_READ_OPTIONS[i].name;
    const char *nearest = rv_nearest(name, length, names, n);
    if (nearest)
        return rv_fail(err, RV_REASON_REQUEST, "unknown option '--%.*s', did you mean '--%s'?", (int)length, name,
                       nearest);
    return rv_fail(err, RV_REASON_REQUEST, "unknown option '--%.*s'; --help lists the options", (int)length, name);
}

static rv_status_t check_number(const rv_option_t *option, const char *value, rv_error_t *err) {
    uint64_t number = 0;
    bool good = value[0] != 0;
    for (const char *p = value; *p && good; p++)
        good = *p >= '0' && *p <= '9' && !__builtin_mul_overflow(number, 10ull, &number) &&
               !__builtin_add_overflow(number, (uint64_t)(*p - '0'), &number);
    if (!good || number < option->min || number > option->max)
        return rv_fail(err, RV_REASON_REQUEST, "--%s takes a whole number from %llu to %llu, not '%s'", option->name,
                       (unsigned long long)option->min, (unsigned long long)option->max, value);
    return RV_OK;
}

static rv_status_t take_option(parse_t *parse, const char *text, rv_error_t *err) {
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    const rv_option_t *option = find_option(parse->args->command, text, length);
    const char *value = equals ? equals + 1 : NULL;
    if (!option)
        return unknown_option(parse->args->command, text, length, err);
    if (option->kind == RV_OPT_FLAG && value)
        return rv_fail(err, RV_REASON_REQUEST, "--%s takes no value", option->name);
    if (option->kind != RV_OPT_FLAG && !value) {
        if (parse->at + 1 >= parse->argc)
            return rv_fail(err, RV_REASON_REQUEST, "--%s needs a value: --%s %s", option->name, option->name,
                           option->value);
        value = parse->argv[++parse->at];
    }
    if (option->kind == RV_OPT_NUMBER && check_number(option, value, err) != RV_OK)
        return RV_INVALID_ARGUMENT;
    if (!option->many && option->kind != RV_OPT_FLAG && rv_args_text(parse->args, option->name))
        return rv_fail(err, RV_REASON_REQUEST, "--%s is given twice", option->name);
    parse->args->help = parse->args->help || strcmp(option->name, "help") == 0;
    parse->args->given[parse->args->n_given++] = (given_t){option->name, value, option->kind};
    return RV_OK;
}

/* Length of the first word of a command's name. */
static size_t first_word(const char *name) {
    return strcspn(name, " ");
}

static rv_status_t unknown_verb(parse_t *parse, const char *word, rv_error_t *err) {
    const char *group = parse->args->group, *names[96] = {NULL};
    char copies[96][32];
    size_t n = 0, skip = group ? strlen(group) + 1 : 0;
    for (size_t i = 0; i < parse->n && n < 96; i++) {
        const char *name = parse->commands[i].name;
        if (group && (strncmp(name, group, skip - 1) != 0 || name[skip - 1] != ' '))
            continue;
        snprintf(copies[n], sizeof copies[n], "%.*s", group ? 31 : (int)first_word(name), name + skip);
        names[n] = copies[n];
        n++;
    }
    const char *nearest = rv_nearest(word, strlen(word), names, n);
    const char *space = group ? " " : "";
    if (nearest)
        return rv_fail(err, RV_REASON_REQUEST, "unknown command '%s%s%s', did you mean '%s%s%s'?", group ? group : "",
                       space, word, group ? group : "", space, nearest);
    return rv_fail(err, RV_REASON_REQUEST, "unknown command '%s%s%s'; reveille --help lists the commands",
                   group ? group : "", space, word);
}

static rv_status_t take_verb(parse_t *parse, const char *word, rv_error_t *err) {
    rv_args_t *args = parse->args;
    size_t n = strlen(word);
    if (!args->group && strcmp(word, "help") == 0) {
        args->help = true;
        return RV_OK;
    }
    for (size_t i = 0; i < parse->n; i++) {
        const char *name = parse->commands[i].name;
        size_t first = first_word(name);
        if (!args->group && name[first] == 0 && strcmp(name, word) == 0)
            args->command = &parse->commands[i];
        else if (!args->group && name[first] == ' ' && first == n && memcmp(name, word, n) == 0) {
            args->group = word;
            return RV_OK;
        } else if (args->group && name[first] == ' ' && strncmp(name, args->group, first) == 0 &&
                   args->group[first] == 0 && strcmp(name + first + 1, word) == 0)
            args->command = &parse->commands[i];
    }
    return args->command ? RV_OK : unknown_verb(parse, word, err);
}

/* What only makes sense once everything is known. */
static rv_status_t check_whole(const rv_args_t *args, rv_error_t *err) {
    const rv_command_t *command = args->command;
    if (args->help || rv_args_version(args))
        return RV_OK;
    if (!command && args->group)
        return rv_fail(err, RV_REASON_REQUEST, "'%s' needs a second word; reveille %s --help lists them", args->group,
                       args->group);
    if (!command)
        return rv_fail(err, RV_REASON_REQUEST, "no command is given; reveille --help lists the commands");
    for (size_t i = 0; i < args->n_given && command->run; i++)
        if (!find_option(command, args->given[i].name, strlen(args->given[i].name)))
            return rv_fail(err, RV_REASON_REQUEST, "'%s' does not take --%s", command->name, args->given[i].name);
    if (command->run && args->n_arguments < command->least)
        return rv_fail(err, RV_REASON_REQUEST, "an argument is missing: reveille %s %s", command->name,
                       command->arguments);
    if (command->run && args->n_arguments > command->most)
        return rv_fail(err, RV_REASON_REQUEST, "the argument '%s' is one too many: reveille %s %s",
                       args->arguments[command->most], command->name, command->arguments);
    return RV_OK;
}

rv_status_t rv_args_parse(int argc, const char *const *argv, const rv_command_t *commands, size_t n, rv_args_t **ret,
                          rv_error_t *err) {
    rv_args_t *args = calloc(1, sizeof *args);
    size_t most = argc > 0 ? (size_t)argc : 1;
    if (args) {
        args->given = calloc(most, sizeof *args->given);
        args->arguments = calloc(most, sizeof *args->arguments);
    }
    if (!args || !args->given || !args->arguments) {
        rv_args_destroy(&args);
        return rv_fail_memory(err, "the command line");
    }
    *ret = args;
    parse_t parse = {commands, n, argc, argv, 1, args};
    bool options = true;
    for (; parse.at < argc; parse.at++) {
        const char *word = argv[parse.at];
        rv_status_t status = RV_OK;
        if (args->command && !args->command->run)
            break; /* of a later version: nothing more is known about it */
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && (strcmp(word, "-h") == 0 || strcmp(word, "-?") == 0))
            args->help = true;
        else if (options && strncmp(word, "--", 2) == 0 && word[2] != ' ')
            status = take_option(&parse, word + 2, err);
        else if (options && word[0] == '-' && word[1] >= 'a' && word[1] <= 'z' && !args->command)
            status = rv_fail(err, RV_REASON_REQUEST, "unknown option '%s'; options begin with two hyphens", word);
        else if (!args->command)
            status = take_verb(&parse, word, err);
        else
            args->arguments[args->n_arguments++] = word;
        if (status != RV_OK)
            return status;
    }
    return check_whole(args, err);
}

const rv_command_t *rv_args_command(const rv_args_t *args) {
    return args->command;
}

const char *rv_args_group(const rv_args_t *args) {
    return args->group;
}

bool rv_args_help(const rv_args_t *args) {
    return args->help;
}

bool rv_args_version(const rv_args_t *args) {
    return rv_args_flag(args, "version");
}

size_t rv_args_count(const rv_args_t *args) {
    return args->n_arguments;
}

const char *rv_args_argument(const rv_args_t *args, size_t i) {
    return i < args->n_arguments ? args->arguments[i] : NULL;
}

const char *rv_args_text(const rv_args_t *args, const char *option) {
    for (size_t i = args->n_given; i-- > 0;)
        if (strcmp(args->given[i].name, option) == 0)
            return args->given[i].value;
    return NULL;
}

bool rv_args_flag(const rv_args_t *args, const char *option) {
    for (size_t i = 0; i < args->n_given; i++)
        if (strcmp(args->given[i].name, option) == 0)
            return true;
    return false;
}

uint64_t rv_args_number(const rv_args_t *args, const char *option, uint64_t otherwise) {
    const char *text = rv_args_text(args, option);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

const char *rv_args_nth(const rv_args_t *args, const char *option, size_t i) {
    for (size_t k = 0; k < args->n_given; k++)
        if (strcmp(args->given[k].name, option) == 0 && i-- == 0)
            return args->given[k].value;
    return NULL;
}

/* Bytes of the longest beginning that is UTF-8; the whole length when all of it is. */
static size_t valid_bytes(const char *text) {
    size_t n = strlen(text), at = 0, length;
    while (at < n) {
        for (length = 1; length <= 4 && at + length <= n && !rv_utf8_valid(text + at, length);)
            length++;
        if (length > 4 || at + length > n)
            break;
        at += length;
    }
    return at;
}

rv_status_t rv_args_check_texts(const rv_args_t *args, rv_error_t *err) {
    const char *name = args->command->name;
    if (!args->command->reads && strncmp(name, "segment ", 8) != 0 && strncmp(name, "contact ", 8) != 0)
        return RV_OK;
    for (size_t i = 0; i < args->n_arguments; i++) {
        const char *text = args->arguments[i];
        bool filter = args->command->arguments[0] == '[' || (i == 1 && strcmp(name, "segment save") == 0);
        if (text[valid_bytes(text)])
            return rv_fail(err, RV_REASON_FIELD, "%s is not valid UTF-8 at byte %zu",
                           filter ? "the filter" : "the argument", valid_bytes(text) + 1);
    }
    for (size_t i = 0; i < args->n_given; i++) {
        const char *text = args->given[i].value;
        if (text && text[valid_bytes(text)])
            return rv_fail(err, RV_REASON_FIELD, "the value of --%s is not valid UTF-8 at byte %zu",
                           args->given[i].name, valid_bytes(text) + 1);
    }
    return RV_OK;
}

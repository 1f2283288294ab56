/* help.c: help from the tables, so that it cannot disagree with what is accepted. */
#include "help.h"
#include <string.h>

static void print_options(rv_out_t *out, const char *title, const rv_option_t *options, size_t n) {
    if (n == 0)
        return;
    rv_out_printf(out, "\n%s:\n", title);
    for (size_t i = 0; i < n; i++) {
        size_t used = 4 + strlen(options[i].name) + (options[i].value ? 1 + strlen(options[i].value) : 0);
        rv_out_printf(out, "  --%s%s%s", options[i].name, options[i].value ? " " : "",
                      options[i].value ? options[i].value : "");
        rv_out_fill(out, ' ', used < 26 ? 26 - used : 2);
        rv_out_printf(out, "%s\n", options[i].doc);
    }
}

static void print_command(rv_out_t *out, const rv_command_t *command) {
    rv_out_printf(out, "reveille %s%s%s\n\n%s\n", command->name, command->arguments[0] ? " " : "", command->arguments,
                  command->summary);
    print_options(out, "Options", command->options, command->n_options);
    if (command->reads)
        print_options(out, "Options of every read", RV_READ_OPTIONS, RV_READ_OPTIONS_N);
    print_options(out, "Options of every command", RV_GLOBAL_OPTIONS, RV_GLOBAL_OPTIONS_N);
    if (command->examples[0])
        rv_out_printf(out, "\nExamples:\n%s", command->examples);
}

static void print_line(rv_out_t *out, const rv_command_t *command) {
    size_t used = 2 + strlen(command->name);
    rv_out_printf(out, "  %s", command->name);
    rv_out_fill(out, ' ', used < 22 ? 22 - used : 2);
    rv_out_printf(out, "%s\n", command->summary);
}

void rv_help(rv_out_t *out, const rv_command_t *commands, size_t n, const rv_command_t *command, const char *group) {
    size_t group_n = group ? strlen(group) : 0;
    if (command) {
        print_command(out, command);
        return;
    }
    rv_out_text(out, "reveille [OPTIONS] COMMAND ...: contacts, their history, and who of them to wake\n\nCommands:\n");
    for (size_t i = 0; i < n; i++)
        if (commands[i].run &&
            (!group || (strncmp(commands[i].name, group, group_n) == 0 && commands[i].name[group_n] == ' ')))
            print_line(out, &commands[i]);
    print_options(out, "Options of every command", RV_GLOBAL_OPTIONS, RV_GLOBAL_OPTIONS_N);
    rv_out_text(out, "\n`reveille COMMAND --help` says more, with examples.\n"
                     "Exit status: 0 done, 1 failed, 2 wrong usage, 3 partial answer, 4 cluster not reached.\n");
}

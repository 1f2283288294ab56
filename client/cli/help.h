/* help.h: the help texts, made from the tables of commands and options. */
#ifndef REVEILLE_CLI_HELP_H
#define REVEILLE_CLI_HELP_H

#include "options.h"
#include "out.h"

/* Of one command; or (command NULL) of the commands of a group; or (group NULL too) of all. */
void rv_help(rv_out_t *out, const rv_command_t *commands, size_t n, const rv_command_t *command, const char *group);

#endif

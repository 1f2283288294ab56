/* commands.h: the commands of `reveille`. Each reads its arguments from the cli, asks the cluster, prints, and returns.
 */
#ifndef REVEILLE_CLI_COMMANDS_H
#define REVEILLE_CLI_COMMANDS_H

#include "cli.h"

/* Bytes that the options of one command may take: a list of 65,536 parameters is the most. */
#define RV_OPTIONS_BUDGET (32u << 20)

extern const rv_command_t RV_COMMANDS[];
extern const size_t RV_COMMANDS_N;

rv_status_t rv_run_up(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_down(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_schema_apply(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_schema_show(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_schema_infer(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_import_contacts(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_import_companies(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_import_events(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_import_undo(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_import_list(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_events_delete(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_count(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_select(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_aggregate(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_funnel(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_retention(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_overlap(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_contact_get(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_contact_timeline(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_contact_delete(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_segment_save(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_segment_list(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_segment_show(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_segment_delete(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_score_define(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_score_list(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_cluster_status(rv_cli_t *cli, rv_error_t *err);
rv_status_t rv_run_cluster_compact(rv_cli_t *cli, rv_error_t *err);

#endif

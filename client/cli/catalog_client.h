/* catalog_client.h: the schema and the scores as the cluster has them. */
#ifndef REVEILLE_CLI_CATALOG_CLIENT_H
#define REVEILLE_CLI_CATALOG_CLIENT_H

#include "cli.h"
#include "reveille/v1/schema.pb-c.h"

/* The current schema, in the arena; FAILED_PRECONDITION when none was ever applied. */
rv_status_t rv_fetch_schema(rv_cli_t *cli, rv_arena_t *arena, const Reveille__V1__Schema **ret, rv_error_t *err);
/* All score models, in the arena. */
rv_status_t rv_fetch_scores(rv_cli_t *cli, rv_arena_t *arena, const Reveille__V1__ScoreServiceListResponse **ret,
                            rv_error_t *err);

#endif

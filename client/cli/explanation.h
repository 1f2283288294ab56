/* explanation.h: an explanation for people and for programs. */
#ifndef REVEILLE_CLI_EXPLANATION_H
#define REVEILLE_CLI_EXPLANATION_H

#include "json.h"
#include "reveille/v1/explain.pb-c.h"

/* Member "explain": the message as it is, with its names. */
void rv_explain_json(rv_json_t *json, const Reveille__V1__Explain *explain);
/* Tables of nodes, workers and the slowest partitions, to a descriptor. */
void rv_explain_tables(int fd, const Reveille__V1__Explain *explain);

#endif

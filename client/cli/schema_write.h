/* schema_write.h: schemas and score models as YAML, such that reading it gives the same schema again; and as JSON. */
#ifndef REVEILLE_CLI_SCHEMA_WRITE_H
#define REVEILLE_CLI_SCHEMA_WRITE_H

#include "json.h"
#include "reveille/v1/schema.pb-c.h"

void rv_schema_yaml(rv_out_t *out, const Reveille__V1__Schema *schema);
void rv_scores_yaml(rv_out_t *out, Reveille__V1__ScoreModel *const *scores, size_t n);
void rv_schema_json(rv_json_t *json, const Reveille__V1__Schema *schema);
void rv_scores_json(rv_json_t *json, Reveille__V1__ScoreModel *const *scores, size_t n);
/* A scalar of YAML: plain where every reader takes it as a string, otherwise in double quotes. */
void rv_yaml_scalar(rv_out_t *out, const char *text);

#endif

/* settings.h: the settings of the coordinator, one table: name, default, bounds, what it is. */
#ifndef REVEILLE_COORDINATOR_SETTINGS_H
#define REVEILLE_COORDINATOR_SETTINGS_H

#include "reveille/log.h"
#include "reveille/status.h"

typedef struct {
    const char *data_dir, *endpoint, *data_endpoint, *control_endpoint;
    uint32_t workers, partitions, chunk_rows;
    rv_log_level_t log_level;
    bool help, version;
} rvc_settings_t;

typedef struct {
    const char *name;          /* --name VALUE; "" kinds take none */
    const char *kind;          /* "text", "number", "flag" */
    const char *value_default; /* NULL: required */
    uint32_t least, greatest;  /* of numbers */
    const char *doc;
} rvc_setting_t;

/* Ends with a NULL name. */
extern const rvc_setting_t rvc_settings[];

/* Reads the command line; strings are borrowed from argv. INVALID_ARGUMENT/FIELD with the setting in err->field. */
rv_status_t rvc_settings_parse(int argc, char **argv, rvc_settings_t *ret, rv_error_t *err);
/* Prints the table. */
void rvc_settings_usage(const char *program);

#endif

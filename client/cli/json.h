/* json.h: writes JSON to an output as it goes, whatever the size. The writer puts commas and escapes; nesting at
 * most 64. */
#ifndef REVEILLE_CLI_JSON_H
#define REVEILLE_CLI_JSON_H

#include "out.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    rv_out_t *out;
    uint64_t filled; /* bit d: the container at depth d has a member */
    unsigned depth;
    bool named; /* a name has been written and waits for its value */
} rv_json_t;

void rv_json_init(rv_json_t *json, rv_out_t *out);
void rv_json_open(rv_json_t *json, char bracket); /* '{' or '[' */
void rv_json_close(rv_json_t *json, char bracket);
void rv_json_name(rv_json_t *json, const char *name);
void rv_json_string(rv_json_t *json, const char *text, size_t n);
void rv_json_text(rv_json_t *json, const char *text);
void rv_json_int(rv_json_t *json, int64_t value);
void rv_json_uint(rv_json_t *json, uint64_t value);
void rv_json_bool(rv_json_t *json, bool value);
void rv_json_null(rv_json_t *json);
/* Shortest text that reads back as the same double; "Infinity", "-Infinity" and "NaN" as strings, for JSON has no such
 * numbers. */
void rv_json_double(rv_json_t *json, double value);
/* A number that is text already. */
void rv_json_number(rv_json_t *json, const char *text, size_t n);

#endif

/* json_line.h: a line of JSON whose numbers are kept as they are written. A double would round them. */
#ifndef REVEILLE_CLI_JSON_LINE_H
#define REVEILLE_CLI_JSON_LINE_H

#include "reveille/text.h"
#include <jansson.h>

typedef struct {
    const char *p;
    uint32_t n;
    uint32_t at; /* of what stands for it in the text that is parsed */
} rv_json_token_t;

/* Starts as {0}, free with rv_json_line_done. */
typedef struct {
    char *text; /* the line with each number replaced by its place in `numbers` */
    size_t cap, n_numbers, numbers_cap;
    rv_json_token_t *numbers;
    json_t *value; /* of the last line */
    char reason[160];
} rv_json_line_t;

void rv_json_line_done(rv_json_line_t *line);
/* The object of a line, borrowed until the next; NULL: line->reason. `text` must stay while numbers are asked for. */
json_t *rv_json_line_parse(rv_json_line_t *line, const char *text, size_t n);
/* The text of a number (json_is_number) of that object. */
rv_str_t rv_json_line_number(const rv_json_line_t *line, const json_t *number);

#endif

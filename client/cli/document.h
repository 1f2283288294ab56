/* document.h: a YAML document with the line of every node, and errors that say what is wrong where. */
#ifndef REVEILLE_CLI_DOCUMENT_H
#define REVEILLE_CLI_DOCUMENT_H

#include "reveille/status.h"
#include "reveille/text.h"

typedef struct rv_yaml rv_yaml_t;
typedef struct rv_node rv_node_t; /* lives as long as the document */

/* Parses a text. `name` stands in errors: "NAME:LINE:COLUMN: ...". */
rv_status_t rv_yaml_new(const char *name, const char *text, size_t n, rv_yaml_t **ret, rv_error_t *err);
/* Reads a file of at most 4 MiB; "-" is stdin. */
rv_status_t rv_yaml_file(const char *path, rv_yaml_t **ret, rv_error_t *err);
void rv_yaml_destroy(rv_yaml_t **yaml);
/* The outermost node; NULL when the text is empty. */
const rv_node_t *rv_yaml_root(rv_yaml_t *yaml);

/* The text of a scalar; false when it is none. */
bool rv_node_scalar(rv_yaml_t *yaml, const rv_node_t *node, rv_str_t *ret);
/* null, ~ or nothing, unquoted. */
bool rv_node_null(rv_yaml_t *yaml, const rv_node_t *node);
bool rv_node_is_map(const rv_node_t *node);
bool rv_node_is_list(const rv_node_t *node);
/* Members of a mapping or elements of a list. */
size_t rv_node_count(const rv_node_t *node);
/* The i-th pair of a mapping; keys are scalars (checked when the document is made). */
void rv_node_pair(rv_yaml_t *yaml, const rv_node_t *node, size_t i, rv_str_t *key, const rv_node_t **ret_key,
                  const rv_node_t **ret_value);
const rv_node_t *rv_node_element(rv_yaml_t *yaml, const rv_node_t *node, size_t i);
/* The value of a key, or NULL. */
const rv_node_t *rv_node_get(rv_yaml_t *yaml, const rv_node_t *node, const char *key);
/* INVALID_ARGUMENT with the place of a node. */
rv_status_t rv_node_fail(rv_yaml_t *yaml, const rv_node_t *node, rv_error_t *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Every key of the mapping is one of `keys` (ended by NULL); otherwise an error that names the nearest. */
rv_status_t rv_node_keys(rv_yaml_t *yaml, const rv_node_t *node, const char *what, const char *const *keys,
                         rv_error_t *err);

#endif

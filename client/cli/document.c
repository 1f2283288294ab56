/* document.c: libyaml's document with places. An rv_node_t is a yaml_node_t under another name. Aliases share nodes;
 * nothing here walks deeper than the caller's own structure, so they do no harm. */
#include "document.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MOST_BYTES (4u << 20)

struct rv_yaml {
    yaml_document_t document;
    bool loaded;
    char *name;
};

static const yaml_node_t *raw(const rv_node_t *node) {
    return (const yaml_node_t *)(const void *)node;
}

static const rv_node_t *wrap(rv_yaml_t *yaml, int index) {
    return (const rv_node_t *)(const void *)yaml_document_get_node(&yaml->document, index);
}

rv_status_t rv_node_fail(rv_yaml_t *yaml, const rv_node_t *node, rv_error_t *err, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!node)
        return rv_fail(err, RV_REASON_FIELD, "%s: %s", yaml->name, text);
    return rv_fail(err, RV_REASON_FIELD, "%s:%zu:%zu: %s", yaml->name, raw(node)->start_mark.line + 1,
                   raw(node)->start_mark.column + 1, text);
}

/* Keys are scalars and do not repeat. */
static rv_status_t check_maps(rv_yaml_t *yaml, rv_error_t *err) {
    for (int index = 1; wrap(yaml, index); index++) {
        const rv_node_t *node = wrap(yaml, index), *key_node, *value;
        if (!rv_node_is_map(node))
            continue;
        for (size_t i = 0; i < rv_node_count(node); i++) {
            rv_str_t key, other;
            rv_node_pair(yaml, node, i, &key, &key_node, &value);
            if (raw(key_node)->type != YAML_SCALAR_NODE)
                return rv_node_fail(yaml, key_node, err, "a key must be a name");
            if (rv_node_count(node) > 4096)
                return rv_node_fail(yaml, key_node, err, "more than 4096 keys in one mapping");
            for (size_t k = 0; k < i; k++) {
                const rv_node_t *skip;
                rv_node_pair(yaml, node, k, &other, &skip, &value);
                if (rv_str_equal(key, other))
                    return rv_node_fail(yaml, key_node, err, "'%.*s' stands here twice", (int)key.n, key.p);
            }
        }
    }
    return RV_OK;
}

rv_status_t rv_yaml_new(const char *name, const char *text, size_t n, rv_yaml_t **ret, rv_error_t *err) {
    rv_yaml_t *yaml = calloc(1, sizeof *yaml);
    yaml_parser_t parser;
    if (!yaml || !(yaml->name = strdup(name)) || !yaml_parser_initialize(&parser)) {
        rv_yaml_destroy(&yaml);
        return rv_fail_memory(err, "a YAML document");
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    rv_status_t status = RV_OK;
    yaml->loaded = yaml_parser_load(&parser, &yaml->document);
    if (!yaml->loaded)
        status = rv_fail(err, RV_REASON_FIELD, "%s:%zu:%zu: not valid YAML: %s", name, parser.problem_mark.line + 1,
                         parser.problem_mark.column + 1, parser.problem ? parser.problem : "it cannot be read");
    yaml_parser_delete(&parser);
    if (status == RV_OK)
        status = check_maps(yaml, err);
    if (status != RV_OK)
        rv_yaml_destroy(&yaml);
    else
        *ret = yaml;
    return status;
}

rv_status_t rv_yaml_file(const char *path, rv_yaml_t **ret, rv_error_t *err) {
    bool from_stdin = strcmp(path, "-") == 0;
    FILE *file = from_stdin ? stdin : fopen(path, "rb");
    char *text = malloc(MOST_BYTES + 1);
    if (!file || !text) {
        rv_status_t status = file ? rv_fail_memory(err, "a file")
                                  : rv_fail(err, RV_REASON_FIELD, "%s cannot be read: %s", path, strerror(errno));
        free(text);
        if (file && !from_stdin)
            fclose(file);
        return status;
    }
    size_t n = fread(text, 1, MOST_BYTES + 1, file);
    bool failed = ferror(file) != 0;
    int problem = errno;
    if (!from_stdin)
        fclose(file);
    rv_status_t status;
    if (failed)
        status = rv_fail(err, RV_REASON_FIELD, "%s cannot be read: %s", path, strerror(problem));
    else if (n > MOST_BYTES)
        status = rv_fail(err, RV_REASON_LIMIT, "%s is larger than 4 MiB", path);
    else
        status = rv_yaml_new(from_stdin ? "stdin" : path, text, n, ret, err);
    free(text);
    return status;
}

void rv_yaml_destroy(rv_yaml_t **yaml) {
    if (!*yaml)
        return;
    if ((*yaml)->loaded)
        yaml_document_delete(&(*yaml)->document);
    free((*yaml)->name);
    free(*yaml);
    *yaml = NULL;
}

const rv_node_t *rv_yaml_root(rv_yaml_t *yaml) {
    return (const rv_node_t *)(const void *)yaml_document_get_root_node(&yaml->document);
}

bool rv_node_scalar(rv_yaml_t *yaml, const rv_node_t *node, rv_str_t *ret) {
    (void)yaml;
    if (!node || raw(node)->type != YAML_SCALAR_NODE || raw(node)->data.scalar.length > UINT32_MAX)
        return false;
    *ret = (rv_str_t){(const char *)raw(node)->data.scalar.value, (uint32_t)raw(node)->data.scalar.length};
    return true;
}

bool rv_node_null(rv_yaml_t *yaml, const rv_node_t *node) {
    rv_str_t text;
    if (!rv_node_scalar(yaml, node, &text) || raw(node)->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    return text.n == 0 || (text.n == 1 && text.p[0] == '~') || (text.n == 4 && memcmp(text.p, "null", 4) == 0);
}

bool rv_node_is_map(const rv_node_t *node) {
    return node && raw(node)->type == YAML_MAPPING_NODE;
}

bool rv_node_is_list(const rv_node_t *node) {
    return node && raw(node)->type == YAML_SEQUENCE_NODE;
}

size_t rv_node_count(const rv_node_t *node) {
    if (rv_node_is_map(node))
        return (size_t)(raw(node)->data.mapping.pairs.top - raw(node)->data.mapping.pairs.start);
    return rv_node_is_list(node) ? (size_t)(raw(node)->data.sequence.items.top - raw(node)->data.sequence.items.start)
                                 : 0;
}

void rv_node_pair(rv_yaml_t *yaml, const rv_node_t *node, size_t i, rv_str_t *key, const rv_node_t **ret_key,
                  const rv_node_t **ret_value) {
    yaml_node_pair_t pair = raw(node)->data.mapping.pairs.start[i];
    *ret_key = wrap(yaml, pair.key);
    *ret_value = wrap(yaml, pair.value);
    if (!rv_node_scalar(yaml, *ret_key, key))
        *key = (rv_str_t){"", 0};
}

const rv_node_t *rv_node_element(rv_yaml_t *yaml, const rv_node_t *node, size_t i) {
    return wrap(yaml, raw(node)->data.sequence.items.start[i]);
}

const rv_node_t *rv_node_get(rv_yaml_t *yaml, const rv_node_t *node, const char *key) {
    rv_str_t wanted = {key, (uint32_t)strlen(key)}, name;
    const rv_node_t *key_node, *value;
    for (size_t i = 0; rv_node_is_map(node) && i < rv_node_count(node); i++) {
        rv_node_pair(yaml, node, i, &name, &key_node, &value);
        if (rv_str_equal(name, wanted))
            return value;
    }
    return NULL;
}

rv_status_t rv_node_keys(rv_yaml_t *yaml, const rv_node_t *node, const char *what, const char *const *keys,
                         rv_error_t *err) {
    size_t n = 0;
    while (keys[n])
        n++;
    if (!rv_node_is_map(node))
        return rv_node_fail(yaml, node, err, "%s must be a mapping", what);
    for (size_t i = 0; i < rv_node_count(node); i++) {
        rv_str_t name;
        const rv_node_t *key, *value;
        bool known = false;
        rv_node_pair(yaml, node, i, &name, &key, &value);
        for (size_t k = 0; k < n && !known; k++)
            known = rv_str_equal(name, (rv_str_t){keys[k], (uint32_t)strlen(keys[k])});
        if (known)
            continue;
        const char *nearest = rv_nearest(name.p, name.n, keys, n);
        if (nearest)
            return rv_node_fail(yaml, key, err, "%s has no '%.*s', did you mean '%s'?", what, (int)name.n, name.p,
                                nearest);
        return rv_node_fail(yaml, key, err, "%s has no '%.*s'", what, (int)name.n, name.p);
    }
    return RV_OK;
}

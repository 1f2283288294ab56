/* json.c: see json.h. The state is one bit a level. */
#include "json.h"
#include "reveille/num.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void rv_json_init(rv_json_t *json, rv_out_t *out) {
    *json = (rv_json_t){.out = out};
}

/* What stands before a value or a name. */
static void separate(rv_json_t *json) {
    if (json->named) {
        json->named = false;
        return;
    }
    uint64_t bit = 1ull << json->depth;
    if (json->depth > 0 && (json->filled & bit))
        rv_out_char(json->out, ',');
    json->filled |= bit;
}

void rv_json_open(rv_json_t *json, char bracket) {
    separate(json);
    assert(json->depth < 63);
    json->depth++;
    json->filled &= ~(1ull << json->depth);
    rv_out_char(json->out, bracket);
}

void rv_json_close(rv_json_t *json, char bracket) {
    assert(json->depth > 0 && !json->named);
    json->depth--;
    rv_out_char(json->out, bracket);
}

static void escaped(rv_out_t *out, const char *text, size_t n) {
    size_t start = 0;
    rv_out_char(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        rv_out_write(out, text + start, i - start);
        start = i + 1;
        if (c == '"' || c == '\\') {
            rv_out_char(out, '\\');
            rv_out_char(out, (char)c);
        } else if (c == '\n')
            rv_out_text(out, "\\n");
        else if (c == '\t')
            rv_out_text(out, "\\t");
        else if (c == '\r')
            rv_out_text(out, "\\r");
        else
            rv_out_printf(out, "\\u%04x", c);
    }
    rv_out_write(out, text + start, n - start);
    rv_out_char(out, '"');
}

void rv_json_name(rv_json_t *json, const char *name) {
    separate(json);
    escaped(json->out, name, strlen(name));
    rv_out_char(json->out, ':');
    json->named = true;
}

void rv_json_string(rv_json_t *json, const char *text, size_t n) {
    separate(json);
    escaped(json->out, text, n);
}

void rv_json_text(rv_json_t *json, const char *text) {
    rv_json_string(json, text, strlen(text));
}

void rv_json_number(rv_json_t *json, const char *text, size_t n) {
    separate(json);
    rv_out_write(json->out, text, n);
}

void rv_json_int(rv_json_t *json, int64_t value) {
    char text[32];
    int n = snprintf(text, sizeof text, "%lld", (long long)value);
    rv_json_number(json, text, (size_t)n);
}

void rv_json_uint(rv_json_t *json, uint64_t value) {
    char text[32];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    rv_json_number(json, text, (size_t)n);
}

void rv_json_bool(rv_json_t *json, bool value) {
    rv_json_number(json, value ? "true" : "false", value ? 4 : 5);
}

void rv_json_null(rv_json_t *json) {
    rv_json_number(json, "null", 4);
}

void rv_json_double(rv_json_t *json, double value) {
    char text[48];
    if (!isfinite(value)) { /* JSON has no such numbers, and null would say that there is none */
        rv_json_text(json, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    size_t n = rv_double_format(value, text);
    rv_json_number(json, text, n);
}

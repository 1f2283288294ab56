/* json_line.c: one pass over the line finds the numbers outside strings and puts their ordinals in their places;
 * jansson then checks and parses the result. A number is only replaced when all of it follows the grammar of JSON: a
 * run of such characters that does not is an error at once, so that nothing wrong can become right by the replacement.
 * One rv_json_line_t a thread. */
#include "json_line.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rv_json_line_done(rv_json_line_t *line) {
    json_decref(line->value);
    free(line->text);
    free(line->numbers);
    *line = (rv_json_line_t){0};
}

static bool in_number(char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static size_t digits(const char *p, size_t n) {
    size_t i = 0;
    while (i < n && p[i] >= '0' && p[i] <= '9')
        i++;
    return i;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? and nothing else. */
static bool is_number(const char *p, size_t n) {
    size_t at = n > 0 && p[0] == '-', whole = digits(p + at, n - at);
    if (whole == 0 || (whole > 1 && p[at] == '0'))
        return false;
    at += whole;
    if (at < n && p[at] == '.') {
        size_t places = digits(p + at + 1, n - at - 1);
        if (places == 0)
            return false;
        at += 1 + places;
    }
    if (at < n && (p[at] == 'e' || p[at] == 'E')) {
        at++;
        at += at < n && (p[at] == '+' || p[at] == '-');
        size_t exponent = digits(p + at, n - at);
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return at == n;
}

/* End of the string that begins at p[at]. */
static size_t string_end(const char *p, size_t n, size_t at) {
    for (at++; at < n && p[at] != '"'; at++)
        at += p[at] == '\\';
    return at < n ? at + 1 : n;
}

static bool keep(rv_json_line_t *line, const char *p, size_t n, size_t at) {
    if (line->n_numbers == line->numbers_cap) {
        size_t cap = line->numbers_cap ? line->numbers_cap * 2 : 64;
        rv_json_token_t *numbers = realloc(line->numbers, cap * sizeof *numbers);
        if (!numbers)
            return false;
        line->numbers = numbers;
        line->numbers_cap = cap;
    }
    line->numbers[line->n_numbers++] = (rv_json_token_t){p, (uint32_t)n, (uint32_t)at};
    return true;
}

static bool out_of_memory(rv_json_line_t *line) {
    snprintf(line->reason, sizeof line->reason, "out of memory for a line");
    return false;
}

/* line->text, and its length. */
static bool set_aside(rv_json_line_t *line, const char *text, size_t n, size_t *ret_n) {
    size_t out = 0, need = 4 * n + 16; /* every other byte may be a number, with an ordinal of 7 digits at most */
    if (need > line->cap) {
        char *grown = realloc(line->text, need);
        if (!grown)
            return out_of_memory(line);
        line->text = grown;
        line->cap = need;
    }
    line->n_numbers = 0;
    for (size_t at = 0, end; at < n; at = end) {
        bool number = in_number(text[at]) && text[at] != 'e' && text[at] != 'E';
        end = text[at] == '"' ? string_end(text, n, at) : at + 1;
        if (!number) {
            memcpy(line->text + out, text + at, end - at);
            out += end - at;
            continue;
        }
        while (end < n && in_number(text[end]))
            end++;
        if (!is_number(text + at, end - at)) {
            snprintf(line->reason, sizeof line->reason, "not one JSON object: '%.*s' is not a number of JSON",
                     (int)(end - at < 40 ? end - at : 40), text + at);
            return false;
        }
        if (!keep(line, text + at, end - at, out))
            return out_of_memory(line);
        out += (size_t)sprintf(line->text + out, "%zu", line->n_numbers - 1);
    }
    *ret_n = out;
    return true;
}

/* Where a place of the replaced text lies in the line. */
static size_t place_in_line(const rv_json_line_t *line, const char *text, size_t at) {
    size_t before = 0, after = 0; /* of the last number that begins before it */
    for (size_t i = 0; i < line->n_numbers && line->numbers[i].at < at; i++) {
        before = (size_t)(line->numbers[i].p - text);
        after = line->numbers[i].at;
    }
    return at - after + before;
}

static void explain(rv_json_line_t *line, const char *text, size_t n, const json_error_t *problem) {
    const char *what;
    char where[48] = "";
    switch (json_error_code(problem)) {
    case json_error_null_character:
    case json_error_null_byte_in_key:
        what = "a string holds U+0000, which no value may";
        break;
    case json_error_duplicate_key:
        what = "a member is given twice";
        break;
    case json_error_premature_end_of_input:
        what = "it ends too early";
        break;
    case json_error_end_of_input_expected:
        what = "something follows the object";
        break;
    case json_error_stack_overflow:
        what = "it is nested too deeply";
        break;
    default:
        what = "it is wrong";
    }
    if (problem->position > 0) {
        size_t place = place_in_line(line, text, (size_t)problem->position);
        snprintf(where, sizeof where, " at byte %zu", place < n ? place : n);
    }
    snprintf(line->reason, sizeof line->reason, "not one JSON object: %s%s", what, where);
}

json_t *rv_json_line_parse(rv_json_line_t *line, const char *text, size_t n) {
    json_error_t problem = {0};
    size_t length;
    json_decref(line->value);
    line->value = NULL;
    if (!set_aside(line, text, n, &length))
        return NULL;
    line->value = json_loadb(line->text, length, JSON_REJECT_DUPLICATES, &problem);
    if (!line->value)
        explain(line, text, n, &problem);
    else if (!json_is_object(line->value)) {
        snprintf(line->reason, sizeof line->reason, "not one JSON object: another value");
        return NULL;
    }
    return line->value;
}

rv_str_t rv_json_line_number(const rv_json_line_t *line, const json_t *number) {
    size_t i = (size_t)json_integer_value(number);
    return (rv_str_t){line->numbers[i].p, line->numbers[i].n};
}

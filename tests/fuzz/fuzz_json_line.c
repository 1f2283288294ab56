/* fuzz_json_line.c: bytes as a line of JSON. What must hold: the line is taken exactly when jansson takes it (its
 * numbers read as doubles, whatever their size), with the same members, and each number is the text that stands in the
 * line. */
#include "json_line.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const rv_json_line_t *line, const json_t *ours, const json_t *theirs) {
    if (json_is_number(ours)) {
        char copy[64];
        rv_str_t text = rv_json_line_number(line, ours);
        assert(json_is_real(theirs));
        if (text.n >= sizeof copy)
            return;
        memcpy(copy, text.p, text.n);
        copy[text.n] = 0;
        assert(strtod(copy, NULL) == json_real_value(theirs));
        return;
    }
    assert(json_typeof(ours) == json_typeof(theirs));
    if (json_is_string(ours))
        assert(json_equal(ours, theirs));
    assert(json_array_size(ours) == json_array_size(theirs) && json_object_size(ours) == json_object_size(theirs));
    for (size_t i = 0; i < json_array_size(ours); i++)
        compare(line, json_array_get(ours, i), json_array_get(theirs, i));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)ours, name, value) {
        assert(json_object_get(theirs, name));
        compare(line, value, json_object_get(theirs, name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rv_json_line_t line;
    json_error_t problem;
    const char *text = (const char *)data;
    if (size > 4096 || !rv_utf8_valid(text, size))
        return 0;
    const json_t *ours = rv_json_line_parse(&line, text, size);
    json_t *theirs = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &problem);
    if (ours && !theirs)
        assert(json_error_code(&problem) == json_error_numeric_overflow);
    else
        assert(!ours == !json_is_object(theirs));
    if (ours && theirs)
        compare(&line, ours, theirs);
    assert(ours || line.reason[0]);
    json_decref(theirs);
    return 0;
}

/* fuzz_filter.c: any bytes as a text of the filter language. What is accepted is a program that the worker accepts;
 * what is refused is refused at a place inside the text, in valid UTF-8. The first byte chooses the kind of text. */
#include "../support/expr_catalog.h"
#include "reveille/expr.h"
#include "reveille/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void require(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "fuzz_filter: %s\n", what);
    abort();
}

/* The place is a character of the text or its end; an error in a segment has its place there. */
static void check_place(const rv_error_t *err, const char *text) {
    require(rv_utf8_valid(err->message, strlen(err->message)), "the message is not UTF-8");
    if (strncmp(err->field, "segment ", 8) == 0)
        return;
    uint32_t line = 1, columns = 1;
    require(err->line > 0 && err->column > 0, "the error has no place");
    for (; *text && line < err->line; text++)
        line += *text == '\n';
    require(line == err->line, "the line is behind the text");
    for (; *text && *text != '\n'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    require(err->column <= columns, "the column is behind the line");
}

static rv_status_t add_text(rv_builder_t *builder, uint8_t kind, const char *text, rv_error_t *err) {
    uint32_t number;
    int64_t ms;
    size_t count;
    const rv_expression_t *expressions;
    const Reveille__V1__Measure *measures;
    const char *const *texts;
    switch (kind % 8) {
    case 0:
        return rv_builder_fields(builder, "fields", text, &expressions, &count, err);
    case 1:
        return rv_builder_order(builder, text, &expressions, &count, err);
    case 2:
        return rv_builder_compute(builder, text, &measures, &texts, &count, err);
    case 3:
        return rv_builder_selection(builder, "event", text, &number, err);
    case 4:
        return rv_builder_funnel(builder, text, "14 days", "within 365 days", &number, &texts, &count, err);
    case 5:
        return rv_builder_duration(builder, "period", text, &ms, err);
    case 6:
        return rv_builder_instant(builder, "start", text, &number, err);
    default:
        return rv_builder_filter(builder, "filter", text, &number, err);
    }
}

/* $p is a list of strings, $q a time, $r a duration. */
static rv_builder_t *new_builder(const rv_catalog_t *catalog) {
    static Reveille__V1__Value values[4];
    static Reveille__V1__Value *pointers[4] = {&values[0], &values[1], &values[2], &values[3]};
    static Reveille__V1__Parameter parameters[3];
    static Reveille__V1__Parameter *list[3] = {&parameters[0], &parameters[1], &parameters[2]};
    static char names[3][2] = {"p", "q", "r"}, text[2][3] = {"DE", "FR"};
    rv_builder_t *builder = NULL;
    for (size_t i = 0; i < 4; i++)
        reveille__v1__value__init(&values[i]);
    for (size_t i = 0; i < 2; i++) {
        values[i].kind_case = REVEILLE__V1__VALUE__KIND_STRING_VALUE;
        values[i].string_value = text[i];
    }
    values[2].kind_case = REVEILLE__V1__VALUE__KIND_TIME_MS;
    values[2].time_ms = RVT_NOW - 5000;
    values[3].kind_case = REVEILLE__V1__VALUE__KIND_DURATION_MS;
    values[3].duration_ms = 86400000;
    for (size_t i = 0; i < 3; i++) {
        reveille__v1__parameter__init(&parameters[i]);
        parameters[i].name = names[i];
        parameters[i].is_list = i == 0;
        parameters[i].values = i == 0 ? pointers : &pointers[i + 1];
        parameters[i].n_values = i == 0 ? 2 : 1;
    }
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    options.parameters = list;
    options.n_parameters = 3;
    require(rv_builder_new(catalog, RVT_NOW, &options, &builder, NULL) == RV_OK, "there is no builder");
    return builder;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static rv_catalog_t *catalog;
    rv_error_t err = {0};
    const Reveille__V1__Program *program;
    if (n == 0)
        return 0;
    if (!catalog)
        catalog = rvt_expr_catalog();
    char *text = malloc(n);
    require(text != NULL, "there is no memory");
    memcpy(text, bytes + 1, n - 1);
    text[n - 1] = 0;
    rv_builder_t *builder = new_builder(catalog);
    rv_status_t status = add_text(builder, bytes[0], text, &err);
    if (status == RV_OK) {
        require(rv_builder_finish(builder, &program, &err) == RV_OK, "the program is not finished");
        require(rv_program_check(program, catalog, &err) == RV_OK, err.message);
    } else {
        require(status == err.status, "the status is not the error's");
        if (err.reason != RV_REASON_QUOTA)
            check_place(&err, text);
    }
    rv_builder_destroy(&builder);
    free(text);
    return 0;
}

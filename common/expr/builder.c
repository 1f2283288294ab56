/* builder.c: one request's program from its first text to the finished message.
 *
 * Purpose: the functions of expr.h that take texts. Each sets the report to its text, parses, compiles and hands out
 * results that live in the builder's arena. Structures: see builder.h. Threads: a builder belongs to one. Failure: the
 * first error of a text, with its place; the builder can still be destroyed, and nothing else is promised of it.
 */
#include "builder.h"
#include <stdlib.h>
#include <string.h>

void *rv_expr_alloc(rv_builder_t *b, size_t count, size_t size) {
    void *p = rv_arena_zalloc(&b->arena, count, size);
    if (!p)
        rv_expr_fail_memory(&b->report);
    return p;
}

char *rv_expr_copy(rv_builder_t *b, const char *text, size_t n) {
    char *copy = rv_arena_strndup(&b->arena, text, n);
    if (!copy)
        rv_expr_fail_memory(&b->report);
    return copy;
}

void *rv_expr_grow(rv_builder_t *b, void *array, uint32_t n, size_t size) {
    enum { FIRST = 32 }; /* places, then twice as many whenever they are used up */
    if (n && (n < FIRST || (n & (n - 1))))
        return array;
    void *grown = rv_expr_alloc(b, n ? 2 * (size_t)n : FIRST, size);
    if (grown && n)
        memcpy(grown, array, n * size);
    return grown;
}

uint32_t rv_expr_refuse_later(rv_builder_t *b, expr_place_t place, const char *what) {
    rv_expr_fail(&b->report, RV_REASON_FEATURE, place, "%s is not built yet", what);
    return EXPR_NONE;
}

static rv_status_t check_zone(const char *zone, rv_error_t *err) {
    if (!*zone || strcmp(zone, "UTC") == 0 || strcmp(zone, "Etc/UTC") == 0)
        return RV_OK;
    rv_status_t status = rv_fail(err, RV_REASON_FEATURE, "zones other than UTC are not built yet");
    if (err)
        memcpy(err->field, "timezone", sizeof "timezone");
    return status;
}

/* T, the population at T and the arrays that the catalog sizes. */
static rv_status_t prepare(rv_builder_t *b, const Reveille__V1__ReadOptions *options) {
    size_t contacts, companies;
    expr_place_t place = {1, 1};
    rv_catalog_attributes(b->catalog, &contacts);
    rv_catalog_company_attributes(b->catalog, &companies);
    b->attribute_read = rv_expr_alloc(b, contacts + companies, sizeof *b->attribute_read);
    b->attributes = rv_expr_alloc(b, contacts + companies, sizeof *b->attributes);
    b->segments = rv_expr_alloc(b, rv_catalog_message(b->catalog)->n_segments, sizeof *b->segments);
    b->now = rv_expr_integer(b, RV_TIME, b->now_ms, place);
    if (b->report.status == RV_OK)
        b->population = rv_expr_population(b, b->now);
    return options && b->report.status == RV_OK ? rv_expr_bind(b, options, b->report.err) : b->report.status;
}

rv_status_t rv_builder_new(const rv_catalog_t *catalog, int64_t now_ms, const Reveille__V1__ReadOptions *options,
                           rv_builder_t **ret, rv_error_t *err) {
    rv_status_t status = options ? check_zone(options->timezone, err) : RV_OK;
    if (status != RV_OK)
        return status;
    rv_builder_t *b = calloc(1, sizeof *b);
    if (!b)
        return rv_fail_memory(err, "the expressions of one request");
    rv_arena_init(&b->arena, EXPR_BUDGET);
    b->catalog = catalog;
    b->now_ms = now_ms;
    b->report = (expr_report_t){.err = err, .field = "parameters"};
    status = prepare(b, options);
    if (status != RV_OK) {
        rv_builder_destroy(&b);
        return status;
    }
    *ret = b;
    return RV_OK;
}

void rv_builder_destroy(rv_builder_t **builder) {
    if (!builder || !*builder)
        return;
    rv_arena_done(&(*builder)->arena);
    free(*builder);
    *builder = NULL;
}

/* Parses a text and makes it the one that errors are about; false after a failure. */
static bool begin(rv_builder_t *b, const char *field, expr_text_t kind, const char *text, expr_tree_t *tree,
                  rv_error_t *err) {
    b->report = (expr_report_t){.err = err, .field = field};
    b->text = text;
    b->levels = 0;
    return rv_expr_parse(&b->arena, &b->report, kind, text, tree);
}

static expr_scope_t outermost(const rv_builder_t *b) {
    return (expr_scope_t){.now = b->now, .seen = b->now};
}

/* A copy of bytes of the current text; NULL after a failure. */
static const char *slice(rv_builder_t *b, uint32_t start, uint32_t end) {
    return rv_expr_copy(b, b->text + start, end - start);
}

rv_status_t rv_builder_filter(rv_builder_t *b, const char *field, const char *text, uint32_t *ret_filter,
                              rv_error_t *err) {
    expr_tree_t tree;
    if (!begin(b, field, TEXT_FILTER, text, &tree, err))
        return b->report.status;
    expr_scope_t scope = outermost(b);
    uint32_t node = tree.root ? rv_expr_condition(b, &scope, tree.root) : 0;
    if (b->report.status == RV_OK)
        *ret_filter = tree.root ? node + 1 : 0;
    return b->report.status;
}

rv_status_t rv_builder_condition(rv_builder_t *b, const char *field, const char *text, uint32_t *ret_node,
                                 rv_error_t *err) {
    uint32_t filter = 0;
    expr_place_t place = {1, 1};
    rv_status_t status = rv_builder_filter(b, field, text, &filter, err);
    if (status != RV_OK)
        return status;
    uint32_t node = filter ? filter - 1 : rv_expr_truth(b, rv_expr_integer(b, RV_BOOL, 1, place), place);
    if (b->report.status == RV_OK)
        *ret_node = node;
    return b->report.status;
}

/* Expressions of a list; NULL after a failure. */
static rv_expression_t *compile_entries(rv_builder_t *b, const expr_tree_t *tree, bool sets) {
    expr_scope_t scope = outermost(b);
    rv_expression_t *out = rv_expr_alloc(b, tree->n_entries, sizeof *out);
    for (uint32_t i = 0; out && i < tree->n_entries; i++) {
        const expr_entry_t *entry = &tree->entries[i];
        uint32_t node = rv_expr_compile(b, &scope, entry->node);
        const char *text = node == EXPR_NONE ? NULL : slice(b, entry->start, entry->end);
        if (!text)
            return NULL;
        if (!sets && rv_expr_type(b, node) == RV_SET) {
            (void)EXPR_FAIL(b, entry->place, "a set has no order");
            return NULL;
        }
        out[i] = (rv_expression_t){node, rv_expr_type(b, node), rv_expr_scale(b, node), text, entry->descending};
    }
    return out;
}

rv_status_t rv_builder_fields(rv_builder_t *b, const char *field, const char *text, const rv_expression_t **ret,
                              size_t *ret_n, rv_error_t *err) {
    expr_tree_t tree;
    if (!begin(b, field, TEXT_FIELDS, text, &tree, err))
        return b->report.status;
    if (strcmp(field, "by") == 0 && tree.n_entries > RV_MAX_GROUP_KEYS)
        (void)EXPR_FAIL(b, tree.entries[RV_MAX_GROUP_KEYS].place, "more than %u expressions to group by",
                        RV_MAX_GROUP_KEYS);
    const rv_expression_t *out = b->report.status == RV_OK ? compile_entries(b, &tree, true) : NULL;
    if (out) {
        *ret = out;
        *ret_n = tree.n_entries;
    }
    return b->report.status;
}

rv_status_t rv_builder_order(rv_builder_t *b, const char *text, const rv_expression_t **ret, size_t *ret_n,
                             rv_error_t *err) {
    expr_tree_t tree;
    if (!begin(b, "order_by", TEXT_ORDER, text, &tree, err))
        return b->report.status;
    const rv_expression_t *out = compile_entries(b, &tree, false);
    if (out) {
        *ret = out;
        *ret_n = tree.n_entries;
    }
    return b->report.status;
}

/* ---- measures ---- */

static Reveille__V1__MeasureKind measure_kind(expr_word_t word) {
    switch (word) {
    case WORD_SUM:
        return REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_SUM;
    case WORD_AVG:
        return REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_AVG;
    case WORD_MIN:
        return REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_MIN;
    case WORD_MAX:
        return REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_MAX;
    case WORD_DISTINCT:
        return REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_DISTINCT;
    case WORD_QUANTILE:
        return REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_QUANTILE;
    default:
        return REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT;
    }
}

/* What a measure takes, or NULL when it takes the type. */
static const char *refuse_measure(expr_word_t word, rv_type_t type) {
    bool number = rv_expr_is_number(type) || type == RV_DURATION, time = type == RV_TIME || type == RV_DATE;
    if (word == WORD_SUM || word == WORD_AVG)
        return number ? NULL : "numbers or durations";
    if (word == WORD_MIN || word == WORD_MAX || word == WORD_QUANTILE)
        return number || time || type == RV_STRING ? NULL : "values that have an order";
    return type == RV_SET ? "single values" : NULL;
}

/* One measure; false after a failure. */
static bool compile_measure(rv_builder_t *b, const expr_entry_t *entry, Reveille__V1__Measure *measure) {
    expr_scope_t scope = outermost(b);
    *measure = (Reveille__V1__Measure)REVEILLE__V1__MEASURE__INIT;
    measure->kind = measure_kind(entry->measure);
    measure->quantile = entry->quantile;
    if (!entry->node)
        return true;
    measure->node = rv_expr_compile(b, &scope, entry->node);
    if (measure->node == EXPR_NONE)
        return false;
    measure->type = rv_expr_type(b, measure->node);
    measure->scale = rv_expr_scale(b, measure->node);
    const char *needs = refuse_measure(entry->measure, measure->type);
    return !needs || EXPR_FAIL(b, entry->node->place, "this measure takes %s, not %s", needs,
                               rv_expr_type_name(measure->type)) != EXPR_NONE;
}

rv_status_t rv_builder_compute(rv_builder_t *b, const char *text, const Reveille__V1__Measure **ret,
                               const char *const **ret_texts, size_t *ret_n, rv_error_t *err) {
    expr_tree_t tree;
    if (!begin(b, "compute", TEXT_COMPUTE, text, &tree, err))
        return b->report.status;
    Reveille__V1__Measure *measures = rv_expr_alloc(b, tree.n_entries, sizeof *measures);
    const char **texts = rv_expr_alloc(b, tree.n_entries, sizeof *texts);
    if (!measures || !texts)
        return b->report.status;
    for (uint32_t i = 0; i < tree.n_entries; i++) {
        const expr_entry_t *entry = &tree.entries[i];
        if (!compile_measure(b, entry, &measures[i]) || !(texts[i] = slice(b, entry->start, entry->end)))
            return b->report.status;
    }
    *ret = measures;
    *ret_texts = texts;
    *ret_n = tree.n_entries;
    return RV_OK;
}

/* ---- parts of commands ---- */

rv_status_t rv_builder_selection(rv_builder_t *b, const char *field, const char *text, uint32_t *ret_selection,
                                 rv_error_t *err) {
    expr_tree_t tree;
    if (!begin(b, field, TEXT_SELECTION, text, &tree, err))
        return b->report.status;
    expr_scope_t scope = outermost(b);
    uint32_t selection = rv_expr_selection(b, &scope, tree.steps);
    if (b->report.status == RV_OK)
        *ret_selection = selection;
    return b->report.status;
}

rv_status_t rv_builder_duration(rv_builder_t *b, const char *field, const char *text, int64_t *ret_ms,
                                rv_error_t *err) {
    expr_tree_t tree;
    if (!begin(b, field, TEXT_DURATION, text, &tree, err))
        return b->report.status;
    if (rv_expr_constant(b, tree.duration, tree.duration_place) == EXPR_NONE)
        return b->report.status;
    if (tree.duration->value.i <= 0)
        (void)EXPR_FAIL(b, tree.duration_place, "the duration must be longer than nothing");
    else
        *ret_ms = tree.duration->value.i;
    return b->report.status;
}

rv_status_t rv_builder_funnel(rv_builder_t *b, const char *steps, const char *within, const char *window,
                              uint32_t *ret_node, const char *const **ret_step_texts, size_t *ret_n, rv_error_t *err) {
    expr_tree_t length, range, tree;
    expr_scope_t scope = outermost(b);
    if (!begin(b, "within", TEXT_DURATION, within, &length, err) ||
        rv_expr_constant(b, length.duration, length.duration_place) == EXPR_NONE ||
        !begin(b, "window", TEXT_WINDOW, window, &range, err) || !rv_expr_check_window(b, &scope, &range.window))
        return b->report.status;
    if (!begin(b, "steps", TEXT_STEPS, steps, &tree, err))
        return b->report.status;
    expr_funnel_t funnel = {tree.steps, tree.n_steps, length.duration, length.duration_place, range.window};
    const char **texts = rv_expr_alloc(b, tree.n_steps, sizeof *texts);
    for (uint32_t i = 0; texts && i < tree.n_steps; i++)
        texts[i] = slice(b, tree.steps[i].start, tree.steps[i].end);
    uint32_t node = rv_expr_funnel(b, &scope, &funnel, (expr_place_t){1, 1});
    if (b->report.status == RV_OK) {
        *ret_node = node;
        *ret_step_texts = texts;
        *ret_n = tree.n_steps;
    }
    return b->report.status;
}

rv_status_t rv_builder_instant(rv_builder_t *b, const char *field, const char *text, uint32_t *ret_node,
                               rv_error_t *err) {
    expr_tree_t tree;
    if (!begin(b, field, TEXT_EXPRESSION, text, &tree, err))
        return b->report.status;
    expr_scope_t scope = outermost(b);
    uint32_t node = rv_expr_instant(b, &scope, tree.root);
    if (b->report.status == RV_OK)
        *ret_node = node;
    return b->report.status;
}

/* ---- results ---- */

rv_status_t rv_builder_finish(rv_builder_t *b, const Reveille__V1__Program **ret, rv_error_t *err) {
    (void)err; /* whatever was refused before, what was taken is whole */
    b->program = (Reveille__V1__Program)REVEILLE__V1__PROGRAM__INIT;
    b->program.n_nodes = b->n_nodes;
    b->program.nodes = b->nodes;
    b->program.n_selections = b->n_selections;
    b->program.selections = b->selections;
    b->program.n_funnels = b->n_funnels;
    b->program.funnels = b->funnels;
    b->program.n_scores = b->n_scores;
    b->program.scores = b->scores;
    b->program.now_ms = b->now_ms;
    b->program.population = b->population;
    *ret = &b->program;
    return RV_OK;
}

const char *const *rv_builder_attributes(const rv_builder_t *b, size_t *ret_n) {
    *ret_n = b->n_attributes;
    return b->attributes;
}

bool rv_builder_before_kept(const rv_builder_t *b) {
    return b->before_kept;
}

rv_status_t rv_filter_segments(const rv_catalog_t *catalog, const char *text, rv_arena_t *arena,
                               const char *const **ret, size_t *ret_n, rv_error_t *err) {
    (void)catalog; /* names need not be known to be used */
    expr_report_t report = {.err = err, .field = "filter"};
    expr_tree_t tree;
    if (!rv_expr_parse(arena, &report, TEXT_FILTER, text, &tree))
        return report.status;
    if (tree.later) {
        rv_expr_fail(&report, RV_REASON_FEATURE, tree.later_place, "%s is not built yet", tree.later);
        return report.status;
    }
    const char **names = rv_arena_zalloc(arena, tree.n_segments, sizeof *names);
    if (!names)
        return rv_fail_memory(err, "the segments of a filter");
    size_t n = 0;
    for (uint32_t i = 0; i < tree.n_segments; i++) {
        size_t known = 0;
        while (known < n && strcmp(names[known], tree.segments[i].text.p) != 0)
            known++;
        if (known == n)
            names[n++] = tree.segments[i].text.p;
    }
    *ret = names;
    *ret_n = n;
    return RV_OK;
}

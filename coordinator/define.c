/* define.c: what a change of the catalog may be.
 *
 * A new catalog shares the unchanged messages of the old one, which must live until it is copied (rv_catalog_new
 * copies). Segments are compiled against the catalog as it would be, so that a definition that could not be used is
 * never stored. No state, no threads. */
#include "define.h"
#include "reveille/expr.h"
#include "reveille/limits.h"
#include "reveille/text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_POINTS 1e6

static rv_status_t no_memory(rv_error_t *err) {
    return rv_fail_memory(err, "a catalog");
}

static void set_field(rv_error_t *err, const char *field) {
    if (err)
        snprintf(err->field, sizeof err->field, "%s", field);
}

/* The old catalog with the next version and room for `more` segments and scores. */
static Reveille__V1__Catalog *next_catalog(const rv_catalog_t *old, size_t more, rv_arena_t *arena) {
    const Reveille__V1__Catalog *message = rv_catalog_message(old);
    Reveille__V1__Catalog *made = rv_arena_alloc(arena, sizeof *made);
    Reveille__V1__Segment **segments = rv_arena_zalloc(arena, message->n_segments + more + 1, sizeof *segments);
    Reveille__V1__ScoreModel **scores = rv_arena_zalloc(arena, message->n_scores + more + 1, sizeof *scores);
    if (!made || !segments || !scores)
        return NULL;
    *made = *message;
    made->version++;
    if (message->n_segments)
        memcpy(segments, message->segments, message->n_segments * sizeof *segments);
    if (message->n_scores)
        memcpy(scores, message->scores, message->n_scores * sizeof *scores);
    made->segments = segments;
    made->scores = scores;
    return made;
}

static rv_status_t check_name(const char *what, const char *name, rv_error_t *err) {
    size_t n = strlen(name);
    if (n > 0 && n <= RV_MAX_NAME)
        return RV_OK;
    rv_fail(err, RV_REASON_FIELD, "the name of a %s has %zu bytes where 1 to %u are expected", what, n, RV_MAX_NAME);
    set_field(err, "name");
    return RV_INVALID_ARGUMENT;
}

static rv_status_t missing(const char *what, const char *name, const char *const *names, size_t n, rv_error_t *err) {
    const char *near = rv_nearest(name, strlen(name), names, n);
    return rv_fail(err, RV_REASON_MISSING, "there is no %s '%.128s'%s%.128s%s", what, name,
                   near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
}

rv_status_t rvc_no_segment(const rv_catalog_t *catalog, const char *name, rv_error_t *err) {
    const Reveille__V1__Catalog *message = rv_catalog_message(catalog);
    const char **names = calloc(message->n_segments + 1, sizeof *names);
    for (size_t i = 0; names && i < message->n_segments; i++)
        names[i] = message->segments[i]->name;
    rv_status_t status = missing("segment", name, names, names ? message->n_segments : 0, err);
    free(names);
    return status;
}

rv_status_t rvc_no_score(const rv_catalog_t *catalog, const char *name, rv_error_t *err) {
    const Reveille__V1__Catalog *message = rv_catalog_message(catalog);
    const char **names = calloc(message->n_scores + 1, sizeof *names);
    for (size_t i = 0; names && i < message->n_scores; i++)
        names[i] = message->scores[i]->name;
    rv_status_t status = missing("score model", name, names, names ? message->n_scores : 0, err);
    free(names);
    return status;
}

static bool schema_has_type(const Reveille__V1__Schema *schema, const char *name) {
    for (size_t i = 0; schema && i < schema->n_event_types; i++)
        if (strcmp(schema->event_types[i]->name, name) == 0)
            return true;
    return false;
}

static rv_status_t unknown_type(const Reveille__V1__Schema *schema, const Reveille__V1__ScoreModel *model,
                                const char *name, rv_error_t *err) {
    size_t n = schema ? schema->n_event_types : 0;
    const char **names = calloc(n + 1, sizeof *names);
    for (size_t i = 0; names && i < n; i++)
        names[i] = schema->event_types[i]->name;
    const char *near = names ? rv_nearest(name, strlen(name), names, n) : NULL;
    rv_fail(err, RV_REASON_FIELD, "score model '%.128s': unknown event type '%.128s'%s%.128s%s", model->name, name,
            near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
    set_field(err, name);
    free(names);
    return RV_INVALID_ARGUMENT;
}

static rv_status_t check_model(const Reveille__V1__Schema *schema, const Reveille__V1__ScoreModel *model,
                               rv_error_t *err) {
    rv_status_t status = check_name("score model", model->name, err);
    if (status != RV_OK)
        return status;
    if (model->half_life_ms < 1 || model->half_life_ms > (uint64_t)RV_TIME_MAX) {
        rv_fail(err, RV_REASON_FIELD, "score model '%.128s': its half-life is not between 1 ms and 136 years",
                model->name);
        set_field(err, "half_life");
        return RV_INVALID_ARGUMENT;
    }
    if (model->n_events > RV_MAX_TYPES)
        return rv_fail(err, RV_REASON_LIMIT, "score model '%.128s' has more than %u event types", model->name,
                       RV_MAX_TYPES);
    for (size_t i = 0; i < model->n_events; i++) {
        const Reveille__V1__ScorePoints *points = model->events[i];
        if (!schema_has_type(schema, points->type))
            return unknown_type(schema, model, points->type, err);
        if (!isfinite(points->points) || fabs(points->points) > MAX_POINTS)
            return rv_fail(err, RV_REASON_FIELD,
                           "score model '%.128s': the points of '%.128s' are not between -1,000,000 and 1,000,000",
                           model->name, points->type);
        for (size_t j = 0; j < i; j++)
            if (strcmp(model->events[j]->type, points->type) == 0)
                return rv_fail(err, RV_REASON_FIELD, "score model '%.128s' names event type '%.128s' twice",
                               model->name, points->type);
    }
    return RV_OK;
}

static bool same_model(const Reveille__V1__ScoreModel *a, const Reveille__V1__ScoreModel *b) {
    if (a->half_life_ms != b->half_life_ms || a->n_events != b->n_events)
        return false;
    for (size_t i = 0; i < a->n_events; i++)
        if (strcmp(a->events[i]->type, b->events[i]->type) != 0 || a->events[i]->points != b->events[i]->points)
            return false;
    return true;
}

/* Puts a model, with its version, into a catalog that has room for it. */
static rv_status_t put_model(Reveille__V1__Catalog *catalog, const Reveille__V1__ScoreModel *model, rv_arena_t *arena,
                             Reveille__V1__ScoreModel **ret, bool *ret_changed, rv_error_t *err) {
    rv_status_t status = check_model(catalog->schema, model, err);
    if (status != RV_OK)
        return status;
    size_t at = 0;
    while (at < catalog->n_scores && strcmp(catalog->scores[at]->name, model->name) != 0)
        at++;
    const Reveille__V1__ScoreModel *old = at < catalog->n_scores ? catalog->scores[at] : NULL;
    *ret_changed = !old || !same_model(old, model);
    if (!*ret_changed) {
        *ret = catalog->scores[at];
        return RV_OK;
    }
    if (!old && catalog->n_scores >= RV_MAX_SEGMENTS)
        return rv_fail(err, RV_REASON_QUOTA, "there are %u score models already, no more are allowed", RV_MAX_SEGMENTS);
    Reveille__V1__ScoreModel *made = rv_arena_alloc(arena, sizeof *made);
    if (!made)
        return no_memory(err);
    *made = *model;
    made->version = old ? old->version + 1 : 1;
    catalog->scores[at] = made;
    catalog->n_scores += old ? 0 : 1;
    *ret = made;
    return RV_OK;
}

rv_status_t rvc_define_score(const rv_catalog_t *old, const Reveille__V1__ScoreModel *model, rv_arena_t *arena,
                             Reveille__V1__Catalog **ret, Reveille__V1__ScoreModel **ret_defined, bool *ret_changed,
                             rv_error_t *err) {
    Reveille__V1__Catalog *made = next_catalog(old, 1, arena);
    rv_status_t status = made ? put_model(made, model, arena, ret_defined, ret_changed, err) : no_memory(err);
    if (status == RV_OK)
        *ret = made;
    return status;
}

/* Compiles a text as a filter of this catalog. */
static rv_status_t try_filter(rv_catalog_t *catalog, const char *text, int64_t wall_ms, rv_error_t *err) {
    static const Reveille__V1__ReadOptions DEFAULTS = REVEILLE__V1__READ_OPTIONS__INIT;
    rv_builder_t *builder = NULL;
    const Reveille__V1__Program *program;
    uint32_t filter;
    rv_status_t status = rv_builder_new(catalog, wall_ms, &DEFAULTS, &builder, err);
    if (status == RV_OK)
        status = rv_builder_filter(builder, "filter", text, &filter, err);
    if (status == RV_OK)
        status = rv_builder_finish(builder, &program, err);
    rv_builder_destroy(&builder);
    return status;
}

/* Names of segments that do not compile any more, and of scores that lose types: " segment 'a', score 'b'". */
static rv_status_t list_broken(const rv_catalog_t *old, const Reveille__V1__Catalog *next, int64_t wall_ms, char *list,
                               size_t size, rv_error_t *err) {
    const Reveille__V1__Catalog *message = rv_catalog_message(old);
    rv_catalog_t *catalog = NULL;
    size_t used = 0;
    list[0] = 0;
    rv_status_t status = rv_catalog_new(next, &catalog, err);
    if (status != RV_OK)
        return status;
    for (size_t i = 0; i < message->n_segments && used + 1 < size; i++) {
        const Reveille__V1__Segment *segment = message->segments[i];
        if (try_filter(catalog, segment->filter, wall_ms, NULL) != RV_OK)
            used += (size_t)snprintf(list + used, size - used, "%ssegment '%.64s'", used ? ", " : "", segment->name);
    }
    for (size_t i = 0; i < message->n_scores && used + 1 < size; i++)
        for (size_t j = 0; j < message->scores[i]->n_events; j++)
            if (!schema_has_type(next->schema, message->scores[i]->events[j]->type)) {
                used += (size_t)snprintf(list + used, size - used, "%sscore '%.64s'", used ? ", " : "",
                                         message->scores[i]->name);
                break;
            }
    rv_catalog_unref(&catalog);
    return RV_OK;
}

/* Score models lose the types that the new schema does not have. */
static rv_status_t trim_scores(Reveille__V1__Catalog *catalog, rv_arena_t *arena, rv_error_t *err) {
    for (size_t i = 0; i < catalog->n_scores; i++) {
        const Reveille__V1__ScoreModel *model = catalog->scores[i];
        Reveille__V1__ScoreModel *made = rv_arena_alloc(arena, sizeof *made);
        Reveille__V1__ScorePoints **events = rv_arena_zalloc(arena, model->n_events + 1, sizeof *events);
        if (!made || !events)
            return no_memory(err);
        *made = *model;
        made->n_events = 0;
        made->events = events;
        for (size_t j = 0; j < model->n_events; j++)
            if (schema_has_type(catalog->schema, model->events[j]->type))
                events[made->n_events++] = model->events[j];
        if (made->n_events == model->n_events)
            continue;
        made->version++;
        catalog->scores[i] = made;
    }
    return RV_OK;
}

/* A removal without force was refused: says what it would break. */
static void name_broken(const rv_catalog_t *old, const Reveille__V1__Schema *before, const Reveille__V1__Schema *wanted,
                        int64_t wall_ms, rv_arena_t *arena, rv_error_t *err) {
    Reveille__V1__Schema *schema;
    bool changed;
    char list[256];
    Reveille__V1__Catalog *next = next_catalog(old, 0, arena);
    if (!err || !next || rv_schema_apply(before, wanted, true, arena, &schema, &changed, NULL) != RV_OK)
        return;
    next->schema = schema;
    if (list_broken(old, next, wall_ms, list, sizeof list, NULL) != RV_OK || !list[0])
        return;
    size_t n = strlen(err->message);
    snprintf(err->message + n, sizeof err->message - n, "; this would break %s", list);
}

rv_status_t rvc_define_schema(const rv_catalog_t *old, const Reveille__V1__Schema *schema,
                              Reveille__V1__ScoreModel *const *scores, size_t n_scores, bool force, int64_t wall_ms,
                              rv_arena_t *arena, Reveille__V1__Catalog **ret, bool *ret_changed, rv_error_t *err) {
    const Reveille__V1__Schema *before = rv_catalog_schema_version(old) ? rv_catalog_message(old)->schema : NULL;
    Reveille__V1__Schema *after;
    bool changed;
    rv_status_t status = rv_schema_apply(before, schema, force, arena, &after, &changed, err);
    if (status != RV_OK) {
        if (err && err->reason == RV_REASON_SCHEMA && !force)
            name_broken(old, before, schema, wall_ms, arena, err);
        return status;
    }
    Reveille__V1__Catalog *made = next_catalog(old, n_scores, arena);
    if (!made)
        return no_memory(err);
    made->schema = after;
    if (changed)
        status = trim_scores(made, arena, err);
    for (size_t i = 0; status == RV_OK && i < n_scores; i++) {
        Reveille__V1__ScoreModel *defined;
        bool differs = false;
        status = put_model(made, scores[i], arena, &defined, &differs, err);
        changed = changed || differs;
    }
    if (status != RV_OK)
        return status;
    *ret = made;
    *ret_changed = changed;
    return RV_OK;
}

/* Walks from a segment over the segments that it uses; finds the way back to itself, one step of it. */
static rv_status_t check_cycle(const rv_catalog_t *catalog, const char *name, rv_arena_t *arena, rv_error_t *err) {
    const Reveille__V1__Catalog *message = rv_catalog_message(catalog);
    const Reveille__V1__Segment **todo = rv_arena_zalloc(arena, message->n_segments + 1, sizeof *todo);
    uint8_t *seen = rv_arena_zalloc(arena, message->n_segments + 1, 1);
    size_t n_todo = 0;
    if (!todo || !seen)
        return no_memory(err);
    todo[n_todo++] = rv_catalog_segment(catalog, name, strlen(name));
    while (n_todo) {
        const Reveille__V1__Segment *segment = todo[--n_todo];
        const char *const *used;
        size_t n_used;
        if (rv_filter_segments(catalog, segment->filter, arena, &used, &n_used, NULL) != RV_OK)
            continue; /* an older segment that a schema change broke */
        for (size_t i = 0; i < n_used; i++) {
            if (strcmp(used[i], name) == 0) {
                bool self = strcmp(segment->name, name) == 0;
                rv_fail(err, RV_REASON_FILTER, "segment '%.128s' would contain itself%s%.128s%s", name,
                        self ? "" : ", through '", self ? "" : segment->name, self ? "" : "'");
                set_field(err, "filter");
                return RV_INVALID_ARGUMENT;
            }
            for (size_t j = 0; j < message->n_segments; j++)
                if (!seen[j] && strcmp(message->segments[j]->name, used[i]) == 0) {
                    seen[j] = 1;
                    todo[n_todo++] = message->segments[j];
                }
        }
    }
    return RV_OK;
}

/* The new catalog must hold water: the segment compiles in it, and does not contain itself. */
static rv_status_t check_segment(const Reveille__V1__Catalog *next, const Reveille__V1__Segment *segment,
                                 int64_t wall_ms, rv_arena_t *arena, rv_error_t *err) {
    rv_catalog_t *catalog = NULL;
    rv_status_t status = rv_catalog_new(next, &catalog, err);
    if (status != RV_OK)
        return status;
    status = check_cycle(catalog, segment->name, arena, err);
    if (status == RV_OK)
        status = try_filter(catalog, segment->filter, wall_ms, err);
    rv_catalog_unref(&catalog);
    return status;
}

rv_status_t rvc_define_segment(const rv_catalog_t *old, const Reveille__V1__Segment *segment, int64_t wall_ms,
                               rv_arena_t *arena, Reveille__V1__Catalog **ret, Reveille__V1__Segment **ret_defined,
                               bool *ret_changed, rv_error_t *err) {
    rv_status_t status = check_name("segment", segment->name, err);
    if (status == RV_OK && strlen(segment->filter) > RV_MAX_TEXT)
        status = rv_fail(err, RV_REASON_LIMIT, "the filter has %zu bytes, at most %u are allowed",
                         strlen(segment->filter), RV_MAX_TEXT);
    Reveille__V1__Catalog *made = next_catalog(old, 1, arena);
    Reveille__V1__Segment *defined = rv_arena_alloc(arena, sizeof *defined);
    if (status != RV_OK || !made || !defined)
        return status != RV_OK ? status : no_memory(err);
    size_t at = 0;
    while (at < made->n_segments && strcmp(made->segments[at]->name, segment->name) != 0)
        at++;
    const Reveille__V1__Segment *before = at < made->n_segments ? made->segments[at] : NULL;
    if (!before && made->n_segments >= RV_MAX_SEGMENTS)
        return rv_fail(err, RV_REASON_QUOTA, "there are %u segments already, no more are allowed", RV_MAX_SEGMENTS);
    *defined = *segment;
    defined->version = before ? before->version + 1 : 1;
    made->segments[at] = defined;
    made->n_segments += before ? 0 : 1;
    status = check_segment(made, defined, wall_ms, arena, err);
    if (status != RV_OK)
        return status;
    *ret_changed = !before || strcmp(before->filter, segment->filter) != 0;
    if (!*ret_changed)
        defined->version = before->version;
    *ret = made;
    *ret_defined = defined;
    return RV_OK;
}

rv_status_t rvc_define_without_segment(const rv_catalog_t *old, const char *name, rv_arena_t *arena,
                                       Reveille__V1__Catalog **ret, rv_error_t *err) {
    if (!rv_catalog_segment(old, name, strlen(name)))
        return rvc_no_segment(old, name, err);
    Reveille__V1__Catalog *made = next_catalog(old, 0, arena);
    if (!made)
        return no_memory(err);
    size_t kept = 0;
    for (size_t i = 0; i < made->n_segments; i++) {
        Reveille__V1__Segment *segment = made->segments[i];
        const char *const *used;
        size_t n_used = 0;
        if (strcmp(segment->name, name) == 0)
            continue;
        if (rv_filter_segments(old, segment->filter, arena, &used, &n_used, NULL) != RV_OK)
            n_used = 0;
        for (size_t j = 0; j < n_used; j++)
            if (strcmp(used[j], name) == 0)
                return rv_fail(err, RV_REASON_SCHEMA, "segment '%.128s' is used by segment '%.128s': change that first",
                               name, segment->name);
        made->segments[kept++] = segment;
    }
    made->n_segments = kept;
    *ret = made;
    return RV_OK;
}

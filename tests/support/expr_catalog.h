/* expr_catalog.h: one catalog for the tests and fuzzers of the filter language. All in one header, so that a fuzzer can
 * use it too. */
#ifndef RV_TESTS_EXPR_CATALOG_H
#define RV_TESTS_EXPR_CATALOG_H

#include "reveille/catalog.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RVT_NOW 1793491200000ll /* 2026-11-01T00:00:00Z */

typedef struct {
    const char *name;
    rv_type_t type;
    unsigned scale;
} rvt_column_t;

static const rvt_column_t RVT_CONTACT[] = {
    {"country", RV_STRING, 0},     {"lifecycle_stage", RV_STRING, 0},
    {"email_consent", RV_BOOL, 0}, {"age", RV_INT, 0},
    {"ltv", RV_DECIMAL, 2},        {"weight", RV_DOUBLE, 0},
    {"signed_up_at", RV_TIME, 0},  {"birthday", RV_DATE, 0},
    {"interests", RV_SET, 0},      {"company", RV_COMPANY, 0},
    {"seniority", RV_STRING, 0},   {"my attr", RV_INT, 0},
    {"month", RV_INT, 0},          {"source", RV_STRING, 0},
};
static const rvt_column_t RVT_COMPANY[] = {{"industry", RV_STRING, 0}, {"employees", RV_INT, 0}};
static const rvt_column_t RVT_PROPERTIES[] = {{"topic", RV_STRING, 0}, {"value", RV_DECIMAL, 2},
                                              {"score", RV_INT, 0},    {"flag", RV_BOOL, 0},
                                              {"due", RV_TIME, 0},     {"ratio", RV_DOUBLE, 0}};
static const char *const RVT_TYPES[] = {"email_sent", "email_click", "page_view", "search", "download",
                                        "cart_add",   "purchase",    "bounce",    "nps"};
static const char *const RVT_ENGAGED[] = {"purchase", "email_click", "page_view", "search"};
static const char *const RVT_SEGMENTS[][2] = {
    {"vip", "sum(value of purchase within 365 days) >= 300"},
    {"everyone", ""},
    {"nested", "segment('vip') and not segment(\"asleep\")"},
    {"asleep", "not exists(engaged within 180 days)"},
    {"germans", "country = 'DE'"},
    {"broken", "country =\n  'DE' and contry = 'FR'"},
    {"loop", "segment('pool')"},
    {"pool", "age > 3 or segment('loop')"},
    {"with parameter", "country in $countries"},
};

#define RVT_COUNT(a) (sizeof(a) / sizeof(a)[0])

static inline Reveille__V1__Attribute **rvt_columns(rv_arena_t *arena, const rvt_column_t *columns, size_t n) {
    Reveille__V1__Attribute **list = rv_arena_zalloc(arena, n, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        list[i] = rv_arena_zalloc(arena, 1, sizeof **list);
        reveille__v1__attribute__init(list[i]);
        list[i]->name = rv_arena_strndup(arena, columns[i].name, strlen(columns[i].name));
        list[i]->type = columns[i].type;
        list[i]->scale = columns[i].scale;
    }
    return list;
}

static inline char *rvt_string(rv_arena_t *arena, const char *text) {
    return rv_arena_strndup(arena, text, strlen(text));
}

static inline void rvt_events(rv_arena_t *arena, Reveille__V1__Schema *schema) {
    schema->n_event_types = RVT_COUNT(RVT_TYPES);
    schema->event_types = rv_arena_zalloc(arena, RVT_COUNT(RVT_TYPES), sizeof *schema->event_types);
    for (size_t i = 0; i < RVT_COUNT(RVT_TYPES); i++) {
        schema->event_types[i] = rv_arena_zalloc(arena, 1, sizeof **schema->event_types);
        reveille__v1__event_type__init(schema->event_types[i]);
        schema->event_types[i]->name = rvt_string(arena, RVT_TYPES[i]);
    }
    schema->n_event_groups = 1;
    schema->event_groups = rv_arena_zalloc(arena, 1, sizeof *schema->event_groups);
    schema->event_groups[0] = rv_arena_zalloc(arena, 1, sizeof **schema->event_groups);
    reveille__v1__event_group__init(schema->event_groups[0]);
    schema->event_groups[0]->name = rvt_string(arena, "engaged");
    schema->event_groups[0]->n_types = RVT_COUNT(RVT_ENGAGED);
    schema->event_groups[0]->types = rv_arena_zalloc(arena, RVT_COUNT(RVT_ENGAGED), sizeof(char *));
    for (size_t i = 0; i < RVT_COUNT(RVT_ENGAGED); i++)
        schema->event_groups[0]->types[i] = rvt_string(arena, RVT_ENGAGED[i]);
}

static inline void rvt_definitions(rv_arena_t *arena, Reveille__V1__Catalog *catalog) {
    size_t n = RVT_COUNT(RVT_SEGMENTS);
    catalog->n_segments = n;
    catalog->segments = rv_arena_zalloc(arena, n, sizeof *catalog->segments);
    for (size_t i = 0; i < n; i++) {
        Reveille__V1__Segment *segment = catalog->segments[i] = rv_arena_zalloc(arena, 1, sizeof *segment);
        reveille__v1__segment__init(segment);
        segment->name = rvt_string(arena, RVT_SEGMENTS[i][0]);
        segment->filter = rvt_string(arena, RVT_SEGMENTS[i][1]);
        segment->version = 1;
    }
    catalog->n_scores = 1;
    catalog->scores = rv_arena_zalloc(arena, 1, sizeof *catalog->scores);
    Reveille__V1__ScoreModel *model = catalog->scores[0] = rv_arena_zalloc(arena, 1, sizeof *model);
    reveille__v1__score_model__init(model);
    model->name = rvt_string(arena, "engagement");
    model->version = 1;
    model->half_life_ms = 30 * 86400000ull;
    model->n_events = 2;
    model->events = rv_arena_zalloc(arena, 2, sizeof *model->events);
    for (size_t i = 0; i < 2; i++) {
        model->events[i] = rv_arena_zalloc(arena, 1, sizeof **model->events);
        reveille__v1__score_points__init(model->events[i]);
        model->events[i]->type = rvt_string(arena, i ? "email_click" : "purchase");
        model->events[i]->points = i ? 5 : 25;
    }
}

/* `kept_since` in ms, or a negative number for none; `created` names an attribute or is "". Ends the program when it
 * cannot be built. */
static inline rv_catalog_t *rvt_expr_catalog_with(const char *created, int64_t kept_since) {
    rv_arena_t arena;
    rv_error_t err = {0};
    rv_catalog_t *catalog = NULL;
    bool changed;
    rv_arena_init(&arena, 1u << 20);
    Reveille__V1__Schema wanted = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__Catalog message = REVEILLE__V1__CATALOG__INIT;
    wanted.contact_key = rvt_string(&arena, "contact");
    wanted.contact_created = rvt_string(&arena, created);
    wanted.company_key = rvt_string(&arena, "company");
    wanted.event_id = rvt_string(&arena, "event");
    wanted.contact_attributes = rvt_columns(&arena, RVT_CONTACT, wanted.n_contact_attributes = RVT_COUNT(RVT_CONTACT));
    wanted.company_attributes = rvt_columns(&arena, RVT_COMPANY, wanted.n_company_attributes = RVT_COUNT(RVT_COMPANY));
    wanted.event_properties =
        rvt_columns(&arena, RVT_PROPERTIES, wanted.n_event_properties = RVT_COUNT(RVT_PROPERTIES));
    rvt_events(&arena, &wanted);
    if (kept_since >= 0) {
        wanted.kept_since_case = REVEILLE__V1__SCHEMA__KEPT_SINCE_KEPT_SINCE_MS;
        wanted.kept_since_ms = kept_since;
    }
    rvt_definitions(&arena, &message);
    message.version = 1;
    if (rv_schema_apply(NULL, &wanted, false, &arena, &message.schema, &changed, &err) != RV_OK ||
        rv_catalog_new(&message, &catalog, &err) != RV_OK) {
        fprintf(stderr, "the catalog of the tests: %s\n", err.message);
        abort();
    }
    rv_arena_done(&arena);
    return catalog;
}

static inline rv_catalog_t *rvt_expr_catalog(void) {
    return rvt_expr_catalog_with("signed_up_at", -1);
}

#endif

// gen_data.c - random schemas, and operations that bring random data in a random order of arrival.
//
// Structure: chance; a schema picked from tables of candidates; values from small pools, so that equal values, ties and
// edges are frequent; batches of rows and events, some events late, repeated, in conflict, or for unknown contacts.
#include "gen_internal.h"

#include <string.h>

// ---- chance -------------------------------------------------------------------------------------------------------

uint64_t rvm_gen_bits(rvm_gen_t *g) { // splitmix64
    uint64_t z = g->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int rvm_gen_below(rvm_gen_t *g, int n) {
    return (int)(rvm_gen_bits(g) % (uint64_t)n);
}

bool rvm_gen_chance(rvm_gen_t *g, int percent) {
    return rvm_gen_below(g, 100) < percent;
}

bool rvm_gen_has(const rvm_gen_t *g, unsigned feature) {
    return (g->options.features & feature) != 0;
}

// ---- schema -------------------------------------------------------------------------------------------------------

typedef struct candidate {
    rvm_field_t field;
    int percent;
} candidate_t;

static const candidate_t contact_candidates[] = {
    {{"country", RVM_STRING, 0}, 90},    {{"age", RVM_INT, 0}, 80},       {{"ltv", RVM_DECIMAL, 2}, 70},
    {{"weight", RVM_DOUBLE, 0}, 60},     {{"vip", RVM_BOOL, 0}, 80},      {{"birthday", RVM_DATE, 0}, 60},
    {{"signed_up_at", RVM_TIME, 0}, 80}, {{"interests", RVM_SET, 0}, 40}, {{"company", RVM_COMPANY, 0}, 60},
    {{"count", RVM_INT, 0}, 20},         {{"at", RVM_TIME, 0}, 15},       {{"head count", RVM_INT, 0}, 20},
    {{"set", RVM_STRING, 0}, 20},        {{"tier", RVM_STRING, 0}, 40},   {{"rate", RVM_DECIMAL, 6}, 40},
    {{"Country", RVM_BOOL, 0}, 15},      {{"day", RVM_DATE, 0}, 15},
};
static const candidate_t company_candidates[] = {
    {{"name", RVM_STRING, 0}, 90},  {{"employees", RVM_INT, 0}, 90}, {{"revenue", RVM_DECIMAL, 3}, 50},
    {{"founded", RVM_DATE, 0}, 50}, {{"public", RVM_BOOL, 0}, 50},   {{"type", RVM_STRING, 0}, 30},
    {{"index", RVM_DOUBLE, 0}, 30},
};
static const candidate_t property_candidates[] = {
    {{"topic", RVM_STRING, 0}, 90}, {{"value", RVM_DECIMAL, 2}, 90}, {{"n", RVM_INT, 0}, 70},
    {{"w", RVM_DOUBLE, 0}, 60},     {{"flag", RVM_BOOL, 0}, 60},     {{"due", RVM_TIME, 0}, 50},
    {{"on", RVM_DATE, 0}, 40},      {{"score", RVM_DECIMAL, 0}, 30},
};

static const rvm_field_t *pick_fields(rvm_gen_t *g, const candidate_t *candidates, size_t count, int *ret_n) {
    rvm_field_t *fields = rvm_alloc(g->arena, count * sizeof *fields);
    int n = 0;
    for (size_t i = 0; i < count; i++) {
        if (rvm_gen_chance(g, candidates[i].percent)) {
            fields[n] = candidates[i].field;
            if (fields[n].type == RVM_DECIMAL && rvm_gen_chance(g, 30)) {
                fields[n].scale = rvm_gen_below(g, 7);
            }
            n++;
        }
    }
    *ret_n = n;
    return fields;
}

static void gen_attributes(rvm_gen_t *g, rvm_schema_t *schema) {
    schema->contact_key = rvm_gen_chance(g, 80) ? "contact" : "customer_id";
    schema->company_key = "company";
    schema->event_id = rvm_gen_chance(g, 80) ? "event" : "event_id";
    schema->attributes = pick_fields(g, contact_candidates, sizeof contact_candidates / sizeof contact_candidates[0],
                                     &schema->n_attributes);
    schema->created = -1;
    schema->company = -1;
    for (int i = 0; i < schema->n_attributes; i++) {
        const rvm_field_t *field = &schema->attributes[i];
        schema->company = field->type == RVM_COMPANY ? i : schema->company;
        bool created = strcmp(field->name, "signed_up_at") == 0 && rvm_gen_chance(g, 70);
        schema->created = created ? i : schema->created;
    }
    if (schema->company >= 0) {
        schema->company_attributes =
            pick_fields(g, company_candidates, sizeof company_candidates / sizeof company_candidates[0],
                        &schema->n_company_attributes);
    }
}

static void gen_types(rvm_gen_t *g, rvm_schema_t *schema) {
    static const char *const names[] = {"purchase", "email_click", "page_view", "bounce hard", "search", "type"};
    rvm_event_type_t *types = rvm_alloc(g->arena, 6 * sizeof *types);
    schema->n_types = 2 + rvm_gen_below(g, 5);
    uint64_t all = (UINT64_C(1) << schema->n_properties) - 1;
    for (int t = 0; t < schema->n_types; t++) {
        types[t] = (rvm_event_type_t){names[t], rvm_gen_chance(g, 70) ? all : rvm_gen_bits(g) & all};
    }
    schema->types = types;
    static const char *const group_names[] = {"engaged", "money", "count"};
    rvm_group_t *groups = rvm_alloc(g->arena, 3 * sizeof *groups);
    schema->n_groups = rvm_gen_below(g, 4);
    for (int i = 0; i < schema->n_groups; i++) {
        uint64_t members = rvm_gen_bits(g) & ((UINT64_C(1) << schema->n_types) - 1);
        groups[i] = (rvm_group_t){group_names[i], members != 0 ? members : 1};
    }
    schema->groups = groups;
}

static void gen_models(rvm_gen_t *g, rvm_schema_t *schema) {
    static const char *const names[] = {"engagement", "fast"};
    static const int64_t lives[] = {3600, 86400, 7 * 86400, 30 * 86400, 1000 * 86400};
    static const double points[] = {1, 5, -3, 0.5, 25, 0.1, -50, 2.75};
    rvm_score_model_t *models = rvm_alloc(g->arena, 2 * sizeof *models);
    schema->n_models = rvm_gen_below(g, 3);
    for (int m = 0; m < schema->n_models; m++) {
        double *weights = rvm_alloc(g->arena, (size_t)schema->n_types * sizeof *weights);
        uint64_t types = rvm_gen_bits(g) & ((UINT64_C(1) << schema->n_types) - 1);
        types = types != 0 ? types : 1;
        for (int t = 0; t < schema->n_types; t++) {
            weights[t] = (types >> t & 1) != 0 ? points[rvm_gen_below(g, 8)] : 0;
        }
        models[m] = (rvm_score_model_t){names[m], 1000 * lives[rvm_gen_below(g, 5)], weights, types};
    }
    schema->models = models;
}

void rvm_gen_schema(rvm_gen_t *g) {
    rvm_schema_t *schema = &g->one->schema;
    gen_attributes(g, schema);
    schema->properties = pick_fields(g, property_candidates, sizeof property_candidates / sizeof property_candidates[0],
                                     &schema->n_properties);
    gen_types(g, schema);
    gen_models(g, schema);
}

// ---- values -------------------------------------------------------------------------------------------------------

int64_t rvm_gen_instant(rvm_gen_t *g) {
    int64_t days = rvm_gen_below(g, 60) - 50; // some are later than most instants asked about
    switch (rvm_gen_below(g, 5)) {
    case 0: // whole days meet each other and the ends of windows
        return RVM_GEN_NOW + days * RVM_GEN_DAY;
    case 1:
        return RVM_GEN_NOW + days * RVM_GEN_DAY + rvm_gen_below(g, 3) - 1;
    case 2:
        return RVM_GEN_NOW + days * RVM_GEN_DAY + 3600000 * rvm_gen_below(g, 24);
    case 3:
        return RVM_GEN_NOW + days * RVM_GEN_DAY + 1000 * rvm_gen_below(g, 86400);
    default:
        return RVM_GEN_NOW + days * RVM_GEN_DAY + rvm_gen_below(g, 86400000);
    }
}

static const char *gen_word(rvm_gen_t *g) {
    static const char *const words[] = {"DE",   "FR",      "US",  "de",  "topic1", "topic2", "topic10",
                                        "",     "O'Brien", "50%", "a_b", "x y",    "web",    "email",
                                        "a\"b", "DEFR",    "D",   " ",   "Z",      "abc"};
    return words[rvm_gen_below(g, rvm_gen_chance(g, 60) ? 6 : 20)];
}

static int64_t gen_int(rvm_gen_t *g) {
    static const int64_t rare[] = {INT64_MAX / 2, -(INT64_MAX / 2), INT64_C(9007199254740993), -1, 1000000};
    if (rvm_gen_chance(g, 4)) {
        return rare[rvm_gen_below(g, 5)];
    }
    int sign = rvm_gen_chance(g, 20) ? -1 : 1;
    return sign * rvm_gen_below(g, 12);
}

static int64_t gen_units(rvm_gen_t *g) {
    static const int64_t pool[] = {0, 1, -1, 50, 100, 105, 12345, 999, 1000, 5, 25, 250, -250, 30000};
    return rvm_gen_chance(g, 3) ? INT64_MAX / 2 - rvm_gen_below(g, 2) : pool[rvm_gen_below(g, 14)];
}

static double gen_real(rvm_gen_t *g) {
    static const double pool[] = {0, 0.1, 0.2, 0.3, 0.5, -2.5, 1, 3, 0.30000000000000004, 1e15, -1e-3, 12.75};
    static const double rare[] = {1e300, -1e300, 1e-300, 9007199254740992.0};
    return rvm_gen_chance(g, 3) ? rare[rvm_gen_below(g, 4)] : pool[rvm_gen_below(g, 12)];
}

static rvm_value_t gen_set(rvm_gen_t *g) {
    const char *items[3];
    int n = rvm_gen_below(g, 4);
    for (int i = 0; i < n; i++) {
        items[i] = rvm_gen_chance(g, 50) ? "xbox" : rvm_gen_chance(g, 50) ? "surface" : "DE";
    }
    return rvm_set(g->arena, items, n);
}

rvm_value_t rvm_gen_value(rvm_gen_t *g, const rvm_field_t *field) {
    if (rvm_gen_chance(g, 15)) {
        return rvm_missing();
    }
    switch (field->type) {
    case RVM_BOOL:
        return rvm_bool(rvm_gen_chance(g, 50));
    case RVM_INT:
        return rvm_int(gen_int(g));
    case RVM_DECIMAL:
        return rvm_decimal(gen_units(g), field->scale);
    case RVM_DOUBLE:
        return rvm_double(gen_real(g));
    case RVM_STRING:
        return rvm_string(gen_word(g));
    case RVM_TIME:
        return rvm_time(rvm_gen_instant(g));
    case RVM_DATE:
        return rvm_date(rvm_gen_chance(g, 80) ? 19875 - rvm_gen_below(g, 60) : 19875 - rvm_gen_below(g, 25000));
    case RVM_SET:
        return gen_set(g);
    default: // a company
        return rvm_string(rvm_format(g->arena, "k%d", rvm_gen_below(g, 5)));
    }
}

// ---- operations ---------------------------------------------------------------------------------------------------

static const char *gen_key(rvm_gen_t *g) {
    static const char *const odd[] = {"00001", "Ann O'Hara", "\xc3\xa9mile", "x;y"};
    int k = rvm_gen_below(g, g->options.contacts);
    return k < 4 ? odd[k] : rvm_format(g->arena, "c%03d", k);
}

static rvm_row_t gen_row(rvm_gen_t *g, const char *key, const rvm_field_t *fields, int n) {
    bool *given = rvm_alloc(g->arena, (size_t)n * sizeof *given);
    rvm_value_t *values = rvm_alloc(g->arena, (size_t)n * sizeof *values);
    int percent = rvm_gen_chance(g, 60) ? 100 : 40; // whole rows, or partial ones
    for (int i = 0; i < n; i++) {
        given[i] = rvm_gen_chance(g, percent);
        values[i] = given[i] ? rvm_gen_value(g, &fields[i]) : rvm_missing();
    }
    return (rvm_row_t){.key = key, .given = given, .values = values};
}

static void gen_rows(rvm_gen_t *g, rvm_op_t *op) {
    const rvm_schema_t *schema = &g->one->schema;
    bool contacts = op->kind == RVM_OP_CONTACTS;
    rvm_row_t *rows = rvm_alloc(g->arena, 16 * sizeof *rows);
    op->n = 1 + rvm_gen_below(g, contacts ? 16 : 5);
    for (int i = 0; i < op->n; i++) {
        rows[i] = contacts ? gen_row(g, gen_key(g), schema->attributes, schema->n_attributes)
                           : gen_row(g, rvm_format(g->arena, "k%d", rvm_gen_below(g, 5)), schema->company_attributes,
                                     schema->n_company_attributes);
    }
    op->rows = rows;
}

static void gen_properties(rvm_gen_t *g, rvm_event_t *event) {
    const rvm_schema_t *schema = &g->one->schema;
    rvm_value_t *values = rvm_alloc(g->arena, (size_t)schema->n_properties * sizeof *values);
    for (int p = 0; p < schema->n_properties; p++) {
        bool has = (schema->types[event->type].properties >> p & 1) != 0;
        values[p] = has ? rvm_gen_value(g, &schema->properties[p]) : rvm_missing();
    }
    event->properties = values;
    event->channel = rvm_gen_chance(g, 30)   ? NULL
                     : rvm_gen_chance(g, 50) ? "email"
                     : rvm_gen_chance(g, 80) ? "web"
                                             : "";
}

// An instant that lies a usual span from another event's: at the ends of funnels and periods.
static int64_t near_instant(rvm_gen_t *g, int64_t at) {
    static const int64_t spans[] = {0, 3600000, RVM_GEN_DAY, 2 * RVM_GEN_DAY, 3 * RVM_GEN_DAY, 7 * RVM_GEN_DAY};
    int64_t span = spans[rvm_gen_below(g, 6)];
    return rvm_gen_chance(g, 70) ? at + span : at - span;
}

static rvm_event_t gen_fresh(rvm_gen_t *g, const rvm_event_t *other, int64_t import) {
    bool near = other != NULL && rvm_gen_chance(g, 30);
    rvm_event_t event = {.import = import};
    event.contact = near && rvm_gen_chance(g, 70) ? other->contact : gen_key(g);
    event.type = rvm_gen_below(g, g->one->schema.n_types);
    event.at = near ? near_instant(g, other->at) : rvm_gen_instant(g);
    event.source = rvm_gen_chance(g, 70) ? "" : rvm_gen_chance(g, 50) ? "crm" : "web";
    event.id = rvm_gen_chance(g, 10)   ? ""
               : rvm_gen_chance(g, 25) ? rvm_format(g->arena, "e%d", rvm_gen_below(g, 9))
                                       : rvm_format(g->arena, "%08x", (unsigned)(rvm_gen_bits(g) & 0xFFFFFFFF));
    gen_properties(g, &event);
    return event;
}

// An event that arrived before, or one that shares most of its identity with it.
static rvm_event_t gen_again(rvm_gen_t *g, rvm_event_t old, int64_t import) {
    old.import = import;
    switch (rvm_gen_below(g, 6)) {
    case 0:
    case 1:
        return old; // a repetition
    case 2:
        gen_properties(g, &old); // usually a conflict
        return old;
    case 3:
        old.type = rvm_gen_below(g, g->one->schema.n_types);
        gen_properties(g, &old);
        return old;
    case 4:
        old.source = rvm_gen_chance(g, 50) ? "crm" : "a";
        gen_properties(g, &old);
        return old;
    default:
        old.id = rvm_format(g->arena, "e%d", rvm_gen_below(g, 9));
        gen_properties(g, &old);
        return old;
    }
}

static const rvm_event_t *some_event(rvm_gen_t *g, int ops) {
    for (int tries = 0; tries < 5 && ops > 0; tries++) {
        const rvm_op_t *op = &g->one->ops[rvm_gen_below(g, ops)];
        if (op->kind == RVM_OP_EVENTS) {
            return &op->events[rvm_gen_below(g, op->n)];
        }
    }
    return NULL;
}

static void gen_events(rvm_gen_t *g, rvm_op_t *op, int n, int before) {
    rvm_event_t *events = rvm_alloc(g->arena, (size_t)n * sizeof *events);
    for (int i = 0; i < n; i++) {
        const rvm_event_t *old = rvm_gen_chance(g, 50) && i > 0 ? &events[rvm_gen_below(g, i)] : some_event(g, before);
        bool again = old != NULL && rvm_gen_chance(g, 18);
        events[i] = again ? gen_again(g, *old, before + 1) : gen_fresh(g, old, before + 1);
    }
    op->n = n;
    op->events = events;
}

static void gen_delete(rvm_gen_t *g, rvm_op_t *op, int before) {
    const rvm_event_t *old = some_event(g, before);
    op->kind = (rvm_op_kind_t)(RVM_OP_ERASE + rvm_gen_below(g, 4));
    op->import = 1 + rvm_gen_below(g, before + 1);
    op->name = op->kind == RVM_OP_ERASE ? gen_key(g) : rvm_gen_chance(g, 50) ? "crm" : "a";
    op->events = old;
    if (op->kind == RVM_OP_DELETE_EVENT && old == NULL) {
        op->kind = RVM_OP_FLUSH;
    }
}

void rvm_gen_operations(rvm_gen_t *g) {
    int events = rvm_gen_below(g, g->options.events + 1), n = 3 + rvm_gen_below(g, 10);
    rvm_op_t *ops = rvm_alloc(g->arena, (size_t)n * sizeof *ops);
    g->one->ops = ops;
    for (int i = 0; i < n; i++) {
        int dice = rvm_gen_below(g, 100);
        ops[i].kind = dice < 25   ? RVM_OP_CONTACTS
                      : dice < 33 ? RVM_OP_COMPANIES
                      : dice < 75 ? RVM_OP_EVENTS
                      : dice < 88 ? RVM_OP_FLUSH
                                  : RVM_OP_COMPACT;
        bool no_company = ops[i].kind == RVM_OP_COMPANIES && g->one->schema.company < 0;
        if (i == 0 || no_company) {
            ops[i].kind = RVM_OP_CONTACTS;
        }
        if (i == 1) {
            ops[i].kind = RVM_OP_EVENTS;
        }
        if (i > 1 && dice >= 94 && rvm_gen_has(g, RVM_GEN_DELETE)) {
            gen_delete(g, &ops[i], i);
        } else if (ops[i].kind == RVM_OP_CONTACTS || ops[i].kind == RVM_OP_COMPANIES) {
            gen_rows(g, &ops[i]);
        } else if (ops[i].kind == RVM_OP_EVENTS) {
            gen_events(g, &ops[i], 1 + events / n + rvm_gen_below(g, 1 + events / n), i);
        }
    }
    g->one->n_ops = n;
}

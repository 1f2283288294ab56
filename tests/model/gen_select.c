// gen_select.c - the leaves of expressions: names, calls, and the selections, windows and steps inside calls.
//
// Structure: names by type; types and windows; selections; the calls that give a value of a wanted type.
#include "gen_internal.h"

#include <string.h>

// ---- names --------------------------------------------------------------------------------------------------------

static bool fits(rvm_type_t have, rvm_type_t want) {
    if (want == RVM_INT) { // stands for any number
        return rvm_is_number(have);
    }
    if (want == RVM_TIME) { // or a date
        return have == RVM_TIME || have == RVM_DATE;
    }
    return have == want || (want == RVM_STRING && have == RVM_COMPANY);
}

static int pick_field(rvm_gen_t *g, const rvm_field_t *fields, int n, rvm_type_t want) {
    int found = -1, seen = 0;
    for (int i = 0; i < n; i++) {
        if (fits(fields[i].type, want) && rvm_gen_below(g, ++seen) == 0) {
            found = i;
        }
    }
    return found;
}

static rvm_text_t attribute(rvm_gen_t *g, rvm_type_t want) {
    const rvm_schema_t *schema = &g->one->schema;
    bool of_company = schema->company >= 0 && rvm_gen_chance(g, 25);
    rvm_text_t e = {.text = NULL};
    int i = of_company ? pick_field(g, schema->company_attributes, schema->n_company_attributes, want)
                       : pick_field(g, schema->attributes, schema->n_attributes, want);
    if (i < 0 || g->in_at > 0) {
        return e;
    }
    const rvm_data_t *data = g->one->data;
    if (of_company) {
        e.text = rvm_format(g->arena, "company.%s", rvm_gen_name(g, schema->company_attributes[i].name));
        e.sample = data->n_companies > 0 ? data->companies[rvm_gen_below(g, data->n_companies)].values[i] : e.sample;
        return e;
    }
    const char *prefix = g->in_where || rvm_gen_chance(g, 5) ? "contact." : "";
    e.text = rvm_format(g->arena, "%s%s", prefix, rvm_gen_name(g, schema->attributes[i].name));
    e.sample = data->n_contacts > 0 ? data->contacts[rvm_gen_below(g, data->n_contacts)].values[i] : e.sample;
    return e;
}

static const rvm_event_t *some_event(rvm_gen_t *g) {
    const rvm_data_t *data = g->one->data;
    for (int tries = 0; tries < 5 && data->n_contacts > 0; tries++) {
        const rvm_contact_t *contact = &data->contacts[rvm_gen_below(g, data->n_contacts)];
        if (contact->n_events > 0) {
            return &contact->events[rvm_gen_below(g, contact->n_events)];
        }
    }
    return NULL;
}

// A property or a built-in field of the event, by its bare name.
static rvm_text_t event_field(rvm_gen_t *g, rvm_type_t want) {
    static const struct {
        const char *name;
        rvm_type_t type;
    } built_in[] = {{"type", RVM_STRING}, {"channel", RVM_STRING}, {"source", RVM_STRING},
                    {"id", RVM_STRING},   {"at", RVM_TIME},        {"day", RVM_DATE},
                    {"week", RVM_DATE},   {"hour", RVM_INT},       {"weekday", RVM_INT}};
    const rvm_schema_t *schema = &g->one->schema;
    const rvm_event_t *event = some_event(g);
    rvm_text_t e = {.text = NULL};
    int p = pick_field(g, schema->properties, schema->n_properties, want);
    if (p >= 0 && rvm_gen_chance(g, 70)) {
        e.text = rvm_gen_name(g, schema->properties[p].name);
        e.sample = event != NULL ? event->properties[p] : e.sample;
        return e;
    }
    for (int tries = 0; tries < 12; tries++) {
        int i = rvm_gen_below(g, 9);
        if (fits(built_in[i].type, want)) {
            e.text = built_in[i].name;
            if (event != NULL) {
                const rvm_value_t samples[] = {rvm_string(schema->types[event->type].name),
                                               rvm_string(event->channel == NULL ? "web" : event->channel),
                                               rvm_string(event->source),
                                               rvm_string(event->id),
                                               rvm_time(event->at),
                                               rvm_date(event->at / RVM_GEN_DAY),
                                               rvm_date(event->at / RVM_GEN_DAY - 2),
                                               rvm_int(rvm_gen_below(g, 24)),
                                               rvm_int(1 + rvm_gen_below(g, 7))};
                e.sample = samples[i];
            }
            return e;
        }
    }
    return e;
}

// ---- types and windows --------------------------------------------------------------------------------------------

static const char *type_name(rvm_gen_t *g) {
    const rvm_schema_t *schema = &g->one->schema;
    if (schema->n_groups > 0 && rvm_gen_chance(g, 30)) {
        return rvm_gen_name(g, schema->groups[rvm_gen_below(g, schema->n_groups)].name);
    }
    return rvm_gen_name(g, schema->types[rvm_gen_below(g, schema->n_types)].name);
}

const char *rvm_gen_types(rvm_gen_t *g) {
    if (rvm_gen_chance(g, 20)) {
        return rvm_gen_word(g, "any");
    }
    const char *text = type_name(g);
    while (rvm_gen_chance(g, 25)) {
        text = rvm_format(g->arena, "%s|%s", text, type_name(g));
    }
    return text;
}

const char *rvm_gen_length(rvm_gen_t *g) {
    static const int64_t lengths[] = {1000, 3600000, 86400000, 86400000, 86400000, 172800000};
    int64_t length = lengths[rvm_gen_below(g, 6)];
    rvm_value_t v = rvm_duration(length * (1 + rvm_gen_below(g, 30)));
    return rvm_gen_literal(g, &v);
}

// An instant that depends on the contact, in parentheses, or one that does not.
const char *rvm_gen_point(rvm_gen_t *g, int depth) {
    const rvm_param_t *param;
    rvm_value_t v;
    const char *text;
    switch (rvm_gen_below(g, 7)) {
    case 0:
        text = rvm_gen_word(g, "now");
        break;
    case 1:
    case 2:
        text = rvm_gen_length(g);
        text = rvm_format(g->arena, "%s %s", text, rvm_gen_word(g, "ago"));
        break;
    case 3:
        text = rvm_format(g->arena, "%s from now", rvm_gen_length(g));
        break;
    case 4:
        v = rvm_time(rvm_gen_instant(g));
        text = rvm_gen_literal(g, &v);
        break;
    case 5:
        param = rvm_gen_param(g, RVM_TIME, false);
        text = param != NULL ? rvm_format(g->arena, "$%s", param->name) : "now";
        break;
    default:
        text = "now";
        if (rvm_gen_has(g, RVM_GEN_INSTANTS) && depth > 0) {
            text = rvm_format(g->arena, "(%s)", rvm_gen_up_to(g, rvm_gen_time(g, depth - 1), LEVEL_SUM));
        }
    }
    while (rvm_gen_chance(g, 20)) {
        const char *sign = rvm_gen_chance(g, 50) ? "+" : "-";
        text = rvm_format(g->arena, "%s %s %s", text, sign, rvm_gen_length(g));
    }
    return text;
}

const char *rvm_gen_window(rvm_gen_t *g, int depth) {
    const rvm_param_t *span = rvm_gen_param(g, RVM_DURATION, false);
    const char *from = rvm_gen_word(g, "from"), *to = rvm_gen_word(g, "to"), *text;
    switch (rvm_gen_below(g, 10)) {
    case 0:
    case 1:
    case 2:
        if (span != NULL && rvm_gen_chance(g, 20)) {
            return rvm_format(g->arena, " within $%s", span->name);
        }
        text = rvm_gen_word(g, "within");
        return rvm_format(g->arena, " %s %s", text, rvm_gen_length(g));
    case 3:
    case 4:
        return rvm_format(g->arena, " %s %s", from, rvm_gen_point(g, depth));
    case 5:
        text = rvm_gen_point(g, depth);
        return rvm_format(g->arena, " %s %s %s %s", from, text, to, rvm_gen_point(g, depth));
    case 6:
        return rvm_format(g->arena, " %s %s", to, rvm_gen_point(g, depth));
    default:
        return "";
    }
}

// ---- selections ---------------------------------------------------------------------------------------------------

// In parentheses when it could run into what follows ("... > 30 days from now").
static const char *gen_where(rvm_gen_t *g, int depth) {
    if (!rvm_gen_chance(g, 35)) {
        return "";
    }
    g->in_where = true;
    const char *text = rvm_gen_bool(g, depth > 2 ? 2 : depth - 1).text;
    g->in_where = false;
    size_t n = strlen(text);
    bool duration = n > 0 && strchr("sSyYrRkKdDeE", text[n - 1]) != NULL;
    return rvm_format(g->arena, duration ? " %s (%s)" : " %s %s", rvm_gen_word(g, "where"), text);
}

const char *rvm_gen_selection(rvm_gen_t *g, int depth) {
    const char *types = rvm_gen_types(g), *where = gen_where(g, depth);
    return rvm_format(g->arena, "%s%s%s", types, where, rvm_gen_window(g, depth));
}

const char *rvm_gen_steps(rvm_gen_t *g, int depth) {
    const char *text = "";
    int n = 2 + rvm_gen_below(g, 3);
    for (int i = 0; i < n; i++) {
        const char *types = rvm_gen_types(g);
        text = rvm_format(g->arena, "%s%s%s%s", text, i > 0 ? " then " : "", types, gen_where(g, depth));
    }
    return text;
}

// ---- calls --------------------------------------------------------------------------------------------------------

// f of SEL, f being a field of the wanted type.
static const char *field_call(rvm_gen_t *g, const char *function, rvm_type_t want, int depth) {
    const char *field = event_field(g, want).text;
    if (field == NULL) {
        return NULL;
    }
    return rvm_format(g->arena, "%s(%s of %s)", function, field, rvm_gen_selection(g, depth));
}

static const char *number_call(rvm_gen_t *g, int depth) {
    static const char *const functions[] = {"sum", "min", "max", "avg", "first", "last"};
    static const rvm_type_t any[] = {RVM_INT, RVM_STRING, RVM_BOOL, RVM_TIME};
    int dice = rvm_gen_below(g, 10);
    if (dice < 3) {
        const char *count = rvm_gen_word(g, "count");
        return rvm_format(g->arena, "%s(%s)", count, rvm_gen_selection(g, depth));
    }
    if (dice == 3) {
        return field_call(g, "distinct", any[rvm_gen_below(g, 4)], depth);
    }
    if (dice == 4 && rvm_gen_has(g, RVM_GEN_FUNNEL)) {
        const char *steps = rvm_gen_steps(g, depth), *within = rvm_gen_length(g);
        return rvm_format(g->arena, "funnel(%s in %s%s)", steps, within, rvm_gen_window(g, depth));
    }
    if (dice == 5 && rvm_gen_has(g, RVM_GEN_SPLIT)) {
        int salt = rvm_gen_below(g, 3);
        return rvm_format(g->arena, "split('salt%d', %d)", salt, 1 + rvm_gen_below(g, 10));
    }
    return field_call(g, rvm_gen_word(g, functions[rvm_gen_below(g, 6)]), RVM_INT, depth);
}

static const char *other_call(rvm_gen_t *g, rvm_type_t want, int depth) {
    static const char *const functions[] = {"first", "last", "min", "max"};
    if (want == RVM_TIME && rvm_gen_chance(g, 60)) {
        const char *function = functions[rvm_gen_below(g, 2)];
        return rvm_format(g->arena, "%s(%s)", function, rvm_gen_selection(g, depth));
    }
    if (want == RVM_DURATION) {
        const char *recency = rvm_gen_word(g, "recency");
        return rvm_format(g->arena, "%s(%s)", recency, rvm_gen_selection(g, depth));
    }
    bool ordered = want == RVM_TIME || (want == RVM_STRING && rvm_gen_has(g, RVM_GEN_TEXT_ORDER));
    return field_call(g, functions[rvm_gen_below(g, ordered ? 4 : 2)], want, depth);
}

// A name or a call; the sample of a call is found by evaluating it. text is NULL when there is nothing of the type.
rvm_text_t rvm_gen_leaf(rvm_gen_t *g, rvm_type_t want, int depth) {
    rvm_text_t e = {.text = NULL};
    if (g->in_where) {
        e = rvm_gen_chance(g, 85) ? event_field(g, want) : attribute(g, want);
        return e.text != NULL ? e : event_field(g, want);
    }
    if (rvm_gen_chance(g, 45)) {
        e = attribute(g, want);
    }
    if (e.text == NULL) {
        e.text = want == RVM_INT ? number_call(g, depth) : other_call(g, want, depth);
        e.sample = e.text != NULL ? rvm_gen_sample(g, e.text) : e.sample;
    }
    return e.text != NULL ? e : attribute(g, want);
}

// gen_literal.c - names, words and literals as text, and literals that lie on or next to values which really occur.
//
// Structure: names and words; literals by type; samples, which ask the model itself for the value of an expression.
#include "exact.h"
#include "gen_internal.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

static bool is_plain(const char *name) {
    static const char *const reserved[] = {"and",    "or",   "not",      "in",      "is",   "between", "contains",
                                           "starts", "ends", "like",     "matches", "has",  "where",   "within",
                                           "from",   "to",   "followed", "then",    "with", "of",      "now",
                                           "ago",    "true", "false",    "asc",     "desc"};
    bool plain = isalpha((unsigned char)name[0]) || name[0] == '_';
    for (const char *p = name; *p != 0; p++) {
        plain = plain && (isalnum((unsigned char)*p) || *p == '_');
    }
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        plain = plain && strcasecmp(name, reserved[i]) != 0;
    }
    return plain;
}

const char *rvm_gen_name(rvm_gen_t *g, const char *name) {
    return is_plain(name) && rvm_gen_chance(g, 95) ? name : rvm_format(g->arena, "`%s`", name);
}

const char *rvm_gen_word(rvm_gen_t *g, const char *word) {
    if (rvm_gen_chance(g, 92)) {
        return word;
    }
    char *copy = rvm_copy(g->arena, word, strlen(word));
    bool all = rvm_gen_chance(g, 50);
    for (char *p = copy; *p != 0 && (all || p == copy); p++) {
        *p = (char)toupper((unsigned char)*p);
    }
    return copy;
}

const char *rvm_gen_quote(rvm_gen_t *g, const char *s) {
    char quote = rvm_gen_chance(g, 80) ? '\'' : '"';
    char *text = rvm_alloc(g->arena, 2 * strlen(s) + 3);
    size_t n = 0;
    text[n++] = quote;
    for (; *s != 0; s++) {
        text[n++] = *s;
        if (*s == quote) {
            text[n++] = quote;
        }
    }
    text[n] = quote;
    return text;
}

// ---- literals by type ---------------------------------------------------------------------------------------------

static const char *literal_decimal(rvm_gen_t *g, const rvm_value_t *value) {
    rvm_value_t v = *value;
    const rvm_i128_t much = (rvm_i128_t)1000000000000 * 1000000000000; // a literal has at most 38 digits
    if (v.n > much || v.n < -much || v.scale > 20) {
        return "1000000000000000000.5";
    }
    switch (rvm_gen_below(g, 5)) {
    case 0:
        v.n += 1;
        break;
    case 1:
        v.n -= 1;
        break;
    case 2: // half a unit beside: finer than the scale
        v.n = v.n * 10 + (rvm_gen_chance(g, 50) ? 5 : -5);
        v.scale++;
        break;
    default:
        break;
    }
    return rvm_show(g->arena, &v);
}

static const char *literal_double(rvm_gen_t *g, double d) {
    if (fabs(d) > 1e17 || (d != 0 && fabs(d) < 1e-15)) {
        return d > 0 ? "100000000000000000000" : "-0.000000000000000000001";
    }
    int digits = rvm_gen_chance(g, 50) ? 1 + rvm_gen_below(g, 4) : 1 + rvm_gen_below(g, 20);
    return rvm_format(g->arena, "%.*f", digits, d);
}

static const char *literal_time(rvm_gen_t *g, int64_t ms) {
    rvm_value_t v = rvm_time(ms + (rvm_gen_chance(g, 40) ? rvm_gen_below(g, 3) - 1 : 0));
    if (v.i < 0 || v.i > INT64_C(4000000000000)) {
        v.i = RVM_GEN_NOW; // the text of a year has four digits
    }
    if (v.i % RVM_GEN_DAY == 0 && rvm_gen_chance(g, 60)) {
        v = rvm_date(v.i / RVM_GEN_DAY);
        return rvm_show(g->arena, &v);
    }
    if (rvm_gen_chance(g, 20)) { // the same instant with another offset
        rvm_value_t shifted = rvm_time(v.i + 5400000);
        const char *text = rvm_show(g->arena, &shifted);
        return rvm_format(g->arena, "%.*s+01:30", (int)strlen(text) - 1, text);
    }
    return rvm_show(g->arena, &v);
}

static const char *literal_duration(rvm_gen_t *g, int64_t ms) {
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{604800000, "week"}, {86400000, "day"}, {3600000, "hour"}, {60000, "minute"}, {1000, "second"}};
    int64_t length = ms < 0 ? -ms : ms;
    size_t u = 0;
    while (u < 4 && (length % units[u].ms != 0 || rvm_gen_chance(g, 20))) {
        u++;
    }
    int64_t n = length / units[u].ms + (rvm_gen_chance(g, 30) ? rvm_gen_below(g, 2) : 0);
    const char *plural = n != 1 || rvm_gen_chance(g, 30) ? "s" : "";
    return rvm_format(g->arena, "%s%lld %s%s", ms < 0 ? "-" : "", (long long)n, rvm_gen_word(g, units[u].name), plural);
}

static const char *literal_int(rvm_gen_t *g, int64_t i) {
    int64_t near = 0;
    if (__builtin_add_overflow(i, rvm_gen_chance(g, 50) ? 0 : rvm_gen_below(g, 3) - 1, &near)) {
        near = i;
    }
    return rvm_format(g->arena, "%lld%s", (long long)near, rvm_gen_chance(g, 10) ? ".5" : "");
}

const char *rvm_gen_literal(rvm_gen_t *g, const rvm_value_t *value) {
    int64_t year;
    int month, day;
    switch (value->type) {
    case RVM_BOOL:
        return rvm_gen_word(g, value->b ? "true" : "false");
    case RVM_INT:
        return literal_int(g, value->i);
    case RVM_DECIMAL:
        return literal_decimal(g, value);
    case RVM_DOUBLE:
        return literal_double(g, value->d);
    case RVM_STRING:
        return rvm_gen_quote(g, value->s);
    case RVM_TIME:
        return literal_time(g, value->i);
    case RVM_DATE:
        rvm_civil_from_days(value->i, &year, &month, &day);
        return rvm_format(g->arena, "%04d-%02d-%02d", (int)year, month, day);
    case RVM_DURATION:
        return literal_duration(g, value->i);
    default:
        return "0";
    }
}

// ---- samples ------------------------------------------------------------------------------------------------------

rvm_value_t rvm_gen_sample(rvm_gen_t *g, const char *expression) {
    const rvm_data_t *data = g->one->data;
    rvm_world_t world = rvm_case_world(g->one, data, g->as_of);
    rvm_value_t found = rvm_missing();
    for (int tries = 0; tries < 4 && found.type == RVM_MISSING && data->n_contacts > 0; tries++) {
        rvm_table_t table;
        rvm_error_t error;
        int contact = rvm_gen_below(g, data->n_contacts);
        rvm_status_t status = rvm_values(g->arena, &world, expression, contact, &table, &error);
        if (status != RVM_OK) {
            return found; // overflow: no sample. Anything else shows when the request runs.
        }
        found = table.cells[0];
    }
    return found;
}

const rvm_param_t *rvm_gen_param(rvm_gen_t *g, rvm_type_t type, bool list) {
    const rvm_param_t *found = NULL;
    if (!rvm_gen_has(g, RVM_GEN_PARAM)) {
        return NULL;
    }
    for (int i = 0; i < g->one->n_params; i++) {
        const rvm_param_t *p = &g->one->params[i];
        bool fits = p->list == list && (p->n == 0 || p->values[0].type == type);
        if (fits && (found == NULL || rvm_gen_chance(g, 50))) {
            found = p;
        }
    }
    return found;
}

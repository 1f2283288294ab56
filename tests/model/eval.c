// eval.c - the value of a checked syntax tree for one contact at one instant.
//
// Structure: one function for each family of nodes and a switch. Nothing is skipped: both sides of and / or are always
// evaluated, so an overflow anywhere is noticed. Missing is a value like any other until a test turns it into false.
#include "ast.h"
#include "exact.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include <xxhash.h>

bool rvm_in_population(const rvm_world_t *world, const rvm_contact_t *contact, int64_t instant) {
    int created = world->data->schema->created;
    if (created < 0 || contact->values[created].type == RVM_MISSING) {
        return true;
    }
    return rvm_instant(&contact->values[created]) <= instant;
}

bool rvm_true(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t v = rvm_eval(c, node);
    return v.type == RVM_BOOL && v.b;
}

// ---- conditions ---------------------------------------------------------------------------------------------------

static rvm_value_t eval_logic(const rvm_context_t *c, const rvm_node_t *node) {
    int yes = 0;
    for (int i = 0; i < node->n; i++) {
        yes += rvm_true(c, node->kid[i]);
    }
    switch (node->kind) {
    case RVM_NODE_OR:
        return rvm_bool(yes > 0);
    case RVM_NODE_AND:
        return rvm_bool(yes == node->n);
    default:
        return rvm_bool(yes == 0); // not
    }
}

static rvm_value_t eval_compare(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t a = rvm_eval(c, node->kid[0]), b = rvm_eval(c, node->kid[1]);
    if (a.type == RVM_MISSING || b.type == RVM_MISSING) {
        return rvm_bool(false);
    }
    int order = rvm_compare(&a, &b);
    switch (node->op) {
    case '=':
        return rvm_bool(order == 0);
    case '!':
        return rvm_bool(order != 0);
    case '<':
        return rvm_bool(order < 0);
    case 'l':
        return rvm_bool(order <= 0);
    case '>':
        return rvm_bool(order > 0);
    default:
        return rvm_bool(order >= 0);
    }
}

static rvm_value_t eval_in(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t a = rvm_eval(c, node->kid[0]);
    const rvm_param_t *list = node->kid[1]->kind == RVM_NODE_PARAM ? node->kid[1]->param : NULL;
    bool found = false;
    if (a.type == RVM_MISSING) {
        return rvm_bool(false);
    }
    for (int i = 0; list != NULL && i < list->n; i++) {
        found = found || rvm_compare(&a, &list->values[i]) == 0;
    }
    for (int i = 1; list == NULL && i < node->n; i++) {
        rvm_value_t item = rvm_eval(c, node->kid[i]);
        found = found || rvm_compare(&a, &item) == 0;
    }
    return rvm_bool(found != node->negated);
}

static rvm_value_t eval_between(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t a = rvm_eval(c, node->kid[0]), low = rvm_eval(c, node->kid[1]), high = rvm_eval(c, node->kid[2]);
    if (a.type == RVM_MISSING || low.type == RVM_MISSING || high.type == RVM_MISSING) {
        return rvm_bool(false);
    }
    bool inside = rvm_compare(&a, &low) >= 0 && rvm_compare(&a, &high) <= 0;
    return rvm_bool(inside != node->negated);
}

static size_t code_point_length(const char *s) {
    size_t n = 1;
    while (((unsigned char)s[n] & 0xC0) == 0x80) {
        n++;
    }
    return n;
}

// The whole text against a pattern of % (any characters) and _ (one code point).
static bool like(const char *text, const char *pattern) {
    if (*pattern == 0) {
        return *text == 0;
    }
    if (*pattern == '%') {
        return like(text, pattern + 1) || (*text != 0 && like(text + code_point_length(text), pattern));
    }
    if (*text == 0) {
        return false;
    }
    if (*pattern == '_') {
        return like(text + code_point_length(text), pattern + 1);
    }
    return *text == *pattern && like(text + 1, pattern + 1);
}

static rvm_value_t eval_text(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t a = rvm_eval(c, node->kid[0]), b = rvm_eval(c, node->kid[1]);
    if (a.type == RVM_MISSING || b.type == RVM_MISSING) {
        return rvm_bool(false);
    }
    size_t n = strlen(a.s), m = strlen(b.s);
    bool yes = false;
    switch (node->op) {
    case 'c':
        yes = strstr(a.s, b.s) != NULL;
        break;
    case 's':
        yes = n >= m && memcmp(a.s, b.s, m) == 0;
        break;
    case 'e':
        yes = n >= m && memcmp(a.s + (n - m), b.s, m) == 0;
        break;
    default:
        yes = like(a.s, b.s);
    }
    return rvm_bool(yes != node->negated);
}

static rvm_value_t eval_is_set(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t a = rvm_eval(c, node->kid[0]);
    bool set = a.type == RVM_SET ? a.n_items > 0 : a.type != RVM_MISSING;
    return rvm_bool(set != node->negated);
}

// ---- names --------------------------------------------------------------------------------------------------------

static rvm_value_t company_value(const rvm_context_t *c, const rvm_node_t *node) {
    const rvm_data_t *data = c->world->data;
    rvm_value_t key = c->contact->values[data->schema->company];
    if (node->reference == RVM_REF_COMPANY_KEY || key.type == RVM_MISSING) {
        return key;
    }
    int i = rvm_find_company(data, key.s);
    return i < 0 ? rvm_missing() : data->companies[i].values[node->index];
}

static rvm_value_t eval_path(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t v;
    switch (node->reference) {
    case RVM_REF_ATTRIBUTE:
        v = c->contact->values[node->index];
        return v.type == RVM_MISSING && node->type == RVM_SET ? rvm_set(c->arena, NULL, 0) : v;
    case RVM_REF_KEY:
        return rvm_string(c->contact->key);
    case RVM_REF_COMPANY:
    case RVM_REF_COMPANY_KEY:
        return company_value(c, node);
    default:
        return rvm_event_value(c->event, c->world->data->schema, node->reference, node->index);
    }
}

// ---- instants -----------------------------------------------------------------------------------------------------

static rvm_value_t eval_offset(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t now = rvm_time(c->now);
    return rvm_arith('+', &now, &node->value, c->overflow);
}

static rvm_value_t eval_at(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t instant = rvm_eval(c, node->kid[1]); // with the outer T
    if (instant.type == RVM_MISSING) {
        return node->type == RVM_BOOL ? rvm_bool(false) : rvm_missing();
    }
    rvm_context_t then = *c;
    then.now = rvm_instant(&instant);
    then.seen = then.now < c->seen ? then.now : c->seen;
    rvm_value_t v = rvm_eval(&then, node->kid[0]);
    if (node->type == RVM_BOOL && !rvm_in_population(c->world, c->contact, then.now)) {
        return rvm_bool(false);
    }
    return v;
}

// ---- functions ----------------------------------------------------------------------------------------------------

static rvm_value_t eval_segment(const rvm_context_t *c, const rvm_node_t *node) {
    bool in = rvm_in_population(c->world, c->contact, c->now);
    return rvm_bool((node->n == 0 || rvm_true(c, node->kid[0])) && in);
}

static rvm_value_t eval_split(const rvm_context_t *c, const rvm_node_t *node) {
    size_t n = strlen(node->name), m = strlen(c->contact->key);
    char *bytes = rvm_alloc(c->arena, n + 1 + m);
    memcpy(bytes, node->name, n);
    memcpy(bytes + n + 1, c->contact->key, m); // between them one zero byte
    return rvm_int((int64_t)(XXH3_64bits(bytes, n + 1 + m) % (uint64_t)node->value.i));
}

static rvm_value_t eval_bucket(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t x = rvm_eval(c, node->kid[0]);
    int64_t edges = 0;
    if (x.type == RVM_MISSING) {
        return x;
    }
    for (int i = 1; i < node->n; i++) {
        rvm_value_t edge = rvm_eval(c, node->kid[i]);
        edges += rvm_compare(&edge, &x) <= 0;
    }
    return rvm_int(edges);
}

// Letters of ASCII and of Latin-1, which is all that cases hold; in UTF-8 the latter are 0xC3 and a second byte. Upper
// and lower case differ in one bit.
static rvm_value_t change_case(const rvm_context_t *c, const char *text, bool upper) {
    char *copy = rvm_copy(c->arena, text, strlen(text));
    for (char *p = copy; *p != 0; p++) {
        unsigned char byte = (unsigned char)*p;
        bool latin = p > copy && (unsigned char)p[-1] == 0xC3;
        unsigned char letter = latin ? (unsigned char)(byte - 0x80) : (unsigned char)(byte - 'A'); // 0: the first one
        unsigned char least = upper ? 0x20 : 0, most = latin ? 30 : 25;
        bool sign = latin && (byte == 0x97 || byte == 0xB7); // multiplied and divided by
        if ((byte < 0x80 || latin) && letter >= least && letter <= least + most && !sign) {
            *p = (char)(byte ^ 0x20);
        }
    }
    return rvm_string(copy);
}

static rvm_value_t eval_coalesce(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t found = rvm_missing();
    for (int i = 0; i < node->n; i++) {
        rvm_value_t v = rvm_eval(c, node->kid[i]);
        found = found.type == RVM_MISSING ? v : found;
    }
    if (found.type == RVM_MISSING || found.type == node->type) {
        return found.type == RVM_DECIMAL ? rvm_rescale(&found, node->scale, c->overflow) : found;
    }
    switch (node->type) {
    case RVM_DECIMAL:
        return rvm_rescale(&found, node->scale, c->overflow);
    case RVM_DOUBLE:
        return rvm_to_double(&found);
    default: // a date among times
        return rvm_time(rvm_instant(&found));
    }
}

static rvm_value_t day_of_month(const rvm_value_t *a) {
    int64_t year, days = a->type == RVM_DATE ? a->i : rvm_floor_div(a->i, 86400000);
    int month, day;
    rvm_civil_from_days(days, &year, &month, &day);
    return rvm_int(day);
}

static rvm_value_t eval_scalar(const rvm_context_t *c, const rvm_node_t *node) {
    const char *f = node->name;
    if (strcasecmp(f, "coalesce") == 0) {
        return eval_coalesce(c, node);
    }
    rvm_value_t a = rvm_eval(c, node->kid[0]), zero = rvm_int(0);
    if (a.type == RVM_MISSING) {
        return a;
    }
    if (strcasecmp(f, "lower") == 0) {
        return change_case(c, a.s, false);
    }
    if (strcasecmp(f, "upper") == 0) {
        return change_case(c, a.s, true);
    }
    if (strcasecmp(f, "length") == 0) {
        int64_t n = 0;
        for (const char *p = a.s; *p != 0; p += code_point_length(p)) {
            n++;
        }
        return rvm_int(n);
    }
    if (strcasecmp(f, "round") == 0) {
        return rvm_round(&a, c->overflow);
    }
    if (strcasecmp(f, "floor") == 0) {
        return rvm_floor(&a, c->overflow);
    }
    if (strcasecmp(f, "day") == 0) {
        return day_of_month(&a);
    }
    bool negative = a.type == RVM_DURATION ? a.i < 0 : rvm_compare(&a, &zero) < 0; // abs
    return negative ? rvm_negate(&a, c->overflow) : a;
}

static rvm_value_t eval_arith(const rvm_context_t *c, const rvm_node_t *node) {
    rvm_value_t a = rvm_eval(c, node->kid[0]);
    if (node->kind == RVM_NODE_NEGATE) {
        return rvm_negate(&a, c->overflow);
    }
    rvm_value_t b = rvm_eval(c, node->kid[1]);
    return rvm_arith(node->op, &a, &b, c->overflow);
}

rvm_value_t rvm_eval(const rvm_context_t *c, const rvm_node_t *node) {
    switch (node->kind) {
    case RVM_NODE_OR:
    case RVM_NODE_AND:
    case RVM_NODE_NOT:
        return eval_logic(c, node);
    case RVM_NODE_COMPARE:
        return eval_compare(c, node);
    case RVM_NODE_IN:
        return eval_in(c, node);
    case RVM_NODE_BETWEEN:
        return eval_between(c, node);
    case RVM_NODE_TEXT:
        return eval_text(c, node);
    case RVM_NODE_IS_SET:
        return eval_is_set(c, node);
    case RVM_NODE_ARITH:
    case RVM_NODE_NEGATE:
        return eval_arith(c, node);
    case RVM_NODE_AT:
        return eval_at(c, node);
    case RVM_NODE_LITERAL:
    case RVM_NODE_PARAM:
        return node->value;
    case RVM_NODE_NOW:
        return rvm_time(c->now);
    case RVM_NODE_OFFSET:
        return eval_offset(c, node);
    case RVM_NODE_PATH:
        return eval_path(c, node);
    case RVM_NODE_AGGREGATE:
        return rvm_eval_aggregate(c, node);
    case RVM_NODE_FUNNEL:
        return rvm_eval_funnel(c, &node->steps, node->kid[0]->value.i, &node->window);
    case RVM_NODE_SCORE:
        return rvm_eval_score(c, &c->world->data->schema->models[node->index]);
    case RVM_NODE_SEGMENT:
        return eval_segment(c, node);
    case RVM_NODE_SPLIT:
        return eval_split(c, node);
    case RVM_NODE_BUCKET:
        return eval_bucket(c, node);
    case RVM_NODE_SCALAR:
        return eval_scalar(c, node);
    default:
        return rvm_missing(); // the check refused it
    }
}

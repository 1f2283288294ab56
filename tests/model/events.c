// events.c - everything that looks at a contact's events: selections, aggregates, funnels, scores.
//
// Structure: fields of an event; is an event inside a window; which events a selection takes; what is made of them.
// A contact's events are kept in the order (time, source, id, type), so the first one taken is the first event.
#include "ast.h"
#include "exact.h"

#include <math.h>
#include <string.h>

#define DAY INT64_C(86400000)

static rvm_value_t built_in(const rvm_event_t *event, const rvm_schema_t *schema, rvm_event_field_t field) {
    int64_t days = rvm_floor_div(event->at, DAY);
    int64_t weekday = days + 3 - 7 * rvm_floor_div(days + 3, 7); // 0 is Monday; 1970-01-01 was a Thursday
    switch (field) {
    case RVM_FIELD_TYPE:
        return rvm_string(schema->types[event->type].name);
    case RVM_FIELD_CHANNEL:
        return event->channel == NULL ? rvm_missing() : rvm_string(event->channel);
    case RVM_FIELD_AT:
        return rvm_time(event->at);
    case RVM_FIELD_DAY:
        return rvm_date(days);
    case RVM_FIELD_WEEK:
        return rvm_date(days - weekday);
    case RVM_FIELD_HOUR:
        return rvm_int((event->at - days * DAY) / 3600000);
    case RVM_FIELD_WEEKDAY:
        return rvm_int(weekday + 1);
    case RVM_FIELD_SOURCE:
        return rvm_string(event->source);
    case RVM_FIELD_ID:
        return rvm_string(event->id);
    default:
        return rvm_missing(); // month: refused
    }
}

rvm_value_t rvm_event_value(const rvm_event_t *event, const rvm_schema_t *schema, rvm_reference_t reference,
                            int index) {
    if (reference == RVM_REF_PROPERTY) {
        return event->properties[index];
    }
    return built_in(event, schema, (rvm_event_field_t)index);
}

// ---- windows ------------------------------------------------------------------------------------------------------

typedef struct bounds {
    rvm_window_kind_t kind;
    bool missing; // a bound is missing
    rvm_i128_t within;
    bool has_from, has_to;
    int64_t from, to;
} bounds_t;

static int64_t bound(const rvm_context_t *c, const rvm_node_t *node, bool *ret_missing) {
    rvm_value_t v = rvm_eval(c, node);
    if (v.type == RVM_MISSING) {
        *ret_missing = true;
        return 0;
    }
    return rvm_instant(&v);
}

static bounds_t bounds_of(const rvm_context_t *c, const rvm_window_t *window) {
    bounds_t b = {.kind = window->kind};
    if (window->within != NULL) {
        b.within = rvm_eval(c, window->within).i;
    }
    if (window->from != NULL) {
        b.has_from = true;
        b.from = bound(c, window->from, &b.missing);
    }
    if (window->to != NULL) {
        b.has_to = true;
        b.to = bound(c, window->to, &b.missing);
    }
    return b;
}

// within D: (T-D, T]; from A to B: [A, B); from A: [A, T]; to B: before B; none: up to T. Never later than `seen`.
static bool inside(const rvm_context_t *c, const bounds_t *b, int64_t at) {
    if (at > c->now || at > c->seen) {
        return false;
    }
    switch (b->kind) {
    case RVM_WINDOW_WITHIN:
        return at > c->now - b->within;
    case RVM_WINDOW_RANGE:
        return (!b->has_from || at >= b->from) && (!b->has_to || at < b->to);
    default:
        return true;
    }
}

bool rvm_selects(const rvm_context_t *c, const rvm_selection_t *selection, const rvm_event_t *event) {
    if ((selection->types >> event->type & 1) == 0) {
        return false;
    }
    rvm_context_t here = *c;
    here.event = event;
    return selection->where == NULL || rvm_true(&here, selection->where);
}

static bool is_of_event(const rvm_node_t *node) {
    bool found =
        node->kind == RVM_NODE_PATH && (node->reference == RVM_REF_PROPERTY || node->reference == RVM_REF_EVENT);
    for (int i = 0; i < node->n && !found; i++) {
        found = is_of_event(node->kid[i]);
    }
    return found;
}

// What a condition says of the contact alone is evaluated without any event too: an overflow there is one.
static void see_contact_parts(const rvm_context_t *c, const rvm_node_t *where) {
    if (where == NULL) {
        return;
    }
    if (!is_of_event(where)) {
        rvm_eval(c, where);
        return;
    }
    for (int i = 0; i < where->n; i++) {
        see_contact_parts(c, where->kid[i]);
    }
}

// The events of a selection, in order.
static int take(const rvm_context_t *c, const rvm_selection_t *selection, const bounds_t *b,
                const rvm_event_t **taken) {
    int n = 0;
    for (int i = 0; i < c->contact->n_events; i++) {
        const rvm_event_t *event = &c->contact->events[i];
        if (inside(c, b, event->at) && rvm_selects(c, selection, event)) {
            taken[n++] = event;
        }
    }
    return n;
}

// ---- aggregates ---------------------------------------------------------------------------------------------------

static rvm_value_t extreme(const rvm_value_t *values, int n, int sign) {
    rvm_value_t best = rvm_missing();
    for (int i = 0; i < n; i++) {
        if (values[i].type != RVM_MISSING && (best.type == RVM_MISSING || sign * rvm_compare(&values[i], &best) > 0)) {
            best = values[i];
        }
    }
    return best;
}

static int64_t different(const rvm_value_t *values, int n) {
    int64_t count = 0;
    for (int i = 0; i < n; i++) {
        bool seen = values[i].type == RVM_MISSING;
        for (int k = 0; k < i; k++) {
            seen = seen || rvm_same(&values[i], &values[k]);
        }
        count += !seen;
    }
    return count;
}

static rvm_value_t of_field(const rvm_context_t *c, const rvm_node_t *node, const rvm_event_t *const *taken, int n) {
    const rvm_schema_t *schema = c->world->data->schema;
    rvm_value_t *values = rvm_alloc(c->arena, (size_t)n * sizeof *values);
    rvm_type_t type = RVM_INT;
    int scale = 0;
    rvm_sum_t sum;
    for (int i = 0; i < n; i++) {
        values[i] = rvm_event_value(taken[i], schema, node->reference, node->index);
    }
    if (node->reference == RVM_REF_PROPERTY) {
        type = schema->properties[node->index].type;
        scale = schema->properties[node->index].scale;
    }
    switch (node->aggregate) {
    case RVM_AGG_FIRST:
        return n == 0 ? rvm_missing() : values[0];
    case RVM_AGG_LAST:
        return n == 0 ? rvm_missing() : values[n - 1];
    case RVM_AGG_MIN:
        return extreme(values, n, -1);
    case RVM_AGG_MAX:
        return extreme(values, n, 1);
    case RVM_AGG_DISTINCT:
        return rvm_int(different(values, n));
    default: // sum, avg
        rvm_sum_start(&sum, type, scale);
        for (int i = 0; i < n; i++) {
            rvm_sum_add(&sum, &values[i]);
        }
        return node->aggregate == RVM_AGG_SUM ? rvm_sum_total(&sum, c->overflow) : rvm_sum_average(&sum, c->overflow);
    }
}

rvm_value_t rvm_eval_aggregate(const rvm_context_t *c, const rvm_node_t *node) {
    bounds_t b = bounds_of(c, &node->selection->window);
    see_contact_parts(c, node->selection->where);
    if (b.missing) {
        return node->aggregate == RVM_AGG_EXISTS ? rvm_bool(false) : rvm_missing();
    }
    const rvm_event_t **taken = rvm_alloc(c->arena, (size_t)c->contact->n_events * sizeof(rvm_event_t *));
    int n = take(c, node->selection, &b, taken);
    if (node->field != NULL) {
        return of_field(c, node, taken, n);
    }
    rvm_value_t now = rvm_time(c->now), last = n == 0 ? rvm_missing() : rvm_time(taken[n - 1]->at);
    switch (node->aggregate) {
    case RVM_AGG_COUNT:
        return rvm_int(n);
    case RVM_AGG_EXISTS:
        return rvm_bool(n > 0);
    case RVM_AGG_FIRST:
        return n == 0 ? rvm_missing() : rvm_time(taken[0]->at);
    case RVM_AGG_LAST:
        return last;
    default: // recency
        return rvm_arith('-', &now, &last, c->overflow);
    }
}

// ---- score and funnel ---------------------------------------------------------------------------------------------

// Sum over events up to T of round(points * 2^(-(T - t) / half_life) * 2^32), as a whole number, divided by 2^32.
// The power is a long double (64 bits of mantissa): its error is below 2^-20 of a unit of 2^-32 for scores up to 2^10.
// An evaluation in double can be wrong by some 2^-10 of a unit, so it rounds to the neighbouring unit when the true
// value is that close to the middle between two: allow one unit of 2^-32 for each event when scores are compared.
rvm_value_t rvm_eval_score(const rvm_context_t *c, const rvm_score_model_t *model) {
    rvm_i128_t total = 0;
    for (int i = 0; i < c->contact->n_events; i++) {
        const rvm_event_t *event = &c->contact->events[i];
        if (event->at > c->now || event->at > c->seen || (model->types >> event->type & 1) == 0) {
            continue;
        }
        long double age = (long double)c->now - (long double)event->at;
        long double part = (long double)model->points[event->type] * exp2l(-age / (long double)model->half_life);
        total += llrintl(part * 4294967296.0L); // nearest, ties to even: the default rounding mode
    }
    if (total > INT64_MAX || total < INT64_MIN) {
        *c->overflow = true;
        return rvm_missing();
    }
    rvm_big_t p, q;
    rvm_big_set(&p, total);
    rvm_big_set(&q, INT64_C(1) << 32);
    return rvm_double(rvm_big_ratio(&p, &q));
}

// Steps done when the first one is `start`: of each further step the earliest event that is strictly later counts,
// because an earlier event never leaves less room for the rest.
static int64_t steps_from(const rvm_context_t *c, const rvm_steps_t *steps, rvm_i128_t within,
                          const rvm_event_t *start) {
    int64_t before = start->at;
    for (int k = 1; k < steps->n; k++) {
        const rvm_event_t *next = NULL;
        for (int i = 0; i < c->contact->n_events && next == NULL; i++) {
            const rvm_event_t *event = &c->contact->events[i];
            bool in_time = event->at > before && event->at <= start->at + within && event->at <= c->seen;
            next = in_time && rvm_selects(c, steps->step[k], event) ? event : NULL;
        }
        if (next == NULL) {
            return k;
        }
        before = next->at;
    }
    return steps->n;
}

rvm_value_t rvm_eval_funnel(const rvm_context_t *c, const rvm_steps_t *steps, int64_t within,
                            const rvm_window_t *window) {
    bounds_t b = bounds_of(c, window);
    int64_t best = 0;
    for (int k = 0; k < steps->n; k++) {
        see_contact_parts(c, steps->step[k]->where);
    }
    if (b.missing) {
        return rvm_missing();
    }
    for (int i = 0; i < c->contact->n_events; i++) {
        const rvm_event_t *start = &c->contact->events[i];
        if (inside(c, &b, start->at) && rvm_selects(c, steps->step[0], start)) {
            int64_t done = steps_from(c, steps, within, start);
            best = done > best ? done : best;
        }
    }
    return rvm_int(best);
}

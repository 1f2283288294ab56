/* test_exec_random.c: random events, chunk sizes, pieces and encodings: aggregates against loops over the plain events.
 * The seed is printed when a case fails; REVEILLE_SEED runs one seed. */
#include "exec_case.h"

#include <math.h>

#define ROWS 50u
#define EVENTS 600u
static fake_row_t rows[ROWS];
static fake_event_t events[EVENTS];
static char keys[ROWS][8], ids[EVENTS][12];
static uint64_t random_state;

static uint32_t below(uint32_t n) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((random_state >> 33) % n);
}

static const char *const topics[] = {"t0", "t1", "t2", "T1", ""};
static const char *const channels[] = {"web", "email", NULL};

static void make(uint64_t seed) {
    static const uint32_t chunk_rows[] = {2, 8, 64, 65536};
    random_state = seed;
    exec_begin(chunk_rows[below(4)]);
    memset(rows, 0, sizeof rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%02u", i);
        rows[i] = (fake_row_t){.key = keys[i], .dead = below(10) == 0};
        if (below(4))
            rows[i].values[SIGNED_UP] = an_int(NOW - below(20) * DAY / 2);
        if (below(3))
            rows[i].values[AGE] = an_int(below(60));
        rows[i].values[COUNTRY] = fake_text(topics[below(5)]);
    }
    view.rows = rows;
    view.n_rows = ROWS - below(10);
    view.events = events;
    view.n_events = below(4) ? EVENTS : below(40);
    view.n_pieces = 1 + below(4);
    view.sorted = below(view.n_pieces + 1);
    view.variation = below(12);
    uint32_t unit = below(2) ? 1 : below(2) ? 1000 : (uint32_t)DAY / 2;
    for (uint32_t i = 0; i < view.n_events; i++) {
        snprintf(ids[i], sizeof ids[i], "%c%u", below(5) ? 'e' : 'x', below(2) ? i : i % 7);
        fake_event_t *e = &events[i];
        *e = (fake_event_t){.row = below(view.n_rows),
                            .type = 1 + below(3),
                            .channel = channels[below(3)],
                            .source = below(3) ? "" : "s",
                            .id = ids[i],
                            .order = below(1000),
                            .piece = below(12)};
        e->time = NOW + DAY - (int64_t)(below((uint32_t)(20 * DAY / unit + 1)) * (uint64_t)unit);
        if (below(3))
            e->properties[TOPIC] = fake_text(topics[below(5)]);
        if (below(3))
            e->properties[VALUE] = a_decimal((int64_t)below(100000) - 50000);
        if (below(3))
            e->properties[QTY] = an_int(below(5) ? below(10) : (int64_t)1 << below(40));
        if (below(3))
            e->properties[RATE] = a_double((below(2000) - 1000.0) / (1 + below(7)));
        if (below(3))
            e->properties[FLAG] = an_int(below(2));
    }
}

/* The three parts of a selection: each a text and what it means. */
static const struct {
    const char *text;
    uint32_t bits;
} types[] = {{"purchase", 2}, {"click", 4}, {"engaged", 12}, {"any", 14}, {"purchase|view", 10}};

static bool is_topic(const fake_event_t *e, const char *topic) {
    return e->properties[TOPIC].present && strcmp(e->properties[TOPIC].s.p, topic) == 0;
}
static bool all(const fake_event_t *e) {
    (void)e;
    return true;
}
static bool where_topic(const fake_event_t *e) {
    return is_topic(e, "t1");
}
static bool where_topics(const fake_event_t *e) {
    return is_topic(e, "t2") || is_topic(e, "") || is_topic(e, "t0");
}
static bool where_not_topic(const fake_event_t *e) {
    return !is_topic(e, "t1");
}
static bool where_after(const fake_event_t *e) {
    return e->properties[TOPIC].present && strcmp(e->properties[TOPIC].s.p, "t0") > 0;
}
static bool where_lower(const fake_event_t *e) {
    return is_topic(e, "t1") || is_topic(e, "T1");
}
static bool where_mixed(const fake_event_t *e) {
    return (e->channel && strcmp(e->channel, "web") == 0) ||
           (e->type == CLICK && e->properties[QTY].present && e->properties[QTY].i > 3);
}
static bool where_value(const fake_event_t *e) {
    return e->properties[VALUE].present && e->properties[VALUE].wide > 12345 && e->properties[VALUE].wide <= 40000;
}
static bool where_rate(const fake_event_t *e) {
    return e->properties[RATE].present && e->properties[QTY].present &&
           e->properties[RATE].d < (double)e->properties[QTY].i;
}
static bool where_contact(const fake_event_t *e) {
    return rows[e->row].values[AGE].present && e->properties[QTY].present &&
           e->properties[QTY].i + 1 < rows[e->row].values[AGE].i;
}
static bool where_never(const fake_event_t *e) {
    (void)e;
    return false;
}
static const struct {
    const char *text;
    bool (*holds)(const fake_event_t *e);
} wheres[] = {{"", all},
              {" where topic = 't1'", where_topic},
              {" where topic in ('t0', 't2', '', 'zz')", where_topics},
              {" where not (topic = 't1')", where_not_topic},
              {" where 't0' < topic", where_after},
              {" where lower(topic) like 't1'", where_lower},
              {" where channel = 'web' or (type = 'click' and qty > 3)", where_mixed},
              {" where value > 123.45 and value <= 400.004", where_value},
              {" where rate < qty", where_rate},
              {" where qty + 1 < contact.age", where_contact},
              {" where type = 'nothing' and topic = 't1'", where_never}};

/* [lo, hi] of a row; false: missing. */
static bool whole(const fake_row_t *row, int64_t *lo, int64_t *hi) {
    (void)row;
    *lo = INT64_MIN;
    *hi = NOW;
    return true;
}
static bool within(const fake_row_t *row, int64_t *lo, int64_t *hi) {
    whole(row, lo, hi);
    *lo = NOW - 5 * DAY + 1;
    return true;
}
static bool between(const fake_row_t *row, int64_t *lo, int64_t *hi) {
    (void)row;
    *lo = NOW - 10 * DAY;
    *hi = NOW - 3 * DAY - 1;
    return true;
}
static bool since_sign_up(const fake_row_t *row, int64_t *lo, int64_t *hi) {
    *lo = row->values[SIGNED_UP].i;
    *hi = NOW;
    return row->values[SIGNED_UP].present;
}
static bool before_sign_up(const fake_row_t *row, int64_t *lo, int64_t *hi) {
    *lo = NOW - 8 * DAY;
    *hi = row->values[SIGNED_UP].i - 1;
    return row->values[SIGNED_UP].present;
}
static const struct {
    const char *text;
    bool (*ends)(const fake_row_t *row, int64_t *lo, int64_t *hi);
} windows[] = {{"", whole},
               {" within 5 days", within},
               {" from 10 days ago to 3 days ago", between},
               {" from (signed_up)", since_sign_up},
               {" from 8 days ago to (signed_up)", before_sign_up}};

static int order_of(const fake_event_t *x, const fake_event_t *y) {
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    int order = strcmp(x->source, y->source);
    order = order ? order : strcmp(x->id, y->id);
    return order ? order : (x->type > y->type) - (x->type < y->type);
}

/* Identities are unique, as the store keeps them. */
static void drop_doubles(void) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < view.n_events; i++) {
        bool again = false;
        for (uint32_t k = 0; k < n && !again; k++)
            again = events[k].row == events[i].row && order_of(&events[k], &events[i]) == 0;
        if (!again)
            events[n++] = events[i];
    }
    view.n_events = n;
}

static void number(const rv_value_t *v, rv_type_t type, unsigned scale, char *out) {
    if (!v->present)
        strcpy(out, "-");
    else if (type == RV_STRING)
        sprintf(out, "%.*s", (int)v->s.n, v->s.p);
    else if (type == RV_DOUBLE)
        out[rv_double_format(v->d, out)] = 0;
    else if (type == RV_DECIMAL)
        out[rv_decimal_format(v->wide, scale, out)] = 0;
    else if (type == RV_BOOL)
        strcpy(out, v->i ? "true" : "false");
    else
        sprintf(out, "%lld", (long long)v->i);
}

static int compare_values(rv_type_t type, const rv_value_t *x, const rv_value_t *y) {
    if (type == RV_STRING)
        return rv_str_compare(x->s, y->s);
    if (type == RV_DOUBLE)
        return (x->d > y->d) - (x->d < y->d);
    if (type == RV_DECIMAL)
        return (x->wide > y->wide) - (x->wide < y->wide);
    return (x->i > y->i) - (x->i < y->i);
}

static const struct {
    const char *name;
    uint32_t id;
    rv_type_t type;
    unsigned scale;
} properties[] = {{"topic", TOPIC, RV_STRING, 0},
                  {"value", VALUE, RV_DECIMAL, 2},
                  {"qty", QTY, RV_INT, 0},
                  {"rate", RATE, RV_DOUBLE, 0},
                  {"flag", FLAG, RV_BOOL, 0}};

typedef struct {
    uint32_t types, where, window, property;
    char op[12];
} selection_t;

static const fake_event_t *hits[EVENTS];

/* The events of the selection for a row; false when its window is missing. */
static bool select_events(const selection_t *s, uint32_t row, uint32_t *ret_n) {
    int64_t lo, hi;
    *ret_n = 0;
    if (!windows[s->window].ends(&rows[row], &lo, &hi))
        return false;
    for (uint32_t i = 0; i < view.n_events; i++)
        if (events[i].row == row && (types[s->types].bits >> events[i].type & 1) && events[i].time >= lo &&
            events[i].time <= hi && events[i].time <= NOW && wheres[s->where].holds(&events[i]))
            hits[(*ret_n)++] = &events[i];
    return true;
}

/* first, last, min, max of a property. */
static void naive_pick(const selection_t *s, uint32_t n, char *out) {
    rv_value_t best = {0};
    const fake_event_t *end = NULL;
    rv_type_t type = properties[s->property].type;
    for (uint32_t i = 0; i < n; i++) {
        const rv_value_t *v = &hits[i]->properties[properties[s->property].id];
        if (s->op[0] == 'f' || s->op[0] == 'l') {
            int order = end ? order_of(hits[i], end) : 0;
            if (!end || (s->op[0] == 'l' ? order > 0 : order < 0)) {
                end = hits[i];
                best = *v;
            }
        } else if (v->present && (!best.present || (s->op[1] == 'i' ? compare_values(type, v, &best) < 0
                                                                    : compare_values(type, v, &best) > 0))) {
            best = *v;
        }
    }
    number(&best, type, properties[s->property].scale, out);
}

static void naive_sum(const selection_t *s, uint32_t n, bool known, char *out) {
    rv_type_t type = properties[s->property].type;
    unsigned scale = properties[s->property].scale;
    rv_exact_t exact;
    rv_i128_t sum = 0;
    uint32_t present = 0;
    rv_exact_init(&exact);
    for (uint32_t i = 0; i < n; i++) {
        const rv_value_t *v = &hits[i]->properties[properties[s->property].id];
        if (!v->present)
            continue;
        present++;
        sum += type == RV_DECIMAL ? v->wide : v->i;
        rv_exact_add(&exact, v->d);
    }
    rv_value_t result = {.present = known, .i = (int64_t)sum, .wide = sum, .d = rv_exact_value(&exact)};
    if (s->op[0] == 'a') {
        result.present = present > 0;
        if (present)
            result.d = type == RV_DOUBLE ? rv_exact_mean(&exact, present) : rv_decimal_divide(sum, scale, present, 0);
        type = RV_DOUBLE;
    }
    number(&result, type, scale, out);
}

static void naive_distinct(const selection_t *s, uint32_t n, bool known, char *out) {
    uint32_t different = 0;
    for (uint32_t i = 0; i < n; i++) {
        const rv_value_t *v = &hits[i]->properties[properties[s->property].id];
        bool before = !v->present;
        for (uint32_t k = 0; k < i && !before; k++) {
            const rv_value_t *w = &hits[k]->properties[properties[s->property].id];
            before = w->present && compare_values(properties[s->property].type, v, w) == 0;
        }
        different += !before;
    }
    strcpy(out, "-");
    if (known)
        sprintf(out, "%u", different);
}

static void naive(const selection_t *s, uint32_t row, char *out) {
    uint32_t n;
    bool known = select_events(s, row, &n);
    if (!strcmp(s->op, "count"))
        known ? sprintf(out, "%u", n) : sprintf(out, "-");
    else if (!strcmp(s->op, "exists"))
        strcpy(out, n ? "true" : "false");
    else if (!strcmp(s->op, "first") || !strcmp(s->op, "last")) {
        rv_value_t best = {0};
        for (uint32_t i = 0; i < n; i++)
            if (!best.present || (s->op[0] == 'l' ? hits[i]->time > best.i : hits[i]->time < best.i))
                best = an_int(hits[i]->time);
        number(&best, RV_TIME, 0, out);
    } else if (!strcmp(s->op, "sum of") || !strcmp(s->op, "avg of"))
        naive_sum(s, n, known, out);
    else if (!strcmp(s->op, "distinct of"))
        naive_distinct(s, n, known, out);
    else
        naive_pick(s, n, out);
}

static selection_t random_selection(char *text) {
    static const char *const ops[] = {"count",  "exists", "first",    "last",    "sum of",     "avg of",
                                      "min of", "max of", "first of", "last of", "distinct of"};
    selection_t s = {.types = below(5), .where = below(11), .window = below(5), .property = below(5)};
    strcpy(s.op, ops[below(11)]);
    bool of = strchr(s.op, ' ') != NULL;
    rv_type_t type = properties[s.property].type;
    if (of && (s.op[0] == 's' || s.op[0] == 'a') && (type == RV_STRING || type == RV_BOOL))
        s.property = 1 + below(3);
    if (of && s.op[0] == 'm' && type == RV_BOOL)
        s.property = 0;
    sprintf(text, "%.*s(%s%s%s%s%s)", (int)strcspn(s.op, " "), s.op, of ? properties[s.property].name : "",
            of ? " of " : "", types[s.types].text, wheres[s.where].text, windows[s.window].text);
    return s;
}

static void random_aggregates_agree_with_loops(void **state) {
    (void)state;
    const char *given = getenv("REVEILLE_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, last = given ? first : 150;
    for (uint64_t seed = first; seed <= last; seed++) {
        char text[5][256], all_text[2048] = "contact", filter[700], wanted[1 << 16] = "", one[256];
        selection_t s[5];
        make(seed);
        drop_doubles();
        for (int i = 0; i < 5; i++) {
            s[i] = random_selection(text[i]);
            strcat(strcat(all_text, ", "), text[i]);
        }
        s[4].op[0] = 0;
        bool filtered = below(2);
        selection_t test = {.types = below(5), .where = below(11), .window = below(5), .op = "count"};
        sprintf(filter, "count(%s%s%s) >= 2 and (age > 30 or country = 't1')", types[test.types].text,
                wheres[test.where].text, windows[test.window].text);
        size_t at = 0;
        for (uint32_t r = 0; r < view.n_rows; r++) {
            uint32_t n;
            bool in = select_events(&test, r, &n) && n >= 2 &&
                      ((rows[r].values[AGE].present && rows[r].values[AGE].i > 30) ||
                       strcmp(rows[r].values[COUNTRY].s.p, "t1") == 0);
            if (rows[r].dead || (filtered && !in))
                continue;
            at += (size_t)sprintf(wanted + at, "%s%s", at ? ";" : "", rows[r].key);
            for (int i = 0; i < 4; i++) {
                naive(&s[i], r, one);
                at += (size_t)sprintf(wanted + at, ",%s", one);
            }
        }
        *strrchr(all_text, 0) = 0;
        all_text[strlen(all_text) - strlen(text[4]) - 2] = 0;
        const char *got = exec_select(filtered ? filter : "", all_text, NULL, 0, RV_OK);
        if (strcmp(got, wanted) != 0)
            fail_msg("seed %llu, chunks of %u, %u pieces of which %u sorted\n  %s | %s\n  is  %s\n  not %s",
                     (unsigned long long)seed, view.chunk_rows, view.n_pieces, view.sorted, filtered ? filter : "",
                     all_text, got, wanted);
        exec_end();
    }
}

/* All ways of a funnel, by recursion. */
static uint32_t furthest_from(uint32_t row, const uint32_t *bits, uint32_t n_steps, uint32_t step, int64_t start,
                              int64_t after, int64_t within_ms) {
    uint32_t best = 0;
    for (uint32_t i = 0; step < n_steps && i < view.n_events; i++) {
        const fake_event_t *e = &events[i];
        if (e->row != row || !(bits[step] >> e->type & 1) || e->time > NOW || e->time <= after ||
            (step && e->time - start > within_ms))
            continue;
        uint32_t done = 1 + furthest_from(row, bits, n_steps, step + 1, step ? start : e->time, e->time, within_ms);
        best = done > best ? done : best;
    }
    return best;
}

static void random_funnels_agree_with_all_ways(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        char text[256] = "funnel(", wanted[4096] = "";
        uint32_t bits[4], n = 2 + (uint32_t)seed % 3;
        make(seed * 977);
        drop_doubles();
        for (uint32_t i = 0; i < n; i++) {
            uint32_t t = below(5);
            bits[i] = types[t].bits;
            strcat(strcat(text, i ? " then " : ""), types[t].text);
        }
        int64_t hours = 1 + below(100);
        sprintf(text + strlen(text), " in %lld hours)", (long long)hours);
        for (uint32_t r = 0, at = 0; r < view.n_rows; r++)
            if (!rows[r].dead)
                at += (uint32_t)sprintf(wanted + at, "%s%u", at ? ";" : "",
                                        furthest_from(r, bits, n, 0, 0, INT64_MIN, hours * 3600000));
        expect(text, wanted);
        exec_end();
    }
}

/* The score of a row at an instant, from events up to `until`. */
static void naive_score(uint32_t row, int64_t instant, char *out) {
    static const double points[] = {0, 25, 5, -2.5};
    int64_t sum = 0;
    for (uint32_t i = 0; i < view.n_events; i++) {
        int64_t age = instant - events[i].time;
        if (events[i].row == row && age >= 0 && events[i].time <= NOW)
            sum += llrintl(points[events[i].type] * exp2l(-(long double)age / (30 * DAY)) * 0x1p32L);
    }
    out[rv_double_format((double)sum * 0x1p-32, out)] = 0;
}

static void random_scores_agree_with_sums(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        char wanted[1 << 14] = "", one[64];
        make(seed * 7919);
        for (uint32_t i = 0; i < view.n_events; i++) /* some far older than any decay */
            events[i].time -= i % 5 ? 0 : (int64_t)below(4000) * DAY;
        drop_doubles();
        static const int64_t instants[] = {NOW, NOW - 3 * DAY, NOW + 5 * DAY};
        for (uint32_t r = 0, at = 0; r < view.n_rows; r++) {
            if (rows[r].dead)
                continue;
            at += (uint32_t)sprintf(wanted + at, "%s%s", at ? ";" : "", rows[r].key);
            for (unsigned k = 0; k < 4; k++) {
                strcpy(one, "-");
                if (k < 3 || rows[r].values[SIGNED_UP].present)
                    naive_score(r, k < 3 ? instants[k] : rows[r].values[SIGNED_UP].i, one);
                at += (uint32_t)sprintf(wanted + at, ",%s", one);
            }
        }
        expect("contact, score(heat), score(heat) at 3 days ago, score(heat) at 5 days from now, "
               "score(heat) at (signed_up)",
               wanted);
        exec_end();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_aggregates_agree_with_loops),
        cmocka_unit_test(random_funnels_agree_with_all_ways),
        cmocka_unit_test(random_scores_agree_with_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

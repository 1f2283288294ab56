/* program_text.c: a program as text, for explanations. Nodes are written from the top down; precedence decides where
 * parentheses stand. What compiling took away stays away: constants are folded, segments are their filters, a window is
 * its bounds where it is not `within`. Depth is bounded, and nothing more is written once the room is used up, so nodes
 * that are shared cost no more than their text. No failure: a text that is too long ends in "...".
 */
#include "builder.h"
#include "reveille/civil.h"
#include "reveille/num.h"
#include "reveille/text.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEPTH 64u
#define ITEMS 8u /* of a list */

/* How tightly an operation binds. */
enum { ANY, OR_LEVEL, AND_LEVEL, NOT_LEVEL, TEST_LEVEL, SUM_LEVEL, PRODUCT_LEVEL, PRIMARY };

typedef struct {
    rv_program_text_t *out;
    const Reveille__V1__Program *program;
    const rv_catalog_t *catalog;
    unsigned depth;
} writer_t;

static void node(writer_t *w, uint32_t number, int level);

void rv_text_add(rv_program_text_t *text, const char *more) {
    size_t n = strlen(more), left = text->room - 1 - text->n;
    if (text->cut)
        return;
    if (n <= left) {
        memcpy(text->p + text->n, more, n + 1);
        text->n += n;
        return;
    }
    memcpy(text->p + text->n, more, left);
    size_t kept = rv_utf8_cut(text->p, text->room - 1, text->room - 4);
    memset(text->p + kept, '.', 3);
    text->p[kept + 3] = 0;
    text->n = kept + 3;
    text->cut = true;
}

static bool full(const writer_t *w) {
    return w->out->cut;
}

static void add(writer_t *w, const char *text) {
    rv_text_add(w->out, text);
}

static void quoted(writer_t *w, const char *text, size_t n, char quote) {
    char mark[2] = {quote, 0};
    add(w, mark);
    for (size_t i = 0; i < n && !full(w);) {
        if (text[i] == quote)
            add(w, mark);
        char one[5] = {text[i++]}; /* a character at a time, so that a cut stands between two */
        for (size_t k = 1; i < n && k < 4 && ((unsigned char)text[i] & 0xc0) == 0x80; k++)
            one[k] = text[i++];
        add(w, one);
    }
    add(w, mark);
}

static void name(writer_t *w, const char *text) {
    size_t plain = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    if (plain == strlen(text) && plain && !(text[0] >= '0' && text[0] <= '9'))
        add(w, text);
    else
        quoted(w, text, strlen(text), '`');
}

static void duration(writer_t *w, int64_t ms) {
    static const struct {
        const char *name;
        int64_t ms;
    } UNITS[] = {{"day", 86400000}, {"hour", 3600000}, {"minute", 60000}, {"second", 1000}, {"ms", 1}};
    char text[48];
    size_t i = 0;
    while (ms % UNITS[i].ms)
        i++;
    int64_t n = ms / UNITS[i].ms;
    snprintf(text, sizeof text, "%" PRId64 " %s%s", n, UNITS[i].name, n == 1 || UNITS[i].ms == 1 ? "" : "s");
    add(w, text);
}

static void value(writer_t *w, const Reveille__V1__Value *v) {
    char text[64] = "missing";
    switch (v ? v->kind_case : REVEILLE__V1__VALUE__KIND__NOT_SET) {
    case REVEILLE__V1__VALUE__KIND_STRING_VALUE:
        quoted(w, v->string_value, strlen(v->string_value), '\'');
        return;
    case REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE:
        add(w, v->decimal_value);
        return;
    case REVEILLE__V1__VALUE__KIND_DURATION_MS:
        duration(w, v->duration_ms);
        return;
    case REVEILLE__V1__VALUE__KIND_INT_VALUE:
        snprintf(text, sizeof text, "%" PRId64, v->int_value);
        break;
    case REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE:
        text[rv_double_format(v->double_value, text)] = 0;
        break;
    case REVEILLE__V1__VALUE__KIND_BOOL_VALUE:
        snprintf(text, sizeof text, "%s", v->bool_value ? "true" : "false");
        break;
    case REVEILLE__V1__VALUE__KIND_TIME_MS:
        rv_time_format(v->time_ms, text);
        break;
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        rv_date_format(v->date_days, text);
        break;
    default:
        break;
    }
    add(w, text);
}

static const Reveille__V1__Node *at(const writer_t *w, uint32_t number) {
    return w->program->nodes[number];
}

/* "A|B" */
static void types(writer_t *w, const uint32_t *ids, size_t n) {
    for (size_t i = 0; i < n && !full(w); i++) {
        const rv_event_type_t *type = rv_catalog_type_by_id(w->catalog, ids[i]);
        add(w, i ? "|" : "");
        name(w, type ? type->name : "?");
    }
}

static void where(writer_t *w, uint32_t condition) {
    if (!condition)
        return;
    add(w, " where ");
    node(w, condition - 1, ANY);
}

static bool is_now(const writer_t *w, uint32_t number) {
    const Reveille__V1__Node *n = at(w, number);
    bool literal =
        n->op == EXPR_OP(LITERAL) && n->literal && n->literal->kind_case == REVEILLE__V1__VALUE__KIND_TIME_MS;
    return n->op == EXPR_OP(NOW) || (literal && n->literal->time_ms == w->program->now_ms);
}

static void bound(writer_t *w, const Reveille__V1__Bound *b, const char *inside, const char *outside) {
    if (!b || !b->node || (b->inclusive && is_now(w, b->node - 1)))
        return;
    add(w, b->inclusive ? inside : outside);
    node(w, b->node - 1, PRIMARY);
}

/* `within D` where that is what the bounds mean, otherwise the bounds. */
static void window(writer_t *w, const Reveille__V1__Bound *lo, const Reveille__V1__Bound *hi,
                   const Reveille__V1__Bound *until) {
    const Reveille__V1__Node *from = lo && lo->node ? at(w, lo->node - 1) : NULL;
    bool to_now = hi && hi->node && hi->inclusive && is_now(w, hi->node - 1);
    if (from && to_now && !lo->inclusive && from->op == EXPR_OP(LITERAL) && from->literal &&
        from->literal->kind_case == REVEILLE__V1__VALUE__KIND_TIME_MS) {
        add(w, " within ");
        duration(w, (int64_t)((uint64_t)w->program->now_ms - (uint64_t)from->literal->time_ms));
    } else {
        bound(w, lo, " from ", " after ");
        bound(w, hi, " up to ", " to ");
    }
    bound(w, until, " up to ", " to ");
}

static void selection(writer_t *w, uint32_t number) {
    const Reveille__V1__Selection *s = w->program->selections[number];
    types(w, s->types, s->n_types);
    where(w, s->where);
    window(w, s->lo, s->hi, s->until);
}

static void funnel(writer_t *w, const Reveille__V1__Funnel *f) {
    add(w, "funnel(");
    for (size_t i = 0; i < f->n_steps && !full(w); i++) {
        add(w, i ? " then " : "");
        types(w, f->steps[i]->types, f->steps[i]->n_types);
        where(w, f->steps[i]->where);
    }
    add(w, " in ");
    duration(w, f->within_ms);
    window(w, f->lo, f->hi, f->until);
    add(w, ")");
}

/* The catalog's model that the program's was made from. */
static const char *model_name(const writer_t *w, const Reveille__V1__ProgramScore *score) {
    const Reveille__V1__Catalog *catalog = rv_catalog_message(w->catalog);
    for (size_t i = 0; catalog && i < catalog->n_scores; i++) {
        const Reveille__V1__ScoreModel *model = catalog->scores[i];
        size_t equal = 0;
        for (size_t k = 0; k < model->n_events; k++) {
            const char *type = model->events[k]->type;
            const rv_event_type_t *found = rv_catalog_type(w->catalog, type, strlen(type));
            for (size_t p = 0; found && p < score->n_points; p++)
                equal += score->points[p]->type == found->id && score->points[p]->points == model->events[k]->points;
        }
        if (model->half_life_ms == score->half_life_ms && equal == model->n_events && equal == score->n_points)
            return model->name;
    }
    return "?";
}

static void score(writer_t *w, const Reveille__V1__Node *n) {
    add(w, "score(");
    name(w, model_name(w, w->program->scores[n->ref]));
    add(w, ")");
    if (is_now(w, n->args[0]))
        return;
    add(w, " at ");
    node(w, n->args[0], PRIMARY);
}

/* "NAME(SELECTION)" or "NAME(VALUE of SELECTION)" */
static void aggregate(writer_t *w, const char *function, const Reveille__V1__Node *n) {
    add(w, function);
    add(w, "(");
    if (n->n_args) {
        node(w, n->args[0], PRIMARY);
        add(w, " of ");
    }
    selection(w, n->ref);
    add(w, ")");
}

static void call(writer_t *w, const char *function, const Reveille__V1__Node *n) {
    add(w, function);
    add(w, "(");
    for (size_t i = 0; i < n->n_args && !full(w); i++) {
        add(w, i ? ", " : "");
        node(w, n->args[i], ANY);
    }
    for (size_t i = 0; i < n->n_list && !full(w); i++) { /* BUCKET */
        add(w, ", ");
        value(w, n->list[i]);
    }
    add(w, ")");
}

/* "A WORD B WORD C", in parentheses when what is around it binds tighter. */
static void infix(writer_t *w, const char *word, const Reveille__V1__Node *n, int level, int around) {
    add(w, around > level ? "(" : "");
    for (size_t i = 0; i < n->n_args && !full(w); i++) {
        add(w, i ? word : "");
        node(w, n->args[i], i || level == TEST_LEVEL ? level + 1 : level);
    }
    add(w, around > level ? ")" : "");
}

static void text_test(writer_t *w, const char *word, const Reveille__V1__Node *n) {
    node(w, n->args[0], SUM_LEVEL);
    add(w, n->ref ? " not" : "");
    add(w, word);
    value(w, n->literal);
}

static void in_list(writer_t *w, const Reveille__V1__Node *n) {
    node(w, n->args[0], SUM_LEVEL);
    add(w, n->ref ? " not in (" : " in (");
    for (size_t i = 0; i < n->n_list && i < ITEMS && !full(w); i++) {
        add(w, i ? ", " : "");
        value(w, n->list[i]);
    }
    add(w, n->n_list > ITEMS ? ", ...)" : ")");
}

static void attribute(writer_t *w, const Reveille__V1__Node *n) {
    const rv_attribute_t *found = n->op == EXPR_OP(ATTRIBUTE) ? rv_catalog_attribute_by_id(w->catalog, n->ref)
                                  : n->op == EXPR_OP(COMPANY_ATTRIBUTE)
                                      ? rv_catalog_company_attribute_by_id(w->catalog, n->ref)
                                      : rv_catalog_property_by_id(w->catalog, n->ref);
    add(w, n->op == EXPR_OP(COMPANY_ATTRIBUTE) ? "company." : "");
    name(w, found ? found->name : "?");
}

static void leaf(writer_t *w, const Reveille__V1__Node *n) {
    static const char *const FIELDS[] = {"?", "type", "channel", "at", "source", "id"};
    switch (n->op) {
    case EXPR_OP(LITERAL):
        value(w, n->literal);
        break;
    case EXPR_OP(NOW):
        add(w, "now");
        break;
    case EXPR_OP(KEY):
        name(w, rv_catalog_message(w->catalog)->schema->contact_key);
        break;
    case EXPR_OP(EVENT_FIELD):
        add(w, FIELDS[n->ref < sizeof FIELDS / sizeof FIELDS[0] ? n->ref : 0]);
        break;
    default:
        attribute(w, n);
    }
}

/* Words of operations that are written alike. */
typedef struct {
    expr_op_t op;
    const char *word;
    int level;
} word_t;

static const char *word_of(const word_t *words, size_t n, expr_op_t op, int *ret_level) {
    for (size_t i = 0; i < n; i++)
        if (words[i].op == op) {
            *ret_level = words[i].level;
            return words[i].word;
        }
    return NULL;
}
#define WORD_OF(table, op, level) word_of(table, sizeof(table) / sizeof(table)[0], op, level)

static const word_t INFIX[] = {
    {EXPR_OP(AND), " and ", AND_LEVEL}, {EXPR_OP(OR), " or ", OR_LEVEL},      {EXPR_OP(EQ), " = ", TEST_LEVEL},
    {EXPR_OP(NE), " != ", TEST_LEVEL},  {EXPR_OP(LT), " < ", TEST_LEVEL},     {EXPR_OP(LE), " <= ", TEST_LEVEL},
    {EXPR_OP(GT), " > ", TEST_LEVEL},   {EXPR_OP(GE), " >= ", TEST_LEVEL},    {EXPR_OP(ADD), " + ", SUM_LEVEL},
    {EXPR_OP(SUB), " - ", SUM_LEVEL},   {EXPR_OP(MUL), " * ", PRODUCT_LEVEL}, {EXPR_OP(DIV), " / ", PRODUCT_LEVEL},
};
static const word_t TEXTS[] = {
    {EXPR_OP(CONTAINS), " contains ", 0},
    {EXPR_OP(STARTS_WITH), " starts with ", 0},
    {EXPR_OP(ENDS_WITH), " ends with ", 0},
    {EXPR_OP(LIKE), " like ", 0},
};
static const word_t AGGREGATES[] = {
    {EXPR_OP(COUNT), "count", 0},    {EXPR_OP(EXISTS), "exists", 0},     {EXPR_OP(FIRST_TIME), "first", 0},
    {EXPR_OP(LAST_TIME), "last", 0}, {EXPR_OP(FIRST), "first", 0},       {EXPR_OP(LAST), "last", 0},
    {EXPR_OP(SUM), "sum", 0},        {EXPR_OP(MIN), "min", 0},           {EXPR_OP(MAX), "max", 0},
    {EXPR_OP(AVG), "avg", 0},        {EXPR_OP(DISTINCT), "distinct", 0},
};
static const word_t CALLS[] = {
    {EXPR_OP(LOWER), "lower", 0},
    {EXPR_OP(UPPER), "upper", 0},
    {EXPR_OP(LENGTH), "length", 0},
    {EXPR_OP(ABS), "abs", 0},
    {EXPR_OP(ROUND), "round", 0},
    {EXPR_OP(FLOOR), "floor", 0},
    {EXPR_OP(COALESCE), "coalesce", 0},
    {EXPR_OP(BUCKET), "bucket", 0},
    {EXPR_OP(DAY), "day", 0},
    {EXPR_OP(WEEK), "week", 0},
    {EXPR_OP(HOUR), "hour", 0},
    {EXPR_OP(WEEKDAY), "weekday", 0},
    {EXPR_OP(DAY_OF_MONTH), "day_of_month", 0},
    {EXPR_OP(EARLIER), "earlier", 0},
    {EXPR_OP(WHEN), "when", 0},
};

/* What has a form of its own; false when it is none of that. */
static bool special(writer_t *w, const Reveille__V1__Node *n, int around) {
    char text[16];
    switch (n->op) {
    case EXPR_OP(TRUTH):
    case EXPR_OP(DATE_TO_TIME):
    case EXPR_OP(TO_DOUBLE):
    case EXPR_OP(TO_DECIMAL):
        node(w, n->args[0], around);
        return true;
    case EXPR_OP(NOT):
        add(w, "not ");
        node(w, n->args[0], PRIMARY);
        return true;
    case EXPR_OP(NEG):
        add(w, "-");
        node(w, n->args[0], PRIMARY);
        return true;
    case EXPR_OP(IS_SET):
        node(w, n->args[0], SUM_LEVEL);
        add(w, " is set");
        return true;
    case EXPR_OP(IN):
        in_list(w, n);
        return true;
    case EXPR_OP(SPLIT):
        add(w, "split(");
        value(w, n->literal);
        snprintf(text, sizeof text, ", %u)", n->ref);
        add(w, text);
        return true;
    case EXPR_OP(FUNNEL):
        funnel(w, w->program->funnels[n->ref]);
        return true;
    case EXPR_OP(SCORE):
        score(w, n);
        return true;
    default:
        return false;
    }
}

static void node(writer_t *w, uint32_t number, int around) {
    const Reveille__V1__Node *n = at(w, number);
    const char *word;
    int level = 0;
    if (full(w))
        return;
    if (w->depth == DEPTH) {
        add(w, "...");
        return;
    }
    w->depth++;
    if ((word = WORD_OF(INFIX, n->op, &level)))
        infix(w, word, n, level, around);
    else if ((word = WORD_OF(TEXTS, n->op, &level)))
        text_test(w, word, n);
    else if ((word = WORD_OF(AGGREGATES, n->op, &level)))
        aggregate(w, word, n);
    else if ((word = WORD_OF(CALLS, n->op, &level)))
        call(w, word, n);
    else if (!special(w, n, around))
        leaf(w, n);
    w->depth--;
}

void rv_text_node(rv_program_text_t *text, const Reveille__V1__Program *program, const rv_catalog_t *catalog,
                  uint32_t number) {
    writer_t w = {text, program, catalog, 0};
    node(&w, number, ANY);
}

void rv_text_selection(rv_program_text_t *text, const Reveille__V1__Program *program, const rv_catalog_t *catalog,
                       uint32_t number) {
    writer_t w = {text, program, catalog, 0};
    selection(&w, number);
}

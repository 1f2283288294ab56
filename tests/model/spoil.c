// spoil.c - see spoil.h.
//
// Structure: a text cut into words (names, numbers, strings, signs); one of them removed, doubled, exchanged with a
// neighbour, or replaced by a word of the language, right or wrong in that place; now and then a single character.
#include "spoil.h"

#include <ctype.h>
#include <string.h>

static const char *const words[] = {
    "and",
    "or",
    "not",
    "in",
    "between",
    "is set",
    "is not set",
    "is unset",
    "has any ('xbox')",
    "like '%1'",
    "contains 'o'",
    "starts with 't'",
    "matches 'x'",
    "at 3 days ago",
    "at (last(any))",
    "within 10 days",
    "within 2 months",
    "from 2024-05-20",
    "to now",
    "where",
    "then",
    "followed by any in 2 days",
    "of",
    "desc",
    "count(any)",
    "exists(any)",
    "sum(n of any)",
    "sum(value of purchase)",
    "avg(w of any)",
    "first(topic of any)",
    "last(any)",
    "recency(any)",
    "cadence(any)",
    "distinct(day of any)",
    "distinct(month of any)",
    "peak(engagement within 3 days)",
    "stage()",
    "p_alive(engagement)",
    "score(engagement)",
    "score(nothing)",
    "fold(country)",
    "lower(country)",
    "lower(age)",
    "length(country)",
    "round(ltv)",
    "abs(age)",
    "year(birthday)",
    "day(signed_up_at)",
    "coalesce(age, 1)",
    "coalesce(country, 1)",
    "bucket(age, 1, 5)",
    "bucket(age, 5, 1)",
    "split('a', 10)",
    "split('a', 0)",
    "segment('vip')",
    "segment('nobody')",
    "funnel(any then any in 3 days)",
    "days_until_anniversary(birthday)",
    "1",
    "-1",
    "1.50",
    "0.005",
    "99999999999999999999",
    "'DE'",
    "\"x\"",
    "true",
    "false",
    "now",
    "3 days",
    "2 months",
    "1.5 days",
    "3 days ago",
    "2 days from now",
    "2024-05-01",
    "2024-5-1",
    "2024-02-30",
    "2024-05-01T10:00Z",
    "$n",
    "$words",
    "$nothing",
    "$since",
    "$amounts",
    "contact",
    "contact.age",
    "contact.nothing",
    "company",
    "company.name",
    "consent.email",
    "country",
    "Country",
    "age",
    "ltv",
    "weight",
    "vip",
    "birthday",
    "signed_up_at",
    "interests",
    "tier",
    "nothing",
    "countri",
    "`head count`",
    "engaged",
    "purchase",
    "`bounce hard`",
    "any",
    "value",
    "topic",
    "n",
    "w",
    "flag",
    "type",
    "channel",
    "hour",
    "weekday",
    "month",
    "id",
    "(",
    ")",
    ",",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "|",
    ".",
    "$",
    "'",
    "`",
    "--",
    ";",
    "\xc3\xa9",
};

typedef struct span {
    const char *start;
    size_t n;
} span_t;

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == ':';
}

static size_t word_length(const char *text) {
    size_t n = 1;
    if (*text == '\'' || *text == '"' || *text == '`') {
        n += strcspn(text + 1, (char[]){*text, 0});
        return text[n] != 0 ? n + 1 : n;
    }
    while (is_word(*text) && is_word(text[n])) {
        n++;
    }
    return n;
}

// At most `room` words of the text.
static int cut(const char *text, span_t *spans, int room) {
    int n = 0;
    while (*text != 0 && n < room) {
        size_t length = word_length(text);
        if (!isspace((unsigned char)*text)) {
            spans[n++] = (span_t){text, length};
        }
        text += length;
    }
    return n;
}

// The text with `n` bytes at `place` replaced.
static const char *splice(rvm_arena_t *arena, const char *text, const char *place, size_t n, const char *by) {
    return rvm_format(arena, "%.*s %s %s", (int)(place - text), text, by, place + n);
}

static const char *spoil_text(rvm_arena_t *arena, rvm_dice_t *dice, const char *text) {
    span_t spans[256];
    int n = cut(text, spans, 256);
    const char *word = words[rvm_dice_below(dice, (int)(sizeof words / sizeof words[0]))];
    if (n == 0) {
        return word;
    }
    span_t at = spans[rvm_dice_below(dice, n)], other = spans[rvm_dice_below(dice, n)];
    const char *other_word = rvm_copy(arena, other.start, other.n);
    switch (rvm_dice_below(dice, 7)) {
    case 0: // removed
        return splice(arena, text, at.start, at.n, "");
    case 1: // doubled
        return splice(arena, text, at.start, 0, rvm_copy(arena, at.start, at.n));
    case 2: // another word of the same text
        return splice(arena, text, at.start, at.n, other_word);
    case 3: // cut off
        return rvm_copy(arena, text, (size_t)(at.start - text));
    case 4: // a character changed
        return rvm_format(arena, "%.*s%c%s", (int)(at.start - text), text, 32 + rvm_dice_below(dice, 95), at.start + 1);
    case 5:
        return splice(arena, text, at.start, 0, word);
    default:
        return splice(arena, text, at.start, at.n, word);
    }
}

// A text of nothing but blanks and a comment is as good as none to the engine, where it may be left out.
static bool is_blank(const char *text) {
    text += strspn(text, " ");
    return *text == 0 || strcmp(text, "--") == 0 || strncmp(text, "-- ", 3) == 0;
}

rvm_query_t rvm_query_spoil(rvm_arena_t *arena, rvm_dice_t *dice, const rvm_query_t *query) {
    rvm_query_t made = *query;
    const char **texts[3] = {&made.filter, &made.filter, &made.filter};
    if (made.kind == RVM_QUERY_SELECT) {
        texts[1] = &made.fields;
        texts[2] = &made.order;
    } else if (made.kind == RVM_QUERY_AGGREGATE) {
        texts[1] = &made.by;
        texts[2] = &made.compute;
    } else if (made.kind == RVM_QUERY_FUNNEL) {
        texts[1] = &made.steps;
        texts[2] = &made.window;
    } else if (made.kind == RVM_QUERY_RETENTION) {
        texts[1] = &made.start; // the model knows types only, where the engine takes any selection
    } else if (made.kind == RVM_QUERY_OVERLAP) {
        texts[0] = texts[1] = texts[2] = &made.overlap[rvm_dice_below(dice, made.n_overlap)];
    }
    const char **text = texts[rvm_dice_below(dice, 3)];
    for (int n = rvm_dice_chance(dice, 80) ? 1 : 2; n > 0; n--) {
        *text = spoil_text(arena, dice, *text);
    }
    if (is_blank(*text)) {
        *text = made.kind == RVM_QUERY_AGGREGATE && text == texts[2] ? "count" : "";
    }
    return made;
}

/* lex.c: one pass over the bytes of a text, one function for each kind of token.
 *
 * Purpose: the "Tokens" and "Words" of the filter language. Structures: a cursor with the line and the number of its
 * characters, so that columns count characters without looking back. Threads: none. Failure: the first bad token ends
 * the pass with its place and what would be right; a text that is too long or not UTF-8 is refused before.
 */
#include "lex.h"
#include "reveille/civil.h"
#include "reveille/limits.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    rv_arena_t *arena;
    expr_report_t *report;
    const char *text;
    uint32_t n, pos;
    expr_place_t place; /* of pos */
} lexer_t;

typedef struct {
    const char *spelling;
    bool reserved;
} word_entry_t;
static const word_entry_t WORDS[] = {{"", false},
#define X(symbol, spelling, reserved) {spelling, reserved},
                                     EXPR_WORDS(X)
#undef X
};
#define N_WORDS (sizeof WORDS / sizeof WORDS[0])

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The byte `ahead` of the cursor; NUL behind the end. */
static char peek(const lexer_t *lexer, uint32_t ahead) {
    return lexer->n - lexer->pos > ahead ? lexer->text[lexer->pos + ahead] : 0;
}

static void advance(lexer_t *lexer, uint32_t bytes) {
    for (uint32_t end = lexer->pos + bytes; lexer->pos < end; lexer->pos++) {
        char c = lexer->text[lexer->pos];
        if (c == '\n')
            lexer->place = (expr_place_t){lexer->place.line + 1, 1};
        else if (((unsigned char)c & 0xc0) != 0x80)
            lexer->place.column++;
    }
}

static uint32_t count_digits(const lexer_t *lexer, uint32_t ahead) {
    uint32_t count = 0;
    while (is_digit(peek(lexer, ahead + count)))
        count++;
    return count;
}

int64_t rv_expr_unit(expr_word_t word) {
    switch (word) {
    case WORD_SECOND:
    case WORD_SECONDS:
        return 1000;
    case WORD_MINUTE:
    case WORD_MINUTES:
        return 60000;
    case WORD_HOUR:
    case WORD_HOURS:
        return 3600000;
    case WORD_DAY:
    case WORD_DAYS:
        return RV_DAY_MS;
    case WORD_WEEK:
    case WORD_WEEKS:
        return 7 * RV_DAY_MS;
    case WORD_MONTH:
    case WORD_MONTHS:
    case WORD_QUARTER:
    case WORD_QUARTERS:
    case WORD_YEAR:
    case WORD_YEARS:
        return 0;
    default:
        return -1;
    }
}

static expr_word_t find_word(const char *p, uint32_t n) {
    for (size_t i = 1; i < N_WORDS; i++)
        if (strlen(WORDS[i].spelling) == n && strncasecmp(WORDS[i].spelling, p, n) == 0)
            return (expr_word_t)i;
    return WORD_UNKNOWN;
}

static void skip_space(lexer_t *lexer) {
    for (;;) {
        while (lexer->pos < lexer->n && is_space(peek(lexer, 0)))
            advance(lexer, 1);
        bool apart = lexer->pos == 0 || is_space(lexer->text[lexer->pos - 1]);
        char after = peek(lexer, 2);
        if (!apart || peek(lexer, 0) != '-' || peek(lexer, 1) != '-' || (after != 0 && !is_space(after)))
            return;
        while (lexer->pos < lexer->n && peek(lexer, 0) != '\n')
            advance(lexer, 1);
    }
}

/* Bytes that belong to something that was meant as a date or a time. */
static uint32_t date_run(const lexer_t *lexer) {
    uint32_t n = 0;
    while (is_digit(peek(lexer, n)) || (peek(lexer, n) != 0 && strchr("-:.Tt", peek(lexer, n))))
        n++;
    return n;
}

/* Length of the clock and offset behind a date ("T10:00:00.5+02:00"), or 0 when it is not one. */
static uint32_t clock_length(const lexer_t *lexer, uint32_t at) {
    uint32_t n = at;
    if ((peek(lexer, n) | 0x20) != 't' || count_digits(lexer, n + 1) != 2 || peek(lexer, n + 3) != ':' ||
        count_digits(lexer, n + 4) != 2)
        return 0;
    n += 6;
    if (peek(lexer, n) == ':' && count_digits(lexer, n + 1) == 2) {
        n += 3;
        uint32_t places = peek(lexer, n) == '.' ? count_digits(lexer, n + 1) : 0;
        if (places > 3)
            return 0;
        n += places > 0 ? places + 1 : 0;
    }
    if ((peek(lexer, n) | 0x20) == 'z')
        return n + 1 - at;
    if (peek(lexer, n) != '+' && peek(lexer, n) != '-')
        return 0;
    if (count_digits(lexer, n + 1) == 4)
        return n + 5 - at;
    bool colon = count_digits(lexer, n + 1) == 2 && peek(lexer, n + 3) == ':' && count_digits(lexer, n + 4) == 2;
    return colon ? n + 6 - at : 0;
}

/* 4 digits, hyphen, digits, hyphen: a date, a timestamp or an error that says how they are written. */
static uint32_t lex_date(lexer_t *lexer, expr_token_t *token) {
    const char *p = lexer->text + lexer->pos;
    uint32_t run = date_run(lexer), month = count_digits(lexer, 5), day = count_digits(lexer, 6 + month);
    bool dated = month == 2 && day == 2;
    uint32_t clock = dated ? clock_length(lexer, 10) : 0, length = 10 + clock;
    rv_str_t shown = {p, run > length ? run : length};
    if (dated && run <= length) {
        token->kind = clock ? TOKEN_TIMESTAMP : TOKEN_DATE;
        if (clock ? rv_time_parse(p, length, false, &token->value) : rv_date_parse(p, 10, &token->value))
            return length;
        rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place, "there is no %s '%s'", clock ? "time" : "date",
                     rv_expr_quote((rv_str_t){p, length}).text);
        return 0;
    }
    shown.n = run;
    bool bare = run == 6 + month + day && month >= 1 && month <= 2 && day >= 1 && day <= 2;
    if (bare)
        rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place, "%s: write %.4s-%s%.*s-%s%.*s",
                     rv_expr_quote(shown).text, p, month == 1 ? "0" : "", (int)month, p + 5, day == 1 ? "0" : "",
                     (int)day, p + 6 + month);
    else
        rv_expr_fail(
            lexer->report, RV_REASON_FILTER, lexer->place,
            "%s is neither a date (2026-01-31) nor a time (2026-01-31T10:00:00Z, with at most 3 decimals and Z "
            "or an offset)",
            rv_expr_quote(shown).text);
    return 0;
}

static uint32_t lex_number(lexer_t *lexer, expr_token_t *token) {
    uint32_t whole = count_digits(lexer, 0), month = whole == 4 && peek(lexer, 4) == '-' ? count_digits(lexer, 5) : 0;
    if (month > 0 && peek(lexer, 5 + month) == '-')
        return lex_date(lexer, token);
    uint32_t fraction = peek(lexer, whole) == '.' ? count_digits(lexer, whole + 1) : 0;
    token->kind = fraction ? TOKEN_DECIMAL : TOKEN_INTEGER;
    return fraction ? whole + 1 + fraction : whole;
}

/* '...', "..." or `...`, its quote doubled inside. */
static uint32_t lex_quoted(lexer_t *lexer, expr_token_t *token) {
    char quote = peek(lexer, 0);
    uint32_t n = 1, doubled = 0;
    for (;; n++) {
        if (lexer->n - lexer->pos <= n) {
            rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place, "this %s is not closed: its %c is missing",
                         quote == '`' ? "name" : "string", quote);
            return 0;
        }
        if (peek(lexer, n) != quote)
            continue;
        if (peek(lexer, n + 1) != quote)
            break;
        doubled++;
        n++;
    }
    const char *p = lexer->text + lexer->pos + 1;
    char *copy = rv_arena_strndup(lexer->arena, p, n - 1);
    if (!copy) {
        rv_expr_fail_memory(lexer->report);
        return 0;
    }
    uint32_t out = 0;
    for (uint32_t i = 0; doubled && i < n - 1; i++, out++) {
        copy[out] = p[i];
        i += p[i] == quote;
    }
    token->text = (rv_str_t){copy, n - 1 - doubled};
    copy[token->text.n] = 0;
    token->kind = quote == '`' ? TOKEN_NAME : TOKEN_STRING;
    if (quote == '`' && n == 1) {
        rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place, "a name in backquotes must not be empty");
        return 0;
    }
    return n + 1;
}

static uint32_t lex_name(lexer_t *lexer, expr_token_t *token) {
    uint32_t n = 1;
    while (starts_name(peek(lexer, n)) || is_digit(peek(lexer, n)))
        n++;
    token->kind = TOKEN_NAME;
    token->word = find_word(lexer->text + lexer->pos, n);
    token->reserved = WORDS[token->word].reserved;
    return n;
}

static uint32_t lex_parameter(lexer_t *lexer, expr_token_t *token) {
    expr_place_t place = lexer->place;
    uint32_t length = 0;
    advance(lexer, 1);
    if (starts_name(peek(lexer, 0)))
        length = lex_name(lexer, token);
    else if (peek(lexer, 0) == '`')
        length = lex_quoted(lexer, token);
    if (length == 0 || token->reserved) {
        rv_expr_fail(lexer->report, RV_REASON_FILTER, place, "a parameter is written $name%s",
                     length ? ", and its name is no reserved word (or stands in backquotes)" : "");
        return 0;
    }
    token->kind = TOKEN_PARAMETER;
    token->word = WORD_UNKNOWN;
    return length;
}

static uint32_t lex_symbol(lexer_t *lexer, expr_token_t *token) {
    char c = peek(lexer, 0);
    token->kind = TOKEN_SYMBOL;
    token->symbol = c;
    if (peek(lexer, 1) == '=' && strchr("!<>", c)) {
        token->symbol = c == '!' ? SYMBOL_NE : c == '<' ? SYMBOL_LE : SYMBOL_GE;
        return 2;
    }
    bool foreign = (c == '<' && peek(lexer, 1) == '>') || (c == '=' && peek(lexer, 1) == '=');
    if (foreign) {
        rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place, "'%c%c' has no meaning here: write %s", c,
                     peek(lexer, 1), c == '<' ? "!=" : "=");
        return 0;
    }
    if (strchr("-+*/(),.|=<>", c))
        return 1;
    uint32_t n = 1;
    while (((unsigned char)peek(lexer, n) & 0xc0) == 0x80)
        n++;
    rv_str_t shown = {lexer->text + lexer->pos, n};
    if ((unsigned char)c < 0x20)
        rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place, "a control character (byte %d) has no meaning here",
                     c);
    else if (n > 1)
        rv_expr_fail(
            lexer->report, RV_REASON_FILTER, lexer->place,
            "'%s' has no meaning here: a name with such characters stands in `backquotes`, a string in 'quotes'",
            rv_expr_quote(shown).text);
    else
        rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place, "'%c' has no meaning here%s", c,
                     c == '!'   ? ": write != for different, or not"
                     : c == '&' ? ": write and"
                     : c == ';' ? ": a filter is one condition"
                                : "");
    return 0;
}

/* Reads one token at the cursor; false after a failure. */
static bool lex_one(lexer_t *lexer, expr_token_t *token) {
    char c = peek(lexer, 0);
    uint32_t length;
    if (is_digit(c))
        length = lex_number(lexer, token);
    else if (c == '\'' || c == '"' || c == '`')
        length = lex_quoted(lexer, token);
    else if (starts_name(c))
        length = lex_name(lexer, token);
    else if (c == '$')
        length = lex_parameter(lexer, token);
    else
        length = lex_symbol(lexer, token);
    if (length == 0)
        return false;
    if (!token->text.p)
        token->text = (rv_str_t){lexer->text + lexer->pos, length};
    advance(lexer, length);
    token->end = lexer->pos;
    return true;
}

/* Refuses what is too long or not UTF-8, with the place of the first bad byte. */
static bool check_text(lexer_t *lexer) {
    size_t n = strlen(lexer->text);
    if (n > RV_MAX_TEXT) {
        rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place,
                     "the text has %zu bytes, more than the %u that are allowed", n, RV_MAX_TEXT);
        return false;
    }
    lexer->n = (uint32_t)n;
    if (rv_utf8_valid(lexer->text, n))
        return true;
    for (;;) {
        uint32_t length = 1;
        while (length < 4 && ((unsigned char)peek(lexer, length) & 0xc0) == 0x80)
            length++;
        if (!rv_utf8_valid(lexer->text + lexer->pos, length))
            break;
        advance(lexer, length);
    }
    rv_expr_fail(lexer->report, RV_REASON_FILTER, lexer->place, "the text is not valid UTF-8 here");
    return false;
}

expr_token_t *rv_expr_lex(rv_arena_t *arena, const char *text, expr_report_t *report) {
    lexer_t lexer = {.arena = arena, .report = report, .text = text, .place = {1, 1}};
    if (!check_text(&lexer))
        return NULL;
    size_t count = 0, cap = 0;
    expr_token_t *tokens = NULL;
    for (;;) {
        skip_space(&lexer);
        if (count == cap) {
            cap = cap ? 2 * cap : 64;
            expr_token_t *more = realloc(tokens, cap * sizeof *tokens);
            if (!more) {
                rv_expr_fail_memory(report);
                break;
            }
            tokens = more;
        }
        expr_token_t *token = &tokens[count++];
        *token = (expr_token_t){.place = lexer.place, .start = lexer.pos, .end = lexer.pos};
        if (lexer.pos == lexer.n)
            return tokens;
        if (!lex_one(&lexer, token))
            break;
    }
    free(tokens);
    return NULL;
}

// lex.c - text to tokens, as the specification's paragraph "Tokens" says, all at once into an array.
//
// Structure: one function for each kind of token; each returns the length that it took, or 0 after rvm_fail.
#include "ast.h"
#include "exact.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#define TEXT_LIMIT 65536

typedef struct lexer {
    rvm_arena_t *arena;
    const char *start, *p;
    rvm_error_t *error;
    rvm_token_t *token; // the one being read
} lexer_t;

void rvm_fail(rvm_error_t *error, rvm_status_t status, int line, int column, const char *format, ...) {
    if (error->status != RVM_OK) {
        return; // the first failure counts
    }
    va_list list;
    va_start(list, format);
    vsnprintf(error->text, sizeof error->text, format, list);
    va_end(list);
    error->status = status;
    error->line = line;
    error->column = column;
}

static size_t bad(lexer_t *x, const char *why) {
    rvm_fail(x->error, RVM_SYNTAX, x->token->line, x->token->column, "%s", why);
    return 0;
}

static size_t digits_at(const char *p) {
    size_t n = 0;
    while (isdigit((unsigned char)p[n])) {
        n++;
    }
    return n;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Digits of a fixed width as a number; -1 when there are fewer.
static int fixed(const char *p, int width) {
    int n = 0;
    for (int i = 0; i < width; i++) {
        if (!isdigit((unsigned char)p[i])) {
            return -1;
        }
        n = n * 10 + (p[i] - '0');
    }
    return n;
}

// Matches 4-2-2 digits: 10, or 0.
static size_t match_date(const char *p) {
    return fixed(p, 4) >= 0 && p[4] == '-' && fixed(p + 5, 2) >= 0 && p[7] == '-' && fixed(p + 8, 2) >= 0 ? 10 : 0;
}

// Matches date T hh:mm [:ss [.f{1,3}]] (Z | +-hh[:]mm): its length, or 0.
static size_t match_timestamp(const char *p) {
    if (match_date(p) == 0 || toupper((unsigned char)p[10]) != 'T' || fixed(p + 11, 2) < 0 || p[13] != ':' ||
        fixed(p + 14, 2) < 0) {
        return 0;
    }
    size_t n = 16;
    if (p[n] == ':' && fixed(p + n + 1, 2) >= 0) {
        n += 3;
        if (p[n] == '.') {
            size_t k = digits_at(p + n + 1);
            if (k < 1 || k > 3) {
                return 0;
            }
            n += 1 + k;
        }
    }
    if (toupper((unsigned char)p[n]) == 'Z') {
        return n + 1;
    }
    if ((p[n] == '+' || p[n] == '-') && fixed(p + n + 1, 2) >= 0) {
        size_t colon = p[n + 3] == ':';
        return fixed(p + n + 3 + colon, 2) >= 0 ? n + 5 + colon : 0;
    }
    return 0;
}

static bool civil_date(const char *p, int64_t *ret_days) {
    int year = fixed(p, 4), month = fixed(p + 5, 2), day = fixed(p + 8, 2);
    if (month < 1 || month > 12 || day < 1) {
        return false;
    }
    int64_t y;
    int m, d;
    *ret_days = rvm_days_from_civil(year, month, day);
    rvm_civil_from_days(*ret_days, &y, &m, &d);
    return m == month && d == day; // 30 February would have moved on
}

static bool timestamp(const char *p, int64_t *ret_ms) {
    int64_t days;
    int hour = fixed(p + 11, 2), minute = fixed(p + 14, 2), second = 0, ms = 0, offset = 0;
    if (!civil_date(p, &days)) {
        return false;
    }
    p += 16;
    if (*p == ':') {
        second = fixed(p + 1, 2);
        p += 3;
        if (*p == '.') {
            size_t k = digits_at(p + 1);
            ms = fixed(p + 1, (int)k) * (k == 1 ? 100 : k == 2 ? 10 : 1);
            p += 1 + k;
        }
    }
    if (*p == '+' || *p == '-') {
        int hours = fixed(p + 1, 2), minutes = fixed(p + 3 + (p[3] == ':'), 2);
        if (hours > 23 || minutes > 59) {
            return false;
        }
        offset = (hours * 60 + minutes) * (*p == '-' ? -1 : 1);
    }
    *ret_ms = days * 86400000 + ((hour * 60 + minute - offset) * (int64_t)60 + second) * 1000 + ms;
    return hour <= 23 && minute <= 59 && second <= 59;
}

// Anything that begins with 4 digits, hyphen, digits, hyphen: a timestamp, a date, or an error.
static size_t lex_date(lexer_t *x) {
    const char *p = x->p;
    size_t run = 0, stamp = match_timestamp(p), date = match_date(p);
    while (p[run] != 0 && (isdigit((unsigned char)p[run]) || strchr("-:.Tt", p[run]) != NULL)) {
        run++;
    }
    int64_t value;
    if (stamp > 0 && stamp >= run) {
        x->token->kind = RVM_TOK_TIMESTAMP;
        if (!timestamp(p, &value)) {
            return bad(x, "there is no such time");
        }
        x->token->value = rvm_time(value);
        return stamp;
    }
    if (date > 0 && date >= run) {
        x->token->kind = RVM_TOK_DATE;
        if (!civil_date(p, &value)) {
            return bad(x, "there is no such date");
        }
        x->token->value = rvm_date(value);
        return date;
    }
    return bad(x, "a date is written 2026-01-31, a time 2026-01-31T10:00:00Z");
}

static size_t lex_number(lexer_t *x) {
    size_t whole = digits_at(x->p), fraction = 0;
    if (whole == 4 && x->p[4] == '-' && digits_at(x->p + 5) > 0 && x->p[5 + digits_at(x->p + 5)] == '-') {
        return lex_date(x);
    }
    if (x->p[whole] == '.') {
        fraction = digits_at(x->p + whole + 1);
    }
    if (whole + fraction > 38) {
        return bad(x, "a number has at most 38 digits");
    }
    rvm_i128_t n = 0;
    for (size_t i = 0; i < whole + fraction; i++) {
        n = n * 10 + (x->p[i < whole ? i : i + 1] - '0');
    }
    size_t length = fraction > 0 ? whole + 1 + fraction : whole;
    x->token->kind = fraction > 0 ? RVM_TOK_FRACTION : RVM_TOK_WHOLE;
    x->token->value = fraction > 0 || n > INT64_MAX ? rvm_decimal(n, (int)fraction) : rvm_int((int64_t)n);
    x->token->text = rvm_copy(x->arena, x->p, length);
    return length;
}

// '...', "..." or `...` with the quote doubled inside.
static size_t lex_quoted(lexer_t *x) {
    char quote = *x->p;
    size_t n = 0, i = 1;
    while (x->p[i] != quote || x->p[i + 1] == quote) {
        if (x->p[i] == 0) {
            return bad(x, "a quote is not closed");
        }
        i += x->p[i] == quote ? 2 : 1;
    }
    char *out = rvm_alloc(x->arena, i);
    for (size_t k = 1; k < i; k += x->p[k] == quote ? 2 : 1) {
        out[n++] = x->p[k];
    }
    x->token->kind = quote == '`' ? RVM_TOK_QUOTED : RVM_TOK_STRING;
    x->token->text = out;
    return quote == '`' && n == 0 ? bad(x, "a name is empty") : i + 1;
}

static bool is_reserved(const char *word) {
    static const char *const words[] = {"and",    "or",   "not",      "in",      "is",   "between", "contains",
                                        "starts", "ends", "like",     "matches", "has",  "where",   "within",
                                        "from",   "to",   "followed", "then",    "with", "of",      "now",
                                        "ago",    "true", "false",    "asc",     "desc"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static size_t lex_word(lexer_t *x, size_t skip) {
    size_t n = skip;
    while (isalnum((unsigned char)x->p[n]) || x->p[n] == '_') {
        n++;
    }
    x->token->text = rvm_copy(x->arena, x->p + skip, n - skip);
    x->token->kind = skip > 0 ? RVM_TOK_PARAM : RVM_TOK_NAME;
    x->token->reserved = is_reserved(x->token->text);
    if (skip > 0 && (n == skip || isdigit((unsigned char)x->p[skip]) || x->token->reserved)) {
        return bad(x, "a parameter is written $name");
    }
    return n;
}

static size_t lex_symbol(lexer_t *x) {
    static const char *const symbols[] = {"!=", "<=", ">=", "-", "+", "*", "/", "(", ")", ",", ".", "|", "=", "<", ">"};
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        if (strncmp(x->p, symbols[i], strlen(symbols[i])) == 0) {
            x->token->kind = RVM_TOK_SYMBOL;
            x->token->text = symbols[i];
            return strlen(symbols[i]);
        }
    }
    return bad(x, "this character has no meaning here");
}

static void skip_space(lexer_t *x) {
    for (;;) {
        while (is_space(*x->p)) {
            x->p++;
        }
        bool before = x->p == x->start || is_space(x->p[-1]);
        if (!before || strncmp(x->p, "--", 2) != 0 || !(x->p[2] == 0 || is_space(x->p[2]))) {
            return;
        }
        while (*x->p != 0 && *x->p != '\n') {
            x->p++;
        }
    }
}

static size_t lex_one(lexer_t *x) {
    char c = *x->p;
    if (isdigit((unsigned char)c)) {
        return lex_number(x);
    }
    if (c == '\'' || c == '"' || c == '`') {
        return lex_quoted(x);
    }
    if (isalpha((unsigned char)c) || c == '_') {
        return lex_word(x, 0);
    }
    return c == '$' ? lex_word(x, 1) : lex_symbol(x);
}

rvm_token_t *rvm_lex(rvm_arena_t *arena, const char *text, rvm_error_t *error) {
    lexer_t x = {.arena = arena, .start = text, .p = text, .error = error};
    if (strlen(text) > TEXT_LIMIT) {
        rvm_fail(error, RVM_SYNTAX, 1, 1, "the text is longer than 64 KiB");
        return NULL;
    }
    rvm_token_t *tokens = rvm_alloc(arena, (strlen(text) + 4) * sizeof *tokens); // room to look ahead of END
    const char *line_start = text, *counted = text;
    int line = 1;
    for (rvm_token_t *token = tokens;; token++) {
        skip_space(&x);
        for (; counted < x.p; counted++) {
            if (*counted == '\n') {
                line++;
                line_start = counted + 1;
            }
        }
        *token = (rvm_token_t){.kind = RVM_TOK_END, .text = "", .line = line, .column = (int)(x.p - line_start) + 1};
        if (*x.p == 0) {
            return tokens;
        }
        x.token = token;
        size_t length = lex_one(&x);
        if (length == 0) {
            return NULL;
        }
        x.p += length;
    }
}

/* lex.h: text to tokens, as the "Tokens" and "Words" of the filter language say. Private to common/expr.
 *
 * All tokens of a text are made at once, in one pass: at most one a byte, so the work is linear and bounded by
 * RV_MAX_TEXT. A token borrows the text; what has to be rewritten (doubled quotes) is copied into the arena.
 */
#ifndef REVEILLE_EXPR_LEX_H
#define REVEILLE_EXPR_LEX_H

#include "report.h"
#include "reveille/arena.h"
#include "reveille/valcodec.h"

/* Words of the grammar: symbol, spelling, reserved. The others are names wherever the grammar does not expect them. */
#define EXPR_WORDS(X)                                                                                                  \
    X(AND, "and", true)                                                                                                \
    X(OR, "or", true)                                                                                                  \
    X(NOT, "not", true)                                                                                                \
    X(IN, "in", true)                                                                                                  \
    X(IS, "is", true)                                                                                                  \
    X(BETWEEN, "between", true)                                                                                        \
    X(CONTAINS, "contains", true)                                                                                      \
    X(STARTS, "starts", true)                                                                                          \
    X(ENDS, "ends", true)                                                                                              \
    X(LIKE, "like", true)                                                                                              \
    X(MATCHES, "matches", true)                                                                                        \
    X(HAS, "has", true)                                                                                                \
    X(WHERE, "where", true)                                                                                            \
    X(WITHIN, "within", true)                                                                                          \
    X(FROM, "from", true)                                                                                              \
    X(TO, "to", true)                                                                                                  \
    X(FOLLOWED, "followed", true)                                                                                      \
    X(THEN, "then", true)                                                                                              \
    X(WITH, "with", true)                                                                                              \
    X(OF, "of", true)                                                                                                  \
    X(NOW, "now", true)                                                                                                \
    X(AGO, "ago", true)                                                                                                \
    X(TRUE, "true", true)                                                                                              \
    X(FALSE, "false", true)                                                                                            \
    X(ASC, "asc", true)                                                                                                \
    X(DESC, "desc", true)                                                                                              \
    X(AT, "at", false)                                                                                                 \
    X(ANY, "any", false)                                                                                               \
    X(ALL, "all", false)                                                                                               \
    X(NONE, "none", false)                                                                                             \
    X(SET, "set", false)                                                                                               \
    X(UNSET, "unset", false)                                                                                           \
    X(BY, "by", false)                                                                                                 \
    X(SAME, "same", false)                                                                                             \
    X(COUNT, "count", false)                                                                                           \
    X(EXISTS, "exists", false)                                                                                         \
    X(FIRST, "first", false)                                                                                           \
    X(LAST, "last", false)                                                                                             \
    X(RECENCY, "recency", false)                                                                                       \
    X(CADENCE, "cadence", false)                                                                                       \
    X(SUM, "sum", false)                                                                                               \
    X(MIN, "min", false)                                                                                               \
    X(MAX, "max", false)                                                                                               \
    X(AVG, "avg", false)                                                                                               \
    X(DISTINCT, "distinct", false)                                                                                     \
    X(QUANTILE, "quantile", false)                                                                                     \
    X(FUNNEL, "funnel", false)                                                                                         \
    X(SCORE, "score", false)                                                                                           \
    X(PEAK, "peak", false)                                                                                             \
    X(STAGE, "stage", false)                                                                                           \
    X(SEGMENT, "segment", false)                                                                                       \
    X(SPLIT, "split", false)                                                                                           \
    X(BUCKET, "bucket", false)                                                                                         \
    X(P_ALIVE, "p_alive", false)                                                                                       \
    X(EXPECTED, "expected", false)                                                                                     \
    X(CLV, "clv", false)                                                                                               \
    X(SECOND, "second", false)                                                                                         \
    X(SECONDS, "seconds", false)                                                                                       \
    X(MINUTE, "minute", false)                                                                                         \
    X(MINUTES, "minutes", false)                                                                                       \
    X(HOUR, "hour", false)                                                                                             \
    X(HOURS, "hours", false)                                                                                           \
    X(DAY, "day", false)                                                                                               \
    X(DAYS, "days", false)                                                                                             \
    X(WEEK, "week", false)                                                                                             \
    X(WEEKS, "weeks", false)                                                                                           \
    X(MONTH, "month", false)                                                                                           \
    X(MONTHS, "months", false)                                                                                         \
    X(QUARTER, "quarter", false)                                                                                       \
    X(QUARTERS, "quarters", false)                                                                                     \
    X(YEAR, "year", false)                                                                                             \
    X(YEARS, "years", false)

typedef enum {
    WORD_UNKNOWN,
#define X(symbol, spelling, reserved) WORD_##symbol,
    EXPR_WORDS(X)
#undef X
} expr_word_t;

typedef enum {
    TOKEN_END,
    TOKEN_NAME, /* bare (then `word` may be set) or in backquotes */
    TOKEN_PARAMETER,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_DECIMAL,
    TOKEN_DATE,
    TOKEN_TIMESTAMP,
    TOKEN_SYMBOL,
} expr_token_kind_t;

/* Symbols of two characters; the others stand for themselves. */
enum { SYMBOL_NE = 'n', SYMBOL_LE = 'l', SYMBOL_GE = 'g' };

typedef struct {
    expr_token_kind_t kind;
    expr_word_t word; /* of a bare name */
    bool reserved;    /* a bare name that is no name */
    char symbol;      /* of a symbol */
    expr_place_t place;
    uint32_t start, end; /* bytes of the text */
    rv_str_t
        text; /* name, contents of a string, digits, or the bytes of the symbol; ends with a NUL where it is a copy */
    int64_t value; /* of a date: days; of a timestamp: ms */
} expr_token_t;

/* The tokens of `text`, the last of which is TOKEN_END: to be freed; strings in the arena. NULL after a failure. */
expr_token_t *rv_expr_lex(rv_arena_t *arena, const char *text, expr_report_t *report);
/* Milliseconds of a unit; 0 for a unit of the calendar; -1 when the word is no unit. */
int64_t rv_expr_unit(expr_word_t word);

#endif

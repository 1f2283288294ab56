/* report.h: where errors about a text go. Private to common/expr.
 *
 * The first failure of a report is kept, whatever is reported later; the functions of this folder return NULL, false or
 * EXPR_NONE after a failure and pass it on untouched, so that no caller has to carry a status beside its result.
 */
#ifndef REVEILLE_EXPR_REPORT_H
#define REVEILLE_EXPR_REPORT_H

#include "reveille/status.h"
#include "reveille/text.h"

/* Where something stands in its text: line and column from 1, in characters. */
typedef struct {
    uint32_t line, column;
} expr_place_t;

typedef struct {
    rv_error_t *err;    /* may be NULL */
    rv_status_t status; /* RV_OK until the first failure */
    const char *field;  /* what the text is: "filter", "segment NAME" */
} expr_report_t;

/* Reports a failure at a place of the text. */
void rv_expr_fail(expr_report_t *report, rv_reason_t reason, expr_place_t place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Reports that memory ran out, or the budget of one request. */
void rv_expr_fail_memory(expr_report_t *report);

/* A name or value as it may stand in a message: cut after some characters. Use `.text` within one expression. */
typedef struct {
    char text[88];
} expr_quote_t;
expr_quote_t rv_expr_quote(rv_str_t text);

#endif

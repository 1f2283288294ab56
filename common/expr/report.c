/* report.c: writes the first error about a text into the caller's rv_error_t: place, field, one sentence.
 *
 * The field is cut at a character boundary, so that it stays valid UTF-8 on the wire. No state.
 */
#include "report.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_field(expr_report_t *report) {
    if (!report->err || !report->field)
        return;
    size_t n = rv_utf8_cut(report->field, strlen(report->field), sizeof report->err->field - 1);
    memcpy(report->err->field, report->field, n);
    report->err->field[n] = 0;
}

void rv_expr_fail(expr_report_t *report, rv_reason_t reason, expr_place_t place, const char *format, ...) {
    if (report->status != RV_OK)
        return;
    char message[sizeof report->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    report->status = rv_fail_at(report->err, reason, place.line, place.column, "%s", message);
    set_field(report);
}

void rv_expr_fail_memory(expr_report_t *report) {
    if (report->status != RV_OK)
        return;
    report->status = rv_fail_memory(report->err, "the expressions of one request");
    set_field(report);
}

expr_quote_t rv_expr_quote(rv_str_t text) {
    expr_quote_t quote;
    size_t n = rv_utf8_cut(text.p, text.n, sizeof quote.text - 4);
    memcpy(quote.text, text.p, n);
    memcpy(quote.text + n, n < text.n ? "..." : "", n < text.n ? 4 : 1);
    return quote;
}

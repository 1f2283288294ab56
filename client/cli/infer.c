/* infer.c: every column begins as everything and loses the types that a value contradicts; the narrowest one left wins.
 * Values like 00123 are no numbers: their zeros would be lost. Memory: a small state a column and the names of event
 * types. */
#include "infer.h"
#include "commands.h"
#include "dictionary.h"
#include "reveille/arena.h"
#include "reveille/civil.h"
#include "reveille/limits.h"
#include "reveille/num.h"
#include "schema_write.h"
#include "source.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CAN_BOOL = 1, CAN_INT = 2, CAN_DECIMAL = 4, CAN_DATE = 8, CAN_TIME = 16, CAN_ALL = 31 };

typedef struct {
    char name[RV_MAX_NAME + 1];
    unsigned can, scale;
    uint64_t values, with_semicolon;
} column_t;

typedef struct {
    column_t *columns;
    size_t n;
    size_t at, type; /* columns of events; n: none */
    rv_dictionary_t *types;
    uint64_t rows;
} guess_t;

static bool bool_text(const char *p, size_t n) {
    static const char *const WORDS[] = {"0", "1", "true", "false", "yes", "no"};
    for (size_t i = 0; i < 6; i++)
        if (strlen(WORDS[i]) == n && strncasecmp(p, WORDS[i], n) == 0)
            return true;
    return false;
}

/* Digits with at most one point and sign, whose text is that of the number. Returns the decimal places, -1 for other
 * texts. */
static int decimal_places(const char *p, size_t n) {
    size_t i = n > 0 && p[0] == '-', first = i, point = n;
    for (; i < n; i++) {
        if (p[i] == '.' && point == n && i > first)
            point = i;
        else if (!isdigit((unsigned char)p[i]))
            return -1;
    }
    if (first == n || point + 1 == n || n - first > 38)
        return -1;
    if (p[first] == '0' && point != first + 1 && n - first > 1)
        return -1;
    return point == n ? 0 : (int)(n - point - 1);
}

static void see(column_t *column, const rv_csv_field_t *field) {
    int64_t ignored;
    if (field->n == 0)
        return;
    column->values++;
    column->with_semicolon += memchr(field->p, ';', field->n) != NULL;
    if ((column->can & CAN_BOOL) && !bool_text(field->p, field->n))
        column->can &= ~(unsigned)CAN_BOOL;
    if (column->can & (CAN_INT | CAN_DECIMAL)) {
        int places = decimal_places(field->p, field->n);
        if (places != 0 || field->n > 18)
            column->can &= ~(unsigned)CAN_INT;
        if (places < 0 || places > (int)RV_MAX_SCALE)
            column->can &= ~(unsigned)CAN_DECIMAL;
        else if ((unsigned)places > column->scale)
            column->scale = (unsigned)places;
    }
    if ((column->can & CAN_DATE) && !rv_date_parse(field->p, field->n, &ignored))
        column->can &= ~(unsigned)CAN_DATE;
    if ((column->can & CAN_TIME) && (field->n < 16 || !rv_time_parse(field->p, field->n, true, &ignored)))
        column->can &= ~(unsigned)CAN_TIME;
}

static void type_text(const column_t *column, bool company, char out[48]) {
    const char *name = "string";
    if (company)
        name = "company";
    else if (column->values == 0)
        name = "string";
    else if (column->can & CAN_BOOL)
        name = "bool";
    else if (column->can & CAN_INT)
        name = "int";
    else if (column->can & CAN_DATE)
        name = "date";
    else if (column->can & CAN_TIME)
        name = "time";
    else if (column->can & CAN_DECIMAL) {
        snprintf(out, 48, "decimal, scale: %u", column->scale);
        return;
    } else if (column->with_semicolon > column->values / 4)
        name = "set";
    snprintf(out, 48, "%s", name);
}

static void attribute_line(rv_out_t *out, const column_t *column, bool company) {
    char type[48];
    type_text(column, company, type);
    rv_out_text(out, "    ");
    rv_yaml_scalar(out, column->name);
    rv_out_printf(out, ": {type: %s}%s\n", type, column->values ? "" : "   # no value in the file");
}

static bool named(const column_t *column, const char *name) {
    return strcmp(column->name, name) == 0;
}

static void write_events(const guess_t *guess, rv_out_t *out) {
    static const char *const OWN[] = {"contact", "at", "type", "channel", "source"};
    const char *id = NULL;
    bool any = false;
    for (size_t i = 0; i < guess->n && !id; i++)
        if (named(&guess->columns[i], "event") || named(&guess->columns[i], "event_id") ||
            named(&guess->columns[i], "id"))
            id = guess->columns[i].name;
    rv_out_text(out, "contact:\n  key: contact\nevent:\n  id: ");
    rv_yaml_scalar(out, id ? id : "event");
    rv_out_char(out, '\n');
    for (size_t i = 0; i < guess->n; i++) {
        bool own = id && strcmp(id, guess->columns[i].name) == 0;
        for (size_t k = 0; k < sizeof OWN / sizeof OWN[0]; k++)
            own = own || named(&guess->columns[i], OWN[k]);
        if (own)
            continue;
        rv_out_text(out, any ? "" : "  properties:\n");
        any = true;
        attribute_line(out, &guess->columns[i], false);
    }
    rv_out_text(out, "  types:\n");
    for (uint32_t i = 0; i < rv_dictionary_count(guess->types); i++) {
        rv_str_t name = rv_dictionary_string(guess->types, i);
        char text[RV_MAX_NAME + 1];
        snprintf(text, sizeof text, "%.*s", (int)name.n, name.p);
        rv_out_text(out, "    - ");
        rv_yaml_scalar(out, text);
        rv_out_char(out, '\n');
    }
}

static void write_contacts(const guess_t *guess, rv_out_t *out) {
    size_t key = 0, created = guess->n;
    bool company = false;
    for (size_t i = guess->n; i-- > 0;) {
        if (named(&guess->columns[i], "contact"))
            key = i;
        if ((guess->columns[i].can & CAN_TIME) && guess->columns[i].values &&
            (strstr(guess->columns[i].name, "signed_up") || strstr(guess->columns[i].name, "created")))
            created = i;
    }
    rv_out_text(out, "contact:\n  key: ");
    rv_yaml_scalar(out, guess->columns[key].name);
    if (created < guess->n) {
        rv_out_text(out, "\n  created: ");
        rv_yaml_scalar(out, guess->columns[created].name);
    }
    rv_out_text(out, guess->n > 1 ? "\n  attributes:\n" : "\n");
    for (size_t i = 0; i < guess->n; i++)
        if (i != key) {
            attribute_line(out, &guess->columns[i], named(&guess->columns[i], "company"));
            company = company || named(&guess->columns[i], "company");
        }
    if (company)
        rv_out_text(out, "company:\n  key: company\n");
}

static rv_status_t take_header(guess_t *guess, const rv_csv_record_t *header, const char *name, rv_error_t *err) {
    if (header->problem)
        return rv_fail(err, RV_REASON_FIELD, "%s:%llu: %s", name, (unsigned long long)header->line, header->problem);
    guess->n = guess->at = guess->type = header->n_fields;
    guess->columns = calloc(guess->n, sizeof *guess->columns);
    guess->types = rv_dictionary_new();
    if (!guess->columns || !guess->types)
        return rv_fail_memory(err, "columns");
    for (size_t i = 0; i < guess->n; i++) {
        column_t *column = &guess->columns[i];
        const rv_csv_field_t *field = &header->fields[i];
        if (field->n == 0 || field->n > RV_MAX_NAME)
            return rv_fail(err, RV_REASON_FIELD, "%s: the name of column %zu has %u bytes; 1 to %u are possible", name,
                           i + 1, field->n, RV_MAX_NAME);
        memcpy(column->name, field->p, field->n);
        column->can = CAN_ALL;
        guess->at = named(column, "at") ? i : guess->at;
        guess->type = named(column, "type") ? i : guess->type;
    }
    return RV_OK;
}

static rv_status_t take_row(guess_t *guess, const rv_csv_record_t *record, rv_error_t *err) {
    bool added;
    if (record->problem || record->n_fields != guess->n)
        return RV_OK; /* an import would reject it */
    guess->rows++;
    for (size_t i = 0; i < guess->n; i++)
        see(&guess->columns[i], &record->fields[i]);
    if (guess->type == guess->n || record->fields[guess->type].n == 0)
        return RV_OK;
    const rv_csv_field_t *type = &record->fields[guess->type];
    if (type->n > RV_MAX_NAME || rv_dictionary_number(guess->types, type->p, type->n, &added) == UINT32_MAX)
        return rv_fail_memory(err, "types");
    if (rv_dictionary_count(guess->types) > RV_MAX_TYPES)
        return rv_fail(err, RV_REASON_LIMIT, "column 'type' has more than %u different values", RV_MAX_TYPES);
    return RV_OK;
}

rv_status_t rv_infer(rv_csv_read_fn read, void *context, const char *name, rv_out_t *out, rv_error_t *err) {
    guess_t guess = {0};
    rv_csv_record_t record;
    bool more;
    rv_csv_t *csv = rv_csv_new(read, context, 0, 1);
    rv_status_t status = csv ? rv_csv_next(csv, &record, &more, err) : rv_fail_memory(err, "a file");
    if (status == RV_OK && !more)
        status = rv_fail(err, RV_REASON_FIELD, "%s is empty", name);
    if (status == RV_OK)
        status = take_header(&guess, &record, name, err);
    while (status == RV_OK) {
        status = rv_csv_next(csv, &record, &more, err);
        if (status != RV_OK || !more)
            break;
        status = take_row(&guess, &record, err);
    }
    if (status == RV_OK) {
        rv_out_printf(out, "# guessed from %llu rows of %s\n", (unsigned long long)guess.rows, name);
        if (guess.at < guess.n && guess.type < guess.n)
            write_events(&guess, out);
        else
            write_contacts(&guess, out);
    }
    rv_dictionary_destroy(&guess.types);
    free(guess.columns);
    rv_csv_destroy(&csv);
    return status;
}

rv_status_t rv_run_schema_infer(rv_cli_t *cli, rv_error_t *err) {
    const char *path = rv_args_argument(cli->args, 0);
    rv_source_t *source = NULL;
    rv_status_t status = rv_source_open(path, NULL, 0, &source, err);
    if (status == RV_OK)
        status = rv_infer(rv_source_read, source, path, cli->out, err);
    rv_source_close(&source);
    return status;
}

// gen_print.c - a case as text, so that a failure can be read and replayed: schema as YAML, operations, requests.
//
// Structure: schema; operations row by row; requests, one labelled line for each text; tables.
#include "gen.h"

#include <stdlib.h>
#include <string.h>

// ---- schema -------------------------------------------------------------------------------------------------------

static void print_fields(FILE *out, const char *label, const rvm_field_t *fields, int n) {
    fprintf(out, "  %s: {", label);
    for (int i = 0; i < n; i++) {
        fprintf(out, "%s\n    \"%s\": {type: %s", i > 0 ? "," : "", fields[i].name, rvm_type_name(fields[i].type));
        if (fields[i].type == RVM_DECIMAL) {
            fprintf(out, ", scale: %d", fields[i].scale);
        }
        fputs("}", out);
    }
    fputs("}\n", out);
}

static void print_type_list(FILE *out, const rvm_schema_t *schema, uint64_t types) {
    const char *comma = "";
    for (int t = 0; t < schema->n_types; t++) {
        if ((types >> t & 1) != 0) {
            fprintf(out, "%s\"%s\"", comma, schema->types[t].name);
            comma = ", ";
        }
    }
}

static void print_types(FILE *out, const rvm_schema_t *schema) {
    fputs("  types:\n", out);
    for (int t = 0; t < schema->n_types; t++) {
        const char *comma = "";
        fprintf(out, "    - {name: \"%s\", properties: [", schema->types[t].name);
        for (int p = 0; p < schema->n_properties; p++) {
            if ((schema->types[t].properties >> p & 1) != 0) {
                fprintf(out, "%s\"%s\"", comma, schema->properties[p].name);
                comma = ", ";
            }
        }
        fputs("]}\n", out);
    }
    fputs("  groups: {", out);
    for (int i = 0; i < schema->n_groups; i++) {
        fprintf(out, "%s\"%s\": [", i > 0 ? ", " : "", schema->groups[i].name);
        print_type_list(out, schema, schema->groups[i].types);
        fputs("]", out);
    }
    fputs("}\n", out);
}

static void print_models(FILE *out, const rvm_schema_t *schema) {
    fputs("scores: {", out);
    for (int m = 0; m < schema->n_models; m++) {
        const rvm_score_model_t *model = &schema->models[m];
        const char *comma = "";
        fprintf(out, "%s\n  \"%s\": {half_life: %lld seconds, events: {", m > 0 ? "," : "", model->name,
                (long long)model->half_life / 1000);
        for (int t = 0; t < schema->n_types; t++) {
            if ((model->types >> t & 1) != 0) {
                fprintf(out, "%s\"%s\": %.17g", comma, schema->types[t].name, model->points[t]);
                comma = ", ";
            }
        }
        fputs("}}", out);
    }
    fputs("}\n", out);
}

void rvm_schema_print(FILE *out, const rvm_schema_t *schema) {
    fprintf(out, "contact:\n  key: %s\n", schema->contact_key);
    if (schema->created >= 0) {
        fprintf(out, "  created: \"%s\"\n", schema->attributes[schema->created].name);
    }
    print_fields(out, "attributes", schema->attributes, schema->n_attributes);
    if (schema->company >= 0) {
        fprintf(out, "company:\n  key: %s\n", schema->company_key);
        print_fields(out, "attributes", schema->company_attributes, schema->n_company_attributes);
    }
    fprintf(out, "event:\n  id: %s\n", schema->event_id);
    print_fields(out, "properties", schema->properties, schema->n_properties);
    print_types(out, schema);
    print_models(out, schema);
}

// ---- operations ---------------------------------------------------------------------------------------------------

static void print_row(FILE *out, rvm_arena_t *arena, const rvm_row_t *row, const rvm_field_t *fields, int n) {
    fprintf(out, "  %s:", row->key);
    for (int i = 0; i < n; i++) {
        if (row->given[i]) {
            fprintf(out, " %s=%s", fields[i].name, rvm_show(arena, &row->values[i]));
        }
    }
    fputs("\n", out);
}

static void print_event(FILE *out, rvm_arena_t *arena, const rvm_schema_t *schema, const rvm_event_t *event) {
    rvm_value_t at = rvm_time(event->at);
    fprintf(out, "  %s %s %s source=\"%s\" id=\"%s\" import=%lld", event->contact, schema->types[event->type].name,
            rvm_show(arena, &at), event->source, event->id, (long long)event->import);
    if (event->channel != NULL) {
        fprintf(out, " channel=\"%s\"", event->channel);
    }
    for (int p = 0; p < schema->n_properties; p++) {
        if (event->properties[p].type != RVM_MISSING) {
            fprintf(out, " %s=%s", schema->properties[p].name, rvm_show(arena, &event->properties[p]));
        }
    }
    fputs("\n", out);
}

static void print_op(FILE *out, rvm_arena_t *arena, const rvm_schema_t *schema, const rvm_op_t *op) {
    static const char *const names[] = {"contacts", "companies",    "events",        "flush",      "compact",
                                        "erase",    "delete event", "delete source", "undo import"};
    fprintf(out, "%s", names[op->kind]);
    if (op->kind == RVM_OP_ERASE || op->kind == RVM_OP_DELETE_SOURCE) {
        fprintf(out, " %s", op->name);
    }
    if (op->kind == RVM_OP_UNDO_IMPORT) {
        fprintf(out, " %lld", (long long)op->import);
    }
    fputs("\n", out);
    for (int i = 0; i < op->n; i++) {
        if (op->kind == RVM_OP_CONTACTS) {
            print_row(out, arena, &op->rows[i], schema->attributes, schema->n_attributes);
        } else if (op->kind == RVM_OP_COMPANIES) {
            print_row(out, arena, &op->rows[i], schema->company_attributes, schema->n_company_attributes);
        } else {
            print_event(out, arena, schema, &op->events[i]);
        }
    }
    if (op->kind == RVM_OP_DELETE_EVENT) {
        print_event(out, arena, schema, &op->events[0]);
    }
}

// ---- requests -----------------------------------------------------------------------------------------------------

static void print_text(FILE *out, const char *label, const char *text) {
    if (text != NULL && text[0] != 0) {
        fprintf(out, "  %s: %s\n", label, text);
    }
}

void rvm_query_print(FILE *out, const rvm_query_t *query) {
    static const char *const names[] = {"count", "select", "aggregate", "overlap", "funnel", "retention"};
    rvm_arena_t *arena = rvm_arena_new();
    rvm_value_t at = rvm_time(query->as_of);
    fprintf(out, "%s as of %s\n", names[query->kind], rvm_show(arena, &at));
    print_text(out, "filter", query->filter);
    print_text(out, "fields", query->fields);
    print_text(out, "order", query->order);
    if (query->limit >= 0) {
        fprintf(out, "  limit: %d\n", query->limit);
    }
    print_text(out, "by", query->by);
    print_text(out, "compute", query->compute);
    for (int i = 0; i < query->n_overlap; i++) {
        print_text(out, "overlap", query->overlap[i]);
    }
    print_text(out, "steps", query->steps);
    print_text(out, "window", query->window);
    print_text(out, "start", query->start);
    print_text(out, "types", query->types);
    if (query->kind == RVM_QUERY_FUNNEL || query->kind == RVM_QUERY_RETENTION) {
        fprintf(out, "  within %lld ms, cohort %lld ms, period %lld ms x %d\n", (long long)query->within,
                (long long)query->cohort, (long long)query->period, query->periods);
    }
    rvm_arena_destroy(&arena);
}

void rvm_table_print(FILE *out, const rvm_table_t *table) {
    rvm_arena_t *arena = rvm_arena_new();
    for (int r = 0; r < table->rows; r++) {
        fprintf(out, "  %s", table->keys != NULL ? table->keys[r] : "");
        for (int k = 0; k < table->columns; k++) {
            fprintf(out, "%s%s", k > 0 || table->keys != NULL ? " | " : "", rvm_show(arena, rvm_cell(table, r, k)));
        }
        fputs("\n", out);
    }
    rvm_arena_destroy(&arena);
}

static void print_param(FILE *out, rvm_arena_t *arena, const rvm_param_t *param) {
    fprintf(out, "$%s =%s", param->name, param->list ? " list" : "");
    for (int i = 0; i < param->n; i++) {
        fprintf(out, " %s", rvm_show(arena, &param->values[i]));
    }
    fputs("\n", out);
}

void rvm_case_print(FILE *out, const rvm_case_t *one) {
    rvm_arena_t *arena = rvm_arena_new();
    fprintf(out, "# case of seed %llu\n", (unsigned long long)one->seed);
    rvm_schema_print(out, &one->schema);
    fputs("\n# operations\n", out);
    for (int i = 0; i < one->n_ops; i++) {
        print_op(out, arena, &one->schema, &one->ops[i]);
    }
    fputs("\n# parameters and segments\n", out);
    for (int i = 0; i < one->n_params; i++) {
        print_param(out, arena, &one->params[i]);
    }
    for (int i = 0; i < one->n_segments; i++) {
        fprintf(out, "%s: %s\n", one->segments[i].name, one->segments[i].text);
    }
    fputs("\n# requests, with the model's answers\n", out);
    for (int i = 0; i < one->n_queries; i++) {
        rvm_world_t world = rvm_case_world(one, one->data, one->queries[i].as_of);
        rvm_table_t table;
        rvm_error_t error;
        rvm_query_print(out, &one->queries[i]);
        if (rvm_query_run(arena, &world, &one->queries[i], &table, &error) == RVM_OK) {
            rvm_table_print(out, &table);
        } else {
            fprintf(out, "  %s at %d:%d: %s\n", rvm_status_name(error.status), error.line, error.column, error.text);
        }
    }
    rvm_arena_destroy(&arena);
}

/* program_show.c: writes nodes into a growing string, arguments in place. Times are shown from T: "T", "T-30d". */
#include "program_show.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const Reveille__V1__Program *program;
    const rv_catalog_t *catalog;
    FILE *out;
} show_t;

static void show_node(show_t *s, uint32_t number);

static void show_span(show_t *s, int64_t ms) {
    if (ms % 86400000 == 0)
        fprintf(s->out, "%" PRId64 "d", ms / 86400000);
    else
        fprintf(s->out, "%" PRId64 "ms", ms);
}

static void show_value(show_t *s, const Reveille__V1__Value *value) {
    switch (value->kind_case) {
    case REVEILLE__V1__VALUE__KIND_STRING_VALUE:
        fprintf(s->out, "'%s'", value->string_value);
        break;
    case REVEILLE__V1__VALUE__KIND_INT_VALUE:
        fprintf(s->out, "%" PRId64, value->int_value);
        break;
    case REVEILLE__V1__VALUE__KIND_DOUBLE_VALUE:
        fprintf(s->out, "%ge0", value->double_value);
        break;
    case REVEILLE__V1__VALUE__KIND_DECIMAL_VALUE:
        fprintf(s->out, "%s", value->decimal_value);
        break;
    case REVEILLE__V1__VALUE__KIND_BOOL_VALUE:
        fprintf(s->out, value->bool_value ? "true" : "false");
        break;
    case REVEILLE__V1__VALUE__KIND_TIME_MS:
        fprintf(s->out, "T");
        if (value->time_ms != s->program->now_ms) {
            fprintf(s->out, value->time_ms > s->program->now_ms ? "+" : "");
            show_span(s, value->time_ms - s->program->now_ms);
        }
        break;
    case REVEILLE__V1__VALUE__KIND_DATE_DAYS:
        fprintf(s->out, "day%d", (int)value->date_days);
        break;
    case REVEILLE__V1__VALUE__KIND_DURATION_MS:
        show_span(s, value->duration_ms);
        break;
    default:
        fprintf(s->out, "missing");
        break;
    }
}

static void show_bound(show_t *s, const char *name, const Reveille__V1__Bound *bound) {
    if (!bound)
        return;
    fprintf(s->out, " %s%s", name, bound->inclusive ? "= " : " ");
    show_node(s, bound->node - 1);
}

static void show_types(show_t *s, const uint32_t *types, size_t n, uint32_t where) {
    for (size_t i = 0; i < n; i++)
        fprintf(s->out, "%s%s", i ? "|" : " ", rv_catalog_type_by_id(s->catalog, types[i])->name);
    if (where == 0)
        return;
    fprintf(s->out, " where ");
    show_node(s, where - 1);
}

static void show_selection(show_t *s, uint32_t number) {
    const Reveille__V1__Selection *selection = s->program->selections[number];
    show_types(s, selection->types, selection->n_types, selection->where);
    show_bound(s, ">", selection->lo);
    show_bound(s, "<", selection->hi);
    show_bound(s, "until<", selection->until);
}

static void show_funnel(show_t *s, uint32_t number) {
    const Reveille__V1__Funnel *funnel = s->program->funnels[number];
    for (size_t i = 0; i < funnel->n_steps; i++) {
        fprintf(s->out, i ? " then" : "");
        show_types(s, funnel->steps[i]->types, funnel->steps[i]->n_types, funnel->steps[i]->where);
    }
    fprintf(s->out, " in ");
    show_span(s, funnel->within_ms);
    show_bound(s, ">", funnel->lo);
    show_bound(s, "<", funnel->hi);
    show_bound(s, "until<", funnel->until);
}

/* A leaf that is shown by its name alone; false when the node is none. */
static bool show_leaf(show_t *s, const Reveille__V1__Node *node) {
    static const char *const fields[] = {"?", "type", "channel", "at", "source", "id"};
    switch (node->op) {
    case REVEILLE__V1__OP__OP_LITERAL:
        show_value(s, node->literal);
        return true;
    case REVEILLE__V1__OP__OP_KEY:
        fprintf(s->out, "key");
        return true;
    case REVEILLE__V1__OP__OP_ATTRIBUTE:
        fprintf(s->out, "%s", rv_catalog_attribute_by_id(s->catalog, node->ref)->name);
        return true;
    case REVEILLE__V1__OP__OP_COMPANY_ATTRIBUTE:
        fprintf(s->out, "company.%s", rv_catalog_company_attribute_by_id(s->catalog, node->ref)->name);
        return true;
    case REVEILLE__V1__OP__OP_PROPERTY:
        fprintf(s->out, "event.%s", rv_catalog_property_by_id(s->catalog, node->ref)->name);
        return true;
    case REVEILLE__V1__OP__OP_EVENT_FIELD:
        fprintf(s->out, "event.%s", fields[node->ref]);
        return true;
    default:
        return false;
    }
}

static void show_node(show_t *s, uint32_t number) {
    const Reveille__V1__Node *node = s->program->nodes[number];
    const ProtobufCEnumValue *op = protobuf_c_enum_descriptor_get_value(&reveille__v1__op__descriptor, (int)node->op);
    if (show_leaf(s, node))
        return;
    fprintf(s->out, "(%s", op->name + 3);
    for (size_t i = 0; i < node->n_args; i++) {
        fprintf(s->out, " ");
        show_node(s, node->args[i]);
    }
    if (node->op == REVEILLE__V1__OP__OP_FUNNEL)
        show_funnel(s, node->ref);
    else if (node->op == REVEILLE__V1__OP__OP_SCORE)
        fprintf(s->out, " model%u", node->ref);
    else if (node->op >= REVEILLE__V1__OP__OP_COUNT)
        show_selection(s, node->ref);
    else if (node->ref)
        fprintf(s->out, " #%u", node->ref);
    if (node->literal) {
        fprintf(s->out, " ");
        show_value(s, node->literal);
    }
    for (size_t i = 0; i < node->n_list; i++) {
        fprintf(s->out, i ? ", " : " [");
        show_value(s, node->list[i]);
    }
    fprintf(s->out, node->n_list ? "])" : ")");
}

char *rvt_show(const Reveille__V1__Program *program, const rv_catalog_t *catalog, uint32_t node) {
    char *text = NULL;
    size_t n = 0;
    show_t s = {program, catalog, open_memstream(&text, &n)};
    if (!s.out)
        abort();
    show_node(&s, node);
    if (fclose(s.out) != 0)
        abort();
    return text;
}

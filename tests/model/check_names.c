// check_names.c - what names stand for: attributes, properties, parameters, types and groups, score models, segments.
//
// Structure: look-ups by plain search; then paths, parameters, selections with their windows, segments.
#include "check.h"

#include <string.h>

bool rvm_check_fail(rvm_checker_t *k, const rvm_node_t *node, rvm_status_t status, const char *what, const char *name) {
    rvm_fail(k->error, status, node->line, node->column, "%s '%s'", what, name == NULL ? "" : name);
    return false;
}

static int find_field(const rvm_field_t *fields, int n, const char *name) {
    for (int i = 0; i < n; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static void refer(rvm_node_t *node, rvm_reference_t reference, int index, rvm_type_t type, int scale) {
    node->reference = reference;
    node->index = index;
    node->type = type == RVM_COMPANY ? RVM_STRING : type;
    node->scale = scale;
}

// ---- names of the event -------------------------------------------------------------------------------------------

static bool refer_event(rvm_checker_t *k, rvm_node_t *node, const char *name) {
    static const struct {
        const char *name;
        rvm_type_t type;
    } built_in[] = {{"type", RVM_STRING},   {"channel", RVM_STRING}, {"at", RVM_TIME},  {"day", RVM_DATE},
                    {"week", RVM_DATE},     {"month", RVM_DATE},     {"hour", RVM_INT}, {"weekday", RVM_INT},
                    {"source", RVM_STRING}, {"id", RVM_STRING}}; // in the order of rvm_event_field_t
    const rvm_schema_t *schema = k->world->data->schema;
    int i = find_field(schema->properties, schema->n_properties, name);
    if (i >= 0) {
        refer(node, RVM_REF_PROPERTY, i, schema->properties[i].type, schema->properties[i].scale);
        return true;
    }
    for (i = 0; i < (int)(sizeof built_in / sizeof built_in[0]); i++) {
        if (strcmp(built_in[i].name, name) == 0) {
            refer(node, RVM_REF_EVENT, i, built_in[i].type, 0);
            return i != RVM_FIELD_MONTH || rvm_check_fail(k, node, RVM_UNIMPLEMENTED, "event field", name);
        }
    }
    return rvm_check_fail(k, node, RVM_INVALID, "unknown property", name);
}

// ---- names of the contact -----------------------------------------------------------------------------------------

static bool refer_attribute(rvm_checker_t *k, rvm_node_t *node, const char *name) {
    const rvm_schema_t *schema = k->world->data->schema;
    int i = find_field(schema->attributes, schema->n_attributes, name);
    if (i < 0 && strcmp(name, "company") == 0) {
        i = schema->company;
    }
    if (i >= 0) {
        refer(node, RVM_REF_ATTRIBUTE, i, schema->attributes[i].type, schema->attributes[i].scale);
        return k->in_at == 0 || rvm_check_fail(k, node, RVM_INVALID, "attribute without history under at", name);
    }
    if (strcmp(name, schema->contact_key) == 0) {
        refer(node, RVM_REF_KEY, 0, RVM_STRING, 0);
        return true;
    }
    return rvm_check_fail(k, node, RVM_INVALID, "unknown attribute", name);
}

static bool refer_company(rvm_checker_t *k, rvm_node_t *node, const char *name) {
    const rvm_schema_t *schema = k->world->data->schema;
    int i = find_field(schema->company_attributes, schema->n_company_attributes, name);
    if (schema->company < 0) {
        return rvm_check_fail(k, node, RVM_INVALID, "contacts have no company:", name);
    }
    if (i >= 0) {
        refer(node, RVM_REF_COMPANY, i, schema->company_attributes[i].type, schema->company_attributes[i].scale);
    } else if (strcmp(name, schema->company_key) == 0) {
        refer(node, RVM_REF_COMPANY_KEY, 0, RVM_STRING, 0);
    } else {
        return rvm_check_fail(k, node, RVM_INVALID, "unknown attribute of company", name);
    }
    return k->in_at == 0 || rvm_check_fail(k, node, RVM_INVALID, "attribute without history under at", name);
}

bool rvm_check_path(rvm_checker_t *k, rvm_node_t *node) {
    if (node->member == NULL) {
        return k->in_where ? refer_event(k, node, node->name) : refer_attribute(k, node, node->name);
    }
    if (strcmp(node->name, "contact") == 0) {
        return refer_attribute(k, node, node->member);
    }
    if (strcmp(node->name, "company") == 0) {
        return refer_company(k, node, node->member);
    }
    if (strcmp(node->name, "consent") == 0) {
        return rvm_check_fail(k, node, RVM_UNIMPLEMENTED, "consent", node->member);
    }
    return rvm_check_fail(k, node, RVM_INVALID, "unknown name before '.':", node->name);
}

static const rvm_param_t *find_param(rvm_checker_t *k, const char *name) {
    for (int i = 0; i < k->world->n_params; i++) {
        if (strcmp(k->world->params[i].name, name) == 0) {
            return &k->world->params[i];
        }
    }
    return NULL;
}

bool rvm_check_param(rvm_checker_t *k, rvm_node_t *node) {
    node->param = find_param(k, node->name);
    if (node->param == NULL) {
        return rvm_check_fail(k, node, RVM_INVALID, "unknown parameter", node->name);
    }
    if (node->param->n > 0) {
        node->type = node->param->values[0].type;
        node->scale = node->param->values[0].scale;
    }
    return true;
}

// ---- selections ---------------------------------------------------------------------------------------------------

static bool check_types(rvm_checker_t *k, rvm_selection_t *selection) {
    const rvm_schema_t *schema = k->world->data->schema;
    for (int t = 0; selection->any && t < schema->n_types; t++) {
        selection->types |= UINT64_C(1) << t;
    }
    for (int i = 0; i < selection->n_names; i++) {
        const rvm_token_t *name = selection->names[i];
        uint64_t found = 0;
        for (int t = 0; t < schema->n_types; t++) {
            found |= strcmp(schema->types[t].name, name->text) == 0 ? UINT64_C(1) << t : 0;
        }
        bool is_group = false;
        for (int g = 0; g < schema->n_groups; g++) {
            if (strcmp(schema->groups[g].name, name->text) == 0) {
                found |= schema->groups[g].types;
                is_group = true;
            }
        }
        if (found == 0 && !is_group) {
            rvm_fail(k->error, RVM_INVALID, name->line, name->column, "unknown event type or group '%s'", name->text);
            return false;
        }
        selection->types |= found;
    }
    return true;
}

static bool check_where(rvm_checker_t *k, rvm_node_t *where) {
    if (where == NULL) {
        return true;
    }
    k->in_where = true;
    bool ok = rvm_check_bool(k, where);
    k->in_where = false;
    return ok;
}

static bool check_bound(rvm_checker_t *k, rvm_node_t *bound) {
    if (bound == NULL) {
        return true;
    }
    return rvm_check_node(k, bound) &&
           (rvm_is_instant(bound->type) || rvm_check_fail(k, bound, RVM_INVALID, "not an instant:", "window"));
}

bool rvm_check_window(rvm_checker_t *k, rvm_window_t *window) {
    if (window->within != NULL) {
        if (!rvm_check_node(k, window->within)) {
            return false;
        }
        if (window->within->type != RVM_DURATION) {
            return rvm_check_fail(k, window->within, RVM_INVALID, "not a duration:", "within");
        }
    }
    return check_bound(k, window->from) && check_bound(k, window->to);
}

bool rvm_check_steps(rvm_checker_t *k, rvm_steps_t *steps) {
    for (int i = 0; i < steps->n; i++) {
        if (!check_types(k, steps->step[i]) || !check_where(k, steps->step[i]->where)) {
            return false;
        }
    }
    return true;
}

static bool nested(rvm_checker_t *k, const rvm_node_t *node) {
    return k->in_where && !rvm_check_fail(k, node, RVM_INVALID, "not inside", "where");
}

// The type of "f of SEL" is that of f, of a sum of ints a decimal of scale 0, of an average a double.
static bool type_aggregate(rvm_checker_t *k, rvm_node_t *node) {
    rvm_type_t field = node->type;
    switch (node->aggregate) {
    case RVM_AGG_SUM:
        node->type = field == RVM_INT ? RVM_DECIMAL : field;
        return rvm_is_number(field) || rvm_check_fail(k, node, RVM_INVALID, "no sum of", rvm_type_name(field));
    case RVM_AGG_AVG:
        node->type = RVM_DOUBLE;
        return rvm_is_number(field) || rvm_check_fail(k, node, RVM_INVALID, "no average of", rvm_type_name(field));
    case RVM_AGG_MIN:
    case RVM_AGG_MAX:
        return rvm_is_ordered(field) || rvm_check_fail(k, node, RVM_INVALID, "no order in", rvm_type_name(field));
    case RVM_AGG_DISTINCT:
    case RVM_AGG_COUNT:
        node->type = RVM_INT;
        return true;
    case RVM_AGG_EXISTS:
        node->type = RVM_BOOL;
        return true;
    case RVM_AGG_RECENCY:
        node->type = RVM_DURATION;
        return true;
    case RVM_AGG_CADENCE:
        return rvm_check_fail(k, node, RVM_UNIMPLEMENTED, "aggregate", "cadence");
    default: // first, last
        node->type = node->field != NULL ? field : RVM_TIME;
        return true;
    }
}

bool rvm_check_aggregate(rvm_checker_t *k, rvm_node_t *node) {
    rvm_selection_t *s = node->selection;
    if (nested(k, node)) {
        return false;
    }
    if (node->field != NULL && !refer_event(k, node, node->field->text)) {
        return false;
    }
    if (!check_types(k, s) || !check_where(k, s->where) || !rvm_check_window(k, &s->window)) {
        return false;
    }
    if (s->follow) {
        return rvm_check_fail(k, node, RVM_UNIMPLEMENTED, "selection with", "followed by");
    }
    return type_aggregate(k, node);
}

bool rvm_check_funnel(rvm_checker_t *k, rvm_node_t *node) {
    node->type = RVM_INT;
    return !nested(k, node) && rvm_check_steps(k, &node->steps) && rvm_check_node(k, node->kid[0]) &&
           rvm_check_window(k, &node->window);
}

bool rvm_check_score(rvm_checker_t *k, rvm_node_t *node) {
    const rvm_schema_t *schema = k->world->data->schema;
    node->type = RVM_DOUBLE;
    for (node->index = 0; node->index < schema->n_models; node->index++) {
        if (strcmp(schema->models[node->index].name, node->name) == 0) {
            return !nested(k, node);
        }
    }
    return rvm_check_fail(k, node, RVM_INVALID, "unknown score", node->name);
}

// ---- segments -----------------------------------------------------------------------------------------------------

static bool enter_segment(rvm_checker_t *k, rvm_node_t *node) {
    for (int i = 0; i < k->n_segments; i++) {
        if (strcmp(k->segments[i], node->name) == 0) {
            return rvm_check_fail(k, node, RVM_INVALID, "segment in a cycle:", node->name);
        }
    }
    if (k->n_segments == RVM_SEGMENT_DEPTH) {
        return rvm_check_fail(k, node, RVM_INVALID, "segments nested too deep at", node->name);
    }
    k->segments[k->n_segments++] = node->name;
    return true;
}

// Puts the segment's own condition under the node; none when its text is empty (everyone).
bool rvm_check_segment(rvm_checker_t *k, rvm_node_t *node) {
    const char *text = NULL;
    node->type = RVM_BOOL;
    if (nested(k, node)) {
        return false;
    }
    if (node->n == 1) { // the name is a parameter
        if (!rvm_check_node(k, node->kid[0])) {
            return false;
        }
        if (node->kid[0]->type != RVM_STRING) {
            return rvm_check_fail(k, node, RVM_INVALID, "not a string:", node->kid[0]->name);
        }
        node->name = node->kid[0]->value.s;
    }
    for (int i = 0; i < k->world->n_segments; i++) {
        text = strcmp(k->world->segments[i].name, node->name) == 0 ? k->world->segments[i].text : text;
    }
    if (text == NULL) {
        return rvm_check_fail(k, node, RVM_INVALID, "unknown segment", node->name);
    }
    if (!enter_segment(k, node)) {
        return false;
    }
    rvm_ast_t *ast = rvm_parse(k->arena, RVM_TEXT_FILTER, text, k->error);
    if (ast == NULL || (ast->n == 1 && !rvm_check_bool(k, ast->node[0]))) {
        return false;
    }
    node->kid = ast->node;
    node->n = ast->n;
    k->n_segments--;
    return true;
}

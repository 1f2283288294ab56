/* check.c: the shape of a write, before it is logged and when the log is read back.
 *
 * Everything that apply and input rely on: lengths agree, numbers point into their tables, values are of their type and
 * within its limits, names (numbers in the catalog) exist. A write that was made under an older schema may name what
 * was removed or widened since: its types are then its own. Pure. */
#include <string.h>

#include "partition.h"
#include "plain.h"
#include "reveille/limits.h"

#define SEPARATOR '\x1f'
#define KNOWN 64u

typedef const rv_attribute_t *lookup_t(const rv_catalog_t *catalog, uint32_t id);

typedef struct {
    const rv_catalog_t *catalog;
    bool old; /* made under an older schema */
    rv_error_t *err;
} check_t;

static rv_status_t wrong(const check_t *check, const char *field, const char *what) {
    rv_status_t status = rv_fail(check->err, RV_REASON_FIELD, "%s %s", field, what);
    if (check->err) {
        strncpy(check->err->field, field, sizeof check->err->field - 1);
    }
    return status;
}

/* Strings whose lengths add up; each of min..max bytes of UTF-8. */
static rv_status_t check_strings(const check_t *check, const char *field, const Reveille__V1__StringColumn *column,
                                 size_t n, bool any_n, size_t min, size_t max) {
    size_t at = 0;
    if (!column) {
        return n == 0 || any_n ? RV_OK : wrong(check, field, "is missing");
    }
    if (!any_n && column->n_lengths != n) {
        return wrong(check, field, "has another number of strings than the table has rows");
    }
    for (size_t i = 0; i < column->n_lengths; i++) {
        size_t length = column->lengths[i];
        if (length < min || length > max || length > column->data.len - at) {
            return wrong(check, field, "holds a string that is too short, too long, or outside its bytes");
        }
        if (!rv_utf8_valid((const char *)column->data.data + at, length)) {
            return wrong(check, field, "holds a string that is not UTF-8 without NUL");
        }
        at += length;
    }
    return at == column->data.len ? RV_OK : wrong(check, field, "has bytes behind its last string");
}

static bool has(const ProtobufCBinaryData *bits, size_t i) {
    return bits->len == 0 || (bits->data[i >> 3] >> (i & 7) & 1);
}

/* Elements sorted, each once, at most RV_MAX_SET. */
static bool set_valid(const char *p, size_t n) {
    rv_str_t last = {NULL, 0};
    size_t elements = 0;
    for (size_t start = 0, i = 0; n > 0 && i <= n; i++) {
        if (i < n && p[i] != SEPARATOR) {
            continue;
        }
        rv_str_t element = {p + start, (uint32_t)(i - start)};
        if (++elements > RV_MAX_SET || (last.p && rv_str_compare(last, element) >= 0)) {
            return false;
        }
        last = element;
        start = i + 1;
    }
    return true;
}

/* Every set is in its canonical form. */
static bool sets_valid(const Reveille__V1__StringColumn *column) {
    size_t at = 0;
    for (size_t i = 0; column && i < column->n_lengths; i++) {
        if (!set_valid((const char *)column->data.data + at, column->lengths[i])) {
            return false;
        }
        at += column->lengths[i];
    }
    return true;
}

static rv_status_t check_text(const check_t *check, const char *field, const Reveille__V1__Column *column, size_t n) {
    size_t max = column->type == RV_COMPANY ? RV_MAX_KEY : RV_MAX_VALUE;
    bool coded = column->n_codes > 0;
    if (column->n_ints || column->n_doubles || column->wide.len) {
        return wrong(check, field, "holds numbers but is of strings");
    }
    rv_status_t status = check_strings(check, field, column->strings, n, coded, 0, max);
    if (status) {
        return status;
    }
    if (coded && (column->n_codes != n || !column->strings)) {
        return wrong(check, field, "has another number of codes than the table has rows");
    }
    if (column->type == RV_SET && !sets_valid(column->strings)) {
        return wrong(check, field, "holds a set that is not sorted, repeats an element, or has more than 1,024");
    }
    for (size_t i = 0; i < n; i++) {
        size_t k = coded ? column->codes[i] : i;
        if (!has(&column->present, i)) {
            continue;
        }
        if (k >= column->strings->n_lengths) {
            return wrong(check, field, "has a code outside its dictionary");
        }
        if (column->type == RV_COMPANY && column->strings->lengths[k] == 0) {
            return wrong(check, field, "names a company by an empty key");
        }
    }
    return RV_OK;
}

static rv_status_t check_numbers(const check_t *check, const char *field, const Reveille__V1__Column *column,
                                 size_t n) {
    if (column->strings || column->n_codes) {
        return wrong(check, field, "holds strings but is of numbers");
    }
    if (column->type == RV_DOUBLE) {
        return column->n_doubles == n && column->n_ints == 0 && column->wide.len == 0
                   ? RV_OK
                   : wrong(check, field, "has another number of values than the table has rows");
    }
    bool wide = column->type == RV_DECIMAL && column->wide.len > 0;
    if (column->n_doubles ||
        (wide ? column->wide.len != n * 16 || column->n_ints : column->n_ints != n || column->wide.len)) {
        return wrong(check, field, "has another number of values than the table has rows");
    }
    for (size_t i = 0; column->type == RV_BOOL && i < n; i++) {
        if (has(&column->present, i) && column->ints[i] != 0 && column->ints[i] != 1) {
            return wrong(check, field, "holds a bool that is neither 0 nor 1");
        }
    }
    return RV_OK;
}

/* A column of n rows of its own type. */
static rv_status_t check_column(const check_t *check, const char *field, const Reveille__V1__Column *column, size_t n,
                                bool may_unset) {
    size_t bits = (n + 7) / 8;
    if ((column->present.len != 0 && column->present.len != bits) ||
        (column->unset.len != 0 && (!may_unset || column->unset.len != bits))) {
        return wrong(check, field, "has a bitmap of another length than the table has rows");
    }
    if (column->type <= 0 || column->type > RV_COMPANY || column->scale > RV_MAX_SCALE ||
        (column->scale > 0 && column->type != RV_DECIMAL)) {
        return wrong(check, field, "has a type or scale that is not known");
    }
    return rvw_kind(column->type) == RVW_KIND_TEXT || column->type == RV_COMPANY
               ? check_text(check, field, column, n)
               : check_numbers(check, field, column, n);
}

/* Type as in the catalog, or as it was. */
static rv_status_t check_type(const check_t *check, const char *field, const Reveille__V1__Column *column,
                              const rv_attribute_t *attribute) {
    if (check->old) {
        return RV_OK;
    }
    if (!attribute) {
        return wrong(check, field, "has a number that the schema does not know");
    }
    return attribute->type == column->type && (column->type != RV_DECIMAL || attribute->scale == column->scale)
               ? RV_OK
               : wrong(check, attribute->name, "has another type than the schema says");
}

static rv_status_t check_columns(const check_t *check, Reveille__V1__Column *const *columns, size_t count, size_t n,
                                 bool may_unset, lookup_t *lookup) {
    for (size_t k = 0; k < count; k++) {
        const rv_attribute_t *attribute = lookup(check->catalog, columns[k]->id);
        const char *field = attribute ? attribute->name : "a column";
        if (columns[k]->id == 0 || columns[k]->id == UINT32_MAX) {
            return wrong(check, field, "has a number that the schema does not know");
        }
        for (size_t other = 0; other < k; other++) {
            if (columns[other]->id == columns[k]->id) {
                return wrong(check, field, "stands twice in the table");
            }
        }
        rv_status_t status = check_type(check, field, columns[k], attribute);
        if (status == RV_OK) {
            status = check_column(check, field, columns[k], n, may_unset);
        }
        if (status) {
            return status;
        }
    }
    return RV_OK;
}

static rv_status_t check_entities(const check_t *check, const Reveille__V1__EntityBatch *batch, lookup_t *lookup) {
    if (!batch || !batch->keys) {
        return wrong(check, "keys", "are missing");
    }
    size_t n = batch->keys->n_lengths;
    rv_status_t status = check_strings(check, "keys", batch->keys, n, false, 1, RV_MAX_KEY);
    if (status || n > RV_MAX_ELEMENTS) {
        return status ? status : wrong(check, "keys", "are more than one write may hold");
    }
    return check_columns(check, batch->attributes, batch->n_attributes, n, true, lookup);
}

static rv_status_t check_companies(const check_t *check, const Reveille__V1__CompanyBatch *batch) {
    rv_status_t status = check_entities(check, batch->batch, rv_catalog_company_attribute_by_id);
    if (status == RV_OK && batch->n_versions > 0 && batch->n_versions != batch->batch->keys->n_lengths) {
        return wrong(check, "versions", "are not one a company");
    }
    return status;
}

static rv_status_t check_label(const check_t *check, const char *field, const Reveille__V1__Column *column, size_t n,
                               size_t max) {
    if (!column) {
        return RV_OK;
    }
    if (column->type != RV_STRING) {
        return wrong(check, field, "is not of strings");
    }
    rv_status_t status = check_column(check, field, column, n, false);
    for (size_t i = 0; status == RV_OK && column->strings && i < column->strings->n_lengths; i++) {
        if (column->strings->lengths[i] > max) {
            return wrong(check, field, "holds a string that is too long");
        }
    }
    return status;
}

/* The schema has the type; `known` remembers those of small numbers that were found. */
static bool knows_type(const check_t *check, bool known[KNOWN], uint32_t type) {
    if (type < KNOWN && known[type]) {
        return true;
    }
    bool found = rv_catalog_type_by_id(check->catalog, type) != NULL;
    if (type < KNOWN) {
        known[type] = found;
    }
    return found;
}

static rv_status_t check_rows(const check_t *check, const Reveille__V1__EventBatch *batch) {
    size_t keys = batch->contact_keys ? batch->contact_keys->n_lengths : 0;
    bool known[KNOWN] = {false};
    for (size_t i = 0; i < batch->n_contacts; i++) {
        if (batch->contacts[i] >= keys) {
            return wrong(check, "contacts", "point outside the keys");
        }
        if (batch->times_ms[i] < RV_TIME_MIN || batch->times_ms[i] > RV_TIME_MAX) {
            return wrong(check, "at", "holds a time before 1970 or after 2105");
        }
        if (!check->old && !knows_type(check, known, batch->types[i])) {
            return wrong(check, "type", "has a number that the schema does not know");
        }
    }
    return RV_OK;
}

static rv_status_t check_events(const check_t *check, const Reveille__V1__EventBatch *batch) {
    if (!batch) {
        return wrong(check, "events", "are missing");
    }
    size_t n = batch->n_contacts;
    if (batch->n_times_ms != n || batch->n_types != n || n > RV_MAX_ELEMENTS) {
        return wrong(check, "events", "have columns of different lengths");
    }
    rv_status_t status = check_strings(check, "contact", batch->contact_keys, 0, true, 1, RV_MAX_KEY);
    status = status ? status : check_rows(check, batch);
    status = status ? status : check_label(check, "channel", batch->channel, n, RV_MAX_NAME);
    status = status ? status : check_label(check, "source", batch->source, n, RV_MAX_EVENT_ID);
    status = status ? status : check_label(check, "id", batch->event_id, n, RV_MAX_EVENT_ID);
    return status ? status
                  : check_columns(check, batch->properties, batch->n_properties, n, false, rv_catalog_property_by_id);
}

static rv_status_t check_delete(const check_t *check, const Reveille__V1__EventDelete *delete) {
    switch (delete->selector_case) {
    case REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH:
        return check_events(check, delete->batch);
    case REVEILLE__V1__EVENT_DELETE__SELECTOR_SOURCE:
    case REVEILLE__V1__EVENT_DELETE__SELECTOR_IMPORT_ID:
        return RV_OK;
    default:
        return wrong(check, "selector", "does not say which events to remove");
    }
}

rv_status_t rvw_write_check(const Reveille__V1__PartitionWrite *write, const rv_catalog_t *catalog, rv_error_t *err) {
    check_t check = {catalog, write->schema_version < rv_catalog_schema_version(catalog), err};
    if (write->identity && write->identity->producer.len != 0 && write->identity->producer.len != 16) {
        return wrong(&check, "producer", "is not a UUID of 16 bytes");
    }
    switch (write->body_case) {
    case REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS:
        return check_entities(&check, write->contacts, rv_catalog_attribute_by_id);
    case REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES:
        return check_companies(&check, write->companies);
    case REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS:
        return check_events(&check, write->events);
    case REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE:
        return check_delete(&check, write->event_delete);
    case REVEILLE__V1__PARTITION_WRITE__BODY_CONTACT_DELETE:
        return check_strings(&check, "keys", write->contact_delete, 0, true, 1, RV_MAX_KEY);
    default:
        return wrong(&check, "body", "is missing");
    }
}

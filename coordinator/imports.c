/* imports.c: a sorted array of records with one lazy timer. At most RV_MAX_IMPORTS are kept. Thread: the actor's.
 * Failure: a record that cannot be stored is logged and tried again a second later. */
#include "imports.h"
#include "reveille/limits.h"
#include "reveille/log.h"
#include "reveille/text.h"
#include <stdlib.h>
#include <string.h>

#define LAZY_MS 1000

typedef struct {
    rvc_import_record_t record;
    uint32_t streams; /* that bring it now */
    bool dirty;
} slot_t;

struct rvc_imports {
    rvc_core_t *core;
    slot_t *slots;
    rvc_import_record_t *list; /* copy for rvc_imports_list */
    size_t n, cap;
    uint64_t last_id;
    rvc_timer_t lazy;
};

static rv_status_t add(rvc_imports_t *imports, const rvc_import_record_t *record, rv_error_t *err) {
    if (imports->n == imports->cap) {
        size_t cap = imports->cap ? 2 * imports->cap : 64;
        slot_t *slots = realloc(imports->slots, cap * sizeof *slots);
        if (!slots)
            return rv_fail_memory(err, "imports");
        imports->slots = slots;
        rvc_import_record_t *list = realloc(imports->list, cap * sizeof *list);
        if (!list)
            return rv_fail_memory(err, "imports");
        imports->list = list;
        imports->cap = cap;
    }
    imports->slots[imports->n++] = (slot_t){.record = *record};
    imports->last_id = record->id > imports->last_id ? record->id : imports->last_id;
    return RV_OK;
}

static rv_status_t load_one(void *context, const rvc_import_record_t *record, rv_error_t *err) {
    return add(context, record, err);
}

rv_status_t rvc_imports_new(rvc_core_t *core, rvc_imports_t **ret, rv_error_t *err) {
    rvc_imports_t *imports = calloc(1, sizeof *imports);
    if (!imports)
        return rv_fail_memory(err, "imports");
    imports->core = core;
    rv_status_t status = rvc_meta_each_import(core->meta, load_one, imports, err);
    if (status != RV_OK) {
        free(imports->slots);
        free(imports->list);
        free(imports);
        return status;
    }
    *ret = imports;
    return RV_OK;
}

static void lazy(void *owner, int64_t now);

static void set_lazy(rvc_imports_t *imports) {
    if (!imports->lazy.place)
        rvc_timer_set(imports->core->timers, &imports->lazy, rvc_timers_now(imports->core->timers) + LAZY_MS, lazy,
                      imports);
}

static rv_status_t store(rvc_imports_t *imports, slot_t *slot, rv_error_t *err) {
    rv_error_t own;
    rv_status_t status = rvc_meta_save_import(imports->core->meta, &slot->record, &own);
    slot->dirty = status != RV_OK;
    if (status != RV_OK) {
        rv_log(RV_LOG_ERROR, "import-not-stored", "the progress of import %llu is not stored: %s",
               (unsigned long long)slot->record.id, own.message);
        set_lazy(imports);
        if (err)
            *err = own;
    }
    return status;
}

static void lazy(void *owner, int64_t now) {
    rvc_imports_t *imports = owner;
    (void)now;
    for (size_t i = 0; i < imports->n; i++)
        if (imports->slots[i].dirty)
            store(imports, &imports->slots[i], NULL);
}

void rvc_imports_destroy(rvc_imports_t **imports) {
    if (!*imports)
        return;
    lazy(*imports, 0);
    rvc_timer_clear((*imports)->core->timers, &(*imports)->lazy);
    free((*imports)->slots);
    free((*imports)->list);
    free(*imports);
    *imports = NULL;
}

static slot_t *find(rvc_imports_t *imports, uint64_t id) {
    for (size_t i = imports->n; i-- > 0;)
        if (imports->slots[i].record.id == id)
            return &imports->slots[i];
    return NULL;
}

static bool same(const rvc_import_record_t *record, rvc_import_kind_t what, const Reveille__V1__ImportStart *start) {
    return record->what == what && strcmp(record->name, start->name) == 0 &&
           record->fingerprint_n == start->fingerprint.len &&
           (start->fingerprint.len == 0 ||
            memcmp(record->fingerprint, start->fingerprint.data, start->fingerprint.len) == 0);
}

/* The first of the oldest that may be forgotten; imports->n when there is none. */
static size_t oldest(const rvc_imports_t *imports, bool finished) {
    size_t i = 0;
    while (i < imports->n && (imports->slots[i].streams || (finished && !imports->slots[i].record.finished)))
        i++;
    return i;
}

/* Makes room for one more. */
static void forget_oldest(rvc_imports_t *imports) {
    if (imports->n < RV_MAX_IMPORTS)
        return;
    size_t i = oldest(imports, true);
    if (i == imports->n)
        i = oldest(imports, false);
    if (i == imports->n || rvc_meta_drop_import(imports->core->meta, imports->slots[i].record.id, NULL) != RV_OK)
        return;
    memmove(&imports->slots[i], &imports->slots[i + 1], (imports->n - i - 1) * sizeof imports->slots[0]);
    imports->n--;
}

static rv_status_t check_start(const Reveille__V1__ImportStart *start, rv_error_t *err) {
    size_t n = strlen(start->name);
    if (n == 0 || n > RV_MAX_NAME)
        return rv_fail(err, RV_REASON_FIELD, "the name of an import has %zu bytes where 1 to %u are expected", n,
                       RV_MAX_NAME);
    if (start->fingerprint.len > sizeof((rvc_import_record_t *)0)->fingerprint)
        return rv_fail(err, RV_REASON_FIELD, "the fingerprint of an import has %zu bytes, at most 64 are allowed",
                       start->fingerprint.len);
    return RV_OK;
}

static rv_status_t begin(rvc_imports_t *imports, rvc_import_kind_t what, const Reveille__V1__ImportStart *start,
                         slot_t **ret, rv_error_t *err) {
    forget_oldest(imports);
    if (imports->n >= RV_MAX_IMPORTS)
        return rv_fail(err, RV_REASON_QUOTA, "%zu imports are under way: wait until one has ended", imports->n);
    rvc_import_record_t record = {.id = imports->last_id + 1,
                                  .what = what,
                                  .started_ms = imports->core->wall_ms(),
                                  .fingerprint_n = start->fingerprint.len};
    memcpy(record.name, start->name, strlen(start->name) + 1);
    if (start->fingerprint.len)
        memcpy(record.fingerprint, start->fingerprint.data, start->fingerprint.len);
    rv_status_t status = add(imports, &record, err);
    if (status == RV_OK)
        *ret = &imports->slots[imports->n - 1];
    return status;
}

rv_status_t rvc_imports_open(rvc_imports_t *imports, rvc_import_kind_t what, const Reveille__V1__ImportStart *start,
                             rvc_import_record_t *ret, rv_error_t *err) {
    rv_status_t status = check_start(start, err);
    if (status != RV_OK)
        return status;
    slot_t *slot = NULL;
    for (size_t i = imports->n; i-- > 0 && !slot;)
        slot = same(&imports->slots[i].record, what, start) ? &imports->slots[i] : NULL;
    bool fresh = !slot;
    if (fresh && (status = begin(imports, what, start, &slot, err)) != RV_OK)
        return status;
    bool changed = fresh || slot->record.finished || slot->record.require_id != (bool)start->require_id;
    if (slot->record.finished)
        slot->record.offset = 0;
    slot->record.finished = false;
    slot->record.require_id = start->require_id;
    status = changed ? store(imports, slot, err) : RV_OK;
    if (status == RV_OK) {
        *ret = slot->record;
        slot->streams++;
    } else if (fresh) {
        imports->n--;
    }
    return status;
}

void rvc_imports_close(rvc_imports_t *imports, uint64_t id) {
    slot_t *slot = find(imports, id);
    if (slot)
        slot->streams--;
}

void rvc_imports_progress(rvc_imports_t *imports, uint64_t id, uint64_t offset) {
    slot_t *slot = find(imports, id);
    if (!slot || slot->record.offset == offset)
        return;
    slot->record.offset = offset;
    slot->dirty = true;
    set_lazy(imports);
}

void rvc_imports_finish(rvc_imports_t *imports, uint64_t id) {
    slot_t *slot = find(imports, id);
    if (!slot)
        return;
    slot->record.finished = true;
    store(imports, slot, NULL);
}

rv_status_t rvc_imports_rewind(rvc_imports_t *imports, uint64_t id, rv_error_t *err) {
    slot_t *slot = find(imports, id);
    if (!slot && id && id <= imports->last_id)
        return RV_OK; /* forgotten: its events still have its number */
    if (!slot)
        return rv_fail(err, RV_REASON_MISSING, "there is no import %llu", (unsigned long long)id);
    if (slot->streams)
        return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_REQUEST, "import %llu is under way: stop it first",
                          (unsigned long long)id);
    slot->record.offset = 0;
    slot->record.finished = true;
    return store(imports, slot, err);
}

const rvc_import_record_t *rvc_imports_list(const rvc_imports_t *imports, size_t *ret_n) {
    for (size_t i = 0; i < imports->n; i++)
        imports->list[i] = imports->slots[i].record;
    *ret_n = imports->n;
    return imports->list;
}

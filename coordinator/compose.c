/* compose.c: batch in, shares out. Memory of the checked batch lies in the write's scratch and is given back as soon as
 * everything is packed. */
#include "compose.h"
#include <string.h>

rv_status_t rvc_identity_check(const Reveille__V1__WriteIdentity *identity, rv_error_t *err) {
    if (identity && identity->producer.len != 0 && identity->producer.len != 16)
        return rv_fail(err, RV_REASON_FIELD, "identity.producer has %zu bytes where 16, or none, are expected",
                       identity->producer.len);
    return RV_OK;
}

static const Reveille__V1__WriteIdentity *identity_of(const rvc_origin_t *origin) {
    return origin->identity && origin->identity->producer.len ? origin->identity : NULL;
}

/* Splits by partition, packs, sends, and frees the batch. */
static rv_status_t start(rvc_core_t *core, rvc_write_t *write, const uint32_t *partition_of, size_t rows,
                         const rvc_origin_t *origin, rvc_write_body_t *body, void *context, rv_error_t *err) {
    rvc_share_t *shares;
    rvc_write_spec_t spec = {
        .identity = identity_of(origin), .import_id = origin->import_id, .body = body, .context = context};
    rv_status_t status = rvc_split(partition_of, rows, rvc_cluster_partitions(core->cluster), rvc_write_arena(write),
                                   &shares, &spec.n, err);
    if (status != RV_OK)
        return status;
    spec.shares = shares;
    status = rvc_write_start(write, &spec, origin->deadline, origin->done, origin->owner, err);
    if (status == RV_OK)
        rvc_write_sent(write);
    return status;
}

/* Refusals outlive the batch: they lie in the write's own arena. */
static rv_arena_t *keep(rvc_write_t *write) {
    rvc_write_refusals(write)->arena = rvc_write_arena(write);
    return rvc_write_arena(write);
}

static rv_status_t contacts_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                                 Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS;
    return rvc_entities_share(context, share->rows, share->n, arena, &write->contacts, err);
}

rv_status_t rvc_compose_contacts(rvc_core_t *core, rvc_write_t *write, const Reveille__V1__EntityBatch *batch,
                                 const rvc_origin_t *origin, rv_error_t *err) {
    static const Reveille__V1__EntityBatch NOTHING = REVEILLE__V1__ENTITY_BATCH__INIT;
    rvc_entities_t entities;
    keep(write);
    rv_status_t status =
        rvc_entities_check(core->catalog, rvc_cluster_partitions(core->cluster), false, batch ? batch : &NOTHING,
                           rvc_write_refusals(write), rvc_write_scratch(write), &entities, err);
    if (status != RV_OK)
        return status;
    return start(core, write, entities.partition, entities.rows, origin, contacts_body, &entities, err);
}

static rv_status_t events_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                               Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    return rvc_events_share(context, share->rows, share->n, arena, &write->events, err);
}

static rv_status_t check_events(rvc_core_t *core, rvc_write_t *write, const Reveille__V1__EventBatch *batch,
                                bool require_id, bool identity_only, rvc_events_t *ret, rv_error_t *err) {
    static const Reveille__V1__EventBatch NOTHING = REVEILLE__V1__EVENT_BATCH__INIT;
    rvc_events_rules_t rules = {.catalog = core->catalog,
                                .partitions = rvc_cluster_partitions(core->cluster),
                                .wall_ms = core->wall_ms(),
                                .require_id = require_id,
                                .identity_only = identity_only};
    keep(write);
    return rvc_events_check(&rules, batch ? batch : &NOTHING, rvc_write_refusals(write), rvc_write_scratch(write), ret,
                            err);
}

rv_status_t rvc_compose_events(rvc_core_t *core, rvc_write_t *write, const Reveille__V1__EventBatch *batch,
                               const rvc_origin_t *origin, rv_error_t *err) {
    rvc_events_t events;
    rv_status_t status = check_events(core, write, batch, origin->require_id, false, &events, err);
    if (status != RV_OK)
        return status;
    return start(core, write, events.partition, events.rows, origin, events_body, &events, err);
}

static rv_status_t erase_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                              Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACT_DELETE;
    return rvc_gather_plain(context, NULL, share->rows, share->n, arena, &write->contact_delete, err);
}

rv_status_t rvc_compose_contact_delete(rvc_core_t *core, rvc_write_t *write, const Reveille__V1__StringColumn *message,
                                       const rvc_origin_t *origin, rv_error_t *err) {
    rvc_strings_t keys;
    uint32_t *partition;
    rv_status_t status = rvc_strings_open(message, rvc_write_scratch(write), "keys", &keys, err);
    if (status == RV_OK)
        status = rvc_refusals_init(rvc_write_refusals(write), keys.n, keep(write), err);
    if (status == RV_OK)
        status = rvc_keys_check(&keys, rvc_cluster_partitions(core->cluster), "keys", rvc_write_refusals(write),
                                rvc_write_scratch(write), &partition, err);
    if (status != RV_OK)
        return status;
    return start(core, write, partition, keys.n, origin, erase_body, &keys, err);
}

/* Wraps an EventDelete, or the batch of one, into the write. */
static rv_status_t delete_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                               Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    Reveille__V1__EventDelete *made = rv_arena_alloc(arena, sizeof *made);
    if (!made)
        return rv_fail_memory(err, "a write");
    reveille__v1__event_delete__init(made);
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE;
    write->event_delete = made;
    made->selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH;
    return rvc_events_share(context, share->rows, share->n, arena, &made->batch, err);
}

static rv_status_t delete_everywhere_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                                          Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    (void)share;
    (void)arena;
    (void)err;
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE;
    write->event_delete = context;
    return RV_OK;
}

static rv_status_t delete_everywhere(rvc_core_t *core, rvc_write_t *write, Reveille__V1__EventDelete *what,
                                     const rvc_origin_t *origin, rv_error_t *err) {
    uint32_t n = rvc_cluster_partitions(core->cluster);
    rvc_share_t *shares = rv_arena_zalloc(rvc_write_arena(write), n + 1, sizeof *shares);
    rv_status_t status = rvc_refusals_init(rvc_write_refusals(write), 0, rvc_write_arena(write), err);
    if (!shares || status != RV_OK)
        return shares ? status : rv_fail_memory(err, "a write");
    for (uint32_t p = 0; p < n; p++)
        shares[p].partition = p;
    rvc_write_spec_t spec = {
        .shares = shares, .n = n, .identity = identity_of(origin), .body = delete_everywhere_body, .context = what};
    return rvc_write_start(write, &spec, origin->deadline, origin->done, origin->owner, err);
}

rv_status_t rvc_compose_event_delete(rvc_core_t *core, rvc_write_t *write,
                                     const Reveille__V1__EventServiceDeleteRequest *request, const rvc_origin_t *origin,
                                     rv_error_t *err) {
    Reveille__V1__EventDelete what = REVEILLE__V1__EVENT_DELETE__INIT;
    rvc_events_t events;
    rv_status_t status;
    switch (request->selector_case) {
    case REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_BATCH:
        status = check_events(core, write, request->batch, false, true, &events, err);
        if (status != RV_OK)
            return status;
        return start(core, write, events.partition, events.rows, origin, delete_body, &events, err);
    case REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_SOURCE:
        what.selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_SOURCE;
        what.source = request->source;
        return delete_everywhere(core, write, &what, origin, err);
    case REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_IMPORT_ID:
        what.selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_IMPORT_ID;
        what.import_id = request->import_id;
        return delete_everywhere(core, write, &what, origin, err);
    default:
        return rv_fail(err, RV_REASON_FIELD, "a deletion of events names events, a source or an import");
    }
}

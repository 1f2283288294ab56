// engine_write.c - operations as writes: what a client sends is checked and split by the coordinator's code, and each
// part is logged and applied as the worker's writer does it.
//
// Structure: one part to one partition; a batch split into parts; one function for each kind of operation. Parts that
// were taken are remembered, so that rvm_engine_repeat can send them again under their identity.
#include "engine_internal.h"

#include "batch.h"
#include "reveille/limits.h"
#include "reveille/wire.h"

#include <stdlib.h>
#include <string.h>

#define WALL_MS INT64_C(1900000000000) // later than any event of a case

// ---- one part -----------------------------------------------------------------------------------------------------

// Logs a checked write and applies it.
static rv_status_t log_and_apply(rvm_engine_t *engine, Reveille__V1__PartitionWrite *write, rv_arena_t *arena,
                                 rvw_result_t *ret, uint64_t *ret_lsn, bool *ret_known, rv_error_t *err) {
    rvw_partition_t *partition = rvm_partition(engine, (int)write->partition);
    rvw_holdings_t *worker = engine->worker[rvm_worker_of(engine, (int)write->partition)];
    uint8_t *record = NULL;
    size_t n;
    uint64_t hash, lsn = rvw_partition_lsn(partition);
    rv_status_t status = rvw_write_check(write, engine->catalog, err);
    if (status == RV_OK) {
        status = rvw_record_make(write, &record, &n, &hash, err);
    }
    if (status == RV_OK) {
        status = rvw_partition_check(partition, write, hash, ret_known, err);
    }
    if (status == RV_OK && !*ret_known) {
        const rvw_record_t one = {write->partition, ++lsn, record, n, 0};
        status = rvw_wal_append(rvw_holdings_wal(worker), &one, 1, err);
    }
    if (status == RV_OK) {
        status = rvw_partition_apply(partition, engine->catalog, write, lsn, hash, *ret_known, arena, ret, err);
    }
    free(record);
    *ret_lsn = lsn;
    return status;
}

// Unpacks a write as the worker receives it.
static rv_status_t receive(rvm_engine_t *engine, const uint8_t *bytes, size_t n, rv_arena_t *arena, rvw_result_t *ret,
                           uint64_t *ret_lsn, bool *ret_known, rv_error_t *err) {
    ProtobufCMessage *message = NULL;
    rv_status_t status = rv_wire_unpack(&reveille__v1__partition_write__descriptor, bytes, n, arena, &message, err);
    if (status == RV_OK) {
        status = log_and_apply(engine, (Reveille__V1__PartitionWrite *)message, arena, ret, ret_lsn, ret_known, err);
    }
    return status;
}

static void remember(rvm_engine_t *engine, int partition, const uint8_t *bytes, size_t n) {
    if (engine->n_writes == engine->write_room) {
        engine->write_room = engine->write_room == 0 ? 64 : 2 * engine->write_room;
        rvm_write_t *more = rvm_alloc(engine->arena, (size_t)engine->write_room * sizeof *more);
        if (engine->n_writes > 0) {
            memcpy(more, engine->writes, (size_t)engine->n_writes * sizeof *more);
        }
        engine->writes = more;
    }
    uint8_t *copy = rvm_alloc(engine->arena, n + 1);
    memcpy(copy, bytes, n);
    engine->writes[engine->n_writes++] = (rvm_write_t){partition, copy, n};
}

rv_status_t rvm_engine_repeat(rvm_engine_t *engine, rv_error_t *err) {
    if (engine->n_writes == 0) {
        return RV_OK;
    }
    const rvm_write_t *write = &engine->writes[rvm_dice_below(&engine->dice, engine->n_writes)];
    rv_arena_t arena;
    rvw_result_t result = {0};
    uint64_t lsn;
    bool known = false;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = receive(engine, write->bytes, write->n, &arena, &result, &lsn, &known, err);
    if (status == RV_OK && (!known || result.applied != 0 || result.contacts_created != 0)) {
        status = rv_fail(err, RV_REASON_BUG, "a write to partition %d that was repeated had an effect (known %d)",
                         write->partition, known);
    }
    rv_arena_done(&arena);
    return status;
}

// ---- an operation -------------------------------------------------------------------------------------------------

// An operation on its way.
typedef struct task {
    rvm_engine_t *engine;
    rv_arena_t arena; // of the coordinator
    rvm_arena_t *memory;
    rvm_outcome_t *outcome;
    uint64_t import;
    uint64_t lsn[RVM_MAX_PARTITIONS]; // of the last part sent there
    rv_error_t *err;
} task_t;

// Sends one part. rows[i] is the number in the operation of the part's row i; NULL: they are the same.
static rv_status_t send_part(task_t *task, Reveille__V1__PartitionWrite *write, uint32_t partition,
                             const uint32_t *rows) {
    rvm_engine_t *engine = task->engine;
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    uint8_t *bytes;
    size_t n;
    bool known;
    rvw_result_t result = {0};
    rv_arena_t arena;
    identity.producer = (ProtobufCBinaryData){sizeof engine->producer, engine->producer};
    identity.sequence = engine->sequence;
    write->partition = partition;
    write->epoch = 1;
    write->identity = rvm_dice_chance(&engine->dice, 80) ? &identity : NULL;
    write->import_id = task->import;
    write->schema_version = rv_catalog_schema_version(engine->catalog);
    write->written_ms = WALL_MS;
    rvm_pack(&write->base, task->memory, &bytes, &n);
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = receive(engine, bytes, n, &arena, &result, &task->lsn[partition], &known, task->err);
    if (status == RV_OK && known) {
        status = rv_fail(task->err, RV_REASON_BUG, "a new write to partition %u is taken for a repetition", partition);
    }
    if (status == RV_OK) {
        task->outcome->applied += result.applied;
        task->outcome->duplicates += result.duplicates;
        task->outcome->created += result.contacts_created;
        task->outcome->refused += result.refused;
        for (size_t i = 0; i < result.n_errors; i++) {
            uint32_t index = result.errors[i].index;
            task->outcome->bad[rows != NULL ? rows[index] : index] = true;
        }
        if (write->identity != NULL) {
            remember(engine, (int)partition, bytes, n);
        }
    }
    rv_arena_done(&arena);
    return status;
}

// A random order of the numbers below n.
static void shuffle(rvm_dice_t *dice, size_t *order, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t k = (size_t)rvm_dice_below(dice, (int)i + 1);
        order[i] = order[k];
        order[k] = i;
    }
}

typedef rv_status_t send_share_t(task_t *task, void *checked, const rvc_share_t *share);

// Sends the shares of a checked batch in a random order.
static rv_status_t send_shares(task_t *task, const uint32_t *partition_of, size_t rows, send_share_t *send,
                               void *checked) {
    rvc_share_t *shares;
    size_t n, order[RVM_MAX_PARTITIONS];
    uint32_t partitions = (uint32_t)task->engine->layout.partitions;
    rv_status_t status = rvc_split(partition_of, rows, partitions, &task->arena, &shares, &n, task->err);
    if (status == RV_OK) {
        shuffle(&task->engine->dice, order, n);
    }
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        status = send(task, checked, &shares[order[i]]);
    }
    return status;
}

// Brings a message to where it is read: packed and unpacked.
static rv_status_t carry(task_t *task, const ProtobufCMessage *message, ProtobufCMessage **ret) {
    uint8_t *bytes;
    size_t n;
    rvm_pack(message, task->memory, &bytes, &n);
    return rv_wire_unpack(message->descriptor, bytes, n, &task->arena, ret, task->err);
}

// The coordinator's own refusals have no place in these cases.
static rv_status_t none_refused(task_t *task, const rvc_refusals_t *refusals) {
    if (refusals->total == 0) {
        return RV_OK;
    }
    return rv_fail(task->err, RV_REASON_BUG, "the coordinator refuses row %u: %s", refusals->items[0]->index,
                   refusals->items[0]->status->message);
}

static rv_status_t send_contacts(task_t *task, void *checked, const rvc_share_t *share) {
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS;
    rv_status_t status = rvc_entities_share(checked, share->rows, share->n, &task->arena, &write.contacts, task->err);
    return status == RV_OK ? send_part(task, &write, share->partition, share->rows) : status;
}

// Rows of companies to one partition; `versions` NULL: it is their home.
static rv_status_t send_companies(task_t *task, rvc_entities_t *checked, uint32_t partition, const uint32_t *rows,
                                  size_t n, const uint64_t *versions) {
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    Reveille__V1__CompanyBatch batch = REVEILLE__V1__COMPANY_BATCH__INIT;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES;
    write.companies = &batch;
    rv_status_t status = rvc_entities_share(checked, rows, n, &task->arena, &batch.batch, task->err);
    if (status != RV_OK) {
        return status;
    }
    batch.n_versions = versions != NULL ? n : 0;
    batch.versions = rvm_alloc(task->memory, (n + 1) * sizeof *batch.versions);
    for (size_t i = 0; versions != NULL && i < n; i++) {
        batch.versions[i] = versions[rows[i]];
    }
    return send_part(task, &write, partition, rows);
}

// First to the home of each company, which gives the version; then to all other partitions.
static rv_status_t apply_companies(task_t *task, rvc_entities_t *checked) {
    size_t n = checked->rows, order[RVM_MAX_PARTITIONS], count = (size_t)task->engine->layout.partitions;
    uint64_t *versions = rvm_alloc(task->memory, (n + 1) * sizeof *versions);
    uint32_t *rows = rvm_alloc(task->memory, (n + 1) * sizeof *rows);
    rv_status_t status = RV_OK;
    for (int away = 0; away < 2; away++) {
        shuffle(&task->engine->dice, order, count);
        task->engine->sequence++;
        for (size_t p = 0; status == RV_OK && p < count; p++) {
            uint32_t partition = (uint32_t)order[p];
            size_t mine = 0;
            for (size_t i = 0; i < n; i++) {
                rows[mine] = (uint32_t)i;
                mine += (checked->partition[i] == partition) != (away == 1);
            }
            if (mine > 0) {
                status = send_companies(task, checked, partition, rows, mine, away == 1 ? versions : NULL);
            }
            for (size_t i = 0; away == 0 && i < mine; i++) {
                versions[rows[i]] = task->lsn[partition];
            }
        }
    }
    return status;
}

static rv_status_t apply_entities(task_t *task, const rvm_op_t *op) {
    bool companies = op->kind == RVM_OP_COMPANIES;
    ProtobufCMessage *batch = NULL;
    rvc_refusals_t *refusals = rvm_alloc(task->memory, sizeof *refusals);
    rvc_entities_t checked = {0};
    rv_status_t status = carry(task, &rvm_entities_make(task->engine, op, task->memory)->base, &batch);
    if (status == RV_OK) {
        status =
            rvc_entities_check(task->engine->catalog, (uint32_t)task->engine->layout.partitions, companies,
                               (const Reveille__V1__EntityBatch *)batch, refusals, &task->arena, &checked, task->err);
    }
    if (status == RV_OK) {
        status = none_refused(task, refusals);
    }
    if (status != RV_OK) {
        return status;
    }
    return companies ? apply_companies(task, &checked)
                     : send_shares(task, checked.partition, checked.rows, send_contacts, &checked);
}

static rv_status_t send_events(task_t *task, void *checked, const rvc_share_t *share) {
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    rv_status_t status = rvc_events_share(checked, share->rows, share->n, &task->arena, &write.events, task->err);
    return status == RV_OK ? send_part(task, &write, share->partition, share->rows) : status;
}

static rv_status_t send_doomed(task_t *task, void *checked, const rvc_share_t *share) {
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    Reveille__V1__EventDelete doomed = REVEILLE__V1__EVENT_DELETE__INIT;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE;
    write.event_delete = &doomed;
    doomed.selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH;
    rv_status_t status = rvc_events_share(checked, share->rows, share->n, &task->arena, &doomed.batch, task->err);
    return status == RV_OK ? send_part(task, &write, share->partition, share->rows) : status;
}

static rv_status_t apply_events(task_t *task, const rvm_event_t *events, int n, bool doomed) {
    ProtobufCMessage *batch = NULL;
    rvc_refusals_t *refusals = rvm_alloc(task->memory, sizeof *refusals);
    rvc_events_t checked = {0};
    const rvc_events_rules_t rules = {.catalog = task->engine->catalog,
                                      .partitions = (uint32_t)task->engine->layout.partitions,
                                      .wall_ms = WALL_MS,
                                      .identity_only = doomed};
    rv_status_t status = carry(task, &rvm_events_make(task->engine, events, n, task->memory)->base, &batch);
    if (status == RV_OK) {
        status = rvc_events_check(&rules, (const Reveille__V1__EventBatch *)batch, refusals, &task->arena, &checked,
                                  task->err);
    }
    if (status == RV_OK) {
        status = none_refused(task, refusals);
    }
    if (status != RV_OK) {
        return status;
    }
    return send_shares(task, checked.partition, checked.rows, doomed ? send_doomed : send_events, &checked);
}

// By source or import: to every partition.
static rv_status_t apply_wide_delete(task_t *task, const rvm_op_t *op) {
    rv_status_t status = RV_OK;
    for (uint32_t p = 0; status == RV_OK && p < (uint32_t)task->engine->layout.partitions; p++) {
        Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
        Reveille__V1__EventDelete doomed = REVEILLE__V1__EVENT_DELETE__INIT;
        write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE;
        write.event_delete = &doomed;
        if (op->kind == RVM_OP_DELETE_SOURCE) {
            doomed.selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_SOURCE;
            doomed.source = (char *)(uintptr_t)op->name;
        } else {
            doomed.selector_case = REVEILLE__V1__EVENT_DELETE__SELECTOR_IMPORT_ID;
            doomed.import_id = (uint64_t)op->import;
        }
        status = send_part(task, &write, p, NULL);
    }
    return status;
}

static rv_status_t apply_erase(task_t *task, const rvm_op_t *op) {
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    rvc_refusals_t *refusals = rvm_alloc(task->memory, sizeof *refusals);
    rvc_strings_t keys;
    uint32_t *partition = NULL;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACT_DELETE;
    write.contact_delete = rvm_strings_make(&op->name, 1, task->memory);
    rv_status_t status = rvc_strings_open(write.contact_delete, &task->arena, "keys", &keys, task->err);
    if (status == RV_OK) {
        status = rvc_refusals_init(refusals, 1, &task->arena, task->err);
    }
    if (status == RV_OK) {
        status = rvc_keys_check(&keys, (uint32_t)task->engine->layout.partitions, "keys", refusals, &task->arena,
                                &partition, task->err);
    }
    return status == RV_OK ? send_part(task, &write, partition[0], NULL) : status;
}

static rv_status_t apply(task_t *task, const rvm_op_t *op) {
    switch (op->kind) {
    case RVM_OP_CONTACTS:
    case RVM_OP_COMPANIES:
        return apply_entities(task, op);
    case RVM_OP_EVENTS:
        task->import = (uint64_t)op->events[0].import;
        return apply_events(task, op->events, op->n, false);
    case RVM_OP_ERASE:
        return apply_erase(task, op);
    case RVM_OP_DELETE_EVENT:
        return apply_events(task, op->events, 1, true);
    case RVM_OP_DELETE_SOURCE:
    case RVM_OP_UNDO_IMPORT:
        return apply_wide_delete(task, op);
    default:
        return rvm_engine_upkeep(task->engine, op->kind == RVM_OP_COMPACT, task->err);
    }
}

rv_status_t rvm_engine_apply(rvm_engine_t *engine, const rvm_op_t *op, rvm_arena_t *arena, rvm_outcome_t *ret,
                             rv_error_t *err) {
    rvm_outcome_t outcome = {.bad = rvm_alloc(arena, (size_t)op->n + 1)};
    task_t task = {.engine = engine, .memory = arena, .outcome = &outcome, .err = err};
    engine->sequence++;
    rv_arena_init(&task.arena, (size_t)64 << 20);
    rv_status_t status = apply(&task, op);
    rv_arena_done(&task.arena);
    if (status == RV_OK) {
        *ret = outcome;
    }
    return status;
}

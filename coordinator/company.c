/* company.c: companies, which every partition holds.
 *
 *   HOME: each company is written to its home partition, whose LSN is its version
 *     └─▶ FAN: all other partitions get it with that version ─▶ reply
 *
 * The fan-out goes out in slices of partitions, so that P copies of a batch are never in memory at once. A lower
 * version is ignored by a partition, so slices, repetitions and other writers may come in any order. If a partition
 * does not get its copy the call ends with OUTCOME_UNKNOWN: the client repeats it. The identity of the request does not
 * go to the home partition: a repetition must get a version of its own, for that of the first attempt is not known any
 * more, and an old content under a new version has to be the same everywhere. So a repetition after another update
 * takes effect again. Thread: the actor's. */
#include "batch.h"
#include "compose.h"
#include "mutate.h"
#include "plan.h"
#include "reveille/v1/company.pb-c.h"
#include "write.h"
#include <stdlib.h>

#define SLICE_BYTES (8u << 20)

typedef struct {
    rvc_core_t *core;
    rvc_call_t *call;
    rvc_write_t *home, *fan;
    rvc_entities_t entities;
    rv_arena_t arena;   /* entities and versions; the fan-out needs them after the home write was sent */
    uint64_t *versions; /* of each row; 0: not taken */
    uint32_t next;      /* first partition of the next slice */
    size_t batch_bytes;
} upsert_t;

static void upsert_free(upsert_t *upsert) {
    rvc_write_destroy(&upsert->fan);
    rvc_write_destroy(&upsert->home);
    rv_arena_done(&upsert->arena);
    free(upsert);
}

static void on_stop(void *job) {
    upsert_free(job);
}

static const rvc_job_ops_t JOB = {.stop = on_stop};

static void fail(upsert_t *upsert, const rv_error_t *err) {
    rvc_call_t *call = upsert->call;
    rv_error_t copy = *err;
    upsert_free(upsert);
    rvc_call_fail(call, &copy);
}

static void reply(upsert_t *upsert) {
    Reveille__V1__CompanyServiceUpsertResponse message = REVEILLE__V1__COMPANY_SERVICE_UPSERT_RESPONSE__INIT;
    message.result = rvc_write_result(upsert->home, true);
    if (!message.result) {
        rv_error_t err;
        rv_fail_memory(&err, "an answer");
        fail(upsert, &err);
        return;
    }
    rvc_call_reply(upsert->call, &message.base, false);
    upsert_free(upsert);
}

static rv_status_t make_batch(upsert_t *upsert, const rvc_share_t *share, rv_arena_t *arena,
                              Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    Reveille__V1__CompanyBatch *made = rv_arena_alloc(arena, sizeof *made);
    if (!made)
        return rv_fail_memory(err, "a write");
    reveille__v1__company_batch__init(made);
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES;
    write->companies = made;
    return rvc_entities_share(&upsert->entities, share->rows, share->n, arena, &made->batch, err);
}

static rv_status_t home_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                             Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    return make_batch(context, share, arena, write, err);
}

static rv_status_t fan_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                            Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    upsert_t *upsert = context;
    rv_status_t status = make_batch(upsert, share, arena, write, err);
    if (status != RV_OK)
        return status;
    uint64_t *versions = rv_arena_alloc(arena, (share->n + 1) * sizeof *versions);
    if (!versions)
        return rv_fail_memory(err, "a write");
    for (size_t i = 0; i < share->n; i++)
        versions[i] = upsert->versions[share->rows[i]];
    write->companies->versions = versions;
    write->companies->n_versions = share->n;
    return RV_OK;
}

/* The rows that partition p gets in the fan-out: those that have another home. */
static rv_status_t fan_share(upsert_t *upsert, uint32_t p, rv_arena_t *arena, rvc_share_t *ret, rv_error_t *err) {
    uint32_t *rows = rv_arena_alloc(arena, (upsert->entities.rows + 1) * sizeof *rows);
    if (!rows)
        return rv_fail_memory(err, "a write");
    size_t n = 0;
    for (size_t row = 0; row < upsert->entities.rows; row++)
        if (upsert->versions[row] && upsert->entities.partition[row] != p)
            rows[n++] = (uint32_t)row;
    *ret = (rvc_share_t){p, rows, n};
    return RV_OK;
}

static void on_fanned(void *owner);

/* Sends the next slice. *ret_more is false when there is none left. */
static rv_status_t send_slice(upsert_t *upsert, bool *ret_more, rv_error_t *err) {
    uint32_t partitions = rvc_cluster_partitions(upsert->core->cluster);
    rvc_write_destroy(&upsert->fan);
    *ret_more = upsert->next < partitions;
    if (!*ret_more)
        return RV_OK;
    rv_status_t status = rvc_write_new(upsert->core, &upsert->fan, err);
    if (status != RV_OK)
        return status;
    rv_arena_t *arena = rvc_write_arena(upsert->fan);
    size_t at_once = SLICE_BYTES / (upsert->batch_bytes + 1) + 1;
    rvc_share_t *shares = rv_arena_zalloc(arena, at_once, sizeof *shares);
    if (!shares)
        return rv_fail_memory(err, "a write");
    rvc_write_spec_t spec = {.shares = shares, .body = fan_body, .context = upsert};
    status = rvc_refusals_init(rvc_write_refusals(upsert->fan), 0, arena, err);
    for (; status == RV_OK && upsert->next < partitions && spec.n < at_once; upsert->next++) {
        status = fan_share(upsert, upsert->next, arena, &shares[spec.n], err);
        spec.n += shares[spec.n].n > 0;
    }
    if (status != RV_OK)
        return status;
    return rvc_write_start(upsert->fan, &spec, rvc_call_deadline(upsert->call), on_fanned, upsert, err);
}

/* Sends slices until one is under way or all are done. */
static void fan_out(upsert_t *upsert) {
    rv_error_t err;
    for (;;) {
        bool more, some;
        rv_status_t status = RV_OK;
        if (upsert->fan)
            status = rvc_write_outcome(upsert->fan, &some, &err);
        if (status == RV_OK)
            status = send_slice(upsert, &more, &err);
        if (status != RV_OK) {
            rv_error_t unknown;
            rv_fail(&unknown, RV_REASON_OUTCOME_UNKNOWN,
                    "the companies did not reach every partition, repeat the request: %.400s", err.message);
            fail(upsert, &unknown);
            return;
        }
        if (!more) {
            reply(upsert);
            return;
        }
        if (!rvc_write_is_done(upsert->fan))
            return;
    }
}

static void on_fanned(void *owner) {
    fan_out(owner);
}

static void on_home(void *owner) {
    upsert_t *upsert = owner;
    rv_error_t err;
    bool some;
    if (rvc_write_outcome(upsert->home, &some, &err) != RV_OK) {
        fail(upsert, &err);
        return;
    }
    rvc_write_row_lsns(upsert->home, upsert->versions);
    fan_out(upsert);
}

static rv_status_t send_home(upsert_t *upsert, const Reveille__V1__CompanyServiceUpsertRequest *request,
                             rv_error_t *err) {
    static const Reveille__V1__EntityBatch NOTHING = REVEILLE__V1__ENTITY_BATCH__INIT;
    const Reveille__V1__EntityBatch *batch = request->batch ? request->batch : &NOTHING;
    rvc_core_t *core = upsert->core;
    uint32_t partitions = rvc_cluster_partitions(core->cluster);
    rvc_share_t *shares;
    rvc_write_spec_t spec = {.body = home_body, .context = upsert};
    rv_status_t status = rvc_write_new(core, &upsert->home, err);
    if (status != RV_OK)
        return status;
    rvc_write_refusals(upsert->home)->arena = rvc_write_arena(upsert->home);
    status = rvc_entities_check(core->catalog, partitions, true, batch, rvc_write_refusals(upsert->home),
                                &upsert->arena, &upsert->entities, err);
    if (status == RV_OK)
        status = rvc_split(upsert->entities.partition, upsert->entities.rows, partitions, rvc_write_arena(upsert->home),
                           &shares, &spec.n, err);
    if (status != RV_OK)
        return status;
    upsert->versions = rv_arena_zalloc(&upsert->arena, upsert->entities.rows + 1, sizeof *upsert->versions);
    if (!upsert->versions)
        return rv_fail_memory(err, "versions");
    upsert->batch_bytes = protobuf_c_message_get_packed_size(&batch->base);
    spec.shares = shares;
    return rvc_write_start(upsert->home, &spec, rvc_call_deadline(upsert->call), on_home, upsert, err);
}

void rvc_company_upsert(void *context, rvc_call_t *call, const ProtobufCMessage *message) {
    const Reveille__V1__CompanyServiceUpsertRequest *request =
        (const Reveille__V1__CompanyServiceUpsertRequest *)message;
    rvc_core_t *core = context;
    rv_error_t err;
    upsert_t *upsert = calloc(1, sizeof *upsert);
    rv_status_t status = upsert ? rvc_identity_check(request->identity, &err) : rv_fail_memory(&err, "a write");
    if (status == RV_OK)
        status = rvc_need_schema(core->catalog, &err);
    if (status != RV_OK) {
        free(upsert);
        rvc_call_fail(call, &err);
        return;
    }
    upsert->core = core;
    upsert->call = call;
    rv_arena_init(&upsert->arena, 96u << 20);
    status = send_home(upsert, request, &err);
    if (status != RV_OK) {
        fail(upsert, &err);
        return;
    }
    rvc_call_attach(call, &JOB, upsert);
    if (rvc_write_is_done(upsert->home))
        on_home(upsert);
}

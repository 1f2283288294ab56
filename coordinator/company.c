/* company.c: companies, which every partition holds.
 *
 *   check ─▶ note (fanout.h) ─▶ HOME: each company to its home partition, whose LSN is its version
 *                                 └─▶ FAN-OUT: all that the homes have of them to all partitions ─▶ reply
 *
 * The identity goes to the homes, so a repetition changes nothing there and only waits for the fan-out again. Nothing
 * is begun while partitions are missing. What was begun is completed without the client: a call that ends before leaves
 * its note behind. Thread: the actor's. Failure: OUTCOME_UNKNOWN when a home or the fan-out did not answer; what the
 * homes said otherwise. */
#include "batch.h"
#include "compose.h"
#include "fanout.h"
#include "mutate.h"
#include "plan.h"
#include "reveille/v1/company.pb-c.h"
#include "write.h"
#include <stdlib.h>

typedef struct {
    rvc_core_t *core;
    rvc_call_t *call;
    rvc_write_t *home;
    rvc_note_t *note;        /* NULL: no row was taken, or it is not ours any more */
    rvc_entities_t entities; /* in the scratch of `home`, until it was sent */
} upsert_t;

static void upsert_free(upsert_t *upsert) {
    rvc_write_destroy(&upsert->home);
    if (upsert->note)
        rvc_fanout_leave(upsert->core->fanout, upsert->note);
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

static void on_fanned(void *owner, const rv_error_t *err) {
    upsert_t *upsert = owner;
    upsert->note = NULL;
    if (err)
        fail(upsert, err);
    else
        reply(upsert);
}

static void on_home(void *owner) {
    upsert_t *upsert = owner;
    rv_error_t err;
    bool some;
    if (rvc_write_outcome(upsert->home, &some, &err) != RV_OK)
        fail(upsert, &err);
    else if (upsert->note)
        rvc_fanout_go(upsert->core->fanout, upsert->note, on_fanned, upsert);
    else
        reply(upsert);
}

static rv_status_t home_body(void *context, const rvc_share_t *share, rv_arena_t *arena,
                             Reveille__V1__PartitionWrite *write, rv_error_t *err) {
    upsert_t *upsert = context;
    write->body_case = REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES;
    write->companies = rv_arena_alloc(arena, sizeof *write->companies);
    if (!write->companies)
        return rv_fail_memory(err, "a write");
    reveille__v1__company_batch__init(write->companies);
    return rvc_entities_share(&upsert->entities, share->rows, share->n, arena, &write->companies->batch, err);
}

static rv_status_t check_available(const rvc_cluster_t *cluster, rv_error_t *err) {
    uint32_t missing[RV_MAX_PARTITIONS];
    size_t n = 0;
    for (uint32_t p = 0; p < rvc_cluster_partitions(cluster); p++)
        if (rvc_cluster_partition(cluster, p)->state != RVC_PARTITION_AVAILABLE)
            missing[n++] = p;
    return n ? rvc_cluster_missing(cluster, missing, n, NULL, err) : RV_OK;
}

static rv_status_t check(upsert_t *upsert, const Reveille__V1__EntityBatch *batch, rv_error_t *err) {
    static const Reveille__V1__EntityBatch NOTHING = REVEILLE__V1__ENTITY_BATCH__INIT;
    const rvc_core_t *core = upsert->core;
    rvc_refusals_t *refusals = rvc_write_refusals(upsert->home);
    refusals->arena = rvc_write_arena(upsert->home);
    rv_status_t status = check_available(core->cluster, err);
    if (status != RV_OK)
        return status;
    return rvc_entities_check(core->catalog, rvc_cluster_partitions(core->cluster), true, batch ? batch : &NOTHING,
                              refusals, rvc_write_scratch(upsert->home), &upsert->entities, err);
}

static rv_status_t send_home(upsert_t *upsert, const Reveille__V1__WriteIdentity *identity, rv_error_t *err) {
    rvc_core_t *core = upsert->core;
    rvc_share_t *shares;
    rvc_write_spec_t spec = {
        .identity = identity && identity->producer.len ? identity : NULL, .body = home_body, .context = upsert};
    rv_status_t status =
        rvc_split(upsert->entities.partition, upsert->entities.rows, rvc_cluster_partitions(core->cluster),
                  rvc_write_arena(upsert->home), &shares, &spec.n, err);
    if (status == RV_OK && spec.n)
        status = rvc_fanout_note(core->fanout, &upsert->entities, &upsert->note, err);
    if (status != RV_OK)
        return status;
    spec.shares = shares;
    status = rvc_write_start(upsert->home, &spec, rvc_call_deadline(upsert->call), on_home, upsert, err);
    if (status == RV_OK)
        rvc_write_sent(upsert->home);
    return status;
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
    if (status == RV_OK)
        status = rvc_write_new(core, &upsert->home, &err);
    if (status != RV_OK) {
        free(upsert);
        rvc_call_fail(call, &err);
        return;
    }
    upsert->core = core;
    upsert->call = call;
    status = check(upsert, request->batch, &err);
    if (status == RV_OK)
        status = send_home(upsert, request->identity, &err);
    if (status != RV_OK) {
        fail(upsert, &err);
        return;
    }
    rvc_call_attach(call, &JOB, upsert);
    if (rvc_write_is_done(upsert->home))
        on_home(upsert);
}

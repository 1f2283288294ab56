/* maintain.c: one task a worker; the sums of their answers. Thread: the actor's. Failure: a worker that fails does not
 * stop the others. */
#include "maintain.h"
#include "reveille/wire.h"
#include <stdlib.h>

typedef struct {
    rvc_maintain_t *maintain;
    rvc_task_t *task;
} asked_t;

struct rvc_maintain {
    rvc_core_t *core;
    rvc_maintain_done_t *done;
    void *owner;
    rvc_maintained_t result;
    size_t open, n;
    asked_t asked[];
};

void rvc_maintain_forget(rvc_maintain_t **maintain) {
    if (!*maintain)
        return;
    for (size_t i = 0; i < (*maintain)->n; i++)
        rvc_link_cancel((*maintain)->core->link, &(*maintain)->asked[i].task, false);
    free(*maintain);
    *maintain = NULL;
}

static void one_over(asked_t *asked, const rv_error_t *err) {
    rvc_maintain_t *maintain = asked->maintain;
    asked->task = NULL;
    if (err && maintain->result.error.status == RV_OK)
        maintain->result.error = *err;
    if (--maintain->open)
        return;
    rvc_maintain_done_t *done = maintain->done;
    void *owner = maintain->owner;
    rvc_maintained_t result = maintain->result;
    rvc_maintain_forget(&maintain);
    done(owner, &result);
}

static void on_reply(void *owner, const uint8_t *body, size_t n, bool more) {
    asked_t *asked = owner;
    ProtobufCMessage *message = NULL;
    rv_arena_t arena;
    rv_error_t err;
    (void)more;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_wire_unpack(&reveille__v1__maintain_response__descriptor, body, n, &arena, &message, &err);
    if (status == RV_OK) {
        const Reveille__V1__MaintainResponse *response = (const Reveille__V1__MaintainResponse *)message;
        asked->maintain->result.bytes_before += response->bytes_before;
        asked->maintain->result.bytes_after += response->bytes_after;
    } else {
        rv_fail(&err, RV_REASON_BUG, "a worker's answer to housekeeping cannot be read");
    }
    rv_arena_done(&arena);
    one_over(asked, status == RV_OK ? NULL : &err);
}

static void on_failed(void *owner, const rv_error_t *err) {
    one_over(owner, err);
}

static const rvc_task_ops_t TASK = {on_reply, on_failed};

/* The partitions among the wanted ones that this worker holds. */
static size_t share_of(const rvc_core_t *core, uint32_t slot, const uint32_t *partitions, size_t n, uint32_t *share) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (rvc_cluster_partition(core->cluster, partitions[i])->worker == slot)
            share[count++] = partitions[i];
    return count;
}

static rv_status_t check_available(const rvc_core_t *core, const uint32_t *partitions, size_t n, rv_error_t *err) {
    uint32_t missing[RV_MAX_PARTITIONS];
    size_t n_missing = 0;
    for (size_t i = 0; i < n; i++)
        if (rvc_cluster_partition(core->cluster, partitions[i])->state != RVC_PARTITION_AVAILABLE)
            missing[n_missing++] = partitions[i];
    return n_missing ? rvc_cluster_missing(core->cluster, missing, n_missing, NULL, err) : RV_OK;
}

rv_status_t rvc_maintain_start(rvc_core_t *core, const uint32_t *partitions, size_t n, int64_t deadline,
                               rvc_maintain_done_t *done, void *owner, rvc_maintain_t **ret, rv_error_t *err) {
    uint32_t all[RV_MAX_PARTITIONS], share[RV_MAX_PARTITIONS];
    if (n == 0) {
        n = rvc_cluster_partitions(core->cluster);
        for (uint32_t p = 0; p < n; p++)
            all[p] = p;
        partitions = all;
    }
    rv_status_t status = check_available(core, partitions, n, err);
    if (status != RV_OK)
        return status;
    uint32_t workers = rvc_cluster_workers(core->cluster);
    rvc_maintain_t *maintain = calloc(1, sizeof *maintain + workers * sizeof maintain->asked[0]);
    if (!maintain)
        return rv_fail_memory(err, "housekeeping");
    maintain->core = core;
    maintain->done = done;
    maintain->owner = owner;
    for (uint32_t slot = 0; status == RV_OK && slot < workers; slot++) {
        Reveille__V1__MaintainRequest request = REVEILLE__V1__MAINTAIN_REQUEST__INIT;
        request.n_partitions = share_of(core, slot, partitions, n, share);
        request.partitions = share;
        request.compact = true;
        if (!request.n_partitions)
            continue;
        asked_t *asked = &maintain->asked[maintain->n++];
        asked->maintain = maintain;
        maintain->open++;
        status = rvc_link_send(core->link, slot, "reveille.v1.WorkerService/Maintain", &request.base, deadline, &TASK,
                               asked, &asked->task, err);
    }
    if (status != RV_OK) {
        rvc_maintain_forget(&maintain);
        return status;
    }
    *ret = maintain;
    return RV_OK;
}

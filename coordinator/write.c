/* write.c: one write under way.
 *
 *   shares ─▶ parts (a share, or a piece of one that would not fit a message)
 *          ─▶ requests (parts of one worker, each partition once) ═▶ workers
 *
 *   part:  UNSENT ──send──▶ SENT ──result──▶ TAKEN | REFUSED
 *          UNSENT ──partition not available──▶ REFUSED       SENT ──worker lost──▶ REFUSED (OUTCOME_UNKNOWN)
 *
 * A share is cut into pieces only without identity: an identity names one write to one partition. All is packed before
 * anything is sent, so that what is refused as a whole has no effect. Writes to a worker go over one socket in order,
 * so later batches never overtake earlier ones. Thread: the actor's. */
#include "write.h"
#include "reveille/uuid.h"
#include "reveille/wire.h"
#include <stdlib.h>
#include <string.h>

#define KEEP_BUDGET (64u << 20)
#define SCRATCH_BUDGET (96u << 20)
#define PART_BYTES (RV_MAX_BODY - 64u) /* leaves room for term and lengths */

typedef struct {
    rvc_share_t share;
    enum { UNSENT, SENT, TAKEN, REFUSED } state;
    uint64_t lsn;
    rv_error_t *error; /* of REFUSED */
} part_t;

typedef struct {
    rvc_write_t *write;
    rvc_task_t *task;
    uint32_t slot;
    size_t first, n; /* numbers of parts: of the list, which is ordered by request */
    rv_bytes_t body;
} request_t;

struct rvc_write {
    rvc_core_t *core;
    rv_arena_t arena, scratch;
    rvc_refusals_t refusals;
    part_t *parts;
    size_t n_parts, cap_parts;
    request_t *requests;
    size_t n_requests, cap_requests, open, bytes;
    rvc_write_done_t *done;
    void *owner;
    uint64_t applied, duplicates, duplicates_without_id, created;
};

rv_status_t rvc_write_new(rvc_core_t *core, rvc_write_t **ret, rv_error_t *err) {
    rvc_write_t *write = calloc(1, sizeof *write);
    if (!write)
        return rv_fail_memory(err, "a write");
    write->core = core;
    rv_arena_init(&write->arena, KEEP_BUDGET);
    rv_arena_init(&write->scratch, SCRATCH_BUDGET);
    *ret = write;
    return RV_OK;
}

void rvc_write_destroy(rvc_write_t **write) {
    rvc_write_t *it = *write;
    if (!it)
        return;
    for (size_t i = 0; i < it->n_requests; i++) {
        rvc_link_cancel(it->core->link, &it->requests[i].task, false);
        rv_bytes_done(&it->requests[i].body);
    }
    it->core->write_bytes -= it->bytes;
    free(it->requests);
    free(it->parts);
    rv_arena_done(&it->arena);
    rv_arena_done(&it->scratch);
    free(it);
    *write = NULL;
}

rv_arena_t *rvc_write_arena(rvc_write_t *write) {
    return &write->arena;
}

rv_arena_t *rvc_write_scratch(rvc_write_t *write) {
    return &write->scratch;
}

rvc_refusals_t *rvc_write_refusals(rvc_write_t *write) {
    return &write->refusals;
}

void rvc_write_sent(rvc_write_t *write) {
    rv_arena_done(&write->scratch);
}

bool rvc_write_is_done(const rvc_write_t *write) {
    return write->open == 0;
}

static void refuse_part(rvc_write_t *write, part_t *part, const rv_error_t *why) {
    part->state = REFUSED;
    part->error = rv_arena_alloc(&write->arena, sizeof *part->error);
    if (part->error)
        *part->error = *why;
}

static part_t *add_part(rvc_write_t *write, const rvc_share_t *share) {
    if (write->n_parts == write->cap_parts) {
        size_t cap = write->cap_parts ? 2 * write->cap_parts : 64;
        part_t *parts = realloc(write->parts, cap * sizeof *parts);
        if (!parts)
            return NULL;
        write->parts = parts;
        write->cap_parts = cap;
    }
    part_t *part = &write->parts[write->n_parts++];
    *part = (part_t){.share = *share};
    return part;
}

static request_t *add_request(rvc_write_t *write, uint32_t slot) {
    if (write->n_requests == write->cap_requests) {
        size_t cap = write->cap_requests ? 2 * write->cap_requests : 16;
        request_t *requests = realloc(write->requests, cap * sizeof *requests);
        if (!requests)
            return NULL;
        write->requests = requests;
        write->cap_requests = cap;
    }
    request_t *request = &write->requests[write->n_requests++];
    *request = (request_t){.write = write, .slot = slot, .first = write->n_parts};
    return request;
}

/* One PartitionWrite and its size. */
static rv_status_t make_part(rvc_write_t *write, const rvc_write_spec_t *spec, const rvc_share_t *share,
                             rv_arena_t *arena, Reveille__V1__PartitionWrite *ret, size_t *ret_n, rv_error_t *err) {
    reveille__v1__partition_write__init(ret);
    ret->partition = share->partition;
    ret->epoch = rvc_cluster_partition(write->core->cluster, share->partition)->epoch;
    ret->identity = (Reveille__V1__WriteIdentity *)(uintptr_t)spec->identity;
    ret->import_id = spec->import_id;
    ret->schema_version = spec->schema_version ? spec->schema_version : rv_catalog_schema_version(write->core->catalog);
    ret->written_ms = write->core->wall_ms();
    rv_status_t status = spec->body(spec->context, share, arena, ret, err);
    if (status == RV_OK)
        *ret_n = protobuf_c_message_get_packed_size(&ret->base);
    return status;
}

static size_t varint(uint8_t *out, size_t value) {
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

/* The last request can take n bytes more for a partition of this worker that it does not hold yet. */
static bool fits(const rvc_write_t *write, const rvc_share_t *share, uint32_t slot, size_t n) {
    const request_t *request = write->n_requests ? &write->requests[write->n_requests - 1] : NULL;
    if (!request || request->slot != slot || request->body.n + n > RV_MAX_BODY - 16)
        return false;
    for (size_t i = request->first; i < write->n_parts; i++)
        if (write->parts[i].share.partition == share->partition)
            return false;
    return true;
}

/* Room for n more bytes behind those of a request; NULL without memory. */
static uint8_t *extend(rv_bytes_t *body, size_t n) {
    if (n > body->cap - body->n) {
        size_t cap = body->cap ? body->cap : 4096;
        while (cap - body->n < n)
            cap *= 4;
        uint8_t *grown = realloc(body->p, cap);
        if (!grown)
            return NULL;
        body->p = grown;
        body->cap = cap;
    }
    body->n += n;
    return body->p + body->n - n;
}

/* Packs a part of n bytes (field 1 of a WriteRequest) behind the last request, or into a new one. */
static rv_status_t append(rvc_write_t *write, const rvc_share_t *share, uint32_t slot,
                          const Reveille__V1__PartitionWrite *message, size_t n, rv_error_t *err) {
    uint8_t head[12] = {0x0A};
    size_t head_n = 1 + varint(head + 1, n);
    request_t *request =
        fits(write, share, slot, head_n + n) ? &write->requests[write->n_requests - 1] : add_request(write, slot);
    part_t *part = request ? add_part(write, share) : NULL;
    uint8_t *to = part ? extend(&request->body, head_n + n) : NULL;
    if (!to)
        return rv_fail_memory(err, "a write");
    memcpy(to, head, head_n);
    protobuf_c_message_pack(&message->base, to + head_n);
    request->n++;
    return RV_OK;
}

/* Packs one share; without identity in as many pieces as are needed. */
static rv_status_t pack_share(rvc_write_t *write, const rvc_write_spec_t *spec, const rvc_share_t *share,
                              rv_arena_t *arena, rv_error_t *err) {
    bool whole = spec->identity && spec->identity->producer.len;
    rvc_share_t piece = *share;
    size_t at = 0, want = share->n;
    do {
        Reveille__V1__PartitionWrite message;
        size_t n = 0;
        piece.rows = share->rows ? share->rows + at : NULL;
        piece.n = want < share->n - at ? want : share->n - at;
        rv_arena_reset(arena);
        rv_status_t status = make_part(write, spec, &piece, arena, &message, &n, err);
        if (status == RV_OK && n > PART_BYTES) {
            if (whole || piece.n < 2)
                return rv_fail(
                    err, RV_REASON_LIMIT,
                    "the part of the batch for partition %u takes %zu bytes, at most %u are allowed: send fewer rows",
                    share->partition, n, PART_BYTES);
            want = piece.n / 2;
            continue;
        }
        if (status == RV_OK)
            status = append(write, &piece, rvc_cluster_partition(write->core->cluster, share->partition)->worker,
                            &message, n, err);
        if (status != RV_OK)
            return status;
        at += piece.n;
    } while (at < share->n);
    return RV_OK;
}

/* Shares of one worker after the other, so that they lie in few requests. */
static rv_status_t pack_all(rvc_write_t *write, const rvc_write_spec_t *spec, rv_error_t *err) {
    rv_status_t status = RV_OK;
    rv_arena_t arena;
    rv_arena_init(&arena, SCRATCH_BUDGET);
    uint32_t workers = rvc_cluster_workers(write->core->cluster);
    for (uint32_t slot = 0; status == RV_OK && slot < workers; slot++)
        for (size_t i = 0; status == RV_OK && i < spec->n; i++) {
            const rvc_partition_t *partition = rvc_cluster_partition(write->core->cluster, spec->shares[i].partition);
            if (partition->worker == slot && partition->state == RVC_PARTITION_AVAILABLE)
                status = pack_share(write, spec, &spec->shares[i], &arena, err);
        }
    rv_arena_done(&arena);
    /* what is not available comes last, outside of all requests */
    for (size_t i = 0; status == RV_OK && i < spec->n; i++) {
        uint32_t number = spec->shares[i].partition;
        if (rvc_cluster_partition(write->core->cluster, number)->state == RVC_PARTITION_AVAILABLE)
            continue;
        rv_error_t why;
        part_t *part = add_part(write, &spec->shares[i]);
        if (!part)
            return rv_fail_memory(err, "a write");
        rvc_cluster_missing(write->core->cluster, &number, 1, NULL, &why);
        refuse_part(write, part, &why);
    }
    return status;
}

static void request_over(request_t *request) {
    rvc_write_t *write = request->write;
    request->task = NULL;
    if (--write->open == 0)
        write->done(write->owner);
}

static void refuse_request(request_t *request, const rv_error_t *why) {
    for (size_t i = 0; i < request->n; i++) {
        part_t *part = &request->write->parts[request->first + i];
        if (part->state == UNSENT || part->state == SENT)
            refuse_part(request->write, part, why);
    }
}

static void enter(rvc_write_t *write, part_t *part, const Reveille__V1__PartitionWriteResult *result) {
    rv_error_t err;
    if (rv_wire_error(result->status, &err) != RV_OK) {
        refuse_part(write, part, &err);
        return;
    }
    part->state = TAKEN;
    part->lsn = result->lsn;
    rvc_cluster_acked(write->core->cluster, part->share.partition, result->lsn);
    write->applied += result->applied;
    write->duplicates += result->duplicates;
    write->duplicates_without_id += result->duplicates_without_id;
    write->created += result->contacts_created;
    for (size_t i = 0; i < result->n_errors; i++) {
        const Reveille__V1__ItemError *item = result->errors[i];
        if (rv_wire_error(item->status, &err) == RV_OK || item->index >= part->share.n)
            continue;
        rvc_refusals_add(&write->refusals, part->share.rows ? part->share.rows[item->index] : item->index, &err);
        write->refusals.total--; /* counted below, named or not */
    }
    write->refusals.total += result->refused;
}

static void on_reply(void *owner, const uint8_t *body, size_t n, bool more) {
    request_t *request = owner;
    rvc_write_t *write = request->write;
    ProtobufCMessage *message = NULL;
    rv_arena_t arena;
    rv_error_t err;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (rv_wire_unpack(&reveille__v1__write_response__descriptor, body, n, &arena, &message, &err) == RV_OK) {
        const Reveille__V1__WriteResponse *response = (const Reveille__V1__WriteResponse *)message;
        for (size_t i = 0; i < response->n_results && i < request->n; i++) {
            part_t *part = &write->parts[request->first + i];
            if (part->state == SENT && response->results[i]->partition == part->share.partition)
                enter(write, part, response->results[i]);
        }
    }
    rv_arena_done(&arena);
    rv_fail(&err, RV_REASON_OUTCOME_UNKNOWN, "the worker did not say what became of the write");
    refuse_request(request, &err);
    if (!more)
        request_over(request);
}

static void on_failed(void *owner, const rv_error_t *err) {
    request_t *request = owner;
    refuse_request(request, err);
    request_over(request);
}

static const rvc_task_ops_t TASK = {on_reply, on_failed};

static void send_request(rvc_write_t *write, request_t *request, int64_t deadline) {
    Reveille__V1__WriteRequest tail = REVEILLE__V1__WRITE_REQUEST__INIT;
    tail.term = rvc_meta_identity(write->core->meta)->term;
    rv_error_t err;
    uint8_t *to = extend(&request->body, protobuf_c_message_get_packed_size(&tail.base));
    rv_status_t status = to ? RV_OK : rv_fail_memory(&err, "a write");
    if (status == RV_OK) {
        protobuf_c_message_pack(&tail.base, to);
        rvc_slice_t body = {request->body.p, request->body.n};
        status = rvc_link_call(write->core->link, request->slot, "reveille.v1.WorkerService/Write", &body, 1, deadline,
                               &TASK, request, &request->task, &err);
    }
    rv_bytes_done(&request->body);
    if (status != RV_OK) {
        refuse_request(request, &err);
        return;
    }
    write->open++;
    for (size_t i = 0; i < request->n; i++)
        write->parts[request->first + i].state = SENT;
}

/* A producer of the future would be the newest of all for as long: workers tell forgotten ones from new ones by their
 * time. */
static rv_status_t check_producer(const rvc_core_t *core, const Reveille__V1__WriteIdentity *identity,
                                  rv_error_t *err) {
    int64_t ahead = identity ? rv_uuid7_ms(identity->producer.data) - core->wall_ms() : 0;
    if (ahead <= RV_PRODUCER_AHEAD_MS)
        return RV_OK;
    return rv_fail(err, RV_REASON_FIELD,
                   "identity.producer is a UUIDv7 whose time is %lld s ahead of the coordinator's clock, at most %lld "
                   "are allowed",
                   (long long)(ahead / 1000), RV_PRODUCER_AHEAD_MS / 1000);
}

rv_status_t rvc_write_start(rvc_write_t *write, const rvc_write_spec_t *spec, int64_t deadline, rvc_write_done_t *done,
                            void *owner, rv_error_t *err) {
    rv_status_t status = check_producer(write->core, spec->identity, err);
    if (status == RV_OK)
        status = pack_all(write, spec, err);
    if (status != RV_OK)
        return status;
    size_t bytes = 0;
    for (size_t i = 0; i < write->n_requests; i++)
        bytes += write->requests[i].body.n;
    if (write->core->write_bytes + bytes > RV_MAX_WRITE_BYTES) {
        rv_fail(err, RV_REASON_BUSY, "the coordinator is busy: %zu bytes of writes are under way",
                write->core->write_bytes);
        if (err)
            err->retry_after_ms = 200;
        return RV_RESOURCE_EXHAUSTED;
    }
    write->bytes = bytes;
    write->core->write_bytes += bytes;
    write->done = done;
    write->owner = owner;
    for (size_t i = 0; i < write->n_requests; i++)
        send_request(write, &write->requests[i], deadline);
    return RV_OK;
}

rv_status_t rvc_write_outcome(const rvc_write_t *write, bool *ret_some, rv_error_t *err) {
    const rv_error_t *worst = NULL;
    bool some = write->n_parts == 0;
    uint32_t failed[RV_MAX_PARTITIONS];
    size_t n_failed = 0;
    for (size_t i = 0; i < write->n_parts; i++) {
        const part_t *part = &write->parts[i];
        some = some || part->state == TAKEN;
        if (part->state != REFUSED)
            continue;
        if (n_failed < RV_MAX_PARTITIONS && (n_failed == 0 || failed[n_failed - 1] != part->share.partition))
            failed[n_failed++] = part->share.partition;
        bool weighs = part->error && (!worst || (part->error->reason == RV_REASON_OUTCOME_UNKNOWN &&
                                                 worst->reason != RV_REASON_OUTCOME_UNKNOWN));
        worst = weighs ? part->error : worst;
    }
    *ret_some = some;
    if (n_failed == 0)
        return RV_OK;
    if (!worst)
        return rv_fail_memory(err, "the reason of a failure");
    if (worst->reason == RV_REASON_INCOMPLETE && err)
        return rvc_cluster_missing(write->core->cluster, failed, n_failed, NULL, err);
    if (err)
        *err = *worst;
    return worst->status;
}

uint64_t rvc_write_lsn(const rvc_write_t *write, uint32_t partition) {
    uint64_t lsn = 0;
    for (size_t i = 0; i < write->n_parts; i++)
        if (write->parts[i].share.partition == partition && write->parts[i].lsn > lsn)
            lsn = write->parts[i].lsn;
    return lsn;
}

/* The row of a part in the result. */
static Reveille__V1__PartitionResult *partition_result(rvc_write_t *write, const part_t *part, bool items) {
    struct {
        Reveille__V1__PartitionResult result;
        Reveille__V1__Status status;
        Reveille__V1__ErrorDetail detail;
        Reveille__V1__ErrorDetail *details[1];
    } *made = rv_arena_alloc(&write->arena, sizeof *made);
    if (!made)
        return NULL;
    static const rv_error_t UNKNOWN = {
        .status = RV_UNAVAILABLE, .reason = RV_REASON_OUTCOME_UNKNOWN, .message = "what became of it is not known"};
    reveille__v1__partition_result__init(&made->result);
    rv_wire_status(part->state == TAKEN ? NULL : (part->error ? part->error : &UNKNOWN), &made->status, &made->detail,
                   made->details);
    made->result.partition = part->share.partition;
    made->result.status = &made->status;
    made->result.lsn = part->lsn;
    if (items && part->share.rows && (write->n_parts > 1 || write->refusals.total)) {
        made->result.items = (uint32_t *)(uintptr_t)part->share.rows;
        made->result.n_items = part->share.n;
    }
    return &made->result;
}

Reveille__V1__WriteResult *rvc_write_result(rvc_write_t *write, bool items) {
    Reveille__V1__WriteResult *result = rv_arena_alloc(&write->arena, sizeof *result);
    Reveille__V1__PartitionResult **list = rv_arena_zalloc(&write->arena, write->n_parts + 1, sizeof *list);
    if (!result || !list)
        return NULL;
    reveille__v1__write_result__init(result);
    result->partitions = list;
    for (size_t i = 0; i < write->n_parts; i++) {
        list[i] = partition_result(write, &write->parts[i], items);
        if (!list[i])
            return NULL;
    }
    result->n_partitions = write->n_parts;
    result->applied = write->applied;
    result->duplicates = write->duplicates;
    result->duplicates_without_id = write->duplicates_without_id;
    result->contacts_created = write->created;
    result->refused = write->refusals.total;
    rvc_refusals_sort(&write->refusals);
    result->errors = write->refusals.items;
    result->n_errors = write->refusals.n;
    return result;
}

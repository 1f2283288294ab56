/* ledger.c: one line a partition. A partition is counted exactly once: only an expected line can be answered, only by
 * the worker that was asked. The lines of one worker are a list, so that a query costs a step a partition, not one a
 * partition and worker. No threads. */
#include "ledger.h"
#include "reveille/wire.h"
#include <stdlib.h>

rv_status_t rvc_ledger_new(const uint32_t *slots, uint32_t count, rvc_ledger_t *ledger, rv_error_t *err) {
    *ledger = (rvc_ledger_t){.count = count};
    for (uint32_t p = 0; p < count; p++)
        if (slots[p] != RVC_NOBODY && slots[p] >= ledger->n_slots)
            ledger->n_slots = slots[p] + 1;
    ledger->entries = calloc(count ? count : 1, sizeof *ledger->entries);
    ledger->first = malloc((ledger->n_slots + 1) * sizeof *ledger->first);
    if (!ledger->entries || !ledger->first) {
        rvc_ledger_done(ledger);
        return rv_fail_memory(err, "a ledger");
    }
    for (uint32_t slot = 0; slot < ledger->n_slots; slot++)
        ledger->first[slot] = RVC_NOBODY;
    for (uint32_t p = count; p-- > 0;) {
        bool there = slots[p] != RVC_NOBODY;
        ledger->entries[p].state = there ? RVC_EXPECTED : RVC_FAILED;
        ledger->entries[p].slot = slots[p];
        ledger->entries[p].next = there ? ledger->first[slots[p]] : RVC_NOBODY;
        if (there)
            ledger->first[slots[p]] = p;
    }
    return RV_OK;
}

rv_status_t rvc_ledger_open(const rvc_cluster_t *cluster, rvc_ledger_t *ledger, rv_error_t *err) {
    uint32_t slots[RV_MAX_PARTITIONS], n = rvc_cluster_partitions(cluster);
    for (uint32_t p = 0; p < n; p++) {
        const rvc_partition_t *partition = rvc_cluster_partition(cluster, p);
        slots[p] = partition->state == RVC_PARTITION_AVAILABLE ? partition->worker : RVC_NOBODY;
    }
    return rvc_ledger_new(slots, n, ledger, err);
}

void rvc_ledger_done(rvc_ledger_t *ledger) {
    free(ledger->entries);
    free(ledger->first);
    ledger->entries = NULL;
    ledger->first = NULL;
}

static uint32_t first_of(const rvc_ledger_t *ledger, uint32_t slot) {
    return slot < ledger->n_slots ? ledger->first[slot] : RVC_NOBODY;
}

void rvc_ledger_enter(rvc_ledger_t *ledger, uint32_t slot, const Reveille__V1__QueryResponse *response,
                      rv_error_t *err) {
    rv_error_t first = {.status = RV_OK};
    for (size_t i = 0; i < response->n_partitions; i++) {
        const Reveille__V1__QueryPartitionResult *result = response->partitions[i];
        uint32_t p = result->partition;
        if (p >= ledger->count || ledger->entries[p].slot != slot || ledger->entries[p].state != RVC_EXPECTED) {
            ledger->surplus++;
            continue;
        }
        rv_error_t why;
        bool ok = rv_wire_error(result->status, &why) == RV_OK;
        ledger->entries[p].state = ok ? RVC_ANSWERED : RVC_FAILED;
        ledger->entries[p].lsn = result->lsn;
        if (!ok && first.status == RV_OK)
            first = why;
    }
    for (uint32_t p = first_of(ledger, slot); p != RVC_NOBODY; p = ledger->entries[p].next)
        if (ledger->entries[p].state == RVC_EXPECTED) {
            ledger->entries[p].state = RVC_FAILED;
            if (first.status == RV_OK)
                rv_fail(&first, RV_REASON_INCOMPLETE, "its worker left it out of the answer");
        }
    *err = first;
}

void rvc_ledger_lost(rvc_ledger_t *ledger, uint32_t slot) {
    for (uint32_t p = first_of(ledger, slot); p != RVC_NOBODY; p = ledger->entries[p].next)
        if (ledger->entries[p].state == RVC_EXPECTED)
            ledger->entries[p].state = RVC_FAILED;
}

size_t rvc_ledger_failed(const rvc_ledger_t *ledger, uint32_t *partitions) {
    size_t n = 0;
    for (uint32_t p = 0; p < ledger->count; p++)
        if (ledger->entries[p].state == RVC_FAILED)
            partitions[n++] = p;
    return n;
}

size_t rvc_ledger_answered(const rvc_ledger_t *ledger) {
    size_t n = 0;
    for (uint32_t p = 0; p < ledger->count; p++)
        n += ledger->entries[p].state == RVC_ANSWERED;
    return n;
}

Reveille__V1__Coverage *rvc_ledger_coverage(const rvc_ledger_t *ledger, const rvc_plan_t *plan, rv_arena_t *arena) {
    Reveille__V1__Coverage *coverage = rv_arena_alloc(arena, sizeof *coverage);
    size_t n = ledger->count;
    Reveille__V1__PartitionVersion *versions = rv_arena_zalloc(arena, n + 1, sizeof *versions);
    Reveille__V1__PartitionVersion **list = rv_arena_zalloc(arena, n + 1, sizeof *list);
    uint32_t *missing = rv_arena_zalloc(arena, n + 1, sizeof *missing);
    if (!coverage || !versions || !list || !missing)
        return NULL;
    reveille__v1__coverage__init(coverage);
    coverage->partitions_expected = ledger->count;
    coverage->as_of_ms = plan->as_of_ms;
    for (uint32_t p = 0; p < ledger->count; p++) {
        if (ledger->entries[p].state != RVC_ANSWERED)
            continue;
        Reveille__V1__PartitionVersion *version = &versions[coverage->n_data_version];
        reveille__v1__partition_version__init(version);
        version->partition = p;
        version->lsn = ledger->entries[p].lsn;
        list[coverage->n_data_version++] = version;
    }
    coverage->data_version = list;
    coverage->partitions_answered = (uint32_t)coverage->n_data_version;
    coverage->missing = missing;
    coverage->n_missing = rvc_ledger_failed(ledger, missing);
    coverage->n_current_attributes = plan->n_current_attributes;
    coverage->current_attributes = (char **)(uintptr_t)plan->current_attributes;
    coverage->window_before_kept = plan->before_kept;
    return coverage;
}

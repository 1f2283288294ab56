/* account.c: see account.h. Counters of all partitions lie in one array, and the message points into it. Failure: no
 * memory. */
#include "account.h"
#include "reveille/clock.h"
#include <stdlib.h>

struct rvw_account {
    Reveille__V1__ExplainWorker worker;
    int64_t since; /* the beginning of the step at hand, in ns */
    size_t n_partitions, n_nodes;
    rv_counters_t *cells;
};

rv_status_t rvw_account_new(int64_t queued_ms, unsigned threads, rvw_account_t **ret, rv_error_t *err) {
    rvw_account_t *account = calloc(1, sizeof *account);
    if (!account)
        return rv_fail_memory(err, "an explanation");
    reveille__v1__explain_worker__init(&account->worker);
    account->worker.queued_ms = queued_ms > 0 ? (uint32_t)queued_ms : 0;
    account->worker.threads = threads;
    account->since = rv_mono_ns();
    *ret = account;
    return RV_OK;
}

void rvw_account_destroy(rvw_account_t **account) {
    if (*account)
        free((*account)->cells);
    free(*account);
    *account = NULL;
}

/* Ends a step. */
static uint64_t lap(rvw_account_t *account) {
    int64_t now = rv_mono_ns();
    uint64_t took = (uint64_t)(now - account->since);
    account->since = now;
    return took;
}

rv_status_t rvw_account_opened(rvw_account_t *account, const rvw_job_t *job, size_t n, rv_error_t *err) {
    if (!account)
        return RV_OK;
    account->n_partitions = n;
    account->n_nodes = job ? rvw_job_counts(job) : 1;
    account->cells = calloc(n * account->n_nodes + 1, sizeof *account->cells);
    if (!account->cells)
        return rv_fail_memory(err, "an explanation");
    for (size_t i = 0; i < n * account->n_nodes; i++)
        reveille__v1__explain_counters__init(&account->cells[i]);
    account->worker.plan_ns = lap(account);
    return RV_OK;
}

void rvw_account_scanned(rvw_account_t *account) {
    if (account)
        account->worker.scan_ns = lap(account);
}

void rvw_account_merged(rvw_account_t *account) {
    if (account)
        account->worker.merge_ns = lap(account);
}

rv_counters_t *rvw_account_of(rvw_account_t *account, size_t i) {
    return account ? &account->cells[i * account->n_nodes] : NULL;
}

int64_t rvw_account_now(const rvw_account_t *account) {
    return account ? rv_mono_ns() : 0;
}

void rvw_account_looked_up(rvw_account_t *account, int64_t start) {
    if (!account)
        return;
    account->cells[0].time_ns += (uint64_t)(rv_mono_ns() - start);
    account->cells[0].rows_in = account->cells[0].rows_out = 1;
    account->worker.scan_ns = account->cells[0].time_ns;
}

/* n pointers to initialised counters of their own. */
static rv_counters_t **take_counters(rv_arena_t *arena, size_t n) {
    rv_counters_t **list = rv_arena_zalloc(arena, n + 1, sizeof *list);
    rv_counters_t *items = rv_arena_zalloc(arena, n + 1, sizeof *items);
    for (size_t i = 0; list && items && i < n; i++) {
        reveille__v1__explain_counters__init(&items[i]);
        list[i] = &items[i];
    }
    return items ? list : NULL;
}

static rv_status_t add_nodes(const rvw_account_t *account, const rvw_job_t *job, const char *lookup, rv_arena_t *arena,
                             Reveille__V1__Explain *explain, rv_error_t *err) {
    size_t n = account->n_nodes;
    Reveille__V1__ExplainNode *nodes = rv_arena_zalloc(arena, n, sizeof *nodes);
    rv_counters_t **totals = take_counters(arena, n);
    explain->nodes = rv_arena_zalloc(arena, n, sizeof *explain->nodes);
    if (!nodes || !totals || !explain->nodes)
        return rv_fail_memory(err, "an explanation");
    for (size_t i = 0; i < n; i++) {
        reveille__v1__explain_node__init(&nodes[i]);
        nodes[i].total = totals[i];
        explain->nodes[i] = &nodes[i];
    }
    explain->n_nodes = n;
    if (job)
        return rvw_job_describe(job, arena, nodes, &explain->nodes_left_out, err);
    nodes[0].kind = REVEILLE__V1__EXPLAIN_KIND__EXPLAIN_KIND_LOOKUP;
    nodes[0].text = (char *)(uintptr_t)lookup;
    return RV_OK;
}

/* The partitions that are in the answer, each with its nodes, added to the totals of the nodes. */
static rv_status_t add_partitions(rvw_account_t *account, const uint32_t *numbers, const bool *answered,
                                  rv_arena_t *arena, Reveille__V1__Explain *explain, rv_error_t *err) {
    size_t n = account->n_partitions, n_nodes = account->n_nodes;
    Reveille__V1__ExplainPartition *items = rv_arena_zalloc(arena, n + 1, sizeof *items);
    rv_counters_t **cells = rv_arena_zalloc(arena, n * n_nodes + 1, sizeof *cells), **totals = take_counters(arena, n);
    explain->partitions = rv_arena_zalloc(arena, n + 1, sizeof *explain->partitions);
    if (!items || !cells || !totals || !explain->partitions)
        return rv_fail_memory(err, "an explanation");
    for (size_t i = 0; i < n; i++) {
        if (!answered[i])
            continue;
        for (size_t k = 0; k < n_nodes; k++) {
            cells[i * n_nodes + k] = &account->cells[i * n_nodes + k];
            rv_counters_add(explain->nodes[k]->total, cells[i * n_nodes + k]);
        }
        reveille__v1__explain_partition__init(&items[i]);
        items[i].partition = numbers[i];
        items[i].total = totals[i];
        items[i].n_nodes = n_nodes;
        items[i].nodes = &cells[i * n_nodes];
        rv_counters_sum(items[i].nodes, n_nodes, items[i].total);
        explain->partitions[explain->n_partitions++] = &items[i];
    }
    return RV_OK;
}

rv_status_t rvw_account_message(rvw_account_t *account, const rvw_job_t *job, const char *lookup,
                                const uint32_t *numbers, const bool *answered, rv_arena_t *arena,
                                Reveille__V1__Explain **ret, rv_error_t *err) {
    *ret = NULL;
    if (!account)
        return RV_OK;
    Reveille__V1__Explain *explain = rv_arena_alloc(arena, sizeof *explain);
    Reveille__V1__ExplainWorker **workers = rv_arena_zalloc(arena, 1, sizeof *workers);
    rv_counters_t **totals = take_counters(arena, 2), **nodes = rv_arena_zalloc(arena, account->n_nodes, sizeof *nodes);
    if (!explain || !workers || !totals || !nodes)
        return rv_fail_memory(err, "an explanation");
    reveille__v1__explain__init(explain);
    rv_status_t status = add_nodes(account, job, lookup, arena, explain, err);
    if (status == RV_OK)
        status = add_partitions(account, numbers, answered, arena, explain, err);
    if (status != RV_OK)
        return status;
    for (size_t i = 0; i < account->n_nodes; i++)
        nodes[i] = explain->nodes[i]->total;
    rv_counters_sum(nodes, account->n_nodes, totals[0]);
    rv_counters_sum(nodes, account->n_nodes, totals[1]);
    explain->total = totals[0];
    explain->n_workers = 1;
    explain->workers = workers;
    workers[0] = &account->worker;
    workers[0]->partitions = (uint32_t)explain->n_partitions;
    workers[0]->total = totals[1];
    workers[0]->n_nodes = account->n_nodes;
    workers[0]->nodes = nodes;
    rv_explain_cut(explain);
    *ret = explain;
    return RV_OK;
}

/* explanation.c: see explanation.h. Tables show ms and the slowest partitions only; the document has everything, in ns.
 * No failure: what cannot be written to stderr is not missed. */
#include "explanation.h"
#include "rows.h"
#include <string.h>

#define SHOWN 8u /* partitions of a table */

static const char *kind_name(Reveille__V1__ExplainKind kind) {
    static const char *const NAMES[] = {"?",      "scan",   "population", "check", "events",
                                        "filter", "result", "others",     "lookup"};
    return NAMES[kind < sizeof NAMES / sizeof NAMES[0] ? kind : 0];
}

static void member(rv_json_t *json, const char *name, uint64_t value) {
    rv_json_name(json, name);
    rv_json_uint(json, value);
}

/* Members of counters, within an object. */
static void counters_json(rv_json_t *json, const Reveille__V1__ExplainCounters *c) {
    member(json, "time_ns", c->time_ns);
    member(json, "rows_in", c->rows_in);
    member(json, "rows_out", c->rows_out);
    member(json, "events", c->events);
    member(json, "bytes", c->bytes);
    member(json, "runs_read", c->runs_read);
    member(json, "runs_skipped", c->runs_skipped);
}

static void total_json(rv_json_t *json, const Reveille__V1__ExplainCounters *total) {
    rv_json_name(json, "total");
    rv_json_open(json, '{');
    if (total)
        counters_json(json, total);
    rv_json_close(json, '}');
}

static void cells_json(rv_json_t *json, Reveille__V1__ExplainCounters *const *cells, size_t n) {
    rv_json_name(json, "nodes");
    rv_json_open(json, '[');
    for (size_t i = 0; i < n; i++) {
        rv_json_open(json, '{');
        counters_json(json, cells[i]);
        rv_json_close(json, '}');
    }
    rv_json_close(json, ']');
}

static void nodes_json(rv_json_t *json, const Reveille__V1__Explain *explain) {
    rv_json_name(json, "nodes");
    rv_json_open(json, '[');
    for (size_t i = 0; i < explain->n_nodes; i++) {
        rv_json_open(json, '{');
        rv_json_name(json, "kind");
        rv_json_text(json, kind_name(explain->nodes[i]->kind));
        rv_json_name(json, "text");
        rv_json_text(json, explain->nodes[i]->text);
        total_json(json, explain->nodes[i]->total);
        rv_json_close(json, '}');
    }
    rv_json_close(json, ']');
}

static void workers_json(rv_json_t *json, const Reveille__V1__Explain *explain) {
    rv_json_name(json, "workers");
    rv_json_open(json, '[');
    for (size_t i = 0; i < explain->n_workers; i++) {
        const Reveille__V1__ExplainWorker *worker = explain->workers[i];
        rv_json_open(json, '{');
        rv_json_name(json, "name");
        rv_json_text(json, worker->name);
        member(json, "partitions", worker->partitions);
        member(json, "threads", worker->threads);
        member(json, "queued_ms", worker->queued_ms);
        member(json, "plan_ns", worker->plan_ns);
        member(json, "scan_ns", worker->scan_ns);
        member(json, "merge_ns", worker->merge_ns);
        member(json, "answer_ns", worker->answer_ns);
        total_json(json, worker->total);
        cells_json(json, worker->nodes, worker->n_nodes);
        rv_json_close(json, '}');
    }
    rv_json_close(json, ']');
}

static const char *worker_name(const Reveille__V1__Explain *explain, uint32_t i) {
    return i < explain->n_workers ? explain->workers[i]->name : "?";
}

static void partitions_json(rv_json_t *json, const Reveille__V1__Explain *explain) {
    rv_json_name(json, "partitions");
    rv_json_open(json, '[');
    for (size_t i = 0; i < explain->n_partitions; i++) {
        const Reveille__V1__ExplainPartition *partition = explain->partitions[i];
        rv_json_open(json, '{');
        member(json, "partition", partition->partition);
        rv_json_name(json, "worker");
        rv_json_text(json, worker_name(explain, partition->worker));
        total_json(json, partition->total);
        cells_json(json, partition->nodes, partition->n_nodes);
        rv_json_close(json, '}');
    }
    rv_json_close(json, ']');
}

void rv_explain_json(rv_json_t *json, const Reveille__V1__Explain *explain) {
    rv_json_name(json, "explain");
    rv_json_open(json, '{');
    member(json, "plan_ns", explain->plan_ns);
    member(json, "wait_ns", explain->wait_ns);
    member(json, "merge_ns", explain->merge_ns);
    total_json(json, explain->total);
    nodes_json(json, explain);
    workers_json(json, explain);
    partitions_json(json, explain);
    member(json, "nodes_left_out", explain->nodes_left_out);
    member(json, "workers_left_out", explain->workers_left_out);
    member(json, "partitions_left_out", explain->partitions_left_out);
    rv_json_close(json, '}');
}

/* ns as ms with three decimals. */
static rv_value_t ms(uint64_t ns) {
    return rv_value_uint((ns + 500) / 1000);
}
#define MS(name)                                                                                                       \
    { name, RV_DECIMAL, 3 }
#define NUMBER(name)                                                                                                   \
    { name, RV_INT, 0 }
#define TEXT(name)                                                                                                     \
    { name, RV_STRING, 0 }

static void end_table(rv_rows_t **rows) {
    if (*rows)
        rv_rows_end(*rows);
    rv_rows_destroy(rows);
}

static rv_rows_t *begin_table(rv_out_t *out, const rv_head_t *heads, size_t n) {
    rv_rows_t *rows = rv_rows_new(out, RV_FORMAT_TABLE, "");
    if (rows && rv_rows_heads(rows, heads, n, NULL) != RV_OK)
        rv_rows_destroy(&rows);
    return rows;
}

static void node_table(rv_out_t *out, const Reveille__V1__Explain *explain) {
    static const rv_head_t HEADS[] = {TEXT("node"),        MS("ms"),          NUMBER("rows in"),
                                      NUMBER("rows out"),  NUMBER("events"),  NUMBER("bytes"),
                                      NUMBER("runs read"), NUMBER("skipped"), TEXT("what")};
    rv_rows_t *rows = begin_table(out, HEADS, 9);
    for (size_t i = 0; rows && i < explain->n_nodes; i++) {
        const Reveille__V1__ExplainNode *node = explain->nodes[i];
        const Reveille__V1__ExplainCounters *c = node->total;
        if (c)
            rv_rows_add(rows,
                        (rv_value_t[]){rv_value_text(kind_name(node->kind)), ms(c->time_ns), rv_value_uint(c->rows_in),
                                       rv_value_uint(c->rows_out), rv_value_uint(c->events), rv_value_uint(c->bytes),
                                       rv_value_uint(c->runs_read), rv_value_uint(c->runs_skipped),
                                       rv_value_text(node->text)});
    }
    end_table(&rows);
    if (explain->nodes_left_out)
        rv_out_printf(out, "%u nodes are only in \"others\"\n", explain->nodes_left_out);
}

static void worker_table(rv_out_t *out, const Reveille__V1__Explain *explain) {
    static const rv_head_t HEADS[] = {TEXT("worker"), NUMBER("partitions"), NUMBER("threads"), NUMBER("queued ms"),
                                      MS("plan ms"),  MS("scan ms"),        MS("merge ms"),    MS("answer ms"),
                                      MS("node ms"),  NUMBER("events"),     NUMBER("bytes")};
    rv_rows_t *rows = begin_table(out, HEADS, 11);
    for (size_t i = 0; rows && i < explain->n_workers; i++) {
        const Reveille__V1__ExplainWorker *w = explain->workers[i];
        if (w->total)
            rv_rows_add(rows, (rv_value_t[]){rv_value_text(w->name), rv_value_uint(w->partitions),
                                             rv_value_uint(w->threads), rv_value_uint(w->queued_ms), ms(w->plan_ns),
                                             ms(w->scan_ns), ms(w->merge_ns), ms(w->answer_ns), ms(w->total->time_ns),
                                             rv_value_uint(w->total->events), rv_value_uint(w->total->bytes)});
    }
    end_table(&rows);
}

static void partition_table(rv_out_t *out, const Reveille__V1__Explain *explain) {
    static const rv_head_t HEADS[] = {NUMBER("partition"), TEXT("worker"),      MS("ms"),
                                      NUMBER("rows in"),   NUMBER("rows out"),  NUMBER("events"),
                                      NUMBER("bytes"),     NUMBER("runs read"), NUMBER("skipped")};
    rv_rows_t *rows = begin_table(out, HEADS, 9);
    for (size_t i = 0; rows && i < explain->n_partitions && i < SHOWN; i++) {
        const Reveille__V1__ExplainPartition *p = explain->partitions[i];
        const Reveille__V1__ExplainCounters *c = p->total;
        if (c)
            rv_rows_add(rows,
                        (rv_value_t[]){rv_value_uint(p->partition), rv_value_text(worker_name(explain, p->worker)),
                                       ms(c->time_ns), rv_value_uint(c->rows_in), rv_value_uint(c->rows_out),
                                       rv_value_uint(c->events), rv_value_uint(c->bytes), rv_value_uint(c->runs_read),
                                       rv_value_uint(c->runs_skipped)});
    }
    end_table(&rows);
    if (explain->n_partitions > SHOWN)
        rv_out_printf(out,
                      "%zu faster partitions are not shown; --format json has all of them, and every node of each\n",
                      explain->n_partitions - SHOWN);
}

void rv_explain_tables(int fd, const Reveille__V1__Explain *explain) {
    rv_out_t *out = rv_out_new(fd);
    rv_error_t err;
    if (!out)
        return;
    rv_out_printf(out, "coordinator: plan %.3f ms, workers %.3f ms, merge %.3f ms\n\n", (double)explain->plan_ns / 1e6,
                  (double)explain->wait_ns / 1e6, (double)explain->merge_ns / 1e6);
    node_table(out, explain);
    rv_out_char(out, '\n');
    worker_table(out, explain);
    rv_out_char(out, '\n');
    partition_table(out, explain);
    rv_out_flush(out, &err);
    rv_out_destroy(&out);
}

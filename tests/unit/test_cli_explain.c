/* test_cli_explain.c: an explanation as a document and as tables. */
#include "explanation.h"
#include "rows.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 20u

static Reveille__V1__Explain explain;
static Reveille__V1__ExplainCounters counters = REVEILLE__V1__EXPLAIN_COUNTERS__INIT, *cells[1] = {&counters};
static Reveille__V1__ExplainNode node, *nodes[1] = {&node};
static Reveille__V1__ExplainWorker worker, *workers[1] = {&worker};
static Reveille__V1__ExplainPartition partition[MOST], *partitions[MOST];

/* One node, one worker, n partitions, of which the last has no nodes. */
static void make(size_t n) {
    reveille__v1__explain__init(&explain);
    reveille__v1__explain_node__init(&node);
    reveille__v1__explain_worker__init(&worker);
    counters.time_ns = 1234567;
    counters.rows_in = 9;
    counters.rows_out = 8;
    counters.events = 7;
    counters.bytes = 6;
    counters.runs_read = 5;
    counters.runs_skipped = 4;
    node.kind = REVEILLE__V1__EXPLAIN_KIND__EXPLAIN_KIND_FILTER;
    node.text = (char *)"a \"b\"";
    node.total = worker.total = explain.total = &counters;
    worker.name = (char *)"worker-1";
    worker.partitions = (uint32_t)n;
    worker.threads = 2;
    worker.queued_ms = 3;
    worker.plan_ns = 11;
    worker.scan_ns = 12000000;
    worker.merge_ns = 13;
    worker.answer_ns = 14000000;
    worker.n_nodes = 1;
    worker.nodes = cells;
    for (size_t i = 0; i < n; i++) {
        reveille__v1__explain_partition__init(&partition[i]);
        partition[i].partition = (uint32_t)(90 + i);
        partition[i].total = &counters;
        partition[i].n_nodes = i + 1 < n;
        partition[i].nodes = cells;
        partitions[i] = &partition[i];
    }
    explain.plan_ns = 1500000;
    explain.wait_ns = 2;
    explain.merge_ns = 3;
    explain.n_nodes = explain.n_workers = 1;
    explain.nodes = nodes;
    explain.workers = workers;
    explain.n_partitions = n;
    explain.partitions = partitions;
    explain.partitions_left_out = 1;
}

static void the_document_has_everything(void **state) {
    (void)state;
#define COUNTERS                                                                                                       \
    "\"time_ns\":1234567,\"rows_in\":9,\"rows_out\":8,\"events\":7,\"bytes\":6,\"runs_read\":5,\"runs_skipped\":4"
    rv_out_t *out = rv_out_new(-1);
    rv_json_t json;
    size_t n;
    make(2);
    rv_json_init(&json, out);
    rv_json_open(&json, '{');
    rv_explain_json(&json, &explain);
    rv_json_close(&json, '}');
    const char *text = rv_out_bytes(out, &n);
    static const char *const WANTED =
        "{\"explain\":{\"plan_ns\":1500000,\"wait_ns\":2,\"merge_ns\":3,\"total\":{" COUNTERS "},"
        "\"nodes\":[{\"kind\":\"filter\",\"text\":\"a \\\"b\\\"\",\"total\":{" COUNTERS "}}],"
        "\"workers\":[{\"name\":\"worker-1\",\"partitions\":2,\"threads\":2,\"queued_ms\":3,\"plan_ns\":11,"
        "\"scan_ns\":12000000,\"merge_ns\":13,\"answer_ns\":14000000,\"total\":{" COUNTERS "},"
        "\"nodes\":[{" COUNTERS "}]}],"
        "\"partitions\":[{\"partition\":90,\"worker\":\"worker-1\",\"total\":{" COUNTERS "},\"nodes\":[{" COUNTERS
        "}]},"
        "{\"partition\":91,\"worker\":\"worker-1\",\"total\":{" COUNTERS "},\"nodes\":[]}],"
        "\"nodes_left_out\":0,\"workers_left_out\":0,\"partitions_left_out\":1}}";
    char *copy = strndup(text, n);
    assert_string_equal(copy, WANTED);
    free(copy);
    rv_out_destroy(&out);
}

/* The tables as they are written to a file. */
static const char *tables(void) {
    static char text[1 << 16];
    FILE *file = tmpfile();
    assert_non_null(file);
    rv_explain_tables(fileno(file), &explain);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static size_t lines_with(const char *text, const char *what) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void tables_show_ms_and_the_slowest(void **state) {
    (void)state;
    make(3);
    const char *text = tables();
    assert_non_null(strstr(text, "coordinator: plan 1.500 ms"));
    assert_non_null(strstr(text, "filter  1.235        9         8       7      6          5        4  a \"b\"\n"));
    assert_non_null(strstr(text, "worker-1           3        2          3"));
    assert_int_equal(lines_with(text, "worker-1"), 1 + 3);
    assert_null(strstr(text, "not shown"));
    assert_null(strstr(text, "others"));
    make(MOST);
    explain.nodes_left_out = 5;
    text = tables();
    assert_int_equal(lines_with(text, "worker-1"), 1 + 8);
    assert_non_null(strstr(text, "12 faster partitions are not shown"));
    assert_non_null(strstr(text, "5 nodes are only in \"others\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_has_everything),
        cmocka_unit_test(tables_show_ms_and_the_slowest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

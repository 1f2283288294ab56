// guard_query - one query over the partitions of a stopped worker's directory, in this process and in this thread.
//
//     guard_query DIR AS_OF_MS count FILTER
//     guard_query DIR AS_OF_MS select FIELDS ORDER LIMIT
//     guard_query DIR AS_OF_MS aggregate BY COMPUTE
//
// Structure: the coordinator's code makes the plan, the worker's code runs it over each chunk. The query is asked
// twice: first to warm up (values are verified once, memory is taken once), then inside guard_measured, where
// callgrind's
// --toggle-collect begins to count. Prints what the answer's pages add up to. Failure: one sentence and exit status 1;
// 77 when this processor has not the instructions that the figures are for.
#include "exec/exec.h"
#include "holdings.h"
#include "plan.h"
#include "reveille/limits.h"
#include "reveille/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRONG_PROCESSOR = 77 };

typedef struct answer {
    uint64_t messages, bytes;
} answer_t;

typedef struct question {
    rvw_holdings_t *holdings;
    rv_catalog_t *catalog;
    rvw_scratch_t *scratch;
    const Reveille__V1__QueryRequest *request;
} question_t;

// ---- the plan -----------------------------------------------------------------------------------------------------

static rv_status_t make_plan(const rvc_plan_context_t *context, char **args, int n, rvc_plan_t **ret, rv_error_t *err) {
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    options.as_of_case = REVEILLE__V1__READ_OPTIONS__AS_OF_AS_OF_MS;
    options.as_of_ms = context->wall_ms;
    if (n == 2 && strcmp(args[0], "count") == 0) {
        Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
        request.filter = args[1];
        request.options = &options;
        return rvc_plan_count(context, &request, ret, err);
    }
    if (n == 4 && strcmp(args[0], "select") == 0) {
        Reveille__V1__SelectRequest request = REVEILLE__V1__SELECT_REQUEST__INIT;
        request.fields = args[1];
        request.order_by = args[2];
        request.limit = strtoull(args[3], NULL, 10);
        request.options = &options;
        return rvc_plan_select(context, &request, ret, err);
    }
    if (n == 3 && strcmp(args[0], "aggregate") == 0) {
        Reveille__V1__AggregateRequest request = REVEILLE__V1__AGGREGATE_REQUEST__INIT;
        request.by = args[1];
        request.compute = args[2];
        request.options = &options;
        return rvc_plan_aggregate(context, &request, ret, err);
    }
    return rv_fail(err, RV_REASON_FIELD, "expected count FILTER, select FIELDS ORDER LIMIT or aggregate BY COMPUTE");
}

// ---- the answer ---------------------------------------------------------------------------------------------------

static rv_status_t run_partition(const rvw_job_t *job, rvw_partition_t *partition, rvw_scratch_t *scratch,
                                 rvw_partial_t *partial, rv_error_t *err) {
    rvw_view_t *view = NULL;
    rv_status_t status = rvw_view_take(partition, &view, err);
    if (status != RV_OK) {
        return status;
    }
    uint32_t rows = rvw_view_rows(view), size = rvw_view_chunk_rows(view);
    for (uint32_t c = 0; status == RV_OK && (uint64_t)c * size < rows; c++) {
        status = rvw_job_chunk(job, view, c, scratch, partial, err);
    }
    rvw_view_release(&view);
    return status;
}

static rv_status_t read_pages(const rvw_job_t *job, rvw_partial_t *partial, answer_t *ret, rv_error_t *err) {
    rv_arena_t arena;
    bool last = false;
    rv_arena_init(&arena, (size_t)64 << 20);
    rv_status_t status = rvw_partial_seal(job, partial, err);
    while (status == RV_OK && !last) {
        Reveille__V1__QueryResponse *page = NULL;
        rv_arena_reset(&arena);
        status = rvw_partial_next(job, partial, &arena, &page, &last, err);
        if (status == RV_OK) {
            ret->messages++;
            ret->bytes += protobuf_c_message_get_packed_size(&page->base);
        }
    }
    rv_arena_done(&arena);
    return status;
}

static rv_status_t ask(const question_t *question, answer_t *ret, rv_error_t *err) {
    rvw_job_t *job = NULL;
    rvw_partial_t *partial = NULL;
    *ret = (answer_t){0};
    rv_status_t status = rvw_job_new(question->request, question->catalog, question->scratch, &job, err);
    if (status == RV_OK) {
        status = rvw_partial_new(job, &partial, err);
    }
    for (uint32_t p = 0; status == RV_OK && p < rvw_holdings_bound(question->holdings); p++) {
        rvw_partition_t *partition = rvw_holdings_partition(question->holdings, p);
        if (partition == NULL) {
            const char *problem = rvw_holdings_problem(question->holdings, p);
            status = rv_fail(err, RV_REASON_FIELD, "partition %u: %s", p, problem != NULL ? problem : "is not there");
        } else {
            status = run_partition(job, partition, question->scratch, partial, err);
        }
    }
    if (status == RV_OK) {
        status = read_pages(job, partial, ret, err);
    }
    rvw_partial_destroy(&partial);
    rvw_job_destroy(&job);
    return status;
}

// Named on callgrind's command line: what runs below it is counted.
rv_status_t guard_measured(const question_t *question, answer_t *ret, rv_error_t *err);
__attribute__((noinline)) rv_status_t guard_measured(const question_t *question, answer_t *ret, rv_error_t *err) {
    return ask(question, ret, err);
}

static rv_status_t run(question_t *question, int64_t as_of, char **args, int n, answer_t *ret, rv_error_t *err) {
    const rvc_plan_context_t context = {.catalog = question->catalog, .wall_ms = as_of};
    rvc_plan_t *plan = NULL;
    rv_status_t status = make_plan(&context, args, n, &plan, err);
    if (status != RV_OK) {
        return status;
    }
    question->request = &plan->query;
    status = ask(question, ret, err);
    if (status == RV_OK) {
        status = guard_measured(question, ret, err);
    }
    rvc_plan_destroy(&plan);
    return status;
}

int main(int argc, char **argv) {
    question_t question = {0};
    answer_t answer = {0};
    rv_error_t err = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: guard_query DIR AS_OF_MS count|select|aggregate TEXT...\n");
        return 2;
    }
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2")) {
        fprintf(stderr, "this processor has no AVX2\n");
        return WRONG_PROCESSOR;
    }
#endif
    rv_status_t status = rvw_holdings_open(argv[1], &question.holdings, &err);
    if (status == RV_OK) {
        question.catalog = rvw_holdings_catalog(question.holdings);
        status = rvw_scratch_new(&question.scratch);
    }
    if (status == RV_OK) {
        status = run(&question, strtoll(argv[2], NULL, 10), argv + 3, argc - 3, &answer, &err);
    }
    if (status == RV_OK) {
        printf("%llu messages, %llu bytes\n", (unsigned long long)answer.messages, (unsigned long long)answer.bytes);
    } else {
        fprintf(stderr, "guard_query: %s\n", err.message);
    }
    rvw_scratch_destroy(&question.scratch);
    rv_catalog_unref(&question.catalog);
    rvw_holdings_close(&question.holdings);
    return status == RV_OK ? 0 : 1;
}

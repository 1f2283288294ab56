/* A thousand workers in memory: what a read sends to them and takes from them, counted. */
#define PARTITIONS 1024u
#define WORKERS 1000u
#include "rvc_harness.h"

/* All tasks of a read; each worker has one, and all carry the same query behind their own partitions. */
static size_t take_tasks(letter_t **tasks) {
    static bool asked[PARTITIONS];
    size_t n = 0, common = 0, partitions = 0;
    memset(asked, 0, sizeof asked);
    for (letter_t *task; (task = take(DATA)); n++) {
        assert_true(n < WORKERS);
        assert_int_equal(task->request->kind, REVEILLE__V1__KIND__KIND_CALL);
        assert_string_equal(task->request->method, "reveille.v1.WorkerService/Query");
        Reveille__V1__QueryRequest own = REVEILLE__V1__QUERY_REQUEST__INIT;
        const Reveille__V1__QueryRequest *request = open_body(task, &reveille__v1__query_request__descriptor);
        own.partitions = request->partitions;
        own.n_partitions = request->n_partitions;
        for (size_t i = 0; i < request->n_partitions; i++) {
            assert_false(asked[request->partitions[i]->partition]);
            asked[request->partitions[i]->partition] = true;
        }
        partitions += request->n_partitions;
        size_t behind = task->body_n - reveille__v1__query_request__get_packed_size(&own);
        assert_true(n == 0 || behind == common);
        common = behind;
        if (n > 0) {
            assert_string_not_equal(task->routing, tasks[n - 1]->routing);
            assert_memory_equal(task->body + task->body_n - common, tasks[0]->body + tasks[0]->body_n - common, common);
        }
        tasks[n] = task;
    }
    assert_int_equal(partitions, PARTITIONS);
    return n;
}

static void a_count_is_one_message_to_each_worker_and_one_back(void **state) {
    (void)state;
    static letter_t *tasks[WORKERS];
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    request.filter = "country = 'DE'";
    call("q", "SegmentService/Count", &request.base);
    assert_int_equal(take_tasks(tasks), WORKERS);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_null(boxes[CLIENTS].first);
        answer_count(tasks[WORKERS - 1 - i]);
        assert_null(boxes[DATA].first); /* neither credit nor an end is told */
    }
    letter_t *letter = expect_reply("q", false);
    const Reveille__V1__CountResponse *response = open_body(letter, &reveille__v1__count_response__descriptor);
    assert_int_equal(response->count, 10 * PARTITIONS);
    assert_int_equal(response->coverage->partitions_answered, PARTITIONS);
    assert_int_equal(response->coverage->n_data_version, PARTITIONS);
    done(letter);
    assert_null(boxes[CLIENTS].first);
    assert_true(rvc_node_idle(node));
}

/* One row, its key made of the number of the worker. */
static void answer_row(letter_t *task, size_t number, bool more) {
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__RowsPartial rows = REVEILLE__V1__ROWS_PARTIAL__INIT;
    Reveille__V1__StringColumn strings = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column field = REVEILLE__V1__COLUMN__INIT, *fields[] = {&field};
    Reveille__V1__QueryPartitionResult results[PARTITIONS], *list[PARTITIONS];
    char key[16];
    uint32_t length = (uint32_t)snprintf(key, sizeof key, "%c%05zu", more ? 'a' : 'b', number);
    strings.data.data = (uint8_t *)key;
    strings.data.len = length;
    strings.n_lengths = 1;
    strings.lengths = &length;
    field.type = RV_STRING;
    field.strings = &strings;
    rows.sort_keys = &strings;
    rows.n_fields = 1;
    rows.fields = fields;
    response.partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_ROWS;
    response.rows = &rows;
    const Reveille__V1__QueryRequest *request = open_body(task, &reveille__v1__query_request__descriptor);
    for (size_t i = 0; !more && i < request->n_partitions; i++) {
        reveille__v1__query_partition_result__init(&results[i]);
        results[i].partition = request->partitions[i]->partition;
        list[response.n_partitions++] = &results[i];
    }
    response.partitions = list;
    answer(task, &response.base, NULL, more);
}

static size_t take_rows(bool *ret_more) {
    size_t n = 0;
    for (letter_t *letter; (letter = take(CLIENTS)); done(letter)) {
        n += ((Reveille__V1__SelectResponse *)open_body(letter, &reveille__v1__select_response__descriptor))->rows;
        *ret_more = letter->reply->more;
        if (*ret_more) /* a tiny page is full soon */
            send_kind(RVC_FROM_CLIENT, "client", "s", REVEILLE__V1__KIND__KIND_CREDIT, 1, NULL, NULL);
    }
    return n;
}

static void a_select_grants_credit_once_for_each_page(void **state) {
    (void)state;
    static letter_t *tasks[WORKERS];
    Reveille__V1__SelectRequest request = REVEILLE__V1__SELECT_REQUEST__INIT;
    size_t rows = 0, granted = 0;
    bool more = true;
    call("s", "SegmentService/Select", &request.base);
    assert_int_equal(take_tasks(tasks), WORKERS);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_null(boxes[DATA].first); /* nothing is used up before all have spoken */
        answer_row(tasks[i], i, true);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        rows += take_rows(&more);
        answer_row(tasks[i], i, false);
    }
    rows += take_rows(&more);
    assert_false(more);
    assert_int_equal(rows, 2 * WORKERS);
    for (letter_t *letter; (letter = take(DATA)); done(letter)) {
        assert_int_equal(letter->request->kind, REVEILLE__V1__KIND__KIND_CREDIT);
        granted += letter->request->seq;
    }
    assert_int_equal(granted, WORKERS); /* a page of each while it was open */
    for (size_t i = 0; i < WORKERS; i++)
        done(tasks[i]);
    assert_true(rvc_node_idle(node));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_count_is_one_message_to_each_worker_and_one_back),
        TEST(a_select_grants_credit_once_for_each_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

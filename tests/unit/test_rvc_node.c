/* A whole coordinator in memory: reads, definitions, workers that come and go, the door. */
#include "rvc_harness.h"

/* ---- reads ---- */

static void ask_count(const char *id, bool allow_partial) {
    Reveille__V1__CountRequest request = REVEILLE__V1__COUNT_REQUEST__INIT;
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    options.allow_partial = allow_partial;
    request.filter = "country = 'DE'";
    request.options = &options;
    call(id, "SegmentService/Count", &request.base);
}

static void a_count_adds_up_what_all_workers_say(void **state) {
    (void)state;
    ask_count("q1", false);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_count(second);
    assert_null(boxes[CLIENTS].first);
    answer_count(first);
    letter_t *letter = expect_reply("q1", false);
    Reveille__V1__CountResponse *response = open_body(letter, &reveille__v1__count_response__descriptor);
    assert_int_equal(response->count, 40);
    assert_int_equal(response->coverage->partitions_expected, PARTITIONS);
    assert_int_equal(response->coverage->partitions_answered, PARTITIONS);
    assert_int_equal(response->coverage->as_of_ms, wall);
    assert_int_equal(response->coverage->n_data_version, PARTITIONS);
    assert_int_equal(response->coverage->data_version[3]->lsn, 5);
    done(letter);
    assert_true(rvc_node_idle(node));
}

static void a_late_reply_is_dropped(void **state) {
    (void)state;
    ask_count("q1", false);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_count(first);
    send_kind(RVC_FROM_CLIENT, "client", "q1", REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, NULL);
    expect_error("q1", RV_CANCELLED, RV_REASON_NONE, NULL);
    letter_t *cancel = expect(DATA);
    assert_int_equal(cancel->request->kind, REVEILLE__V1__KIND__KIND_CANCEL);
    done(cancel);
    answer_count(second);
    assert_null(boxes[CLIENTS].first);
    assert_true(rvc_node_idle(node));
}

static void a_deadline_ends_the_work_everywhere(void **state) {
    (void)state;
    ask_count("q1", false);
    throw_away(DATA);
    now += RV_DEFAULT_TIMEOUT_MS / 2;
    ping("worker-1", 1);
    ping("worker-2", 1);
    now += RV_DEFAULT_TIMEOUT_MS;
    /* leases would lapse too: only the deadline is looked at here, and the reply is whichever comes first */
    rvc_node_wake(node, now);
    letter_t *letter = expect(CLIENTS);
    assert_int_not_equal(letter->reply->status->code, 0);
    done(letter);
    assert_true(rvc_node_idle(node));
}

static void a_lost_worker_names_its_partitions(void **state) {
    (void)state;
    ask_count("q1", false);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    bool first_is_one = first->routing[7] == '1';
    answer_count(first);
    now += RV_LEASE_MS - 100;
    assert_true(ping(first_is_one ? "worker-1" : "worker-2", 1));
    now += 200;
    rvc_node_wake(node, now);
    expect_error("q1", RV_UNAVAILABLE, RV_REASON_INCOMPLETE, "(2 of 4) are not available: worker-");
    done(second);
    /* later reads fail at once, or are partial when that is allowed */
    ask_count("q2", false);
    expect_error("q2", RV_UNAVAILABLE, RV_REASON_INCOMPLETE, "does not answer");
    ask_count("q3", true);
    answer_count(expect_task("Query"));
    letter_t *letter = expect_reply("q3", false);
    Reveille__V1__CountResponse *response = open_body(letter, &reveille__v1__count_response__descriptor);
    assert_int_equal(response->count, 20);
    assert_int_equal(response->coverage->partitions_answered, 2);
    assert_int_equal(response->coverage->n_missing, 2);
    done(letter);
}

static void a_worker_that_comes_back_serves_again(void **state) {
    (void)state;
    now += RV_LEASE_MS + 1;
    rvc_node_wake(node, now);
    assert_false(ping("worker-1", 1));
    const int EVEN[] = {0, 2, -1}, ODD[] = {1, 3, -1};
    register_worker("worker-1", 2, EVEN);
    register_worker("worker-2", 2, ODD);
    confirm_all();
    ask_count("q1", false);
    answer_count(expect_task("Query"));
    answer_count(expect_task("Query"));
    done(expect_reply("q1", false));
}

static void an_error_of_the_query_itself_is_passed_on(void **state) {
    (void)state;
    rv_error_t err;
    rv_fail(&err, RV_REASON_OVERFLOW, "a sum left 64 bits");
    ask_count("q1", true);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer(first, NULL, &err, false);
    expect_error("q1", RV_INVALID_ARGUMENT, RV_REASON_OVERFLOW, "64 bits");
    done(first);
    done(second);
}

/* Rows with keys from..from+n-1 of one source, and the field itself. */
static void answer_rows(letter_t *task, const char *keys, bool more) {
    size_t n = strlen(keys);
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__RowsPartial rows = REVEILLE__V1__ROWS_PARTIAL__INIT;
    Reveille__V1__StringColumn strings = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column field = REVEILLE__V1__COLUMN__INIT, *fields[] = {&field};
    Reveille__V1__QueryPartitionResult results[PARTITIONS], *list[PARTITIONS];
    Reveille__V1__Status ok = REVEILLE__V1__STATUS__INIT;
    uint32_t ones[64];
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    strings.data.data = (uint8_t *)(uintptr_t)keys;
    strings.data.len = n;
    strings.n_lengths = n;
    strings.lengths = ones;
    field.type = RV_STRING;
    field.strings = &strings;
    rows.sort_keys = &strings;
    rows.n_fields = 1;
    rows.fields = fields;
    response.partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_ROWS;
    response.rows = &rows;
    if (!more) {
        const Reveille__V1__QueryRequest *request = open_body(task, &reveille__v1__query_request__descriptor);
        for (size_t i = 0; i < request->n_partitions; i++) {
            reveille__v1__query_partition_result__init(&results[i]);
            results[i].partition = request->partitions[i]->partition;
            results[i].status = &ok;
            list[i] = &results[i];
        }
        response.n_partitions = request->n_partitions;
        response.partitions = list;
    }
    answer(task, &response.base, NULL, more);
}

static void a_select_merges_streams_in_order_and_grants_credit(void **state) {
    (void)state;
    Reveille__V1__SelectRequest request = REVEILLE__V1__SELECT_REQUEST__INIT;
    call("s", "SegmentService/Select", &request.base);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_rows(first, "acf", true);
    assert_null(boxes[DATA].first); /* nothing is used up before the other has spoken */
    answer_rows(second, "bde", true);
    letter_t *credit = expect(DATA);
    assert_int_equal(credit->request->kind, REVEILLE__V1__KIND__KIND_CREDIT);
    assert_int_equal(credit->request->seq, 1);
    done(credit);
    answer_rows(second, "gh", false);
    throw_away(DATA);
    answer_rows(first, "i", false);
    char got[32] = "";
    size_t n = 0;
    for (bool more = true; more;) {
        letter_t *letter = expect(CLIENTS);
        Reveille__V1__SelectResponse *response = open_body(letter, &reveille__v1__select_response__descriptor);
        more = letter->reply->more;
        assert_string_equal(response->columns[0]->name, "contact");
        assert_int_equal(response->columns[0]->strings->n_lengths, response->rows);
        memcpy(got + n, response->columns[0]->strings->data.data, response->rows);
        n += response->rows;
        assert_int_equal(response->coverage != NULL, !more);
        done(letter);
    }
    assert_string_equal(got, "abcdefghi");
    done(first);
    done(second);
    assert_true(rvc_node_idle(node));
}

static void a_limit_ends_a_select_with_whole_coverage(void **state) {
    (void)state;
    Reveille__V1__SelectRequest request = REVEILLE__V1__SELECT_REQUEST__INIT;
    request.limit = 2;
    call("s", "SegmentService/Select", &request.base);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_rows(first, "ab", true);
    answer_rows(second, "cd", false);
    uint32_t rows = 0;
    letter_t *letter;
    while ((letter = take(CLIENTS))) { /* a tiny page may be full already */
        rows += ((Reveille__V1__SelectResponse *)open_body(letter, &reveille__v1__select_response__descriptor))->rows;
        assert_true(letter->reply->more);
        done(letter);
    }
    throw_away(DATA);
    answer_rows(first, "xy", false); /* read unread, for the versions of its partitions */
    letter = expect_reply("s", false);
    Reveille__V1__SelectResponse *response = open_body(letter, &reveille__v1__select_response__descriptor);
    assert_int_equal(rows + response->rows, 2);
    assert_int_equal(response->coverage->partitions_answered, PARTITIONS);
    done(letter);
    done(first);
    done(second);
}

/* ---- definitions ---- */

static void save_segment(const char *id, const char *name, const char *filter) {
    Reveille__V1__Segment segment = REVEILLE__V1__SEGMENT__INIT;
    Reveille__V1__SaveRequest request = REVEILLE__V1__SAVE_REQUEST__INIT;
    segment.name = (char *)(uintptr_t)name;
    segment.filter = (char *)(uintptr_t)filter;
    request.segment = &segment;
    call(id, "SegmentService/Save", &request.base);
}

static void segments_are_saved_used_and_kept_from_cycles(void **state) {
    (void)state;
    save_segment("1", "german", "country = 'DE'");
    confirm_all();
    done(expect_reply("1", false));
    save_segment("2", "both", "segment('german') and exists(purchase)");
    confirm_all();
    done(expect_reply("2", false));
    save_segment("3", "german", "segment('both')");
    expect_error("3", RV_INVALID_ARGUMENT, RV_REASON_FILTER, "would contain itself");
    save_segment("4", "wrong", "contry = 'DE'");
    expect_error("4", RV_INVALID_ARGUMENT, RV_REASON_FILTER, "country");
    Reveille__V1__SegmentServiceDeleteRequest remove = REVEILLE__V1__SEGMENT_SERVICE_DELETE_REQUEST__INIT;
    remove.name = "german";
    call("5", "SegmentService/Delete", &remove.base);
    expect_error("5", RV_FAILED_PRECONDITION, RV_REASON_SCHEMA, "is used by segment 'both'");
    remove.name = "germen";
    call("6", "SegmentService/Delete", &remove.base);
    expect_error("6", RV_NOT_FOUND, RV_REASON_MISSING, "did you mean 'german'");
    save_segment("7", "both", "segment('german') and exists(purchase)"); /* the same again changes nothing */
    letter_t *letter = expect_reply("7", false);
    assert_int_equal(
        ((Reveille__V1__SaveResponse *)open_body(letter, &reveille__v1__save_response__descriptor))->segment->version,
        1);
    done(letter);
    assert_null(boxes[DATA].first);
}

/* ---- the door ---- */

static void a_cluster_that_is_starting_says_so(void **state) {
    (void)state;
    rvc_node_destroy(&node);
    start();
    ask_count("q", false);
    expect_error("q", RV_UNAVAILABLE, RV_REASON_NOT_READY, "0 of 4 partitions");
    Reveille__V1__StatusRequest request = REVEILLE__V1__STATUS_REQUEST__INIT;
    call("s", "ClusterService/Status", &request.base);
    letter_t *letter = expect_reply("s", false);
    Reveille__V1__StatusResponse *status = open_body(letter, &reveille__v1__status_response__descriptor);
    assert_false(status->ready);
    assert_int_equal(status->n_partitions, PARTITIONS);
    assert_string_equal(status->partitions[1]->worker, "worker-2");
    assert_string_equal(status->partitions[1]->problem, "worker-2 does not answer");
    assert_false(status->partitions[1]->starting);
    assert_int_equal(status->schema_version, 1);
    done(letter);
    register_worker("worker-2", 2, (const int[]){1, 3, -1});
    call("s", "ClusterService/Status", &request.base);
    letter = expect_reply("s", false);
    status = open_body(letter, &reveille__v1__status_response__descriptor);
    assert_true(status->partitions[1]->starting && !status->partitions[1]->available);
    assert_false(status->partitions[0]->starting);
    done(letter);
    now += 2 * RV_LEASE_MS + 1;
    ask_count("q", false);
    expect_error("q", RV_UNAVAILABLE, RV_REASON_INCOMPLETE, "does not answer");
}

static void a_stopping_coordinator_takes_nothing_new(void **state) {
    (void)state;
    ask_count("q1", false);
    rvc_node_drain(node);
    ask_count("q2", false);
    expect_error("q2", RV_UNAVAILABLE, RV_REASON_NOT_READY, "shutting down");
    assert_false(rvc_node_idle(node));
    answer_count(expect_task("Query"));
    answer_count(expect_task("Query"));
    done(expect_reply("q1", false));
    assert_true(rvc_node_idle(node));
}

/* A worker whose data socket is not connected yet gets its requests as soon as it is. */
static void a_request_waits_for_a_worker_that_is_not_connected_yet(void **state) {
    (void)state;
    answer_of[DATA] = RVC_GONE;
    ask_count("q1", false);
    assert_null(boxes[DATA].first);
    assert_true(rvc_node_next(node) <= now + 10);
    answer_of[DATA] = RVC_SENT;
    now += 10;
    rvc_node_wake(node, now);
    answer_count(expect_task("Query"));
    answer_count(expect_task("Query"));
    done(expect_reply("q1", false));
}

static void a_client_that_is_gone_loses_its_calls(void **state) {
    (void)state;
    ask_count("q1", false);
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_of[CLIENTS] = RVC_GONE;
    answer_count(first);
    answer_count(second);
    assert_true(rvc_node_idle(node));
}

static void an_idle_coordinator_sleeps_until_a_lease(void **state) {
    (void)state;
    assert_true(rvc_node_next(node) >= now + RV_LEASE_MS - 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_count_adds_up_what_all_workers_say),
        TEST(a_late_reply_is_dropped),
        TEST(a_deadline_ends_the_work_everywhere),
        TEST(a_lost_worker_names_its_partitions),
        TEST(a_worker_that_comes_back_serves_again),
        TEST(an_error_of_the_query_itself_is_passed_on),
        TEST(a_select_merges_streams_in_order_and_grants_credit),
        TEST(a_limit_ends_a_select_with_whole_coverage),
        TEST(segments_are_saved_used_and_kept_from_cycles),
        TEST(a_cluster_that_is_starting_says_so),
        TEST(a_stopping_coordinator_takes_nothing_new),
        TEST(a_request_waits_for_a_worker_that_is_not_connected_yet),
        TEST(a_client_that_is_gone_loses_its_calls),
        TEST(an_idle_coordinator_sleeps_until_a_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

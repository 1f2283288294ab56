/* test_rvc_explain.c: explanations of workers joined, what does not fit refused, and reads of a whole coordinator with
 * them. */
#include "rvc_harness.h"

#include "../../coordinator/explain.h"

/* What a worker would say: two nodes, `n` partitions from `first` on, each number `x` or so. */
typedef struct {
    Reveille__V1__Explain explain;
    Reveille__V1__ExplainNode node[2], *nodes[2];
    Reveille__V1__ExplainWorker worker, *workers[1];
    Reveille__V1__ExplainPartition partition[PARTITIONS], *partitions[PARTITIONS];
    rv_counters_t counters[5 + PARTITIONS * 3], *cells[2 + PARTITIONS * 2];
} said_t;

static rv_counters_t *counted(rv_counters_t *c, uint64_t x) {
    reveille__v1__explain_counters__init(c);
    c->time_ns = c->rows_in = c->rows_out = c->events = c->bytes = c->runs_read = c->runs_skipped = x;
    return c;
}

static const Reveille__V1__Explain *say(said_t *s, uint32_t first, size_t n, uint64_t x) {
    Reveille__V1__Explain *e = &s->explain;
    rv_counters_t *next = s->counters;
    reveille__v1__explain__init(e);
    reveille__v1__explain_worker__init(&s->worker);
    e->total = counted(next++, n * 2 * x);
    e->n_nodes = 2;
    e->nodes = s->nodes;
    for (size_t i = 0; i < 2; i++) {
        reveille__v1__explain_node__init(&s->node[i]);
        s->node[i].kind =
            i ? REVEILLE__V1__EXPLAIN_KIND__EXPLAIN_KIND_RESULT : REVEILLE__V1__EXPLAIN_KIND__EXPLAIN_KIND_SCAN;
        s->node[i].text = i ? (char *)"count" : (char *)"contacts";
        s->node[i].total = counted(next++, n * x);
        s->nodes[i] = &s->node[i];
        s->cells[i] = s->node[i].total;
    }
    s->worker.threads = 3;
    s->worker.scan_ns = x;
    s->worker.total = e->total;
    s->worker.n_nodes = 2;
    s->worker.nodes = s->cells;
    s->workers[0] = &s->worker;
    e->n_workers = 1;
    e->workers = s->workers;
    e->n_partitions = n;
    e->partitions = s->partitions;
    for (size_t i = 0; i < n; i++) {
        reveille__v1__explain_partition__init(&s->partition[i]);
        s->partition[i].partition = first + (uint32_t)i;
        s->partition[i].n_nodes = 2;
        s->partition[i].nodes = s->cells + 2 + 2 * i;
        s->partition[i].nodes[0] = counted(next++, x);
        s->partition[i].nodes[1] = counted(next++, x);
        s->partition[i].total = counted(next++, 2 * x + i);
        s->partitions[i] = &s->partition[i];
    }
    return e;
}

static void workers_are_joined(void **state) {
    (void)state;
    rvc_explain_t *explain;
    rv_error_t err;
    said_t a, b;
    assert_int_equal(rvc_explain_new(77, &explain, &err), RV_OK);
    assert_int_equal(rvc_explain_add(explain, "one", say(&a, 0, 1, 10), &err), RV_OK);
    assert_int_equal(rvc_explain_add(explain, "two", say(&b, 1, 3, 100), &err), RV_OK);
    memset(&a, 0, sizeof a); /* they were copied */
    memset(&b, 0, sizeof b);
    const Reveille__V1__Explain *e = rvc_explain_message(explain);
    assert_true(rv_explain_whole(e));
    assert_int_equal(e->plan_ns, 77);
    assert_int_equal(e->n_workers, 2);
    assert_string_equal(e->workers[0]->name, "one");
    assert_string_equal(e->workers[1]->name, "two");
    assert_int_equal(e->workers[1]->threads, 3);
    assert_int_equal(e->workers[1]->scan_ns, 100);
    assert_true(e->workers[1]->answer_ns >= e->workers[0]->answer_ns);
    assert_int_equal(e->wait_ns, e->workers[1]->answer_ns);
    assert_int_equal(e->total->events, 20 + 600);
    assert_string_equal(e->nodes[1]->text, "count");
    assert_int_equal(e->nodes[1]->total->bytes, 10 + 300);
    assert_int_equal(e->n_partitions, 4);
    static const uint32_t SLOWEST_FIRST[] = {3, 2, 1, 0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(e->partitions[i]->partition, SLOWEST_FIRST[i]);
        assert_int_equal(e->partitions[i]->worker, i < 3);
    }
    rvc_explain_destroy(&explain);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    rvc_explain_t *explain;
    rv_error_t err;
    said_t a, b;
    assert_int_equal(rvc_explain_new(0, &explain, &err), RV_OK);
    assert_int_equal(rvc_explain_add(explain, "one", NULL, &err), RV_INTERNAL);
    say(&a, 0, 2, 1);
    a.worker.n_nodes = 1;
    assert_int_equal(rvc_explain_add(explain, "one", &a.explain, &err), RV_INTERNAL);
    say(&a, 0, 2, 1);
    a.explain.n_workers = 0;
    assert_int_equal(rvc_explain_add(explain, "one", &a.explain, &err), RV_INTERNAL);
    assert_int_equal(rvc_explain_add(explain, "one", say(&a, 0, 2, 1), &err), RV_OK);
    say(&b, 2, 2, 1);
    b.explain.n_nodes = b.worker.n_nodes = b.partition[0].n_nodes = b.partition[1].n_nodes = 1;
    assert_int_equal(rvc_explain_add(explain, "two", &b.explain, &err), RV_INTERNAL);
    assert_non_null(strstr(err.message, "two"));
    rvc_explain_destroy(&explain);
    assert_int_equal(rvc_explain_add(NULL, "one", NULL, &err), RV_OK); /* nothing is explained */
    assert_null(rvc_explain_message(NULL));
    assert_int_equal(rvc_explain_now(NULL), 0);
}

/* ---- with a whole coordinator ---- */

/* The last message of a worker: its partitions, and what it says of them. */
static void answer_last(letter_t *task, bool says) {
    Reveille__V1__QueryRequest *request = open_body(task, &reveille__v1__query_request__descriptor);
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__QueryPartitionResult results[PARTITIONS], *list[PARTITIONS];
    Reveille__V1__Status ok = REVEILLE__V1__STATUS__INIT;
    said_t said;
    assert_true(request->explain);
    for (size_t i = 0; i < request->n_partitions; i++) {
        reveille__v1__query_partition_result__init(&results[i]);
        results[i].partition = request->partitions[i]->partition;
        results[i].status = &ok;
        list[i] = &results[i];
    }
    response.n_partitions = request->n_partitions;
    response.partitions = list;
    if (says) {
        say(&said, 0, request->n_partitions, 5);
        for (size_t i = 0; i < request->n_partitions; i++)
            said.partition[i].partition = request->partitions[i]->partition;
        response.explain = &said.explain;
    }
    answer(task, &response.base, NULL, false);
}

static void answer_key(letter_t *task, const char *key) {
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__RowsPartial rows = REVEILLE__V1__ROWS_PARTIAL__INIT;
    Reveille__V1__StringColumn strings = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column field = REVEILLE__V1__COLUMN__INIT, *fields[] = {&field};
    uint32_t length = 1;
    strings.data.data = (uint8_t *)(uintptr_t)key;
    strings.data.len = 1;
    strings.n_lengths = 1;
    strings.lengths = &length;
    field.type = RV_STRING;
    field.strings = &strings;
    rows.sort_keys = &strings;
    rows.n_fields = 1;
    rows.fields = fields;
    response.partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_ROWS;
    response.rows = &rows;
    answer(task, &response.base, NULL, true);
}

static void ask(const char *method) {
    Reveille__V1__ReadOptions options = REVEILLE__V1__READ_OPTIONS__INIT;
    Reveille__V1__SelectRequest select = REVEILLE__V1__SELECT_REQUEST__INIT;
    Reveille__V1__CountRequest count = REVEILLE__V1__COUNT_REQUEST__INIT;
    options.explain = true;
    select.options = count.options = &options;
    call("q", method, strcmp(method, "SegmentService/Count") == 0 ? &count.base : &select.base);
}

static void a_count_says_how_it_was_made(void **state) {
    (void)state;
    ask("SegmentService/Count");
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    Reveille__V1__QueryResponse content = REVEILLE__V1__QUERY_RESPONSE__INIT;
    content.count = 7;
    answer(first, &content.base, NULL, true);
    answer_last(first, true);
    throw_away(DATA);
    answer(second, &content.base, NULL, true);
    answer_last(second, true);
    throw_away(DATA);
    letter_t *letter = expect_reply("q", false);
    Reveille__V1__CountResponse *response = open_body(letter, &reveille__v1__count_response__descriptor);
    const Reveille__V1__Explain *e = response->coverage->explain;
    assert_int_equal(response->count, 14);
    assert_non_null(e);
    assert_true(rv_explain_whole(e));
    assert_int_equal(e->n_workers, 2);
    assert_int_equal(e->n_partitions, PARTITIONS);
    assert_int_equal(e->nodes[0]->total->rows_in, 5 * PARTITIONS);
    assert_true(e->plan_ns > 0);
    done(letter);
    done(first);
    done(second);
    assert_true(rvc_node_idle(node));
}

static void the_explanation_of_a_select_has_a_message_to_itself(void **state) {
    (void)state;
    ask("SegmentService/Select");
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_key(first, "a");
    answer_key(second, "b");
    answer_last(first, true);
    answer_last(second, true);
    throw_away(DATA);
    char got[8] = "";
    uint32_t rows = 0;
    for (bool more = true; more;) {
        letter_t *letter = expect(CLIENTS);
        Reveille__V1__SelectResponse *response = open_body(letter, &reveille__v1__select_response__descriptor);
        more = letter->reply->more;
        if (response->rows)
            memcpy(got + rows, response->columns[0]->strings->data.data, response->rows);
        rows += response->rows;
        assert_int_equal(response->coverage != NULL, !more);
        if (!more) {
            assert_int_equal(response->rows, 0);
            assert_int_equal(response->coverage->explain->n_partitions, PARTITIONS);
        }
        done(letter);
    }
    assert_string_equal(got, "ab");
    done(first);
    done(second);
    assert_true(rvc_node_idle(node));
}

static void a_worker_that_does_not_explain_is_a_bug(void **state) {
    (void)state;
    ask("SegmentService/Count");
    letter_t *first = expect_task("Query"), *second = expect_task("Query");
    answer_last(first, false);
    expect_error("q", RV_INTERNAL, RV_REASON_BUG, "explanation of worker");
    throw_away(DATA);
    done(first);
    done(second);
}

static void a_lookup_says_how_it_was_made(void **state) {
    (void)state;
    Reveille__V1__ContactServiceGetRequest get = REVEILLE__V1__CONTACT_SERVICE_GET_REQUEST__INIT;
    Reveille__V1__FetchResponse fetched = REVEILLE__V1__FETCH_RESPONSE__INIT;
    said_t said;
    get.key = (char *)"k";
    get.explain = true;
    call("g", "ContactService/Get", &get.base);
    letter_t *task = expect_task("Fetch");
    Reveille__V1__FetchRequest *request = open_body(task, &reveille__v1__fetch_request__descriptor);
    assert_true(request->explain);
    say(&said, request->partition->partition, 1, 3);
    fetched.explain = &said.explain;
    answer(task, &fetched.base, NULL, false);
    letter_t *letter = expect_reply("g", false);
    Reveille__V1__ContactServiceGetResponse *response =
        open_body(letter, &reveille__v1__contact_service_get_response__descriptor);
    assert_int_equal(response->coverage->explain->total->time_ns, 6);
    done(letter);
    done(task);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_are_joined),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test_setup_teardown(a_count_says_how_it_was_made, begin, end),
        cmocka_unit_test_setup_teardown(the_explanation_of_a_select_has_a_message_to_itself, begin, end),
        cmocka_unit_test_setup_teardown(a_worker_that_does_not_explain_is_a_bug, begin, end),
        cmocka_unit_test_setup_teardown(a_lookup_says_how_it_was_made, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

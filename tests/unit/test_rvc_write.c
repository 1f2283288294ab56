/* A whole coordinator in memory: writes and imports. */
#include "rvc_harness.h"

/* ---- writes ---- */

static Reveille__V1__StringColumn *strings_of(const char *const *texts, size_t n, Reveille__V1__StringColumn *column,
                                              uint32_t *lengths, char *data) {
    reveille__v1__string_column__init(column);
    column->data.data = (uint8_t *)data;
    column->lengths = lengths;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = (uint32_t)strlen(texts[i]);
        memcpy(data + column->data.len, texts[i], lengths[i]);
        column->data.len += lengths[i];
    }
    column->n_lengths = n;
    return column;
}

static Reveille__V1__EventBatch *events(size_t n, Reveille__V1__EventBatch *batch) {
    static const char *const KEYS[] = {"ann", "bob", "cat", "dan", "eve", "fay"};
    static Reveille__V1__StringColumn keys;
    static uint32_t lengths[6], contacts[64], types[64];
    static int64_t times[64];
    static char data[64];
    static char *names[] = {"purchase", "nonsense"};
    reveille__v1__event_batch__init(batch);
    batch->contact_keys = strings_of(KEYS, 6, &keys, lengths, data);
    for (size_t i = 0; i < n; i++) {
        contacts[i] = (uint32_t)(i % 6);
        types[i] = 0;
        times[i] = 1700000000000ll + (int64_t)i;
    }
    batch->n_contacts = batch->n_times_ms = batch->n_types = n;
    batch->contacts = contacts;
    batch->times_ms = times;
    batch->types = types;
    batch->n_type_names = 2;
    batch->type_names = names;
    return batch;
}

/* Lets all writes through; returns how many PartitionWrites there were. */
static size_t accept_all(void) {
    letter_t *task;
    size_t n = 0;
    while ((task = take(DATA))) {
        n += ((Reveille__V1__WriteRequest *)open_body(task, &reveille__v1__write_request__descriptor))->n_writes;
        accept_write(task);
    }
    return n;
}

static void an_append_refuses_rows_and_takes_the_others(void **state) {
    (void)state;
    Reveille__V1__EventBatch batch;
    Reveille__V1__AppendRequest request = REVEILLE__V1__APPEND_REQUEST__INIT;
    request.batch = events(12, &batch);
    batch.types[3] = 1;                          /* unknown type */
    batch.times_ms[5] = -1;                      /* before 1970 */
    batch.times_ms[7] = wall + RV_FUTURE_MS + 1; /* too far in the future */
    call("a", "EventService/Append", &request.base);
    accept_all();
    letter_t *letter = expect_reply("a", false);
    Reveille__V1__WriteResult *result =
        ((Reveille__V1__AppendResponse *)open_body(letter, &reveille__v1__append_response__descriptor))->result;
    assert_int_equal(result->applied, 9);
    assert_int_equal(result->refused, 3);
    assert_int_equal(result->n_errors, 3);
    assert_int_equal(result->errors[0]->index, 3);
    assert_non_null(strstr(result->errors[0]->status->message, "unknown event type 'nonsense'"));
    assert_int_equal(result->errors[1]->index, 5);
    assert_int_equal(result->errors[2]->index, 7);
    size_t items = 0;
    for (size_t i = 0; i < result->n_partitions; i++) {
        assert_int_equal(result->partitions[i]->status->code, 0);
        items += result->partitions[i]->n_items;
        for (size_t k = 0; k < result->partitions[i]->n_items; k++)
            assert_true(result->partitions[i]->items[k] < 12);
    }
    assert_int_equal(items, 9);
    done(letter);
}

static void a_lost_worker_makes_its_part_of_a_write_unknown(void **state) {
    (void)state;
    Reveille__V1__EventBatch batch;
    Reveille__V1__AppendRequest request = REVEILLE__V1__APPEND_REQUEST__INIT;
    request.batch = events(60, &batch);
    call("a", "EventService/Append", &request.base);
    letter_t *first = expect_task("Write"), *second = expect_task("Write");
    now += RV_LEASE_MS - 100;
    assert_true(ping("worker-1", 1));
    bool first_is_one = first->routing[7] == '1';
    accept_write(first_is_one ? first : second);
    now += 200;
    rvc_node_wake(node, now);
    letter_t *letter = expect_reply("a", false);
    Reveille__V1__WriteResult *result =
        ((Reveille__V1__AppendResponse *)open_body(letter, &reveille__v1__append_response__descriptor))->result;
    size_t failed = 0;
    for (size_t i = 0; i < result->n_partitions; i++)
        failed += result->partitions[i]->status->code == REVEILLE__V1__CODE__CODE_UNAVAILABLE;
    assert_true(failed > 0 && failed < result->n_partitions);
    done(letter);
    done(first_is_one ? second : first);
}

/* All of one contact: with the channel filled in, the share outgrows a message. */
static void a_share_that_outgrows_a_message_is_cut_unless_it_has_an_identity(void **state) {
    (void)state;
    enum { N = 55000 };
    static uint32_t zeros[N];
    static int64_t times[N];
    Reveille__V1__EventBatch batch;
    Reveille__V1__AppendRequest request = REVEILLE__V1__APPEND_REQUEST__INIT;
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    for (int i = 0; i < N; i++)
        times[i] = 1700000000000ll + i;
    request.batch = events(1, &batch);
    batch.n_contacts = batch.n_times_ms = batch.n_types = N;
    batch.contacts = batch.types = zeros;
    batch.times_ms = times;
    call("a", "EventService/Append", &request.base);
    letter_t *first = expect_task("Write"), *second = expect_task("Write");
    assert_string_equal(first->routing, second->routing);
    accept_write(first);
    accept_write(second);
    assert_null(boxes[DATA].first);
    letter_t *letter = expect_reply("a", false);
    Reveille__V1__WriteResult *result =
        ((Reveille__V1__AppendResponse *)open_body(letter, &reveille__v1__append_response__descriptor))->result;
    assert_int_equal(result->applied, N);
    done(letter);
    request.identity = &identity;
    identity.producer.data = (uint8_t *)"\001\232\000\000\000\000pproducer";
    identity.producer.len = 16;
    call("b", "EventService/Append", &request.base);
    expect_error("b", RV_INVALID_ARGUMENT, RV_REASON_LIMIT, "send fewer rows");
    assert_null(boxes[DATA].first);
    identity.producer.len = 15;
    call("c", "EventService/Append", &request.base);
    expect_error("c", RV_INVALID_ARGUMENT, RV_REASON_FIELD, "identity.producer");
}

static void a_producer_of_the_future_is_refused(void **state) {
    (void)state;
    Reveille__V1__EventBatch batch;
    Reveille__V1__AppendRequest request = REVEILLE__V1__APPEND_REQUEST__INIT;
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    uint8_t producer[16] = {0};
    request.batch = events(1, &batch);
    request.identity = &identity;
    identity.producer = (ProtobufCBinaryData){sizeof producer, producer};
    for (int64_t late = 0; late <= 1; late++) {
        int64_t at = wall + RV_PRODUCER_AHEAD_MS + late;
        for (int i = 0; i < 6; i++)
            producer[i] = (uint8_t)(at >> (40 - 8 * i));
        call("a", "EventService/Append", &request.base);
        if (late) {
            expect_error("a", RV_INVALID_ARGUMENT, RV_REASON_FIELD, "300 s ahead of the coordinator's clock");
            assert_null(boxes[DATA].first);
        } else {
            assert_int_equal(accept_all(), 1);
            done(expect_reply("a", false));
        }
    }
}

static void a_write_that_nobody_can_take_fails_as_a_whole(void **state) {
    (void)state;
    Reveille__V1__EventBatch batch;
    Reveille__V1__AppendRequest request = REVEILLE__V1__APPEND_REQUEST__INIT;
    request.batch = events(20, &batch);
    now += RV_LEASE_MS + 1;
    rvc_node_wake(node, now);
    call("a", "EventService/Append", &request.base);
    expect_error("a", RV_UNAVAILABLE, RV_REASON_INCOMPLETE, "are not available: worker-1 does not answer");
    assert_true(rvc_node_idle(node));
}

static void an_unknown_import_cannot_be_undone_and_a_deletion_goes_everywhere(void **state) {
    (void)state;
    Reveille__V1__EventServiceDeleteRequest request = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__INIT;
    call("a", "EventService/Delete", &request.base);
    expect_error("a", RV_INVALID_ARGUMENT, RV_REASON_FIELD, "names events, a source or an import");
    request.selector_case = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_IMPORT_ID;
    request.import_id = 77;
    call("b", "EventService/Delete", &request.base);
    expect_error("b", RV_NOT_FOUND, RV_REASON_MISSING, "there is no import 77");
    request.selector_case = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_SOURCE;
    request.source = "shop";
    call("c", "EventService/Delete", &request.base);
    assert_int_equal(accept_all(), PARTITIONS);
    letter_t *letter = expect_reply("c", false);
    Reveille__V1__WriteResult *result = ((Reveille__V1__EventServiceDeleteResponse *)open_body(
                                             letter, &reveille__v1__event_service_delete_response__descriptor))
                                            ->result;
    assert_int_equal(result->n_partitions, PARTITIONS);
    done(letter);
}

static void an_import_answers_in_order_and_continues(void **state) {
    (void)state;
    Reveille__V1__ImportStart import = REVEILLE__V1__IMPORT_START__INIT;
    Reveille__V1__EventServiceImportRequest request = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    Reveille__V1__EventBatch batch;
    import.name = "events.csv";
    request.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_START;
    request.start = &import;
    call("i", "EventService/Import", &request.base);
    letter_t *letter = expect_reply("i", true);
    Reveille__V1__EventServiceImportResponse *response =
        open_body(letter, &reveille__v1__event_service_import_response__descriptor);
    assert_int_equal(response->progress->import_id, 1);
    assert_int_equal(response->progress->acknowledged_offset, 0);
    done(letter);
    letter_t *tasks[16];
    size_t n = 0;
    Reveille__V1__EventServiceImportRequest data = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    data.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_BATCH;
    for (uint64_t seq = 1; seq <= 2; seq++) {
        data.batch = events(30, &batch);
        data.offset = seq * 100;
        send_kind(RVC_FROM_CLIENT, "client", "i", REVEILLE__V1__KIND__KIND_DATA, seq, NULL, &data.base);
    }
    while ((tasks[n] = take(DATA)))
        n++;
    for (size_t i = n;
         i-- > 0;) { /* workers answer the last one first: nothing is acknowledged before the first is done */
        if (i == 0)
            assert_null(boxes[CLIENTS].first);
        accept_write(tasks[i]);
    }
    for (uint64_t seq = 1; seq <= 2; seq++) {
        letter = expect_reply("i", true);
        response = open_body(letter, &reveille__v1__event_service_import_response__descriptor);
        assert_int_equal(response->progress->acknowledged_offset, seq * 100);
        assert_int_equal(response->result->applied, 30);
        done(letter);
    }
    /* the client goes away, the coordinator starts again, the import continues */
    send_kind(RVC_FROM_CLIENT, "client", "i", REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, NULL);
    expect_error("i", RV_CANCELLED, RV_REASON_NONE, NULL);
    rvc_node_destroy(&node);
    start();
    const int EVEN[] = {0, 2, -1}, ODD[] = {1, 3, -1};
    register_worker("worker-1", 2, EVEN);
    register_worker("worker-2", 2, ODD);
    confirm_all();
    call("j", "EventService/Import", &request.base);
    letter = expect_reply("j", true);
    response = open_body(letter, &reveille__v1__event_service_import_response__descriptor);
    assert_int_equal(response->progress->import_id, 1);
    assert_int_equal(response->progress->acknowledged_offset, 200);
    done(letter);
    send_kind(RVC_FROM_CLIENT, "client", "j", REVEILLE__V1__KIND__KIND_END, 0, NULL, NULL);
    done(expect_reply("j", false));
    /* one that was finished starts from the beginning */
    call("k", "EventService/Import", &request.base);
    letter = expect_reply("k", true);
    response = open_body(letter, &reveille__v1__event_service_import_response__descriptor);
    assert_int_equal(response->progress->import_id, 1);
    assert_int_equal(response->progress->acknowledged_offset, 0);
    done(letter);
}

static void an_import_with_a_gap_is_ended(void **state) {
    (void)state;
    Reveille__V1__ImportStart import = REVEILLE__V1__IMPORT_START__INIT;
    Reveille__V1__EventServiceImportRequest request = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    Reveille__V1__EventBatch batch;
    import.name = "gap";
    request.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_START;
    request.start = &import;
    call("i", "EventService/Import", &request.base);
    done(expect_reply("i", true));
    request.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_BATCH;
    request.batch = events(1, &batch);
    send_kind(RVC_FROM_CLIENT, "client", "i", REVEILLE__V1__KIND__KIND_DATA, 2, NULL, &request.base);
    expect_error("i", RV_INVALID_ARGUMENT, RV_REASON_REQUEST, "message 2 of an import");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(an_append_refuses_rows_and_takes_the_others),
        TEST(a_lost_worker_makes_its_part_of_a_write_unknown),
        TEST(a_share_that_outgrows_a_message_is_cut_unless_it_has_an_identity),
        TEST(a_producer_of_the_future_is_refused),
        TEST(a_write_that_nobody_can_take_fails_as_a_whole),
        TEST(an_unknown_import_cannot_be_undone_and_a_deletion_goes_everywhere),
        TEST(an_import_answers_in_order_and_continues),
        TEST(an_import_with_a_gap_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

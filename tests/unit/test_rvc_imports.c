/* A whole coordinator in memory: imports that are undone, forgotten, left by their client. */
#include "rvc_harness.h"

/* Opens an import and returns its number and offset. */
static uint64_t open_import(const char *id, const char *name, uint64_t *ret_offset) {
    Reveille__V1__ImportStart start = REVEILLE__V1__IMPORT_START__INIT;
    Reveille__V1__EventServiceImportRequest request = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    start.name = (char *)(uintptr_t)name;
    request.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_START;
    request.start = &start;
    call(id, "EventService/Import", &request.base);
    letter_t *letter = expect_reply(id, true);
    Reveille__V1__EventServiceImportResponse *response =
        open_body(letter, &reveille__v1__event_service_import_response__descriptor);
    uint64_t number = response->progress->import_id;
    *ret_offset = response->progress->acknowledged_offset;
    done(letter);
    return number;
}

/* One event of one contact, acknowledged as `offset`. */
static void send_batch(const char *id, uint64_t seq, uint64_t offset) {
    char key[] = "k", *type = (char *)(uintptr_t) "purchase";
    uint32_t length = 1, zero = 0;
    int64_t at = 1600000000000;
    Reveille__V1__StringColumn keys = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__EventBatch batch = REVEILLE__V1__EVENT_BATCH__INIT;
    Reveille__V1__EventServiceImportRequest request = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__INIT;
    keys.data = (ProtobufCBinaryData){1, (uint8_t *)key};
    keys.n_lengths = 1;
    keys.lengths = &length;
    batch.contact_keys = &keys;
    batch.n_contacts = batch.n_times_ms = batch.n_types = batch.n_type_names = 1;
    batch.contacts = batch.types = &zero;
    batch.times_ms = &at;
    batch.type_names = &type;
    request.step_case = REVEILLE__V1__EVENT_SERVICE_IMPORT_REQUEST__STEP_BATCH;
    request.batch = &batch;
    request.offset = offset;
    send_kind(RVC_FROM_CLIENT, "client", id, REVEILLE__V1__KIND__KIND_DATA, seq, NULL, &request.base);
}

static void accept_all(void) {
    letter_t *task;
    while ((task = take(DATA)))
        accept_write(task);
}

static void undo(const char *id, uint64_t number) {
    Reveille__V1__EventServiceDeleteRequest request = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__INIT;
    request.selector_case = REVEILLE__V1__EVENT_SERVICE_DELETE_REQUEST__SELECTOR_IMPORT_ID;
    request.import_id = number;
    call(id, "EventService/Delete", &request.base);
}

/* The client leaves without a word about the end. */
static void leave(const char *id) {
    send_kind(RVC_FROM_CLIENT, "client", id, REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, NULL);
    expect_error(id, RV_CANCELLED, RV_REASON_NONE, NULL);
}

static void an_import_under_way_cannot_be_undone(void **state) {
    (void)state;
    uint64_t offset, number = open_import("i", "events.csv", &offset);
    send_batch("i", 1, 100);
    undo("u", number);
    expect_error("u", RV_FAILED_PRECONDITION, RV_REASON_REQUEST, "import 1 is under way: stop it first");
    accept_all();
    done(expect_reply("i", true));
    leave("i");
    undo("v", number);
    accept_all();
    done(expect_reply("v", false));
    /* from the beginning, and what follows counts */
    assert_int_equal(open_import("j", "events.csv", &offset), number);
    assert_int_equal(offset, 0);
    send_batch("j", 1, 70);
    accept_all();
    done(expect_reply("j", true));
    leave("j");
    assert_int_equal(open_import("k", "events.csv", &offset), number);
    assert_int_equal(offset, 70);
}

/* Two streams of one import: it is under way until both have ended. */
static void an_import_is_under_way_while_any_stream_brings_it(void **state) {
    (void)state;
    uint64_t offset, number = open_import("i", "events.csv", &offset);
    assert_int_equal(open_import("j", "events.csv", &offset), number);
    leave("i");
    undo("u", number);
    expect_error("u", RV_FAILED_PRECONDITION, RV_REASON_REQUEST, "import 1 is under way");
    send_kind(RVC_FROM_CLIENT, "client", "j", REVEILLE__V1__KIND__KIND_END, 0, NULL, NULL);
    done(expect_reply("j", false));
    undo("v", number);
    accept_all();
    done(expect_reply("v", false));
}

/* Unfinished imports do not keep new ones out: undone ones go first, then the oldest that nobody brings. */
static void too_many_unfinished_imports_make_room(void **state) {
    (void)state;
    char name[16];
    uint64_t offset;
    assert_int_equal(open_import("open", "under way", &offset), 1);
    for (unsigned i = 2; i <= RV_MAX_IMPORTS; i++) {
        snprintf(name, sizeof name, "n%u", i);
        assert_int_equal(open_import("i", name, &offset), i);
        leave("i");
    }
    undo("u", 3);
    accept_all();
    done(expect_reply("u", false));
    assert_int_equal(open_import("i", "one more", &offset), RV_MAX_IMPORTS + 1);
    leave("i");
    assert_int_equal(open_import("i", "n2", &offset), 2);
    leave("i");
    assert_int_equal(open_import("i", "n3", &offset), RV_MAX_IMPORTS + 2); /* in the place of n2 */
    leave("i");
    assert_int_equal(open_import("i", "n2", &offset), RV_MAX_IMPORTS + 3);
    assert_int_equal(offset, 0);
    leave("i");
    undo("v", 2); /* forgotten, and yet its events can be removed */
    accept_all();
    done(expect_reply("v", false));
    send_batch("open", 1, 10);
    accept_all();
    done(expect_reply("open", true));
    leave("open");
    assert_int_equal(open_import("i", "under way", &offset), 1);
    assert_int_equal(offset, 10);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(an_import_under_way_cannot_be_undone),
        TEST(an_import_is_under_way_while_any_stream_brings_it),
        TEST(too_many_unfinished_imports_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

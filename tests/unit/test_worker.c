/* test_worker.c: holdings, writer, housekeeper and pool together, without sockets to a coordinator: calls go in by
 * hand, replies come out of the outbox over an inproc pair. Run under TSan this is the test of the worker's threads. */
#include "holdings.h"
#include "housekeeper.h"
#include "pool.h"
#include "reveille/clock.h"
#include "reveille/hash.h"
#include "reveille/wire.h"
#include "writer.h"
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PARTITIONS = 3, CLICK = 1, TOPIC = 1, AGE = 1 };

typedef struct {
    char dir[64];
    void *context, *here, *there;
    rvw_outbox_t *outbox;
    rvw_holdings_t *holdings;
    rvw_housekeeper_t *housekeeper;
    rvw_writer_t *writer;
    rvw_pool_t *pool;
    uint64_t next_id;
    uint8_t *body; /* of the last reply */
    size_t body_n;
} fixture_t;

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *walk) {
    (void)info;
    (void)flag;
    (void)walk;
    return remove(path);
}

static void start(fixture_t *f) {
    rv_error_t err = {0};
    assert_int_equal(rvw_holdings_open(f->dir, &f->holdings, &err), RV_OK);
    assert_int_equal(rvw_housekeeper_new(f->holdings, &f->housekeeper, &err), RV_OK);
    assert_int_equal(rvw_writer_new(f->holdings, f->housekeeper, &f->writer, &err), RV_OK);
    assert_int_equal(rvw_pool_new(f->holdings, 2, &f->pool, &err), RV_OK);
}

static void stop(fixture_t *f) {
    rvw_pool_destroy(&f->pool);
    rvw_writer_destroy(&f->writer);
    rvw_housekeeper_destroy(&f->housekeeper);
    rvw_holdings_close(&f->holdings);
}

static int setup(void **state) {
    static fixture_t f;
    memset(&f, 0, sizeof f);
    strcpy(f.dir, "/tmp/rv-worker-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    f.context = zmq_ctx_new();
    f.here = zmq_socket(f.context, ZMQ_DEALER);
    f.there = zmq_socket(f.context, ZMQ_DEALER);
    zmq_bind(f.there, "inproc://worker");
    zmq_connect(f.here, "inproc://worker");
    assert_int_equal(rvw_outbox_new(&f.outbox, NULL), RV_OK);
    start(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    fixture_t *f = *state;
    stop(f);
    rvw_outbox_destroy(&f->outbox);
    zmq_close(f->here);
    zmq_close(f->there);
    zmq_ctx_term(f->context);
    free(f->body);
    nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static rvw_call_t *make_call(fixture_t *f, const ProtobufCMessage *request) {
    uint8_t *bytes;
    size_t n;
    zmq_msg_t body;
    assert_int_equal(rv_wire_pack(request, &bytes, &n), RV_OK);
    zmq_msg_init_size(&body, n);
    memcpy(zmq_msg_data(&body), bytes, n);
    free(bytes);
    f->next_id++;
    rvw_call_t *call = rvw_call_new(f->outbox, (const uint8_t *)&f->next_id, sizeof f->next_id, &body, 0);
    assert_non_null(call);
    zmq_msg_close(&body);
    return call;
}

/* Waits for one reply; keeps its body. Returns its code. */
static int receive(fixture_t *f) {
    struct pollfd fd = {rvw_outbox_fd(f->outbox), POLLIN, 0};
    zmq_msg_t frames[4];
    zmq_pollitem_t item = {f->there, 0, ZMQ_POLLIN, 0};
    while (zmq_poll(&item, 1, 0) == 0) {
        assert_true(poll(&fd, 1, 600000) > 0);
        assert_true(rvw_outbox_send(f->outbox, f->here));
    }
    for (int i = 0; i < 4; i++) {
        zmq_msg_init(&frames[i]);
        assert_true(zmq_msg_recv(&frames[i], f->there, 0) >= 0);
    }
    Reveille__V1__ReplyHeader *header =
        reveille__v1__reply_header__unpack(NULL, zmq_msg_size(&frames[2]), zmq_msg_data(&frames[2]));
    assert_non_null(header);
    int code = (int)header->status->code;
    if (code != RV_OK)
        print_message("%s\n", header->status->message);
    reveille__v1__reply_header__free_unpacked(header, NULL);
    free(f->body);
    f->body_n = zmq_msg_size(&frames[3]);
    f->body = malloc(f->body_n + 1);
    memcpy(f->body, zmq_msg_data(&frames[3]), f->body_n);
    for (int i = 0; i < 4; i++)
        zmq_msg_close(&frames[i]);
    return code;
}

static void assign(fixture_t *f, bool create, uint64_t term, int expected) {
    Reveille__V1__Attribute age = REVEILLE__V1__ATTRIBUTE__INIT, *attributes[] = {&age};
    Reveille__V1__EventType click = REVEILLE__V1__EVENT_TYPE__INIT, *types[] = {&click};
    Reveille__V1__Schema schema = REVEILLE__V1__SCHEMA__INIT;
    Reveille__V1__Catalog catalog = REVEILLE__V1__CATALOG__INIT;
    Reveille__V1__AssignRequest request = REVEILLE__V1__ASSIGN_REQUEST__INIT;
    Reveille__V1__AssignedPartition parts[PARTITIONS], *list[PARTITIONS];
    age.id = AGE;
    age.name = (char *)(uintptr_t) "age";
    age.type = RV_INT;
    click.id = CLICK;
    click.name = (char *)(uintptr_t) "click";
    schema.version = 1;
    schema.contact_key = (char *)(uintptr_t) "contact";
    schema.event_id = (char *)(uintptr_t) "event";
    schema.n_contact_attributes = 1;
    schema.contact_attributes = attributes;
    schema.n_event_types = 1;
    schema.event_types = types;
    schema.next_attribute_id = 2;
    schema.next_company_attribute_id = 1;
    schema.next_property_id = 1;
    schema.next_type_id = 2;
    catalog.version = 1;
    catalog.schema = &schema;
    request.cluster_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t) "0123456789abcdef"};
    request.term = term;
    request.partition_count = PARTITIONS;
    request.chunk_rows = 4;
    request.catalog = &catalog;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        reveille__v1__assigned_partition__init(&parts[i]);
        parts[i].partition = i;
        parts[i].epoch = 1;
        parts[i].create = create;
        list[i] = &parts[i];
    }
    request.n_partitions = PARTITIONS;
    request.partitions = list;
    rvw_writer_add(f->writer, make_call(f, &request.base), RVW_ASSIGN);
    assert_int_equal(receive(f), expected);
}

/* One event for contact number `contact` in its partition, with the number as id. */
static void send_click(fixture_t *f, unsigned contact, uint64_t sequence) {
    Reveille__V1__StringColumn keys = REVEILLE__V1__STRING_COLUMN__INIT, ids = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column id = REVEILLE__V1__COLUMN__INIT;
    Reveille__V1__EventBatch batch = REVEILLE__V1__EVENT_BATCH__INIT;
    Reveille__V1__WriteIdentity identity = REVEILLE__V1__WRITE_IDENTITY__INIT;
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT, *writes[] = {&write};
    Reveille__V1__WriteRequest request = REVEILLE__V1__WRITE_REQUEST__INIT;
    char key[32], text[32];
    int key_n = snprintf(key, sizeof key, "c%u", contact),
        text_n = snprintf(text, sizeof text, "e%u", (unsigned)sequence);
    uint32_t key_length = (uint32_t)key_n, id_length = (uint32_t)text_n, zero = 0, click = CLICK;
    int64_t at = 1700000000000ll + (int64_t)sequence * 1000;
    keys.data = (ProtobufCBinaryData){(size_t)key_n, (uint8_t *)key};
    keys.n_lengths = 1;
    keys.lengths = &key_length;
    ids.data = (ProtobufCBinaryData){(size_t)text_n, (uint8_t *)text};
    ids.n_lengths = 1;
    ids.lengths = &id_length;
    id.type = RV_STRING;
    id.strings = &ids;
    batch.contact_keys = &keys;
    batch.n_contacts = batch.n_times_ms = batch.n_types = 1;
    batch.contacts = &zero;
    batch.times_ms = &at;
    batch.types = &click;
    batch.event_id = &id;
    identity.producer =
        (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t) "\x01\x8b\xcf\xe5\x68\x00\x70\x00\x80\x00zzzzzz"};
    identity.sequence = sequence;
    write.partition = rv_partition_of(key, (size_t)key_n, PARTITIONS);
    write.epoch = 1;
    write.identity = &identity;
    write.schema_version = 1;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS;
    write.events = &batch;
    request.n_writes = 1;
    request.writes = writes;
    request.term = 1;
    rvw_writer_add(f->writer, make_call(f, &request.base), RVW_WRITE);
}

/* Asks how many contacts have at least one click. */
static void send_count(fixture_t *f) {
    Reveille__V1__Program program = REVEILLE__V1__PROGRAM__INIT;
    Reveille__V1__Node now = REVEILLE__V1__NODE__INIT, exists = REVEILLE__V1__NODE__INIT, *nodes[] = {&now, &exists};
    Reveille__V1__Bound hi = REVEILLE__V1__BOUND__INIT;
    Reveille__V1__Selection selection = REVEILLE__V1__SELECTION__INIT, *selections[] = {&selection};
    Reveille__V1__CountQuery count = REVEILLE__V1__COUNT_QUERY__INIT;
    Reveille__V1__QueryRequest request = REVEILLE__V1__QUERY_REQUEST__INIT;
    Reveille__V1__QueryPartition parts[PARTITIONS], *list[PARTITIONS];
    uint32_t click = CLICK;
    now.op = REVEILLE__V1__OP__OP_NOW;
    now.type = RV_TIME;
    exists.op = REVEILLE__V1__OP__OP_EXISTS;
    exists.type = RV_BOOL;
    hi.node = 1;
    hi.inclusive = true;
    selection.n_types = 1;
    selection.types = &click;
    selection.hi = &hi;
    program.n_nodes = 2;
    program.nodes = nodes;
    program.n_selections = 1;
    program.selections = selections;
    program.now_ms = 1800000000000ll;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        reveille__v1__query_partition__init(&parts[i]);
        parts[i].partition = i;
        parts[i].epoch = 1;
        list[i] = &parts[i];
    }
    request.n_partitions = PARTITIONS;
    request.partitions = list;
    request.program = &program;
    request.filter = 2;
    request.sink_case = REVEILLE__V1__QUERY_REQUEST__SINK_COUNT;
    request.count = &count;
    request.schema_version = 1;
    request.term = 1;
    rvw_pool_add(f->pool, make_call(f, &request.base), RVW_TASK_QUERY);
}

static uint64_t count_now(fixture_t *f) {
    send_count(f);
    assert_int_equal(receive(f), RV_OK);
    Reveille__V1__QueryResponse *response = reveille__v1__query_response__unpack(NULL, f->body_n, f->body);
    assert_non_null(response);
    assert_int_equal(response->n_partitions, PARTITIONS);
    for (size_t i = 0; i < response->n_partitions; i++)
        assert_true(!response->partitions[i]->status || (int)response->partitions[i]->status->code == RV_OK);
    uint64_t count = response->count;
    reveille__v1__query_response__free_unpacked(response, NULL);
    return count;
}

static Reveille__V1__PartitionWriteResult *write_result(fixture_t *f, Reveille__V1__WriteResponse **ret) {
    assert_int_equal(receive(f), RV_OK);
    *ret = reveille__v1__write_response__unpack(NULL, f->body_n, f->body);
    assert_non_null(*ret);
    assert_int_equal((*ret)->n_results, 1);
    return (*ret)->results[0];
}

static void an_acknowledged_write_is_seen_at_once(void **state) {
    fixture_t *f = *state;
    Reveille__V1__WriteResponse *response;
    assign(f, true, 1, RV_OK);
    for (unsigned i = 0; i < 50; i++) {
        send_click(f, i, i + 1);
        Reveille__V1__PartitionWriteResult *result = write_result(f, &response);
        assert_int_equal(result->status ? (int)result->status->code : 0, RV_OK);
        assert_int_equal(result->applied, 1);
        assert_int_equal(result->contacts_created, 1);
        reveille__v1__write_response__free_unpacked(response, NULL);
        assert_int_equal(count_now(f), i + 1);
    }
}

static void a_repetition_has_no_second_effect(void **state) {
    fixture_t *f = *state;
    Reveille__V1__WriteResponse *response;
    assign(f, true, 1, RV_OK);
    for (int round = 0; round < 3; round++) {
        send_click(f, 7, 1);
        Reveille__V1__PartitionWriteResult *result = write_result(f, &response);
        assert_int_equal(result->applied, round == 0);
        assert_int_equal(result->duplicates, round > 0);
        reveille__v1__write_response__free_unpacked(response, NULL);
    }
    send_click(f, 7, 1); /* both in one group */
    send_click(f, 7, 1);
    for (int i = 0; i < 2; i++) {
        Reveille__V1__PartitionWriteResult *result = write_result(f, &response);
        assert_int_equal(result->duplicates, 1);
        reveille__v1__write_response__free_unpacked(response, NULL);
    }
    assert_int_equal(count_now(f), 1);
}

static void a_start_brings_everything_back_from_the_log(void **state) {
    fixture_t *f = *state;
    assign(f, true, 1, RV_OK);
    for (unsigned i = 0; i < 40; i++) {
        send_click(f, i, i + 1);
        assert_int_equal(receive(f), RV_OK);
    }
    for (int round = 0; round < 3; round++) {
        stop(f);
        start(f);
        assert_int_equal(rvw_holdings_incarnation(f->holdings), 2 + round);
        assign(f, false, 1, RV_OK);
        assert_int_equal(count_now(f), 40);
    }
    assert_int_equal(rvw_holdings_flush(f->holdings, NULL), RV_OK);
    assert_int_equal(count_now(f), 40);
}

/* The others are seen to; the answer says which one was not. */
static void housekeeping_names_a_partition_that_is_out_of_service(void **state) {
    fixture_t *f = *state;
    Reveille__V1__MaintainRequest maintain = REVEILLE__V1__MAINTAIN_REQUEST__INIT;
    rv_error_t why;
    assign(f, true, 1, RV_OK);
    for (unsigned i = 0; i < 40; i++) {
        send_click(f, i, i + 1);
        assert_int_equal(receive(f), RV_OK);
    }
    rv_fail(&why, RV_REASON_DAMAGED, "it is the test's");
    rvw_partition_fail(rvw_holdings_partition(f->holdings, 1), &why);
    maintain.compact = true;
    rvw_housekeeper_maintain(f->housekeeper, make_call(f, &maintain.base));
    assert_int_equal(receive(f), RV_DATA_LOSS);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        rvw_partition_t *partition = rvw_holdings_partition(f->holdings, i);
        assert_true(rvw_partition_lsn(partition) > 0);
        if (i != 1) /* how far that one was flushed before, the sizes decide */
            assert_int_equal(rvw_partition_flushed_lsn(partition), rvw_partition_lsn(partition));
    }
}

static void an_older_term_is_refused(void **state) {
    fixture_t *f = *state;
    assign(f, true, 5, RV_OK);
    assign(f, false, 4, RV_UNAVAILABLE);
}

/* A company without attributes, written to its home. */
static void send_company(fixture_t *f, Reveille__V1__StringColumn *key) {
    Reveille__V1__EntityBatch batch = REVEILLE__V1__ENTITY_BATCH__INIT;
    Reveille__V1__CompanyBatch companies = REVEILLE__V1__COMPANY_BATCH__INIT;
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT, *writes[] = {&write};
    Reveille__V1__WriteRequest request = REVEILLE__V1__WRITE_REQUEST__INIT;
    batch.keys = key;
    companies.batch = &batch;
    write.epoch = 1;
    write.schema_version = 1;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES;
    write.companies = &companies;
    request.n_writes = 1;
    request.writes = writes;
    request.term = 5;
    rvw_writer_add(f->writer, make_call(f, &request.base), RVW_WRITE);
}

static void ask_company(fixture_t *f, Reveille__V1__StringColumn *key, uint64_t epoch, uint64_t term) {
    Reveille__V1__HomePartition home = REVEILLE__V1__HOME_PARTITION__INIT, *homes[] = {&home};
    Reveille__V1__CompaniesRequest request = REVEILLE__V1__COMPANIES_REQUEST__INIT;
    uint32_t zero = 0;
    home.epoch = epoch;
    request.homes = homes;
    request.n_homes = 1;
    request.keys = key;
    request.home_of = &zero;
    request.n_home_of = 1;
    request.term = term;
    rvw_writer_add(f->writer, make_call(f, &request.base), RVW_COMPANIES_READ);
}

/* Both are sent at once; nobody waits for the write. */
static void companies_are_read_with_every_write_that_was_sent_before(void **state) {
    fixture_t *f = *state;
    Reveille__V1__StringColumn key = REVEILLE__V1__STRING_COLUMN__INIT;
    uint32_t length = 4;
    key.data = (ProtobufCBinaryData){4, (uint8_t *)(uintptr_t) "acme"};
    key.lengths = &length;
    key.n_lengths = 1;
    assign(f, true, 5, RV_OK);
    for (int i = 0; i < 20; i++) {
        send_company(f, &key);
        ask_company(f, &key, 1, 5);
    }
    for (int i = 0; i < 20; i++) {
        Reveille__V1__WriteResponse *written;
        uint64_t lsn = write_result(f, &written)->lsn;
        assert_int_equal(receive(f), RV_OK);
        Reveille__V1__CompaniesResponse *read = reveille__v1__companies_response__unpack(NULL, f->body_n, f->body);
        assert_int_equal(read->done, 1);
        assert_int_equal(read->batch->n_versions, 1);
        assert_int_equal(read->batch->versions[0], lsn);
        reveille__v1__companies_response__free_unpacked(read, NULL);
        reveille__v1__write_response__free_unpacked(written, NULL);
    }
    ask_company(f, &key, 2, 5);
    assert_int_equal(receive(f), RV_UNAVAILABLE);
    ask_company(f, &key, 1, 4);
    assert_int_equal(receive(f), RV_UNAVAILABLE);
}

static void a_second_process_is_refused(void **state) {
    fixture_t *f = *state;
    rvw_holdings_t *second = NULL;
    rv_error_t err;
    assert_int_equal(rvw_holdings_open(f->dir, &second, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(err.reason, RV_REASON_FOREIGN);
    assert_null(second);
}

/* Writes, queries and flushes at once: a count never falls and ends at the number of contacts. */
static void queries_run_while_writes_and_flushes_happen(void **state) {
    fixture_t *f = *state;
    enum { CONTACTS = 300 };
    uint64_t least = 0;
    unsigned acknowledged = 0;
    assign(f, true, 1, RV_OK);
    for (unsigned sent = 0; acknowledged < CONTACTS;) {
        for (unsigned burst = 0; burst < 10 && sent < CONTACTS; burst++, sent++)
            send_click(f, sent, sent + 1);
        Reveille__V1__MaintainRequest maintain = REVEILLE__V1__MAINTAIN_REQUEST__INIT;
        rvw_housekeeper_maintain(f->housekeeper, make_call(f, &maintain.base));
        send_count(f);
        for (unsigned replies = 0; replies < 12 && acknowledged < CONTACTS; replies++) {
            assert_int_equal(receive(f), RV_OK);
            Reveille__V1__WriteResponse *write = reveille__v1__write_response__unpack(NULL, f->body_n, f->body);
            if (write && write->n_results == 1 && write->results[0]->contacts_created == 1)
                acknowledged++;
            if (write)
                reveille__v1__write_response__free_unpacked(write, NULL);
        }
    }
    /* answers that are still on their way come before the next one of ours or not at all: ask until the count stands */
    for (int tries = 0; tries < 50 && least < CONTACTS; tries++) {
        send_count(f);
        assert_int_equal(receive(f), RV_OK);
        Reveille__V1__QueryResponse *response = reveille__v1__query_response__unpack(NULL, f->body_n, f->body);
        if (response && response->n_partitions == PARTITIONS && response->count > least)
            least = response->count;
        if (response)
            reveille__v1__query_response__free_unpacked(response, NULL);
    }
    assert_int_equal(least, CONTACTS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_acknowledged_write_is_seen_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_repetition_has_no_second_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(a_start_brings_everything_back_from_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(housekeeping_names_a_partition_that_is_out_of_service, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_term_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(companies_are_read_with_every_write_that_was_sent_before, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_process_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(queries_run_while_writes_and_flushes_happen, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

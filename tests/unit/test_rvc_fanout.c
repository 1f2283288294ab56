/* A whole coordinator in memory, with workers that keep companies as real ones do: whatever is lost on the way, all
 * partitions come to say what the homes say, and who was told so was told the truth. */
#include "reveille/hash.h"
#include "rvc_harness.h"

#define COMPANIES 6u
#define NONE (-1)
enum { INDUSTRY = 1, EMPLOYEES = 2 }; /* numbers of the attributes in the catalog */

static const char *const KEYS[COMPANIES] = {"acme", "globex", "initech", "hooli", "umbrella", "stark"};

typedef struct {
    uint64_t version;
    int64_t values[3]; /* by number of the attribute; NONE: no value */
} company_t;

static struct {
    uint64_t lsn;
    company_t companies[COMPANIES];
} parts[PARTITIONS];
static size_t asked;      /* questions for companies that were answered */
static size_t page = 100; /* keys of a page; 0: one attribute of one company */
static uint64_t incarnations[2];

/* ---- workers ---- */

static uint32_t home_of(uint32_t company) {
    return rv_partition_of(KEYS[company], strlen(KEYS[company]), PARTITIONS);
}

static uint32_t number_of(const uint8_t *p, size_t n) {
    for (uint32_t k = 0; k < COMPANIES; k++)
        if (strlen(KEYS[k]) == n && memcmp(KEYS[k], p, n) == 0)
            return k;
    fail_msg("an unknown company");
    return 0;
}

static bool bit(const ProtobufCBinaryData *bits, size_t i, bool otherwise) {
    return bits->len ? bits->data[i / 8] >> (i % 8) & 1 : otherwise;
}

/* Row i of a column into a company: as the store does it. */
static void take_cell(const Reveille__V1__Column *column, size_t i, company_t *company) {
    if (bit(&column->present, i, true) && column->id == EMPLOYEES) {
        company->values[EMPLOYEES] = column->ints[i];
    } else if (bit(&column->present, i, true)) {
        const uint8_t *at = column->strings->data.data;
        char text[32] = "";
        assert_int_equal(column->n_codes, 0);
        for (size_t k = 0; k < i; k++)
            at += column->strings->lengths[k];
        memcpy(text, at, column->strings->lengths[i]);
        company->values[INDUSTRY] = atoll(text);
    } else if (bit(&column->unset, i, false)) {
        company->values[column->id] = NONE;
    }
}

static void apply(const Reveille__V1__PartitionWrite *write) {
    const Reveille__V1__EntityBatch *batch = write->companies->batch;
    const uint8_t *key = batch->keys->data.data;
    uint64_t version = ++parts[write->partition].lsn;
    assert_true(write->schema_version > 0);
    for (size_t i = 0; i < batch->keys->n_lengths; key += batch->keys->lengths[i++]) {
        uint32_t number = number_of(key, batch->keys->lengths[i]);
        company_t *company = &parts[write->partition].companies[number];
        if (write->companies->n_versions)
            version = write->companies->versions[i];
        else
            assert_int_equal(home_of(number), write->partition);
        if (version < company->version)
            continue;
        company->version = version;
        for (size_t a = 0; a < batch->n_attributes; a++)
            take_cell(batch->attributes[a], i, company);
    }
}

static void serve_write(letter_t *task, bool reply) {
    Reveille__V1__WriteRequest *request = open_body(task, &reveille__v1__write_request__descriptor);
    for (size_t i = 0; i < request->n_writes; i++)
        apply(request->writes[i]);
    if (reply)
        accept_write(task);
    else
        done(task);
}

typedef struct {
    Reveille__V1__CompaniesResponse response;
    Reveille__V1__CompanyBatch batch;
    Reveille__V1__EntityBatch rows;
    Reveille__V1__StringColumn keys, text;
    Reveille__V1__Column columns[2], *list[2];
    uint64_t versions[COMPANIES * 4];
    uint32_t key_lengths[COMPANIES * 4], text_lengths[COMPANIES * 4];
    int64_t ints[COMPANIES * 4];
    uint8_t key_data[512], text_data[512], present[2][8], unset[2][8];
} answer_t;

static void begin_answer(answer_t *it) {
    memset(it, 0, sizeof *it);
    reveille__v1__companies_response__init(&it->response);
    reveille__v1__company_batch__init(&it->batch);
    reveille__v1__entity_batch__init(&it->rows);
    reveille__v1__string_column__init(&it->keys);
    reveille__v1__string_column__init(&it->text);
    it->response.batch = &it->batch;
    it->response.schema_version = 1;
    it->batch.batch = &it->rows;
    it->batch.versions = it->versions;
    it->rows.keys = &it->keys;
    it->rows.attributes = it->list;
    it->keys.data.data = it->key_data;
    it->keys.lengths = it->key_lengths;
    it->text.data.data = it->text_data;
    it->text.lengths = it->text_lengths;
    for (unsigned a = 0; a < 2; a++) {
        reveille__v1__column__init(&it->columns[a]);
        it->columns[a].id = a + 1;
        it->columns[a].present.data = it->present[a];
        it->columns[a].unset.data = it->unset[a];
    }
    it->columns[0].type = RV_STRING;
    it->columns[0].strings = &it->text;
    it->columns[1].type = RV_INT;
    it->columns[1].ints = it->ints;
}

static void add_row(answer_t *it, uint32_t number, const company_t *company) {
    size_t i = it->batch.n_versions++, n = strlen(KEYS[number]);
    assert_true(i < COMPANIES * 4);
    it->versions[i] = company->version;
    memcpy(it->key_data + it->keys.data.len, KEYS[number], n);
    it->keys.data.len += n;
    it->key_lengths[it->keys.n_lengths++] = (uint32_t)n;
    for (unsigned a = 0; a < 2; a++)
        (company->values[a + 1] == NONE ? it->unset : it->present)[a][i / 8] |= (uint8_t)(1u << (i % 8));
    if (company->values[INDUSTRY] != NONE)
        it->text_lengths[i] =
            (uint32_t)sprintf((char *)it->text_data + it->text.data.len, "%lld", (long long)company->values[INDUSTRY]);
    it->text.data.len += it->text_lengths[i];
    it->ints[i] = company->values[EMPLOYEES] == NONE ? 0 : company->values[EMPLOYEES];
}

static void send_answer(answer_t *it, const letter_t *task, unsigned first, unsigned last) {
    size_t n = it->batch.n_versions;
    it->text.n_lengths = it->columns[1].n_ints = n;
    for (unsigned a = first; a < last; a++) {
        it->columns[a].present.len = it->columns[a].unset.len = (n + 7) / 8;
        it->list[it->rows.n_attributes++] = &it->columns[a];
    }
    answer(task, &it->response.base, NULL, false);
}

static void serve_companies(letter_t *task, bool reply) {
    static answer_t it;
    Reveille__V1__CompaniesRequest *request = open_body(task, &reveille__v1__companies_request__descriptor);
    const uint8_t *key = request->keys->data.data;
    begin_answer(&it);
    assert_int_equal(request->n_home_of, request->keys->n_lengths);
    bool pieces = page == 0, first_piece = pieces && request->skip == 0;
    for (size_t i = 0; i < request->n_home_of && it.batch.n_versions < (pieces ? 1 : page); i++) {
        uint32_t number = number_of(key, request->keys->lengths[i]),
                 home = request->homes[request->home_of[i]]->partition;
        assert_int_equal(home, home_of(number));
        key += request->keys->lengths[i];
        if (parts[home].companies[number].version)
            add_row(&it, number, &parts[home].companies[number]);
        it.response.done++;
    }
    if (first_piece && it.batch.n_versions) {
        it.response.done--;
        it.response.skip = 1;
    }
    asked++;
    if (reply)
        send_answer(&it, task, pieces && !first_piece ? 1 : 0, first_piece ? 1 : 2);
    done(task);
}

static void serve(letter_t *task, bool reply) {
    const char *method = strrchr(task->request->method, '/') + 1;
    if (task->request->kind != REVEILLE__V1__KIND__KIND_CALL)
        done(task);
    else if (strcmp(method, "Write") == 0)
        serve_write(task, reply);
    else if (strcmp(method, "Companies") == 0)
        serve_companies(task, reply);
    else if (reply)
        confirm(task);
    else
        done(task);
}

/* The oldest message to a worker (0, 1), or NULL. */
static letter_t *take_from(int worker) {
    for (letter_t **link = &boxes[DATA].first; *link; link = &(*link)->next)
        if ((*link)->routing[7] == '1' + worker) {
            letter_t *letter = *link;
            *link = letter->next;
            return letter;
        }
    return NULL;
}

static void serve_all(void) {
    letter_t *task;
    while ((task = take(DATA)))
        serve(task, true);
}

static void register_again(int worker, bool restarted) {
    const int HELD[2][3] = {{0, 2, -1}, {1, 3, -1}};
    incarnations[worker] += restarted;
    register_worker(worker ? "worker-2" : "worker-1", incarnations[worker], HELD[worker]);
    throw_away(CONTROL);
}

/* A worker is gone with what was sent to it. */
static void lose(int worker) {
    letter_t *task;
    while ((task = take_from(worker)))
        done(task);
    now += RV_LEASE_MS - 100;
    assert_true(ping(worker ? "worker-1" : "worker-2", incarnations[!worker]));
    now += 200;
    rvc_node_wake(node, now);
}

static void restart_coordinator(void) {
    rvc_node_destroy(&node);
    for (int i = 0; i < 3; i++)
        throw_away(i);
    start();
    register_again(0, false);
    register_again(1, false);
}

/* ---- clients ---- */

/* Companies first to first + n - 1; a value of NONE leaves its column out. */
static void upsert(const char *id, uint32_t first, uint32_t n, int64_t industry, int64_t employees) {
    Reveille__V1__CompanyServiceUpsertRequest request = REVEILLE__V1__COMPANY_SERVICE_UPSERT_REQUEST__INIT;
    static answer_t it;
    const company_t company = {.values = {0, industry, employees}};
    char *names[] = {"industry", "employees"};
    begin_answer(&it);
    request.batch = &it.rows;
    for (uint32_t i = 0; i < n; i++)
        add_row(&it, (first + i) % COMPANIES, &company);
    it.text.n_lengths = it.columns[1].n_ints = n;
    for (unsigned a = 0; a < 2; a++) {
        it.columns[a].id = 0;
        it.columns[a].name = names[a];
        if (company.values[a + 1] != NONE)
            it.list[it.rows.n_attributes++] = &it.columns[a];
    }
    call(id, "CompanyService/Upsert", &request.base);
}

static void assert_company(uint32_t number, int64_t industry, int64_t employees) {
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        assert_int_equal(parts[p].companies[number].values[INDUSTRY], industry);
        assert_int_equal(parts[p].companies[number].values[EMPLOYEES], employees);
        assert_int_equal(parts[p].companies[number].version, parts[home_of(number)].companies[number].version);
    }
}

static int begin_world(void **state) {
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        parts[p].lsn = p * 7;
        for (uint32_t k = 0; k < COMPANIES; k++)
            parts[p].companies[k] = (company_t){0, {0, NONE, NONE}};
    }
    asked = 0;
    page = 100;
    incarnations[0] = incarnations[1] = 1;
    return begin(state);
}

/* ---- one thing at a time ---- */

static void companies_go_home_first_and_then_everywhere(void **state) {
    (void)state;
    upsert("c", 0, COMPANIES, 5, 50);
    for (letter_t *task = boxes[DATA].first; task; task = task->next)
        assert_non_null(strstr(task->request->method, "/Write"));
    serve_all();
    letter_t *letter = expect_reply("c", false);
    Reveille__V1__WriteResult *result = ((Reveille__V1__CompanyServiceUpsertResponse *)open_body(
                                             letter, &reveille__v1__company_service_upsert_response__descriptor))
                                            ->result;
    assert_int_equal(result->applied, COMPANIES); /* copies do not count */
    done(letter);
    for (uint32_t k = 0; k < COMPANIES; k++)
        assert_company(k, 5, 50);
    assert_int_equal(asked, 2); /* one page of each worker */
}

static void an_update_that_is_overtaken_loses_no_column(void **state) {
    (void)state;
    uint32_t second = 1;
    while (home_of(second) % 2 == home_of(0) % 2)
        second++;
    upsert("a", 0, second + 1, 5, NONE);
    letter_t *late = take_from((int)(home_of(second) % 2)); /* keeps the first call waiting for its second home */
    serve(take_from((int)(home_of(0) % 2)), true);
    upsert("b", 0, 1, NONE, 50);
    serve_all();
    done(expect_reply("b", false));
    serve(late, true);
    serve_all();
    done(expect_reply("a", false));
    assert_company(0, 5, 50);
}

static void a_value_that_was_unset_at_home_is_unset_everywhere(void **state) {
    (void)state;
    upsert("a", 0, 1, 5, 50);
    serve_all();
    done(expect_reply("a", false));
    parts[home_of(0)].companies[0].values[INDUSTRY] = NONE;
    upsert("b", 0, 1, NONE, 51);
    serve_all();
    done(expect_reply("b", false));
    assert_company(0, NONE, 51);
}

static void a_company_may_come_in_pages_and_pieces(void **state) {
    (void)state;
    for (page = 0; page < 3; page++) {
        upsert("a", 0, COMPANIES, 5 + (int64_t)page, 50);
        serve_all();
        done(expect_reply("a", false));
        for (uint32_t k = 0; k < COMPANIES; k++)
            assert_company(k, 5 + (int64_t)page, 50);
    }
    assert_true(asked > 3 * COMPANIES);
}

static void a_coordinator_that_dies_before_the_fan_out_resumes_it_before_it_takes_requests(void **state) {
    (void)state;
    letter_t *task;
    upsert("a", 0, COMPANIES, 5, 50);
    while ((task = take(DATA))) /* the homes have it; their answers are lost */
        serve(task, false);
    restart_coordinator();
    for (int i = 0; i < 2; i++) { /* both confirm their shares */
        task = expect_task("Assign");
        confirm(task);
    }
    upsert("b", 0, 1, 6, NONE);
    expect_error("b", RV_UNAVAILABLE, RV_REASON_NOT_READY, "interrupted updates of companies");
    serve_all();
    for (uint32_t k = 0; k < COMPANIES; k++)
        assert_company(k, 5, 50);
    upsert("c", 0, 1, 6, NONE);
    serve_all();
    done(expect_reply("c", false));
    assert_company(0, 6, 50);
    asked = 0;
    restart_coordinator();
    serve_all();
    assert_int_equal(asked, 0); /* nothing is left */
}

static void what_was_noted_and_never_sent_is_forgotten_without_effect(void **state) {
    (void)state;
    upsert("a", 0, COMPANIES, 5, 50);
    restart_coordinator();
    serve_all();
    for (uint32_t k = 0; k < COMPANIES; k++)
        assert_company(k, NONE, NONE);
    asked = 0;
    restart_coordinator();
    serve_all();
    assert_int_equal(asked, 0);
}

static void a_worker_lost_in_the_fan_out_gets_its_copies_when_it_is_back(void **state) {
    (void)state;
    uint32_t other = (home_of(0) + 1) % 2;
    upsert("a", 0, 1, 5, 50);
    serve(take_from((int)(home_of(0) % 2)), true); /* home */
    serve(take_from((int)(home_of(0) % 2)), true); /* the question */
    serve(take_from((int)(home_of(0) % 2)), true); /* copies of this worker */
    lose((int)other);
    expect_error("a", RV_UNAVAILABLE, RV_REASON_OUTCOME_UNKNOWN, "repeat the request");
    assert_true(rvc_node_idle(node));
    assert_int_equal(parts[other].companies[0].version, 0);
    register_again((int)other, true);
    serve_all();
    assert_company(0, 5, 50);
}

static void a_call_that_ends_leaves_its_fan_out_to_go_on(void **state) {
    (void)state;
    upsert("a", 0, 1, 5, 50);
    send_kind(RVC_FROM_CLIENT, "client", "a", REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, NULL);
    expect_error("a", RV_CANCELLED, RV_REASON_NONE, NULL);
    rvc_node_wake(node, ++now);
    serve_all();
    assert_company(0, 5, 50);
    upsert("b", 0, 1, 6, NONE);
    serve(expect_task("Write"), true);
    send_kind(RVC_FROM_CLIENT, "client", "b", REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, NULL);
    expect_error("b", RV_CANCELLED, RV_REASON_NONE, NULL);
    serve_all();
    assert_company(0, 6, 50);
}

static void nothing_is_begun_while_partitions_are_missing(void **state) {
    (void)state;
    lose(0);
    upsert("a", 0, COMPANIES, 5, 50);
    expect_error("a", RV_UNAVAILABLE, RV_REASON_INCOMPLETE, "worker-1 does not answer");
    assert_null(boxes[DATA].first);
}

static void a_batch_without_a_good_row_needs_no_fan_out(void **state) {
    (void)state;
    upsert("a", 0, 0, NONE, NONE);
    assert_null(boxes[DATA].first);
    done(expect_reply("a", false));
}

/* ---- everything at once ---- */

#define CALLS 8u
static uint64_t seed;
static struct {
    bool open;
    uint32_t first, n;
    int64_t industry, employees;
} calls[CALLS];
static int64_t silent_until[2]; /* a worker that does not ping or serve before */
static int64_t last_ping[2];
static size_t answered, confirmed, losses, restarts;

static uint32_t draw(uint32_t n) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % n;
}

/* Who was told that it is done was told the truth: everything is at least as new as what is at home now and was sent by
 * this call. Values rise with time. */
static void take_replies(void) {
    letter_t *letter;
    while ((letter = take(CLIENTS))) {
        uint32_t c = (uint32_t)(letter->reply->request_id.data[0] - 'A');
        bool ok = !letter->reply->status || !letter->reply->status->code;
        assert_true(c < CALLS && calls[c].open);
        calls[c].open = false;
        answered++;
        confirmed += ok;
        for (uint32_t i = 0; ok && i < calls[c].n; i++)
            for (uint32_t p = 0; p < PARTITIONS; p++) {
                const company_t *copy = &parts[p].companies[(calls[c].first + i) % COMPANIES];
                assert_true(copy->version > 0);
                assert_true(calls[c].industry == NONE || copy->values[INDUSTRY] >= calls[c].industry);
                assert_true(calls[c].employees == NONE || copy->values[EMPLOYEES] >= calls[c].employees);
            }
        done(letter);
    }
}

static void forget_calls(void) {
    for (uint32_t c = 0; c < CALLS; c++)
        calls[c].open = false;
}

static void random_upsert(int64_t step) {
    uint32_t c = draw(CALLS), which = 1 + draw(3);
    char id[2] = {(char)('A' + c), 0};
    if (calls[c].open)
        return;
    calls[c].open = true;
    calls[c].first = draw(COMPANIES);
    calls[c].n = 1 + draw(COMPANIES);
    calls[c].industry = which & 1 ? step : NONE;
    calls[c].employees = which & 2 ? step : NONE;
    upsert(id, calls[c].first, calls[c].n, calls[c].industry, calls[c].employees);
}

/* Some of what was sent is done, nobody hears of it, and the rest is lost. */
static void serve_some_silently(int worker) {
    letter_t *task;
    for (uint32_t n = draw(4); n > 0 && (task = take_from(worker)); n--)
        serve(task, false);
    while ((task = take_from(worker)))
        done(task);
}

static void random_loss(void) {
    int worker = (int)draw(2);
    losses++;
    if (draw(2)) { /* killed, and started again at once or later */
        serve_some_silently(worker);
        register_again(worker, true);
    } else { /* only very slow: it finds everything that was sent when it goes on */
        silent_until[worker] = now + (draw(2) ? 1500 : 3 * (int64_t)RV_LEASE_MS);
    }
}

static void random_restart(void) {
    restarts++;
    for (int w = 0; w < 2; w++)
        serve_some_silently(w);
    forget_calls();
    silent_until[0] = silent_until[1] = 0;
    restart_coordinator();
}

static void keep_alive(void) {
    for (int w = 0; w < 2; w++)
        if (now >= silent_until[w] && now - last_ping[w] > 300) {
            last_ping[w] = now;
            if (!ping(w ? "worker-2" : "worker-1", incarnations[w]))
                register_again(w, false);
        }
}

static void serve_one(void) {
    int worker = (int)draw(2);
    letter_t *task = now >= silent_until[worker] ? take_from(worker) : NULL;
    if (task)
        serve(task, true);
}

static void random_step(int64_t step) {
    uint32_t r = draw(1000);
    page = draw(4);
    now += draw(20);
    rvc_node_wake(node, now);
    keep_alive();
    if (r < 150)
        random_upsert(step);
    else if (r < 155)
        random_loss();
    else if (r < 158)
        random_restart();
    else if (r < 170 && calls[r % CALLS].open)
        send_kind(RVC_FROM_CLIENT, "client", (const char[2]){(char)('A' + r % CALLS), 0},
                  REVEILLE__V1__KIND__KIND_CANCEL, 0, NULL, NULL);
    else
        serve_one();
    take_replies();
}

/* Everything heals and comes to rest. */
static void settle(void) {
    silent_until[0] = silent_until[1] = 0;
    for (int i = 0; i < 60; i++) {
        now += 100;
        rvc_node_wake(node, now);
        keep_alive();
        serve_all();
        take_replies();
    }
}

static void a_life(void) {
    forget_calls();
    for (int64_t step = 1; step <= 1500; step++)
        random_step(step);
    settle();
    for (uint32_t k = 0; k < COMPANIES; k++)
        assert_company(k, parts[home_of(k)].companies[k].values[INDUSTRY],
                       parts[home_of(k)].companies[k].values[EMPLOYEES]);
    assert_true(rvc_node_idle(node));
    asked = 0;
    restart_coordinator();
    serve_all();
    assert_int_equal(asked, 0);
}

static void whatever_is_lost_all_partitions_become_the_same(void **state) {
    for (uint64_t life = 1; life <= 12; life++) {
        seed = life;
        last_ping[0] = last_ping[1] = silent_until[0] = silent_until[1] = 0;
        a_life();
        assert_int_equal(end(state), 0);
        assert_int_equal(begin_world(state), 0);
    }
    print_message("%zu calls answered, %zu of them well, %zu losses, %zu restarts\n", answered, confirmed, losses,
                  restarts);
    assert_true(confirmed > 150 && losses > 30 && restarts > 20);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_world, end)
    const struct CMUnitTest tests[] = {
        TEST(companies_go_home_first_and_then_everywhere),
        TEST(an_update_that_is_overtaken_loses_no_column),
        TEST(a_value_that_was_unset_at_home_is_unset_everywhere),
        TEST(a_company_may_come_in_pages_and_pieces),
        TEST(a_coordinator_that_dies_before_the_fan_out_resumes_it_before_it_takes_requests),
        TEST(what_was_noted_and_never_sent_is_forgotten_without_effect),
        TEST(a_worker_lost_in_the_fan_out_gets_its_copies_when_it_is_back),
        TEST(a_call_that_ends_leaves_its_fan_out_to_go_on),
        TEST(nothing_is_begun_while_partitions_are_missing),
        TEST(a_batch_without_a_good_row_needs_no_fan_out),
        TEST(whatever_is_lost_all_partitions_become_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

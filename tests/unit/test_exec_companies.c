/* test_exec_companies.c: companies read at their home and written to another partition are the same there, whatever
 * came before and in whatever pages they travel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/exec.h"
#include "exec/message.h"
#include "reveille/wire.h"
#include "schema_build.h"
#include "store_world.h"

#define LONG 18u /* long texts of a company */

enum { INDUSTRY = 1, EMPLOYEES, REVENUE, TAGS, LONG_0 };

static char dir[256];
static rvw_partition_t *home, *other;
static rv_catalog_t *catalog;
static rv_arena_t arena;
static rv_error_t err;

static rv_catalog_t *make_catalog(void) {
    Reveille__V1__Catalog message = REVEILLE__V1__CATALOG__INIT;
    Reveille__V1__Schema *schema = rvt_schema();
    rv_catalog_t *made = NULL;
    bool changed;
    rvt_company_attribute(schema, "industry", RV_STRING);
    rvt_company_attribute(schema, "employees", RV_INT);
    rvt_company_attribute(schema, "revenue", RV_DOUBLE);
    rvt_company_attribute(schema, "tags", RV_SET);
    for (unsigned i = 0; i < LONG; i++) {
        char name[16];
        snprintf(name, sizeof name, "long%u", i);
        rvt_company_attribute(schema, rvt_text(name), RV_STRING);
    }
    schema->company_key = rvt_text("company");
    assert_int_equal(rv_schema_apply(NULL, schema, false, &rvt_arena, &message.schema, &changed, &err), RV_OK);
    message.version = 1;
    assert_int_equal(rv_catalog_new(&message, &made, &err), RV_OK);
    return made;
}

static rvw_partition_t *make_partition(const char *name, uint32_t number) {
    char path[300];
    rvw_partition_t *made = NULL;
    rvw_identity_t identity = {.partition = number, .partition_count = 2, .chunk_rows = 4};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(rvw_partition_create(path, &identity, &err), RV_OK);
    assert_int_equal(rvw_partition_open(path, &made, &err), RV_OK);
    return made;
}

static int begin(void **state) {
    rvt_open_arena(state);
    world_make_dir(dir);
    rv_arena_init(&arena, SIZE_MAX);
    catalog = make_catalog();
    home = make_partition("home", 0);
    other = make_partition("other", 1);
    return 0;
}

static int end(void **state) {
    rvw_partition_close(&home);
    rvw_partition_close(&other);
    rv_catalog_unref(&catalog);
    rv_arena_done(&arena);
    world_remove_dir(dir);
    return rvt_close_arena(state);
}

static uint64_t apply(rvw_partition_t *partition, Reveille__V1__PartitionWrite *write) {
    rvw_result_t result;
    uint64_t lsn = rvw_partition_lsn(partition) + 1;
    write->schema_version = 1;
    assert_int_equal(rvw_write_check(write, catalog, &err), RV_OK);
    assert_int_equal(rvw_partition_apply(partition, catalog, write, lsn, 0, false, &arena, &result, &err), RV_OK);
    return lsn;
}

static uint64_t apply_companies(rvw_partition_t *partition, Reveille__V1__CompanyBatch *companies) {
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES;
    write.companies = companies;
    return apply(partition, &write);
}

static rv_str_t str(const char *text) {
    return (rv_str_t){text, (uint32_t)strlen(text)};
}

/* One attribute of one company at its home; NULL value: unset. */
static uint64_t set(const char *key, uint32_t attribute, const rv_value_t *value) {
    Reveille__V1__CompanyBatch companies = REVEILLE__V1__COMPANY_BATCH__INIT;
    Reveille__V1__EntityBatch batch = REVEILLE__V1__ENTITY_BATCH__INIT;
    const rv_attribute_t *as = rv_catalog_company_attribute_by_id(catalog, attribute);
    rv_value_t none = {0};
    rv_str_t name = str(key);
    uint8_t one = 1;
    Reveille__V1__Column *column =
        rvw_message_column(&arena, as->id, as->type, as->scale, value ? value : &none, 1, &err);
    if (!value)
        column->unset = (ProtobufCBinaryData){1, &one};
    batch.keys = rvw_message_strings(&arena, &name, 1, &err);
    batch.attributes = &column;
    batch.n_attributes = 1;
    companies.batch = &batch;
    return apply_companies(home, &companies);
}

static uint64_t set_text(const char *key, uint32_t attribute, const char *text) {
    rv_value_t value = {.present = true, .s = str(text)};
    return set(key, attribute, &value);
}

static uint64_t set_int(const char *key, uint32_t attribute, int64_t i) {
    rv_value_t value = {.present = true, .i = i};
    return set(key, attribute, &value);
}

static Reveille__V1__CompaniesRequest *question(const char *const *keys, size_t n) {
    Reveille__V1__CompaniesRequest *request = rv_arena_alloc(&arena, sizeof *request);
    rv_str_t *names = rv_arena_alloc(&arena, (n + 1) * sizeof *names);
    reveille__v1__companies_request__init(request);
    for (size_t i = 0; i < n; i++)
        names[i] = str(keys[i]);
    request->keys = rvw_message_strings(&arena, names, n, &err);
    request->home_of = rv_arena_zalloc(&arena, n + 1, sizeof *request->home_of);
    request->n_home_of = n;
    request->n_homes = 1;
    return request;
}

static Reveille__V1__CompaniesResponse *ask(Reveille__V1__CompaniesRequest *request) {
    Reveille__V1__CompaniesResponse *response = NULL;
    if (rvw_companies(&home, catalog, request, &arena, &response, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_true(reveille__v1__companies_response__get_packed_size(response) < RV_MAX_BODY / 2 + (128u << 10));
    assert_int_equal(response->schema_version, 1);
    return response;
}

/* Page after page to the other partition; returns how many. */
static size_t copy(const char *const *keys, size_t n) {
    size_t pages = 0, at = 0;
    uint32_t skip = 0;
    for (; at < n; pages++) {
        Reveille__V1__CompaniesRequest *request = question(keys + at, n - at);
        request->skip = skip;
        Reveille__V1__CompaniesResponse *response = ask(request);
        assert_true(response->done > 0 || response->skip > skip);
        if (response->batch->n_versions)
            apply_companies(other, response->batch);
        at += response->done;
        skip = response->skip;
    }
    assert_int_equal(at, n);
    return pages;
}

/* All of a company as one partition shows it, packed; NULL: it is not there. */
static uint8_t *shown(rvw_partition_t *partition, const char *key, size_t *ret_n) {
    Reveille__V1__FetchRequest request = REVEILLE__V1__FETCH_REQUEST__INIT;
    Reveille__V1__FetchResponse *response = NULL;
    rvw_view_t *view = NULL;
    uint8_t *bytes = NULL;
    request.key = (char *)(uintptr_t)key;
    request.company = true;
    assert_int_equal(rvw_view_take(partition, &view, &err), RV_OK);
    if (rvw_fetch(view, catalog, &request, &arena, &response, &err) == RV_OK) {
        response->lsn = 0;
        assert_int_equal(rv_wire_pack(&response->base, &bytes, ret_n), RV_OK);
    }
    rvw_view_release(&view);
    return bytes;
}

static void assert_same(const char *const *keys, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t a_n = 0, b_n = 0;
        uint8_t *a = shown(home, keys[i], &a_n), *b = shown(other, keys[i], &b_n);
        assert_non_null(a);
        assert_non_null(b);
        assert_int_equal(a_n, b_n);
        assert_memory_equal(a, b, a_n);
        free(a);
        free(b);
    }
}

static const char *const ABC[] = {"a", "b", "c"};

static void partial_updates_travel_as_a_whole_wherever_they_lie(void **state) {
    (void)state;
    rv_value_t revenue = {.present = true, .d = 0.5};
    set_text("a", INDUSTRY, "toys");
    set_text("b", INDUSTRY, "steel");
    assert_int_equal(rvw_partition_flush(home, &err), RV_OK);
    set_int("a", EMPLOYEES, 7);
    set("a", REVENUE, &revenue);
    set_text("c", TAGS, "x\x1fy");
    assert_int_equal(copy(ABC, 3), 1);
    assert_same(ABC, 3);
    set("a", INDUSTRY, NULL);
    set_text("b", INDUSTRY, "");
    assert_int_equal(rvw_partition_flush(other, &err), RV_OK);
    copy(ABC, 3);
    assert_same(ABC, 3);
    copy(ABC, 3); /* again: nothing changes */
    assert_same(ABC, 3);
}

static void a_page_says_the_version_of_each_company(void **state) {
    (void)state;
    uint64_t a = set_text("a", INDUSTRY, "toys"), b = set_text("b", INDUSTRY, "steel");
    set_int("c", EMPLOYEES, 1);
    uint64_t c = set_int("c", EMPLOYEES, 2);
    Reveille__V1__CompaniesResponse *response = ask(question(ABC, 3));
    assert_int_equal(response->batch->n_versions, 3);
    assert_int_equal(response->batch->versions[0], a);
    assert_int_equal(response->batch->versions[1], b);
    assert_int_equal(response->batch->versions[2], c);
}

static void an_older_page_that_comes_later_changes_nothing(void **state) {
    (void)state;
    set_text("a", INDUSTRY, "toys");
    Reveille__V1__CompaniesResponse *old = ask(question(ABC, 1));
    set_int("a", EMPLOYEES, 7);
    set("a", INDUSTRY, NULL);
    copy(ABC, 1);
    apply_companies(other, old->batch);
    assert_same(ABC, 1);
}

static void companies_without_an_upsert_are_left_out(void **state) {
    (void)state;
    static const char *const KEYS[] = {"nobody", "a", "named"};
    Reveille__V1__PartitionWrite write = REVEILLE__V1__PARTITION_WRITE__INIT;
    Reveille__V1__EntityBatch batch = REVEILLE__V1__ENTITY_BATCH__INIT;
    rv_str_t key = str("ann");
    rv_value_t company = {.present = true, .s = str("named")};
    Reveille__V1__Column *column = rvw_message_column(&arena, 9, RV_COMPANY, 0, &company, 1, &err);
    set_text("a", INDUSTRY, "toys");
    batch.keys = rvw_message_strings(&arena, &key, 1, &err);
    batch.attributes = &column;
    batch.n_attributes = 1;
    write.body_case = REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS;
    write.contacts = &batch;
    rvw_result_t result;
    assert_int_equal(
        rvw_partition_apply(home, catalog, &write, rvw_partition_lsn(home) + 1, 0, false, &arena, &result, &err),
        RV_OK);
    Reveille__V1__CompaniesResponse *response = ask(question(KEYS, 3));
    assert_int_equal(response->done, 3);
    assert_int_equal(response->batch->n_versions, 1);
    assert_int_equal(response->batch->batch->keys->n_lengths, 1);
    response = ask(question(KEYS, 1));
    assert_int_equal(response->done, 1);
    assert_int_equal(response->batch->n_versions, 0);
    assert_int_equal(ask(question(KEYS, 0))->done, 0);
}

static char *filler(char c, size_t n) {
    char *text = rv_arena_alloc(&arena, n + 1);
    memset(text, c, n);
    text[n] = 0;
    return text;
}

static void companies_that_fill_more_than_a_page_take_several(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++)
        for (uint32_t i = 0; i < 4; i++)
            set_text(ABC[k], LONG_0 + i, filler((char)('a' + k), RV_MAX_VALUE));
    assert_int_equal(copy(ABC, 3), 3);
    assert_same(ABC, 3);
}

static void a_company_larger_than_a_message_travels_in_pieces(void **state) {
    (void)state;
    set_text("a", INDUSTRY, "toys");
    set_text("c", INDUSTRY, "steel");
    for (uint32_t i = 0; i < LONG; i++)
        set_text("b", LONG_0 + i, filler('b', RV_MAX_VALUE));
    assert_true(copy(ABC, 3) >= 4);
    assert_same(ABC, 3);
    set("b", LONG_0, NULL);
    set("b", LONG_0 + LONG - 1, NULL);
    copy(ABC, 3);
    assert_same(ABC, 3);
}

static void many_companies_in_any_order_are_cut_by_size_alone(void **state) {
    (void)state;
    enum { N = 300 };
    static char names[N][8];
    const char *keys[N];
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "k%d", i * 7 % N);
        keys[i] = names[i];
        set_int(names[i / 2], EMPLOYEES, i);
        set_text(names[i], INDUSTRY, names[i]);
        if (i == N / 2)
            assert_int_equal(rvw_partition_flush(home, &err), RV_OK);
    }
    assert_int_equal(copy(keys, N), 1);
    assert_same(keys, N);
}

static void what_was_skipped_of_a_company_that_is_gone_is_not_skipped_of_the_next(void **state) {
    (void)state;
    static const char *const KEYS[] = {"nobody", "a"};
    set_text("a", INDUSTRY, "toys");
    Reveille__V1__CompaniesRequest *request = question(KEYS, 2);
    request->skip = 3;
    Reveille__V1__CompaniesResponse *response = ask(request);
    assert_int_equal(response->done, 2);
    assert_int_equal(response->batch->batch->attributes[0]->id, INDUSTRY);
}

static void a_question_that_does_not_fit_together_is_refused(void **state) {
    (void)state;
    Reveille__V1__CompaniesResponse *response;
    Reveille__V1__CompaniesRequest *request = question(ABC, 3);
    request->home_of[1] = 1;
    assert_int_equal(rvw_companies(&home, catalog, request, &arena, &response, &err), RV_INVALID_ARGUMENT);
    request = question(ABC, 3);
    request->n_home_of = 2;
    assert_int_equal(rvw_companies(&home, catalog, request, &arena, &response, &err), RV_INVALID_ARGUMENT);
    request = question(ABC, 3);
    request->keys->lengths[0] = 2;
    assert_int_equal(rvw_companies(&home, catalog, request, &arena, &response, &err), RV_INVALID_ARGUMENT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(partial_updates_travel_as_a_whole_wherever_they_lie),
        TEST(a_page_says_the_version_of_each_company),
        TEST(an_older_page_that_comes_later_changes_nothing),
        TEST(companies_without_an_upsert_are_left_out),
        TEST(companies_that_fill_more_than_a_page_take_several),
        TEST(a_company_larger_than_a_message_travels_in_pieces),
        TEST(many_companies_in_any_order_are_cut_by_size_alone),
        TEST(what_was_skipped_of_a_company_that_is_gone_is_not_skipped_of_the_next),
        TEST(a_question_that_does_not_fit_together_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

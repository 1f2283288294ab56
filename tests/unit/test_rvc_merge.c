/* Sorted streams become one; pages, groups and funnels come out right however the input is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/answer.h"
#include "../../coordinator/tally.h"
#include "reveille/limits.h"
#include "reveille/wire.h"

static rvc_output_t outputs[3];
static rv_measure_t measures[2];

static rvc_plan_t select_plan(uint64_t limit) {
    outputs[0] = (rvc_output_t){"key", RV_STRING, 0};
    outputs[1] = (rvc_output_t){"n", RV_INT, 0};
    return (rvc_plan_t){.kind = RVC_PLAN_SELECT, .outputs = outputs, .n_outputs = 2, .limit = limit};
}

/* A page of rows whose keys are the letters of `keys` and whose number is their code. */
static rvc_page_t *rows_page(const char *keys) {
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__RowsPartial rows = REVEILLE__V1__ROWS_PARTIAL__INIT;
    Reveille__V1__StringColumn strings = REVEILLE__V1__STRING_COLUMN__INIT;
    Reveille__V1__Column key = REVEILLE__V1__COLUMN__INIT, number = key, *fields[] = {&key, &number};
    size_t n = strlen(keys);
    uint32_t ones[128];
    int64_t codes[128];
    for (size_t i = 0; i < n; i++) {
        ones[i] = 1;
        codes[i] = keys[i];
    }
    strings.data.data = (uint8_t *)(uintptr_t)keys;
    strings.data.len = n;
    strings.n_lengths = n;
    strings.lengths = ones;
    key.type = RV_STRING;
    key.strings = &strings;
    number.type = RV_INT;
    number.n_ints = n;
    number.ints = codes;
    rows.sort_keys = &strings;
    rows.n_fields = 2;
    rows.fields = fields;
    response.partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_ROWS;
    response.rows = &rows;
    uint8_t *bytes;
    size_t packed;
    rvc_page_t *page = NULL;
    assert_int_equal(rv_wire_pack(&response.base, &bytes, &packed), RV_OK);
    assert_int_equal(rvc_page_open(bytes, packed, &page, NULL), RV_OK);
    free(bytes);
    return page;
}

static void push(rvc_merge_t *merge, size_t source, const char *keys) {
    rvc_page_t *page = rows_page(keys);
    rv_error_t err;
    if (rvc_merge_push(merge, source, &page, &err) != RV_OK)
        fail_msg("%s", err.message);
    rvc_page_destroy(&page);
}

/* Takes what is ready, as text. */
static void drain(rvc_merge_t *merge, char *out) {
    while (rvc_merge_state(merge) == RVC_MERGE_ITEM) {
        rv_value_t key, number;
        rvc_merge_field(merge, 0, &key);
        rvc_merge_field(merge, 1, &number);
        assert_int_equal(*key.s.p, number.i);
        assert_memory_equal(rvc_merge_key(merge).p, key.s.p, 1);
        *out++ = *key.s.p;
        assert_int_equal(rvc_merge_advance(merge, NULL), RV_OK);
    }
    *out = 0;
}

/* The next source with pages used up, and how many. */
static void assert_used(rvc_merge_t *merge, size_t source, uint32_t pages) {
    size_t got = SIZE_MAX;
    assert_int_equal(rvc_merge_used(merge, &got), pages);
    assert_int_equal(got, source);
}

static void streams_are_merged_as_far_as_all_have_spoken(void **state) {
    (void)state;
    rvc_plan_t plan = select_plan(0);
    rvc_merge_t *merge = NULL;
    char got[64];
    assert_int_equal(rvc_merge_new(&plan, 3, &merge, NULL), RV_OK);
    push(merge, 0, "adg");
    push(merge, 1, "bbh");
    assert_int_equal(rvc_merge_state(merge), RVC_MERGE_WAIT);
    push(merge, 2, "");
    assert_used(merge, 2, 1);
    assert_int_equal(rvc_merge_state(merge), RVC_MERGE_WAIT);
    rvc_merge_end(merge, 2);
    drain(merge, got);
    assert_string_equal(got, "abbdg");
    assert_int_equal(rvc_merge_state(merge), RVC_MERGE_WAIT);
    assert_used(merge, 0, 1);
    assert_int_equal(rvc_merge_used(merge, &(size_t){0}), 0);
    push(merge, 0, "hz");
    drain(merge, got);
    assert_string_equal(got, "hh");
    rvc_merge_end(merge, 1);
    drain(merge, got);
    assert_string_equal(got, "z");
    rvc_merge_end(merge, 0);
    rvc_merge_end(merge, 0);
    assert_int_equal(rvc_merge_state(merge), RVC_MERGE_END);
    rvc_merge_destroy(&merge);
}

/* Many sources, random cuts: the same as sorting everything. */
static void any_cut_gives_the_same_order(void **state) {
    (void)state;
    uint32_t seed = 11;
    for (int round = 0; round < 200; round++) {
        rvc_plan_t plan = select_plan(0);
        rvc_merge_t *merge = NULL;
        size_t n_sources = 1 + (size_t)round % 7;
        char got[512] = "", want[512] = "", left[8][64];
        size_t at[8] = {0}, n_want = 0;
        rvc_merge_new(&plan, n_sources, &merge, NULL);
        for (size_t s = 0; s < n_sources; s++) {
            size_t n = 0;
            for (char c = 'a'; c <= 'z'; c++) {
                seed = seed * 1664525u + 1013904223u;
                if (seed >> 30 == 0)
                    left[s][n++] = c;
            }
            left[s][n] = 0;
        }
        for (char c = 'a'; c <= 'z'; c++)
            for (size_t s = 0; s < n_sources; s++)
                if (strchr(left[s], c))
                    want[n_want++] = c;
        for (bool open = true; open;) {
            open = false;
            for (size_t s = 0; s < n_sources; s++) {
                char piece[4] = "";
                seed = seed * 1664525u + 1013904223u;
                strncpy(piece, left[s] + at[s], 1 + (seed >> 31));
                at[s] += strlen(piece);
                push(merge, s, piece);
                if (left[s][at[s]])
                    open = true;
                else
                    rvc_merge_end(merge, s);
            }
            drain(merge, got + strlen(got));
        }
        assert_string_equal(got, want);
        assert_int_equal(rvc_merge_state(merge), RVC_MERGE_END);
        rvc_merge_destroy(&merge);
    }
}

static void a_source_can_be_dropped_before_it_gave_anything(void **state) {
    (void)state;
    rvc_plan_t plan = select_plan(0);
    rvc_merge_t *merge = NULL;
    char got[64];
    rvc_merge_new(&plan, 3, &merge, NULL);
    push(merge, 0, "bd");
    push(merge, 1, "ac");
    assert_true(rvc_merge_drop(merge, 1));
    assert_true(rvc_merge_drop(merge, 2));
    rvc_merge_end(merge, 0);
    drain(merge, got);
    assert_string_equal(got, "bd");
    assert_false(rvc_merge_drop(merge, 0));
    rvc_merge_destroy(&merge);
}

static void what_comes_after_a_discard_is_used_up(void **state) {
    (void)state;
    rvc_plan_t plan = select_plan(0);
    rvc_merge_t *merge = NULL;
    rvc_merge_new(&plan, 2, &merge, NULL);
    push(merge, 0, "bd");
    rvc_merge_discard(merge);
    push(merge, 0, "eg");
    push(merge, 1, "ac");
    assert_used(merge, 1, 1);
    assert_used(merge, 0, 2);
    assert_int_equal(rvc_merge_used(merge, &(size_t){0}), 0);
    push(merge, 0, "hz");
    assert_used(merge, 0, 1); /* what was told before is not told again */
    assert_int_equal(rvc_merge_used(merge, &(size_t){0}), 0);
    assert_int_equal(rvc_merge_state(merge), RVC_MERGE_WAIT);
    rvc_merge_end(merge, 0);
    rvc_merge_end(merge, 1);
    assert_int_equal(rvc_merge_state(merge), RVC_MERGE_END);
    rvc_merge_destroy(&merge);
}

static void what_workers_send_wrongly_is_refused(void **state) {
    (void)state;
    rvc_plan_t plan = select_plan(0);
    rvc_merge_t *merge = NULL;
    rv_error_t err;
    rvc_merge_new(&plan, 1, &merge, NULL);
    push(merge, 0, "ba");
    assert_int_equal(rvc_merge_advance(merge, &err), RV_INTERNAL); /* not sorted */
    rvc_merge_destroy(&merge);
    rvc_merge_new(&plan, 1, &merge, NULL);
    push(merge, 0, "c");
    push(merge, 0, "b");
    assert_int_equal(rvc_merge_advance(merge, &err), RV_INTERNAL); /* nor from page to page */
    rvc_page_t *page = rows_page("cd");
    plan.n_outputs = 1; /* one field was asked for, two came */
    assert_int_equal(rvc_merge_push(merge, 0, &page, &err), RV_INTERNAL);
    rvc_page_destroy(&page);
    plan.n_outputs = 2;
    outputs[1].type = RV_DOUBLE;
    page = rows_page("cd");
    assert_int_equal(rvc_merge_push(merge, 0, &page, &err), RV_INTERNAL);
    rvc_page_destroy(&page);
    rvc_merge_destroy(&merge);
    assert_int_equal(rvc_page_open((const uint8_t *)"\x1a\x7f", 2, &page, &err), RV_INVALID_ARGUMENT);
}

static void pages_of_a_select_respect_rows_and_limit(void **state) {
    (void)state;
    char keys[61] = "";
    for (size_t i = 0; i < 60; i++)
        keys[i] = (char)('0' + i);
    for (uint64_t limit = 0; limit < 70; limit += 23) {
        rvc_plan_t plan = select_plan(limit);
        rvc_merge_t *merge = NULL;
        rvc_answer_t *answer = NULL;
        Reveille__V1__Coverage coverage = REVEILLE__V1__COVERAGE__INIT;
        size_t rows = 0;
        rvc_merge_new(&plan, 1, &merge, NULL);
        assert_int_equal(rvc_answer_new(&plan, &answer, NULL), RV_OK);
        push(merge, 0, keys);
        rvc_merge_end(merge, 0);
        for (rvc_answer_state_t filled = RVC_ANSWER_FULL; filled != RVC_ANSWER_END;) {
            assert_int_equal(rvc_answer_fill(answer, merge, &filled, NULL), RV_OK);
            const Reveille__V1__SelectResponse *page = (const Reveille__V1__SelectResponse *)rvc_answer_message(
                answer, filled == RVC_ANSWER_END ? &coverage : NULL);
            assert_true(page->rows <= RV_PAGE_ROWS);
            assert_int_equal(page->n_columns, 2);
            for (size_t i = 0; i < page->rows; i++)
                assert_int_equal(page->columns[1]->ints[i], keys[rows + i]);
            rows += page->rows;
            rvc_answer_reset(answer);
        }
        assert_int_equal(rows, limit && limit < 60 ? limit : 60);
        rvc_answer_destroy(&answer);
        rvc_merge_destroy(&merge);
    }
}

static void a_limit_counts_the_rows_of_all_pages(void **state) {
    (void)state;
    rvc_plan_t plan = select_plan(RV_PAGE_ROWS + 5);
    rvc_merge_t *merge = NULL;
    rvc_answer_t *answer = NULL;
    size_t rows = 0;
    rvc_merge_new(&plan, 1, &merge, NULL);
    assert_int_equal(rvc_answer_new(&plan, &answer, NULL), RV_OK);
    for (size_t n = 0; n < RV_PAGE_ROWS + 20; n += 20)
        push(merge, 0, "aaaaaaaaaaaaaaaaaaaa");
    rvc_merge_end(merge, 0);
    for (rvc_answer_state_t filled = RVC_ANSWER_FULL; filled != RVC_ANSWER_END;) {
        assert_int_equal(rvc_answer_fill(answer, merge, &filled, NULL), RV_OK);
        rows += ((const Reveille__V1__SelectResponse *)rvc_answer_message(answer, NULL))->rows;
        rvc_answer_reset(answer);
    }
    assert_int_equal(rows, RV_PAGE_ROWS + 5);
    rvc_answer_destroy(&answer);
    rvc_merge_destroy(&merge);
}

/* A page of groups by one INT: keys[i] with count counts[i]. */
static rvc_page_t *groups_page(const int64_t *keys, const uint64_t *counts, size_t n, bool keyed) {
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__GroupsPartial groups = REVEILLE__V1__GROUPS_PARTIAL__INIT;
    Reveille__V1__StringColumn columns[2] = {REVEILLE__V1__STRING_COLUMN__INIT, REVEILLE__V1__STRING_COLUMN__INIT};
    rv_bytes_t bytes[2] = {{0}, {0}};
    uint32_t lengths[2][32];
    for (size_t i = 0; i < n; i++) {
        _Alignas(16) unsigned char room[4096];
        rv_agg_t *agg = (rv_agg_t *)(void *)room;
        rv_value_t value = {.present = keys[i] >= 0, .i = keys[i]};
        size_t before[2] = {bytes[0].n, bytes[1].n};
        assert_true(rv_agg_size(&measures[0]) <= sizeof room);
        rv_agg_init(&measures[0], agg);
        rv_agg_add_rows(&measures[0], agg, counts[i]);
        assert_int_equal(rv_agg_pack(&measures[0], agg, &bytes[1]), RV_OK);
        rv_agg_done(&measures[0], agg);
        if (keyed)
            assert_true(rv_value_encode(RV_INT, &value, false, &bytes[0]));
        for (size_t k = 0; k < 2; k++)
            lengths[k][i] = (uint32_t)(bytes[k].n - before[k]);
    }
    for (size_t k = 0; k < 2; k++) {
        columns[k].data.data = bytes[k].p;
        columns[k].data.len = bytes[k].n;
        columns[k].n_lengths = n;
        columns[k].lengths = lengths[k];
    }
    groups.keys = &columns[0];
    groups.states = &columns[1];
    response.partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_GROUPS;
    response.groups = &groups;
    uint8_t *packed;
    size_t packed_n;
    rvc_page_t *page = NULL;
    assert_int_equal(rv_wire_pack(&response.base, &packed, &packed_n), RV_OK);
    assert_int_equal(rvc_page_open(packed, packed_n, &page, NULL), RV_OK);
    free(packed);
    rv_bytes_done(&bytes[0]);
    rv_bytes_done(&bytes[1]);
    return page;
}

static rvc_plan_t groups_plan(rvc_plan_kind_t kind, size_t n_by) {
    measures[0] = (rv_measure_t){.kind = REVEILLE__V1__MEASURE_KIND__MEASURE_KIND_COUNT};
    outputs[0] = (rvc_output_t){"n", RV_INT, 0};
    outputs[n_by] = (rvc_output_t){"count", RV_INT, 0};
    return (rvc_plan_t){
        .kind = kind, .outputs = outputs, .n_outputs = n_by + 1, .n_by = n_by, .measures = measures, .n_measures = 1};
}

static void groups_of_all_workers_are_combined_and_missing_comes_last(void **state) {
    (void)state;
    rvc_plan_t plan = groups_plan(RVC_PLAN_AGGREGATE, 1);
    rvc_merge_t *merge = NULL;
    rvc_answer_t *answer = NULL;
    rvc_merge_new(&plan, 2, &merge, NULL);
    rvc_answer_new(&plan, &answer, NULL);
    rvc_page_t *page = groups_page((const int64_t[]){1, 5, -1}, (const uint64_t[]){10, 20, 30}, 3, true);
    assert_int_equal(rvc_merge_push(merge, 0, &page, NULL), RV_OK);
    page = groups_page((const int64_t[]){1, 2, 5, -1}, (const uint64_t[]){1, 2, 3, 4}, 4, true);
    assert_int_equal(rvc_merge_push(merge, 1, &page, NULL), RV_OK);
    rvc_merge_end(merge, 0);
    rvc_merge_end(merge, 1);
    const int64_t want_keys[] = {1, 2, 5, 0}, want_counts[] = {11, 2, 23, 34};
    size_t rows = 0;
    for (rvc_answer_state_t filled = RVC_ANSWER_FULL; filled != RVC_ANSWER_END;) {
        assert_int_equal(rvc_answer_fill(answer, merge, &filled, NULL), RV_OK);
        const Reveille__V1__AggregateResponse *out =
            (const Reveille__V1__AggregateResponse *)rvc_answer_message(answer, NULL);
        for (size_t i = 0; i < out->rows; i++, rows++) {
            bool present = !out->columns[0]->present.len || (out->columns[0]->present.data[i / 8] >> (i % 8) & 1);
            assert_int_equal(present, rows < 3);
            assert_int_equal(out->columns[0]->ints[i], want_keys[rows]);
            assert_int_equal(out->columns[1]->ints[i], want_counts[rows]);
        }
        rvc_answer_reset(answer);
    }
    assert_int_equal(rows, 4);
    rvc_answer_destroy(&answer);
    rvc_merge_destroy(&merge);
}

static void without_groups_there_is_one_row_even_over_nobody(void **state) {
    (void)state;
    for (int with = 0; with < 2; with++) {
        rvc_plan_t plan = groups_plan(RVC_PLAN_AGGREGATE, 0);
        rvc_merge_t *merge = NULL;
        rvc_answer_t *answer = NULL;
        rvc_answer_state_t filled;
        rvc_merge_new(&plan, 1, &merge, NULL);
        rvc_answer_new(&plan, &answer, NULL);
        if (with) {
            rvc_page_t *page = groups_page((const int64_t[]){0}, (const uint64_t[]){7}, 1, false);
            assert_int_equal(rvc_merge_push(merge, 0, &page, NULL), RV_OK);
        }
        rvc_merge_end(merge, 0);
        assert_int_equal(rvc_answer_fill(answer, merge, &filled, NULL), RV_OK);
        assert_int_equal(filled, RVC_ANSWER_END);
        const Reveille__V1__AggregateResponse *out =
            (const Reveille__V1__AggregateResponse *)rvc_answer_message(answer, NULL);
        assert_int_equal(out->rows, 1);
        assert_int_equal(out->columns[0]->ints[0], with ? 7 : 0);
        rvc_answer_destroy(&answer);
        rvc_merge_destroy(&merge);
    }
}

static void bytes_behind_a_state_are_refused(void **state) {
    (void)state;
    rvc_plan_t plan = groups_plan(RVC_PLAN_AGGREGATE, 1);
    rvc_merge_t *merge = NULL;
    rvc_answer_t *answer = NULL;
    rvc_answer_state_t filled;
    rv_error_t err;
    rvc_merge_new(&plan, 1, &merge, NULL);
    rvc_answer_new(&plan, &answer, NULL);
    rvc_page_t *page = groups_page((const int64_t[]){1}, (const uint64_t[]){10}, 1, true);
    assert_int_equal(rvc_merge_push(merge, 0, &page, NULL), RV_OK);
    rvc_merge_end(merge, 0);
    plan.n_measures = 0; /* a state came, and none was asked for */
    plan.n_outputs = 1;
    assert_int_equal(rvc_answer_fill(answer, merge, &filled, &err), RV_INTERNAL);
    rvc_answer_destroy(&answer);
    rvc_merge_destroy(&merge);
}

static void a_funnel_counts_who_reached_at_least_each_step(void **state) {
    (void)state;
    const char *names[] = {"A", "B", "C"};
    rvc_plan_t plan = groups_plan(RVC_PLAN_FUNNEL, 1);
    rvc_merge_t *merge = NULL;
    rvc_answer_t *answer = NULL;
    rvc_answer_state_t filled;
    plan.names = names;
    plan.n_names = 3;
    rvc_merge_new(&plan, 1, &merge, NULL);
    rvc_answer_new(&plan, &answer, NULL);
    rvc_page_t *page = groups_page((const int64_t[]){0, 1, 2, 3}, (const uint64_t[]){100, 40, 20, 5}, 4, true);
    assert_int_equal(rvc_merge_push(merge, 0, &page, NULL), RV_OK);
    rvc_merge_end(merge, 0);
    assert_int_equal(rvc_answer_fill(answer, merge, &filled, NULL), RV_OK);
    assert_int_equal(filled, RVC_ANSWER_END);
    const Reveille__V1__FunnelResponse *out = (const Reveille__V1__FunnelResponse *)rvc_answer_message(answer, NULL);
    assert_int_equal(out->n_steps, 3);
    assert_int_equal(out->steps[0]->contacts, 65);
    assert_int_equal(out->steps[1]->contacts, 25);
    assert_int_equal(out->steps[2]->contacts, 5);
    assert_string_equal(out->steps[2]->step, "C");
    rvc_answer_destroy(&answer);
    rvc_merge_destroy(&merge);
}

static void retention_adds_cohorts_of_all_workers(void **state) {
    (void)state;
    rvc_plan_t plan = {.kind = RVC_PLAN_RETENTION, .cohort_ms = 1000, .periods = 2};
    rvc_tally_t *tally = NULL;
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__RetentionPartial partial = REVEILLE__V1__RETENTION_PARTIAL__INIT;
    Reveille__V1__Coverage coverage = REVEILLE__V1__COVERAGE__INIT;
    assert_int_equal(rvc_tally_new(&plan, &tally, NULL), RV_OK);
    response.partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_RETENTION;
    response.retention = &partial;
    partial.n_cohorts = partial.n_sizes = 2;
    partial.n_contacts = 4;
    partial.cohorts = (int64_t[]){-3, 7};
    partial.sizes = (uint64_t[]){10, 20};
    partial.contacts = (uint64_t[]){1, 2, 3, 4};
    assert_int_equal(rvc_tally_add(tally, &response, NULL), RV_OK);
    partial.cohorts = (int64_t[]){5, 7};
    partial.contacts = (uint64_t[]){9, 9, 1, 1};
    assert_int_equal(rvc_tally_add(tally, &response, NULL), RV_OK);
    partial.n_contacts = 3;
    assert_int_equal(rvc_tally_add(tally, &response, NULL), RV_INTERNAL);
    const struct {
        int64_t cohort;
        uint64_t contacts, size;
    } want[] = {{-3000, 1, 10}, {-3000, 2, 10}, {5000, 9, 10}, {5000, 9, 10}, {7000, 4, 40}, {7000, 5, 40}};
    size_t rows = 0;
    for (bool last = false; !last;) {
        const ProtobufCMessage *message;
        assert_int_equal(rvc_tally_next(tally, &coverage, &message, &last, NULL), RV_OK);
        const Reveille__V1__RetentionResponse *page = (const Reveille__V1__RetentionResponse *)message;
        assert_int_equal(page->coverage != NULL, last);
        for (size_t i = 0; i < page->n_rows; i++, rows++) {
            assert_int_equal(page->rows[i]->cohort_ms, want[rows].cohort);
            assert_int_equal(page->rows[i]->period, rows % 2);
            assert_int_equal(page->rows[i]->contacts, want[rows].contacts);
            assert_int_equal(page->rows[i]->cohort_size, want[rows].size);
        }
    }
    assert_int_equal(rows, 6);
    rvc_tally_destroy(&tally);
}

static void an_overlap_is_a_sum_of_matrices(void **state) {
    (void)state;
    const char *names[] = {"a", "b"};
    rvc_plan_t plan = {.kind = RVC_PLAN_OVERLAP, .names = names, .n_names = 2};
    rvc_tally_t *tally = NULL;
    Reveille__V1__QueryResponse response = REVEILLE__V1__QUERY_RESPONSE__INIT;
    Reveille__V1__OverlapPartial partial = REVEILLE__V1__OVERLAP_PARTIAL__INIT;
    const ProtobufCMessage *message;
    bool last;
    rvc_tally_new(&plan, &tally, NULL);
    response.partial_case = REVEILLE__V1__QUERY_RESPONSE__PARTIAL_OVERLAP;
    response.overlap = &partial;
    partial.n_counts = 4;
    partial.counts = (uint64_t[]){5, 2, 2, 7};
    rvc_tally_add(tally, &response, NULL);
    assert_int_equal(rvc_tally_add(tally, &response, NULL), RV_OK);
    assert_int_equal(rvc_tally_next(tally, NULL, &message, &last, NULL), RV_OK);
    const Reveille__V1__OverlapResponse *out = (const Reveille__V1__OverlapResponse *)message;
    assert_true(last);
    assert_int_equal(out->sizes[0]->count, 10);
    assert_int_equal(out->sizes[1]->count, 14);
    assert_int_equal(out->n_pairs, 1);
    assert_int_equal(out->pairs[0]->count, 4);
    rvc_tally_destroy(&tally);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_merged_as_far_as_all_have_spoken),
        cmocka_unit_test(any_cut_gives_the_same_order),
        cmocka_unit_test(a_source_can_be_dropped_before_it_gave_anything),
        cmocka_unit_test(what_comes_after_a_discard_is_used_up),
        cmocka_unit_test(what_workers_send_wrongly_is_refused),
        cmocka_unit_test(pages_of_a_select_respect_rows_and_limit),
        cmocka_unit_test(a_limit_counts_the_rows_of_all_pages),
        cmocka_unit_test(groups_of_all_workers_are_combined_and_missing_comes_last),
        cmocka_unit_test(without_groups_there_is_one_row_even_over_nobody),
        cmocka_unit_test(bytes_behind_a_state_are_refused),
        cmocka_unit_test(a_funnel_counts_who_reached_at_least_each_step),
        cmocka_unit_test(retention_adds_cohorts_of_all_workers),
        cmocka_unit_test(an_overlap_is_a_sum_of_matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

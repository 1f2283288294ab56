/* test_expr_program.c: a program from the wire is refused unless it holds every promise of program.proto. Each test
 * takes a program that is right, spoils one thing, and expects the refusal. */
#include "expr_catalog.h"
#include "reveille/expr.h"
#include "reveille/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OP(name) REVEILLE__V1__OP__OP_##name
typedef Reveille__V1__Program program_t;
typedef Reveille__V1__Node node_t;

static const char RIGHT[] =
    "count(nps where score > 3 from (birthday) to 2026-10-01) > 1 and sum(value of purchase within 3 days) > 2.5 and "
    "age in (1, 2) and bucket(recency(nps), 1 day, 2 days) = 1 and country like 'x%' and split('s', 9) < 3 and "
    "funnel(nps then purchase where flag in 1 day within 9 days) > 1 and score(engagement) at (signed_up_at) > 3 and "
    "coalesce(age, ltv) + weight > 1 and not email_consent and company.employees > 1 and contact != '' and "
    "lower(seniority) = 'c' and round(ltv) = 1 and exists(nps where hour > 3) at 3 days ago and "
    "coalesce(count(nps), 1) at (birthday) > 1 and ltv between 0.5 and 2";

static rv_catalog_t *catalog;
static rv_builder_t *builder;
static rv_arena_t arena;
static program_t *program; /* a copy, to be spoiled */
static rv_error_t err;

static int open_program(void **state) {
    (void)state;
    uint32_t filter;
    const program_t *built;
    catalog = rvt_expr_catalog();
    rv_arena_init(&arena, 8u << 20);
    if (rv_builder_new(catalog, RVT_NOW, NULL, &builder, &err) != RV_OK ||
        rv_builder_filter(builder, "filter", RIGHT, &filter, &err) != RV_OK ||
        rv_builder_finish(builder, &built, &err) != RV_OK)
        return -1;
    size_t n = reveille__v1__program__get_packed_size(built);
    uint8_t *bytes = rv_arena_alloc(&arena, n);
    reveille__v1__program__pack(built, bytes);
    program = reveille__v1__program__unpack(&arena.protobuf, n, bytes);
    return program ? 0 : -1;
}

static int close_program(void **state) {
    (void)state;
    rv_builder_destroy(&builder);
    rv_catalog_unref(&catalog);
    rv_arena_done(&arena);
    return 0;
}

static bool right(void) {
    rv_status_t status = rv_program_check(program, catalog, &err);
    if (status != RV_OK) {
        assert_int_equal(status, RV_INVALID_ARGUMENT);
        assert_int_equal(err.reason, RV_REASON_REQUEST);
    }
    return status == RV_OK;
}

/* The first node of an operation. */
static node_t *node(Reveille__V1__Op op) {
    for (size_t i = 0; i < program->n_nodes; i++)
        if (program->nodes[i]->op == op)
            return program->nodes[i];
    fail_msg("the program has no node of operation %d", (int)op);
    return NULL;
}

static void what_the_compiler_makes_is_right(void **state) {
    (void)state;
    assert_true(right());
}

static void arguments_come_earlier(void **state) {
    (void)state;
    for (size_t i = 0; i < program->n_nodes; i++) {
        node_t *each = program->nodes[i];
        for (size_t k = 0; k < each->n_args; k++) {
            uint32_t kept = each->args[k];
            each->args[k] = (uint32_t)i;
            assert_false(right());
            each->args[k] = UINT32_MAX;
            assert_false(right());
            each->args[k] = kept;
        }
    }
    assert_true(right());
}

static void every_node_needs_its_arguments(void **state) {
    (void)state;
    for (size_t i = 0; i < program->n_nodes; i++) {
        node_t *each = program->nodes[i];
        bool many = each->op == OP(AND) || each->op == OP(OR) || each->op == OP(COALESCE) || each->op == OP(SCORE);
        size_t kept = each->n_args;
        each->n_args = 0;
        assert_true(kept == 0 || !right());
        each->n_args = kept;
        if (!many && kept > 0 && i > 3) {
            uint32_t more[8] = {0}, *args = each->args;
            memcpy(more, args, kept * sizeof *more);
            each->args = more;
            each->n_args = kept + 1;
            assert_false(right());
            each->args = args;
            each->n_args = kept;
        }
    }
    assert_true(right());
}

static void every_node_gives_its_type(void **state) {
    (void)state;
    for (size_t i = 0; i < program->n_nodes; i++) {
        node_t *each = program->nodes[i];
        rv_type_t kept = each->type;
        for (int type = 0; type <= RV_DURATION + 1; type++) {
            each->type = (rv_type_t)type;
            assert_true(each->type == kept || !right());
        }
        each->type = kept;
        each->scale += 7;
        assert_false(right() && each->type != RV_DECIMAL);
        each->scale = 400;
        assert_false(right());
        each->scale = 0;
        if (each->type == RV_DECIMAL)
            each->scale = 2;
    }
}

static void unknown_operations_and_numbers_are_refused(void **state) {
    (void)state;
    static const Reveille__V1__Op ops[] = {
        OP(ATTRIBUTE), OP(COMPANY_ATTRIBUTE), OP(PROPERTY), OP(EVENT_FIELD), OP(COUNT), OP(SUM), OP(FUNNEL), OP(SCORE)};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        node_t *each = node(ops[i]);
        uint32_t kept = each->ref;
        each->ref = 999;
        assert_false(right());
        each->ref = kept;
    }
    static const int unknown[] = {0, 8, 9, 15, 31, 64, 83, 1000, -1};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        node_t *each = node(OP(LITERAL));
        each->op = (Reveille__V1__Op)unknown[i];
        assert_false(right());
        each->op = OP(LITERAL);
    }
    node(OP(SPLIT))->ref = 0;
    assert_false(right());
}

static void constants_are_of_their_type(void **state) {
    (void)state;
    Reveille__V1__Value text = REVEILLE__V1__VALUE__INIT;
    text.kind_case = REVEILLE__V1__VALUE__KIND_STRING_VALUE;
    text.string_value = (char *)(uintptr_t) "\xff";
    node(OP(LIKE))->literal = &text;
    assert_false(right());
    text.string_value = (char *)(uintptr_t) "fine";
    assert_true(right());
    node(OP(LIKE))->literal = NULL;
    assert_false(right());
    node(OP(LIKE))->literal = &text;
    Reveille__V1__Value *kept = node(OP(IN))->list[1];
    node(OP(IN))->list[1] = &text;
    assert_false(right());
    node(OP(IN))->list[1] = kept;
    kept = node(OP(BUCKET))->list[0];
    node(OP(BUCKET))->list[0] = node(OP(BUCKET))->list[1];
    assert_false(right());
    node(OP(BUCKET))->list[0] = kept;
    for (size_t i = 0; i < program->n_nodes; i++)
        if (program->nodes[i]->type == RV_DECIMAL && program->nodes[i]->op == OP(LITERAL)) {
            program->nodes[i]->literal->decimal_value = (char *)(uintptr_t) "1e5";
            assert_false(right());
            program->nodes[i]->literal->decimal_value = (char *)(uintptr_t) "1.2345";
            assert_false(right());
            program->nodes[i]->literal->decimal_value = (char *)(uintptr_t) "7.5";
        }
    assert_true(right());
}

static void selections_refer_to_what_comes_before_them(void **state) {
    (void)state;
    uint32_t last = (uint32_t)program->n_nodes;
    for (size_t i = 0; i < program->n_selections; i++) {
        Reveille__V1__Selection *each = program->selections[i];
        uint32_t where = each->where, hi = each->hi->node;
        each->where = last;
        assert_false(right());
        each->where = UINT32_MAX;
        assert_false(right());
        each->where = where;
        each->hi->node = last;
        assert_false(right());
        each->hi->node = 0;
        assert_false(right());
        each->hi->node = hi;
        Reveille__V1__Bound *bound = each->hi;
        each->hi = NULL;
        assert_false(right());
        each->hi = bound;
        uint32_t type = each->types[0];
        each->types[0] = 999;
        assert_false(right());
        each->types[0] = type;
    }
    assert_true(right());
}

static void bounds_are_times_of_contacts(void **state) {
    (void)state;
    uint32_t number = 0, event = 0;
    for (uint32_t i = 0; i < program->n_nodes; i++) {
        if (program->nodes[i]->type == RV_INT && program->nodes[i]->op == OP(LITERAL))
            number = i + 1;
        if (program->nodes[i]->op == OP(EVENT_FIELD) && program->nodes[i]->type == RV_TIME)
            event = i + 1;
    }
    assert_true(number > 0 && event > 0);
    Reveille__V1__Selection *last = program->selections[program->n_selections - 1];
    last->hi->node = number;
    assert_false(right());
    last->hi->node = event;
    assert_false(right());
}

static void funnels_and_scores_are_whole(void **state) {
    (void)state;
    Reveille__V1__Funnel *funnel = program->funnels[0];
    funnel->n_steps = 1;
    assert_false(right());
    funnel->n_steps = 2;
    funnel->within_ms = -1;
    assert_false(right());
    funnel->within_ms = 0;
    Reveille__V1__Bound *until = funnel->until;
    funnel->until = NULL;
    assert_false(right());
    funnel->until = until;
    funnel->steps[1]->types[0] = 999;
    assert_false(right());
    funnel->steps[1]->types[0] = funnel->steps[0]->types[0];
    assert_true(right());
    Reveille__V1__ProgramScore *score = program->scores[0];
    score->half_life_ms = 0;
    assert_false(right());
    score->half_life_ms = 1;
    double kept = score->points[1]->points;
    score->points[1]->points = 1.0 / 0.0 * (double)score->n_points;
    assert_false(right());
    score->points[1]->points = kept;
    score->points[1]->type = score->points[0]->type;
    assert_false(right());
}

static void the_population_is_a_condition(void **state) {
    (void)state;
    uint32_t kept = program->population;
    program->population = (uint32_t)program->n_nodes + 1;
    assert_false(right());
    program->population = 1; /* a literal */
    assert_false(right());
    program->population = kept;
    assert_true(right());
    program->population = 0;
    assert_true(right());
}

static void nothing_is_larger_than_allowed(void **state) {
    (void)state;
    node_t **nodes = rv_arena_zalloc(&arena, RV_MAX_NODES + 1, sizeof *nodes);
    for (size_t i = 0; i <= RV_MAX_NODES; i++)
        nodes[i] = program->nodes[0];
    program->nodes = nodes;
    program->n_nodes = RV_MAX_NODES + 1;
    assert_false(right());
}

static void domains_are_the_widest_of_the_arguments(void **state) {
    (void)state;
    uint8_t domains[RV_MAX_NODES];
    rv_program_domains(program, domains);
    for (size_t i = 0; i < program->n_nodes; i++) {
        const node_t *each = program->nodes[i];
        if (each->op == OP(LITERAL))
            assert_int_equal(domains[i], 0);
        if (each->op == OP(ATTRIBUTE) || each->op == OP(SPLIT) || each->op >= OP(COUNT))
            assert_int_equal(domains[i], 1);
        if (each->op == OP(PROPERTY) || each->op == OP(HOUR))
            assert_int_equal(domains[i], 2);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_program, close_program)
    const struct CMUnitTest tests[] = {
        TEST(what_the_compiler_makes_is_right),
        TEST(arguments_come_earlier),
        TEST(every_node_needs_its_arguments),
        TEST(every_node_gives_its_type),
        TEST(unknown_operations_and_numbers_are_refused),
        TEST(constants_are_of_their_type),
        TEST(selections_refer_to_what_comes_before_them),
        TEST(bounds_are_times_of_contacts),
        TEST(funnels_and_scores_are_whole),
        TEST(the_population_is_a_condition),
        TEST(nothing_is_larger_than_allowed),
        TEST(domains_are_the_widest_of_the_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

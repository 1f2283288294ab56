/* What of the log is needed: random operations against a list of records that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/chains.h"

#define PARTITIONS 4u
#define MOST 20000u

typedef struct {
    uint32_t partition;
    uint64_t lsn, group;
    bool gone;
} plain_t;

typedef struct {
    rvw_chains_t *chains;
    plain_t plain[MOST];
    size_t n;
    uint64_t group, last[PARTITIONS], trimmed[PARTITIONS], from[PARTITIONS];
    bool known[PARTITIONS];
} world_t;

static uint64_t random_state;

static uint64_t below(uint64_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

static size_t needed(const world_t *world, uint64_t group) {
    size_t n = 0;
    for (size_t i = 0; i < world->n; i++) {
        n += !world->plain[i].gone && world->plain[i].group == group;
    }
    return n;
}

/* A group of records of one to four partitions; sometimes taken back, sometimes with a hole. */
static void add_group(world_t *world) {
    world_t before = *world;
    rv_error_t err;
    world->group += 1 + below(2);
    for (uint64_t i = 1 + below(6); i; i--) {
        uint32_t p = (uint32_t)below(PARTITIONS);
        uint64_t lsn = world->last[p] + 1 + (below(50) == 0 ? below(3) : 0);
        if (!world->known[p]) {
            assert_int_equal(rvw_chains_add(world->chains, p, lsn, world->group, &err), RV_INTERNAL);
            continue;
        }
        assert_int_equal(rvw_chains_add(world->chains, p, lsn, world->group, &err), RV_OK);
        assert_int_equal(rvw_chains_add(world->chains, p, lsn, world->group, &err), RV_INTERNAL);
        world->plain[world->n++] = (plain_t){p, lsn, world->group, false};
        world->last[p] = lsn;
    }
    if (below(5) == 0) {
        rvw_chains_undo(world->chains, world->group);
        *world = before;
    }
}

typedef struct {
    uint64_t groups[MOST];
    size_t n;
} spent_t;

static rv_status_t note_spent(void *context, uint64_t group) {
    spent_t *spent = context;
    spent->groups[spent->n++] = group;
    return RV_OK;
}

static void trim(world_t *world, uint32_t p, uint64_t lsn) {
    static spent_t spent;
    spent.n = 0;
    assert_int_equal(rvw_chains_spent(world->chains, p, lsn, note_spent, &spent), RV_OK);
    size_t expected = 0, gone[MOST];
    for (size_t i = 0; i < world->n; i++) {
        plain_t *plain = &world->plain[i];
        if (!plain->gone && plain->partition == p && plain->lsn <= lsn) {
            plain->gone = true;
            if (needed(world, plain->group) == 0) {
                gone[expected++] = i;
            }
        }
    }
    assert_int_equal(spent.n, expected);
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(spent.groups[i], world->plain[gone[i]].group);
    }
    rvw_chains_drop(world->chains, p, lsn);
    world->trimmed[p] = lsn > world->last[p] ? world->last[p] : lsn > world->trimmed[p] ? lsn : world->trimmed[p];
}

static void come_or_go(world_t *world, uint32_t p) {
    if (world->known[p]) {
        trim(world, p, UINT64_MAX);
        rvw_chains_release(world->chains, p);
        world->last[p] = world->trimmed[p] = world->from[p] = 0;
    } else {
        world->last[p] = world->trimmed[p] = below(100);
        world->from[p] = world->group + 1;
        rvw_chains_adopt(world->chains, p, world->trimmed[p], world->from[p]);
    }
    world->known[p] = !world->known[p];
}

static void compare(const world_t *world) {
    uint32_t next = UINT32_MAX;
    for (uint32_t p = PARTITIONS; p-- > 0;) {
        next = world->known[p] ? p : next;
        assert_int_equal(rvw_chains_next(world->chains, p), next);
        assert_int_equal(rvw_chains_last(world->chains, p), world->last[p]);
        assert_int_equal(rvw_chains_trimmed(world->chains, p), world->trimmed[p]);
        assert_int_equal(rvw_chains_from(world->chains, p), world->from[p]);
        assert_int_equal(rvw_chains_group(world->chains, p, world->last[p] + 1), 0);
        assert_int_equal(rvw_chains_needs(world->chains, p, world->trimmed[p], UINT64_MAX), false);
        assert_int_equal(rvw_chains_needs(world->chains, p, UINT64_MAX, world->from[p]), world->known[p]);
        assert_false(world->from[p] && rvw_chains_needs(world->chains, p, UINT64_MAX, world->from[p] - 1));
        for (uint64_t lsn = world->trimmed[p] ? world->trimmed[p] - 1 : 0; lsn <= world->last[p]; lsn++) {
            uint64_t group = 0;
            for (size_t i = 0; i < world->n && !group; i++) {
                const plain_t *plain = &world->plain[i];
                group = !plain->gone && plain->partition == p && plain->lsn == lsn ? plain->group : 0;
            }
            assert_int_equal(rvw_chains_group(world->chains, p, lsn), group);
        }
    }
}

static void random_operations_agree_with_a_list(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        world_t *world = calloc(1, sizeof *world);
        world->chains = rvw_chains_new();
        random_state = seed;
        for (int step = 0; step < 300; step++) {
            uint32_t p = (uint32_t)below(PARTITIONS);
            switch (below(12)) {
            case 0:
                come_or_go(world, p);
                break;
            case 1:
            case 2:
                trim(world, p, world->trimmed[p] + below(world->last[p] - world->trimmed[p] + 3));
                break;
            default:
                add_group(world);
            }
            compare(world);
        }
        rvw_chains_destroy(&world->chains);
        free(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations_agree_with_a_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

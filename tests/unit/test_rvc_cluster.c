/* Decisions about workers and partitions, as tables of events and what follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/cluster.h"

static const uint8_t ID[16] = "0123456789abcde";
static const uint8_t OTHER[16] = "another cluster";

/* A registration of `name` that reports the partitions of a list ended by -1. */
static rv_status_t join(rvc_cluster_t *cluster, const char *name, uint64_t incarnation, const int *held, int64_t now,
                        rvc_registration_t *ret, rv_error_t *err) {
    Reveille__V1__PartitionReport reports[64], *list[64];
    Reveille__V1__PartitionStatus statuses[64];
    Reveille__V1__RegisterWorkerRequest request = REVEILLE__V1__REGISTER_WORKER_REQUEST__INIT;
    request.name = (char *)(uintptr_t)name;
    request.incarnation = incarnation;
    for (size_t i = 0; held && held[i] >= 0; i++) {
        reveille__v1__partition_report__init(&reports[i]);
        reveille__v1__partition_status__init(&statuses[i]);
        statuses[i].partition = (uint32_t)held[i];
        statuses[i].lsn = 7;
        reports[i].status = &statuses[i];
        reports[i].epoch = 1;
        list[request.n_partitions++] = &reports[i];
    }
    request.partitions = list;
    return rvc_cluster_register(cluster, &request, now, ret, err);
}

/* The worker confirms all its partitions, but for one that it reports as damaged (-1: none). */
static bool confirm(rvc_cluster_t *cluster, uint32_t slot, int damaged) {
    Reveille__V1__PartitionReport reports[64], *list[64];
    Reveille__V1__PartitionStatus statuses[64];
    Reveille__V1__AssignResponse response = REVEILLE__V1__ASSIGN_RESPONSE__INIT;
    for (uint32_t p = 0; p < rvc_cluster_partitions(cluster); p++) {
        if (rvc_cluster_partition(cluster, p)->worker != slot)
            continue;
        size_t i = response.n_partitions++;
        reveille__v1__partition_report__init(&reports[i]);
        reveille__v1__partition_status__init(&statuses[i]);
        statuses[i].partition = p;
        statuses[i].problem = (int)p == damaged ? "a checksum does not hold" : "";
        reports[i].status = &statuses[i];
        list[i] = &reports[i];
    }
    response.partitions = list;
    return rvc_cluster_assigned(cluster, slot, &response, 1);
}

static rvc_cluster_t *fresh(uint32_t partitions) {
    static const rvc_placement_t EMPTY[64];
    return rvc_cluster_new(ID, partitions, EMPTY, 0);
}

/* A cluster whose map says: even partitions on worker-1, odd ones on worker-2, created, epoch 1. */
static rvc_cluster_t *known(uint32_t partitions) {
    rvc_placement_t map[64] = {0};
    for (uint32_t p = 0; p < partitions; p++)
        map[p] = (rvc_placement_t){
            .worker = {'w', 'o', 'r', 'k', 'e', 'r', '-', p % 2 ? '2' : '1'}, .epoch = 1, .created = true};
    return rvc_cluster_new(ID, partitions, map, 0);
}

static void a_new_cluster_is_placed_when_all_workers_are_there(void **state) {
    (void)state;
    rvc_cluster_t *cluster = fresh(5);
    rvc_registration_t registration;
    assert_int_equal(join(cluster, "worker-10", 1, NULL, 0, &registration, NULL), RV_OK);
    assert_false(rvc_cluster_place(cluster, 2));
    assert_int_equal(join(cluster, "worker-2", 1, NULL, 0, &registration, NULL), RV_OK);
    assert_true(rvc_cluster_place(cluster, 2));
    assert_false(rvc_cluster_place(cluster, 2));
    for (uint32_t p = 0; p < 5; p++) {
        const rvc_partition_t *partition = rvc_cluster_partition(cluster, p);
        assert_string_equal(rvc_cluster_worker(cluster, partition->worker)->name, p % 2 ? "worker-10" : "worker-2");
        assert_int_equal(partition->epoch, 1);
        assert_false(partition->created);
    }
    assert_false(rvc_cluster_ready(cluster));
    assert_true(confirm(cluster, 0, -1));
    assert_true(confirm(cluster, 1, -1));
    assert_true(rvc_cluster_ready(cluster));
    assert_false(confirm(cluster, 1, -1));
    rvc_cluster_destroy(&cluster);
}

static void a_worker_is_refused_when_it_is_not_ours(void **state) {
    (void)state;
    const struct {
        const char *name;
        const uint8_t *id;
        size_t id_n;
        uint64_t incarnation;
        rv_reason_t reason;
    } cases[] = {{"worker-1", OTHER, 16, 9, RV_REASON_FOREIGN},
                 {"worker-1", ID, 15, 9, RV_REASON_FOREIGN},
                 {"", NULL, 0, 9, RV_REASON_FIELD},
                 {"a/b", NULL, 0, 9, RV_REASON_FIELD},
                 {"a worker", NULL, 0, 9, RV_REASON_FIELD},
                 {"worker-1", ID, 16, 4, RV_REASON_FOREIGN},
                 {"worker-1", ID, 16, 5, RV_REASON_NONE}};
    rvc_cluster_t *cluster = fresh(2);
    rvc_registration_t registration;
    assert_int_equal(join(cluster, "worker-1", 5, NULL, 0, &registration, NULL), RV_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reveille__V1__RegisterWorkerRequest request = REVEILLE__V1__REGISTER_WORKER_REQUEST__INIT;
        rv_error_t err = {0};
        request.name = (char *)(uintptr_t)cases[i].name;
        request.incarnation = cases[i].incarnation;
        request.cluster_id.data = (uint8_t *)(uintptr_t)cases[i].id;
        request.cluster_id.len = cases[i].id_n;
        rv_status_t status = rvc_cluster_register(cluster, &request, 1, &registration, &err);
        assert_int_equal(status == RV_OK, cases[i].reason == RV_REASON_NONE);
        assert_int_equal(err.reason, cases[i].reason);
    }
    rvc_cluster_destroy(&cluster);
}

static void a_lapsed_lease_takes_the_partitions_down_and_back(void **state) {
    (void)state;
    rvc_cluster_t *cluster = known(4);
    rvc_registration_t registration;
    const int EVEN[] = {0, 2, -1}, ODD[] = {1, 3, -1};
    join(cluster, "worker-1", 1, EVEN, 0, &registration, NULL);
    assert_false(registration.map_changed);
    uint32_t first = registration.slot;
    join(cluster, "worker-2", 1, ODD, 0, &registration, NULL);
    confirm(cluster, first, -1);
    confirm(cluster, registration.slot, -1);
    assert_true(rvc_cluster_ready(cluster));
    Reveille__V1__PingRequest ping = REVEILLE__V1__PING_REQUEST__INIT;
    uint32_t damaged;
    ping.name = "worker-1";
    ping.incarnation = 1;
    assert_true(rvc_cluster_ping(cluster, &ping, 1500, &damaged));
    assert_int_equal(rvc_cluster_next_expiry(cluster), RV_LEASE_MS);
    assert_int_equal(rvc_cluster_expire(cluster, RV_LEASE_MS - 1), RVC_NOBODY);
    assert_int_equal(rvc_cluster_expire(cluster, RV_LEASE_MS), registration.slot);
    assert_int_equal(rvc_cluster_expire(cluster, RV_LEASE_MS), RVC_NOBODY);
    assert_int_equal(rvc_cluster_partition(cluster, 1)->state, RVC_PARTITION_DOWN);
    assert_int_equal(rvc_cluster_partition(cluster, 0)->state, RVC_PARTITION_AVAILABLE);
    rv_error_t err;
    rvc_cluster_missing(cluster, (const uint32_t[]){1, 3}, 2, NULL, &err);
    assert_int_equal(err.reason, RV_REASON_INCOMPLETE);
    assert_string_equal(err.message, "partitions 1, 3 (2 of 4) are not available: worker-2 does not answer");
    /* it comes back: a lost worker's ping does not help, registering does */
    ping.name = "worker-2";
    assert_false(rvc_cluster_ping(cluster, &ping, 2500, &damaged));
    join(cluster, "worker-2", 2, ODD, 3000, &registration, NULL);
    confirm(cluster, registration.slot, -1);
    assert_int_equal(rvc_cluster_partition(cluster, 1)->state, RVC_PARTITION_AVAILABLE);
    assert_int_equal(rvc_cluster_partition(cluster, 1)->epoch, 1);
    rvc_cluster_destroy(&cluster);
}

/* After a standstill of the whole machine the pings come, only later. */
static void a_worker_is_not_lost_because_the_coordinator_comes_late(void **state) {
    (void)state;
    rvc_cluster_t *cluster = known(4);
    rvc_registration_t registration;
    const int ODD[] = {1, 3, -1};
    const int64_t late = 3 * RV_LEASE_MS;
    uint32_t damaged;
    Reveille__V1__PingRequest ping = REVEILLE__V1__PING_REQUEST__INIT;
    ping.name = (char *)(uintptr_t) "worker-2";
    ping.incarnation = 1;
    join(cluster, "worker-2", 1, ODD, 0, &registration, NULL);
    confirm(cluster, registration.slot, -1);
    assert_int_equal(rvc_cluster_expire(cluster, late), RVC_NOBODY);
    assert_int_equal(rvc_cluster_next_expiry(cluster), late + 2 * RV_PING_MS);
    assert_true(rvc_cluster_ping(cluster, &ping, late + 1, &damaged));
    /* the next time it is silent, and late again */
    int64_t later = late + 1 + 2 * RV_LEASE_MS;
    assert_int_equal(rvc_cluster_expire(cluster, later), RVC_NOBODY);
    assert_int_equal(rvc_cluster_expire(cluster, later + RV_LEASE_MS), registration.slot);
    assert_false(rvc_cluster_ping(cluster, &ping, later + RV_LEASE_MS, &damaged));
    rvc_cluster_destroy(&cluster);
}

/* Who holds the directory holds the partition, unless someone who is alive does. */
static void a_claim_moves_a_partition_unless_a_live_worker_holds_it(void **state) {
    (void)state;
    rvc_cluster_t *cluster = known(4);
    rvc_registration_t registration;
    const int ALL[] = {0, 1, 2, 3, -1}, ODD[] = {1, 3, -1}, ONE[] = {0, -1};
    assert_int_equal(join(cluster, "worker-3", 1, ALL, 0, &registration, NULL), RV_OK);
    assert_true(registration.map_changed);
    assert_int_equal(registration.conflicts, 0);
    assert_int_equal(rvc_cluster_partition(cluster, 1)->epoch, 2);
    uint32_t third = registration.slot;
    assert_int_equal(join(cluster, "worker-2", 1, ODD, 0, &registration, NULL), RV_OK);
    assert_int_equal(registration.conflicts, 2);
    assert_int_equal(registration.first_conflict, 1);
    assert_int_equal(rvc_cluster_partition(cluster, 1)->worker, third);
    /* a live worker that does not hold it any more gives way */
    while (rvc_cluster_expire(cluster, RV_LEASE_MS) != RVC_NOBODY)
        ;
    join(cluster, "worker-3", 2, ODD, RV_LEASE_MS, &registration, NULL);
    assert_int_equal(rvc_cluster_partition(cluster, 0)->state, RVC_PARTITION_MISSING);
    join(cluster, "worker-1", 1, ONE, RV_LEASE_MS, &registration, NULL);
    assert_int_equal(registration.conflicts, 0);
    assert_int_equal(rvc_cluster_partition(cluster, 0)->worker, registration.slot);
    assert_int_equal(rvc_cluster_partition(cluster, 0)->epoch, 3);
    rvc_cluster_destroy(&cluster);
}

static void what_was_created_is_never_created_anew(void **state) {
    (void)state;
    rvc_cluster_t *cluster = known(4);
    rvc_registration_t registration;
    const int SOME[] = {2, -1};
    join(cluster, "worker-1", 1, SOME, 0, &registration, NULL);
    assert_int_equal(rvc_cluster_partition(cluster, 0)->state, RVC_PARTITION_MISSING);
    assert_false(rvc_cluster_place(cluster, 1));
    rv_error_t err;
    rvc_cluster_missing(cluster, (const uint32_t[]){0}, 1, NULL, &err);
    assert_string_equal(err.message, "partition 0 (1 of 4) is not available: worker-1 does not hold them");
    rvc_cluster_destroy(&cluster);
}

static void a_name_stands_for_one_directory_and_one_process(void **state) {
    (void)state;
    rvc_cluster_t *cluster = known(4);
    rvc_registration_t registration;
    const int EVEN[] = {0, 2, -1}, ODD[] = {1, 3, -1}, BEYOND[] = {9, -1};
    rv_error_t err;
    Reveille__V1__PingRequest ping = REVEILLE__V1__PING_REQUEST__INIT;
    uint32_t damaged;
    ping.name = "worker-1";
    ping.incarnation = 5;
    /* a new directory, that of another worker, and one that fits nothing */
    const int *const FOREIGN[] = {NULL, ODD, BEYOND};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(join(cluster, "worker-1", 9, FOREIGN[i], 0, &registration, &err), RV_FAILED_PRECONDITION);
        assert_int_equal(err.reason, RV_REASON_FOREIGN);
        assert_non_null(strstr(err.message, "worker-1 holds 2 partitions of this cluster"));
        assert_int_equal(rvc_cluster_partition(cluster, 0)->state, RVC_PARTITION_DOWN);
        assert_int_equal(rvc_cluster_partition(cluster, 1)->epoch, 1);
    }
    assert_int_equal(join(cluster, "worker-1", 5, EVEN, 0, &registration, NULL), RV_OK);
    confirm(cluster, registration.slot, -1);
    /* while it lives: neither a new directory nor another start of its own, and it serves on */
    assert_int_equal(join(cluster, "worker-1", 9, NULL, 10, &registration, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(join(cluster, "worker-1", 6, EVEN, 10, &registration, &err), RV_UNAVAILABLE);
    assert_int_equal(err.reason, RV_REASON_NOT_READY);
    assert_int_equal(rvc_cluster_partition(cluster, 0)->state, RVC_PARTITION_AVAILABLE);
    assert_true(rvc_cluster_ping(cluster, &ping, 20, &damaged));
    assert_int_equal(join(cluster, "worker-1", 5, EVEN, 30, &registration, NULL), RV_OK);
    /* it is gone: its next start takes its place */
    while (rvc_cluster_expire(cluster, 30 + RV_LEASE_MS) != RVC_NOBODY)
        ;
    assert_int_equal(join(cluster, "worker-1", 6, EVEN, 30 + RV_LEASE_MS, &registration, NULL), RV_OK);
    assert_false(rvc_cluster_ping(cluster, &ping, 40 + RV_LEASE_MS, &damaged));
    rvc_cluster_destroy(&cluster);
}

static void damage_is_seen_at_assignment_and_in_pings(void **state) {
    (void)state;
    rvc_cluster_t *cluster = known(2);
    rvc_registration_t registration;
    const int EVEN[] = {0, -1}, ODD[] = {1, -1};
    join(cluster, "worker-1", 1, EVEN, 0, &registration, NULL);
    confirm(cluster, registration.slot, 0);
    assert_int_equal(rvc_cluster_partition(cluster, 0)->state, RVC_PARTITION_DAMAGED);
    assert_string_equal(rvc_cluster_partition(cluster, 0)->problem, "a checksum does not hold");
    join(cluster, "worker-2", 1, ODD, 0, &registration, NULL);
    confirm(cluster, registration.slot, -1);
    Reveille__V1__PartitionStatus status = REVEILLE__V1__PARTITION_STATUS__INIT;
    Reveille__V1__PartitionReport report = REVEILLE__V1__PARTITION_REPORT__INIT, *list[] = {&report};
    Reveille__V1__PingRequest ping = REVEILLE__V1__PING_REQUEST__INIT;
    uint32_t damaged;
    status.partition = 1;
    status.problem = "the disk is gone";
    report.status = &status;
    ping.name = "worker-2";
    ping.incarnation = 1;
    ping.n_partitions = 1;
    ping.partitions = list;
    assert_true(rvc_cluster_ping(cluster, &ping, 100, &damaged));
    assert_int_equal(damaged, 1);
    assert_int_equal(rvc_cluster_partition(cluster, 1)->state, RVC_PARTITION_DAMAGED);
    rvc_cluster_destroy(&cluster);
}

static void requests_are_taken_after_two_leases_or_when_ready(void **state) {
    (void)state;
    rvc_cluster_t *cluster = known(2);
    assert_false(rvc_cluster_open(cluster, false, 2 * RV_LEASE_MS));
    assert_true(rvc_cluster_open(cluster, true, 2 * RV_LEASE_MS + 1));
    rvc_cluster_destroy(&cluster);
    cluster = fresh(2); /* one that was never placed waits for its workers */
    assert_false(rvc_cluster_open(cluster, false, 100 * RV_LEASE_MS));
    rvc_registration_t registration;
    join(cluster, "worker-1", 1, NULL, 0, &registration, NULL);
    rvc_cluster_place(cluster, 1);
    assert_false(rvc_cluster_open(cluster, false, 100 * RV_LEASE_MS));
    confirm(cluster, registration.slot, -1);
    assert_false(rvc_cluster_open(cluster, true, 1)); /* something is to be resumed first */
    assert_true(rvc_cluster_open(cluster, false, 1));
    assert_true(rvc_cluster_open(cluster, true, 1));
    rvc_cluster_expire(cluster, 10 * RV_LEASE_MS);
    assert_true(rvc_cluster_open(cluster, false, 10 * RV_LEASE_MS));
    rvc_cluster_destroy(&cluster);
}

static void the_map_survives_a_round(void **state) {
    (void)state;
    rvc_cluster_t *cluster = known(6);
    rvc_placement_t map[6];
    rvc_cluster_map(cluster, map);
    assert_string_equal(map[5].worker, "worker-2");
    assert_true(map[5].created);
    rvc_cluster_acked(cluster, 3, 40);
    rvc_cluster_acked(cluster, 3, 39);
    assert_int_equal(rvc_cluster_partition(cluster, 3)->lsn, 40);
    rvc_cluster_destroy(&cluster);
    rvc_cluster_destroy(&cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_cluster_is_placed_when_all_workers_are_there),
        cmocka_unit_test(a_worker_is_refused_when_it_is_not_ours),
        cmocka_unit_test(a_lapsed_lease_takes_the_partitions_down_and_back),
        cmocka_unit_test(a_worker_is_not_lost_because_the_coordinator_comes_late),
        cmocka_unit_test(a_claim_moves_a_partition_unless_a_live_worker_holds_it),
        cmocka_unit_test(what_was_created_is_never_created_anew),
        cmocka_unit_test(a_name_stands_for_one_directory_and_one_process),
        cmocka_unit_test(damage_is_seen_at_assignment_and_in_pings),
        cmocka_unit_test(requests_are_taken_after_two_leases_or_when_ready),
        cmocka_unit_test(the_map_survives_a_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

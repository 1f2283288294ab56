/* Which connection a client came over, and what is on its way to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/peers.h"
#include "reveille/limits.h"

static rvc_peers_t *peers;

static int begin(void **state) {
    (void)state;
    peers = rvc_peers_new();
    return peers ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    rvc_peers_destroy(&peers);
    return 0;
}

static void heard(int fd, const char *routing) {
    rvc_peers_heard(peers, fd, (const uint8_t *)routing, strlen(routing));
}

static void expect_ended(int fd, const char *routing) {
    uint8_t got[RVC_MAX_ROUTING];
    size_t n = 0;
    assert_int_equal(rvc_peers_ended(peers, fd, got, &n), routing != NULL);
    if (!routing)
        return;
    assert_int_equal(n, strlen(routing));
    assert_memory_equal(got, routing, n);
}

static rvc_flight_t *take(const char *routing, size_t bytes) {
    rvc_flight_t *flight;
    assert_true(rvc_peers_take(peers, (const uint8_t *)routing, strlen(routing), bytes, &flight));
    return flight;
}

static bool has_room(const char *routing, size_t bytes) {
    rvc_flight_t *flight;
    bool room = rvc_peers_take(peers, (const uint8_t *)routing, strlen(routing), bytes, &flight);
    if (room && flight)
        rvc_flight_land(flight, bytes);
    return room;
}

static void the_end_of_a_connection_names_its_client_once(void **state) {
    (void)state;
    heard(7, "a");
    heard(7, "a");
    heard(3000, "b");
    assert_int_equal(rvc_peers_count(peers), 2);
    expect_ended(8, NULL);
    expect_ended(-1, NULL);
    expect_ended(1 << 20, NULL);
    expect_ended(3000, "b");
    expect_ended(3000, NULL);
    expect_ended(7, "a");
    assert_int_equal(rvc_peers_count(peers), 0);
    heard(-1, "c"); /* not a connection that can be told */
    assert_int_equal(rvc_peers_count(peers), 0);
}

/* Its old connection ends later and is not the client's any more. */
static void a_client_that_comes_back_is_of_its_new_connection(void **state) {
    (void)state;
    heard(7, "a");
    heard(9, "a");
    expect_ended(7, NULL);
    expect_ended(9, "a");
    /* a descriptor that was told to have ended before its last message was read */
    heard(7, "b");
    heard(7, "c");
    assert_int_equal(rvc_peers_count(peers), 1);
    expect_ended(7, "c");
}

static void bytes_on_their_way_are_bounded(void **state) {
    (void)state;
    heard(7, "a");
    heard(8, "b");
    rvc_flight_t *first = take("a", RV_MAX_CLIENT_FLIGHT - 10), *second = take("a", 10);
    assert_non_null(first);
    assert_ptr_equal(first, second);
    assert_false(has_room("a", 1));
    assert_true(has_room("b", RV_MAX_CLIENT_FLIGHT + 1)); /* the first is always taken */
    rvc_flight_land(second, 10);
    assert_true(has_room("a", 10));
    /* what is on its way outlives the client, and a client of the same name has room of its own */
    expect_ended(7, "a");
    heard(7, "a");
    assert_true(has_room("a", RV_MAX_CLIENT_FLIGHT));
    rvc_flight_land(first, RV_MAX_CLIENT_FLIGHT - 10);
    assert_null(take("nobody", 5));
}

/* When all clients together have too much, each still gets one message at a time. */
static void all_clients_together_are_bounded(void **state) {
    (void)state;
    enum { CLIENTS = RV_MAX_FLIGHT / RV_MAX_CLIENT_FLIGHT };
    static rvc_flight_t *flights[CLIENTS];
    char name[2] = "A";
    for (int i = 0; i < CLIENTS; i++, name[0]++) {
        heard(i, name);
        flights[i] = take(name, RV_MAX_CLIENT_FLIGHT);
    }
    heard(CLIENTS, "one more");
    rvc_flight_t *one = take("one more", 100);
    assert_false(has_room("one more", 100));
    rvc_flight_land(flights[0], RV_MAX_CLIENT_FLIGHT);
    assert_true(has_room("one more", 100));
    rvc_flight_land(one, 100);
    for (int i = 1; i < CLIENTS; i++)
        rvc_flight_land(flights[i], RV_MAX_CLIENT_FLIGHT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_end_of_a_connection_names_its_client_once),
        TEST(a_client_that_comes_back_is_of_its_new_connection),
        TEST(bytes_on_their_way_are_bounded),
        TEST(all_clients_together_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* peers.c: a hash table by routing id and an array by descriptor.
 *
 *   routing id ─▶ peer ─▶ flight ◀─ messages that libzmq still holds (their free function lands them)
 *   descriptor ─▶ peer
 *
 * A flight has one reference of its peer and one of each message, so that a message which libzmq frees after the client
 * was forgotten, or after the socket was closed, still has somewhere to land. Failure: without memory a client is not
 * known, its end is noticed when something is sent to it, and its bytes are not counted. */
#include "peers.h"
#include "reveille/limits.h"
#include "table.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct rvc_flight {
    atomic_size_t bytes;
    atomic_uint references;
};

typedef struct {
    rvc_entry_t entry; /* first: the table gives entries */
    rvc_flight_t *flight;
    int fd;
    size_t routing_n;
    uint8_t routing[];
} peer_t;

struct rvc_peers {
    rvc_table_t table;
    peer_t **by_fd;
    size_t cap;
};

static atomic_size_t in_flight; /* of all clients */

rvc_peers_t *rvc_peers_new(void) {
    return calloc(1, sizeof(rvc_peers_t));
}

static void release(rvc_flight_t *flight) {
    if (atomic_fetch_sub(&flight->references, 1) == 1)
        free(flight);
}

static void forget(rvc_peers_t *peers, peer_t *peer) {
    rvc_table_remove(&peers->table, &peer->entry);
    peers->by_fd[peer->fd] = NULL;
    release(peer->flight);
    free(peer);
}

void rvc_peers_destroy(rvc_peers_t **peers) {
    rvc_entry_t *entry;
    if (!*peers)
        return;
    while ((entry = rvc_table_any(&(*peers)->table)))
        forget(*peers, (peer_t *)entry);
    free((*peers)->by_fd);
    free(*peers);
    *peers = NULL;
}

size_t rvc_peers_count(const rvc_peers_t *peers) {
    return peers->table.n;
}

static bool reach(rvc_peers_t *peers, int fd) {
    size_t cap = peers->cap ? peers->cap : 64;
    while (cap <= (size_t)fd)
        cap *= 2;
    if (cap == peers->cap)
        return true;
    peer_t **by_fd = realloc(peers->by_fd, cap * sizeof(peer_t *));
    if (!by_fd)
        return false;
    memset(by_fd + peers->cap, 0, (cap - peers->cap) * sizeof(peer_t *));
    peers->by_fd = by_fd;
    peers->cap = cap;
    return true;
}

static peer_t *add(rvc_peers_t *peers, int fd, const uint8_t *routing, size_t n) {
    peer_t *peer = calloc(1, sizeof *peer + n);
    rvc_flight_t *flight = peer ? calloc(1, sizeof *flight) : NULL;
    if (!flight) {
        free(peer);
        return NULL;
    }
    atomic_init(&flight->references, 1);
    peer->flight = flight;
    peer->fd = fd;
    peer->routing_n = n;
    memcpy(peer->routing, routing, n);
    rvc_table_insert(&peers->table, &peer->entry, peer->routing, n);
    return peer;
}

void rvc_peers_heard(rvc_peers_t *peers, int fd, const uint8_t *routing, size_t n) {
    if (fd < 0 || n > RVC_MAX_ROUTING || !reach(peers, fd))
        return;
    peer_t *peer = (peer_t *)rvc_table_find(&peers->table, routing, n), *before = peers->by_fd[fd];
    if (peer && peer == before)
        return;
    if (before) /* its end was told before its last message was read */
        forget(peers, before);
    if (peer)
        peers->by_fd[peer->fd] = NULL;
    else
        peer = add(peers, fd, routing, n);
    if (!peer)
        return;
    peer->fd = fd;
    peers->by_fd[fd] = peer;
}

bool rvc_peers_ended(rvc_peers_t *peers, int fd, uint8_t routing[RVC_MAX_ROUTING], size_t *ret_n) {
    peer_t *peer = fd >= 0 && (size_t)fd < peers->cap ? peers->by_fd[fd] : NULL;
    if (!peer)
        return false;
    memcpy(routing, peer->routing, peer->routing_n);
    *ret_n = peer->routing_n;
    forget(peers, peer);
    return true;
}

bool rvc_peers_take(rvc_peers_t *peers, const uint8_t *routing, size_t n, size_t bytes, rvc_flight_t **ret) {
    const peer_t *peer = (const peer_t *)rvc_table_find(&peers->table, routing, n);
    *ret = NULL;
    if (!peer)
        return true;
    /* what lands meanwhile only makes more room */
    size_t own = atomic_load(&peer->flight->bytes);
    if (own && (own + bytes > RV_MAX_CLIENT_FLIGHT || atomic_load(&in_flight) + bytes > RV_MAX_FLIGHT))
        return false;
    atomic_fetch_add(&peer->flight->references, 1);
    atomic_fetch_add(&peer->flight->bytes, bytes);
    atomic_fetch_add(&in_flight, bytes);
    *ret = peer->flight;
    return true;
}

void rvc_flight_land(rvc_flight_t *flight, size_t bytes) {
    atomic_fetch_sub(&in_flight, bytes);
    atomic_fetch_sub(&flight->bytes, bytes);
    release(flight);
}

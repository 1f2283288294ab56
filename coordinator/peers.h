/* peers.h: which connection each client of a ROUTER socket came over, and how many bytes are on their way to it.
 *
 * libzmq tells neither: a ROUTER sends to routing ids and is silent when one goes away, and its high-water marks count
 * messages, of any size. So whoever receives says which connection (descriptor) a message came over, and whoever sends
 * takes room for what it hands to libzmq. A client that comes back over another connection under its old routing id is
 * then of that connection. Thread: the actor's, but for rvc_flight_land.
 */
#ifndef REVEILLE_COORDINATOR_PEERS_H
#define REVEILLE_COORDINATOR_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RVC_MAX_ROUTING 255u

typedef struct rvc_peers rvc_peers_t;
typedef struct rvc_flight rvc_flight_t; /* the bytes on their way to one client; outlives the client */

rvc_peers_t *rvc_peers_new(void);
void rvc_peers_destroy(rvc_peers_t **peers);

/* A message of this client came over connection `fd`. */
void rvc_peers_heard(rvc_peers_t *peers, int fd, const uint8_t *routing, size_t n);
/* The connection has ended. True: its client is forgotten, and `routing` says who that was. */
bool rvc_peers_ended(rvc_peers_t *peers, int fd, uint8_t routing[RVC_MAX_ROUTING], size_t *ret_n);
/* Clients known. */
size_t rvc_peers_count(const rvc_peers_t *peers);

/* Counts `bytes` on their way to a client. False: there is no room (RV_MAX_CLIENT_FLIGHT of it, RV_MAX_FLIGHT of all)
 * behind what is on its way already. *ret is NULL, and nothing is counted, for a client that was never heard. */
bool rvc_peers_take(rvc_peers_t *peers, const uint8_t *routing, size_t n, size_t bytes, rvc_flight_t **ret);
/* They are away. Any thread. */
void rvc_flight_land(rvc_flight_t *flight, size_t bytes);

#endif

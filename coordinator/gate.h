/* gate.h: bounds what a peer may send without ending a message.
 *
 * libzmq collects the frames of an unfinished message without limit: MAXMSGSIZE is about one frame, high-water marks
 * count finished messages. Behind an open gate a connection that this process accepted is cut as soon as one message
 * passes RV_MAX_UNFINISHED bytes or RV_MAX_FRAMES frames, and libzmq frees what it had of it. Any thread. */
#ifndef REVEILLE_COORDINATOR_GATE_H
#define REVEILLE_COORDINATOR_GATE_H

#include <stdint.h>

typedef struct {
    uint64_t greeted; /* connections that were read through the gate and greeted */
    uint64_t cut;     /* connections cut */
} rvc_gate_stats_t;

/* Connections accepted from now on are watched. Before the first socket is bound; there is no way back. */
void rvc_gate_open(void);
/* Messages without a greeted connection mean that libzmq does not read through the gate. */
rvc_gate_stats_t rvc_gate_stats(void);

#endif

/* port.h: the seam between the coordinator's logic and its sockets: where messages leave. The daemon puts ZeroMQ behind
 * it, tests put memory behind it. */
#ifndef REVEILLE_COORDINATOR_PORT_H
#define REVEILLE_COORDINATOR_PORT_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    RVC_SENT, /* taken */
    RVC_FULL, /* the peer's queue is full: try again later */
    RVC_GONE  /* no such peer now */
} rvc_sent_t;

typedef struct {
    const uint8_t *routing, *header, *body;
    size_t routing_n, header_n, body_n;
} rvc_message_t;

/* Never waits; copies what it takes. */
typedef struct {
    rvc_sent_t (*send)(void *context, const rvc_message_t *message);
    void *context;
} rvc_port_t;

#endif

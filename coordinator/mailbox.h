/* mailbox.h: messages for one peer whose socket is full or away, first in first out, bounded in bytes. Thread: the
 * actor's. */
#ifndef REVEILLE_COORDINATOR_MAILBOX_H
#define REVEILLE_COORDINATOR_MAILBOX_H

#include "port.h"
#include <stdbool.h>

typedef struct rvc_letter rvc_letter_t;
typedef struct {
    rvc_letter_t *first, *last;
    size_t bytes;
} rvc_mailbox_t;

/* Sends at once when nothing waits, otherwise keeps a copy. RVC_SENT: sent or kept. RVC_FULL: it does not fit below
 * `limit` bytes (or no memory). RVC_GONE: the peer is away and `keep_when_gone` is false. */
rvc_sent_t rvc_mailbox_post(rvc_mailbox_t *mailbox, const rvc_port_t *port, const rvc_message_t *message, size_t limit,
                            bool keep_when_gone);
/* Sends what can be sent. RVC_SENT: nothing waits any more. */
rvc_sent_t rvc_mailbox_flush(rvc_mailbox_t *mailbox, const rvc_port_t *port);
/* Throws away what waits. */
void rvc_mailbox_clear(rvc_mailbox_t *mailbox);

#endif

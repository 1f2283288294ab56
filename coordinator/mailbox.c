/* mailbox.c: a list of copies. ZeroMQ's own queues are small on purpose (cluster.md: a ROUTER without limits grows
 * without end), so what does not fit waits here, where it is counted and bounded. Failure: a full mailbox is a status
 * for the caller. */
#include "mailbox.h"
#include <stdlib.h>
#include <string.h>

#define OVERHEAD 256u /* what a letter costs beside its bytes */

struct rvc_letter {
    rvc_letter_t *next;
    size_t routing_n, header_n, body_n;
    uint8_t bytes[];
};

static size_t cost(const rvc_message_t *message) {
    return OVERHEAD + message->routing_n + message->header_n + message->body_n;
}

static rvc_message_t message_of(const rvc_letter_t *letter) {
    return (rvc_message_t){.routing = letter->bytes,
                           .routing_n = letter->routing_n,
                           .header = letter->bytes + letter->routing_n,
                           .header_n = letter->header_n,
                           .body = letter->bytes + letter->routing_n + letter->header_n,
                           .body_n = letter->body_n};
}

static bool keep(rvc_mailbox_t *mailbox, const rvc_message_t *message) {
    rvc_letter_t *letter = malloc(sizeof *letter + message->routing_n + message->header_n + message->body_n);
    if (!letter)
        return false;
    letter->next = NULL;
    letter->routing_n = message->routing_n;
    letter->header_n = message->header_n;
    letter->body_n = message->body_n;
    uint8_t *p = letter->bytes;
    memcpy(p, message->routing, message->routing_n);
    memcpy(p + message->routing_n, message->header, message->header_n);
    if (message->body_n)
        memcpy(p + message->routing_n + message->header_n, message->body, message->body_n);
    if (mailbox->last)
        mailbox->last->next = letter;
    else
        mailbox->first = letter;
    mailbox->last = letter;
    mailbox->bytes += cost(message);
    return true;
}

rvc_sent_t rvc_mailbox_post(rvc_mailbox_t *mailbox, const rvc_port_t *port, const rvc_message_t *message, size_t limit,
                            bool keep_when_gone) {
    if (!mailbox->first) {
        rvc_sent_t sent = port->send(port->context, message);
        if (sent == RVC_SENT || (sent == RVC_GONE && !keep_when_gone))
            return sent;
    }
    if (mailbox->bytes + cost(message) > limit || !keep(mailbox, message))
        return RVC_FULL;
    return RVC_SENT;
}

static void drop_first(rvc_mailbox_t *mailbox) {
    rvc_letter_t *letter = mailbox->first;
    rvc_message_t message = message_of(letter);
    mailbox->bytes -= cost(&message);
    mailbox->first = letter->next;
    if (!mailbox->first)
        mailbox->last = NULL;
    free(letter);
}

rvc_sent_t rvc_mailbox_flush(rvc_mailbox_t *mailbox, const rvc_port_t *port) {
    while (mailbox->first) {
        rvc_message_t message = message_of(mailbox->first);
        rvc_sent_t sent = port->send(port->context, &message);
        if (sent != RVC_SENT)
            return sent;
        drop_first(mailbox);
    }
    return RVC_SENT;
}

void rvc_mailbox_clear(rvc_mailbox_t *mailbox) {
    while (mailbox->first)
        drop_first(mailbox);
}

/* wire.h: frames and messages from outside: checked before they are unpacked.
 *
 * A message is four or five ZeroMQ frames: [routing id] "" "RVL1" header body (proto/README.md). rv_wire_check walks
 * wire bytes against a descriptor without recursion on the machine's stack beyond RV_MAX_NESTING: nesting, number of
 * elements, truncation, UTF-8 without NUL in strings, groups refused. rv_wire_unpack checks, then unpacks into an
 * arena.
 */
#ifndef REVEILLE_WIRE_H
#define REVEILLE_WIRE_H

#include "reveille/arena.h"
#include "reveille/status.h"
#include "reveille/v1/envelope.pb-c.h"
#include <protobuf-c/protobuf-c.h>

#define RV_WIRE_TAG "RVL1"

/* INVALID_ARGUMENT/REQUEST with the reason and the name of the message when the bytes are not acceptable. */
rv_status_t rv_wire_check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n, rv_error_t *err);
/* Checks and unpacks; the message lives in the arena. RESOURCE_EXHAUSTED/QUOTA past the arena's budget. */
rv_status_t rv_wire_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n, rv_arena_t *arena,
                           ProtobufCMessage **ret_message, rv_error_t *err);
/* Packs into malloc'ed bytes (free() them); INTERNAL without memory. An empty message gives n 0 and a non-NULL pointer.
 */
rv_status_t rv_wire_pack(const ProtobufCMessage *message, uint8_t **ret_bytes, size_t *ret_n);

/* A request or reply as frames. Header and body bytes are borrowed from the frames that they came in. */
typedef struct {
    const uint8_t *routing;
    size_t routing_n; /* 0 on a DEALER */
    const uint8_t *header;
    size_t header_n;
    const uint8_t *body;
    size_t body_n;
} rv_frames_t;

/* Splits `count` frames (data/size arrays; with_routing: the first one is a routing id). The reason names the frame. A
 * first tag of "RVL" with another digit gives FAILED_PRECONDITION/VERSION. A body that is too large gives
 * INVALID_ARGUMENT/LIMIT, and the frames all the same, so that the refusal can name the call. */
rv_status_t rv_wire_split(const uint8_t *const *data, const size_t *size, size_t count, bool with_routing,
                          rv_frames_t *ret_frames, rv_error_t *err);

/* Fills a protobuf Status from an error (NULL or OK: code OK). Strings are borrowed from *err; `detail`, `details` are
 * storage given by the caller that must live as long as the status. */
void rv_wire_status(const rv_error_t *err, Reveille__V1__Status *ret_status, Reveille__V1__ErrorDetail *detail,
                    Reveille__V1__ErrorDetail **details);
/* The other way; a NULL status is OK. Returns err->status. */
rv_status_t rv_wire_error(const Reveille__V1__Status *status, rv_error_t *err);

#endif

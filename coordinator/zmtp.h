/* zmtp.h: follows the bytes of one peer through ZMTP 3 and says when a message that has not ended passes its limits.
 *
 * Pure: bytes in, a verdict out; no copies, no memory of its own. Thread: one at a time. */
#ifndef REVEILLE_COORDINATOR_ZMTP_H
#define REVEILLE_COORDINATOR_ZMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    RVC_ZMTP_OK,
    RVC_ZMTP_GREETING, /* not a greeting of ZMTP 3 or later */
    RVC_ZMTP_BYTES,    /* more than RV_MAX_UNFINISHED bytes, come or announced, of one message */
    RVC_ZMTP_FRAMES    /* more than RV_MAX_FRAMES frames of one message */
} rvc_zmtp_verdict_t;

/* Zeroed at the start of a connection. */
typedef struct {
    uint64_t left;   /* bytes of the frame that are still to come; its size while that is read */
    uint64_t bytes;  /* of the message's frames so far, the present one in full */
    uint32_t frames; /* of the message so far */
    uint8_t stage, seen, flags;
} rvc_zmtp_t;

/* After a verdict other than OK the stream must not be fed again. */
rvc_zmtp_verdict_t rvc_zmtp_feed(rvc_zmtp_t *zmtp, const uint8_t *data, size_t n);
/* The greeting has been read in full. */
bool rvc_zmtp_greeted(const rvc_zmtp_t *zmtp);
/* What a verdict means, for a log. */
const char *rvc_zmtp_reason(rvc_zmtp_verdict_t verdict);

#endif

/* zmtp.c: the framing of ZMTP 3 as a state machine over bytes, cut anywhere.
 *
 *   GREETING (64 bytes) ─▶ FLAGS ─▶ SIZE (1 or 8 bytes) ─▶ PAYLOAD ─┐
 *                            ▲──────────────────────────────────────┘
 *
 * A message is the frames up to one without MORE; its frames and bytes are counted, and a frame counts in full as soon
 * as its size is known, because the reader sets that memory aside then. Commands (READY, PING) are no part of a
 * message: they neither count nor end one, so heartbeats may go on for ever and cannot hide a message without end. A
 * command that bears MORE, which the protocol forbids, counts as a frame.
 *
 * Peers older than ZMTP 3 frame differently and are turned away: libzmq speaks 3 since version 4.0.
 *
 * Under CURVE the bit MORE travels encrypted, and only single frames are bounded here: such peers have proved who they
 * are. Thread: the caller's. Failure: none, only verdicts. */
#include "zmtp.h"
#include "reveille/limits.h"

enum { GREETING, FLAGS, SIZE, PAYLOAD };
enum { MORE = 1, LONG = 2, COMMAND = 4 };

#define GREETING_BYTES 64u
#define SIGNATURE_FIRST 0u /* 0xff */
#define SIGNATURE_LAST 9u  /* odd */
#define REVISION 10u       /* 3 or more */

static bool is_message(const rvc_zmtp_t *zmtp) {
    return (zmtp->flags & (COMMAND | MORE)) != COMMAND;
}

static rvc_zmtp_verdict_t greet(rvc_zmtp_t *zmtp, uint8_t byte) {
    if ((zmtp->seen == SIGNATURE_FIRST && byte != 0xff) || (zmtp->seen == SIGNATURE_LAST && !(byte & 1)) ||
        (zmtp->seen == REVISION && byte < 3))
        return RVC_ZMTP_GREETING;
    if (++zmtp->seen == GREETING_BYTES)
        zmtp->stage = FLAGS;
    return RVC_ZMTP_OK;
}

static void end_frame(rvc_zmtp_t *zmtp) {
    zmtp->stage = FLAGS;
    if (is_message(zmtp) && !(zmtp->flags & MORE)) {
        zmtp->bytes = 0;
        zmtp->frames = 0;
    }
}

static rvc_zmtp_verdict_t begin_payload(rvc_zmtp_t *zmtp) {
    if (zmtp->left > RV_MAX_UNFINISHED)
        return RVC_ZMTP_BYTES;
    if (is_message(zmtp)) {
        zmtp->bytes += zmtp->left;
        zmtp->frames++;
        if (zmtp->bytes > RV_MAX_UNFINISHED)
            return RVC_ZMTP_BYTES;
        if (zmtp->frames > RV_MAX_FRAMES)
            return RVC_ZMTP_FRAMES;
    }
    zmtp->stage = PAYLOAD;
    if (!zmtp->left)
        end_frame(zmtp);
    return RVC_ZMTP_OK;
}

static rvc_zmtp_verdict_t step(rvc_zmtp_t *zmtp, uint8_t byte) {
    switch (zmtp->stage) {
    case GREETING:
        return greet(zmtp, byte);
    case FLAGS:
        zmtp->flags = byte;
        zmtp->left = 0;
        zmtp->seen = 0;
        zmtp->stage = SIZE;
        return RVC_ZMTP_OK;
    default:
        zmtp->left = zmtp->left << 8 | byte;
        return ++zmtp->seen == (zmtp->flags & LONG ? 8 : 1) ? begin_payload(zmtp) : RVC_ZMTP_OK;
    }
}

rvc_zmtp_verdict_t rvc_zmtp_feed(rvc_zmtp_t *zmtp, const uint8_t *data, size_t n) {
    rvc_zmtp_verdict_t verdict = RVC_ZMTP_OK;
    for (size_t i = 0; i < n && verdict == RVC_ZMTP_OK;) {
        if (zmtp->stage != PAYLOAD) {
            verdict = step(zmtp, data[i++]);
            continue;
        }
        size_t run = n - i < zmtp->left ? n - i : (size_t)zmtp->left;
        i += run;
        zmtp->left -= run;
        if (!zmtp->left)
            end_frame(zmtp);
    }
    return verdict;
}

bool rvc_zmtp_greeted(const rvc_zmtp_t *zmtp) {
    return zmtp->stage != GREETING;
}

const char *rvc_zmtp_reason(rvc_zmtp_verdict_t verdict) {
    switch (verdict) {
    case RVC_ZMTP_GREETING:
        return "it does not greet in ZMTP 3";
    case RVC_ZMTP_BYTES:
        return "one message has too many bytes";
    case RVC_ZMTP_FRAMES:
        return "one message has too many frames";
    default:
        return "nothing is wrong";
    }
}

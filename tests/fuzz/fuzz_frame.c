/* fuzz_frame.c: bytes cut into frames, header and body unpacked. Whatever is accepted packs and unpacks to the same
 * bytes again. */
#include "reveille/explain.h"
#include "reveille/limits.h"
#include "reveille/v1/event.pb-c.h"
#include "reveille/v1/segment.pb-c.h"
#include "reveille/v1/worker.pb-c.h"
#include "reveille/wire.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void again(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n) {
    rv_arena_t arena;
    ProtobufCMessage *first, *second;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (rv_wire_unpack(type, bytes, n, &arena, &first, NULL) == RV_OK) {
        uint8_t *one, *two;
        size_t one_n, two_n;
        if (rv_wire_pack(first, &one, &one_n) != RV_OK ||
            rv_wire_unpack(type, one, one_n, &arena, &second, NULL) != RV_OK ||
            rv_wire_pack(second, &two, &two_n) != RV_OK || one_n != two_n || memcmp(one, two, one_n) != 0)
            abort();
        free(one);
        free(two);
    }
    rv_arena_done(&arena);
}

/* What a worker says of a read: cut only when it is whole, and whole afterwards. */
static void explanation(const uint8_t *bytes, size_t n) {
    rv_arena_t arena;
    ProtobufCMessage *message;
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (rv_wire_unpack(&reveille__v1__explain__descriptor, bytes, n, &arena, &message, NULL) == RV_OK) {
        Reveille__V1__Explain *explain = (Reveille__V1__Explain *)message;
        bool whole = rv_explain_whole(explain);
        if (whole)
            rv_explain_cut(explain);
        if (whole && !rv_explain_whole(explain))
            abort();
    }
    rv_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const ProtobufCMessageDescriptor *const TYPES[] = {
        &reveille__v1__request_header__descriptor, &reveille__v1__count_request__descriptor,
        &reveille__v1__append_request__descriptor, &reveille__v1__query_request__descriptor,
        &reveille__v1__write_request__descriptor,  &reveille__v1__event_service_import_request__descriptor,
        &reveille__v1__query_response__descriptor, &reveille__v1__explain__descriptor};
    const uint8_t *data[8];
    size_t size[8], count = 0, at = 1;
    if (n < 2)
        return 0;
    again(TYPES[bytes[0] % (sizeof TYPES / sizeof TYPES[0])], bytes + 1, n - 1);
    explanation(bytes + 1, n - 1);
    while (at < n && count < 8) { /* one length byte, then so many bytes */
        size_t length = bytes[at] < n - at - 1 ? bytes[at] : n - at - 1;
        data[count] = bytes + at + 1;
        size[count++] = length;
        at += length + 1;
    }
    rv_frames_t frames;
    rv_error_t err = {0};
    if (rv_wire_split(data, size, count, bytes[0] & 1, &frames, &err) != RV_OK && err.message[0] == 0)
        abort();
    return 0;
}

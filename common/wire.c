/* wire.c: the gate for bytes from outside. check() walks wire bytes against a descriptor; its recursion is bounded by
 * RV_MAX_NESTING, its work by the bytes, its count of elements by RV_MAX_ELEMENTS. Only checked bytes reach protobuf-c,
 * and only with a budgeted arena as allocator. No state. */
#include "reveille/wire.h"
#include "reveille/limits.h"
#include "reveille/text.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    unsigned depth;
    size_t elements;
} walk_t;

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *ret) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static const char *check_message(const ProtobufCMessageDescriptor *type, const uint8_t *p, size_t n, walk_t *walk);

/* How many elements a packed field of `bytes` bytes may unpack to. */
static size_t packed_elements(const ProtobufCFieldDescriptor *field, const uint8_t *p, size_t bytes) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return bytes / 4;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return bytes / 8;
    default:
        break;
    }
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += !(p[i] & 0x80);
    return count;
}

/* The contents of a length-delimited field. */
static const char *check_delimited(const ProtobufCFieldDescriptor *field, const uint8_t *p, size_t n, walk_t *walk) {
    if (!field)
        return NULL;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return check_message(field->descriptor, p, n, walk);
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return rv_utf8_valid((const char *)p, n) ? NULL : "a string is not UTF-8 or holds a NUL";
    if (field->type != PROTOBUF_C_TYPE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED) {
        walk->elements += packed_elements(field, p, n);
        if (walk->elements > RV_MAX_ELEMENTS)
            return "too many elements";
    }
    return NULL;
}

static const char *check_field(const ProtobufCMessageDescriptor *type, const uint8_t **p, const uint8_t *end,
                               walk_t *walk) {
    uint64_t key, value;
    if (!varint(p, end, &key) || key >> 3 == 0 || key >> 3 > 536870911)
        return "a field has a bad key";
    if (++walk->elements > RV_MAX_ELEMENTS)
        return "too many elements";
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
    switch (key & 7) {
    case 0:
        return varint(p, end, &value) ? NULL : "a varint does not end";
    case 1:
    case 5: {
        size_t width = (key & 7) == 1 ? 8 : 4;
        if ((size_t)(end - *p) < width)
            return "a fixed field is cut short";
        *p += width;
        return NULL;
    }
    case 2: {
        if (!varint(p, end, &value) || value > (uint64_t)(end - *p))
            return "a field is longer than its message";
        const uint8_t *content = *p;
        *p += value;
        return check_delimited(field, content, (size_t)value, walk);
    }
    default:
        return "groups are not accepted";
    }
}

static const char *check_message(const ProtobufCMessageDescriptor *type, const uint8_t *p, size_t n, walk_t *walk) {
    const uint8_t *end = p + n;
    if (++walk->depth > RV_MAX_NESTING)
        return "messages are nested too deeply";
    while (p < end) {
        const char *reason = check_field(type, &p, end, walk);
        if (reason)
            return reason;
    }
    walk->depth--;
    return NULL;
}

rv_status_t rv_wire_check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n, rv_error_t *err) {
    walk_t walk = {0};
    const char *reason = check_message(type, bytes, n, &walk);
    if (reason)
        return rv_fail(err, RV_REASON_REQUEST, "not a valid %s: %s", type->name, reason);
    return RV_OK;
}

rv_status_t rv_wire_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n, rv_arena_t *arena,
                           ProtobufCMessage **ret_message, rv_error_t *err) {
    static const uint8_t NOTHING[1];
    rv_status_t status = rv_wire_check(type, bytes ? bytes : NOTHING, n, err);
    if (status != RV_OK)
        return status;
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &arena->protobuf, n, bytes ? bytes : NOTHING);
    if (!message && arena->budget - arena->total < 64 * (n + 1024))
        return rv_fail(err, RV_REASON_QUOTA, "a %s of %zu bytes needs more than the %zu bytes allowed to unpack it",
                       type->name, n, arena->budget);
    if (!message)
        return rv_fail(err, RV_REASON_REQUEST, "not a valid %s", type->name);
    *ret_message = message;
    return RV_OK;
}

rv_status_t rv_wire_pack(const ProtobufCMessage *message, uint8_t **ret_bytes, size_t *ret_n) {
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(n ? n : 1);
    if (!bytes)
        return RV_INTERNAL;
    *ret_n = protobuf_c_message_pack(message, bytes);
    *ret_bytes = bytes;
    return RV_OK;
}

rv_status_t rv_wire_split(const uint8_t *const *data, const size_t *size, size_t count, bool with_routing,
                          rv_frames_t *ret_frames, rv_error_t *err) {
    size_t first = with_routing ? 1 : 0;
    if (count != first + 4)
        return rv_fail(err, RV_REASON_REQUEST,
                       "a message has %zu frames where an empty one, \"%s\", a header and a body are expected",
                       count - (count < first ? count : first), RV_WIRE_TAG);
    const uint8_t *tag = data[first + 1];
    if (size[first] != 0)
        return rv_fail(err, RV_REASON_REQUEST, "the first frame is not empty but has %zu bytes", size[first]);
    if (size[first + 1] != 4 || memcmp(tag, RV_WIRE_TAG, 3) != 0)
        return rv_fail(err, RV_REASON_REQUEST, "the second frame is not \"%s\"", RV_WIRE_TAG);
    if (tag[3] != RV_WIRE_TAG[3])
        return rv_fail(err, RV_REASON_VERSION, "the peer speaks another protocol version than \"%s\"", RV_WIRE_TAG);
    *ret_frames = (rv_frames_t){
        .header = data[first + 2], .header_n = size[first + 2], .body = data[first + 3], .body_n = size[first + 3]};
    if (with_routing) {
        ret_frames->routing = data[0];
        ret_frames->routing_n = size[0];
    }
    if (size[first + 3] > RV_MAX_BODY)
        return rv_fail(err, RV_REASON_LIMIT, "a body of %zu bytes is larger than the %u allowed", size[first + 3],
                       RV_MAX_BODY);
    return RV_OK;
}

void rv_wire_status(const rv_error_t *err, Reveille__V1__Status *ret_status, Reveille__V1__ErrorDetail *detail,
                    Reveille__V1__ErrorDetail **details) {
    reveille__v1__status__init(ret_status);
    if (!err || err->status == RV_OK)
        return;
    ret_status->code = (Reveille__V1__Code)err->status;
    ret_status->message = (char *)(uintptr_t)err->message;
    ret_status->retry_after_ms = err->retry_after_ms;
    reveille__v1__error_detail__init(detail);
    detail->reason = (char *)(uintptr_t)rv_reason_name(err->reason);
    detail->field = (char *)(uintptr_t)err->field;
    detail->line = err->line;
    detail->column = err->column;
    details[0] = detail;
    ret_status->n_details = 1;
    ret_status->details = details;
}

rv_status_t rv_wire_error(const Reveille__V1__Status *status, rv_error_t *err) {
    if (!status || status->code == REVEILLE__V1__CODE__CODE_OK)
        return RV_OK;
    rv_status_t code = status->code >= 1 && status->code <= 16 ? (rv_status_t)status->code : RV_UNKNOWN;
    const Reveille__V1__ErrorDetail *detail = status->n_details ? status->details[0] : NULL;
    rv_fail_as(err, code, detail ? rv_reason_from_name(detail->reason) : RV_REASON_NONE, "%s", status->message);
    if (err && detail) {
        err->line = detail->line;
        err->column = detail->column;
        size_t n = rv_utf8_cut(detail->field, strlen(detail->field), sizeof err->field - 1);
        memcpy(err->field, detail->field, n);
        err->field[n] = 0;
    }
    if (err)
        err->retry_after_ms = status->retry_after_ms;
    return code;
}

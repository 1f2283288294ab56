/* valcodec.h: typed values as bytes that sort bytewise in the order of the values, and can be read back.
 *
 * Used for sort keys and group keys between workers and coordinator. A value is one tag byte (01 present, FF missing:
 * missing sorts last in both directions) and its payload: integers 8 bytes big endian with the sign flipped, decimals
 * 16 likewise, doubles 8 bytes in order-preserving form (-0 is 0), strings their bytes and a 00 (strings hold no NUL).
 * `descending` inverts the payload's bytes, not the tag.
 */
#ifndef REVEILLE_VALCODEC_H
#define REVEILLE_VALCODEC_H

#include "reveille/num.h"
#include "reveille/text.h"
#include "reveille/v1/value.pb-c.h"

typedef Reveille__V1__ValueType rv_type_t;
#define RV_STRING REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_STRING
#define RV_INT REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_INT
#define RV_DOUBLE REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_DOUBLE
#define RV_DECIMAL REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_DECIMAL
#define RV_BOOL REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_BOOL
#define RV_TIME REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_TIME
#define RV_DATE REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_DATE
#define RV_SET REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_SET
#define RV_COMPANY REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_COMPANY
#define RV_DURATION REVEILLE__V1__VALUE_TYPE__VALUE_TYPE_DURATION

/* One value. INT, BOOL, TIME, DATE, DURATION use i; DECIMAL uses wide (its scale is known from elsewhere). */
typedef struct {
    bool present;
    int64_t i;
    rv_i128_t wide;
    double d;
    rv_str_t s;
} rv_value_t;

/* Bytes that grow by realloc; start with {0}, free with rv_bytes_done. */
typedef struct {
    uint8_t *p;
    size_t n, cap;
} rv_bytes_t;
/* False without memory. */
bool rv_bytes_add(rv_bytes_t *bytes, const void *p, size_t n);
void rv_bytes_done(rv_bytes_t *bytes);

/* Appends one value. False without memory. */
bool rv_value_encode(rv_type_t type, const rv_value_t *value, bool descending, rv_bytes_t *out);
/* Reads one value at *pos of bytes[0..n) and moves *pos; strings are borrowed (descending strings cannot be read back:
 * false). */
bool rv_value_decode(rv_type_t type, const uint8_t *bytes, size_t n, size_t *pos, rv_value_t *ret);

#endif
